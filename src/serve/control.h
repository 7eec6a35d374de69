#pragma once
/* What a running server does for the command line: the table of commands of its control socket.
 * Threads: the control thread; or, with no server, the one that has opened the journal: then those of sync must not be run. */
#include "base/mailbox.h"
#include "control/control.h"

struct store;
struct sync;

struct serve_control {              /* the ctx of every command */
    struct store *store;
    struct sync  *sync;             /* NULL without a server, as are the others */
    /* Has the loop run a message; false: it does not run yet, or not any more. */
    bool (*post_to_loop)(void *ctx, struct tb_msg *m);
    void (*write_metrics)(void *ctx, struct tb_buf *out);      /* on the loop */
    void *loop_ctx;
};

/* name: what it takes -> what it gives
 *   sync-status           -> {state,isPaused,lagOps,lagSeconds,ownSeq,pushedSeq,lastSyncedAt,lastErrorAt,lastError}
 *   sync-pause            -> {}
 *   sync-resume           -> {}
 *   sync-repeat: SEQ      -> {seq}: of the new op with the content of own op SEQ
 *   metrics               -> {text}: as GET /metrics
 *   health                -> {ready,why,loopMs,journal,sync}: why not; how long the loop took to answer; writable, full, failed
 *   user-add: {email,username,hash}   -> {id,email,username,createdAt}
 *   user-password: {id,hash}          -> {id,email,username}
 *   user-email: {id,email}            -> the same
 *   backup-begin          -> {folder}: where below the data folder it will be (store/backup.h)
 *   backup-status         -> {state,pages,pagesDone,position,seq,why}: none, running, done or failed
 *   backup-end            -> {}: it is taken, or not wanted any more */
extern const struct control_command serve_commands[];
