/* Bodies of inspect.h. */
#include "inspect.h"

#include "hlc.h"
#include "inspector.h"
#include "migrate.h"
#include "queries.h"
#include "requests.h"

#include <errno.h>
#include <unistd.h>

static enum tb_code
open_journal(struct store_inspector *i, const char *dir, struct tb_err *e)
{
    struct tb_buf path = TB_BUF_INIT;

    *e = (struct tb_err){ 0 };
    tb_buf_printf(&path, "%s/tombolo.db", dir);
    if (access(path.p, R_OK) != 0)
        tb_fail(e, errno == ENOENT ? TB_ENOTFOUND : TB_EIO, NULL, errno == ENOENT ? "there is no journal at %s" : "%s may not be read",
                path.p);
    else
        TB_TRY(db_open(&i->db, path.p, NULL, DB_READ_ONLY, store_query_texts, Q_COUNT, e));
    tb_buf_fini(&path);
    return e->code;
}

static enum tb_code
read_floor(struct store_inspector *i, struct tb_err *e)
{
    bool found;

    identity_of(&i->own, &i->identity);
    return db_int(&i->db, Q_FLOOR, ARGS(I(i->own.node)), &i->identity.floor_seq, &found, e);
}

enum tb_code
store_inspect(const char *dir, struct store_inspector **out, struct tb_err *e)
{
    struct store_inspector *i = TB_NEW(struct store_inspector);

    if (open_journal(i, dir, e) != TB_OK || store_schema_check(&i->db, e) != TB_OK ||
        compare_add_functions(&i->db, e) != TB_OK || db_run(&i->db, Q_BEGIN_READ, NO_ARGS, e) != TB_OK ||
        journal_read_self(&i->db, &i->own, e) != TB_OK || read_floor(i, e) != TB_OK) {
        store_inspect_end(&i);
        return tb_wrap(e, "journal");
    }
    *out = i;
    return TB_OK;
}

void
store_inspect_end(struct store_inspector **i)
{
    if (*i == NULL)
        return;
    sqlite3_finalize((*i)->list);
    db_close(&(*i)->db);
    tb_free(*i);
    *i = NULL;
}

const struct store_identity *
store_inspect_identity(const struct store_inspector *i)
{
    return &i->identity;
}

/* A number for each of some nodes. */
static enum tb_code
each_node(struct store_inspector *i, sqlite3_stmt *st, void (*each)(void *ctx, uint32_t node, int64_t v), void *ctx,
          struct tb_err *e)
{
    while (db_next(&i->db, st, e))
        each(ctx, (uint32_t)db_col_int(st, 0), db_col_int(st, 1));
    return e->code;
}

enum tb_code
store_inspect_origins(struct store_inspector *i, void (*each)(void *ctx, uint32_t node, int64_t seq), void *ctx,
                      struct tb_err *e)
{
    return each_node(i, db_query(&i->db, Q_VECTOR, ARGS(I(i->own.node)), e), each, ctx, e);
}

enum tb_code
store_inspect_history_floors(struct store_inspector *i, void (*each)(void *ctx, uint32_t node, int64_t message_id), void *ctx,
                             struct tb_err *e)
{
    return each_node(i, db_query(&i->db, Q_HISTORY_FLOOR, NO_ARGS, e), each, ctx, e);
}

enum tb_code
store_inspect_log_floors(struct store_inspector *i, void (*each)(void *ctx, uint32_t node, int64_t seq), void *ctx,
                         struct tb_err *e)
{
    return each_node(i, db_query(&i->db, Q_LOG_FLOORS, NO_ARGS, e), each, ctx, e);
}

enum tb_code
store_inspect_claims(struct store_inspector *i, int64_t after, size_t max, void (*each)(void *ctx, const struct store_claim *),
                     void *ctx, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(&i->db, Q_CLAIMS_AFTER, ARGS(I(after), I((int64_t)max)), e);

    while (db_next(&i->db, st, e)) {
        struct store_claim claim = { .user_id = db_col_int(st, 0), .stamp = db_col_int(st, 1), .node = db_col_int(st, 2),
                                     .is_parked = db_col_int(st, 3) != 0, .key = db_col_text(st, 4) };
        each(ctx, &claim);
    }
    return e->code;
}

