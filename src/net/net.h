#pragma once
/* The loop: listeners, HTTP requests as plain structs, timers, the mailbox by which other threads reach it. src/net is
 * the only folder that includes h2o.h. Handlers see no difference between HTTP/1.1 and HTTP/2, with TLS or without.
 * What comes has passed the guard (guard.h).
 * Threads: the one that calls net_open is the loop (TB_LOOP) and calls everything else here, but for net_mailbox and
 * net_stop, which any thread may call. */
#include "base/address.h"
#include "base/clock.h"
#include "base/mailbox.h"
#include "net/guard.h"
#include "tombolo/err.h"

#include <stdatomic.h>

struct net;

struct net_tls {                                /* a second listener, with TLS */
    struct net_certificate *certificate;        /* see net/tls.h; net_open takes it, also when it fails; NULL: no such listener */
    const char             *host;               /* as that of the first */
    uint16_t                port;               /* 0: any free one, see net_tls_port */
    bool                    with_redirect;      /* a third listener that only sends people to this one */
    uint16_t                redirect_port;      /* 0: any free one */
    unsigned                handshake_timeout_ms;
    unsigned                ticket_ms;          /* how long a session can be resumed without a full handshake; 0: not at all */
};

/* What the guard lets through. */
struct net_limits {
    bool                    is_on;          /* no: everything that h2o takes */
    struct net_guard_limits guard;          /* but allow_http2, which is settings.http2 */
    size_t                  receive_bytes;  /* of unfinished requests over all; beyond it each holds its share at most; 0: any */
    unsigned                requests_at_once;   /* of one HTTP/2 connection that are worked on, at most; at least 1 */
    size_t                  send_bytes;     /* of answers that are not taken yet, over all; beyond it the oldest are cut; 0: any */
};

/* What one address may do; see limit.* in conf/tombolo.conf. 0: any number. */
struct net_address_limits {
    unsigned           connections;         /* at a time; more are closed at once */
    unsigned           handshakes;          /* with TLS, a second; likewise */
    unsigned           requests;            /* a second; more get 429 */
    size_t             tracked;             /* addresses that are remembered beside those with connections */
    struct tb_networks exempt;              /* to whom none of this applies */
    struct tb_networks trusted;             /* proxies: whom they name is the client; none of this applies to themselves */
};

struct net_settings {
    const char            *host;                /* what to listen on: "0.0.0.0", "::" (IPv6 and IPv4, or IPv4 alone) */
    uint16_t               port;                /* 0: any free one, see net_port */
    size_t                 max_body;            /* bytes of a request body; beyond it 413 */
    unsigned               header_timeout_ms;   /* from the first byte of a request to the last of its body; then 408 */
    unsigned               idle_timeout_ms;     /* between requests on a connection */
    unsigned               stop_timeout_ms;     /* after net_stop: how long answers may take; 0: NET_STOP_TIMEOUT_MS */
    unsigned               max_connections;     /* beyond it new ones wait in the kernel's queue */
    const char            *cors_origins;        /* "*", or a list separated by blanks; empty: none */
    bool                   http2;               /* to those who ask for it; without TLS by preface, or by Upgrade: h2c */
    struct net_tls         tls;
    struct net_limits      limits;
    struct net_address_limits by_address;
    const struct tb_clock *clock;               /* of timers and time-outs; NULL: the system's */
};

/* Half of the 10 s in which the whole server must end: sync and the disk want to end as well. */
enum { NET_STOP_TIMEOUT_MS = 5000 };

/* Whether net_open could listen now: before anything is made that a server which cannot start should not leave behind. Takes
 * nothing. Any thread. */
enum tb_code net_try(const struct net_settings *, struct tb_err *e) TB_MUST_CHECK;

/* Binds and listens; nothing is accepted before net_run. TB_EIO: why says which address and what was wrong with it, as
 * "the port is in use". settings and its texts are borrowed for the call, but the clock for as long as the net lives. The process
 * ignores SIGPIPE from then on, unless it handles it. */
