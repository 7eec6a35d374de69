/* Ops that the centre refuses for their content, alone among a thousand: each is parked with the reason, its effect is nowhere
 * but where it was made, and everything else goes on. And what comes at an odd time: receipts before their message, ops a year
 * off, a transaction of our own that commits when nobody waits for it any more. */
#include "sites.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum { BACKLOG = 1000 };

static struct centre centre;
static struct sites  s;

static const tb_str too_long = { .p = "longer than ten characters", .n = 26 };

static void
expect_rows(const char *sql, const char *expected)
{
    char *rows = centre_dump(&centre, sql);
    assert_string_equal(expected, rows);
    tb_free(rows);
}

static void
expect_here(int i, const char *sql, const char *expected)
{
    char *rows = work_dump(s.site[i].f.dir, sql);
    assert_string_equal(expected, rows);
    tb_free(rows);
}

static void
await_here(int i, const char *sql, const char *expected)
{
    struct timespec step = { .tv_nsec = 5000000 };

    for (int n = 0;; n++) {
        char *rows = work_dump(s.site[i].f.dir, sql);
        bool  is_it = strcmp(rows, expected) == 0;
        if (!is_it && n == 4000)
            fail_msg("%s: %s, wanted %s", sql, rows, expected);
        tb_free(rows);
        if (is_it)
            return;
        nanosleep(&step, NULL);
    }
}

/* All of them at site 0, while its sync is stopped. */
static void
send_backlog(size_t n, size_t poison, struct store_add_message *sends)
{
    struct site *site = &s.site[0];

    for (size_t i = 0; i < n; i++) {
        sends[i] = (struct store_add_message){ .room_id = site->room, .sender_id = site->user,
                                               .content = i == poison ? too_long : TB_LIT("short") };
        fixture_prepare(&site->f, &sends[i].op);
        store_add_message(site->f.store, &sends[i]);
    }
    for (size_t i = 0; i < n; i++)
        fixture_wait(&site->f);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(TB_OK, sends[i].op.err.code);
        store_op_fini(&sends[i].op);
    }
}

static void
narrow_the_centre(void)
{
    centre_sql(&centre, "ALTER TABLE chat.message MODIFY content VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL");
}

/* What is parked keeps its place: the log of node 0 has no gap, and its parked ops have kind 0. */
static void
the_log_is_whole(void)
{
    expect_rows("SELECT COUNT(*) - MAX(seq), SUM(kind = 0) - (SELECT COUNT(*) FROM parked) FROM op_log WHERE node = 0", "0 0\n");
}

static const struct { const char *name; size_t at; } places[] = {
    { "first", 0 }, { "in the middle", BACKLOG / 2 }, { "last", BACKLOG - 1 },
};

static void
one_poison_op_among_a_thousand_is_parked_and_the_rest_goes_on(void **state)
{
    static struct store_add_message sends[BACKLOG];
    char                            sql[160], expected[160];
    (void)state;
    narrow_the_centre();
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        printf("# %s\n", places[i].name);
        sites_stop(&s, 0);
        send_backlog(BACKLOG, places[i].at, sends);
        sites_start(&s, 0);
        work_wait(s.site[0].sync, SYNC_UP);
        int64_t id = sends[places[i].at].message.id;
        snprintf(expected, sizeof expected, "%zu\n", (i + 1) * (BACKLOG - 1));
        expect_rows("SELECT COUNT(*) FROM message", expected);
        expect_rows("SELECT COUNT(*) FROM `Message` WHERE content LIKE 'longer%'", "0\n");
        snprintf(expected, sizeof expected, "%zu 8 8 1406 1406\n", i + 1);
        expect_rows("SELECT COUNT(*), MIN(kind), MAX(kind), MIN(code), MAX(code) FROM parked WHERE reason LIKE '%content%'", expected);
        the_log_is_whole();
        sites_settle(&s);
        for (int k = 1; k < SITES; k++) {
            snprintf(sql, sizeof sql, "SELECT COUNT(*), SUM(id = %" PRId64 ") FROM message", id);
            snprintf(expected, sizeof expected, "%zu 0\n", (i + 1) * (BACKLOG - 1));
            expect_here(k, sql, expected);
            snprintf(expected, sizeof expected, "%zu\n", i + 1);
            expect_here(k, "SELECT COUNT(*) FROM journal WHERE node = 0 AND kind = 0", expected);
        }
        snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM message WHERE id = %" PRId64, id);
        expect_here(0, sql, "1\n");
    }
}

