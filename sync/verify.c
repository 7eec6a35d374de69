/* Two walks side by side over the same list in the same order. Where a group of rows differs (a room, a message's receipts)
 * the rows themselves are walked, so what is alike costs one hash a room. A row that is only on one side by the order of the list
 * may still be on the other under another key (a message in another room, say): before it is called missing it is looked up.
 *
 * Memory: a page of the centre's rows for each depth of walking, and the keys of what is on its way. */
#include "verify.h"

#include "store/op.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

static const char *const thing_names[SYNC_THING_COUNT] = {
    [SYNC_USER] = "user", [SYNC_ROOM] = "room", [SYNC_MEMBER] = "member", [SYNC_MESSAGE] = "message", [SYNC_RECEIPT] = "receipt",
    [SYNC_CLAIM] = "claim", [SYNC_OP] = "op",
};

const char *
sync_thing_name(enum sync_thing what)
{
    return thing_names[what];
}

const char *
sync_fault_name(enum sync_fault fault)
{
    switch (fault) {
    case SYNC_MISSING_THERE: return "missing there";
    case SYNC_MISSING_HERE:  return "missing here";
    case SYNC_DIFFERS:       return "differs";
    }
    abort();
}

struct touched {                /* a row that an op has written */
    int64_t         id, user_id;
    enum sync_thing what;
    bool            is_parked;  /* the op's effect was refused; otherwise it is on its way */
};

enum { ID_NODE_SHIFT = 41 };      /* DESIGN section 3 */

struct by_node { int64_t v[STORE_NODES]; };

struct verify {
    struct store_inspector *here;
    struct sync_centre     *there;
    struct touched         *touched;        /* sorted once all are known */
    size_t                  n_touched, cap_touched;
    bool                    is_parked;      /* of the op that is being taken */
    struct by_node          history_floor;  /* messages up to which have left this journal */
    struct by_node          here_upto, there_upto, here_floor, there_floor;     /* of each site's ops */
    void                  (*report)(void *ctx, const struct sync_difference *);
    void                   *ctx;
    struct sync_verified   *out;
};

/* ---- what is on its way ---- */

static enum tb_code
touch(struct verify *v, enum sync_thing what, int64_t id, int64_t user_id, struct tb_err *e)
{
    if (v->n_touched == SYNC_MAX_UNDERWAY)
        return tb_fail(e, TB_EBUSY, NULL, "more than %d rows are on their way between here and the centre: wait until sync is"
                       " level", SYNC_MAX_UNDERWAY);
    if (v->n_touched == v->cap_touched) {
        v->cap_touched = v->cap_touched ? 2 * v->cap_touched : 256;
        v->touched = tb_realloc(v->touched, v->cap_touched * sizeof *v->touched);
    }
    v->touched[v->n_touched++] = (struct touched){ .what = what, .id = id, .user_id = user_id, .is_parked = v->is_parked };
    return TB_OK;
}

static enum tb_code
touch_receipts(struct verify *v, const struct op *op, struct tb_err *e)
{
    for (size_t i = 0; i < op->receipts.n; i++) {
        const struct op_receipts *r = &op->receipts.of[i];
        for (size_t k = 0; k < r->n; k++)
            if (touch(v, SYNC_RECEIPT, r->message_ids[k], r->user_id, e) != TB_OK)
                return e->code;
    }
    return TB_OK;
}

