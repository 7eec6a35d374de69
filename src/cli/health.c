/* tombolo health: whether a server can do its work, for those who restart it or send it clients. The server of the data folder is
 * asked through its control socket, so it does not matter where it listens and whether it speaks TLS there; with --url, any
 * server by GET /readyz over plain HTTP. */
#include "watch.h"

#include "base/clock.h"
#include "control/client.h"
#include "journal.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_MS = 5000, MAX_ANSWER = 65536 };

struct health {
    bool       is_ready;
    char       why[160];
    json_t    *data;            /* as the server says it; NULL: it could not be asked */
};

static void
not_ready(struct health *h, const char *why)
{
    h->is_ready = false;
    snprintf(h->why, sizeof h->why, "%s", why);
}

/* ---- by the control socket ---- */

static void
ask_server(const char *dir, struct health *h)
{
    struct tb_err e = { 0 };

    if (control_ask_within(dir, "health", ANSWER_MS, &h->data, &e) != TB_OK) {
        struct tb_err missing;
        if (e.code == TB_ENOTFOUND && cli_journal_find(dir, &missing) == TB_ENOTFOUND)
            e = missing;
        not_ready(h, e.why);
        return;
    }
    const char *why = json_string_value(json_object_get(h->data, "why"));
    not_ready(h, why != NULL ? why : "");
    h->is_ready = json_is_true(json_object_get(h->data, "ready"));
}

/* ---- by HTTP ---- */

struct place { tb_str host, port, path; };

/* http://host[:port][/path], [address] for IPv6. */
static bool
parse_url(tb_str url, struct place *p)
{
    static const tb_str scheme = { .p = "http://", .n = 7 };

    if (!tb_str_starts(url, scheme))
        return false;
    url.p += scheme.n, url.n -= scheme.n;
    const char *slash = url.n > 0 ? memchr(url.p, '/', url.n) : NULL;
    tb_str      where = { .p = url.p, .n = slash != NULL ? (size_t)(slash - url.p) : url.n };
    p->path = (tb_str){ .p = url.p + where.n, .n = url.n - where.n };
    while (p->path.n > 0 && p->path.p[p->path.n - 1] == '/')
        p->path.n--;
    bool        is_bracketed = where.n > 0 && where.p[0] == '[';
    const char *end = is_bracketed ? memchr(where.p, ']', where.n) : memchr(where.p, ':', where.n);
    if (is_bracketed && end == NULL)
        return false;
    size_t n_host = end != NULL ? (size_t)(end - where.p) : where.n;
    p->host = is_bracketed ? (tb_str){ .p = where.p + 1, .n = n_host - 1 } : (tb_str){ .p = where.p, .n = n_host };
    size_t used = is_bracketed ? n_host + 1 : n_host;
    p->port = used < where.n ? (tb_str){ .p = where.p + used + 1, .n = where.n - used - 1 } : TB_LIT("80");
    return p->host.n > 0 && p->port.n > 0 && (used == where.n || where.p[used] == ':');
}

static bool
wait_for(int fd, short what, int64_t until)
{
    struct pollfd p = { .fd = fd, .events = what };
    int64_t       left;

    while ((left = until - tb_mono_ms(&tb_clock_system)) > 0)
        if (poll(&p, 1, (int)left) > 0)
            return true;
    return false;
}

static int
connect_to(const struct addrinfo *a, int64_t until)
{
    int       fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), failed = 0;
    socklen_t n = sizeof failed;

    if (fd < 0)
        return -1;
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0 ||
        (errno == EINPROGRESS && wait_for(fd, POLLOUT, until) && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &n) == 0 &&
         failed == 0))
        return fd;
    close(fd);
    return -1;
}

static int
reach(const struct place *p, int64_t until)
{
    const struct addrinfo wanted = { .ai_socktype = SOCK_STREAM };
    struct addrinfo      *all = NULL;
    char                 *host = tb_str_to_c(p->host), *port = tb_str_to_c(p->port);
    int                   fd = -1;

    if (getaddrinfo(host, port, &wanted, &all) == 0)
        for (const struct addrinfo *a = all; a != NULL && fd < 0; a = a->ai_next)
            fd = connect_to(a, until);
    if (all != NULL)
        freeaddrinfo(all);
    tb_free(host);
    tb_free(port);
    return fd;
}

