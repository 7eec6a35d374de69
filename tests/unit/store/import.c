/* Rows of another backend: what is refused, what is kept, in which order and under which ids it stands in the journal then. */
#include "fixture.h"

#include "store/import.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW    INT64_C(1700000000000)
#define BCRYPT TB_LIT("$2b$04$abcdefghijklmnopqrstuuhfdSToe28Z2OzxmmHxfI3lnNDfjxoF6")

struct bench {
    struct fixture       f;         /* its store is closed while an import is under way */
    struct store_import *import;
    struct tb_err        e;
};

static void
remove_file(const struct fixture *f, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    unlink(path);
}

static bool
has_file(const struct fixture *f, const char *name)
{
    char        path[128];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    return stat(path, &st) == 0;
}

static unsigned
mode_of(const struct fixture *f, const char *name)
{
    char        path[128];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    assert_int_equal(0, stat(path, &st));
    return st.st_mode & 0777;
}

static enum tb_code
begin(struct bench *b, bool is_dry_run)
{
    struct store_import_settings settings = { .dir = is_dry_run ? NULL : b->f.dir, .clock = &b->f.clock };
    return store_import_begin(&b->import, &settings, &b->e);
}

static void
open_bench(struct bench *b)
{
    *b = (struct bench){ .import = NULL };
    fixture_open(&b->f);
    b->f.wall_ms = NOW;
    store_close(&b->f.store);
    fixture_forget_id(&b->f);
    remove_file(&b->f, "tombolo.db");
    assert_int_equal(TB_OK, begin(b, false));
}

static void
close_bench(struct bench *b)
{
    store_import_end(&b->import);
    remove_file(&b->f, "import.json");
    fixture_close(&b->f);
}

#define TAKE(call) assert_int_equal(TB_OK, (call))

static void
user(struct bench *b, int64_t id, const char *email, int64_t created)
{
    struct import_user u = { .id = id, .created_at = created, .last_seen = IMPORT_NULL_TIME, .email = tb_str_of(email),
                             .username = TB_LIT("somebody"), .hash = BCRYPT };
    TAKE(store_import_user(b->import, &u, &b->e));
}

static void
room(struct bench *b, int64_t id, int64_t created)
{
    struct import_room r = { .id = id, .created_at = created, .name = TB_LIT("harbour") };
    TAKE(store_import_room(b->import, &r, &b->e));
}

static void
member(struct bench *b, int64_t id, int64_t user_id, int64_t room_id, int64_t joined)
{
    struct import_member m = { .id = id, .user_id = user_id, .room_id = room_id, .joined_at = joined };
    TAKE(store_import_member(b->import, &m, &b->e));
}

static void
message(struct bench *b, int64_t id, int64_t sender, int64_t room_id, int64_t created)
{
    struct import_message m = { .id = id, .sender_id = sender, .room_id = room_id, .created_at = created, .content = TB_LIT("hi") };
    TAKE(store_import_message(b->import, &m, &b->e));
}

static void
receipt(struct bench *b, int64_t id, int64_t message_id, int64_t user_id, int64_t delivered, int64_t read)
{
    struct import_receipt r = { .id = id, .message_id = message_id, .user_id = user_id, .delivered_at = delivered, .read_at = read };
    TAKE(store_import_receipt(b->import, &r, &b->e));
}

static void
ignore(void *ctx, int64_t n_done, int64_t n_all)
{
    (void)ctx;
    assert_true(n_done <= n_all);
}

static void
keep(struct bench *b)
{
    char report[128];

    umask(022);
    TAKE(store_import_write(b->import, ignore, NULL, &b->e));
    assert_int_equal(0600, mode_of(&b->f, "import.db"));
    snprintf(report, sizeof report, "{\"journal\":\"%s\"}\n", store_import_result(b->import)->journal_uuid);
    TAKE(store_import_keep(b->import, tb_str_of(report), &b->e));
    store_import_end(&b->import);
    assert_int_equal(0600, mode_of(&b->f, "tombolo.db"));
    assert_int_equal(0600, mode_of(&b->f, "import.json"));
    fixture_reopen(&b->f);
    assert_int_equal(0, fixture_faults(&b->f));
}

