/* Figures of sync against a real server. Measures, and asserts nothing about speed.
 * usage: sync-speed [messages, default 20000] [receipts of each, default 10] [rounds, default 3]
 *            How fast a backlog goes up, beside the same statements sent by a bare loop to the same server, in one run, what of
 *            the processors it takes (which a busy machine does not blur), and what each does to who sends meanwhile: both
 *            databases share the machine, so what the bare loop costs a sender is not sync's doing.
 *            A month cut off is `sync-speed 1000000 10 1`: minutes, and some gigabytes in memory and /dev/shm.
 *        sync-speed bootstrap [messages]     a new, empty site takes all of a centre
 *        sync-speed links                    a backlog over links of 20, 200 and 600 ms a round trip, and over one of 1 Mbit/s
 *        sync-speed lag [sends a second, default 500] [seconds, default 20]      from an answer to COMMIT at the centre */
#include "proxy.h"
#include "work.h"

#include "base/log.h"
#include "base/scan.h"
#include "store/follow.h"
#include "sync/sql.h"

#include <inttypes.h>
#include <mysql.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW = 500, BATCH = 2000, MAX_TEXTS = 10000, SENDS_PER_S = 200, CALM_S = 8, MAX_SAMPLES = 1 << 20 };

static struct centre  centre;
static struct fixture f;
static int64_t        sender, room;     /* of fill */

/* ---- latencies ---- */

struct samples { int64_t us[MAX_SAMPLES]; size_t n; };

