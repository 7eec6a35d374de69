/* Bodies of top_view.h. A row is a label and a few figures; a figure that is no good sign is shown in colour, and the row with
 * it, so that it is seen among the others. */
#include "top_view.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>

enum { LABEL_WIDTH = 13, PIECE_SIZE = 96 };

#define HTTP_TIME "tombolo_http_request_duration_seconds"

struct pair { const struct top_reading *a, *b; };

/* ---- figures ---- */

static double
value(const struct pair *p, const char *name, const char *label)
{
    return top_value(p->b, name, label, NULL);
}

static double
rate(const struct pair *p, const char *name, const char *label)
{
    return top_rate(p->a, p->b, name, label);
}

static double
quantile_ms(const struct pair *p, const char *name, const char *label, double q)
{
    double s = top_quantile(p->a, p->b, name, label, q);
    return s < 0 ? s : s * 1000;
}

/* Statuses of the 400s and 500s: status="5 */
static double
statuses(const struct pair *p, const char *of)
{
    return rate(p, "tombolo_http_requests_total", of);
}

static double
average(const struct pair *p, const char *name)
{
    char sum[PIECE_SIZE], count[PIECE_SIZE];

    snprintf(sum, sizeof sum, "%s_sum", name);
    snprintf(count, sizeof count, "%s_count", name);
    double n = rate(p, count, NULL);
    return n > 0 ? rate(p, sum, NULL) / n : 0;
}

static bool
has_centre(const struct pair *p)
{
    return value(p, "tombolo_sync_configured", NULL) > 0;
}

static const char *
sync_name(const struct pair *p)
{
    return !has_centre(p) ? "off" : value(p, "tombolo_sync_diverged", NULL) > 0 ? "diverged"
           : value(p, "tombolo_sync_up", NULL) > 0 ? "up" : "down";
}

/* ---- a screen under way ---- */

struct screen {
    const struct top_screen *with;
    struct tb_buf           *out;
    size_t                   n_lines, column;
    bool                     is_coloured;
};

static void
colour(struct screen *s, const char *code)
{
    if (s->with->has_colour)
        tb_buf_printf(s->out, "\033[%sm", code);
}

static void
put(struct screen *s, const char *text)
{
    size_t left = s->with->width > s->column ? s->with->width - s->column : 0, n = strlen(text);

    n = n < left ? n : left;
    tb_buf_add(s->out, (tb_str){ .p = text, .n = n });
    s->column += n;
}

static void
end_line(struct screen *s)
{
    if (s->is_coloured)
        colour(s, "0");
    s->is_coloured = false;
    s->column = 0;
}

/* False: the screen is full. */
static bool
begin_line(struct screen *s)
{
    if (s->n_lines == s->with->height)
        return false;
    if (s->n_lines++ > 0)
        tb_buf_add(s->out, TB_LIT("\r\n"));
    tb_buf_add(s->out, TB_LIT("\033[K"));       /* what stood there before; here, for at the right edge it would take a letter */
    return true;
}

static bool
begin_row(struct screen *s, const char *label)
{
    char text[PIECE_SIZE];

    if (!begin_line(s))
        return false;
    colour(s, "1");
    snprintf(text, sizeof text, "%-*s", LABEL_WIDTH, label);
    put(s, text);
    colour(s, "0");
    return true;
}

/* One figure; is_bad: it should be looked at. */
static void __attribute__((format(printf, 3, 4)))
figure(struct screen *s, bool is_bad, const char *format, ...)
{
    char    text[PIECE_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (is_bad)
        colour(s, "31");
    put(s, text);
    if (is_bad)
        colour(s, "0");
    put(s, "  ");
}

/* 0, 3.2, 41, 12034: never wide. */
static const char *
short_rate(double v, char out[24])
{
    snprintf(out, 24, v > 0 && v < 10 ? "%.1f" : "%.0f", v);
    return out;
}

static const char *
short_ms(double ms, char out[24])
{
    if (ms < 0)
        snprintf(out, 24, "-");
    else
        snprintf(out, 24, ms < 10 ? "%.1f ms" : ms < 10000 ? "%.0f ms" : "%.0f s", ms < 10000 ? ms : ms / 1000);
    return out;
}

static const char *
short_bytes(double v, char out[24])
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
    size_t                   u = 0;

    for (; v >= 1000 && u + 1 < sizeof units / sizeof *units; u++)
        v /= 1000;
    snprintf(out, 24, u > 0 && v < 100 ? "%.1f %s" : "%.0f %s", v, units[u]);
    return out;
}

