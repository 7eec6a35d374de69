/* What a hostile centre or site can say: each field at its limits and beyond. Nothing of it stops this site, and what is not sound has
 * no effect and is counted. The store has node 1; the hostile site has node 2. */
#include "fixture.h"

#include "store/chain.h"
#include "store/follow.h"
#include "store/op.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { OWN = 1, OTHER = 2, CONTENT_MAX = 1 << 20, CASES = 500, CASES_LONG = 10000, LOOK_EVERY = 100 };
#define UUID "99999999-9999-4999-8999-999999999999"
#define ID(node, n) ((int64_t)(node) << 41 | (n))
#define LAST INT64_C(0x1ffffffffff)
#define DAY_MS INT64_C(86400000)

static struct fixture f;
static int64_t ann, room;
static int64_t seq;
static struct chain chain;

static void
set_node(void)
{
    struct store_set_node r = { .node = OWN, .centre_uuid = "123e4567-e89b-42d3-a456-426614174000" };

    assert_int_equal(TB_OK, fixture_call(&f, set_node, &r));
    store_op_fini(&r.op);
}

static int
begin(void **state)
{
    (void)state;
    fixture_open(&f);
    set_node();
    ann = fixture_user(&f, "ann");
    room = fixture_room(&f, ann, false);
    seq = 0;
    chain = chain_start(TB_LIT(UUID));
    return 0;
}

