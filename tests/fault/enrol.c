/* Whose centre, whose number, which schema: what fits goes on by itself, what does not stops with a line that says why. */
#include "work.h"

#include "base/log.h"
#include "sync/target.h"

#include <stdio.h>

static struct centre  centre;
static struct fixture f, g;
static struct work    w;

static int
begin(void **state)
{
    (void)state;
    centre_empty(&centre);
    work_listen();
    fixture_open(&f);
    fixture_open(&g);
    work_begin(&w, &f, 77);
    return 0;
}

static int
finish(void **state)
{
    (void)state;
    work_end_all();
    log_divert(NULL);
    fixture_close(&f);
    fixture_close(&g);
    return 0;
}

/* g becomes a copy of f as it is on disk. Both are closed meanwhile. */
static void
copy_journal(void)
{
    char from[96], to[96];

    store_close(&f.store);
    store_close(&g.store);
    fixture_forget_id(&g);
    snprintf(from, sizeof from, "%s/tombolo.db", f.dir);
    snprintf(to, sizeof to, "%s/tombolo.db", g.dir);
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_true(in != NULL && out != NULL);
    for (int c; (c = fgetc(in)) != EOF;)
        fputc(c, out);
    fclose(in);
    assert_int_equal(0, fclose(out));
    fixture_reopen(&f);
    fixture_reopen(&g);
}

static void
push_all(struct fixture *from)
{
    struct sync *s = work_sync(from, centre.url);
    work_wait(s, SYNC_UP);
    work_end(&s);
}

static void
it_resumes_after_a_restart_where_it_was(void **state)
{
    struct store_status before;
    (void)state;
    work_do(&w, 50);
    push_all(&f);
    work_do(&w, 1);
    store_status(f.store, &before);
    assert_true(before.pushed_seq > 0);
    fixture_reopen(&f);
    work_do(&w, 20);
    push_all(&f);
    work_compare(&f, &centre);
}

static void
of_two_journals_with_one_number_the_first_has_it(void **state)
{
    struct sync_status a = { 0 }, b = { 0 };
    (void)state;
    fixture_user(&g, "Stranger");
    struct sync *first = work_sync(&f, centre.url), *second = work_sync(&g, centre.url);
    work_await_line("sync.diverged");
    work_await_line("sync.up");
    sync_status(first, &a);
    sync_status(second, &b);
    struct fixture *owner = a.state == SYNC_UP ? &f : &g;
    assert_true(a.state == SYNC_UP ? b.state == SYNC_APART : a.state == SYNC_APART && b.state == SYNC_UP);
    assert_true(work_heard("node 0 of this centre belongs to journal"));
    fixture_user(&f, "Still");          /* local service goes on */
    fixture_user(&g, "Here");
    work_wait(owner == &f ? first : second, SYNC_UP);
    work_compare(owner, &centre);
    work_end(&first);
    work_end(&second);
}

static void
a_copy_that_was_written_to_is_told_from_the_journal(void **state)
{
    (void)state;
    push_all(&f);
    copy_journal();
    fixture_user(&f, "Original");
    fixture_user(&g, "Copy");
    push_all(&f);
    struct sync *s = work_sync(&g, centre.url);
    work_wait(s, SYNC_APART);
    assert_true(work_heard("a copy of this journal has written there"));
    work_compare(&f, &centre);
    work_end(&s);
}

static void
an_older_copy_gets_back_what_it_lacks_and_goes_on_and_the_other_is_fenced(void **state)
{
    struct store_status there, here;
    (void)state;
    copy_journal();
    work_do(&w, 700);
    push_all(&f);
    store_status(f.store, &there);
    push_all(&g);
    store_status(g.store, &here);
    assert_int_equal(there.own_seq, here.own_seq);
    work_compare(&g, &centre);
    fixture_user(&g, "Goes on");
    push_all(&g);
    work_compare(&g, &centre);
    fixture_user(&f, "Still in use");
    struct sync *s = work_sync(&f, centre.url);
    work_wait(s, SYNC_APART);
    assert_true(work_heard("a copy of it is in use"));
    work_end(&s);
    fixture_reopen(&g);
    assert_int_equal(0, fixture_faults(&g));
}

