/* HTTP/2 (RFC 9113, section numbers in brackets): frame headers, the shape of header blocks, and how much of what costs us
 * more than the peer. h2o 2.2.5 has none of these limits: it takes header blocks of any size and any number of frames, and its
 * cap on concurrent streams is no cap once streams are reset while their handlers still work.
 *
 *     preface, then frames: head (9 bytes), payload; HEADERS and CONTINUATION with the block's HPACK inside
 *
 * Every stream is paid for with its answer (see net_guard_take_ahead): whatever trick makes the server drop a stream, the
 * connection runs out of credit. RST_STREAM and frames known for such tricks are counted by themselves as well.
 * Frames that h2o would answer with a connection error are refused here already, so no state of its own errors is reached. */
#include "net/guard_inside.h"

enum frame_type {
    DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION, UNKNOWN
};
enum { END_STREAM = 0x1, ACK = 0x1, END_HEADERS = 0x4, PADDED = 0x8, HAS_PRIORITY = 0x20 };

enum {
    PREFACE_SIZE = sizeof NET_H2_PREFACE - 1,
    MAX_FRAME = 16384,              /* we have not allowed more [6.5.2] */
    SMALL_DATA = 64,                /* bytes; less, and not the end of the body, is a small frame */
    SMALL_FREE = 4,                 /* frames that each new stream may bring along */
    UNKNOWN_COST = 20,              /* h2o writes a line about each to standard error */
    HUGE_INCREMENT = 1 << 28,       /* of a stream's window: eight of these overflow it, which resets the stream */
};

void
net_h2_begin(struct net_guard *g, uint8_t n_seen, bool was_upgraded)
{
    g->h2 = TB_NEW(struct net_h2);
    g->h2->n_preface = n_seen;
    g->h2->last_stream = was_upgraded ? 1 : 0;
    net_hpack_init(&g->h2->hpack, g->limits->header_fields, g->limits->header_bytes);
}

/* ---- rates ---- */

static bool
take(struct net_bucket *b, unsigned n, unsigned per_second, int64_t now_ms)
{
    return per_second == 0 || net_bucket_take(b, n, per_second, (uint64_t)per_second * NET_GUARD_BURST_S, now_ms);
}

static enum net_guard_reason
take_reset(struct net_guard *g, int64_t now_ms)
{
    return take(&g->resets, 1, g->limits->resets_per_second, now_ms) ? NET_GUARD_FINE : NET_GUARD_RESETS;
}

static enum net_guard_reason
take_small(struct net_guard *g, unsigned n, int64_t now_ms)
{
    return take(&g->h2->small, n, g->limits->small_per_second, now_ms) ? NET_GUARD_FINE : NET_GUARD_SMALL;
}

static enum net_guard_reason
take_control(struct net_guard *g, int64_t now_ms)
{
    return take(&g->h2->control, 1, g->limits->control_per_second, now_ms) ? NET_GUARD_FINE : NET_GUARD_CONTROL;
}

/* ---- bodies that are coming ---- */

static unsigned
find_upload(const struct net_h2 *h, uint32_t stream)
{
    unsigned i = 0;

    while (i < h->n_uploads && h->uploads[i].stream != stream)
        i++;
    return i;
}

static void
end_upload(struct net_h2 *h, unsigned i)
{
    if (i >= h->n_uploads)
        return;
    h->body_bytes -= h->uploads[i].bytes;
    h->n_uploads--;
    memmove(&h->uploads[i], &h->uploads[i + 1], (h->n_uploads - i) * sizeof h->uploads[0]);
}

/* The oldest goes when there are too many: one that the server has refused is never ended by the peer. */
static void
begin_upload(struct net_h2 *h, uint32_t stream)
{
    if (h->n_uploads == NET_H2_UPLOADS)
        end_upload(h, 0);
    h->uploads[h->n_uploads].stream = stream;
    h->uploads[h->n_uploads++].bytes = 0;
}

/* ---- frames, once their head has come ---- */

static bool
is_clients(const struct net_h2 *h)      /* the stream; a server's are even, and we open none */
{
    return (h->stream & 1) != 0;
}

static bool
has_flag(const struct net_h2 *h, unsigned flag)
{
    return (h->flags & flag) != 0;
}

static enum net_guard_reason
begin_data(struct net_guard *g, int64_t now_ms)
{
    struct net_h2        *h = g->h2;
    unsigned              i = find_upload(h, h->stream);
    enum net_guard_reason reason = NET_GUARD_FINE;

    if (!is_clients(h) || h->stream > h->last_stream || (has_flag(h, PADDED) && h->left == 0))
        return NET_GUARD_FRAME;
    if (i == h->n_uploads)
        return take_reset(g, now_ms);       /* its body has ended, so the server resets the stream [5.1] */
    if (h->left < SMALL_DATA && !has_flag(h, END_STREAM))
        reason = take_small(g, 1, now_ms);
    h->uploads[i].bytes += h->left;
    h->body_bytes += h->left;
    if (g->limits->body_bytes > 0 && h->body_bytes > g->limits->body_bytes)
        return NET_GUARD_BODIES;
    if (has_flag(h, END_STREAM))
        end_upload(h, i);
    return reason;
}

