/* Ops of other sites: applied like our own, in their order, once; and our own when they come back. Sites are stores, and what
 * would go by the centre is carried from one to the other by hand. */
#include "fixture.h"

#include "store/chain.h"
#include "store/feed.h"
#include "store/follow.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SITES = 3, CARRIED_MAX = 4096 };

static struct fixture site[SITES];

/* ---- carrying ---- */

struct carried {
    struct tb_arena    mem;
    struct store_entry entries[CARRIED_MAX];
    size_t             n;
};

static struct carried carried;

static void
keep(void *ctx, const struct store_entry *entry)
{
    struct carried *c = ctx;

    assert_true(c->n < CARRIED_MAX);
    c->entries[c->n] = *entry;
    c->entries[c->n++].body = tb_arena_str(&c->mem, entry->body);
}

static struct store_origin
origin_of(struct fixture *f)
{
    struct store_status now;
    struct store_origin o = { 0 };

    store_status(f->store, &now);
    o.node = now.node;
    memcpy(o.journal_uuid, now.journal_uuid, sizeof o.journal_uuid);
    return o;
}

/* Own ops of f after that one, into carried. */
static void
fetch(struct fixture *f, int64_t after)
{
    struct store_follower *fo = NULL;
    struct tb_err          e = { 0 };
    size_t                 n;

    tb_arena_fini(&carried.mem);
    carried.n = 0;
    if (store_follow(f->store, &fo, &e) != TB_OK ||
        store_follow_own(fo, after, CARRIED_MAX, SIZE_MAX, keep, &carried, &n, &e) != TB_OK)
        fail_msg("%s", e.why);
    store_unfollow(&fo);
}

struct position { uint32_t node; int64_t seq; };

static void
find_position(void *ctx, uint32_t node, int64_t seq)
{
    struct position *p = ctx;
    if (p->node == node)
        p->seq = seq;
}

static int64_t
applied(struct fixture *at, uint32_t node)
{
    struct store_follower *fo = NULL;
    struct tb_err          e = { 0 };
    struct position        p = { .node = node };

    if (store_follow(at->store, &fo, &e) != TB_OK || store_follow_vector(fo, find_position, &p, &e) != TB_OK)
        fail_msg("%s", e.why);
    store_unfollow(&fo);
    return p.seq;
}

static enum tb_code
add(struct fixture *to, const struct store_origin *o, const struct store_entry *entries, size_t n, size_t *n_new)
{
    struct store_add_remote r = { .entries = entries, .n = n, .origins = o, .n_origins = 1 };
    enum tb_code            code = fixture_call(to, add_remote, &r);

    if (n_new != NULL)
        *n_new = r.n_new;
    store_op_fini(&r.op);
    return code;
}

/* At most max of those that are missing there. */
static void
carry(struct fixture *from, struct fixture *to, size_t max)
{
    struct store_origin o = origin_of(from);

    fetch(from, applied(to, o.node));
    for (size_t at = 0, n; at < carried.n && max > 0; at += n, max -= n) {
        n = carried.n - at < STORE_REMOTE_MAX ? carried.n - at : STORE_REMOTE_MAX;
        n = n < max ? n : max;
        assert_int_equal(TB_OK, add(to, &o, carried.entries + at, n, NULL));
    }
}

static void
carry_all(void)
{
    for (int round = 0; round < 2; round++)     /* what is parked on the way is carried, too */
        for (int a = 0; a < SITES; a++)
            for (int b = 0; b < SITES; b++)
                if (a != b)
                    carry(&site[a], &site[b], SIZE_MAX);
}

static void
set_node(struct fixture *f, uint32_t node, enum tb_code expected)
{
    struct store_set_node r = { .node = node, .centre_uuid = "123e4567-e89b-42d3-a456-426614174000" };

    assert_int_equal(expected, fixture_call(f, set_node, &r));
    store_op_fini(&r.op);
}

