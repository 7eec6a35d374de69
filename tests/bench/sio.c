/* bench-sio: what the Socket.IO library takes for deliveries, idle connections and echoes, beside npm's socket.io on node, which
 * gets the same from the same client in the same round. Deliveries are counted against the CPU time of the server's process:
 * the client shares the machine, so rates would say more about it. Each measurement has a server process of its own. */
#include "crowd.h"
#include "limits.h"
#include "server.h"

#include <getopt.h>
#include <stdio.h>

enum {
    MAX_COUNTS = 8,
    MAX_CONTENT = 16384,
    MAX_BURST = 1024,
    FRAME_AND_EVENT = 15,       /* bytes that our server adds to a short message: a frame's head and 42["said",""] */
    FEW_SAYINGS = 4,            /* before the clock starts: a JIT compiles, pages are touched */
};

struct options {
    double      seconds;                        /* of echoing */
    double      rest_s;                         /* of idling before memory is read */
    size_t      rounds;
    size_t      crowds[MAX_COUNTS], n_crowds;   /* connections, for deliveries */
    size_t      bursts[MAX_COUNTS], n_bursts;   /* events in one write of whoever says them */
    size_t      idle[MAX_COUNTS], n_idle;       /* connections, for memory */
    size_t      deliveries;                     /* of one measurement, at least */
    tb_str      content;                        /* of a message */
    const char *only;                           /* "deliveries", "memory" or "echo"; NULL: all three */
    bool        is_alone;                       /* without npm's */
};

enum which { OURS, NPMS, SERVERS };

static const char *const programs[SERVERS][2] = {
    { BENCH_SIO_SERVER, NULL },
    { "node", BENCH_SIO_NODE },
};

struct pair {
    struct bench_series of[SERVERS], ratio;     /* ratio: theirs / ours */
};

struct table {
    struct pair cpu[MAX_COUNTS][MAX_COUNTS];    /* s for 100,000 deliveries, by crowd and burst */
    struct bench_series bare[MAX_COUNTS];       /* s for 100,000 writes of one message, by crowd */
    struct pair memory[MAX_COUNTS];             /* KB a connection */
    struct pair joining[MAX_COUNTS];            /* us of CPU time a connection */
    struct pair p50, p99, echo_cpu;
};

static void
start(struct bench_server *s, enum which which)
{
    bench_server_start(s, programs[which], programs[which][1] != NULL ? 2 : 1, "/");
}

static void
stop(struct bench_server *s)
{
    bench_server_stop(s);
    bench_server_fini(s);
}

/* ---- measuring ---- */

/* CPU time of the server's, in seconds, for 100,000 deliveries. */
static double
measure_deliveries(const struct options *o, enum which which, size_t n, size_t burst)
{
    struct bench_server s;
    size_t              times = (o->deliveries + n * burst - 1) / (n * burst);

    start(&s, which);
    struct bench_crowd *crowd = bench_crowd_open(s.port, n);
    for (size_t i = 0; i < FEW_SAYINGS; i++)
        bench_crowd_say(crowd, o->content, burst);
    double cpu = bench_server_cpu_s(&s);
    for (size_t i = 0; i < times; i++)
        bench_crowd_say(crowd, o->content, burst);
    cpu = bench_server_cpu_s(&s) - cpu;
    bench_crowd_close(&crowd);
    stop(&s);
    return cpu / (double)(times * n * burst) * 100000;
}

struct memory { double kb, joining_us; };       /* a connection */

static struct memory
measure_memory(const struct options *o, enum which which, size_t n)
{
    struct bench_server s;

    start(&s, which);
    double before = bench_server_rss_mb(&s), cpu = bench_server_cpu_s(&s);
    struct bench_crowd *crowd = bench_crowd_open(s.port, n);
    cpu = bench_server_cpu_s(&s) - cpu;
    bench_crowd_rest(crowd, o->rest_s);
    double grown = bench_server_rss_mb(&s) - before;
    bench_crowd_close(&crowd);
    stop(&s);
    return (struct memory){ .kb = grown * 1024 / (double)n, .joining_us = cpu * 1e6 / (double)n };
}

