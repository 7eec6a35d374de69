/* The whole server in this process: starting, failing to start, rereading settings, ending. */
#include "serve/serve.h"

#include "base/log.h"
#include "loop.h"

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/tombolo-serve-XXXXXX";

/* name: a data folder of its own below folder. */
static struct tb_config
config_for(const char *name, uint16_t port, const char *login_limit)
{
    char                        data[128], port_text[8];
    const struct tb_config_flag flags[] = {
        { "--data", "server.data", data },          { "--port", "server.port", port_text },
        { "--set", "server.host", "127.0.0.1" },    { "--set", "auth.password_cost", "min" },
        { "--set", "limit.logins", login_limit },   { "--set", "log.level", "error" },
        { "--set", "auth.hash_threads", "1" },
    };
    struct tb_config c;
    struct tb_err    e = { 0 };

    snprintf(data, sizeof data, "%s/%s", folder, name);
    snprintf(port_text, sizeof port_text, "%u", port);
    if (tb_config_load(&c, NULL, flags, sizeof flags / sizeof flags[0], &e) != TB_OK)
        fail_msg("%s", e.why);
    return c;
}

static enum tb_code
try_start(struct server **s, const char *name, uint16_t port, struct tb_err *e)
{
    struct tb_config c = config_for(name, port, "10");
    enum tb_code     code = serve_open(s, &c, NULL, e);
    tb_config_fini(&c);
    return code;
}

static struct server *
start(const char *name)
{
    struct server *s = NULL;
    struct tb_err  e = { 0 };

    if (try_start(&s, name, 0, &e) != TB_OK)
        fail_msg("%s", e.why);
    return s;
}

static bool
answers(const struct server *s, const char *request, const char *expected)
{
    int fd = client_connect(serve_port(s));

    client_send(fd, request);
    const char *answer = client_read_all(fd);
    close(fd);
    bool is_there = strstr(answer, expected) != NULL;
    if (!is_there)
        fprintf(stderr, "# %s\n", answer);
    return is_there;
}

#define ROOT  "GET / HTTP/1.0\r\n\r\n"
#define LOGIN "POST /auth/login HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n" \
              "{\"email\":\"a@example.org\",\"password\":\"x\"} "

static void
a_server_starts_answers_ends_and_starts_again(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct server *s = start("again");
        assert_true(answers(s, ROOT, "Chat API Running"));
        serve_close(&s);
        assert_null(s);
    }
}

static void
two_servers_in_one_process_do_not_know_each_other(void **state)
{
    struct server *one = start("one"), *two = start("two");

    (void)state;
    assert_int_not_equal(serve_port(one), serve_port(two));
    serve_close(&one);
    assert_true(answers(two, ROOT, "Chat API Running"));
    serve_close(&two);
}

static void
a_start_that_fails_says_why_and_leaves_nothing_open(void **state)
{
    struct server *s = start("first"), *other = NULL;
    struct tb_err  e = { 0 };

    (void)state;
    assert_int_equal(TB_EIO, try_start(&other, "second", serve_port(s), &e));
    assert_non_null(strstr(e.why, "the port is in use"));
    assert_int_equal(TB_EIO, try_start(&other, "first", 0, &e));
    assert_non_null(strstr(e.why, "in use by another"));
    assert_int_equal(TB_EIO, try_start(&other, "no/such", 0, &e));
    assert_null(other);
    serve_close(&s);
    s = start("second");        /* its journal was closed again */
    serve_close(&s);
}

static void
limits_are_reread_while_it_runs(void **state)
{
    struct tb_config strict = config_for("limits", 0, "1"), open = config_for("limits", 0, "0");
    struct server   *s = NULL;
    struct tb_err    e = { 0 };

    (void)state;
    assert_int_equal(TB_OK, serve_open(&s, &strict, NULL, &e));
    assert_true(answers(s, LOGIN, "401 Unauthorized"));
    assert_true(answers(s, LOGIN, "429 Too Many Requests"));
    serve_reload(s, &open);
    assert_true(answers(s, LOGIN, "401 Unauthorized"));
    serve_close(&s);
    tb_config_fini(&strict), tb_config_fini(&open);
}

static int
remove_one(const char *path, const struct stat *what, int type, struct FTW *where)
{
    (void)what, (void)type, (void)where;
    return remove(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_starts_answers_ends_and_starts_again),
        cmocka_unit_test(two_servers_in_one_process_do_not_know_each_other),
        cmocka_unit_test(a_start_that_fails_says_why_and_leaves_nothing_open),
        cmocka_unit_test(limits_are_reread_while_it_runs),
    };
    clearenv();
    if (mkdtemp(folder) == NULL)
        return 1;
    int failed = tap_run(tests);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return failed;
}
