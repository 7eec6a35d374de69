#pragma once
/* The centre's tables in pages, row by row as the ops that make them, for a site that lacks ops which have left op_log. Users come
 * first, then rooms, then the history of each room: who came and went and what was said, in the order in which it was, so
 * that unread counts as it would have; receipts last.
 * Threads: the link's. */
#include "mysql_link.h"
#include "target.h"

/* See target.h, read_rows. */
enum tb_code rows_read(struct mysql_link *l, struct sync_rows_at *at, size_t max, struct tb_arena *mem,
                       void (*each)(void *ctx, const struct op *), void *ctx, struct tb_err *e) TB_MUST_CHECK;