static enum net_guard_reason
open_stream(struct net_guard *g, int64_t now_ms)
{
    struct net_h2 *h = g->h2;

    h->last_stream = h->stream;
    net_bucket_give(&h->small, SMALL_FREE);
    if (!take(&h->streams, 1, g->limits->streams_per_second, now_ms))
        return NET_GUARD_STREAMS;
    if (!net_guard_take_ahead(g, now_ms))
        return NET_GUARD_AHEAD;
    if (!has_flag(h, END_STREAM))
        begin_upload(h, h->stream);
    return NET_GUARD_FINE;
}

/* A request, or the trailer behind one's body [8.1]. */
static enum net_guard_reason
begin_headers(struct net_guard *g, int64_t now_ms)
{
    struct net_h2        *h = g->h2;
    enum net_guard_reason reason = NET_GUARD_FINE;

    if (!is_clients(h) || h->left < (has_flag(h, PADDED) ? 1u : 0) + (has_flag(h, HAS_PRIORITY) ? 5u : 0))
        return NET_GUARD_FRAME;
    if (h->stream > h->last_stream) {
        reason = open_stream(g, now_ms);
    } else {
        unsigned i = find_upload(h, h->stream);
        if (i == h->n_uploads || !has_flag(h, END_STREAM))
            return NET_GUARD_FRAME;
        end_upload(h, i);
    }
    h->awaits_pad = has_flag(h, PADDED);
    h->n_skip = has_flag(h, HAS_PRIORITY) ? 5 : 0;
    h->is_in_block = true;
    h->block_stream = h->stream;
    h->n_continuations = 0;
    net_hpack_begin(&h->hpack);
    return reason;
}

static enum net_guard_reason
begin_continuation(struct net_guard *g)
{
    struct net_h2 *h = g->h2;

    return ++h->n_continuations > g->limits->continuations ? NET_GUARD_CONTINUATIONS : NET_GUARD_FINE;
}

static enum net_guard_reason
begin_rst_stream(struct net_guard *g, int64_t now_ms)
{
    struct net_h2 *h = g->h2;

    if (!is_clients(h) || h->stream > h->last_stream || h->left != 4)
        return NET_GUARD_FRAME;
    end_upload(h, find_upload(h, h->stream));
    return take_reset(g, now_ms);
}

static enum net_guard_reason
begin_settings(struct net_guard *g, int64_t now_ms)
{
    const struct net_h2 *h = g->h2;

    if (h->stream != 0 || h->left % 6 != 0 || (has_flag(h, ACK) && h->left != 0))
        return NET_GUARD_FRAME;
    return take_control(g, now_ms);
}

static enum net_guard_reason
begin_ping(struct net_guard *g, int64_t now_ms)
{
    return g->h2->stream != 0 || g->h2->left != 8 ? NET_GUARD_FRAME : take_control(g, now_ms);
}

static enum net_guard_reason
begin_small(struct net_guard *g, bool is_good, int64_t now_ms)
{
    return is_good ? take_small(g, 1, now_ms) : NET_GUARD_FRAME;
}

static enum net_guard_reason
begin_frame(struct net_guard *g, int64_t now_ms)
{
    struct net_h2 *h = g->h2;

    if (h->left > MAX_FRAME)
        return NET_GUARD_FRAME;
    if (h->is_in_block != (h->type == CONTINUATION) || (h->is_in_block && h->stream != h->block_stream))
        return NET_GUARD_FRAME;
    switch ((enum frame_type)h->type) {
    case DATA:
        return begin_data(g, now_ms);
    case HEADERS:
        return begin_headers(g, now_ms);
    case CONTINUATION:
        return begin_continuation(g);
    case RST_STREAM:
        return begin_rst_stream(g, now_ms);
    case SETTINGS:
        return begin_settings(g, now_ms);
    case PING:
        return begin_ping(g, now_ms);
    case PRIORITY:
        return begin_small(g, h->stream != 0 && h->left == 5, now_ms);
    case GOAWAY:
        return begin_small(g, h->stream == 0 && h->left >= 8, now_ms);
    case WINDOW_UPDATE:
        h->value = 0;
        return begin_small(g, h->left == 4 && h->stream <= h->last_stream, now_ms);
    case PUSH_PROMISE:
        return NET_GUARD_FRAME;
    case UNKNOWN:
        return take_small(g, UNKNOWN_COST, now_ms);
    }
    return NET_GUARD_FINE;
}

/* ---- frames, payload ---- */

