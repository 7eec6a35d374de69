/* Bodies of top_metrics.h. A reading has some hundred lines and is looked through from its beginning for each question. */
#include "top_metrics.h"

#include "base/scan.h"

#include <stdlib.h>

enum { MAX_BUCKETS = 64 };

static tb_str
next_line(struct tb_scan *s)
{
    return tb_scan_until(s, '\n');
}

/* name, or name{labels}, a blank, a number. Values of labels hold no quotes, since they are ours. */
static bool
parse_line(tb_str line, struct top_value *out)
{
    const char *blank = line.n > 0 && line.p[0] != '#' ? memrchr(line.p, ' ', line.n) : NULL;
    char        number[32];

    if (blank == NULL)
        return false;
    tb_str head = { .p = line.p, .n = (size_t)(blank - line.p) }, tail = { .p = blank + 1, .n = line.n - head.n - 1 };
    if (tail.n == 0 || tail.n >= sizeof number)
        return false;
    memcpy(number, tail.p, tail.n);
    number[tail.n] = '\0';
    char *end;
    out->v = strtod(number, &end);
    const char *brace = memchr(head.p, '{', head.n);
    out->name = (tb_str){ .p = head.p, .n = brace != NULL ? (size_t)(brace - head.p) : head.n };
    out->labels = brace != NULL && head.p[head.n - 1] == '}'
                      ? (tb_str){ .p = brace + 1, .n = head.n - out->name.n - 2 } : TB_LIT("");
    return *end == '\0' && out->name.n > 0;
}

void
top_reading_take(struct top_reading *r, struct tb_buf *text)
{
    size_t cap = 0;

    *r = (struct top_reading){ .text = *text };
    *text = (struct tb_buf)TB_BUF_INIT;
    struct tb_scan s = tb_scan_of(tb_buf_str(&r->text));
    while (!tb_scan_at_end(&s)) {
        struct top_value v;
        if (!parse_line(next_line(&s), &v))
            continue;
        if (r->n == cap) {
            cap = cap > 0 ? 2 * cap : 256;
            r->values = tb_realloc(r->values, cap * sizeof *r->values);
        }
        r->values[r->n++] = v;
    }
}

void
top_reading_fini(struct top_reading *r)
{
    tb_free(r->values);
    tb_buf_fini(&r->text);
    *r = (struct top_reading){ 0 };
}

static bool
holds(tb_str labels, const char *label)
{
    return label == NULL || (labels.n > 0 && memmem(labels.p, labels.n, label, strlen(label)) != NULL);
}

double
top_value(const struct top_reading *r, const char *name, const char *label, bool *is_there)
{
    double sum = 0;
    bool   found = false;

    for (size_t i = 0; i < r->n; i++) {
        if (!tb_str_eq(r->values[i].name, tb_str_of(name)) || !holds(r->values[i].labels, label))
            continue;
        sum += r->values[i].v;
        found = true;
    }
    if (is_there != NULL)
        *is_there = found;
    return sum;
}

double
top_rate(const struct top_reading *a, const struct top_reading *b, const char *name, const char *label)
{
    double grew = top_value(b, name, label, NULL) - top_value(a, name, label, NULL);
    double seconds = (double)(b->at_us - a->at_us) / 1e6;

    return grew > 0 && seconds > 0 ? grew / seconds : 0;
}

/* ---- histograms ---- */

struct bucket { double edge, n; };      /* n: up to edge, as they are written */

static double
edge_of(tb_str labels)
{
    static const char le[] = "le=\"";
    const char       *p = labels.n > 0 ? memmem(labels.p, labels.n, le, sizeof le - 1) : NULL;

    return p != NULL ? strtod(p + sizeof le - 1, NULL) : -1;    /* up to the quote; "+Inf" is read as such */
}

static size_t
add_buckets(const struct top_reading *r, const char *bucket_name, const char *label, double sign, struct bucket *all, size_t n)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct top_value *v = &r->values[i];
        if (!tb_str_eq(v->name, tb_str_of(bucket_name)) || !holds(v->labels, label))
            continue;
        double edge = edge_of(v->labels);
        size_t k = 0;
        while (k < n && all[k].edge != edge)
            k++;
        if (k == n && n < MAX_BUCKETS)
            all[n++] = (struct bucket){ .edge = edge };
        if (k < n)
            all[k].n += sign * v->v;
    }
    return n;
}

/* Buckets come in the order of their edges, for each label alike. Beyond the last edge it is the last edge. */
static double
find_quantile(const struct bucket *all, size_t n, double q)
{
    double below = 0, from = 0, wanted = n > 0 ? q * all[n - 1].n : 0;

    if (n == 0 || all[n - 1].n <= 0)
        return -1;
    for (size_t i = 0; i + 1 < n; i++) {
        if (all[i].n >= wanted && all[i].n > below)
            return from + (all[i].edge - from) * (wanted - below) / (all[i].n - below);
        below = all[i].n;
        from = all[i].edge;
    }
    return from;
}

double
top_quantile(const struct top_reading *a, const struct top_reading *b, const char *name, const char *label, double q)
{
    struct bucket all[MAX_BUCKETS];
    struct tb_buf bucket_name = TB_BUF_INIT;

    tb_buf_printf(&bucket_name, "%s_bucket", name);
    size_t n = add_buckets(b, bucket_name.p, label, 1, all, 0);
    n = add_buckets(a, bucket_name.p, label, -1, all, n);
    tb_buf_fini(&bucket_name);
    return find_quantile(all, n, q);
}
