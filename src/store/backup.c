/* The copy's file is opened without a journal and without syncs: until it is whole it is worth nothing, and whoever takes it
 * syncs it. Its cache is small, so that its pages leave as they come and none of them pile up for the last step. */
#include "backup.h"

#include "base/log.h"
#include "folder.h"
#include "queries.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    PAGES_A_STEP = 64,          /* 256 KB: a commit behind it waits for less than a millisecond */
    PAUSE_MS = 4,               /* between steps, at least: 64 MB/s, so that the disk is there for commits as well; */
    PAUSE_PER_STEP = 9,         /* and that many times what the step took, should the disk be slow */
    PAGES_PER_NEW = 2,          /* while the journal grows by more than a step, twice that much, so that an end comes */
    ALONE_MS = 60000,           /* when nobody has asked for so long how far it is, nobody will take it */
};

struct backup {
    /* fixed */
    const char   *dir;
    uint64_t      reserve_bytes;
    struct tb_buf folder;           /* dir/STORE_BACKUP_DIR */
    /* writer only */
    struct db       copy;
    sqlite3_backup *under_way;      /* NULL: none is */
    int64_t         not_before_ms;  /* monotonic: when the next step may be */
    int             pages;          /* of the journal, at the last step; 0: there was none */
    int             n_new;          /* how many more they were than at the one before */
    /* under lock */
    pthread_mutex_t     lock;
    struct store_backup now;
    int64_t             asked_ms;   /* monotonic: when somebody last looked */
};

static const char copy_pragmas[] = "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-1024;"
                                   "PRAGMA locking_mode=EXCLUSIVE;";

static int64_t
now_ms(void)
{
    return tb_mono_ms(&tb_clock_system);    /* a person waits, whatever time the journal keeps */
}

static void
tell(struct backup *b, const struct store_backup *now)
{
    pthread_mutex_lock(&b->lock);
    b->now = *now;
    pthread_mutex_unlock(&b->lock);
}

/* ---- beginning ---- */

static uint64_t
size_of(const char *dir, const char *name)
{
    struct tb_buf path = TB_BUF_INIT;
    struct stat   st;

    tb_buf_printf(&path, "%s/%s", dir, name);
    uint64_t n = stat(path.p, &st) == 0 ? (uint64_t)st.st_size : 0;
    tb_buf_fini(&path);
    return n;
}

/* What is in the WAL may be new or not: counted as new. */
static enum tb_code
check_room(const struct backup *b, struct tb_err *e)
{
    uint64_t       needs = size_of(b->dir, "tombolo.db") + size_of(b->dir, "tombolo.db-wal") + b->reserve_bytes;
    struct statvfs fs;

    if (statvfs(b->dir, &fs) != 0)
        return tb_fail(e, TB_EIO, NULL, "%s: %s", b->dir, strerror(errno));
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (free_bytes < needs)
        return tb_fail(e, TB_EFULL, NULL, "the disk of %s has %" PRIu64 " bytes free, a copy there needs %" PRIu64
                       ", with journal.reserve_mb", b->dir, free_bytes, needs);
    return TB_OK;
}

