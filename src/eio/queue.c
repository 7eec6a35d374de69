/* A ring of pointers whose size is a power of two. */
#include "queue.h"

#include <assert.h>

enum { OF_NOBODY_ELSE = 2 };        /* references: the queue's, and that of who puts it there */

void
eio_queue_init(struct eio_queue *q)
{
    *q = (struct eio_queue){ .cap = EIO_QUEUE_INLINE };
}

static struct eio_frame **
slot(struct eio_queue *q, uint32_t i)
{
    struct eio_frame **ring = q->ring != NULL ? q->ring : q->in_place;
    return &ring[(q->head + i) & (q->cap - 1)];
}

struct eio_frame *
eio_queue_at(struct eio_queue *q, uint32_t i)
{
    assert(i < q->n);
    return *slot(q, i);
}

static void
grow(struct eio_queue *q)
{
    struct eio_frame **ring = tb_alloc(2 * (size_t)q->cap * sizeof(struct eio_frame *));

    for (uint32_t i = 0; i < q->n; i++)
        ring[i] = *slot(q, i);
    tb_free(q->ring);
    q->ring = ring;
    q->head = 0;
    q->cap *= 2;
}

void
eio_queue_push(struct eio_queue *q, struct eio_frame *f)
{
    if (q->n == q->cap)
        grow(q);
    q->n++;
    *slot(q, q->n - 1) = eio_frame_ref(f);
    q->bytes += (uint32_t)eio_frame_size(f);
    if (f->owner == NULL && f->refs == OF_NOBODY_ELSE) {
        f->owner = q;
        q->own_bytes += (uint32_t)eio_frame_size(f);
    }
}

static void
forget(struct eio_queue *q, uint32_t i)
{
    struct eio_frame *f = *slot(q, i);

    q->bytes -= (uint32_t)eio_frame_size(f);
    if (f->owner == q) {
        f->owner = NULL;
        q->own_bytes -= (uint32_t)eio_frame_size(f);
    }
    eio_frame_unref(slot(q, i));
}

static void
shrink_if_empty(struct eio_queue *q)
{
    if (q->n > 0)
        return;
    assert(q->bytes == 0 && q->own_bytes == 0);
    tb_free(q->ring);
    eio_queue_init(q);
}

void
eio_queue_pop(struct eio_queue *q, uint32_t n)
{
    assert(n <= q->n);
    for (uint32_t i = 0; i < n; i++)
        forget(q, i);
    q->head = (q->head + n) & (q->cap - 1);
    q->n -= n;
    shrink_if_empty(q);
}

void
eio_queue_cut(struct eio_queue *q, uint32_t n)
{
    while (q->n > n) {
        forget(q, q->n - 1);
        q->n--;
    }
    shrink_if_empty(q);
}
