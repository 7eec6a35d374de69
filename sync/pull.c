/* A round fills `entries` with what has been read and merged; changes of up to STORE_REMOTE_MAX go to the store one after the
 * other, the next when the one before is durable, and when all have gone the next round begins. Memory is bounded by what a
 * round may read. After a refusal of the store the round is forgotten: the journal, asked anew, says what comes next. *
 * Where what we lack of a site has left op_log, the centre's tables are taken first, page by page in the same way: they hold all that
 * its ops did up to where it stood when the first page was read, and with the last page all sites' streams go on from there. Cut off,
 * it goes on with the page that was under way; a restart begins again, and passes over what is here. */
#include "pull.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/op.h"

#include <assert.h>
#include <inttypes.h>

#define MAX_SEQ ((INT64_C(1) << 53) - 1)

enum {
    ROUND_OPS = 2048,               /* that are read at once, of all sites together */
    ROUND_BYTES = 8 << 20,          /* of their bodies; one op of each site is always read */
    SITE_OPS_MIN = 16,              /* of one site, however many there are */
    SITES_MAX = 4096,
    NEWS_MS = 10000,                /* after the last news it is looked often */
    PAGE_ROWS = 1000,               /* of the centre's tables */
};

static const uint64_t edges[] = { TB_LATENCY_EDGES };
TB_HISTOGRAM(round_trips, TB_UNIT_US, edges, "tombolo_sync_round_trip_seconds",
             "The shortest question to the centre: where the other sites stand.");

struct stream {                     /* of one other site */
    struct store_origin origin;
    int64_t             have;       /* applied here */
    int64_t             told;       /* of that, what the centre knows */
    int64_t             head;       /* as of this round */
    int64_t floor;            /* likewise: what is not above it is no longer in op_log */
    uint8_t chain[16];        /* of the head */
    bool is_short;            /* the round before found a gap: if it was not about to leave op_log, it is lost */
    bool                is_refused; /* its ops do not fit what we have of it: left alone on this link */
    struct store_entry *read;       /* in this round */
    size_t              n_read, cap_read, n_merged;
};

struct taking { /* of the centre's tables */
    bool is_under_way;
    struct store_origin_at *goals; /* where all stood when it began: the tables hold that, at least */
    size_t n_goals;
    struct sync_rows_at at, next; /* up to at they are here, up to next once ops[] are */
    struct op *ops;               /* of the page; their text is in mem */
    size_t n_ops, cap_ops, n_handed;
    struct tb_arena mem;
    struct store_take_rows add;
    int64_t began_ms;
};

struct sync_pull {
    /* fixed */
    struct store          *store;
    const struct tb_clock *clock;
    struct sync_target    *target;
    struct tb_mailbox     *inbox;
    struct sync_facts     *facts;
    uint32_t own_node;      /* of this link */
    /* the round */
    struct stream      *streams;    /* by node */
    size_t              n_streams, cap_streams;
    struct tb_arena     mem;        /* of bodies; freed with the round */
    struct store_entry *entries;    /* merged */
    size_t              n, at;      /* entries[at..n) have not been handed over */
    struct store_origin *origins;
    size_t              n_origins;
    /* the change under way */
    struct store_add_remote add;
    bool                    is_adding;
    struct taking taking;
    /* when */
    int64_t due_ms;
    int64_t news_ms;        /* when there was something last */
    bool    is_new_link, is_closing;
};

static int64_t
now_ms(const struct sync_pull *p)
{
    return tb_mono_ms(p->clock);
}

/* Where something has come of late, more is likely. */
static void
wait_for_more(struct sync_pull *p)
{
    int64_t now = now_ms(p);

    p->due_ms = now + (now - p->news_ms < NEWS_MS ? SYNC_PULL_BUSY_MS : SYNC_PULL_QUIET_MS);
}

/* ---- streams ---- */

static struct stream *
find_stream(struct sync_pull *p, uint32_t node)
{
    for (size_t i = 0; i < p->n_streams; i++)
        if (p->streams[i].origin.node == node)
            return &p->streams[i];
    return NULL;
}

static struct stream *
take_stream(struct sync_pull *p, uint32_t node)
{
    struct stream *s = find_stream(p, node);

    if (s != NULL || p->n_streams == SITES_MAX)
        return s;
    if (p->n_streams == p->cap_streams) {
        p->cap_streams = p->cap_streams ? 2 * p->cap_streams : 8;
        p->streams = tb_realloc(p->streams, p->cap_streams * sizeof *p->streams);
    }
    s = &p->streams[p->n_streams++];
    *s = (struct stream){ .origin.node = node };
    return s;
}

