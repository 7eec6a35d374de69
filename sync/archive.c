/* Bodies of archive.h. One request at a time: what is slow for one is slow for all, and each gives up by itself when it has
 * waited for timeout_ms in the queue. After a failure what waits is answered at once. */
#include "archive.h"

#include "mysql_link.h"
#include "sql.h"

#include "base/log.h"
#include "base/metrics.h"
#include "base/slow.h"
#include "base/thread.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    FIRST_REST_MS = 250, MAX_REST_MS = 3000,
    IDLE_MS = 20000,            /* a link that is not used is let go, before the server does */
    AT_ONCE_MS = 200,           /* a link that has been closed meanwhile fails faster than this: it is worth another try */
};

static const char *const limits_hit[] = { "history.queue" };
TB_LIMIT_HITS(hits, limits_hit);
static const uint64_t edges[] = { TB_LATENCY_EDGES };
TB_HISTOGRAM(durations, TB_UNIT_US, edges, "tombolo_archive_read_duration_seconds",
             "Pages of history and receipts asked of the centre, with connecting where that was due.");

struct archive {
    /* fixed before the thread starts */
    struct archive_settings with;
    struct sync_url         url;
    struct tb_thread        thread;
    /* archive only */
    struct mysql_link link;
    bool              is_settled;   /* the link has been used before */
    int               rest_ms;      /* the next one; 0: the last thing went well */
    struct tb_buf     sql;
    /* any thread */
    struct tb_mailbox *inbox;
    _Atomic bool       is_stopping;
    _Atomic int64_t    refuse_until_ms;     /* monotonic */
    pthread_mutex_t    fd_lock;             /* so that archive_stop never meets a descriptor that has been given away */
    int                fd;                  /* -1: none */
};

/* ---- the link ---- */

static void
set_fd(struct archive *a, int fd)
{
    pthread_mutex_lock(&a->fd_lock);
    a->fd = fd;
    if (fd >= 0 && a->is_stopping)
        shutdown(fd, SHUT_RDWR);
    pthread_mutex_unlock(&a->fd_lock);
}

static void
let_go(struct archive *a)
{
    set_fd(a, -1);
    link_close(&a->link);
    a->is_settled = false;
}

static enum tb_code
reach(struct archive *a, struct tb_err *e)
{
    if (a->link.sql != NULL)
        return TB_OK;
    if (link_open(&a->link, &a->url, a->with.timeout_ms, a->with.timeout_ms, e) != TB_OK)
        return e->code;
    assert(a->link.sql != NULL);
    set_fd(a, (int)a->link.sql->net.fd);
    if (link_settle(&a->link, e) != TB_OK)
        return e->code;
    return link_run(&a->link, "read only", TB_LIT("SET SESSION TRANSACTION READ ONLY"), e);
}

/* ---- rows ---- */

static int64_t
column_int(const tb_str *row, unsigned i)
{
    uint64_t v = 0;
    return tb_str_to_uint(row[i], INT64_MAX, &v) ? (int64_t)v : 0;
}

/* Asks, and makes room for the rows that come; *row_of gets them one by one. */
static enum tb_code
each_row(struct archive *a, const char *what, unsigned n_columns, size_t max_rows,
         void (*begin)(struct store_beyond *, size_t n), void (*take)(struct archive *, struct store_beyond *, const tb_str *row),
         struct store_beyond *r, struct tb_err *e)
{
    struct link_rows rows;

    if (link_fetch(&a->link, what, tb_buf_str(&a->sql), n_columns, max_rows, &rows, e) == TB_OK) {
        begin(r, rows.n);
        for (size_t i = 0; i < rows.n; i++)
            take(a, r, rows.row[i]);
    }
    link_rows_free(&rows);
    return e->code;
}

#define MS_OF(column) "TIMESTAMPDIFF(MICROSECOND,TIMESTAMP'1970-01-01 00:00:00'," column ") DIV 1000"

/* ---- pages ---- */

/* When the message was of which the page is before, in that room. Of an id that no message has: when the last one was that the same
 * node had made before; there may be none. */
static enum tb_code
find_cursor(struct archive *a, struct store_beyond *r, struct tb_err *e)
{
    struct link_rows rows;
    tb_str           column[3] = { 0 };
    uint64_t         id = 0, room = 0, hlc = 0;

    tb_buf_clear(&a->sql);
    tb_buf_printf(&a->sql, "SELECT `id`,`room_id`,`hlc` FROM `message` WHERE `id`<=%" PRId64 " AND `id`>=(%" PRId64 ">>41<<41)"
                           " ORDER BY `id` DESC LIMIT 1", r->before_id, r->before_id);
    bool is_there = link_ask(&a->link, "cursor", a->sql.p, 3, &rows, column, e) == TB_OK;
    bool is_good = is_there && tb_str_to_uint(column[0], INT64_MAX, &id) && tb_str_to_uint(column[1], INT64_MAX, &room) &&
                   tb_str_to_uint(column[2], INT64_MAX, &hlc) && ((int64_t)id != r->before_id || (int64_t)room == r->room_id);
    link_rows_free(&rows);
    if (is_there && !is_good)
        return tb_fail(e, TB_EINPUT, "Invalid cursor", "cursor %" PRId64 " is of another room than %" PRId64 " at the centre",
                       r->before_id, r->room_id);
    if (e->code == TB_ENOTFOUND)
        *e = (struct tb_err){ 0 };
    r->before_hlc = (int64_t)hlc;
    return e->code;
}

