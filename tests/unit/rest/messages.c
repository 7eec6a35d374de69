/* Sending, repeating, paging, reading. Users 1 and 2 share room 1, user 3 is outside. */
#include "site.h"

#include <stdio.h>

#define SENDER1 "\"senderId\":1,\"roomId\":1,\"sender\":{\"id\":1,\"username\":\"User1\",\"email\":\"u1@example.org\"}"

static void
a_shared_room(struct site *s)
{
    for (int n = 1; n <= 3; n++)
        site_add_user(s, n);
    site_do(s, 201, 1, "POST", "/rooms", "{\"name\":\"general\"}");
    site_do(s, 200, 2, "POST", "/rooms/join", "{\"roomId\":1}");
}

/* n messages by user 1, a window apart where the rate wants it. */
static void
some_messages(struct site *s, int n)
{
    for (int i = 0; i < n; i++) {
        s->now_ms += 3000;
        site_do(s, 201, 1, "POST", "/messages", "{\"roomId\":1,\"content\":\"m\"}");
    }
}

static void
a_message_is_trimmed_stored_and_given_back_whole(void **state)
{
    struct site *s = *state;
    a_shared_room(s);
    site_do(s, 201, 1, "POST", "/messages", "{\"roomId\":\"1\",\"content\":\"  a\\u0000b \\\"\\ud83d\\ude00\\n\"}");
    site_expect(s, "{\"id\":1,\"content\":\"a\\u0000b \\\"\U0001F600\",\"createdAt\":\"2023-11-14T22:13:20.000Z\"," SENDER1 "}");
    site_do(s, 200, 2, "GET", "/messages/rooms/1/messages", NULL);
    site_expect(s, "{\"items\":[{\"id\":1,\"content\":\"a\\u0000b \\\"\U0001F600\",\"createdAt\":\"~\"," SENDER1
                   ",\"syncedAt\":null}],\"nextCursor\":null,\"offset\":\"~\"}");
}

static void
sends_are_refused_in_the_words_and_the_order_of_the_contract(void **state)
{
    static const struct refusal rows[] = {
        { "POST", "/messages", "{\"roomId\":1,\"content\":\"x\"}", 0, 401, "No token provided", "unauthorized" },
        { "POST", "/messages", NULL, 1, 400, "roomId is required", "bad_request" },
        { "POST", "/messages", "{\"content\":\"\"}", 1, 400, "roomId is required", "bad_request" },
        { "POST", "/messages", "{\"content\":5}", 1, 400, "roomId is required", "bad_request" },
        { "POST", "/messages", "{\"roomId\":\"x\",\"content\":\"x\"}", 1, 400, "roomId must be an id", "bad_request" },
        { "POST", "/messages", "{\"roomId\":1}", 1, 400, "Message content cannot be empty", "bad_request" },
        { "POST", "/messages", "{\"roomId\":1,\"content\":\" \\n \"}", 1, 400, "Message content cannot be empty",
          "bad_request" },
        { "POST", "/messages", "{\"roomId\":99,\"content\":\"\"}", 1, 400, "Message content cannot be empty",
          "bad_request" },
        { "POST", "/messages", "{\"roomId\":1,\"content\":[]}", 1, 400, "Message content cannot be empty",
          "bad_request" },
        { "POST", "/messages", "{\"roomId\":1,\"content\":{}}", 1, 400, "content must be text", "bad_request" },
        { "POST", "/messages", "{\"roomId\":1,\"content\":\"x\",\"clientId\":[7]}", 1, 400, "clientId must be text",
          "bad_request" },
        { "POST", "/messages", "{\"roomId\":1,\"content\":\"x\",\"clientId\":\"\"}", 1, 400,
          "Idempotency-Key and clientId must have 1 to 200 bytes without control characters", "bad_request" },
        { "POST", "/messages", "{\"roomId\":1,\"content\":\"x\"}", 3, 403, "You are not a member of this room",
          "forbidden" },
        { "POST", "/messages", "{\"roomId\":99,\"content\":\"x\"}", 1, 403, "You are not a member of this room",
          "forbidden" },
    };
    struct site *s = *state;
    char         body[300];
    a_shared_room(s);
    site_refuses(s, rows, sizeof rows / sizeof *rows);
    snprintf(body, sizeof body, "{\"roomId\":99,\"content\":\"%0201d\"}", 1);
    site_do(s, 413, 1, "POST", "/messages", body);
    site_expect(s, "{\"message\":\"Message content is too long\",\"code\":\"too_large\"}");
}

