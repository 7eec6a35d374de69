#pragma once
/* What a site reads at the centre about the others, on a link that has been settled. For sync/mysql.c; see target.h for what
 * each call promises. Threads: the link's. */
#include "mysql_link.h"
#include "target.h"

enum tb_code read_heads(struct mysql_link *l, const struct store_identity *me,
                        void (*each)(void *ctx, const struct sync_head *), void *ctx, struct tb_err *e) TB_MUST_CHECK;
enum tb_code read_parked(struct mysql_link *l, uint32_t node, size_t max, void (*each)(void *ctx, int64_t seq), void *ctx,
                         struct tb_err *e) TB_MUST_CHECK;
enum tb_code read_ops(struct mysql_link *l, uint32_t node, int64_t after, int64_t upto, size_t max, size_t max_bytes,
                      void (*each)(void *ctx, const struct store_entry *), void *ctx, struct tb_err *e) TB_MUST_CHECK;
