/* One connection: packets of Engine.IO messages, attachments included, to the socket whose namespace they name.
 * Protocol violations end the connection, as with the reference server: text that is no packet ("forced close"), a
 * packet for a namespace that was not joined, a second CONNECT ("forced server close").
 * What always holds: while it is open, each of its sockets is in its list and in no other; it is closed by
 * eio_session_close only, which leads to on_close, where everything ends. */
#include "server.h"

#include "log.h"

#include <assert.h>

static const uint8_t reason_of[EIO_REASON_COUNT] = {
    [EIO_TRANSPORT_CLOSE] = SIO_TRANSPORT_CLOSE, [EIO_TRANSPORT_ERROR] = SIO_TRANSPORT_ERROR,
    [EIO_PING_TIMEOUT] = SIO_PING_TIMEOUT,       [EIO_PARSE_ERROR] = SIO_PARSE_ERROR,
    [EIO_FORCED_CLOSE] = SIO_FORCED_CLOSE,       [EIO_SHUTTING_DOWN] = SIO_SHUTTING_DOWN,
};

void
sio_conn_unref(struct sio_conn *c)
{
    if (--c->refs == 0)
        tb_free(c);
}

void
sio_conn_end(struct sio_conn *c, enum sio_reason why, enum eio_manner manner)
{
    if (c->is_ended)
        return;
    if (c->reason == SIO_REASON_COUNT)
        c->reason = (uint8_t)why;
    eio_session_close(c->session, manner);
}

void
sio_conn_close(struct sio_conn *c, enum eio_manner manner)
{
    sio_conn_end(c, SIO_FORCED_BY_SERVER, manner);
}

void
sio_conn_post(struct sio_conn *c, tb_str text)
{
    struct eio_frame *f = eio_frame_text(text);

    if (eio_session_send(c->session, &f, 1) == EIO_FULL)
        sio_conn_end(c, SIO_FORCED_BY_SERVER, EIO_AT_ONCE);
    eio_frame_unref(&f);
}

/* ---- packets ---- */

static struct sio_socket *
socket_in(const struct sio_conn *c, const struct sio_namespace *nsp)
{
    struct sio_socket *sk = c->sockets;
    while (sk != NULL && sk->nsp != nsp)
        sk = sk->next_in_conn;
    return sk;
}

static void
refuse_namespace(struct sio_conn *c, tb_str name, tb_str json)
{
    struct tb_buf *out = &c->server->out;

    tb_buf_clear(out);
    sio_packet_add_head(out, SIO_CONNECT_ERROR, 0, name, SIO_NO_ACK);
    tb_buf_add(out, json);
    sio_conn_post(c, tb_buf_str(out));
}

static void
take_connect(struct sio_conn *c, struct sio_namespace *nsp, const struct sio_packet *p)
{
    struct sio_server *srv = c->server;

    if (nsp == NULL && srv->handler != NULL && srv->handler->on_unknown != NULL)
        nsp = srv->handler->on_unknown(srv->ctx, c, p->nsp, p->data);
    if (c->is_ended)
        return;
    if (nsp != NULL && socket_in(c, nsp) != NULL)
        sio_conn_end(c, SIO_FORCED_BY_SERVER, EIO_AFTER_FLUSH);
    else if (nsp == NULL)
        refuse_namespace(c, p->nsp, TB_LIT("{\"message\":\"Invalid namespace\"}"));
    else if (c->n_sockets >= srv->options.max_namespaces)
        refuse_namespace(c, p->nsp, TB_LIT("{\"message\":\"Too many namespaces\"}"));
    else
        sio_socket_new(c, nsp, p->data);
}

static void
take_for_socket(struct sio_socket *sk, const struct sio_packet *p, const tb_str *attachments)
{
    switch (p->type) {
    case SIO_EVENT:
    case SIO_BINARY_EVENT:
        sio_socket_event(sk, p, attachments);
        break;
    case SIO_ACK:
    case SIO_BINARY_ACK:
        sio_ask_answered(sk, p, attachments);
        break;
    case SIO_DISCONNECT:
        sio_socket_end(sk, SIO_LEFT_BY_CLIENT);
        break;
    case SIO_CONNECT:
    case SIO_CONNECT_ERROR:
        /* it is in already; and clients refuse nobody */
        sio_conn_end(sk->conn, SIO_FORCED_BY_SERVER, EIO_AFTER_FLUSH);
        break;
    }
}

