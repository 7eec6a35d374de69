/* The control socket: what is asked is answered, and nothing that comes in does harm. */
#include "control/control.h"

#include "base/clock.h"
#include "base/thread.h"
#include "control/address.h"
#include "control/client.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A server that has refused before all was sent is right. */
#define IGNORE_SENT(call) (void)!(call)

enum { CROWD = 100, LONG_ANSWER = 3 << 20 };

static char            dir[256];
static struct control *control;

static enum tb_code
run_echo(void *ctx, tb_str args, struct tb_json *data, struct tb_err *e)
{
    (void)ctx, (void)e;
    tb_json_str(data, tb_str_is_utf8(args) ? args : TB_LIT("bytes"));
    return TB_OK;
}

static enum tb_code
run_fail(void *ctx, tb_str args, struct tb_json *data, struct tb_err *e)
{
    (void)ctx, (void)args;
    tb_json_open_object(data);      /* half an answer */
    tb_json_key(data, "half");
    return tb_fail(e, TB_EBUSY, NULL, "not now");
}

static enum tb_code
run_long(void *ctx, tb_str args, struct tb_json *data, struct tb_err *e)
{
    char *text = tb_alloc(LONG_ANSWER);
    (void)ctx, (void)args, (void)e;
    memset(text, 'x', LONG_ANSWER);
    tb_json_str(data, (tb_str){ .p = text, .n = LONG_ANSWER });
    tb_free(text);
    return TB_OK;
}

static const struct control_command commands[] = {
    { "echo", run_echo }, { "fail", run_fail }, { "long", run_long }, { NULL, NULL },
};

static int
open_control(void **state)
{
    struct tb_err e = { 0 };
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/tombolo-control-XXXXXX");
    assert_non_null(mkdtemp(dir));
    if (control_open(&control, &(struct control_settings){ .dir = dir, .commands = commands }, &e) != TB_OK)
        fail_msg("%s", e.why);
    return 0;
}

static int
close_control(void **state)
{
    (void)state;
    control_close(&control);
    assert_int_equal(0, rmdir(dir));        /* the socket has gone */
    return 0;
}

static void
assert_answers(void)
{
    struct tb_err e = { 0 };
    json_t       *data = NULL;

    if (control_ask(dir, "echo hello", &data, &e) != TB_OK)
        fail_msg("%s", e.why);
    assert_string_equal("hello", json_string_value(data));
    json_decref(data);
}

static int
reach(void)
{
    struct sockaddr_un address;
    struct tb_err      e = { 0 };
    int                dir_fd, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(TB_OK, control_address(dir, &dir_fd, &address, &e));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail_msg("connect: %s", strerror(errno));
    close(dir_fd);
    return fd;
}

/* All of it, and whether the end came; the caller frees. */
static char *
read_to_the_end(int fd)
{
    struct tb_buf out = TB_BUF_INIT;
    char          bytes[4096];
    ssize_t       n;
    size_t        length;

    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0)
        tb_buf_add(&out, (tb_str){ .p = bytes, .n = (size_t)n });
    close(fd);
    tb_buf_add(&out, TB_LIT(""));
    tb_buf_reserve(&out, 1);
    out.p[out.n] = '\0';
    return tb_buf_take(&out, &length);
}

static void
what_is_asked_is_answered_once(void **state)
{
    struct tb_err e = { 0 };
    json_t       *data = NULL;
    (void)state;
    assert_answers();
    assert_int_equal(TB_EBUSY, control_ask(dir, "fail", &data, &e));
    assert_string_equal("not now", e.why);
    assert_int_equal(TB_ENOTFOUND, control_ask(dir, "brew", &data, &e));
    assert_non_null(strstr(e.why, "does not know"));
    int fd = reach();
    assert_int_equal(20, send(fd, "echo one\necho second", 20, MSG_NOSIGNAL));
    char *answer = read_to_the_end(fd);
    assert_string_equal("{\"ok\":true,\"data\":\"one\"}\n", answer);
    tb_free(answer);
}

static void
a_line_may_come_in_pieces(void **state)
{
    (void)state;
    int fd = reach();
    for (const char *p = "echo pieces\n"; *p != '\0'; p++) {
        assert_int_equal(1, send(fd, p, 1, MSG_NOSIGNAL));
        sched_yield();
    }
    char *answer = read_to_the_end(fd);
    assert_string_equal("{\"ok\":true,\"data\":\"pieces\"}\n", answer);
    tb_free(answer);
}

