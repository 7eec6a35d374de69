/* Ops commute: whatever the order in which they arrive, the shared columns end the same (DESIGN section 6). */
#include "store/apply.h"
#include "store/migrate.h"
#include "store/queries.h"
#include "tap.h"

#include <stdio.h>

enum { ROOM = 10, ANN = 1, BOB = 2, MSG = 5 };

static int64_t            msg_ids[] = { MSG };
static struct op_receipts of_bob[] = { { .room_id = ROOM, .user_id = BOB, .message_ids = msg_ids, .n = 1 } };
static struct op_seen     seen_early[] = { { ANN, 100 } }, seen_late[] = { { ANN, 200 } };

/* Two sites (nodes 1 and 2) that edited the same things, clocks at odds. */
static const struct op ops[] = {
    { .kind = OP_USER_REGISTERED, .node = 1, .at = 10, .user_registered = { .id = ANN, .created_at = 1, .email = TB_LIT("A@x"),
      .username = TB_LIT("ann"), .hash = TB_LIT("h1") } },
    { .kind = OP_USER_REGISTERED, .node = 2, .at = 11, .user_registered = { .id = BOB, .created_at = 2, .email = TB_LIT("b@x"),
      .username = TB_LIT("bob"), .hash = TB_LIT("h2") } },
    { .kind = OP_PROFILE_CHANGED, .node = 1, .at = 20, .profile_changed = { .user_id = ANN, .stamp = 20,
      .username = TB_LIT("one") } },
    { .kind = OP_PROFILE_CHANGED, .node = 2, .at = 20, .profile_changed = { .user_id = ANN, .stamp = 20,
      .username = TB_LIT("two"), .email = TB_LIT("new@x") } },
    { .kind = OP_PASSWORD_CHANGED, .node = 2, .at = 5, .password_changed = { .user_id = ANN, .stamp = 21, .hash = TB_LIT("h3") } },
    { .kind = OP_ROOM_CREATED, .node = 1, .at = 12, .room_created = { .id = ROOM, .created_at = 3, .created_by = ANN,
      .name = TB_LIT("r") } },
    { .kind = OP_MEMBER_JOINED, .node = 1, .at = 13, .member_joined = { .id = 7, .room_id = ROOM, .user_id = BOB, .by_id = BOB,
      .stamp = 13, .joined_at = 4 } },
    { .kind = OP_MEMBER_LEFT, .node = 2, .at = 14, .member_left = { .room_id = ROOM, .user_id = BOB, .by_id = BOB, .stamp = 14 } },
    { .kind = OP_MEMBER_JOINED, .node = 2, .at = 15, .member_joined = { .id = 8, .room_id = ROOM, .user_id = BOB, .by_id = ANN,
      .stamp = 15, .joined_at = 5 } },
    { .kind = OP_MESSAGE_SENT, .node = 1, .at = 16, .message_sent = { .id = MSG, .room_id = ROOM, .sender_id = ANN,
      .created_at = 6, .content = TB_LIT("hi") } },
    { .kind = OP_DELIVERED, .node = 2, .at = 17, .receipts = { .at = 50, .of = of_bob, .n = 1 } },
    { .kind = OP_READ, .node = 2, .at = 18, .receipts = { .at = 40, .of = of_bob, .n = 1 } },
    { .kind = OP_READ, .node = 1, .at = 19, .receipts = { .at = 60, .of = of_bob, .n = 1 } },
    { .kind = OP_LAST_SEEN, .node = 1, .at = 22, .last_seen = { .users = seen_late, .n = 1 } },
    { .kind = OP_LAST_SEEN, .node = 2, .at = 23, .last_seen = { .users = seen_early, .n = 1 } },
};
enum { N_OPS = sizeof ops / sizeof *ops };

/* The columns that all sites share. */
static const char shared_state[] =
    "SELECT 'user', id, created_at, email, email_key, email_stamp, username, username_stamp, username_node, password,"
    " password_stamp, last_seen FROM user WHERE hlc > 0 UNION ALL "
    "SELECT 'room', id, name, is_private, created_by, created_at, hlc, 0, 0, 0, 0, 0 FROM room UNION ALL "
    "SELECT 'member', room_id, user_id, CASE is_member WHEN 1 THEN id END, is_member, stamp, node, 0, 0, 0, 0, 0 FROM member"
    " UNION ALL "
    "SELECT 'message', id, room_id, sender_id, hlc, created_at, content, 0, 0, 0, 0, 0 FROM message UNION ALL "
    "SELECT 'receipt', message_id, user_id, delivered_at, read_at, 0, 0, 0, 0, 0, 0, 0 FROM receipt UNION ALL "
    "SELECT 'count', room_id, messages, members, 0, 0, 0, 0, 0, 0, 0, 0 FROM room_count";