static void
many_poison_ops_in_a_row_are_all_parked(void **state)
{
    static struct store_add_message sends[BACKLOG];
    (void)state;
    narrow_the_centre();
    sites_stop(&s, 0);
    for (int i = 0; i < 30; i++)
        send_backlog(2, (size_t)i % 2, sends);
    for (int i = 0; i < 30; i++)
        send_backlog(1, 0, sends);
    sites_start(&s, 0);
    work_wait(s.site[0].sync, SYNC_UP);
    expect_rows("SELECT COUNT(*) FROM parked", "60\n");
    expect_rows("SELECT COUNT(*) FROM message", "30\n");
    the_log_is_whole();
    sites_settle(&s);
}

#define HARBOUR "\xE6\xB8\xAF\xE6\xB8\xAF\xE6\xB8\xAF\xE6\xB8\xAF\xE6\xB8\xAF\xE6\xB8\xAF\xE6\xB8\xAF\xE6\xB8\xAF\xE6\xB8\xAF\xE6\xB8\xAF"

/* The reason comes from the server, in whatever language it or somebody's trigger speaks; what is kept of it must be text. */
static void
a_reason_in_another_script_is_cut_between_characters(void **state)
{
    static struct store_add_message sends[1];
    (void)state;
    for (int i = 0; i < 3; i++) {           /* so that the cut comes in the middle of one at least twice */
        char sql[640];
        centre_sql(&centre, "DROP TRIGGER IF EXISTS chat.refuse");
        snprintf(sql, sizeof sql, "CREATE TRIGGER chat.refuse BEFORE INSERT ON chat.message FOR EACH ROW SIGNAL"
                 " SQLSTATE '22001' SET MYSQL_ERRNO = 1406, MESSAGE_TEXT = '%.*s" HARBOUR HARBOUR HARBOUR HARBOUR "'", i, "xx");
        centre_sql(&centre, sql);
        sites_stop(&s, 0);
        send_backlog(1, 0, sends);
        sites_start(&s, 0);
        work_wait(s.site[0].sync, SYNC_UP);
        char expected[16];
        snprintf(expected, sizeof expected, "%d\n", i + 1);
        expect_rows("SELECT COUNT(*) FROM parked WHERE code = 1406 AND reason LIKE '%\xE6\xB8\xAF'", expected);
    }
    centre_sql(&centre, "DROP TRIGGER chat.refuse");
    sites_settle(&s);
}

static void
a_receipt_that_comes_before_its_message_is_kept_at_the_centre_and_at_another_site(void **state)
{
    (void)state;
    assert_int_equal(TB_OK, fixture_join(&s.site[1].f, s.site[0].room, s.site[1].user, s.site[1].user));
    sites_settle(&s);
    s.site[0].proxy.fault = PROXY_REFUSE;
    work_wait(s.site[0].sync, SYNC_DOWN);
    int64_t                    id = fixture_send(&s.site[0].f, s.site[0].room, s.site[0].user, "late");
    struct store_receipts_of   of = { .room_id = s.site[0].room, .user_id = s.site[1].user, .message_ids = &id, .n = 1 };
    struct store_add_delivered delivered = { .of = &of, .n = 1 };
    assert_int_equal(TB_OK, fixture_call(&s.site[1].f, add_delivered, &delivered));
    store_op_fini(&delivered.op);
    work_wait(s.site[1].sync, SYNC_UP);
    await_here(2, "SELECT COUNT(*) FROM receipt", "1\n");
    expect_rows("SELECT (SELECT COUNT(*) FROM receipt), (SELECT COUNT(*) FROM message)", "1 0\n");
    s.site[0].proxy.fault = PROXY_PASS;
    sites_settle(&s);
    expect_rows("SELECT COUNT(*) FROM `MessageReceipt` r JOIN `Message` m ON m.id = r.messageId", "1\n");
    sites_compare(&s);
}