static void
take_packet(struct sio_conn *c, const struct sio_packet *p, const tb_str *attachments)
{
    struct sio_namespace *nsp = eio_index_find(&c->server->namespaces, p->nsp);
    struct sio_socket    *sk = nsp != NULL ? socket_in(c, nsp) : NULL;

    if (sk == NULL && p->type == SIO_CONNECT)
        take_connect(c, nsp, p);
    else if (sk != NULL && sk->state == SIO_CONNECTED)
        take_for_socket(sk, p, attachments);
    else if (sk == NULL && nsp != NULL && c->has_left)
        log_debug("sio.late_packet", "conn=%p type=%d", (void *)c, p->type);    /* it crossed our DISCONNECT */
    else
        sio_conn_end(c, SIO_FORCED_BY_SERVER, EIO_AFTER_FLUSH);
}

static void
reject(struct sio_conn *c, const char *why)
{
    log_debug("sio.bad_packet", "conn=%p why=\"%s\"", (void *)c, why);
    sio_conn_end(c, SIO_FORCED_CLOSE, EIO_AFTER_FLUSH);
}

/* ---- attachments ---- */

static void
free_partial(struct sio_partial *pt)
{
    if (pt == NULL)
        return;
    for (uint32_t i = 0; i < pt->n; i++)
        tb_str_free(&pt->attachments[i]);
    tb_str_free(&pt->text);
    tb_free(pt);
}

static void
hold(struct sio_conn *c, size_t bytes)
{
    if (!eio_session_hold(c->session, bytes))
        reject(c, "too much is held for its payer");
}

/* Only for a namespace that was joined: strangers get no memory. */
static void
start_partial(struct sio_conn *c, tb_str text, const struct sio_packet *p)
{
    const struct sio_namespace *nsp = eio_index_find(&c->server->namespaces, p->nsp);
    const struct sio_socket    *sk = nsp != NULL ? socket_in(c, nsp) : NULL;

    if (!c->has_left && (sk == NULL || sk->state != SIO_CONNECTED)) {
        sio_conn_end(c, SIO_FORCED_BY_SERVER, EIO_AFTER_FLUSH);
        return;
    }
    struct sio_partial *pt = tb_alloc_zero(sizeof(*pt) + p->attachments * sizeof(pt->attachments[0]));
    pt->text = tb_str_dup(text);
    pt->bytes = text.n;
    pt->n_expected = p->attachments;
    pt->drops = nsp == NULL || nsp->drops_attachments;
    c->partial = pt;
    hold(c, text.n);
}

static void
end_partial(struct sio_conn *c)
{
    struct sio_partial *pt = c->partial;
    struct sio_packet   p;
    struct tb_err       e = { 0 };

    c->partial = NULL;
    hold(c, 0);
    if (sio_packet_parse(pt->text, pt->n_expected, &p, &e) == TB_OK)
        take_packet(c, &p, pt->attachments);
    else
        reject(c, e.why);
    free_partial(pt);
}

static void
take_binary(struct sio_conn *c, tb_str data)
{
    struct sio_partial *pt = c->partial;

    if (pt == NULL) {
        reject(c, "an attachment of nothing");
        return;
    }
    pt->bytes += data.n;
    if (pt->bytes > c->server->options.max_attachment_bytes) {
        reject(c, "the attachments are too large");
        return;
    }
    pt->attachments[pt->n++] = pt->drops ? TB_STR_NULL : tb_str_dup(data);
    if (pt->n == pt->n_expected)
        end_partial(c);
    else if (!pt->drops)
        hold(c, pt->bytes);
}

static void
take_text(struct sio_conn *c, tb_str text)
{
    struct sio_packet p;
    struct tb_err     e = { 0 };

    if (c->partial != NULL)
        reject(c, "a text where an attachment was due");
    else if (sio_packet_parse(text, c->server->options.max_attachments, &p, &e) != TB_OK)
        reject(c, e.why);
    else if (p.attachments > 0)
        start_partial(c, text, &p);
    else
        take_packet(c, &p, NULL);
}

/* ---- what the engine tells ---- */

static bool
allow(void *ctx, const struct eio_request *rq, struct eio_refusal *refusal)
{
    struct sio_server *srv = ctx;
    return srv->handler == NULL || srv->handler->allow == NULL || srv->handler->allow(srv->ctx, rq, refusal);
}

static bool
has_joined(const struct sio_conn *c)
{
    const struct sio_socket *sk = c->sockets;
    while (sk != NULL && sk->state != SIO_CONNECTED)
        sk = sk->next_in_conn;
    return sk != NULL;
}

