/* What only the loop can say. A question goes to it as a message; should it not come back in time, whoever comes last, the asker
 * who has gone or the loop that turns again, frees it. */
#include "control_inside.h"

#include "sync/sync.h"

#include <stdatomic.h>

enum { LOOP_MS = 3000 };        /* a loop that has not turned for so long is stuck, as far as clients can tell */

struct question {
    struct tb_msg         msg, answer;  /* the way there, and back */
    struct serve_control *c;
    bool                  wants_metrics;
    atomic_int            holders;
    struct tb_mailbox    *inbox;        /* of the answer */
    struct tb_buf         text;         /* the loop's until it is answered */
};

static void
let_go(struct question *q)
{
    if (atomic_fetch_sub(&q->holders, 1) > 1)
        return;
    tb_mailbox_free(&q->inbox);
    tb_buf_fini(&q->text);
    tb_free(q);
}

static void
run_answer(struct tb_msg *m)
{
    (void)m;        /* that it came is all */
}

static void
run_question(struct tb_msg *m)
{
    struct question *q = TB_CONTAINER(m, struct question, msg);

    if (q->wants_metrics)
        q->c->write_metrics(q->c->loop_ctx, &q->text);
    q->answer.run = run_answer;
    tb_mailbox_post_always(q->inbox, &q->answer);
    let_go(q);
}

static bool
await_loop(struct question *q)
{
    struct tb_msg_list answers = { 0 };

    return tb_mailbox_wait(q->inbox, &answers, 1, LOOP_MS) > 0;
}

/* *out, when not NULL, gets the metrics. */
static enum tb_code
ask_loop(struct serve_control *c, struct tb_buf *out, struct tb_err *e)
{
    if (c->post_to_loop == NULL)
        return tb_fail(e, TB_ENOTFOUND, NULL, "no server runs");
    struct question *q = TB_NEW(struct question);
    q->msg.run = run_question;
    q->c = c;
    q->wants_metrics = out != NULL;
    atomic_store(&q->holders, 2);
    q->inbox = tb_mailbox_new(1, NULL, NULL);
    if (!c->post_to_loop(c->loop_ctx, &q->msg)) {
        let_go(q);          /* the loop's share */
        tb_fail(e, TB_EBUSY, NULL, "the server is starting or stopping");
    } else if (!await_loop(q)) {
        tb_fail(e, TB_EIO, NULL, "the loop has not turned for %d s", LOOP_MS / 1000);
    } else if (out != NULL) {
        *out = q->text;
        q->text = (struct tb_buf)TB_BUF_INIT;
    }
    let_go(q);
    return e->code;
}

enum tb_code
serve_metrics(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e)
{
    struct tb_buf text = TB_BUF_INIT;

    (void)args;
    if (ask_loop(ctx, &text, e) == TB_OK) {
        tb_json_open_object(j);
        tb_json_key(j, "text"), tb_json_str(j, tb_buf_str(&text));
        tb_json_end_object(j);
    }
    tb_buf_fini(&text);
    return e->code;
}

static const char *
journal_name(const struct store_status *s)
{
    return s->is_full ? "full" : s->awaits != STORE_AWAITS_NOTHING ? "waiting" : s->is_writable ? "writable" : "failed";
}

static const char *
why_not_ready(const struct store_status *s, const struct tb_err *loop)
{
    if (loop->code != TB_OK)
        return loop->why;
    if (s->is_full)
        return "the disk is full: less than journal.reserve_mb is free";
    if (s->awaits != STORE_AWAITS_NOTHING)
        return "the journal waits for its centre before it takes changes; see tombolo sync status";
    return s->is_writable ? "" : "the last commit to the journal failed";
}

/* The centre being away shows, and makes nothing unready but a journal that must meet it first. */
enum tb_code
serve_health(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e)
{
    struct serve_control *c = ctx;
    struct tb_err         loop = { 0 };
    struct sync_status    sync;
    struct store_status   journal;

    (void)args, (void)e;
    int64_t began = tb_mono_ms(&tb_clock_system);
    TB_TRY(ask_loop(c, NULL, &loop));
    int64_t took = tb_mono_ms(&tb_clock_system) - began;
    store_status(c->store, &journal);
    sync_status(c->sync, &sync);
    const char *why = why_not_ready(&journal, &loop);
    tb_json_open_object(j);
    tb_json_key(j, "ready"), tb_json_bool(j, why[0] == '\0');
    tb_json_key(j, "why"), tb_json_str(j, tb_str_of(why));
    serve_put_int(j, "loopMs", took);
    tb_json_key(j, "journal"), tb_json_str(j, tb_str_of(journal_name(&journal)));
    tb_json_key(j, "sync"), tb_json_str(j, tb_str_of(sync_link_name(sync.state)));
    tb_json_end_object(j);
    return TB_OK;
}
