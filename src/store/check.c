/* The tables are checked against the ops by replaying the journal through the one op_apply into a database beside the file and
 * comparing row by row: whatever apply does is thereby checked, and nothing is written twice here.
 * After pruning the replay knows less than the tables: then only rows that the remaining ops create are compared, and each
 * origin's chain goes on from its floor. Messages that have left leave the replay in the same way, before it is compared. */
#include "check.h"

#include "apply.h"
#include "chain.h"
#include "horizon.h"
#include "journal.h"
#include "migrate.h"
#include "queries.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>


struct origin_state {           /* how far one origin's ops have been followed */
    bool         is_started;
    int64_t      seq;
    struct chain chain;
};

struct check {
    struct db   db;             /* the journal, read only, in one transaction */
    struct db   replay;         /* what the ops make of an empty database */
    struct self self;
    bool        is_pruned;
    void      (*report)(void *ctx, tb_str line);
    void       *ctx;
    size_t      n_faults, n_of_part;
    struct origin_state origins[STORE_NODES];
    struct chain before; /* of the position before the one that is looked at */
    bool has_before;
};

static void __attribute__((format(printf, 2, 3)))
fault(struct check *c, const char *format, ...)
{
    char    line[400];
    va_list args;

    c->n_faults++;
    if (++c->n_of_part > CHECK_MAX_FAULTS)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    c->report(c->ctx, tb_str_of(line));
}

static void
begin_part(struct check *c)
{
    c->n_of_part = 0;
}

/* ---- rows of ad-hoc SQL ---- */

static enum tb_code
each_row(struct db *d, const char *sql, void (*row)(struct check *c, sqlite3_stmt *st, void *arg), struct check *c, void *arg,
         struct tb_err *e)
{
    sqlite3_stmt *st = NULL;
    int           rc = sqlite3_prepare_v2(d->sql, sql, -1, &st, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(st);
        if (rc == SQLITE_ROW)
            row(c, st, arg);
    }
    if (rc != SQLITE_DONE)
        db_fail(d, e, "check");
    sqlite3_finalize(st);
    return e->code;
}

static void
report_integrity(struct check *c, sqlite3_stmt *st, void *arg)
{
    tb_str text = db_col_text(st, 0);
    (void)arg;
    if (!tb_str_eq(text, TB_LIT("ok")))
        fault(c, "sqlite: " TB_STR_FMT, TB_STR_ARG(text));
}

/* ---- the chain, and the replay along with it ---- */

static enum tb_code
start_origin(struct check *c, uint32_t node, struct tb_err *e)
{
    struct origin_state *o = &c->origins[node];
    sqlite3_stmt        *st = db_query(&c->db, Q_FLOOR, ARGS(I(node)), e);

    o->is_started = true;
    if (db_next(&c->db, st, e)) {
        o->seq = db_col_int(st, 0);
        memcpy(o->chain.bytes, db_col_text(st, 1).p, CHAIN_SIZE);
        db_done(st);
    } else if (node == c->self.node) {
        o->chain = chain_start(tb_str_of(c->self.uuid));
    }
    return e->code;
}

static struct chain
stored_chain(sqlite3_stmt *st)
{
    struct chain chain = { 0 };
    tb_str stored = db_col_text(st, 7);

    if (stored.n == CHAIN_SIZE)
        memcpy(chain.bytes, stored.p, CHAIN_SIZE);
    return chain;
}

/* What came with the centre's tables has no ops here: without a seq, its beginning; with one, from there on that origin's ops
 * follow. */
static bool
is_mark(sqlite3_stmt *st)
{
    return db_col_int(st, 4) == OP_PARKED && db_col_text(st, 6).n == 0;
}

