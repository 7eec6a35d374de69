#pragma once
/* Who pays for what clients cost: an address, an account (see eio_session_set_payer). Two things are
 * shared among payers: memory, by a budget, and the time of the loop, by a line in which waits what a
 * turn has no time for.
 * Threads: the engine's. */
#include "base/budget.h"
#include "index.h"
#include "timer.h"
#include "tombolo/eio.h"

/* Something that waits for its turn, embedded in what it is. */
struct eio_waiter {
    struct eio_payer  *payer;           /* NULL: it does not wait */
    struct eio_waiter *next, *prev;     /* of the payer's */
    size_t             bytes;           /* of work: what it costs is guessed by them */
    void             (*go)(struct eio_waiter *);    /* its turn has come; it does not wait any more, and may wait again */
};

struct eio_payer {
    struct eio_payers *all;
    size_t             held;            /* bytes, over all its sessions */
    struct eio_waiter *first;           /* in order of coming; prev of the first: the last */
    struct eio_timer   place;           /* in the line, while it has any: at_ms is no time, see payer.c */
    uint32_t           refs;
    uint8_t            n_key;
    char               key[EIO_PAYER_MAX];
};

struct eio_payers {
    struct eio_index  by_key;
    struct tb_budget  budget;
    size_t            n_holding;        /* that hold anything */
    struct eio_timers line;
    int64_t           line_at;          /* where the line has got to */
};

void eio_payers_init(struct eio_payers *, size_t max_held, const uint64_t seed[2]);
void eio_payers_fini(struct eio_payers *);              /* none may be there; asserted */

/* The payer of this key (cut to EIO_PAYER_MAX), made when it is new. A reference to give back. */
struct eio_payer *eio_payer_take(struct eio_payers *, tb_str key);
void              eio_payer_drop(struct eio_payer **);

/* *part, one session's part of what it holds, becomes now. */
void   eio_payer_weigh(struct eio_payer *, size_t *part, size_t now);
size_t eio_payer_share(const struct eio_payer *);       /* what it may hold now; SIZE_MAX: anything */

/* ---- the line ---- */

void eio_payer_wait(struct eio_payer *, struct eio_waiter *w, size_t bytes);
void eio_waiter_leave(struct eio_waiter *);             /* one that does not wait: nothing happens */
bool eio_payers_are_waiting(const struct eio_payers *);
void eio_payers_call(struct eio_payers *);              /* the next one goes; there must be one */
