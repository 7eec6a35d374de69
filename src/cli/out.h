#pragma once
/* How commands say what they have found: for people as lines, with --json as one object. Threads: main. */
#include "base/json.h"
#include "cli.h"

/* Says on stderr why a command has failed. */
enum exit_code cli_failed(const struct tb_err *e);

/* Members of an object. Text that is not UTF-8 is said to be so. */
void cli_put_str(struct tb_json *j, const char *key, tb_str v);
void cli_put_str_or_null(struct tb_json *j, const char *key, const char *v);    /* null: NULL or empty */
void cli_put_int(struct tb_json *j, const char *key, int64_t v);
void cli_put_int_or_null(struct tb_json *j, const char *key, bool is_known, int64_t v);
void cli_put_bool(struct tb_json *j, const char *key, bool v);
void cli_put_time(struct tb_json *j, const char *key, int64_t ms);              /* null: 0 */
void cli_end_json(struct tb_json *j);                                           /* the line's end */

/* Text that somebody else has chosen, for a terminal: control characters become question marks. */
void cli_add_plain(struct tb_buf *out, tb_str text);

/* A list of any length, printed as it grows. With --json it is the array `name` of an object. */
struct cli_listing {
    struct tb_buf  out;
    struct tb_json json;            /* into out */
    bool           as_json;
    size_t         n;               /* the caller's count of what is in it */
};
void cli_listing_begin(struct cli_listing *l, bool as_json, const char *name);
void cli_listing_flush(struct cli_listing *l);      /* before each of them: prints what has gathered, now and then */

/* Ends it with `count`; when_empty is for people. cli_print then prints the rest. */
void cli_listing_end(struct cli_listing *l, const char *when_empty);
