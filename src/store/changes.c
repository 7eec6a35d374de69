/* What each change checks, and which ops it makes. Permission is judged here, once: other sites only apply the ops. */
#include "requests.h"

#include "backup.h"
#include "base/metrics.h"
#include "fresh.h"
#include "hlc.h"
#include "horizon.h"
#include "queries.h"

#include <assert.h>
#include <inttypes.h>

#define TEXT_NO_ROOM   "Room not found"
#define TEXT_NO_MEMBER "You are not a member of this room"

/* ---- users ---- */

static enum tb_code
check_email_free(struct journal *j, tb_str email, int64_t for_user, struct tb_err *e)
{
    struct tb_arena mem = { 0 };
    tb_str          key = op_email_key(email, &mem);
    int64_t         owner = 0;
    bool            found = false;

    if (db_int(&j->db, Q_EMAIL_OWNER, ARGS(T(key)), &owner, &found, e) == TB_OK && found && owner != for_user)
        tb_fail(e, TB_ETAKEN, NULL, "e-mail of user %" PRId64, owner);
    tb_arena_fini(&mem);
    return e->code;
}

static enum tb_code
run_add_user(struct journal *j, const struct store_settings *limits, struct store_add_user *r)
{
    struct tb_err *e = &r->op.err;

    (void)limits;
    if (check_email_free(j, r->email, 0, e) != TB_OK)
        return e->code;
    struct op op = journal_begin(j, OP_USER_REGISTERED);
    op.user_registered.id = journal_new_id(j, &j->self.users);
    op.user_registered.created_at = tb_wall_ms(j->clock);
    op.user_registered.email = r->email;
    op.user_registered.username = r->username;
    op.user_registered.hash = r->password_hash;
    if (journal_append(j, &op, e) != TB_OK)
        return e->code;
    r->user = (struct store_user){
        .id = op.user_registered.id, .generation = hlc_ms(op.at), .created_at = op.user_registered.created_at,
        .email = tb_arena_str(&r->op.mem, r->email), .username = tb_arena_str(&r->op.mem, r->username),
    };
    return TB_OK;
}

static enum tb_code
change_profile(struct journal *j, struct store_change_user *r, const struct user_row *was)
{
    struct op op = journal_begin(j, OP_PROFILE_CHANGED);

    op.profile_changed.user_id = r->user_id;
    op.profile_changed.email = r->email;
    op.profile_changed.username = r->username;
    op.profile_changed.stamp = hlc_stamp(op.at, was->profile_stamp);
    return journal_append(j, &op, &r->op.err);
}

static bool
is_to_be_disabled(const struct store_change_user *r, const struct user_row *was)
{
    return r->lock == STORE_AS_IT_WAS ? was->user.is_disabled : r->lock == STORE_DISABLE;
}

/* Hash and lock are one value, so that of two sites the later word on either stands. */
static tb_str
hash_with_lock(struct store_change_user *r, const struct user_row *was)
{
    tb_str hash = r->password_hash.p != NULL ? r->password_hash : was->hash;
    tb_str lock = is_to_be_disabled(r, was) ? USER_LOCK : TB_LIT("");
    char  *both = tb_arena_alloc(&r->op.mem, lock.n + hash.n);

    memcpy(both, lock.p, lock.n);
    memcpy(both + lock.n, hash.p, hash.n);
    return (tb_str){ .p = both, .n = lock.n + hash.n };
}

static enum tb_code
change_password(struct journal *j, struct store_change_user *r, const struct user_row *was)
{
    struct op op = journal_begin(j, OP_PASSWORD_CHANGED);

    op.password_changed.user_id = r->user_id;
    op.password_changed.hash = hash_with_lock(r, was);
    op.password_changed.stamp = r->is_same_password ? was->password_stamp + 1 : hlc_stamp(op.at, was->password_stamp);
    if (journal_append(j, &op, &r->op.err) == TB_OK)
        journal_announce(j, &op, TB_STR_NULL, TB_STR_NULL);
    return r->op.err.code;
}

