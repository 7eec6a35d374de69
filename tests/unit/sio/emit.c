/* Whom an emit reaches: rooms, volatile messages, full queues; and what a pong says about it. */
#include "app.h"

#include <stdio.h>

/* ---- rooms ---- */

#define ROOMS(...) .rooms = (tb_str[]){ __VA_ARGS__ }, .n_rooms = sizeof((tb_str[]){ __VA_ARGS__ }) / sizeof(tb_str)
#define EXCEPT(...) .except = (tb_str[]){ __VA_ARGS__ }, .n_except = sizeof((tb_str[]){ __VA_ARGS__ }) / sizeof(tb_str)

/* Three clients: 0 in a and b, 1 in b, 2 in c. */
struct three {
    struct fake_stream s[3];
    struct sio_socket *sk[3];
};

static void
three_open(struct app *a, struct three *t)
{
    for (int i = 0; i < 3; i++) {
        client_join(a, &t->s[i]);
        t->sk[i] = sio_socket_ref(a->last);
    }
    sio_join(t->sk[0], TB_LIT("a"));
    sio_join(t->sk[0], TB_LIT("b"));
    sio_join(t->sk[1], TB_LIT("b"));
    sio_join(t->sk[2], TB_LIT("c"));
}

static void
three_fini(struct three *t)
{
    for (int i = 0; i < 3; i++) {
        fake_stream_fini(&t->s[i]);
        sio_socket_unref(&t->sk[i]);
    }
}

