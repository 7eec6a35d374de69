/* Bodies of mysql_link.h. */
#include "mysql_link.h"

#include "base/metrics.h"
#include "mysql_auth.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* An idle session ends by itself after this long: whoever holds one looks every few seconds, so one that is silent is dead. */
#define IDLE_SESSION_S 60

/* Of one text: no batch has so many statements. */
enum { MAX_RESULTS = 100000 };

/* What the centre's errors mean to who runs it; the number is in the log. */
enum { NO_SUCH_DATABASE = 1049 };
enum { OTHER, UNREACHABLE, LOST, ACCESS, SCHEMA, FENCED, LOCKED, CONTENT, FULL, READ_ONLY };
static const char *const reasons[] = {
    [OTHER] = "other",     [UNREACHABLE] = "unreachable", [LOST] = "lost",     [ACCESS] = "access",
    [SCHEMA] = "schema",   [FENCED] = "fenced",           [LOCKED] = "locked", [CONTENT] = "content",
    [FULL] = "full",       [READ_ONLY] = "read_only",
};
TB_COUNTER_BY(errors, "tombolo_mysql_errors_total", "reason", reasons,
              "Errors of the centre, and of the way there, to any connection of ours.");

static const struct { unsigned code; int reason; } known[] = {
    { 2002, UNREACHABLE }, { 2003, UNREACHABLE }, { 2005, UNREACHABLE }, { 1040, UNREACHABLE }, { 1053, UNREACHABLE },
    { 2006, LOST }, { 2013, LOST }, { 2055, LOST }, { 4031, LOST }, { 1927, LOST },
    { 1044, ACCESS }, { 1045, ACCESS }, { 1142, ACCESS }, { 1227, ACCESS }, { 1698, ACCESS }, { 1820, ACCESS },
    { 1049, SCHEMA }, { 1054, SCHEMA }, { 1146, SCHEMA }, { 1048, FENCED }, { 1205, LOCKED }, { 1213, LOCKED }, { 3572, LOCKED },
    { 1264, CONTENT }, { 1292, CONTENT }, { 1300, CONTENT }, { 1366, CONTENT }, { 1406, CONTENT },
    { 1021, FULL }, { 1114, FULL }, { 1290, READ_ONLY }, { 1836, READ_ONLY },
};

static int
reason_of(unsigned code)
{
    for (size_t i = 0; i < TB_N(known); i++)
        if (known[i].code == code)
            return known[i].reason;
    return OTHER;
}

bool
link_was_refused(const struct mysql_link *l)
{
    unsigned code = mysql_errno(l->sql);

    return reason_of(code) == ACCESS || code == NO_SUCH_DATABASE;
}

enum tb_code
link_fail(struct mysql_link *l, const char *what, struct tb_err *e)
{
    tb_count(&errors, (size_t)reason_of(mysql_errno(l->sql)));
    return tb_fail(e, TB_EIO, NULL, "%s: mysql %u: %s", what, mysql_errno(l->sql), mysql_error(l->sql));
}

/* ---- statements ---- */

enum tb_code
link_send(struct mysql_link *l, const char *what, tb_str text, struct tb_err *e)
{
    if (text.n + 1 > l->max_packet)     /* the server would cut the connection without a word */
        return tb_fail(e, TB_EIO, NULL, "%s: %zu bytes of SQL, but the server takes max_allowed_packet=%zu", what,
                       text.n, l->max_packet);
    if (mysql_send_query(l->sql, text.p, text.n) != 0)
        return link_fail(l, what, e);
    return TB_OK;
}

/* The rest of an answer that will not be read: without its connection there is none, and freeing the result does not wait for it. */
static void
abandon_answer(struct mysql_link *l, MYSQL_RES *rows)
{
    shutdown((int)l->sql->net.fd, SHUT_RDWR);
    mysql_free_result(rows);
}

/* false: the answer is larger than it may be. */
static bool
keep_row(struct link_rows *out, MYSQL_ROW row, const unsigned long *lengths)
{
    size_t n_bytes = out->n_columns * sizeof(tb_str) + sizeof(tb_str *);

    for (unsigned i = 0; i < out->n_columns; i++)
        n_bytes += lengths[i];
    out->n_bytes += n_bytes;
    if (out->n == out->max || out->n_bytes > LINK_ANSWER_BYTES)
        return false;
    tb_str *columns = TB_ARENA_ARRAY(&out->mem, tb_str, out->n_columns);
    for (unsigned i = 0; i < out->n_columns; i++)
        if (row[i] != NULL)
            columns[i] = tb_arena_str(&out->mem, (tb_str){ .p = row[i], .n = lengths[i] });
    out->row = tb_arena_more(&out->mem, out->row, out->n, &out->cap, sizeof(*out->row));
    out->row[out->n++] = columns;
    return true;
}

