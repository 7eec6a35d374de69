/* Who may read /metrics, and the form of a metric. */
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
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (metrics_may_read(tb_str_of(readers[i].peer), readers[i].is_forwarded, tb_str_of(readers[i].allowed)) != readers[i].may)
            fail_msg("%s", readers[i].name);
}

static void
a_metric_is_its_head_and_its_values(void **state)
{
    struct tb_buf out = TB_BUF_INIT;

    (void)state;
    metrics_head(&out, "tombolo_x_total", METRICS_COUNTER, "What x is.");
    metrics_value(&out, "tombolo_x_total", "why", "a", 1);
    metrics_value(&out, "tombolo_x_total", "why", "b", UINT64_MAX);
    metrics_head(&out, "tombolo_y", METRICS_GAUGE, "What y is.");
    metrics_value(&out, "tombolo_y", NULL, NULL, 0);
    assert_string_equal("# HELP tombolo_x_total What x is.\n# TYPE tombolo_x_total counter\n"
                        "tombolo_x_total{why=\"a\"} 1\ntombolo_x_total{why=\"b\"} 18446744073709551615\n"
                        "# HELP tombolo_y What y is.\n# TYPE tombolo_y gauge\ntombolo_y 0\n",
                        out.p);
    tb_buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_for_this_machine_and_configured_addresses),
        cmocka_unit_test(a_metric_is_its_head_and_its_values),
    };
    return tap_run(tests);
}
