/* The line is a fair queue (A. Demers, S. Keshav, S. Shenker: Analysis and Simulation of a Fair Queueing
 * Algorithm, 1989). The place of each payer is a number of bytes: where the line has got to, and the bytes
 * of its next work beyond that. The least goes first. So a payer who asks for little goes before those who
 * ask for much, however many they are, and what one payer asks for on many connections waits behind itself.
 * The heap is that of the timers, with places for times. */
#include "payer.h"

#include <assert.h>
#include <utlist.h>

enum { LEAST_WORK = 256 };      /* bytes that anything is taken for: an empty event is work, too */

static tb_str
key_of(const void *item)
{
    const struct eio_payer *p = item;
    return (tb_str){ .p = p->key, .n = p->n_key };
}

void
eio_payers_init(struct eio_payers *all, size_t max_held, const uint64_t seed[2])
{
    *all = (struct eio_payers){ .budget = { .limit = max_held } };
    eio_index_init(&all->by_key, key_of, seed);
}

void
eio_payers_fini(struct eio_payers *all)
{
    assert(all->by_key.n == 0 && all->budget.held == 0 && all->n_holding == 0);
    eio_index_fini(&all->by_key);
    eio_timers_fini(&all->line);
}

static void
on_turn(struct eio_timer *t)
{
    struct eio_payer  *p = TB_CONTAINER(t, struct eio_payer, place);
    struct eio_waiter *w = p->first;

    p->all->line_at = t->at_ms;
    p->refs++;
    eio_waiter_leave(w);
    w->go(w);
    eio_payer_drop(&p);
}

struct eio_payer *
eio_payer_take(struct eio_payers *all, tb_str key)
{
    key.n = key.n < EIO_PAYER_MAX ? key.n : EIO_PAYER_MAX;
    struct eio_payer *p = eio_index_find(&all->by_key, key);

    if (p == NULL) {
        p = TB_NEW(struct eio_payer);
        p->all = all;
        p->place.fire = on_turn;
        p->n_key = (uint8_t)key.n;
        if (key.n > 0)
            memcpy(p->key, key.p, key.n);
        eio_index_add(&all->by_key, p);
    }
    p->refs++;
    return p;
}

void
eio_payer_drop(struct eio_payer **payer)
{
    struct eio_payer *p = *payer;

    *payer = NULL;
    if (p == NULL || --p->refs > 0)
        return;
    assert(p->held == 0 && p->first == NULL);
    eio_index_remove(&p->all->by_key, p);
    tb_free(p);
}

void
eio_payer_weigh(struct eio_payer *p, size_t *part, size_t now)
{
    size_t before = p->held;

    p->held += now - *part;
    p->all->n_holding += (p->held > 0) - (before > 0);
    tb_budget_weigh(&p->all->budget, part, now);
}

size_t
eio_payer_share(const struct eio_payer *p)
{
    return tb_budget_share(&p->all->budget, p->all->n_holding);
}

/* ---- the line ---- */

static void
stand(struct eio_payer *p)
{
    eio_timers_set(&p->all->line, &p->place, p->all->line_at + (int64_t)p->first->bytes + LEAST_WORK);
}

void
eio_payer_wait(struct eio_payer *p, struct eio_waiter *w, size_t bytes)
{
    assert(w->payer == NULL);
    w->payer = p;
    w->bytes = bytes;
    p->refs++;
    DL_APPEND(p->first, w);
    if (p->first == w)
        stand(p);
}

void
eio_waiter_leave(struct eio_waiter *w)
{
    struct eio_payer *p = w->payer;

    if (p == NULL)
        return;
    bool was_first = p->first == w;
    w->payer = NULL;
    DL_DELETE(p->first, w);
    if (p->first == NULL)
        eio_timers_cancel(&p->all->line, &p->place);
    else if (was_first)
        stand(p);
    eio_payer_drop(&p);
}

bool
eio_payers_are_waiting(const struct eio_payers *all)
{
    return all->line.n > 0;
}

void
eio_payers_call(struct eio_payers *all)
{
    bool was_there = eio_timers_fire(&all->line, INT64_MAX);
    assert(was_there);
}
