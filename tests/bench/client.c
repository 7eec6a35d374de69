/* Bodies of client.h. Requests are small enough to leave in one write; answers may come in parts. */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 65536, EVENTS_AT_ONCE = 256 };

struct connection {
    int           fd;
    int64_t       asked_us;
    struct tb_buf in;
};

struct run {
    const struct bench_load   *load;
    struct bench_load_figures *out;
    struct connection         *connections;
    struct tb_buf              request;         /* scratch */
    int64_t                    until_us;
    size_t                     n_outstanding;
    int                        epoll;
};

/* ---- HTTP ---- */

struct answer {
    int    status;
    tb_str body;
    size_t n;           /* bytes with the head; 0: not all is here yet */
};

static size_t
content_length(const char *head, size_t n)
{
    static const char name[] = "\r\ncontent-length: ";
    const char       *at = strcasestr(head, name);
    uint64_t          length = 0;

    if (at == NULL || at >= head + n)
        bench_die("an answer without content-length");
    at += sizeof name - 1;
    if (!tb_str_to_uint((tb_str){ .p = at, .n = strcspn(at, "\r") }, SIZE_MAX / 2, &length))
        bench_die("an answer with a strange content-length");
    return (size_t)length;
}

static struct answer
parse(const struct tb_buf *in)
{
    const char *end = in->n > 0 ? memmem(in->p, in->n, "\r\n\r\n", 4) : NULL;
    uint64_t    status = 0;

    if (end == NULL)
        return (struct answer){ .n = 0 };
    size_t head = (size_t)(end - in->p) + 4;
    if (head < 16 || !tb_str_to_uint((tb_str){ .p = in->p + 9, .n = 3 }, 599, &status))
        bench_die("an answer that is not HTTP/1.1");
    size_t length = status == 204 ? 0 : content_length(in->p, head);
    if (in->n < head + length)
        return (struct answer){ .n = 0 };
    return (struct answer){ .status = (int)status, .body = { .p = in->p + head, .n = length }, .n = head + length };
}

void
bench_request(struct tb_buf *out, const char *method, tb_str path, tb_str token, tb_str body)
{
    tb_buf_printf(out, "%s " TB_STR_FMT " HTTP/1.1\r\nHost: bench\r\n", method, TB_STR_ARG(path));
    if (token.n > 0)
        tb_buf_printf(out, "Authorization: Bearer " TB_STR_FMT "\r\n", TB_STR_ARG(token));
    if (body.n > 0)
        tb_buf_printf(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body.n);
    tb_buf_add(out, TB_LIT("\r\n"));
    tb_buf_add(out, body);
}

/* ---- sockets ---- */

/* -1: nobody listens. */
static int
connect_to(uint16_t port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0)
        bench_die("socket: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static void
write_all(int fd, const struct tb_buf *request)
{
    if (send(fd, request->p, request->n, MSG_NOSIGNAL) != (ssize_t)request->n)
        bench_die("the server took no request: %s", strerror(errno));
}

static void
read_some(int fd, struct tb_buf *in)
{
    tb_buf_reserve(in, READ_BYTES + 1);
    ssize_t n = recv(fd, in->p + in->n, READ_BYTES, 0);
    if (n <= 0)
        bench_die("the server hung up: %s", n < 0 ? strerror(errno) : "end of file");
    in->n += (size_t)n;
    in->p[in->n] = 0;
}

int
bench_ask(uint16_t port, tb_str request, struct tb_buf *body)
{
    struct tb_buf out = TB_BUF_INIT, in = TB_BUF_INIT;
    struct answer a = { .n = 0 };
    int           fd = connect_to(port);

    if (fd < 0)
        return 0;
    tb_buf_add(&out, request);
    write_all(fd, &out);
    while (a.n == 0) {
        read_some(fd, &in);
        a = parse(&in);
    }
    tb_buf_add(body, a.body);
    close(fd);
    tb_buf_fini(&in);
    tb_buf_fini(&out);
    return a.status;
}

/* ---- load ---- */

static void
ask(struct run *r, size_t i)
{
    struct connection *c = &r->connections[i];

    tb_buf_clear(&r->request);
    r->load->ask(r->load->ctx, i, &r->request);
    c->asked_us = bench_now_us();
    write_all(c->fd, &r->request);
}

static void
hear(struct run *r, size_t i, const struct answer *a, int64_t now)
{
    bench_latency_add(&r->out->latency, now - r->connections[i].asked_us);
    r->out->n++;
    if (r->load->on_answer != NULL)
        r->load->on_answer(r->load->ctx, i, a->status, a->body);
    else if (a->status / 100 != 2)
        bench_die("status %d: " TB_STR_FMT, a->status, TB_STR_ARG(a->body));
}

static void
on_readable(struct run *r, size_t i)
{
    struct connection *c = &r->connections[i];

    read_some(c->fd, &c->in);
    struct answer a = parse(&c->in);
    if (a.n == 0)
        return;
    if (a.n != c->in.n)
        bench_die("more than one answer to one request");
    int64_t now = bench_now_us();
    hear(r, i, &a, now);
    tb_buf_clear(&c->in);
    if (now < r->until_us)
        ask(r, i);
    else
        r->n_outstanding--;
}

static void
open_all(struct run *r)
{
    for (size_t i = 0; i < r->load->n_connections; i++) {
        struct epoll_event want = { .events = EPOLLIN, .data.u64 = i };
        r->connections[i].fd = connect_to(r->load->port);
        if (r->connections[i].fd < 0 || epoll_ctl(r->epoll, EPOLL_CTL_ADD, r->connections[i].fd, &want) != 0)
            bench_die("cannot connect: %s", strerror(errno));
    }
}

static void
close_all(struct run *r)
{
    for (size_t i = 0; i < r->load->n_connections; i++) {
        close(r->connections[i].fd);
        tb_buf_fini(&r->connections[i].in);
    }
    tb_free(r->connections);
    tb_buf_fini(&r->request);
    close(r->epoll);
}

static void
keep_asking(struct run *r)
{
    struct epoll_event events[EVENTS_AT_ONCE];

    for (; r->n_outstanding < r->load->n_connections; r->n_outstanding++)
        ask(r, r->n_outstanding);
    while (r->n_outstanding > 0) {
        int n = epoll_wait(r->epoll, events, EVENTS_AT_ONCE, -1);
        for (int i = 0; i < n; i++)
            on_readable(r, events[i].data.u64);
    }
}

void
bench_load_run(const struct bench_load *load, double seconds, struct bench_load_figures *out)
{
    struct run r = { .load = load, .out = out, .epoll = epoll_create1(EPOLL_CLOEXEC) };

    *out = (struct bench_load_figures){ .n = 0 };
    r.connections = tb_alloc_zero(load->n_connections * sizeof *r.connections);
    open_all(&r);
    bench_span_start(&out->span);
    r.until_us = out->span.started_us + (int64_t)(seconds * 1e6);
    keep_asking(&r);
    bench_span_end(&out->span);
    out->per_s = (double)out->n / out->span.wall_s;
    close_all(&r);
}