static void
note_have(void *ctx, uint32_t node, int64_t seq)
{
    struct stream *s = take_stream(ctx, node);

    if (s != NULL)
        s->have = seq;
}

/* A centre can say anything; a place that no site can have come to would be waited for for ever. */
static bool
is_of_another_site(const struct sync_pull *p, const struct sync_head *head)
{
    return head->node != p->own_node && head->node < STORE_NODES && head->last_seq >= 0 && head->last_seq <= MAX_SEQ;
}

static void
note_head(void *ctx, const struct sync_head *head)
{
    struct sync_pull *p = ctx;
    struct stream *s = is_of_another_site(p, head) ? take_stream(p, head->node) : NULL;

    if (s == NULL)
        return;
    s->head = head->last_seq;
    s->floor = head->floor;
    memcpy(s->chain, head->chain, sizeof s->chain);
    memcpy(s->origin.journal_uuid, head->journal_uuid, sizeof s->origin.journal_uuid);
}

static bool
is_behind(const struct stream *s)
{
    return !s->is_refused && s->head > s->have;
}

static bool
is_any_behind(const struct sync_pull *p)
{
    for (size_t i = 0; i < p->n_streams; i++)
        if (is_behind(&p->streams[i]))
            return true;
    return false;
}

static bool
is_any_below_floor(const struct sync_pull *p)
{
    for (size_t i = 0; i < p->n_streams; i++)
        if (is_behind(&p->streams[i]) && p->streams[i].have < p->streams[i].floor)
            return true;
    return false;
}

/* ---- a round ---- */

static void
forget_round(struct sync_pull *p)
{
    assert(!p->is_adding);
    for (size_t i = 0; i < p->n_streams; i++)
        p->streams[i].n_read = p->streams[i].n_merged = 0;
    p->n = p->at = 0;
    tb_arena_fini(&p->mem);
}

/* What the journal says that it has. The memory of this process may be wrong about a change that failed. */
static enum tb_code
begin_link(struct sync_pull *p, struct store_follower *f, struct tb_err *e)
{
    forget_round(p);
    for (size_t i = 0; i < p->n_streams; i++)
        tb_free(p->streams[i].read);
    p->n_streams = 0;
    p->facts->n_refused_streams = 0;
    p->is_new_link = false;
    return store_follow_vector(f, note_have, p, e);
}

static enum tb_code
tell_seen(struct sync_pull *p, const struct store_identity *me, struct tb_err *e)
{
    struct sync_seen *seen = tb_alloc((p->n_streams + 1) * sizeof *seen);
    size_t            n = 0;

    for (size_t i = 0; i < p->n_streams; i++)
        if (p->streams[i].have > p->streams[i].told)
            seen[n++] = (struct sync_seen){ .node = p->streams[i].origin.node, .seq = p->streams[i].have };
    if (n > 0 && p->target->ops->tell_seen(p->target, me, seen, n, e) == TB_OK)
        for (size_t i = 0; i < p->n_streams; i++)
            p->streams[i].told = p->streams[i].have;
    tb_free(seen);
    return e->code;
}

struct reading { struct sync_pull *pull; struct stream *stream; };

static void
keep_entry(void *ctx, const struct store_entry *entry)
{
    struct reading *r = ctx;
    struct stream  *s = r->stream;

    if (s->n_read == s->cap_read) {
        s->cap_read = s->cap_read ? 2 * s->cap_read : SITE_OPS_MIN;
        s->read = tb_realloc(s->read, s->cap_read * sizeof *s->read);
    }
    s->read[s->n_read] = *entry;
    s->read[s->n_read++].body = tb_arena_str(&r->pull->mem, entry->body);
}

static void
refuse_stream(struct sync_pull *p, struct stream *s, const char *why)
{
    if (s == NULL || s->is_refused)
        return;
    s->is_refused = true;
    p->facts->n_refused_streams++;
    s->n_read = 0;
    log_error("sync.stream_refused", "node=%" PRIu32 " at=%" PRId64 " why=\"%s\"", s->origin.node, s->have, why);
}

