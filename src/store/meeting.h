#pragma once
/* What changes wait for before the journal has met its centre (enum store_awaits), and for how long.
 * Threads: the writer, but meeting_awaits: any. */
#include "store/writer.h"

void              meeting_begin(struct store_facts *, const struct store_settings *, const struct self *);
enum store_awaits meeting_awaits(const struct store_facts *, const struct tb_clock *);

/* After self may have changed; seq_before: as it was. Says so when the first change of a new journal was not waited with. */
void meeting_note(struct store_facts *, const struct store_settings *, const struct self *, int64_t seq_before);

/* Whether a change that is not sync's is to come again later; op->err says so then. */
bool meeting_refuses(struct store_facts *, const struct store_settings *, const struct journal *, struct store_op *op);
