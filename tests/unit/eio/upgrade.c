/* From polling to a WebSocket, with nothing lost, doubled or out of order, and what may go wrong on the way. */
#include "fake.h"
#include "tap.h"

#include <stdio.h>

struct rig {
    struct fake         fake;
    struct eio_engine  *engine;
    struct eio_session *session;
    struct tb_buf       heard;
    char                poll_query[64], ws_query[64];
    struct fake_request get;
    struct fake_stream  ws;
};

static void
on_open(void *ctx, struct eio_session *s, const struct eio_request *rq)
{
    struct rig *r = ctx;
    (void)rq;
    r->session = eio_session_ref(s);
}

static void
on_message(void *ctx, struct eio_session *s, tb_str data, bool is_binary)
{
    (void)s, (void)is_binary;
    tb_buf_printf(&((struct rig *)ctx)->heard, TB_STR_FMT " ", TB_STR_ARG(data));
}

static void
on_pong(void *ctx, struct eio_session *s, uint64_t sent)
{
    (void)s;
    tb_buf_printf(&((struct rig *)ctx)->heard, "pong:%d ", (int)sent);
}

static void
on_close(void *ctx, struct eio_session *s, enum eio_reason why)
{
    (void)s;
    tb_buf_printf(&((struct rig *)ctx)->heard, "closed:%s ", eio_reason_text(why));
}

static const struct eio_handler handler = { .on_open = on_open, .on_message = on_message, .on_pong = on_pong,
                                            .on_close = on_close };

static int
setup(void **state)
{
    struct rig *r = TB_NEW(struct rig);
    char        sid[21];

    fake_init(&r->fake);
    r->engine = r->fake.engine = eio_engine_new(&r->fake.host, NULL, &handler, r);
    fake_send(&r->fake, &r->get, EIO_GET, "EIO=4&transport=polling", "");
    fake_sid_of(r->get.body.p, sid);
    snprintf(r->poll_query, sizeof r->poll_query, "EIO=4&transport=polling&sid=%s", sid);
    snprintf(r->ws_query, sizeof r->ws_query, "EIO=4&transport=websocket&sid=%s", sid);
    *state = r;
    return 0;
}

static int
teardown(void **state)
{
    struct rig *r = *state;

    fake_request_fini(&r->get);
    if (r->ws.fake != NULL)
        fake_stream_fini(&r->ws);
    eio_session_unref(&r->session);
    eio_engine_free(&r->engine);
    tb_buf_fini(&r->heard);
    tb_free(r);
    return 0;
}

static void
get(struct rig *r)
{
    fake_request_fini(&r->get);
    fake_send(&r->fake, &r->get, EIO_GET, r->poll_query, "");
}

static int
post(struct rig *r, const char *body)
{
    struct fake_request p;
    fake_send(&r->fake, &p, EIO_POST, r->poll_query, body);
    int status = p.status;
    fake_request_fini(&p);
    return status;
}

static void
emit(struct rig *r, const char *text)
{
    struct eio_frame *f = eio_frame_text(tb_str_of(text));
    assert_int_equal(EIO_SENT, eio_session_send(r->session, &f, 1));
    eio_frame_unref(&f);
    fake_turn(&r->fake);
}

static void
assert_heard(struct rig *r, const char *expected)
{
    assert_string_equal(expected, r->heard.n > 0 ? r->heard.p : "");
    tb_buf_clear(&r->heard);
}

static void
probe(struct rig *r)
{
    fake_connect(&r->fake, &r->ws, r->ws_query);
    assert_non_null(r->ws.st);
    assert_string_equal("", fake_next(&r->ws));     /* no open packet here */
    fake_text(&r->ws, "2probe");
    assert_string_equal("3probe", fake_next(&r->ws));
}

/* ---- */

static void
the_whole_way(void **state)
{
    struct rig *r = *state;

    get(r);
    probe(r);
    assert_int_equal(0, r->get.status);
    fake_advance(&r->fake, 100);
    assert_int_equal(200, r->get.status);
    assert_string_equal("6", r->get.body.p);
    get(r);                                         /* a client that asks again is sent away again */
    fake_advance(&r->fake, 100);
    assert_string_equal("6", r->get.body.p);
    assert_false(eio_session_is_streaming(r->session));
    fake_text(&r->ws, "5");
    assert_true(eio_session_is_streaming(r->session));
    fake_text(&r->ws, "4hello");
    assert_heard(r, "hello ");
    emit(r, "hi");
    assert_string_equal("4hi", fake_next(&r->ws));
}

static void
messages_go_by_poll_until_the_client_says_5(void **state)
{
    struct rig *r = *state;

    emit(r, "1");
    probe(r);
    emit(r, "2");
    get(r);
    assert_string_equal("41\x1e" "42", r->get.body.p);
    get(r);
    emit(r, "3");
    assert_string_equal("43", r->get.body.p);
    emit(r, "4");
    assert_int_equal(200, post(r, "4from the client"));
    assert_heard(r, "from the client ");
    assert_string_equal("", fake_next(&r->ws));
    fake_text(&r->ws, "5");
    emit(r, "5");
    assert_string_equal("44", fake_next(&r->ws));
    assert_string_equal("45", fake_next(&r->ws));
    assert_string_equal("", fake_next(&r->ws));
}

