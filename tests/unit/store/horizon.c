/* Messages that leave: what stays, what is counted, and what pages and receipts say of it. A twin that keeps everything does the
 * same as the one that forgets, so that each answer has one to be held against. */
#include "aging.h"

#include "rig/random.h"
#include "store/apply.h"
#include "store/follow.h"
#include "store/horizon.h"
#include "store/queries.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { KEEP_DAYS = 10, USERS = 5, ROOMS = 3, MOST = 3000, PAGE = 7 };

static int64_t
unread(struct fixture *f, int64_t room, int64_t user)
{
    struct store_list_rooms r = { .user_id = user };
    int64_t                 n = -1;
    assert_int_equal(TB_OK, fixture_call(f, list_rooms, &r));
    for (size_t i = 0; i < r.n; i++)
        n = r.rooms[i].id == room ? r.rooms[i].unread : n;
    store_op_fini(&r.op);
    return n;
}

static size_t
mark_read(struct fixture *f, int64_t user, int64_t message)
{
    struct store_add_read r = { .user_id = user, .message_ids = &message, .n = 1 };
    assert_int_equal(TB_OK, fixture_call(f, add_read, &r));
    store_op_fini(&r.op);
    return r.count;
}

static int64_t
last_message(struct fixture *f, int64_t room, int64_t user)
{
    struct store_list_rooms r = { .user_id = user };
    int64_t                 id = 0;
    assert_int_equal(TB_OK, fixture_call(f, list_rooms, &r));
    for (size_t i = 0; i < r.n; i++)
        id = r.rooms[i].id == room ? r.rooms[i].last.id : id;
    store_op_fini(&r.op);
    return id;
}

