/* Settings: where they come from, what is refused and how that is said, and that conf/tombolo.conf tells the truth. */
#include "config/config.h"

#include "base/log.h"
#include "tap.h"

#include <stdio.h>
#include <unistd.h>

static int
forget_environment(void **state)
{
    (void)state;
    clearenv();
    return 0;
}

/* ---- what is refused ---- */

static const struct {
    const char *name, *text, *why;
} refused[] = {
    { "a key of another name", "[server]\nprot = 1\n", "f:2: there is no setting server.prot, nearest is server.port" },
    { "a section of another name", "[sever]\nport = 1\n", "f:2: there is no setting sever.port, nearest is server.port" },
    { "a key without a section", "\n\nport = 1\n", "f:3: there is no setting port, nearest is server.port" },
    { "a number that is none", "[server]\nport = http\n",
      "f:2: server.port cannot be 'http', only a number from 0 to 65535" },
    { "a number too high", "[server]\nport = 65536\n",
      "f:2: server.port cannot be '65536', only a number from 0 to 65535" },
    { "a number too low", "[server]\nmax_connections = 0\n",
      "f:2: server.max_connections cannot be '0', only a number from 1 to 1000000" },
    { "a negative number", "[server]\nport = -1\n", "f:2: server.port cannot be '-1', only a number from 0 to 65535" },
    { "a number with a comment behind it", "[server]\nport = 1 ; x\n",
      "f:2: server.port cannot be '1 ; x', only a number from 0 to 65535" },
    { "no value where one is needed", "[server]\ndata =\n", "f:2: server.data cannot be '', only a text of 1 to 1024 bytes" },
    { "a choice that is none", "[log]\nlevel = loud\n",
      "f:2: log.level cannot be 'loud', only error, warn, info or debug" },
    { "a yes or no that is neither", "[auth]\nlegacy_tokens = perhaps\n",
      "f:2: auth.legacy_tokens cannot be 'perhaps', only yes or no" },
    { "a key set twice", "[server]\nport = 1\n[log]\nlevel = info\n[server]\nport = 2\n",
      "f:6: server.port is already set in line 2" },
    { "a line that is nothing", "[server]\nport\n", "f:2: neither [section] nor key = value" },
    { "a socket that would be caught up with what is no longer there", "[recovery]\nwindow_days = 31\n",
      "recovery.window_days (31) must not be more than journal.keep_days (30)" },
    { "history that is shorter than what may be asked for", "[history]\nkeep_days = 6\n",
      "history.keep_days (6) must be 0, or not less than recovery.window_days (7) and journal.key_keep_days (7)" },
    { "a message that no body could carry", "[limit]\ncontent_bytes = 65536\n",
      "limit.content_bytes (65536) must be 256 or more below server.max_body (65536)" },
};

static void
what_is_wrong_is_said_with_its_place_and_what_is_allowed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct tb_config c;
        struct tb_err    e = { 0 };
        if (tb_config_parse(&c, "f", tb_str_of(refused[i].text), &e) != TB_EINPUT)
            fail_msg("%s: was taken", refused[i].name);
        if (strcmp(refused[i].why, e.why) != 0)
            fail_msg("%s: %s", refused[i].name, e.why);
        assert_null(c.origins);
    }
}

static void
a_secret_is_not_repeated_when_it_is_refused(void **state)
{
    struct tb_buf    text = TB_BUF_INIT;
    struct tb_config c;
    struct tb_err    e = { 0 };

    (void)state;
    tb_buf_add(&text, TB_LIT("[auth]\nsecret = "));
    for (int i = 0; i < 300; i++)
        tb_buf_add(&text, TB_LIT("hush"));
    assert_int_equal(TB_EINPUT, tb_config_parse(&c, "f", tb_buf_str(&text), &e));
    assert_string_equal("f:2: auth.secret cannot be 'that', only a text of at most 1024 bytes", e.why);
    tb_buf_fini(&text);
}

static void
lines_too_long_and_files_that_are_no_text_are_refused(void **state)
{
    struct tb_buf    text = TB_BUF_INIT;
    struct tb_config c;
    struct tb_err    e = { 0 };

    (void)state;
    tb_buf_add(&text, TB_LIT("[server]\n# "));
    while (text.n < 5000)
        tb_buf_add_char(&text, 'x');
    assert_int_equal(TB_EINPUT, tb_config_parse(&c, "f", tb_buf_str(&text), &e));
    assert_string_equal("f:2: a line has at most 4095 bytes", e.why);
    assert_int_equal(TB_EINPUT, tb_config_parse(&c, "f", (tb_str){ "[server]\0", 9 }, &e));
    assert_string_equal("f: this is no text file", e.why);
    tb_buf_fini(&text);
}

