/* The fake disk against plain SQLite: what SQLite promises across power cuts holds on it, and what SQLite does not promise
 * gets lost on it. So a test that stands on this disk can fail. */
#include "base/thread.h"
#include "disk.h"
#include "seed.h"
#include "tap.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

enum {
    CUTS_A_DISK = 3,            /* the second one may hit the recovery from the first */
    MAX_ACTS = 300,             /* writes and syncs before a cut */
    MAX_ROW_BYTES = 9000,       /* a row of two pages is torn more easily */
    MAX_ROWS_A_COMMIT = 6,
    BUSY_MS = 10000,
};

static struct rig_disk *disk;
static uint64_t         seed;

static int
new_disk(void **state)
{
    (void)state;
    disk = rig_disk_new();
    return 0;
}

static int
free_disk(void **state)
{
    (void)state;
    rig_disk_free(&disk);
    return 0;
}

/* ---- SQLite in a few words ---- */

/* NULL when it cannot be opened. Each pragma is its own statement, since a failure must be seen. */
static sqlite3 *
open_db(const char *journal, const char *synchronous)
{
    sqlite3 *db = NULL;
    char     sql[160];

    snprintf(sql, sizeof sql, "PRAGMA synchronous=%s; PRAGMA journal_mode=%s; PRAGMA wal_autocheckpoint=30", synchronous,
             journal);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2("/rig/db", &db, flags, rig_disk_vfs(disk)) != SQLITE_OK ||
        sqlite3_busy_timeout(db, BUSY_MS) != SQLITE_OK || sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        sqlite3_close(db);
        return NULL;
    }
    return db;
}

static sqlite3 *
open_wal(void)
{
    sqlite3 *db = open_db("WAL", "FULL");
    assert_non_null(db);
    return db;
}

static int
run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* The first column of the first row, or -1. */
static int64_t
ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *q = NULL;
    int64_t       v = -1;

    if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW)
        v = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return v;
}

/* ---- rows that prove themselves: row n has n * 37 % MAX bytes of a letter that n gives; tally counts them ---- */

static const char schema[] = "BEGIN;"
                             "CREATE TABLE IF NOT EXISTS row (n INTEGER PRIMARY KEY, body TEXT NOT NULL);"
                             "CREATE TABLE IF NOT EXISTS tally (one INTEGER PRIMARY KEY, n INTEGER NOT NULL);"
                             "INSERT OR IGNORE INTO tally VALUES (1, 0);"
                             "CREATE TRIGGER IF NOT EXISTS count AFTER INSERT ON row BEGIN"
                             "  UPDATE tally SET n = n + 1; END;"
                             "COMMIT";

static int
add_row(sqlite3 *db, int64_t n)
{
    char body[MAX_ROW_BYTES], *sql;
    int  len = (int)(n * 37 % MAX_ROW_BYTES);

    memset(body, 'a' + (int)(n % 26), (size_t)len);
    sql = sqlite3_mprintf("INSERT INTO row VALUES (%lld, '%.*s')", (long long)n, len, body);
    int rc = run(db, sql);
    sqlite3_free(sql);
    return rc;
}

static const char count_wrong[] = "SELECT count(*) FROM row WHERE length(body) <> n * 37 % 9000"
                                  " OR (body <> '' AND body <> printf('%.*c', length(body), char(97 + n % 26)))";

struct books {
    int64_t committed;          /* rows 1..committed: COMMIT said yes */
    int64_t tried;              /* rows up to here may be there */
};

/* Adds rows until the disk fails. */
static void
add_until_the_end(sqlite3 *db, struct rig_random *r, struct books *b)
{
    for (;;) {
        int64_t n = 1 + (int64_t)rig_random_below(r, MAX_ROWS_A_COMMIT);

        b->tried = b->committed + n;
        if (run(db, "BEGIN IMMEDIATE") != SQLITE_OK)
            return;
        for (int64_t i = 1; i <= n; i++) {
            if (add_row(db, b->committed + i) != SQLITE_OK)
                return;
        }
        if (run(db, "COMMIT") != SQLITE_OK)
            return;
        b->committed += n;
    }
}

