/* Bodies of mysql_read.h. A row that makes no sense is a failure of the link: nothing of it is believed. */
#include "mysql_read.h"

#include <inttypes.h>
#include <stdio.h>

struct rows {
    MYSQL_RES *all;
    MYSQL_ROW  row;
    unsigned   n_columns;
    bool       is_sound;        /* of the row under way: every number so far was one */
};

static enum tb_code
query(struct mysql_link *l, const char *what, const char *sql, unsigned n_columns, struct rows *out, struct tb_err *e)
{
    *out = (struct rows){ .n_columns = n_columns };
    if (mysql_real_query(l->sql, sql, strlen(sql)) != 0)
        return link_fail(l, what, e);
    out->all = mysql_store_result(l->sql);
    if (out->all == NULL)
        return link_fail(l, what, e);
    if (mysql_num_fields(out->all) == n_columns)
        return TB_OK;
    mysql_free_result(out->all);
    return tb_fail(e, TB_EIO, NULL, "%s: %u columns came", what, n_columns);
}

static bool
next(struct rows *r)
{
    r->row = mysql_fetch_row(r->all);
    r->is_sound = true;
    return r->row != NULL;
}

static tb_str
text(struct rows *r, unsigned column)
{
    return (tb_str){ .p = r->row[column], .n = r->row[column] != NULL ? mysql_fetch_lengths(r->all)[column] : 0 };
}

static int64_t
number(struct rows *r, unsigned column, int64_t max)
{
    uint64_t v = 0;

    r->is_sound = r->is_sound && r->row[column] != NULL && tb_str_to_uint(text(r, column), (uint64_t)max, &v);
    return (int64_t)v;
}

enum tb_code
read_heads(struct mysql_link *l, uint32_t but_node, void (*each)(void *ctx, const struct sync_head *), void *ctx,
           struct tb_err *e)
{
    struct rows r;
    char        sql[128];

    snprintf(sql, sizeof sql, "SELECT `id`,`uuid`,`last_seq` FROM `site` WHERE `id`<>%" PRIu32 " ORDER BY `id`", but_node);
    if (query(l, "heads", sql, 3, &r, e) != TB_OK)
        return e->code;
    while (next(&r)) {
        struct sync_head head = { .node = (uint32_t)number(&r, 0, UINT32_MAX), .last_seq = number(&r, 2, INT64_MAX) };
        snprintf(head.journal_uuid, sizeof head.journal_uuid, TB_STR_FMT, TB_STR_ARG(text(&r, 1)));
        if (!r.is_sound) {
            tb_fail(e, TB_EIO, NULL, "heads: a row of site makes no sense");
            break;
        }
        each(ctx, &head);
    }
    mysql_free_result(r.all);
    return e->code;
}

enum tb_code
read_parked(struct mysql_link *l, uint32_t node, size_t max, void (*each)(void *ctx, int64_t seq), void *ctx, struct tb_err *e)
{
    struct rows r;
    char        sql[128];

    snprintf(sql, sizeof sql, "SELECT `seq` FROM `parked` WHERE `node`=%" PRIu32 " ORDER BY `seq` LIMIT %zu", node, max);
    if (query(l, "parked", sql, 1, &r, e) != TB_OK)
        return e->code;
    while (next(&r)) {
        int64_t seq = number(&r, 0, INT64_MAX);
        if (!r.is_sound) {
            tb_fail(e, TB_EIO, NULL, "parked: a row makes no sense");
            break;
        }
        each(ctx, seq);
    }
    mysql_free_result(r.all);
    return e->code;
}

/* Seqs have no gaps, so a stretch of them bounds the rows that the window function has to look at. */
enum tb_code
read_ops(struct mysql_link *l, uint32_t node, int64_t after, int64_t upto, size_t max, size_t max_bytes,
         void (*each)(void *ctx, const struct store_entry *), void *ctx, struct tb_err *e)
{
    struct rows r;
    char        sql[640];

    if (upto > after + (int64_t)max)
        upto = after + (int64_t)max;
    snprintf(sql, sizeof sql,
             "SELECT `seq`,`at`,`kind`,`version`,`chain`,`body`,`was` FROM (SELECT o.`seq`,o.`at`,o.`kind`,o.`version`,"
             "o.`chain`,o.`body`,COALESCE(p.`kind`,0) AS `was`,SUM(LENGTH(o.`body`)) OVER (ORDER BY o.`seq` ROWS UNBOUNDED"
             " PRECEDING) AS `total` FROM `op_log` o LEFT JOIN `parked` p ON p.`node`=o.`node` AND p.`seq`=o.`seq`"
             " WHERE o.`node`=%" PRIu32 " AND o.`seq`>%" PRId64 " AND o.`seq`<=%" PRId64 ") `page`"
             " WHERE `total`-LENGTH(`body`)<%zu ORDER BY `seq`", node, after, upto, max_bytes);
    if (query(l, "ops", sql, 7, &r, e) != TB_OK)
        return e->code;
    while (next(&r)) {
        struct store_entry entry = {
            .node = node, .seq = number(&r, 0, INT64_MAX), .at = number(&r, 1, INT64_MAX), .kind = (int)number(&r, 2, 255),
            .version = (int)number(&r, 3, 255), .body = text(&r, 5), .parked_kind = (int)number(&r, 6, 255),
        };
        tb_str chain = text(&r, 4);
        if (!r.is_sound || chain.n != sizeof entry.chain) {
            tb_fail(e, TB_EIO, NULL, "ops: a row of node %" PRIu32 " makes no sense", node);
            break;
        }
        memcpy(entry.chain, chain.p, sizeof entry.chain);
        each(ctx, &entry);
    }
    mysql_free_result(r.all);
    return e->code;
}