static int
begin(void **state)
{
    (void)state;
    for (int i = 0; i < SITES; i++) {
        fixture_open(&site[i]);
        set_node(&site[i], (uint32_t)i + 1, TB_OK);
    }
    return 0;
}

static int
finish(void **state)
{
    (void)state;
    tb_arena_fini(&carried.mem);
    for (int i = 0; i < SITES; i++)
        fixture_close(&site[i]);
    return 0;
}

static void
expect_rows(struct fixture *f, const char *expected, const char *sql)
{
    char *rows = fixture_dump(f, sql);
    assert_string_equal(expected, rows);
    tb_free(rows);
}

/* ---- one after the other ---- */

static void
what_another_site_did_is_there_as_if_it_had_been_done_here(void **state)
{
    struct fixture *a = &site[0], *b = &site[1];
    (void)state;
    int64_t ann = fixture_user(a, "ann"), room = fixture_room(a, ann, false), bob = fixture_user(a, "bob");
    assert_int_equal(TB_OK, fixture_join(a, room, bob, bob));
    int64_t message = fixture_send(a, room, ann, "from the first site");
    carry(a, b, SIZE_MAX);
    assert_int_equal(INT64_C(1) << 41 | 1, ann);
    struct store_list_messages p = { .room_id = room, .user_id = bob, .limit = 10 };
    assert_int_equal(TB_OK, fixture_call(b, list_messages, &p));
    assert_int_equal(1, p.n);
    assert_int_equal(message, p.items[0].id);
    assert_true(tb_str_eq(p.items[0].sender_username, TB_LIT("ann")));
    store_op_fini(&p.op);
    struct store_list_rooms rooms = { .user_id = bob };
    assert_int_equal(TB_OK, fixture_call(b, list_rooms, &rooms));
    assert_int_equal(1, rooms.rooms[0].unread);
    store_op_fini(&rooms.op);
    int64_t answer = fixture_send(b, room, bob, "from the second");     /* he may: the membership came along */
    assert_int_equal(INT64_C(2) << 41 | 1, answer);
    carry(b, a, SIZE_MAX);
    expect_rows(a, "2\n", "SELECT COUNT(*) FROM message");
    fixture_reopen(a);
    fixture_reopen(b);
    assert_int_equal(0, fixture_faults(a));
    assert_int_equal(0, fixture_faults(b));
}

static void
what_is_known_is_passed_over(void **state)
{
    size_t n_new;
    (void)state;
    int64_t ann = fixture_user(&site[0], "ann"), room = fixture_room(&site[0], ann, false);
    struct store_origin o = origin_of(&site[0]);
    fetch(&site[0], 0);
    assert_int_equal(TB_OK, add(&site[1], &o, carried.entries, carried.n, &n_new));
    assert_int_equal(carried.n, n_new);
    fixture_send(&site[0], room, ann, "new");
    fetch(&site[0], 0);
    assert_int_equal(TB_OK, add(&site[1], &o, carried.entries, carried.n, &n_new));
    assert_int_equal(1, n_new);
    expect_rows(&site[1], "4\n", "SELECT COUNT(*) FROM journal");
    assert_int_equal(4, applied(&site[1], 1));
}

