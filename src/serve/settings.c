/* Bodies of settings.h. */
#include "settings.h"

#include "base/log.h"
#include "tls.h"

#include <ifaddrs.h>
#include <netinet/in.h>

enum { HOUR_MS = 3600 * 1000 };

struct store_settings
serve_store_settings(const struct tb_config *c, const struct tb_clock *clock, const char *vfs)
{
    return (struct store_settings){
        .dir = c->server.data, .vfs = vfs, .clock = clock, .queue = (size_t)c->journal.queue,
        .reader_queue = (size_t)c->journal.reader_queue, .batch = (size_t)c->journal.batch,
        .reserve_bytes = (uint64_t)c->journal.reserve_mb << 20,
        .members_per_room = (unsigned)c->limit.members_per_room, .rooms_per_user = (unsigned)c->limit.rooms_per_user,
        .key_keep_days = (unsigned)c->journal.key_keep_days, .node = (uint32_t)c->sync.node,
        .first_contact_ms = c->sync.url[0] != '\0' ? c->sync.first_contact_ms : 0,
        .journal_keep_days = (unsigned)c->journal.keep_days, .history_keep_days = (unsigned)c->history.keep_days,
    };
}

static size_t
at_least(int64_t limit, int64_t least)
{
    return limit == 0 || limit > least ? (size_t)limit : (size_t)least;
}

/* One body of the greatest size must have room. */
static struct net_limits
net_limits(const struct tb_config *c)
{
    int64_t body = c->live.max_payload > c->server.max_body ? c->live.max_payload : c->server.max_body;

    return (struct net_limits){
        .is_on = c->guard.enabled, .receive_bytes = at_least(c->guard.receive_bytes, 2 * body),
        .send_bytes = (size_t)c->guard.send_bytes, .requests_at_once = (unsigned)c->guard.requests_at_once,
        .guard = { .header_fields = (unsigned)c->guard.header_fields,
                   .header_bytes = (unsigned)c->guard.header_bytes, .continuations = (unsigned)c->guard.continuations,
                   .requests_ahead = (unsigned)c->guard.requests_ahead,
                   .resets_per_second = (unsigned)c->guard.resets_per_second,
                   .streams_per_second = (unsigned)c->guard.streams_per_second,
                   .control_per_second = (unsigned)c->guard.control_per_second,
                   .small_per_second = (unsigned)c->guard.small_per_second,
                   .body_bytes = at_least(c->guard.body_bytes, body) },
    };
}

/* The settings have been checked: what is no list of addresses does not come here. */
void
serve_read_networks(struct tb_networks *out, const char *list)
{
    struct tb_err e = { 0 };

    if (tb_networks_parse(out, tb_str_of(list), &e) != TB_OK)
        log_error("serve.bad_list", "why=\"%s\"", e.why);
}

static bool
read_address(const struct sockaddr *from, struct tb_address *out)
{
    if (from == NULL || (from->sa_family != AF_INET && from->sa_family != AF_INET6))
        return false;
    if (from->sa_family == AF_INET)
        *out = tb_address_v4((const unsigned char *)&((const struct sockaddr_in *)(const void *)from)->sin_addr);
    else
        memcpy(out->bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, sizeof out->bytes);
    return true;
}

void
serve_warn_of_proxies(const struct tb_config *c)
{
    struct tb_networks trusted = { 0 }, this_machine = { 0 };
    struct ifaddrs    *all = NULL;
    struct tb_address  own;
    char               text[INET6_ADDRSTRLEN];

    serve_read_networks(&trusted, c->server.trusted_proxies);
    serve_read_networks(&this_machine, "127.0.0.0/8 ::1");
    if (getifaddrs(&all) != 0)
        return;
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
        if (read_address(i->ifa_addr, &own) && tb_networks_has(&trusted, &own) && !tb_networks_has(&this_machine, &own)) {
            tb_address_text(&own, text);
            log_warn("net.proxy_is_here", "address=%s", text);
        }
    freeifaddrs(all);
}

struct net_address_limits
serve_address_limits(const struct tb_config *c)
{
    struct net_address_limits l = {
        .connections = (unsigned)c->limit.connections, .handshakes = (unsigned)c->limit.handshakes,
        .requests = (unsigned)c->limit.requests, .tracked = (size_t)c->limit.tracked,
    };

    serve_read_networks(&l.exempt, c->limit.exempt);
    serve_read_networks(&l.trusted, c->server.trusted_proxies);
    return l;
}

