#pragma once
/* What the engine stands on, made of nothing: a journal of n ops (instead of the store, by having its functions' names), a
 * centre, and a clock. All of it is plain members that a test sets and reads. Threads: one. */
#include "sync/engine.h"
#include "tap.h"

struct fakes {
    /* the clock */
    int64_t now_ms;                 /* monotonic; the wall clock is a million ms ahead */
    /* the journal */
    struct store_identity me;
    uint8_t               chain_tag;        /* its ops' chains are made of this and their seq */
    bool                  fails_to_open, fails_to_read, fails_to_mark, is_slow_to_mark;
    int64_t               marked_seq;
    char                  marked_centre[SYNC_UUID_SIZE];
    unsigned              n_marks, n_reading;   /* reads under way: the network must see none */
    struct store_op      *due;                  /* a mark whose answer is kept back */
    /* the centre */
    struct sync_target target;
    struct sync_place  place;               /* last_seq and chain move as batches come */
    bool               refuses_connect, refuses_migrate, refuses_enrol, refuses_check, refuses_send, refuses_push, loses_answer;
    bool               is_linked;
    size_t             batch_limit;         /* ops that fit into one batch */
    size_t             n_in_batch;
    unsigned           n_connects, n_checks, n_pushes;
    int64_t            batch_first, batch_last;
    uint8_t            batch_chain[16];
    int64_t            sent_last;
    uint8_t            sent_chain[16];
    size_t             n_read_ahead;        /* ops that were read while a batch was on its way */
    /* the engine */
    unsigned            n_failures;         /* that were passed on */
    struct tb_err       failure;            /* the last of them */
    struct sync_facts   facts;
    struct tb_clock     clock;
    struct tb_mailbox  *inbox;
    struct sync_engine *engine;
};

extern struct fakes fakes;

void fakes_begin(int64_t n_ops);    /* and an engine that has done nothing yet */
void fakes_end(void);

/* Steps until the engine is in that state; fails the test when it asks to wait, or after 100 steps. */
void fakes_until(enum sync_state state);
void fakes_append(int64_t n_ops);   /* and wakes the engine */
void fakes_chain(int64_t seq, uint8_t out[16]);
