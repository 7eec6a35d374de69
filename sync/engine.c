/* The journal's way up to the centre (DESIGN section 6).
 *
 *             timer               reached              fits                  ours
 *    resting -------> connecting --------> migrating -------> enrolling -----------> pushing
 *       ^                 |                    |                |    |               |  |  ^
 *       |                 |                    |                |    |  nothing left |  |  | new ops, or a look
 *       |                 |                    |                |    |               v  |  | at the link
 *       |                 |                    |                |    |             level --'
 *       |                 |                    |                |    |               |  |
 *       '-----------------+--------------------+----------------'    |               |  |
 *       ^                     any failure: the link is dropped       |               |  |
 *       '------------------------------------------------------------)---------------+--'
 *                                                                    '--> diverged, for good
 *
 * Paused, it goes to resting from wherever it is, between two steps, and stays there.
 *
 * What always holds: a local read has ended before the network is waited for (so the WAL can be checkpointed); the centre
 * is never told of an op that is not durable here; after any failure the link is dropped and the centre is asked where it
 * stands, so an answer that was lost between COMMIT and us costs nothing; where the centre stands, not what we remember,
 * says what comes next. */
#include "engine.h"

#include "base/log.h"
#include "store/hlc.h"

#include <assert.h>
#include <inttypes.h>

static const char *const state_names[SYNC_STATE_COUNT] = {
    [SYNC_RESTING] = "resting",     [SYNC_CONNECTING] = "connecting", [SYNC_MIGRATING] = "migrating",
    [SYNC_ENROLLING] = "enrolling", [SYNC_PUSHING] = "pushing",       [SYNC_LEVEL] = "level",
    [SYNC_DIVERGED] = "diverged",
};

#define TO(state) (1u << (state))

static const unsigned allowed_moves[SYNC_STATE_COUNT] = {
    [SYNC_RESTING] = TO(SYNC_CONNECTING),
    [SYNC_CONNECTING] = TO(SYNC_MIGRATING) | TO(SYNC_RESTING),
    [SYNC_MIGRATING] = TO(SYNC_ENROLLING) | TO(SYNC_RESTING),
    [SYNC_ENROLLING] = TO(SYNC_PUSHING) | TO(SYNC_RESTING) | TO(SYNC_DIVERGED),
    [SYNC_PUSHING] = TO(SYNC_LEVEL) | TO(SYNC_RESTING),
    [SYNC_LEVEL] = TO(SYNC_PUSHING) | TO(SYNC_RESTING),
    [SYNC_DIVERGED] = 0,
};

static const bool has_link[SYNC_STATE_COUNT] = {
    [SYNC_MIGRATING] = true, [SYNC_ENROLLING] = true, [SYNC_PUSHING] = true, [SYNC_LEVEL] = true,
};

struct gathered {               /* a batch that has been read and not been sent */
    struct sync_engine *s;
    size_t              n;
    int64_t             first_at, last_seq;
    bool                is_full;
    struct tb_err       err;    /* once set, what follows is left for the next batch */
};

struct sync_engine {
    struct sync_engine_settings with;
    struct store_follower      *follower;       /* NULL until the first try */
    enum sync_state             state;
    bool                        is_linked;      /* connect has been called and drop has not */
    bool                        is_woken;       /* there may be ops that we have not read */
    bool                        is_closing;     /* no new request to the store */
    bool                        is_paused;      /* somebody's wish: no step but to resting */
    int64_t                     try_at_ms;      /* monotonic; in resting: when to connect, in level: when to check */
    unsigned                    n_failures;     /* in a row */
    char                        told[sizeof((struct tb_err *)0)->why];      /* the last failure that was logged */
    bool                        is_told_up;     /* and since then nothing failed */
    uint64_t                    chance;
    struct store_identity       me;             /* as of the last enrolment */
    char                        centre_uuid[SYNC_UUID_SIZE];
    int64_t                     pushed_seq;     /* where the centre stands, by its own words */
    struct gathered             next;
    struct store_mark_pushed    mark;           /* one at a time is under way */
    bool                        is_marking;
    int64_t                     marked_seq;     /* what the journal knows */
    int64_t                     pushed_at_ms;   /* when pushed_seq became what it is; wall clock */
};