struct echoes { double p50_us, p99_us, cpu_us; };

static struct echoes
measure_echoes(const struct options *o, enum which which)
{
    static struct bench_latency latency;
    struct bench_server         s;

    start(&s, which);
    struct bench_crowd *crowd = bench_crowd_open(s.port, 1);
    bench_crowd_echo(crowd, o->content, o->seconds / 4, &latency);      /* see FEW_SAYINGS */
    latency = (struct bench_latency){ .n = 0 };
    double cpu = bench_server_cpu_s(&s);
    bench_crowd_echo(crowd, o->content, o->seconds, &latency);
    cpu = bench_server_cpu_s(&s) - cpu;
    bench_crowd_close(&crowd);
    stop(&s);
    return (struct echoes){ .p50_us = bench_latency_ms(&latency, 0.5) * 1000, .p99_us = bench_latency_ms(&latency, 0.99) * 1000,
                            .cpu_us = cpu * 1e6 / (double)latency.n };
}

/* ---- rounds ---- */

static bool
wants(const struct options *o, const char *part)
{
    return o->only == NULL || strcmp(o->only, part) == 0;
}

static void
add(const struct options *o, struct pair *p, double ours, double theirs)
{
    bench_series_add(&p->of[OURS], ours);
    if (o->is_alone)
        return;
    bench_series_add(&p->of[NPMS], theirs);
    if (ours > 0)
        bench_series_add(&p->ratio, theirs / ours);
}

static void
deliveries_round(const struct options *o, struct table *t, size_t i, size_t k)
{
    double v[SERVERS] = { 0 };

    for (enum which w = OURS; w < (o->is_alone ? NPMS : SERVERS); w++)
        v[w] = measure_deliveries(o, w, o->crowds[i], o->bursts[k]);
    add(o, &t->cpu[i][k], v[OURS], v[NPMS]);
}

static void
memory_round(const struct options *o, struct table *t, size_t i)
{
    struct memory v[SERVERS] = { 0 };

    for (enum which w = OURS; w < (o->is_alone ? NPMS : SERVERS); w++)
        v[w] = measure_memory(o, w, o->idle[i]);
    add(o, &t->memory[i], v[OURS].kb, v[NPMS].kb);
    add(o, &t->joining[i], v[OURS].joining_us, v[NPMS].joining_us);
}

static void
echoes_round(const struct options *o, struct table *t)
{
    struct echoes v[SERVERS] = { 0 };

    for (enum which w = OURS; w < (o->is_alone ? NPMS : SERVERS); w++)
        v[w] = measure_echoes(o, w);
    add(o, &t->p50, v[OURS].p50_us, v[NPMS].p50_us);
    add(o, &t->p99, v[OURS].p99_us, v[NPMS].p99_us);
    add(o, &t->echo_cpu, v[OURS].cpu_us, v[NPMS].cpu_us);
}

static void
run_round(const struct options *o, struct table *t)
{
    for (size_t i = 0; i < o->n_crowds && wants(o, "deliveries"); i++) {
        bench_series_add(&t->bare[i],
                         100000 * bench_write_cpu(o->crowds[i], o->content.n + FRAME_AND_EVENT, o->deliveries));
        for (size_t k = 0; k < o->n_bursts; k++)
            deliveries_round(o, t, i, k);
    }
    for (size_t i = 0; i < o->n_idle && wants(o, "memory"); i++)
        memory_round(o, t, i);
    if (wants(o, "echo"))
        echoes_round(o, t);
}

/* ---- telling ---- */

static void
print_pair(const char *what, const struct pair *p, int digits, const char *unit)
{
    static const char *const names[SERVERS] = { "tombolo", "npm socket.io" };
    char                     name[64];

    for (enum which w = OURS; w < SERVERS; w++) {
        snprintf(name, sizeof name, "%s: %s", what, names[w]);
        bench_print(name, &p->of[w], digits, unit);
    }
    snprintf(name, sizeof name, "%s: npm / tombolo", what);
    bench_print(name, &p->ratio, 2, "");
}

