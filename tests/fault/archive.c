/* Older pages from a real MariaDB: the server forgets what is there, and its pages are what they were. Without the centre they end
 * early, say so, and cost nobody a time-out. */
#include "fault/centre.h"

#include "base/thread.h"
#include "config/config.h"
#include "folder.h"
#include "rig/http.h"
#include "serve/serve.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DAY_MS = 86400000, KEEP_DAYS = 7, MESSAGES = 60, MOST_ITEMS = 200 };

static struct centre   centre;
static struct server  *server;
static _Atomic int64_t passed_ms;
static char            dir[64], *ann, *bob, *eve;
static int64_t         room;

static int64_t
wall(void *ctx)
{
    (void)ctx;
    return tb_wall_ms(&tb_clock_system) + passed_ms;
}

static int64_t
mono(void *ctx)
{
    (void)ctx;
    return tb_mono_us(&tb_clock_system);
}

static const struct tb_clock test_clock = { .wall_ms = wall, .mono_us = mono };

/* ---- the server and its clients ---- */

static void
open_server(unsigned keep_days)
{
    struct serve_parts parts = { .clock = &test_clock };
    struct tb_buf      text = TB_BUF_INIT;
    struct tb_config   config;
    struct tb_err      e = { 0 };

    tb_buf_printf(&text, "[server]\nhost = 127.0.0.1\nport = 0\ndata = %s\n[auth]\npassword_cost = min\ntoken_days = 1000\n"
                  "[limit]\nmessages = 0\n[journal]\nreserve_mb = 0\n[log]\nlevel = error\n[history]\nkeep_days = %u\n"
                  "timeout_ms = 1000\n[sync]\nio_timeout_ms = 1000\nconnect_timeout_ms = 1000\nurl = %s\n", dir, keep_days,
                  centre.url);
    if (tb_config_parse(&config, "test", tb_buf_str(&text), &e) != TB_OK || serve_open(&server, &config, &parts, &e) != TB_OK)
        fail_msg("%s", e.why);
    tb_config_fini(&config);
    tb_buf_fini(&text);
}

static struct rig_reply
call(const char *token, const char *method, const char *path, const char *body)
{
    struct rig_request q = { .method = method, .path = path, .token = token, .body = body };
    return rig_http_read(rig_http_send(serve_port(server), &q));
}

static int64_t
make(const char *token, const char *path, const char *body)
{
    struct rig_reply r = call(token, "POST", path, body);
    int64_t          id = rig_reply_int(&r, "id");
    if (r.status / 100 != 2)
        fail_msg("%s: %s", path, r.text);
    rig_reply_fini(&r);
    return id;
}

/* The first write of a new journal is busy until the journal has met its centre. */
static char *
sign_up(const char *name)
{
    char             body[128];
    struct rig_reply r;

    snprintf(body, sizeof body, "{\"email\":\"%s@x.test\",\"username\":\"%s\",\"password\":\"password1\"}", name, name);
    while (r = call(NULL, "POST", "/auth/register", body), r.status == 503) {
        rig_reply_fini(&r);
        usleep(20000);
    }
    char *token = tb_str_to_c(tb_str_of(rig_reply_text(&r, "token")));
    rig_reply_fini(&r);
    return token;
}

static int64_t
send_text(const char *token, int64_t to, int n)
{
    char body[128];
    snprintf(body, sizeof body, "{\"roomId\":%lld,\"content\":\"message %d \\ud83c\\udfdd\"}", (long long)to, n);
    return make(token, "/messages", body);
}

/* ---- what there is, here ---- */

static int64_t
here(const char *sql)
{
    char          path[128];
    sqlite3      *db;
    sqlite3_stmt *st;
    snprintf(path, sizeof path, "%s/tombolo.db", dir);
    assert_int_equal(SQLITE_OK, sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL));
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(SQLITE_OK, sqlite3_prepare_v2(db, sql, -1, &st, NULL));
    assert_int_equal(SQLITE_ROW, sqlite3_step(st));
    int64_t v = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return v;
}

static void
await(const char *sql, int64_t want)
{
    for (int64_t until = tb_mono_ms(&tb_clock_system) + 60000; here(sql) != want; usleep(20000))
        if (tb_mono_ms(&tb_clock_system) > until)
            fail_msg("%s is %lld, not %lld", sql, (long long)here(sql), (long long)want);
}

static void
await_level(void)
{
    await("SELECT seq - pushed_seq FROM self", 0);
}

static void
await_link(const char *state)
{
    for (int64_t until = tb_mono_ms(&tb_clock_system) + 60000;; usleep(20000)) {
        struct rig_reply r = call(ann, "GET", "/sync", NULL);
        bool             is_it = strcmp(rig_reply_text(&r, "state"), state) == 0;
        rig_reply_fini(&r);
        if (is_it)
            return;
        if (tb_mono_ms(&tb_clock_system) > until)
            fail_msg("the link is not %s", state);
    }
}

