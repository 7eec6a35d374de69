#pragma once
/* What Socket.IO needs of the engine beyond eio.h: its clock and its timers.
 * Threads: the engine's. */
#include "timer.h"
#include "tombolo/eio.h"

int64_t eio_engine_now(const struct eio_engine *);
void    eio_engine_set_timer(struct eio_engine *, struct eio_timer *, int64_t at_ms);
void    eio_engine_cancel_timer(struct eio_engine *, struct eio_timer *);

/* eio_default_options, for those that build on it. The first three and max_payload are the reference server's. */
#define EIO_DEFAULTS                                                                                     \
    {                                                                                                    \
        .ping_interval_ms = 25000, .ping_timeout_ms = 20000, .upgrade_timeout_ms = 10000,                \
        .write_timeout_ms = 30000, .max_payload = 1000000, .max_queued = 1 << 20, .max_held = 16 << 20, \
        .turn_ms = 5, .max_sessions = 100000,                                                            \
        .allow_polling = true, .allow_websocket = true, .allow_upgrades = true,                          \
    }
