#pragma once
/* What the journal committed, for those who follow it at its head or catch up with it (DESIGN section 1).
 * Threads: batches are made by the writer and belong to the thread that owns the feed's mailbox; see store.h for queries. */
#include "store/op.h"
#include "store/store.h"

struct store_event {                    /* one op that sockets hear of: messages, receipts, membership */
    struct op op;                       /* pos is set; text and arrays live in the batch's or the query's mem */
    tb_str    username, email;          /* of the sender, or of the one who joined; else empty */
    uint8_t   tag[STORE_TAG_SIZE];      /* of the chain at op.pos */
};

/* The offset of the event's position; ends in a NUL. */
void store_event_offset(const struct store_event *event, char out[STORE_OFFSET_SIZE]);

/* An offset within the event's op, for whoever tells it in parts: all before its position, and so many parts of it. */
void store_event_offset_within(const struct store_event *event, uint32_t parts, char out[STORE_OFFSET_SIZE]);

struct store_batch {
    struct tb_msg       msg;            /* the store's */
    int64_t             from, to;       /* covers the positions (from, to], also those that made no event */
    char                offset[STORE_OFFSET_SIZE];  /* of position `to` */
    struct store_event *events;         /* by position */
    size_t              n;
    struct tb_arena     mem;
    void              (*on_batch)(void *ctx, struct store_batch *);
    void               *ctx;
};

void store_batch_free(struct store_batch **b);

/* From now on each commit that added ops posts one batch to `to` before its answers; on_batch(ctx, b) takes it over. Batches
 * leave no position out. One feed; set before the first change. */
void store_feed(struct store *, struct tb_mailbox *to, void (*on_batch)(void *ctx, struct store_batch *), void *ctx);

/* A page of what a user missed: the events after `seen` of rooms that he was a member of at the event's position. */
struct store_catch_up {
    struct store_op     op;
    int64_t             user_id, seen;  /* in */
    size_t              max_events;     /* in: at least 1 */
    size_t              max_bytes;      /* in: of bodies, beyond which a page ends; 0: as many as a page ever has */
    int64_t             unproved_upto;  /* in: not 0: only messages of others up to there of which he has no receipt */
    size_t              n_proved;       /* out: messages that were left out because he has one */
    struct store_event *events;         /* out: by position */
    size_t              n;              /* out */
    int64_t             upto;           /* out: everything in (seen, upto] is here */
    char                offset[STORE_OFFSET_SIZE];  /* out: of position upto */
    bool                is_at_head;     /* out: upto was the head when the page was read */
    int64_t            *room_ids;       /* out: the user's rooms after upto */
    size_t              n_rooms;        /* out */
};
void store_catch_up(struct store *, struct store_catch_up *);

/* Whether an offset is one of this journal's, and where: TB_EINPUT when it is not, or ahead of the head, or pruned. */
struct store_find_offset {
    struct store_op op;
    tb_str          offset;             /* in: borrowed until on_done; empty: of the position pos, which then is in */
    int64_t         pos, at;            /* out: its position, and the hlc of the op it names (0 at position 0) */
    uint32_t        parts;              /* out: of an offset within an op: so many parts of the op at pos + 1 */
};
void store_find_offset(struct store *, struct store_find_offset *);
