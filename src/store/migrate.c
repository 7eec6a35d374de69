/* Bodies of migrate.h. A step and its number are committed together, so a crash leaves a whole number of steps. */
#include "migrate.h"

#include "base/log.h"

#include <stdio.h>

int
store_schema_version(void)
{
    int last = 0;
    for (const struct tb_migration *m = store_migrations; m->number != 0; m++)
        last = m->number;
    return last;
}

static enum tb_code
read_int(struct db *d, const char *text, int *out, struct tb_err *e)
{
    sqlite3_stmt *st = NULL;

    if (sqlite3_prepare_v2(d->sql, text, -1, &st, NULL) != SQLITE_OK || sqlite3_step(st) != SQLITE_ROW) {
        db_fail(d, e, text);
        sqlite3_finalize(st);
        return e->code;
    }
    *out = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return TB_OK;
}

static enum tb_code
step_to(struct db *d, const struct tb_migration *m, struct tb_err *e)
{
    char after[96];

    snprintf(after, sizeof after, "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT", STORE_APPLICATION_ID,
             m->number);
    if (db_exec(d, "BEGIN EXCLUSIVE", e) != TB_OK || db_exec(d, m->sql, e) != TB_OK || db_exec(d, after, e) != TB_OK) {
        struct tb_err ignored = { 0 };
        if (db_in_transaction(d))
            TB_TRY(db_exec(d, "ROLLBACK", &ignored));
        return tb_wrap(e, "migration %s", m->name);
    }
    return TB_OK;
}

/* A database that has no number of ours has no table either. */
static enum tb_code
refuse_tables(struct db *d, struct tb_err *e)
{
    int n = 0;

    if (read_int(d, "SELECT COUNT(*) FROM sqlite_schema", &n, e) != TB_OK)
        return e->code;
    return n == 0 ? TB_OK : tb_fail(e, TB_EIO, NULL, "this is another program's database (it has tables, and none of tombolo's)");
}

static enum tb_code
read_version(struct db *d, int *version, struct tb_err *e)
{
    int application = 0;

    if (read_int(d, "PRAGMA user_version", version, e) != TB_OK || read_int(d, "PRAGMA application_id", &application, e) != TB_OK)
        return e->code;
    if (application != STORE_APPLICATION_ID && (*version != 0 || application != 0))
        return tb_fail(e, TB_EIO, NULL, "this is another program's database (application_id %d)", application);
    return *version == 0 ? refuse_tables(d, e) : TB_OK;
}

static enum tb_code
refuse_newer(int version, int last, struct tb_err *e)
{
    return tb_fail(e, TB_EIO, NULL, "the journal has schema %d, this program knows up to %d: use a newer tombolo", version,
                   last);
}

enum tb_code
store_schema_refuse_others(struct db *d, struct tb_err *e)
{
    int version = 0;

    return read_version(d, &version, e);
}

bool
store_schema_is_none(struct db *d)
{
    struct tb_err ignored;
    int           version = 0;

    return read_version(d, &version, &ignored) != TB_OK || version == 0;
}

enum tb_code
store_schema_check(struct db *d, struct tb_err *e)
{
    int version = 0, last = store_schema_version();

    if (read_version(d, &version, e) != TB_OK)
        return e->code;
    if (version > last)
        return refuse_newer(version, last, e);
    if (version < last)
        return tb_fail(e, TB_EIO, NULL, "the journal has schema %d, this program checks %d: start the server once, which"
                       " brings it there", version, last);
    return TB_OK;
}

enum tb_code
store_schema_check_ours(struct db *d, struct tb_err *e)
{
    int version = 0;

    if (read_version(d, &version, e) != TB_OK)
        return e->code;
    if (version == 0)
        return tb_fail(e, TB_EIO, NULL, "it holds no journal");
    return version > store_schema_version() ? refuse_newer(version, store_schema_version(), e) : TB_OK;
}

enum tb_code
store_migrate(struct db *d, const struct tb_migration *steps, struct tb_err *e)
{
    int version = 0, last = 0;

    if (read_version(d, &version, e) != TB_OK)
        return e->code;
    for (const struct tb_migration *m = steps; m->number != 0; m++) {
        last = m->number;
        if (m->number > version && step_to(d, m, e) != TB_OK)
            return e->code;
        if (m->number > version && version > 0)
            log_info("store.migrated", "to=%s", m->name);
    }
    return version > last ? refuse_newer(version, last, e) : TB_OK;
}
