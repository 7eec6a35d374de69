/* One client in one namespace.
 *
 *   CONNECT ----> WAITING ---- sio_accept ----> CONNECTED ----> GONE
 *                    |                                            ^
 *                    +---- sio_refuse, the connection ends -------+
 *
 * What always holds: CONNECTED sockets, and no others, are in the namespace's lists and can be sent to; WAITING and
 * CONNECTED ones are in their connection's list, which holds one reference; every on_connect is followed by exactly one
 * of sio_refuse and on_disconnect. */
#include "server.h"

#include "base64.h"
#include "json.h"
#include "log.h"

#include <assert.h>

enum { NEW_SID_SIZE = 20 };         /* 15 random bytes */

#define MOVE_TO(state) (1u << (state))

static const unsigned allowed[SIO_STATE_COUNT] = {
    [SIO_WAITING]   = MOVE_TO(SIO_CONNECTED) | MOVE_TO(SIO_GONE),
    [SIO_CONNECTED] = MOVE_TO(SIO_GONE),
    [SIO_GONE]     = 0,
};

static const char *const state_names[] = { "waiting", "connected", "gone" };
static_assert(sizeof state_names / sizeof *state_names == SIO_STATE_COUNT, "a name for each state");

static const char *const reason_texts[SIO_REASON_COUNT] = {
#define X(name, text) [name] = text,
    SIO_REASONS(X)
#undef X
};

const char *
sio_reason_text(enum sio_reason why)
{
    return reason_texts[why];
}

/* ---- the namespace's lists ---- */

static void
add_to_namespace(struct sio_socket *sk)
{
    struct sio_namespace *nsp = sk->nsp;

    if (nsp->n == nsp->cap) {
        nsp->cap = nsp->cap ? 2 * nsp->cap : 8;
        nsp->all = tb_realloc(nsp->all, nsp->cap * sizeof(struct sio_socket *));
    }
    sk->at = nsp->n;
    nsp->all[nsp->n++] = sk;
    eio_index_add(&nsp->by_sid, sk);
}

static void
take_from_namespace(struct sio_socket *sk)
{
    struct sio_namespace *nsp = sk->nsp;
    struct sio_socket    *last = nsp->all[--nsp->n];

    nsp->all[sk->at] = last;
    last->at = sk->at;
    eio_index_remove(&nsp->by_sid, sk);
}

static void
move(struct sio_socket *sk, enum sio_state to)
{
    assert(allowed[sk->state] & MOVE_TO(to));
    log_debug("sio.moved", "socket=%p from=%s to=%s", (void *)sk, state_names[sk->state], state_names[to]);
    if (sk->state == SIO_CONNECTED)
        take_from_namespace(sk);
    sk->state = (uint8_t)to;
    if (sk->state == SIO_CONNECTED)
        add_to_namespace(sk);
}

/* ---- in ---- */

void
sio_socket_new(struct sio_conn *c, struct sio_namespace *nsp, tb_str auth)
{
    struct sio_socket *sk = TB_NEW(struct sio_socket);

    sk->nsp = nsp;
    sk->conn = c;
    sk->refs = 1;
    sk->next_in_conn = c->sockets;
    c->sockets = sk;
    c->n_sockets++;
    sio_socket_ref(sk);
    if (nsp->handler->on_connect != NULL)
        nsp->handler->on_connect(nsp->ctx, sk, auth);
    else
        sio_accept(sk, TB_STR_NULL, TB_STR_NULL);
    sio_socket_unref(&sk);
}

static void
choose_sid(struct sio_socket *sk)
{
    const struct eio_host *host = &sk->nsp->server->host;
    unsigned char          bytes[NEW_SID_SIZE / 4 * 3];

    do {
        host->random(host->ctx, bytes, sizeof bytes);
        eio_base64_url(sk->sid, bytes, sizeof bytes);
        sk->n_sid = NEW_SID_SIZE;
    } while (eio_index_find(&sk->nsp->by_sid, sio_socket_id(sk)) != NULL);
}

