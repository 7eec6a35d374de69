/* Sockets from CONNECT to their end, and who of them is whose. The namespace's handler is here; what a socket hears is
 * feed.c's, what it says events.c's. One function makes every move of a client's state (table below). */
#include "live_inside.h"

#include "base/address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/scan.h"
#include "chat/json.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MINUTE_MS = 60000,
    STEP_BACK_EVERY_MS = 60000,         /* how often a step back of the journal is told */
    SWEEP_MS = 1000,                    /* how often expired tokens are looked for */
    MAX_AUTHORIZATION = 4096 + 16,      /* bytes of a handshake's header that are kept: a token and its scheme */
};

static const char *const limits_hit[] = {
    [HIT_CONNECTS] = "live.connects",
    [HIT_USER_CONNECTS] = "live.user_connects",
    [HIT_SOCKETS_PER_USER] = "live.sockets_per_user",
    [HIT_EVENTS] = "live.events_per_second",
    [HIT_TYPING] = "live.typing",
};
TB_LIMIT_HITS(hits, limits_hit);

enum { REFUSED_PID, REFUSED_OFFSET, REFUSED_OLD };
static const char *const refusals[] = { [REFUSED_PID] = "pid", [REFUSED_OFFSET] = "offset", [REFUSED_OLD] = "old" };
TB_COUNTER_BY(recovery_refused, "tombolo_recovery_refused_total", "reason", refusals,
              "Sockets that came back and began anew: the pid or the offset is none of this journal, or too old.");
TB_COUNTER(steps_back, "tombolo_steps_back_total", "Sockets that had seen more than the journal has: it was set back.");
TB_COUNTER(unauthorized, "tombolo_connects_unauthorized_total", "Sockets refused for a missing or invalid token.");

#define TEXT_MISSING "Unauthorized: missing token"
#define TEXT_INVALID "Unauthorized: invalid token"

static const bool allowed[CLIENT_STATE_COUNT][CLIENT_STATE_COUNT] = {
    [CLIENT_CHECKING] = { [CLIENT_PAGING] = true, [CLIENT_GONE] = true },
    [CLIENT_PAGING]   = { [CLIENT_PAGING] = true, [CLIENT_DRAINING] = true, [CLIENT_LIVE] = true, [CLIENT_GONE] = true },
    [CLIENT_DRAINING] = { [CLIENT_PAGING] = true, [CLIENT_DRAINING] = true, [CLIENT_LIVE] = true, [CLIENT_GONE] = true },
    [CLIENT_LIVE]     = { [CLIENT_DRAINING] = true, [CLIENT_GONE] = true },
    [CLIENT_GONE]     = { [CLIENT_GONE] = true },
};

/* ---- small things ---- */

tb_str
live_room_name(int64_t room_id, char out[24])
{
    int n = snprintf(out, 24, "r%" PRId64, room_id);
    return (tb_str){ .p = out, .n = (size_t)n };
}

/* "socket=<sid> user=<id>": made for each event, hence without printf. */
tb_str
client_about(const struct client *c, char out[LOG_ABOUT_SIZE])
{
    const tb_str socket = TB_LIT("socket="), user = TB_LIT(" user=");
    char         digits[20];
    size_t       n_sid = sizeof c->sid - 1, n = 0, k = sizeof digits;

    memcpy(out, socket.p, socket.n), n += socket.n;
    memcpy(out + n, c->sid, n_sid), n += n_sid;
    memcpy(out + n, user.p, user.n), n += user.n;
    for (int64_t id = c->user->id; k == sizeof digits || id > 0; id /= 10)
        digits[--k] = (char)('0' + id % 10);
    memcpy(out + n, digits + k, sizeof digits - k);
    return (tb_str){ .p = out, .n = n + sizeof digits - k };
}

void
live_hit(enum live_limit which)
{
    tb_count(&hits, which);
}

void
live_wake(struct live *l, int64_t at_ms)
{
    if (at_ms >= l->wake_ms)
        return;
    l->wake_ms = at_ms;
    l->settings.wake_at(l->settings.wake_ctx, at_ms);
}

void
client_drop(struct client *c)
{
    if (c->socket != NULL)
        sio_conn_close(sio_socket_conn(c->socket), EIO_AT_ONCE);
}

