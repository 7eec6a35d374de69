#pragma once
/* A server under measurement: started as a child on a free loopback port, watched, stopped. Threads: one. */
#include "measure.h"

#include <sys/types.h>

struct bench_server {
    pid_t    pid;
    uint16_t port;
    char    *log;               /* path of what it wrote to stderr */
    double   ready_ms;          /* from its start to its first answer */
};

/* argv[0..n) with "--port", the port and NULL behind it; its stderr goes to a file. Returns when it answers GET path. */
void bench_server_start(struct bench_server *s, const char *const *argv, size_t n, const char *path);

double bench_server_cpu_s(const struct bench_server *s);        /* user + system, so far */
double bench_server_rss_mb(const struct bench_server *s);       /* resident now */

/* SIGTERM, and waits. "<event>" with "<key>=<number>" in its log: the number, 0 when it is not there. */
void   bench_server_stop(struct bench_server *s);
double bench_server_logged(const struct bench_server *s, const char *event, const char *key);
void   bench_server_fini(struct bench_server *s);               /* after stop: forgets the log */

/* SIGKILL, and waits: the way a crash ends it. */
void bench_server_kill(struct bench_server *s);