struct net_settings
serve_net_settings(const struct tb_config *c, const struct tb_clock *clock, struct net_certificate *certificate)
{
    return (struct net_settings){
        .host = c->server.host, .port = (uint16_t)c->server.port, .max_body = (size_t)c->server.max_body,
        .header_timeout_ms = (unsigned)c->server.header_timeout_ms, .idle_timeout_ms = (unsigned)c->server.idle_timeout_ms,
        .max_connections = (unsigned)c->server.max_connections, .cors_origins = c->server.cors_origins, .clock = clock,
        .http2 = c->server.http2,
        .tls = { .certificate = certificate, .host = serve_tls_host(c), .port = (uint16_t)c->tls.port,
                 .with_redirect = c->tls.redirect_port != 0, .redirect_port = (uint16_t)c->tls.redirect_port,
                 .handshake_timeout_ms = (unsigned)c->tls.handshake_timeout_ms,
                 .ticket_ms = (unsigned)c->tls.ticket_hours * HOUR_MS },
        .limits = net_limits(c), .by_address = serve_address_limits(c),
    };
}

struct chat_limits
serve_chat_limits(const struct tb_config *c)
{
    return (struct chat_limits){
        .messages = (unsigned)c->limit.messages, .messages_window_ms = (unsigned)c->limit.messages_window_ms,
        .logins = (unsigned)c->limit.logins, .address_logins = (unsigned)c->limit.address_logins,
        .logins_window_ms = (unsigned)c->limit.logins_window_ms,
        .tracked = (size_t)c->limit.tracked, .content_bytes = (size_t)c->limit.content_bytes,
        .room_name_chars = (size_t)c->limit.room_name_chars, .read_ids = (size_t)c->limit.read_ids,
        .password_min = (unsigned)c->auth.password_min,
    };
}

enum chat_cost
serve_password_cost(const struct tb_config *c)
{
    switch ((enum tb_password_cost)c->auth.password_cost) {
    case TB_COST_MIN:
        return CHAT_COST_MIN;
    case TB_COST_INTERACTIVE:
        return CHAT_COST_INTERACTIVE;
    case TB_COST_MODERATE:
        return CHAT_COST_MODERATE;
    }
    return CHAT_COST_INTERACTIVE;
}

/* What the largest event can need: a content in which each byte is an escape of six characters, or a list of ids. */
static size_t
event_bytes(const struct tb_config *c)
{
    int64_t content = 6 * c->limit.content_bytes, ids = 24 * c->limit.read_ids;

    return (size_t)(content > ids ? content : ids) + 4096;
}

struct live_limits
serve_live_limits(const struct tb_config *c)
{
    return (struct live_limits){
        .sockets_per_user = (unsigned)c->live.sockets_per_user, .events_per_second = (unsigned)c->live.events_per_second,
        .event_bytes = event_bytes(c),
        .connects = (unsigned)c->live.connects, .user_connects = (unsigned)c->live.user_connects,
        .typing = (unsigned)c->live.typing, .typing_ms = (unsigned)c->live.typing_ms,
        .tracked = (size_t)c->limit.tracked, .ring_batches = (size_t)c->live.ring_batches,
        .unproved = (unsigned)c->live.unproved, .receipts_waiting = (size_t)c->live.receipts_waiting,
        .recovery_days = (unsigned)c->recovery.window_days,
    };
}

/* Events come in frames: whoever lets in more of those must not find the connection closed over these. */
static uint32_t
frames_per_second(const struct tb_config *c)
{
    int64_t least = 2 * c->live.events_per_second;

    if (c->live.events_per_second == 0)
        return 0;
    return (uint32_t)(c->live.frames_per_second == 0 || c->live.frames_per_second > least ? c->live.frames_per_second : least);
}

/* Two packets of the greatest size must have room, and what waits for one socket. */
static size_t
held_bytes(const struct tb_config *c)
{
    int64_t least = c->live.max_payload > c->live.max_queued ? c->live.max_payload : c->live.max_queued;

    return c->live.held_bytes == 0 ? 0 : at_least(c->live.held_bytes, 2 * least);
}

struct sio_options
serve_sio_options(const struct tb_config *c)
{
    struct sio_options o = sio_default_options;

    o.eio.ping_interval_ms = (uint32_t)c->live.ping_interval_ms;
    o.eio.ping_timeout_ms = (uint32_t)c->live.ping_timeout_ms;
    o.eio.max_payload = (uint32_t)c->live.max_payload;
    o.eio.max_queued = (uint32_t)c->live.max_queued;
    o.eio.max_held = held_bytes(c);
    o.eio.turn_ms = (uint32_t)c->live.turn_ms;
    o.max_before_connect = (uint32_t)c->live.connect_bytes;
    o.eio.frames_per_second = frames_per_second(c);
    return o;
}
