/* The way up, step by step, with a clock that stands still unless the test moves it. */
#include "fakes.h"

#include "base/log.h"

static void
a_backlog_goes_up_in_batches_and_then_it_rests_level(void **state)
{
    (void)state;
    fakes_begin(25);
    fakes_until(SYNC_LEVEL);
    assert_int_equal(3, fakes.n_pushes);
    assert_int_equal(25, fakes.place.last_seq);
    assert_int_equal(25, fakes.facts.pushed_seq);
    assert_true(fakes.facts.is_up);
    assert_int_equal(0, fakes.facts.behind_since_ms);
    assert_int_equal(fakes.now_ms + 1000000, fakes.facts.last_synced_ms);
    assert_int_equal(25, fakes.marked_seq);
    assert_string_equal("centre", fakes.marked_centre);
    fakes_end();
}

static void
a_commit_wakes_it_at_once(void **state)
{
    (void)state;
    fakes_begin(0);
    fakes_until(SYNC_LEVEL);
    assert_int_equal(0, fakes.n_marks);
    fakes_append(2);
    assert_int_equal(0, sync_engine_step(fakes.engine));
    fakes_until(SYNC_LEVEL);
    assert_int_equal(1, fakes.n_pushes);
    assert_int_equal(2, fakes.place.last_seq);
    fakes_end();
}

/* Else a token that was made in the centre's name would be refused after a crash. */
static void
which_centre_it_is_is_told_when_the_journal_knows_it(void **state)
{
    (void)state;
    fakes_begin(0);
    fakes_until(SYNC_LEVEL);
    assert_string_equal("centre", fakes.told_centre);
    fakes_end();
    fakes_begin(0);
    fakes.me.centre_uuid[0] = '\0';
    fakes.is_slow_to_mark = true;
    fakes_until(SYNC_LEVEL);
    assert_int_equal(1, fakes.n_marks);
    assert_string_equal("", fakes.told_centre);
    tb_mailbox_post_always(fakes.inbox, &fakes.due->msg);
    fakes_until(SYNC_LEVEL);
    tb_mailbox_run(fakes.inbox);
    assert_string_equal("centre", fakes.told_centre);
    assert_int_equal(1, fakes.n_marks);
    fakes_end();
}

static void
what_does_not_fit_goes_with_the_next_batch(void **state)
{
    (void)state;
    fakes_begin(7);
    fakes.batch_limit = 3;
    fakes_until(SYNC_LEVEL);
    assert_int_equal(3, fakes.n_pushes);
    assert_int_equal(7, fakes.place.last_seq);
    fakes_end();
}

static void
whole_batches_are_read_while_another_is_on_its_way_and_small_ones_are_not(void **state)
{
    (void)state;
    fakes_begin(25);
    fakes_until(SYNC_LEVEL);
    assert_int_equal(10, fakes.n_read_ahead);   /* 1 to 10 and meanwhile 11 to 20; 21 to 25 wait for the answer */
    assert_int_equal(3, fakes.n_pushes);
    fakes_end();
}

static void
what_was_read_ahead_is_forgotten_with_the_batch_before_it(void **state)
{
    (void)state;
    fakes_begin(30);
    fakes.refuses_push = true;
    fakes_until(SYNC_PUSHING);
    fakes_until(SYNC_RESTING);
    fakes.refuses_push = false;
    fakes.now_ms += SYNC_MAX_REST_MS;
    fakes_until(SYNC_LEVEL);
    assert_int_equal(30, fakes.place.last_seq);
    assert_int_equal(3, fakes.n_pushes);
    fakes_end();
}

static void
a_lost_answer_is_made_good_by_asking(void **state)
{
    (void)state;
    fakes_begin(10);
    fakes.loses_answer = true;
    fakes_until(SYNC_PUSHING);
    fakes_until(SYNC_RESTING);
    assert_int_equal(1, fakes.n_pushes);
    assert_int_equal(0, fakes.marked_seq);
    assert_false(fakes.facts.is_up);
    fakes.loses_answer = false;
    fakes.now_ms += SYNC_MAX_REST_MS;
    fakes_until(SYNC_LEVEL);
    assert_int_equal(1, fakes.n_pushes);        /* nothing twice */
    assert_int_equal(10, fakes.marked_seq);
    fakes_end();
}

