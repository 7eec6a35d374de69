#pragma once
/* What the files of this folder share: the chat itself, and how a call walks from the loop to another thread and back.
 * Threads: the loop owns all of it; a call in flight belongs to whom it was posted. */
#include "base/thread.h"
#include "chat/chat.h"
#include "chat/limit.h"

#include <assert.h>

enum { LOGIN_KEY_BYTES = 32 };          /* of the keyed hash that names e-mails and addresses in the limiters */

struct chat {
    /* fixed by chat_open */
    struct store          *store;
    struct tb_mailbox     *mailbox;
    const struct tb_clock *clock;
    struct chat_hasher    *hasher;
    size_t                 hash_queue;          /* how many jobs may wait for it */
    struct chat_tokens    *tokens;
    enum chat_registration registration;
    struct tb_buf          registration_token;
    const struct store_beyond_ops *beyond;     /* NULL: there is no centre */
    void                  *beyond_ctx;
    unsigned char          login_key[LOGIN_KEY_BYTES];
    /* the loop's */
    struct chat_limits limits;
    struct chat_limit *sends, *accounts, *addresses;
};

/* Every chat_* function starts here. */
static inline void
chat_begin(struct chat *c, struct chat_call *call)
{
    assert(tb_thread_is(TB_LOOP));
    call->chat = c;
    call->err = (struct tb_err){ .code = TB_OK };
}

/* Readies one of the call's own store_ops; what it brings back is freed with the call. */
static inline void
chat_ready(struct chat_call *call, struct store_op *op, void (*on_done)(struct store_op *))
{
    op->is_unwanted = call->is_unwanted;
    op->who = call->who;
    assert(call->n_ops < CHAT_OPS);
    call->ops[call->n_ops++] = op;
    op->reply_to = call->chat->mailbox;
    op->on_done = on_done;
    op->about = call->about;
}

static inline void
chat_done(struct chat_call *call)
{
    call->on_done(call);
}

/* Ends the call with what the store said, in its words. */
static inline void
chat_done_as(struct chat_call *call, const struct store_op *op)
{
    call->err = op->err;
    chat_done(call);
}

/* Asks the centre; false: it cannot be asked now, and on_done will not come. */
bool chat_ask_beyond(struct chat_call *call, struct store_beyond *r, void (*on_done)(struct store_op *));

/* What the centre was asked for cannot be had now: no failure of the call. */
static inline bool
chat_is_out_of_reach(const struct store_op *op)
{
    return op->err.code == TB_EIO || op->err.code == TB_EBUSY;
}

/* Settings that turn something away; for /metrics. */
enum chat_hit { HIT_MESSAGES, HIT_LOGINS, HIT_ADDRESS_LOGINS, HIT_CONTENT, HIT_READ_IDS };
void chat_hit(enum chat_hit);

enum tb_code chat_fail_limit(struct tb_err *e, const char *say, int64_t wait_us);

/* gate.c: may somebody at peer try a password? Counted either way it ends, before anything is hashed. TB_ELIMIT. */
enum tb_code chat_gate_address(struct chat *c, tb_str peer, struct tb_err *e) TB_MUST_CHECK;
enum tb_code chat_gate_email(struct chat *c, tb_str email, tb_str peer, struct tb_err *e) TB_MUST_CHECK;
enum tb_code chat_gate_user(struct chat *c, int64_t user_id, tb_str peer, struct tb_err *e) TB_MUST_CHECK;
