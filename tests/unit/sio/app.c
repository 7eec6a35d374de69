/* See app.h. Limits are small, so that tests reach them. */
#include "app.h"

static void
on_connect(void *ctx, struct sio_socket *sk, tb_str auth)
{
    struct app *a = ctx;

    note(a, "connect:" TB_STR_FMT ":" TB_STR_FMT, TB_STR_ARG(sio_namespace_name(sio_socket_namespace(sk))),
         TB_STR_ARG(auth));
    sio_socket_unref(&a->last);
    a->last = sio_socket_ref(sk);
    switch (a->policy) {
    case ACCEPT:
        assert_true(sio_accept(sk, tb_str_of(a->sid), tb_str_of(a->pid)));
        break;
    case REFUSE:
        assert_true(sio_refuse(sk, TB_LIT("Not \"you\""), TB_LIT("{\"code\":7}")));
        break;
    case CLOSE:
        sio_conn_close(sio_socket_conn(sk), EIO_AFTER_FLUSH);
        break;
    case WAIT:
        break;
    }
}

static void
on_event(void *ctx, struct sio_socket *sk, const struct sio_event *ev)
{
    struct app *a = ctx;

    note(a, "event:" TB_STR_FMT "(" TB_STR_FMT ")", TB_STR_ARG(ev->name), TB_STR_ARG(ev->args));
    for (size_t i = 0; i < ev->n_attachments; i++)
        note(a, "[" TB_STR_FMT "]", TB_STR_ARG(ev->attachments[i]));
    if (a->leave_in_event)
        sio_disconnect(sk);
    if (ev->ack != SIO_NO_ACK)
        sio_ack_binary(sk, ev->ack, ev->args, ev->attachments, ev->n_attachments);
    if (tb_str_eq(ev->name, TB_LIT("echo"))) {
        struct sio_message *m = sio_message_new_binary(sio_socket_namespace(sk), TB_LIT("back"), ev->args,
                                                       ev->attachments, ev->n_attachments);
        assert_true(sio_emit(sk, m, SIO_RELIABLE));
        sio_message_free(&m);
    }
}

static void
on_disconnect(void *ctx, struct sio_socket *sk, enum sio_reason why)
{
    struct app *a = ctx;

    assert_false(sio_socket_is_connected(sk));
    assert_non_null(sio_socket_conn(sk));
    assert_false(sio_send(sk, TB_LIT("too late"), TB_STR_NULL));
    sio_disconnect(sk);
    sio_join(sk, TB_LIT("nowhere"));
    note(a, "gone:" TB_STR_FMT ":%s:rooms=%zu%s", TB_STR_ARG(sio_namespace_name(sio_socket_namespace(sk))),
         sio_reason_text(why), sio_room_count(sk), sio_socket_is_accepted(sk) ? "" : ":never in");
}

static void
on_pong(void *ctx, struct sio_socket *sk, uint64_t sent)
{
    note(ctx, "pong:" TB_STR_FMT ":%d", TB_STR_ARG(sio_namespace_name(sio_socket_namespace(sk))), (int)sent);
}

static void
on_drain(void *ctx, struct sio_socket *sk)
{
    note(ctx, "drain:" TB_STR_FMT, TB_STR_ARG(sio_namespace_name(sio_socket_namespace(sk))));
}

static enum sio_full
on_full(void *ctx, struct sio_socket *sk)
{
    struct app *a = ctx;
    (void)sk;
    note(a, "full");
    return a->when_full;
}

const struct sio_handler app_handler = { on_connect, on_event, on_disconnect, on_pong, on_drain, on_full };

static bool
allow(void *ctx, const struct eio_request *rq, struct eio_refusal *refusal)
{
    (void)ctx;
    refusal->message = "Only with a token";
    return rq->ops->header(rq, TB_LIT("authorization")).n == 0;
}

static void
on_open(void *ctx, struct sio_conn *c, const struct eio_request *rq)
{
    (void)rq;
    sio_conn_set_app(c, ctx);
}

static void
on_close(void *ctx, struct sio_conn *c, enum eio_reason why)
{
    assert_ptr_equal(ctx, sio_conn_app(c));
    note(ctx, "closed:%s", eio_reason_text(why));
}

static struct sio_namespace *
on_unknown(void *ctx, struct sio_conn *c, tb_str name, tb_str auth)
{
    struct app *a = ctx;
    (void)c;
    note(a, "unknown:" TB_STR_FMT ":" TB_STR_FMT, TB_STR_ARG(name), TB_STR_ARG(auth));
    if (tb_str_eq(name, TB_LIT("/alias")))
        return a->main;
    return tb_str_starts(name, TB_LIT("/dynamic-")) ? sio_namespace_add(a->server, name, &app_handler, a) : NULL;
}

static const struct sio_server_handler server_handler = { allow, on_open, on_close, on_unknown };

int
app_setup(void **state)
{
    struct app        *a = TB_NEW(struct app);
    struct sio_options o = sio_default_options;

    fake_init(&a->fake);
    o.eio.max_queued = 2000;
    o.max_attachments = 3;
    o.max_attachment_bytes = 1000;
    o.max_namespaces = 3;
    a->server = sio_server_new(&a->fake.host, &o, &server_handler, a);
    a->fake.engine = sio_server_engine(a->server);
    a->main = sio_namespace_add(a->server, TB_LIT("/"), &app_handler, a);
    a->custom = sio_namespace_add(a->server, TB_LIT("/custom"), &app_handler, a);
    *state = a;
    return 0;
}

int
app_teardown(void **state)
{
    struct app *a = *state;

    sio_socket_unref(&a->last);
    sio_server_free(&a->server);
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
forget(struct app *a)
{
    tb_buf_clear(&a->heard);
}


void
client_open(struct app *a, struct fake_stream *s)
{
    fake_connect(&a->fake, s, "EIO=4&transport=websocket");
    fake_next(s);
}

/* In the main namespace; its socket is a->last. */
void
client_join(struct app *a, struct fake_stream *s)
{
    client_open(a, s);
    fake_text(s, "40");
    assert_int_equal(0, strncmp("40{\"sid\":\"", fake_next(s), 10));
    forget(a);
}

void
emit_to(struct app *a, const struct sio_target *to, const char *event, size_t expected)
{
    struct sio_message *m = sio_message_new(a->main, tb_str_of(event), TB_STR_NULL);
    assert_int_equal(expected, sio_emit_to(a->main, to, m, SIO_RELIABLE));
    sio_message_free(&m);
    fake_turn(&a->fake);
}
