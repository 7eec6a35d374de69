/* Bodies of mysql_rows.h. A page of a history is merged from two lists, of members and of messages, each in the order of room, time
 * and id, as far as both are known: what one list has after the end of the other's page waits for the next. Members have no
 * index in that order, so a page of them is sorted by the server, among those of as many rooms as hold a page together. */
#include "mysql_rows.h"

#include "mysql_answer.h"
#include "sql.h"

#include "store/row_ops.h"

#include <inttypes.h>
#include <stdio.h>

enum { PAGE_BYTES = 8 << 20, ID_NODE_SHIFT = 41, SQL_BYTES = 1536 };

struct page {
    struct mysql_link *l;
    struct sync_rows_at *at;
    size_t max;
    struct tb_arena *mem;
    void (*each)(void *ctx, const struct op *);
    void *ctx;
    char sql[SQL_BYTES];
};

/* ---- from a row to ops ---- */

static tb_str
keep_text(struct page *p, const struct mysql_answer *a, unsigned column)
{
    return tb_arena_str(p->mem, answer_text(a, column));
}

static struct row_ops *
new_ops(struct page *p)
{
    return TB_ARENA_ARRAY(p->mem, struct row_ops, 1);
}

static void
hand_out(struct page *p, const struct row_ops *row)
{
    for (int i = 0; i < ROW_OPS_MAX; i++)
        if (row->ops[i].kind != OP_PARKED)
            p->each(p->ctx, &row->ops[i]);
}

static enum tb_code
refuse(struct mysql_answer *a, const char *what, struct tb_err *e)
{
    answer_free(a);
    return tb_fail(e, TB_EIO, NULL, "a row of %s makes no sense", what);
}

static enum tb_code
ask(struct page *p, const char *what, unsigned n_columns, struct mysql_answer *out, struct tb_err *e)
{
    return answer_ask(p->l, what, tb_str_of(p->sql), n_columns, p->max, out, e);
}

#define SAY(p, ...) snprintf((p)->sql, sizeof(p)->sql, __VA_ARGS__)
#define NUMBER(a, column) answer_number((a), (column), INT64_MAX)
#define NODE(a, column) ((uint32_t)answer_number((a), (column), UINT32_MAX))

static void
move_to(struct page *p, enum sync_rows of)
{
    *p->at = (struct sync_rows_at){ .of = of };
}

/* ---- users ---- */

/* As Q_USERS_AFTER of the store: whose the first op was. */
static uint32_t
first_node(const struct row_user *u)
{
    return u->hlc == u->email_stamp      ? u->email_node
           : u->hlc == u->username_stamp ? u->username_node
           : u->hlc == u->password_stamp ? u->password_node
                                         : (uint32_t)(u->id >> ID_NODE_SHIFT);
}

static enum tb_code
read_users(struct page *p, struct row_user *rows, size_t *n, struct tb_err *e)
{
    struct mysql_answer a;

    *n = 0;
    SAY(p,
        "SELECT `id`,`hlc`," SQL_MS("`created_at`") "," SQL_MS(
            "`last_seen`") ",`email`,`email_stamp`,`email_node`,`username`,"
                           "`username_stamp`,`username_node`,`password`,`password_stamp`,`password_node` FROM `user` "
                           "WHERE `id`>%" PRId64 " ORDER BY `id` LIMIT %zu",
        p->at->key[0], p->max);
    if (ask(p, "users", 13, &a, e) != TB_OK)
        return e->code;
    while (answer_next(&a)) {
        struct row_user u = {
            .id = NUMBER(&a, 0),
            .hlc = NUMBER(&a, 1),
            .created_at = NUMBER(&a, 2),
            .last_seen = NUMBER(&a, 3),
            .email = keep_text(p, &a, 4),
            .email_stamp = NUMBER(&a, 5),
            .email_node = NODE(&a, 6),
            .username = keep_text(p, &a, 7),
            .username_stamp = NUMBER(&a, 8),
            .username_node = NODE(&a, 9),
            .password = keep_text(p, &a, 10),
            .password_stamp = NUMBER(&a, 11),
            .password_node = NODE(&a, 12),
        };
        if (!a.is_sound)
            return refuse(&a, "user", e);
        u.node = first_node(&u);
        rows[(*n)++] = u;
    }
    answer_free(&a);
    return TB_OK;
}

