#pragma once
/* One SQLite connection with its prepared statements: bind, step and errors in one line each. For src/store only.
 * Threads: a connection belongs to the thread that uses it. */
#include "tombolo/err.h"

#include <sqlite3.h>

struct db {
    sqlite3            *sql;
    const char *const  *texts;      /* SQL by query number */
    sqlite3_stmt      **stmts;      /* prepared at first use */
    size_t              n;
};

enum db_mode { DB_READ_WRITE, DB_READ_ONLY };

/* Opens with our pragmas; a file that is made is for its owner alone. texts[0..n) must outlive the connection. */
enum tb_code db_open(struct db *d, const char *path, const char *vfs, enum db_mode mode, const char *const *texts,
                     size_t n, struct tb_err *e) TB_MUST_CHECK;
/* The same without statements of ours, and with these pragmas. */
enum tb_code db_open_plain(struct db *d, const char *path, const char *pragmas, struct tb_err *e) TB_MUST_CHECK;
void         db_close(struct db *d);

/* A parameter. */
struct db_arg {
    enum { DB_INT, DB_TEXT, DB_BLOB, DB_NULL } type;
    int64_t i;
    tb_str  s;
};
#define I(v)         { .type = DB_INT, .i = (v) }
#define T(v)         { .type = DB_TEXT, .s = (v) }
#define B(bytes, len) { .type = DB_BLOB, .s = { .p = (const char *)(bytes), .n = (len) } }
#define NUL          { .type = DB_NULL }
#define ARGS(...)    (const struct db_arg[]){ __VA_ARGS__ }, sizeof((struct db_arg[]){ __VA_ARGS__ }) / sizeof(struct db_arg)
#define NO_ARGS      NULL, 0

/* Runs a statement that gives no rows. */
enum tb_code db_run(struct db *d, int query, const struct db_arg *args, size_t n, struct tb_err *e) TB_MUST_CHECK;

/* Rows: st = db_query(...); while (db_next(d, st, e)) ...; NULL and false also on failure, then e->code is set.
 * db_next resets the statement at the end; leaving early calls db_done. Text must be bound until then. */
sqlite3_stmt *db_query(struct db *d, int query, const struct db_arg *args, size_t n, struct tb_err *e);
bool          db_next(struct db *d, sqlite3_stmt *st, struct tb_err *e);
void          db_done(sqlite3_stmt *st);

/* The first column of the only row; *found says whether there was one. */
enum tb_code db_int(struct db *d, int query, const struct db_arg *args, size_t n, int64_t *out, bool *found,
                    struct tb_err *e) TB_MUST_CHECK;

static inline int64_t
db_col_int(sqlite3_stmt *st, int i)
{
    return sqlite3_column_int64(st, i);
}
tb_str db_col_text(sqlite3_stmt *st, int i);      /* text or blob; valid until the next step */

/* Runs SQL without parameters, also several statements. */
enum tb_code db_exec(struct db *d, const char *sql, struct tb_err *e) TB_MUST_CHECK;

/* What the connection's last failure is for us: no room, busy, or broken. */
enum tb_code db_fail(struct db *d, struct tb_err *e, const char *doing);

/* In a transaction: a full disk can make SQLite roll back by itself. */
static inline bool
db_in_transaction(const struct db *d)
{
    return sqlite3_get_autocommit(d->sql) == 0;
}
