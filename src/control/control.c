/* The server's end of the control socket: one thread that polls. Nothing a connection does costs more than its place: the line
 * is bounded, so is its time, and a place is taken from the oldest when somebody new comes. While a command runs nobody else
 * is heard; they wait in the kernel. */
#include "control.h"

#include "address.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BACKLOG = 128,              /* who comes while a command runs waits here */
    SHORT_OF_FDS_MS = 100,      /* until accept is tried again when there is no descriptor left */
};

struct client {
    int     fd;             /* -1: the place is free */
    int64_t since_ms;
    char    line[CONTROL_MAX_LINE];
    size_t  n;
};

struct control {
    /* fixed before the thread starts */
    struct control_settings with;
    int                     dir_fd, listen_fd, stop_fd;
    struct tb_thread        thread;
    /* control thread only */
    struct client clients[CONTROL_MAX_CLIENTS];
};

static int64_t
now_ms(void)
{
    return tb_mono_ms(&tb_clock_system);
}

static void
drop(struct client *c)
{
    close(c->fd);
    c->fd = -1;
}

/* ---- answering ---- */

static void
write_failure(struct tb_buf *out, const struct tb_err *e)
{
    struct tb_json j = tb_json_to(out);
    tb_str         why = tb_str_of(e->why);

    tb_buf_clear(out);
    tb_json_open_object(&j);
    tb_json_key(&j, "ok"), tb_json_bool(&j, false);
    tb_json_key(&j, "code"), tb_json_str(&j, tb_str_of(tb_code_wire(e->code)));
    tb_json_key(&j, "why"), tb_json_str(&j, tb_str_is_utf8(why) ? why : TB_LIT("(not UTF-8)"));
    tb_json_end_object(&j);
}

static const struct control_command *
find_command(const struct control_command *in, tb_str name)
{
    for (; in->name != NULL; in++)
        if (tb_str_eq(name, tb_str_of(in->name)))
            return in;
    return NULL;
}

static enum tb_code
run_command(const struct control_command *commands, void *ctx, tb_str line, struct tb_buf *out, struct tb_err *e)
{
    const char    *blank = line.n > 0 ? memchr(line.p, ' ', line.n) : NULL;
    tb_str         name = { .p = line.p, .n = blank != NULL ? (size_t)(blank - line.p) : line.n };
    tb_str         args = { .p = line.p + name.n, .n = line.n - name.n };
    struct tb_json j = tb_json_to(out);

    const struct control_command *command = find_command(commands, name);
    if (command == NULL)        /* not said which: it may be anything */
        return tb_fail(e, TB_ENOTFOUND, NULL, "the server does not know this command: is it older than this program?");
    tb_json_open_object(&j);
    tb_json_key(&j, "ok"), tb_json_bool(&j, true);
    tb_json_key(&j, "data");
    if (command->run(ctx, tb_str_trim(args), &j, e) != TB_OK)
        return e->code;
    tb_json_end_object(&j);
    tb_json_fini(&j);
    log_debug("control.asked", "command=%s", command->name);
    return TB_OK;
}

void
control_run(const struct control_command *commands, void *ctx, tb_str line, struct tb_buf *out)
{
    struct tb_err e = { 0 };

    if (line.p == NULL)
        tb_fail(&e, TB_ETOOBIG, NULL, "a line has at most %d bytes", CONTROL_MAX_LINE);
    else
        TB_TRY(run_command(commands, ctx, line, out, &e));
    if (e.code != TB_OK)
        write_failure(out, &e);
    tb_buf_add_char(out, '\n');
}

/* The kernel takes most answers whole. For the rest the asker has CONTROL_ANSWER_MS; one who does not read is left. */
static void
send_all(int fd, tb_str text)
{
    int64_t until = now_ms() + CONTROL_ANSWER_MS;

    for (int64_t left = CONTROL_ANSWER_MS; text.n > 0 && left > 0; left = until - now_ms()) {
        ssize_t       n = send(fd, text.p, text.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        if (n >= 0)
            text = (tb_str){ .p = text.p + n, .n = text.n - (size_t)n };
        else if (errno == EAGAIN)
            poll(&p, 1, (int)left);
        else if (errno != EINTR)
            return;
    }
}

static void
answer(struct control *c, struct client *from, tb_str line)
{
    struct tb_buf out = TB_BUF_INIT;

    control_run(c->with.commands, c->with.ctx, line, &out);
    send_all(from->fd, tb_buf_str(&out));
    tb_buf_fini(&out);
    drop(from);
}

/* ---- hearing ---- */

/* What comes after the line is not looked at. */
static void
hear(struct control *c, struct client *from)
{
    ssize_t n = recv(from->fd, from->line + from->n, sizeof from->line - from->n, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        drop(from);
        return;
    }
    const char *end = memchr(from->line + from->n, '\n', (size_t)n);
    from->n += (size_t)n;
    if (end != NULL)
        answer(c, from, (tb_str){ .p = from->line, .n = (size_t)(end - from->line) });
    else if (from->n == sizeof from->line)
        answer(c, from, TB_STR_NULL);
}

/* A free place, or the one of him who has been there for longest. */
static struct client *
find_place(struct control *c)
{
    struct client *oldest = &c->clients[0];

    for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++) {
        if (c->clients[i].fd < 0)
            return &c->clients[i];
        if (c->clients[i].since_ms < oldest->since_ms)
            oldest = &c->clients[i];
    }
    drop(oldest);
    return oldest;
}