/* Up to the end of its first line; false: none came. */
static bool
ask(int fd, const struct place *p, int64_t until, struct tb_buf *answer)
{
    struct tb_buf request = TB_BUF_INIT;
    char          bytes[4096];
    ssize_t       n;

    tb_buf_printf(&request, "GET " TB_STR_FMT "/readyz HTTP/1.1\r\nHost: " TB_STR_FMT "\r\nConnection: close\r\n\r\n",
                  TB_STR_ARG(p->path), TB_STR_ARG(p->host));
    bool is_sent = send(fd, request.p, request.n, MSG_NOSIGNAL) == (ssize_t)request.n;      /* it fits any socket buffer */
    tb_buf_fini(&request);
    while (is_sent && answer->n < MAX_ANSWER && (answer->n == 0 || memchr(answer->p, '\n', answer->n) == NULL) &&
           wait_for(fd, POLLIN, until) && (n = recv(fd, bytes, sizeof bytes, 0)) > 0)
        tb_buf_add(answer, (tb_str){ .p = bytes, .n = (size_t)n });
    return answer->n > 0 && memchr(answer->p, '\n', answer->n) != NULL;
}

static void
judge(struct health *h, tb_str answer)
{
    static const tb_str head = { .p = "HTTP/1.1 ", .n = 9 };
    char                why[160];

    h->is_ready = tb_str_starts(answer, head) && answer.n > head.n + 3 && memcmp(answer.p + head.n, "200", 3) == 0;
    if (h->is_ready)
        return;
    const char *end = memchr(answer.p, '\r', answer.n);
    snprintf(why, sizeof why, "it answered %.*s", end != NULL ? (int)(end - answer.p) : 0, answer.p);
    not_ready(h, why);
}

static bool
ask_url(const char *url, struct health *h)
{
    struct tb_buf answer = TB_BUF_INIT;
    struct place  p;
    int64_t       until = tb_mono_ms(&tb_clock_system) + ANSWER_MS;

    if (!parse_url(tb_str_of(url), &p)) {
        fprintf(stderr, "tombolo: --url takes http://host:port; a server with TLS is asked without it, by its data folder\n");
        return false;
    }
    int fd = reach(&p, until);
    if (fd < 0)
        not_ready(h, "it cannot be reached");
    else if (ask(fd, &p, until, &answer))
        judge(h, tb_buf_str(&answer));
    else
        not_ready(h, "it does not answer");
    if (fd >= 0)
        close(fd);
    tb_buf_fini(&answer);
    return true;
}

/* ---- the command ---- */

static void
tell(const struct options *o, const struct health *h)
{
    struct tb_buf  out = TB_BUF_INIT;
    struct tb_json j = tb_json_to(&out);
    char          *text = o->as_json && h->data != NULL ? json_dumps(h->data, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

    if (!o->as_json) {
        tb_buf_printf(&out, h->is_ready ? "ready\n" : "not ready: %s\n", h->why);
    } else if (text != NULL) {
        tb_buf_printf(&out, "%s\n", text);
    } else {
        tb_json_open_object(&j);
        cli_put_bool(&j, "ready", h->is_ready);
        cli_put_str(&j, "why", tb_str_of(h->why));
        tb_json_end_object(&j);
        cli_end_json(&j);
    }
    tb_free(text);
    cli_print(&out);
}

enum exit_code
cli_health(const struct options *o)
{
    struct tb_config c;
    struct health    h = { 0 };

    if (o->url != NULL) {
        if (!ask_url(o->url, &h))
            return MISUSED;
    } else {
        if (!cli_load(o, &c))
            return MISUSED;
        ask_server(c.server.data, &h);
        tb_config_fini(&c);
    }
    tell(o, &h);
    json_decref(h.data);
    return h.is_ready ? FINE : FAILED;
}
