/* bench-chat: the chat in real time beside npm's socket.io, which does the same in memory, without a database and without
 * receipts (chat-node.mjs): the same clients, the same run, the two in turn in short rounds. Our messages are on disk before
 * their ack leaves, and receipts are proved and stored meanwhile. Each run has a server process of its own; ours on one and
 * the same data folder. */
#include "chat_client.h"
#include "client.h"
#include "server.h"

#include "base/log.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    USERS = 512,                        /* with accounts; more sockets than that share them */
    MAX_LISTS = 8,
    MAX_MEMBERS = USERS,
    MAX_CONTENT = 16384,
    FAN_OUTSTANDING = 64,
    RATE_MEMBERS = 10,
    IDLE_S = 2,
};

enum who { OURS, NODE, CONTESTANTS };
static const char *const names[CONTESTANTS] = { "tombolo", "node" };

struct options {
    double      seconds;                /* of one run */
    size_t      rounds;
    size_t      sizes[MAX_LISTS], n_sizes;          /* members of the room that is sent to */
    size_t      depths[MAX_LISTS], n_depths;        /* sends outstanding */
    size_t      members;                /* of the room whose deliveries are counted; 0: leave it out */
    size_t      rate;                   /* messages a second of the open loop; 0: leave it out */
    size_t      idle;                   /* sockets; 0: leave it out */
    size_t      content;                /* bytes of a message */
    bool        only_ours;              /* under a profiler */
    const char *dir, *server, *node;
};

struct bench {
    const struct options *o;
    char                 *data;
    char                 *tokens[CONTESTANTS][USERS];
    tb_str                content;
    int64_t               next_room[CONTESTANTS];
};

struct sends_table {
    struct bench_series per_s, delivered_per_s, cpu_per_message, deliveries_per_cpu_s, ack_p50, ack_p99, heard_p50, heard_p99;
};

/* What is compared, of one run; the two of a round stand beside each other, so what else the machine did hit both. */
struct rates {
    double per_s, delivered_per_s, deliveries_per_cpu_s;
};
struct ratios {
    struct bench_series per_s, delivered_per_s, deliveries_per_cpu_s;
};
struct idle_table {
    struct bench_series rss, per_socket;
};

/* ---- servers ---- */

static void
start_server(const struct bench *b, enum who who, struct bench_server *s)
{
    const char *const ours[] = { b->o->server, "serve", "--host", "127.0.0.1", "--data", b->data };
    const char *const node[] = { "/usr/bin/env", "node", b->o->node };

    if (who == OURS)
        bench_server_start(s, ours, sizeof ours / sizeof *ours, "/healthz");
    else
        bench_server_start(s, node, sizeof node / sizeof *node, "/");
}

static void
stop_server(struct bench_server *s)
{
    bench_server_stop(s);
    bench_server_fini(s);
}

/* ---- people ---- */

/* POST to ours; the value of the first such member of its answer, to *out. */
static void
post(const struct bench_server *s, const char *path, const char *token, const char *body, const char *key, struct tb_buf *out)
{
    struct tb_buf request = TB_BUF_INIT, answer = TB_BUF_INIT, member = TB_BUF_INIT;

    bench_request(&request, "POST", tb_str_of(path), tb_str_of(token), tb_str_of(body));
    int status = bench_ask(s->port, tb_buf_str(&request), &answer);
    tb_buf_printf(&member, "\"%s\":", key);
    const char *at = answer.n > 0 ? strstr(answer.p, member.p) : NULL;
    if (status / 100 != 2 || at == NULL)
        bench_die("%s: status %d: " TB_STR_FMT, path, status, TB_STR_ARG(tb_buf_str(&answer)));
    at += member.n;
    at += *at == '"';
    tb_buf_clear(out);
    tb_buf_add(out, (tb_str){ .p = at, .n = strcspn(at, "\",}") });
    tb_buf_fini(&member);
    tb_buf_fini(&answer);
    tb_buf_fini(&request);
}

