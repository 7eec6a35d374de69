/* tombolo backup FILE: the server makes a copy in its data folder (store/backup.h), or this process does when none runs; here it
 * is taken to where it is wanted, checked there as tombolo check does, and given its name only then. On any failure FILE is
 * what it was. */
#include "backup.h"

#include "journal.h"
#include "store/check.h"
#include "store/inspect.h"
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { LOOK_MS = 50, COPY_BYTES = 1 << 18, NICE = 10 };

struct made {                   /* what came of it */
    int64_t pos, bytes, ms;
    struct store_identity who;
};

/* ---- a person who has changed his mind ---- */

static volatile sig_atomic_t is_interrupted;

static void
note_signal(int number)
{
    (void)number;
    is_interrupted = 1;
}

static void
hear_signals(void)
{
    const struct sigaction now = { .sa_handler = note_signal };

    sigaction(SIGINT, &now, NULL);
    sigaction(SIGTERM, &now, NULL);
    sigaction(SIGHUP, &now, NULL);
}

/* Whether to go on. */
static enum tb_code
check_wanted(struct tb_err *e)
{
    return e->code == TB_OK && is_interrupted ? tb_fail(e, TB_EIO, NULL, "interrupted") : e->code;
}

/* ---- the copy in the data folder ---- */

static const char *
text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL ? s : "";
}

static void
show(const json_t *status)
{
    json_int_t all = json_integer_value(json_object_get(status, "pages"));

    if (isatty(STDERR_FILENO) == 1 && all > 0)
        fprintf(stderr, "\rcopying, %" JSON_INTEGER_FORMAT " %%\033[K",
                json_integer_value(json_object_get(status, "pagesDone")) * 100 / all);
}

static void
end_show(void)
{
    if (isatty(STDERR_FILENO) == 1)
        fputs("\r\033[K", stderr);
}

/* False: it goes on. */
static bool
is_over(const json_t *status, struct made *m, struct tb_err *e)
{
    const char *state = text_of(status, "state");

    if (strcmp(state, "running") == 0)
        return false;
    if (strcmp(state, "done") != 0)
        tb_fail(e, TB_EIO, NULL, "the copy failed: %s", strcmp(state, "failed") == 0 ? text_of(status, "why") : "somebody ended it");
    m->pos = json_integer_value(json_object_get(status, "position"));
    return true;
}