static const int64_t year_ms = INT64_C(365) * 24 * 3600 * 1000;

static void
a_clock_a_year_off_pulls_nobody_along_and_all_converge(void **state)
{
    (void)state;
    s.site[1].f.wall_ms += year_ms;
    s.site[2].f.wall_ms -= year_ms;
    work_listen();
    sites_act_anywhere(&s, 120);
    sites_settle(&s);
    expect_here(0, "SELECT COUNT(*) FROM journal WHERE node = 0 AND at >> 16 > 1700000000000 + 90 * 86400000", "0\n");
    sites_compare(&s);
    log_divert(NULL);
}

static size_t
count_lines(const char *what)
{
    size_t n = 0;
    char  *all = work_lines();

    for (const char *at = all; (at = strstr(at, what)) != NULL; at++)
        n++;
    tb_free(all);
    return n;
}

/* A month of a site whose clock is ahead must not fill the log of the others. */
static void
a_clock_that_is_ahead_is_told_once_a_change_and_not_for_each_op(void **state)
{
    static struct store_add_message sends[BACKLOG];
    (void)state;
    sites_stop(&s, 0);
    s.site[0].f.wall_ms += year_ms;
    send_backlog(BACKLOG, BACKLOG, sends);
    work_listen();
    sites_start(&s, 0);
    sites_settle(&s);
    assert_true(count_lines("clock.remote_ahead") > 0);
    assert_true(count_lines("clock.remote_ahead") < 100);
    log_divert(NULL);
}

/* Our batch waits at the server, the link goes, and it goes on there by itself: it may still commit. The next one asks where
 * the centre stands, and waits at the fence until the old one has ended. */
static void
a_batch_of_ours_that_ends_when_nobody_waits_any_more_counts_once(void **state)
{
    struct site *site = &s.site[0];
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct centre_session *rival = centre_open(&centre);
        unsigned               n = site->proxy.n_faults;
        centre_run(rival, "START TRANSACTION");
        centre_run(rival, "UPDATE user SET last_seen = '2020-01-01'");
        site->f.wall_ms += 1000;
        struct store_seen          seen = { .user_id = site->user, .at = site->f.wall_ms };
        struct store_set_last_seen r = { .users = &seen, .n = 1 };
        assert_int_equal(TB_OK, fixture_call(&site->f, set_last_seen, &r));     /* waits for the rival there */
        store_op_fini(&r.op);
        centre_await_lock(&centre);
        site->proxy.fault = PROXY_CUT;
        proxy_await(&site->proxy, n + 1);
        struct timespec step = { .tv_nsec = 300000000 };
        nanosleep(&step, NULL);             /* so that the next one stands at the fence */
        centre_run(rival, "ROLLBACK");
        centre_close(rival);
        work_wait(site->sync, SYNC_UP);
    }
    sites_settle(&s);
    sites_compare(&s);
}

static int
begin(void **state)
{
    (void)state;
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_poison_op_among_a_thousand_is_parked_and_the_rest_goes_on, begin, finish),
        cmocka_unit_test_setup_teardown(many_poison_ops_in_a_row_are_all_parked, begin, finish),
        cmocka_unit_test_setup_teardown(a_reason_in_another_script_is_cut_between_characters, begin, finish),
        cmocka_unit_test_setup_teardown(a_receipt_that_comes_before_its_message_is_kept_at_the_centre_and_at_another_site, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(a_clock_a_year_off_pulls_nobody_along_and_all_converge, begin, finish),
        cmocka_unit_test_setup_teardown(a_clock_that_is_ahead_is_told_once_a_change_and_not_for_each_op, begin, finish),
        cmocka_unit_test_setup_teardown(a_batch_of_ours_that_ends_when_nobody_waits_any_more_counts_once, begin, finish),
    };
    return centre_run_tests(tests, &centre, NULL);
}
