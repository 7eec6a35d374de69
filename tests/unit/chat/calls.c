/* Sending, paging, reading: which check comes first, and what counts. */
#include "rig.h"

static void
start_send(struct chat_rig *r, struct chat_send *s, const char *content, const char *key)
{
    *s = (struct chat_send){ .room_id = 3, .content = tb_str_of(content) };
    s->call.on_done = rig_count_done;
    s->call.user_id = 7;
    if (key != NULL)
        s->key = tb_str_of(key);
    r->n_done = 0;
    chat_send(r->chat, s);
}

/* A send whose membership check, in the store, ends like this. */
static enum tb_code
send_ending(struct chat_rig *r, enum tb_code store_says)
{
    struct chat_send s;
    start_send(r, &s, "hi", NULL);
    if (fake_waiting() == FAKE_ADD_MESSAGE)
        fake_answer(FAKE_ADD_MESSAGE, store_says);
    assert_int_equal(1, r->n_done);
    chat_call_fini(&s.call);
    return s.call.err.code;
}

static void
content_and_key_are_checked_before_the_store_is_asked(void **state)
{
    static const struct { const char *content, *key; enum tb_code code; } rows[] = {
        { "", NULL, TB_EINPUT },
        { " \n ", NULL, TB_EINPUT },
        { "\xc2\xa0", NULL, TB_EINPUT },
        { "12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901", NULL,
          TB_ETOOBIG },
        { "hi", "", TB_EINPUT },
        { "hi", "a\nb", TB_EINPUT },
        { "", "k", TB_EINPUT },
    };
    struct chat_rig *r = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct chat_send s;
        start_send(r, &s, rows[i].content, rows[i].key);
        assert_int_equal(1, r->n_done);
        assert_int_equal(rows[i].code, s.call.err.code);
        assert_int_equal(FAKE_NOTHING, fake_waiting());
    }
    for (int i = 0; i < 5; i++)     /* none of them counted */
        assert_int_equal(TB_OK, send_ending(r, TB_OK));
}

static void
the_trimmed_content_is_what_is_stored(void **state)
{
    struct chat_rig         *r = *state;
    struct chat_send         s;
    start_send(r, &s, "  hi\n", NULL);
    struct store_add_message *add = fake_request(FAKE_ADD_MESSAGE);
    assert_true(tb_str_eq(TB_LIT("hi"), add->content));
    assert_int_equal(3, add->room_id);
    assert_int_equal(7, add->sender_id);
    assert_null(add->key.p);
    add->message.id = 99;
    fake_answer(FAKE_ADD_MESSAGE, TB_OK);
    assert_int_equal(99, s.message->id);
    chat_call_fini(&s.call);
}

static void
the_rate_is_checked_before_membership(void **state)
{
    struct chat_rig *r = *state;
    struct chat_send s;
    for (int i = 0; i < 5; i++)
        assert_int_equal(TB_OK, send_ending(r, TB_OK));
    r->now_us += 2500000;
    start_send(r, &s, "hi", NULL);
    assert_int_equal(TB_ELIMIT, s.call.err.code);
    assert_int_equal(8, s.call.err.retry_after_s);          /* 7.5 s, rounded up */
    assert_string_equal("Rate limit exceeded. Try again shortly.", s.call.err.say);
    r->now_us += 7500000;
    assert_int_equal(TB_EDENIED, send_ending(r, TB_EDENIED));
}

static void
what_was_not_stored_does_not_count(void **state)
{
    static const enum tb_code refusals[] = { TB_EDENIED, TB_EBUSY, TB_EFULL, TB_EIO, TB_EREUSED };
    struct chat_rig          *r = *state;
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
            assert_int_equal(refusals[i], send_ending(r, refusals[i]));
    for (int i = 0; i < 5; i++)
        assert_int_equal(TB_OK, send_ending(r, TB_OK));
    assert_int_equal(TB_ELIMIT, send_ending(r, TB_OK));
    assert_int_equal(TB_ELIMIT, send_ending(r, TB_OK));
    r->now_us += 10000000;
    for (int i = 0; i < 5; i++)
        assert_int_equal(TB_OK, send_ending(r, TB_OK));
}

