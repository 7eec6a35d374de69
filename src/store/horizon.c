/* Bodies of horizon.h. A round begins with our own messages. If one of them is old and not at the centre, no message of another
 * site that comes after it may leave: it would lie below a horizon and be nowhere but here. */
#include "horizon.h"

#include "hlc.h"
#include "queries.h"

enum {
    MESSAGES_A_STEP = 100,
    ROWS_A_STEP = 500,          /* receipts and counters too: a few milliseconds; one message of a large room may be more */
    NODE_SHIFT = 41,            /* of an id */
    MS_PER_DAY = 86400000,
};

static int64_t
first_id_of(int64_t node)
{
    return node << NODE_SHIFT;
}

enum tb_code
horizon_has_left(struct db *d, int64_t message_id, bool *out, struct tb_err *e)
{
    int64_t one;
    return db_int(d, Q_HAS_LEFT, ARGS(I(message_id)), &one, out, e);
}

enum tb_code
horizon_of_room(struct db *d, int64_t room_id, struct horizon *out, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(d, Q_HORIZON, ARGS(I(room_id)), e);

    *out = (struct horizon){ 0 };
    if (db_next(d, st, e)) {
        *out = (struct horizon){ .hlc = db_col_int(st, 0), .id = db_col_int(st, 1) };
        db_done(st);
    }
    return e->code;
}

enum tb_code
horizon_forget(struct db *d, const struct horizon_message *m, struct tb_err *e)
{
    if (db_run(d, Q_COUNT_LEFT, ARGS(I(m->room_id), I(m->sender_id), I(m->pos), I(m->id)), e) != TB_OK ||
        db_run(d, Q_DROP_RECEIPTS, ARGS(I(m->id)), e) != TB_OK || db_run(d, Q_DROP_MESSAGE, ARGS(I(m->id)), e) != TB_OK)
        return e->code;
    return db_run(d, Q_RAISE_HORIZON, ARGS(I(m->room_id), I(m->hlc), I(m->id)), e);
}

/* ---- the marks that say since when something is at the centre ---- */

/* Of the marks before own op seq, those that no message needs which is still here. */
static enum tb_code
drop_marks(struct journal *j, const struct horizon_walk *w, int64_t seq, struct tb_err *e)
{
    return db_run(&j->db, Q_DROP_MARKS, ARGS(I(w->kept_mark), I(seq)), e);
}

static enum tb_code
keep_mark_of(struct journal *j, struct horizon_walk *w, int64_t seq, struct tb_err *e)
{
    bool found;

    if (w->is_past_own || drop_marks(j, w, seq, e) != TB_OK)
        return e->code;
    return db_int(&j->db, Q_MARK_OF, ARGS(I(seq)), &w->kept_mark, &found, e);
}

/* ---- a step ---- */

struct row {
    struct horizon_message m;
    int64_t                seq, node;   /* of its op */
};

enum verdict { LEAVES, STAYS_AS_NEWEST, ENDS_ITS_NODE };

static enum tb_code
judge(struct journal *j, const struct horizon_bound *bound, struct horizon_walk *w, const struct row *r, enum verdict *out,
      struct tb_err *e)
{
    int64_t one, limit = (bound->day * MS_PER_DAY) << HLC_LOGICAL_BITS;
    bool    has_newer, is_parked = false;

    *out = ENDS_ITS_NODE;
    if (r->m.pos > bound->pos || r->m.hlc >= limit || (w->held_hlc != 0 && r->m.hlc >= w->held_hlc))
        return TB_OK;
    if (r->node == j->self.node && db_int(&j->db, Q_IS_PARKED, ARGS(I(r->seq)), &one, &is_parked, e) != TB_OK)
        return e->code;
    if (r->node == j->self.node && (r->seq > j->self.pushed_seq || is_parked)) {
        w->held_hlc = r->m.hlc;
        return TB_OK;
    }
    if (db_int(&j->db, Q_HAS_NEWER, ARGS(I(r->m.room_id), I(r->m.hlc), I(r->m.id)), &one, &has_newer, e) == TB_OK)
        *out = has_newer ? LEAVES : STAYS_AS_NEWEST;
    return e->code;
}

