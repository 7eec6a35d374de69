/* An inspector: what the operator's commands read of a journal, beside its server or without one. */
#include "fixture.h"

#include "store/compare.h"

#include <stdio.h>
#include <unistd.h>

static struct store_inspector *
inspect(struct fixture *f)
{
    struct store_inspector *i = NULL;
    struct tb_err           e = { 0 };

    if (store_inspect(f->dir, &i, &e) != TB_OK)
        fail_msg("%s", e.why);
    return i;
}

static void
what_is_no_journal_is_said_to_be_none_and_nothing_is_made(void **state)
{
    struct store_inspector *i = NULL;
    struct tb_err           e = { 0 };
    char                    dir[] = "/tmp/tombolo-inspect-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(TB_ENOTFOUND, store_inspect(dir, &i, &e));
    assert_int_equal(0, rmdir(dir));
    assert_int_equal(TB_ENOTFOUND, store_inspect(dir, &i, &e));
    assert_null(i);
}

static void
a_journal_of_another_schema_is_refused(void **state)
{
    struct fixture          f;
    struct store_inspector *i = NULL;
    struct tb_err           e = { 0 };
    (void)state;
    fixture_open(&f);
    store_close(&f.store);
    fixture_sql(&f, "PRAGMA user_version = 999");
    assert_int_equal(TB_EIO, store_inspect(f.dir, &i, &e));
    assert_non_null(strstr(e.why, "schema 999"));
    fixture_sql(&f, "PRAGMA application_id = 7");
    assert_int_equal(TB_EIO, store_inspect(f.dir, &i, &e));
    assert_null(i);
    fixture_close(&f);
}

static void
it_sees_one_moment_while_the_server_goes_on(void **state)
{
    struct fixture      f;
    struct store_status now;
    (void)state;
    fixture_open(&f);
    int64_t ann = fixture_user(&f, "ann"), room = fixture_room(&f, ann, false);
    struct store_inspector *i = inspect(&f);
    fixture_send(&f, room, ann, "later");
    store_status(f.store, &now);
    assert_int_equal(now.own_seq - 1, store_inspect_identity(i)->own_seq);
    assert_string_equal(now.journal_uuid, store_inspect_identity(i)->journal_uuid);
    store_inspect_end(&i);
    i = inspect(&f);
    assert_int_equal(now.own_seq, store_inspect_identity(i)->own_seq);
    store_inspect_end(&i);
    fixture_close(&f);
}

struct conflicts {
    size_t  n;
    int64_t id[4], since[4];
};

static void
keep_conflict(void *ctx, const struct store_conflict *c)
{
    struct conflicts *all = ctx;
    assert_true(all->n < 4);
    all->id[all->n] = c->id;
    all->since[all->n++] = c->since;
}

static void
conflicts_are_told_with_the_time_of_the_newest_op_that_said_so(void **state)
{
    struct fixture   f;
    struct conflicts all = { 0 };
    struct tb_err    e = { 0 };
    int64_t          n = 0;
    char             sql[600];
    (void)state;
    fixture_open(&f);
    int64_t ann = fixture_user(&f, "ann"), bob = fixture_user(&f, "bob"), cy = fixture_user(&f, "cy");
    store_close(&f.store);
    snprintf(sql, sizeof sql,
             "UPDATE user SET email_parked = 1 WHERE id IN (%d, %d);"
             "INSERT INTO journal (node, seq, at, kind, version, user_id, body, chain) VALUES"
             " (5, 1, 1700000001000 << 16, 4, 1, %d, '{}', zeroblob(16)), (5, 2, 1700000002000 << 16, 4, 1, %d, '{}', zeroblob(16)),"
             " (5, 3, 1700000009000 << 16, 4, 1, %d, '{}', zeroblob(16))", (int)bob, (int)cy, (int)bob, (int)bob, (int)ann);
    fixture_sql(&f, sql);
    struct store_inspector *i = inspect(&f);
    assert_int_equal(TB_OK, store_inspect_conflicts(i, keep_conflict, &all, &e));
    assert_int_equal(TB_OK, store_inspect_count_conflicts(i, &n, &e));
    assert_true(n == 2 && all.n == 2);
    assert_true(all.id[0] == bob && all.since[0] == 1700000002000);
    assert_true(all.id[1] == cy && all.since[1] == 0);
    store_inspect_end(&i);
    fixture_close(&f);
}

