/* Limits by address, with a clock that is moved: here everybody is named by a proxy that is trusted, this machine. */
#include "loop.h"

#include <stdio.h>

enum { BURST_S = 10, TRACKED = 20 };

static struct loop *
start(unsigned requests)
{
    struct net_settings s = { .by_address = { .requests = requests, .tracked = TRACKED } };
    struct tb_err       e = { 0 };

    assert_int_equal(TB_OK, tb_networks_parse(&s.by_address.trusted, TB_LIT("127.0.0.1"), &e));
    return loop_start(s);
}

static int
ask_as(struct loop *l, const char *address)
{
    char text[256];

    snprintf(text, sizeof text, "GET /say/ HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: %s\r\nConnection: close\r\n\r\n", address);
    return (int)strtol(client_ask(l, text) + sizeof "HTTP/1.1", NULL, 10);
}

static void
use_up(struct loop *l, const char *address, int n)
{
    for (int i = 0; i < n; i++)
        assert_int_equal(200, ask_as(l, address));
    assert_int_equal(429, ask_as(l, address));
}

static void
ten_seconds_worth_may_come_at_once_and_then_as_much_as_time_brings(void **state)
{
    struct loop *l = start(2);
    (void)state;

    use_up(l, "10.0.0.1", 2 * BURST_S);
    loop_pass(l, 499);
    assert_int_equal(429, ask_as(l, "10.0.0.1"));           /* one that is refused does not count */
    loop_pass(l, 1);
    use_up(l, "10.0.0.1", 1);
    loop_pass(l, 3000);
    use_up(l, "10.0.0.1", 6);
    loop_pass(l, 100000);
    use_up(l, "10.0.0.1", 2 * BURST_S);                     /* and no more than that */
    loop_stop(&l);
}

static void
who_is_refused_is_told_when_to_come_back_and_is_not_let_in_before(void **state)
{
    struct loop *l = start(1);
    (void)state;

    use_up(l, "10.0.0.1", BURST_S);
    const char *answer = client_ask(l, "GET /say/ HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.0.0.1\r\nConnection: close\r\n\r\n");
    assert_non_null(strstr(answer, "\r\nretry-after: 1\r\n"));
    assert_non_null(strstr(answer, "\"code\":\"rate_limited\",\"retryAfter\":1}"));
    loop_stop(&l);
}

static void
an_ipv6_network_is_one_address_and_an_ipv4_address_is_itself_in_any_form(void **state)
{
    struct loop *l = start(1);
    (void)state;

    use_up(l, "2001:db8::1", BURST_S);
    assert_int_equal(429, ask_as(l, "2001:db8::ffff:ffff:ffff:ffff"));
    assert_int_equal(200, ask_as(l, "2001:db8:0:1::1"));
    use_up(l, "10.0.0.1", BURST_S);
    assert_int_equal(429, ask_as(l, "::ffff:10.0.0.1"));
    assert_int_equal(200, ask_as(l, "10.0.0.2"));
    loop_stop(&l);
}

static void
so_many_addresses_are_remembered_and_the_one_that_was_away_longest_goes(void **state)
{
    struct loop *l = start(1);
    char         other[32];
    (void)state;

    use_up(l, "10.0.0.1", BURST_S);
    for (int i = 0; i < TRACKED - 1; i++) {
        snprintf(other, sizeof other, "10.1.0.%d", i);
        assert_int_equal(200, ask_as(l, other));
    }
    assert_int_equal(429, ask_as(l, "10.0.0.1"));           /* still known, and the last again */
    for (int i = 0; i < TRACKED; i++) {
        snprintf(other, sizeof other, "10.2.0.%d", i);
        assert_int_equal(200, ask_as(l, other));
    }
    assert_int_equal(200, ask_as(l, "10.0.0.1"));
    loop_stop(&l);
}

static void
a_proxy_is_not_limited(void **state)
{
    struct loop *l = start(1);
    (void)state;

    for (int i = 0; i < 2 * BURST_S; i++)
        assert_int_equal(200, ask_as(l, "127.0.0.1"));
    loop_stop(&l);
}

static void
all_who_are_named_by_no_address_share_one_limit(void **state)
{
    static const char *const names[] = { "unknown", "_hidden", "", "10.0.0.1:port", "[10.0.0.1]", "10.0.0.1, nonsense" };
    struct loop             *l = start(1);
    (void)state;

    use_up(l, "nonsense", BURST_S);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(429, ask_as(l, names[i]));
    assert_int_equal(200, ask_as(l, "10.0.0.1"));
    loop_stop(&l);
}

static void
a_port_quotes_and_brackets_change_nothing(void **state)
{
    struct loop *l = start(1);
    (void)state;

    use_up(l, "203.0.113.5:49152", BURST_S);
    assert_int_equal(429, ask_as(l, "203.0.113.5"));
    use_up(l, "\"[2001:db8::1]:4711\"", BURST_S);
    assert_int_equal(429, ask_as(l, "2001:db8::1"));
    loop_stop(&l);
}

/* RFC 7239 section 4 has these forms. */
static void
forwarded_is_read_where_there_is_no_x_forwarded_for(void **state)
{
    static const char *const same[] = {
        "for=192.0.2.60", "For=\"192.0.2.60:4711\"", "for=192.0.2.60;proto=http;by=203.0.113.43", "by=\"a;for=10.9.9.9, b\";for=192.0.2.60",
        "for=10.9.9.9, for=192.0.2.60", "for=192.0.2.60, for=127.0.0.1", "for=\"192.0.2.60:_port\"",
    };
    struct loop *l = start(1);
    char         text[256];
    (void)state;

    use_up(l, "192.0.2.60", BURST_S);
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        snprintf(text, sizeof text, "GET /say/ HTTP/1.1\r\nHost: h\r\nForwarded: %s\r\nConnection: close\r\n\r\n", same[i]);
        if (strstr(client_ask(l, text), "HTTP/1.1 429 ") == NULL)
            fail_msg("%s", same[i]);
    }
    assert_non_null(strstr(client_ask(l, "GET /say/ HTTP/1.1\r\nHost: h\r\nForwarded: for=\"[2001:db8:cafe::17]:4711\"\r\nConnection: close\r\n\r\n"),
                           "HTTP/1.1 200 "));
    loop_stop(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_seconds_worth_may_come_at_once_and_then_as_much_as_time_brings),
        cmocka_unit_test(who_is_refused_is_told_when_to_come_back_and_is_not_let_in_before),
        cmocka_unit_test(an_ipv6_network_is_one_address_and_an_ipv4_address_is_itself_in_any_form),
        cmocka_unit_test(so_many_addresses_are_remembered_and_the_one_that_was_away_longest_goes),
        cmocka_unit_test(a_proxy_is_not_limited),
        cmocka_unit_test(all_who_are_named_by_no_address_share_one_limit),
        cmocka_unit_test(a_port_quotes_and_brackets_change_nothing),
        cmocka_unit_test(forwarded_is_read_where_there_is_no_x_forwarded_for),
    };
    return tap_run(tests);
}
