/* HTTP/1.1 as a client sees it, request by request, on a real socket. */
#include "loop.h"

#include <sys/socket.h>
#include <unistd.h>

static struct loop *l;

static int
start(void **state)
{
    (void)state;
    l = loop_start((struct net_settings){ 0 });
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    loop_stop(&l);
    return 0;
}

#define CLOSE "Connection: close\r\n\r\n"
#define TOO_LARGE "{\"message\":\"That is too large\",\"code\":\"too_large\"}"
#define NOT_UNDERSTOOD "{\"message\":\"That request could not be understood\",\"code\":\"bad_request\"}"

static const struct {
    const char *name, *request, *status, *body;     /* body NULL: whatever */
} cases[] = {
    { "a handler gets method, path, query, header and peer",
      "GET /echo/a%20b?x=1&y HTTP/1.1\r\nHost: h\r\nX-Test: yes\r\n" CLOSE, "HTTP/1.1 200 OK",
      "{\"method\":\"GET\",\"path\":\"/echo/a%20b\",\"query\":\"x=1&y\",\"body\":\"\",\"peer\":\"127.0.0.1\",\"x\":\"yes\"}" },
    { "a body by length",
      "POST /echo/ HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n" CLOSE "hello", "HTTP/1.1 200 OK",
      "{\"method\":\"POST\",\"path\":\"/echo/\",\"query\":\"\",\"body\":\"hello\",\"peer\":\"127.0.0.1\",\"x\":null}" },
    { "a body in chunks",
      "POST /echo/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n" CLOSE "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK",
      "{\"method\":\"POST\",\"path\":\"/echo/\",\"query\":\"\",\"body\":\"hello\",\"peer\":\"127.0.0.1\",\"x\":null}" },
    { "the address in full instead of the path",
      "GET http://h:1/echo/b HTTP/1.1\r\nHost: h\r\n" CLOSE, "HTTP/1.1 200 OK",
      "{\"method\":\"GET\",\"path\":\"/echo/b\",\"query\":\"\",\"body\":\"\",\"peer\":\"127.0.0.1\",\"x\":null}" },
    { "HEAD has the length of GET and no body",
      "HEAD /say/ HTTP/1.1\r\nHost: h\r\n" CLOSE, "HTTP/1.1 200 OK", "" },
    { "a path that nobody claims", "GET /nowhere HTTP/1.1\r\nHost: h\r\n" CLOSE, "HTTP/1.1 404 Not Found",
      "{\"message\":\"There is nothing here by that name\",\"code\":\"not_found\"}" },
    { "a target that is no path", "OPTIONS * HTTP/1.1\r\nHost: h\r\n" CLOSE, "HTTP/1.1 400 Bad Request", NOT_UNDERSTOOD },
    { "a length over every limit is refused before the body is sent",
      "POST /echo/ HTTP/1.1\r\nHost: h\r\nContent-Length: 100001\r\n\r\n", "HTTP/1.1 413 ", TOO_LARGE },
    { "a length that is no number", "POST /echo/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1x\r\n\r\n", "HTTP/1.1 400 ",
      NOT_UNDERSTOOD },
    { "a chunk that is none", "POST /echo/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "HTTP/1.1 400 ", NOT_UNDERSTOOD },
    { "an expectation nobody knows", "POST /echo/ HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: wonders\r\n\r\n",
      "HTTP/1.1 417 ", NOT_UNDERSTOOD },
    { "no HTTP at all", "hello there\r\n\r\n", "HTTP/1.1 400 Bad Request", NULL },
    { "a preface of HTTP/2 with a slip of the pen", "PRI * HTTP/1.2\r\n\r\nSM\r\n\r\n", "HTTP/1.1 400 Bad Request", NULL },
    { "the HTTP/2 preface is not understood", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 400 Bad Request", NULL },
    { "an upgrade to h2c is passed over",
      "GET /echo/c HTTP/1.1\r\nHost: h\r\nConnection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
      "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", "HTTP/1.1 200 OK",
      "{\"method\":\"GET\",\"path\":\"/echo/c\",\"query\":\"\",\"body\":\"\",\"peer\":\"127.0.0.1\",\"x\":null}" },
    { "a request that wanted another protocol is the last",
      "GET /echo/u HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\nGET /never HTTP/1.1\r\n\r\n",
      "HTTP/1.1 200 OK",
      "{\"method\":\"GET\",\"path\":\"/echo/u\",\"query\":\"\",\"body\":\"\",\"peer\":\"127.0.0.1\",\"x\":null}" },
};

static void
requests_and_their_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *answer = client_ask(l, cases[i].request), *body = strstr(answer, "\r\n\r\n");
        if (strncmp(answer, cases[i].status, strlen(cases[i].status)) != 0)
            fail_msg("%s: %s", cases[i].name, answer);
        assert_non_null(body);
        if (cases[i].body != NULL && strcmp(body + 4, cases[i].body) != 0)
            fail_msg("%s: %s", cases[i].name, answer);
    }
}