struct findings {
    unsigned lost, damaged;     /* cuts after which ... */
};

/* Looks at what a cut has left, and takes it as it is from here on. */
static void
look(sqlite3 *db, struct books *b, struct findings *f)
{
    bool    is_sound = ask(db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1;
    int64_t there = ask(db, "SELECT count(*) FROM row"), highest = ask(db, "SELECT coalesce(max(n), 0) FROM row");

    if (!is_sound || there != highest || there > b->tried || ask(db, count_wrong) != 0 ||
        ask(db, "SELECT n FROM tally") != there)
        f->damaged++;
    else if (there < b->committed)
        f->lost++;
    else
        b->committed = there;
}

struct regime {
    const char *journal, *synchronous;
    bool        is_lying;
    unsigned    rounds;
};

/* Some cuts hit the recovery from the one before. */
static sqlite3 *
reopen(const struct regime *g, struct rig_random *r)
{
    sqlite3 *db;

    rig_disk_power_on(disk);
    rig_disk_cut_after(disk, rig_random_below(r, 2) * (1 + rig_random_below(r, 10)), rig_random_next(r));
    db = open_db(g->journal, g->synchronous);
    if (rig_disk_is_off(disk)) {
        sqlite3_close(db);
        rig_disk_power_on(disk);
        db = open_db(g->journal, g->synchronous);
    }
    return db;
}

/* One disk, cut a few times at moments that the seed chooses. After a finding the disk is given up. */
static void
cut_and_look(const struct regime *g, uint64_t round_seed, struct findings *f)
{
    struct rig_random r = { round_seed };
    struct books      b = { 0 };
    struct findings   before = *f;
    sqlite3          *db = open_db("DELETE", "EXTRA");

    assert_non_null(db);
    assert_int_equal(SQLITE_OK, run(db, schema));       /* the tables themselves are safe */
    sqlite3_close(db);
    rig_disk_lie(disk, g->is_lying);
    db = open_db(g->journal, g->synchronous);
    assert_non_null(db);
    for (int cut = 0; cut < CUTS_A_DISK && f->lost == before.lost && f->damaged == before.damaged; cut++) {
        rig_disk_cut_after(disk, 1 + rig_random_below(&r, MAX_ACTS), rig_random_next(&r));
        add_until_the_end(db, &r, &b);
        assert_true(rig_disk_is_off(disk));
        sqlite3_close(db);
        db = reopen(g, &r);
        if (db == NULL)
            f->damaged++;
        else
            look(db, &b, f);
    }
    sqlite3_close(db);
}

static struct findings
cut_many(const struct regime *g, bool is_clean_expected)
{
    struct findings f = { 0 };

    for (unsigned i = 0; i < g->rounds; i++) {
        rig_disk_free(&disk);
        disk = rig_disk_new();
        cut_and_look(g, seed + i, &f);
        if (is_clean_expected && f.lost + f.damaged > 0) {
            printf("# %s, synchronous=%s: TB_SEED=%" PRIu64 "\n", g->journal, g->synchronous, seed + i);
            break;
        }
    }
    printf("# %s, synchronous=%s%s: %u disks, %u lost rows, %u damaged\n", g->journal, g->synchronous,
           g->is_lying ? ", lying" : "", g->rounds, f.lost, f.damaged);
    return f;
}

/* ---- what SQLite promises ---- */

static void
wal_with_full_sync_loses_nothing_that_was_committed(void **state)
{
    struct findings f = cut_many(&(struct regime){ "WAL", "FULL", false, rig_rounds(80, 20000) }, true);
    (void)state;

    assert_int_equal(0, f.lost);
    assert_int_equal(0, f.damaged);
}

static void
a_rollback_journal_with_extra_sync_loses_nothing_that_was_committed(void **state)
{
    struct findings f = cut_many(&(struct regime){ "DELETE", "EXTRA", false, rig_rounds(30, 5000) }, true);
    (void)state;

    assert_int_equal(0, f.lost);
    assert_int_equal(0, f.damaged);
}

/* ---- and what it does not: the same check sees the loss ---- */

static void
wal_with_normal_sync_loses_commits_but_damages_nothing(void **state)
{
    struct findings f = cut_many(&(struct regime){ "WAL", "NORMAL", false, rig_rounds(30, 2000) }, false);
    (void)state;

    assert_true(f.lost > 0);
    assert_int_equal(0, f.damaged);
}

static void
without_sync_commits_are_lost(void **state)
{
    struct findings f = cut_many(&(struct regime){ "WAL", "OFF", false, rig_rounds(30, 2000) }, false);
    (void)state;

    assert_true(f.lost > 0);
}

static void
on_a_disk_that_lies_about_sync_commits_are_lost(void **state)
{
    struct findings f = cut_many(&(struct regime){ "WAL", "FULL", true, rig_rounds(30, 2000) }, false);
    (void)state;

    assert_true(f.lost > 0);
}

/* Documented at "PRAGMA synchronous", EXTRA: the folder is not synced after the journal was removed. */
static void
a_rollback_journal_with_full_sync_can_lose_its_last_commit(void **state)
{
    struct findings f = cut_many(&(struct regime){ "DELETE", "FULL", false, rig_rounds(30, 2000) }, false);
    (void)state;

    assert_true(f.lost > 0);
    assert_int_equal(0, f.damaged);
}

static void
a_killed_process_loses_nothing_even_without_sync(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        sqlite3 *db = open_db("WAL", "OFF");
        assert_non_null(db);
        assert_int_equal(SQLITE_OK, run(db, schema));
        assert_int_equal(i, ask(db, "SELECT count(*) FROM row"));
        assert_int_equal(SQLITE_OK, add_row(db, i + 1));
        rig_disk_kill(disk);
        sqlite3_close(db);
        rig_disk_power_on(disk);
    }
}

