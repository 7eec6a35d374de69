/* Requests by route and status, with the time from a request's arrival to its answer. Routes are the program's own names for
 * what it serves, taken as layers open: a peer's paths never become one. Names are never given back. */
#include "net/internal.h"

#include "base/metrics.h"

#include <pthread.h>
#include <stdio.h>

enum { ROUTES_MAX = 64, ROUTE_SIZE = 64 };

static const int statuses[] = {
    101, 200, 201, 204, 301, 304, 308, 400, 401, 403, 404, 405, 409, 413, 421, 422, 429, 431, 499, 500, 503, 507,
};
enum { N_STATUSES = sizeof statuses / sizeof *statuses };

static const uint64_t edges[] = { TB_LATENCY_EDGES };

struct net_tally {
    char                route[ROUTE_SIZE];              /* written once, under lock */
    atomic_int_fast64_t by_status[N_STATUSES + 1];      /* the last: any other */
    atomic_int_fast64_t times[TB_N(edges) + 2];         /* of a histogram */
};

static pthread_mutex_t  lock = PTHREAD_MUTEX_INITIALIZER;
static struct net_tally tallies[ROUTES_MAX] = { { .route = "other" } };
static atomic_size_t    n_tallies = 1;                  /* those before it do not change any more */

struct net_tally *
net_tally(const char *route)
{
    size_t i = 0;

    pthread_mutex_lock(&lock);
    while (i < n_tallies && strcmp(tallies[i].route, route) != 0)
        i++;
    if (i == n_tallies) {
        assert(i < ROUTES_MAX && strlen(route) < ROUTE_SIZE);
        memcpy(tallies[i].route, route, strlen(route) + 1);
        n_tallies = i + 1;
    }
    pthread_mutex_unlock(&lock);
    return &tallies[i];
}

static size_t
index_of(int status)
{
    size_t i = 0;

    while (i < N_STATUSES && statuses[i] != status)
        i++;
    return i;
}

static void
write_status(const struct tb_metric *m, struct tb_buf *out, const struct net_tally *t, size_t i)
{
    char    labels[ROUTE_SIZE + 32], status[8] = "other";
    int64_t n = atomic_load_explicit(&t->by_status[i], memory_order_relaxed);

    if (n == 0)
        return;
    if (i < N_STATUSES)
        snprintf(status, sizeof status, "%d", statuses[i]);
    snprintf(labels, sizeof labels, "route=\"%s\",status=\"%s\"", t->route, status);
    tb_metric_line(out, m->name, labels, TB_UNIT_ONE, n);
}

static void
write_requests(const struct tb_metric *m, struct tb_buf *out)
{
    for (size_t t = 0; t < n_tallies; t++)
        for (size_t i = 0; i <= N_STATUSES; i++)
            write_status(m, out, &tallies[t], i);
}
TB_ASKED(requests, TB_KIND_COUNTER, "tombolo_http_requests_total", write_requests,
         "Requests answered, by route and status; 499: the client had gone before.");

static void
write_times(const struct tb_metric *m, struct tb_buf *out)
{
    char labels[ROUTE_SIZE + 16];

    for (size_t t = 0; t < n_tallies; t++) {
        snprintf(labels, sizeof labels, "route=\"%s\"", tallies[t].route);
        tb_metric_histogram(out, m, labels, tallies[t].times);
    }
}
TB_METRIC(durations, 1, .kind = TB_KIND_HISTOGRAM, .unit = TB_UNIT_US, .bounds = edges, .n_bounds = TB_N(edges),
          .write = write_times, .name = "tombolo_http_request_duration_seconds",
          .help = "From a request's last byte to its answer, by route; waiting polls of sockets wait by design.");

void
net_tally_note(struct net_tally *t, int status, int64_t took_us)
{
    if (t == NULL)
        t = &tallies[0];
    atomic_fetch_add_explicit(&t->by_status[index_of(status)], 1, memory_order_relaxed);
    tb_metric_observe(&durations, t->times, took_us > 0 ? (uint64_t)took_us : 0);
}

const char *
net_tally_route(const struct net_tally *t)
{
    return t != NULL ? t->route : tallies[0].route;
}