static void
head_says_how_long_the_body_would_be(void **state)
{
    (void)state;
    const char *answer = client_ask(l, "HEAD /say/ HTTP/1.1\r\nHost: h\r\n" CLOSE);
    assert_non_null(strstr(answer, "Content-Length: 2\r\n"));
    assert_non_null(strstr(answer, "retry-after: 3\r\n"));
    assert_null(strstr(answer, "Server:"));
}

static void
a_connection_serves_many_requests_also_when_they_come_at_once(void **state)
{
    int fd = client_connect(loop_port(l));

    (void)state;
    client_send(fd, "GET /echo/1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /echo/2 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"
                    "GET /echo/3 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_non_null(strstr(client_read(fd), "\"path\":\"/echo/1\""));
    assert_non_null(strstr(client_read(fd), "\"path\":\"/echo/2\",\"query\":\"\",\"body\":\"x\""));
    assert_non_null(strstr(client_read(fd), "\"path\":\"/echo/3\""));
    client_send(fd, "GET /echo/4 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_non_null(strstr(client_read(fd), "\"path\":\"/echo/4\""));
    close(fd);
}

static void
a_head_over_16_kilobytes_is_refused(void **state)
{
    char longest[16385];

    (void)state;
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    for (size_t i = 0; i < 2; i++) {
        struct tb_buf request = TB_BUF_INIT;
        tb_buf_printf(&request, i == 0 ? "GET /echo/%s HTTP/1.1\r\n" CLOSE : "GET /echo/ HTTP/1.1\r\nX: %s\r\n" CLOSE, longest);
        const char *answer = client_ask(l, request.p);
        assert_non_null(strstr(answer, "HTTP/1.1 431 Request Header Fields Too Large\r\n"));
        assert_non_null(strstr(answer, TOO_LARGE));
        tb_buf_fini(&request);
    }
}

static void
a_client_that_expects_100_gets_it_and_then_its_answer(void **state)
{
    int fd = client_connect(loop_port(l));

    (void)state;
    client_send(fd, "POST /echo/ HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_string_equal("HTTP/1.1 100 Continue\r\n\r\n", client_read_head(fd));
    client_send(fd, "ok");
    assert_non_null(strstr(client_read(fd), "\"body\":\"ok\""));
    close(fd);
}

static void
a_body_over_the_limit_gets_413_though_the_client_goes_on_sending(void **state)
{
    static const char *const heads[] = {
        "POST /echo/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n",
        "POST /echo/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n",
    };
    static char megabyte[(1 << 20) + 1];

    (void)state;
    memset(megabyte, 'x', 1 << 20);
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        int fd = client_connect(loop_port(l));
        client_send(fd, heads[i]);
        client_send(fd, megabyte);
        assert_non_null(strstr(client_read_all(fd), TOO_LARGE));
        assert_false(client_was_reset());       /* on Linux one may read on after a reset, elsewhere the answer is lost */
        close(fd);
    }
}

