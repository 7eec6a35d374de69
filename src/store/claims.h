#pragma once
/* Whose e-mail it is, where users of several sites claim the same: the lowest (stamp, user id) has it (DESIGN section 6). Every claim
 * of every site comes by here, so the site that made the losing one sees it lose and parks it, in the transaction that brought
 * the better claim.
 * Threads: the writer. */
#include "store/journal.h"

/* After an op of another site, or one that stands for a row, was applied. What its user claims now may have come before this op
 * and be newer: an account made known by its change of e-mail counts only when its registration is here, too. */
enum tb_code claims_judge(struct journal *j, const struct op *op, struct tb_err *e) TB_MUST_CHECK;
