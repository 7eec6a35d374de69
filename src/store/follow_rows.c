/* The rows of the tables as the ops that make them. A row becomes several: what the last writer wins has a stamp and a node of
 * its own for each value, and the first op's are older. Such ops can be applied any number of times, here and at the centre,
 * beside those that made the row: each value keeps its newest writer, and what is a union stays one. */
#include "follow.h"

#include "follower.h"
#include "op.h"
#include "queries.h"

#include <assert.h>

/* A row's ops have their places whether or not it needs them all: it may change between two pages that it is parted by. */
enum { PART_REGISTERED, PART_EMAIL, PART_USERNAME, PART_PASSWORD, PART_EMAIL_PARKED, PART_SEEN, PARTS_MAX };
enum { PART_DELIVERED, PART_READ };

struct parts {                  /* the ops of one row */
    struct op          ops[PARTS_MAX];      /* kind OP_PARKED: not needed */
    struct op_seen     seen;
    struct op_receipts receipt;
    int64_t            message_id;
};

static struct op *
add(struct parts *p, int part, enum op_kind kind, int64_t node, int64_t at)
{
    p->ops[part] = (struct op){ .kind = kind, .version = OP_VERSION, .node = (uint32_t)node, .at = at };
    return &p->ops[part];
}

/* ---- one row each ---- */

static void
add_registered(struct parts *p, sqlite3_stmt *st)
{
    struct op *op = add(p, PART_REGISTERED, OP_USER_REGISTERED, db_col_int(st, 2), db_col_int(st, 3));

    op->user_registered.id = db_col_int(st, 0);
    op->user_registered.created_at = db_col_int(st, 4);
    op->user_registered.email = db_col_text(st, 5);
    op->user_registered.username = db_col_text(st, 9);
    op->user_registered.hash = db_col_text(st, 12);
}

static void
add_parked(struct parts *p, sqlite3_stmt *st)
{
    struct op *op = add(p, PART_EMAIL_PARKED, OP_EMAIL_PARKED, db_col_int(st, 7), db_col_int(st, 6));

    op->email_parked.user_id = db_col_int(st, 0);
    op->email_parked.email = db_col_text(st, 5);
    op->email_parked.stamp = db_col_int(st, 6);
}

static void
add_seen(struct parts *p, sqlite3_stmt *st)
{
    struct op *op = add(p, PART_SEEN, OP_LAST_SEEN, db_col_int(st, 2), db_col_int(st, 3));

    p->seen = (struct op_seen){ .user_id = db_col_int(st, 0), .at = db_col_int(st, 15) };
    op->last_seen.users = &p->seen;
    op->last_seen.n = 1;
}

/* One with hlc 0 has only been heard of: values of his may have come, and his first op has not. */
static void
take_user(struct parts *p, sqlite3_stmt *st)
{
    int64_t    id = db_col_int(st, 0), hlc = db_col_int(st, 3);
    int64_t    email = db_col_int(st, 6), username = db_col_int(st, 10), password = db_col_int(st, 13);
    struct op *op;

    if (hlc > 0)
        add_registered(p, st);
    if (email > hlc) {
        op = add(p, PART_EMAIL, OP_PROFILE_CHANGED, db_col_int(st, 7), email);
        op->profile_changed.user_id = id, op->profile_changed.stamp = email;
        op->profile_changed.email = db_col_text(st, 5);
    }
    if (username > hlc) {
        op = add(p, PART_USERNAME, OP_PROFILE_CHANGED, db_col_int(st, 11), username);
        op->profile_changed.user_id = id, op->profile_changed.stamp = username;
        op->profile_changed.username = db_col_text(st, 9);
    }
    if (password > hlc) {
        op = add(p, PART_PASSWORD, OP_PASSWORD_CHANGED, db_col_int(st, 14), password);
        op->password_changed.user_id = id, op->password_changed.stamp = password;
        op->password_changed.hash = db_col_text(st, 12);
    }
    if (db_col_int(st, 8) != 0)
        add_parked(p, st);
    if (db_col_int(st, 15) > 0)
        add_seen(p, st);
}

static void
take_room(struct parts *p, sqlite3_stmt *st)
{
    struct op *op = add(p, 0, OP_ROOM_CREATED, db_col_int(st, 2), db_col_int(st, 3));

    op->room_created.id = db_col_int(st, 0);
    op->room_created.name = db_col_text(st, 4);
    op->room_created.is_private = db_col_int(st, 5) != 0;
    op->room_created.created_by = db_col_int(st, 6);
    op->room_created.created_at = db_col_int(st, 7);
}

