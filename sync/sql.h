#pragma once
/* A batch of ops as SQL text: one transaction that leaves in one round trip (DESIGN section 6). Every value in it is an
 * integer or a hex literal, so escaping, character sets and sql_mode cannot matter; every upsert changes nothing when it
 * is repeated, and commutes with the others, so rows of one table may stand together whatever their order was.
 * Threads: whoever holds the batch. */
#include "store/follow.h"
#include "target.h"
#include "tombolo/err.h"

struct sql_batch;

/* What must still be true at the centre when the batch arrives, or all of it fails. */
struct sql_fence {
    uint32_t node, epoch;
    char     journal_uuid[37];
    int64_t  last_seq;              /* the newest of our ops there */
};

struct sql_batch *sql_batch_new(void);
void              sql_batch_free(struct sql_batch **b);

/* Empties it. max_bytes: how long the text may become, except that a first op always fits. */
void sql_batch_begin(struct sql_batch *b, const struct sql_fence *fence, size_t max_bytes);

/* Adds the op's effect and its row of op_log. Entries come in the order of seq, without gaps, from last_seq + 1; only
 * their node, seq, at, kind, version, body and chain are looked at, and nothing is kept.
 * TB_ETOOBIG: it would become too long, and nothing was added. TB_EINPUT: no op that this program knows. */
enum tb_code sql_batch_add(struct sql_batch *b, const struct store_entry *entry, struct tb_err *e) TB_MUST_CHECK;

/* Adds only its row of op_log, as OP_PARKED, and one of parked that says what it was and why the centre refused it. */
enum tb_code sql_batch_park(struct sql_batch *b, const struct store_entry *entry, unsigned refusal, tb_str why,
                            struct tb_err *e) TB_MUST_CHECK;

/* Adds only the effect of an op that stands for a row (store_follow_rows): it has no place in op_log, and the batch leaves the
 * centre where it is. Such a batch has no others. */
struct op;
enum tb_code sql_batch_add_row(struct sql_batch *b, const struct op *op, struct tb_err *e) TB_MUST_CHECK;

/* Instead of the effect of one that the centre has refused: the op that it stands for is parked there, if anybody knows which
 * one that was (its seq is not 0). */
void sql_batch_park_row(struct sql_batch *b, const struct op *op, unsigned refusal, tb_str why);

/* The last batch of rows, which may have none: it moves the centre on to own op seq, and nothing up to there is in op_log. */
void sql_batch_skip_to(struct sql_batch *b, int64_t seq, const uint8_t chain[16]);

/* Its messages; valid until it is begun again. */
const struct sync_sent *sql_batch_sent(const struct sql_batch *b, size_t *n);

size_t  sql_batch_ops(const struct sql_batch *b);
int64_t sql_batch_last_seq(const struct sql_batch *b);      /* of the newest op in it; last_seq of the fence when empty */

/* The whole text, from START TRANSACTION to COMMIT; its second statement is the fence. Valid until b changes.
 * now_ms: what the site's seen_at becomes. *n_statements: how many results the server will answer with. */
tb_str sql_batch_text(struct sql_batch *b, int64_t now_ms, size_t *n_statements);

/* ---- for other statements ---- */

/* How long ago a site (alias and dot) said that it is here, or SYNC_NEVER_HERE. */
#define SQL_HERE_AGO_MS(site)                                                                                         \
    "COALESCE(GREATEST(TIMESTAMPDIFF(MICROSECOND," site "`here_at`,UTC_TIMESTAMP(3)),0) DIV 1000,9223372036854775807)"

/* Milliseconds since 1970 in UTC, an SQL expression of integers, as DATETIME: exact, and none of the server's time zone. */
#define SQL_TIME(ms) "TIMESTAMPADD(MICROSECOND," ms "*1000,TIMESTAMP'1970-01-01 00:00:00')"

/* And back, as a number; NULL is 0. */
#define SQL_MS(column) "COALESCE(TIMESTAMPDIFF(MICROSECOND,TIMESTAMP'1970-01-01 00:00:00'," column ") DIV 1000,0)"

void sql_add_text(struct tb_buf *b, tb_str utf8);           /* _utf8mb4 X'...' */
void sql_add_bytes(struct tb_buf *b, const void *p, size_t n);  /* X'...' */
