/* Connections: accepting within the limit, and ending those that take too long. h2o has one timeout for everything before
 * a request, none for an answer that nobody reads, and follows the wall clock; so the loop sweeps over its connections
 * once a second instead. The state table is at struct net_conn.
 * Always: every connection is in net->conns from accept until h2o has closed its socket; a cut is a shutdown() of the
 * descriptor, which h2o hears as the peer's going, so its memory is only ever freed by itself. */
#include "net/internal.h"

#include "base/log.h"
#include "base/metrics.h"
#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <h2o/http1.h>
#include <h2o/http2.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPTS_A_TURN = 64,            /* so that a burst of new connections does not starve the old ones */
    SEND_TIMEOUT_MS = 30000,        /* DESIGN section 7: an answer that the peer does not read is cut */
    UNREAD_MS = 500,                /* the same, when there are too many */
    LINGER_MS = 2000,               /* after an early answer: how long the peer may go on sending its body */
    LINGER_BYTES = 16 << 20,        /* and how much of it is read */
};

static const char *const kinds[] = { [NET_HTTP1] = "http1", [NET_HTTP2] = "http2", [NET_WEBSOCKET] = "websocket" };
TB_GAUGE_BY(open_now, "tombolo_connections", "protocol", kinds, "TCP connections, by what they speak; a new one counts as http1.");
TB_COUNTER(accepted, "tombolo_connections_accepted_total", "TCP connections taken.");

static const uint64_t edges[] = { TB_LATENCY_EDGES };
TB_HISTOGRAM(delays, TB_UNIT_US, edges, "tombolo_loop_delay_seconds", "How late a timer of the loop came that is due once a second.");

static const char *const limits_hit[] = {
    [NET_HIT_CONNECTIONS] = "server.max_connections",
    [NET_HIT_REQUEST_TIME] = "server.header_timeout_ms",
    [NET_HIT_HANDSHAKE_TIME] = "tls.handshake_timeout_ms",
    [NET_HIT_BODY] = "server.max_body",
};
TB_LIMIT_HITS(hits, limits_hit);

static void on_closed(void *conn);

void
net_hit(enum net_hit which)
{
    tb_count(&hits, which);
}

void
net_conn_speaks(struct net_conn *c, enum net_kind kind)
{
    if (c->kind == kind)
        return;
    tb_gauge_add(&open_now, c->kind, -1);
    c->kind = (uint8_t)kind;
    tb_gauge_add(&open_now, c->kind, 1);
}

void
net_conn_touch(struct net_conn *c)
{
    c->since_ms = net_now_ms(c->net);
    c->is_receiving = false;
}

static void
look_up_peer(struct net_conn *c)
{
    union net_address peer = { 0 };         /* of one that has gone already: 0.0.0.0 */
    socklen_t         n = sizeof peer;

    if (getpeername(h2o_socket_get_fd(c->sock), &peer.any, &n) == 0 && peer.any.sa_family == AF_INET6)
        memcpy(c->address.bytes, &peer.v6.sin6_addr, sizeof c->address.bytes);
    else
        c->address = tb_address_v4((const unsigned char *)&peer.v4.sin_addr);
    tb_address_text(&c->address, c->peer);
}

static void
own_socket(struct net_conn *c, h2o_socket_t *sock)
{
    c->sock = sock;
    sock->on_close.cb = on_closed;
    sock->on_close.data = c;
    net_conn_touch(c);
}

static struct net_conn *
conn_new(struct net *net, h2o_socket_t *sock)
{
    struct net_conn *c = TB_NEW(struct net_conn);

    c->net = net;
    c->linger_fd = -1;
    c->next = net->conns;
    if (c->next != NULL)
        c->next->prev = c;
    net->conns = c;
    net->n_conns++;
    tb_count(&accepted, 0);
    tb_gauge_add(&open_now, c->kind, 1);
    net_window_begin(c);
    own_socket(c, sock);
    look_up_peer(c);
    return c;
}

static void
conn_free(struct net_conn *c)
{
    struct net *net = c->net;

    assert(c->n_requests == 0);
    if (c->next != NULL)
        c->next->prev = c->prev;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        net->conns = c->next;
    net->n_conns--;
    tb_gauge_add(&open_now, c->kind, -1);
    if (c->held != NULL)
        net_certificate_let_go(&c->held);
    net_peers_leave(c);
    net_window_end(c);
    tb_free(c);
    net_conn_pause(net, false);     /* there is room for one more now, or a descriptor */
}

void
net_conn_pause(struct net *net, bool pause)
{
    if (net->is_paused == pause)
        return;
    net->is_paused = pause;
    for (size_t i = 0; i < net->n_listeners; i++) {
        if (pause)
            h2o_socket_read_stop(net->listeners[i].sock);
        else
            h2o_socket_read_start(net->listeners[i].sock, net_conn_accept);
    }
}

/* ---- from bytes to HTTP ---- */

