/* What is old and at the centre leaves; nothing else does, and nobody who stays notices. */
#include "aging.h"

#include "store/feed.h"
#include "store/follow.h"

#include <stdio.h>

enum { KEEP_DAYS = 30 };

static enum tb_code
leave(struct fixture *f, int64_t room, int64_t user)
{
    struct store_remove_member r = { .room_id = room, .user_id = user };
    enum tb_code               code = fixture_call(f, remove_member, &r);
    store_op_fini(&r.op);
    return code;
}

/* The offset of what was committed last. */
static void
offset_now(struct fixture *f, int64_t room, int64_t user, char out[STORE_OFFSET_SIZE])
{
    struct store_list_messages page = { .room_id = room, .user_id = user, .limit = 1 };
    assert_int_equal(TB_OK, fixture_call(f, list_messages, &page));
    memcpy(out, page.offset, STORE_OFFSET_SIZE);
    store_op_fini(&page.op);
}

static enum tb_code
find(struct fixture *f, const char *offset)
{
    struct store_find_offset r = { .offset = tb_str_of(offset) };
    enum tb_code             code = fixture_call(f, find_offset, &r);
    store_op_fini(&r.op);
    return code;
}

struct people { int64_t ann, bob, room; };

static struct people
fill(struct fixture *f)
{
    struct people p = { .ann = fixture_user(f, "ann"), .bob = fixture_user(f, "bob") };
    p.room = fixture_room(f, p.ann, false);
    assert_int_equal(TB_OK, fixture_join(f, p.room, p.bob, p.bob));
    fixture_send(f, p.room, p.ann, "one");
    fixture_send(f, p.room, p.bob, "two");
    return p;                               /* 7 ops */
}