/* sql counts rows of the journal's file that must not be there. */
static void
none(struct bench *b, const char *sql)
{
    char text[256];

    snprintf(text, sizeof text, "CREATE TEMP TABLE bad (x INTEGER CHECK (x = 0)); INSERT INTO bad %s", sql);
    store_close(&b->f.store);
    fixture_sql(&b->f, text);
    fixture_reopen(&b->f);
}

static int64_t
found(const struct bench *b, enum import_table t, enum import_finding f)
{
    return store_import_result(b->import)->tables[t].of[f].n;
}

/* ---- what stands there then ---- */

static void
ids_stay_and_new_ones_follow_the_highest(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b);
    user(&b, 3, "ann@x.test", NOW - 9000);
    user(&b, 40, "bob@x.test", NOW - 8000);
    room(&b, 7, NOW - 7000);
    member(&b, 5, 3, 7, IMPORT_NULL_TIME);
    member(&b, 50, 40, 7, IMPORT_NULL_TIME);
    message(&b, 1000, 3, 7, NOW - 6000);
    message(&b, 2000, 99, 7, NOW - 6000);       /* refused, yet its id has been given */
    keep(&b);
    assert_int_equal(2001, fixture_send(&b.f, 7, 40, "after it"));
    assert_int_equal(41, fixture_user(&b.f, "cid"));
    assert_int_equal(8, fixture_room(&b.f, 3, false));
    assert_int_equal(0, fixture_faults(&b.f));
    close_bench(&b);
}

static void
list(struct bench *b, int64_t user_id, int64_t room_id, struct store_list_messages *out)
{
    *out = (struct store_list_messages){ .room_id = room_id, .user_id = user_id, .limit = 100 };
    TAKE(fixture_call(&b->f, list_messages, out));
}

static void
history_is_in_the_order_of_time_and_id(void **state)
{
    static const struct { int64_t id, at; } sent[] = { { 1, 5000 }, { 2, 3000 }, { 3, 5000 }, { 4, IMPORT_BAD_TIME }, { 5, 9000 } };
    static const int64_t newest_first[] = { 5, 4, 3, 1, 2 }, times[] = { 9000, 5000, 5000, 5000, 3000 };
    struct store_list_messages page;
    struct bench               b;

    (void)state;
    open_bench(&b);
    user(&b, 1, "ann@x.test", 8000);            /* later than what she wrote: that happens, and changes nothing */
    room(&b, 1, 1000);
    member(&b, 1, 1, 1, IMPORT_NULL_TIME);
    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++)
        message(&b, sent[i].id, 1, 1, sent[i].at);
    assert_int_equal(1, found(&b, IMPORT_MESSAGES, IMPORT_NO_TIME));
    keep(&b);
    list(&b, 1, 1, &page);
    assert_int_equal(5, page.n);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(newest_first[i], page.items[i].id);
        assert_int_equal(times[i], page.items[i].created_at);
    }
    store_op_fini(&page.op);
    close_bench(&b);
}

/* The latest wins when sites meet, so one that lies ahead would never be overtaken. */
static void
nobody_was_last_seen_in_the_future(void **state)
{
    static const struct { int64_t last_seen, kept; } rows[] = {
        { NOW - 1, NOW - 1 }, { NOW, NOW }, { NOW + 1, NOW }, { NOW + INT64_C(3000000000000), NOW }, { IMPORT_NULL_TIME, 0 },
    };
    struct bench b;

    (void)state;
    open_bench(&b);
    for (int64_t i = 0; i < 5; i++) {
        char email[24];
        snprintf(email, sizeof email, "u%lld@x.test", (long long)i);
        struct import_user u = { .id = i + 1, .created_at = 1000, .last_seen = rows[i].last_seen, .email = tb_str_of(email),
                                 .username = TB_LIT("u"), .hash = TB_LIT("x") };
        TAKE(store_import_user(b.import, &u, &b.e));
    }
    keep(&b);
    b.f.wall_ms = NOW + INT64_C(4000000000000);
    for (int64_t i = 0; i < 5; i++) {
        struct store_find_user r = { .user_id = i + 1 };
        assert_int_equal(TB_OK, fixture_call(&b.f, find_user, &r));
        assert_int_equal(rows[i].kept, r.user.last_seen);
        store_op_fini(&r.op);
    }
    close_bench(&b);
}

