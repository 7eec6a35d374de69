/* How fast a backlog goes up, beside the same statements sent by a bare loop to the same server, in one run, and what of
 * the processors it takes (which a busy machine does not blur). Measures, and asserts nothing about speed.
 * usage: sync-speed [messages, default 20000] [receipts of each, default 10] */
#include "work.h"

#include "base/log.h"
#include "base/scan.h"
#include "store/follow.h"
#include "sync/sql.h"

#include <inttypes.h>
#include <mysql.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW = 500, BATCH = 2000, MAX_TEXTS = 10000 };

static struct centre  centre;
static struct fixture f;

static void
await(size_t n)
{
    while (n > 0) {
        struct tb_msg_list heard = { 0 };
        struct tb_msg     *m;
        n -= tb_mailbox_wait(f.inbox, &heard, n, 20000);
        while ((m = tb_msg_list_take(&heard)) != NULL)
            m->run(m);
    }
}

static const tb_str content = { .p = "A message of a usual length, sixty-four bytes of it, all told.", .n = 62 };

/* Messages by one, delivered to all others: one op for WINDOW messages, as gathered under load. */
static void
fill(int64_t n_messages, int n_receipts)
{
    static struct store_add_message sends[WINDOW];
    static int64_t                  ids[WINDOW];
    struct store_receipts_of       *of = tb_alloc((size_t)(n_receipts + 1) * sizeof *of);
    int64_t                         sender = fixture_user(&f, "sender"), room = fixture_room(&f, sender, false);
    char                            name[16];

    for (int i = 0; i < n_receipts; i++) {
        snprintf(name, sizeof name, "user%d", i);
        int64_t user = fixture_user(&f, name);
        fixture_join(&f, room, user, user);
        of[i] = (struct store_receipts_of){ .room_id = room, .user_id = user, .message_ids = ids, .n = WINDOW };
    }
    for (int64_t sent = 0; sent < n_messages; sent += WINDOW) {
        for (int i = 0; i < WINDOW; i++) {
            sends[i] = (struct store_add_message){ .room_id = room, .sender_id = sender, .content = content };
            fixture_prepare(&f, &sends[i].op);
            store_add_message(f.store, &sends[i]);
        }
        await(WINDOW);
        for (int i = 0; i < WINDOW; i++) {
            ids[i] = sends[i].message.id;
            store_op_fini(&sends[i].op);
        }
        struct store_add_delivered d = { .of = of, .n = (size_t)n_receipts };
        if (n_receipts > 0)
            assert_int_equal(TB_OK, fixture_call(&f, add_delivered, &d));
        store_op_fini(&d.op);
        f.wall_ms += 100;
    }
    tb_free(of);
}

struct texts {
    struct sql_batch *batch;
    struct sql_fence  fence;
    char             *text[MAX_TEXTS];
    size_t            length[MAX_TEXTS], n;
    bool              is_full;
};

static void
keep(void *ctx, const struct store_entry *entry)
{
    struct texts *t = ctx;
    struct tb_err e = { 0 };
    t->is_full = t->is_full || sql_batch_add(t->batch, entry, &e) != TB_OK;
}

static void
write_texts(struct texts *t)
{
    struct store_follower *follower;
    struct store_identity  me;
    struct tb_err          e = { 0 };
    size_t                 n = 1, n_statements;

    assert_int_equal(TB_OK, store_follow(f.store, &follower, &e));
    assert_int_equal(TB_OK, store_follow_identity(follower, &me, &e));
    t->fence = (struct sql_fence){ .epoch = me.epoch };
    memcpy(t->fence.journal_uuid, me.journal_uuid, sizeof t->fence.journal_uuid);
    t->batch = sql_batch_new();
    for (;;) {
        t->is_full = false;
        sql_batch_begin(t->batch, &t->fence, (size_t)4 << 20);
        assert_int_equal(TB_OK, store_follow_own(follower, t->fence.last_seq, BATCH, (size_t)1 << 20, keep, t, &n, &e));
        if (n == 0)
            break;
        tb_str text = sql_batch_text(t->batch, 1, &n_statements);
        assert_true(t->n < MAX_TEXTS);
        t->text[t->n] = tb_str_to_c(text);
        t->length[t->n++] = text.n;
        t->fence.last_seq = sql_batch_last_seq(t->batch);
    }
    sql_batch_free(&t->batch);
    store_unfollow(&follower);
}

