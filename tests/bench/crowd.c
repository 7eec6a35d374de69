/* Bodies of crowd.h. While many events come in, the crowd looks for them PAUSE_US apart: on loopback a sleeping reader is
 * woken inside the server's write, and that would be charged to the server, message by message, as no network does. */
#include "crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_BYTES = 1 << 18,
    EVENTS_AT_ONCE = 1024,
    JOINING_AT_ONCE = 128,          /* fewer than the listen queue takes */
    SPARE_DESCRIPTORS = 64,
    PAUSE_US = 200,
    PATIENCE_US = 60000000,         /* without anything new the program ends */
};

struct member {
    int           fd;
    bool          is_open;          /* the 101 has come */
    struct tb_buf rest;             /* the beginning of a frame */
};

struct bench_crowd {
    size_t         n;
    uint64_t       n_joined, n_heard, n_acked;
    int            epoll;
    struct member *members;
    char          *room;            /* READ_BYTES, for whatever comes */
    struct tb_buf  out;             /* scratch */
};

/* ---- out ---- */

/* A text frame, masked with zeroes, which is allowed and costs nothing. */
static void
add_frame(struct tb_buf *out, tb_str text)
{
    const unsigned length = text.n < 126 ? 0 : 2;

    if (text.n > UINT16_MAX)
        bench_die("content is too long");
    tb_buf_add_char(out, (char)0x81);
    tb_buf_add_char(out, (char)(0x80 | (length == 0 ? text.n : 126)));
    if (length > 0) {
        tb_buf_add_char(out, (char)(text.n >> 8));
        tb_buf_add_char(out, (char)(text.n & 0xff));
    }
    tb_buf_add(out, (tb_str){ .p = "\0\0\0\0", .n = 4 });
    tb_buf_add(out, text);
}

static void
write_out(const struct member *m, struct tb_buf *out)
{
    if (send(m->fd, out->p, out->n, MSG_NOSIGNAL) != (ssize_t)out->n)
        bench_die("the server took no more: %s", strerror(errno));
    tb_buf_clear(out);
}

static void
send_frame(struct bench_crowd *c, const struct member *m, tb_str text)
{
    add_frame(&c->out, text);
    write_out(m, &c->out);
}

/* ---- in ---- */

static void
take_text(struct bench_crowd *c, const struct member *m, tb_str text)
{
    if (tb_str_starts(text, TB_LIT("42")))
        c->n_heard++;
    else if (tb_str_starts(text, TB_LIT("43")))
        c->n_acked++;
    else if (tb_str_starts(text, TB_LIT("40")))
        c->n_joined++;
    else if (tb_str_starts(text, TB_LIT("2")))
        send_frame(c, m, TB_LIT("3"));
    else if (tb_str_starts(text, TB_LIT("0")))
        send_frame(c, m, TB_LIT("40"));
    else
        bench_die("the server said " TB_STR_FMT, TB_STR_ARG(text));
}

/* Bytes of the first frame, whose text it gives; 0: not all of it is here. Servers do not mask. */
static size_t
frame_of(tb_str in, tb_str *text)
{
    const unsigned char *p = (const unsigned char *)in.p;

    if (in.n < 2)
        return 0;
    if (p[0] != 0x81 || p[1] > 126)
        bench_die("a frame that begins with %02x %02x", p[0], p[1]);
    size_t head = p[1] < 126 ? 2 : 4;
    if (in.n < head)
        return 0;
    size_t n = head == 2 ? p[1] : (size_t)p[2] << 8 | p[3];
    *text = (tb_str){ .p = in.p + head, .n = n };
    return in.n < head + n ? 0 : head + n;
}

static tb_str
without(tb_str in, size_t n)
{
    return (tb_str){ .p = in.p + n, .n = in.n - n };
}

/* Takes what is complete and returns the rest. */
static tb_str
take_all(struct bench_crowd *c, struct member *m, tb_str in)
{
    tb_str text;
    size_t n;

    if (!m->is_open) {
        const char *end = memmem(in.p, in.n, "\r\n\r\n", 4);
        if (end == NULL)
            return in;
        if (!tb_str_starts(in, TB_LIT("HTTP/1.1 101 ")))
            bench_die("no WebSocket: " TB_STR_FMT, TB_STR_ARG(in));
        m->is_open = true;
        in = without(in, (size_t)(end - in.p) + 4);
    }
    while ((n = frame_of(in, &text)) > 0) {
        take_text(c, m, text);
        in = without(in, n);
    }
    return in;
}

