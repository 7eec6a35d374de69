/* The guard's place: between the socket and h2o's reader. h2o sets its reader on a socket when a connection begins, when an
 * answer is out, after "100 Continue" and when HTTP/1 turns into HTTP/2; each time we put ours in its place before the loop
 * waits for bytes again, and call h2o's with what the guard has let through. So h2o is used as it is, by its public header.
 * Of a connection it does not know before the first head is whole: until then one costs a fraction, and is never read twice.
 *
 * Always: h2o reads no byte that the guard has not judged, unless the guard is off. A connection whose reader may have changed
 * is in net->unhooked. One that was refused gets an answer as soon as h2o owes none: over HTTP/1 ours, over HTTP/2 h2o's own
 * GOAWAY, which it is made to send by frames for which it must. From then on what comes is thrown away. */
#include "net/internal.h"

#include "base/log.h"
#include "base/metrics.h"
#include "net/guard.h"

#include <assert.h>

enum {
    SLOW_HEAD = 256,                        /* bytes that the beginning of a head may take without another allocation */
    GOODBYE_PRIORITIES = 17,                /* idle streams that h2o keeps for their priority, and one more; see say_goodbye */
    STUCK_BYTES = 65536,                    /* left over by h2o from earlier reads; a frame is 16 KB */
    LOG_EVERY_MS = 1000,
};

static const char *const reasons[] = {
#define X(name, label, status) [name - 1] = label,
    NET_GUARD_REASONS(X)
#undef X
};
TB_COUNTER_BY(cuts, "tombolo_guard_cuts_total", "reason", reasons,
              "Connections that were cut before HTTP saw what they sent, and why.");

static void on_read(h2o_socket_t *sock, const char *err);

/* ---- refusing ---- */

static void
log_cut(struct net_conn *c, enum net_guard_reason reason)
{
    struct net *net = c->net;
    int64_t now = net_now_ms(net);

    net->n_cuts_unlogged++;
    if (now < net->next_cut_log_ms)
        return;
    log_warn("net.guard_cut", "peer=%s reason=%s http=%d cuts=%u", c->peer, net_guard_label(reason),
             c->is_http2 ? 2 : 1, net->n_cuts_unlogged);
    net->next_cut_log_ms = now + LOG_EVERY_MS;
    net->n_cuts_unlogged = 0;
}

static void
add_input(h2o_socket_t *sock, const uint8_t *bytes, size_t n)
{
    h2o_iovec_t room = h2o_buffer_reserve(&sock->input, n);

    memcpy(room.base, bytes, n);
    sock->input->size += n;
}

static void
put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* h2o answers PRIORITY for one idle stream too many with GOAWAY and ENHANCE_YOUR_CALM, and what is left over then, a
 * PUSH_PROMISE or anything inside a header block, with PROTOCOL_ERROR. Writing a GOAWAY past h2o could cut one of its own
 * writes in two. */
static void
say_goodbye(struct net_conn *c, bool wants_calm)
{
    static const uint8_t push_promise[9] = { 0, 0, 0, 5 };
    uint32_t stream = net_guard_last_stream(c->guard) | 1;

    for (int i = 0; wants_calm && i < GOODBYE_PRIORITIES && stream < INT32_MAX - 2; i++) {
        uint8_t frame[14] = { 0, 0, 5, 2, [13] = 15 };
        put32(frame + 5, stream += 2);
        add_input(c->sock, frame, sizeof frame);
    }
    add_input(c->sock, push_promise, sizeof push_promise);
}

static bool
wants_calm(enum net_guard_reason reason)
{
    return reason != NET_GUARD_FRAME && reason != NET_GUARD_HEADER_BLOCK;
}

/* The request that is refused begins at byte `from` of the input. */
static void
mark_refused(struct net_conn *c, int status, enum tb_code code, size_t from)
{
    tb_str origin = net_early_origin(c, from);

    if (c->refused_origin == NULL && origin.n > 0)
        c->refused_origin = tb_str_to_c(origin);
    c->refusal = status;
    c->refusal_code = code;
    c->refused_ms = net_now_ms(c->net);
}

static enum tb_code
code_of(int status)
{
    return status == 413 || status == 431 ? TB_ETOOBIG
           : status == 429                ? TB_ELIMIT
           : status == 503                ? TB_EBUSY
                                          : TB_EINPUT;
}

static void
refuse(struct net_conn *c, enum net_guard_reason reason, size_t n_before, size_t n_good)
{
    int status = net_guard_status(reason);

    tb_count(&cuts, reason - 1);
    log_cut(c, reason);
    mark_refused(c, status, code_of(status), n_good > 0 ? n_before + n_good : 0);
    if (!net_guard_is_http2(c->guard)) {
        c->sock->input->size = n_before + n_good;
        return;
    }
    c->sock->input->size = n_good > 0 ? n_before + n_good : 0; /* the rest of a frame is of no use any more */
    say_goodbye(c, wants_calm(reason));
}

