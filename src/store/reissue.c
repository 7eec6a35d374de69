/* In two walks over the ops: the first gives new ids to what they create and notes their stamps; the second writes each anew,
 * chained from the new identity. Then the tables follow by the same two lists, so that it does not matter what has been
 * pruned. Everything is in one transaction: a crash leaves the journal as it was. */
#include "reissue.h"

#include "base/log.h"
#include "chain.h"
#include "folder.h"
#include "journal.h"
#include "journal_id.h"
#include "migrate.h"
#include "op.h"
#include "queries.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <unistd.h>

enum kind { USER, ROOM, MEMBER, MESSAGE, KINDS };   /* of ids */

enum { PAGE_OPS = 256 };

/* Statements on the journal's connection beside those of queries.h. temp.given: new ids; temp.stamp: what the ops wrote. */
#define QUERIES(X)                                                                                                        \
    X(R_MAKE_GIVEN, "CREATE TEMP TABLE given (kind INTEGER, old INTEGER, new INTEGER, PRIMARY KEY (kind, old)) WITHOUT ROWID") \
    X(R_MAKE_STAMP, "CREATE TEMP TABLE stamp (stamp INTEGER PRIMARY KEY)")                                                \
    X(R_BEGIN, "BEGIN IMMEDIATE")                                                                                         \
    X(R_COMMIT, "COMMIT")                                                                                                 \
    X(R_PAGE, "SELECT pos, seq, at, kind, version, body FROM journal WHERE node = ?1 AND pos > ?2 AND seq >= ?3"          \
              " ORDER BY pos LIMIT ?4")                                                                                   \
    X(R_GIVE, "INSERT INTO given (kind, old, new) VALUES (?1, ?2, ?3)")                                                   \
    X(R_NEW_ID, "SELECT new FROM given WHERE kind = ?1 AND old = ?2")                                                     \
    X(R_NOTE_STAMP, "INSERT OR IGNORE INTO stamp (stamp) VALUES (?1)")                                                    \
    X(R_WRITE, "UPDATE journal SET node = ?2, seq = ?3, room_id = ?4, user_id = ?5, body = ?6, chain = ?7 WHERE pos = ?1") \
    X(R_LAST_COMMON, "SELECT chain FROM journal WHERE node = ?1 AND seq = ?2")                                            \
    X(R_FLOOR, "SELECT floor_seq, floor_chain FROM origin WHERE node = ?1")                                               \
    X(R_FORGET_ORIGIN, "DELETE FROM origin WHERE node = ?1")                                                              \
    X(R_KEEP_ORIGIN, "INSERT INTO origin (node, seq, chain, floor_seq, floor_chain) VALUES (?1, ?2, ?3, 0, ?4)"           \
                     " ON CONFLICT (node) DO UPDATE SET seq = excluded.seq, chain = excluded.chain")                      \
    X(R_SELF, "UPDATE self SET uuid = ?1, epoch = 1, node = ?2, seq = ?3, chain = ?4, users = ?5, rooms = ?6, members = ?7," \
              " messages = ?8, pushed_seq = 0, centre_uuid = ?9, reissued_at = ?10, restored = 0")

enum {
#define X(name, sql) name,
    QUERIES(X)
#undef X
    R_COUNT
};

static const char *const texts[R_COUNT] = {
#define X(name, sql) [name] = sql,
    QUERIES(X)
#undef X
};

/* Columns that hold ids, by kind. */
static const struct { enum kind kind; const char *table, *column; } references[] = {
    { USER, "user", "id" },             { ROOM, "room", "id" },             { USER, "room", "created_by" },
    { ROOM, "room_count", "room_id" },  { ROOM, "member", "room_id" },      { USER, "member", "user_id" },
    { MEMBER, "member", "id" },         { USER, "member_span", "user_id" }, { ROOM, "member_span", "room_id" },
    { MESSAGE, "message", "id" },       { ROOM, "message", "room_id" },     { USER, "message", "sender_id" },
    { MESSAGE, "receipt", "message_id" }, { USER, "receipt", "user_id" },   { USER, "send_key", "user_id" },
    { USER, "online", "user_id" },
    { MESSAGE, "send_key", "message_id" }, { ROOM, "journal_also", "room_id" },
};