static void
a_long_answer_comes_whole_and_one_who_does_not_read_is_left(void **state)
{
    struct tb_err e = { 0 };
    json_t       *data = NULL;
    (void)state;
    assert_int_equal(TB_OK, control_ask(dir, "long", &data, &e));
    assert_int_equal(LONG_ANSWER, json_string_length(data));
    json_decref(data);
    int deaf = reach();
    assert_int_equal(5, send(deaf, "long\n", 5, MSG_NOSIGNAL));
    int64_t before = tb_mono_ms(&tb_clock_system);
    assert_answers();
    assert_true(tb_mono_ms(&tb_clock_system) - before < 3 * CONTROL_ANSWER_MS);
    close(deaf);
}

static const struct {
    const char *name, *bytes;
    size_t      n;
} garbage[] = {
    { "nothing", "", 0 },
    { "an empty line", "\n", 1 },
    { "blanks", "    \n", 5 },
    { "NULs", "\0\0\0\0\n", 5 },
    { "bytes above 127", "\xff\xfe\x80\xc0 \xff\n", 7 },
    { "binary after a command", "echo \xff\0\x01\n", 9 },
    { "a name with a NUL", "echo\0 x\n", 8 },
    { "a prefix of a command", "ech\n", 4 },
    { "a request of HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27 },
    { "JSON", "{\"command\":\"echo\"}\n", 19 },
};

static void
garbage_is_refused_and_does_no_harm(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        int fd = reach();
        assert_int_equal(garbage[i].n, send(fd, garbage[i].bytes, garbage[i].n, MSG_NOSIGNAL));
        shutdown(fd, SHUT_WR);
        char   *answer = read_to_the_end(fd);
        json_t *json = json_loads(answer, 0, NULL);
        if (garbage[i].n > 0 && !json_is_boolean(json_object_get(json, "ok")))
            fail_msg("%s: %s", garbage[i].name, answer);
        if (garbage[i].n == 0)
            assert_string_equal("", answer);
        json_decref(json);
        tb_free(answer);
        assert_answers();
    }
}

static void
random_bytes_of_random_length_do_no_harm(void **state)
{
    static char bytes[3 * CONTROL_MAX_LINE];
    uint64_t    chance = 88172645463325252u;
    (void)state;
    for (int round = 0; round < 500; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            chance ^= chance << 13, chance ^= chance >> 7, chance ^= chance << 17;
            bytes[i] = (char)chance;
        }
        size_t n = (size_t)(chance >> 8) % sizeof bytes;
        memcpy(bytes, "echo ", round % 2 ? 5 : 0);
        int fd = reach();
        IGNORE_SENT(send(fd, bytes, n, MSG_NOSIGNAL));
        shutdown(fd, SHUT_WR);
        tb_free(read_to_the_end(fd));
    }
    assert_answers();
}

static void
a_line_that_is_too_long_is_refused_and_one_that_just_fits_is_not(void **state)
{
    char line[CONTROL_MAX_LINE + 2];
    (void)state;
    for (int more = 0; more <= 1; more++) {
        snprintf(line, sizeof line, "echo %0*d\n", CONTROL_MAX_LINE - 6 + more, 7);
        int fd = reach();
        IGNORE_SENT(send(fd, line, CONTROL_MAX_LINE + (size_t)more, MSG_NOSIGNAL));
        char *answer = read_to_the_end(fd);
        assert_non_null(strstr(answer, more ? "\"code\":\"too_large\"" : "\"ok\":true"));
        tb_free(answer);
    }
}

static void
those_who_ask_nothing_make_room_for_one_who_does(void **state)
{
    int fds[CROWD];
    (void)state;
    for (int i = 0; i < CROWD; i++) {
        fds[i] = reach();
        if (i % 2)
            assert_int_equal(4, send(fds[i], "echo", 4, MSG_NOSIGNAL));
    }
    int64_t before = tb_mono_ms(&tb_clock_system);
    assert_answers();
    assert_true(tb_mono_ms(&tb_clock_system) - before < CONTROL_LINE_MS);
    for (int i = 0; i < CROWD; i++)
        close(fds[i]);
    assert_answers();
}

static void
one_who_never_finishes_his_line_is_dropped_in_time(void **state)
{
    (void)state;
    int     fd = reach();
    int64_t before = tb_mono_ms(&tb_clock_system);
    assert_int_equal(4, send(fd, "echo", 4, MSG_NOSIGNAL));
    char *answer = read_to_the_end(fd);
    assert_string_equal("", answer);
    assert_in_range(tb_mono_ms(&tb_clock_system) - before, CONTROL_LINE_MS - 100, 4 * CONTROL_LINE_MS);
    tb_free(answer);
}

static void *
ask(void *ctx)
{
    struct tb_err e = { 0 };
    json_t       *data = NULL;

    *(bool *)ctx = control_ask(dir, "echo crowd", &data, &e) == TB_OK;
    json_decref(data);
    return NULL;
}

