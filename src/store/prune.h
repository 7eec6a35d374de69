#pragma once
/* What is old leaves this journal once it is at the centre: ops after journal.keep_days, messages after history.keep_days
 * (DESIGN sections 1, 4 and 6; for messages see horizon.h).
 * Nothing that is not at the centre ever goes: a server that has never met one keeps all its ops, since the first centre
 * it meets must get them all. The newest op that is there stays too, so that its chain can be compared with the centre's.
 * Age is counted from when something became known here, in whole days, so that what comes late from another site is kept
 * as long as what was written here.
 * Threads: the writer. */
#include "store/horizon.h"
#include "store/journal.h"
#include "store/store.h"

enum { PRUNE_NEVER = -1 };

struct pruner {             /* zeroed at the start */
    int64_t noted_day;      /* its row of journal_day is there */
    int64_t done_day;       /* on this day all that was due has gone; until the next there is nothing to do, */
    int64_t held_at;        /* or until pushed_seq is no longer this; PRUNE_NEVER: nothing waits for the centre */
    int64_t not_before_ms;  /* monotonic: when the next step may be */
    bool    has_more;       /* the last step has left something to do */
    struct horizon_walk walk;
};

/* In the transaction under way, when it has moved the head on from head_before: the first one of a day is noted. After a failed
 * COMMIT prune_unnote is called. */
enum tb_code prune_note(struct pruner *p, struct journal *j, int64_t head_before, struct tb_err *e) TB_MUST_CHECK;
void         prune_unnote(struct pruner *p);

/* A step in a transaction of its own, if one is due: small, so that changes which wait meanwhile do not feel it. It tells the log
 * of a failure, after which the transaction may still be there: the caller rolls back. Returns whether more is due. */
bool prune_step(struct pruner *p, struct journal *j, const struct store_settings *settings);

/* How many ms the writer may wait for changes before it calls prune_step again; -1: for ever. */
int prune_wait_ms(const struct pruner *p, const struct journal *j, const struct store_settings *settings);
