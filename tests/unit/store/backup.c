/* Copies of a journal that is written to, and what becomes of them as journals. */
#include "base/log.h"
#include "fixture.h"
#include "store/check.h"
#include "store/restore.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANY = 400, LONG_TEXT = 8000 };

static struct fixture f;
static int64_t        user, room;
static char           text[LONG_TEXT + 1];

/* ---- what the tests say ---- */

static enum tb_code
begin(void)
{
    struct store_begin_backup r = { 0 };
    enum tb_code              code = fixture_call(&f, begin_backup, &r);
    store_op_fini(&r.op);
    return code;
}

static enum tb_code
end(void)
{
    struct store_end_backup r = { 0 };
    enum tb_code            code = fixture_call(&f, end_backup, &r);
    store_op_fini(&r.op);
    return code;
}

static struct store_backup
look(void)
{
    struct store_backup now;
    store_backup_look(f.store, &now);
    return now;
}

/* Sends all the while. */
static struct store_backup
await_while_sending(int64_t *n_sent)
{
    struct store_backup now;

    while ((now = look()).state == STORE_BACKUP_RUNNING) {
        fixture_send(&f, room, user, text);
        ++*n_sent;
    }
    return now;
}

static struct store_backup
await(void)
{
    struct store_backup now;

    while ((now = look()).state == STORE_BACKUP_RUNNING)
        usleep(1000);       /* the writer has nothing else to do */
    return now;
}

static const char *
path_of(const char *name)
{
    static char path[4][128];
    static int  at;

    at = (at + 1) % 4;
    snprintf(path[at], sizeof path[at], "%s/%s", f.dir, name);
    return path[at];
}

static void
show(void *ctx, tb_str line)
{
    (void)ctx;
    print_error(TB_STR_FMT "\n", TB_STR_ARG(line));
}

static void
count_line(void *ctx, tb_str line)
{
    (void)line;
    ++*(int *)ctx;
}

static size_t
faults_in(const char *dir)
{
    struct tb_err e;
    size_t        n = 0;
    assert_int_equal(TB_OK, store_check(dir, show, NULL, &n, &e));
    return n;
}

static bool
is_there(const char *name)
{
    return access(path_of(name), F_OK) == 0;
}

/* From the copy that the server has made, into dir. */
static enum tb_code
restore(struct store_restore *r, const char *dir)
{
    struct tb_err e;

    r->dir = dir;
    r->clock = &f.clock;
    r->fd = open(path_of(STORE_BACKUP_DIR "/tombolo.db"), O_RDONLY | O_CLOEXEC);
    assert_true(r->fd >= 0);
    TB_TRY(store_restore(r, &e));
    close(r->fd);
    return e.code;
}

static int64_t
fill(int n)
{
    int64_t last = 0;
    for (int i = 0; i < n; i++)
        last = fixture_send(&f, room, user, text);
    return last;
}

static void
remove_journal(const char *dir)
{
    const char *names[] = { "tombolo.db", "tombolo.db-wal", "tombolo.db-shm", "tombolo.lock", "journal.id" };

    for (size_t i = 0; i < 4; i++) {
        char name[256];
        snprintf(name, sizeof name, "%s/%s", dir, names[i]);
        unlink(name);
    }
    rmdir(dir);
}

/* ---- the tests ---- */

static void
a_copy_under_writes_is_whole_and_has_all_that_was_there_when_it_began(void **state)
{
    struct store_restore r = { .report = show };
    char                 dir[128];
    int64_t              sent = 0;
    struct store_status  before;
    (void)state;
    fill(MANY);
    store_status(f.store, &before);
    assert_int_equal(TB_OK, begin());
    struct store_backup now = await_while_sending(&sent);
    assert_int_equal(STORE_BACKUP_DONE, now.state);
    assert_true(sent > 0);
    assert_true(now.pos >= before.head_pos + sent - 1);      /* those that were answered while it was made are in it, too */
    assert_int_equal(0, faults_in(path_of(STORE_BACKUP_DIR)));
    snprintf(dir, sizeof dir, "%s-restored", f.dir);
    assert_int_equal(TB_OK, restore(&r, dir));
    assert_int_equal(now.pos, r.head_pos);
    assert_int_equal(now.seq, r.identity.own_seq);
    assert_int_equal(0, faults_in(dir));
    remove_journal(dir);
    assert_int_equal(TB_OK, end());
    assert_false(is_there(STORE_BACKUP_DIR));
    assert_int_equal(0, fixture_faults(&f));
}

static void
a_change_that_fails_and_one_that_grows_the_file_do_not_disturb_it(void **state)
{
    struct store_add_message bad = { .room_id = room, .sender_id = user + 1, .content = TB_LIT("not a member") };
    (void)state;
    fill(MANY);
    assert_int_equal(TB_OK, begin());
    while (look().state == STORE_BACKUP_RUNNING) {
        fill(1);
        assert_int_equal(TB_EDENIED, fixture_call(&f, add_message, &bad));
        store_op_fini(&bad.op);
    }
    assert_int_equal(STORE_BACKUP_DONE, look().state);
    assert_int_equal(0, faults_in(path_of(STORE_BACKUP_DIR)));
}

static void
one_at_a_time_and_ending_it_leaves_nothing(void **state)
{
    struct stat st;
    (void)state;
    fill(MANY);
    assert_int_equal(TB_OK, begin());
    assert_int_equal(TB_EBUSY, begin());
    assert_int_equal(0, stat(path_of(STORE_BACKUP_DIR "/tombolo.db"), &st));
    assert_int_equal(0600, st.st_mode & 0777);
    assert_int_equal(TB_OK, end());
    assert_int_equal(STORE_BACKUP_NONE, look().state);
    assert_false(is_there(STORE_BACKUP_DIR));
    assert_int_equal(TB_OK, begin());
    assert_int_equal(STORE_BACKUP_DONE, await().state);
}

