#pragma once
/* One connection to MySQL or MariaDB with its session settled, on calls that Oracle's libmysqlclient and MariaDB's connector
 * share. For sync/ only: what includes this header, and nothing else, includes mysql.h.
 * Threads: a link belongs to the thread that opened it. After a failure it is closed and not used again, since nobody can say
 * what state its transaction is in. */
#include "base/arena.h"
#include "tombolo/err.h"
#include "url.h"

#include <mysql.h>

struct mysql_link {
    MYSQL *sql;        /* NULL: not open */
    size_t max_packet; /* longest text that the server takes; SIZE_MAX until the owner has asked */
    int io_timeout_ms;
};

/* Reaches the server. Failing, it still has to be closed. Time-outs are rounded up to seconds, as the library counts. */
enum tb_code link_open(struct mysql_link *l, const struct sync_url *url, int connect_timeout_ms, int io_timeout_ms,
                       struct tb_err *e) TB_MUST_CHECK;

/* Settings of the session are set, never assumed: strict sql_mode, UTC, utf8mb4, READ COMMITTED, short waits for locks. */
enum tb_code link_settle(struct mysql_link *l, struct tb_err *e) TB_MUST_CHECK;

void link_close(struct mysql_link *l); /* whatever state it is in; may be closed already */

/* What the library says about the call that has just failed. */
enum tb_code link_fail(struct mysql_link *l, const char *what, struct tb_err *e);

/* The last failure was the server's own word on who we are and what we may do: to ask again does not help. */
bool link_was_refused(const struct mysql_link *l);

struct link_results { /* of one text with several statements */
    size_t n;
    uint64_t first_rows, second_rows; /* rows that those statements found or changed */
};

/* A text with one or more statements, and its answers: all of it is sent before the first answer is read. */
enum tb_code link_send(struct mysql_link *l, const char *what, tb_str text, struct tb_err *e) TB_MUST_CHECK;
enum tb_code link_read_results(struct mysql_link *l, const char *what, struct link_results *out,
                               struct tb_err *e) TB_MUST_CHECK;
enum tb_code link_run(struct mysql_link *l, const char *what, tb_str text, struct tb_err *e) TB_MUST_CHECK;

/* An answer, read whole and row by row: whoever answers may be anybody, so it has at most LINK_ANSWER_BYTES, and a packet of it
 * no more than LINK_PACKET_BYTES. */
enum { LINK_ANSWER_BYTES = 64 << 20, LINK_PACKET_BYTES = 32 << 20 };
struct link_rows {
    struct tb_arena mem;
    tb_str        **row;        /* n of them, each of n_columns; NULL is p NULL */
    size_t          n, cap, max, n_bytes;
    unsigned        n_columns;
};

/* One statement and its rows of n_columns columns, at most max_rows of them: more than were asked for is a failure. To be freed
 * with link_rows_free, also when it fails. */
enum tb_code link_fetch(struct mysql_link *l, const char *what, tb_str sql, unsigned n_columns, size_t max_rows,
                        struct link_rows *out, struct tb_err *e) TB_MUST_CHECK;
void         link_rows_free(struct link_rows *rows);

/* The first row of such an answer, in mem of *rows; TB_ENOTFOUND when there is none. NULLs are refused: nothing that is asked for
 * in this way may be one. */
enum tb_code link_ask(struct mysql_link *l, const char *what, const char *sql, unsigned n, struct link_rows *rows,
                      tb_str *columns, struct tb_err *e) TB_MUST_CHECK;
enum tb_code link_ask_int(struct mysql_link *l, const char *what, const char *sql, int64_t *out,
                          struct tb_err *e) TB_MUST_CHECK;
