/* A binary heap of running timers, each knowing its place, so that one is moved or stopped in O(log n): sessions will have
 * thousands. Always: heap[i] fires no later than heap[2i+1] and heap[2i+2], and heap[i]->place == i.
 * h2o's own timeouts would not do: they are lists of one duration each and follow the wall clock, which jumps. */
#include "net/timers.h"

#include "base/thread.h"

#include <assert.h>

enum { STOPPED = -1 };

struct net_timer {
    struct net *net;
    void      (*on_time)(void *ctx);
    void       *ctx;
    int64_t     at_us;
    uint64_t    turn;           /* in which it was started: one that is due at once waits for the next */
    long        place;          /* in the heap, or STOPPED */
};

static void
put(struct net_timers *h, size_t place, struct net_timer *t)
{
    h->heap[place] = t;
    t->place = (long)place;
}

static void
move_up(struct net_timers *h, size_t i)
{
    struct net_timer *t = h->heap[i];

    for (; i > 0 && h->heap[(i - 1) / 2]->at_us > t->at_us; i = (i - 1) / 2)
        put(h, i, h->heap[(i - 1) / 2]);
    put(h, i, t);
}

static void
move_down(struct net_timers *h, size_t i)
{
    struct net_timer *t = h->heap[i];

    for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
        if (child + 1 < h->n && h->heap[child + 1]->at_us < h->heap[child]->at_us)
            child++;
        if (h->heap[child]->at_us >= t->at_us)
            break;
        put(h, i, h->heap[child]);
    }
    put(h, i, t);
}

static void
add(struct net_timers *h, struct net_timer *t)
{
    if (h->n == h->cap) {
        h->cap = h->cap > 0 ? 2 * h->cap : 16;
        h->heap = tb_realloc(h->heap, h->cap * sizeof(void *));
    }
    put(h, h->n, t);
    move_up(h, h->n++);
}

static void
cut_out(struct net_timers *h, struct net_timer *t)
{
    size_t            hole = (size_t)t->place;
    struct net_timer *last = h->heap[--h->n];

    t->place = STOPPED;
    if (last == t)
        return;
    put(h, hole, last);
    move_up(h, hole);
    move_down(h, (size_t)last->place);
}

int32_t
net_timers_wait(const struct net_timers *h, int64_t now_us, int32_t limit_ms)
{
    if (h->n == 0)
        return limit_ms;
    int64_t left_us = h->heap[0]->at_us - now_us;
    if (left_us <= 0)
        return 0;
    return left_us > (int64_t)limit_ms * 1000 ? limit_ms : (int32_t)((left_us + 999) / 1000);
}

void
net_timers_run(struct net_timers *h, int64_t now_us)
{
    uint64_t this_turn = ++h->turn;

    while (h->n > 0 && h->heap[0]->at_us <= now_us && h->heap[0]->turn < this_turn) {
        struct net_timer *t = h->heap[0];
        cut_out(h, t);
        t->on_time(t->ctx);     /* may start it again, or free it */
    }
}

void
net_timers_fini(struct net_timers *h)
{
    assert(h->n == 0);
    tb_free(h->heap);
    *h = (struct net_timers){ 0 };
}

struct net_timer *
net_timer_new(struct net *net, void (*on_time)(void *ctx), void *ctx)
{
    struct net_timer *t = TB_NEW(struct net_timer);

    assert(tb_thread_is(TB_LOOP));
    *t = (struct net_timer){ .net = net, .on_time = on_time, .ctx = ctx, .place = STOPPED };
    return t;
}

void
net_timer_start(struct net_timer *t, uint64_t after_ms)
{
    struct net_timers *h = net_timers_of(t->net);

    assert(tb_thread_is(TB_LOOP));
    net_timer_stop(t);
    t->at_us = net_timers_now(t->net) + (int64_t)after_ms * 1000;
    t->turn = h->turn;
    add(h, t);
}

void
net_timer_stop(struct net_timer *t)
{
    assert(tb_thread_is(TB_LOOP));
    if (t->place != STOPPED)
        cut_out(net_timers_of(t->net), t);
}

void
net_timer_free(struct net_timer **t)
{
    if (*t == NULL)
        return;
    net_timer_stop(*t);
    tb_free(*t);
    *t = NULL;
}
