/* Bodies of image.h. What always holds, as long as no sync has failed: durable with the log applied in order is now. */
#include "image.h"

#include "tombolo/str.h"

#include <assert.h>
#include <string.h>

enum {
    PAGE = 4096,                /* what the kernel's cache writes back as one */
    SIZE_OF_FILE = -1,          /* pseudo sector: the size survives or not as sectors do */
};

struct rig_write {
    uint64_t at;
    size_t   n;
    uint8_t *p;                 /* NULL: the file was cut or grown to size `at` */
};

/* ---- bytes ---- */

static void
set_size(struct rig_bytes *b, size_t n)
{
    if (n > b->cap) {
        size_t cap = n > 2 * b->cap ? n : 2 * b->cap;
        b->p = tb_realloc(b->p, cap);
        memset(b->p + b->cap, 0, cap - b->cap);
        b->cap = cap;
    }
    if (n < b->n)
        memset(b->p + n, 0, b->n - n);
    b->n = n;
}

static void
put(struct rig_bytes *b, uint64_t at, const uint8_t *p, size_t n)
{
    if (n == 0)
        return;
    if (at + n > b->n)
        set_size(b, at + n);
    memcpy(b->p + at, p, n);
}

static void
apply(struct rig_bytes *b, const struct rig_write *w)
{
    if (w->p == NULL)
        set_size(b, w->at);
    else
        put(b, w->at, w->p, w->n);
}

/* ---- the log ---- */

static void
log_add(struct rig_image *m, uint64_t at, const uint8_t *p, size_t n)
{
    if (m->n_log == m->cap_log) {
        m->cap_log = m->cap_log ? 2 * m->cap_log : 64;
        m->log = tb_realloc(m->log, m->cap_log * sizeof *m->log);
    }
    struct rig_write *w = &m->log[m->n_log++];
    *w = (struct rig_write){ .at = at, .n = n };
    if (p != NULL) {
        w->p = tb_alloc(n ? n : 1);
        if (n > 0)
            memcpy(w->p, p, n);
    }
}

static void
log_drop(struct rig_image *m, size_t n)
{
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        tb_free(m->log[i].p);
    memmove(m->log, m->log + n, (m->n_log - n) * sizeof *m->log);
    m->n_log -= n;
    m->log_start += n;
}

void
rig_image_fini(struct rig_image *m)
{
    log_drop(m, m->n_log);
    tb_free(m->log);
    tb_free(m->is_lost);
    tb_free(m->now.p);
    tb_free(m->durable.p);
    *m = (struct rig_image){ 0 };
}

/* ---- reading and writing ---- */

size_t
rig_image_read(const struct rig_image *m, uint64_t at, void *out, size_t n)
{
    if (at >= m->now.n)
        return 0;
    size_t there = m->now.n - at < n ? m->now.n - at : n;
    memcpy(out, m->now.p + at, there);
    return there;
}

/* A page that a failed sync dropped becomes dirty again as a whole: its other bytes go with this write. */
static void
widen_to_lost_pages(struct rig_image *m, uint64_t at, size_t n)
{
    for (uint64_t page = at / PAGE; page * PAGE < at + n && page < m->n_lost; page++) {
        if (!m->is_lost[page])
            continue;
        m->is_lost[page] = false;
        size_t start = page * PAGE, end = start + PAGE < m->now.n ? start + PAGE : m->now.n;
        if (start < end)
            log_add(m, start, m->now.p + start, end - start);
    }
}

void
rig_image_write(struct rig_image *m, uint64_t at, const void *p, size_t n)
{
    put(&m->now, at, p, n);
    log_add(m, at, p, n);
    widen_to_lost_pages(m, at, n);
}

void
rig_image_resize(struct rig_image *m, uint64_t size)
{
    set_size(&m->now, size);
    log_add(m, size, NULL, 0);
}

/* ---- syncing ---- */

uint64_t
rig_image_mark(const struct rig_image *m)
{
    return m->log_start + m->n_log;
}

static size_t
covered(const struct rig_image *m, uint64_t mark)
{
    return mark <= m->log_start ? 0 : mark - m->log_start;
}

void
rig_image_sync(struct rig_image *m, uint64_t mark)
{
    size_t n = covered(m, mark);

    for (size_t i = 0; i < n; i++)
        apply(&m->durable, &m->log[i]);
    log_drop(m, n);
}

static void
mark_lost(struct rig_image *m, uint64_t at, size_t n)
{
    size_t pages = (at + n + PAGE - 1) / PAGE;

    if (pages > m->n_lost) {
        m->is_lost = tb_realloc(m->is_lost, pages * sizeof *m->is_lost);
        memset(m->is_lost + m->n_lost, 0, (pages - m->n_lost) * sizeof *m->is_lost);
        m->n_lost = pages;
    }
    for (size_t page = at / PAGE; page < pages; page++)
        m->is_lost[page] = true;
}

