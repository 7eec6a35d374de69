/* bench_write_cpu of limits.h. The reader is a child, which looks 0.2 ms apart as the crowd of crowd.c does. */
#include "limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 18, EVENTS_AT_ONCE = 1024, PAUSE_US = 200, SPARE_DESCRIPTORS = 64, MAX_BYTES = 65536 };

struct ends { int writing, reading; };

static struct ends
connect_one(int listener, const struct sockaddr_in *to)
{
    int         on = 1;
    struct ends e = { .reading = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };

    if (e.reading < 0 || connect(e.reading, (const struct sockaddr *)to, sizeof *to) != 0 ||
        (e.writing = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
        bench_die("cannot connect: %s", strerror(errno));
    setsockopt(e.writing, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return e;
}

static struct ends *
connect_all(size_t n)
{
    struct ends       *all = tb_alloc(n * sizeof *all);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          size = sizeof to;
    int                listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    bench_raise_descriptors(2 * n + SPARE_DESCRIPTORS);
    if (listener < 0 || bind(listener, (struct sockaddr *)&to, sizeof to) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&to, &size) != 0)
        bench_die("cannot listen: %s", strerror(errno));
    for (size_t i = 0; i < n; i++)
        all[i] = connect_one(listener, &to);
    close(listener);
    return all;
}

/* Says each time when it has read so much; never returns. */
static void
read_for_ever(const struct ends *all, size_t n, size_t bytes_a_round, int told)
{
    static struct epoll_event events[EVENTS_AT_ONCE];
    static char               room[READ_BYTES];
    int                       epoll = epoll_create1(EPOLL_CLOEXEC);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; i < n; i++)
        epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].reading, &(struct epoll_event){ .events = EPOLLIN, .data.fd = all[i].reading });
    for (size_t got = 0;;) {
        int n_events = epoll_wait(epoll, events, EVENTS_AT_ONCE, -1);
        for (int i = 0; i < n_events; i++)
            got += (size_t)read(events[i].data.fd, room, sizeof room);
        if (got == bytes_a_round) {
            got = 0;
            if (write(told, "", 1) != 1)
                _exit(1);
        }
        usleep(PAUSE_US);
    }
}

static void
write_to_all(const struct ends *all, size_t n, size_t bytes, int hears)
{
    static char  some[MAX_BYTES];
    struct iovec one = { .iov_base = some, .iov_len = bytes };

    for (size_t i = 0; i < n; i++)
        if (writev(all[i].writing, &one, 1) != (ssize_t)bytes)
            bench_die("a short write: %s", strerror(errno));
    if (read(hears, some, 1) != 1)
        bench_die("the reader is gone");
}

double
bench_write_cpu(size_t n_connections, size_t bytes, size_t n_writes)
{
    struct bench_span span;
    size_t            rounds = (n_writes + n_connections - 1) / n_connections;
    struct ends      *all = connect_all(n_connections);
    int               told[2];

    if (bytes > MAX_BYTES || pipe2(told, O_CLOEXEC) != 0)
        bench_die("no pipe: %s", strerror(errno));
    pid_t reader = fork();
    if (reader == 0)
        read_for_ever(all, n_connections, n_connections * bytes, told[1]);
    write_to_all(all, n_connections, bytes, told[0]);
    bench_span_start(&span);
    for (size_t i = 0; i < rounds; i++)
        write_to_all(all, n_connections, bytes, told[0]);
    bench_span_end(&span);
    kill(reader, SIGKILL);
    waitpid(reader, NULL, 0);
    for (size_t i = 0; i < n_connections; i++)
        close(all[i].writing), close(all[i].reading);
    close(told[0]), close(told[1]);
    tb_free(all);
    return span.own_cpu_s / (double)(rounds * n_connections);
}
