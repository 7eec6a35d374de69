/* Bodies of vet.h. Each field is bounded by what it is for; the tables of the centre say how long texts may be. A lead of the clock is
 * allowed up to 1,100 days: sites whose clocks are a year off, either way, must end like all others, and an op that one site parks and
 * another does not would keep them apart. Our own ops were ours already, however far ahead, and need only leave room for those after
 * them. */
#include "vet.h"

#include "base/hash_cost.h"
#include "hlc.h"
#include "queries.h"

#include <inttypes.h>

#define MAX_AHEAD_MS (INT64_C(1100) * 24 * 60 * 60 * 1000)
#define MAX_ID   ((INT64_C(1) << 53) - 1)
#define MAX_OWN_STAMP (INT64_C(1) << 62)                    /* as many come after it */
#define MAX_OWN_COUNTER (INT64_C(1) << (ID_COUNTER_BITS - 1))   /* likewise */

enum {
    MAX_NODE = STORE_NODES - 1,
    MAX_CONTENT = 1 << 20,          /* as large as limit.content_bytes may be */
    MAX_EMAIL = 320, MAX_NAME = 255, /* characters: columns of the centre; a hash is as long as a name */
    MAX_AT_ONCE = 1 << 16,          /* receipts, or people last seen, in one op */
    MAX_BODY = 6 * MAX_CONTENT + (1 << 16),     /* JSON writes a byte with up to six */
};

struct vet {
    struct journal *j;
    const struct op *op;
    enum vet_from from;
    const char *failed;             /* NULL, or the first field that was wrong */
    struct tb_err *e;               /* of the journal, when it cannot be asked */
};

static void
expect(struct vet *v, bool holds, const char *what)
{
    if (!holds && v->failed == NULL)
        v->failed = what;
}

static void
vet_id(struct vet *v, int64_t id, const char *what)
{
    expect(v, id >= 1 && id <= MAX_ID, what);
}

/* Of another site's users and rooms nothing is promised, since one site may hear of them before another. Ours are here, or nowhere. */
static void
vet_known(struct vet *v, int query, int64_t id, const char *what)
{
    vet_id(v, id, what);
    if (v->failed != NULL || v->e->code != TB_OK || id >> ID_COUNTER_BITS != v->j->self.node)
        return;
    sqlite3_stmt *st = db_query(&v->j->db, query, ARGS(I(id)), v->e);
    bool is_known = db_next(&v->j->db, st, v->e);
    if (is_known)
        db_done(st);
    expect(v, is_known || v->e->code != TB_OK, what);
}

static void
vet_user(struct vet *v, int64_t id, const char *what)
{
    vet_known(v, Q_SENDER, id, what);
}

static void
vet_room(struct vet *v, int64_t id, const char *what)
{
    vet_known(v, Q_ROOM_PRIVATE, id, what);
}

/* Who makes an id makes it of its own numbers, or brings one of the old backend's, which stand below all numbers. A row says nothing
 * of who made it, but may not use up our numbers either. */
static void
vet_new_id(struct vet *v, int64_t id)
{
    int64_t node = id >> ID_COUNTER_BITS;

    vet_id(v, id, "id");
    if (v->from != VET_ROW)
        expect(v, node == v->op->node || (node == 0 && v->j->self.node != 0), "id (of another site)");
    if (node == v->j->self.node)
        expect(v, (id & ((INT64_C(1) << ID_COUNTER_BITS) - 1)) <= MAX_OWN_COUNTER, "id (at the end of ours)");
}

static int64_t
latest_ms(const struct vet *v)
{
    return tb_wall_ms(v->j->clock) + MAX_AHEAD_MS;
}

static void
vet_stamp(struct vet *v, int64_t stamp, const char *what)
{
    expect(v, stamp >= 0 && (v->from == VET_OWN ? stamp <= MAX_OWN_STAMP : hlc_ms(stamp) <= latest_ms(v)), what);
}

static void
vet_time(struct vet *v, int64_t ms, const char *what)
{
    expect(v, ms >= 0 && (v->from == VET_OWN ? ms <= hlc_ms(MAX_OWN_STAMP) : ms <= latest_ms(v)), what);
}

static void
vet_text(struct vet *v, tb_str text, size_t max_chars, const char *what)
{
    bool is_short = text.n <= 4 * max_chars;

    expect(v, is_short && tb_str_is_utf8(text) && tb_str_utf8_length(text) <= max_chars, what);
}

static void
vet_hash(struct vet *v, tb_str hash)
{
    vet_text(v, hash, MAX_NAME, "hash");
    expect(v, tb_hash_is_bearable(hash), "hash");
}

static void
vet_receipts(struct vet *v)
{
    size_t n = 0;

    vet_time(v, v->op->receipts.at, "at");
    for (size_t i = 0; i < v->op->receipts.n; i++) {
        const struct op_receipts *of = &v->op->receipts.of[i];
        n += of->n;
        if (v->from != VET_ROW)         /* a row does not say which room */
            vet_room(v, of->room_id, "room");
        vet_user(v, of->user_id, "user");
        for (size_t k = 0; k < of->n; k++)
            vet_id(v, of->message_ids[k], "messages");
    }
    expect(v, n <= MAX_AT_ONCE && v->op->receipts.n <= MAX_AT_ONCE, "messages (too many)");
}

static void
vet_last_seen(struct vet *v)
{
    expect(v, v->op->last_seen.n <= MAX_AT_ONCE, "users (too many)");
    for (size_t i = 0; i < v->op->last_seen.n; i++) {
        vet_user(v, v->op->last_seen.users[i].user_id, "users");
        vet_time(v, v->op->last_seen.users[i].at, "at");
    }
}

