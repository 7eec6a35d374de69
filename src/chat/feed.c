/* From the journal to the sockets. A live socket hears each batch as it is committed; every other one catches up: a page
 * from the store, sent, drained, the next page, until the ring of recent batches reaches back to where it stands; it takes
 * the rest from there and is live. A live socket whose queue is full, or that owes too many proofs of arrival, goes back to
 * catching up. Nothing else joins the past to the present, so there is no gap and no repeat.
 *
 *   CHECKING -> PAGING -> DRAINING -> PAGING ...
 *                  \          \-> LIVE -> DRAINING (its queue was full)
 *                   \-> LIVE
 *   any -> GONE
 *
 * Each packet is rendered and framed once and queued by reference to all who hear it. */
#include "live_inside.h"

#include "base/log.h"
#include "base/metrics.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    PAGE_EVENTS = 500,                  /* of one page at most: some 100 KB of packets, a tenth of what may be queued */
    PAGE_EVENTS_LEAST = 4,
    RING_MAX_BYTES = 16 << 20,          /* of the ring's content; the newest batch always stays */
};

TB_COUNTER(fell_behind, "tombolo_fell_behind_total", "Times that a live socket's queue was full, so that it catches up.");
TB_COUNTER(recovered, "tombolo_recoveries_total", "Sockets that came back and were recovered.");
TB_COUNTER(pages, "tombolo_catch_up_pages_total", "Pages of the journal read for sockets that catch up.");
TB_COUNTER(deliveries, "tombolo_deliveries_total", "Packets of the journal handed to sockets, one for each receiver.");

/* ---- rendering: an event to its packets ---- */

/* Where packets of the event go: a room, or one client. */
struct outlet {
    struct live              *live;
    const struct store_event *event;
    struct client            *only;             /* NULL: all live sockets of the packet's room */
    bool                      checks_rooms;     /* only: leave out packets of rooms it is not in */
};

struct packet {
    const struct outlet *outlet;
    tb_str               name, args;
    struct sio_message  *plain, *with_offset;   /* made when first wanted */
    uint32_t             parts;                 /* in the offset of with_offset */
    uint64_t             n_handed;              /* to how many */
};

/* Of receipts: one part for each message or reader. */
static bool
is_told_in_parts(const struct op *op)
{
    return (op->kind == OP_DELIVERED || op->kind == OP_READ) &&
           (op->receipts.n > 1 || (op->kind == OP_DELIVERED && op->receipts.n == 1 && op->receipts.of[0].n > 1));
}

static struct sio_message *
with_offset(const struct packet *p)
{
    const struct store_event *event = p->outlet->event;
    struct tb_buf             args = TB_BUF_INIT;
    char                      offset[STORE_OFFSET_SIZE];

    if (is_told_in_parts(&event->op))
        store_event_offset_within(event, p->parts, offset);
    else
        store_event_offset(event, offset);
    tb_buf_add(&args, p->args);
    tb_buf_add_char(&args, ',');
    packet_offset(&args, offset);
    struct sio_message *m = sio_message_new(p->outlet->live->ns, p->name, tb_buf_str(&args));
    tb_buf_fini(&args);
    return m;
}

/* Members of different rooms have been handed different numbers of an op's packets; most often they are the same. */
static struct sio_message *
message_for(struct packet *p, const struct client *c)
{
    if (c->mode != OFFSET_ARGUMENT) {
        if (p->plain == NULL)
            p->plain = sio_message_new(p->outlet->live->ns, p->name, p->args);
        return p->plain;
    }
    if (p->with_offset != NULL && p->parts != c->n_handed + 1)
        sio_message_free(&p->with_offset);
    if (p->with_offset == NULL) {
        p->parts = c->n_handed + 1;
        p->with_offset = with_offset(p);
    }
    return p->with_offset;
}

