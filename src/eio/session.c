/* One client of Engine.IO, from the handshake to the goodbye: its queue, its heartbeat, its end.
 *
 *   a handshake by GET -----> POLLING <------ the WebSocket failed -------+
 *                                |  a WebSocket comes for it              |
 *                                v                                        |
 *                             PROBING ------ "2probe" ------> PROBED -----+
 *                                |                               |
 *                                +------------- "5" -------------+
 *                                                v
 *   a handshake by WebSocket ----------------> STREAMING
 *
 *   each of these ---- on_close ----> CLOSING ---- the goodbye is said ----> CLOSED
 *
 * What always holds: the queue is in the order of sending and belongs to the session, not to what carries it, so an
 * upgrade loses and reorders nothing; at most one of stream and poll is there; the engine holds one reference from
 * eio_session_new to CLOSED; on_close was called exactly when the state is CLOSING or CLOSED. */
#include "session.h"

#include "base64.h"
#include "log.h"

#include <assert.h>
#include <inttypes.h>

enum { CONTROL_BYTES = 256 };       /* what the open packet and pings take at most: they do not count as "queued" */

#define MOVE_TO(state) (1u << (state))
#define ANY_END        MOVE_TO(EIO_CLOSING)

static const unsigned allowed[EIO_STATE_COUNT] = {
    [EIO_POLLING]   = MOVE_TO(EIO_PROBING) | ANY_END,
    [EIO_PROBING]   = MOVE_TO(EIO_PROBED) | MOVE_TO(EIO_STREAMING) | MOVE_TO(EIO_POLLING),
    [EIO_PROBED]    = MOVE_TO(EIO_STREAMING) | MOVE_TO(EIO_POLLING),
    [EIO_STREAMING] = ANY_END,
    [EIO_CLOSING]   = MOVE_TO(EIO_CLOSED),
    [EIO_CLOSED]    = 0,
};

static const char *const state_names[] = { "polling", "probing", "probed", "streaming", "closing", "closed" };
static_assert(sizeof state_names / sizeof *state_names == EIO_STATE_COUNT, "a name for each state");

static const char *const reason_texts[EIO_REASON_COUNT] = {
#define X(name, text) [name] = text,
    EIO_REASONS(X)
#undef X
};

const char *
eio_reason_text(enum eio_reason why)
{
    return reason_texts[why];
}

/* ---- moves ---- */

static void
count(struct eio_session *s, size_t by)
{
    switch ((enum eio_state)s->state) {
    case EIO_POLLING:
    case EIO_PROBING:
    case EIO_PROBED:
        s->engine->stats.polling += by;
        break;
    case EIO_STREAMING:
        s->engine->stats.streaming += by;
        break;
    case EIO_CLOSING:
    case EIO_CLOSED:
    case EIO_STATE_COUNT:
        break;
    }
}

static void
check_state(const struct eio_session *s)
{
    bool is_probing = s->state == EIO_PROBING || s->state == EIO_PROBED;

    assert(is_probing == (s->probe != NULL));
    assert(s->stream == NULL || s->poll == NULL);
    assert(s->state != EIO_STREAMING || s->poll == NULL);
    assert(s->state != EIO_CLOSED || (s->stream == NULL && s->poll == NULL && s->queue.n == 0));
}

void
eio_session_move(struct eio_session *s, enum eio_state to)
{
    assert(allowed[s->state] & MOVE_TO(to));
    log_debug("eio.moved", "session=%p from=%s to=%s", (void *)s, state_names[s->state], state_names[to]);
    count(s, (size_t)-1);
    s->state = (uint8_t)to;
    count(s, 1);
    check_state(s);
}

/* ---- what it costs ---- */

static size_t
bytes_in(const struct eio_stream *st)
{
    return st != NULL ? eio_ws_held(&st->ws) + st->n_left : 0;
}