/* A clock that ran ahead must not take ours along: what is written from now on still comes last. */
static void
a_time_that_lies_ahead_is_kept_and_sorted_as_now(void **state)
{
    struct store_list_messages page;
    struct bench               b;

    (void)state;
    open_bench(&b);
    user(&b, 1, "ann@x.test", 1000);
    room(&b, 1, 1000);
    member(&b, 1, 1, 1, 1000);
    message(&b, 1, 1, 1, NOW + INT64_C(3000000000000));
    message(&b, 2, 1, 1, NOW - 1);
    assert_int_equal(1, found(&b, IMPORT_MESSAGES, IMPORT_AHEAD));
    keep(&b);
    none(&b, "SELECT COUNT(*) FROM journal WHERE at >> 16 > 1700000000000");
    b.f.wall_ms = NOW + 1;
    assert_int_equal(3, fixture_send(&b.f, 1, 1, "now"));
    list(&b, 1, 1, &page);
    assert_int_equal(3, page.items[0].id);
    assert_int_equal(1, page.items[1].id);
    assert_int_equal(NOW + INT64_C(3000000000000), page.items[1].created_at);
    assert_int_equal(2, page.items[2].id);
    store_op_fini(&page.op);
    close_bench(&b);
}

static int64_t
unread(struct bench *b, int64_t user_id)
{
    struct store_list_rooms r = { .user_id = user_id };
    TAKE(fixture_call(&b->f, list_rooms, &r));
    assert_int_equal(1, r.n);
    int64_t n = r.rooms[0].unread;
    store_op_fini(&r.op);
    return n;
}

static void
unread_is_what_others_wrote_since_one_joined_and_no_receipt_says_was_read(void **state)
{
    struct store_list_receipts r = { .message_id = 2, .user_id = 1 };
    struct bench               b;

    (void)state;
    open_bench(&b);
    user(&b, 1, "ann@x.test", 1000);
    user(&b, 2, "bob@x.test", 1000);
    user(&b, 3, "cid@x.test", 1000);
    room(&b, 1, 2000);
    member(&b, 1, 1, 1, IMPORT_NULL_TIME);
    member(&b, 2, 2, 1, IMPORT_NULL_TIME);
    member(&b, 3, 3, 1, 5000);
    for (int64_t id = 1; id <= 6; id++)
        message(&b, id, 1, 1, 2000 + id * 1000);        /* 3000 .. 8000 */
    receipt(&b, 1, 1, 2, 3100, 3200);
    receipt(&b, 2, 2, 2, IMPORT_NULL_TIME, 100);        /* read before it was written, says its row */
    receipt(&b, 3, 3, 2, 5100, IMPORT_NULL_TIME);
    receipt(&b, 4, 6, 3, 9000, 8500);
    assert_int_equal(2, found(&b, IMPORT_RECEIPTS, IMPORT_DELIVERED));
    keep(&b);
    assert_int_equal(0, unread(&b, 1));
    assert_int_equal(4, unread(&b, 2));
    assert_int_equal(3, unread(&b, 3));                 /* 3, 4 and 5: message 3 came at the ms he joined, 6 is read */
    TAKE(fixture_call(&b.f, list_receipts, &r));
    assert_int_equal(1, r.n);
    assert_int_equal(100, r.items[0].delivered_at);
    assert_int_equal(100, r.items[0].read_at);
    store_op_fini(&r.op);
    close_bench(&b);
}

