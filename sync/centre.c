/* Bodies of centre.h. Answers are read whole before anything else is asked, so each is bounded by a LIMIT. */
#include "centre.h"

#include "mysql_link.h"
#include "sql.h"

#include "base/migration.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    OPS_PAGE = 200,             /* ops of op_log that are read at once */
    HELD_IDLE_S = 3600,         /* how long the session may be silent while a large table is read on this side */
};

extern const struct tb_migration sync_migrations[];

struct sync_centre {
    struct sync_url   url;
    struct mysql_link link;
    struct tb_buf     sql;
};

enum tb_code
sync_centre_open(struct sync_centre **out, const struct sync_centre_settings *settings, struct tb_err *e)
{
    struct sync_centre *c = TB_NEW(struct sync_centre);

    if (sync_url_parse(tb_str_of(settings->url), &c->url, e) != TB_OK ||
        link_open(&c->link, &c->url, settings->connect_timeout_ms, settings->io_timeout_ms, e) != TB_OK ||
        link_settle(&c->link, e) != TB_OK) {
        sync_centre_close(&c);
        return e->code;
    }
    *out = c;
    return TB_OK;
}

void
sync_centre_close(struct sync_centre **c)
{
    if (*c == NULL)
        return;
    link_close(&(*c)->link);
    sync_url_fini(&(*c)->url);
    tb_buf_fini(&(*c)->sql);
    tb_free(*c);
    *c = NULL;
}

/* ---- rows ---- */

struct row {
    const tb_str *column;
};

static tb_str
text_of(const struct row *r, unsigned i)
{
    return r->column[i];
}

/* Numbers of our own tables: what is none reads as 0. */
static uint64_t
unsigned_of(const struct row *r, unsigned i)
{
    uint64_t v = 0;
    return tb_str_to_uint(text_of(r, i), UINT64_MAX, &v) ? v : 0;
}

static int64_t
int_of(const struct row *r, unsigned i)
{
    return (int64_t)unsigned_of(r, i);
}

/* Runs c->sql and hands on each row; stops at the first that fails. *n: how many there were. */
static enum tb_code
each_row(struct sync_centre *c, const char *what, unsigned n_columns, size_t max_rows,
         enum tb_code (*take)(void *ctx, const struct row *, struct tb_err *), void *ctx, size_t *n, struct tb_err *e)
{
    struct link_rows rows;

    *n = 0;
    if (link_fetch(&c->link, what, tb_buf_str(&c->sql), n_columns, max_rows, &rows, e) == TB_OK)
        for (; *n < rows.n && e->code == TB_OK; ++*n)
            TB_TRY(take(ctx, &(struct row){ .column = rows.row[*n] }, e));
    link_rows_free(&rows);
    return e->code;
}

#define SAY(c, ...) (tb_buf_clear(&(c)->sql), tb_buf_printf(&(c)->sql, __VA_ARGS__))

/* ---- facts ---- */

int64_t
sync_schema_known(void)
{
    int64_t newest = 0;
    for (const struct tb_migration *step = sync_migrations; step->number != 0; step++)
        newest = step->number;
    return newest;
}

static enum tb_code
take_facts(void *ctx, const struct row *r, struct tb_err *e)
{
    struct sync_centre_facts *f = ctx;
    (void)e;
    snprintf(f->centre_uuid, sizeof f->centre_uuid, TB_STR_FMT, TB_STR_ARG(text_of(r, 0)));
    snprintf(f->journal_uuid, sizeof f->journal_uuid, TB_STR_FMT, TB_STR_ARG(text_of(r, 1)));
    f->epoch = int_of(r, 2);
    f->last_seq = int_of(r, 3);
    f->n_parked = int_of(r, 4);
    f->here_ago_ms = int_of(r, 5);
    return TB_OK;
}