/* ---- power ---- */

static void
after_a_cut_every_old_handle_is_dead_and_nothing_opens_before_power_on(void **state)
{
    sqlite3 *db = open_wal(), *other = open_wal();
    (void)state;

    assert_int_equal(SQLITE_OK, run(db, schema));
    rig_disk_cut(disk, seed);
    assert_int_equal(SQLITE_IOERR, add_row(db, 1));
    assert_int_equal(-1, ask(other, "SELECT count(*) FROM row"));
    assert_null(open_db("WAL", "FULL"));
    rig_disk_power_on(disk);
    assert_int_equal(SQLITE_IOERR, add_row(db, 1));
    sqlite3_close(db);
    db = open_wal();
    assert_int_equal(-1, ask(other, "SELECT count(*) FROM row"));
    assert_int_equal(0, ask(db, "SELECT count(*) FROM row"));
    sqlite3_close(other);
    assert_int_equal(SQLITE_OK, add_row(db, 1));
    sqlite3_close(db);
}

static void
a_dead_handle_refuses_every_call_but_close(void **state)
{
    sqlite3      *db = open_wal(), *none = NULL;
    sqlite3_file *f = NULL;
    char          byte = 0;
    sqlite3_int64 size;
    (void)state;

    assert_int_equal(SQLITE_OK, sqlite3_file_control(db, NULL, SQLITE_FCNTL_FILE_POINTER, &f));
    rig_disk_kill(disk);
    assert_int_equal(SQLITE_IOERR_READ, f->pMethods->xRead(f, &byte, 1, 0));
    assert_int_equal(SQLITE_IOERR_WRITE, f->pMethods->xWrite(f, &byte, 1, 0));
    assert_int_equal(SQLITE_IOERR_TRUNCATE, f->pMethods->xTruncate(f, 0));
    assert_int_equal(SQLITE_IOERR, f->pMethods->xSync(f, SQLITE_SYNC_NORMAL));
    assert_int_equal(SQLITE_IOERR_FSTAT, f->pMethods->xFileSize(f, &size));
    assert_int_equal(SQLITE_IOERR_SHMLOCK, f->pMethods->xShmLock(f, 0, 1, SQLITE_SHM_LOCK | SQLITE_SHM_SHARED));
    assert_int_equal(SQLITE_OK, f->pMethods->xUnlock(f, SQLITE_LOCK_NONE));
    assert_int_equal(SQLITE_IOERR_LOCK, f->pMethods->xLock(f, SQLITE_LOCK_SHARED));
    assert_int_equal(SQLITE_CANTOPEN,
                     sqlite3_open_v2("/rig/db", &none, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, rig_disk_vfs(disk)));
    sqlite3_close(none);
    sqlite3_close(db);
}

