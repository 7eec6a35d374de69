/* Listening, and the orderly end. */
#include "loop.h"

#include "base/thread.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static void
stopping_answers_what_is_in_flight_and_closes_the_rest(void **state)
{
    struct loop *l = loop_start((struct net_settings){ 0 });
    uint16_t     port = loop_port(l);
    int          idle = client_connect(port), busy = client_connect(port), half = client_connect(port);

    (void)state;
    client_send(idle, GET("/say/"));
    assert_non_null(strstr(client_read(idle), "Connection: keep-alive"));
    client_send(half, "GET /say/ HT");
    client_send(busy, GET("/hold/"));
    loop_wait_held(l, 1);
    net_stop(loop_net(l));
    assert_true(client_sees_close(idle));
    assert_true(client_sees_close(half));
    assert_int_equal(-1, client_connect(port));
    loop_release(l);
    const char *answer = client_read_all(busy);
    assert_non_null(strstr(answer, "Connection: close\r\n"));
    assert_non_null(strstr(answer, "\r\n\r\nreleased"));
    loop_stop(&l);
    close(idle), close(busy), close(half);
}

static void
a_handler_that_never_answers_is_answered_for_when_time_is_up(void **state)
{
    struct loop *l = loop_start((struct net_settings){ .stop_timeout_ms = 20 });
    int          fd = client_connect(loop_port(l));

    (void)state;
    client_send(fd, GET("/hold/"));
    loop_wait_held(l, 1);
    loop_stop(&l);              /* responds after net_run, which must go nowhere */
    const char *answer = client_read_all(fd);
    assert_non_null(strstr(answer, "HTTP/1.1 503 Service Unavailable\r\n"));
    assert_non_null(strstr(answer, "\"code\":\"busy\"}"));
    close(fd);
}

static void
a_client_that_does_not_read_does_not_keep_the_loop(void **state)
{
    struct loop *l = loop_start((struct net_settings){ .stop_timeout_ms = 20 });
    int          fd = client_connect(loop_port(l));

    (void)state;
    client_send(fd, GET("/big/"));
    assert_non_null(strstr(client_read_head(fd), "HTTP/1.1 200"));
    loop_stop(&l);
    close(fd);
}

static enum tb_code
try_open(const char *host, uint16_t port, struct tb_err *e)
{
    const struct net_settings s = { .host = host, .port = port, .max_connections = 1, .cors_origins = "" };
    struct net               *net = NULL;
    enum tb_code              code = net_open(&net, &s, e);

    net_close(&net);
    return code;
}

static void
a_port_in_use_or_an_address_of_others_is_said_so(void **state)
{
    struct loop  *l = loop_start((struct net_settings){ 0 });
    struct tb_err e = { 0 };

    (void)state;
    tb_thread_become(TB_LOOP);
    assert_int_equal(TB_EIO, try_open("127.0.0.1", loop_port(l), &e));
    assert_non_null(strstr(e.why, ": the port is in use"));
    assert_int_equal(TB_EIO, try_open("192.0.2.1", 0, &e));     /* RFC 5737: nobody's */
    assert_non_null(strstr(e.why, ": not an address of this machine"));
    assert_int_equal(TB_EIO, try_open("no such host", 0, &e));
    assert_non_null(strstr(e.why, "listen on no such host: "));
    tb_thread_become(TB_MAIN);
    loop_stop(&l);
}

static void
both_families_are_served_by_one_listener_and_a_peer_is_named_as_ipv4_where_it_is(void **state)
{
    struct loop        *l = loop_start((struct net_settings){ .host = "::" });
    struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(loop_port(l)), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int                 v6 = socket(AF_INET6, SOCK_STREAM, 0);

    (void)state;
    assert_non_null(strstr(client_ask(l, "GET /echo/ HTTP/1.0\r\n\r\n"), "\"peer\":\"127.0.0.1\""));
    assert_int_equal(0, connect(v6, (struct sockaddr *)&to, sizeof to));
    client_send(v6, "GET /echo/ HTTP/1.0\r\n\r\n");
    assert_non_null(strstr(client_read_all(v6), "\"peer\":\"::1\""));
    close(v6);
    loop_stop(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopping_answers_what_is_in_flight_and_closes_the_rest),
        cmocka_unit_test(a_handler_that_never_answers_is_answered_for_when_time_is_up),
        cmocka_unit_test(a_client_that_does_not_read_does_not_keep_the_loop),
        cmocka_unit_test(a_port_in_use_or_an_address_of_others_is_said_so),
        cmocka_unit_test(both_families_are_served_by_one_listener_and_a_peer_is_named_as_ipv4_where_it_is),
    };
    return tap_run(tests);
}
