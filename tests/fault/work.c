/* Bodies of work.h. A comparison is two queries that must give the same text, one for each database. */
#include "work.h"

#include "base/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_SYNCS = 8,
    LONGEST_WAIT_MS = 60000,        /* for what a busy machine does late */
};

/* ---- work ---- */

static uint64_t
below(struct work *w, uint64_t n)
{
    w->chance ^= w->chance << 13;
    w->chance ^= w->chance >> 7;
    w->chance ^= w->chance << 17;
    return w->chance % n;
}

static const tb_str contents[] = {
    { .p = "plain", .n = 5 },
    { .p = "it's \"quoted\" and \\ back\\'slashed \\\\'", .n = 38 },
    { .p = "nul \0 inside", .n = 12 },
    { .p = "\xF0\x9F\x8F\x9D\xEF\xB8\x8F island \xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x9A\x80", .n = 26 },
    { .p = "'); DROP TABLE `user`; -- ", .n = 26 },
    { .p = "\n\r\t\x1a%_ trailing  ", .n = 17 },
    { .p = "\xC3\x84 a \xE4\xBD\xA0\xE5\xA5\xBD", .n = 11 },
    { .p = "x", .n = 1 },
};

static tb_str
some_content(struct work *w)
{
    return contents[below(w, sizeof contents / sizeof *contents)];
}

void
work_begin(struct work *w, struct fixture *f, uint64_t seed)
{
    *w = (struct work){ .f = f, .chance = seed | 1 };
    for (int i = 0; i < WORK_USERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "User%d", i);
        w->users[i] = fixture_user(f, name);
    }
    for (int i = 0; i < WORK_ROOMS; i++) {
        w->rooms[i] = fixture_room(f, w->users[i], i == 2);
        for (int k = 0; k < WORK_USERS; k++)
            assert_int_equal(TB_OK, fixture_join(f, w->rooms[i], w->users[k], w->users[i == 2 ? i : k]));
    }
}

static int64_t
some_user(struct work *w)
{
    return w->users[below(w, WORK_USERS)];
}

static int64_t
some_room(struct work *w)
{
    return w->rooms[below(w, WORK_ROOMS)];
}

static void
send(struct work *w)
{
    int64_t                  user = some_user(w), room = some_room(w);
    struct store_add_message r = { .room_id = room, .sender_id = user, .content = some_content(w) };
    enum tb_code             code = fixture_call(w->f, add_message, &r);

    assert_true(code == TB_OK || code == TB_EDENIED);      /* he may have left */
    if (code == TB_OK) {
        w->last_message = r.message.id;
        w->n_messages++;
    }
    store_op_fini(&r.op);
}

static void
receive(struct work *w, bool is_read)
{
    int64_t ids[4], user = some_user(w), room = some_room(w);

    for (int i = 0; i < 4; i++)
        ids[i] = 1 + (int64_t)below(w, (uint64_t)w->last_message + 1);
    if (is_read) {
        struct store_add_read r = { .user_id = user, .message_ids = ids, .n = 4 };
        assert_int_equal(TB_OK, fixture_call(w->f, add_read, &r));
        store_op_fini(&r.op);
    } else {
        struct store_receipts_of   of = { .room_id = room, .user_id = user, .message_ids = ids, .n = 4 };
        struct store_add_delivered r = { .of = &of, .n = 1 };
        assert_int_equal(TB_OK, fixture_call(w->f, add_delivered, &r));
        store_op_fini(&r.op);
    }
}

static void
change_membership(struct work *w)
{
    int64_t                    user = some_user(w), room = w->rooms[below(w, 2)];
    struct store_remove_member r = { .room_id = room, .user_id = user };
    enum tb_code               code = fixture_call(w->f, remove_member, &r);

    store_op_fini(&r.op);
    if (code == TB_ENOTFOUND)
        assert_int_equal(TB_OK, fixture_join(w->f, room, user, user));
    else
        assert_int_equal(TB_OK, code);
}

static void
change_user(struct work *w)
{
    char                     email[64];
    uint64_t                 which = 1 + below(w, 7);
    struct store_change_user r = { .user_id = some_user(w) };

    snprintf(email, sizeof email, " Person%" PRIu64 "@X.test", below(w, 1000000));
    if (which & 1)
        r.email = tb_str_of(email);
    if (which & 2)
        r.username = some_content(w);
    if (which & 4)
        r.password_hash = some_content(w);
    enum tb_code code = fixture_call(w->f, change_user, &r);
    assert_true(code == TB_OK || code == TB_ETAKEN);
    store_op_fini(&r.op);
}

