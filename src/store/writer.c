/* One transaction for the whole batch. Nobody hears "saved" before the disk has said so, and a change that fails alone is
 * undone alone: its neighbours must not pay for it. After a failed COMMIT everything in the batch has failed, and self in
 * memory is what it was before. */
#include "writer.h"

#include "answers.h"
#include "backup.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/slow.h"
#include "base/thread.h"
#include "meeting.h"
#include "prune.h"
#include "queries.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
    FULL_RETRY_MS = 1000,       /* how often a full disk is looked at again while nothing comes in */
    SPACE_IDLE_MS = 10000,      /* how often at least the free space is asked for, for who watches it: others fill disks as well */
    WAL_FRAME_BYTES = 4096 + 24,
    FULL_RETRY_AFTER_S = 30,    /* what a person is told to wait when the disk is full */
    KEYS_PRUNED_AT_ONCE = 500,
};

static const uint64_t batch_edges[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256 }, time_edges[] = { TB_LATENCY_EDGES };
TB_HISTOGRAM(batches, TB_UNIT_ONE, batch_edges, "tombolo_journal_batch_changes", "Changes asked for that shared a transaction.");
TB_HISTOGRAM(transactions, TB_UNIT_US, time_edges, "tombolo_journal_transaction_duration_seconds",
             "Transactions of the writer, from their begin to the end of their commit.");
TB_HISTOGRAM(commits, TB_UNIT_US, time_edges, "tombolo_journal_commit_duration_seconds",
             "COMMIT alone, with the sync of the disk.");
TB_COUNTER(repeated, "tombolo_journal_batches_repeated_total", "Transactions that were run again, each change guarded by itself.");
TB_COUNTER(commits_failed, "tombolo_journal_commit_failures_total", "Transactions that could not be committed.");

static const char *const limits_hit[] = { "journal.reserve_mb" };
TB_LIMIT_HITS(hits, limits_hit);

struct writer {
    /* fixed before the thread starts */
    const struct store_settings *settings;
    struct checkpointer         *checkpointer;
    struct tb_mailbox           *inbox;
    struct tb_thread             thread;
    /* writer only */
    struct journal journal;
    struct pruner  pruner;
    int            wal_frames_seen;     /* when the checkpointer was last woken */
    int            wal_frames;          /* in the WAL now */
    int64_t        commit_us;           /* of the last COMMIT */
    int64_t        oldest_key_day;      /* 0: no key is known to be due */
    int            backup_wait_ms;      /* after how long the backup wants to go on; -1: there is none */
    /* any thread */
    struct store_facts *facts;
    struct journal_id  *id;
    pthread_mutex_t     lock;           /* of the listeners below */
    void              (*wake)(void *ctx);
    void               *wake_ctx;
    struct tb_mailbox  *feed_to;
    void              (*on_batch)(void *ctx, struct store_batch *);
    void               *feed_ctx;
};

/* ---- the disk ---- */

static void
measure(struct writer *w)
{
    struct statvfs fs;
    struct stat    file;
    char           path[PATH_MAX];

    if (statvfs(w->settings->dir, &fs) == 0)
        w->facts->free_bytes = (int64_t)(fs.f_bavail * fs.f_frsize);
    snprintf(path, sizeof path, "%s/tombolo.db", w->settings->dir);
    if (stat(path, &file) == 0)
        w->facts->size_bytes = file.st_size;
    w->facts->wal_bytes = (int64_t)w->wal_frames * WAL_FRAME_BYTES;
}

/* Before each batch, for a fast disk takes megabytes in a tenth of a second: two system calls of a microsecond beside an fsync. */
static void
look_at_free_space(struct writer *w)
{
    bool was_full = w->facts->is_full, is_full;

    measure(w);
    is_full = (uint64_t)w->facts->free_bytes < w->settings->reserve_bytes;
    w->facts->is_full = is_full;
    if (is_full && !was_full)
        log_error("store.full", "reserve_bytes=%" PRIu64, w->settings->reserve_bytes);
    else if (was_full && !is_full)
        log_info("store.has_room_again", "reserve_bytes=%" PRIu64, w->settings->reserve_bytes);
}