static enum tb_code
open_copy(const struct tb_config *c, int *fd, struct tb_err *e)
{
    struct tb_buf path = TB_BUF_INIT;

    tb_buf_printf(&path, "%s/" STORE_BACKUP_DIR "/tombolo.db", c->server.data);
    *fd = open(path.p, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        tb_fail(e, TB_EIO, NULL, "%s: %s", path.p, strerror(errno));
    tb_buf_fini(&path);
    return e->code;
}

/* What has been copied goes to the disk bit by bit: all of it in one go at the end kept commits waiting for a tenth of a second,
 * 200 MB, and more with more. A sync that fails is told once and never again, so it ends the backup. */
static enum tb_code
sync_copied(int fd, struct tb_err *e)
{
    return fdatasync(fd) == 0 ? TB_OK : tb_fail(e, TB_EIO, NULL, "the copy could not be synced: %s", strerror(errno));
}

static enum tb_code
await_copy(struct cli_journal *j, const struct tb_config *c, struct made *m, struct tb_err *e)
{
    bool is_there = false;
    int  fd;

    if (open_copy(c, &fd, e) != TB_OK)
        return e->code;
    while (!is_there && check_wanted(e) == TB_OK) {
        json_t *status = NULL;
        if (cli_journal_ask(j, "backup-status", NULL, &status, e) != TB_OK)
            break;
        show(status);
        is_there = is_over(status, m, e);
        json_decref(status);
        if (e->code == TB_OK && sync_copied(fd, e) == TB_OK && !is_there)
            poll(NULL, 0, LOOK_MS);
    }
    close(fd);
    end_show();
    return e->code;
}

/* ---- checking ---- */

static void
report(void *ctx, tb_str line)
{
    (void)ctx;
    fprintf(stderr, TB_STR_FMT "\n", TB_STR_ARG(line));
}

/* What is in that folder is a whole journal, of at least the position that was promised. */
static enum tb_code
check(const char *folder, struct made *m, struct tb_err *e)
{
    struct store_inspector *i = NULL;
    size_t                  n_faults = 0;

    if (store_check(folder, report, NULL, &n_faults, e) != TB_OK)
        return tb_wrap(e, "the copy");
    if (n_faults > 0)
        return tb_fail(e, TB_EIO, NULL, "the copy has %zu faults: is the journal whole? tombolo check tells", n_faults);
    if (store_inspect(folder, &i, e) != TB_OK)
        return e->code;
    m->who = *store_inspect_identity(i);
    if (store_inspect_head(i) != m->pos)
        tb_fail(e, TB_EIO, NULL, "the copy stands at position %" PRId64 " and not at %" PRId64, store_inspect_head(i), m->pos);
    store_inspect_end(&i);
    return e->code;
}

/* ---- files ---- */

static enum tb_code
fail(struct tb_err *e, const char *path, const char *what)
{
    return tb_fail(e, TB_EIO, NULL, "%s: %s: %s", path, what, strerror(errno));
}

static enum tb_code
copy_bytes(int from, int to, const char *path, int64_t *n_bytes, struct tb_err *e)
{
    char   *bytes = tb_alloc(COPY_BYTES);
    ssize_t n = 0;

    while (check_wanted(e) == TB_OK && (n = read(from, bytes, COPY_BYTES)) > 0) {
        for (ssize_t done = 0, k; done < n && e->code == TB_OK; done += k > 0 ? k : 0)
            if ((k = write(to, bytes + done, (size_t)(n - done))) < 0 && errno != EINTR)
                fail(e, path, "write");
        *n_bytes += n;
    }
    tb_free(bytes);
    return e->code == TB_OK && n < 0 ? fail(e, path, "read") : e->code;
}

/* Before the copying, rather than after most of it. */
static enum tb_code
check_room(int from, int to, const char *path, struct tb_err *e)
{
    struct stat    st;
    struct statvfs fs;

    if (fstat(from, &st) != 0 || fstatvfs(to, &fs) != 0)
        return fail(e, path, "look");
    uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (free_bytes >= (uint64_t)st.st_size)
        return TB_OK;
    return tb_fail(e, TB_EFULL, NULL, "the disk of %s has %" PRIu64 " bytes free, the backup needs %" PRIu64, path, free_bytes,
                   (uint64_t)st.st_size);
}

/* On the same file system it only changes its name. */
static enum tb_code
move(const char *from, const char *to, struct tb_err *e)
{
    int64_t n = 0;

    if (rename(from, to) == 0)
        return TB_OK;
    if (errno != EXDEV)
        return fail(e, to, "rename");
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (in < 0 || out < 0)
        fail(e, in < 0 ? from : to, "open");
    else if (check_room(in, out, to, e) == TB_OK)
        TB_TRY(copy_bytes(in, out, to, &n, e));
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return e->code;
}

static enum tb_code
sync_path(const char *path, int64_t *bytes, struct tb_err *e)
{
    struct stat st;
    int         fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) != 0 || fsync(fd) != 0)
        fail(e, path, "sync");
    else if (bytes != NULL)
        *bytes = (int64_t)st.st_size;
    if (fd >= 0)
        close(fd);
    return e->code;
}

/* The two that a reader of a database with a WAL leaves behind. */
static void
remove_beside(const char *path)
{
    static const char *const endings[] = { "-wal", "-shm" };

    for (size_t i = 0; i < 2; i++) {
        struct tb_buf name = TB_BUF_INIT;
        tb_buf_printf(&name, "%s%s", path, endings[i]);
        unlink(name.p);
        tb_buf_fini(&name);
    }
}

/* ---- to its place ---- */

