/* A list under a mutex. Contention is low by design (one post per request, one per commit), so nothing cleverer. */
#include "mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <time.h>

struct tb_mailbox {
    /* fixed before use */
    size_t limit;
    void (*wake)(void *ctx);
    void  *wake_ctx;
    /* under lock */
    pthread_mutex_t    lock;
    pthread_cond_t     not_empty;
    struct tb_msg_list waiting;
    size_t             n_waiting;
    size_t             n_sleeping;      /* owners in tb_mailbox_wait */
    bool               is_closed;
};

void
tb_msg_list_add(struct tb_msg_list *l, struct tb_msg *m)
{
    m->next = NULL;
    if (l->last != NULL)
        l->last->next = m;
    else
        l->first = m;
    l->last = m;
}

struct tb_msg *
tb_msg_list_take(struct tb_msg_list *l)
{
    struct tb_msg *m = l->first;
    if (m != NULL) {
        l->first = m->next;
        if (l->first == NULL)
            l->last = NULL;
        m->next = NULL;
    }
    return m;
}

struct tb_mailbox *
tb_mailbox_new(size_t limit, void (*wake)(void *ctx), void *ctx)
{
    struct tb_mailbox *mb = TB_NEW(struct tb_mailbox);
    pthread_condattr_t monotonic;

    mb->limit = limit;
    mb->wake = wake;
    mb->wake_ctx = ctx;
    pthread_mutex_init(&mb->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&mb->not_empty, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return mb;
}

void
tb_mailbox_free(struct tb_mailbox **mb)
{
    if (*mb == NULL)
        return;
    while (tb_mailbox_run(*mb) > 0)
        ;
    pthread_cond_destroy(&(*mb)->not_empty);
    pthread_mutex_destroy(&(*mb)->lock);
    tb_free(*mb);
    *mb = NULL;
}

/* Under lock. Says by return whether the owner's wake callback is due. */
static bool
append(struct tb_mailbox *mb, struct tb_msg_list *l, size_t n)
{
    bool was_empty = mb->n_waiting == 0;

    if (mb->waiting.last != NULL)
        mb->waiting.last->next = l->first;
    else
        mb->waiting.first = l->first;
    mb->waiting.last = l->last;
    mb->n_waiting += n;
    if (mb->n_sleeping > 0)
        pthread_cond_signal(&mb->not_empty);
    return was_empty && mb->wake != NULL;
}

bool
tb_mailbox_post(struct tb_mailbox *mb, struct tb_msg *m)
{
    struct tb_msg_list one = { 0 };
    bool               wake = false, posted = false;

    pthread_mutex_lock(&mb->lock);
    if (!mb->is_closed && mb->n_waiting < mb->limit) {
        tb_msg_list_add(&one, m);
        wake = append(mb, &one, 1);
        posted = true;
    }
    pthread_mutex_unlock(&mb->lock);
    if (wake)
        mb->wake(mb->wake_ctx);
    return posted;
}

void
tb_mailbox_post_list(struct tb_mailbox *mb, struct tb_msg_list *l)
{
    size_t n = 0;

    for (struct tb_msg *m = l->first; m != NULL; m = m->next)
        n++;
    if (n == 0)
        return;
    pthread_mutex_lock(&mb->lock);
    bool wake = append(mb, l, n);
    pthread_mutex_unlock(&mb->lock);
    *l = (struct tb_msg_list){ 0 };
    if (wake)
        mb->wake(mb->wake_ctx);
}

void
tb_mailbox_post_always(struct tb_mailbox *mb, struct tb_msg *m)
{
    struct tb_msg_list one = { 0 };
    tb_msg_list_add(&one, m);
    tb_mailbox_post_list(mb, &one);
}

void
tb_mailbox_close(struct tb_mailbox *mb)
{
    pthread_mutex_lock(&mb->lock);
    mb->is_closed = true;
    pthread_cond_broadcast(&mb->not_empty);
    pthread_mutex_unlock(&mb->lock);
}

bool
tb_mailbox_is_closed(struct tb_mailbox *mb)
{
    pthread_mutex_lock(&mb->lock);
    bool is_closed = mb->is_closed;
    pthread_mutex_unlock(&mb->lock);
    return is_closed;
}

/* Under lock. */
static size_t
take(struct tb_mailbox *mb, struct tb_msg_list *out, size_t max)
{
    size_t n = 0;

    if (mb->n_waiting <= max) {     /* the usual case: the whole list changes hands */
        n = mb->n_waiting;
        *out = mb->waiting;
        mb->waiting = (struct tb_msg_list){ 0 };
    } else {
        for (; n < max; n++)
            tb_msg_list_add(out, tb_msg_list_take(&mb->waiting));
    }
    mb->n_waiting -= n;
    return n;
}

size_t
tb_mailbox_take(struct tb_mailbox *mb, struct tb_msg_list *out, size_t max)
{
    pthread_mutex_lock(&mb->lock);
    size_t n = take(mb, out, max);
    pthread_mutex_unlock(&mb->lock);
    return n;
}

static struct timespec
after_ms(int ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

size_t
tb_mailbox_wait(struct tb_mailbox *mb, struct tb_msg_list *out, size_t max, int timeout_ms)
{
    struct timespec until = after_ms(timeout_ms < 0 ? 0 : timeout_ms);
    int             waited = 0;

    pthread_mutex_lock(&mb->lock);
    mb->n_sleeping++;
    while (mb->n_waiting == 0 && !mb->is_closed && waited != ETIMEDOUT) {
        if (timeout_ms < 0)
            waited = pthread_cond_wait(&mb->not_empty, &mb->lock);
        else
            waited = pthread_cond_timedwait(&mb->not_empty, &mb->lock, &until);
    }
    mb->n_sleeping--;
    size_t n = take(mb, out, max);
    if (mb->n_waiting > 0 && mb->n_sleeping > 0)
        pthread_cond_signal(&mb->not_empty);    /* one owner took only part: the next may have the rest */
    pthread_mutex_unlock(&mb->lock);
    return n;
}

size_t
tb_mailbox_depth(struct tb_mailbox *mb)
{
    pthread_mutex_lock(&mb->lock);
    size_t n = mb->n_waiting;
    pthread_mutex_unlock(&mb->lock);
    return n;
}

size_t
tb_mailbox_run(struct tb_mailbox *mb)
{
    struct tb_msg_list taken = { 0 };
    struct tb_msg     *m;
    size_t             n = tb_mailbox_take(mb, &taken, SIZE_MAX);

    while ((m = tb_msg_list_take(&taken)) != NULL)
        m->run(m);
    return n;
}
