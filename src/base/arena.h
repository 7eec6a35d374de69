#pragma once
/* Memory that goes all at once: the results of one request. Nothing in it is freed alone.
 * Threads: whoever holds the arena; a zeroed struct is an empty arena. */
#include "tombolo/str.h"

struct tb_arena {
    struct tb_arena_chunk *chunks;
    char                  *at;      /* free bytes of the newest chunk */
    size_t                 left;
};

void  *tb_arena_alloc(struct tb_arena *a, size_t n) __attribute__((returns_nonnull));      /* zeroed, aligned for any type */
tb_str tb_arena_str(struct tb_arena *a, tb_str s);                                         /* a copy; ends in a NUL */
void  *tb_arena_more(struct tb_arena *a, void *items, size_t n, size_t *cap, size_t size)  /* items, or a larger copy when n is */
    __attribute__((returns_nonnull));                                                       /* *cap; of size bytes each */
void   tb_arena_fini(struct tb_arena *a);                                                  /* empty again, usable again */

#define TB_ARENA_ARRAY(arena, type, n) ((type *)tb_arena_alloc((arena), (n) * sizeof(type)))