struct place {                  /* of FILE: the folder that it is to be in, and one of ours in there */
    struct tb_buf folder, work, copy;   /* work: folder/.tombolo-backup-XXXXXX; copy: work/tombolo.db */
};

static enum tb_code
open_place(struct place *p, const char *file, struct tb_err *e)
{
    char *name = tb_str_to_c(tb_str_of(file));

    tb_buf_add(&p->folder, tb_str_of(dirname(name)));
    tb_free(name);
    tb_buf_printf(&p->work, "%s/.tombolo-backup-XXXXXX", p->folder.p);
    if (mkdtemp(p->work.p) == NULL)
        return fail(e, p->folder.p, "make a folder for the copy");
    tb_buf_printf(&p->copy, "%s/tombolo.db", p->work.p);
    return TB_OK;
}

static void
close_place(struct place *p)
{
    if (p->copy.n > 0) {
        unlink(p->copy.p);
        remove_beside(p->copy.p);
        rmdir(p->work.p);
    }
    tb_buf_fini(&p->copy);
    tb_buf_fini(&p->work);
    tb_buf_fini(&p->folder);
}

static enum tb_code
put(struct place *p, const char *file, struct made *m, struct tb_err *e)
{
    if (chmod(p->copy.p, 0600) != 0)
        return fail(e, p->copy.p, "chmod");
    if (sync_path(p->copy.p, &m->bytes, e) != TB_OK || check(p->work.p, m, e) != TB_OK || check_wanted(e) != TB_OK)
        return e->code;
    remove_beside(file);        /* of whoever has looked into the one that goes */
    return rename(p->copy.p, file) == 0 ? sync_path(p->folder.p, NULL, e) : fail(e, file, "rename");
}

static enum tb_code
to_file(const char *source, const char *file, struct made *m, struct tb_err *e)
{
    struct place p = { 0 };

    if (open_place(&p, file, e) == TB_OK && move(source, p.copy.p, e) == TB_OK)
        TB_TRY(put(&p, file, m, e));
    close_place(&p);
    return e->code;
}

