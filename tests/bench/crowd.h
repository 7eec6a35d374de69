#pragma once
/* A crowd of Socket.IO clients over loopback: one thread, one epoll, N WebSockets that have joined "/". They know as much of
 * the protocols as a server's answers need: frames of text, the open packet, pings, CONNECT, events and acks. What they ask
 * of the server: `say` is sent to everyone as `said`, `echo` is acked, both with the arguments as they came.
 * Threads: one. */
#include "measure.h"

enum { BENCH_MAX_CROWD = 20000 };

struct bench_crowd;

/* Connects n and waits until all have joined. The number of descriptors is raised as far as that takes. */
struct bench_crowd *bench_crowd_open(uint16_t port, size_t n);
void                bench_crowd_close(struct bench_crowd **crowd);

/* The first of them says it so many times in one write; returns when everyone has heard each. */
void bench_crowd_say(struct bench_crowd *crowd, tb_str content, size_t times);

/* The first of them echoes for that long, one at a time. */
void bench_crowd_echo(struct bench_crowd *crowd, tb_str content, double seconds, struct bench_latency *latency);

/* Nothing is asked for that long; pings are answered. */
void bench_crowd_rest(struct bench_crowd *crowd, double seconds);
