#pragma once
/* What sockets hear of changes that come from elsewhere (DESIGN section 6): what is new, and of receipts only young ones.
 * Threads: the writer, in its transaction. */
#include "store/journal.h"

/* Messages, membership, receipts. */
bool news_is_for_sockets(const struct op *op);

/* A receipt of more than five minutes ago: it is stored, and nobody is told. */
bool news_is_old(const struct journal *j, const struct op *op);

/* Before it is applied: have sockets no use for it, because a membership changes nothing here, or a receipt is old? */
enum tb_code news_judge_silent(struct journal *j, const struct op *op, bool *is_silent, struct tb_err *e) TB_MUST_CHECK;

/* Once it has been appended: as journal_announce, with the names of the one who sent or joined, as far as his own op has come. */
enum tb_code news_announce(struct journal *j, const struct op *op, struct tb_err *e) TB_MUST_CHECK;
