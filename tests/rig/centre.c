/* Bodies of centre.h. A batch is taken as a whole, and only when it begins where the centre stands: the fence of DESIGN
 * section 6. */
#include "centre.h"

#include "sync/target.h"

#include <assert.h>
#include <pthread.h>
#include <time.h>

enum { PATIENCE_S = 60, BATCH_BYTES = 1 << 20 };

struct op {
    int64_t seq;
    uint8_t chain[16];
    char   *body;
};

struct ops {
    struct op *p;
    size_t     n, cap;
};

struct rig_centre {
    pthread_mutex_t lock;
    pthread_cond_t  changed;
    /* under lock */
    struct ops ops;                     /* committed, gapless from 1 */
    bool       is_away;
    unsigned   n_answers_to_lose;
    size_t     n_batches;
    char       owner_uuid[SYNC_UUID_SIZE];
    uint32_t   epoch;
};

struct way {                            /* one server's */
    struct sync_target target;
    struct rig_centre *centre;
    struct ops         filling, sent;   /* the sync thread's */
    int64_t            filling_after, sent_after;
};

static struct way *
way_of(struct sync_target *t)
{
    return TB_CONTAINER(t, struct way, target);
}

static void
ops_add(struct ops *ops, struct op op)
{
    if (ops->n == ops->cap) {
        ops->cap = ops->cap ? 2 * ops->cap : 64;
        ops->p = tb_realloc(ops->p, ops->cap * sizeof *ops->p);
    }
    ops->p[ops->n++] = op;
}

static void
ops_fini(struct ops *ops)
{
    for (size_t i = 0; i < ops->n; i++)
        tb_free(ops->p[i].body);
    tb_free(ops->p);
    *ops = (struct ops){ 0 };
}

/* ---- the target; all on the sync thread ---- */

static struct rig_centre *
begin_call(struct sync_target *t)
{
    struct rig_centre *c = way_of(t)->centre;

    pthread_mutex_lock(&c->lock);
    return c;
}

static enum tb_code
end_call(struct rig_centre *c, struct tb_err *e)
{
    bool is_away = c->is_away;

    pthread_mutex_unlock(&c->lock);
    return is_away ? tb_fail(e, TB_EIO, NULL, "the centre is away") : TB_OK;
}

static enum tb_code
connect_to(struct sync_target *t, struct tb_err *e)
{
    t->max_body_bytes = BATCH_BYTES;
    return end_call(begin_call(t), e);
}

static enum tb_code
migrate(struct sync_target *t, struct tb_err *e)
{
    return end_call(begin_call(t), e);
}

static enum tb_code
enrol(struct sync_target *t, const struct store_identity *me, struct sync_place *out, struct tb_err *e)
{
    struct rig_centre *c = begin_call(t);

    if (c->owner_uuid[0] == '\0' && !c->is_away) {
        memcpy(c->owner_uuid, me->journal_uuid, sizeof c->owner_uuid);
        c->epoch = me->epoch;
    }
    *out = (struct sync_place){ .centre_uuid = "c0000000-0000-4000-8000-000000000000", .epoch = c->epoch,
                                .last_seq = (int64_t)c->ops.n };
    memcpy(out->owner_uuid, c->owner_uuid, sizeof out->owner_uuid);
    if (c->ops.n > 0)
        memcpy(out->chain, c->ops.p[c->ops.n - 1].chain, sizeof out->chain);
    return end_call(c, e);
}

/* It has one site, whose number is its own and whose epoch never changes. */
static enum tb_code
take_number(struct sync_target *t, const struct store_identity *me, uint32_t *node, struct tb_err *e)
{
    (void)t, (void)me, (void)node;
    return tb_fail(e, TB_EIO, NULL, "there are no other numbers here");
}

static enum tb_code
set_epoch(struct sync_target *t, const struct store_identity *me, struct tb_err *e)
{
    (void)t, (void)me;
    return tb_fail(e, TB_EIO, NULL, "there are no epochs here");
}

static enum tb_code
heads(struct sync_target *t, const struct store_identity *me, void (*each)(void *ctx, const struct sync_head *), void *ctx,
      struct tb_err *e)
{
    (void)me, (void)each, (void)ctx;
    return end_call(begin_call(t), e);
}

static enum tb_code
read_ops(struct sync_target *t, uint32_t node, int64_t after, int64_t upto, size_t max, size_t max_bytes,
         void (*each)(void *ctx, const struct store_entry *), void *ctx, struct tb_err *e)
{
    (void)node, (void)after, (void)upto, (void)max, (void)max_bytes, (void)each, (void)ctx;
    return end_call(begin_call(t), e);
}

static enum tb_code
parked(struct sync_target *t, const struct store_identity *me, size_t max, void (*each)(void *ctx, int64_t seq), void *ctx,
       struct tb_err *e)
{
    (void)me, (void)max, (void)each, (void)ctx;
    return end_call(begin_call(t), e);
}

static enum tb_code
tell_seen(struct sync_target *t, const struct store_identity *me, const struct sync_seen *seen, size_t n, struct tb_err *e)
{
    (void)me, (void)seen, (void)n;
    return end_call(begin_call(t), e);
}

static enum tb_code
say_here(struct sync_target *t, const struct store_identity *me, struct tb_err *e)
{
    (void)me;
    return end_call(begin_call(t), e);
}

/* It keeps everything for ever. */
static enum tb_code
raise_floor(struct sync_target *t, const struct store_identity *me, const struct sync_keep *keep, int64_t *floor,
            struct tb_err *e)
{
    (void)me, (void)keep;
    *floor = 0;
    return end_call(begin_call(t), e);
}

static enum tb_code
forget_ops(struct sync_target *t, const struct store_identity *me, int64_t floor, size_t max, size_t *n, struct tb_err *e)
{
    (void)me, (void)floor, (void)max;
    *n = 0;
    return end_call(begin_call(t), e);
}

