#pragma once
/* What the files of src/net share. Threads: everything here belongs to the loop, unless it says otherwise. */
#include "base/budget.h"
#include "net/guard.h"
#include "net/net.h"
#include "net/timers.h"
#include "net/tls.h"

#include <h2o.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <time.h>

enum {
    NET_MAX_LISTENERS = 8,      /* addresses one name may stand for; more are not listened on */
    NET_TICKET_NAME = 16,       /* bytes by which a ticket says which key it wants */
    NET_MAX_ROUTES = 16,        /* handlers; each layer has one or two */
    NET_SWEEP_MS = 1000,        /* how late a time-out may come */
    NET_MAX_HEAD = 16384,       /* bytes of request line and headers; h2o would take 400 KB, from each connection */
};

enum net_kind { NET_HTTP1, NET_HTTP2, NET_WEBSOCKET };   /* what a connection speaks; a new one HTTP/1 until it says otherwise */
enum net_door { NET_PLAIN, NET_TLS, NET_REDIRECT, NET_DOORS };

/* One TCP connection, from accept until its descriptor is closed. Owner: net->conns; freed when h2o closes the socket.
 *
 *     idle --(bytes)--> receiving --(whole request)--> busy --(answer)--> sending --> idle
 *                           any of them --> closed, or (an answer given before the body was read) lingering --> closed
 *
 * idle and receiving have n_requests == 0. What the peer has sent is h2o's until then, so the sweep
 * looks at its buffer to tell idle from receiving. With TLS all of it comes after a handshake, and closed after a closing in
 * which the last record may still wait for the peer. With HTTP/2 there are many requests at a time. */
struct net_conn {
    struct net      *net;
    h2o_socket_t    *sock;              /* h2o's, or ours while lingering */
    struct net_conn *next, *prev;
    int64_t          since_ms;          /* when it came to what it is doing */
    unsigned         n_requests;        /* h2o still holds */
    int              linger_fd;         /* kept open past h2o's close, or -1 */
    size_t           n_late_bytes;      /* read while lingering */
    bool             is_receiving, is_lingering;
    bool             is_handshaking;
    bool             is_closing;        /* a stream that was closed */
    enum net_door    door;              /* by which it came */
    bool             is_http2;          /* known from ALPN, or from the first request on */
    struct ssl_ctx_st *held;            /* while is_handshaking */
    bool             is_watched;        /* a request with on_gone waits; see gone.c */
    h2o_socket_cb    h2o_read;          /* h2o's, by which it can be told that the peer has gone; NULL: h2o does not know of it */
    bool             is_stream;         /* upgraded: its time-outs are those of who took it */
    uint8_t          kind;              /* enum net_kind, as it is counted */
    size_t           unsent_bytes;      /* of its answers in net->sending */
    bool             is_cut;            /* for not reading them */
    /* window.c's, over HTTP/2 */
    h2o_linklist_t   waiting;           /* net_req.waiting: not worked on yet */
    h2o_linklist_t   has_room;          /* in net->with_room */
    unsigned         n_waiting, n_working, n_taken;
    /* front.c's */
    struct net_guard *guard;            /* NULL: it is off, or this is not HTTP any more */
    h2o_linklist_t   unhooked;          /* in net->unhooked */
    h2o_linklist_t   refused;           /* in net->refused */
    size_t           held_bytes;        /* its part of net->receiving */
    int              refusal;           /* status it is refused with; 0: it is not */
    enum tb_code     refusal_code;
    char            *refused_origin;    /* the page that may read why, if its origin is allowed; NULL: none is known */
    int64_t          refused_ms;
    struct tb_address address;          /* of its other end, a client\'s or a proxy\'s */
    char             peer[INET6_ADDRSTRLEN];
    struct net_peer *from;              /* NULL: nothing is counted */
};

/* One request. Owner: its handler, which gives it back with net_respond. It and h2o's request know each other by way of a
 * hook in h2o's pool, which is cut on both sides when either of them ends. */