static enum tb_code
read_rows(struct mysql_link *l, const char *what, MYSQL_RES *rows, struct link_rows *out, struct tb_err *e)
{
    MYSQL_ROW row;

    out->n_columns = mysql_num_fields(rows);
    while ((row = mysql_fetch_row(rows)) != NULL)
        if (!keep_row(out, row, mysql_fetch_lengths(rows))) {
            abandon_answer(l, rows);
            return tb_fail(e, TB_EIO, NULL, "%s: the answer has more than %zu rows or %d MB", what, out->max,
                           LINK_ANSWER_BYTES >> 20);
        }
    enum tb_code code = mysql_errno(l->sql) != 0 ? link_fail(l, what, e) : TB_OK;
    mysql_free_result(rows);
    return code;
}

/* What rows come are read and dropped: nobody asked for them. */
static enum tb_code
read_result(struct mysql_link *l, const char *what, struct tb_err *e)
{
    struct link_rows unused = { .max = SIZE_MAX };
    MYSQL_RES       *rows = mysql_use_result(l->sql);

    if (rows == NULL)
        return mysql_errno(l->sql) != 0 ? link_fail(l, what, e) : TB_OK;
    enum tb_code code = read_rows(l, what, rows, &unused, e);
    link_rows_free(&unused);
    return code;
}

enum tb_code
link_read_results(struct mysql_link *l, const char *what, struct link_results *out, struct tb_err *e)
{
    int more = mysql_read_query_result(l->sql) ? 1 : 0;

    for (*out = (struct link_results){ 0 }; more == 0; more = mysql_next_result(l->sql)) {
        if (out->n == MAX_RESULTS)
            return tb_fail(e, TB_EIO, NULL, "%s: more than %d results", what, MAX_RESULTS);
        if (read_result(l, what, e) != TB_OK)
            return e->code;
        uint64_t rows_changed = mysql_affected_rows(l->sql); /* asked for now: the next result forgets it */
        if (out->n == 0)
            out->first_rows = rows_changed;
        else if (out->n == 1)
            out->second_rows = rows_changed;
        out->n++;
    }
    return more > 0 ? link_fail(l, what, e) : TB_OK;     /* -1: that was the last */
}

enum tb_code
link_run(struct mysql_link *l, const char *what, tb_str text, struct tb_err *e)
{
    struct link_results ignored;

    if (link_send(l, what, text, e) != TB_OK)
        return e->code;
    return link_read_results(l, what, &ignored, e);
}

enum tb_code
link_fetch(struct mysql_link *l, const char *what, tb_str sql, unsigned n_columns, size_t max_rows, struct link_rows *out,
           struct tb_err *e)
{
    *out = (struct link_rows){ .max = max_rows };
    if (mysql_real_query(l->sql, sql.p, sql.n) != 0)
        return link_fail(l, what, e);
    MYSQL_RES *rows = mysql_use_result(l->sql);
    if (rows == NULL)
        return link_fail(l, what, e);
    if (mysql_num_fields(rows) == n_columns)
        return read_rows(l, what, rows, out, e);
    abandon_answer(l, rows);
    return tb_fail(e, TB_EIO, NULL, "%s: an answer of other than %u columns came", what, n_columns);
}

void
link_rows_free(struct link_rows *rows)
{
    tb_arena_fini(&rows->mem);
    *rows = (struct link_rows){ 0 };
}

enum tb_code
link_ask(struct mysql_link *l, const char *what, const char *sql, unsigned n, struct link_rows *rows, tb_str *columns,
         struct tb_err *e)
{
    if (link_fetch(l, what, tb_str_of(sql), n, 1, rows, e) != TB_OK)
        return e->code;
    bool is_whole = rows->n > 0;
    for (unsigned i = 0; is_whole && i < n; i++) {
        columns[i] = rows->row[0][i];
        is_whole = columns[i].p != NULL;
    }
    return is_whole ? TB_OK : tb_fail(e, TB_ENOTFOUND, NULL, "%s: no answer", what);
}

enum tb_code
link_ask_int(struct mysql_link *l, const char *what, const char *sql, int64_t *out, struct tb_err *e)
{
    struct link_rows rows;
    tb_str           text = TB_STR_NULL;
    uint64_t         v;

    if (link_ask(l, what, sql, 1, &rows, &text, e) == TB_OK) {
        if (tb_str_to_uint(text, INT64_MAX, &v))
            *out = (int64_t)v;
        else
            tb_fail(e, TB_EIO, NULL, "%s: the answer is no number", what);
    }
    link_rows_free(&rows);
    return e->code;
}

/* ---- connecting ---- */