struct seqs {
    size_t  n;
    int64_t first, last;
};

static enum tb_code
keep_seq(void *ctx, const struct store_entry *entry, struct tb_err *e)
{
    struct seqs *s = ctx;
    (void)e;
    s->first = s->n++ == 0 ? entry->seq : s->first;
    s->last = entry->seq;
    return TB_OK;
}

static enum tb_code
refuse(void *ctx, const struct store_entry *entry, struct tb_err *e)
{
    ++*(int *)ctx;
    return tb_fail(e, TB_EBUSY, NULL, "op %d", (int)entry->seq);
}

static void
ops_are_given_of_an_origin_and_a_stretch(void **state)
{
    struct fixture f;
    struct seqs    s = { 0 };
    struct tb_err  e = { 0 };
    int            n_refused = 0;
    (void)state;
    fixture_open(&f);
    int64_t ann = fixture_user(&f, "ann"), room = fixture_room(&f, ann, false);
    for (int i = 0; i < 7; i++)
        fixture_send(&f, room, ann, "x");       /* 4..10 */
    struct store_inspector *i = inspect(&f);
    assert_int_equal(TB_OK, store_inspect_ops(i, 0, 3, 8, keep_seq, &s, &e));
    assert_true(s.n == 5 && s.first == 4 && s.last == 8);
    s.n = 0;
    assert_int_equal(TB_OK, store_inspect_ops(i, 5, 0, 100, keep_seq, &s, &e));
    assert_int_equal(0, s.n);
    assert_int_equal(TB_EBUSY, store_inspect_ops(i, 0, 0, 100, refuse, &n_refused, &e));
    assert_int_equal(1, n_refused);
    store_inspect_end(&i);
    fixture_close(&f);
}

/* The first 8 bytes of SHA-256, as sha256sum gives them. */
#define HASH_1_2_3_4 0x8e96dc5e83d405a5u     /* 1|2|3|4 */
#define HASH_1_3_0_0 0x644a62bbe1b34f18u     /* 1|3|0|0 */
#define HASH_ROOM    0xc0ab59f3df01176fu     /* 1|2|1|4|5|3|a|b */

static void
the_hash_of_a_row_is_what_the_header_says(void **state)
{
    struct fixture     f;
    struct compare_row row;
    struct tb_err      e = { 0 };
    int64_t            start[2] = { 0, 0 };
    (void)state;
    fixture_open(&f);
    store_close(&f.store);
    fixture_sql(&f, "INSERT INTO receipt VALUES (1, 2, 3, 4), (1, 3, NULL, NULL);"
                    "INSERT INTO room VALUES (1, 2, 'a|b', 1, 4, 5)");
    struct store_inspector *i = inspect(&f);
    assert_int_equal(TB_OK, store_compare_begin(i, COMPARE_RECEIPTS, 1, start, &e));
    assert_true(store_compare_next(i, &row, &e));
    assert_int_equal(2, row.key[0]);
    assert_int_equal(HASH_1_2_3_4, row.hash);
    assert_true(store_compare_next(i, &row, &e));
    assert_int_equal(HASH_1_3_0_0, row.hash);
    assert_false(store_compare_next(i, &row, &e));
    assert_int_equal(TB_OK, e.code);
    assert_int_equal(TB_OK, store_compare_begin(i, COMPARE_ROOMS, 0, start, &e));
    assert_true(store_compare_next(i, &row, &e));
    assert_int_equal(HASH_ROOM, row.hash);
    assert_int_equal(TB_OK, store_compare_begin(i, COMPARE_LOOSE_RECEIPTS, 0, (int64_t[]){ 1, 2 }, &e));
    assert_true(store_compare_next(i, &row, &e));
    assert_true(row.key[0] == 1 && row.key[1] == 3);
    store_inspect_end(&i);
    fixture_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_journal_is_said_to_be_none_and_nothing_is_made),
        cmocka_unit_test(a_journal_of_another_schema_is_refused),
        cmocka_unit_test(it_sees_one_moment_while_the_server_goes_on),
        cmocka_unit_test(conflicts_are_told_with_the_time_of_the_newest_op_that_said_so),
        cmocka_unit_test(ops_are_given_of_an_origin_and_a_stretch),
        cmocka_unit_test(the_hash_of_a_row_is_what_the_header_says),
    };
    return tap_run(tests);
}