static enum tb_code
touch_rows_of(struct verify *v, const struct op *op, struct tb_err *e)
{
    switch (op->kind) {
    case OP_USER_REGISTERED:  return touch(v, SYNC_USER, op->user_registered.id, 0, e);
    case OP_PASSWORD_CHANGED: return touch(v, SYNC_USER, op->password_changed.user_id, 0, e);
    case OP_PROFILE_CHANGED:  return touch(v, SYNC_USER, op->profile_changed.user_id, 0, e);
    case OP_EMAIL_PARKED:     return touch(v, SYNC_USER, op->email_parked.user_id, 0, e);
    case OP_ROOM_CREATED:     return touch(v, SYNC_ROOM, op->room_created.id, 0, e);
    case OP_MEMBER_JOINED:    return touch(v, SYNC_MEMBER, op->member_joined.room_id, op->member_joined.user_id, e);
    case OP_MEMBER_LEFT:      return touch(v, SYNC_MEMBER, op->member_left.room_id, op->member_left.user_id, e);
    case OP_MESSAGE_SENT:     return touch(v, SYNC_MESSAGE, op->message_sent.id, 0, e);
    case OP_DELIVERED:
    case OP_READ:             return touch_receipts(v, op, e);
    case OP_LAST_SEEN:
        for (size_t i = 0; i < op->last_seen.n; i++)
            if (touch(v, SYNC_USER, op->last_seen.users[i].user_id, 0, e) != TB_OK)
                return e->code;
        return TB_OK;
    case OP_PARKED:
    case OP_KIND_COUNT:       break;
    }
    return TB_OK;       /* parked: it writes nothing anywhere */
}

static enum tb_code
take_op(void *ctx, const struct store_entry *entry, struct tb_err *e)
{
    struct verify  *v = ctx;
    struct tb_arena mem = { 0 };
    struct op       op;

    if (entry->kind == OP_PARKED)
        return TB_OK;
    if (op_parse(entry->kind, entry->version, entry->body, &mem, &op, e) == TB_OK)
        TB_TRY(touch_rows_of(v, &op, e));
    tb_arena_fini(&mem);
    return e->code;
}

static void
take_by_node(void *ctx, uint32_t node, int64_t v)
{
    if (node < STORE_NODES)
        ((struct by_node *)ctx)->v[node] = v;
}

/* The side that is ahead has the ops that the other lacks. */
static enum tb_code
find_underway_of(struct verify *v, uint32_t node, int64_t here, int64_t there, struct tb_err *e)
{
    if (here > there)
        return store_inspect_ops(v->here, node, there, here, take_op, v, e);
    if (there > here)
        return sync_centre_ops(v->there, node, here, there, take_op, v, e);
    return TB_OK;
}

struct seqs {
    int64_t v[COMPARE_PAGE];
    size_t  n;
};

static void
take_parked(void *ctx, const struct sync_parked *p)
{
    struct seqs *s = ctx;
    s->v[s->n++] = p->seq;
}

static enum tb_code
find_parked(struct verify *v, uint32_t node, struct tb_err *e)
{
    struct seqs page = { .n = COMPARE_PAGE };

    v->is_parked = true;
    for (int64_t after = 0; page.n == COMPARE_PAGE && e->code == TB_OK;) {
        page.n = 0;
        if (sync_centre_parked(v->there, node, after, COMPARE_PAGE, take_parked, &page, e) != TB_OK)
            return e->code;
        for (size_t i = 0; i < page.n && e->code == TB_OK; i++)
            TB_TRY(store_inspect_ops(v->here, node, page.v[i] - 1, page.v[i], take_op, v, e));
        after = page.n > 0 ? page.v[page.n - 1] : after;
    }
    v->is_parked = false;
    return e->code;
}

static int
by_row(const void *va, const void *vb)
{
    const struct touched *a = va, *b = vb;

    if (a->what != b->what)
        return a->what < b->what ? -1 : 1;
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    return (a->user_id > b->user_id) - (a->user_id < b->user_id);
}

static enum tb_code
find_underway(struct verify *v, struct tb_err *e)
{
    const struct store_identity *me = store_inspect_identity(v->here);

    v->here_upto.v[me->node] = me->own_seq;
    if (store_inspect_origins(v->here, take_by_node, &v->here_upto, e) == TB_OK)
        TB_TRY(sync_centre_heads(v->there, take_by_node, &v->there_upto, e));
    for (uint32_t node = 0; node < STORE_NODES && e->code == TB_OK; node++)
        TB_TRY(find_underway_of(v, node, v->here_upto.v[node], v->there_upto.v[node], e));
    v->out->n_underway = (int64_t)v->n_touched;
    if (e->code == TB_OK)
        TB_TRY(find_parked(v, me->node, e));
    if (v->n_touched > 0)
        qsort(v->touched, v->n_touched, sizeof *v->touched, by_row);
    return e->code;
}

