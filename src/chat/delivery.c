/* Delivered means delivered: a connection's stream is ordered, so the pong to a ping proves that all that was sent before the ping
 * was received (DESIGN section 4). Proofs are gathered for a while and become one op for many messages and users. */
#include "live_inside.h"

#include "base/log.h"
#include "base/metrics.h"

#include <assert.h>
#include <stdlib.h>

enum {
    GATHER_MS = 200,
    PING_EVERY_MS = 1000,           /* early pings on one connection are no closer than this */
    GATHERED_AT_ONCE = 1000,        /* in one op: a few ms of the writer's time; messages go between two of them */
    GATHERED_MOST = 1000000,        /* while the store refuses; beyond it receipts are lost, and that is logged */
    PAGES_REMEMBERED = 10000,       /* history pages that wait for the request that confirms them */
    UNPROVED_POSITIONS = 20000,     /* what can have been under way when a connection was cut: a full queue is less */
    LOOK_BACK_FIRST = 100,          /* positions: a second or two of a busy server */
    LOOK_BACK_GROWS = 8,
};

TB_COUNTER(gathered, "tombolo_receipts_gathered_total", "Deliveries that were proved, some of them twice.");
TB_COUNTER(stored, "tombolo_receipts_stored_total", "Deliveries that were proved and have been stored.");
TB_COUNTER(lost, "tombolo_receipts_lost_total", "Proved deliveries that were dropped, since too many waited to be stored.");

/* ---- proofs of one connection ---- */

void
delivery_handed(struct client *c, int64_t message_id, int64_t room_id)
{
    if (c->n_proofs == c->cap_proofs) {
        c->cap_proofs = c->cap_proofs ? 2 * c->cap_proofs : 8;
        c->proofs = tb_realloc(c->proofs, c->cap_proofs * sizeof *c->proofs);
    }
    c->proofs[c->n_proofs++] = (struct proof){ .sent = sio_socket_sent(c->socket), .message_id = message_id,
                                               .room_id = room_id };
}

static void
wait_for_ping(struct client *c)
{
    struct live *l = c->live;

    c->is_ping_due = true;
    c->next_due = NULL;
    if (l->last_ping != NULL)
        l->last_ping->next_due = c;
    else
        l->pings = c;
    l->last_ping = c;
    live_wake(l, l->pings->pinged_ms + PING_EVERY_MS);
}

void
delivery_ping(struct client *c)
{
    int64_t now = tb_mono_ms(c->live->settings.clock);

    if (c->n_proofs == 0 || c->is_ping_due || c->socket == NULL)
        return;
    if (c->pinged_ms != 0 && now - c->pinged_ms < PING_EVERY_MS) {
        wait_for_ping(c);
        return;
    }
    c->pinged_ms = now;
    sio_socket_ping(c->socket);     /* refused when several are under way: their pongs ask again */
}

void
delivery_pong(struct client *c, uint64_t sent)
{
    uint32_t n = 0;

    while (n < c->n_proofs && c->proofs[n].sent <= sent) {
        delivery_confirm(c->live, c->user->id, c->proofs[n].room_id, c->proofs[n].message_id);
        n++;
    }
    c->n_proofs -= n;
    memmove(c->proofs, c->proofs + n, c->n_proofs * sizeof *c->proofs);
    if (c->n_proofs == 0) {         /* idle connections hold no memory for it */
        tb_free(c->proofs);
        c->proofs = NULL;
        c->cap_proofs = 0;
    }
    delivery_ping(c);
}

void
delivery_forget(struct client *c)
{
    struct live    *l = c->live;
    struct client **at = &l->pings, *before = NULL;

    tb_free(c->proofs);
    c->proofs = NULL;
    c->n_proofs = c->cap_proofs = 0;
    if (!c->is_ping_due)
        return;
    while (*at != c) {
        before = *at;
        at = &(*at)->next_due;
    }
    *at = c->next_due;
    if (l->last_ping == c)
        l->last_ping = before;
    c->is_ping_due = false;
}

static void
send_due_pings(struct live *l, int64_t now)
{
    while (l->pings != NULL && l->pings->pinged_ms + PING_EVERY_MS <= now) {
        struct client *c = l->pings;
        l->pings = c->next_due;
        if (l->pings == NULL)
            l->last_ping = NULL;
        c->is_ping_due = false;
        delivery_ping(c);
    }
    if (l->pings != NULL)
        live_wake(l, l->pings->pinged_ms + PING_EVERY_MS);
}

/* ---- gathering ---- */

static void
keep(struct live *l, int64_t user_id, int64_t room_id, int64_t message_id)
{
    if (l->n_confirmed == GATHERED_MOST) {
        log_error("live.receipts_lost", "gathered=%zu", l->n_confirmed);
        tb_count_n(&lost, 0, l->n_confirmed);
        l->n_confirmed = 0;
    }
    if (l->n_confirmed == l->cap_confirmed) {
        l->cap_confirmed = l->cap_confirmed ? 2 * l->cap_confirmed : 256;
        l->confirmed = tb_realloc(l->confirmed, l->cap_confirmed * sizeof *l->confirmed);
    }
    l->confirmed[l->n_confirmed++] = (struct confirmed){ .room_id = room_id, .user_id = user_id, .message_id = message_id };
    if (l->gather_until_ms == 0) {
        l->gather_until_ms = tb_mono_ms(l->settings.clock) + GATHER_MS;
        live_wake(l, l->gather_until_ms);
    }
}