/* What may be written into the reserve: what makes room again or costs none. */
static bool
may_use_reserve(const struct store_op *op)
{
    return op->what == WHAT_mark_pushed || op->what == WHAT_end_backup;
}

static int
note_wal_size(void *ctx, sqlite3 *sql, const char *name, int n_frames)
{
    struct writer *w = ctx;
    (void)sql, (void)name;
    w->wal_frames = n_frames;
    return SQLITE_OK;
}

static void
checkpoint_if_due(struct writer *w)
{
    if (w->wal_frames < w->wal_frames_seen)
        w->wal_frames_seen = 0;     /* the WAL has begun anew */
    if (w->wal_frames - w->wal_frames_seen >= CHECKPOINT_FRAMES) {
        w->wal_frames_seen = w->wal_frames;
        checkpointer_wake(w->checkpointer);
    }
    if (w->wal_frames >= CHECKPOINT_FRAMES_WRITER)
        checkpoint_by_writer(&w->journal.db);
}

/* ---- one batch ---- */

static enum tb_code
run_sql(struct writer *w, int query, struct tb_err *e)
{
    return db_run(&w->journal.db, query, NO_ARGS, e);
}

static void
rollback_or_die(struct writer *w)
{
    struct tb_err e = { 0 };
    if (!db_in_transaction(&w->journal.db) || run_sql(w, Q_ROLLBACK, &e) == TB_OK)
        return;
    log_error("store.cannot_roll_back", "why=\"%s\"", e.why);
    abort();    /* what is in the transaction is unknown: a restart reads the truth from the disk */
}

static void
refuse_full(struct store_op *op)
{
    tb_count(&hits, 0);
    tb_fail(&op->err, TB_EFULL, NULL, "less than the reserve is free");
    op->err.retry_after_s = FULL_RETRY_AFTER_S;
}

/* Changes of sync are what the others wait for. */
static bool
is_of_sync(const struct store_op *op)
{
    return op->what == WHAT_mark_pushed || op->what == WHAT_add_remote || op->what == WHAT_take_rows ||
           op->what == WHAT_restore_own || op->what == WHAT_set_node || op->what == WHAT_set_epoch ||
           op->what == WHAT_set_parked;
}

/* Into self and the batch of events what they were before an op. */
static void
forget_effects(struct writer *w, const struct self *before, size_t n_events)
{
    w->journal.self = *before;
    if (w->journal.batch != NULL)
        w->journal.batch->n = n_events;
}

static bool
is_refused(struct writer *w, struct store_op *op)
{
    if (w->facts->is_full && !may_use_reserve(op))
        refuse_full(op);
    else if (is_of_sync(op) || !meeting_refuses(w->facts, w->settings, &w->journal, op))
        TB_TRY(account_check(&w->journal.db, &op->who, &op->err));
    return op->err.code != TB_OK;
}

static void
run_in_savepoint(struct writer *w, struct store_op *op)
{
    struct tb_err e = { 0 };
    struct self   before = w->journal.self;
    size_t        n_events = w->journal.batch != NULL ? w->journal.batch->n : 0;

    log_about(op->about);
    if (is_refused(w, op) || run_sql(w, Q_SAVE, &op->err) != TB_OK)
        return;
    if (change_run(&w->journal, w->settings, op) == TB_OK && run_sql(w, Q_RELEASE, &op->err) == TB_OK)
        return;
    forget_effects(w, &before, n_events);
    /* A full disk can make SQLite roll everything back by itself; then there is nothing to undo and no batch left. */
    if (db_in_transaction(&w->journal.db) &&
        (run_sql(w, Q_UNDO, &e) != TB_OK || run_sql(w, Q_RELEASE, &e) != TB_OK))
        rollback_or_die(w);
}

/* false: it has failed after it had written something, which cannot be undone alone. If SQLite rolled everything back by itself,
 * there is nothing left to undo. */
static bool
run_unguarded(struct writer *w, struct store_op *op)
{
    struct self before = w->journal.self;
    size_t      n_events = w->journal.batch != NULL ? w->journal.batch->n : 0;
    int64_t     n_written = sqlite3_total_changes64(w->journal.db.sql);

    log_about(op->about);
    if (is_refused(w, op) || change_run(&w->journal, w->settings, op) == TB_OK)
        return true;
    forget_effects(w, &before, n_events);
    return sqlite3_total_changes64(w->journal.db.sql) == n_written || !db_in_transaction(&w->journal.db);
}