static int
by_size(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double
percentile(struct samples *s, double p)
{
    if (s->n == 0)
        return 0;
    qsort(s->us, s->n, sizeof *s->us, by_size);
    return (double)s->us[(size_t)(p * (double)(s->n - 1))] / 1000;
}

static void
sample(struct samples *s, int64_t us)
{
    if (s->n < MAX_SAMPLES)
        s->us[s->n++] = us;
}

static int64_t
now_us(void)
{
    return tb_mono_us(&tb_clock_system);
}

static void
pause_until(int64_t at_us)
{
    int64_t         left = at_us - now_us();
    struct timespec t = { .tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000 };
    if (left > 0)
        nanosleep(&t, NULL);
}

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
    char                            name[16];

    sender = fixture_user(&f, "sender");
    room = fixture_room(&f, sender, false);

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

/* One send, and how long its answer took. */
static void
send_one(struct samples *out)
{
    int64_t began = now_us();

    fixture_send(&f, room, sender, content.p);
    sample(out, now_us() - began);
}

/* Sends at a steady rate for that long, or until s, if given, is level, or until *over, if given. */
static int64_t
serve(struct sync *s, int64_t most_us, struct samples *out, const atomic_bool *over)
{
    int64_t            began = now_us(), next = began;
    struct sync_status now = { 0 };

    while (now_us() - began < most_us && (over == NULL || !*over)) {
        pause_until(next);
        next += 1000000 / SENDS_PER_S;
        if (out != NULL)
            send_one(out);
        if (s != NULL)
            sync_status(s, &now);
        if (now.state == SYNC_UP && now.lag_ops <= (out != NULL ? SENDS_PER_S / 4 : 0))
            break;
    }
    return now_us() - began;
}

static struct sync *
open_sync(struct fixture *g, const char *url)
{
    struct sync_settings settings = { .store = g->store, .clock = &tb_clock_system, .url = url, .batch = BATCH,
                                      .connect_timeout_ms = 2000, .io_timeout_ms = 10000 };
    struct tb_err        e = { 0 };
    struct sync         *s;

    if (sync_open(&s, &settings, &e) != TB_OK)
        fail_msg("%s", e.why);
    return s;
}

static int64_t
sync_all(const char *url, struct samples *sends)
{
    struct sync *s = open_sync(&f, url);
    int64_t      took = serve(s, INT64_MAX, sends, NULL);

    sync_close(&s);
    return took;
}

struct loop { const struct texts *texts; int64_t took_us; atomic_bool is_over; };

static void *
run_loop(void *ctx)
{
    struct loop *l = ctx;

    l->took_us = send_texts(l->texts);
    l->is_over = true;
    return NULL;
}

static int64_t
bare_loop(const struct texts *t, struct samples *sends)
{
    struct loop l = { .texts = t };
    pthread_t   thread;

    assert_int_equal(0, pthread_create(&thread, NULL, run_loop, &l));
    serve(NULL, INT64_MAX, sends, &l.is_over);
    assert_int_equal(0, pthread_join(thread, NULL));
    return l.took_us;
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

static int
backlog(uint64_t n_messages, uint64_t n_receipts, uint64_t rounds)
{
    static struct texts   texts;
    static struct samples calm, busy, beside;
    struct store_status   now;

    int64_t began = now_us();
    fill((int64_t)n_messages, (int)n_receipts);
    fprintf(stderr, "%" PRIu64 " messages written in %.0f s\n", n_messages, (double)(now_us() - began) / 1e6);
    for (uint64_t round = 0; round < rounds; round++) {
        calm.n = busy.n = beside.n = 0;
        serve(NULL, CALM_S * 1000000, &calm, NULL);
        struct cost before = spent();
        int64_t     synced = sync_all(centre.url, &busy);
        store_status(f.store, &now);
        n_messages = (uint64_t)now.own_seq;
        report("sync", n_messages, synced, before);
        empty();
        texts.n = 0;
        write_texts(&texts);
        before = spent();
        int64_t bare = bare_loop(&texts, &beside);
        report("bare loop", n_messages, bare, before);
        empty();
        printf("  sends:    p50 %.1f ms, p99 %.1f ms beside sync; %.1f, %.1f beside the bare loop; %.1f, %.1f alone: p99 %.2f and %.2f"
               " times that\n", percentile(&busy, 0.5), percentile(&busy, 0.99), percentile(&beside, 0.5), percentile(&beside, 0.99),
               percentile(&calm, 0.5), percentile(&calm, 0.99), percentile(&busy, 0.99) / percentile(&calm, 0.99),
               percentile(&beside, 0.99) / percentile(&calm, 0.99));
        printf("%" PRIu64 " ops, %" PRIu64 " receipts a message: sync goes at %.2f of the bare loop's speed\n", n_messages,
               n_receipts, (double)bare / (double)synced);
        for (size_t i = 0; i < texts.n; i++)
            tb_free(texts.text[i]);
    }
    return 0;
}

static int
bootstrap(uint64_t n_messages)
{
    struct fixture      g;
    struct store_status there, here = { 0 };

    fill((int64_t)n_messages, 0);
    sync_all(centre.url, NULL);
    store_status(f.store, &there);
    fixture_open(&g);
    struct cost  before = spent();
    int64_t      began = now_us();
    struct sync *s = open_sync(&g, centre.url);
    while (here.head_pos < there.own_seq) {
        pause_until(now_us() + 2000);
        store_status(g.store, &here);
    }
    report("bootstrap", n_messages, now_us() - began, before);
    printf("%" PRIu64 " messages are in a new site after %.1f s\n", n_messages, (double)(now_us() - began) / 1e6);
    sync_close(&s);
    fixture_close(&g);
    return 0;
}

static const struct { const char *name; unsigned delay_ms, bytes_per_s; int64_t messages; } shapes[] = {
    { "no delay", 0, 0, 20000 },           { "20 ms a round trip", 10, 0, 20000 },   { "200 ms a round trip", 100, 0, 20000 },
    { "600 ms a round trip", 300, 0, 20000 }, { "1 Mbit/s, 20 ms a round trip", 10, 125000, 20000 },
};

static int
links(void)
{
    struct proxy proxy;

    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        proxy_start(&proxy, &centre);
        proxy.delay_ms = shapes[i].delay_ms;
        proxy.bytes_per_s = shapes[i].bytes_per_s;
        if (i == 0)
            fill(shapes[i].messages, 0);
        int64_t took = sync_all(proxy.url, NULL);
        printf("%-30s %6" PRId64 " messages in %6.1f s: %8.0f messages/s\n", shapes[i].name, shapes[i].messages,
               (double)took / 1e6, (double)shapes[i].messages * 1e6 / (double)took);
        fflush(stdout);
        proxy_stop(&proxy);
        empty();
    }
    return 0;
}

struct pending { struct store_add_message send; int64_t answered_us; int64_t seq; };

static int
lag(uint64_t rate, uint64_t seconds)
{
    static struct pending pending[1 << 16];
    static struct samples lags, answers;
    struct store_status   now;
    struct sync_status    link;
    size_t                n = rate * seconds, n_sent = 0, n_answered = 0, n_there = 0;

    fill(WINDOW, 0);
    assert_true(n <= sizeof pending / sizeof *pending);
    struct sync *s = open_sync(&f, centre.url);
    serve(s, INT64_MAX, NULL, NULL);
    store_status(f.store, &now);
    int64_t first_seq = now.own_seq, began = now_us();
    while (n_there < n) {
        struct tb_msg_list heard = { 0 };
        struct tb_msg     *m;
        for (; n_sent < n && now_us() >= began + (int64_t)(n_sent * 1000000 / rate); n_sent++) {
            pending[n_sent].send = (struct store_add_message){ .room_id = room, .sender_id = sender, .content = content };
            pending[n_sent].answered_us = -now_us();
            fixture_prepare(&f, &pending[n_sent].send.op);
            store_add_message(f.store, &pending[n_sent].send);
        }
        (void)tb_mailbox_wait(f.inbox, &heard, SIZE_MAX, 1);
        while ((m = tb_msg_list_take(&heard)) != NULL) {
            m->run(m);
            sample(&answers, now_us() + pending[n_answered].answered_us);
            pending[n_answered++].answered_us = now_us();   /* one writer, so answers come in the order of sends */
        }
        sync_status(s, &link);
        while (n_there < n_answered && first_seq + (int64_t)n_there < link.pushed_seq)
            sample(&lags, now_us() - pending[n_there++].answered_us);
    }
    printf("%" PRIu64 " sends/s for %" PRIu64 " s: answered after p50 %.1f ms, p99 %.1f ms; at the centre after that p50 %.1f ms,"
           " p99 %.1f ms, most %.1f ms\n", rate, seconds, percentile(&answers, 0.5), percentile(&answers, 0.99),
           percentile(&lags, 0.5), percentile(&lags, 0.99), percentile(&lags, 1));
    for (size_t i = 0; i < n; i++)
        store_op_fini(&pending[i].send.op);
    sync_close(&s);
    return 0;
}

static uint64_t
number(int argc, char **argv, int i, uint64_t otherwise)
{
    uint64_t v = otherwise;

    if (argc > i && !tb_str_to_uint(tb_str_of(argv[i]), 10000000, &v)) {
        fprintf(stderr, "usage: sync-speed [messages] [receipts of each] [rounds] | bootstrap [messages] | links | lag [rate] [s]\n");
        exit(2);
    }
    return v;
}

static int
measure(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "bootstrap") == 0)
        return bootstrap(number(argc, argv, 2, 20000));
    if (argc > 1 && strcmp(argv[1], "links") == 0)
        return links();
    if (argc > 1 && strcmp(argv[1], "lag") == 0)
        return lag(number(argc, argv, 2, 500), number(argc, argv, 3, 20));
    return backlog(number(argc, argv, 1, 20000), number(argc, argv, 2, 10), number(argc, argv, 3, 3));
}

int
main(int argc, char **argv)
{
    log_set(LOG_WARN, LOG_LOGFMT);
    centre_start(&centre, NULL);
    fixture_open(&f);
    f.settings.members_per_room = 1001;
    fixture_reopen(&f);
    int code = measure(argc, argv);
    fixture_close(&f);
    centre_stop(&centre);
    return code;
}
