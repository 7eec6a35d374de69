/* What comes before the first push: the link, the schema, whose number this is, and whether the centre and this journal still
 * belong together. What always holds: nothing is written to a centre that holds anything of ours but a beginning of this
 * journal; where the journal is the beginning, an older copy was restored, and what it has lost comes back first. */
#include "inside.h"

#include "base/log.h"
#include "store/hlc.h"

#include <inttypes.h>
#include <stdlib.h>

enum { RESTORE_BYTES = 8 << 20 };       /* of bodies that come back at once */
enum { RESTORE_DONE = -1 };             /* as restore_upto */

/* ---- the journal ---- */

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

/* ---- the link and the schema ---- */

void
enrol_connect(struct sync_engine *s)
{
    struct tb_err e = { 0 };

    if (s->follower == NULL &&
        (store_follow(s->with.store, &s->follower, &e) != TB_OK || look_at_backlog(s, &e) != TB_OK)) {
        store_unfollow(&s->follower);
        engine_rest(s, &e);
        return;
    }
    s->is_linked = true;
    if (s->with.target->ops->connect(s->with.target, &e) != TB_OK)
        engine_rest(s, &e);
    else
        engine_move(s, SYNC_MIGRATING);
}

void
enrol_migrate(struct sync_engine *s)
{
    struct tb_err e = { 0 };

    if (s->with.target->ops->migrate(s->with.target, &e) != TB_OK)
        engine_rest(s, &e);
    else
        engine_move(s, SYNC_ENROLLING);
}

/* ---- asking the store ---- */

static void
answered(struct store_op *op)
{
    struct sync_engine *s = TB_CONTAINER(op, struct sync_engine, ask.op);

    s->asked_err = op->err;
    s->asked = s->state == SYNC_NUMBERING || s->state == SYNC_RESTORING ? ASKED_DONE : ASKED_NOTHING;
    store_op_fini(op);
    if (s->asked == ASKED_NOTHING)
        enrol_let_go(s);        /* the link went meanwhile */
}

static void
ready(struct sync_engine *s)
{
    s->ask.op.reply_to = s->with.inbox;
    s->ask.op.on_done = answered;
    s->asked = ASKED_UNDER_WAY;
}

/* The answer, if there is one: false when it is a refusal, and the state has changed. */
static bool
take_answer(struct sync_engine *s)
{
    struct tb_err e = s->asked_err;

    if (s->asked == ASKED_NOTHING)
        return true;
    s->asked = ASKED_NOTHING;
    if (e.code == TB_OK)
        return true;
    if (e.code == TB_ECONFLICT)
        engine_diverge(s, &e);
    else
        engine_rest(s, &e);
    return false;
}

/* ---- whose number ---- */

/* A journal that has written nothing has no number to lose: it gets one that is free. */
void
enrol_number(struct sync_engine *s)
{
    struct tb_err e = { 0 };
    uint32_t      node = 0;

    if (s->asked == ASKED_UNDER_WAY || s->is_closing)
        return;
    if (s->asked == ASKED_DONE) {
        if (take_answer(s))
            engine_move(s, SYNC_ENROLLING);
        return;
    }
    if (s->with.target->ops->take_number(s->with.target, &s->me, &node, &e) != TB_OK) {
        engine_rest(s, &e);
        return;
    }
    log_info("sync.number", "node=%" PRIu32 " centre=%s", node, s->centre_uuid);
    s->ask.set_node = (struct store_set_node){ .node = node };
    memcpy(s->ask.set_node.centre_uuid, s->centre_uuid, sizeof s->ask.set_node.centre_uuid);
    ready(s);
    store_set_node(s->with.store, &s->ask.set_node);
}

/* ---- an older copy of the journal ---- */

static void
keep_entry(void *ctx, const struct store_entry *entry)
{
    struct sync_engine *s = ctx;

    if (s->n_entries == STORE_REMOTE_MAX)
        return;
    s->entries[s->n_entries] = *entry;
    s->entries[s->n_entries++].body = tb_arena_str(&s->mem, entry->body);
}

static enum tb_code
read_own(struct sync_engine *s, int64_t after, int64_t upto, struct tb_err *e)
{
    struct sync_target *t = s->with.target;

    tb_arena_fini(&s->mem);
    s->n_entries = 0;
    return t->ops->read_ops(t, s->me.node, after, upto, STORE_REMOTE_MAX, RESTORE_BYTES, keep_entry, s, e);
}

static void
restore_some(struct sync_engine *s)
{
    struct tb_err e = { 0 };

    if (read_own(s, s->me.own_seq, s->restore_upto, &e) != TB_OK) {
        engine_rest(s, &e);
        return;
    }
    if (s->n_entries == 0) {
        tb_fail(&e, TB_ECONFLICT, NULL, "the centre has had our ops up to %" PRId64 ", but op %" PRId64 " is not there any more",
                s->restore_upto, s->me.own_seq + 1);
        engine_diverge(s, &e);
        return;
    }
    bool is_last = s->entries[s->n_entries - 1].seq == s->restore_upto;
    s->ask.restore = (struct store_restore_own){ .entries = s->entries, .n = s->n_entries, .is_last = is_last };
    s->holds_users = !is_last;
    ready(s);
    store_restore_own(s->with.store, &s->ask.restore);
}

