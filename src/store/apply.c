/* Bodies of apply.h. Values that the last writer wins compare (stamp, node) in the statement itself. */
#include "apply.h"

#include "journal.h"
#include "queries.h"

#include <stdlib.h>

static enum tb_code
set_email(struct db *d, const struct op *op, int64_t user_id, tb_str email, int64_t stamp, struct tb_err *e)
{
    struct tb_arena mem = { 0 };
    tb_str          key = op_email_key(email, &mem);

    TB_TRY(db_run(d, Q_SET_EMAIL, ARGS(I(user_id), T(email), T(key), I(stamp), I(op->node)), e));
    tb_arena_fini(&mem);
    return e->code;
}

static enum tb_code
apply_user_registered(struct db *d, const struct op *op, struct tb_err *e)
{
    int64_t id = op->user_registered.id;

    if (db_run(d, Q_STUB_USER, ARGS(I(id)), e) != TB_OK ||
        db_run(d, Q_REGISTER, ARGS(I(id), I(op->at), I(op->user_registered.created_at)), e) != TB_OK ||
        set_email(d, op, id, op->user_registered.email, op->at, e) != TB_OK ||
        db_run(d, Q_SET_USERNAME, ARGS(I(id), T(op->user_registered.username), I(op->at), I(op->node)), e) != TB_OK)
        return e->code;
    return db_run(d, Q_SET_PASSWORD, ARGS(I(id), T(op->user_registered.hash), I(op->at), I(op->node)), e);
}

static enum tb_code
apply_password_changed(struct db *d, const struct op *op, struct tb_err *e)
{
    int64_t id = op->password_changed.user_id;

    if (db_run(d, Q_STUB_USER, ARGS(I(id)), e) != TB_OK)
        return e->code;
    return db_run(d, Q_SET_PASSWORD,
                  ARGS(I(id), T(op->password_changed.hash), I(op->password_changed.stamp), I(op->node)), e);
}

static enum tb_code
apply_profile_changed(struct db *d, const struct op *op, struct tb_err *e)
{
    int64_t id = op->profile_changed.user_id, stamp = op->profile_changed.stamp;

    if (db_run(d, Q_STUB_USER, ARGS(I(id)), e) != TB_OK)
        return e->code;
    if (op->profile_changed.email.p != NULL && set_email(d, op, id, op->profile_changed.email, stamp, e) != TB_OK)
        return e->code;
    if (op->profile_changed.username.p == NULL)
        return TB_OK;
    return db_run(d, Q_SET_USERNAME, ARGS(I(id), T(op->profile_changed.username), I(stamp), I(op->node)), e);
}

static enum tb_code
apply_email_parked(struct db *d, const struct op *op, struct tb_err *e)
{
    struct tb_arena mem = { 0 };
    tb_str          key = op_email_key(op->email_parked.email, &mem);

    TB_TRY(db_run(d, Q_PARK_EMAIL, ARGS(I(op->email_parked.user_id), T(key), I(op->email_parked.stamp)), e));
    tb_arena_fini(&mem);
    return e->code;
}

static enum tb_code
apply_room_created(struct db *d, const struct op *op, struct tb_err *e)
{
    return db_run(d, Q_ADD_ROOM,
                  ARGS(I(op->room_created.id), I(op->at), T(op->room_created.name), I(op->room_created.is_private),
                       I(op->room_created.created_by), I(op->room_created.created_at)),
                  e);
}

enum tb_code
op_standing(struct db *d, int64_t room_id, int64_t user_id, int64_t stamp, uint32_t node, struct standing *out,
            struct tb_err *e)
{
    sqlite3_stmt *st = db_query(d, Q_MEMBER, ARGS(I(room_id), I(user_id)), e);

    *out = (struct standing){ .is_newer = true };
    if (db_next(d, st, e)) {
        int64_t old_stamp = db_col_int(st, 2), old_node = db_col_int(st, 3);
        out->is_member = db_col_int(st, 1) != 0;
        out->is_newer = stamp > old_stamp || (stamp == old_stamp && node > old_node);
        db_done(st);
    }
    return e->code;
}

