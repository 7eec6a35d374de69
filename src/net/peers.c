/* What one address may do: connections at a time, TLS handshakes and requests a second. An address is its network: all of an
 * IPv4 one, the /64 of another (base/address.h), for who has one of those has all of it.
 * A rate is a bucket that holds RATE_BURST_S seconds of it, told by the one time at which it will be full again.
 * Always: a peer with connections stays; the others are in net->peers.idle, the one that was here last at its end, and are
 * forgotten from its beginning, in time or when there are too many. An address that the settings exempt has no peer. */
#include "net/internal.h"

#include "base/log.h"
#include "base/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <utlist.h>

/* Addresses are chosen by those who come: without a key they could choose what shares a bucket of the table. */
static unsigned char hash_key[crypto_shorthash_KEYBYTES];

static unsigned
hash_of(const void *key, size_t n)
{
    uint64_t h = 0;

    crypto_shorthash((unsigned char *)&h, key, n, hash_key);
    return (unsigned)h;
}

#define HASH_FUNCTION(key, n, out) ((out) = hash_of(key, n))
#include <uthash.h>

enum {
    RATE_BURST_S = 10,      /* who was away may make up for it: a site that comes back, a page with all its parts */
    FORGET_EACH_TIME = 2,   /* so that memory follows use down as well as up */
    LOG_EVERY_MS = 1000,
    SECOND_US = 1000000,
};

enum { HIT_CONNECTIONS, HIT_HANDSHAKES, HIT_REQUESTS };
static const char *const limits_hit[] = {
    [HIT_CONNECTIONS] = "limit.connections", [HIT_HANDSHAKES] = "limit.handshakes", [HIT_REQUESTS] = "limit.requests",
};
TB_LIMIT_HITS(hits, limits_hit);

struct net_peer {
    struct tb_address network;
    unsigned          n_conns;
    int64_t           handshakes_us, requests_us;   /* when it may do all of a burst again */
    struct net_peer  *prev, *next;                  /* in net->peers.idle while n_conns == 0 */
    UT_hash_handle    hh;
};

/* ---- the table ---- */

static void
forget(struct net_peers *all, struct net_peer *p)
{
    assert(p->n_conns == 0 && all->by_network != NULL);
    DL_DELETE(all->idle, p);
    HASH_DEL(all->by_network, p);
    tb_free(p);
}

static bool
is_at_rest(const struct net_peer *p, int64_t now_us)
{
    return p->handshakes_us <= now_us && p->requests_us <= now_us;
}

static void
make_room(struct net *net, int64_t now_us)
{
    struct net_peers *all = &net->peers;

    for (int i = 0; i < FORGET_EACH_TIME && all->idle != NULL && is_at_rest(all->idle, now_us); i++)
        forget(all, all->idle);
    while (all->idle != NULL && HASH_COUNT(all->by_network) >= net->address_limits.tracked)
        forget(all, all->idle);
}

static struct net_peer *
find_or_add(struct net *net, const struct tb_address *address, int64_t now_us)
{
    struct net_peers *all = &net->peers;
    struct tb_address network = tb_address_network(*address);
    struct net_peer  *p;

    HASH_FIND(hh, all->by_network, &network, sizeof network, p);
    if (p == NULL) {
        make_room(net, now_us);
        p = TB_NEW(struct net_peer);
        p->network = network;
        HASH_ADD(hh, all->by_network, network, sizeof p->network, p);
        DL_APPEND(all->idle, p);
    } else if (p->n_conns == 0) {
        DL_DELETE(all->idle, p);
        DL_APPEND(all->idle, p);
    }
    return p;
}

/* ---- limits ---- */

static bool
take(int64_t *full_us, unsigned per_second, int64_t now_us, int64_t *wait_us)
{
    if (per_second == 0)
        return true;
    int64_t then_us = (*full_us > now_us ? *full_us : now_us) + SECOND_US / per_second;
    int64_t over_us = then_us - now_us - (int64_t)RATE_BURST_S * SECOND_US;
    if (over_us > 0) {
        *wait_us = over_us;
        return false;
    }
    *full_us = then_us;
    return true;
}

