#pragma once
/* The checkpointer: moves the WAL's pages into the database, so that a commit seldom waits for it (DESIGN section 8).
 * Threads: open and close on the main thread, checkpointer_wake on the writer. */
#include "store/db.h"
#include "tombolo/err.h"

struct checkpointer;

enum {
    CHECKPOINT_FRAMES = 2000,           /* new frames in the WAL after which the thread checkpoints */
    CHECKPOINT_FRAMES_WRITER = 16000,   /* 64 MB: the writer itself does, since the thread no longer keeps up */
};

enum tb_code checkpointer_open(struct checkpointer **out, const char *path, const char *vfs, struct tb_err *e) TB_MUST_CHECK;
void         checkpointer_close(struct checkpointer **c);
void         checkpointer_wake(struct checkpointer *c);

/* Moves what can be moved without waiting for anybody, through d, on its thread. Ends the process when the database file could
 * not be synced. */
void checkpoint_by_writer(struct db *d);
