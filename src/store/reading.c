/* What each query reads. Results are copied into the request's memory, so nothing of SQLite's leaves the thread. */
#include "requests.h"

#include "horizon.h"
#include "queries.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- pages ---- */

/* Fills items with the rows of st; one row more than the limit says that there is a further page. */
static enum tb_code
take_page(struct db *d, const struct self *own, sqlite3_stmt *st, struct store_list_messages *r, bool *has_more)
{
    struct tb_err *e = &r->op.err;

    *has_more = false;
    r->items = TB_ARENA_ARRAY(&r->op.mem, struct store_message, r->limit);
    while (db_next(d, st, e)) {
        if (r->n == r->limit) {
            *has_more = true;
            db_done(st);
            break;
        }
        if (message_take(d, own, st, &r->op.mem, &r->items[r->n++], e) != TB_OK) {
            db_done(st);
            break;
        }
    }
    return e->code;
}

/* Where a page begins: strictly before a message of the room. */
struct place {
    int64_t hlc, id;
    bool    is_known;       /* false: its message has left, and only the centre knows when it was */
};

/* A cursor that is no message: a position among the ids of its site, as clients of the old backend may have kept one. Where
 * nothing has a lower id, the page is empty. */
static enum tb_code
find_place_by_id(struct db *d, int64_t id, struct place *out, struct tb_err *e)
{
    int64_t hlc = 0;
    bool    found;

    *out = (struct place){ .id = id, .is_known = true };
    if (db_int(d, Q_BEFORE_ID, ARGS(I(id), I(id >> ID_COUNTER_BITS << ID_COUNTER_BITS)), &hlc, &found, e) == TB_OK && found)
        out->hlc = hlc;
    return e->code;
}

static enum tb_code
find_place(struct db *d, const struct store_list_messages *r, struct place *out, struct tb_err *e)
{
    bool is_here = false, has_left = false;

    *out = (struct place){ .hlc = INT64_MAX, .id = INT64_MAX, .is_known = true };
    if (r->cursor == 0)
        return TB_OK;
    sqlite3_stmt *st = db_query(d, Q_MESSAGE_FACTS, ARGS(I(r->cursor)), e);
    if (db_next(d, st, e)) {
        is_here = db_col_int(st, 0) == r->room_id;
        *out = (struct place){ .hlc = db_col_int(st, 3), .id = r->cursor, .is_known = true };
        db_done(st);
    } else if (e->code == TB_OK && horizon_has_left(d, r->cursor, &has_left, e) == TB_OK) {
        *out = (struct place){ .id = r->cursor };
        if (!has_left)
            return find_place_by_id(d, r->cursor, out, e);
    }
    if (e->code != TB_OK || is_here || has_left)
        return e->code;
    return tb_fail(e, TB_EINPUT, "Invalid cursor", "cursor %" PRId64 " is no message of room %" PRId64, r->cursor,
                   r->room_id);
}

static bool
is_before(int64_t hlc, int64_t id, int64_t than_hlc, int64_t than_id)
{
    return hlc < than_hlc || (hlc == than_hlc && id < than_id);
}

/* The page of a room that messages have left. What is here above the horizon comes first; if that is not all of the page, the
 * rest is to be had at the centre, which also has what little may be here below. */
static enum tb_code
take_page_above(struct db *d, const struct self *own, struct store_list_messages *r, const struct place *from,
                const struct horizon *h)
{
    struct tb_err *e = &r->op.err;
    bool           is_below = !from->is_known || is_before(from->hlc, from->id, h->hlc, h->id), has_more;

    if (!is_below) {
        sqlite3_stmt *st = db_query(d, Q_PAGE_ABOVE, ARGS(I(r->room_id), I(from->hlc), I(from->id), I(h->hlc), I(h->id),
                                                          I((int64_t)r->limit)), e);
        if (take_page(d, own, st, r, &has_more) != TB_OK)
            return e->code;
    }
    r->next_cursor = r->n > 0 ? r->items[r->n - 1].id : 0;
    r->is_beyond = r->n < r->limit;
    r->before_hlc = is_below ? from->hlc : h->hlc;
    r->before_id = is_below ? from->id : h->id + 1;
    return TB_OK;
}