/* ---- where values come from ---- */

static char path[] = "/tmp/tombolo-config-XXXXXX";

static void
write_file(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static struct tb_config
load(const char *file, const struct tb_config_flag *flags, size_t n)
{
    struct tb_config c;
    struct tb_err    e = { 0 };

    if (tb_config_load(&c, file, flags, n, &e) != TB_OK)
        fail_msg("%s", e.why);
    return c;
}

static void
without_anything_the_defaults_hold(void **state)
{
    struct tb_config c = load(NULL, NULL, 0);

    (void)state;
    assert_string_equal("::", c.server.host);
    assert_int_equal(5000, c.server.port);
    assert_string_equal("", c.auth.secret);
    assert_false(c.auth.legacy_tokens);
    assert_int_equal(TB_COST_INTERACTIVE, c.auth.password_cost);
    assert_int_equal(5, c.limit.messages);
    assert_int_equal(LOG_INFO, c.log.level);
    tb_config_fini(&c);
}

static int64_t
port_with(const char *file, const struct tb_config_flag *flags, size_t n)
{
    struct tb_config c = load(file, flags, n);
    int64_t          port = c.server.port;
    tb_config_fini(&c);
    return port;
}

static void
a_flag_wins_over_the_environment_and_that_over_the_file(void **state)
{
    const struct tb_config_flag flags[] = { { "--port", "server.port", "5004" }, { "--set", "server.port", "5005" } };

    (void)state;
    write_file("[server]\nport = 5001\n");
    assert_int_equal(5001, port_with(path, NULL, 0));
    setenv("TOMBOLO_CONFIG", path, 1);
    assert_int_equal(5001, port_with(NULL, NULL, 0));
    setenv("PORT", "5002", 1);
    assert_int_equal(5002, port_with(NULL, NULL, 0));
    setenv("TOMBOLO_SERVER_PORT", "5003", 1);
    assert_int_equal(5003, port_with(NULL, NULL, 0));
    assert_int_equal(5004, port_with(NULL, flags, 1));
    assert_int_equal(5005, port_with(NULL, flags, 2));
    setenv("TOMBOLO_SERVER_PORT", "", 1);
    assert_int_equal(5002, port_with(NULL, NULL, 0));       /* empty is not set */
}

static void
the_old_and_the_short_names_of_the_environment_are_known(void **state)
{
    (void)state;
    setenv("JWT_SECRET", "hush", 1);
    setenv("DATABASE_URL", "mysql://u:p@h/d", 1);
    setenv("TOMBOLO_RATE_LIMIT", "0", 1);
    setenv("TOMBOLO_LOGIN_LIMIT", "0", 1);
    setenv("TOMBOLO_PASSWORD_COST", "min", 1);
    setenv("TOMBOLO_TEST_ANYTHING", "x", 1);
    struct tb_config c = load(NULL, NULL, 0);
    assert_string_equal("hush", c.auth.secret);
    assert_string_equal("mysql://u:p@h/d", c.sync.url);
    assert_int_equal(0, c.limit.messages);
    assert_int_equal(0, c.limit.logins);
    assert_int_equal(TB_COST_MIN, c.auth.password_cost);
    tb_config_fini(&c);
}

/* Of services named tombolo, tombolo-server and tombolo-chat. */
static void
what_kubernetes_says_of_services_is_passed_over(void **state)
{
    static const char *const links[][2] = {
        { "TOMBOLO_PORT", "tcp://10.0.0.1:5000" },          { "TOMBOLO_SERVICE_HOST", "10.0.0.1" },
        { "TOMBOLO_SERVICE_PORT", "5000" },                 { "TOMBOLO_SERVICE_PORT_HTTP", "5000" },
        { "TOMBOLO_PORT_5000_TCP", "tcp://10.0.0.1:5000" }, { "TOMBOLO_PORT_5000_TCP_ADDR", "10.0.0.1" },
        { "TOMBOLO_PORT_5000_TCP_PORT", "5000" },           { "TOMBOLO_PORT_5000_TCP_PROTO", "tcp" },
        { "TOMBOLO_SERVER_PORT", "udp://10.0.0.1:5000" },   { "TOMBOLO_SERVER_SERVICE_HOST", "10.0.0.1" },
        { "TOMBOLO_CHAT_PORT", "sctp://10.0.0.1:5000" },    { "TOMBOLO_CHAT_PORT_5000_UDP_ADDR", "10.0.0.1" },
    };
    (void)state;
    log_set(LOG_ERROR, LOG_LOGFMT);
    clearenv();
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        setenv(links[i][0], links[i][1], 1);
    assert_int_equal(5000, port_with(NULL, NULL, 0));
    clearenv();
    log_set(LOG_INFO, LOG_LOGFMT);
}

static const struct {
    const char *name, *variable, *value, *file;
    struct tb_config_flag flag;
    const char *why;
} misled[] = {
    { "a variable that only looks like one of a service", "TOMBOLO_PORT", "5000", NULL, { 0 },
      "environment: there is no TOMBOLO_PORT, nearest is TOMBOLO_TLS_PORT" },
    { "another one", "TOMBOLO_SERVICE_HOTS", "x", NULL, { 0 },
      "environment: there is no TOMBOLO_SERVICE_HOTS, nearest is TOMBOLO_SERVER_HOST" },
    { "the usual port, as a service's", "PORT", "tcp://10.0.0.1:5000", NULL, { 0 },
      "PORT: server.port cannot be 'tcp://10.0.0.1:5000', only a number from 0 to 65535" },
    { "a variable of another name", "TOMBOLO_SERVER_PROT", "1", NULL, { 0 },
      "environment: there is no TOMBOLO_SERVER_PROT, nearest is TOMBOLO_SERVER_PORT" },
    { "a variable with a bad value", "PORT", "x", NULL, { 0 },
      "PORT: server.port cannot be 'x', only a number from 0 to 65535" },
    { "a flag with a bad value", NULL, NULL, NULL, { "--port", "server.port", "x" },
      "--port: server.port cannot be 'x', only a number from 0 to 65535" },
    { "a flag for nothing", NULL, NULL, NULL, { "--set", "log.levle", "x" },
      "--set: there is no setting log.levle, nearest is log.level" },
    { "no file there", NULL, NULL, "/nowhere/x.conf", { 0 },
      "configuration file /nowhere/x.conf: No such file or directory" },
    { "a folder instead of a file", NULL, NULL, "/tmp", { 0 }, "configuration file /tmp: Is a directory" },
};

static void
variables_flags_and_missing_files_are_named_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof misled / sizeof misled[0]; i++) {
        struct tb_config c;
        struct tb_err    e = { 0 };
        clearenv();
        if (misled[i].variable != NULL)
            setenv(misled[i].variable, misled[i].value, 1);
        if (tb_config_load(&c, misled[i].file, &misled[i].flag, misled[i].flag.flag != NULL, &e) != TB_EINPUT)
            fail_msg("%s: was taken", misled[i].name);
        if (strcmp(misled[i].why, e.why) != 0)
            fail_msg("%s: %s", misled[i].name, e.why);
    }
}

