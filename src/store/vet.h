#pragma once
/* The one place where what comes from the centre or another site is judged before anything is made of it: ops of others, our own that
 * come back, rows of the centre's tables. It refuses what would stop, abort or slow this site, and what its origin may not do; what
 * it has refused never reaches op_apply. Threads: the writer. */
#include "follow.h"
#include "journal.h"
#include "op.h"

enum vet_from { VET_OP, VET_OWN, VET_ROW };

/* Before a body is read: TB_EINPUT when it is larger than any of ours. */
enum tb_code vet_body(const struct store_entry *entry, struct tb_err *e) TB_MUST_CHECK;

/* TB_EINPUT, and why; other codes: the journal could not be asked. op->node, seq and at are set. */
enum tb_code vet_op(struct journal *j, const struct op *op, enum vet_from from, struct tb_err *e) TB_MUST_CHECK;

/* An origin's number and the place of one of its ops: what a centre says of another site. */
bool vet_is_origin(uint32_t own_node, uint32_t node, int64_t seq);
