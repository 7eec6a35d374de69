/* Bodies of loop.h. */
#include "loop.h"

#include "base/json.h"
#include "base/thread.h"

#include <arpa/inet.h>
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { MAX_HELD = 64 };

struct loop {
    struct tb_thread    thread;
    struct net_settings settings;
    struct tb_clock     clock;
    _Atomic int64_t     now_us;
    struct net         *net;
    sem_t               is_open, may_close;
    /* the loop's */
    struct net_request *held[MAX_HELD];
    size_t              n_held;
};

/* ---- handlers ---- */

static void
respond_json(struct net_request *r, struct tb_buf *body)
{
    net_respond(r, &(struct net_response){ .status = 200, .content_type = TB_LIT("application/json"),
                                           .body = tb_buf_str(body) });
    tb_buf_fini(body);
}

static void
echo(void *ctx, struct net_request *r)
{
    struct tb_buf  body = TB_BUF_INIT;
    struct tb_json j = tb_json_to(&body);
    tb_str         x = net_request_header(r, TB_LIT("x-test"));

    (void)ctx;
    tb_json_open_object(&j);
    tb_json_key(&j, "method"), tb_json_str(&j, r->method);
    tb_json_key(&j, "path"), tb_json_str(&j, r->path);
    tb_json_key(&j, "query"), tb_json_str(&j, r->query);
    tb_json_key(&j, "body"), tb_json_str(&j, r->body);
    tb_json_key(&j, "peer"), tb_json_str(&j, r->peer);
    tb_json_key(&j, "x");
    if (x.p != NULL)
        tb_json_str(&j, x);
    else
        tb_json_null(&j);
    tb_json_end_object(&j);
    tb_json_fini(&j);
    respond_json(r, &body);
}

static void
wants_to_know(struct net_request *r)
{
    (void)r;                /* is_gone says it all */
}

static void
hold(void *ctx, struct net_request *r)
{
    struct loop *l = ctx;

    if (tb_str_eq(r->query, TB_LIT("watch")))
        r->on_gone = wants_to_know;
    assert_true(l->n_held < MAX_HELD);
    l->held[l->n_held++] = r;
}

static void
say(void *ctx, struct net_request *r)
{
    const struct net_header header = { TB_LIT("retry-after"), TB_LIT("3") };

    (void)ctx;
    net_respond(r, &(struct net_response){ .status = 200, .content_type = TB_LIT("text/plain"), .body = TB_LIT("hi"),
                                           .headers = &header, .n_headers = 1,
                                           .without_cors = tb_str_eq(r->query, TB_LIT("plain")) });
}

static void
big(void *ctx, struct net_request *r)
{
    char *x = tb_alloc(BIG_BYTES);

    (void)ctx;
    memset(x, 'x', BIG_BYTES);
    net_respond(r, &(struct net_response){ .status = 200, .body = { x, BIG_BYTES } });
    tb_free(x);
}

/* ---- the server ---- */

static int64_t
fake_mono_us(void *ctx)
{
    return ((struct loop *)ctx)->now_us;
}

static void
serve(void *ctx)
{
    struct loop  *l = ctx;
    struct tb_err e = { 0 };

    if (net_open(&l->net, &l->settings, &e) == TB_OK) {
        net_handle(l->net, "/echo/", 0, echo, l);
        net_handle(l->net, "/hold/", 0, hold, l);
        net_handle(l->net, "/say/", 0, say, l);
        net_handle(l->net, "/big/", 0, big, l);
        net_handle(l->net, "/large/", LARGE_BODY, echo, l);
    } else {
        fprintf(stderr, "# net_open: %s\n", e.why);
    }
    sem_post(&l->is_open);
    if (l->net == NULL)
        return;
    net_run(l->net);
    sem_wait(&l->may_close);
    assert_int_equal(l->n_held == 0, net_settle(l->net, 0, NULL, NULL));
    while (l->n_held > 0)
        net_respond(l->held[--l->n_held], &(struct net_response){ .status = 200 });
    assert_true(net_settle(l->net, 0, NULL, NULL));
    net_close(&l->net);
}

struct loop *
loop_start(struct net_settings s)
{
    struct loop *l = TB_NEW(struct loop);

    s.host = s.host != NULL ? s.host : "127.0.0.1";
    s.max_body = s.max_body > 0 ? s.max_body : 1000;
    s.header_timeout_ms = s.header_timeout_ms > 0 ? s.header_timeout_ms : 10000;
    s.idle_timeout_ms = s.idle_timeout_ms > 0 ? s.idle_timeout_ms : 60000;
    s.max_connections = s.max_connections > 0 ? s.max_connections : 100;
    s.cors_origins = s.cors_origins != NULL ? s.cors_origins : "";
    s.limits = (struct net_limits){ .is_on = true, .guard = { .header_fields = 128, .header_bytes = 16384,
                                                              .continuations = 8, .requests_ahead = 400,
                                                              .resets_per_second = 50 } };
    l->clock = (struct tb_clock){ .mono_us = fake_mono_us, .ctx = l };
    s.clock = &l->clock;
    l->settings = s;
    sem_init(&l->is_open, 0, 0);
    sem_init(&l->may_close, 0, 0);
    tb_thread_start(&l->thread, TB_LOOP, serve, l);
    sem_wait(&l->is_open);
    assert_non_null(l->net);
    return l;
}

