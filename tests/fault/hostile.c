/* A server that was set up by somebody else: what it takes for granted does not matter, what it cannot do is said. */
#include "work.h"

#include "base/log.h"

#include <time.h>

static struct centre  centre;
static struct fixture f;
static struct work    w;

static const char *const hostile_options[] = {
    "--sql-mode=",          "--character-set-server=latin1", "--collation-server=latin1_swedish_ci",
    "--autocommit=0",       "--default-time-zone=+05:30",    "--transaction-isolation=SERIALIZABLE",
    "--completion-type=2",  "--max-allowed-packet=32768",    "--skip-character-set-client-handshake",
    "--innodb-lock-wait-timeout=1000", "--wait-timeout=1",   NULL,
};

/* Others, which would be in the way of those. */
static const char *const other_options[][8] = {
    { "--sql-mode=ORACLE,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,HIGH_NOT_PRECEDENCE", "--transaction-read-only=1",
      "--max-join-size=1", "--init-connect=SET SESSION sql_safe_updates=1,sql_select_limit=1", NULL },
    { "--sql-mode=ANSI,NO_UNSIGNED_SUBTRACTION,TIME_ROUND_FRACTIONAL,EMPTY_STRING_IS_NULL,SIMULTANEOUS_ASSIGNMENT",
      "--character-set-server=utf16", "--collation-server=utf16_general_ci", "--tmp-table-size=1024", "--max-heap-table-size=16384",
      "--default-storage-engine=MyISAM", NULL },
};

/* As far as MySQL has them. */
static const char *const mysql_hostile_options[] = {
    "--sql-mode=",          "--character-set-server=latin1", "--collation-server=latin1_swedish_ci",
    "--autocommit=0",       "--default-time-zone=+05:30",    "--transaction-isolation=SERIALIZABLE",
    "--completion-type=2",  "--max-allowed-packet=32768",    "--innodb-lock-wait-timeout=1000",
    "--wait-timeout=1",     NULL,
};
static const char *const mysql_other_options[][8] = {
    { "--sql-mode=NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,HIGH_NOT_PRECEDENCE", "--transaction-read-only=1", "--max-join-size=1",
      "--init-connect=SET SESSION sql_safe_updates=1,sql_select_limit=1", NULL },
    { "--sql-mode=ANSI,NO_UNSIGNED_SUBTRACTION,TIME_TRUNCATE_FRACTIONAL", "--character-set-server=utf16",
      "--collation-server=utf16_general_ci", "--tmp-table-size=1024", "--max-heap-table-size=16384", "--default-storage-engine=MyISAM",
      NULL },
};

static int
begin(void **state)
{
    (void)state;
    centre_empty(&centre);
    fixture_open(&f);
    work_begin(&w, &f, 1234);
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

static void
defaults_of_the_server_change_nothing(void **state)
{
    (void)state;
    struct sync *s = work_sync(&f, centre.url);
    work_do(&w, 300);
    work_wait(s, SYNC_UP);
    work_compare(&f, &centre);
    work_end(&s);
}

/* Also what another site reads, and what is asked of the server before the first batch. */
static void
other_defaults_change_nothing_either(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof other_options / sizeof *other_options; i++) {
        static struct centre  other;
        static struct fixture g;
        struct store_status here, there = { 0 };
        struct timespec     step = { .tv_nsec = 2000000 };
        centre_start(&other, centre_is_mysql() ? mysql_other_options[i] : other_options[i]);
        fixture_open(&g);
        struct sync *s = work_sync(&f, other.url);
        work_do(&w, 150);
        work_wait(s, SYNC_UP);
        work_compare(&f, &other);
        struct sync *second = work_sync(&g, other.url);
        store_status(f.store, &here);
        for (int n = 0; there.head_pos < here.own_seq; n++) {
            assert_true(n < 7500);
            nanosleep(&step, NULL);
            store_status(g.store, &there);
        }
        fixture_user(&g, "Second");
        work_wait(second, SYNC_UP);
        work_end(&second);
        work_compare(&g, &other);
        work_end(&s);
        fixture_close(&g);
        centre_stop(&other);
        fixture_close(&f);
        fixture_open(&f);
        work_begin(&w, &f, 4321);
    }
}

static void
an_idle_session_outlives_the_server_s_patience(void **state)
{
    struct timespec longer_than_it = { .tv_sec = 2 };
    (void)state;
    struct sync *s = work_sync(&f, centre.url);
    work_wait(s, SYNC_UP);
    work_listen();
    nanosleep(&longer_than_it, NULL);       /* the server's own clock is what is tried here */
    work_do(&w, 5);
    work_wait(s, SYNC_UP);
    assert_false(work_heard("sync.failed"));
    work_compare(&f, &centre);
    work_end(&s);
}

static void
what_does_not_fit_into_a_packet_waits_until_it_does(void **state)
{
    static char large[20000];
    (void)state;
    memset(large, 'x', sizeof large - 1);
    work_listen();
    fixture_send(&f, w.rooms[0], w.users[0], large);
    struct sync *s = work_sync(&f, centre.url);
    work_await_line("max_allowed_packet=32768");
    centre_sql(&centre, "SET GLOBAL max_allowed_packet = 1048576");
    work_wait(s, SYNC_UP);
    work_compare(&f, &centre);
    work_end(&s);
    centre_sql(&centre, "SET GLOBAL max_allowed_packet = 32768");
}

static void
a_lock_held_by_somebody_else_is_waited_for_and_not_for_ever(void **state)
{
    (void)state;
    struct sync *s = work_sync(&f, centre.url);
    work_wait(s, SYNC_UP);
    work_listen();
    struct centre_session *other = centre_open(&centre);
    centre_run(other, "SET wait_timeout = 60");
    centre_run(other, "START TRANSACTION");
    centre_run(other, "UPDATE site SET name = _utf8mb4 X'61'");     /* as a zombie transaction of ours would hold it */
    work_do(&w, 3);
    work_await_line("mysql 1205");
    centre_close(other);
    work_wait(s, SYNC_UP);
    work_compare(&f, &centre);
    work_end(&s);
}

static void
rights_taken_away_and_given_back_are_a_pause(void **state)
{
    (void)state;
    struct sync *s = work_sync(&f, centre.url);
    work_wait(s, SYNC_UP);
    centre_sql(&centre, "REVOKE ALL ON chat.* FROM tombolo@'127.0.0.1'");
    centre_cut_sessions(&centre);       /* a session keeps the rights it began with */
    work_listen();
    work_do(&w, 10);
    work_await_line("mysql 1044");
    centre_sql(&centre, "GRANT ALL ON chat.* TO tombolo@'127.0.0.1'");
    work_wait(s, SYNC_UP);
    work_compare(&f, &centre);
    work_end(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults_of_the_server_change_nothing, begin, finish),
        cmocka_unit_test_setup_teardown(other_defaults_change_nothing_either, begin, finish),
        cmocka_unit_test_setup_teardown(an_idle_session_outlives_the_server_s_patience, begin, finish),
        cmocka_unit_test_setup_teardown(what_does_not_fit_into_a_packet_waits_until_it_does, begin, finish),
        cmocka_unit_test_setup_teardown(a_lock_held_by_somebody_else_is_waited_for_and_not_for_ever, begin, finish),
        cmocka_unit_test_setup_teardown(rights_taken_away_and_given_back_are_a_pause, begin, finish),
    };
    return centre_run_tests(tests, &centre, centre_is_mysql() ? mysql_hostile_options : hostile_options);
}