/* The one place where the state changes. */
static void
move(struct sync_engine *s, enum sync_state to)
{
    assert(allowed_moves[s->state] & TO(to));
    assert(s->is_linked == has_link[to]);
    log_debug("sync.state", "from=%s to=%s", state_names[s->state], state_names[to]);
    s->state = to;
    s->with.facts->is_up = to == SYNC_PUSHING || to == SYNC_LEVEL;
    s->with.facts->is_diverged = to == SYNC_DIVERGED;
}

static int64_t
now_ms(const struct sync_engine *s)
{
    return tb_mono_ms(s->with.clock);
}

static void
drop(struct sync_engine *s)
{
    if (s->is_linked)
        s->with.target->ops->drop(s->with.target);
    s->is_linked = false;
    s->next = (struct gathered){ 0 };
}

/* xorshift64: spreads sites that lost the same centre; no secret depends on it. */
static uint64_t
next_chance(struct sync_engine *s)
{
    s->chance ^= s->chance << 13;
    s->chance ^= s->chance >> 7;
    s->chance ^= s->chance << 17;
    return s->chance;
}

/* Between half and all of 250 ms, 500 ms, ... 3 s: with connecting bounded to 2 s, the drain begins within 5 s of the
 * link's return. */
static int64_t
rest_ms(struct sync_engine *s)
{
    int64_t most = SYNC_FIRST_REST_MS;

    for (unsigned i = 0; i < s->n_failures && most < SYNC_MAX_REST_MS; i++)
        most *= 2;
    if (most > SYNC_MAX_REST_MS)
        most = SYNC_MAX_REST_MS;
    s->n_failures++;
    return most - (int64_t)(next_chance(s) % (uint64_t)(most / 2 + 1));
}

static void
pass_on(const struct sync_engine *s, const struct tb_err *e)
{
    if (s->with.on_failure != NULL)
        s->with.on_failure(s->with.failure_ctx, e);
}

/* The same failure again and again is told once: a centre may be away for a month. */
static void
tell(struct sync_engine *s, const struct tb_err *e, int64_t rest)
{
    enum log_level level = strcmp(s->told, e->why) == 0 ? LOG_DEBUG : LOG_WARN;

    s->is_told_up = false;
    pass_on(s, e);
    if (log_wants(level))
        log_write(level, "sync.failed", "while=%s retry_in_ms=%" PRId64 " why=\"%s\"", state_names[s->state], rest, e->why);
    memcpy(s->told, e->why, sizeof s->told);
}

static void
rest(struct sync_engine *s, const struct tb_err *e)
{
    int64_t ms = rest_ms(s);

    tell(s, e, ms);
    drop(s);
    s->try_at_ms = now_ms(s) + ms;
    move(s, SYNC_RESTING);
}

static void
diverge(struct sync_engine *s, const struct tb_err *e)
{
    drop(s);
    pass_on(s, e);
    log_error("sync.diverged", "why=\"%s\"", e->why);     /* before others can see the state: they look here for why */
    move(s, SYNC_DIVERGED);
}

/* ---- what the journal remembers of it ---- */

/* The journal's memory is behind the centre's word by at most one of these: it serves history's syncedAt, not sync. */
static void marked(struct store_op *op);

static void
mark(struct sync_engine *s)
{
    if (s->is_marking || s->pushed_seq <= s->marked_seq)
        return;
    s->is_marking = true;
    s->mark = (struct store_mark_pushed){
        .op = { .reply_to = s->with.inbox, .on_done = marked }, .seq = s->pushed_seq, .at = s->pushed_at_ms,
    };
    memcpy(s->mark.centre_uuid, s->centre_uuid, sizeof s->mark.centre_uuid);
    store_mark_pushed(s->with.store, &s->mark);
}

