/* Bodies of news.h. */
#include "news.h"

#include "apply.h"
#include "queries.h"

enum {
    RECEIPT_NEWS_MS = 5 * 60 * 1000,
};

bool
news_is_old(const struct journal *j, const struct op *op)
{
    return (op->kind == OP_DELIVERED || op->kind == OP_READ) &&
           op->receipts.at + RECEIPT_NEWS_MS < tb_wall_ms(j->clock);
}

enum tb_code
news_judge_silent(struct journal *j, const struct op *op, bool *is_silent, struct tb_err *e)
{
    struct standing was = { 0 };

    *is_silent = false;
    if (op->kind == OP_MEMBER_JOINED) {
        TB_TRY(op_standing(&j->db, op->member_joined.room_id, op->member_joined.user_id, op->member_joined.stamp,
                           op->node, &was, e));
        *is_silent = !was.is_newer || was.is_member;
    } else if (op->kind == OP_MEMBER_LEFT) {
        TB_TRY(op_standing(&j->db, op->member_left.room_id, op->member_left.user_id, op->member_left.stamp, op->node,
                           &was, e));
        *is_silent = !was.is_newer || !was.is_member;
    } else if (op->kind == OP_DELIVERED || op->kind == OP_READ) {
        *is_silent = news_is_old(j, op);
    }
    return e->code;
}

bool
news_is_for_sockets(const struct op *op)
{
    return op->kind == OP_MESSAGE_SENT || op->kind == OP_MEMBER_JOINED || op->kind == OP_MEMBER_LEFT ||
           op->kind == OP_DELIVERED || op->kind == OP_READ || op->kind == OP_PASSWORD_CHANGED;
}

enum tb_code
news_announce(struct journal *j, const struct op *op, struct tb_err *e)
{
    if (op->kind != OP_MESSAGE_SENT && op->kind != OP_MEMBER_JOINED) {
        journal_announce(j, op, TB_STR_NULL, TB_STR_NULL);
        return TB_OK;
    }
    sqlite3_stmt *st = db_query(&j->db, Q_SENDER, ARGS(I(op_user(op))), e);
    if (db_next(&j->db, st, e)) {
        journal_announce(j, op, db_col_text(st, 0), op->kind == OP_MESSAGE_SENT ? db_col_text(st, 1) : TB_STR_NULL);
        db_done(st);
    } else if (e->code == TB_OK) {
        journal_announce(j, op, TB_STR_NULL, TB_STR_NULL);
    }
    return e->code;
}
