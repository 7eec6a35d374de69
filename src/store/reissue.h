#pragma once
/* Re-issue: what a journal has written that no centre has, or that a centre has otherwise, becomes ops of another node
 * number with ids of its own, references rewritten, in one transaction (DESIGN section 6, "Restored, cloned, enrolled
 * late"). The journal's identity changes with it. Offline: no server may have the data folder.
 * Threads: main. */
#include "base/clock.h"
#include "tombolo/err.h"

struct store_reissue {
    const char            *dir;             /* in: the data folder */
    const struct tb_clock *clock;           /* in */
    /* in: called when nobody else can have the journal any more. It fills the next four, or fails and nothing happens. */
    enum tb_code         (*choose)(void *ctx, struct store_reissue *r, struct tb_err *e);
    void                  *ctx;
    int64_t                from;            /* own ops from this seq on; 1: all of them; at most own_seq + 1 */
    uint32_t               node;            /* the new number, 1..4095 */
    char                   journal_uuid[37];    /* the new one */
    char                   centre_uuid[37];     /* whose number it is */
    int64_t                n_ops;           /* out */
    int64_t                n_users, n_rooms, n_messages;    /* out: that have new ids */
};

/* What choose says; TB_EIO: the journal cannot be opened, is in use, or `from` has been pruned. TB_EINPUT: an op of a newer
 * program. Failing, nothing has changed. */
enum tb_code store_reissue(struct store_reissue *r, struct tb_err *e) TB_MUST_CHECK;
