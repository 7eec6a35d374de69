/* The scanner: reads within bounds and stays failed after its first failure. */
#include "scan.h"
#include "tap.h"

static void
it_reads_a_grammar_in_order(void **state)
{
    struct tb_scan s = tb_scan_of(TB_LIT("51-/chat,12[1]"));
    (void)state;
    assert_int_equal(5, tb_scan_digit(&s, 6));
    assert_int_equal(1, tb_scan_uint(&s, 10));
    tb_scan_expect(&s, '-');
    assert_true(tb_scan_at(&s, '/'));
    assert_true(tb_str_eq(TB_LIT("/chat"), tb_scan_until(&s, ',')));
    assert_true(tb_scan_at_digit(&s));
    assert_int_equal(12, tb_scan_uint(&s, 99));
    assert_true(tb_str_eq(TB_LIT("[1]"), tb_scan_rest(&s)));
    assert_true(tb_scan_at_end(&s));
    assert_null(s.failed);
}

static void
after_a_failure_nothing_moves_and_the_culprit_is_named(void **state)
{
    struct tb_scan s = tb_scan_of(TB_LIT("7x99"));
    (void)state;
    tb_scan_digit(&s, 9);
    tb_scan_uint(&s, 9);
    const char *first = s.failed;
    assert_non_null(first);
    assert_int_equal(1, s.pos);
    tb_scan_expect(&s, 'x');
    assert_int_equal(0, tb_scan_uint(&s, 99));
    assert_int_equal(0, tb_scan_rest(&s).n);
    assert_int_equal(0, tb_scan_bytes(&s, 1).n);
    assert_int_equal(1, s.pos);
    assert_ptr_equal(first, s.failed);
}

static void
numbers_and_slices_stop_at_their_limits(void **state)
{
    struct tb_scan s = tb_scan_of(TB_LIT("8"));
    (void)state;
    assert_int_equal(0, tb_scan_digit(&s, 7));
    assert_non_null(s.failed);
    s = tb_scan_of(TB_LIT("100"));
    assert_int_equal(0, tb_scan_uint(&s, 99));
    assert_non_null(s.failed);
    s = tb_scan_of(TB_LIT("abc"));
    assert_int_equal(0, tb_scan_bytes(&s, 4).n);
    assert_non_null(s.failed);
    s = tb_scan_of(TB_LIT("abc"));
    assert_int_equal(3, tb_scan_until(&s, ',').n);
    assert_null(s.failed);
    s = tb_scan_of(TB_STR_NULL);
    assert_false(tb_scan_take(&s, 'a'));
    assert_true(tb_scan_at_end(&s));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_reads_a_grammar_in_order),
        cmocka_unit_test(after_a_failure_nothing_moves_and_the_culprit_is_named),
        cmocka_unit_test(numbers_and_slices_stop_at_their_limits),
    };
    return tap_run(tests);
}
