#pragma once
/* Timers of one engine: a heap of what is due when. The host is only ever asked for the earliest (eio_host.wake_at).
 * Threads: the engine's. */
#include "tombolo/str.h"

/* Embedded in what it is for; zeroed before its first use. Must be cancelled before its memory goes. */
struct eio_timer {
    int64_t  at_ms;
    void   (*fire)(struct eio_timer *);     /* it is not set any more then, and may be set again */
    uint32_t place;                         /* in the heap, from 1; 0: not set */
};

struct eio_timers {
    struct eio_timer **heap;
    uint32_t           n, cap;
};

void    eio_timers_fini(struct eio_timers *);                           /* none may be set; asserted */
void    eio_timers_set(struct eio_timers *, struct eio_timer *, int64_t at_ms);     /* again: moves it */
void    eio_timers_cancel(struct eio_timers *, struct eio_timer *);     /* one that is not set: nothing happens */
int64_t eio_timers_next(const struct eio_timers *);                     /* the earliest at_ms, or INT64_MAX */
bool    eio_timers_fire(struct eio_timers *, int64_t now_ms);           /* fires one that is due; false: none was */
