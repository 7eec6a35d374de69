#pragma once
/* Socket.IO 5 for servers: named events with acknowledgements between a server and its clients, in namespaces, to
 * rooms, over Engine.IO (eio.h). Payloads go in and out as JSON text: the library checks what comes in and takes what
 * goes out on trust, so an application is free in how it reads and writes JSON.
 * Spec: Socket.IO protocol 5 (github.com/socketio/socket.io, docs/socket.io-protocol/v5-current.md); where documents
 * and reference server differ, the server's behaviour on the wire.
 *
 *   connection   one Engine.IO session                          struct sio_conn
 *   namespace    "/", "/admin": who handles what                struct sio_namespace
 *   socket       one connection's place in one namespace        struct sio_socket
 *   room         a set of sockets of one namespace, by name; it exists while it has members
 *
 * Threads and re-entry: as in eio.h: one thread; callbacks may call anything here but sio_server_free.
 *
 * A server, whole (docs/sio-library.md has one that runs):
 *   srv = sio_server_new(&host, NULL, NULL, NULL);
 *   sio_namespace_add(srv, TB_LIT("/"), &handler, ctx);
 *   ... the host hands requests and streams to sio_server_engine(srv) ... */
#include "tombolo/eio.h"

struct sio_server;
struct sio_conn;
struct sio_namespace;
struct sio_socket;
struct sio_message;

enum { SIO_SID_MAX = 39 };          /* bytes of a socket's id; those that the library makes have 20 */
#define SIO_NO_ACK INT64_C(-1)

/* ---- the server ---- */

struct sio_options {
    struct eio_options eio;
    uint32_t connect_timeout_ms;    /* a connection that has joined no namespace for so long is closed; 0: never */
    uint32_t max_before_connect;    /* bytes of a packet from a connection that is in no namespace */
    uint32_t max_attachments;       /* of one packet that comes in; more closes the connection, "forced close" */
    uint32_t max_attachment_bytes;  /* of one packet that comes in, together; the same */
    uint32_t max_namespaces;        /* that one connection may have joined or asked for; beyond it CONNECT_ERROR */
};

/* 45 s, 8 KiB, 10, 10,000,000, 16: the reference's where it has one. */
extern const struct sio_options sio_default_options;

/* About connections; all may be NULL, and so may the whole struct. */
struct sio_server_handler {
    /* See eio_handler.allow. */
    bool (*allow)(void *ctx, const struct eio_request *rq, struct eio_refusal *refusal);
    /* The handshake, the last chance to look at its headers; keep what you need with sio_conn_set_app. */
    void (*on_open)(void *ctx, struct sio_conn *c, const struct eio_request *rq);
    /* Once for every on_open, after the on_disconnect of its sockets. */
    void (*on_close)(void *ctx, struct sio_conn *c, enum eio_reason why);
    /* A namespace that is not there: add it with sio_namespace_add and return it, or return NULL, which the client is
     * told as "Invalid namespace". Namespaces stay, so let in only names that you know. auth: see on_connect. */
    struct sio_namespace *(*on_unknown)(void *ctx, struct sio_conn *c, tb_str name, tb_str auth);
};

/* host and handler are borrowed until sio_server_free; options (NULL: the default) are copied. */
struct sio_server *sio_server_new(const struct eio_host *host, const struct sio_options *options,
                                  const struct sio_server_handler *handler, void *ctx);
struct eio_engine *sio_server_engine(struct sio_server *);      /* for the host: requests, streams, tick, flush */

/* Ends every connection, "server shutting down"; no DISCONNECT packets: clients come back. See eio_engine_close. */
void sio_server_close(struct sio_server *);
void sio_server_free(struct sio_server **);

/* ---- connections ---- */

void               *sio_conn_app(const struct sio_conn *);
void                sio_conn_set_app(struct sio_conn *, void *app);
struct eio_session *sio_conn_session(const struct sio_conn *);
void                sio_conn_set_payer(struct sio_conn *, tb_str key);      /* as eio_session_set_payer */
void                sio_conn_close(struct sio_conn *, enum eio_manner);     /* no DISCONNECT: clients come back */

/* ---- namespaces ---- */

/* Why a socket ended; sio_reason_text gives the reference server's words. */
#define SIO_REASONS(X)                                                      \
    X(SIO_TRANSPORT_CLOSE,   "transport close")                             \
    X(SIO_TRANSPORT_ERROR,   "transport error")                             \
    X(SIO_PING_TIMEOUT,      "ping timeout")                                \
    X(SIO_PARSE_ERROR,       "parse error")         /* what came is no Engine.IO packet */ \
    X(SIO_FORCED_CLOSE,      "forced close")        /* or no Socket.IO packet */ \
    X(SIO_SHUTTING_DOWN,     "server shutting down")                        \
    X(SIO_FORCED_BY_SERVER,  "forced server close")         /* sio_conn_close, or a packet out of turn */ \
    X(SIO_LEFT_BY_CLIENT,    "client namespace disconnect") \
    X(SIO_LEFT_BY_SERVER,    "server namespace disconnect")

