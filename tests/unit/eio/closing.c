/* What ends a session, from either side, and what is still said then. */
#include "app.h"

#include <stdio.h>

/* ---- what ends a polling session ---- */

static void
what_is_no_packet_ends_the_session(void **state)
{
    static const char *const bodies[] = { "abc", "", "4a\x1e", "bAQ!=", "4\xff", "9" };
    struct app              *a = *state;

    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct poller p;
        poller_open(a, &p);
        assert_int_equal(400, poll_post(&p, bodies[i]));
        assert_true(strstr(a->heard.p, "closed:parse error ") != NULL);
        assert_true(is_gone(&p));
        poller_fini(&p);
    }
}

static void
the_binary_posts_of_protocol_3_end_the_session(void **state)
{
    struct app   *a = *state;
    struct poller p;

    poller_open(a, &p);
    fake_request_init(&p.post, EIO_POST, p.query, "4x");
    p.post.rq.content_type = TB_LIT("application/octet-stream");
    eio_engine_request(a->engine, &p.post.rq);
    assert_int_equal(400, p.post.status);
    assert_heard(a, "closed:transport error ");
    poller_fini(&p);
}

static void
a_second_get_ends_the_session(void **state)
{
    struct app         *a = *state;
    struct poller       p;
    struct fake_request second;

    poller_open(a, &p);
    poll_get(&p);
    fake_send(&a->fake, &second, EIO_GET, p.query, "");
    assert_int_equal(400, second.status);
    assert_got(&p, 200, "1");
    assert_heard(a, "closed:transport error ");
    assert_true(is_gone(&p));
    fake_request_fini(&second);
    poller_fini(&p);
}

static void
an_aborted_get_ends_the_session(void **state)
{
    struct app   *a = *state;
    struct poller p;

    poller_open(a, &p);
    poll_get(&p);
    eio_request_gone(&p.get.rq);
    fake_turn(&a->fake);
    assert_int_equal(0, p.get.status);
    assert_heard(a, "closed:transport error ");
    assert_true(is_gone(&p));
    poller_fini(&p);
}

static void
an_answered_get_may_go_away(void **state)
{
    struct app   *a = *state;
    struct poller p;

    poller_open(a, &p);
    eio_request_gone(&p.get.rq);
    assert_heard(a, "");
    assert_false(is_gone(&p));
    poller_fini(&p);
}

static void
a_clients_goodbye_ends_the_session_and_its_get(void **state)
{
    struct app   *a = *state;
    struct poller p;

    poller_open(a, &p);
    poll_get(&p);
    assert_int_equal(200, poll_post(&p, "4last\x1e" "1\x1e" "4never\x1e" "neither"));
    assert_got(&p, 200, "6");
    assert_heard(a, "text:last closed:transport close ");
    assert_true(is_gone(&p));
    poller_fini(&p);
}

static void
other_methods_are_bad_requests(void **state)
{
    struct app         *a = *state;
    struct poller       p;
    struct fake_request r;

    poller_open(a, &p);
    fake_send(&a->fake, &r, EIO_OTHER_METHOD, p.query, "");
    assert_int_equal(400, r.status);
    fake_request_fini(&r);
    assert_false(is_gone(&p));
    poller_fini(&p);
}

/* ---- what ends a WebSocket session ---- */

static void
a_websocket_ends_as_its_peer_wants(void **state)
{
    static const struct {
        const char *says;
        unsigned    first;
        const char *payload, *reply, *heard;
    } cases[] = {
        { "a goodbye packet", 0x81, "1", "close:1000", "closed:transport close " },
        { "a close frame is echoed", 0x88, "\x03\xe9" "bye", "close:1001", "closed:transport close " },
        { "an empty close frame too", 0x88, "", "close:", "closed:transport close " },
        { "no packet", 0x81, "abc", "close:1000", "closed:parse error " },
        { "an empty text", 0x81, "", "close:1000", "closed:parse error " },
        { "a ping of the client's", 0x81, "2", "close:1000", "closed:transport error " },
        { "a broken frame", 0x83, "", "close:1002", "closed:transport error " },
        { "a text that is not UTF-8", 0x81, "4\xff", "close:1007", "closed:transport error " },
    };
    struct app *a = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake_stream s;
        fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
        fake_next(&s);
        tb_buf_clear(&a->heard);
        fake_frame(&s, cases[i].first, tb_str_of(cases[i].payload));
        const char *reply = fake_next(&s);
        if (strcmp(cases[i].reply, reply) != 0 || strcmp(cases[i].heard, a->heard.p) != 0 || !s.is_closed)
            fail_msg("%s: got %s, heard %s, closed %d", cases[i].says, reply, a->heard.p, s.is_closed);
        fake_stream_fini(&s);
    }
}

