/* Rows are gathered by shape: one shape is one kind of upsert on one table. A shape's rows stand in one statement until
 * there are ROWS_PER_STATEMENT of them, then in the next. Adding an op is all or nothing: its rows are taken back when the
 * text has become too long.
 *
 * Grammar: what MySQL 8.4 and MariaDB 10.11 share. Rows that merge come as a derived table n, which ON DUPLICATE KEY
 * UPDATE may refer to on both (VALUES() is deprecated on one, a row alias unknown to the other). Its first arm has no row
 * and gives the columns their names, so that all others look alike. Assignments are evaluated from left to right and see
 * what was assigned before: a value comes first, then its node, then its stamp, since each looks at those after it.
 * Rows of one statement are taken one after the other, so the same key may come twice in it. */
#include "sql.h"

#include "store/op.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

/* More gain little (measured on MariaDB: 100 rows take 1.15 times as long as 256, 1000 take 0.95), and a parser that goes
 * down a step per UNION stays far from the end of its stack (MySQL: 1 MiB a thread). */
#define ROWS_PER_STATEMENT 256

/* START TRANSACTION, the fence and COMMIT are shorter than this together; counted so that max_bytes holds for the whole. */
#define FRAME_BYTES 1024

#define NEWER(table, value, stamp)                                       \
    "n." stamp ">`" table "`.`" value "_stamp` OR (n." stamp "=`" table "`.`" value "_stamp` AND n.node>`" table "`.`" \
    value "_node`)"

/* The last writer's value; from: its column in n. */
#define LAST_WRITER(table, value, from, stamp)                                                                  \
    "`" value "`=IF(" NEWER(table, value, stamp) ",n." from ",`" table "`.`" value "`),"                        \
    "`" value "_node`=IF(" NEWER(table, value, stamp) ",n.node,`" table "`.`" value "_node`),"                  \
    "`" value "_stamp`=GREATEST(`" table "`.`" value "_stamp`,n." stamp ")"

#define MEMBER_IF_NEWER(column, value)                                                                          \
    "`" column "`=IF(n.stamp>`member`.`stamp` OR (n.stamp=`member`.`stamp` AND n.node>`member`.`node`)," value  \
    ",`member`.`" column "`)"

#define EARLIEST(column) "`" column "`=LEAST(COALESCE(`receipt`.`" column "`," SQL_TIME("n.at") ")," SQL_TIME("n.at") ")"

#define NO_ROW " FROM DUAL WHERE 0=1"
#define TEXT   "_utf8mb4 X'' COLLATE utf8mb4_bin AS "

enum shape {
    SHAPE_USER, SHAPE_PASSWORD, SHAPE_EMAIL, SHAPE_USERNAME, SHAPE_SEEN, SHAPE_CLAIM, SHAPE_PARK, SHAPE_ROOM,
    SHAPE_MEMBER, SHAPE_MESSAGE, SHAPE_DELIVERED, SHAPE_READ, SHAPE_PARKED, SHAPE_LOG,
    SHAPE_COUNT
};