void
rig_image_forget(struct rig_image *m, uint64_t mark)
{
    size_t n = covered(m, mark);

    for (size_t i = 0; i < n; i++) {
        if (m->log[i].p != NULL && m->log[i].n > 0)
            mark_lost(m, m->log[i].at, m->log[i].n);
    }
    log_drop(m, n);
}

/* ---- the power cut ---- */

struct rig_cut
rig_cut_of(uint64_t seed)
{
    static const enum rig_survival often[] = { RIG_KEEP_NONE, RIG_KEEP_ALL,      RIG_KEEP_SOME,
                                               RIG_KEEP_SOME, RIG_KEEP_PREFIXES, RIG_KEEP_PREFIXES };
    struct rig_random r = { seed };
    struct rig_cut    cut;

    cut.survival = often[rig_random_below(&r, sizeof often / sizeof *often)];
    cut.sector = rig_random_below(&r, 2) ? 512 : 4096;
    cut.keep_percent = 1 + (uint32_t)rig_random_below(&r, 99);
    cut.seed = rig_random_next(&r);
    return cut;
}

/* How many of the n writes in the log this sector has seen. The same answer each time it is asked. */
static size_t
writes_seen(const struct rig_cut *cut, uint64_t file, int64_t sector, size_t n)
{
    struct rig_random r = { cut->seed ^ file * 0x9e3779b97f4a7c15 ^ (uint64_t)sector * 0xc2b2ae3d27d4eb4f };

    rig_random_next(&r);
    switch (cut->survival) {
    case RIG_KEEP_NONE:
        return 0;
    case RIG_KEEP_ALL:
        return n;
    case RIG_KEEP_SOME:
        return rig_random_below(&r, 100) < cut->keep_percent ? n : 0;
    case RIG_KEEP_PREFIXES:
        return rig_random_below(&r, n + 1);
    case RIG_SURVIVALS:
        break;
    }
    assert(!"a survival");
    return 0;
}

/* The sectors of one write that reached the disk. */
static void
apply_sectors(struct rig_bytes *b, const struct rig_image *m, size_t i, uint64_t limit, const struct rig_cut *cut,
              uint64_t file)
{
    const struct rig_write *w = &m->log[i];
    uint64_t                end = w->at + w->n < limit ? w->at + w->n : limit;

    for (uint64_t from = w->at; from < end;) {
        uint64_t next = (from / cut->sector + 1) * cut->sector, to = next < end ? next : end;
        if (i < writes_seen(cut, file, (int64_t)(from / cut->sector), m->n_log))
            memcpy(b->p + from, w->p + (from - w->at), to - from);
        from = to;
    }
}

/* File systems journal a new size: it holds for the whole file or not at all, in order. While one is missing, what was
 * written behind it later is in blocks that the file does not have yet. */
static void
apply_survivors(struct rig_bytes *b, const struct rig_image *m, const struct rig_cut *cut, uint64_t file)
{
    size_t   sizes_seen = writes_seen(cut, file, SIZE_OF_FILE, m->n_log);
    uint64_t limit = UINT64_MAX;

    for (size_t i = 0; i < m->n_log; i++) {
        const struct rig_write *w = &m->log[i];
        if (w->p != NULL)
            apply_sectors(b, m, i, limit, cut, file);
        else if (i >= sizes_seen)
            limit = w->at < limit ? w->at : limit;
        else if (w->at < b->n)
            memset(b->p + w->at, 0, b->n - w->at);
    }
}

static size_t
surviving_size(const struct rig_image *m, const struct rig_cut *cut, uint64_t file)
{
    size_t seen = writes_seen(cut, file, SIZE_OF_FILE, m->n_log), size = m->durable.n;

    for (size_t i = 0; i < seen; i++) {
        size_t end = m->log[i].at + m->log[i].n;
        if (m->log[i].p == NULL || (end > size && m->log[i].n > 0))
            size = end;
    }
    return size;
}

static size_t
largest_size(const struct rig_image *m)
{
    size_t size = m->durable.n;

    for (size_t i = 0; i < m->n_log; i++) {
        if (m->log[i].at + m->log[i].n > size)
            size = m->log[i].at + m->log[i].n;
    }
    return size;
}

void
rig_image_cut(struct rig_image *m, const struct rig_cut *cut, uint64_t file)
{
    struct rig_image left = { 0 };
    size_t           size = surviving_size(m, cut, file);

    set_size(&m->durable, largest_size(m));
    apply_survivors(&m->durable, m, cut, file);
    set_size(&m->durable, size);
    put(&left.durable, 0, m->durable.p, m->durable.n);
    put(&left.now, 0, m->durable.p, m->durable.n);
    rig_image_fini(m);
    *m = left;
}
