/* The lists' order is that of an index, so that nothing has to be sorted, however large a table is. */
#include "compare.h"

#include "inspector.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#define USER    "u.id, u.hlc, u.created_at, u.email_stamp, u.email_node, u.username_stamp, u.username_node, u.password_stamp," \
                " u.password_node, u.last_seen, u.email, u.username, u.password"
#define ROOM    "r.id, r.hlc, r.is_private, r.created_by, r.created_at, r.name"
#define MEMBER  "m.room_id, m.user_id, m.is_member, m.id * m.is_member, m.joined_at * m.is_member, m.stamp, m.node"
#define MESSAGE "m.id, m.hlc, m.room_id, m.sender_id, m.created_at, m.content"
#define RECEIPT "r.message_id, r.user_id, COALESCE(r.delivered_at, 0), COALESCE(r.read_at, 0)"
#define OP      "j.node, j.seq, j.at, j.kind, j.version, hex(j.chain), j.body"

/* ?1 is what the list is of, ?2 and ?3 the key that it comes after. */
static const char *const lists[COMPARE_LIST_COUNT] = {
    [COMPARE_USERS] = "SELECT u.id, 0, 1, row_hash(" USER ") FROM user u WHERE u.id > ?2 ORDER BY u.id",
    [COMPARE_ROOMS] = "SELECT r.id, 0, 1, row_hash(" ROOM ") FROM room r WHERE r.id > ?2 ORDER BY r.id",
    [COMPARE_ROOM_MEMBERS] = "SELECT m.room_id, 0, COUNT(*), xor_hash(" MEMBER ") FROM member m WHERE m.room_id > ?2"
                             " GROUP BY m.room_id ORDER BY m.room_id",
    [COMPARE_MEMBERS] = "SELECT m.user_id, 0, 1, row_hash(" MEMBER ") FROM member m WHERE m.room_id = ?1 AND m.user_id > ?2"
                        " ORDER BY m.user_id",
    [COMPARE_ROOM_MESSAGES] = "SELECT m.room_id, 0, COUNT(*), xor_hash(" MESSAGE ") FROM message m WHERE m.room_id > ?2"
                              " GROUP BY m.room_id ORDER BY m.room_id",
    [COMPARE_MESSAGES] = "SELECT m.hlc, m.id, 1, row_hash(" MESSAGE ") FROM message m"
                         " WHERE m.room_id = ?1 AND (m.hlc, m.id) > (?2, ?3) ORDER BY m.hlc, m.id",
    [COMPARE_MESSAGE] = "SELECT m.hlc, m.id, 1, row_hash(" MESSAGE ") FROM message m WHERE m.id = ?1",
    [COMPARE_ROOM_RECEIPTS] = "SELECT m.room_id, 0, COUNT(*), xor_hash(" RECEIPT ") FROM message m CROSS JOIN receipt r"
                              " ON r.message_id = m.id WHERE m.room_id > ?2 GROUP BY m.room_id ORDER BY m.room_id",
    [COMPARE_MESSAGE_RECEIPTS] = "SELECT m.hlc, m.id, COUNT(*), xor_hash(" RECEIPT ") FROM message m CROSS JOIN receipt r"
                                 " ON r.message_id = m.id WHERE m.room_id = ?1 AND (m.hlc, m.id) > (?2, ?3)"
                                 " GROUP BY m.hlc, m.id ORDER BY m.hlc, m.id",
    [COMPARE_RECEIPTS] = "SELECT r.user_id, 0, 1, row_hash(" RECEIPT ") FROM receipt r"
                         " WHERE r.message_id = ?1 AND r.user_id > ?2 ORDER BY r.user_id",
    [COMPARE_LOOSE_RECEIPTS] = "SELECT r.message_id, r.user_id, 1, row_hash(" RECEIPT ") FROM receipt r"
                               " WHERE (r.message_id, r.user_id) > (?2, ?3)"
                               " AND NOT EXISTS (SELECT 1 FROM message m WHERE m.id = r.message_id)"
                               " ORDER BY r.message_id, r.user_id",
    /* a row of the centre's has seq 0, and one without a body stands for ops that are not here (take.c) */
    [COMPARE_OP_SPANS] = "SELECT (j.seq >> 12) + 1, 0, COUNT(*), xor_hash(" OP ") FROM journal j WHERE j.node = ?1 AND j.seq > 0"
                         " AND j.body <> '' AND j.seq >= ?2 << 12 GROUP BY j.seq >> 12 ORDER BY j.seq >> 12",
    [COMPARE_OPS] = "SELECT j.seq, 0, 1, row_hash(" OP ") FROM journal j WHERE j.node = ?1 >> 48 AND j.seq > 0 AND j.body <> ''"
                    " AND j.seq >> 12 = ?1 & 0xffffffffffff AND j.seq > ?2 ORDER BY j.seq",
};

