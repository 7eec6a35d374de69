/* Coming into a namespace, what is out of place there, and every way out. */
#include "app.h"

#include <stdio.h>

/* ---- connecting ---- */

static void
connecting_is_answered_with_the_sockets_id(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;
    char               expected[64];

    client_open(a, &s);
    fake_text(&s, "40");
    assert_heard(a, "connect:/:{} ");
    assert_int_equal(20, sio_socket_id(a->last).n);
    snprintf(expected, sizeof expected, "40{\"sid\":\"" TB_STR_FMT "\"}", TB_STR_ARG(sio_socket_id(a->last)));
    assert_string_equal(expected, fake_next(&s));
    assert_false(tb_str_eq(sio_socket_id(a->last), eio_session_id(sio_conn_session(sio_socket_conn(a->last)))));
    assert_ptr_equal(a->last, sio_socket_find(a->main, sio_socket_id(a->last)));
    assert_int_equal(1, sio_namespace_size(a->main));
    fake_stream_fini(&s);
    assert_int_equal(0, sio_namespace_size(a->main));
    assert_heard(a, "gone:/:transport close:rooms=0 closed:transport close ");
}

static void
the_connect_payload_reaches_the_application(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    client_open(a, &s);
    fake_text(&s, "40/custom,{\"token\":\"123\"}");
    assert_heard(a, "connect:/custom:{\"token\":\"123\"} ");
    assert_int_equal(0, strncmp("40/custom,{\"sid\":\"", fake_next(&s), 18));
    fake_stream_fini(&s);
}

static void
the_application_decides_sid_and_pid(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    a->sid = "recovered-sid";
    a->pid = "pid\"1";
    client_open(a, &s);
    fake_text(&s, "40{\"pid\":\"pid1\",\"offset\":\"x\"}");
    assert_heard(a, "connect:/:{\"pid\":\"pid1\",\"offset\":\"x\"} ");
    assert_string_equal("40{\"sid\":\"recovered-sid\",\"pid\":\"pid\\\"1\"}", fake_next(&s));
    assert_ptr_equal(a->last, sio_socket_find(a->main, TB_LIT("recovered-sid")));
    fake_stream_fini(&s);
}

static void
an_unknown_namespace_is_refused_and_the_connection_stays(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    client_open(a, &s);
    fake_text(&s, "40/random");
    assert_string_equal("44/random,{\"message\":\"Invalid namespace\"}", fake_next(&s));
    fake_text(&s, "40/random,{\"a\":1}");
    assert_heard(a, "unknown:/random:{} unknown:/random:{\"a\":1} ");
    fake_text(&s, "40");
    assert_heard(a, "connect:/:{} ");
    fake_stream_fini(&s);
}

static void
the_application_may_make_namespaces_on_demand(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    client_open(a, &s);
    fake_text(&s, "40/dynamic-1");
    assert_heard(a, "unknown:/dynamic-1:{} connect:/dynamic-1:{} ");
    assert_non_null(sio_namespace_find(a->server, TB_LIT("/dynamic-1")));
    assert_null(sio_namespace_add(a->server, TB_LIT("/dynamic-1"), &app_handler, a));
    fake_text(&s, "40");
    fake_text(&s, "40/alias");      /* it is in that one already */
    assert_true(strstr(a->heard.p, "forced server close") != NULL);
    fake_stream_fini(&s);
}

static void
the_answer_may_come_later(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    a->policy = WAIT;
    client_open(a, &s);
    fake_text(&s, "40");
    assert_string_equal("", fake_next(&s));
    assert_int_equal(0, sio_namespace_size(a->main));
    sio_join(a->last, TB_LIT("room"));
    emit_to(a, &(struct sio_target){ .rooms = (tb_str[]){ TB_LIT("room") }, .n_rooms = 1 }, "before", 0);
    assert_false(sio_send(a->last, TB_LIT("before"), TB_STR_NULL));
    assert_true(sio_accept(a->last, TB_STR_NULL, TB_STR_NULL));
    assert_false(sio_accept(a->last, TB_STR_NULL, TB_STR_NULL));
    assert_false(sio_refuse(a->last, TB_LIT("x"), TB_STR_NULL));
    emit_to(a, &(struct sio_target){ .rooms = (tb_str[]){ TB_LIT("room") }, .n_rooms = 1 }, "after", 1);
    assert_int_equal(0, strncmp("40{\"sid\"", fake_next(&s), 8));
    assert_string_equal("42[\"after\"]", fake_next(&s));
    fake_stream_fini(&s);
}

