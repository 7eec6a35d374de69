#pragma once
/* The REST calls of DESIGN section 4: JSON in, JSON or a failure out. Everything that is decided is decided in chat;
 * here are paths, fields and shapes.
 * Threads: the loop. */
#include "base/address.h"
#include "chat/chat.h"
#include "chat/live.h"
#include "net/net.h"

struct rest;

enum rest_sync_state { REST_SYNC_OFF, REST_SYNC_UP, REST_SYNC_DOWN, REST_SYNC_DIVERGED };

struct rest_sync {                  /* how the centre is reached; for GET /sync, /readyz and /metrics */
    enum rest_sync_state state;
    int64_t lag_ops;                /* own ops that are not there yet */
    int64_t lag_ms;                 /* age of the oldest of them; 0: none */
    int64_t last_synced_at;         /* ms; 0: never */
    uint64_t failures, pushed, pulled, parked;      /* since start */
    uint64_t refused_streams;
    uint64_t refused;               /* changes and rows from outside that were not sound, since start */
    uint64_t taken, forgotten; /* rows of the centre's tables; own changes that have left its log */
    int64_t  centre_ahead_ms;       /* of our clock */
    bool     is_paused;             /* the state is REST_SYNC_DOWN then */
    size_t   archive_waiting, archive_max;      /* requests for what only the centre still has */
};

struct page_file;                   /* see page.h */

struct rest_settings {
    struct chat        *chat;       /* outlives the rest */
    size_t              max_body;   /* bytes of a body, also once it was inflated */
    bool                old_statuses;       /* 400 for what the old backend answered 400 for */
    struct live        *live;       /* likewise; told which history pages were shown; NULL: nobody is */
    const struct store *store;      /* likewise; for /readyz and /metrics */
    struct tb_networks  metrics_from;       /* that may read /metrics besides this machine */
    void (*sync_of)(void *ctx, struct rest_sync *out);  /* called on the loop, must not block; NULL: sync is off */
    void  *sync_ctx;
    const struct page_file *page;   /* borrowed, what GET /app/ shows; NULL: it is switched off */
};

void rest_open(struct rest **out, const struct rest_settings *settings);
void rest_close(struct rest **);    /* after the last request was answered */

/* What GET /metrics says, for who asks by another door. */
void rest_write_metrics(struct rest *, struct tb_buf *out);

/* One request: answered by net_respond, once, now or later. Fits net_handle(net, "/", rest_on_request, rest). */
void rest_on_request(void *rest, struct net_request *http);
