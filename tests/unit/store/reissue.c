/* Re-issue: whatever was written, and from whichever op on, the journal is whole afterwards, says the same under other ids,
 * and goes on from there. `check` replays it through op_apply and compares row by row, so a forgotten reference shows. */
#include "fixture.h"

#include "store/follow.h"
#include "store/reissue.h"

#include <inttypes.h>
#include <stdio.h>

#define NEW_JOURNAL "11111111-1111-4111-8111-111111111111"
#define CENTRE      "22222222-2222-4222-8222-222222222222"

enum { NEW_NODE = 9, USERS = 5, ROOMS = 3 };

static struct fixture f;
static uint64_t       chance;
static int64_t        users[USERS], rooms[ROOMS], messages[400];
static size_t         n_messages;

static uint64_t
below(uint64_t n)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return chance % n;
}

static void
act(void)
{
    int64_t user = users[below(USERS)], room = rooms[below(ROOMS)];
    char    text[32];

    f.wall_ms += (int64_t)below(3);
    snprintf(text, sizeof text, "e%" PRIu64 "@x.test", below(1000000));
    switch (below(8)) {
    case 0:
        TB_TRY(fixture_join(&f, room, user, user));
        return;
    case 1: {
        struct store_remove_member r = { .room_id = room, .user_id = user };
        TB_TRY(fixture_call(&f, remove_member, &r));
        store_op_fini(&r.op);
        return;
    }
    case 2: {
        struct store_change_user r = { .user_id = user, .email = tb_str_of(text), .username = tb_str_of(text),
                                       .password_hash = tb_str_of(text) };
        assert_int_equal(TB_OK, fixture_call(&f, change_user, &r));
        store_op_fini(&r.op);
        return;
    }
    case 3: {
        size_t                n = n_messages < 6 ? n_messages : 6;
        struct store_add_read r = { .user_id = user, .message_ids = messages + (n_messages - n), .n = n };
        TB_TRY(fixture_call(&f, add_read, &r));
        store_op_fini(&r.op);
        return;
    }
    case 4: {
        struct store_seen          one = { .user_id = user, .at = f.wall_ms, .is_online = below(2) == 0 };
        struct store_set_last_seen r = { .users = &one, .n = 1 };
        assert_int_equal(TB_OK, fixture_call(&f, set_last_seen, &r));
        store_op_fini(&r.op);
        return;
    }
    default: {
        struct store_add_message r = { .room_id = room, .sender_id = user, .content = tb_str_of(text), .key = tb_str_of(text) };
        if (fixture_call(&f, add_message, &r) == TB_OK && n_messages < 400)
            messages[n_messages++] = r.message.id;
        store_op_fini(&r.op);
    }
    }
}

static void
begin(uint64_t seed, size_t n_acts)
{
    fixture_open(&f);
    chance = seed * 7919;
    n_messages = 0;
    for (int i = 0; i < USERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "user%d", i);
        users[i] = fixture_user(&f, name);
        if (i < ROOMS)
            rooms[i] = fixture_room(&f, users[i], false);
    }
    for (size_t i = 0; i < n_acts; i++)
        act();
}

static enum tb_code
choose(void *ctx, struct store_reissue *r, struct tb_err *e)
{
    const int64_t *from = ctx;

    if (*from == 0)
        return tb_fail(e, TB_ENOTFOUND, NULL, "not this time");
    r->from = *from;
    r->node = NEW_NODE;
    memcpy(r->journal_uuid, NEW_JOURNAL, sizeof NEW_JOURNAL);
    memcpy(r->centre_uuid, CENTRE, sizeof CENTRE);
    return TB_OK;
}

static enum tb_code
reissue(int64_t from, struct store_reissue *out)
{
    struct tb_err e = { 0 };

    *out = (struct store_reissue){ .dir = f.dir, .clock = &f.clock, .choose = choose, .ctx = &from };
    return store_reissue(out, &e);
}

static int64_t
number(const char *sql)
{
    char    *rows = fixture_dump(&f, sql);
    uint64_t n = 0;

    assert_true(tb_str_to_uint((tb_str){ .p = rows, .n = strcspn(rows, "\n") }, INT64_MAX, &n));
    tb_free(rows);
    return (int64_t)n;
}

/* What a person would see, without ids. */
static const char what_it_says[] =
    "SELECT m.content, m.created_at, s.username, r.hlc, group_concat(u.username || ' ' || COALESCE(p.read_at, 0))"
    " FROM message m JOIN user s ON s.id = m.sender_id JOIN room r ON r.id = m.room_id"
    " LEFT JOIN receipt p ON p.message_id = m.id LEFT JOIN user u ON u.id = p.user_id GROUP BY m.id ORDER BY m.hlc";
