/* A WebSocket under a session, or under a probe: bytes to packets, queued frames to gathered writes, and the closing
 * handshake. One write at a time. The order within a write: "3probe" and pong, then the session's frames, then the
 * close frame, behind which nothing is sent any more [RFC 6455 5.5.1].
 * Leaving: eio_stream_farewell owes the close frame; once it is written, the connection goes as soon as the peer's has
 * come too, or at once where waiting makes no sense. Whoever owns the stream (session or probe) bounds all that by a
 * timer. */
#include "session.h"

#include "log.h"

#include <assert.h>

enum {
    SLICES_FOR_CONTROL = 2,
    MAX_FRAMES = EIO_MAX_SLICES - SLICES_FOR_CONTROL,
};

static void on_turn(struct eio_waiter *w);

struct eio_stream *
eio_stream_new(struct eio_engine *en, const struct eio_stream_ops *ops, void *conn)
{
    struct eio_stream *st = TB_NEW(struct eio_stream);

    st->engine = en;
    st->ops = ops;
    st->conn = conn;
    eio_ws_init(&st->ws, en->options.max_payload);
    st->waiter.go = on_turn;
    return st;
}

static void
free_control(struct eio_stream *st)
{
    if (st->control != NULL)
        tb_buf_fini(st->control);
    tb_free(st->control);
    st->control = NULL;
}

/* Not before eio_stream_input is through with it. */
static void
free_stream(struct eio_stream *st)
{
    st->is_dead = true;
    st->session = NULL;
    eio_waiter_leave(&st->waiter);
    if (st->is_inside)
        return;
    free_control(st);
    eio_frame_unref(&st->pong);
    eio_ws_fini(&st->ws);
    tb_free(st);
}

/* The session of which it is the carrier, or NULL. */
static struct eio_session *
carried(const struct eio_stream *st)
{
    return st->probe == NULL ? st->session : NULL;
}

static void
detach(struct eio_stream *st)
{
    if (st->probe != NULL)
        eio_probe_free(st->probe);
    else if (st->session != NULL)
        st->session->stream = NULL;
}

void
eio_stream_abort(struct eio_stream *st)
{
    struct eio_session *s = carried(st);

    detach(st);
    st->ops->close(st->conn);
    free_stream(st);
    if (s != NULL)
        eio_session_finish(s);
}

void
eio_stream_gone(struct eio_stream *st)
{
    struct eio_session *s = carried(st);

    detach(st);
    free_stream(st);
    if (s == NULL)
        return;
    s->n_writing = 0;
    s->write_due_ms = INT64_MAX;
    if (s->state == EIO_CLOSING)
        eio_session_finish(s);
    else
        eio_session_end(s, EIO_TRANSPORT_CLOSE, EIO_END_DROP, EIO_WS_NORMAL);
}

/* ---- out ---- */

static struct tb_buf *
control_of(struct eio_stream *st)
{
    if (st->control == NULL)
        st->control = TB_NEW(struct tb_buf);
    return st->control;
}

/* What goes before the session's frames. */
static void
render_answers(struct eio_stream *st)
{
    struct eio_frame *f = st->owes_probe ? eio_frame_packet(EIO_PONG, TB_LIT("probe")) : NULL;

    if (f != NULL)
        tb_buf_add(control_of(st), eio_frame_for_stream(f));
    if (st->pong != NULL)
        eio_ws_add_control(control_of(st), EIO_WS_OP_PONG, eio_frame_for_poll(st->pong));
    st->owes_probe = false;
    eio_frame_unref(&st->pong);
    eio_frame_unref(&f);
}

static size_t
gather_frames(struct eio_session *s, tb_str slices[])
{
    size_t n = s->queue.n < MAX_FRAMES ? s->queue.n : MAX_FRAMES;

    for (size_t i = 0; i < n; i++)
        slices[i] = eio_frame_for_stream(eio_queue_at(&s->queue, (uint32_t)i));
    s->n_writing = (uint8_t)n;
    return n;
}

static bool
is_close_due(const struct eio_stream *st)
{
    const struct eio_session *s = carried(st);
    return st->close_code != 0 && !st->close_sent && (s == NULL || s->n_writing == s->queue.n);
}