static void
on_readable(struct bench_crowd *c, struct member *m)
{
    ssize_t n = recv(m->fd, c->room, READ_BYTES, 0);

    if (n <= 0)
        bench_die("the server hung up: %s", n < 0 ? strerror(errno) : "end of file");
    if (m->rest.n == 0) {
        tb_buf_add(&m->rest, take_all(c, m, (tb_str){ .p = c->room, .n = (size_t)n }));
    } else {
        tb_buf_add(&m->rest, (tb_str){ .p = c->room, .n = (size_t)n });
        tb_str rest = take_all(c, m, tb_buf_str(&m->rest));
        memmove(m->rest.p, rest.p, rest.n);
        m->rest.n = rest.n;
    }
    if (m->rest.n == 0)
        tb_buf_fini(&m->rest);
}

/* Looks once. */
static void
look(struct bench_crowd *c, int timeout_ms)
{
    static struct epoll_event events[EVENTS_AT_ONCE];
    int                       n = epoll_wait(c->epoll, events, EVENTS_AT_ONCE, timeout_ms);

    for (int i = 0; i < n; i++)
        on_readable(c, &c->members[events[i].data.u64]);
}

/* Until a counter of the crowd's has come to what is wanted. Pings come all the time and are no progress. */
static void
await(struct bench_crowd *c, const uint64_t *counter, uint64_t wanted, unsigned pause_us)
{
    uint64_t before = *counter;
    int64_t  until_us = bench_now_us() + PATIENCE_US;

    while (*counter < wanted) {
        look(c, PATIENCE_US / 1000);
        if (*counter > before)
            until_us = bench_now_us() + PATIENCE_US;
        before = *counter;
        if (bench_now_us() > until_us)
            bench_die("%llu of %llu have come", (unsigned long long)*counter, (unsigned long long)wanted);
        if (pause_us > 0)
            usleep(pause_us);
    }
}

/* ---- beginning and end ---- */

static void
start_joining(struct bench_crowd *c, uint16_t port, size_t i)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event want = { .events = EPOLLIN, .data.u64 = i };
    struct member     *m = &c->members[i];
    int                on = 1;

    m->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (m->fd < 0 || connect(m->fd, (struct sockaddr *)&to, sizeof to) != 0 ||
        epoll_ctl(c->epoll, EPOLL_CTL_ADD, m->fd, &want) != 0)
        bench_die("cannot connect: %s", strerror(errno));
    setsockopt(m->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    tb_buf_add(&c->out, TB_LIT("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"));
    write_out(m, &c->out);
}

struct bench_crowd *
bench_crowd_open(uint16_t port, size_t n)
{
    struct bench_crowd *c = TB_NEW(struct bench_crowd);

    bench_raise_descriptors(n + SPARE_DESCRIPTORS);
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    c->members = tb_alloc_zero(n * sizeof c->members[0]);
    c->room = tb_alloc(READ_BYTES);
    while (c->n < n) {
        start_joining(c, port, c->n++);
        if (c->n >= JOINING_AT_ONCE)
            await(c, &c->n_joined, c->n + 1 - JOINING_AT_ONCE, 0);
    }
    await(c, &c->n_joined, n, 0);
    return c;
}

void
bench_crowd_close(struct bench_crowd **crowd)
{
    struct bench_crowd *c = *crowd;

    for (size_t i = 0; i < c->n; i++) {
        close(c->members[i].fd);
        tb_buf_fini(&c->members[i].rest);
    }
    close(c->epoll);
    tb_buf_fini(&c->out);
    tb_free(c->members);
    tb_free(c->room);
    tb_free(c);
    *crowd = NULL;
}

/* ---- what it does ---- */

static void
add_event(struct bench_crowd *c, const char *head, tb_str content)
{
    struct tb_buf text = TB_BUF_INIT;

    tb_buf_printf(&text, "%s,\"" TB_STR_FMT "\"]", head, TB_STR_ARG(content));
    add_frame(&c->out, tb_buf_str(&text));
    tb_buf_fini(&text);
}

void
bench_crowd_say(struct bench_crowd *c, tb_str content, size_t times)
{
    uint64_t wanted = c->n_heard + times * c->n;

    for (size_t i = 0; i < times; i++)
        add_event(c, "42[\"say\"", content);
    write_out(&c->members[0], &c->out);
    await(c, &c->n_heard, wanted, PAUSE_US);
}

void
bench_crowd_echo(struct bench_crowd *c, tb_str content, double seconds, struct bench_latency *latency)
{
    int64_t now = bench_now_us(), until = now + (int64_t)(seconds * 1e6);

    while (now < until) {
        int64_t from = now;
        add_event(c, "421[\"echo\"", content);
        write_out(&c->members[0], &c->out);
        await(c, &c->n_acked, c->n_acked + 1, 0);
        now = bench_now_us();
        bench_latency_add(latency, now - from);
    }
}

void
bench_crowd_rest(struct bench_crowd *c, double seconds)
{
    int64_t until = bench_now_us() + (int64_t)(seconds * 1e6), left;

    while ((left = until - bench_now_us()) > 0)
        look(c, (int)(left / 1000) + 1);
}