struct net_req {
    struct net_request pub;
    struct net        *net;
    h2o_req_t         *h2o;             /* NULL: the client has gone, or the loop has answered in the handler's place */
    struct net_hook   *hook;            /* NULL together with h2o */
    struct net_req    *next, *prev;     /* net->unanswered, as long as h2o is not NULL */
    h2o_linklist_t     waiting;         /* in net_conn.waiting */
    const struct net_route *route;
    bool               is_head;
    char               peer[INET6_ADDRSTRLEN];
    int64_t            begun_us;        /* when it was whole */
    char               made_id[17];
    size_t             n_headers;
    struct net_header *headers;         /* they and all text follow the struct in the same block */
};

/* In the pool of h2o's request. */
struct net_hook {
    struct net_req  *req;               /* NULL: answered */
    struct net_conn *conn;
    bool             is_worked_on;      /* see window.c */
    /* once answered */
    int64_t          answered_ms;
    size_t           n_bytes;
    struct net_hook *next, *prev;       /* net->sending */
};

struct net_route {
    tb_str prefix;
    size_t max_body;
    size_t (*max_body_of)(void *ctx, tb_str query);     /* NULL: by the route alone */
    void (*on_request)(void *ctx, struct net_request *);
    void  *ctx;
};

struct net_listener {
    struct net   *net;
    h2o_socket_t *sock;
    enum net_door door;
};

struct net_ticket_key {
    bool          is_made;
    int64_t       made_ms;
    unsigned char name[NET_TICKET_NAME], cipher[32], mac[32];
};

enum { NET_PEER_WORDS = 6 };

/* What the loop leaves behind of what it does, for the watchdog. Any thread. */
struct net_doing {
    clockid_t               cpu_clock;              /* the loop's; fixed by net_open */
    _Atomic(const char *)   what;                   /* static text */
    atomic_uint             n_conns;
    atomic_uint_fast64_t    peer[NET_PEER_WORDS];   /* text; may be half one and half another */
    atomic_uint_fast64_t    asked, answered;
};

/* server.c: the loop will set answered to n as soon as it turns. */
void net_ask(struct net *, uint64_t n);

struct net_peers {                      /* see peers.c */
    struct net_peer *by_network, *idle;
    int64_t          next_log_ms;
    unsigned         n_unlogged;
};

struct net_client {                     /* who a request is from */
    struct tb_address address;
    bool              is_forwarded;     /* as in net_request */
    bool              is_unknown;       /* a trusted proxy has named them in words that say no address: they have nobody's rights */
};

