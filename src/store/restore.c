/* A WAL beside another database than its own would be read into it. So what is there gets second names in a folder of its own
 * first; then its WAL goes, then the new file takes the old one's name. After a crash in between, the journal in the folder
 * may lack what was in its WAL, but its whole is in the folder where it was set aside. */
#include "restore.h"

#include "base/owner.h"
#include "check.h"
#include "folder.h"
#include "hlc.h"
#include "inspect.h"
#include "journal.h"
#include "migrate.h"
#include "queries.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NEW_NAME "restore.new"
enum { COPY_BYTES = 1 << 18, MAX_NAMES = 100 };

static const char *const files[] = { "tombolo.db", "tombolo.db-wal", "tombolo.db-shm", "journal.id" };

static enum tb_code
fail(struct tb_err *e, const char *dir, const char *what)
{
    return tb_fail(e, TB_EIO, NULL, "%s: %s: %s", dir, what, strerror(errno));
}

/* ---- the backup, in a folder of its own ---- */

static bool
write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno != EINTR)
            return false;
        if (done > 0)
            p += done, n -= (size_t)done;
    }
    return true;
}

static enum tb_code
copy(struct store_restore *r, int to, struct tb_err *e)
{
    char   *bytes = tb_alloc(COPY_BYTES);
    ssize_t n;

    while (e->code == TB_OK && (n = read(r->fd, bytes, COPY_BYTES)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            tb_fail(e, TB_EIO, NULL, "reading the backup: %s", strerror(errno));
        else if (!write_all(to, bytes, (size_t)n))
            fail(e, r->dir, "writing the backup");
        r->bytes += n > 0 ? n : 0;
    }
    tb_free(bytes);
    if (e->code == TB_OK && fsync(to) != 0)
        fail(e, r->dir, "syncing the backup");
    return e->code;
}

static enum tb_code
take_in(struct store_restore *r, const char *folder, struct tb_err *e)
{
    struct tb_buf path = TB_BUF_INIT;

    store_folder_discard(folder);
    if (mkdir(folder, 0700) != 0)
        return fail(e, folder, "make");
    tb_buf_printf(&path, "%s/tombolo.db", folder);
    int fd = open(path.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        fail(e, path.p, "make");
    } else {
        tb_give_to_owner(fd, r->dir);
        TB_TRY(copy(r, fd, e));
        close(fd);
    }
    tb_buf_fini(&path);
    return e->code;
}

/* A backup of an older program is brought up as a start would do it; the schema of anything else is left alone and refused. */
static enum tb_code
bring_up(const char *folder, struct tb_err *e)
{
    struct tb_buf path = TB_BUF_INIT;
    struct db     d = { 0 };

    tb_buf_printf(&path, "%s/tombolo.db", folder);
    if (db_open(&d, path.p, NULL, DB_READ_WRITE, store_query_texts, Q_COUNT, e) == TB_OK &&
        store_schema_check_ours(&d, e) == TB_OK)
        TB_TRY(store_migrate(&d, store_migrations, e));
    db_close(&d);
    tb_buf_fini(&path);
    if (e->code == TB_OK)
        return TB_OK;
    e->code = TB_EINPUT;
    return tb_wrap(e, "this is no backup");
}

/* Ids that were given after the backup are given anew, so tokens of those end. And what it is stands in it before anybody can
 * start it. */
static enum tb_code
mark(const struct store_restore *r, const char *folder, struct tb_err *e)
{
    enum store_restored as = r->takes_over ? STORE_RESTORED_TAKES_OVER : STORE_RESTORED;
    struct tb_buf       path = TB_BUF_INIT;
    struct db           d = { 0 };
    struct self         own;

    tb_buf_printf(&path, "%s/tombolo.db", folder);
    if (db_open(&d, path.p, NULL, DB_READ_WRITE, store_query_texts, Q_COUNT, e) == TB_OK &&
        journal_read_self(&d, &own, e) == TB_OK && db_run(&d, Q_SET_RESTORED, ARGS(I(as)), e) == TB_OK)
        TB_TRY(db_run(&d, Q_SET_LOST, ARGS(I(hlc_ms(own.hlc)), I(tb_wall_ms(r->clock))), e));
    db_close(&d);
    tb_buf_fini(&path);
    return e->code;
}

static enum tb_code
look_into(struct store_restore *r, const char *folder, struct tb_err *e)
{
    struct store_inspector *i = NULL;

    if (store_inspect(folder, &i, e) != TB_OK)
        return e->code;
    r->identity = *store_inspect_identity(i);
    r->head_pos = store_inspect_head(i);
    store_inspect_end(&i);
    return TB_OK;
}

static enum tb_code
judge(struct store_restore *r, const char *folder, struct tb_err *e)
{
    if (bring_up(folder, e) != TB_OK || store_check(folder, r->report, r->ctx, &r->n_faults, e) != TB_OK)
        return e->code;
    if (r->n_faults > 0)
        return tb_fail(e, TB_EINPUT, NULL, "the backup has %zu faults", r->n_faults);
    if (mark(r, folder, e) != TB_OK || look_into(r, folder, e) != TB_OK)
        return e->code;
    return r->approve != NULL ? r->approve(r->ctx, &r->identity, e) : TB_OK;
}

/* ---- its place ---- */

/* replaced-20261122T090000Z, or with a number behind it. */
static enum tb_code
make_aside(struct store_restore *r, int dir_fd, struct tb_err *e)
{
    time_t    now = (time_t)(tb_wall_ms(r->clock) / 1000);
    struct tm t;
    char      stamp[24];

    gmtime_r(&now, &t);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &t);
    for (int i = 1; i < MAX_NAMES; i++) {
        snprintf(r->set_aside, sizeof r->set_aside, i == 1 ? "replaced-%s" : "replaced-%s-%d", stamp, i);
        if (mkdirat(dir_fd, r->set_aside, 0700) == 0)
            return TB_OK;
        if (errno != EEXIST)
            break;
    }
    return fail(e, r->dir, r->set_aside);
}

