#pragma once
/* What an op does to the tables: one apply for local and remote ops alike. Ops commute: whatever the order of arrival, the
 * shared columns end the same (DESIGN section 6); counts of unread follow this journal's own order.
 * Threads: the writer, inside its transaction; `check`, on a copy. */
#include "store/db.h"
#include "store/op.h"

/* op->pos must be set. own_node: receipts come before their message only when that is another site's. */
enum tb_code op_apply(struct db *d, const struct op *op, uint32_t own_node, struct tb_err *e) TB_MUST_CHECK;
