/* kill -9 in the middle of pruning: whatever was under way, the journal is whole, and what was due goes in the end. */
#include "aging.h"

#include "rig/random.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGES = 3000, WAVE = 250, KEEP_DAYS = 10, ROUNDS = 12 };

static int64_t
real_mono(void *ctx)
{
    (void)ctx;
    return tb_mono_us(&tb_clock_system);
}

static void
send_many(struct fixture *f, int64_t room, int64_t sender, int n)
{
    static struct store_add_message r[WAVE];

    for (int done = 0; done < n; done += WAVE) {
        for (int i = 0; i < WAVE; i++) {
            r[i] = (struct store_add_message){ .room_id = room, .sender_id = sender, .content = TB_LIT("to be forgotten") };
            fixture_prepare(f, &r[i].op);
            store_add_message(f->store, &r[i]);
        }
        for (int i = 0; i < WAVE; i++)
            fixture_wait(f);
        for (int i = 0; i < WAVE; i++)
            store_op_fini(&r[i].op);
    }
}

static void
read_some(struct fixture *f, int64_t user)
{
    int64_t ids[MESSAGES / 3];

    for (size_t i = 0; i < MESSAGES / 3; i++)
        ids[i] = (int64_t)i * 3 + 1;
    struct store_add_read r = { .user_id = user, .message_ids = ids, .n = MESSAGES / 3 };
    assert_int_equal(TB_OK, fixture_call(f, add_read, &r));
    store_op_fini(&r.op);
}

/* A server that prunes in its own time, until it is killed; it is open when this returns. */
static pid_t
start_pruning(struct fixture *f)
{
    int  is_open[2];
    char byte = 0;

    assert_int_equal(0, pipe(is_open));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0) {
        assert_int_equal(1, read(is_open[0], &byte, 1));
        close(is_open[0]), close(is_open[1]);
        return pid;
    }
    f->clock.mono_us = real_mono;
    fixture_reopen(f);
    assert_int_equal(1, write(is_open[1], &byte, 1));
    for (;;) {
        fixture_send(f, 2, 1, "the day goes on");
        usleep(1000);
    }
}

/* For each member: as many as there are unread messages here since he joined. */
static const char miscounted[] =
    "SELECT COUNT(*) FROM member m JOIN room_count c USING (room_id) WHERE c.messages - m.before - m.own - m.read <>"
    " (SELECT COUNT(*) FROM message g WHERE g.room_id = m.room_id AND g.pos > m.join_pos AND g.sender_id <> m.user_id"
    " AND NOT EXISTS (SELECT 1 FROM receipt r WHERE r.message_id = g.id AND r.user_id = m.user_id AND r.read_at IS NOT NULL))";

/* Rows that are due. */
static int64_t
due(struct fixture *f)
{
    return aging_ask(f, "SELECT (SELECT COUNT(*) FROM message WHERE room_id = 1) - 1"
                        " + (SELECT COUNT(*) FROM journal WHERE seq < (SELECT pushed_seq FROM self))");
}

static void
judge(struct fixture *f)
{
    assert_int_equal(0, fixture_faults(f));
    assert_int_equal(0, aging_ask(f, miscounted));
    assert_int_equal(0, aging_ask(f, "SELECT COUNT(*) FROM receipt WHERE message_id NOT IN (SELECT id FROM message)"));
}

static void
killed_at_any_moment_of_it_the_journal_is_whole_and_goes_on(void **state)
{
    const char       *asked = getenv("TB_SEED");
    struct rig_random chance = { asked != NULL ? strtoull(asked, NULL, 10) : (uint64_t)time(NULL) };
    struct fixture    f;
    int64_t           left, stops = 0;
    (void)state;
    fprintf(stderr, "# TB_SEED=%llu\n", (unsigned long long)chance.state);
    aging_open(&f, KEEP_DAYS, KEEP_DAYS);
    int64_t ann = fixture_user(&f, "ann"), bob = fixture_user(&f, "bob"), room = fixture_room(&f, ann, false);
    fixture_join(&f, room, bob, bob);
    fixture_room(&f, ann, false);
    send_many(&f, room, ann, MESSAGES);
    read_some(&f, bob);
    aging_pass_days(&f, 1);
    fixture_send(&f, room, bob, "newest");
    aging_reach_centre(&f, 0);
    left = due(&f);
    store_close(&f.store);
    aging_pass_days(&f, KEEP_DAYS);
    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid = start_pruning(&f);
        usleep((useconds_t)(5000 + rig_random_below(&chance, 150000)));
        assert_int_equal(0, kill(pid, SIGKILL));
        assert_int_equal(pid, waitpid(pid, NULL, 0));
        int64_t now = due(&f);
        stops += now > 0 && now < left;
        left = now;
        judge(&f);
    }
    assert_true(stops > 0);                     /* some of them struck in the middle */
    f.settings.clock = &f.clock;
    fixture_reopen(&f);
    aging_settle(&f);
    assert_int_equal(0, due(&f));
    judge(&f);
    fixture_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_any_moment_of_it_the_journal_is_whole_and_goes_on),
    };
    return tap_run(tests);
}
