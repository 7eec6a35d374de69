/* A follower: own ops in order, in batches, from any position, and what was pushed is remembered. */
#include "fixture.h"

#include "store/feed.h"
#include "store/follow.h"

#include <sqlite3.h>

struct seen {
    int64_t first, last;
    size_t  n;
};

static void
note(void *ctx, const struct store_entry *entry)
{
    struct seen *s = ctx;
    s->first = s->n == 0 ? entry->seq : s->first;
    s->last = entry->seq;
    s->n++;
}

static struct seen
follow(struct store_follower *f, int64_t after, size_t max, size_t max_bytes)
{
    struct seen   s = { 0 };
    struct tb_err e = { 0 };
    size_t        n;
    if (store_follow_own(f, after, max, max_bytes, note, &s, &n, &e) != TB_OK)
        fail_msg("%s", e.why);
    assert_int_equal(n, s.n);
    return s;
}

static void
own_ops_come_in_order_and_in_batches(void **state)
{
    struct fixture         f;
    struct store_follower *fo = NULL;
    struct tb_err          e = { 0 };
    (void)state;
    fixture_open(&f);
    int64_t ann = fixture_user(&f, "ann"), room = fixture_room(&f, ann, false);     /* seq 1..3 */
    for (int i = 0; i < 7; i++)
        fixture_send(&f, room, ann, "x");                                           /* 4..10 */
    assert_int_equal(TB_OK, store_follow(f.store, &fo, &e));
    struct seen s = follow(fo, 0, 4, 1 << 20);
    assert_true(s.n == 4 && s.first == 1 && s.last == 4);
    s = follow(fo, 4, 100, 1 << 20);
    assert_true(s.n == 6 && s.first == 5 && s.last == 10);
    s = follow(fo, 10, 100, 1 << 20);
    assert_int_equal(0, s.n);
    s = follow(fo, 2, 100, 1);          /* from elsewhere; one is always given */
    assert_true(s.n == 1 && s.first == 3);
    fixture_send(&f, room, ann, "y");
    s = follow(fo, 10, 100, 1 << 20);
    assert_true(s.n == 1 && s.first == 11);
    store_unfollow(&fo);
    fixture_close(&f);
}

static void
what_was_pushed_is_remembered_and_shows_in_history(void **state)
{
    struct fixture           f;
    struct store_follower   *fo = NULL;
    struct store_identity    id;
    struct tb_err            e = { 0 };
    struct store_mark_pushed m = { .seq = 4, .at = 1700000005000, .centre_uuid = "123e4567-e89b-42d3-a456-426614174000" };
    (void)state;
    fixture_open(&f);
    int64_t ann = fixture_user(&f, "ann"), room = fixture_room(&f, ann, false);
    fixture_send(&f, room, ann, "at the centre");
    fixture_send(&f, room, ann, "not yet");
    assert_int_equal(TB_OK, fixture_call(&f, mark_pushed, &m));
    store_op_fini(&m.op);
    struct store_mark_pushed beyond = { .seq = 99, .at = 1 };
    assert_int_equal(TB_EINPUT, fixture_call(&f, mark_pushed, &beyond));
    fixture_reopen(&f);
    struct store_list_messages p = { .room_id = room, .user_id = ann, .limit = 10 };
    assert_int_equal(TB_OK, fixture_call(&f, list_messages, &p));
    assert_int_equal(0, p.items[0].synced_at);
    assert_int_equal(1700000005000, p.items[1].synced_at);
    store_op_fini(&p.op);
    assert_int_equal(TB_OK, store_follow(f.store, &fo, &e));
    assert_int_equal(TB_OK, store_follow_identity(fo, &id, &e));
    assert_int_equal(4, id.pushed_seq);
    assert_int_equal(5, id.own_seq);
    assert_int_equal(1, id.epoch);
    assert_string_equal("123e4567-e89b-42d3-a456-426614174000", id.centre_uuid);
    store_unfollow(&fo);
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

static int
add_row(void *out, int n, char **values, char **names)
{
    (void)names;
    for (int i = 0; i < n; i++)
        tb_buf_printf(out, "%s|", values[i] != NULL ? values[i] : "NULL");
    tb_buf_add_char(out, '\n');
    return 0;
}

/* Of a message not which op made it: the last one may be the first that the centre takes. */
static const char *const tables[] = { "user", "room", "room_count", "member", "member_span",
                                      "(SELECT id, room_id, sender_id, hlc, created_at, pos, node, content FROM message)", "receipt" };

/* The rows of every table but the journal's own. */
static char *
dump(struct fixture *f)
{
    struct tb_buf out = TB_BUF_INIT, text = TB_BUF_INIT;
    sqlite3      *sql = NULL;
    size_t        n;

    tb_buf_printf(&text, "%s/tombolo.db", f->dir);
    assert_int_equal(SQLITE_OK, sqlite3_open_v2(text.p, &sql, SQLITE_OPEN_READONLY, NULL));
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        tb_buf_clear(&text);
        tb_buf_printf(&text, "SELECT * FROM %s ORDER BY 1, 2, 3", tables[i]);
        tb_buf_printf(&out, "%s:\n", tables[i]);
        assert_int_equal(SQLITE_OK, sqlite3_exec(sql, text.p, add_row, &out, NULL));
    }
    sqlite3_close(sql);
    tb_buf_fini(&text);
    return tb_buf_take(&out, &n);
}

