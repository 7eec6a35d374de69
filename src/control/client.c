/* A server that is not there shows in one of two ways: there is no socket, or nobody listens on the one that a crash has left
 * behind. Anything else is a failure: the caller must not take a server that hangs for one that does not run. */
#include "client.h"

#include "address.h"
#include "control.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static enum tb_code
fail(const char *dir, const char *what, struct tb_err *e)
{
    return tb_fail(e, TB_EIO, NULL, "%s/" CONTROL_NAME ": %s: %s", dir, what, strerror(errno));
}

static enum tb_code
reach(const char *dir, int fd, struct tb_err *e)
{
    struct sockaddr_un address;
    int                dir_fd;

    if (control_address(dir, &dir_fd, &address, e) != TB_OK)
        return e->code;
    int  failed = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
    close(dir_fd);
    errno = failed;
    if (failed == ENOENT || failed == ECONNREFUSED)
        return tb_fail(e, TB_ENOTFOUND, NULL, "no server runs on %s", dir);
    return failed == 0 ? TB_OK : fail(dir, "connect", e);
}

/* A server that has refused before all was sent has answered none the less. */
static enum tb_code
send_line(const char *dir, int fd, const char *line, struct tb_err *e)
{
    struct tb_buf b = TB_BUF_INIT;
    enum tb_code  code = TB_OK;

    tb_buf_printf(&b, "%s\n", line);
    for (size_t sent = 0; sent < b.n && code == TB_OK;) {
        ssize_t n = send(fd, b.p + sent, b.n - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EPIPE)
            break;
        if (n > 0)
            sent += (size_t)n;
        else if (n < 0 && errno != EINTR)
            code = fail(dir, "send", e);
    }
    tb_buf_fini(&b);
    return code;
}

static enum tb_code
read_answer(const char *dir, int fd, int ms, struct tb_buf *out, struct tb_err *e)
{
    int64_t until = tb_mono_ms(&tb_clock_system) + ms;
    char    bytes[4096];

    for (;;) {
        int64_t       left = until - tb_mono_ms(&tb_clock_system);
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (left <= 0)
            return tb_fail(e, TB_EIO, NULL, "%s/" CONTROL_NAME ": no answer within %d s", dir, ms / 1000);
        if (poll(&p, 1, (int)left) <= 0)
            continue;
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n == 0)
            return TB_OK;
        if (n < 0 && errno != EINTR)
            return fail(dir, "recv", e);
        if (n > 0)
            tb_buf_add(out, (tb_str){ .p = bytes, .n = (size_t)n });
        if (out->n > CONTROL_MAX_ANSWER)
            return tb_fail(e, TB_EIO, NULL, "%s/" CONTROL_NAME ": the answer is longer than %d bytes", dir,
                           CONTROL_MAX_ANSWER);
    }
}

static enum tb_code
code_of(const char *wire)
{
    for (int code = TB_OK + 1; wire != NULL && code < TB_CODE_COUNT; code++)
        if (strcmp(tb_code_wire((enum tb_code)code), wire) == 0)
            return (enum tb_code)code;
    return TB_EINTERNAL;
}

bool
control_is_there(const char *dir)
{
    struct tb_err e = { 0 };
    int           fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool          is_there = fd >= 0 && reach(dir, fd, &e) == TB_OK;

    if (fd >= 0)
        close(fd);
    return is_there;
}

enum tb_code
control_take(const char *dir, tb_str text, json_t **data, struct tb_err *e)
{
    json_t *answer = json_loadb(text.n > 0 ? text.p : "", text.n, JSON_ALLOW_NUL, NULL);

    if (json_is_true(json_object_get(answer, "ok"))) {
        *data = json_incref(json_object_get(answer, "data"));
    } else if (answer == NULL) {
        tb_fail(e, TB_EIO, NULL, "%s/" CONTROL_NAME ": %s", dir,
                text.n == 0 ? "the server ended the connection" : "the answer cannot be understood");
    } else {
        const char *why = json_string_value(json_object_get(answer, "why"));
        tb_fail(e, code_of(json_string_value(json_object_get(answer, "code"))), NULL, "%s", why != NULL ? why : "refused");
    }
    json_decref(answer);
    return e->code;
}

enum tb_code
control_ask(const char *dir, const char *line, json_t **data, struct tb_err *e)
{
    return control_ask_within(dir, line, CONTROL_ASK_MS, data, e);
}

enum tb_code
control_ask_within(const char *dir, const char *line, int ms, json_t **data, struct tb_err *e)
{
    struct tb_buf answer = TB_BUF_INIT;
    int           fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *e = (struct tb_err){ 0 };
    if (fd < 0)
        return fail(dir, "socket", e);
    if (reach(dir, fd, e) == TB_OK && send_line(dir, fd, line, e) == TB_OK && read_answer(dir, fd, ms, &answer, e) == TB_OK)
        TB_TRY(control_take(dir, tb_buf_str(&answer), data, e));
    close(fd);
    tb_buf_fini(&answer);
    return e->code;
}
