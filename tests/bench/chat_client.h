#pragma once
/* The clients of bench-chat: one thread, one epoll, N WebSockets over loopback that speak as much of Engine.IO and Socket.IO as a
 * chat needs, the same to every server. They are cheap, so that they are not what is measured: frames are masked with zeroes
 * and gathered before they are written, and between two looks at the sockets of a closed loop they sleep for a moment, so
 * that a server is not slowed down by waking its client for each of its writes.
 * Threads: one. */
#include "measure.h"

enum { BENCH_MAX_LINES = 20000, BENCH_MAX_OUTSTANDING = 4096 };

struct bench_who {
    const char *token;
    int64_t     room_id;            /* joined after CONNECT; 0: none */
};

struct bench_chat;

/* Connects all and waits until they are in and their joins are acked. The number of descriptors is raised as far as it takes. */
struct bench_chat *bench_chat_open(uint16_t port, const struct bench_who *who, size_t n);
void               bench_chat_close(struct bench_chat **c);

struct bench_chat_load {
    size_t outstanding;             /* closed loop: so many sends wait for their acks */
    double per_s;                   /* open loop, when not 0: sent by the clock, whatever comes back */
    double seconds;
    tb_str content;
};

struct bench_chat_figures {
    uint64_t             n_acked, n_heard;  /* acks, and messages at their members, within the time */
    struct bench_latency ack, delivery;     /* from the send, in an open loop from when it was due */
    struct bench_span    span;
};

/* Everybody sends in turn, to his room. What is under way when the time is over is waited for and not counted. */
void bench_chat_run(struct bench_chat *c, const struct bench_chat_load *load, struct bench_chat_figures *out);

/* Nothing is sent for that long; pings are answered. */
void bench_chat_rest(struct bench_chat *c, double seconds);
