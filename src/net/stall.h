#pragma once
/* A watchdog for a loop that no longer turns. Its thread asks the loop each tick whether it still does and tells when no answer
 * has come for a while, with what is known. Time in which this thread itself did not get on does not count: a process that was
 * stopped by a debugger or a signal, or a machine that slept, has no stalled loop.
 * Threads: the one that starts it stops it; on_stall runs on the watchdog's. */
#include "net/net.h"

struct net_stall {
    int64_t     for_ms;             /* of this thread's own progress */
    int64_t     cpu_ms;             /* that the loop has worked in them: about as many, and it spins; none, and it waits */
    const char *doing;              /* static text */
    char        peer[48];           /* whose bytes were the last that were read; may be none */
    unsigned    connections;
};

struct net_watchdog;

/* on_stall: once a tick from the first tick without an answer on. net outlives it. */
struct net_watchdog *net_watchdog_start(struct net *net, unsigned tick_ms,
                                        void (*on_stall)(void *ctx, const struct net_stall *), void *ctx);
void                 net_watchdog_stop(struct net_watchdog **);     /* accepts NULL inside */

/* How long the loop has been silent, from the times at which one looked. */
struct net_silence {
    int64_t  looked_ms;             /* 0: never */
    int64_t  silent_ms;
    uint64_t asked;                 /* questions so far */
};

/* One look, at now_ms, tick_ms being the time between two; answered: questions that the loop has answered. Returns
 * silent_ms: 0 as long as it answers. After it, one question more is to be asked. */
int64_t net_silence_look(struct net_silence *, int64_t now_ms, int64_t tick_ms, uint64_t answered);
