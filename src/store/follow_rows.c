/* The tables in pages, row by row as the ops that make them. */
#include "follow.h"

#include "follower.h"
#include "queries.h"
#include "row_ops.h"

#include <assert.h>

static uint32_t
node_of(sqlite3_stmt *st, int column)
{
    return (uint32_t)db_col_int(st, column);
}

static void
take_user(struct row_ops *out, sqlite3_stmt *st)
{
    row_ops_user(&(struct row_user){ .id = db_col_int(st, 0),
                                     .node = node_of(st, 2),
                                     .hlc = db_col_int(st, 3),
                                     .created_at = db_col_int(st, 4),
                                     .email = db_col_text(st, 5),
                                     .email_stamp = db_col_int(st, 6),
                                     .email_node = node_of(st, 7),
                                     .is_parked = db_col_int(st, 8) != 0,
                                     .username = db_col_text(st, 9),
                                     .username_stamp = db_col_int(st, 10),
                                     .username_node = node_of(st, 11),
                                     .password = db_col_text(st, 12),
                                     .password_stamp = db_col_int(st, 13),
                                     .password_node = node_of(st, 14),
                                     .last_seen = db_col_int(st, 15) },
                 out);
}

static void
take_room(struct row_ops *out, sqlite3_stmt *st)
{
    row_ops_room(&(struct row_room){ .id = db_col_int(st, 0),
                                     .node = node_of(st, 2),
                                     .hlc = db_col_int(st, 3),
                                     .name = db_col_text(st, 4),
                                     .is_private = db_col_int(st, 5) != 0,
                                     .created_by = db_col_int(st, 6),
                                     .created_at = db_col_int(st, 7) },
                 out);
}

static void
take_member(struct row_ops *out, sqlite3_stmt *st)
{
    row_ops_member(&(struct row_member){ .room_id = db_col_int(st, 0),
                                         .user_id = db_col_int(st, 1),
                                         .node = node_of(st, 2),
                                         .stamp = db_col_int(st, 3),
                                         .id = db_col_int(st, 4),
                                         .is_member = db_col_int(st, 5) != 0,
                                         .joined_at = db_col_int(st, 6) },
                   out);
}

/* Its op is one of ours, maybe: the centre may have parked it. */
static void
take_message(struct row_ops *out, sqlite3_stmt *st)
{
    row_ops_message(&(struct row_message){ .id = db_col_int(st, 0),
                                           .node = node_of(st, 2),
                                           .hlc = db_col_int(st, 3),
                                           .room_id = db_col_int(st, 4),
                                           .sender_id = db_col_int(st, 5),
                                           .created_at = db_col_int(st, 6),
                                           .content = db_col_text(st, 7) },
                    out);
    out->ops[0].seq = db_col_int(st, 8);
}

static void
take_receipt(struct row_ops *out, sqlite3_stmt *st)
{
    row_ops_receipt(&(struct row_receipt){ .message_id = db_col_int(st, 0),
                                           .user_id = db_col_int(st, 1),
                                           .delivered_at = db_col_int(st, 4),
                                           .read_at = db_col_int(st, 5) },
                    out);
}

/* ---- a page ---- */

static const struct {
    enum store_query query;
    bool has_two_keys;
    void (*take)(struct row_ops *out, sqlite3_stmt *st);
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
hand_out(struct row_ops *row, struct store_rows_at *at, size_t *left, bool (*each)(void *ctx, const struct op *),
         void *ctx)
{
    for (; at->part < ROW_OPS_MAX; at->part++) {
        if (row->ops[at->part].kind == OP_PARKED)
            continue;
        if (*left == 0 || !each(ctx, &row->ops[at->part]))
            return false;
        --*left;
    }
    return true;
}

enum tb_code
store_follow_rows(struct store_follower *f, struct store_rows_at *at, size_t max,
                  bool (*each)(void *ctx, const struct op *), void *ctx, struct tb_err *e)
{
    size_t n_rows = 0, left = max;

    assert(at->table < STORE_TABLE_COUNT && max > 0);
    sqlite3_stmt *st = begin_page(f, at, max, e);
    while (db_next(&f->db, st, e)) {
        struct row_ops row;
        tables[at->table].take(&row, st);
        if (!hand_out(&row, at, &left, each, ctx)) {
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