/* One of each kind; the last message has nobody's receipt. */
static int64_t
do_one_of_each(struct fixture *f, int64_t *room, int64_t *reader)
{
    int64_t ann = fixture_user(f, "ann"), bob = *reader = fixture_user(f, "bob"), cy = fixture_user(f, "cy");
    *room = fixture_room(f, ann, false);
    assert_int_equal(TB_OK, fixture_join(f, *room, bob, bob));
    assert_int_equal(TB_OK, fixture_join(f, *room, cy, cy));
    int64_t                  first = fixture_send(f, *room, ann, "first");
    struct store_receipts_of of = { .room_id = *room, .user_id = bob, .message_ids = &first, .n = 1 };
    struct store_add_delivered delivered = { .of = &of, .n = 1 };
    assert_int_equal(TB_OK, fixture_call(f, add_delivered, &delivered));
    struct store_add_read read = { .user_id = bob, .room_id = *room, .message_ids = &first, .n = 1 };
    assert_int_equal(TB_OK, fixture_call(f, add_read, &read));
    store_op_fini(&read.op);
    store_op_fini(&delivered.op);
    struct store_change_user change = { .user_id = cy, .email = TB_LIT("cy@y.test"), .username = TB_LIT("sy"),
                                        .password_hash = TB_LIT("hash") };
    assert_int_equal(TB_OK, fixture_call(f, change_user, &change));
    store_op_fini(&change.op);
    struct store_remove_member leave = { .room_id = *room, .user_id = cy };
    assert_int_equal(TB_OK, fixture_call(f, remove_member, &leave));
    struct store_seen         seen = { .user_id = bob, .at = 1700000009000 };
    struct store_set_last_seen last = { .users = &seen, .n = 1 };
    assert_int_equal(TB_OK, fixture_call(f, set_last_seen, &last));
    store_op_fini(&last.op);
    return fixture_send(f, *room, ann, "second");
}

static size_t
count_since(struct fixture *f, int64_t room, int64_t user, const char *offset)
{
    struct store_list_messages p = { .room_id = room, .user_id = user, .limit = 100, .since = tb_str_of(offset) };

    assert_int_equal(TB_OK, fixture_call(f, list_messages, &p));
    size_t n = p.n;
    store_op_fini(&p.op);
    return n;
}

