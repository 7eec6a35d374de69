/* Bodies of fixture.h. */
#include "fixture.h"

#include "folder.h"
#include "journal_id.h"
#include "store/check.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int64_t
wall(void *ctx)
{
    return ((struct fixture *)ctx)->wall_ms;
}

static int64_t
mono(void *ctx)
{
    return ((struct fixture *)ctx)->mono_us;
}

static void
open_store(struct fixture *f)
{
    struct tb_err e = { 0 };
    if (store_open(&f->store, &f->settings, &e) != TB_OK)
        fail_msg("store_open: %s", e.why);
}

void
fixture_open(struct fixture *f)
{
    *f = (struct fixture){ .wall_ms = 1700000000000, .mono_us = 1000000 };
    folder_name(f->dir, sizeof f->dir, "unit");
    assert_non_null(mkdtemp(f->dir));
    f->clock = (struct tb_clock){ .wall_ms = wall, .mono_us = mono, .ctx = f };
    f->settings = (struct store_settings){ .dir = f->dir, .clock = &f->clock, .queue = 1000, .reader_queue = 1000, .batch = 256,
                                           .members_per_room = 10, .rooms_per_user = 10, .key_keep_days = 7 };
    f->inbox = tb_mailbox_new(1, NULL, NULL);
    open_store(f);
}

void
fixture_reopen(struct fixture *f)
{
    store_close(&f->store);
    open_store(f);
}

void
fixture_close(struct fixture *f)
{
    static const char *const files[] = { "tombolo.db", "tombolo.db-wal", "tombolo.db-shm", "tombolo.lock", "journal.id" };
    char                     path[128];

    store_close(&f->store);
    tb_mailbox_free(&f->inbox);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", f->dir, files[i]);
        unlink(path);
    }
    rmdir(f->dir);
}

static void
heard(struct store_op *op)
{
    (void)op;
}

struct store_op *
fixture_prepare(struct fixture *f, struct store_op *op)
{
    op->reply_to = f->inbox;
    op->on_done = heard;
    return op;
}

void
fixture_wait(struct fixture *f)
{
    struct tb_msg_list l = { 0 };
    assert_int_equal(1, tb_mailbox_wait(f->inbox, &l, 1, 60000));
    struct tb_msg *m = tb_msg_list_take(&l);
    m->run(m);
}

int64_t
fixture_user(struct fixture *f, const char *name)
{
    char                  email[64];
    struct store_add_user r = { .username = tb_str_of(name), .password_hash = TB_LIT("$argon2id$x") };

    snprintf(email, sizeof email, "%s@x.test", name);
    r.email = tb_str_of(email);
    assert_int_equal(TB_OK, fixture_call(f, add_user, &r));
    store_op_fini(&r.op);
    return r.user.id;
}

int64_t
fixture_room(struct fixture *f, int64_t creator, bool is_private)
{
    struct store_add_room r = { .creator_id = creator, .name = TB_LIT("room"), .is_private = is_private };
    assert_int_equal(TB_OK, fixture_call(f, add_room, &r));
    store_op_fini(&r.op);
    return r.room_id;
}

enum tb_code
fixture_join(struct fixture *f, int64_t room, int64_t user, int64_t by)
{
    struct store_add_member r = { .room_id = room, .user_id = user, .by_id = by };
    enum tb_code            code = fixture_call(f, add_member, &r);
    store_op_fini(&r.op);
    return code;
}

int64_t
fixture_send(struct fixture *f, int64_t room, int64_t sender, const char *content)
{
    struct store_add_message r = { .room_id = room, .sender_id = sender, .content = tb_str_of(content) };
    assert_int_equal(TB_OK, fixture_call(f, add_message, &r));
    store_op_fini(&r.op);
    return r.message.id;
}

static void
print_fault(void *ctx, tb_str line)
{
    (void)ctx;
    fprintf(stderr, "# fault: " TB_STR_FMT "\n", TB_STR_ARG(line));
}

size_t
fixture_faults(struct fixture *f)
{
    struct tb_err e = { 0 };
    size_t        n = 0;
    if (store_check(f->dir, print_fault, NULL, &n, &e) != TB_OK)
        fail_msg("store_check: %s", e.why);
    return n;
}

void
fixture_forget_id(struct fixture *f)
{
    struct tb_err e = { 0 };

    assert_int_equal(TB_OK, journal_id_forget(f->dir, &e));
}

void
fixture_sql(struct fixture *f, const char *sql)
{
    char     path[128];
    sqlite3 *db;

    snprintf(path, sizeof path, "%s/tombolo.db", f->dir);
    assert_int_equal(SQLITE_OK, sqlite3_open(path, &db));
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

char *
fixture_dump(struct fixture *f, const char *sql)
{
    struct tb_buf out = TB_BUF_INIT;
    char          path[128];
    sqlite3      *db;
    sqlite3_stmt *st;
    size_t        n;

    snprintf(path, sizeof path, "%s/tombolo.db", f->dir);
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
    tb_buf_add_char(&out, '\0');
    return tb_buf_take(&out, &n);
}
