/* Bodies of proxy.h. It knows two things of the protocol. Client packets: 3 bytes of length, a number that is 0 for a new
 * command, 3 for a query. Server packets: OK begins with 0x00, holds two length-encoded integers and then the status flags,
 * of which 0x0008 says that more results follow; so the first OK without it after a batch is COMMIT's. */
#include "proxy.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MS = 5, HEADER = 4, MORE_RESULTS = 0x0008 };

static int
listen_on_loopback(unsigned *port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          n = sizeof at;
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(0, bind(fd, (struct sockaddr *)&at, n));
    assert_int_equal(0, listen(fd, 16));
    assert_int_equal(0, getsockname(fd, (struct sockaddr *)&at, &n));
    *port = ntohs(at.sin_port);
    return fd;
}

static int
dial(unsigned port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons((uint16_t)port) };
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool
is_readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, 0) > 0;
}

static bool
send_all(int fd, const unsigned char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        p += sent, n -= (size_t)sent;
    }
    return true;
}

/* One packet's payload is read whole; only sizes that a test makes occur. */
struct watcher {                /* over the server's answers to one batch */
    unsigned char packet[256];
    size_t        n, length;    /* bytes of the packet seen; its whole length with the header, 0: not known yet */
};

static size_t
lenenc_size(unsigned char first)
{
    return first < 0xfb ? 1 : first == 0xfc ? 3 : first == 0xfd ? 4 : 9;
}

/* The packet is an OK that no other result follows, or an error. */
static bool
is_last_answer(const struct watcher *w)
{
    const unsigned char *p = w->packet + HEADER;

    if (p[0] == 0xff)
        return true;
    if (p[0] != 0x00)
        return false;
    p += 1;
    p += lenenc_size(*p);
    p += lenenc_size(*p);
    return ((p[0] | p[1] << 8) & MORE_RESULTS) == 0;
}

static bool
sees_last_answer(struct watcher *w, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (w->n < sizeof w->packet)
            w->packet[w->n] = p[i];
        w->n++;
        if (w->n == HEADER)
            w->length = HEADER + (size_t)(w->packet[0] | w->packet[1] << 8 | w->packet[2] << 16);
        if (w->n >= HEADER && w->n == w->length) {
            if (is_last_answer(w))
                return true;
            *w = (struct watcher){ 0 };
        }
    }
    return false;
}

static bool
is_batch(const unsigned char *p, size_t n)
{
    static const char begin[] = "START TRANSACTION";
    return n >= HEADER + sizeof begin && p[3] == 0 && p[4] == 3 && memcmp(p + 5, begin, sizeof begin - 1) == 0;
}

struct link {
    struct proxy  *proxy;
    int            client, server;
    struct watcher watcher;
    bool           is_swallowing;
};

static bool
carry_up(struct link *l)
{
    static unsigned char bytes[1 << 16];
    ssize_t              n = recv(l->client, bytes, sizeof bytes, 0);
    enum proxy_fault     fault = l->proxy->fault;

    if (n <= 0)
        return false;
    if (is_batch(bytes, (size_t)n)) {
        if (fault == PROXY_HALVE) {
            send_all(l->server, bytes, (size_t)n / 2);
            l->proxy->fault = PROXY_PASS;
            l->proxy->n_faults++;
            return false;
        }
        l->is_swallowing = fault == PROXY_SWALLOW_OK;
        l->watcher = (struct watcher){ 0 };
    }
    return send_all(l->server, bytes, (size_t)n);
}

static bool
carry_down(struct link *l)
{
    static unsigned char bytes[1 << 16];
    ssize_t              n = recv(l->server, bytes, sizeof bytes, 0);

    if (n <= 0)
        return false;
    if (l->proxy->fault == PROXY_SWALLOW_ALL)
        return true;
    if (!l->is_swallowing)
        return send_all(l->client, bytes, (size_t)n);
    if (!sees_last_answer(&l->watcher, bytes, (size_t)n))
        return true;
    l->proxy->fault = PROXY_PASS;
    l->proxy->n_faults++;
    return false;
}

static void
carry(struct link *l)
{
    bool goes_on = true;

    while (goes_on && !l->proxy->is_ending && l->proxy->fault != PROXY_REFUSE) {
        struct pollfd p[2] = { { .fd = l->client, .events = POLLIN }, { .fd = l->server, .events = POLLIN } };
        poll(p, 2, POLL_MS);
        if (is_readable(l->client))
            goes_on = carry_up(l);
        if (goes_on && is_readable(l->server))
            goes_on = carry_down(l);
    }
}

static void *
run(void *ctx)
{
    struct proxy *p = ctx;

    while (!p->is_ending) {
        struct pollfd waiting = { .fd = p->listener, .events = POLLIN };
        if (poll(&waiting, 1, POLL_MS) <= 0)
            continue;
        struct link l = { .proxy = p, .client = accept(p->listener, NULL, NULL), .server = -1 };
        if (p->fault != PROXY_REFUSE)
            l.server = dial(p->centre_port);
        if (l.server >= 0) {
            carry(&l);
            close(l.server);
        }
        close(l.client);
    }
    return NULL;
}

void
proxy_start(struct proxy *p, unsigned centre_port)
{
    *p = (struct proxy){ .centre_port = centre_port };
    p->listener = listen_on_loopback(&p->port);
    snprintf(p->url, sizeof p->url, "mysql://tombolo:tide%%3Amark@127.0.0.1:%u/chat", p->port);
    assert_int_equal(0, pthread_create(&p->thread, NULL, run, p));
}

void
proxy_stop(struct proxy *p)
{
    p->is_ending = true;
    pthread_join(p->thread, NULL);
    close(p->listener);
}

void
proxy_await(struct proxy *p, unsigned n_faults)
{
    struct timespec step = { .tv_nsec = 1000000 };

    for (int i = 0; p->n_faults < n_faults; i++) {
        assert_true(i < 15000);
        nanosleep(&step, NULL);
    }
}