static void
ops_that_are_old_and_at_the_centre_leave_but_for_the_newest(void **state)
{
    struct fixture f;
    (void)state;
    aging_open(&f, KEEP_DAYS, 0);
    struct people p = fill(&f);
    aging_reach_centre(&f, 0);
    aging_pass_days(&f, KEEP_DAYS);
    fixture_send(&f, p.room, p.ann, "a day begins");
    aging_settle(&f);
    assert_int_equal(8, aging_ask(&f, "SELECT COUNT(*) FROM journal"));       /* to the day: not yet */
    aging_pass_days(&f, KEEP_DAYS);
    fixture_send(&f, p.room, p.ann, "another");
    aging_settle(&f);
    assert_int_equal(7, aging_ask(&f, "SELECT MIN(seq) FROM journal"));       /* the newest that is there, and what is not */
    assert_int_equal(6, aging_ask(&f, "SELECT floor_seq FROM origin WHERE node = 0"));
    assert_int_equal(0, fixture_faults(&f));
    fixture_reopen(&f);
    fixture_send(&f, p.room, p.ann, "after a restart");
    assert_int_equal(0, fixture_faults(&f));
    aging_reach_centre(&f, 0);
    aging_settle(&f);
    assert_int_equal(8, aging_ask(&f, "SELECT MIN(seq) FROM journal"));       /* what waited for the centre went when it was there */
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

static void
a_server_that_never_met_a_centre_keeps_everything(void **state)
{
    struct fixture f;
    (void)state;
    aging_open(&f, KEEP_DAYS, 0);
    struct people p = fill(&f);
    for (int i = 0; i < 5; i++) {
        aging_pass_days(&f, 400);
        fixture_send(&f, p.room, p.ann, "years go by");
        aging_settle(&f);
    }
    assert_int_equal(1, aging_ask(&f, "SELECT MIN(seq) FROM journal"));
    assert_int_equal(0, aging_ask(&f, "SELECT COUNT(*) FROM origin"));
    fixture_close(&f);
}

static void
the_newest_op_stays_when_nothing_follows(void **state)
{
    struct fixture f;
    char           offset[STORE_OFFSET_SIZE];
    (void)state;
    aging_open(&f, KEEP_DAYS, 0);
    struct people p = fill(&f);
    aging_reach_centre(&f, 0);
    aging_pass_days(&f, 1);
    fixture_send(&f, p.room, p.ann, "last");
    aging_reach_centre(&f, 0);
    aging_pass_days(&f, 1);
    fixture_send(&f, p.room, p.ann, "very last");
    aging_reach_centre(&f, 0);
    aging_pass_days(&f, 100);
    aging_settle(&f);
    assert_int_equal(1, aging_ask(&f, "SELECT COUNT(*) FROM journal"));
    offset_now(&f, p.room, p.ann, offset);
    assert_int_equal(TB_OK, find(&f, offset));
    fixture_reopen(&f);
    assert_int_equal(TB_OK, find(&f, offset));
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

static void
an_offset_that_has_left_is_none_and_neither_is_the_beginning(void **state)
{
    struct fixture f;
    char           old[STORE_OFFSET_SIZE], kept[STORE_OFFSET_SIZE], start[STORE_OFFSET_SIZE];
    (void)state;
    aging_open(&f, KEEP_DAYS, 0);
    int64_t                  ann = fixture_user(&f, "ann");
    struct store_find_offset zero = { .pos = 0 };
    assert_int_equal(TB_OK, fixture_call(&f, find_offset, &zero));
    int64_t room = fixture_room(&f, ann, false);
    offset_now(&f, room, ann, old);
    fixture_send(&f, room, ann, "x");
    offset_now(&f, room, ann, kept);
    aging_reach_centre(&f, 0);
    aging_pass_days(&f, 1);
    fixture_send(&f, room, ann, "y");
    aging_reach_centre(&f, 0);
    aging_pass_days(&f, KEEP_DAYS);
    aging_settle(&f);
    assert_int_equal(TB_EINPUT, find(&f, old));
    assert_int_equal(TB_EINPUT, fixture_call(&f, find_offset, &zero));
    store_op_fini(&zero.op);
    snprintf(start, sizeof start, "0-00000000");
    assert_int_equal(TB_EINPUT, find(&f, start));
    assert_int_equal(TB_EINPUT, find(&f, kept));
    offset_now(&f, room, ann, kept);
    assert_int_equal(TB_OK, find(&f, kept));
    struct store_list_messages since = { .room_id = room, .user_id = ann, .limit = 10, .since = tb_str_of(old) };
    assert_int_equal(TB_EINPUT, fixture_call(&f, list_messages, &since));
    store_op_fini(&since.op);
    fixture_close(&f);
}

static void
keep_seq(void *ctx, const struct store_entry *entry)
{
    *(int64_t *)ctx = entry->seq;
}

static void
a_follower_goes_on_at_the_floor_and_is_told_what_lies_below(void **state)
{
    struct fixture         f;
    struct store_follower *follower;
    struct store_identity  me;
    struct tb_err          e = { 0 };
    size_t                 n;
    int64_t                last = 0;
    (void)state;
    aging_open(&f, KEEP_DAYS, 0);
    struct people p = fill(&f);
    aging_reach_centre(&f, 5);
    aging_pass_days(&f, 1);
    fixture_send(&f, p.room, p.ann, "z");
    aging_pass_days(&f, KEEP_DAYS);
    aging_settle(&f);
    assert_int_equal(TB_OK, store_follow(f.store, &follower, &e));
    assert_int_equal(TB_OK, store_follow_identity(follower, &me, &e));
    assert_true(me.floor_seq == 4 && me.pushed_seq == 5);
    assert_int_equal(TB_OK, store_follow_own(follower, 4, 100, SIZE_MAX, keep_seq, &last, &n, &e));
    assert_true(n == 4 && last == 8);
    assert_int_equal(TB_OK, store_follow_own(follower, 6, 1, SIZE_MAX, keep_seq, &last, &n, &e));
    assert_true(n == 1 && last == 7);
    assert_int_equal(TB_ENOTFOUND, store_follow_own(follower, 3, 100, SIZE_MAX, keep_seq, &last, &n, &e));
    assert_int_equal(0, n);
    store_unfollow(&follower);
    fixture_close(&f);
}

static void
what_pointed_to_ops_that_left_goes_with_them(void **state)
{
    struct fixture f;
    (void)state;
    aging_open(&f, KEEP_DAYS, 0);
    struct people p = fill(&f);
    int64_t       other = fixture_room(&f, p.ann, false);
    fixture_join(&f, other, p.bob, p.bob);
    int64_t               ids[] = { fixture_send(&f, p.room, p.ann, "a"), fixture_send(&f, other, p.ann, "b") };
    struct store_add_read r = { .user_id = p.bob, .message_ids = ids, .n = 2 };
    assert_int_equal(TB_OK, fixture_call(&f, add_read, &r));
    store_op_fini(&r.op);
    assert_int_equal(TB_OK, leave(&f, other, p.bob));
    assert_int_equal(TB_OK, fixture_join(&f, other, p.bob, p.bob));
    assert_int_equal(2, aging_ask(&f, "SELECT COUNT(*) FROM journal_also"));
    assert_int_equal(1, aging_ask(&f, "SELECT COUNT(*) FROM member_span WHERE to_pos < 1 << 62"));
    aging_reach_centre(&f, 0);
    aging_pass_days(&f, 1);
    fixture_send(&f, other, p.ann, "c");
    aging_reach_centre(&f, 0);
    aging_pass_days(&f, KEEP_DAYS);
    aging_settle(&f);
    assert_int_equal(0, aging_ask(&f, "SELECT COUNT(*) FROM journal_also"));
    assert_int_equal(0, aging_ask(&f, "SELECT COUNT(*) FROM member_span WHERE to_pos < 1 << 62"));
    assert_int_equal(4, aging_ask(&f, "SELECT COUNT(*) FROM member_span"));
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

static void
a_clock_that_was_ahead_for_a_while_makes_nothing_old(void **state)
{
    struct fixture f;
    (void)state;
    aging_open(&f, KEEP_DAYS, 0);
    struct people p = fill(&f);
    aging_pass_days(&f, 365);
    fixture_send(&f, p.room, p.ann, "from the future");
    aging_pass_days(&f, -365);
    fixture_send(&f, p.room, p.ann, "from now");
    aging_reach_centre(&f, 0);
    aging_pass_days(&f, KEEP_DAYS - 1);
    fixture_send(&f, p.room, p.ann, "later");
    aging_settle(&f);
    assert_int_equal(1, aging_ask(&f, "SELECT MIN(seq) FROM journal"));
    assert_int_equal(0, aging_ask(&f, "SELECT COUNT(*) FROM journal_day WHERE day > (SELECT MIN(day) FROM journal_day) + 60"));
    fixture_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ops_that_are_old_and_at_the_centre_leave_but_for_the_newest),
        cmocka_unit_test(a_server_that_never_met_a_centre_keeps_everything),
        cmocka_unit_test(the_newest_op_stays_when_nothing_follows),
        cmocka_unit_test(an_offset_that_has_left_is_none_and_neither_is_the_beginning),
        cmocka_unit_test(a_follower_goes_on_at_the_floor_and_is_told_what_lies_below),
        cmocka_unit_test(what_pointed_to_ops_that_left_goes_with_them),
        cmocka_unit_test(a_clock_that_was_ahead_for_a_while_makes_nothing_old),
    };
    return tap_run(tests);
}
