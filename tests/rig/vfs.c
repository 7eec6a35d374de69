/* The disk as SQLite sees it: sqlite3.h, "sqlite3_vfs" and "sqlite3_io_methods"; locks as in SQLite's documents "File Locking
 * And Concurrency" and "WAL-mode File Format", section 2.3. Every entry takes the disk's lock and gives it back. */
#include "inside.h"

#include <stdio.h>

enum {
    MAX_PATH_BYTES = 1024,
    SECTOR = 4096,                      /* what SQLite's unix VFS says of itself */
};

struct handle {
    sqlite3_file     base;              /* SQLite's view of it, so it comes first */
    struct rig_disk *disk;
    struct inode    *inode;
    const char      *remove_at_close;   /* NULL, or the path: lives as long as the handle */
    bool             is_database;       /* and no journal */
    bool             syncs_folder;      /* its next sync does */
    int              level;             /* SQLITE_LOCK_NONE .. SQLITE_LOCK_EXCLUSIVE */
    bool             has_shm;
    uint16_t         shm_shared, shm_exclusive;
};

/* ---- reading, writing, syncing ---- */

static struct handle *
begin(sqlite3_file *f)
{
    struct handle *h = (struct handle *)f;

    pthread_mutex_lock(&h->disk->lock);
    return h;
}

static int
end(struct handle *h, int rc)
{
    pthread_mutex_unlock(&h->disk->lock);
    return rc;
}

static int
file_read(sqlite3_file *f, void *out, int n, sqlite3_int64 at)
{
    struct handle *h = begin(f);

    if (h->inode->is_dead || rig_disk_is_failing(h->disk, RIG_FAIL_READ))
        return end(h, SQLITE_IOERR_READ);
    h->disk->counts.reads++;
    size_t got = rig_image_read(&h->inode->image, (uint64_t)at, out, (size_t)n);
    memset((char *)out + got, 0, (size_t)n - got);
    return end(h, got < (size_t)n ? SQLITE_IOERR_SHORT_READ : SQLITE_OK);
}

/* A write that meets the power cut has been given to the disk, so its sectors have their chance like any other's. */
static int
file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    struct handle   *h = begin(f);
    struct rig_disk *d = h->disk;

    if (h->inode->is_dead || rig_disk_is_failing(d, RIG_FAIL_WRITE))
        return end(h, SQLITE_IOERR_WRITE);
    if (!rig_disk_has_room(d, h->inode, (uint64_t)at + (uint64_t)n))
        return end(h, SQLITE_FULL);
    rig_image_write(&h->inode->image, (uint64_t)at, p, (size_t)n);
    d->counts.writes++;
    d->counts.bytes_written += (uint64_t)n;
    rig_disk_tick(d);
    return end(h, h->inode->is_dead ? SQLITE_IOERR_WRITE : SQLITE_OK);
}

static int
file_resize(sqlite3_file *f, sqlite3_int64 size)
{
    struct handle *h = begin(f);

    if (h->inode->is_dead || rig_disk_is_failing(h->disk, RIG_FAIL_WRITE))
        return end(h, SQLITE_IOERR_TRUNCATE);
    if (!rig_disk_has_room(h->disk, h->inode, (uint64_t)size))
        return end(h, SQLITE_FULL);
    if ((uint64_t)size != h->inode->image.now.n)
        rig_image_resize(&h->inode->image, (uint64_t)size);
    rig_disk_tick(h->disk);
    return end(h, h->inode->is_dead ? SQLITE_IOERR_TRUNCATE : SQLITE_OK);
}

static int
file_sync(sqlite3_file *f, int flags)
{
    struct handle   *h = begin(f);
    struct rig_disk *d = h->disk;
    (void)flags;

    if (!h->inode->is_dead)
        rig_disk_tick(d);
    uint64_t mark = rig_image_mark(&h->inode->image);
    rig_disk_wait_while_stalled(d, h->inode);
    if (h->inode->is_dead)
        return end(h, SQLITE_IOERR);
    if (rig_disk_is_failing(d, RIG_FAIL_SYNC) ||
        (h->is_database && rig_disk_is_failing(d, RIG_FAIL_DATABASE_SYNC))) {
        rig_image_forget(&h->inode->image, mark);
        return end(h, SQLITE_IOERR_FSYNC);
    }
    if (!d->is_lying) {
        rig_image_sync(&h->inode->image, mark);
        if (h->syncs_folder || !rig_name_is_durable(d, h->inode))
            rig_folder_sync(d);
        h->syncs_folder = false;
    }
    d->counts.syncs++;
    return end(h, SQLITE_OK);
}

static int
file_size(sqlite3_file *f, sqlite3_int64 *size)
{
    struct handle *h = begin(f);

    if (h->inode->is_dead)
        return end(h, SQLITE_IOERR_FSTAT);
    *size = (sqlite3_int64)h->inode->image.now.n;
    return end(h, SQLITE_OK);
}