/* Values that the last writer wins: the stamps are those of our ops, the nodes become the new one. */
static const struct { const char *table, *stamp, *node; } stamped[] = {
    { "user", "email_stamp", "email_node" },       { "user", "username_stamp", "username_node" },
    { "user", "password_stamp", "password_node" }, { "member", "stamp", "node" },
};

struct reissue {
    struct db             db;
    struct store_reissue *r;
    struct self           self;         /* before */
    int64_t               given[KINDS]; /* new ids of each kind */
    int64_t               seq;          /* of the last op written anew */
    struct chain          chain;
    struct tb_buf         body;
};

/* ---- ops, page by page ---- */

struct entry {
    int64_t   pos;
    struct op op;
};

/* Ops are read whole before anything is written, since the walk is over the rows that change. */
static enum tb_code
each_op(struct reissue *s, enum tb_code (*each)(struct reissue *, struct entry *, struct tb_err *), struct tb_err *e)
{
    struct entry page[PAGE_OPS];
    int64_t      after = 0;
    size_t       n = 1;

    while (n > 0 && e->code == TB_OK) {
        struct tb_arena mem = { 0 };
        sqlite3_stmt   *st = db_query(&s->db, R_PAGE, ARGS(I(s->self.node), I(after), I(s->r->from), I(PAGE_OPS)), e);
        for (n = 0; db_next(&s->db, st, e); n++) {
            struct entry *p = &page[n];
            if (op_parse((int)db_col_int(st, 3), (int)db_col_int(st, 4), db_col_text(st, 5), &mem, &p->op, e) != TB_OK) {
                db_done(st);
                break;
            }
            after = p->pos = db_col_int(st, 0);
            p->op.node = s->self.node, p->op.seq = db_col_int(st, 1), p->op.at = db_col_int(st, 2);
        }
        for (size_t i = 0; i < n && e->code == TB_OK; i++)
            TB_TRY(each(s, &page[i], e));
        tb_arena_fini(&mem);
    }
    return e->code;
}

/* ---- the first walk ---- */

static enum tb_code
give(struct reissue *s, enum kind kind, int64_t old, struct tb_err *e)
{
    int64_t new = (int64_t)s->r->node << ID_COUNTER_BITS | ++s->given[kind];
    return db_run(&s->db, R_GIVE, ARGS(I((int64_t)kind), I(old), I(new)), e);
}

static enum tb_code
note_stamp(struct reissue *s, int64_t stamp, struct tb_err *e)
{
    return db_run(&s->db, R_NOTE_STAMP, ARGS(I(stamp)), e);
}

static enum tb_code
look_at(struct reissue *s, struct entry *p, struct tb_err *e)
{
    const struct op *op = &p->op;

    switch (op->kind) {
    case OP_USER_REGISTERED:
        return give(s, USER, op->user_registered.id, e) == TB_OK ? note_stamp(s, op->at, e) : e->code;
    case OP_ROOM_CREATED:
        return give(s, ROOM, op->room_created.id, e);
    case OP_MEMBER_JOINED:
        return give(s, MEMBER, op->member_joined.id, e) == TB_OK ? note_stamp(s, op->member_joined.stamp, e) : e->code;
    case OP_MEMBER_LEFT:
        return note_stamp(s, op->member_left.stamp, e);
    case OP_PASSWORD_CHANGED:
        return note_stamp(s, op->password_changed.stamp, e);
    case OP_PROFILE_CHANGED:
        return note_stamp(s, op->profile_changed.stamp, e);
    case OP_MESSAGE_SENT:
        return give(s, MESSAGE, op->message_sent.id, e);
    case OP_EMAIL_PARKED:
    case OP_DELIVERED:
    case OP_READ:
    case OP_LAST_SEEN:
    case OP_PARKED:
    case OP_KIND_COUNT:
        break;
    }
    return TB_OK;
}