static enum tb_code
run_change_user(struct journal *j, const struct store_settings *limits, struct store_change_user *r)
{
    struct tb_err  *e = &r->op.err;
    int64_t         now_ms = tb_wall_ms(j->clock);
    struct user_row was, now;

    (void)limits;
    if (user_read(&j->db, r->user_id, now_ms, &r->op.mem, &was, e) != TB_OK)
        return e->code;
    r->user = was.user;
    if (r->only_if_hash.p != NULL && !tb_str_eq(r->only_if_hash, was.hash))
        return TB_OK;
    if (r->email.p != NULL && check_email_free(j, r->email, r->user_id, e) != TB_OK)
        return e->code;
    if ((r->email.p != NULL || r->username.p != NULL) && change_profile(j, r, &was) != TB_OK)
        return e->code;
    bool is_new = r->password_hash.p != NULL || is_to_be_disabled(r, &was) != was.user.is_disabled;
    if (is_new && change_password(j, r, &was) != TB_OK)
        return e->code;
    if (user_read(&j->db, r->user_id, now_ms, &r->op.mem, &now, e) == TB_OK)
        r->user = now.user;
    return e->code;
}

static enum tb_code
run_set_last_seen(struct journal *j, const struct store_settings *limits, struct store_set_last_seen *r)
{
    (void)limits;
    struct op_seen *seen = TB_ARENA_ARRAY(&r->op.mem, struct op_seen, r->n + 1);
    size_t          n = 0;

    for (size_t i = 0; i < r->n; i++) {
        const struct store_seen *u = &r->users[i];
        if (db_run(&j->db, u->is_online ? Q_ONLINE : Q_OFFLINE, ARGS(I(u->user_id)), &r->op.err) != TB_OK)
            return r->op.err.code;
        if (u->at != 0)
            seen[n++] = (struct op_seen){ .user_id = u->user_id, .at = u->at };
    }
    if (n == 0)
        return TB_OK;
    struct op op = journal_begin(j, OP_LAST_SEEN);
    op.last_seen.n = n;
    op.last_seen.users = seen;
    return journal_append(j, &op, &r->op.err);
}

/* ---- rooms and members ---- */

/* A membership as it stands: id 0 and stamp 0 when there never was one. */
struct membership {
    int64_t id, stamp;
    bool    is_member;
};

static enum tb_code
read_membership(struct journal *j, int64_t room_id, int64_t user_id, struct membership *out, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(&j->db, Q_MEMBER, ARGS(I(room_id), I(user_id)), e);

    *out = (struct membership){ 0 };
    if (db_next(&j->db, st, e)) {
        *out = (struct membership){ .id = db_col_int(st, 0), .is_member = db_col_int(st, 1) != 0,
                                    .stamp = db_col_int(st, 2) };
        db_done(st);
    }
    return e->code;
}

enum { HIT_ROOMS, HIT_MEMBERS };
static const char *const limits_hit[] = { [HIT_ROOMS] = "limit.rooms_per_user", [HIT_MEMBERS] = "limit.members_per_room" };
TB_LIMIT_HITS(hits, limits_hit);

static enum tb_code
check_below(struct journal *j, int query, int64_t of, int64_t limit, const char *say, struct tb_err *e)
{
    int64_t n = 0;
    bool    found = false;

    if (db_int(&j->db, query, ARGS(I(of)), &n, &found, e) != TB_OK)
        return e->code;
    if (n < limit)
        return TB_OK;
    tb_count(&hits, query == Q_USER_ROOMS ? HIT_ROOMS : HIT_MEMBERS);
    return tb_fail(e, TB_EDENIED, say, "%" PRId64 " has %" PRId64 " of %" PRId64, of, n, limit);
}

static enum tb_code
check_may_have_more_rooms(struct journal *j, const struct store_settings *limits, int64_t user_id, struct tb_err *e)
{
    return check_below(j, Q_USER_ROOMS, user_id, limits->rooms_per_user, "Too many rooms: leave one first", e);
}

/* The name of the one whom an op is about, for the feed. */
static enum tb_code
announce_joined(struct journal *j, const struct op *op, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(&j->db, Q_SENDER, ARGS(I(op->member_joined.user_id)), e);

    if (db_next(&j->db, st, e)) {
        journal_announce(j, op, db_col_text(st, 0), TB_STR_NULL);
        db_done(st);
    }
    return e->code;
}