/* A row of the centre's tables has no place in its origin's order: it is chained to the position before it (take.c). */
static void
check_row(struct check *c, sqlite3_stmt *st, uint32_t node)
{
    struct chain stored = stored_chain(st);
    struct chain expected = chain_next(&c->before, node, 0, db_col_int(st, 3), (int)db_col_int(st, 4),
                                       (int)db_col_int(st, 5), db_col_text(st, 6));

    if (c->has_before && memcmp(&stored, &expected, sizeof stored) != 0)
        fault(c, "journal: position %" PRId64 " (a row of node %u): the content does not fit its chain",
              db_col_int(st, 0), (unsigned)node);
}

static void
check_link(struct check *c, sqlite3_stmt *st, struct origin_state *o, uint32_t node)
{
    int64_t      pos = db_col_int(st, 0), seq = db_col_int(st, 2);
    tb_str       stored = db_col_text(st, 7);
    struct chain expected = chain_next(&o->chain, node, seq, db_col_int(st, 3), (int)db_col_int(st, 4),
                                       (int)db_col_int(st, 5), db_col_text(st, 6));

    if (is_mark(st) ? seq <= o->seq : seq != o->seq + 1)
        fault(c, "journal: position %" PRId64 ": after seq %" PRId64 " of node %u comes %" PRId64, pos, o->seq,
              (unsigned)node, seq);
    bool is_whole = stored.n == CHAIN_SIZE && memcmp(stored.p, expected.bytes, CHAIN_SIZE) == 0;
    bool is_parked = db_col_int(st, 4) == OP_PARKED;    /* its chain is over the kind that it had */
    if (!is_whole && !is_parked)
        fault(c, "journal: position %" PRId64 " (node %u, seq %" PRId64 "): the content does not fit its chain", pos,
              (unsigned)node, seq);
    o->seq = seq;
    if (stored.n == CHAIN_SIZE)
        memcpy(o->chain.bytes, stored.p, CHAIN_SIZE);   /* go on from what is there, so that one fault is told once */
}

/* Another site's op that changed nothing which sockets hear of names no room. */
static bool
may_be_silent(const struct check *c, const struct op *op)
{
    return op->node != c->self.node && (op->kind == OP_MEMBER_JOINED || op->kind == OP_MEMBER_LEFT ||
                                        op->kind == OP_DELIVERED || op->kind == OP_READ);
}

/* What the row says beside its body, for finding it, is not under the chain: it must be what the body says. */
static void
check_about(struct check *c, sqlite3_stmt *st, const struct op *op)
{
    int64_t room = db_col_int(st, 8);

    if ((room != op_room(op) && !(room == 0 && may_be_silent(c, op))) || db_col_int(st, 9) != op_user(op))
        fault(c, "journal: position %" PRId64 ": its body is about another room or user than its row", db_col_int(st, 0));
}

static enum tb_code
replay_one(struct check *c, sqlite3_stmt *st, uint32_t node, struct tb_err *e)
{
    struct tb_arena mem = { 0 };
    struct tb_err   bad = { 0 };
    struct op       op;

    if (db_col_int(st, 4) == OP_PARKED)
        return TB_OK;           /* it has no effect here */
    if (op_parse((int)db_col_int(st, 4), (int)db_col_int(st, 5), db_col_text(st, 6), &mem, &op, &bad) != TB_OK) {
        fault(c, "journal: position %" PRId64 ": %s", db_col_int(st, 0), bad.why);
    } else {
        op.pos = db_col_int(st, 0), op.node = node, op.seq = db_col_int(st, 2), op.at = db_col_int(st, 3);
        check_about(c, st, &op);
        if (journal_add_to_rooms(&c->replay, &op, &bad) == TB_OK)
            TB_TRY(op_apply(&c->replay, &op, c->self.node, &bad));
        if (bad.code == TB_EIO)
            fault(c, "journal: position %" PRId64 " cannot be applied: %s", op.pos, bad.why);
        else if (bad.code != TB_OK)
            *e = bad;
    }
    tb_arena_fini(&mem);
    return e->code;
}

