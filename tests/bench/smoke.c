/* The benchmarks run and print figures. What the figures are is nobody's business here: machines differ. */
#include "measure.h"
#include "tap.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ARGS = 24 };

static void
become(const char *const *argv, int out)
{
    char  *args[MAX_ARGS + 1] = { NULL };
    size_t n = 0;

    while (argv[n] != NULL && n < MAX_ARGS)
        n++;
    memcpy(args, argv, n * sizeof *args);       /* execv wants pointers to char that it does not write through */
    dup2(out, STDOUT_FILENO);
    execv(args[0], args);
    _exit(127);
}

/* Runs a program, adds what it prints to *out and gives its exit code. */
static int
run(const char *const *argv, struct tb_buf *out)
{
    char    part[4096];
    int     ends[2], status;
    ssize_t n;

    assert_int_equal(0, pipe2(ends, O_CLOEXEC));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        become(argv, ends[1]);
    close(ends[1]);
    while ((n = read(ends[0], part, sizeof part)) > 0)
        tb_buf_add(out, (tb_str){ .p = part, .n = (size_t)n });
    close(ends[0]);
    assert_int_equal(child, waitpid(child, &status, 0));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The first figure of the line that begins with a name; 0 when there is none. */
static double
figure(const struct tb_buf *out, const char *name)
{
    char line[64];

    snprintf(line, sizeof line, "\n  %s ", name);
    const char *at = out->n > 0 ? strstr(out->p, line) : NULL;
    return at != NULL ? strtod(at + strlen(line), NULL) : 0;
}

static void
assert_figures(const struct tb_buf *out, const char *const *names)
{
    for (; *names != NULL; names++)
        if (!(figure(out, *names) > 0))
            fail_msg("no figure for \"%s\" in:\n%s", *names, out->p);
}

static void
bench_store_measures_sends_beside_a_bare_group_commit(void **state)
{
    static const char *const names[] = { "fdatasync of 4 KB, one thread", "durable sends", "ops in a commit", "latency p99",
                                         "CPU of an op, the store's threads", "bare group commit of as many",
                                         "ratio: durable sends / bare", "until the store is open", NULL };
    static const char *const argv[] = { BENCH_STORE, "--ms", "20", "--rounds", "2", "--depths", "1,16", "--content", "50",
                                        "--messages", "2000", NULL };
    struct tb_buf            out = TB_BUF_INIT;
    (void)state;
    assert_int_equal(0, run(argv, &out));
    assert_figures(&out, names);
    assert_non_null(strstr(out.p, "16 outstanding"));
    tb_buf_fini(&out);
}

static void
bench_rest_measures_the_server_beside_its_limits(void **state)
{
    static const char *const names[] = { "durable sends", "ops in a commit", "CPU of a send, the server", "memory of the server",
                                         "ratio: durable sends / bare", "pages", "empty handler on the same loop",
                                         "ratio: pages / empty handler", "from start to first answer",
                                         "the same after kill -9 under load", "memory, idle", NULL };
    static const char *const argv[] = { BENCH_REST, "--ms", "100", "--rounds", "1", "--connections", "2,8", "--messages", "100",
                                        NULL };
    struct tb_buf            out = TB_BUF_INIT;
    (void)state;
    assert_int_equal(0, run(argv, &out));
    assert_figures(&out, names);
    assert_non_null(strstr(out.p, "sends, 8 connections"));
    tb_buf_fini(&out);
}

static void
bench_sio_measures_the_library_beside_npms(void **state)
{
    static const char *const names[] = { "CPU of 100,000 deliveries: tombolo", "CPU of 100,000 deliveries: npm socket.io",
                                         "CPU of 100,000 deliveries: npm / tombolo", "bare: CPU of 100,000 writes",
                                         "CPU of joining: tombolo", "CPU of joining: npm / tombolo", "round trip p50: tombolo",
                                         "round trip p99: npm socket.io", "CPU of one: npm / tombolo", NULL };
    static const char *const argv[] = { BENCH_SIO, "--rounds", "1", "--crowds", "200", "--bursts", "1,16", "--deliveries", "5000",
                                        "--idle", "100", "--rest-ms", "20", "--ms", "50", NULL };
    struct tb_buf            out = TB_BUF_INIT;
    (void)state;
    assert_int_equal(0, run(argv, &out));
    assert_figures(&out, names);
    assert_non_null(strstr(out.p, "broadcast to 200 connections, 16 at a time"));
    assert_non_null(strstr(out.p, "memory of one: npm socket.io"));         /* of a few it may well be 0 */
    tb_buf_fini(&out);
}

static void
bench_chat_measures_sockets_beside_an_in_memory_server(void **state)
{
    static const char *const names[] = { "tombolo: messages", "node: messages", "tombolo: deliveries", "node: deliveries",
                                         "tombolo: CPU of a message", "tombolo: ack p99", "tombolo: delivery p99",
                                         "ratio: messages, tombolo / node", "ratio: deliveries per CPU second",
                                         "tombolo: memory of a socket", "node: memory of a socket", NULL };
    static const char *const argv[] = { BENCH_CHAT, "--ms", "1000", "--rounds", "1", "--sizes", "3", "--outstanding", "4,16",
                                        "--members", "20", "--rate", "100", "--idle", "100", NULL };
    struct tb_buf            out = TB_BUF_INIT;
    (void)state;
    assert_int_equal(0, run(argv, &out));
    assert_figures(&out, names);
    assert_non_null(strstr(out.p, "room of 3, 16 outstanding"));
    assert_non_null(strstr(out.p, "room of 20, 64 outstanding"));
    assert_non_null(strstr(out.p, "100 messages a second"));
    tb_buf_fini(&out);
}

static void
an_option_that_is_not_understood_ends_the_program(void **state)
{
    static const char *const argv[] = { BENCH_STORE, "--ms", "20", "--rounds", "1", "--depths", "1,x", NULL };
    struct tb_buf            out = TB_BUF_INIT;
    (void)state;
    assert_int_equal(1, run(argv, &out));
    assert_int_equal(0, out.n);
    tb_buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bench_store_measures_sends_beside_a_bare_group_commit),
        cmocka_unit_test(bench_rest_measures_the_server_beside_its_limits),
        cmocka_unit_test(bench_sio_measures_the_library_beside_npms),
        cmocka_unit_test(bench_chat_measures_sockets_beside_an_in_memory_server),
        cmocka_unit_test(an_option_that_is_not_understood_ends_the_program),
    };
    return tap_run(tests);
}