static void
see(struct work *w)
{
    struct store_seen          one = { .user_id = some_user(w), .at = w->f->wall_ms };
    struct store_seen          other = { .user_id = some_user(w), .at = 1 };
    struct store_seen          users[2] = { one, other };
    struct store_set_last_seen r = { .users = users, .n = 2 };

    assert_int_equal(TB_OK, fixture_call(w->f, set_last_seen, &r));
    store_op_fini(&r.op);
}

void
work_do(struct work *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t what = below(w, 20);
        w->f->wall_ms += (int64_t)below(w, 3);
        if (what < 11)
            send(w);
        else if (what < 14)
            receive(w, false);
        else if (what < 16)
            receive(w, true);
        else if (what < 17)
            see(w);
        else if (what < 18)
            change_user(w);
        else
            change_membership(w);
    }
}

/* ---- sync ---- */

struct sync *
work_sync(struct fixture *f, const char *url)
{
    return work_sync_patient(f, url, 2000);
}

static struct sync *open_ones[MAX_SYNCS];

static struct sync **
place_of(const struct sync *s)
{
    for (size_t i = 0; i < MAX_SYNCS; i++)
        if (open_ones[i] == s)
            return &open_ones[i];
    fail_msg("more than %d at once, or not opened here", MAX_SYNCS);
    return NULL;
}

static struct sync *
open_sync(struct fixture *f, const char *url, struct sync_settings settings)
{
    struct sync **place = place_of(NULL);
    struct tb_err e = { 0 };

    settings.store = f->store;
    settings.url = url;
    settings.batch = 100;
    if (settings.connect_timeout_ms == 0)
        settings.connect_timeout_ms = 1000;
    settings.lease_days = WORK_LEASE_DAYS;
    if (sync_open(place, &settings, &e) != TB_OK)
        fail_msg("sync_open: %s", e.why);
    return *place;
}

void
work_end(struct sync **s)
{
    if (*s != NULL)
        *place_of(*s) = NULL;
    sync_close(s);
}

void
work_end_all(void)
{
    for (size_t i = 0; i < MAX_SYNCS; i++)
        sync_close(&open_ones[i]);
}

int
work_teardown(void **state)
{
    (void)state;
    work_end_all();
    log_divert(NULL);
    return 0;
}

struct sync *
work_sync_patient(struct fixture *f, const char *url, int io_timeout_ms)
{
    return open_sync(f, url, (struct sync_settings){ .clock = &tb_clock_system, .io_timeout_ms = io_timeout_ms });
}

struct sync *
work_sync_forgetful(struct fixture *f, const char *url)
{
    return open_sync(f, url, (struct sync_settings){ .clock = &tb_clock_system, .io_timeout_ms = 2000,
                                                     .keep_days = WORK_KEEP_DAYS });
}

struct sync *
work_sync_untimed(struct fixture *f, const char *url)
{
    return open_sync(f, url, (struct sync_settings){ .clock = &f->clock, .connect_timeout_ms = LONGEST_WAIT_MS,
                                                     .io_timeout_ms = LONGEST_WAIT_MS });
}

void
work_wait(const struct sync *s, enum sync_link state)
{
    const int64_t      until = tb_mono_ms(&tb_clock_system) + LONGEST_WAIT_MS;
    struct timespec    step = { .tv_nsec = 2000000 };
    struct sync_status now;

    for (;;) {
        sync_status(s, &now);
        if (now.state == state && (state != SYNC_UP || now.lag_ops == 0))
            return;
        if (tb_mono_ms(&tb_clock_system) > until)
            fail_msg("sync is %s and %" PRId64 " ops behind, wanted %s", sync_link_name(now.state), now.lag_ops,
                     sync_link_name(state));
        nanosleep(&step, NULL);
    }
}

static pthread_mutex_t heard_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tb_buf   heard;

static void
keep_line(tb_str line)
{
    pthread_mutex_lock(&heard_lock);
    tb_buf_add(&heard, line);
    pthread_mutex_unlock(&heard_lock);
}

