/* One ring of admission times per key, found by hash, strung on a list from the key tried last to the one idle longest.
 *
 * Always true: a ring holds only times of admissions, oldest first; what was refused or taken back is not in it, so a
 * client that keeps trying is let in the moment its oldest admission leaves the window. */
#include "limit.h"

#include <assert.h>

enum { RING_AT_FIRST = 8 };         /* times; most keys never need more, and rings double up to rate.max */
enum { SWEEP = 2 };                 /* idle keys dropped per new key: memory follows use down as well as up */
enum { BUCKETS_AT_FIRST = 64 };     /* doubles when there are more keys than buckets */

struct entry {
    struct chat_limit_key key;
    struct entry *chain;            /* the next in its bucket */
    struct entry *newer, *older;
    int64_t      *ring;
    unsigned      cap, first, n;
};

struct chat_limit {
    struct chat_rate rate;
    struct entry   **buckets;
    size_t           n_buckets, n;  /* n_buckets: a power of two */
    struct entry    *newest, *oldest;
};

struct chat_limit_key
chat_limit_key_of(int64_t id)
{
    return (struct chat_limit_key){ .a = (uint64_t)id };
}

struct chat_limit *
chat_limit_new(struct chat_rate rate)
{
    struct chat_limit *l = TB_NEW(struct chat_limit);

    l->n_buckets = BUCKETS_AT_FIRST;
    l->buckets = tb_alloc_zero(l->n_buckets * sizeof(struct entry *));
    chat_limit_set(l, rate);
    return l;
}

/* Ids are given out by us and other keys are keyed hashes, so nobody chooses what shares a bucket. The multiplier is
 * 2^64 / the golden ratio: neighbours land far apart. */
static size_t
bucket_of(const struct chat_limit *l, struct chat_limit_key key)
{
    uint64_t h = (key.a ^ (key.b * 3)) * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(h >> 32) & (l->n_buckets - 1);
}

static struct entry *
find(const struct chat_limit *l, struct chat_limit_key key)
{
    struct entry *x = l->buckets[bucket_of(l, key)];

    while (x != NULL && (x->key.a != key.a || x->key.b != key.b))
        x = x->chain;
    return x;
}

static void
unlist(struct chat_limit *l, struct entry *x)
{
    *(x->newer ? &x->newer->older : &l->newest) = x->older;
    *(x->older ? &x->older->newer : &l->oldest) = x->newer;
}

static void
list_as_newest(struct chat_limit *l, struct entry *x)
{
    x->newer = NULL;
    x->older = l->newest;
    *(l->newest ? &l->newest->newer : &l->oldest) = x;
    l->newest = x;
}

static void
forget(struct chat_limit *l, struct entry *x)
{
    struct entry **at = &l->buckets[bucket_of(l, x->key)];

    while (*at != x)
        at = &(*at)->chain;
    *at = x->chain;
    unlist(l, x);
    l->n--;
    tb_free(x->ring);
    tb_free(x);
}

void
chat_limit_free(struct chat_limit **l)
{
    if (*l == NULL)
        return;
    while ((*l)->oldest != NULL)
        forget(*l, (*l)->oldest);
    tb_free((*l)->buckets);
    tb_free(*l);
    *l = NULL;
}

void
chat_limit_set(struct chat_limit *l, struct chat_rate rate)
{
    assert(rate.tracked > 0);
    l->rate = rate;
    while (l->n > rate.tracked)
        forget(l, l->oldest);
}

static int64_t
window_us(const struct chat_limit *l)
{
    return (int64_t)l->rate.window_ms * 1000;
}

static void
drop_what_left_the_window(const struct chat_limit *l, struct entry *x, int64_t now_us)
{
    assert(x->cap > 0);
    while (x->n > 0 && x->ring[x->first] <= now_us - window_us(l)) {
        x->first = (x->first + 1) % x->cap;
        x->n--;
    }
}

static void
forget_the_idle(struct chat_limit *l, int64_t now_us)
{
    for (int i = 0; i < SWEEP && l->oldest != NULL; i++) {
        drop_what_left_the_window(l, l->oldest, now_us);
        if (l->oldest->n > 0)
            return;
        forget(l, l->oldest);
    }
}

static void
grow_buckets(struct chat_limit *l)
{
    struct entry **before = l->buckets;

    l->n_buckets *= 2;
    l->buckets = tb_alloc_zero(l->n_buckets * sizeof(struct entry *));
    tb_free(before);
    for (struct entry *x = l->newest; x != NULL; x = x->older) {
        struct entry **at = &l->buckets[bucket_of(l, x->key)];
        x->chain = *at;
        *at = x;
    }
}

static struct entry *
add(struct chat_limit *l, struct chat_limit_key key, int64_t now_us)
{
    struct entry *x = TB_NEW(struct entry);

    forget_the_idle(l, now_us);
    if (l->n >= l->rate.tracked)
        forget(l, l->oldest);
    if (l->n >= l->n_buckets)
        grow_buckets(l);
    x->key = key;
    x->cap = RING_AT_FIRST;
    x->ring = tb_alloc(x->cap * sizeof *x->ring);
    x->chain = l->buckets[bucket_of(l, key)];
    l->buckets[bucket_of(l, key)] = x;
    list_as_newest(l, x);
    l->n++;
    return x;
}

static void
grow_ring(struct entry *x)
{
    int64_t *ring = tb_alloc(2 * x->cap * sizeof *ring);

    for (unsigned i = 0; i < x->n; i++)
        ring[i] = x->ring[(x->first + i) % x->cap];
    tb_free(x->ring);
    x->ring = ring;
    x->cap *= 2;
    x->first = 0;
}

bool
chat_limit_admit(struct chat_limit *l, struct chat_limit_key key, int64_t now_us, int64_t *wait_us)
{
    if (l->rate.max == 0)
        return true;

    struct entry *x = find(l, key);
    if (x == NULL)
        x = add(l, key, now_us);
    unlist(l, x);
    list_as_newest(l, x);
    drop_what_left_the_window(l, x, now_us);
    if (x->n >= l->rate.max) {
        /* After a lower maximum was set there may be more than it: the place comes when enough of them have left. */
        unsigned leaves_last = x->n - l->rate.max;
        *wait_us = x->ring[(x->first + leaves_last) % x->cap] + window_us(l) - now_us;
        return false;
    }
    if (x->n == x->cap)
        grow_ring(x);
    x->ring[(x->first + x->n++) % x->cap] = now_us;
    return true;
}

/* The newest such time goes, and those after it move up. */
void
chat_limit_take_back(struct chat_limit *l, struct chat_limit_key key, int64_t admitted_us)
{
    struct entry *x = find(l, key);
    unsigned      i = x ? x->n : 0;

    while (i > 0 && x->ring[(x->first + i - 1) % x->cap] != admitted_us)
        i--;
    if (i == 0)
        return;     /* forgotten, or out of the window */
    for (; i < x->n; i++)
        x->ring[(x->first + i - 1) % x->cap] = x->ring[(x->first + i) % x->cap];
    x->n--;
}

size_t
chat_limit_size(const struct chat_limit *l)
{
    return l->n;
}