/* What we say that we have of other sites is what is there. */
static enum tb_code
check_vector(struct check *c, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(&c->db, Q_VECTOR, ARGS(I(c->self.node)), e);

    while (db_next(&c->db, st, e)) {
        int64_t node = db_col_int(st, 0), seq = db_col_int(st, 1);
        if (node < 0 || node >= STORE_NODES)
            fault(c, "origin: node %" PRId64 " is none", node);
        else if (!c->origins[node].is_started && start_origin(c, (uint32_t)node, e) != TB_OK)
            break;
        else if (c->origins[node].seq != seq)
            fault(c, "origin: node %" PRId64 " is said to stand at seq %" PRId64 ", its ops end at %" PRId64, node, seq,
                  c->origins[node].seq);
    }
    return e->code;
}

static enum tb_code
walk_journal(struct check *c, struct tb_err *e)
{
    sqlite3_stmt *st = NULL;
    int64_t       one;

    begin_part(c);
    if (db_int(&c->db, Q_IS_PRUNED, NO_ARGS, &one, &c->is_pruned, e) != TB_OK ||
        start_origin(c, c->self.node, e) != TB_OK)
        return e->code;
    st = db_query(&c->db, Q_TAIL, ARGS(I(0)), e);
    while (db_next(&c->db, st, e)) {
        int64_t node = db_col_int(st, 1);
        if (node < 0 || node >= STORE_NODES) {
            fault(c, "journal: position %" PRId64 ": node %" PRId64 " is none", db_col_int(st, 0), node);
            continue;
        }
        struct origin_state *o = &c->origins[node];
        if (!o->is_started && start_origin(c, (uint32_t)node, e) != TB_OK)
            break;
        c->is_pruned = c->is_pruned || is_mark(st);     /* not all rows have ops here */
        if (db_col_int(st, 2) == 0)
            check_row(c, st, (uint32_t)node);
        else
            check_link(c, st, o, (uint32_t)node);
        c->before = stored_chain(st);
        c->has_before = true;
        if (replay_one(c, st, (uint32_t)node, e) != TB_OK)
            break;
    }
    if (st != NULL)
        db_done(st);
    struct origin_state *own = &c->origins[c->self.node];
    if (own->seq != c->self.seq || memcmp(own->chain.bytes, c->self.chain.bytes, CHAIN_SIZE) != 0)
        fault(c, "self: its head is seq %" PRId64 ", the journal ends at %" PRId64, c->self.seq, own->seq);
    return e->code == TB_OK ? check_vector(c, e) : e->code;
}

/* ---- what has left the tables ---- */

/* A message that is not here has left if it lies below its node's floor and its room's horizon. */
static const char list_leaving[] =
    "CREATE TEMP TABLE leaving AS SELECT m.id, m.room_id, m.sender_id, m.hlc, m.pos FROM main.message m"
    " JOIN journal.history_floor f ON f.node = m.id >> 41 AND f.message_id >= m.id"
    " JOIN journal.room_horizon h ON h.room_id = m.room_id AND (h.hlc, h.message_id) >= (m.hlc, m.id)"
    " WHERE m.id NOT IN (SELECT id FROM journal.message)";

/* Receipts of messages that came before the replay begins. */
static const char drop_orphans[] =
    "DELETE FROM main.receipt WHERE EXISTS (SELECT 1 FROM journal.history_floor f WHERE f.node = message_id >> 41"
    " AND f.message_id >= message_id) AND message_id NOT IN (SELECT id FROM journal.message)";

static void
forget_one(struct check *c, sqlite3_stmt *st, void *arg)
{
    struct horizon_message m = { .id = db_col_int(st, 0), .room_id = db_col_int(st, 1), .sender_id = db_col_int(st, 2),
                                 .hlc = db_col_int(st, 3), .pos = db_col_int(st, 4) };
    struct tb_err         *e = arg;

    if (e->code == TB_OK)
        TB_TRY(horizon_forget(&c->replay, &m, e));
}

