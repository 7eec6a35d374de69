#pragma once
/* A copy of the journal while it is written to. The writer itself makes it, page by page between its commits, through SQLite's
 * backup on its own connection: what it commits meanwhile goes into the pages that are copied already. So the copy need not
 * begin anew when something changes, no reader keeps the WAL from being checkpointed, and it stands at the position that the
 * journal has when its last page is there: all that was answered before it began is in it.
 *
 * It is written into the data folder, as STORE_BACKUP_DIR/tombolo.db: a slow or full place elsewhere is then not the writer's
 * trouble. Whoever asked for it takes it from there, syncs and checks it. What nobody takes goes when the store is opened.
 * Threads: the writer, but for backup_new, backup_free (main, while the writer does not run) and backup_look (any). */
#include "store/journal.h"
#include "store/store.h"

struct backup;

/* dir: the data folder, borrowed. Whatever an earlier process has left of a backup goes. */
struct backup *backup_new(const char *dir, uint64_t reserve_bytes);
void           backup_free(struct backup **b);

enum tb_code backup_begin(struct backup *b, struct journal *j, struct tb_err *e) TB_MUST_CHECK;     /* see store_begin_backup */
void         backup_end(struct backup *b);

/* Outside transactions: some pages more, if it is time for them. Returns after how many ms it wants to be called again; -1: there is
 * nothing to do. is_full: the disk is; it gives up then. */
int  backup_step(struct backup *b, const struct journal *j, bool is_full);

void backup_look(struct backup *b, struct store_backup *out);