/* ---- pages ---- */

struct pages {                  /* a room from the newest to the oldest, page by page */
    int64_t ids[MOST_ITEMS];
    char   *texts[MOST_ITEMS];  /* each item as JSON, without its syncedAt */
    size_t  n, n_partial;
};

static struct rig_reply
page(const char *token, int64_t of, int limit, int64_t cursor)
{
    char path[128];
    snprintf(path, sizeof path, "/messages/rooms/%lld/messages?limit=%d", (long long)of, limit);
    if (cursor > 0)
        snprintf(path + strlen(path), sizeof path - strlen(path), "&cursor=%lld", (long long)cursor);
    return call(token, "GET", path, NULL);
}

static bool
is_partial(const struct rig_reply *r)
{
    return json_is_true(json_object_get(r->json, "partial"));
}

static void
walk(struct pages *p, const char *token, int limit, bool is_at_centre)
{
    int64_t cursor = 0;

    *p = (struct pages){ 0 };
    do {
        struct rig_reply r = page(token, room, limit, cursor);
        json_t          *items = json_object_get(r.json, "items"), *item;
        size_t           i;
        if (r.status != 200)
            fail_msg("%s", r.text);
        json_array_foreach (items, i, item) {
            assert_true(p->n < MOST_ITEMS);
            assert_true(!is_at_centre || json_is_string(json_object_get(item, "syncedAt")));
            json_object_del(item, "syncedAt");
            p->ids[p->n] = json_integer_value(json_object_get(item, "id"));
            p->texts[p->n++] = json_dumps(item, JSON_SORT_KEYS);
        }
        p->n_partial += is_partial(&r);
        cursor = rig_reply_int(&r, "nextCursor");
        rig_reply_fini(&r);
    } while (cursor > 0);
}

static void
forget(struct pages *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->texts[i]);
}

static void
expect_same(const struct pages *want, const struct pages *got)
{
    assert_int_equal(0, got->n_partial);
    assert_int_equal(want->n, got->n);
    for (size_t i = 0; i < want->n; i++)
        assert_string_equal(want->texts[i], got->texts[i]);
}

static struct pages before;     /* as they were while all was here */

/* ---- the tests, in order: each goes on where the last one ended ---- */

static void
pages_are_the_same_once_most_of_the_room_has_left(void **state)
{
    char body[64];
    (void)state;
    ann = sign_up("ann"), bob = sign_up("bob"), eve = sign_up("eve");
    room = make(ann, "/rooms", "{\"name\":\"bridge\"}");
    snprintf(body, sizeof body, "{\"roomId\":%lld}", (long long)room);
    make(bob, "/rooms/join", body);
    for (int i = 0; i < MESSAGES; i++)
        send_text(i % 3 == 0 ? bob : ann, room, i);
    make(bob, "/messages/read", "{\"messageIds\":[2,3,5]}");
    passed_ms += DAY_MS;
    for (int i = 0; i < 5; i++)
        send_text(ann, room, MESSAGES + i);
    await_level();
    walk(&before, ann, 100, false);
    assert_int_equal(MESSAGES + 5, before.n);
    passed_ms += (int64_t)KEEP_DAYS * DAY_MS;
    send_text(bob, make(bob, "/rooms", "{\"name\":\"elsewhere\"}"), 0);
    await("SELECT COUNT(*) FROM message WHERE room_id = 1", 5);
    await_level();
    for (int limit = 1; limit <= 70; limit += limit < 8 ? 1 : 9) {
        struct pages now;
        walk(&now, limit % 2 ? ann : bob, limit, true);
        expect_same(&before, &now);
        forget(&now);
    }
}

static void
each_message_of_the_room_is_a_cursor_and_none_of_another_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < before.n; i++) {
        struct rig_reply r = page(ann, room, 1, before.ids[i]);
        json_t          *items = json_object_get(r.json, "items");
        assert_int_equal(i + 1 < before.n ? 1 : 0, json_array_size(items));
        if (i + 1 < before.n)
            assert_int_equal(before.ids[i + 1], json_integer_value(json_object_get(json_array_get(items, 0), "id")));
        rig_reply_fini(&r);
    }
    int64_t elsewhere = make(ann, "/rooms", "{\"name\":\"other\"}");
    struct rig_reply r = page(ann, elsewhere, 5, before.ids[before.n - 1]);
    assert_int_equal(400, r.status);
    assert_string_equal("Invalid cursor", rig_reply_text(&r, "message"));
    rig_reply_fini(&r);
    r = page(ann, room, 1, 9999);       /* no message: behind all that there are */
    assert_int_equal(before.ids[0], json_integer_value(json_object_get(json_array_get(json_object_get(r.json, "items"), 0), "id")));
    rig_reply_fini(&r);
    r = page(eve, room, 5, before.ids[before.n - 1]);
    assert_int_equal(403, r.status);
    rig_reply_fini(&r);
}