static void
marked(struct store_op *op)
{
    struct store_mark_pushed *m = TB_CONTAINER(op, struct store_mark_pushed, op);
    struct sync_engine       *s = TB_CONTAINER(m, struct sync_engine, mark);
    bool                      is_done = op->err.code == TB_OK;

    s->is_marking = false;
    if (!is_done)       /* a full disk, say: look_around tries again */
        log_warn("sync.not_marked", "seq=%" PRId64 " why=\"%s\"", m->seq, op->err.why);
    else if (m->seq > s->marked_seq)
        s->marked_seq = m->seq;
    store_op_fini(op);
    if (is_done && !s->is_closing)
        mark(s);
}

static void
stand_at(struct sync_engine *s, int64_t seq, int64_t wall_ms)
{
    s->pushed_seq = seq;
    s->pushed_at_ms = wall_ms;
    s->with.facts->pushed_seq = seq;
    mark(s);
}

/* ---- before anything is pushed ---- */

struct one {                    /* the only entry that was asked for */
    int64_t at;
    uint8_t chain[16];
};

static void
keep_one(void *ctx, const struct store_entry *entry)
{
    struct one *out = ctx;
    out->at = entry->at;
    memcpy(out->chain, entry->chain, sizeof out->chain);
}

/* *found: there is an own op after that one. */
static enum tb_code
read_one(struct sync_engine *s, int64_t after, struct one *out, bool *found, struct tb_err *e)
{
    size_t n = 0;

    if (store_follow_own(s->follower, after, 1, SIZE_MAX, keep_one, out, &n, e) != TB_OK)
        return e->code;
    *found = n == 1;
    return TB_OK;
}

/* So that the lag can be told while the centre has not been reached yet. */
static enum tb_code
look_at_backlog(struct sync_engine *s, struct tb_err *e)
{
    struct one oldest = { 0 };
    bool       found = false;

    if (store_follow_identity(s->follower, &s->me, e) != TB_OK ||
        read_one(s, s->me.pushed_seq, &oldest, &found, e) != TB_OK)
        return e->code;
    s->pushed_seq = s->marked_seq = s->me.pushed_seq;
    s->with.facts->pushed_seq = s->pushed_seq;
    if (found)
        s->with.facts->behind_since_ms = hlc_ms(oldest.at);
    return TB_OK;
}

static void
connect_to_centre(struct sync_engine *s)
{
    struct tb_err e = { 0 };

    if (s->follower == NULL &&
        (store_follow(s->with.store, &s->follower, &e) != TB_OK || look_at_backlog(s, &e) != TB_OK)) {
        store_unfollow(&s->follower);
        rest(s, &e);
        return;
    }
    s->is_linked = true;
    if (s->with.target->ops->connect(s->with.target, &e) != TB_OK)
        rest(s, &e);
    else
        move(s, SYNC_MIGRATING);
}

static void
migrate(struct sync_engine *s)
{
    struct tb_err e = { 0 };

    if (s->with.target->ops->migrate(s->with.target, &e) != TB_OK)
        rest(s, &e);
    else
        move(s, SYNC_ENROLLING);
}

/* Does the centre hold a beginning of this journal, and nobody else's? TB_ECONFLICT: it does not, and trying again would
 * not help. Every op is chained to the one before, so one op that is the same vouches for all before it. */