enum tb_code
sync_centre_facts(struct sync_centre *c, uint32_t node, struct sync_centre_facts *out, struct tb_err *e)
{
    int64_t exists = 0;
    size_t  n;

    *out = (struct sync_centre_facts){ .here_ago_ms = SYNC_NEVER_HERE };
    *e = (struct tb_err){ 0 };
    if (link_ask_int(&c->link, "schema", "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema=DATABASE()"
                     " AND table_name=_utf8mb4 X'736368656d615f76657273696f6e'", &exists, e) != TB_OK)
        return e->code;
    if (exists == 0)
        return TB_OK;
    if (link_ask_int(&c->link, "schema", "SELECT COALESCE(MAX(`version`),0) FROM `schema_version`", &out->schema, e) != TB_OK)
        return e->code;
    if (out->schema == 0)       /* a first step that did not go through */
        return TB_OK;
    SAY(c, "SELECT COALESCE((SELECT `uuid` FROM `centre` WHERE `id`=1),''),COALESCE(s.`uuid`,''),COALESCE(s.`epoch`,0),"
           "COALESCE(s.`last_seq`,0),(SELECT COUNT(*) FROM `parked` WHERE `node`=%" PRIu32 "),"
           SQL_HERE_AGO_MS("s.")
           " FROM (SELECT 1 AS one) o LEFT JOIN `site` s ON s.`id`=%" PRIu32, node, node);
    return each_row(c, "facts", 6, 1, take_facts, out, &n, e);
}

static enum tb_code
take_floor(void *ctx, const struct row *r, struct tb_err *e)
{
    struct sync_floor *f = ctx;

    (void)e;
    f->seq = int_of(r, 0);
    if (text_of(r, 1).n == sizeof f->chain)
        memcpy(f->chain, text_of(r, 1).p, sizeof f->chain);
    return TB_OK;
}

enum tb_code
sync_centre_floor(struct sync_centre *c, uint32_t node, struct sync_floor *out, struct tb_err *e)
{
    size_t n;

    *out = (struct sync_floor){ 0 };
    SAY(c,
        "SELECT s.`floor`,COALESCE(f.`chain`,X'') FROM `site` s LEFT JOIN `op_floor` f ON f.`node`=s.`id` AND "
        "f.`seq`=s.`floor`"
        " WHERE s.`id`=%" PRIu32,
        node);
    return each_row(c, "floor", 2, 1, take_floor, out, &n, e);
}

/* ---- parked ops ---- */

struct hand_on {
    void (*parked)(void *ctx, const struct sync_parked *);
    void (*head)(void *ctx, uint32_t node, int64_t last_seq);
    void  *ctx;
};

static enum tb_code
take_parked(void *ctx, const struct row *r, struct tb_err *e)
{
    const struct hand_on *to = ctx;
    struct sync_parked    p = { .seq = int_of(r, 0), .kind = (int)int_of(r, 1), .code = int_of(r, 2), .reason = text_of(r, 3) };

    (void)e;
    to->parked(to->ctx, &p);
    return TB_OK;
}

enum tb_code
sync_centre_parked(struct sync_centre *c, uint32_t node, int64_t after, size_t max,
                   void (*each)(void *ctx, const struct sync_parked *), void *ctx, struct tb_err *e)
{
    struct hand_on to = { .parked = each, .ctx = ctx };
    size_t         n;

    *e = (struct tb_err){ 0 };
    SAY(c, "SELECT `seq`,`kind`,`code`,`reason` FROM `parked` WHERE `node`=%" PRIu32 " AND `seq`>%" PRId64
           " ORDER BY `seq` LIMIT %zu", node, after, max);
    return each_row(c, "parked", 4, max, take_parked, &to, &n, e);
}

enum tb_code
sync_centre_unpark(struct sync_centre *c, uint32_t node, int64_t seq, bool *was_parked, struct tb_err *e)
{
    struct link_results results;

    SAY(c, "DELETE FROM `parked` WHERE `node`=%" PRIu32 " AND `seq`=%" PRId64, node, seq);
    if (link_send(&c->link, "unpark", tb_buf_str(&c->sql), e) != TB_OK ||
        link_read_results(&c->link, "unpark", &results, e) != TB_OK)
        return e->code;
    *was_parked = results.first_rows == 1;
    return TB_OK;
}

/* ---- comparing ---- */

enum tb_code
sync_centre_hold(struct sync_centre *c, struct tb_err *e)
{
    SAY(c, "SET SESSION wait_timeout=%d,net_write_timeout=%d;"
           "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;"
           "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", HELD_IDLE_S, HELD_IDLE_S);
    return link_run(&c->link, "snapshot", tb_buf_str(&c->sql), e);
}

