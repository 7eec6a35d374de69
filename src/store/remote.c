/* What sync brings down: the ops of other sites, and our own when an older copy of the journal was restored. They are stored
 * byte for byte and go through the one op_apply, like those that are made here.
 */
#include "requests.h"

#include "base/json.h"
#include "base/log.h"
#include "claims.h"
#include "hlc.h"
#include "news.h"
#include "queries.h"
#include "vet.h"

#include <inttypes.h>
#include <sodium.h>

/* ---- origins ---- */

struct origin {                 /* how far one has been applied */
    uint32_t     node;
    int64_t      seq;
    struct chain chain, start;
    bool         has_moved;
    bool         is_doubted;    /* its clock, in this change */
    bool         is_told;       /* that an op of it was parked, in this change */
};

static enum tb_code
load_origin(struct journal *j, const struct store_origin *from, struct origin *out, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(&j->db, Q_ORIGIN, ARGS(I(from->node)), e);

    *out = (struct origin){ .node = from->node, .start = chain_start(tb_str_of(from->journal_uuid)) };
    out->chain = out->start;
    if (db_next(&j->db, st, e)) {
        tb_str chain = db_col_text(st, 1);
        out->seq = db_col_int(st, 0);
        if (chain.n == CHAIN_SIZE)
            memcpy(out->chain.bytes, chain.p, CHAIN_SIZE);
        db_done(st);
    }
    return e->code;
}

static enum tb_code
save_origin(struct journal *j, const struct origin *o, struct tb_err *e)
{
    return db_run(&j->db, Q_SET_ORIGIN,
                  ARGS(I(o->node), I(o->seq), B(o->chain.bytes, CHAIN_SIZE), B(o->start.bytes, CHAIN_SIZE)), e);
}

static struct origin *
find_origin(struct origin *origins, size_t n, uint32_t node)
{
    for (size_t i = 0; i < n; i++)
        if (origins[i].node == node)
            return &origins[i];
    return NULL;
}

/* ---- one op ---- */

/* Does it follow the op before it? What was parked keeps the chain that it had as what it was; where nobody knows any more
 * what that was, the op after it will tell. */
static enum tb_code
check_link(const struct store_entry *entry, int64_t seq, const struct chain *chain, struct tb_err *e)
{
    int          kind = entry->kind == OP_PARKED ? entry->parked_kind : entry->kind;
    struct chain next = chain_next(chain, entry->node, entry->seq, entry->at, kind, entry->version, entry->body);

    if (entry->seq != seq + 1)
        return tb_fail(e, TB_ECONFLICT, NULL, "after op %" PRId64 " of node %" PRIu32 " comes %" PRId64, seq, entry->node,
                       entry->seq);
    if (kind != OP_PARKED && sodium_memcmp(&next, entry->chain, CHAIN_SIZE) != 0)
        return tb_fail(e, TB_ECONFLICT, NULL, "op %" PRId64 " of node %" PRIu32 " does not follow the one before it here",
                       entry->seq, entry->node);
    return TB_OK;
}

static enum tb_code
read_op(const struct store_entry *entry, int kind, struct tb_arena *mem, struct op *out, struct tb_err *e)
{
    if (kind == OP_PARKED)
        *out = (struct op){ .kind = OP_PARKED, .version = entry->version };
    else if (op_parse(kind, entry->version, entry->body, mem, out, e) != TB_OK)
        return tb_wrap(e, "op %" PRId64 " of node %" PRIu32, entry->seq, entry->node);
    out->node = entry->node, out->seq = entry->seq, out->at = entry->at;
    return TB_OK;
}

/* A clock that is far ahead does not pull ours along. It is told once a change: a month of its ops would fill the log. */
static void
follow_clock(struct journal *j, struct origin *o, const struct store_entry *entry)
{
    bool doubtful = false, was_doubted = o->is_doubted;

    j->self.hlc = hlc_merge(j->self.hlc, entry->at, tb_wall_ms(j->clock), &doubtful);
    j->n_clock_doubts += doubtful;
    o->is_doubted = was_doubted || doubtful;
    if (doubtful && !was_doubted)
        log_warn("clock.remote_ahead", "node=%" PRIu32 " seq=%" PRId64 " ahead_ms=%" PRId64, entry->node, entry->seq,
                 hlc_ms(entry->at) - tb_wall_ms(j->clock));
}

