/* What clients send: a table from the event's name to its payload's check and its chat call, the same call that REST makes. An
 * event's answer is an ack where one was asked for, otherwise nothing; no payload ends a connection. */
#include "live_inside.h"

#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/slow.h"
#include "chat/inside.h"
#include "chat/json.h"
#include "chat/render.h"

#include <jansson.h>

#define TEXT_NO_ROOM_ID "roomId is required"
#define TEXT_NO_MEMBER  "You are not a member of this room"

enum { EVENTS_WINDOW_MS = 1000, UNKNOWN_EVERY_MS = 60000, NAME_SHOWN = 48 };

enum { JOIN_ROOM, SEND_MESSAGE, TYPING, READ_MESSAGE, EVENT_COUNT, UNKNOWN = EVENT_COUNT };
static const char *const names[] = {
    [JOIN_ROOM] = "join_room", [SEND_MESSAGE] = "send_message", [TYPING] = "typing", [READ_MESSAGE] = "read_message",
    [UNKNOWN] = "unknown",
};
static const char *const results[TB_CODE_COUNT] = {
    [TB_OK] = "ok",
#define X(name, wire, status, say) [name] = wire,
    TB_CODES(X)
#undef X
};
TB_COUNTER_BY_BOTH(taken, "tombolo_events_total", "event", names, "result", results,
                   "Events of sockets, by name and how they ended: ok, or the code of the failure.");
static const uint64_t edges[] = { TB_LATENCY_EDGES };
TB_HISTOGRAM_BY(durations, TB_UNIT_US, edges, "tombolo_event_duration_seconds", "event", names,
                "From an event to its ack, also where none was asked for; those refused at once are not in it.");
TB_COUNTER(acks, "tombolo_acks_total", "Acks sent to sockets, of success and of failure.");

/* What any event may carry; each reads its own fields. */
struct payload {
    int64_t         room_id;
    tb_str          content, key;
    bool            is_typing;
    struct chat_ids ids;
};

struct request {                        /* one event on its way to its ack */
    struct live       *live;
    struct sio_socket *socket;          /* a reference: it may have ended by then, and an ack to it goes nowhere */
    int64_t            ack;
    size_t             event;           /* its place in events */
    int64_t            begun_us;
    struct payload     in;
    char               about[LOG_ABOUT_SIZE];   /* the socket's, which may end before this does */
    struct tb_arena    mem;             /* what `in` points into */
    union {
        struct chat_call call;
        struct chat_join join;
        struct chat_send send;
        struct chat_read read;
    };
};

/* ---- acks ---- */

static void
ack(struct sio_socket *socket, int64_t id, const struct tb_buf *args)
{
    if (id == SIO_NO_ACK)
        return;
    tb_count(&acks, 0);
    sio_ack(socket, id, tb_buf_str(args));
}

/* Two codes are one word to clients: what could not be saved is counted as internal, too. */
static void
count(size_t event, enum tb_code result)
{
    tb_count_pair(&taken, event, result == TB_EIO ? TB_EINTERNAL : result);
}

static void
ack_failure(struct sio_socket *socket, int64_t id, const struct tb_err *e)
{
    struct tb_buf  args = TB_BUF_INIT;
    struct tb_json j = tb_json_to(&args);
    uint32_t       retry_after_s = chat_retry_after(e);

    tb_json_open_object(&j);
    tb_json_key(&j, "ok"), tb_json_bool(&j, false);
    tb_json_key(&j, "error"), tb_json_str(&j, tb_str_of(e->say));
    tb_json_key(&j, "code"), tb_json_str(&j, tb_str_of(tb_code_wire(e->code)));
    if (retry_after_s > 0) {
        tb_json_key(&j, "retryAfter");
        tb_json_int(&j, retry_after_s);
    }
    tb_json_end_object(&j);
    tb_json_fini(&j);
    ack(socket, id, &args);
    tb_buf_fini(&args);
}

static void
free_request(struct request *r)
{
    r->live->n_pending--;
    chat_call_fini(&r->call);
    tb_arena_fini(&r->mem);
    sio_socket_unref(&r->socket);
    tb_free(r);
}

static void
note_time(const struct request *r)
{
    int64_t took_us = tb_mono_us(r->live->settings.clock) - r->begun_us;

    tb_observe(&durations, r->event, (uint64_t)took_us);
    if (slow_is(took_us))
        slow_log(SLOW_EVENT, took_us, "name=%s result=%s", names[r->event], tb_code_wire(r->call.err.code));
}

