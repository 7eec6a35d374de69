/* Delivered means delivered: a connection's stream is ordered, so the pong to a ping proves that all that was sent before the ping
 * was received (DESIGN section 4). An offset that is brought back proves it, too, and so does asking for the next page of history.
 *
 * While too many proofs wait for the disk (gather.c), no more are asked for: a later one says as much as all before it. A socket
 * that has been sent too much without a proof is behind, as if its queue were full, and goes on from the journal. */
#include "live_inside.h"

#include "base/log.h"
#include "base/metrics.h"

#include <stdlib.h>

enum {
    PING_EVERY_MS = 1000,           /* early pings on one connection are no closer than this */
    PAGES_REMEMBERED = 10000,       /* history pages that wait for the request that confirms them */
    LOOK_BACK_FIRST = 100,          /* positions: a second or two of a busy server */
    LOOK_BACK_GROWS = 8,
    LOOK_BACK_MOST = 12800,         /* in one stretch; a page of the store covers more */
    PROVINGS_WAITING = 10000,       /* offsets that wait for room */
};

TB_COUNTER(lost, "tombolo_receipts_lost_total", "Offsets and history pages that found no room for the receipts they proved.");

/* Only who comes with an offset or a cursor while the disk takes nothing for long meets this end: his next one proves less. */
static void
lose_proof(struct live *l)
{
    log_error("live.receipts_lost", "waiting=%zu", gather_waiting(l));
    tb_count(&lost, 0);
}

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

bool
delivery_is_owed(const struct client *c)
{
    return c->n_proofs >= c->live->settings.limits.unproved;
}

bool
delivery_is_awaited(const struct client *c)
{
    return c->n_proofs > c->live->settings.limits.unproved / 2;
}

static void
wait_for_ping(struct client *c)
{
    struct live *l = c->live;

    if (c->is_ping_due)
        return;
    c->is_ping_due = true;
    c->next_due = NULL;
    if (l->last_ping != NULL)
        l->last_ping->next_due = c;
    else
        l->pings = c;
    l->last_ping = c;
    if (gather_has_room(l))                /* else when there is */
        live_wake(l, l->pings->pinged_ms + PING_EVERY_MS);
}

void
delivery_ping(struct client *c)
{
    struct live *l = c->live;
    int64_t      now = tb_mono_ms(l->settings.clock);

    if (c->n_proofs == 0 || c->is_ping_due || c->socket == NULL)
        return;
    if (!gather_has_room(l) || (c->pinged_ms != 0 && now - c->pinged_ms < PING_EVERY_MS)) {
        wait_for_ping(c);
        return;
    }
    c->pinged_ms = now;
    sio_socket_ping(c->socket);     /* refused when several are under way: their pongs ask again */
}

/* What has been proved is gathered. */
static void
take_proved(struct client *c)
{
    uint32_t n = 0;

    while (n < c->n_proofs && c->proofs[n].sent <= c->proved) {
        gather_add(c->live, c->user->id, c->proofs[n].room_id, c->proofs[n].message_id);
        n++;
    }
    if (n == 0)
        return;
    c->n_proofs -= n;
    if (n > 0) /* there may be none at all, and no memory for them */
        memmove(c->proofs, c->proofs + n, c->n_proofs * sizeof *c->proofs);
    if (c->n_proofs == 0) {         /* idle connections hold no memory for it */
        tb_free(c->proofs);
        c->proofs = NULL;
        c->cap_proofs = 0;
    }
    feed_on_proof(c);
}

void
delivery_pong(struct client *c, uint64_t sent)
{
    c->proved = sent;
    if (gather_has_room(c->live))
        take_proved(c);
    delivery_ping(c);
}

