/* Events, acks and attachments both ways. */
#include "app.h"

#include <stdio.h>

/* ---- events and acks ---- */

static void
events_come_with_name_and_arguments(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    client_join(a, &s);
    fake_text(&s, "42[\"message\",1,\"2\",{\"3\":[true]}]");
    fake_text(&s, "42[ \"b\\u00e9\\n\" ]");
    fake_text(&s, "42[5,6]");
    assert_heard(a, "event:message(1,\"2\",{\"3\":[true]}) event:b\xc3\xa9\n() event:5(6) ");
    fake_stream_fini(&s);
}

static void
an_event_that_wants_an_ack_gets_one(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    client_join(a, &s);
    fake_text(&s, "42456[\"message-with-ack\",1,\"2\",{\"3\":[false]}]");
    assert_string_equal("43456[1,\"2\",{\"3\":[false]}]", fake_next(&s));
    fake_text(&s, "420[\"x\"]");
    assert_string_equal("430[]", fake_next(&s));
    assert_false(sio_ack(a->last, SIO_NO_ACK, TB_STR_NULL));
    fake_stream_fini(&s);
    assert_false(sio_ack(a->last, 1, TB_STR_NULL));
}

static void
binary_goes_both_ways(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    client_join(a, &s);
    fake_text(&s, "452-789[\"echo\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
    fake_binary(&s, "one");
    assert_heard(a, "");
    fake_binary(&s, "two");
    assert_heard(a, "event:echo({\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}) [one] [two] ");
    assert_string_equal("462-789[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]", fake_next(&s));
    assert_string_equal("binary:one", fake_next(&s));
    assert_string_equal("binary:two", fake_next(&s));
    assert_string_equal("452-[\"back\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]", fake_next(&s));
    assert_string_equal("binary:one", fake_next(&s));
    assert_string_equal("binary:two", fake_next(&s));
    fake_text(&s, "450-[\"none\"]");
    assert_heard(a, "event:none() ");
    fake_stream_fini(&s);
}

static size_t
held(const struct app *a)
{
    struct eio_stats s;

    eio_engine_stats(a->fake.engine, &s);
    return (size_t)s.bytes_held;
}

static void
attachments_count_as_held_until_the_event_is_whole(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    client_join(a, &s);
    fake_text(&s, "452-[\"x\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
    size_t with_text = held(a);
    assert_true(with_text > 0);
    fake_binary(&s, "12345");
    assert_int_equal(with_text + 5, held(a));
    fake_binary(&s, "67890");
    assert_int_equal(0, held(a));
    fake_text(&s, "451-[\"x\",{\"_placeholder\":true,\"num\":0}]");
    fake_stream_fini(&s);
    assert_int_equal(0, held(a));
}

static void
a_namespace_without_attachments_keeps_none_and_hears_of_them(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    sio_namespace_without_attachments(a->main);
    client_join(a, &s);
    fake_text(&s, "452-[\"none\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
    size_t with_text = held(a);
    fake_binary(&s, "12345");
    assert_int_equal(with_text, held(a));
    assert_heard(a, "");
    fake_binary(&s, "67890");
    assert_heard(a, "event:none({\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}) [] [] ");
    assert_int_equal(0, held(a));
    fake_text(&s, "42[\"plain\"]");
    assert_heard(a, "event:plain() ");
    fake_stream_fini(&s);
}

static void
attachments_have_their_limits_and_their_order(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;
    char               large[1001];

    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = '\0';
    client_join(a, &s);
    fake_text(&s, "451-[\"a\",{\"_placeholder\":true,\"num\":0}]");
    fake_binary(&s, large);
    assert_heard(a, "gone:/:forced close:rooms=0 closed:forced close ");
    fake_stream_fini(&s);
    client_join(a, &s);
    fake_text(&s, "451-[\"a\",{\"_placeholder\":true,\"num\":0}]");
    fake_text(&s, "42[\"b\"]");
    assert_heard(a, "gone:/:forced close:rooms=0 closed:forced close ");
    fake_stream_fini(&s);
    client_join(a, &s);
    fake_text(&s, "452-[\"a\",{\"_placeholder\":true,\"num\":0}]");
    fake_binary(&s, "one");
    fake_stream_fini(&s);       /* in the middle of it */
    assert_heard(a, "gone:/:transport close:rooms=0 closed:transport close ");
}

static void
leaving_inside_an_event_is_fine(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    client_join(a, &s);
    sio_join(a->last, TB_LIT("room"));
    a->leave_in_event = true;
    fake_text(&s, "427[\"x\"]");
    assert_heard(a, "event:x() gone:/:server namespace disconnect:rooms=1 ");
    assert_string_equal("41", fake_next(&s));
    assert_string_equal("", fake_next(&s));
    fake_stream_fini(&s);
}

/* ---- asking ---- */

static void
on_answer(void *ctx, struct sio_socket *sk, enum sio_outcome outcome, const struct sio_event *answer)
{
    static const char *const names[] = { "answered", "timed out", "ended" };
    (void)sk;
    if (answer != NULL)
        note(ctx, "%s:(" TB_STR_FMT ")" TB_STR_FMT "/%zu", names[outcome], TB_STR_ARG(answer->args), TB_STR_ARG(answer->json),
             answer->n_attachments);
    else
        note(ctx, "%s", names[outcome]);
}

static struct sio_ask
ask_of(struct app *a, uint32_t timeout_ms)
{
    return (struct sio_ask){ .event = TB_LIT("q"), .args = TB_LIT("1"), .timeout_ms = timeout_ms,
                             .on_answer = on_answer, .ctx = a };
}

static void
a_question_is_answered_once(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;
    struct sio_ask     ask = ask_of(a, 0);

    client_join(a, &s);
    assert_true(sio_ask(a->last, &ask));
    assert_true(sio_ask(a->last, &ask));
    fake_turn(&a->fake);
    assert_string_equal("420[\"q\",1]", fake_next(&s));
    assert_string_equal("421[\"q\",1]", fake_next(&s));
    fake_text(&s, "431[\"b\", 2]");
    fake_text(&s, "431[\"again\"]");
    fake_text(&s, "4399[]");
    fake_text(&s, "43[]");
    assert_heard(a, "answered:(\"b\", 2)[\"b\", 2]/0 ");
    fake_text(&s, "461-0[{\"_placeholder\":true,\"num\":0}]");
    fake_binary(&s, "x");
    assert_heard(a, "answered:({\"_placeholder\":true,\"num\":0})[{\"_placeholder\":true,\"num\":0}]/1 ");
    fake_stream_fini(&s);
}

static void
a_question_may_time_out(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;
    struct sio_ask     ask = ask_of(a, 500);

    client_join(a, &s);
    assert_true(sio_ask(a->last, &ask));
    fake_advance(&a->fake, 499);
    assert_heard(a, "");
    fake_advance(&a->fake, 1);
    assert_heard(a, "timed out ");
    fake_text(&s, "430[]");
    assert_heard(a, "");
    assert_true(sio_ask(a->last, &ask));
    fake_text(&s, "431[]");
    assert_heard(a, "answered:()[]/0 ");
    fake_advance(&a->fake, 1000);
    assert_heard(a, "");
    fake_stream_fini(&s);
}

static void
a_question_ends_with_its_socket(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;
    struct sio_ask     ask = ask_of(a, 500);

    client_join(a, &s);
    assert_true(sio_ask(a->last, &ask));
    assert_true(sio_ask(a->last, &ask));
    fake_text(&s, "41");
    assert_heard(a, "ended ended gone:/:client namespace disconnect:rooms=0 ");
    assert_false(sio_ask(a->last, &ask));
    fake_advance(&a->fake, 1000);
    assert_heard(a, "");
    fake_stream_fini(&s);
}

static void
many_can_be_asked_at_once(void **state)
{
    struct app        *a = *state;
    struct fake_stream s[3];
    struct sio_ask     ask = ask_of(a, 500);
    struct sio_target  everyone = { 0 };

    for (int i = 0; i < 3; i++)
        client_join(a, &s[i]);
    assert_int_equal(3, sio_ask_to(a->main, &everyone, &ask));
    fake_turn(&a->fake);
    for (int i = 0; i < 2; i++) {
        assert_string_equal("420[\"q\",1]", fake_next(&s[i]));
        fake_text(&s[i], "430[7]");
    }
    assert_heard(a, "answered:(7)[7]/0 answered:(7)[7]/0 ");
    fake_advance(&a->fake, 500);
    assert_heard(a, "timed out ");
    for (int i = 0; i < 3; i++)
        fake_stream_fini(&s[i]);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, app_setup, app_teardown)
    const struct CMUnitTest tests[] = {
        T(events_come_with_name_and_arguments),
        T(an_event_that_wants_an_ack_gets_one),
        T(binary_goes_both_ways),
        T(attachments_have_their_limits_and_their_order),
        T(attachments_count_as_held_until_the_event_is_whole),
        T(a_namespace_without_attachments_keeps_none_and_hears_of_them),
        T(leaving_inside_an_event_is_fine),
        T(a_question_is_answered_once),
        T(a_question_may_time_out),
        T(a_question_ends_with_its_socket),
        T(many_can_be_asked_at_once),
    };
    return tap_run(tests);
}