/* {ok:true} and, where the event has more to say, what add writes behind it. */
static void
finish(struct request *r, void (*add)(struct tb_json *j, const struct request *r))
{
    struct tb_buf  args = TB_BUF_INIT;
    struct tb_json j = tb_json_to(&args);

    count(r->event, r->call.err.code);
    note_time(r);
    if (r->call.err.code == TB_EINTERNAL || r->call.err.code == TB_EIO)
        log_error("live.failed", "name=%s why=\"%s\"", names[r->event], r->call.err.why);
    if (r->call.err.code != TB_OK) {
        ack_failure(r->socket, r->ack, &r->call.err);
    } else {
        tb_json_open_object(&j);
        tb_json_key(&j, "ok"), tb_json_bool(&j, true);
        if (add != NULL)
            add(&j, r);
        tb_json_end_object(&j);
        tb_json_fini(&j);
        ack(r->socket, r->ack, &args);
    }
    tb_buf_fini(&args);
    free_request(r);
}

/* ---- the events ---- */

static void
add_membership(struct tb_json *j, const struct request *r)
{
    tb_json_key(j, "membership");
    chat_render_member(j, r->join.add.member_id, r->join.call.user_id, r->join.room_id);
}

static void
on_joined(struct chat_call *call)
{
    finish(TB_CONTAINER(call, struct request, call), add_membership);
}

static void
start_join_room(struct live *l, struct request *r)
{
    r->join.call.on_done = on_joined;
    r->join.room_id = r->in.room_id;
    chat_join(l->settings.chat, &r->join);
}

static void
add_message(struct tb_json *j, const struct request *r)
{
    tb_json_key(j, "message");
    chat_render_message(j, r->send.message);
}

static void
on_sent(struct chat_call *call)
{
    struct request *r = TB_CONTAINER(call, struct request, call);
    struct client  *c = sio_socket_app(r->socket);      /* NULL: it has ended meanwhile */

    if (c != NULL && call->err.code == TB_OK)
        typing_end(c, r->send.room_id);
    finish(r, add_message);
}

static void
start_send_message(struct live *l, struct request *r)
{
    r->send.call.on_done = on_sent;
    r->send.room_id = r->in.room_id;
    r->send.content = r->in.content.p != NULL ? r->in.content : TB_LIT("");
    r->send.key = r->in.key;
    chat_send(l->settings.chat, &r->send);
}

static void
on_read(struct chat_call *call)
{
    finish(TB_CONTAINER(call, struct request, call), NULL);
}

static void
start_read_message(struct live *l, struct request *r)
{
    r->read.call.on_done = on_read;
    r->read.room_id = r->in.room_id;
    r->read.ids = r->in.ids;
    chat_read(l->settings.chat, &r->read);
}

/* Sockets are in exactly their user's rooms, so membership is known here. */
static void
start_typing(struct live *l, struct request *r)
{
    struct client *c = sio_socket_app(r->socket);
    char           text[24];
    int64_t        wait_us;

    (void)l;
    if (!sio_is_in(r->socket, live_room_name(r->in.room_id, text)))
        tb_fail(&r->call.err, TB_EDENIED, TEXT_NO_MEMBER, "typing");
    else if (!typing_set(c, r->in.room_id, r->in.is_typing, &wait_us))
        chat_fail_limit(&r->call.err, NULL, wait_us);
    finish(r, NULL);
}

#define FIELD(kind_, name_, member, missing_, wrong_) \
    { .name = name_, .kind = kind_, .at = offsetof(struct payload, member), .missing = missing_, .wrong = wrong_ }

static const struct chat_field join_fields[] = {
    FIELD(CHAT_ID, "roomId", room_id, TEXT_NO_ROOM_ID, "roomId must be a number"),
};
static const struct chat_field send_fields[] = {
    FIELD(CHAT_ID, "roomId", room_id, TEXT_NO_ROOM_ID, "roomId must be a number"),
    FIELD(CHAT_TEXT, "content", content, "Message content cannot be empty", "content must be text"),
    FIELD(CHAT_KEY, "clientId", key, NULL, "clientId must be text"),
};
static const struct chat_field typing_fields[] = {
    FIELD(CHAT_ID, "roomId", room_id, TEXT_NO_ROOM_ID, "roomId must be a number"),
    FIELD(CHAT_BOOL, "isTyping", is_typing, NULL, "isTyping must be true or false"),
};
static const struct chat_field read_fields[] = {
    FIELD(CHAT_ID, "roomId", room_id, "roomId and messageIds are required", "roomId must be a number"),
    FIELD(CHAT_IDS, "messageIds", ids, "roomId and messageIds are required", "messageIds must be an array of numbers"),
};