static const struct {
    const char     *name;
    size_t          refusal;    /* the member of struct fakes */
    enum sync_state while_in;
} refusals[] = {
    { "connecting", offsetof(struct fakes, refuses_connect), SYNC_CONNECTING },
    { "migrating", offsetof(struct fakes, refuses_migrate), SYNC_MIGRATING },
    { "enrolling", offsetof(struct fakes, refuses_enrol), SYNC_ENROLLING },
    { "sending", offsetof(struct fakes, refuses_send), SYNC_PUSHING },
    { "answering", offsetof(struct fakes, refuses_push), SYNC_PUSHING },
    { "opening the journal", offsetof(struct fakes, fails_to_open), SYNC_CONNECTING },
    { "reading the journal", offsetof(struct fakes, fails_to_read), SYNC_CONNECTING },
};

static void
every_failure_drops_the_link_rests_and_begins_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        fakes_begin(5);
        bool *refusal = (bool *)(void *)((char *)&fakes + refusals[i].refusal);
        *refusal = true;
        fakes_until(refusals[i].while_in);
        fakes_until(SYNC_RESTING);
        assert_false(fakes.is_linked);
        assert_false(fakes.facts.is_up);
        assert_false(fakes.facts.is_diverged);
        int wait_ms = sync_engine_step(fakes.engine);
        assert_in_range(wait_ms, SYNC_FIRST_REST_MS / 2, SYNC_FIRST_REST_MS);
        *refusal = false;
        fakes.now_ms += wait_ms;
        fakes_until(SYNC_LEVEL);
        assert_int_equal(5, fakes.place.last_seq);
        fakes_end();
    }
}

static void
an_idle_link_is_looked_at_and_missed_when_it_is_gone(void **state)
{
    (void)state;
    fakes_begin(0);
    fakes_until(SYNC_LEVEL);
    fakes_look_once();
    assert_int_equal(1, fakes.n_looks);
    assert_int_equal(SYNC_PULL_QUIET_MS, sync_engine_step(fakes.engine));
    fakes.now_ms += SYNC_PULL_QUIET_MS;
    fakes_look_once();
    assert_int_equal(2, fakes.n_looks);
    fakes.refuses_heads = true;
    fakes.now_ms += SYNC_PULL_QUIET_MS;
    fakes_until(SYNC_RESTING);
    assert_false(fakes.facts.is_up);
    fakes_end();
}

static void
rests_double_up_to_three_seconds_and_keep_half_to_chance(void **state)
{
    (void)state;
    int64_t most = SYNC_FIRST_REST_MS;
    bool    differ = false;
    int     last = 0;
    fakes_begin(0);
    fakes.refuses_connect = true;
    for (int i = 0; i < 40; i++) {
        fakes_until(SYNC_CONNECTING);
        fakes_until(SYNC_RESTING);
        int wait_ms = sync_engine_step(fakes.engine);
        assert_in_range(wait_ms, most / 2, most);
        differ = differ || (i > 6 && wait_ms != last);
        last = wait_ms;
        fakes.now_ms += wait_ms - 1;
        assert_int_equal(1, sync_engine_step(fakes.engine));       /* by the timer, and not before it */
        assert_int_equal(SYNC_RESTING, sync_engine_state(fakes.engine));
        sync_engine_wake(fakes.engine);                            /* new ops do not shorten it */
        assert_int_equal(1, sync_engine_step(fakes.engine));
        fakes.now_ms += 1;
        most = most * 2 < SYNC_MAX_REST_MS ? most * 2 : SYNC_MAX_REST_MS;
    }
    assert_true(differ);
    assert_int_equal(40, fakes.n_connects);
    fakes_end();
}