static void
begin_page(struct store_beyond *r, size_t n)
{
    r->items = TB_ARENA_ARRAY(&r->op.mem, struct store_message, n);
}

static tb_str
column_text(struct store_beyond *r, const tb_str *row, unsigned i)
{
    return tb_arena_str(&r->op.mem, row[i]);
}

static void
take_message(struct archive *a, struct store_beyond *r, const tb_str *row)
{
    r->items[r->n++] = (struct store_message){
        .id = column_int(row, 0), .created_at = column_int(row, 1), .sender_id = column_int(row, 2), .room_id = r->room_id,
        .content = column_text(r, row, 3), .sender_username = column_text(r, row, 4),
        .sender_email = column_text(r, row, 5), .synced_at = tb_wall_ms(a->with.clock),
    };
}

static enum tb_code
read_page(struct archive *a, struct store_beyond *r, struct tb_err *e)
{
    if (r->before_hlc == 0 && find_cursor(a, r, e) != TB_OK)
        return e->code;
    tb_buf_clear(&a->sql);
    tb_buf_printf(&a->sql,
                  "SELECT m.`id`," MS_OF("m.`created_at`") ",m.`sender_id`,m.`content`,COALESCE(u.`username`,''),"
                  "COALESCE(u.`email`,'') FROM `message` m LEFT JOIN `user` u ON u.`id`=m.`sender_id`"
                  " WHERE m.`room_id`=%" PRId64 " AND m.`hlc`<=%" PRId64 " AND NOT (m.`hlc`=%" PRId64 " AND m.`id`>=%" PRId64
                  ") ORDER BY m.`hlc` DESC,m.`id` DESC LIMIT %u",
                  r->room_id, r->before_hlc, r->before_hlc, r->before_id, r->limit);
    return each_row(a, "page", 6, r->limit, begin_page, take_message, r, e);
}

/* ---- receipts ---- */

static void
begin_receipts(struct store_beyond *r, size_t n)
{
    r->receipts = TB_ARENA_ARRAY(&r->op.mem, struct store_receipt, n);
}

static void
take_receipt(struct archive *a, struct store_beyond *r, const tb_str *row)
{
    (void)a;
    r->receipts[r->n++] = (struct store_receipt){ .user_id = column_int(row, 0), .delivered_at = column_int(row, 1),
                                                  .read_at = column_int(row, 2) };
}

static enum tb_code
read_receipts(struct archive *a, struct store_beyond *r, struct tb_err *e)
{
    tb_buf_clear(&a->sql);
    tb_buf_printf(&a->sql, "SELECT `room_id` FROM `message` WHERE `id`=%" PRId64, r->message_id);
    if (link_ask_int(&a->link, "message", a->sql.p, &r->room_id, e) != TB_OK)
        return e->code != TB_ENOTFOUND ? e->code
                                       : tb_fail(e, TB_ENOTFOUND, "Message not found", "no message %" PRId64 " at the centre",
                                                 r->message_id);
    tb_buf_clear(&a->sql);
    tb_buf_printf(&a->sql, "SELECT `user_id`," MS_OF("`delivered_at`") "," MS_OF("`read_at`") " FROM `receipt`"
                  " WHERE `message_id`=%" PRId64 " ORDER BY `user_id`", r->message_id);
    return each_row(a, "receipts", 3, SIZE_MAX, begin_receipts, take_receipt, r, e);
}

/* ---- requests ---- */

static bool
is_of_the_link(enum tb_code code)
{
    return code != TB_OK && code != TB_EINPUT && code != TB_ENOTFOUND;
}

static enum tb_code
try_once(struct archive *a, struct store_beyond *r, struct tb_err *e)
{
    if (reach(a, e) == TB_OK)
        TB_TRY(r->what == STORE_BEYOND_PAGE ? read_page(a, r, e) : read_receipts(a, r, e));
    if (is_of_the_link(e->code))
        let_go(a);
    else
        a->is_settled = true;
    return e->code;
}

static void
refuse_for_a_while(struct archive *a, const struct tb_err *e)
{
    a->rest_ms = a->rest_ms == 0 ? FIRST_REST_MS : 2 * a->rest_ms < MAX_REST_MS ? 2 * a->rest_ms : MAX_REST_MS;
    a->refuse_until_ms = tb_mono_ms(a->with.clock) + a->rest_ms;
    if (!a->is_stopping)
        log_warn("archive.failed", "refused_for_ms=%d why=\"%s\"", a->rest_ms, e->why);
}

