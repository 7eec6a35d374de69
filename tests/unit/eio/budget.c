/* What clients hold in memory and how long they take: who pays, who has to wait, who is closed. */
#include "fake.h"
#include "tap.h"

#include <stdio.h>

enum {
    MAX_HELD = 20000, MAX_PAYLOAD = 30000,
    TURN_MS = 5,
    COST_MS = 3,                        /* of every message: the second one of a turn ends it */
};

struct world {
    struct fake        fake;
    struct eio_engine *engine;
    struct tb_buf      heard;           /* the first byte of each message */
    struct eio_session *last;           /* referenced */
    size_t             hold;            /* what the application holds for who sends next */
    bool               was_held;
};

static void
on_open(void *ctx, struct eio_session *s, const struct eio_request *rq)
{
    struct world *w = ctx;

    (void)rq;
    eio_session_unref(&w->last);
    w->last = eio_session_ref(s);
}

static void
on_message(void *ctx, struct eio_session *s, tb_str data, bool is_binary)
{
    struct world *w = ctx;

    (void)is_binary;
    tb_buf_add_char(&w->heard, data.p[0]);
    w->fake.now_ms += COST_MS;
    w->was_held = eio_session_hold(s, w->hold);
}

static const struct eio_handler handler = { .on_open = on_open, .on_message = on_message };

static int
setup(void **state)
{
    struct world      *w = TB_NEW(struct world);
    struct eio_options o = eio_default_options;

    o.max_payload = MAX_PAYLOAD;
    o.max_queued = 4 * MAX_HELD;
    o.max_held = MAX_HELD;
    o.turn_ms = TURN_MS;
    fake_init(&w->fake);
    w->engine = w->fake.engine = eio_engine_new(&w->fake.host, &o, &handler, w);
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;

    eio_session_unref(&w->last);
    eio_engine_free(&w->engine);
    tb_buf_fini(&w->heard);
    tb_free(w);
    return 0;
}

static size_t
held(const struct world *w)
{
    struct eio_stats s;

    eio_engine_stats(w->engine, &s);
    return (size_t)s.bytes_held;
}

static void
assert_heard(struct world *w, const char *expected)
{
    assert_string_equal(expected, w->heard.n > 0 ? w->heard.p : "");
    tb_buf_clear(&w->heard);
}

/* ---- clients ---- */

static struct eio_session *
come_in(struct world *w, struct fake_stream *s, const char *payer)
{
    fake_connect(&w->fake, s, "EIO=4&transport=websocket");
    fake_next(s);
    eio_session_set_payer(w->last, tb_str_of(payer));
    return w->last;
}

/* The header of a frame with n bytes of payload, and so many of them, all c; the mask is 0. */
static void
send_part(struct fake_stream *s, unsigned first_byte, size_t n, size_t n_sent, char c)
{
    struct tb_buf b = TB_BUF_INIT;

    tb_buf_add_char(&b, (char)first_byte);
    tb_buf_add_char(&b, (char)(0x80 | (n < 126 ? n : 126)));
    if (n >= 126) {
        tb_buf_add_char(&b, (char)(n >> 8));
        tb_buf_add_char(&b, (char)(n & 0xff));
    }
    tb_buf_add(&b, (tb_str){ .p = "\0\0\0", .n = 4 });
    for (size_t i = 0; i < n_sent; i++)
        tb_buf_add_char(&b, i == 0 && (first_byte & 0xf) == 1 ? '4' : c);
    fake_bytes(s, tb_buf_str(&b));
    tb_buf_fini(&b);
}

static void
send_rest(struct fake_stream *s, size_t n, char c)
{
    struct tb_buf b = TB_BUF_INIT;

    for (size_t i = 0; i < n; i++)
        tb_buf_add_char(&b, c);
    fake_bytes(s, tb_buf_str(&b));
    tb_buf_fini(&b);
}

static void
send_event(struct fake_stream *s, char c)
{
    send_part(s, 0x81, 2, 2, c);
}

enum { MANY = 8 };

static void
connect_all(struct world *w, struct fake_stream s[], size_t n, const char *payer)
{
    char name[24];

    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, payer, (int)i);
        come_in(w, &s[i], name);
    }
}

