/* A follower: own ops in order, in batches, from any position, and what was pushed is remembered. */
#include "fixture.h"

#include "store/follow.h"

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_ops_come_in_order_and_in_batches),
        cmocka_unit_test(what_was_pushed_is_remembered_and_shows_in_history),
    };
    return tap_run(tests);
}
