/* The way down: ops of other sites, by the same fakes. */
#include "fakes.h"

#include "base/log.h"

static void
others_are(int64_t first, int64_t second)
{
    fakes.heads[0] = (struct sync_head){ .node = 1, .journal_uuid = "one", .last_seq = first };
    fakes.heads[1] = (struct sync_head){ .node = 2, .journal_uuid = "two", .last_seq = second };
}

static void
ops_of_others_come_down_merged_by_time_and_the_centre_hears_how_far(void **state)
{
    (void)state;
    fakes_begin(0);
    others_are(20, 12);
    fakes_until(SYNC_LEVEL);
    fakes_look_once();
    assert_int_equal(20, fakes.vector[0]);
    assert_int_equal(12, fakes.vector[1]);
    for (size_t i = 0; i < 24; i++)
        assert_int_equal(1 + i % 2, fakes.order[i]);
    assert_int_equal(SYNC_PULL_BUSY_MS, sync_engine_step(fakes.engine));      /* where something came, more is likely */
    fakes.now_ms += SYNC_PULL_BUSY_MS;
    fakes_look_once();
    assert_int_equal(1, fakes.n_adds);
    assert_int_equal(1, fakes.n_told);
    fakes.now_ms += 60000;
    fakes_look_once();
    assert_int_equal(1, fakes.n_told);
    assert_int_equal(SYNC_PULL_QUIET_MS, sync_engine_step(fakes.engine));
    fakes_end();
}

static void
a_long_way_comes_down_in_changes_of_bounded_size_and_rounds(void **state)
{
    (void)state;
    fakes_begin(0);
    others_are(9000, 4000);
    fakes.vector[1] = 1000;
    fakes_until(SYNC_LEVEL);
    for (int i = 0; i < 1000 && fakes.vector[0] < 9000; i++) {
        int wait_ms = sync_engine_step(fakes.engine);
        tb_mailbox_run(fakes.inbox);
        fakes.now_ms += wait_ms > 0 ? wait_ms : 0;
    }
    assert_int_equal(9000, fakes.vector[0]);
    assert_int_equal(4000, fakes.vector[1]);
    assert_true(fakes.n_adds >= 12000 / STORE_REMOTE_MAX);
    fakes_end();
}

static void
a_long_way_up_does_not_hold_up_the_way_down(void **state)
{
    (void)state;
    fakes_begin(1000);
    others_are(5, 0);
    fakes_until(SYNC_PULLING);
    assert_true(fakes.place.last_seq < 1000);
    fakes_until(SYNC_PUSHING);
    assert_int_equal(5, fakes.vector[0]);
    fakes_end();
}

static void
what_the_journal_is_slow_to_take_is_not_asked_for_again_and_ops_go_up_meanwhile(void **state)
{
    (void)state;
    fakes_begin(0);
    others_are(5, 5);
    fakes.is_slow_to_add = true;
    fakes_until(SYNC_LEVEL);
    fakes_look_once();
    assert_int_equal(-1, sync_engine_step(fakes.engine));
    assert_true(sync_engine_awaits_store(fakes.engine));
    fakes_append(3);
    fakes_until(SYNC_PUSHING);
    fakes_until(SYNC_LEVEL);
    assert_int_equal(3, fakes.place.last_seq);
    assert_int_equal(1, fakes.n_looks);
    tb_mailbox_post_always(fakes.inbox, &fakes.due->msg);
    tb_mailbox_run(fakes.inbox);
    assert_false(sync_engine_awaits_store(fakes.engine));
    fakes.now_ms += SYNC_PULL_BUSY_MS;
    fakes_look_once();
    assert_int_equal(1, fakes.n_adds);
    fakes_end();
}

static void
a_link_that_goes_while_the_journal_takes_what_came_loses_nothing(void **state)
{
    (void)state;
    fakes_begin(0);
    others_are(600, 0);         /* three changes */
    fakes.is_slow_to_add = true;
    fakes_until(SYNC_LEVEL);
    fakes_look_once();
    fakes.refuses_push = true;
    fakes_append(1);
    fakes_until(SYNC_RESTING);
    fakes.refuses_push = fakes.is_slow_to_add = false;
    fakes.now_ms += SYNC_MAX_REST_MS;
    fakes_until(SYNC_LEVEL);
    tb_mailbox_post_always(fakes.inbox, &fakes.due->msg);
    tb_mailbox_run(fakes.inbox);
    for (int i = 0; i < 5 && fakes.vector[0] < 600; i++) {
        fakes.now_ms += SYNC_PULL_QUIET_MS;
        fakes_look_once();
    }
    assert_int_equal(600, fakes.vector[0]);
    fakes_end();
}