static void
post_connect(struct sio_socket *sk, tb_str pid)
{
    struct tb_buf *out = &sk->nsp->server->out;

    tb_buf_clear(out);
    sio_packet_add_head(out, SIO_CONNECT, 0, sk->nsp->name, SIO_NO_ACK);
    struct tb_json j = tb_json_to(out);
    tb_json_open_object(&j);
    tb_json_key(&j, "sid");
    tb_json_str(&j, sio_socket_id(sk));
    if (pid.n > 0) {
        tb_json_key(&j, "pid");
        tb_json_str(&j, pid);
    }
    tb_json_end_object(&j);
    tb_json_fini(&j);
    sio_conn_post(sk->conn, tb_buf_str(out));
}

bool
sio_accept(struct sio_socket *sk, tb_str sid, tb_str pid)
{
    if (sk->state != SIO_WAITING)
        return false;
    if (sid.n == 0) {
        choose_sid(sk);
    } else {
        assert(sid.n <= SIO_SID_MAX);
        memcpy(sk->sid, sid.p, sid.n);
        sk->n_sid = (uint8_t)sid.n;
    }
    sk->was_accepted = true;
    sio_socket_ref(sk);
    move(sk, SIO_CONNECTED);
    sio_conn_set_max_message(sk->conn);
    eio_engine_cancel_timer(sk->nsp->server->engine, &sk->conn->timer);
    post_connect(sk, pid);
    bool is_in = sk->state == SIO_CONNECTED;        /* unless there was no room for the answer */
    sio_socket_unref(&sk);
    return is_in;
}

/* ---- out ---- */

static void
take_from_conn(struct sio_socket *sk)
{
    struct sio_socket **at = &sk->conn->sockets;

    while (*at != sk)
        at = &(*at)->next_in_conn;
    *at = sk->next_in_conn;
    sk->conn->n_sockets--;
}

/* What is left when nobody can be told anything any more. Gives back the connection's reference. */
static void
bury(struct sio_socket *sk)
{
    sio_rooms_leave_all(&sk->nsp->rooms, &sk->place);
    sk->conn = NULL;
    sio_socket_unref(&sk);
}

bool
sio_refuse(struct sio_socket *sk, tb_str message, tb_str data)
{
    struct tb_buf *out = &sk->nsp->server->out;

    if (sk->state != SIO_WAITING)
        return false;
    tb_buf_clear(out);
    sio_packet_add_head(out, SIO_CONNECT_ERROR, 0, sk->nsp->name, SIO_NO_ACK);
    struct tb_json j = tb_json_to(out);
    tb_json_open_object(&j);
    tb_json_key(&j, "message");
    tb_json_str(&j, message);
    if (data.n > 0) {
        tb_json_key(&j, "data");
        tb_json_raw(&j, data);
    }
    tb_json_end_object(&j);
    tb_json_fini(&j);
    move(sk, SIO_GONE);
    take_from_conn(sk);
    sio_conn_post(sk->conn, tb_buf_str(out));
    bury(sk);
    return true;
}

void
sio_socket_end(struct sio_socket *sk, enum sio_reason why)
{
    move(sk, SIO_GONE);
    take_from_conn(sk);
    sio_conn_set_max_message(sk->conn);
    sio_ask_end_all(sk);
    if (sk->nsp->handler->on_disconnect != NULL)
        sk->nsp->handler->on_disconnect(sk->nsp->ctx, sk, why);
    bury(sk);
}

void
sio_disconnect(struct sio_socket *sk)
{
    struct tb_buf *out = &sk->nsp->server->out;

    if (sk->state != SIO_CONNECTED)
        return;
    struct sio_conn *c = sk->conn;
    assert(c != NULL);
    c->refs++;
    c->has_left = true;
    tb_buf_clear(out);
    sio_packet_add_head(out, SIO_DISCONNECT, 0, sk->nsp->name, SIO_NO_ACK);
    sio_socket_ref(sk);
    sio_conn_post(c, tb_buf_str(out));
    if (sk->state == SIO_CONNECTED)     /* else there was no room for the packet, and all has ended */
        sio_socket_end(sk, SIO_LEFT_BY_SERVER);
    sio_socket_unref(&sk);
    sio_conn_unref(c);
}

