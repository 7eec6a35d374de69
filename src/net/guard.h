#pragma once
/* The guard in front of HTTP: it is shown the bytes of one connection before the HTTP library sees them, in any chunking,
 * and says whether they may go on. It refuses what could be read in two ways (HTTP/1) and what costs far more than it
 * costs to send (HTTP/2). It parses only what it needs for that and copies nothing.
 *
 *     HTTP/1 --"PRI * HTTP/2.0"--> HTTP/2
 *        |---a request with Upgrade (but not to h2c) is whole--> ended: what follows is not HTTP, or nothing
 *     any --refused--> refused: nothing more is judged
 *
 * Threads: plain values; whoever holds them. */
#include "tombolo/str.h"

/* Why a connection is cut: name, label in /metrics, status of the answer over HTTP/1. */
#define NET_GUARD_REASONS(X)                                                                                                \
    X(NET_GUARD_REQUEST_LINE,  "request_line", 400)       /* not "method SP target SP HTTP/1.x" */                            \
    X(NET_GUARD_LINE_END,      "line_end", 400)           /* LF without CR, CR without LF */                                   \
    X(NET_GUARD_FOLDED,        "folded_header", 400)                                                                          \
    X(NET_GUARD_HEADER,        "header", 400)             /* a name or value with bytes that do not belong there */            \
    X(NET_GUARD_HEAD_SIZE,     "head_size", 431)          /* header_bytes, over HTTP/1 */                                      \
    X(NET_GUARD_LENGTH,        "length", 400)             /* Content-Length no number, twice, or beside Transfer-Encoding */   \
    X(NET_GUARD_CODING,        "transfer_encoding", 400)  /* anything but "chunked", once, in HTTP/1.1 */                      \
    X(NET_GUARD_HOST,          "host", 400)               /* twice, or none in HTTP/1.1 */                                     \
    X(NET_GUARD_CHUNK,         "chunk", 400)                                                                                  \
    X(NET_GUARD_PREFACE,       "preface", 400)            /* of HTTP/2, broken or not wanted */                                \
    X(NET_GUARD_FRAME,         "frame", 400)              /* not as RFC 9113 wants it */                                       \
    X(NET_GUARD_HEADER_BLOCK,  "header_block", 400)       /* not as RFC 7541 wants it */                                       \
    X(NET_GUARD_HEADER_FIELDS, "header_fields", 400)                                                                          \
    X(NET_GUARD_HEADER_BYTES,  "header_bytes", 400)                                                                           \
    X(NET_GUARD_CONTINUATIONS, "continuations", 400)                                                                          \
    X(NET_GUARD_AHEAD,         "requests_ahead", 429)                                                                         \
    X(NET_GUARD_RESETS,        "resets", 429)                                                                                 \
    X(NET_GUARD_STREAMS,       "streams", 429)                                                                                \
    X(NET_GUARD_CONTROL,       "control_frames", 429)                                                                         \
    X(NET_GUARD_SMALL,         "small_frames", 429)                                                                           \
    X(NET_GUARD_BODIES,        "body_bytes", 413)                                                                             \
    X(NET_GUARD_MEMORY,        "receive_bytes", 503)      /* never the guard's own: its host's, over all connections; */    \
    X(NET_GUARD_UNREAD,        "send_bytes", 503)         /* so is this */

enum net_guard_reason {
    NET_GUARD_FINE,
#define X(name, label, status) name,
    NET_GUARD_REASONS(X)
#undef X
    NET_GUARD_REASON_COUNT
};

const char *net_guard_label(enum net_guard_reason);     /* static text; "fine" for NET_GUARD_FINE */
int         net_guard_status(enum net_guard_reason);

/* Rates are of one connection; 0: any number. A rate may be exceeded for a moment: as much as NET_GUARD_BURST_S seconds of it
 * may come at once. */
enum { NET_GUARD_BURST_S = 4 };

struct net_guard_limits {
    bool     allow_http2;
    unsigned header_fields;         /* in a header block */
    unsigned header_bytes;          /* in a header block, decoded; in the head of an HTTP/1 request */
    unsigned continuations;         /* frames to one header block */
    unsigned requests_ahead;        /* requests that may wait for their answers. Those that were given up or reset, by whomever,
                                     * are not answered: they are forgiven at the rate of resets_per_second */
    unsigned resets_per_second;     /* RST_STREAM, and frames that make the server reset a stream */
    unsigned streams_per_second;
    unsigned control_per_second;    /* PING and SETTINGS */
    unsigned small_per_second;      /* WINDOW_UPDATE, PRIORITY, DATA of a few bytes and the like */
    size_t   body_bytes;            /* of request bodies that are not complete yet */
};

struct net_guard;

/* The limits are borrowed until net_guard_free. is_http2: it begins with the preface (TLS with ALPN "h2"). */
struct net_guard *net_guard_new(const struct net_guard_limits *, bool is_http2);
void              net_guard_free(struct net_guard **);          /* accepts NULL inside */

/* The next n bytes, at now_ms. Not fine: the connection is to be cut, and only the first *n_good of these bytes may go on:
 * with HTTP/1 they end before the request that is refused or inside of it, with HTTP/2 behind the preface or at 0. Once it
 * was not fine it is not asked again. */
enum net_guard_reason net_guard_feed(struct net_guard *, const char *bytes, size_t n, int64_t now_ms, size_t *n_good);

void     net_guard_answered(struct net_guard *);                /* one request has been answered in full */
bool     net_guard_is_http2(const struct net_guard *);          /* the preface has come, or will come for sure */
bool     net_guard_wants_upgrade(const struct net_guard *);     /* has ended: if HTTP goes on, the connection must not */
uint32_t net_guard_last_stream(const struct net_guard *);       /* the highest stream the peer has opened; 0: none */
bool     net_guard_has_begun(const struct net_guard *);         /* a head has been whole, or it is HTTP/2 */
bool     net_guard_is_between(const struct net_guard *);        /* all requests that have begun to come are whole */
bool     net_guard_is_receiving(const struct net_guard *);      /* HTTP/2: a request has begun to come that is not whole */
size_t   net_guard_body_bytes(const struct net_guard *);        /* HTTP/2: of such requests' bodies */
