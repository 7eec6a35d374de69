/* The op codec: bodies are final, byte for byte, and a body that is not one is refused. */
#include "store/op.h"
#include "tap.h"

static int64_t           ids[] = { 5, 6 };
static struct op_receipts of[] = { { .room_id = 1, .user_id = 2, .message_ids = ids, .n = 2 },
                                   { .room_id = 3, .user_id = 2, .message_ids = ids, .n = 1 } };
static struct op_seen     seen[] = { { 1, 1000 }, { 2, 2000 } };

static const struct { struct op op; const char *body; int64_t room, user; } rows[] = {
    { { .kind = OP_USER_REGISTERED, .user_registered = { .id = 1, .created_at = 1000, .email = TB_LIT("a@b.c"),
        .username = TB_LIT("Ann \"\xf0\x9f\x98\x80\""), .hash = TB_LIT("$a") } },
      "{\"id\":1,\"email\":\"a@b.c\",\"username\":\"Ann \\\"\xf0\x9f\x98\x80\\\"\",\"hash\":\"$a\",\"createdAt\":1000}", 0, 1 },
    { { .kind = OP_PASSWORD_CHANGED, .password_changed = { .user_id = 1, .stamp = INT64_MAX, .hash = TB_LIT("$b") } },
      "{\"user\":1,\"hash\":\"$b\",\"stamp\":\"9223372036854775807\"}", 0, 1 },
    { { .kind = OP_PROFILE_CHANGED, .profile_changed = { .user_id = 1, .stamp = 9, .email = TB_LIT("n@b.c") } },
      "{\"user\":1,\"email\":\"n@b.c\",\"stamp\":\"9\"}", 0, 1 },
    { { .kind = OP_PROFILE_CHANGED, .profile_changed = { .user_id = 1, .stamp = 9, .username = TB_LIT("") } },
      "{\"user\":1,\"username\":\"\",\"stamp\":\"9\"}", 0, 1 },
    { { .kind = OP_EMAIL_PARKED, .email_parked = { .user_id = 1, .stamp = 9, .email = TB_LIT("a@b.c") } },
      "{\"user\":1,\"email\":\"a@b.c\",\"stamp\":\"9\"}", 0, 1 },
    { { .kind = OP_ROOM_CREATED, .room_created = { .id = 4, .created_at = 1000, .created_by = 1, .is_private = true,
        .name = TB_LIT("r") } },
      "{\"id\":4,\"name\":\"r\",\"isPrivate\":true,\"createdBy\":1,\"createdAt\":1000}", 4, 1 },
    { { .kind = OP_MEMBER_JOINED, .member_joined = { .id = 3, .room_id = 4, .user_id = 2, .by_id = 1, .stamp = 9,
        .joined_at = 1000 } },
      "{\"id\":3,\"room\":4,\"user\":2,\"by\":1,\"stamp\":\"9\",\"joinedAt\":1000}", 4, 2 },
    { { .kind = OP_MEMBER_LEFT, .member_left = { .room_id = 4, .user_id = 2, .by_id = 2, .stamp = 9 } },
      "{\"room\":4,\"user\":2,\"by\":2,\"stamp\":\"9\"}", 4, 2 },
    { { .kind = OP_MESSAGE_SENT, .message_sent = { .id = 9007199254740991, .room_id = 4, .sender_id = 2, .created_at = 0,
        .content = { .p = "a\0b", .n = 3 } } },
      "{\"id\":9007199254740991,\"room\":4,\"sender\":2,\"content\":\"a\\u0000b\",\"createdAt\":0}", 4, 2 },
    { { .kind = OP_DELIVERED, .receipts = { .at = 1000, .of = of, .n = 1 } },
      "{\"at\":1000,\"of\":[{\"room\":1,\"user\":2,\"messages\":[5,6]}]}", 1, 2 },
    { { .kind = OP_READ, .receipts = { .at = 1000, .of = of, .n = 2 } },
      "{\"at\":1000,\"of\":[{\"room\":1,\"user\":2,\"messages\":[5,6]},{\"room\":3,\"user\":2,\"messages\":[5]}]}", 0, 0 },
    { { .kind = OP_LAST_SEEN, .last_seen = { .users = seen, .n = 2 } },
      "{\"users\":[{\"id\":1,\"at\":1000},{\"id\":2,\"at\":2000}]}", 0, 0 },
};