static void
rate_figure(struct screen *s, const char *name, double v, bool is_bad)
{
    char text[24];
    figure(s, is_bad && v > 0, "%s %s/s", name, short_rate(v, text));
}

static void
ms_figure(struct screen *s, const char *name, double ms, double bad_from)
{
    char text[24];
    figure(s, ms >= bad_from, "%s %s", name, short_ms(ms, text));
}

static void
bytes_figure(struct screen *s, const char *name, double v, bool is_bad)
{
    char text[24];
    figure(s, is_bad, "%s %s", name, short_bytes(v, text));
}

/* ---- rows ---- */

enum { SLOW_REQUEST_MS = 500, SLOW_COMMIT_MS = 100, SLOW_LOOP_MS = 50, LONG_LAG_S = 60 };

static void
title_row(struct screen *s)
{
    if (!begin_line(s))
        return;
    colour(s, "7");
    s->is_coloured = true;
    put(s, "tombolo top  ");
    put(s, s->with->now);
    put(s, "  ");
    put(s, s->with->title);
    put(s, "  (q quits)");
    end_line(s);
}

static void
state_row(struct screen *s, const struct pair *p)
{
    double free_bytes = value(p, "tombolo_disk_free_bytes", NULL), reserve = value(p, "tombolo_disk_reserve_bytes", NULL);
    bool   is_writable = value(p, "tombolo_journal_writable", NULL) > 0;

    if (!begin_row(s, "state"))
        return;
    if (s->with->trouble != NULL) {
        figure(s, true, "%s", s->with->trouble);
    } else {
        figure(s, !is_writable, "%s", is_writable ? "writable" : "NOT WRITABLE");
        bytes_figure(s, "disk free", free_bytes, free_bytes < 2 * reserve);
        bytes_figure(s, "reserve", reserve, false);
    }
    end_line(s);
}

static void
connections_row(struct screen *s, const struct pair *p)
{
    if (!begin_row(s, "connections"))
        return;
    figure(s, false, "http1 %.0f", value(p, "tombolo_connections", "protocol=\"http1\""));
    figure(s, false, "http2 %.0f", value(p, "tombolo_connections", "protocol=\"http2\""));
    figure(s, false, "websocket %.0f", value(p, "tombolo_connections", "protocol=\"websocket\""));
    rate_figure(s, "new", rate(p, "tombolo_connections_accepted_total", NULL), false);
    rate_figure(s, "cut", rate(p, "tombolo_guard_cuts_total", NULL), true);
    end_line(s);
}

static void
sockets_row(struct screen *s, const struct pair *p)
{
    if (!begin_row(s, "sockets"))
        return;
    figure(s, false, "live %.0f", value(p, "tombolo_sockets", "state=\"live\""));
    figure(s, false, "catching up %.0f", value(p, "tombolo_sockets", "state=\"catching_up\""));
    figure(s, false, "users %.0f", value(p, "tombolo_users_online", NULL));
    rate_figure(s, "recovered", rate(p, "tombolo_recoveries_total", NULL), false);
    rate_figure(s, "fell behind", rate(p, "tombolo_fell_behind_total", NULL), true);
    end_line(s);
}

static void
requests_row(struct screen *s, const struct pair *p)
{
    if (!begin_row(s, "requests"))
        return;
    rate_figure(s, "all", rate(p, "tombolo_http_requests_total", NULL), false);
    rate_figure(s, "4xx", statuses(p, "status=\"4"), false);
    rate_figure(s, "5xx", statuses(p, "status=\"5"), true);
    ms_figure(s, "send p50", quantile_ms(p, HTTP_TIME, "route=\"POST /messages\"", 0.5), SLOW_REQUEST_MS);
    ms_figure(s, "p99", quantile_ms(p, HTTP_TIME, "route=\"POST /messages\"", 0.99), SLOW_REQUEST_MS);
    end_line(s);
}

static void
events_row(struct screen *s, const struct pair *p)
{
    if (!begin_row(s, "events"))
        return;
    rate_figure(s, "in", rate(p, "tombolo_events_total", NULL), false);
    rate_figure(s, "acks", rate(p, "tombolo_acks_total", NULL), false);
    rate_figure(s, "deliveries", rate(p, "tombolo_deliveries_total", NULL), false);
    bytes_figure(s, "queued", value(p, "tombolo_session_queued_bytes", NULL), false);
    end_line(s);
}