static const struct {
    const char *head, *before_row, *between, *after_row, *tail;
} shapes[SHAPE_COUNT] = {
#define MERGE(into, head_, names, tail_)                                                                        \
    { .head = "INSERT INTO " into " SELECT " head_ " FROM (SELECT " names NO_ROW, .before_row = " UNION ALL SELECT ", \
      .between = "", .after_row = "", .tail = ") n ON DUPLICATE KEY UPDATE " tail_ ";\n" }
#define APPEND(into, tail_)                                                                                     \
    { .head = "INSERT INTO " into " VALUES", .before_row = "(", .between = ",", .after_row = ")", .tail = tail_ ";\n" }

    [SHAPE_USER] = MERGE(
        "`user` (`id`,`hlc`,`created_at`,`email`,`email_stamp`,`email_node`,`username`,`username_stamp`,`username_node`,"
        "`password`,`password_stamp`,`password_node`)",
        "n.id,n.hlc," SQL_TIME("n.created") ",n.email,n.hlc,n.node,n.username,n.hlc,n.node,n.hash,n.hlc,n.node",
        "0 AS id,0 AS hlc,0 AS created,0 AS node," TEXT "email," TEXT "username," TEXT "hash",
        "`hlc`=n.hlc,`created_at`=" SQL_TIME("n.created") "," LAST_WRITER("user", "email", "email", "hlc") ","
        LAST_WRITER("user", "username", "username", "hlc") "," LAST_WRITER("user", "password", "hash", "hlc")),
    [SHAPE_PASSWORD] = MERGE(
        "`user` (`id`,`password`,`password_stamp`,`password_node`)", "n.id,n.hash,n.stamp,n.node",
        "0 AS id,0 AS stamp,0 AS node," TEXT "hash", LAST_WRITER("user", "password", "hash", "stamp")),
    [SHAPE_EMAIL] = MERGE(
        "`user` (`id`,`email`,`email_stamp`,`email_node`)", "n.id,n.email,n.stamp,n.node",
        "0 AS id,0 AS stamp,0 AS node," TEXT "email", LAST_WRITER("user", "email", "email", "stamp")),
    [SHAPE_USERNAME] = MERGE(
        "`user` (`id`,`username`,`username_stamp`,`username_node`)", "n.id,n.username,n.stamp,n.node",
        "0 AS id,0 AS stamp,0 AS node," TEXT "username", LAST_WRITER("user", "username", "username", "stamp")),
    [SHAPE_SEEN] = MERGE(
        "`user` (`id`,`last_seen`)", "n.id," SQL_TIME("n.at"), "0 AS id,0 AS at",
        "`last_seen`=GREATEST(COALESCE(`user`.`last_seen`," SQL_TIME("n.at") ")," SQL_TIME("n.at") ")"),
    [SHAPE_CLAIM] = MERGE(
        "`email_claim` (`key`,`user_id`,`stamp`,`node`)", "n.email,n.user,n.stamp,n.node",
        "0 AS user,0 AS stamp,0 AS node,X'' AS email",
        "`node`=IF(n.stamp>`email_claim`.`stamp` OR (n.stamp=`email_claim`.`stamp` AND n.node>`email_claim`.`node`),"
        "n.node,`email_claim`.`node`),`stamp`=GREATEST(`email_claim`.`stamp`,n.stamp)"),
    [SHAPE_PARK] = MERGE(
        "`email_claim` (`key`,`user_id`,`parked_stamp`)", "n.email,n.user,n.stamp", "0 AS user,0 AS stamp,X'' AS email",
        "`parked_stamp`=GREATEST(`email_claim`.`parked_stamp`,n.stamp)"),
    [SHAPE_ROOM] = MERGE(
        "`room` (`id`,`hlc`,`name`,`name_stamp`,`name_node`,`is_private`,`created_by`,`created_at`)",
        "n.id,n.hlc,n.name,n.hlc,n.node,n.private,n.creator," SQL_TIME("n.created"),
        "0 AS id,0 AS hlc,0 AS node,0 AS private,0 AS creator,0 AS created," TEXT "name",
        "`hlc`=n.hlc,`is_private`=n.private,`created_by`=n.creator,`created_at`=" SQL_TIME("n.created") ","
        LAST_WRITER("room", "name", "name", "hlc")),
    [SHAPE_MEMBER] = MERGE(
        "`member` (`room_id`,`user_id`,`id`,`is_member`,`by_id`,`joined_at`,`stamp`,`node`)",
        "n.room,n.user,n.id,n.joined,n.who,IF(n.joined=1," SQL_TIME("n.at") ",NULL),n.stamp,n.node",
        "0 AS room,0 AS user,0 AS id,0 AS joined,0 AS who,0 AS at,0 AS stamp,0 AS node",
        MEMBER_IF_NEWER("id", "n.id") "," MEMBER_IF_NEWER("is_member", "n.joined") "," MEMBER_IF_NEWER("by_id", "n.who") ","
        MEMBER_IF_NEWER("joined_at", "IF(n.joined=1," SQL_TIME("n.at") ",NULL)") "," MEMBER_IF_NEWER("node", "n.node") ","
        "`stamp`=GREATEST(`member`.`stamp`,n.stamp)"),
    [SHAPE_MESSAGE] = APPEND("`message` (`id`,`hlc`,`room_id`,`sender_id`,`created_at`,`content`)",
                             " ON DUPLICATE KEY UPDATE `id`=`message`.`id`"),
    [SHAPE_DELIVERED] = MERGE("`receipt` (`message_id`,`user_id`,`delivered_at`)", "n.message,n.user," SQL_TIME("n.at"),
                              "0 AS message,0 AS user,0 AS at", EARLIEST("delivered_at")),
    [SHAPE_READ] = MERGE("`receipt` (`message_id`,`user_id`,`delivered_at`,`read_at`)",
                         "n.message,n.user," SQL_TIME("n.at") "," SQL_TIME("n.at"), "0 AS message,0 AS user,0 AS at",
                         EARLIEST("delivered_at") "," EARLIEST("read_at")),     /* who has read it has it */
    [SHAPE_PARKED] = APPEND("`parked` (`node`,`seq`,`kind`,`code`,`reason`)",
                            " ON DUPLICATE KEY UPDATE `node`=`parked`.`node`"),
    /* No upsert: the fence lets each op come once, so a row that is there already means that something is badly wrong. */
    [SHAPE_LOG] = APPEND("`op_log` (`node`,`seq`,`at`,`kind`,`version`,`chain`,`body`)", ""),
#undef MERGE
#undef APPEND
};

