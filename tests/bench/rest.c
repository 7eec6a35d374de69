/* bench-rest: what a client gets from the whole server over loopback, and what the server takes for it: durable sends with
 * few and many connections beside a bare group commit at the batch size observed; pages of history beside an empty handler
 * on the same loop; memory; time to start. Server and limit alternate in short rounds. Each run has a server process of its
 * own on the same data folder, whose log says at its end how many ops shared how many commits. */
#include "client.h"
#include "limits.h"
#include "sender.h"
#include "server.h"

#include "base/log.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    USERS = 64,
    ROOMS = 16,
    MAX_COUNTS = 8,
    MAX_CONTENT = 16384,
    MAX_MESSAGES = 100000000,
    FILL_DEPTH = 512,
    PAGE = 20,                          /* messages, as clients ask for by default */
};

static const double for_ever = 1e9;     /* seconds */

struct options {
    double      seconds;                /* of one run */
    size_t      rounds;
    size_t      counts[MAX_COUNTS], n_counts;   /* connections */
    size_t      content;                /* bytes of a message */
    size_t      messages;               /* in the room whose history is read */
    const char *dir, *server, *empty;
    const char *only;                   /* "sends", "history" or "start"; NULL: all three */
};

struct bench {
    const struct options *o;
    char                 *data;
    char                 *tokens[USERS];
    int64_t               users[USERS], rooms[ROOMS], history_room;
    tb_str                content;
    struct bench_bare    *bare;
    int64_t               cursors[BENCH_MAX_CONNECTIONS];   /* by connection; 0: the newest page */
};

struct sends_table {
    struct bench_series per_s, batch, p50, p99, server_cpu, client_cpu, bare, bare_cpu, ratio, rss;
};

struct rest_table {
    struct bench_series fdatasync_rate, pages, p50, p99, page_cpu, client_cpu, empty, empty_cpu, ratio;
    struct bench_series idle_rss, rss, ready, ready_killed;
    struct sends_table  sends[MAX_COUNTS];
};

/* ---- servers ---- */

static void
start_server(const struct bench *b, struct bench_server *s)
{
    const char *const argv[] = { b->o->server, "serve", "--host", "127.0.0.1", "--data", b->data };
    bench_server_start(s, argv, sizeof argv / sizeof *argv, "/healthz");
}

static void
start_empty(const struct bench *b, struct bench_server *s)
{
    bench_server_start(s, &b->o->empty, 1, "/");
}

static void
stop_server(struct bench_server *s)
{
    bench_server_stop(s);
    bench_server_fini(s);
}

/* ---- people ---- */

/* Where the value of the first such member begins. */
static const char *
value_of(const struct tb_buf *json, const char *key)
{
    struct tb_buf member = TB_BUF_INIT;

    tb_buf_printf(&member, "\"%s\":", key);
    const char *at = json->n > 0 ? strstr(json->p, member.p) : NULL;
    if (at == NULL)
        bench_die("no %s in " TB_STR_FMT, key, TB_STR_ARG(tb_buf_str(json)));
    at += member.n;
    tb_buf_fini(&member);
    return at;
}

static void
post(const struct bench_server *s, const char *path, const char *token, const struct tb_buf *body, struct tb_buf *answer)
{
    struct tb_buf request = TB_BUF_INIT;

    tb_buf_clear(answer);
    bench_request(&request, "POST", tb_str_of(path), tb_str_of(token), tb_buf_str(body));
    int status = bench_ask(s->port, tb_buf_str(&request), answer);
    if (status / 100 != 2)
        bench_die("%s: status %d: " TB_STR_FMT, path, status, TB_STR_ARG(tb_buf_str(answer)));
    tb_buf_fini(&request);
}

static void
register_user(struct bench *b, const struct bench_server *s, size_t i)
{
    struct tb_buf body = TB_BUF_INIT, answer = TB_BUF_INIT;

    tb_buf_printf(&body, "{\"email\":\"u%zu@bench.test\",\"username\":\"bench\",\"password\":\"correct horse\"}", i);
    post(s, "/auth/register", NULL, &body, &answer);
    b->users[i] = strtoll(value_of(&answer, "id"), NULL, 10);
    const char *token = value_of(&answer, "token") + 1;
    b->tokens[i] = tb_str_to_c((tb_str){ .p = token, .n = strcspn(token, "\"") });
    tb_buf_fini(&body);
    tb_buf_fini(&answer);
}

