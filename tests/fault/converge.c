/* Three sites whose clocks are minutes apart and jump, whose links fail at random, and whose people take each other's e-mails
 * and move each other in and out of rooms: in the end all journals and the centre hold the same rows. */
#include "sites.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum { SEEDS = 4, SEEDS_LONG = 200, ACTS = 150 };

static struct centre centre;

static void
rest(int64_t ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

static void
strike(struct sites *s)
{
    static const enum proxy_fault faults[] = { PROXY_PASS, PROXY_PASS, PROXY_CUT, PROXY_CUT, PROXY_SWALLOW_OK, PROXY_HALVE,
                                               PROXY_REFUSE, PROXY_SWALLOW_ALL, PROXY_HOLD };
    struct proxy *p = &s->site[sites_below(s, SITES)].proxy;

    p->delay_ms = (unsigned)sites_below(s, 40);
    p->fault = faults[sites_below(s, sizeof faults / sizeof *faults)];
}

static void
mend(struct sites *s)
{
    for (int i = 0; i < SITES; i++) {
        s->site[i].proxy.fault = PROXY_PASS;
        s->site[i].proxy.delay_ms = 0;
    }
}

static void
restart_one(struct sites *s)
{
    int i = (int)sites_below(s, SITES);

    sites_stop(s, i);
    fixture_reopen(&s->site[i].f);
    sites_start(s, i);
}

static void
play(uint64_t seed)
{
    static struct sites s;

    printf("# seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    sites_open(&s, &centre, seed);
    for (int i = 0; i < ACTS; i++) {
        sites_act_anywhere(&s, 1);
        if (sites_below(&s, 8) == 0)
            strike(&s);
        if (sites_below(&s, 6) == 0)
            rest((int64_t)sites_below(&s, 60));
        if (sites_below(&s, 80) == 0)
            restart_one(&s);
    }
    mend(&s);
    sites_settle(&s);
    sites_compare(&s);
    sites_close(&s);
}

static void
three_sites_converge_through_cuts_skewed_clocks_and_conflicts(void **state)
{
    const char *one = getenv("TB_SEED");
    uint64_t    seed;
    (void)state;
    assert_int_equal(sizeof seed, getrandom(&seed, sizeof seed, 0));
    seed %= 1000000;
    if (one != NULL) {
        play((uint64_t)strtoull(one, NULL, 10));
        return;
    }
    for (int i = 0; i < (getenv("TB_LONG") != NULL ? SEEDS_LONG : SEEDS); i++)
        play(seed + (uint64_t)i);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(three_sites_converge_through_cuts_skewed_clocks_and_conflicts, work_teardown),
    };
    return centre_run_tests(tests, &centre, NULL);
}