static enum tb_code
append_joined(struct journal *j, int64_t room_id, int64_t user_id, int64_t by_id, int64_t over, int64_t *member_id,
              struct tb_err *e)
{
    struct op op = journal_begin(j, OP_MEMBER_JOINED);

    *member_id = op.member_joined.id = journal_new_id(j, &j->self.members);
    op.member_joined.room_id = room_id;
    op.member_joined.user_id = user_id;
    op.member_joined.by_id = by_id;
    op.member_joined.stamp = hlc_stamp(op.at, over);
    op.member_joined.joined_at = tb_wall_ms(j->clock);
    return journal_append(j, &op, e) == TB_OK ? announce_joined(j, &op, e) : e->code;
}

static enum tb_code
check_user_exists(struct journal *j, int64_t user_id, enum tb_code otherwise, const char *say, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(&j->db, Q_SENDER, ARGS(I(user_id)), e);

    if (!db_next(&j->db, st, e))
        return e->code != TB_OK ? e->code : tb_fail(e, otherwise, say, "no user %" PRId64, user_id);
    db_done(st);
    return TB_OK;
}

static enum tb_code
run_add_room(struct journal *j, const struct store_settings *limits, struct store_add_room *r)
{
    struct tb_err *e = &r->op.err;

    if (check_user_exists(j, r->creator_id, TB_EAUTH, NULL, e) != TB_OK ||
        check_may_have_more_rooms(j, limits, r->creator_id, e) != TB_OK)
        return e->code;
    struct op op = journal_begin(j, OP_ROOM_CREATED);
    r->room_id = op.room_created.id = journal_new_id(j, &j->self.rooms);
    r->created_at = op.room_created.created_at = tb_wall_ms(j->clock);
    op.room_created.created_by = r->creator_id;
    op.room_created.is_private = r->is_private;
    op.room_created.name = r->name;
    if (journal_append(j, &op, e) != TB_OK)
        return e->code;
    return append_joined(j, r->room_id, r->creator_id, r->creator_id, 0, &r->member_id, e);
}

/* They join a public room by themselves, or a member adds them. To others a private room is none at all. */
static enum tb_code
check_may_join(struct journal *j, const struct store_add_member *r, struct tb_err *e)
{
    int64_t is_private = 0;
    bool    found = false, joins_alone = r->by_id == r->user_id;

    if (db_int(&j->db, Q_ROOM_PRIVATE, ARGS(I(r->room_id)), &is_private, &found, e) != TB_OK)
        return e->code;
    if (found && (!joins_alone || is_private) && member_check(&j->db, r->room_id, r->by_id, e) != TB_EDENIED)
        return e->code;
    return found && !is_private ? e->code
                                : tb_fail(e, TB_ENOTFOUND, TEXT_NO_ROOM, "no room %" PRId64 " to user %" PRId64,
                                          r->room_id, r->by_id);
}

static enum tb_code
run_add_member(struct journal *j, const struct store_settings *limits, struct store_add_member *r)
{
    struct tb_err    *e = &r->op.err;
    struct membership was;

    if (read_membership(j, r->room_id, r->user_id, &was, e) != TB_OK)
        return e->code;
    r->was_member = was.is_member;
    r->member_id = was.id;
    if (was.is_member && r->by_id == r->user_id)
        return TB_OK;
    if (check_may_join(j, r, e) != TB_OK)
        return e->code;
    if (was.is_member)
        return TB_OK;
    bool by_himself = r->by_id == r->user_id;
    if (check_user_exists(j, r->user_id, by_himself ? TB_EAUTH : TB_ENOTFOUND, by_himself ? NULL : "User not found", e) !=
            TB_OK ||
        check_may_have_more_rooms(j, limits, r->user_id, e) != TB_OK ||
        check_below(j, Q_ROOM_MEMBERS, r->room_id, limits->members_per_room, "This room is full", e) != TB_OK)
        return e->code;
    return append_joined(j, r->room_id, r->user_id, r->by_id, was.stamp, &r->member_id, e);
}