static void
what_does_not_follow_is_refused_and_leaves_nothing(void **state)
{
    (void)state;
    fixture_room(&site[0], fixture_user(&site[0], "ann"), false);
    struct store_origin o = origin_of(&site[0]), stranger = o;
    fetch(&site[0], 0);
    char *before = fixture_dump(&site[1], "SELECT * FROM self");
    assert_int_equal(TB_ECONFLICT, add(&site[1], &o, carried.entries + 1, 1, NULL));        /* a gap */
    carried.entries[2].chain[0] ^= 1;
    assert_int_equal(TB_ECONFLICT, add(&site[1], &o, carried.entries, 3, NULL));            /* the last of three */
    carried.entries[2].chain[0] ^= 1;
    stranger.journal_uuid[0] = 'x';
    assert_int_equal(TB_ECONFLICT, add(&site[1], &stranger, carried.entries, 1, NULL));     /* another journal's first op */
    carried.entries[0].version = 99;
    assert_int_equal(TB_ECONFLICT, add(&site[1], &o, carried.entries, 1, NULL));            /* not what was chained */
    struct chain start = chain_start(tb_str_of(o.journal_uuid));
    struct chain newer = chain_next(&start, 1, 1, carried.entries[0].at, carried.entries[0].kind, 99, carried.entries[0].body);
    memcpy(carried.entries[0].chain, newer.bytes, CHAIN_SIZE);
    assert_int_equal(TB_EINPUT, add(&site[1], &o, carried.entries, 1, NULL));               /* of a newer program */
    char *after = fixture_dump(&site[1], "SELECT * FROM self");
    assert_string_equal(before, after);
    tb_free(before);
    tb_free(after);
    expect_rows(&site[1], "0\n", "SELECT COUNT(*) FROM journal");
    assert_int_equal(0, applied(&site[1], 1));
}

static void
a_clock_far_ahead_does_not_pull_ours_along_and_one_a_little_ahead_does(void **state)
{
    (void)state;
    site[0].wall_ms += 60000;
    fixture_user(&site[0], "ann");
    carry(&site[0], &site[1], SIZE_MAX);
    fixture_user(&site[1], "bob");
    expect_rows(&site[1], "1\n", "SELECT at > (SELECT at FROM journal WHERE node = 1) FROM journal WHERE node = 2");
    site[0].wall_ms += INT64_C(365) * 86400000;
    fixture_user(&site[0], "cem");
    carry(&site[0], &site[1], SIZE_MAX);
    fixture_user(&site[1], "dan");
    expect_rows(&site[1], "1\n", "SELECT MAX(at) >> 16 < 1700000200000 FROM journal WHERE node = 2");
}

static void
a_clock_that_is_set_back_while_we_run_is_doubted_and_order_goes_on(void **state)
{
    struct fixture     *f = &site[0];
    struct store_status now;
    (void)state;
    fixture_user(f, "ann");
    f->wall_ms -= 4 * 60 * 1000;
    fixture_user(f, "bob");             /* a little is no matter */
    store_status(f->store, &now);
    assert_int_equal(0, now.n_clock_doubts);
    f->wall_ms -= 2 * 60 * 1000;
    fixture_user(f, "cem");
    store_status(f->store, &now);
    assert_int_equal(1, now.n_clock_doubts);
    expect_rows(f, "1 2 3 \n", "SELECT group_concat(seq, ' ') || ' ' FROM (SELECT seq FROM journal ORDER BY at)");
}

static void
what_was_parked_keeps_its_place_and_has_no_effect(void **state)
{
    (void)state;
    int64_t ann = fixture_user(&site[0], "ann"), room = fixture_room(&site[0], ann, false);
    fixture_send(&site[0], room, ann, "poison");
    fixture_send(&site[0], room, ann, "fine");
    struct store_origin o = origin_of(&site[0]);
    fetch(&site[0], 0);
    carried.entries[3].parked_kind = carried.entries[3].kind;
    carried.entries[3].kind = 0;
    assert_int_equal(TB_OK, add(&site[1], &o, carried.entries, carried.n, NULL));
    expect_rows(&site[1], "fine\n", "SELECT content FROM message");
    expect_rows(&site[1], "1 2 3 4 5 \n", "SELECT group_concat(seq, ' ') || ' ' FROM journal");
    fixture_reopen(&site[1]);
    assert_int_equal(0, fixture_faults(&site[1]));
}

/* ---- e-mails ---- */

static bool
is_parked(struct fixture *f, const char *email, int64_t *id)
{
    struct store_find_login r = { .email = tb_str_of(email) };

    assert_int_equal(TB_OK, fixture_call(f, find_login, &r));
    bool parked = r.is_parked;
    *id = r.user.id;
    store_op_fini(&r.op);
    return parked;
}

