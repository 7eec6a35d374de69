/* The store on a disk that loses power, stalls, fills up, fails and lies. An answer with yes is a promise; a no is one too, as
 * long as the store lives. */
#include "keeper.h"
#include "base/log.h"
#include "tap.h"

#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LIVES = 4,                  /* how often one journal is cut short */
    MESSAGES_A_LIFE = 150,
    MANY_MESSAGES = 900,        /* enough for the checkpointer to come in */
    FEW_ACTS = 500,             /* writes and syncs of a short life */
    MANY_ACTS = 6000,
    FAULTS_A_LIFE = 10,         /* few enough for no checkpoint, whose failed sync is another story */
};

static uint64_t       seed;
static struct keeper *k;
static size_t         n_yes, n_no;      /* answers in all lives, to show that there was something to lose */

static int
new_keeper(void **state)
{
    (void)state;
    k = keeper_new(seed);
    return 0;
}

static int
free_keeper(void **state)
{
    (void)state;
    keeper_free(&k);
    return 0;
}

/* After anything: power on, open, compare. The opening itself may be cut short once. */
static void
restart(bool is_cut_again, struct keeper_findings *f)
{
    keeper_close(k);
    rig_disk_power_on(k->disk);
    rig_disk_cut_after(k->disk, is_cut_again ? 1 + rig_random_below(&k->chance, 40) : 0, rig_random_next(&k->chance));
    bool is_open = keeper_open(k);
    rig_disk_cut_after(k->disk, 0, 0);
    if (rig_disk_is_off(k->disk)) {
        keeper_close(k);
        rig_disk_power_on(k->disk);
        is_open = keeper_open(k);
    }
    if (is_open)
        keeper_look(k, true, f);
    else
        f->other++;
}

/* ---- power cuts ---- */

static void
live(size_t messages, unsigned acts)
{
    switch (rig_random_below(&k->chance, 6)) {
    case 0:                             /* an orderly end, which may be cut short too */
        keeper_run(k, rig_random_below(&k->chance, messages));
        rig_disk_cut_after(k->disk, rig_random_below(&k->chance, 30), rig_random_next(&k->chance));
        break;
    case 1:
        keeper_run(k, rig_random_below(&k->chance, messages));
        keeper_post(k, 50);
        rig_disk_kill(k->disk);
        break;
    default:
        rig_disk_cut_after(k->disk, 1 + rig_random_below(&k->chance, acts), rig_random_next(&k->chance));
        keeper_run(k, messages);
        if (rig_random_below(&k->chance, 2) == 0)
            keeper_post(k, 20);
        if (!rig_disk_is_off(k->disk))
            rig_disk_cut(k->disk, rig_random_next(&k->chance));
        break;
    }
}

static bool
lives_are_clean(uint64_t round_seed, size_t messages, unsigned acts, bool is_lying)
{
    struct keeper_findings f = { 0 };
    bool                   is_clean = true;

    keeper_free(&k);
    k = keeper_new(round_seed);
    if (is_lying)
        assert_true(keeper_open(k));
    else
        restart(true, &f);      /* the first opening, with its migration, may be cut short too */
    rig_disk_lie(k->disk, is_lying);
    for (int life = 0; life < LIVES && is_clean; life++) {
        live(messages, acts);
        restart(rig_random_below(&k->chance, 4) == 0, &f);
        is_clean = is_lying ? f.lost + f.twice + f.changed + f.other == 0 : keeper_is_clean(&f);
    }
    if (!is_lying && is_clean) {
        keeper_check(k, &f);
        is_clean = keeper_is_clean(&f);
    }
    n_yes += keeper_count(k, TB_OK);
    n_no += k->n - keeper_count(k, TB_OK);
    return is_clean;
}

static void
assert_lives_are_clean(unsigned rounds, size_t messages, unsigned acts)
{
    n_yes = n_no = 0;
    for (unsigned i = 0; i < rounds; i++) {
        if (!lives_are_clean(seed + i, messages, acts, false)) {
            printf("# TB_SEED=%" PRIu64 "\n", seed + i);
            fail();
        }
    }
    printf("# %u journals, %u lives each: %zu messages answered with yes, %zu with no\n", rounds, (unsigned)LIVES, n_yes,
           n_no);
    assert_true(n_yes > rounds * LIVES && n_no > 0);
}

static void
what_was_answered_with_yes_survives_every_power_cut_once(void **state)
{
    (void)state;
    assert_lives_are_clean(rig_rounds(20, 5000), MESSAGES_A_LIFE, FEW_ACTS);
}

static void
it_survives_while_checkpoints_run_too(void **state)
{
    (void)state;
    assert_lives_are_clean(rig_rounds(2, 300), MANY_MESSAGES, MANY_ACTS);
}