static size_t
count_missed_messages(struct fixture *f, int64_t user)
{
    struct store_catch_up r = { .user_id = user, .max_events = 1000 };
    size_t                n = 0;

    assert_int_equal(TB_OK, fixture_call(f, catch_up, &r));
    assert_true(r.is_at_head);
    for (size_t i = 0; i < r.n; i++)
        n += r.events[i].op.kind == OP_MESSAGE_SENT;
    store_op_fini(&r.op);
    return n;
}

static void
a_repeated_op_is_a_new_one_and_changes_nothing_at_home(void **state)
{
    struct fixture      f;
    struct store_status was, now;
    int64_t             room, bob;
    (void)state;
    fixture_open(&f);
    do_one_of_each(&f, &room, &bob);
    struct store_list_messages page = { .room_id = room, .user_id = bob, .limit = 10 };
    assert_int_equal(TB_OK, fixture_call(&f, list_messages, &page));
    store_op_fini(&page.op);
    char *before = dump(&f);
    store_status(f.store, &was);
    f.wall_ms += 60000;
    for (int64_t seq = 1; seq <= was.own_seq; seq++) {
        struct store_repeat_op r = { .seq = seq };
        assert_int_equal(TB_OK, fixture_call(&f, repeat_op, &r));
        assert_int_equal(was.own_seq + seq, r.new_seq);
        store_op_fini(&r.op);
    }
    store_status(f.store, &now);
    assert_int_equal(2 * was.own_seq, now.own_seq);
    char *after = dump(&f);
    assert_string_equal(before, after);
    assert_int_equal(0, count_since(&f, room, bob, page.offset));
    assert_int_equal(2, count_missed_messages(&f, bob));
    tb_free(before);
    tb_free(after);
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

struct content {
    int64_t at[40];
    char    body[40][200];
};

static void
keep_content(void *ctx, const struct store_entry *entry)
{
    struct content *c = ctx;
    assert_true(entry->seq < 40 && entry->body.n < 200);
    c->at[entry->seq] = entry->at;
    memcpy(c->body[entry->seq], entry->body.p, entry->body.n);
}

static void
a_repeated_op_has_the_content_and_the_clock_of_the_first(void **state)
{
    struct fixture         f;
    struct store_follower *fo = NULL;
    struct tb_err          e = { 0 };
    struct store_status    was;
    struct content         c = { 0 };
    int64_t                room, bob;
    size_t                 n;
    (void)state;
    fixture_open(&f);
    do_one_of_each(&f, &room, &bob);
    store_status(f.store, &was);
    f.wall_ms += 60000;
    for (int64_t seq = 1; seq <= was.own_seq; seq++) {
        struct store_repeat_op r = { .seq = seq };
        assert_int_equal(TB_OK, fixture_call(&f, repeat_op, &r));
        store_op_fini(&r.op);
    }
    assert_int_equal(TB_OK, store_follow(f.store, &fo, &e));
    assert_int_equal(TB_OK, store_follow_own(fo, 0, 100, SIZE_MAX, keep_content, &c, &n, &e));
    for (int64_t seq = 1; seq <= was.own_seq; seq++) {
        assert_int_equal(c.at[seq], c.at[was.own_seq + seq]);
        assert_string_equal(c.body[seq], c.body[was.own_seq + seq]);
    }
    store_unfollow(&fo);
    struct store_repeat_op none = { .seq = 2 * was.own_seq + 1 };
    assert_int_equal(TB_ENOTFOUND, fixture_call(&f, repeat_op, &none));
    fixture_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_ops_come_in_order_and_in_batches),
        cmocka_unit_test(what_was_pushed_is_remembered_and_shows_in_history),
        cmocka_unit_test(a_repeated_op_is_a_new_one_and_changes_nothing_at_home),
        cmocka_unit_test(a_repeated_op_has_the_content_and_the_clock_of_the_first),
    };
    return tap_run(tests);
}
