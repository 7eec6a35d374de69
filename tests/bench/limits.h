#pragma once
/* The raw limits that our figures stand beside, measured in the same run on the same file system. Threads: one. */
#include "measure.h"

/* CPU time in seconds of one write of so many bytes to a TCP connection over loopback, and nothing else: to each of
 * n_connections in turn, again when all has been read. No server gets a message to a connection for less. */
double bench_write_cpu(size_t n_connections, size_t bytes, size_t n_writes);

/* Appends of 4 KB, each followed by fdatasync, for that long: how many a second. */
double bench_fdatasync_rate(double seconds);

/* A bare group commit: exactly the rows that a message_sent op writes, in our schema, with our pragmas and our checkpointer,
 * but nothing else: no checks, no op body or chain to make, no savepoints, no mailbox. */
struct bench_bare;

struct bench_bare_figures {
    double rows_per_s;          /* ops, of five rows each */
    double commits_per_s;
    double cpu_us;              /* CPU time for one op, checkpoints included */
};

struct bench_bare        *bench_bare_open(int64_t n_users, int64_t n_rooms, tb_str content);
struct bench_bare_figures bench_bare_run(struct bench_bare *b, size_t batch, double seconds);
void                      bench_bare_close(struct bench_bare **b);
