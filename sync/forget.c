/* What all sites have leaves the centre's op_log: each site lets its own ops go, a few at a time, when it has nothing to push and
 * has looked at the others. Which ones may go the centre says, by its own calendar. Where its clock and ours are days
 * apart one of the two is wrong, and nothing goes: what has gone does not come back. */
#include "inside.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    HERE_MS = 60000,    /* how often it is said that we are here: well below SYNC_GONE_MS */
    LOOK_MS = 3600000,  /* how often it is asked what may go */
    OPS_A_STEP = 1000,  /* some ten milliseconds of the centre's */
    PAUSE_PER_STEP = 9, /* times what a step took: others use the centre as well */
    DOUBT_MS = 86400000,
};

enum tb_code
forget_begin(struct sync_engine *s, struct tb_err *e)
{
    s->forgetting = (struct forgetting){ .look_at_ms = engine_now_ms(s), .say_at_ms = engine_now_ms(s) + HERE_MS };
    return s->with.target->ops->say_here(s->with.target, &s->me, e);
}

static bool
is_wanted(const struct sync_engine *s)
{
    int64_t ahead_ms = s->with.facts->centre_ahead_ms;
    return s->with.keep.days > 0 && llabs(ahead_ms) < DOUBT_MS;
}

static enum tb_code
look(struct sync_engine *s, struct tb_err *e)
{
    struct forgetting *f = &s->forgetting;
    struct sync_target *t = s->with.target;
    int64_t was = f->floor;

    f->look_at_ms = engine_now_ms(s) + LOOK_MS;
    if (!is_wanted(s))
        return TB_OK;
    if (t->ops->raise_floor(t, &s->me, &s->with.keep, &f->floor, e) != TB_OK)
        return e->code;
    if (f->floor > was)
        log_info("sync.forgetting", "up_to=%" PRId64, f->floor);
    f->has_more = f->floor > 0;
    return TB_OK;
}

static enum tb_code
forget(struct sync_engine *s, struct tb_err *e)
{
    struct forgetting *f = &s->forgetting;
    struct sync_target *t = s->with.target;
    int64_t began = engine_now_ms(s);
    size_t n = 0;

    if (t->ops->forget_ops(t, &s->me, f->floor, OPS_A_STEP, &n, e) != TB_OK)
        return e->code;
    int64_t now = engine_now_ms(s);
    f->not_before_ms = now + (now - began) * PAUSE_PER_STEP;
    f->has_more = n == OPS_A_STEP;
    s->with.facts->n_forgotten += n;
    return TB_OK;
}

enum tb_code
forget_some(struct sync_engine *s, struct tb_err *e)
{
    struct store_status store;
    int64_t now = engine_now_ms(s);

    if (now >= s->forgetting.say_at_ms) {
        s->forgetting.say_at_ms = now + HERE_MS;
        return s->with.target->ops->say_here(s->with.target, &s->me, e);
    }
    store_status(s->with.store, &store);
    if (store.own_seq > s->pushed_seq || now < s->forgetting.not_before_ms)
        return TB_OK;
    if (now >= s->forgetting.look_at_ms)
        return look(s, e);
    return s->forgetting.has_more ? forget(s, e) : TB_OK;
}
