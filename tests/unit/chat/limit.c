/* The sliding window, on a clock that the test moves. */
#include "chat/limit.h"
#include "tap.h"

#define MS INT64_C(1000)

struct step {
    int64_t at_ms, key;
    bool    may;
    int64_t wait_ms;        /* when it may not */
};

static const struct chat_rate five_in_ten_s = { .max = 5, .window_ms = 10000, .tracked = 100 };

static void
play(struct chat_limit *l, const struct step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int64_t wait_us = -1;
        bool    may = chat_limit_admit(l, chat_limit_key_of(steps[i].key), steps[i].at_ms * MS, &wait_us);
        assert_int_equal(steps[i].may, may);
        if (!may)
            assert_int_equal(steps[i].wait_ms * MS, wait_us);
    }
}

#define PLAY(rate, ...)                                             \
    do {                                                            \
        const struct step  steps[] = { __VA_ARGS__ };               \
        struct chat_limit *l = chat_limit_new(rate);                \
        play(l, steps, sizeof steps / sizeof *steps);               \
        chat_limit_free(&l);                                        \
        assert_null(l);                                             \
    } while (0)

static void
five_in_ten_seconds_and_not_one_more(void **state)
{
    (void)state;
    PLAY(five_in_ten_s, { 0, 1, true, 0 }, { 0, 1, true, 0 }, { 1, 1, true, 0 }, { 2, 1, true, 0 }, { 9000, 1, true,
        0 },
         { 9999, 1, false, 1 });
}

static void
the_window_slides_so_each_place_comes_back_by_itself(void **state)
{
    (void)state;
    PLAY(five_in_ten_s, { 0, 1, true, 0 }, { 1000, 1, true, 0 }, { 2000, 1, true, 0 }, { 3000, 1, true, 0 },
         { 4000, 1, true, 0 }, { 5000, 1, false, 5000 }, { 10000, 1, true, 0 }, { 10000, 1, false, 1000 },
         { 10999, 1, false, 1 }, { 11000, 1, true, 0 }, { 11000, 1, false, 1000 });
}

static void
a_refused_try_does_not_count(void **state)
{
    (void)state;
    PLAY(five_in_ten_s, { 0, 1, true, 0 }, { 0, 1, true, 0 }, { 0, 1, true, 0 }, { 0, 1, true, 0 }, { 0, 1, true, 0 },
         { 1000, 1, false, 9000 }, { 5000, 1, false, 5000 }, { 9999, 1, false, 1 }, { 10000, 1, true, 0 },
         { 10000, 1, true, 0 }, { 10000, 1, true, 0 }, { 10000, 1, true, 0 }, { 10000, 1, true, 0 },
         { 10000, 1, false, 10000 });
}

static void
each_key_has_its_own_window(void **state)
{
    (void)state;
    PLAY(((struct chat_rate){ 1, 10000, 100 }), { 0, 1, true, 0 }, { 0, 2, true, 0 }, { 1, 1, false, 9999 },
         { 1, 3, true, 0 });
}

static void
zero_means_no_limit(void **state)
{
    struct chat_limit *l = chat_limit_new((struct chat_rate){ 0, 10000, 100 });
    int64_t            wait_us;
    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_true(chat_limit_admit(l, chat_limit_key_of(1), 0, &wait_us));
    assert_int_equal(0, chat_limit_size(l));
    chat_limit_free(&l);
}

static void
what_is_taken_back_was_never_counted(void **state)
{
    struct chat_limit *l = chat_limit_new((struct chat_rate){ 3, 10000, 100 });
    int64_t            wait_us;
    (void)state;
    for (int64_t at = 0; at < 3; at++)
        assert_true(chat_limit_admit(l, chat_limit_key_of(1), at * MS, &wait_us));
    chat_limit_take_back(l, chat_limit_key_of(1), 0);           /* the oldest: the others move up */
    assert_true(chat_limit_admit(l, chat_limit_key_of(1), 3 * MS, &wait_us));
    assert_false(chat_limit_admit(l, chat_limit_key_of(1), 4 * MS, &wait_us));
    assert_int_equal(9997 * MS, wait_us);                       /* until 1 has left */
    chat_limit_take_back(l, chat_limit_key_of(1), 77 * MS);     /* nothing of that time */
    chat_limit_take_back(l, chat_limit_key_of(2), 0);           /* nobody */
    assert_false(chat_limit_admit(l, chat_limit_key_of(1), 4 * MS, &wait_us));
    chat_limit_free(&l);
}

static void
a_wide_window_remembers_every_admission(void **state)
{
    struct chat_limit *l = chat_limit_new((struct chat_rate){ 1000, 10000, 100 });
    int64_t            wait_us;
    (void)state;
    for (int64_t i = 0; i < 1000; i++)
        assert_true(chat_limit_admit(l, chat_limit_key_of(1), i * MS, &wait_us));
    assert_false(chat_limit_admit(l, chat_limit_key_of(1), 9999 * MS, &wait_us));
    for (int64_t i = 0; i < 1000; i++) {
        assert_true(chat_limit_admit(l, chat_limit_key_of(1), (10000 + i) * MS, &wait_us));
        assert_false(chat_limit_admit(l, chat_limit_key_of(1), (10000 + i) * MS, &wait_us));
    }
    chat_limit_free(&l);
}