void
delivery_confirm(struct live *l, int64_t user_id, int64_t room_id, int64_t message_id)
{
    tb_count(&gathered, 0);
    keep(l, user_id, room_id, message_id);
}

static void send_next(struct live *l);

struct storing {
    struct store_add_delivered r;
    struct live               *live;
    struct confirmed          *what;
    size_t                     n;
    struct store_receipts_of  *of;
    int64_t                   *ids;
};

static void
free_storing(struct storing *s)
{
    store_op_fini(&s->r.op);
    tb_free(s->what);
    tb_free(s->of);
    tb_free(s->ids);
    tb_free(s);
}

static void
on_stored(struct store_op *op)
{
    struct storing *s = TB_CONTAINER(op, struct storing, r.op);
    struct live    *l = s->live;

    l->n_pending--;
    if (op->err.code == TB_OK) {
        tb_count_n(&stored, 0, s->n);
        if (!l->is_stopping)
            send_next(l);
    } else {                            /* the proofs stand: they go with the next gathering */
        log_warn("live.receipts_wait", "n=%zu why=\"%s\"", s->n, op->err.why);
        l->leaving_at -= s->n;
        for (; l->leaving_at < l->n_leaving; l->leaving_at++) {
            const struct confirmed *x = &l->leaving[l->leaving_at];
            keep(l, x->user_id, x->room_id, x->message_id);
        }
        l->is_storing = false;
    }
    free_storing(s);
}

