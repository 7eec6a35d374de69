/* Ops leave in the order of their positions, from the beginning, so that what is left has no holes: everything that asks
 * for a position knows with one look whether it is still there, and each origin's floor (seq and chain of its newest op that
 * has left) is where `check` and sync go on. What points to an op goes with it: journal_also, and the span that it ended. */
#include "prune.h"

#include "base/log.h"
#include "queries.h"

#include <assert.h>
#include <inttypes.h>

enum {
    OPS_A_STEP = 300,           /* about a millisecond, and a commit */
    PAUSE_MS = 20,              /* between steps, at least: changes that wait come first; */
    PAUSE_PER_STEP = 9,         /* and that many times what the step took, so that a slow disk has time for them as well */
    LOOK_MS = 60000,            /* how often a server without changes looks whether a day has gone by */
    RETRY_MS = 60000,           /* after a failure: a full disk, say */
    MS_PER_DAY = 86400000,
};

static int64_t
today(const struct journal *j)
{
    return tb_wall_ms(j->clock) / MS_PER_DAY;
}

/* ---- days ---- */

/* Days that the clock took for past before it was set back are forgotten: their positions are younger than they say. */
enum tb_code
prune_note(struct pruner *p, struct journal *j, int64_t head_before, struct tb_err *e)
{
    int64_t day = today(j);

    if (p->noted_day == day)
        return TB_OK;
    if (db_run(&j->db, Q_FORGET_DAYS, ARGS(I(day)), e) != TB_OK ||
        db_run(&j->db, Q_NOTE_DAY, ARGS(I(day), I(head_before)), e) != TB_OK)
        return e->code;
    p->noted_day = day;
    return TB_OK;
}

void
prune_unnote(struct pruner *p)
{
    p->noted_day = 0;
}

/* What became known here more than so many days ago; position 0: nothing did. */
static enum tb_code
find_bound(struct journal *j, unsigned keep_days, struct horizon_bound *out, struct tb_err *e)
{
    *out = (struct horizon_bound){ 0 };
    if (keep_days == 0)
        return TB_OK;
    sqlite3_stmt *st = db_query(&j->db, Q_POS_OF_DAY, ARGS(I(today(j) - (int64_t)keep_days)), e);
    if (db_next(&j->db, st, e)) {
        *out = (struct horizon_bound){ .pos = db_col_int(st, 0), .day = db_col_int(st, 1) };
        db_done(st);
    }
    return e->code;
}

/* ---- ops ---- */

static enum tb_code
drop_also(struct journal *j, const struct op *op, int64_t pos, struct tb_err *e)
{
    for (size_t i = 0; i < op->receipts.n; i++)
        if (db_run(&j->db, Q_DROP_ALSO, ARGS(I(op->receipts.of[i].room_id), I(pos)), e) != TB_OK)
            return e->code;
    return TB_OK;
}

/* What else knows of the op of the row; the body is there only when something may. */
static enum tb_code
unlink_op(struct journal *j, sqlite3_stmt *st, struct tb_err *e)
{
    struct tb_arena mem = { 0 };
    struct op       op;
    int64_t         pos = db_col_int(st, 0);
    tb_str          body = db_col_text(st, 5);

    if (body.n == 0 || op_parse((int)db_col_int(st, 3), (int)db_col_int(st, 4), body, &mem, &op, e) != TB_OK) {
        tb_arena_fini(&mem);
        return e->code;
    }
    if (op.kind == OP_MEMBER_LEFT)
        TB_TRY(db_run(&j->db, Q_DROP_SPAN, ARGS(I(op.member_left.user_id), I(op.member_left.room_id), I(pos)), e));
    else
        TB_TRY(drop_also(j, &op, pos, e));
    tb_arena_fini(&mem);
    return e->code;
}

static bool
must_stay(const struct journal *j, int64_t node, int64_t seq)
{
    return node == j->self.node && seq >= j->self.pushed_seq;
}

