/* /rooms and who is in them. User 1 is the creator, 2 and 3 are others. */
#include "site.h"

static void
three_users(struct site *s)
{
    for (int n = 1; n <= 3; n++)
        site_add_user(s, n);
}

static void
a_new_room_has_its_creator_as_its_member(void **state)
{
    struct site *s = *state;
    three_users(s);
    site_do(s, 201, 1, "POST", "/rooms", "{\"name\":\" general \"}");
    site_expect(s, "{\"id\":1,\"name\":\"general\",\"isPrivate\":false,\"createdAt\":\"2023-11-14T22:13:20.000Z\","
                   "\"members\":[{\"id\":1,\"userId\":1,\"roomId\":1}]}");
    site_do(s, 201, 1, "POST", "/rooms", "{\"name\":\"secret\",\"isPrivate\":true}");
    site_expect(s, "{\"id\":2,\"name\":\"secret\",\"isPrivate\":true,\"createdAt\":\"~\","
                   "\"members\":[{\"id\":2,\"userId\":1,\"roomId\":2}]}");
}

static void
joining_is_idempotent_and_takes_numeric_strings(void **state)
{
    struct site *s = *state;
    three_users(s);
    site_do(s, 201, 1, "POST", "/rooms", "{\"name\":\"general\"}");
    site_do(s, 200, 2, "POST", "/rooms/join", "{\"roomId\":1}");
    site_expect(s, "{\"message\":\"Joined room successfully\",\"member\":{\"id\":2,\"userId\":2,\"roomId\":1}}");
    site_do(s, 200, 2, "POST", "/rooms/join", "{\"roomId\":\"1\"}");
    site_expect(s, "{\"message\":\"Joined room successfully\",\"member\":{\"id\":2,\"userId\":2,\"roomId\":1}}");
}

static void
a_private_room_is_entered_by_being_added(void **state)
{
    struct site *s = *state;
    three_users(s);
    site_do(s, 201, 1, "POST", "/rooms", "{\"name\":\"secret\",\"isPrivate\":true}");
    site_do(s, 404, 2, "POST", "/rooms/join", "{\"roomId\":1}");
    site_do(s, 404, 2, "POST", "/rooms/1/members", "{\"userId\":3}");
    site_do(s, 201, 1, "POST", "/rooms/1/members", "{\"userId\":2}");
    site_expect(s, "{\"member\":{\"id\":2,\"userId\":2,\"roomId\":1}}");
    site_do(s, 200, 2, "POST", "/rooms/join", "{\"roomId\":1}");
    site_do(s, 201, 2, "POST", "/rooms/1/members", "{\"userId\":\"3\"}");
}

static void
who_leaves_is_gone_until_he_joins_again(void **state)
{
    struct site *s = *state;
    three_users(s);
    site_do(s, 201, 1, "POST", "/rooms", "{\"name\":\"general\"}");
    site_do(s, 200, 2, "POST", "/rooms/join", "{\"roomId\":1}");
    site_do(s, 204, 2, "DELETE", "/rooms/1/members/me", NULL);
    assert_int_equal(0, s->answer.body.n);
    assert_int_equal(0, s->answer.type.n);
    site_do(s, 404, 2, "DELETE", "/rooms/1/members/me", NULL);
    site_do(s, 403, 2, "GET", "/messages/rooms/1/messages", NULL);
    site_do(s, 200, 2, "POST", "/rooms/join", "{\"roomId\":1}");
    site_do(s, 200, 2, "GET", "/messages/rooms/1/messages", NULL);
}

static void
my_rooms_show_what_is_unread_and_the_last_message(void **state)
{
    struct site *s = *state;
    three_users(s);
    site_do(s, 201, 1, "POST", "/rooms", "{\"name\":\"a\"}");
    site_do(s, 201, 1, "POST", "/rooms", "{\"name\":\"b\"}");
    site_do(s, 200, 2, "POST", "/rooms/join", "{\"roomId\":2}");
    site_do(s, 201, 1, "POST", "/messages", "{\"roomId\":2,\"content\":\"hi\"}");
    site_do(s, 200, 2, "GET", "/rooms", NULL);
    site_expect(s, "[{\"id\":2,\"name\":\"b\",\"isPrivate\":false,\"createdAt\":\"~\",\"unread\":1,\"lastMessage\":"
                   "{\"id\":1,\"content\":\"hi\",\"createdAt\":\"~\",\"senderId\":1,\"roomId\":2,"
                   "\"sender\":{\"id\":1,\"username\":\"User1\",\"email\":\"u1@example.org\"}}}]");
    site_do(s, 200, 1, "GET", "/rooms", NULL);
    site_expect(s, "[{\"id\":1,\"name\":\"a\",\"isPrivate\":false,\"createdAt\":\"~\",\"unread\":0,\"lastMessage\":null},"
                   "{\"id\":2,\"name\":\"b\",\"isPrivate\":false,\"createdAt\":\"~\",\"unread\":0,\"lastMessage\":"
                   "{\"id\":1,\"content\":\"hi\",\"createdAt\":\"~\",\"senderId\":1,\"roomId\":2,"
                   "\"sender\":{\"id\":1,\"username\":\"User1\",\"email\":\"u1@example.org\"}}}]");
}

