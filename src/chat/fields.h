#pragma once
/* From a JSON object to the inputs of a call, by a table. Fields are looked at in the table's order, so the table is
 * also the order of these checks. Fields it does not name are ignored; of a key given twice the last counts (as in
 * JavaScript).
 * Threads: any; nothing shared. */
#include "base/arena.h"
#include "tombolo/err.h"

#include <jansson.h>

struct chat_secret {                            /* a password, to be overwritten by who uses it */
    char  *p;
    size_t n;
};

struct chat_ids {
    int64_t *p;
    size_t   n;
};

enum chat_field_kind {
    CHAT_TEXT,              /* tb_str */
    CHAT_NAME,              /* tb_str in NFC: what people compare */
    CHAT_SECRET,            /* struct chat_secret; the JSON value is overwritten once it was read */
    CHAT_ID,                /* int64_t: a number, or digits in a string; 1..2^53-1 */
    CHAT_IDS,               /* struct chat_ids: an array of such */
    CHAT_KEY,               /* tb_str; a number is taken as its text */
    CHAT_BOOL,              /* bool; 0, 1, "false" and "true" are taken as well */
};

struct chat_field {
    const char          *name;
    enum chat_field_kind kind;
    size_t               at;        /* offset of the output in *out */
    const char          *missing;   /* said when it is absent, null, "", [] or 0; NULL: it may be, and *out stays as it was */
    const char          *wrong;     /* said when it is something else than its kind */
};

struct chat_fields {
    const struct chat_field *list;
    size_t                   n;
};

enum { CHAT_JSON_DEPTH = 32 };      /* deeper than any payload of ours, and small for the stack */

/* Reads the fields of a JSON object in text into *out; what they point into is allocated in mem. No text at all
 * counts as an object without fields. TB_EINPUT: no JSON (RFC 8259), too deep, no object, or a field is missing or
 * wrong. On failure secrets that were read are wiped, and *out is of no use. */
enum tb_code chat_fields_parse(tb_str text, struct chat_fields fields, void *out, struct tb_arena *mem,
                               struct tb_err *e) TB_MUST_CHECK;

/* The same from JSON that was read already. */
enum tb_code chat_fields_read(const json_t *object, struct chat_fields fields, void *out, struct tb_arena *mem,
                              struct tb_err *e) TB_MUST_CHECK;

/* Digits for an id in 1..2^53-1: in paths, queries and strings. */
bool chat_id_of(tb_str digits, int64_t *out);
