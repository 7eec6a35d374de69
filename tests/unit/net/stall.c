/* The watchdog: what counts as a loop that does not turn, and what it knows of one. */
#include "net/stall.h"

#include "loop.h"

#include <semaphore.h>
#include <unistd.h>

enum { TICK = 1000, FOREVER = 3600000 };

static void
a_loop_that_answers_is_never_silent(void **state)
{
    struct net_silence s = { 0 };

    (void)state;
    for (int64_t now = 1, answered = 0; now < 20 * TICK; now += TICK, answered++)
        assert_int_equal(0, net_silence_look(&s, now, TICK, (uint64_t)answered));
}

static void
silence_grows_from_tick_to_tick_and_ends_with_an_answer(void **state)
{
    struct net_silence s = { 0 };

    (void)state;
    assert_int_equal(0, net_silence_look(&s, 1, TICK, 0));
    assert_int_equal(TICK, net_silence_look(&s, 1 + TICK, TICK, 0));
    assert_int_equal(2 * TICK, net_silence_look(&s, 1 + 2 * TICK, TICK, 0));
    assert_int_equal(0, net_silence_look(&s, 1 + 3 * TICK, TICK, s.asked));
    assert_int_equal(TICK, net_silence_look(&s, 1 + 4 * TICK, TICK, 0));
}

static void
time_in_which_the_process_stood_still_does_not_count(void **state)
{
    struct net_silence s = { 0 };

    (void)state;
    (void)net_silence_look(&s, 1, TICK, 0);
    assert_int_equal(TICK, net_silence_look(&s, 1 + FOREVER, TICK, 0));             /* stopped for an hour, then asked once more */
    assert_int_equal(0, net_silence_look(&s, 1 + FOREVER + TICK, TICK, s.asked));
}

static void
late_looks_count_as_if_they_were_in_time(void **state)
{
    struct net_silence s = { 0 };

    (void)state;
    (void)net_silence_look(&s, 1, TICK, 0);
    for (int i = 1; i <= 4; i++)
        assert_int_equal(i * TICK, net_silence_look(&s, 1 + i * 7 * TICK, TICK, 0));
}

struct seen {
    sem_t            may_go_on;
    struct net_stall stall;
};

static void
on_stall(void *ctx, const struct net_stall *stall)
{
    struct seen *seen = ctx;

    if (stall->for_ms < 60)
        return;
    seen->stall = *stall;
    sem_post(&seen->may_go_on);
}

static void
stand_still(void *ctx)
{
    while (sem_wait(&((struct seen *)ctx)->may_go_on) != 0)
        ;       /* EINTR */
}

static void
a_loop_that_stands_still_is_told_with_what_it_was_at(void **state)
{
    struct loop         *l = loop_start((struct net_settings){ 0 });
    struct seen          seen = { 0 };
    int                  fd = client_connect(loop_port(l));

    (void)state;
    sem_init(&seen.may_go_on, 0, 0);
    client_send(fd, "GET /say/ HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_non_null(strstr(client_read(fd), "hi"));
    struct net_watchdog *w = net_watchdog_start(loop_net(l), 20, on_stall, &seen);
    loop_run(l, stand_still, &seen);
    net_watchdog_stop(&w);
    assert_true(seen.stall.for_ms >= 60);
    assert_string_equal("mailbox", seen.stall.doing);
    assert_string_equal("127.0.0.1", seen.stall.peer);
    assert_int_equal(1, seen.stall.connections);
    assert_true(seen.stall.cpu_ms < 60);        /* it waits */
    close(fd);
    loop_stop(&l);
    sem_destroy(&seen.may_go_on);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_that_answers_is_never_silent),
        cmocka_unit_test(silence_grows_from_tick_to_tick_and_ends_with_an_answer),
        cmocka_unit_test(time_in_which_the_process_stood_still_does_not_count),
        cmocka_unit_test(late_looks_count_as_if_they_were_in_time),
        cmocka_unit_test(a_loop_that_stands_still_is_told_with_what_it_was_at),
    };
    return tap_run(tests);
}
