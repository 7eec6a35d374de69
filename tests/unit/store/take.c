/* Rows of the centre's tables, for a journal that lacks the ops which made them: what is new has its effect and is heard of, what
 * is known changes nothing, and the others' ops follow from where the rows stood. */
#include "fixture.h"

#include "store/chain.h"
#include "store/follow.h"
#include "store/row_ops.h"

#include <string.h>

enum { OTHER = 3, MINUTE_MS = 60000 };
#define ID(n) ((int64_t)OTHER << 41 | (n))
#define AT(ms) ((f.wall_ms + (ms)) << 16)

static struct fixture f;
static int64_t        ann, room;        /* of this site */

static struct row_ops rows[8];
static struct op      ops[16];
static size_t         n_rows, n_ops;
static bool           has_begun;

static int
begin(void **state)
{
    (void)state;
    fixture_open(&f);
    ann = fixture_user(&f, "ann");
    room = fixture_room(&f, ann, false);
    n_rows = n_ops = 0;
    has_begun = false;
    return 0;
}

static int
finish(void **state)
{
    (void)state;
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
    return 0;
}

/* What row_ops_* has made of the next row. */
static void
add_row(void)
{
    for (int i = 0; i < ROW_OPS_MAX; i++)
        if (rows[n_rows].ops[i].kind != OP_PARKED)
            ops[n_ops++] = rows[n_rows].ops[i];
    n_rows++;
}

static void
add_user(const char *email, int64_t at)
{
    struct row_user u = { .id = ID(1), .hlc = at, .created_at = f.wall_ms, .node = OTHER, .email = tb_str_of(email),
                          .username = TB_LIT("zoe"), .password = TB_LIT("x"), .email_stamp = at, .username_stamp = at,
                          .password_stamp = at, .email_node = OTHER, .username_node = OTHER, .password_node = OTHER };
    row_ops_user(&u, &rows[n_rows]);
    add_row();
}

static void
add_member(int64_t by_id, bool is_member, int64_t at)
{
    row_ops_member(&(struct row_member){ .room_id = room, .user_id = ID(1), .id = ID(1), .by_id = by_id, .stamp = at,
                                         .joined_at = f.wall_ms, .node = OTHER, .is_member = is_member },
                   &rows[n_rows]);
    add_row();
}

static void
add_message(int64_t n)
{
    row_ops_message(&(struct row_message){ .id = ID(n), .hlc = AT(n), .room_id = room, .sender_id = ID(1),
                                           .created_at = f.wall_ms, .node = OTHER, .content = TB_LIT("hello") },
                    &rows[n_rows]);
    add_row();
}

static void
add_receipt(int64_t message, int64_t read_at)
{
    row_ops_receipt(&(struct row_receipt){ .message_id = message, .user_id = ann, .delivered_at = read_at, .read_at = read_at },
                    &rows[n_rows]);
    add_row();
}

static void
take(const struct store_origin_at *origins, size_t n)
{
    struct store_take_rows r = { .rows = ops, .n = n_ops, .origins = origins, .n_origins = n,
                                 .is_first = !has_begun };

    has_begun = true;
    assert_int_equal(TB_OK, fixture_call(&f, take_rows, &r));
    store_op_fini(&r.op);
    n_rows = n_ops = 0;
}

static void
expect(const char *sql, const char *expected)
{
    char *is = fixture_dump(&f, sql);
    assert_string_equal(expected, is);
    tb_free(is);
}

static void
take_a_room_s_history(void)
{
    add_user("zoe@x.test", AT(1));
    add_member(0, true, AT(2));
    add_message(3);
    add_message(4);
    add_receipt(ID(3), f.wall_ms - 10 * MINUTE_MS);
    add_receipt(ID(4), f.wall_ms - MINUTE_MS);
    take(NULL, 0);
}

static void
what_is_new_has_its_effect_and_what_sockets_hear_of_has_a_position(void **state)
{
    (void)state;
    take_a_room_s_history();
    expect("SELECT username, email FROM user WHERE id > 1000", "zoe zoe@x.test\n");
    expect("SELECT COUNT(*) FROM message WHERE node = 3 AND seq = 0 AND arrived_at > 0", "2\n");
    expect("SELECT COUNT(*) FROM receipt WHERE read_at > 0", "2\n");
    /* joined, two messages, and of the receipts the young one */
    expect("SELECT node, seq, kind, room_id = 1 FROM journal WHERE seq = 0 AND kind > 0 ORDER BY pos", "3 0 6 1\n3 0 8 1\n3 0 8 1\n0 0 10 1\n");
}