static enum tb_code
let_go(struct journal *j, const struct row *r, struct tb_err *e)
{
    if (horizon_forget(&j->db, &r->m, e) != TB_OK)
        return e->code;
    return db_run(&j->db, Q_RAISE_HISTORY_FLOOR, ARGS(I(r->m.id >> NODE_SHIFT), I(r->m.id)), e);
}

/* What follows from one row, and where to go on. */
static enum tb_code
take_row(struct journal *j, const struct horizon_bound *bound, struct horizon_walk *w, const struct row *r, struct tb_err *e)
{
    enum verdict verdict;

    w->at_id = r->m.id + 1;
    if (judge(j, bound, w, r, &verdict, e) != TB_OK)
        return e->code;
    switch (verdict) {
    case LEAVES:
        return let_go(j, r, e);
    case STAYS_AS_NEWEST:
        return keep_mark_of(j, w, r->seq, e);
    case ENDS_ITS_NODE:
        w->at_id = first_id_of((r->m.id >> NODE_SHIFT) + 1);
        w->is_cut_short = true;
        return keep_mark_of(j, w, r->seq, e);
    }
    return e->code;
}

static enum tb_code
read_row(struct journal *j, int64_t from_id, int64_t to_id, struct row *out, bool *found, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(&j->db, Q_MESSAGE_FROM, ARGS(I(from_id), I(to_id)), e);

    *found = db_next(&j->db, st, e);
    if (!*found)
        return e->code;
    out->m = (struct horizon_message){ .id = db_col_int(st, 0), .room_id = db_col_int(st, 1), .sender_id = db_col_int(st, 2),
                                       .hlc = db_col_int(st, 3), .pos = db_col_int(st, 4) };
    out->seq = db_col_int(st, 5);
    out->node = db_col_int(st, 6);
    db_done(st);
    return TB_OK;
}

/* The next message of the walk: own ones, then those of lower node numbers, then those of higher ones. */
static enum tb_code
find_next(struct journal *j, struct horizon_walk *w, struct row *out, bool *found, struct tb_err *e)
{
    int64_t own = first_id_of(j->self.node), own_end = first_id_of((int64_t)j->self.node + 1);

    if (!w->is_past_own)
        return read_row(j, w->at_id > own ? w->at_id : own, own_end, out, found, e);
    *found = false;
    if (w->at_id < own && read_row(j, w->at_id, own, out, found, e) != TB_OK)
        return e->code;
    return *found ? TB_OK : read_row(j, w->at_id > own_end ? w->at_id : own_end, INT64_MAX, out, found, e);
}

/* No own message is left that may be old. */
static enum tb_code
end_own(struct journal *j, struct horizon_walk *w, struct tb_err *e)
{
    w->is_past_own = true;
    w->at_id = 0;
    return w->is_cut_short ? TB_OK : drop_marks(j, w, j->self.pushed_seq, e);
}

enum tb_code
horizon_step(struct journal *j, const struct horizon_bound *bound, struct horizon_walk *w, bool *has_more, struct tb_err *e)
{
    int64_t    before = sqlite3_total_changes64(j->db.sql);
    struct row r;
    bool       found;

    *has_more = true;
    for (int i = 0; i < MESSAGES_A_STEP && sqlite3_total_changes64(j->db.sql) - before < ROWS_A_STEP; i++) {
        if (find_next(j, w, &r, &found, e) != TB_OK)
            return e->code;
        if (found) {
            if (take_row(j, bound, w, &r, e) != TB_OK)
                return e->code;
        } else if (!w->is_past_own) {
            if (end_own(j, w, e) != TB_OK)
                return e->code;
        } else {
            *has_more = false;
            return TB_OK;
        }
    }
    return TB_OK;
}
