#pragma once
/* Engine.IO's host on the loop: long-polling and WebSocket requests below a path, time, and the flush at the end of a turn.
 * Threads: the loop. */
#include "net/net.h"
#include "tombolo/eio.h"

struct net_eio;

struct net_eio        *net_eio_new(struct net *);
const struct eio_host *net_eio_host(struct net_eio *);          /* for eio_engine_new or sio_server_new */

/* Serves the engine below prefix ("/socket.io/"). max_payload: as in the engine's options. Before net_run. */
void net_eio_serve(struct net_eio *, struct eio_engine *, const char *prefix, size_t max_payload);

/* From now on nothing is asked of the engine, which may go. */
void net_eio_free(struct net_eio **);
