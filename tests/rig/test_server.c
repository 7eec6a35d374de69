/* The whole server, as a client sees it, while time, disk and centre do what a test wants (DESIGN sections 4 and 7). */
#include "rig.h"
#include "base/log.h"
#include "serve/serve.h"
#include "tap.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DAY_MS    (24 * 3600 * 1000LL)
#define WINDOW_MS 10000                 /* limit.messages_window_ms as it is by default */

static uint64_t    seed;
static struct rig *r;

static const char defaults[] = "";
static const char unlimited[] = "[limit]\nmessages = 0\nlogins = 0";
static const char short_queue[] = "[limit]\nmessages = 0\n[journal]\nqueue = 2\nbatch = 1";

static int
open_with(const char *settings, bool has_centre)
{
    r = rig_new(seed, settings, has_centre);
    return 0;
}

static int
with_defaults(void **state)
{
    (void)state;
    return open_with(defaults, false);
}

static int
without_limits(void **state)
{
    (void)state;
    return open_with(unlimited, false);
}

static int
with_a_short_queue(void **state)
{
    (void)state;
    return open_with(short_queue, false);
}

static int
with_a_centre(void **state)
{
    (void)state;
    return open_with(unlimited, true);
}

static int
close_rig(void **state)
{
    (void)state;
    rig_free(&r);
    return 0;
}

/* ---- what was acknowledged is kept ---- */

static void
an_ack_means_the_message_survives(void **state)
{
    (void)state;
    rig_stall_disk(r);
    rig_send(r, "hi");
    assert_false(rig_acked(r, "hi"));           /* no ack while the commit is under way */
    rig_resume_disk(r);
    assert_true(rig_acked(r, "hi"));
    rig_crash_and_reopen(r);
    assert_int_equal(1, rig_count(r, "message"));
    assert_true(rig_shows(r, "hi"));
}

static void
nobody_reads_a_message_before_it_is_on_disk(void **state)
{
    (void)state;
    rig_stall_disk(r);
    rig_send(r, "hi");
    assert_false(rig_acked(r, "hi"));
    assert_false(rig_shows(r, "hi"));
    rig_resume_disk(r);
    assert_true(rig_acked(r, "hi"));
    assert_true(rig_shows(r, "hi"));
}

static void
a_power_cut_during_the_commit_is_no_ack(void **state)
{
    (void)state;
    rig_stall_disk(r);
    rig_send(r, "hi");
    assert_false(rig_acked(r, "hi"));
    rig_crash_and_reopen(r);
    assert_int_equal(503, rig_answer(r, "hi"));
    assert_int_equal(201, rig_say(r, "on we go"));
}

enum { MESSAGES_A_CUT = 40, CLIENTS = 8, ACTS = 400 };

static void
what_was_acknowledged_survives_power_cuts_at_random_moments(void **state)
{
    unsigned n_acked = 0, n_refused = 0;
    (void)state;

    for (unsigned round = 0; round < rig_rounds(6, 1000); round++) {
        char content[MESSAGES_A_CUT][32];
        rig_free(&r);
        r = rig_new(seed + round, unlimited, false);
        rig_disk_cut_after(r->disk, 1 + rig_random_below(&r->chance, ACTS), rig_random_next(&r->chance));
        for (int i = 0; i < MESSAGES_A_CUT; i++) {
            snprintf(content[i], sizeof content[i], "message %d of %u", i, round);
            rig_send(r, content[i]);
            if (i >= CLIENTS)
                rig_answer(r, content[i - CLIENTS]);
        }
        rig_crash_and_reopen(r);
        for (int i = 0; i < MESSAGES_A_CUT; i++) {
            bool is_acked = rig_acked(r, content[i]), is_there = rig_shows(r, content[i]);
            n_acked += is_acked;
            n_refused += !is_acked;
            if (is_acked && !is_there)
                fail_msg("TB_SEED=%" PRIu64 ": %s was acknowledged and is lost", seed + round, content[i]);
        }
    }
    printf("# %u acknowledged, %u not\n", n_acked, n_refused);
    assert_true(n_acked > 0 && n_refused > 0);
}

