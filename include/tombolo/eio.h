#pragma once
/* Engine.IO 4 for servers: sessions that carry messages in order, over HTTP long-polling, over a WebSocket, and across
 * the switch from one to the other. It does no input or output and reads no clock: the host hands in requests and bytes
 * and lends a clock, one wake-up, randomness and a call at the end of the loop's turn. It knows no HTTP server, no
 * sockets and nothing of what the messages mean; Socket.IO (sio.h) stands on top of it.
 * Spec: Engine.IO protocol 4 (github.com/socketio/socket.io, docs/engine.io-protocol/v4-current.md), RFC 6455.
 *
 * Three parties meet here:
 *   host         requests, byte streams, time         struct eio_host, eio_request_ops, eio_stream_ops
 *   library      struct eio_engine and its sessions
 *   application  what messages mean                   struct eio_handler
 *
 * Threads: everything of one engine on one thread; there are no locks and no global state.
 * Re-entry: an application's callback may call any function of this header but eio_engine_free. The host's ops are
 * called from inside library calls and must not call back into the library, but for eio_frame_*.
 * Memory that runs out aborts (see str.h); everything that a peer can make grow has a limit in struct eio_options. */
#include "tombolo/str.h"

struct eio_engine;          /* all sessions of one address ("/engine.io/"), their timers and limits */
struct eio_session;         /* one client, whatever carries it at the moment */
struct eio_stream;          /* the library's side of one upgraded connection */
struct eio_frame;           /* one packet, rendered and framed once, shared by reference */

/* ---- the host: time, chance, the end of the loop's turn ---- */

struct eio_host {
    /* Milliseconds since any start; never goes back. */
    int64_t (*now_ms)(void *ctx);
    /* Call eio_engine_tick at at_ms or soon after. Replaces the earlier wish; INT64_MAX: none any more. */
    void (*wake_at)(void *ctx, int64_t at_ms);
    /* Call eio_engine_flush once, when this turn of the loop has done its other work. Asked once per flush. */
    void (*flush_soon)(void *ctx);
    /* n bytes from a generator fit for secrets: session ids are made of them. */
    void (*random)(void *ctx, void *out, size_t n);
    void *ctx;
};

/* ---- settings ---- */

struct eio_options {
    uint32_t ping_interval_ms;      /* from a pong to the next ping */
    uint32_t ping_timeout_ms;       /* without a pong for so long, the session is closed */
    uint32_t upgrade_timeout_ms;    /* for a probe to become an upgrade */
    uint32_t write_timeout_ms;      /* a stream write that takes longer is cut */
    uint32_t max_payload;           /* bytes of a message, of a POST, of a polling answer with several packets; such an
                                     * answer holds 16 packets at most */
    uint32_t max_queued;            /* bytes waiting for one client; a single packet may always be queued */
    size_t   max_held;              /* bytes in memory for all clients together: packets that are
                                     * not whole, input that waits its turn, and what waits for
                                     * one client alone. Beyond it each payer
                                     * (eio_session_set_payer) holds its share; 0: any number */
    uint32_t turn_ms;               /* of each turn of the loop for what clients have sent. The
                                     * rest waits for a later turn; 0: however long it takes */
    uint32_t max_sessions;          /* beyond it, handshakes are answered 503 */
    uint32_t frames_per_second;     /* WebSocket frames, of any kind, and packets by polling, of one client; 0: any number. Four
                                     * times as many may come in a moment. Beyond it the client is closed */
    bool     allow_polling, allow_websocket, allow_upgrades;
};

/* 25 s, 20 s, 10 s, 30 s, 1,000,000, 1 MiB, 16 MiB, 5 ms, 100,000, 0; all allowed. The reference has the same, where it
 * has any. */
extern const struct eio_options eio_default_options;

/* ---- frames ---- */

/* One message for any number of sessions; the caller holds the one reference. Text must be UTF-8 and hold no 0x1e: it
 * cuts polling payloads (JSON escapes it). */
struct eio_frame *eio_frame_text(tb_str text);
struct eio_frame *eio_frame_binary(tb_str bytes);

/* A text message put together from n parts, copied once. */
struct eio_frame *eio_frame_join(const tb_str *parts, size_t n);

