/* `check` and the look at the tail at start: what a changed byte, a lost row and a wrong count look like. */
#include "fixture.h"

#include "store/check.h"

#include <stdio.h>

static char said[8192];

static void
keep(void *ctx, tb_str line)
{
    size_t n = strlen(said);
    (void)ctx;
    snprintf(said + n, sizeof said - n, TB_STR_FMT "\n", TB_STR_ARG(line));
}

static size_t
faults(struct fixture *f)
{
    struct tb_err e = { 0 };
    size_t        n = 0;
    said[0] = '\0';
    assert_int_equal(TB_OK, store_check(f->dir, keep, NULL, &n, &e));
    return n;
}

static void
fill(struct fixture *f)
{
    size_t        n;
    fixture_open(f);
    int64_t ann = fixture_user(f, "ann"), bob = fixture_user(f, "bob"), room = fixture_room(f, ann, false);
    fixture_join(f, room, bob, bob);
    int64_t               id = fixture_send(f, room, ann, "a needle");
    struct store_add_read r = { .user_id = bob, .message_ids = &id, .n = 1 };
    assert_int_equal(TB_OK, fixture_call(f, add_read, &r));
    store_op_fini(&r.op);
    fixture_send(f, room, bob, "hay");
    int64_t               other = fixture_room(f, ann, false);
    assert_int_equal(TB_OK, fixture_join(f, other, bob, bob));
    int64_t               both[] = { fixture_send(f, room, ann, "a straw"), fixture_send(f, other, ann, "a straw") };
    struct store_add_read two = { .user_id = bob, .message_ids = both, .n = 2 };
    assert_int_equal(TB_OK, fixture_call(f, add_read, &two));
    store_op_fini(&two.op);
    n = faults(f);
    assert_int_equal(0, n);
}

static const struct { const char *sql, *says; } damage[] = {
    { "UPDATE journal SET body = replace(body, 'needle', 'noodle')", "journal: position 6 (node 0, seq 6): the content" },
    { "UPDATE journal SET at = at + 1 WHERE pos = 3", "journal: position 3" },
    { "UPDATE journal SET user_id = 9 WHERE pos = 6", "journal: position 6: its body is about another" },
    { "UPDATE journal SET room_id = NULL WHERE pos = 6", "journal: position 6: its body is about another" },
    { "DELETE FROM journal WHERE pos = 4", "after seq 3 of node 0 comes 5" },
    { "DELETE FROM journal WHERE pos = 14", "self: its head is seq 14, the journal ends at 13" },
    { "UPDATE message SET content = replace(content, 'needle', 'noodle')", "message: id 1: the row is not what" },
    { "DELETE FROM message WHERE id = 1", "message: id 1: the ops make a row that is not there" },
    { "INSERT INTO receipt VALUES (1, 77, 5, 5)", "receipt: message 1, user 77: the row is not what" },
    { "INSERT INTO receipt VALUES (1, 77, 5, 5)", "reference: a receipt of no user: id 1" },
    { "UPDATE member SET read = 7 WHERE user_id = 2", "member: room 1, user 2: the row is not what" },
    { "UPDATE room_count SET messages = 9", "room_count: room 1" },
    { "DELETE FROM room", "reference: a message of no room: id 1" },
    { "UPDATE user SET password = 'x' WHERE id = 1", "user: id 1" },
    { "DELETE FROM journal_also WHERE room_id = 2", "journal_also: room 2, position 14: the ops make a row" },
    { "INSERT INTO journal_also VALUES (1, 5)", "journal_also: room 1, position 5: the row is not what" },
    { "INSERT INTO send_key VALUES (0, 1, x'00', 77)", "reference: an idempotency key of no such message: id 77" },
    { "INSERT INTO send_key VALUES (0, 1, x'00', 2)", "reference: an idempotency key of no such message: id 2" },
    { "UPDATE self SET users = 1", "self: it says that 1 ids of the kind user were given, and number 2 is there" },
    { "UPDATE self SET messages = 3", "3 ids of the kind message were given, and number 4 is there" },
    { "UPDATE self SET hlc = 1", "self: its clock is behind an op of ours" },
    { "UPDATE self SET pushed_seq = 99", "self: seq 99 is said to be at the centre, the journal ends at 14" },
    { "DROP INDEX user_email", "schema: user_email" },
    { "CREATE TABLE guest (id)", "schema: guest" },
};

static void
each_kind_of_damage_is_found_and_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        struct fixture f;
        fill(&f);
        store_close(&f.store);
        fixture_sql(&f, damage[i].sql);
        assert_true(faults(&f) > 0);
        if (strstr(said, damage[i].says) == NULL)
            fail_msg("%s: \"%s\" is not in:\n%s", damage[i].sql, damage[i].says, said);
        fixture_close(&f);
    }
}

static void
the_server_refuses_a_damaged_tail_and_says_where(void **state)
{
    static const struct { const char *sql, *says; } tail[] = {
        { "UPDATE journal SET body = replace(body, 'needle', 'noodle')", "position 6" },
        { "DELETE FROM journal WHERE pos = 14", "it ends at seq 13, its head says 14" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof tail / sizeof *tail; i++) {
        struct fixture f;
        struct tb_err  e = { 0 };
        fill(&f);
        store_close(&f.store);
        fixture_sql(&f, tail[i].sql);
        assert_int_equal(TB_EIO, store_open(&f.store, &f.settings, &e));
        if (strstr(e.why, tail[i].says) == NULL)
            fail_msg("%s", e.why);
        fixture_close(&f);
    }
}

static void
a_folder_without_a_journal_is_said_to_have_none(void **state)
{
    struct tb_err e = { 0 };
    size_t        n = 0;
    (void)state;
    assert_int_equal(TB_EIO, store_check("/nonexistent", keep, NULL, &n, &e));
    assert_non_null(strstr(e.why, "/nonexistent/tombolo.db"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_damage_is_found_and_named),
        cmocka_unit_test(the_server_refuses_a_damaged_tail_and_says_where),
        cmocka_unit_test(a_folder_without_a_journal_is_said_to_have_none),
    };
    return tap_run(tests);
}