static void
who_hangs_up_before_the_answer_has_sent_all_the_same(void **state)
{
    (void)state;
    rig_stall_disk(r);
    rig_send(r, "gone");
    assert_false(rig_acked(r, "gone"));
    close(r->sent[0].fd);
    r->sent[0].fd = -1;
    rig_resume_disk(r);
    assert_int_equal(201, rig_say(r, "next"));
    assert_true(rig_shows(r, "gone"));
}

static void
tokens_passwords_and_keys_outlive_a_crash(void **state)
{
    (void)state;
    rig_send_keyed(r, "once", "a key");
    assert_true(rig_acked(r, "once"));
    rig_crash_and_reopen(r);
    assert_int_equal(200, rig_status(r, "GET", "/rooms", NULL));
    assert_int_equal(200, rig_login(r, "anna", "anna's password"));
    rig_send_keyed(r, "once", "a key");
    assert_true(rig_acked(r, "once"));
    assert_int_equal(1, rig_count(r, "message"));
}

static void
an_orderly_stop_answers_what_is_in_flight(void **state)
{
    (void)state;
    rig_stall_disk(r);
    rig_send(r, "first");
    assert_false(rig_acked(r, "first"));        /* its commit is under way, the next one waits for it */
    rig_send(r, "second");
    rig_status(r, "GET", "/healthz", NULL);
    serve_stop(r->server);
    rig_resume_disk(r);
    assert_int_equal(201, rig_answer(r, "first"));
    assert_int_equal(201, rig_answer(r, "second"));
    rig_reopen(r);
    assert_true(rig_shows(r, "first"));
    assert_true(rig_shows(r, "second"));
}

/* ---- bad disks ---- */

static void
fill_disk(void)
{
    char content[32];
    int  status = 201;

    rig_disk_limit(r->disk, rig_disk_used(r->disk) + 60000);
    for (int i = 0; status == 201 && i < 200; i++) {
        snprintf(content, sizeof content, "filling %d", i);
        status = rig_say(r, content);
    }
    assert_int_equal(507, status);
}

static void
a_full_disk_stops_sending_and_nothing_else(void **state)
{
    (void)state;
    fill_disk();
    const struct rig_reply *last = &r->sent[r->n_sent - 1].reply;
    assert_string_equal("storage_full", rig_reply_text(last, "code"));
    assert_true(rig_reply_int(last, "retryAfter") > 0);
    assert_false(rig_shows(r, r->sent[r->n_sent - 1].content));
    assert_int_equal(200, rig_login(r, "anna", "anna's password"));
    assert_int_equal(503, rig_status(r, "GET", "/readyz", NULL));
    assert_int_equal(200, rig_status(r, "GET", "/healthz", NULL));
    rig_disk_limit(r->disk, SIZE_MAX);
    assert_int_equal(201, rig_say(r, "room again"));
    assert_int_equal(200, rig_status(r, "GET", "/readyz", NULL));
}

static void
what_the_disk_refuses_is_told_and_does_not_count_for_the_rate(void **state)
{
    static const char *const five[] = { "1", "2", "3", "4", "5" };
    (void)state;

    for (int i = 0; i < 7; i++) {
        rig_disk_fail(r->disk, RIG_FAIL_WRITE, 0, 1);
        assert_int_equal(503, rig_say(r, "refused"));
    }
    assert_string_equal("internal", rig_reply_text(&r->sent[0].reply, "code"));
    assert_string_equal("The server could not save that", rig_reply_text(&r->sent[0].reply, "message"));
    assert_false(rig_shows(r, "refused"));
    for (int i = 0; i < 5; i++)
        assert_int_equal(201, rig_say(r, five[i]));
    assert_int_equal(429, rig_say(r, "6"));
}