static void
a_centre_that_was_emptied_gets_everything_again_under_its_old_name(void **state)
{
    (void)state;
    work_do(&w, 20);
    struct sync *s = work_sync(&f, centre.url);
    work_wait(s, SYNC_UP);
    char *before = centre_dump(&centre, "SELECT uuid FROM centre");
    work_end(&s);
    centre_empty(&centre);
    s = work_sync(&f, centre.url);
    work_wait(s, SYNC_UP);
    work_compare(&f, &centre);
    char *after = centre_dump(&centre, "SELECT uuid FROM centre");
    assert_string_equal(before, after);
    tb_free(before);
    tb_free(after);
    work_end(&s);
}

static void
a_centre_emptied_under_a_live_link_is_noticed(void **state)
{
    (void)state;
    struct sync *s = work_sync(&f, centre.url);
    work_wait(s, SYNC_UP);
    centre_sql(&centre, "DELETE FROM chat.site");
    work_do(&w, 3);
    work_await_line(SYNC_NO_NUMBER);        /* by a push or by a look at the others: which is first is as it happens */
    work_wait(s, SYNC_DOWN);        /* op_log still has what the new row of site knows nothing of */
    centre_empty(&centre);
    work_wait(s, SYNC_UP);
    work_compare(&f, &centre);
    work_end(&s);
}

static void
another_centre_than_ours_is_refused(void **state)
{
    (void)state;
    push_all(&f);
    centre_empty(&centre);
    push_all(&g);
    struct sync *s = work_sync(&f, centre.url);
    work_wait(s, SYNC_APART);
    assert_true(work_heard("this journal belongs to centre"));
    work_end(&s);
}

static void
a_schema_one_step_newer_works_and_two_steps_do_not(void **state)
{
    (void)state;
    push_all(&f);
    centre_sql(
        &centre,
        "INSERT INTO chat.schema_version SELECT MAX(version) + 1, 'later', '2030-01-01' FROM chat.schema_version");
    work_do(&w, 5);
    push_all(&f);
    work_compare(&f, &centre);
    centre_sql(
        &centre,
        "INSERT INTO chat.schema_version SELECT MAX(version) + 1, 'latest', '2030-01-01' FROM chat.schema_version");
    struct sync *s = work_sync(&f, centre.url);
    work_await_line("use a newer tombolo");
    work_wait(s, SYNC_DOWN);
    centre_sql(&centre, "DELETE FROM chat.schema_version WHERE name = 'latest'");
    work_wait(s, SYNC_UP);
    work_end(&s);
}

static void
a_migration_that_stopped_half_way_is_done_again(void **state)
{
    (void)state;
    push_all(&f);
    centre_sql(&centre, "DROP TABLE chat.receipt");
    centre_sql(&centre, "DROP VIEW chat.`User`");
    centre_sql(&centre, "DELETE FROM chat.schema_version");
    work_do(&w, 5);
    push_all(&f);
    tb_free(centre_dump(&centre, "SELECT * FROM `User`"));
    tb_free(centre_dump(&centre, "SELECT * FROM receipt"));
}

static void
a_server_that_folds_table_names_is_refused(void **state)
{
    static const char *const options[] = { "--lower-case-table-names=1", NULL };
    struct centre            folding;
    (void)state;
    centre_start(&folding, options);
    struct sync *s = work_sync(&f, folding.url);
    work_await_line("lower_case_table_names=0");
    work_end(&s);
    centre_stop(&folding);
}

static void
expect_rows(const char *sql, const char *expected)
{
    char *rows = centre_dump(&centre, sql);
    assert_string_equal(expected, rows);
    tb_free(rows);
}

