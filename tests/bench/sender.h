#pragma once
/* Sends straight into a store, N outstanding at a time: what bench-store measures, and how a journal is filled for the
 * others. Threads: one, which hears the answers through the sender's mailbox. */
#include "measure.h"
#include "store/store.h"

enum {
    BENCH_USERS = 256,
    BENCH_ROOMS = 16,           /* written in turn: each has a page of its own in every index by room */
    BENCH_MAX_DEPTH = 4096,
};

struct bench_sender {
    struct store        *store;
    struct tb_mailbox   *inbox;
    tb_str               content;                           /* of every message; borrowed */
    int64_t              users[BENCH_USERS], rooms[BENCH_ROOMS];
    size_t               n_users, n_rooms;                  /* who sends: user i is a member of room i % n_rooms */
    /* one run */
    struct bench_latency latency;
    uint64_t             n_done, n_posted, n_wanted;
    int64_t              until_us;
    size_t               next_user, n_outstanding;
};

/* Opens the store in dir with the server's limits. */
void bench_sender_open(struct bench_sender *s, const char *dir, tb_str content);
void bench_sender_close(struct bench_sender *s);

/* Registers the users, makes the rooms, joins. */
void bench_sender_add_people(struct bench_sender *s);

/* Keeps depth sends outstanding until that many are done or the time is over, whichever comes first. */
void bench_sender_run(struct bench_sender *s, size_t depth, uint64_t n_wanted, double seconds);