static void
touch(struct client *c)
{
    struct live *l = c->live;

    if (c->is_touched)
        return;
    if (l->n_touched == l->cap_touched) {
        l->cap_touched = l->cap_touched ? 2 * l->cap_touched : 64;
        l->touched = tb_realloc(l->touched, l->cap_touched * sizeof(struct client *));
    }
    l->touched[l->n_touched++] = c;
    c->is_touched = true;
}

static void
tell_offset(struct client *c, struct sio_message **message, const char *offset)
{
    struct tb_buf args = TB_BUF_INIT;

    if (c->mode != OFFSET_EVENT)
        return;
    if (*message == NULL) {
        packet_offset(&args, offset);
        *message = sio_message_new(c->live->ns, TB_LIT("offset"), tb_buf_str(&args));
        tb_buf_fini(&args);
    }
    sio_emit(c->socket, *message, SIO_RELIABLE);    /* a full queue: the next batch brings a newer one */
}

/* Where it stands within the op that did not fit: a line that is cut before each page's end must get on all the same. */
static void
tell_offset_within(struct client *c, const struct store_event *event)
{
    struct sio_message *message = NULL;
    char                offset[STORE_OFFSET_SIZE];

    store_event_offset_within(event, c->handed_pos == event->op.pos ? c->n_handed : 0, offset);
    tell_offset(c, &message, offset);
    sio_message_free(&message);
}

static void
fall_behind(struct client *c, const struct store_event *at)
{
    c->seen = at->op.pos - 1;
    c->n_repeated = 0;
    tb_count_n(&fell_behind, 0, c->state == CLIENT_LIVE);
    tell_offset_within(c, at);
    client_set_state(c, CLIENT_DRAINING);
    sio_socket_want_drain(c->socket);
}

/* An op of many packets may be larger than a queue: who fell behind in the middle of it goes on there, or would never get to
 * its end. The packets of an op that a client hears are the same each time. */
static bool
was_handed(struct client *c, int64_t pos)
{
    if (c->handed_pos != pos) {
        c->handed_pos = pos;
        c->n_handed = c->n_repeated = 0;
    }
    if (c->n_repeated == c->n_handed)
        return false;
    c->n_repeated++;
    return true;
}

static bool
needs_proof(const struct client *c, const struct op *op)
{
    return op->kind == OP_MESSAGE_SENT && op->message_sent.sender_id != c->user->id;
}

/* Bytes of its queue that the journal may fill: half, the rest is for its acks. */
static size_t
feed_room(const struct client *c)
{
    return sio_socket_max_queued(c->socket) / 2;
}

/* false: its queue is full, or it owes too many proofs. While feeding, that closes nothing (see on_full), so c stays. */
static bool
hand(struct client *c, struct packet *p)
{
    const struct op *op = &p->outlet->event->op;

    if (was_handed(c, op->pos))
        return true;
    if (sio_socket_queued(c->socket) >= feed_room(c))
        return false;
    if (needs_proof(c, op) && delivery_is_owed(c))
        return false;
    if (!sio_emit(c->socket, message_for(p, c), SIO_RELIABLE))
        return false;
    c->n_handed = ++c->n_repeated;
    p->n_handed++;
    touch(c);
    if (needs_proof(c, op))
        delivery_handed(c, op->message_sent.id, op->message_sent.room_id);
    return true;
}

static void
hand_if_live(void *ctx, struct sio_socket *socket)
{
    struct packet *p = ctx;
    struct client *c = sio_socket_app(socket);
    int64_t        pos = p->outlet->event->op.pos;

    if (c->state == CLIENT_LIVE && pos > c->seen && !hand(c, p))
        fall_behind(c, p->outlet->event);
}

static void
tell_room(struct packet *p, int64_t room_id)
{
    char              text[24];
    tb_str            name = live_room_name(room_id, text);
    struct sio_target room = { .rooms = &name, .n_rooms = 1 };

    sio_each(p->outlet->live->ns, &room, hand_if_live, p);
}

static bool
is_in(const struct client *c, int64_t room_id)
{
    char text[24];
    return sio_is_in(c->socket, live_room_name(room_id, text));
}