struct rows {                   /* of one shape: finished statements, and one that may be open */
    struct tb_buf sql;
    size_t        n_open;       /* rows of the open statement */
    size_t        n_statements; /* begun */
};

struct sql_batch {
    struct sql_fence fence;
    size_t           max_bytes;
    struct rows      rows[SHAPE_COUNT];
    size_t           n_ops;
    int64_t          last_seq;
    uint8_t          last_chain[16];
    bool             is_floor;          /* what is up to last_seq has no rows in op_log */
    struct sync_sent *sent;
    size_t           n_sent, cap_sent;
    struct tb_buf    text;
};

void
sql_add_bytes(struct tb_buf *b, const void *p, size_t n)
{
    tb_buf_add(b, TB_LIT("X'"));
    tb_buf_add_hex(b, p, n);
    tb_buf_add_char(b, '\'');
}

void
sql_add_text(struct tb_buf *b, tb_str utf8)
{
    tb_buf_add(b, TB_LIT("_utf8mb4 "));
    sql_add_bytes(b, utf8.p, utf8.n);
}

static void
add_literal(struct tb_buf *b, const char *c_string)
{
    tb_buf_add(b, tb_str_of(c_string));
}

/* ---- rows ---- */

static struct tb_buf *
begin_row(struct sql_batch *b, enum shape shape)
{
    struct rows *r = &b->rows[shape];

    if (r->n_open == ROWS_PER_STATEMENT) {
        add_literal(&r->sql, shapes[shape].tail);
        r->n_open = 0;
    }
    if (r->n_open == 0) {
        add_literal(&r->sql, shapes[shape].head);
        r->n_statements++;
    } else {
        add_literal(&r->sql, shapes[shape].between);
    }
    r->n_open++;
    add_literal(&r->sql, shapes[shape].before_row);
    return &r->sql;
}

static void
end_row(struct sql_batch *b, enum shape shape)
{
    add_literal(&b->rows[shape].sql, shapes[shape].after_row);
}

static void
add_ints(struct tb_buf *sql, size_t n, const int64_t *v)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            tb_buf_add_char(sql, ',');
        tb_buf_add_int(sql, v[i]);
    }
}

#define INTS(...) sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), (const int64_t[]){ __VA_ARGS__ }

