/* The loop itself: h2o's event loop with our mailbox, timers and stop around it.
 * Always: h2o's loop, context and sockets are made, used and ended on one thread, since its free lists are that thread's.
 *
 *     open --net_run--> serving --net_stop--> stopping --no connection left, or time is up--> stopped --net_close-->
 */
#include "net/internal.h"

#include "base/log.h"
#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    MAILBOX_LIMIT = 65536,      /* of requests to the loop; answers are bounded by what was asked and come in beside it */
    LONGEST_SLEEP_MS = 60000,   /* nothing depends on it: whatever is due has a timer */
    EVENTS_A_TURN = 256,        /* h2o's, from one epoll_wait */
    LAST_TURNS = 100,           /* after the last connections have been cut: how often h2o may look at them, */
    LAST_TURN_MS = 10,          /* and how long it waits for the kernel each time */
};

static uint64_t
real_ms(void)
{
    return (uint64_t)tb_mono_ms(&tb_clock_system);
}

/* ---- what others need to know of struct net ---- */

struct net_timers *
net_timers_of(struct net *net)
{
    return &net->timers;
}

int64_t
net_timers_now(const struct net *net)
{
    return tb_mono_us(net->clock);
}

int64_t
net_now_ms(const struct net *net)
{
    return tb_mono_ms(net->clock);
}

uint16_t
net_port(const struct net *net)
{
    return net->ports[NET_PLAIN];
}

uint16_t
net_tls_port(const struct net *net)
{
    return net->ports[NET_TLS];
}

uint16_t
net_redirect_port(const struct net *net)
{
    return net->ports[NET_REDIRECT];
}

struct tb_mailbox *
net_mailbox(struct net *net)
{
    return net->inbox;
}

void
net_set_address_limits(struct net *net, const struct net_address_limits *limits)
{
    assert(tb_thread_is(TB_LOOP));
    net->address_limits = *limits;
}

/* ---- waking ---- */

static void
wake(void *ctx)
{
    const uint64_t one = 1;
    ssize_t        ignored = write(((struct net *)ctx)->wake_fd, &one, sizeof one);
    (void)ignored;      /* it fails only when the counter is full, and then the loop has been woken */
}

static void
on_wake(h2o_socket_t *sock, const char *err)
{
    struct net *net = sock->data;
    uint64_t    n;
    ssize_t     ignored = read(net->wake_fd, &n, sizeof n);

    (void)ignored;
    (void)err;
    atomic_store(&net->doing.answered, atomic_load(&net->doing.asked));
    atomic_store(&net->doing.what, "mailbox");
    tb_mailbox_run(net->inbox);
    atomic_store(&net->doing.what, "sockets");
}

void
net_ask(struct net *net, uint64_t n)
{
    atomic_store(&net->doing.asked, n);
    wake(net);
}

void
net_stop(struct net *net)
{
    atomic_store(&net->stop_wanted, true);
    wake(net);
}

void
net_on_stop(struct net *net, void (*fn)(void *ctx), void *ctx)
{
    net->on_stop = fn;
    net->on_stop_ctx = ctx;
}

/* ---- the end of a turn ---- */

struct net_at_end {
    h2o_timeout_entry_t entry;          /* in h2o's zero timeout, whose callbacks run when those of the sockets have */
    struct net         *net;
    void              (*fn)(void *ctx);
    void               *ctx;
};

static void
on_end(h2o_timeout_entry_t *entry)
{
    struct net_at_end *at = TB_CONTAINER(entry, struct net_at_end, entry);
    at->fn(at->ctx);
}

struct net_at_end *
net_at_end_new(struct net *net, void (*fn)(void *ctx), void *ctx)
{
    struct net_at_end *at = TB_NEW(struct net_at_end);

    *at = (struct net_at_end){ .entry.cb = on_end, .net = net, .fn = fn, .ctx = ctx };
    return at;
}

