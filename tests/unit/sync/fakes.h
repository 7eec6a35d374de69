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
    int64_t               vector[2];            /* of the sites in heads */
    enum tb_code          remote_answer;        /* to ops of others */
    bool                  is_slow_to_add;       /* keeps that back in due */
    unsigned              n_adds;
    uint32_t              order[64];            /* the nodes of others' ops, as they came */
    size_t                n_order;
    int64_t               noted;                /* as parked at the centre: the first */
    size_t                n_noted;
    bool                  holds_users;
    bool                  waits_no_more[STORE_AWAITS_COUNT];
    int64_t               n_rows;           /* of its tables, one op each */
    int64_t               floor_rises_to;   /* as soon as they are read; 0: it stays */
    enum tb_code          own_answer;           /* to what enrolment asks */
    /* the centre */
    struct sync_target target;
    struct sync_place  place;               /* last_seq and chain move as batches come */
    enum tb_code       refusal;             /* what a refused connect says; TB_OK: TB_EIO */
    bool               refuses_connect, refuses_migrate, refuses_enrol, refuses_heads, refuses_ops, refuses_send, refuses_push, loses_answer;
    bool               is_linked;
    size_t             batch_limit;         /* ops that fit into one batch */
    size_t             n_in_batch;
    unsigned           n_connects, n_pushes;
    int64_t            batch_first, batch_last;
    uint8_t            batch_chain[16];
    int64_t            sent_last;
    size_t             n_sent;              /* ops of the batch that was sent last */
    uint8_t            sent_chain[16];
    size_t             n_read_ahead;        /* ops that were read while a batch was on its way */
    int64_t            poison;              /* the op whose content it refuses; 0: none */
    int64_t            parked;              /* the op that was parked last */
    bool               is_parking;          /* the batch being filled, or the one on its way */
    int64_t            batch_rows[100], sent_rows[100], row_poison, row_parked;
    size_t             n_batch_rows, n_sent_rows;
    unsigned           rows_there[100];     /* how often each came */
    int64_t            floor, batch_floor;
    bool               loses_floor;         /* the answer of the batch that moves it */
    unsigned           n_looks, n_told;     /* calls of heads and tell_seen */
    struct sync_head   heads[2];            /* other sites; node 0: none */
    int64_t            lost_from;           /* ops of others from there on are not in op_log; 0: all are */
    int64_t n_table_rows;                 /* of the centre's tables: rooms */
    int64_t rows_a_page, first_row_asked; /* the key before it */
    unsigned n_pages;                     /* that were asked for */
    bool refuses_rows;
    enum tb_code rows_answer;             /* of the journal, to rows */
    unsigned rows_here[2000];             /* how often each came */
    size_t most_rows;                     /* in one change */
    int64_t may_forget;                   /* the floor that it gives; 0: none */
    int64_t n_in_log;                     /* ops that are left to be forgotten */
    unsigned n_here, n_floors, n_forgets; /* calls of say_here, raise_floor, forget_ops */
    int64_t forget_ms;                    /* that one takes */
    uint32_t           number;              /* that it gives */
    uint32_t           epoch_set;
    /* the engine */
    unsigned            n_failures;         /* that were passed on */
    struct tb_err       failure;            /* the last of them */
    struct sync_facts   facts;
    size_t              n_synced;           /* messages that were told of */
    char                told_centre[SYNC_UUID_SIZE];    /* by on_centre; "": nothing yet */
    struct tb_clock     clock;
    struct tb_mailbox  *inbox;
    struct sync_engine *engine;
};

extern struct fakes fakes;

void fakes_begin(int64_t n_ops);    /* and an engine that has done nothing yet */
void fakes_end(void);

/* Steps until the engine is in that state; fails the test when it asks to wait, or after 100 steps. */
void fakes_until(enum sync_state state);
void fakes_until_pushed(int64_t seq);       /* the same, until the centre stands there and the engine is level */
void fakes_append(int64_t n_ops);   /* and wakes the engine */
void fakes_chain(int64_t seq, uint8_t out[16]);
void fakes_look_once(void);         /* from level to level by way of one look at the others */

/* The log goes to the test, which sees the newest line; log_divert(NULL) ends it. */
enum { FAKES_LINE = 512 };
extern char fakes_last_line[FAKES_LINE];
void        fakes_listen(void);