static void
take_member(struct parts *p, sqlite3_stmt *st)
{
    bool       is_member = db_col_int(st, 5) != 0;
    int64_t    stamp = db_col_int(st, 3);
    struct op *op = add(p, 0, is_member ? OP_MEMBER_JOINED : OP_MEMBER_LEFT, db_col_int(st, 2), stamp);

    if (is_member) {
        op->member_joined.room_id = db_col_int(st, 0), op->member_joined.user_id = db_col_int(st, 1);
        op->member_joined.stamp = stamp;
        op->member_joined.id = db_col_int(st, 4);
        op->member_joined.joined_at = db_col_int(st, 6);
    } else {
        op->member_left.room_id = db_col_int(st, 0), op->member_left.user_id = db_col_int(st, 1);
        op->member_left.stamp = stamp;
    }
}

static void
take_message(struct parts *p, sqlite3_stmt *st)
{
    struct op *op = add(p, 0, OP_MESSAGE_SENT, db_col_int(st, 2), db_col_int(st, 3));

    op->seq = db_col_int(st, 8);
    op->message_sent.id = db_col_int(st, 0);
    op->message_sent.room_id = db_col_int(st, 4), op->message_sent.sender_id = db_col_int(st, 5);
    op->message_sent.created_at = db_col_int(st, 6);
    op->message_sent.content = db_col_text(st, 7);
}

static void
add_receipt(struct parts *p, int part, enum op_kind kind, int64_t at)
{
    struct op *op = add(p, part, kind, 0, 0);

    op->receipts.at = at;
    op->receipts.of = &p->receipt;
    op->receipts.n = 1;
}

/* Who has read it has it: where both came at once the one op says both. */
static void
take_receipt(struct parts *p, sqlite3_stmt *st)
{
    bool    is_delivered = sqlite3_column_type(st, 4) != SQLITE_NULL, is_read = sqlite3_column_type(st, 5) != SQLITE_NULL;
    int64_t delivered_at = db_col_int(st, 4), read_at = db_col_int(st, 5);

    p->message_id = db_col_int(st, 0);
    p->receipt = (struct op_receipts){ .user_id = db_col_int(st, 1), .message_ids = &p->message_id, .n = 1 };
    if (is_delivered && !(is_read && delivered_at == read_at))
        add_receipt(p, PART_DELIVERED, OP_DELIVERED, delivered_at);
    if (is_read)
        add_receipt(p, PART_READ, OP_READ, read_at);
}

/* ---- a page ---- */

static const struct {
    enum store_query query;
    bool             has_two_keys;
    void           (*take)(struct parts *p, sqlite3_stmt *st);
} tables[STORE_TABLE_COUNT] = {
    [STORE_USERS] = { Q_USERS_AFTER, false, take_user },
    [STORE_ROOMS] = { Q_ROOMS_AFTER, false, take_room },
    [STORE_MEMBERS] = { Q_MEMBERS_AFTER, true, take_member },
    [STORE_MESSAGES] = { Q_MESSAGES_AFTER, false, take_message },
    [STORE_RECEIPTS] = { Q_RECEIPTS_AFTER, true, take_receipt },
};

static sqlite3_stmt *
begin_page(struct store_follower *f, const struct store_rows_at *at, size_t max, struct tb_err *e)
{
    if (tables[at->table].has_two_keys)
        return db_query(&f->db, tables[at->table].query, ARGS(I(at->key[0]), I(at->key[1]), I((int64_t)max)), e);
    return db_query(&f->db, tables[at->table].query, ARGS(I(at->key[0]), I((int64_t)max)), e);
}

/* False: there is no room for more. */
static bool
hand_out(struct parts *p, struct store_rows_at *at, size_t *left, bool (*each)(void *ctx, const struct op *), void *ctx)
{
    for (; at->part < PARTS_MAX; at->part++) {
        if (p->ops[at->part].kind == OP_PARKED)
            continue;
        if (*left == 0 || !each(ctx, &p->ops[at->part]))
            return false;
        --*left;
    }
    return true;
}

enum tb_code
store_follow_rows(struct store_follower *f, struct store_rows_at *at, size_t max, bool (*each)(void *ctx, const struct op *),
                  void *ctx, struct tb_err *e)
{
    size_t n_rows = 0, left = max;

    assert(at->table < STORE_TABLE_COUNT && max > 0);
    sqlite3_stmt *st = begin_page(f, at, max, e);
    while (db_next(&f->db, st, e)) {
        struct parts p = { .message_id = 0 };
        tables[at->table].take(&p, st);
        if (!hand_out(&p, at, &left, each, ctx)) {
            db_done(st);
            return TB_OK;
        }
        at->key[0] = db_col_int(st, 0), at->key[1] = db_col_int(st, 1);
        at->part = 0;
        n_rows++;
    }
    if (e->code == TB_OK && n_rows < max)
        *at = (struct store_rows_at){ .table = at->table + 1 };
    return e->code;
}
