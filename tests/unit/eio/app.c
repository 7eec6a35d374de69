/* See app.h. max_payload and max_queued are small, so that tests reach them. */
#include "app.h"

#include <stdio.h>


static bool
allow(void *ctx, const struct eio_request *rq, struct eio_refusal *refusal)
{
    struct app *a = ctx;
    tb_str      token = rq->ops->header(rq, TB_LIT("authorization"));

    if (token.n > 0)
        tb_buf_printf(&a->heard, "token:" TB_STR_FMT " ", TB_STR_ARG(token));
    *refusal = a->refusal;
    return a->refusal.message == NULL;
}

static void
on_open(void *ctx, struct eio_session *s, const struct eio_request *rq)
{
    struct app *a = ctx;

    tb_buf_printf(&a->heard, "open:" TB_STR_FMT " ", TB_STR_ARG(rq->peer));
    eio_session_unref(&a->last);
    a->last = eio_session_ref(s);
    eio_session_set_app(s, a);
    if (a->close_in_open)
        eio_session_close(s, a->manner);
}

static void
on_message(void *ctx, struct eio_session *s, tb_str data, bool is_binary)
{
    struct app *a = ctx;

    assert_ptr_equal(a, eio_session_app(s));
    tb_buf_printf(&a->heard, "%s:" TB_STR_FMT " ", is_binary ? "binary" : "text", TB_STR_ARG(data));
    if (a->close_in_message)
        eio_session_close(s, a->manner);
    if (tb_str_starts(data, TB_LIT("echo"))) {
        struct eio_frame *f = is_binary ? eio_frame_binary(data) : eio_frame_text(data);
        assert_int_equal(EIO_SENT, eio_session_send(s, &f, 1));
        eio_frame_unref(&f);
    }
}

static void
on_pong(void *ctx, struct eio_session *s, uint64_t sent)
{
    (void)s;
    tb_buf_printf(&((struct app *)ctx)->heard, "pong:%d ", (int)sent);
}

static void
on_drain(void *ctx, struct eio_session *s)
{
    (void)s;
    tb_buf_add(&((struct app *)ctx)->heard, TB_LIT("drain "));
}

static void
on_close(void *ctx, struct eio_session *s, enum eio_reason why)
{
    struct eio_frame *f = eio_frame_text(TB_LIT("too late"));

    assert_false(eio_session_is_open(s));
    assert_int_equal(EIO_GONE, eio_session_send(s, &f, 1));
    eio_frame_unref(&f);
    eio_session_close(s, EIO_AT_ONCE);      /* nothing */
    assert_false(eio_session_ping(s));
    tb_buf_printf(&((struct app *)ctx)->heard, "closed:%s ", eio_reason_text(why));
}

const struct eio_handler app_handler = { allow, on_open, on_message, on_pong, on_drain, on_close };

struct eio_options
test_options(void)
{
    struct eio_options o = eio_default_options;

    o.frames_per_second = 1000;
    o.max_payload = 1000;
    o.max_queued = 2000;
    return o;
}

static struct app *
app_new(void)
{
    struct app        *a = TB_NEW(struct app);
    struct eio_options o = test_options();

    fake_init(&a->fake);
    a->engine = a->fake.engine = eio_engine_new(&a->fake.host, &o, &app_handler, a);
    return a;
}

int
app_setup(void **state)
{
    *state = app_new();
    return 0;
}

int
app_teardown(void **state)
{
    struct app *a = *state;

    eio_session_unref(&a->last);
    eio_engine_free(&a->engine);
    tb_buf_fini(&a->heard);
    tb_free(a);
    return 0;
}

void
assert_heard(struct app *a, const char *expected)
{
    assert_string_equal(expected, a->heard.n > 0 ? a->heard.p : "");
    tb_buf_clear(&a->heard);
}

void
send_text(struct eio_session *s, const char *text)
{
    struct eio_frame *f = eio_frame_text(tb_str_of(text));
    assert_int_equal(EIO_SENT, eio_session_send(s, &f, 1));
    eio_frame_unref(&f);
}



void
poller_open(struct app *a, struct poller *p)
{
    *p = (struct poller){ .app = a };
    fake_send(&a->fake, &p->get, EIO_GET, "EIO=4&transport=polling", "");
    assert_int_equal(200, p->get.status);
    fake_sid_of(p->get.body.p, p->sid);
    snprintf(p->query, sizeof p->query, "EIO=4&transport=polling&sid=%s", p->sid);
    tb_buf_clear(&a->heard);
}

void
poll_get(struct poller *p)
{
    fake_request_fini(&p->get);
    fake_send(&p->app->fake, &p->get, EIO_GET, p->query, "");
}

int
poll_post(struct poller *p, const char *body)
{
    fake_request_fini(&p->post);
    fake_send(&p->app->fake, &p->post, EIO_POST, p->query, body);
    return p->post.status;
}

void
poller_fini(struct poller *p)
{
    fake_request_fini(&p->get);
    fake_request_fini(&p->post);
}

void
assert_got(struct poller *p, int status, const char *body)
{
    assert_int_equal(status, p->get.status);
    assert_string_equal(body, p->get.body.n > 0 ? p->get.body.p : "");
}

bool
is_gone(struct poller *p)
{
    struct fake_request r;
    fake_send(&p->app->fake, &r, EIO_GET, p->query, "");
    bool is = r.status == 400 && strcmp(r.body.p, "{\"code\":1,\"message\":\"Session ID unknown\"}") == 0;
    fake_request_fini(&r);
    return is;
}