void
loop_stop(struct loop **l)
{
    net_stop((*l)->net);
    sem_post(&(*l)->may_close);
    tb_thread_join(&(*l)->thread);
    sem_destroy(&(*l)->is_open);
    sem_destroy(&(*l)->may_close);
    tb_free(*l);
    *l = NULL;
}

uint16_t
loop_port(const struct loop *l)
{
    return net_port(l->net);
}

struct net *
loop_net(struct loop *l)
{
    return l->net;
}

struct job {
    struct tb_msg msg;
    void        (*run)(void *ctx);
    void         *ctx;
    sem_t         is_done;
};

static void
run_job(struct tb_msg *m)
{
    struct job *j = TB_CONTAINER(m, struct job, msg);

    j->run(j->ctx);
    sem_post(&j->is_done);
}

void
loop_run(struct loop *l, void (*job)(void *ctx), void *ctx)
{
    struct job j = { .msg.run = run_job, .run = job, .ctx = ctx };

    sem_init(&j.is_done, 0, 0);
    tb_mailbox_post_always(net_mailbox(l->net), &j.msg);
    sem_wait(&j.is_done);
    sem_destroy(&j.is_done);
}

static void
nothing(void *ctx)
{
    (void)ctx;
}

void
loop_pass(struct loop *l, int64_t ms)
{
    for (; ms > 0; ms -= 1000) {
        l->now_us += (ms < 1000 ? ms : 1000) * 1000;
        loop_run(l, nothing, NULL);     /* the first ends the wait, */
        loop_run(l, nothing, NULL);     /* so timers have run before the second */
    }
}

struct count {
    struct loop *l;
    size_t       n_held, n_gone;
};

static void
count_held(void *ctx)
{
    struct count *c = ctx;

    c->n_held = c->l->n_held;
    for (size_t i = 0; i < c->l->n_held; i++)
        c->n_gone += c->l->held[i]->is_gone;
}

size_t
loop_held(struct loop *l)
{
    struct count c = { .l = l };
    loop_run(l, count_held, &c);
    return c.n_held;
}

size_t
loop_held_gone(struct loop *l)
{
    struct count c = { .l = l };
    loop_run(l, count_held, &c);
    return c.n_gone;
}

void
loop_wait_held(struct loop *l, size_t n)
{
    while (loop_held(l) < n)
        ;       /* each look is a turn of the loop, so this is no sleep and ends as soon as the bytes are there */
}

static void
release(void *ctx)
{
    struct loop *l = ctx;

    for (size_t i = 0; i < l->n_held; i++)
        net_respond(l->held[i], &(struct net_response){ .status = 200, .body = TB_LIT("released") });
    l->n_held = 0;
}

void
loop_release(struct loop *l)
{
    loop_run(l, release, l);
}

/* ---- the client ---- */

static char   answer[1 << 20];
static size_t n_answer;
static bool   was_reset;

int
client_connect(uint16_t port)
{
    struct sockaddr_in   to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    const struct timeval patience = { .tv_sec = CLIENT_PATIENCE_S };
    int                  fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

void
client_send(int fd, const char *text)
{
    size_t n = strlen(text);

    for (size_t sent = 0; sent < n;) {
        ssize_t r = send(fd, text + sent, n - sent, MSG_NOSIGNAL);
        if (r <= 0)
            return;     /* the server may have had enough; what it answered shows it */
        sent += (size_t)r;
    }
}

static bool
read_more(int fd, size_t max)
{
    if (n_answer + max >= sizeof answer)
        max = sizeof answer - 1 - n_answer;
    ssize_t r = recv(fd, answer + n_answer, max, 0);
    if (r < 0 && errno == EAGAIN)
        fail_msg("no answer; so far: %s", answer);
    was_reset = r < 0;
    if (r <= 0)
        return false;
    n_answer += (size_t)r;
    answer[n_answer] = '\0';
    return true;
}

static void
start_answer(void)
{
    n_answer = 0;
    answer[0] = '\0';
}

const char *
client_read_head(int fd)
{
    start_answer();
    while (strstr(answer, "\r\n\r\n") == NULL && read_more(fd, 1))
        ;
    return answer;
}

const char *
client_read(int fd)
{
    client_read_head(fd);
    const char *length = strcasestr(answer, "\r\ncontent-length: ");
    size_t      until = n_answer + (length != NULL ? strtoul(length + 18, NULL, 10) : 0);
    while (n_answer < until && read_more(fd, until - n_answer))
        ;
    return answer;
}

const char *
client_read_all(int fd)
{
    start_answer();
    while (read_more(fd, 65536))
        ;
    return answer;
}

bool
client_was_reset(void)
{
    return was_reset;
}

const char *
client_ask(struct loop *l, const char *text)
{
    int fd = client_connect(loop_port(l));

    client_send(fd, text);
    client_read_all(fd);
    close(fd);
    return answer;
}

size_t
client_count(int fd, size_t max)
{
    size_t n = 0;

    for (start_answer(); n < max && read_more(fd, max - n < 65536 ? max - n : 65536); start_answer())
        n += n_answer;
    return n;
}

bool
client_sees_close(int fd)
{
    start_answer();
    return !read_more(fd, 1);
}
