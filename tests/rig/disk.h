#pragma once
/* A disk in memory that can lose power, stall, fill up, fail and lie: an SQLite VFS. kill -9 proves little about fsync,
 * because the kernel keeps what the process wrote; this disk forgets it.
 * WAL mode, several connections and several threads of one process work on it. Folders mean nothing to it.
 * Threads: any; everything is under one lock. */
#include "tombolo/str.h"

struct rig_disk;

struct rig_disk *rig_disk_new(void);                    /* registers a VFS of its own; aborts when SQLite refuses */
void             rig_disk_free(struct rig_disk **d);    /* after the last connection was closed */
const char      *rig_disk_vfs(const struct rig_disk *d);/* the VFS's name; lives as long as d */

/* ---- power ---- */

/* The power goes off. Writes that no sync has covered survive or not as seed says (struct rig_cut in image.h); a file
 * whose creation or removal was never synced is there or not; shared memory and locks are gone. Every handle is dead:
 * its calls give an SQLITE_IOERR until it is closed, syncs the plain one: SQLITE_IOERR_FSYNC means a sync that forgot.
 * Nothing can be opened before rig_disk_power_on. */
void rig_disk_cut(struct rig_disk *d, uint64_t seed);

/* The same by itself, in place of the n-th write, resize or sync from now (1: the next). 0: not any more. */
void rig_disk_cut_after(struct rig_disk *d, uint64_t n, uint64_t seed);

/* The process dies and the kernel lives: handles are dead as above, but every write is kept (and not yet synced). */
void rig_disk_kill(struct rig_disk *d);

void rig_disk_power_on(struct rig_disk *d);
bool rig_disk_is_off(struct rig_disk *d);

/* ---- stalls ---- */

void rig_disk_stall(struct rig_disk *d);                /* syncs wait from now on; reads and writes go on */
void rig_disk_resume(struct rig_disk *d);
bool rig_disk_is_stalled(struct rig_disk *d);
bool rig_disk_wait_stalled(struct rig_disk *d);         /* until a sync waits; false after a minute without one */

/* ---- faults ---- */

enum rig_fault {
    RIG_FAIL_READ,
    RIG_FAIL_WRITE,
    RIG_FAIL_SYNC,              /* of any file */
    RIG_FAIL_DATABASE_SYNC,     /* of database files only: a checkpoint's */
    RIG_FAULTS
};

/* After `after` more calls of the kind, the next `count` of them give SQLITE_IOERR. A failed write has written nothing;
 * a failed sync has forgotten what it covered (rig_image_forget). count 0: none any more. */
void rig_disk_fail(struct rig_disk *d, enum rig_fault what, uint64_t after, uint64_t count);

/* All files together may hold this many bytes: a write that would make one grow beyond gives SQLITE_FULL. */
void   rig_disk_limit(struct rig_disk *d, size_t bytes);        /* SIZE_MAX, as at first: no limit */
size_t rig_disk_used(struct rig_disk *d);

/* Syncs say yes and do nothing, as disks with a volatile cache do that is not told to flush. */
void rig_disk_lie(struct rig_disk *d, bool is_lying);

/* ---- looking from outside ---- */

/* Writes every file to the real file system under its own path, for tools that know no VFS. False: it did not work. */
bool rig_disk_copy_out(struct rig_disk *d);

/* ---- counts ---- */

struct rig_disk_counts {
    uint64_t reads, writes, syncs;      /* calls that went well */
    uint64_t bytes_written;
};
struct rig_disk_counts rig_disk_counts(struct rig_disk *d);