/* What synchronous=OFF would do, and what kill -9 never shows: without true syncs the same check finds losses. */
static void
on_a_disk_that_lies_about_sync_the_same_check_finds_losses(void **state)
{
    unsigned n_dirty = 0, rounds = rig_rounds(12, 200);
    (void)state;

    for (unsigned i = 0; i < rounds; i++)
        n_dirty += !lives_are_clean(seed + i, MESSAGES_A_LIFE, FEW_ACTS, true);
    printf("# a lying disk: %u of %u journals lost something\n", n_dirty, rounds);
    assert_true(n_dirty > rounds / 2);
}

static void
who_repeats_with_the_same_keys_after_a_cut_has_every_message_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < rig_rounds(10, 1000); i++) {
        struct keeper_findings f = { 0 };
        keeper_free(&k);
        k = keeper_new(seed + i);
        assert_true(keeper_open(k));
        rig_disk_cut_after(k->disk, 1 + rig_random_below(&k->chance, FEW_ACTS), rig_random_next(&k->chance));
        keeper_run(k, MESSAGES_A_LIFE);
        rig_disk_cut(k->disk, rig_random_next(&k->chance));
        restart(false, &f);
        keeper_repeat(k);
        assert_int_equal(k->n, keeper_count(k, TB_OK));
        keeper_look(k, false, &f);
        assert_true(keeper_is_clean(&f));
    }
}

/* ---- stalls ---- */

static void
an_ack_means_the_message_is_on_disk(void **state)
{
    struct keeper_findings f = { 0 };
    (void)state;

    assert_true(keeper_open(k));
    keeper_run(k, 5);
    rig_disk_stall(k->disk);
    keeper_post(k, 3);
    assert_true(rig_disk_wait_stalled(k->disk));
    keeper_hear(k);
    assert_int_equal(3, k->n_waiting);
    keeper_look(k, false, &f);                  /* nor does anybody read it yet */
    assert_true(keeper_is_clean(&f));
    rig_disk_resume(k->disk);
    keeper_wait(k, 0);
    assert_int_equal(8, keeper_count(k, TB_OK));
    rig_disk_cut(k->disk, seed);
    restart(false, &f);
    assert_true(keeper_is_clean(&f));
}

static void
a_cut_during_the_sync_never_makes_a_false_yes(void **state)
{
    struct keeper_findings f = { 0 };
    (void)state;

    assert_true(keeper_open(k));
    keeper_run(k, 5);
    rig_disk_stall(k->disk);
    keeper_post(k, 3);
    assert_true(rig_disk_wait_stalled(k->disk));
    rig_disk_cut(k->disk, seed);
    rig_disk_resume(k->disk);
    keeper_wait(k, 0);
    assert_int_equal(5, keeper_count(k, TB_OK));
    assert_int_equal(3, keeper_count(k, TB_EIO));
    restart(false, &f);
    assert_true(keeper_is_clean(&f));
}

static void
what_waits_while_the_disk_stands_still_becomes_one_commit(void **state)
{
    struct rig_disk_counts before, after;
    (void)state;

    assert_true(keeper_open(k));
    keeper_run(k, 5);
    rig_disk_stall(k->disk);
    keeper_post(k, 1);
    assert_true(rig_disk_wait_stalled(k->disk));
    before = rig_disk_counts(k->disk);
    keeper_post(k, 200);
    rig_disk_resume(k->disk);
    keeper_wait(k, 0);
    after = rig_disk_counts(k->disk);
    assert_int_equal(206, keeper_count(k, TB_OK));
    assert_int_equal(2, after.syncs - before.syncs);
}

/* ---- full ---- */

static void
a_full_disk_says_so_and_takes_messages_again_when_there_is_room(void **state)
{
    struct keeper_findings f = { 0 };
    struct store_status    status;
    (void)state;

    assert_true(keeper_open(k));
    keeper_run(k, 20);
    rig_disk_limit(k->disk, rig_disk_used(k->disk) + 200000);
    do
        keeper_run(k, 10);
    while (k->entries[k->n - 1].code == TB_OK && k->n < 1000);
    assert_int_equal(TB_EFULL, k->entries[k->n - 1].code);
    assert_int_equal(k->n, keeper_count(k, TB_OK) + keeper_count(k, TB_EFULL));
    store_status(k->store, &status);
    assert_false(status.is_writable);
    keeper_look(k, false, &f);                  /* reading goes on, and what was refused is not there */
    assert_true(keeper_is_clean(&f));

    size_t n_ok = keeper_count(k, TB_OK);
    rig_disk_limit(k->disk, SIZE_MAX);
    keeper_run(k, 20);
    assert_int_equal(n_ok + 20, keeper_count(k, TB_OK));
    store_status(k->store, &status);
    assert_true(status.is_writable);
    rig_disk_cut(k->disk, seed);
    restart(false, &f);
    assert_true(keeper_is_clean(&f));
}

/* ---- errors ---- */

static void
fail_now_and_then(enum rig_fault what, struct keeper_findings *f)
{
    for (unsigned i = 0; i < FAULTS_A_LIFE && keeper_is_clean(f); i++) {
        rig_disk_fail(k->disk, what, i > 0 ? rig_random_below(&k->chance, 10) : 0, 1 + rig_random_below(&k->chance, 3));
        keeper_run(k, 20);
        rig_disk_fail(k->disk, what, 0, 0);
        keeper_look(k, false, f);
    }
}

