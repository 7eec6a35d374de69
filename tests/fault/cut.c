/* The link and the server fail at the worst moments: the effect is there exactly once, and the drain goes on by itself. */
#include "proxy.h"
#include "work.h"

#include "store/follow.h"

#include <stdio.h>
#include <sys/random.h>

static struct centre  centre;
static struct proxy   proxy;
static struct fixture f;
static struct work    w;

static int
begin(void **state)
{
    uint64_t seed = 7;
    (void)state;
    assert_int_equal(sizeof seed, getrandom(&seed, sizeof seed, 0));
    printf("# seed %llu\n", (unsigned long long)seed);
    centre_empty(&centre);
    proxy_start(&proxy, &centre);
    fixture_open(&f);
    work_begin(&w, &f, seed);
    return 0;
}

static int
finish(void **state)
{
    (void)state;
    work_end_all();
    fixture_close(&f);
    proxy_stop(&proxy);
    return 0;
}

static void
a_lost_answer_to_commit_repeats_nothing(void **state)
{
    (void)state;
    struct sync *s = work_sync(&f, proxy.url);
    work_wait(s, SYNC_UP);
    for (int i = 0; i < 3; i++) {
        proxy.fault = PROXY_SWALLOW_OK;
        work_do(&w, 5);
        proxy_await(&proxy, (unsigned)i + 1);
        work_do(&w, 5);
    }
    work_wait(s, SYNC_UP);
    work_compare(&f, &centre);
    work_end(&s);
}

static void
a_batch_cut_in_the_middle_leaves_nothing_behind(void **state)
{
    (void)state;
    struct sync *s = work_sync(&f, proxy.url);
    work_wait(s, SYNC_UP);
    for (int i = 0; i < 3; i++) {
        proxy.fault = PROXY_HALVE;
        work_do(&w, 10);
        work_wait(s, SYNC_UP);
        work_compare(&f, &centre);
    }
    assert_int_equal(3, proxy.n_faults);
    work_end(&s);
}

static void
without_a_link_work_goes_on_and_the_drain_begins_within_five_seconds_of_its_return(void **state)
{
    struct sync_status now;
    (void)state;
    proxy.fault = PROXY_REFUSE;
    struct sync *s = work_sync(&f, proxy.url);
    work_wait(s, SYNC_DOWN);
    work_do(&w, 150);
    sync_status(s, &now);
    struct store_status store;
    store_status(f.store, &store);
    assert_int_equal(store.own_seq, now.lag_ops);
    assert_true(now.lag_ms > 0);
    assert_int_equal(0, now.last_synced_at);
    int64_t back = tb_mono_ms(&tb_clock_system);
    proxy.fault = PROXY_PASS;
    work_wait(s, SYNC_UP);
    assert_true(tb_mono_ms(&tb_clock_system) - back < 5000);
    sync_status(s, &now);
    assert_int_equal(0, now.lag_ms);
    assert_true(now.last_synced_at > 0);
    work_compare(&f, &centre);
    work_end(&s);
}

static void
a_link_that_is_silent_is_given_up(void **state)
{
    (void)state;
    struct sync *s = work_sync(&f, proxy.url);
    work_wait(s, SYNC_UP);
    proxy.fault = PROXY_SWALLOW_ALL;
    work_do(&w, 5);
    work_wait(s, SYNC_DOWN);
    proxy.fault = PROXY_PASS;
    work_wait(s, SYNC_UP);
    work_compare(&f, &centre);
    work_end(&s);
}

/* Twice as long as an answer is waited for. */
static void
a_link_that_is_too_slow_for_a_whole_batch_gets_smaller_ones(void **state)
{
    (void)state;
    proxy.fault = PROXY_REFUSE;
    struct sync *s = work_sync_patient(&f, proxy.url, 1000);
    work_do(&w, 250);
    proxy.bytes_per_s = 40000;
    proxy.fault = PROXY_PASS;
    work_wait(s, SYNC_UP);
    work_compare(&f, &centre);
    work_end(&s);
}

static void
a_killed_server_comes_back_to_everything_once(void **state)
{
    (void)state;
    struct sync *s = work_sync(&f, centre.url);
    work_wait(s, SYNC_UP);
    for (int i = 0; i < 3; i++) {
        work_do(&w, 30 + (size_t)i * 7);
        centre_kill(&centre);
        work_do(&w, 30);
        centre_resume(&centre);
        work_do(&w, 30);
    }
    work_wait(s, SYNC_UP);
    work_compare(&f, &centre);
    work_end(&s);
}

static void
a_frozen_server_does_not_hold_up_the_stop(void **state)
{
    (void)state;
    struct sync *s = work_sync_patient(&f, centre.url, 60000);
    work_wait(s, SYNC_UP);
    centre_freeze(&centre);
    work_do(&w, 5);
    int64_t before = tb_mono_ms(&tb_clock_system);
    work_end(&s);
    assert_true(tb_mono_ms(&tb_clock_system) - before < 5000);
    s = work_sync_patient(&f, centre.url, 60000);       /* connecting has a time-out of its own */
    before = tb_mono_ms(&tb_clock_system);
    work_end(&s);
    assert_true(tb_mono_ms(&tb_clock_system) - before < 3000);
    centre_thaw(&centre);
    s = work_sync(&f, centre.url);
    work_wait(s, SYNC_UP);
    work_compare(&f, &centre);
    work_end(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_lost_answer_to_commit_repeats_nothing, begin, finish),
        cmocka_unit_test_setup_teardown(a_batch_cut_in_the_middle_leaves_nothing_behind, begin, finish),
        cmocka_unit_test_setup_teardown(
            without_a_link_work_goes_on_and_the_drain_begins_within_five_seconds_of_its_return, begin, finish),
        cmocka_unit_test_setup_teardown(a_link_that_is_silent_is_given_up, begin, finish),
        cmocka_unit_test_setup_teardown(a_link_that_is_too_slow_for_a_whole_batch_gets_smaller_ones, begin, finish),
        cmocka_unit_test_setup_teardown(a_killed_server_comes_back_to_everything_once, begin, finish),
        cmocka_unit_test_setup_teardown(a_frozen_server_does_not_hold_up_the_stop, begin, finish),
    };
    return centre_run_tests(tests, &centre, NULL);
}
