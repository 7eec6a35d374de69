/* The mailbox: order, limit, waking, closing, many posters. */
#include "mailbox.h"
#include "tap.h"
#include "thread.h"

#include <stdatomic.h>

struct note {
    struct tb_msg msg;
    int           n;
};

static int heard[64], n_heard, n_woken;

static void
hear(struct tb_msg *m)
{
    heard[n_heard++] = TB_CONTAINER(m, struct note, msg)->n;
}

static void
count_wake(void *ctx)
{
    (void)ctx;
    n_woken++;
}

static int
reset(void **state)
{
    (void)state;
    n_heard = n_woken = 0;
    return 0;
}

static void
first_in_first_out_and_one_wake_for_many(void **state)
{
    struct note        notes[4];
    struct tb_mailbox *mb = tb_mailbox_new(8, count_wake, NULL);
    (void)state;
    for (int i = 0; i < 4; i++) {
        notes[i] = (struct note){ .msg.run = hear, .n = i };
        assert_true(tb_mailbox_post(mb, &notes[i].msg));
    }
    assert_int_equal(1, n_woken);
    assert_int_equal(4, tb_mailbox_run(mb));
    for (int i = 0; i < 4; i++)
        assert_int_equal(i, heard[i]);
    assert_int_equal(0, tb_mailbox_run(mb));
    tb_mailbox_free(&mb);
    assert_null(mb);
}

static void
a_full_or_closed_mailbox_refuses_requests_but_takes_answers(void **state)
{
    struct note        notes[5];
    struct tb_mailbox *mb = tb_mailbox_new(2, NULL, NULL);
    (void)state;
    for (int i = 0; i < 5; i++)
        notes[i] = (struct note){ .msg.run = hear, .n = i };
    assert_true(tb_mailbox_post(mb, &notes[0].msg));
    assert_true(tb_mailbox_post(mb, &notes[1].msg));
    assert_false(tb_mailbox_post(mb, &notes[2].msg));
    tb_mailbox_post_always(mb, &notes[3].msg);
    assert_int_equal(3, tb_mailbox_depth(mb));
    tb_mailbox_close(mb);
    tb_mailbox_run(mb);
    assert_false(tb_mailbox_post(mb, &notes[4].msg));
    tb_mailbox_free(&mb);
    assert_int_equal(3, n_heard);
}

static void
taking_some_leaves_the_rest_in_order(void **state)
{
    struct note        notes[5];
    struct tb_mailbox *mb = tb_mailbox_new(8, NULL, NULL);
    struct tb_msg_list l = { 0 };
    struct tb_msg     *m;
    (void)state;
    for (int i = 0; i < 5; i++) {
        notes[i] = (struct note){ .msg.run = hear, .n = i };
        assert_true(tb_mailbox_post(mb, &notes[i].msg));
    }
    assert_int_equal(3, tb_mailbox_wait(mb, &l, 3, -1));
    while ((m = tb_msg_list_take(&l)) != NULL)
        m->run(m);
    assert_int_equal(2, tb_mailbox_run(mb));
    for (int i = 0; i < 5; i++)
        assert_int_equal(i, heard[i]);
    tb_mailbox_close(mb);
    assert_int_equal(0, tb_mailbox_wait(mb, &l, 3, -1));
    tb_mailbox_free(&mb);
}

enum { POSTERS = 4, EACH = 2000 };

static struct tb_mailbox *shared;
static struct note        flood[POSTERS][EACH];
static _Atomic int        n_flooded;

static void
count_flood(struct tb_msg *m)
{
    (void)m;
    n_flooded++;
}

static void
post_many(void *ctx)
{
    struct note *mine = ctx;
    for (int i = 0; i < EACH; i++) {
        mine[i] = (struct note){ .msg.run = count_flood, .n = i };
        tb_mailbox_post_always(shared, &mine[i].msg);
    }
}

static void
take_until_closed(void *ctx)
{
    (void)ctx;
    for (;;) {
        struct tb_msg_list l = { 0 };
        struct tb_msg     *m;
        if (tb_mailbox_wait(shared, &l, 1, -1) == 0)
            return;
        while ((m = tb_msg_list_take(&l)) != NULL)
            m->run(m);
    }
}

static void
many_posters_and_two_owners_lose_nothing(void **state)
{
    struct tb_thread posters[POSTERS], owners[2];
    (void)state;
    shared = tb_mailbox_new(1, NULL, NULL);
    for (int i = 0; i < 2; i++)
        tb_thread_start(&owners[i], TB_HASHER, take_until_closed, NULL);
    for (int i = 0; i < POSTERS; i++)
        tb_thread_start(&posters[i], TB_READER, post_many, flood[i]);
    for (int i = 0; i < POSTERS; i++)
        tb_thread_join(&posters[i]);
    tb_mailbox_close(shared);
    for (int i = 0; i < 2; i++)
        tb_thread_join(&owners[i]);
    assert_int_equal(POSTERS * EACH, n_flooded);
    tb_mailbox_free(&shared);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(first_in_first_out_and_one_wake_for_many, reset),
        cmocka_unit_test_setup(a_full_or_closed_mailbox_refuses_requests_but_takes_answers, reset),
        cmocka_unit_test_setup(taking_some_leaves_the_rest_in_order, reset),
        cmocka_unit_test(many_posters_and_two_owners_lose_nothing),
    };
    return tap_run(tests);
}
