/* SQLite's C interface behind the few calls we need. Statements are prepared once and kept. */
#include "db.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BUSY_MS = 5000, CACHE_KB = 32768 };

/* synchronous=FULL: COMMIT returns after the WAL has been synced. secure_delete: Debian builds it on; it would write every
 * freed page once more. wal_autocheckpoint=0: see checkpoint.c. */
static const char writer_pragmas[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
                                     "PRAGMA secure_delete=OFF; PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=OFF;";
static const char reader_pragmas[] = "PRAGMA query_only=ON; PRAGMA temp_store=MEMORY;";

enum tb_code
db_fail(struct db *d, struct tb_err *e, const char *doing)
{
    int          rc = sqlite3_extended_errcode(d->sql);
    const char  *text = sqlite3_errmsg(d->sql);
    enum tb_code code = TB_EIO;

    if ((rc & 0xff) == SQLITE_FULL)
        code = TB_EFULL;
    else if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED)
        code = TB_EBUSY;
    return tb_fail(e, code, NULL, "%s: sqlite %d: %s", doing, rc, text);
}

enum tb_code
db_exec(struct db *d, const char *sql, struct tb_err *e)
{
    if (sqlite3_exec(d->sql, sql, NULL, NULL, NULL) != SQLITE_OK)
        return db_fail(d, e, "exec");
    return TB_OK;
}

static enum tb_code
configure(struct db *d, enum db_mode mode, struct tb_err *e)
{
    char text[64];

    sqlite3_extended_result_codes(d->sql, 1);
    sqlite3_busy_timeout(d->sql, BUSY_MS);
    snprintf(text, sizeof text, "PRAGMA cache_size=-%d", CACHE_KB);
    if (db_exec(d, text, e) != TB_OK)
        return e->code;
    return db_exec(d, mode == DB_READ_WRITE ? writer_pragmas : reader_pragmas, e);
}

/* For the owner alone, since journals hold password hashes; SQLite gives the WAL the same mode. Only a file that is not there yet:
 * closing a descriptor would drop the locks of another connection of ours. "" and ":memory:" are no files. */
static enum tb_code
make_private(const char *path, struct tb_err *e)
{
    bool is_file = path[0] != '\0' && path[0] != ':';
    int  fd = is_file ? open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;

    if (is_file && fd < 0 && errno != EEXIST)
        return tb_fail(e, TB_EIO, NULL, "cannot open %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return TB_OK;
}

enum tb_code
db_open(struct db *d, const char *path, const char *vfs, enum db_mode mode, const char *const *texts, size_t n,
        struct tb_err *e)
{
    int flags = SQLITE_OPEN_NOMUTEX | (mode == DB_READ_WRITE ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                                             : SQLITE_OPEN_READONLY);

    *d = (struct db){ .texts = texts, .n = n };
    if (mode == DB_READ_WRITE && vfs == NULL && make_private(path, e) != TB_OK)
        return e->code;
    if (sqlite3_open_v2(path, &d->sql, flags, vfs) != SQLITE_OK) {
        if (d->sql != NULL)
            db_fail(d, e, "open");
        else
            tb_fail(e, TB_EIO, NULL, "sqlite cannot open %s", path);
        db_close(d);
        return e->code;
    }
    d->stmts = tb_alloc_zero(n * sizeof(sqlite3_stmt *));
    if (configure(d, mode, e) != TB_OK) {
        db_close(d);
        return e->code;
    }
    return TB_OK;
}

enum tb_code
db_open_plain(struct db *d, const char *path, const char *pragmas, struct tb_err *e)
{
    *d = (struct db){ 0 };
    if (sqlite3_open_v2(path, &d->sql, SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        return d->sql != NULL ? db_fail(d, e, "open") : tb_fail(e, TB_EIO, NULL, "sqlite cannot open %s", path);
    sqlite3_extended_result_codes(d->sql, 1);
    return db_exec(d, pragmas, e);
}

void
db_close(struct db *d)
{
    for (size_t i = 0; d->stmts != NULL && i < d->n; i++)
        sqlite3_finalize(d->stmts[i]);
    tb_free(d->stmts);
    sqlite3_close(d->sql);
    *d = (struct db){ .sql = NULL };
}

static sqlite3_stmt *
prepared(struct db *d, int query, struct tb_err *e)
{
    assert(query >= 0 && (size_t)query < d->n && d->texts[query] != NULL);
    if (d->stmts[query] == NULL &&
        sqlite3_prepare_v3(d->sql, d->texts[query], -1, SQLITE_PREPARE_PERSISTENT, &d->stmts[query], NULL) != SQLITE_OK)
        db_fail(d, e, d->texts[query]);
    return d->stmts[query];
}

static int
bind(sqlite3_stmt *st, int at, const struct db_arg *a)
{
    const char *p = a->s.p != NULL ? a->s.p : "";

    switch (a->type) {
    case DB_INT:  return sqlite3_bind_int64(st, at, a->i);
    case DB_TEXT: return sqlite3_bind_text64(st, at, p, a->s.n, SQLITE_STATIC, SQLITE_UTF8);
    case DB_BLOB: return sqlite3_bind_blob64(st, at, p, a->s.n, SQLITE_STATIC);
    case DB_NULL: return sqlite3_bind_null(st, at);
    }
    abort();
}

sqlite3_stmt *
db_query(struct db *d, int query, const struct db_arg *args, size_t n, struct tb_err *e)
{
    sqlite3_stmt *st = prepared(d, query, e);

    if (st == NULL)
        return NULL;
    assert((size_t)sqlite3_bind_parameter_count(st) == n);
    for (size_t i = 0; i < n; i++) {
        if (bind(st, (int)i + 1, &args[i]) != SQLITE_OK) {
            db_fail(d, e, "bind");
            return NULL;
        }
    }
    return st;
}

bool
db_next(struct db *d, sqlite3_stmt *st, struct tb_err *e)
{
    if (st == NULL)
        return false;
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE)
        db_fail(d, e, sqlite3_sql(st));
    sqlite3_reset(st);
    return false;
}

void
db_done(sqlite3_stmt *st)
{
    sqlite3_reset(st);
}

enum tb_code
db_run(struct db *d, int query, const struct db_arg *args, size_t n, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(d, query, args, n, e);

    if (st == NULL)
        return e->code;
    int rc = sqlite3_step(st);
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        db_fail(d, e, d->texts[query]);
    sqlite3_reset(st);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? TB_OK : e->code;
}

enum tb_code
db_int(struct db *d, int query, const struct db_arg *args, size_t n, int64_t *out, bool *found, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(d, query, args, n, e);

    if (st == NULL)
        return e->code;
    int rc = sqlite3_step(st);
    *found = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    else if (rc != SQLITE_DONE)
        db_fail(d, e, d->texts[query]);
    sqlite3_reset(st);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? TB_OK : e->code;
}

tb_str
db_col_text(sqlite3_stmt *st, int i)
{
    const char *p = sqlite3_column_blob(st, i);
    return (tb_str){ .p = p ? p : "", .n = (size_t)sqlite3_column_bytes(st, i) };
}
