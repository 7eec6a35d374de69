/* A list by name, made by constructors before main and never changed after. */
#include "metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

enum { LABELS_SIZE = 160 }; /* bytes of a series' labels; ours are shorter */

static struct tb_metric *first;

static const char *const kind_names[] = {
    [TB_KIND_COUNTER] = "counter",
    [TB_KIND_GAUGE] = "gauge",
    [TB_KIND_HISTOGRAM] = "histogram",
};

static bool
is_same_family(const struct tb_metric *a, const struct tb_metric *b)
{
    return strcmp(a->name, b->name) == 0;
}

/* Behind those of its name. */
void
tb_metric_register(struct tb_metric *m)
{
    struct tb_metric **at = &first;

    for (; *at != NULL && strcmp((*at)->name, m->name) <= 0; at = &(*at)->next)
        assert(!is_same_family(*at, m) || ((*at)->kind == m->kind && strcmp((*at)->help, m->help) == 0));
    m->next = *at;
    *at = m;
}

/* ---- counting ---- */

void
tb_metric_observe(const struct tb_metric *m, atomic_int_fast64_t *cells, uint64_t v)
{
    size_t i = 0;

    while (i < m->n_bounds && v > m->bounds[i])
        i++;
    atomic_fetch_add_explicit(&cells[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&cells[m->n_bounds + 1], (int_fast64_t)v, memory_order_relaxed);
}

void
tb_observe(struct tb_metric *m, size_t i, uint64_t v)
{
    tb_metric_observe(m, m->cells + i * (m->n_bounds + 2), v);
}

/* ---- writing ---- */

void
tb_metric_head(struct tb_buf *out, const char *name, enum tb_metric_kind kind, const char *help)
{
    tb_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind_names[kind]);
}

static void
add_number(struct tb_buf *out, enum tb_metric_unit unit, int64_t v)
{
    uint64_t size = v < 0 ? -(uint64_t)v : (uint64_t)v;

    if (v < 0)
        tb_buf_add_char(out, '-');
    if (unit == TB_UNIT_US)
        tb_buf_printf(out, "%" PRIu64 ".%06" PRIu64, size / 1000000, size % 1000000);
    else
        tb_buf_printf(out, "%" PRIu64, size);
}

static void
add_line(struct tb_buf *out, const char *name, const char *suffix, const char *labels, enum tb_metric_unit unit,
         int64_t v)
{
    if (labels != NULL)
        tb_buf_printf(out, "%s%s{%s} ", name, suffix, labels);
    else
        tb_buf_printf(out, "%s%s ", name, suffix);
    add_number(out, unit, v);
    tb_buf_add_char(out, '\n');
}

void
tb_metric_line(struct tb_buf *out, const char *name, const char *labels, enum tb_metric_unit unit, int64_t v)
{
    add_line(out, name, "", labels, unit, v);
}

static void
add_bucket(struct tb_buf *out, const struct tb_metric *m, const char *labels, size_t i, int64_t n)
{
    tb_buf_printf(out, "%s_bucket{%s%sle=\"", m->name, labels != NULL ? labels : "", labels != NULL ? "," : "");
    if (i < m->n_bounds)
        add_number(out, m->unit, (int64_t)m->bounds[i]);
    else
        tb_buf_add(out, TB_LIT("+Inf"));
    tb_buf_printf(out, "\"} %" PRId64 "\n", n);
}

/* The count is what the buckets say, so that the two always agree. */
void
tb_metric_histogram(struct tb_buf *out, const struct tb_metric *m, const char *labels, const atomic_int_fast64_t *cells)
{
    int64_t n = 0;

    for (size_t i = 0; i <= m->n_bounds; i++) {
        n += atomic_load_explicit(&cells[i], memory_order_relaxed);
        add_bucket(out, m, labels, i, n);
    }
    add_line(out, m->name, "_sum", labels, m->unit,
             atomic_load_explicit(&cells[m->n_bounds + 1], memory_order_relaxed));
    add_line(out, m->name, "_count", labels, TB_UNIT_ONE, n);
}

static void
write_series(struct tb_buf *out, const struct tb_metric *m, size_t i)
{
    char text[LABELS_SIZE];
    const char *labels = NULL;

    if (m->label != NULL) {
        int n = snprintf(text, sizeof text, "%s=\"%s\"", m->label, m->values[i]);
        assert(n > 0 && (size_t)n < sizeof text);
        labels = text;
    }
    if (m->kind == TB_KIND_HISTOGRAM)
        tb_metric_histogram(out, m, labels, m->cells + i * (m->n_bounds + 2));
    else
        tb_metric_line(out, m->name, labels, m->unit, atomic_load_explicit(&m->cells[i], memory_order_relaxed));
}

static void
write_pairs(struct tb_buf *out, const struct tb_metric *m, size_t i)
{
    char text[LABELS_SIZE];

    for (size_t k = 0; k < m->n2; k++) {
        int64_t v = atomic_load_explicit(&m->cells[i * m->n2 + k], memory_order_relaxed);
        if (v == 0)
            continue;
        int n = snprintf(text, sizeof text, "%s=\"%s\",%s=\"%s\"", m->label, m->values[i], m->label2, m->values2[k]);
        assert(n > 0 && (size_t)n < sizeof text);
        tb_metric_line(out, m->name, text, m->unit, v);
    }
}

void
tb_metrics_write(struct tb_buf *out)
{
    const struct tb_metric *before = NULL;

    for (const struct tb_metric *m = first; m != NULL; before = m, m = m->next) {
        if (before == NULL || !is_same_family(before, m))
            tb_metric_head(out, m->name, m->kind, m->help);
        if (m->write != NULL)
            m->write(m, out);
        for (size_t i = 0; m->write == NULL && i < m->n; i++) {
            if (m->label2 != NULL)
                write_pairs(out, m, i);
            else
                write_series(out, m, i);
        }
    }
}
