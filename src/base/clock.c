/* The system's clocks, and dates by the proleptic Gregorian calendar without libc's time zones. */
#include "clock.h"

#include <time.h>

enum { MS_PER_DAY = 86400000 };

#define MS_FIRST (-62167219200000)      /* 0000-01-01T00:00:00.000Z */
#define MS_LAST  253402300799999        /* 9999-12-31T23:59:59.999Z */

static int64_t
system_wall_ms(void *ctx)
{
    struct timespec t;
    (void)ctx;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t
system_mono_us(void *ctx)
{
    struct timespec t;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

const struct tb_clock tb_clock_system = { .wall_ms = system_wall_ms, .mono_us = system_mono_us };

static void
put(char *at, int width, int64_t v)
{
    for (int i = width - 1; i >= 0; i--, v /= 10)
        at[i] = (char)('0' + v % 10);
}

tb_str
tb_time_iso(int64_t ms, char out[TB_ISO_SIZE])
{
    if (ms < MS_FIRST)
        ms = MS_FIRST;
    if (ms > MS_LAST)
        ms = MS_LAST;

    int64_t day = ms / MS_PER_DAY, in_day = ms % MS_PER_DAY;
    if (in_day < 0) {
        in_day += MS_PER_DAY;
        day--;
    }
    /* Years are counted from March, so that the leap day is a year's last: era of 400 years, year, day, month. */
    int64_t z = day + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t of_era = z - era * 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * of_year + 2) / 153;
    int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
    int64_t year = year_of_era + era * 400 + (month <= 2);

    memcpy(out, "0000-00-00T00:00:00.000Z", 25);
    put(out, 4, year);
    put(out + 5, 2, month);
    put(out + 8, 2, of_year - (153 * march_month + 2) / 5 + 1);
    put(out + 11, 2, in_day / 3600000);
    put(out + 14, 2, in_day / 60000 % 60);
    put(out + 17, 2, in_day / 1000 % 60);
    put(out + 20, 3, in_day % 1000);
    return (tb_str){ .p = out, .n = 24 };
}