/* One a turn, so that those who are in have been heard before a place is taken from one of them. */
static void
let_in(struct control *c)
{
    int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
        if (errno != EAGAIN && errno != ECONNABORTED)
            poll(NULL, 0, SHORT_OF_FDS_MS);     /* he waits in the kernel, and poll would say so again at once */
        return;
    }
    struct client *place = find_place(c);
    place->fd = fd;
    place->n = 0;
    place->since_ms = now_ms();
    hear(c, place);
}

/* Those who are late go. Returns for how many ms nobody else will be: -1 when nobody is there. */
static int
drop_the_late(struct control *c)
{
    int64_t now = now_ms(), soonest = -1;

    for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++) {
        struct client *one = &c->clients[i];
        if (one->fd < 0)
            continue;
        int64_t left = one->since_ms + CONTROL_LINE_MS - now;
        if (left <= 0)
            drop(one);
        else if (soonest < 0 || left < soonest)
            soonest = left;
    }
    return (int)soonest;
}

static void
run(void *ctx)
{
    struct control *c = ctx;
    struct pollfd   p[2 + CONTROL_MAX_CLIENTS];

    for (;;) {
        p[0] = (struct pollfd){ .fd = c->stop_fd, .events = POLLIN };
        p[1] = (struct pollfd){ .fd = c->listen_fd, .events = POLLIN };
        int wait_ms = drop_the_late(c);
        for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++)
            p[2 + i] = (struct pollfd){ .fd = c->clients[i].fd, .events = POLLIN };     /* poll passes over -1 */
        if (poll(p, 2 + CONTROL_MAX_CLIENTS, wait_ms) <= 0)
            continue;
        if (p[0].revents != 0)
            break;
        for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++)
            if (p[2 + i].revents != 0)
                hear(c, &c->clients[i]);
        if (p[1].revents != 0)
            let_in(c);
    }
    for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++)
        if (c->clients[i].fd >= 0)
            drop(&c->clients[i]);
}

/* ---- opening ---- */

/* The mode is set before there is a name by which others could connect. */
static bool
listen_there(struct control *c, const struct sockaddr_un *address)
{
    return (unlinkat(c->dir_fd, CONTROL_NAME, 0) == 0 || errno == ENOENT) && fchmod(c->listen_fd, 0600) == 0 &&
           bind(c->listen_fd, (const struct sockaddr *)address, sizeof *address) == 0 &&
           listen(c->listen_fd, BACKLOG) == 0;
}

static void
close_descriptors(struct control *c)
{
    const int fds[] = { c->listen_fd, c->stop_fd, c->dir_fd };

    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

enum tb_code
control_open(struct control **out, const struct control_settings *settings, struct tb_err *e)
{
    struct sockaddr_un address;
    int                dir_fd;

    assert(tb_thread_is(TB_MAIN));
    if (control_address(settings->dir, &dir_fd, &address, e) != TB_OK)
        return e->code;
    struct control *c = TB_NEW(struct control);
    c->with = *settings;
    c->dir_fd = dir_fd;
    c->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    c->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (c->listen_fd < 0 || c->stop_fd < 0 || !listen_there(c, &address)) {
        tb_fail(e, TB_EIO, NULL, "cannot listen on %s/" CONTROL_NAME ": %s", settings->dir, strerror(errno));
        close_descriptors(c);
        tb_free(c);
        return e->code;
    }
    for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++)
        c->clients[i].fd = -1;
    tb_thread_start(&c->thread, TB_CONTROL, run, c);
    *out = c;
    return TB_OK;
}

void
control_close(struct control **cp)
{
    struct control *c = *cp;
    const uint64_t  one = 1;
    ssize_t         n;

    if (c == NULL)
        return;
    assert(tb_thread_is(TB_MAIN));
    n = write(c->stop_fd, &one, sizeof one);
    assert(n == (ssize_t)sizeof one);       /* an eventfd far below its limit */
    tb_thread_join(&c->thread);
    unlinkat(c->dir_fd, CONTROL_NAME, 0);
    close_descriptors(c);
    tb_free(c);
    *cp = NULL;
}