void
net_at_end_wish(struct net_at_end *at)
{
    if (!h2o_timeout_is_linked(&at->entry))
        h2o_timeout_link(at->net->loop, &at->net->ctx.zero_timeout, &at->entry);
}

void
net_at_end_free(struct net_at_end **at)
{
    if (*at == NULL)
        return;
    h2o_timeout_unlink(&(*at)->entry);
    tb_free(*at);
    *at = NULL;
}

/* ---- open ---- */

static void
init_h2o(struct net *net)
{
    h2o_config_init(&net->global);
    net->global.server_name = h2o_iovec_init(NULL, 0);      /* no Server header: nobody is served by it */
    net->global.max_request_entity_size = net->max_body;
    /* Over HTTP/2 h2o answers a body over its limit with a reset that invites the client to try again. So it takes what the guard
     * lets through, which is counted and bounded, and who has read it all is told 413. */
    if (net->is_http2 && net->limits.is_on && net->limits.guard.body_bytes > net->max_body)
        net->global.max_request_entity_size = net->limits.guard.body_bytes;
    net->global.http1.upgrade_to_http2 = net->is_http2;
    /* Ours are looked after by the sweep; h2o's must only never come first. */
    net->global.http1.req_timeout = 2 * ((uint64_t)net->header_timeout_ms + net->idle_timeout_ms + 2 * NET_SWEEP_MS);
    net->global.http2.idle_timeout = net->global.http1.req_timeout;

    h2o_hostconf_t *host = h2o_config_register_host(&net->global, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    net_req_register(net, h2o_config_register_path(host, "/", 0));
    net_errors_register(&host->fallback_path);

    net->loop = h2o_evloop_create();
    h2o_context_init(&net->ctx, net->loop, &net->global);
    net->accept_ctx = (h2o_accept_ctx_t){ .ctx = &net->ctx, .hosts = net->global.hosts };
}

static h2o_socket_t *
watch(struct net *net, int fd, h2o_socket_cb on_ready)
{
    h2o_socket_t *sock = h2o_evloop_socket_create(net->loop, fd, H2O_SOCKET_FLAG_DONT_READ);

    sock->data = net;
    h2o_socket_read_start(sock, on_ready);
    return sock;
}

static void
copy_settings(struct net *net, const struct net_settings *s)
{
    net->max_body = s->max_body;
    net->header_timeout_ms = s->header_timeout_ms;
    net->idle_timeout_ms = s->idle_timeout_ms;
    net->stop_timeout_ms = s->stop_timeout_ms > 0 ? s->stop_timeout_ms : NET_STOP_TIMEOUT_MS;
    net->max_connections = s->max_connections;
    net->handshake_timeout_ms = s->tls.handshake_timeout_ms;
    net->ticket_ms = s->tls.ticket_ms;
    net->is_http2 = s->http2;
    net->address_limits = s->by_address;
    net->limits = s->limits;
    net->limits.guard.allow_http2 = s->http2;
    if (!s->limits.is_on)
        net->limits.send_bytes = 0, net->limits.requests_at_once = 0;
    net->cors_origins = tb_str_to_c(tb_str_of(s->cors_origins));
    net->cors_is_any = tb_str_eq(tb_str_of(s->cors_origins), TB_LIT("*"));
    net->clock = s->clock != NULL ? s->clock : &tb_clock_system;
}

/* The sockets of one door, not yet the loop's. */
struct bound {
    const char *host;                   /* NULL: there is no such door */
    uint16_t    port;
    int         fds[NET_MAX_LISTENERS];
    size_t      n;
};

static void
unbind_all(const struct bound doors[NET_DOORS])
{
    for (int door = 0; door < NET_DOORS; door++)
        for (size_t i = 0; i < doors[door].n; i++)
            close(doors[door].fds[i]);
}

static enum tb_code
bind_all(const struct net_settings *s, struct bound doors[NET_DOORS], struct tb_err *e)
{
    bool with_tls = s->tls.certificate != NULL;

    doors[NET_PLAIN] = (struct bound){ .host = s->host, .port = s->port };
    doors[NET_TLS] = (struct bound){ .host = with_tls ? s->tls.host : NULL, .port = s->tls.port };
    doors[NET_REDIRECT] = (struct bound){ .host = with_tls && s->tls.with_redirect ? s->tls.host : NULL,
                                          .port = s->tls.redirect_port };
    for (struct bound *b = doors; b < doors + NET_DOORS; b++)
        if (b->host != NULL && net_listen(b->host, &b->port, b->fds, &b->n, e) != TB_OK) {
            unbind_all(doors);
            return e->code;
        }
    return TB_OK;
}

enum tb_code
net_try(const struct net_settings *settings, struct tb_err *e)
{
    struct bound doors[NET_DOORS];

    if (bind_all(settings, doors, e) != TB_OK)
        return e->code;
    unbind_all(doors);
    return TB_OK;
}

static void
accept_from(struct net *net, enum net_door door, const struct bound *b)
{
    net->ports[door] = b->n > 0 ? b->port : 0;
    for (size_t i = 0; i < b->n; i++) {
        struct net_listener *l = &net->listeners[net->n_listeners++];
        *l = (struct net_listener){ .net = net, .door = door };
        l->sock = watch(net, b->fds[i], net_conn_accept);
        l->sock->data = l;
    }
}

/* Writing to a connection that its peer has reset is a failure of that connection, not the end of the process. A host that has a
 * handler of its own keeps it. */
static void
ignore_broken_pipes(void)
{
    struct sigaction now;

    if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

enum tb_code
net_open(struct net **out, const struct net_settings *settings, struct tb_err *e)
{
    struct net_certificate *certificate = settings->tls.certificate;
    struct bound            doors[NET_DOORS];

    assert(tb_thread_is(TB_LOOP));
    if (bind_all(settings, doors, e) != TB_OK) {
        net_certificate_free(&certificate);
        return e->code;
    }

    ignore_broken_pipes();
    struct net *net = TB_NEW(struct net);
    copy_settings(net, settings);
    net->inbox = tb_mailbox_new(MAILBOX_LIMIT, wake, net);
    randombytes_buf(&net->id_start, sizeof net->id_start);
    net->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert(net->wake_fd >= 0);
    atomic_store(&net->doing.what, "nothing");
    if (pthread_getcpuclockid(pthread_self(), &net->doing.cpu_clock) != 0)
        net->doing.cpu_clock = CLOCK_PROCESS_CPUTIME_ID;
    init_h2o(net);
    net->wake_sock = watch(net, net->wake_fd, on_wake);
    net_gone_init(net);
    net_front_init(net);
    net_window_init(net);
    net_peers_init(net);
    if (certificate != NULL)
        net_use_certificate(net, &certificate);
    for (int door = 0; door < NET_DOORS; door++)
        accept_from(net, (enum net_door)door, &doors[door]);
    net->sweep = net_timer_new(net, net_conn_sweep, net);
    net_timer_start(net->sweep, NET_SWEEP_MS);
    *out = net;
    return TB_OK;
}

/* ---- run ---- */

static void
turn(struct net *net, int32_t longest_ms)
{
    int32_t wait_ms = net_timers_wait(&net->timers, tb_mono_us(net->clock), longest_ms);

    net_front_hook_all(net);
    atomic_store(&net->doing.n_conns, net->n_conns);
    atomic_store(&net->doing.what, "sockets");
    if (h2o_evloop_run(net->loop, wait_ms) != 0 && errno != EINTR)
        log_warn("net.loop_failed", "why=\"%s\"", strerror(errno));
    atomic_store(&net->doing.what, "timers");
    net_timers_run(&net->timers, tb_mono_us(net->clock));
}

static void
close_listeners(struct net *net)
{
    while (net->n_listeners > 0)
        h2o_socket_close(net->listeners[--net->n_listeners].sock);
}

/* What has arrived by now is still taken. */
static void
take_what_has_arrived(struct net *net)
{
    for (unsigned i = 0; i <= net->n_conns / EVENTS_A_TURN; i++)
        turn(net, 0);
}

static void
wait_for_answers(struct net *net)
{
    uint64_t until_ms = real_ms() + net->stop_timeout_ms;

    net_conn_close_idle(net);
    for (uint64_t now; net->n_conns > 0 && (now = real_ms()) < until_ms;) {
        turn(net, (int32_t)(until_ms - now));
        net_conn_close_idle(net);
    }
}

static void
cut_the_rest(struct net *net)
{
    unsigned turns_left = LAST_TURNS + net->n_conns / EVENTS_A_TURN;

    log_warn("net.stop_cut", "connections=%u", net->n_conns);
    net_req_refuse_unanswered(net);
    turn(net, 0);
    net_conn_cut_all(net);
    for (; net->n_conns > 0 && turns_left > 0; turns_left--)
        turn(net, LAST_TURN_MS);
}

static void
stop(struct net *net)
{
    log_debug("net.stopping", "connections=%u", net->n_conns);
    net->is_stopping = true;
    net->ctx.shutdown_requested = 1;        /* h2o: no further request on a connection that sends one now */
    close_listeners(net);
    take_what_has_arrived(net);
    if (net->on_stop != NULL)
        net->on_stop(net->on_stop_ctx);
    wait_for_answers(net);
    if (net->n_conns > 0)
        cut_the_rest(net);
}

void
net_run(struct net *net)
{
    assert(tb_thread_is(TB_LOOP));
    while (!atomic_load(&net->stop_wanted))
        turn(net, LONGEST_SLEEP_MS);
    stop(net);
}

/* ---- close ---- */

bool
net_settle(struct net *net, unsigned ms, bool (*is_settled)(const void *ctx), const void *ctx)
{
    uint64_t until_ms = real_ms() + ms;

    assert(tb_thread_is(TB_LOOP));
    for (;;) {
        uint64_t now = real_ms();
        bool     settled = net->n_owed == 0 && (is_settled == NULL || is_settled(ctx));
        if (settled || now >= until_ms)
            return settled;
        turn(net, (int32_t)(until_ms - now));
    }
}

static void
fini_h2o(struct net *net)
{
    h2o_context_dispose(&net->ctx);
    h2o_config_dispose(&net->global);
    h2o_evloop_destroy(net->loop);
}

void
net_close(struct net **out)
{
    struct net *net = *out;

    if (net == NULL)
        return;
    assert(tb_thread_is(TB_LOOP));
    tb_mailbox_close(net->inbox);
    tb_mailbox_run(net->inbox);
    assert(net->n_conns == 0);      /* cut sockets do not stay */
    assert(net->n_owed == 0);
    close_listeners(net);
    h2o_socket_close(net->wake_sock);
    net_gone_fini(net);
    net_window_fini(net);
    net_front_fini(net);
    net_timer_free(&net->sweep);
    net_timers_fini(&net->timers);
    fini_h2o(net);
    tb_mailbox_free(&net->inbox);
    net_certificate_free(&net->certificate);
    net_tickets_fini(net);
    net_peers_fini(net);
    tb_buf_fini(&net->gathered);
    tb_free(net->cors_origins);
    tb_free(net);
    *out = NULL;
}

/* h2o 2.2.5 keeps used buffers in lists of the thread, which nobody frees when the thread ends, and forgets one small
 * block (and its epoll descriptor) of every loop: some hundred kilobytes a loop, once. LeakSanitizer asks the program
 * for what it should not report. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

const char *
__lsan_default_suppressions(void)
{
    return "leak:h2o_mem_alloc_recycle\nleak:h2o_mem_alloc_pool\nleak:h2o_buffer_reserve\n"
           "leak:h2o_multithread_create_queue\n";
}

const char *
__lsan_default_options(void)
{
    return "print_suppressions=0";
}
