/* What comes before the first push: numbers, older copies, epochs, and tables where the ops have left the journal. */
#include "fakes.h"

static void
a_journal_that_has_written_nothing_gets_a_number_that_is_free(void **state)
{
    (void)state;
    fakes_begin(0);
    memcpy(fakes.place.owner_uuid, "other", sizeof "other");
    fakes.number = 5;
    fakes_until(SYNC_LEVEL);
    assert_int_equal(5, fakes.me.node);
    fakes_end();
}

static void
one_that_wrote_while_it_got_its_number_is_told_what_to_do(void **state)
{
    (void)state;
    fakes_begin(0);
    memcpy(fakes.place.owner_uuid, "other", sizeof "other");
    fakes.number = 5;
    fakes.own_answer = TB_ECONFLICT;
    fakes_until(SYNC_DIVERGED);
    fakes_end();
}

static void
an_older_copy_gets_back_what_it_has_lost_and_goes_on_under_the_next_epoch(void **state)
{
    (void)state;
    fakes_begin(5);
    fakes_chain(5, fakes.me.own_chain);
    fakes.place.last_seq = 700;
    fakes_chain(700, fakes.place.chain);
    fakes_until(SYNC_RESTORING);
    fakes_until(SYNC_LEVEL);
    assert_int_equal(700, fakes.me.own_seq);
    assert_int_equal(2, fakes.me.epoch);
    assert_int_equal(2, fakes.epoch_set);
    assert_false(fakes.holds_users);
    assert_int_equal(0, fakes.n_pushes);
    fakes_end();
}

static void
users_are_not_held_up_when_the_link_goes_in_the_middle_of_it(void **state)
{
    (void)state;
    fakes_begin(5);
    fakes_chain(5, fakes.me.own_chain);
    fakes.place.last_seq = 700;
    fakes_chain(700, fakes.place.chain);
    fakes_until(SYNC_RESTORING);
    sync_engine_step(fakes.engine);
    tb_mailbox_run(fakes.inbox);
    assert_true(fakes.holds_users);
    fakes.refuses_ops = true;
    fakes_until(SYNC_RESTING);
    assert_false(fakes.holds_users);
    fakes.refuses_ops = false;
    fakes.now_ms += SYNC_MAX_REST_MS;
    fakes_until(SYNC_LEVEL);
    assert_int_equal(700, fakes.me.own_seq);
    assert_false(fakes.holds_users);
    fakes_end();
}

static void
a_centre_that_is_one_epoch_behind_is_brought_up(void **state)
{
    (void)state;
    fakes_begin(5);
    fakes.me.epoch = 3;
    fakes_until(SYNC_LEVEL);
    assert_int_equal(3, fakes.epoch_set);
    fakes_end();
}

static void
a_restored_journal_takes_over_also_when_it_has_lost_nothing_and_only_once(void **state)
{
    (void)state;
    for (int64_t n_ops = 0; n_ops <= 5; n_ops += 5) {
        fakes_begin(n_ops);
        fakes.place.last_seq = n_ops;
        fakes_chain(n_ops, fakes.me.own_chain);
        memcpy(fakes.place.chain, fakes.me.own_chain, sizeof fakes.place.chain);
        fakes.me.restored = STORE_RESTORED;
        fakes_until(SYNC_RESTORING);
        fakes_until(SYNC_LEVEL);
        assert_int_equal(2, fakes.me.epoch);
        assert_int_equal(2, fakes.epoch_set);
        fakes_end();
    }
}

static void
it_leaves_an_original_that_is_in_use_alone_until_that_is_gone(void **state)
{
    (void)state;
    fakes_begin(5);
    fakes_chain(5, fakes.me.own_chain);
    fakes.place.last_seq = 700;
    fakes_chain(700, fakes.place.chain);
    fakes.me.restored = STORE_RESTORED;
    fakes.place.here_ago_ms = SYNC_GONE_MS - 1;
    fakes_until(SYNC_ENROLLING);
    fakes_until(SYNC_RESTING);
    assert_int_equal(1, fakes.me.epoch);
    assert_int_equal(5, fakes.me.own_seq);
    assert_false(fakes.waits_no_more[STORE_AWAITS_CENTRE]);
    fakes.place.here_ago_ms = SYNC_GONE_MS;
    fakes.now_ms += SYNC_MAX_REST_MS;
    fakes_until(SYNC_LEVEL);
    assert_int_equal(2, fakes.me.epoch);
    assert_int_equal(700, fakes.me.own_seq);
    fakes_end();
}