static void
add_people(struct bench *b)
{
    struct bench_server s;
    struct tb_buf       got = TB_BUF_INIT, body = TB_BUF_INIT;

    start_server(b, OURS, &s);
    for (size_t i = 0; i < USERS; i++) {
        tb_buf_clear(&body);
        tb_buf_printf(&body, "{\"email\":\"u%zu@bench.test\",\"username\":\"bench\",\"password\":\"correct horse\"}", i);
        post(&s, "/auth/register", "", body.p, "token", &got);
        b->tokens[OURS][i] = tb_str_to_c(tb_buf_str(&got));
        tb_buf_clear(&body);
        tb_buf_printf(&body, "u%zu", i);
        b->tokens[NODE][i] = tb_str_to_c(tb_buf_str(&body));
    }
    stop_server(&s);
    tb_buf_fini(&got);
    tb_buf_fini(&body);
}

static int64_t
make_room(struct bench *b, enum who who, const struct bench_server *s)
{
    struct tb_buf got = TB_BUF_INIT;

    if (who == NODE)
        return ++b->next_room[NODE];
    post(s, "/rooms", b->tokens[OURS][0], "{\"name\":\"bench\"}", "id", &got);
    int64_t id = strtoll(got.p, NULL, 10);
    tb_buf_fini(&got);
    return id;
}

/* n sockets of as many users, all in one new room; room false: in none. */
static struct bench_chat *
open_crowd(struct bench *b, enum who who, const struct bench_server *s, size_t n, bool room)
{
    struct bench_who *all = tb_alloc(n * sizeof *all);
    int64_t           room_id = room ? make_room(b, who, s) : 0;

    for (size_t i = 0; i < n; i++)
        all[i] = (struct bench_who){ .token = b->tokens[who][i % USERS], .room_id = room_id };
    struct bench_chat *c = bench_chat_open(s->port, all, n);
    tb_free(all);
    return c;
}

/* ---- measuring ---- */

static struct rates
measure_sends(struct bench *b, enum who who, size_t members, const struct bench_chat_load *load, struct sends_table *t)
{
    static struct bench_chat_figures f;
    struct bench_server              s;
    struct rates                     r;

    start_server(b, who, &s);
    struct bench_chat *c = open_crowd(b, who, &s, members, true);
    double             cpu = bench_server_cpu_s(&s);
    bench_chat_run(c, load, &f);
    cpu = bench_server_cpu_s(&s) - cpu;
    r = (struct rates){ .per_s = (double)f.n_acked / f.span.wall_s, .delivered_per_s = (double)f.n_heard / f.span.wall_s,
                        .deliveries_per_cpu_s = (double)f.delivery.n / cpu };
    bench_series_add(&t->per_s, r.per_s);
    bench_series_add(&t->delivered_per_s, r.delivered_per_s);
    bench_series_add(&t->deliveries_per_cpu_s, r.deliveries_per_cpu_s);
    bench_series_add(&t->cpu_per_message, cpu * 1e6 / (double)f.ack.n);
    bench_series_add(&t->ack_p50, bench_latency_ms(&f.ack, 0.5));
    bench_series_add(&t->ack_p99, bench_latency_ms(&f.ack, 0.99));
    bench_series_add(&t->heard_p50, bench_latency_ms(&f.delivery, 0.5));
    bench_series_add(&t->heard_p99, bench_latency_ms(&f.delivery, 0.99));
    bench_chat_close(&c);
    stop_server(&s);
    return r;
}

static void
measure_idle(struct bench *b, enum who who, struct idle_table *t)
{
    struct bench_server s;

    start_server(b, who, &s);
    double             before = bench_server_rss_mb(&s);
    struct bench_chat *c = open_crowd(b, who, &s, b->o->idle, false);
    bench_chat_rest(c, IDLE_S);
    double rss = bench_server_rss_mb(&s);
    bench_series_add(&t->rss, rss);
    bench_series_add(&t->per_socket, (rss - before) * 1024 / (double)b->o->idle);
    bench_chat_close(&c);
    stop_server(&s);
}

