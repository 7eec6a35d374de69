/* Who has read what. */
#include "inside.h"

static void
on_read(struct store_op *op)
{
    struct chat_read *r = TB_CONTAINER(op, struct chat_read, add.op);
    chat_done_as(&r->call, op);
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
    r->add.user_id = r->call.user_id;
    r->add.room_id = r->room_id;
    r->add.message_ids = r->ids.p;
    r->add.n = r->ids.n;
    chat_ready(&r->call, &r->add.op, on_read);
    store_add_read(c->store, &r->add);
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
