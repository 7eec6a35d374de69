/* Packets on their way out: rendered once, queued by reference for each receiver. A walk over receivers changes nothing
 * but their queues; those whose queue is full are remembered and dealt with afterwards, because what the application
 * does about them may change who is where. */
#include "server.h"

#include <assert.h>

/* ---- rendering ---- */

static void
add_json(struct tb_buf *out, enum sio_type type, tb_str event, tb_str args)
{
    if (type == SIO_EVENT) {
        sio_packet_add_event(out, event, args);
        return;
    }
    tb_buf_add_char(out, '[');
    tb_buf_add(out, args);
    tb_buf_add_char(out, ']');
}

struct sio_message *
sio_render(struct sio_namespace *nsp, enum sio_type type, int64_t ack, tb_str event, tb_str args,
           const tb_str *attachments, size_t n_attachments)
{
    struct sio_message *m = tb_alloc(sizeof(*m) + (1 + n_attachments) * sizeof(struct eio_frame *));
    struct tb_buf      *out = &nsp->server->out;

    tb_buf_clear(out);
    sio_packet_add_head(out, type, n_attachments, nsp->name, ack);
    add_json(out, type, event, args);
    m->nsp = nsp;
    m->n = 1 + n_attachments;
    m->frames[0] = eio_frame_text(tb_buf_str(out));
    for (size_t i = 0; i < n_attachments; i++)
        m->frames[1 + i] = eio_frame_binary(attachments[i]);
    return m;
}

struct sio_message *
sio_message_new_binary(struct sio_namespace *nsp, tb_str event, tb_str args, const tb_str *attachments,
                       size_t n_attachments)
{
    return sio_render(nsp, SIO_EVENT, SIO_NO_ACK, event, args, attachments, n_attachments);
}

struct sio_message *
sio_message_new(struct sio_namespace *nsp, tb_str event, tb_str args)
{
    return sio_message_new_binary(nsp, event, args, NULL, 0);
}

void
sio_message_free(struct sio_message **message)
{
    struct sio_message *m = *message;

    for (size_t i = 0; m != NULL && i < m->n; i++)
        eio_frame_unref(&m->frames[i]);
    tb_free(m);
    *message = NULL;
}

/* ---- who is meant ---- */

struct walk {
    struct sio_namespace    *nsp;
    void                   (*visit)(void *arg, struct sio_socket *);   /* NULL: only marks them as visited */
    void                    *arg;
    const struct sio_socket *except;
};

static struct sio_socket *
socket_of(struct sio_place *place)
{
    return TB_CONTAINER(place, struct sio_socket, place);
}

static void
visit(const struct walk *w, struct sio_socket *sk)
{
    if (sk->state != SIO_CONNECTED || sk->stamp == w->nsp->stamp || sk == w->except)
        return;
    sk->stamp = w->nsp->stamp;
    if (w->visit != NULL)
        w->visit(w->arg, sk);
}

/* A socket's id is the name of the room that it alone is in. */
static void
visit_rooms(const struct walk *w, const tb_str *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct sio_room *room = sio_rooms_find(&w->nsp->rooms, names[i]);
        struct sio_socket     *alone = eio_index_find(&w->nsp->by_sid, names[i]);
        for (uint32_t k = 0; room != NULL && k < room->n; k++)
            visit(w, socket_of(room->members[k].place));
        if (alone != NULL)
            visit(w, alone);
    }
}

void
sio_walk(struct sio_namespace *nsp, const struct sio_target *to, void (*visitor)(void *arg, struct sio_socket *),
         void *arg)
{
    const struct walk marks = { .nsp = nsp };
    const struct walk w = { .nsp = nsp, .visit = visitor, .arg = arg, .except = to->except_socket };

    nsp->stamp++;
    visit_rooms(&marks, to->except, to->n_except);
    if (to->n_rooms > 0) {
        visit_rooms(&w, to->rooms, to->n_rooms);
        return;
    }
    for (uint32_t i = 0; i < nsp->n; i++)
        visit(&w, nsp->all[i]);
}

/* ---- queueing ---- */

static void
note_full(struct sio_socket *sk)
{
    struct sio_server *srv = sk->nsp->server;

    if (sk->is_full)
        return;
    sk->is_full = true;
    sk->next_full = srv->first_full;
    srv->first_full = sio_socket_ref(sk);
}

enum eio_sent
sio_queue(struct sio_socket *sk, struct eio_frame *const *frames, size_t n)
{
    if (sk->state != SIO_CONNECTED)
        return EIO_GONE;
    enum eio_sent sent = eio_session_send(sk->conn->session, frames, n);
    if (sent == EIO_FULL)
        note_full(sk);
    return sent;
}