static enum tb_code
judge(struct sync_engine *s, const struct sync_place *p, struct tb_err *e)
{
    const struct store_identity *me = &s->me;
    struct one                   last = { 0 };
    bool                         found = false;

    if (me->centre_uuid[0] != '\0' && strcmp(me->centre_uuid, p->centre_uuid) != 0)
        return tb_fail(e, TB_ECONFLICT, NULL, "this journal belongs to centre %s, sync.url leads to centre %s",
                       me->centre_uuid, p->centre_uuid);
    if (strcmp(me->journal_uuid, p->owner_uuid) != 0)
        return tb_fail(e, TB_ECONFLICT, NULL, "node %" PRIu32 " of this centre belongs to journal %s, this is %s", me->node,
                       p->owner_uuid, me->journal_uuid);
    if (me->epoch != p->epoch)
        return tb_fail(e, TB_ECONFLICT, NULL, "the centre knows epoch %" PRIu32 " of this journal, this is %" PRIu32
                       ": a copy of it is in use", p->epoch, me->epoch);
    if (p->last_seq > me->own_seq)
        return tb_fail(e, TB_ECONFLICT, NULL, "the centre has our ops up to %" PRId64 ", the journal ends at %" PRId64
                       ": an older copy of it was restored", p->last_seq, me->own_seq);
    if (p->last_seq == 0)
        return TB_OK;
    if (read_one(s, p->last_seq - 1, &last, &found, e) != TB_OK)
        return e->code;
    if (!found || memcmp(last.chain, p->chain, sizeof last.chain) != 0)
        return tb_fail(e, TB_ECONFLICT, NULL, "our op %" PRId64 " is another one at the centre: a copy of this journal has"
                       " written there", p->last_seq);
    return TB_OK;
}

static void
enrol(struct sync_engine *s)
{
    struct tb_err     e = { 0 };
    struct sync_place place = { 0 };

    if (store_follow_identity(s->follower, &s->me, &e) != TB_OK ||
        s->with.target->ops->enrol(s->with.target, &s->me, &place, &e) != TB_OK) {
        rest(s, &e);
        return;
    }
    if (judge(s, &place, &e) != TB_OK) {
        if (e.code == TB_ECONFLICT)
            diverge(s, &e);
        else
            rest(s, &e);
        return;
    }
    memcpy(s->centre_uuid, place.centre_uuid, sizeof s->centre_uuid);
    if (place.last_seq < s->pushed_seq)     /* it was restored from a backup, or made anew: it gets all that it lacks */
        log_warn("sync.centre_behind", "has=%" PRId64 " had=%" PRId64, place.last_seq, s->pushed_seq);
    stand_at(s, place.last_seq, tb_wall_ms(s->with.clock));
    move(s, SYNC_PUSHING);
}

/* ---- pushing ---- */