static void
of_two_who_registered_one_email_the_first_keeps_it_everywhere(void **state)
{
    int64_t owner;
    (void)state;
    int64_t first = fixture_user(&site[1], "ann");
    site[0].wall_ms += 5;
    int64_t second = fixture_user(&site[0], "ann");
    assert_true(second < first);        /* the lower id is the later one */
    carry(&site[1], &site[0], SIZE_MAX);
    expect_rows(&site[0], "4\n", "SELECT kind FROM journal WHERE node = 1 AND seq = 2");   /* email_parked, by the loser's site */
    carry_all();
    for (int i = 0; i < SITES; i++) {
        assert_false(is_parked(&site[i], "ann@x.test", &owner));
        assert_int_equal(first, owner);
        expect_rows(&site[i], "1\n", "SELECT email_parked FROM user WHERE id >> 41 = 1");
        expect_rows(&site[i], "0\n", "SELECT email_parked FROM user WHERE id >> 41 = 2");
        expect_rows(&site[i], "1\n", "SELECT COUNT(*) FROM journal WHERE kind = 4");       /* the winner's site parks nobody */
    }
    struct store_change_user c = { .user_id = second, .email = TB_LIT("other@x.test") };
    assert_int_equal(TB_OK, fixture_call(&site[0], change_user, &c));
    store_op_fini(&c.op);
    carry_all();
    expect_rows(&site[2], "0\n", "SELECT email_parked FROM user WHERE id >> 41 = 1");
}

static void
an_earlier_claim_that_comes_late_still_wins(void **state)
{
    int64_t owner;
    (void)state;
    int64_t early = fixture_user(&site[2], "ann");      /* while cut off */
    site[0].wall_ms += 10;
    site[1].wall_ms += 20;
    fixture_user(&site[0], "ann");
    fixture_user(&site[1], "ann");
    carry(&site[0], &site[1], SIZE_MAX);
    carry(&site[1], &site[0], SIZE_MAX);
    expect_rows(&site[0], "0\n", "SELECT email_parked FROM user WHERE id >> 41 = 1");
    carry_all();
    for (int i = 0; i < SITES; i++) {
        assert_false(is_parked(&site[i], "ann@x.test", &owner));
        assert_int_equal(early, owner);
        expect_rows(&site[i], "0 1 1\n", "SELECT group_concat(email_parked, ' ') FROM (SELECT * FROM user ORDER BY id DESC)");
    }
}

/* His change of e-mail comes by one site, before his registration by another; with skewed clocks, say. */
static void
a_claim_of_somebody_who_is_made_known_later_wins_when_he_is(void **state)
{
    int64_t owner;
    (void)state;
    int64_t first = fixture_user(&site[0], "ann");
    carry(&site[0], &site[1], SIZE_MAX);
    struct store_change_user c = { .user_id = first, .email = TB_LIT("new@x.test") };
    assert_int_equal(TB_OK, fixture_call(&site[1], change_user, &c));
    store_op_fini(&c.op);
    site[2].wall_ms += 20;
    fixture_user(&site[2], "new");
    carry(&site[1], &site[2], SIZE_MAX);
    expect_rows(&site[2], "0\n", "SELECT email_parked FROM user WHERE id >> 41 = 3");
    carry(&site[0], &site[2], SIZE_MAX);
    expect_rows(&site[2], "1\n", "SELECT email_parked FROM user WHERE id >> 41 = 3");
    carry_all();
    for (int i = 0; i < SITES; i++) {
        assert_false(is_parked(&site[i], "new@x.test", &owner));
        assert_int_equal(first, owner);
    }
}