bool
eio_session_weigh(struct eio_session *s)
{
    const struct eio_stream *st = s->probe != NULL ? s->probe->stream : s->stream;
    size_t                   before = s->held;

    if (s->state == EIO_CLOSED)
        return true;
    eio_payer_weigh(s->payer, &s->held, bytes_in(st) + s->queue.own_bytes + s->app_bytes + s->post_bytes);
    return s->held <= before || s->held <= TB_BUDGET_SMALL || s->payer->held <= eio_payer_share(s->payer);
}

void
eio_session_set_payer(struct eio_session *s, tb_str key)
{
    struct eio_payer *before = s->payer;
    size_t            held = s->held;

    if (s->state == EIO_CLOSED)
        return;
    s->payer = eio_payer_take(&s->engine->payers, key);
    eio_payer_weigh(before, &s->held, 0);
    eio_payer_weigh(s->payer, &s->held, held);
    eio_payer_drop(&before);
}

bool
eio_session_hold(struct eio_session *s, size_t bytes)
{
    s->app_bytes = bytes;
    return eio_session_weigh(s);
}

void
eio_session_set_max_message(struct eio_session *s, uint32_t max_bytes)
{
    s->max_message = max_bytes;
    if (s->stream != NULL)
        s->stream->ws.max_message = max_bytes;
}

/* ---- the queue ---- */

void
eio_session_mark(struct eio_session *s)
{
    struct eio_engine *en = s->engine;

    if (s->is_dirty || s->state == EIO_CLOSED)
        return;
    s->is_dirty = true;
    s->next_dirty = NULL;
    if (en->last_dirty != NULL)
        en->last_dirty->next_dirty = s;
    else
        en->first_dirty = s;
    en->last_dirty = eio_session_ref(s);
    eio_engine_ask_flush(en);
}

static void
queue_frame(struct eio_session *s, struct eio_frame *f)
{
    uint32_t before = s->queue.bytes;

    if (f->is_binary && s->stream != NULL && s->stream->is_base64) {
        f = eio_frame_as_base64(f);
        eio_queue_push(&s->queue, f);
        eio_frame_unref(&f);
    } else {
        eio_queue_push(&s->queue, f);
    }
    s->engine->stats.bytes_queued += s->queue.bytes - before;
    if (s->queue.own_bytes > 0)
        (void)eio_session_weigh(s);
    eio_session_mark(s);
}

void
eio_session_pop(struct eio_session *s, uint32_t n)
{
    uint32_t before = s->queue.bytes, own_before = s->queue.own_bytes;

    eio_queue_pop(&s->queue, n);
    s->engine->stats.bytes_queued -= before - s->queue.bytes;
    if (own_before > 0)
        (void)eio_session_weigh(s);
}

void
eio_session_requeue(struct eio_session *s)
{
    for (uint32_t n = s->queue.n; n > 0; n--) {
        struct eio_frame *f = eio_frame_ref(eio_queue_at(&s->queue, 0));
        eio_session_pop(s, 1);
        queue_frame(s, f);
        eio_frame_unref(&f);
    }
}

static void
drop_queue(struct eio_session *s)
{
    uint32_t before = s->queue.bytes;

    eio_queue_cut(&s->queue, s->n_writing);
    s->engine->stats.bytes_queued -= before - s->queue.bytes;
    (void)eio_session_weigh(s);
}

/* What the payer's other sessions hold, and this one beside its queue, is not there for it. */
size_t
eio_session_max_queued(const struct eio_session *s)
{
    size_t max = s->engine->options.max_queued;

    if (s->state == EIO_CLOSED)
        return 0;
    size_t share = eio_payer_share(s->payer), others = s->payer->held - s->queue.own_bytes;
    size_t left = share > others ? share - others : 0;
    if (left < TB_BUDGET_SMALL)
        left = TB_BUDGET_SMALL;
    return left < max ? left : max;
}

