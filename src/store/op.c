/* Ops to JSON and back. Writing is by hand, one function a kind; reading goes through jansson and a small checked reader
 * that stays failed after its first failure. Stamps are hlc, so they are written as strings (they exceed 2^53). */
#include "op.h"

#include "base/json.h"
#include "base/unicode.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_ID ((INT64_C(1) << 53) - 1)

static const char *const kind_names[OP_KIND_COUNT] = {
#define X(name, number, text) [name] = text,
    OP_KINDS(X)
#undef X
};

const char *
op_kind_name(enum op_kind kind)
{
    return kind_names[kind];
}

/* ---- writing ---- */

static void
put_int(struct tb_json *j, const char *key, int64_t v)
{
    tb_json_key(j, key);
    tb_json_int(j, v);
}

static void
put_str(struct tb_json *j, const char *key, tb_str v)
{
    tb_json_key(j, key);
    tb_json_str(j, v);
}

static void
put_stamp(struct tb_json *j, int64_t stamp)
{
    char text[24];
    int  n = snprintf(text, sizeof text, "%" PRId64, stamp);
    put_str(j, "stamp", (tb_str){ .p = text, .n = (size_t)n });
}

static void
put_receipts(struct tb_json *j, const struct op *op)
{
    put_int(j, "at", op->receipts.at);
    tb_json_key(j, "of");
    tb_json_open_array(j);
    for (size_t i = 0; i < op->receipts.n; i++) {
        const struct op_receipts *r = &op->receipts.of[i];
        tb_json_open_object(j);
        put_int(j, "room", r->room_id);
        put_int(j, "user", r->user_id);
        tb_json_key(j, "messages");
        tb_json_open_array(j);
        for (size_t k = 0; k < r->n; k++)
            tb_json_int(j, r->message_ids[k]);
        tb_json_end_array(j);
        tb_json_end_object(j);
    }
    tb_json_end_array(j);
}

static void
put_last_seen(struct tb_json *j, const struct op *op)
{
    tb_json_key(j, "users");
    tb_json_open_array(j);
    for (size_t i = 0; i < op->last_seen.n; i++) {
        tb_json_open_object(j);
        put_int(j, "id", op->last_seen.users[i].user_id);
        put_int(j, "at", op->last_seen.users[i].at);
        tb_json_end_object(j);
    }
    tb_json_end_array(j);
}

static void
put_members(struct tb_json *j, const struct op *op)
{
    switch (op->kind) {
    case OP_USER_REGISTERED:
        put_int(j, "id", op->user_registered.id);
        put_str(j, "email", op->user_registered.email);
        put_str(j, "username", op->user_registered.username);
        put_str(j, "hash", op->user_registered.hash);
        put_int(j, "createdAt", op->user_registered.created_at);
        return;
    case OP_PASSWORD_CHANGED:
        put_int(j, "user", op->password_changed.user_id);
        put_str(j, "hash", op->password_changed.hash);
        put_stamp(j, op->password_changed.stamp);
        return;
    case OP_PROFILE_CHANGED:
        put_int(j, "user", op->profile_changed.user_id);
        if (op->profile_changed.email.p != NULL)
            put_str(j, "email", op->profile_changed.email);
        if (op->profile_changed.username.p != NULL)
            put_str(j, "username", op->profile_changed.username);
        put_stamp(j, op->profile_changed.stamp);
        return;
    case OP_EMAIL_PARKED:
        put_int(j, "user", op->email_parked.user_id);
        put_str(j, "email", op->email_parked.email);
        put_stamp(j, op->email_parked.stamp);
        return;
    case OP_ROOM_CREATED:
        put_int(j, "id", op->room_created.id);
        put_str(j, "name", op->room_created.name);
        tb_json_key(j, "isPrivate");
        tb_json_bool(j, op->room_created.is_private);
        put_int(j, "createdBy", op->room_created.created_by);
        put_int(j, "createdAt", op->room_created.created_at);
        return;
    case OP_MEMBER_JOINED:
        put_int(j, "id", op->member_joined.id);
        put_int(j, "room", op->member_joined.room_id);
        put_int(j, "user", op->member_joined.user_id);
        put_int(j, "by", op->member_joined.by_id);
        put_stamp(j, op->member_joined.stamp);
        put_int(j, "joinedAt", op->member_joined.joined_at);
        return;
    case OP_MEMBER_LEFT:
        put_int(j, "room", op->member_left.room_id);
        put_int(j, "user", op->member_left.user_id);
        put_int(j, "by", op->member_left.by_id);
        put_stamp(j, op->member_left.stamp);
        return;
    case OP_MESSAGE_SENT:
        put_int(j, "id", op->message_sent.id);
        put_int(j, "room", op->message_sent.room_id);
        put_int(j, "sender", op->message_sent.sender_id);
        put_str(j, "content", op->message_sent.content);
        put_int(j, "createdAt", op->message_sent.created_at);
        return;
    case OP_DELIVERED:
    case OP_READ:
        put_receipts(j, op);
        return;
    case OP_LAST_SEEN:
        put_last_seen(j, op);
        return;
    case OP_PARKED:
    case OP_KIND_COUNT:
        break;
    }
    abort();    /* our mistake: such an op is never made here */
}

