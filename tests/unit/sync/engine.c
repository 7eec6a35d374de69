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

/* From level to level by way of one look at the others. */
static void
look_once(void)
{
    fakes_until(SYNC_PULLING);
    fakes_until(SYNC_LEVEL);
}

static void
an_idle_link_is_looked_at_and_missed_when_it_is_gone(void **state)
{
    (void)state;
    fakes_begin(0);
    fakes_until(SYNC_LEVEL);
    look_once();
    assert_int_equal(1, fakes.n_looks);
    assert_int_equal(SYNC_PULL_QUIET_MS, sync_engine_step(fakes.engine));
    fakes.now_ms += SYNC_PULL_QUIET_MS;
    look_once();
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

static tb_str last_line;
static char   last_line_bytes[512];

static void
keep_line(tb_str line)
{
    last_line = (tb_str){ .p = last_line_bytes, .n = line.n < sizeof last_line_bytes ? line.n : sizeof last_line_bytes - 1 };
    memcpy(last_line_bytes, line.p, last_line.n);
    last_line_bytes[last_line.n] = '\0';
}

static void
a_centre_that_does_not_fit_stops_it_for_good_and_nothing_is_written(void **state)
{
    (void)state;
    log_divert(keep_line);
    for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++) {
        fakes_begin(5);
        fakes.me = misfits[i].me;
        fakes.place = misfits[i].place;
        fakes_until(SYNC_DIVERGED);
        assert_true(fakes.facts.is_diverged);
        assert_false(fakes.facts.is_up);
        assert_false(fakes.is_linked);
        assert_int_equal(0, fakes.n_pushes);
        if (strstr(last_line_bytes, "error sync.diverged") == NULL || strstr(last_line_bytes, misfits[i].why) == NULL)
            fail_msg("%s: %s", misfits[i].name, last_line_bytes);
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
    look_once();
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
        look_once();
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

/* ---- other sites ---- */

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
    look_once();
    assert_int_equal(20, fakes.vector[0]);
    assert_int_equal(12, fakes.vector[1]);
    for (size_t i = 0; i < 24; i++)
        assert_int_equal(1 + i % 2, fakes.order[i]);
    assert_int_equal(SYNC_PULL_BUSY_MS, sync_engine_step(fakes.engine));      /* where something came, more is likely */
    fakes.now_ms += SYNC_PULL_BUSY_MS;
    look_once();
    assert_int_equal(1, fakes.n_adds);
    assert_int_equal(1, fakes.n_told);
    fakes.now_ms += 60000;
    look_once();
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
    look_once();
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
    look_once();
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
    look_once();
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
        look_once();
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
    look_once();
    assert_int_equal(SYNC_PULL_QUIET_MS, sync_engine_step(fakes.engine));
    assert_true(fakes.facts.is_up);
    fakes.remote_answer = TB_OK;
    fakes.now_ms += SYNC_PULL_QUIET_MS;
    look_once();
    assert_int_equal(5, fakes.vector[0]);
    fakes_end();
}

static void
a_site_whose_ops_do_not_fit_is_left_alone_and_the_others_go_on(void **state)
{
    (void)state;
    log_divert(keep_line);
    fakes_begin(0);
    others_are(5, 5);
    fakes.remote_answer = TB_ECONFLICT;
    fakes_until(SYNC_LEVEL);
    look_once();                /* bad_node is the first one's */
    if (strstr(last_line_bytes, "error sync.stream_refused") == NULL || strstr(last_line_bytes, "node=1") == NULL)
        fail_msg("%s", last_line_bytes);
    fakes.remote_answer = TB_OK;
    fakes.now_ms += SYNC_PULL_QUIET_MS;
    look_once();
    assert_int_equal(0, fakes.vector[0]);
    assert_int_equal(5, fakes.vector[1]);
    log_divert(NULL);
    fakes_end();
}

static void
a_gap_at_the_centre_is_told_and_what_came_before_it_is_taken(void **state)
{
    (void)state;
    log_divert(keep_line);
    fakes_begin(0);
    others_are(9, 0);
    fakes.lost_from = 4;
    fakes_until(SYNC_LEVEL);
    look_once();
    assert_int_equal(3, fakes.vector[0]);
    fakes.now_ms += SYNC_PULL_QUIET_MS;
    look_once();
    if (strstr(last_line_bytes, "error sync.stream_refused") == NULL)
        fail_msg("%s", last_line_bytes);
    unsigned n_adds = fakes.n_adds;
    fakes.now_ms += SYNC_PULL_QUIET_MS;
    look_once();
    assert_int_equal(n_adds, fakes.n_adds);
    log_divert(NULL);
    fakes_end();
}

/* ---- enrolment ---- */

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backlog_goes_up_in_batches_and_then_it_rests_level),
        cmocka_unit_test(a_commit_wakes_it_at_once),
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
        cmocka_unit_test(a_centre_that_is_behind_the_oldest_op_gets_the_tables_and_then_the_ops),
        cmocka_unit_test(one_that_stands_at_the_oldest_op_gets_none_and_must_have_had_the_same),
        cmocka_unit_test(cut_off_among_the_tables_it_begins_them_again),
        cmocka_unit_test(a_lost_answer_to_the_last_of_them_is_made_good_by_asking),
        cmocka_unit_test(ops_that_leave_while_the_tables_go_up_are_not_waited_for),
        cmocka_unit_test(what_does_not_fit_goes_with_the_next_batch_of_rows),
        cmocka_unit_test(a_row_whose_content_is_refused_is_found_by_halving_and_left_out),
        cmocka_unit_test(a_link_that_fails_while_such_a_row_is_looked_for_begins_the_tables_again),
        cmocka_unit_test(an_op_whose_content_is_refused_is_found_by_halving_and_parked_and_the_rest_goes_on),
        cmocka_unit_test(a_lost_connection_parks_nothing),
        cmocka_unit_test(senders_are_told_when_their_messages_are_there_and_not_before),
        cmocka_unit_test(ops_of_others_come_down_merged_by_time_and_the_centre_hears_how_far),
        cmocka_unit_test(a_long_way_comes_down_in_changes_of_bounded_size_and_rounds),
        cmocka_unit_test(a_long_way_up_does_not_hold_up_the_way_down),
        cmocka_unit_test(what_the_journal_is_slow_to_take_is_not_asked_for_again_and_ops_go_up_meanwhile),
        cmocka_unit_test(a_link_that_goes_while_the_journal_takes_what_came_loses_nothing),
        cmocka_unit_test(a_full_disk_makes_pulling_wait_and_the_link_stays),
        cmocka_unit_test(a_site_whose_ops_do_not_fit_is_left_alone_and_the_others_go_on),
        cmocka_unit_test(a_gap_at_the_centre_is_told_and_what_came_before_it_is_taken),
        cmocka_unit_test(a_journal_that_has_written_nothing_gets_a_number_that_is_free),
        cmocka_unit_test(one_that_wrote_while_it_got_its_number_is_told_what_to_do),
        cmocka_unit_test(an_older_copy_gets_back_what_it_has_lost_and_goes_on_under_the_next_epoch),
        cmocka_unit_test(users_are_not_held_up_when_the_link_goes_in_the_middle_of_it),
        cmocka_unit_test(a_centre_that_is_one_epoch_behind_is_brought_up),
    };
    return tap_run(tests);
}
