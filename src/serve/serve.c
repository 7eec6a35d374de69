/* Order of building: certificate, journal, key, sync, archive, control, then on the loop's thread net, chat, rest. Order of
 * ending, with what each step may rely on:
 *   net      takes nothing new and answers what is in flight: needs all the others
 *   settle   no request is with chat any more, so nobody will ask the journal again
 *   control  ends with the command under way: needs sync and the journal
 *   archive  is told to hurry when the server is to stop; its last answers lie in the loop's mailbox when it is closed
 *   sync     ends with its batch: needs the journal
 *   journal  its last answers lie in the loop's mailbox when it is closed
 *   rest, chat, net   on the loop's thread, which made them; net runs those answers
 */
#include "serve.h"

#include "base/log.h"
#include "base/slow.h"
#include "base/thread.h"
#include "chat/chat.h"
#include "chat/live.h"
#include "chat/secret.h"
#include "net/eio.h"
#include "rest/page.h"
#include "rest/rest.h"
#include "control.h"
#include "settings.h"
#include "stall.h"
#include "tls.h"
#include "store/store.h"
#include "sync/archive.h"
#include "sync/sync.h"

#include <assert.h>
#include <inttypes.h>
#include <semaphore.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

/* After net has had NET_STOP_TIMEOUT_MS: what handlers may still need, until the end counts as stuck. Sync takes 3 s. */
enum { SETTLE_MS = 1500 };

struct server {
    /* main's */
    const struct tb_clock *clock;
    struct tb_buf          key;             /* of the tokens; wiped once chat has it */
    struct net_certificate *certificate;    /* NULL: there is none, or net has it */
    struct store          *store;
    struct sync           *sync;
    struct archive        *archive;         /* NULL: there is no centre to read from */
    size_t                 archive_queue;
    struct control        *control;
    struct serve_control   for_control;
    struct serve_stall    *stall;
    struct tb_thread       loop;
    /* the loop's once it runs; main reads net and chat, to stop them */
    const struct tb_config *config;         /* until is_up */
    struct tb_err          err;             /* until is_up */
    struct net            *net;
    struct chat           *chat;
    struct rest           *rest;
    struct net_eio        *eio;
    struct live           *live;
    struct net_timer      *live_timer;
    uint16_t               port, tls_port, redirect_port;
    _Atomic bool           has_live;        /* the loop's mailbox may be posted to */
    _Atomic bool           is_stopping;     /* and will soon not be looked into */
    /* sync's until knows_centre, then anybody's: the centre that was reached first since the start */
    char                   centre[37];
    _Atomic bool           knows_centre;
    struct tb_msg          centre_msg;
    /* steps of the two, told to each other */
    sem_t is_up, is_settled, store_is_closed;
};

/* ---- from sync to the loop ---- */

struct synced {                         /* under way to the loop */
    struct tb_msg      msg;
    struct live       *live;
    int64_t            at;
    size_t             n;
    struct live_synced messages[];
};

static void
run_synced(struct tb_msg *msg)
{
    struct synced *t = TB_CONTAINER(msg, struct synced, msg);

    live_tell_synced(t->live, t->messages, t->n, t->at);
    tb_free(t);
}

static void
on_synced(void *ctx, const struct sync_sent *sent, size_t n, int64_t at)
{
    struct server *s = ctx;

    if (!s->has_live)                   /* nobody is connected yet */
        return;
    struct synced *t = tb_alloc(sizeof *t + n * sizeof t->messages[0]);
    t->msg.run = run_synced;
    t->live = s->live;
    t->at = at;
    t->n = n;
    for (size_t i = 0; i < n; i++)
        t->messages[i] = (struct live_synced){ .sender_id = sent[i].sender_id, .message_id = sent[i].message_id };
    tb_mailbox_post_always(net_mailbox(s->net), &t->msg);
}

static void
run_centre(struct tb_msg *msg)
{
    struct server *s = TB_CONTAINER(msg, struct server, centre_msg);

    chat_set_centre(s->chat, s->centre);
}

/* A journal has one centre for good, so the first contact tells all. Either we see that the loop runs, or the loop, which looks
 * after it has said so, sees that the centre is known; or both, which does no harm. */