void
sio_disconnect_all(struct sio_conn *c)
{
    c->refs++;
    for (struct sio_socket *sk = c->sockets; sk != NULL;) {
        bool is_connected = sk->state == SIO_CONNECTED;
        sio_disconnect(sk);
        sk = is_connected ? c->sockets : sk->next_in_conn;      /* the list has changed: from the start */
    }
    sio_conn_end(c, SIO_LEFT_BY_SERVER, EIO_AFTER_FLUSH);
    sio_conn_unref(c);
}

/* ---- events ---- */

void
sio_socket_event(struct sio_socket *sk, const struct sio_packet *p, const tb_str *attachments)
{
    struct sio_event ev = {
        .name = p->name, .args = p->args, .json = p->data, .attachments = attachments,
        .n_attachments = p->attachments, .ack = p->ack,
    };

    if (sk->nsp->handler->on_event == NULL)
        return;
    if (p->name.p[0] == '"')
        ev.name = sio_json_unescape(p->name, &sk->nsp->server->name);
    sio_socket_ref(sk);
    sk->nsp->handler->on_event(sk->nsp->ctx, sk, &ev);
    sio_socket_unref(&sk);
}

/* ---- rooms ---- */

void
sio_join(struct sio_socket *sk, tb_str room)
{
    if (sk->state != SIO_GONE)
        sio_rooms_join(&sk->nsp->rooms, &sk->place, room);
}

void
sio_leave(struct sio_socket *sk, tb_str room)
{
    sio_rooms_leave(&sk->nsp->rooms, &sk->place, room);
}

void
sio_leave_all(struct sio_socket *sk)
{
    sio_rooms_leave_all(&sk->nsp->rooms, &sk->place);
}

bool
sio_is_in(const struct sio_socket *sk, tb_str room)
{
    return sio_place_is_in(&sk->place, sio_rooms_find(&sk->nsp->rooms, room));
}

size_t
sio_room_count(const struct sio_socket *sk)
{
    return sk->place.n;
}

tb_str
sio_room_at(const struct sio_socket *sk, size_t i)
{
    assert(i < sk->place.n);
    return sio_room_name(sk->place.in[i].room);
}

/* ---- small things ---- */

tb_str
sio_socket_id(const struct sio_socket *sk)
{
    return (tb_str){ .p = sk->sid, .n = sk->n_sid };
}

struct sio_conn *
sio_socket_conn(const struct sio_socket *sk)
{
    return sk->conn;
}

struct sio_namespace *
sio_socket_namespace(const struct sio_socket *sk)
{
    return sk->nsp;
}

bool
sio_socket_is_accepted(const struct sio_socket *sk)
{
    return sk->was_accepted;
}

bool
sio_socket_is_connected(const struct sio_socket *sk)
{
    return sk->state == SIO_CONNECTED;
}

void
sio_socket_set_app(struct sio_socket *sk, void *app)
{
    sk->app = app;
}

void *
sio_socket_app(const struct sio_socket *sk)
{
    return sk->app;
}

struct sio_socket *
sio_socket_ref(struct sio_socket *sk)
{
    sk->refs++;
    return sk;
}

void
sio_socket_unref(struct sio_socket **sk)
{
    if (*sk != NULL && --(*sk)->refs == 0) {
        assert((*sk)->state == SIO_GONE);
        tb_free(*sk);
    }
    *sk = NULL;
}

size_t
sio_socket_queued(const struct sio_socket *sk)
{
    return sk->conn != NULL ? eio_session_queued(sk->conn->session) : 0;
}

size_t
sio_socket_max_queued(const struct sio_socket *sk)
{
    return sk->conn != NULL ? eio_session_max_queued(sk->conn->session) : 0;
}

uint64_t
sio_socket_sent(const struct sio_socket *sk)
{
    return sk->conn != NULL ? eio_session_sent(sk->conn->session) : 0;
}

void
sio_socket_want_drain(struct sio_socket *sk)
{
    if (sk->state != SIO_CONNECTED)
        return;
    sk->wants_drain = true;
    eio_session_want_drain(sk->conn->session);
}

bool
sio_socket_ping(struct sio_socket *sk)
{
    return sk->state == SIO_CONNECTED && eio_session_ping(sk->conn->session);
}
