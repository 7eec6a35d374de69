#pragma once
/* JSON text as it came, checked and cut but not turned into a tree: what passes through keeps its bytes, and reading it
 * takes no memory. Grammar: RFC 8259; the text must be UTF-8 already.
 * Threads: any. */
#include "tombolo/str.h"

enum { SIO_JSON_DEPTH = 200 };      /* arrays and objects inside each other; beyond it text counts as broken */

/* Who may stand for binary data: objects with "_placeholder":true. */
struct sio_json_check {
    bool     has_attachments;       /* in: whether placeholders mean anything here */
    uint32_t n_attachments;         /* in: each one's "num" must be an integer below this */
};

/* The elements of an array that is all of text. */
struct sio_json_array {
    tb_str first;                   /* n == 0: the array is empty */
    tb_str rest;                    /* the elements after the first, with commas between, no blanks at the ends */
    tb_str all;                     /* the same from the first on */
};

/* NULL: well-formed, and *out is filled. Otherwise static text that says what is wrong. */
const char *sio_json_read_array(tb_str text, const struct sio_json_check *check, struct sio_json_array *out);
const char *sio_json_check_object(tb_str text);

/* The text of a well-formed string (with its quotes). Without escapes it points into json, else into scratch, which is
 * overwritten. Half a surrogate pair becomes U+FFFD. */
tb_str sio_json_unescape(tb_str json, struct tb_buf *scratch);
