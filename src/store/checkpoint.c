/* A failed sync of the database file ends the process: the kernel has dropped the pages that it covered, SQLite counts their
 * frames as done, the next sync says yes, and once the WAL begins anew they are nowhere. After a restart SQLite copies
 * the whole WAL again.
 * The thread's PASSIVE checkpoints never block the writer. While the writer goes on they stay incomplete, and SQLite syncs
 * the database file only at the end of a complete one: so each is followed by a sync of our own, through this connection's
 * own handle, and the complete one that the writer makes above its limit finds few dirty pages left. Without the writer's,
 * the WAL grew by 1.5 GB in 8 s; without the thread, p99 of a commit was 25-60 ms. */
#include "checkpoint.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/slow.h"
#include "base/thread.h"
#include "db.h"
#include "queries.h"

#include <pthread.h>
#include <stdlib.h>

enum { BY_THREAD, BY_WRITER };
static const char *const bys[] = { [BY_THREAD] = "checkpointer", [BY_WRITER] = "writer" };
static const uint64_t    edges[] = { TB_LATENCY_EDGES };
TB_HISTOGRAM_BY(durations, TB_UNIT_US, edges, "tombolo_journal_checkpoint_duration_seconds", "by", bys,
                "Checkpoints of the WAL with the sync of the database; those of the writer hold up commits.");

struct checkpointer {
    /* fixed before the thread starts */ struct tb_thread thread;
    /* checkpointer only */              struct db db;
    /* under lock */
    pthread_mutex_t lock;
    pthread_cond_t  changed;
    bool            is_wanted, is_closing;
};

static void
judge(int rc)
{
    if (rc == SQLITE_IOERR_FSYNC) {
        log_error("store.cannot_sync", "why=\"the database file could not be synced: only a restart saves what is in the WAL\"");
        abort();
    }
    if (rc != SQLITE_OK && rc != SQLITE_BUSY)
        log_warn("store.checkpoint_failed", "sqlite=%d", rc);
}

static void
sync_database_file(struct checkpointer *c)
{
    sqlite3_file *file = NULL;

    if (sqlite3_file_control(c->db.sql, "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK && file != NULL &&
        file->pMethods != NULL)
        judge(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY));
}

static int
move_frames(struct db *d)
{
    int n_frames = 0, n_done = 0;

    judge(sqlite3_wal_checkpoint_v2(d->sql, NULL, SQLITE_CHECKPOINT_PASSIVE, &n_frames, &n_done));
    log_debug("store.checkpoint", "frames=%d done=%d", n_frames, n_done);
    return n_done;
}

static void
note(size_t by, int64_t begun_us)
{
    int64_t took_us = tb_mono_us(&tb_clock_system) - begun_us;

    tb_observe(&durations, by, (uint64_t)took_us);
    if (slow_is(took_us))
        slow_log(SLOW_CHECKPOINT, took_us, "by=%s", bys[by]);
}

void
checkpoint_by_writer(struct db *d)
{
    int64_t begun_us = tb_mono_us(&tb_clock_system);

    (void)move_frames(d);
    note(BY_WRITER, begun_us);
}

static void
checkpoint(struct checkpointer *c)
{
    int64_t begun_us = tb_mono_us(&tb_clock_system);

    if (move_frames(&c->db) > 0)
        sync_database_file(c);
    note(BY_THREAD, begun_us);
}

static void
run(void *ctx)
{
    struct checkpointer *c = ctx;

    pthread_mutex_lock(&c->lock);
    while (!c->is_closing) {
        if (!c->is_wanted) {
            pthread_cond_wait(&c->changed, &c->lock);
            continue;
        }
        c->is_wanted = false;
        pthread_mutex_unlock(&c->lock);
        checkpoint(c);
        pthread_mutex_lock(&c->lock);
    }
    pthread_mutex_unlock(&c->lock);
}

enum tb_code
checkpointer_open(struct checkpointer **out, const char *path, const char *vfs, struct tb_err *e)
{
    struct checkpointer *c = TB_NEW(struct checkpointer);

    if (db_open(&c->db, path, vfs, DB_READ_WRITE, store_query_texts, Q_COUNT, e) != TB_OK) {
        tb_free(c);
        return tb_wrap(e, "checkpointer");
    }
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    tb_thread_start(&c->thread, TB_CHECKPOINTER, run, c);
    *out = c;
    return TB_OK;
}

void
checkpointer_close(struct checkpointer **cp)
{
    struct checkpointer *c = *cp;

    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    c->is_closing = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    tb_thread_join(&c->thread);
    db_close(&c->db);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    tb_free(c);
    *cp = NULL;
}

void
checkpointer_wake(struct checkpointer *c)
{
    pthread_mutex_lock(&c->lock);
    c->is_wanted = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}
