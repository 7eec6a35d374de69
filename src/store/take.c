/* Rows of the centre's tables come into ours, where the ops that made them have left its op_log. What is known here changes nothing.
 * What sockets hear of takes a position, as an op does: its row of the journal has seq 0, and is chained to the row before it,
 * whose ever that is. The rest only changes its table. Once all rows are here, each origin's own order goes on from where it
 * stood at the centre when the first of them was read. Rows of the journal without a body say where that began and, for each
 * origin, where it ended, so that `check` knows what it can compare and follows the chains. */
#include "requests.h"

#include "apply.h"
#include "claims.h"
#include "hlc.h"
#include "news.h"
#include "queries.h"
#include "vet.h"

#include "base/log.h"

#include <inttypes.h>

/* ---- a row ---- */

static enum tb_code
load_head(struct journal *j, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(&j->db, Q_HEAD, NO_ARGS, e);

    if (db_next(&j->db, st, e)) {
        tb_str chain = db_col_text(st, 1);
        if (chain.n == CHAIN_SIZE)
            memcpy(j->self.head_chain.bytes, chain.p, CHAIN_SIZE);
        db_done(st);
    }
    return e->code;
}

static enum tb_code
append(struct journal *j, struct op *op, struct tb_err *e)
{
    tb_buf_clear(&j->body);
    op_write(op, &j->body);
    struct chain chain =
        chain_next(&j->self.head_chain, op->node, op->seq, op->at, (int)op->kind, op->version, tb_buf_str(&j->body));
    if (journal_take(j, op, tb_buf_str(&j->body), &chain, false, e) != TB_OK)
        return e->code;
    return news_announce(j, op, e);
}

static enum tb_code
apply_only(struct journal *j, struct op *op, struct tb_err *e)
{
    op->pos = j->self.head_pos;
    return op_apply(&j->db, op, j->self.node, e);
}

static enum tb_code
take_message(struct journal *j, struct op *op, struct tb_err *e)
{
    int64_t id = op->message_sent.id, one = 0;
    bool is_known = false;

    if (db_int(&j->db, Q_MESSAGE_FACTS, ARGS(I(id)), &one, &is_known, e) != TB_OK ||
        (!is_known && db_int(&j->db, Q_IS_BELOW_FLOOR, ARGS(I(id)), &one, &is_known, e) != TB_OK) || is_known)
        return e->code;
    if (append(j, op, e) != TB_OK)
        return e->code;
    return db_run(&j->db, Q_ARRIVED, ARGS(I(id), I(tb_wall_ms(j->clock))), e);
}

/* Who let him in is not always known there; the body of such an op wants somebody. */
static enum tb_code
take_member(struct journal *j, struct op *op, struct tb_err *e)
{
    bool is_silent;

    if (op->kind == OP_MEMBER_JOINED && op->member_joined.by_id == 0)
        op->member_joined.by_id = op->member_joined.user_id;
    if (op->kind == OP_MEMBER_LEFT && op->member_left.by_id == 0)
        op->member_left.by_id = op->member_left.user_id;
    if (news_judge_silent(j, op, &is_silent, e) != TB_OK)
        return e->code;
    return is_silent ? apply_only(j, op, e) : append(j, op, e);
}

/* A young one that is not here yet, of a message that is: *room_id is its room; otherwise 0. */
static enum tb_code
find_news(struct journal *j, const struct op *op, int64_t *room_id, struct tb_err *e)
{
    int64_t message_id = op->receipts.of[0].message_ids[0];
    bool is_known = false, found;
    sqlite3_stmt *st =
        news_is_old(j, op) ? NULL : db_query(&j->db, Q_RECEIPT, ARGS(I(message_id), I(op->receipts.of[0].user_id)), e);

    *room_id = 0;
    if (st == NULL)
        return e->code;
    if (db_next(&j->db, st, e)) {
        is_known = sqlite3_column_type(st, op->kind == OP_READ) != SQLITE_NULL;
        db_done(st);
    }
    if (e->code != TB_OK || is_known)
        return e->code;
    return db_int(&j->db, Q_MESSAGE_FACTS, ARGS(I(message_id)), room_id, &found, e);
}

static enum tb_code
take_receipt(struct journal *j, struct op *op, struct tb_err *e)
{
    struct op_receipts of = op->receipts.of[0];
    struct op          placed = *op;

    placed.receipts.of = &of;
    if (find_news(j, op, &of.room_id, e) != TB_OK)
        return e->code;
    return of.room_id != 0 ? append(j, &placed, e) : apply_only(j, &placed, e);
}