static void
on_centre(void *ctx, const char *uuid)
{
    struct server *s = ctx;

    if (s->knows_centre)
        return;
    snprintf(s->centre, sizeof s->centre, "%s", uuid);
    s->knows_centre = true;
    if (s->has_live) {
        s->centre_msg.run = run_centre;
        tb_mailbox_post_always(net_mailbox(s->net), &s->centre_msg);
    }
}

static struct sync_settings
sync_settings(struct server *s, const struct tb_config *c, struct sync_target *target)
{
    return (struct sync_settings){
        .store = s->store, .clock = s->clock, .url = c->sync.url, .batch = (size_t)c->sync.batch,
        .keep_days = (unsigned)c->journal.keep_days,
        .lease_days = (unsigned)c->sync.lease_days,
        .connect_timeout_ms = (int)c->sync.connect_timeout_ms, .io_timeout_ms = (int)c->sync.io_timeout_ms,
        .dir = c->server.data, .target = target,
        .on_synced = on_synced, .on_centre = on_centre, .synced_ctx = s,
    };
}

/* ---- on the loop ---- */

static enum rest_sync_state
rest_sync_state(enum sync_link link)
{
    switch (link) {
    case SYNC_OFF:
        return REST_SYNC_OFF;
    case SYNC_UP:
        return REST_SYNC_UP;
    case SYNC_DOWN:
        return REST_SYNC_DOWN;
    case SYNC_APART:
        return REST_SYNC_DIVERGED;
    }
    return REST_SYNC_OFF;
}

static void
sync_of(void *ctx, struct rest_sync *out)
{
    struct server     *s = ctx;
    struct sync_status now;
    struct store_status journal;

    sync_status(s->sync, &now);
    store_status(s->store, &journal);
    *out = (struct rest_sync){ .state = rest_sync_state(now.state), .lag_ops = now.lag_ops,
                               .lag_ms = now.lag_ms, .last_synced_at = now.last_synced_at,
                               .failures = now.n_failures, .pushed = now.n_pushed, .pulled = now.n_pulled,
                               .parked = now.n_parked, .refused_streams = now.n_refused_streams,
                               .taken = now.n_taken, .forgotten = now.n_forgotten, .centre_ahead_ms = now.centre_ahead_ms,
                               .is_paused = now.is_paused, .refused = journal.n_refused };
    if (s->archive != NULL) {
        out->archive_waiting = archive_waiting(s->archive);
        out->archive_max = s->archive_queue;
    }
}

/* On the loop. What the sync thread has found out about the link saves finding it out again. */
static bool
ask_beyond(void *ctx, struct store_beyond *r)
{
    struct server     *s = ctx;
    struct sync_status now;

    sync_status(s->sync, &now);
    return s->archive != NULL && (now.state == SYNC_UP || now.is_paused) && archive_ask(s->archive, r);
}

static const struct store_beyond_ops beyond_ops = { .ask = ask_beyond };

static enum tb_code
open_chat(struct server *s)
{
    const struct tb_config *c = s->config;
    struct store_status     journal;

    store_status(s->store, &journal);
    bool has_centre = journal.centre_uuid[0] != '\0';       /* then tokens are good at all its sites that share the secret */
    const struct chat_settings settings = {
        .store = s->store, .mailbox = net_mailbox(s->net), .clock = s->clock, .limits = serve_chat_limits(c),
        .hasher = { .cost = serve_password_cost(c), .threads = (unsigned)c->auth.hash_threads, .queue = (size_t)c->auth.hash_queue },
        .token = { .secret = tb_buf_str(&s->key), .issuer = has_centre ? journal.centre_uuid : journal.journal_uuid,
                   .also = has_centre ? journal.journal_uuid : NULL, .days = (unsigned)c->auth.token_days,
                   .after = journal.reissued_at, .lost_from = journal.lost_from, .lost_upto = journal.lost_upto,
                   .legacy = c->auth.legacy_tokens },
        .registration = (enum chat_registration)c->auth.registration,
        .registration_token = tb_str_of(c->auth.registration_token),
        .beyond = &beyond_ops, .beyond_ctx = s,
    };
    return chat_open(&s->chat, &settings, &s->err);
}