static size_t
count_answers(void)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n_sent; i++)
        n += r->sent[i].fd < 0 || rig_http_has_answer(r->sent[i].fd);
    return n;
}

/* One is being committed, two wait, four are refused. */
static void
more_than_the_disk_takes_is_told_busy_at_once(void **state)
{
    static const char *const contents[] = { "a", "b", "c", "d", "e", "f", "g" };
    size_t                   n_ok = 0, n_busy = 0;
    (void)state;

    rig_stall_disk(r);
    rig_send(r, contents[0]);
    assert_false(rig_acked(r, contents[0]));
    for (int i = 1; i < 7; i++)
        rig_send(r, contents[i]);
    for (int i = 0; count_answers() < 4 && i < 100000; i++)
        rig_status(r, "GET", "/healthz", NULL);
    assert_int_equal(4, count_answers());
    rig_resume_disk(r);
    for (int i = 0; i < 7; i++) {
        int status = rig_answer(r, contents[i]);
        n_ok += status == 201;
        n_busy += status == 503 && strcmp(rig_reply_text(&r->sent[i].reply, "code"), "busy") == 0 &&
                  rig_reply_has(&r->sent[i].reply, "Retry-After: 1");
    }
    assert_int_equal(3, n_ok);
    assert_int_equal(4, n_busy);
}

/* ---- time ---- */

static void
the_sixth_message_waits_until_the_window_has_moved_on(void **state)
{
    static const char *const five[] = { "1", "2", "3", "4", "5" };
    (void)state;

    for (int i = 0; i < 5; i++) {
        assert_int_equal(201, rig_say(r, five[i]));
        rig_clock_move(&r->clock, 1000);
    }
    assert_int_equal(429, rig_say(r, "6"));
    const struct rig_reply *refused = &r->sent[5].reply;
    assert_string_equal("Rate limit exceeded. Try again shortly.", rig_reply_text(refused, "message"));
    assert_int_equal(5, rig_reply_int(refused, "retryAfter"));
    assert_true(rig_reply_has(refused, "Retry-After: 5"));
    rig_clock_move(&r->clock, WINDOW_MS - 5000 - 1);
    assert_int_equal(429, rig_say(r, "6 again"));
    rig_clock_move(&r->clock, 1);
    assert_int_equal(201, rig_say(r, "6 at last"));
    assert_int_equal(429, rig_say(r, "7"));     /* the second of the five leaves a second later */
    rig_clock_move(&r->clock, 1000);
    assert_int_equal(201, rig_say(r, "7 at last"));
}

static void
a_wall_clock_that_is_set_changes_neither_order_nor_rate(void **state)
{
    (void)state;
    assert_int_equal(201, rig_say(r, "one"));
    rig_clock_jump(&r->clock, -3600 * 1000);
    assert_int_equal(201, rig_say(r, "two"));
    rig_clock_jump(&r->clock, 2 * 3600 * 1000);
    assert_int_equal(201, rig_say(r, "three"));
    rig_clock_jump(&r->clock, -30 * DAY_MS);
    rig_reopen(r);
    assert_int_equal(201, rig_say(r, "four"));

    char path[100];
    snprintf(path, sizeof path, "/messages/rooms/%" PRId64 "/messages", r->room_id);
    struct rig_reply page = rig_call(r, "GET", path, NULL);
    static const char *const newest_first[] = { "four", "three", "two", "one" };
    const json_t            *items = json_object_get(page.json, "items");
    assert_int_equal(4, json_array_size(items));
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(newest_first[i], json_string_value(json_object_get(json_array_get(items, i), "content")));
    rig_reply_fini(&page);
}

static void
setting_the_wall_clock_opens_no_window(void **state)
{
    static const char *const five[] = { "1", "2", "3", "4", "5" };
    (void)state;

    for (int i = 0; i < 5; i++)
        assert_int_equal(201, rig_say(r, five[i]));
    rig_clock_jump(&r->clock, 3600 * 1000);
    assert_int_equal(429, rig_say(r, "6"));
    rig_clock_jump(&r->clock, -2 * 3600 * 1000);
    assert_int_equal(429, rig_say(r, "7"));
}

