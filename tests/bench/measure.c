/* Bodies of measure.h. */
#include "measure.h"

#include "base/scan.h"

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { LATENCY_STEPS = 32 };        /* slots an octave */

static char temp_dir[256];
static pid_t temp_dir_owner;        /* a forked child must not take its parent's folder away */

int64_t
bench_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void
bench_die(const char *format, ...)
{
    char    text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, text);
    exit(1);
}

/* ---- a span ---- */

static double
cpu_seconds(int who)
{
    struct rusage u;
    getrusage(who, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

void
bench_span_start(struct bench_span *s)
{
    s->cpu_s = -cpu_seconds(RUSAGE_SELF);
    s->own_cpu_s = -cpu_seconds(RUSAGE_THREAD);
    s->started_us = bench_now_us();
}

void
bench_span_end(struct bench_span *s)
{
    s->wall_s = (double)(bench_now_us() - s->started_us) / 1e6;
    s->cpu_s += cpu_seconds(RUSAGE_SELF);
    s->own_cpu_s += cpu_seconds(RUSAGE_THREAD);
}

/* ---- latencies: 32 slots for each power of two ---- */

static size_t
slot_of(uint64_t us)
{
    unsigned octave = 0;

    while (us >> octave >= 2 * LATENCY_STEPS)
        octave++;
    size_t slot = octave * LATENCY_STEPS + (size_t)(us >> octave);
    return slot < BENCH_LATENCY_SLOTS ? slot : BENCH_LATENCY_SLOTS - 1;
}

static double
us_of(size_t slot)
{
    size_t octave = slot < 2 * LATENCY_STEPS ? 0 : slot / LATENCY_STEPS - 1;
    return (double)((uint64_t)(slot - octave * LATENCY_STEPS) << octave);
}

void
bench_latency_add(struct bench_latency *l, int64_t us)
{
    l->counts[slot_of(us > 0 ? (uint64_t)us : 0)]++;
    l->n++;
}

double
bench_latency_ms(const struct bench_latency *l, double fraction)
{
    uint64_t wanted = (uint64_t)((double)l->n * fraction), seen = 0;

    for (size_t i = 0; i < BENCH_LATENCY_SLOTS; i++) {
        seen += l->counts[i];
        if (seen > wanted)
            return us_of(i) / 1000;
    }
    return 0;
}

/* ---- rounds ---- */

void
bench_series_add(struct bench_series *s, double v)
{
    if (s->n == BENCH_MAX_ROUNDS)
        bench_die("more than %d rounds", BENCH_MAX_ROUNDS);
    size_t i = s->n++;
    for (; i > 0 && s->values[i - 1] > v; i--)      /* kept sorted */
        s->values[i] = s->values[i - 1];
    s->values[i] = v;
}

double
bench_median(const struct bench_series *s)
{
    if (s->n == 0)
        return 0;
    return (s->values[(s->n - 1) / 2] + s->values[s->n / 2]) / 2;
}

double
bench_min(const struct bench_series *s)
{
    return s->n > 0 ? s->values[0] : 0;
}

double
bench_max(const struct bench_series *s)
{
    return s->n > 0 ? s->values[s->n - 1] : 0;
}

void
bench_print(const char *name, const struct bench_series *s, int digits, const char *unit)
{
    if (s->n == 0)
        return;
    printf("  %-44s %10.*f %-6s (%.*f .. %.*f)\n", name, digits, bench_median(s), unit, digits, bench_min(s), digits,
           bench_max(s));
    fflush(stdout);
}

/* ---- options ---- */

size_t
bench_to_number(tb_str text, size_t least, size_t most)
{
    uint64_t v = 0;
    if (!tb_str_to_uint(text, most, &v) || v < least)
        bench_die("\"" TB_STR_FMT "\": a number from %zu to %zu is wanted", TB_STR_ARG(text), least, most);
    return (size_t)v;
}

size_t
bench_to_numbers(tb_str text, size_t least, size_t most, size_t *out, size_t max)
{
    struct tb_scan s = tb_scan_of(text);
    size_t         n = 0;

    while (!tb_scan_at_end(&s)) {
        if (n == max)
            bench_die("\"" TB_STR_FMT "\": more than %zu numbers", TB_STR_ARG(text), max);
        out[n++] = bench_to_number(tb_scan_until(&s, ','), least, most);
    }
    return n;
}

void
bench_raise_descriptors(size_t n)
{
    struct rlimit limit = { .rlim_cur = 0 };

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < n)
        bench_die("%zu descriptors are more than the hard limit allows (ulimit -Hn)", n);
    if (limit.rlim_cur >= n)
        return;
    limit.rlim_cur = n;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* ---- the folder ---- */

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    remove(path);
    return 0;
}

static void
remove_temp_dir(void)
{
    if (getpid() == temp_dir_owner)
        nftw(temp_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *
bench_temp_dir(const char *parent)
{
    if (temp_dir[0] != 0)
        return temp_dir;
    snprintf(temp_dir, sizeof temp_dir, "%s/tombolo-bench-XXXXXX", parent != NULL ? parent : "/var/tmp");
    if (mkdtemp(temp_dir) == NULL)
        bench_die("cannot make a folder %s: %s", temp_dir, strerror(errno));
    temp_dir_owner = getpid();
    atexit(remove_temp_dir);
    return temp_dir;
}

char *
bench_path(const char *name)
{
    struct tb_buf path = TB_BUF_INIT;
    tb_buf_printf(&path, "%s/%s", temp_dir, name);
    return path.p;
}