void
work_listen(void)
{
    pthread_mutex_lock(&heard_lock);
    tb_buf_fini(&heard);
    pthread_mutex_unlock(&heard_lock);
    log_divert(keep_line);
}

bool
work_heard(const char *text)
{
    pthread_mutex_lock(&heard_lock);
    bool found = heard.p != NULL && strstr(heard.p, text) != NULL;
    pthread_mutex_unlock(&heard_lock);
    return found;
}

char *
work_lines(void)
{
    pthread_mutex_lock(&heard_lock);
    char *all = tb_str_to_c(tb_buf_str(&heard));
    pthread_mutex_unlock(&heard_lock);
    return all;
}

void
work_await_line(const char *text)
{
    const int64_t   until = tb_mono_ms(&tb_clock_system) + LONGEST_WAIT_MS;
    struct timespec step = { .tv_nsec = 2000000 };

    while (!work_heard(text)) {
        if (tb_mono_ms(&tb_clock_system) > until)
            fail_msg("the log never said '%s', but: %s", text, work_lines());
        nanosleep(&step, NULL);
    }
}

/* ---- comparing ---- */

#define MS(column) "COALESCE(TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', " column ") DIV 1000, 0)"

/* A query's second line stands under its first. */
/* clang-format off */
static const struct { const char *what, *journal, *centre; } comparisons[] = {
    { "op_log", "SELECT node, seq, at, kind, version, hex(chain), hex(body) FROM journal ORDER BY node, seq",
      "SELECT node, seq, at, kind, version, HEX(chain), HEX(body) FROM op_log ORDER BY node, seq" },
    { "user", "SELECT id, hlc, created_at, hex(email), email_stamp, email_node, hex(username), username_stamp, username_node,"
      " hex(password), password_stamp, password_node, last_seen FROM user ORDER BY id",
      "SELECT id, hlc, " MS("created_at") ", HEX(email), email_stamp, email_node, HEX(username), username_stamp,"
      " username_node, HEX(password), password_stamp, password_node, " MS("last_seen") " FROM user ORDER BY id" },
    { "email_claim", "SELECT hex(email_key), id, email_stamp, email_node FROM user WHERE email_parked = 0 ORDER BY id",
      "SELECT HEX(c.`key`), c.user_id, c.stamp, c.node FROM email_claim c JOIN user u ON u.id = c.user_id"
      " AND u.email_stamp = c.stamp AND u.email_node = c.node WHERE c.parked_stamp < c.stamp ORDER BY c.user_id" },
    { "room", "SELECT id, hlc, hex(name), hlc, id >> 41, is_private, created_by, created_at FROM room ORDER BY id",
      "SELECT id, hlc, HEX(name), name_stamp, name_node, is_private, created_by, " MS("created_at") " FROM room ORDER BY id" },
    { "member", "SELECT room_id, user_id, is_member, stamp, node, id * is_member, joined_at * is_member FROM member"
      " ORDER BY room_id, user_id",
      "SELECT room_id, user_id, is_member, stamp, node, id, " MS("joined_at") " FROM member ORDER BY room_id, user_id" },
    { "message", "SELECT id, room_id, sender_id, hlc, created_at, hex(content) FROM message ORDER BY id",
      "SELECT id, room_id, sender_id, hlc, " MS("created_at") ", HEX(content) FROM message ORDER BY id" },
    { "receipt", "SELECT message_id, user_id, COALESCE(delivered_at, 0), COALESCE(read_at, 0) FROM receipt"
      " ORDER BY message_id, user_id",
      "SELECT message_id, user_id, " MS("delivered_at") ", " MS("read_at") " FROM receipt ORDER BY message_id, user_id" },
};
/* clang-format on */

char *
work_dump(const char *folder, const char *sql)
{
    struct tb_buf out = TB_BUF_INIT;
    char          path[128];
    sqlite3      *db;
    sqlite3_stmt *st;
    size_t        n;

    snprintf(path, sizeof path, "%s/tombolo.db", folder);
    assert_int_equal(SQLITE_OK, sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL));
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(st) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(st); i++)
            tb_buf_printf(&out, "%s%s", i > 0 ? " " : "", (const char *)sqlite3_column_text(st, i));
        tb_buf_add_char(&out, '\n');
    }
    sqlite3_finalize(st);
    sqlite3_close(db);
    return tb_buf_take(&out, &n);
}

