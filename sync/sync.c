/* The thread around the engine. What it hears: wake, from the writer after each commit; answers of the store; stop. The
 * wake message is part of the struct and under way at most once, so a busy journal cannot flood the mailbox. */
#include "sync.h"

#include "engine.h"

#include "base/log.h"
#include "base/thread.h"
#include "store/follow.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/random.h>

/* A batch may end by itself for this long when the server stops; then its connection is cut. Stopping has 10 s in all. */
#define CLOSE_GRACE_MS 3000

#define NICE 5

#define INBOX_LIMIT 16      /* nothing is posted here that could be refused */

struct sync {
    /* fixed before the thread starts */
    struct store          *store;
    const struct tb_clock *clock;
    char                  *dir;         /* where it is kept that sync is paused; NULL: nowhere */
    struct sync_target    *target;      /* NULL: off */
    struct sync_engine    *engine;      /* its insides: the sync thread's */
    struct tb_thread       thread;
    struct tb_mailbox     *ended;       /* main's: hears that the thread is about to end */
    struct tb_msg          ended_msg;
    /* sync thread only */
    bool is_stopping;
    /* any thread */
    struct tb_mailbox *inbox;
    struct tb_msg      wake_msg, stop_msg;
    _Atomic bool       is_wake_posted, is_paused;
    struct sync_facts  facts;
    pthread_mutex_t    lock;            /* of what follows, and of the file that keeps the pause */
    int64_t            failed_at;       /* wall clock, ms */
    char               why[SYNC_WHY_SIZE];
};

static void
run_wake(struct tb_msg *msg)
{
    struct sync *s = TB_CONTAINER(msg, struct sync, wake_msg);

    assert(tb_thread_is(TB_SYNC));
    s->is_wake_posted = false;      /* first: a commit from here on posts anew */
    sync_engine_pause(s->engine, s->is_paused);
    sync_engine_wake(s->engine);
}

static void
post_wake(struct sync *s)
{
    if (!atomic_exchange(&s->is_wake_posted, true))
        tb_mailbox_post_always(s->inbox, &s->wake_msg);
}

/* On the writer, after a commit. */
static void
wake(void *ctx)
{
    struct sync *s = ctx;
    int64_t      level = 0;

    atomic_compare_exchange_strong(&s->facts.behind_since_ms, &level, tb_wall_ms(s->clock));
    post_wake(s);
}

/* On the sync thread. */
static void
keep_failure(void *ctx, const struct tb_err *why)
{
    struct sync *s = ctx;

    pthread_mutex_lock(&s->lock);
    s->failed_at = tb_wall_ms(s->clock);
    memcpy(s->why, why->why, sizeof s->why);
    pthread_mutex_unlock(&s->lock);
}

static void
run_stop(struct tb_msg *msg)
{
    TB_CONTAINER(msg, struct sync, stop_msg)->is_stopping = true;
}

static void
run_nothing(struct tb_msg *msg)
{
    (void)msg;
}

static void
listen_for(struct sync *s, int timeout_ms)
{
    struct tb_msg_list heard = { 0 };
    struct tb_msg     *m;

    if (timeout_ms == 0)
        (void)tb_mailbox_take(s->inbox, &heard, SIZE_MAX);
    else
        (void)tb_mailbox_wait(s->inbox, &heard, SIZE_MAX, timeout_ms);
    while ((m = tb_msg_list_take(&heard)) != NULL)
        m->run(m);
}

/* A long way up takes the better part of a core: who sends meanwhile comes first. Linux counts this by thread. */
static void
yield_to_others(void)
{
    errno = 0;
    int now = getpriority(PRIO_PROCESS, 0);
    if ((now == -1 && errno != 0) || setpriority(PRIO_PROCESS, 0, now + NICE) != 0)
        log_warn("sync.not_nice", "why=\"%s\"", strerror(errno));
}

static void
run(void *ctx)
{
    struct sync *s = ctx;

    yield_to_others();
    while (!s->is_stopping)
        listen_for(s, sync_engine_step(s->engine));
    sync_engine_stop(s->engine);
    while (sync_engine_awaits_store(s->engine))
        listen_for(s, -1);
    sync_engine_free(&s->engine);       /* here: the link and the follower are this thread's */
    tb_mailbox_post_always(s->ended, &s->ended_msg);
}

static uint64_t
make_seed(void)
{
    uint64_t seed;

    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        abort();    /* never for so few bytes on a kernel that has started */
    return seed | 1;
}

static void
start(struct sync *s, const struct sync_settings *with)
{
    s->inbox = tb_mailbox_new(INBOX_LIMIT, NULL, NULL);
    s->ended = tb_mailbox_new(INBOX_LIMIT, NULL, NULL);
    s->wake_msg.run = run_wake;
    s->stop_msg.run = run_stop;
    s->ended_msg.run = run_nothing;
    s->engine = sync_engine_new(&(struct sync_engine_settings){
        .store = s->store, .clock = s->clock, .target = s->target, .inbox = s->inbox, .facts = &s->facts, .batch = with->batch,
        .keep = { .days = with->keep_days, .lease_days = with->lease_days },
                                        .on_synced = with->on_synced, .on_centre = with->on_centre, .synced_ctx = with->synced_ctx,
        .seed = make_seed(), .on_failure = keep_failure, .failure_ctx = s });
    s->is_paused = s->dir != NULL && sync_is_paused_in(s->dir);
    sync_engine_pause(s->engine, s->is_paused);
    struct store_status now;
    store_status(s->store, &now);
    s->facts.pushed_seq = now.pushed_seq;
    tb_thread_start(&s->thread, TB_SYNC, run, s);
    store_on_commit(s->store, wake, s);
}