/* false: the one client's queue is full. */
static bool
tell(const struct outlet *out, int64_t room_id, tb_str name, tb_str args)
{
    struct packet p = { .outlet = out, .name = name, .args = args };
    bool          went = true;

    if (out->only == NULL)
        tell_room(&p, room_id);
    else if (!out->checks_rooms || is_in(out->only, room_id))
        went = hand(out->only, &p);
    sio_message_free(&p.plain);
    sio_message_free(&p.with_offset);
    tb_count_n(&deliveries, 0, p.n_handed);
    return went;
}

struct pair { int64_t message_id, user_id; };

static int
by_message(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->message_id != y->message_id)
        return x->message_id < y->message_id ? -1 : 1;
    return x->user_id < y->user_id ? -1 : x->user_id > y->user_id;
}

/* One `delivered` a message, with everybody of the op who got it. The op lists by room and user. */
static bool
tell_delivered_in(const struct outlet *out, int64_t room_id, struct tb_buf *args)
{
    const struct op *op = &out->event->op;
    size_t           n = 0;
    bool             went = true;

    for (size_t i = 0; i < op->receipts.n; i++)
        n += op->receipts.of[i].room_id == room_id ? op->receipts.of[i].n : 0;
    struct pair *pairs = tb_alloc(n * sizeof *pairs);
    int64_t     *users = tb_alloc(n * sizeof *users);
    n = 0;
    for (size_t i = 0; i < op->receipts.n; i++)
        for (size_t k = 0; op->receipts.of[i].room_id == room_id && k < op->receipts.of[i].n; k++)
            pairs[n++] = (struct pair){ op->receipts.of[i].message_ids[k], op->receipts.of[i].user_id };
    qsort(pairs, n, sizeof *pairs, by_message);
    for (size_t i = 0, end; i < n && went; i = end) {
        for (end = i; end < n && pairs[end].message_id == pairs[i].message_id; end++)
            users[end - i] = pairs[end].user_id;
        tb_buf_clear(args);
        packet_delivered(args, pairs[i].message_id, room_id, users, end - i, op->receipts.at);
        went = tell(out, room_id, TB_LIT("delivered"), tb_buf_str(args));
    }
    tb_free(pairs);
    tb_free(users);
    return went;
}

static bool
is_first_of_room(const struct op *op, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (op->receipts.of[k].room_id == op->receipts.of[i].room_id)
            return false;
    return true;
}

static bool
tell_receipts(const struct outlet *out, struct tb_buf *args)
{
    const struct op *op = &out->event->op;
    bool             went = true;

    for (size_t i = 0; i < op->receipts.n && went; i++) {
        const struct op_receipts *r = &op->receipts.of[i];
        if (op->kind == OP_READ) {
            tb_buf_clear(args);
            packet_read(args, r, op->receipts.at);
            went = tell(out, r->room_id, TB_LIT("read"), tb_buf_str(args));
        } else if (is_first_of_room(op, i)) {
            went = tell_delivered_in(out, r->room_id, args);
        }
    }
    return went;
}

/* ---- membership moves sockets ---- */

static void
move(struct client *c, int64_t room_id, bool is_member)
{
    char text[24];

    if (is_member)
        sio_join(c->socket, live_room_name(room_id, text));
    else
        sio_leave(c->socket, live_room_name(room_id, text));
}

static void
move_those_of(const struct outlet *out, int64_t user_id, int64_t room_id, bool is_member)
{
    struct user *u = live_find_user(out->live, user_id);

    if (out->only != NULL) {
        if (out->checks_rooms && out->only->user->id == user_id)
            move(out->only, room_id, is_member);
        return;
    }
    for (struct client *c = u != NULL ? u->clients : NULL; c != NULL; c = c->next)
        if (c->state == CLIENT_LIVE && out->event->op.pos > c->seen)
            move(c, room_id, is_member);
}