static void
a_known_key_gives_its_message_before_the_rate_is_looked_at(void **state)
{
    struct chat_rig *r = *state;
    struct chat_send s;
    for (int i = 0; i < 5; i++)
        assert_int_equal(TB_OK, send_ending(r, TB_OK));
    start_send(r, &s, " hi ", "k1");
    struct store_find_sent *find = fake_request(FAKE_FIND_SENT);
    assert_true(tb_str_eq(TB_LIT("hi"), find->content));
    assert_true(tb_str_eq(TB_LIT("k1"), find->key));
    assert_int_equal(7, find->sender_id);
    assert_int_equal(3, find->room_id);
    find->message.id = 42;
    fake_answer(FAKE_FIND_SENT, TB_OK);
    assert_int_equal(TB_OK, s.call.err.code);
    assert_int_equal(42, s.message->id);
    assert_int_equal(1, r->n_done);
    chat_call_fini(&s.call);

    start_send(r, &s, "other", "k1");
    fake_answer(FAKE_FIND_SENT, TB_EREUSED);
    assert_int_equal(TB_EREUSED, s.call.err.code);
    chat_call_fini(&s.call);

    start_send(r, &s, "new", "k2");
    fake_answer(FAKE_FIND_SENT, TB_ENOTFOUND);
    assert_int_equal(TB_ELIMIT, s.call.err.code);
    chat_call_fini(&s.call);
}

static void
a_new_key_goes_along_and_a_repeat_that_raced_does_not_count(void **state)
{
    struct chat_rig *r = *state;
    for (int i = 0; i < 20; i++) {
        struct chat_send s;
        start_send(r, &s, "hi", "k");
        fake_answer(FAKE_FIND_SENT, TB_ENOTFOUND);
        struct store_add_message *add = fake_request(FAKE_ADD_MESSAGE);
        assert_true(tb_str_eq(TB_LIT("k"), add->key));
        add->was_known = true;
        fake_answer(FAKE_ADD_MESSAGE, TB_OK);
        assert_int_equal(TB_OK, s.call.err.code);
        chat_call_fini(&s.call);
    }
}

static void
sends_in_flight_take_their_places(void **state)
{
    struct chat_rig *r = *state;
    struct chat_send first, second;
    for (int i = 0; i < 4; i++)
        assert_int_equal(TB_OK, send_ending(r, TB_OK));
    start_send(r, &first, "hi", NULL);
    struct store_op *in_flight = fake_request(FAKE_ADD_MESSAGE);
    start_send(r, &second, "hi", NULL);
    assert_int_equal(TB_ELIMIT, second.call.err.code);
    assert_ptr_equal(in_flight, fake_request(FAKE_ADD_MESSAGE));
    fake_answer(FAKE_ADD_MESSAGE, TB_OK);
    assert_int_equal(TB_OK, first.call.err.code);
}

static void
new_limits_hold_from_the_next_call(void **state)
{
    struct chat_rig   *r = *state;
    struct chat_limits none = rig_limits;
    for (int i = 0; i < 5; i++)
        assert_int_equal(TB_OK, send_ending(r, TB_OK));
    assert_int_equal(TB_ELIMIT, send_ending(r, TB_OK));
    none.messages = 0;
    chat_set_limits(r->chat, &none);
    for (int i = 0; i < 50; i++)
        assert_int_equal(TB_OK, send_ending(r, TB_OK));
}

