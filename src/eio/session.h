#pragma once
/* What the parts of the library share about one client: see session.c for its life, poll.c, stream.c and probe.c for
 * what carries it, engine.c for all of them together.
 * Threads: the engine's. */
#include "engine.h"
#include "index.h"
#include "packet.h"
#include "payer.h"
#include "queue.h"
#include "ws.h"

enum {
    EIO_SID_SIZE = 20,                  /* characters: 15 random bytes, as the reference server has it */
    EIO_PROBE_NOOP_MS = 100,            /* how often a waiting poll is ended during an upgrade: the reference's */
    EIO_POLL_PACKETS = 16,              /* of an answer to a poll: python-engineio's clients take no more, and give up */
    EIO_CLOSING_MS = 30000,             /* for a closed client to fetch the rest and the goodbye: the reference's */
    EIO_GOODBYE_MS = 5000,              /* for a close frame to leave when nothing else has to */
    EIO_INPUT_A_TURN = 65536,           /* bytes of one stream; one peer cannot hold up the loop */
    EIO_LAST_TURN_MS = 1000,            /* when all ends, for what has come and waits */
    EIO_SLICE_MS = 1,                   /* of one stream out of the line */
    EIO_UNKNOWN_BODY = 8192,            /* bytes of a POST that names no session: read only to be refused */
};

enum eio_state {
    EIO_POLLING,        /* carried by GET and POST */
    EIO_PROBING,        /* the same, and a WebSocket has come for an upgrade */
    EIO_PROBED,         /* the same, and it has been answered "3probe" */
    EIO_STREAMING,      /* carried by a WebSocket */
    EIO_CLOSING,        /* on_close has been called; what is queued and the goodbye are still to leave */
    EIO_CLOSED,         /* nothing but memory that someone refers to */
    EIO_STATE_COUNT
};

/* What one client may send: see frames_per_second. */
struct eio_rate {
    int64_t  since_ms;
    uint32_t n;                         /* since then */
};

/* n more. false: too many, which is counted. */
bool eio_rate_take(struct eio_engine *, struct eio_rate *, uint32_t n);

struct eio_session {
    struct eio_engine  *engine;
    void               *app;
    struct eio_stream  *stream;         /* in STREAMING, and CLOSING from there; else NULL */
    struct eio_request *poll;           /* a GET that waits; NULL while streaming */
    struct eio_probe   *probe;          /* in PROBING and PROBED; else NULL */
    struct eio_payer   *payer;
    size_t              held;           /* its part of what the payer holds; see eio_session_weigh */
    size_t              app_bytes, post_bytes;      /* of that: the application's; POSTs that wait their turn */
    struct eio_session *next_dirty;
    struct eio_queue    queue;
    struct eio_timer    timer;          /* never later than due_ms and write_due_ms; see eio_session_arm */
    int64_t             due_ms;         /* the next ping, or the end of the wait for a pong or for the goodbye */
    int64_t             write_due_ms;   /* when the write under way is cut; INT64_MAX: none */
    uint64_t            sent;           /* messages queued */
    uint64_t            pings[EIO_MAX_PINGS];       /* `sent` at each ping without a pong, oldest first */
    struct eio_rate     rate;           /* of packets by polling */
    uint32_t            max_message;
    uint32_t            refs;
    uint8_t             n_pings;
    uint8_t             n_writing;      /* frames of the queue in the stream's write under way */
    uint8_t             state;          /* enum eio_state */
    bool                awaits_pong : 1;        /* due_ms is the heartbeat's time-out */
    bool                wants_drain : 1;
    bool                is_dirty : 1;
    char                sid[EIO_SID_SIZE];
};

/* ---- session.c ---- */

/* A new session in state POLLING (or STREAMING with a stream), known to the engine, its open packet queued; the
 * application hears of it from eio_session_announce. */
struct eio_session *eio_session_new(struct eio_engine *, struct eio_stream *st, tb_str peer);
void                eio_session_announce(struct eio_session *, const struct eio_request *rq);

void eio_session_move(struct eio_session *, enum eio_state to);

/* A packet came on what carries the session now. It may be closed afterwards: callers hold a reference. */
void eio_session_packet(struct eio_session *, const struct eio_packet *p);

enum eio_end {
    EIO_END_FLUSH,      /* queue, goodbye, and wait for the peer's */
    EIO_END_REPLY,      /* drop the queue, finish a write under way, say goodbye */
    EIO_END_DROP,       /* the same, but do not wait for a write under way */
};

/* Tells the application and starts the goodbye; code: for a close frame. One that is closing already goes faster. */
void eio_session_end(struct eio_session *, enum eio_reason why, enum eio_end how, unsigned code);

/* The goodbye is over, or there is nobody to say it to: CLOSING to CLOSED. Nothing carries it any more. */
void eio_session_finish(struct eio_session *);