enum tb_code
sync_open(struct sync **out, const struct sync_settings *settings, struct tb_err *e)
{
    struct sync_mysql_settings mysql = { .clock = settings->clock, .connect_timeout_ms = settings->connect_timeout_ms,
                                         .io_timeout_ms = settings->io_timeout_ms };
    struct sync_target        *target = settings->target;
    bool                       has_url = settings->url != NULL && settings->url[0] != '\0';

    assert(tb_thread_is(TB_MAIN));
    if (target == NULL && has_url && sync_mysql_new(&target, tb_str_of(settings->url), &mysql, e) != TB_OK)
        return e->code;
    struct sync *s = TB_NEW(struct sync);
    s->store = settings->store;
    s->clock = settings->clock;
    s->target = target;
    s->dir = settings->dir != NULL ? tb_str_to_c(tb_str_of(settings->dir)) : NULL;
    pthread_mutex_init(&s->lock, NULL);
    if (target != NULL)
        start(s, settings);
    *out = s;
    return TB_OK;
}

static void
stop(struct sync *s)
{
    struct tb_msg_list ended = { 0 };

    store_on_commit(s->store, NULL, NULL);      /* from here on nobody posts a wake */
    tb_mailbox_post_always(s->inbox, &s->stop_msg);
    if (tb_mailbox_wait(s->ended, &ended, 1, CLOSE_GRACE_MS) == 0) {
        log_warn("sync.cut", "why=\"the centre took too long when stopping\"");
        s->target->ops->interrupt(s->target);
    }
    tb_thread_join(&s->thread);
    s->wake_msg.run = run_nothing;              /* one may still lie there, and the engine is gone */
    tb_mailbox_free(&s->inbox);
    tb_mailbox_free(&s->ended);
    s->target->ops->free(s->target);
}

void
sync_close(struct sync **sp)
{
    struct sync *s = *sp;

    if (s == NULL)
        return;
    assert(tb_thread_is(TB_MAIN));
    if (s->target != NULL)
        stop(s);
    pthread_mutex_destroy(&s->lock);
    tb_free(s->dir);
    tb_free(s);
    *sp = NULL;
}

const char *
sync_link_name(enum sync_link link)
{
    switch (link) {
    case SYNC_OFF:   return "off";
    case SYNC_UP:    return "up";
    case SYNC_DOWN:  return "down";
    case SYNC_APART: return "diverged";
    }
    abort();
}

void
sync_status(const struct sync *s, struct sync_status *out)
{
    struct store_status store;

    *out = (struct sync_status){ .state = SYNC_OFF };
    if (s->target == NULL)
        return;
    int64_t pushed_seq = s->facts.pushed_seq, since_ms = s->facts.behind_since_ms;
    store_status(s->store, &store);
    out->state = s->facts.is_diverged ? SYNC_APART : s->facts.is_up ? SYNC_UP : SYNC_DOWN;
    out->last_synced_at = s->facts.last_synced_ms;
    out->lag_ops = store.own_seq > pushed_seq ? store.own_seq - pushed_seq : 0;
    int64_t age_ms = since_ms != 0 ? tb_wall_ms(s->clock) - since_ms : 0;
    out->lag_ms = out->lag_ops > 0 && age_ms > 0 ? age_ms : 0;
    out->pushed_seq = pushed_seq;
    out->is_paused = s->is_paused;
    out->n_failures = s->facts.n_failures;
    out->n_pushed = s->facts.n_pushed;
    out->n_pulled = s->facts.n_pulled;
    out->n_parked = s->facts.n_parked;
    out->n_forgotten = s->facts.n_forgotten;
    out->is_taking = s->facts.is_taking;
    out->n_taken = s->facts.n_taken;
    out->n_refused_streams = s->facts.n_refused_streams;
    out->centre_ahead_ms = s->facts.centre_ahead_ms;
}

void
sync_last_failure(struct sync *s, char why[SYNC_WHY_SIZE], int64_t *at)
{
    pthread_mutex_lock(&s->lock);
    *at = s->failed_at;
    memcpy(why, s->why, sizeof s->why);
    pthread_mutex_unlock(&s->lock);
}

/* The file first: what was promised must outlive a crash. Two who wish at once do so one after the other. */
enum tb_code
sync_pause(struct sync *s, bool is_paused, struct tb_err *e)
{
    enum tb_code code = TB_OK;

    if (s->target == NULL)
        return tb_fail(e, TB_EINPUT, NULL, "sync is off: sync.url names no centre");
    pthread_mutex_lock(&s->lock);
    if (s->dir != NULL)
        code = sync_pause_in(s->dir, is_paused, e);
    if (code == TB_OK)
        s->is_paused = is_paused;
    pthread_mutex_unlock(&s->lock);
    if (code == TB_OK)
        post_wake(s);
    return code;
}
