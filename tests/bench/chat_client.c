/* Bodies of chat_client.h. What a server sends is read by its first bytes: "2" a ping, "40" CONNECT, "43<id>[...]" an ack,
 * "42["receive_message"," a message, whose content begins with "t<microseconds>" of its send. Everything else is passed over. */
#include "chat_client.h"

#include "base/scan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    READ_BYTES = 256 * 1024,
    EVENTS_AT_ONCE = 512,
    OPENING_AT_ONCE = 64,           /* handshakes under way */
    GAP_US = 200,                   /* between two looks, in a closed loop of at least GAP_FROM */
    GAP_FROM = 8,
    DRAIN_US = 10 * 1000000,
    OPEN_US = 120 * 1000000,
    IDS = 65536,                    /* ack ids before they begin again */
    JOIN_ID = IDS,                  /* the ack of a join */
    SPARE_FILES = 64,
};

enum line_state { LINE_NONE, LINE_UPGRADING, LINE_ENTERING, LINE_JOINING, LINE_IN };

struct line {
    int               fd;
    enum line_state   state;
    struct bench_who  who;
    char             *rest;         /* of a frame that is not whole yet */
    size_t            n_rest;
    struct tb_buf     out;          /* leaves at the end of the round */
    struct line      *next_dirty;
    bool              is_dirty;
};

struct bench_chat {
    uint16_t          port;
    int               epoll;
    struct line      *lines;
    size_t            n, n_in, n_started;
    char             *in;           /* READ_BYTES, and what was left of a line */
    size_t            in_cap;
    struct line      *dirty;
    /* one run */
    const struct bench_chat_load *load;
    struct bench_chat_figures    *out;
    int64_t           sent_us[IDS];
    uint64_t          n_sent, n_answered;
    size_t            next_line;
    int64_t           until_us;
};

/* ---- out ---- */

static void
say(struct bench_chat *c, struct line *l, const char *text, size_t n)
{
    char   head[8] = { (char)0x81 };
    size_t at = 2;

    if (n < 126) {
        head[1] = (char)(0x80 | n);
    } else if (n < 65536) {
        head[1] = (char)(0x80 | 126);
        head[2] = (char)(n >> 8), head[3] = (char)n;
        at = 4;
    } else {
        bench_die("a message of %zu bytes", n);
    }
    tb_buf_add(&l->out, (tb_str){ .p = head, .n = at });
    tb_buf_add(&l->out, (tb_str){ .p = "\0\0\0\0", .n = 4 });       /* the mask */
    tb_buf_add(&l->out, (tb_str){ .p = text, .n = n });
    if (!l->is_dirty) {
        l->is_dirty = true;
        l->next_dirty = c->dirty;
        c->dirty = l;
    }
}

static void
flush(struct bench_chat *c)
{
    for (struct line *l = c->dirty; l != NULL; l = l->next_dirty) {
        if (send(l->fd, l->out.p, l->out.n, MSG_NOSIGNAL) != (ssize_t)l->out.n)
            bench_die("the server takes nothing: %s", strerror(errno));
        tb_buf_clear(&l->out);
        l->is_dirty = false;
    }
    c->dirty = NULL;
}

static void
say_message(struct bench_chat *c, struct line *l, int64_t at_us)
{
    static struct tb_buf text;
    size_t               id = c->n_sent++ % IDS;

    c->sent_us[id] = at_us;
    tb_buf_clear(&text);
    tb_buf_printf(&text, "42%zu[\"send_message\",{\"roomId\":%" PRId64 ",\"content\":\"t%" PRId64 " " TB_STR_FMT "\"}]", id,
                  l->who.room_id, at_us, TB_STR_ARG(c->load->content));
    say(c, l, text.p, text.n);
}

static void
send_next(struct bench_chat *c, int64_t at_us)
{
    struct line *l = &c->lines[c->next_line];

    c->next_line = (c->next_line + 1) % c->n;
    say_message(c, l, at_us);
}

/* ---- in ---- */

static void
take_ack(struct bench_chat *c, struct line *l, tb_str packet)
{
    struct tb_scan s = tb_scan_of(packet);
    uint64_t       id = tb_scan_uint(&s, JOIN_ID);
    tb_str         rest = tb_scan_rest(&s);

    if (!tb_str_starts(rest, TB_LIT("[{\"ok\":true")))
        bench_die("an ack says " TB_STR_FMT, TB_STR_ARG(packet));
    if (id == JOIN_ID) {
        l->state = LINE_IN;
        c->n_in++;
        return;
    }
    int64_t now = bench_now_us();
    c->n_answered++;
    if (now <= c->until_us) {
        c->out->n_acked++;
        if (c->load->per_s == 0)
            send_next(c, now);
    }
    bench_latency_add(&c->out->ack, now - c->sent_us[id]);
}

