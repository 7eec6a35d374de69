#pragma once
/* What an op does to the tables: one apply for local and remote ops alike. Ops commute: whatever the order of arrival, the
 * shared columns end the same (DESIGN section 6); counts of unread follow this journal's own order.
 * Threads: the writer, inside its transaction; `check`, on a copy. */
#include "store/db.h"
#include "store/op.h"

/* Where a membership stands, and whether a write of it with (stamp, node) would come after its last one. */
struct standing {
    bool is_member, is_newer;
};
enum tb_code op_standing(struct db *d, int64_t room_id, int64_t user_id, int64_t stamp, uint32_t node, struct standing *out,
                         struct tb_err *e) TB_MUST_CHECK;

/* op->pos must be set. own_node: receipts come before their message only when that is another site's. */
enum tb_code op_apply(struct db *d, const struct op *op, uint32_t own_node, struct tb_err *e) TB_MUST_CHECK;
