/* What sockets are told, in the shapes of DESIGN section 4; each shape is written here and nowhere else. */
#include "live_inside.h"

#include "base/json.h"

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
put_time(struct tb_json *j, const char *key, int64_t ms)
{
    tb_json_key(j, key);
    tb_json_time(j, ms);
}

static void
put_ids(struct tb_json *j, const char *key, const int64_t *ids, size_t n)
{
    tb_json_key(j, key);
    tb_json_open_array(j);
    for (size_t i = 0; i < n; i++)
        tb_json_int(j, ids[i]);
    tb_json_end_array(j);
}

void
packet_message(struct tb_buf *out, const struct store_event *event)
{
    struct tb_json   j = tb_json_to(out);
    const struct op *op = &event->op;

    tb_json_open_object(&j);
    put_int(&j, "id", op->message_sent.id);
    put_str(&j, "content", op->message_sent.content);
    put_time(&j, "createdAt", op->message_sent.created_at);
    put_int(&j, "roomId", op->message_sent.room_id);
    tb_json_key(&j, "sender");
    tb_json_open_object(&j);
    put_int(&j, "id", op->message_sent.sender_id);
    put_str(&j, "username", event->username);
    put_str(&j, "email", event->email);
    tb_json_end_object(&j);
    tb_json_end_object(&j);
    tb_json_fini(&j);
}

void
packet_joined(struct tb_buf *out, const struct store_event *event)
{
    struct tb_json j = tb_json_to(out);

    tb_json_open_object(&j);
    put_int(&j, "roomId", event->op.member_joined.room_id);
    tb_json_key(&j, "user");
    tb_json_open_object(&j);
    put_int(&j, "id", event->op.member_joined.user_id);
    put_str(&j, "username", event->username);
    tb_json_end_object(&j);
    tb_json_end_object(&j);
    tb_json_fini(&j);
}

void
packet_left(struct tb_buf *out, const struct store_event *event)
{
    struct tb_json j = tb_json_to(out);

    tb_json_open_object(&j);
    put_int(&j, "roomId", event->op.member_left.room_id);
    put_int(&j, "userId", event->op.member_left.user_id);
    tb_json_end_object(&j);
    tb_json_fini(&j);
}

void
packet_read(struct tb_buf *out, const struct op_receipts *r, int64_t at)
{
    struct tb_json j = tb_json_to(out);

    tb_json_open_object(&j);
    put_int(&j, "roomId", r->room_id);
    put_ids(&j, "messageIds", r->message_ids, r->n);
    put_int(&j, "userId", r->user_id);
    put_time(&j, "readAt", at);
    tb_json_end_object(&j);
    tb_json_fini(&j);
}

void
packet_delivered(struct tb_buf *out, int64_t message_id, int64_t room_id, const int64_t *user_ids, size_t n, int64_t at)
{
    struct tb_json j = tb_json_to(out);

    tb_json_open_object(&j);
    put_int(&j, "messageId", message_id);
    put_int(&j, "roomId", room_id);
    put_ids(&j, "userIds", user_ids, n);
    put_time(&j, "deliveredAt", at);
    tb_json_end_object(&j);
    tb_json_fini(&j);
}

void
packet_typing(struct tb_buf *out, int64_t room_id, int64_t user_id, bool is_typing)
{
    struct tb_json j = tb_json_to(out);

    tb_json_open_object(&j);
    put_int(&j, "roomId", room_id);
    put_int(&j, "userId", user_id);
    tb_json_key(&j, "isTyping");
    tb_json_bool(&j, is_typing);
    tb_json_end_object(&j);
    tb_json_fini(&j);
}

void
packet_status(struct tb_buf *out, int64_t user_id, bool is_online)
{
    struct tb_json j = tb_json_to(out);

    tb_json_open_object(&j);
    put_int(&j, "userId", user_id);
    put_str(&j, "status", is_online ? TB_LIT("online") : TB_LIT("offline"));
    tb_json_end_object(&j);
    tb_json_fini(&j);
}

void
packet_synced(struct tb_buf *out, const int64_t *message_ids, size_t n, int64_t at)
{
    struct tb_json j = tb_json_to(out);

    tb_json_open_object(&j);
    put_ids(&j, "messageIds", message_ids, n);
    put_time(&j, "syncedAt", at);
    tb_json_end_object(&j);
    tb_json_fini(&j);
}

void
packet_offset(struct tb_buf *out, const char *offset)
{
    struct tb_json j = tb_json_to(out);

    tb_json_str(&j, tb_str_of(offset));
}
