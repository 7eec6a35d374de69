/* Opening and closing the store, and posting requests to its threads. Order of opening: the folder's lock, writer's
 * connection and migration, then the others. */
#include "store.h"

#include "answers.h"
#include "backup.h"
#include "base/log.h"
#include "base/metrics.h"
#include "folder.h"
#include "journal_id.h"
#include "meeting.h"
#include "migrate.h"
#include "queries.h"
#include "reader.h"
#include "writer.h"

#include <assert.h>
#include <string.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

enum { BUSY_RETRY_AFTER_S = 1 };

enum { HIT_QUEUE, HIT_READER_QUEUE };
static const char *const limits_hit[] = { [HIT_QUEUE] = "journal.queue", [HIT_READER_QUEUE] = "journal.reader_queue" };
TB_LIMIT_HITS(hits, limits_hit);

struct store {
    /* fixed once open */
    struct store_settings settings;
    char                 *dir, *path;
    int                   lock_fd;
    struct journal_id     id;
    char                  uuid[UUID_SIZE], centre_uuid[UUID_SIZE];
    int64_t               reissued_at, lost_from, lost_upto;
    struct checkpointer  *checkpointer;
    struct writer        *writer;
    struct reader        *readers[LANE_COUNT];
    /* any thread */
    struct store_facts facts;
};

static const enum store_lane lanes[WHAT_COUNT] = {
#define X(name, lane) [WHAT_##name] = lane,
    STORE_QUERIES_BY_LANE(X)
#undef X
};

const char *const store_what_names[WHAT_COUNT] = {
#define X(name) [WHAT_##name] = #name,
    STORE_CHANGES(X)
#undef X
#define X(name, lane) [WHAT_##name] = #name,
    STORE_QUERIES_BY_LANE(X)
#undef X
};

/* ---- opening ---- */

/* Before the first write: opening another program's database for writing would change it already. */
static enum tb_code
look_first(const struct store *s, struct tb_err *e)
{
    struct db d = { 0 };

    if (journal_id_check_files(s->dir, e) != TB_OK || access(s->path, F_OK) != 0)
        return e->code;
    if (db_open(&d, s->path, NULL, DB_READ_ONLY, store_query_texts, Q_COUNT, e) == TB_OK &&
        store_schema_refuse_others(&d, e) == TB_OK)
        TB_TRY(journal_id_check_tables(s->dir, &d, e));
    db_close(&d);
    return e->code;
}

static enum tb_code
open_journal(struct store *s, struct journal *j, struct tb_err *e)
{
    bool is_in_folder = s->settings.vfs == NULL;

    *j = (struct journal){ .clock = s->settings.clock };
    if (is_in_folder && look_first(s, e) != TB_OK)
        return e->code;
    if (db_open(&j->db, s->path, s->settings.vfs, DB_READ_WRITE, store_query_texts, Q_COUNT, e) != TB_OK)
        return e->code;
    if (store_migrate(&j->db, store_migrations, e) == TB_OK)
        TB_TRY(journal_load(j, s->settings.node, e));
    if (e->code == TB_OK && is_in_folder)
        TB_TRY(journal_id_open(&s->id, s->dir, &j->self, e));
    if (e->code != TB_OK)
        db_close(&j->db);
    return e->code;
}

static enum tb_code
open_threads(struct store *s, struct journal *j, struct tb_err *e)
{
    if (checkpointer_open(&s->checkpointer, s->path, s->settings.vfs, e) != TB_OK) {
        db_close(&j->db);
        return e->code;
    }
    s->writer = writer_open(j, &s->settings, &s->facts, s->checkpointer, &s->id);
    for (int lane = 0; lane < LANE_COUNT; lane++)
        if (reader_open(&s->readers[lane], s->path, lane, &s->settings, e) != TB_OK)
            return e->code;
    return TB_OK;
}

enum tb_code
store_open(struct store **out, const struct store_settings *settings, struct tb_err *e)
{
    struct store  *s = TB_NEW(struct store);
    struct journal j;

    if (sodium_init() < 0)
        return tb_fail(e, TB_EINTERNAL, NULL, "libsodium does not start");
    s->settings = *settings;
    s->settings.dir = s->dir = tb_str_to_c(tb_str_of(settings->dir));
    s->lock_fd = s->id.fd = -1;
    struct tb_buf path = TB_BUF_INIT;
    tb_buf_printf(&path, "%s/tombolo.db", s->dir);
    s->path = path.p;
    *e = (struct tb_err){ 0 };
    if (store_folder_take(s->dir, &s->lock_fd, e) == TB_OK && open_journal(s, &j, e) == TB_OK) {
        memcpy(s->uuid, j.self.uuid, sizeof s->uuid);
        memcpy(s->centre_uuid, j.self.centre_uuid, sizeof s->centre_uuid);
        s->reissued_at = j.self.reissued_at;
        s->lost_from = j.self.lost_from;
        s->lost_upto = j.self.lost_upto;
        TB_TRY(open_threads(s, &j, e));
    }
    if (e->code != TB_OK) {
        store_close(&s);
        return tb_wrap(e, "store %s", settings->dir);
    }
    log_info("store.opened", "journal=%s node=%u head=%" PRIdFAST64, s->uuid, (unsigned)s->facts.node, s->facts.head_pos);
    *out = s;
    return TB_OK;
}