struct eio_frame *eio_frame_ref(struct eio_frame *f);           /* returns f */
void              eio_frame_unref(struct eio_frame **f);        /* empties *f to NULL and accepts NULL */
size_t            eio_frame_size(const struct eio_frame *f);    /* bytes it takes in a queue */

/* ---- the application ---- */

/* Why a session ended; eio_reason_text gives the reference server's words. */
#define EIO_REASONS(X)                                                                          \
    X(EIO_TRANSPORT_CLOSE, "transport close")   /* the client said goodbye or hung up */          \
    X(EIO_TRANSPORT_ERROR, "transport error")   /* broken connection, broken WebSocket, two polls */ \
    X(EIO_PING_TIMEOUT,    "ping timeout")                                                      \
    X(EIO_PARSE_ERROR,     "parse error")       /* what came is no Engine.IO packet */            \
    X(EIO_FORCED_CLOSE,    "forced close")      /* eio_session_close */                           \
    X(EIO_SHUTTING_DOWN,   "server shutting down")      /* eio_engine_close */

enum eio_reason {
#define X(name, text) name,
    EIO_REASONS(X)
#undef X
    EIO_REASON_COUNT
};

const char *eio_reason_text(enum eio_reason);

struct eio_request;

/* What a client is told whom allow has turned away. */
struct eio_refusal {
    const char *message;            /* static text, JSON-safe; default "Forbidden" */
    uint32_t    retry_after_s;      /* not for good: 429 instead of 403, and how long it is to wait */
};

/* All but on_message may be NULL. ctx is what eio_engine_new was given. A session passed in is valid for the call, and
 * as long as on_close has not been called, and longer only with eio_session_ref. */
struct eio_handler {
    /* A new client asks for a session. false: it is refused with *refusal, which comes zeroed. */
    bool (*allow)(void *ctx, const struct eio_request *rq, struct eio_refusal *refusal);
    /* The session is there; what is sent now leaves right behind the handshake's answer. rq: the handshake. */
    void (*on_open)(void *ctx, struct eio_session *s, const struct eio_request *rq);
    /* data: for the call; text is UTF-8. */
    void (*on_message)(void *ctx, struct eio_session *s, tb_str data, bool is_binary);
    /* A pong came: the client has received the first `sent` messages (see eio_session_sent). */
    void (*on_pong)(void *ctx, struct eio_session *s, uint64_t sent);
    /* After eio_session_want_drain, once: nothing waits any more. */
    void (*on_drain)(void *ctx, struct eio_session *s);
    /* Exactly once for every on_open, whoever ended it. Nothing can be sent any more. */
    void (*on_close)(void *ctx, struct eio_session *s, enum eio_reason why);
};

/* handler and host are borrowed until eio_engine_free; options (NULL: the default) are copied. */
struct eio_engine *eio_engine_new(const struct eio_host *host, const struct eio_options *options,
                                  const struct eio_handler *handler, void *ctx);

/* Ends every session with "server shutting down" (WebSocket close code 1012; a waiting poll is told to close) and
 * refuses new ones with 503. Call eio_engine_flush once more, then give streams a moment to write. */
void eio_engine_close(struct eio_engine *);

/* Closes the streams that are left, answers the requests that still wait, and frees all. */
void eio_engine_free(struct eio_engine **);

struct eio_stats {
    size_t   sessions, polling, streaming;      /* now; a session being closed counts until it is gone */
    uint64_t opened, closed[EIO_REASON_COUNT];  /* since the start */
    uint64_t messages_in, messages_out;         /* out: queued, one for each receiver */
    uint64_t bytes_queued;                      /* now, over all sessions */
    uint64_t upgrades, refused_full;            /* refused_full: messages not queued because of max_queued */
    uint64_t too_fast;                          /* clients closed because of frames_per_second */
    uint64_t bytes_held, refused_held;          /* as max_held counts, now; clients closed because of it */
};
void eio_engine_stats(const struct eio_engine *, struct eio_stats *out);

/* The session with this id that has not been closed, or NULL. */
struct eio_session *eio_engine_find(const struct eio_engine *, tb_str sid);

/* ---- sessions, for the application ---- */