static enum tb_code
take_head(void *ctx, const struct row *r, struct tb_err *e)
{
    const struct hand_on *to = ctx;
    (void)e;
    to->head(to->ctx, (uint32_t)int_of(r, 0), int_of(r, 1));
    return TB_OK;
}

enum tb_code
sync_centre_floors(struct sync_centre *c, void (*each)(void *ctx, uint32_t node, int64_t floor), void *ctx, struct tb_err *e)
{
    struct hand_on to = { .head = each, .ctx = ctx };
    size_t         n;

    *e = (struct tb_err){ 0 };
    SAY(c, "SELECT `id`,`floor` FROM `site` ORDER BY `id`");
    return each_row(c, "sites", 2, STORE_NODES, take_head, &to, &n, e);
}

struct claims {
    void (*each)(void *ctx, const struct sync_claim *);
    void  *ctx;
};

static enum tb_code
take_claim(void *ctx, const struct row *r, struct tb_err *e)
{
    const struct claims *to = ctx;
    struct sync_claim    claim = { .user_id = int_of(r, 0), .stamp = int_of(r, 1), .node = int_of(r, 2),
                                   .parked_stamp = int_of(r, 3) };

    (void)e;
    to->each(to->ctx, &claim);
    return TB_OK;
}

enum tb_code
sync_centre_claims(struct sync_centre *c, const struct store_claim *of, size_t n,
                   void (*each)(void *ctx, const struct sync_claim *), void *ctx, struct tb_err *e)
{
    struct claims to = { .each = each, .ctx = ctx };
    size_t        n_there;

    *e = (struct tb_err){ 0 };
    SAY(c, "SELECT `user_id`,`stamp`,`node`,`parked_stamp` FROM `email_claim` WHERE (`key`,`user_id`) IN (");
    for (size_t i = 0; i < n; i++) {
        tb_buf_add(&c->sql, i > 0 ? TB_LIT(",(") : TB_LIT("("));
        sql_add_bytes(&c->sql, of[i].key.p, of[i].key.n);
        tb_buf_printf(&c->sql, ",%" PRId64 ")", of[i].user_id);
    }
    tb_buf_printf(&c->sql, ") ORDER BY `user_id`");
    return each_row(c, "claims", 4, n, take_claim, &to, &n_there, e);
}

enum tb_code
sync_centre_heads(struct sync_centre *c, void (*each)(void *ctx, uint32_t node, int64_t last_seq), void *ctx, struct tb_err *e)
{
    struct hand_on to = { .head = each, .ctx = ctx };
    size_t         n;

    *e = (struct tb_err){ 0 };
    SAY(c, "SELECT `id`,`last_seq` FROM `site` ORDER BY `id`");
    return each_row(c, "sites", 2, STORE_NODES, take_head, &to, &n, e);
}

struct ops {
    enum tb_code (*each)(void *ctx, const struct store_entry *, struct tb_err *e);
    void        *ctx;
    uint32_t     node;
    int64_t      last;
};

static enum tb_code
take_op(void *ctx, const struct row *r, struct tb_err *e)
{
    struct ops        *o = ctx;
    struct store_entry entry = { .node = o->node, .seq = int_of(r, 0), .at = int_of(r, 1), .kind = (int)int_of(r, 2),
                                 .version = (int)int_of(r, 3), .body = text_of(r, 4) };
    tb_str             chain = text_of(r, 5);

    if (entry.seq != o->last + 1)
        return tb_fail(e, TB_ENOTFOUND, NULL, "op %" PRId64 " of node %" PRIu32 " has left the centre's op_log", o->last + 1,
                       o->node);
    if (chain.n == sizeof entry.chain)
        memcpy(entry.chain, chain.p, sizeof entry.chain);
    o->last = entry.seq;
    return o->each(o->ctx, &entry, e);
}

enum tb_code
sync_centre_ops(struct sync_centre *c, uint32_t node, int64_t after, int64_t upto,
                enum tb_code (*each)(void *ctx, const struct store_entry *, struct tb_err *e), void *ctx, struct tb_err *e)
{
    struct ops o = { .each = each, .ctx = ctx, .node = node, .last = after };
    size_t     n = 1;