static void
a_file_that_was_never_synced_may_vanish(void **state)
{
    unsigned n_there = 0;
    (void)state;

    for (uint64_t i = 0; i < 100; i++) {
        rig_disk_free(&disk);
        disk = rig_disk_new();
        sqlite3 *db = open_db("MEMORY", "OFF");
        assert_non_null(db);
        assert_int_equal(SQLITE_OK, run(db, schema));
        rig_disk_cut(disk, seed + i);
        sqlite3_close(db);
        rig_disk_power_on(disk);
        n_there += rig_disk_used(disk) > 0;
    }
    assert_in_range(n_there, 10, 90);
}

/* ---- stalls ---- */

struct commit {
    sqlite3         *db;
    struct tb_thread thread;
    int              rc;
};

static void
commit_a_row(void *ctx)
{
    struct commit *c = ctx;
    c->rc = add_row(c->db, 1);
}

static void
a_stalled_sync_holds_a_commit_back(void **state)
{
    struct commit c = { .db = open_wal(), .rc = -1 };
    sqlite3      *reader = open_wal();
    (void)state;

    assert_int_equal(SQLITE_OK, run(c.db, schema));
    rig_disk_stall(disk);
    tb_thread_start(&c.thread, TB_WRITER, commit_a_row, &c);
    assert_true(rig_disk_wait_stalled(disk));
    assert_int_equal(0, ask(reader, "SELECT count(*) FROM row"));
    rig_disk_resume(disk);
    tb_thread_join(&c.thread);
    assert_int_equal(SQLITE_OK, c.rc);
    assert_int_equal(1, ask(reader, "SELECT count(*) FROM row"));
    sqlite3_close(c.db);
    sqlite3_close(reader);
}

static void
a_cut_ends_a_stalled_sync_with_an_error(void **state)
{
    struct commit c = { .db = open_wal() };
    (void)state;

    assert_int_equal(SQLITE_OK, run(c.db, schema));
    rig_disk_stall(disk);
    tb_thread_start(&c.thread, TB_WRITER, commit_a_row, &c);
    assert_true(rig_disk_wait_stalled(disk));
    rig_disk_cut(disk, seed);
    tb_thread_join(&c.thread);
    assert_int_equal(SQLITE_IOERR, c.rc);
    sqlite3_close(c.db);
}

/* ---- faults ---- */

