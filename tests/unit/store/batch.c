/* Changes that share a transaction: one that fails after it has written something is undone alone. */
#include "fixture.h"

#include <pthread.h>
#include <stdio.h>

enum { SENDS = 60, EVERY = 7 };         /* so many in one transaction; one in EVERY fails */

/* The first change's clock stands until all are in the writer's mailbox: the others share the next transaction. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t  opened = PTHREAD_COND_INITIALIZER;
static bool            is_shut;

static int64_t
wall(void *ctx)
{
    pthread_mutex_lock(&lock);
    while (is_shut)
        pthread_cond_wait(&opened, &lock);
    pthread_mutex_unlock(&lock);
    return ((struct fixture *)ctx)->wall_ms;
}

static void
shut(bool to)
{
    pthread_mutex_lock(&lock);
    is_shut = to;
    pthread_cond_broadcast(&opened);
    pthread_mutex_unlock(&lock);
}

static size_t n_heard;

static void
on_done(struct store_op *op)
{
    (void)op;
    n_heard++;
}

static bool
is_poison(size_t i)
{
    return i % EVERY == EVERY - 1;
}

static void
send_all(struct fixture *f, int64_t room, int64_t sender, struct store_add_message *sends)
{
    n_heard = 0;
    shut(true);
    for (size_t i = 0; i < SENDS; i++) {
        sends[i] = (struct store_add_message){ .room_id = room, .sender_id = sender,
                                               .content = is_poison(i) ? TB_LIT("poison") : TB_LIT("food") };
        sends[i].op.reply_to = f->inbox;
        sends[i].op.on_done = on_done;
        store_add_message(f->store, &sends[i]);
    }
    shut(false);
    while (n_heard < SENDS)
        fixture_wait(f);
}

static void
one_that_fails_half_way_takes_nobody_with_it(void **state)
{
    static struct store_add_message sends[SENDS];
    struct fixture                  f;
    struct store_status             before, after;
    (void)state;
    fixture_open(&f);
    f.clock.wall_ms = wall;
    int64_t ann = fixture_user(&f, "ann"), room = fixture_room(&f, ann, false);
    store_close(&f.store);
    /* The journal's row is written before the message's. */
    fixture_sql(&f, "CREATE TRIGGER poison BEFORE INSERT ON message WHEN NEW.content = 'poison'"
                    " BEGIN SELECT RAISE(ABORT, 'poisoned'); END");
    fixture_reopen(&f);
    store_status(f.store, &before);
    send_all(&f, room, ann, sends);
    store_status(f.store, &after);
    assert_in_range(after.n_commits - before.n_commits, 1, 2);
    int64_t id = 0;
    size_t  n_kept = 0;
    for (size_t i = 0; i < SENDS; i++) {
        assert_int_equal(is_poison(i) ? TB_EIO : TB_OK, sends[i].op.err.code);
        if (!is_poison(i)) {
            assert_true(id == 0 || sends[i].message.id == id + 1);
            id = sends[i].message.id;
            n_kept++;
        }
        store_op_fini(&sends[i].op);
    }
    assert_int_equal(n_kept, after.own_seq - before.own_seq);
    store_close(&f.store);
    fixture_sql(&f, "DROP TRIGGER poison");
    fixture_reopen(&f);
    char *kept = fixture_dump(&f, "SELECT COUNT(*), (SELECT COUNT(*) FROM journal WHERE kind = 8), MAX(id) FROM message");
    char  expected[64];
    snprintf(expected, sizeof expected, "%zu %zu %d\n", n_kept, n_kept, (int)id);
    assert_string_equal(expected, kept);
    tb_free(kept);
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_fails_half_way_takes_nobody_with_it),
    };
    return tap_run(tests);
}
