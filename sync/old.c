/* A page is one SELECT that goes on behind the last id, and its rows are taken from the network one by one, so memory is bounded
 * by the largest row; and a text is cut on the server one character behind the most that an import takes. */
#include "old.h"

#include "mysql_link.h"
#include "url.h"

#include "base/scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CONNECT_TIMEOUT_MS = 10000,
    IO_TIMEOUT_MS = 300000,     /* counting a large table takes a while */
    ROWS_PER_PAGE = 5000,
    MAX_COLUMNS = 7,
    MAX_NAME = 64,              /* characters of a name in MySQL */
};

struct sync_old {
    struct sync_url      url;
    struct mysql_link    link;
    struct tb_buf        place;
    struct tb_buf        select[IMPORT_TABLE_COUNT];    /* up to the id; empty: the table is missing, and may be */
    struct sync_old_size sizes[IMPORT_TABLE_COUNT];
    int64_t              n_rows;        /* handed on */
};

/* ---- values ---- */

/* Days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March here: the leap day comes last. */
static int64_t
days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static int64_t
digits(struct tb_scan *s, int n, int64_t min, int64_t max)
{
    int64_t v = 0;

    for (int i = 0; i < n; i++)
        v = 10 * v + tb_scan_digit(s, 9);
    if (v < min || v > max)
        tb_scan_fail(s, "out of range");
    return v;
}

/* Milliseconds; more digits are cut off, as they are where DATETIME(6) becomes DATETIME(3). */
static int64_t
fraction(struct tb_scan *s)
{
    int64_t ms = 0;
    int     n = 0;

    if (!tb_scan_take(s, '.'))
        return 0;
    for (; tb_scan_at_digit(s); n++) {
        unsigned d = tb_scan_digit(s, 9);
        ms = n < 3 ? 10 * ms + d : ms;
    }
    for (; n < 3; n++)
        ms *= 10;
    return ms;
}