static void
turn_away(struct net *net, const char *peer, int hit)
{
    int64_t now_ms = net_now_ms(net);

    tb_count(&hits, (size_t)hit);
    net->peers.n_unlogged++;
    if (now_ms < net->peers.next_log_ms)
        return;
    log_warn("net.address_limited", "peer=%s limit=%s times=%u", peer, limits_hit[hit], net->peers.n_unlogged);
    net->peers.next_log_ms = now_ms + LOG_EVERY_MS;
    net->peers.n_unlogged = 0;
}

static bool
is_exempt(const struct net *net, const struct tb_address *a)
{
    return tb_networks_has(&net->address_limits.exempt, a) || tb_networks_has(&net->address_limits.trusted, a);
}

static bool
has_room(const struct net *net, const struct net_peer *p)
{
    return net->address_limits.connections == 0 || p->n_conns < net->address_limits.connections;
}

static void
count_for(struct net_conn *c, struct net_peer *p)
{
    if (p->n_conns++ == 0)
        DL_DELETE(c->net->peers.idle, p);
    c->from = p;
}

bool
net_peers_enter(struct net_conn *c)
{
    int64_t now_us = tb_mono_us(c->net->clock), wait_us;

    if (is_exempt(c->net, &c->address))
        return true;
    struct net_peer *p = find_or_add(c->net, &c->address, now_us);
    if (!has_room(c->net, p)) {
        turn_away(c->net, c->peer, HIT_CONNECTIONS);
        return false;
    }
    if (c->door == NET_TLS && !take(&p->handshakes_us, c->net->address_limits.handshakes, now_us, &wait_us)) {
        turn_away(c->net, c->peer, HIT_HANDSHAKES);
        return false;
    }
    count_for(c, p);
    return true;
}

void
net_peers_leave(struct net_conn *c)
{
    if (c->from != NULL && --c->from->n_conns == 0)
        DL_APPEND(c->net->peers.idle, c->from);
    c->from = NULL;
}

/* A proxy uses its connections for many; one that is to become a WebSocket is its client's from then on. */
static bool
hand_over(struct net_conn *c, struct net_peer *p)
{
    if (c->from == p)
        return true;
    if (!has_room(c->net, p))
        return false;
    net_peers_leave(c);
    count_for(c, p);
    return true;
}

static bool
refuse(struct net *net, const struct net_client *who, int hit)
{
    char text[INET6_ADDRSTRLEN];

    net_client_text(who, text);
    turn_away(net, text, hit);
    return false;
}

bool
net_peers_ask(struct net_conn *c, const struct net_client *who, bool wants_upgrade, int64_t *wait_us)
{
    int64_t now_us = tb_mono_us(c->net->clock);

    if (!who->is_unknown && is_exempt(c->net, &who->address))
        return true;
    bool             is_direct = c->from != NULL && memcmp(&who->address, &c->address, sizeof c->address) == 0;
    struct net_peer *p = is_direct ? c->from : find_or_add(c->net, &who->address, now_us);
    if (!take(&p->requests_us, c->net->address_limits.requests, now_us, wait_us))
        return refuse(c->net, who, HIT_REQUESTS);
    if (wants_upgrade && !hand_over(c, p)) {
        *wait_us = SECOND_US;
        return refuse(c->net, who, HIT_CONNECTIONS);
    }
    return true;
}

void
net_peers_init(struct net *net)
{
    (void)net;
    randombytes_buf(hash_key, sizeof hash_key);
}

void
net_peers_fini(struct net *net)
{
    while (net->peers.idle != NULL)
        forget(&net->peers, net->peers.idle);
    assert(net->peers.by_network == NULL);
}