static int
finish(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

static uint64_t
refused(void)
{
    struct store_status now;

    store_status(f.store, &now);
    return now.n_refused;
}

static int64_t
now_stamp(void)
{
    return f.wall_ms << 16;
}

/* The next op of the hostile site, soundly chained. */
static enum tb_code
say(int kind, int64_t at, tb_str body)
{
    struct store_origin o = { .node = OTHER, .journal_uuid = UUID };
    struct chain next = chain_next(&chain, OTHER, seq + 1, at, kind, OP_VERSION, body);
    struct store_entry entry = { .node = OTHER, .seq = seq + 1, .at = at, .kind = kind, .version = OP_VERSION, .body = body };
    struct store_add_remote r = { .entries = &entry, .n = 1, .origins = &o, .n_origins = 1 };

    memcpy(entry.chain, next.bytes, CHAIN_SIZE);
    enum tb_code code = fixture_call(&f, add_remote, &r);
    if (code == TB_OK)
        seq++, chain = next;
    store_op_fini(&r.op);
    return code;
}

static void
say_text(int kind, const char *body)
{
    assert_int_equal(TB_OK, say(kind, now_stamp(), tb_str_of(body)));
}

static void
expect(const char *expected, const char *sql)
{
    char *is = fixture_dump(&f, sql);
    assert_string_equal(expected, is);
    tb_free(is);
}

/* Honest acts, as if nothing had been said; and the journal is whole. */
static void
expect_all_well(void)
{
    static int n;
    char name[32];

    snprintf(name, sizeof name, "honest%d", n++);
    int64_t user = fixture_user(&f, name);
    assert_int_equal(OWN, user >> 41);
    int64_t there = fixture_room(&f, user, false);
    int64_t message = fixture_send(&f, there, user, "what was really said");
    struct store_list_messages p = { .room_id = there, .user_id = user, .limit = 1 };
    assert_int_equal(TB_OK, fixture_call(&f, list_messages, &p));
    assert_int_equal(message, p.items[0].id);
    assert_true(tb_str_eq(p.items[0].content, TB_LIT("what was really said")));
    store_op_fini(&p.op);
    struct store_change_user c = { .user_id = ann, .username = tb_str_of(name) };
    assert_int_equal(TB_OK, fixture_call(&f, change_user, &c));
    store_op_fini(&c.op);
    struct store_find_login l = { .email = TB_LIT("ann@x.test") };
    if (fixture_call(&f, find_login, &l) == TB_OK && l.user.id == ann)
        assert_true(tb_str_eq(l.user.username, tb_str_of(name)));
    store_op_fini(&l.op);
}

static void
expect_whole(void)
{
    assert_int_equal(0, fixture_faults(&f));
    fixture_reopen(&f);
}

/* ---- samples ---- */

#define PLAIN_HASH "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static const struct { const char *hash; bool is_fine; } hashes[] = {
    { "$argon2id$v=19$m=8,t=4294967295,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false },
    { "$argon2id$v=19$m=4194304,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false },
    { "$argon2i$v=19$m=4194304,t=9,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false },
    { "$2a$31$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde", false },
    { "$2b$15$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde", false },
    { "!$2b$31$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde", false },
    { "$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D", false },
    { "$2b$14$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde", true },
    { PLAIN_HASH, true },
    { "!" PLAIN_HASH, true },
    { "!", true },
    { "", true },
};

static void
a_hash_that_costs_too_much_is_not_taken_and_the_lock_of_an_account_is(void **state)
{
    char body[512], rows[160];
    (void)state;
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
        uint64_t before = refused();
        f.wall_ms += 10;
        snprintf(body, sizeof body, "{\"user\":%" PRId64 ",\"hash\":\"%s\",\"stamp\":\"%" PRId64 "\"}", ann, hashes[i].hash,
                 now_stamp());
        say_text(OP_PASSWORD_CHANGED, body);
        assert_int_equal(hashes[i].is_fine ? before : before + 1, refused());
        if (hashes[i].is_fine) {
            snprintf(rows, sizeof rows, "%s\n", hashes[i].hash);
            expect(rows, "SELECT password FROM user WHERE username = 'ann'");
        }
    }
    expect_whole();
}

static void
a_stamp_at_the_end_of_time_changes_nothing(void **state)
{
    static const int64_t stamps[] = { INT64_MAX, INT64_MAX - 1, INT64_C(1) << 62, INT64_C(1) << 60 };
    char body[256];
    (void)state;
    for (size_t i = 0; i < sizeof stamps / sizeof *stamps; i++) {
        uint64_t before = refused();
        snprintf(body, sizeof body, "{\"user\":%" PRId64 ",\"username\":\"eve\",\"stamp\":\"%" PRId64 "\"}", ann, stamps[i]);
        say_text(OP_PROFILE_CHANGED, body);
        snprintf(body, sizeof body, "{\"room\":%" PRId64 ",\"user\":%" PRId64 ",\"by\":%" PRId64 ",\"stamp\":\"%" PRId64 "\"}",
                 room, ann, ann, stamps[i]);
        say_text(OP_MEMBER_LEFT, body);
        snprintf(body, sizeof body, "{\"user\":%" PRId64 ",\"hash\":\"x\",\"stamp\":\"%" PRId64 "\"}", ann, stamps[i]);
        say_text(OP_PASSWORD_CHANGED, body);
        snprintf(body, sizeof body, "{\"id\":%" PRId64 ",\"room\":%" PRId64 ",\"sender\":%" PRId64 ",\"content\":\"x\",\"createdAt\":5}",
                 ID(OTHER, 1), room, ann);
        assert_int_equal(TB_OK, say(OP_MESSAGE_SENT, stamps[i], tb_str_of(body)));
        assert_int_equal(before + 4, refused());
    }
    expect("ann\n", "SELECT username FROM user WHERE username IN ('ann', 'eve')");
    expect("0\n", "SELECT COUNT(*) FROM message");
    expect_all_well();
    expect_whole();
    expect_all_well();
}

static void
nobody_makes_ids_of_another_s_number(void **state)
{
    const int64_t ids[] = { ID(OWN, 2), ID(OWN, LAST), ID(3, 1), ID(4095, LAST) };
    char body[256];
    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        uint64_t before = refused();
        snprintf(body, sizeof body, "{\"id\":%" PRId64 ",\"email\":\"m@x.test\",\"username\":\"m\",\"hash\":\"x\",\"createdAt\":5}", ids[i]);
        say_text(OP_USER_REGISTERED, body);
        snprintf(body, sizeof body, "{\"id\":%" PRId64 ",\"room\":%" PRId64 ",\"sender\":%" PRId64 ",\"content\":\"x\",\"createdAt\":5}",
                 ids[i], room, ann);
        say_text(OP_MESSAGE_SENT, body);
        snprintf(body, sizeof body, "{\"id\":%" PRId64 ",\"name\":\"x\",\"isPrivate\":false,\"createdBy\":%" PRId64 ",\"createdAt\":5}",
                 ids[i], ann);
        say_text(OP_ROOM_CREATED, body);
        assert_int_equal(before + 3, refused());
    }
    expect("1\n", "SELECT COUNT(*) FROM user");
    expect("0\n", "SELECT COUNT(*) FROM message");
    expect_all_well();
    expect_whole();
}

static void
what_the_other_site_may_do_is_done_all_the_same(void **state)
{
    char body[256];
    (void)state;
    snprintf(body, sizeof body, "{\"id\":%" PRId64 ",\"room\":%" PRId64 ",\"sender\":%" PRId64 ",\"content\":\"hello\",\"createdAt\":5}",
             ID(OTHER, 1), room, ann);
    say_text(OP_MESSAGE_SENT, body);
    say_text(OP_USER_REGISTERED, "{\"id\":7,\"email\":\"old@x.test\",\"username\":\"old\",\"hash\":\"x\",\"createdAt\":5}");
    snprintf(body, sizeof body, "{\"user\":7,\"username\":\"null \\u0000 inside\",\"stamp\":\"%" PRId64 "\"}", now_stamp() + 1);
    say_text(OP_PROFILE_CHANGED, body);     /* a name that the old backend let through */
    assert_int_equal(0, refused());
    expect("hello\n", "SELECT content FROM message");
    expect("1\n", "SELECT COUNT(*) FROM user WHERE id = 7");
    expect("1\n", "SELECT COUNT(*) FROM user WHERE hex(username) = hex('null ') || '00' || hex(' inside')");
    expect_whole();
}

static void
say_large(size_t n)
{
    struct tb_buf body = TB_BUF_INIT;

    tb_buf_printf(&body, "{\"id\":%" PRId64 ",\"room\":%" PRId64 ",\"sender\":%" PRId64 ",\"createdAt\":5,\"content\":\"",
                  ID(OTHER, seq + 1), room, ann);
    for (size_t i = 0; i < n; i++)
        tb_buf_add(&body, TB_LIT("A"));
    tb_buf_add(&body, TB_LIT("\"}"));
    assert_int_equal(TB_OK, say(OP_MESSAGE_SENT, now_stamp(), tb_buf_str(&body)));
    tb_buf_fini(&body);
}

static void
texts_have_bounds(void **state)
{
    struct tb_buf body = TB_BUF_INIT;
    (void)state;
    say_large(CONTENT_MAX);
    assert_int_equal(0, refused());
    say_large(CONTENT_MAX + 1);
    say_large(7000000);
    assert_int_equal(2, refused());
    expect("1\n", "SELECT COUNT(*) FROM message");
    tb_buf_printf(&body, "{\"user\":%" PRId64 ",\"stamp\":\"%" PRId64 "\",\"username\":\"", ann, now_stamp());
    for (int i = 0; i < 256; i++)
        tb_buf_add(&body, TB_LIT("A"));
    tb_buf_add(&body, TB_LIT("\"}"));
    assert_int_equal(TB_OK, say(OP_PROFILE_CHANGED, now_stamp(), tb_buf_str(&body)));
    assert_int_equal(3, refused());
    tb_buf_fini(&body);
    expect("1\n", "SELECT length(body) < 200 FROM journal WHERE node = 2 AND seq = 3");     /* the reason, not the text */
    expect_all_well();
    expect_whole();
}

static void
a_body_that_is_none_is_parked_and_what_comes_after_it_arrives(void **state)
{
    char body[256];
    (void)state;
    say_text(OP_MESSAGE_SENT, "");
    say_text(OP_MESSAGE_SENT, "[]");
    say_text(OP_DELIVERED, "{\"at\":1,\"of\":[{\"room\":1,\"user\":1,\"messages\":[-5]}]}");
    assert_int_equal(3, refused());
    snprintf(body, sizeof body, "{\"id\":%" PRId64 ",\"room\":%" PRId64 ",\"sender\":%" PRId64 ",\"content\":\"after\",\"createdAt\":5}",
             ID(OTHER, 1), room, ann);
    say_text(OP_MESSAGE_SENT, body);
    expect("after\n", "SELECT content FROM message");
    expect_whole();
}

/* ---- rows ---- */

static void
take(struct op *rows, size_t n, const struct store_origin_at *origins, size_t n_origins)
{
    struct store_take_rows r = { .rows = rows, .n = n, .origins = origins, .n_origins = n_origins, .is_first = true };

    assert_int_equal(TB_OK, fixture_call(&f, take_rows, &r));
    store_op_fini(&r.op);
}

static struct op
user_row(int64_t id, int64_t at)
{
    struct op op = { .kind = OP_USER_REGISTERED, .version = OP_VERSION, .node = OTHER, .at = at };

    op.user_registered.id = id;
    op.user_registered.email = TB_LIT("end@x.test");
    op.user_registered.username = TB_LIT("end");
    op.user_registered.hash = TB_LIT("x");
    return op;
}

static void
rows_that_are_not_sound_stay_at_the_centre(void **state)
{
    struct op rows[] = { user_row(ID(OWN, LAST), 5), user_row(ID(OTHER, 1), INT64_MAX), user_row(ID(OTHER, 2), 5),
                         user_row(ID(OTHER, 3), 5), user_row(ID(OTHER, 4), 5), user_row(-1, 5) };
    (void)state;
    rows[2].user_registered.hash = tb_str_of(hashes[0].hash);
    rows[3].user_registered.username = TB_LIT("\xff");
    take(rows, sizeof rows / sizeof *rows, NULL, 0);
    assert_int_equal(5, refused());
    expect("1\n", "SELECT COUNT(*) FROM user WHERE username = 'end'");
    expect_all_well();
    expect_whole();
    expect_all_well();
}

static void
no_origin_is_ourselves_or_beyond_all_places(void **state)
{
    const struct store_origin_at origins[] = {
        { .node = OWN, .seq = 1000, .journal_uuid = UUID }, { .node = OTHER, .seq = INT64_MAX, .journal_uuid = UUID },
        { .node = UINT32_MAX, .seq = 5, .journal_uuid = UUID }, { .node = OTHER, .seq = -5, .journal_uuid = UUID },
    };
    (void)state;
    take(NULL, 0, origins, sizeof origins / sizeof *origins);
    expect("0\n", "SELECT COUNT(*) FROM origin");
    expect_all_well();
    expect_whole();
    expect_all_well();
}

/* ---- our own, back again ---- */

static void
what_comes_back_as_ours_is_judged_as_well(void **state)
{
    struct store_status now;
    char bodies[3][256];
    struct store_entry entries[3] = { 0 };
    (void)state;
    store_status(f.store, &now);
    fixture_close(&f);
    fixture_open(&f);
    set_node();
    store_status(f.store, &now);
    struct chain last = chain_start(tb_str_of(now.journal_uuid));
    snprintf(bodies[0], sizeof *bodies, "{\"id\":%" PRId64 ",\"email\":\"a@x\",\"username\":\"a\",\"hash\":\"x\",\"createdAt\":5}", ID(OWN, LAST));
    snprintf(bodies[1], sizeof *bodies, "{\"user\":1,\"hash\":\"%s\",\"stamp\":\"5\"}", hashes[3].hash);
    snprintf(bodies[2], sizeof *bodies, "{\"user\":1,\"username\":\"x\",\"stamp\":\"%" PRId64 "\"}", INT64_MAX);
    for (int i = 0; i < 3; i++) {
        static const int kinds[] = { OP_USER_REGISTERED, OP_PASSWORD_CHANGED, OP_PROFILE_CHANGED };
        entries[i] = (struct store_entry){ .node = OWN, .seq = i + 1, .at = i == 2 ? INT64_MAX : 5, .kind = kinds[i],
                                           .version = OP_VERSION, .body = tb_str_of(bodies[i]) };
        last = chain_next(&last, OWN, i + 1, entries[i].at, kinds[i], OP_VERSION, entries[i].body);
        memcpy(entries[i].chain, last.bytes, CHAIN_SIZE);
    }
    struct store_restore_own r = { .entries = entries, .n = 3, .is_last = true };
    assert_int_equal(TB_OK, fixture_call(&f, restore_own, &r));
    store_op_fini(&r.op);
    assert_int_equal(3, refused());
    ann = fixture_user(&f, "ann");
    assert_int_equal(ID(OWN, 1), ann);
    expect_all_well();
    expect_whole();
}

/* ---- generated ---- */

static uint64_t chance;

static uint64_t
below(uint64_t n)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return chance % n;
}

