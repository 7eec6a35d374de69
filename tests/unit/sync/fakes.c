/* Bodies of fakes.h, and of the store's functions that the engine calls: this file is linked before the store. */
#include "fakes.h"

#include <stdio.h>

struct fakes fakes;

/* ---- clock ---- */

static int64_t
wall(void *ctx)
{
    (void)ctx;
    return fakes.now_ms + 1000000;
}

static int64_t
mono(void *ctx)
{
    (void)ctx;
    return fakes.now_ms * 1000;
}

/* ---- the journal ---- */

void
fakes_chain(int64_t seq, uint8_t out[16])
{
    memset(out, fakes.chain_tag, 16);
    out[0] = (uint8_t)seq;
}

enum tb_code
store_follow(struct store *s, struct store_follower **out, struct tb_err *e)
{
    (void)s;
    if (fakes.fails_to_open)
        return tb_fail(e, TB_EIO, NULL, "no follower");
    *out = (struct store_follower *)&fakes;
    return TB_OK;
}

void
store_unfollow(struct store_follower **f)
{
    *f = NULL;
}

enum tb_code
store_follow_identity(struct store_follower *f, struct store_identity *out, struct tb_err *e)
{
    (void)f;
    if (fakes.fails_to_read)
        return tb_fail(e, TB_EIO, NULL, "no identity");
    *out = fakes.me;
    return TB_OK;
}

enum tb_code
store_follow_own(struct store_follower *f, int64_t after, size_t max, size_t max_bytes,
                 void (*each)(void *ctx, const struct store_entry *), void *ctx, size_t *n, struct tb_err *e)
{
    (void)f, (void)max_bytes;
    *n = 0;
    if (fakes.fails_to_read)
        return tb_fail(e, TB_EIO, NULL, "no rows");
    fakes.n_reading++;
    for (int64_t seq = after + 1; seq <= fakes.me.own_seq && *n < max; seq++, ++*n) {
        struct store_entry entry = { .seq = seq, .at = (1000 + seq) << 16, .kind = 11, .version = 1 };
        fakes_chain(seq, entry.chain);
        each(ctx, &entry);
    }
    fakes.n_reading--;
    return TB_OK;
}

void
store_status(const struct store *s, struct store_status *out)
{
    (void)s;
    *out = (struct store_status){ .own_seq = fakes.me.own_seq };
}

static void
answer(struct tb_msg *msg)
{
    struct store_op *op = TB_CONTAINER(msg, struct store_op, msg);
    op->on_done(op);
}

void
store_mark_pushed(struct store *s, struct store_mark_pushed *m)
{
    (void)s;
    fakes.n_marks++;
    m->op.err = (struct tb_err){ 0 };
    if (fakes.fails_to_mark) {
        tb_fail(&m->op.err, TB_EFULL, NULL, "no room");
    } else {
        fakes.marked_seq = m->seq;
        memcpy(fakes.marked_centre, m->centre_uuid, sizeof fakes.marked_centre);
    }
    m->op.msg.run = answer;
    if (fakes.is_slow_to_mark)
        fakes.due = &m->op;
    else
        tb_mailbox_post_always(m->op.reply_to, &m->op.msg);
}

void
store_op_fini(struct store_op *op)
{
    (void)op;
}

/* ---- the centre ---- */

static enum tb_code
network(bool fails, const char *what, struct tb_err *e)
{
    assert_int_equal(0, fakes.n_reading);
    return fails ? tb_fail(e, TB_EIO, NULL, "%s", what) : TB_OK;
}

static enum tb_code
connect_to(struct sync_target *t, struct tb_err *e)
{
    assert_false(fakes.is_linked);
    fakes.is_linked = true;
    fakes.n_connects++;
    t->max_body_bytes = 1000;
    return network(fakes.refuses_connect, "connect", e);
}

static enum tb_code
migrate(struct sync_target *t, struct tb_err *e)
{
    (void)t;
    return network(fakes.refuses_migrate, "migrate", e);
}

static enum tb_code
enrol(struct sync_target *t, const struct store_identity *me, struct sync_place *out, struct tb_err *e)
{
    (void)t, (void)me;
    *out = fakes.place;
    return network(fakes.refuses_enrol, "enrol", e);
}

