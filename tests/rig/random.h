#pragma once
/* Repeatable chance (splitmix64): a test prints its seed, and the seed gives the same numbers again.
 * Threads: plain values; whoever holds them. */
#include <stdint.h>

struct rig_random {
    uint64_t state;
};

static inline uint64_t
rig_random_next(struct rig_random *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* 0..n-1; n must not be 0. */
static inline uint64_t
rig_random_below(struct rig_random *r, uint64_t n)
{
    return rig_random_next(r) % n;
}
