/* What both forms of HTTP share: the reasons, rates, and who judges which bytes. */
#include "net/guard.h"

#include "net/guard_inside.h"

#include <assert.h>

/* ---- reasons ---- */

static const struct { const char *label; int status; } reasons[NET_GUARD_REASON_COUNT] = {
    [NET_GUARD_FINE] = { "fine", 200 },
#define X(name, text, code) [name] = { text, code },
    NET_GUARD_REASONS(X)
#undef X
};

const char *
net_guard_label(enum net_guard_reason reason)
{
    return reasons[reason].label;
}

int
net_guard_status(enum net_guard_reason reason)
{
    return reasons[reason].status;
}

/* ---- rates ---- */

bool
net_bucket_take(struct net_bucket *b, unsigned n, unsigned per_second, uint64_t burst, int64_t now_ms)
{
    int64_t back = (now_ms - b->at_ms) * (int64_t)per_second;

    b->missing = back < b->missing ? b->missing - back : 0;
    b->at_ms = now_ms;
    b->missing += (int64_t)n * 1000;
    return b->missing <= (int64_t)burst * 1000;
}

void
net_bucket_give(struct net_bucket *b, unsigned n)
{
    int64_t back = (int64_t)n * 1000;

    b->missing = back < b->missing ? b->missing - back : 0;
}

bool
net_guard_take_ahead(struct net_guard *g, int64_t now_ms)
{
    return g->limits->requests_ahead == 0 ||
           net_bucket_take(&g->ahead, 1, g->limits->resets_per_second, g->limits->requests_ahead, now_ms);
}

void
net_guard_answered(struct net_guard *g)
{
    net_bucket_give(&g->ahead, 1);
}

/* ---- one connection ---- */

struct net_guard *
net_guard_new(const struct net_guard_limits *limits, bool is_http2)
{
    struct net_guard *g = TB_NEW(struct net_guard);

    g->limits = limits;
    if (is_http2)
        net_h2_begin(g, 0, false);
    return g;
}

void
net_guard_free(struct net_guard **g)
{
    if (*g == NULL)
        return;
    tb_free((*g)->h2);
    tb_free(*g);
    *g = NULL;
}

enum net_guard_reason
net_guard_feed(struct net_guard *g, const char *bytes, size_t n, int64_t now_ms, size_t *n_good)
{
    const char           *at = bytes, *end = bytes + n, *good = bytes;
    enum net_guard_reason reason = NET_GUARD_FINE;

    if (g->h2 == NULL)
        reason = net_h1_feed(g, &at, end, now_ms, &good);
    if (reason == NET_GUARD_FINE && g->h2 != NULL)
        reason = net_h2_feed(g, at, end, now_ms, &good);
    *n_good = reason == NET_GUARD_FINE ? n : (size_t)(good - bytes);
    return reason;
}

bool
net_guard_is_http2(const struct net_guard *g)
{
    return g->h2 != NULL;
}

bool
net_guard_wants_upgrade(const struct net_guard *g)
{
    return g->h1.at == NET_H1_OVER && g->h2 == NULL;
}

bool
net_guard_has_begun(const struct net_guard *g)
{
    return g->h2 != NULL || g->h1.saw_head;
}

uint32_t
net_guard_last_stream(const struct net_guard *g)
{
    return g->h2 != NULL ? g->h2->last_stream : 0;
}

bool
net_guard_is_receiving(const struct net_guard *g)
{
    return g->h2 != NULL && (g->h2->n_uploads > 0 || g->h2->is_in_block);
}

bool
net_guard_is_between(const struct net_guard *g)
{
    if (g->h2 != NULL)
        return !net_guard_is_receiving(g);
    return g->h1.at == NET_H1_OVER || (g->h1.at == NET_H1_START && g->h1.n_line == 0);
}

size_t
net_guard_body_bytes(const struct net_guard *g)
{
    return g->h2 != NULL ? g->h2->body_bytes : 0;
}
