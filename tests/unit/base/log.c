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

static void
what_a_thread_is_about_stands_in_its_lines_until_it_is_something_else(void **state)
{
    (void)state;
    log_set(LOG_INFO, LOG_LOGFMT);
    log_about(TB_LIT("request=8f3a user=7"));
    log_info("a.b", "n=%d", 1);
    assert_non_null(strstr(last, " a.b thread=main n=1 request=8f3a user=7\n"));
    log_info("a.b", "%s", "");
    assert_non_null(strstr(last, " a.b thread=main request=8f3a user=7\n"));
    log_about(TB_STR_NULL);
    log_info("a.b", "n=%d", 2);
    assert_non_null(strstr(last, " a.b thread=main n=2\n"));
}

static void
a_field_of_the_line_s_own_is_not_there_twice(void **state)
{
    (void)state;
    log_set(LOG_INFO, LOG_JSON);
    log_about(TB_LIT("user=7 request=8f3a"));
    log_info("a.b", "user=%d", 9);
    assert_non_null(strstr(last, "\"user\":9,\"request\":\"8f3a\"}\n"));
    log_info("a.b", "n=1 user=%d", 9);
    assert_non_null(strstr(last, "\"n\":1,\"user\":9,\"request\":\"8f3a\"}\n"));
    log_info("a.b", "enduser=%d", 9);
    assert_non_null(strstr(last, "\"enduser\":9,\"user\":7,\"request\":\"8f3a\"}\n"));
    log_about(TB_STR_NULL);
}

static void
a_line_is_sound_whatever_is_in_a_value(void **state)
{
    char text[32];

    (void)state;
    log_set(LOG_INFO, LOG_JSON);
    log_info("a.b", "why=\"%s\"", "two\nlines \x1b[1m \xff");
    assert_non_null(strstr(last, "\"why\":\"two lines  [1m ?\"}\n"));
    log_info("a.b", "why=\"\xc3\xa4%s\"", "");
    assert_non_null(strstr(last, "\"why\":\"\xc3\xa4\"}\n"));
    assert_string_equal("/a?b?c?", log_text(TB_LIT("/a\"b\\c\n"), text, sizeof text));
    assert_string_equal("/lon", log_text(TB_LIT("/longer"), text, 5));
}

static void
a_value_that_is_too_long_is_cut_and_ended(void **state)
{
    char text[2000];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_set(LOG_INFO, LOG_LOGFMT);
    log_about(TB_LIT("request=8f3a"));
    log_info("a.b", "why=\"%s\"", text);
    assert_non_null(strstr(last, "xxx\" request=8f3a\n"));
    log_about(TB_STR_NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(logfmt_has_time_level_event_and_fields, divert, restore),
        cmocka_unit_test_setup_teardown(json_has_the_same_fields_with_their_types, divert, restore),
        cmocka_unit_test_setup_teardown(what_a_thread_is_about_stands_in_its_lines_until_it_is_something_else, divert, restore),
        cmocka_unit_test_setup_teardown(a_field_of_the_line_s_own_is_not_there_twice, divert, restore),
        cmocka_unit_test_setup_teardown(a_line_is_sound_whatever_is_in_a_value, divert, restore),
        cmocka_unit_test_setup_teardown(a_value_that_is_too_long_is_cut_and_ended, divert, restore),
        cmocka_unit_test_setup_teardown(what_is_below_the_level_is_not_written, divert, restore),
    };
    return tap_run(tests);
}
