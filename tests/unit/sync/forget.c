/* What all sites have leaves the centre's op_log: a little at a time, and never before what has to go up. */
#include "fakes.h"

enum { MINUTE_MS = 60000 };

static void
look(void)
{
    fakes.now_ms += SYNC_PULL_QUIET_MS;
    fakes_look_once();
}

static void
begin(int64_t may_forget, int64_t n_in_log)
{
    fakes_begin(3);
    fakes.may_forget = may_forget;
    fakes.n_in_log = n_in_log;
}

static void
a_link_begins_with_word_that_we_are_here_and_each_minute_brings_it_again(void **state)
{
    (void)state;
    begin(0, 0);
    fakes_until(SYNC_PUSHING);
    assert_int_equal(1, fakes.n_here);
    fakes_until(SYNC_LEVEL);
    for (int i = 0; i < 5; i++)
        look();
    assert_int_equal(1, fakes.n_here);
    fakes.now_ms += MINUTE_MS;
    look();
    assert_int_equal(2, fakes.n_here);
    assert_int_equal(0, fakes.n_forgets);
    fakes_end();
}

static void
what_may_go_goes_a_step_at_each_look_until_nothing_is_left(void **state)
{
    (void)state;
    begin(5000, 2500);
    fakes_until(SYNC_LEVEL);
    for (int i = 0; i < 10; i++)
        look();
    assert_int_equal(3, fakes.n_forgets);
    assert_int_equal(2500, fakes.facts.n_forgotten);
    fakes_end();
}

static void
a_slow_centre_is_left_alone_for_longer(void **state)
{
    (void)state;
    begin(5000, 5000);
    fakes.forget_ms = 600;
    fakes_until(SYNC_LEVEL);
    for (int i = 0; i < 6; i++)
        look();
    assert_int_equal(1, fakes.n_forgets);
    fakes_end();
}

static void
what_waits_to_go_up_comes_first(void **state)
{
    (void)state;
    begin(5000, 5000);
    fakes.batch_limit = 1;
    fakes_until(SYNC_LEVEL);
    look();
    unsigned n = fakes.n_forgets;
    fakes.refuses_send = true;
    fakes_append(1);
    fakes_until(SYNC_RESTING);
    assert_int_equal(n, fakes.n_forgets);
    fakes_end();
}

static void
where_the_clocks_are_days_apart_nothing_goes(void **state)
{
    (void)state;
    begin(5000, 5000);
    fakes.place.now_ms = fakes.now_ms + 1000000 + 2 * 86400000;
    fakes_until(SYNC_LEVEL);
    for (int i = 0; i < 5; i++)
        look();
    assert_int_equal(0, fakes.n_floors + fakes.n_forgets);
    fakes_end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_begins_with_word_that_we_are_here_and_each_minute_brings_it_again),
        cmocka_unit_test(what_may_go_goes_a_step_at_each_look_until_nothing_is_left),
        cmocka_unit_test(a_slow_centre_is_left_alone_for_longer),
        cmocka_unit_test(what_waits_to_go_up_comes_first),
        cmocka_unit_test(where_the_clocks_are_days_apart_nothing_goes),
    };
    return tap_run(tests);
}
