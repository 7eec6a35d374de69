#pragma once
/* What every benchmark measures with: wall and CPU time of a span, latencies, and the median of several rounds, since the
 * machine is never quite alone. Failures end the program: a benchmark has nobody to report them to but its user.
 * Threads: plain values. */
#include "tombolo/str.h"

int64_t bench_now_us(void);                         /* monotonic */

/* Prints "<program>: <text>" to stderr, removes the temporary folder and exits with 1. */
void bench_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* ---- a span: wall time, and user + system CPU time of this process ---- */

struct bench_span {
    int64_t started_us;
    double  wall_s, cpu_s;          /* once ended */
    double  own_cpu_s;              /* of the calling thread alone */
};

void bench_span_start(struct bench_span *s);
void bench_span_end(struct bench_span *s);

/* ---- latencies: a histogram, good to 3 % ---- */

enum { BENCH_LATENCY_SLOTS = 32 * 32 };

struct bench_latency {
    uint64_t counts[BENCH_LATENCY_SLOTS];
    uint64_t n;
};

void   bench_latency_add(struct bench_latency *l, int64_t us);
double bench_latency_ms(const struct bench_latency *l, double fraction);    /* 0.5, 0.99; 0 when empty */

/* ---- rounds ---- */

enum { BENCH_MAX_ROUNDS = 99 };

struct bench_series {
    double values[BENCH_MAX_ROUNDS];
    size_t n;
};

void   bench_series_add(struct bench_series *s, double v);
double bench_median(const struct bench_series *s);
double bench_min(const struct bench_series *s);
double bench_max(const struct bench_series *s);

/* "  <name>   31200 /s  (29000 .. 33000)": median, least and most; no line for an empty series. digits: after the point. */
void bench_print(const char *name, const struct bench_series *s, int digits, const char *unit);

/* ---- options ---- */

/* A number from least to most, or bench_die. */
size_t bench_to_number(tb_str text, size_t least, size_t most);

/* "1,16,64": up to max of them; returns how many. */
size_t bench_to_numbers(tb_str text, size_t least, size_t most, size_t *out, size_t max);

/* Lets this process and its children have so many descriptors open, or bench_die. */
void bench_raise_descriptors(size_t n);

/* ---- a folder that goes when the program ends ---- */

/* A new folder under parent, or under /var/tmp, which is on a disk also where /tmp is not. One a program. */
const char *bench_temp_dir(const char *parent);

/* <temporary folder>/<name>; the caller frees it with tb_free. */
char *bench_path(const char *name);
