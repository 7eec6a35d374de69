/* The journal's way up to the centre, and the others' ops down from there (DESIGN section 6): the states.
 *
 *             timer               reached              fits                  ours
 *    resting -------> connecting --------> migrating -------> enrolling -----------> pushing <----> pulling
 *       ^                 |                    |               |  ^  |  |            ^  |  ^          ^
 *       |                 |                    |               |  |  |  '-> sending -'  |  |          |
 *       |                 |                    |      no number|  |  |  nothing left |  |  | new ops  | a look at
 *       |                 |                    |   or restored v  |  |               v  |  |          | the others
 *       |                 |                    |    numbering,    |  |             level --'          |
 *       |                 |                    |    restoring ----'  |               |  '------------>|
 *       |                 |                    |       |    |        |               |  |             |
 *       '-----------------+--------------------+-------'----+--------+---------------'  |             |
 *       ^                     any failure: the link is dropped       |                  |             |
 *       '------------------------------------------------------------+------------------'-------------'
 *                                                           |        |
 *                                                           '--------'--> diverged, for good
 *
 * Sending: the centre is behind what the journal still has of our ops (it was restored, or made anew), so it gets the tables.
 * A failure there leads to resting as well. Pulling: a round of the others' ops, or a page of the centre's tables where ops that
 * we lack have left its log; then, with nothing to push, some of our own ops leave it. Paused, it goes to resting from wherever
 * it is, between two steps, and stays there.
 *
 * What always holds: a local read has ended before the network is waited for (so the WAL can be checkpointed); the centre
 * is never told of an op that is not durable here; after any failure the link is dropped and the centre is asked where it
 * stands, so an answer that was lost between COMMIT and us costs nothing; where the centre stands, not what we remember,
 * says what comes next. */
#include "inside.h"

#include "base/log.h"

#include <assert.h>
#include <inttypes.h>

static const char *const state_names[SYNC_STATE_COUNT] = {
    [SYNC_RESTING] = "resting",     [SYNC_CONNECTING] = "connecting", [SYNC_MIGRATING] = "migrating",
    [SYNC_ENROLLING] = "enrolling", [SYNC_NUMBERING] = "numbering",   [SYNC_RESTORING] = "restoring",
    [SYNC_SENDING] = "sending",     [SYNC_PUSHING] = "pushing",     [SYNC_PULLING] = "pulling",       [SYNC_LEVEL] = "level",
    [SYNC_DIVERGED] = "diverged",
};

#define TO(state) (1u << (state))

static const unsigned allowed_moves[SYNC_STATE_COUNT] = {
    [SYNC_RESTING] = TO(SYNC_CONNECTING),
    [SYNC_CONNECTING] = TO(SYNC_MIGRATING) | TO(SYNC_RESTING),
    [SYNC_MIGRATING] = TO(SYNC_ENROLLING) | TO(SYNC_RESTING),
    [SYNC_ENROLLING] = TO(SYNC_NUMBERING) | TO(SYNC_RESTORING) | TO(SYNC_SENDING) | TO(SYNC_PUSHING) | TO(SYNC_RESTING) |
                       TO(SYNC_DIVERGED),
    [SYNC_NUMBERING] = TO(SYNC_ENROLLING) | TO(SYNC_RESTING) | TO(SYNC_DIVERGED),
    [SYNC_RESTORING] = TO(SYNC_ENROLLING) | TO(SYNC_RESTING) | TO(SYNC_DIVERGED),
    [SYNC_SENDING] = TO(SYNC_PUSHING) | TO(SYNC_RESTING),
    [SYNC_PUSHING] = TO(SYNC_LEVEL) | TO(SYNC_PULLING) | TO(SYNC_RESTING),
    [SYNC_PULLING] = TO(SYNC_PUSHING) | TO(SYNC_RESTING),
    [SYNC_LEVEL] = TO(SYNC_PUSHING) | TO(SYNC_PULLING) | TO(SYNC_RESTING),
    [SYNC_DIVERGED] = 0,
};

static const bool has_link[SYNC_STATE_COUNT] = {
    [SYNC_MIGRATING] = true, [SYNC_ENROLLING] = true, [SYNC_NUMBERING] = true, [SYNC_RESTORING] = true,
    [SYNC_SENDING] = true,   [SYNC_PUSHING] = true,   [SYNC_PULLING] = true,   [SYNC_LEVEL] = true,
};

void
engine_move(struct sync_engine *s, enum sync_state to)
{
    assert(allowed_moves[s->state] & TO(to));
    assert(s->is_linked == has_link[to]);
    log_debug("sync.state", "from=%s to=%s", state_names[s->state], state_names[to]);
    s->state = to;
    s->with.facts->is_up = to == SYNC_SENDING || to == SYNC_PUSHING || to == SYNC_PULLING || to == SYNC_LEVEL;
    s->with.facts->is_diverged = to == SYNC_DIVERGED;
}

int64_t
engine_now_ms(const struct sync_engine *s)
{
    return tb_mono_ms(s->with.clock);
}