/* Nothing may be queued for longer than this turn: it is put on the engine's list for the flush. */
void eio_session_mark(struct eio_session *);

void eio_session_pop(struct eio_session *, uint32_t n);         /* n frames have left */
void eio_session_fetched(struct eio_session *, uint32_t n);     /* the same, with the answer to a poll */
void eio_session_requeue(struct eio_session *);                 /* what waits, as the stream that has come wants it */
void eio_session_arm(struct eio_session *);                     /* after due_ms or write_due_ms became earlier */

/* What it holds has changed. false: it is more than its payer may hold now. */
bool eio_session_weigh(struct eio_session *);

static inline bool
eio_session_is_closing(const struct eio_session *s)
{
    return s->state >= EIO_CLOSING;
}

/* ---- poll.c ---- */

void eio_poll_get(struct eio_session *, struct eio_request *rq);
void eio_poll_post(struct eio_session *, struct eio_request *rq);       /* answered now, or when its turn comes */
void eio_poll_flush(struct eio_session *);      /* answers the waiting GET if there is something to say */
void eio_poll_noop(struct eio_session *);                       /* answers it with a noop */
void eio_poll_farewell(struct eio_session *, enum eio_end how, enum eio_reason why);

/* ---- stream.c ---- */

struct eio_stream {
    const struct eio_stream_ops *ops;
    void               *conn;
    struct eio_engine  *engine;
    struct eio_session *session;        /* that it carries or probes for; NULL: it is only there to be closed */
    struct eio_probe   *probe;          /* not NULL: it does not carry a session (yet) */
    struct eio_frame   *pong;           /* owed to a WebSocket ping; the latest [RFC 6455 5.5.3] */
    struct tb_buf      *control;        /* our control frames in the write under way */
    struct eio_ws       ws;
    struct eio_rate     rate;           /* of frames */
    struct eio_waiter   waiter;         /* for its turn, with what the host keeps */
    size_t              n_left;         /* bytes that it keeps */
    uint16_t            close_code;     /* of the close frame that is owed or was sent; 0: none */
    bool                is_base64 : 1;          /* its client asked for binary as text (query b64) */
    bool                is_open : 1;            /* the 101 has left */
    bool                is_writing : 1;
    bool                owes_probe : 1;         /* "3probe" */
    bool                close_sent : 1;         /* or in the write under way */
    bool                awaits_close : 1;       /* the peer's close frame, before the connection may go */
    bool                is_inside : 1;          /* in eio_stream_input: not to be freed */
    bool                is_dead : 1;
};

struct eio_stream *eio_stream_new(struct eio_engine *, const struct eio_stream_ops *ops, void *conn);
void eio_stream_flush(struct eio_stream *);
void eio_stream_farewell(struct eio_stream *, enum eio_end how, unsigned code);
void eio_stream_abort(struct eio_stream *);                     /* closes the connection; st is gone afterwards */

/* ---- probe.c ---- */

/* A WebSocket that carries no session: it wants to take one over, or is to be closed. */
struct eio_probe {
    struct eio_stream *stream;
    struct eio_timer   timer;
    int64_t            give_up_ms;
    struct eio_probe  *next, *prev;     /* all of the engine's */
};

void eio_probe_new(struct eio_stream *, struct eio_session *s);         /* s NULL: only to be closed */
void eio_probe_packet(struct eio_probe *, const struct eio_packet *p);
void eio_probe_fail(struct eio_probe *, enum eio_end how, unsigned code);       /* its session goes on without it */
void eio_probe_free(struct eio_probe *);        /* its stream is gone, or carries the session now */

/* ---- engine.c ---- */

void eio_engine_ask_flush(struct eio_engine *);

/* Whether this turn has no time any more for what clients have sent, or others wait in line before it. */
bool eio_engine_is_busy(struct eio_engine *);

/* w waits for its turn, with so many bytes. */
void eio_engine_wait(struct eio_engine *, struct eio_payer *, struct eio_waiter *w, size_t bytes);

struct eio_engine {
    /* fixed */
    struct eio_host            host;
    struct eio_options         options;
    const struct eio_handler  *handler;
    void                      *ctx;
    struct eio_frame          *ping;            /* every heartbeat of everyone */
    /* the rest */
    struct eio_index    sessions;
    struct eio_timers   timers;
    struct eio_payers   payers;
    int64_t             turn_until_ms;          /* when the time for input in this turn is over; 0: it has not begun */
    bool                is_calling;             /* from the line: until slice_until_ms */
    int64_t             slice_until_ms;
    int64_t             wake_ms;                /* what the host was asked for last */
    struct eio_session *first_dirty, *last_dirty;
    struct eio_probe   *probes;
    struct tb_buf       scratch;                /* base64 of packets that come in */
    struct eio_stats    stats;
    bool                flush_is_asked, is_closed;
};