enum tb_code
store_inspect_conflicts(struct store_inspector *i, void (*each)(void *ctx, const struct store_conflict *), void *ctx,
                        struct tb_err *e)
{
    sqlite3_stmt *st = db_query(&i->db, Q_CONFLICTS, NO_ARGS, e);

    while (db_next(&i->db, st, e)) {
        struct store_conflict c = { .id = db_col_int(st, 0), .username = db_col_text(st, 1), .email = db_col_text(st, 2),
                                    .since = hlc_ms(db_col_int(st, 3)) };
        each(ctx, &c);
    }
    return e->code;
}

enum tb_code
store_inspect_count_conflicts(struct store_inspector *i, int64_t *out, struct tb_err *e)
{
    bool found;
    return db_int(&i->db, Q_CONFLICT_COUNT, NO_ARGS, out, &found, e);
}

static enum tb_code
each_account(struct store_inspector *i, sqlite3_stmt *st, store_account_fn *each, void *ctx, struct tb_err *e)
{
    int64_t now_ms = tb_wall_ms(&tb_clock_system);

    while (db_next(&i->db, st, e)) {
        struct store_account a = { .user = { .id = db_col_int(st, 0), .created_at = db_col_int(st, 1),
                                             .last_seen = seen_by(now_ms, db_col_int(st, 2)), .email = db_col_text(st, 3),
                                             .username = db_col_text(st, 4) },
                                   .is_parked = db_col_int(st, 5) != 0 };
        a.user.is_disabled = db_col_int(st, 6) != 0;
        each(ctx, &a);
    }
    return e->code;
}

enum tb_code
store_inspect_accounts(struct store_inspector *i, const struct store_accounts *which, store_account_fn *each, void *ctx,
                       struct tb_err *e)
{
    return each_account(i, db_query(&i->db, Q_ACCOUNTS, ARGS(I(which->after), I(which->only_parked), T(which->match),
                                                             I(which->limit)), e), each, ctx, e);
}

enum tb_code
store_inspect_email(struct store_inspector *i, tb_str email, store_account_fn *each, void *ctx, struct tb_err *e)
{
    struct tb_arena mem = { 0 };

    TB_TRY(each_account(i, db_query(&i->db, Q_ACCOUNTS_OF_EMAIL, ARGS(T(op_email_key(email, &mem))), e), each, ctx, e));
    tb_arena_fini(&mem);
    return e->code;
}

int64_t
store_inspect_head(const struct store_inspector *i)
{
    return i->own.head_pos;
}

static enum tb_code
hand_on(sqlite3_stmt *st, enum tb_code (*each)(void *ctx, const struct store_entry *, struct tb_err *e), void *ctx,
        struct tb_err *e)
{
    struct store_entry entry = {
        .pos = db_col_int(st, 0), .node = (uint32_t)db_col_int(st, 1), .seq = db_col_int(st, 2), .at = db_col_int(st, 3),
        .kind = (int)db_col_int(st, 4), .version = (int)db_col_int(st, 5), .body = db_col_text(st, 6),
    };
    tb_str chain = db_col_text(st, 7);

    if (chain.n == sizeof entry.chain)
        memcpy(entry.chain, chain.p, sizeof entry.chain);
    return each(ctx, &entry, e);
}

/* Every own op took a position of its own, so op seq cannot stand before position seq. Another's may: a site that joined late
 * has none of its first ones. */
enum tb_code
store_inspect_ops(struct store_inspector *i, uint32_t node, int64_t after, int64_t upto,
                  enum tb_code (*each)(void *ctx, const struct store_entry *, struct tb_err *e), void *ctx, struct tb_err *e)
{
    int64_t       from = node == i->own.node ? after : 0;
    sqlite3_stmt *st = db_query(&i->db, Q_OPS_BETWEEN, ARGS(I(from), I(node), I(after), I(upto)), e);

    while (db_next(&i->db, st, e)) {
        if (hand_on(st, each, ctx, e) != TB_OK) {
            db_done(st);
            break;
        }
    }
    return e->code;
}
