/* Bodies of mysql_read.h. A row that makes no sense is a failure of the link: nothing of it is believed. */
#include "mysql_read.h"

#include "mysql_answer.h"

#include <inttypes.h>
#include <stdio.h>

/* Where others stand and whose our number is, as of one moment: what others wrote before a copy took it over knows nothing of
 * that copy, and what they wrote afterwards lies beyond these heads. */
enum tb_code
read_heads(struct mysql_link *l, const struct store_identity *me, void (*each)(void *ctx, const struct sync_head *), void *ctx,
           struct tb_err *e)
{
    struct mysql_answer r;
    bool                is_there = false, is_ours = false;

    if (answer_ask(l, "heads", TB_LIT("SELECT `id`,`uuid`,`last_seq`,`floor`,`chain`,`epoch` FROM `site` ORDER BY `id`"), 6,
                   STORE_NODES, &r, e) != TB_OK)
        return e->code;
    while (answer_next(&r)) {
        if ((uint32_t)answer_number(&r, 0, UINT32_MAX) == me->node) {
            is_there = true;
            is_ours = tb_str_eq(answer_text(&r, 1), tb_str_of(me->journal_uuid)) && answer_number(&r, 5, UINT32_MAX) == me->epoch;
            continue;
        }
        struct sync_head head = { .node = (uint32_t)answer_number(&r, 0, UINT32_MAX), .last_seq = answer_number(&r, 2, INT64_MAX),
                                  .floor = answer_number(&r, 3, INT64_MAX) };
        tb_str chain = answer_text(&r, 4);
        snprintf(head.journal_uuid, sizeof head.journal_uuid, TB_STR_FMT, TB_STR_ARG(answer_text(&r, 1)));
        if (!r.is_sound || chain.n != sizeof head.chain) {
            tb_fail(e, TB_EIO, NULL, "heads: a row of site makes no sense");
            break;
        }
        memcpy(head.chain, chain.p, sizeof head.chain);
        each(ctx, &head);
    }
    if (e->code == TB_OK && !is_ours)
        tb_fail(e, TB_EIO, NULL, is_there ? "heads: our number has gone on without us" : "heads: " SYNC_NO_NUMBER);
    answer_free(&r);
    return e->code;
}

enum tb_code
read_parked(struct mysql_link *l, uint32_t node, size_t max, void (*each)(void *ctx, int64_t seq), void *ctx, struct tb_err *e)
{
    struct mysql_answer r;
    char        sql[128];

    snprintf(sql, sizeof sql, "SELECT `seq` FROM `parked` WHERE `node`=%" PRIu32 " ORDER BY `seq` LIMIT %zu", node, max);
    if (answer_ask(l, "parked", tb_str_of(sql), 1, max, &r, e) != TB_OK)
        return e->code;
    while (answer_next(&r)) {
        int64_t seq = answer_number(&r, 0, INT64_MAX);
        if (!r.is_sound) {
            tb_fail(e, TB_EIO, NULL, "parked: a row makes no sense");
            break;
        }
        each(ctx, seq);
    }
    answer_free(&r);
    return e->code;
}

/* Seqs have no gaps, so a stretch of them bounds the rows that the window function has to look at. */
enum tb_code
read_ops(struct mysql_link *l, uint32_t node, int64_t after, int64_t upto, size_t max, size_t max_bytes,
         void (*each)(void *ctx, const struct store_entry *), void *ctx, struct tb_err *e)
{
    struct mysql_answer r;
    char        sql[640];

    if (upto > after + (int64_t)max)
        upto = after + (int64_t)max;
    snprintf(sql, sizeof sql,
             "SELECT `seq`,`at`,`kind`,`version`,`chain`,`body`,`was` FROM (SELECT o.`seq`,o.`at`,o.`kind`,o.`version`,"
             "o.`chain`,o.`body`,COALESCE(p.`kind`,0) AS `was`,SUM(LENGTH(o.`body`)) OVER (ORDER BY o.`seq` ROWS UNBOUNDED"
             " PRECEDING) AS `total` FROM `op_log` o LEFT JOIN `parked` p ON p.`node`=o.`node` AND p.`seq`=o.`seq`"
             " WHERE o.`node`=%" PRIu32 " AND o.`seq`>%" PRId64 " AND o.`seq`<=%" PRId64 ") `page`"
             " WHERE `total`-LENGTH(`body`)<%zu ORDER BY `seq`", node, after, upto, max_bytes);
    if (answer_ask(l, "ops", tb_str_of(sql), 7, max, &r, e) != TB_OK)
        return e->code;
    while (answer_next(&r)) {
        struct store_entry entry = {
            .node = node, .seq = answer_number(&r, 0, INT64_MAX), .at = answer_number(&r, 1, INT64_MAX),
            .kind = (int)answer_number(&r, 2, 255),
            .version = (int)answer_number(&r, 3, 255), .body = answer_text(&r, 5), .parked_kind = (int)answer_number(&r, 6, 255),
        };
        tb_str chain = answer_text(&r, 4);
        if (!r.is_sound || chain.n != sizeof entry.chain) {
            tb_fail(e, TB_EIO, NULL, "ops: a row of node %" PRIu32 " makes no sense", node);
            break;
        }
        memcpy(entry.chain, chain.p, sizeof entry.chain);
        each(ctx, &entry);
    }
    answer_free(&r);
    return e->code;
}
