/* One client over polling or over a WebSocket: handshake and messages. */
#include "app.h"

#include <stdio.h>

/* ---- handshake ---- */

static void
a_polling_handshake_answers_with_the_settings(void **state)
{
    struct app         *a = *state;
    struct fake_request r;
    char                sid[21], expected[200];

    fake_send(&a->fake, &r, EIO_GET, "EIO=4&transport=polling", "");
    assert_int_equal(200, r.status);
    assert_string_equal("text/plain; charset=UTF-8", r.type);
    fake_sid_of(r.body.p, sid);
    snprintf(expected, sizeof expected,
             "0{\"sid\":\"%s\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":20000,"
             "\"maxPayload\":1000}",
             sid);
    assert_string_equal(expected, r.body.p);
    assert_heard(a, "open:192.0.2.1 ");
    assert_ptr_equal(a->last, eio_engine_find(a->engine, tb_str_of(sid)));
    fake_request_fini(&r);
}

static void
a_websocket_handshake_offers_no_upgrades(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;
    char               sid[21];

    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    const char *open = fake_next(&s);
    fake_sid_of(open, sid);
    assert_non_null(strstr(open, "\"upgrades\":[],"));
    assert_heard(a, "open:192.0.2.1 ");
    assert_true(eio_session_is_streaming(a->last));
    fake_stream_fini(&s);
}

static void
ids_are_unlike(void **state)
{
    enum { N = 100 };
    struct app   *a = *state;
    struct poller p[N];

    for (int i = 0; i < N; i++)
        poller_open(a, &p[i]);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(p[i].sid, p[k].sid);
    for (int i = 0; i < N; i++)
        poller_fini(&p[i]);
}

static void
bad_requests_are_refused_with_the_references_codes(void **state)
{
    static const struct {
        const char     *says, *query;
        enum eio_method method;
        bool            is_upgrade;
        int             code;           /* -1: let in */
        const char     *message;
    } cases[] = {
        { "no transport", "EIO=4", EIO_GET, false, 0, "Transport unknown" },
        { "an unknown one", "EIO=4&transport=abc", EIO_GET, false, 0, "Transport unknown" },
        { "the same as WebSocket", "EIO=4&transport=abc", EIO_GET, true, 0, "Transport unknown" },
        { "an empty query", "", EIO_GET, false, 0, "Transport unknown" },
        { "an unknown sid", "EIO=4&transport=polling&sid=abc", EIO_GET, false, 1, "Session ID unknown" },
        { "an endless sid",
          "EIO=4&transport=polling&sid=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
          EIO_GET, false, 1, "Session ID unknown" },
        { "an unknown sid, WebSocket", "EIO=4&transport=websocket&sid=abc", EIO_GET, true, 1, "Session ID unknown" },
        { "a handshake by POST", "EIO=4&transport=polling", EIO_POST, false, 2, "Bad handshake method" },
        { "or by PUT", "EIO=4&transport=polling", EIO_OTHER_METHOD, false, 2, "Bad handshake method" },
        { "websocket without an upgrade", "EIO=4&transport=websocket", EIO_GET, false, 3, "Bad request" },
        { "polling with an upgrade", "EIO=4&transport=polling", EIO_GET, true, 3, "Bad request" },
        { "protocol 3", "EIO=3&transport=polling", EIO_GET, false, 5, "Unsupported protocol version" },
        { "no protocol", "transport=polling", EIO_GET, false, 5, "Unsupported protocol version" },
        { "another one", "EIO=abc&transport=polling", EIO_GET, false, 5, "Unsupported protocol version" },
        { "the same as WebSocket", "EIO=abc&transport=websocket", EIO_GET, true, 5, "Unsupported protocol version" },
        { "the last of two counts, and escapes are read",
          "transport=abc&EIO=3&EIO=%34&transport=%70olling&t=x&&=&x", EIO_GET, false,
          -1, "" },
    };
    struct app *a = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake_request r;
        struct fake_stream  s = { 0 };
        if (cases[i].is_upgrade)
            fake_connect(&a->fake, &s, cases[i].query);
        else
            fake_send(&a->fake, &r, cases[i].method, cases[i].query, "");
        struct fake_request *answered = cases[i].is_upgrade ? &s.rq : &r;
        char                 body[100];
        snprintf(body, sizeof body, "{\"code\":%d,\"message\":\"%s\"}", cases[i].code, cases[i].message);
        bool is_in = cases[i].code < 0;
        if (answered->status != (is_in ? 200 : 400) || (!is_in && strcmp(body, answered->body.p) != 0))
            fail_msg("%s: %d %s", cases[i].says, answered->status, answered->body.p);
        fake_request_fini(answered);
    }
}