static enum tb_code
forget_what_has_left(struct check *c, struct tb_err *e)
{
    struct tb_err failed = { 0 };

    if (db_exec(&c->replay, list_leaving, e) != TB_OK ||
        each_row(&c->replay, "SELECT id, room_id, sender_id, hlc, pos FROM leaving", forget_one, c, &failed, e) != TB_OK)
        return e->code;
    if (failed.code != TB_OK)
        *e = failed;
    return e->code == TB_OK ? db_exec(&c->replay, drop_orphans, e) : e->code;
}

/* ---- the tables against the replay ---- */

static const struct {
    const char *table, *key;    /* key: what a report names */
    const char *columns;
    bool        hangs_on_order; /* not only which writes came, but after which, and those that came before may have left */
} tables[] = {
    { "journal_also", "'room ' || room_id || ', position ' || pos", "room_id, pos", false },
    { "user", "'id ' || id", "id, hlc, created_at, email, email_key, email_stamp, email_node, email_parked, username,"
                             " username_stamp, username_node, password, password_stamp, password_node, last_seen", false },
    { "room", "'id ' || id", "id, hlc, name, is_private, created_by, created_at", false },
    { "room_count", "'room ' || room_id", "room_id, messages, members", false },
    { "member", "'room ' || room_id || ', user ' || user_id",
      /* of one who is no member any more, what was counted depends on when messages left */
      "room_id, user_id, id, is_member, stamp, node, joined_at, join_pos, before, own,"
      " iif(is_member OR NOT EXISTS (SELECT 1 FROM journal.history_floor), read, 0)", false },
    { "member_span", "'room ' || room_id || ', user ' || user_id", "user_id, room_id, from_pos, to_pos", true },
    { "message", "'id ' || id", "id, room_id, sender_id, hlc, created_at, pos, seq, node, content,"
      " iif(node = (SELECT node FROM journal.self), arrived_at, 0)", false },
    { "room_horizon", "'room ' || room_id", "room_id, hlc, message_id", false },
    { "receipt", "'message ' || message_id || ', user ' || user_id", "message_id, user_id, delivered_at, read_at", false },
};

static void
report_difference(struct check *c, sqlite3_stmt *st, void *arg)
{
    fault(c, "%s: " TB_STR_FMT ": %s", (const char *)arg, TB_STR_ARG(db_col_text(st, 0)),
          db_col_int(st, 1) ? "the row is not what the ops make of it" : "the ops make a row that is not there");
}

/* Rows of one side that the other has not, in both directions; a changed row shows twice, so the second is left out. */
static enum tb_code
compare_tables(struct check *c, struct tb_err *e)
{
    struct tb_buf sql = TB_BUF_INIT;

    for (size_t i = 0; i < sizeof tables / sizeof *tables && e->code == TB_OK; i++) {
        const char *t = tables[i].table, *cols = tables[i].columns;
        char        name[32];
        if (c->is_pruned && tables[i].hangs_on_order)
            continue;
        begin_part(c);
        snprintf(name, sizeof name, "%s", t);
        tb_buf_clear(&sql);
        tb_buf_printf(&sql, "SELECT DISTINCT %s, 1 FROM (SELECT %s FROM journal.%s EXCEPT SELECT %s FROM main.%s)",
                      tables[i].key, cols, t, cols, t);
        if (!c->is_pruned && each_row(&c->replay, sql.p, report_difference, c, name, e) != TB_OK)
            break;
        tb_buf_clear(&sql);
        tb_buf_printf(&sql, "SELECT DISTINCT %s, 0 FROM (SELECT %s FROM main.%s EXCEPT SELECT %s FROM journal.%s) WHERE %s"
                            " NOT IN (SELECT %s FROM journal.%s)",
                      tables[i].key, cols, t, cols, t, tables[i].key, tables[i].key, t);
        TB_TRY(each_row(&c->replay, sql.p, report_difference, c, name, e));
    }
    tb_buf_fini(&sql);
    return e->code;
}