int64_t
sync_old_time(tb_str text)
{
    struct tb_scan s = tb_scan_of(text);
    int64_t        year = digits(&s, 4, 1970, 9999);

    tb_scan_expect(&s, '-');
    int64_t month = digits(&s, 2, 1, 12);
    tb_scan_expect(&s, '-');
    int64_t day = digits(&s, 2, 1, 31);
    tb_scan_expect(&s, ' ');
    int64_t hour = digits(&s, 2, 0, 23);
    tb_scan_expect(&s, ':');
    int64_t minute = digits(&s, 2, 0, 59);
    tb_scan_expect(&s, ':');
    int64_t second = digits(&s, 2, 0, 59), ms = fraction(&s);
    if (s.failed != NULL || !tb_scan_at_end(&s))
        return IMPORT_BAD_TIME;
    return (((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms;
}

static int64_t
to_time(tb_str text)
{
    return text.p == NULL ? IMPORT_NULL_TIME : sync_old_time(text);
}

/* NULL is 0; what is no id of ours (negative, or beyond 63 bits) is -1, which no import takes. */
static int64_t
to_id(tb_str text)
{
    uint64_t v = 0;

    if (text.p == NULL)
        return 0;
    return tb_str_to_uint(text, INT64_MAX, &v) ? (int64_t)v : -1;
}

static bool
to_bool(tb_str text)
{
    return text.p != NULL && !tb_str_eq(text, TB_LIT("0"));
}

/* ---- tables ---- */

static enum tb_code
hand_user(struct store_import *to, const tb_str *c, struct tb_err *e)
{
    struct import_user u = { .id = to_id(c[0]), .email = c[1], .username = c[2], .hash = c[3], .created_at = to_time(c[4]),
                             .last_seen = to_time(c[5]) };
    return store_import_user(to, &u, e);
}

static enum tb_code
hand_room(struct store_import *to, const tb_str *c, struct tb_err *e)
{
    struct import_room r = { .id = to_id(c[0]), .name = c[1], .created_at = to_time(c[2]),
                             .is_private = to_bool(c[3]) };
    return store_import_room(to, &r, e);
}

static enum tb_code
hand_member(struct store_import *to, const tb_str *c, struct tb_err *e)
{
    struct import_member m = { .id = to_id(c[0]), .user_id = to_id(c[1]), .room_id = to_id(c[2]), .joined_at = to_time(c[3]) };
    return store_import_member(to, &m, e);
}

static enum tb_code
hand_message(struct store_import *to, const tb_str *c, struct tb_err *e)
{
    struct import_message m = { .id = to_id(c[0]), .content = c[1], .created_at = to_time(c[2]), .sender_id = to_id(c[3]),
                                .room_id = to_id(c[4]) };
    return store_import_message(to, &m, e);
}

static enum tb_code
hand_receipt(struct store_import *to, const tb_str *c, struct tb_err *e)
{
    struct import_receipt r = { .id = to_id(c[0]), .message_id = to_id(c[1]), .user_id = to_id(c[2]),
                                .delivered_at = to_time(c[3]), .read_at = to_time(c[4]),
                                .is_delivered = to_bool(c[5]), .is_read = to_bool(c[6]) };
    return store_import_receipt(to, &r, e);
}

/* What stands before and behind a column's name where it is asked for. */
#define PLAIN   "`", "`"
#define NUMBER  "`", "`+0"              /* also of BIT(1) */
#define NAME    "LEFT(`", "`,256)"      /* one more than IMPORT_MAX_NAME_CHARS; e-mails are shorter */
#define CONTENT "LEFT(`", "`,65536)"    /* one more than IMPORT_MAX_CONTENT_BYTES */

static const struct table {
    enum tb_code (*hand)(struct store_import *to, const tb_str *columns, struct tb_err *e);
    bool may_be_missing;
    struct { const char *name, *before, *behind; bool may_be_missing; } columns[MAX_COLUMNS];   /* the first is the id */
} tables[IMPORT_TABLE_COUNT] = {
    [IMPORT_USERS] = { hand_user, false, { { "id", PLAIN, false }, { "email", NAME, false }, { "username", NAME, false },
                       { "password", NAME, false }, { "createdAt", PLAIN, false }, { "lastSeen", PLAIN, true } } },
    [IMPORT_ROOMS] = { hand_room, false, { { "id", PLAIN, false }, { "name", NAME, false }, { "createdAt", PLAIN, false },
                       { "isPrivate", NUMBER, true } } },
    [IMPORT_MEMBERS] = { hand_member, false, { { "id", PLAIN, false }, { "userId", PLAIN, false },
                         { "roomId", PLAIN, false }, { "joinedAt", PLAIN, true } } },
    [IMPORT_MESSAGES] = { hand_message, false, { { "id", PLAIN, false }, { "content", CONTENT, false },
                          { "createdAt", PLAIN, false }, { "senderId", PLAIN, false }, { "roomId", PLAIN, false } } },
    [IMPORT_RECEIPTS] = { hand_receipt, true, { { "id", PLAIN, false }, { "messageId", PLAIN, false },
                          { "userId", PLAIN, false }, { "deliveredAt", PLAIN, true }, { "readAt", PLAIN, true },
                          { "delivered", NUMBER, true }, { "read", NUMBER, true } } },
};

static unsigned
columns_of(const struct table *t)
{
    unsigned n = 0;
    while (n < MAX_COLUMNS && t->columns[n].name != NULL)
        n++;
    return n;
}

typedef char name_of[4 * MAX_NAME + 1];

/* The name of a table or column that differs from wanted in case only; the same bytes win. "": there is none. */
static enum tb_code
find_name(struct sync_old *o, const char *column, const char *from, const char *wanted, name_of out, struct tb_err *e)
{
    struct tb_buf    sql = TB_BUF_INIT;
    struct link_rows rows;
    tb_str           name = TB_STR_NULL;

    tb_buf_printf(&sql, "SELECT %s FROM information_schema.%s AND LOWER(%s)=LOWER('%s')"
                  " ORDER BY CAST(%s AS BINARY)<>CAST('%s' AS BINARY),%s LIMIT 1", column, from, column, wanted, column,
                  wanted, column);
    enum tb_code code = link_ask(&o->link, wanted, sql.p, 1, &rows, &name, e);
    out[0] = '\0';
    if (code == TB_OK)
        snprintf(out, sizeof(name_of), TB_STR_FMT, TB_STR_ARG(name));
    link_rows_free(&rows);
    tb_buf_fini(&sql);
    if (code == TB_ENOTFOUND)
        *e = (struct tb_err){ 0 };
    return e->code;
}

static enum tb_code
add_column(struct sync_old *o, enum import_table t, unsigned i, const char *table, const char *from, struct tb_err *e)
{
    const char    *wanted = tables[t].columns[i].name;
    struct tb_buf *select = &o->select[t];
    name_of        name;

    if (find_name(o, "column_name", from, wanted, name, e) != TB_OK)
        return e->code;
    if (name[0] != '\0')
        tb_buf_printf(select, "%s%s%s", tables[t].columns[i].before, name, tables[t].columns[i].behind);
    else if (tables[t].columns[i].may_be_missing)
        tb_buf_printf(select, "NULL");
    else
        return tb_fail(e, TB_EIO, NULL, "table %s has no column %s: not the old backend's database", table, wanted);
    return TB_OK;
}

static enum tb_code
measure(struct sync_old *o, enum import_table t, const char *table, struct tb_err *e)
{
    struct tb_buf    sql = TB_BUF_INIT;
    struct link_rows rows;
    tb_str           c[2] = { 0 };

    tb_buf_printf(&sql, "SELECT COUNT(*),COALESCE(MAX(`id`),0) FROM `%s`", table);
    enum tb_code code = link_ask(&o->link, table, sql.p, 2, &rows, c, e);
    if (code == TB_OK)
        o->sizes[t] = (struct sync_old_size){ .n_rows = to_id(c[0]), .last_id = to_id(c[1]) };
    link_rows_free(&rows);
    tb_buf_fini(&sql);
    return code;
}

/* A name that was found differs from ours in case only, so nothing in it needs quoting. */
static enum tb_code
find_table(struct sync_old *o, enum import_table t, struct tb_err *e)
{
    const char *wanted = import_table_name(t);
    name_of     table;
    char        from[sizeof table + 100];

    if (find_name(o, "table_name", "tables WHERE table_schema=DATABASE() AND table_type='BASE TABLE'", wanted, table, e) != TB_OK)
        return e->code;
    if (table[0] == '\0')
        return tables[t].may_be_missing
                   ? TB_OK
                   : tb_fail(e, TB_EIO, NULL, "there is no table %s: not the old backend's database", wanted);
    snprintf(from, sizeof from, "columns WHERE table_schema=DATABASE() AND CAST(table_name AS BINARY)=CAST('%s' AS BINARY)",
             table);
    for (unsigned i = 0; i < columns_of(&tables[t]); i++) {
        tb_buf_add(&o->select[t], i == 0 ? TB_LIT("SELECT ") : TB_LIT(","));
        if (add_column(o, t, i, table, from, e) != TB_OK)
            return e->code;
    }
    tb_buf_printf(&o->select[t], " FROM `%s`", table);
    return measure(o, t, table, e);
}

/* ---- opening ---- */

/* One state of the database for all that follows, and none of its locks. */
static enum tb_code
begin_snapshot(struct sync_old *o, struct tb_err *e)
{
    return link_run(&o->link, "snapshot",
                    TB_LIT("SET SESSION wait_timeout=28800,net_write_timeout=600;"
                           "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;"
                           "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"),
                    e);
}

static enum tb_code
open_database(struct sync_old *o, struct tb_err *e)
{
    if (link_open(&o->link, &o->url, CONNECT_TIMEOUT_MS, IO_TIMEOUT_MS, e) != TB_OK || link_settle(&o->link, e) != TB_OK ||
        begin_snapshot(o, e) != TB_OK)
        return e->code;
    for (int t = 0; t < IMPORT_TABLE_COUNT; t++)
        if (find_table(o, (enum import_table)t, e) != TB_OK)
            return e->code;
    return TB_OK;
}

enum tb_code
sync_old_open(struct sync_old **out, tb_str url, struct tb_err *e)
{
    struct sync_old *o = TB_NEW(struct sync_old);

    if (sync_url_parse(url, &o->url, e) != TB_OK) {
        tb_free(o);
        return e->code;
    }
    tb_buf_printf(&o->place, "%s:%u/%s", o->url.host, o->url.port, o->url.database);
    if (mysql_library_init(0, NULL, NULL) != 0)
        abort();    /* out of memory */
    if (open_database(o, e) != TB_OK) {
        tb_wrap(e, "%s", o->place.p);
        sync_old_close(&o);
        return e->code;
    }
    *out = o;
    return TB_OK;
}

void
sync_old_close(struct sync_old **op)
{
    struct sync_old *o = *op;

    if (o == NULL)
        return;
    link_close(&o->link);
    sync_url_fini(&o->url);
    for (int t = 0; t < IMPORT_TABLE_COUNT; t++)
        tb_buf_fini(&o->select[t]);
    tb_buf_fini(&o->place);
    tb_free(o);
    *op = NULL;
}

const char *
sync_old_place(const struct sync_old *o)
{
    return o->place.p;
}

const struct sync_old_size *
sync_old_sizes(const struct sync_old *o)
{
    return o->sizes;
}

/* ---- copying ---- */

struct page {
    char   last_id[24];         /* of the row that came last, as the server wrote it; "": none yet */
    size_t n_rows;
};

static bool
is_integer(tb_str text)
{
    tb_str   digits_only = tb_str_starts(text, TB_LIT("-")) ? (tb_str){ text.p + 1, text.n - 1 } : text;
    uint64_t v;
    return tb_str_to_uint(digits_only, UINT64_MAX, &v);
}

/* The id goes into the next page's SELECT, so it has to be a number. */
static enum tb_code
hand_on(struct sync_old *o, enum import_table t, MYSQL_ROW row, const unsigned long *lengths, struct page *p,
        struct store_import *to, struct tb_err *e)
{
    tb_str columns[MAX_COLUMNS] = { 0 };

    for (unsigned i = 0; i < columns_of(&tables[t]); i++)
        columns[i] = (tb_str){ .p = row[i], .n = row[i] != NULL ? lengths[i] : 0 };
    if (!is_integer(columns[0]))
        return tb_fail(e, TB_EIO, NULL, "an id is no integer: not the old backend's database");
    snprintf(p->last_id, sizeof p->last_id, TB_STR_FMT, TB_STR_ARG(columns[0]));
    p->n_rows++;
    o->n_rows++;
    return tables[t].hand(to, columns, e);
}

static enum tb_code
copy_page(struct sync_old *o, enum import_table t, struct page *p, struct store_import *to, struct tb_err *e)
{
    struct tb_buf sql = TB_BUF_INIT;
    enum tb_code  code = TB_OK;

    tb_buf_add(&sql, tb_buf_str(&o->select[t]));
    if (p->last_id[0] != '\0')
        tb_buf_printf(&sql, " WHERE `id`>%s", p->last_id);
    tb_buf_printf(&sql, " ORDER BY `id` LIMIT %d", ROWS_PER_PAGE);
    MYSQL_RES *rows = mysql_real_query(o->link.sql, sql.p, sql.n) == 0 ? mysql_use_result(o->link.sql) : NULL;
    tb_buf_fini(&sql);
    if (rows == NULL)
        return link_fail(&o->link, "read", e);
    for (MYSQL_ROW row = NULL; code == TB_OK && (row = mysql_fetch_row(rows)) != NULL;)
        code = hand_on(o, t, row, mysql_fetch_lengths(rows), p, to, e);
    if (code == TB_OK && mysql_errno(o->link.sql) != 0)
        code = link_fail(&o->link, "read", e);
    mysql_free_result(rows);    /* reads what is left of it */
    return code;
}

enum tb_code
sync_old_copy(struct sync_old *o, struct store_import *to, void (*on_page)(void *ctx, int64_t n_rows), void *ctx,
              struct tb_err *e)
{
    for (int t = 0; t < IMPORT_TABLE_COUNT; t++) {
        struct page p = { .n_rows = ROWS_PER_PAGE };
        while (o->select[t].n > 0 && p.n_rows == ROWS_PER_PAGE) {
            p.n_rows = 0;
            if (copy_page(o, (enum import_table)t, &p, to, e) != TB_OK)
                return tb_wrap(e, "table %s behind id %s", import_table_name((enum import_table)t), p.last_id);
            on_page(ctx, o->n_rows);
        }
    }
    return TB_OK;
}
