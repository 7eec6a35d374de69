#pragma once
/* Appending: an op gets its place (node, seq, hlc, chain, pos), is applied and stored, in the transaction under way.
 * Threads: the writer, which owns struct journal. */
#include "base/clock.h"
#include "store/chain.h"
#include "store/db.h"
#include "store/feed.h"

enum {
    UUID_SIZE = 37,                     /* text with its NUL */
    ID_COUNTER_BITS = 41,               /* with 12 bits of node an id stays below 2^53 (DESIGN section 3) */
};

struct self {                           /* the row of that name: who we are and how far we have come */
    char         uuid[UUID_SIZE], centre_uuid[UUID_SIZE];
    uint32_t     epoch, node;
    int64_t      seq, hlc;
    struct chain chain;
    int64_t      users, rooms, members, messages;   /* ids given */
    int64_t      pushed_seq;
    int64_t      reissued_at;           /* ms; 0: never */
    int64_t      lost_from, lost_upto;  /* ms: what was made in between is lost, see restore.h; 0: nothing */
    enum store_restored restored;
    int64_t      head_pos;              /* newest position */
    struct chain head_chain;            /* of the op there, whose ever it is; set by the first append */
};

struct journal {
    struct db              db;          /* the only connection that changes rows */
    const struct tb_clock *clock;
    struct self            self;        /* what the transaction under way would commit */
    struct tb_buf          body;        /* scratch */
    struct store_batch    *batch;       /* what the transaction under way tells the feed; NULL without one */
    size_t                 events_cap;
    struct backup         *backup;      /* the writer's; NULL elsewhere */
    uint64_t               n_emails_parked, n_clock_doubts, n_refused;    /* since start */
    bool                   is_restoring;    /* own ops come back from the centre: nobody else may append meanwhile */
};

/* Reads self, or makes a new identity in an empty journal; then checks the last ops against their chain. node, when not 0, is
 * the number that it is to have: TB_EIO when it has written under another one. */
enum tb_code journal_load(struct journal *j, uint32_t node, struct tb_err *e) TB_MUST_CHECK;

/* Reads the row self alone; for readers. */
enum tb_code journal_read_self(struct db *d, struct self *out, struct tb_err *e) TB_MUST_CHECK;

/* A new id of a kind, its counter being a member of self: node << 41 | counter. */
int64_t journal_new_id(struct journal *j, int64_t *counter);

/* An own op, or a row of ours, that comes from elsewhere: no id of it is given again. */
void journal_keep_counters(struct journal *j, const struct op *op);

/* The next op: kind, version, node and at are set, the rest is the caller's to fill. Later writes of it come after. */
struct op journal_begin(struct journal *j, enum op_kind kind);

/* Stores and applies it; op->seq and op->pos are set. Failing, the caller rolls back and restores self. */
enum tb_code journal_append(struct journal *j, struct op *op, struct tb_err *e) TB_MUST_CHECK;

/* An op about several rooms is found by each of them: their rows of journal_also. Part of journal_append. */
enum tb_code journal_add_to_rooms(struct db *d, const struct op *op, struct tb_err *e) TB_MUST_CHECK;

/* Stores and applies an op that was made elsewhere: body byte for byte, node, seq, at and chain as they are there. op->pos is
 * set. OP_PARKED has no effect. is_silent: it changes nothing that sockets hear of, so those who follow a room pass it over. */
enum tb_code journal_take(struct journal *j, struct op *op, tb_str body, const struct chain *chain, bool is_silent,
                          struct tb_err *e) TB_MUST_CHECK;

/* Adds the op that was appended last to the batch for the feed, as a copy. Names: see struct store_event. */
void journal_announce(struct journal *j, const struct op *op, tb_str username, tb_str email);

/* Writes self's row; before COMMIT. */
enum tb_code journal_save_self(struct journal *j, struct tb_err *e) TB_MUST_CHECK;
