/* Bodies of proxy.h. It knows two things of the protocol. Client packets: 3 bytes of length, a number that is 0 for a new
 * command, 3 for a query. Server packets: OK begins with 0x00, holds two length-encoded integers and then the status flags,
 * of which 0x0008 says that more results follow; so the first OK without it after a batch is COMMIT's. */
#include "proxy.h"

#include "base/clock.h"
#include "centre.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    POLL_MS = 5, HEADER = 4, MORE_RESULTS = 0x0008,
    CHUNK = 1 << 16,
    HELD_MAX = 32 << 20,            /* bytes under way in one direction when there is no limit to their speed, */
    HELD_MAX_SLOW = CHUNK,          /* and when there is: then the sender is to feel it */
};

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

/* ---- bytes under way ---- */

struct chunk {
    struct chunk *next;
    int64_t       due_us;
    size_t        n, sent;
    unsigned char bytes[];
};

struct way {                    /* one direction of a connection */
    int            from, to;
    struct chunk  *first, *last;
    size_t         n_held;
    int64_t        free_us;     /* when the last byte has left a link of limited speed */
    bool           is_stuck;    /* the receiver takes no more */
};

static int64_t
now_us(void)
{
    return tb_mono_us(&tb_clock_system);
}

static void
put(struct way *w, const struct proxy *p, const unsigned char *bytes, size_t n)
{
    struct chunk *c = tb_alloc(sizeof *c + n);
    int64_t       now = now_us(), begins = now > w->free_us ? now : w->free_us;

    w->free_us = begins + (p->bytes_per_s != 0 ? (int64_t)n * 1000000 / p->bytes_per_s : 0);
    *c = (struct chunk){ .due_us = w->free_us + (int64_t)p->delay_ms * 1000, .n = n };
    memcpy(c->bytes, bytes, n);
    if (w->first == NULL)
        w->first = c;
    else
        w->last->next = c;
    w->last = c;
    w->n_held += n;
}

static void
drop_first(struct way *w)
{
    struct chunk *c = w->first;

    w->first = c->next;
    w->n_held -= c->n;
    tb_free(c);
}

/* false: the receiver has gone. */
static bool
deliver(struct way *w)
{
    w->is_stuck = false;
    while (w->first != NULL && w->first->due_us <= now_us()) {
        struct chunk *c = w->first;
        ssize_t       sent = send(w->to, c->bytes + c->sent, c->n - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            w->is_stuck = errno == EAGAIN;
            return w->is_stuck;
        }
        c->sent += (size_t)sent;
        if (c->sent == c->n)
            drop_first(w);
    }
    return true;
}

static bool
has_room(const struct way *w, const struct proxy *p)
{
    return w->n_held < (p->bytes_per_s != 0 ? (size_t)HELD_MAX_SLOW : (size_t)HELD_MAX);
}

/* ---- what it understands of them ---- */

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

/* ---- a connection ---- */

struct link {
    struct proxy  *proxy;
    struct way     up, down;
    struct watcher watcher;
    bool           is_swallowing;
    bool           is_last;     /* it ends when what is on its way up has arrived */
};

static void
strike(struct link *l)
{
    l->proxy->fault = PROXY_PASS;
    l->proxy->n_faults++;
}

static void
take_up(struct link *l, const unsigned char *bytes, size_t n)
{
    enum proxy_fault fault = l->proxy->fault;

    if (is_batch(bytes, n)) {
        if (fault == PROXY_HALVE) {
            n /= 2;
            l->is_last = true;
            strike(l);
        }
        l->is_swallowing = fault == PROXY_SWALLOW_OK;
        l->watcher = (struct watcher){ 0 };
    }
    put(&l->up, l->proxy, bytes, n);
}

/* false: the connection ends here. */
static bool
take_down(struct link *l, const unsigned char *bytes, size_t n)
{
    if (l->proxy->fault == PROXY_SWALLOW_ALL)
        return true;
    if (!l->is_swallowing) {
        put(&l->down, l->proxy, bytes, n);
        return true;
    }
    if (!sees_last_answer(&l->watcher, bytes, n))
        return true;
    strike(l);
    return false;
}

static void
await_bytes(struct link *l, bool is_held)
{
    struct pollfd p[2] = { { .fd = l->up.from }, { .fd = l->down.from } };
    struct way   *ways[2] = { &l->up, &l->down };
    int64_t       wait_us = POLL_MS * 1000;

    for (int i = 0; i < 2 && !is_held; i++) {
        struct way *w = ways[i];
        if (has_room(w, l->proxy) && !l->is_last)
            p[i].events |= POLLIN;
        if (w->is_stuck)
            p[1 - i].events |= POLLOUT;
        else if (w->first != NULL && w->first->due_us - now_us() < wait_us)
            wait_us = w->first->due_us - now_us();
    }
    struct timespec wait = { .tv_nsec = wait_us > 0 ? wait_us * 1000 : 0 };
    ppoll(p, 2, &wait, NULL);
}

static bool
is_readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, 0) > 0;
}

/* One look at one direction. false: the connection ends here. */
static bool
move(struct link *l, struct way *w)
{
    unsigned char bytes[CHUNK];

    if (!l->is_last && has_room(w, l->proxy) && is_readable(w->from)) {
        ssize_t n = recv(w->from, bytes, sizeof bytes, 0);
        if (n <= 0)
            return false;
        if (w == &l->up)
            take_up(l, bytes, (size_t)n);
        else if (!take_down(l, bytes, (size_t)n))
            return false;
    }
    return deliver(w) && !(l->is_last && l->up.first == NULL);
}

static void
carry(struct link *l)
{
    bool goes_on = true;

    while (goes_on && !l->proxy->is_ending && l->proxy->fault != PROXY_REFUSE) {
        bool is_held = l->proxy->fault == PROXY_HOLD;
        await_bytes(l, is_held);
        if (l->proxy->fault == PROXY_CUT) {
            strike(l);
            return;
        }
        if (!is_held)
            goes_on = move(l, &l->up) && move(l, &l->down);
    }
}

static void
serve(struct proxy *p, int client, int server)
{
    struct link l = { .proxy = p, .up = { .from = client, .to = server }, .down = { .from = server, .to = client } };
    int         on = 1;

    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    carry(&l);
    while (l.up.first != NULL)
        drop_first(&l.up);
    while (l.down.first != NULL)
        drop_first(&l.down);
}

static void *
run(void *ctx)
{
    struct proxy *p = ctx;

    while (!p->is_ending) {
        struct pollfd waiting = { .fd = p->listener, .events = POLLIN };
        if (poll(&waiting, 1, POLL_MS) <= 0)
            continue;
        int client = accept(p->listener, NULL, NULL), server = p->fault == PROXY_REFUSE ? -1 : dial(p->centre_port);
        if (server >= 0) {
            serve(p, client, server);
            close(server);
        }
        close(client);
    }
    return NULL;
}

void
proxy_start(struct proxy *p, const struct centre *c)
{
    *p = (struct proxy){ .centre_port = c->port };
    p->listener = listen_on_loopback(&p->port);
    snprintf(p->url, sizeof p->url, "mysql://tombolo:tide%%3Amark@127.0.0.1:%u/chat%s", p->port, c->url_options);
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
