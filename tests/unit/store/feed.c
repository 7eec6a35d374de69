/* The feed and catching up: no gap, no repeat, and nothing of rooms at times when one was not in them. */
#include "fixture.h"

#include "store/feed.h"

#include <stdio.h>

enum { MOST = 200 };

static struct store_batch *batches[MOST];
static size_t              n_batches;

static void
keep_batch(void *ctx, struct store_batch *b)
{
    (void)ctx;
    batches[n_batches++] = b;
}

/* The text form of what a page or batch holds: kind letter and message id or user, in order. */
static void
describe(struct tb_buf *out, const struct store_event *event)
{
    const struct op *op = &event->op;
    if (op->kind == OP_MESSAGE_SENT)
        tb_buf_printf(out, "m%d(%.*s) ", (int)op->message_sent.id, TB_STR_ARG(event->username));
    else if (op->kind == OP_MEMBER_JOINED)
        tb_buf_printf(out, "+%d(%.*s) ", (int)op->member_joined.user_id, TB_STR_ARG(event->username));
    else if (op->kind == OP_MEMBER_LEFT)
        tb_buf_printf(out, "-%d ", (int)op->member_left.user_id);
    else
        for (size_t i = 0; i < op->receipts.n; i++)
            tb_buf_printf(out, "%c%d/%d:%zu ", op->kind == OP_READ ? 'r' : 'd', (int)op->receipts.of[i].room_id,
                          (int)op->receipts.of[i].user_id, op->receipts.of[i].n);
}

/* Catches user up from `seen` in pages of max; returns what was seen as text (static) and where it ended. */
static const char *
catch_up(struct fixture *f, int64_t user, int64_t seen, size_t max, int64_t *ended, size_t *n_rooms)
{
    static struct tb_buf out = TB_BUF_INIT;
    bool                 is_at_head = false;

    tb_buf_clear(&out);
    tb_buf_add(&out, TB_LIT(""));
    while (!is_at_head) {
        struct store_catch_up r = { .user_id = user, .seen = seen, .max_events = max };
        assert_int_equal(TB_OK, fixture_call(f, catch_up, &r));
        assert_true(r.n <= max && r.upto >= seen);
        for (size_t i = 0; i < r.n; i++) {
            assert_true(r.events[i].op.pos > seen && r.events[i].op.pos <= r.upto);
            describe(&out, &r.events[i]);
        }
        seen = r.upto;
        is_at_head = r.is_at_head;
        *n_rooms = r.n_rooms;
        store_op_fini(&r.op);
    }
    *ended = seen;
    return out.p;
}

static enum tb_code
leave(struct fixture *f, int64_t room, int64_t user)
{
    struct store_remove_member r = { .room_id = room, .user_id = user };
    return fixture_call(f, remove_member, &r);
}

static void
one_sees_what_happened_while_one_was_a_member_and_no_more(void **state)
{
    struct fixture f;
    int64_t        ended;
    size_t         n_rooms;
    (void)state;
    fixture_open(&f);
    int64_t ann = fixture_user(&f, "ann"), bob = fixture_user(&f, "bob");
    int64_t room = fixture_room(&f, ann, false), other = fixture_room(&f, ann, false);
    fixture_send(&f, room, ann, "before");                      /* m1 */
    fixture_join(&f, room, bob, bob);
    fixture_send(&f, room, ann, "one");                         /* m2 */
    fixture_send(&f, other, ann, "elsewhere");                  /* m3 */
    leave(&f, room, bob);
    fixture_send(&f, room, ann, "while away");                  /* m4 */
    fixture_join(&f, room, bob, bob);
    fixture_send(&f, room, ann, "two");                         /* m5 */
    for (size_t max = 1; max < 8; max++) {
        assert_string_equal("+2(bob) m2(ann) -2 +2(bob) m5(ann) ", catch_up(&f, bob, 0, max, &ended, &n_rooms));
        assert_int_equal(1, n_rooms);
    }
    assert_string_equal("", catch_up(&f, bob, ended, 10, &ended, &n_rooms));
    assert_int_equal(2, n_rooms + 1);
    leave(&f, room, bob);
    assert_string_equal("-2 ", catch_up(&f, bob, ended, 10, &ended, &n_rooms));
    assert_int_equal(0, n_rooms);
    fixture_close(&f);
}

