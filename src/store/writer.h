#pragma once
/* The writer: the one sequencer. Drains its mailbox into one transaction of up to `batch` changes (group commit) and answers
 * after COMMIT. Threads: open and close on the main thread; the rest is the writer's own. */
#include "store/checkpoint.h"
#include "store/journal_id.h"
#include "store/requests.h"

#include <stdatomic.h>

struct store_facts {                    /* what store_status tells: written by the writer, read by any thread */
    atomic_bool          is_writable, is_full, is_pruning;
    atomic_int_fast64_t  head_pos, own_seq, pushed_seq;
    atomic_uint_fast64_t n_ops, n_commits, n_emails_parked, n_clock_doubts, n_refused;
    atomic_uint_fast32_t node;
    atomic_int           awaits;                    /* enum store_awaits, as the journal is; not whether time is up */
    atomic_int_fast64_t  awaits_until_ms[STORE_AWAITS_COUNT];   /* monotonic; also written by store_stop_waiting */
    atomic_int_fast64_t  free_bytes, size_bytes, wal_bytes;     /* of the disk, of the database's file, used of the WAL */
};

struct writer;

/* Takes over the loaded journal. settings, facts, checkpointer and id must outlive it. */
struct writer     *writer_open(struct journal *loaded, const struct store_settings *settings, struct store_facts *facts,
                               struct checkpointer *checkpointer, struct journal_id *id);
void               writer_close(struct writer **w);     /* commits and answers what is queued first */
struct backup     *writer_backup(struct writer *w);
struct tb_mailbox *writer_inbox(struct writer *w);
void               writer_feed(struct writer *w, struct tb_mailbox *to, void (*on_batch)(void *ctx, struct store_batch *),
                               void *ctx);
void               writer_on_commit(struct writer *w, void (*wake)(void *ctx), void *ctx);
