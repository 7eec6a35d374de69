/* Offsets of the journal; see requests.h. A position alone would also fit another journal, or one that was set back. */
#include "requests.h"

#include "queries.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

void
offset_write(char out[STORE_OFFSET_SIZE], int64_t pos, const uint8_t *chain)
{
    int n = snprintf(out, STORE_OFFSET_SIZE, "%" PRId64 "-", pos);
    sodium_bin2hex(out + n, STORE_OFFSET_SIZE - (size_t)n, chain, STORE_TAG_SIZE);
}

void
store_event_offset(const struct store_event *event, char out[STORE_OFFSET_SIZE])
{
    offset_write(out, event->op.pos, event->tag);
}

void
store_event_offset_within(const struct store_event *event, uint32_t parts, char out[STORE_OFFSET_SIZE])
{
    size_t n;

    store_event_offset(event, out);
    n = strlen(out);
    snprintf(out + n, STORE_OFFSET_SIZE - n, ".%" PRIu32, parts);
}

enum tb_code
offset_at(struct db *d, const struct self *own, int64_t pos, char out[STORE_OFFSET_SIZE], int64_t *at, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(d, Q_CHAIN_AT, ARGS(I(pos)), e);
    int64_t       first = 0;
    bool          found;

    *at = 0;
    if (db_next(d, st, e)) {
        offset_write(out, pos, (const uint8_t *)db_col_text(st, 0).p);
        *at = db_col_int(st, 1);
        db_done(st);
        return TB_OK;
    }
    if (e->code != TB_OK || (pos == 0 && db_int(d, Q_FIRST_POS, NO_ARGS, &first, &found, e) != TB_OK))
        return e->code;
    if (pos != 0 || first > 1)
        return tb_fail(e, TB_EINPUT, NULL, "position %" PRId64 " is not here", pos);
    struct chain start = chain_start(tb_str_of(own->uuid));
    offset_write(out, 0, start.bytes);
    return TB_OK;
}

enum tb_code
offset_of_head(struct db *d, const struct self *own, char out[STORE_OFFSET_SIZE], int64_t *pos, struct tb_err *e)
{
    int64_t at;

    *pos = own->head_pos;
    return offset_at(d, own, own->head_pos, out, &at, e);
}

/* "<pos>-<tag>" of text, and what stands behind it: "", or ".<parts>". false: something else does. */
static bool
split(tb_str text, tb_str *of_op, bool *is_within, uint32_t *parts)
{
    const char *dot = text.n > 0 ? memchr(text.p, '.', text.n) : NULL;
    uint64_t    n = 0;

    *is_within = dot != NULL;
    of_op->p = text.p;
    of_op->n = dot != NULL ? (size_t)(dot - text.p) : text.n;
    if (dot != NULL && !tb_str_to_uint((tb_str){ .p = dot + 1, .n = text.n - of_op->n - 1 }, UINT32_MAX, &n))
        return false;
    *parts = (uint32_t)n;
    return true;
}

enum tb_code
offset_read(struct db *d, const struct self *own, tb_str text, int64_t *pos, uint32_t *parts, int64_t *at, struct tb_err *e)
{
    char     expected[STORE_OFFSET_SIZE] = "";
    bool     is_within;
    uint32_t n;
    uint64_t v = 0;
    tb_str   of_op;

    if (!split(text, &of_op, &is_within, &n))
        return tb_fail(e, TB_EINPUT, "Invalid since", "no number of parts");
    const char *dash = of_op.n > 0 ? memchr(of_op.p, '-', of_op.n) : NULL;
    if (dash != NULL && tb_str_to_uint((tb_str){ .p = of_op.p, .n = (size_t)(dash - of_op.p) }, INT64_MAX, &v) &&
        offset_at(d, own, (int64_t)v, expected, at, e) != TB_OK && e->code != TB_EINPUT)
        return e->code;
    if (expected[0] == '\0' || !tb_str_eq(of_op, tb_str_of(expected)) || (is_within && v == 0))
        return tb_fail(e, TB_EINPUT, "Invalid since", "no offset of this journal");
    *pos = (int64_t)v - is_within;
    *parts = n;
    return TB_OK;
}
