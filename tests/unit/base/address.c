/* Addresses and lists of networks. */
#include "base/address.h"
#include "tap.h"

static struct tb_address
of(const char *text)
{
    struct tb_address a;

    assert_true(tb_address_parse(tb_str_of(text), &a));
    return a;
}

static void
an_address_comes_back_as_it_was_and_ipv4_has_one_form(void **state)
{
    static const char *const rows[][2] = {
        { "127.0.0.1", "127.0.0.1" },       { "::ffff:10.1.2.3", "10.1.2.3" }, { "0.0.0.0", "0.0.0.0" },
        { "2001:DB8:0:0:0:0:0:1", "2001:db8::1" }, { "::1", "::1" },
    };
    char text[INET6_ADDRSTRLEN];
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tb_address a = of(rows[i][0]);
        tb_address_text(&a, text);
        assert_string_equal(rows[i][1], text);
    }
}

static void
what_is_no_address_is_refused(void **state)
{
    static const char *const rows[] = { "", "x", "1.2.3", "1.2.3.4:80", "[::1]", "::1%eth0", " 1.2.3.4", "1.2.3.4.5", "unknown",
                                        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb" };
    struct tb_address a;
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_false(tb_address_parse(tb_str_of(rows[i]), &a));
    assert_false(tb_address_parse(TB_LIT("1.2.3.4\0"), &a));
}

static void
a_node_is_an_address_as_proxies_write_it(void **state)
{
    static const char *const rows[][2] = {
        { "192.0.2.1", "192.0.2.1" }, { "192.0.2.1:80", "192.0.2.1" }, { "\"192.0.2.1:65535\"", "192.0.2.1" }, { "2001:db8::1", "2001:db8::1" },
        { "[2001:db8::1]", "2001:db8::1" }, { "\"[2001:db8::1]:4711\"", "2001:db8::1" }, { "192.0.2.1:_a.b-c", "192.0.2.1" },
        { "[::ffff:192.0.2.1]:1", "192.0.2.1" },
    };
    static const char *const none[] = { "", "unknown", "_hidden", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:_", "192.0.2.1:x", "[192.0.2.1]",
                                        "[2001:db8::1", "[2001:db8::1]4711", "2001:db8::1]", "\"", "\"192.0.2.1", "[]", "[::1]:1:2" };
    char              text[INET6_ADDRSTRLEN];
    struct tb_address a;
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!tb_address_parse_node(tb_str_of(rows[i][0]), &a))
            fail_msg("%s", rows[i][0]);
        tb_address_text(&a, text);
        assert_string_equal(rows[i][1], text);
    }
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        if (tb_address_parse_node(tb_str_of(none[i]), &a))
            fail_msg("%s", none[i]);
}

static void
the_network_is_all_of_ipv4_and_half_of_ipv6(void **state)
{
    struct tb_address a = tb_address_network(of("2001:db8::aaaa:1:2:3")), b = tb_address_network(of("2001:db8::bbbb:4:5:6")),
                      c = tb_address_network(of("2001:db8:0:1::1")), d = tb_address_network(of("10.0.0.1")), e = of("10.0.0.1");
    (void)state;

    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_not_equal(&a, &c, sizeof a);
    assert_memory_equal(&d, &e, sizeof d);
}

static void
a_list_has_its_networks_and_nothing_else(void **state)
{
    static const struct { const char *address; bool is_in; } rows[] = {
        { "127.0.0.1", true },   { "127.255.0.9", true }, { "128.0.0.1", false },      { "10.1.2.3", true },
        { "10.1.2.4", false },   { "::1", true },         { "::2", false },            { "192.168.4.0", true },
        { "192.168.7.255", true }, { "192.168.8.0", false }, { "fd00:1::9", true },     { "fd00:2::9", false },
        { "::ffff:127.0.0.1", true },
    };
    struct tb_networks nets;
    struct tb_err      e = { 0 };
    (void)state;

    assert_int_equal(TB_OK, tb_networks_parse(&nets, TB_LIT(" 127.0.0.0/8  ::1 10.1.2.3 192.168.4.0/22 fd00:1::/32 "), &e));
    assert_int_equal(5, nets.n);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tb_address a = of(rows[i].address);
        assert_int_equal(rows[i].is_in, tb_networks_has(&nets, &a));
    }
    assert_int_equal(TB_OK, tb_networks_parse(&nets, TB_LIT(""), &e));
    struct tb_address a = of("::");
    assert_false(tb_networks_has(&nets, &a));
    assert_int_equal(TB_OK, tb_networks_parse(&nets, TB_LIT("::/0"), &e));
    assert_true(tb_networks_has(&nets, &a));
}

static void
a_list_that_makes_no_sense_is_refused_with_the_part_that_makes_none(void **state)
{
    static const char *const rows[] = { "10.0.0.0/33", "10.0.0.0/", "::/129", "10.0.0.0/-1", "10.0.0.0/8/8", "a.example", "/8" };
    struct tb_networks       nets;
    struct tb_err            e = { 0 };
    struct tb_buf            many = TB_BUF_INIT;
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(TB_EINPUT, tb_networks_parse(&nets, tb_str_of(rows[i]), &e));
        assert_non_null(strstr(e.why, rows[i]));
    }
    for (int i = 0; i <= TB_NETWORKS_MAX; i++)
        tb_buf_printf(&many, "10.0.0.%d ", i);
    assert_int_equal(TB_EINPUT, tb_networks_parse(&nets, tb_buf_str(&many), &e));
    tb_buf_fini(&many);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_comes_back_as_it_was_and_ipv4_has_one_form),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(a_node_is_an_address_as_proxies_write_it),
        cmocka_unit_test(the_network_is_all_of_ipv4_and_half_of_ipv6),
        cmocka_unit_test(a_list_has_its_networks_and_nothing_else),
        cmocka_unit_test(a_list_that_makes_no_sense_is_refused_with_the_part_that_makes_none),
    };
    return tap_run(tests);
}