/* ---- shown ---- */

static bool
shows(const struct tb_config *c, bool as_json, const char *line)
{
    struct tb_buf out = TB_BUF_INIT;

    tb_config_print(c, as_json, &out);
    bool found = strstr(out.p, line) != NULL;
    if (!found)
        fprintf(stderr, "# %s", out.p);
    tb_buf_fini(&out);
    return found;
}

static void
values_are_shown_with_where_they_came_from(void **state)
{
    const struct tb_config_flag flag = { "--set", "log.format", "json" };

    (void)state;
    write_file("\n[auth]\n  legacy_tokens : yes\n");
    setenv("PORT", "5002", 1);
    struct tb_config c = load(path, &flag, 1);
    struct tb_buf    line = TB_BUF_INIT;
    assert_true(shows(&c, false, "server.port                = 5002                      (PORT)\n"));
    assert_true(shows(&c, false, "log.format                 = json                      (--set)\n"));
    assert_true(shows(&c, false, "limit.messages             = 5                         (default)\n"));
    tb_buf_printf(&line, "auth.legacy_tokens         = yes                       (%s:3)\n", path);
    assert_true(shows(&c, false, line.p));
    assert_true(shows(&c, true, "\"server.port\":{\"value\":5002,\"origin\":\"PORT\"}"));
    assert_true(shows(&c, true, "\"auth.legacy_tokens\":{\"value\":true,"));
    assert_true(shows(&c, true, "\"log.format\":{\"value\":\"json\",\"origin\":\"--set\"}"));
    tb_buf_fini(&line);
    tb_config_fini(&c);
}