static void
journal_row(struct screen *s, const struct pair *p)
{
    if (!begin_row(s, "journal"))
        return;
    rate_figure(s, "changes", rate(p, "tombolo_journal_ops_total", NULL), false);
    rate_figure(s, "commits", rate(p, "tombolo_journal_commits_total", NULL), false);
    figure(s, false, "a batch %.1f", average(p, "tombolo_journal_batch_changes"));
    bytes_figure(s, "file", value(p, "tombolo_journal_size_bytes", NULL), false);
    bytes_figure(s, "WAL", value(p, "tombolo_journal_wal_bytes", NULL), value(p, "tombolo_journal_wal_bytes", NULL) > 128e6);
    end_line(s);
}

static void
latency_row(struct screen *s, const struct pair *p)
{
    static const char commit[] = "tombolo_journal_commit_duration_seconds";

    if (!begin_row(s, "latency"))
        return;
    ms_figure(s, "commit p50", quantile_ms(p, commit, NULL, 0.5), SLOW_COMMIT_MS);
    ms_figure(s, "p99", quantile_ms(p, commit, NULL, 0.99), SLOW_COMMIT_MS);
    ms_figure(s, "read p99", quantile_ms(p, "tombolo_journal_read_duration_seconds", NULL, 0.99), SLOW_COMMIT_MS);
    ms_figure(s, "loop p99", quantile_ms(p, "tombolo_loop_delay_seconds", NULL, 0.99), SLOW_LOOP_MS);
    end_line(s);
}

static void
queue_figure(struct screen *s, const struct pair *p, const char *name, const char *label)
{
    double depth = value(p, "tombolo_queue_depth", label), most = value(p, "tombolo_queue_limit", label);
    figure(s, most > 0 && depth > most / 2, "%s %.0f", name, depth);
}

static void
queues_row(struct screen *s, const struct pair *p)
{
    if (!begin_row(s, "waiting"))
        return;
    queue_figure(s, p, "writer", "queue=\"writer\"");
    queue_figure(s, p, "readers", "queue=\"reader_");
    queue_figure(s, p, "hasher", "queue=\"hasher\"");
    queue_figure(s, p, "loop", "queue=\"loop\"");
    queue_figure(s, p, "archive", "queue=\"archive\"");
    figure(s, false, "receipts %.0f", value(p, "tombolo_receipts_waiting", NULL));
    end_line(s);
}

static void
centre_row(struct screen *s, const struct pair *p)
{
    const char *name = sync_name(p);
    double      lag_s = value(p, "tombolo_sync_lag_seconds", NULL);

    if (!begin_row(s, "centre"))
        return;
    figure(s, has_centre(p) && strcmp(name, "up") != 0, "%s", name);
    if (has_centre(p)) {
        figure(s, lag_s > LONG_LAG_S, "behind %.0f ops, %.0f s", value(p, "tombolo_sync_lag_ops", NULL), lag_s);
        rate_figure(s, "pushed", rate(p, "tombolo_sync_pushed_total", NULL), false);
        rate_figure(s, "pulled", rate(p, "tombolo_sync_pulled_total", NULL), false);
        ms_figure(s, "round trip", quantile_ms(p, "tombolo_sync_round_trip_seconds", NULL, 0.5), INFINITY);
        rate_figure(s, "errors", rate(p, "tombolo_mysql_errors_total", NULL), true);
    }
    end_line(s);
}

static void
process_row(struct screen *s, const struct pair *p)
{
    double fds = value(p, "process_open_fds", NULL), most = value(p, "process_max_fds", NULL);

    if (!begin_row(s, "process"))
        return;
    figure(s, false, "cpu %.0f %%", 100 * rate(p, "process_cpu_seconds_total", NULL));
    bytes_figure(s, "memory", value(p, "process_resident_memory_bytes", NULL), false);
    figure(s, fds > 0.9 * most, "files %.0f of %.0f", fds, most);
    end_line(s);
}

/* Each limit that has been hit meanwhile, for as long as there is room in the line. */
static void
limits_row(struct screen *s, const struct pair *p)
{
    bool is_any = false;

    if (!begin_row(s, "limits hit"))
        return;
    for (size_t i = 0; i < p->b->n; i++) {
        const struct top_value *v = &p->b->values[i];
        char                    label[PIECE_SIZE];
        if (!tb_str_eq(v->name, TB_LIT("tombolo_limit_hits_total")) || v->labels.n >= sizeof label || v->labels.n < 9)
            continue;
        snprintf(label, sizeof label, TB_STR_FMT, TB_STR_ARG(v->labels));
        double hits = rate(p, "tombolo_limit_hits_total", label);
        if (hits <= 0)
            continue;
        is_any = true;
        label[v->labels.n - 1] = '\0';      /* limit="name" without its last quote */
        rate_figure(s, label + strlen("limit=\""), hits, true);
    }
    if (!is_any)
        put(s, "none");
    end_line(s);
}

