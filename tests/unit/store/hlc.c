/* The hybrid clock: forward always, and no further than a remote clock may pull it. */
#include "store/hlc.h"
#include "tap.h"

#define MS(ms) ((int64_t)(ms) << HLC_LOGICAL_BITS)

static void
it_follows_the_wall_and_never_goes_back(void **state)
{
    (void)state;
    assert_true(hlc_next(0, 1000) == MS(1000));
    assert_true(hlc_next(MS(1000), 1000) == MS(1000) + 1);
    assert_true(hlc_next(MS(1000) + 1, 500) == MS(1000) + 2);
    assert_true(hlc_next(MS(1000) + 65535, 1000) == MS(1001));
    assert_true(hlc_next(MS(1000), 1001) == MS(1001));
}

static void
a_remote_clock_pulls_it_along_but_not_far(void **state)
{
    bool doubtful;
    (void)state;
    assert_true(hlc_merge(MS(1000), MS(2000), 1000, &doubtful) == MS(2000) && !doubtful);
    assert_true(hlc_merge(MS(3000), MS(2000), 1000, &doubtful) == MS(3000) && !doubtful);
    assert_true(hlc_merge(MS(1000), MS(1000 + HLC_MAX_AHEAD_MS), 1000, &doubtful) == MS(1000 + HLC_MAX_AHEAD_MS) && !doubtful);
    assert_true(hlc_merge(MS(1000), MS(1001 + HLC_MAX_AHEAD_MS), 1000, &doubtful) == MS(1000) && doubtful);
}

static void
a_wall_clock_far_behind_is_noticed(void **state)
{
    (void)state;
    assert_false(hlc_wall_is_behind(MS(HLC_MAX_AHEAD_MS), 0));
    assert_true(hlc_wall_is_behind(MS(HLC_MAX_AHEAD_MS + 1), 0));
}

static void
a_later_write_beats_what_it_saw(void **state)
{
    (void)state;
    assert_true(hlc_stamp(MS(5), MS(4)) == MS(5));
    assert_true(hlc_stamp(MS(5), MS(9)) == MS(9) + 1);
    assert_true(hlc_stamp(MS(5), MS(5)) == MS(5) + 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_follows_the_wall_and_never_goes_back),
        cmocka_unit_test(a_remote_clock_pulls_it_along_but_not_far),
        cmocka_unit_test(a_wall_clock_far_behind_is_noticed),
        cmocka_unit_test(a_later_write_beats_what_it_saw),
    };
    return tap_run(tests);
}