static enum tb_code
take_whole_page(struct db *d, const struct self *own, struct store_list_messages *r, const struct place *from)
{
    struct tb_err *e = &r->op.err;
    sqlite3_stmt  *st = db_query(d, Q_PAGE, ARGS(I(r->room_id), I(from->hlc), I(from->id), I((int64_t)r->limit + 1)), e);
    bool           has_more;

    if (take_page(d, own, st, r, &has_more) == TB_OK)
        r->next_cursor = has_more ? r->items[r->n - 1].id : 0;
    return e->code;
}

static enum tb_code
read_page(struct db *d, const struct self *own, struct store_list_messages *r)
{
    struct tb_err *e = &r->op.err;
    struct place   from;
    struct horizon h;
    int64_t        head;

    if (find_place(d, r, &from, e) != TB_OK || horizon_of_room(d, r->room_id, &h, e) != TB_OK)
        return e->code;
    if (h.id != 0)
        TB_TRY(take_page_above(d, own, r, &from, &h));
    else if (from.is_known)
        TB_TRY(take_whole_page(d, own, r, &from));
    else
        tb_fail(e, TB_EINPUT, "Invalid cursor", "cursor %" PRId64 " is of another room", r->cursor);
    return e->code == TB_OK ? offset_of_head(d, own, r->offset, &head, e) : e->code;
}

/* Has the message become known at that position? Otherwise its op was repeated for the centre's sake. */
static bool
is_first_op(struct db *d, int64_t message_id, int64_t pos, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(d, Q_MESSAGE_FACTS, ARGS(I(message_id)), e);
    bool          is_first = false;

    if (db_next(d, st, e)) {
        is_first = db_col_int(st, 2) == pos;
        db_done(st);
    }
    return is_first;
}

/* One entry of the room's journal: a message becomes an item, whatever it is the offset moves to it. */
static enum tb_code
take_since(struct db *d, const struct self *own, sqlite3_stmt *st, struct store_list_messages *r)
{
    struct tb_err  *e = &r->op.err;
    struct tb_arena mem = { 0 };
    struct op       op;

    if (db_col_int(st, 1) == OP_MESSAGE_SENT &&
        op_parse(OP_MESSAGE_SENT, (int)db_col_int(st, 2), db_col_text(st, 3), &mem, &op, e) == TB_OK &&
        is_first_op(d, op.message_sent.id, db_col_int(st, 0), e) &&
        message_read(d, own, op.message_sent.id, &r->op.mem, &r->items[r->n], e) == TB_OK)
        r->n++;
    if (e->code == TB_ENOTFOUND)
        *e = (struct tb_err){ 0 };      /* pruned from here since */
    offset_write(r->offset, db_col_int(st, 0), (const uint8_t *)db_col_text(st, 4).p);
    tb_arena_fini(&mem);
    return e->code;
}

static enum tb_code
read_since(struct db *d, const struct self *own, struct store_list_messages *r)
{
    struct tb_err *e = &r->op.err;
    int64_t        pos, at, head;
    uint32_t       parts;

    if (offset_read(d, own, r->since, &pos, &parts, &at, e) != TB_OK)
        return e->code;
    r->items = TB_ARENA_ARRAY(&r->op.mem, struct store_message, r->limit);
    sqlite3_stmt *st = db_query(d, Q_SINCE, ARGS(I(r->room_id), I(pos)), e);
    while (db_next(d, st, e)) {
        if (take_since(d, own, st, r) != TB_OK || r->n == r->limit) {
            db_done(st);
            return e->code;
        }
    }
    return e->code == TB_OK ? offset_of_head(d, own, r->offset, &head, e) : e->code;
}

static enum tb_code
run_list_messages(struct db *d, const struct self *own, const struct store_settings *limits,
                  struct store_list_messages *r)
{
    (void)limits;
    if (member_check(d, r->room_id, r->user_id, &r->op.err) != TB_OK)
        return r->op.err.code;
    return r->since.p != NULL ? read_since(d, own, r) : read_page(d, own, r);
}

static enum tb_code
run_find_sent(struct db *d, const struct self *own, const struct store_settings *limits, struct store_find_sent *r)
{
    struct tb_err *e = &r->op.err;
    int64_t        id;

    if (send_key_find(d, tb_wall_ms(limits->clock), limits->key_keep_days, r->sender_id, r->key, &id, e) != TB_OK)
        return e->code;
    if (id == 0)
        return tb_fail(e, TB_ENOTFOUND, NULL, "the key is new");
    if (message_read(d, own, id, &r->op.mem, &r->message, e) != TB_OK)
        return e->code;
    return r->message.room_id == r->room_id && tb_str_eq(r->message.content, r->content)
               ? TB_OK
               : tb_fail(e, TB_EREUSED, NULL, "key of message %" PRId64, id);
}

