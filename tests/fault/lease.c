/* What all sites have leaves the centre's op_log; a site that was silent for longer than its lease comes back to a log that begins
 * after what it has, takes the tables, and ends with the same rows as all others, and so do they with what it wrote alone. */
#include "sites.h"

#include "aging.h"
#include "base/log.h"
#include "sync/rejoin.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum { SEEDS = 3, SEEDS_LONG = 100, ROUNDS = 12, MONTH = WORK_KEEP_DAYS + 1 };

static struct centre centre;
static struct sites s;

static void
rest(int64_t ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

static int64_t
ask(const char *sql)
{
    char *rows = centre_dump(&centre, sql);
    int64_t v = strtoll(rows, NULL, 10);

    tb_free(rows);
    return v;
}

static void
await(const char *sql, int64_t expected)
{
    for (int i = 0; ask(sql) != expected; i++) {
        if (i > 3000)
            fail_msg("%s is %" PRId64, sql, ask(sql));
        rest(5);
    }
}

#define BELOW_FLOOR "SELECT COUNT(*) FROM op_log o JOIN site s ON s.id = o.node WHERE o.seq <= s.floor"

/* All that is there now gets old enough to go, if nobody waits for it. */
static void
let_all_get_old(void)
{
    sites_pass_days(&s, 1);
    for (int i = 0; i < SITES; i++)
        if (s.site[i].sync != NULL)
            work_wait(s.site[i].sync, SYNC_UP);
    sites_pass_days(&s, MONTH);
}

/* Until the journal says that it has all that the sites have written. */
static void
await_all_in(struct fixture *f)
{
    for (int i = 0; i < SITES; i++) {
        struct store_status now;
        char sql[80];
        store_status(s.site[i].f.store, &now);
        snprintf(sql, sizeof sql, "SELECT COALESCE(SUM(seq), 0) FROM origin WHERE node = %u", (unsigned)now.node);
        for (int k = 0; aging_ask(f, sql) < now.own_seq; k++) {
            assert_true(k < 3000);
            rest(5);
        }
    }
}

static int
begin(void **state)
{
    (void)state;
    work_listen();
    s.is_forgetful = true;
    sites_open(&s, &centre, 5);
    return 0;
}

static int
finish(void **state)
{
    (void)state;
    log_divert(NULL);
    sites_close(&s);
    return 0;
}

/* ---- what leaves ---- */

static void
what_all_have_leaves_once_it_is_old_and_a_newcomer_takes_the_tables(void **state)
{
    static struct fixture g;
    (void)state;
    sites_act_anywhere(&s, 60);
    sites_settle(&s);
    let_all_get_old();
    await("SELECT COUNT(*) FROM site WHERE floor = 0", 0);
    await(BELOW_FLOOR, 0);
    assert_int_equal(3, ask("SELECT COUNT(*) FROM site s JOIN op_floor f ON f.node = s.id AND f.seq = s.floor"));
    sites_act_anywhere(&s, 30);
    sites_settle(&s);
    sites_compare(&s);
    fixture_open(&g);
    struct sync *newcomer = work_sync_forgetful(&g, centre.url);
    work_await_line("sync.took_tables");
    await_all_in(&g);
    fixture_user(&g, "the first of them");
    work_wait(newcomer, SYNC_UP);
    await_all_in(&g);
    work_end(&newcomer);
    work_compare_kept(&g, &centre);
    fixture_reopen(&g);
    assert_int_equal(0, fixture_faults(&g));
    fixture_close(&g);
}

static void
what_is_young_stays(void **state)
{
    (void)state;
    sites_act_anywhere(&s, 30);
    sites_settle(&s);
    sites_pass_days(&s, WORK_KEEP_DAYS - 2);
    sites_settle(&s);
    rest(600);
    assert_int_equal(0, ask("SELECT COALESCE(SUM(floor), 0) FROM site"));
}

static void
what_a_silent_site_has_not_seen_stays_while_its_lease_lasts(void **state)
{
    (void)state;
    sites_settle(&s);
    sites_stop(&s, 2);
    int64_t seen = ask("SELECT seq FROM seen WHERE site = 2 AND origin = 0");
    for (int i = 0; i < 40; i++)
        sites_act(&s, (int)sites_below(&s, 2));
    work_wait(s.site[0].sync, SYNC_UP);
    let_all_get_old(); /* a month and two days: less than a lease */
    await("SELECT floor FROM site WHERE id = 0", seen);
    rest(600);
    assert_int_equal(seen, ask("SELECT floor FROM site WHERE id = 0"));
    sites_start(&s, 2);
    sites_settle(&s);
    assert_false(work_heard("sync.taking_tables"));
    sites_compare(&s);
}

/* ---- who comes back ---- */

static void
let_lease_of_2_end(void)
{
    sites_settle(&s);
    sites_stop(&s, 2);
    for (int i = 0; i < 80; i++)
        sites_act(&s, (int)sites_below(&s, 2));
    for (int i = 0; i < 40; i++)
        sites_act(&s, 2); /* alone, and unsent */
    sites_pass_days(&s, WORK_LEASE_DAYS);
    for (int i = 0; i < 2; i++)
        work_wait(s.site[i].sync, SYNC_UP);
    let_all_get_old();
    await(
        "SELECT COUNT(*) FROM seen n JOIN site s ON s.id = n.origin WHERE n.site = 2 AND s.id < 2 AND n.seq < s.floor",
        2);
}

static void
one_whose_lease_has_ended_takes_the_tables_and_gives_what_it_wrote_alone(void **state)
{
    (void)state;
    let_lease_of_2_end();
    sites_start(&s, 2);
    work_await_line("sync.took_tables");
    sites_settle(&s);
    sites_compare(&s);
    assert_false(work_heard("sync.stream_refused"));
    sites_act_anywhere(&s, 40);
    sites_settle(&s);
    sites_compare(&s);
    let_all_get_old(); /* and its journal's own floors do not mind */
    await(BELOW_FLOOR, 0);
    sites_compare(&s);
}

static void
cut_off_among_the_tables_it_goes_on_and_restarted_it_begins_again(void **state)
{
    (void)state;
    let_lease_of_2_end();
    s.site[2].proxy.delay_ms = 30;
    sites_start(&s, 2);
    work_await_line("sync.taking_tables");
    for (int i = 0; i < 6; i++) {
        s.site[2].proxy.fault = i % 2 ? PROXY_SWALLOW_OK : PROXY_CUT;
        rest(150);
        s.site[2].proxy.fault = PROXY_PASS;
        rest(100);
    }
    sites_stop(&s, 2);
    fixture_reopen(&s.site[2].f);
    s.site[2].proxy.delay_ms = 0;
    sites_start(&s, 2);
    sites_settle(&s);
    sites_compare(&s);
    assert_true(work_heard("sync.took_tables"));
}

/* ---- older copies ---- */

static void
copy_journal(int i, bool is_back)
{
    char there[128], here[128];

    snprintf(here, sizeof here, "%s/tombolo.db", s.site[i].f.dir);
    snprintf(there, sizeof there, "%s/backup.db", centre.dir);
    sites_stop(&s, i);
    store_close(&s.site[i].f.store);
    fixture_forget_id(&s.site[i].f);
    centre_exec((const char *const[]){ "/bin/cp", is_back ? there : here, is_back ? here : there, NULL });
    fixture_reopen(&s.site[i].f);
}

static void
a_copy_from_before_the_floor_is_refused_and_told_why(void **state)
{
    char why[SYNC_WHY_SIZE];
    int64_t at;
    (void)state;
    sites_settle(&s);
    copy_journal(1, false);
    sites_start(&s, 1);
    for (int i = 0; i < 30; i++)
        sites_act(&s, 1);
    sites_settle(&s);
    let_all_get_old();
    await("SELECT COUNT(*) FROM site WHERE floor < last_seq", 0);
    copy_journal(1, true);
    sites_start(&s, 1);
    work_wait(s.site[1].sync, SYNC_APART);
    sync_last_failure(s.site[1].sync, why, &at);
    assert_non_null(strstr(why, "start with an empty folder"));
}

static void
a_copy_of_the_day_gets_its_ops_back_though_others_have_left(void **state)
{
    (void)state;
    sites_act_anywhere(&s, 40);
    sites_settle(&s);
    let_all_get_old();
    await("SELECT COUNT(*) FROM site WHERE floor < last_seq", 0);
    copy_journal(1, false); /* it ends at the floor itself */
    sites_start(&s, 1);
    sites_act_anywhere(&s, 40);
    sites_settle(&s);
    copy_journal(1, true);
    sites_start(&s, 1);
    work_wait(s.site[1].sync, SYNC_UP);
    assert_true(work_heard("sync.restored"));
    sites_act_anywhere(&s, 20);
    sites_settle(&s);
    sites_compare(&s);
}

static enum tb_code
rejoin(int i, struct sync_rejoin *r, struct tb_err *e)
{
    *r = (struct sync_rejoin){ .dir = s.site[i].f.dir,
                               .url = centre.url,
                               .clock = &tb_clock_system,
                               .connect_timeout_ms = 1000,
                               .io_timeout_ms = 2000 };
    sites_stop(&s, i);
    store_close(&s.site[i].f.store);
    enum tb_code code = sync_rejoin(r, e);
    fixture_reopen(&s.site[i].f);
    return code;
}

/* A copy of site 1 as it is, that people write to while the original goes on. */
static void
part_copies(bool is_before_floor)
{
    sites_act_anywhere(&s, 40);
    sites_settle(&s);
    if (!is_before_floor)
        let_all_get_old();
    copy_journal(1, false);
    sites_start(&s, 1);
    fixture_user(&s.site[1].f, "original");
    sites_settle(&s);
    if (is_before_floor)
        let_all_get_old();
    await("SELECT COUNT(*) FROM site WHERE id = 1 AND floor = 0", 0);
    copy_journal(1, true);
    for (int i = 0; i < 60; i++) {
        char name[16];
        snprintf(name, sizeof name, "copy%d", i);
        fixture_user(&s.site[1].f, name);
    }
    sites_start(&s, 1);
    work_wait(s.site[1].sync, SYNC_APART);
}

static void
of_a_copy_only_what_it_wrote_alone_is_re_issued_though_the_log_has_forgotten(void **state)
{
    struct sync_rejoin r;
    struct tb_err e = { 0 };
    (void)state;
    part_copies(false);
    assert_int_equal(TB_OK, rejoin(1, &r, &e));
    assert_false(r.was_needless);
    assert_int_equal(60, r.n_ops);
    assert_int_equal(3, r.node);
}

static void
a_copy_that_parted_before_the_floor_is_left_as_it_is(void **state)
{
    struct sync_rejoin r;
    struct tb_err e = { 0 };
    (void)state;
    part_copies(true);
    assert_int_equal(TB_ECONFLICT, rejoin(1, &r, &e));
    assert_non_null(strstr(e.why, "start with an empty folder"));
    assert_int_equal(0, fixture_faults(&s.site[1].f));
}

/* ---- at random ---- */

static void
strike(struct sites *all)
{
    static const enum proxy_fault faults[] = { PROXY_PASS, PROXY_CUT, PROXY_SWALLOW_OK, PROXY_HALVE, PROXY_REFUSE };
    struct proxy *p = &all->site[sites_below(all, SITES)].proxy;

    p->delay_ms = (unsigned)sites_below(all, 20);
    p->fault = faults[sites_below(all, sizeof faults / sizeof *faults)];
}

static void
mend(struct sites *all)
{
    for (int i = 0; i < SITES; i++) {
        all->site[i].proxy.fault = PROXY_PASS;
        all->site[i].proxy.delay_ms = 0;
    }
}

/* Days and months go by, sites come and go for shorter and longer than their lease, links fail, and all write all the time. */
static void
play(uint64_t seed)
{
    static struct sites all;
    static const int spans[] = { 0, 1, 1, MONTH, MONTH, WORK_LEASE_DAYS + 1 };

    printf("# seed %" PRIu64 "\n", seed);
    fflush(stdout);
    all.is_forgetful = true;
    sites_open(&all, &centre, seed);
    for (int round = 0; round < ROUNDS; round++) {
        int who = (int)sites_below(&all, SITES);
        sites_act_anywhere(&all, 5 + sites_below(&all, 25));
        if (sites_below(&all, 3) == 0)
            strike(&all);
        if (sites_below(&all, 2) == 0) {
            if (all.site[who].sync != NULL)
                sites_stop(&all, who);
            else
                sites_start(&all, who);
        }
        sites_pass_days(&all, spans[sites_below(&all, sizeof spans / sizeof *spans)]);
        if (sites_below(&all, 2) == 0) {
            mend(&all);
            rest((int64_t)sites_below(&all, 900));
        }
    }
    mend(&all);
    for (int i = 0; i < SITES; i++)
        if (all.site[i].sync == NULL)
            sites_start(&all, i);
    sites_settle(&all);
    sites_compare(&all);
    printf("# ops that have left: %" PRId64 ", tables were taken: %s\n", ask("SELECT SUM(floor) FROM site"),
           work_heard("sync.took_tables") ? "yes" : "no");
    sites_close(&all);
}

static void
sites_that_come_and_go_for_months_converge_though_the_log_forgets(void **state)
{
    const char *one = getenv("TB_SEED");
    uint64_t seed;
    (void)state;
    work_listen();
    assert_int_equal(sizeof seed, getrandom(&seed, sizeof seed, 0));
    seed = one != NULL ? (uint64_t)strtoull(one, NULL, 10) : seed % 1000000;
    for (int i = 0; i < (one != NULL ? 1 : getenv("TB_LONG") != NULL ? SEEDS_LONG : SEEDS); i++)
        play(seed + (uint64_t)i);
    log_divert(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_all_have_leaves_once_it_is_old_and_a_newcomer_takes_the_tables, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(what_is_young_stays, begin, finish),
        cmocka_unit_test_setup_teardown(what_a_silent_site_has_not_seen_stays_while_its_lease_lasts, begin, finish),
        cmocka_unit_test_setup_teardown(one_whose_lease_has_ended_takes_the_tables_and_gives_what_it_wrote_alone, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(cut_off_among_the_tables_it_goes_on_and_restarted_it_begins_again, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(a_copy_from_before_the_floor_is_refused_and_told_why, begin, finish),
        cmocka_unit_test_setup_teardown(a_copy_of_the_day_gets_its_ops_back_though_others_have_left, begin, finish),
        cmocka_unit_test_setup_teardown(of_a_copy_only_what_it_wrote_alone_is_re_issued_though_the_log_has_forgotten,
                                        begin, finish),
        cmocka_unit_test_setup_teardown(a_copy_that_parted_before_the_floor_is_left_as_it_is, begin, finish),
        cmocka_unit_test_teardown(sites_that_come_and_go_for_months_converge_though_the_log_forgets, work_teardown),
    };
    return centre_run_tests(tests, &centre, NULL);
}