/* Who joins hears of it himself, and so does who leaves. false: the one client's queue is full. */
static bool
tell_event(const struct outlet *out, struct tb_buf *args)
{
    const struct op *op = &out->event->op;
    bool             went;

    tb_buf_clear(args);
    switch (op->kind) {
    case OP_MESSAGE_SENT:
        packet_message(args, out->event);
        return tell(out, op->message_sent.room_id, TB_LIT("receive_message"), tb_buf_str(args));
    case OP_MEMBER_JOINED:
        packet_joined(args, out->event);
        move_those_of(out, op->member_joined.user_id, op->member_joined.room_id, true);
        return tell(out, op->member_joined.room_id, TB_LIT("member_joined"), tb_buf_str(args));
    case OP_MEMBER_LEFT:
        if (out->only == NULL)          /* before the room hears that they have left */
            typing_end_member(out->live, op->member_left.user_id, op->member_left.room_id);
        packet_left(args, out->event);
        went = tell(out, op->member_left.room_id, TB_LIT("member_left"), tb_buf_str(args));
        if (went)
            move_those_of(out, op->member_left.user_id, op->member_left.room_id, false);
        return went;
    case OP_DELIVERED:
    case OP_READ:
        return tell_receipts(out, args);
    case OP_PARKED:
    case OP_USER_REGISTERED:
    case OP_PASSWORD_CHANGED:
    case OP_PROFILE_CHANGED:
    case OP_EMAIL_PARKED:
    case OP_ROOM_CREATED:
    case OP_LAST_SEEN:
    case OP_KIND_COUNT:
        break;
    }
    return true;    /* nothing that sockets hear of */
}

/* ---- what one client learns at the end of a batch or page ---- */

/* offset: of the last position that those who are not behind have been handed everything up to. */
static void
finish_touched(struct live *l, const char *offset)
{
    struct sio_message *message = NULL;

    for (size_t i = 0; i < l->n_touched; i++) {
        struct client *c = l->touched[i];
        c->is_touched = false;
        if (c->state != CLIENT_DRAINING)
            tell_offset(c, &message, offset);
        delivery_ping(c);
    }
    l->n_touched = 0;
    sio_message_free(&message);
}

/* ---- the ring ---- */

static struct store_batch *
ring_at(const struct live *l, size_t i)
{
    return l->ring[(l->ring_first + i) % l->settings.limits.ring_batches];
}

static size_t
size_of(const struct store_batch *b)
{
    size_t bytes = sizeof *b + b->n * sizeof *b->events;
    for (size_t i = 0; i < b->n; i++) {
        const struct op *op = &b->events[i].op;
        if (op->kind == OP_MESSAGE_SENT)
            bytes += op->message_sent.content.n;
        else if (op->kind == OP_DELIVERED || op->kind == OP_READ)
            for (size_t k = 0; k < op->receipts.n; k++)
                bytes += sizeof op->receipts.of[k] + op->receipts.of[k].n * sizeof(int64_t);
    }
    return bytes;
}

static void
ring_drop_oldest(struct live *l)
{
    struct store_batch *b = ring_at(l, 0);

    l->ring_bytes -= size_of(b);
    l->ring_first = (l->ring_first + 1) % l->settings.limits.ring_batches;
    l->ring_n--;
    store_batch_free(&b);
}

static void
ring_add(struct live *l, struct store_batch *b)
{
    if (l->ring_n == l->settings.limits.ring_batches)
        ring_drop_oldest(l);
    l->ring[(l->ring_first + l->ring_n++) % l->settings.limits.ring_batches] = b;
    l->ring_bytes += size_of(b);
    while (l->ring_n > 1 && l->ring_bytes > RING_MAX_BYTES)
        ring_drop_oldest(l);
}

static bool
ring_reaches(const struct live *l, int64_t seen)
{
    return seen >= l->head || (l->ring_n > 0 && ring_at(l, 0)->from <= seen);
}