static void
a_refusal_carries_message_and_data(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    a->policy = REFUSE;
    client_open(a, &s);
    fake_text(&s, "40");
    assert_string_equal("44{\"message\":\"Not \\\"you\\\"\",\"data\":{\"code\":7}}", fake_next(&s));
    assert_heard(a, "connect:/:{} ");
    assert_null(sio_socket_conn(a->last));
    a->policy = WAIT;
    fake_text(&s, "40");            /* it may try again */
    sio_refuse(a->last, TB_LIT("no"), TB_STR_NULL);
    fake_turn(&a->fake);
    assert_string_equal("44{\"message\":\"no\"}", fake_next(&s));
    assert_false(s.is_closed);
    fake_stream_fini(&s);
    assert_heard(a, "connect:/:{} closed:transport close ");
}

static void
the_application_may_close_instead_of_answering(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    a->policy = CLOSE;
    client_open(a, &s);
    fake_text(&s, "40");
    assert_string_equal("close:1000", fake_next(&s));
    assert_heard(a, "connect:/:{} gone:/:forced server close:rooms=0:never in closed:forced close ");
    assert_false(sio_accept(a->last, TB_STR_NULL, TB_STR_NULL));
    fake_stream_fini(&s);
}

static void
an_answer_for_someone_who_has_left_is_nothing(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    a->policy = WAIT;
    client_open(a, &s);
    fake_text(&s, "40");
    fake_hang_up(&s);
    assert_heard(a, "connect:/:{} gone:/:transport close:rooms=0:never in closed:transport close ");
    assert_false(sio_accept(a->last, TB_STR_NULL, TB_STR_NULL));
    assert_false(sio_refuse(a->last, TB_LIT("x"), TB_STR_NULL));
    assert_int_equal(0, sio_namespace_size(a->main));
    fake_stream_fini(&s);
}

static void
without_a_handler_everyone_gets_in(void **state)
{
    static const struct sio_handler open_door = { 0 };
    struct app                     *a = *state;
    struct fake_stream              s;

    struct sio_namespace *nsp = sio_namespace_add(a->server, TB_LIT("/open"), &open_door, NULL);
    client_open(a, &s);
    fake_text(&s, "40/open,");
    assert_int_equal(0, strncmp("40/open,{\"sid\"", fake_next(&s), 14));
    assert_int_equal(1, sio_namespace_size(nsp));
    fake_text(&s, "42/open,[\"x\"]");
    fake_text(&s, "3");
    fake_text(&s, "41/open,");
    assert_int_equal(0, sio_namespace_size(nsp));
    fake_stream_fini(&s);
}

static void
who_joins_nothing_in_time_is_closed(void **state)
{
    struct app        *a = *state;
    struct fake_stream idle, waiting, joined;

    a->policy = WAIT;
    client_open(a, &idle);
    client_open(a, &waiting);
    fake_text(&waiting, "40");
    a->policy = ACCEPT;
    client_join(a, &joined);
    for (int i = 0; i < 5; i++) {
        fake_advance(&a->fake, 8990);
        fake_text(&idle, "3"), fake_text(&waiting, "3"), fake_text(&joined, "3");
    }
    assert_true(!idle.is_closed && !waiting.is_closed);
    forget(a);
    fake_advance(&a->fake, 100);
    assert_heard(a, "closed:forced close gone:/:forced server close:rooms=0:never in closed:forced close ");
    fake_advance(&a->fake, 15000);
    fake_text(&joined, "3");
    assert_false(joined.is_closed);
    fake_stream_fini(&idle);
    fake_stream_fini(&waiting);
    fake_stream_fini(&joined);
}

