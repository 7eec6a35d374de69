#pragma once
/* The journal as a follower reads it: the sync thread's side of the store (DESIGN sections 1 and 6).
 * Threads: a follower belongs to the thread that opened it; it has a read-only connection of its own. */
#include "store/store.h"

struct store_follower;

struct store_entry {            /* one op as it is stored; text is valid until the next call on the follower */
    int64_t  pos, seq;
    uint32_t node;
    int64_t  at;                /* hlc */
    int      kind;              /* enum op_kind, see op.h */
    int      version;
    tb_str   body;              /* compact JSON, byte for byte */
    uint8_t  chain[16];
    int      parked_kind;       /* of an OP_PARKED that comes from the centre: what it was; else 0 */
};

struct store_identity {
    char     journal_uuid[37];
    uint32_t epoch, node;
    int64_t  own_seq, pushed_seq;
    uint8_t  own_chain[16];
    char     centre_uuid[37];   /* empty: never met one */
    int64_t  floor_seq;         /* own ops up to this one have been pruned; 0: none has */
    uint8_t  floor_chain[16];   /* of that op; a follower's only */
    enum store_restored restored;
};

void store_make_uuid(char out[37]);      /* RFC 9562, version 4 */

enum tb_code store_follow(struct store *, struct store_follower **out, struct tb_err *e) TB_MUST_CHECK;
void         store_unfollow(struct store_follower **f);

enum tb_code store_follow_identity(struct store_follower *, struct store_identity *out, struct tb_err *e) TB_MUST_CHECK;

/* Own ops with seq > after, in order, until there are max of them or their bodies exceed max_bytes (one is always given).
 * each gets them inside one short read transaction, which has ended when this returns. *n: how many. A gap in seq is
 * TB_EINTERNAL; TB_ENOTFOUND: the next one has been pruned (after is below floor_seq). */
enum tb_code store_follow_own(struct store_follower *, int64_t after, size_t max, size_t max_bytes,
                              void (*each)(void *ctx, const struct store_entry *), void *ctx, size_t *n,
                              struct tb_err *e) TB_MUST_CHECK;

/* How far the ops of each other site have been applied here, by node; each is called inside a short read transaction. */
enum tb_code store_follow_vector(struct store_follower *, void (*each)(void *ctx, uint32_t node, int64_t seq), void *ctx,
                                 struct tb_err *e) TB_MUST_CHECK;

/* ---- the tables (follow_rows.c) ---- */

enum store_table { STORE_USERS, STORE_ROOMS, STORE_MEMBERS, STORE_MESSAGES, STORE_RECEIPTS, STORE_TABLE_COUNT };

struct store_rows_at {          /* how far one has come in them; {0}: nowhere yet */
    enum store_table table;     /* STORE_TABLE_COUNT: nothing is left */
    int64_t          key[2];    /* of the last row of it that was taken whole */
    size_t           part;      /* and so many ops of the row after it */
};

/* The next ops, at most max, that make the rows of the tables as they stand, those of other sites too, with the stamps and
 * nodes that they have: for a centre that has not seen the ops which made them and which have left the journal. at moves
 * past what was taken; each says false to an op that it does not take, and nothing follows. All of one call are of one
 * table, read in one short transaction. Nothing of such an op is known but its effect: seq is 0, but a message's, and so is who let
 * someone in (by_id). Their text is valid in each only. */
struct op;
enum tb_code store_follow_rows(struct store_follower *, struct store_rows_at *at, size_t max,
                               bool (*each)(void *ctx, const struct op *), void *ctx, struct tb_err *e) TB_MUST_CHECK;

/* ---- changes that sync asks for, on the writer (as in store.h) ---- */

/* Ops of other sites, applied like our own and our version vector moved, in one transaction. Those that are known already
 * are passed over. What sockets hear of is announced, but for receipts older than five minutes; a user of ours whose e-mail
 * turns out to be another's is parked. Nothing happens unless all is well:
 * TB_ECONFLICT: a gap, or an op that is not chained to the one before; TB_EINPUT: an op of a newer program. bad_node says
 * whose. TB_EFULL: the disk. */
struct store_origin { uint32_t node; char journal_uuid[37]; };