/* A row of integers. */
static void
add_row(struct sql_batch *b, enum shape shape, size_t n, const int64_t *v)
{
    add_ints(begin_row(b, shape), n, v);
    end_row(b, shape);
}

/* A row of integers and one text after them. */
static void
add_row_with_text(struct sql_batch *b, enum shape shape, size_t n, const int64_t *v, tb_str text)
{
    struct tb_buf *sql = begin_row(b, shape);

    add_ints(sql, n, v);
    tb_buf_add_char(sql, ',');
    sql_add_text(sql, text);
    end_row(b, shape);
}

/* ---- ops ---- */

static void
add_claim(struct sql_batch *b, enum shape shape, tb_str email, size_t n, const int64_t *v)
{
    struct tb_arena mem = { 0 };
    tb_str          key = op_email_key(email, &mem);
    struct tb_buf  *sql = begin_row(b, shape);

    add_ints(sql, n, v);
    tb_buf_add_char(sql, ',');
    sql_add_bytes(sql, key.p, key.n);
    end_row(b, shape);
    tb_arena_fini(&mem);
}

static void
add_user_registered(struct sql_batch *b, const struct op *op)
{
    struct tb_buf *sql = begin_row(b, SHAPE_USER);

    add_ints(sql, INTS(op->user_registered.id, op->at, op->user_registered.created_at, op->node));
    tb_buf_add_char(sql, ',');
    sql_add_text(sql, op->user_registered.email);
    tb_buf_add_char(sql, ',');
    sql_add_text(sql, op->user_registered.username);
    tb_buf_add_char(sql, ',');
    sql_add_text(sql, op->user_registered.hash);
    end_row(b, SHAPE_USER);
    add_claim(b, SHAPE_CLAIM, op->user_registered.email, INTS(op->user_registered.id, op->at, op->node));
}

static void
add_profile_changed(struct sql_batch *b, const struct op *op)
{
    int64_t user = op->profile_changed.user_id, stamp = op->profile_changed.stamp;

    if (op->profile_changed.email.p != NULL) {
        add_row_with_text(b, SHAPE_EMAIL, INTS(user, stamp, op->node), op->profile_changed.email);
        add_claim(b, SHAPE_CLAIM, op->profile_changed.email, INTS(user, stamp, op->node));
    }
    if (op->profile_changed.username.p != NULL)
        add_row_with_text(b, SHAPE_USERNAME, INTS(user, stamp, op->node), op->profile_changed.username);
}

static void
add_member_joined(struct sql_batch *b, const struct op *op)
{
    add_row(b, SHAPE_MEMBER,
            INTS(op->member_joined.room_id, op->member_joined.user_id, op->member_joined.id, 1, op->member_joined.by_id,
                 op->member_joined.joined_at, op->member_joined.stamp, op->node));
}

static void
add_member_left(struct sql_batch *b, const struct op *op)
{
    add_row(b, SHAPE_MEMBER,
            INTS(op->member_left.room_id, op->member_left.user_id, 0, 0, op->member_left.by_id, 0, op->member_left.stamp,
                 op->node));
}

static void
add_message_sent(struct sql_batch *b, const struct op *op)
{
    struct tb_buf *sql = begin_row(b, SHAPE_MESSAGE);

    add_ints(sql, INTS(op->message_sent.id, op->at, op->message_sent.room_id, op->message_sent.sender_id));
    tb_buf_printf(sql, "," SQL_TIME("%" PRId64) ",", op->message_sent.created_at);
    sql_add_text(sql, op->message_sent.content);
    end_row(b, SHAPE_MESSAGE);
}

static void
add_receipts(struct sql_batch *b, enum shape shape, const struct op *op)
{
    for (size_t i = 0; i < op->receipts.n; i++) {
        const struct op_receipts *r = &op->receipts.of[i];
        for (size_t k = 0; k < r->n; k++)
            add_row(b, shape, INTS(r->message_ids[k], r->user_id, op->receipts.at));
    }
}