/* ---- the second walk ---- */

static void
renew(struct reissue *s, enum kind kind, int64_t *id, struct tb_err *e)
{
    int64_t new = 0;
    bool    found = false;

    if (e->code == TB_OK && db_int(&s->db, R_NEW_ID, ARGS(I((int64_t)kind), I(*id)), &new, &found, e) == TB_OK && found)
        *id = new;
}

static void
renew_receipts(struct reissue *s, struct op *op, struct tb_err *e)
{
    for (size_t i = 0; i < op->receipts.n; i++) {
        struct op_receipts *of = &op->receipts.of[i];
        renew(s, ROOM, &of->room_id, e);
        renew(s, USER, &of->user_id, e);
        for (size_t k = 0; k < of->n; k++)
            renew(s, MESSAGE, &of->message_ids[k], e);
    }
}

static void
renew_ids(struct reissue *s, struct op *op, struct tb_err *e)
{
    switch (op->kind) {
    case OP_USER_REGISTERED:
        renew(s, USER, &op->user_registered.id, e);
        return;
    case OP_PASSWORD_CHANGED:
        renew(s, USER, &op->password_changed.user_id, e);
        return;
    case OP_PROFILE_CHANGED:
        renew(s, USER, &op->profile_changed.user_id, e);
        return;
    case OP_EMAIL_PARKED:
        renew(s, USER, &op->email_parked.user_id, e);
        return;
    case OP_ROOM_CREATED:
        renew(s, ROOM, &op->room_created.id, e);
        renew(s, USER, &op->room_created.created_by, e);
        return;
    case OP_MEMBER_JOINED:
        renew(s, MEMBER, &op->member_joined.id, e);
        renew(s, ROOM, &op->member_joined.room_id, e);
        renew(s, USER, &op->member_joined.user_id, e);
        renew(s, USER, &op->member_joined.by_id, e);
        return;
    case OP_MEMBER_LEFT:
        renew(s, ROOM, &op->member_left.room_id, e);
        renew(s, USER, &op->member_left.user_id, e);
        renew(s, USER, &op->member_left.by_id, e);
        return;
    case OP_MESSAGE_SENT:
        renew(s, MESSAGE, &op->message_sent.id, e);
        renew(s, ROOM, &op->message_sent.room_id, e);
        renew(s, USER, &op->message_sent.sender_id, e);
        return;
    case OP_DELIVERED:
    case OP_READ:
        renew_receipts(s, op, e);
        return;
    case OP_LAST_SEEN:
        for (size_t i = 0; i < op->last_seen.n; i++)
            renew(s, USER, &op->last_seen.users[i].user_id, e);
        return;
    case OP_PARKED:
    case OP_KIND_COUNT:
        return;
    }
}

static struct db_arg
int_or_null(int64_t v)
{
    return v != 0 ? (struct db_arg)I(v) : (struct db_arg)NUL;
}

static enum tb_code
write_anew(struct reissue *s, struct entry *p, struct tb_err *e)
{
    struct op *op = &p->op;

    renew_ids(s, op, e);
    if (e->code != TB_OK)
        return e->code;
    op->node = s->r->node;
    op->seq = ++s->seq;
    tb_buf_clear(&s->body);
    op_write(op, &s->body);
    s->chain = chain_next(&s->chain, op->node, op->seq, op->at, (int)op->kind, op->version, tb_buf_str(&s->body));
    return db_run(&s->db, R_WRITE,
                  ARGS(I(p->pos), I(op->node), I(op->seq), int_or_null(op_room(op)), int_or_null(op_user(op)),
                       T(tb_buf_str(&s->body)), B(s->chain.bytes, CHAIN_SIZE)),
                  e);
}

/* ---- the tables ---- */

static enum tb_code
exec(struct reissue *s, struct tb_buf *sql, struct tb_err *e)
{
    TB_TRY(db_exec(&s->db, sql->p, e));
    tb_buf_clear(sql);
    return e->code;
}