static enum tb_code
to_stdout(const char *folder, const char *source, struct made *m, struct tb_err *e)
{
    if (check(folder, m, e) != TB_OK)
        return e->code;
    int in = open(source, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return fail(e, source, "open");
    TB_TRY(copy_bytes(in, STDOUT_FILENO, "standard output", &m->bytes, e));
    close(in);
    return e->code;
}

/* ---- the command ---- */

static enum tb_code
take(const struct tb_config *c, const char *file, struct made *m, struct tb_err *e)
{
    struct tb_buf folder = TB_BUF_INIT, source = TB_BUF_INIT;

    tb_buf_printf(&folder, "%s/" STORE_BACKUP_DIR, c->server.data);
    tb_buf_printf(&source, "%s/tombolo.db", folder.p);
    TB_TRY(strcmp(file, "-") == 0 ? to_stdout(folder.p, source.p, m, e) : to_file(source.p, file, m, e));
    tb_buf_fini(&source);
    tb_buf_fini(&folder);
    return e->code;
}

/* A database that somebody has open must not be replaced under him, and least of all the journal itself. */
static enum tb_code
check_may_replace(const char *file, struct tb_err *e)
{
    struct tb_buf wal = TB_BUF_INIT;
    struct stat   st;

    tb_buf_printf(&wal, "%s-wal", file);
    if (strcmp(file, "-") != 0 && stat(wal.p, &st) == 0 && st.st_size > 0)
        tb_fail(e, TB_EINPUT, NULL, "%s is there, too: %s is a database in use", wal.p, file);
    tb_buf_fini(&wal);
    return e->code;
}

static enum tb_code
check_is_another(const struct tb_config *c, const char *file, struct tb_err *e)
{
    struct tb_buf journal = TB_BUF_INIT;
    struct stat   ours, its;

    tb_buf_printf(&journal, "%s/tombolo.db", c->server.data);
    if (stat(journal.p, &ours) == 0 && stat(file, &its) == 0 && ours.st_dev == its.st_dev && ours.st_ino == its.st_ino)
        tb_fail(e, TB_EINPUT, NULL, "%s is the journal itself", file);
    tb_buf_fini(&journal);
    return e->code;
}

static enum tb_code
check_is_there(const struct tb_config *c, struct tb_err *e)
{
    struct store_inspector *i = NULL;

    TB_TRY(store_inspect(c->server.data, &i, e));
    store_inspect_end(&i);
    return e->code;
}

static enum tb_code
back_up(const struct tb_config *c, const char *file, struct made *m, struct tb_err *e)
{
    struct cli_journal *j = NULL;
    struct tb_err       ignored = { 0 };
    int64_t             began = tb_mono_ms(&tb_clock_system);

    if (check_is_there(c, e) != TB_OK || check_is_another(c, file, e) != TB_OK || check_may_replace(file, e) != TB_OK)
        return e->code;
    cli_journal_open(&j, c);
    if (cli_journal_ask(j, "backup-begin", NULL, NULL, e) == TB_OK) {
        if (await_copy(j, c, m, e) == TB_OK)
            TB_TRY(take(c, file, m, e));
        TB_TRY(cli_journal_ask(j, "backup-end", NULL, NULL, &ignored));
    }
    cli_journal_close(&j);
    m->ms = tb_mono_ms(&tb_clock_system) - began;
    return e->code;
}

/* Where the data folder has a secret, the tokens of those who are logged in hang on it. */
static bool
has_secret_file(const struct tb_config *c)
{
    struct tb_buf path = TB_BUF_INIT;

    tb_buf_printf(&path, "%s/jwt.secret", c->server.data);
    bool is_there = c->auth.secret[0] == '\0' && access(path.p, F_OK) == 0;
    tb_buf_fini(&path);
    return is_there;
}

static void
tell(const struct options *o, const struct tb_config *c, const struct made *m)
{
    const char *file = o->operands[0];
    FILE       *to = strcmp(file, "-") == 0 ? stderr : stdout;

    if (o->as_json) {
        struct tb_buf  out = TB_BUF_INIT;
        struct tb_json j = tb_json_to(&out);
        tb_json_open_object(&j);
        cli_put_str(&j, "file", tb_str_of(file));
        cli_put_str(&j, "journal", tb_str_of(m->who.journal_uuid));
        cli_put_int(&j, "node", m->who.node);
        cli_put_int(&j, "position", m->pos);
        cli_put_int(&j, "seq", m->who.own_seq);
        cli_put_int(&j, "bytes", m->bytes);
        cli_put_int(&j, "ms", m->ms);
        tb_json_end_object(&j);
        cli_end_json(&j);
        fwrite(out.p, 1, out.n, to);
        tb_buf_fini(&out);
        return;
    }
    fprintf(to, "%s: journal %s up to position %" PRId64 ", %" PRId64 " bytes, checked, in %" PRId64 ".%03d s\n", file,
            m->who.journal_uuid, m->pos, m->bytes, m->ms / 1000, (int)(m->ms % 1000));
    if (has_secret_file(c))
        fprintf(to, "It does not hold %s/jwt.secret, by which tokens are signed: keep a copy of that apart.\n", c->server.data);
}

enum exit_code
cli_backup(const struct options *o)
{
    struct tb_config c;
    struct made      m = { 0 };
    struct tb_err    e = { 0 };

    if (o->n_operands != 1) {
        fputs("tombolo: backup takes one file; - is standard output\n", stderr);
        return MISUSED;
    }
    if (!cli_load_quietly(o, &c))
        return MISUSED;
    hear_signals();
    setpriority(PRIO_PROCESS, 0, NICE);     /* checking takes a core for a while: those who chat come first */
    enum tb_code code = back_up(&c, o->operands[0], &m, &e);
    if (code == TB_OK)
        tell(o, &c, &m);
    tb_config_fini(&c);
    return code == TB_OK ? FINE : cli_failed(&e);
}
