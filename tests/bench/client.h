#pragma once
/* A load client for HTTP/1.1 over loopback: one thread, one epoll, N connections kept open, one request outstanding on each.
 * It knows as much of HTTP as our server's answers need: a status, Content-Length, a body. Threads: one. */
#include "measure.h"

enum { BENCH_MAX_CONNECTIONS = 4096 };

struct bench_load {
    uint16_t port;                                                              /* on 127.0.0.1 */
    size_t   n_connections;
    void   (*ask)(void *ctx, size_t connection, struct tb_buf *request);        /* appends the next request, whole */
    void   (*on_answer)(void *ctx, size_t connection, int status, tb_str body); /* NULL: anything but 2xx ends the program */
    void    *ctx;
};

struct bench_load_figures {
    double               per_s;
    uint64_t             n;
    struct bench_latency latency;   /* from the request's write to the last byte of its answer */
    struct bench_span    span;      /* of this process: the client alone */
};

/* Loads for that long. Every connection is open before the clock starts. */
void bench_load_run(const struct bench_load *load, double seconds, struct bench_load_figures *out);

/* One request and its answer, on a connection of its own. body is appended to; gives the status, 0 when nobody listens. */
int bench_ask(uint16_t port, tb_str request, struct tb_buf *body);

/* Appends a request: token and body may be empty. */
void bench_request(struct tb_buf *out, const char *method, tb_str path, tb_str token, tb_str body);
