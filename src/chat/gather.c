/* Proofs of delivery on their way to the journal: gathered for a while, they become one op for many messages and users. When the
 * writer cannot take them as fast as they come, each op takes more of them and more ops are under way: that slows those who send,
 * and none is thrown away. */
#include "live_inside.h"

#include "base/log.h"
#include "base/metrics.h"

#include <assert.h>
#include <stdlib.h>

enum {
    GATHER_MS = 200,
    GATHERED_AT_ONCE = 1000,        /* in one op: a few ms of the writer's time; messages go between two of them */
    GATHERED_MOST_AT_ONCE = 10000,  /* when many wait: an op of a large room's one message is as large */
    GATHERED_SHARE = 8,             /* of those who wait, the part that goes in one op: an op shares its commit with many sends */
    OPS_MORE = 4,                   /* under way at once, when as many wait as may */
};

TB_COUNTER(gathered, "tombolo_receipts_gathered_total", "Deliveries that were proved, some of them twice.");
TB_COUNTER(stored, "tombolo_receipts_stored_total", "Deliveries that were proved and have been stored.");

size_t
gather_waiting(const struct live *l)
{
    return l->n_confirmed + l->n_leaving - l->leaving_at;
}

bool
gather_has_room(const struct live *l)
{
    return gather_waiting(l) < l->settings.limits.receipts_waiting;
}

static void
keep(struct live *l, int64_t user_id, int64_t room_id, int64_t message_id)
{
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
gather_add(struct live *l, int64_t user_id, int64_t room_id, int64_t message_id)
{
    tb_count(&gathered, 0);
    keep(l, user_id, room_id, message_id);
}

static void send_some(struct live *l);

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

/* The proofs stand: they, and those that would have followed, go with the next gathering. */
static void
take_back(struct live *l, const struct storing *s)
{
    log_warn("live.receipts_wait", "n=%zu why=\"%s\"", s->n, s->r.op.err.why);
    for (size_t i = 0; i < s->n; i++)
        keep(l, s->what[i].user_id, s->what[i].room_id, s->what[i].message_id);
    while (l->leaving_at < l->n_leaving) {
        const struct confirmed *x = &l->leaving[l->leaving_at++];
        keep(l, x->user_id, x->room_id, x->message_id);
    }
}

static void
on_stored(struct store_op *op)
{
    struct storing *s = TB_CONTAINER(op, struct storing, r.op);
    struct live    *l = s->live;

    l->n_pending--;
    l->n_storing--;
    if (op->err.code != TB_OK) {
        take_back(l, s);
    } else {
        tb_count_n(&stored, 0, s->n);
        if (!l->is_stopping)
            send_some(l);
        if (l->pings != NULL || l->proving != NULL || l->n_storing == 0)
            live_wake(l, tb_mono_ms(l->settings.clock));        /* they may have waited for room, or for this gathering's end */
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
    size_t                  left = l->n_leaving - l->leaving_at, n = gather_waiting(l) / GATHERED_SHARE;

    n = n < GATHERED_AT_ONCE ? GATHERED_AT_ONCE : n > GATHERED_MOST_AT_ONCE ? GATHERED_MOST_AT_ONCE : n;
    n = n < left ? n : left;
    while (n < left && from[n].message_id == from[n - 1].message_id)
        n++;
    return n;
}

/* One op at a time when few wait: messages go in between. The more there are, the more of the writer's time is theirs. */
static size_t
ops_at_once(const struct live *l)
{
    return 1 + OPS_MORE * gather_waiting(l) / l->settings.limits.receipts_waiting;
}

static void
send_one(struct live *l, size_t n)
{
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
    l->n_storing++;
    store_add_delivered(l->settings.store, &s->r);
}

/* The next ops of the gathering that is leaving. */
static void
send_some(struct live *l)
{
    while (l->leaving_at < l->n_leaving && l->n_storing < ops_at_once(l))
        send_one(l, count_for_one_op(l));
}

/* What was gathered, maybe nothing, leaves in ops of bounded size; the next gathering begins. */
void
gather_flush(struct live *l)
{
    struct confirmed *empty = l->leaving;
    size_t            cap = l->cap_leaving;

    assert(l->n_storing == 0);
    if (l->n_confirmed > 0)             /* when the server stops there may be nothing, and no array yet */
        qsort(l->confirmed, l->n_confirmed, sizeof *l->confirmed, by_message);
    l->leaving = l->confirmed, l->n_leaving = l->n_confirmed, l->cap_leaving = l->cap_confirmed;
    l->leaving_at = 0;
    l->confirmed = empty, l->n_confirmed = 0, l->cap_confirmed = cap;
    l->gather_until_ms = 0;
    send_some(l);
}

void
gather_tick(struct live *l, int64_t now_ms)
{
    if (l->n_confirmed == 0 || l->n_storing > 0)        /* the writer is behind: what waits goes together, when it has done */
        return;
    if (now_ms >= l->gather_until_ms)
        gather_flush(l);
    else
        live_wake(l, l->gather_until_ms);
}

void
gather_close(struct live *l)
{
    tb_free(l->confirmed);
    tb_free(l->leaving);
}