void
store_close(struct store **sp)
{
    struct store *s = *sp;

    if (s == NULL)
        return;
    for (int lane = 0; lane < LANE_COUNT; lane++)
        reader_close(&s->readers[lane]);
    checkpointer_close(&s->checkpointer);
    writer_close(&s->writer);
    journal_id_close(&s->id);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    tb_free(s->path);
    tb_free(s->dir);
    tb_free(s);
    *sp = NULL;
}

void
store_status(const struct store *s, struct store_status *out)
{
    *out = (struct store_status){
        .awaits = meeting_awaits(&s->facts, s->settings.clock),
        .is_writable = s->facts.is_writable && !s->facts.is_full, .is_full = s->facts.is_full,
        .is_pruning = s->facts.is_pruning,
        .head_pos = s->facts.head_pos, .own_seq = s->facts.own_seq, .pushed_seq = s->facts.pushed_seq,
        .n_emails_parked = s->facts.n_emails_parked, .n_clock_doubts = s->facts.n_clock_doubts,
        .n_refused = s->facts.n_refused,
        .n_ops = s->facts.n_ops, .n_commits = s->facts.n_commits, .node = (uint32_t)s->facts.node,
    };
    out->reserve_bytes = s->settings.reserve_bytes;
    out->free_bytes = s->facts.free_bytes;
    out->size_bytes = s->facts.size_bytes;
    out->wal_bytes = s->facts.wal_bytes;
    memcpy(out->journal_uuid, s->uuid, sizeof out->journal_uuid);
    memcpy(out->centre_uuid, s->centre_uuid, sizeof out->centre_uuid);
    out->reissued_at = s->reissued_at;
    out->lost_from = s->lost_from;
    out->lost_upto = s->lost_upto;
}

void
store_queues(const struct store *s, struct store_queues *out)
{
    *out = (struct store_queues){
        .changes = tb_mailbox_depth(writer_inbox(s->writer)), .changes_max = s->settings.queue,
        .queries = tb_mailbox_depth(reader_inbox(s->readers[LANE_LOGIN])),
        .catch_ups = tb_mailbox_depth(reader_inbox(s->readers[LANE_CATCH_UP])), .queries_max = s->settings.reader_queue,
    };
}

void
store_backup_look(const struct store *s, struct store_backup *out)
{
    backup_look(writer_backup(s->writer), out);
}

void
store_on_commit(struct store *s, void (*wake)(void *ctx), void *ctx)
{
    writer_on_commit(s->writer, wake, ctx);
}

void
store_feed(struct store *s, struct tb_mailbox *to, void (*on_batch)(void *ctx, struct store_batch *), void *ctx)
{
    writer_feed(s->writer, to, on_batch, ctx);
}

enum tb_code
store_open_read_only(const struct store *s, struct db *d, struct tb_err *e)
{
    return db_open(d, s->path, s->settings.vfs, DB_READ_ONLY, store_query_texts, Q_COUNT, e);
}

void
store_stop_waiting(struct store *s, enum store_awaits what)
{
    s->facts.awaits_until_ms[what] = 0;
}

/* ---- posting ---- */

void
store_op_fini(struct store_op *op)
{
    tb_arena_fini(&op->mem);
}

static void
post(struct store *s, struct store_op *op, int what, struct tb_mailbox *inbox)
{
    struct tb_msg_list refused = { 0 };

    assert(op->reply_to != NULL && op->on_done != NULL);
    op->what = what;
    op->store = s;
    op->err = (struct tb_err){ 0 };
    if (tb_mailbox_post(inbox, &op->msg))
        return;
    if (!tb_mailbox_is_closed(inbox))
        tb_count(&hits, inbox == writer_inbox(s->writer) ? HIT_QUEUE : HIT_READER_QUEUE);
    tb_fail(&op->err, TB_EBUSY, NULL, "the queue is full, or the store is closing");
    op->err.retry_after_s = BUSY_RETRY_AFTER_S;
    tb_msg_list_add(&refused, &op->msg);
    answers_post(&refused);
}

#define X(name) \
    void store_##name(struct store *s, struct store_##name *r) \
    { \
        post(s, &r->op, WHAT_##name, writer_inbox(s->writer)); \
    }
STORE_CHANGES(X)
#undef X

#define X(name, lane) \
    void store_##name(struct store *s, struct store_##name *r) \
    { \
        post(s, &r->op, WHAT_##name, reader_inbox(s->readers[lanes[WHAT_##name]])); \
    }
STORE_QUERIES_BY_LANE(X)
#undef X
