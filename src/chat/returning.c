/* Whom others took for online when the server ended, however it did. Who comes back within the time in which a client notices
 * that its line is dead and tries again was never away; of the others it is told then that they are offline. Whether somebody is
 * online now is asked of his sockets alone. */
#include "live_inside.h"

enum { USERS_A_PAGE = 100 };

struct page {
    struct store_list_online r;
    struct live             *live;
};

/* Those of the page who are not here. */
static void
tell_page(struct live *l, const struct store_list_online *r)
{
    struct store_seen *gone = tb_alloc(USERS_A_PAGE * sizeof *gone);
    tb_str            *rooms = tb_alloc(r->n * sizeof *rooms);
    size_t             n = 0;

    for (size_t i = 0, next; i < r->n; i = next) {
        int64_t user_id = r->items[i].user_id;
        size_t  n_rooms = 0;
        for (next = i; next < r->n && r->items[next].user_id == user_id; next++) {
            char name[24];
            if (r->items[next].room_id != 0)
                rooms[n_rooms++] = tb_str_dup(live_room_name(r->items[next].room_id, name));
        }
        if (!live_is_online(l, user_id)) {
            presence_tell(l, user_id, false, rooms, n_rooms);
            gone[n++] = (struct store_seen){ .user_id = user_id };
        }
        while (n_rooms > 0)
            tb_str_free(&rooms[--n_rooms]);
    }
    presence_store(l, gone, n);
    tb_free(rooms);
}

static void ask(struct live *l, int64_t after);

static void
on_page(struct store_op *op)
{
    struct page *p = TB_CONTAINER(op, struct page, r.op);
    struct live *l = p->live;
    int64_t      last = p->r.n > 0 ? p->r.items[p->r.n - 1].user_id : 0;

    l->n_pending--;
    if (op->err.code != TB_OK)
        log_warn("live.online_not_read", "why=\"%s\"", op->err.why);
    if (p->r.n > 0 && !l->is_stopping) {
        tell_page(l, &p->r);
        ask(l, last);
    }
    store_op_fini(op);
    tb_free(p);
}

static void
ask(struct live *l, int64_t after)
{
    struct page *p = TB_NEW(struct page);

    p->live = l;
    p->r.after = after;
    p->r.limit = USERS_A_PAGE;
    p->r.op.reply_to = l->settings.mailbox;
    p->r.op.on_done = on_page;
    l->n_pending++;
    store_list_online(l->settings.store, &p->r);
}

void
returning_open(struct live *l, const struct eio_options *eio)
{
    l->returning_until_ms = tb_mono_ms(l->settings.clock) + eio->ping_interval_ms + eio->ping_timeout_ms;
    live_wake(l, l->returning_until_ms);
}

void
returning_tick(struct live *l, int64_t now_ms)
{
    if (l->returning_until_ms == 0)
        return;
    if (now_ms < l->returning_until_ms) {
        live_wake(l, l->returning_until_ms);
        return;
    }
    l->returning_until_ms = 0;
    ask(l, 0);
}