static void
vet_registered(struct vet *v)
{
    vet_new_id(v, v->op->user_registered.id);
    expect(v, v->op->at > 0, "hlc");
    vet_text(v, v->op->user_registered.email, MAX_EMAIL, "email");
    vet_text(v, v->op->user_registered.username, MAX_NAME, "username");
    vet_hash(v, v->op->user_registered.hash);
    vet_time(v, v->op->user_registered.created_at, "createdAt");
}

static void
vet_profile(struct vet *v)
{
    vet_user(v, v->op->profile_changed.user_id, "user");
    vet_stamp(v, v->op->profile_changed.stamp, "stamp");
    if (v->op->profile_changed.email.p != NULL)
        vet_text(v, v->op->profile_changed.email, MAX_EMAIL, "email");
    if (v->op->profile_changed.username.p != NULL)
        vet_text(v, v->op->profile_changed.username, MAX_NAME, "username");
}

static void
vet_created(struct vet *v)
{
    vet_new_id(v, v->op->room_created.id);
    vet_text(v, v->op->room_created.name, MAX_NAME, "name");
    vet_user(v, v->op->room_created.created_by, "createdBy");
    vet_time(v, v->op->room_created.created_at, "createdAt");
}

static void
vet_joined(struct vet *v)
{
    vet_new_id(v, v->op->member_joined.id);
    vet_room(v, v->op->member_joined.room_id, "room");
    vet_user(v, v->op->member_joined.user_id, "user");
    if (v->from != VET_ROW || v->op->member_joined.by_id != 0)  /* nobody may know any more who let them in */
        vet_user(v, v->op->member_joined.by_id, "by");
    vet_stamp(v, v->op->member_joined.stamp, "stamp");
    vet_time(v, v->op->member_joined.joined_at, "joinedAt");
}

static void
vet_left(struct vet *v)
{
    vet_room(v, v->op->member_left.room_id, "room");
    vet_user(v, v->op->member_left.user_id, "user");
    if (v->from != VET_ROW || v->op->member_left.by_id != 0)
        vet_user(v, v->op->member_left.by_id, "by");
    vet_stamp(v, v->op->member_left.stamp, "stamp");
}

static void
vet_message(struct vet *v)
{
    tb_str content = v->op->message_sent.content;

    vet_new_id(v, v->op->message_sent.id);
    vet_room(v, v->op->message_sent.room_id, "room");
    vet_user(v, v->op->message_sent.sender_id, "sender");
    vet_time(v, v->op->message_sent.created_at, "createdAt");
    expect(v, content.n <= MAX_CONTENT && tb_str_is_utf8(content), "content");
}

static void
vet_members(struct vet *v)
{
    switch (v->op->kind) {
    case OP_USER_REGISTERED:
        vet_registered(v);
        return;
    case OP_PASSWORD_CHANGED:
        vet_user(v, v->op->password_changed.user_id, "user");
        vet_stamp(v, v->op->password_changed.stamp, "stamp");
        vet_hash(v, v->op->password_changed.hash);
        return;
    case OP_PROFILE_CHANGED:
        vet_profile(v);
        return;
    case OP_EMAIL_PARKED:
        vet_user(v, v->op->email_parked.user_id, "user");
        vet_stamp(v, v->op->email_parked.stamp, "stamp");
        vet_text(v, v->op->email_parked.email, MAX_EMAIL, "email");
        return;
    case OP_ROOM_CREATED:
        vet_created(v);
        return;
    case OP_MEMBER_JOINED:
        vet_joined(v);
        return;
    case OP_MEMBER_LEFT:
        vet_left(v);
        return;
    case OP_MESSAGE_SENT:
        vet_message(v);
        return;
    case OP_DELIVERED:
    case OP_READ:
        vet_receipts(v);
        return;
    case OP_LAST_SEEN:
        vet_last_seen(v);
        return;
    case OP_PARKED:
    case OP_KIND_COUNT:
        break;
    }
    expect(v, v->op->kind == OP_PARKED && v->from != VET_ROW, "kind");
}

enum tb_code
vet_body(const struct store_entry *entry, struct tb_err *e)
{
    if (entry->body.n > MAX_BODY)
        return tb_fail(e, TB_EINPUT, NULL, "a body of %zu bytes, at most %d", entry->body.n, MAX_BODY);
    return TB_OK;
}

enum tb_code
vet_op(struct journal *j, const struct op *op, enum vet_from from, struct tb_err *e)
{
    struct vet v = { .j = j, .op = op, .from = from, .e = e };

    expect(&v, op->node <= MAX_NODE, "node");
    vet_stamp(&v, op->at, "hlc");
    if (from == VET_ROW && op->node == j->self.node)    /* our clock follows it */
        expect(&v, op->at <= j->self.hlc || hlc_ms(op->at) - tb_wall_ms(j->clock) <= HLC_MAX_AHEAD_MS, "hlc");
    vet_members(&v);
    if (e->code != TB_OK)
        return e->code;
    if (v.failed != NULL)
        return tb_fail(e, TB_EINPUT, NULL, "%s: %s is out of bounds", op_kind_name(op->kind), v.failed);
    return TB_OK;
}

bool
vet_is_origin(uint32_t own_node, uint32_t node, int64_t seq)
{
    return node != own_node && node <= MAX_NODE && seq >= 0 && seq <= MAX_ID;
}