static enum tb_code
apply_member_joined(struct db *d, const struct op *op, struct tb_err *e)
{
    int64_t         room = op->member_joined.room_id, user = op->member_joined.user_id;
    int64_t         id = op->member_joined.id, stamp = op->member_joined.stamp, since = op->member_joined.joined_at;
    struct standing was;

    if (op_standing(d, room, user, stamp, op->node, &was, e) != TB_OK || !was.is_newer)
        return e->code;
    if (was.is_member)      /* joined at two sites: his count of unread goes on */
        return db_run(d, Q_REJOIN, ARGS(I(room), I(user), I(id), I(stamp), I(op->node), I(since)), e);
    if (db_run(d, Q_JOIN, ARGS(I(room), I(user), I(id), I(stamp), I(op->node), I(since), I(op->pos)), e) != TB_OK ||
        db_run(d, Q_OPEN_SPAN, ARGS(I(user), I(room), I(op->pos)), e) != TB_OK)
        return e->code;
    return db_run(d, Q_COUNT_MEMBER, ARGS(I(room), I(1)), e);
}

static enum tb_code
apply_member_left(struct db *d, const struct op *op, struct tb_err *e)
{
    int64_t         room = op->member_left.room_id, user = op->member_left.user_id, stamp = op->member_left.stamp;
    struct standing was;

    if (op_standing(d, room, user, stamp, op->node, &was, e) != TB_OK || !was.is_newer ||
        db_run(d, Q_LEAVE, ARGS(I(room), I(user), I(stamp), I(op->node)), e) != TB_OK ||
        db_run(d, Q_CLOSE_SPAN, ARGS(I(user), I(room), I(op->pos)), e) != TB_OK)
        return e->code;
    return was.is_member ? db_run(d, Q_COUNT_MEMBER, ARGS(I(room), I(-1)), e) : TB_OK;
}

static enum tb_code
apply_message_sent(struct db *d, const struct op *op, uint32_t own_node, struct tb_err *e)
{
    int64_t id = op->message_sent.id, room = op->message_sent.room_id, sender = op->message_sent.sender_id;

    if (db_run(d, Q_ADD_MESSAGE,
               ARGS(I(id), I(room), I(sender), I(op->at), I(op->message_sent.created_at), I(op->pos), I(op->seq),
                    I(op->node), T(op->message_sent.content)),
               e) != TB_OK)
        return e->code;
    /* It is known, or was before it left the tables: an op may be repeated, and counts once. The last is the one that can be at
     * the centre. */
    if (sqlite3_changes(d->sql) == 0)
        return db_run(d, Q_REPEATED, ARGS(I(id), I(op->seq), I(op->node)), e);
    if (db_run(d, Q_COUNT_MESSAGE, ARGS(I(room)), e) != TB_OK ||
        db_run(d, Q_COUNT_OWN, ARGS(I(room), I(sender)), e) != TB_OK)
        return e->code;
    return op->node == own_node ? TB_OK : db_run(d, Q_COUNT_EARLY_READS, ARGS(I(room), I(id), I(sender)), e);
}

/* ---- delivered ---- */

struct receipt { int64_t message_id, user_id; };

static int
in_order_of_table(const void *a, const void *b)
{
    const struct receipt *x = a, *y = b;
    if (x->message_id != y->message_id)
        return x->message_id < y->message_id ? -1 : 1;
    return x->user_id < y->user_id ? -1 : x->user_id > y->user_id;
}

static struct receipt *
list_receipts(const struct op *op, size_t *n)
{
    struct receipt *list;

    *n = 0;
    for (size_t i = 0; i < op->receipts.n; i++)
        *n += op->receipts.of[i].n;
    list = tb_alloc((*n + 1) * sizeof *list);
    *n = 0;
    for (size_t i = 0; i < op->receipts.n; i++)
        for (size_t k = 0; k < op->receipts.of[i].n; k++)
            list[(*n)++] = (struct receipt){ op->receipts.of[i].message_ids[k], op->receipts.of[i].user_id };
    qsort(list, *n, sizeof *list, in_order_of_table);
    return list;
}

static enum tb_code
add_receipts(struct db *d, const struct receipt *list, int64_t at, struct tb_err *e)
{
    struct db_arg args[1 + 2 * RECEIPTS_AT_ONCE];

    args[0] = (struct db_arg)I(at);
    for (size_t i = 0; i < RECEIPTS_AT_ONCE; i++) {
        args[1 + 2 * i] = (struct db_arg)I(list[i].message_id);
        args[2 + 2 * i] = (struct db_arg)I(list[i].user_id);
    }
    return db_run(d, Q_DELIVERED_MANY, args, sizeof args / sizeof *args, e);
}

/* Where messages of that node have left, each receipt is looked at by itself. */
static bool
may_go_at_once(struct db *d, const struct receipt *list, struct tb_err *e)
{
    int64_t one, last = list[RECEIPTS_AT_ONCE - 1].message_id;
    bool    is_old = false;

    TB_TRY(db_int(d, Q_IS_BELOW_FLOOR, ARGS(I(list[0].message_id)), &one, &is_old, e));
    return e->code == TB_OK && !is_old && list[0].message_id >> ID_COUNTER_BITS == last >> ID_COUNTER_BITS;
}