/* h2o is given a socket with nothing in it, so that it has begun to listen before it hears of what came before. */
void
net_conn_start_h2o(struct net_conn *c)
{
    struct net   *net = c->net;
    h2o_socket_t *sock = c->sock;
    h2o_buffer_t *early = sock->input;

    h2o_buffer_init(&sock->input, &h2o_socket_buffer_prototype);
    (c->is_http2 ? h2o_http2_accept : h2o_http1_accept)(&net->accept_ctx, sock,
                                                        *h2o_get_timestamp(&net->ctx, NULL, NULL));
    c->h2o_read = sock->_cb.read;       /* it takes this back while it answers */
    assert(c->h2o_read != NULL);
    h2o_buffer_dispose(&sock->input);
    sock->input = early;
    sock->bytes_read = early->size;
}

/* c may be gone afterwards. */
static void
start_http(struct net_conn *c)
{
    if (net_front_begin(c))
        return;
    net_conn_start_h2o(c);
    if (c->sock->bytes_read > 0)
        c->h2o_read(c->sock, NULL);     /* what came together with the end of a handshake */
}

static void
on_handshake(h2o_socket_t *sock, const char *err)
{
    struct net_conn *c = sock->on_close.data;

    c->is_handshaking = false;
    net_certificate_let_go(&c->held);
    net_conn_touch(c);
    if (err != NULL) {
        log_debug("net.handshake_failed", "peer=%s why=\"%s\"", c->peer, err);
        h2o_socket_close(sock);
        return;
    }
    h2o_iovec_t protocol = h2o_socket_ssl_get_selected_protocol(sock);
    c->is_http2 = h2o_memis(protocol.base, protocol.len, H2O_STRLIT("h2"));
    net_conn_speaks(c, c->is_http2 ? NET_HTTP2 : NET_HTTP1);
    start_http(c);
}

static void
start_handshake(struct net_conn *c)
{
    c->is_handshaking = true;
    c->held = net_certificate_hold(c->net);
    h2o_socket_ssl_handshake(c->sock, c->held, NULL, on_handshake);
}

void
net_conn_accept(h2o_socket_t *listener, const char *err)
{
    struct net_listener *l = listener->data;
    struct net          *net = l->net;

    for (int i = 0; err == NULL && i < ACCEPTS_A_TURN; i++) {
        if (net->n_conns >= net->max_connections) {
            net_hit(NET_HIT_CONNECTIONS);
            net_conn_pause(net, true);
            return;
        }
        h2o_socket_t *sock = h2o_evloop_socket_accept(listener);
        if (sock == NULL) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                log_warn("net.accept_failed", "connections=%u why=\"%s\"", net->n_conns, strerror(errno));
                net_conn_pause(net, true);  /* epoll would report it again at once, for ever */
            }
            return;
        }
        struct net_conn *c = conn_new(net, sock);
        c->door = l->door;
        if (!net_peers_enter(c))
            h2o_socket_close(sock);
        else if (c->door == NET_TLS)
            start_handshake(c);
        else
            start_http(c);
    }
}

struct net_conn *
net_conn_of(h2o_req_t *req)
{
    return req->conn->callbacks->get_socket(req->conn)->on_close.data;
}

static void
cut(struct net_conn *c)
{
    shutdown(h2o_socket_get_fd(c->sock), SHUT_RDWR);
}

/* ---- lingering: close() with unread bytes makes the kernel send a reset, which can overtake the answer ---- */

static void
on_late_bytes(h2o_socket_t *sock, const char *err)
{
    struct net_conn *c = sock->on_close.data;

    h2o_buffer_dispose(&sock->input);       /* it is of the size of what came */
    h2o_buffer_init(&sock->input, &h2o_socket_buffer_prototype);
    c->n_late_bytes += sock->bytes_read;
    if (err != NULL || c->n_late_bytes > LINGER_BYTES)
        h2o_socket_close(sock);
}

void
net_conn_linger(struct net_conn *c)
{
    if (c->linger_fd < 0)
        c->linger_fd = fcntl(h2o_socket_get_fd(c->sock), F_DUPFD_CLOEXEC, 0);
}

/* h2o has closed its descriptor; the connection lives on in ours. */
static void
start_lingering(struct net_conn *c)
{
    c->is_lingering = true;
    shutdown(c->linger_fd, SHUT_WR);
    own_socket(c, h2o_evloop_socket_create(c->net->loop, c->linger_fd, 0));
    h2o_socket_read_start(c->sock, on_late_bytes);
}

static void
on_closed(void *conn)
{
    struct net_conn *c = conn;

    net_front_end(c);
    if (c->linger_fd >= 0 && !c->is_lingering)
        start_lingering(c);
    else
        conn_free(c);
}

/* ---- time-outs ---- */

