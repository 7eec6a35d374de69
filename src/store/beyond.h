#pragma once
/* What has left this journal and is only at the centre (horizon.h), as it is asked for. Whoever can ask there (sync/archive.h) is
 * handed down by serve.c to those who need it, so that neither side knows the other. Results are not stored.
 * Threads: asked and answered on the thread that owns op.reply_to. */
#include "store/store.h"

enum store_beyond_what { STORE_BEYOND_PAGE, STORE_BEYOND_RECEIPTS };

/* The caller fills the "in" members, op.reply_to and op.on_done; who asks has been judged before, or is afterwards.
 * TB_EIO, TB_EBUSY: it cannot be had now. TB_EINPUT: the cursor is a message of another room. TB_ENOTFOUND: no such message. */
struct store_beyond {
    struct store_op        op;
    enum store_beyond_what what;                    /* in */
    /* a page: messages of the room, newest first, strictly before (before_hlc, before_id); before_hlc 0: before that message */
    int64_t                room_id;                 /* in; for receipts out: where the message is */
    int64_t                before_hlc, before_id;   /* in */
    unsigned               limit;                   /* in: at least 1 */
    struct store_message  *items;                   /* out; synced_at is when they were read there: by then at the latest */
    size_t                 n;                       /* out, also of receipts */
    /* receipts of a message */
    int64_t                message_id;              /* in */
    struct store_receipt  *receipts;                /* out: by user id */
    int64_t                give_up_ms;              /* the asked one's */
};

struct store_beyond_ops {
    /* false: the centre is known to be out of reach, or too many are asking; nothing follows. Never blocks. */
    bool (*ask)(void *ctx, struct store_beyond *);
};
