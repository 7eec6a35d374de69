/* Bodies of centre.h. The folder is made by mariadb-install-db, or by mysqld itself; the process is ended by its pid and dies with
 * the test. */
#include "centre.h"

#include "folder.h"
#include "tombolo/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mysql.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SERVER  "/usr/sbin/mariadbd"
#define INSTALL "/usr/bin/mariadb-install-db"

/* The default of 96 MB takes seconds to write. */
#define SMALL_LOG       "--innodb-log-file-size=8M"
#define SMALL_MYSQL_LOG "--innodb-redo-log-capacity=32M"

/* As the folders of MariaDB have it: names are not looked up, so root@localhost is for the socket only. */
#define MYSQL_ROOT "CREATE USER root@'127.0.0.1';\nGRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n"

#define LOWER_CASE "--lower-case-table-names="

enum { MAX_ARGS = 40, START_TRIES = 1500, START_STEP_MS = 20, SAID_BYTES = 4096, NO_SUCH_THREAD = 1094 };

struct args {
    const char *v[MAX_ARGS + 1];
    size_t      n;
    char        text[8][128];       /* what had to be put together */
    size_t      n_text;
};

static void
add(struct args *a, const char *arg)
{
    assert_true(a->n < MAX_ARGS);
    a->v[a->n++] = arg;
}

static void
add_made(struct args *a, const char *name, const char *value, const char *rest)
{
    char *text = a->text[a->n_text++];
    assert_true(a->n_text <= sizeof a->text / sizeof *a->text);
    snprintf(text, sizeof a->text[0], "%s%s%s", name, value, rest);
    add(a, text);
}

/* What it says goes to the descriptor said. */
static pid_t
spawn(const char *const *arguments, int said)
{
    char  *argv[MAX_ARGS + 1] = { NULL };
    size_t n = 0;

    for (; arguments[n] != NULL; n++)
        argv[n] = tb_str_to_c(tb_str_of(arguments[n]));     /* execv wants them writable */
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(said, STDOUT_FILENO);
        dup2(said, STDERR_FILENO);
        if (n > 0)
            execv(argv[0], argv);
        _exit(127);
    }
    assert_true(pid > 0);
    for (size_t i = 0; i < n; i++)
        tb_free(argv[i]);
    return pid;
}

void
centre_exec(const char *const *arguments)
{
    char  text[SAID_BYTES] = "";
    int   status, said = memfd_create("said", MFD_CLOEXEC);
    pid_t pid = spawn(arguments, said);

    assert_int_equal(pid, waitpid(pid, &status, 0));
    off_t   end = lseek(said, 0, SEEK_END);
    ssize_t n = pread(said, text, sizeof text - 1, end < SAID_BYTES ? 0 : end - SAID_BYTES + 1);
    close(said);
    text[n > 0 ? n : 0] = '\0';
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s ended with status %d and said: %s", arguments[0], status, text);
}

bool
centre_is_mysql(void)
{
    return getenv("TB_MYSQLD") != NULL;
}

static unsigned
free_port(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          n = sizeof at;
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(0, bind(fd, (struct sockaddr *)&at, n));
    assert_int_equal(0, getsockname(fd, (struct sockaddr *)&at, &n));
    close(fd);
    return ntohs(at.sin_port);
}

static void
install_mysql(struct centre *c)
{
    struct args a = { 0 };
    char        path[96];

    snprintf(path, sizeof path, "%s/init.sql", c->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && write(fd, MYSQL_ROOT, sizeof MYSQL_ROOT - 1) == (ssize_t)sizeof MYSQL_ROOT - 1);
    close(fd);
    add(&a, getenv("TB_MYSQLD"));
    add(&a, "--no-defaults");
    add(&a, "--initialize-insecure");
    if (geteuid() == 0)
        add(&a, "--user=root");
    add_made(&a, "--datadir=", c->dir, "/data");
    add_made(&a, "--tmpdir=", c->dir, "");
    add_made(&a, "--init-file=", path, "");
    add(&a, SMALL_MYSQL_LOG);
    for (size_t i = 0; c->options != NULL && c->options[i] != NULL; i++)
        if (strncmp(c->options[i], LOWER_CASE, sizeof LOWER_CASE - 1) == 0)     /* what it was made with is what it starts with */
            add(&a, c->options[i]);
    centre_exec(a.v);
}

