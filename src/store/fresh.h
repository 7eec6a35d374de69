#pragma once
/* Which proofs of delivery are news. Threads: the writer's. */
#include "db.h"
#include "op.h"
#include "store.h"

/* Of the lists in of, by room and user, what the table does not have yet, in the same order; lists that have nothing new are
 * left out. *out is memory of mem. A receipt that is listed twice is news twice. */
enum tb_code fresh_deliveries(struct db *d, struct tb_arena *mem, const struct store_receipts_of *of, size_t n,
                              struct op_receipts **out, size_t *n_out, struct tb_err *e);