/* A message that somebody deleted at the centre, say: by their ids its place is between those of its neighbours. */
static void
an_id_that_the_centre_has_no_more_is_a_place_too(void **state)
{
    static const size_t from_the_oldest[] = { 3, 1 };
    char                sql[120];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        size_t  at = before.n - from_the_oldest[i];
        int64_t id = before.ids[at];
        snprintf(sql, sizeof sql, "UPDATE chat.message SET id = 5000000 WHERE id = %lld", (long long)id);
        centre_sql(&centre, sql);
        struct rig_reply r = page(ann, room, 1, id);
        json_t          *items = json_object_get(r.json, "items");
        assert_int_equal(200, r.status);
        assert_int_equal(at + 1 < before.n ? 1 : 0, json_array_size(items));
        if (at + 1 < before.n)
            assert_int_equal(before.ids[at + 1], json_integer_value(json_object_get(json_array_get(items, 0), "id")));
        rig_reply_fini(&r);
        snprintf(sql, sizeof sql, "UPDATE chat.message SET id = %lld WHERE id = 5000000", (long long)id);
        centre_sql(&centre, sql);
    }
}

static void
receipts_of_what_has_left_come_from_the_centre(void **state)
{
    (void)state;
    struct rig_reply r = call(ann, "GET", "/messages/2/receipts", NULL);
    json_t          *one = json_array_get(json_object_get(r.json, "items"), 0);
    assert_int_equal(200, r.status);
    assert_int_equal(1, json_array_size(json_object_get(r.json, "items")));
    assert_int_equal(2, json_integer_value(json_object_get(one, "userId")));
    assert_true(json_is_string(json_object_get(one, "readAt")) && !is_partial(&r));
    rig_reply_fini(&r);
    r = call(eve, "GET", "/messages/2/receipts", NULL);
    assert_int_equal(404, r.status);
    rig_reply_fini(&r);
    r = call(ann, "GET", "/messages/5000/receipts", NULL);
    assert_int_equal(404, r.status);
    rig_reply_fini(&r);
}

/* The link of history is another one than sync's, and rests for up to 3 s after a failure. */
static void
await_history(void)
{
    await_link("up");
    for (int64_t until = tb_mono_ms(&tb_clock_system) + 60000;; usleep(20000)) {
        struct rig_reply r = page(ann, room, 10, before.ids[30]);
        bool             is_whole = r.status == 200 && !is_partial(&r);
        rig_reply_fini(&r);
        if (is_whole)
            return;
        if (tb_mono_ms(&tb_clock_system) > until)
            fail_msg("history is still without the centre");
    }
}

/* What is here, then its end, which says that it is none; and quickly, since the link is known to be down. */
static void
expect_partial(void)
{
    struct pages now;
    int64_t      began = tb_mono_ms(&tb_clock_system);

    for (int i = 0; i < 20; i++) {
        walk(&now, ann, 3, false);
        assert_int_equal(5, now.n);
        assert_int_equal(2, now.n_partial);     /* the page that ends early, and the empty one after it */
        for (size_t k = 0; k < now.n; k++)
            assert_int_equal(before.ids[k], now.ids[k]);
        forget(&now);
    }
    struct rig_reply r = page(ann, room, 10, before.ids[30]);
    assert_true(r.status == 200 && is_partial(&r) && json_array_size(json_object_get(r.json, "items")) == 0);
    rig_reply_fini(&r);
    r = call(ann, "GET", "/messages/2/receipts", NULL);
    assert_true(r.status == 200 && is_partial(&r) && json_array_size(json_object_get(r.json, "items")) == 0);
    rig_reply_fini(&r);
    assert_true(tb_mono_ms(&tb_clock_system) - began < 3000);   /* over 60 requests */
}

static void
expect_whole(void)
{
    struct pages now;
    walk(&now, ann, 7, true);
    expect_same(&before, &now);
    forget(&now);
}

static void
without_the_centre_a_page_ends_early_and_goes_on_without_a_gap_when_it_is_back(void **state)
{
    (void)state;
    centre_kill(&centre);
    await_link("down");
    expect_partial();
    struct rig_reply r = page(ann, room, 8, 0);     /* 5 are here */
    assert_true(is_partial(&r));
    int64_t cursor = rig_reply_int(&r, "nextCursor");
    assert_int_equal(before.ids[4], cursor);
    rig_reply_fini(&r);
    centre_resume(&centre);
    await_history();
    r = page(ann, room, 8, cursor);
    assert_true(!is_partial(&r));
    assert_int_equal(before.ids[5], json_integer_value(json_object_get(
                         json_array_get(json_object_get(r.json, "items"), 0), "id")));
    rig_reply_fini(&r);
    expect_whole();
}