static int64_t
make_room(const struct bench *b, const struct bench_server *s, size_t creator)
{
    struct tb_buf body = TB_BUF_INIT, answer = TB_BUF_INIT;

    tb_buf_add(&body, TB_LIT("{\"name\":\"bench\"}"));
    post(s, "/rooms", b->tokens[creator], &body, &answer);
    int64_t id = strtoll(value_of(&answer, "id"), NULL, 10);
    tb_buf_fini(&body);
    tb_buf_fini(&answer);
    return id;
}

static void
join_room(const struct bench *b, const struct bench_server *s, size_t user, int64_t room)
{
    struct tb_buf body = TB_BUF_INIT, answer = TB_BUF_INIT;

    tb_buf_printf(&body, "{\"roomId\":%" PRId64 "}", room);
    post(s, "/rooms/join", b->tokens[user], &body, &answer);
    tb_buf_fini(&body);
    tb_buf_fini(&answer);
}

static void
add_people(struct bench *b)
{
    struct bench_server s;

    start_server(b, &s);
    for (size_t i = 0; i < USERS; i++)
        register_user(b, &s, i);
    for (size_t i = 0; i < ROOMS; i++)
        b->rooms[i] = make_room(b, &s, i);
    for (size_t i = ROOMS; i < USERS; i++)
        join_room(b, &s, i, b->rooms[i % ROOMS]);
    b->history_room = make_room(b, &s, 0);
    stop_server(&s);
}

/* Straight into the journal, while no server has it. */
static void
fill_history(const struct bench *b)
{
    struct bench_sender sender;

    bench_sender_open(&sender, b->data, b->content);
    sender.users[0] = b->users[0];
    sender.rooms[0] = b->history_room;
    sender.n_users = sender.n_rooms = 1;
    bench_sender_run(&sender, FILL_DEPTH, b->o->messages, for_ever);
    bench_sender_close(&sender);
}

/* ---- sends ---- */

static void
ask_send(void *ctx, size_t connection, struct tb_buf *request)
{
    static struct tb_buf body;
    const struct bench  *b = ctx;
    size_t               user = connection % USERS;

    tb_buf_clear(&body);
    tb_buf_printf(&body, "{\"roomId\":%" PRId64 ",\"content\":\"" TB_STR_FMT "\"}", b->rooms[user % ROOMS],
                  TB_STR_ARG(b->content));
    bench_request(request, "POST", TB_LIT("/messages"), tb_str_of(b->tokens[user]), tb_buf_str(&body));
}

static struct bench_load
load_of_sends(struct bench *b, const struct bench_server *s, size_t n_connections)
{
    return (struct bench_load){ .port = s->port, .n_connections = n_connections, .ask = ask_send, .ctx = b };
}

static void
add_bare(struct bench *b, struct sends_table *t, double batch, double per_s)
{
    struct bench_bare_figures bare = bench_bare_run(b->bare, (size_t)(batch + 0.5), b->o->seconds);

    bench_series_add(&t->bare, bare.rows_per_s);
    bench_series_add(&t->bare_cpu, bare.cpu_us);
    bench_series_add(&t->ratio, per_s / bare.rows_per_s);
}

static void
measure_sends(struct bench *b, size_t n_connections, struct sends_table *t)
{
    static struct bench_load_figures f;
    struct bench_server              s;

    start_server(b, &s);
    struct bench_load load = load_of_sends(b, &s, n_connections);
    double            cpu = bench_server_cpu_s(&s);
    bench_load_run(&load, b->o->seconds, &f);
    cpu = bench_server_cpu_s(&s) - cpu;
    bench_series_add(&t->rss, bench_server_rss_mb(&s));
    bench_server_stop(&s);
    double commits = bench_server_logged(&s, "serve.stopped", "commits");
    double batch = commits > 0 ? bench_server_logged(&s, "serve.stopped", "ops") / commits : 1;
    bench_server_fini(&s);
    bench_series_add(&t->per_s, f.per_s);
    bench_series_add(&t->batch, batch);
    bench_series_add(&t->p50, bench_latency_ms(&f.latency, 0.5));
    bench_series_add(&t->p99, bench_latency_ms(&f.latency, 0.99));
    bench_series_add(&t->server_cpu, cpu * 1e6 / (double)f.n);
    bench_series_add(&t->client_cpu, f.span.cpu_s * 1e6 / (double)f.n);
    add_bare(b, t, batch, f.per_s);
}

/* ---- history ---- */

static void
ask_page(void *ctx, size_t connection, struct tb_buf *request)
{
    const struct bench *b = ctx;
    char                path[96];
    int                 n = snprintf(path, sizeof path, "/messages/rooms/%" PRId64 "/messages?limit=%d", b->history_room, PAGE);

    if (b->cursors[connection] != 0)
        snprintf(path + n, sizeof path - (size_t)n, "&cursor=%" PRId64, b->cursors[connection]);
    bench_request(request, "GET", tb_str_of(path), tb_str_of(b->tokens[0]), TB_STR_NULL);
}