static void
ask_about(struct sio_socket *sk)
{
    const struct sio_handler *h = sk->nsp->handler;
    enum sio_full             what = SIO_FULL_CLOSE;

    if (sk->state == SIO_CONNECTED && h->on_full != NULL)
        what = h->on_full(sk->nsp->ctx, sk);
    if (sk->state == SIO_CONNECTED && what == SIO_FULL_CLOSE)
        sio_conn_end(sk->conn, SIO_FORCED_BY_SERVER, EIO_AT_ONCE);
}

void
sio_settle(struct sio_server *srv)
{
    struct sio_socket *sk;

    while ((sk = srv->first_full) != NULL) {
        srv->first_full = sk->next_full;
        sk->is_full = false;
        ask_about(sk);
        sio_socket_unref(&sk);
    }
}

struct emission {
    const struct sio_message *m;
    enum sio_flags            flags;
    size_t                    n_queued;
};

static void
emit_one(void *arg, struct sio_socket *sk)
{
    struct emission *em = arg;

    if ((em->flags & SIO_VOLATILE) && !eio_session_is_writable(sk->conn->session))
        return;
    em->n_queued += sio_queue(sk, em->m->frames, em->m->n) == EIO_SENT;
}

bool
sio_emit(struct sio_socket *sk, const struct sio_message *m, enum sio_flags flags)
{
    struct emission em = { .m = m, .flags = flags };

    assert(m->nsp == sk->nsp);
    if (sk->state == SIO_CONNECTED)
        emit_one(&em, sk);
    sio_settle(sk->nsp->server);
    return em.n_queued > 0;
}

size_t
sio_emit_to(struct sio_namespace *nsp, const struct sio_target *to, const struct sio_message *m, enum sio_flags flags)
{
    struct emission em = { .m = m, .flags = flags };

    assert(m->nsp == nsp);
    sio_walk(nsp, to, emit_one, &em);
    sio_settle(nsp->server);
    return em.n_queued;
}

bool
sio_send(struct sio_socket *sk, tb_str event, tb_str args)
{
    struct sio_message *m = sio_message_new(sk->nsp, event, args);
    bool                was_queued = sio_emit(sk, m, SIO_RELIABLE);

    sio_message_free(&m);
    return was_queued;
}

size_t
sio_send_to_room(struct sio_namespace *nsp, tb_str room, tb_str event, tb_str args)
{
    struct sio_message *m = sio_message_new(nsp, event, args);
    size_t              n = sio_emit_to(nsp, &(struct sio_target){ .rooms = &room, .n_rooms = 1 }, m, SIO_RELIABLE);

    sio_message_free(&m);
    return n;
}

bool
sio_ack_binary(struct sio_socket *sk, int64_t ack, tb_str args, const tb_str *attachments, size_t n_attachments)
{
    if (sk->state != SIO_CONNECTED || ack == SIO_NO_ACK)
        return false;
    struct sio_message *m = sio_render(sk->nsp, SIO_ACK, ack, TB_STR_NULL, args, attachments, n_attachments);
    bool                was_queued = sio_emit(sk, m, SIO_RELIABLE);
    sio_message_free(&m);
    return was_queued;
}

bool
sio_ack(struct sio_socket *sk, int64_t ack, tb_str args)
{
    return sio_ack_binary(sk, ack, args, NULL, 0);
}

/* ---- each ---- */

struct crowd {
    struct sio_socket **all;
    size_t              n, cap;
};

static void
add_to_crowd(void *arg, struct sio_socket *sk)
{
    struct crowd *crowd = arg;

    if (crowd->n == crowd->cap) {
        crowd->cap = crowd->cap ? 2 * crowd->cap : 16;
        crowd->all = tb_realloc(crowd->all, crowd->cap * sizeof(struct sio_socket *));
    }
    crowd->all[crowd->n++] = sio_socket_ref(sk);
}

void
sio_each(struct sio_namespace *nsp, const struct sio_target *to, void (*each)(void *ctx, struct sio_socket *),
         void *ctx)
{
    struct crowd crowd = { 0 };

    sio_walk(nsp, to, add_to_crowd, &crowd);
    for (size_t i = 0; i < crowd.n; i++) {
        if (crowd.all[i]->state == SIO_CONNECTED)
            each(ctx, crowd.all[i]);
        sio_socket_unref(&crowd.all[i]);
    }
    tb_free(crowd.all);
}