static unsigned
seconds(int ms)
{
    return ms <= 1000 ? 1 : (unsigned)(ms + 999) / 1000;
}

static void
set_options(struct mysql_link *l, const struct sync_url *url, int connect_timeout_ms)
{
    unsigned      connect_s = seconds(connect_timeout_ms), io_s = seconds(l->io_timeout_ms);
    unsigned      tcp = MYSQL_PROTOCOL_TCP, no = 0;
    unsigned long max_packet = LINK_PACKET_BYTES;

    mysql_options(l->sql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    mysql_options(l->sql, MYSQL_OPT_READ_TIMEOUT, &io_s);
    mysql_options(l->sql, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
    mysql_options(l->sql, MYSQL_OPT_PROTOCOL, &tcp);    /* "localhost" is a host, not a socket file */
    mysql_options(l->sql, MYSQL_OPT_LOCAL_INFILE, &no);
    mysql_options(l->sql, MYSQL_OPT_MAX_ALLOWED_PACKET, &max_packet);
    mysql_options(l->sql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    auth_prepare(l->sql, url);
}

static enum tb_code
connect_fail(struct mysql_link *l, const struct sync_url *url, struct tb_err *e)
{
    const char *hint = auth_hint(l->sql, url);

    if (hint == NULL)
        return link_fail(l, "connect", e);
    tb_count(&errors, (size_t)reason_of(mysql_errno(l->sql)));
    return tb_fail(e, TB_EDENIED, NULL, "connect: mysql %u: %s", mysql_errno(l->sql), hint);
}

enum tb_code
link_open(struct mysql_link *l, const struct sync_url *url, int connect_timeout_ms, int io_timeout_ms, struct tb_err *e)
{
    assert(l->sql == NULL);
    *l = (struct mysql_link){ .sql = mysql_init(NULL), .max_packet = SIZE_MAX, .io_timeout_ms = io_timeout_ms };
    if (l->sql == NULL)
        abort(); /* out of memory */
    set_options(l, url, connect_timeout_ms);
    if (mysql_real_connect(l->sql, url->host, url->user, url->password, url->database, url->port, NULL,
                           CLIENT_MULTI_STATEMENTS | CLIENT_FOUND_ROWS |
                               (url->is_compressed ? CLIENT_COMPRESS : 0)) == NULL)
        return connect_fail(l, url, e);
    if (url->ssl_mode >= SYNC_SSL_REQUIRED && mysql_get_ssl_cipher(l->sql) == NULL)
        return tb_fail(e, TB_EIO, NULL, "connect: ssl-mode asks for TLS, but the server has none");
    return TB_OK;
}

/* Locks are waited for shorter than answers are, so that a transaction we have given up ends by itself too. */
static enum tb_code
set_session(struct mysql_link *l, struct tb_err *e)
{
    unsigned      lock_s = seconds(l->io_timeout_ms / 2);
    struct tb_buf sql = TB_BUF_INIT;

    tb_buf_printf(&sql,
                  "SET SESSION sql_mode='STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,"
                  "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION';"
                  "SET SESSION time_zone='+00:00';"
                  "SET NAMES utf8mb4 COLLATE utf8mb4_bin;"
                  "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE;"
                  "SET SESSION autocommit=1,sql_select_limit=18446744073709551615,sql_big_selects=1,sql_safe_updates=0,"
                  "innodb_lock_wait_timeout=%u,lock_wait_timeout=%u,wait_timeout=%u",
                  lock_s, lock_s, (unsigned)IDLE_SESSION_S);
    enum tb_code code = link_run(l, "session", tb_buf_str(&sql), e);
    tb_buf_fini(&sql);
    return code;
}

/* A character of four bytes goes round once: proof that nothing between us takes utf8mb4 for something smaller. */
static enum tb_code
check_charset(struct mysql_link *l, struct tb_err *e)
{
    static const tb_str island = { .p = "\xF0\x9F\x8F\x9D", .n = 4 };
    struct link_rows    rows;
    tb_str              back = TB_STR_NULL;

    if (link_ask(l, "charset", "SELECT _utf8mb4 X'F09F8F9D'", 1, &rows, &back, e) == TB_OK && !tb_str_eq(back, island))
        tb_fail(e, TB_EIO, NULL, "charset: a character of four bytes came back changed");
    link_rows_free(&rows);
    return e->code;
}

enum tb_code
link_settle(struct mysql_link *l, struct tb_err *e)
{
    return set_session(l, e) == TB_OK ? check_charset(l, e) : e->code;
}

void
link_close(struct mysql_link *l)
{
    if (l->sql == NULL)
        return;
    mysql_close(l->sql);
    l->sql = NULL;
    mysql_thread_end(); /* the next mysql_init starts the library on this thread again, if there is one */
}