static void
the_views_show_what_the_old_backend_had(void **state)
{
    (void)state;
    int64_t                  ann = fixture_user(&g, "ann"), bob = fixture_user(&g, "bob"), room = fixture_room(&g, ann, true);
    struct store_seen        seen = { .user_id = ann, .at = 1700000000500 };
    struct store_set_last_seen last_seen = { .users = &seen, .n = 1 };
    fixture_join(&g, room, bob, ann);
    int64_t               message = fixture_send(&g, room, ann, "hi \xF0\x9F\x8F\x9D");
    struct store_add_read read = { .user_id = bob, .message_ids = &message, .n = 1 };
    assert_int_equal(TB_OK, fixture_call(&g, add_read, &read));
    store_op_fini(&read.op);
    assert_int_equal(TB_OK, fixture_call(&g, set_last_seen, &last_seen));
    store_op_fini(&last_seen.op);
    fixture_join(&g, fixture_room(&g, bob, false), ann, ann);
    struct store_remove_member leave = { .room_id = 2, .user_id = ann };
    assert_int_equal(TB_OK, fixture_call(&g, remove_member, &leave));
    store_op_fini(&leave.op);
    push_all(&g);
    expect_rows("SELECT id, email, username, password, createdAt, lastSeen FROM `User` ORDER BY id",
                "1 ann@x.test ann $argon2id$x 2023-11-14 22:13:20.000 2023-11-14 22:13:20.500\n"
                "2 bob@x.test bob $argon2id$x 2023-11-14 22:13:20.000 NULL\n");
    expect_rows("SELECT id, name, isPrivate, createdAt FROM `Room` ORDER BY id",
                "1 room 1 2023-11-14 22:13:20.000\n2 room 0 2023-11-14 22:13:20.000\n");
    expect_rows("SELECT id, userId, roomId, joinedAt FROM `RoomMember` ORDER BY id",
                "1 1 1 2023-11-14 22:13:20.000\n2 2 1 2023-11-14 22:13:20.000\n3 2 2 2023-11-14 22:13:20.000\n");
    expect_rows("SELECT id, content, createdAt, senderId, roomId FROM `Message`",
                "1 hi \xF0\x9F\x8F\x9D 2023-11-14 22:13:20.000 1 1\n");
    expect_rows("SELECT id, messageId, userId, deliveredAt, readAt FROM `MessageReceipt`",
                "1 1 2 2023-11-14 22:13:20.000 2023-11-14 22:13:20.000\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_resumes_after_a_restart_where_it_was, begin, finish),
        cmocka_unit_test_setup_teardown(of_two_journals_with_one_number_the_first_has_it, begin, finish),
        cmocka_unit_test_setup_teardown(a_copy_that_was_written_to_is_told_from_the_journal, begin, finish),
        cmocka_unit_test_setup_teardown(an_older_copy_gets_back_what_it_lacks_and_goes_on_and_the_other_is_fenced, begin, finish),
        cmocka_unit_test_setup_teardown(a_centre_that_was_emptied_gets_everything_again_under_its_old_name, begin, finish),
        cmocka_unit_test_setup_teardown(a_centre_emptied_under_a_live_link_is_noticed, begin, finish),
        cmocka_unit_test_setup_teardown(another_centre_than_ours_is_refused, begin, finish),
        cmocka_unit_test_setup_teardown(a_schema_one_step_newer_works_and_two_steps_do_not, begin, finish),
        cmocka_unit_test_setup_teardown(a_migration_that_stopped_half_way_is_done_again, begin, finish),
        cmocka_unit_test_setup_teardown(a_server_that_folds_table_names_is_refused, begin, finish),
        cmocka_unit_test_setup_teardown(the_views_show_what_the_old_backend_had, begin, finish),
    };
    return centre_run_tests(tests, &centre, NULL);
}