/* ---- printing ---- */

static void
print_one(const char *who, const char *what, const struct bench_series *s, int digits, const char *unit)
{
    char name[64];

    snprintf(name, sizeof name, "%s: %s", who, what);
    bench_print(name, s, digits, unit);
}

static void
print_sends(const struct sends_table t[CONTESTANTS], const struct ratios *ratio, bool is_open)
{
    for (int w = 0; w < CONTESTANTS; w++) {
        if (!is_open)
            print_one(names[w], "messages", &t[w].per_s, 0, "/s");
        if (!is_open)
            print_one(names[w], "deliveries", &t[w].delivered_per_s, 0, "/s");
        print_one(names[w], "CPU of a message", &t[w].cpu_per_message, 1, "us");
        print_one(names[w], "deliveries per CPU second", &t[w].deliveries_per_cpu_s, 0, "");
        print_one(names[w], "ack p50", &t[w].ack_p50, 2, "ms");
        print_one(names[w], "ack p99", &t[w].ack_p99, 2, "ms");
        print_one(names[w], "delivery p50", &t[w].heard_p50, 2, "ms");
        print_one(names[w], "delivery p99", &t[w].heard_p99, 2, "ms");
    }
    if (!is_open)
        bench_print("ratio: messages, tombolo / node", &ratio->per_s, 2, "");
    if (!is_open)
        bench_print("ratio: deliveries, tombolo / node", &ratio->delivered_per_s, 2, "");
    bench_print("ratio: deliveries per CPU second", &ratio->deliveries_per_cpu_s, 2, "");
}

/* ---- runs ---- */

static void
bench_sends(struct bench *b, size_t members, const struct bench_chat_load *load)
{
    static struct sends_table t[CONTESTANTS];
    static struct ratios      ratio;

    memset(t, 0, sizeof t);
    memset(&ratio, 0, sizeof ratio);
    for (size_t round = 0; round < b->o->rounds; round++) {
        struct rates ours = measure_sends(b, OURS, members, load, &t[OURS]);
        if (b->o->only_ours)
            continue;
        struct rates theirs = measure_sends(b, NODE, members, load, &t[NODE]);
        bench_series_add(&ratio.per_s, ours.per_s / theirs.per_s);
        bench_series_add(&ratio.delivered_per_s, ours.delivered_per_s / theirs.delivered_per_s);
        bench_series_add(&ratio.deliveries_per_cpu_s, ours.deliveries_per_cpu_s / theirs.deliveries_per_cpu_s);
    }
    print_sends(t, &ratio, load->per_s > 0);
}

static void
bench_idle(struct bench *b)
{
    static struct idle_table t[CONTESTANTS];

    for (int w = 0; w < (b->o->only_ours ? NODE : CONTESTANTS); w++) {
        measure_idle(b, (enum who)w, &t[w]);
        print_one(names[w], "memory", &t[w].rss, 1, "MB");
        print_one(names[w], "memory of a socket", &t[w].per_socket, 2, "KB");
    }
}

static void
run_all(struct bench *b)
{
    const struct options *o = b->o;
    struct bench_chat_load load = { .seconds = o->seconds, .content = b->content };

    printf("bench-chat: %zu rounds of %.1f s, messages of %zu bytes: median (least .. most)\n", o->rounds, o->seconds, o->content);
    for (size_t i = 0; i < o->n_sizes; i++)
        for (size_t k = 0; k < o->n_depths; k++) {
            printf("room of %zu, %zu outstanding\n", o->sizes[i], o->depths[k]);
            load.outstanding = o->depths[k];
            bench_sends(b, o->sizes[i], &load);
        }
    if (o->members > 0) {
        printf("room of %zu, %d outstanding\n", o->members, FAN_OUTSTANDING);
        load.outstanding = FAN_OUTSTANDING;
        bench_sends(b, o->members, &load);
    }
    if (o->rate > 0) {
        printf("%zu messages a second, room of %d\n", o->rate, RATE_MEMBERS);
        load.per_s = (double)o->rate;
        bench_sends(b, RATE_MEMBERS, &load);
    }
    if (o->idle > 0) {
        printf("%zu idle sockets\n", o->idle);
        bench_idle(b);
    }
}