static void
a_handshake_may_be_refused(void **state)
{
    struct app         *a = *state;
    struct fake_request r;

    fake_request_init(&r, EIO_GET, "EIO=4&transport=polling", "");
    r.authorization = "x";
    eio_engine_request(a->fake.engine, &r.rq);
    assert_int_equal(403, r.status);
    assert_string_equal("{\"code\":4,\"message\":\"Only with a token\"}", r.body.p);
    fake_request_fini(&r);
}

static void
several_namespaces_live_on_one_connection(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    client_join(a, &s);
    fake_text(&s, "40/custom,");
    fake_next(&s);
    fake_text(&s, "42/custom,[\"echo\",1]");
    fake_text(&s, "42[\"echo\",2]");
    assert_string_equal("42/custom,[\"back\",1]", fake_next(&s));
    assert_string_equal("42[\"back\",2]", fake_next(&s));
    fake_text(&s, "41/custom,");
    assert_heard(a, "connect:/custom:{} event:echo(1) event:echo(2) gone:/custom:client namespace disconnect:rooms=0 ");
    fake_text(&s, "42[\"echo\",3]");
    assert_string_equal("42[\"back\",3]", fake_next(&s));
    fake_text(&s, "40/custom,");        /* and it may come back */
    forget(a);
    fake_text(&s, "41");
    assert_heard(a, "gone:/:client namespace disconnect:rooms=0 ");
    assert_false(s.is_closed);
    fake_stream_fini(&s);
    assert_heard(a, "gone:/custom:transport close:rooms=0 closed:transport close ");
}

static void
a_connection_may_join_only_so_many_namespaces(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    client_join(a, &s);
    fake_text(&s, "40/custom,");
    fake_text(&s, "40/dynamic-1,");
    fake_next(&s), fake_next(&s);
    fake_text(&s, "40/dynamic-2,");
    assert_string_equal("44/dynamic-2,{\"message\":\"Too many namespaces\"}", fake_next(&s));
    fake_stream_fini(&s);
}

/* ---- packets out of place ---- */

static void
what_is_out_of_place_ends_the_connection(void **state)
{
    static const struct {
        const char *says, *text, *reason;
        bool        is_binary;
    } cases[] = {
        { "no packet", "4abc", "forced close", false },
        { "an empty message", "4", "forced close", false },
        { "a payload of the wrong type", "42{}", "forced close", false },
        { "an invalid ack id", "42abc[\"message-with-ack\",1]", "forced close", false },
        { "a reserved event", "42[\"disconnect\"]", "forced close", false },
        { "an attachment of nothing", "abc", "forced close", true },
        { "too many attachments", "454-[\"a\"]", "forced close", false },
        { "an event for a namespace that was not joined", "42/custom,[\"a\"]", "forced server close", false },
        { "a binary one", "451-/custom,[\"a\"]", "forced server close", false },
        { "an event for one that is not there", "42/nowhere,[\"a\"]", "forced server close", false },
        { "leaving where one is not", "41/custom,", "forced server close", false },
        { "connecting twice", "40", "forced server close", false },
        { "a client that refuses us", "44{\"message\":\"no\"}", "forced server close", false },
    };
    struct app *a = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake_stream s;
        char               expected[100];
        client_join(a, &s);
        if (cases[i].is_binary)
            fake_binary(&s, cases[i].text);
        else
            fake_text(&s, cases[i].text);
        snprintf(expected, sizeof expected, "gone:/:%s:rooms=0 closed:forced close ", cases[i].reason);
        if (a->heard.n == 0 || strcmp(expected, a->heard.p) != 0)
            fail_msg("%s: %s", cases[i].says, a->heard.n ? a->heard.p : "nothing");
        assert_string_equal("close:1000", fake_next(&s));
        fake_stream_fini(&s);
        forget(a);
    }
}

static void
an_event_before_the_answer_ends_the_connection(void **state)
{
    static const char *const early[] = { "42[\"a\"]", "40", "41" };
    struct app              *a = *state;

    a->policy = WAIT;
    for (size_t i = 0; i < sizeof early / sizeof *early; i++) {
        struct fake_stream s;
        client_open(a, &s);
        fake_text(&s, "40");
        forget(a);
        fake_text(&s, early[i]);
        assert_heard(a, "gone:/:forced server close:rooms=0:never in closed:forced close ");
        fake_stream_fini(&s);
    }
}

