/* Clients that hang up while they wait for an answer. h2o does not read while a request is being answered, so it would
 * notice only when it writes, which for a long poll may be half a minute later. Here an epoll of our own, which hangs in h2o's
 * loop like any descriptor, waits for the peer's FIN or RST and reads nothing: what was sent ahead stays in its place.
 * Only requests with on_gone are watched: another client may close its sending side early and still read its answer.
 * Always: a descriptor leaves the epoll by being closed, and its connection is freed after that. */
#include "net/internal.h"

#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>

enum { GONE_A_TURN = 256 };     /* so that many who hang up together do not hold up the rest */

/* One shot: a connection that is used for the next request is armed again, and hears then what it had missed. */
void
net_gone_watch(struct net_conn *c)
{
    struct epoll_event ev = { .events = EPOLLRDHUP | EPOLLONESHOT, .data.ptr = c };
    int                fd = h2o_socket_get_fd(c->sock);

    c->is_watched = true;
    if (epoll_ctl(c->net->gone_fd, EPOLL_CTL_MOD, fd, &ev) == 0)
        return;
    if (errno != ENOENT || epoll_ctl(c->net->gone_fd, EPOLL_CTL_ADD, fd, &ev) != 0)
        log_warn("net.watch_failed", "why=\"%s\"", strerror(errno));
}

/* One at a time: ending one may free others, which then are not in the epoll any more. */
static void
on_gone(h2o_socket_t *sock, const char *err)
{
    struct net        *net = sock->data;
    struct epoll_event ev;

    (void)err;
    for (int i = 0; i < GONE_A_TURN && epoll_wait(net->gone_fd, &ev, 1, 0) == 1; i++) {
        struct net_conn *c = ev.data.ptr;
        if (c->is_watched)
            c->h2o_read(c->sock, "gone");       /* h2o ends request and connection, as for any peer that has gone */
    }
}

void
net_gone_init(struct net *net)
{
    net->gone_fd = epoll_create1(EPOLL_CLOEXEC);
    assert(net->gone_fd >= 0);
    net->gone_sock = h2o_evloop_socket_create(net->loop, net->gone_fd, H2O_SOCKET_FLAG_DONT_READ);
    net->gone_sock->data = net;
    h2o_socket_read_start(net->gone_sock, on_gone);
}

void
net_gone_fini(struct net *net)
{
    h2o_socket_close(net->gone_sock);
}
