/* Connections that were upgraded: what comes in is shared out by the turn. */
#include "loop.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SHARE = 65536 };

struct upgraded {
    struct net        *net;
    struct net_stream *stream;
    struct net_at_end *at_end;
    size_t             n_bytes, n_this_turn, most_a_turn;
    int                fd;              /* the client's */
    size_t             n_sent, n_seen;  /* n_seen: n_bytes at the last look */
};

static void
on_open(void *app)
{
    (void)app;
}

static void
on_turn_end(void *ctx)
{
    struct upgraded *u = ctx;
    u->n_this_turn = 0;
}

static bool
on_input(void *app, char *bytes, size_t n)
{
    struct upgraded *u = app;

    (void)bytes;
    u->n_bytes += n;
    u->n_this_turn += n;
    if (u->n_this_turn > u->most_a_turn)
        u->most_a_turn = u->n_this_turn;
    net_at_end_wish(u->at_end);
    return true;
}

static void
on_gone(void *app)
{
    struct upgraded *u = app;
    u->stream = NULL;
    net_at_end_free(&u->at_end);
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
    u->at_end = net_at_end_new(u->net, on_turn_end, u);
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

/* A turn. */
static void
look(void *ctx)
{
    struct upgraded *u = ctx;
    u->n_seen = u->n_bytes;
}

static void
fini(void *ctx)
{
    struct upgraded *u = ctx;

    if (u->stream != NULL)
        net_stream_close(u->stream);
    net_at_end_free(&u->at_end);
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
one_stream_gets_its_share_of_a_turn_and_all_of_it_in_the_end(void **state)
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
    assert_true(u.most_a_turn <= 2 * SHARE);        /* what was left of one turn, and the next one's */
}

static void
a_stream_may_be_closed_while_it_waits_for_its_turn(void **state)
{
    struct upgraded u;
    struct loop    *l;
    (void)state;
    start(&u, &l);
    loop_run(l, send_all_that_fits, &u);
    while (u.n_seen == 0)
        loop_run(l, look, &u);
    loop_run(l, fini, &u);
    close(u.fd);
    loop_stop(&l);
    assert_true(u.n_bytes < u.n_sent);
}

static void
a_loop_that_stops_takes_what_waits(void **state)
{
    struct upgraded u;
    struct loop    *l;
    (void)state;
    start(&u, &l);
    loop_run(l, send_all_that_fits, &u);
    close(u.fd);
    loop_stop(&l);
    assert_null(u.stream);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_stream_gets_its_share_of_a_turn_and_all_of_it_in_the_end),
        cmocka_unit_test(a_stream_may_be_closed_while_it_waits_for_its_turn),
        cmocka_unit_test(a_loop_that_stops_takes_what_waits),
    };
    return tap_run(tests);
}