void
sio_conn_set_max_message(struct sio_conn *c)
{
    const struct sio_options *o = &c->server->options;
    bool                      is_less = !has_joined(c) && o->max_before_connect < o->eio.max_payload;

    if (!c->is_ended)
        eio_session_set_max_message(c->session, is_less ? o->max_before_connect : o->eio.max_payload);
}

static void
on_time(struct eio_timer *t)
{
    struct sio_conn *c = TB_CONTAINER(t, struct sio_conn, timer);
    if (!has_joined(c))
        sio_conn_end(c, SIO_FORCED_BY_SERVER, EIO_AFTER_FLUSH);
}

static void
on_open(void *ctx, struct eio_session *s, const struct eio_request *rq)
{
    struct sio_server *srv = ctx;
    struct sio_conn   *c = TB_NEW(struct sio_conn);
    uint32_t           wait_ms = srv->options.connect_timeout_ms;

    c->server = srv;
    c->session = s;
    c->refs = 1;
    c->reason = SIO_REASON_COUNT;
    c->timer.fire = on_time;
    eio_session_set_app(s, c);
    sio_conn_set_max_message(c);
    if (wait_ms > 0)
        eio_engine_set_timer(srv->engine, &c->timer, eio_engine_now(srv->engine) + wait_ms);
    if (srv->handler != NULL && srv->handler->on_open != NULL)
        srv->handler->on_open(srv->ctx, c, rq);
}

static void
on_message(void *ctx, struct eio_session *s, tb_str data, bool is_binary)
{
    struct sio_conn *c = eio_session_app(s);

    (void)ctx;
    c->refs++;
    if (is_binary)
        take_binary(c, data);
    else
        take_text(c, data);
    sio_conn_unref(c);
}

/* Calls each for all sockets of c that are connected; each may end any of them, or c. */
static void
for_all(struct sio_conn *c, void (*each)(struct sio_socket *, uint64_t), uint64_t arg)
{
    size_t              n = 0, n_all = c->n_sockets;
    struct sio_socket **all = tb_alloc(n_all * sizeof(struct sio_socket *));

    for (struct sio_socket *sk = c->sockets; sk != NULL; sk = sk->next_in_conn)
        all[n++] = sio_socket_ref(sk);
    assert(n == n_all);
    for (size_t i = 0; i < n; i++) {
        if (all[i]->state == SIO_CONNECTED)
            each(all[i], arg);
        sio_socket_unref(&all[i]);
    }
    tb_free(all);
}

static void
tell_pong(struct sio_socket *sk, uint64_t sent)
{
    if (sk->nsp->handler->on_pong != NULL)
        sk->nsp->handler->on_pong(sk->nsp->ctx, sk, sent);
}

static void
on_pong(void *ctx, struct eio_session *s, uint64_t sent)
{
    (void)ctx;
    for_all(eio_session_app(s), tell_pong, sent);
}

static void
tell_drain(struct sio_socket *sk, uint64_t arg)
{
    (void)arg;
    if (!sk->wants_drain)
        return;
    sk->wants_drain = false;
    if (sk->nsp->handler->on_drain != NULL)
        sk->nsp->handler->on_drain(sk->nsp->ctx, sk);
}

static void
on_drain(void *ctx, struct eio_session *s)
{
    (void)ctx;
    for_all(eio_session_app(s), tell_drain, 0);
}

static void
on_close(void *ctx, struct eio_session *s, enum eio_reason why)
{
    struct sio_server *srv = ctx;
    struct sio_conn   *c = eio_session_app(s);
    enum sio_reason    reason = c->reason == SIO_REASON_COUNT ? reason_of[why] : c->reason;

    c->is_ended = true;
    while (c->sockets != NULL)
        sio_socket_end(c->sockets, reason);
    if (srv->handler != NULL && srv->handler->on_close != NULL)
        srv->handler->on_close(srv->ctx, c, why);
    eio_engine_cancel_timer(srv->engine, &c->timer);
    free_partial(c->partial);
    c->partial = NULL;
    eio_session_set_app(s, NULL);
    sio_conn_unref(c);
}

const struct eio_handler sio_conn_handler = {
    .allow = allow, .on_open = on_open, .on_message = on_message, .on_pong = on_pong, .on_drain = on_drain,
    .on_close = on_close,
};

/* ---- small things ---- */

void *
sio_conn_app(const struct sio_conn *c)
{
    return c->app;
}

void
sio_conn_set_app(struct sio_conn *c, void *app)
{
    c->app = app;
}

struct eio_session *
sio_conn_session(const struct sio_conn *c)
{
    return c->session;
}

void
sio_conn_set_payer(struct sio_conn *c, tb_str key)
{
    eio_session_set_payer(c->session, key);
}