enum tb_code net_open(struct net **out, const struct net_settings *settings, struct tb_err *e) TB_MUST_CHECK;
uint16_t     net_port(const struct net *);
uint16_t     net_tls_port(const struct net *);          /* 0: there is none, as in the next */
uint16_t     net_redirect_port(const struct net *);

/* On the loop, at any time; what was counted stays counted. */
void net_set_address_limits(struct net *, const struct net_address_limits *);

/* Serves until net_stop. Then listeners are closed, requests that have arrived are answered, idle connections closed; what
 * the handlers have not answered after stop_timeout_ms gets 503 in their place. No connection is left when it returns. */
void net_run(struct net *);
void net_stop(struct net *);                    /* any thread, also a signal handler; returns at once */

/* After net_run: runs what comes into the mailbox until every request has been responded to and is_settled(ctx), when not
 * NULL, says so too. false: not within ms. */
bool net_settle(struct net *, unsigned ms, bool (*is_settled)(const void *ctx), const void *ctx);

/* After net_run, and after every request has been responded to (their answers go nowhere then). Messages still in the
 * mailbox are run first. Accepts NULL inside. */
void net_close(struct net **);

struct tb_mailbox *net_mailbox(struct net *);   /* what is posted here runs on the loop; borrowed */

/* ---- requests ---- */

struct net_header { tb_str name, value; };      /* name in lower case */

/* One request, whole. It and its text live until net_respond, on the loop or lent to other threads, whatever the client
 * does. When the client goes away before that, is_gone becomes true and the answer is dropped, but net_respond is still
 * owed. A HEAD is shown as the GET whose answer it wants. */
struct net_request {
    tb_str method;                  /* "GET" */
    tb_str path;                    /* without the query, undecoded, begins with "/" */
    tb_str query;                   /* without the "?", undecoded, maybe empty */
    tb_str body;
    tb_str peer;                    /* the client's address in text, no port; IPv4 in its own form also over an IPv6 listener;
                                     * "unknown": a proxy that is trusted has named them no address that can be read */
    bool   is_forwarded;            /* it has passed a proxy, trusted or not */
    tb_str id;                      /* X-Request-Id: the client's if it is sane, else made here; it goes back with the answer */
    tb_str upgrade;                 /* what protocol it wants to go on with: "websocket"; n == 0: none */
    bool   is_own_page;             /* its Origin is the host that it was sent to */
    int64_t user_id;                /* the handler's, for the log: who asks; 0: nobody is known */
    struct net_tally *tally;        /* the handler's: the route that it counts for; NULL: "other" */
    bool   may_wait;                /* the handler's: the answer comes when there is something to say, so it is never slow */
    bool   is_gone;
    atomic_bool is_unwanted;        /* as is_gone, for other threads: what is not done yet need not be done */
    void  *app;                     /* the handler's, untouched, as is the next */
    /* When is_gone becomes true; may respond. Set in the handler, it comes as soon as the client hangs up or closes its sending
     * side; without it (NULL) is_gone comes when an answer could not be written. */
    void (*on_gone)(struct net_request *);
};

/* Longer ids of clients are not taken, nor those with other characters than letters, digits, and "-._". */
enum { NET_ID_MAX = 64 };

/* What a route's requests are counted by, for /metrics: "POST /messages". The same for the same text; nothing that a peer sends may
 * become one, for they stay. Any thread. */
struct net_tally *net_tally(const char *route);

/* The first of that name; n == 0 and p == NULL: not there. Headers about the connection itself (Host, Content-Length,
 * Transfer-Encoding, Expect, Upgrade) are the loop's business and not shown. */
tb_str net_request_header(const struct net_request *, tb_str lower_name);

/* All of that name as one list (RFC 9110 section 5.3), in scratch if there are several. */
tb_str net_request_list(const struct net_request *, tb_str lower_name, struct tb_buf *scratch);

