/* Bodies of control.h. What can be read from any thread is; a change goes to the writer, and its answer is waited for
 * here: the writer answers everything that it has taken, also when the disk is full. */
#include "control_inside.h"

#include "base/mailbox.h"
#include "store/follow.h"
#include "sync/sync.h"

#include <inttypes.h>

void
serve_put_int(struct tb_json *j, const char *key, int64_t v)
{
    tb_json_key(j, key);
    tb_json_int(j, v);
}

void
serve_put_time(struct tb_json *j, const char *key, int64_t ms)
{
    tb_json_key(j, key);
    if (ms != 0)
        tb_json_time(j, ms);
    else
        tb_json_null(j);
}

enum tb_code
serve_give_nothing(struct tb_json *j)
{
    tb_json_open_object(j);
    tb_json_end_object(j);
    return TB_OK;
}

static void
do_nothing(struct store_op *op)
{
    (void)op;
}

struct tb_mailbox *
serve_open_inbox(struct store_op *op)
{
    op->reply_to = tb_mailbox_new(1, NULL, NULL);
    op->on_done = do_nothing;
    return op->reply_to;
}

void
serve_await(struct tb_mailbox **inbox)
{
    struct tb_msg_list answers = { 0 };
    struct tb_msg     *m;

    (void)tb_mailbox_wait(*inbox, &answers, 1, -1);
    while ((m = tb_msg_list_take(&answers)) != NULL)
        m->run(m);
    tb_mailbox_free(inbox);
}

/* ---- sync ---- */

static void
put_awaits(struct tb_json *j, enum store_awaits what)
{
    switch (what) {
    case STORE_AWAITS_NUMBER:
        tb_json_str(j, TB_LIT("number"));
        return;
    case STORE_AWAITS_CENTRE:
        tb_json_str(j, TB_LIT("centre"));
        return;
    case STORE_AWAITS_NOTHING:
    case STORE_AWAITS_COUNT:
        break;
    }
    tb_json_null(j);
}

static enum tb_code
run_sync_status(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e)
{
    struct serve_control *s = ctx;
    struct sync_status    sync;
    struct store_status   journal;
    char                  why[SYNC_WHY_SIZE];
    int64_t               failed_at;

    (void)args, (void)e;
    sync_status(s->sync, &sync);
    sync_last_failure(s->sync, why, &failed_at);
    store_status(s->store, &journal);
    tb_json_open_object(j);
    tb_json_key(j, "state"), tb_json_str(j, tb_str_of(sync_link_name(sync.state)));
    tb_json_key(j, "isPaused"), tb_json_bool(j, sync.is_paused);
    tb_json_key(j, "awaits"), put_awaits(j, journal.awaits);
    serve_put_int(j, "lagOps", sync.lag_ops);
    serve_put_int(j, "lagSeconds", sync.lag_ms / 1000);
    serve_put_int(j, "ownSeq", journal.own_seq);
    serve_put_int(j, "pushedSeq", sync.pushed_seq);
    serve_put_int(j, "refused", (int64_t)journal.n_refused);
    tb_json_key(j, "takenRows");
    if (sync.is_taking)
        tb_json_int(j, (int64_t)sync.n_taken);
    else
        tb_json_null(j);
    serve_put_time(j, "lastSyncedAt", sync.last_synced_at);
    serve_put_time(j, "lastErrorAt", failed_at);
    tb_json_key(j, "lastError");
    if (failed_at != 0)
        tb_json_str(j, tb_str_is_utf8(tb_str_of(why)) ? tb_str_of(why) : TB_LIT("(not UTF-8)"));
    else
        tb_json_null(j);
    tb_json_end_object(j);
    return TB_OK;
}

static enum tb_code
run_sync_pause(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e)
{
    (void)args;
    return sync_pause(((struct serve_control *)ctx)->sync, true, e) == TB_OK ? serve_give_nothing(j) : e->code;
}

static enum tb_code
run_sync_resume(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e)
{
    (void)args;
    return sync_pause(((struct serve_control *)ctx)->sync, false, e) == TB_OK ? serve_give_nothing(j) : e->code;
}

static enum tb_code
run_sync_alone(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e)
{
    struct store         *store = ((struct serve_control *)ctx)->store;
    struct store_go_alone r = { 0 };

    (void)args;
    store_stop_waiting(store, STORE_AWAITS_NUMBER);
    struct tb_mailbox *inbox = serve_open_inbox(&r.op);
    store_go_alone(store, &r);
    serve_await(&inbox);
    *e = r.op.err;
    store_op_fini(&r.op);
    return e->code == TB_OK ? serve_give_nothing(j) : e->code;
}

static enum tb_code
run_sync_repeat(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e)
{
    struct store_repeat_op r = { 0 };
    uint64_t               seq;

    if (!tb_str_to_uint(args, INT64_MAX, &seq) || seq == 0)
        return tb_fail(e, TB_EINPUT, NULL, "sync-repeat takes the seq of an op");
    r.seq = (int64_t)seq;
    struct tb_mailbox *inbox = serve_open_inbox(&r.op);
    store_repeat_op(((struct serve_control *)ctx)->store, &r);
    serve_await(&inbox);
    if (r.op.err.code == TB_OK) {
        tb_json_open_object(j);
        serve_put_int(j, "seq", r.new_seq);
        tb_json_end_object(j);
    }
    *e = r.op.err;
    store_op_fini(&r.op);
    return e->code;
}

const struct control_command serve_commands[] = {
    { "sync-status", run_sync_status }, { "sync-pause", run_sync_pause }, { "sync-resume", run_sync_resume },
    { "sync-repeat", run_sync_repeat }, { "sync-alone", run_sync_alone },
    { "user-add", serve_user_add }, { "user-password", serve_user_password },
    { "user-email", serve_user_email }, { "user-lock", serve_user_lock },
    { "metrics", serve_metrics }, { "health", serve_health },
    { "backup-begin", serve_backup_begin }, { "backup-status", serve_backup_status }, { "backup-end", serve_backup_end },
    { NULL, NULL },
};