static enum tb_code
read_streams(struct sync_pull *p, size_t n_behind, struct tb_err *e)
{
    size_t max = ROUND_OPS / n_behind > SITE_OPS_MIN ? ROUND_OPS / n_behind : SITE_OPS_MIN;

    for (size_t i = 0; i < p->n_streams; i++) {
        struct reading r = { .pull = p, .stream = &p->streams[i] };
        if (!is_behind(r.stream))
            continue;
        if (p->target->ops->read_ops(p->target, r.stream->origin.node, r.stream->have, r.stream->head, max,
                                     ROUND_BYTES / n_behind, keep_entry, &r, e) != TB_OK)
            return e->code;
        if (r.stream->n_read > 0 && r.stream->read[0].seq == r.stream->have + 1) {
            r.stream->is_short = false;
        } else if (r.stream->is_short) {
            refuse_stream(p, r.stream, "the centre has lost what comes next of it");
        } else {
            r.stream->is_short = true;
            r.stream->n_read = 0;
        }
    }
    return TB_OK;
}

static bool
is_earlier(const struct store_entry *a, const struct store_entry *b)
{
    return a->at != b->at ? a->at < b->at : a->node < b->node;
}

/* Its last entry has been merged and more of it stands at the centre: what comes next might be earlier than the others'. */
static bool
is_cut(const struct stream *s)
{
    return is_behind(s) && s->n_merged == s->n_read && (s->n_read == 0 || s->read[s->n_read - 1].seq < s->head);
}

/* The stream with the earliest entry; NULL when there is none, or one of them is cut. */
static struct stream *
find_next(struct sync_pull *p)
{
    struct stream *best = NULL;

    for (size_t i = 0; i < p->n_streams; i++) {
        struct stream *s = &p->streams[i];
        if (is_cut(s))
            return NULL;
        if (s->n_merged < s->n_read && (best == NULL || is_earlier(&s->read[s->n_merged], &best->read[best->n_merged])))
            best = s;
    }
    return best;
}

/* Each site's own order is kept whatever its clock did. */
static void
merge(struct sync_pull *p)
{
    struct stream *s;
    size_t         n_all = 0;

    for (size_t i = 0; i < p->n_streams; i++)
        n_all += p->streams[i].n_read;
    p->entries = tb_realloc(p->entries, (n_all + 1) * sizeof *p->entries);
    p->origins = tb_realloc(p->origins, (p->n_streams + 1) * sizeof *p->origins);
    while ((s = find_next(p)) != NULL)
        p->entries[p->n++] = s->read[s->n_merged++];
    p->n_origins = 0;
    for (size_t i = 0; i < p->n_streams; i++)
        if (p->streams[i].n_merged > 0)
            p->origins[p->n_origins++] = p->streams[i].origin;
}

/* ---- handing over ---- */

static void hand_over(struct sync_pull *p);

static void
take_as_applied(struct sync_pull *p, const struct store_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct stream *s = find_stream(p, entries[i].node);
        if (s != NULL && entries[i].seq > s->have)
            s->have = entries[i].seq;
    }
}

static void
added(struct store_op *op)
{
    struct store_add_remote *r = TB_CONTAINER(op, struct store_add_remote, op);
    struct sync_pull        *p = TB_CONTAINER(r, struct sync_pull, add);

    p->is_adding = false;
    if (op->err.code == TB_OK) {
        take_as_applied(p, r->entries, r->n);
        p->facts->n_pulled += r->n_new;
        p->at += r->n;
        p->news_ms = now_ms(p);
        wait_for_more(p);
        if (is_any_behind(p))
            p->due_ms = now_ms(p);
    } else {
        if (op->err.code == TB_ECONFLICT || op->err.code == TB_EINPUT)
            refuse_stream(p, find_stream(p, r->bad_node), op->err.why);
        else                        /* a full disk, say: pulling waits until there is room */
            log_warn("sync.not_pulled", "ops=%zu why=\"%s\"", r->n, op->err.why);
        p->at = p->n;
        p->due_ms = now_ms(p) + SYNC_PULL_QUIET_MS;
    }
    store_op_fini(op);
    if (p->at < p->n && !p->is_new_link && !p->is_closing)
        hand_over(p);
}

static void
hand_over(struct sync_pull *p)
{
    size_t n = p->n - p->at < STORE_REMOTE_MAX ? p->n - p->at : STORE_REMOTE_MAX;

    p->add = (struct store_add_remote){
        .op = { .reply_to = p->inbox, .on_done = added }, .entries = p->entries + p->at, .n = n, .origins = p->origins,
        .n_origins = p->n_origins,
    };
    p->is_adding = true;
    p->due_ms = INT64_MAX;
    store_add_remote(p->store, &p->add);
}