/* One site gives his claim up while he makes the same one anew at another, before that hears of it. */
static void
a_claim_that_was_given_up_is_that_one_and_not_the_next_whatever_comes_first(void **state)
{
    (void)state;
    int64_t early = fixture_user(&site[2], "ann");
    site[0].wall_ms += 10;
    int64_t late = fixture_user(&site[0], "ann");
    carry(&site[0], &site[1], SIZE_MAX);
    site[0].wall_ms += 100;
    carry(&site[2], &site[0], SIZE_MAX);            /* parked there, by a clock that is ahead */
    site[1].wall_ms += 20;
    struct store_change_user c = { .user_id = late, .email = TB_LIT("Ann@x.test") };
    assert_int_equal(TB_OK, fixture_call(&site[1], change_user, &c));
    store_op_fini(&c.op);
    carry(&site[1], &site[2], SIZE_MAX);            /* first the newer claim, then the registration and its end */
    carry(&site[0], &site[2], SIZE_MAX);
    carry(&site[1], &site[0], SIZE_MAX);            /* here in the other order */
    for (int i = 0; i < SITES; i += 2)
        expect_rows(&site[i], "0\n", "SELECT email_parked FROM user WHERE id >> 41 = 1");
    carry_all();                                    /* the site of the newer claim judges that */
    for (int i = 0; i < SITES; i++) {
        int64_t owner;
        assert_false(is_parked(&site[i], "ann@x.test", &owner));
        assert_int_equal(early, owner);
        expect_rows(&site[i], "1\n", "SELECT email_parked FROM user WHERE id >> 41 = 1");
    }
}

/* ---- membership, and who hears of it ---- */

static size_t n_told[32];
static int64_t last_pos;

static void
on_batch(void *ctx, struct store_batch *b)
{
    (void)ctx;
    for (size_t i = 0; i < b->n; i++) {
        n_told[b->events[i].op.kind]++;
        last_pos = b->events[i].op.pos;
    }
    store_batch_free(&b);
}

static void
of_two_who_moved_one_member_the_later_act_stands_and_sockets_hear_of_nothing_else(void **state)
{
    struct fixture    *a = &site[0], *b = &site[1];
    struct tb_mailbox *feed = tb_mailbox_new(100, NULL, NULL);
    (void)state;
    int64_t ann = fixture_user(a, "ann"), bob = fixture_user(a, "bob"), room = fixture_room(a, ann, false);
    carry(a, b, SIZE_MAX);
    assert_int_equal(TB_OK, fixture_join(a, room, bob, bob));
    b->wall_ms += 1000;
    assert_int_equal(TB_OK, fixture_join(b, room, bob, bob));
    struct store_remove_member leave = { .room_id = room, .user_id = bob };
    assert_int_equal(TB_OK, fixture_call(b, remove_member, &leave));
    store_op_fini(&leave.op);
    memset(n_told, 0, sizeof n_told);
    store_feed(b->store, feed, on_batch, NULL);
    carry(a, b, SIZE_MAX);              /* a join that is older than the leaving here */
    tb_mailbox_run(feed);
    assert_int_equal(0, n_told[OP_MEMBER_JOINED]);
    expect_rows(b, "NULL\n", "SELECT COALESCE(room_id, 'NULL') FROM journal WHERE node = 1 AND kind = 6 AND seq = 5");
    store_feed(a->store, feed, on_batch, NULL);
    carry(b, a, SIZE_MAX);
    tb_mailbox_run(feed);
    assert_int_equal(0, n_told[OP_MEMBER_JOINED]);      /* he was in already */
    assert_int_equal(1, n_told[OP_MEMBER_LEFT]);
    for (int i = 0; i < 2; i++)
        expect_rows(&site[i], "0\n", "SELECT is_member FROM member WHERE user_id = (1 << 41) + 2");
    fixture_reopen(a);
    fixture_reopen(b);
    assert_int_equal(0, fixture_faults(a));
    assert_int_equal(0, fixture_faults(b));
    tb_mailbox_free(&feed);
}