static void
success_makes_the_next_rest_short_again_but_connecting_alone_does_not(void **state)
{
    (void)state;
    fakes_begin(5);
    fakes.refuses_push = true;
    for (int i = 0; i < 6; i++) {
        fakes_until(SYNC_PUSHING);
        fakes_until(SYNC_RESTING);
        fakes.now_ms += SYNC_MAX_REST_MS;
    }
    fakes_until(SYNC_PUSHING);
    fakes_until(SYNC_RESTING);
    assert_true(sync_engine_step(fakes.engine) >= SYNC_MAX_REST_MS / 2);
    fakes.refuses_push = false;
    fakes.now_ms += SYNC_MAX_REST_MS;
    fakes_until(SYNC_LEVEL);
    fakes.refuses_heads = true;
    fakes.now_ms += SYNC_PULL_QUIET_MS;
    fakes_until(SYNC_RESTING);
    assert_true(sync_engine_step(fakes.engine) <= SYNC_FIRST_REST_MS);
    fakes_end();
}

static const struct {
    const char           *name;
    struct store_identity me;
    struct sync_place     place;
    const char           *why;
} misfits[] = {
    { "another journal has our number", { .journal_uuid = "journal", .epoch = 1, .own_seq = 5 },
      { .centre_uuid = "centre", .owner_uuid = "other", .epoch = 1 }, "belongs to journal other" },
    { "another centre than before", { .journal_uuid = "journal", .epoch = 1, .own_seq = 5, .centre_uuid = "first" },
      { .centre_uuid = "second", .owner_uuid = "journal", .epoch = 1 }, "belongs to centre first" },
    { "another epoch", { .journal_uuid = "journal", .epoch = 1, .own_seq = 5 },
      { .centre_uuid = "centre", .owner_uuid = "journal", .epoch = 2 }, "epoch 2" },
    { "a longer history, which ours is no beginning of", { .journal_uuid = "journal", .epoch = 1, .own_seq = 5,
      .own_chain = { 9 } },
      { .centre_uuid = "centre", .owner_uuid = "journal", .epoch = 1, .last_seq = 6 }, "our op 5 is another" },
    { "another history", { .journal_uuid = "journal", .epoch = 1, .own_seq = 5 },
      { .centre_uuid = "centre", .owner_uuid = "journal", .epoch = 1, .last_seq = 3, .chain = { 1, 2, 3 } },
      "our op 3 is another" },
};

static void
a_centre_that_does_not_fit_stops_it_for_good_and_nothing_is_written(void **state)
{
    (void)state;
    fakes_listen();
    for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++) {
        fakes_begin(5);
        fakes.me = misfits[i].me;
        fakes.place = misfits[i].place;
        fakes_until(SYNC_DIVERGED);
        assert_true(fakes.facts.is_diverged);
        assert_false(fakes.facts.is_up);
        assert_false(fakes.is_linked);
        assert_int_equal(0, fakes.n_pushes);
        if (strstr(fakes_last_line, "error sync.diverged") == NULL || strstr(fakes_last_line, misfits[i].why) == NULL)
            fail_msg("%s: %s", misfits[i].name, fakes_last_line);
        fakes_append(1);
        fakes.now_ms += 1000000;
        assert_int_equal(-1, sync_engine_step(fakes.engine));
        assert_int_equal(1, fakes.n_connects);
        fakes_end();
    }
    log_divert(NULL);
}

static void
a_centre_that_fell_behind_gets_what_it_lacks(void **state)
{
    (void)state;
    fakes_begin(20);
    fakes.me.pushed_seq = 20;
    fakes.place.last_seq = 8;
    fakes_chain(8, fakes.place.chain);
    fakes_until(SYNC_LEVEL);
    assert_int_equal(20, fakes.place.last_seq);
    assert_int_equal(0, fakes.n_marks);         /* the journal knew that it had been there */
    fakes_end();
}

static void
the_age_of_a_backlog_is_known_before_the_centre_is_reached(void **state)
{
    (void)state;
    fakes_begin(9);
    fakes.me.pushed_seq = 4;
    fakes.refuses_connect = true;
    fakes_until(SYNC_CONNECTING);
    fakes_until(SYNC_RESTING);
    assert_int_equal(1005, fakes.facts.behind_since_ms);
    assert_int_equal(4, fakes.facts.pushed_seq);
    fakes_end();
}