#define FIELDS(list_) { .list = list_, .n = sizeof list_ / sizeof *list_ }

static const struct event {
    struct chat_fields fields;
    void             (*start)(struct live *l, struct request *r);
} events[EVENT_COUNT] = {
    [JOIN_ROOM] = { FIELDS(join_fields), start_join_room },
    [SEND_MESSAGE] = { FIELDS(send_fields), start_send_message },
    [TYPING] = { FIELDS(typing_fields), start_typing },
    [READ_MESSAGE] = { FIELDS(read_fields), start_read_message },
};

/* ---- taking one ---- */

static size_t
find_event(tb_str name)
{
    size_t i = 0;

    while (i < EVENT_COUNT && !tb_str_eq(name, tb_str_of(names[i])))
        i++;
    return i;
}

static bool
is_too_fast(struct client *c)
{
    int64_t now = tb_mono_ms(c->live->settings.clock);

    if (now - c->events_ms >= EVENTS_WINDOW_MS) {
        c->events_ms = now;
        c->events = 0;
    }
    return c->live->settings.limits.events_per_second != 0 && ++c->events > c->live->settings.limits.events_per_second;
}

/* Exactly one object, as the payload: no payload, another type and further arguments are refused. */
static enum tb_code
read_payload(const struct event *e, const struct sio_event *ev, struct request *r, struct tb_err *err)
{
    json_error_t at;
    enum tb_code code = TB_OK;

    if (ev->n_attachments > 0)
        return tb_fail(err, TB_EINPUT, "Binary data is not expected here", "event with attachments");
    if (ev->json.n > r->live->settings.limits.event_bytes)
        return tb_fail(err, TB_ETOOBIG, NULL, "event of %zu bytes", ev->json.n);
    json_t *args = chat_json_load(ev->json, &at);
    if (args == NULL || json_array_size(args) > 2)
        code = tb_fail(err, TB_EINPUT, "One object is expected as the payload", "event with other arguments");
    else
        code = chat_fields_read(json_array_get(args, 1), e->fields, &r->in, &r->mem, err);
    json_decref(args);
    return code;
}

/* Without an ack the client learns nothing of it, so a wrong name is found here: a line a minute, and a metric for each. */
static void
note_unknown(struct client *c, tb_str name)
{
    struct live *l = c->live;
    int64_t      now = tb_mono_ms(l->settings.clock);
    char         about[LOG_ABOUT_SIZE], shown[NAME_SHOWN];

    if (l->unknown_told_ms != 0 && now - l->unknown_told_ms < UNKNOWN_EVERY_MS)
        return;
    l->unknown_told_ms = now;
    log_about(client_about(c, about));
    log_warn("live.unknown_event", "name=\"%s\"", log_text(name, shown, sizeof shown));
    log_about(TB_STR_NULL);
}

void
events_take(struct client *c, const struct sio_event *ev)
{
    size_t        event = find_event(ev->name);
    struct tb_err err = { 0 };

    if (is_too_fast(c)) {
        live_hit(HIT_EVENTS);
        count(event, TB_ELIMIT);
        tb_fail(&err, TB_ELIMIT, NULL, "events per second");
        err.retry_after_s = 1;
        ack_failure(c->socket, ev->ack, &err);
        return;
    }
    if (event == UNKNOWN) {
        if (ev->ack == SIO_NO_ACK)
            note_unknown(c, ev->name);
        tb_fail(&err, TB_EINPUT, "Unknown event", "unknown event");
        count(event, TB_EINPUT);
        ack_failure(c->socket, ev->ack, &err);
        return;
    }
    struct request *r = TB_NEW(struct request);
    r->live = c->live;
    r->live->n_pending++;
    r->socket = sio_socket_ref(c->socket);
    r->ack = ev->ack;
    r->event = event;
    r->begun_us = tb_mono_us(c->live->settings.clock);
    r->call.about = client_about(c, r->about);
    r->call.user_id = c->user->id;
    if (read_payload(&events[event], ev, r, &r->call.err) != TB_OK) {
        count(r->event, r->call.err.code);
        ack_failure(r->socket, r->ack, &r->call.err);
        free_request(r);
        return;
    }
    log_about(r->call.about);
    events[event].start(c->live, r);
    log_about(TB_STR_NULL);
}
