#pragma once
/* A clock that stands still until a test moves it.
 * Threads: any. */
#include "base/clock.h"

#include <stdatomic.h>

struct rig_clock {
    struct tb_clock  clock;     /* hand out &c->clock; c must stay in place as long */
    _Atomic int64_t  wall_ms;
    _Atomic int64_t  mono_us;
};

void rig_clock_init(struct rig_clock *c, int64_t start_ms);     /* what the wall clock says at first */
void rig_clock_move(struct rig_clock *c, int64_t ms);   /* time passes: both clocks; ms is 0 or more */
void rig_clock_jump(struct rig_clock *c, int64_t ms);   /* someone sets the wall clock, forwards or back */