/* From the ring to the head, then live. Its queue may fill up on the way. */
static void
catch_up_from_ring(struct client *c)
{
    struct live   *l = c->live;
    struct outlet  out = { .live = l, .only = c, .checks_rooms = true };
    struct tb_buf  args = TB_BUF_INIT;
    bool           went = true;
    const char    *offset = "";

    for (size_t i = 0; i < l->ring_n && went; i++) {
        struct store_batch *b = ring_at(l, i);
        offset = b->offset;
        for (size_t k = 0; b->to > c->seen && k < b->n && went; k++) {
            out.event = &b->events[k];
            if (out.event->op.pos > c->seen && !(went = tell_event(&out, &args)))
                fall_behind(c, out.event);
        }
    }
    tb_buf_fini(&args);
    if (went) {
        c->seen = c->seen > l->head ? c->seen : l->head;
        client_set_state(c, CLIENT_LIVE);
    }
    finish_touched(l, offset);      /* it was touched only if there was a batch, and so an offset */
}

/* ---- pages ---- */

struct page {
    struct store_catch_up r;
    struct client        *client;
};

static void on_page(struct store_op *op);

static void
ask_page(struct client *c)
{
    struct page *p = TB_NEW(struct page);

    p->client = c;
    p->r.user_id = c->user->id;
    p->r.op.who = c->claims.who;
    p->r.seen = c->seen;
    p->r.max_events = c->page_events;
    p->r.max_bytes = feed_room(c);
    p->r.op.reply_to = c->live->settings.mailbox;
    p->r.op.on_done = on_page;
    p->r.op.is_unwanted = &c->is_unwanted;
    c->is_waiting = true;
    c->live->n_pending++;
    client_set_state(c, CLIENT_PAGING);
    store_catch_up(c->live->settings.store, &p->r);
}

static void
go_on(struct client *c)
{
    if (ring_reaches(c->live, c->seen) && !c->is_in_later_rooms)
        catch_up_from_ring(c);
    else
        ask_page(c);
}

static void
set_rooms(struct client *c, const struct store_catch_up *r)
{
    c->is_in_later_rooms = false;
    sio_leave_all(c->socket);
    for (size_t i = 0; i < r->n_rooms; i++)
        move(c, r->room_ids[i], true);
}

/* The socket that is still alive under that id, a connection that we do not know to be dead, makes room. */
static void
close_old_socket(struct client *c)
{
    struct sio_socket *old = sio_socket_find(c->live->ns, tb_str_of(c->sid));

    if (old != NULL)
        sio_conn_close(sio_socket_conn(old), EIO_AT_ONCE);
}

static tb_str
user_payer(int64_t user_id, char out[24])
{
    int n = snprintf(out, 24, "user %" PRId64, user_id);
    return (tb_str){ .p = out, .n = (size_t)n };
}

/* false: the connection ended over it, and c with it. */
static bool
accept_client(struct client *c, const struct store_catch_up *r)
{
    struct live *l = c->live;
    char         pid[RECOVERY_PID_SIZE], payer[24];

    set_rooms(c, r);
    if (c->is_recovered)
        close_old_socket(c);    /* not earlier: of two that bring the same pid at once, the later one stays */
    recovery_pid_make(&l->key, c->user->id, tb_str_of(l->journal_uuid), tb_str_of(c->sid), c->start, pid);
    c->is_accepted = true;
    sio_conn_set_payer(sio_socket_conn(c->socket), user_payer(c->user->id, payer));
    if (!sio_accept(c->socket, tb_str_of(c->sid), tb_str_of(pid)))
        return false;
    tb_count_n(&recovered, 0, c->is_recovered);
    if (!c->user->is_announced)
        presence_came(l, c->user);
    return true;
}

/* What of a page does not fit is read again, so the next is about as large as what did, and grows while all does. */
static void
learn_page_size(struct client *c, size_t n_fitted)
{
    size_t n = 2 * n_fitted;

    c->page_events = n < PAGE_EVENTS_LEAST ? PAGE_EVENTS_LEAST : n < PAGE_EVENTS ? (uint32_t)n : PAGE_EVENTS;
}