static void
unless_it_was_told_to_take_over(void **state)
{
    (void)state;
    fakes_begin(5);
    fakes_chain(5, fakes.me.own_chain);
    fakes.place.last_seq = 700;
    fakes_chain(700, fakes.place.chain);
    fakes.me.restored = STORE_RESTORED_TAKES_OVER;
    fakes.place.here_ago_ms = 0;
    fakes_until(SYNC_RESTORING);
    fakes_until(SYNC_LEVEL);
    assert_int_equal(2, fakes.me.epoch);
    fakes_end();
}

static void
nobody_is_waited_for_once_a_centre_has_refused_or_sync_is_paused_or_has_diverged(void **state)
{
    (void)state;
    fakes_begin(0);
    fakes.refuses_connect = true;
    fakes_until(SYNC_CONNECTING);
    fakes_until(SYNC_RESTING);
    assert_false(fakes.waits_no_more[STORE_AWAITS_NUMBER]);         /* it may be starting */
    fakes.refusal = TB_EDENIED;
    fakes.now_ms += SYNC_MAX_REST_MS;
    fakes_until(SYNC_CONNECTING);
    fakes_until(SYNC_RESTING);
    assert_true(fakes.waits_no_more[STORE_AWAITS_NUMBER]);
    assert_false(fakes.waits_no_more[STORE_AWAITS_CENTRE]);
    fakes_end();
    fakes_begin(0);
    sync_engine_pause(fakes.engine, true);
    assert_true(fakes.waits_no_more[STORE_AWAITS_NUMBER]);
    assert_false(fakes.waits_no_more[STORE_AWAITS_CENTRE]);
    fakes_end();
    fakes_begin(5);
    memcpy(fakes.place.owner_uuid, "other", sizeof "other");
    fakes_until(SYNC_DIVERGED);
    assert_true(fakes.waits_no_more[STORE_AWAITS_NUMBER] && fakes.waits_no_more[STORE_AWAITS_CENTRE]);
    fakes_end();
}

/* ---- tables instead of ops ---- */

enum { ROWS = 25, OPS = 30, FLOOR = 12 };

/* The centre has `there` of 30 ops, of which the journal has those after the 12th. */
static void
begin_pruned(int64_t there)
{
    fakes_begin(OPS);
    fakes.n_rows = ROWS;
    fakes.me.pushed_seq = OPS;
    fakes.me.floor_seq = FLOOR;
    fakes_chain(FLOOR, fakes.me.floor_chain);
    fakes.place.last_seq = there;
    if (there > 0)
        fakes_chain(there, fakes.place.chain);
}

static void
all_rows_are_there(unsigned times, int64_t but)
{
    for (int64_t row = 1; row <= ROWS; row++)
        if (row != but)
            assert_in_range(fakes.rows_there[row], 1, times);
}

static void
a_centre_that_is_behind_the_oldest_op_gets_the_tables_and_then_the_ops(void **state)
{
    (void)state;
    for (int64_t there = 0; there < FLOOR; there += 5) {
        begin_pruned(there);
        fakes.place.chain[3] = 99;      /* what it has cannot be compared any more */
        fakes_until(SYNC_SENDING);
        assert_true(fakes.facts.is_up);
        assert_int_equal(there, fakes.facts.pushed_seq);
        fakes_until(SYNC_PUSHING);
        assert_int_equal(FLOOR, fakes.place.last_seq);
        assert_int_equal(FLOOR, fakes.facts.pushed_seq);
        assert_int_equal(FLOOR, fakes.floor);
        assert_memory_equal(fakes.me.floor_chain, fakes.place.chain, 16);
        fakes_until(SYNC_LEVEL);
        assert_int_equal(OPS, fakes.place.last_seq);
        assert_int_equal(4 + 2, fakes.n_pushes);        /* of rows 10, 10 and 5, the floor; of ops 10 and 8 */
        all_rows_are_there(1, 0);
        fakes_end();
    }
}

static void
one_that_stands_at_the_oldest_op_gets_none_and_must_have_had_the_same(void **state)
{
    (void)state;
    begin_pruned(FLOOR);
    fakes_until(SYNC_LEVEL);
    assert_int_equal(OPS, fakes.place.last_seq);
    assert_int_equal(0, fakes.rows_there[1]);
    fakes_end();
    begin_pruned(FLOOR);
    fakes.place.chain[3] ^= 1;
    fakes_until(SYNC_DIVERGED);
    fakes_end();
}

static void
cut_off_among_the_tables_it_begins_them_again(void **state)
{
    (void)state;
    begin_pruned(3);
    fakes_until(SYNC_SENDING);
    for (int i = 0; fakes.rows_there[15] == 0; i++) {
        assert_true(i < 20);
        sync_engine_step(fakes.engine);
    }
    fakes.refuses_push = true;
    fakes_until(SYNC_RESTING);
    assert_int_equal(3, fakes.place.last_seq);
    fakes.refuses_push = false;
    fakes.now_ms += SYNC_MAX_REST_MS;
    fakes_until(SYNC_LEVEL);
    assert_int_equal(2, fakes.rows_there[1]);
    all_rows_are_there(2, 0);
    fakes_end();
}