/* The old backend sets delivered, read and their times together; other hands have set only the marks. */
static void
a_mark_without_a_time_counts_from_the_delivery_or_the_message(void **state)
{
    enum { NO = -1, BAD = -2, AT = 3000 };      /* message 1 is of AT */
    static const struct { int64_t delivered, read; bool is_delivered, is_read; int64_t want_delivered, want_read; } rows[] = {
        { NO,   NO,   true,  true,  AT,   AT },
        { NO,   NO,   true,  false, AT,   0 },
        { NO,   NO,   false, true,  AT,   AT },
        { 4000, NO,   true,  true,  4000, 4000 },
        { 4000, NO,   true,  false, 4000, 0 },
        { 4000, 5000, false, false, 4000, 5000 },       /* as "going back" once left them */
        { NO,   5000, true,  true,  5000, 5000 },
        { BAD,  BAD,  true,  true,  AT,   AT },
        { 4000, BAD,  true,  false, 4000, 0 },
    };
    enum { ROWS = sizeof rows / sizeof *rows };
    struct store_list_receipts r = { .message_id = 1, .user_id = 1 };
    struct bench               b;

    (void)state;
    open_bench(&b);
    for (int64_t id = 1; id <= ROWS + 1; id++) {
        char email[32];
        snprintf(email, sizeof email, "u%lld@x.test", (long long)id);
        user(&b, id, email, 1000);
    }
    room(&b, 1, 2000);
    for (int64_t id = 1; id <= ROWS + 1; id++)
        member(&b, id, id, 1, IMPORT_NULL_TIME);
    message(&b, 1, 1, 1, AT);
    for (int i = 0; i < ROWS; i++) {
        struct import_receipt row = { .id = i + 1, .message_id = 1, .user_id = i + 2, .delivered_at = rows[i].delivered,
                                      .read_at = rows[i].read, .is_delivered = rows[i].is_delivered, .is_read = rows[i].is_read };
        TAKE(store_import_receipt(b.import, &row, &b.e));
    }
    assert_int_equal(0, store_import_result(b.import)->tables[IMPORT_RECEIPTS].n_refused);
    assert_int_equal(5, found(&b, IMPORT_RECEIPTS, IMPORT_MARKED));
    assert_int_equal(1, found(&b, IMPORT_RECEIPTS, IMPORT_DELIVERED));      /* the row that was read at 5000 only */
    keep(&b);
    TAKE(fixture_call(&b.f, list_receipts, &r));
    assert_int_equal(ROWS, r.n);
    for (int i = 0; i < ROWS; i++) {
        assert_int_equal(rows[i].want_delivered, r.items[i].delivered_at);
        assert_int_equal(rows[i].want_read, r.items[i].read_at);
    }
    store_op_fini(&r.op);
    close_bench(&b);
}

static void
the_lowest_id_keeps_an_email_and_the_others_are_parked(void **state)
{
    struct store_find_login login = { .email = TB_LIT("ann@x.test") };
    struct bench            b;

    (void)state;
    open_bench(&b);
    user(&b, 1, "Ann@X.test", 9000);            /* the lowest id, and yet the latest */
    user(&b, 2, "ann@x.test", 1000);
    user(&b, 3, "  ann@x.TEST ", 2000);
    user(&b, 4, "anne@x.test", 2000);
    assert_int_equal(2, found(&b, IMPORT_USERS, IMPORT_PARKED));
    keep(&b);
    TAKE(fixture_call(&b.f, find_login, &login));
    assert_int_equal(1, login.user.id);
    assert_false(login.is_parked);
    store_op_fini(&login.op);
    close_bench(&b);
}

/* ---- what is refused ---- */

static const char long_text[IMPORT_MAX_CONTENT_BYTES + 1] = { 0 };