static void
every_kind_is_written_as_laid_down_and_reads_back_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tb_buf   body = TB_BUF_INIT, again = TB_BUF_INIT;
        struct tb_arena mem = { 0 };
        struct tb_err   e = { 0 };
        struct op       op;
        op_write(&rows[i].op, &body);
        assert_string_equal(rows[i].body, body.p);
        assert_int_equal(TB_OK, op_parse((int)rows[i].op.kind, 1, tb_buf_str(&body), &mem, &op, &e));
        op_write(&op, &again);
        assert_string_equal(body.p, again.p);
        assert_true(rows[i].room == op_room(&op) && rows[i].user == op_user(&op));
        tb_arena_fini(&mem);
        tb_buf_fini(&body);
        tb_buf_fini(&again);
    }
}

static void
what_is_no_body_is_refused_with_the_member_named(void **state)
{
    static const struct { int kind, version; const char *body, *why; } bad[] = {
        { OP_MESSAGE_SENT, 1, "", "byte" },
        { OP_MESSAGE_SENT, 1, "[]", "id" },
        { OP_MESSAGE_SENT, 1, "{\"id\":1,\"room\":1,\"sender\":1,\"createdAt\":1}", "content" },
        { OP_MESSAGE_SENT, 1, "{\"id\":1,\"room\":1,\"sender\":1,\"content\":7,\"createdAt\":1}", "content" },
        { OP_MESSAGE_SENT, 1, "{\"id\":0,\"room\":1,\"sender\":1,\"content\":\"x\",\"createdAt\":1}", "id" },
        { OP_MESSAGE_SENT, 1, "{\"id\":9007199254740992,\"room\":1,\"sender\":1,\"content\":\"x\",\"createdAt\":1}", "id" },
        { OP_MESSAGE_SENT, 1, "{\"id\":1.5,\"room\":1,\"sender\":1,\"content\":\"x\",\"createdAt\":1}", "id" },
        { OP_MESSAGE_SENT, 2, "{}", "newer" },
        { OP_MESSAGE_SENT, 0, "{}", "newer" },
        { OP_PARKED, 1, "{}", "kind" },
        { OP_KIND_COUNT, 1, "{}", "newer" },
        { -1, 1, "{}", "newer" },
        { OP_MEMBER_LEFT, 1, "{\"room\":1,\"user\":1,\"by\":1,\"stamp\":9}", "stamp" },
        { OP_MEMBER_LEFT, 1, "{\"room\":1,\"user\":1,\"by\":1,\"stamp\":\"9223372036854775808\"}", "stamp" },
        { OP_READ, 1, "{\"at\":1,\"of\":{}}", "of" },
        { OP_READ, 1, "{\"at\":1,\"of\":[7]}", "room" },
        { OP_READ, 1, "{\"at\":1,\"of\":[{\"room\":1,\"user\":1,\"messages\":[\"5\"]}]}", "messages" },
        { OP_LAST_SEEN, 1, "{\"users\":[{\"id\":1}]}", "at" },
        { OP_ROOM_CREATED, 1, "{\"id\":1,\"name\":\"x\",\"isPrivate\":1,\"createdBy\":1,\"createdAt\":1}", "isPrivate" },
        { OP_USER_REGISTERED, 1, "{\"id\":1,\"id\":2}", "byte" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tb_arena mem = { 0 };
        struct tb_err   e = { 0 };
        struct op       op;
        assert_int_equal(TB_EINPUT, op_parse(bad[i].kind, bad[i].version, tb_str_of(bad[i].body), &mem, &op, &e));
        if (strstr(e.why, bad[i].why) == NULL)
            fail_msg("row %zu: \"%s\" does not name %s", i, e.why, bad[i].why);
        tb_arena_fini(&mem);
    }
}

static void
an_email_key_is_trimmed_and_folded_in_ascii_only(void **state)
{
    static const struct { const char *email, *key; } keys[] = {
        { " Ann@X.Test\n", "ann@x.test" }, { "\xc3\x84@x", "\xc3\x84@x" }, { "", "" }, { "a b", "a b" },
    };
    struct tb_arena mem = { 0 };
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_true(tb_str_eq(tb_str_of(keys[i].key), op_email_key(tb_str_of(keys[i].email), &mem)));
    tb_arena_fini(&mem);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_written_as_laid_down_and_reads_back_the_same),
        cmocka_unit_test(what_is_no_body_is_refused_with_the_member_named),
        cmocka_unit_test(an_email_key_is_trimmed_and_folded_in_ascii_only),
    };
    return tap_run(tests);
}