static void
take_message(struct bench_chat *c, tb_str packet)
{
    static const char key[] = "\"content\":\"t";
    const char       *at = memmem(packet.p, packet.n, key, sizeof key - 1);
    int64_t           now = bench_now_us();

    if (at == NULL)
        bench_die("a message of nobody's");
    if (now <= c->until_us)
        c->out->n_heard++;
    bench_latency_add(&c->out->delivery, now - strtoll(at + sizeof key - 1, NULL, 10));
}

static void
enter(struct bench_chat *c, struct line *l)
{
    struct tb_buf text = TB_BUF_INIT;

    tb_buf_printf(&text, "40{\"token\":\"%s\"}", l->who.token);
    say(c, l, text.p, text.n);
    tb_buf_fini(&text);
    l->state = LINE_ENTERING;
}

static void
join(struct bench_chat *c, struct line *l)
{
    char text[96];

    if (l->who.room_id == 0) {
        l->state = LINE_IN;
        c->n_in++;
        return;
    }
    int n = snprintf(text, sizeof text, "42%d[\"join_room\",{\"roomId\":%" PRId64 "}]", JOIN_ID, l->who.room_id);
    say(c, l, text, (size_t)n);
    l->state = LINE_JOINING;
}

static void
take_packet(struct bench_chat *c, struct line *l, tb_str p)
{
    static const char message[] = "42[\"receive_message\",";

    if (tb_str_starts(p, TB_LIT("43")))
        take_ack(c, l, (tb_str){ .p = p.p + 2, .n = p.n - 2 });
    else if (c->load != NULL && tb_str_starts(p, tb_str_of(message)))
        take_message(c, p);
    else if (tb_str_eq(p, TB_LIT("2")))
        say(c, l, "3", 1);
    else if (tb_str_starts(p, TB_LIT("0")))
        enter(c, l);
    else if (tb_str_starts(p, TB_LIT("40")))
        join(c, l);
    else if (tb_str_starts(p, TB_LIT("44")))
        bench_die("not let in: " TB_STR_FMT, TB_STR_ARG(p));
}

/* The bytes of the first frame, its text in *text; 0: it is not whole. */
static size_t
frame(const char *p, size_t n, tb_str *text)
{
    const unsigned char *b = (const unsigned char *)p;
    size_t               head = 2, length;

    if (n < 2)
        return 0;
    length = b[1] & 0x7f;
    if (length == 126 && n >= 4) {
        length = (size_t)b[2] << 8 | b[3];
        head = 4;
    } else if (length == 126 || length == 127) {
        if (length == 126 || n < 10)
            return 0;
        length = 0;
        for (size_t i = 2; i < 10; i++)
            length = length << 8 | b[i];
        head = 10;
    }
    if (n < head + length)
        return 0;
    if ((b[0] & 0x0f) == 8)
        bench_die("the server closes a connection");
    *text = (tb_str){ .p = p + head, .n = length };
    return head + length;
}

/* What is left over. */
static size_t
take_bytes(struct bench_chat *c, struct line *l, const char *p, size_t n)
{
    size_t at = 0, took;
    tb_str text;

    if (l->state == LINE_UPGRADING) {
        const char *end = memmem(p, n, "\r\n\r\n", 4);
        if (end == NULL)
            return n;
        if (n < 12 || memcmp(p + 9, "101", 3) != 0)
            bench_die("no upgrade: %.60s", p);
        at = (size_t)(end - p) + 4;
        l->state = LINE_ENTERING;
    }
    while ((took = frame(p + at, n - at, &text)) > 0) {
        take_packet(c, l, text);
        at += took;
    }
    return n - at;
}

static void
hear(struct bench_chat *c, struct line *l)
{
    if (c->in_cap < l->n_rest + READ_BYTES) {
        c->in_cap = l->n_rest + READ_BYTES;
        c->in = tb_realloc(c->in, c->in_cap + 1);
    }
    if (l->n_rest > 0)
        memcpy(c->in, l->rest, l->n_rest);
    ssize_t got = recv(l->fd, c->in + l->n_rest, READ_BYTES, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        bench_die("the server hung up: %s", got < 0 ? strerror(errno) : "end of file");
    size_t n = l->n_rest + (size_t)got;
    c->in[n] = '\0';
    size_t left = take_bytes(c, l, c->in, n);
    tb_free(l->rest);
    l->rest = NULL;
    l->n_rest = left;
    if (left > 0) {
        l->rest = tb_alloc(left);
        memcpy(l->rest, c->in + n - left, left);
    }
}

static void
look(struct bench_chat *c, int64_t wait_us)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    struct timespec    wait = { .tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000 };
    int                n = epoll_pwait2(c->epoll, events, EVENTS_AT_ONCE, &wait, NULL);

    for (int i = 0; i < n; i++)
        hear(c, events[i].data.ptr);
    flush(c);
}