static enum tb_code
check(struct sync_target *t, struct tb_err *e)
{
    (void)t;
    fakes.n_checks++;
    return network(fakes.refuses_check, "check", e);
}

static void
begin(struct sync_target *t, const struct store_identity *me, int64_t last_seq)
{
    (void)t, (void)me;
    fakes.n_in_batch = 0;
    fakes.batch_first = fakes.batch_last = last_seq;
}

static enum tb_code
add(struct sync_target *t, const struct store_entry *entry, struct tb_err *e)
{
    (void)t;
    if (fakes.n_in_batch == fakes.batch_limit)
        return tb_fail(e, TB_ETOOBIG, NULL, "full");
    assert_int_equal(fakes.batch_last + 1, entry->seq);
    fakes.n_in_batch++;
    fakes.batch_last = entry->seq;
    memcpy(fakes.batch_chain, entry->chain, sizeof fakes.batch_chain);
    return TB_OK;
}

static enum tb_code
send(struct sync_target *t, int64_t now_ms, struct tb_err *e)
{
    (void)t, (void)now_ms;
    assert_int_equal(fakes.place.last_seq, fakes.batch_first);     /* the fence */
    fakes.sent_last = fakes.batch_last;
    memcpy(fakes.sent_chain, fakes.batch_chain, sizeof fakes.sent_chain);
    fakes.n_in_batch = 0;
    return network(fakes.refuses_send, "send", e);
}

static enum tb_code
finish(struct sync_target *t, struct tb_err *e)
{
    (void)t;
    if (network(fakes.refuses_push, "push", e) != TB_OK)
        return e->code;
    fakes.n_read_ahead += fakes.n_in_batch;
    fakes.n_pushes++;
    fakes.place.last_seq = fakes.sent_last;
    memcpy(fakes.place.chain, fakes.sent_chain, sizeof fakes.place.chain);
    return network(fakes.loses_answer, "lost", e);
}

static void
drop(struct sync_target *t)
{
    (void)t;
    assert_true(fakes.is_linked);
    fakes.is_linked = false;
}

static const struct sync_target_ops ops = {
    .connect = connect_to, .migrate = migrate, .enrol = enrol, .check = check, .begin = begin, .add = add, .send = send,
    .finish = finish, .drop = drop,
};

/* ---- the engine ---- */

static void
hear_failure(void *ctx, const struct tb_err *why)
{
    struct fakes *f = ctx;

    f->n_failures++;
    f->failure = *why;
}

void
fakes_begin(int64_t n_ops)
{
    fakes = (struct fakes){
        .now_ms = 5000, .chain_tag = 7, .target = { .ops = &ops }, .batch_limit = 1000,
        .me = { .journal_uuid = "journal", .epoch = 1, .own_seq = n_ops },
        .place = { .centre_uuid = "centre", .owner_uuid = "journal", .epoch = 1 },
        .clock = { .wall_ms = wall, .mono_us = mono },
    };
    fakes.inbox = tb_mailbox_new(4, NULL, NULL);
    fakes.engine = sync_engine_new(&(struct sync_engine_settings){
        .clock = &fakes.clock, .target = &fakes.target, .inbox = fakes.inbox, .facts = &fakes.facts, .batch = 10, .seed = 99,
        .on_failure = hear_failure, .failure_ctx = &fakes });
}

void
fakes_end(void)
{
    sync_engine_stop(fakes.engine);
    tb_mailbox_run(fakes.inbox);
    sync_engine_free(&fakes.engine);
    assert_false(fakes.is_linked);
    tb_mailbox_free(&fakes.inbox);
}

void
fakes_until(enum sync_state state)
{
    for (int i = 0; sync_engine_state(fakes.engine) != state; i++) {
        assert_true(i < 100);
        int wait_ms = sync_engine_step(fakes.engine);
        tb_mailbox_run(fakes.inbox);
        if (wait_ms != 0 && sync_engine_state(fakes.engine) != state)
            fail_msg("it waits %d ms in state %d", wait_ms, (int)sync_engine_state(fakes.engine));
    }
}

void
fakes_append(int64_t n_ops)
{
    fakes.me.own_seq += n_ops;
    sync_engine_wake(fakes.engine);
}
