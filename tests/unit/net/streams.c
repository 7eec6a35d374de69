/* Connections that were upgraded: what is not taken of the input waits, and nothing more is read meanwhile. */
#include "loop.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SHARE = 65536 };

struct upgraded {
    struct net        *net;
    struct net_stream *stream;
    size_t             n_bytes, n_left, n_calls;
    int                fd;              /* the client's */
    size_t             n_sent, n_seen;  /* n_seen: n_bytes at the last look */
};

static void
on_open(void *app)
{
    (void)app;
}

static size_t
share_of(size_t n)
{
    return n < SHARE ? n : SHARE;
}

static bool
on_input(void *app, char *bytes, size_t *n)
{
    struct upgraded *u = app;
    size_t           n_taken = share_of(*n);

    (void)bytes;
    assert_int_equal(0, u->n_left);
    u->n_calls++;
    u->n_bytes += n_taken;
    u->n_left = *n -= n_taken;
    return true;
}

static void
on_gone(void *app)
{
    struct upgraded *u = app;
    u->stream = NULL;
}

static void
upgrade(void *ctx, struct net_request *r)
{
    static const struct net_stream_ops ops = { .on_open = on_open, .on_input = on_input, .on_gone = on_gone };
    struct upgraded                   *u = ctx;

    u->stream = net_upgrade(r, NULL, 0, &ops, u);
}

static void
serve(void *ctx)
{
    struct upgraded *u = ctx;

    net_handle(u->net, "/up/", 0, upgrade, u);
}

/* On the loop, so that it does not read meanwhile: as much as the two kernels' buffers take. */
static void
send_all_that_fits(void *ctx)
{
    static const char some[SHARE];
    struct upgraded  *u = ctx;
    ssize_t           n;

    while ((n = send(u->fd, some, sizeof some, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
        u->n_sent += (size_t)n;
    assert_int_equal(EAGAIN, errno);
}

/* A turn, in which what was left gets a share. */
static void
look(void *ctx)
{
    struct upgraded *u = ctx;
    char            *bytes;

    if (u->n_left > 0) {
        size_t n = net_stream_left(u->stream, &bytes), n_taken = share_of(n);
        assert_int_equal(u->n_left, n);
        u->n_bytes += n_taken;
        u->n_left -= n_taken;
        net_stream_took(u->stream, n_taken);
    }
    u->n_seen = u->n_bytes;
}

static void
fini(void *ctx)
{
    struct upgraded *u = ctx;

    if (u->stream != NULL)
        net_stream_close(u->stream);
}

static void
start(struct upgraded *u, struct loop **l)
{
    *l = loop_start((struct net_settings){ 0 });
    *u = (struct upgraded){ .net = loop_net(*l) };
    loop_run(*l, serve, u);
    u->fd = client_connect(loop_port(*l));
    client_send(u->fd, "GET /up/ HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: anything\r\n\r\n");
    assert_non_null(strstr(client_read_head(u->fd), "101 "));
}

static void
what_is_left_of_the_input_is_kept_until_it_is_taken(void **state)
{
    struct upgraded u;
    struct loop    *l;
    (void)state;
    start(&u, &l);
    loop_run(l, send_all_that_fits, &u);
    assert_true(u.n_sent > 4 * SHARE);
    while (u.n_seen < u.n_sent)
        loop_run(l, look, &u);
    loop_run(l, fini, &u);
    close(u.fd);
    loop_stop(&l);
    assert_int_equal(u.n_sent, u.n_bytes);
    assert_int_equal(0, u.n_left);
}

static void
a_stream_may_be_closed_while_something_is_left(void **state)
{
    struct upgraded u;
    struct loop    *l;
    (void)state;
    start(&u, &l);
    loop_run(l, send_all_that_fits, &u);
    while (u.n_seen == 0)
        loop_run(l, look, &u);
    assert_int_equal(1, u.n_calls);
    loop_run(l, fini, &u);
    close(u.fd);
    loop_stop(&l);
    assert_true(u.n_bytes < u.n_sent);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_of_the_input_is_kept_until_it_is_taken),
        cmocka_unit_test(a_stream_may_be_closed_while_something_is_left),
    };
    return tap_run(tests);
}