static void
fini_all(struct fake_stream s[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        fake_stream_fini(&s[i]);
}

/* ---- memory ---- */

static void
whoever_holds_too_much_is_closed_and_others_are_not(void **state)
{
    static const struct { const char *says; unsigned first_byte; } cases[] = {
        { "a text that never ends", 0x81 }, { "binary", 0x82 }, { "fragments", 0x01 },
    };
    struct world      *w = *state;
    struct fake_stream bad[MANY], good;

    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        size_t n_closed = 0;
        come_in(w, &good, "good");
        connect_all(w, bad, MANY, "bad");
        for (size_t i = 0; i < MANY; i++)
            send_part(&bad[i], cases[k].first_byte, 8000, cases[k].first_byte == 0x01 ? 8000 : 7999, 'x');
        send_part(&good, 0x81, 8000, 7999, 'g');
        fake_turn(&w->fake);
        for (size_t i = 0; i < MANY; i++)
            n_closed += strcmp(fake_next(&bad[i]), "close:1013") == 0;
        if (n_closed == 0 || n_closed == MANY || held(w) > 2 * MAX_HELD)
            fail_msg("%s: %zu closed, %zu held", cases[k].says, n_closed, held(w));
        send_rest(&good, 1, 'g');
        fake_turn(&w->fake);
        assert_heard(w, "g");
        assert_string_equal("", fake_next(&good));
        fini_all(bad, MANY);
        fake_stream_fini(&good);
        assert_int_equal(0, held(w));
    }
}

static void
each_of_many_payers_holds_its_share_at_most(void **state)
{
    enum { PAYERS = 40 };
    struct world      *w = *state;
    struct fake_stream s[PAYERS];

    connect_all(w, s, PAYERS, "p%d");
    for (size_t i = 0; i < PAYERS; i++)
        send_part(&s[i], 0x81, 10000, 9000, 'x');
    assert_true(held(w) <= 2 * MAX_HELD + 10000);
    fake_turn(&w->fake);
    fini_all(s, PAYERS);
}

static void
little_is_held_for_anybody(void **state)
{
    struct world      *w = *state;
    struct fake_stream bad[3], s;

    connect_all(w, bad, 3, "p%d");
    for (size_t i = 0; i < 3; i++)
        send_part(&bad[i], 0x81, 9000, 8990, 'x');
    come_in(w, &s, "p0");
    send_part(&s, 0x81, 2000, 1999, 's');
    send_rest(&s, 1, 's');
    fake_turn(&w->fake);
    assert_heard(w, "s");
    fini_all(bad, 3);
    fake_stream_fini(&s);
}

static void
a_partial_frame_ends_with_its_session(void **state)
{
    static const unsigned first_bytes[] = { 0x81, 0x82, 0x01 };
    struct world         *w = *state;
    struct fake_stream    s;

    for (size_t k = 0; k < sizeof first_bytes / sizeof *first_bytes; k++) {
        struct eio_session *session = come_in(w, &s, "p");
        send_part(&s, first_bytes[k], 9000, first_bytes[k] == 0x01 ? 9000 : 5000, 'x');
        assert_true(held(w) > 5000);
        eio_session_close(session, EIO_AFTER_FLUSH);
        assert_int_equal(0, held(w));
        fake_turn(&w->fake);
        assert_string_equal("close:1000", fake_next(&s));
        if (first_bytes[k] != 0x01)
            send_rest(&s, 4000, 'x');
        send_part(&s, first_bytes[k] == 0x01 ? 0x80 : 0x81, 9000, 9000, 'y');
        assert_int_equal(0, held(w));
        assert_heard(w, "");
        send_part(&s, 0x88, 0, 0, 'c');         /* the peer's goodbye is still understood */
        assert_true(s.is_closed);
        fake_stream_fini(&s);
    }
}

static void
a_longer_message_than_the_session_may_send_closes_it_before_it_comes(void **state)
{
    struct world      *w = *state;
    struct fake_stream s;
    struct eio_session *session = come_in(w, &s, "p");

    eio_session_set_max_message(session, 100);
    send_event(&s, 'a');
    send_part(&s, 0x81, 101, 0, 'b');
    fake_turn(&w->fake);
    assert_string_equal("close:1009", fake_next(&s));
    assert_int_equal(0, held(w));
    assert_heard(w, "a");
    fake_stream_fini(&s);

    session = come_in(w, &s, "p");
    eio_session_set_max_message(session, 100);
    send_part(&s, 0x01, 60, 60, 'a');
    send_part(&s, 0x80, 41, 0, 'a');
    fake_turn(&w->fake);
    assert_string_equal("close:1009", fake_next(&s));
    fake_stream_fini(&s);
}