static void
take_entry(void *ctx, const struct store_entry *entry)
{
    struct gathered *g = ctx;

    if (g->err.code != TB_OK)
        return;
    if (g->s->with.target->ops->add(g->s->with.target, entry, &g->err) != TB_OK) {
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
    if (!s->is_told_up)
        log_info("sync.up", "centre=%s node=%" PRIu32 " at=%" PRId64, s->centre_uuid, s->me.node, s->pushed_seq);
    s->is_told_up = true;
}

static void
level(struct sync_engine *s)
{
    it_works(s);
    s->try_at_ms = now_ms(s) + SYNC_CHECK_MS;
    move(s, SYNC_LEVEL);
}

/* Reads what comes after that op into s->next: maybe nothing. */
static enum tb_code
gather(struct sync_engine *s, int64_t after, struct tb_err *e)
{
    struct sync_target *t = s->with.target;
    size_t              n;

    s->is_woken = false;        /* before the read, so that what comes after it wakes again */
    s->next = (struct gathered){ .s = s };
    t->ops->begin(t, &s->me, after);
    if (store_follow_own(s->follower, after, s->with.batch, t->max_body_bytes, take_entry, &s->next, &n, e) != TB_OK)
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
    return store.own_seq - after >= (int64_t)s->with.batch ? gather(s, after, e) : TB_OK;
}

static void
push(struct sync_engine *s)
{
    struct sync_target *t = s->with.target;
    struct tb_err       e = { 0 }, read_err = { 0 };

    if (s->next.n == 0 && gather(s, s->pushed_seq, &e) != TB_OK) {
        rest(s, &e);
        return;
    }
    struct gathered sent = s->next;
    show_age(s, &sent);
    if (sent.n == 0) {
        level(s);
        return;
    }
    if (t->ops->send(t, tb_wall_ms(s->with.clock), &e) != TB_OK) {
        rest(s, &e);
        return;
    }
    enum tb_code read = gather_ahead(s, sent.last_seq, &read_err);
    if (t->ops->finish(t, &e) != TB_OK) {
        rest(s, &e);
        return;
    }
    stand_at(s, sent.last_seq, tb_wall_ms(s->with.clock));
    s->with.facts->last_synced_ms = s->pushed_at_ms;
    it_works(s);
    log_debug("sync.pushed", "ops=%zu up_to=%" PRId64, sent.n, sent.last_seq);
    if (read != TB_OK)
        rest(s, &read_err);
}

/* Nothing to do: on new ops, or to see whether the link is still there. */
static void
look_around(struct sync_engine *s)
{
    struct tb_err e = { 0 };

    if (!s->is_woken) {
        if (now_ms(s) < s->try_at_ms)
            return;
        mark(s);
        if (s->with.target->ops->check(s->with.target, &e) != TB_OK) {
            rest(s, &e);
            return;
        }
    }
    move(s, SYNC_PUSHING);
}

/* ---- the engine ---- */

struct sync_engine *
sync_engine_new(const struct sync_engine_settings *settings)
{
    struct sync_engine *s = TB_NEW(struct sync_engine);

    assert(settings->batch >= 1 && settings->seed != 0);
    s->with = *settings;
    s->chance = settings->seed;
    s->state = SYNC_RESTING;
    s->try_at_ms = now_ms(s);
    return s;
}

void
sync_engine_free(struct sync_engine **sp)
{
    struct sync_engine *s = *sp;

    if (s == NULL)
        return;
    assert(!s->is_marking);
    drop(s);
    store_unfollow(&s->follower);
    tb_free(s);
    *sp = NULL;
}

static int
wait_ms(const struct sync_engine *s)
{
    int64_t left = s->try_at_ms - now_ms(s);

    switch (s->state) {
    case SYNC_CONNECTING:
    case SYNC_MIGRATING:
    case SYNC_ENROLLING:
    case SYNC_PUSHING:
        return 0;
    case SYNC_LEVEL:
        if (s->is_woken)
            return 0;
        /* fall through */
    case SYNC_RESTING:
        return left > 0 ? (int)left : 0;
    case SYNC_DIVERGED:
    case SYNC_STATE_COUNT:
        break;
    }
    return -1;
}

/* A batch is one step, so none is on its way. */
static int
hold(struct sync_engine *s)
{
    if (s->state != SYNC_RESTING) {
        drop(s);
        move(s, SYNC_RESTING);
    }
    return -1;
}

int
sync_engine_step(struct sync_engine *s)
{
    if (s->is_paused && s->state != SYNC_DIVERGED)
        return hold(s);
    switch (s->state) {
    case SYNC_RESTING:
        if (now_ms(s) >= s->try_at_ms)
            move(s, SYNC_CONNECTING);
        break;
    case SYNC_CONNECTING:
        connect_to_centre(s);
        break;
    case SYNC_MIGRATING:
        migrate(s);
        break;
    case SYNC_ENROLLING:
        enrol(s);
        break;
    case SYNC_PUSHING:
        push(s);
        break;
    case SYNC_LEVEL:
        look_around(s);
        break;
    case SYNC_DIVERGED:
    case SYNC_STATE_COUNT:
        break;
    }
    return wait_ms(s);
}

void
sync_engine_wake(struct sync_engine *s)
{
    s->is_woken = true;
}

void
sync_engine_pause(struct sync_engine *s, bool is_paused)
{
    if (s->is_paused == is_paused)
        return;
    log_info(is_paused ? "sync.paused" : "sync.resumed", "at=%" PRId64, s->pushed_seq);
    s->is_paused = is_paused;
    s->is_told_up = false;
    s->n_failures = 0;
    s->try_at_ms = now_ms(s);
}

void
sync_engine_stop(struct sync_engine *s)
{
    s->is_closing = true;
}

bool
sync_engine_awaits_store(const struct sync_engine *s)
{
    return s->is_marking;
}

enum sync_state
sync_engine_state(const struct sync_engine *s)
{
    return s->state;
}
