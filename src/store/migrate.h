#pragma once
/* The journal's schema: numbered steps (schema/sqlite), the last one done is PRAGMA user_version. Threads: at open. */
#include "base/migration.h"
#include "store/db.h"

enum { STORE_APPLICATION_ID = 0x746d626f };     /* "tmbo": PRAGMA application_id of our files */

extern const struct tb_migration store_migrations[];

int store_schema_version(void);                 /* the newest that this program knows */

/* TB_EIO where the file is another program's; changes nothing. An empty one is nobody's. */
enum tb_code store_schema_refuse_others(struct db *d, struct tb_err *e) TB_MUST_CHECK;

/* The file has no schema of ours, so it is empty or another program's. */
bool store_schema_is_none(struct db *d);

/* TB_EIO unless the file is ours and has just this program's schema; changes nothing. */
enum tb_code store_schema_check(struct db *d, struct tb_err *e) TB_MUST_CHECK;

/* TB_EIO unless the file is a journal, of whatever schema that this program knows; changes nothing. */
enum tb_code store_schema_check_ours(struct db *d, struct tb_err *e) TB_MUST_CHECK;

/* Brings the file to the program's schema, each step in a transaction. TB_EIO: another program's file, or a newer schema. */
enum tb_code store_migrate(struct db *d, const struct tb_migration *steps, struct tb_err *e) TB_MUST_CHECK;

