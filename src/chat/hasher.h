#pragma once
/* The threads on which passwords are hashed: few, since each hash takes its memory, and behind one bounded mailbox, so
 * that a flood of logins is answered "busy" and nothing else waits for it.
 * Threads: post from any that has a mailbox. */
#include "base/mailbox.h"
#include "chat/password.h"

#include <stdatomic.h>

struct chat_hasher_settings {
    enum chat_cost cost;
    unsigned       threads;             /* 0: max(1, cores / 2) */
    size_t         queue;               /* jobs that may wait; beyond: TB_EBUSY */
};

struct chat_hash_job {
    struct tb_msg      msg;                             /* the hasher's */
    struct tb_mailbox *reply_to;                        /* in */
    void             (*on_done)(struct chat_hash_job *);/* in: called exactly once, on the thread of reply_to */
    tb_str             about;                           /* in: for the log (log_about); borrowed until on_done */
    tb_str             password;                        /* in: borrowed until on_done */
    tb_str             against;                         /* in: the hash to verify; p NULL: make one. Borrowed likewise */
    const atomic_bool *is_unwanted;                     /* in: NULL, or: true ends it before it begins, with TB_EBUSY */
    struct tb_err      err;                             /* out: TB_EAUTH: not the password */
    char               hash[CHAT_HASH_SIZE];            /* out: the new hash; after verifying, "" unless the old is weak */
    struct chat_hasher *hasher;                         /* the hasher's, as is the next */
    int64_t            posted_us;
};

struct chat_hasher;

void chat_hasher_open(struct chat_hasher **out, const struct chat_hasher_settings *settings);
void chat_hasher_stop(struct chat_hasher *);    /* any thread: jobs that have not begun are answered TB_EBUSY */
void chat_hasher_close(struct chat_hasher **);  /* stops and joins; answers are in their mailboxes when it returns */

void   chat_hasher_post(struct chat_hasher *, struct chat_hash_job *job);
size_t chat_hasher_waiting(const struct chat_hasher *);     /* jobs that nobody has begun; any thread */
tb_str chat_hasher_dummy(const struct chat_hasher *);   /* to be verified against where there is no account */
