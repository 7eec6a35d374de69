/* Where the ops that one side needs have left the other, it gets the tables instead, and ends with the same rows. */
#include "aging.h"
#include "proxy.h"
#include "work.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static struct centre  centre;
static struct proxy   proxy;
static struct fixture f;
static struct work    w;

static int
begin(void **state)
{
    (void)state;
    centre_empty(&centre);
    work_listen();
    fixture_open(&f);
    work_begin(&w, &f, 78);
    return 0;
}

static int
finish(void **state)
{
    (void)state;
    work_end_all();
    log_divert(NULL);
    fixture_close(&f);
    return 0;
}

/* The journal hears of it a little later than the centre: what it does not know to be there, it keeps. */
static void
await_mark(struct fixture *from)
{
    struct timespec     step = { .tv_nsec = 2000000 };
    struct store_status now;

    for (int i = 0; store_status(from->store, &now), now.pushed_seq < now.own_seq; i++) {
        assert_true(i < 7500);
        nanosleep(&step, NULL);
    }
}

/* The journal has it noted after the push, at the next look at the centre. */
static void
await_parked(struct fixture *from, int64_t n)
{
    struct timespec step = { .tv_nsec = 2000000 };

    for (int i = 0; aging_ask(from, "SELECT COUNT(*) FROM parked") != n; i++) {
        assert_true(i < 7500);
        nanosleep(&step, NULL);
    }
}

static void
push_all(struct fixture *from)
{
    struct sync *s = work_sync(from, centre.url);
    work_wait(s, SYNC_UP);
    await_mark(from);
    work_end(&s);
}

static void
expect_rows(const char *sql, const char *expected)
{
    char *rows = centre_dump(&centre, sql);
    assert_string_equal(expected, rows);
    tb_free(rows);
}

/* All that f has written so far gets to the centre and old, and leaves the journal but for the newest of it: up to the op that
 * is the result. */
static int64_t
let_ops_leave(void)
{
    push_all(&f);
    f.settings.journal_keep_days = 30;
    fixture_reopen(&f);
    aging_pass_days(&f, 1);
    fixture_user(&f, "A day later");
    push_all(&f);
    aging_pass_days(&f, 40);
    fixture_user(&f, "Much later");
    aging_settle(&f);
    int64_t floor = aging_ask(&f, "SELECT floor_seq FROM origin WHERE node = 0");
    assert_true(floor > 50);
    return floor;
}

static void
floor_is(int64_t floor)
{
    char expected[32];

    snprintf(expected, sizeof expected, "%" PRId64 "\n", floor);
    expect_rows("SELECT floor FROM site WHERE id = 0", expected);
}

/* ---- the centre is behind ---- */

static void
a_centre_emptied_after_ops_have_left_gets_the_tables_instead(void **state)
{
    (void)state;
    work_do(&w, 400);
    int64_t floor = let_ops_leave();
    work_do(&w, 50);
    centre_empty(&centre);
    push_all(&f);
    assert_true(work_heard("sync.sent_tables"));
    work_compare(&f, &centre);
    floor_is(floor);
    work_do(&w, 50);
    push_all(&f);
    work_compare(&f, &centre);
    assert_int_equal(0, fixture_faults(&f));
}

static const char *const kept[] = { "centre", "site", "op_log", "user", "email_claim", "room", "member", "message", "receipt", "op_floor" };

static void
back_up(void)
{
    char sql[128];

    centre_sql(&centre, "DROP DATABASE IF EXISTS backup");
    centre_sql(&centre, "CREATE DATABASE backup");
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        snprintf(sql, sizeof sql, "CREATE TABLE backup.`%s` AS SELECT * FROM chat.`%s`", kept[i], kept[i]);
        centre_sql(&centre, sql);
    }
}

static void
restore(void)
{
    char sql[128];

    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        snprintf(sql, sizeof sql, "DELETE FROM chat.`%s`", kept[i]);
        centre_sql(&centre, sql);
        snprintf(sql, sizeof sql, "INSERT INTO chat.`%s` SELECT * FROM backup.`%s`", kept[i], kept[i]);
        centre_sql(&centre, sql);
    }
}

static void
a_centre_restored_from_before_the_oldest_op_gets_them_too(void **state)
{
    char sql[128];
    (void)state;
    work_do(&w, 100);
    push_all(&f);
    back_up();
    work_do(&w, 300);
    int64_t floor = let_ops_leave();
    restore();
    work_do(&w, 50);
    push_all(&f);
    assert_true(work_heard("sync.sent_tables"));
    snprintf(sql, sizeof sql, "DELETE FROM chat.op_log WHERE seq <= %" PRId64, floor);     /* what the journal has not */
    centre_sql(&centre, sql);
    work_compare(&f, &centre);
    floor_is(floor);
}

static void
cut_off_again_and_again_among_them_it_ends_with_all_of_them(void **state)
{
    (void)state;
    work_do(&w, 400);
    int64_t floor = let_ops_leave();
    centre_empty(&centre);
    proxy_start(&proxy, &centre);
    proxy.fault = PROXY_HALVE;
    struct sync *s = work_sync(&f, proxy.url);
    for (unsigned i = 1; i <= 6; i++) {
        proxy_await(&proxy, i);
        proxy.fault = i % 2 ? PROXY_SWALLOW_OK : PROXY_HALVE;
    }
    proxy.fault = PROXY_PASS;
    work_wait(s, SYNC_UP);
    work_end(&s);
    proxy_stop(&proxy);
    work_compare(&f, &centre);
    floor_is(floor);
}

static void
a_message_that_it_refuses_is_parked_and_all_others_come(void **state)
{
    char sql[128], expected[32];
    (void)state;
    work_do(&w, 60);
    let_ops_leave();
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        snprintf(sql, sizeof sql, "DELETE FROM chat.`%s`", kept[i]);
        centre_sql(&centre, sql);
    }
    centre_sql(&centre, "ALTER TABLE chat.message MODIFY content VARCHAR(20) NOT NULL");
    int64_t n_long = aging_ask(&f, "SELECT COUNT(*) FROM message WHERE length(content) > 20");
    int64_t n = aging_ask(&f, "SELECT COUNT(*) FROM message");
    assert_in_range(n_long, 1, n - 1);
    struct sync *s = work_sync(&f, centre.url);
    await_parked(&f, n_long);
    work_wait(s, SYNC_UP);
    work_end(&s);
    snprintf(expected, sizeof expected, "%" PRId64 " %" PRId64 "\n", n - n_long, n_long);
    expect_rows("SELECT (SELECT COUNT(*) FROM message), (SELECT COUNT(*) FROM parked WHERE node = 0 AND kind = 8 AND code = 1406)",
                expected);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_centre_emptied_after_ops_have_left_gets_the_tables_instead, begin, finish),
        cmocka_unit_test_setup_teardown(a_centre_restored_from_before_the_oldest_op_gets_them_too, begin, finish),
        cmocka_unit_test_setup_teardown(a_message_that_it_refuses_is_parked_and_all_others_come, begin, finish),
        cmocka_unit_test_setup_teardown(cut_off_again_and_again_among_them_it_ends_with_all_of_them, begin, finish),
    };
    return centre_run_tests(tests, &centre, NULL);
}