/* ---- users, rooms, receipts ---- */

static enum tb_code
take_user(struct db *d, int64_t id, const struct store_settings *limits, struct store_op *op, struct store_user *user,
          tb_str *hash)
{
    struct user_row row;

    if (user_read(d, id, tb_wall_ms(limits->clock), &op->mem, &row, &op->err) != TB_OK)
        return op->err.code;
    *user = row.user;
    *hash = row.hash;
    return TB_OK;
}

static enum tb_code
run_find_login(struct db *d, const struct self *own, const struct store_settings *limits, struct store_find_login *r)
{
    struct tb_err *e = &r->op.err;
    tb_str         key = op_email_key(r->email, &r->op.mem);
    sqlite3_stmt  *st = db_query(d, Q_LOGIN, ARGS(T(key)), e);

    (void)own;
    if (!db_next(d, st, e))
        return e->code != TB_OK ? e->code : tb_fail(e, TB_ENOTFOUND, "User not found", "no user of that e-mail");
    int64_t id = db_col_int(st, 0);
    r->is_parked = db_col_int(st, 1) != 0;
    db_done(st);
    st = db_query(d, Q_PARKED_LOGINS, ARGS(T(key), I(id), I(STORE_PARKED_MAX)), e);
    while (db_next(d, st, e))
        r->parked_hashes[r->n_parked++] = tb_arena_str(&r->op.mem, db_col_text(st, 0));
    return e->code == TB_OK ? take_user(d, id, limits, &r->op, &r->user, &r->password_hash) : e->code;
}

static enum tb_code
run_find_user(struct db *d, const struct self *own, const struct store_settings *limits, struct store_find_user *r)
{
    (void)own;
    return take_user(d, r->user_id, limits, &r->op, &r->user, &r->password_hash);
}

static enum tb_code
find_last_message(struct db *d, const struct self *own, struct store_room *room, struct store_op *op)
{
    struct tb_err *e = &op->err;
    sqlite3_stmt  *st = db_query(d, Q_PAGE, ARGS(I(room->id), I(INT64_MAX), I(INT64_MAX), I(1)), e);

    if (db_next(d, st, e)) {
        TB_TRY(message_take(d, own, st, &op->mem, &room->last, e));
        db_done(st);
    }
    return e->code;
}

static enum tb_code
run_list_rooms(struct db *d, const struct self *own, const struct store_settings *limits, struct store_list_rooms *r)
{
    struct tb_err *e = &r->op.err;
    int64_t        most = 0;
    bool           found;

    (void)limits;
    if (db_int(d, Q_USER_ROOMS, ARGS(I(r->user_id)), &most, &found, e) != TB_OK)
        return e->code;
    r->rooms = TB_ARENA_ARRAY(&r->op.mem, struct store_room, (size_t)most);
    sqlite3_stmt *st = db_query(d, Q_LIST_ROOMS, ARGS(I(r->user_id)), e);
    while (db_next(d, st, e)) {
        int64_t unread = db_col_int(st, 4);
        r->rooms[r->n++] = (struct store_room){
            .id = db_col_int(st, 0), .created_at = db_col_int(st, 1), .name = tb_arena_str(&r->op.mem, db_col_text(st, 2)),
            .is_private = db_col_int(st, 3) != 0, .unread = unread > 0 ? unread : 0,
        };
    }
    for (size_t i = 0; i < r->n && e->code == TB_OK; i++)
        TB_TRY(find_last_message(d, own, &r->rooms[i], &r->op));
    return e->code;
}

static enum tb_code
run_list_online(struct db *d, const struct self *own, const struct store_settings *limits, struct store_list_online *r)
{
    struct tb_err *e = &r->op.err;
    sqlite3_stmt  *st = db_query(d, Q_ALL_ONLINE, ARGS(I(r->after), I(r->limit)), e);
    size_t         cap = 0;

    (void)own, (void)limits;
    while (db_next(d, st, e)) {
        r->items = tb_arena_more(&r->op.mem, r->items, r->n, &cap, sizeof *r->items);
        r->items[r->n++] = (struct store_online){ .user_id = db_col_int(st, 0), .room_id = db_col_int(st, 1) };
    }
    return e->code;
}