/* The copy goes on under the next epoch: if the original is still in use somewhere, the fence keeps it out. The journal
 * first: a crash in between finds the centre one behind, which the next enrolment puts right. */
static void
begin_epoch(struct sync_engine *s)
{
    uint32_t epoch = (s->me.epoch > s->epoch_there ? s->me.epoch : s->epoch_there) + 1;

    log_warn("sync.restored", "up_to=%" PRId64 " epoch=%" PRIu32, s->restore_upto, epoch);
    s->restore_upto = RESTORE_DONE;
    s->ask.set_epoch = (struct store_set_epoch){ .epoch = epoch };
    ready(s);
    store_set_epoch(s->with.store, &s->ask.set_epoch);
}

void
enrol_restore(struct sync_engine *s)
{
    struct tb_err e = { 0 };

    if (s->asked == ASKED_UNDER_WAY || s->is_closing || !take_answer(s))
        return;
    if (store_follow_identity(s->follower, &s->me, &e) != TB_OK)
        engine_rest(s, &e);
    else if (s->restore_upto == RESTORE_DONE)
        engine_move(s, SYNC_ENROLLING);
    else if (s->me.own_seq < s->restore_upto)
        restore_some(s);
    else
        begin_epoch(s);
}

void
enrol_let_go(struct sync_engine *s)
{
    if (!s->holds_users || s->asked == ASKED_UNDER_WAY || s->is_closing)
        return;
    s->holds_users = false;
    s->ask.restore = (struct store_restore_own){ .is_last = true };
    ready(s);
    store_restore_own(s->with.store, &s->ask.restore);
}

/* ---- do we belong together? ---- */

enum fit { FITS, NEEDS_NUMBER, WAS_RESTORED, FITS_NOT };

/* Is the end of the journal in the middle of what the centre has of us? Then it is a beginning of that. Of one that ends before
 * the oldest op which is still there nobody can say. */
static enum tb_code
find_our_end(struct sync_engine *s, const struct sync_place *p, bool *is_there, struct tb_err *e)
{
    const struct store_identity *me = &s->me;

    if (me->own_seq < p->floor)
        return tb_fail(e, TB_ECONFLICT, NULL,
                       "this copy of the journal ends at our op %" PRId64 ", and the centre has only kept"
                       " those after %" PRId64 ": it is too old to go on with; start with an empty folder",
                       me->own_seq, p->floor);
    *is_there = me->own_seq == 0;
    if (me->own_seq == p->floor)
        *is_there = me->own_seq == 0 || memcmp(me->own_chain, p->floor_chain, sizeof me->own_chain) == 0;
    if (me->own_seq == 0 || me->own_seq == p->floor)
        return TB_OK;
    if (read_own(s, me->own_seq - 1, me->own_seq, e) != TB_OK)
        return e->code;
    *is_there = s->n_entries == 1 && memcmp(s->entries[0].chain, me->own_chain, sizeof me->own_chain) == 0;
    return TB_OK;
}

/* Every op is chained to the one before, so one op that is the same vouches for all before it. Ops that have left the journal
 * were at the centre once; one that stands before the last of them was restored, and nobody can compare any more: it gets
 * the tables, which change nothing of what it has. */
static enum tb_code
find_their_end(struct sync_engine *s, const struct sync_place *p, bool *is_here, struct tb_err *e)
{
    struct one last = { 0 };
    bool       found = false;

    *is_here = p->last_seq < s->me.floor_seq || p->last_seq == 0;
    if (*is_here)
        return TB_OK;
    if (p->last_seq == s->me.floor_seq) {
        *is_here = memcmp(s->me.floor_chain, p->chain, sizeof p->chain) == 0;
        return TB_OK;
    }
    if (read_one(s, p->last_seq - 1, &last, &found, e) != TB_OK)
        return e->code;
    *is_here = found && memcmp(last.chain, p->chain, sizeof last.chain) == 0;
    return TB_OK;
}

/* Also when nothing was lost: the original, or an earlier copy, may be in use somewhere. */
static bool
must_take_over(const struct sync_engine *s)
{
    return s->me.restored != STORE_NOT_RESTORED;
}

/* Were it to, whoever works with the original would be out: a restore that is tried out must not do that by accident. */
static bool
is_original_in_use(const struct sync_engine *s, const struct sync_place *p)
{
    return s->me.restored == STORE_RESTORED && p->here_ago_ms < SYNC_GONE_MS;
}