void
op_write(const struct op *op, struct tb_buf *out)
{
    struct tb_json j = tb_json_to(out);

    tb_json_open_object(&j);
    put_members(&j, op);
    tb_json_end_object(&j);
    tb_json_fini(&j);
}

/* ---- reading ---- */

struct reader {
    struct tb_arena *mem;
    const char      *failed;    /* NULL, or the member that was wrong */
};

static int64_t
get_int(struct reader *r, const json_t *from, const char *key, int64_t min, int64_t max)
{
    const json_t *v = json_object_get(from, key);
    if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max) {
        r->failed = r->failed ? r->failed : key;
        return 0;
    }
    return json_integer_value(v);
}

static int64_t
get_id(struct reader *r, const json_t *from, const char *key)
{
    return get_int(r, from, key, 1, MAX_ID);
}

static int64_t
get_time(struct reader *r, const json_t *from, const char *key)
{
    return get_int(r, from, key, 0, MAX_ID);
}

static tb_str
get_str(struct reader *r, const json_t *from, const char *key)
{
    const json_t *v = json_object_get(from, key);
    if (!json_is_string(v)) {
        r->failed = r->failed ? r->failed : key;
        return TB_STR_NULL;
    }
    return tb_arena_str(r->mem, (tb_str){ .p = json_string_value(v), .n = json_string_length(v) });
}

static tb_str
get_optional_str(struct reader *r, const json_t *from, const char *key)
{
    return json_object_get(from, key) != NULL ? get_str(r, from, key) : TB_STR_NULL;
}

static bool
get_bool(struct reader *r, const json_t *from, const char *key)
{
    const json_t *v = json_object_get(from, key);
    if (!json_is_boolean(v))
        r->failed = r->failed ? r->failed : key;
    return json_is_true(v);
}

static int64_t
get_stamp(struct reader *r, const json_t *from)
{
    const json_t *v = json_object_get(from, "stamp");
    uint64_t      stamp = 0;

    if (!json_is_string(v) ||
        !tb_str_to_uint((tb_str){ .p = json_string_value(v), .n = json_string_length(v) }, INT64_MAX, &stamp))
        r->failed = r->failed ? r->failed : "stamp";
    return (int64_t)stamp;
}

static const json_t *
get_array(struct reader *r, const json_t *from, const char *key)
{
    const json_t *v = json_object_get(from, key);
    if (!json_is_array(v))
        r->failed = r->failed ? r->failed : key;
    return v;
}

static void
get_receipts(struct reader *r, const json_t *body, struct op *op)
{
    op->receipts.at = get_time(r, body, "at");
    const json_t *of = get_array(r, body, "of");
    op->receipts.n = json_array_size(of);
    op->receipts.of = TB_ARENA_ARRAY(r->mem, struct op_receipts, op->receipts.n);
    for (size_t i = 0; i < op->receipts.n; i++) {
        struct op_receipts *one = &op->receipts.of[i];
        const json_t       *from = json_array_get(of, i);
        one->room_id = get_id(r, from, "room");
        one->user_id = get_id(r, from, "user");
        const json_t *ids = get_array(r, from, "messages");
        one->n = json_array_size(ids);
        one->message_ids = TB_ARENA_ARRAY(r->mem, int64_t, one->n);
        for (size_t k = 0; k < one->n; k++) {
            const json_t *id = json_array_get(ids, k);
            one->message_ids[k] = json_integer_value(id);
            if (!json_is_integer(id) || one->message_ids[k] < 1 || one->message_ids[k] > MAX_ID)
                r->failed = r->failed ? r->failed : "messages";
        }
    }
}

