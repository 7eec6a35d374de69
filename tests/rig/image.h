#pragma once
/* One file on a disk that may lose power: what reads see, what the disk surely holds, and the writes between the two.
 * Threads: none of its own; the holder locks. Memory that runs out aborts the program. */
#include "random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rig_bytes {
    uint8_t *p;             /* bytes from n up to cap are 0 */
    size_t   n, cap;
};

struct rig_image {
    struct rig_bytes  now, durable;
    struct rig_write *log;              /* oldest first: applied to durable in order they give now */
    size_t            n_log, cap_log;
    uint64_t          log_start;        /* how many writes have left the log: position of log[0] */
    bool             *is_lost;          /* by page: a failed sync dropped what it held, see rig_image_forget */
    size_t            n_lost;
};

/* What a power cut does to writes that no sync has covered. */
enum rig_survival {
    RIG_KEEP_NONE,          /* the cache was never written */
    RIG_KEEP_ALL,           /* it was, just in time */
    RIG_KEEP_SOME,          /* each sector, and the file's size, on its own: old or new */
    RIG_KEEP_PREFIXES,      /* each on its own stands where some earlier write left it */
    RIG_SURVIVALS
};

/* One cut: the same for all files. Each sector is as one of the writes to it left it, or as it was synced: sectors are
 * never torn in themselves, but a write of several sectors may be, and a later write may survive an earlier one. A file
 * that was made shorter is so as a whole or not at all. */
struct rig_cut {
    enum rig_survival survival;
    uint32_t          sector;           /* bytes: 512 or 4096 */
    uint32_t          keep_percent;     /* chance of the new state under RIG_KEEP_SOME */
    uint64_t          seed;
};

struct rig_cut rig_cut_of(uint64_t seed);       /* any of the above, by chance */

/* A zeroed struct is an empty image. */
void rig_image_fini(struct rig_image *m);

size_t rig_image_read(const struct rig_image *m, uint64_t at, void *out, size_t n);     /* how many were there */
void   rig_image_write(struct rig_image *m, uint64_t at, const void *p, size_t n);
void   rig_image_resize(struct rig_image *m, uint64_t size);

/* A position in the order of writes, for the two below: a sync covers what was written before it began. */
uint64_t rig_image_mark(const struct rig_image *m);
void     rig_image_sync(struct rig_image *m, uint64_t mark);

/* What Linux does when a sync fails: the pages stay readable, but count as written. The next sync succeeds without them,
 * unless something writes to such a page once more: then the whole page goes. */
void rig_image_forget(struct rig_image *m, uint64_t mark);

/* The power goes: now and durable become what survived; file says which file it is, to make chance differ. */
void rig_image_cut(struct rig_image *m, const struct rig_cut *cut, uint64_t file);