/* Each op in a savepoint, so that one that fails does not take its neighbours with it. */
static void
run_guarded_all(struct writer *w, struct tb_msg_list *batch)
{
    for (struct tb_msg *m = batch->first; m != NULL && db_in_transaction(&w->journal.db); m = m->next)
        run_in_savepoint(w, TB_CONTAINER(m, struct store_op, msg));
}

/* A savepoint keeps a copy of each page that is touched, a tenth of all the work; and an op that fails has nearly always been
 * refused before it wrote anything. So the batch is run without; when one needs to be undone after all, everything is, and runs
 * again with savepoints. false: nothing has happened yet. */
static bool
run_unguarded_all(struct writer *w, struct tb_msg_list *batch, const struct self *before, struct tb_err *e)
{
    for (struct tb_msg *m = batch->first; m != NULL; m = m->next)
        if (is_of_sync(TB_CONTAINER(m, struct store_op, msg)))
            return false;               /* it changes more than rows and self */
    for (struct tb_msg *m = batch->first; m != NULL && db_in_transaction(&w->journal.db); m = m->next) {
        if (run_unguarded(w, TB_CONTAINER(m, struct store_op, msg)))
            continue;
        rollback_or_die(w);
        forget_effects(w, before, 0);
        for (m = batch->first; m != NULL; m = m->next)
            TB_CONTAINER(m, struct store_op, msg)->err = (struct tb_err){ 0 };
        tb_count(&repeated, 0);
        (void)run_sql(w, Q_BEGIN, e);
        return false;
    }
    return true;
}

static void
fail_the_rest(struct tb_msg_list *batch, const struct tb_err *why)
{
    for (struct tb_msg *m = batch->first; m != NULL; m = m->next) {
        struct store_op *op = TB_CONTAINER(m, struct store_op, msg);
        if (op->err.code == TB_OK)
            op->err = *why;
        if (op->err.code == TB_EFULL && op->err.retry_after_s == 0)
            op->err.retry_after_s = FULL_RETRY_AFTER_S;
    }
}

/* A transaction is about all its changes; one of them leads to who waited. */
static tb_str
about_first(const struct tb_msg_list *batch)
{
    return TB_CONTAINER(batch->first, struct store_op, msg)->about;
}

static uint64_t
since(const struct writer *w, int64_t begun_us)
{
    return (uint64_t)(tb_mono_us(w->settings->clock) - begun_us);
}

/* COMMIT, and self's row with it when there was something to write. */
static enum tb_code
commit(struct writer *w, const struct self *before, struct tb_err *e)
{
    if (!db_in_transaction(&w->journal.db))
        return tb_fail(e, TB_EIO, NULL, "sqlite rolled the batch back by itself");
    if (w->journal.self.head_pos != before->head_pos && journal_save_self(&w->journal, e) != TB_OK)
        return e->code;
    if (w->journal.self.head_pos != before->head_pos && prune_note(&w->pruner, &w->journal, before->head_pos, e) != TB_OK)
        return e->code;
    int64_t      begun_us = tb_mono_us(w->settings->clock);
    enum tb_code code = run_sql(w, Q_COMMIT, e);
    w->commit_us = (int64_t)since(w, begun_us);
    tb_observe(&commits, 0, (uint64_t)w->commit_us);
    return code;
}

static void
commit_batch(struct writer *w, struct tb_msg_list *batch, size_t n)
{
    struct tb_err e = { 0 };
    struct self   before = w->journal.self;

    if (run_sql(w, Q_BEGIN, &e) == TB_OK) {
        if (!run_unguarded_all(w, batch, &before, &e) && e.code == TB_OK)
            run_guarded_all(w, batch);
        log_about(TB_STR_NULL);         /* from here on it is about all of them */
        TB_TRY(commit(w, &before, &e));
    }
    if (e.code != TB_OK) {
        tb_count(&commits_failed, 0);
        rollback_or_die(w);
        prune_unnote(&w->pruner);
        w->journal.self = before;
        log_about(about_first(batch));
        log_error("store.commit_failed", "changes=%zu why=\"%s\"", n, e.why);
        log_about(TB_STR_NULL);
        fail_the_rest(batch, &e);
    }
    w->facts->is_writable = e.code == TB_OK;
}