/* Goes on with the next page, after the oldest with the newest. */
static void
on_page(void *ctx, size_t connection, int status, tb_str body)
{
    static const char name[] = "\"nextCursor\":";
    struct bench     *b = ctx;
    const char       *at = memmem(body.p, body.n, name, sizeof name - 1);

    if (status != 200 || at == NULL)
        bench_die("a page with status %d: " TB_STR_FMT, status, TB_STR_ARG(body));
    b->cursors[connection] = strtoll(at + sizeof name - 1, NULL, 10);       /* null reads as 0 */
}

static double
measure_empty(struct bench *b, size_t n_connections, struct rest_table *t)
{
    static struct bench_load_figures f;
    struct bench_server              s;

    start_empty(b, &s);
    struct bench_load load = { .port = s.port, .n_connections = n_connections, .ask = ask_page, .ctx = b };
    double            cpu = bench_server_cpu_s(&s);
    bench_load_run(&load, b->o->seconds, &f);
    cpu = bench_server_cpu_s(&s) - cpu;
    stop_server(&s);
    bench_series_add(&t->empty, f.per_s);
    bench_series_add(&t->empty_cpu, cpu * 1e6 / (double)f.n);
    return f.per_s;
}

static void
measure_history(struct bench *b, size_t n_connections, struct rest_table *t)
{
    static struct bench_load_figures f;
    struct bench_server              s;

    start_server(b, &s);
    bench_series_add(&t->ready, s.ready_ms);
    bench_series_add(&t->idle_rss, bench_server_rss_mb(&s));
    struct bench_load load = { .port = s.port, .n_connections = n_connections, .ask = ask_page, .on_answer = on_page, .ctx = b };
    memset(b->cursors, 0, sizeof b->cursors);
    double cpu = bench_server_cpu_s(&s);
    bench_load_run(&load, b->o->seconds, &f);
    cpu = bench_server_cpu_s(&s) - cpu;
    bench_series_add(&t->rss, bench_server_rss_mb(&s));
    stop_server(&s);
    bench_series_add(&t->pages, f.per_s);
    bench_series_add(&t->p50, bench_latency_ms(&f.latency, 0.5));
    bench_series_add(&t->p99, bench_latency_ms(&f.latency, 0.99));
    bench_series_add(&t->page_cpu, cpu * 1e6 / (double)f.n);
    bench_series_add(&t->client_cpu, f.span.cpu_s * 1e6 / (double)f.n);
    bench_series_add(&t->ratio, f.per_s / measure_empty(b, n_connections, t));
}

/* ---- starting after a crash ---- */

static void
measure_start_after_kill(struct bench *b, struct rest_table *t)
{
    static struct bench_load_figures f;
    struct bench_server              s;

    start_server(b, &s);
    struct bench_load load = load_of_sends(b, &s, USERS);
    bench_load_run(&load, b->o->seconds, &f);
    bench_server_kill(&s);
    bench_server_fini(&s);
    start_server(b, &s);
    bench_series_add(&t->ready_killed, s.ready_ms);
    stop_server(&s);
}

/* ---- all of it ---- */

static void
print_sends(size_t n_connections, const struct sends_table *t)
{
    if (t->per_s.n == 0)
        return;
    printf("sends, %zu connections\n", n_connections);
    bench_print("durable sends", &t->per_s, 0, "/s");
    bench_print("ops in a commit", &t->batch, 1, "");
    bench_print("latency p50", &t->p50, 2, "ms");
    bench_print("latency p99", &t->p99, 2, "ms");
    bench_print("CPU of a send, the server", &t->server_cpu, 1, "us");
    bench_print("CPU of a send, the client", &t->client_cpu, 1, "us");
    bench_print("memory of the server", &t->rss, 1, "MB");
    bench_print("bare group commit of as many", &t->bare, 0, "/s");
    bench_print("bare: CPU of an op", &t->bare_cpu, 1, "us");
    bench_print("ratio: durable sends / bare", &t->ratio, 3, "");
}

