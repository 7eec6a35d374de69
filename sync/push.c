/* The way up: a batch is gathered from the journal, sent as one transaction, and while the centre works on it the next one is
 * made ready. Where the centre refuses the content of an op, batches are halved until it stands alone; then it is parked:
 * it keeps its place in op_log, without its effect, and the rest goes on. A batch that failed for any other reason may have
 * been too much for the link to carry before a time-out, so the next one is half of it, down to SMALL_BATCH. What goes through
 * makes the next one a little larger again, up to what was asked for. */
#include "inside.h"

#include "base/log.h"
#include "base/metrics.h"
#include "base/slow.h"
#include "store/hlc.h"

#include <inttypes.h>

enum {
    SMALL_BATCH = 16,           /* ops that any link carries in time, or none */
    MARK_EVERY_MS = 1000,       /* while there is more to push: each mark may be a commit of its own, and who sends meanwhile
                                 * waits for it: four a second are one send in a hundred, where a commit takes 3 ms */
};

/* ---- what the journal remembers of it ---- */

/* The journal's memory may be behind the centre's word, on a long way up by MARK_EVERY_MS: it serves history's syncedAt, not
 * sync. */
static void marked(struct store_op *op);

/* Not before the journal knows its centre: tokens are made in the centre's name from then on, and after a crash they must be good. */
static void
tell_centre(struct sync_engine *s)
{
    if (s->me.centre_uuid[0] != '\0' && s->with.on_centre != NULL)
        s->with.on_centre(s->with.synced_ctx, s->centre_uuid);
}

void
push_mark(struct sync_engine *s)
{
    bool knows_centre = s->me.centre_uuid[0] != '\0';

    if (s->is_marking || (knows_centre && s->pushed_seq <= s->marked_seq))
        return;
    s->is_marking = true;
    s->marked_at_ms = engine_now_ms(s);
    s->mark = (struct store_mark_pushed){
        .op = { .reply_to = s->with.inbox, .on_done = marked }, .seq = s->pushed_seq, .at = s->pushed_at_ms,
    };
    memcpy(s->mark.centre_uuid, s->centre_uuid, sizeof s->mark.centre_uuid);
    store_mark_pushed(s->with.store, &s->mark);
}

static void
mark_if_due(struct sync_engine *s)
{
    if (s->state == SYNC_LEVEL || engine_now_ms(s) - s->marked_at_ms >= MARK_EVERY_MS)
        push_mark(s);
}

static void
marked(struct store_op *op)
{
    struct store_mark_pushed *m = TB_CONTAINER(op, struct store_mark_pushed, op);
    struct sync_engine       *s = TB_CONTAINER(m, struct sync_engine, mark);
    bool                      is_done = op->err.code == TB_OK;

    s->is_marking = false;
    if (!is_done)       /* a full disk, say: the next look at the link tries again */
        log_warn("sync.not_marked", "seq=%" PRId64 " why=\"%s\"", m->seq, op->err.why);
    else if (m->seq > s->marked_seq)
        s->marked_seq = m->seq;
    if (is_done && s->me.centre_uuid[0] == '\0') {
        memcpy(s->me.centre_uuid, m->centre_uuid, sizeof s->me.centre_uuid);
        tell_centre(s);
    }
    store_op_fini(op);
    if (is_done && s->is_closing)
        push_mark(s);       /* as when it began to close */
    else if (is_done)
        mark_if_due(s);
}

/* ---- what the centre has parked ---- */

static void
noted(struct store_op *op)
{
    struct store_set_parked *r = TB_CONTAINER(op, struct store_set_parked, op);
    struct sync_engine      *s = TB_CONTAINER(r, struct sync_engine, set_parked);

    s->is_noting = false;
    if (op->err.code != TB_OK) {
        log_warn("sync.not_noted", "parked=%zu why=\"%s\"", r->n, op->err.why);
        s->is_parked_stale = true;
    }
    store_op_fini(op);
}

static void
keep_seq(void *ctx, int64_t seq)
{
    struct sync_engine *s = ctx;
    s->parked[s->n_parked++] = seq;
}