/* ---- opening ---- */

static void
start(struct bench_chat *c, struct line *l)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(c->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int                on = 1;
    static const char  hello[] = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\n"
                                 "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd < 0 || connect(l->fd, (struct sockaddr *)&to, sizeof to) != 0)
        bench_die("cannot connect: %s", strerror(errno));
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event want = { .events = EPOLLIN, .data.ptr = l };
    if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, l->fd, &want) != 0)
        bench_die("epoll: %s", strerror(errno));
    if (send(l->fd, hello, sizeof hello - 1, MSG_NOSIGNAL) != (ssize_t)sizeof hello - 1)
        bench_die("the server takes no handshake: %s", strerror(errno));
    l->state = LINE_UPGRADING;
}

static void
raise_files(size_t n)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= n + SPARE_FILES)
        return;
    r.rlim_cur = r.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur < n + SPARE_FILES)
        bench_die("%zu sockets need more open files than the %zu that are allowed", n, (size_t)r.rlim_cur);
}

struct bench_chat *
bench_chat_open(uint16_t port, const struct bench_who *who, size_t n)
{
    struct bench_chat *c = TB_NEW(struct bench_chat);
    int64_t            until = bench_now_us() + OPEN_US;

    if (n > BENCH_MAX_LINES)
        bench_die("at most %d sockets", BENCH_MAX_LINES);
    raise_files(n);
    c->port = port;
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    c->lines = tb_alloc_zero(n * sizeof *c->lines);
    c->n = n;
    while (c->n_in < n) {
        for (; c->n_started < n && c->n_started - c->n_in < OPENING_AT_ONCE; c->n_started++) {
            c->lines[c->n_started].who = who[c->n_started];
            start(c, &c->lines[c->n_started]);
        }
        look(c, 100000);
        if (bench_now_us() > until)
            bench_die("%zu of %zu sockets are in", c->n_in, n);
    }
    return c;
}

void
bench_chat_close(struct bench_chat **cp)
{
    struct bench_chat *c = *cp;

    for (size_t i = 0; i < c->n; i++) {
        close(c->lines[i].fd);
        tb_free(c->lines[i].rest);
        tb_buf_fini(&c->lines[i].out);
    }
    close(c->epoll);
    tb_free(c->lines);
    tb_free(c->in);
    tb_free(c);
    *cp = NULL;
}

/* ---- runs ---- */

static void
run_closed(struct bench_chat *c)
{
    for (size_t i = 0; i < c->load->outstanding; i++)
        send_next(c, bench_now_us());
    flush(c);
    while (bench_now_us() < c->until_us) {
        look(c, 10000);
        if (c->load->outstanding >= GAP_FROM)
            usleep(GAP_US);
    }
}

static void
run_open(struct bench_chat *c)
{
    double  every_us = 1e6 / c->load->per_s;
    int64_t from = bench_now_us(), now;

    while ((now = bench_now_us()) < c->until_us) {
        int64_t due = from + (int64_t)((double)c->n_sent * every_us);
        for (; due <= now; due = from + (int64_t)((double)c->n_sent * every_us)) {
            if (c->n_sent - c->n_answered >= IDS)
                bench_die("%d sends wait for their acks", IDS);
            send_next(c, due);
        }
        flush(c);
        look(c, due - now);
    }
}

void
bench_chat_run(struct bench_chat *c, const struct bench_chat_load *load, struct bench_chat_figures *out)
{
    *out = (struct bench_chat_figures){ .n_acked = 0 };
    c->load = load;
    c->out = out;
    c->n_sent = c->n_answered = 0;
    bench_span_start(&out->span);
    c->until_us = out->span.started_us + (int64_t)(load->seconds * 1e6);
    if (load->per_s > 0)
        run_open(c);
    else
        run_closed(c);
    bench_span_end(&out->span);
    while (c->n_answered < c->n_sent) {
        look(c, 10000);
        if (bench_now_us() > c->until_us + DRAIN_US)
            bench_die("%" PRIu64 " sends were never acked", c->n_sent - c->n_answered);
    }
}

void
bench_chat_rest(struct bench_chat *c, double seconds)
{
    int64_t until = bench_now_us() + (int64_t)(seconds * 1e6);

    while (bench_now_us() < until)
        look(c, 10000);
}