struct net {
    /* fixed by net_open */
    size_t                 max_body;
    unsigned               header_timeout_ms, idle_timeout_ms, stop_timeout_ms, max_connections;
    unsigned               handshake_timeout_ms, ticket_ms;
    bool                   is_http2;            /* spoken with those who ask for it */
    struct net_limits      limits;
    char                  *cors_origins;
    bool                   cors_is_any;         /* "*" */
    uint16_t               ports[NET_DOORS];    /* 0: no such door */
    const struct tb_clock *clock;
    struct tb_mailbox     *inbox;
    int                    wake_fd;             /* eventfd; written by any thread */
    /* any thread */
    atomic_bool            stop_wanted;
    struct net_doing       doing;
    /* the loop's */
    h2o_globalconf_t       global;
    h2o_context_t          ctx;
    h2o_accept_ctx_t       accept_ctx;
    h2o_evloop_t          *loop;
    h2o_socket_t          *wake_sock;
    int                    gone_fd;             /* epoll, see gone.c */
    h2o_socket_t          *gone_sock;
    struct net_address_limits address_limits;
    struct net_peers       peers;
    struct net_listener    listeners[NET_DOORS * NET_MAX_LISTENERS];
    size_t                 n_listeners;
    struct net_certificate *certificate;        /* NULL: no listener with TLS */
    struct net_ticket_key  tickets[2];          /* see tls.c */
    struct tb_buf          gathered;            /* see stream.c */
    bool                   is_paused;           /* listening, but not accepting */
    bool                   is_stopping;
    struct net_route       routes[NET_MAX_ROUTES];
    size_t                 n_routes;
    struct net_conn       *conns;
    unsigned               n_conns;
    struct net_hook       *sending, *last_sending;      /* requests whose answers h2o is writing, the oldest first */
    size_t                 sending_bytes;               /* of these answers */
    h2o_linklist_t         unhooked, refused;   /* see front.c */
    struct net_at_end     *tell_refused;
    h2o_linklist_t         with_room;           /* see window.c */
    size_t                 n_waiting;           /* requests, over all connections */
    struct net_at_end     *let_in;
    struct tb_budget       receiving;           /* requests that are not whole yet */
    int64_t                next_cut_log_ms;
    unsigned               n_cuts_unlogged;
    struct net_req        *unanswered;
    size_t                 n_owed;              /* requests that handlers hold, unanswered or gone */
    uint32_t               id_start, n_ids;     /* of requests; the start differs from process to process */
    struct net_timers      timers;
    struct net_timer      *sweep;
    int64_t                sweep_due_us;        /* 0: before the first */
    void                 (*on_stop)(void *ctx);
    void                  *on_stop_ctx;
};

union net_address {                     /* of either family */
    struct sockaddr         any;
    struct sockaddr_in      v4;
    struct sockaddr_in6     v6;
    struct sockaddr_storage room;
};

/* listen.c: fds of sockets that listen, close-on-exec and non-blocking; *port is set when it was 0. */
enum tb_code net_listen(const char *host, uint16_t *port, int fds[NET_MAX_LISTENERS], size_t *n, struct tb_err *e)
    TB_MUST_CHECK;

/* conn.c */
enum net_hit { NET_HIT_CONNECTIONS, NET_HIT_REQUEST_TIME, NET_HIT_HANDSHAKE_TIME, NET_HIT_BODY };
void             net_hit(enum net_hit);                                         /* a limit turned somebody away: counts it */
void             net_conn_accept(h2o_socket_t *listener, const char *err);      /* h2o's callback for a listener */
void             net_conn_start_h2o(struct net_conn *);
void             net_conn_pause(struct net *, bool pause);
struct net_conn *net_conn_of(h2o_req_t *req);
void             net_conn_speaks(struct net_conn *, enum net_kind);             /* for /metrics */
void             net_conn_touch(struct net_conn *);                             /* what it does has just changed */
void             net_conn_linger(struct net_conn *);                            /* read on after the coming close */
void             net_conn_sweep(void *ctx);                                     /* cuts what has taken too long */
void             net_conn_cut_unread(struct net *);                             /* those who do not read their answers */
bool             net_conn_holds_much(const struct net *);                       /* for them: more than limits.send_bytes */
void             net_conn_close_idle(struct net *);
void             net_conn_cut_all(struct net *);

/* tls.c: what a handshake needs of net->certificate, until it is let go. */
struct ssl_ctx_st *net_certificate_hold(const struct net *);
void net_certificate_let_go(struct ssl_ctx_st **);
void net_tickets_fini(struct net *);

/* front.c: the guard, between the socket and h2o. */
void net_front_init(struct net *);
void net_front_fini(struct net *);
bool net_front_begin(struct net_conn *);                        /* false: the guard is off. c may be gone afterwards */
void net_front_hook_all(struct net *);                          /* before each turn */
void net_front_answered(struct net_conn *);                     /* one of its requests has been, not given up */
void net_front_request_ended(struct net_conn *);                /* h2o may go on to the next one */
void net_front_end(struct net_conn *);                          /* no more HTTP on it */
void net_front_count_unread(struct net_conn *);                 /* it is cut for net->limits.send_bytes */