static enum tb_code
take(struct journal *j, const struct store_entry *entry, struct op *op, bool is_silent, struct tb_err *e)
{
    struct chain chain;

    memcpy(chain.bytes, entry->chain, CHAIN_SIZE);
    if (journal_take(j, op, entry->body, &chain, is_silent, e) != TB_OK)
        return e->code;
    if (op->kind == OP_MESSAGE_SENT && op->node != j->self.node &&
        db_run(&j->db, Q_ARRIVED, ARGS(I(op->message_sent.id), I(tb_wall_ms(j->clock))), e) != TB_OK)
        return e->code;
    return is_silent || !news_is_for_sockets(op) ? TB_OK : news_announce(j, op, e);
}

/* ---- what is parked ---- */

/* Whoever knows more kinds and versions than this program may be right: their stream waits for a newer program. */
static bool
is_known(const struct store_entry *entry, int kind)
{
    return kind >= 0 && kind < OP_KIND_COUNT && entry->version >= 1 && entry->version <= OP_VERSION;
}

static enum tb_code
read_and_vet(struct journal *j, const struct store_entry *entry, int kind, enum vet_from from, struct tb_arena *mem,
             struct op *out, struct tb_err *e)
{
    if (vet_body(entry, e) != TB_OK || read_op(entry, kind, mem, out, e) != TB_OK)
        return e->code;
    return vet_op(j, out, from, e);
}

static void
write_reason(int kind, const char *why, struct tb_buf *out)
{
    struct tb_json json = tb_json_to(out);

    tb_json_open_object(&json);
    tb_json_key(&json, "parked");
    tb_json_str(&json, tb_str_of(op_kind_name((enum op_kind)kind)));
    tb_json_key(&json, "why");
    tb_json_str(&json, tb_str_of(why));
    tb_json_end_object(&json);
    tb_json_fini(&json);
}

/* It keeps its place in its origin's order, and its chain, so that what follows it fits; the reason stands where its body was. Its
 * time may be what was wrong with it. */
static enum tb_code
park(struct journal *j, const struct store_entry *entry, int kind, bool *is_told, struct tb_err *e)
{
    struct tb_buf reason = TB_BUF_INIT;
    struct store_entry parked = *entry;
    struct op op = { .kind = OP_PARKED, .version = OP_VERSION, .node = entry->node, .seq = entry->seq, .at = j->self.hlc };

    write_reason(kind, e->why, &reason);
    parked.body = tb_buf_str(&reason);
    j->n_refused++;
    if (!*is_told)
        log_warn("sync.op_unsound", "node=%" PRIu32 " seq=%" PRId64 " why=\"%s\"", entry->node, entry->seq, e->why);
    *is_told = true;
    *e = (struct tb_err){ 0 };
    TB_TRY(take(j, &parked, &op, true, e));
    tb_buf_fini(&reason);
    return e->code;
}

/* ---- ops of other sites ---- */

static enum tb_code
apply_one(struct journal *j, const struct store_entry *entry, struct op *op, struct tb_err *e)
{
    bool is_silent;

    if (news_judge_silent(j, op, &is_silent, e) == TB_OK && take(j, entry, op, is_silent, e) == TB_OK)
        TB_TRY(claims_judge(j, op, e));
    return e->code;
}

static enum tb_code
add_one(struct journal *j, struct origin *o, const struct store_entry *entry, struct tb_err *e)
{
    struct tb_arena mem = { 0 };
    struct op       op;

    follow_clock(j, o, entry);
    if (check_link(entry, o->seq, &o->chain, e) == TB_OK) {
        if (read_and_vet(j, entry, entry->kind, VET_OP, &mem, &op, e) == TB_OK)
            TB_TRY(apply_one(j, entry, &op, e));
        else if (e->code == TB_EINPUT && is_known(entry, entry->kind))
            TB_TRY(park(j, entry, entry->kind, &o->is_told, e));
    }
    tb_arena_fini(&mem);
    o->seq = entry->seq;
    memcpy(o->chain.bytes, entry->chain, CHAIN_SIZE);
    o->has_moved = true;
    return e->code;
}

enum tb_code
run_add_remote(struct journal *j, const struct store_settings *limits, struct store_add_remote *r)
{
    struct tb_err *e = &r->op.err;
    struct origin *origins = TB_ARENA_ARRAY(&r->op.mem, struct origin, r->n_origins);

    (void)limits;
    for (size_t i = 0; i < r->n_origins; i++)
        if (load_origin(j, &r->origins[i], &origins[i], e) != TB_OK)
            return e->code;
    for (size_t i = 0; i < r->n; i++) {
        const struct store_entry *entry = &r->entries[i];
        struct origin            *o = find_origin(origins, r->n_origins, entry->node);
        r->bad_node = entry->node;
        if (o == NULL || entry->node == j->self.node)
            return tb_fail(e, TB_EINTERNAL, NULL, "op %" PRId64 " of node %" PRIu32 " is none of another site", entry->seq,
                           entry->node);
        if (entry->seq <= o->seq)
            continue;
        if (add_one(j, o, entry, e) != TB_OK)
            return e->code;
        r->n_new++;
    }
    for (size_t i = 0; i < r->n_origins; i++)
        if (origins[i].has_moved && save_origin(j, &origins[i], e) != TB_OK)
            return e->code;
    return TB_OK;
}