/* ---- locks on the file ---- */

static int
take_shared(struct handle *h)
{
    struct inode *i = h->inode;

    if (i->holder != NULL && i->holder != h && i->holder->level >= SQLITE_LOCK_PENDING)
        return SQLITE_BUSY;
    i->n_shared++;
    h->level = SQLITE_LOCK_SHARED;
    return SQLITE_OK;
}

/* PENDING is what a handle gets that wants EXCLUSIVE while others still read: no new reader comes in. */
static int
take_more(struct handle *h, int level)
{
    struct inode *i = h->inode;

    if (i->holder != NULL && i->holder != h)
        return SQLITE_BUSY;
    i->holder = h;
    if (level == SQLITE_LOCK_EXCLUSIVE && i->n_shared > 1) {
        h->level = SQLITE_LOCK_PENDING;
        return SQLITE_BUSY;
    }
    h->level = level;
    return SQLITE_OK;
}

static int
file_lock(sqlite3_file *f, int level)
{
    struct handle *h = begin(f);
    int            rc = SQLITE_OK;

    if (h->inode->is_dead)
        rc = SQLITE_IOERR_LOCK;
    else if (h->level < level)
        rc = level == SQLITE_LOCK_SHARED ? take_shared(h) : take_more(h, level);
    return end(h, rc);
}

static void
drop_locks(struct handle *h, int level)
{
    if (h->level <= level)
        return;
    if (h->inode->holder == h)
        h->inode->holder = NULL;
    if (level == SQLITE_LOCK_NONE)
        h->inode->n_shared--;
    h->level = level;
}

static int
file_unlock(sqlite3_file *f, int level)
{
    struct handle *h = begin(f);

    drop_locks(h, level);
    return end(h, SQLITE_OK);
}

static int
file_is_reserved(sqlite3_file *f, int *out)
{
    struct handle *h = begin(f);

    *out = h->inode->holder != NULL;
    return end(h, SQLITE_OK);
}

/* ---- shared memory ---- */

static int
shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **out)
{
    struct handle *h = begin(f);
    struct shm    *shm = &h->inode->shm;

    *out = NULL;
    if (h->inode->is_dead)
        return end(h, SQLITE_IOERR_SHMMAP);
    if (!h->has_shm) {
        h->has_shm = true;
        shm->n_handles++;
    }
    if (region >= shm->n_regions && extend) {
        shm->regions = tb_realloc(shm->regions, (size_t)(region + 1) * sizeof *shm->regions);
        for (; shm->n_regions <= region; shm->n_regions++)
            shm->regions[shm->n_regions] = tb_alloc_zero((size_t)size);
    }
    if (region < shm->n_regions)
        *out = shm->regions[region];
    return end(h, SQLITE_OK);
}

static void
shm_drop(struct handle *h, int first, int n)
{
    struct shm *shm = &h->inode->shm;

    for (int i = first; i < first + n; i++) {
        uint16_t bit = (uint16_t)(1u << i);
        if (h->shm_exclusive & bit)
            shm->locks[i] = 0;
        else if (h->shm_shared & bit)
            shm->locks[i]--;
        h->shm_exclusive &= (uint16_t)~bit;
        h->shm_shared &= (uint16_t)~bit;
    }
}

static int
shm_take(struct handle *h, int first, int n, bool is_shared)
{
    struct shm *shm = &h->inode->shm;

    for (int i = first; i < first + n; i++) {
        bool is_mine = ((h->shm_shared | h->shm_exclusive) >> i) & 1;
        if (!is_mine && (is_shared ? shm->locks[i] < 0 : shm->locks[i] != 0))
            return SQLITE_BUSY;
    }
    for (int i = first; i < first + n; i++) {
        uint16_t bit = (uint16_t)(1u << i);
        if ((h->shm_shared | h->shm_exclusive) & bit)
            continue;
        shm->locks[i] = is_shared ? shm->locks[i] + 1 : -1;
        *(is_shared ? &h->shm_shared : &h->shm_exclusive) |= bit;
    }
    return SQLITE_OK;
}

static int
shm_lock(sqlite3_file *f, int first, int n, int flags)
{
    struct handle *h = begin(f);
    int            rc = SQLITE_OK;

    if (flags & SQLITE_SHM_UNLOCK)
        shm_drop(h, first, n);
    else if (h->inode->is_dead)
        rc = SQLITE_IOERR_SHMLOCK;
    else
        rc = shm_take(h, first, n, (flags & SQLITE_SHM_SHARED) != 0);
    return end(h, rc);
}

static void
shm_barrier(sqlite3_file *f)
{
    end(begin(f), SQLITE_OK);       /* taking a lock orders memory, and thread sanitizers understand it */
}

static void
shm_leave(struct handle *h)
{
    if (!h->has_shm)
        return;
    shm_drop(h, 0, SQLITE_SHM_NLOCK);
    h->has_shm = false;
    if (--h->inode->shm.n_handles == 0)
        rig_shm_fini(&h->inode->shm);
}

