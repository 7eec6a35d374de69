/* What a user missed, page by page: the journal's ops of the rooms he was in, at the positions at which he was in them. Each
 * page looks at a bounded stretch of positions, so that it costs the same however far behind a socket is. */
#include "requests.h"

#include "horizon.h"
#include "queries.h"

#include <assert.h>

enum {
    POSITIONS_A_PAGE = 20000,
    BYTES_A_PAGE = 512 << 10,       /* of bodies: about what a socket's queue takes; long messages would be read many times over */
};

struct span {                       /* a stay of the user in a room, positions inclusive */
    int64_t room_id, from, to;
};

struct page {
    struct db             *db;
    struct store_catch_up *r;
    struct span           *spans;
    size_t                 n_spans, cap_events;
    int64_t                last;    /* the last position that the page may cover */
};

static enum tb_code
read_spans(struct page *p)
{
    struct store_catch_up *r = p->r;
    struct tb_err         *e = &r->op.err;
    size_t                 cap = 0;
    sqlite3_stmt          *st = db_query(p->db, Q_SPANS, ARGS(I(r->user_id), I(r->seen)), e);

    while (db_next(p->db, st, e)) {
        p->spans = tb_arena_more(&r->op.mem, p->spans, p->n_spans, &cap, sizeof *p->spans);
        p->spans[p->n_spans++] = (struct span){ .room_id = db_col_int(st, 0), .from = db_col_int(st, 1),
                                                .to = db_col_int(st, 2) };
    }
    return e->code;
}

static bool
was_in(const struct page *p, int64_t room_id, int64_t pos)
{
    for (size_t i = 0; i < p->n_spans; i++)
        if (p->spans[i].room_id == room_id && pos >= p->spans[i].from && pos <= p->spans[i].to)
            return true;
    return false;
}

/* Of receipts about several rooms, those of rooms that he was not in are none of his business. */
static void
keep_own_rooms(const struct page *p, struct op *op)
{
    size_t kept = 0;

    if (op->kind != OP_DELIVERED && op->kind != OP_READ)
        return;
    for (size_t i = 0; i < op->receipts.n; i++)
        if (was_in(p, op->receipts.of[i].room_id, op->pos))
            op->receipts.of[kept++] = op->receipts.of[i];
    op->receipts.n = kept;
}

static enum tb_code
add_names(struct page *p, struct store_event *event)
{
    struct tb_err *e = &p->r->op.err;
    sqlite3_stmt  *st;

    if (event->op.kind != OP_MESSAGE_SENT && event->op.kind != OP_MEMBER_JOINED)
        return TB_OK;
    st = db_query(p->db, Q_SENDER, ARGS(I(op_user(&event->op))), e);
    if (db_next(p->db, st, e)) {
        event->username = tb_arena_str(&p->r->op.mem, db_col_text(st, 0));
        event->email = tb_arena_str(&p->r->op.mem, db_col_text(st, 1));
        db_done(st);
    }
    return e->code;
}

static bool
is_for_sockets(int kind)
{
    return kind == OP_MESSAGE_SENT || kind == OP_DELIVERED || kind == OP_READ || kind == OP_MEMBER_JOINED ||
           kind == OP_MEMBER_LEFT;
}

/* Room for one more; most pages are small, whatever their limit. */
static struct store_event *
next_event(struct page *p)
{
    struct store_catch_up *r = p->r;

    r->events = tb_arena_more(&r->op.mem, r->events, r->n, &p->cap_events, sizeof *r->events);
    return &r->events[r->n];
}

/* An op that was repeated for the centre's sake tells nobody of the message again. */
static bool
is_repeated(struct page *p, const struct op *op, int64_t pos)
{
    struct tb_err *e = &p->r->op.err;
    bool           is_other = false;

    if (op->kind != OP_MESSAGE_SENT)
        return false;
    sqlite3_stmt *st = db_query(p->db, Q_MESSAGE_FACTS, ARGS(I(op->message_sent.id)), e);
    if (db_next(p->db, st, e)) {
        is_other = db_col_int(st, 2) != pos;
        db_done(st);
    }
    return is_other;
}