static int64_t
any_int(void)
{
    const int64_t edges[] = { 0, 1, -1, ann, room, INT64_MAX, INT64_MIN, INT64_MAX - 1, ID(OWN, LAST), ID(OWN, 2), ID(OTHER, seq + 1),
                              ID(OTHER, LAST), ID(3, 1), ID(4095, LAST), (INT64_C(1) << 53) - 1, INT64_C(1) << 53, 7, 1000 };
    const int64_t times[] = { f.wall_ms, f.wall_ms + DAY_MS * 400, f.wall_ms - DAY_MS * 400, f.wall_ms << 16,
                              (f.wall_ms + DAY_MS * 2) << 16, (f.wall_ms + 1000) << 16, INT64_C(1) << 62 };

    return below(3) > 0 ? edges[below(sizeof edges / sizeof *edges)] : times[below(sizeof times / sizeof *times)];
}

static tb_str
any_text(void)
{
    static char large[CONTENT_MAX + 2];
    const tb_str texts[] = { TB_LIT(""), TB_LIT("x"), TB_LIT("ann@x.test"), TB_LIT("\\u0000"), TB_LIT("\\ud800"), TB_LIT("\xff\xfe"),
                             TB_LIT("\\u202e"), TB_LIT("'; DROP TABLE user; --"), TB_LIT("\xe2\x80\xa8"),
                             tb_str_of(hashes[below(sizeof hashes / sizeof *hashes)].hash) };

    memset(large, 'L', sizeof large);
    if (below(20) == 0)
        return (tb_str){ large, below(4) ? 256 + below(400) : sizeof large };
    return texts[below(sizeof texts / sizeof *texts)];
}

