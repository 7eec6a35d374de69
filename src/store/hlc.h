#pragma once
/* The hybrid logical clock: one signed 64-bit number, milliseconds << 16 | logical, that orders ops and never goes back
 * (DESIGN section 3). Threads: the writer. */
#include <stdbool.h>
#include <stdint.h>

enum { HLC_LOGICAL_BITS = 16, HLC_MAX_AHEAD_MS = 5 * 60 * 1000 };

static inline int64_t
hlc_ms(int64_t hlc)
{
    return hlc >> HLC_LOGICAL_BITS;
}

/* The next value after last, now_ms being the wall clock: max(now, last + 1). */
int64_t hlc_next(int64_t last, int64_t now_ms);

/* last, pulled along by a remote value unless that is more than HLC_MAX_AHEAD_MS ahead of now_ms; then *doubtful. */
int64_t hlc_merge(int64_t last, int64_t remote, int64_t now_ms, bool *doubtful);

/* The wall clock stands more than HLC_MAX_AHEAD_MS behind what has been given out. */
bool hlc_wall_is_behind(int64_t last, int64_t now_ms);

/* The stamp of a write at hlc over a value that carries `over`: a later act always beats what its site had seen. */
int64_t hlc_stamp(int64_t at, int64_t over);