static void
drop(struct sync_engine *s)
{
    if (s->is_linked)
        s->with.target->ops->drop(s->with.target);
    s->is_linked = false;
    push_drop(s);
    tables_drop(s);
    enrol_let_go(s);
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
    s->with.facts->n_failures++;
    pass_on(s, e);
    if (log_wants(level))
        log_write(level, "sync.failed", "while=%s retry_in_ms=%" PRId64 " why=\"%s\"", state_names[s->state], rest, e->why);
    memcpy(s->told, e->why, sizeof s->told);
}

void
engine_rest(struct sync_engine *s, const struct tb_err *e)
{
    int64_t ms = rest_ms(s);

    tell(s, e, ms);
    if (e->code == TB_EDENIED)          /* there it is, and it will not give a number however long it is asked */
        store_stop_waiting(s->with.store, STORE_AWAITS_NUMBER);
    drop(s);
    s->try_at_ms = engine_now_ms(s) + ms;
    engine_move(s, SYNC_RESTING);
}

void
engine_begin_anew(struct sync_engine *s)
{
    drop(s);
    s->try_at_ms = engine_now_ms(s);
    engine_move(s, SYNC_RESTING);
}

void
engine_diverge(struct sync_engine *s, const struct tb_err *e)
{
    drop(s);
    pass_on(s, e);
    store_stop_waiting(s->with.store, STORE_AWAITS_NUMBER);
    store_stop_waiting(s->with.store, STORE_AWAITS_CENTRE);
    log_error("sync.diverged", "why=\"%s\"", e->why);     /* before others can see the state: they look here for why */
    engine_move(s, SYNC_DIVERGED);
}

/* ---- steps ---- */

static void
pull(struct sync_engine *s)
{
    struct tb_err e = { 0 };

    push_mark(s);       /* if it failed before */
    if (push_note_parked(s, &e) != TB_OK || sync_pull_step(s->pull, s->follower, &s->me, &e) != TB_OK ||
        forget_some(s, &e) != TB_OK)
        engine_rest(s, &e);
    else
        engine_move(s, SYNC_PUSHING);
}

/* Nothing to do: on new ops, or to see what the others have done and whether the link is still there. */
static void
look_around(struct sync_engine *s)
{
    if (s->is_woken)
        engine_move(s, SYNC_PUSHING);
    else if (engine_now_ms(s) >= sync_pull_due_ms(s->pull))
        engine_move(s, SYNC_PULLING);
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
    s->try_at_ms = engine_now_ms(s);
    s->limit = settings->batch;
    s->pull = sync_pull_new(settings);
    return s;
}

void
sync_engine_free(struct sync_engine **sp)
{
    struct sync_engine *s = *sp;

    if (s == NULL)
        return;
    assert(!sync_engine_awaits_store(s));
    drop(s);
    sync_pull_free(&s->pull);
    tb_free(s->parked);
    tb_arena_fini(&s->mem);
    store_unfollow(&s->follower);
    tb_free(s);
    *sp = NULL;
}

static int
ms_until(const struct sync_engine *s, int64_t at_ms)
{
    int64_t left = at_ms == INT64_MAX ? -1 : at_ms - engine_now_ms(s);

    return at_ms == INT64_MAX ? -1 : left > 0 ? (int)left : 0;
}

static int
wait_ms(const struct sync_engine *s)
{
    switch (s->state) {
    case SYNC_CONNECTING:
    case SYNC_MIGRATING:
    case SYNC_ENROLLING:
    case SYNC_SENDING:
    case SYNC_PUSHING:
    case SYNC_PULLING:
        return 0;
    case SYNC_NUMBERING:
    case SYNC_RESTORING:
        return s->asked == ASKED_UNDER_WAY ? -1 : 0;
    case SYNC_LEVEL:
        return s->is_woken ? 0 : ms_until(s, sync_pull_due_ms(s->pull));
    case SYNC_RESTING:
        return ms_until(s, s->try_at_ms);
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
        engine_move(s, SYNC_RESTING);
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
        if (engine_now_ms(s) >= s->try_at_ms)
            engine_move(s, SYNC_CONNECTING);
        break;
    case SYNC_CONNECTING:
        enrol_connect(s);
        break;
    case SYNC_MIGRATING:
        enrol_migrate(s);
        break;
    case SYNC_ENROLLING:
        enrol(s);
        break;
    case SYNC_NUMBERING:
        enrol_number(s);
        break;
    case SYNC_RESTORING:
        enrol_restore(s);
        break;
    case SYNC_SENDING:
        tables_send(s);
        break;
    case SYNC_PUSHING:
        push(s);
        break;
    case SYNC_PULLING:
        pull(s);
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
    if (is_paused)
        store_stop_waiting(s->with.store, STORE_AWAITS_NUMBER);
    s->is_told_up = false;
    s->n_failures = 0;
    s->try_at_ms = engine_now_ms(s);
}

void
sync_engine_stop(struct sync_engine *s)
{
    s->is_closing = true;
    sync_pull_stop(s->pull);
    if (s->me.centre_uuid[0] != '\0')
        push_mark(s);   /* what has been pushed since the last, or history would know of it only after the next start */
}

bool
sync_engine_awaits_store(const struct sync_engine *s)
{
    return s->is_marking || s->is_noting || s->asked == ASKED_UNDER_WAY || sync_pull_awaits_store(s->pull);
}

enum sync_state
sync_engine_state(const struct sync_engine *s)
{
    return s->state;
}