static void
put_field(struct tb_buf *b, const char *name)
{
    tb_buf_printf(b, "%s\"%s\":", b->n > 1 ? "," : "", name);
    switch (below(12)) {
    case 0:
        tb_buf_add(b, TB_LIT("null"));
        return;
    case 1:
        tb_buf_add(b, TB_LIT("[{}]"));
        return;
    default:
        break;
    }
    if (strstr("email username hash name content", name) != NULL) {
        tb_buf_add(b, TB_LIT("\""));
        tb_buf_add(b, any_text());
        tb_buf_add(b, TB_LIT("\""));
    } else if (strcmp(name, "stamp") == 0) {
        tb_buf_printf(b, "\"%" PRId64 "\"", any_int());
    } else if (strcmp(name, "isPrivate") == 0) {
        tb_buf_add(b, TB_LIT("true"));
    } else if (strcmp(name, "of") == 0) {
        tb_buf_printf(b, "[{\"room\":%" PRId64 ",\"user\":%" PRId64 ",\"messages\":[%" PRId64 ",%" PRId64 "]},{\"room\":%" PRId64
                      ",\"user\":%" PRId64 ",\"messages\":[]}]", any_int(), any_int(), any_int(), any_int(), room, ann);
    } else if (strcmp(name, "users") == 0) {
        tb_buf_printf(b, "[{\"id\":%" PRId64 ",\"at\":%" PRId64 "}]", any_int(), any_int());
    } else {
        tb_buf_printf(b, "%" PRId64, any_int());
    }
}