/* One row more than the limit says that there is a further page. */
static enum tb_code
run_list_members(struct db *d, const struct self *own, const struct store_settings *limits, struct store_list_members *r)
{
    struct tb_err *e = &r->op.err;
    int64_t        now_ms = tb_wall_ms(limits->clock);

    (void)own;
    if (member_check(d, r->room_id, r->user_id, e) != TB_OK)
        return e->code;
    r->items = TB_ARENA_ARRAY(&r->op.mem, struct store_room_member, r->limit);
    sqlite3_stmt *st = db_query(d, Q_MEMBERS, ARGS(I(r->room_id), I(r->after), I((int64_t)r->limit + 1)), e);
    while (db_next(d, st, e)) {
        if (r->n == r->limit) {
            r->next_after = r->items[r->n - 1].user_id;
            db_done(st);
            break;
        }
        r->items[r->n++] = (struct store_room_member){
            .user_id = db_col_int(st, 0), .last_seen = seen_by(now_ms, db_col_int(st, 2)),
            .username = tb_arena_str(&r->op.mem, db_col_text(st, 1)),
        };
    }
    return e->code;
}

static enum tb_code
fail_no_message(const struct store_list_receipts *r, struct tb_err *e)
{
    return tb_fail(e, TB_ENOTFOUND, "Message not found", "no message %" PRId64 " to user %" PRId64, r->message_id,
                   r->user_id);
}

/* To others a message of a room is none at all: the answer must not say that there is one. */
static enum tb_code
check_may_see(struct db *d, const struct store_list_receipts *r, int64_t room_id, struct tb_err *e)
{
    return member_check(d, room_id, r->user_id, e) == TB_EDENIED ? fail_no_message(r, e) : e->code;
}

static enum tb_code
run_list_receipts(struct db *d, const struct self *own, const struct store_settings *limits,
                  struct store_list_receipts *r)
{
    struct tb_err *e = &r->op.err;
    sqlite3_stmt  *st = db_query(d, Q_MESSAGE_FACTS, ARGS(I(r->message_id)), e);
    size_t         cap = 0;

    (void)own, (void)limits;
    if (!db_next(d, st, e)) {
        if (e->code == TB_OK && r->room_id != 0)
            return check_may_see(d, r, r->room_id, e);
        if (e->code != TB_OK || horizon_has_left(d, r->message_id, &r->is_beyond, e) != TB_OK || r->is_beyond)
            return e->code;
        return fail_no_message(r, e);
    }
    int64_t room_id = db_col_int(st, 0);
    db_done(st);
    if (check_may_see(d, r, room_id, e) != TB_OK)
        return e->code;
    st = db_query(d, Q_RECEIPTS, ARGS(I(r->message_id)), e);
    while (db_next(d, st, e)) {
        r->items = tb_arena_more(&r->op.mem, r->items, r->n, &cap, sizeof *r->items);
        r->items[r->n++] = (struct store_receipt){ .user_id = db_col_int(st, 0), .delivered_at = db_col_int(st, 1),
                                                   .read_at = db_col_int(st, 2) };
    }
    return e->code;
}

static enum tb_code
run_catch_up(struct db *d, const struct self *own, const struct store_settings *limits, struct store_catch_up *r)
{
    (void)limits;
    return catch_up_run(d, own, r);
}

static enum tb_code
run_find_offset(struct db *d, const struct self *own, const struct store_settings *limits, struct store_find_offset *r)
{
    char of_pos[STORE_OFFSET_SIZE];

    (void)limits;
    if (r->offset.n == 0)
        return offset_at(d, own, r->pos, of_pos, &r->at, &r->op.err);
    return offset_read(d, own, r->offset, &r->pos, &r->parts, &r->at, &r->op.err);
}

enum tb_code
query_run(struct db *d, const struct self *own, const struct store_settings *limits, struct store_op *op)
{
    switch (op->what) {
#define X(name, lane) \
    case WHAT_##name: \
        return run_##name(d, own, limits, TB_CONTAINER(op, struct store_##name, op));
        STORE_QUERIES_BY_LANE(X)
#undef X
    }
    return tb_fail(&op->err, TB_EINTERNAL, NULL, "query %d is none", op->what);
}
