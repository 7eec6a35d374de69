#pragma once
/* What an inspector is made of. For src/store only. */
#include "store/db.h"
#include "store/inspect.h"
#include "store/journal.h"

struct store_inspector {
    struct db             db;       /* in a read transaction */
    struct self           own;
    struct store_identity identity;
    sqlite3_stmt         *list;     /* of compare.c: under way, or NULL */
};

/* The functions row_hash and xor_hash, for compare.c's lists. */
enum tb_code compare_add_functions(struct db *d, struct tb_err *e) TB_MUST_CHECK;
