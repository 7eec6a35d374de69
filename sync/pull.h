#pragma once
/* The way down: ops of other sites, from the centre to the writer (DESIGN section 6). It notes where all of them stand, reads
 * what is new of each up to there, merges it by (hlc, node, seq), and hands it over, one change at a time.
 * Threads: the sync thread, as the engine's. */
#include "base/clock.h"
#include "base/mailbox.h"
#include "engine.h"
#include "target.h"

struct sync_pull;

struct sync_pull *sync_pull_new(const struct sync_engine_settings *with);      /* as the engine's; copied */
void              sync_pull_free(struct sync_pull **p);     /* not while it awaits the store */

/* The link is new: what was read on the old one is forgotten, and what was refused is tried again. */
void sync_pull_begin(struct sync_pull *p);

int64_t sync_pull_due_ms(const struct sync_pull *p);        /* monotonic; INT64_MAX: first the store has to answer */

/* One round with the centre, and a change for the store if there was anything new. Failing, the link is to be dropped. */
enum tb_code sync_pull_step(struct sync_pull *p, struct store_follower *f, const struct store_identity *me, struct tb_err *e)
    TB_MUST_CHECK;

void sync_pull_stop(struct sync_pull *p);                   /* the store is asked nothing new */
bool sync_pull_awaits_store(const struct sync_pull *p);
