/* See fake.h. Slices of a write are copied only when the write "comes through", so a sanitizer sees bytes that were
 * freed too soon. */
#include "fake.h"

#include <assert.h>
#include <stdio.h>

static int64_t
now_ms(void *ctx)
{
    return ((struct fake *)ctx)->now_ms;
}

static void
wake_at(void *ctx, int64_t at_ms)
{
    ((struct fake *)ctx)->wake_ms = at_ms;
}

static void
flush_soon(void *ctx)
{
    struct fake *f = ctx;
    assert(!f->flush_is_asked);     /* promised: once per flush */
    f->flush_is_asked = true;
}

static void
fill_random(void *ctx, void *out, size_t n)
{
    struct fake *f = ctx;
    for (size_t i = 0; i < n; i++) {
        f->random = f->random * 6364136223846793005u + 1442695040888963407u;
        ((unsigned char *)out)[i] = (unsigned char)(f->random >> 56);
    }
}

void
fake_init(struct fake *f)
{
    *f = (struct fake){ .now_ms = 1000, .wake_ms = INT64_MAX, .random = 1 };
    f->host = (struct eio_host){ .now_ms = now_ms, .wake_at = wake_at, .flush_soon = flush_soon, .random = fill_random,
                                 .ctx = f };
}

static void
come_through(struct fake_stream *s)
{
    for (size_t i = 0; i < s->n_slices; i++)
        tb_buf_add(&s->out, s->kept[i]);
    s->is_writing = false;
    eio_stream_written(s->st);
}

void
fake_turn(struct fake *f)
{
    for (int rounds = 0; rounds < 1000; rounds++) {
        bool was_busy = f->flush_is_asked;
        if (f->flush_is_asked) {
            f->flush_is_asked = false;
            eio_engine_flush(f->engine);
        }
        for (struct fake_stream *s = f->streams; s != NULL; s = s->next) {
            if (!s->is_writing || s->is_stuck)
                continue;
            come_through(s);
            was_busy = true;
        }
        if (!was_busy)
            return;
    }
    assert(!"the library is never done with its turn");
}

void
fake_advance(struct fake *f, int64_t ms)
{
    int64_t end_ms = f->now_ms + ms;

    fake_turn(f);
    while (f->wake_ms <= end_ms) {
        f->now_ms = f->wake_ms > f->now_ms ? f->wake_ms : f->now_ms;
        eio_engine_tick(f->engine);
        fake_turn(f);
    }
    f->now_ms = end_ms;
}

/* ---- requests ---- */

static void
respond(struct eio_request *rq, int status, const char *content_type, tb_str body)
{
    struct fake_request *r = TB_CONTAINER(rq, struct fake_request, rq);

    assert(r->status == 0);
    r->status = status;
    r->type = content_type;
    tb_buf_add(&r->body, body);
}

static tb_str
header(const struct eio_request *rq, tb_str name)
{
    const struct fake_request *r = (const struct fake_request *)(const void *)rq;
    return tb_str_eq(name, TB_LIT("authorization")) ? tb_str_of(r->authorization) : TB_STR_NULL;
}

void
fake_request_init(struct fake_request *r, enum eio_method method, const char *query, const char *body)
{
    static const struct eio_request_ops ops = { .respond = respond, .header = header };

    static_assert(offsetof(struct fake_request, rq) == 0, "header() goes from the one to the other");
    *r = (struct fake_request){ .rq = { .ops = &ops, .method = method, .query = tb_str_of(query),
                                        .body = tb_str_of(body), .peer = TB_LIT("192.0.2.1") } };
}

void
fake_request_fini(struct fake_request *r)
{
    if (r->status == 0 && r->rq.ops != NULL)
        eio_request_gone(&r->rq);
    r->status = -1;
    tb_buf_fini(&r->body);
}

void
fake_send(struct fake *f, struct fake_request *r, enum eio_method method, const char *query, const char *body)
{
    fake_request_init(r, method, query, body);
    eio_engine_request(f->engine, &r->rq);
    fake_turn(f);
}

void
fake_sid_of(const char *open_packet, char sid[21])
{
    static const char before[] = "0{\"sid\":\"";

    assert(strncmp(open_packet, before, sizeof before - 1) == 0);
    memcpy(sid, open_packet + sizeof before - 1, 20);
    sid[20] = '\0';
}

/* ---- streams ---- */

static void
write_slices(void *conn, const tb_str *slices, size_t n)
{
    struct fake_stream *s = conn;

    assert(!s->is_writing && !s->is_closed && n >= 1 && n <= EIO_MAX_SLICES);
    s->is_writing = true;
    s->n_writes++;
    s->n_slices = n;
    memcpy(s->kept, slices, n * sizeof(slices[0]));
}

static void
close_stream(void *conn)
{
    struct fake_stream *s = conn;

    assert(!s->is_closed);
    s->is_closed = true;
    s->is_writing = false;
    s->st = NULL;
}

static size_t
left(void *conn, char **bytes)
{
    struct fake_stream *s = conn;

    *bytes = s->in.p;
    return s->in.n;
}