static void
add_effect(struct sql_batch *b, const struct op *op)
{
    switch (op->kind) {
    case OP_USER_REGISTERED:
        add_user_registered(b, op);
        return;
    case OP_PASSWORD_CHANGED:
        add_row_with_text(b, SHAPE_PASSWORD,
                          INTS(op->password_changed.user_id, op->password_changed.stamp, op->node),
                          op->password_changed.hash);
        return;
    case OP_PROFILE_CHANGED:
        add_profile_changed(b, op);
        return;
    case OP_EMAIL_PARKED:
        add_claim(b, SHAPE_PARK, op->email_parked.email, INTS(op->email_parked.user_id, op->email_parked.stamp));
        return;
    case OP_ROOM_CREATED:
        add_row_with_text(b, SHAPE_ROOM,
                          INTS(op->room_created.id, op->at, op->node, op->room_created.is_private,
                               op->room_created.created_by, op->room_created.created_at),
                          op->room_created.name);
        return;
    case OP_MEMBER_JOINED:
        add_member_joined(b, op);
        return;
    case OP_MEMBER_LEFT:
        add_member_left(b, op);
        return;
    case OP_MESSAGE_SENT:
        add_message_sent(b, op);
        return;
    case OP_DELIVERED:
        add_receipts(b, SHAPE_DELIVERED, op);
        return;
    case OP_READ:
        add_receipts(b, SHAPE_READ, op);
        return;
    case OP_LAST_SEEN:
        for (size_t i = 0; i < op->last_seen.n; i++)
            add_row(b, SHAPE_SEEN, INTS(op->last_seen.users[i].user_id, op->last_seen.users[i].at));
        return;
    case OP_PARKED:
    case OP_KIND_COUNT:
        break;
    }
    abort();    /* op_parse makes no such op */
}

static void
add_log(struct sql_batch *b, const struct store_entry *entry, int kind)
{
    struct tb_buf *sql = begin_row(b, SHAPE_LOG);

    add_ints(sql, INTS(entry->node, entry->seq, entry->at, kind, entry->version));
    tb_buf_add_char(sql, ',');
    sql_add_bytes(sql, entry->chain, sizeof entry->chain);
    tb_buf_add_char(sql, ',');
    sql_add_bytes(sql, entry->body.p, entry->body.n);
    end_row(b, SHAPE_LOG);
}

/* ---- the batch ---- */

struct sql_batch *
sql_batch_new(void)
{
    return TB_NEW(struct sql_batch);
}

void
sql_batch_free(struct sql_batch **b)
{
    if (*b == NULL)
        return;
    for (int i = 0; i < SHAPE_COUNT; i++)
        tb_buf_fini(&(*b)->rows[i].sql);
    tb_buf_fini(&(*b)->text);
    tb_free((*b)->sent);
    tb_free(*b);
    *b = NULL;
}

void
sql_batch_begin(struct sql_batch *b, const struct sql_fence *fence, size_t max_bytes)
{
    for (int i = 0; i < SHAPE_COUNT; i++) {
        tb_buf_clear(&b->rows[i].sql);
        b->rows[i].n_open = b->rows[i].n_statements = 0;
    }
    b->fence = *fence;
    b->max_bytes = max_bytes;
    b->n_ops = b->n_sent = 0;
    b->is_floor = false;
    b->last_seq = fence->last_seq;
}

static size_t
length(const struct sql_batch *b)
{
    size_t n = FRAME_BYTES;

    for (int i = 0; i < SHAPE_COUNT; i++)
        n += b->rows[i].sql.n + (b->rows[i].n_open > 0 ? strlen(shapes[i].tail) : 0);
    return n;
}

struct mark { size_t n, n_open, n_statements; };

static void
take_back(struct sql_batch *b, const struct mark marks[SHAPE_COUNT])
{
    for (int i = 0; i < SHAPE_COUNT; i++) {
        b->rows[i].sql.n = marks[i].n;
        b->rows[i].n_open = marks[i].n_open;
        b->rows[i].n_statements = marks[i].n_statements;
    }
}

