#pragma once
/* What the program counts, for GET /metrics. A metric is a static variable of the file that counts; it is there, at 0, from
 * the start. Names begin with "tombolo_"; a counter ends in "_total", a time is in "_seconds", a size in "_bytes".
 *
 *     static const char *const reasons[] = { [CUT_RESETS] = "resets", [CUT_HEADERS] = "headers" };
 *     TB_COUNTER_BY(cuts, "tombolo_guard_cuts_total", "reason", reasons, "Connections that the guard has cut, and why.");
 *     ...
 *     tb_count(&cuts, CUT_RESETS);
 *
 * A label's values are a table in the program: nothing that a peer sends may become one, or he decides how many there are.
 * Several files may count under one name, with values and the same help each: they are written together.
 * Threads: any may count and write (relaxed atomics: each number is right, their moments differ a little). They are the
 * process's: a test with several servers in one process sees their sum. */
#include "tombolo/str.h"

#include <assert.h>
#include <stdatomic.h>

enum tb_metric_kind { TB_KIND_COUNTER, TB_KIND_GAUGE, TB_KIND_HISTOGRAM };
enum tb_metric_unit { TB_UNIT_ONE, TB_UNIT_US }; /* TB_UNIT_US: counted in microseconds, written in seconds */

struct tb_metric {
    /* fixed */
    const char         *name, *help;        /* help: one line, no backslash */
    enum tb_metric_kind kind;
    enum tb_metric_unit unit;
    const char         *label;              /* NULL: none, and n is 1 */
    const char *const  *values;             /* of the label; no quotes, no backslash */
    size_t              n;
    const char         *label2;             /* NULL: no second one; else pairs that never happened are not written */
    const char *const  *values2;
    size_t              n2;
    const uint64_t     *bounds;             /* of a histogram's buckets, rising, in its unit; the last bucket has none */
    size_t              n_bounds;
    void (*write)(const struct tb_metric *, struct tb_buf *out);    /* instead of cells: writes its lines */
    struct tb_metric *next;                 /* by name; fixed before main */
    /* any thread */
    atomic_int_fast64_t *cells;             /* n, or n * n2; of a histogram n times n_bounds + 1 buckets and the sum */
};

/* ---- defining, at file scope ---- */

#define TB_COUNTER(id, name_, help_)                  TB_ONE_CELL(id, TB_KIND_COUNTER, TB_UNIT_ONE, name_, help_)
#define TB_SECONDS_COUNTER(id, name_, help_)          TB_ONE_CELL(id, TB_KIND_COUNTER, TB_UNIT_US, name_, help_)
#define TB_GAUGE(id, name_, help_)                    TB_ONE_CELL(id, TB_KIND_GAUGE, TB_UNIT_ONE, name_, help_)
#define TB_SECONDS_GAUGE(id, name_, help_)            TB_ONE_CELL(id, TB_KIND_GAUGE, TB_UNIT_US, name_, help_)
#define TB_COUNTER_BY(id, name_, label_, list, help_) TB_CELLS_BY(id, TB_KIND_COUNTER, name_, label_, list, help_)
#define TB_GAUGE_BY(id, name_, label_, list, help_)   TB_CELLS_BY(id, TB_KIND_GAUGE, name_, label_, list, help_)

/* By two labels; tb_count_pair. */
#define TB_COUNTER_BY_BOTH(id, name_, label_, list, label2_, list2, help_)                                      \
    TB_METRIC(id, TB_N(list) * TB_N(list2), .kind = TB_KIND_COUNTER, .name = name_, .help = help_,              \
              .label = label_, .values = list, .n = TB_N(list), .label2 = label2_, .values2 = list2, .n2 = TB_N(list2))

/* edges: an array of uint64_t */
#define TB_HISTOGRAM(id, unit_, edges, name_, help_)                                                            \
    TB_METRIC(id, TB_N(edges) + 2, .kind = TB_KIND_HISTOGRAM, .unit = unit_, .name = name_, .help = help_,      \
              .n = 1, .bounds = edges, .n_bounds = TB_N(edges))