static void
messages_are_told_with_names_and_old_receipts_are_not_told(void **state)
{
    struct fixture    *a = &site[0], *b = &site[1];
    struct tb_mailbox *feed = tb_mailbox_new(100, NULL, NULL);
    (void)state;
    int64_t ann = fixture_user(a, "ann"), bob = fixture_user(a, "bob"), room = fixture_room(a, ann, false);
    assert_int_equal(TB_OK, fixture_join(a, room, bob, bob));
    int64_t               message = fixture_send(a, room, ann, "x");
    struct store_add_read read = { .user_id = bob, .message_ids = &message, .n = 1 };
    assert_int_equal(TB_OK, fixture_call(a, add_read, &read));
    store_op_fini(&read.op);
    b->wall_ms += 5 * 60 * 1000 + 1;
    memset(n_told, 0, sizeof n_told);
    store_feed(b->store, feed, on_batch, NULL);
    carry(a, b, SIZE_MAX);
    tb_mailbox_run(feed);
    assert_int_equal(1, n_told[OP_MESSAGE_SENT]);
    assert_int_equal(2, n_told[OP_MEMBER_JOINED]);
    assert_int_equal(0, n_told[OP_READ]);
    expect_rows(b, "1\n", "SELECT COUNT(*) FROM receipt WHERE read_at IS NOT NULL");
    tb_mailbox_free(&feed);
}

/* ---- our own, back again ---- */

static void
restore(struct fixture *f, const struct store_entry *entries, size_t n, bool is_last, enum tb_code expected)
{
    struct store_restore_own r = { .entries = entries, .n = n, .is_last = is_last };

    assert_int_equal(expected, fixture_call(f, restore_own, &r));
    store_op_fini(&r.op);
}

static void
what_an_older_copy_has_lost_comes_back_and_no_id_is_given_twice(void **state)
{
    struct fixture *f = &site[0];
    char            command[256];
    (void)state;
    int64_t ann = fixture_user(f, "ann"), room = fixture_room(f, ann, false);
    fixture_send(f, room, ann, "in the backup");
    store_close(&f->store);
    snprintf(command, sizeof command, "%s/tombolo.db", f->dir);
    char   *copy = tb_alloc(1 << 20);
    FILE   *file = fopen(command, "rb");
    size_t  n = fread(copy, 1, 1 << 20, file);
    fclose(file);
    fixture_reopen(f);
    int64_t lost = fixture_send(f, room, ann, "not in the backup");
    int64_t bob = fixture_user(f, "bob");
    fetch(f, 0);
    store_close(&f->store);
    file = fopen(command, "wb");
    assert_int_equal(n, fwrite(copy, 1, n, file));
    fclose(file);
    tb_free(copy);
    fixture_forget_id(f);
    fixture_reopen(f);
    expect_rows(f, "1\n", "SELECT COUNT(*) FROM message");
    restore(f, carried.entries, 1, false, TB_ECONFLICT);        /* that one is here */
    struct store_add_message meanwhile = { .room_id = room, .sender_id = ann, .content = TB_LIT("x") };
    restore(f, carried.entries + 4, 1, false, TB_OK);
    assert_int_equal(TB_EBUSY, fixture_call(f, add_message, &meanwhile));
    store_op_fini(&meanwhile.op);
    restore(f, carried.entries + 5, carried.n - 5, true, TB_OK);
    expect_rows(f, "2\n", "SELECT COUNT(*) FROM message");
    assert_true(fixture_send(f, room, ann, "a new one") > lost);
    assert_true(fixture_user(f, "cem") > bob);
    struct store_set_epoch epoch = { .epoch = 2 };
    assert_int_equal(TB_OK, fixture_call(f, set_epoch, &epoch));
    store_op_fini(&epoch.op);
    fixture_reopen(f);
    expect_rows(f, "2\n", "SELECT epoch FROM self");
    assert_int_equal(0, fixture_faults(f));
}

static int64_t
synced_at(struct fixture *f, int64_t room, int64_t user)
{
    struct store_list_messages p = { .room_id = room, .user_id = user, .limit = 1 };

    assert_int_equal(TB_OK, fixture_call(f, list_messages, &p));
    int64_t at = p.items[0].synced_at;
    store_op_fini(&p.op);
    return at;
}