/* In the table's order and many rows a statement: under load most of what is written is receipts, and this way one takes less
 * than half the time. */
static enum tb_code
apply_delivered(struct db *d, const struct op *op, struct tb_err *e)
{
    int64_t         at = op->receipts.at;
    size_t          n, i = 0;
    struct receipt *list = list_receipts(op, &n);

    for (; i + RECEIPTS_AT_ONCE <= n && e->code == TB_OK; i += RECEIPTS_AT_ONCE) {
        if (!may_go_at_once(d, &list[i], e))
            break;
        TB_TRY(add_receipts(d, &list[i], at, e));
    }
    for (; i < n && e->code == TB_OK; i++)
        TB_TRY(db_run(d, Q_DELIVERED, ARGS(I(list[i].message_id), I(list[i].user_id), I(at)), e));
    tb_free(list);
    return e->code;
}

/* ---- read ---- */

static enum tb_code
is_read(struct db *d, int64_t message_id, int64_t user_id, bool *out, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(d, Q_RECEIPT, ARGS(I(message_id), I(user_id)), e);

    *out = false;
    if (db_next(d, st, e)) {
        *out = sqlite3_column_type(st, 1) != SQLITE_NULL;
        db_done(st);
    }
    return e->code;
}

/* Unread goes down by one, when the message is known and somebody else's; one that comes later counts at its coming. */
static enum tb_code
count_read(struct db *d, int64_t message_id, int64_t user_id, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(d, Q_MESSAGE_FACTS, ARGS(I(message_id)), e);

    if (!db_next(d, st, e))
        return e->code;
    int64_t room = db_col_int(st, 0), sender = db_col_int(st, 1), pos = db_col_int(st, 2);
    db_done(st);
    return sender == user_id ? TB_OK : db_run(d, Q_COUNT_READ, ARGS(I(room), I(user_id), I(pos)), e);
}

static enum tb_code
apply_one_read(struct db *d, int64_t message_id, int64_t user_id, int64_t at, struct tb_err *e)
{
    bool was_read;

    if (is_read(d, message_id, user_id, &was_read, e) != TB_OK ||
        db_run(d, Q_READ, ARGS(I(message_id), I(user_id), I(at)), e) != TB_OK)
        return e->code;
    return was_read ? TB_OK : count_read(d, message_id, user_id, e);
}

static enum tb_code
apply_read(struct db *d, const struct op *op, struct tb_err *e)
{
    for (size_t i = 0; i < op->receipts.n; i++) {
        const struct op_receipts *r = &op->receipts.of[i];
        for (size_t k = 0; k < r->n; k++)
            if (apply_one_read(d, r->message_ids[k], r->user_id, op->receipts.at, e) != TB_OK)
                return e->code;
    }
    return TB_OK;
}

static enum tb_code
apply_last_seen(struct db *d, const struct op *op, struct tb_err *e)
{
    for (size_t i = 0; i < op->last_seen.n; i++) {
        const struct op_seen *seen = &op->last_seen.users[i];
        if (db_run(d, Q_STUB_USER, ARGS(I(seen->user_id)), e) != TB_OK ||
            db_run(d, Q_SEEN, ARGS(I(seen->user_id), I(seen->at)), e) != TB_OK)
            return e->code;
    }
    return TB_OK;
}

enum tb_code
op_apply(struct db *d, const struct op *op, uint32_t own_node, struct tb_err *e)
{
    switch (op->kind) {
    case OP_USER_REGISTERED:  return apply_user_registered(d, op, e);
    case OP_PASSWORD_CHANGED: return apply_password_changed(d, op, e);
    case OP_PROFILE_CHANGED:  return apply_profile_changed(d, op, e);
    case OP_EMAIL_PARKED:     return apply_email_parked(d, op, e);
    case OP_ROOM_CREATED:     return apply_room_created(d, op, e);
    case OP_MEMBER_JOINED:    return apply_member_joined(d, op, e);
    case OP_MEMBER_LEFT:      return apply_member_left(d, op, e);
    case OP_MESSAGE_SENT:     return apply_message_sent(d, op, own_node, e);
    case OP_DELIVERED:        return apply_delivered(d, op, e);
    case OP_READ:             return apply_read(d, op, e);
    case OP_LAST_SEEN:        return apply_last_seen(d, op, e);
    case OP_PARKED:
    case OP_KIND_COUNT:       break;
    }
    abort();    /* op_parse and the writer make no such op */
}
