/* Bodies of out.h. */
#include "out.h"

#include <stdio.h>

enum { FLUSH_BYTES = 64 << 10 };        /* a listing is held in memory up to here */

enum exit_code
cli_failed(const struct tb_err *e)
{
    fprintf(stderr, "tombolo: %s\n", e->why);
    return FAILED;
}

void
cli_put_str(struct tb_json *j, const char *key, tb_str v)
{
    tb_json_key(j, key);
    tb_json_str(j, tb_str_is_utf8(v) ? v : TB_LIT("(not UTF-8)"));
}

void
cli_put_int(struct tb_json *j, const char *key, int64_t v)
{
    tb_json_key(j, key);
    tb_json_int(j, v);
}

void
cli_put_bool(struct tb_json *j, const char *key, bool v)
{
    tb_json_key(j, key);
    tb_json_bool(j, v);
}

void
cli_put_str_or_null(struct tb_json *j, const char *key, const char *v)
{
    tb_json_key(j, key);
    if (v != NULL && v[0] != '\0')
        tb_json_str(j, tb_str_of(v));
    else
        tb_json_null(j);
}

void
cli_put_time(struct tb_json *j, const char *key, int64_t ms)
{
    tb_json_key(j, key);
    if (ms != 0)
        tb_json_time(j, ms);
    else
        tb_json_null(j);
}

void
cli_end_json(struct tb_json *j)
{
    tb_json_fini(j);
    tb_buf_add_char(j->out, '\n');
}

/* One line of a table for people: what somebody else has chosen must not move the cursor. */
void
cli_add_plain(struct tb_buf *out, tb_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        tb_buf_add_char(out, c < 0x20 || c == 0x7f ? '?' : (char)c);
    }
}

void
cli_put_int_or_null(struct tb_json *j, const char *key, bool is_known, int64_t v)
{
    tb_json_key(j, key);
    if (is_known)
        tb_json_int(j, v);
    else
        tb_json_null(j);
}

void
cli_listing_flush(struct cli_listing *l)
{
    if (l->out.n < FLUSH_BYTES)
        return;
    fwrite(l->out.p, 1, l->out.n, stdout);
    tb_buf_clear(&l->out);
}

void
cli_listing_begin(struct cli_listing *l, bool as_json, const char *name)
{
    *l = (struct cli_listing){ .as_json = as_json };
    l->json = tb_json_to(&l->out);
    if (as_json) {
        tb_json_open_object(&l->json);
        tb_json_key(&l->json, name);
        tb_json_open_array(&l->json);
    }
}

void
cli_listing_end(struct cli_listing *l, const char *when_empty)
{
    if (l->as_json) {
        tb_json_end_array(&l->json);
        cli_put_int(&l->json, "count", (int64_t)l->n);
        tb_json_end_object(&l->json);
        cli_end_json(&l->json);
    } else if (l->n == 0) {
        tb_buf_printf(&l->out, "%s\n", when_empty);
    }
}
