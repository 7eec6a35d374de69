/* Each JSON shape of DESIGN section 4, byte for byte. */
#include "chat/render.h"
#include "tap.h"

static const struct store_message message = {
    .id = 5, .created_at = 1700000000123, .room_id = 3, .sender_id = 2, .content = { "hi \"you\"\0", 9 },
    .sender_username = { "Ann", 3 }, .sender_email = { "a@b", 3 },
};

#define MESSAGE                                                                                                      \
    "{\"id\":5,\"content\":\"hi \\\"you\\\"\\u0000\",\"createdAt\":\"2023-11-14T22:13:20.123Z\",\"senderId\":2,\"roomId\":3," \
    "\"sender\":{\"id\":2,\"username\":\"Ann\",\"email\":\"a@b\"}"

#define SHAPE(expected, call)                                       \
    do {                                                            \
        struct tb_buf  out = TB_BUF_INIT;                           \
        struct tb_json j = tb_json_to(&out);                        \
        call;                                                       \
        tb_json_fini(&j);                                           \
        assert_string_equal(expected, out.p);                       \
        tb_buf_fini(&out);                                          \
    } while (0)

static void
a_user_shows_no_hash_and_null_for_never_seen(void **state)
{
    struct store_user u = { .id = 2, .created_at = 1700000000123, .email = TB_LIT("a@b"), .username = TB_LIT("Ann") };
    (void)state;
    SHAPE("{\"id\":2,\"email\":\"a@b\",\"username\":\"Ann\",\"createdAt\":\"2023-11-14T22:13:20.123Z\",\"lastSeen\":null}",
          chat_render_user(&j, &u));
    u.last_seen = 1700000000124;
    SHAPE("{\"id\":2,\"email\":\"a@b\",\"username\":\"Ann\",\"createdAt\":\"2023-11-14T22:13:20.123Z\","
          "\"lastSeen\":\"2023-11-14T22:13:20.124Z\"}", chat_render_user(&j, &u));
}

static void
a_message_has_its_sender_and_an_item_its_sync_time(void **state)
{
    struct store_message synced = message;
    (void)state;
    synced.synced_at = 1700000001000;
    SHAPE(MESSAGE "}", chat_render_message(&j, &message));
    SHAPE(MESSAGE ",\"syncedAt\":null}", chat_render_item(&j, &message));
    SHAPE(MESSAGE ",\"syncedAt\":\"2023-11-14T22:13:21.000Z\"}", chat_render_item(&j, &synced));
}

static void
a_room_has_unread_and_its_last_message(void **state)
{
    struct store_room r = { .id = 3, .created_at = 1700000000000, .unread = 4, .name = TB_LIT("general"),
        .is_private = true };
    (void)state;
    SHAPE("{\"id\":3,\"name\":\"general\",\"isPrivate\":true,\"createdAt\":\"2023-11-14T22:13:20.000Z\",\"unread\":4,"
          "\"lastMessage\":null}", chat_render_room(&j, &r));
    r.last = message;
    SHAPE("{\"id\":3,\"name\":\"general\",\"isPrivate\":true,\"createdAt\":\"2023-11-14T22:13:20.000Z\",\"unread\":4,"
          "\"lastMessage\":" MESSAGE "}}", chat_render_room(&j, &r));
}

static void
a_new_room_has_its_creator_as_member(void **state)
{
    struct store_add_room r = { .creator_id = 2, .name = TB_LIT("g"), .room_id = 3, .member_id = 9,
                                .created_at = 1700000000000 };
    (void)state;
    SHAPE("{\"id\":3,\"name\":\"g\",\"isPrivate\":false,\"createdAt\":\"2023-11-14T22:13:20.000Z\","
          "\"members\":[{\"id\":9,\"userId\":2,\"roomId\":3}]}", chat_render_new_room(&j, &r));
}

static void
a_receipt_shows_null_for_not_yet(void **state)
{
    struct store_receipt r = { .user_id = 2, .delivered_at = 1700000000000 };
    (void)state;
    SHAPE("{\"userId\":2,\"deliveredAt\":\"2023-11-14T22:13:20.000Z\",\"readAt\":null}", chat_render_receipt(&j, &r));
}

static void
a_failure_shows_say_and_code_and_never_why(void **state)
{
    struct tb_err e;
    (void)state;
    tb_fail(&e, TB_EDENIED, "You are not a member of this room", "user 7 secret");
    SHAPE("{\"message\":\"You are not a member of this room\",\"code\":\"forbidden\"}", chat_render_failure(&j, &e));
    tb_fail(&e, TB_ELIMIT, "Slow", "x");
    e.retry_after_s = 3;
    SHAPE("{\"message\":\"Slow\",\"code\":\"rate_limited\",\"retryAfter\":3}", chat_render_failure(&j, &e));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_shows_no_hash_and_null_for_never_seen),
        cmocka_unit_test(a_message_has_its_sender_and_an_item_its_sync_time),
        cmocka_unit_test(a_room_has_unread_and_its_last_message),
        cmocka_unit_test(a_new_room_has_its_creator_as_member),
        cmocka_unit_test(a_receipt_shows_null_for_not_yet),
        cmocka_unit_test(a_failure_shows_say_and_code_and_never_why),
    };
    return tap_run(tests);
}
