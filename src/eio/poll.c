/* HTTP long-polling: POST brings packets, a GET waits for ours. One GET at a time: a second one ends the session, and
 * so does one that is aborted, because what was on its way with it is lost. Payload splitting: an answer holds as many
 * packets as max_payload and EIO_POLL_PACKETS let it, and at least one; the rest waits for the next GET. */
#include "session.h"

#include "base64.h"
#include "log.h"

/* A POST that waits its turn. */
struct eio_post {
    struct eio_waiter   waiter;
    struct eio_session *session;        /* referenced */
    struct eio_request *rq;
};

static const char as_text[] = "text/plain; charset=UTF-8";      /* explicit: pages that are not UTF-8 read it too */
static const char as_json[] = "application/json";

static void
refuse(struct eio_request *rq)
{
    rq->ops->respond(rq, 400, as_json, TB_LIT("{\"code\":3,\"message\":\"Bad request\"}"));
}

static void
answer(struct eio_session *s, tb_str payload)
{
    struct eio_request *rq = s->poll;

    s->poll = NULL;
    rq->session = NULL;
    rq->ops->respond(rq, 200, as_text, payload);
}

/* ---- GET ---- */

static size_t
size_in_poll(const struct eio_frame *f)
{
    return f->is_binary ? 1 + eio_base64_size(f->n) : f->n;
}

static void
add_packet(struct tb_buf *payload, const struct eio_frame *f)
{
    if (payload->n > 0)
        tb_buf_add_char(payload, EIO_SEPARATOR);
    if (f->is_binary) {
        tb_buf_add_char(payload, 'b');
        eio_base64_add(payload, eio_frame_for_poll(f));
    } else {
        tb_buf_add(payload, eio_frame_for_poll(f));
    }
}

/* As many as fit; returns how many. */
static uint32_t
fill(struct eio_session *s, struct tb_buf *payload)
{
    uint32_t n = 0;

    for (; n < s->queue.n && n < EIO_POLL_PACKETS; n++) {
        const struct eio_frame *f = eio_queue_at(&s->queue, n);
        if (n > 0 && payload->n + 1 + size_in_poll(f) > s->engine->options.max_payload)
            break;
        add_packet(payload, f);
    }
    return n;
}

static void
add_goodbye(struct tb_buf *payload)
{
    if (payload->n > 0)
        tb_buf_add_char(payload, EIO_SEPARATOR);
    tb_buf_add_char(payload, '0' + EIO_CLOSE);
}

void
eio_poll_flush(struct eio_session *s)
{
    struct tb_buf payload = TB_BUF_INIT;

    if (s->poll == NULL || (s->queue.n == 0 && s->state != EIO_CLOSING))
        return;
    uint32_t n = fill(s, &payload);
    bool     is_last = s->state == EIO_CLOSING && n == s->queue.n && n < EIO_POLL_PACKETS;
    if (is_last)
        add_goodbye(&payload);
    answer(s, tb_buf_str(&payload));
    tb_buf_fini(&payload);
    eio_session_fetched(s, n);
    if (is_last)
        eio_session_finish(s);
}

void
eio_poll_noop(struct eio_session *s)
{
    static const char noop[] = { '0' + EIO_NOOP };
    answer(s, (tb_str){ .p = noop, .n = sizeof noop });
}

void
eio_poll_get(struct eio_session *s, struct eio_request *rq)
{
    if (s->poll != NULL) {
        refuse(rq);
        eio_session_end(s, EIO_TRANSPORT_ERROR, EIO_END_REPLY, EIO_WS_NORMAL);
        return;
    }
    s->poll = rq;
    rq->session = s;
    if (s->queue.n > 0 || s->state == EIO_CLOSING)
        eio_session_mark(s);
}

static void
forget_post(struct eio_post *post)
{
    struct eio_session *s = post->session;

    post->rq->post = NULL;
    s->post_bytes -= post->rq->body.n;
    eio_waiter_leave(&post->waiter);
    (void)eio_session_weigh(s);
    eio_session_unref(&s);
    tb_free(post);
}