/* Which of them have lost the e-mail that they claim: in the order of their ids, as the users are. */
static enum tb_code
find_parked(struct page *p, struct row_user *rows, size_t n, struct tb_err *e)
{
    struct tb_buf sql = TB_BUF_INIT;
    struct mysql_answer a;
    size_t i = 0;

    tb_buf_printf(
        &sql, "SELECT `user_id`,`parked_stamp` FROM `email_claim` WHERE `parked_stamp`>0 AND (`key`,`user_id`) IN (");
    for (size_t k = 0; k < n; k++) {
        tb_str key = op_email_key(rows[k].email, p->mem);
        tb_buf_add(&sql, k > 0 ? TB_LIT(",(") : TB_LIT("("));
        sql_add_bytes(&sql, key.p, key.n);
        tb_buf_printf(&sql, ",%" PRId64 ")", rows[k].id);
    }
    tb_buf_printf(&sql, ") ORDER BY `user_id`");
    enum tb_code code = answer_ask(p->l, "claims", tb_buf_str(&sql), 2, n, &a, e);
    tb_buf_fini(&sql);
    if (code != TB_OK)
        return code;
    while (answer_next(&a)) {
        int64_t user_id = NUMBER(&a, 0), stamp = NUMBER(&a, 1);
        if (!a.is_sound)
            return refuse(&a, "email_claim", e);
        while (i < n && rows[i].id < user_id)
            i++;
        if (i < n && rows[i].id == user_id)
            rows[i].is_parked = stamp >= rows[i].email_stamp;
    }
    answer_free(&a);
    return TB_OK;
}

static enum tb_code
page_of_users(struct page *p, struct tb_err *e)
{
    struct row_user *rows = TB_ARENA_ARRAY(p->mem, struct row_user, p->max);
    size_t n;

    if (read_users(p, rows, &n, e) != TB_OK || (n > 0 && find_parked(p, rows, n, e) != TB_OK))
        return e->code;
    for (size_t i = 0; i < n; i++) {
        struct row_ops *ops = new_ops(p);
        row_ops_user(&rows[i], ops);
        hand_out(p, ops);
        p->at->key[0] = rows[i].id;
    }
    if (n < p->max)
        move_to(p, SYNC_ROWS_ROOMS);
    return TB_OK;
}

/* ---- rooms ---- */

static enum tb_code
page_of_rooms(struct page *p, struct tb_err *e)
{
    struct mysql_answer a;
    size_t n = 0;

    SAY(p,
        "SELECT `id`,`hlc`,`name_node`,`name`,`is_private`,`created_by`," SQL_MS(
            "`created_at`") " FROM `room` WHERE `id`>%" PRId64 " ORDER BY `id` LIMIT %zu",
        p->at->key[0], p->max);
    if (ask(p, "rooms", 7, &a, e) != TB_OK)
        return e->code;
    for (; answer_next(&a); n++) {
        struct row_ops *ops = new_ops(p);
        struct row_room r = { .id = NUMBER(&a, 0),
                              .hlc = NUMBER(&a, 1),
                              .node = NODE(&a, 2),
                              .name = keep_text(p, &a, 3),
                              .is_private = NUMBER(&a, 4) != 0,
                              .created_by = NUMBER(&a, 5),
                              .created_at = NUMBER(&a, 6) };
        if (!a.is_sound)
            return refuse(&a, "room", e);
        row_ops_room(&r, ops);
        if (r.hlc > 0)
            hand_out(p, ops);
        p->at->key[0] = r.id;
    }
    answer_free(&a);
    if (n < p->max)
        move_to(p, SYNC_ROWS_HISTORY);
    return TB_OK;
}

/* ---- histories ---- */

struct place {
    int64_t room, at, id;
};

#define LAST_PLACE ((struct place){ INT64_MAX, INT64_MAX, INT64_MAX })

