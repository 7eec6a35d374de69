#pragma once
/* What the sync thread does, a step at a time and without a thread, so that tests can move its time. See engine.c for
 * the drawing.
 * Threads: the sync thread (in tests: any one), but struct sync_facts, which others read. */
#include "base/clock.h"
#include "base/mailbox.h"
#include "target.h"

#include <stdatomic.h>

enum sync_state {
    SYNC_RESTING, SYNC_CONNECTING, SYNC_MIGRATING, SYNC_ENROLLING, SYNC_NUMBERING, SYNC_RESTORING, SYNC_SENDING,
    SYNC_PUSHING, SYNC_PULLING, SYNC_LEVEL, SYNC_DIVERGED,
    SYNC_STATE_COUNT
};

enum {
    SYNC_FIRST_REST_MS = 250, SYNC_MAX_REST_MS = 3000,  /* doubling in between; of each a half is left to chance */
    SYNC_PULL_BUSY_MS = 250,    /* between looks at the others while there is something */
    SYNC_PULL_QUIET_MS = 900,   /* and while there is not: an idle link is looked at so often, too, and what comes after a silence
                                 * is at the other sites' sockets within a second all the same */
};

struct sync_facts {                     /* written by the engine, read by any thread */
    _Atomic bool    is_up, is_diverged;
    _Atomic int64_t pushed_seq;         /* our newest op that is known to be at the centre */
    _Atomic int64_t behind_since_ms;    /* wall clock; about when the oldest op was made that is not there; 0: none is */
    _Atomic uint64_t n_failures;        /* of the link, since start */
    _Atomic uint64_t n_pushed, n_pulled;        /* ops, since start */
    _Atomic uint64_t n_refused_streams; /* sites whose ops do not fit what we have of them, on this link */
    _Atomic int64_t centre_ahead_ms;    /* of our clock, when it was reached last */
    _Atomic uint64_t n_parked;          /* ops whose content the centre refused, since start */
    _Atomic uint64_t n_forgotten;        /* own ops that have left the centre's op_log, since start */
    _Atomic bool is_taking;              /* the centre's tables, since ops that we lack have left its op_log */
    _Atomic uint64_t n_taken;            /* rows of them, since it began last */
    _Atomic int64_t last_synced_ms;     /* wall clock; the last batch that went through; 0: none yet */
};

struct sync_engine_settings {
    struct store          *store;
    const struct tb_clock *clock;
    struct sync_target    *target;      /* borrowed */
    struct tb_mailbox     *inbox;       /* of the thread that steps: hears the store's answers */
    struct sync_facts     *facts;
    size_t                 batch;       /* ops in one batch, at least 1 */
    struct sync_keep keep;                                   /* in op_log; days 0: for ever */
    uint64_t               seed;        /* of the chance in resting; not 0 */
    void                 (*on_failure)(void *ctx, const struct tb_err *why);    /* hears each one; NULL: nobody does */
    void                  *failure_ctx;
    /* hears of messages that have reached the centre at at_ms; borrowed for the call; NULL: nobody does */
    void                 (*on_synced)(void *ctx, const struct sync_sent *sent, size_t n, int64_t at_ms);
    void                 (*on_centre)(void *ctx, const char *uuid);     /* hears when the journal knows it; NULL: nobody does */
    void                  *synced_ctx;  /* of both */
};

struct sync_engine;

struct sync_engine *sync_engine_new(const struct sync_engine_settings *settings);
void                sync_engine_free(struct sync_engine **s);   /* drops the link */

/* Does one thing. Returns how many ms may pass before the next one (0: at once, -1: any number) unless a message comes:
 * after running messages, step again. */
int sync_engine_step(struct sync_engine *s);

void            sync_engine_wake(struct sync_engine *s);            /* there are new ops */

/* Let go of the link at the next step and rest until told otherwise; then begin again at once. What has diverged stays so. */
void            sync_engine_pause(struct sync_engine *s, bool is_paused);

void            sync_engine_stop(struct sync_engine *s);            /* no step follows; the store is asked nothing new */
bool            sync_engine_awaits_store(const struct sync_engine *s);  /* an answer is due at the inbox: do not free yet */
enum sync_state sync_engine_state(const struct sync_engine *s);
