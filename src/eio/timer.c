/* A binary heap of pointers, least at_ms on top. Each timer knows its place in it, so that moving and cancelling cost
 * log n. Sessions move their timer seldom: see eio_session_arm. */
#include "timer.h"

#include <assert.h>

enum { FIRST_CAP = 16 };

void
eio_timers_fini(struct eio_timers *ts)
{
    assert(ts->n == 0);
    tb_free(ts->heap);
    *ts = (struct eio_timers){ 0 };
}

static void
put(struct eio_timers *ts, uint32_t place, struct eio_timer *t)
{
    ts->heap[place - 1] = t;
    t->place = place;
}

/* Moves t up from an empty place to where it belongs. */
static void
sift_up(struct eio_timers *ts, uint32_t place, struct eio_timer *t)
{
    while (place > 1 && ts->heap[place / 2 - 1]->at_ms > t->at_ms) {
        put(ts, place, ts->heap[place / 2 - 1]);
        place /= 2;
    }
    put(ts, place, t);
}

static void
sift_down(struct eio_timers *ts, uint32_t place, struct eio_timer *t)
{
    for (uint32_t child; (child = 2 * place) <= ts->n; place = child) {
        if (child < ts->n && ts->heap[child]->at_ms < ts->heap[child - 1]->at_ms)
            child++;
        if (ts->heap[child - 1]->at_ms >= t->at_ms)
            break;
        put(ts, place, ts->heap[child - 1]);
    }
    put(ts, place, t);
}

static void
settle(struct eio_timers *ts, uint32_t place, struct eio_timer *t)
{
    if (place > 1 && ts->heap[place / 2 - 1]->at_ms > t->at_ms)
        sift_up(ts, place, t);
    else
        sift_down(ts, place, t);
}

void
eio_timers_set(struct eio_timers *ts, struct eio_timer *t, int64_t at_ms)
{
    t->at_ms = at_ms;
    if (t->place == 0) {
        if (ts->n == ts->cap) {
            ts->cap = ts->cap ? 2 * ts->cap : FIRST_CAP;
            ts->heap = tb_realloc(ts->heap, ts->cap * sizeof(struct eio_timer *));
        }
        put(ts, ++ts->n, t);
    }
    settle(ts, t->place, t);
}

void
eio_timers_cancel(struct eio_timers *ts, struct eio_timer *t)
{
    if (t->place == 0)
        return;

    uint32_t          place = t->place;
    struct eio_timer *last = ts->heap[--ts->n];
    t->place = 0;
    if (last != t)
        settle(ts, place, last);
}

int64_t
eio_timers_next(const struct eio_timers *ts)
{
    return ts->n > 0 ? ts->heap[0]->at_ms : INT64_MAX;
}

bool
eio_timers_fire(struct eio_timers *ts, int64_t now_ms)
{
    if (eio_timers_next(ts) > now_ms)
        return false;
    struct eio_timer *t = ts->heap[0];
    eio_timers_cancel(ts, t);
    t->fire(t);
    return true;
}
