/* Bad restores with several sites: a centre from yesterday's backup, a centre wiped, a journal from yesterday's backup, a copy
 * that was written to. What was acknowledged anywhere is everywhere in the end, or sync stops and says what to do. */
#include "sites.h"

#include <stdio.h>

static struct centre centre;
static struct sites  s;

static void
cut_off(void)
{
    for (int i = 0; i < SITES; i++)
        s.site[i].proxy.fault = PROXY_REFUSE;
    for (int i = 0; i < SITES; i++)
        work_wait(s.site[i].sync, SYNC_DOWN);
}

static void
connect_again(void)
{
    for (int i = 0; i < SITES; i++)
        s.site[i].proxy.fault = PROXY_PASS;
}

static const char *const tables[] = { "centre", "site", "seen", "op_log", "parked", "user", "email_claim", "room", "member",
                                      "message", "receipt", "op_floor", "site_day" };

/* As a dump would hold it: rows of all tables at one moment. */
static void
copy_tables(const char *head, const char *middle)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        char sql[160];
        snprintf(sql, sizeof sql, "%s`%s`%s", head, tables[i], middle);
        if (strstr(middle, ".") != NULL)
            snprintf(sql + strlen(sql), sizeof sql - strlen(sql), "`%s`", tables[i]);
        centre_sql(&centre, sql);
    }
}

static void
back_up_centre(void)
{
    centre_sql(&centre, "DROP DATABASE IF EXISTS backup");
    centre_sql(&centre, "CREATE DATABASE backup");
    copy_tables("CREATE TABLE backup.", " LIKE chat.");
    copy_tables("INSERT INTO backup.", " SELECT * FROM chat.");
}

static void
restore_centre(void)
{
    copy_tables("DELETE FROM chat.", "");
    copy_tables("INSERT INTO chat.", " SELECT * FROM backup.");
}

/* Every message that was acknowledged at any site is in the journal of each. */
static void
nothing_is_lost(void)
{
    sites_settle(&s);
    sites_compare(&s);
    for (int i = 0; i < SITES; i++)
        for (size_t m = 0; m < s.n_messages; m++) {
            char sql[96], *row;
            snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM message WHERE id = %lld", (long long)s.messages[m]);
            row = work_dump(s.site[i].f.dir, sql);
            assert_string_equal("1\n", row);
            tb_free(row);
        }
}

static void
a_centre_from_yesterday_s_backup_is_given_what_it_lacks_by_all(void **state)
{
    (void)state;
    sites_act_anywhere(&s, 60);
    sites_settle(&s);
    back_up_centre();
    for (int i = 0; i < 60; i++)
        sites_act(&s, i % 2);           /* two of the three */
    sites_settle(&s);
    cut_off();
    sites_act_anywhere(&s, 30);
    restore_centre();
    connect_again();
    nothing_is_lost();
}

static void
a_centre_that_was_wiped_is_filled_again_by_all_under_their_old_numbers(void **state)
{
    (void)state;
    sites_act_anywhere(&s, 80);
    sites_settle(&s);
    char *before = centre_dump(&centre, "SELECT c.uuid, s.id, s.uuid FROM centre c, site s ORDER BY s.id");
    cut_off();
    sites_act_anywhere(&s, 30);
    centre_empty(&centre);
    connect_again();
    nothing_is_lost();
    char *after = centre_dump(&centre, "SELECT c.uuid, s.id, s.uuid FROM centre c, site s ORDER BY s.id");
    assert_string_equal(before, after);
    tb_free(before);
    tb_free(after);
}

static void
a_centre_wiped_under_live_links_is_filled_again(void **state)
{
    (void)state;
    sites_act_anywhere(&s, 60);
    sites_settle(&s);
    centre_empty(&centre);
    sites_act_anywhere(&s, 30);
    nothing_is_lost();
}

/* What is on disk of site i, now or as it was. */
static void
copy_journal(int i, bool is_back)
{
    char there[128], here[128];

    snprintf(here, sizeof here, "%s/tombolo.db", s.site[i].f.dir);
    snprintf(there, sizeof there, "%s/backup.db", centre.dir);
    fixture_forget_id(&s.site[i].f);
    centre_exec((const char *const[]){ "/bin/cp", is_back ? there : here, is_back ? here : there, NULL });
}