/* Padding and priority are no part of the block [6.2]. What is left behind the block is the padding. */
static enum net_guard_reason
take_block(struct net_guard *g, const char *p, uint32_t n)
{
    struct net_h2 *h = g->h2;
    uint32_t       left = h->left;      /* of the frame, from p on */

    if (h->awaits_pad) {
        h->awaits_pad = false;
        h->pad = (uint8_t)*p++;
        n--, left--;
        if (h->pad + (uint32_t)h->n_skip > left)
            return NET_GUARD_FRAME;
    }
    for (; n > 0 && h->n_skip > 0; h->n_skip--)
        p++, n--, left--;
    uint32_t n_block = left > h->pad ? left - h->pad : 0;
    if (!net_hpack_feed(&h->hpack, p, n < n_block ? n : n_block))
        return NET_GUARD_HEADER_BLOCK;
    if (h->hpack.n_fields > g->limits->header_fields || h->hpack.n_crumbs > NET_HPACK_CRUMBS)
        return NET_GUARD_HEADER_FIELDS;
    return h->hpack.n_bytes > g->limits->header_bytes ? NET_GUARD_HEADER_BYTES : NET_GUARD_FINE;
}

static enum net_guard_reason
take_payload(struct net_guard *g, const char *p, uint32_t n)
{
    struct net_h2 *h = g->h2;

    if (h->type == HEADERS || h->type == CONTINUATION)
        return take_block(g, p, n);
    if (h->type == WINDOW_UPDATE)
        for (uint32_t i = 0; i < n; i++)
            h->value = h->value << 8 | (uint8_t)p[i];
    return NET_GUARD_FINE;
}

/* [6.9]: nothing is no increment. */
static enum net_guard_reason
end_window_update(struct net_guard *g, int64_t now_ms)
{
    uint32_t increment = g->h2->value & 0x7fffffff;

    if (increment == 0)
        return NET_GUARD_FRAME;
    return g->h2->stream != 0 && increment >= HUGE_INCREMENT ? take_reset(g, now_ms) : NET_GUARD_FINE;
}

static enum net_guard_reason
end_frame(struct net_guard *g, int64_t now_ms)
{
    struct net_h2 *h = g->h2;

    h->n_head = 0;
    h->pad = 0;
    if (h->type == WINDOW_UPDATE)
        return end_window_update(g, now_ms);
    if ((h->type != HEADERS && h->type != CONTINUATION) || !has_flag(h, END_HEADERS))
        return NET_GUARD_FINE;
    h->is_in_block = false;
    return net_hpack_ends_well(&h->hpack) ? NET_GUARD_FINE : NET_GUARD_HEADER_BLOCK;
}

/* ---- all of it ---- */

static void
read_head(struct net_h2 *h)
{
    const uint8_t *p = h->head;

    h->left = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
    h->type = p[3] < UNKNOWN ? p[3] : UNKNOWN;
    h->flags = p[4];
    h->stream = ((uint32_t)p[5] << 24 | (uint32_t)p[6] << 16 | (uint32_t)p[7] << 8 | p[8]) & 0x7fffffff;
}

static enum net_guard_reason
take_preface(struct net_h2 *h, const char **at, const char *end)
{
    while (*at < end && h->n_preface < PREFACE_SIZE)
        if (*(*at)++ != NET_H2_PREFACE[h->n_preface++])
            return NET_GUARD_PREFACE;
    return NET_GUARD_FINE;
}

static enum net_guard_reason
take_head(struct net_guard *g, const char **at, int64_t now_ms)
{
    struct net_h2 *h = g->h2;

    h->head[h->n_head++] = (uint8_t)(*at)[0];
    ++*at;
    if (h->n_head < sizeof h->head)
        return NET_GUARD_FINE;
    read_head(h);
    enum net_guard_reason reason = begin_frame(g, now_ms);
    return reason == NET_GUARD_FINE && h->left == 0 ? end_frame(g, now_ms) : reason;
}

static enum net_guard_reason
take_some_payload(struct net_guard *g, const char **at, const char *end, int64_t now_ms)
{
    struct net_h2        *h = g->h2;
    uint32_t              n = (size_t)(end - *at) < h->left ? (uint32_t)(end - *at) : h->left;
    enum net_guard_reason reason = take_payload(g, *at, n);

    *at += n;
    h->left -= n;
    return reason == NET_GUARD_FINE && h->left == 0 ? end_frame(g, now_ms) : reason;
}

enum net_guard_reason
net_h2_feed(struct net_guard *g, const char *at, const char *end, int64_t now_ms, const char **good)
{
    struct net_h2        *h = g->h2;
    enum net_guard_reason reason = NET_GUARD_FINE;

    if (h->n_preface < PREFACE_SIZE) {
        reason = take_preface(h, &at, end);
        if (reason == NET_GUARD_FINE && h->n_preface == PREFACE_SIZE)
            *good = at;
    }
    while (at < end && reason == NET_GUARD_FINE) {
        if (h->n_head < sizeof h->head)
            reason = take_head(g, &at, now_ms);
        else
            reason = take_some_payload(g, &at, end, now_ms);
    }
    return reason;
}