static void
ten_thousand_messages_cross_in_order(void **state)
{
    enum { N = 10000 };
    struct rig *r = *state;
    int         next = 0;
    char        text[16];

    for (int i = 0; i < N; i++) {
        snprintf(text, sizeof text, "%d", i);
        emit(r, text);
        if (i == N / 4)
            probe(r);
        if (i == N / 2)
            fake_text(&r->ws, "5");
        if (i < N / 2 && i % 7 == 0 && r->get.status != 0) {
            for (char *p = r->get.body.p; p != NULL && *p == '4'; p = strchr(p, 0x1e) ? strchr(p, 0x1e) + 1 : NULL)
                assert_int_equal(next++, strtol(p + 1, NULL, 10));
            get(r);
        }
    }
    if (r->get.status == 200 && r->get.body.p[0] == '4')
        for (char *p = r->get.body.p; p != NULL; p = strchr(p, 0x1e) ? strchr(p, 0x1e) + 1 : NULL)
            assert_int_equal(next++, strtol(p + 1, NULL, 10));
    for (const char *p; *(p = fake_next(&r->ws)) != '\0';)
        assert_int_equal(next++, strtol(p + 1, NULL, 10));
    assert_int_equal(N, next);
}

static void
binary_that_waited_is_text_for_a_websocket_that_asked_for_it(void **state)
{
    struct rig       *r = *state;
    struct eio_frame *bytes = eio_frame_binary(TB_LIT("\1\2"));
    char              query[96];

    assert_int_equal(EIO_SENT, eio_session_send(r->session, &bytes, 1));
    emit(r, "between");
    assert_int_equal(EIO_SENT, eio_session_send(r->session, &bytes, 1));
    snprintf(query, sizeof query, "%s&b64=1", r->ws_query);
    fake_connect(&r->fake, &r->ws, query);
    fake_text(&r->ws, "5");
    assert_int_equal(EIO_SENT, eio_session_send(r->session, &bytes, 1));
    fake_turn(&r->fake);
    assert_string_equal("bAQI=", fake_next(&r->ws));
    assert_string_equal("4between", fake_next(&r->ws));
    assert_string_equal("bAQI=", fake_next(&r->ws));
    assert_string_equal("bAQI=", fake_next(&r->ws));
    assert_int_equal(0, eio_session_queued(r->session));
    eio_frame_unref(&bytes);
}

static void
a_get_that_still_waits_at_5_is_ended_by_a_noop(void **state)
{
    struct rig *r = *state;

    probe(r);
    get(r);
    fake_text(&r->ws, "5");
    assert_int_equal(200, r->get.status);
    assert_string_equal("6", r->get.body.p);
}

static void
after_the_upgrade_polling_is_a_bad_request(void **state)
{
    struct rig *r = *state;

    probe(r);
    fake_text(&r->ws, "5");
    get(r);
    assert_int_equal(400, r->get.status);
    assert_string_equal("{\"code\":3,\"message\":\"Bad request\"}", r->get.body.p);
    assert_int_equal(400, post(r, "4x"));
    assert_heard(r, "");
    fake_text(&r->ws, "4still there");
    assert_heard(r, "still there ");
}

static void
a_client_may_skip_the_probe(void **state)
{
    struct rig *r = *state;

    fake_connect(&r->fake, &r->ws, r->ws_query);
    fake_text(&r->ws, "5");
    fake_text(&r->ws, "4x");
    assert_heard(r, "x ");
}

static void
a_second_upgrade_is_let_in_and_closed(void **state)
{
    struct rig        *r = *state;
    struct fake_stream second;

    for (int is_upgraded = 0; is_upgraded < 2; is_upgraded++) {
        if (is_upgraded)
            fake_text(&r->ws, "5");
        else
            probe(r);
        fake_connect(&r->fake, &second, r->ws_query);
        assert_int_equal(0, second.rq.status);
        assert_string_equal("close:1000", fake_next(&second));
        assert_true(second.is_closed);
        fake_stream_fini(&second);
    }
    fake_text(&r->ws, "4x");
    assert_heard(r, "x ");
}

static void
a_second_upgrade_that_reads_nothing_is_closed_all_the_same(void **state)
{
    struct rig        *r = *state;
    struct fake_stream second = { 0 };

    probe(r);
    fake_connect(&r->fake, &second, r->ws_query);
    fake_stream_fini(&second);
    fake_connect(&r->fake, &second, r->ws_query);
    fake_advance(&r->fake, 5001);
    assert_true(second.is_closed);
    fake_stream_fini(&second);
}

static void
a_failed_probe_leaves_the_session_polling(void **state)
{
    static const char *const wrong[] = { "2", "2prob", "3probe", "4early", "1", "abc", "6" };
    struct rig              *r = *state;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        fake_connect(&r->fake, &r->ws, r->ws_query);
        fake_text(&r->ws, wrong[i]);
        assert_string_equal("close:1000", fake_next(&r->ws));
        assert_true(r->ws.is_closed);
        fake_stream_fini(&r->ws);
        emit(r, "by poll");
        get(r);
        assert_string_equal("4by poll", r->get.body.p);
    }
    probe(r);           /* and it may try again */
    fake_text(&r->ws, "5");
    assert_true(eio_session_is_streaming(r->session));
    assert_heard(r, "");
}