static void
an_answer_may_come_in_a_later_turn(void **state)
{
    int fd = client_connect(loop_port(l));

    (void)state;
    client_send(fd, "GET /hold/ HTTP/1.1\r\nHost: h\r\n\r\n");
    loop_wait_held(l, 1);
    assert_non_null(strstr(client_ask(l, "GET /say/ HTTP/1.1\r\nHost: h\r\n" CLOSE), "\r\n\r\nhi"));
    loop_release(l);
    assert_non_null(strstr(client_read(fd), "\r\n\r\nreleased"));
    close(fd);
}

static void
an_answer_to_a_client_that_has_gone_is_dropped(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        int                 fd = client_connect(loop_port(l));
        const struct linger reset = { .l_onoff = 1 };
        client_send(fd, "POST /hold/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
        loop_wait_held(l, 1);
        if (i > 0)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
        loop_release(l);
    }
    assert_non_null(strstr(client_ask(l, "GET /say/ HTTP/1.1\r\nHost: h\r\n" CLOSE), "\r\n\r\nhi"));
}

static void
a_handler_that_wants_to_know_hears_at_once_that_its_client_has_gone(void **state)
{
    enum { ENOUGH_TURNS = 20000 };
    const struct linger reset = { .l_onoff = 1 };

    (void)state;
    for (int i = 0; i < 4; i++) {
        int fd = client_connect(loop_port(l));
        if (i >= 2) {           /* also on a connection that has served a request before */
            client_send(fd, "GET /hold/?watch HTTP/1.1\r\nHost: h\r\n\r\n");
            loop_wait_held(l, 1);
            loop_release(l);
            assert_non_null(strstr(client_read(fd), "\r\n\r\nreleased"));
        }
        client_send(fd, "GET /hold/?watch HTTP/1.1\r\nHost: h\r\n\r\n");
        loop_wait_held(l, 1);
        assert_int_equal(0, loop_held_gone(l));
        if (i % 2 > 0)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
        for (int turns = 0; turns < ENOUGH_TURNS && loop_held_gone(l) == 0; turns++)
            ;
        assert_int_equal(1, loop_held_gone(l));
        loop_release(l);
    }
}

static void
a_request_sent_ahead_is_answered_after_one_that_is_watched(void **state)
{
    int fd = client_connect(loop_port(l));

    (void)state;
    client_send(fd, "GET /hold/?watch HTTP/1.1\r\nHost: h\r\n\r\nGET /say/ HTTP/1.1\r\nHost: h\r\n\r\n");
    loop_wait_held(l, 1);
    assert_int_equal(0, loop_held_gone(l));
    loop_release(l);
    assert_non_null(strstr(client_read(fd), "\r\n\r\nreleased"));
    assert_non_null(strstr(client_read(fd), "\r\n\r\nhi"));
    close(fd);
}

static void
a_client_that_closes_its_sending_side_still_reads_its_answer(void **state)
{
    int fd = client_connect(loop_port(l));

    (void)state;
    client_send(fd, "GET /hold/ HTTP/1.1\r\nHost: h\r\n\r\n");
    loop_wait_held(l, 1);
    shutdown(fd, SHUT_WR);
    assert_int_equal(0, loop_held_gone(l));
    loop_release(l);
    assert_non_null(strstr(client_read(fd), "\r\n\r\nreleased"));
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_and_their_answers),
        cmocka_unit_test(head_says_how_long_the_body_would_be),
        cmocka_unit_test(a_connection_serves_many_requests_also_when_they_come_at_once),
        cmocka_unit_test(a_head_over_16_kilobytes_is_refused),
        cmocka_unit_test(a_client_that_expects_100_gets_it_and_then_its_answer),
        cmocka_unit_test(a_body_over_the_limit_gets_413_though_the_client_goes_on_sending),
        cmocka_unit_test(an_answer_may_come_in_a_later_turn),
        cmocka_unit_test(an_answer_to_a_client_that_has_gone_is_dropped),
        cmocka_unit_test(a_handler_that_wants_to_know_hears_at_once_that_its_client_has_gone),
        cmocka_unit_test(a_request_sent_ahead_is_answered_after_one_that_is_watched),
        cmocka_unit_test(a_client_that_closes_its_sending_side_still_reads_its_answer),
    };
    return tap_run_with(tests, start, stop);
}
