/* The last common op is found by halving: every op is chained to the one before, so where two are the same, all before them
 * are. A number that was taken at the centre and then not used, because the program was ended in between, is no harm. */
#include "rejoin.h"

#include "centre.h"
#include "target.h"

#include "base/log.h"
#include "store/inspect.h"
#include "store/reissue.h"

#include <inttypes.h>

struct joining {
    struct sync_rejoin       *r;
    struct sync_target       *target;
    struct sync_centre       *centre;
    struct store_inspector   *journal;
    struct store_identity     me;
    struct sync_centre_facts  facts;
    struct sync_floor floor; /* of our ops there */
};

/* ---- the last common op ---- */

struct found {
    bool    is_there;
    uint8_t chain[16];
};

static void
keep(struct found *f, const struct store_entry *entry)
{
    f->is_there = true;
    memcpy(f->chain, entry->chain, sizeof f->chain);
}

static enum tb_code
keep_here(void *ctx, const struct store_entry *entry, struct tb_err *e)
{
    (void)e;
    keep(ctx, entry);
    return TB_OK;
}

static void
keep_there(void *ctx, const struct store_entry *entry)
{
    keep(ctx, entry);
}

static enum tb_code
is_common(struct joining *j, int64_t seq, bool *out, struct tb_err *e)
{
    struct found here = { 0 }, there = { 0 };

    if (store_inspect_ops(j->journal, j->me.node, seq - 1, seq, keep_here, &here, e) != TB_OK ||
        j->target->ops->read_ops(j->target, j->me.node, seq - 1, seq, 1, SIZE_MAX, keep_there, &there, e) != TB_OK)
        return e->code;
    if (!here.is_there && seq <= j->me.pushed_seq) {
        *out = true;            /* it was at the centre before it left the journal */
        return TB_OK;
    }
    *out = here.is_there && there.is_there && memcmp(here.chain, there.chain, sizeof here.chain) == 0;
    return TB_OK;
}

/* Where ops have left op_log it has kept the last one's chain: that one must be common, or else nobody can say which is. */
static enum tb_code
check_floor(struct joining *j, int64_t upto, struct tb_err *e)
{
    struct found here = { 0 };

    if (store_inspect_ops(j->journal, j->me.node, j->floor.seq - 1, j->floor.seq, keep_here, &here, e) != TB_OK)
        return e->code;
    bool has_left_here = !here.is_there && j->floor.seq <= j->me.pushed_seq;
    bool is_same = here.is_there && memcmp(here.chain, j->floor.chain, sizeof here.chain) == 0;
    if (upto >= j->floor.seq && (has_left_here || is_same))
        return TB_OK;
    return tb_fail(e, TB_ECONFLICT, NULL,
                   "the centre has only kept our ops after %" PRId64 ", and they part before that: nobody"
                   " can say which of them are there; start with an empty folder",
                   j->floor.seq);
}

/* Of 1..upto; 0: none is. */
static enum tb_code
find_common(struct joining *j, int64_t upto, int64_t *out, struct tb_err *e)
{
    int64_t yes = j->floor.seq, no = upto + 1;

    if (j->floor.seq > 0 && check_floor(j, upto, e) != TB_OK)
        return e->code;

    while (no - yes > 1) {
        int64_t middle = yes + (no - yes) / 2;
        bool    is_same = false;
        if (is_common(j, middle, &is_same, e) != TB_OK)
            return e->code;
        if (is_same)
            yes = middle;
        else
            no = middle;
    }
    *out = yes;
    return TB_OK;
}

/* ---- a number ---- */

static enum tb_code
take_this_number(struct joining *j, const struct store_identity *as, struct tb_err *e)
{
    struct sync_place place;

    if (j->target->ops->enrol(j->target, as, &place, e) != TB_OK)
        return e->code;
    return strcmp(place.owner_uuid, as->journal_uuid) == 0
               ? TB_OK
               : tb_fail(e, TB_ECONFLICT, NULL, "node %" PRIu32 " belongs to journal %s", as->node, place.owner_uuid);
}