static enum tb_code
run_remove_member(struct journal *j, const struct store_settings *limits, struct store_remove_member *r)
{
    struct tb_err    *e = &r->op.err;
    struct membership was;

    (void)limits;
    if (read_membership(j, r->room_id, r->user_id, &was, e) != TB_OK)
        return e->code;
    if (!was.is_member)
        return tb_fail(e, TB_ENOTFOUND, TEXT_NO_MEMBER, "user %" PRId64 " not in room %" PRId64, r->user_id, r->room_id);
    struct op op = journal_begin(j, OP_MEMBER_LEFT);
    op.member_left.room_id = r->room_id;
    op.member_left.user_id = op.member_left.by_id = r->user_id;
    op.member_left.stamp = hlc_stamp(op.at, was.stamp);
    if (journal_append(j, &op, e) == TB_OK)
        journal_announce(j, &op, TB_STR_NULL, TB_STR_NULL);
    return e->code;
}

/* ---- messages ---- */

static enum tb_code
read_sender(struct journal *j, int64_t id, struct tb_arena *mem, struct store_message *out, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(&j->db, Q_SENDER, ARGS(I(id)), e);

    if (!db_next(&j->db, st, e))
        return e->code != TB_OK ? e->code : tb_fail(e, TB_EAUTH, NULL, "no user %" PRId64, id);
    out->sender_username = tb_arena_str(mem, db_col_text(st, 0));
    out->sender_email = tb_arena_str(mem, db_col_text(st, 1));
    db_done(st);
    return TB_OK;
}

/* The message that the key has given before, if it has. */
static enum tb_code
find_known(struct journal *j, const struct store_settings *limits, struct store_add_message *r)
{
    struct tb_err *e = &r->op.err;
    int64_t        id = 0;

    if (send_key_find(&j->db, tb_wall_ms(j->clock), limits->key_keep_days, r->sender_id, r->key, &id, e) != TB_OK ||
        id == 0)
        return e->code;
    if (message_read(&j->db, &j->self, id, &r->op.mem, &r->message, e) != TB_OK)
        return e->code;
    if (r->message.room_id != r->room_id || !tb_str_eq(r->message.content, r->content))
        return tb_fail(e, TB_EREUSED, NULL, "key of message %" PRId64, id);
    r->was_known = true;
    return TB_OK;
}

static enum tb_code
add_key(struct journal *j, const struct store_add_message *r, const struct op *op, struct tb_err *e)
{
    struct chain hash = send_key_hash(r->key);
    return db_run(&j->db, Q_ADD_KEY,
                  ARGS(I(send_key_day(op->message_sent.created_at)), I(r->sender_id), B(hash.bytes, CHAIN_SIZE),
                       I(op->message_sent.id)),
                  e);
}

static enum tb_code
run_add_message(struct journal *j, const struct store_settings *limits, struct store_add_message *r)
{
    struct tb_err        *e = &r->op.err;
    struct store_message *m = &r->message;

    r->was_known = false;               /* it may run twice, see commit_batch */
    if (r->key.p != NULL && (find_known(j, limits, r) != TB_OK || r->was_known))
        return e->code;
    if (member_check(&j->db, r->room_id, r->sender_id, e) != TB_OK || read_sender(j, r->sender_id, &r->op.mem, m, e) != TB_OK)
        return e->code;
    struct op op = journal_begin(j, OP_MESSAGE_SENT);
    m->id = op.message_sent.id = journal_new_id(j, &j->self.messages);
    m->created_at = op.message_sent.created_at = tb_wall_ms(j->clock);
    m->room_id = op.message_sent.room_id = r->room_id;
    m->sender_id = op.message_sent.sender_id = r->sender_id;
    op.message_sent.content = r->content;
    m->content = tb_arena_str(&r->op.mem, r->content);
    if (journal_append(j, &op, e) != TB_OK)
        return e->code;
    journal_announce(j, &op, m->sender_username, m->sender_email);
    return r->key.p != NULL ? add_key(j, r, &op, e) : TB_OK;
}

