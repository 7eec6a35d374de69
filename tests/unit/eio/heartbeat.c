/* Heartbeat and early pings, and clients that do not read. */
#include "app.h"

#include <stdio.h>

/* ---- heartbeat ---- */

static void
the_server_pings_and_goes_on_as_long_as_pongs_come(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    fake_next(&s);
    for (int i = 0; i < 5; i++) {
        fake_advance(&a->fake, 24999);
        assert_string_equal("", fake_next(&s));
        fake_advance(&a->fake, 1);
        assert_string_equal("2", fake_next(&s));
        fake_advance(&a->fake, 19999);
        fake_text(&s, "3");
    }
    assert_false(s.is_closed);
    fake_stream_fini(&s);
}

static void
without_a_pong_the_session_ends(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;
    struct poller      p;

    poller_open(a, &p);
    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    tb_buf_clear(&a->heard);
    fake_advance(&a->fake, 44999);
    assert_heard(a, "");
    fake_advance(&a->fake, 1);
    assert_heard(a, "closed:ping timeout closed:ping timeout ");
    assert_true(is_gone(&p));
    assert_true(s.is_closed);
    fake_stream_fini(&s);
    poller_fini(&p);
}

static void
an_early_ping_proves_what_was_sent_before_it(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    tb_buf_clear(&a->heard);
    send_text(a->last, "1");
    send_text(a->last, "2");
    assert_true(eio_session_ping(a->last));
    send_text(a->last, "3");
    assert_int_equal(3, eio_session_sent(a->last));
    fake_turn(&a->fake);
    assert_true(eio_session_ping(a->last));
    fake_text(&s, "3");
    assert_heard(a, "pong:2 ");
    fake_text(&s, "3");
    assert_heard(a, "pong:3 ");
    fake_text(&s, "3");
    assert_heard(a, "");        /* a pong that answers nothing proves nothing */
    assert_true(eio_session_ping(a->last));
    fake_text(&s, "3");
    assert_heard(a, "pong:3 ");
    fake_stream_fini(&s);
}

static void
heartbeats_and_early_pings_are_answered_in_order(void **state)
{
    struct app   *a = *state;
    struct poller p;

    poller_open(a, &p);
    send_text(a->last, "1");
    fake_advance(&a->fake, 24000);
    assert_true(eio_session_ping(a->last));
    send_text(a->last, "2");
    fake_advance(&a->fake, 1000);       /* the heartbeat */
    send_text(a->last, "3");
    poll_get(&p);
    assert_got(&p, 200, "41\x1e" "2\x1e" "42\x1e" "2\x1e" "43");
    poll_post(&p, "3");
    assert_heard(a, "pong:1 ");
    poll_post(&p, "3");
    assert_heard(a, "pong:2 ");
    poller_fini(&p);
}

static void
a_proof_comes_with_the_answer_that_has_its_ping(void **state)
{
    struct app   *a = *state;
    struct poller p;

    poller_open(a, &p);
    for (int i = 0; i < 40; i++)
        send_text(a->last, "x");
    assert_true(eio_session_ping(a->last));
    for (int i = 0; i < 3; i++)
        poll_get(&p);
    assert_heard(a, "");
    assert_got(&p, 200, "4x\x1e" "4x\x1e" "4x\x1e" "4x\x1e" "4x\x1e" "4x\x1e" "4x\x1e" "4x\x1e" "2");
    poll_post(&p, "3");
    assert_heard(a, "pong:40 ");
    poller_fini(&p);
}

/* Nineteen answers, each just in time: the heartbeat's ping comes with the last of them. */
static void
a_client_that_still_fetches_what_waits_is_alive(void **state)
{
    struct app   *a = *state;
    struct poller p;
    int           left = 300;

    poller_open(a, &p);
    for (int i = 0; i < left; i++)
        send_text(a->last, "");
    fake_advance(&a->fake, 25000);      /* the heartbeat */
    for (; left > 0; left -= 16) {
        fake_advance(&a->fake, 19000);
        poll_get(&p);
        assert_int_equal(200, p.get.status);
    }
    assert_int_equal('2', p.get.body.p[p.get.body.n - 1]);
    tb_buf_clear(&a->heard);
    fake_advance(&a->fake, 19999);      /* it has been told, and answers, or not */
    assert_heard(a, "");
    fake_advance(&a->fake, 1);
    assert_heard(a, "closed:ping timeout ");
    poller_fini(&p);
}

static void
a_client_that_stops_fetching_is_not(void **state)
{
    struct app   *a = *state;
    struct poller p;

    poller_open(a, &p);
    for (int i = 0; i < 40; i++)
        send_text(a->last, "");
    fake_advance(&a->fake, 25000);
    poll_get(&p);
    fake_advance(&a->fake, 19999);
    assert_heard(a, "");
    fake_advance(&a->fake, 1);
    assert_heard(a, "closed:ping timeout ");
    poller_fini(&p);
}

