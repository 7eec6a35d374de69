/* Open addressing with linear probing, at most 3/4 full; removing closes the gap, so there are no tombstones and the
 * table of a server that ran for a year is as good as new. Hash: SipHash-1-3 (Aumasson, Bernstein: SipHash, 2012). */
#include "index.h"

#include <assert.h>

enum { FIRST_CAP = 8 };

static uint64_t
rotl(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void
sip_round(uint64_t v[4])
{
    v[0] += v[1], v[2] += v[3];
    v[1] = rotl(v[1], 13) ^ v[0], v[3] = rotl(v[3], 16) ^ v[2];
    v[0] = rotl(v[0], 32);
    v[2] += v[1], v[0] += v[3];
    v[1] = rotl(v[1], 17) ^ v[2], v[3] = rotl(v[3], 21) ^ v[0];
    v[2] = rotl(v[2], 32);
}

static uint64_t
hash(const struct eio_index *ix, tb_str key)
{
    uint64_t v[4] = { ix->seed[0] ^ 0x736f6d6570736575, ix->seed[1] ^ 0x646f72616e646f6d,
                      ix->seed[0] ^ 0x6c7967656e657261, ix->seed[1] ^ 0x7465646279746573 };
    uint64_t word = 0;
    size_t   i = 0;

    for (; i + 8 <= key.n; i += 8) {
        memcpy(&word, key.p + i, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = 0;
    if (key.n > i)
        memcpy(&word, key.p + i, key.n - i);
    word ^= (uint64_t)key.n << 56;
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int round = 0; round < 3; round++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void
eio_index_init(struct eio_index *ix, tb_str (*key)(const void *item), const uint64_t seed[2])
{
    *ix = (struct eio_index){ .key = key, .seed = { seed[0], seed[1] } };
}

void
eio_index_fini(struct eio_index *ix)
{
    tb_free(ix->slots);
    ix->slots = NULL;
    ix->n = ix->cap = 0;
}

/* The slot that holds key, or the free one where it would go. */
static size_t
slot_of(const struct eio_index *ix, tb_str key)
{
    size_t i = hash(ix, key) & (ix->cap - 1);
    while (ix->slots[i] != NULL && !tb_str_eq(ix->key(ix->slots[i]), key))
        i = (i + 1) & (ix->cap - 1);
    return i;
}

static void
resize(struct eio_index *ix, size_t cap)
{
    void **old = ix->slots;
    size_t old_cap = ix->cap;

    ix->slots = tb_alloc_zero(cap * sizeof(ix->slots[0]));
    ix->cap = cap;
    for (size_t i = 0; i < old_cap; i++)
        if (old[i] != NULL)
            ix->slots[slot_of(ix, ix->key(old[i]))] = old[i];
    tb_free(old);
}

void
eio_index_add(struct eio_index *ix, void *item)
{
    if (4 * (ix->n + 1) > 3 * ix->cap)
        resize(ix, ix->cap ? 2 * ix->cap : FIRST_CAP);
    size_t i = slot_of(ix, ix->key(item));
    assert(ix->slots[i] == NULL);
    ix->slots[i] = item;
    ix->n++;
}

/* What follows the gap without a break may have been pushed past it: move back what is nearer to home there. */
static void
close_gap(struct eio_index *ix, size_t gap)
{
    size_t mask = ix->cap - 1;

    for (size_t i = (gap + 1) & mask; ix->slots[i] != NULL; i = (i + 1) & mask) {
        size_t home = hash(ix, ix->key(ix->slots[i])) & mask;
        if (((i - home) & mask) < ((i - gap) & mask))
            continue;
        ix->slots[gap] = ix->slots[i];
        gap = i;
    }
    ix->slots[gap] = NULL;
}

void
eio_index_remove(struct eio_index *ix, const void *item)
{
    assert(ix->n > 0);
    size_t i = slot_of(ix, ix->key(item));
    assert(ix->slots[i] == item);
    close_gap(ix, i);
    ix->n--;
    if (ix->cap > FIRST_CAP && 8 * ix->n < ix->cap)
        resize(ix, ix->cap / 2);
}

void *
eio_index_find(const struct eio_index *ix, tb_str key)
{
    return ix->n > 0 ? ix->slots[slot_of(ix, key)] : NULL;
}

void *
eio_index_next(const struct eio_index *ix, size_t *at)
{
    while (*at < ix->cap) {
        void *item = ix->slots[(*at)++];
        if (item != NULL)
            return item;
    }
    return NULL;
}