static void
a_limit_that_is_lifted_holds_from_the_next_message_on(void **state)
{
    struct world      *w = *state;
    struct fake_stream s;
    struct eio_session *session = come_in(w, &s, "p");

    eio_session_set_max_message(session, 10);
    eio_session_set_max_message(session, MAX_PAYLOAD);
    send_part(&s, 0x81, 9000, 9000, 'a');
    assert_heard(w, "a");
    send_part(&s, 0x81, 9000, 5000, 'b');
    eio_session_set_max_message(session, 10);
    send_rest(&s, 4000, 'b');                   /* it was promised room */
    assert_heard(w, "b");
    fake_turn(&w->fake);
    send_part(&s, 0x01, 9, 9, 'c');
    send_part(&s, 0x80, 2, 2, 'c');
    fake_turn(&w->fake);
    assert_string_equal("close:1009", fake_next(&s));
    fake_stream_fini(&s);
}

static void
a_probe_may_say_little(void **state)
{
    struct world       *w = *state;
    struct fake_request r;
    struct fake_stream  s;
    char                sid[21], query[64];

    fake_send(&w->fake, &r, EIO_GET, "EIO=4&transport=polling", "");
    fake_sid_of(r.body.p, sid);
    fake_request_fini(&r);
    snprintf(query, sizeof query, "EIO=4&transport=websocket&sid=%s", sid);
    fake_connect(&w->fake, &s, query);
    send_part(&s, 0x81, 9000, 100, 'x');
    fake_turn(&w->fake);
    assert_string_equal("close:1009", fake_next(&s));
    assert_int_equal(0, held(w));
    fake_stream_fini(&s);
    fake_connect(&w->fake, &s, query);
    fake_text(&s, "2probe");
    fake_text(&s, "5");
    send_part(&s, 0x81, 9000, 9000, 'a');
    assert_heard(w, "a");
    fake_stream_fini(&s);
}

static void
what_the_application_holds_counts(void **state)
{
    struct world      *w = *state;
    struct fake_stream s, other;

    come_in(w, &s, "p");
    come_in(w, &other, "q");
    w->hold = MAX_HELD;
    send_event(&s, 'a');
    assert_true(w->was_held);
    assert_int_equal(MAX_HELD, held(w));
    send_part(&other, 0x81, 100, 99, 'x');
    fake_turn(&w->fake);
    w->hold = MAX_HELD / 2;
    send_event(&s, 'b');
    assert_true(w->was_held);
    w->hold = MAX_HELD;                 /* alone it might, but now half of it is the other's */
    fake_turn(&w->fake);
    send_event(&s, 'c');
    assert_false(w->was_held);
    fake_stream_fini(&s);
    fake_stream_fini(&other);
    assert_int_equal(0, held(w));
}

/* ---- what waits for clients ---- */

static struct eio_frame *
large_frame(size_t n)
{
    char             *text = tb_alloc(n);
    struct eio_frame *f = eio_frame_text((tb_str){ .p = memset(text, 'x', n), .n = n });

    tb_free(text);
    return f;
}

static void
what_waits_for_one_client_alone_is_held_and_what_waits_for_many_once(void **state)
{
    struct world       *w = *state;
    struct fake_stream  s[3];
    struct eio_session *to[3];
    struct eio_frame   *f = large_frame(5000);

    for (int i = 0; i < 3; i++) {
        to[i] = come_in(w, &s[i], "p");
        s[i].is_stuck = true;
        assert_int_equal(EIO_SENT, eio_session_send(to[i], &f, 1));
    }
    eio_frame_unref(&f);
    assert_int_equal(5005, held(w));
    fake_turn(&w->fake);
    for (int i = 0; i < 3; i++)
        fake_unstick(&s[i]);
    assert_int_equal(0, held(w));
    fini_all(s, 3);
}

static void
a_client_that_does_not_read_gets_its_share_and_no_more(void **state)
{
    struct world      *w = *state;
    struct fake_stream slow[2], good;
    struct eio_session *to[2];
    enum eio_sent      sent[2] = { EIO_SENT, EIO_SENT };

    for (int i = 0; i < 2; i++) {
        to[i] = come_in(w, &slow[i], i == 0 ? "p" : "q");
        slow[i].is_stuck = true;
    }
    for (int k = 0; k < 100; k++) {
        struct eio_frame *f = large_frame(1000);
        sent[k % 2] = eio_session_send(to[k % 2], &f, 1);
        eio_frame_unref(&f);
    }
    assert_int_equal(EIO_FULL, sent[0]);
    assert_int_equal(EIO_FULL, sent[1]);
    assert_true(held(w) <= MAX_HELD + 2 * 1100);
    assert_true(eio_session_max_queued(to[0]) <= MAX_HELD / 2);
    struct eio_session *third = come_in(w, &good, "r");
    struct eio_frame   *f = large_frame(3000);
    assert_int_equal(EIO_SENT, eio_session_send(third, &f, 1));
    eio_frame_unref(&f);
    fini_all(slow, 2);
    fake_stream_fini(&good);
    assert_int_equal(0, held(w));
}