/* A client that is gone is freed with the last answer that it waits for. */
void
client_set_state(struct client *c, enum client_state to)
{
    assert(allowed[c->state][to]);
    c->live->stats.catching_up += (to != CLIENT_LIVE && to != CLIENT_GONE);
    c->live->stats.catching_up -= (c->state != CLIENT_LIVE && c->state != CLIENT_GONE);
    c->state = to;
    atomic_store(&c->is_unwanted, to == CLIENT_GONE);
    if (to == CLIENT_GONE && !c->is_waiting)
        tb_free(c);
}

/* ---- connecting ---- */

static tb_str
text_of(const json_t *auth, const char *key)
{
    const json_t *v = json_object_get(auth, key);
    return json_is_string(v) ? (tb_str){ .p = json_string_value(v), .n = json_string_length(v) } : TB_STR_NULL;
}

/* auth.token, with or without its scheme; else the handshake's Authorization. */
static tb_str
find_token(struct sio_socket *sk, const json_t *auth)
{
    tb_str            token = text_of(auth, "token");
    const char       *header = sio_conn_app(sio_socket_conn(sk));

    if (token.n == 0 && header != NULL)
        token = tb_str_of(header);
    return chat_token_in(token);
}

static enum offset_mode
mode_of(const json_t *auth)
{
    tb_str recovery = text_of(auth, "recovery");

    if (tb_str_eq(recovery, TB_LIT("argument")))
        return OFFSET_ARGUMENT;
    return tb_str_eq(recovery, TB_LIT("off")) ? OFFSET_OFF : OFFSET_EVENT;
}

static struct client *
new_client(struct live *l, struct sio_socket *sk, const struct chat_claims *claims, enum offset_mode mode)
{
    struct client *c = TB_NEW(struct client);

    c->live = l;
    c->socket = sk;
    c->mode = mode;
    c->claims = *claims;
    c->seen = c->start = l->head;
    recovery_sid_make(c->sid);
    user_add_client(users_take(l, claims->who.user_id), c);
    sio_socket_set_app(sk, c);
    l->stats.clients++;
    l->stats.catching_up++;
    return c;
}

/* ---- recovering ---- */

struct checking {
    struct store_find_offset r;
    struct client           *client;
    char                    *offset;    /* what the client brought; NULL: the start of its pid is looked at */
};

static bool
is_recent(const struct live *l, int64_t at)
{
    int64_t window_ms = (int64_t)l->settings.limits.recovery_days * 86400000;
    return at == 0 || (at >> 16) + window_ms >= tb_wall_ms(l->settings.clock);
}

static void
start_new_session(struct client *c)
{
    c->is_recovered = false;
    c->seen = c->start = c->live->head;
    recovery_sid_make(c->sid);
    feed_start(c);
}

static void
recover(struct client *c, const struct checking *k)
{
    c->is_recovered = true;
    c->seen = k->r.pos > c->start ? k->r.pos : c->start;
    c->handed_pos = k->r.pos + 1;
    c->n_handed = k->r.parts;
    if (k->offset != NULL)
        delivery_confirm_upto(c, k->r.pos);
    feed_start(c);
}

static void
on_checked(struct store_op *op)
{
    struct checking *k = TB_CONTAINER(op, struct checking, r.op);
    struct client   *c = k->client;
    struct live     *l = c->live;

    c->is_waiting = false;
    l->n_pending--;
    if (c->state == CLIENT_GONE) {
        client_set_state(c, CLIENT_GONE);
    } else if (op->err.code == TB_EINPUT) {
        tb_count(&recovery_refused, REFUSED_OFFSET);
        start_new_session(c);
    } else if (op->err.code != TB_OK) {
        client_drop(c);             /* busy: it comes back and tries again */
    } else if (!is_recent(l, k->r.at)) {
        tb_count(&recovery_refused, REFUSED_OLD);
        start_new_session(c);
    } else {
        recover(c, k);
    }
    store_op_fini(op);
    tb_free(k->offset);
    tb_free(k);
}