enum tb_code
push_note_parked(struct sync_engine *s, struct tb_err *e)
{
    struct sync_target *t = s->with.target;

    if (!s->is_parked_stale || s->is_noting || s->is_closing)
        return TB_OK;
    if (s->parked == NULL)
        s->parked = tb_alloc(STORE_PARKED_OPS_MAX * sizeof *s->parked);
    s->n_parked = 0;
    if (t->ops->parked(t, &s->me, STORE_PARKED_OPS_MAX, keep_seq, s, e) != TB_OK)
        return e->code;
    s->set_parked = (struct store_set_parked){ .op = { .reply_to = s->with.inbox, .on_done = noted }, .seqs = s->parked,
                                               .n = s->n_parked };
    s->is_parked_stale = false;
    s->is_noting = true;
    store_set_parked(s->with.store, &s->set_parked);
    return TB_OK;
}

void
push_stand_at(struct sync_engine *s, int64_t seq, int64_t wall_ms)
{
    s->pushed_seq = seq;
    s->pushed_at_ms = wall_ms;
    s->with.facts->pushed_seq = seq;
    mark_if_due(s);
}

/* ---- gathering ---- */

static const uint64_t time_edges[] = { TB_LATENCY_EDGES }, size_edges[] = { 1, 4, 16, 64, 256, 1000, 4000 };
TB_HISTOGRAM(durations, TB_UNIT_US, time_edges, "tombolo_sync_batch_duration_seconds",
             "Batches for the centre, from being sent to being committed there.");
TB_HISTOGRAM(sizes, TB_UNIT_ONE, size_edges, "tombolo_sync_batch_ops", "Changes in a batch that the centre has taken.");

static enum tb_code
add(struct sync_engine *s, const struct gathered *g, const struct store_entry *entry, struct tb_err *e)
{
    struct sync_target *t = s->with.target;

    if (entry->seq != s->parking.seq)
        return t->ops->add(t, entry, e);
    if (g->n > 0)
        return tb_fail(e, TB_ETOOBIG, NULL, "what is parked goes alone");
    return t->ops->park(t, entry, s->parking.refusal, s->parking.why, e);
}

static void
take_entry(void *ctx, const struct store_entry *entry)
{
    struct gathered *g = ctx;

    if (g->err.code != TB_OK)
        return;
    if (add(g->s, g, entry, &g->err) != TB_OK) {
        g->is_full = g->err.code == TB_ETOOBIG;
        return;
    }
    if (g->n++ == 0)
        g->first_at = entry->at;
    g->last_seq = entry->seq;
}

/* Not when connected: a centre that takes connections and refuses batches is rested from longer and longer. */
static void
it_works(struct sync_engine *s)
{
    s->n_failures = 0;
    s->told[0] = '\0';
    if (s->is_told_up)
        return;
    log_info("sync.up", "centre=%s node=%" PRIu32 " at=%" PRId64, s->centre_uuid, s->me.node, s->pushed_seq);
    tell_centre(s);
    s->is_told_up = true;
}

static void
level(struct sync_engine *s)
{
    it_works(s);
    engine_move(s, SYNC_LEVEL);
    push_mark(s);
}

/* Reads what comes after that op into s->next: maybe nothing. */
static enum tb_code
gather(struct sync_engine *s, int64_t after, struct tb_err *e)
{
    struct sync_target *t = s->with.target;
    size_t              n, max = after + 1 == s->parking.seq ? 1 : s->limit;

    s->is_woken = false;        /* before the read, so that what comes after it wakes again */
    s->next = (struct gathered){ .s = s };
    t->ops->begin(t, &s->me, after);
    if (store_follow_own(s->follower, after, max, t->max_body_bytes, take_entry, &s->next, &n, e) != TB_OK)
        return e->code;
    if (s->next.err.code == TB_OK || s->next.is_full)
        return TB_OK;
    *e = s->next.err;
    return e->code;
}

static void
show_age(struct sync_engine *s, const struct gathered *oldest)
{
    s->with.facts->behind_since_ms = oldest->n > 0 ? hlc_ms(oldest->first_at) : 0;
}

/* While the centre works on a batch the next one is made ready, if there is enough for a whole one: a small one would be
 * larger, and its ops no later, if it were read when the answer has come. */
static enum tb_code
gather_ahead(struct sync_engine *s, int64_t after, struct tb_err *e)
{
    struct store_status store;

    s->next = (struct gathered){ 0 };
    store_status(s->with.store, &store);
    bool is_whole = s->limit == s->with.batch && store.own_seq - after >= (int64_t)s->with.batch;
    return is_whole ? gather(s, after, e) : TB_OK;
}

/* ---- refusals ---- */