static void
the_application_may_refuse_with_a_text(void **state)
{
    struct app         *a = *state;
    struct fake_request r;

    a->refusal.message = "Origin not allowed";
    fake_request_init(&r, EIO_GET, "EIO=4&transport=polling", "");
    r.authorization = "Bearer x";
    eio_engine_request(a->engine, &r.rq);
    assert_int_equal(403, r.status);
    assert_string_equal("{\"code\":4,\"message\":\"Origin not allowed\"}", r.body.p);
    assert_int_equal(0, r.rq.retry_after_s);
    assert_heard(a, "token:Bearer x ");
    fake_request_fini(&r);
}

static void
whom_the_application_refuses_for_a_while_is_told_for_how_long(void **state)
{
    struct app         *a = *state;
    struct fake_request r;

    a->refusal = (struct eio_refusal){ .message = "Too many", .retry_after_s = 7 };
    fake_request_init(&r, EIO_GET, "EIO=4&transport=polling", "");
    eio_engine_request(a->engine, &r.rq);
    assert_int_equal(429, r.status);
    assert_string_equal("{\"code\":4,\"message\":\"Too many\"}", r.body.p);
    assert_int_equal(7, r.rq.retry_after_s);
    fake_request_fini(&r);
}

static void
a_full_server_and_a_closed_one_say_503(void **state)
{
    struct app         *a = *state;
    struct eio_options  o = test_options();
    struct fake_request r;
    struct poller       p;

    eio_engine_free(&a->engine);
    o.max_sessions = 1;
    a->engine = a->fake.engine = eio_engine_new(&a->fake.host, &o, &app_handler, a);
    poller_open(a, &p);
    fake_send(&a->fake, &r, EIO_GET, "EIO=4&transport=polling", "");
    assert_int_equal(503, r.status);
    fake_request_fini(&r);
    eio_engine_close(a->engine);
    fake_turn(&a->fake);
    assert_heard(a, "closed:server shutting down ");
    fake_send(&a->fake, &r, EIO_GET, "EIO=4&transport=polling", "");
    assert_int_equal(503, r.status);
    fake_request_fini(&r);
    poller_fini(&p);
}

static void
closing_in_on_open_does_no_harm(void **state)
{
    struct app *a = *state;

    a->close_in_open = true;
    for (a->manner = EIO_AFTER_FLUSH; a->manner <= EIO_AT_ONCE; a->manner++) {
        struct fake_request r;
        struct fake_stream  s;
        fake_send(&a->fake, &r, EIO_GET, "EIO=4&transport=polling", "");
        assert_int_equal(200, r.status);
        assert_heard(a, "open:192.0.2.1 closed:forced close ");
        fake_request_fini(&r);
        fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
        assert_heard(a, "open:192.0.2.1 closed:forced close ");
        fake_advance(&a->fake, 60000);
        assert_true(s.is_closed);
        fake_stream_fini(&s);
    }
}

/* ---- messages ---- */

static void
messages_go_both_ways_by_polling(void **state)
{
    struct app   *a = *state;
    struct poller p;

    poller_open(a, &p);
    assert_int_equal(200, poll_post(&p, "4echo 1\x1e" "bZWNobyAy\x1e" "4echo 3\x1e" "4\xe2\x82\xac"));
    assert_string_equal("ok", p.post.body.p);
    assert_string_equal("text/html", p.post.type);
    assert_heard(a, "text:echo 1 binary:echo 2 text:echo 3 text:\xe2\x82\xac ");
    poll_get(&p);
    assert_got(&p, 200, "4echo 1\x1e" "bZWNobyAy\x1e" "4echo 3");
    poll_get(&p);
    assert_int_equal(0, p.get.status);
    poll_post(&p, "4echo 4");
    assert_got(&p, 200, "4echo 4");
    poller_fini(&p);
}

static void
messages_go_both_ways_by_websocket(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    fake_next(&s);
    tb_buf_clear(&a->heard);
    assert_true(fake_text(&s, "4echo 1"));
    assert_true(fake_binary(&s, "echo 2"));
    assert_true(fake_text(&s, "bZWNobyAz"));
    assert_heard(a, "text:echo 1 binary:echo 2 binary:echo 3 ");
    assert_string_equal("4echo 1", fake_next(&s));
    assert_string_equal("binary:echo 2", fake_next(&s));
    assert_string_equal("binary:echo 3", fake_next(&s));
    fake_stream_fini(&s);
}

static void
a_client_that_asked_for_base64_gets_binary_as_text(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    fake_connect(&a->fake, &s, "EIO=4&transport=websocket&b64=1");
    fake_next(&s);
    fake_text(&s, "bZWNobyAy");
    assert_string_equal("bZWNobyAy", fake_next(&s));
    fake_stream_fini(&s);
}

static void
a_turns_messages_leave_in_one_write(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    int before = s.n_writes;
    for (int i = 0; i < 40; i++)
        send_text(a->last, "x");
    fake_turn(&a->fake);
    assert_int_equal(before + 1, s.n_writes);
    assert_int_equal(40, s.n_slices);
    for (int i = 0; i < 100; i++)
        send_text(a->last, "y");
    fake_turn(&a->fake);
    assert_int_equal(before + 3, s.n_writes);       /* more than EIO_MAX_SLICES: one at a time, in order */
    fake_stream_fini(&s);
}