static void
a_broken_probe_is_told_why(void **state)
{
    struct rig *r = *state;

    fake_connect(&r->fake, &r->ws, r->ws_query);
    fake_frame(&r->ws, 0x83, TB_LIT("x"));
    assert_string_equal("close:1002", fake_next(&r->ws));
    assert_true(eio_session_is_open(r->session));
}

static void
a_probe_that_hangs_up_is_forgotten(void **state)
{
    struct rig *r = *state;

    probe(r);
    fake_hang_up(&r->ws);
    fake_advance(&r->fake, 20000);
    emit(r, "x");
    get(r);
    assert_string_equal("4x", r->get.body.p);
}

static void
a_probe_that_takes_too_long_is_given_up(void **state)
{
    struct rig *r = *state;

    probe(r);
    get(r);
    fake_advance(&r->fake, 100);
    fake_advance(&r->fake, 9899);
    assert_false(r->ws.is_closed);
    fake_advance(&r->fake, 1);
    assert_string_equal("close:1000", fake_next(&r->ws));
    assert_true(r->ws.is_closed);
    get(r);
    fake_advance(&r->fake, 10000);
    assert_int_equal(0, r->get.status);     /* no more noops */
    assert_heard(r, "");
}

static void
early_pings_never_go_to_a_probing_websocket(void **state)
{
    struct rig *r = *state;

    emit(r, "1");
    probe(r);
    assert_true(eio_session_ping(r->session));
    fake_turn(&r->fake);
    assert_string_equal("", fake_next(&r->ws));
    get(r);
    assert_string_equal("41\x1e" "2", r->get.body.p);
    assert_true(eio_session_ping(r->session));
    fake_turn(&r->fake);
    fake_text(&r->ws, "5");
    assert_string_equal("2", fake_next(&r->ws));
    fake_text(&r->ws, "3");     /* the one that went by poll */
    assert_heard(r, "pong:1 ");
    fake_text(&r->ws, "3");
    assert_heard(r, "pong:1 ");
}

static void
a_session_that_ends_takes_its_probe_along(void **state)
{
    struct rig *r = *state;

    probe(r);
    assert_int_equal(200, post(r, "1"));
    assert_heard(r, "closed:transport close ");
    assert_string_equal("close:1000", fake_next(&r->ws));
    assert_true(r->ws.is_closed);
}

static void
an_unopened_websocket_is_given_up_too(void **state)
{
    static const struct eio_request_ops  request_ops = { 0 };
    static const struct eio_stream_ops   stream_ops = { 0 };
    struct rig                          *r = *state;
    struct eio_request                   rq = { .ops = &request_ops, .query = tb_str_of(r->ws_query) };

    struct eio_stream *st = eio_engine_upgrade(r->engine, &rq, &stream_ops, NULL);
    assert_non_null(st);
    eio_stream_gone(st);        /* the 101 could not be sent */
    emit(r, "x");
    get(r);
    assert_string_equal("4x", r->get.body.p);
}

static void
upgrades_may_be_turned_off(void **state)
{
    struct rig        *r = *state;
    struct eio_options o = eio_default_options;

    fake_request_fini(&r->get);
    eio_session_unref(&r->session);
    eio_engine_free(&r->engine);
    o.allow_upgrades = false;
    r->engine = r->fake.engine = eio_engine_new(&r->fake.host, &o, &handler, r);
    fake_send(&r->fake, &r->get, EIO_GET, "EIO=4&transport=polling", "");
    assert_non_null(strstr(r->get.body.p, "\"upgrades\":[],"));
    fake_sid_of(r->get.body.p, r->ws_query + strlen("EIO=4&transport=websocket&sid="));
    fake_connect(&r->fake, &r->ws, r->ws_query);
    assert_string_equal("close:1000", fake_next(&r->ws));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_whole_way),
        T(messages_go_by_poll_until_the_client_says_5),
        T(ten_thousand_messages_cross_in_order),
        T(binary_that_waited_is_text_for_a_websocket_that_asked_for_it),
        T(a_get_that_still_waits_at_5_is_ended_by_a_noop),
        T(after_the_upgrade_polling_is_a_bad_request),
        T(a_client_may_skip_the_probe),
        T(a_second_upgrade_is_let_in_and_closed),
        T(a_second_upgrade_that_reads_nothing_is_closed_all_the_same),
        T(a_failed_probe_leaves_the_session_polling),
        T(a_broken_probe_is_told_why),
        T(a_probe_that_hangs_up_is_forgotten),
        T(a_probe_that_takes_too_long_is_given_up),
        T(early_pings_never_go_to_a_probing_websocket),
        T(a_session_that_ends_takes_its_probe_along),
        T(an_unopened_websocket_is_given_up_too),
        T(upgrades_may_be_turned_off),
    };
    return tap_run(tests);
}