/* FITS_NOT: *e says why, and trying again would not help; any other failure has another code than TB_ECONFLICT. */
static enum fit
judge(struct sync_engine *s, const struct sync_place *p, struct tb_err *e)
{
    const struct store_identity *me = &s->me;
    bool                         is_common = false;

    if (me->centre_uuid[0] != '\0' && strcmp(me->centre_uuid, p->centre_uuid) != 0) {
        tb_fail(e, TB_ECONFLICT, NULL, "this journal belongs to centre %s, sync.url leads to centre %s", me->centre_uuid,
                p->centre_uuid);
        return FITS_NOT;
    }
    if (strcmp(me->journal_uuid, p->owner_uuid) != 0) {
        if (me->own_seq == 0 && me->node == 0)
            return NEEDS_NUMBER;
        tb_fail(e, TB_ECONFLICT, NULL, "node %" PRIu32 " of this centre belongs to journal %s, this is %s; see tombolo sync"
                " enroll", me->node, p->owner_uuid, me->journal_uuid);
        return FITS_NOT;
    }
    if (me->epoch < p->epoch && me->restored == STORE_NOT_RESTORED) {
        tb_fail(e, TB_ECONFLICT, NULL, "the centre knows epoch %" PRIu32 " of this journal, this is %" PRIu32
                ": a copy of it is in use", p->epoch, me->epoch);
        return FITS_NOT;
    }
    bool is_longer = p->last_seq > me->own_seq;
    TB_TRY(is_longer ? find_our_end(s, p, &is_common, e) : find_their_end(s, p, &is_common, e));
    if (e->code != TB_OK)
        return FITS_NOT;
    if (is_common && !is_longer && !must_take_over(s))
        return FITS;
    if (is_common && !is_original_in_use(s, p))
        return WAS_RESTORED;
    if (is_common) {
        tb_fail(e, TB_EBUSY, NULL, "the original of this restored journal was at the centre within the last 10 minutes;"
                " see tombolo restore --take-over");
        return FITS_NOT;
    }
    tb_fail(e, TB_ECONFLICT, NULL, "our op %" PRId64 " is another one at the centre: a copy of this journal has written there;"
            " see tombolo sync rejoin", is_longer ? me->own_seq : p->last_seq);
    return FITS_NOT;
}

/* Which of the two clocks is wrong nobody can say. */
static void
compare_clocks(struct sync_engine *s, const struct sync_place *p)
{
    int64_t ahead_ms = p->now_ms != 0 ? p->now_ms - tb_wall_ms(s->with.clock) : 0;

    s->with.facts->centre_ahead_ms = ahead_ms;
    if (llabs(ahead_ms) > HLC_MAX_AHEAD_MS)
        log_warn("clock.centre_differs", "ahead_ms=%" PRId64, ahead_ms);
}

static void
fit(struct sync_engine *s, const struct sync_place *p)
{
    struct sync_target *t = s->with.target;
    struct tb_err       e = { 0 };

    if ((s->me.epoch > p->epoch && t->ops->set_epoch(t, &s->me, &e) != TB_OK) || forget_begin(s, &e) != TB_OK) {
        engine_rest(s, &e);
        return;
    }
    if (p->last_seq < s->pushed_seq)        /* it was restored from a backup, or made anew: it gets all that it lacks */
        log_warn("sync.centre_behind", "has=%" PRId64 " had=%" PRId64, p->last_seq, s->pushed_seq);
    push_stand_at(s, p->last_seq, tb_wall_ms(s->with.clock));
    sync_pull_begin(s->pull);
    s->is_parked_stale = true;
    if (p->last_seq >= s->me.floor_seq) {
        engine_move(s, SYNC_PUSHING);
        return;
    }
    tables_begin(s);
    engine_move(s, SYNC_SENDING);
}

void
enrol(struct sync_engine *s)
{
    struct tb_err     e = { 0 };
    struct sync_place place = { 0 };

    if (store_follow_identity(s->follower, &s->me, &e) != TB_OK ||
        s->with.target->ops->enrol(s->with.target, &s->me, &place, &e) != TB_OK) {
        engine_rest(s, &e);
        return;
    }
    compare_clocks(s, &place);
    memcpy(s->centre_uuid, place.centre_uuid, sizeof s->centre_uuid);
    switch (judge(s, &place, &e)) {
    case FITS:
        fit(s, &place);
        return;
    case NEEDS_NUMBER:
        engine_move(s, SYNC_NUMBERING);
        return;
    case WAS_RESTORED:
        log_warn("sync.restoring", "from=%" PRId64 " up_to=%" PRId64, s->me.own_seq, place.last_seq);
        s->restore_upto = place.last_seq > s->me.own_seq ? place.last_seq : s->me.own_seq;
        s->epoch_there = place.epoch;
        engine_move(s, SYNC_RESTORING);
        return;
    case FITS_NOT:
        if (e.code == TB_ECONFLICT)
            engine_diverge(s, &e);
        else
            engine_rest(s, &e);
        return;
    }
}
