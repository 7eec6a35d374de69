/* The small parts under the engine: timers, the index, the queue. */
#include "index.h"
#include "queue.h"
#include "timer.h"
#include "tap.h"

#include <stdio.h>

/* ---- timers ---- */

struct alarm {
    struct eio_timer timer;
    int             *log;
    int             *n_log;
    int              id;
};

static void
note(struct eio_timer *t)
{
    struct alarm *a = TB_CONTAINER(t, struct alarm, timer);
    a->log[(*a->n_log)++] = a->id;
}

static void
timers_fire_in_order_of_time_whatever_the_order_of_setting(void **state)
{
    enum { N = 200 };
    static struct alarm alarms[N];
    int                 log[N], n_log = 0;
    struct eio_timers   ts = { 0 };
    (void)state;
    for (int i = 0; i < N; i++) {
        alarms[i] = (struct alarm){ .timer = { .fire = note }, .log = log, .n_log = &n_log, .id = i * 37 % N };
        eio_timers_set(&ts, &alarms[i].timer, 5000);
        eio_timers_set(&ts, &alarms[i].timer, 10 + alarms[i].id);      /* moved */
    }
    assert_int_equal(10, eio_timers_next(&ts));
    assert_false(eio_timers_fire(&ts, 9));
    while (eio_timers_fire(&ts, 10000))
        ;
    assert_int_equal(N, n_log);
    for (int i = 0; i < N; i++)
        assert_int_equal(i, log[i]);
    assert_true(eio_timers_next(&ts) == INT64_MAX);
    eio_timers_fini(&ts);
}

static void
a_cancelled_timer_does_not_fire_and_the_others_do(void **state)
{
    enum { N = 64 };
    static struct alarm alarms[N];
    int                 log[N], n_log = 0;
    struct eio_timers   ts = { 0 };
    (void)state;
    for (int i = 0; i < N; i++) {
        alarms[i] = (struct alarm){ .timer = { .fire = note }, .log = log, .n_log = &n_log, .id = i };
        eio_timers_set(&ts, &alarms[i].timer, i * 29 % N);
    }
    for (int i = 0; i < N; i += 3)
        eio_timers_cancel(&ts, &alarms[i].timer);
    eio_timers_cancel(&ts, &alarms[0].timer);
    int64_t last = -1;
    while (eio_timers_next(&ts) != INT64_MAX) {
        assert_true(eio_timers_next(&ts) >= last);
        last = eio_timers_next(&ts);
        assert_true(eio_timers_fire(&ts, last));
        assert_true(log[n_log - 1] % 3 != 0);
    }
    assert_int_equal(N - (N + 2) / 3, n_log);
    eio_timers_fini(&ts);
}

/* ---- index ---- */

struct thing {
    char name[16];
};

static tb_str
name_of(const void *item)
{
    return tb_str_of(((const struct thing *)item)->name);
}

static void
the_index_finds_what_is_inside_and_nothing_else(void **state)
{
    enum { N = 2000 };
    static struct thing things[N];
    struct eio_index    ix;
    (void)state;
    eio_index_init(&ix, name_of, (uint64_t[2]){ 1, 2 });
    assert_null(eio_index_find(&ix, TB_LIT("1")));
    for (int i = 0; i < N; i++) {
        snprintf(things[i].name, sizeof things[i].name, "thing %d", i);
        eio_index_add(&ix, &things[i]);
    }
    for (int i = 0; i < N; i += 2)
        eio_index_remove(&ix, &things[i]);
    for (int i = 0; i < N; i++)
        assert_ptr_equal(i % 2 ? &things[i] : NULL, eio_index_find(&ix, name_of(&things[i])));
    size_t at = 0, n = 0;
    while (eio_index_next(&ix, &at) != NULL)
        n++;
    assert_int_equal(N / 2, n);
    for (int i = 1; i < N; i += 2)
        eio_index_remove(&ix, &things[i]);
    assert_int_equal(0, ix.n);
    assert_true(ix.cap <= 16);      /* memory goes back */
    eio_index_fini(&ix);
}

/* ---- queue ---- */

static void
the_queue_keeps_order_while_it_grows_turns_and_empties(void **state)
{
    struct eio_queue q;
    char             text[8];
    uint32_t         in = 0, out = 0;
    (void)state;
    eio_queue_init(&q);
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 7; i++) {
            snprintf(text, sizeof text, "%u", in++);
            struct eio_frame *f = eio_frame_text(tb_str_of(text));
            eio_queue_push(&q, f);
            eio_frame_unref(&f);
        }
        for (uint32_t i = 0; i < q.n; i++) {
            snprintf(text, sizeof text, "4%u", out + i);
            assert_true(tb_str_eq(tb_str_of(text), eio_frame_for_poll(eio_queue_at(&q, i))));
        }
        uint32_t n = round < 25 ? 5 : q.n < 9 ? q.n : 9;
        eio_queue_pop(&q, n);
        out += n;
    }
    eio_queue_pop(&q, q.n);
    assert_int_equal(0, q.bytes);
    assert_null(q.ring);            /* an idle session has no queue on the heap */
}

static void
cutting_the_queue_keeps_its_oldest(void **state)
{
    struct eio_queue  q;
    struct eio_frame *f = eio_frame_text(TB_LIT("x"));
    (void)state;
    eio_queue_init(&q);
    for (int i = 0; i < 10; i++)
        eio_queue_push(&q, f);
    assert_int_equal(11, f->refs);
    eio_queue_cut(&q, 3);
    assert_int_equal(3, q.n);
    assert_int_equal(4, f->refs);
    assert_int_equal(3 * eio_frame_size(f), q.bytes);
    eio_queue_cut(&q, 0);
    assert_int_equal(1, f->refs);
    eio_frame_unref(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_order_of_time_whatever_the_order_of_setting),
        cmocka_unit_test(a_cancelled_timer_does_not_fire_and_the_others_do),
        cmocka_unit_test(the_index_finds_what_is_inside_and_nothing_else),
        cmocka_unit_test(the_queue_keeps_order_while_it_grows_turns_and_empties),
        cmocka_unit_test(cutting_the_queue_keeps_its_oldest),
    };
    return tap_run(tests);
}