static void
the_sixth_message_in_ten_seconds_is_refused_whatever_its_room(void **state)
{
    struct site *s = *state;
    a_shared_room(s);
    for (int i = 0; i < 5; i++)
        site_do(s, 201, 1, "POST", "/messages", "{\"roomId\":1,\"content\":\"m\"}");
    s->now_ms += 4000;
    site_do(s, 429, 1, "POST", "/messages", "{\"roomId\":99,\"content\":\"m\"}");
    site_expect(s, "{\"message\":\"Rate limit exceeded. Try again shortly.\",\"code\":\"rate_limited\",\"retryAfter\":6}");
    assert_non_null(strstr(s->answer.headers.p, "retry-after: 6\n"));
    site_do(s, 201, 2, "POST", "/messages", "{\"roomId\":1,\"content\":\"m\"}");
    s->now_ms += 6000;
    site_do(s, 201, 1, "POST", "/messages", "{\"roomId\":1,\"content\":\"m\"}");
}

static void
a_repeat_under_its_key_gives_the_same_message_and_no_second_one(void **state)
{
    static const char body[] = "{\"roomId\":1,\"content\":\"once\"}";
    static const char other[] = "{\"roomId\":1,\"content\":\"other\"}";
    static const char with_id[] = "{\"roomId\":1,\"content\":\"once\",\"clientId\":\"k1\"}";
    static const char message[] = "{\"id\":1,\"content\":\"once\",\"createdAt\":\"2023-11-14T22:13:20.000Z\"," SENDER1 "}";
    struct site      *s = *state;
    a_shared_room(s);
    for (int i = 0; i < 10; i++) {          /* twice the rate: repeats do not count */
        const char *header = i % 2 ? NULL : "idempotency-key: k1";
        assert_int_equal(201, site_ask(s, 1, "POST", "/messages", header ? body : with_id, header));
        site_expect(s, message);
    }
    assert_int_equal(201, site_ask(s, 1, "POST", "/messages", with_id, "idempotency-key: k1"));
    site_do(s, 200, 1, "GET", "/messages/rooms/1/messages", NULL);
    assert_null(strstr(s->answer.body.p, "\"id\":2,\"content\""));
    assert_int_equal(422, site_ask(s, 1, "POST", "/messages", other, "idempotency-key: k1"));
    site_expect(s, "{\"message\":\"This idempotency key was used for another message\",\"code\":\"key_reused\"}");
    assert_int_equal(400, site_ask(s, 1, "POST", "/messages", with_id, "idempotency-key: k2"));
    assert_int_equal(400, site_ask(s, 1, "POST", "/messages", body, "idempotency-key: "));
    assert_int_equal(201, site_ask(s, 2, "POST", "/messages", body, "idempotency-key: k1"));     /* another user's k1 */
    assert_non_null(strstr(s->answer.body.p, "\"id\":2,"));
}

/* The ids of the items of the last page, as "5 4 3". */
static const char *
ids(const struct site *s)
{
    static const char item[] = "{\"id\":";
    static char       out[256];
    size_t            n = 0;

    out[0] = '\0';
    for (const char *p = strstr(s->answer.body.p, item); p != NULL && n < sizeof out - 24; p = strstr(p, item)) {
        p += sizeof item - 1;
        int digits = (int)strcspn(p, ",");
        if (tb_str_starts(tb_str_of(p + digits), TB_LIT(",\"content\"")))
            n += (size_t)snprintf(out + n, sizeof out - n, "%s%.*s", n ? " " : "", digits, p);
    }
    return out;
}

