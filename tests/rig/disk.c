/* Names, power, stalls and faults; contents are in image.c, SQLite's calls in vfs.c, what always holds in inside.h. */
#include "disk.h"

#include "inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { STALL_PATIENCE_S = 60 };

/* ---- inodes and names ---- */

struct inode *
rig_inode_ref(struct inode *i)
{
    if (i != NULL)
        i->n_refs++;
    return i;
}

void
rig_shm_fini(struct shm *shm)
{
    for (int i = 0; i < shm->n_regions; i++)
        tb_free(shm->regions[i]);
    tb_free(shm->regions);
    *shm = (struct shm){ 0 };
}

void
rig_inode_unref(struct inode **i)
{
    struct inode *gone = *i;

    *i = NULL;
    if (gone == NULL || --gone->n_refs > 0)
        return;
    rig_shm_fini(&gone->shm);
    rig_image_fini(&gone->image);
    tb_free(gone);
}

static struct name *
find_name(struct rig_disk *d, const char *path)
{
    for (struct name *n = d->names; n != NULL; n = n->next) {
        if (strcmp(n->path, path) == 0)
            return n;
    }
    return NULL;
}

static struct name *
add_name(struct rig_disk *d, const char *path)
{
    struct name *n = TB_NEW(struct name);

    n->path = tb_str_to_c(tb_str_of(path));
    n->next = d->names;
    d->names = n;
    return n;
}

static void
name_free(struct name *n)
{
    rig_inode_unref(&n->now);
    rig_inode_unref(&n->durable);
    tb_free(n->path);
    tb_free(n);
}

static void
set_durable(struct name *n)
{
    rig_inode_unref(&n->durable);
    n->durable = rig_inode_ref(n->now);
}

bool
rig_name_is_durable(const struct rig_disk *d, const struct inode *i)
{
    for (const struct name *n = d->names; n != NULL; n = n->next) {
        if (n->now == i)
            return n->durable == i;
    }
    return true;        /* nameless */
}

void
rig_folder_sync(struct rig_disk *d)
{
    for (struct name *n = d->names; n != NULL; n = n->next)
        set_durable(n);
}

struct inode *
rig_inode_find(struct rig_disk *d, const char *path)
{
    struct name *n = find_name(d, path);

    return n != NULL ? n->now : NULL;
}

struct inode *
rig_inode_new(struct rig_disk *d, const char *path)
{
    struct inode *i = TB_NEW(struct inode);

    i->n_refs = 1;
    if (path != NULL) {
        struct name *n = find_name(d, path);
        if (n == NULL)
            n = add_name(d, path);
        n->now = rig_inode_ref(i);
    }
    return i;
}

bool
rig_name_remove(struct rig_disk *d, const char *path, bool is_durable)
{
    struct name *n = find_name(d, path);

    if (n == NULL || n->now == NULL)
        return false;
    rig_inode_unref(&n->now);
    if (is_durable)
        set_durable(n);
    return true;
}

/* ---- power; all under lock ---- */

static void
die(struct inode *i)
{
    if (i != NULL)
        i->is_dead = true;
}

static uint64_t
number_of(const char *path)
{
    uint64_t h = 0xcbf29ce484222325;        /* FNV-1a: files differ by name, not by address, so that seeds repeat */

    for (; *path != '\0'; path++)
        h = (h ^ (uint8_t)*path) * 0x100000001b3;
    return h;
}

/* The contents move to an inode that no old handle knows. */
static struct inode *
reborn(struct inode *old)
{
    if (old == NULL)
        return NULL;
    struct inode *i = TB_NEW(struct inode);
    i->n_refs = 1;
    i->image = old->image;
    old->image = (struct rig_image){ 0 };
    return i;
}

