/* The way up, against a real MariaDB: what the journal has is at the centre, row for row, byte for byte. */
#include "work.h"

static struct centre centre;

static void
everything_written_is_at_the_centre_row_for_row(void **state)
{
    struct fixture f;
    struct work    w;
    (void)state;
    fixture_open(&f);
    work_begin(&w, &f, 42);
    work_do(&w, 300);                   /* a backlog */
    struct sync *s = work_sync(&f, centre.url);
    work_do(&w, 300);                   /* and while it drains */
    work_wait(s, SYNC_UP);
    work_compare(&f, &centre);
    sync_close(&s);
    fixture_close(&f);
}

static void
at_rest_a_commit_goes_up_at_once(void **state)
{
    struct fixture f;
    struct work    w;
    (void)state;
    centre_empty(&centre);
    fixture_open(&f);
    work_begin(&w, &f, 43);
    struct sync *s = work_sync(&f, centre.url);
    work_wait(s, SYNC_UP);
    int64_t before = tb_mono_ms(&tb_clock_system);
    for (int i = 0; i < 5; i++) {
        fixture_send(&f, w.rooms[0], w.users[0], "now");
        work_wait(s, SYNC_UP);
    }
    assert_true(tb_mono_ms(&tb_clock_system) - before < 5000);     /* by the timer each would take up to 2 s */
    work_compare(&f, &centre);
    sync_close(&s);
    fixture_close(&f);
}

static void
history_knows_since_when_a_message_is_at_the_centre(void **state)
{
    struct fixture f;
    struct work    w;
    (void)state;
    centre_empty(&centre);
    fixture_open(&f);
    work_begin(&w, &f, 44);
    fixture_send(&f, w.rooms[0], w.users[0], "first");
    int64_t      before = tb_wall_ms(&tb_clock_system);
    struct sync *s = work_sync(&f, centre.url);
    work_wait(s, SYNC_UP);
    sync_close(&s);                     /* it waits for the journal to have been told */
    fixture_send(&f, w.rooms[0], w.users[0], "second");
    struct store_list_messages page = { .room_id = w.rooms[0], .user_id = w.users[0], .limit = 10 };
    assert_int_equal(TB_OK, fixture_call(&f, list_messages, &page));
    assert_int_equal(2, page.n);
    assert_int_equal(0, page.items[0].synced_at);
    assert_true(page.items[1].synced_at >= before);
    store_op_fini(&page.op);
    fixture_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_written_is_at_the_centre_row_for_row),
        cmocka_unit_test(at_rest_a_commit_goes_up_at_once),
        cmocka_unit_test(history_knows_since_when_a_message_is_at_the_centre),
    };
    return centre_run_tests(tests, &centre, NULL);
}