static void
send_page(struct client *c, const struct store_catch_up *r)
{
    struct live  *l = c->live;
    struct outlet out = { .live = l, .only = c };
    struct tb_buf args = TB_BUF_INIT;
    bool          went = true;
    size_t        i = 0;

    for (; i < r->n && went; i++) {
        out.event = &r->events[i];
        went = tell_event(&out, &args);
        if (!went)
            fall_behind(c, out.event);
    }
    tb_buf_fini(&args);
    learn_page_size(c, went ? c->page_events : i - 1);
    if (!went) {
        c->is_in_later_rooms = true;
        finish_touched(l, r->offset);
        return;
    }
    c->seen = r->upto;
    set_rooms(c, r);
    finish_touched(l, r->offset);
    if (ring_reaches(l, c->seen)) {
        catch_up_from_ring(c);
    } else {
        client_set_state(c, CLIENT_DRAINING);
        sio_socket_want_drain(c->socket);
    }
}

static void
take_page(struct client *c, struct store_catch_up *r)
{
    struct live *l = c->live;

    tb_count(&pages, 0);
    if (r->op.err.code == TB_EAUTH && !c->is_accepted) {
        client_refuse(c);
        return;
    }
    if (r->op.err.code != TB_OK) {      /* busy, or the disk: it comes back and tries again */
        log_warn("live.page_failed", "user=%" PRId64 " socket=%s why=\"%s\"", c->user->id, c->sid, r->op.err.why);
        client_drop(c);
        return;
    }
    if (!c->is_accepted && !accept_client(c, r))
        return;
    l->is_feeding = true;
    send_page(c, r);
    l->is_feeding = false;
}

static void
on_page(struct store_op *op)
{
    struct page   *p = TB_CONTAINER(op, struct page, r.op);
    struct client *c = p->client;

    c->is_waiting = false;
    c->live->n_pending--;
    if (c->state == CLIENT_GONE)
        client_set_state(c, CLIENT_GONE);       /* nobody waits for it any more: freed */
    else
        take_page(c, &p->r);
    store_op_fini(op);
    tb_free(p);
}

void
feed_start(struct client *c)
{
    c->page_events = PAGE_EVENTS;
    ask_page(c);
}

void
feed_on_drain(struct client *c)
{
    if (c->state != CLIENT_DRAINING || delivery_is_awaited(c))
        return;
    c->live->is_feeding = true;
    go_on(c);
    c->live->is_feeding = false;
}

void
feed_on_proof(struct client *c)
{
    if (c->state == CLIENT_DRAINING && !delivery_is_awaited(c))
        sio_socket_want_drain(c->socket);
}

/* ---- live ---- */

void
feed_on_batch(void *ctx, struct store_batch *b)
{
    struct live  *l = ctx;
    struct outlet out = { .live = l };
    struct tb_buf args = TB_BUF_INIT;

    l->is_feeding = true;
    for (size_t i = 0; i < b->n; i++) {
        out.event = &b->events[i];
        (void)tell_event(&out, &args);
    }
    l->head = b->to;
    ring_add(l, b);
    finish_touched(l, b->offset);
    l->is_feeding = false;
    tb_buf_fini(&args);
    users_end_tokens(l, b);
}

static void
notice_if_live(void *ctx, struct sio_socket *socket)
{
    const struct client *c = sio_socket_app(socket);

    if (c->state == CLIENT_LIVE && sio_socket_queued(socket) < c->live->feed_max_queued / 2)
        (void)sio_emit(socket, ctx, SIO_RELIABLE);
}

void
feed_notice(struct live *l, const struct sio_target *to, struct sio_message *m)
{
    bool was_feeding = l->is_feeding;

    l->is_feeding = true;
    sio_each(l->ns, to, notice_if_live, m);
    l->is_feeding = was_feeding;
}

void
feed_close(struct live *l)
{
    while (l->ring_n > 0)
        ring_drop_oldest(l);
    tb_free(l->ring);
    tb_free(l->touched);
}