static void
cut_name(struct name *n, const struct rig_cut *cut)
{
    struct rig_random r = { cut->seed ^ number_of(n->path) };
    bool          keep_now = n->now == n->durable || cut->survival == RIG_KEEP_ALL ||
                    (cut->survival != RIG_KEEP_NONE && rig_random_below(&r, 2) == 0);
    struct inode *left = reborn(keep_now ? n->now : n->durable);

    if (left != NULL)
        rig_image_cut(&left->image, cut, number_of(n->path));
    die(n->now);
    die(n->durable);
    rig_inode_unref(&n->now);
    rig_inode_unref(&n->durable);
    n->now = left;
    n->durable = rig_inode_ref(left);
}

static void
go_off(struct rig_disk *d)
{
    d->is_off = true;
    d->cut_in = 0;
    pthread_cond_broadcast(&d->changed);
}

static void
cut_power(struct rig_disk *d, uint64_t seed)
{
    struct rig_cut cut = rig_cut_of(seed);

    for (struct name *n = d->names; n != NULL; n = n->next)
        cut_name(n, &cut);
    go_off(d);
}

/* A process that dies takes no name with it: what was not durable is still only now. */
static void
kill_name(struct name *n)
{
    bool          same = n->now == n->durable;
    struct inode *now = reborn(n->now), *durable = same ? rig_inode_ref(now) : reborn(n->durable);

    die(n->now);
    die(n->durable);
    rig_inode_unref(&n->now);
    rig_inode_unref(&n->durable);
    n->now = now;
    n->durable = durable;
}

/* Before each act that changes the disk: the moment for a cut that was ordered. */
void
rig_disk_tick(struct rig_disk *d)
{
    if (d->cut_in > 0 && --d->cut_in == 0)
        cut_power(d, d->cut_seed);
}

bool
rig_disk_is_failing(struct rig_disk *d, enum rig_fault what)
{
    struct fault *f = &d->faults[what];

    if (f->count == 0)
        return false;
    if (f->after > 0) {
        f->after--;
        return false;
    }
    f->count--;
    return true;
}

static size_t
used(const struct rig_disk *d)
{
    size_t sum = 0;

    for (const struct name *n = d->names; n != NULL; n = n->next)
        sum += n->now != NULL ? n->now->image.now.n : 0;
    return sum;
}

bool
rig_disk_has_room(const struct rig_disk *d, const struct inode *i, uint64_t new_size)
{
    if (d->limit == SIZE_MAX || new_size <= i->image.now.n)
        return true;
    return used(d) + (new_size - i->image.now.n) <= d->limit;
}

void
rig_disk_wait_while_stalled(struct rig_disk *d, const struct inode *i)
{
    if (!d->is_stalled || i->is_dead)
        return;
    d->n_waiting++;
    pthread_cond_broadcast(&d->changed);
    while (d->is_stalled && !i->is_dead)
        pthread_cond_wait(&d->changed, &d->lock);
    d->n_waiting--;
}

/* ---- public ---- */