static enum tb_code
take_number(struct joining *j, struct store_reissue *out, struct tb_err *e)
{
    struct store_identity as = { .epoch = 1, .node = j->r->node };

    store_make_uuid(as.journal_uuid);
    memcpy(as.centre_uuid, j->facts.centre_uuid, sizeof as.centre_uuid);
    if (as.node != 0 && as.node != j->me.node ? take_this_number(j, &as, e) != TB_OK
                                              : j->target->ops->take_number(j->target, &as, &as.node, e) != TB_OK)
        return e->code;
    out->node = as.node;
    memcpy(out->journal_uuid, as.journal_uuid, sizeof out->journal_uuid);
    memcpy(out->centre_uuid, as.centre_uuid, sizeof out->centre_uuid);
    return TB_OK;
}

/* ---- joining ---- */

static enum tb_code
look(struct joining *j, struct tb_err *e)
{
    const struct sync_centre_settings settings = { .url = j->r->url, .connect_timeout_ms = j->r->connect_timeout_ms,
                                                   .io_timeout_ms = j->r->io_timeout_ms };

    if (store_inspect(j->r->dir, &j->journal, e) != TB_OK)
        return e->code;
    j->me = *store_inspect_identity(j->journal);
    if (j->target->ops->connect(j->target, e) != TB_OK || j->target->ops->migrate(j->target, e) != TB_OK ||
        sync_centre_open(&j->centre, &settings, e) != TB_OK ||
        sync_centre_facts(j->centre, j->me.node, &j->facts, e) != TB_OK)
        return e->code;
    return sync_centre_floor(j->centre, j->me.node, &j->floor, e);
}

/* The journal's number is nobody's there, or its own and what the centre has is a beginning of it, or the other way round: the
 * server puts that right by itself. */
static enum tb_code
judge(struct joining *j, struct tb_err *e)
{
    const struct sync_centre_facts *there = &j->facts;
    int64_t                         shorter = there->last_seq < j->me.own_seq ? there->last_seq : j->me.own_seq;
    bool                            is_ours = strcmp(there->journal_uuid, j->me.journal_uuid) == 0;

    j->r->was_needless = there->journal_uuid[0] == '\0' || j->me.own_seq == 0;
    if (j->r->was_needless)
        return TB_OK;
    if (is_ours && find_common(j, shorter, &j->r->common, e) != TB_OK) /* of two journals' chains nothing is the same */
        return e->code;
    j->r->was_needless = is_ours && j->r->common == shorter && there->epoch <= j->me.epoch;
    if (is_ours && j->r->common < j->me.pushed_seq && there->last_seq < j->me.pushed_seq)
        return tb_fail(e, TB_ECONFLICT, NULL, "the centre has our ops up to %" PRId64 ", but had them up to %" PRId64
                       ": it was restored from a backup; start the server, and it sends them again", there->last_seq,
                       j->me.pushed_seq);
    return TB_OK;
}

enum { NOTHING_TO_DO = TB_ENOTFOUND };      /* choose's way to leave the journal alone */

static enum tb_code
choose(void *ctx, struct store_reissue *out, struct tb_err *e)
{
    struct joining *j = ctx;

    if (look(j, e) != TB_OK || judge(j, e) != TB_OK)
        return e->code;
    if (j->r->was_needless)
        return tb_fail(e, (enum tb_code)NOTHING_TO_DO, NULL, "nothing to do");
    out->from = j->r->common + 1;
    enum tb_code code = take_number(j, out, e);
    store_inspect_end(&j->journal);         /* its read would be in the way of the write */
    return code;
}

enum tb_code
sync_rejoin(struct sync_rejoin *r, struct tb_err *e)
{
    struct sync_mysql_settings mysql = { .clock = r->clock, .connect_timeout_ms = r->connect_timeout_ms,
                                         .io_timeout_ms = r->io_timeout_ms };
    struct joining             j = { .r = r };
    struct store_reissue       re = { .dir = r->dir, .clock = r->clock, .choose = choose, .ctx = &j };

    if (sync_mysql_new(&j.target, tb_str_of(r->url), &mysql, e) != TB_OK)
        return e->code;
    enum tb_code code = store_reissue(&re, e);
    if (code != TB_OK && r->was_needless) {
        *e = (struct tb_err){ 0 };
        code = TB_OK;
    }
    r->node = r->was_needless ? j.me.node : re.node;
    r->n_ops = re.n_ops, r->n_users = re.n_users, r->n_rooms = re.n_rooms, r->n_messages = re.n_messages;
    store_inspect_end(&j.journal);
    sync_centre_close(&j.centre);
    j.target->ops->drop(j.target);
    j.target->ops->free(j.target);
    return code;
}
