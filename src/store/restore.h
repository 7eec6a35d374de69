#pragma once
/* A backup becomes the journal of a data folder. It is copied there, brought to this program's schema and checked as
 * `tombolo check` does, approved by the caller and marked (enum store_restored) before anything that is there is touched; then
 * it takes the journal's place in one rename. Tokens that were made after the backup end, for the ids that they name may be
 * given anew.
 * Offline: no server may have the folder. Threads: main. */
#include "store/follow.h"

enum { STORE_SET_ASIDE_SIZE = 64 };

struct store_restore {
    const char            *dir;                     /* in: the data folder; made when missing */
    int                    fd;                      /* in: the backup, read to its end */
    bool                   may_replace;             /* in: a journal that is there is set aside */
    const struct tb_clock *clock;                   /* in: for the name of what is set aside */
    void                 (*report)(void *ctx, tb_str line);     /* in: a fault of the backup; called at most for the first ones */
    /* in: NULL, or whether that journal may come here; other than TB_OK: nothing has changed */
    enum tb_code         (*approve)(void *ctx, const struct store_identity *, struct tb_err *e);
    void                  *ctx;                     /* in */
    bool                   takes_over;              /* in: STORE_RESTORED_TAKES_OVER */
    size_t                 n_faults;                /* out */
    int64_t                bytes, head_pos;         /* out */
    struct store_identity  identity;                /* out */
    char                   set_aside[STORE_SET_ASIDE_SIZE];     /* out: where, below dir; empty: nothing was there */
};

/* TB_ETAKEN: there is a journal, and it may not be replaced. TB_EINPUT: what came is no journal, or one with faults. TB_EIO:
 * the folder is in use, or cannot be written. Failing, the folder has the journal that it had. */
enum tb_code store_restore(struct store_restore *r, struct tb_err *e) TB_MUST_CHECK;
