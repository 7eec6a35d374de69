/* Events that want an answer. The id is the namespace's, not the socket's, so that one rendered packet serves all who
 * are asked. Every pending question ends in exactly one on_answer: by an ACK, by its timer, or with its socket. */
#include "server.h"

#include <assert.h>

struct sio_pending {
    int64_t             id;
    struct sio_socket  *sk;             /* which holds this */
    struct sio_pending *next;
    struct eio_timer    timer;          /* set when there is a time-out */
    void              (*on_answer)(void *ctx, struct sio_socket *sk, enum sio_outcome, const struct sio_event *answer);
    void               *ctx;
};

static void
finish(struct sio_pending *q, enum sio_outcome outcome, const struct sio_event *answer)
{
    struct sio_socket *sk = sio_socket_ref(q->sk);

    eio_engine_cancel_timer(sk->nsp->server->engine, &q->timer);
    q->on_answer(q->ctx, sk, outcome, answer);
    tb_free(q);
    sio_socket_unref(&sk);
}

static struct sio_pending *
take_out(struct sio_socket *sk, int64_t id)
{
    for (struct sio_pending **at = &sk->asks; *at != NULL; at = &(*at)->next)
        if ((*at)->id == id) {
            struct sio_pending *q = *at;
            *at = q->next;
            return q;
        }
    return NULL;
}

static void
on_time(struct eio_timer *t)
{
    struct sio_pending *q = TB_CONTAINER(t, struct sio_pending, timer);
    finish(take_out(q->sk, q->id), SIO_TIMED_OUT, NULL);
}

/* An answer to nothing, or a second one, or one that came too late, is no fault of the client's: ignored. */
void
sio_ask_answered(struct sio_socket *sk, const struct sio_packet *p, const tb_str *attachments)
{
    const struct sio_event answer = {
        .args = p->args, .json = p->data, .attachments = attachments, .n_attachments = p->attachments,
        .ack = SIO_NO_ACK,
    };
    struct sio_pending *q = take_out(sk, p->ack);

    if (q != NULL)
        finish(q, SIO_ANSWERED, &answer);
}

void
sio_ask_end_all(struct sio_socket *sk)
{
    while (sk->asks != NULL)
        finish(take_out(sk, sk->asks->id), SIO_ENDED, NULL);
}

struct asking {
    const struct sio_ask *ask;
    struct sio_message   *m;
    int64_t               id;
    size_t                n_asked;
};

static void
ask_one(void *arg, struct sio_socket *sk)
{
    struct asking     *as = arg;
    struct eio_engine *en = sk->nsp->server->engine;

    if (sio_queue(sk, as->m->frames, as->m->n) != EIO_SENT)
        return;
    struct sio_pending *q = TB_NEW(struct sio_pending);
    q->id = as->id;
    q->sk = sk;
    q->on_answer = as->ask->on_answer;
    q->ctx = as->ask->ctx;
    q->timer.fire = on_time;
    q->next = sk->asks;
    sk->asks = q;
    if (as->ask->timeout_ms > 0)
        eio_engine_set_timer(en, &q->timer, eio_engine_now(en) + as->ask->timeout_ms);
    as->n_asked++;
}

static struct asking
asking_of(struct sio_namespace *nsp, const struct sio_ask *ask)
{
    int64_t id = nsp->next_ack++;

    return (struct asking){
        .ask = ask,
        .id = id,
        .m = sio_render(nsp, SIO_EVENT, id, ask->event, ask->args, ask->attachments, ask->n_attachments),
    };
}

static size_t
asked(struct asking *as, struct sio_server *srv)
{
    sio_message_free(&as->m);
    sio_settle(srv);
    return as->n_asked;
}

bool
sio_ask(struct sio_socket *sk, const struct sio_ask *ask)
{
    struct asking as = asking_of(sk->nsp, ask);
    ask_one(&as, sk);
    return asked(&as, sk->nsp->server) > 0;
}

size_t
sio_ask_to(struct sio_namespace *nsp, const struct sio_target *to, const struct sio_ask *ask)
{
    struct asking as = asking_of(nsp, ask);
    sio_walk(nsp, to, ask_one, &as);
    return asked(&as, nsp->server);
}
