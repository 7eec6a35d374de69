/* Two atomic counters. The monotonic one starts above 0, so that nobody takes "never" for "just now". */
#include "clock.h"

#include <assert.h>

enum { MONO_START_US = 1000000000 };

static int64_t
wall_ms(void *ctx)
{
    return ((struct rig_clock *)ctx)->wall_ms;
}

static int64_t
mono_us(void *ctx)
{
    return ((struct rig_clock *)ctx)->mono_us;
}

void
rig_clock_init(struct rig_clock *c, int64_t start_ms)
{
    c->clock = (struct tb_clock){ .wall_ms = wall_ms, .mono_us = mono_us, .ctx = c };
    atomic_init(&c->wall_ms, start_ms);
    atomic_init(&c->mono_us, MONO_START_US);
}

void
rig_clock_move(struct rig_clock *c, int64_t ms)
{
    assert(ms >= 0);
    c->wall_ms += ms;
    c->mono_us += ms * 1000;
}

void
rig_clock_jump(struct rig_clock *c, int64_t ms)
{
    c->wall_ms += ms;
}