static void
wake_live_at(void *ctx, int64_t at_ms)
{
    struct server *s = ctx;
    int64_t        now = tb_mono_ms(s->clock);

    net_timer_start(s->live_timer, at_ms > now ? (uint64_t)(at_ms - now) : 0);
}

static void
on_live_timer(void *ctx)
{
    live_tick(((struct server *)ctx)->live);
}

/* What is said of those who are online is still to be journalled, so the journal ends after this. */
static void
stop_live(void *ctx)
{
    live_stop(((struct server *)ctx)->live);
}

static void
open_live(struct server *s)
{
    const struct tb_config  *c = s->config;
    const struct sio_options options = serve_sio_options(c);

    s->eio = net_eio_new(s->net);
    s->live_timer = net_timer_new(s->net, on_live_timer, s);
    s->live = live_open(&(struct live_settings){
        .chat = s->chat, .store = s->store, .mailbox = net_mailbox(s->net), .clock = s->clock,
        .host = net_eio_host(s->eio), .options = &options,
        .secret = tb_buf_str(&s->key), .limits = serve_live_limits(c), .presence_grace_ms = (unsigned)c->presence.grace_ms,
        .audience = c->presence.audience == TB_AUDIENCE_SHARED_ROOMS ? LIVE_SHARED_ROOMS : LIVE_EVERYONE,
        .wake_at = wake_live_at, .wake_ctx = s,
    });
    net_eio_serve(s->eio, live_engine(s->live), "/socket.io/", (size_t)c->live.max_payload);
    net_on_stop(s->net, stop_live, s);
}

static enum tb_code
open_on_loop(struct server *s)
{
    const struct net_settings net = serve_net_settings(s->config, s->clock, s->certificate);
    struct rest_settings rest = { .store = s->store, .sync_of = sync_of, .sync_ctx = s,
                                  .max_body = (size_t)s->config->server.max_body,
                                  .old_statuses = s->config->server.old_statuses,
                                  .page = s->config->server.app ? page_files : NULL };

    serve_read_networks(&rest.metrics_from, s->config->server.metrics_from);
    s->certificate = NULL;              /* net_open takes it */
    if (net_open(&s->net, &net, &s->err) != TB_OK)
        return s->err.code;
    if (open_chat(s) != TB_OK)
        return s->err.code;
    open_live(s);
    struct rest_settings with_chat = rest;
    with_chat.chat = s->chat;
    with_chat.live = s->live;
    rest_open(&s->rest, &with_chat);
    net_handle(s->net, "/", 0, rest_on_request, s->rest);
    s->port = net_port(s->net);
    s->tls_port = net_tls_port(s->net);
    s->redirect_port = net_redirect_port(s->net);
    s->has_live = true;
    if (s->knows_centre)
        chat_set_centre(s->chat, s->centre);
    return TB_OK;
}

static void
close_on_loop(struct server *s)
{
    if (s->net != NULL)
        tb_mailbox_run(net_mailbox(s->net));    /* the journal's last answers, while those whom they are for are there */
    rest_close(&s->rest);
    live_close(&s->live);
    chat_close(&s->chat);
    net_timer_free(&s->live_timer);
    net_eio_free(&s->eio);
    net_close(&s->net);
}

/* Acknowledged is only what is on disk, so this harms nobody who was told anything. */
static void
give_up(void)
{
    log_error("serve.stuck", "why=\"requests are still under way after %d ms\"", NET_STOP_TIMEOUT_MS + SETTLE_MS);
    _exit(1);
}

static bool
is_live_settled(const void *live)
{
    return live_is_settled(live);
}

static void
run_loop(void *ctx)
{
    struct server *s = ctx;
    enum tb_code   code = open_on_loop(s);

    sem_post(&s->is_up);
    if (code == TB_OK) {
        net_run(s->net);
        if (!net_settle(s->net, SETTLE_MS, is_live_settled, s->live))
            give_up();
        sem_post(&s->is_settled);
    }
    while (sem_wait(&s->store_is_closed) != 0)
        ;       /* EINTR */
    close_on_loop(s);
}