static void
changed_init(pthread_cond_t *c)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(c, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

struct rig_disk *
rig_disk_new(void)
{
    struct rig_disk *d = TB_NEW(struct rig_disk);

    snprintf(d->vfs_name, sizeof d->vfs_name, "tb_rig_disk_%p", (void *)d);
    pthread_mutex_init(&d->lock, NULL);
    changed_init(&d->changed);
    d->limit = SIZE_MAX;
    rig_vfs_init(d);
    if (sqlite3_vfs_register(&d->vfs, 0) != SQLITE_OK)
        abort();
    return d;
}

void
rig_disk_free(struct rig_disk **d)
{
    if (*d == NULL)
        return;
    sqlite3_vfs_unregister(&(*d)->vfs);
    while ((*d)->names != NULL) {
        struct name *n = (*d)->names;
        (*d)->names = n->next;
        name_free(n);
    }
    pthread_cond_destroy(&(*d)->changed);
    pthread_mutex_destroy(&(*d)->lock);
    tb_free(*d);
    *d = NULL;
}

const char *
rig_disk_vfs(const struct rig_disk *d)
{
    return d->vfs_name;
}

void
rig_disk_cut(struct rig_disk *d, uint64_t seed)
{
    pthread_mutex_lock(&d->lock);
    if (!d->is_off)
        cut_power(d, seed);
    pthread_mutex_unlock(&d->lock);
}

void
rig_disk_cut_after(struct rig_disk *d, uint64_t n, uint64_t seed)
{
    pthread_mutex_lock(&d->lock);
    d->cut_in = n;
    d->cut_seed = seed;
    pthread_mutex_unlock(&d->lock);
}

void
rig_disk_kill(struct rig_disk *d)
{
    pthread_mutex_lock(&d->lock);
    if (!d->is_off) {
        for (struct name *n = d->names; n != NULL; n = n->next)
            kill_name(n);
        go_off(d);
    }
    pthread_mutex_unlock(&d->lock);
}

void
rig_disk_power_on(struct rig_disk *d)
{
    pthread_mutex_lock(&d->lock);
    d->is_off = false;
    pthread_mutex_unlock(&d->lock);
}

bool
rig_disk_is_off(struct rig_disk *d)
{
    pthread_mutex_lock(&d->lock);
    bool is_off = d->is_off;
    pthread_mutex_unlock(&d->lock);
    return is_off;
}

static void
set_stalled(struct rig_disk *d, bool is_stalled)
{
    pthread_mutex_lock(&d->lock);
    d->is_stalled = is_stalled;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

void
rig_disk_stall(struct rig_disk *d)
{
    set_stalled(d, true);
}

void
rig_disk_resume(struct rig_disk *d)
{
    set_stalled(d, false);
}

bool
rig_disk_is_stalled(struct rig_disk *d)
{
    pthread_mutex_lock(&d->lock);
    bool is_stalled = d->is_stalled;
    pthread_mutex_unlock(&d->lock);
    return is_stalled;
}

bool
rig_disk_wait_stalled(struct rig_disk *d)
{
    struct timespec until;
    int             waited = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += STALL_PATIENCE_S;
    pthread_mutex_lock(&d->lock);
    while (d->n_waiting == 0 && waited == 0)
        waited = pthread_cond_timedwait(&d->changed, &d->lock, &until);
    bool is_waiting = d->n_waiting > 0;
    pthread_mutex_unlock(&d->lock);
    return is_waiting;
}

void
rig_disk_fail(struct rig_disk *d, enum rig_fault what, uint64_t after, uint64_t count)
{
    pthread_mutex_lock(&d->lock);
    d->faults[what] = (struct fault){ .after = after, .count = count };
    pthread_mutex_unlock(&d->lock);
}

void
rig_disk_limit(struct rig_disk *d, size_t bytes)
{
    pthread_mutex_lock(&d->lock);
    d->limit = bytes;
    pthread_mutex_unlock(&d->lock);
}

size_t
rig_disk_used(struct rig_disk *d)
{
    pthread_mutex_lock(&d->lock);
    size_t n = used(d);
    pthread_mutex_unlock(&d->lock);
    return n;
}

void
rig_disk_lie(struct rig_disk *d, bool is_lying)
{
    pthread_mutex_lock(&d->lock);
    d->is_lying = is_lying;
    pthread_mutex_unlock(&d->lock);
}

static bool
copy_out(const struct name *n)
{
    const struct rig_bytes *now = &n->now->image.now;
    FILE                   *f = fopen(n->path, "wbe");

    if (f == NULL)
        return false;
    bool is_written = now->n == 0 || fwrite(now->p, now->n, 1, f) == 1;
    return fclose(f) == 0 && is_written;
}

bool
rig_disk_copy_out(struct rig_disk *d)
{
    bool is_copied = true;

    pthread_mutex_lock(&d->lock);
    for (const struct name *n = d->names; n != NULL; n = n->next)
        is_copied = (n->now == NULL || copy_out(n)) && is_copied;
    pthread_mutex_unlock(&d->lock);
    return is_copied;
}

struct rig_disk_counts
rig_disk_counts(struct rig_disk *d)
{
    pthread_mutex_lock(&d->lock);
    struct rig_disk_counts counts = d->counts;
    pthread_mutex_unlock(&d->lock);
    return counts;
}