static void
mark_pushed(struct fixture *f, int64_t seq, int64_t at)
{
    struct store_mark_pushed m = { .seq = seq, .at = at, .centre_uuid = "123e4567-e89b-42d3-a456-426614174000" };

    assert_int_equal(TB_OK, fixture_call(f, mark_pushed, &m));
    store_op_fini(&m.op);
}

static void
a_message_that_the_centre_parked_is_not_there_until_it_was_made_anew(void **state)
{
    struct fixture *f = &site[0];
    int64_t         seq;
    (void)state;
    int64_t ann = fixture_user(f, "ann"), room = fixture_room(f, ann, false);
    fixture_send(f, room, ann, "poison");
    struct store_status now;
    store_status(f->store, &now);
    seq = now.own_seq;
    struct store_set_parked parked = { .seqs = &seq, .n = 1 };
    assert_int_equal(TB_OK, fixture_call(f, set_parked, &parked));
    store_op_fini(&parked.op);
    mark_pushed(f, seq, 1700000001000);
    assert_int_equal(0, synced_at(f, room, ann));
    struct store_repeat_op again = { .seq = seq };
    assert_int_equal(TB_OK, fixture_call(f, repeat_op, &again));
    store_op_fini(&again.op);
    assert_int_equal(0, synced_at(f, room, ann));
    mark_pushed(f, again.new_seq, 1700000002000);
    assert_int_equal(1700000002000, synced_at(f, room, ann));
    fixture_reopen(f);
    assert_int_equal(0, fixture_faults(f));
}

static void
a_journal_that_has_written_keeps_its_number(void **state)
{
    (void)state;
    fixture_user(&site[0], "ann");
    set_node(&site[0], 9, TB_ECONFLICT);
    set_node(&site[0], 1, TB_OK);
    set_node(&site[1], 9, TB_OK);
    assert_int_equal(9, origin_of(&site[1]).node);
    assert_int_equal((INT64_C(9) << 41) + 1, fixture_user(&site[1], "bob"));
}

/* ---- all at once ---- */

static uint64_t chance;

static uint64_t
below(uint64_t n)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return chance % n;
}

static int64_t users[SITES], rooms[SITES], messages[64];
static size_t  n_messages;

static void
act(struct fixture *f)
{
    int64_t user = users[below(SITES)], room = rooms[below(SITES)];
    char    email[32];

    f->wall_ms += (int64_t)below(50) - 10;
    switch (below(6)) {
    case 0:
        TB_TRY(fixture_join(f, room, user, user));
        return;
    case 1: {
        struct store_remove_member r = { .room_id = room, .user_id = user };
        TB_TRY(fixture_call(f, remove_member, &r));
        store_op_fini(&r.op);
        return;
    }
    case 2: {
        snprintf(email, sizeof email, "e%" PRIu64 "@x.test", below(4));
        struct store_change_user r = { .user_id = user, .email = tb_str_of(email), .username = tb_str_of(email) };
        TB_TRY(fixture_call(f, change_user, &r));
        store_op_fini(&r.op);
        return;
    }
    case 3: {
        struct store_add_read r = { .user_id = user, .message_ids = messages, .n = n_messages };
        TB_TRY(fixture_call(f, add_read, &r));
        store_op_fini(&r.op);
        return;
    }
    default: {
        struct store_add_message r = { .room_id = room, .sender_id = user, .content = TB_LIT("x") };
        if (fixture_call(f, add_message, &r) == TB_OK && n_messages < 64)
            messages[n_messages++] = r.message.id;
        store_op_fini(&r.op);
    }
    }
}

static void
expect_equal(const char *sql, uint64_t seed)
{
    char *first = fixture_dump(&site[0], sql);

    for (int i = 1; i < SITES; i++) {
        char *other = fixture_dump(&site[i], sql);
        if (strcmp(first, other) != 0)
            fail_msg("seed %" PRIu64 ": %s\n%s\nis at site %d\n%s", seed, sql, first, i, other);
        tb_free(other);
    }
    tb_free(first);
}