static void
publish(struct writer *w, int64_t seq_before)
{
    const struct self *s = &w->journal.self;

    w->facts->head_pos = s->head_pos;
    w->facts->own_seq = s->seq;
    w->facts->pushed_seq = s->pushed_seq;
    w->facts->node = s->node;
    w->facts->n_ops += (uint64_t)(s->seq - seq_before);
    w->facts->n_commits++;
    w->facts->n_emails_parked = w->journal.n_emails_parked;
    w->facts->n_clock_doubts = w->journal.n_clock_doubts;
    w->facts->n_refused = w->journal.n_refused;
    meeting_note(w->facts, w->settings, s, seq_before);
    if (s->seq == seq_before)
        return;
    pthread_mutex_lock(&w->lock);
    if (w->wake != NULL)
        w->wake(w->wake_ctx);
    pthread_mutex_unlock(&w->lock);
}

/* ---- the feed ---- */

static void
begin_feed_batch(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    bool has_feed = w->feed_to != NULL;
    pthread_mutex_unlock(&w->lock);
    if (has_feed && w->journal.batch == NULL)
        w->journal.batch = TB_NEW(struct store_batch);
    if (w->journal.batch != NULL)
        w->journal.batch->from = w->journal.self.head_pos;
}

static void
run_feed_batch(struct tb_msg *m)
{
    struct store_batch *b = TB_CONTAINER(m, struct store_batch, msg);
    b->on_batch(b->ctx, b);
}

/* The batch leaves if there was something to tell; else it is kept for the next transaction. */
static void
post_feed_batch(struct writer *w)
{
    struct store_batch *b = w->journal.batch;

    if (b == NULL || b->from == w->journal.self.head_pos) {
        if (b != NULL)
            b->n = 0;           /* after a failed commit */
        return;
    }
    b->to = w->journal.self.head_pos;
    offset_write(b->offset, b->to, w->journal.self.head_chain.bytes);
    b->msg.run = run_feed_batch;
    pthread_mutex_lock(&w->lock);
    b->on_batch = w->on_batch;
    b->ctx = w->feed_ctx;
    tb_mailbox_post_always(w->feed_to, &b->msg);
    pthread_mutex_unlock(&w->lock);
    w->journal.batch = NULL;
    w->journal.events_cap = 0;
}

/* ---- idempotency keys past their days ---- */

static void
prune_keys(struct writer *w)
{
    struct tb_err e = { 0 };
    int64_t       last = send_key_day(tb_wall_ms(w->settings->clock)) - w->settings->key_keep_days - 1;
    bool          found;

    if (w->oldest_key_day != 0 && w->oldest_key_day >= last)
        return;
    if (db_run(&w->journal.db, Q_PRUNE_KEYS, ARGS(I(last), I(KEYS_PRUNED_AT_ONCE)), &e) != TB_OK ||
        db_int(&w->journal.db, Q_OLDEST_KEY, NO_ARGS, &w->oldest_key_day, &found, &e) != TB_OK)
        log_warn("store.prune_failed", "what=keys why=\"%s\"", e.why);
    if (w->oldest_key_day == 0)
        w->oldest_key_day = last + w->settings->key_keep_days;      /* none: look again when today's are due */
}

/* ---- the thread ---- */

static void
say_slow(const struct writer *w, const struct tb_msg_list *batch, size_t n, int64_t took_us)
{
    log_about(about_first(batch));
    slow_log(SLOW_COMMIT, took_us, "changes=%zu commit_ms=%" PRId64 " wal_frames=%d", n, w->commit_us / 1000, w->wal_frames);
    log_about(TB_STR_NULL);
}

static void
work(struct writer *w, struct tb_msg_list *batch, size_t n)
{
    int64_t seq = w->journal.self.seq, begun_us = tb_mono_us(w->settings->clock);

    begin_feed_batch(w);
    commit_batch(w, batch, n);
    uint64_t took_us = since(w, begun_us);
    tb_observe(&transactions, 0, took_us);
    tb_observe(&batches, 0, n);
    if (slow_is((int64_t)took_us))
        say_slow(w, batch, n, (int64_t)took_us);
    publish(w, seq);
    journal_id_note(w->id, w->journal.self.head_pos);
    post_feed_batch(w);
    answers_post(batch);
}