static void
took(void *conn, size_t n)
{
    struct fake_stream *s = conn;

    memmove(s->in.p, s->in.p + n, s->in.n - n);
    s->in.n -= n;
    if (s->in.n == 0)
        tb_buf_fini(&s->in);    /* so that a sanitizer sees who looks at it later */
}

/* Behind what was left earlier the library is not shown anything. */
bool
fake_bytes(struct fake_stream *s, tb_str bytes)
{
    bool   is_first = s->in.n == 0;
    size_t n_left = bytes.n;

    if (s->st == NULL)
        return false;
    tb_buf_add(&s->in, bytes);
    if (!is_first)
        return true;
    if (!eio_stream_input(s->st, s->in.p, &n_left))
        return false;
    took(s, bytes.n - n_left);
    return true;
}

void
fake_connect(struct fake *f, struct fake_stream *s, const char *query)
{
    static const struct eio_stream_ops ops = { .write = write_slices, .close = close_stream, .left = left, .took = took };

    *s = (struct fake_stream){ .fake = f, .next = f->streams };
    fake_request_init(&s->rq, EIO_GET, query, "");
    s->st = eio_engine_upgrade(f->engine, &s->rq.rq, &ops, s);
    if (s->st == NULL)
        return;
    f->streams = s;
    eio_stream_opened(s->st);
    fake_turn(f);
}

void
fake_unstick(struct fake_stream *s)
{
    s->is_stuck = false;
    fake_turn(s->fake);
}

bool
fake_frame(struct fake_stream *s, unsigned first_byte, tb_str payload)
{
    static const char mask[4] = { 0x12, 0x34, 0x56, 0x78 };
    struct tb_buf     b = TB_BUF_INIT;

    tb_buf_add_char(&b, (char)first_byte);
    if (payload.n < 126) {
        tb_buf_add_char(&b, (char)(0x80 | payload.n));
    } else {
        tb_buf_add_char(&b, (char)(0x80 | 127));
        for (int shift = 56; shift >= 0; shift -= 8)
            tb_buf_add_char(&b, (char)((uint64_t)payload.n >> shift & 0xff));
        if (payload.n <= UINT16_MAX) {      /* the shortest form is a must */
            b.n -= 9;
            tb_buf_add_char(&b, (char)(0x80 | 126));
            tb_buf_add_char(&b, (char)(payload.n >> 8));
            tb_buf_add_char(&b, (char)(payload.n & 0xff));
        }
    }
    tb_buf_add(&b, (tb_str){ .p = mask, .n = 4 });
    for (size_t i = 0; i < payload.n; i++)
        tb_buf_add_char(&b, payload.p[i] ^ mask[i % 4]);
    bool is_there = fake_bytes(s, tb_buf_str(&b));
    tb_buf_fini(&b);
    fake_turn(s->fake);
    return is_there;
}

bool
fake_text(struct fake_stream *s, const char *text)
{
    return fake_frame(s, 0x81, tb_str_of(text));
}

bool
fake_binary(struct fake_stream *s, const char *bytes)
{
    return fake_frame(s, 0x82, tb_str_of(bytes));
}

void
fake_hang_up(struct fake_stream *s)
{
    struct eio_stream *st = s->st;

    s->st = NULL;
    s->is_writing = false;
    eio_stream_gone(st);
    fake_turn(s->fake);
}

void
fake_stream_fini(struct fake_stream *s)
{
    if (s->st != NULL)
        fake_hang_up(s);
    for (struct fake_stream **at = &s->fake->streams; *at != NULL; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    tb_buf_fini(&s->out);
    tb_buf_fini(&s->in);
    fake_request_fini(&s->rq);
}

static size_t
frame_length(const unsigned char *p, size_t *n_header)
{
    size_t n = p[1];

    assert((p[1] & 0x80) == 0);     /* servers do not mask */
    *n_header = n < 126 ? 2 : n == 126 ? 4 : 10;
    if (n >= 126) {
        n = 0;
        for (size_t i = 2; i < *n_header; i++)
            n = n << 8 | p[i];
    }
    return n;
}

const char *
fake_next(struct fake_stream *s)
{
    static const char *const names[16] = { [1] = "", [2] = "binary:", [8] = "close:", [9] = "ping:", [10] = "pong:" };
    size_t                   n_header;

    if (s->read == s->out.n)
        return "";
    const unsigned char *p = (const unsigned char *)s->out.p + s->read;
    size_t               n = frame_length(p, &n_header);
    assert((p[0] & 0xf0) == 0x80 && names[p[0] & 0x0f] != NULL);
    s->read += n_header + n;
    if ((p[0] & 0x0f) == 8 && n == 2)
        snprintf(s->text, sizeof s->text, "close:%d", p[2] << 8 | p[3]);
    else
        snprintf(s->text, sizeof s->text, "%s%.*s", names[p[0] & 0x0f], (int)n, (const char *)p + n_header);
    return s->text;
}