static void
a_full_disk_refuses_what_grows_and_takes_it_again_later(void **state)
{
    sqlite3 *db = open_wal();
    int64_t  n = 0;
    int      rc;
    (void)state;

    assert_int_equal(SQLITE_OK, run(db, schema));
    rig_disk_limit(disk, rig_disk_used(disk) + 100000);
    do {
        rc = add_row(db, n + 1);
        n += rc == SQLITE_OK;
    } while (rc == SQLITE_OK && n < 1000);
    assert_int_equal(SQLITE_FULL, rc);
    assert_true(n > 5);
    assert_int_equal(n, ask(db, "SELECT count(*) FROM row"));
    rig_disk_limit(disk, SIZE_MAX);
    assert_int_equal(SQLITE_OK, add_row(db, n + 1));
    assert_int_equal(1, ask(db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"));
    sqlite3_close(db);
}

static void
failed_calls_fail_the_statement_and_nothing_else(void **state)
{
    static const enum rig_fault kinds[] = { RIG_FAIL_WRITE, RIG_FAIL_SYNC };
    sqlite3                    *db = open_wal();
    int64_t                     n = 0;
    (void)state;

    assert_int_equal(SQLITE_OK, run(db, schema));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        rig_disk_fail(disk, kinds[i], 0, 1);
        assert_int_equal(SQLITE_IOERR, run(db, "UPDATE tally SET n = 1000"));
        assert_int_equal(n, ask(db, "SELECT n FROM tally"));
        assert_int_equal(SQLITE_OK, add_row(db, ++n));
        rig_disk_fail(disk, kinds[i], 1, 1);
        rig_disk_fail(disk, kinds[i], 0, 0);
        assert_int_equal(SQLITE_OK, add_row(db, ++n));
    }
    rig_disk_fail(disk, RIG_FAIL_READ, 0, 1);
    assert_null(open_db("WAL", "FULL"));
    sqlite3_close(db);
}

/* The pages of the failed commit are on no disk although the next sync said yes: SQLite must have written them again. */
static void
a_commit_after_a_failed_sync_survives_a_cut(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 50; i++) {
        rig_disk_free(&disk);
        disk = rig_disk_new();
        sqlite3 *db = open_wal();
        assert_int_equal(SQLITE_OK, run(db, schema));
        rig_disk_fail(disk, RIG_FAIL_SYNC, i % 5, 1);
        int64_t n = 0;
        for (int tries = 0; tries < 10; tries++)
            n += add_row(db, n + 1) == SQLITE_OK;
        assert_in_range(n, 9, 10);
        rig_disk_cut(disk, seed + i);
        sqlite3_close(db);
        rig_disk_power_on(disk);
        db = open_wal();
        assert_int_equal(n, ask(db, "SELECT count(*) FROM row"));
        assert_int_equal(0, ask(db, count_wrong));
        sqlite3_close(db);
    }
}

/* Rows 1..20 are checkpointed while a reader keeps the checkpoint incomplete, and the sync of that fails. Then rows go on,
 * the next checkpoint is complete and synced, and the WAL begins anew. */
static void
fail_the_sync_of_an_incomplete_checkpoint(bool is_restarted)
{
    sqlite3      *db = open_wal(), *reader = open_wal();
    sqlite3_file *f = NULL;

    assert_int_equal(SQLITE_OK, run(db, schema));
    assert_int_equal(SQLITE_OK, run(db, "PRAGMA wal_autocheckpoint=0"));
    for (int i = 1; i <= 40; i++) {
        assert_int_equal(SQLITE_OK, add_row(db, i));
        if (i == 20)
            assert_int_equal(SQLITE_OK, run(reader, "BEGIN; SELECT count(*) FROM row"));
    }
    assert_int_equal(SQLITE_OK, sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL));
    assert_int_equal(SQLITE_OK, sqlite3_file_control(db, NULL, SQLITE_FCNTL_FILE_POINTER, &f));
    rig_disk_fail(disk, RIG_FAIL_DATABASE_SYNC, 0, 1);
    assert_int_equal(SQLITE_IOERR_FSYNC, f->pMethods->xSync(f, SQLITE_SYNC_NORMAL));
    if (is_restarted) {
        rig_disk_kill(disk);
        rig_disk_power_on(disk);
    }
    sqlite3_close(reader);
    if (is_restarted) {
        sqlite3_close(db);
        db = open_wal();
    }
    assert_int_equal(SQLITE_OK, sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL));
    assert_int_equal(SQLITE_OK, add_row(db, 41));
    rig_disk_cut(disk, seed);
    sqlite3_close(db);
    rig_disk_power_on(disk);
}