static void
print_all(const struct options *o, const struct table *t)
{
    printf("bench-sio: %zu rounds, messages of %zu bytes: median (least .. most)\n", o->rounds, o->content.n);
    for (size_t i = 0; i < o->n_crowds && wants(o, "deliveries"); i++)
        for (size_t k = 0; k < o->n_bursts; k++) {
            printf("broadcast to %zu connections, %zu at a time\n", o->crowds[i], o->bursts[k]);
            print_pair("CPU of 100,000 deliveries", &t->cpu[i][k], 3, "s");
            bench_print("bare: CPU of 100,000 writes", &t->bare[i], 3, "s");
        }
    for (size_t i = 0; i < o->n_idle && wants(o, "memory"); i++) {
        printf("%zu idle connections\n", o->idle[i]);
        print_pair("memory of one", &t->memory[i], 2, "KB");
        print_pair("CPU of joining", &t->joining[i], 0, "us");
    }
    if (wants(o, "echo")) {
        printf("echoes on one connection\n");
        print_pair("round trip p50", &t->p50, 0, "us");
        print_pair("round trip p99", &t->p99, 0, "us");
        print_pair("CPU of one", &t->echo_cpu, 1, "us");
    }
}

/* ---- options ---- */

static void
read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        { "ms", required_argument, NULL, 'm' },          { "rest-ms", required_argument, NULL, 'i' },
        { "rounds", required_argument, NULL, 'r' },      { "crowds", required_argument, NULL, 'n' },
        { "bursts", required_argument, NULL, 'b' },      { "idle", required_argument, NULL, 'l' },
        { "deliveries", required_argument, NULL, 'd' },  { "content", required_argument, NULL, 'c' },
        { "only", required_argument, NULL, 'o' },        { "alone", no_argument, NULL, 'a' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case 'm': o->seconds = (double)bench_to_number(tb_str_of(optarg), 1, 3600000) / 1000; break;
        case 'i': o->rest_s = (double)bench_to_number(tb_str_of(optarg), 1, 3600000) / 1000; break;
        case 'r': o->rounds = bench_to_number(tb_str_of(optarg), 1, BENCH_MAX_ROUNDS); break;
        case 'n': o->n_crowds = bench_to_numbers(tb_str_of(optarg), 1, BENCH_MAX_CROWD, o->crowds, MAX_COUNTS); break;
        case 'b': o->n_bursts = bench_to_numbers(tb_str_of(optarg), 1, MAX_BURST, o->bursts, MAX_COUNTS); break;
        case 'l': o->n_idle = bench_to_numbers(tb_str_of(optarg), 1, BENCH_MAX_CROWD, o->idle, MAX_COUNTS); break;
        case 'd': o->deliveries = bench_to_number(tb_str_of(optarg), 1, 1000000000); break;
        case 'c': o->content.n = bench_to_number(tb_str_of(optarg), 1, MAX_CONTENT); break;
        case 'o': o->only = optarg; break;
        case 'a': o->is_alone = true; break;
        default:
            bench_die("bench-sio [--rounds N] [--crowds 500,5000] [--bursts 1,64] [--deliveries N] [--idle 5000,9000]"
                      " [--rest-ms OF_IDLING] [--ms OF_ECHOING] [--content BYTES] [--only deliveries|memory|echo] [--alone]");
        }
    }
}

int
main(int argc, char **argv)
{
    static char         text[MAX_CONTENT];
    static struct table t;
    struct options      o = { .seconds = 1, .rest_s = 1, .rounds = 3, .crowds = { 500, 5000 }, .n_crowds = 2,
                              .bursts = { 1, 64 }, .n_bursts = 2, .idle = { 5000, 9000 }, .n_idle = 2,
                              .deliveries = 100000, .content = { .p = text, .n = 100 } };

    read_options(argc, argv, &o);
    memset(text, 'x', sizeof text);
    bench_temp_dir(NULL);
    for (size_t round = 0; round < o.rounds; round++)
        run_round(&o, &t);
    print_all(&o, &t);
    return 0;
}