enum eio_sent
eio_session_send(struct eio_session *s, struct eio_frame *const *frames, size_t n)
{
    size_t total = s->queue.bytes;

    if (eio_session_is_closing(s))
        return EIO_GONE;
    for (size_t i = 0; i < n; i++)
        total += eio_frame_size(frames[i]);
    if (s->queue.bytes > CONTROL_BYTES && total > eio_session_max_queued(s)) {
        s->engine->stats.refused_full++;
        return EIO_FULL;
    }
    for (size_t i = 0; i < n; i++)
        queue_frame(s, frames[i]);
    s->sent += n;
    s->engine->stats.messages_out += n;
    return EIO_SENT;
}

bool
eio_session_is_writable(const struct eio_session *s)
{
    if (eio_session_is_closing(s))
        return false;
    if (s->stream != NULL)
        return s->stream->is_open && !s->stream->is_writing;
    return s->poll != NULL && s->queue.n < EIO_POLL_PACKETS;
}

size_t
eio_session_queued(const struct eio_session *s)
{
    return s->queue.bytes;
}

uint64_t
eio_session_sent(const struct eio_session *s)
{
    return s->sent;
}

void
eio_session_want_drain(struct eio_session *s)
{
    if (eio_session_is_closing(s))
        return;
    s->wants_drain = true;
    if (s->queue.n == 0)
        eio_session_mark(s);
}

/* ---- heartbeat ---- */

/* The heap is only touched when something is due earlier than the timer: a pong, which moves due_ms away, costs
 * nothing, and a timer that fires too early is set anew. */
void
eio_session_arm(struct eio_session *s)
{
    int64_t at_ms = s->due_ms < s->write_due_ms ? s->due_ms : s->write_due_ms;
    if (s->timer.place == 0 || s->timer.at_ms > at_ms)
        eio_engine_set_timer(s->engine, &s->timer, at_ms);
}

static void
due_in(struct eio_session *s, uint32_t ms)
{
    s->due_ms = eio_engine_now(s->engine) + ms;
    eio_session_arm(s);
}

static void
queue_ping(struct eio_session *s)
{
    s->pings[s->n_pings++] = s->sent;
    queue_frame(s, s->engine->ping);
}

bool
eio_session_ping(struct eio_session *s)
{
    if (eio_session_is_closing(s) || s->n_pings == EIO_MAX_PINGS)
        return false;
    queue_ping(s);
    return true;
}

/* The time-out runs for the heartbeat only, so an early ping that waits behind a long queue ends nothing. When so many
 * early pings wait that there is no place for the heartbeat's, their pongs will do. */
static void
heartbeat(struct eio_session *s)
{
    if (s->awaits_pong) {
        eio_session_end(s, EIO_PING_TIMEOUT, EIO_END_DROP, EIO_WS_NORMAL);
        return;
    }
    if (s->n_pings < EIO_MAX_PINGS)
        queue_ping(s);
    s->awaits_pong = true;
    due_in(s, s->engine->options.ping_timeout_ms);
}

static bool
has_ping(struct eio_session *s)
{
    uint32_t i = 0;

    while (i < s->queue.n && eio_queue_at(&s->queue, i) != s->engine->ping)
        i++;
    return i < s->queue.n;
}

/* A client can answer a ping when it has fetched it, which may take it many answers: until then its time begins anew with
 * each of them. */
void
eio_session_fetched(struct eio_session *s, uint32_t n)
{
    if (s->awaits_pong && has_ping(s))
        due_in(s, s->engine->options.ping_timeout_ms);
    eio_session_pop(s, n);
}

/* Pongs answer pings in order. One that answers none is not counted: it must not prove what will be sent later. */
static void
take_pong(struct eio_session *s)
{
    if (s->n_pings == 0)
        return;

    uint64_t sent = s->pings[0];
    s->n_pings--;
    memmove(s->pings, s->pings + 1, s->n_pings * sizeof(s->pings[0]));
    if (s->n_pings == 0)
        s->awaits_pong = false;
    due_in(s, s->awaits_pong ? s->engine->options.ping_timeout_ms : s->engine->options.ping_interval_ms);
    if (s->engine->handler->on_pong != NULL)
        s->engine->handler->on_pong(s->engine->ctx, s, sent);
}

