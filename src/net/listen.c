/* Sockets that listen. Always: all of one call share a port, also when the system chose it. */
#include "net/internal.h"

#include "base/log.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections the kernel completes for us while the loop is busy; Linux cuts it to net.core.somaxconn. */
enum { BACKLOG = 4096 };

/* What the kernel takes for one connection before we read, inherited by those that are accepted. h2o reads as long as a read
 * fills its buffer, which it then doubles: a peer that kept up with it, with the kernel's own limit of megabytes, was
 * seen to get 30 MB into one turn of the loop. */
enum { RECEIVE_BYTES = 131072 };

static union net_address
address_of(const struct addrinfo *ai, uint16_t port)
{
    union net_address a = { 0 };

    memcpy(&a, ai->ai_addr, ai->ai_addrlen);
    if (ai->ai_family == AF_INET6)
        a.v6.sin6_port = htons(port);
    else
        a.v4.sin_port = htons(port);
    return a;
}

static uint16_t
port_of(int fd)
{
    union net_address a = { 0 };
    socklen_t         n = sizeof a;

    if (getsockname(fd, &a.any, &n) != 0)
        return 0;
    return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

static bool
set_options(int fd, int family)
{
    const int on = 1, off = 0, receive = RECEIVE_BYTES;

    /* REUSEADDR: a restart must not wait for TIME_WAIT. Not REUSEPORT, which would let two servers share the port. */
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof receive) == 0 &&
           (family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0);
}

static enum tb_code
say_why(struct tb_err *e, const char *host, uint16_t port)
{
    if (errno == EADDRINUSE)
        return tb_fail(e, TB_EIO, NULL, "listen on %s, port %u: the port is in use", host, port);
    if (errno == EACCES)
        return tb_fail(e, TB_EIO, NULL, "listen on %s, port %u: only root may take this port", host, port);
    if (errno == EADDRNOTAVAIL)
        return tb_fail(e, TB_EIO, NULL, "listen on %s, port %u: not an address of this machine", host, port);
    return tb_fail(e, TB_EIO, NULL, "listen on %s, port %u: %s", host, port, strerror(errno));
}

static enum tb_code
listen_on(const struct addrinfo *ai, const char *host, uint16_t port, int *out, struct tb_err *e)
{
    const union net_address address = address_of(ai, port);
    int                     fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || !set_options(fd, ai->ai_family) || bind(fd, &address.any, ai->ai_addrlen) != 0 ||
        listen(fd, BACKLOG) != 0) {
        enum tb_code code = say_why(e, host, port);
        if (fd >= 0)
            close(fd);
        return code;
    }
    *out = fd;
    return TB_OK;
}

static bool
has_ipv6(void)
{
    const union net_address any = { .v6 = { .sin6_family = AF_INET6 } };
    int                     fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool                    has = fd >= 0 && bind(fd, &any.any, sizeof any.v6) == 0;

    if (fd >= 0)
        close(fd);
    return has;
}

/* "::" stands for every address; where the kernel has no IPv6, these are those of IPv4. */
static const char *
host_here(const char *host)
{
    if (strcmp(host, "::") != 0 || has_ipv6())
        return host;
    log_info("net.no_ipv6", "host=0.0.0.0");
    return "0.0.0.0";
}

enum tb_code
net_listen(const char *host, uint16_t *port, int fds[NET_MAX_LISTENERS], size_t *n, struct tb_err *e)
{
    const struct addrinfo want = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    struct addrinfo      *found = NULL;
    enum tb_code          code = TB_OK;
    size_t                n_open = 0;
    uint16_t              use_port = *port;

    host = host_here(host);
    int failed = getaddrinfo(host, NULL, &want, &found);
    if (failed != 0)
        return tb_fail(e, TB_EIO, NULL, "listen on %s: %s", host, gai_strerror(failed));
    for (struct addrinfo *ai = found; ai != NULL && n_open < NET_MAX_LISTENERS && code == TB_OK; ai = ai->ai_next) {
        if (ai->ai_family != AF_INET && ai->ai_family != AF_INET6)
            continue;
        code = listen_on(ai, host, use_port, &fds[n_open], e);
        if (code == TB_OK && use_port == 0)
            use_port = port_of(fds[n_open]);
        n_open += code == TB_OK;
    }
    freeaddrinfo(found);
    if (code == TB_OK && n_open == 0)
        code = tb_fail(e, TB_EIO, NULL, "listen on %s: no IPv4 or IPv6 address", host);
    if (code != TB_OK) {
        while (n_open > 0)
            close(fds[--n_open]);
        return code;
    }
    *port = use_port;
    *n = n_open;
    return TB_OK;
}