static_assert(COMPARE_SPAN_BITS == 12 && COMPARE_NODE_SHIFT == 48, "as the lists say");

/* ---- the hash ---- */

static void
add_value(crypto_hash_sha256_state *hash, sqlite3_value *v)
{
    char   number[32];
    int    n;
    bool   is_text = sqlite3_value_type(v) == SQLITE_TEXT;
    size_t size = is_text ? (size_t)sqlite3_value_bytes(v) : 0;

    n = is_text ? snprintf(number, sizeof number, "%zu|", size)
                : snprintf(number, sizeof number, "%" PRId64, (int64_t)sqlite3_value_int64(v));
    crypto_hash_sha256_update(hash, (const unsigned char *)number, (size_t)n);
    if (size > 0)
        crypto_hash_sha256_update(hash, sqlite3_value_text(v), size);
}

static uint64_t
hash_of(int n, sqlite3_value **v)
{
    crypto_hash_sha256_state hash;
    unsigned char            sum[crypto_hash_sha256_BYTES];
    uint64_t                 first = 0;

    crypto_hash_sha256_init(&hash);
    for (int i = 0; i < n; i++) {
        if (i > 0)
            crypto_hash_sha256_update(&hash, (const unsigned char *)"|", 1);
        add_value(&hash, v[i]);
    }
    crypto_hash_sha256_final(&hash, sum);
    for (int i = 0; i < 8; i++)
        first = first << 8 | sum[i];
    return first;
}

static void
row_hash(sqlite3_context *c, int n, sqlite3_value **v)
{
    sqlite3_result_int64(c, (sqlite3_int64)hash_of(n, v));
}

static void
xor_step(sqlite3_context *c, int n, sqlite3_value **v)
{
    uint64_t *sum = sqlite3_aggregate_context(c, sizeof *sum);

    if (sum == NULL)
        sqlite3_result_error_nomem(c);
    else
        *sum ^= hash_of(n, v);
}

static void
xor_end(sqlite3_context *c)
{
    const uint64_t *sum = sqlite3_aggregate_context(c, sizeof *sum);
    sqlite3_result_int64(c, sum != NULL ? (sqlite3_int64)*sum : 0);
}

enum tb_code
compare_add_functions(struct db *d, struct tb_err *e)
{
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;

    if (sodium_init() < 0)
        return tb_fail(e, TB_EINTERNAL, NULL, "libsodium does not start");
    if (sqlite3_create_function_v2(d->sql, "row_hash", -1, flags, NULL, row_hash, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_create_function_v2(d->sql, "xor_hash", -1, flags, NULL, NULL, xor_step, xor_end, NULL) != SQLITE_OK)
        return db_fail(d, e, "functions");
    return TB_OK;
}

/* ---- lists ---- */

static bool
bind_if_used(sqlite3_stmt *st, int at, int64_t v)
{
    return at > sqlite3_bind_parameter_count(st) || sqlite3_bind_int64(st, at, v) == SQLITE_OK;
}

enum tb_code
store_compare_begin(struct store_inspector *i, enum compare_list list, int64_t of, const int64_t after[2], struct tb_err *e)
{
    assert(list < COMPARE_LIST_COUNT);
    sqlite3_finalize(i->list);
    i->list = NULL;
    if (sqlite3_prepare_v2(i->db.sql, lists[list], -1, &i->list, NULL) != SQLITE_OK || !bind_if_used(i->list, 1, of) ||
        !bind_if_used(i->list, 2, after[0]) || !bind_if_used(i->list, 3, after[1]))
        return db_fail(&i->db, e, "compare");
    return TB_OK;
}

bool
store_compare_next(struct store_inspector *i, struct compare_row *out, struct tb_err *e)
{
    int rc = sqlite3_step(i->list);

    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        db_fail(&i->db, e, "compare");
    if (rc != SQLITE_ROW)
        return false;
    *out = (struct compare_row){ .key = { db_col_int(i->list, 0), db_col_int(i->list, 1) }, .n = db_col_int(i->list, 2),
                                 .hash = (uint64_t)db_col_int(i->list, 3) };
    return true;
}