/* ---- our own, back again ---- */

static enum tb_code
restore_sound(struct journal *j, const struct store_entry *entry, struct op *op, struct tb_err *e)
{
    if (take(j, entry, op, false, e) != TB_OK)
        return e->code;
    if (j->self.hlc < entry->at)
        j->self.hlc = entry->at;        /* ours was there already, however far ahead */
    journal_keep_counters(j, op);
    return TB_OK;
}

/* What the centre parked has its effect here, where it was made. */
static enum tb_code
restore_one(struct journal *j, const struct store_entry *entry, bool *is_told, struct tb_err *e)
{
    struct tb_arena mem = { 0 };
    struct op       op;
    int             kind = entry->kind == OP_PARKED ? entry->parked_kind : entry->kind;

    if (entry->node != j->self.node)
        return tb_fail(e, TB_EINTERNAL, NULL, "op %" PRId64 " of node %" PRIu32 " is not ours", entry->seq, entry->node);
    if (check_link(entry, j->self.seq, &j->self.chain, e) == TB_OK) {
        if (read_and_vet(j, entry, kind, VET_OWN, &mem, &op, e) == TB_OK)
            TB_TRY(restore_sound(j, entry, &op, e));
        else if (e->code == TB_EINPUT && is_known(entry, kind))
            TB_TRY(park(j, entry, kind, is_told, e));
        j->self.seq = entry->seq;
        memcpy(j->self.chain.bytes, entry->chain, CHAIN_SIZE);
    }
    tb_arena_fini(&mem);
    return e->code;
}

enum tb_code
run_restore_own(struct journal *j, const struct store_settings *limits, struct store_restore_own *r)
{
    bool is_told = false;

    (void)limits;
    j->is_restoring = true;
    for (size_t i = 0; i < r->n && r->op.err.code == TB_OK; i++)
        TB_TRY(restore_one(j, &r->entries[i], &is_told, &r->op.err));
    if (r->is_last || r->op.err.code != TB_OK)
        j->is_restoring = false;
    return r->op.err.code;
}

/* ---- who we are ---- */

enum tb_code
run_set_node(struct journal *j, const struct store_settings *limits, struct store_set_node *r)
{
    struct tb_err *e = &r->op.err;

    (void)limits;
    if (j->self.seq != 0 && r->node != j->self.node)
        return tb_fail(e, TB_ECONFLICT, NULL, "the journal has written %" PRId64 " ops as node %" PRIu32, j->self.seq,
                       j->self.node);
    if (db_run(&j->db, Q_SET_NODE, ARGS(I(r->node), T(tb_str_of(r->centre_uuid))), e) != TB_OK)
        return e->code;
    j->self.node = r->node;
    memcpy(j->self.centre_uuid, r->centre_uuid, sizeof j->self.centre_uuid);
    return TB_OK;
}

enum tb_code
run_set_parked(struct journal *j, const struct store_settings *limits, struct store_set_parked *r)
{
    struct tb_err *e = &r->op.err;

    (void)limits;
    if (db_run(&j->db, Q_FORGET_PARKED, NO_ARGS, e) != TB_OK)
        return e->code;
    for (size_t i = 0; i < r->n; i++)
        if (db_run(&j->db, Q_NOTE_PARKED, ARGS(I(r->seqs[i])), e) != TB_OK)
            return e->code;
    return TB_OK;
}

enum tb_code
run_set_epoch(struct journal *j, const struct store_settings *limits, struct store_set_epoch *r)
{
    (void)limits;
    if (db_run(&j->db, Q_SET_EPOCH, ARGS(I(r->epoch)), &r->op.err) != TB_OK)
        return r->op.err.code;
    j->self.epoch = r->epoch;
    j->self.restored = STORE_NOT_RESTORED;
    return TB_OK;
}

enum tb_code
run_go_alone(struct journal *j, const struct store_settings *limits, struct store_go_alone *r)
{
    (void)limits;
    if (db_run(&j->db, Q_SET_RESTORED, ARGS(I(STORE_NOT_RESTORED)), &r->op.err) == TB_OK)
        j->self.restored = STORE_NOT_RESTORED;
    return r->op.err.code;
}
