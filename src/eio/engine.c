/* All sessions of one address: who may have one, which of them a request or a connection belongs to, and when each gets
 * its turn. Sessions with something to write are on one list, in the order in which they got it, and are written to
 * once a turn (eio_engine_flush), so that a turn's messages for a client leave together. */
#include "session.h"

#include "log.h"

#include <assert.h>
#include <inttypes.h>

enum { PARAM_MAX = 64 };        /* bytes of a query value that we look at; ids are shorter */

const struct eio_options eio_default_options = EIO_DEFAULTS;

/* ---- refusals: status, code and text of the reference server ---- */

enum refusal {
    UNKNOWN_TRANSPORT, UNKNOWN_SID, BAD_HANDSHAKE_METHOD, BAD_REQUEST, FORBIDDEN, UNSUPPORTED_PROTOCOL,
    TOO_OFTEN, SERVER_FULL, SERVER_CLOSED,      /* ours: HTTP says what the protocol has no code for */
    REFUSAL_COUNT, LET_IN = REFUSAL_COUNT
};

static const struct {
    int         status, code;
    const char *message;
} refusals[REFUSAL_COUNT] = {
    [UNKNOWN_TRANSPORT]    = { 400, 0, "Transport unknown" },
    [UNKNOWN_SID]          = { 400, 1, "Session ID unknown" },
    [BAD_HANDSHAKE_METHOD] = { 400, 2, "Bad handshake method" },
    [BAD_REQUEST]          = { 400, 3, "Bad request" },
    [FORBIDDEN]            = { 403, 4, "Forbidden" },
    [UNSUPPORTED_PROTOCOL] = { 400, 5, "Unsupported protocol version" },
    [TOO_OFTEN]            = { 429, 4, "Forbidden" },
    [SERVER_FULL]          = { 503, 4, "The server is full" },
    [SERVER_CLOSED]        = { 503, 4, "The server is shutting down" },
};

static void
refuse(struct eio_request *rq, enum refusal why, const char *message)
{
    struct tb_buf json = TB_BUF_INIT;

    /* message is ours or the application's own text, so it needs no escaping */
    tb_buf_printf(&json, "{\"code\":%d,\"message\":\"%s\"}", refusals[why].code,
                  message != NULL ? message : refusals[why].message);
    rq->ops->respond(rq, refusals[why].status, "application/json", tb_buf_str(&json));
    tb_buf_fini(&json);
}

/* ---- the query ---- */

struct query {
    bool               is_polling, is_websocket, is_eio4, has_sid, is_base64;
    struct eio_session *session;        /* of the sid, or NULL */
};

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 3986 section 2.1; what is no escape stays as it is. Too long a value is cut, and then fits nothing. */
static tb_str
unescape(tb_str in, char out[PARAM_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < in.n && n < PARAM_MAX; i++) {
        bool is_escape = in.p[i] == '%' && i + 2 < in.n && hex_value(in.p[i + 1]) >= 0 && hex_value(in.p[i + 2]) >= 0;
        out[n++] = is_escape ? (char)(hex_value(in.p[i + 1]) << 4 | hex_value(in.p[i + 2])) : in.p[i];
        if (is_escape)
            i += 2;
    }
    return (tb_str){ .p = out, .n = n };
}

static void
take_param(const struct eio_engine *en, struct query *q, tb_str name, tb_str raw)
{
    char   room[PARAM_MAX];
    tb_str value = unescape(raw, room);

    if (tb_str_eq(name, TB_LIT("transport"))) {
        q->is_polling = en->options.allow_polling && tb_str_eq(value, TB_LIT("polling"));
        q->is_websocket = en->options.allow_websocket && tb_str_eq(value, TB_LIT("websocket"));
    } else if (tb_str_eq(name, TB_LIT("EIO"))) {
        q->is_eio4 = tb_str_eq(value, TB_LIT("4"));
    } else if (tb_str_eq(name, TB_LIT("sid"))) {
        q->has_sid = value.n > 0;
        q->session = eio_index_find(&en->sessions, value);
    } else if (tb_str_eq(name, TB_LIT("b64"))) {
        q->is_base64 = value.n > 0;
    }
}