static void
mark(const struct sql_batch *b, struct mark out[SHAPE_COUNT])
{
    for (int i = 0; i < SHAPE_COUNT; i++)
        out[i] = (struct mark){ b->rows[i].sql.n, b->rows[i].n_open, b->rows[i].n_statements };
}

static enum tb_code
take_back_if_full(struct sql_batch *b, const struct mark marks[SHAPE_COUNT], struct tb_err *e)
{
    if (b->n_ops == 0 || length(b) <= b->max_bytes)
        return TB_OK;
    take_back(b, marks);
    return tb_fail(e, TB_ETOOBIG, NULL, "batch of %zu ops is full", b->n_ops);
}

static void
note_sent(struct sql_batch *b, const struct op *op)
{
    if (op->kind != OP_MESSAGE_SENT)
        return;
    if (b->n_sent == b->cap_sent) {
        b->cap_sent = b->cap_sent ? 2 * b->cap_sent : 64;
        b->sent = tb_realloc(b->sent, b->cap_sent * sizeof *b->sent);
    }
    b->sent[b->n_sent++] = (struct sync_sent){ .message_id = op->message_sent.id, .sender_id = op->message_sent.sender_id };
}

static void
note_last(struct sql_batch *b, const struct store_entry *entry)
{
    b->n_ops++;
    b->last_seq = entry->seq;
    memcpy(b->last_chain, entry->chain, sizeof b->last_chain);
}

/* One that the centre had parked and a retry replaced, in a journal that has it back: it keeps its place, as it did there. */
static enum tb_code
add_parked_again(struct sql_batch *b, const struct store_entry *entry, struct tb_err *e)
{
    struct mark marks[SHAPE_COUNT];

    mark(b, marks);
    add_log(b, entry, OP_PARKED);
    if (take_back_if_full(b, marks, e) == TB_OK)
        note_last(b, entry);
    return e->code;
}

enum tb_code
sql_batch_add(struct sql_batch *b, const struct store_entry *entry, struct tb_err *e)
{
    struct tb_arena mem = { 0 };
    struct mark     marks[SHAPE_COUNT];
    struct op       op;

    assert(entry->seq == b->last_seq + 1);
    if (entry->kind == OP_PARKED)
        return add_parked_again(b, entry, e);
    if (op_parse(entry->kind, entry->version, entry->body, &mem, &op, e) != TB_OK) {
        tb_arena_fini(&mem);
        return tb_wrap(e, "op %" PRId64, entry->seq);
    }
    op.node = entry->node, op.seq = entry->seq, op.at = entry->at;
    mark(b, marks);
    add_effect(b, &op);
    add_log(b, entry, entry->kind);
    tb_arena_fini(&mem);
    if (take_back_if_full(b, marks, e) != TB_OK)
        return e->code;
    note_sent(b, &op);
    note_last(b, entry);
    return TB_OK;
}

enum tb_code
sql_batch_park(struct sql_batch *b, const struct store_entry *entry, unsigned refusal, tb_str why, struct tb_err *e)
{
    assert(entry->seq == b->last_seq + 1);
    if (b->n_ops > 0)
        return tb_fail(e, TB_ETOOBIG, NULL, "batch of %zu ops: what is parked goes alone", b->n_ops);
    add_row_with_text(b, SHAPE_PARKED, INTS(entry->node, entry->seq, entry->kind, refusal), why);
    add_log(b, entry, OP_PARKED);
    note_last(b, entry);
    return TB_OK;
}

enum tb_code
sql_batch_add_row(struct sql_batch *b, const struct op *op, struct tb_err *e)
{
    struct mark marks[SHAPE_COUNT];

    assert(b->last_seq == b->fence.last_seq);
    mark(b, marks);
    add_effect(b, op);
    if (take_back_if_full(b, marks, e) == TB_OK)
        b->n_ops++;
    return e->code;
}