/* Halves the next batch; an op that is alone already is parked with it. */
static void
look_for_poison(struct sync_engine *s, const struct gathered *sent, const struct tb_err *e)
{
    if (sent->n > 1) {
        s->limit = sent->n / 2;
        s->poison_upto = sent->last_seq;
    } else if (s->parking.seq == sent->last_seq) {
        engine_rest(s, e);          /* not even its place is taken: nothing more can be done from here */
        return;
    } else {
        s->parking = (struct parking){ .seq = sent->last_seq, .refusal = s->with.target->refusal };
        memcpy(s->parking.why, e->why, sizeof s->parking.why);
    }
    log_warn("sync.refused", "ops=%zu up_to=%" PRId64 " code=%u why=\"%s\"", sent->n, sent->last_seq, s->with.target->refusal,
             e->why);
    engine_begin_anew(s);
}

static void
leave_poison_behind(struct sync_engine *s)
{
    if (s->parking.seq != 0 && s->pushed_seq >= s->parking.seq) {
        log_error("sync.parked", "seq=%" PRId64 " code=%u why=\"%s\"", s->parking.seq, s->parking.refusal, s->parking.why);
        s->with.facts->n_parked++;
        s->is_parked_stale = true;
        s->parking.seq = 0;
    }
}

/* Not at once all that was asked for: where one op is poison the next one often is, too, and a slow link is still slow. */
static void
dare_more(struct sync_engine *s, const struct gathered *sent)
{
    bool was_whole = sent->n >= s->limit || sent->is_full;

    if (s->pushed_seq < s->poison_upto || !was_whole)
        return;
    s->limit += s->limit / 8 + 1;
    if (s->limit > s->with.batch)
        s->limit = s->with.batch;
}

static void
dare_less(struct sync_engine *s, size_t n_sent)
{
    if (n_sent > SMALL_BATCH && s->limit > n_sent / 2)
        s->limit = n_sent / 2;
}

static void
fail(struct sync_engine *s, const struct gathered *sent, const struct tb_err *e)
{
    if (e->code == TB_EINPUT) {
        look_for_poison(s, sent, e);
    } else {
        dare_less(s, sent->n);
        engine_rest(s, e);
    }
}

/* ---- pushing ---- */

static void
tell_sent(struct sync_engine *s)
{
    size_t                  n;
    const struct sync_sent *sent = s->with.target->ops->sent(s->with.target, &n);

    if (n > 0 && s->with.on_synced != NULL)
        s->with.on_synced(s->with.synced_ctx, sent, n, s->pushed_at_ms);
}

static void
note_batch(int64_t took_us, size_t n)
{
    tb_observe(&durations, 0, (uint64_t)took_us);
    tb_observe(&sizes, 0, n);
    if (slow_is(took_us))
        slow_log(SLOW_SYNC, took_us, "ops=%zu", n);
}

void
push(struct sync_engine *s)
{
    struct sync_target *t = s->with.target;
    struct tb_err       e = { 0 }, read_err = { 0 };

    if (s->next.n == 0 && gather(s, s->pushed_seq, &e) != TB_OK) {
        engine_rest(s, &e);
        return;
    }
    struct gathered sent = s->next;
    int64_t         begun_us = tb_mono_us(s->with.clock);
    show_age(s, &sent);
    if (sent.n == 0) {
        level(s);
        return;
    }
    if (t->ops->send(t, tb_wall_ms(s->with.clock), &e) != TB_OK) {
        fail(s, &sent, &e);
        return;
    }
    enum tb_code read = gather_ahead(s, sent.last_seq, &read_err);
    if (t->ops->finish(t, &e) != TB_OK) {
        fail(s, &sent, &e);
        return;
    }
    note_batch(tb_mono_us(s->with.clock) - begun_us, sent.n);
    push_stand_at(s, sent.last_seq, tb_wall_ms(s->with.clock));
    s->with.facts->last_synced_ms = s->pushed_at_ms;
    s->with.facts->n_pushed += sent.n;
    tell_sent(s);
    leave_poison_behind(s);
    dare_more(s, &sent);
    it_works(s);
    log_debug("sync.pushed", "ops=%zu up_to=%" PRId64, sent.n, sent.last_seq);
    if (read != TB_OK)
        engine_rest(s, &read_err);
    else if (engine_now_ms(s) >= sync_pull_due_ms(s->pull))
        engine_move(s, SYNC_PULLING);       /* a long way up does not hold up the way down */
}

void
push_drop(struct sync_engine *s)
{
    s->next = (struct gathered){ 0 };
}