static void
with_its_journal_closed(int i, bool is_back)
{
    sites_stop(&s, i);
    store_close(&s.site[i].f.store);
    copy_journal(i, is_back);
    fixture_reopen(&s.site[i].f);
}

static void
a_journal_from_yesterday_s_backup_gets_back_its_ops_and_the_others(void **state)
{
    (void)state;
    sites_act_anywhere(&s, 60);
    sites_settle(&s);
    with_its_journal_closed(1, false);
    sites_start(&s, 1);
    sites_act_anywhere(&s, 120);
    sites_settle(&s);
    with_its_journal_closed(1, true);
    sites_start(&s, 1);
    work_wait(s.site[1].sync, SYNC_UP);
    sites_act_anywhere(&s, 20);
    nothing_is_lost();
}

static void
a_copy_that_was_written_to_stops_and_says_what_to_do_and_the_others_go_on(void **state)
{
    struct sync_status link;
    char               why[SYNC_WHY_SIZE];
    int64_t            at;
    (void)state;
    sites_act_anywhere(&s, 60);
    sites_settle(&s);
    with_its_journal_closed(1, false);
    sites_start(&s, 1);
    fixture_user(&s.site[1].f, "original");
    sites_settle(&s);
    with_its_journal_closed(1, true);
    fixture_user(&s.site[1].f, "copy");
    sites_start(&s, 1);
    work_wait(s.site[1].sync, SYNC_APART);
    sync_last_failure(s.site[1].sync, why, &at);
    assert_non_null(strstr(why, "tombolo sync rejoin"));
    fixture_user(&s.site[1].f, "still served");
    fixture_user(&s.site[0].f, "others");
    work_wait(s.site[0].sync, SYNC_UP);
    work_wait(s.site[2].sync, SYNC_UP);
    sync_status(s.site[1].sync, &link);
    assert_int_equal(SYNC_APART, link.state);
}

static void
await_rows(const char *sql, const char *expected)
{
    for (bool is_there = false; !is_there;) {
        char *rows = centre_dump(&centre, sql);
        is_there = strcmp(rows, expected) == 0;
        tb_free(rows);
    }
}

/* A number that a site had before the centre was wiped is not given to somebody else, once anybody who has met that site is
 * back. */
static void
a_newcomer_to_a_wiped_centre_gets_no_number_that_the_others_know_of(void **state)
{
    static struct fixture g;
    struct store_status now;
    (void)state;
    sites_act_anywhere(&s, 30);
    sites_settle(&s);
    cut_off();
    centre_empty(&centre);
    s.site[0].proxy.fault = PROXY_PASS;
    work_wait(s.site[0].sync, SYNC_UP);
    await_rows("SELECT COUNT(*) FROM seen WHERE site = 0", "2\n");
    fixture_open(&g);
    struct sync *newcomer = work_sync(&g, centre.url);
    work_wait(newcomer, SYNC_UP);
    store_status(g.store, &now);
    assert_int_equal(3, now.node);
    connect_again();
    nothing_is_lost();
    work_end(&newcomer);
    fixture_close(&g);
}

static int
begin(void **state)
{
    (void)state;
    sites_open(&s, &centre, 11);
    return 0;
}

static int
finish(void **state)
{
    (void)state;
    sites_close(&s);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_centre_from_yesterday_s_backup_is_given_what_it_lacks_by_all, begin, finish),
        cmocka_unit_test_setup_teardown(a_centre_that_was_wiped_is_filled_again_by_all_under_their_old_numbers, begin, finish),
        cmocka_unit_test_setup_teardown(a_centre_wiped_under_live_links_is_filled_again, begin, finish),
        cmocka_unit_test_setup_teardown(a_journal_from_yesterday_s_backup_gets_back_its_ops_and_the_others, begin, finish),
        cmocka_unit_test_setup_teardown(a_copy_that_was_written_to_stops_and_says_what_to_do_and_the_others_go_on, begin, finish),
        cmocka_unit_test_setup_teardown(a_newcomer_to_a_wiped_centre_gets_no_number_that_the_others_know_of, begin, finish),
    };
    return centre_run_tests(tests, &centre, NULL);
}