static void
pages_run_from_the_newest_to_the_oldest_and_end(void **state)
{
    static const struct { const char *query, *ids, *next; } rows[] = {
        { "?limit=3", "7 6 5", "\"nextCursor\":5," },
        { "?limit=3&cursor=5", "4 3 2", "\"nextCursor\":2," },
        { "?limit=3&cursor=2", "1", "\"nextCursor\":null," },
        { "?limit=3&cursor=4", "3 2 1", "\"nextCursor\":null," },
        { "?limit=7", "7 6 5 4 3 2 1", "\"nextCursor\":null," },
        { "", "7 6 5 4 3 2 1", "\"nextCursor\":null," },
        { "?cursor=&limit=", "7 6 5 4 3 2 1", "\"nextCursor\":null," },
        { "?limit=5000", "7 6 5 4 3 2 1", "\"nextCursor\":null," },
        { "?cursor=1", "", "\"nextCursor\":null," },
    };
    struct site *s = *state;
    a_shared_room(s);
    some_messages(s, 7);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[64];
        snprintf(path, sizeof path, "/messages/rooms/1/messages%s", rows[i].query);
        site_do(s, 200, 2, "GET", path, NULL);
        assert_string_equal(rows[i].ids, ids(s));
        assert_non_null(strstr(s->answer.body.p, rows[i].next));
    }
}

static void
since_an_offset_comes_what_became_known_after_it_in_order(void **state)
{
    struct site *s = *state;
    char         path[128];
    a_shared_room(s);
    some_messages(s, 2);
    site_do(s, 200, 2, "GET", "/messages/rooms/1/messages", NULL);
    const char *offset = strstr(s->answer.body.p, "\"offset\":\"") + strlen("\"offset\":\"");
    snprintf(path, sizeof path, "/messages/rooms/1/messages?since=%.*s", (int)strcspn(offset, "\""), offset);
    some_messages(s, 3);
    site_do(s, 200, 2, "GET", path, NULL);
    assert_string_equal("3 4 5", ids(s));
    assert_non_null(strstr(s->answer.body.p, "\"nextCursor\":null,\"offset\":\""));
}

static void
pages_are_refused_in_the_words_of_the_contract(void **state)
{
    static const struct refusal rows[] = {
        { "GET", "/messages/rooms/1/messages", NULL, 0, 401, "No token provided", "unauthorized" },
        { "GET", "/messages/rooms/abc/messages", NULL, 1, 400, "Invalid roomId", "bad_request" },
        { "GET", "/messages/rooms/0/messages", NULL, 1, 400, "Invalid roomId", "bad_request" },
        { "GET", "/messages/rooms/-1/messages", NULL, 1, 400, "Invalid roomId", "bad_request" },
        { "GET", "/messages/rooms/9007199254740992/messages", NULL, 1, 400, "Invalid roomId", "bad_request" },
        { "GET", "/messages/rooms/1/messages", NULL, 3, 403, "You are not a member of this room", "forbidden" },
        { "GET", "/messages/rooms/99/messages", NULL, 1, 403, "You are not a member of this room", "forbidden" },
        { "GET", "/messages/rooms/1/messages?cursor=x", NULL, 1, 400, "Invalid cursor", "bad_request" },
        { "GET", "/messages/rooms/1/messages?cursor=x", NULL, 1, 400, "Invalid cursor", "bad_request" },
        /* 2 is a message of room 2 */
        { "GET", "/messages/rooms/1/messages?cursor=2", NULL, 1, 400, "Invalid cursor", "bad_request" },
        { "GET", "/messages/rooms/1/messages?limit=x", NULL, 1, 400, "limit must be a number from 1 to 100",
          "bad_request" },
        { "GET", "/messages/rooms/1/messages?limit=x", NULL, 1, 400, "limit must be a number from 1 to 100",
          "bad_request" },
        { "GET", "/messages/rooms/1/messages?since=x", NULL, 1, 400, "Invalid since", "bad_request" },
        { "GET", "/messages/rooms/1/messages?since=999-00000000", NULL, 1, 400, "Invalid since", "bad_request" },
        { "GET", "/messages/rooms/1/messages?since=1-00000000&cursor=1", NULL, 1, 400,
          "cursor and since exclude each other",
          "bad_request" },
    };
    struct site *s = *state;
    a_shared_room(s);
    some_messages(s, 1);
    site_do(s, 201, 1, "POST", "/rooms", "{\"name\":\"other\"}");
    site_do(s, 201, 1, "POST", "/messages", "{\"roomId\":2,\"content\":\"elsewhere\"}");
    site_refuses(s, rows, sizeof rows / sizeof *rows);
}