static void
check_offset(struct client *c, tb_str offset)
{
    struct checking *k = TB_NEW(struct checking);

    k->client = c;
    k->offset = offset.n > 0 ? tb_str_to_c(offset) : NULL;
    k->r.offset = (tb_str){ .p = k->offset, .n = offset.n };
    k->r.pos = c->start;
    k->r.op.reply_to = c->live->settings.mailbox;
    k->r.op.on_done = on_checked;
    c->is_waiting = true;
    c->live->n_pending++;
    store_find_offset(c->live->settings.store, &k->r);
}

/* Somebody has been further in this journal than it goes: it was set back, by an old copy or a disk that lied. A pid proves
 * it; an offset says so, and anybody may write one. */
static void
note_step_back(struct live *l, int64_t to, bool is_proved)
{
    enum log_level level = is_proved ? LOG_ERROR : LOG_WARN;
    int64_t        now = tb_mono_ms(l->settings.clock);

    tb_count(&steps_back, 0);
    if (l->step_back_told_ms != 0 && now - l->step_back_told_ms < STEP_BACK_EVERY_MS)
        return;
    l->step_back_told_ms = now;
    if (log_wants(level))
        log_write(level, "journal.step_back", "head=%" PRId64 " client_has_seen=%" PRId64, l->head, to);
}

/* The position that an offset names, whatever else is in it; 0: none. */
static int64_t
position_of(tb_str offset)
{
    struct tb_scan s = tb_scan_of(offset);
    uint64_t       pos = 0;

    return tb_str_to_uint(tb_scan_until(&s, '-'), INT64_MAX, &pos) ? (int64_t)pos : 0;
}

/* With a pid of ours it is recovered from its offset, or from its start when it never learnt one; otherwise it is new. */
static void
begin(struct client *c, const json_t *auth)
{
    struct live *l = c->live;
    tb_str       pid = text_of(auth, "pid"), offset = text_of(auth, "offset");
    char         sid[RECOVERY_SID_SIZE];
    int64_t      start;

    if (pid.n == 0 || c->mode == OFFSET_OFF) {
        feed_start(c);
        return;
    }
    bool is_ours = recovery_pid_read(&l->key, c->user->id, tb_str_of(l->journal_uuid), pid, sid, &start);
    if (is_ours && (start > l->head || position_of(offset) > l->head))
        note_step_back(l, start > l->head ? start : position_of(offset), start > l->head);
    if (!is_ours || start > l->head) {
        tb_count(&recovery_refused, REFUSED_PID);
        feed_start(c);
        return;
    }
    memcpy(c->sid, sid, sizeof c->sid);
    c->start = start;
    check_offset(c, offset);
}

/* Who comes too often, or has too many sockets, is told nothing: the transport is closed, and a stock client comes back
 * later and later. */
static bool
may_have_socket(struct live *l, int64_t user_id)
{
    const struct user *u = live_find_user(l, user_id);
    int64_t            wait_us;

    if (u != NULL && u->n_clients >= l->settings.limits.sockets_per_user) {
        live_hit(HIT_SOCKETS_PER_USER);
        log_warn("live.too_many_sockets", "user=%" PRId64, user_id);
        return false;
    }
    if (!chat_limit_admit(l->user_connects, chat_limit_key_of(user_id), tb_mono_us(l->settings.clock), &wait_us)) {
        live_hit(HIT_USER_CONNECTS);
        log_debug("live.connects_too_often", "user=%" PRId64, user_id);
        return false;
    }
    return true;
}

static void
refuse_token(struct sio_socket *sk, tb_str text)
{
    tb_count(&unauthorized, 0);
    sio_refuse(sk, text, TB_STR_NULL);
}

static void
on_connect(void *ctx, struct sio_socket *sk, tb_str auth_text)
{
    struct live       *l = ctx;
    struct chat_claims claims;
    struct tb_err      e = { 0 };
    json_error_t       why;
    json_t            *auth = chat_json_load(auth_text, &why);
    tb_str             token = find_token(sk, auth);

    if (l->is_stopping) {
        sio_conn_close(sio_socket_conn(sk), EIO_AT_ONCE);
    } else if (token.n == 0) {
        refuse_token(sk, TB_LIT(TEXT_MISSING));
    } else if (chat_authenticate(l->settings.chat, token, &claims, &e) != TB_OK) {
        refuse_token(sk, TB_LIT(TEXT_INVALID));
    } else if (!may_have_socket(l, claims.who.user_id)) {
        sio_conn_close(sio_socket_conn(sk), EIO_AT_ONCE);
    } else {
        begin(new_client(l, sk, &claims, mode_of(auth)), auth);
    }
    json_decref(auth);
}