void
sql_batch_park_row(struct sql_batch *b, const struct op *op, unsigned refusal, tb_str why)
{
    assert(b->last_seq == b->fence.last_seq);
    if (op->seq != 0)
        add_row_with_text(b, SHAPE_PARKED, INTS(op->node, op->seq, op->kind, refusal), why);
    b->n_ops++;
}

void
sql_batch_skip_to(struct sql_batch *b, int64_t seq, const uint8_t chain[16])
{
    assert(b->last_seq == b->fence.last_seq && seq > b->last_seq);
    b->is_floor = true;
    b->last_seq = seq;
    memcpy(b->last_chain, chain, sizeof b->last_chain);
}

const struct sync_sent *
sql_batch_sent(const struct sql_batch *b, size_t *n)
{
    *n = b->n_sent;
    return b->sent;
}

size_t
sql_batch_ops(const struct sql_batch *b)
{
    return b->n_ops;
}

int64_t
sql_batch_last_seq(const struct sql_batch *b)
{
    return b->last_seq;
}

/* Fails by itself, since results are read only after COMMIT has left: NULL for a NOT NULL column is error 1048 in strict
 * mode, while an UPDATE that finds no row would be no error. It also waits for a transaction of ours that a lost
 * connection has left behind. */
static void
add_fence(struct sql_batch *b, int64_t now_ms)
{
    tb_buf_printf(&b->text,
                  "UPDATE `site` SET `last_seq`=IF(`epoch`=%" PRIu32 " AND `last_seq`=%" PRId64 " AND `uuid`=",
                  b->fence.epoch, b->fence.last_seq);
    sql_add_text(&b->text, tb_str_of(b->fence.journal_uuid));
    tb_buf_printf(&b->text, ",%" PRId64 ",NULL)", b->last_seq);
    if (b->last_seq != b->fence.last_seq) {
        add_literal(&b->text, ",`chain`=");
        sql_add_bytes(&b->text, b->last_chain, sizeof b->last_chain);
    }
    if (b->is_floor)
        tb_buf_printf(&b->text, ",`floor`=%" PRId64, b->last_seq);
    tb_buf_printf(&b->text, ",`seen_at`=" SQL_TIME("%" PRId64) " WHERE `id`=%" PRIu32 ";\n", now_ms, b->fence.node);
}

/* So that what is no longer in op_log can still be compared with. */
static void
add_floor(struct sql_batch *b)
{
    tb_buf_printf(&b->text,
                  "INSERT INTO `op_floor` (`node`,`seq`,`chain`) SELECT n.node,n.seq,n.chain FROM (SELECT %" PRIu32
                  " AS node,%" PRId64 " AS seq,",
                  b->fence.node, b->last_seq);
    sql_add_bytes(&b->text, b->last_chain, sizeof b->last_chain);
    add_literal(&b->text, " AS chain) n ON DUPLICATE KEY UPDATE `seq`=n.seq,`chain`=n.chain;\n");
}

tb_str
sql_batch_text(struct sql_batch *b, int64_t now_ms, size_t *n_statements)
{
    assert(b->n_ops > 0 || b->is_floor);
    tb_buf_clear(&b->text);
    tb_buf_add(&b->text, TB_LIT("START TRANSACTION READ WRITE;\n"));
    add_fence(b, now_ms);
    *n_statements = 3;
    if (b->is_floor) {
        add_floor(b);
        ++*n_statements;
    }
    for (int i = 0; i < SHAPE_COUNT; i++) {
        const struct rows *r = &b->rows[i];
        tb_buf_add(&b->text, tb_buf_str(&r->sql));
        if (r->n_open > 0)
            add_literal(&b->text, shapes[i].tail);
        *n_statements += r->n_statements;
    }
    tb_buf_add(&b->text, TB_LIT("COMMIT AND NO CHAIN NO RELEASE"));    /* whatever completion_type is */
    assert(b->text.n <= length(b));
    return tb_buf_str(&b->text);
}