/* ---- taking the tables ---- */

static void
end_taking(struct sync_pull *p)
{
    tb_free(p->taking.goals);
    tb_free(p->taking.ops);
    tb_arena_fini(&p->taking.mem);
    p->taking = (struct taking){ 0 };
    p->facts->is_taking = false;
}

static void
begin_taking(struct sync_pull *p)
{
    struct taking *t = &p->taking;

    end_taking(p);
    t->is_under_way = true;
    p->facts->is_taking = true;
    p->facts->n_taken = 0;
    t->began_ms = now_ms(p);
    t->goals = tb_alloc(p->n_streams * sizeof *t->goals);
    for (size_t i = 0; i < p->n_streams; i++) {
        const struct stream *s = &p->streams[i];
        if (s->head <= 0 || s->is_refused)
            continue;
        struct store_origin_at *to = &t->goals[t->n_goals++];
        *to = (struct store_origin_at){ .node = s->origin.node, .seq = s->head };
        memcpy(to->journal_uuid, s->origin.journal_uuid, sizeof to->journal_uuid);
        memcpy(to->chain, s->chain, sizeof to->chain);
        if (s->have < s->floor)
            log_warn("sync.taking_tables", "node=%" PRIu32 " have=%" PRId64 " op_log_begins_after=%" PRId64, to->node,
                     s->have, s->floor);
    }
}

/* A centre that was restored meanwhile holds less than we have been promised: then it begins again. */
static bool
holds_goals(struct sync_pull *p)
{
    for (size_t i = 0; i < p->taking.n_goals; i++) {
        const struct stream *s = find_stream(p, p->taking.goals[i].node);
        if (s == NULL || s->head < p->taking.goals[i].seq)
            return false;
    }
    return true;
}

static void
keep_row(void *ctx, const struct op *op)
{
    struct taking *t = &((struct sync_pull *)ctx)->taking;

    if (t->n_ops == t->cap_ops) {
        t->cap_ops = t->cap_ops ? 2 * t->cap_ops : PAGE_ROWS;
        t->ops = tb_realloc(t->ops, t->cap_ops * sizeof *t->ops);
    }
    t->ops[t->n_ops++] = *op;
}

static bool
is_about_user(const struct op *op)
{
    return op->kind == OP_USER_REGISTERED || op->kind == OP_PROFILE_CHANGED || op->kind == OP_PASSWORD_CHANGED ||
           op->kind == OP_EMAIL_PARKED || op->kind == OP_LAST_SEEN;
}

/* As many as fit into a change, but a user whole. */
static size_t
next_rows(const struct taking *t)
{
    size_t n = t->n_ops - t->n_handed;
    const struct op *rows = t->ops + t->n_handed;

    if (n <= STORE_REMOTE_MAX)
        return n;
    n = STORE_REMOTE_MAX;
    while (n > 1 && is_about_user(&rows[n]) && is_about_user(&rows[n - 1]) &&
           op_user(&rows[n]) == op_user(&rows[n - 1]))
        n--;
    return n;
}

static void hand_over_rows(struct sync_pull *p);

/* The journal says from now on that it has all up to there. */
static void
note_taken(struct sync_pull *p)
{
    struct taking *t = &p->taking;

    for (size_t i = 0; i < t->n_goals; i++) {
        struct stream *s = find_stream(p, t->goals[i].node);
        if (s != NULL && s->have < t->goals[i].seq)
            s->have = t->goals[i].seq;
    }
    log_warn("sync.took_tables", "rows=%" PRIuFAST64 " seconds=%" PRId64, (uint_fast64_t)p->facts->n_taken,
             (now_ms(p) - t->began_ms) / 1000);
    end_taking(p);
}

static void
took(struct store_op *op)
{
    struct store_take_rows *r = TB_CONTAINER(op, struct store_take_rows, op);
    struct sync_pull *p = TB_CONTAINER(r, struct sync_pull, taking.add);
    struct taking *t = &p->taking;

    p->is_adding = false;
    p->due_ms = now_ms(p);
    if (op->err.code != TB_OK) { /* the page is read again */
        log_warn("sync.not_taken", "rows=%zu why=\"%s\"", r->n, op->err.why);
        t->n_ops = t->n_handed = 0;
        p->due_ms += SYNC_PULL_QUIET_MS;
        store_op_fini(op);
        return;
    }
    p->facts->n_taken += r->n;
    t->n_handed += r->n;
    store_op_fini(op);
    if (t->n_handed < t->n_ops) {
        if (!p->is_closing)
            hand_over_rows(p);
        return;
    }
    t->at = t->next;
    t->n_ops = t->n_handed = 0;
    if (t->at.of == SYNC_ROWS_END)
        note_taken(p);
}