/* ---- receipts ---- */

/* Receipts being gathered by room and user, in order of appearance. n_ids bounds every list. */
struct gathering {
    struct tb_arena    *mem;
    struct op_receipts *of;
    size_t              n, cap;
};

static void
gather(struct gathering *g, int64_t room_id, int64_t user_id, int64_t message_id, size_t most_ids)
{
    size_t i = 0;

    while (i < g->n && (g->of[i].room_id != room_id || g->of[i].user_id != user_id))
        i++;
    g->of = tb_arena_more(g->mem, g->of, g->n, &g->cap, sizeof *g->of);
    if (i == g->n)
        g->of[g->n++] = (struct op_receipts){ .room_id = room_id, .user_id = user_id,
                                              .message_ids = TB_ARENA_ARRAY(g->mem, int64_t, most_ids) };
    g->of[i].message_ids[g->of[i].n++] = message_id;
}

static bool
is_repeated(const int64_t *ids, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (ids[k] == ids[i])
            return true;
    return false;
}

/* Known here, somebody else's, and in a room of the user's: then *room_id is that room, otherwise 0. */
static enum tb_code
find_room_of(struct journal *j, int64_t message_id, int64_t user_id, int64_t *room_id, struct tb_err *e)
{
    struct membership m;
    sqlite3_stmt     *st = db_query(&j->db, Q_MESSAGE_FACTS, ARGS(I(message_id)), e);

    *room_id = 0;
    if (!db_next(&j->db, st, e))
        return e->code;
    int64_t room = db_col_int(st, 0), sender = db_col_int(st, 1);
    db_done(st);
    if (read_membership(j, room, user_id, &m, e) == TB_OK && m.is_member)
        *room_id = sender == user_id ? -room : room;    /* negative: his own, which counts but has no receipt */
    return e->code;
}

static enum tb_code
is_read(struct journal *j, int64_t message_id, int64_t user_id, bool *out, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(&j->db, Q_RECEIPT, ARGS(I(message_id), I(user_id)), e);

    *out = false;
    if (db_next(&j->db, st, e)) {
        *out = sqlite3_column_type(st, 1) != SQLITE_NULL;
        db_done(st);
    } else if (e->code == TB_OK) {      /* its receipts went with it, and none comes back */
        TB_TRY(horizon_has_left(&j->db, message_id, out, e));
    }
    return e->code;
}

static enum tb_code
append_receipts(struct journal *j, enum op_kind kind, const struct gathering *g, int64_t at, struct tb_err *e)
{
    if (g->n == 0)
        return TB_OK;
    struct op op = journal_begin(j, kind);
    op.receipts.at = at;
    op.receipts.of = g->of;
    op.receipts.n = g->n;
    if (journal_append(j, &op, e) == TB_OK)
        journal_announce(j, &op, TB_STR_NULL, TB_STR_NULL);
    return e->code;
}

static_assert(sizeof(struct op_receipts) == sizeof(struct store_receipts_of), "one shape for callers and ops");

static enum tb_code
run_add_read(struct journal *j, const struct store_settings *limits, struct store_add_read *r)
{
    struct tb_err   *e = &r->op.err;
    struct gathering g = { .mem = &r->op.mem };

    (void)limits;
    r->count = 0;                       /* it may run twice, see commit_batch */
    if (r->room_id != 0 && member_check(&j->db, r->room_id, r->user_id, e) != TB_OK)
        return e->code;
    r->read_at = tb_wall_ms(j->clock);
    for (size_t i = 0; i < r->n; i++) {
        int64_t    id = r->message_ids[i], room;
        bool       was_read;
        if (find_room_of(j, id, r->user_id, &room, e) != TB_OK)
            return e->code;
        bool is_own = room < 0;
        room = is_own ? -room : room;
        if (room == 0 || (r->room_id != 0 && room != r->room_id) || is_repeated(r->message_ids, i))
            continue;
        r->count++;
        if (is_own)
            continue;
        if (is_read(j, id, r->user_id, &was_read, e) != TB_OK)
            return e->code;
        if (!was_read)
            gather(&g, room, r->user_id, id, r->n);
    }
    r->fresh = TB_ARENA_ARRAY(&r->op.mem, struct store_receipts_of, g.n);
    for (size_t i = 0; i < g.n; i++)
        r->fresh[i] = (struct store_receipts_of){ .room_id = g.of[i].room_id, .user_id = g.of[i].user_id,
                                                  .message_ids = g.of[i].message_ids, .n = g.of[i].n };
    r->n_fresh = g.n;
    return append_receipts(j, OP_READ, &g, r->read_at, e);
}