/* ---- options ---- */

static void
read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        { "ms", required_argument, NULL, 'm' },      { "rounds", required_argument, NULL, 'r' },
        { "sizes", required_argument, NULL, 'z' },   { "outstanding", required_argument, NULL, 'n' },
        { "members", required_argument, NULL, 'f' }, { "rate", required_argument, NULL, 'p' },
        { "idle", required_argument, NULL, 'i' },    { "content", required_argument, NULL, 'c' },
        { "dir", required_argument, NULL, 'd' },     { "server", required_argument, NULL, 's' },
        { "only-ours", no_argument, NULL, 'o' },     { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case 'm': o->seconds = (double)bench_to_number(tb_str_of(optarg), 1, 3600000) / 1000; break;
        case 'r': o->rounds = bench_to_number(tb_str_of(optarg), 1, BENCH_MAX_ROUNDS); break;
        case 'z': o->n_sizes = bench_to_numbers(tb_str_of(optarg), 1, MAX_MEMBERS, o->sizes, MAX_LISTS); break;
        case 'n': o->n_depths = bench_to_numbers(tb_str_of(optarg), 1, BENCH_MAX_OUTSTANDING, o->depths, MAX_LISTS); break;
        case 'f': o->members = bench_to_number(tb_str_of(optarg), 0, MAX_MEMBERS); break;
        case 'p': o->rate = bench_to_number(tb_str_of(optarg), 0, 1000000); break;
        case 'i': o->idle = bench_to_number(tb_str_of(optarg), 0, BENCH_MAX_LINES); break;
        case 'c': o->content = bench_to_number(tb_str_of(optarg), 1, MAX_CONTENT); break;
        case 'd': o->dir = optarg; break;
        case 's': o->server = optarg; break;
        case 'o': o->only_ours = true; break;
        default:
            bench_die("bench-chat [--ms OF_A_RUN] [--rounds N] [--sizes 10,100] [--outstanding 16,64,256] [--members 500]"
                      " [--rate 1000] [--idle 9000] [--content BYTES] [--dir FOLDER] [--server TOMBOLO] [--only-ours]");
        }
    }
}

int
main(int argc, char **argv)
{
    static char         text[MAX_CONTENT];
    static struct bench b;
    struct options      o = { .seconds = 2, .rounds = 5, .sizes = { 10, 100 }, .n_sizes = 2, .depths = { 16, 64, 256 }, .n_depths = 3,
                              .members = 500, .rate = 1000, .idle = 9000, .content = 64, .server = BENCH_TOMBOLO, .node = BENCH_NODE };

    read_options(argc, argv, &o);
    log_set(LOG_WARN, LOG_LOGFMT);
    setenv("TOMBOLO_PRESENCE_AUDIENCE", "shared-rooms", 1);     /* the other has no presence at all */
    setenv("TOMBOLO_LIVE_EVENTS_PER_SECOND", "0", 1);
    setenv("TOMBOLO_LIVE_USER_CONNECTS", "0", 1);
    bench_temp_dir(o.dir);
    memset(text, 'x', sizeof text);
    b.o = &o;
    b.data = bench_path("data");
    b.content = (tb_str){ .p = text, .n = o.content };
    add_people(&b);
    run_all(&b);
    for (int w = 0; w < CONTESTANTS; w++)
        for (size_t i = 0; i < USERS; i++)
            tb_free(b.tokens[w][i]);
    tb_free(b.data);
    return 0;
}
