#pragma once
/* A link that can be cut and shaped, between sync and the centre: a thread that passes bytes on, one connection at a time.
 * Threads: calls from the test's main thread. */
#include "centre.h"
#include "tap.h"

#include <pthread.h>
#include <stdbool.h>

enum proxy_fault {
    PROXY_PASS,             /* bytes go through */
    PROXY_REFUSE,           /* connections are closed as they come, and the one there is */
    PROXY_CUT,              /* once: the connection there is, whatever is on its way */
    PROXY_SWALLOW_OK,       /* once: the next COMMIT's answer, and with it the connection, is lost on the way back */
    PROXY_HALVE,            /* once: the next batch stops in the middle of its text */
    PROXY_SWALLOW_ALL,      /* nothing comes back any more, and nothing is closed: a dead link */
    PROXY_HOLD,             /* nothing moves, either way; it goes on with the next fault that is set */
};

struct proxy {
    pthread_t                 thread;
    int                       listener;
    unsigned                  port, centre_port;
    char                      url[256];
    _Atomic enum proxy_fault  fault;
    _Atomic unsigned          n_faults;         /* that have struck: CUT, SWALLOW_OK and HALVE */
    _Atomic unsigned          delay_ms;         /* each way: half of a round trip */
    _Atomic unsigned          bytes_per_s;      /* each way; 0: no limit */
    _Atomic bool              is_ending;
};

void proxy_start(struct proxy *p, const struct centre *c);
void proxy_stop(struct proxy *p);

void proxy_await(struct proxy *p, unsigned n_faults);      /* until so many have struck */