/* ---- the rest of a socket's life ---- */

static void
on_event(void *ctx, struct sio_socket *sk, const struct sio_event *ev)
{
    struct client *c = sio_socket_app(sk);

    (void)ctx;
    if (c != NULL)
        events_take(c, ev);
}

/* From here on the socket is nobody's. */
static void
end_client(struct client *c)
{
    delivery_forget(c);
    typing_end_all(c);
    user_remove_client(c);
    sio_socket_set_app(c->socket, NULL);
    c->socket = NULL;
    c->live->stats.clients--;
    assert(!c->is_touched);         /* nothing ends a connection while a batch is handed out */
    client_set_state(c, CLIENT_GONE);
}

void
client_refuse(struct client *c)
{
    struct sio_socket *sk = c->socket;

    assert(!c->is_accepted);
    end_client(c);
    refuse_token(sk, TB_LIT(TEXT_INVALID));
}

static void
on_disconnect(void *ctx, struct sio_socket *sk, enum sio_reason why)
{
    struct client *c = sio_socket_app(sk);

    (void)ctx;
    if (c == NULL)
        return;
    log_debug("live.disconnect", "user=%" PRId64 " socket=%s why=\"%s\"", c->user->id, c->sid, sio_reason_text(why));
    end_client(c);
}

static void
on_pong(void *ctx, struct sio_socket *sk, uint64_t sent)
{
    struct client *c = sio_socket_app(sk);

    (void)ctx;
    if (c != NULL)
        delivery_pong(c, sent);
}

static void
on_drain(void *ctx, struct sio_socket *sk)
{
    struct client *c = sio_socket_app(sk);

    (void)ctx;
    if (c != NULL)
        feed_on_drain(c);
}

static enum sio_full
on_full(void *ctx, struct sio_socket *sk)
{
    struct live *l = ctx;

    (void)sk;
    return l->is_feeding ? SIO_FULL_DROP : SIO_FULL_CLOSE;
}

static const struct sio_handler handler = {
    .on_connect = on_connect, .on_event = on_event, .on_disconnect = on_disconnect,
    .on_pong = on_pong,       .on_drain = on_drain, .on_full = on_full,
};

/* ---- handshakes ---- */

/* By address: two halves of a keyed hash, so that nobody chooses what shares a bucket. */
static struct chat_limit_key
key_of(const struct live *l, tb_str peer)
{
    struct chat_limit_key key;
    struct tb_address     a;

    if (tb_address_parse(peer, &a)) {
        a = tb_address_network(a);
        peer = (tb_str){ (const char *)a.bytes, sizeof a.bytes };
    }
    crypto_generichash((unsigned char *)&key, sizeof key, (const unsigned char *)peer.p, peer.n, l->key.bytes,
                       sizeof l->key.bytes);
    return key;
}

static struct chat_rate
per_minute(unsigned max, const struct live_limits *limits)
{
    return (struct chat_rate){ .max = max, .window_ms = MINUTE_MS, .tracked = limits->tracked };
}

static bool
allow(void *ctx, const struct eio_request *rq, struct eio_refusal *refusal)
{
    struct live *l = ctx;
    int64_t      wait_us;

    if (chat_limit_admit(l->connects, key_of(l, rq->peer), tb_mono_us(l->settings.clock), &wait_us))
        return true;
    live_hit(HIT_CONNECTS);
    refusal->message = "Too many connections from your address";
    refusal->retry_after_s = (uint32_t)(wait_us / 1000000 + 1);
    return false;
}

/* Until it is known whose it is, its network pays (base/address.h). The token is kept for sockets that
 * bring none of their own. */
static void
on_open(void *ctx, struct sio_conn *conn, const struct eio_request *rq)
{
    tb_str            value = rq->ops->header != NULL ? rq->ops->header(rq, TB_LIT("authorization")) : TB_STR_NULL;
    struct tb_address a;

    (void)ctx;
    if (tb_address_parse(rq->peer, &a)) {
        a = tb_address_network(a);
        sio_conn_set_payer(conn, (tb_str){ (const char *)a.bytes, sizeof a.bytes });
    }
    if (value.n > 0 && value.n <= MAX_AUTHORIZATION)
        sio_conn_set_app(conn, tb_str_to_c(value));
}

