/* bench-store: durable sends into the store alone, without HTTP, from one thread that keeps N of them outstanding, beside a
 * bare group commit of the same rows at the batch size observed. The two alternate, so that what else the machine does hits
 * both; what counts is the ratio of a pair. With --messages also how long a journal of that size takes to open. */
#include "limits.h"
#include "sender.h"

#include "base/log.h"

#include <getopt.h>
#include <stdio.h>

enum { MAX_DEPTHS = 8, MAX_CONTENT = 16384, MAX_MESSAGES = 100000000, FILL_DEPTH = 512 };

static const double for_ever = 1e9;     /* seconds */

struct options {
    double      seconds;                /* of one run */
    size_t      rounds;
    size_t      depths[MAX_DEPTHS], n_depths;
    size_t      content;                /* bytes of a message */
    size_t      messages;               /* in the journal that is opened; 0: leave that part out */
    const char *dir;
    bool        only_store;             /* for a profiler */
};

/* What one run of sends showed. */
struct figures {
    double ops_per_s, batch, p50_ms, p99_ms, cpu_us, store_cpu_us;
};

/* The same over the rounds, and the bare group commit beside it. */
struct table {
    struct bench_series ops, batch, p50, p99, cpu, store_cpu, bare, bare_cpu, ratio, cpu_ratio;
};

/* ---- sends ---- */

static struct figures
run_sends(struct bench_sender *s, size_t depth, double seconds)
{
    struct store_status before, after;
    struct bench_span   span;

    store_status(s->store, &before);
    bench_span_start(&span);
    bench_sender_run(s, depth, UINT64_MAX, seconds);
    bench_span_end(&span);
    store_status(s->store, &after);
    double n = (double)s->n_done;
    return (struct figures){
        .ops_per_s = n / span.wall_s,
        .batch = (double)(after.n_ops - before.n_ops) / (double)(after.n_commits - before.n_commits),
        .p50_ms = bench_latency_ms(&s->latency, 0.5), .p99_ms = bench_latency_ms(&s->latency, 0.99),
        .cpu_us = span.cpu_s * 1e6 / n, .store_cpu_us = (span.cpu_s - span.own_cpu_s) * 1e6 / n,
    };
}

static void
run_pair(struct bench_sender *s, struct bench_bare *bare, size_t depth, const struct options *o, struct table *t)
{
    struct figures f = run_sends(s, depth, o->seconds);

    bench_series_add(&t->ops, f.ops_per_s);
    bench_series_add(&t->batch, f.batch);
    bench_series_add(&t->p50, f.p50_ms);
    bench_series_add(&t->p99, f.p99_ms);
    bench_series_add(&t->cpu, f.cpu_us);
    bench_series_add(&t->store_cpu, f.store_cpu_us);
    if (o->only_store)
        return;
    struct bench_bare_figures b = bench_bare_run(bare, (size_t)(f.batch + 0.5), o->seconds);
    bench_series_add(&t->bare, b.rows_per_s);
    bench_series_add(&t->bare_cpu, b.cpu_us);
    bench_series_add(&t->ratio, f.ops_per_s / b.rows_per_s);
    bench_series_add(&t->cpu_ratio, b.cpu_us / f.store_cpu_us);
}

static void
print_table(size_t depth, const struct table *t)
{
    printf("%zu outstanding\n", depth);
    bench_print("durable sends", &t->ops, 0, "/s");
    bench_print("ops in a commit", &t->batch, 1, "");
    bench_print("latency p50", &t->p50, 2, "ms");
    bench_print("latency p99", &t->p99, 2, "ms");
    bench_print("CPU of an op, with the driver", &t->cpu, 1, "us");
    bench_print("CPU of an op, the store's threads", &t->store_cpu, 1, "us");
    bench_print("bare group commit of as many", &t->bare, 0, "/s");
    bench_print("bare: CPU of an op", &t->bare_cpu, 1, "us");
    bench_print("ratio: durable sends / bare", &t->ratio, 3, "");
    bench_print("ratio: bare CPU / the store's CPU", &t->cpu_ratio, 3, "");
}