static void
the_journal_is_told_of_one_place_at_a_time_and_of_the_newest_in_the_end(void **state)
{
    (void)state;
    fakes_begin(25);
    fakes.is_slow_to_mark = true;
    fakes_until(SYNC_LEVEL);
    assert_int_equal(1, fakes.n_marks);
    assert_int_equal(10, fakes.marked_seq);
    assert_true(sync_engine_awaits_store(fakes.engine));
    fakes.is_slow_to_mark = false;
    tb_mailbox_post_always(fakes.inbox, &fakes.due->msg);
    tb_mailbox_run(fakes.inbox);
    tb_mailbox_run(fakes.inbox);
    assert_int_equal(2, fakes.n_marks);
    assert_int_equal(25, fakes.marked_seq);
    assert_false(sync_engine_awaits_store(fakes.engine));
    fakes_end();
}

/* Each time is a commit of the journal, for which others wait. */
static void
a_long_way_up_tells_the_journal_now_and_then_and_at_its_end(void **state)
{
    (void)state;
    fakes_begin(100);
    fakes_until(SYNC_LEVEL);
    assert_int_equal(10, fakes.n_pushes);
    assert_true(fakes.n_marks <= 2);
    assert_int_equal(100, fakes.marked_seq);
    fakes_end();
}

static void
a_full_disk_delays_the_mark_and_not_the_push(void **state)
{
    (void)state;
    fakes_begin(5);
    fakes.fails_to_mark = true;
    fakes_until(SYNC_LEVEL);
    assert_int_equal(5, fakes.place.last_seq);
    assert_true(fakes.n_marks >= 1);
    assert_int_equal(0, fakes.marked_seq);
    fakes.fails_to_mark = false;
    fakes.now_ms += SYNC_PULL_QUIET_MS;
    fakes_look_once();
    assert_int_equal(5, fakes.marked_seq);
    fakes_end();
}

static const enum sync_state pausable[] = {
    SYNC_RESTING, SYNC_CONNECTING, SYNC_MIGRATING, SYNC_ENROLLING, SYNC_PUSHING, SYNC_LEVEL,
};

static void
paused_it_lets_go_of_the_link_wherever_it_is_and_rests_for_any_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pausable / sizeof *pausable; i++) {
        fakes_begin(25);
        fakes_until(pausable[i]);
        sync_engine_pause(fakes.engine, true);
        unsigned n_pushes = fakes.n_pushes;
        assert_int_equal(-1, sync_engine_step(fakes.engine));
        assert_int_equal(SYNC_RESTING, sync_engine_state(fakes.engine));
        assert_false(fakes.is_linked);
        assert_false(fakes.facts.is_up);
        fakes_append(5);
        fakes.now_ms += 1000000;
        assert_int_equal(-1, sync_engine_step(fakes.engine));
        assert_int_equal(n_pushes, fakes.n_pushes);
        sync_engine_pause(fakes.engine, false);
        fakes_until(SYNC_LEVEL);            /* at once: no rest comes before it */
        assert_int_equal(30, fakes.place.last_seq);
        assert_int_equal(0, fakes.n_failures);
        fakes_end();
    }
}

static void
paused_and_resumed_a_diverged_one_stays_diverged(void **state)
{
    (void)state;
    fakes_begin(5);
    fakes.place.epoch = 2;
    fakes_until(SYNC_DIVERGED);
    sync_engine_pause(fakes.engine, true);
    assert_int_equal(-1, sync_engine_step(fakes.engine));
    sync_engine_pause(fakes.engine, false);
    assert_int_equal(-1, sync_engine_step(fakes.engine));
    assert_int_equal(SYNC_DIVERGED, sync_engine_state(fakes.engine));
    assert_true(fakes.facts.is_diverged);
    fakes_end();
}

static void
every_failure_is_passed_on_also_the_same_again_and_what_made_it_diverge(void **state)
{
    (void)state;
    fakes_begin(5);
    fakes.refuses_push = true;
    for (unsigned i = 1; i <= 3; i++) {
        fakes_until(SYNC_PUSHING);
        fakes_until(SYNC_RESTING);
        assert_int_equal(i, fakes.n_failures);
        assert_non_null(strstr(fakes.failure.why, "push"));
        fakes.now_ms += SYNC_MAX_REST_MS;
    }
    fakes.place.epoch = 2;
    fakes_until(SYNC_DIVERGED);
    assert_int_equal(4, fakes.n_failures);
    assert_non_null(strstr(fakes.failure.why, "epoch 2"));
    fakes_end();
}



/* ---- poison ---- */

