/* Timers of the loop, on a clock that the test moves. */
#include "loop.h"

enum { MANY = 500 };

static struct loop      *l;
static int               fired[2 * MANY];
static size_t            n_fired;
static struct net_timer *timers[MANY];

static int
start(void **state)
{
    (void)state;
    l = loop_start((struct net_settings){ 0 });
    n_fired = 0;
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    loop_stop(&l);
    return 0;
}

static void
note(void *ctx)
{
    fired[n_fired++] = (int)((struct net_timer **)ctx - timers);
}

static void
free_itself(void *ctx)
{
    note(ctx);
    net_timer_free(ctx);
}

static void
start_again_at_once(void *ctx)
{
    note(ctx);
    if (n_fired < 3)
        net_timer_start(*(struct net_timer **)ctx, 0);
}

static void
make_many(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < MANY; i++) {
        timers[i] = net_timer_new(loop_net(l), note, &timers[i]);
        net_timer_start(timers[i], (uint64_t)(i * 7919 % MANY) + 1);    /* 7919 is prime: every time once */
    }
    for (int i = 0; i < MANY; i += 2)
        net_timer_stop(timers[i]);
    for (int i = 1; i < MANY; i += 4)
        net_timer_start(timers[i], 10000);
}

static void
free_many(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < MANY; i++)
        net_timer_free(&timers[i]);
}

static void
timers_fire_in_the_order_of_their_times_but_for_those_stopped_or_moved(void **state)
{
    (void)state;
    loop_run(l, make_many, NULL);
    loop_pass(l, 1000);
    assert_int_equal(MANY / 4, n_fired);
    for (size_t i = 0; i < n_fired; i++) {
        assert_int_equal(3, fired[i] % 4);
        if (i > 0)
            assert_true(fired[i - 1] * 7919 % MANY < fired[i] * 7919 % MANY);
    }
    loop_pass(l, 9000);
    assert_int_equal(MANY / 2, n_fired);
    loop_run(l, free_many, NULL);
}

static void
make_selfish(void *ctx)
{
    (void)ctx;
    timers[0] = net_timer_new(loop_net(l), free_itself, &timers[0]);
    timers[1] = net_timer_new(loop_net(l), start_again_at_once, &timers[1]);
    net_timer_start(timers[0], 5);
    net_timer_start(timers[1], 10);
}

static void
free_second(void *ctx)
{
    (void)ctx;
    net_timer_free(&timers[1]);
}

static void
a_timer_may_free_or_restart_itself_when_it_fires(void **state)
{
    (void)state;
    loop_run(l, make_selfish, NULL);
    loop_pass(l, 4);
    assert_int_equal(0, n_fired);
    loop_pass(l, 1);
    assert_int_equal(1, n_fired);
    assert_null(timers[0]);
    loop_pass(l, 5);
    loop_pass(l, 1);
    assert_int_equal(3, n_fired);
    loop_run(l, free_second, NULL);
}

enum { FOR_EVER = 20000000 };        /* turns that no test lives to see, but for a loop that is stuck in one */

static bool is_enough;
static int  n_endless;

static void
start_again_until_it_is_enough(void *ctx)
{
    assert_true(n_endless++ < FOR_EVER);
    if (!is_enough)
        net_timer_start(*(struct net_timer **)ctx, 0);
}

static void
make_endless(void *ctx)
{
    (void)ctx;
    timers[1] = net_timer_new(loop_net(l), start_again_until_it_is_enough, &timers[1]);
    net_timer_start(timers[1], 0);
}

static void
say_enough(void *ctx)
{
    (void)ctx;
    is_enough = true;
}

static void
a_timer_that_is_always_due_leaves_the_loop_its_other_work(void **state)
{
    (void)state;
    loop_run(l, make_endless, NULL);
    loop_run(l, say_enough, NULL);
    loop_run(l, free_second, NULL);
    assert_true(n_endless > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(timers_fire_in_the_order_of_their_times_but_for_those_stopped_or_moved, start, stop),
        cmocka_unit_test_setup_teardown(a_timer_that_is_always_due_leaves_the_loop_its_other_work, start, stop),
        cmocka_unit_test_setup_teardown(a_timer_may_free_or_restart_itself_when_it_fires, start, stop),
    };
    return tap_run(tests);
}