static void
hand_over_rows(struct sync_pull *p)
{
    struct taking *t = &p->taking;
    size_t n = next_rows(t);
    bool is_first = t->at.of == SYNC_ROWS_USERS && t->at.key[0] == 0 && t->n_handed == 0;
    bool is_last = t->next.of == SYNC_ROWS_END && t->n_handed + n == t->n_ops;

    t->add = (struct store_take_rows){ .op = { .reply_to = p->inbox, .on_done = took },
                                       .rows = t->ops + t->n_handed,
                                       .n = n,
                                       .is_first = is_first,
                                       .origins = t->goals,
                                       .n_origins = is_last ? t->n_goals : 0 };
    p->is_adding = true;
    p->due_ms = INT64_MAX;
    store_take_rows(p->store, &t->add);
}

static enum tb_code
take_page(struct sync_pull *p, struct tb_err *e)
{
    struct taking *t = &p->taking;

    tb_arena_fini(&t->mem);
    t->n_ops = t->n_handed = 0;
    t->next = t->at;
    if (p->target->ops->read_rows(p->target, &t->next, PAGE_ROWS, &t->mem, keep_row, p, e) != TB_OK)
        return e->code;
    p->due_ms = now_ms(p);
    if (t->n_ops == 0 && t->next.of != SYNC_ROWS_END)
        t->at = t->next;
    else if (!p->is_closing)
        hand_over_rows(p);
    return TB_OK;
}

/* ---- from outside ---- */

struct sync_pull *
sync_pull_new(const struct sync_engine_settings *with)
{
    struct sync_pull *p = TB_NEW(struct sync_pull);

    *p = (struct sync_pull){ .store = with->store, .clock = with->clock, .target = with->target, .inbox = with->inbox,
                             .facts = with->facts, .is_new_link = true, .news_ms = -NEWS_MS };
    return p;
}

void
sync_pull_free(struct sync_pull **pp)
{
    struct sync_pull *p = *pp;

    if (p == NULL)
        return;
    forget_round(p);
    end_taking(p);
    for (size_t i = 0; i < p->n_streams; i++)
        tb_free(p->streams[i].read);
    tb_free(p->streams);
    tb_free(p->entries);
    tb_free(p->origins);
    tb_free(p);
    *pp = NULL;
}

void
sync_pull_begin(struct sync_pull *p)
{
    p->is_new_link = true;
    if (!p->is_adding)
        p->due_ms = now_ms(p);
}

int64_t
sync_pull_due_ms(const struct sync_pull *p)
{
    return p->due_ms;
}

enum tb_code
sync_pull_step(struct sync_pull *p, struct store_follower *f, const struct store_identity *me, struct tb_err *e)
{
    size_t n_behind = 0;

    assert(!p->is_adding);
    p->own_node = me->node;
    if (p->is_new_link && begin_link(p, f, e) != TB_OK)
        return e->code;
    forget_round(p);
    for (size_t i = 0; i < p->n_streams; i++)
        p->streams[i].head = 0;
    int64_t begun_us = tb_mono_us(p->clock);
    if (p->target->ops->heads(p->target, me, note_head, p, e) != TB_OK)
        return e->code;
    tb_observe(&round_trips, 0, (uint64_t)(tb_mono_us(p->clock) - begun_us));
    if (tell_seen(p, me, e) != TB_OK)
        return e->code;
    if (p->taking.is_under_way ? !holds_goals(p) : is_any_below_floor(p))
        begin_taking(p);
    if (p->taking.is_under_way)
        return take_page(p, e);
    for (size_t i = 0; i < p->n_streams; i++)
        n_behind += is_behind(&p->streams[i]);
    wait_for_more(p);
    if (n_behind == 0)
        return TB_OK;
    if (read_streams(p, n_behind, e) != TB_OK)
        return e->code;
    merge(p);
    if (p->n > 0 && !p->is_closing)
        hand_over(p);
    return TB_OK;
}

void
sync_pull_stop(struct sync_pull *p)
{
    p->is_closing = true;
}

bool
sync_pull_awaits_store(const struct sync_pull *p)
{
    return p->is_adding;
}