static void
io_errors_never_make_a_false_yes_and_pass(void **state)
{
    static const enum rig_fault kinds[] = { RIG_FAIL_WRITE, RIG_FAIL_SYNC };
    (void)state;

    for (unsigned i = 0; i < rig_rounds(4, 500); i++) {
        struct keeper_findings f = { 0 };
        keeper_free(&k);
        k = keeper_new(seed + i);
        assert_true(keeper_open(k));
        fail_now_and_then(kinds[i % 2], &f);
        assert_true(keeper_count(k, TB_EIO) > 0);
        keeper_run(k, 10);
        assert_int_equal(TB_OK, k->entries[k->n - 1].code);
        rig_disk_cut(k->disk, seed);
        restart(false, &f);
        assert_true(keeper_is_clean(&f));
    }
}

static void
a_disk_that_fails_for_good_refuses_everything_until_a_restart(void **state)
{
    struct keeper_findings f = { 0 };
    struct store_status    status;
    (void)state;

    assert_true(keeper_open(k));
    keeper_run(k, 10);
    rig_disk_fail(k->disk, RIG_FAIL_SYNC, 0, UINT64_MAX);
    keeper_run(k, 10);
    assert_int_equal(10, keeper_count(k, TB_EIO));
    store_status(k->store, &status);
    assert_false(status.is_writable);
    rig_disk_fail(k->disk, RIG_FAIL_SYNC, 0, 0);
    rig_disk_cut(k->disk, seed);
    restart(false, &f);
    assert_true(keeper_is_clean(&f));
}

/* A reader that holds on to an old state, so that checkpoints stay incomplete. */
static sqlite3 *
hold_back_checkpoints(void)
{
    sqlite3 *db = NULL;
    char     path[100];

    snprintf(path, sizeof path, "%s/tombolo.db", k->dir);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, rig_disk_vfs(k->disk)) != SQLITE_OK ||
        sqlite3_exec(db, "BEGIN; SELECT count(*) FROM message", NULL, NULL, NULL) != SQLITE_OK)
        abort();
    return db;
}

static void
run_with_a_failing_checkpoint(bool is_complete)
{
    sqlite3 *reader;

    if (!keeper_open(k))
        return;
    keeper_run(k, 50);
    reader = is_complete ? NULL : hold_back_checkpoints();
    rig_disk_fail(k->disk, RIG_FAIL_DATABASE_SYNC, 0, 1);
    for (int i = 0; i < 400; i++) {     /* small batches fill the WAL until the checkpointer comes */
        keeper_post(k, 2);
        keeper_wait(k, 0);
    }
    sqlite3_close(reader);
}

/* The kernel has dropped what the failed sync covered, SQLite counts it as done, and the next sync says yes: only a new
 * start, which reads the WAL from its beginning, writes it again (see test_disk.c). */
static void
a_checkpoint_that_could_not_be_synced_ends_the_process(void **state)
{
    (void)state;
    for (int is_complete = 0; is_complete < 2; is_complete++) {
        int   status = 0;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            run_with_a_failing_checkpoint(is_complete);
            _exit(0);
        }
        assert_int_equal(child, waitpid(child, &status, 0));
        assert_true(WIFSIGNALED(status));
        assert_int_equal(SIGABRT, WTERMSIG(status));
    }
}

#define ON_A_DISK(test) cmocka_unit_test_setup_teardown(test, new_keeper, free_keeper)

static void
drop_line(tb_str line)
{
    (void)line;
}

int
main(void)
{
    seed = rig_seed();
    if (getenv("TB_LOG") == NULL)
        log_divert(drop_line);          /* thousands of expected errors; TB_LOG=1 shows them */
    const struct CMUnitTest tests[] = {
        ON_A_DISK(what_was_answered_with_yes_survives_every_power_cut_once),
        ON_A_DISK(it_survives_while_checkpoints_run_too),
        ON_A_DISK(on_a_disk_that_lies_about_sync_the_same_check_finds_losses),
        ON_A_DISK(who_repeats_with_the_same_keys_after_a_cut_has_every_message_once),
        ON_A_DISK(an_ack_means_the_message_is_on_disk),
        ON_A_DISK(a_cut_during_the_sync_never_makes_a_false_yes),
        ON_A_DISK(what_waits_while_the_disk_stands_still_becomes_one_commit),
        ON_A_DISK(a_full_disk_says_so_and_takes_messages_again_when_there_is_room),
        ON_A_DISK(io_errors_never_make_a_false_yes_and_pass),
        ON_A_DISK(a_checkpoint_that_could_not_be_synced_ends_the_process),
        ON_A_DISK(a_disk_that_fails_for_good_refuses_everything_until_a_restart),
    };
    return tap_run(tests);
}
