#pragma once
/* Building JSON text (RFC 8259), compact, into a tb_buf. Reading goes through jansson.
 * Commas are put in by themselves; open and end must pair up, which is asserted at tb_json_fini. */
#include "tombolo/str.h"

struct tb_json {
    struct tb_buf *out;         /* borrowed; text is appended */
    int            depth;
    bool           need_comma;
};

struct tb_json tb_json_to(struct tb_buf *out);
void           tb_json_fini(const struct tb_json *j);     /* asserts that all is closed; frees nothing */

void tb_json_open_object(struct tb_json *j);
void tb_json_open_array(struct tb_json *j);
void tb_json_end_object(struct tb_json *j);
void tb_json_end_array(struct tb_json *j);

/* key is a literal of ours: it is written as it stands, unescaped. */
void tb_json_key(struct tb_json *j, const char *key);

/* Values: as elements of an array, or after tb_json_key. Text must be UTF-8. */
void tb_json_str(struct tb_json *j, tb_str v);
void tb_json_int(struct tb_json *j, int64_t v);
void tb_json_bool(struct tb_json *j, bool v);
void tb_json_null(struct tb_json *j);
void tb_json_time(struct tb_json *j, int64_t ms);         /* "2026-11-22T09:00:00.000Z" */
void tb_json_raw(struct tb_json *j, tb_str json);         /* text that is JSON already */