void
eio_request_gone(struct eio_request *rq)
{
    struct eio_session *s = rq->session;

    if (rq->post != NULL)
        forget_post(rq->post);
    if (s == NULL)
        return;
    rq->session = NULL;
    s->poll = NULL;
    eio_session_end(s, EIO_TRANSPORT_ERROR, EIO_END_DROP, EIO_WS_NORMAL);
}

/* A client that said goodbye has its waiting GET ended by a noop, any other is told to close; without a GET there is
 * nobody to tell, unless something is still to be fetched. */
void
eio_poll_farewell(struct eio_session *s, enum eio_end how, enum eio_reason why)
{
    if (s->state == EIO_CLOSED)
        return;
    if (how == EIO_END_FLUSH) {
        if (s->poll != NULL)
            eio_session_mark(s);
        return;
    }
    if (s->poll != NULL && why == EIO_TRANSPORT_CLOSE)
        eio_poll_noop(s);
    else if (s->poll != NULL)
        answer(s, TB_LIT("1"));
    eio_session_finish(s);
}

/* ---- POST ---- */

/* false: something in it was no packet, or there were too many, and the session is being closed for it. */
static bool
take_payload(struct eio_session *s, tb_str body)
{
    struct eio_payload it = eio_payload_of(body);
    struct eio_packet  packet;
    struct tb_err      e = { 0 };
    tb_str             text;

    while (eio_payload_next(&it, &text) && !eio_session_is_closing(s)) {
        if (eio_packet_parse(text, &packet, &s->engine->scratch, &e) != TB_OK) {
            log_debug("eio.bad_packet", "session=%p why=\"%s\"", (void *)s, e.why);
            eio_session_end(s, EIO_PARSE_ERROR, EIO_END_REPLY, EIO_WS_NORMAL);
            return false;
        }
        eio_session_packet(s, &packet);
        if (!eio_rate_take(s->engine, &s->rate, 1)) {
            eio_session_end(s, EIO_TRANSPORT_ERROR, EIO_END_REPLY, EIO_WS_NORMAL);
            return false;
        }
    }
    return true;
}

static void
take_post(struct eio_session *s, struct eio_request *rq)
{
    enum eio_reason why = EIO_PARSE_ERROR;

    if (tb_str_eq_nocase(rq->content_type, TB_LIT("application/octet-stream")))
        why = EIO_TRANSPORT_ERROR;      /* the binary payloads of protocol 3 */
    else if (tb_str_is_utf8(rq->body)) {
        if (take_payload(s, rq->body))
            rq->ops->respond(rq, 200, "text/html", TB_LIT("ok"));
        else
            refuse(rq);
        return;
    }
    refuse(rq);
    eio_session_end(s, why, EIO_END_REPLY, EIO_WS_NORMAL);
}

/* ---- POSTs that wait their turn ---- */

static void
on_turn(struct eio_waiter *w)
{
    struct eio_post    *post = TB_CONTAINER(w, struct eio_post, waiter);
    struct eio_session *s = eio_session_ref(post->session);
    struct eio_request *rq = post->rq;

    forget_post(post);
    take_post(s, rq);
    eio_session_unref(&s);
}

static void
wait_turn(struct eio_session *s, struct eio_request *rq)
{
    struct eio_post *post = TB_NEW(struct eio_post);

    post->waiter.go = on_turn;
    post->session = eio_session_ref(s);
    post->rq = rq;
    rq->post = post;
    s->post_bytes += rq->body.n;
    eio_engine_wait(s->engine, s->payer, &post->waiter, rq->body.n);
    if (eio_session_weigh(s))
        return;
    forget_post(post);
    s->engine->stats.refused_held++;
    rq->ops->respond(rq, 503, as_json, TB_LIT("{\"code\":3,\"message\":\"Too much is waiting\"}"));
    eio_session_end(s, EIO_TRANSPORT_ERROR, EIO_END_REPLY, EIO_WS_TRY_AGAIN);
}

void
eio_poll_post(struct eio_session *s, struct eio_request *rq)
{
    if (rq->body.n > s->max_message)
        rq->ops->respond(rq, 413, as_json, TB_LIT("{\"code\":3,\"message\":\"Payload too large\"}"));
    else if (s->state != EIO_CLOSED && eio_engine_is_busy(s->engine))
        wait_turn(s, rq);
    else
        take_post(s, rq);
}