void
delivery_forget(struct client *c)
{
    struct live    *l = c->live;
    struct client **at = &l->pings, *before = NULL;

    for (uint32_t i = 0; i < c->n_proofs && c->proofs[i].sent <= c->proved; i++)     /* no room yet: it only changes hands */
        gather_add(l, c->user->id, c->proofs[i].room_id, c->proofs[i].message_id);
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
    while (l->pings != NULL && gather_has_room(l) && l->pings->pinged_ms + PING_EVERY_MS <= now) {
        struct client *c = l->pings;
        l->pings = c->next_due;
        if (l->pings == NULL)
            l->last_ping = NULL;
        c->is_ping_due = false;
        take_proved(c);
        delivery_ping(c);
    }
    if (l->pings != NULL && gather_has_room(l))
        live_wake(l, l->pings->pinged_ms + PING_EVERY_MS);
}

/* ---- what an offset proves ---- */

/* Backwards from the offset, in stretches that grow, until one holds a message that was proved before: connections prove in
 * order, so what lies before it was proved as well. Most who come back are done with the first. */
struct proving {
    struct store_catch_up r;
    struct live          *live;
    struct proving       *next;         /* in live->proving, while there is no room for what it may prove */
    int64_t               upto, start;  /* where the stretch ends, and how far back the pid goes */
    int64_t               span;
};

static void on_proved(struct store_op *op);

static void
look_back(struct proving *p)
{
    struct live *l = p->live;

    p->r.unproved_upto = p->upto;
    p->r.seen = p->upto - p->span > p->start ? p->upto - p->span : p->start;
    p->r.max_events = (size_t)p->span;
    p->r.op.reply_to = l->settings.mailbox;
    p->r.op.on_done = on_proved;
    l->n_pending++;
    store_catch_up(l->settings.store, &p->r);
}

static void
look_back_when_there_is_room(struct live *l, int64_t user_id, int64_t upto, int64_t start, int64_t span)
{
    struct proving *p = TB_NEW(struct proving);

    *p = (struct proving){ .live = l, .r.user_id = user_id, .upto = upto, .start = start, .span = span };
    if (gather_has_room(l)) {
        look_back(p);
    } else if (l->n_proving == PROVINGS_WAITING) {
        lose_proof(l);
        tb_free(p);
    } else {
        p->next = l->proving;
        l->proving = p;
        l->n_proving++;
    }
}

static void
go_on_proving(struct live *l)
{
    while (l->proving != NULL && gather_has_room(l)) {
        struct proving *p = l->proving;
        l->proving = p->next;
        l->n_proving--;
        look_back(p);
    }
}

static void
on_proved(struct store_op *op)
{
    struct proving *p = TB_CONTAINER(op, struct proving, r.op);
    struct live    *l = p->live;
    int64_t         span = p->span * LOOK_BACK_GROWS < LOOK_BACK_MOST ? p->span * LOOK_BACK_GROWS : LOOK_BACK_MOST;

    l->n_pending--;
    for (size_t i = 0; op->err.code == TB_OK && i < p->r.n; i++) {
        const struct op *e = &p->r.events[i].op;
        gather_add(l, p->r.user_id, e->message_sent.room_id, e->message_sent.id);
    }
    if (op->err.code == TB_OK && p->r.n_proved == 0 && p->r.seen > p->start && !l->is_stopping)
        look_back_when_there_is_room(l, p->r.user_id, p->r.seen, p->start, span);
    store_op_fini(op);
    tb_free(p);
}

void
delivery_confirm_upto(struct client *c, int64_t pos)
{
    if (pos > c->start)
        look_back_when_there_is_room(c->live, c->user->id, pos, c->start, LOOK_BACK_FIRST);
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
    if (gather_waiting(l) < 2 * (size_t)l->settings.limits.receipts_waiting)  /* a reserve, since nobody asked for this proof */
        for (size_t i = 0; i < p->n; i++)
            gather_add(l, user_id, room_id, p->ids[i]);
    else
        lose_proof(l);
    forget_page(l, p);
}

/* ---- time ---- */

void
delivery_tick(struct live *l, int64_t now_ms)
{
    send_due_pings(l, now_ms);
    go_on_proving(l);
}

void
delivery_close(struct live *l)
{
    while (l->pages != NULL)
        forget_page(l, l->pages);
    while (l->proving != NULL) {
        struct proving *p = l->proving;
        l->proving = p->next;
        tb_free(p);
    }
}
