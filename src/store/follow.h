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
};

struct store_identity {
    char     journal_uuid[37];
    uint32_t epoch, node;
    int64_t  own_seq, pushed_seq;
    uint8_t  own_chain[16];
    char     centre_uuid[37];   /* empty: never met one */
};

enum tb_code store_follow(struct store *, struct store_follower **out, struct tb_err *e) TB_MUST_CHECK;
void         store_unfollow(struct store_follower **f);

enum tb_code store_follow_identity(struct store_follower *, struct store_identity *out, struct tb_err *e) TB_MUST_CHECK;

/* Own ops with seq > after, in order, until there are max of them or their bodies exceed max_bytes (one is always given).
 * each gets them inside one short read transaction, which has ended when this returns. *n: how many. A gap in seq is
 * TB_EINTERNAL. */
enum tb_code store_follow_own(struct store_follower *, int64_t after, size_t max, size_t max_bytes,
                              void (*each)(void *ctx, const struct store_entry *), void *ctx, size_t *n,
                              struct tb_err *e) TB_MUST_CHECK;

/* A change, on the writer (as in store.h): own ops up to seq are at the centre since at (ms). Kept in the journal's
 * database, so that a restart resumes there and history can say syncedAt. centre_uuid is recorded the first time. */
struct store_mark_pushed {
    struct store_op op;
    int64_t         seq, at;                /* in */
    char            centre_uuid[37];        /* in */
};
void store_mark_pushed(struct store *, struct store_mark_pushed *);

/* wake(ctx) is called on the writer after each commit that added ops; it must not block. One listener; set before use. */
void store_on_commit(struct store *, void (*wake)(void *ctx), void *ctx);
