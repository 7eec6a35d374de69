/* Connections that take too long, or are too many, on a clock that the test moves. */
#include "loop.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct net_settings settings = { .header_timeout_ms = 5000, .idle_timeout_ms = 20000, .max_connections = 2 };

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static struct loop *l;

static int
start(void **state)
{
    (void)state;
    l = loop_start(settings);
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    loop_stop(&l);
    return 0;
}

/* The server has neither answered nor closed. */
static bool
is_open(int fd)
{
    char c;
    return recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

static int
connect_and_get(void)
{
    int fd = client_connect(loop_port(l));
    client_send(fd, GET("/say/"));
    assert_non_null(strstr(client_read(fd), "hi"));
    return fd;
}

static void
an_idle_connection_is_closed_after_its_time_and_not_before(void **state)
{
    int fd = connect_and_get();

    (void)state;
    loop_pass(l, 19000);
    assert_true(is_open(fd));
    client_send(fd, GET("/say/"));
    assert_non_null(strstr(client_read(fd), "hi"));
    loop_pass(l, 19000);        /* a request starts the time anew */
    assert_true(is_open(fd));
    loop_pass(l, 3000);
    assert_true(client_sees_close(fd));
    close(fd);
}

static void
a_request_that_does_not_end_gets_408_after_the_header_timeout(void **state)
{
    int head = connect_and_get(), body = connect_and_get();

    (void)state;
    client_send(head, "GET /say/ HTTP/1.1\r\nHost:");
    client_send(body, "POST /echo/ HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12");
    loop_pass(l, 3000);
    assert_true(is_open(head));
    client_send(head, " h\r\nX-Slow: ");       /* bytes that trickle in do not buy time */
    loop_pass(l, 5000);
    assert_non_null(strstr(client_read_all(head), "HTTP/1.1 408 Request Timeout\r\n"));
    assert_non_null(strstr(client_read_all(body), "\"code\":\"timeout\""));
    close(head);
    close(body);
}

static void
a_head_that_grows_without_end_is_refused_before_its_time(void **state)
{
    static char much[100001];
    int         fd = connect_and_get();

    (void)state;
    memset(much, 'x', sizeof much - 1);
    client_send(fd, "GET /say/ HTTP/1.1\r\nX: ");
    client_send(fd, much);
    assert_non_null(strstr(client_read_head(fd), "HTTP/1.1 431 "));
    close(fd);
}

static const struct {
    const char *name, *request;
    bool        is_refused;
} claims[] = {
    { "a length over the route's limit", "POST /echo/?x HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n", true },
    { "whatever its letters", "POST http://h/echo/ HTTP/1.1\r\nHost: h\r\nCONTENT-LENGTH:1001\r\n\r\nabc", true },
    { "a length the route takes", "POST /echo/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n", false },
    { "a route that takes more", "POST /large/ HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n", false },
    { "chunks, of which nobody knows how many come",
      "POST /echo/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n", false },
    { "a head that has not ended", "POST /echo/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n", false },
};

static void
a_body_that_is_longer_than_its_route_takes_is_refused_before_it_comes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        int fd = client_connect(loop_port(l));
        client_send(fd, claims[i].request);
        loop_pass(l, 3000);
        if (claims[i].is_refused == is_open(fd))
            fail_msg("%s", claims[i].name);
        if (claims[i].is_refused) {
            const char *answer = client_read_all(fd);
            if (strstr(answer, "HTTP/1.1 413 Content Too Large\r\n") == NULL)
                fail_msg("%s: %s", claims[i].name, answer);
            assert_non_null(strstr(answer, "{\"message\":\"That is too large\",\"code\":\"too_large\"}"));
            assert_false(client_was_reset());
        }
        close(fd);
    }
}

static void
a_request_that_waits_for_us_is_never_cut(void **state)
{
    int fd = client_connect(loop_port(l));

    (void)state;
    client_send(fd, GET("/hold/"));
    loop_wait_held(l, 1);
    loop_pass(l, 60000);
    loop_release(l);
    assert_non_null(strstr(client_read(fd), "released"));
    close(fd);
}

static int
ask_for_much(void)
{
    int fd = client_connect(loop_port(l));

    client_send(fd, GET("/big/"));
    assert_non_null(strstr(client_read_head(fd), "HTTP/1.1 200"));
    return fd;
}

static void
an_answer_that_nobody_reads_is_cut_after_30_seconds(void **state)
{
    int in_time = ask_for_much(), late;

    (void)state;
    loop_pass(l, 29000);
    assert_int_equal(BIG_BYTES, client_count(in_time, BIG_BYTES));
    late = ask_for_much();
    loop_pass(l, 15000);
    assert_true(is_open(in_time));      /* idle only since its answer was read */
    loop_pass(l, 17000);
    assert_true(client_count(late, BIG_BYTES) < BIG_BYTES);
    close(in_time);
    close(late);
}

static void
a_connection_too_many_waits_until_another_goes(void **state)
{
    int first = connect_and_get(), second = connect_and_get(), third = client_connect(loop_port(l));

    (void)state;
    client_send(third, GET("/say/"));
    loop_pass(l, 2000);         /* the sweep must not let it in either */
    assert_true(is_open(third));
    close(first);
    assert_non_null(strstr(client_read(third), "hi"));
    close(second);
    close(third);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_idle_connection_is_closed_after_its_time_and_not_before, start, stop),
        cmocka_unit_test_setup_teardown(a_request_that_does_not_end_gets_408_after_the_header_timeout, start, stop),
        cmocka_unit_test_setup_teardown(a_head_that_grows_without_end_is_refused_before_its_time, start, stop),
        cmocka_unit_test_setup_teardown(a_body_that_is_longer_than_its_route_takes_is_refused_before_it_comes, start, stop),
        cmocka_unit_test_setup_teardown(a_request_that_waits_for_us_is_never_cut, start, stop),
        cmocka_unit_test_setup_teardown(an_answer_that_nobody_reads_is_cut_after_30_seconds, start, stop),
        cmocka_unit_test_setup_teardown(a_connection_too_many_waits_until_another_goes, start, stop),
    };
    return tap_run(tests);
}
