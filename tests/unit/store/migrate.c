/* Migrations: step by step, whole or not at all, and never a journal that is newer or another program's. */
#include "store/migrate.h"
#include "tap.h"

static const struct tb_migration one[] = { { 1, "0001_a", "CREATE TABLE a (x)" }, { 0, 0, 0 } };
static const struct tb_migration two[] = { { 1, "0001_a", "CREATE TABLE a (x)" },
                                           { 2, "0002_b", "CREATE TABLE b (x); INSERT INTO a VALUES (1)" }, { 0, 0, 0 } };
static const struct tb_migration broken[] = { { 1, "0001_a", "CREATE TABLE a (x)" },
                                              { 2, "0002_b", "CREATE TABLE b (x); INSERT INTO nowhere VALUES (1)" },
                                              { 0, 0, 0 } };

static struct db
open_memory(void)
{
    struct db     d;
    struct tb_err e = { 0 };
    assert_int_equal(TB_OK, db_open(&d, ":memory:", NULL, DB_READ_WRITE, NULL, 0, &e));
    return d;
}

static int
count(struct db *d, const char *sql)
{
    sqlite3_stmt *st = NULL;
    int           n = -1;
    if (sqlite3_prepare_v2(d->sql, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        n = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return n;
}

static void
each_step_runs_once_and_the_version_follows(void **state)
{
    struct db     d = open_memory();
    struct tb_err e = { 0 };
    (void)state;
    assert_int_equal(TB_OK, store_migrate(&d, one, &e));
    assert_int_equal(1, count(&d, "PRAGMA user_version"));
    assert_int_equal(TB_OK, store_migrate(&d, two, &e));
    assert_int_equal(TB_OK, store_migrate(&d, two, &e));
    assert_int_equal(2, count(&d, "PRAGMA user_version"));
    assert_int_equal(1, count(&d, "SELECT COUNT(*) FROM a"));
    assert_int_equal(STORE_APPLICATION_ID, count(&d, "PRAGMA application_id"));
    db_close(&d);
}

static void
a_newer_journal_is_refused_and_said_so(void **state)
{
    struct db     d = open_memory();
    struct tb_err e = { 0 };
    (void)state;
    assert_int_equal(TB_OK, store_migrate(&d, two, &e));
    assert_int_equal(TB_EIO, store_migrate(&d, one, &e));
    assert_non_null(strstr(e.why, "schema 2, this program knows up to 1"));
    db_close(&d);
}

static void
another_programs_database_is_refused(void **state)
{
    struct db     d = open_memory();
    struct tb_err e = { 0 };
    (void)state;
    assert_int_equal(TB_OK, db_exec(&d, "PRAGMA user_version = 1", &e));
    assert_int_equal(TB_EIO, store_migrate(&d, one, &e));
    assert_non_null(strstr(e.why, "another program"));
    db_close(&d);
}

static void
a_step_that_fails_leaves_the_one_before(void **state)
{
    struct db     d = open_memory();
    struct tb_err e = { 0 };
    (void)state;
    assert_int_equal(TB_EIO, store_migrate(&d, broken, &e));
    assert_non_null(strstr(e.why, "migration 0002_b"));
    assert_int_equal(1, count(&d, "PRAGMA user_version"));
    assert_int_equal(0, count(&d, "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'b'"));
    db_close(&d);
}

static void
our_own_steps_run_and_end_at_their_number(void **state)
{
    struct db     d = open_memory();
    struct tb_err e = { 0 };
    (void)state;
    assert_int_equal(TB_OK, store_migrate(&d, store_migrations, &e));
    assert_int_equal(store_schema_version(), count(&d, "PRAGMA user_version"));
    db_close(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_step_runs_once_and_the_version_follows),
        cmocka_unit_test(a_newer_journal_is_refused_and_said_so),
        cmocka_unit_test(another_programs_database_is_refused),
        cmocka_unit_test(a_step_that_fails_leaves_the_one_before),
        cmocka_unit_test(our_own_steps_run_and_end_at_their_number),
    };
    return tap_run(tests);
}
