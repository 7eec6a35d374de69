/* Bodies of slow.h. */
#include "slow.h"

#include "metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { LINE_EVERY_MS = 1000, FIELDS_SIZE = 512 };

static const char *const names[SLOW_COUNT] = {
    [SLOW_REQUEST] = "request", [SLOW_EVENT] = "event", [SLOW_COMMIT] = "commit",   [SLOW_READ] = "read",
    [SLOW_CHECKPOINT] = "checkpoint", [SLOW_HASH] = "hash", [SLOW_SYNC] = "sync", [SLOW_ARCHIVE] = "archive",
};
static const char *const events[SLOW_COUNT] = {
    [SLOW_REQUEST] = "slow.request", [SLOW_EVENT] = "slow.event", [SLOW_COMMIT] = "slow.commit", [SLOW_READ] = "slow.read",
    [SLOW_CHECKPOINT] = "slow.checkpoint", [SLOW_HASH] = "slow.hash", [SLOW_SYNC] = "slow.sync",
    [SLOW_ARCHIVE] = "slow.archive",
};
TB_COUNTER_BY(slow, "tombolo_slow_operations_total", "operation", names, "What took longer than log.slow_ms.");

static _Atomic int64_t limit_us = INT64_MAX;
static const struct tb_clock *_Atomic clock = &tb_clock_system;
static struct { _Atomic int64_t next_ms, unsaid; } of[SLOW_COUNT];

void
slow_set(int64_t ms, const struct tb_clock *c)
{
    clock = c;
    for (int i = 0; i < SLOW_COUNT; i++)
        of[i].next_ms = of[i].unsaid = 0;
    limit_us = ms > 0 ? ms * 1000 : INT64_MAX;
}

bool
slow_is(int64_t took_us)
{
    return took_us >= atomic_load_explicit(&limit_us, memory_order_relaxed);
}

/* Of several threads at once one gets the line. */
static bool
may_say(enum slow_what what)
{
    int64_t now = tb_mono_ms(clock), next = of[what].next_ms;

    if (now >= next && atomic_compare_exchange_strong(&of[what].next_ms, &next, now + LINE_EVERY_MS))
        return true;
    of[what].unsaid++;
    return false;
}

void
slow_log(enum slow_what what, int64_t took_us, const char *format, ...)
{
    char    fields[FIELDS_SIZE];
    va_list args;

    tb_count(&slow, what);
    if (!may_say(what))
        return;
    va_start(args, format);
    vsnprintf(fields, sizeof fields, format, args);
    va_end(args);
    log_warn(events[what], "ms=%" PRId64 " unsaid=%" PRId64 " %s", took_us / 1000, atomic_exchange(&of[what].unsaid, 0), fields);
}