void
top_view_screen(const struct top_reading *a, const struct top_reading *b, const struct top_screen *with, struct tb_buf *out)
{
    static void (*const rows[])(struct screen *, const struct pair *) = {
        state_row, requests_row, events_row, latency_row, sockets_row, connections_row, journal_row, queues_row, centre_row,
        limits_row, process_row,
    };
    struct screen s = { .with = with, .out = out };
    struct pair   p = { .a = a, .b = b };

    title_row(&s);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        rows[i](&s, &p);
}

/* ---- one line ---- */

struct line {
    struct tb_buf *out;
    struct tb_json json;
    bool           as_json;
};

static void
add_key(struct line *l, const char *key)
{
    if (l->as_json)
        tb_json_key(&l->json, key);
    else
        tb_buf_printf(l->out, " %s=", key);
}

static void
add_text(struct line *l, const char *key, const char *v)
{
    add_key(l, key);
    if (l->as_json)
        tb_json_str(&l->json, tb_str_of(v));
    else
        tb_buf_add(l->out, tb_str_of(v));
}

/* below 0: nothing happened of which it could be told. */
static void
add_number(struct line *l, const char *key, double v)
{
    char text[40];

    snprintf(text, sizeof text, v == floor(v) ? "%.0f" : "%.3f", v);
    add_key(l, key);
    if (l->as_json && v < 0)
        tb_json_null(&l->json);
    else if (l->as_json)
        tb_json_raw(&l->json, tb_str_of(text));
    else
        tb_buf_add(l->out, v < 0 ? TB_LIT("-") : tb_str_of(text));
}

static void
add_figures(struct line *l, const struct pair *p)
{
    add_number(l, "connections", value(p, "tombolo_connections", NULL));
    add_number(l, "sockets", value(p, "tombolo_sockets", NULL));
    add_number(l, "catchingUp", value(p, "tombolo_sockets", "state=\"catching_up\""));
    add_number(l, "users", value(p, "tombolo_users_online", NULL));
    add_number(l, "requestsPerSecond", rate(p, "tombolo_http_requests_total", NULL));
    add_number(l, "failuresPerSecond", statuses(p, "status=\"5"));
    add_number(l, "sendP50Ms", quantile_ms(p, HTTP_TIME, "route=\"POST /messages\"", 0.5));
    add_number(l, "sendP99Ms", quantile_ms(p, HTTP_TIME, "route=\"POST /messages\"", 0.99));
    add_number(l, "eventsPerSecond", rate(p, "tombolo_events_total", NULL));
    add_number(l, "deliveriesPerSecond", rate(p, "tombolo_deliveries_total", NULL));
    add_number(l, "changesPerSecond", rate(p, "tombolo_journal_ops_total", NULL));
    add_number(l, "commitP50Ms", quantile_ms(p, "tombolo_journal_commit_duration_seconds", NULL, 0.5));
    add_number(l, "commitP99Ms", quantile_ms(p, "tombolo_journal_commit_duration_seconds", NULL, 0.99));
    add_number(l, "loopP99Ms", quantile_ms(p, "tombolo_loop_delay_seconds", NULL, 0.99));
    add_number(l, "writerQueue", value(p, "tombolo_queue_depth", "queue=\"writer\""));
    add_number(l, "walBytes", value(p, "tombolo_journal_wal_bytes", NULL));
    add_number(l, "diskFreeBytes", value(p, "tombolo_disk_free_bytes", NULL));
    add_number(l, "writable", value(p, "tombolo_journal_writable", NULL));
    add_text(l, "sync", sync_name(p));
    add_number(l, "lagOps", value(p, "tombolo_sync_lag_ops", NULL));
    add_number(l, "lagSeconds", value(p, "tombolo_sync_lag_seconds", NULL));
    add_number(l, "limitsHitPerSecond", rate(p, "tombolo_limit_hits_total", NULL));
    add_number(l, "cpu", rate(p, "process_cpu_seconds_total", NULL));
    add_number(l, "memoryBytes", value(p, "process_resident_memory_bytes", NULL));
}

void
top_view_line(const struct top_reading *a, const struct top_reading *b, const char *now, bool as_json, struct tb_buf *out)
{
    struct line l = { .out = out, .json = tb_json_to(out), .as_json = as_json };

    if (as_json) {
        tb_json_open_object(&l.json);
        add_text(&l, "at", now);
    } else {
        tb_buf_add(out, tb_str_of(now));
    }
    add_figures(&l, &(struct pair){ .a = a, .b = b });
    if (as_json) {
        tb_json_end_object(&l.json);
        tb_json_fini(&l.json);
    }
    tb_buf_add_char(out, '\n');
}