static void
packets_out_of_place_are_ignored(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    tb_buf_clear(&a->heard);
    assert_true(fake_text(&s, "0{}") && fake_text(&s, "5") && fake_text(&s, "6") && fake_text(&s, "3"));
    assert_heard(a, "");
    assert_false(s.is_closed);
    fake_stream_fini(&s);
}

static void
hanging_up_ends_the_session(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    s.is_stuck = true;
    send_text(a->last, "in flight");
    fake_turn(&a->fake);
    send_text(a->last, "waiting");
    tb_buf_clear(&a->heard);
    fake_hang_up(&s);
    assert_heard(a, "closed:transport close ");
    assert_int_equal(0, eio_session_queued(a->last));
    fake_stream_fini(&s);
}

static void
websocket_pings_are_answered_before_anything_else(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    fake_next(&s);
    fake_frame(&s, 0x89, TB_LIT("are you there"));
    assert_string_equal("pong:are you there", fake_next(&s));
    s.is_stuck = true;
    send_text(a->last, "1");
    fake_turn(&a->fake);
    send_text(a->last, "2");
    for (int i = 0; i < 1000; i++)
        fake_frame(&s, 0x89, TB_LIT("old"));
    fake_frame(&s, 0x89, TB_LIT("new"));
    fake_unstick(&s);
    assert_string_equal("41", fake_next(&s));
    assert_string_equal("pong:new", fake_next(&s));         /* only the latest is owed: RFC 6455 section 5.5.3 */
    assert_string_equal("42", fake_next(&s));
    assert_string_equal("", fake_next(&s));
    fake_stream_fini(&s);
}

/* ---- closing from our side ---- */

static void
closing_flushes_then_says_goodbye_and_waits_for_the_peers(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    fake_next(&s);
    tb_buf_clear(&a->heard);
    for (int i = 0; i < 200; i++)
        send_text(a->last, "x");
    eio_session_close(a->last, EIO_AFTER_FLUSH);
    assert_heard(a, "closed:forced close ");
    fake_turn(&a->fake);
    for (int i = 0; i < 200; i++)
        assert_string_equal("4x", fake_next(&s));
    assert_string_equal("close:1000", fake_next(&s));
    assert_false(s.is_closed);
    assert_true(fake_text(&s, "4ignored"));
    assert_false(fake_frame(&s, 0x88, TB_LIT("\x03\xe8")));
    assert_true(s.is_closed);
    assert_heard(a, "");
    fake_stream_fini(&s);
}

static void
a_peer_that_never_says_goodbye_is_not_waited_for_for_ever(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    eio_session_close(a->last, EIO_AFTER_FLUSH);
    fake_advance(&a->fake, 29999);
    assert_false(s.is_closed);
    fake_advance(&a->fake, 2);
    assert_true(s.is_closed);
    fake_stream_fini(&s);
}

static void
closing_at_once_drops_what_waits(void **state)
{
    struct app        *a = *state;
    struct fake_stream s, stuck;

    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    fake_next(&s);
    send_text(a->last, "x");
    eio_session_close(a->last, EIO_AT_ONCE);
    fake_turn(&a->fake);
    assert_string_equal("close:1013", fake_next(&s));
    assert_true(s.is_closed);
    fake_connect(&a->fake, &stuck, "EIO=4&transport=websocket");
    stuck.is_stuck = true;
    send_text(a->last, "x");
    fake_turn(&a->fake);
    eio_session_close(a->last, EIO_AT_ONCE);
    assert_true(stuck.is_closed);       /* no word could be said any more */
    fake_stream_fini(&s);
    fake_stream_fini(&stuck);
}

static void
closing_a_polling_session_tells_the_waiting_get(void **state)
{
    struct app   *a = *state;
    struct poller p;

    poller_open(a, &p);
    poll_get(&p);
    send_text(a->last, "last");
    eio_session_close(a->last, EIO_AFTER_FLUSH);
    fake_turn(&a->fake);
    assert_got(&p, 200, "4last\x1e" "1");
    assert_true(is_gone(&p));
    poller_fini(&p);
}

static void
closing_a_polling_session_waits_for_a_get(void **state)
{
    struct app   *a = *state;
    struct poller p;
    char          text[400];

    poller_open(a, &p);
    send_text(a->last, "last");
    eio_session_close(a->last, EIO_AFTER_FLUSH);
    assert_heard(a, "closed:forced close ");
    fake_advance(&a->fake, 20000);
    assert_int_equal(200, poll_post(&p, "4ignored"));
    poll_get(&p);
    assert_got(&p, 200, "4last\x1e" "1");
    assert_true(is_gone(&p));
    poller_fini(&p);
    poller_open(a, &p);
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 3; i++)
        send_text(a->last, text);
    eio_session_close(a->last, EIO_AFTER_FLUSH);
    poll_get(&p);
    assert_int_equal(2 * 400 + 1, p.get.body.n);
    poll_get(&p);
    assert_int_equal(400 + 2, p.get.body.n);        /* the goodbye comes behind all that waited */
    assert_true(is_gone(&p));
    poller_fini(&p);
    poller_open(a, &p);
    eio_session_close(a->last, EIO_AFTER_FLUSH);
    fake_advance(&a->fake, 30001);
    assert_true(is_gone(&p));       /* but not for ever */
    poller_fini(&p);
    poller_open(a, &p);
    eio_session_close(a->last, EIO_AT_ONCE);
    assert_true(is_gone(&p));
    poller_fini(&p);
}