static enum tb_code
make_file(const struct backup *b, struct tb_buf *path, struct tb_err *e)
{
    store_folder_discard(b->folder.p);
    if (mkdir(b->folder.p, 0700) != 0)
        return tb_fail(e, TB_EIO, NULL, "%s: %s", b->folder.p, strerror(errno));
    tb_buf_printf(path, "%s/tombolo.db", b->folder.p);
    int fd = open(path->p, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return tb_fail(e, TB_EIO, NULL, "%s: %s", path->p, strerror(errno));
    close(fd);
    return TB_OK;
}

static enum tb_code
open_copy(struct backup *b, const struct journal *j, struct tb_err *e)
{
    struct tb_buf path = TB_BUF_INIT;

    if (make_file(b, &path, e) == TB_OK && db_open_plain(&b->copy, path.p, copy_pragmas, e) == TB_OK) {
        b->under_way = sqlite3_backup_init(b->copy.sql, "main", j->db.sql, "main");
        if (b->under_way == NULL)
            db_fail(&b->copy, e, "backup");
    }
    tb_buf_fini(&path);
    return e->code;
}

static void
let_go(struct backup *b)
{
    sqlite3_backup_finish(b->under_way);        /* accepts NULL */
    b->under_way = NULL;
    db_close(&b->copy);
}

enum tb_code
backup_begin(struct backup *b, struct journal *j, struct tb_err *e)
{
    if (b->under_way != NULL)
        return tb_fail(e, TB_EBUSY, NULL, "a backup is under way already");
    if (check_room(b, e) != TB_OK || open_copy(b, j, e) != TB_OK) {
        let_go(b);
        store_folder_discard(b->folder.p);
        return tb_wrap(e, "backup");
    }
    b->not_before_ms = 0;
    b->pages = b->n_new = 0;
    tell(b, &(struct store_backup){ .state = STORE_BACKUP_RUNNING });
    pthread_mutex_lock(&b->lock);
    b->asked_ms = now_ms();
    pthread_mutex_unlock(&b->lock);
    log_info("store.backup_began", "at=%" PRId64, j->self.head_pos);
    return TB_OK;
}

/* ---- going on ---- */

static void
give_up(struct backup *b, const char *why)
{
    struct store_backup failed = { .state = STORE_BACKUP_FAILED };

    let_go(b);
    store_folder_discard(b->folder.p);
    snprintf(failed.why, sizeof failed.why, "%s", why);
    tell(b, &failed);
    log_warn("store.backup_failed", "why=\"%s\"", why);
}

static void
finish(struct backup *b, const struct journal *j, struct store_backup *now)
{
    struct tb_err e = { 0 };
    bool          is_well = sqlite3_backup_finish(b->under_way) == SQLITE_OK;

    b->under_way = NULL;
    if (!is_well) {
        db_fail(&b->copy, &e, "backup");
        give_up(b, e.why);
        return;
    }
    db_close(&b->copy);
    now->state = STORE_BACKUP_DONE;
    now->pos = j->self.head_pos;
    now->seq = j->self.seq;
    tell(b, now);
    log_info("store.backup_made", "at=%" PRId64 " pages=%" PRId64, now->pos, now->pages);
}

static bool
is_left_alone(struct backup *b)
{
    pthread_mutex_lock(&b->lock);
    bool is_alone = now_ms() - b->asked_ms > ALONE_MS;
    pthread_mutex_unlock(&b->lock);
    return is_alone;
}

static void
copy_some(struct backup *b, const struct journal *j)
{
    struct tb_err       e = { 0 };
    int                 rc = sqlite3_backup_step(b->under_way, PAGES_A_STEP + PAGES_PER_NEW * b->n_new);
    int                 pages = sqlite3_backup_pagecount(b->under_way), left = sqlite3_backup_remaining(b->under_way);
    b->n_new = b->pages > 0 && pages > b->pages ? pages - b->pages : 0;
    b->pages = pages;
    struct store_backup now = { .state = STORE_BACKUP_RUNNING, .pages = pages, .pages_done = pages - left };
    if (rc == SQLITE_DONE) {
        finish(b, j, &now);
    } else if (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED) {
        tell(b, &now);
    } else {
        db_fail(&b->copy, &e, "backup");
        give_up(b, e.why);
    }
}

int
backup_step(struct backup *b, const struct journal *j, bool is_full)
{
    int64_t began = now_ms();

    if (b->under_way == NULL)
        return -1;
    if (is_full || is_left_alone(b)) {
        give_up(b, is_full ? "the disk has become full" : "nobody has asked for it any more");
        return -1;
    }
    if (began >= b->not_before_ms) {
        copy_some(b, j);
        int64_t now = now_ms(), pause = (now - began) * PAUSE_PER_STEP;
        b->not_before_ms = b->n_new > PAGES_A_STEP ? now : now + (pause > PAUSE_MS ? pause : PAUSE_MS);
    }
    if (b->under_way == NULL)
        return -1;
    int64_t left = b->not_before_ms - now_ms();
    return left > 0 ? (int)left : 0;
}

void
backup_end(struct backup *b)
{
    bool was_under_way = b->under_way != NULL;

    let_go(b);
    store_folder_discard(b->folder.p);
    tell(b, &(struct store_backup){ .state = STORE_BACKUP_NONE });
    if (was_under_way)
        log_info("store.backup_ended", "why=\"it was told to\"");
}

/* ---- from elsewhere ---- */

void
backup_look(struct backup *b, struct store_backup *out)
{
    pthread_mutex_lock(&b->lock);
    *out = b->now;
    b->asked_ms = now_ms();
    pthread_mutex_unlock(&b->lock);
}

struct backup *
backup_new(const char *dir, uint64_t reserve_bytes)
{
    struct backup *b = TB_NEW(struct backup);

    b->dir = dir;
    b->reserve_bytes = reserve_bytes;
    tb_buf_printf(&b->folder, "%s/" STORE_BACKUP_DIR, dir);
    pthread_mutex_init(&b->lock, NULL);
    store_folder_discard(b->folder.p);
    return b;
}

void
backup_free(struct backup **bp)
{
    struct backup *b = *bp;

    if (b == NULL)
        return;
    if (b->under_way != NULL)
        backup_end(b);
    pthread_mutex_destroy(&b->lock);
    tb_buf_fini(&b->folder);
    tb_free(b);
    *bp = NULL;
}
