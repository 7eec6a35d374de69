#pragma once
/* What disk.c (power, faults, names) and vfs.c (SQLite's face of it) share; nobody else includes this.
 * What always holds: a handle belongs to one inode; an inode is dead once the power has gone, keeps its shared memory for
 * connections that still point into it, and goes with its last handle; what survives a cut is a new inode under the old
 * name. Threads: everything with the disk's lock held. */
#include "disk.h"
#include "image.h"

#include <pthread.h>
#include <sqlite3.h>

struct shm {                            /* one database's shared memory */
    void **regions;
    int    n_regions, n_handles;
    int    locks[SQLITE_SHM_NLOCK];     /* -1: exclusive; otherwise how many share it */
};

struct handle;                          /* an open file, see vfs.c */

struct inode {
    struct rig_image image;
    struct shm       shm;
    unsigned         n_refs;            /* names and handles */
    bool             is_dead;           /* the power went while it was open */
    int              n_shared;          /* handles with a SHARED lock or more */
    struct handle   *holder;            /* of RESERVED or more, or NULL */
};

struct name {                           /* an entry of the folder: now, and after a power cut */
    struct name  *next;
    char         *path;
    struct inode *now, *durable;        /* NULL: no such file */
};

struct fault {
    uint64_t after, count;
};

struct rig_disk {
    /* fixed before use */
    sqlite3_vfs     vfs;
    char            vfs_name[40];
    pthread_mutex_t lock;
    pthread_cond_t  changed;            /* of is_stalled, n_waiting, inodes' is_dead */
    /* under lock */
    struct name           *names;
    bool                   is_off, is_stalled, is_lying;
    unsigned               n_waiting;           /* syncs that stand still */
    struct fault           faults[RIG_FAULTS];
    uint64_t               cut_in, cut_seed;    /* cut_in 0: never */
    size_t                 limit;
    struct rig_disk_counts counts;
};

void rig_shm_fini(struct shm *shm);

struct inode *rig_inode_ref(struct inode *i);           /* accepts NULL */
void          rig_inode_unref(struct inode **i);
struct inode *rig_inode_find(struct rig_disk *d, const char *path);        /* borrowed, or NULL */
struct inode *rig_inode_new(struct rig_disk *d, const char *path);         /* with a ref for the caller; path NULL: nameless */

bool rig_name_remove(struct rig_disk *d, const char *path, bool is_durable);        /* false: no such file */
bool rig_name_is_durable(const struct rig_disk *d, const struct inode *i);
void rig_folder_sync(struct rig_disk *d);               /* names that were added and removed stay so */

/* Before an act that changes the disk ends: the moment for a cut that was ordered. */
void rig_disk_tick(struct rig_disk *d);
bool rig_disk_is_failing(struct rig_disk *d, enum rig_fault what);
bool rig_disk_has_room(const struct rig_disk *d, const struct inode *i, uint64_t new_size);
void rig_disk_wait_while_stalled(struct rig_disk *d, const struct inode *i);

void rig_vfs_init(struct rig_disk *d);                  /* fills d->vfs; vfs_name is set */