static void
a_page_has_1_to_100_messages(void **state)
{
    static const struct { unsigned limit; bool asked; } rows[] = { { 0, false }, { 1, true }, { 100, true }, { 101,
        false } };
    struct chat_rig *r = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct chat_history h = { .room_id = 3, .limit = rows[i].limit };
        h.call.on_done = rig_count_done;
        chat_history(r->chat, &h);
        if (rows[i].asked)
            fake_answer(FAKE_LIST_MESSAGES, TB_OK);
        assert_int_equal(rows[i].asked ? TB_OK : TB_EINPUT, h.call.err.code);
        chat_call_fini(&h.call);
    }
}

static void
reading_takes_some_ids_but_not_too_many(void **state)
{
    int64_t          ids[4] = { 1, 2, 3, 4 };
    struct chat_rig *r = *state;
    for (size_t n = 0; n <= 4; n++) {
        struct chat_read c = { .ids = { ids, n } };
        c.call.on_done = rig_count_done;
        chat_read(r->chat, &c);
        if (n >= 1 && n <= 3)
            fake_answer(FAKE_ADD_READ, TB_OK);
        assert_int_equal(n >= 1 && n <= 3 ? TB_OK : TB_EINPUT, c.call.err.code);
        chat_call_fini(&c.call);
    }
}

static void
a_room_needs_a_name(void **state)
{
    static const struct { const char *name; enum tb_code code; } rows[] = {
        { "general", TB_OK }, { "  general ", TB_OK }, { "", TB_EINPUT }, { "   ", TB_EINPUT },
        { "123456789012345678901", TB_EINPUT }, { "a\nb", TB_EINPUT },
    };
    struct chat_rig *r = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct chat_create_room c = { .name = tb_str_of(rows[i].name) };
        c.call.on_done = rig_count_done;
        chat_create_room(r->chat, &c);
        if (fake_waiting() == FAKE_ADD_ROOM) {
            assert_true(tb_str_eq(TB_LIT("general"), ((struct store_add_room *)fake_request(FAKE_ADD_ROOM))->name));
            fake_answer(FAKE_ADD_ROOM, TB_OK);
        }
        assert_int_equal(rows[i].code, c.call.err.code);
        chat_call_fini(&c.call);
    }
}

static void
who_joins_does_so_by_himself_and_who_is_added_by_another(void **state)
{
    struct chat_rig       *r = *state;
    struct chat_join       j = { .room_id = 3 };
    struct chat_add_member m = { .room_id = 3, .member_user_id = 8 };
    j.call.user_id = m.call.user_id = 7;
    j.call.on_done = m.call.on_done = rig_count_done;
    chat_join(r->chat, &j);
    struct store_add_member *add = fake_request(FAKE_ADD_MEMBER);
    assert_int_equal(7, add->user_id);
    assert_int_equal(7, add->by_id);
    fake_answer(FAKE_ADD_MEMBER, TB_OK);
    chat_add_member(r->chat, &m);
    add = fake_request(FAKE_ADD_MEMBER);
    assert_int_equal(8, add->user_id);
    assert_int_equal(7, add->by_id);
    fake_answer(FAKE_ADD_MEMBER, TB_OK);
    assert_int_equal(2, r->n_done);
    chat_call_fini(&j.call);
    chat_call_fini(&m.call);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_RIG(content_and_key_are_checked_before_the_store_is_asked),
        IN_RIG(the_trimmed_content_is_what_is_stored),
        IN_RIG(the_rate_is_checked_before_membership),
        IN_RIG(what_was_not_stored_does_not_count),
        IN_RIG(a_known_key_gives_its_message_before_the_rate_is_looked_at),
        IN_RIG(a_new_key_goes_along_and_a_repeat_that_raced_does_not_count),
        IN_RIG(sends_in_flight_take_their_places),
        IN_RIG(new_limits_hold_from_the_next_call),
        IN_RIG(a_page_has_1_to_100_messages),
        IN_RIG(reading_takes_some_ids_but_not_too_many),
        IN_RIG(a_room_needs_a_name),
        IN_RIG(who_joins_does_so_by_himself_and_who_is_added_by_another),
    };
    return tap_run(tests);
}
