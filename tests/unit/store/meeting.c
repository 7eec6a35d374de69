/* Changes wait until a journal has met its centre: a new one for its number and for a while, a restored one for as long as it
 * takes. */
#include "fixture.h"

#include "store/follow.h"

#include <stdio.h>

#define CENTRE "123e4567-e89b-42d3-a456-426614174000"

enum { WAIT_MS = 5000 };

static struct fixture f;

static int
begin(void **state)
{
    (void)state;
    fixture_open(&f);
    f.settings.first_contact_ms = WAIT_MS;
    fixture_reopen(&f);
    return 0;
}

static int
finish(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

static enum tb_code
add_user(struct tb_err *e)
{
    struct store_add_user r = { .email = TB_LIT("ann@x.test"), .username = TB_LIT("ann"), .password_hash = TB_LIT("$argon2id$x") };
    enum tb_code          code = fixture_call(&f, add_user, &r);

    *e = r.op.err;
    store_op_fini(&r.op);
    return code;
}

static void
is_told_to_come_again(void)
{
    struct tb_err e;

    assert_int_equal(TB_EBUSY, add_user(&e));
    assert_int_equal(1, e.retry_after_s);
}

static void
is_taken(void)
{
    struct tb_err e;
    assert_int_equal(TB_OK, add_user(&e));
}

static void
waits_for(enum store_awaits what)
{
    struct store_status s;

    store_status(f.store, &s);
    assert_int_equal(what, s.awaits);
}

static void
get_number(uint32_t node)
{
    struct store_set_node r = { .node = node, .centre_uuid = CENTRE };

    assert_int_equal(TB_OK, fixture_call(&f, set_node, &r));
    store_op_fini(&r.op);
}

static void
is_known_at_the_centre(void)
{
    struct store_mark_pushed r = { .at = 1, .centre_uuid = CENTRE };

    assert_int_equal(TB_OK, fixture_call(&f, mark_pushed, &r));
    store_op_fini(&r.op);
}

static void
a_new_journal_takes_nothing_until_it_has_its_number(void **state)
{
    (void)state;
    waits_for(STORE_AWAITS_NUMBER);
    is_told_to_come_again();
    get_number(7);
    waits_for(STORE_AWAITS_NOTHING);
    is_taken();
}

static void
the_first_journal_of_a_centre_keeps_0_and_waits_no_more(void **state)
{
    (void)state;
    is_told_to_come_again();
    is_known_at_the_centre();
    waits_for(STORE_AWAITS_NOTHING);
    is_taken();
}

static void
it_goes_on_alone_when_its_time_is_up_and_a_restart_waits_anew(void **state)
{
    (void)state;
    f.mono_us += (WAIT_MS - 1) * 1000;
    is_told_to_come_again();
    fixture_reopen(&f);
    f.mono_us += 1000;
    is_told_to_come_again();
    f.mono_us += (WAIT_MS - 1) * 1000;
    waits_for(STORE_AWAITS_NOTHING);
    is_taken();
    fixture_reopen(&f);
    waits_for(STORE_AWAITS_NOTHING);
}

static void
it_goes_on_alone_as_soon_as_there_is_nobody_to_wait_for(void **state)
{
    (void)state;
    store_stop_waiting(f.store, STORE_AWAITS_NUMBER);
    is_taken();
}

static void
a_number_that_comes_after_that_is_still_taken_when_nothing_was_written(void **state)
{
    (void)state;
    f.mono_us += WAIT_MS * 1000;
    get_number(7);
    is_taken();
    fixture_reopen(&f);
    waits_for(STORE_AWAITS_NOTHING);
}

static void
a_number_from_the_settings_is_one(void **state)
{
    (void)state;
    f.settings.node = 9;
    fixture_reopen(&f);
    waits_for(STORE_AWAITS_NOTHING);
    is_taken();
}

static void
without_a_time_nothing_waits(void **state)
{
    (void)state;
    f.settings.first_contact_ms = 0;
    fixture_reopen(&f);
    waits_for(STORE_AWAITS_NOTHING);
    is_taken();
}

/* ---- restored ---- */

static void
restore(enum store_restored as)
{
    char sql[64];

    get_number(7);
    is_taken();
    store_close(&f.store);
    snprintf(sql, sizeof sql, "UPDATE self SET restored = %d", (int)as);
    fixture_sql(&f, sql);
    fixture_reopen(&f);
}

static void
is_refused_receipts_and_all(void)
{
    struct store_set_last_seen r = { .n = 0 };

    waits_for(STORE_AWAITS_CENTRE);
    is_told_to_come_again();
    assert_int_equal(TB_EBUSY, fixture_call(&f, set_last_seen, &r));
    store_op_fini(&r.op);
}

static void
a_restored_journal_waits_for_its_next_epoch_however_long_that_takes(void **state)
{
    (void)state;
    restore(STORE_RESTORED);
    f.mono_us += INT64_C(1000) * WAIT_MS * 1000;
    is_refused_receipts_and_all();
    struct store_set_epoch r = { .epoch = 2 };
    assert_int_equal(TB_OK, fixture_call(&f, set_epoch, &r));
    store_op_fini(&r.op);
    waits_for(STORE_AWAITS_NOTHING);
    fixture_reopen(&f);
    waits_for(STORE_AWAITS_NOTHING);
}

static void
a_person_can_have_it_go_on_alone_for_good(void **state)
{
    (void)state;
    restore(STORE_RESTORED_TAKES_OVER);
    is_refused_receipts_and_all();
    struct store_go_alone r = { 0 };
    assert_int_equal(TB_OK, fixture_call(&f, go_alone, &r));
    store_op_fini(&r.op);
    fixture_reopen(&f);
    waits_for(STORE_AWAITS_NOTHING);
}

static void
one_whose_centre_refuses_it_goes_on_until_the_next_start(void **state)
{
    (void)state;
    restore(STORE_RESTORED);
    store_stop_waiting(f.store, STORE_AWAITS_CENTRE);
    waits_for(STORE_AWAITS_NOTHING);
    fixture_reopen(&f);
    waits_for(STORE_AWAITS_CENTRE);
}

static void
one_that_never_had_a_centre_waits_for_none(void **state)
{
    (void)state;
    f.mono_us += WAIT_MS * 1000;
    is_taken();
    store_close(&f.store);
    fixture_sql(&f, "UPDATE self SET restored = 1");
    fixture_reopen(&f);
    waits_for(STORE_AWAITS_NOTHING);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_journal_takes_nothing_until_it_has_its_number, begin, finish),
        cmocka_unit_test_setup_teardown(the_first_journal_of_a_centre_keeps_0_and_waits_no_more, begin, finish),
        cmocka_unit_test_setup_teardown(it_goes_on_alone_when_its_time_is_up_and_a_restart_waits_anew, begin, finish),
        cmocka_unit_test_setup_teardown(it_goes_on_alone_as_soon_as_there_is_nobody_to_wait_for, begin, finish),
        cmocka_unit_test_setup_teardown(a_number_that_comes_after_that_is_still_taken_when_nothing_was_written, begin, finish),
        cmocka_unit_test_setup_teardown(a_number_from_the_settings_is_one, begin, finish),
        cmocka_unit_test_setup_teardown(without_a_time_nothing_waits, begin, finish),
        cmocka_unit_test_setup_teardown(a_restored_journal_waits_for_its_next_epoch_however_long_that_takes, begin, finish),
        cmocka_unit_test_setup_teardown(a_person_can_have_it_go_on_alone_for_good, begin, finish),
        cmocka_unit_test_setup_teardown(one_whose_centre_refuses_it_goes_on_until_the_next_start, begin, finish),
        cmocka_unit_test_setup_teardown(one_that_never_had_a_centre_waits_for_none, begin, finish),
    };
    return tap_run(tests);
}
