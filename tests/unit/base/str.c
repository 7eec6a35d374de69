/* tb_str and tb_buf: what is trimmed, what is UTF-8, what is a number. */
#include "tap.h"
#include "tombolo/str.h"

static void
trimming_takes_what_javascript_takes(void **state)
{
    static const struct { const char *in, *out; } rows[] = {
        { "", "" }, { "a", "a" }, { "  a b\t\n", "a b" }, { " \r\n\v\f ", "" },
        { "\xc2\xa0" "a" "\xe3\x80\x80", "a" }, { "\xef\xbb\xbf" "a", "a" }, { "\xe2\x80\x8b" "a", "\xe2\x80\x8b" "a" },
        { "\xff" " ", "\xff" }, { "a\x80 ", "a\x80" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tb_str t = tb_str_trim(tb_str_of(rows[i].in));
        assert_true(tb_str_eq(t, tb_str_of(rows[i].out)));
    }
}

static void
utf8_is_checked_as_in_rfc_3629(void **state)
{
    static const char *const good[] = { "", "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf" };
    static const char *const bad[] = { "\x80", "\xc0\xaf", "\xc3", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff",
                                       "\xf8\x88\x80\x80\x80", "\xe0\x80\xaf", "\xc3\x28" };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(tb_str_is_utf8(tb_str_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(tb_str_is_utf8(tb_str_of(bad[i])));
    assert_int_equal(3, tb_str_utf8_length(TB_LIT("a\xc3\xa4\xf0\x9f\x98\x80")));
}

static void
numbers_are_digits_within_their_limit(void **state)
{
    static const struct { const char *in; uint64_t max; bool ok; uint64_t out; } rows[] = {
        { "0", 9, true, 0 }, { "9", 9, true, 9 }, { "10", 9, false, 0 }, { "", 9, false, 0 }, { "-1", 9, false, 0 },
        { "1x", 99, false, 0 }, { " 1", 99, false, 0 }, { "007", 9, true, 7 }, { "5", 3, false, 0 },
        { "18446744073709551615", UINT64_MAX, true, UINT64_MAX }, { "18446744073709551616", UINT64_MAX, false, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t v = 77;
        assert_int_equal(rows[i].ok, tb_str_to_uint(tb_str_of(rows[i].in), rows[i].max, &v));
        assert_true(v == (rows[i].ok ? rows[i].out : 77));
    }
}

static void
a_buffer_grows_and_ends_in_a_nul(void **state)
{
    struct tb_buf b = TB_BUF_INIT;
    (void)state;
    for (int i = 0; i < 1000; i++)
        tb_buf_add(&b, TB_LIT("abc"));
    assert_int_equal(3000, b.n);
    assert_int_equal(0, b.p[3000]);
    tb_buf_clear(&b);
    tb_buf_add_int(&b, INT64_MIN);
    tb_buf_add_char(&b, ' ');
    tb_buf_add_int(&b, 0);
    tb_buf_add_char(&b, ' ');
    tb_buf_add_hex(&b, "\x00\xff\x1a", 3);
    tb_buf_printf(&b, " %d", 42);
    assert_string_equal("-9223372036854775808 0 00ff1a 42", b.p);
    tb_buf_fini(&b);
}

static void
a_copy_stands_alone_and_can_be_freed(void **state)
{
    char   text[] = "abc";
    tb_str copy = tb_str_dup((tb_str){ .p = text, .n = 2 });
    (void)state;
    text[0] = 'x';
    assert_string_equal("ab", copy.p);
    tb_str_free(&copy);
    assert_true(copy.p == NULL && copy.n == 0);
    tb_str_free(&copy);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trimming_takes_what_javascript_takes),
        cmocka_unit_test(utf8_is_checked_as_in_rfc_3629),
        cmocka_unit_test(numbers_are_digits_within_their_limit),
        cmocka_unit_test(a_buffer_grows_and_ends_in_a_nul),
        cmocka_unit_test(a_copy_stands_alone_and_can_be_freed),
    };
    return tap_run(tests);
}
