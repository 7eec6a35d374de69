#pragma once
/* A set of things found by a key that they hold themselves: sessions and sockets by id, rooms by name.
 * Threads: the engine's. */
#include "tombolo/str.h"

struct eio_index {
    /* fixed at the start */
    tb_str (*key)(const void *item);    /* must not change while item is inside */
    uint64_t seed[2];
    /* the index's */
    void **slots;                       /* cap of them, a power of two or 0; NULL: free */
    size_t n, cap;
};

/* seed: 16 random bytes, so that nobody can choose names that collide. */
void  eio_index_init(struct eio_index *, tb_str (*key)(const void *item), const uint64_t seed[2]);
void  eio_index_fini(struct eio_index *);                       /* the items are left alone */
void  eio_index_add(struct eio_index *, void *item);            /* its key must not be inside; asserted */
void  eio_index_remove(struct eio_index *, const void *item);   /* must be inside; asserted */
void *eio_index_find(const struct eio_index *, tb_str key);     /* or NULL */

/* Walks over all items, in no order: *at is 0 at the start; NULL at the end. Nothing may be added or removed then. */
void *eio_index_next(const struct eio_index *, size_t *at);