static void
drop_authorization(void *ctx, struct sio_conn *conn, enum eio_reason why)
{
    (void)ctx, (void)why;
    tb_free(sio_conn_app(conn));
    sio_conn_set_app(conn, NULL);
}

static const struct sio_server_handler server_handler = { .allow = allow, .on_open = on_open,
                                                          .on_close = drop_authorization };

/* ---- time ---- */

void
live_tick(struct live *l)
{
    int64_t now = tb_mono_ms(l->settings.clock);

    l->wake_ms = INT64_MAX;
    delivery_tick(l, now);
    gather_tick(l, now);
    presence_tick(l, now);
    typing_tick(l, now);
    returning_tick(l, now);
    if (now >= l->sweep_at_ms) {
        users_drop_expired(l);
        l->sweep_at_ms = now + SWEEP_MS;
    }
    live_wake(l, l->sweep_at_ms);
}

/* ---- opening and closing ---- */

struct live *
live_open(const struct live_settings *settings)
{
    struct live        *l = TB_NEW(struct live);
    struct store_status status;

    l->settings = *settings;
    l->key = recovery_key_from(settings->secret);
    l->settings.secret = TB_STR_NULL;
    l->wake_ms = INT64_MAX;
    l->feed_max_queued = settings->options->eio.max_queued / 2;
    store_status(settings->store, &status);
    memcpy(l->journal_uuid, status.journal_uuid, sizeof l->journal_uuid);
    l->head = status.head_pos;
    l->ring = tb_alloc_zero(settings->limits.ring_batches * sizeof(struct store_batch *));
    l->connects = chat_limit_new(per_minute(settings->limits.connects, &settings->limits));
    l->user_connects = chat_limit_new(per_minute(settings->limits.user_connects, &settings->limits));
    l->typings = chat_limit_new(per_minute(settings->limits.typing, &settings->limits));
    l->server = sio_server_new(settings->host, settings->options, &server_handler, l);
    l->ns = sio_namespace_add(l->server, TB_LIT("/"), &handler, l);
    sio_namespace_without_attachments(l->ns);
    store_feed(settings->store, settings->mailbox, feed_on_batch, l);
    returning_open(l, &settings->options->eio);
    live_wake(l, tb_mono_ms(settings->clock));
    return l;
}

void
live_stop(struct live *l)
{
    l->is_stopping = true;
    presence_stop(l);
    if (l->n_storing == 0)
        gather_flush(l);        /* else it is being stored, and what came since is proved again when they are back */
    sio_server_close(l->server);
}

bool
live_is_settled(const struct live *l)
{
    return l->n_pending == 0;
}

struct eio_engine *
live_engine(struct live *l)
{
    return sio_server_engine(l->server);
}

void
live_close(struct live **lp)
{
    struct live *l = *lp;
    struct user *next;

    if (l == NULL)
        return;
    sio_server_free(&l->server);
    for (struct user *u = l->users; u != NULL; u = next) {
        next = u->hh.next;
        u->is_changed = false;
        live_forget_user(l, u);
    }
    feed_close(l);
    delivery_close(l);
    gather_close(l);
    chat_limit_free(&l->connects);
    chat_limit_free(&l->user_connects);
    chat_limit_free(&l->typings);
    tb_free(l);
    *lp = NULL;
}

void
live_set_limits(struct live *l, const struct live_limits *limits)
{
    size_t ring = l->settings.limits.ring_batches;      /* fixed at open */

    l->settings.limits = *limits;
    l->settings.limits.ring_batches = ring;
    chat_limit_set(l->connects, per_minute(limits->connects, limits));
    chat_limit_set(l->user_connects, per_minute(limits->user_connects, limits));
    chat_limit_set(l->typings, per_minute(limits->typing, limits));
}

void
live_stats(const struct live *l, struct live_stats *out)
{
    *out = l->stats;
    out->users = HASH_COUNT(l->users);
    out->receipts_waiting = gather_waiting(l);
}
