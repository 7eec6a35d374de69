/* From polling to a WebSocket: the client opens one with its session's id, asks "2probe", is answered "3probe", waits
 * for its GET to come back (which a noop every EIO_PROBE_NOOP_MS sees to) and says "5". Until then all goes by GET,
 * from then on by the WebSocket: the queue stays where it is, so nothing is lost, doubled or reordered.
 * A probe without a session is a connection that is only there to be closed: a second upgrade, or a failed one. */
#include "session.h"

#include <assert.h>

static int64_t
next_ms(const struct eio_probe *p, int64_t now_ms)
{
    bool is_probed = p->stream->session != NULL && p->stream->session->state == EIO_PROBED;
    return is_probed && now_ms + EIO_PROBE_NOOP_MS < p->give_up_ms ? now_ms + EIO_PROBE_NOOP_MS : p->give_up_ms;
}

static void
arm(struct eio_probe *p)
{
    eio_engine_set_timer(p->stream->engine, &p->timer, next_ms(p, eio_engine_now(p->stream->engine)));
}

static void
on_time(struct eio_timer *t)
{
    struct eio_probe   *p = TB_CONTAINER(t, struct eio_probe, timer);
    struct eio_session *s = p->stream->session;

    if (eio_engine_now(p->stream->engine) >= p->give_up_ms) {
        if (s != NULL)
            eio_probe_fail(p, EIO_END_REPLY, EIO_WS_NORMAL);
        else
            eio_stream_abort(p->stream);
        return;
    }
    if (s != NULL && s->poll != NULL && s->queue.n == 0)
        eio_poll_noop(s);
    arm(p);
}

void
eio_probe_new(struct eio_stream *st, struct eio_session *s)
{
    struct eio_engine *en = st->engine;
    struct eio_probe  *p = TB_NEW(struct eio_probe);

    p->stream = st;
    p->timer.fire = on_time;
    p->give_up_ms = eio_engine_now(en) + (s != NULL ? (int64_t)en->options.upgrade_timeout_ms : EIO_GOODBYE_MS);
    p->next = en->probes;
    if (p->next != NULL)
        p->next->prev = p;
    en->probes = p;
    st->probe = p;
    st->session = s;
    st->ws.max_message = EIO_WS_CONTROL_MAX;    /* "2probe", "5" */
    if (s != NULL) {
        s->probe = p;
        eio_session_move(s, EIO_PROBING);
    } else {
        st->close_code = EIO_WS_NORMAL;
        eio_ws_discard(&st->ws);
    }
    arm(p);
}

static void
release_session(struct eio_probe *p, enum eio_state to)
{
    struct eio_session *s = p->stream->session;

    s->probe = NULL;
    p->stream->session = NULL;
    eio_session_move(s, to);
    (void)eio_session_weigh(s);
}

void
eio_probe_free(struct eio_probe *p)
{
    if (p->stream->session != NULL)
        release_session(p, EIO_POLLING);
    eio_engine_cancel_timer(p->stream->engine, &p->timer);
    *(p->prev != NULL ? &p->prev->next : &p->stream->engine->probes) = p->next;
    if (p->next != NULL)
        p->next->prev = p->prev;
    p->stream->probe = NULL;
    tb_free(p);
}

void
eio_probe_fail(struct eio_probe *p, enum eio_end how, unsigned code)
{
    struct eio_stream *st = p->stream;

    if (st->session != NULL) {
        release_session(p, EIO_POLLING);
        p->give_up_ms = eio_engine_now(st->engine) + EIO_GOODBYE_MS;
        arm(p);
    }
    if (st->close_sent && !st->is_writing)
        eio_stream_abort(st);
    else
        eio_stream_farewell(st, how, code);
}

/* "5": the session changes horses. Its GET, if one still waits, is ended by a noop, so that no client waits for it. */
static void
upgrade(struct eio_probe *p)
{
    struct eio_stream  *st = p->stream;
    struct eio_session *s = st->session;

    if (s->poll != NULL)
        eio_poll_noop(s);
    release_session(p, EIO_STREAMING);
    eio_probe_free(p);
    st->session = s;
    s->stream = st;
    st->ws.max_message = s->max_message;
    s->engine->stats.upgrades++;
    if (st->is_base64)
        eio_session_requeue(s);
    eio_session_mark(s);
}

void
eio_probe_packet(struct eio_probe *p, const struct eio_packet *packet)
{
    struct eio_session *s = p->stream->session;

    if (packet->type == EIO_PING && tb_str_eq(packet->data, TB_LIT("probe"))) {
        p->stream->owes_probe = true;
        eio_session_mark(s);
        if (s->state == EIO_PROBING) {
            eio_session_move(s, EIO_PROBED);
            arm(p);
        }
    } else if (packet->type == EIO_UPGRADE) {
        upgrade(p);
    } else {
        eio_probe_fail(p, EIO_END_REPLY, EIO_WS_NORMAL);
    }
}