static int
shm_unmap(sqlite3_file *f, int remove)
{
    struct handle *h = begin(f);
    (void)remove;

    shm_leave(h);
    return end(h, SQLITE_OK);
}

/* ---- the rest of a file ---- */

static int
file_close(sqlite3_file *f)
{
    struct handle *h = begin(f);

    drop_locks(h, SQLITE_LOCK_NONE);
    shm_leave(h);
    if (h->remove_at_close != NULL && !h->inode->is_dead)
        rig_name_remove(h->disk, h->remove_at_close, false);
    rig_inode_unref(&h->inode);
    return end(h, SQLITE_OK);
}

static int
file_control(sqlite3_file *f, int what, void *arg)
{
    (void)f;
    (void)what;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int
file_sector(sqlite3_file *f)
{
    (void)f;
    return SECTOR;
}

/* As the unix VFS: a torn write spares the bytes beside it, and nothing else is promised. */
static int
file_traits(sqlite3_file *f)
{
    (void)f;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,                  /* shared memory, but no mmap: it would write past us */
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_resize,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_is_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* ---- the folder ---- */

static struct rig_disk *
begin_vfs(sqlite3_vfs *vfs)
{
    struct rig_disk *d = vfs->pAppData;

    pthread_mutex_lock(&d->lock);
    return d;
}

static int
end_vfs(struct rig_disk *d, int rc)
{
    pthread_mutex_unlock(&d->lock);
    return rc;
}

/* A file with no name is a temporary one: nobody else finds it and no cut needs to. */
static struct inode *
find_or_create(struct rig_disk *d, const char *path, int flags)
{
    struct inode *i = path != NULL ? rig_inode_find(d, path) : NULL;

    if (i != NULL)
        return flags & SQLITE_OPEN_EXCLUSIVE ? NULL : rig_inode_ref(i);
    return flags & SQLITE_OPEN_CREATE ? rig_inode_new(d, path) : NULL;
}

/* As the unix VFS (isNewJrnl there): a journal that could have been new syncs the folder with its first sync, so what was
 * removed before is gone for good as well. For other new files ext4 and XFS do the same. */
static bool
is_journal(int flags)
{
    return (flags & SQLITE_OPEN_CREATE) != 0 &&
           (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL)) != 0;
}

static int
vfs_open(sqlite3_vfs *vfs, sqlite3_filename path, sqlite3_file *f, int flags, int *out_flags)
{
    struct handle   *h = (struct handle *)f;
    struct rig_disk *d = begin_vfs(vfs);

    *h = (struct handle){ .disk = d };      /* no methods: SQLite does not close what did not open */
    if (!d->is_off)
        h->inode = find_or_create(d, path, flags);
    if (h->inode == NULL)
        return end_vfs(d, SQLITE_CANTOPEN);
    if (flags & SQLITE_OPEN_DELETEONCLOSE)
        h->remove_at_close = path;
    h->is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    h->syncs_folder = is_journal(flags);
    h->base.pMethods = &methods;
    if (out_flags != NULL)
        *out_flags = flags;
    return end_vfs(d, SQLITE_OK);
}

static int
vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    struct rig_disk *d = begin_vfs(vfs);

    if (d->is_off)
        return end_vfs(d, SQLITE_IOERR_DELETE);
    bool was_there = rig_name_remove(d, path, sync_folder && !d->is_lying);
    return end_vfs(d, was_there ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT);
}

/* As the unix VFS: an empty file does not exist. */
static int
vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    struct rig_disk *d = begin_vfs(vfs);
    (void)flags;

    if (d->is_off)
        return end_vfs(d, SQLITE_IOERR_ACCESS);
    struct inode *i = rig_inode_find(d, path);
    *out = i != NULL && i->image.now.n > 0;
    return end_vfs(d, SQLITE_OK);
}

static int
vfs_full_path(sqlite3_vfs *vfs, const char *path, int n, char *out)
{
    (void)vfs;
    int len = snprintf(out, (size_t)n, "%s", path);
    return len < n ? SQLITE_OK : SQLITE_CANTOPEN;
}

/* Time, sleep and randomness are the system's. */
static void
borrow_the_rest(sqlite3_vfs *vfs, const sqlite3_vfs *system)
{
    vfs->xRandomness = system->xRandomness;
    vfs->xSleep = system->xSleep;
    vfs->xCurrentTime = system->xCurrentTime;
    vfs->xGetLastError = system->xGetLastError;
    vfs->xCurrentTimeInt64 = system->xCurrentTimeInt64;
}

/* ---- public ---- */

void
rig_vfs_init(struct rig_disk *d)
{
    d->vfs = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = sizeof(struct handle),
        .mxPathname = MAX_PATH_BYTES,
        .zName = d->vfs_name,
        .pAppData = d,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
    };
    borrow_the_rest(&d->vfs, sqlite3_vfs_find(NULL));
}
