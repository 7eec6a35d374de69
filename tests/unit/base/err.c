/* Failures: codes, texts and how a cause is wrapped. */
#include "tap.h"
#include "tombolo/err.h"
#include "tombolo/str.h"

static void
every_code_has_a_wire_name_a_status_and_a_text(void **state)
{
    (void)state;
    for (enum tb_code c = TB_OK + 1; c < TB_CODE_COUNT; c++) {
        assert_true(tb_code_status(c) >= 400 && tb_code_status(c) < 600);
        assert_true(strlen(tb_code_wire(c)) > 0 && strlen(tb_code_say(c)) > 0);
    }
    assert_int_equal(507, tb_code_status(TB_EFULL));
    assert_string_equal("storage_full", tb_code_wire(TB_EFULL));
}

static void
a_failure_speaks_its_code_unless_the_line_says_better(void **state)
{
    struct tb_err e = { 0 };
    (void)state;
    assert_int_equal(TB_EDENIED, tb_fail(&e, TB_EDENIED, NULL, "user %d", 7));
    assert_string_equal(tb_code_say(TB_EDENIED), e.say);
    assert_string_equal("user 7", e.why);
    tb_fail(&e, TB_EDENIED, "Join first", "x");
    assert_string_equal("Join first", e.say);
}

static void
wrapping_puts_the_outer_cause_first_and_cuts_what_is_too_long(void **state)
{
    struct tb_err e = { 0 };
    char          longer[400];
    (void)state;
    tb_fail(&e, TB_EIO, NULL, "timed out");
    tb_wrap(&e, "connect");
    assert_int_equal(TB_EIO, tb_wrap(&e, "push batch of %d", 64));
    assert_string_equal("push batch of 64: connect: timed out", e.why);
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    tb_wrap(&e, "%s", longer);
    assert_int_equal(sizeof e.why - 1, strlen(e.why));
}

static void
a_peer_cannot_break_out_of_the_quoted_log_value(void **state)
{
    struct tb_err e = { 0 };
    (void)state;
    tb_fail(&e, TB_EINPUT, NULL, "got %s", "a\" level=\"error\n\x7f");
    assert_string_equal("got a' level='error  ", e.why);
}

/* It goes into a column of text, whose server refuses anything else. */
static void
what_is_cut_in_the_middle_of_a_character_or_is_no_text_becomes_text(void **state)
{
    struct tb_err e = { 0 };
    char          longer[400];
    (void)state;
    for (size_t i = 0; i + 3 < sizeof longer; i += 3)
        memcpy(longer + i, "\xE6\xB8\xAF", 4);
    for (size_t shift = 0; shift < 3; shift++) {
        tb_fail(&e, TB_EIO, NULL, "%.*s%s", (int)shift, "xx", longer);
        assert_true(tb_str_is_utf8(tb_str_of(e.why)));
        assert_true(strlen(e.why) >= sizeof e.why - 3);
        tb_wrap(&e, "x");
        assert_true(tb_str_is_utf8(tb_str_of(e.why)));
    }
    tb_fail(&e, TB_EIO, NULL, "na\xEFve: \xFF");
    assert_string_equal("na?ve: ?", e.why);
    tb_fail(&e, TB_EIO, NULL, "\xE6\xB8");
    assert_string_equal("", e.why);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_wire_name_a_status_and_a_text),
        cmocka_unit_test(a_failure_speaks_its_code_unless_the_line_says_better),
        cmocka_unit_test(wrapping_puts_the_outer_cause_first_and_cuts_what_is_too_long),
        cmocka_unit_test(a_peer_cannot_break_out_of_the_quoted_log_value),
        cmocka_unit_test(what_is_cut_in_the_middle_of_a_character_or_is_no_text_becomes_text),
    };
    return tap_run(tests);
}
