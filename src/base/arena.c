/* A list of chunks, the newest first. Something large gets a chunk of its own. */
#include "arena.h"

#include <stdalign.h>

enum { CHUNK_BYTES = 1024 };    /* a message with its sender fits into one */

struct tb_arena_chunk {
    struct tb_arena_chunk *next;
    alignas(max_align_t) char bytes[];
};

static size_t
aligned(size_t n)
{
    return (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

void *
tb_arena_alloc(struct tb_arena *a, size_t n)
{
    n = aligned(n ? n : 1);
    if (n > a->left) {
        size_t                 size = n > CHUNK_BYTES ? n : CHUNK_BYTES;
        struct tb_arena_chunk *c = tb_alloc(sizeof *c + size);
        c->next = a->chunks;
        a->chunks = c;
        a->at = c->bytes;
        a->left = size;
    }
    void *p = a->at;
    a->at += n;
    a->left -= n;
    return memset(p, 0, n);
}

tb_str
tb_arena_str(struct tb_arena *a, tb_str s)
{
    char *p = tb_arena_alloc(a, s.n + 1);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return (tb_str){ .p = p, .n = s.n };
}

void *
tb_arena_more(struct tb_arena *a, void *items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return items;
    *cap = *cap > 0 ? 2 * *cap : 4;
    void *more = tb_arena_alloc(a, *cap * size);
    if (n > 0)
        memcpy(more, items, n * size);
    return more;
}

void
tb_arena_fini(struct tb_arena *a)
{
    while (a->chunks != NULL) {
        struct tb_arena_chunk *c = a->chunks;
        a->chunks = c->next;
        tb_free(c);
    }
    *a = (struct tb_arena){ 0 };
}