static int
order(const struct place *a, const struct place *b)
{
    if (a->room != b->room)
        return a->room < b->room ? -1 : 1;
    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

struct list {
    struct row_ops **ops;
    struct place *places;
    size_t n;
    struct place known_upto; /* all that the centre has up to there is in the list */
};

static struct list
new_list(struct page *p)
{
    return (struct list){ .ops = TB_ARENA_ARRAY(p->mem, struct row_ops *, p->max),
                          .places = TB_ARENA_ARRAY(p->mem, struct place, p->max),
                          .known_upto = LAST_PLACE };
}

#define AFTER_PLACE(time, id)                                                                                          \
    "(`room_id`>%" PRId64 " OR (`room_id`=%" PRId64 " AND (" time ">%" PRId64 " OR (" time "=%" PRId64 " AND " id      \
    ">%" PRId64 "))))"
#define PLACE_ARGS(w) (w).room, (w).room, (w).at, (w).at, (w).id

/* The last of the rooms that together have a page of members from there on; *is_end: there are no more than that. */
static enum tb_code
find_last_room(struct page *p, int64_t *room, bool *is_end, struct tb_err *e)
{
    struct mysql_answer a;

    SAY(p,
        "SELECT COALESCE(MAX(`room_id`),0),COUNT(*) FROM (SELECT `room_id` FROM `member` WHERE `room_id`>=%" PRId64
        " ORDER BY `room_id`,`user_id` LIMIT %zu) `p`",
        p->at->member.room, p->max);
    if (ask(p, "members", 2, &a, e) != TB_OK)
        return e->code;
    bool is_sound = answer_next(&a);
    *room = is_sound ? NUMBER(&a, 0) : 0;
    *is_end = is_sound && NUMBER(&a, 1) < (int64_t)p->max;
    if (!is_sound || !a.is_sound)
        return refuse(&a, "member", e);
    answer_free(&a);
    return TB_OK;
}

static enum tb_code
list_members(struct page *p, struct list *out, struct tb_err *e)
{
    struct mysql_answer a;
    int64_t last_room = 0;
    bool is_end = false;

    *out = new_list(p);
    if (find_last_room(p, &last_room, &is_end, e) != TB_OK)
        return e->code;
    SAY(p,
        "SELECT `room_id`,`stamp`,`user_id`,`id`,`is_member`,`by_id`,`node`," SQL_MS(
            "`joined_at`") " FROM `member` WHERE"
                           " `room_id`<=%" PRId64 " AND " AFTER_PLACE(
                               "`stamp`", "`user_id`") " ORDER BY `room_id`,`stamp`,`user_id` LIMIT %zu",
        last_room, PLACE_ARGS(p->at->member), p->max);
    if (ask(p, "members", 8, &a, e) != TB_OK)
        return e->code;
    for (; answer_next(&a); out->n++) {
        struct row_member m = { .room_id = NUMBER(&a, 0),
                                .stamp = NUMBER(&a, 1),
                                .user_id = NUMBER(&a, 2),
                                .id = NUMBER(&a, 3),
                                .is_member = NUMBER(&a, 4) != 0,
                                .by_id = NUMBER(&a, 5),
                                .node = NODE(&a, 6),
                                .joined_at = NUMBER(&a, 7) };
        if (!a.is_sound)
            return refuse(&a, "member", e);
        out->places[out->n] = (struct place){ m.room_id, m.stamp, m.user_id };
        out->ops[out->n] = new_ops(p);
        row_ops_member(&m, out->ops[out->n]);
    }
    answer_free(&a);
    if (out->n == p->max)
        out->known_upto = out->places[out->n - 1];
    else if (!is_end)
        out->known_upto = (struct place){ last_room, INT64_MAX, INT64_MAX };
    return TB_OK;
}

/* The window function bounds the bytes of an answer; the count says whether it has cut the page short. */
static enum tb_code
list_messages(struct page *p, struct list *out, struct tb_err *e)
{
    struct mysql_answer a;
    int64_t n_there = 0;

    *out = new_list(p);
    SAY(p,
        "SELECT `room_id`,`hlc`,`id`,`sender_id`,`created`,`content`,`n` FROM (SELECT `room_id`,`hlc`,`id`,`sender_id`,"
        "`created`,`content`,COUNT(*) OVER () AS `n`,SUM(LENGTH(`content`)) OVER (ORDER BY `room_id`,`hlc`,`id` ROWS"
        " UNBOUNDED PRECEDING) AS `total` FROM (SELECT `room_id`,`hlc`,`id`,`sender_id`," SQL_MS(
            "`created_at`") " AS `created`,`content` FROM `message` WHERE " AFTER_PLACE("`hlc`",
                                                                                        "`id`") " ORDER BY "
                                                                                                "`room_id`,`hlc`,`id` "
                                                                                                "LIMIT %zu)"
                                                                                                " `p`) `q` WHERE "
                                                                                                "`total`-LENGTH(`"
                                                                                                "content`)<%d ORDER BY "
                                                                                                "`room_id`,`hlc`,`id`",
        PLACE_ARGS(p->at->message), p->max, PAGE_BYTES);
    if (ask(p, "messages", 7, &a, e) != TB_OK)
        return e->code;
    for (; answer_next(&a); out->n++) {
        struct row_message m = { .room_id = NUMBER(&a, 0),
                                 .hlc = NUMBER(&a, 1),
                                 .id = NUMBER(&a, 2),
                                 .sender_id = NUMBER(&a, 3),
                                 .created_at = NUMBER(&a, 4),
                                 .content = keep_text(p, &a, 5) };
        n_there = NUMBER(&a, 6);
        if (!a.is_sound || out->n == p->max)
            return refuse(&a, "message", e);
        m.node = (uint32_t)(m.id >> ID_NODE_SHIFT); /* who makes an id writes the op */
        out->places[out->n] = (struct place){ m.room_id, m.hlc, m.id };
        out->ops[out->n] = new_ops(p);
        row_ops_message(&m, out->ops[out->n]);
    }
    answer_free(&a);
    if (out->n == p->max || (int64_t)out->n < n_there)
        out->known_upto = out->places[out->n - 1];
    return TB_OK;
}

/* One who joined when a message was sent joined before it. */
static bool
is_members_turn(const struct list *members, size_t m, const struct list *messages, size_t s)
{
    if (m == members->n || s == messages->n)
        return m < members->n;
    const struct place *a = &members->places[m], *b = &messages->places[s];
    return a->room != b->room ? a->room < b->room : a->at <= b->at;
}

static enum tb_code
page_of_history(struct page *p, struct tb_err *e)
{
    struct list members, messages;
    size_t m = 0, s = 0;

    if (list_members(p, &members, e) != TB_OK || list_messages(p, &messages, e) != TB_OK)
        return e->code;
    const struct place *upto =
        order(&members.known_upto, &messages.known_upto) < 0 ? &members.known_upto : &messages.known_upto;
    while (m < members.n || s < messages.n) {
        bool is_member = is_members_turn(&members, m, &messages, s);
        struct place *at = is_member ? &members.places[m] : &messages.places[s];
        if (at->room > upto->room || (at->room == upto->room && at->at > upto->at))
            break;
        hand_out(p, is_member ? members.ops[m++] : messages.ops[s++]);
        if (is_member)
            p->at->member.room = at->room, p->at->member.at = at->at, p->at->member.id = at->id;
        else
            p->at->message.room = at->room, p->at->message.at = at->at, p->at->message.id = at->id;
    }
    if (order(upto, &LAST_PLACE) == 0)
        move_to(p, SYNC_ROWS_RECEIPTS);
    else if (m + s == 0) /* all members of those rooms have come, and what was said in them */
        p->at->member.room = upto->room + 1, p->at->member.at = p->at->member.id = 0;
    return TB_OK;
}

/* ---- receipts ---- */

static enum tb_code
page_of_receipts(struct page *p, struct tb_err *e)
{
    struct mysql_answer a;
    int64_t message = p->at->key[0], user = p->at->key[1];
    size_t n = 0;

    SAY(p,
        "SELECT `message_id`,`user_id`," SQL_MS("`delivered_at`") "," SQL_MS(
            "`read_at`") " FROM `receipt` WHERE `message_id`>%" PRId64 " OR (`message_id`=%" PRId64
                         " AND `user_id`>%" PRId64 ") ORDER BY `message_id`,`user_id` LIMIT %zu",
        message, message, user, p->max);
    if (ask(p, "receipts", 4, &a, e) != TB_OK)
        return e->code;
    for (; answer_next(&a); n++) {
        struct row_ops *ops = new_ops(p);
        struct row_receipt r = { .message_id = NUMBER(&a, 0),
                                 .user_id = NUMBER(&a, 1),
                                 .delivered_at = NUMBER(&a, 2),
                                 .read_at = NUMBER(&a, 3) };
        if (!a.is_sound)
            return refuse(&a, "receipt", e);
        row_ops_receipt(&r, ops);
        hand_out(p, ops);
        p->at->key[0] = r.message_id, p->at->key[1] = r.user_id;
    }
    answer_free(&a);
    if (n < p->max)
        move_to(p, SYNC_ROWS_END);
    return TB_OK;
}

enum tb_code
rows_read(struct mysql_link *l, struct sync_rows_at *at, size_t max, struct tb_arena *mem,
          void (*each)(void *ctx, const struct op *), void *ctx, struct tb_err *e)
{
    struct page p = { .l = l, .at = at, .max = max, .mem = mem, .each = each, .ctx = ctx };

    switch (at->of) {
    case SYNC_ROWS_USERS:
        return page_of_users(&p, e);
    case SYNC_ROWS_ROOMS:
        return page_of_rooms(&p, e);
    case SYNC_ROWS_HISTORY:
        return page_of_history(&p, e);
    case SYNC_ROWS_RECEIPTS:
        return page_of_receipts(&p, e);
    case SYNC_ROWS_END:
        break;
    }
    return TB_OK;
}