/* ---- time ---- */

static void
what_comes_together_is_handled_over_several_turns(void **state)
{
    struct world      *w = *state;
    struct fake_stream s[MANY];

    connect_all(w, s, MANY, "p%d");
    fake_turn(&w->fake);
    for (size_t i = 0; i < MANY; i++)
        send_event(&s[i], (char)('a' + i));
    assert_heard(w, "ab");                      /* after the second the turn is over */
    fake_turn(&w->fake);
    for (const char *expected = "cdefgh"; *expected != '\0'; expected += 2) {
        assert_true(w->fake.wake_ms <= w->fake.now_ms);
        eio_engine_tick(w->engine);
        assert_int_equal(2, w->heard.n);
        fake_turn(&w->fake);
        tb_buf_clear(&w->heard);
    }
    assert_true(w->fake.wake_ms > w->fake.now_ms);
    fini_all(s, MANY);
}

static void
what_one_client_sends_at_once_is_handled_in_order_over_several_turns(void **state)
{
    struct world      *w = *state;
    struct fake_stream s, other;
    struct tb_buf      all = TB_BUF_INIT;

    come_in(w, &s, "p");
    come_in(w, &other, "q");
    fake_turn(&w->fake);
    for (int c = 'a'; c < 'h'; c++) {
        tb_buf_add(&all, (tb_str){ .p = "\x81\x82\0\0\0\0", .n = 6 });
        tb_buf_add_char(&all, '4');
        tb_buf_add_char(&all, (char)c);
    }
    fake_bytes(&s, tb_buf_str(&all));
    tb_buf_fini(&all);
    send_event(&other, 'o');
    assert_heard(w, "ab");
    fake_turn(&w->fake);
    eio_engine_tick(w->engine);
    assert_true(memchr(w->heard.p, 'o', w->heard.n) != NULL);      /* the other does not wait for all of it */
    fake_advance(&w->fake, 100);
    assert_int_equal(6, w->heard.n);
    for (char c = 'c', *at = w->heard.p; c < 'h'; c++, at++) {
        at += *at == 'o';
        assert_int_equal(c, *at);
    }
    tb_buf_clear(&w->heard);
    fake_stream_fini(&s);
    fake_stream_fini(&other);
}

/* Many connections of one payer, each with a large message, before a small one of another. */
static void
small_things_go_before_large_ones_and_payers_take_turns(void **state)
{
    struct world      *w = *state;
    struct fake_stream bad[MANY], good;

    connect_all(w, bad, MANY, "bad");
    come_in(w, &good, "good");
    for (size_t i = 0; i < MANY; i++)
        send_part(&bad[i], 0x81, 500, 499, 'b');
    fake_turn(&w->fake);
    for (size_t i = 0; i < MANY; i++)
        send_rest(&bad[i], 1, 'b');
    send_event(&good, 'g');
    assert_heard(w, "bb");
    fake_turn(&w->fake);
    eio_engine_tick(w->engine);
    assert_heard(w, "gb");
    fake_advance(&w->fake, 100);
    assert_heard(w, "bbbbb");
    fini_all(bad, MANY);
    fake_stream_fini(&good);
}

static void
posts_wait_their_turn_too(void **state)
{
    struct world       *w = *state;
    struct fake_request open, post[4], gone;
    struct fake_stream  s;
    char                sid[21], query[64];

    fake_send(&w->fake, &open, EIO_GET, "EIO=4&transport=polling", "");
    fake_sid_of(open.body.p, sid);
    snprintf(query, sizeof query, "EIO=4&transport=polling&sid=%s", sid);
    come_in(w, &s, "q");
    fake_turn(&w->fake);
    for (int i = 0; i < 4; i++) {
        fake_request_init(&post[i], EIO_POST, query, i % 2 == 0 ? "4a" : "4b");
        eio_engine_request(w->engine, &post[i].rq);
        assert_int_equal(i < 2 ? 200 : 0, post[i].status);
    }
    fake_request_init(&gone, EIO_POST, query, "4z");
    eio_engine_request(w->engine, &gone.rq);
    fake_request_fini(&gone);
    send_event(&s, 'o');
    assert_true(held(w) >= 4);
    fake_advance(&w->fake, 100);
    assert_int_equal(5, w->heard.n);
    assert_null(strchr(w->heard.p, 'z'));
    tb_buf_clear(&w->heard);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(200, post[i].status);
        fake_request_fini(&post[i]);
    }
    assert_int_equal(0, held(w));
    fake_request_fini(&open);
    fake_stream_fini(&s);
}