static void
a_token_is_valid_for_seven_days(void **state)
{
    (void)state;
    rig_clock_move(&r->clock, 7 * DAY_MS - 1000);
    assert_int_equal(200, rig_status(r, "GET", "/rooms", NULL));
    rig_clock_move(&r->clock, 1000);
    struct rig_reply refused = rig_call(r, "GET", "/rooms", NULL);
    assert_int_equal(401, refused.status);
    assert_string_equal("Invalid or expired token", rig_reply_text(&refused, "message"));
    rig_reply_fini(&refused);
    rig_log_in_again(r);
    assert_int_equal(200, rig_status(r, "GET", "/rooms", NULL));
}

static void
ten_logins_a_minute_are_tried_and_an_eleventh_is_not(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(401, rig_login(r, "anna", "guessed wrongly"));
    assert_int_equal(429, rig_login(r, "anna", "anna's password"));
    assert_int_equal(401, rig_login(r, "nobody", "guessed wrongly"));   /* another account is another window */
    rig_clock_move(&r->clock, 59999);
    assert_int_equal(429, rig_login(r, "anna", "anna's password"));
    rig_clock_move(&r->clock, 1);
    assert_int_equal(200, rig_login(r, "anna", "anna's password"));
}

static void
a_key_gives_the_same_message_for_seven_days(void **state)
{
    (void)state;
    rig_send_keyed(r, "hi", "key");
    assert_true(rig_acked(r, "hi"));
    int64_t id = rig_reply_int(&r->sent[0].reply, "id");
    rig_clock_move(&r->clock, 7 * DAY_MS - 1000);
    rig_send_keyed(r, "hi", "key");
    assert_true(rig_acked(r, "hi"));
    assert_int_equal(id, rig_reply_int(&r->sent[1].reply, "id"));
    rig_send_keyed(r, "something else", "key");
    assert_int_equal(422, rig_answer(r, "something else"));
    assert_int_equal(1, rig_count(r, "message"));
    rig_clock_move(&r->clock, 2 * DAY_MS);
    rig_log_in_again(r);
    rig_send_keyed(r, "hi", "key");
    assert_true(rig_acked(r, "hi"));
    assert_int_not_equal(id, rig_reply_int(&r->sent[3].reply, "id"));
}

/* ---- the centre ---- */

/* GET /sync until it says so: its thread is not ours, so this goes round, for a minute of real time at most. */
static bool
sync_becomes(const char *state)
{
    int64_t until_ms = tb_mono_ms(&tb_clock_system) + 60000;

    for (bool is_so = false; tb_mono_ms(&tb_clock_system) < until_ms;) {
        struct rig_reply now = rig_call(r, "GET", "/sync", NULL);
        is_so = strcmp(rig_reply_text(&now, "state"), state) == 0;
        rig_reply_fini(&now);
        if (is_so)
            return true;
    }
    return false;
}

/* After its rest the sync thread tries again; a commit wakes it. */
static void
assert_the_centre_catches_up(const char *content)
{
    rig_clock_move(&r->clock, 60000);
    assert_int_equal(201, rig_say(r, content));
    assert_true(rig_centre_wait(r->centre, rig_count(r, "journal")));
}

static void
a_centre_that_is_away_changes_nothing_here(void **state)
{
    static const char *const contents[] = { "while away: 1", "while away: 2", "while away: 3" };
    (void)state;

    assert_true(rig_centre_wait(r->centre, rig_count(r, "journal")));
    assert_true(sync_becomes("up"));
    rig_centre_go(r->centre, true);
    for (int i = 0; i < 3; i++)
        assert_int_equal(201, rig_say(r, contents[i]));
    assert_true(sync_becomes("down"));
    assert_int_equal(200, rig_login(r, "anna", "anna's password"));
    assert_int_equal(200, rig_status(r, "GET", "/readyz", NULL));
    struct rig_reply sync = rig_call(r, "GET", "/sync", NULL);
    assert_int_equal(3, rig_reply_int(&sync, "lagOps"));
    rig_reply_fini(&sync);
    assert_int_equal(0, rig_centre_count(r->centre, "while away"));

    rig_centre_go(r->centre, false);
    assert_the_centre_catches_up("back");
    assert_true(sync_becomes("up"));
    for (int i = 0; i < 3; i++)
        assert_int_equal(1, rig_centre_count(r->centre, contents[i]));
}