static void
after_a_failed_sync_of_a_checkpoint_only_a_restart_saves_its_pages(void **state)
{
    (void)state;
    for (int is_restarted = 0; is_restarted < 2; is_restarted++) {
        rig_disk_free(&disk);
        disk = rig_disk_new();
        fail_the_sync_of_an_incomplete_checkpoint(is_restarted);
        sqlite3 *db = open_db("WAL", "FULL");
        bool     is_whole = db != NULL && ask(db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1 &&
                        ask(db, "SELECT count(*) FROM row") == 41 && ask(db, count_wrong) == 0;
        assert_int_equal(is_restarted, is_whole);
        sqlite3_close(db);
    }
}

static void
a_commit_costs_one_sync(void **state)
{
    sqlite3 *db = open_wal();
    (void)state;

    assert_int_equal(SQLITE_OK, run(db, schema));
    assert_int_equal(SQLITE_OK, add_row(db, 1));
    struct rig_disk_counts before = rig_disk_counts(disk);
    for (int i = 2; i <= 4; i++) {
        assert_int_equal(SQLITE_OK, run(db, "BEGIN"));
        assert_int_equal(SQLITE_OK, add_row(db, i));
        assert_int_equal(SQLITE_OK, run(db, "COMMIT"));
    }
    struct rig_disk_counts after = rig_disk_counts(disk);
    assert_int_equal(3, after.syncs - before.syncs);
    assert_true(after.writes > before.writes && after.bytes_written - before.bytes_written > 3 * 4096);
    sqlite3_close(db);
}

/* ---- connections and threads ---- */

static void
locks_between_connections_hold_in_both_journal_modes(void **state)
{
    static const char *const modes[] = { "WAL", "DELETE" };
    (void)state;

    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        rig_disk_free(&disk);
        disk = rig_disk_new();
        sqlite3 *a = open_db(modes[i], "FULL"), *b = open_db(modes[i], "FULL");
        assert_true(a != NULL && b != NULL);
        sqlite3_busy_timeout(a, 0);
        sqlite3_busy_timeout(b, 0);
        assert_int_equal(SQLITE_OK, run(a, schema));
        assert_int_equal(SQLITE_OK, run(a, "BEGIN IMMEDIATE"));
        assert_int_equal(SQLITE_OK, add_row(a, 1));
        assert_int_equal(SQLITE_BUSY, run(b, "BEGIN IMMEDIATE"));
        assert_int_equal(SQLITE_OK, run(b, "BEGIN"));
        assert_int_equal(0, ask(b, "SELECT count(*) FROM row"));
        assert_int_equal(i == 0 ? SQLITE_OK : SQLITE_BUSY, run(a, "COMMIT"));
        assert_int_equal(0, ask(b, "SELECT count(*) FROM row"));
        assert_int_equal(SQLITE_OK, run(b, "COMMIT"));
        if (i == 1)
            assert_int_equal(SQLITE_OK, run(a, "COMMIT"));
        assert_int_equal(1, ask(b, "SELECT count(*) FROM row"));
        assert_int_equal(SQLITE_OK, run(b, "BEGIN EXCLUSIVE"));
        assert_int_equal(i == 0 ? 1 : -1, ask(a, "SELECT count(*) FROM row"));
        assert_int_equal(SQLITE_OK, run(b, "ROLLBACK"));
        sqlite3_close(a);
        sqlite3_close(b);
    }
}

enum { WRITERS = 3 };

struct writer {
    struct tb_thread thread;
    sqlite3         *db;
    int64_t          first, committed;      /* rows first .. first + committed - 1 */
};

static void
write_until_the_end(void *ctx)
{
    struct writer *w = ctx;

    while (run(w->db, "BEGIN IMMEDIATE") == SQLITE_OK) {
        if (add_row(w->db, w->first + w->committed) != SQLITE_OK || run(w->db, "COMMIT") != SQLITE_OK)
            return;
        w->committed++;
    }
}

