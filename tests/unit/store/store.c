/* The store through its front door: what each change and query promises. */
#include "fixture.h"

#include <stdio.h>

static void
a_user_is_found_again_whatever_the_case_of_the_email(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    int64_t                 id = fixture_user(&f, "Ann");
    struct store_find_login l = { .email = TB_LIT("  ANN@X.test ") };
    assert_int_equal(1, id);
    assert_int_equal(TB_OK, fixture_call(&f, find_login, &l));
    assert_int_equal(1, l.user.id);
    assert_true(tb_str_eq(TB_LIT("Ann@x.test"), l.user.email));
    assert_true(tb_str_eq(TB_LIT("$argon2id$x"), l.password_hash));
    assert_false(l.is_parked);
    store_op_fini(&l.op);
    struct store_find_login none = { .email = TB_LIT("bob@x.test") };
    assert_int_equal(TB_ENOTFOUND, fixture_call(&f, find_login, &none));
    store_op_fini(&none.op);
    fixture_close(&f);
}

static void
an_email_is_taken_once_also_in_another_case(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    fixture_user(&f, "ann");
    struct store_add_user r = { .email = TB_LIT("ANN@x.TEST"), .username = TB_LIT("x"), .password_hash = TB_LIT("h") };
    assert_int_equal(TB_ETAKEN, fixture_call(&f, add_user, &r));
    store_op_fini(&r.op);
    assert_int_equal(2, fixture_user(&f, "bob"));   /* the refused one took no id */
    struct store_change_user c = { .user_id = 2, .email = TB_LIT("Ann@x.test") };
    assert_int_equal(TB_ETAKEN, fixture_call(&f, change_user, &c));
    store_op_fini(&c.op);
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

static void
a_profile_changes_in_part(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    int64_t                  id = fixture_user(&f, "ann");
    struct store_change_user c = { .user_id = id, .username = TB_LIT("Anna"), .password_hash = TB_LIT("new") };
    assert_int_equal(TB_OK, fixture_call(&f, change_user, &c));
    assert_true(tb_str_eq(TB_LIT("Anna"), c.user.username));
    assert_true(tb_str_eq(TB_LIT("ann@x.test"), c.user.email));
    store_op_fini(&c.op);
    struct store_change_user late = { .user_id = id, .password_hash = TB_LIT("lost"), .only_if_hash = TB_LIT("$argon2id$x") };
    assert_int_equal(TB_OK, fixture_call(&f, change_user, &late));
    store_op_fini(&late.op);
    struct store_find_user u = { .user_id = id };
    assert_int_equal(TB_OK, fixture_call(&f, find_user, &u));
    assert_true(tb_str_eq(TB_LIT("new"), u.password_hash));
    store_op_fini(&u.op);
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

static void
rooms_are_joined_added_to_and_left(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    int64_t ann = fixture_user(&f, "ann"), bob = fixture_user(&f, "bob"), cat = fixture_user(&f, "cat");
    int64_t open = fixture_room(&f, ann, false), secret = fixture_room(&f, ann, true);
    assert_int_equal(TB_OK, fixture_join(&f, open, bob, bob));
    assert_int_equal(TB_OK, fixture_join(&f, open, bob, bob));
    assert_int_equal(TB_ENOTFOUND, fixture_join(&f, 99, bob, bob));
    assert_int_equal(TB_ENOTFOUND, fixture_join(&f, secret, bob, bob));
    assert_int_equal(TB_ENOTFOUND, fixture_join(&f, secret, cat, bob));
    assert_int_equal(TB_OK, fixture_join(&f, secret, bob, ann));
    assert_int_equal(TB_OK, fixture_join(&f, secret, bob, bob));   /* a member already: idempotent */
    assert_int_equal(TB_ENOTFOUND, fixture_join(&f, secret, 77, ann));
    struct store_remove_member leave = { .room_id = open, .user_id = bob };
    assert_int_equal(TB_OK, fixture_call(&f, remove_member, &leave));
    assert_int_equal(TB_ENOTFOUND, fixture_call(&f, remove_member, &leave));
    assert_int_equal(TB_OK, fixture_join(&f, open, bob, bob));
    struct store_list_rooms l = { .user_id = bob };
    assert_int_equal(TB_OK, fixture_call(&f, list_rooms, &l));
    assert_int_equal(2, l.n);
    store_op_fini(&l.op);
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

static void
rooms_and_members_have_their_limits(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    int64_t ann = fixture_user(&f, "ann"), room = 0;
    for (int i = 0; i < 10; i++)
        room = fixture_room(&f, ann, false);
    struct store_add_room one_more = { .creator_id = ann, .name = TB_LIT("x") };
    assert_int_equal(TB_EDENIED, fixture_call(&f, add_room, &one_more));
    store_op_fini(&one_more.op);
    for (int i = 0; i < 10; i++) {
        char name[8];
        snprintf(name, sizeof name, "u%d", i);
        int64_t u = fixture_user(&f, name);
        assert_int_equal(i < 9 ? TB_OK : TB_EDENIED, fixture_join(&f, room, u, u));
    }
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

static void
set_online(struct fixture *f, int64_t user, int64_t at, bool is_online)
{
    struct store_seen          one = { .user_id = user, .at = at, .is_online = is_online };
    struct store_set_last_seen r = { .users = &one, .n = 1 };
    assert_int_equal(TB_OK, fixture_call(f, set_last_seen, &r));
    store_op_fini(&r.op);
}

static void
who_was_online_is_known_after_a_restart_with_his_rooms(void **state)
{
    struct fixture      f;
    struct store_status before, after;
    (void)state;
    fixture_open(&f);
    int64_t ann = fixture_user(&f, "ann"), bob = fixture_user(&f, "bob"), eve = fixture_user(&f, "eve");
    int64_t left = fixture_room(&f, ann, false), room = fixture_room(&f, eve, false), other = fixture_room(&f, eve, false);
    struct store_remove_member leave = { .room_id = left, .user_id = ann };
    assert_int_equal(TB_OK, fixture_call(&f, remove_member, &leave));
    store_op_fini(&leave.op);
    set_online(&f, ann, 1000, true);
    set_online(&f, bob, 1000, true);
    set_online(&f, eve, 1000, true);
    set_online(&f, eve, 2000, true);
    store_status(f.store, &before);
    set_online(&f, bob, 0, false);              /* no time, no op */
    store_status(f.store, &after);
    assert_int_equal(before.own_seq, after.own_seq);
    fixture_reopen(&f);
    struct store_list_online all = { .limit = 10 }, first = { .limit = 1 }, rest = { .after = ann, .limit = 10 };
    assert_int_equal(TB_OK, fixture_call(&f, list_online, &all));
    assert_int_equal(3, all.n);
    assert_int_equal(ann, all.items[0].user_id);
    assert_int_equal(0, all.items[0].room_id);
    assert_int_equal(eve, all.items[1].user_id);
    assert_int_equal(room + other, all.items[1].room_id + all.items[2].room_id);
    assert_int_equal(TB_OK, fixture_call(&f, list_online, &first));
    assert_int_equal(1, first.n);
    assert_int_equal(TB_OK, fixture_call(&f, list_online, &rest));
    assert_int_equal(2, rest.n);
    store_op_fini(&all.op), store_op_fini(&first.op), store_op_fini(&rest.op);
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

static void
history_pages_newest_first_and_ends(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    int64_t ann = fixture_user(&f, "ann"), room = fixture_room(&f, ann, false), other = fixture_room(&f, ann, false), last = 0;
    for (int i = 0; i < 5; i++) {
        char text[8];
        snprintf(text, sizeof text, "m%d", i);
        last = fixture_send(&f, room, ann, text);
    }
    int64_t elsewhere = fixture_send(&f, other, ann, "x");
    struct store_list_messages p = { .room_id = room, .user_id = ann, .limit = 3 };
    assert_int_equal(TB_OK, fixture_call(&f, list_messages, &p));
    assert_int_equal(3, p.n);
    assert_int_equal(last, p.items[0].id);
    assert_true(tb_str_eq(TB_LIT("m4"), p.items[0].content));
    assert_true(tb_str_eq(TB_LIT("ann"), p.items[0].sender_username));
    struct store_list_messages q = { .room_id = room, .user_id = ann, .limit = 2, .cursor = p.next_cursor };
    assert_int_equal(TB_OK, fixture_call(&f, list_messages, &q));
    assert_int_equal(2, q.n);
    assert_true(tb_str_eq(TB_LIT("m1"), q.items[0].content));
    assert_int_equal(0, q.next_cursor);
    store_op_fini(&p.op), store_op_fini(&q.op);
    struct store_list_messages wrong = { .room_id = room, .user_id = ann, .limit = 2, .cursor = elsewhere };
    assert_int_equal(TB_EINPUT, fixture_call(&f, list_messages, &wrong));
    struct store_list_messages foreign = { .room_id = room, .user_id = fixture_user(&f, "eve"), .limit = 2 };
    assert_int_equal(TB_EDENIED, fixture_call(&f, list_messages, &foreign));
    store_op_fini(&wrong.op), store_op_fini(&foreign.op);
    fixture_close(&f);
}

static void
since_gives_what_became_known_after_an_offset(void **state)
{
    struct fixture f;
    char           offset[STORE_OFFSET_SIZE];
    (void)state;
    fixture_open(&f);
    int64_t ann = fixture_user(&f, "ann"), room = fixture_room(&f, ann, false);
    fixture_send(&f, room, ann, "old");
    struct store_list_messages p = { .room_id = room, .user_id = ann, .limit = 10 };
    assert_int_equal(TB_OK, fixture_call(&f, list_messages, &p));
    memcpy(offset, p.offset, sizeof offset);
    store_op_fini(&p.op);
    for (int i = 0; i < 3; i++)
        fixture_send(&f, room, ann, "new");
    struct store_list_messages s = { .room_id = room, .user_id = ann, .limit = 2, .since = tb_str_of(offset) };
    assert_int_equal(TB_OK, fixture_call(&f, list_messages, &s));
    assert_int_equal(2, s.n);
    struct store_list_messages t = { .room_id = room, .user_id = ann, .limit = 2, .since = tb_str_of(s.offset) };
    assert_int_equal(TB_OK, fixture_call(&f, list_messages, &t));
    assert_int_equal(1, t.n);
    assert_int_equal(s.items[1].id + 1, t.items[0].id);
    store_op_fini(&s.op), store_op_fini(&t.op);

    static const char *const bad[] = { "", "x", "3", "3-", "3-00000000", "999-00000000", "-1-00000000", "03-00000000" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct store_list_messages b = { .room_id = room, .user_id = ann, .limit = 2, .since = tb_str_of(bad[i]) };
        assert_int_equal(TB_EINPUT, fixture_call(&f, list_messages, &b));
        store_op_fini(&b.op);
    }
    fixture_close(&f);
}

static int64_t
unread(struct fixture *f, int64_t user, int64_t room)
{
    struct store_list_rooms l = { .user_id = user };
    int64_t                 n = -1;
    assert_int_equal(TB_OK, fixture_call(f, list_rooms, &l));
    for (size_t i = 0; i < l.n; i++)
        if (l.rooms[i].id == room)
            n = l.rooms[i].unread;
    store_op_fini(&l.op);
    return n;
}

static size_t
read_them(struct fixture *f, int64_t user, const int64_t *ids, size_t n, size_t *fresh)
{
    struct store_add_read r = { .user_id = user, .message_ids = ids, .n = n };
    assert_int_equal(TB_OK, fixture_call(f, add_read, &r));
    *fresh = r.n_fresh > 0 ? r.fresh[0].n : 0;
    store_op_fini(&r.op);
    return r.count;
}

static void
unread_counts_what_others_sent_since_one_joined(void **state)
{
    struct fixture f;
    size_t         fresh;
    (void)state;
    fixture_open(&f);
    int64_t ann = fixture_user(&f, "ann"), bob = fixture_user(&f, "bob"), room = fixture_room(&f, ann, false);
    int64_t before = fixture_send(&f, room, ann, "before bob");
    fixture_join(&f, room, bob, bob);
    assert_int_equal(0, unread(&f, bob, room));
    int64_t a = fixture_send(&f, room, ann, "a"), b = fixture_send(&f, room, ann, "b");
    int64_t own = fixture_send(&f, room, bob, "own");
    assert_int_equal(2, unread(&f, bob, room));
    assert_int_equal(1, unread(&f, ann, room));
    const int64_t ids[] = { before, a, a, own, 12345 };
    assert_int_equal(3, read_them(&f, bob, ids, 5, &fresh));    /* before, a and his own are known and in his room */
    assert_int_equal(2, fresh);
    assert_int_equal(1, unread(&f, bob, room));
    assert_int_equal(3, read_them(&f, bob, ids, 5, &fresh));
    assert_int_equal(0, fresh);
    read_them(&f, bob, &b, 1, &fresh);
    assert_int_equal(0, unread(&f, bob, room));
    struct store_remove_member leave = { .room_id = room, .user_id = bob };
    assert_int_equal(TB_OK, fixture_call(&f, remove_member, &leave));
    fixture_send(&f, room, ann, "while away");
    fixture_join(&f, room, bob, bob);
    assert_int_equal(0, unread(&f, bob, room));
    fixture_reopen(&f);
    assert_int_equal(2, unread(&f, ann, room) + 1);
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

static void
receipts_keep_the_earliest_time_and_reading_implies_delivery(void **state)
{
    struct fixture f;
    size_t         fresh;
    (void)state;
    fixture_open(&f);
    int64_t ann = fixture_user(&f, "ann"), bob = fixture_user(&f, "bob"), room = fixture_room(&f, ann, false);
    fixture_join(&f, room, bob, bob);
    int64_t                    ids[2] = { fixture_send(&f, room, ann, "a"), fixture_send(&f, room, ann, "b") };
    struct store_receipts_of   of = { .room_id = room, .user_id = bob, .message_ids = ids, .n = 1 };
    struct store_add_delivered d = { .of = &of, .n = 1 };
    f.wall_ms += 100;
    assert_int_equal(TB_OK, fixture_call(&f, add_delivered, &d));
    store_op_fini(&d.op);
    f.wall_ms += 100;
    read_them(&f, bob, ids, 2, &fresh);
    for (int i = 0; i < 2; i++) {
        struct store_list_receipts l = { .message_id = ids[i], .user_id = ann };
        assert_int_equal(TB_OK, fixture_call(&f, list_receipts, &l));
        assert_int_equal(1, l.n);
        assert_int_equal(bob, l.items[0].user_id);
        assert_int_equal(1700000000200 - (i == 0 ? 100 : 0), l.items[0].delivered_at);
        assert_int_equal(1700000000200, l.items[0].read_at);
        store_op_fini(&l.op);
    }
    struct store_list_receipts none = { .message_id = 77, .user_id = ann };
    assert_int_equal(TB_ENOTFOUND, fixture_call(&f, list_receipts, &none));
    store_op_fini(&none.op);
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

static enum tb_code
send_keyed(struct fixture *f, int64_t room, const char *content, const char *key, int64_t *id, bool *was_known)
{
    struct store_add_message r = { .room_id = room, .sender_id = 1, .content = tb_str_of(content), .key = tb_str_of(key) };
    enum tb_code             code = fixture_call(f, add_message, &r);
    *id = r.message.id;
    *was_known = r.was_known;
    store_op_fini(&r.op);
    return code;
}

static void
a_key_gives_the_same_message_for_seven_days(void **state)
{
    struct fixture f;
    int64_t        first, again;
    bool           was_known;
    (void)state;
    fixture_open(&f);
    int64_t ann = fixture_user(&f, "ann"), room = fixture_room(&f, ann, false);
    assert_int_equal(TB_OK, send_keyed(&f, room, "hi", "k1", &first, &was_known));
    assert_false(was_known);
    assert_int_equal(TB_OK, send_keyed(&f, room, "hi", "k1", &again, &was_known));
    assert_true(was_known && first == again);
    assert_int_equal(TB_EREUSED, send_keyed(&f, room, "other", "k1", &again, &was_known));
    struct store_find_sent s = { .sender_id = ann, .room_id = room, .key = TB_LIT("k1"), .content = TB_LIT("hi") };
    assert_int_equal(TB_OK, fixture_call(&f, find_sent, &s));
    assert_int_equal(first, s.message.id);
    store_op_fini(&s.op);
    f.wall_ms += 7 * INT64_C(86400000);
    assert_int_equal(TB_OK, send_keyed(&f, room, "hi", "k1", &again, &was_known));
    assert_true(was_known);
    f.wall_ms += 2 * INT64_C(86400000);
    assert_int_equal(TB_OK, send_keyed(&f, room, "hi", "k1", &again, &was_known));
    assert_true(!was_known && again != first);
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

static void
ids_and_the_clock_go_on_after_a_restart(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    int64_t ann = fixture_user(&f, "ann"), room = fixture_room(&f, ann, false);
    assert_int_equal(1, fixture_send(&f, room, ann, "a"));
    f.wall_ms -= 3600000;       /* the clock is set back while we are down */
    fixture_reopen(&f);
    assert_int_equal(2, fixture_send(&f, room, ann, "b"));
    struct store_list_messages p = { .room_id = room, .user_id = ann, .limit = 10 };
    assert_int_equal(TB_OK, fixture_call(&f, list_messages, &p));
    assert_int_equal(2, p.items[0].id);     /* still the newer one */
    store_op_fini(&p.op);
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

static void
text_of_any_kind_comes_back_byte_for_byte(void **state)
{
    static const char    text[] = "nul \0 quote \" back \\ '; DROP -- \xf0\x9f\x98\x80 \x01\x7f\n";
    struct fixture       f;
    const tb_str         content = { .p = text, .n = sizeof text - 1 };
    (void)state;
    fixture_open(&f);
    int64_t                  ann = fixture_user(&f, "ann"), room = fixture_room(&f, ann, false);
    struct store_add_message r = { .room_id = room, .sender_id = ann, .content = content };
    assert_int_equal(TB_OK, fixture_call(&f, add_message, &r));
    assert_true(tb_str_eq(content, r.message.content));
    store_op_fini(&r.op);
    struct store_list_messages p = { .room_id = room, .user_id = ann, .limit = 1 };
    assert_int_equal(TB_OK, fixture_call(&f, list_messages, &p));
    assert_true(tb_str_eq(content, p.items[0].content));
    store_op_fini(&p.op);
    assert_int_equal(0, fixture_faults(&f));
    fixture_close(&f);
}

static void
a_second_process_is_kept_out(void **state)
{
    struct fixture f;
    struct store  *second = NULL;
    struct tb_err  e = { 0 };
    (void)state;
    fixture_open(&f);
    assert_int_equal(TB_EIO, store_open(&second, &f.settings, &e));
    assert_non_null(strstr(e.why, "in use"));
    assert_null(second);
    fixture_close(&f);
}

static void
a_full_queue_is_busy_and_answered(void **state)
{
    struct fixture         f;
    struct store_find_user r = { .user_id = 1 };
    (void)state;
    fixture_open(&f);
    store_close(&f.store);
    f.settings.reader_queue = 0;
    struct tb_err e = { 0 };
    assert_int_equal(TB_OK, store_open(&f.store, &f.settings, &e));
    assert_int_equal(TB_EBUSY, fixture_call(&f, find_user, &r));
    assert_int_equal(1, r.op.err.retry_after_s);
    store_op_fini(&r.op);
    fixture_close(&f);
}

static void
below_the_reserve_changes_are_refused_and_reading_goes_on(void **state)
{
    struct fixture f;
    struct tb_err  e = { 0 };
    (void)state;
    fixture_open(&f);
    int64_t ann = fixture_user(&f, "ann"), room = fixture_room(&f, ann, false);
    store_close(&f.store);
    f.settings.reserve_bytes = UINT64_MAX;
    assert_int_equal(TB_OK, store_open(&f.store, &f.settings, &e));
    struct store_add_message r = { .room_id = room, .sender_id = ann, .content = TB_LIT("hi") };
    assert_int_equal(TB_EFULL, fixture_call(&f, add_message, &r));
    assert_true(r.op.err.retry_after_s > 0);
    store_op_fini(&r.op);
    struct store_status s;
    store_status(f.store, &s);
    assert_true(s.is_full && !s.is_writable);
    assert_int_equal(0, unread(&f, ann, room));
    fixture_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_is_found_again_whatever_the_case_of_the_email),
        cmocka_unit_test(an_email_is_taken_once_also_in_another_case),
        cmocka_unit_test(a_profile_changes_in_part),
        cmocka_unit_test(rooms_are_joined_added_to_and_left),
        cmocka_unit_test(rooms_and_members_have_their_limits),
        cmocka_unit_test(who_was_online_is_known_after_a_restart_with_his_rooms),
        cmocka_unit_test(history_pages_newest_first_and_ends),
        cmocka_unit_test(since_gives_what_became_known_after_an_offset),
        cmocka_unit_test(unread_counts_what_others_sent_since_one_joined),
        cmocka_unit_test(receipts_keep_the_earliest_time_and_reading_implies_delivery),
        cmocka_unit_test(a_key_gives_the_same_message_for_seven_days),
        cmocka_unit_test(ids_and_the_clock_go_on_after_a_restart),
        cmocka_unit_test(text_of_any_kind_comes_back_byte_for_byte),
        cmocka_unit_test(a_second_process_is_kept_out),
        cmocka_unit_test(a_full_queue_is_busy_and_answered),
        cmocka_unit_test(below_the_reserve_changes_are_refused_and_reading_goes_on),
    };
    return tap_run(tests);
}
