/* Bodies of http.h. Every request says Connection: close, so an answer ends with its connection. */
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 30000, CHUNK = 4096 };

static void __attribute__((noreturn))
give_up(const char *what)
{
    fprintf(stderr, "rig: %s: %s\n", what, strerror(errno));
    abort();
}

static int
connect_to(uint16_t port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0)
        give_up("connect");
    return fd;
}

static void
send_all(int fd, tb_str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n < 0)
            return;             /* it hung up: the answer, or none, is to be read */
        bytes = (tb_str){ .p = bytes.p + n, .n = bytes.n - (size_t)n };
    }
}

int
rig_http_send(uint16_t port, const struct rig_request *q)
{
    struct tb_buf b = TB_BUF_INIT;
    int           fd = connect_to(port);

    tb_buf_printf(&b, "%s %s HTTP/1.1\r\nHost: rig\r\nConnection: close\r\n", q->method, q->path);
    if (q->token != NULL)
        tb_buf_printf(&b, "Authorization: Bearer %s\r\n", q->token);
    if (q->key != NULL)
        tb_buf_printf(&b, "Idempotency-Key: %s\r\n", q->key);
    if (q->body != NULL)
        tb_buf_printf(&b, "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(q->body));
    tb_buf_printf(&b, "\r\n%s", q->body != NULL ? q->body : "");
    send_all(fd, tb_buf_str(&b));
    tb_buf_fini(&b);
    return fd;
}

bool
rig_http_has_answer(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, 0) > 0;
}

static void
read_until_end(int fd, struct tb_buf *out)
{
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int           ready = poll(&p, 1, PATIENCE_MS);
        if (ready == 0)
            give_up("no answer");
        tb_buf_reserve(out, CHUNK + 1);
        ssize_t n = ready < 0 ? -1 : recv(fd, out->p + out->n, CHUNK, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        out->n += (size_t)n;
        out->p[out->n] = '\0';
    }
}

struct rig_reply
rig_http_read(int fd)
{
    struct rig_reply r = { 0 };
    struct tb_buf    b = TB_BUF_INIT;
    size_t           n;

    read_until_end(fd, &b);
    close(fd);
    r.text = tb_buf_take(&b, &n);
    if (strncmp(r.text, "HTTP/1.1 ", 9) == 0)
        r.status = (int)strtol(r.text + 9, NULL, 10);
    const char *body = strstr(r.text, "\r\n\r\n");
    if (body != NULL)
        r.json = json_loads(body + 4, JSON_DECODE_ANY, NULL);
    return r;
}

void
rig_reply_fini(struct rig_reply *r)
{
    json_decref(r->json);
    tb_free(r->text);
    *r = (struct rig_reply){ 0 };
}

bool
rig_reply_has(const struct rig_reply *r, const char *header_line)
{
    size_t      n = strlen(header_line);
    const char *end = strstr(r->text, "\r\n\r\n");

    for (const char *at = strstr(r->text, "\r\n"); at != NULL && end != NULL && at < end; at = strstr(at + 2, "\r\n")) {
        if (strncasecmp(at + 2, header_line, n) == 0 && strncmp(at + 2 + n, "\r\n", 2) == 0)
            return true;
    }
    return false;
}

int64_t
rig_reply_int(const struct rig_reply *r, const char *name)
{
    const json_t *v = json_object_get(r->json, name);
    return json_is_integer(v) ? json_integer_value(v) : -1;
}

const char *
rig_reply_text(const struct rig_reply *r, const char *name)
{
    const char *v = json_string_value(json_object_get(r->json, name));
    return v != NULL ? v : "";
}