static void
measure_sends(struct bench_sender *s, const struct options *o)
{
    static struct table tables[MAX_DEPTHS];
    struct bench_series fdatasync_rate = { .n = 0 };
    struct bench_bare  *bare = bench_bare_open(BENCH_USERS, BENCH_ROOMS, s->content);

    for (size_t round = 0; round < o->rounds; round++) {
        if (!o->only_store)
            bench_series_add(&fdatasync_rate, bench_fdatasync_rate(o->seconds / 4));
        for (size_t i = 0; i < o->n_depths; i++)
            run_pair(s, bare, o->depths[i], o, &tables[i]);
    }
    printf("bench-store: %zu rounds of %.2g s, messages of %zu bytes: median (least .. most)\n", o->rounds, o->seconds,
           o->content);
    bench_print("fdatasync of 4 KB, one thread", &fdatasync_rate, 0, "/s");
    for (size_t i = 0; i < o->n_depths; i++)
        print_table(o->depths[i], &tables[i]);
    bench_bare_close(&bare);
}

/* ---- opening ---- */

static void
measure_opening(struct bench_sender *s, const char *dir, const struct options *o)
{
    struct bench_series ms = { .n = 0 };
    struct store_status status;

    store_status(s->store, &status);
    if ((uint64_t)status.head_pos < o->messages)
        bench_sender_run(s, FILL_DEPTH, o->messages - (uint64_t)status.head_pos, for_ever);
    for (size_t i = 0; i < o->rounds; i++) {
        bench_sender_close(s);
        int64_t from = bench_now_us();
        bench_sender_open(s, dir, s->content);
        bench_series_add(&ms, (double)(bench_now_us() - from) / 1000);
    }
    store_status(s->store, &status);
    printf("opening a journal of %lld ops\n", (long long)status.head_pos);
    bench_print("until the store is open", &ms, 1, "ms");
}

/* ---- options ---- */

static void
read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        { "ms", required_argument, NULL, 'm' },       { "rounds", required_argument, NULL, 'r' },
        { "depths", required_argument, NULL, 'n' },   { "content", required_argument, NULL, 'c' },
        { "messages", required_argument, NULL, 'j' }, { "dir", required_argument, NULL, 'd' },
        { "only-store", no_argument, NULL, 's' },     { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case 'm': o->seconds = (double)bench_to_number(tb_str_of(optarg), 1, 3600000) / 1000; break;
        case 'r': o->rounds = bench_to_number(tb_str_of(optarg), 1, BENCH_MAX_ROUNDS); break;
        case 'n': o->n_depths = bench_to_numbers(tb_str_of(optarg), 1, BENCH_MAX_DEPTH, o->depths, MAX_DEPTHS); break;
        case 'c': o->content = bench_to_number(tb_str_of(optarg), 1, MAX_CONTENT); break;
        case 'j': o->messages = bench_to_number(tb_str_of(optarg), 1, MAX_MESSAGES); break;
        case 'd': o->dir = optarg; break;
        case 's': o->only_store = true; break;
        default:
            bench_die("bench-store [--ms OF_A_RUN] [--rounds N] [--depths 1,16,64,256] [--content BYTES]"
                      " [--messages N] [--dir FOLDER] [--only-store]");
        }
    }
}

int
main(int argc, char **argv)
{
    static char                text[MAX_CONTENT];
    static struct bench_sender sender;
    struct options             o = { .seconds = 1, .rounds = 5, .depths = { 1, 16, 64, 256 }, .n_depths = 4, .content = 100 };

    read_options(argc, argv, &o);
    log_set(LOG_WARN, LOG_LOGFMT);
    bench_temp_dir(o.dir);
    char *dir = bench_path("store");
    memset(text, 'x', sizeof text);
    bench_sender_open(&sender, dir, (tb_str){ .p = text, .n = o.content });
    bench_sender_add_people(&sender);
    measure_sends(&sender, &o);
    if (o.messages > 0)
        measure_opening(&sender, dir, &o);
    bench_sender_close(&sender);
    tb_free(dir);
    return 0;
}