struct net_response {
    int                      status;            /* 200..599 */
    tb_str                   content_type;      /* empty: none */
    tb_str                   body;              /* copied; must be empty for 204 and 304 */
    const struct net_header *headers;           /* copied; names in lower case */
    size_t                   n_headers;
    bool                     without_cors;
};

/* Answers, in the handler or in any later turn of the loop. The request is gone afterwards. */
void net_respond(struct net_request *, const struct net_response *);

/* Called on the loop for each request that no longer prefix claims; a path that none claims gets 404. Prefixes end in "/"
 * (static text) and are set before net_run. max_body: bytes of a body, beyond it 413; 0: settings.max_body. With CORS on,
 * OPTIONS is answered here and not shown to handlers. */
void net_handle(struct net *, const char *prefix, size_t max_body, void (*on_request)(void *ctx, struct net_request *),
                void *ctx);

/* Bytes of a body may be limited by the request's query as well, before it has come: beyond
 * max_body(ctx, query), with ctx of net_handle, 413. prefix is claimed already. */
void net_limit_bodies(struct net *, const char *prefix, size_t (*max_body)(void *ctx, tb_str query));

/* Whether pages of that origin (the Origin header; n == 0: no page) may talk to us, by settings.cors_origins. */
bool net_allows_origin(const struct net *, tb_str origin);

/* ---- streams: connections that were upgraded to something else than HTTP (RFC 9110 section 7.8) ---- */

struct net_stream;

struct net_stream_ops {
    /* The 101 is out: net_stream_write may be called. */
    void (*on_open)(void *app);
    /* *n bytes came, which may be changed in place. Out: how many at the end are left for later; no more is read before
     * net_stream_took. false: net_stream_close was called meanwhile. */
    bool (*on_input)(void *app, char *bytes, size_t *n);
    void (*on_written)(void *app);      /* the last net_stream_write is out */
    void (*on_gone)(void *app);         /* the peer hung up, or it broke; last call. Not after net_stream_close */
};

/* Answers a request whose `upgrade` is set with 101 and these headers (Connection and Upgrade are added) and takes its
 * connection out of HTTP; the request is gone afterwards. NULL: the client has gone already, and no call follows. */
struct net_stream *net_upgrade(struct net_request *, const struct net_header *headers, size_t n_headers,
                               const struct net_stream_ops *ops, void *app);

/* One gathered write of n slices (1..NET_MAX_SLICES), whose bytes stay valid until on_written; one at a time. */
enum { NET_MAX_SLICES = 64 };
void net_stream_write(struct net_stream *, const tb_str *slices, size_t n);
size_t net_stream_left(const struct net_stream *, char **bytes);     /* what on_input left */
void net_stream_took(struct net_stream *, size_t n);        /* so many of them are done with; not in on_input */
void net_stream_close(struct net_stream *);     /* drops a write under way; no call follows */

/* ---- the loop's turns ---- */

/* Runs fn(ctx) once at the end of this turn of the loop, when all that has come in has been handled. */
struct net_at_end;
struct net_at_end *net_at_end_new(struct net *, void (*fn)(void *ctx), void *ctx);
void               net_at_end_wish(struct net_at_end *);
void               net_at_end_free(struct net_at_end **);

/* fn(ctx) is called when net_stop has been heard, before requests and connections are waited for: streams are for those who
 * opened them to end. */
void net_on_stop(struct net *, void (*fn)(void *ctx), void *ctx);

/* ---- timers, on settings.clock ---- */

int64_t net_now_ms(const struct net *);         /* since some start; never goes back */

struct net_timer;
struct net_timer *net_timer_new(struct net *, void (*on_time)(void *ctx), void *ctx);
void              net_timer_start(struct net_timer *, uint64_t after_ms);      /* again: moves it; fires once */
void              net_timer_stop(struct net_timer *);
void              net_timer_free(struct net_timer **);                         /* before net_close; also in on_time */
