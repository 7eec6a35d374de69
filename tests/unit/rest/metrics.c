/* Who may read /metrics. */
#include "rest/metrics.h"
#include "tap.h"

static const struct {
    const char *name, *peer;
    bool        is_forwarded;
    const char *allowed;
    bool        may;
} readers[] = {
    { "this machine", "127.0.0.1", false, "", true },
    { "another loopback address", "127.8.9.1", false, "", true },
    { "this machine over IPv6", "::1", false, "", true },
    { "this machine, for somebody else", "127.0.0.1", true, "", false },
    { "another machine", "10.0.0.7", false, "", false },
    { "one whose address begins like ours", "1270.0.0.1", false, "", false },
    { "a configured one", "10.0.0.7", false, "10.0.0.7", true },
    { "the last of several", "fd00::7", false, "10.0.0.7 10.0.0.8  fd00::7", true },
    { "one of a configured network", "10.0.3.77", false, "192.0.2.1 10.0.0.0/16", true },
    { "one beside it", "10.1.0.1", false, "192.0.2.1 10.0.0.0/16", false },
    { "a part of a configured one", "10.0.0", false, "10.0.0.7", false },
    { "more than a configured one", "10.0.0.77", false, "10.0.0.7", false },
    { "a configured proxy", "10.0.0.7", true, "10.0.0.7", false },
    { "this machine, where others are configured", "::1", false, "10.0.0.7", true },
    { "nobody knows who", "", false, "", false },
    { "nobody knows who, and two blanks are configured", "", false, "10.0.0.7  10.0.0.8", false },
};

static void
metrics_are_for_this_machine_and_configured_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        struct tb_networks allowed;
        struct tb_err      e = { 0 };
        assert_int_equal(TB_OK, tb_networks_parse(&allowed, tb_str_of(readers[i].allowed), &e));
        if (metrics_may_read(tb_str_of(readers[i].peer), readers[i].is_forwarded, &allowed) != readers[i].may)
            fail_msg("%s", readers[i].name);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_for_this_machine_and_configured_addresses),
    };
    return tap_run(tests);
}