static void
who_let_somebody_in_is_he_himself_when_nobody_knows(void **state)
{
    (void)state;
    take_a_room_s_history();
    expect("SELECT json_extract(body, '$.by') = json_extract(body, '$.user') FROM journal WHERE kind = 6 AND seq = 0", "1\n");
}

static void
what_is_known_changes_nothing(void **state)
{
    (void)state;
    take_a_room_s_history();
    char *before = fixture_dump(&f, "SELECT (SELECT MAX(pos) FROM journal), (SELECT COUNT(*) FROM message), (SELECT messages FROM"
                                " room_count), (SELECT group_concat(user_id || ' ' || own || ' ' || read) FROM member)");
    take_a_room_s_history();
    expect("SELECT (SELECT MAX(pos) FROM journal), (SELECT COUNT(*) FROM message), (SELECT messages FROM"
           " room_count), (SELECT group_concat(user_id || ' ' || own || ' ' || read) FROM member)", before);
    tb_free(before);
}

static void
an_older_membership_than_the_one_here_is_passed_over(void **state)
{
    (void)state;
    take_a_room_s_history();
    add_member(0, false, AT(1));
    take(NULL, 0);
    expect("SELECT is_member FROM member WHERE user_id > 1000", "1\n");
    add_member(0, false, AT(9));
    take(NULL, 0);
    expect("SELECT is_member FROM member WHERE user_id > 1000", "0\n");
    expect("SELECT COUNT(*) FROM member_span WHERE user_id > 1000 AND to_pos < 1 << 62", "1\n");
}

static void
a_user_of_ours_whose_e_mail_was_another_s_first_loses_it(void **state)
{
    (void)state;
    add_user("Ann@x.test", AT(-MINUTE_MS));
    take(NULL, 0);
    expect("SELECT id > 1000, email_parked FROM user ORDER BY id", "0 1\n1 0\n");
}

static void
the_others_ops_follow_from_where_the_rows_stood(void **state)
{
    struct store_origin_at to = { .node = OTHER, .journal_uuid = "their journal", .seq = 77 };
    struct store_origin    origin = { .node = OTHER, .journal_uuid = "their journal" };
    struct store_entry     next = { .seq = 78, .node = OTHER, .at = 5 << 16, .kind = OP_LAST_SEEN, .version = 1,
                                    .body = TB_LIT("{\"users\":[]}") };
    (void)state;
    memset(to.chain, 9, sizeof to.chain);
    take_a_room_s_history();
    take(&to, 1);
    expect("SELECT node, seq FROM origin WHERE node = 3", "3 77\n");
    struct chain at = { { 0 } };
    memcpy(at.bytes, to.chain, sizeof at.bytes);
    struct chain chain = chain_next(&at, OTHER, 78, next.at, next.kind, next.version, next.body);
    memcpy(next.chain, chain.bytes, sizeof next.chain);
    struct store_add_remote r = { .entries = &next, .n = 1, .origins = &origin, .n_origins = 1 };
    assert_int_equal(TB_OK, fixture_call(&f, add_remote, &r));
    store_op_fini(&r.op);
    to.seq = 50;                /* what has come further is not set back */
    take(&to, 1);
    expect("SELECT node, seq FROM origin WHERE node = 3", "3 78\n");
    fixture_reopen(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_new_has_its_effect_and_what_sockets_hear_of_has_a_position, begin, finish),
        cmocka_unit_test_setup_teardown(who_let_somebody_in_is_he_himself_when_nobody_knows, begin, finish),
        cmocka_unit_test_setup_teardown(what_is_known_changes_nothing, begin, finish),
        cmocka_unit_test_setup_teardown(an_older_membership_than_the_one_here_is_passed_over, begin, finish),
        cmocka_unit_test_setup_teardown(a_user_of_ours_whose_e_mail_was_another_s_first_loses_it, begin, finish),
        cmocka_unit_test_setup_teardown(the_others_ops_follow_from_where_the_rows_stood, begin, finish),
    };
    return tap_run(tests);
}