static const struct { const char *name; struct import_user u; enum import_finding f; } users[] = {
#define USER(name, id_, email_, username_, hash_, finding) \
    { name, { .id = id_, .email = email_, .username = username_, .hash = hash_, .created_at = 1, .last_seen = 1 }, finding }
    USER("id 0", 0, TB_LIT("a@x"), TB_LIT("a"), BCRYPT, IMPORT_BAD_ID),
    USER("negative id", -1, TB_LIT("a@x"), TB_LIT("a"), BCRYPT, IMPORT_BAD_ID),
    USER("id of another node", INT64_C(1) << 41, TB_LIT("a@x"), TB_LIT("a"), BCRYPT, IMPORT_BAD_ID),
    USER("no e-mail", 1, TB_STR_NULL, TB_LIT("a"), BCRYPT, IMPORT_NULL),
    USER("blank e-mail", 1, TB_LIT(" \t"), TB_LIT("a"), BCRYPT, IMPORT_NO_EMAIL),
    USER("long e-mail", 1, ((tb_str){ long_text, 255 }), TB_LIT("a"), BCRYPT, IMPORT_TOO_LONG),
    USER("no name", 1, TB_LIT("a@x"), TB_STR_NULL, BCRYPT, IMPORT_NULL),
    USER("broken name", 1, TB_LIT("a@x"), TB_LIT("\xff"), BCRYPT, IMPORT_NOT_TEXT),
    USER("long name", 1, TB_LIT("a@x"), ((tb_str){ long_text, 256 }), BCRYPT, IMPORT_TOO_LONG),
    USER("no hash", 1, TB_LIT("a@x"), TB_LIT("a"), TB_STR_NULL, IMPORT_NULL),
    USER("long hash", 1, TB_LIT("a@x"), TB_LIT("a"), ((tb_str){ long_text, 256 }), IMPORT_TOO_LONG),
    USER("a hash of another kind", 1, TB_LIT("a@x"), TB_LIT("a"), TB_LIT("plain"), IMPORT_NO_LOGIN),
    USER("bcrypt too dear", 1, TB_LIT("a@x"), TB_LIT("a"), TB_LIT("$2a$31$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde"),
         IMPORT_DEAR_HASH),
    USER("Argon2id that takes for ever", 1, TB_LIT("a@x"), TB_LIT("a"), TB_LIT("$argon2id$v=19$m=8,t=4294967295,p=1$AAAA$AAAA"),
         IMPORT_DEAR_HASH),
    USER("Argon2id of 4 GiB", 1, TB_LIT("a@x"), TB_LIT("a"), TB_LIT("$argon2id$v=19$m=4194304,t=1,p=1$AAAA$AAAA"),
         IMPORT_DEAR_HASH),
    USER("fine", 1, TB_LIT("a@x"), TB_LIT(""), BCRYPT, IMPORT_FINDING_COUNT),
#undef USER
};

static void
users_are_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        struct bench b;
        open_bench(&b);
        TAKE(store_import_user(b.import, &users[i].u, &b.e));
        for (int f = 0; f < IMPORT_FINDING_COUNT; f++)
            if (found(&b, IMPORT_USERS, (enum import_finding)f) != ((int)users[i].f == f))
                fail_msg("%s: finding %d", users[i].name, f);
        close_bench(&b);
    }
}