static void
start_write(struct eio_stream *st, const tb_str slices[], size_t n)
{
    struct eio_session *s = carried(st);

    st->is_writing = true;
    if (s != NULL) {
        s->write_due_ms = eio_engine_now(st->engine) + st->engine->options.write_timeout_ms;
        eio_session_arm(s);
    }
    st->ops->write(st->conn, slices, n);
}

void
eio_stream_flush(struct eio_stream *st)
{
    tb_str slices[EIO_MAX_SLICES];
    size_t n = 1;       /* slices[0] is for the answers */

    if (!st->is_open || st->is_writing || st->close_sent)
        return;
    render_answers(st);
    size_t n_answers = st->control != NULL ? st->control->n : 0;
    if (carried(st) != NULL)
        n += gather_frames(carried(st), slices + n);
    if (is_close_due(st)) {
        eio_ws_add_close(control_of(st), st->close_code);
        st->close_sent = true;
        slices[n++] = (tb_str){ .p = st->control->p + n_answers, .n = st->control->n - n_answers };
    }
    if (n_answers > 0)
        slices[0] = (tb_str){ .p = st->control->p, .n = n_answers };
    if (n_answers > 0 || n > 1)
        start_write(st, n_answers > 0 ? slices : slices + 1, n_answers > 0 ? n : n - 1);
}

/* Writes soon: with this turn's flush when there is a session to put on its list. */
static void
flush_soon(struct eio_stream *st)
{
    if (st->session != NULL)
        eio_session_mark(st->session);
    else
        eio_stream_flush(st);
}

void
eio_stream_opened(struct eio_stream *st)
{
    st->is_open = true;
    flush_soon(st);
}

void
eio_stream_written(struct eio_stream *st)
{
    struct eio_session *s = carried(st);

    assert(st->is_writing);
    st->is_writing = false;
    free_control(st);
    if (s != NULL) {
        uint32_t n = s->n_writing;
        s->n_writing = 0;
        s->write_due_ms = INT64_MAX;
        eio_session_pop(s, n);
    }
    if (!st->close_sent)
        flush_soon(st);
    else if (!st->awaits_close)
        eio_stream_abort(st);
}

/* ---- leaving ---- */

void
eio_stream_farewell(struct eio_stream *st, enum eio_end how, unsigned code)
{
    if (how == EIO_END_DROP && st->is_writing) {
        eio_stream_abort(st);
        return;
    }
    if (st->close_code == 0)
        st->close_code = (uint16_t)code;
    eio_ws_discard(&st->ws);
    if (st->session != NULL)
        (void)eio_session_weigh(st->session);
    st->awaits_close = how == EIO_END_FLUSH;
    if (how == EIO_END_FLUSH)
        flush_soon(st);
    else
        eio_stream_flush(st);       /* now: there may be no later turn */
}

/* The peer wants no more of us, or we of it: end what the stream is for, answering with a close frame of this code. */
static void
leave(struct eio_stream *st, enum eio_reason why, unsigned code)
{
    if (st->probe != NULL)
        eio_probe_fail(st->probe, EIO_END_REPLY, code);
    else if (st->close_code != 0 && st->close_sent && !st->is_writing)
        eio_stream_abort(st);
    else if (st->close_code != 0)
        eio_stream_farewell(st, EIO_END_REPLY, code);
    else
        eio_session_end(st->session, why, EIO_END_REPLY, code);
}

/* ---- in ---- */

static void
take_packet(struct eio_stream *st, const struct eio_packet *p)
{
    if (st->probe != NULL && st->session != NULL)
        eio_probe_packet(st->probe, p);
    else if (st->session != NULL)
        eio_session_packet(st->session, p);
}

static void
take_text(struct eio_stream *st, tb_str text)
{
    struct eio_packet packet;
    struct tb_err     e = { 0 };

    if (eio_packet_parse(text, &packet, &st->engine->scratch, &e) == TB_OK) {
        take_packet(st, &packet);
        return;
    }
    log_debug("eio.bad_packet", "session=%p why=\"%s\"", (void *)st->session, e.why);
    leave(st, EIO_PARSE_ERROR, EIO_WS_NORMAL);
}