static void
give_up(struct eio_session *s)
{
    if (s->stream != NULL)
        eio_stream_abort(s->stream);
    else
        eio_poll_farewell(s, EIO_END_DROP, EIO_FORCED_CLOSE);
}

static void
on_time(struct eio_timer *t)
{
    struct eio_session *s = eio_session_ref(TB_CONTAINER(t, struct eio_session, timer));
    int64_t             now_ms = eio_engine_now(s->engine);

    if (now_ms >= s->write_due_ms)
        eio_session_end(s, EIO_TRANSPORT_ERROR, EIO_END_DROP, EIO_WS_NORMAL);
    else if (now_ms >= s->due_ms && s->state == EIO_CLOSING)
        give_up(s);
    else if (now_ms >= s->due_ms)
        heartbeat(s);
    if (s->state != EIO_CLOSED)
        eio_session_arm(s);
    eio_session_unref(&s);
}

/* ---- packets ---- */

enum { RATE_WINDOW_S = 4 };

bool
eio_rate_take(struct eio_engine *en, struct eio_rate *r, uint32_t n)
{
    uint32_t per_second = en->options.frames_per_second;
    int64_t  now_ms = eio_engine_now(en);

    if (now_ms - r->since_ms >= RATE_WINDOW_S * 1000)
        *r = (struct eio_rate){ .since_ms = now_ms };
    r->n += n;
    if (per_second == 0 || r->n <= (uint64_t)per_second * RATE_WINDOW_S)
        return true;
    en->stats.too_fast++;
    return false;
}

void
eio_session_packet(struct eio_session *s, const struct eio_packet *p)
{
    if (eio_session_is_closing(s))
        return;
    switch (p->type) {
    case EIO_MESSAGE:
        s->engine->stats.messages_in++;
        s->engine->handler->on_message(s->engine->ctx, s, p->data, p->is_binary);
        break;
    case EIO_PONG:
        take_pong(s);
        break;
    case EIO_CLOSE:
        eio_session_end(s, EIO_TRANSPORT_CLOSE, EIO_END_REPLY, EIO_WS_NORMAL);
        break;
    case EIO_PING:      /* in protocol 4 only servers ping */
        eio_session_end(s, EIO_TRANSPORT_ERROR, EIO_END_REPLY, EIO_WS_NORMAL);
        break;
    case EIO_OPEN:
    case EIO_UPGRADE:
    case EIO_NOOP:      /* out of place, and ignored, as by the reference server */
        break;
    }
}

/* ---- beginning and end ---- */

static void
queue_open(struct eio_session *s)
{
    const struct eio_options *o = &s->engine->options;
    bool                      may_upgrade = s->stream == NULL && o->allow_upgrades && o->allow_websocket;
    struct tb_buf             json = TB_BUF_INIT;

    tb_buf_printf(&json,
                  "{\"sid\":\"%.*s\",\"upgrades\":[%s],\"pingInterval\":%" PRIu32 ",\"pingTimeout\":%" PRIu32
                  ",\"maxPayload\":%" PRIu32 "}",
                  EIO_SID_SIZE, s->sid, may_upgrade ? "\"websocket\"" : "", o->ping_interval_ms, o->ping_timeout_ms,
                  o->max_payload);
    struct eio_frame *f = eio_frame_packet(EIO_OPEN, tb_buf_str(&json));
    queue_frame(s, f);
    eio_frame_unref(&f);
    tb_buf_fini(&json);
}

static void
choose_sid(struct eio_session *s)
{
    unsigned char bytes[EIO_SID_SIZE / 4 * 3];

    s->engine->host.random(s->engine->host.ctx, bytes, sizeof bytes);
    eio_base64_url(s->sid, bytes, sizeof bytes);
}