void
net_front_refuse(struct net_conn *c, int status, enum tb_code code)
{
    mark_refused(c, status, code, 0);
    if (!h2o_linklist_is_linked(&c->refused))
        h2o_linklist_insert(&c->net->refused, &c->refused);
    net_at_end_wish(c->net->tell_refused);
}

static const char *
reason_of(int status)
{
    switch (status) {
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    default:
        return "Bad Request";
    }
}

static void
on_told(h2o_socket_t *sock, const char *err)
{
    (void)sock;
    (void)err;
}

/* As for a peer that has gone; c is no more. */
static void
hang_up(struct net_conn *c, const char *why)
{
    if (c->h2o_read != NULL)
        c->h2o_read(c->sock, why);
    else
        h2o_socket_close(c->sock);
}

/* h2o is between two requests, or waits for the rest of one: nothing of an answer has left. What does not fit into the socket's
 * buffer is lost with the connection. */
static void
tell(struct net_conn *c)
{
    struct tb_buf body = TB_BUF_INIT, answer = TB_BUF_INIT;

    net_error_body(&body, c->refusal_code, 0);
    tb_buf_printf(&answer, "HTTP/1.1 %d %s\r\nConnection: close\r\ncontent-type: " TB_STR_FMT "\r\nContent-Length: %zu\r\n",
                  c->refusal, reason_of(c->refusal), TB_STR_ARG(NET_JSON), body.n);
    net_cors_write(c->net, tb_str_of(c->refused_origin), &answer);
    tb_buf_printf(&answer, "\r\n%s", body.p);
    h2o_iovec_t text = h2o_iovec_init(answer.p, answer.n);
    net_tally_note(NULL, c->refusal, 0);
    net_conn_linger(c);
    h2o_socket_write(c->sock, &text, 1, on_told);
    tb_buf_fini(&body);
    hang_up(c, "refused");
    tb_buf_fini(&answer);
}

static bool
owes_nothing(const struct net_conn *c)
{
    return c->n_requests == 0 && h2o_socket_is_reading(c->sock) && !h2o_socket_is_writing(c->sock);
}

/* Inside of a turn, where h2o lets sockets be written to and closed. */
static void
tell_refused(void *ctx)
{
    struct net    *net = ctx;
    h2o_linklist_t now;

    h2o_linklist_init_anchor(&now);
    h2o_linklist_insert_list(&now, &net->refused);
    while (!h2o_linklist_is_empty(&now)) {
        struct net_conn *c = H2O_STRUCT_FROM_MEMBER(struct net_conn, refused, now.next);
        h2o_linklist_unlink(&c->refused);
        if (owes_nothing(c))
            tell(c);
    }
}

/* ---- reading ---- */

static void
unhooked(struct net_conn *c)
{
    if (c->guard != NULL && !h2o_linklist_is_linked(&c->unhooked))
        h2o_linklist_insert(&c->net->unhooked, &c->unhooked);
}

/* As it is in memory: buffers double. */
static void
weigh(struct net_conn *c)
{
    size_t now = (c->sock->input->bytes != NULL ? c->sock->input->capacity : 0) + net_guard_body_bytes(c->guard);

    tb_budget_weigh(&c->net->receiving, &c->held_bytes, now);
}

/* More than its share, once all together hold too much, unless it is whole and on its way to h2o. */
static bool
is_too_heavy(struct net_conn *c)
{
    size_t part = c->sock->input->size + net_guard_body_bytes(c->guard);

    weigh(c);
    return part > tb_budget_share(&c->net->receiving, c->net->n_conns) && !net_guard_is_between(c->guard);
}

/* The last n bytes of the input are new. false: none of them goes on to h2o. */
static bool
judge(struct net_conn *c, size_t n)
{
    const h2o_buffer_t *input = c->sock->input;
    size_t n_before = input->size - n, n_good = 0;
    enum net_guard_reason reason = net_guard_feed(c->guard, input->bytes + n_before, n, net_now_ms(c->net), &n_good);

    if (reason == NET_GUARD_FINE && is_too_heavy(c)) {
        reason = NET_GUARD_MEMORY;
        n_good = 0;
    }
    if (reason == NET_GUARD_FINE)
        return true;
    refuse(c, reason, n_before, n_good);
    return c->sock->input->size > n_before;
}

/* h2o goes on reading what it no longer wants after an error of its own. */
static bool
is_stuck(const struct net_conn *c, size_t n_new)
{
    return net_guard_is_http2(c->guard) && c->sock->input->size - n_new > STUCK_BYTES;
}