static enum tb_code
take_row(struct journal *j, const struct op *row, struct tb_err *e)
{
    struct op op = *row;
    bool ignored;

    journal_keep_counters(j, &op);
    j->self.hlc = hlc_merge(j->self.hlc, op.at, tb_wall_ms(j->clock), &ignored);
    switch (op.kind) {
    case OP_MESSAGE_SENT:
        return take_message(j, &op, e);
    case OP_MEMBER_JOINED:
    case OP_MEMBER_LEFT:
        return take_member(j, &op, e);
    case OP_DELIVERED:
    case OP_READ:
        return take_receipt(j, &op, e);
    case OP_USER_REGISTERED:
    case OP_PASSWORD_CHANGED:
    case OP_PROFILE_CHANGED:
    case OP_EMAIL_PARKED:
    case OP_ROOM_CREATED:
    case OP_LAST_SEEN:
        return apply_only(j, &op, e);
    case OP_PARKED:
    case OP_KIND_COUNT:
        break;
    }
    return tb_fail(e, TB_EINTERNAL, NULL, "an op of kind %d stands for no row", (int)op.kind);
}

/* Who comes back to such a position comes back from now. */
static int64_t
now_hlc(struct journal *j)
{
    j->self.hlc = hlc_next(j->self.hlc, tb_wall_ms(j->clock));
    return j->self.hlc;
}

/* From here on there are rows which no op of the journal has made. */
static enum tb_code
mark_beginning(struct journal *j, struct tb_err *e)
{
    struct op    op = { .kind = OP_PARKED, .version = OP_VERSION, .node = j->self.node, .at = now_hlc(j) };
    struct chain chain = chain_next(&j->self.head_chain, op.node, op.seq, op.at, (int)op.kind, op.version, TB_LIT(""));

    return journal_take(j, &op, TB_LIT(""), &chain, true, e);
}

/* ---- where each origin stands then ---- */

static enum tb_code
jump(struct journal *j, const struct store_origin_at *to, struct tb_err *e)
{
    struct op op = { .kind = OP_PARKED, .version = OP_VERSION, .node = to->node, .seq = to->seq };
    struct chain chain, start = chain_start(tb_str_of(to->journal_uuid));
    int64_t seq = 0;
    bool found;

    if (!vet_is_origin(j->self.node, to->node, to->seq))
        return TB_OK;
    memcpy(chain.bytes, to->chain, CHAIN_SIZE);
    if (db_int(&j->db, Q_ORIGIN, ARGS(I(to->node)), &seq, &found, e) != TB_OK || seq >= to->seq)
        return e->code;
    op.at = now_hlc(j);
    if (journal_take(j, &op, TB_LIT(""), &chain, true, e) != TB_OK)
        return e->code;
    return db_run(&j->db, Q_SET_ORIGIN,
                  ARGS(I(to->node), I(to->seq), B(chain.bytes, CHAIN_SIZE), B(start.bytes, CHAIN_SIZE)), e);
}

/* A row that is refused is left at the centre, and counted; told once a change. */
static bool
may_take(struct journal *j, const struct op *row, bool *is_told, struct tb_err *e)
{
    if (vet_op(j, row, VET_ROW, e) != TB_EINPUT)
        return e->code == TB_OK;
    j->n_refused++;
    if (!*is_told)
        log_warn("sync.row_unsound", "node=%" PRIu32 " user=%" PRId64 " room=%" PRId64 " why=\"%s\"", row->node, op_user(row),
                 op_room(row), e->why);
    *is_told = true;
    *e = (struct tb_err){ 0 };
    return false;
}

/* E-mails are judged when all rows of a user are here: one that he has lost elsewhere takes nobody's. */
enum tb_code
run_take_rows(struct journal *j, const struct store_settings *limits, struct store_take_rows *r)
{
    struct tb_err *e = &r->op.err;
    bool is_told = false;

    (void)limits;
    if (load_head(j, e) != TB_OK || (r->is_first && mark_beginning(j, e) != TB_OK))
        return e->code;
    for (size_t i = 0; i < r->n && e->code == TB_OK; i++)
        if (may_take(j, &r->rows[i], &is_told, e))
            TB_TRY(take_row(j, &r->rows[i], e));
    for (size_t i = 0; i < r->n && e->code == TB_OK; i++)
        TB_TRY(claims_judge(j, &r->rows[i], e));
    for (size_t i = 0; i < r->n_origins && e->code == TB_OK; i++)
        TB_TRY(jump(j, &r->origins[i], e));
    return e->code;
}