static void
an_emit_reaches_whom_it_means_each_once(void **state)
{
    struct app  *a = *state;
    struct three t;
    three_open(a, &t);
    tb_str id1 = sio_socket_id(t.sk[1]);
    const struct {
        const char       *says;
        struct sio_target to;
        const char       *receivers;
    } cases[] = {
        { "all", { 0 }, "012" },
        { "a room", { ROOMS(TB_LIT("b")) }, "01" },
        { "rooms that overlap", { ROOMS(TB_LIT("a"), TB_LIT("b")) }, "01" },
        { "the same room twice", { ROOMS(TB_LIT("b"), TB_LIT("b")) }, "01" },
        { "an empty room", { ROOMS(TB_LIT("nobody")) }, "" },
        { "a room but one socket", { ROOMS(TB_LIT("b")), .except_socket = t.sk[0] }, "1" },
        { "a room but another", { ROOMS(TB_LIT("b")), EXCEPT(TB_LIT("a")) }, "1" },
        { "all but one socket", { .except_socket = t.sk[1] }, "02" },
        { "all but a room", { EXCEPT(TB_LIT("b")) }, "2" },
        { "all but two rooms", { EXCEPT(TB_LIT("a"), TB_LIT("c")) }, "1" },
        { "all but an empty room", { EXCEPT(TB_LIT("nobody")) }, "012" },
        { "one by its id", { ROOMS(id1) }, "1" },
        { "a room and one by its id", { ROOMS(TB_LIT("c"), id1) }, "12" },
        { "all but one by its id", { EXCEPT(id1) }, "02" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char got[4] = "", *at = got;
        emit_to(a, &cases[i].to, "x", strlen(cases[i].receivers));
        for (int k = 0; k < 3; k++)
            for (const char *text; *(text = fake_next(&t.s[k])) != '\0' && at < got + 3; *at++ = (char)('0' + k))
                assert_string_equal("42[\"x\"]", text);
        *at = '\0';
        if (strcmp(cases[i].receivers, got) != 0)
            fail_msg("%s: reached %s", cases[i].says, got);
    }
    three_fini(&t);
}

static void
rooms_can_be_left_and_looked_at(void **state)
{
    struct app  *a = *state;
    struct three t;

    three_open(a, &t);
    assert_int_equal(2, sio_room_size(a->main, TB_LIT("b")));
    assert_int_equal(0, sio_room_size(a->custom, TB_LIT("b")));
    assert_int_equal(2, sio_room_count(t.sk[0]));
    assert_true(sio_is_in(t.sk[0], TB_LIT("a")));
    assert_true(tb_str_eq(TB_LIT("c"), sio_room_at(t.sk[2], 0)));
    sio_leave(t.sk[0], TB_LIT("b"));
    assert_false(sio_is_in(t.sk[0], TB_LIT("b")));
    assert_int_equal(1, sio_send_to_room(a->main, TB_LIT("b"), TB_LIT("x"), TB_LIT("1")));
    sio_leave_all(t.sk[1]);
    assert_int_equal(0, sio_room_size(a->main, TB_LIT("b")));
    fake_hang_up(&t.s[0]);
    assert_int_equal(0, sio_room_size(a->main, TB_LIT("a")));
    three_fini(&t);
}

static void
disconnect_it(void *ctx, struct sio_socket *sk)
{
    struct three *t = ctx;
    if (sk == t->sk[0])
        sio_conn_close(sio_socket_conn(t->sk[1]), EIO_AT_ONCE);
    sio_disconnect(sk);
}

static void
each_may_end_whom_it_visits_and_others(void **state)
{
    struct app  *a = *state;
    struct three t;

    three_open(a, &t);
    sio_each(a->main, &(struct sio_target){ ROOMS(TB_LIT("b")) }, disconnect_it, &t);
    assert_heard(a, "gone:/:forced server close:rooms=1 closed:forced close gone:/:server namespace disconnect:rooms=2 ");
    assert_int_equal(1, sio_namespace_size(a->main));
    three_fini(&t);
}

/* ---- volatile, full, drained ---- */

static void
volatile_messages_are_for_those_who_are_ready(void **state)
{
    struct app         *a = *state;
    struct fake_stream  s;
    struct sio_message *m;

    client_join(a, &s);
    m = sio_message_new(a->main, TB_LIT("v"), TB_STR_NULL);
    assert_true(sio_emit(a->last, m, SIO_VOLATILE));
    assert_true(sio_emit(a->last, m, SIO_VOLATILE));       /* the same turn */
    s.is_stuck = true;
    fake_turn(&a->fake);
    assert_false(sio_emit(a->last, m, SIO_VOLATILE));
    assert_int_equal(0, sio_emit_to(a->main, &(struct sio_target){ 0 }, m, SIO_VOLATILE));
    assert_true(sio_emit(a->last, m, SIO_RELIABLE));
    fake_unstick(&s);
    for (int i = 0; i < 3; i++)
        assert_string_equal("42[\"v\"]", fake_next(&s));
    assert_string_equal("", fake_next(&s));
    sio_message_free(&m);
    fake_stream_fini(&s);
}

static void
fill(struct app *a, struct sio_socket *sk)
{
    char text[400];
    memset(text, 'x', sizeof text);
    text[0] = text[sizeof text - 1] = '"';
    for (int i = 0; i < 4; i++)
        assert_true(sio_send(sk, TB_LIT("fill"), (tb_str){ .p = text, .n = sizeof text }));
    assert_false(sio_send(sk, TB_LIT("fill"), (tb_str){ .p = text, .n = sizeof text }));
    (void)a;
}

static void
at_the_bound_the_connection_is_closed_without_a_disconnect_packet(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    client_join(a, &s);
    s.is_stuck = true;
    sio_send(a->last, TB_LIT("first"), TB_STR_NULL);
    fake_turn(&a->fake);
    fill(a, a->last);
    assert_heard(a, "full gone:/:forced server close:rooms=0 closed:forced close ");
    assert_true(s.is_closed);
    fake_stream_fini(&s);
}

static void
the_application_may_drop_and_go_on_when_drained(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    a->when_full = SIO_FULL_DROP;
    client_join(a, &s);
    s.is_stuck = true;
    sio_send(a->last, TB_LIT("first"), TB_STR_NULL);
    fake_turn(&a->fake);
    fill(a, a->last);
    assert_heard(a, "full ");
    assert_true(sio_socket_queued(a->last) > 1600);
    sio_socket_want_drain(a->last);
    fake_unstick(&s);
    assert_heard(a, "drain:/ ");
    assert_int_equal(0, sio_socket_queued(a->last));
    fake_stream_fini(&s);
    assert_int_equal(0, sio_socket_queued(a->last));
}

static void
one_full_queue_does_not_keep_the_others_waiting(void **state)
{
    struct app  *a = *state;
    struct three t;
    char         text[400];

    three_open(a, &t);
    t.s[0].is_stuck = true;
    sio_send(t.sk[0], TB_LIT("first"), TB_STR_NULL);
    fake_turn(&a->fake);
    a->when_full = SIO_FULL_DROP;
    fill(a, t.sk[0]);
    a->when_full = SIO_FULL_CLOSE;
    forget(a);
    memset(text, 'x', sizeof text);
    text[0] = text[sizeof text - 1] = '"';
    assert_int_equal(1, sio_send_to_room(a->main, TB_LIT("b"), TB_LIT("x"), (tb_str){ .p = text, .n = sizeof text }));
    assert_heard(a, "full gone:/:forced server close:rooms=2 closed:forced close ");
    fake_turn(&a->fake);
    assert_int_equal(0, strncmp("42[\"x\",", fake_next(&t.s[1]), 7));
    three_fini(&t);
}

/* ---- delivered ---- */

static void
a_pong_tells_every_namespace_what_has_arrived(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    client_join(a, &s);
    struct sio_socket *first = sio_socket_ref(a->last);
    fake_text(&s, "40/custom,");
    sio_send(first, TB_LIT("x"), TB_STR_NULL);
    assert_int_equal(3, sio_socket_sent(first));        /* two CONNECT answers and x */
    assert_true(sio_socket_ping(first));
    sio_send(first, TB_LIT("y"), TB_STR_NULL);
    forget(a);
    fake_text(&s, "3");
    assert_heard(a, "pong:/custom:3 pong:/:3 ");
    assert_true(sio_socket_ping(first));
    fake_text(&s, "41");
    forget(a);
    fake_text(&s, "3");
    assert_heard(a, "pong:/custom:4 ");                 /* nothing is confirmed to one who has left */
    assert_false(sio_socket_ping(first));
    sio_socket_unref(&first);
    fake_stream_fini(&s);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, app_setup, app_teardown)
    const struct CMUnitTest tests[] = {
        T(an_emit_reaches_whom_it_means_each_once),
        T(rooms_can_be_left_and_looked_at),
        T(each_may_end_whom_it_visits_and_others),
        T(volatile_messages_are_for_those_who_are_ready),
        T(at_the_bound_the_connection_is_closed_without_a_disconnect_packet),
        T(the_application_may_drop_and_go_on_when_drained),
        T(one_full_queue_does_not_keep_the_others_waiting),
        T(a_pong_tells_every_namespace_what_has_arrived),
    };
    return tap_run(tests);
}