/* ---- on main ---- */

static void
wait_for(sem_t *step)
{
    while (sem_wait(step) != 0)
        ;       /* EINTR */
}

static void
forget_key(struct server *s)
{
    if (s->key.p != NULL)
        sodium_memzero(s->key.p, s->key.n);
    tb_buf_fini(&s->key);
}

static enum tb_code
start_loop(struct server *s, const struct tb_config *config, struct tb_err *e)
{
    s->config = config;
    tb_thread_start(&s->loop, TB_LOOP, run_loop, s);
    wait_for(&s->is_up);
    s->config = NULL;
    forget_key(s);
    if (s->err.code != TB_OK)
        *e = s->err;
    return s->err.code;
}

static enum tb_code
open_archive(struct server *s, const struct tb_config *c, struct tb_err *e)
{
    const struct archive_settings archive = { .clock = s->clock, .url = c->sync.url, .queue = (size_t)c->history.queue,
                                              .timeout_ms = (int)c->history.timeout_ms };
    s->archive_queue = archive.queue;
    return archive_open(&s->archive, &archive, e);
}

static bool
post_to_loop(void *ctx, struct tb_msg *m)
{
    struct server *s = ctx;

    if (!s->has_live || s->is_stopping)
        return false;
    tb_mailbox_post_always(net_mailbox(s->net), m);
    return true;
}

/* On the loop. */
static void
write_metrics(void *ctx, struct tb_buf *out)
{
    rest_write_metrics(((struct server *)ctx)->rest, out);
}

static enum tb_code
open_control(struct server *s, const struct tb_config *c, struct tb_err *e)
{
    s->for_control = (struct serve_control){ .store = s->store, .sync = s->sync, .post_to_loop = post_to_loop,
                                             .write_metrics = write_metrics, .loop_ctx = s };
    return control_open(&s->control, &(struct control_settings){ .dir = c->server.data, .commands = serve_commands,
                                                                 .ctx = &s->for_control }, e);
}

/* A wrong certificate or a port in use makes no journal. */
static enum tb_code
check_doors(struct server *s, const struct tb_config *c, struct tb_err *e)
{
    if (serve_load_certificate(&s->certificate, c, s->clock, e) != TB_OK)
        return e->code;
    const struct net_settings net = serve_net_settings(c, s->clock, s->certificate);
    return net_try(&net, e);
}

static enum tb_code
open_layers(struct server *s, const struct tb_config *c, const struct serve_parts *parts, struct tb_err *e)
{
    struct store_settings store = serve_store_settings(c, s->clock, parts->vfs);

    if (parts->target != NULL)
        store.first_contact_ms = c->sync.first_contact_ms;
    if (check_doors(s, c, e) != TB_OK || store_open(&s->store, &store, e) != TB_OK)
        return e->code;
    if (chat_secret_load(c->server.data, tb_str_of(c->auth.secret), &s->key, e) != TB_OK)
        return e->code;
    const struct sync_settings sync = sync_settings(s, c, parts->target);
    if (sync_open(&s->sync, &sync, e) != TB_OK || (c->sync.url[0] != '\0' && open_archive(s, c, e) != TB_OK) ||
        open_control(s, c, e) != TB_OK)
        return e->code;
    return start_loop(s, c, e);
}

/* As far as they were opened. */
static void
close_layers(struct server *s)
{
    control_close(&s->control);
    archive_close(&s->archive);
    sync_close(&s->sync);
    store_close(&s->store);
    sem_post(&s->store_is_closed);
    tb_thread_join(&s->loop);
}

static void
server_free(struct server **s)
{
    forget_key(*s);
    net_certificate_free(&(*s)->certificate);
    sem_destroy(&(*s)->is_up);
    sem_destroy(&(*s)->is_settled);
    sem_destroy(&(*s)->store_is_closed);
    tb_free(*s);
    *s = NULL;
}

/* What listens where; port 0: nothing does. */
static void
say_listening(const struct server *s, const struct tb_config *c)
{
    log_info("serve.listening", "host=%s port=%u tls_host=%s tls_port=%u redirect_port=%u http2=%s data=\"%s\"", c->server.host,
             s->port, serve_tls_host(c), s->tls_port, s->redirect_port, c->server.http2 ? "yes" : "no", c->server.data);
}

