/* The shapes. Order of members as the old backend wrote them, ours after its. */
#include "render.h"

/* Where waiting helps but nobody has worked out how long. */
enum { RETRY_BUSY_S = 1, RETRY_FULL_S = 30 };

static void
time_or_null(struct tb_json *j, const char *key, int64_t ms)
{
    tb_json_key(j, key);
    if (ms != 0)
        tb_json_time(j, ms);
    else
        tb_json_null(j);
}

/* A row that came from the old backend without any time is of 1970, and of no other type. */
static void
key_time(struct tb_json *j, const char *key, int64_t ms)
{
    tb_json_key(j, key);
    tb_json_time(j, ms);
}

static void
key_int(struct tb_json *j, const char *key, int64_t v)
{
    tb_json_key(j, key);
    tb_json_int(j, v);
}

static void
key_str(struct tb_json *j, const char *key, tb_str v)
{
    tb_json_key(j, key);
    tb_json_str(j, v);
}

void
chat_render_user(struct tb_json *j, const struct store_user *u)
{
    tb_json_open_object(j);
    key_int(j, "id", u->id);
    key_str(j, "email", u->email);
    key_str(j, "username", u->username);
    key_time(j, "createdAt", u->created_at);
    time_or_null(j, "lastSeen", u->last_seen);
    tb_json_end_object(j);
}

void
chat_render_member(struct tb_json *j, int64_t id, int64_t user_id, int64_t room_id)
{
    tb_json_open_object(j);
    key_int(j, "id", id);
    key_int(j, "userId", user_id);
    key_int(j, "roomId", room_id);
    tb_json_end_object(j);
}

static void
message_members(struct tb_json *j, const struct store_message *m)
{
    key_int(j, "id", m->id);
    key_str(j, "content", m->content);
    key_time(j, "createdAt", m->created_at);
    key_int(j, "senderId", m->sender_id);
    key_int(j, "roomId", m->room_id);
    tb_json_key(j, "sender");
    tb_json_open_object(j);
    key_int(j, "id", m->sender_id);
    key_str(j, "username", m->sender_username);
    key_str(j, "email", m->sender_email);
    tb_json_end_object(j);
}

void
chat_render_message(struct tb_json *j, const struct store_message *m)
{
    tb_json_open_object(j);
    message_members(j, m);
    tb_json_end_object(j);
}

void
chat_render_item(struct tb_json *j, const struct store_message *m)
{
    tb_json_open_object(j);
    message_members(j, m);
    time_or_null(j, "syncedAt", m->synced_at);
    tb_json_end_object(j);
}

static void
room_members(struct tb_json *j, int64_t id, tb_str name, bool is_private, int64_t created_at)
{
    key_int(j, "id", id);
    key_str(j, "name", name);
    tb_json_key(j, "isPrivate");
    tb_json_bool(j, is_private);
    key_time(j, "createdAt", created_at);
}

void
chat_render_room(struct tb_json *j, const struct store_room *r)
{
    tb_json_open_object(j);
    room_members(j, r->id, r->name, r->is_private, r->created_at);
    key_int(j, "unread", r->unread);
    tb_json_key(j, "lastMessage");
    if (r->last.id != 0)
        chat_render_message(j, &r->last);
    else
        tb_json_null(j);
    tb_json_end_object(j);
}

void
chat_render_new_room(struct tb_json *j, const struct store_add_room *r)
{
    tb_json_open_object(j);
    room_members(j, r->room_id, r->name, r->is_private, r->created_at);
    tb_json_key(j, "members");
    tb_json_open_array(j);
    chat_render_member(j, r->member_id, r->creator_id, r->room_id);
    tb_json_end_array(j);
    tb_json_end_object(j);
}

void
chat_render_room_member(struct tb_json *j, const struct store_room_member *m, bool is_online)
{
    tb_json_open_object(j);
    key_int(j, "userId", m->user_id);
    key_str(j, "username", m->username);
    key_str(j, "status", is_online ? TB_LIT("online") : TB_LIT("offline"));
    time_or_null(j, "lastSeen", m->last_seen);
    tb_json_end_object(j);
}

void
chat_render_receipt(struct tb_json *j, const struct store_receipt *r)
{
    tb_json_open_object(j);
    key_int(j, "userId", r->user_id);
    time_or_null(j, "deliveredAt", r->delivered_at);
    time_or_null(j, "readAt", r->read_at);
    tb_json_end_object(j);
}

uint32_t
chat_retry_after(const struct tb_err *e)
{
    if (e->retry_after_s > 0)
        return e->retry_after_s;
    return e->code == TB_EBUSY ? RETRY_BUSY_S : e->code == TB_EFULL ? RETRY_FULL_S : 0;
}

void
chat_render_failure(struct tb_json *j, const struct tb_err *e)
{
    uint32_t retry_after_s = chat_retry_after(e);

    tb_json_open_object(j);
    key_str(j, "message", tb_str_of(e->say));
    key_str(j, "code", tb_str_of(tb_code_wire(e->code)));
    if (retry_after_s > 0)
        key_int(j, "retryAfter", retry_after_s);
    tb_json_end_object(j);
}