static void
what_crosses_our_disconnect_is_ignored(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    client_join(a, &s);
    fake_text(&s, "40/custom,");
    fake_next(&s);
    struct sio_socket *custom = sio_socket_ref(a->last);
    sio_disconnect(custom);
    forget(a);
    fake_turn(&a->fake);
    assert_string_equal("41/custom,", fake_next(&s));
    fake_text(&s, "42/custom,[\"late\"]");
    fake_text(&s, "43/custom,5[]");
    fake_text(&s, "451-/custom,[\"late\",{\"_placeholder\":true,\"num\":0}]");
    fake_binary(&s, "late");
    fake_text(&s, "41/custom,");
    assert_heard(a, "");
    fake_text(&s, "42[\"echo\"]");
    assert_string_equal("42[\"back\"]", fake_next(&s));
    sio_socket_unref(&custom);
    fake_stream_fini(&s);
}

/* ---- the end ---- */

static void
leaving_all_namespaces_closes_the_connection(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    client_join(a, &s);
    fake_text(&s, "40/custom,");
    a->policy = WAIT;
    fake_text(&s, "40/dynamic-1,");
    forget(a);
    fake_next(&s);
    sio_disconnect_all(sio_socket_conn(a->last));
    assert_heard(a, "gone:/custom:server namespace disconnect:rooms=0 gone:/:server namespace disconnect:rooms=0 "
                    "gone:/dynamic-1:server namespace disconnect:rooms=0:never in closed:forced close ");
    fake_turn(&a->fake);
    assert_string_equal("41/custom,", fake_next(&s));
    assert_string_equal("41", fake_next(&s));
    assert_string_equal("close:1000", fake_next(&s));
    fake_stream_fini(&s);
}

static void
every_end_has_the_references_name(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    client_join(a, &s);
    fake_advance(&a->fake, 45000);
    assert_heard(a, "gone:/:ping timeout:rooms=0 closed:ping timeout ");
    fake_stream_fini(&s);
    client_join(a, &s);
    fake_frame(&s, 0x83, TB_STR_NULL);
    assert_heard(a, "gone:/:transport error:rooms=0 closed:transport error ");
    fake_stream_fini(&s);
    client_join(a, &s);
    fake_text(&s, "9");
    assert_heard(a, "gone:/:parse error:rooms=0 closed:parse error ");
    fake_stream_fini(&s);
    client_join(a, &s);
    eio_session_close(sio_conn_session(sio_socket_conn(a->last)), EIO_AFTER_FLUSH);
    assert_heard(a, "gone:/:forced close:rooms=0 closed:forced close ");
    fake_stream_fini(&s);
    client_join(a, &s);
    sio_server_close(a->server);
    assert_heard(a, "gone:/:server shutting down:rooms=0 closed:server shutting down ");
    fake_turn(&a->fake);
    assert_string_equal("close:1012", fake_next(&s));
    fake_stream_fini(&s);
}

static void
it_all_works_by_polling_too(void **state)
{
    struct app         *a = *state;
    struct fake_request get, post;
    char                sid[21], query[64];

    fake_send(&a->fake, &get, EIO_GET, "EIO=4&transport=polling", "");
    fake_sid_of(get.body.p, sid);
    fake_request_fini(&get);
    snprintf(query, sizeof query, "EIO=4&transport=polling&sid=%s", sid);
    fake_send(&a->fake, &post, EIO_POST, query,
              "40\x1e" "42[\"echo\",1]\x1e" "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]\x1e" "bb25l");
    assert_int_equal(200, post.status);
    fake_request_fini(&post);
    assert_heard(a, "connect:/:{} event:echo(1) event:echo({\"_placeholder\":true,\"num\":0}) [one] ");
    fake_send(&a->fake, &get, EIO_GET, query, "");
    const char *second = strchr(get.body.p, 0x1e);
    assert_string_equal("\x1e" "42[\"back\",1]\x1e" "451-[\"back\",{\"_placeholder\":true,\"num\":0}]\x1e" "bb25l", second);
    fake_request_fini(&get);
}

