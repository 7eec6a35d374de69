/* How many requests of one HTTP/2 connection are worked on at a time. One counts from when its handler has it until its answer
 * has been taken; a poll that waits for something to say does not. It begins with FIRST and has one more for each answer that
 * was taken, up to limits.requests_at_once, so that who asks for much and takes nothing keeps few answers in memory and few
 * reads busy; who leaves UNTAKEN_BYTES lying has one at a time. HTTP/1 has no more than one anyway.
 * Always: a request is in conn->waiting exactly while its handler has not heard of it. */
#include "net/internal.h"

enum {
    FIRST = 2,
    UNTAKEN_BYTES = 65536,
};

static bool
has_room(const struct net_conn *c)
{
    unsigned most = FIRST + c->n_taken;

    if (most > c->net->limits.requests_at_once)
        most = c->net->limits.requests_at_once;
    return c->n_working == 0 || (c->n_working < most && c->unsent_bytes <= UNTAKEN_BYTES);
}

static void
count(struct net_hook *hook)
{
    hook->is_worked_on = true;
    hook->conn->n_working++;
}

bool
net_window_enter(struct net_req *r)
{
    struct net_conn *c = r->hook->conn;

    if (!c->is_http2 || c->net->limits.requests_at_once == 0)
        return true;
    if (c->n_waiting > 0 || !has_room(c)) {
        h2o_linklist_insert(&c->waiting, &r->waiting);
        c->n_waiting++;
        c->net->n_waiting++;
        return false;
    }
    count(r->hook);
    return true;
}

static void
end_waiting(struct net_conn *c, struct net_req *r)
{
    h2o_linklist_unlink(&r->waiting);
    c->n_waiting--;
    c->net->n_waiting--;
}

bool
net_window_drop(struct net_req *r)
{
    if (!h2o_linklist_is_linked(&r->waiting))
        return false;
    end_waiting(r->hook->conn, r);
    return true;
}

/* At the end of the turn: a handler may answer at once, and h2o is in the midst of something here. */
static void
let_in_soon(struct net_conn *c)
{
    if (c->n_waiting == 0)
        return;
    if (!h2o_linklist_is_linked(&c->has_room))
        h2o_linklist_insert(&c->net->with_room, &c->has_room);
    net_at_end_wish(c->net->let_in);
}

void
net_window_leave(struct net_hook *hook, bool was_taken)
{
    struct net_conn *c = hook->conn;

    if (!hook->is_worked_on)
        return;
    hook->is_worked_on = false;
    c->n_working--;
    c->n_taken += was_taken && c->n_taken < c->net->limits.requests_at_once;
    let_in_soon(c);
}

static void
let_in(void *ctx)
{
    struct net    *net = ctx;
    h2o_linklist_t now;

    h2o_linklist_init_anchor(&now);
    h2o_linklist_insert_list(&now, &net->with_room);
    while (!h2o_linklist_is_empty(&now)) {
        struct net_conn *c = H2O_STRUCT_FROM_MEMBER(struct net_conn, has_room, now.next);
        h2o_linklist_unlink(&c->has_room);
        while (c->n_waiting > 0 && has_room(c)) {
            struct net_req *r = H2O_STRUCT_FROM_MEMBER(struct net_req, waiting, c->waiting.next);
            end_waiting(c, r);
            count(r->hook);
            net_req_hand_over(r);
        }
    }
}

void
net_window_begin(struct net_conn *c)
{
    h2o_linklist_init_anchor(&c->waiting);
}

void
net_window_end(struct net_conn *c)
{
    if (h2o_linklist_is_linked(&c->has_room))
        h2o_linklist_unlink(&c->has_room);
}

void
net_window_init(struct net *net)
{
    h2o_linklist_init_anchor(&net->with_room);
    net->let_in = net_at_end_new(net, let_in, net);
}

void
net_window_fini(struct net *net)
{
    net_at_end_free(&net->let_in);
}