static int
compare(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int
by_message(const void *a, const void *b)
{
    const struct confirmed *x = a, *y = b;
    int                     c = compare(x->message_id, y->message_id);
    return c != 0 ? c : compare(x->user_id, y->user_id);
}

static int
by_room_and_user(const void *a, const void *b)
{
    const struct confirmed *x = a, *y = b;
    int                     c = compare(x->room_id, y->room_id);
    c = c != 0 ? c : compare(x->user_id, y->user_id);
    return c != 0 ? c : compare(x->message_id, y->message_id);
}

/* Lists by room and user; the same proof twice (two sockets of one user) is one. */
static void
group(struct storing *s)
{
    size_t n_ids = 0;

    qsort(s->what, s->n, sizeof *s->what, by_room_and_user);
    s->ids = tb_alloc(s->n * sizeof *s->ids);
    s->of = tb_alloc(s->n * sizeof *s->of);
    for (size_t i = 0; i < s->n; i++) {
        const struct confirmed *x = &s->what[i];
        if (i > 0 && by_room_and_user(x, x - 1) == 0)
            continue;
        if (s->r.n == 0 || s->of[s->r.n - 1].room_id != x->room_id || s->of[s->r.n - 1].user_id != x->user_id)
            s->of[s->r.n++] = (struct store_receipts_of){ .room_id = x->room_id, .user_id = x->user_id,
                                                          .message_ids = &s->ids[n_ids] };
        s->ids[n_ids++] = x->message_id;
        s->of[s->r.n - 1].n++;
    }
    s->r.of = s->of;
}

/* How many of the leaving proofs go into one op: whole messages, so that one `delivered` names all who are known by now. */
static size_t
count_for_one_op(const struct live *l)
{
    const struct confirmed *from = l->leaving + l->leaving_at;
    size_t                  left = l->n_leaving - l->leaving_at, n = left < GATHERED_AT_ONCE ? left : GATHERED_AT_ONCE;

    while (n > 0 && n < left && from[n].message_id == from[n - 1].message_id)
        n++;
    return n;
}

/* The next op of the gathering that is leaving, if there is one. */
static void
send_next(struct live *l)
{
    size_t n = count_for_one_op(l);

    l->is_storing = n > 0;
    if (n == 0)
        return;
    struct storing *s = TB_NEW(struct storing);
    s->live = l;
    s->n = n;
    s->what = tb_alloc(n * sizeof *s->what);
    memcpy(s->what, l->leaving + l->leaving_at, n * sizeof *s->what);
    l->leaving_at += n;
    group(s);
    s->r.op.reply_to = l->settings.mailbox;
    s->r.op.on_done = on_stored;
    l->n_pending++;
    store_add_delivered(l->settings.store, &s->r);
}

/* What was gathered, maybe nothing, leaves in ops of bounded size, one after the other; the next gathering begins. */
void
delivery_flush(struct live *l)
{
    struct confirmed *empty = l->leaving;
    size_t            cap = l->cap_leaving;

    assert(!l->is_storing);
    if (l->n_confirmed > 0)             /* when the server stops there may be nothing, and no array yet */
        qsort(l->confirmed, l->n_confirmed, sizeof *l->confirmed, by_message);
    l->leaving = l->confirmed, l->n_leaving = l->n_confirmed, l->cap_leaving = l->cap_confirmed;
    l->leaving_at = 0;
    l->confirmed = empty, l->n_confirmed = 0, l->cap_confirmed = cap;
    l->gather_until_ms = 0;
    send_next(l);
}

void
delivery_tick(struct live *l, int64_t now_ms)
{
    send_due_pings(l, now_ms);
    if (l->n_confirmed > 0 && now_ms >= l->gather_until_ms) {
        if (l->is_storing)              /* the writer is behind: what waits goes together */
            l->gather_until_ms = now_ms + GATHER_MS;
        else
            delivery_flush(l);
    }
    if (l->gather_until_ms != 0)
        live_wake(l, l->gather_until_ms);
}

/* ---- what an offset proves ---- */

/* Backwards from the offset, in stretches that grow, until one holds a message that was proved before: connections prove in
 * order, so what lies before it was proved as well. Most who come back are done with the first. */
struct proving {
    struct store_catch_up r;
    struct live          *live;
    int64_t               pos, start;   /* of the offset and of the pid */
    int64_t               span;         /* how far before pos it has looked */
};

static void on_proved(struct store_op *op);

static void
look_back(struct live *l, int64_t user_id, int64_t pos, int64_t start, int64_t before, int64_t span)
{
    struct proving *p = TB_NEW(struct proving);

    *p = (struct proving){ .live = l, .pos = pos, .start = start, .span = span };
    p->r.user_id = user_id;
    p->r.unproved_upto = pos - before;
    p->r.seen = pos - span > start ? pos - span : start;
    p->r.max_events = (size_t)span;
    p->r.op.reply_to = l->settings.mailbox;
    p->r.op.on_done = on_proved;
    l->n_pending++;
    store_catch_up(l->settings.store, &p->r);
}

static void
on_proved(struct store_op *op)
{
    struct proving *p = TB_CONTAINER(op, struct proving, r.op);
    struct live    *l = p->live;

    l->n_pending--;
    for (size_t i = 0; op->err.code == TB_OK && i < p->r.n; i++) {
        const struct op *e = &p->r.events[i].op;
        delivery_confirm(l, p->r.user_id, e->message_sent.room_id, e->message_sent.id);
    }
    if (op->err.code == TB_OK && p->r.n_proved == 0 && p->pos - p->span > p->start && p->span < UNPROVED_POSITIONS &&
        !l->is_stopping)
        look_back(l, p->r.user_id, p->pos, p->start, p->span, p->span * LOOK_BACK_GROWS);
    store_op_fini(op);
    tb_free(p);
}

void
delivery_confirm_upto(struct client *c, int64_t pos)
{
    if (pos > c->start)
        look_back(c->live, c->user->id, pos, c->start, 0, LOOK_BACK_FIRST);
}

/* ---- history pages ---- */

static void
forget_page(struct live *l, struct shown_page *p)
{
    HASH_DEL(l->pages, p);
    tb_free(p->ids);
    tb_free(p);
}

static struct shown_page *
find_page(struct live *l, int64_t user_id, int64_t room_id)
{
    const struct page_key key = { .user_id = user_id, .room_id = room_id };
    struct shown_page    *found;

    HASH_FIND(hh, l->pages, &key, sizeof key, found);       /* NOLINT: it takes the key's bytes for uninitialized */
    return found;
}

void
live_page_shown(struct live *l, int64_t user_id, const struct store_list_messages *page)
{
    struct shown_page *p = find_page(l, user_id, page->room_id);

    if (p != NULL)
        forget_page(l, p);
    if (page->next_cursor == 0)
        return;
    if (HASH_COUNT(l->pages) >= PAGES_REMEMBERED)
        forget_page(l, l->pages);       /* the oldest: uthash keeps them in the order they came */
    p = TB_NEW(struct shown_page);
    p->key.user_id = user_id;
    p->key.room_id = page->room_id;
    p->next_cursor = page->next_cursor;
    p->ids = tb_alloc(page->n * sizeof *p->ids);
    for (size_t i = 0; i < page->n; i++)
        if (page->items[i].sender_id != user_id)
            p->ids[p->n++] = page->items[i].id;
    HASH_ADD(hh, l->pages, key, sizeof p->key, p);
}

void
live_page_confirmed(struct live *l, int64_t user_id, int64_t room_id, int64_t cursor)
{
    struct shown_page *p = find_page(l, user_id, room_id);

    if (p == NULL || p->next_cursor != cursor)
        return;
    for (size_t i = 0; i < p->n; i++)
        delivery_confirm(l, user_id, room_id, p->ids[i]);
    forget_page(l, p);
}

void
delivery_close(struct live *l)
{
    while (l->pages != NULL)
        forget_page(l, l->pages);
    tb_free(l->confirmed);
    tb_free(l->leaving);
}