static void
there_are_never_many_pings_without_pongs(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    fake_next(&s);
    for (int i = 0; i < EIO_MAX_PINGS; i++)
        assert_true(eio_session_ping(a->last));
    assert_false(eio_session_ping(a->last));
    fake_advance(&a->fake, 25000);      /* no place for the heartbeat's: the others will do */
    for (int i = 0; i < EIO_MAX_PINGS; i++)
        assert_string_equal("2", fake_next(&s));
    assert_string_equal("", fake_next(&s));
    tb_buf_clear(&a->heard);
    fake_advance(&a->fake, 20000);
    assert_heard(a, "closed:ping timeout ");
    fake_stream_fini(&s);
}

static void
an_early_ping_ends_nothing_before_the_heartbeat_would(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    tb_buf_clear(&a->heard);
    assert_true(eio_session_ping(a->last));
    fake_advance(&a->fake, 44999);
    assert_heard(a, "");
    fake_text(&s, "3");                 /* the early one's: the client is alive, the heartbeat's is still to come */
    fake_advance(&a->fake, 19999);
    assert_heard(a, "pong:0 ");
    fake_advance(&a->fake, 1);
    assert_heard(a, "closed:ping timeout ");
    fake_stream_fini(&s);
}

/* ---- back-pressure ---- */

static void
a_queue_has_an_end_and_says_so(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;
    struct eio_stats   stats;
    char               text[500];
    struct eio_frame  *f[2];

    memset(text, 'x', sizeof text);
    f[0] = f[1] = eio_frame_text((tb_str){ .p = text, .n = 395 });      /* 400 bytes with its headers */
    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    s.is_stuck = true;
    for (int i = 0; i < 4; i++)
        assert_int_equal(EIO_SENT, eio_session_send(a->last, f, 1));
    assert_int_equal(EIO_FULL, eio_session_send(a->last, f, 2));        /* all or none */
    assert_int_equal(EIO_SENT, eio_session_send(a->last, f, 1));
    assert_int_equal(EIO_FULL, eio_session_send(a->last, f, 1));
    assert_int_equal(2000, eio_session_queued(a->last));
    eio_engine_stats(a->engine, &stats);
    assert_int_equal(2000, stats.bytes_queued);
    assert_int_equal(2, stats.refused_full);
    fake_turn(&a->fake);
    assert_int_equal(EIO_FULL, eio_session_send(a->last, f, 1));        /* what is being written counts */
    fake_unstick(&s);
    assert_int_equal(0, eio_session_queued(a->last));
    assert_int_equal(EIO_SENT, eio_session_send(a->last, f, 2));
    assert_int_equal(7, eio_session_sent(a->last));
    eio_frame_unref(&f[0]);
    fake_stream_fini(&s);
}

static void
a_single_packet_may_be_larger_than_the_bound(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;
    char               text[5000];

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    assert_true(eio_session_ping(a->last));
    send_text(a->last, text);       /* also behind a ping */
    fake_turn(&a->fake);
    assert_int_equal(0, eio_session_queued(a->last));
    fake_stream_fini(&s);
}

static void
drained_is_told_once_when_asked_for(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;
    struct poller      p;

    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    tb_buf_clear(&a->heard);
    s.is_stuck = true;
    send_text(a->last, "1");
    eio_session_want_drain(a->last);
    fake_turn(&a->fake);
    assert_heard(a, "");
    fake_unstick(&s);
    assert_heard(a, "drain ");
    send_text(a->last, "2");
    fake_turn(&a->fake);
    assert_heard(a, "");
    eio_session_want_drain(a->last);
    assert_heard(a, "");            /* never from inside the call */
    fake_turn(&a->fake);
    assert_heard(a, "drain ");
    poller_open(a, &p);
    send_text(a->last, "1");
    eio_session_want_drain(a->last);
    fake_turn(&a->fake);
    assert_heard(a, "");
    poll_get(&p);
    assert_heard(a, "drain ");
    fake_stream_fini(&s);
    poller_fini(&p);
}

static void
writable_means_that_nothing_older_waits(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;
    struct poller      p;

    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    assert_true(eio_session_is_writable(a->last));
    s.is_stuck = true;
    send_text(a->last, "1");
    assert_true(eio_session_is_writable(a->last));      /* it leaves with this turn */
    fake_turn(&a->fake);
    assert_false(eio_session_is_writable(a->last));
    fake_unstick(&s);
    assert_true(eio_session_is_writable(a->last));
    poller_open(a, &p);
    assert_false(eio_session_is_writable(a->last));
    poll_get(&p);
    assert_true(eio_session_is_writable(a->last));
    for (int i = 0; i < 16; i++)
        send_text(a->last, "x");
    assert_false(eio_session_is_writable(a->last));     /* the answer is full */
    fake_stream_fini(&s);
    poller_fini(&p);
}