    *e = (struct tb_err){ 0 };
    while (o.last < upto && n > 0) {
        SAY(c, "SELECT `seq`,`at`,`kind`,`version`,`body`,`chain` FROM `op_log` WHERE `node`=%" PRIu32 " AND `seq`>%" PRId64
               " AND `seq`<=%" PRId64 " ORDER BY `seq` LIMIT %d", node, o.last, upto, OPS_PAGE);
        if (each_row(c, "op_log", 6, OPS_PAGE, take_op, &o, &n, e) != TB_OK)
            return e->code;
    }
    return o.last < upto ? tb_fail(e, TB_ENOTFOUND, NULL, "op %" PRId64 " of node %" PRIu32 " is not in the centre's op_log",
                                   o.last + 1, node)
                         : TB_OK;
}

/* The columns of store/compare.c, in its order. */
#define MS(column) SQL_MS(column)
#define COUNTED(column) "LENGTH(" column ")," column
#define HASH(columns) "CAST(CONV(SUBSTR(SHA2(CONCAT_WS('|'," columns "),256),1,16),16,10) AS UNSIGNED)"

#define USER    HASH("u.`id`,u.`hlc`," MS("u.`created_at`") ",u.`email_stamp`,u.`email_node`,u.`username_stamp`," \
                "u.`username_node`,u.`password_stamp`,u.`password_node`," MS("u.`last_seen`") ","              \
                COUNTED("u.`email`") "," COUNTED("u.`username`") "," COUNTED("u.`password`"))
#define ROOM    HASH("r.`id`,r.`hlc`,r.`is_private`,r.`created_by`," MS("r.`created_at`") "," COUNTED("r.`name`"))
#define MEMBER  HASH("m.`room_id`,m.`user_id`,m.`is_member`,m.`id`*m.`is_member`,"                                \
                MS("m.`joined_at`") "*m.`is_member`,m.`stamp`,m.`node`")
#define MESSAGE HASH("m.`id`,m.`hlc`,m.`room_id`,m.`sender_id`," MS("m.`created_at`") "," COUNTED("m.`content`"))
#define OP      HASH("o.`node`,o.`seq`,o.`at`,o.`kind`,o.`version`," COUNTED("HEX(o.`chain`)") "," COUNTED("o.`body`"))
#define RECEIPT HASH("r.`message_id`,r.`user_id`," MS("r.`delivered_at`") "," MS("r.`read_at`"))

/* $of, $a and $b are what the list is of and the key that it comes after. A pair is compared in words, since MySQL does not look
 * up (hlc,id)>(a,b) in an index. STRAIGHT_JOIN keeps to the order of the index over (room_id,hlc,id). */
#define AFTER_PAIR(first, second) "(" first ">$a OR (" first "=$a AND " second ">$b))"

