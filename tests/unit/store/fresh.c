/* Which proofs of delivery are news: held against a plain table of what is there. */
#include "rig/random.h"
#include "store/fresh.h"
#include "store/migrate.h"
#include "store/queries.h"
#include "tap.h"

#include <stdio.h>

enum { MESSAGES = 6, USERS = 150, ROOM = 10, ROUNDS = 200 };

/* What the table has: nothing, a row without a time of delivery (read comes with one, so only a centre's oddity), or one. */
enum had { NOTHING, ROW_ONLY, DELIVERED };

static void
fill(struct db *d, struct rig_random *r, unsigned percent, enum had (*had)[USERS])
{
    char sql[128];

    assert_int_equal(SQLITE_OK, sqlite3_exec(d->sql, "DELETE FROM receipt", NULL, NULL, NULL));
    for (int m = 0; m < MESSAGES; m++) {
        for (int u = 0; u < USERS; u++) {
            had[m][u] = rig_random_below(r, 100) >= percent ? NOTHING
                        : rig_random_below(r, 8) == 0       ? ROW_ONLY
                                                            : DELIVERED;
            if (had[m][u] == NOTHING)
                continue;
            snprintf(sql, sizeof sql, "INSERT INTO receipt (message_id, user_id, delivered_at) VALUES (%d, %d, %s)",
                     m + 1, u + 1, had[m][u] == DELIVERED ? "7" : "NULL");
            assert_int_equal(SQLITE_OK, sqlite3_exec(d->sql, sql, NULL, NULL, NULL));
        }
    }
}

/* Asks for one in `rarity` of all, by user, and holds the answer against had. */
static void
ask(struct db *d, struct rig_random *r, unsigned rarity, enum had (*had)[USERS])
{
    static int64_t ids[USERS][MESSAGES];
    struct store_receipts_of of[USERS];
    struct op_receipts *fresh;
    struct tb_arena mem = { 0 };
    struct tb_err e = { 0 };
    size_t n = 0, n_fresh, at = 0;

    for (int u = 0; u < USERS; u++) {
        of[n] = (struct store_receipts_of){ .room_id = ROOM, .user_id = u + 1, .message_ids = ids[u] };
        for (int m = 0; m < MESSAGES; m++)
            if (rig_random_below(r, rarity) == 0)
                ids[u][of[n].n++] = m + 1;
        n += of[n].n > 0;
    }
    assert_int_equal(TB_OK, fresh_deliveries(d, &mem, of, n, &fresh, &n_fresh, &e));
    for (size_t i = 0; i < n; i++) {
        size_t k = 0, u = (size_t)of[i].user_id - 1;
        bool is_listed = at < n_fresh && fresh[at].user_id == of[i].user_id;
        for (size_t m = 0; m < of[i].n; m++) {
            if (had[of[i].message_ids[m] - 1][u] == DELIVERED)
                continue;
            assert_true(is_listed && k < fresh[at].n);
            assert_int_equal(of[i].message_ids[m], fresh[at].message_ids[k++]);
        }
        assert_true(!is_listed || (k > 0 && k == fresh[at].n && fresh[at].room_id == ROOM));
        at += is_listed;
    }
    assert_int_equal(at, n_fresh);
    tb_arena_fini(&mem);
}

static void
what_is_there_is_left_out_and_nothing_else(void **state)
{
    struct db d;
    struct tb_err e = { 0 };
    struct rig_random r = { 4 };
    enum had had[MESSAGES][USERS];

    (void)state;
    assert_int_equal(TB_OK, db_open(&d, ":memory:", NULL, DB_READ_WRITE, store_query_texts, Q_COUNT, &e));
    assert_int_equal(TB_OK, store_migrate(&d, store_migrations, &e));
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (round % 10 == 0)
            fill(&d, &r, (unsigned)rig_random_below(&r, 101), had);
        ask(&d, &r, 1 + (unsigned)rig_random_below(&r, 60), had);
    }
    db_close(&d);
}

static void
of_a_message_that_has_left_nothing_is_news(void **state)
{
    int64_t ids[] = { 3, 4 };
    struct store_receipts_of of = { .room_id = ROOM, .user_id = 1, .message_ids = ids, .n = 2 };
    struct op_receipts *fresh;
    struct tb_arena mem = { 0 };
    struct tb_err e = { 0 };
    struct db d;
    size_t n;

    (void)state;
    assert_int_equal(TB_OK, db_open(&d, ":memory:", NULL, DB_READ_WRITE, store_query_texts, Q_COUNT, &e));
    assert_int_equal(TB_OK, store_migrate(&d, store_migrations, &e));
    assert_int_equal(
        SQLITE_OK, sqlite3_exec(d.sql, "INSERT INTO history_floor (node, message_id) VALUES (0, 3)", NULL, NULL, NULL));
    assert_int_equal(TB_OK, fresh_deliveries(&d, &mem, &of, 1, &fresh, &n, &e));
    assert_int_equal(1, n);
    assert_int_equal(1, fresh[0].n);
    assert_int_equal(4, fresh[0].message_ids[0]);
    assert_int_equal(TB_OK, fresh_deliveries(&d, &mem, &of, 0, &fresh, &n, &e));
    assert_int_equal(0, n);
    tb_arena_fini(&mem);
    db_close(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_there_is_left_out_and_nothing_else),
        cmocka_unit_test(of_a_message_that_has_left_nothing_is_news),
    };
    return tap_run(tests);
}