static void
a_full_disk_makes_pulling_wait_and_the_link_stays(void **state)
{
    (void)state;
    fakes_begin(0);
    others_are(5, 5);
    fakes.remote_answer = TB_EFULL;
    fakes_until(SYNC_LEVEL);
    fakes_look_once();
    assert_int_equal(SYNC_PULL_QUIET_MS, sync_engine_step(fakes.engine));
    assert_true(fakes.facts.is_up);
    fakes.remote_answer = TB_OK;
    fakes.now_ms += SYNC_PULL_QUIET_MS;
    fakes_look_once();
    assert_int_equal(5, fakes.vector[0]);
    fakes_end();
}

static void
a_site_whose_ops_do_not_fit_is_left_alone_and_the_others_go_on(void **state)
{
    (void)state;
    fakes_listen();
    fakes_begin(0);
    others_are(5, 5);
    fakes.remote_answer = TB_ECONFLICT;
    fakes_until(SYNC_LEVEL);
    fakes_look_once();                /* bad_node is the first one's */
    if (strstr(fakes_last_line, "error sync.stream_refused") == NULL || strstr(fakes_last_line, "node=1") == NULL)
        fail_msg("%s", fakes_last_line);
    fakes.remote_answer = TB_OK;
    fakes.now_ms += SYNC_PULL_QUIET_MS;
    fakes_look_once();
    assert_int_equal(0, fakes.vector[0]);
    assert_int_equal(5, fakes.vector[1]);
    log_divert(NULL);
    fakes_end();
}

static void
a_gap_at_the_centre_is_told_and_what_came_before_it_is_taken(void **state)
{
    (void)state;
    fakes_listen();
    fakes_begin(0);
    others_are(9, 0);
    fakes.lost_from = 4;
    fakes_until(SYNC_LEVEL);
    fakes_look_once();
    assert_int_equal(3, fakes.vector[0]);
    fakes.now_ms += SYNC_PULL_QUIET_MS;
    fakes_look_once();
    fakes.now_ms += SYNC_PULL_QUIET_MS;
    fakes_look_once(); /* it was not about to leave op_log */
    if (strstr(fakes_last_line, "error sync.stream_refused") == NULL)
        fail_msg("%s", fakes_last_line);
    unsigned n_adds = fakes.n_adds;
    fakes.now_ms += SYNC_PULL_QUIET_MS;
    fakes_look_once();
    assert_int_equal(n_adds, fakes.n_adds);
    log_divert(NULL);
    fakes_end();
}

/* ---- the centre's tables ---- */

/* Ops of the first site up to the floor are in op_log no more; we have some of them. */
static void
below_the_floor(int64_t n_rows)
{
    others_are(9, 5);
    fakes.heads[0].floor = 6;
    fakes.vector[0] = 2;
    fakes.n_table_rows = n_rows;
}

static void
each_row_came(int64_t n_rows, unsigned times)
{
    for (int64_t id = 1; id <= n_rows; id++)
        assert_int_equal(times, fakes.rows_here[id]);
}

static void
look_until_taken(void)
{
    for (int i = 0; i < 10 && (fakes.facts.is_taking || fakes.vector[0] < 9); i++) {
        fakes.now_ms += SYNC_PULL_QUIET_MS;
        fakes_look_once();
    }
    assert_false(fakes.facts.is_taking);
    assert_int_equal(9, fakes.vector[0]);
    assert_int_equal(5, fakes.vector[1]);
}

static void
where_ops_have_left_the_log_the_tables_are_taken_and_the_streams_go_on_from_there(void **state)
{
    (void)state;
    fakes_begin(3);
    below_the_floor(1500);
    fakes_until(SYNC_LEVEL);
    look_until_taken();
    each_row_came(1500, 1);
    assert_int_equal(3, fakes.n_pages);
    assert_in_range(fakes.most_rows, 1, STORE_REMOTE_MAX);
    assert_int_equal(1500, fakes.facts.n_taken);
    assert_int_equal(0, fakes.n_adds); /* of ops: all were in the tables */
    fakes.heads[0].last_seq = 12;
    fakes.now_ms += SYNC_PULL_QUIET_MS;
    fakes_look_once();
    assert_int_equal(12, fakes.vector[0]);
    fakes_end();
}