static void
get_last_seen(struct reader *r, const json_t *body, struct op *op)
{
    const json_t *users = get_array(r, body, "users");
    op->last_seen.n = json_array_size(users);
    op->last_seen.users = TB_ARENA_ARRAY(r->mem, struct op_seen, op->last_seen.n);
    for (size_t i = 0; i < op->last_seen.n; i++) {
        op->last_seen.users[i].user_id = get_id(r, json_array_get(users, i), "id");
        op->last_seen.users[i].at = get_time(r, json_array_get(users, i), "at");
    }
}

static void
get_members(struct reader *r, const json_t *body, struct op *op)
{
    switch (op->kind) {
    case OP_USER_REGISTERED:
        op->user_registered.id = get_id(r, body, "id");
        op->user_registered.email = get_str(r, body, "email");
        op->user_registered.username = get_str(r, body, "username");
        op->user_registered.hash = get_str(r, body, "hash");
        op->user_registered.created_at = get_time(r, body, "createdAt");
        return;
    case OP_PASSWORD_CHANGED:
        op->password_changed.user_id = get_id(r, body, "user");
        op->password_changed.hash = get_str(r, body, "hash");
        op->password_changed.stamp = get_stamp(r, body);
        return;
    case OP_PROFILE_CHANGED:
        op->profile_changed.user_id = get_id(r, body, "user");
        op->profile_changed.email = get_optional_str(r, body, "email");
        op->profile_changed.username = get_optional_str(r, body, "username");
        op->profile_changed.stamp = get_stamp(r, body);
        return;
    case OP_EMAIL_PARKED:
        op->email_parked.user_id = get_id(r, body, "user");
        op->email_parked.email = get_str(r, body, "email");
        op->email_parked.stamp = get_stamp(r, body);
        return;
    case OP_ROOM_CREATED:
        op->room_created.id = get_id(r, body, "id");
        op->room_created.name = get_str(r, body, "name");
        op->room_created.is_private = get_bool(r, body, "isPrivate");
        op->room_created.created_by = get_id(r, body, "createdBy");
        op->room_created.created_at = get_time(r, body, "createdAt");
        return;
    case OP_MEMBER_JOINED:
        op->member_joined.id = get_id(r, body, "id");
        op->member_joined.room_id = get_id(r, body, "room");
        op->member_joined.user_id = get_id(r, body, "user");
        op->member_joined.by_id = get_id(r, body, "by");
        op->member_joined.stamp = get_stamp(r, body);
        op->member_joined.joined_at = get_time(r, body, "joinedAt");
        return;
    case OP_MEMBER_LEFT:
        op->member_left.room_id = get_id(r, body, "room");
        op->member_left.user_id = get_id(r, body, "user");
        op->member_left.by_id = get_id(r, body, "by");
        op->member_left.stamp = get_stamp(r, body);
        return;
    case OP_MESSAGE_SENT:
        op->message_sent.id = get_id(r, body, "id");
        op->message_sent.room_id = get_id(r, body, "room");
        op->message_sent.sender_id = get_id(r, body, "sender");
        op->message_sent.content = get_str(r, body, "content");
        op->message_sent.created_at = get_time(r, body, "createdAt");
        return;
    case OP_DELIVERED:
    case OP_READ:
        get_receipts(r, body, op);
        return;
    case OP_LAST_SEEN:
        get_last_seen(r, body, op);
        return;
    case OP_PARKED:
    case OP_KIND_COUNT:
        break;
    }
    r->failed = "kind";
}

enum tb_code
op_parse(int kind, int version, tb_str body, struct tb_arena *mem, struct op *out, struct tb_err *e)
{
    struct reader r = { .mem = mem };
    struct op     op = { 0 };
    json_error_t  at;

    if (kind < 0 || kind >= OP_KIND_COUNT || version < 1 || version > OP_VERSION)
        return tb_fail(e, TB_EINPUT, NULL, "op of kind %d, version %d: newer than this program", kind, version);
    json_t *json = json_loadb(body.p, body.n, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &at);
    if (json == NULL)
        return tb_fail(e, TB_EINPUT, NULL, "body of %s: byte %d: %s", kind_names[kind], at.position, at.text);
    op.kind = (enum op_kind)kind;
    op.version = version;
    get_members(&r, json, &op);
    json_decref(json);
    if (r.failed != NULL)
        return tb_fail(e, TB_EINPUT, NULL, "body of %s: %s is missing or wrong", kind_names[kind], r.failed);
    *out = op;
    return TB_OK;
}