static enum tb_code
set_aside(struct store_restore *r, int dir_fd, struct tb_err *e)
{
    if (make_aside(r, dir_fd, e) != TB_OK)
        return e->code;
    int aside_fd = openat(dir_fd, r->set_aside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (aside_fd < 0)
        return fail(e, r->dir, r->set_aside);
    tb_give_to_owner(aside_fd, r->dir);
    for (size_t i = 0; i < sizeof files / sizeof *files && e->code == TB_OK; i++)
        if (linkat(dir_fd, files[i], aside_fd, files[i], 0) != 0 && errno != ENOENT)
            fail(e, r->dir, "setting the journal aside");
    if (e->code == TB_OK && (fsync(aside_fd) != 0 || fsync(dir_fd) != 0))
        fail(e, r->dir, "sync");
    close(aside_fd);
    return e->code;
}

static enum tb_code
put_in_place(struct store_restore *r, int dir_fd, struct tb_err *e)
{
    for (size_t i = 1; i < sizeof files / sizeof *files; i++)
        if (unlinkat(dir_fd, files[i], 0) != 0 && errno != ENOENT)
            return fail(e, r->dir, files[i]);
    if (fsync(dir_fd) != 0 || renameat(dir_fd, NEW_NAME "/tombolo.db", dir_fd, "tombolo.db") != 0 || fsync(dir_fd) != 0)
        return fail(e, r->dir, "putting the backup in its place");
    return TB_OK;
}

/* A WAL alone may hold all of it. */
static bool
has_journal(int dir_fd)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (faccessat(dir_fd, files[i], F_OK, 0) == 0)
            return true;
    return false;
}

static enum tb_code
restore(struct store_restore *r, int dir_fd, struct tb_err *e)
{
    struct tb_buf folder = TB_BUF_INIT;
    bool          is_taken = has_journal(dir_fd);

    if (is_taken && !r->may_replace)
        return tb_fail(e, TB_ETAKEN, NULL, "the folder %s has a journal", r->dir);
    tb_buf_printf(&folder, "%s/" NEW_NAME, r->dir);
    if (take_in(r, folder.p, e) == TB_OK && judge(r, folder.p, e) == TB_OK &&
        (!is_taken || set_aside(r, dir_fd, e) == TB_OK))
        TB_TRY(put_in_place(r, dir_fd, e));
    store_folder_discard(folder.p);
    tb_buf_fini(&folder);
    return e->code;
}

enum tb_code
store_restore(struct store_restore *r, struct tb_err *e)
{
    int lock_fd = -1;

    *e = (struct tb_err){ 0 };
    if (store_folder_take(r->dir, &lock_fd, e) != TB_OK)
        return e->code;
    int dir_fd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        fail(e, r->dir, "open");
    else
        TB_TRY(restore(r, dir_fd, e));
    if (dir_fd >= 0)
        close(dir_fd);
    close(lock_fd);
    return e->code;
}
