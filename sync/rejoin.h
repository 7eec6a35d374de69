#pragma once
/* A journal that does not fit its centre joins it all the same: what the centre does not have of it, or has otherwise, is re-issued
 * under a free node number (store/reissue.h). For a clone or a backup that was written to, and for a lone server that
 * comes late to a centre whose namespace 0 has an owner: one mechanism (DESIGN section 6).
 * Offline: no server may have the data folder. Threads: main. */
#include "base/clock.h"
#include "tombolo/err.h"

struct sync_rejoin {
    const char            *dir, *url;       /* in: the data folder; mysql://... */
    const struct tb_clock *clock;           /* in */
    int                    connect_timeout_ms, io_timeout_ms;   /* in */
    uint32_t               node;            /* in: the number to take, 0: a free one; out: which it is */
    int64_t                common;          /* out: the last own op that the centre has, too */
    int64_t                n_ops, n_users, n_rooms, n_messages; /* out: what has been re-issued */
    bool                   was_needless;    /* out: it fits as it is, and nothing was changed */
};

/* TB_EIO: the centre cannot be reached, or the journal is in use or cannot be read. TB_ECONFLICT: the number that was asked
 * for is taken, or the centre is behind what it has acknowledged, so that nobody can say what is common. */
enum tb_code sync_rejoin(struct sync_rejoin *r, struct tb_err *e) TB_MUST_CHECK;