/* A message of another whose delivery to the user is not known. */
static bool
is_unproved(struct page *p, const struct op *op)
{
    struct store_catch_up *r = p->r;
    bool                   is_proved = false;

    if (op->message_sent.sender_id == r->user_id)
        return false;
    sqlite3_stmt *st = db_query(p->db, Q_RECEIPT, ARGS(I(op->message_sent.id), I(r->user_id)), &r->op.err);
    if (db_next(p->db, st, &r->op.err)) {
        is_proved = sqlite3_column_type(st, 0) != SQLITE_NULL;
        db_done(st);
    } else if (r->op.err.code == TB_OK) {       /* of one that has left there is nothing to prove */
        TB_TRY(horizon_has_left(p->db, op->message_sent.id, &is_proved, &r->op.err));
    }
    r->n_proved += is_proved;
    return !is_proved;
}

static bool
is_wanted(const struct page *p, int kind)
{
    return p->r->unproved_upto != 0 ? kind == OP_MESSAGE_SENT : is_for_sockets(kind);
}

static enum tb_code
take_event(struct page *p, sqlite3_stmt *st)
{
    struct store_catch_up *r = p->r;
    struct store_event    *event;

    if (!is_wanted(p, (int)db_col_int(st, 4)))
        return TB_OK;
    event = next_event(p);
    if (op_parse((int)db_col_int(st, 4), (int)db_col_int(st, 5), db_col_text(st, 6), &r->op.mem, &event->op, &r->op.err) !=
        TB_OK)
        return r->op.err.code;
    if (is_repeated(p, &event->op, db_col_int(st, 0)))
        return r->op.err.code;
    if (r->unproved_upto != 0 && !is_unproved(p, &event->op))
        return r->op.err.code;
    event->op.pos = db_col_int(st, 0);
    event->op.node = (uint32_t)db_col_int(st, 1);
    event->op.seq = db_col_int(st, 2);
    event->op.at = db_col_int(st, 3);
    memcpy(event->tag, db_col_text(st, 7).p, sizeof event->tag);
    keep_own_rooms(p, &event->op);
    r->n++;
    return add_names(p, event);
}

static enum tb_code
read_events(struct page *p)
{
    struct store_catch_up *r = p->r;
    struct tb_err         *e = &r->op.err;
    sqlite3_stmt          *st = db_query(p->db, Q_CATCH_UP, ARGS(I(r->user_id), I(r->seen), I(p->last),
                                                                 I((int64_t)r->max_events)), e);
    size_t                 n_rows = 0, bytes = 0;
    size_t                 max_bytes = r->max_bytes > 0 && r->max_bytes < BYTES_A_PAGE ? r->max_bytes : BYTES_A_PAGE;

    r->upto = p->last;
    while (db_next(p->db, st, e)) {
        if (take_event(p, st) != TB_OK) {
            db_done(st);
            return e->code;
        }
        bytes += r->unproved_upto == 0 ? db_col_text(st, 6).n : 0;
        if (++n_rows == r->max_events || bytes >= max_bytes) {
            r->upto = db_col_int(st, 0);
            db_done(st);
            break;
        }
    }
    return e->code;
}

static void
read_rooms(struct page *p)
{
    struct store_catch_up *r = p->r;

    r->room_ids = TB_ARENA_ARRAY(&r->op.mem, int64_t, p->n_spans);
    for (size_t i = 0; i < p->n_spans; i++)
        if (p->spans[i].from <= r->upto && p->spans[i].to > r->upto)
            r->room_ids[r->n_rooms++] = p->spans[i].room_id;
}

enum tb_code
catch_up_run(struct db *d, const struct self *own, struct store_catch_up *r)
{
    struct page p = { .db = d, .r = r, .last = own->head_pos };
    int64_t     at;

    assert(r->max_events >= 1);
    if (p.last > r->seen + POSITIONS_A_PAGE)
        p.last = r->seen + POSITIONS_A_PAGE;
    if (r->unproved_upto != 0 && p.last > r->unproved_upto)
        p.last = r->unproved_upto;
    if (p.last < r->seen)
        p.last = r->seen;
    if (read_spans(&p) != TB_OK || read_events(&p) != TB_OK)
        return r->op.err.code;
    r->is_at_head = r->upto >= own->head_pos;
    read_rooms(&p);
    return offset_at(d, own, r->upto, r->offset, &at, &r->op.err);
}