static const char *const lists[COMPARE_LIST_COUNT] = {
    [COMPARE_USERS] = "SELECT u.`id`,0,1," USER " FROM `user` u WHERE u.`id`>$a ORDER BY u.`id`",
    [COMPARE_ROOMS] = "SELECT r.`id`,0,1," ROOM " FROM `room` r WHERE r.`id`>$a ORDER BY r.`id`",
    [COMPARE_ROOM_MEMBERS] = "SELECT m.`room_id`,0,COUNT(*),BIT_XOR(" MEMBER ") FROM `member` m WHERE m.`room_id`>$a"
                             " GROUP BY m.`room_id` ORDER BY m.`room_id`",
    [COMPARE_MEMBERS] = "SELECT m.`user_id`,0,1," MEMBER " FROM `member` m WHERE m.`room_id`=$of AND m.`user_id`>$a"
                        " ORDER BY m.`user_id`",
    [COMPARE_ROOM_MESSAGES] = "SELECT m.`room_id`,0,COUNT(*),BIT_XOR(" MESSAGE ") FROM `message` m WHERE m.`room_id`>$a"
                              " GROUP BY m.`room_id` ORDER BY m.`room_id`",
    [COMPARE_MESSAGES] = "SELECT m.`hlc`,m.`id`,1," MESSAGE " FROM `message` m WHERE m.`room_id`=$of AND "
                         AFTER_PAIR("m.`hlc`", "m.`id`") " ORDER BY m.`hlc`,m.`id`",
    [COMPARE_MESSAGE] = "SELECT m.`hlc`,m.`id`,1," MESSAGE " FROM `message` m WHERE m.`id`=$of",
    [COMPARE_ROOM_RECEIPTS] = "SELECT m.`room_id`,0,COUNT(*),BIT_XOR(" RECEIPT ") FROM `message` m STRAIGHT_JOIN `receipt` r"
                              " ON r.`message_id`=m.`id` WHERE m.`room_id`>$a GROUP BY m.`room_id` ORDER BY m.`room_id`",
    [COMPARE_MESSAGE_RECEIPTS] = "SELECT m.`hlc`,m.`id`,COUNT(*),BIT_XOR(" RECEIPT ") FROM `message` m"
                                 " STRAIGHT_JOIN `receipt` r ON r.`message_id`=m.`id` WHERE m.`room_id`=$of AND "
                                 AFTER_PAIR("m.`hlc`", "m.`id`") " GROUP BY m.`hlc`,m.`id` ORDER BY m.`hlc`,m.`id`",
    [COMPARE_RECEIPTS] = "SELECT r.`user_id`,0,1," RECEIPT " FROM `receipt` r WHERE r.`message_id`=$of AND r.`user_id`>$a"
                         " ORDER BY r.`user_id`",
    [COMPARE_LOOSE_RECEIPTS] = "SELECT r.`message_id`,r.`user_id`,1," RECEIPT " FROM `receipt` r WHERE "
                               AFTER_PAIR("r.`message_id`", "r.`user_id`")
                               " AND NOT EXISTS (SELECT 1 FROM `message` m WHERE m.`id`=r.`message_id`)"
                               " ORDER BY r.`message_id`,r.`user_id`",
    [COMPARE_OP_SPANS] = "SELECT (o.`seq`>>12)+1,0,COUNT(*),BIT_XOR(" OP ") FROM `op_log` o WHERE o.`node`=$of AND o.`seq`>=($a<<12)"
                         " GROUP BY o.`seq`>>12 ORDER BY o.`seq`>>12",
    [COMPARE_OPS] = "SELECT o.`seq`,0,1," OP " FROM `op_log` o WHERE o.`node`=($of>>48) AND o.`seq`>=(($of&281474976710655)<<12)"
                    " AND o.`seq`<((($of&281474976710655)+1)<<12) AND o.`seq`>$a ORDER BY o.`seq`",
};

static void
write_list(struct tb_buf *sql, const char *text, int64_t of, const int64_t after[2], size_t max)
{
    tb_buf_clear(sql);
    for (const char *dollar; (dollar = strchr(text, '$')) != NULL; text = dollar + (dollar[1] == 'o' ? 3 : 2)) {
        tb_buf_add(sql, (tb_str){ .p = text, .n = (size_t)(dollar - text) });
        tb_buf_add_int(sql, dollar[1] == 'o' ? of : dollar[1] == 'a' ? after[0] : after[1]);
    }
    tb_buf_printf(sql, "%s LIMIT %zu", text, max);
}

struct page {
    struct compare_row *rows;
    size_t              n;
};

static enum tb_code
take_row(void *ctx, const struct row *r, struct tb_err *e)
{
    struct page *p = ctx;
    (void)e;
    p->rows[p->n++] = (struct compare_row){ .key = { int_of(r, 0), int_of(r, 1) }, .n = int_of(r, 2), .hash = unsigned_of(r, 3) };
    return TB_OK;
}

enum tb_code
sync_centre_compare(struct sync_centre *c, enum compare_list list, int64_t of, const int64_t after[2], size_t max,
                    struct compare_row *out, size_t *n, struct tb_err *e)
{
    struct page p = { .rows = out };

    assert(list < COMPARE_LIST_COUNT && max <= COMPARE_PAGE);
    *e = (struct tb_err){ 0 };
    write_list(&c->sql, lists[list], of, after, max);
    return each_row(c, "compare", 4, max, take_row, &p, n, e);
}