/* ---- the schema ---- */

static void
report_schema(struct check *c, sqlite3_stmt *st, void *arg)
{
    (void)arg;
    fault(c, "schema: " TB_STR_FMT " is not as this program makes it", TB_STR_ARG(db_col_text(st, 0)));
}

/* Its text decides what the tables keep and what their indexes find, so not a byte of it may differ either. Litestream keeps two
 * tables of its own in what it copies. */
static enum tb_code
compare_schema(struct check *c, struct tb_err *e)
{
    static const char sql[] =
        "SELECT name FROM (SELECT type, name, tbl_name, sql FROM journal.sqlite_schema"
        " WHERE tbl_name NOT IN ('_litestream_seq', '_litestream_lock')"
        " EXCEPT SELECT type, name, tbl_name, sql FROM main.sqlite_schema)"
        " UNION SELECT name FROM (SELECT type, name, tbl_name, sql FROM main.sqlite_schema"
        " EXCEPT SELECT type, name, tbl_name, sql FROM journal.sqlite_schema)";

    begin_part(c);
    return each_row(&c->replay, sql, report_schema, c, NULL, e);
}

/* ---- the row self ---- */

static void
check_count(struct check *c, sqlite3_stmt *st, void *arg)
{
    static const char *const kinds[] = { "user", "room", "member", "message" };
    const int64_t given[] = { c->self.users, c->self.rooms, c->self.members, c->self.messages };
    (void)arg;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (db_col_int(st, (int)i) > given[i])
            fault(c, "self: it says that %" PRId64 " ids of the kind %s were given, and number %" PRId64 " is there",
                  given[i], kinds[i], db_col_int(st, (int)i));
    if (db_col_int(st, 4) > c->self.hlc)
        fault(c, "self: its clock is behind an op of ours");
    if (c->self.pushed_seq > c->self.seq)
        fault(c, "self: seq %" PRId64 " is said to be at the centre, the journal ends at %" PRId64, c->self.pushed_seq,
              c->self.seq);
}

/* Were a counter or the clock behind what is there, ids would come twice or an order be turned round. */
static enum tb_code
check_self(struct check *c, struct tb_err *e)
{
    char sql[512];

    snprintf(sql, sizeof sql, "SELECT (SELECT MAX(id) FROM user WHERE id >> %1$d = %2$u) & %3$" PRId64
             ", (SELECT MAX(id) FROM room WHERE id >> %1$d = %2$u) & %3$" PRId64
             ", (SELECT MAX(id) FROM member WHERE id >> %1$d = %2$u) & %3$" PRId64
             ", (SELECT MAX(id) FROM message WHERE id >> %1$d = %2$u) & %3$" PRId64
             ", (SELECT MAX(at) FROM journal WHERE node = %2$u)",
             (int)ID_COUNTER_BITS, (unsigned)c->self.node, (INT64_C(1) << ID_COUNTER_BITS) - 1);
    begin_part(c);
    return each_row(&c->db, sql, check_count, c, NULL, e);
}

/* ---- references ---- */

/* Of another site's user or room nothing is promised: the centre may have parked what made them. Ours are here. */
#define OURS(id) " AND " id " >> 41 = (SELECT node FROM self)"