static void
a_post_that_is_longer_than_the_session_may_send_is_refused(void **state)
{
    struct world       *w = *state;
    struct fake_request open, post;
    char                sid[21], query[64];

    fake_send(&w->fake, &open, EIO_GET, "EIO=4&transport=polling", "");
    fake_sid_of(open.body.p, sid);
    snprintf(query, sizeof query, "EIO=4&transport=polling&sid=%s", sid);
    assert_int_equal(MAX_PAYLOAD, eio_engine_max_body(w->engine, tb_str_of(query)));
    eio_session_set_max_message(w->last, 4);
    assert_int_equal(4, eio_engine_max_body(w->engine, tb_str_of(query)));
    assert_true(eio_engine_max_body(w->engine, TB_LIT("EIO=4&transport=polling&sid=nobody")) < MAX_PAYLOAD);
    fake_send(&w->fake, &post, EIO_POST, query, "4abcd");
    assert_int_equal(413, post.status);
    fake_request_fini(&post);
    fake_send(&w->fake, &post, EIO_POST, query, "4abc");
    assert_int_equal(200, post.status);
    assert_heard(w, "a");
    fake_request_fini(&post);
    fake_request_fini(&open);
}

static void
what_waits_when_all_ends_is_handled_or_answered(void **state)
{
    struct world       *w = *state;
    struct fake_request open, post;
    struct fake_stream  s[MANY];
    char                sid[21], query[64];

    fake_send(&w->fake, &open, EIO_GET, "EIO=4&transport=polling", "");
    fake_sid_of(open.body.p, sid);
    snprintf(query, sizeof query, "EIO=4&transport=polling&sid=%s", sid);
    connect_all(w, s, MANY, "p%d");
    fake_turn(&w->fake);
    for (size_t i = 0; i < MANY; i++)
        send_event(&s[i], 'x');
    fake_request_init(&post, EIO_POST, query, "4p");
    eio_engine_request(w->engine, &post.rq);
    assert_int_equal(0, post.status);
    eio_engine_close(w->engine);
    assert_int_equal(MANY + 1, w->heard.n);
    assert_int_equal(200, post.status);
    fake_turn(&w->fake);
    fake_request_fini(&post);
    fake_request_fini(&open);
    fini_all(s, MANY);
    tb_buf_clear(&w->heard);
}

static void
a_stream_that_waits_may_end(void **state)
{
    struct world      *w = *state;
    struct fake_stream s[MANY];

    connect_all(w, s, MANY, "p");
    fake_turn(&w->fake);
    for (size_t i = 0; i < MANY; i++)
        send_event(&s[i], (char)('a' + i));
    assert_heard(w, "ab");
    fake_hang_up(&s[2]);
    fake_hang_up(&s[4]);
    eio_session_close(w->last, EIO_AT_ONCE);
    fake_advance(&w->fake, 100);
    assert_heard(w, "dfg");
    fini_all(s, MANY);
    assert_int_equal(0, held(w));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(whoever_holds_too_much_is_closed_and_others_are_not),
        T(each_of_many_payers_holds_its_share_at_most),
        T(little_is_held_for_anybody),
        T(a_partial_frame_ends_with_its_session),
        T(a_longer_message_than_the_session_may_send_closes_it_before_it_comes),
        T(a_limit_that_is_lifted_holds_from_the_next_message_on),
        T(a_probe_may_say_little),
        T(what_the_application_holds_counts),
        T(what_waits_for_one_client_alone_is_held_and_what_waits_for_many_once),
        T(a_client_that_does_not_read_gets_its_share_and_no_more),
        T(what_comes_together_is_handled_over_several_turns),
        T(what_one_client_sends_at_once_is_handled_in_order_over_several_turns),
        T(small_things_go_before_large_ones_and_payers_take_turns),
        T(posts_wait_their_turn_too),
        T(a_post_that_is_longer_than_the_session_may_send_is_refused),
        T(what_waits_when_all_ends_is_handled_or_answered),
        T(a_stream_that_waits_may_end),
    };
    return tap_run(tests);
}
