#pragma once
/* Frames that wait for one client, oldest first. Idle sessions have none, so an empty queue owns no memory; one or two
 * frames, which is what a broadcast puts there, need none either.
 * Threads: the engine's. */
#include "packet.h"

enum { EIO_QUEUE_INLINE = 2 };

struct eio_queue {
    struct eio_frame **ring;                        /* cap of them, a power of two; NULL: the inline ones are used */
    struct eio_frame  *in_place[EIO_QUEUE_INLINE];
    uint32_t           head, n, cap;
    uint32_t           bytes;                       /* sum of eio_frame_size */
    uint32_t           own_bytes;                   /* of those frames that are in memory for this queue's sake */
};

void              eio_queue_init(struct eio_queue *);
void              eio_queue_push(struct eio_queue *, struct eio_frame *f);      /* takes a reference of its own */
struct eio_frame *eio_queue_at(struct eio_queue *, uint32_t i);           /* i < n, 0 is the oldest; borrowed */
void              eio_queue_pop(struct eio_queue *, uint32_t n);                /* the n oldest */
void              eio_queue_cut(struct eio_queue *, uint32_t n);                /* all but the n oldest */
