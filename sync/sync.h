#pragma once
/* The sync thread: takes what the journal has to the centre, and tells how far it is (DESIGN section 6). Nothing that
 * happens to the centre or to the way there is seen by anyone else than in sync_status.
 * Threads: open and close on main, the others on any. */
#include "base/clock.h"
#include "store/store.h"
#include "tombolo/err.h"

struct sync;
struct sync_target;
struct sync_sent { int64_t message_id, sender_id; };

/* A journal that has not been at the centre for so long is taken to be out of use: a restored copy may go on in its place. */
enum { SYNC_GONE_MS = 600000 };

struct sync_settings {
    struct store          *store;               /* open until sync_close has returned */
    const struct tb_clock *clock;
    const char            *url;                 /* mysql://...; NULL or "": there is no centre */
    size_t                 batch;               /* ops that go together, at least 1 */
    unsigned keep_days;  /* ops that all sites have stay at the centre for so long; 0: for ever */
    unsigned lease_days; /* a site that has been silent for longer is waited for no more */
    int                    connect_timeout_ms;
    int                    io_timeout_ms;       /* for one answer of the centre */
    const char            *dir;                 /* the data folder, where it is kept that sync is paused; NULL: it is not kept */
    /* hears on the sync thread of messages that are at the centre since at (ms); sent is borrowed for the call; or NULL */
    void                 (*on_synced)(void *ctx, const struct sync_sent *sent, size_t n, int64_t at);
    /* hears on the sync thread, when the link has come up and the journal knows it, which centre is its own; or NULL */
    void                 (*on_centre)(void *ctx, const char *uuid);
    void                  *synced_ctx;          /* of both */
    struct sync_target    *target;              /* a centre of another kind instead of url, or NULL; becomes sync's */
};

/* Starts the thread; the centre need not be there. Without one there is no thread, and the state is SYNC_OFF for good.
 * TB_EINPUT: the URL cannot be understood; why says where. */
enum tb_code sync_open(struct sync **out, const struct sync_settings *settings, struct tb_err *e) TB_MUST_CHECK;

/* Ends with the batch under way, or, when the centre takes too long, without it. Accepts NULL inside. */
void sync_close(struct sync **s);

enum sync_link {
    SYNC_OFF,           /* no centre is configured */
    SYNC_UP,
    SYNC_DOWN,          /* it will be tried again */
    SYNC_APART          /* "diverged": the centre and this journal do not belong together, a person must act */
};

const char *sync_link_name(enum sync_link link);    /* off, up, down, diverged */

enum { SYNC_WHY_SIZE = sizeof((struct tb_err *)0)->why };

struct sync_status {
    enum sync_link state;
    int64_t        lag_ops;         /* own ops that are not known to be at the centre */
    int64_t        lag_ms;          /* about the age of the oldest of them; 0: there is none */
    int64_t        last_synced_at;  /* ms; 0: not since start */
    int64_t        pushed_seq;      /* newest own op that is known to be at the centre */
    bool           is_paused;       /* by sync_pause; the state is SYNC_DOWN then */
    uint64_t       n_failures, n_pushed, n_pulled, n_parked;    /* since start */
    uint64_t n_forgotten;                              /* own ops that have left the centre's op_log, since start */
    bool is_taking;             /* the centre's tables, which make good what has left its op_log */
    uint64_t n_taken;           /* rows of them so far */
    uint64_t n_refused_streams;       /* other sites whose ops do not fit what we have of them */
    int64_t        centre_ahead_ms;         /* of our clock */
};
void sync_status(const struct sync *s, struct sync_status *out);

/* What went wrong last, for the one who runs the server, and when (ms); "" and 0: nothing since start. Any thread. */
void sync_last_failure(struct sync *s, char why[SYNC_WHY_SIZE], int64_t *at);

/* Rest until told otherwise, also after a restart: the thread ends the batch under way, lets go of the link and stays away.
 * TB_EIO: it cannot be kept in the data folder, and nothing has changed. TB_EINPUT: there is no centre. Any thread. */
enum tb_code sync_pause(struct sync *s, bool is_paused, struct tb_err *e) TB_MUST_CHECK;

/* The same wish for a server that does not run: what its data folder says. */
bool         sync_is_paused_in(const char *dir);
enum tb_code sync_pause_in(const char *dir, bool is_paused, struct tb_err *e) TB_MUST_CHECK;
