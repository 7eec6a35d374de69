/* The hasher threads share one mailbox and own nothing else. A job that was taken is answered, by work or by TB_EBUSY. */
#include "hasher.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "base/slow.h"
#include "base/thread.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <unistd.h>

enum { MAX_THREADS = 64 };      /* at 64 MiB each more would be the machine's memory, not its cores */

static const char *const limits_hit[] = { "auth.hash_queue" };
TB_LIMIT_HITS(hits, limits_hit);
static const uint64_t edges[] = { TB_LATENCY_EDGES };
TB_HISTOGRAM(durations, TB_UNIT_US, edges, "tombolo_hash_duration_seconds", "Passwords hashed or verified, without the wait.");

struct chat_hasher {
    /* fixed before the threads start */
    enum chat_cost     cost;
    char               dummy[CHAT_HASH_SIZE];
    unsigned           n_threads;
    struct tb_thread   threads[MAX_THREADS];
    /* any thread */
    struct tb_mailbox *inbox;
    atomic_bool        is_stopping;
};

static void
deliver(struct tb_msg *m)
{
    struct chat_hash_job *job = TB_CONTAINER(m, struct chat_hash_job, msg);

    log_about(job->about);
    job->on_done(job);
    log_about(TB_STR_NULL);
}

static void
answer(struct chat_hash_job *job)
{
    job->msg.run = deliver;
    tb_mailbox_post_always(job->reply_to, &job->msg);
}

static enum tb_code
verify(struct chat_hash_job *job, enum chat_cost cost)
{
    if (chat_password_verify(job->password, job->against, &job->err) != TB_OK)
        return job->err.code;
    /* An upgrade that fails must not cost the login: the next one tries again. */
    if (chat_password_is_weak(job->against, cost) && chat_password_is_whole(job->password, job->against) &&
        chat_password_hash(job->password, cost, job->hash, NULL) != TB_OK)
        job->hash[0] = '\0';
    return TB_OK;
}

static void
note(const struct chat_hash_job *job, int64_t begun_us)
{
    int64_t now_us = tb_mono_us(&tb_clock_system), took_us = now_us - begun_us;

    tb_observe(&durations, 0, (uint64_t)took_us);
    if (!slow_is(now_us - job->posted_us))
        return;
    log_about(job->about);
    slow_log(SLOW_HASH, now_us - job->posted_us, "worked_ms=%" PRId64, took_us / 1000);
    log_about(TB_STR_NULL);
}

static void
work(struct tb_msg *m)
{
    struct chat_hash_job *job = TB_CONTAINER(m, struct chat_hash_job, msg);
    struct chat_hasher   *h = job->hasher;
    enum tb_code          code;
    int64_t               begun_us = tb_mono_us(&tb_clock_system);

    if (atomic_load(&h->is_stopping))
        code = tb_fail(&job->err, TB_EBUSY, NULL, "hasher is stopping");
    else if (job->is_unwanted != NULL && atomic_load(job->is_unwanted))
        code = tb_fail(&job->err, TB_EBUSY, NULL, "nobody waits for it any more");
    else if (job->against.p != NULL)
        code = verify(job, h->cost);
    else
        code = chat_password_hash(job->password, h->cost, job->hash, &job->err);
    assert(code == job->err.code);
    note(job, begun_us);
    answer(job);
}

/* One job at a time, so that the other threads find the rest. */
static void
run(void *ctx)
{
    struct chat_hasher *h = ctx;
    struct tb_msg_list  taken = { 0 };

    while (tb_mailbox_wait(h->inbox, &taken, 1, -1) > 0)
        work(tb_msg_list_take(&taken));
}

static unsigned
count_threads(unsigned wanted)
{
    long     cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n = wanted ? wanted : (unsigned)(cores > 3 ? cores / 2 : 1);

    return n < MAX_THREADS ? n : MAX_THREADS;
}

void
chat_hasher_open(struct chat_hasher **out, const struct chat_hasher_settings *settings)
{
    struct chat_hasher *h = TB_NEW(struct chat_hasher);

    h->cost = settings->cost;
    chat_password_dummy(h->cost, h->dummy);
    h->inbox = tb_mailbox_new(settings->queue, NULL, NULL);
    h->n_threads = count_threads(settings->threads);
    for (unsigned i = 0; i < h->n_threads; i++)
        tb_thread_start(&h->threads[i], TB_HASHER, run, h);
    *out = h;
}

void
chat_hasher_stop(struct chat_hasher *h)
{
    atomic_store(&h->is_stopping, true);
}

void
chat_hasher_close(struct chat_hasher **h)
{
    if (*h == NULL)
        return;
    chat_hasher_stop(*h);
    tb_mailbox_close((*h)->inbox);
    for (unsigned i = 0; i < (*h)->n_threads; i++)
        tb_thread_join(&(*h)->threads[i]);
    tb_mailbox_free(&(*h)->inbox);
    tb_free(*h);
    *h = NULL;
}

/* A full mailbox is answered like everything else, by a message: on_done never runs inside this call. */
void
chat_hasher_post(struct chat_hasher *h, struct chat_hash_job *job)
{
    job->hasher = h;
    job->posted_us = tb_mono_us(&tb_clock_system);
    job->err = (struct tb_err){ .code = TB_OK };
    job->hash[0] = '\0';
    job->msg.run = work;
    if (tb_mailbox_post(h->inbox, &job->msg))
        return;
    tb_count(&hits, 0);
    tb_fail(&job->err, TB_EBUSY, NULL, "hasher queue is full");
    answer(job);
}

size_t
chat_hasher_waiting(const struct chat_hasher *h)
{
    return tb_mailbox_depth(h->inbox);
}

tb_str
chat_hasher_dummy(const struct chat_hasher *h)
{
    return tb_str_of(h->dummy);
}