static void
a_stuck_write_is_cut(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    for (int i = 0; i < 3; i++) {
        fake_advance(&a->fake, 20000);
        fake_text(&s, "3");
    }
    tb_buf_clear(&a->heard);
    s.is_stuck = true;
    send_text(a->last, "1");
    fake_turn(&a->fake);
    for (int i = 0; i < 2; i++) {
        fake_advance(&a->fake, 14999);
        fake_text(&s, "3");     /* it talks, but does not read */
    }
    assert_false(s.is_closed);
    fake_advance(&a->fake, 2);
    tb_str heard = tb_buf_str(&a->heard), end = TB_LIT("closed:transport error ");
    assert_true(heard.n >= end.n && memcmp(heard.p + heard.n - end.n, end.p, end.n) == 0);
    assert_true(s.is_closed);
    fake_stream_fini(&s);
}

static void
the_counters_come_back_to_nothing(void **state)
{
    struct app        *a = *state;
    struct poller      p;
    struct fake_stream s;
    struct eio_stats   stats;

    poller_open(a, &p);
    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    fake_text(&s, "4echo");
    eio_engine_stats(a->engine, &stats);
    assert_true(stats.sessions == 2 && stats.polling == 1 && stats.streaming == 1 && stats.opened == 2);
    assert_true(stats.messages_in == 1 && stats.messages_out == 1);
    poll_post(&p, "1");
    fake_hang_up(&s);
    eio_engine_stats(a->engine, &stats);
    assert_true(stats.sessions == 0 && stats.polling == 0 && stats.streaming == 0 && stats.bytes_queued == 0);
    assert_int_equal(2, stats.closed[EIO_TRANSPORT_CLOSE]);
    fake_stream_fini(&s);
    poller_fini(&p);
}

/* ---- clients that send without end ---- */

static void
too_many_frames_end_the_session_whatever_they_are(void **state)
{
    struct app *a = *state;

    static const struct { unsigned begin, first; const char *payload; } floods[] = {
        { 0x89, 0x89, "ping" }, { 0x8a, 0x8a, "" }, { 0x01, 0x00, "" }, { 0x81, 0x81, "6" }, { 0x82, 0x82, "x" },
    };
    for (size_t i = 0; i < sizeof floods / sizeof floods[0]; i++) {
        struct fake_stream s;
        struct eio_stats   before, after;
        eio_engine_stats(a->engine, &before);
        fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
        fake_advance(&a->fake, 10);
        fake_frame(&s, floods[i].begin, tb_str_of(floods[i].payload));
        for (int n = 1; n < 4000; n++)
            assert_true(fake_frame(&s, floods[i].first, tb_str_of(floods[i].payload)));
        fake_turn(&a->fake);
        assert_false(s.is_closed);
        fake_frame(&s, floods[i].first, tb_str_of(floods[i].payload));
        fake_turn(&a->fake);
        assert_true(s.is_closed);
        eio_engine_stats(a->engine, &after);
        assert_int_equal(1, after.too_fast - before.too_fast);
        fake_stream_fini(&s);
    }
}

static void
as_many_in_their_time_are_fine(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    fake_connect(&a->fake, &s, "EIO=4&transport=websocket");
    for (int i = 0; i < 3; i++) {
        for (int n = 0; n < 4000; n++)
            assert_true(fake_text(&s, "6"));
        fake_advance(&a->fake, 4000);
    }
    assert_false(s.is_closed);
    fake_stream_fini(&s);
}

static void
packets_by_polling_are_counted_one_by_one(void **state)
{
    struct app   *a = *state;
    struct poller p;
    struct tb_buf body = TB_BUF_INIT;

    poller_open(a, &p);
    for (int n = 0; n < 400; n++)
        tb_buf_add(&body, n == 0 ? TB_LIT("6") : TB_LIT("\x1e" "6"));
    for (int n = 0; n < 10; n++)
        assert_int_equal(200, poll_post(&p, body.p));
    assert_int_equal(400, poll_post(&p, "6"));
    tb_buf_fini(&body);
    poller_fini(&p);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, app_setup, app_teardown)
    const struct CMUnitTest tests[] = {
        T(the_server_pings_and_goes_on_as_long_as_pongs_come),
        T(without_a_pong_the_session_ends),
        T(an_early_ping_proves_what_was_sent_before_it),
        T(heartbeats_and_early_pings_are_answered_in_order),
        T(a_proof_comes_with_the_answer_that_has_its_ping),
        T(a_client_that_still_fetches_what_waits_is_alive),
        T(a_client_that_stops_fetching_is_not),
        T(there_are_never_many_pings_without_pongs),
        T(an_early_ping_ends_nothing_before_the_heartbeat_would),
        T(a_queue_has_an_end_and_says_so),
        T(a_single_packet_may_be_larger_than_the_bound),
        T(drained_is_told_once_when_asked_for),
        T(writable_means_that_nothing_older_waits),
        T(a_stuck_write_is_cut),
        T(the_counters_come_back_to_nothing),
        T(too_many_frames_end_the_session_whatever_they_are),
        T(as_many_in_their_time_are_fine),
        T(packets_by_polling_are_counted_one_by_one),
    };
    return tap_run(tests);
}