static void
checkpoint_until_the_end(void *ctx)
{
    struct writer *w = ctx;
    int            rc;

    do
        rc = sqlite3_wal_checkpoint_v2(w->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    while (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED);
}

static void
what_several_threads_committed_survives_a_cut(void **state)
{
    struct rig_random r = { seed };
    (void)state;

    for (unsigned round = 0; round < rig_rounds(8, 1000); round++) {
        struct writer w[WRITERS + 1] = { 0 };

        rig_disk_free(&disk);
        disk = rig_disk_new();
        for (int i = 0; i <= WRITERS; i++) {
            w[i].db = open_wal();
            w[i].first = 1 + i * 1000000;
        }
        assert_int_equal(SQLITE_OK, run(w[0].db, schema));
        rig_disk_cut_after(disk, 50 + rig_random_below(&r, 500), rig_random_next(&r));
        for (int i = 0; i < WRITERS; i++)
            tb_thread_start(&w[i].thread, TB_WRITER, write_until_the_end, &w[i]);
        tb_thread_start(&w[WRITERS].thread, TB_CHECKPOINTER, checkpoint_until_the_end, &w[WRITERS]);
        for (int i = 0; i <= WRITERS; i++)
            tb_thread_join(&w[i].thread);
        for (int i = 0; i <= WRITERS; i++)
            sqlite3_close(w[i].db);
        rig_disk_power_on(disk);
        sqlite3 *db = open_wal();
        assert_int_equal(1, ask(db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"));
        assert_int_equal(0, ask(db, count_wrong));
        for (int i = 0; i < WRITERS; i++) {
            char sql[120];
            snprintf(sql, sizeof sql, "SELECT count(*) FROM row WHERE n BETWEEN %" PRId64 " AND %" PRId64, w[i].first,
                     w[i].first + w[i].committed - 1);
            assert_int_equal(w[i].committed, ask(db, sql));
        }
        sqlite3_close(db);
    }
}

#define ON_A_DISK(test) cmocka_unit_test_setup_teardown(test, new_disk, free_disk)

int
main(void)
{
    seed = rig_seed();
    const struct CMUnitTest tests[] = {
        ON_A_DISK(wal_with_full_sync_loses_nothing_that_was_committed),
        ON_A_DISK(a_rollback_journal_with_extra_sync_loses_nothing_that_was_committed),
        ON_A_DISK(wal_with_normal_sync_loses_commits_but_damages_nothing),
        ON_A_DISK(without_sync_commits_are_lost),
        ON_A_DISK(on_a_disk_that_lies_about_sync_commits_are_lost),
        ON_A_DISK(a_rollback_journal_with_full_sync_can_lose_its_last_commit),
        ON_A_DISK(a_killed_process_loses_nothing_even_without_sync),
        ON_A_DISK(after_a_cut_every_old_handle_is_dead_and_nothing_opens_before_power_on),
        ON_A_DISK(a_dead_handle_refuses_every_call_but_close),
        ON_A_DISK(a_file_that_was_never_synced_may_vanish),
        ON_A_DISK(a_stalled_sync_holds_a_commit_back),
        ON_A_DISK(a_cut_ends_a_stalled_sync_with_an_error),
        ON_A_DISK(a_full_disk_refuses_what_grows_and_takes_it_again_later),
        ON_A_DISK(failed_calls_fail_the_statement_and_nothing_else),
        ON_A_DISK(a_commit_after_a_failed_sync_survives_a_cut),
        ON_A_DISK(after_a_failed_sync_of_a_checkpoint_only_a_restart_saves_its_pages),
        ON_A_DISK(a_commit_costs_one_sync),
        ON_A_DISK(locks_between_connections_hold_in_both_journal_modes),
        ON_A_DISK(what_several_threads_committed_survives_a_cut),
    };
    return tap_run(tests);
}