static void
one_frame_serves_many_sessions(void **state)
{
    struct app        *a = *state;
    struct fake_stream s[3];
    struct eio_frame  *f = eio_frame_text(TB_LIT("to all"));

    for (int i = 0; i < 3; i++) {
        fake_connect(&a->fake, &s[i], "EIO=4&transport=websocket");
        fake_next(&s[i]);
        assert_int_equal(EIO_SENT, eio_session_send(a->last, &f, 1));
    }
    eio_frame_unref(&f);
    fake_turn(&a->fake);
    for (int i = 0; i < 3; i++) {
        assert_string_equal("4to all", fake_next(&s[i]));
        fake_stream_fini(&s[i]);
    }
}

static void
an_answer_to_a_poll_stays_below_max_payload(void **state)
{
    struct app   *a = *state;
    struct poller p;
    char          text[500];

    poller_open(a, &p);
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 3; i++)
        send_text(a->last, text);       /* 500 bytes a packet, and a separator: 1001 would be too much */
    poll_get(&p);
    assert_int_equal(500, p.get.body.n);
    poll_get(&p);
    assert_int_equal(500, p.get.body.n);
    poll_get(&p);
    assert_int_equal(500, p.get.body.n);
    poll_get(&p);
    assert_int_equal(0, p.get.status);
    poller_fini(&p);
}

static void
an_answer_to_a_poll_holds_16_packets(void **state)
{
    struct app   *a = *state;
    struct poller p;
    char          text[8];
    int           n = 0;

    poller_open(a, &p);
    for (int i = 0; i < 40; i++) {
        snprintf(text, sizeof text, "%02d", i);
        send_text(a->last, text);
    }
    for (int expected = 16; expected > 0; expected = 40 - n < 16 ? 40 - n : 16) {
        poll_get(&p);
        assert_int_equal(expected * 4 - 1, p.get.body.n);       /* 4NN and a separator each */
        for (int i = 0; i < expected; i++)
            assert_int_equal(n++, 10 * (p.get.body.p[4 * i + 1] - '0') + p.get.body.p[4 * i + 2] - '0');
    }
    assert_int_equal(40, n);
    assert_int_equal(0, eio_session_queued(a->last));
    poll_get(&p);
    assert_int_equal(0, p.get.status);
    for (int i = 0; i < 17; i++)
        send_text(a->last, "xx");
    fake_turn(&a->fake);        /* the GET that waits is answered by no more either */
    assert_int_equal(16 * 4 - 1, p.get.body.n);
    poll_get(&p);
    assert_got(&p, 200, "4xx");
    poller_fini(&p);
}

static void
one_large_packet_goes_alone(void **state)
{
    struct app   *a = *state;
    struct poller p;
    char          text[3000];

    poller_open(a, &p);
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    send_text(a->last, text);
    poll_get(&p);
    assert_int_equal(sizeof text, p.get.body.n);
    poller_fini(&p);
}

static void
what_comes_in_may_not_be_too_large(void **state)
{
    struct app        *a = *state;
    struct poller      p;
    struct fake_stream s;
    char               text[1002];

    memset(text, '4', sizeof text);
    text[sizeof text - 1] = '\0';
    poller_open(a, &p);
    assert_int_equal(413, poll_post(&p, text));
    assert_heard(a, "");
    assert_false(is_gone(&p));      /* as the reference server has it */
    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    fake_next(&s);
    tb_buf_clear(&a->heard);
    assert_false(fake_text(&s, text) && !s.is_closed);
    assert_string_equal("close:1009", fake_next(&s));
    assert_heard(a, "closed:transport error ");
    fake_stream_fini(&s);
    poller_fini(&p);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, app_setup, app_teardown)
    const struct CMUnitTest tests[] = {
        T(a_polling_handshake_answers_with_the_settings),
        T(a_websocket_handshake_offers_no_upgrades),
        T(ids_are_unlike),
        T(bad_requests_are_refused_with_the_references_codes),
        T(the_application_may_refuse_with_a_text),
        T(whom_the_application_refuses_for_a_while_is_told_for_how_long),
        T(a_full_server_and_a_closed_one_say_503),
        T(closing_in_on_open_does_no_harm),
        T(messages_go_both_ways_by_polling),
        T(messages_go_both_ways_by_websocket),
        T(a_client_that_asked_for_base64_gets_binary_as_text),
        T(a_turns_messages_leave_in_one_write),
        T(one_frame_serves_many_sessions),
        T(an_answer_to_a_poll_stays_below_max_payload),
        T(an_answer_to_a_poll_holds_16_packets),
        T(one_large_packet_goes_alone),
        T(what_comes_in_may_not_be_too_large),
    };
    return tap_run(tests);
}