static void
three_sites_that_were_cut_off_now_and_then_end_with_the_same_tables(void **state)
{
    const uint64_t seeds = getenv("TB_LONG") != NULL ? 500 : 12;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        begin(state);
        chance = seed * 7919;
        n_messages = 0;
        for (int i = 0; i < SITES; i++) {
            char name[16];
            snprintf(name, sizeof name, "user%d", i);
            site[i].wall_ms += (int64_t)below(400000);      /* clocks minutes apart */
            users[i] = fixture_user(&site[i], name);
            rooms[i] = fixture_room(&site[i], users[i], false);
        }
        carry_all();
        for (int i = 0; i < 150; i++) {
            act(&site[below(SITES)]);
            if (below(10) == 0) {
                uint64_t from = below(SITES), to = below(SITES);
                if (from != to)
                    carry(&site[from], &site[to], 1 + below(20));
            }
        }
        carry_all();
        carry_all();
        expect_equal("SELECT id, hlc, email, email_stamp, email_node, email_parked, username, username_stamp, username_node"
                     " FROM user ORDER BY id", seed);
        expect_equal("SELECT room_id, user_id, id * is_member, is_member, stamp, node FROM member ORDER BY 1, 2", seed);
        expect_equal("SELECT id, room_id, sender_id, hlc, created_at, content FROM message ORDER BY room_id, hlc, id", seed);
        expect_equal("SELECT message_id, user_id, delivered_at, read_at FROM receipt ORDER BY 1, 2", seed);
        expect_equal("SELECT room_id, messages, members FROM room_count ORDER BY 1", seed);
        expect_equal("SELECT node, seq, at, kind, body, hex(chain) FROM journal ORDER BY 1, 2", seed);
        for (int i = 0; i < SITES; i++) {
            expect_rows(&site[i], "", "SELECT * FROM user u JOIN user o USING (email_key)"
                        " WHERE u.id < o.id AND u.email_parked + o.email_parked = 0");
            fixture_reopen(&site[i]);
            assert_int_equal(0, fixture_faults(&site[i]));
        }
        finish(state);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_another_site_did_is_there_as_if_it_had_been_done_here, begin, finish),
        cmocka_unit_test_setup_teardown(what_is_known_is_passed_over, begin, finish),
        cmocka_unit_test_setup_teardown(what_does_not_follow_is_refused_and_leaves_nothing, begin, finish),
        cmocka_unit_test_setup_teardown(a_clock_far_ahead_does_not_pull_ours_along_and_one_a_little_ahead_does, begin, finish),
        cmocka_unit_test_setup_teardown(a_clock_that_is_set_back_while_we_run_is_doubted_and_order_goes_on, begin, finish),
        cmocka_unit_test_setup_teardown(what_was_parked_keeps_its_place_and_has_no_effect, begin, finish),
        cmocka_unit_test_setup_teardown(of_two_who_registered_one_email_the_first_keeps_it_everywhere, begin, finish),
        cmocka_unit_test_setup_teardown(an_earlier_claim_that_comes_late_still_wins, begin, finish),
        cmocka_unit_test_setup_teardown(a_claim_that_was_given_up_is_that_one_and_not_the_next_whatever_comes_first, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(a_claim_of_somebody_who_is_made_known_later_wins_when_he_is, begin, finish),
        cmocka_unit_test_setup_teardown(of_two_who_moved_one_member_the_later_act_stands_and_sockets_hear_of_nothing_else, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(messages_are_told_with_names_and_old_receipts_are_not_told, begin, finish),
        cmocka_unit_test_setup_teardown(what_an_older_copy_has_lost_comes_back_and_no_id_is_given_twice, begin, finish),
        cmocka_unit_test_setup_teardown(a_message_that_the_centre_parked_is_not_there_until_it_was_made_anew, begin, finish),
        cmocka_unit_test_setup_teardown(a_journal_that_has_written_keeps_its_number, begin, finish),
        cmocka_unit_test(three_sites_that_were_cut_off_now_and_then_end_with_the_same_tables),
    };
    return tap_run(tests);
}
