/* Bodies of hlc.h. */
#include "hlc.h"

int64_t
hlc_next(int64_t last, int64_t now_ms)
{
    int64_t now = now_ms * (1 << HLC_LOGICAL_BITS);
    return now > last ? now : last + 1;
}

int64_t
hlc_merge(int64_t last, int64_t remote, int64_t now_ms, bool *doubtful)
{
    *doubtful = hlc_ms(remote) - now_ms > HLC_MAX_AHEAD_MS;
    return !*doubtful && remote > last ? remote : last;
}

bool
hlc_wall_is_behind(int64_t last, int64_t now_ms)
{
    return hlc_ms(last) - now_ms > HLC_MAX_AHEAD_MS;
}

int64_t
hlc_stamp(int64_t at, int64_t over)
{
    return at > over ? at : over + 1;
}