static enum tb_code
park(struct sync_target *t, const struct store_entry *entry, unsigned refusal, const char *why, struct tb_err *e)
{
    (void)t, (void)entry, (void)refusal, (void)why;
    return tb_fail(e, TB_EIO, NULL, "nothing is refused here");
}

static const struct sync_sent *
sent(struct sync_target *t, size_t *n)
{
    (void)t;
    *n = 0;
    return NULL;
}

static void
begin_batch(struct sync_target *t, const struct store_identity *me, int64_t last_seq)
{
    struct way *w = way_of(t);
    (void)me;

    ops_fini(&w->filling);
    w->filling_after = last_seq;
}

static enum tb_code
add(struct sync_target *t, const struct store_entry *entry, struct tb_err *e)
{
    struct op op = { .seq = entry->seq, .body = tb_str_to_c(entry->body) };
    (void)e;

    memcpy(op.chain, entry->chain, sizeof op.chain);
    ops_add(&way_of(t)->filling, op);
    return TB_OK;
}

static enum tb_code
send_batch(struct sync_target *t, int64_t now_ms, struct tb_err *e)
{
    struct way *w = way_of(t);
    (void)now_ms;

    ops_fini(&w->sent);
    w->sent = w->filling;
    w->sent_after = w->filling_after;
    w->filling = (struct ops){ 0 };
    return end_call(begin_call(t), e);
}

static bool
commit(struct rig_centre *c, struct way *w)
{
    if (w->sent_after != (int64_t)c->ops.n)
        return false;
    for (size_t i = 0; i < w->sent.n; i++) {
        assert(w->sent.p[i].seq == (int64_t)c->ops.n + 1);
        ops_add(&c->ops, w->sent.p[i]);
        w->sent.p[i].body = NULL;
    }
    c->n_batches++;
    pthread_cond_broadcast(&c->changed);
    return true;
}

static enum tb_code
finish(struct sync_target *t, struct tb_err *e)
{
    struct rig_centre *c = begin_call(t);

    bool is_committed = !c->is_away && commit(c, way_of(t));
    bool is_answered = is_committed && c->n_answers_to_lose == 0;
    if (is_committed && !is_answered)
        c->n_answers_to_lose--;
    if (end_call(c, e) != TB_OK)
        return e->code;
    return is_answered ? TB_OK : tb_fail(e, TB_EIO, NULL, is_committed ? "the answer was lost" : "the fence held");
}

static void
drop(struct sync_target *t)
{
    ops_fini(&way_of(t)->sent);
}

static void
interrupt(struct sync_target *t)
{
    (void)t;                    /* nothing here waits */
}

static void
free_way(struct sync_target *t)
{
    ops_fini(&way_of(t)->filling);
    ops_fini(&way_of(t)->sent);
    tb_free(way_of(t));
}

static const struct sync_target_ops target_ops = {
    .connect = connect_to, .migrate = migrate,   .enrol = enrol,       .take_number = take_number, .set_epoch = set_epoch,
    .heads = heads,        .read_ops = read_ops, .tell_seen = tell_seen, .parked = parked, .begin = begin_batch,     .add = add,
    .park = park,          .send = send_batch,   .finish = finish,     .sent = sent,               .drop = drop,
    .say_here = say_here,  .raise_floor = raise_floor, .forget_ops = forget_ops, .interrupt = interrupt, .free = free_way,
};

/* ---- public ---- */

struct rig_centre *
rig_centre_new(void)
{
    struct rig_centre *c = TB_NEW(struct rig_centre);
    pthread_condattr_t monotonic;

    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return c;
}

void
rig_centre_free(struct rig_centre **c)
{
    if (*c == NULL)
        return;
    ops_fini(&(*c)->ops);
    pthread_cond_destroy(&(*c)->changed);
    pthread_mutex_destroy(&(*c)->lock);
    tb_free(*c);
    *c = NULL;
}

struct sync_target *
rig_centre_target(struct rig_centre *c)
{
    struct way *w = TB_NEW(struct way);

    w->target.ops = &target_ops;
    w->centre = c;
    return &w->target;
}

void
rig_centre_go(struct rig_centre *c, bool is_away)
{
    pthread_mutex_lock(&c->lock);
    c->is_away = is_away;
    pthread_mutex_unlock(&c->lock);
}

void
rig_centre_lose_answers(struct rig_centre *c, unsigned n)
{
    pthread_mutex_lock(&c->lock);
    c->n_answers_to_lose = n;
    pthread_mutex_unlock(&c->lock);
}

bool
rig_centre_wait(struct rig_centre *c, int64_t seq)
{
    struct timespec until;
    int             waited = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&c->lock);
    while ((int64_t)c->ops.n < seq && waited == 0)
        waited = pthread_cond_timedwait(&c->changed, &c->lock, &until);
    bool is_there = (int64_t)c->ops.n >= seq;
    pthread_mutex_unlock(&c->lock);
    return is_there;
}

int64_t
rig_centre_last_seq(struct rig_centre *c)
{
    pthread_mutex_lock(&c->lock);
    int64_t seq = (int64_t)c->ops.n;
    pthread_mutex_unlock(&c->lock);
    return seq;
}

size_t
rig_centre_count(struct rig_centre *c, const char *text)
{
    size_t n = 0;

    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->ops.n; i++)
        n += strstr(c->ops.p[i].body, text) != NULL;
    pthread_mutex_unlock(&c->lock);
    return n;
}

size_t
rig_centre_batches(struct rig_centre *c)
{
    pthread_mutex_lock(&c->lock);
    size_t n = c->n_batches;
    pthread_mutex_unlock(&c->lock);
    return n;
}