static void
what_refers_to_nothing_is_refused_and_named(void **state)
{
    const struct import_result *r;
    struct bench                b;

    (void)state;
    open_bench(&b);
    user(&b, 1, "ann@x.test", 1000);
    user(&b, 2, " ", 1000);
    user(&b, 4, "bob@x.test", 1000);
    room(&b, 1, 1000);
    member(&b, 1, 1, 1, 1000);
    member(&b, 2, 1, 9, 1000);
    member(&b, 3, 2, 1, 1000);
    member(&b, 4, 0, 1, 1000);
    member(&b, 5, 1, 1, 1000);
    message(&b, 1, 1, 1, 1000);
    message(&b, 2, 3, 1, 1000);
    message(&b, 3, 1, 2, 1000);
    receipt(&b, 1, 2, 4, 1, 1);
    receipt(&b, 2, 1, 2, 1, 1);
    receipt(&b, 3, 1, 1, 1, 1);
    receipt(&b, 4, 1, 4, IMPORT_NULL_TIME, IMPORT_BAD_TIME);
    receipt(&b, 5, 0, 4, 1, 1);
    r = store_import_result(b.import);
    assert_int_equal(2, r->tables[IMPORT_MEMBERS].of[IMPORT_NO_ROOM].ids[0]);
    assert_int_equal(3, r->tables[IMPORT_MEMBERS].of[IMPORT_NO_USER].ids[0]);
    assert_int_equal(4, r->tables[IMPORT_MEMBERS].of[IMPORT_NULL].ids[0]);
    assert_int_equal(5, r->tables[IMPORT_MEMBERS].of[IMPORT_TWICE].ids[0]);
    assert_int_equal(2, r->tables[IMPORT_MESSAGES].of[IMPORT_NO_USER].ids[0]);
    assert_int_equal(3, r->tables[IMPORT_MESSAGES].of[IMPORT_NO_ROOM].ids[0]);
    assert_int_equal(1, r->tables[IMPORT_RECEIPTS].of[IMPORT_NO_MESSAGE].ids[0]);
    assert_int_equal(2, r->tables[IMPORT_RECEIPTS].of[IMPORT_NO_USER].ids[0]);
    assert_int_equal(3, r->tables[IMPORT_RECEIPTS].of[IMPORT_OWN_RECEIPT].ids[0]);
    assert_int_equal(4, r->tables[IMPORT_RECEIPTS].of[IMPORT_NO_RECEIPT].ids[0]);
    assert_int_equal(5, r->tables[IMPORT_RECEIPTS].of[IMPORT_NULL].ids[0]);
    assert_int_equal(4, r->tables[IMPORT_MEMBERS].n_refused);
    assert_int_equal(5, r->tables[IMPORT_RECEIPTS].n_refused);
    keep(&b);
    close_bench(&b);
}

static void
a_message_longer_than_any_column_was_meant_for_is_refused(void **state)
{
    struct import_message m = { .id = 1, .sender_id = 1, .room_id = 1, .created_at = 1, .content = { long_text, sizeof long_text } };
    struct bench          b;

    (void)state;
    open_bench(&b);
    user(&b, 1, "ann@x.test", 1);
    room(&b, 1, 1);
    TAKE(store_import_message(b.import, &m, &b.e));
    assert_int_equal(1, found(&b, IMPORT_MESSAGES, IMPORT_TOO_LONG));
    m.id = 2, m.content.n--;
    TAKE(store_import_message(b.import, &m, &b.e));
    assert_int_equal(1, store_import_result(b.import)->tables[IMPORT_MESSAGES].n_refused);
    keep(&b);
    close_bench(&b);
}

/* Rooms say who made them; the old backend did not. */
static void
a_room_without_members_was_made_by_who_wrote_there_first(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b);
    room(&b, 1, 1000);                          /* before anybody: nobody can have made it */
    user(&b, 5, "ann@x.test", 1000);
    user(&b, 6, "bob@x.test", 1000);
    room(&b, 2, 1000);
    room(&b, 3, 1000);
    message(&b, 1, 6, 3, 1000);
    assert_int_equal(1, found(&b, IMPORT_ROOMS, IMPORT_NO_USER));
    keep(&b);
    none(&b, "SELECT COUNT(*) FROM room WHERE (id, created_by) NOT IN (VALUES (2, 5), (3, 6))");
    close_bench(&b);
}

/* ---- all or nothing ---- */

static void
leave_half(const struct fixture *f)      /* as kill -9 does */
{
    char path[128];

    snprintf(path, sizeof path, "%s/import.db", f->dir);
    FILE *half = fopen(path, "w");
    assert_non_null(half);
    fputs("half a journal", half);
    fclose(half);
}