static enum tb_code
renew_tables(struct reissue *s, struct tb_err *e)
{
    struct tb_buf sql = TB_BUF_INIT;

    for (size_t i = 0; i < sizeof references / sizeof *references && e->code == TB_OK; i++) {
        const char *t = references[i].table, *c = references[i].column;
        tb_buf_printf(&sql, "UPDATE %s SET %s = (SELECT new FROM given WHERE kind = %d AND old = %s.%s)"
                      " WHERE %s IN (SELECT old FROM given WHERE kind = %d)", t, c, (int)references[i].kind, t, c, c,
                      (int)references[i].kind);
        TB_TRY(exec(s, &sql, e));
    }
    for (size_t i = 0; i < sizeof stamped / sizeof *stamped && e->code == TB_OK; i++) {
        tb_buf_printf(&sql, "UPDATE %s SET %s = %" PRIu32 " WHERE %s = %" PRIu32 " AND %s IN (SELECT stamp FROM stamp)",
                      stamped[i].table, stamped[i].node, s->r->node, stamped[i].node, s->self.node, stamped[i].stamp);
        TB_TRY(exec(s, &sql, e));
    }
    tb_buf_printf(&sql, "UPDATE message SET node = %" PRIu32 ", seq = seq - %" PRId64 " WHERE node = %" PRIu32 " AND seq >= %"
                  PRId64 "; UPDATE message SET arrived_at = COALESCE((SELECT at FROM pushed p WHERE p.seq >= message.seq ORDER BY"
                  " p.seq LIMIT 1), %" PRId64 ") WHERE node = %" PRIu32 "; DELETE FROM pushed",
                  s->r->node, s->r->from - 1, s->self.node, s->r->from, tb_wall_ms(s->r->clock), s->self.node);
    if (e->code == TB_OK)
        TB_TRY(exec(s, &sql, e));
    tb_buf_fini(&sql);
    return e->code;
}

/* ---- who we are ---- */

static void
to_chain(struct chain *out, tb_str bytes)
{
    if (bytes.n == CHAIN_SIZE)
        memcpy(out->bytes, bytes.p, CHAIN_SIZE);
}

/* What stays under the old number is another site's from now on. */
static enum tb_code
leave_origin(struct reissue *s, struct tb_err *e)
{
    struct chain  start = chain_start(tb_str_of(s->self.uuid)), last = { 0 };
    int64_t       floor = 0, common = s->r->from - 1;
    bool          found = false;
    sqlite3_stmt *st = db_query(&s->db, R_FLOOR, ARGS(I(s->self.node)), e);

    if (db_next(&s->db, st, e)) {
        floor = db_col_int(st, 0);
        found = floor == common;
        to_chain(&last, db_col_text(st, 1));
        db_done(st);
    }
    if (e->code == TB_OK && floor > common)
        return tb_fail(e, TB_EIO, NULL, "own ops up to %" PRId64 " have left the journal, from %" PRId64 " on they were to be"
                       " re-issued", floor, s->r->from);
    if (common == 0)
        return e->code == TB_OK ? db_run(&s->db, R_FORGET_ORIGIN, ARGS(I(s->self.node)), e) : e->code;
    st = found ? NULL : db_query(&s->db, R_LAST_COMMON, ARGS(I(s->self.node), I(common)), e);
    if (!found && db_next(&s->db, st, e)) {
        to_chain(&last, db_col_text(st, 0));
        db_done(st);
        found = true;
    }
    if (e->code != TB_OK || !found)
        return e->code != TB_OK ? e->code : tb_fail(e, TB_EIO, NULL, "own op %" PRId64 " is not in the journal", common);
    return db_run(&s->db, R_KEEP_ORIGIN,
                  ARGS(I(s->self.node), I(common), B(last.bytes, CHAIN_SIZE), B(start.bytes, CHAIN_SIZE)), e);
}

