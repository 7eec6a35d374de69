/* Bodies of aging.h. */
#include "aging.h"

#include "store/follow.h"

#include <sqlite3.h>
#include <stdio.h>

enum { DAY_MS = 86400000 };

void
aging_open(struct fixture *f, unsigned journal_days, unsigned history_days)
{
    fixture_open(f);
    f->settings.journal_keep_days = journal_days;
    f->settings.history_keep_days = history_days;
    fixture_reopen(f);
}

void
aging_pass_days(struct fixture *f, int days)
{
    f->wall_ms += (int64_t)days * DAY_MS;
}

/* Pruning follows the answers, so the second answer knows of what came after the first. */
void
aging_settle(struct fixture *f)
{
    struct store_status now = { .is_pruning = true };

    for (int quiet = 0; quiet < 2; quiet = now.is_pruning ? 0 : quiet + 1) {
        struct store_set_last_seen nothing = { .n = 0 };
        f->mono_us += 1000000;
        assert_int_equal(TB_OK, fixture_call(f, set_last_seen, &nothing));
        store_op_fini(&nothing.op);
        store_status(f->store, &now);
    }
}

void
aging_reach_centre(struct fixture *f, int64_t seq)
{
    struct store_mark_pushed m = { .at = f->wall_ms, .centre_uuid = "5bd1bd8c-0000-4000-8000-000000000001" };
    struct store_status      now;

    store_status(f->store, &now);
    m.seq = seq != 0 ? seq : now.own_seq;
    assert_int_equal(TB_OK, fixture_call(f, mark_pushed, &m));
    store_op_fini(&m.op);
}

int64_t
aging_ask(struct fixture *f, const char *sql)
{
    char          path[128];
    sqlite3      *db;
    sqlite3_stmt *st;

    snprintf(path, sizeof path, "%s/tombolo.db", f->dir);
    assert_int_equal(SQLITE_OK, sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL));
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(SQLITE_ROW, sqlite3_step(st));
    int64_t v = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return v;
}