/* Walks the oldest ops up to bound; *last: the newest that may go. */
static enum tb_code
unlink_oldest(struct pruner *p, struct journal *j, int64_t bound, int64_t *last, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(&j->db, Q_OLDEST_OPS, ARGS(I(bound), I(OPS_A_STEP + 1)), e);
    size_t        n = 0;

    while (db_next(&j->db, st, e)) {
        bool stays = must_stay(j, db_col_int(st, 1), db_col_int(st, 2));
        if (stays)
            p->held_at = j->self.pushed_seq;
        p->has_more = p->has_more || (!stays && n == OPS_A_STEP);
        if (stays || n++ == OPS_A_STEP || unlink_op(j, st, e) != TB_OK) {
            db_done(st);
            break;
        }
        *last = db_col_int(st, 0);
    }
    return e->code;
}

static enum tb_code
prune_ops(struct pruner *p, struct journal *j, const struct store_settings *settings, struct tb_err *e)
{
    struct horizon_bound bound;
    int64_t              last = 0;

    if (find_bound(j, settings->journal_keep_days, &bound, e) != TB_OK)
        return e->code;
    if (bound.pos >= j->self.head_pos)
        bound.pos = j->self.head_pos - 1;       /* the head stays: it says where the journal is */
    if (unlink_oldest(p, j, bound.pos, &last, e) != TB_OK || last == 0)
        return e->code;
    if (db_run(&j->db, Q_RAISE_FLOORS, ARGS(I(last)), e) != TB_OK)
        return e->code;
    return db_run(&j->db, Q_DROP_OPS, ARGS(I(last)), e);
}

/* ---- messages ---- */

static enum tb_code
prune_messages(struct pruner *p, struct journal *j, const struct store_settings *settings, struct tb_err *e)
{
    struct horizon_bound bound;

    if (find_bound(j, settings->history_keep_days, &bound, e) != TB_OK || bound.pos == 0)
        return e->code;
    if (horizon_step(j, &bound, &p->walk, &p->has_more, e) != TB_OK || p->has_more)
        return e->code;
    if (p->walk.held_hlc != 0)
        p->held_at = j->self.pushed_seq;
    p->walk = (struct horizon_walk){ 0 };
    return TB_OK;
}

/* ---- steps ---- */

static bool
is_wanted(const struct store_settings *settings)
{
    return settings->journal_keep_days > 0 || settings->history_keep_days > 0;
}

static bool
is_due(const struct pruner *p, const struct journal *j)
{
    return p->has_more || p->done_day != today(j) || (p->held_at != PRUNE_NEVER && p->held_at != j->self.pushed_seq);
}

static enum tb_code
run_step(struct pruner *p, struct journal *j, const struct store_settings *settings, struct tb_err *e)
{
    p->has_more = false;
    p->held_at = PRUNE_NEVER;
    if (db_run(&j->db, Q_BEGIN, NO_ARGS, e) != TB_OK)
        return e->code;
    if (prune_ops(p, j, settings, e) != TB_OK || (!p->has_more && prune_messages(p, j, settings, e) != TB_OK))
        return e->code;
    return db_run(&j->db, Q_COMMIT, NO_ARGS, e);
}

bool
prune_step(struct pruner *p, struct journal *j, const struct store_settings *settings)
{
    struct tb_err e = { 0 };
    int64_t       began = tb_mono_ms(j->clock);

    if (!is_wanted(settings) || !is_due(p, j))
        return false;
    if (began < p->not_before_ms)
        return true;
    TB_TRY(run_step(p, j, settings, &e));
    int64_t now = tb_mono_ms(j->clock), pause = (now - began) * PAUSE_PER_STEP;
    p->not_before_ms = now + (pause > PAUSE_MS ? pause : PAUSE_MS);
    if (e.code != TB_OK) {
        log_warn("store.prune_failed", "what=old why=\"%s\"", e.why);
        p->not_before_ms = now + RETRY_MS;
        p->has_more = true;
        p->walk = (struct horizon_walk){ 0 };
    } else if (!p->has_more) {
        p->done_day = today(j);
    }
    return p->has_more;
}

int
prune_wait_ms(const struct pruner *p, const struct journal *j, const struct store_settings *settings)
{
    int64_t left = p->not_before_ms - tb_mono_ms(j->clock);

    if (!is_wanted(settings))
        return -1;
    if (!p->has_more)
        return LOOK_MS;
    return left > 0 ? (int)left : 0;
}
