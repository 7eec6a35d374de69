/* What goes up first when the centre is behind the oldest of our ops that are left: the rows of all tables, as ops that make
 * them, in batches fenced like any other. They move nothing in op_log; the last one moves the centre to where the journal
 * begins, and from there on it gets ops. What other sites wrote and this one has is among the rows, also where that
 * site has gone. Cut off, it begins again: a row that comes twice is the same row. */
#include "inside.h"

#include "base/log.h"
#include "store/op.h"

#include <inttypes.h>

static const char *const table_names[STORE_TABLE_COUNT] = {
    [STORE_USERS] = "user", [STORE_ROOMS] = "room", [STORE_MEMBERS] = "member", [STORE_MESSAGES] = "message",
    [STORE_RECEIPTS] = "receipt",
};

struct page {                   /* a batch that is being filled */
    struct sync_engine *s;
    size_t              n;
    struct tb_err       err;
};

void
tables_begin(struct sync_engine *s)
{
    if (s->sending.goes_on) {
        s->sending.goes_on = false;
        return;
    }
    s->sending = (struct sending){ .limit = s->with.batch };
    log_warn("sync.sending_tables", "centre_has=%" PRId64 " journal_begins_after=%" PRId64, s->pushed_seq, s->me.floor_seq);
}

void
tables_drop(struct sync_engine *s)
{
    s->sending.goes_on = false;
}

/* ---- a batch ---- */

static bool
take_op(void *ctx, const struct op *op)
{
    struct page        *p = ctx;
    struct sending     *g = &p->s->sending;
    struct sync_target *t = p->s->with.target;

    if (g->refusal != 0 && p->n == 0)
        t->ops->park_row(t, op, g->refusal, g->why);
    else if (t->ops->add_row(t, op, &p->err) != TB_OK)
        return false;
    p->n++;
    return true;
}

/* The floor is read after the last row: ops that have left the journal meanwhile are old, and their effect was in the rows. */
static enum tb_code
end_at_floor(struct sync_engine *s, int64_t *floor_seq, struct tb_err *e)
{
    struct store_identity now;

    if (store_follow_identity(s->follower, &now, e) != TB_OK)
        return e->code;
    s->with.target->ops->skip_to(s->with.target, now.floor_seq, now.floor_chain);
    *floor_seq = now.floor_seq;
    return TB_OK;
}

/* Reads what comes after s->sending.at into the batch. *floor_seq: where the centre stands after it, when it is the last one. */
static enum tb_code
fill(struct sync_engine *s, struct page *p, struct store_rows_at *at, int64_t *floor_seq, struct tb_err *e)
{
    struct sync_target *t = s->with.target;

    t->ops->begin(t, &s->me, s->pushed_seq);
    if (at->table < STORE_TABLE_COUNT &&
        store_follow_rows(s->follower, at, s->sending.limit, take_op, p, e) != TB_OK)
        return e->code;
    if (p->err.code != TB_OK && p->err.code != TB_ETOOBIG) {
        *e = p->err;
        return e->code;
    }
    return at->table == STORE_TABLE_COUNT ? end_at_floor(s, floor_seq, e) : TB_OK;
}

/* ---- refusals ---- */

/* Halves the next batch. What is alone is left out and parked, so that the journal keeps what is nowhere else. */
static void
look_for_poison(struct sync_engine *s, const struct page *p, const struct tb_err *e)
{
    struct sending *g = &s->sending;

    if (p->n == 0 || g->refusal != 0) {
        engine_rest(s, e);          /* it is about none of them */
        return;
    }
    if (p->n > 1) {
        g->limit = p->n / 2;
    } else {
        log_error("sync.row_refused", "table=%s after=%" PRId64 " code=%u why=\"%s\"", table_names[g->at.table], g->at.key[0],
                  s->with.target->refusal, e->why);
        g->limit = 1;
        g->refusal = s->with.target->refusal;
        memcpy(g->why, e->why, sizeof g->why);
    }
    engine_begin_anew(s);
    g->goes_on = true;
}

/* ---- the step ---- */

static void
end(struct sync_engine *s, int64_t floor_seq)
{
    push_stand_at(s, floor_seq, tb_wall_ms(s->with.clock));
    log_warn("sync.sent_tables", "ops=%zu refused=%zu at=%" PRId64, s->sending.n_ops, s->sending.n_refused, floor_seq);
    engine_move(s, SYNC_PUSHING);
}

void
tables_send(struct sync_engine *s)
{
    struct sync_target  *t = s->with.target;
    struct page          p = { .s = s };
    struct store_rows_at at = s->sending.at;
    struct tb_err        e = { 0 };
    int64_t              floor_seq = 0;

    if (fill(s, &p, &at, &floor_seq, &e) != TB_OK) {
        engine_rest(s, &e);
        return;
    }
    bool is_last = at.table == STORE_TABLE_COUNT, is_empty = p.n == 0 && !is_last;
    if (!is_empty && (t->ops->send(t, tb_wall_ms(s->with.clock), &e) != TB_OK || t->ops->finish(t, &e) != TB_OK)) {
        if (e.code == TB_EINPUT)
            look_for_poison(s, &p, &e);
        else
            engine_rest(s, &e);
        return;
    }
    s->sending.n_refused += s->sending.refusal != 0 && p.n > 0;
    if (p.n > 0)
        s->sending.refusal = 0;
    s->sending.at = at;
    s->sending.n_ops += p.n;
    s->sending.limit = 2 * s->sending.limit < s->with.batch ? 2 * s->sending.limit : s->with.batch;
    if (is_last)
        end(s, floor_seq);
}