static bool
has_taken_too_long(struct net_conn *c)
{
    int64_t now_ms = net_now_ms(c->net), waited_ms = now_ms - c->since_ms;

    if (c->is_stream)
        return false;
    if (c->is_handshaking)
        return waited_ms >= c->net->handshake_timeout_ms;
    if (c->is_lingering || c->is_closing)
        return waited_ms >= LINGER_MS;
    if (c->refusal != 0 && c->guard != NULL && net_guard_is_http2(c->guard))
        return now_ms - c->refused_ms >= LINGER_MS;
    if (c->n_requests > 0)
        return false;           /* it is us whom the peer waits for; for who does not read, see net_conn_cut_unread */
    return waited_ms >= (c->is_receiving ? c->net->header_timeout_ms : c->net->idle_timeout_ms);
}

/* h2o looks at these limits only when a head is complete, or a chunk. */
static bool
has_sent_too_much(const struct net_conn *c)
{
    return c->is_receiving && !c->is_http2 &&
           (c->sock->input->size > NET_MAX_HEAD + c->net->global.max_request_entity_size || net_early_has_no_end(c));
}

static bool
has_begun_a_request(const struct net_conn *c)
{
    return !c->is_lingering && !c->is_closing && !c->is_stream && c->n_requests == 0 &&
           (c->sock->input->size > 0 || (c->guard != NULL && net_guard_is_receiving(c->guard)));
}

/* Over HTTP/1 who is too slow hears so, once; then, as over HTTP/2, the connection ends. */
static bool
is_to_be_told(const struct net_conn *c)
{
    bool speaks_http2 = c->is_http2 || (c->guard != NULL && net_guard_is_http2(c->guard));

    return c->is_receiving && !speaks_http2 && c->refusal == 0;
}

/* That nobody asked anything for a while is no reason to count. */
static void
note_time_out(const struct net_conn *c)
{
    if (c->is_handshaking)
        net_hit(NET_HIT_HANDSHAKE_TIME);
    else if (c->is_receiving && c->refusal == 0)
        net_hit(NET_HIT_REQUEST_TIME);
}

/* How late the sweep's timer is says how long whoever comes in waits for the loop's turn. */
static void
note_delay(struct net *net)
{
    int64_t late_us = tb_mono_us(net->clock) - net->sweep_due_us;

    if (net->sweep_due_us != 0)
        tb_observe(&delays, 0, late_us > 0 ? (uint64_t)late_us : 0);
}

/* Answers, and the requests that wait behind them. */
static size_t
held_for_unread(const struct net *net)
{
    return net->sending_bytes + net->n_waiting * NET_WAITING_BYTES;
}

static bool
is_much(const struct net *net, size_t held)
{
    return net->limits.send_bytes > 0 && held > net->limits.send_bytes;
}

bool
net_conn_holds_much(const struct net *net)
{
    return is_much(net, held_for_unread(net));
}

/* The oldest first: also those whose other answers, over HTTP/2, get through. With more than limits.send_bytes on their way,
 * sooner. */
void
net_conn_cut_unread(struct net *net)
{
    int64_t now_ms = net_now_ms(net);
    size_t  left = held_for_unread(net);

    for (struct net_hook *h = net->sending; h != NULL; h = h->next) {
        bool is_too_much = is_much(net, left);
        if (now_ms - h->answered_ms < (is_too_much ? UNREAD_MS : SEND_TIMEOUT_MS))
            return;
        left -= h->n_bytes;
        if (!h->conn->is_cut)
            left -= h->conn->n_waiting * NET_WAITING_BYTES;
        if (!h->conn->is_cut && is_too_much)
            net_front_count_unread(h->conn);
        h->conn->is_cut = true;
        cut(h->conn);
    }
}

void
net_conn_sweep(void *ctx)
{
    struct net *net = ctx;

    assert(tb_thread_is(TB_LOOP));
    note_delay(net);
    net_conn_cut_unread(net);
    for (struct net_conn *c = net->conns, *next; c != NULL; c = next) {
        next = c->next;
        if (!c->is_receiving && has_begun_a_request(c)) {
            net_conn_touch(c);
            c->is_receiving = true;
        }
        if (is_to_be_told(c) && has_taken_too_long(c)) {
            note_time_out(c);
            net_front_refuse(c, 408, TB_ETIMEOUT);
        } else if (has_taken_too_long(c) || has_sent_too_much(c)) {
            note_time_out(c);
            cut(c);
        } else if (c->is_receiving && !c->is_http2 && net_early_is_too_much(c)) {
            net_hit(NET_HIT_BODY);
            net_front_refuse(c, 413, TB_ETOOBIG);
        }
    }
    if (net->n_conns < net->max_connections)
        net_conn_pause(net, false);
    net_timer_start(net->sweep, NET_SWEEP_MS);
    net->sweep_due_us = tb_mono_us(net->clock) + NET_SWEEP_MS * 1000;
}

void
net_conn_close_idle(struct net *net)
{
    for (struct net_conn *c = net->conns; c != NULL; c = c->next)
        if (c->n_requests == 0 && !c->is_lingering && !c->is_stream)
            cut(c);
}

void
net_conn_cut_all(struct net *net)
{
    for (struct net_conn *c = net->conns; c != NULL; c = c->next)
        cut(c);
}