static void
secrets_are_masked(void **state)
{
    static const struct { const char *url, *shown; } urls[] = {
        { "mysql://user:hush@host:3306/db", "= mysql://user:********@host:3306/db " },
        { "mysql://user:hu@sh:x@host/db", "= mysql://user:********@host/db " },
        { "mysql://user@host:1/db", "= mysql://user@host:1/db " },
        { "mysql://host:3306/db", "= mysql://host:3306/db " },
        { "user:hush@host", "= ******** " },
        { "hush", "= ******** " },
    };

    (void)state;
    setenv("JWT_SECRET", "hush", 1);
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        setenv("DATABASE_URL", urls[i].url, 1);
        struct tb_config c = load(NULL, NULL, 0);
        struct tb_buf    text = TB_BUF_INIT, json = TB_BUF_INIT;
        tb_config_print(&c, false, &text);
        tb_config_print(&c, true, &json);
        assert_null(strstr(text.p, "hush"));
        assert_null(strstr(json.p, "hush"));
        assert_non_null(strstr(text.p, "auth.secret                = ******** "));
        assert_non_null(strstr(text.p, urls[i].shown));
        tb_buf_fini(&text), tb_buf_fini(&json);
        tb_config_fini(&c);
    }
}

/* ---- conf/tombolo.conf ---- */

/* The file as it would be if every "#key = value" were taken in. */
static struct tb_buf
uncommented(void)
{
    FILE         *f = fopen(TB_SOURCE_DIR "/conf/tombolo.conf", "r");
    struct tb_buf out = TB_BUF_INIT;
    char          line[512];

    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL)
        tb_buf_add(&out, tb_str_of(line[0] == '#' && line[1] != ' ' && line[1] != '\n' ? line + 1 : line));
    fclose(f);
    return out;
}

static void
the_commented_file_lists_every_setting_with_its_default(void **state)
{
    struct tb_buf    text = uncommented(), from_file = TB_BUF_INIT, from_nothing = TB_BUF_INIT;
    struct tb_config c, defaults = load(NULL, NULL, 0);
    struct tb_err    e = { 0 };

    (void)state;
    if (tb_config_parse(&c, "conf", tb_buf_str(&text), &e) != TB_OK)
        fail_msg("%s", e.why);
    tb_config_print(&c, false, &from_file);
    tb_config_print(&defaults, false, &from_nothing);
    assert_null(strstr(from_file.p, "(default)"));      /* so each was in the file */
    const char *a = from_file.p, *b = from_nothing.p;
    for (; *a != '\0' && *b != '\0'; a = strchr(a, '\n') + 1, b = strchr(b, '\n') + 1)
        if (strncmp(a, b, (size_t)(strchr(a, '(') - a)) != 0)
            fail_msg("file: %.60s\ntable: %.60s", a, b);
    assert_true(*a == '\0' && *b == '\0');
    tb_config_fini(&c), tb_config_fini(&defaults);
    tb_buf_fini(&text), tb_buf_fini(&from_file), tb_buf_fini(&from_nothing);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_wrong_is_said_with_its_place_and_what_is_allowed, forget_environment),
        cmocka_unit_test_setup(a_secret_is_not_repeated_when_it_is_refused, forget_environment),
        cmocka_unit_test_setup(lines_too_long_and_files_that_are_no_text_are_refused, forget_environment),
        cmocka_unit_test_setup(without_anything_the_defaults_hold, forget_environment),
        cmocka_unit_test_setup(a_flag_wins_over_the_environment_and_that_over_the_file, forget_environment),
        cmocka_unit_test_setup(the_old_and_the_short_names_of_the_environment_are_known, forget_environment),
        cmocka_unit_test_setup(what_kubernetes_says_of_services_is_passed_over, forget_environment),
        cmocka_unit_test_setup(variables_flags_and_missing_files_are_named_too, forget_environment),
        cmocka_unit_test_setup(values_are_shown_with_where_they_came_from, forget_environment),
        cmocka_unit_test_setup(secrets_are_masked, forget_environment),
        cmocka_unit_test_setup(the_commented_file_lists_every_setting_with_its_default, forget_environment),
    };
    close(mkstemp(path));
    int failed = tap_run(tests);
    unlink(path);
    return failed;
}