static void
note_peer(struct net_conn *c)
{
    static_assert(sizeof c->peer <= NET_PEER_WORDS * sizeof(uint64_t), "it fits");
    uint64_t words[NET_PEER_WORDS] = { 0 };

    memcpy(words, c->peer, sizeof c->peer);
    for (size_t i = 0; i < NET_PEER_WORDS; i++)
        atomic_store_explicit(&c->net->doing.peer[i], words[i], memory_order_relaxed);
}

/* h2o's loop reads into 8 KB; what is left of it here is for a while. */
static void
shrink_input(h2o_socket_t *sock)
{
    static h2o_buffer_prototype_t small = { ._initial_buf = { .capacity = SLOW_HEAD } };
    h2o_buffer_t                 *large = sock->input;

    if (large->bytes == NULL || (large->size > 0 && large->capacity <= SLOW_HEAD))
        return;
    h2o_buffer_init(&sock->input, large->size > 0 ? &small : &h2o_socket_buffer_prototype);
    if (large->size > 0)
        add_input(sock, (const uint8_t *)large->bytes, large->size);
    h2o_buffer_dispose(&large);
}

/* Whether it is to be looked at again before the next turn: h2o is busy with an answer that is none of the handlers'. */
static bool
hook(struct net_conn *c)
{
    if (c->sock->_cb.read == NULL)
        return c->n_requests == 0;
    if (c->sock->_cb.read != on_read) {
        c->h2o_read = c->sock->_cb.read;
        h2o_socket_read_start(c->sock, on_read);
    }
    return false;
}

/* c may be gone afterwards. */
static void
on_early_read(struct net_conn *c, const char *err)
{
    if (err != NULL) {
        hang_up(c, err);
    } else if (net_guard_has_begun(c->guard)) {
        net_conn_start_h2o(c);
        (void)hook(c);
        c->h2o_read(c->sock, NULL);
    } else {
        shrink_input(c->sock);
    }
}

static void
on_read(h2o_socket_t *sock, const char *err)
{
    struct net_conn *c = sock->on_close.data;
    size_t           n = sock->bytes_read;

    note_peer(c);
    unhooked(c);
    if (err == NULL && (c->refusal != 0 || is_stuck(c, n))) {
        sock->input->size -= n;
    } else if (err != NULL || judge(c, n)) {
        if (c->h2o_read != NULL)
            c->h2o_read(sock, err);
        else
            on_early_read(c, err);
        return;
    }
    if (sock->input->size == 0)
        shrink_input(sock);     /* at once: many may be refused in one turn */
}

void
net_front_hook_all(struct net *net)
{
    h2o_linklist_t now;

    h2o_linklist_init_anchor(&now);
    h2o_linklist_insert_list(&now, &net->unhooked);
    while (!h2o_linklist_is_empty(&now)) {
        struct net_conn *c = H2O_STRUCT_FROM_MEMBER(struct net_conn, unhooked, now.next);
        h2o_linklist_unlink(&c->unhooked);
        if (c->n_requests == 0 && c->sock->input->size == 0)
            shrink_input(c->sock);
        weigh(c);
        if (hook(c))
            unhooked(c);
        else if (c->refusal != 0 && !net_guard_is_http2(c->guard))
            net_front_refuse(c, c->refusal, c->refusal_code);
    }
}

/* ---- a connection's way ---- */

bool
net_front_begin(struct net_conn *c)
{
    if (!c->net->limits.is_on)
        return false;
    c->guard = net_guard_new(&c->net->limits.guard, c->is_http2);
    h2o_socket_read_start(c->sock, on_read);
    c->sock->bytes_read = c->sock->input->size;
    if (c->sock->bytes_read > 0)
        on_read(c->sock, NULL);         /* what came together with the end of a handshake */
    return true;
}

void
net_front_answered(struct net_conn *c)
{
    if (c->guard != NULL)
        net_guard_answered(c->guard);
}

void
net_front_request_ended(struct net_conn *c)
{
    unhooked(c);
}

void
net_front_count_unread(struct net_conn *c)
{
    tb_count(&cuts, NET_GUARD_UNREAD - 1);
    log_cut(c, NET_GUARD_UNREAD);
}

void
net_front_end(struct net_conn *c)
{
    if (h2o_linklist_is_linked(&c->refused))
        h2o_linklist_unlink(&c->refused);
    tb_free(c->refused_origin);
    c->refused_origin = NULL;
    if (c->guard == NULL)
        return;
    if (h2o_linklist_is_linked(&c->unhooked))
        h2o_linklist_unlink(&c->unhooked);
    tb_budget_weigh(&c->net->receiving, &c->held_bytes, 0);
    net_guard_free(&c->guard);
}

void
net_front_init(struct net *net)
{
    h2o_linklist_init_anchor(&net->unhooked);
    h2o_linklist_init_anchor(&net->refused);
    net->receiving.limit = net->limits.receive_bytes;
    net->tell_refused = net_at_end_new(net, tell_refused, net);
}

void
net_front_fini(struct net *net)
{
    net_at_end_free(&net->tell_refused);
}