/* Also when the disk is full: it needs little and gives back more. */
static void
tidy(struct writer *w)
{
    checkpoint_if_due(w);
    prune_keys(w);
    w->facts->is_pruning = prune_step(&w->pruner, &w->journal, w->settings);
    rollback_or_die(w);
    w->backup_wait_ms = backup_step(w->journal.backup, &w->journal, w->facts->is_full);
}

static int
wait_ms(const struct writer *w)
{
    int ms = prune_wait_ms(&w->pruner, &w->journal, w->settings), most = w->facts->is_full ? FULL_RETRY_MS : SPACE_IDLE_MS;

    if (w->backup_wait_ms >= 0 && w->backup_wait_ms < most)
        most = w->backup_wait_ms;
    return ms < 0 || ms > most ? most : ms;
}

static void
run(void *ctx)
{
    struct writer *w = ctx;

    for (;;) {
        struct tb_msg_list batch = { 0 };
        size_t             n = tb_mailbox_wait(w->inbox, &batch, w->settings->batch, wait_ms(w));

        look_at_free_space(w);
        if (n > 0)
            work(w, &batch, n);
        else if (tb_mailbox_is_closed(w->inbox))
            return;
        tidy(w);
    }
}

struct writer *
writer_open(struct journal *loaded, const struct store_settings *settings, struct store_facts *facts,
            struct checkpointer *checkpointer, struct journal_id *id)
{
    struct writer *w = TB_NEW(struct writer);

    assert(settings->batch >= 1);
    w->settings = settings;
    w->facts = facts;
    w->checkpointer = checkpointer;
    w->id = id;
    w->journal = *loaded;
    w->backup_wait_ms = -1;
    w->journal.backup = backup_new(settings->dir, settings->reserve_bytes);
    *loaded = (struct journal){ 0 };
    w->inbox = tb_mailbox_new(settings->queue, NULL, NULL);
    pthread_mutex_init(&w->lock, NULL);
    sqlite3_wal_hook(w->journal.db.sql, note_wal_size, w);
    facts->is_writable = true;
    facts->free_bytes = INT64_MAX;      /* until the system says so */
    facts->node = w->journal.self.node;
    facts->head_pos = w->journal.self.head_pos;
    facts->own_seq = w->journal.self.seq;
    facts->pushed_seq = w->journal.self.pushed_seq;
    meeting_begin(facts, settings, &w->journal.self);
    look_at_free_space(w);
    tb_thread_start(&w->thread, TB_WRITER, run, w);
    return w;
}

void
writer_close(struct writer **wp)
{
    struct writer *w = *wp;

    if (w == NULL)
        return;
    tb_mailbox_close(w->inbox);
    tb_thread_join(&w->thread);
    backup_free(&w->journal.backup);
    db_close(&w->journal.db);       /* the last connection to close checkpoints and removes the WAL */
    tb_buf_fini(&w->journal.body);
    store_batch_free(&w->journal.batch);
    tb_mailbox_free(&w->inbox);
    pthread_mutex_destroy(&w->lock);
    tb_free(w);
    *wp = NULL;
}

struct backup *
writer_backup(struct writer *w)
{
    return w->journal.backup;
}

struct tb_mailbox *
writer_inbox(struct writer *w)
{
    return w->inbox;
}

void
store_batch_free(struct store_batch **b)
{
    if (*b == NULL)
        return;
    tb_arena_fini(&(*b)->mem);
    tb_free(*b);
    *b = NULL;
}

void
writer_feed(struct writer *w, struct tb_mailbox *to, void (*on_batch)(void *ctx, struct store_batch *), void *ctx)
{
    pthread_mutex_lock(&w->lock);
    w->feed_to = to;
    w->on_batch = on_batch;
    w->feed_ctx = ctx;
    pthread_mutex_unlock(&w->lock);
}

void
writer_on_commit(struct writer *w, void (*wake)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&w->lock);
    w->wake = wake;
    w->wake_ctx = ctx;
    pthread_mutex_unlock(&w->lock);
}
