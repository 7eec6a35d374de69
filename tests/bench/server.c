/* Bodies of server.h. Only our own child is signalled, by its pid; it is told to die when we do. */
#include "server.h"

#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ARGS = 16, READY_TRIES = 30000, TRY_US = 1000 };

/* One that was free a moment ago. */
static uint16_t
free_port(void)
{
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          n = sizeof any;
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof any) != 0 || getsockname(fd, (struct sockaddr *)&any, &n) != 0)
        bench_die("no free port: %s", strerror(errno));
    close(fd);
    return ntohs(any.sin_port);
}

static void
become(const char *const *argv, size_t n, uint16_t port, const char *log)
{
    char  text[8];
    char *args[MAX_ARGS + 3] = { NULL };

    memcpy(args, argv, n * sizeof *args);       /* execvp wants pointers to char that it does not write through */
    snprintf(text, sizeof text, "%u", port);
    args[n] = strdup("--port");
    args[n + 1] = text;
    int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(fd, STDERR_FILENO);
    dup2(fd, STDOUT_FILENO);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("TOMBOLO_PASSWORD_COST", "min", 1);
    setenv("TOMBOLO_RATE_LIMIT", "0", 1);
    setenv("TOMBOLO_LOGIN_LIMIT", "0", 1);
    unsetenv("DATABASE_URL");
    execvp(args[0], args);
    _exit(127);
}

static void
await_answer(struct bench_server *s, const char *path)
{
    struct tb_buf request = TB_BUF_INIT, body = TB_BUF_INIT;
    int64_t       from = bench_now_us();
    int           tries = 0;

    bench_request(&request, "GET", tb_str_of(path), TB_STR_NULL, TB_STR_NULL);
    while (bench_ask(s->port, tb_buf_str(&request), &body) != 200) {
        if (++tries == READY_TRIES || waitpid(s->pid, NULL, WNOHANG) != 0)
            bench_die("the server does not start, see %s", s->log);
        usleep(TRY_US);
    }
    s->ready_ms = (double)(bench_now_us() - from) / 1000;
    tb_buf_fini(&request);
    tb_buf_fini(&body);
}

void
bench_server_start(struct bench_server *s, const char *const *argv, size_t n, const char *path)
{
    if (n > MAX_ARGS)
        bench_die("too many arguments");
    *s = (struct bench_server){ .port = free_port(), .log = bench_path("server.log") };
    s->pid = fork();
    if (s->pid < 0)
        bench_die("fork: %s", strerror(errno));
    if (s->pid == 0)
        become(argv, n, s->port, s->log);
    await_answer(s, path);
}

double
bench_server_cpu_s(const struct bench_server *s)
{
    struct timespec t;
    clockid_t       clock;

    if (clock_getcpuclockid(s->pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
        bench_die("the server is gone");
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The number behind the first `key` in a file's line that holds `in`; 0 when there is none. */
static double
number_in(const char *path, const char *in, const char *key)
{
    char   line[1024];
    double v = 0;
    FILE  *f = fopen(path, "r");

    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        const char *at = strstr(line, in) != NULL ? strstr(line, key) : NULL;
        if (at != NULL)
            v = strtod(at + strlen(key), NULL);
    }
    if (f != NULL)
        fclose(f);
    return v;
}

double
bench_server_rss_mb(const struct bench_server *s)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)s->pid);
    return number_in(path, "VmRSS:", "VmRSS:") / 1024;
}

static void
end(struct bench_server *s, int signal)
{
    int status = 0;

    kill(s->pid, signal);
    if (waitpid(s->pid, &status, 0) != s->pid || (signal == SIGTERM && status != 0))
        bench_die("the server ended with wait status %d", status);
}

void
bench_server_stop(struct bench_server *s)
{
    end(s, SIGTERM);
}

void
bench_server_kill(struct bench_server *s)
{
    end(s, SIGKILL);
}

double
bench_server_logged(const struct bench_server *s, const char *event, const char *key)
{
    struct tb_buf with_equals = TB_BUF_INIT;

    tb_buf_printf(&with_equals, " %s=", key);
    double v = number_in(s->log, event, with_equals.p);
    tb_buf_fini(&with_equals);
    return v;
}

void
bench_server_fini(struct bench_server *s)
{
    unlink(s->log);
    tb_free(s->log);
    s->log = NULL;
}