static void
a_hundred_who_ask_at_once_are_all_answered(void **state)
{
    pthread_t threads[CROWD];
    bool      answered[CROWD] = { false };
    (void)state;
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(0, pthread_create(&threads[i], NULL, ask, &answered[i]));
    for (int i = 0; i < CROWD; i++) {
        pthread_join(threads[i], NULL);
        assert_true(answered[i]);
    }
}

static void
others_may_not_connect(void **state)
{
    struct stat st;
    char        path[512];
    (void)state;
    snprintf(path, sizeof path, "%s/" CONTROL_NAME, dir);
    assert_int_equal(0, stat(path, &st));
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(0600, st.st_mode & 0777);
}

static void
where_no_server_runs_that_is_said_also_beside_what_a_crash_has_left(void **state)
{
    struct sockaddr_un address;
    struct tb_err      e = { 0 };
    char               other[] = "/tmp/tombolo-control-XXXXXX", path[512];
    json_t            *data = NULL;
    struct control    *second = NULL;
    int                dir_fd;
    (void)state;
    assert_non_null(mkdtemp(other));
    assert_int_equal(TB_ENOTFOUND, control_ask(other, "echo x", &data, &e));
    assert_int_equal(TB_ENOTFOUND, control_ask("/tmp/tombolo-control-not-there", "echo x", &data, &e));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(TB_OK, control_address(other, &dir_fd, &address, &e));
    assert_int_equal(0, bind(fd, (struct sockaddr *)&address, sizeof address));
    close(dir_fd);
    close(fd);                              /* as after a crash: the name stays */
    assert_int_equal(TB_ENOTFOUND, control_ask(other, "echo x", &data, &e));
    assert_int_equal(TB_OK, control_open(&second, &(struct control_settings){ .dir = other, .commands = commands }, &e));
    assert_int_equal(TB_OK, control_ask(other, "echo x", &data, &e));
    json_decref(data);
    control_close(&second);
    snprintf(path, sizeof path, "%s/" CONTROL_NAME, other);
    assert_int_equal(-1, access(path, F_OK));
    assert_int_equal(0, rmdir(other));
}

static void
a_folder_with_a_long_name_is_as_good_as_any(void **state)
{
    struct tb_err   e = { 0 };
    char            parent[256];
    json_t         *data = NULL;
    struct control *second = NULL;
    char            path[512];
    (void)state;
    snprintf(parent, sizeof parent, "%s", dir);
    snprintf(path, sizeof path, "%s/%0200d", parent, 7);
    assert_int_equal(0, mkdir(path, 0700));
    assert_int_equal(TB_OK, control_open(&second, &(struct control_settings){ .dir = path, .commands = commands }, &e));
    assert_int_equal(TB_OK, control_ask(path, "echo x", &data, &e));
    json_decref(data);
    control_close(&second);
    assert_int_equal(0, rmdir(path));
}

static void
where_it_cannot_be_made_that_is_said(void **state)
{
    struct tb_err   e = { 0 };
    struct control *none = NULL;
    char            path[512];
    (void)state;
    assert_int_not_equal(TB_OK, control_open(&none, &(struct control_settings){ .dir = "/proc/self" }, &e));
    assert_non_null(strstr(e.why, "/proc/self/" CONTROL_NAME));
    snprintf(path, sizeof path, "%s/not-there", dir);
    assert_int_not_equal(TB_OK, control_open(&none, &(struct control_settings){ .dir = path }, &e));
    assert_null(none);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_is_answered_once),
        cmocka_unit_test(a_line_may_come_in_pieces),
        cmocka_unit_test(a_long_answer_comes_whole_and_one_who_does_not_read_is_left),
        cmocka_unit_test(garbage_is_refused_and_does_no_harm),
        cmocka_unit_test(random_bytes_of_random_length_do_no_harm),
        cmocka_unit_test(a_line_that_is_too_long_is_refused_and_one_that_just_fits_is_not),
        cmocka_unit_test(those_who_ask_nothing_make_room_for_one_who_does),
        cmocka_unit_test(one_who_never_finishes_his_line_is_dropped_in_time),
        cmocka_unit_test(a_hundred_who_ask_at_once_are_all_answered),
        cmocka_unit_test(others_may_not_connect),
        cmocka_unit_test(where_no_server_runs_that_is_said_also_beside_what_a_crash_has_left),
        cmocka_unit_test(a_folder_with_a_long_name_is_as_good_as_any),
        cmocka_unit_test(where_it_cannot_be_made_that_is_said),
    };
    return tap_run_with(tests, open_control, close_control);
}