static void
reading_counts_what_is_known_and_mine_and_shows_as_a_receipt(void **state)
{
    struct site *s = *state;
    a_shared_room(s);
    some_messages(s, 2);
    site_do(s, 200, 1, "GET", "/messages/1/receipts", NULL);
    assert_null(strstr(s->answer.body.p, "\"readAt\":\""));
    site_do(s, 200, 2, "POST", "/messages/read", "{\"messageIds\":[1,\"2\",99]}");
    site_expect(s, "{\"count\":2}");
    site_do(s, 200, 3, "POST", "/messages/read", "{\"messageIds\":[1,2]}");
    site_expect(s, "{\"count\":0}");
    site_do(s, 200, 1, "GET", "/messages/1/receipts", NULL);
    site_expect(s, "{\"items\":[{\"userId\":2,\"deliveredAt\":\"~\",\"readAt\":\"~\"}]}");
    site_do(s, 200, 2, "GET", "/rooms", NULL);
    assert_non_null(strstr(s->answer.body.p, "\"unread\":0,"));
}

static void
reading_is_refused_in_the_words_of_the_contract(void **state)
{
    static const struct refusal rows[] = {
        { "POST", "/messages/read", "{\"messageIds\":[1]}", 0, 401, "No token provided", "unauthorized" },
        { "POST", "/messages/read", NULL, 1, 400, "messageIds must be a non-empty array", "bad_request" },
        { "POST", "/messages/read", "{\"messageIds\":[]}", 1, 400, "messageIds must be a non-empty array",
          "bad_request" },
        { "POST", "/messages/read", "{\"messageIds\":\"1\"}", 1, 400, "messageIds must be a non-empty array",
          "bad_request" },
        { "POST", "/messages/read", "{\"messageIds\":[1,\"x\"]}", 1, 400, "messageIds must be a non-empty array",
          "bad_request" },
        { "POST", "/messages/read", "{\"messageIds\":[1,2,3,4,5,6,7,8,9,10,11]}", 1, 400,
          "Too many messageIds at once", "bad_request" },
        { "GET", "/messages/1/receipts", NULL, 0, 401, "No token provided", "unauthorized" },
        { "GET", "/messages/x/receipts", NULL, 1, 400, "Invalid messageId", "bad_request" },
        { "GET", "/messages/99/receipts", NULL, 1, 404, "Message not found", "not_found" },
        { "GET", "/messages/1/receipts", NULL, 3, 404, "Message not found", "not_found" },
    };
    struct site *s = *state;
    a_shared_room(s);
    some_messages(s, 1);
    site_refuses(s, rows, sizeof rows / sizeof *rows);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SITE(a_message_is_trimmed_stored_and_given_back_whole),
        IN_SITE(sends_are_refused_in_the_words_and_the_order_of_the_contract),
        IN_SITE(the_sixth_message_in_ten_seconds_is_refused_whatever_its_room),
        IN_SITE(a_repeat_under_its_key_gives_the_same_message_and_no_second_one),
        IN_SITE(pages_run_from_the_newest_to_the_oldest_and_end),
        IN_SITE(since_an_offset_comes_what_became_known_after_it_in_order),
        IN_SITE(pages_are_refused_in_the_words_of_the_contract),
        IN_SITE(reading_counts_what_is_known_and_mine_and_shows_as_a_receipt),
        IN_SITE(reading_is_refused_in_the_words_of_the_contract),
    };
    return tap_run(tests);
}