static char *
apply_in_order(const int *order)
{
    struct db     d;
    struct tb_err e = { 0 };
    struct tb_buf out = TB_BUF_INIT;
    sqlite3_stmt *st = NULL;
    size_t        n;

    assert_int_equal(TB_OK, db_open(&d, ":memory:", NULL, DB_READ_WRITE, store_query_texts, Q_COUNT, &e));
    assert_int_equal(TB_OK, store_migrate(&d, store_migrations, &e));
    for (int i = 0; i < N_OPS; i++) {
        struct op op = ops[order[i]];
        op.version = 1;
        op.pos = i + 1;
        if (op_apply(&d, &op, 0, &e) != TB_OK)
            fail_msg("%s: %s", op_kind_name(op.kind), e.why);
    }
    assert_int_equal(SQLITE_OK, sqlite3_prepare_v2(d.sql, shared_state, -1, &st, NULL));
    while (sqlite3_step(st) == SQLITE_ROW) {
        for (int c = 0; c < sqlite3_column_count(st); c++)
            tb_buf_printf(&out, "%s|", sqlite3_column_text(st, c) ? (const char *)sqlite3_column_text(st, c) : "-");
        tb_buf_add_char(&out, '\n');
    }
    sqlite3_finalize(st);
    db_close(&d);
    return tb_buf_take(&out, &n);
}

static void
any_order_of_arrival_gives_the_same_state(void **state)
{
    enum { ORDERS = 300 };
    int      order[N_OPS];
    uint32_t random = 20261122;     /* a fixed seed: the orders are the same in every run */
    (void)state;
    for (int i = 0; i < N_OPS; i++)
        order[i] = i;
    char *expected = apply_in_order(order);
    assert_non_null(strstr(expected, "user|1|1|new@x|new@x|20|two|20|2|h3|21|200|"));
    assert_non_null(strstr(expected, "member|10|2|8|1|15|2|"));
    assert_non_null(strstr(expected, "receipt|5|2|40|40|"));
    assert_non_null(strstr(expected, "count|10|1|1|"));
    for (int round = 0; round < ORDERS; round++) {
        for (int i = N_OPS - 1; i > 0; i--) {
            random = random * 1664525u + 1013904223u;
            int k = (int)((random >> 8) % (uint32_t)(i + 1)), swap = order[i];
            order[i] = order[k];
            order[k] = swap;
        }
        char *got = apply_in_order(order);
        assert_string_equal(expected, got);
        tb_free(got);
    }
    tb_free(expected);
}

/* More rows than one statement takes, in lists that cross each other, some there before with an earlier or a later time. */
static void
an_op_of_many_receipts_stores_each_with_its_earliest_time(void **state)
{
    enum { USERS = 3, MESSAGES = 31, N = USERS * MESSAGES, AT = 500, EARLY = 400, LATE = 600 };
    static const char  all[] = "SELECT COUNT(*), COUNT(DISTINCT user_id), SUM(delivered_at) FROM receipt";
    struct db          d;
    struct tb_err      e = { 0 };
    sqlite3_stmt      *st = NULL;
    int64_t            ids[MESSAGES], first[] = { 3 }, last[] = { MESSAGES };
    struct op_receipts of[USERS], early = { .room_id = ROOM, .user_id = 2, .message_ids = first, .n = 1 };
    struct op_receipts late = { .room_id = ROOM, .user_id = 3, .message_ids = last, .n = 1 };
    const struct op    in_order[] = {
        { .kind = OP_DELIVERED, .version = 1, .node = 1, .pos = 1, .receipts = { .at = EARLY, .of = &early, .n = 1 } },
        { .kind = OP_DELIVERED, .version = 1, .node = 1, .pos = 2, .receipts = { .at = LATE, .of = &late, .n = 1 } },
        { .kind = OP_DELIVERED, .version = 1, .node = 1, .pos = 3, .receipts = { .at = AT, .of = of, .n = USERS } },
    };

    (void)state;
    for (int i = 0; i < MESSAGES; i++)
        ids[i] = i + 1;
    for (int i = 0; i < USERS; i++)
        of[i] = (struct op_receipts){ .room_id = ROOM, .user_id = i + 1, .message_ids = ids, .n = MESSAGES };
    assert_true(N > 2 * RECEIPTS_AT_ONCE && N % RECEIPTS_AT_ONCE != 0);
    assert_int_equal(TB_OK, db_open(&d, ":memory:", NULL, DB_READ_WRITE, store_query_texts, Q_COUNT, &e));
    assert_int_equal(TB_OK, store_migrate(&d, store_migrations, &e));
    for (size_t i = 0; i < sizeof in_order / sizeof *in_order; i++)
        if (op_apply(&d, &in_order[i], 0, &e) != TB_OK)
            fail_msg("%s", e.why);
    assert_int_equal(SQLITE_OK, sqlite3_prepare_v2(d.sql, all, -1, &st, NULL));
    assert_int_equal(SQLITE_ROW, sqlite3_step(st));
    assert_int_equal(N, sqlite3_column_int64(st, 0));
    assert_int_equal(USERS, sqlite3_column_int64(st, 1));
    assert_int_equal(N * AT - (AT - EARLY), sqlite3_column_int64(st, 2));
    sqlite3_finalize(st);
    db_close(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_of_arrival_gives_the_same_state),
        cmocka_unit_test(an_op_of_many_receipts_stores_each_with_its_earliest_time),
    };
    return tap_run(tests);
}