static void
print_history(const struct options *o, const struct rest_table *t)
{
    if (t->pages.n == 0)
        return;
    printf("history, %zu connections, pages of %d from a room of %zu\n", o->counts[o->n_counts - 1], PAGE, o->messages);
    bench_print("pages", &t->pages, 0, "/s");
    bench_print("latency p50", &t->p50, 2, "ms");
    bench_print("latency p99", &t->p99, 2, "ms");
    bench_print("CPU of a page, the server", &t->page_cpu, 1, "us");
    bench_print("CPU of a page, the client", &t->client_cpu, 1, "us");
    bench_print("empty handler on the same loop", &t->empty, 0, "/s");
    bench_print("empty: CPU of a request", &t->empty_cpu, 1, "us");
    bench_print("ratio: pages / empty handler", &t->ratio, 3, "");
}

static void
print_all(const struct options *o, const struct rest_table *t)
{
    printf("bench-rest: %zu rounds of %.2g s, messages of %zu bytes: median (least .. most)\n", o->rounds, o->seconds,
           o->content);
    bench_print("fdatasync of 4 KB, one thread", &t->fdatasync_rate, 0, "/s");
    for (size_t i = 0; i < o->n_counts; i++)
        print_sends(o->counts[i], &t->sends[i]);
    print_history(o, t);
    printf("the server with a room of %zu messages\n", o->messages);
    bench_print("from start to first answer", &t->ready, 1, "ms");
    bench_print("the same after kill -9 under load", &t->ready_killed, 1, "ms");
    bench_print("memory, idle", &t->idle_rss, 1, "MB");
    bench_print("memory, after the history", &t->rss, 1, "MB");
}

static bool
wants(const struct options *o, const char *part)
{
    return o->only == NULL || strcmp(o->only, part) == 0;
}

static void
run_round(struct bench *b, struct rest_table *t)
{
    const struct options *o = b->o;

    bench_series_add(&t->fdatasync_rate, bench_fdatasync_rate(o->seconds / 4));
    for (size_t i = 0; i < o->n_counts && wants(o, "sends"); i++)
        measure_sends(b, o->counts[i], &t->sends[i]);
    if (wants(o, "history"))
        measure_history(b, o->counts[o->n_counts - 1], t);
    if (wants(o, "start"))
        measure_start_after_kill(b, t);
}

static void
run_all(struct bench *b)
{
    static struct rest_table t;

    add_people(b);
    fill_history(b);
    b->bare = bench_bare_open(USERS, ROOMS, b->content);
    for (size_t round = 0; round < b->o->rounds; round++)
        run_round(b, &t);
    print_all(b->o, &t);
    bench_bare_close(&b->bare);
}

/* ---- options ---- */

static void
read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        { "ms", required_argument, NULL, 'm' },          { "rounds", required_argument, NULL, 'r' },
        { "connections", required_argument, NULL, 'n' }, { "content", required_argument, NULL, 'c' },
        { "messages", required_argument, NULL, 'j' },    { "dir", required_argument, NULL, 'd' },
        { "server", required_argument, NULL, 's' },      { "only", required_argument, NULL, 'o' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case 'm': o->seconds = (double)bench_to_number(tb_str_of(optarg), 1, 3600000) / 1000; break;
        case 'r': o->rounds = bench_to_number(tb_str_of(optarg), 1, BENCH_MAX_ROUNDS); break;
        case 'n': o->n_counts = bench_to_numbers(tb_str_of(optarg), 1, BENCH_MAX_CONNECTIONS, o->counts, MAX_COUNTS); break;
        case 'c': o->content = bench_to_number(tb_str_of(optarg), 1, MAX_CONTENT); break;
        case 'j': o->messages = bench_to_number(tb_str_of(optarg), 1, MAX_MESSAGES); break;
        case 'd': o->dir = optarg; break;
        case 's': o->server = optarg; break;
        case 'o': o->only = optarg; break;
        default:
            bench_die("bench-rest [--ms OF_A_RUN] [--rounds N] [--connections 1,16,64] [--content BYTES] [--messages N]"
                      " [--dir FOLDER] [--server TOMBOLO] [--only sends|history|start]");
        }
    }
}

int
main(int argc, char **argv)
{
    static char         text[MAX_CONTENT];
    static struct bench b;
    struct options      o = { .seconds = 1, .rounds = 5, .counts = { 1, 16, 64 }, .n_counts = 3, .content = 100,
                              .messages = 10000, .server = BENCH_TOMBOLO, .empty = BENCH_EMPTY };

    read_options(argc, argv, &o);
    log_set(LOG_WARN, LOG_LOGFMT);
    bench_temp_dir(o.dir);
    memset(text, 'x', sizeof text);
    b.o = &o;
    b.data = bench_path("data");
    b.content = (tb_str){ .p = text, .n = o.content };
    run_all(&b);
    for (size_t i = 0; i < USERS; i++)
        tb_free(b.tokens[i]);
    tb_free(b.data);
    return 0;
}