static enum tb_code
become(struct reissue *s, struct tb_err *e)
{
    return db_run(&s->db, R_SELF,
                  ARGS(T(tb_str_of(s->r->journal_uuid)), I(s->r->node), I(s->seq), B(s->chain.bytes, CHAIN_SIZE),
                       I(s->given[USER]), I(s->given[ROOM]), I(s->given[MEMBER]), I(s->given[MESSAGE]),
                       T(tb_str_of(s->r->centre_uuid)), I(tb_wall_ms(s->r->clock))),
                  e);
}

/* ---- all of it ---- */

static enum tb_code
run(struct reissue *s, struct tb_err *e)
{
    if (s->r->node == s->self.node || s->r->from < 1 || s->r->from > s->self.seq + 1)
        return tb_fail(e, TB_EINTERNAL, NULL, "from %" PRId64 " as node %" PRIu32 ", but the journal has %" PRId64 " as node %"
                       PRIu32, s->r->from, s->r->node, s->self.seq, s->self.node);
    s->chain = chain_start(tb_str_of(s->r->journal_uuid));
    if (leave_origin(s, e) != TB_OK || each_op(s, look_at, e) != TB_OK || each_op(s, write_anew, e) != TB_OK ||
        renew_tables(s, e) != TB_OK)
        return e->code;
    return become(s, e);
}

static enum tb_code
transact(struct reissue *s, struct tb_err *e)
{
    if (db_run(&s->db, R_MAKE_GIVEN, NO_ARGS, e) != TB_OK || db_run(&s->db, R_MAKE_STAMP, NO_ARGS, e) != TB_OK ||
        db_run(&s->db, R_BEGIN, NO_ARGS, e) != TB_OK || run(s, e) != TB_OK)
        return e->code;         /* closing rolls back */
    return db_run(&s->db, R_COMMIT, NO_ARGS, e);
}

/* To this program's schema, and who it is. */
static enum tb_code
bring_up(const char *path, struct self *self, struct tb_err *e)
{
    struct db d = { 0 };

    if (db_open(&d, path, NULL, DB_READ_WRITE, store_query_texts, Q_COUNT, e) == TB_OK &&
        store_migrate(&d, store_migrations, e) == TB_OK)
        TB_TRY(journal_read_self(&d, self, e));
    db_close(&d);
    return e->code;
}

enum tb_code
store_reissue(struct store_reissue *r, struct tb_err *e)
{
    struct reissue *s = TB_NEW(struct reissue);
    struct tb_buf   path = TB_BUF_INIT;
    int             lock_fd = -1;

    s->r = r;
    tb_buf_printf(&path, "%s/tombolo.db", r->dir);
    if (sodium_init() < 0)
        tb_fail(e, TB_EINTERNAL, NULL, "libsodium does not start");
    else if (access(path.p, R_OK | W_OK) != 0)
        tb_fail(e, TB_EIO, NULL, errno == ENOENT ? "there is no journal at %s" : "%s may not be read and written", path.p);
    else if (store_folder_take(r->dir, &lock_fd, e) == TB_OK && bring_up(path.p, &s->self, e) == TB_OK &&
             r->choose(r->ctx, r, e) == TB_OK && journal_id_forget(r->dir, e) == TB_OK &&
             db_open(&s->db, path.p, NULL, DB_READ_WRITE, texts, R_COUNT, e) == TB_OK)
        TB_TRY(transact(s, e));
    db_close(&s->db);
    if (lock_fd >= 0)
        close(lock_fd);
    if (e->code == TB_OK) {
        r->n_ops = s->seq;
        r->n_users = s->given[USER], r->n_rooms = s->given[ROOM], r->n_messages = s->given[MESSAGE];
        log_info("store.reissued", "node=%" PRIu32 " from=%" PRId64 " ops=%" PRId64 " journal=%s", r->node, r->from, r->n_ops,
                 r->journal_uuid);
    }
    tb_buf_fini(&s->body);
    tb_buf_fini(&path);
    tb_free(s);
    return e->code;
}