static void
rooms_are_refused_in_the_words_of_the_contract(void **state)
{
    static const struct refusal rows[] = {
        { "POST", "/rooms", "{\"name\":\"x\"}", 0, 401, "No token provided", "unauthorized" },
        { "POST", "/rooms", NULL, 1, 400, "Room name is required", "bad_request" },
        { "POST", "/rooms", "{\"name\":\"  \"}", 1, 400, "Room name is required", "bad_request" },
        { "POST", "/rooms", "{\"name\":{}}", 1, 400, "name must be text", "bad_request" },
        { "POST", "/rooms", "{\"name\":\"x\",\"isPrivate\":\"yes\"}", 1, 400, "isPrivate must be true or false",
          "bad_request" },
        { "POST", "/rooms", "{\"name\":\"1234567890123456789012345678901\"}", 1, 400,
          "name is too long", "bad_request" },
        { "POST", "/rooms/join", "{}", 1, 400, "Room ID is required", "bad_request" },
        { "POST", "/rooms/join", "{\"roomId\":\"abc\"}", 1, 400, "roomId must be an id", "bad_request" },
        { "POST", "/rooms/join", "{\"roomId\":1.5}", 1, 400, "roomId must be an id", "bad_request" },
        { "POST", "/rooms/join", "{\"roomId\":99}", 1, 404, "Room not found", "not_found" },
        { "POST", "/rooms/join", "{\"roomId\":1}", 2, 404, "Room not found", "not_found" },
        { "POST", "/rooms/1/members", "{}", 1, 400, "userId is required", "bad_request" },
        { "POST", "/rooms/x/members", "{\"userId\":2}", 1, 400, "Invalid roomId", "bad_request" },
        { "POST", "/rooms/0/members", "{\"userId\":2}", 1, 400, "Invalid roomId", "bad_request" },
        { "POST", "/rooms/99/members", "{\"userId\":2}", 1, 404, "Room not found", "not_found" },
        { "POST", "/rooms/1/members", "{\"userId\":99}", 1, 404, "User not found", "not_found" },
        { "POST", "/rooms/1/members", "{\"userId\":3}", 2, 404, "Room not found", "not_found" },
        { "DELETE", "/rooms/1/members/me", NULL, 2, 404, "You are not a member of this room", "not_found" },
        { "DELETE", "/rooms/x/members/me", NULL, 2, 400, "Invalid roomId", "bad_request" },
        { "DELETE", "/rooms/1/members/me", NULL, 0, 401, "No token provided", "unauthorized" },
        { "GET", "/rooms", NULL, 0, 401, "No token provided", "unauthorized" },
    };
    struct site *s = *state;
    three_users(s);
    site_do(s, 201, 1, "POST", "/rooms", "{\"name\":\"secret\",\"isPrivate\":true}");
    site_refuses(s, rows, sizeof rows / sizeof *rows);
}

static void
members_see_who_is_in_a_room_page_by_page(void **state)
{
    struct site *s = *state;
    three_users(s);
    site_do(s, 201, 1, "POST", "/rooms", "{\"name\":\"secret\",\"isPrivate\":true}");
    site_do(s, 403, 2, "GET", "/rooms/1/members", NULL);
    site_do(s, 201, 1, "POST", "/rooms/1/members", "{\"userId\":2}");
    site_do(s, 201, 1, "POST", "/rooms/1/members", "{\"userId\":3}");
    site_do(s, 200, 2, "GET", "/rooms/1/members?limit=2", NULL);
    site_expect(s, "{\"items\":[{\"userId\":1,\"username\":\"User1\",\"status\":\"offline\",\"lastSeen\":null},"
                   "{\"userId\":2,\"username\":\"User2\",\"status\":\"offline\",\"lastSeen\":null}],\"nextCursor\":2}");
    site_do(s, 200, 2, "GET", "/rooms/1/members?limit=2&cursor=2", NULL);
    site_expect(s, "{\"items\":[{\"userId\":3,\"username\":\"User3\",\"status\":\"offline\",\"lastSeen\":null}],"
                   "\"nextCursor\":null}");
    site_do(s, 204, 2, "DELETE", "/rooms/1/members/me", NULL);
    site_do(s, 403, 2, "GET", "/rooms/1/members", NULL);
    site_do(s, 200, 1, "GET", "/rooms/1/members?limit=2", NULL);
    site_expect(s, "{\"items\":[{\"userId\":1,\"username\":\"User1\",\"status\":\"offline\",\"lastSeen\":null},"
                   "{\"userId\":3,\"username\":\"User3\",\"status\":\"offline\",\"lastSeen\":null}],\"nextCursor\":null}");
    site_do(s, 400, 1, "GET", "/rooms/x/members", NULL);
    site_do(s, 400, 1, "GET", "/rooms/1/members?limit=x", NULL);
    site_do(s, 400, 1, "GET", "/rooms/1/members?cursor=x", NULL);
    site_do(s, 403, 1, "GET", "/rooms/9/members", NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SITE(members_see_who_is_in_a_room_page_by_page),
        IN_SITE(a_new_room_has_its_creator_as_its_member),
        IN_SITE(joining_is_idempotent_and_takes_numeric_strings),
        IN_SITE(a_private_room_is_entered_by_being_added),
        IN_SITE(who_leaves_is_gone_until_he_joins_again),
        IN_SITE(my_rooms_show_what_is_unread_and_the_last_message),
        IN_SITE(rooms_are_refused_in_the_words_of_the_contract),
    };
    return tap_run(tests);
}