static struct query
read_query(const struct eio_engine *en, tb_str text)
{
    struct query q = { 0 };

    while (text.n > 0) {
        const char *amp = memchr(text.p, '&', text.n);
        tb_str      pair = { .p = text.p, .n = amp != NULL ? (size_t)(amp - text.p) : text.n };
        const char *is = pair.n > 0 ? memchr(pair.p, '=', pair.n) : NULL;
        tb_str      name = { .p = pair.p, .n = is != NULL ? (size_t)(is - pair.p) : pair.n };
        tb_str      value = is != NULL ? (tb_str){ .p = is + 1, .n = pair.n - name.n - 1 } : TB_STR_NULL;
        take_param(en, &q, name, value);
        text = amp != NULL ? (tb_str){ .p = amp + 1, .n = text.n - pair.n - 1 } : TB_STR_NULL;
    }
    return q;
}

/* ---- who may come in ---- */

/* The reference server's checks in its order. */
static enum refusal
check(const struct eio_engine *en, const struct eio_request *rq, const struct query *q, bool is_upgrade)
{
    if (!q->is_polling && !q->is_websocket)
        return UNKNOWN_TRANSPORT;
    if (q->has_sid) {
        if (q->session == NULL)
            return UNKNOWN_SID;
        return q->is_websocket == is_upgrade && (is_upgrade || q->session->stream == NULL) ? LET_IN : BAD_REQUEST;
    }
    if (rq->method != EIO_GET)
        return BAD_HANDSHAKE_METHOD;
    if (q->is_websocket != is_upgrade)
        return BAD_REQUEST;
    if (en->is_closed)
        return SERVER_CLOSED;
    return en->stats.sessions >= en->options.max_sessions ? SERVER_FULL : LET_IN;
}

/* For a handshake, after check. */
static enum refusal
check_handshake(struct eio_engine *en, struct eio_request *rq, const struct query *q, const char **message)
{
    struct eio_refusal r = { .message = NULL };

    if (en->handler->allow != NULL && !en->handler->allow(en->ctx, rq, &r)) {
        *message = r.message;
        rq->retry_after_s = r.retry_after_s;
        return r.retry_after_s > 0 ? TOO_OFTEN : FORBIDDEN;
    }
    return q->is_eio4 ? LET_IN : UNSUPPORTED_PROTOCOL;
}

static bool
may_enter(struct eio_engine *en, struct eio_request *rq, const struct query *q, bool is_upgrade)
{
    const char  *message = NULL;
    enum refusal why = check(en, rq, q, is_upgrade);

    if (why == LET_IN && !q->has_sid)
        why = check_handshake(en, rq, q, &message);
    if (why != LET_IN)
        refuse(rq, why, message);
    return why == LET_IN;
}

static void
serve_known(struct eio_session *s, struct eio_request *rq)
{
    eio_session_ref(s);
    switch (rq->method) {
    case EIO_GET:
        eio_poll_get(s, rq);
        break;
    case EIO_POST:
        eio_poll_post(s, rq);
        break;
    case EIO_OTHER_METHOD:
        refuse(rq, BAD_REQUEST, NULL);
        break;
    }
    eio_session_unref(&s);
}

void
eio_engine_request(struct eio_engine *en, struct eio_request *rq)
{
    struct query q = read_query(en, rq->query);

    rq->session = NULL;
    rq->post = NULL;
    if (!may_enter(en, rq, &q, false))
        return;
    if (q.has_sid) {
        serve_known(q.session, rq);
        return;
    }
    struct eio_session *s = eio_session_ref(eio_session_new(en, NULL, rq->peer));
    eio_poll_get(s, rq);
    eio_session_announce(s, rq);
    eio_session_unref(&s);
}