static void
note(int64_t took_us, const struct store_beyond *r)
{
    tb_observe(&durations, 0, (uint64_t)took_us);
    if (slow_is(took_us))
        slow_log(SLOW_ARCHIVE, took_us, "what=%s", r->what == STORE_BEYOND_PAGE ? "page" : "receipts");
}

static void
read_it(struct archive *a, struct store_beyond *r)
{
    bool           was_settled = a->is_settled;
    int64_t        began_us = tb_mono_us(a->with.clock);
    struct tb_err *e = &r->op.err;

    if (try_once(a, r, e) != TB_OK && is_of_the_link(e->code) && was_settled && !a->is_stopping &&
        tb_mono_us(a->with.clock) - began_us < AT_ONCE_MS * 1000) {
        *e = (struct tb_err){ 0 };
        r->n = 0;
        TB_TRY(try_once(a, r, e));
    }
    note(tb_mono_us(a->with.clock) - began_us, r);
    if (is_of_the_link(e->code))
        refuse_for_a_while(a, e);
    else
        a->rest_ms = 0;
}

static void
run_answer(struct tb_msg *msg)
{
    struct store_op *op = TB_CONTAINER(msg, struct store_op, msg);

    log_about(op->about);
    op->on_done(op);
    log_about(TB_STR_NULL);
}

static void
serve(struct archive *a, struct store_beyond *r)
{
    int64_t now = tb_mono_ms(a->with.clock);

    log_about(r->op.about);
    if (a->is_stopping || now < a->refuse_until_ms || now > r->give_up_ms)
        tb_fail(&r->op.err, TB_EBUSY, NULL, "the centre is out of reach, or too slow");
    else
        read_it(a, r);
    log_about(TB_STR_NULL);
    r->op.msg.run = run_answer;
    tb_mailbox_post_always(r->op.reply_to, &r->op.msg);
}

static void
run(void *ctx)
{
    struct archive *a = ctx;

    for (;;) {
        struct tb_msg_list heard = { 0 };
        size_t             n = tb_mailbox_wait(a->inbox, &heard, 1, a->link.sql != NULL ? IDLE_MS : -1);
        if (n > 0)
            serve(a, TB_CONTAINER(tb_msg_list_take(&heard), struct store_beyond, op.msg));
        else
            let_go(a);
        if (n == 0 && tb_mailbox_is_closed(a->inbox))
            return;
    }
}

bool
archive_ask(void *ctx, struct store_beyond *r)
{
    struct archive *a = ctx;
    int64_t         now = tb_mono_ms(a->with.clock);

    assert(r->op.reply_to != NULL && r->op.on_done != NULL && r->limit <= INT32_MAX);
    if (a->is_stopping || now < a->refuse_until_ms)
        return false;
    r->op.err = (struct tb_err){ 0 };
    r->n = 0;
    r->give_up_ms = now + a->with.timeout_ms;
    if (tb_mailbox_post(a->inbox, &r->op.msg))
        return true;
    tb_count(&hits, 0);
    return false;
}

size_t
archive_waiting(const struct archive *a)
{
    return tb_mailbox_depth(a->inbox);
}

/* ---- opening and closing ---- */

enum tb_code
archive_open(struct archive **out, const struct archive_settings *settings, struct tb_err *e)
{
    struct archive *a = TB_NEW(struct archive);

    assert(tb_thread_is(TB_MAIN));
    if (sync_url_parse(tb_str_of(settings->url), &a->url, e) != TB_OK) {
        tb_free(a);
        return e->code;
    }
    if (mysql_library_init(0, NULL, NULL) != 0)
        abort();    /* out of memory; it must run before there are threads that use the library */
    a->with = *settings;
    a->with.url = NULL;
    a->fd = -1;
    a->inbox = tb_mailbox_new(settings->queue, NULL, NULL);
    pthread_mutex_init(&a->fd_lock, NULL);
    tb_thread_start(&a->thread, TB_ARCHIVE, run, a);
    *out = a;
    return TB_OK;
}

void
archive_stop(struct archive *a)
{
    pthread_mutex_lock(&a->fd_lock);
    a->is_stopping = true;
    if (a->fd >= 0)
        shutdown(a->fd, SHUT_RDWR);
    pthread_mutex_unlock(&a->fd_lock);
}

void
archive_close(struct archive **ap)
{
    struct archive *a = *ap;

    if (a == NULL)
        return;
    archive_stop(a);
    tb_mailbox_close(a->inbox);
    tb_thread_join(&a->thread);
    tb_mailbox_free(&a->inbox);
    pthread_mutex_destroy(&a->fd_lock);
    sync_url_fini(&a->url);
    tb_buf_fini(&a->sql);
    tb_free(a);
    *ap = NULL;
}