enum sio_reason {
#define X(name, text) name,
    SIO_REASONS(X)
#undef X
    SIO_REASON_COUNT
};

const char *sio_reason_text(enum sio_reason);

struct sio_event {
    tb_str        name;             /* unescaped; a number (clients may use one) as its text */
    tb_str        args;             /* the arguments, JSON values with commas between: 1,"2",{"3":[]}; maybe empty */
    tb_str        json;             /* name and arguments as they came, a JSON array: well-formed (RFC 8259), UTF-8 */
    const tb_str *attachments;      /* binary: {"_placeholder":true,"num":i} in args stands for attachments[i]; empty
                                     * in a namespace that wants none (sio_namespace_without_attachments) */
    size_t        n_attachments;
    int64_t       ack;              /* for sio_ack, or SIO_NO_ACK when the client wants none */
};

enum sio_full { SIO_FULL_CLOSE, SIO_FULL_DROP };

/* All but on_connect may be NULL; without on_connect everyone is accepted. Everything passed in is for the call; a
 * socket is valid until on_disconnect returns (or sio_refuse), and longer only with sio_socket_ref. */
struct sio_handler {
    /* A client wants in. auth: its connect payload, a JSON object ("{}" when there was none); a client that recovers
     * has "pid" and "offset" in it. Must lead, in this call or later, to sio_accept, sio_refuse or sio_conn_close.
     * Until then the socket may join rooms, and nothing that is emitted reaches it. */
    void (*on_connect)(void *ctx, struct sio_socket *sk, tb_str auth);
    void (*on_event)(void *ctx, struct sio_socket *sk, const struct sio_event *ev);
    /* Exactly once for every on_connect that did not end in sio_refuse. It is in its rooms for the last time, and
     * nothing can be sent to it. sio_socket_is_accepted tells whether it had got in. */
    void (*on_disconnect)(void *ctx, struct sio_socket *sk, enum sio_reason why);
    /* See eio_handler.on_pong; sent counts as sio_socket_sent does. Only accepted sockets hear it. */
    void (*on_pong)(void *ctx, struct sio_socket *sk, uint64_t sent);
    /* After sio_socket_want_drain, once. */
    void (*on_drain)(void *ctx, struct sio_socket *sk);
    /* eio_options.max_queued is reached and something was not queued for sk. SIO_FULL_CLOSE (so without a handler):
     * the connection is closed, without a DISCONNECT packet, and the client will come back. SIO_FULL_DROP: you will
     * make up for it. Called once per call that sends, after it has served its other receivers. */
    enum sio_full (*on_full)(void *ctx, struct sio_socket *sk);
};

/* name: begins with "/"; copied. NULL when it is there already. handler is borrowed until sio_server_free. */
struct sio_namespace *sio_namespace_add(struct sio_server *, tb_str name, const struct sio_handler *handler, void *ctx);
struct sio_namespace *sio_namespace_find(struct sio_server *, tb_str name);
void                  sio_namespace_without_attachments(struct sio_namespace *);      /* they are dropped as they come */
tb_str                sio_namespace_name(const struct sio_namespace *);
size_t                sio_namespace_size(const struct sio_namespace *);         /* sockets accepted and not ended */
struct sio_socket    *sio_socket_find(struct sio_namespace *, tb_str sid);      /* accepted and not ended, or NULL */

/* ---- sockets ---- */

/* Lets a waiting socket in and answers CONNECT. sid: the id of a recovered session (1..SIO_SID_MAX characters that JSON
 * need not escape, not in use in the namespace), or empty: a new one. pid: JSON-safe text that the client brings back
 * when it recovers, or empty: no recovery; a client takes itself for recovered when it gets back the pid it brought.
 * false: it is not waiting any more. */
bool sio_accept(struct sio_socket *, tb_str sid, tb_str pid);

/* Answers CONNECT_ERROR {"message":..., "data":...}. data: JSON text, or empty: none. Stock clients do not try again
 * after this one: for a server that is busy or closing, use sio_conn_close. No on_disconnect follows. false: it is not
 * waiting any more. */
bool sio_refuse(struct sio_socket *, tb_str message, tb_str data);

/* Takes an accepted socket out of its namespace with a DISCONNECT packet (stock clients do not come back by
 * themselves); on_disconnect comes before this returns. One that is not connected: nothing happens. */
void sio_disconnect(struct sio_socket *);

/* The same for all sockets of the connection, which then is closed. */
void sio_disconnect_all(struct sio_conn *);

