/* The tables as ops: whatever made the rows, the ops that stand for them make the same ones elsewhere. */
#include "fixture.h"

#include "store/apply.h"
#include "store/follow.h"
#include "store/migrate.h"
#include "store/queries.h"

#include <sqlite3.h>
#include <stdio.h>

static struct fixture f;

static void
fill(void)
{
    int64_t ann = fixture_user(&f, "ann"), bob = fixture_user(&f, "bob"), cy = fixture_user(&f, "cy");
    int64_t room = fixture_room(&f, ann, true), one, two;
    assert_int_equal(TB_OK, fixture_join(&f, room, bob, ann));
    assert_int_equal(TB_OK, fixture_join(&f, room, cy, ann));
    one = fixture_send(&f, room, ann, "first");
    two = fixture_send(&f, room, bob, "second");
    struct store_receipts_of   of = { .room_id = room, .user_id = bob, .message_ids = &one, .n = 1 };
    struct store_add_delivered delivered = { .of = &of, .n = 1 };
    assert_int_equal(TB_OK, fixture_call(&f, add_delivered, &delivered));
    store_op_fini(&delivered.op);
    f.wall_ms += 5000;
    int64_t               both[] = { one, two };
    struct store_add_read read = { .user_id = bob, .room_id = room, .message_ids = both, .n = 2 };
    assert_int_equal(TB_OK, fixture_call(&f, add_read, &read));
    store_op_fini(&read.op);
    read = (struct store_add_read){ .user_id = cy, .room_id = room, .message_ids = both, .n = 1 };
    assert_int_equal(TB_OK, fixture_call(&f, add_read, &read));
    store_op_fini(&read.op);
    struct store_change_user change = { .user_id = cy, .email = TB_LIT(" Cy@Y.test"), .username = TB_LIT("sy"),
                                        .password_hash = TB_LIT("hash") };
    assert_int_equal(TB_OK, fixture_call(&f, change_user, &change));
    store_op_fini(&change.op);
    struct store_remove_member leave = { .room_id = room, .user_id = cy };
    assert_int_equal(TB_OK, fixture_call(&f, remove_member, &leave));
    store_op_fini(&leave.op);
    struct store_seen          seen = { .user_id = bob, .at = 1700000009000 };
    struct store_set_last_seen last = { .users = &seen, .n = 1 };
    assert_int_equal(TB_OK, fixture_call(&f, set_last_seen, &last));
    store_op_fini(&last.op);
}

/* What other sites leave behind: a password of one who has not come, an e-mail that another has, newer writers. */
static void
fill_as_others(void)
{
    store_close(&f.store);
    fixture_sql(&f, "INSERT INTO user (id, hlc, created_at, email, email_key, email_stamp, email_node, username,"
                    " username_stamp, username_node, password, password_stamp, password_node)"
                    " VALUES (7 << 41 | 9, 0, 0, '', '', 0, 0, '', 0, 0, 'h', 55, 6)");
    fixture_sql(&f, "INSERT INTO user (id, hlc, created_at, email, email_key, email_stamp, email_node, email_parked,"
                    " username, username_stamp, username_node, password, password_stamp, password_node)"
                    " VALUES (7 << 41 | 10, 70, 7, 'ANN@x.test', 'ann@x.test', 70, 7, 1, 'n', 71, 6, 'p', 72, 5)");
    fixture_sql(&f, "INSERT INTO member VALUES (1, 7 << 41 | 10, 7 << 41 | 3, 1, 90, 3, 8, 9, 0, 0, 0)");
    fixture_sql(&f, "INSERT INTO room_count (room_id, messages, members) VALUES (1, 0, 1)"
                    " ON CONFLICT (room_id) DO UPDATE SET members = members + 1");
    fixture_sql(&f, "INSERT INTO message VALUES (7 << 41 | 4, 1, 7 << 41 | 10, 80, 8, 9, 2, 7, 'theirs', 5)");
    fixture_sql(&f, "UPDATE room_count SET messages = messages + 1");
    fixture_sql(&f, "INSERT INTO receipt VALUES (7 << 41 | 99, 1, 6, NULL)");
    fixture_reopen(&f);
}