static void
set_log(const struct tb_config *config, const struct tb_clock *clock)
{
    log_set((enum log_level)config->log.level, (enum log_format)config->log.format);
    log_set_requests(config->log.requests);
    slow_set(config->log.slow_ms, clock);
}

enum tb_code
serve_open(struct server **out, const struct tb_config *config, const struct serve_parts *parts, struct tb_err *e)
{
    static const struct serve_parts real;
    struct server                  *s = TB_NEW(struct server);

    assert(tb_thread_is(TB_MAIN));
    parts = parts != NULL ? parts : &real;
    s->clock = parts->clock != NULL ? parts->clock : &tb_clock_system;
    sem_init(&s->is_up, 0, 0);
    sem_init(&s->is_settled, 0, 0);
    sem_init(&s->store_is_closed, 0, 0);
    set_log(config, s->clock);
    if (open_layers(s, config, parts, e) != TB_OK) {
        close_layers(s);
        server_free(&s);
        return e->code;
    }
    s->stall = serve_stall_start(s->net, config);
    say_listening(s, config);
    serve_warn_of_proxies(config);
    *out = s;
    return TB_OK;
}

uint16_t
serve_port(const struct server *s)
{
    return s->port;
}

/* ---- what may change meanwhile ---- */

struct reload {
    struct tb_msg      msg;
    struct server     *server;
    struct net_certificate *certificate;    /* NULL: it stays as it is */
    struct chat_limits chat;
    struct live_limits live;
    struct net_address_limits by_address;
};

static void
run_reload(struct tb_msg *msg)
{
    struct reload *r = TB_CONTAINER(msg, struct reload, msg);

    chat_set_limits(r->server->chat, &r->chat);
    live_set_limits(r->server->live, &r->live);
    net_set_address_limits(r->server->net, &r->by_address);
    if (r->certificate != NULL)
        net_use_certificate(r->server->net, &r->certificate);
    tb_free(r);
}

/* NULL: there is none to be used. The rest of the settings takes effect all the same. */
static struct net_certificate *
reload_certificate(struct server *s, const struct tb_config *config)
{
    struct net_certificate *c = NULL;
    struct tb_err e = { 0 };

    if (serve_load_certificate(&c, config, s->clock, &e) != TB_OK)
        log_error("serve.certificate_not_reloaded", "why=\"%s\"", e.why);
    if (s->tls_port == 0 && config->tls.cert[0] != '\0')
        log_warn("serve.no_tls", "why=\"there was no tls.cert when the server started\"");
    if (s->tls_port == 0)
        net_certificate_free(&c);
    return c;
}

void
serve_reload(struct server *s, const struct tb_config *config)
{
    struct reload *r = TB_NEW(struct reload);

    *r = (struct reload){ .msg.run = run_reload, .server = s, .certificate = reload_certificate(s, config),
                          .chat = serve_chat_limits(config), .live = serve_live_limits(config),
                          .by_address = serve_address_limits(config) };
    set_log(config, s->clock);
    tb_mailbox_post_always(net_mailbox(s->net), &r->msg);
    log_info("serve.reloaded", "log_level=%d", (int)config->log.level);
}

void
serve_stop(struct server *s)
{
    s->is_stopping = true;
    net_stop(s->net);
    chat_stop(s->chat);     /* passwords that wait to be hashed would hold up the others, */
    if (s->archive != NULL)
        archive_stop(s->archive);   /* and so would pages that wait for the centre */
}

void
serve_close(struct server **s)
{
    if (*s == NULL)
        return;
    assert(tb_thread_is(TB_MAIN));
    log_info("serve.stopping", "port=%u", (*s)->port);
    serve_stop(*s);
    wait_for(&(*s)->is_settled);
    serve_stall_stop(&(*s)->stall);
    struct store_status journal;
    store_status((*s)->store, &journal);
    close_layers(*s);
    server_free(s);
    log_info("serve.stopped", "ops=%" PRIu64 " commits=%" PRIu64, journal.n_ops, journal.n_commits);
}