static void
the_goodbye_is_no_seventeenth_packet(void **state)
{
    struct app   *a = *state;
    struct poller p;

    poller_open(a, &p);
    for (int i = 0; i < 16; i++)
        send_text(a->last, "x");
    eio_session_close(a->last, EIO_AFTER_FLUSH);
    poll_get(&p);
    assert_int_equal(16 * 3 - 1, p.get.body.n);
    poll_get(&p);
    assert_got(&p, 200, "1");
    assert_true(is_gone(&p));
    poller_fini(&p);
    poller_open(a, &p);
    for (int i = 0; i < 15; i++)
        send_text(a->last, "x");
    eio_session_close(a->last, EIO_AFTER_FLUSH);
    poll_get(&p);
    assert_int_equal(15 * 3 + 1, p.get.body.n);
    assert_true(is_gone(&p));
    poller_fini(&p);
}

static void
closing_in_on_message_ends_the_payload_there(void **state)
{
    struct app        *a = *state;
    struct poller      p;
    struct fake_stream s;

    poller_open(a, &p);
    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    tb_buf_clear(&a->heard);
    a->close_in_message = true;
    a->manner = EIO_AT_ONCE;
    assert_int_equal(200, poll_post(&p, "4a\x1e" "4b"));
    assert_heard(a, "text:a closed:forced close ");
    fake_text(&s, "4a");
    assert_heard(a, "text:a closed:forced close ");
    assert_true(s.is_closed);
    fake_stream_fini(&s);
    poller_fini(&p);
}

static void
shutting_down_tells_everyone(void **state)
{
    struct app        *a = *state;
    struct poller      p, waiting;
    struct fake_stream s;

    poller_open(a, &p);
    poller_open(a, &waiting);
    poll_get(&waiting);
    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    fake_next(&s);
    tb_buf_clear(&a->heard);
    eio_engine_close(a->engine);
    fake_turn(&a->fake);
    assert_heard(a, "closed:server shutting down closed:server shutting down closed:server shutting down ");
    assert_got(&waiting, 200, "1");
    assert_string_equal("close:1012", fake_next(&s));
    assert_true(s.is_closed);
    fake_stream_fini(&s);
    poller_fini(&p);
    poller_fini(&waiting);
}

static void
freeing_the_engine_closes_and_answers_what_is_left(void **state)
{
    struct app        *a = *state;
    struct poller      p;
    struct fake_stream s, stuck, probe;
    char               query[64];

    poller_open(a, &p);
    poll_get(&p);
    snprintf(query, sizeof query, "EIO=4&transport=websocket&sid=%s", p.sid);
    fake_connect(&a->fake, &probe, query);
    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    fake_connect(&a->fake, &stuck, "EIO=4&transport=websocket");
    stuck.is_stuck = true;
    send_text(a->last, "x");
    fake_turn(&a->fake);
    eio_session_unref(&a->last);
    eio_engine_free(&a->engine);
    assert_int_equal(200, p.get.status);
    assert_true(s.is_closed && stuck.is_closed && probe.is_closed);
    fake_stream_fini(&s);
    fake_stream_fini(&stuck);
    fake_stream_fini(&probe);
    poller_fini(&p);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, app_setup, app_teardown)
    const struct CMUnitTest tests[] = {
        T(what_is_no_packet_ends_the_session),
        T(the_binary_posts_of_protocol_3_end_the_session),
        T(a_second_get_ends_the_session),
        T(an_aborted_get_ends_the_session),
        T(an_answered_get_may_go_away),
        T(a_clients_goodbye_ends_the_session_and_its_get),
        T(other_methods_are_bad_requests),
        T(a_websocket_ends_as_its_peer_wants),
        T(packets_out_of_place_are_ignored),
        T(hanging_up_ends_the_session),
        T(websocket_pings_are_answered_before_anything_else),
        T(closing_flushes_then_says_goodbye_and_waits_for_the_peers),
        T(a_peer_that_never_says_goodbye_is_not_waited_for_for_ever),
        T(closing_at_once_drops_what_waits),
        T(closing_a_polling_session_tells_the_waiting_get),
        T(closing_a_polling_session_waits_for_a_get),
        T(the_goodbye_is_no_seventeenth_packet),
        T(closing_in_on_message_ends_the_payload_there),
        T(shutting_down_tells_everyone),
        T(freeing_the_engine_closes_and_answers_what_is_left),
    };
    return tap_run(tests);
}
