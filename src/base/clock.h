#pragma once
/* Time as everything but h2o sees it, so that tests can move it, and its text form on the wire.
 * Threads: any; a clock must answer on any thread. */
#include "tombolo/str.h"

struct tb_clock {
    int64_t (*wall_ms)(void *ctx);      /* since 1970-01-01 UTC; may jump */
    int64_t (*mono_us)(void *ctx);      /* since some start; never goes back */
    void   *ctx;
};

extern const struct tb_clock tb_clock_system;

static inline int64_t
tb_wall_ms(const struct tb_clock *c)
{
    return c->wall_ms(c->ctx);
}

static inline int64_t
tb_mono_us(const struct tb_clock *c)
{
    return c->mono_us(c->ctx);
}

static inline int64_t
tb_mono_ms(const struct tb_clock *c)
{
    return c->mono_us(c->ctx) / 1000;
}

/* ISO 8601 in UTC with milliseconds, as JavaScript's toISOString writes years 0 to 9999 (others are clamped). */
enum { TB_ISO_SIZE = 32 };
tb_str tb_time_iso(int64_t ms, char out[TB_ISO_SIZE]);