struct eio_stream *
eio_engine_upgrade(struct eio_engine *en, struct eio_request *rq, const struct eio_stream_ops *ops, void *conn)
{
    struct query q = read_query(en, rq->query);

    rq->session = NULL;
    rq->post = NULL;
    if (!may_enter(en, rq, &q, true))
        return NULL;

    struct eio_stream *st = eio_stream_new(en, ops, conn);
    st->is_base64 = q.is_base64;
    if (q.has_sid) {
        bool is_first = en->options.allow_upgrades && q.session->state == EIO_POLLING;
        eio_probe_new(st, is_first ? q.session : NULL);
        return st;
    }
    st->session = eio_session_new(en, st, rq->peer);
    eio_session_announce(st->session, rq);
    return st;
}

size_t
eio_engine_max_body(const struct eio_engine *en, tb_str text)
{
    struct query q = read_query(en, text);
    return q.session != NULL ? q.session->max_message : EIO_UNKNOWN_BODY;
}

/* ---- time and turns ---- */

int64_t
eio_engine_now(const struct eio_engine *en)
{
    return en->host.now_ms(en->host.ctx);
}

static void
wish(struct eio_engine *en, int64_t at_ms)
{
    en->wake_ms = at_ms;
    en->host.wake_at(en->host.ctx, at_ms);
}

void
eio_engine_set_timer(struct eio_engine *en, struct eio_timer *t, int64_t at_ms)
{
    eio_timers_set(&en->timers, t, at_ms);
    if (at_ms < en->wake_ms)
        wish(en, at_ms);
}

void
eio_engine_cancel_timer(struct eio_engine *en, struct eio_timer *t)
{
    eio_timers_cancel(&en->timers, t);
}

/* ---- the time of a turn ---- */

void
eio_engine_ask_flush(struct eio_engine *en)
{
    if (en->flush_is_asked)
        return;
    en->flush_is_asked = true;
    en->host.flush_soon(en->host.ctx);
}

bool
eio_engine_is_busy(struct eio_engine *en)
{
    if (en->is_closed || en->options.turn_ms == 0)
        return false;
    if (!en->is_calling && eio_payers_are_waiting(&en->payers))
        return true;
    int64_t now_ms = eio_engine_now(en);
    if (en->is_calling)
        return now_ms >= en->slice_until_ms;
    if (en->turn_until_ms == 0) {
        en->turn_until_ms = now_ms + en->options.turn_ms;
        eio_engine_ask_flush(en);       /* which ends the turn */
    }
    return now_ms >= en->turn_until_ms;
}

void
eio_engine_wait(struct eio_engine *en, struct eio_payer *p, struct eio_waiter *w, size_t bytes)
{
    int64_t now_ms = eio_engine_now(en);

    eio_payer_wait(p, w, bytes);
    if (now_ms < en->wake_ms)
        wish(en, now_ms);
}

/* At least one of those who wait, if there are any. */
static void
call_line(struct eio_engine *en, int64_t until_ms)
{
    int64_t now_ms = eio_engine_now(en);

    en->is_calling = true;
    while (eio_payers_are_waiting(&en->payers)) {
        en->slice_until_ms = now_ms + EIO_SLICE_MS;
        eio_payers_call(&en->payers);
        now_ms = eio_engine_now(en);
        if (now_ms >= until_ms)
            break;
    }
    en->is_calling = false;
}

void
eio_engine_tick(struct eio_engine *en)
{
    int64_t now_ms = eio_engine_now(en);

    en->wake_ms = INT64_MIN;        /* no wishes meanwhile: one comes at the end */
    while (eio_timers_fire(&en->timers, now_ms))
        ;
    call_line(en, now_ms + en->options.turn_ms);
    wish(en, eio_payers_are_waiting(&en->payers) ? now_ms : eio_timers_next(&en->timers));
}