static int64_t
send_texts(const struct texts *t)
{
    MYSQL *m = mysql_init(NULL);
    int64_t began;

    assert_non_null(mysql_real_connect(m, "127.0.0.1", "root", "", "chat", centre.port, NULL, CLIENT_MULTI_STATEMENTS));
    assert_int_equal(0, mysql_query(m, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"));
    began = tb_mono_us(&tb_clock_system);
    for (size_t i = 0; i < t->n; i++) {
        assert_int_equal(0, mysql_real_query(m, t->text[i], t->length[i]));
        do
            mysql_free_result(mysql_store_result(m));
        while (mysql_next_result(m) == 0);
        assert_int_equal(0, mysql_errno(m));
    }
    int64_t took = tb_mono_us(&tb_clock_system) - began;
    mysql_close(m);
    return took;
}

static int64_t
sync_all(void)
{
    struct sync_settings settings = { .store = f.store, .clock = &tb_clock_system, .url = centre.url, .batch = BATCH,
                                      .connect_timeout_ms = 2000, .io_timeout_ms = 10000 };
    struct sync_status   now = { 0 };
    struct tb_err        e = { 0 };
    struct sync         *s;
    struct timespec      step = { .tv_nsec = 1000000 };
    int64_t              began = tb_mono_us(&tb_clock_system);

    assert_int_equal(TB_OK, sync_open(&s, &settings, &e));
    while (now.state != SYNC_UP || now.lag_ops > 0) {
        nanosleep(&step, NULL);
        sync_status(s, &now);
    }
    int64_t took = tb_mono_us(&tb_clock_system) - began;
    sync_close(&s);
    return took;
}

/* Microseconds of processor time: ours, and the server's (/proc/PID/stat, fields 14 and 15). */
struct cost { int64_t ours, server; };

static struct cost
spent(void)
{
    struct rusage r;
    char          path[32], line[1024] = "";
    uint64_t      ticks = 0, v;

    getrusage(RUSAGE_SELF, &r);
    snprintf(path, sizeof path, "/proc/%d/stat", (int)centre.pid);
    FILE *stat = fopen(path, "r");
    assert_non_null(stat);
    assert_non_null(fgets(line, sizeof line, stat));
    fclose(stat);
    struct tb_scan s = tb_scan_of(tb_str_of(strrchr(line, ')') + 2));     /* the name before it may hold blanks */
    for (int field = 3; field <= 15; field++) {
        tb_str text = tb_scan_until(&s, ' ');
        if (field >= 14 && tb_str_to_uint(text, INT64_MAX, &v))
            ticks += v;
    }
    return (struct cost){ .ours = (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 + r.ru_utime.tv_usec + r.ru_stime.tv_usec,
                          .server = (int64_t)ticks * 1000000 / sysconf(_SC_CLK_TCK) };
}

static void
report(const char *what, uint64_t n, int64_t took_us, struct cost before)
{
    struct cost now = spent();

    printf("  %-9s %8.0f messages/s, processor time a message: server %.1f us, client %.1f us\n", what,
           (double)n * 1e6 / (double)took_us, (double)(now.server - before.server) / (double)n,
           (double)(now.ours - before.ours) / (double)n);
}

static void
empty(void)
{
    static const char *const tables[] = { "user", "room", "member", "message", "receipt", "op_log", "email_claim" };
    char                     sql[64];
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        snprintf(sql, sizeof sql, "TRUNCATE chat.`%s`", tables[i]);
        centre_sql(&centre, sql);
    }
    centre_sql(&centre, "UPDATE chat.site SET last_seq = 0");
}

int
main(int argc, char **argv)
{
    static struct texts texts;
    uint64_t            n_messages = 20000, n_receipts = 10;

    if ((argc > 1 && !tb_str_to_uint(tb_str_of(argv[1]), 10000000, &n_messages)) ||
        (argc > 2 && !tb_str_to_uint(tb_str_of(argv[2]), 1000, &n_receipts))) {
        fprintf(stderr, "usage: sync-speed [messages] [receipts of each]\n");
        return 2;
    }
    log_set(LOG_WARN, LOG_LOGFMT);
    centre_start(&centre, NULL);
    fixture_open(&f);
    f.settings.members_per_room = 1001;
    fixture_reopen(&f);
    fill((int64_t)n_messages, (int)n_receipts);
    for (int round = 0; round < 3; round++) {
        struct cost before = spent();
        int64_t     synced = sync_all();
        report("sync", n_messages, synced, before);
        empty();
        texts.n = 0;
        write_texts(&texts);
        before = spent();
        int64_t bare = send_texts(&texts);
        report("bare loop", n_messages, bare, before);
        empty();
        printf("%" PRIu64 " messages with %" PRIu64 " receipts each: sync goes at %.2f of the bare loop's speed\n", n_messages,
               n_receipts, (double)bare / (double)synced);
        for (size_t i = 0; i < texts.n; i++)
            tb_free(texts.text[i]);
    }
    fixture_close(&f);
    centre_stop(&centre);
    return 0;
}