static void
what_comes_after_the_floor_is_pulled_as_ever(void **state)
{
    (void)state;
    fakes_begin(0);
    below_the_floor(10);
    fakes.vector[0] = 6;
    fakes_until(SYNC_LEVEL);
    look_until_taken();
    assert_int_equal(0, fakes.n_pages);
    fakes_end();
}

static void
a_link_that_goes_among_the_tables_is_followed_by_the_page_that_was_under_way(void **state)
{
    (void)state;
    fakes_begin(0);
    below_the_floor(1500);
    fakes_until(SYNC_LEVEL);
    fakes_look_once();
    fakes.refuses_rows = true;
    fakes_until(SYNC_PULLING);
    fakes_until(SYNC_RESTING);
    assert_int_equal(700, fakes.first_row_asked);
    fakes.refuses_rows = false;
    fakes.now_ms += SYNC_MAX_REST_MS;
    fakes_until(SYNC_LEVEL);
    look_until_taken();
    each_row_came(1500, 1);
    fakes_end();
}

static void
a_page_that_the_journal_refuses_is_read_again(void **state)
{
    (void)state;
    fakes_begin(0);
    below_the_floor(1500);
    fakes.rows_answer = TB_EFULL;
    fakes_until(SYNC_LEVEL);
    fakes_look_once();
    assert_int_equal(SYNC_PULL_QUIET_MS, sync_engine_step(fakes.engine));
    assert_true(fakes.facts.is_up && fakes.facts.is_taking);
    fakes.rows_answer = TB_OK;
    look_until_taken();
    each_row_came(1500, 1);
    fakes_end();
}

static void
a_centre_that_was_restored_meanwhile_is_begun_with_anew(void **state)
{
    (void)state;
    fakes_begin(0);
    below_the_floor(1500);
    fakes_until(SYNC_LEVEL);
    fakes_look_once();
    fakes.heads[0].last_seq = 8;
    fakes_look_once();
    assert_int_equal(0, fakes.first_row_asked);
    fakes.heads[0].last_seq = 9;
    for (int i = 0; i < 10 && fakes.facts.is_taking; i++)
        fakes_look_once();
    look_until_taken();
    fakes_end();
}

static void
a_gap_that_a_rising_floor_explains_leads_to_the_tables(void **state)
{
    (void)state;
    fakes_begin(0);
    below_the_floor(10);
    fakes.heads[0].floor = 0;
    fakes.lost_from = 3; /* all that we have not */
    fakes.heads[1].last_seq = 2;
    fakes.vector[1] = 2;
    fakes_until(SYNC_LEVEL);
    fakes_look_once();
    fakes.lost_from = 0;
    fakes.heads[0].floor = 6;
    for (int i = 0; i < 5 && fakes.vector[0] < 9; i++) {
        fakes.now_ms += SYNC_PULL_QUIET_MS;
        fakes_look_once();
    }
    assert_int_equal(9, fakes.vector[0]);
    assert_int_equal(0, fakes.facts.n_refused_streams);
    each_row_came(10, 1);
    fakes_end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ops_of_others_come_down_merged_by_time_and_the_centre_hears_how_far),
        cmocka_unit_test(a_long_way_comes_down_in_changes_of_bounded_size_and_rounds),
        cmocka_unit_test(a_long_way_up_does_not_hold_up_the_way_down),
        cmocka_unit_test(what_the_journal_is_slow_to_take_is_not_asked_for_again_and_ops_go_up_meanwhile),
        cmocka_unit_test(a_link_that_goes_while_the_journal_takes_what_came_loses_nothing),
        cmocka_unit_test(a_full_disk_makes_pulling_wait_and_the_link_stays),
        cmocka_unit_test(a_site_whose_ops_do_not_fit_is_left_alone_and_the_others_go_on),
        cmocka_unit_test(a_gap_at_the_centre_is_told_and_what_came_before_it_is_taken),
        cmocka_unit_test(where_ops_have_left_the_log_the_tables_are_taken_and_the_streams_go_on_from_there),
        cmocka_unit_test(what_comes_after_the_floor_is_pulled_as_ever),
        cmocka_unit_test(a_link_that_goes_among_the_tables_is_followed_by_the_page_that_was_under_way),
        cmocka_unit_test(a_page_that_the_journal_refuses_is_read_again),
        cmocka_unit_test(a_centre_that_was_restored_meanwhile_is_begun_with_anew),
        cmocka_unit_test(a_gap_that_a_rising_floor_explains_leads_to_the_tables),
    };
    return tap_run(tests);
}