static void
what_nobody_took_goes_with_the_next_start_and_a_stop_ends_it(void **state)
{
    (void)state;
    assert_int_equal(TB_OK, begin());
    assert_int_equal(STORE_BACKUP_DONE, await().state);
    fixture_reopen(&f);
    assert_false(is_there(STORE_BACKUP_DIR));
    fill(MANY);
    assert_int_equal(TB_OK, begin());
    fixture_reopen(&f);
    assert_false(is_there(STORE_BACKUP_DIR));
    assert_int_equal(0, fixture_faults(&f));
}

static void
there_must_be_room_for_it(void **state)
{
    (void)state;
    f.settings.reserve_bytes = UINT64_C(1) << 60;
    fixture_reopen(&f);
    assert_int_equal(TB_EFULL, begin());
    assert_false(is_there(STORE_BACKUP_DIR));
    assert_int_equal(TB_OK, end());
}

static void
make_copy(void)
{
    assert_int_equal(TB_OK, begin());
    assert_int_equal(STORE_BACKUP_DONE, await().state);
}

static void
a_journal_that_is_there_is_set_aside_whole_or_left_alone(void **state)
{
    struct store_restore r = { .report = show };
    char                 dir[64], aside[192];
    (void)state;
    fill(3);
    make_copy();
    snprintf(dir, sizeof dir, "%s-other", f.dir);
    assert_int_equal(TB_OK, restore(&r, dir));
    assert_string_equal("", r.set_aside);
    assert_int_equal(TB_ETAKEN, restore(&r, dir));
    r.may_replace = true;
    assert_int_equal(TB_OK, restore(&r, dir));
    assert_true(strncmp(r.set_aside, "replaced-", strlen("replaced-")) == 0);
    snprintf(aside, sizeof aside, "%s/%s", dir, r.set_aside);
    assert_int_equal(0, faults_in(aside));
    remove_journal(aside);
    remove_journal(dir);
}

static void
a_folder_in_use_is_left_alone(void **state)
{
    struct store_restore r = { .report = show, .may_replace = true };
    (void)state;
    make_copy();
    assert_int_equal(TB_EIO, restore(&r, f.dir));
    assert_int_equal(0, fixture_faults(&f));
}

/* A byte in the middle of what people wrote: SQLite finds nothing wrong with it, the chain does. */
static void
change_a_byte_of(const char *path)
{
    char  *found = NULL, bytes[65536];
    int    fd = open(path, O_RDWR | O_CLOEXEC);
    off_t  at = 0;

    assert_true(fd >= 0);
    for (ssize_t n; found == NULL && (n = pread(fd, bytes, sizeof bytes, at)) > 0; at += n) {
        found = memmem(bytes, (size_t)n, "yyyyyyyyyy", 10);
        if (found != NULL)
            assert_int_equal(1, pwrite(fd, "z", 1, at + (found - bytes)));
    }
    assert_non_null(found);
    close(fd);
}

static void
a_damaged_backup_is_refused_and_nothing_changes(void **state)
{
    int                  n_lines = 0;
    struct store_restore r = { .report = count_line, .ctx = &n_lines };
    char                 dir[64];
    (void)state;
    fixture_send(&f, room, user, "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy");
    make_copy();
    change_a_byte_of(path_of(STORE_BACKUP_DIR "/tombolo.db"));
    snprintf(dir, sizeof dir, "%s-damaged", f.dir);
    assert_int_equal(TB_EINPUT, restore(&r, dir));
    assert_true(n_lines > 0 && r.n_faults >= (size_t)n_lines);
    snprintf(dir, sizeof dir, "%s-damaged", f.dir);
    char name[128];
    snprintf(name, sizeof name, "%s/tombolo.db", dir);
    assert_int_not_equal(0, access(name, F_OK));
    remove_journal(dir);
}

static int
open_all(void **state)
{
    (void)state;
    log_set(LOG_ERROR, LOG_LOGFMT);
    memset(text, 'x', LONG_TEXT);
    fixture_open(&f);
    user = fixture_user(&f, "ann");
    room = fixture_room(&f, user, false);
    return 0;
}

static int
close_all(void **state)
{
    (void)state;
    f.settings.reserve_bytes = 0;
    fixture_close(&f);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_copy_under_writes_is_whole_and_has_all_that_was_there_when_it_began, open_all, close_all),
        cmocka_unit_test_setup_teardown(a_change_that_fails_and_one_that_grows_the_file_do_not_disturb_it, open_all, close_all),
        cmocka_unit_test_setup_teardown(one_at_a_time_and_ending_it_leaves_nothing, open_all, close_all),
        cmocka_unit_test_setup_teardown(what_nobody_took_goes_with_the_next_start_and_a_stop_ends_it, open_all, close_all),
        cmocka_unit_test_setup_teardown(there_must_be_room_for_it, open_all, close_all),
        cmocka_unit_test_setup_teardown(a_journal_that_is_there_is_set_aside_whole_or_left_alone, open_all, close_all),
        cmocka_unit_test_setup_teardown(a_folder_in_use_is_left_alone, open_all, close_all),
        cmocka_unit_test_setup_teardown(a_damaged_backup_is_refused_and_nothing_changes, open_all, close_all),
    };
    return tap_run(tests);
}