enum { STORE_REMOTE_MAX = 256 };        /* entries at a time, so that local changes never wait for long */

struct store_add_remote {
    struct store_op            op;
    const struct store_entry  *entries; /* in: borrowed until on_done; in the order in which they are to be applied */
    size_t                     n;       /* in: at most STORE_REMOTE_MAX */
    const struct store_origin *origins; /* in: likewise; whom they are of, each once */
    size_t                     n_origins;
    size_t                     n_new;       /* out */
    uint32_t                   bad_node;    /* out, on failure */
};
void store_add_remote(struct store *, struct store_add_remote *);

/* Rows of the centre's tables, as the ops that make them (row_ops.h), for a journal that lacks ops which the centre has no more.
 * What is known here changes nothing; what is new to sockets is announced, as above. All ops of a user come in one change. With
 * the last ones comes up to which op of each other site the rows have them: from there on their ops follow. TB_EFULL. */
struct store_origin_at {
    uint32_t node;
    char journal_uuid[37];
    int64_t seq;
    uint8_t chain[16];
};

struct store_take_rows {
    struct store_op               op;
    const struct op              *rows;     /* in: borrowed until on_done */
    size_t                        n;        /* in: at most STORE_REMOTE_MAX */
    bool                          is_first; /* in: the first of them */
    const struct store_origin_at *origins;  /* in: as rows; with the last rows only */
    size_t                        n_origins;
};
void store_take_rows(struct store *, struct store_take_rows *);

/* Own ops that the journal has lost (an older copy of it was restored) come back from the centre. From the first call until
 * one with is_last has gone through or failed, changes by users get TB_EBUSY. TB_ECONFLICT: they do not follow the journal's
 * end. */
struct store_restore_own {
    struct store_op           op;
    const struct store_entry *entries;      /* in: borrowed until on_done */
    size_t                    n;            /* in: may be 0 */
    bool                      is_last;      /* in */
};
void store_restore_own(struct store *, struct store_restore_own *);

/* The journal gets its node number, which it keeps. TB_ECONFLICT: it has written under another one already. */
struct store_set_node {
    struct store_op op;
    uint32_t        node;                   /* in */
    char            centre_uuid[37];        /* in: whose number it is */
};
void store_set_node(struct store *, struct store_set_node *);

/* Which own ops the centre has parked, all of them: what they did is not there, whatever pushed_seq says. */
enum { STORE_PARKED_OPS_MAX = 10000 };

struct store_set_parked {
    struct store_op op;
    const int64_t  *seqs;                   /* in: borrowed until on_done */
    size_t          n;                      /* in */
};
void store_set_parked(struct store *, struct store_set_parked *);

/* With its next epoch a restored journal has met its centre. */
struct store_set_epoch {
    struct store_op op;
    uint32_t        epoch;                  /* in */
};
void store_set_epoch(struct store *, struct store_set_epoch *);

/* A person's wish: a restored journal waits for its centre no longer, and is taken for what it was before. */
struct store_go_alone {
    struct store_op op;
};
void store_go_alone(struct store *, struct store_go_alone *);

/* That is waited for no longer, until the store is opened again. Any thread. */
void store_stop_waiting(struct store *, enum store_awaits);

/* Own ops up to seq are at the centre since at (ms). Kept in the journal's
 * database, so that a restart resumes there and history can say syncedAt. centre_uuid is recorded the first time. */
struct store_mark_pushed {
    struct store_op op;
    int64_t         seq, at;                /* in */
    char            centre_uuid[37];        /* in */
};
void store_mark_pushed(struct store *, struct store_mark_pushed *);

/* A change, on the writer: makes a new own op with the content of own op seq, for a centre that has refused that one. What it
 * stands for, its time included, stays the same, so that its effect, there already, is no other at home than elsewhere.
 * TB_ENOTFOUND: the journal has no such op, or not any more. */
struct store_repeat_op {
    struct store_op op;
    int64_t         seq;                    /* in */
    int64_t         new_seq;                /* out */
};
void store_repeat_op(struct store *, struct store_repeat_op *);

/* wake(ctx) is called on the writer after each commit that added ops; it must not block. One listener; set before use. */
void store_on_commit(struct store *, void (*wake)(void *ctx), void *ctx);
