/* Who has read what. */
#include "inside.h"

#include <stdlib.h>

static void on_read(struct store_op *op);

/* The next ids, at most CHAT_READ_STEP: one change that the writer does in one go. */
static void
read_step(struct chat_read *r)
{
    size_t left = r->ids.n - r->n_done;

    r->add.message_ids = r->ids.p + r->n_done;
    r->add.n = left < CHAT_READ_STEP ? left : CHAT_READ_STEP;
    r->n_done += r->add.n;
    store_add_read(r->call.chat->store, &r->add);
}

static void
on_read(struct store_op *op)
{
    struct chat_read *r = TB_CONTAINER(op, struct chat_read, add.op);

    r->count += r->add.count;
    if (op->err.code != TB_OK || r->n_done == r->ids.n) {
        chat_done_as(&r->call, op);
        return;
    }
    tb_arena_fini(&op->mem);
    r->add.fresh = NULL;
    r->add.n_fresh = 0;
    read_step(r);
}

static int
compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* A step knows its own repeats only; across steps each id is to count once. */
static void
drop_repeats(struct chat_ids *ids)
{
    size_t n = 0;

    qsort(ids->p, ids->n, sizeof *ids->p, compare_ids);
    for (size_t i = 0; i < ids->n; i++)
        if (n == 0 || ids->p[i] != ids->p[n - 1])
            ids->p[n++] = ids->p[i];
    ids->n = n;
}

static enum tb_code
check(const struct chat_read *r, const struct chat_limits *limits, struct tb_err *e)
{
    if (r->ids.n == 0)
        return tb_fail(e, TB_EINPUT, CHAT_SAY_NO_IDS, "no message ids");
    if (r->ids.n <= limits->read_ids)
        return TB_OK;
    chat_hit(HIT_READ_IDS);
    return tb_fail(e, TB_EINPUT, "Too many messageIds at once", "%zu message ids, limit %zu", r->ids.n, limits->read_ids);
}

void
chat_read(struct chat *c, struct chat_read *r)
{
    chat_begin(c, &r->call);
    if (check(r, &c->limits, &r->call.err) != TB_OK) {
        chat_done(&r->call);
        return;
    }
    if (r->ids.n > CHAT_READ_STEP)
        drop_repeats(&r->ids);
    r->add.user_id = r->call.user_id;
    r->add.room_id = r->room_id;
    chat_ready(&r->call, &r->add.op, on_read);
    read_step(r);
}

static void
finish_partial(struct chat_receipts *r)
{
    r->is_partial = true;
    chat_done(&r->call);
}

static void
on_judged(struct store_op *op)
{
    struct chat_receipts *r = TB_CONTAINER(op, struct chat_receipts, judge.op);

    r->items = r->rest.receipts;
    r->n = r->rest.n;
    chat_done_as(&r->call, op);
}

/* The centre knows in which room the message is; who is in it is judged here. */
static void
on_rest(struct store_op *op)
{
    struct chat_receipts *r = TB_CONTAINER(op, struct chat_receipts, rest.op);

    if (chat_is_out_of_reach(op)) {
        finish_partial(r);
    } else if (op->err.code != TB_OK) {
        chat_done_as(&r->call, op);
    } else {
        r->judge.message_id = r->message_id;
        r->judge.user_id = r->call.user_id;
        r->judge.room_id = r->rest.room_id;
        chat_ready(&r->call, &r->judge.op, on_judged);
        store_list_receipts(r->call.chat->store, &r->judge);
    }
}

static void
on_receipts(struct store_op *op)
{
    struct chat_receipts *r = TB_CONTAINER(op, struct chat_receipts, list.op);

    r->items = r->list.items;
    r->n = r->list.n;
    if (op->err.code != TB_OK || !r->list.is_beyond) {
        chat_done_as(&r->call, op);
        return;
    }
    r->rest.what = STORE_BEYOND_RECEIPTS;
    r->rest.message_id = r->message_id;
    if (!chat_ask_beyond(&r->call, &r->rest, on_rest))
        finish_partial(r);
}

void
chat_receipts(struct chat *c, struct chat_receipts *r)
{
    chat_begin(c, &r->call);
    r->list.message_id = r->message_id;
    r->list.user_id = r->call.user_id;
    chat_ready(&r->call, &r->list.op, on_receipts);
    store_list_receipts(c->store, &r->list);
}
