/* Sending and paging. A page that reaches what has left the journal is what is here, and behind it what the centre has.
 * A send is counted for the rate when it is let through and uncounted when nothing came of it, so
 * that two sends in flight cannot both take the last place, and a refused one takes none. */
#include "inside.h"

#include <inttypes.h>

static struct chat_limit_key
sender_of(const struct chat_send *s)
{
    return chat_limit_key_of(s->call.user_id);
}

static void
on_added(struct store_op *op)
{
    struct chat_send *s = TB_CONTAINER(op, struct chat_send, add.op);

    if (op->err.code != TB_OK || s->add.was_known)
        chat_limit_take_back(s->call.chat->sends, sender_of(s), s->counted_us);
    s->message = &s->add.message;
    chat_done_as(&s->call, op);
}

static void
add(struct chat_send *s)
{
    struct chat *c = s->call.chat;
    int64_t      wait_us;

    s->counted_us = tb_mono_us(c->clock);
    if (!chat_limit_admit(c->sends, sender_of(s), s->counted_us, &wait_us)) {
        chat_hit(HIT_MESSAGES);
        chat_fail_limit(&s->call.err, "Rate limit exceeded. Try again shortly.", wait_us);
        chat_done(&s->call);
        return;
    }
    s->add.room_id = s->room_id;
    s->add.sender_id = s->call.user_id;
    s->add.content = s->content;
    s->add.key = s->key;
    chat_ready(&s->call, &s->add.op, on_added);
    store_add_message(c->store, &s->add);
}

static void
on_found(struct store_op *op)
{
    struct chat_send *s = TB_CONTAINER(op, struct chat_send, find.op);

    if (op->err.code == TB_ENOTFOUND) {
        add(s);
        return;
    }
    s->message = &s->find.message;
    chat_done_as(&s->call, op);
}

static void
find(struct chat_send *s)
{
    s->find.sender_id = s->call.user_id;
    s->find.room_id = s->room_id;
    s->find.key = s->key;
    s->find.content = s->content;
    chat_ready(&s->call, &s->find.op, on_found);
    store_find_sent(s->call.chat->store, &s->find);
}

static enum tb_code
check(struct chat_send *s, struct tb_err *e)
{
    if (chat_check_content(&s->content, s->call.chat->limits.content_bytes, e) != TB_OK) {
        if (e->code == TB_ETOOBIG)
            chat_hit(HIT_CONTENT);
        return e->code;
    }
    return s->key.p != NULL ? chat_check_key(s->key, e) : TB_OK;
}

void
chat_send(struct chat *c, struct chat_send *s)
{
    chat_begin(c, &s->call);
    if (check(s, &s->call.err) != TB_OK)
        chat_done(&s->call);
    else if (s->key.p != NULL)
        find(s);
    else
        add(s);
}

static void
finish_partial(struct chat_history *h)
{
    h->is_partial = true;
    chat_done(&h->call);
}

/* One more than the page takes was asked for: it says that there is a further page. */
static void
add_rest(struct chat_history *h)
{
    size_t                here = h->list.n, room = h->limit - here, n = h->rest.n < room ? h->rest.n : room;
    struct store_message *items = TB_ARENA_ARRAY(&h->rest.op.mem, struct store_message, here + n);

    if (here > 0)
        memcpy(items, h->list.items, here * sizeof *items);
    if (n > 0)
        memcpy(items + here, h->rest.items, n * sizeof *items);
    h->items = items;
    h->n = here + n;
    h->list.next_cursor = h->rest.n > room ? items[h->n - 1].id : 0;
}

static void
on_rest(struct store_op *op)
{
    struct chat_history *h = TB_CONTAINER(op, struct chat_history, rest.op);

    if (chat_is_out_of_reach(op)) {
        finish_partial(h);
        return;
    }
    if (op->err.code == TB_OK)
        add_rest(h);
    chat_done_as(&h->call, op);
}

static void
on_listed(struct store_op *op)
{
    struct chat_history *h = TB_CONTAINER(op, struct chat_history, list.op);

    h->items = h->list.items;
    h->n = h->list.n;
    if (op->err.code != TB_OK || !h->list.is_beyond) {
        chat_done_as(&h->call, op);
        return;
    }
    h->rest.what = STORE_BEYOND_PAGE;
    h->rest.room_id = h->room_id;
    h->rest.before_hlc = h->list.before_hlc;
    h->rest.before_id = h->list.before_id;
    h->rest.limit = h->limit - (unsigned)h->list.n + 1;
    if (!chat_ask_beyond(&h->call, &h->rest, on_rest))
        finish_partial(h);
}

void
chat_history(struct chat *c, struct chat_history *h)
{
    chat_begin(c, &h->call);
    if (h->limit < 1 || h->limit > CHAT_HISTORY_MAX) {
        tb_fail(&h->call.err, TB_EINPUT, "limit must be a number from 1 to 100", "limit %u", h->limit);
        chat_done(&h->call);
        return;
    }
    h->list.room_id = h->room_id;
    h->list.user_id = h->call.user_id;
    h->list.cursor = h->cursor;
    h->list.since = h->since;
    h->list.limit = h->limit;
    chat_ready(&h->call, &h->list.op, on_listed);
    store_list_messages(c->store, &h->list);
}