static const char shared[] =
    "SELECT 'user', id, hlc, created_at, email, email_key, email_stamp, email_node, email_parked, username, username_stamp,"
    " username_node, password, password_stamp, password_node, last_seen FROM user UNION ALL "
    "SELECT 'room', id, hlc, name, is_private, created_by, created_at, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM room UNION ALL "
    "SELECT 'member', room_id, user_id, is_member, id * is_member, joined_at * is_member, stamp, node, 0, 0, 0, 0, 0, 0, 0, 0"
    " FROM member UNION ALL "
    "SELECT 'message', id, room_id, sender_id, hlc, created_at, node, content, 0, 0, 0, 0, 0, 0, 0, 0 FROM message UNION ALL "
    "SELECT 'receipt', message_id, user_id, delivered_at, read_at, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM receipt UNION ALL "
    "SELECT 'count', room_id, messages, members, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM room_count ORDER BY 1, 2, 3";

static char *
dump(sqlite3 *sql)
{
    struct tb_buf out = TB_BUF_INIT;
    sqlite3_stmt *st;
    size_t        n;

    if (sqlite3_prepare_v2(sql, shared, -1, &st, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(sql));
    while (sqlite3_step(st) == SQLITE_ROW) {
        for (int c = 0; c < sqlite3_column_count(st); c++)
            tb_buf_printf(&out, "%s|", sqlite3_column_text(st, c) ? (const char *)sqlite3_column_text(st, c) : "-");
        tb_buf_add_char(&out, '\n');
    }
    sqlite3_finalize(st);
    return tb_buf_take(&out, &n);
}

static char *
dump_source(void)
{
    char     path[96], *out;
    sqlite3 *sql;

    snprintf(path, sizeof path, "%s/tombolo.db", f.dir);
    assert_int_equal(SQLITE_OK, sqlite3_open_v2(path, &sql, SQLITE_OPEN_READONLY, NULL));
    out = dump(sql);
    sqlite3_close(sql);
    return out;
}

struct taker {
    struct db there;
    size_t    n, n_page, page_max;      /* it refuses more than that a page */
};

static bool
take(void *ctx, const struct op *op)
{
    struct taker *t = ctx;
    struct op     copy = *op;
    struct tb_err e = { 0 };

    if (t->n_page == t->page_max)
        return false;
    copy.pos = (int64_t)++t->n;
    t->n_page++;
    if (op_apply(&t->there, &copy, 0, &e) != TB_OK)
        fail_msg("%s: %s", op_kind_name(op->kind), e.why);
    return true;
}

static size_t
follow_all(struct store_follower *fo, struct taker *t, size_t max)
{
    struct store_rows_at at = { 0 };
    struct tb_err        e = { 0 };
    size_t               n_pages = 0;

    for (; at.table < STORE_TABLE_COUNT; n_pages++) {
        size_t before = t->n;
        t->n_page = 0;
        assert_int_equal(TB_OK, store_follow_rows(fo, &at, max, take, t, &e));
        assert_true(t->n - before <= max && n_pages < 200);
    }
    return n_pages;
}

static const struct { size_t max, page_max; } pages[] = { { 1000, 1000 }, { 1, 10 }, { 2, 10 }, { 3, 10 }, { 10, 1 }, { 10, 4 } };

static void
the_ops_of_all_rows_make_the_same_rows_however_they_are_parted_and_repeated(void **state)
{
    struct store_follower *fo = NULL;
    struct tb_err          e = { 0 };
    (void)state;
    fixture_open(&f);
    fill();
    fill_as_others();
    char *here = dump_source();
    assert_int_equal(TB_OK, store_follow(f.store, &fo, &e));
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        struct taker t = { .page_max = pages[i].page_max };
        assert_int_equal(TB_OK, db_open(&t.there, ":memory:", NULL, DB_READ_WRITE, store_query_texts, Q_COUNT, &e));
        assert_int_equal(TB_OK, store_migrate(&t.there, store_migrations, &e));
        for (int again = 0; again < 2; again++) {
            size_t n_pages = follow_all(fo, &t, pages[i].max);
            char  *there = dump(t.there.sql);
            assert_string_equal(here, there);
            assert_true(i > 0 || n_pages == STORE_TABLE_COUNT);
            tb_free(there);
        }
        db_close(&t.there);
    }
    store_unfollow(&fo);
    tb_free(here);
    fixture_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ops_of_all_rows_make_the_same_rows_however_they_are_parted_and_repeated),
    };
    return tap_run(tests);
}