static const char who_is_where[] =
    "SELECT r.hlc, u.username, m.is_member, m.stamp, c.messages - m.before - m.own - m.read, u.id IN (SELECT * FROM online)"
    " FROM member m"
    " JOIN room r ON r.id = m.room_id JOIN user u ON u.id = m.user_id JOIN room_count c ON c.room_id = m.room_id ORDER BY 1, 2";

static void
whatever_was_written_says_the_same_under_other_ids_and_the_journal_is_whole(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct store_status  before, after;
        struct store_reissue r;
        begin(seed, 250);
        store_status(f.store, &before);
        int64_t from = seed <= 2 ? 1 : 1 + (int64_t)below((uint64_t)before.own_seq);
        store_close(&f.store);
        char *said = fixture_dump(&f, what_it_says), *where = fixture_dump(&f, who_is_where);
        assert_int_equal(TB_OK, reissue(from, &r));
        assert_int_equal(before.own_seq - from + 1, r.n_ops);
        char *says = fixture_dump(&f, what_it_says), *is = fixture_dump(&f, who_is_where);
        assert_string_equal(said, says);
        assert_string_equal(where, is);
        fixture_reopen(&f);
        store_status(f.store, &after);
        assert_int_equal(NEW_NODE, after.node);
        assert_int_equal(r.n_ops, after.own_seq);
        assert_int_equal(0, after.pushed_seq);
        assert_string_equal(NEW_JOURNAL, after.journal_uuid);
        assert_int_equal(before.head_pos, after.head_pos);
        assert_int_equal(from - 1, number("SELECT COALESCE((SELECT seq FROM origin WHERE node = 0), 0)"));
        if (from == 1)
            assert_int_equal(0, number("SELECT COUNT(*) FROM message WHERE id >> 41 <> 9 OR sender_id >> 41 <> 9"));
        if (fixture_faults(&f) != 0)
            fail_msg("seed %" PRIu64 ", from %" PRId64, seed, from);
        tb_free(said), tb_free(where), tb_free(says), tb_free(is);
        fixture_close(&f);
    }
}

static void
it_goes_on_with_new_ids_and_known_keys(void **state)
{
    struct store_reissue r;
    (void)state;
    fixture_open(&f);
    int64_t ann = fixture_user(&f, "ann"), room = fixture_room(&f, ann, false);
    struct store_add_message first = { .room_id = room, .sender_id = ann, .content = TB_LIT("x"), .key = TB_LIT("k") };
    assert_int_equal(TB_OK, fixture_call(&f, add_message, &first));
    store_op_fini(&first.op);
    store_close(&f.store);
    assert_int_equal(TB_OK, reissue(1, &r));
    assert_int_equal(1, r.n_users);
    assert_int_equal(1, r.n_rooms);
    assert_int_equal(1, r.n_messages);
    fixture_reopen(&f);
    int64_t base = (int64_t)NEW_NODE << 41;
    assert_int_equal(base + 2, fixture_user(&f, "bob"));
    assert_int_equal(base + 2, fixture_send(&f, base + 1, base + 1, "y"));
    struct store_add_message again = { .room_id = base + 1, .sender_id = base + 1, .content = TB_LIT("x"), .key = TB_LIT("k") };
    assert_int_equal(TB_OK, fixture_call(&f, add_message, &again));
    assert_true(again.was_known);
    assert_int_equal(base + 1, again.message.id);
    store_op_fini(&again.op);
    fixture_reopen(&f);
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

static void
what_cannot_be_done_leaves_the_journal_as_it_was(void **state)
{
    struct store_reissue r;
    (void)state;
    begin(3, 40);
    assert_int_equal(TB_EIO, reissue(1, &r));           /* it is in use */
    store_close(&f.store);
    char *before = fixture_dump(&f, "SELECT * FROM journal, self");
    assert_int_equal(TB_ENOTFOUND, reissue(0, &r));     /* choose did not want to */
    assert_int_equal(TB_EINTERNAL, reissue(100000, &r));
    char *after = fixture_dump(&f, "SELECT * FROM journal, self");
    assert_string_equal(before, after);
    tb_free(before), tb_free(after);
    fixture_sql(&f, "UPDATE journal SET version = 99 WHERE pos = 20");
    before = fixture_dump(&f, "SELECT * FROM journal, self");
    assert_int_equal(TB_EINPUT, reissue(1, &r));        /* in the middle of the first walk */
    after = fixture_dump(&f, "SELECT * FROM journal, self");
    assert_string_equal(before, after);
    tb_free(before), tb_free(after);
    fixture_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_was_written_says_the_same_under_other_ids_and_the_journal_is_whole),
        cmocka_unit_test(it_goes_on_with_new_ids_and_known_keys),
        cmocka_unit_test(what_cannot_be_done_leaves_the_journal_as_it_was),
    };
    return tap_run(tests);
}
