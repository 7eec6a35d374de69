#pragma once
/* Several sites on one centre: a journal each with a clock of its own, a link that can be cut, and a sync thread. They act at
 * random on people, rooms and messages that all of them know.
 * Threads: the test's main thread. */
#include "proxy.h"
#include "work.h"

enum { SITES = 3, SITES_MESSAGES = 256 };

struct site {
    struct fixture f;
    struct proxy   proxy;
    struct sync   *sync;            /* NULL: not running */
    int64_t        user, room;      /* made there */
};

struct sites {
    struct centre *centre;
    struct site    site[SITES];     /* the first has node 0; the others came with an empty journal and were given theirs */
    uint64_t       chance;
    int64_t        messages[SITES_MESSAGES];
    size_t         n_messages;
    size_t         n_acts;
    bool is_forgetful; /* what all have leaves op_log; see sites_pass_days */
};

/* An empty database, and the sites enrolled one after the other, level and known to each other. */
void sites_open(struct sites *s, struct centre *c, uint64_t seed);
void sites_close(struct sites *s);

uint64_t sites_below(struct sites *s, uint64_t n);

void sites_start(struct sites *s, int i);           /* its sync */
void sites_stop(struct sites *s, int i);
void sites_act(struct sites *s, int i);             /* one change at site i, which may be refused there */
void sites_act_anywhere(struct sites *s, size_t n);

/* So many days go by at the centre. Who is there says so. */
void sites_pass_days(struct sites *s, int days);

/* Waits until each has all ops of all, and the centre too. Fails the test after a minute. */
void sites_settle(struct sites *s);

/* Each journal has the tables that the centre has, row for row, is whole, and no two people share an e-mail. */
void sites_compare(struct sites *s);