static void
receipts_of_several_rooms_reach_each_of_them_and_only_them(void **state)
{
    struct fixture f;
    int64_t        ended;
    size_t         n_rooms;
    (void)state;
    fixture_open(&f);
    int64_t ann = fixture_user(&f, "ann"), bob = fixture_user(&f, "bob"), cat = fixture_user(&f, "cat");
    int64_t a = fixture_room(&f, ann, false), b = fixture_room(&f, ann, false);
    fixture_join(&f, a, bob, bob), fixture_join(&f, b, bob, bob), fixture_join(&f, b, cat, cat);
    int64_t                    ids[2] = { fixture_send(&f, a, ann, "x"), fixture_send(&f, b, ann, "y") };
    struct store_receipts_of   of[2] = { { .room_id = a, .user_id = bob, .message_ids = &ids[0], .n = 1 },
                                         { .room_id = b, .user_id = bob, .message_ids = &ids[1], .n = 1 } };
    struct store_add_delivered d = { .of = of, .n = 2 };
    struct store_status        s;
    store_status(f.store, &s);
    assert_int_equal(TB_OK, fixture_call(&f, add_delivered, &d));
    store_op_fini(&d.op);
    assert_string_equal("d1/2:1 d2/2:1 ", catch_up(&f, ann, s.head_pos, 10, &ended, &n_rooms));
    assert_string_equal("d2/2:1 ", catch_up(&f, cat, s.head_pos, 10, &ended, &n_rooms));
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

static void
the_feed_leaves_nothing_out_and_refused_changes_tell_nothing(void **state)
{
    struct fixture f;
    struct tb_buf  out = TB_BUF_INIT;
    (void)state;
    fixture_open(&f);
    n_batches = 0;
    struct tb_mailbox *feed = tb_mailbox_new(1, NULL, NULL);
    store_feed(f.store, feed, keep_batch, NULL);
    int64_t ann = fixture_user(&f, "ann"), bob = fixture_user(&f, "bob"), room = fixture_room(&f, ann, false);
    fixture_send(&f, room, ann, "x");
    struct store_add_message refused = { .room_id = room, .sender_id = bob, .content = TB_LIT("no member") };
    assert_int_equal(TB_EDENIED, fixture_call(&f, add_message, &refused));
    store_op_fini(&refused.op);
    fixture_join(&f, room, bob, bob);
    int64_t               id = 1;
    struct store_add_read r = { .user_id = bob, .message_ids = &id, .n = 1 };
    assert_int_equal(TB_OK, fixture_call(&f, add_read, &r));
    store_op_fini(&r.op);
    leave(&f, room, bob);
    tb_mailbox_run(feed);
    int64_t pos = 0;
    for (size_t i = 0; i < n_batches; i++) {
        assert_true(batches[i]->from == pos && batches[i]->to > pos);
        pos = batches[i]->to;
        for (size_t k = 0; k < batches[i]->n; k++) {
            assert_true(batches[i]->events[k].op.pos > batches[i]->from && batches[i]->events[k].op.pos <= pos);
            describe(&out, &batches[i]->events[k]);
            char                     offset[STORE_OFFSET_SIZE];
            struct store_find_offset at = { 0 };
            store_event_offset(&batches[i]->events[k], offset);
            at.offset = tb_str_of(offset);
            assert_int_equal(TB_OK, fixture_call(&f, find_offset, &at));
            assert_int_equal(batches[i]->events[k].op.pos, at.pos);
            store_op_fini(&at.op);
            struct store_find_offset within = { 0 };
            store_event_offset_within(&batches[i]->events[k], UINT32_MAX, offset);
            within.offset = tb_str_of(offset);
            assert_int_equal(TB_OK, fixture_call(&f, find_offset, &within));
            assert_int_equal(batches[i]->events[k].op.pos - 1, within.pos);
            assert_true(within.parts == UINT32_MAX && within.at == at.at && at.parts == 0);
            store_op_fini(&within.op);
        }
        struct store_find_offset o = { .offset = tb_str_of(batches[i]->offset) };
        assert_int_equal(TB_OK, fixture_call(&f, find_offset, &o));
        assert_true(o.pos == pos && o.at > 0);
        store_op_fini(&o.op);
        store_batch_free(&batches[i]);
    }
    assert_string_equal("+1(ann) m1(ann) +2(bob) r1/2:1 -2 ", out.p);
    tb_buf_fini(&out);
    store_close(&f.store);
    tb_mailbox_free(&feed);
    fixture_close(&f);
}

/* Others are busy: n messages in their room, sent in waves so that they share commits. */
static void
send_many(struct fixture *f, int64_t room, int64_t sender, int n)
{
    enum { WAVE = 500 };
    static struct store_add_message r[WAVE];

    for (int done = 0; done < n; done += WAVE) {
        for (int i = 0; i < WAVE; i++) {
            r[i] = (struct store_add_message){ .room_id = room, .sender_id = sender, .content = TB_LIT("busy") };
            fixture_prepare(f, &r[i].op);
            store_add_message(f->store, &r[i]);
        }
        for (int i = 0; i < WAVE; i++)
            fixture_wait(f);
        for (int i = 0; i < WAVE; i++)
            store_op_fini(&r[i].op);
    }
}

static void
a_long_way_behind_is_walked_in_bounded_pages(void **state)
{
    struct fixture f;
    int64_t        ended;
    size_t         n_rooms;
    (void)state;
    fixture_open(&f);
    int64_t ann = fixture_user(&f, "ann"), bob = fixture_user(&f, "bob");
    int64_t room = fixture_room(&f, ann, false), other = fixture_room(&f, ann, false);
    fixture_join(&f, room, bob, bob);
    send_many(&f, other, ann, 20500);       /* more than the positions of one page */
    int64_t id = fixture_send(&f, room, ann, "at last");
    struct store_catch_up first = { .user_id = bob, .max_events = 100 };
    assert_int_equal(TB_OK, fixture_call(&f, catch_up, &first));
    assert_true(first.n == 1 && !first.is_at_head && first.upto == 20000 && first.n_rooms == 1);
    store_op_fini(&first.op);
    struct tb_buf expected = TB_BUF_INIT;
    tb_buf_printf(&expected, "+2(bob) m%d(ann) ", (int)id);
    assert_string_equal(expected.p, catch_up(&f, bob, 0, 100, &ended, &n_rooms));
    tb_buf_fini(&expected);
    fixture_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_sees_what_happened_while_one_was_a_member_and_no_more),
        cmocka_unit_test(receipts_of_several_rooms_reach_each_of_them_and_only_them),
        cmocka_unit_test(the_feed_leaves_nothing_out_and_refused_changes_tell_nothing),
        cmocka_unit_test(a_long_way_behind_is_walked_in_bounded_pages),
    };
    return tap_run(tests);
}