tb_str                sio_socket_id(const struct sio_socket *);         /* empty until accepted */
struct sio_conn      *sio_socket_conn(const struct sio_socket *);       /* NULL after on_disconnect or sio_refuse */
struct sio_namespace *sio_socket_namespace(const struct sio_socket *);
bool                  sio_socket_is_accepted(const struct sio_socket *);        /* in on_disconnect: whether it was */
bool                  sio_socket_is_connected(const struct sio_socket *);       /* accepted and not ended */
void                  sio_socket_set_app(struct sio_socket *, void *app);       /* yours; NULL at first */
void                 *sio_socket_app(const struct sio_socket *);
struct sio_socket    *sio_socket_ref(struct sio_socket *);              /* the memory stays; returns its argument */
void                  sio_socket_unref(struct sio_socket **);
size_t                sio_socket_queued(const struct sio_socket *);     /* as eio_session_queued: of its connection */
size_t                sio_socket_max_queued(const struct sio_socket *); /* as eio_session_max_queued; 0: it has ended */
uint64_t              sio_socket_sent(const struct sio_socket *);       /* as eio_session_sent */
void                  sio_socket_want_drain(struct sio_socket *);
bool                  sio_socket_ping(struct sio_socket *);             /* as eio_session_ping */

/* ---- sending ---- */

/* One event, rendered and framed once, for any number of receivers in this namespace. args: JSON values with commas
 * between, maybe empty. attachments: what {"_placeholder":true,"num":i} in args stands for; copied. */
struct sio_message *sio_message_new(struct sio_namespace *, tb_str event, tb_str args);
struct sio_message *sio_message_new_binary(struct sio_namespace *, tb_str event, tb_str args, const tb_str *attachments,
                                           size_t n_attachments);
void                sio_message_free(struct sio_message **);

enum sio_flags {
    SIO_RELIABLE = 0,
    SIO_VOLATILE = 1,       /* dropped for a client that is not ready for it right now */
};

/* true: queued. A socket that is not connected: nothing happens. */
bool sio_emit(struct sio_socket *, const struct sio_message *, enum sio_flags);

/* Rooms are known by name, as in Socket.IO everywhere: ids make short strings, and a lookup is once per emit, not per
 * receiver. A socket's id is the name of a room with only this socket in it. */
struct sio_target {
    const tb_str *rooms;            /* their members, each once; n_rooms 0: everyone in the namespace */
    size_t        n_rooms;
    const tb_str *except;           /* but for the members of these */
    size_t        n_except;
    const struct sio_socket *except_socket;     /* and for this one; may be NULL */
};

/* Returns for how many sockets it was queued. */
size_t sio_emit_to(struct sio_namespace *, const struct sio_target *, const struct sio_message *, enum sio_flags);

/* Renders, emits and frees. */
bool   sio_send(struct sio_socket *, tb_str event, tb_str args);
size_t sio_send_to_room(struct sio_namespace *, tb_str room, tb_str event, tb_str args);

/* Answers an event that wanted it: once, with ev->ack. args and attachments as in sio_message_new_binary. */
bool sio_ack(struct sio_socket *, int64_t ack, tb_str args);
bool sio_ack_binary(struct sio_socket *, int64_t ack, tb_str args, const tb_str *attachments, size_t n_attachments);

/* ---- asking: events that want an answer ---- */

enum sio_outcome { SIO_ANSWERED, SIO_TIMED_OUT, SIO_ENDED };    /* ENDED: the socket did, before it answered */

struct sio_ask {
    tb_str        event, args;
    const tb_str *attachments;
    size_t        n_attachments;
    uint32_t      timeout_ms;       /* 0: wait as long as the socket lives */
    /* Once for every socket that was asked, before its on_disconnect. answer: args, json and attachments; NULL unless
     * SIO_ANSWERED. */
    void        (*on_answer)(void *ctx, struct sio_socket *sk, enum sio_outcome, const struct sio_event *answer);
    void         *ctx;
};

/* ask is read during the call. false: it was not queued and on_answer will not be called. */
bool   sio_ask(struct sio_socket *, const struct sio_ask *ask);
size_t sio_ask_to(struct sio_namespace *, const struct sio_target *, const struct sio_ask *);     /* how many were */

/* ---- rooms ---- */

/* Any socket that has not ended, also before sio_accept; twice is once. room: 1..255 bytes; copied when it is new. */
void   sio_join(struct sio_socket *, tb_str room);
void   sio_leave(struct sio_socket *, tb_str room);
void   sio_leave_all(struct sio_socket *);
bool   sio_is_in(const struct sio_socket *, tb_str room);
size_t sio_room_count(const struct sio_socket *);               /* how many it is in */
tb_str sio_room_at(const struct sio_socket *, size_t i);        /* i < sio_room_count; in no order; until it leaves */
size_t sio_room_size(const struct sio_namespace *, tb_str room);       /* also those not accepted yet */

/* Calls each for every connected socket of the target; it may do anything, also end sockets (which are left out). */
void sio_each(struct sio_namespace *, const struct sio_target *, void (*each)(void *ctx, struct sio_socket *),
              void *ctx);