void                eio_session_set_app(struct eio_session *, void *app);      /* yours; NULL at first */
void               *eio_session_app(const struct eio_session *);
tb_str              eio_session_id(const struct eio_session *);                /* a secret between us and the client */
bool                eio_session_is_open(const struct eio_session *);           /* false from on_close on */
bool                eio_session_is_streaming(const struct eio_session *);      /* on a WebSocket (else polling) */
struct eio_session *eio_session_ref(struct eio_session *);             /* the memory stays; returns its argument */
void                eio_session_unref(struct eio_session **);

/* Who pays for what this client costs: sessions of one payer have one share of max_held, and one place
 * in the line for the time of a turn. key: EIO_PAYER_MAX bytes of it count. At first it is the address
 * that the handshake came from (peer). */
enum { EIO_PAYER_MAX = 47 };
void eio_session_set_payer(struct eio_session *, tb_str key);

/* Bytes of a message from this client, and of a POST, from its next one on; at first max_payload. Less
 * for those of whom nothing is known yet. A longer message closes the session before its bytes are in
 * memory. */
void eio_session_set_max_message(struct eio_session *, uint32_t max_bytes);

/* The application has so many bytes of this client's in memory, which count as its own; 0 once they are gone. false: its
 * payer holds too much. */
bool eio_session_hold(struct eio_session *, size_t bytes) __attribute__((warn_unused_result));

/* Bytes that may wait for this client now: max_queued, or what its share of max_held leaves. */
size_t eio_session_max_queued(const struct eio_session *);

enum eio_sent {
    EIO_SENT,       /* queued; leaves with this turn's flush */
    EIO_FULL,       /* eio_session_max_queued: nothing was queued. Close the session, unless you know better */
    EIO_GONE,       /* the session is closed */
};

/* Queues n messages, all or none, taking a reference to each frame. */
enum eio_sent eio_session_send(struct eio_session *, struct eio_frame *const *frames, size_t n)
    __attribute__((warn_unused_result));

/* Whether a message sent now would leave with this turn's flush, behind nothing older than this turn: volatile messages
 * are sent only then. */
bool eio_session_is_writable(const struct eio_session *);

size_t   eio_session_queued(const struct eio_session *);        /* bytes that wait or are being written */
uint64_t eio_session_sent(const struct eio_session *);          /* messages queued since the session opened */
void     eio_session_want_drain(struct eio_session *);          /* on_drain, once; never from inside this call */

/* Pings the client now, behind what is queued, in addition to the heartbeat: the pong (see on_pong) proves that all
 * that was sent before has been received. Clients answer any ping. Never closes a session earlier than its heartbeat
 * would. false: the session is closed, or EIO_MAX_PINGS pings wait for their pongs already: the last of them does not
 * cover what was sent since, so ask again after a pong. */
enum { EIO_MAX_PINGS = 4 };
bool eio_session_ping(struct eio_session *);

enum eio_manner {
    EIO_AFTER_FLUSH,    /* what is queued still goes out, then the goodbye */
    EIO_AT_ONCE,        /* what is queued is dropped, close code 1013: for clients that do not read, and may come back */
};

/* Ends the session; on_close (EIO_FORCED_CLOSE) comes before this returns. A closed session: nothing happens. */
void eio_session_close(struct eio_session *, enum eio_manner);

/* ---- for the host: the passing of time ---- */

void eio_engine_tick(struct eio_engine *);      /* see eio_host.wake_at; too early or too often does no harm */
void eio_engine_flush(struct eio_engine *);     /* see eio_host.flush_soon */

/* ---- for the host: HTTP requests ---- */

enum eio_method { EIO_GET, EIO_POST, EIO_OTHER_METHOD };

struct eio_request_ops {
    /* The answer, called exactly once; the library forgets rq with this call. body: for the call. Content-Type as
     * given, Cache-Control: no-store; CORS is the host's. */
    void (*respond)(struct eio_request *rq, int status, const char *content_type, tb_str body);
    /* For allow and on_open, to be called with a name in lower case: the value, or n == 0. May be NULL. */
    tb_str (*header)(const struct eio_request *rq, tb_str name);
};

/* One request to the engine's address, in the host's memory until respond. A GET of a session is kept until there is
 * something to say, a POST until its turn comes. Strings: valid until respond or eio_request_gone. */