#define TB_HISTOGRAM_BY(id, unit_, edges, name_, label_, list, help_)                                           \
    TB_METRIC(id, TB_N(list) * (TB_N(edges) + 2), .kind = TB_KIND_HISTOGRAM, .unit = unit_, .name = name_,      \
              .help = help_, .label = label_, .values = list, .n = TB_N(list), .bounds = edges, .n_bounds = TB_N(edges))

/* Of what others know: write_ is asked. */
#define TB_ASKED(id, kind_, name_, write_, help_)                                                                      \
    TB_METRIC(id, 1, .kind = kind_, .name = name_, .help = help_, .write = write_)

/* Whatever is turned away by a setting of that name counts here: { "limit.logins", ... } */
#define TB_LIMIT_HITS(id, settings)                                                                                    \
    TB_COUNTER_BY(id, "tombolo_limit_hits_total", "limit", settings,                                                   \
                  "Connections, requests and events turned away, by the setting that was the reason.")

/* Buckets of answers and commits, in microseconds: 0.5 ms to 10 s. */
#define TB_LATENCY_EDGES                                                                                               \
    500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000

/* ---- counting ---- */

/* i: index into the label's values; 0 without a label. */
static inline void
tb_count_n(struct tb_metric *m, size_t i, uint64_t n)
{
    atomic_fetch_add_explicit(&m->cells[i], (int_fast64_t)n, memory_order_relaxed);
}

static inline void
tb_count(struct tb_metric *m, size_t i)
{
    tb_count_n(m, i, 1);
}

static inline void
tb_count_pair(struct tb_metric *m, size_t i, size_t k)
{
    tb_count_n(m, i * m->n2 + k, 1);
}

static inline void
tb_gauge_set(struct tb_metric *m, size_t i, int64_t v)
{
    atomic_store_explicit(&m->cells[i], v, memory_order_relaxed);
}

static inline void
tb_gauge_add(struct tb_metric *m, size_t i, int64_t change)
{
    atomic_fetch_add_explicit(&m->cells[i], change, memory_order_relaxed);
}

void tb_observe(struct tb_metric *, size_t i, uint64_t v);

/* ---- writing: Prometheus text, version 0.0.4 ---- */

void tb_metrics_write(struct tb_buf *out);      /* all, by name */

/* For those that are asked. labels: `limit="x",route="y"`, or NULL. */
void tb_metric_head(struct tb_buf *out, const char *name, enum tb_metric_kind, const char *help);
void tb_metric_line(struct tb_buf *out, const char *name, const char *labels, enum tb_metric_unit, int64_t v);
void tb_metric_histogram(struct tb_buf *out, const struct tb_metric *, const char *labels,
                         const atomic_int_fast64_t *cells);
void tb_metric_observe(const struct tb_metric *, atomic_int_fast64_t *cells, uint64_t v);

/* ---- what the macros above are made of ---- */

#define TB_N(array) (sizeof(array) / sizeof *(array))
#define TB_METRIC(id, n_cells, ...)                                                                                    \
    static atomic_int_fast64_t id##_cells[n_cells];                                                                    \
    static struct tb_metric id = { .cells = id##_cells, __VA_ARGS__ };                                                 \
    __attribute__((constructor)) static void id##_register(void)                                                       \
    {                                                                                                                  \
        tb_metric_register(&(id));                                                                                     \
    }                                                                                                                  \
    static_assert(sizeof id##_cells > 0, "a label has values")
#define TB_ONE_CELL(id, kind_, unit_, name_, help_)                                                                    \
    TB_METRIC(id, 1, .kind = kind_, .unit = unit_, .name = name_, .help = help_, .n = 1)
#define TB_CELLS_BY(id, kind_, name_, label_, list, help_)                                                             \
    TB_METRIC(id, TB_N(list), .kind = kind_, .name = name_, .help = help_, .label = label_, .values = list,            \
              .n = TB_N(list))

void tb_metric_register(struct tb_metric *);    /* before main */
