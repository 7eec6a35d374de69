/* Rows that changes and queries read alike; see requests.h. Text is copied into the request's memory, so nothing of SQLite's
 * leaves the thread. */
#include "requests.h"

#include "hlc.h"
#include "queries.h"

#include <inttypes.h>

enum { MS_PER_DAY = 86400000 };

/* ---- keys ---- */

struct chain
send_key_hash(tb_str key)
{
    return chain_start(key);    /* BLAKE2b-128 of the text */
}

int64_t
send_key_day(int64_t ms)
{
    return ms / MS_PER_DAY;
}

enum tb_code
send_key_find(struct db *d, int64_t now_ms, unsigned keep_days, int64_t user_id, tb_str key, int64_t *message_id,
              struct tb_err *e)
{
    struct chain hash = send_key_hash(key);
    bool         found = false;

    *message_id = 0;
    /* One probe a day: tomorrow too, since the clock may have been set back over midnight. */
    for (int64_t day = send_key_day(now_ms) + 1, last = day - 1 - keep_days; day >= last && !found; day--)
        if (db_int(d, Q_FIND_KEY, ARGS(I(day), I(user_id), B(hash.bytes, CHAIN_SIZE)), message_id, &found, e) != TB_OK)
            return e->code;
    return TB_OK;
}

/* ---- messages ---- */

static void
take_columns(sqlite3_stmt *st, struct tb_arena *mem, struct store_message *out)
{
    *out = (struct store_message){
        .id = db_col_int(st, 0), .created_at = db_col_int(st, 1), .room_id = db_col_int(st, 2),
        .sender_id = db_col_int(st, 3), .content = tb_arena_str(mem, db_col_text(st, 4)),
        .sender_username = tb_arena_str(mem, db_col_text(st, 5)), .sender_email = tb_arena_str(mem, db_col_text(st, 6)),
    };
}

/* When it was at the centre: columns 7 and 8 of the row are its op's origin and seq. What another site sent has come by
 * there, and was there when it came here (column 9) at the latest. */
static enum tb_code
find_synced_at(struct db *d, const struct self *own, sqlite3_stmt *st, struct store_message *m, struct tb_err *e)
{
    int64_t seq = db_col_int(st, 8);
    bool    found;

    if ((uint32_t)db_col_int(st, 7) != own->node) {
        m->synced_at = db_col_int(st, 9);
        return TB_OK;
    }
    if (seq > own->pushed_seq)
        return TB_OK;
    return db_int(d, Q_PUSHED_AT, ARGS(I(seq)), &m->synced_at, &found, e);
}

enum tb_code
message_take(struct db *d, const struct self *own, sqlite3_stmt *st, struct tb_arena *mem, struct store_message *out,
             struct tb_err *e)
{
    take_columns(st, mem, out);
    return find_synced_at(d, own, st, out, e);
}

enum tb_code
message_read(struct db *d, const struct self *own, int64_t id, struct tb_arena *mem, struct store_message *out,
             struct tb_err *e)
{
    sqlite3_stmt *st = db_query(d, Q_MESSAGE, ARGS(I(id)), e);

    if (!db_next(d, st, e))
        return e->code != TB_OK ? e->code : tb_fail(e, TB_ENOTFOUND, "Message not found", "no message %" PRId64, id);
    TB_TRY(message_take(d, own, st, mem, out, e));
    db_done(st);
    return e->code;
}

/* ---- members and users ---- */

enum tb_code
account_check(struct db *d, const struct store_who *who, struct tb_err *e)
{
    int64_t stamp = 0;
    bool    found = false;

    if (who->user_id == 0 || db_int(d, Q_PASSWORD_STAMP, ARGS(I(who->user_id)), &stamp, &found, e) != TB_OK)
        return e->code;
    if (!found)
        return tb_fail(e, TB_EAUTH, NULL, "token: no user %" PRId64, who->user_id);
    bool is_good = who->generation != 0 ? who->generation == hlc_ms(stamp) : who->issued_at >= hlc_ms(stamp);
    return is_good ? TB_OK
                   : tb_fail(e, TB_EAUTH, NULL, "token: of another generation of user %" PRId64, who->user_id);
}

enum tb_code
member_check(struct db *d, int64_t room_id, int64_t user_id, struct tb_err *e)
{
    int64_t one;
    bool    found = false;

    if (db_int(d, Q_IS_MEMBER, ARGS(I(room_id), I(user_id)), &one, &found, e) != TB_OK)
        return e->code;
    return found ? TB_OK : tb_fail(e, TB_EDENIED, "You are not a member of this room",
                                   "user %" PRId64 " not in room %" PRId64, user_id, room_id);
}

/* Another site's clock may be ahead. The row keeps what it says, so that sites agree; it is shown as now. */
int64_t
seen_by(int64_t now_ms, int64_t at)
{
    return at < now_ms ? at : now_ms;
}

enum tb_code
user_read(struct db *d, int64_t id, int64_t now_ms, struct tb_arena *mem, struct user_row *out, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(d, Q_USER, ARGS(I(id)), e);

    if (!db_next(d, st, e))
        return e->code != TB_OK ? e->code : tb_fail(e, TB_ENOTFOUND, "User not found", "no user %" PRId64, id);
    tb_str hash = db_col_text(st, 5);
    bool   is_disabled = tb_str_starts(hash, USER_LOCK);
    if (is_disabled)
        hash = (tb_str){ .p = hash.p + USER_LOCK.n, .n = hash.n - USER_LOCK.n };
    *out = (struct user_row){
        .user = { .id = db_col_int(st, 0), .created_at = db_col_int(st, 1), .last_seen = seen_by(now_ms, db_col_int(st, 2)),
                  .generation = hlc_ms(db_col_int(st, 7)), .is_disabled = is_disabled,
                  .email = tb_arena_str(mem, db_col_text(st, 3)), .username = tb_arena_str(mem, db_col_text(st, 4)) },
        .hash = tb_arena_str(mem, hash),
        .profile_stamp = db_col_int(st, 6), .password_stamp = db_col_int(st, 7),
    };
    db_done(st);
    return TB_OK;
}