static const char *const fields[OP_KIND_COUNT][8] = {
    [OP_USER_REGISTERED] = { "id", "email", "username", "hash", "createdAt" },
    [OP_PASSWORD_CHANGED] = { "user", "hash", "stamp" },
    [OP_PROFILE_CHANGED] = { "user", "email", "username", "stamp" },
    [OP_EMAIL_PARKED] = { "user", "email", "stamp" },
    [OP_ROOM_CREATED] = { "id", "name", "isPrivate", "createdBy", "createdAt" },
    [OP_MEMBER_JOINED] = { "id", "room", "user", "by", "stamp", "joinedAt" },
    [OP_MEMBER_LEFT] = { "room", "user", "by", "stamp" },
    [OP_MESSAGE_SENT] = { "id", "room", "sender", "content", "createdAt" },
    [OP_DELIVERED] = { "at", "of" },
    [OP_READ] = { "at", "of" },
    [OP_LAST_SEEN] = { "users" },
};

static void
say_anything(void)
{
    struct tb_buf body = TB_BUF_INIT;
    int kind = (int)below(OP_KIND_COUNT);

    tb_buf_add(&body, TB_LIT("{"));
    for (const char *const *name = fields[kind]; *name != NULL; name++)
        if (below(30) > 0)
            put_field(&body, *name);
    tb_buf_add(&body, TB_LIT("}"));
    assert_int_equal(TB_OK, say(kind, below(3) ? now_stamp() : any_int(), tb_buf_str(&body)));
    tb_buf_fini(&body);
}