static void
compare_text(const char *what, const char *journal, const char *centre)
{
    size_t line = 1, start = 0, i = 0;

    for (; journal[i] == centre[i] && journal[i] != '\0'; i++)
        if (journal[i] == '\n')
            line++, start = i + 1;
    if (journal[i] != centre[i])
        fail_msg("%s, row %zu: here %.300s ... there %.300s", what, line, journal + start, centre + start);
}

static void
compare(const char *folder, const char *what, const char *journal, struct centre *c, const char *centre)
{
    char *here = work_dump(folder, journal), *there = centre_dump(c, centre);

    compare_text(what, here, there);
    tb_free(here);
    tb_free(there);
}

/* What the centre knows of this site itself. */
static void
compare_site(const char *folder, struct centre *c)
{
    char *node = work_dump(folder, "SELECT node FROM self"), sql[128];

    snprintf(sql, sizeof sql, "SELECT id, HEX(uuid), epoch, last_seq, HEX(chain) FROM site WHERE id = %s", node);
    compare(folder, "site", "SELECT node, hex(uuid), epoch, seq, hex(chain) FROM self", c, sql);
    tb_free(node);
}

/* Both in the order of (node, seq), which every line begins with. */
static bool
comes_before(const char *a, const char *b)
{
    char *rest_a, *rest_b;
    long node_a = strtol(a, &rest_a, 10), node_b = strtol(b, &rest_b, 10);

    return node_a != node_b ? node_a < node_b : strtol(rest_a, NULL, 10) < strtol(rest_b, NULL, 10);
}

static const char *
next_line(const char *line)
{
    return strchr(line, '\n') + 1;
}

/* Here: what is above the floor there. There: what a journal that took the tables has not got is none of its concern. */
static void
compare_logs(const char *here, const char *there)
{
    while (*here != '\0') {
        while (*there != '\0' && comes_before(there, here))
            there = next_line(there);
        size_t n = (size_t)(next_line(here) - here);
        if (strncmp(here, there, n) != 0)
            fail_msg("op_log: here %.300s ... there %.300s", here, there);
        here = next_line(here);
    }
}

void
work_compare_kept(struct fixture *f, struct centre *c)
{
    char *holes = centre_dump(
        c, "SELECT s.id, s.floor, s.last_seq, COUNT(o.seq), MIN(o.seq), MAX(o.seq) FROM site s LEFT JOIN op_log"
           " o ON o.node = s.id AND o.seq > s.floor GROUP BY s.id, s.floor, s.last_seq HAVING"
           " COUNT(o.seq) <> s.last_seq - s.floor OR MAX(o.seq) <> s.last_seq");
    char *there = centre_dump(c, comparisons[0].centre);
    char *floors = centre_dump(
        c, "SELECT COALESCE(GROUP_CONCAT(CONCAT(' OR (node = ', id, ' AND seq > ', floor, ')') SEPARATOR ''), '')"
           " FROM site");
    struct tb_buf sql = TB_BUF_INIT;

    assert_string_equal("", holes);
    floors[strlen(floors) - 1] = '\0';
    tb_buf_printf(
        &sql,
        "SELECT node, seq, at, kind, version, hex(chain), hex(body) FROM journal WHERE seq > 0 AND body <> '' AND"
        " (0%s) ORDER BY node, seq",
        floors);
    char *here = work_dump(f->dir, sql.p);
    compare_logs(here, there);
    for (size_t i = 1; i < sizeof comparisons / sizeof *comparisons; i++)
        compare(f->dir, comparisons[i].what, comparisons[i].journal, c, comparisons[i].centre);
    compare_site(f->dir, c);
    tb_buf_fini(&sql);
    tb_free(holes), tb_free(there), tb_free(floors), tb_free(here);
}

void
work_compare_folder(const char *folder, struct centre *c)
{
    for (size_t i = 0; i < sizeof comparisons / sizeof *comparisons; i++)
        compare(folder, comparisons[i].what, comparisons[i].journal, c, comparisons[i].centre);
    compare_site(folder, c);
}

void
work_compare(struct fixture *f, struct centre *c)
{
    work_compare_folder(f->dir, c);
}