static void
flush_one(struct eio_session *s)
{
    if (s->stream != NULL)
        eio_stream_flush(s->stream);
    else if (s->poll != NULL)
        eio_poll_flush(s);
    if (s->probe != NULL)
        eio_stream_flush(s->probe->stream);
    if (s->wants_drain && s->queue.n == 0) {
        s->wants_drain = false;
        if (s->engine->handler->on_drain != NULL)
            s->engine->handler->on_drain(s->engine->ctx, s);
    }
}

/* What gets on the list meanwhile waits for the next turn. */
void
eio_engine_flush(struct eio_engine *en)
{
    struct eio_session *s = en->first_dirty, *next;

    en->first_dirty = en->last_dirty = NULL;
    en->flush_is_asked = false;
    en->turn_until_ms = 0;
    for (; s != NULL; s = next) {
        next = s->next_dirty;
        s->is_dirty = false;
        flush_one(s);
        eio_session_unref(&s);
    }
}

/* ---- beginning and end ---- */

static tb_str
session_key(const void *item)
{
    return eio_session_id(item);
}

struct eio_engine *
eio_engine_new(const struct eio_host *host, const struct eio_options *options, const struct eio_handler *handler,
               void *ctx)
{
    struct eio_engine *en = TB_NEW(struct eio_engine);
    uint64_t           seed[2];

    en->host = *host;
    en->options = options != NULL ? *options : eio_default_options;
    en->handler = handler;
    en->ctx = ctx;
    en->ping = eio_frame_packet(EIO_PING, TB_STR_NULL);
    en->wake_ms = INT64_MAX;
    host->random(host->ctx, seed, sizeof seed);
    eio_index_init(&en->sessions, session_key, seed);
    eio_payers_init(&en->payers, en->options.max_held, seed);
    return en;
}

/* Ends all sessions; closing one may take it, and others, out of the index, so the walk starts over a list. */
static void
end_all(struct eio_engine *en, enum eio_end how)
{
    size_t               n = 0, at = 0, n_all = en->sessions.n;
    struct eio_session **all = tb_alloc(n_all * sizeof(struct eio_session *));
    struct eio_session  *s;

    while ((s = eio_index_next(&en->sessions, &at)) != NULL)
        all[n++] = eio_session_ref(s);
    assert(n == n_all);
    for (size_t i = 0; i < n; i++) {
        eio_session_end(all[i], EIO_SHUTTING_DOWN, how, EIO_WS_RESTART);
        eio_session_unref(&all[i]);
    }
    tb_free(all);
}

void
eio_engine_close(struct eio_engine *en)
{
    if (!en->is_closed)
        call_line(en, eio_engine_now(en) + EIO_LAST_TURN_MS);
    en->is_closed = true;
    end_all(en, EIO_END_REPLY);
    call_line(en, INT64_MAX);       /* what is left means nothing any more, and is answered */
}

void
eio_engine_free(struct eio_engine **engine)
{
    struct eio_engine *en = *engine;

    if (en == NULL)
        return;
    eio_engine_close(en);
    end_all(en, EIO_END_DROP);      /* those that still wait to say goodbye */
    while (en->probes != NULL)
        eio_stream_abort(en->probes->stream);
    assert(en->sessions.n == 0);
    eio_engine_flush(en);           /* its list holds references */
    eio_index_fini(&en->sessions);
    eio_timers_fini(&en->timers);
    eio_payers_fini(&en->payers);
    eio_frame_unref(&en->ping);
    tb_buf_fini(&en->scratch);
    tb_free(en);
    *engine = NULL;
}

void
eio_engine_stats(const struct eio_engine *en, struct eio_stats *out)
{
    *out = en->stats;
    out->bytes_held = en->payers.budget.held;
}

struct eio_session *
eio_engine_find(const struct eio_engine *en, tb_str sid)
{
    struct eio_session *s = eio_index_find(&en->sessions, sid);
    return s != NULL && !eio_session_is_closing(s) ? s : NULL;
}