static void
take_event(struct eio_stream *st, enum eio_ws_event event, tb_str payload)
{
    switch (event) {
    case EIO_WS_TEXT:
        if (st->close_code == 0)
            take_text(st, payload);
        break;
    case EIO_WS_BINARY:
        if (st->close_code == 0)
            take_packet(st, &(struct eio_packet){ .type = EIO_MESSAGE, .is_binary = true, .data = payload });
        break;
    case EIO_WS_PING:
        eio_frame_unref(&st->pong);
        st->pong = eio_frame_binary(payload);
        flush_soon(st);
        break;
    case EIO_WS_CLOSE:
        leave(st, EIO_TRANSPORT_CLOSE, st->ws.code);
        break;
    case EIO_WS_BROKEN:
        log_debug("eio.bad_frame", "session=%p why=\"%s\"", (void *)st->session, st->ws.why);
        leave(st, EIO_TRANSPORT_ERROR, st->ws.code);
        break;
    case EIO_WS_PONG:
    case EIO_WS_MORE:
        break;
    }
}

/* After the fact, as one call's bytes are few. */
static void
count_frames(struct eio_stream *st)
{
    uint32_t n = st->ws.n_frames;

    st->ws.n_frames = 0;
    if (n == 0 || st->ws.is_over || eio_rate_take(st->engine, &st->rate, n))
        return;
    eio_ws_stop(&st->ws);
    leave(st, EIO_TRANSPORT_ERROR, EIO_WS_POLICY);
}

/* Until the turn has no more time; what is left is in *in. */
static void
take_events(struct eio_stream *st, struct eio_ws_bytes *in)
{
    enum eio_ws_event event;
    tb_str            payload = TB_STR_NULL;

    while (!st->is_dead && (event = eio_ws_next(&st->ws, in, &payload)) != EIO_WS_MORE) {
        take_event(st, event, payload);
        if (in->n > 0 && eio_engine_is_busy(st->engine))
            break;
    }
}

/* What it left goes to the end of its payer's line. */
static void
weigh_and_wait(struct eio_stream *st, size_t n_left)
{
    struct eio_session *s = st->session;

    st->n_left = n_left;
    if (s == NULL)
        return;
    bool is_fine = eio_session_weigh(s);
    if (n_left > 0)
        eio_engine_wait(st->engine, s->payer, &st->waiter,
                        eio_ws_held(&st->ws) + (n_left < EIO_INPUT_A_TURN ? n_left : EIO_INPUT_A_TURN));
    if (is_fine)
        return;
    st->engine->stats.refused_held++;
    leave(st, EIO_TRANSPORT_ERROR, EIO_WS_TRY_AGAIN);
}

/* One that belongs to nobody any more takes all, which means nothing. */
static bool
take_input(struct eio_stream *st, char *bytes, size_t *n)
{
    struct eio_session *s = st->session != NULL ? eio_session_ref(st->session) : NULL;
    struct eio_ws_bytes in = { .n = s != NULL && *n > EIO_INPUT_A_TURN ? EIO_INPUT_A_TURN : *n };
    size_t              n_later = *n - in.n;

    in.p = bytes;
    st->is_inside = true;
    take_events(st, &in);
    *n = in.n + n_later;
    if (!st->is_dead)
        count_frames(st);
    if (!st->is_dead)
        weigh_and_wait(st, *n);
    st->is_inside = false;
    eio_session_unref(&s);
    if (!st->is_dead)
        return true;
    free_stream(st);
    return false;
}

static void
on_turn(struct eio_waiter *w)
{
    struct eio_stream           *st = TB_CONTAINER(w, struct eio_stream, waiter);
    const struct eio_stream_ops *ops = st->ops;
    void                        *conn = st->conn;
    char                        *bytes;
    size_t                       n = ops->left(conn, &bytes), n_left = n;

    if (take_input(st, bytes, &n_left))
        ops->took(conn, n - n_left);
}

bool
eio_stream_input(struct eio_stream *st, char *bytes, size_t *n)
{
    assert(st->waiter.payer == NULL);
    if (st->session == NULL || !eio_engine_is_busy(st->engine))
        return take_input(st, bytes, n);
    st->is_inside = true;
    weigh_and_wait(st, *n);
    st->is_inside = false;
    if (!st->is_dead)
        return true;
    free_stream(st);
    return false;
}