static void
a_lost_answer_of_the_centre_doubles_nothing(void **state)
{
    (void)state;
    assert_true(rig_centre_wait(r->centre, rig_count(r, "journal")));
    rig_centre_lose_answers(r->centre, 1);
    assert_int_equal(201, rig_say(r, "hello"));
    assert_true(sync_becomes("down"));
    assert_int_equal(1, rig_centre_count(r->centre, "hello"));
    assert_the_centre_catches_up("after");
    assert_true(sync_becomes("up"));
    assert_int_equal(1, rig_centre_count(r->centre, "hello"));
    assert_int_equal(rig_count(r, "journal"), rig_centre_last_seq(r->centre));
}

static void
the_centre_never_knows_more_than_the_disk(void **state)
{
    (void)state;
    rig_stall_disk(r);
    rig_send(r, "not yet");
    assert_false(rig_acked(r, "not yet"));
    assert_int_equal(0, rig_centre_count(r->centre, "not yet"));
    rig_crash_and_reopen(r);
    assert_true(rig_centre_last_seq(r->centre) <= rig_count(r, "journal"));
    assert_the_centre_catches_up("after the crash");
    assert_true(sync_becomes("up"));            /* and not diverged: what it knew is a beginning of what we have */
    assert_int_equal(rig_shows(r, "not yet"), rig_centre_count(r->centre, "not yet"));
}

#define IN(setup, test) cmocka_unit_test_setup_teardown(test, setup, close_rig)

static void
drop_line(tb_str line)
{
    (void)line;
}

int
main(void)
{
    seed = rig_seed();
    if (getenv("TB_LOG") == NULL)
        log_divert(drop_line);          /* the disk's errors are expected; TB_LOG=1 shows them */
    const struct CMUnitTest tests[] = {
        IN(with_defaults, an_ack_means_the_message_survives),
        IN(with_defaults, nobody_reads_a_message_before_it_is_on_disk),
        IN(with_defaults, a_power_cut_during_the_commit_is_no_ack),
        IN(without_limits, what_was_acknowledged_survives_power_cuts_at_random_moments),
        IN(with_defaults, who_hangs_up_before_the_answer_has_sent_all_the_same),
        IN(with_defaults, tokens_passwords_and_keys_outlive_a_crash),
        IN(with_defaults, an_orderly_stop_answers_what_is_in_flight),
        IN(without_limits, a_full_disk_stops_sending_and_nothing_else),
        IN(with_defaults, what_the_disk_refuses_is_told_and_does_not_count_for_the_rate),
        IN(with_a_short_queue, more_than_the_disk_takes_is_told_busy_at_once),
        IN(with_defaults, the_sixth_message_waits_until_the_window_has_moved_on),
        IN(with_defaults, a_wall_clock_that_is_set_changes_neither_order_nor_rate),
        IN(with_defaults, setting_the_wall_clock_opens_no_window),
        IN(with_defaults, a_token_is_valid_for_seven_days),
        IN(with_defaults, ten_logins_a_minute_are_tried_and_an_eleventh_is_not),
        IN(with_defaults, a_key_gives_the_same_message_for_seven_days),
        IN(with_a_centre, a_centre_that_is_away_changes_nothing_here),
        IN(with_a_centre, a_lost_answer_of_the_centre_doubles_nothing),
        IN(with_a_centre, the_centre_never_knows_more_than_the_disk),
    };
    return tap_run(tests);
}
