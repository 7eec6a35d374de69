/* The log: one line an event, the same fields as logfmt and as JSON. */
#include "log.h"
#include "tap.h"

static char last[2048];

static void
keep(tb_str line)
{
    assert_true(line.n < sizeof last);
    memcpy(last, line.p, line.n);
    last[line.n] = '\0';
}

static int
divert(void **state)
{
    (void)state;
    last[0] = '\0';
    log_divert(keep);
    return 0;
}

static int
restore(void **state)
{
    (void)state;
    log_divert(NULL);
    log_set(LOG_INFO, LOG_LOGFMT);
    return 0;
}

static void
logfmt_has_time_level_event_and_fields(void **state)
{
    (void)state;
    log_set(LOG_INFO, LOG_LOGFMT);
    log_warn("sync.push_failed", "batch=%d why=\"%s\"", 64, "timed out");
    assert_non_null(strstr(last, "Z warn sync.push_failed thread=main batch=64 why=\"timed out\"\n"));
}

static void
json_has_the_same_fields_with_their_types(void **state)
{
    (void)state;
    log_set(LOG_INFO, LOG_JSON);
    log_info("x.y", "n=%d neg=-5 s=abc07 zero=007 why=\"a b=c\\d\"", 64);
    assert_non_null(strstr(last, "\"level\":\"info\",\"event\":\"x.y\",\"thread\":\"main\",\"n\":64,\"neg\":-5,"
                                 "\"s\":\"abc07\",\"zero\":\"007\",\"why\":\"a b=c\\\\d\"}\n"));
}

static void
what_is_below_the_level_is_not_written(void **state)
{
    (void)state;
    log_set(LOG_WARN, LOG_LOGFMT);
    log_info("quiet", "n=1");
    log_debug("quieter", "n=1");
    assert_string_equal("", last);
    log_error("loud", "%s", "");
    assert_non_null(strstr(last, " error loud thread=main\n"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(logfmt_has_time_level_event_and_fields, divert, restore),
        cmocka_unit_test_setup_teardown(json_has_the_same_fields_with_their_types, divert, restore),
        cmocka_unit_test_setup_teardown(what_is_below_the_level_is_not_written, divert, restore),
    };
    return tap_run(tests);
}
