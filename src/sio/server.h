#pragma once
/* What the parts of the library share; see server.c, conn.c, socket.c, emit.c and ask.c.
 * Threads: the engine's. */
#include "engine.h"
#include "packet.h"
#include "rooms.h"

struct sio_server {
    /* fixed */
    struct eio_engine               *engine;
    struct eio_host                  host;
    struct sio_options               options;
    const struct sio_server_handler *handler;
    void                            *ctx;
    uint64_t                         seed[2];
    /* the rest */
    struct eio_index   namespaces;      /* by name */
    struct sio_socket *first_full;      /* for which something could not be queued; referenced; see emit.c */
    struct tb_buf      out, name;       /* scratch: a packet that goes out; the name of an event that came in */
};

struct sio_namespace {
    /* fixed */
    struct sio_server        *server;
    const struct sio_handler *handler;
    void                     *ctx;
    tb_str                    name;     /* owned */
    bool                      drops_attachments;
    /* the rest */
    struct eio_index    by_sid;         /* connected sockets */
    struct sio_rooms    rooms;
    struct sio_socket **all;            /* connected sockets, n of them, in no order */
    uint32_t            n, cap;
    int64_t             next_ack;
    uint64_t            stamp;          /* of the latest walk over a target: see emit.c */
};

/* A binary packet whose attachments are still coming. */
struct sio_partial {
    tb_str   text;                      /* owned, as are the attachments */
    size_t   bytes;                     /* of all of them together */
    bool     drops;                     /* what comes is not kept: attachments stay empty */
    uint32_t n, n_expected;
    tb_str   attachments[];
};

struct sio_conn {
    struct sio_server  *server;
    struct eio_session *session;        /* valid as long as the connection is open */
    struct sio_socket  *sockets;        /* waiting and connected, linked by next_in_conn */
    struct sio_partial *partial;        /* or NULL */
    void               *app;
    struct eio_timer    timer;          /* until the first namespace is joined */
    uint32_t            refs;
    uint16_t            n_sockets;
    uint8_t             reason;         /* SIO_REASON_COUNT: the engine knows why it ended; else enum sio_reason */
    bool                is_ended : 1;
    bool                has_left : 1;   /* we took it out of a namespace: packets may still come for that one */
};

enum sio_state {
    SIO_WAITING,        /* on_connect was called */
    SIO_CONNECTED,
    SIO_GONE,
    SIO_STATE_COUNT
};

struct sio_socket {
    struct sio_namespace *nsp;
    struct sio_conn      *conn;         /* NULL once it has ended */
    struct sio_socket    *next_in_conn;
    struct sio_socket    *next_full;
    struct sio_pending   *asks;         /* that wait for an answer, latest first */
    void                 *app;
    struct sio_place      place;
    uint64_t              stamp;        /* nsp->stamp: the present walk has been here */
    uint32_t              refs;
    uint32_t              at;           /* in nsp->all, when connected */
    uint8_t               state;        /* enum sio_state */
    bool                  was_accepted : 1;
    bool                  is_full : 1;          /* on server->first_full */
    bool                  wants_drain : 1;
    uint8_t               n_sid;
    char                  sid[SIO_SID_MAX];
};

/* ---- conn.c ---- */

extern const struct eio_handler sio_conn_handler;

void sio_conn_unref(struct sio_conn *);

/* Queues one packet that is not an application's: CONNECT, CONNECT_ERROR, DISCONNECT. When it does not fit, the
 * connection is closed. */
void sio_conn_post(struct sio_conn *, tb_str text);

/* Ends it with this reason for its sockets, whatever the engine calls it. */
void sio_conn_end(struct sio_conn *, enum sio_reason why, enum eio_manner manner);

/* Who is in a namespace may send larger packets than who is in none; after that has changed. */
void sio_conn_set_max_message(struct sio_conn *);

/* ---- socket.c ---- */

void sio_socket_new(struct sio_conn *, struct sio_namespace *, tb_str auth);    /* and calls on_connect */
void sio_socket_end(struct sio_socket *, enum sio_reason why);
void sio_socket_event(struct sio_socket *, const struct sio_packet *p, const tb_str *attachments);

/* ---- emit.c ---- */

/* Calls visit for each connected socket of the target; visit must not change who is connected or in rooms. */
void sio_walk(struct sio_namespace *, const struct sio_target *, void (*visit)(void *arg, struct sio_socket *),
              void *arg);

/* EIO_FULL is noted, to be dealt with by sio_settle once nobody walks over sockets any more. */
enum eio_sent sio_queue(struct sio_socket *, struct eio_frame *const *frames, size_t n);
void          sio_settle(struct sio_server *);

/* A packet and its attachments as frames: 1 + n_attachments of them, owned by the caller. */
struct sio_message *sio_render(struct sio_namespace *, enum sio_type type, int64_t ack, tb_str event, tb_str args,
                               const tb_str *attachments, size_t n_attachments);

struct sio_message {
    const struct sio_namespace *nsp;    /* whose name is in it */
    size_t                      n;
    struct eio_frame           *frames[];
};

/* ---- ask.c ---- */

void sio_ask_answered(struct sio_socket *, const struct sio_packet *p, const tb_str *attachments);
void sio_ask_end_all(struct sio_socket *);      /* the socket has ended */
