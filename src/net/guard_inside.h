#pragma once
/* What the files of the guard share. */
#include "net/guard.h"
#include "net/hpack.h"

/* So much at once, and per_second again each second. */
struct net_bucket {
    int64_t missing;        /* thousandths of what fits */
    int64_t at_ms;
};

/* Takes n. false: there is not so much left. */
bool net_bucket_take(struct net_bucket *, unsigned n, unsigned per_second, uint64_t burst, int64_t now_ms);
void net_bucket_give(struct net_bucket *, unsigned n);

enum net_h1_at {
    NET_H1_START,           /* before a request; n_line counts what has matched the preface of HTTP/2 */
    NET_H1_METHOD, NET_H1_TARGET, NET_H1_VERSION,
    NET_H1_LINE,            /* at the first byte of a header line, or of the empty line */
    NET_H1_NAME, NET_H1_VALUE,
    NET_H1_LF,              /* the line is over but for its LF */
    NET_H1_BODY,            /* left bytes, or inside a chunk */
    NET_H1_CHUNK_SIZE, NET_H1_CHUNK_EXTENSION, NET_H1_CHUNK_LF, NET_H1_CHUNK_CR, NET_H1_CHUNK_END_LF,
    NET_H1_OVER,            /* what follows is not HTTP */
};

enum { NET_H1_WORD = 64 };      /* bytes of a value that is looked at; what is longer is never one that matters */

struct net_h1 {
    enum net_h1_at at;
    uint32_t       n_head;              /* bytes of this head, or of a chunk's line, or of the trailer */
    uint16_t       n_line;
    uint8_t        n_name, n_value;     /* as far as they are kept; one more than fits: longer */
    bool           saw_empty_line, has_space;
    /* of this request */
    bool           is_10, is_chunked, is_trailer, has_length, has_host, has_upgrade, has_h2c, connection_upgrades;
    uint64_t       left;                /* of the body or the chunk */
    char           name[24], value[NET_H1_WORD];
    bool           saw_head;            /* of this connection: one has been whole */
};

enum { NET_H2_UPLOADS = 128 };

struct net_h2 {
    uint8_t  n_preface, n_head, head[9];
    uint8_t  type, flags;
    uint32_t stream, left, last_stream, value;
    uint8_t  pad, n_skip;
    bool     awaits_pad, is_in_block, block_ends_stream;
    uint32_t block_stream;
    unsigned n_continuations;
    struct net_bucket streams, control, small;
    struct { uint32_t stream; uint32_t bytes; } uploads[NET_H2_UPLOADS];    /* whose bodies are coming, oldest first */
    unsigned n_uploads;
    size_t   body_bytes;                /* of them all */
    struct net_hpack hpack;
};

struct net_guard {
    const struct net_guard_limits *limits;
    struct net_bucket ahead, resets;
    struct net_h1     h1;
    struct net_h2    *h2;               /* NULL: HTTP/1 */
};

#define NET_H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* Each judges from *at on, up to end or to where the other takes over; see net_guard_feed for *good. */
enum net_guard_reason net_h1_feed(struct net_guard *, const char **at, const char *end, int64_t now_ms, const char **good);
enum net_guard_reason net_h2_feed(struct net_guard *, const char *at, const char *end, int64_t now_ms, const char **good);

/* HTTP/2 begins; n_seen bytes of the preface have been judged already. */
void net_h2_begin(struct net_guard *, uint8_t n_seen, bool was_upgraded);

/* For each request: another one is ahead of its answer. */
bool net_guard_take_ahead(struct net_guard *, int64_t now_ms);
