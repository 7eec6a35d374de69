/* The way up, against a real MariaDB: what the journal has is at the centre, row for row, byte for byte. */
#include "work.h"

static struct centre  centre;
static struct fixture f;
static struct work    w;

static int
begin(void **state)
{
    (void)state;
    centre_empty(&centre);
    fixture_open(&f);
    work_begin(&w, &f, 42);
    return 0;
}

static int
finish(void **state)
{
    (void)state;
    work_end_all();
    fixture_close(&f);
    return 0;
}

static void
everything_written_is_at_the_centre_row_for_row(void **state)
{
    (void)state;
    work_do(&w, 300);                   /* a backlog */
    struct sync *s = work_sync(&f, centre.url);
    work_do(&w, 300);                   /* and while it drains */
    work_wait(s, SYNC_UP);
    work_compare(&f, &centre);
    work_end(&s);
}

static void
at_rest_a_commit_goes_up_without_waiting_for_any_timer(void **state)
{
    (void)state;
    struct sync *s = work_sync_untimed(&f, centre.url);
    work_wait(s, SYNC_UP);
    for (int i = 0; i < 5; i++) {
        fixture_send(&f, w.rooms[0], w.users[0], "now");
        work_wait(s, SYNC_UP);
    }
    work_compare(&f, &centre);
    work_end(&s);
}

static void
history_knows_since_when_a_message_is_at_the_centre(void **state)
{
    (void)state;
    fixture_send(&f, w.rooms[0], w.users[0], "first");
    int64_t      before = tb_wall_ms(&tb_clock_system);
    struct sync *s = work_sync(&f, centre.url);
    work_wait(s, SYNC_UP);
    work_end(&s);                     /* it waits for the journal to have been told */
    fixture_send(&f, w.rooms[0], w.users[0], "second");
    struct store_list_messages page = { .room_id = w.rooms[0], .user_id = w.users[0], .limit = 10 };
    assert_int_equal(TB_OK, fixture_call(&f, list_messages, &page));
    assert_int_equal(2, page.n);
    assert_int_equal(0, page.items[0].synced_at);
    assert_true(page.items[1].synced_at >= before);
    store_op_fini(&page.op);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_written_is_at_the_centre_row_for_row, begin, finish),
        cmocka_unit_test_setup_teardown(at_rest_a_commit_goes_up_without_waiting_for_any_timer, begin, finish),
        cmocka_unit_test_setup_teardown(history_knows_since_when_a_message_is_at_the_centre, begin, finish),
    };
    return centre_run_tests(tests, &centre, NULL);
}