struct eio_session *
eio_session_new(struct eio_engine *en, struct eio_stream *st, tb_str peer)
{
    struct eio_session *s = TB_NEW(struct eio_session);

    s->engine = en;
    s->stream = st;
    s->state = st != NULL ? EIO_STREAMING : EIO_POLLING;
    s->refs = 1;
    s->write_due_ms = INT64_MAX;
    s->timer.fire = on_time;
    s->payer = eio_payer_take(&en->payers, peer);
    s->max_message = en->options.max_payload;
    eio_queue_init(&s->queue);
    do
        choose_sid(s);
    while (eio_index_find(&en->sessions, eio_session_id(s)) != NULL);
    eio_index_add(&en->sessions, s);
    en->stats.sessions++;
    en->stats.opened++;
    count(s, 1);
    queue_open(s);
    due_in(s, en->options.ping_interval_ms);
    return s;
}

void
eio_session_announce(struct eio_session *s, const struct eio_request *rq)
{
    if (s->engine->handler->on_open != NULL)
        s->engine->handler->on_open(s->engine->ctx, s, rq);
}

void
eio_session_end(struct eio_session *s, enum eio_reason why, enum eio_end how, unsigned code)
{
    if (eio_session_is_closing(s)) {
        if (how == EIO_END_DROP && s->state == EIO_CLOSING)
            give_up(s);
        return;
    }
    eio_session_ref(s);
    if (s->probe != NULL)
        eio_probe_fail(s->probe, EIO_END_REPLY, code);
    eio_session_move(s, EIO_CLOSING);
    s->engine->stats.closed[why]++;
    s->awaits_pong = s->wants_drain = false;
    s->app_bytes = 0;
    due_in(s, how == EIO_END_FLUSH ? EIO_CLOSING_MS : EIO_GOODBYE_MS);
    if (s->engine->handler->on_close != NULL)
        s->engine->handler->on_close(s->engine->ctx, s, why);
    if (how != EIO_END_FLUSH)
        drop_queue(s);
    if (s->stream != NULL)
        eio_stream_farewell(s->stream, how, code);
    else
        eio_poll_farewell(s, how, why);
    eio_session_unref(&s);
}

void
eio_session_finish(struct eio_session *s)
{
    s->n_writing = 0;
    drop_queue(s);
    eio_payer_weigh(s->payer, &s->held, 0);
    eio_engine_cancel_timer(s->engine, &s->timer);
    eio_index_remove(&s->engine->sessions, s);
    s->engine->stats.sessions--;
    eio_session_move(s, EIO_CLOSED);
    eio_payer_drop(&s->payer);
    eio_session_unref(&s);
}

void
eio_session_close(struct eio_session *s, enum eio_manner manner)
{
    if (eio_session_is_closing(s))
        return;
    if (manner == EIO_AT_ONCE)
        eio_session_end(s, EIO_FORCED_CLOSE, EIO_END_DROP, EIO_WS_TRY_AGAIN);
    else
        eio_session_end(s, EIO_FORCED_CLOSE, EIO_END_FLUSH, EIO_WS_NORMAL);
}

/* ---- small things ---- */

void
eio_session_set_app(struct eio_session *s, void *app)
{
    s->app = app;
}

void *
eio_session_app(const struct eio_session *s)
{
    return s->app;
}

tb_str
eio_session_id(const struct eio_session *s)
{
    return (tb_str){ .p = s->sid, .n = EIO_SID_SIZE };
}

bool
eio_session_is_open(const struct eio_session *s)
{
    return !eio_session_is_closing(s);
}

bool
eio_session_is_streaming(const struct eio_session *s)
{
    return s->stream != NULL;
}

struct eio_session *
eio_session_ref(struct eio_session *s)
{
    s->refs++;
    return s;
}

void
eio_session_unref(struct eio_session **s)
{
    if (*s != NULL && --(*s)->refs == 0) {
        assert((*s)->state == EIO_CLOSED);
        tb_free(*s);
    }
    *s = NULL;
}
