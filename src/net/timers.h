#pragma once
/* The timers of one loop: a heap by time. Threads: the loop's. */
#include "net/net.h"

struct net_timers {
    struct net_timer **heap;    /* [0] is the next to fire */
    size_t             n, cap;
    uint64_t           turn;    /* counts net_timers_run */
};

struct net_timers *net_timers_of(struct net *);         /* server.c knows where they are, and the clock */
int64_t            net_timers_now(const struct net *);

/* Milliseconds until the next is due, at most limit_ms, rounded up. */
int32_t net_timers_wait(const struct net_timers *, int64_t now_us, int32_t limit_ms);

/* Fires what is due at now_us. A timer that starts itself again with 0 ms waits for the next call. */
void net_timers_run(struct net_timers *, int64_t now_us);
void net_timers_fini(struct net_timers *);              /* asserts that every timer was stopped */