struct eio_request {
    const struct eio_request_ops *ops;
    enum eio_method               method;
    tb_str                        query;            /* undecoded, without "?" */
    tb_str                        content_type;     /* n == 0: none */
    tb_str                        body;             /* of a POST; over max_payload it is answered 413 */
    tb_str                        peer;             /* for the application: where it came from */
    uint32_t                      retry_after_s;    /* out, readable in respond: send it as Retry-After; 0: none */
    /* the library's */
    struct eio_session *session;                    /* whose poll waits in this request */
    struct eio_post    *post;                       /* it waits its turn */
};

/* OPTIONS is the host's (CORS); everything else comes here. */
void eio_engine_request(struct eio_engine *, struct eio_request *rq);

/* The client went away before the answer: the library forgets rq, and respond will not be called. The
 * session whose GET it was ends. */
void eio_request_gone(struct eio_request *rq);

/* Bytes that the body of a request with this query may have, as far as that is known before it has come. */
size_t eio_engine_max_body(const struct eio_engine *, tb_str query);

/* ---- for the host: WebSocket connections ----
 * Order of calls: eio_engine_upgrade, answer 101, eio_stream_opened, then eio_stream_input and eio_stream_written as
 * they happen, and at the end either ops->close by the library or eio_stream_gone by the host: after the one, the other
 * does not happen and the eio_stream is no more. The library bounds every wait: for the 101, for a write, for the
 * peer's close frame. */

struct eio_stream_ops {
    /* Write the n slices (1..EIO_MAX_SLICES), in order, in one gathered write. The bytes stay valid until
     * eio_stream_written. Never called while a write is under way. */
    void (*write)(void *conn, const tb_str *slices, size_t n);
    /* The end: close the connection and forget the stream; no call for it follows, in either direction. A write under
     * way is dropped: its bytes are not valid any more when this returns. */
    void (*close)(void *conn);
    /* Its turn has come: what eio_stream_input left over, as it did, and what has come since. */
    size_t (*left)(void *conn, char **bytes);
    /* n bytes of that have been taken. When none is left, read on. */
    void (*took)(void *conn, size_t n);
};
enum { EIO_MAX_SLICES = 64 };

/* A request to upgrade to WebSocket (GET, HTTP/1.1, its headers checked by eio_ws_accept's caller). NULL: refused, and
 * rq has been answered. Otherwise rq is forgotten and the host goes on: 101, then eio_stream_opened. A second upgrade
 * of a session is let in as well, to be closed at once, as the reference server does. */
struct eio_stream *eio_engine_upgrade(struct eio_engine *, struct eio_request *rq, const struct eio_stream_ops *ops,
                                      void *conn);

void eio_stream_opened(struct eio_stream *);        /* the 101 has left; from now on ops->write may be called */

/* *n bytes from the peer, which are changed in place (unmasked). Out: how many at the end were not taken,
 * for want of time in this turn: keep them and read no more, the library will ask (ops->left). false:
 * ops->close was called meanwhile, the stream is no more. */
bool eio_stream_input(struct eio_stream *, char *bytes, size_t *n);

void eio_stream_written(struct eio_stream *);       /* the last ops->write is out */
void eio_stream_gone(struct eio_stream *);          /* end of file, error, or the 101 could not be sent */

/* Whether an upgrade request's headers ask for a WebSocket that we speak (RFC 6455 section 4.2.1), and the value of
 * Sec-WebSocket-Accept for its key. upgrade, version and key: those headers' values; connection: Connection's. */
enum { EIO_WS_ACCEPT_SIZE = 28 };
bool eio_ws_accept(tb_str upgrade, tb_str connection, tb_str version, tb_str key, char out[EIO_WS_ACCEPT_SIZE]);

/* Whether WebSocket is among the protocols that Upgrade offers. Any other offer may be passed over (RFC 9110 section 7.8). */
bool eio_ws_is_named(tb_str upgrade);

/* Which of the subprotocols that a client offers (Sec-WebSocket-Protocol) the 101 has to name: the first, as with the
 * reference server. It means nothing here, but a client that offers some gives up when none is named. n == 0: none. */
tb_str eio_ws_subprotocol(tb_str offered);