/* The ring starts small and has wrapped round when it must grow. */
static void
a_ring_that_grows_keeps_its_order(void **state)
{
    struct chat_limit *l = chat_limit_new((struct chat_rate){ 12, 1000, 100 });
    int64_t            wait_us;
    (void)state;
    for (int64_t at = 0; at < 8; at++)
        assert_true(chat_limit_admit(l, chat_limit_key_of(1), at * 100 * MS, &wait_us));
    for (int64_t at = 13; at < 20; at++)            /* 0..3 have left, so it wraps, and then it is full */
        assert_true(chat_limit_admit(l, chat_limit_key_of(1), 1300 * MS + at, &wait_us));
    assert_true(chat_limit_admit(l, chat_limit_key_of(1), 1300 * MS + 20, &wait_us));
    assert_false(chat_limit_admit(l, chat_limit_key_of(1), 1300 * MS + 21, &wait_us));
    assert_int_equal(100 * MS - 21, wait_us);       /* until the one of 400 ms has left */
    chat_limit_free(&l);
}

static void
at_the_bound_the_key_idle_longest_is_forgotten(void **state)
{
    struct chat_limit *l = chat_limit_new((struct chat_rate){ 1, 10000, 3 });
    int64_t            wait_us;
    (void)state;
    for (int64_t key = 1; key <= 3; key++)
        assert_true(chat_limit_admit(l, chat_limit_key_of(key), key * MS, &wait_us));
    assert_false(chat_limit_admit(l, chat_limit_key_of(1), 5 * MS, &wait_us));      /* no longer idle */
    assert_true(chat_limit_admit(l, chat_limit_key_of(4), 6 * MS, &wait_us));       /* 2 goes */
    assert_int_equal(3, chat_limit_size(l));
    assert_false(chat_limit_admit(l, chat_limit_key_of(1), 7 * MS, &wait_us));
    assert_false(chat_limit_admit(l, chat_limit_key_of(3), 7 * MS, &wait_us));
    assert_true(chat_limit_admit(l, chat_limit_key_of(2), 7 * MS, &wait_us));
    chat_limit_free(&l);
}

static void
keys_whose_window_is_over_make_room_by_themselves(void **state)
{
    struct chat_limit *l = chat_limit_new((struct chat_rate){ 5, 10000, 100000 });
    int64_t            wait_us;
    (void)state;
    for (int64_t key = 1; key <= 5000; key++)
        assert_true(chat_limit_admit(l, chat_limit_key_of(key), 0, &wait_us));
    assert_int_equal(5000, chat_limit_size(l));
    for (int64_t key = 5001; key <= 10000; key++)
        assert_true(chat_limit_admit(l, chat_limit_key_of(key), 20000 * MS, &wait_us));
    assert_int_equal(5000, chat_limit_size(l));
    chat_limit_free(&l);
}

static void
new_limits_hold_at_once_and_keep_what_was_counted(void **state)
{
    struct chat_limit *l = chat_limit_new((struct chat_rate){ 4, 10000, 100 });
    int64_t            wait_us;
    (void)state;
    for (int64_t at = 0; at < 4; at++)
        assert_true(chat_limit_admit(l, chat_limit_key_of(1), at * MS, &wait_us));
    chat_limit_set(l, (struct chat_rate){ 2, 10000, 100 });
    assert_false(chat_limit_admit(l, chat_limit_key_of(1), 5 * MS, &wait_us));
    assert_int_equal((10002 - 5) * MS, wait_us);                /* three of the four must have left */
    assert_true(chat_limit_admit(l, chat_limit_key_of(1), 10002 * MS, &wait_us));
    chat_limit_admit(l, chat_limit_key_of(2), 10002 * MS, &wait_us);
    chat_limit_set(l, (struct chat_rate){ 2, 10000, 1 });
    assert_int_equal(1, chat_limit_size(l));
    chat_limit_free(&l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_in_ten_seconds_and_not_one_more),
        cmocka_unit_test(the_window_slides_so_each_place_comes_back_by_itself),
        cmocka_unit_test(a_refused_try_does_not_count),
        cmocka_unit_test(each_key_has_its_own_window),
        cmocka_unit_test(zero_means_no_limit),
        cmocka_unit_test(what_is_taken_back_was_never_counted),
        cmocka_unit_test(a_wide_window_remembers_every_admission),
        cmocka_unit_test(a_ring_that_grows_keeps_its_order),
        cmocka_unit_test(at_the_bound_the_key_idle_longest_is_forgotten),
        cmocka_unit_test(keys_whose_window_is_over_make_room_by_themselves),
        cmocka_unit_test(new_limits_hold_at_once_and_keep_what_was_counted),
    };
    return tap_run(tests);
}