static void
a_lost_answer_to_the_last_of_them_is_made_good_by_asking(void **state)
{
    (void)state;
    begin_pruned(3);
    fakes.loses_floor = true;
    fakes_until(SYNC_SENDING);
    fakes_until(SYNC_RESTING);
    assert_int_equal(FLOOR, fakes.place.last_seq);
    fakes.now_ms += SYNC_MAX_REST_MS;
    fakes_until(SYNC_LEVEL);
    assert_int_equal(OPS, fakes.place.last_seq);
    all_rows_are_there(1, 0);
    fakes_end();
}

static void
ops_that_leave_while_the_tables_go_up_are_not_waited_for(void **state)
{
    (void)state;
    begin_pruned(0);
    fakes.floor_rises_to = FLOOR + 3;
    fakes_until(SYNC_LEVEL);
    assert_int_equal(FLOOR + 3, fakes.floor);
    assert_int_equal(OPS, fakes.place.last_seq);
    all_rows_are_there(1, 0);
    fakes_end();
}

static void
what_does_not_fit_goes_with_the_next_batch_of_rows(void **state)
{
    (void)state;
    begin_pruned(0);
    fakes.batch_limit = 3;
    fakes_until(SYNC_LEVEL);
    all_rows_are_there(1, 0);
    fakes_end();
}

static void
a_row_whose_content_is_refused_is_found_by_halving_and_left_out(void **state)
{
    (void)state;
    for (int64_t poison = 1; poison <= ROWS; poison++) {
        begin_pruned(0);
        fakes.row_poison = poison;
        fakes_until_pushed(OPS);
        assert_int_equal(0, fakes.rows_there[poison]);
        assert_int_equal(poison, fakes.row_parked);
        all_rows_are_there(1, poison);
        assert_int_equal(0, fakes.n_failures);
        fakes_end();
    }
}

static void
a_link_that_fails_while_such_a_row_is_looked_for_begins_the_tables_again(void **state)
{
    (void)state;
    begin_pruned(0);
    fakes.row_poison = 22;
    for (int i = 0; fakes.n_connects < 2; i++) {
        assert_true(i < 20);
        sync_engine_step(fakes.engine);
    }
    assert_int_equal(1, fakes.rows_there[20]);
    fakes.refuses_enrol = true;
    fakes_until(SYNC_ENROLLING);
    fakes_until(SYNC_RESTING);
    memset(fakes.rows_there, 0, sizeof fakes.rows_there);      /* it was emptied again */
    fakes.refuses_enrol = false;
    fakes.now_ms += SYNC_MAX_REST_MS;
    fakes_until_pushed(OPS);
    all_rows_are_there(1, 22);
    fakes_end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_journal_that_has_written_nothing_gets_a_number_that_is_free),
        cmocka_unit_test(one_that_wrote_while_it_got_its_number_is_told_what_to_do),
        cmocka_unit_test(an_older_copy_gets_back_what_it_has_lost_and_goes_on_under_the_next_epoch),
        cmocka_unit_test(users_are_not_held_up_when_the_link_goes_in_the_middle_of_it),
        cmocka_unit_test(a_centre_that_is_one_epoch_behind_is_brought_up),
        cmocka_unit_test(a_restored_journal_takes_over_also_when_it_has_lost_nothing_and_only_once),
        cmocka_unit_test(it_leaves_an_original_that_is_in_use_alone_until_that_is_gone),
        cmocka_unit_test(unless_it_was_told_to_take_over),
        cmocka_unit_test(nobody_is_waited_for_once_a_centre_has_refused_or_sync_is_paused_or_has_diverged),
        cmocka_unit_test(a_centre_that_is_behind_the_oldest_op_gets_the_tables_and_then_the_ops),
        cmocka_unit_test(one_that_stands_at_the_oldest_op_gets_none_and_must_have_had_the_same),
        cmocka_unit_test(cut_off_among_the_tables_it_begins_them_again),
        cmocka_unit_test(a_lost_answer_to_the_last_of_them_is_made_good_by_asking),
        cmocka_unit_test(ops_that_leave_while_the_tables_go_up_are_not_waited_for),
        cmocka_unit_test(what_does_not_fit_goes_with_the_next_batch_of_rows),
        cmocka_unit_test(a_row_whose_content_is_refused_is_found_by_halving_and_left_out),
        cmocka_unit_test(a_link_that_fails_while_such_a_row_is_looked_for_begins_the_tables_again),
    };
    return tap_run(tests);
}
