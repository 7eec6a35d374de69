#pragma once
/* `tombolo check`: whether a journal is whole. Reads only; works beside a running server. Main thread. */
#include "tombolo/err.h"

/* Checks SQLite's own integrity, the schema, that every origin's ops are gapless and fit their chain, that the tables are what
 * the ops make of them (replayed beside the file), that counters and clock are not behind what is there, and references. What
 * nothing else says again it cannot judge: the hash of an idempotency key, when a message was at the centre. Each fault is
 * one line to report; *n_faults counts them (at most CHECK_MAX_FAULTS a part are reported). TB_EIO: the journal cannot be read
 * at all. */
enum { CHECK_MAX_FAULTS = 100 };
enum tb_code store_check(const char *dir, void (*report)(void *ctx, tb_str line), void *ctx, size_t *n_faults,
                         struct tb_err *e) TB_MUST_CHECK;