/* ---- about ---- */

int64_t
op_room(const struct op *op)
{
    switch (op->kind) {
    case OP_ROOM_CREATED:   return op->room_created.id;
    case OP_MEMBER_JOINED:  return op->member_joined.room_id;
    case OP_MEMBER_LEFT:    return op->member_left.room_id;
    case OP_MESSAGE_SENT:   return op->message_sent.room_id;
    case OP_DELIVERED:
    case OP_READ:           return op->receipts.n == 1 ? op->receipts.of[0].room_id : 0;
    case OP_PARKED:
    case OP_USER_REGISTERED:
    case OP_PASSWORD_CHANGED:
    case OP_PROFILE_CHANGED:
    case OP_EMAIL_PARKED:
    case OP_LAST_SEEN:
    case OP_KIND_COUNT:     return 0;
    }
    abort();
}

int64_t
op_user(const struct op *op)
{
    switch (op->kind) {
    case OP_USER_REGISTERED:  return op->user_registered.id;
    case OP_PASSWORD_CHANGED: return op->password_changed.user_id;
    case OP_PROFILE_CHANGED:  return op->profile_changed.user_id;
    case OP_EMAIL_PARKED:     return op->email_parked.user_id;
    case OP_ROOM_CREATED:     return op->room_created.created_by;
    case OP_MEMBER_JOINED:    return op->member_joined.user_id;
    case OP_MEMBER_LEFT:      return op->member_left.user_id;
    case OP_MESSAGE_SENT:     return op->message_sent.sender_id;
    case OP_DELIVERED:
    case OP_READ:             return op->receipts.n == 1 ? op->receipts.of[0].user_id : 0;
    case OP_LAST_SEEN:        return op->last_seen.n == 1 ? op->last_seen.users[0].user_id : 0;
    case OP_PARKED:
    case OP_KIND_COUNT:       return 0;
    }
    abort();
}

static struct op_receipts *
copy_receipts(const struct op *op, struct tb_arena *mem)
{
    struct op_receipts *of = TB_ARENA_ARRAY(mem, struct op_receipts, op->receipts.n);

    for (size_t i = 0; i < op->receipts.n; i++) {
        of[i] = op->receipts.of[i];
        of[i].message_ids = TB_ARENA_ARRAY(mem, int64_t, of[i].n);
        memcpy(of[i].message_ids, op->receipts.of[i].message_ids, of[i].n * sizeof(int64_t));
    }
    return of;
}

struct op
op_copy(const struct op *op, struct tb_arena *mem)
{
    struct op copy = *op;

    switch (op->kind) {
    case OP_MESSAGE_SENT:
        copy.message_sent.content = tb_arena_str(mem, op->message_sent.content);
        return copy;
    case OP_DELIVERED:
    case OP_READ:
        copy.receipts.of = copy_receipts(op, mem);
        return copy;
    case OP_MEMBER_JOINED:
    case OP_MEMBER_LEFT:
        return copy;
    case OP_PASSWORD_CHANGED:
        copy.password_changed.hash = TB_STR_NULL;   /* nobody who is told of it needs it */
        return copy;
    case OP_PARKED:
    case OP_USER_REGISTERED:
    case OP_PROFILE_CHANGED:
    case OP_EMAIL_PARKED:
    case OP_ROOM_CREATED:
    case OP_LAST_SEEN:
    case OP_KIND_COUNT:
        break;
    }
    abort();    /* sockets hear of no other kind */
}

tb_str
op_email_key(tb_str email, struct tb_arena *mem)
{
    tb_str trimmed = tb_nfc(tb_str_trim(email), mem);
    char  *key = tb_arena_alloc(mem, trimmed.n + 1);

    for (size_t i = 0; i < trimmed.n; i++)
        key[i] = (char)(trimmed.p[i] >= 'A' && trimmed.p[i] <= 'Z' ? trimmed.p[i] + ('a' - 'A') : trimmed.p[i]);
    return (tb_str){ .p = key, .n = trimmed.n };
}