static void
make_row(struct op *op, struct op_receipts *of, struct op_seen *seen, int64_t *id)
{
    *op = (struct op){ .kind = 1 + below(OP_KIND_COUNT - 1), .version = OP_VERSION, .node = (uint32_t)any_int(),
                       .at = below(2) ? now_stamp() : any_int() };
    *id = any_int();
    switch (op->kind) {
    case OP_USER_REGISTERED:
        op->user_registered.id = any_int(), op->user_registered.created_at = any_int();
        op->user_registered.email = any_text(), op->user_registered.username = any_text(), op->user_registered.hash = any_text();
        return;
    case OP_PASSWORD_CHANGED:
        op->password_changed.user_id = any_int(), op->password_changed.stamp = any_int(), op->password_changed.hash = any_text();
        return;
    case OP_PROFILE_CHANGED:
        op->profile_changed.user_id = any_int(), op->profile_changed.stamp = any_int();
        op->profile_changed.email = any_text(), op->profile_changed.username = any_text();
        return;
    case OP_EMAIL_PARKED:
        op->email_parked.user_id = any_int(), op->email_parked.stamp = any_int(), op->email_parked.email = any_text();
        return;
    case OP_ROOM_CREATED:
        op->room_created.id = any_int(), op->room_created.created_by = any_int(), op->room_created.created_at = any_int();
        op->room_created.name = any_text();
        return;
    case OP_MEMBER_JOINED:
        op->member_joined.id = any_int(), op->member_joined.room_id = any_int(), op->member_joined.user_id = any_int();
        op->member_joined.by_id = any_int(), op->member_joined.stamp = any_int(), op->member_joined.joined_at = any_int();
        return;
    case OP_MEMBER_LEFT:
        op->member_left.room_id = any_int(), op->member_left.user_id = any_int(), op->member_left.by_id = any_int();
        op->member_left.stamp = any_int();
        return;
    case OP_MESSAGE_SENT:
        op->message_sent.id = any_int(), op->message_sent.room_id = any_int(), op->message_sent.sender_id = any_int();
        op->message_sent.created_at = any_int(), op->message_sent.content = any_text();
        return;
    case OP_DELIVERED:
    case OP_READ:
        *of = (struct op_receipts){ .user_id = any_int(), .message_ids = id, .n = 1 };
        op->receipts.at = any_int(), op->receipts.of = of, op->receipts.n = 1;
        return;
    case OP_LAST_SEEN:
        *seen = (struct op_seen){ any_int(), any_int() };
        op->last_seen.users = seen, op->last_seen.n = 1;
        return;
    case OP_PARKED:
    case OP_KIND_COUNT:
        break;
    }
}

static void
take_anything(void)
{
    struct op op;
    struct op_receipts of;
    struct op_seen seen;
    int64_t id;

    make_row(&op, &of, &seen, &id);
    take(&op, 1, NULL, 0);
}

static uint64_t
given(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void
whatever_is_said_nothing_stops(void **state)
{
    const uint64_t n = given("TB_HOSTILE_CASES", getenv("TB_LONG") != NULL ? CASES_LONG : CASES);
    const uint64_t seed = given("TB_HOSTILE_SEED", 1);

    chance = seed * 7919 + 1;
    for (uint64_t i = 0; i < n; i++) {
        if (i % LOOK_EVERY == 0) {      /* a new site: what was taken before must not hide what comes */
            finish(state);
            begin(state);
        }
        f.wall_ms += 10;
        if (below(3) > 0)
            say_anything();
        else
            take_anything();
        if (i % LOOK_EVERY == LOOK_EVERY - 1) {
            expect_all_well();
            expect_whole();
            expect_all_well();
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_hash_that_costs_too_much_is_not_taken_and_the_lock_of_an_account_is, begin, finish),
        cmocka_unit_test_setup_teardown(a_stamp_at_the_end_of_time_changes_nothing, begin, finish),
        cmocka_unit_test_setup_teardown(nobody_makes_ids_of_another_s_number, begin, finish),
        cmocka_unit_test_setup_teardown(what_the_other_site_may_do_is_done_all_the_same, begin, finish),
        cmocka_unit_test_setup_teardown(texts_have_bounds, begin, finish),
        cmocka_unit_test_setup_teardown(a_body_that_is_none_is_parked_and_what_comes_after_it_arrives, begin, finish),
        cmocka_unit_test_setup_teardown(rows_that_are_not_sound_stay_at_the_centre, begin, finish),
        cmocka_unit_test_setup_teardown(no_origin_is_ourselves_or_beyond_all_places, begin, finish),
        cmocka_unit_test_setup_teardown(what_comes_back_as_ours_is_judged_as_well, begin, finish),
        cmocka_unit_test_setup_teardown(whatever_is_said_nothing_stops, begin, finish),
    };
    return tap_run(tests);
}