static const char *const references[][2] = {
    { "a message of no room", "SELECT id FROM message WHERE room_id NOT IN (SELECT id FROM room)" OURS("room_id") },
    { "a message of no user", "SELECT id FROM message WHERE sender_id NOT IN (SELECT id FROM user WHERE hlc > 0)" OURS("sender_id") },
    { "a member of no room", "SELECT id FROM member WHERE room_id NOT IN (SELECT id FROM room)" OURS("room_id") },
    { "a member who is no user", "SELECT id FROM member WHERE user_id NOT IN (SELECT id FROM user WHERE hlc > 0)" OURS("user_id") },
    { "a room by no user", "SELECT id FROM room WHERE created_by NOT IN (SELECT id FROM user WHERE hlc > 0)" OURS("created_by") },
    { "an idempotency key of no such message",
      "SELECT message_id FROM send_key k WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.id = k.message_id"
      " AND m.sender_id = k.user_id AND m.created_at / 86400000 = k.day)" },
    { "a receipt of no user",
      "SELECT message_id FROM receipt WHERE user_id NOT IN (SELECT id FROM user WHERE hlc > 0)" OURS("user_id") },
};

static void
report_reference(struct check *c, sqlite3_stmt *st, void *arg)
{
    fault(c, "reference: %s: id %" PRId64, (const char *)arg, db_col_int(st, 0));
}

static enum tb_code
check_references(struct check *c, struct tb_err *e)
{
    char what[64];

    begin_part(c);
    for (size_t i = 0; i < sizeof references / sizeof *references && e->code == TB_OK; i++) {
        snprintf(what, sizeof what, "%s", references[i][0]);
        TB_TRY(each_row(&c->db, references[i][1], report_reference, c, what, e));
    }
    return e->code;
}

/* ---- all of it ---- */

/* The replay's database is a temporary file of SQLite's own, so that a large journal does not need as much memory; the
 * journal is attached to it for the comparison. */
static enum tb_code
open_replay(struct check *c, const char *path, struct tb_err *e)
{
    struct tb_buf sql = TB_BUF_INIT;

    if (db_open(&c->replay, "", NULL, DB_READ_WRITE, store_query_texts, Q_COUNT, e) != TB_OK ||
        store_migrate(&c->replay, store_migrations, e) != TB_OK)
        return e->code;
    tb_buf_printf(&sql, "ATTACH '%s' AS journal", path);
    TB_TRY(db_exec(&c->replay, sql.p, e));
    tb_buf_fini(&sql);
    return e->code == TB_OK ? db_exec(&c->replay, "BEGIN", e) : e->code;
}

static enum tb_code
run(struct check *c, const char *path, struct tb_err *e)
{
    if (db_open(&c->db, path, NULL, DB_READ_ONLY, store_query_texts, Q_COUNT, e) != TB_OK ||
        store_schema_check(&c->db, e) != TB_OK || open_replay(c, path, e) != TB_OK ||
        db_run(&c->db, Q_BEGIN_READ, NO_ARGS, e) != TB_OK || journal_read_self(&c->db, &c->self, e) != TB_OK)
        return e->code;
    begin_part(c);
    if (each_row(&c->db, "PRAGMA integrity_check", report_integrity, c, NULL, e) != TB_OK ||
        compare_schema(c, e) != TB_OK || walk_journal(c, e) != TB_OK || forget_what_has_left(c, e) != TB_OK ||
        compare_tables(c, e) != TB_OK || check_self(c, e) != TB_OK)
        return e->code;
    return check_references(c, e);
}

enum tb_code
store_check(const char *dir, void (*report)(void *ctx, tb_str line), void *ctx, size_t *n_faults, struct tb_err *e)
{
    struct check *c = TB_NEW(struct check);
    struct tb_buf path = TB_BUF_INIT;

    c->report = report;
    c->ctx = ctx;
    tb_buf_printf(&path, "%s/tombolo.db", dir);
    *e = (struct tb_err){ 0 };
    if (sodium_init() < 0)
        tb_fail(e, TB_EINTERNAL, NULL, "libsodium does not start");
    else if (access(path.p, R_OK) != 0)
        tb_fail(e, TB_EIO, NULL, "there is no journal that can be read at %s", path.p);
    else
        TB_TRY(run(c, path.p, e));
    *n_faults = c->n_faults;
    db_close(&c->replay);
    db_close(&c->db);
    tb_buf_fini(&path);
    tb_free(c);
    return e->code;
}
