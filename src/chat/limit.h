#pragma once
/* How often something may happen per key in a sliding window, exactly: every admission is remembered until it has
 * left the window. Memory is bounded; at the bound the key that was idle longest is forgotten.
 * Threads: the loop. Times are microseconds of the monotonic clock. */
#include "tombolo/str.h"

struct chat_limit;

struct chat_rate {
    unsigned max;                   /* admissions in a window; 0: no limit */
    unsigned window_ms;
    size_t   tracked;               /* keys remembered, at least 1 */
};

struct chat_limit_key { uint64_t a, b; };
struct chat_limit_key chat_limit_key_of(int64_t id);

struct chat_limit *chat_limit_new(struct chat_rate rate);
void               chat_limit_free(struct chat_limit **l);
void               chat_limit_set(struct chat_limit *l, struct chat_rate rate);     /* what was counted stays counted */

/* true: it may, and is counted. false: not before *wait_us have passed; this try is not counted. */
bool chat_limit_admit(struct chat_limit *l, struct chat_limit_key key, int64_t now_us, int64_t *wait_us);

/* Uncounts an admission of that time: what was admitted did not happen after all. */
void chat_limit_take_back(struct chat_limit *l, struct chat_limit_key key, int64_t admitted_us);

size_t chat_limit_size(const struct chat_limit *l);     /* keys remembered now */