/* One row may have been touched several times: *is_underway if by any op that is on its way. */
static void
find_touched(const struct verify *v, const struct sync_difference *d, bool *is_underway, bool *is_parked)
{
    const struct touched key = { .what = d->what == SYNC_CLAIM ? SYNC_USER : d->what, .id = d->id, .user_id = d->user_id };
    size_t               low = 0, high = v->n_touched;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_row(&v->touched[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *is_underway = *is_parked = false;
    for (; low < v->n_touched && by_row(&v->touched[low], &key) == 0; low++) {
        *is_parked = *is_parked || v->touched[low].is_parked;
        *is_underway = *is_underway || !v->touched[low].is_parked;
    }
}

static bool
has_left(const struct verify *v, int64_t message_id)
{
    int64_t node = message_id >> ID_NODE_SHIFT;
    return node >= 0 && node < STORE_NODES && message_id <= v->history_floor.v[node];
}

static void
tell(struct verify *v, struct sync_difference d)
{
    bool is_underway;

    if (d.is == SYNC_MISSING_HERE && (d.what == SYNC_MESSAGE || d.what == SYNC_RECEIPT) && has_left(v, d.id)) {
        v->out->n_pruned++;
        return;
    }
    find_touched(v, &d, &is_underway, &d.is_parked);
    if (is_underway)
        return;
    v->out->n_differences++;
    v->report(v->ctx, &d);
}

/* ---- walking ---- */

/* One list on both sides. The centre's comes in pages; ours is begun anew after each page, since what is found in a walk may
 * walk another list, and an inspector has one at a time. */
struct walk {
    struct verify     *v;
    enum compare_list  list;
    int64_t            of;
    /* what differs; NULL: it is not on that side */
    enum tb_code     (*differ)(struct walk *w, const struct compare_row *here, const struct compare_row *there, struct tb_err *e);
    int                counted;     /* enum sync_thing whose rows are counted on the way, or -1 */
    struct compare_row here[COMPARE_PAGE], there[COMPARE_PAGE];
    size_t             n_here, n_there, at_here, at_there;
    bool               is_here_done, is_there_done;
    int64_t            after_here[2], after_there[2];
};

static enum tb_code
fill_here(struct walk *w, struct tb_err *e)
{
    w->n_here = w->at_here = 0;
    if (store_compare_begin(w->v->here, w->list, w->of, w->after_here, e) != TB_OK)
        return e->code;
    while (w->n_here < COMPARE_PAGE && store_compare_next(w->v->here, &w->here[w->n_here], e))
        w->n_here++;
    w->is_here_done = w->n_here < COMPARE_PAGE;
    if (w->n_here > 0)
        memcpy(w->after_here, w->here[w->n_here - 1].key, sizeof w->after_here);
    return e->code;
}

static enum tb_code
fill_there(struct walk *w, struct tb_err *e)
{
    w->at_there = 0;
    if (sync_centre_compare(w->v->there, w->list, w->of, w->after_there, COMPARE_PAGE, w->there, &w->n_there, e) != TB_OK)
        return e->code;
    w->is_there_done = w->n_there < COMPARE_PAGE;
    if (w->n_there > 0)
        memcpy(w->after_there, w->there[w->n_there - 1].key, sizeof w->after_there);
    return TB_OK;
}

/* So that both stand on a row, if there is one left. */
static enum tb_code
fill(struct walk *w, struct tb_err *e)
{
    if (w->at_here == w->n_here && !w->is_here_done && fill_here(w, e) != TB_OK)
        return e->code;
    if (w->at_there == w->n_there && !w->is_there_done && fill_there(w, e) != TB_OK)
        return e->code;
    return TB_OK;
}

static int
order(const struct compare_row *a, const struct compare_row *b)
{
    if (a->key[0] != b->key[0])
        return a->key[0] < b->key[0] ? -1 : 1;
    return (a->key[1] > b->key[1]) - (a->key[1] < b->key[1]);
}

static void
count(struct walk *w, const struct compare_row *here, const struct compare_row *there)
{
    if (w->counted < 0)
        return;
    w->v->out->rows[w->counted].here += here != NULL ? here->n : 0;
    w->v->out->rows[w->counted].there += there != NULL ? there->n : 0;
}

static enum tb_code
step(struct walk *w, struct tb_err *e)
{
    const struct compare_row *here = w->at_here < w->n_here ? &w->here[w->at_here] : NULL;
    const struct compare_row *there = w->at_there < w->n_there ? &w->there[w->at_there] : NULL;
    int                       which = here == NULL ? 1 : there == NULL ? -1 : order(here, there);

    if (which > 0)
        here = NULL;
    if (which < 0)
        there = NULL;
    w->at_here += here != NULL;
    w->at_there += there != NULL;
    count(w, here, there);
    if (here != NULL && there != NULL && here->n == there->n && here->hash == there->hash)
        return TB_OK;
    return w->differ(w, here, there, e);
}

static enum tb_code
walk(struct verify *v, enum compare_list list, int64_t of, int counted,
     enum tb_code (*differ)(struct walk *, const struct compare_row *, const struct compare_row *, struct tb_err *),
     struct tb_err *e)
{
    struct walk *w = TB_NEW(struct walk);

    *w = (struct walk){ .v = v, .list = list, .of = of, .differ = differ, .counted = counted };
    while (fill(w, e) == TB_OK && (w->at_here < w->n_here || w->at_there < w->n_there) && step(w, e) == TB_OK)
        ;
    tb_free(w);
    return e->code;
}

/* ---- what differs ---- */

static enum sync_fault
fault_of(const struct compare_row *here, const struct compare_row *there)
{
    return there == NULL ? SYNC_MISSING_THERE : here == NULL ? SYNC_MISSING_HERE : SYNC_DIFFERS;
}

static enum tb_code
tell_user_or_room(struct walk *w, const struct compare_row *here, const struct compare_row *there, struct tb_err *e)
{
    (void)e;
    tell(w->v, (struct sync_difference){ .what = w->list == COMPARE_USERS ? SYNC_USER : SYNC_ROOM,
                                         .is = fault_of(here, there), .id = (here != NULL ? here : there)->key[0] });
    return TB_OK;
}

static enum tb_code
tell_member(struct walk *w, const struct compare_row *here, const struct compare_row *there, struct tb_err *e)
{
    (void)e;
    tell(w->v, (struct sync_difference){ .what = SYNC_MEMBER, .is = fault_of(here, there), .id = w->of,
                                         .user_id = (here != NULL ? here : there)->key[0] });
    return TB_OK;
}

static enum tb_code
find_here(struct verify *v, enum compare_list list, int64_t of, const int64_t after[2], struct compare_row *out, bool *found,
          struct tb_err *e)
{
    if (store_compare_begin(v->here, list, of, after, e) != TB_OK)
        return e->code;
    *found = store_compare_next(v->here, out, e);
    return e->code;
}

static enum tb_code
find_there(struct verify *v, enum compare_list list, int64_t of, const int64_t after[2], struct compare_row *out, bool *found,
           struct tb_err *e)
{
    size_t n = 0;

    TB_TRY(sync_centre_compare(v->there, list, of, after, 1, out, &n, e));
    *found = n == 1;
    return e->code;
}

/* The key's hlc or the room may be what differs: then the walk meets it once on either side, and it is told once. */
static enum tb_code
tell_message(struct walk *w, const struct compare_row *here, const struct compare_row *there, struct tb_err *e)
{
    static const int64_t start[2];
    int64_t              id = (here != NULL ? here : there)->key[1];
    struct compare_row   other;
    bool                 is_elsewhere = false;

    if (there == NULL && find_there(w->v, COMPARE_MESSAGE, id, start, &other, &is_elsewhere, e) != TB_OK)
        return e->code;
    if (here == NULL && find_here(w->v, COMPARE_MESSAGE, id, start, &other, &is_elsewhere, e) != TB_OK)
        return e->code;
    if (here == NULL && is_elsewhere)
        return TB_OK;
    tell(w->v, (struct sync_difference){ .what = SYNC_MESSAGE, .id = id,
                                         .is = is_elsewhere ? SYNC_DIFFERS : fault_of(here, there) });
    return TB_OK;
}

static enum tb_code
tell_receipt(struct walk *w, const struct compare_row *here, const struct compare_row *there, struct tb_err *e)
{
    (void)e;
    tell(w->v, (struct sync_difference){ .what = SYNC_RECEIPT, .is = fault_of(here, there), .id = w->of,
                                         .user_id = (here != NULL ? here : there)->key[0] });
    return TB_OK;
}

/* Its message is not there. Where the other side has the message, the receipt was compared with the message's. */
static enum tb_code
tell_loose_receipt(struct walk *w, const struct compare_row *here, const struct compare_row *there, struct tb_err *e)
{
    const int64_t     *key = (here != NULL ? here : there)->key;
    const int64_t      before[2] = { key[1] - 1, 0 };
    struct compare_row other = { 0 };
    bool               found = false;

    if (there == NULL && find_there(w->v, COMPARE_RECEIPTS, key[0], before, &other, &found, e) != TB_OK)
        return e->code;
    if (here == NULL && find_here(w->v, COMPARE_RECEIPTS, key[0], before, &other, &found, e) != TB_OK)
        return e->code;
    if (found && other.key[0] == key[1])
        return TB_OK;
    tell(w->v, (struct sync_difference){ .what = SYNC_RECEIPT, .is = fault_of(here, there), .id = key[0], .user_id = key[1] });
    return TB_OK;
}

static enum tb_code
walk_receipts(struct walk *w, const struct compare_row *here, const struct compare_row *there, struct tb_err *e)
{
    int64_t message_id = (here != NULL ? here : there)->key[1];

    if (here == NULL && has_left(w->v, message_id)) {       /* all of them, without a look at each */
        w->v->out->n_pruned += there->n;
        return TB_OK;
    }
    return walk(w->v, COMPARE_RECEIPTS, message_id, -1, tell_receipt, e);
}

static enum tb_code
walk_room(struct walk *w, const struct compare_row *here, const struct compare_row *there, struct tb_err *e)
{
    int64_t room = (here != NULL ? here : there)->key[0];

    switch (w->list) {
    case COMPARE_ROOM_MEMBERS:  return walk(w->v, COMPARE_MEMBERS, room, -1, tell_member, e);
    case COMPARE_ROOM_MESSAGES: return walk(w->v, COMPARE_MESSAGES, room, -1, tell_message, e);
    default:                    return walk(w->v, COMPARE_MESSAGE_RECEIPTS, room, -1, walk_receipts, e);
    }
}

/* ---- ops ---- */

struct op_read {
    struct tb_arena    mem;
    struct store_entry entry;
    bool               is_there;
};

static enum tb_code
keep_op(void *ctx, const struct store_entry *entry, struct tb_err *e)
{
    struct op_read *r = ctx;

    (void)e;
    r->entry = *entry;
    r->entry.body = tb_arena_str(&r->mem, entry->body);
    r->is_there = true;
    return TB_OK;
}

static bool
is_same_op(const struct store_entry *a, const struct store_entry *b)
{
    bool is_same_kind = a->kind == b->kind || a->kind == OP_PARKED || b->kind == OP_PARKED;

    return is_same_kind && a->at == b->at && a->version == b->version && tb_str_eq(a->body, b->body) &&
           memcmp(a->chain, b->chain, sizeof a->chain) == 0;
}

/* Both sides have it, and it is not the same: unless that is because its effect was parked. */
static enum tb_code
look_at_op(struct verify *v, uint32_t node, int64_t seq, struct tb_err *e)
{
    struct op_read here = { 0 }, there = { 0 };

    if (store_inspect_ops(v->here, node, seq - 1, seq, keep_op, &here, e) == TB_OK)
        TB_TRY(sync_centre_ops(v->there, node, seq - 1, seq, keep_op, &there, e));
    if (e->code == TB_OK && !(here.is_there && there.is_there && is_same_op(&here.entry, &there.entry)))
        tell(v, (struct sync_difference){ .what = SYNC_OP, .is = SYNC_DIFFERS, .id = seq, .node = node });
    tb_arena_fini(&here.mem);
    tb_arena_fini(&there.mem);
    return e->code;
}

static enum tb_code
tell_op(struct walk *w, const struct compare_row *here, const struct compare_row *there, struct tb_err *e)
{
    struct verify *v = w->v;
    uint32_t       node = (uint32_t)(w->of >> COMPARE_NODE_SHIFT);
    int64_t        seq = (here != NULL ? here : there)->key[0];
    bool           is_underway = seq > v->here_upto.v[node] || seq > v->there_upto.v[node];
    bool           may_be_missing = seq <= (here == NULL ? v->here_floor.v[node] : v->there_floor.v[node]);

    if (here != NULL && there != NULL)
        return look_at_op(v, node, seq, e);
    if (!is_underway && !may_be_missing)
        tell(v, (struct sync_difference){ .what = SYNC_OP, .is = fault_of(here, there), .id = seq, .node = node });
    return TB_OK;
}

static enum tb_code
walk_span(struct walk *w, const struct compare_row *here, const struct compare_row *there, struct tb_err *e)
{
    return walk(w->v, COMPARE_OPS, compare_span(w->of, (here != NULL ? here : there)->key[0]), -1, tell_op, e);
}

static enum tb_code
walk_ops(struct verify *v, struct tb_err *e)
{
    if (store_inspect_log_floors(v->here, take_by_node, &v->here_floor, e) == TB_OK)
        TB_TRY(sync_centre_floors(v->there, take_by_node, &v->there_floor, e));
    for (int64_t node = 0; node < STORE_NODES && e->code == TB_OK; node++)
        if (v->here_upto.v[node] > 0 && v->there_upto.v[node] > 0)
            TB_TRY(walk(v, COMPARE_OP_SPANS, node, SYNC_OP, walk_span, e));
    return e->code;
}

/* ---- claims to e-mails ---- */

/* Users are compared by themselves, so it is enough to look for the claim of each that is here. */
struct claims {
    struct verify     *v;
    struct tb_arena    mem;
    struct store_claim of[COMPARE_PAGE];
    bool               is_there[COMPARE_PAGE];
    size_t             n, at;
};

static void
keep_claim(void *ctx, const struct store_claim *claim)
{
    struct claims *c = ctx;

    c->is_there[c->n] = false;
    c->of[c->n] = *claim;
    c->of[c->n++].key = tb_arena_str(&c->mem, claim->key);
}

static void
judge_claim(void *ctx, const struct sync_claim *there)
{
    struct claims *c = ctx;

    while (c->at < c->n && c->of[c->at].user_id < there->user_id)
        c->at++;
    if (c->at == c->n || c->of[c->at].user_id != there->user_id)
        return;
    const struct store_claim *here = &c->of[c->at];
    bool is_same = here->stamp == there->stamp && here->node == there->node &&
                   here->is_parked == (there->parked_stamp >= there->stamp);
    c->is_there[c->at] = true;
    if (!is_same)
        tell(c->v, (struct sync_difference){ .what = SYNC_CLAIM, .is = SYNC_DIFFERS, .id = here->user_id });
}

static enum tb_code
compare_page_of_claims(struct claims *c, struct tb_err *e)
{
    c->at = 0;
    if (sync_centre_claims(c->v->there, c->of, c->n, judge_claim, c, e) != TB_OK)
        return e->code;
    for (size_t i = 0; i < c->n; i++) {
        c->v->out->rows[SYNC_CLAIM].here++;
        c->v->out->rows[SYNC_CLAIM].there += c->is_there[i];
        if (!c->is_there[i])
            tell(c->v, (struct sync_difference){ .what = SYNC_CLAIM, .is = SYNC_MISSING_THERE, .id = c->of[i].user_id });
    }
    return TB_OK;
}

static enum tb_code
walk_claims(struct verify *v, struct tb_err *e)
{
    struct claims *c = TB_NEW(struct claims);
    int64_t        after = 0;

    c->v = v;
    do {
        tb_arena_fini(&c->mem);
        c->n = 0;
        if (store_inspect_claims(v->here, after, COMPARE_PAGE, keep_claim, c, e) == TB_OK && c->n > 0)
            TB_TRY(compare_page_of_claims(c, e));
        after = c->n > 0 ? c->of[c->n - 1].user_id : after;
    } while (e->code == TB_OK && c->n == COMPARE_PAGE);
    tb_arena_fini(&c->mem);
    tb_free(c);
    return e->code;
}

/* ---- all of it ---- */

static enum tb_code
check_is_ours(const struct verify *v, struct tb_err *e)
{
    const struct store_identity *me = store_inspect_identity(v->here);
    struct sync_centre_facts     f;

    if (sync_centre_facts(v->there, me->node, &f, e) != TB_OK)
        return e->code;
    if (f.schema == 0 || f.journal_uuid[0] == '\0' || me->centre_uuid[0] == '\0')
        return tb_fail(e, TB_ECONFLICT, NULL, "this journal has not enrolled at that centre");
    if (f.schema > sync_schema_known() + 1)
        return tb_fail(e, TB_EIO, NULL, "the centre has schema %" PRId64 ", this program knows up to %" PRId64
                       ": use a newer tombolo", f.schema, sync_schema_known());
    if (strcmp(me->centre_uuid, f.centre_uuid) != 0)
        return tb_fail(e, TB_ECONFLICT, NULL, "this journal belongs to centre %s, sync.url leads to centre %s",
                       me->centre_uuid, f.centre_uuid);
    if (strcmp(me->journal_uuid, f.journal_uuid) != 0)
        return tb_fail(e, TB_ECONFLICT, NULL, "node %" PRIu32 " of that centre belongs to journal %s, this is %s", me->node,
                       f.journal_uuid, me->journal_uuid);
    return TB_OK;
}

static const struct {
    enum compare_list list;
    enum sync_thing   counted;
    enum tb_code    (*differ)(struct walk *, const struct compare_row *, const struct compare_row *, struct tb_err *);
} walks[] = {
    { COMPARE_USERS, SYNC_USER, tell_user_or_room },
    { COMPARE_ROOMS, SYNC_ROOM, tell_user_or_room },
    { COMPARE_ROOM_MEMBERS, SYNC_MEMBER, walk_room },
    { COMPARE_ROOM_MESSAGES, SYNC_MESSAGE, walk_room },
    { COMPARE_ROOM_RECEIPTS, SYNC_RECEIPT, walk_room },
    { COMPARE_LOOSE_RECEIPTS, SYNC_RECEIPT, tell_loose_receipt },
};

enum tb_code
sync_verify(struct store_inspector *here, struct sync_centre *there,
            void (*report)(void *ctx, const struct sync_difference *), void *ctx, struct sync_verified *out, struct tb_err *e)
{
    struct verify *v = TB_NEW(struct verify);

    *v = (struct verify){ .here = here, .there = there, .report = report, .ctx = ctx, .out = out };
    *out = (struct sync_verified){ 0 };
    *e = (struct tb_err){ 0 };
    if (sync_centre_hold(there, e) == TB_OK && check_is_ours(v, e) == TB_OK && find_underway(v, e) == TB_OK)
        TB_TRY(store_inspect_history_floors(here, take_by_node, &v->history_floor, e));
    for (size_t i = 0; i < sizeof walks / sizeof *walks && e->code == TB_OK; i++)
        TB_TRY(walk(v, walks[i].list, 0, (int)walks[i].counted, walks[i].differ, e));
    if (e->code == TB_OK && walk_claims(v, e) == TB_OK)
        TB_TRY(walk_ops(v, e));
    tb_free(v->touched);
    tb_free(v);
    return e->code;
}