static void
an_op_whose_content_is_refused_is_found_by_halving_and_parked_and_the_rest_goes_on(void **state)
{
    (void)state;
    for (int64_t poison = 1; poison <= 25; poison++) {
        fakes_begin(25);
        fakes.poison = poison;
        fakes_until_pushed(25);
        fakes.now_ms += SYNC_PULL_QUIET_MS;
        fakes_look_once();
        assert_int_equal(poison, fakes.parked);
        assert_true(fakes.n_noted == 1 && fakes.noted == poison);       /* the journal knows that it is not there */
        assert_int_equal(1, fakes.facts.n_parked);
        assert_int_equal(0, fakes.n_failures);      /* none of it is a failure of the link */
        assert_true(fakes.n_connects <= 6);
        fakes_append(20);
        fakes_until_pushed(45);
        assert_int_equal(1, fakes.facts.n_parked);
        fakes_end();
    }
}

static void
a_lost_connection_parks_nothing(void **state)
{
    (void)state;
    fakes_begin(1);
    fakes.refuses_push = true;
    for (int i = 0; i < 20; i++) {
        fakes_until(SYNC_PUSHING);
        fakes_until(SYNC_RESTING);
        fakes.now_ms += SYNC_MAX_REST_MS;
    }
    fakes.refuses_push = false;
    fakes_until(SYNC_LEVEL);
    assert_int_equal(0, fakes.parked);
    fakes_end();
}

static void
senders_are_told_when_their_messages_are_there_and_not_before(void **state)
{
    (void)state;
    fakes_begin(15);
    fakes.loses_answer = true;
    fakes_until(SYNC_PUSHING);
    fakes_until(SYNC_RESTING);
    assert_int_equal(0, fakes.n_synced);
    fakes.loses_answer = false;
    fakes.now_ms += SYNC_MAX_REST_MS;
    fakes_until(SYNC_LEVEL);
    assert_int_equal(5, fakes.n_synced);    /* of the first ten nobody heard: history shows them */
    fakes_end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backlog_goes_up_in_batches_and_then_it_rests_level),
        cmocka_unit_test(a_commit_wakes_it_at_once),
        cmocka_unit_test(which_centre_it_is_is_told_when_the_journal_knows_it),
        cmocka_unit_test(what_does_not_fit_goes_with_the_next_batch),
        cmocka_unit_test(whole_batches_are_read_while_another_is_on_its_way_and_small_ones_are_not),
        cmocka_unit_test(what_was_read_ahead_is_forgotten_with_the_batch_before_it),
        cmocka_unit_test(a_lost_answer_is_made_good_by_asking),
        cmocka_unit_test(every_failure_drops_the_link_rests_and_begins_again),
        cmocka_unit_test(an_idle_link_is_looked_at_and_missed_when_it_is_gone),
        cmocka_unit_test(rests_double_up_to_three_seconds_and_keep_half_to_chance),
        cmocka_unit_test(success_makes_the_next_rest_short_again_but_connecting_alone_does_not),
        cmocka_unit_test(a_centre_that_does_not_fit_stops_it_for_good_and_nothing_is_written),
        cmocka_unit_test(a_centre_that_fell_behind_gets_what_it_lacks),
        cmocka_unit_test(the_age_of_a_backlog_is_known_before_the_centre_is_reached),
        cmocka_unit_test(the_journal_is_told_of_one_place_at_a_time_and_of_the_newest_in_the_end),
        cmocka_unit_test(a_long_way_up_tells_the_journal_now_and_then_and_at_its_end),
        cmocka_unit_test(a_full_disk_delays_the_mark_and_not_the_push),
        cmocka_unit_test(paused_it_lets_go_of_the_link_wherever_it_is_and_rests_for_any_time),
        cmocka_unit_test(paused_and_resumed_a_diverged_one_stays_diverged),
        cmocka_unit_test(every_failure_is_passed_on_also_the_same_again_and_what_made_it_diverge),
        cmocka_unit_test(an_op_whose_content_is_refused_is_found_by_halving_and_parked_and_the_rest_goes_on),
        cmocka_unit_test(a_lost_connection_parks_nothing),
        cmocka_unit_test(senders_are_told_when_their_messages_are_there_and_not_before),
    };
    return tap_run(tests);
}