static enum tb_code
run_add_delivered(struct journal *j, const struct store_settings *limits, struct store_add_delivered *r)
{
    struct tb_err   *e = &r->op.err;
    struct gathering g = { 0 };

    (void)limits;
    r->delivered_at = tb_wall_ms(j->clock);
    if (fresh_deliveries(&j->db, &r->op.mem, r->of, r->n, &g.of, &g.n, e) != TB_OK)
        return e->code;
    return append_receipts(j, OP_DELIVERED, &g, r->delivered_at, e);
}

/* ---- the centre ---- */

static enum tb_code
run_mark_pushed(struct journal *j, const struct store_settings *limits, struct store_mark_pushed *r)
{
    struct tb_err *e = &r->op.err;

    (void)limits;
    if (r->seq > j->self.seq)
        return tb_fail(e, TB_EINPUT, NULL, "pushed up to seq %" PRId64 ", but the journal ends at %" PRId64, r->seq,
                       j->self.seq);
    if (db_run(&j->db, Q_ADD_PUSHED, ARGS(I(r->seq), I(r->at)), e) != TB_OK ||
        db_run(&j->db, Q_SET_PUSHED, ARGS(I(r->seq), T(tb_str_of(r->centre_uuid))), e) != TB_OK)
        return e->code;
    if (r->seq > j->self.pushed_seq)
        j->self.pushed_seq = r->seq;
    memcpy(j->self.centre_uuid, r->centre_uuid, sizeof j->self.centre_uuid);
    return TB_OK;
}

/* The clock of the first op stays: it is the order of a message in its room and the stamp of what a user or a room began
 * with. Nothing is announced: whoever hears of such ops has heard of the first. */
static enum tb_code
run_repeat_op(struct journal *j, const struct store_settings *limits, struct store_repeat_op *r)
{
    struct tb_err *e = &r->op.err;
    struct op      op;

    (void)limits;
    sqlite3_stmt *st = db_query(&j->db, Q_OWN_OP, ARGS(I(j->self.node), I(r->seq)), e);
    if (!db_next(&j->db, st, e))
        return e->code != TB_OK ? e->code : tb_fail(e, TB_ENOTFOUND, NULL, "own op %" PRId64 " is not in the journal",
                                                    r->seq);
    int64_t at = db_col_int(st, 0);
    TB_TRY(op_parse((int)db_col_int(st, 1), (int)db_col_int(st, 2), db_col_text(st, 3), &r->op.mem, &op, e));
    db_done(st);
    if (e->code != TB_OK)
        return e->code;
    op.node = j->self.node;
    op.at = at;
    if (journal_append(j, &op, e) == TB_OK)
        r->new_seq = op.seq;
    return e->code;
}

/* ---- backups ---- */

static enum tb_code
run_begin_backup(struct journal *j, const struct store_settings *limits, struct store_begin_backup *r)
{
    (void)limits;
    return backup_begin(j->backup, j, &r->op.err);
}

static enum tb_code
run_end_backup(struct journal *j, const struct store_settings *limits, struct store_end_backup *r)
{
    (void)limits, (void)r;
    backup_end(j->backup);
    return TB_OK;
}

enum tb_code
change_run(struct journal *j, const struct store_settings *limits, struct store_op *op)
{
    switch (op->what) {
#define X(name) \
    case WHAT_##name: \
        return run_##name(j, limits, TB_CONTAINER(op, struct store_##name, op));
        STORE_CHANGES(X)
#undef X
    }
    return tb_fail(&op->err, TB_EINTERNAL, NULL, "change %d is none", op->what);
}