static void
a_dead_link_costs_the_first_who_ask_a_time_out_and_nobody_after_them(void **state)
{
    (void)state;
    centre_freeze(&centre);
    int64_t          began = tb_mono_ms(&tb_clock_system);
    int              fds[40];
    struct rig_request q = { .method = "GET", .path = "/messages/rooms/1/messages?limit=50", .token = ann };
    for (size_t i = 0; i < 40; i++)
        fds[i] = rig_http_send(serve_port(server), &q);
    for (size_t i = 0; i < 40; i++) {
        struct rig_reply r = rig_http_read(fds[i]);
        assert_true(r.status == 200 && is_partial(&r));
        rig_reply_fini(&r);
    }
    assert_true(tb_mono_ms(&tb_clock_system) - began < 5000);
    await_link("down");
    expect_partial();
    centre_thaw(&centre);
    await_history();
    expect_whole();
}

static void
many_at_once_are_all_answered_some_of_them_in_part(void **state)
{
    int                fds[150];
    size_t             n_whole = 0;
    struct rig_request q = { .method = "GET", .path = "/messages/rooms/1/messages?limit=50", .token = ann };
    (void)state;
    for (size_t i = 0; i < 150; i++)
        fds[i] = rig_http_send(serve_port(server), &q);
    for (size_t i = 0; i < 150; i++) {
        struct rig_reply r = rig_http_read(fds[i]);
        size_t           n = json_array_size(json_object_get(r.json, "items"));
        assert_int_equal(200, r.status);
        assert_int_equal(is_partial(&r) ? 5 : 50, n);
        n_whole += !is_partial(&r);
        rig_reply_fini(&r);
    }
    assert_true(n_whole > 0);
}

static void
the_server_stops_in_time_while_somebody_waits_for_a_dead_link(void **state)
{
    struct rig_request q = { .method = "GET", .path = "/messages/rooms/1/messages?limit=50", .token = ann };
    (void)state;
    centre_freeze(&centre);
    int fd = rig_http_send(serve_port(server), &q);
    for (int i = 0; i < 2; i++) {       /* answered after the other has been read: there is one loop */
        struct rig_reply after = call(NULL, "GET", "/", NULL);
        rig_reply_fini(&after);
    }
    int64_t began = tb_mono_ms(&tb_clock_system);
    serve_close(&server);
    assert_true(tb_mono_ms(&tb_clock_system) - began < 10000);
    struct rig_reply r = rig_http_read(fd);
    assert_true(r.status == 200 && is_partial(&r));
    rig_reply_fini(&r);
    centre_thaw(&centre);
}

static void
what_has_left_stays_readable_when_nothing_leaves_any_more(void **state)
{
    (void)state;
    open_server(0);
    await_history();
    expect_whole();
}

static int
set_up(void **state)
{
    (void)state;
    tb_thread_become(TB_MAIN);
    folder_name(dir, sizeof dir, "archive");
    assert_non_null(mkdtemp(dir));
    centre_start(&centre, NULL);
    open_server(KEEP_DAYS);
    return 0;
}

static int
tear_down(void **state)
{
    static const char *const names[] = { "tombolo.db", "tombolo.db-wal", "tombolo.db-shm", "tombolo.lock", "jwt.secret", "journal.id" };
    char                     path[128];
    (void)state;
    serve_close(&server);
    centre_stop(&centre);
    forget(&before);
    tb_free(ann), tb_free(bob), tb_free(eve);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_the_same_once_most_of_the_room_has_left),
        cmocka_unit_test(each_message_of_the_room_is_a_cursor_and_none_of_another_is),
        cmocka_unit_test(an_id_that_the_centre_has_no_more_is_a_place_too),
        cmocka_unit_test(receipts_of_what_has_left_come_from_the_centre),
        cmocka_unit_test(without_the_centre_a_page_ends_early_and_goes_on_without_a_gap_when_it_is_back),
        cmocka_unit_test(a_dead_link_costs_the_first_who_ask_a_time_out_and_nobody_after_them),
        cmocka_unit_test(many_at_once_are_all_answered_some_of_them_in_part),
        cmocka_unit_test(the_server_stops_in_time_while_somebody_waits_for_a_dead_link),
        cmocka_unit_test(what_has_left_stays_readable_when_nothing_leaves_any_more),
    };
    return tap_run_with(tests, set_up, tear_down);
}