static void
sockets_outlive_the_server_in_memory_only(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    client_join(a, &s);
    struct sio_socket *sk = sio_socket_ref(a->last);
    sio_server_free(&a->server);
    assert_heard(a, "gone:/:server shutting down:rooms=0 closed:server shutting down ");
    assert_false(sio_socket_is_connected(sk));
    sio_socket_unref(&sk);
    fake_stream_fini(&s);
}

/* A packet of n bytes: head, and blanks where JSON does not mind them. */
static bool
send_long(struct fake_stream *s, const char *head, size_t n)
{
    struct tb_buf b = TB_BUF_INIT;

    tb_buf_add(&b, tb_str_of(head));
    while (b.n < n)
        tb_buf_add_char(&b, ' ');
    bool is_there = fake_frame(s, 0x81, tb_buf_str(&b));
    tb_buf_fini(&b);
    return is_there;
}

static void
only_who_is_in_a_namespace_may_send_much(void **state)
{
    enum { LITTLE = 8192, MUCH = 100000 };
    struct app        *a = *state;
    struct fake_stream s;

    client_open(a, &s);
    send_long(&s, "40{}", LITTLE);
    assert_int_equal(0, strncmp("40{\"sid\":\"", fake_next(&s), 10));
    forget(a);
    send_long(&s, "42[\"much\"]", MUCH);
    fake_advance(&a->fake, 0);      /* it is more than a turn takes of one client */
    assert_heard(a, "event:much() ");
    fake_text(&s, "41");
    forget(a);
    send_long(&s, "40{}", LITTLE + 1);
    assert_string_equal("close:1009", fake_next(&s));
    fake_stream_fini(&s);
}

static void
a_connect_that_is_too_long_is_not_read(void **state)
{
    static const char *const heads[] = { "40{}", "40/custom,", "42[\"event\"]", "451-[\"x\"]", "3" };
    struct app              *a = *state;
    struct fake_stream       s;

    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        client_open(a, &s);
        forget(a);
        send_long(&s, heads[i], 8193);
        assert_string_equal("close:1009", fake_next(&s));
        assert_heard(a, "closed:transport error ");
        fake_stream_fini(&s);
    }
}

static void
who_waits_to_be_let_in_may_send_little(void **state)
{
    struct app        *a = *state;
    struct fake_stream s;

    a->policy = WAIT;
    client_open(a, &s);
    fake_text(&s, "40");
    send_long(&s, "42[\"event\"]", 8193);
    assert_string_equal("close:1009", fake_next(&s));
    fake_stream_fini(&s);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, app_setup, app_teardown)
    const struct CMUnitTest tests[] = {
        T(connecting_is_answered_with_the_sockets_id),
        T(only_who_is_in_a_namespace_may_send_much),
        T(a_connect_that_is_too_long_is_not_read),
        T(who_waits_to_be_let_in_may_send_little),
        T(the_connect_payload_reaches_the_application),
        T(the_application_decides_sid_and_pid),
        T(an_unknown_namespace_is_refused_and_the_connection_stays),
        T(the_application_may_make_namespaces_on_demand),
        T(the_answer_may_come_later),
        T(a_refusal_carries_message_and_data),
        T(the_application_may_close_instead_of_answering),
        T(an_answer_for_someone_who_has_left_is_nothing),
        T(without_a_handler_everyone_gets_in),
        T(who_joins_nothing_in_time_is_closed),
        T(a_handshake_may_be_refused),
        T(several_namespaces_live_on_one_connection),
        T(a_connection_may_join_only_so_many_namespaces),
        T(what_is_out_of_place_ends_the_connection),
        T(an_event_before_the_answer_ends_the_connection),
        T(what_crosses_our_disconnect_is_ignored),
        T(leaving_all_namespaces_closes_the_connection),
        T(every_end_has_the_references_name),
        T(it_all_works_by_polling_too),
        T(sockets_outlive_the_server_in_memory_only),
    };
    return tap_run(tests);
}
