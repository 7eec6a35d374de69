/* Bodies of fakes.h, and of the store's functions that the engine calls: this file is linked before the store. */
#include "fakes.h"

#include "base/log.h"

#include "store/op.h"

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
    if (after < fakes.me.floor_seq)
        return tb_fail(e, TB_ENOTFOUND, NULL, "pruned");
    fakes.n_reading++;
    for (int64_t seq = after + 1; seq <= fakes.me.own_seq && *n < max; seq++, ++*n) {
        struct store_entry entry = { .seq = seq, .at = (1000 + seq) << 16, .kind = 11, .version = 1 };
        fakes_chain(seq, entry.chain);
        each(ctx, &entry);
    }
    fakes.n_reading--;
    return TB_OK;
}

/* All are rooms; the other tables are empty. */
enum tb_code
store_follow_rows(struct store_follower *f, struct store_rows_at *at, size_t max, bool (*each)(void *ctx, const struct op *),
                  void *ctx, struct tb_err *e)
{
    size_t n = 0;

    (void)f;
    if (fakes.fails_to_read)
        return tb_fail(e, TB_EIO, NULL, "no rows");
    if (fakes.floor_rises_to != 0)
        fakes.me.floor_seq = fakes.floor_rises_to;
    fakes_chain(fakes.me.floor_seq, fakes.me.floor_chain);
    fakes.n_reading++;
    while (at->table == STORE_ROOMS && at->key[0] < fakes.n_rows && n < max) {
        struct op op = { .kind = OP_ROOM_CREATED, .room_created.id = at->key[0] + 1 };
        if (!each(ctx, &op))
            break;
        at->key[0]++;
        n++;
    }
    fakes.n_reading--;
    if (at->table != STORE_ROOMS || at->key[0] == fakes.n_rows)
        *at = (struct store_rows_at){ .table = at->table + 1 };
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

static void
post_answer(struct store_op *op, enum tb_code code)
{
    op->err = (struct tb_err){ 0 };
    if (code != TB_OK)
        tb_fail(&op->err, code, NULL, "the journal refuses");
    op->msg.run = answer;
    tb_mailbox_post_always(op->reply_to, &op->msg);
}

enum tb_code
store_follow_vector(struct store_follower *f, void (*each)(void *ctx, uint32_t node, int64_t seq), void *ctx, struct tb_err *e)
{
    (void)f, (void)e;
    for (int i = 0; i < 2; i++)
        if (fakes.vector[i] > 0)
            each(ctx, fakes.heads[i].node, fakes.vector[i]);
    return TB_OK;
}

void
store_add_remote(struct store *s, struct store_add_remote *r)
{
    (void)s;
    fakes.n_adds++;
    assert_true(r->n > 0 && r->n <= STORE_REMOTE_MAX);
    r->bad_node = r->entries[0].node;
    for (size_t i = 0; fakes.remote_answer == TB_OK && i < r->n; i++)
        for (int k = 0; k < 2; k++)
            if (r->entries[i].node == fakes.heads[k].node) {
                assert_int_equal(fakes.vector[k] + 1, r->entries[i].seq);
                fakes.vector[k]++;
                fakes.order[fakes.n_order++ % 64] = r->entries[i].node;
                r->n_new++;
            }
    if (!fakes.is_slow_to_add) {
        post_answer(&r->op, fakes.remote_answer);
        return;
    }
    r->op.err = (struct tb_err){ 0 };
    r->op.msg.run = answer;
    fakes.due = &r->op;
}

void
store_take_rows(struct store *s, struct store_take_rows *r)
{
    (void)s;
    assert_true(r->n <= STORE_REMOTE_MAX);
    fakes.most_rows = r->n > fakes.most_rows ? r->n : fakes.most_rows;
    for (size_t i = 0; fakes.rows_answer == TB_OK && i < r->n; i++)
        fakes.rows_here[r->rows[i].room_created.id]++;
    for (size_t i = 0; fakes.rows_answer == TB_OK && i < r->n_origins; i++)
        for (int k = 0; k < 2; k++)
            if (r->origins[i].node == fakes.heads[k].node)
                fakes.vector[k] = r->origins[i].seq;
    post_answer(&r->op, fakes.rows_answer);
}

void
store_set_node(struct store *s, struct store_set_node *r)
{
    (void)s;
    if (fakes.own_answer == TB_OK)
        fakes.me.node = r->node;
    post_answer(&r->op, fakes.own_answer);
}

void
store_restore_own(struct store *s, struct store_restore_own *r)
{
    (void)s;
    fakes.holds_users = !r->is_last && fakes.own_answer == TB_OK;
    for (size_t i = 0; fakes.own_answer == TB_OK && i < r->n; i++) {
        assert_int_equal(fakes.me.own_seq + 1, r->entries[i].seq);
        fakes.me.own_seq++;
    }
    fakes_chain(fakes.me.own_seq, fakes.me.own_chain);
    post_answer(&r->op, fakes.own_answer);
}

void
store_set_parked(struct store *s, struct store_set_parked *r)
{
    (void)s;
    fakes.noted = r->n > 0 ? r->seqs[0] : 0;
    fakes.n_noted = r->n;
    post_answer(&r->op, TB_OK);
}

void
store_set_epoch(struct store *s, struct store_set_epoch *r)
{
    (void)s;
    fakes.me.epoch = r->epoch;
    fakes.me.restored = STORE_NOT_RESTORED;
    post_answer(&r->op, TB_OK);
}

void
store_stop_waiting(struct store *s, enum store_awaits what)
{
    (void)s;
    fakes.waits_no_more[what] = true;
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
    enum tb_code code = network(fakes.refuses_connect, "connect", e);
    if (code != TB_OK && fakes.refusal != TB_OK)
        e->code = fakes.refusal;
    return e->code;
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
take_number(struct sync_target *t, const struct store_identity *me, uint32_t *node, struct tb_err *e)
{
    (void)t;
    *node = fakes.number;
    memcpy(fakes.place.owner_uuid, me->journal_uuid, sizeof fakes.place.owner_uuid);     /* of that number */
    return network(fakes.number == 0, "number", e);
}

static enum tb_code
set_epoch(struct sync_target *t, const struct store_identity *me, struct tb_err *e)
{
    (void)t;
    fakes.place.epoch = fakes.epoch_set = me->epoch;
    return network(false, "epoch", e);
}

static enum tb_code
heads(struct sync_target *t, const struct store_identity *me, void (*each)(void *ctx, const struct sync_head *), void *ctx,
      struct tb_err *e)
{
    (void)t;
    fakes.n_looks++;
    if (me->epoch != fakes.place.epoch)
        return tb_fail(e, TB_EIO, NULL, "heads: another epoch");
    for (int i = 0; i < 2; i++)
        if (fakes.heads[i].node != 0)
            each(ctx, &fakes.heads[i]);
    return network(fakes.refuses_heads, "heads", e);
}

/* Ops of others were made in turns: the first site's op n at 20 n, the second's at 20 n + 10. */
static enum tb_code
read_ops(struct sync_target *t, uint32_t node, int64_t after, int64_t upto, size_t max, size_t max_bytes,
         void (*each)(void *ctx, const struct store_entry *), void *ctx, struct tb_err *e)
{
    (void)t, (void)max_bytes;
    for (int64_t seq = after + 1; seq <= upto && seq <= after + (int64_t)max; seq++) {
        struct store_entry entry = { .node = node, .seq = seq, .at = 20 * seq + (node == fakes.heads[1].node ? 10 : 0),
                                     .kind = 11, .version = 1 };
        if (node != fakes.me.node && fakes.lost_from != 0 && seq >= fakes.lost_from)
            break;
        fakes_chain(seq, entry.chain);
        each(ctx, &entry);
    }
    return network(fakes.refuses_ops, "ops", e);
}

static enum tb_code
read_rows(struct sync_target *t, struct sync_rows_at *at, size_t max, struct tb_arena *mem,
          void (*each)(void *ctx, const struct op *), void *ctx, struct tb_err *e)
{
    int64_t upto =
        at->key[0] + fakes.rows_a_page < fakes.n_table_rows ? at->key[0] + fakes.rows_a_page : fakes.n_table_rows;

    (void)t, (void)mem;
    assert_true((int64_t)max >= fakes.rows_a_page);
    fakes.n_pages++;
    fakes.first_row_asked = at->key[0];
    if (network(fakes.refuses_rows, "rows", e) != TB_OK)
        return e->code;
    while (at->key[0] < upto) {
        struct op op = { .kind = OP_ROOM_CREATED, .room_created.id = ++at->key[0] };
        each(ctx, &op);
    }
    if (upto == fakes.n_table_rows)
        at->of = SYNC_ROWS_END;
    return TB_OK;
}

static enum tb_code
say_here(struct sync_target *t, const struct store_identity *me, struct tb_err *e)
{
    (void)t, (void)me;
    fakes.n_here++;
    return network(false, "day", e);
}

static enum tb_code
raise_floor(struct sync_target *t, const struct store_identity *me, const struct sync_keep *keep, int64_t *floor,
            struct tb_err *e)
{
    (void)t, (void)me;
    assert_int_equal(30, keep->days);
    fakes.n_floors++;
    *floor = fakes.may_forget;
    return network(false, "floor", e);
}

static enum tb_code
forget_ops(struct sync_target *t, const struct store_identity *me, int64_t floor, size_t max, size_t *n,
           struct tb_err *e)
{
    (void)t, (void)me;
    assert_int_equal(fakes.may_forget, floor);
    fakes.n_forgets++;
    fakes.now_ms += fakes.forget_ms;
    *n = fakes.n_in_log < (int64_t)max ? (size_t)fakes.n_in_log : max;
    fakes.n_in_log -= (int64_t)*n;
    return network(false, "forget", e);
}

static enum tb_code
parked(struct sync_target *t, const struct store_identity *me, size_t max, void (*each)(void *ctx, int64_t seq), void *ctx,
       struct tb_err *e)
{
    (void)t, (void)me, (void)max;
    if (fakes.parked != 0 && fakes.parked <= fakes.place.last_seq)
        each(ctx, fakes.parked);
    return network(false, "parked", e);
}

static enum tb_code
tell_seen(struct sync_target *t, const struct store_identity *me, const struct sync_seen *seen, size_t n, struct tb_err *e)
{
    (void)t, (void)me;
    assert_true(n > 0 && n <= 2 && seen[0].seq > 0);
    fakes.n_told++;
    return network(false, "seen", e);
}

static void
begin(struct sync_target *t, const struct store_identity *me, int64_t last_seq)
{
    (void)t, (void)me;
    fakes.n_in_batch = fakes.n_batch_rows = 0;
    fakes.is_parking = false;
    fakes.batch_floor = 0;
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
park(struct sync_target *t, const struct store_entry *entry, unsigned refusal, const char *why, struct tb_err *e)
{
    assert_int_equal(0, fakes.n_in_batch);
    assert_int_equal(1406, refusal);
    assert_non_null(strstr(why, "too long"));
    fakes.is_parking = true;
    fakes.parked = entry->seq;
    return add(t, entry, e);
}

static enum tb_code
add_row(struct sync_target *t, const struct op *op, struct tb_err *e)
{
    (void)t;
    if (fakes.n_batch_rows == fakes.batch_limit)
        return tb_fail(e, TB_ETOOBIG, NULL, "full");
    assert_int_equal(0, fakes.n_in_batch);
    fakes.batch_rows[fakes.n_batch_rows++] = op->room_created.id;
    return TB_OK;
}

static void
park_row(struct sync_target *t, const struct op *op, unsigned refusal, const char *why)
{
    (void)t;
    assert_int_equal(0, fakes.n_batch_rows);
    assert_int_equal(1406, refusal);
    assert_non_null(strstr(why, "too long"));
    fakes.row_parked = op->room_created.id;
}

static void
skip_to(struct sync_target *t, int64_t seq, const uint8_t chain[16])
{
    (void)t;
    assert_true(seq > fakes.batch_last);
    fakes.batch_last = fakes.batch_floor = seq;
    memcpy(fakes.batch_chain, chain, sizeof fakes.batch_chain);
}

static const struct sync_sent *
sent(struct sync_target *t, size_t *n)
{
    static const struct sync_sent all[1000];
    (void)t;
    *n = fakes.n_sent;
    return all;
}

static enum tb_code
send(struct sync_target *t, int64_t now_ms, struct tb_err *e)
{
    (void)t, (void)now_ms;
    assert_int_equal(fakes.place.last_seq, fakes.batch_first);     /* the fence */
    fakes.sent_last = fakes.batch_last;
    fakes.n_sent = fakes.n_in_batch;
    memcpy(fakes.sent_chain, fakes.batch_chain, sizeof fakes.sent_chain);
    fakes.n_in_batch = 0;
    memcpy(fakes.sent_rows, fakes.batch_rows, sizeof fakes.sent_rows);
    fakes.n_sent_rows = fakes.n_batch_rows;
    return network(fakes.refuses_send, "send", e);
}

static enum tb_code
take_rows(struct sync_target *t, struct tb_err *e)
{
    for (size_t i = 0; i < fakes.n_sent_rows; i++)
        if (fakes.sent_rows[i] == fakes.row_poison) {
            t->refusal = 1406;
            return tb_fail(e, TB_EINPUT, NULL, "too long");
        }
    for (size_t i = 0; i < fakes.n_sent_rows; i++)
        fakes.rows_there[fakes.sent_rows[i]]++;
    return TB_OK;
}

static enum tb_code
finish(struct sync_target *t, struct tb_err *e)
{
    t->refusal = 0;
    if (network(fakes.refuses_push, "push", e) != TB_OK || take_rows(t, e) != TB_OK)
        return e->code;
    if (fakes.poison > fakes.place.last_seq && fakes.poison <= fakes.sent_last && fakes.parked != fakes.poison) {
        t->refusal = 1406;
        return tb_fail(e, TB_EINPUT, NULL, "too long");
    }
    fakes.n_read_ahead += fakes.n_in_batch;
    fakes.n_pushes++;
    if (fakes.place.last_seq != fakes.sent_last)
        memcpy(fakes.place.chain, fakes.sent_chain, sizeof fakes.place.chain);
    fakes.place.last_seq = fakes.sent_last;
    if (fakes.batch_floor != 0)
        fakes.floor = fakes.batch_floor;
    return network(fakes.loses_answer || (fakes.loses_floor && fakes.batch_floor != 0), "lost", e);
}

static void
drop(struct sync_target *t)
{
    (void)t;
    assert_true(fakes.is_linked);
    fakes.is_linked = false;
}

static const struct sync_target_ops ops = {
    .connect = connect_to, .migrate = migrate, .enrol = enrol, .take_number = take_number, .set_epoch = set_epoch,
    .heads = heads, .read_ops = read_ops, .read_rows = read_rows,
    .say_here = say_here,
    .raise_floor = raise_floor,
    .forget_ops = forget_ops,
    .tell_seen = tell_seen, .parked = parked, .begin = begin, .add = add, .park = park,
    .add_row = add_row, .park_row = park_row, .skip_to = skip_to, .send = send,
    .finish = finish, .sent = sent, .drop = drop,
};

/* ---- the engine ---- */

static void
hear_failure(void *ctx, const struct tb_err *why)
{
    struct fakes *f = ctx;

    f->n_failures++;
    f->failure = *why;
}

static void
hear_sent(void *ctx, const struct sync_sent *all, size_t n, int64_t at_ms)
{
    struct fakes *f = ctx;

    assert_true(all != NULL && at_ms > 1000000);
    f->n_synced += n;
}

static void
hear_centre(void *ctx, const char *uuid)
{
    snprintf(((struct fakes *)ctx)->told_centre, SYNC_UUID_SIZE, "%s", uuid);
}

void
fakes_begin(int64_t n_ops)
{
    fakes = (struct fakes){
        .now_ms = 5000, .chain_tag = 7, .target = { .ops = &ops }, .batch_limit = 1000,
        .rows_a_page = 700,
        .me = { .journal_uuid = "journal", .centre_uuid = "centre", .epoch = 1, .own_seq = n_ops },
        .place = { .centre_uuid = "centre", .owner_uuid = "journal", .epoch = 1, .here_ago_ms = SYNC_NEVER_HERE },
        .clock = { .wall_ms = wall, .mono_us = mono },
    };
    fakes.inbox = tb_mailbox_new(4, NULL, NULL);
    fakes.engine = sync_engine_new(&(struct sync_engine_settings){
        .clock = &fakes.clock, .target = &fakes.target, .inbox = fakes.inbox, .facts = &fakes.facts, .batch = 10, .seed = 99,
                                                                   .keep = { .days = 30, .lease_days = 90 },
        .on_failure = hear_failure, .failure_ctx = &fakes, .on_synced = hear_sent, .on_centre = hear_centre, .synced_ctx = &fakes });
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
        int  wait_ms = sync_engine_step(fakes.engine);
        bool is_answered = sync_engine_awaits_store(fakes.engine);
        tb_mailbox_run(fakes.inbox);
        if (wait_ms != 0 && !is_answered && sync_engine_state(fakes.engine) != state)
            fail_msg("it waits %d ms in state %d, at %d and %d of others", wait_ms, (int)sync_engine_state(fakes.engine),
                     (int)fakes.vector[0], (int)fakes.vector[1]);
    }
}

void
fakes_until_pushed(int64_t seq)
{
    for (int i = 0; fakes.place.last_seq < seq || sync_engine_state(fakes.engine) != SYNC_LEVEL; i++) {
        assert_true(i < 200);
        (void)sync_engine_step(fakes.engine);
        tb_mailbox_run(fakes.inbox);
    }
}

void
fakes_append(int64_t n_ops)
{
    fakes.me.own_seq += n_ops;
    sync_engine_wake(fakes.engine);
}

char fakes_last_line[FAKES_LINE];

static void
keep_line(tb_str line)
{
    size_t n = line.n < FAKES_LINE ? line.n : FAKES_LINE - 1;

    memcpy(fakes_last_line, line.p, n);
    fakes_last_line[n] = '\0';
}

void
fakes_listen(void)
{
    fakes_last_line[0] = '\0';
    log_divert(keep_line);
}

void
fakes_look_once(void)
{
    fakes_until(SYNC_PULLING);
    fakes_until(SYNC_LEVEL);
}
