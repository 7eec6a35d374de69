/* Under load most of the writer's time is receipts, and looking each up took as long as adding it. So those of one message are
 * looked up together, by reading along the table, which has them side by side. */
#include "fresh.h"

#include "horizon.h"
#include "queries.h"

#include <stdlib.h>

enum {
    ROWS_FOR_ONE = 4,       /* read along for each receipt that is asked for; a single lookup costs more than so many rows */
    ROWS_AT_LEAST = 16,
};

struct asked {
    int64_t message_id, user_id;
    size_t  at;             /* in the order of the lists */
};

static int
in_order_of_table(const void *a, const void *b)
{
    const struct asked *x = a, *y = b;
    if (x->message_id != y->message_id)
        return x->message_id < y->message_id ? -1 : 1;
    return x->user_id < y->user_id ? -1 : x->user_id > y->user_id;
}

static enum tb_code
look_up_one(struct db *d, const struct asked *a, bool *is_known, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(d, Q_RECEIPT, ARGS(I(a->message_id), I(a->user_id)), e);

    if (db_next(d, st, e)) {
        is_known[a->at] = sqlite3_column_type(st, 0) != SQLITE_NULL;
        db_done(st);
    }
    return e->code;
}

/* n of one message, by user. A large room has many rows between them: what is not reached soon is looked up by itself. */
static enum tb_code
look_up(struct db *d, const struct asked *a, size_t n, bool *is_known, struct tb_err *e)
{
    size_t        i = 0, left = ROWS_FOR_ONE * n + ROWS_AT_LEAST;
    sqlite3_stmt *st = db_query(d, Q_DELIVERED_TO, ARGS(I(a->message_id), I(a->user_id), I(a[n - 1].user_id)), e);

    while (db_next(d, st, e)) {
        for (; i < n && a[i].user_id < db_col_int(st, 0); i++)
            ;
        for (; i < n && a[i].user_id == db_col_int(st, 0); i++)
            is_known[a[i].at] = true;
        if (i == n || --left == 0) {
            db_done(st);
            break;
        }
    }
    for (; left == 0 && i < n && e->code == TB_OK; i++)
        TB_TRY(look_up_one(d, &a[i], is_known, e));
    return e->code;
}

static enum tb_code
look_up_all(struct db *d, const struct asked *a, size_t n, bool *is_known, struct tb_err *e)
{
    for (size_t i = 0, end; i < n && e->code == TB_OK; i = end) {
        bool has_left = false;
        for (end = i + 1; end < n && a[end].message_id == a[i].message_id; end++)
            ;
        if (look_up(d, &a[i], end - i, is_known, e) != TB_OK ||
            horizon_has_left(d, a[i].message_id, &has_left, e) != TB_OK)
            return e->code;
        for (size_t k = i; has_left && k < end; k++)
            is_known[a[k].at] = true;       /* its receipts went with it, and none comes back */
    }
    return e->code;
}

static void
leave_out_known(struct tb_arena *mem, const struct store_receipts_of *of, size_t n, const bool *is_known,
                struct op_receipts **out, size_t *n_out)
{
    *out = TB_ARENA_ARRAY(mem, struct op_receipts, n);
    *n_out = 0;
    for (size_t i = 0; i < n; i++) {
        struct op_receipts *o = &(*out)[*n_out];
        *o = (struct op_receipts){ .room_id = of[i].room_id,
                                   .user_id = of[i].user_id,
                                   .message_ids = TB_ARENA_ARRAY(mem, int64_t, of[i].n) };
        for (size_t k = 0; k < of[i].n; k++)
            if (!*is_known++)
                o->message_ids[o->n++] = of[i].message_ids[k];
        *n_out += o->n > 0;
    }
}

enum tb_code
fresh_deliveries(struct db *d, struct tb_arena *mem, const struct store_receipts_of *of, size_t n,
                 struct op_receipts **out, size_t *n_out, struct tb_err *e)
{
    size_t n_asked = 0;

    for (size_t i = 0; i < n; i++)
        n_asked += of[i].n;
    struct asked *asked = TB_ARENA_ARRAY(mem, struct asked, n_asked);
    bool         *is_known = TB_ARENA_ARRAY(mem, bool, n_asked);
    for (size_t i = 0, at = 0; i < n; i++)
        for (size_t k = 0; k < of[i].n; k++, at++)
            asked[at] = (struct asked){ .message_id = of[i].message_ids[k], .user_id = of[i].user_id, .at = at };
    if (n_asked > 0)
        qsort(asked, n_asked, sizeof *asked, in_order_of_table);
    if (look_up_all(d, asked, n_asked, is_known, e) == TB_OK)
        leave_out_known(mem, of, n, is_known, out, n_out);
    return e->code;
}