/* Soon it is answered so, unless h2o answers it first, and closed. */
void net_front_refuse(struct net_conn *, int status, enum tb_code);

/* window.c: how many requests of one HTTP/2 connection are worked on at a time. */
void net_window_init(struct net *);
void net_window_fini(struct net *);
void net_window_begin(struct net_conn *);
void net_window_end(struct net_conn *);
bool net_window_enter(struct net_req *);                        /* false: it waits, and is handed over later */
bool net_window_drop(struct net_req *);                         /* its client has gone; false: it did not wait */
enum { NET_WAITING_BYTES = 6144 };                              /* that one holds while it waits, most of them h2o's */
void net_window_leave(struct net_hook *, bool was_taken);       /* its request waits for something else, or is over */

/* gone.c: hears when the peer hangs up while its request is with the handlers, and has h2o end the connection. */
void net_gone_init(struct net *);
void net_gone_fini(struct net *);
void net_gone_watch(struct net_conn *);

/* request.c */
void        net_req_register(struct net *, h2o_pathconf_t *);       /* everything below it becomes requests */
void        net_req_refuse_unanswered(struct net *);                /* 503 in the handlers' place */
void        net_req_hand_over(struct net_req *);                    /* to the handler of its route */
struct net *net_of(h2o_req_t *);
size_t      net_req_max_body(const struct net *, tb_str target);    /* what the route of a request target takes */

/* Parts a request from h2o's, which is returned; NULL: the client has gone. Then, once its text is needed no more: */
h2o_req_t *net_req_take(struct net_request *);
void       net_req_forget(struct net_request *);

/* client.c, peers.c */
struct net_client net_client_of(const struct net_conn *, const h2o_req_t *);
void net_client_text(const struct net_client *, char out[INET6_ADDRSTRLEN]);
bool net_peers_enter(struct net_conn *);        /* false: it is one too many of its address, and is to be closed */
void net_peers_leave(struct net_conn *);
bool net_peers_ask(struct net_conn *, const struct net_client *, bool wants_upgrade,
                   int64_t *wait_us);           /* false: it has asked too often, or has too many connections */
void net_peers_init(struct net *);
void net_peers_fini(struct net *);

/* redirect.c: where a request to the redirecting door is to go instead. false: its Host or path makes no sense. */
bool net_redirect_location(struct tb_buf *out, tb_str authority, tb_str target, uint16_t port);

/* tally.c: a request has been answered; 499: its client went away. t NULL: "other" */
void        net_tally_note(struct net_tally *t, int status, int64_t took_us);
const char *net_tally_route(const struct net_tally *t);

/* errors.c: makes h2o's own error pages JSON. */
#define NET_JSON TB_LIT("application/json; charset=utf-8")
void net_errors_register(h2o_pathconf_t *fallback);
void net_error_body(struct tb_buf *out, enum tb_code, uint32_t retry_after_s);  /* {"message":...,"code":...}; 0: without */

/* early.c: requests under way. A head that is too long already; a body that will be longer than its route takes; the Origin of the
 * one that begins at byte `from` of the input, as far as it has come. */
bool net_early_has_no_end(const struct net_conn *);
bool net_early_is_too_much(const struct net_conn *);
tb_str net_early_origin(const struct net_conn *, size_t from);

/* cors.c: headers that let pages of other origins read the answer. */
enum { NET_PREFLIGHT_HEADERS = 3 };
bool net_cors_is_preflight(const struct net *, const h2o_req_t *);
struct net_response net_cors_preflight(const h2o_req_t *, struct net_header headers[NET_PREFLIGHT_HEADERS]);
void net_cors_add(struct net *, h2o_req_t *);
void net_cors_write(const struct net *net, tb_str origin, struct tb_buf *out);     /* header lines */
bool net_cors_is_own(const struct net_conn *c, const h2o_req_t *req);              /* a page of the host that it was sent to */
