#pragma once
/* Prometheus text as tombolo top reads it: values by name and label, and what happened between two readings.
 * Threads: the caller's. */
#include "tombolo/str.h"

struct top_value { tb_str name, labels; double v; };   /* labels: between the braces, maybe empty */

struct top_reading {
    int64_t           at_us;            /* when it was taken, monotonic; the caller's */
    struct tb_buf     text;             /* what the values point into */
    struct top_value *values;
    size_t            n;
};

/* Takes over the text; lines that are none are passed over. */
void top_reading_take(struct top_reading *r, struct tb_buf *text);
void top_reading_fini(struct top_reading *r);

/* The sum of all values of that name whose labels hold `label` (as route="GET /"; NULL: any). *is_there, when not NULL: whether
 * there was one. */
double top_value(const struct top_reading *r, const char *name, const char *label, bool *is_there);

/* How much it grew a second from a to b; 0 when it was set back meanwhile: the server was started again. */
double top_rate(const struct top_reading *a, const struct top_reading *b, const char *name, const char *label);

/* The quantile of what a histogram took from a to b, by its buckets, straight between their edges; below 0: nothing. name: without
 * "_bucket". */
double top_quantile(const struct top_reading *a, const struct top_reading *b, const char *name, const char *label, double q);