static void
a_message_leaves_with_its_receipts_when_it_is_old_and_at_the_centre(void **state)
{
    struct fixture f;
    (void)state;
    aging_open(&f, 0, KEEP_DAYS);
    int64_t ann = fixture_user(&f, "ann"), bob = fixture_user(&f, "bob"), room = fixture_room(&f, ann, false);
    fixture_join(&f, room, bob, bob);
    int64_t read = fixture_send(&f, room, ann, "read"), unseen = fixture_send(&f, room, ann, "not read");
    fixture_send(&f, room, bob, "his own");
    assert_int_equal(1, mark_read(&f, bob, read));
    assert_int_equal(1, unread(&f, room, bob));
    aging_pass_days(&f, 1);
    int64_t late = fixture_send(&f, room, ann, "late");
    aging_pass_days(&f, KEEP_DAYS);
    aging_settle(&f);
    assert_int_equal(4, aging_ask(&f, "SELECT COUNT(*) FROM message"));     /* not at the centre */
    aging_reach_centre(&f, 0);
    aging_settle(&f);
    assert_int_equal(1, aging_ask(&f, "SELECT COUNT(*) FROM message"));
    assert_int_equal(0, aging_ask(&f, "SELECT COUNT(*) FROM receipt"));
    assert_int_equal(1, unread(&f, room, bob));                             /* what is here: "late" */
    assert_int_equal(0, mark_read(&f, bob, unseen));                        /* no longer here: passed over */
    assert_int_equal(1, unread(&f, room, bob));
    assert_int_equal(1, mark_read(&f, bob, late));
    assert_int_equal(0, unread(&f, room, bob));
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

static void
the_newest_of_a_room_stays_however_old_until_another_comes(void **state)
{
    struct fixture f;
    (void)state;
    aging_open(&f, 0, KEEP_DAYS);
    int64_t ann = fixture_user(&f, "ann"), quiet = fixture_room(&f, ann, false), busy = fixture_room(&f, ann, false);
    int64_t newest = fixture_send(&f, quiet, ann, "the last word");
    fixture_send(&f, busy, ann, "a");
    for (int i = 0; i < 3; i++) {
        aging_pass_days(&f, KEEP_DAYS + 1);
        fixture_send(&f, busy, ann, "b");
        aging_reach_centre(&f, 0);
        aging_settle(&f);
    }
    assert_int_equal(newest, last_message(&f, quiet, ann));
    assert_int_equal(1, aging_ask(&f, "SELECT COUNT(*) FROM message WHERE room_id = 1"));
    assert_int_equal(0, aging_ask(&f, "SELECT COUNT(*) FROM room_horizon WHERE room_id = 1"));
    assert_int_equal(0, fixture_faults(&f));
    int64_t next = fixture_send(&f, quiet, ann, "not the last after all");
    aging_reach_centre(&f, 0);
    aging_pass_days(&f, 1);
    aging_settle(&f);
    assert_int_equal(next, last_message(&f, quiet, ann));
    assert_int_equal(1, aging_ask(&f, "SELECT COUNT(*) FROM message WHERE room_id = 1"));
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

static void
delivering_reading_and_repeating_what_has_left_bring_nothing_back(void **state)
{
    struct fixture f;
    (void)state;
    aging_open(&f, 0, KEEP_DAYS);
    int64_t ann = fixture_user(&f, "ann"), bob = fixture_user(&f, "bob"), room = fixture_room(&f, ann, false);
    fixture_join(&f, room, bob, bob);
    int64_t old = fixture_send(&f, room, ann, "old");
    aging_pass_days(&f, 1);
    fixture_send(&f, room, ann, "new");
    aging_reach_centre(&f, 0);
    aging_pass_days(&f, KEEP_DAYS);
    aging_settle(&f);
    struct store_status before, after;
    store_status(f.store, &before);
    struct store_receipts_of   of = { .room_id = room, .user_id = bob, .message_ids = &old, .n = 1 };
    struct store_add_delivered d = { .of = &of, .n = 1 };
    assert_int_equal(TB_OK, fixture_call(&f, add_delivered, &d));
    store_op_fini(&d.op);
    mark_read(&f, bob, old);
    store_status(f.store, &after);
    assert_int_equal(before.own_seq, after.own_seq);
    struct store_repeat_op again = { .seq = 5 };    /* the op of "old" */
    assert_int_equal(TB_OK, fixture_call(&f, repeat_op, &again));
    store_op_fini(&again.op);
    assert_int_equal(0, aging_ask(&f, "SELECT COUNT(*) FROM receipt"));
    assert_int_equal(1, aging_ask(&f, "SELECT COUNT(*) FROM message"));
    assert_int_equal(1, unread(&f, room, bob));
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

static void
receipts_and_cursors_of_what_has_left_are_told_from_those_of_nothing(void **state)
{
    struct fixture f;
    (void)state;
    aging_open(&f, 0, KEEP_DAYS);
    int64_t ann = fixture_user(&f, "ann"), room = fixture_room(&f, ann, false), empty = fixture_room(&f, ann, false);
    int64_t old = fixture_send(&f, room, ann, "old");
    aging_pass_days(&f, 1);
    int64_t new = fixture_send(&f, room, ann, "new");
    aging_reach_centre(&f, 0);
    aging_pass_days(&f, KEEP_DAYS);
    aging_settle(&f);
    struct store_list_receipts left = { .message_id = old, .user_id = ann }, none = { .message_id = 99, .user_id = ann };
    assert_int_equal(TB_OK, fixture_call(&f, list_receipts, &left));
    assert_true(left.is_beyond && left.n == 0);
    assert_int_equal(TB_ENOTFOUND, fixture_call(&f, list_receipts, &none));
    struct store_list_messages at_old = { .room_id = room, .user_id = ann, .cursor = old, .limit = 5 };
    assert_int_equal(TB_OK, fixture_call(&f, list_messages, &at_old));
    assert_true(at_old.is_beyond && at_old.n == 0 && at_old.before_hlc == 0 && at_old.before_id == old);
    struct store_list_messages at_new = { .room_id = room, .user_id = ann, .cursor = new, .limit = 5 };
    assert_int_equal(TB_OK, fixture_call(&f, list_messages, &at_new));
    assert_true(at_new.is_beyond && at_new.n == 0 && at_new.before_id == old + 1 && at_new.next_cursor == 0);
    struct store_list_messages first = { .room_id = room, .user_id = ann, .limit = 1 };
    assert_int_equal(TB_OK, fixture_call(&f, list_messages, &first));
    assert_true(!first.is_beyond && first.n == 1 && first.next_cursor == new);
    struct store_list_messages elsewhere = { .room_id = empty, .user_id = ann, .cursor = old, .limit = 5 };
    assert_int_equal(TB_EINPUT, fixture_call(&f, list_messages, &elsewhere));
    struct store_list_messages nowhere = { .room_id = room, .user_id = ann, .cursor = 99, .limit = 1 };
    assert_int_equal(TB_OK, fixture_call(&f, list_messages, &nowhere));
    assert_true(nowhere.n == 1 && nowhere.items[0].id == new);
    store_op_fini(&nowhere.op), store_op_fini(&at_old.op), store_op_fini(&at_new.op), store_op_fini(&first.op);
    fixture_close(&f);
}

/* ---- other sites' messages, as the writer would apply them ---- */

static int64_t
count(struct journal *j, int64_t node)
{
    char          sql[96];
    sqlite3_stmt *st;
    snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM message WHERE id >> 41 = %d", (int)node);
    assert_int_equal(SQLITE_OK, sqlite3_prepare_v2(j->db.sql, sql, -1, &st, NULL));
    assert_int_equal(SQLITE_ROW, sqlite3_step(st));
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

static void
apply(struct journal *j, int64_t node, int64_t n, int64_t pos, int64_t day)
{
    struct tb_err e = { 0 };
    struct op     op = { .kind = OP_MESSAGE_SENT, .version = 1, .node = (uint32_t)node, .seq = n, .pos = pos,
                         .at = (day * 86400000) << 16 };
    op.message_sent.id = node << 41 | n;
    op.message_sent.room_id = 1, op.message_sent.sender_id = 1, op.message_sent.content = TB_LIT("x");
    assert_int_equal(TB_OK, op_apply(&j->db, &op, 5, &e));
}

static void
walk(struct journal *j, int64_t pos, int64_t day)
{
    const struct horizon_bound bound = { .pos = pos, .day = day };
    struct horizon_walk        w = { 0 };
    struct tb_err              e = { 0 };
    for (bool has_more = true; has_more;)
        assert_int_equal(TB_OK, horizon_step(j, &bound, &w, &has_more, &e));
}

static void
no_message_of_others_leaves_that_comes_after_one_of_ours_which_is_nowhere_else(void **state)
{
    struct fixture f;
    char           path[128];
    struct tb_err  e = { 0 };
    (void)state;
    fixture_open(&f);
    store_close(&f.store);
    snprintf(path, sizeof path, "%s/tombolo.db", f.dir);
    struct journal j = { .clock = &f.clock };
    assert_int_equal(TB_OK, db_open(&j.db, path, NULL, DB_READ_WRITE, store_query_texts, Q_COUNT, &e));
    assert_int_equal(TB_OK, journal_load(&j, 0, &e));
    j.self.node = 5;
    for (int64_t node = 3; node <= 7; node += 2)    /* 3, ours, 7: each has a message on each of ten days */
        for (int64_t n = 1; n <= 10; n++)
            apply(&j, node, n, n * 10 + node, n);
    apply(&j, 3, 11, 200, 20);                      /* the room's newest */
    j.self.pushed_seq = 4;
    walk(&j, 100, 8);                               /* days 1 to 7 are old */
    assert_int_equal(6, count(&j, 5));              /* ours: 5.. are not at the centre */
    assert_int_equal(7, count(&j, 3));              /* theirs: nothing from day 5 on */
    assert_int_equal(6, count(&j, 7));
    j.self.pushed_seq = 10;
    assert_int_equal(TB_OK, db_exec(&j.db, "INSERT INTO parked (seq) VALUES (5)", &e));     /* the centre has refused it */
    walk(&j, 100, 8);
    assert_int_equal(6, count(&j, 5));
    assert_int_equal(TB_OK, db_exec(&j.db, "DELETE FROM parked", &e));
    walk(&j, 100, 8);
    assert_int_equal(3, count(&j, 5));
    assert_int_equal(4, count(&j, 3));
    assert_int_equal(3, count(&j, 7));
    walk(&j, 100, 30);
    assert_int_equal(1, count(&j, 5));              /* known here since position 105 */
    assert_int_equal(2, count(&j, 3));              /* 103, and the newest */
    assert_int_equal(1, count(&j, 7));
    db_close(&j.db);
    tb_buf_fini(&j.body);
    fixture_close(&f);
}

/* ---- a random life, and a twin who forgets nothing ---- */

struct life {
    struct fixture    *of[2];       /* who forgets, and who does not */
    struct rig_random  chance;
    int64_t            users[USERS], rooms[ROOMS], messages[MOST];
    size_t             n_messages;
};

static int64_t
pick(struct life *l, const int64_t *from, size_t n)
{
    return from[rig_random_below(&l->chance, n)];
}

static void
live(struct life *l)
{
    uint64_t what = rig_random_below(&l->chance, 20);
    int64_t  user = pick(l, l->users, USERS), room = pick(l, l->rooms, ROOMS), ids[8];
    size_t   n_ids = l->n_messages > 0 ? 8 : 0, last = l->n_messages;

    for (size_t i = 0; i < n_ids; i++)              /* of late ones mostly */
        ids[i] = l->messages[last - 1 - rig_random_below(&l->chance, i < 6 && last > 40 ? 40 : last)];
    for (int who = 0; who < 2; who++) {
        struct fixture *f = l->of[who];
        if (what < 11) {
            struct store_add_message m = { .room_id = room, .sender_id = user, .content = TB_LIT("x") };
            if (fixture_call(f, add_message, &m) == TB_OK && who == 0)
                l->messages[l->n_messages++] = m.message.id;
            store_op_fini(&m.op);
        } else if (what < 15) {
            struct store_add_read r = { .user_id = user, .message_ids = ids, .n = n_ids };
            (void)fixture_call(f, add_read, &r);
            store_op_fini(&r.op);
        } else if (what < 18) {
            fixture_join(f, room, user, user);
        } else {
            struct store_remove_member r = { .room_id = room, .user_id = user };
            (void)fixture_call(f, remove_member, &r);
            store_op_fini(&r.op);
        }
    }
}

static void
pass(struct life *l, int days, int64_t pushed)
{
    for (int who = 0; who < 2; who++) {
        aging_pass_days(l->of[who], days);
        if (pushed > 0)
            aging_reach_centre(l->of[who], pushed);
        aging_settle(l->of[who]);
    }
}

static void
list(struct fixture *f, struct store_list_messages *page, int64_t room, int64_t user, int64_t cursor)
{
    *page = (struct store_list_messages){ .room_id = room, .user_id = user, .cursor = cursor, .limit = PAGE };
    assert_int_equal(TB_OK, fixture_call(f, list_messages, page));
}

/* The nth message of the room that the page leaves to the centre, as the twin has it (0: none). The two differ in hlc, since what
 * one has forgotten makes no op of reading it; so the place is found by its message. */
static int64_t
beyond(struct life *l, const struct store_list_messages *page, size_t nth)
{
    char        sql[320];
    bool        is_cursor = page->before_id == page->cursor;
    const char *than = is_cursor ? "<" : "<=";
    long long   at = is_cursor ? page->cursor : page->before_id - 1;

    snprintf(sql, sizeof sql, "SELECT COALESCE((SELECT m.id FROM message m JOIN message at ON at.id = %lld WHERE m.room_id = %lld"
             " AND (m.hlc, m.id) %s (at.hlc, at.id) ORDER BY m.hlc DESC, m.id DESC LIMIT 1 OFFSET %zu), 0)", at,
             (long long)page->room_id, than, nth);
    return aging_ask(l->of[1], sql);
}

/* Every page of the room: what the one who forgets gives is how the twin's page begins, and where he sends for the rest, exactly
 * the twin's rest is. */
static void
compare_pages(struct life *l, int64_t room, int64_t user)
{
    int64_t cursor = 0;

    do {
        struct store_list_messages some, all;
        list(l->of[0], &some, room, user, cursor), list(l->of[1], &all, room, user, cursor);
        for (size_t i = 0; i < some.n; i++)
            assert_int_equal(all.items[i].id, some.items[i].id);
        assert_true(some.is_beyond || (some.n == all.n && some.next_cursor == all.next_cursor));
        assert_true(!some.is_beyond || some.n < PAGE);
        for (size_t i = some.n; some.is_beyond && i < all.n; i++)
            assert_int_equal(all.items[i].id, beyond(l, &some, i - some.n));
        assert_true(!some.is_beyond || (all.next_cursor == 0) == (beyond(l, &some, all.n - some.n) == 0));
        cursor = all.next_cursor;
        store_op_fini(&some.op), store_op_fini(&all.op);
    } while (cursor != 0);
}

/* For each member: as many as there are unread messages here since he joined. */
static const char miscounted[] =
    "SELECT COUNT(*) FROM member m JOIN room_count c USING (room_id) WHERE m.is_member = 1"
    " AND c.messages - m.before - m.own - m.read <> (SELECT COUNT(*) FROM message g WHERE g.room_id = m.room_id"
    " AND g.pos > m.join_pos AND g.sender_id <> m.user_id AND NOT EXISTS (SELECT 1 FROM receipt r"
    " WHERE r.message_id = g.id AND r.user_id = m.user_id AND r.read_at IS NOT NULL))";

static void
judge(struct life *l)
{
    for (int who = 0; who < 2; who++) {
        assert_int_equal(0, fixture_faults(l->of[who]));
        assert_int_equal(0, aging_ask(l->of[who], miscounted));
    }
    assert_int_equal(0, aging_ask(l->of[0], "SELECT COUNT(*) FROM receipt WHERE message_id NOT IN (SELECT id FROM message)"));
    for (size_t i = 0; i < ROOMS; i++)
        for (size_t k = 0; k < USERS; k++)
            if (unread(l->of[1], l->rooms[i], l->users[k]) >= 0) {
                compare_pages(l, l->rooms[i], l->users[k]);
                assert_int_equal(last_message(l->of[1], l->rooms[i], l->users[k]),
                                 last_message(l->of[0], l->rooms[i], l->users[k]));
            }
}

static void
live_through(uint64_t seed)
{
    struct fixture      forgets, keeps;
    struct life         l = { .of = { &forgets, &keeps }, .chance = { .state = seed } };
    struct store_status now;
    int64_t             pushed = 0;

    aging_open(&forgets, rig_random_below(&l.chance, 2) ? KEEP_DAYS + 5 : 0, KEEP_DAYS);
    aging_open(&keeps, 0, 0);
    for (int who = 0; who < 2; who++) {
        for (size_t i = 0; i < USERS; i++)
            l.users[i] = fixture_user(l.of[who], (const char *[]){ "a", "b", "c", "d", "e" }[i]);
        for (size_t i = 0; i < ROOMS; i++)
            l.rooms[i] = fixture_room(l.of[who], l.users[0], false);
    }
    for (int i = 0; i < 14; i++) {
        for (uint64_t n = rig_random_below(&l.chance, 60); n > 0; n--)
            live(&l);
        store_status(forgets.store, &now);
        pushed += (int64_t)rig_random_below(&l.chance, (uint64_t)(now.own_seq - pushed) + 1);
        pass(&l, (int)rig_random_below(&l.chance, 6), pushed);
        if (rig_random_below(&l.chance, 4) == 0)
            fixture_reopen(&forgets);
        if (i % 5 == 4)
            judge(&l);
    }
    judge(&l);
    fixture_close(&forgets);
    fixture_close(&keeps);
}

static void
what_is_left_answers_like_the_whole_as_far_as_it_goes(void **state)
{
    const char *asked = getenv("TB_SEED");
    uint64_t    seed = asked != NULL ? strtoull(asked, NULL, 10) : (uint64_t)time(NULL);
    (void)state;
    for (int i = 0; i < 6; i++) {
        fprintf(stderr, "# TB_SEED=%llu\n", (unsigned long long)seed);
        live_through(seed++);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_leaves_with_its_receipts_when_it_is_old_and_at_the_centre),
        cmocka_unit_test(the_newest_of_a_room_stays_however_old_until_another_comes),
        cmocka_unit_test(delivering_reading_and_repeating_what_has_left_bring_nothing_back),
        cmocka_unit_test(receipts_and_cursors_of_what_has_left_are_told_from_those_of_nothing),
        cmocka_unit_test(no_message_of_others_leaves_that_comes_after_one_of_ours_which_is_nowhere_else),
        cmocka_unit_test(what_is_left_answers_like_the_whole_as_far_as_it_goes),
    };
    return tap_run(tests);
}