static void
install_mariadb(struct centre *c)
{
    struct args a = { 0 };

    add(&a, INSTALL);
    add(&a, "--no-defaults");
    if (geteuid() == 0)
        add(&a, "--user=root");
    add_made(&a, "--datadir=", c->dir, "/data");
    add_made(&a, "--tmpdir=", c->dir, "");      /* a server that starts removes what it takes for its own in there */
    add(&a, "--auth-root-authentication-method=normal");
    add(&a, "--skip-test-db");
    add(&a, "--skip-name-resolve");
    add(&a, SMALL_LOG);
    centre_exec(a.v);
}

static MYSQL *
try_login(struct centre *c, const char *database)
{
    MYSQL   *m = mysql_init(NULL);
    unsigned tcp = MYSQL_PROTOCOL_TCP;

    mysql_options(m, MYSQL_OPT_PROTOCOL, &tcp);
    mysql_options(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(m, MYSQL_INIT_COMMAND, "SET SESSION TRANSACTION READ WRITE");
    mysql_options(m, MYSQL_INIT_COMMAND, "SET SESSION sql_big_selects=1,sql_mode='STRICT_TRANS_TABLES'");
    if (mysql_real_connect(m, "127.0.0.1", "root", "", database, c->port, NULL, 0) != NULL)
        return m;
    mysql_close(m);
    return NULL;
}

void
centre_resume(struct centre *c)
{
    struct timespec step = { .tv_nsec = START_STEP_MS * 1000000L };
    struct args     a = { 0 };
    char            port[16];
    MYSQL          *m = NULL;

    assert_int_equal(0, c->pid);
    snprintf(port, sizeof port, "%u", c->port);
    add(&a, centre_is_mysql() ? getenv("TB_MYSQLD") : SERVER);
    add(&a, "--no-defaults");
    if (geteuid() == 0)
        add(&a, "--user=root");
    add_made(&a, "--datadir=", c->dir, "/data");
    add_made(&a, "--tmpdir=", c->dir, "");
    add_made(&a, "--socket=", c->dir, "/sock");
    add_made(&a, "--pid-file=", c->dir, "/pid");
    add_made(&a, "--port=", port, "");
    add(&a, "--bind-address=127.0.0.1");
    add(&a, "--skip-name-resolve");
    add(&a, "--innodb-buffer-pool-size=64M");
    add(&a, centre_is_mysql() ? SMALL_MYSQL_LOG : SMALL_LOG);
    if (centre_is_mysql()) {
        add(&a, "--mysqlx=OFF");
        add(&a, "--tls-version=");              /* it would make certificates by itself, and our proxies read along */
        add(&a, "--secure-file-priv=NULL");     /* the folder of a package need not be there */
    }
    for (size_t i = 0; c->options != NULL && c->options[i] != NULL; i++)
        add(&a, c->options[i]);
    char log[96];
    snprintf(log, sizeof log, "%s/log", c->dir);
    int said = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(said >= 0);
    c->pid = spawn(a.v, said);
    close(said);
    for (int i = 0; i < START_TRIES && (m = try_login(c, NULL)) == NULL; i++) {
        if (waitpid(c->pid, NULL, WNOHANG) != 0)
            fail_msg("the server ended, see %s/log", c->dir);
        nanosleep(&step, NULL);
    }
    if (m == NULL)
        fail_msg("the server does not answer, see %s/log", c->dir);
    mysql_close(m);
}

void
centre_start(struct centre *c, const char *const *options)
{
    *c = (struct centre){ .options = options };
    folder_name(c->dir, sizeof c->dir, "centre");
    assert_non_null(mkdtemp(c->dir));
    c->port = free_port();
    if (centre_is_mysql())
        install_mysql(c);
    else
        install_mariadb(c);
    centre_resume(c);
    centre_sql(c, "CREATE DATABASE chat");
    centre_sql(c, "CREATE USER tombolo@'127.0.0.1' IDENTIFIED BY 'tide:mark'");
    centre_sql(c, "GRANT ALL ON chat.* TO tombolo@'127.0.0.1'");
    if (centre_is_mysql())
        snprintf(c->url_options, sizeof c->url_options, "?ssl-mode=DISABLED&public-key=%s/data/public_key.pem", c->dir);
    snprintf(c->url, sizeof c->url, "mysql://tombolo:tide%%3Amark@127.0.0.1:%u/chat%s", c->port, c->url_options);
}

static void
end(struct centre *c, int signal)
{
    if (c->pid == 0)
        return;
    kill(c->pid, signal);
    assert_int_equal(c->pid, waitpid(c->pid, NULL, 0));
    c->pid = 0;
}

void
centre_kill(struct centre *c)
{
    end(c, SIGKILL);
}

void
centre_freeze(struct centre *c)
{
    kill(c->pid, SIGSTOP);
    waitpid(c->pid, NULL, WUNTRACED);   /* until every thread of it stands still */
}

void
centre_thaw(struct centre *c)
{
    kill(c->pid, SIGCONT);
}

void
centre_stop(struct centre *c)
{
    const char *const remove[] = { "/bin/rm", "-rf", c->dir, NULL };

    end(c, SIGKILL);        /* nobody needs its data any more */
    centre_exec(remove);
}

static struct {
    struct centre     *centre;
    const char *const *options;
} shared;

void
centre_to_share(struct centre *c, const char *const *options)
{
    shared.centre = c;
    shared.options = options;
}

int
centre_before_all(void **state)
{
    (void)state;
    centre_start(shared.centre, shared.options);
    return 0;
}

int
centre_after_all(void **state)
{
    (void)state;
    centre_stop(shared.centre);
    return 0;
}

void
centre_empty(struct centre *c)
{
    centre_sql(c, "DROP DATABASE IF EXISTS chat");
    centre_sql(c, "CREATE DATABASE chat");
}

static MYSQL *
login(struct centre *c, const char *database)
{
    MYSQL *m = try_login(c, database);
    if (m == NULL)
        fail_msg("cannot log in to the centre on port %u", c->port);
    return m;
}

void
centre_sql(struct centre *c, const char *sql)
{
    MYSQL *m = login(c, NULL);
    if (mysql_query(m, sql) != 0)
        fail_msg("%s: %s", sql, mysql_error(m));
    mysql_close(m);
}

void
centre_cut_sessions(struct centre *c)
{
    char *ids = centre_dump(c, "SELECT id FROM information_schema.processlist WHERE user='tombolo'"), sql[64];

    for (char *at = ids, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        MYSQL *m = login(c, NULL);
        int    n = snprintf(sql, sizeof sql, "KILL %.*s", (int)(end - at), at);
        if (mysql_real_query(m, sql, (unsigned long)n) != 0 && mysql_errno(m) != NO_SUCH_THREAD)
            fail_msg("%s: %s", sql, mysql_error(m));
        mysql_close(m);
    }
    tb_free(ids);
}

char *
centre_dump(struct centre *c, const char *sql)
{
    struct tb_buf out = TB_BUF_INIT;
    MYSQL        *m = login(c, "chat");
    MYSQL_ROW     row;
    size_t        n;

    if (mysql_query(m, sql) != 0)
        fail_msg("%s: %s", sql, mysql_error(m));
    MYSQL_RES *rows = mysql_store_result(m);
    while ((row = mysql_fetch_row(rows)) != NULL) {
        for (unsigned i = 0; i < mysql_num_fields(rows); i++)
            tb_buf_printf(&out, "%s%s", i > 0 ? " " : "", row[i] != NULL ? row[i] : "NULL");
        tb_buf_add_char(&out, '\n');
    }
    mysql_free_result(rows);
    mysql_close(m);
    return tb_buf_take(&out, &n);
}

void
centre_await_lock(struct centre *c)
{
    struct timespec step = { .tv_nsec = 120000000 };    /* the server looks anew when nobody has asked for 100 ms */

    for (int i = 0;; i++) {
        char *rows = centre_dump(c, "SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'");
        bool  is_waiting = rows[0] != '\0';
        tb_free(rows);
        if (is_waiting)
            return;
        if (i == 100)
            fail_msg("nobody waits for a lock");
        nanosleep(&step, NULL);
    }
}

/* The session is the library's own handle: nothing else is known of it here. */
struct centre_session *
centre_open(struct centre *c)
{
    return (struct centre_session *)login(c, "chat");
}

void
centre_run(struct centre_session *s, const char *sql)
{
    if (mysql_query((MYSQL *)s, sql) != 0)
        fail_msg("%s: %s", sql, mysql_error((MYSQL *)s));
}

void
centre_close(struct centre_session *s)
{
    mysql_close((MYSQL *)s);
}