static void
an_import_that_ends_early_leaves_no_journal_and_the_next_begins_again(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b);
    user(&b, 1, "ann@x.test", 1000);
    TAKE(store_import_write(b.import, ignore, NULL, &b.e));
    assert_true(has_file(&b.f, "import.db"));
    assert_false(has_file(&b.f, "tombolo.db"));
    store_import_end(&b.import);
    assert_false(has_file(&b.f, "import.db"));

    leave_half(&b.f);
    TAKE(begin(&b, false));
    user(&b, 1, "ann@x.test", 1000);
    keep(&b);
    assert_false(has_file(&b.f, "import.db"));
    close_bench(&b);
}

static void
a_folder_with_a_journal_is_refused_and_its_report_is_found(void **state)
{
    struct tb_buf report = TB_BUF_INIT;
    struct bench  b;

    (void)state;
    open_bench(&b);
    user(&b, 1, "ann@x.test", 1000);
    keep(&b);
    assert_int_equal(TB_EIO, begin(&b, false));         /* a server has it */
    store_close(&b.f.store);
    assert_int_equal(TB_ETAKEN, begin(&b, false));
    TAKE(store_import_find_report(b.f.dir, &report, &b.e));
    assert_non_null(strstr(report.p, "\"journal\""));
    fixture_forget_id(&b.f);
    remove_file(&b.f, "tombolo.db");                    /* and another one in its place */
    fixture_reopen(&b.f);
    store_close(&b.f.store);
    assert_int_equal(TB_ENOTFOUND, store_import_find_report(b.f.dir, &report, &b.e));
    remove_file(&b.f, "import.json");
    assert_int_equal(TB_ENOTFOUND, store_import_find_report(b.f.dir, &report, &b.e));
    fixture_reopen(&b.f);
    tb_buf_fini(&report);
    close_bench(&b);
}

static void
a_dry_run_judges_and_writes_nothing(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b);
    store_import_end(&b.import);
    remove_file(&b.f, "tombolo.lock");
    TAKE(begin(&b, true));
    user(&b, 1, "ann@x.test", 1000);
    room(&b, 1, 1000);
    message(&b, 1, 2, 1, 1000);
    TAKE(store_import_write(b.import, ignore, NULL, &b.e));
    assert_int_equal(1, found(&b, IMPORT_MESSAGES, IMPORT_NO_USER));
    assert_int_equal(1, found(&b, IMPORT_ROOMS, IMPORT_NO_CREATOR));
    assert_int_equal(0, store_import_result(b.import)->n_ops);
    store_import_end(&b.import);
    DIR *dir = opendir(b.f.dir);
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir))
        assert_int_equal('.', d->d_name[0]);
    closedir(dir);
    fixture_reopen(&b.f);
    close_bench(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_stay_and_new_ones_follow_the_highest),
        cmocka_unit_test(history_is_in_the_order_of_time_and_id),
        cmocka_unit_test(a_time_that_lies_ahead_is_kept_and_sorted_as_now),
        cmocka_unit_test(nobody_was_last_seen_in_the_future),
        cmocka_unit_test(a_mark_without_a_time_counts_from_the_delivery_or_the_message),
        cmocka_unit_test(unread_is_what_others_wrote_since_one_joined_and_no_receipt_says_was_read),
        cmocka_unit_test(the_lowest_id_keeps_an_email_and_the_others_are_parked),
        cmocka_unit_test(users_are_judged),
        cmocka_unit_test(what_refers_to_nothing_is_refused_and_named),
        cmocka_unit_test(a_message_longer_than_any_column_was_meant_for_is_refused),
        cmocka_unit_test(a_room_without_members_was_made_by_who_wrote_there_first),
        cmocka_unit_test(an_import_that_ends_early_leaves_no_journal_and_the_next_begins_again),
        cmocka_unit_test(a_folder_with_a_journal_is_refused_and_its_report_is_found),
        cmocka_unit_test(a_dry_run_judges_and_writes_nothing),
    };
    return tap_run(tests);
}
