/* Bodies of journal_id.h. The file is one line of fixed length, so that it can be written over in one call. */
#include "journal_id.h"

#include "base/owner.h"
#include "base/scan.h"
#include "migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "journal.id"
#define LINE      "%36s %019" PRId64 "\n"
enum { LINE_BYTES = UUID_SIZE - 1 + 1 + 19 + 1 };

static enum tb_code
fail(struct tb_err *e, const char *dir, const char *what)
{
    return tb_fail(e, TB_EIO, NULL, "%s/" FILE_NAME ": %s: %s", dir, what, strerror(errno));
}

static enum tb_code
refuse(struct tb_err *e, const char *what)
{
    return tb_fail(e, TB_EIO, NULL, "tombolo.db is %s here, where a journal was: put it back, or restore a backup with --force", what);
}

/* -1: there is no such file. */
static int64_t
size_of(const char *dir, const char *name)
{
    char        path[PATH_MAX];
    struct stat st;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

enum tb_code
journal_id_check_files(const char *dir, struct tb_err *e)
{
    int64_t db = size_of(dir, "tombolo.db");

    if (db > 0 || (size_of(dir, "tombolo.db-wal") <= 0 && size_of(dir, FILE_NAME) < 0))
        return TB_OK;
    return refuse(e, db < 0 ? "missing" : "empty");
}

static bool
read_line(struct journal_id *found, int fd)
{
    char           line[LINE_BYTES];
    ssize_t        n = pread(fd, line, LINE_BYTES, 0);
    struct tb_scan s = tb_scan_of((tb_str){ line, n > 0 ? (size_t)n : 0 });
    tb_str         uuid = tb_scan_bytes(&s, UUID_SIZE - 1);

    tb_scan_expect(&s, ' ');
    found->noted = (int64_t)tb_scan_uint(&s, INT64_MAX);
    tb_scan_expect(&s, '\n');
    if (s.failed != NULL)
        return false;
    snprintf(found->uuid, sizeof found->uuid, TB_STR_FMT, TB_STR_ARG(uuid));
    return true;
}

static bool
write_line(const struct journal_id *id)
{
    char line[LINE_BYTES + 1];

    snprintf(line, sizeof line, LINE, id->uuid, id->noted);
    return pwrite(id->fd, line, LINE_BYTES, 0) == LINE_BYTES;
}

static enum tb_code
compare(const struct journal_id *found, const struct self *self, struct tb_err *e)
{
    if (strcmp(found->uuid, self->uuid) != 0)
        return tb_fail(e, TB_EIO, NULL, "tombolo.db is the journal %.8s, the folder's is %.8s: put that back, or remove " FILE_NAME,
                       self->uuid, found->uuid);
    if (found->noted > self->head_pos)
        return tb_fail(e, TB_EIO, NULL, "the journal ends at %" PRId64 " and had come to %" PRId64 ": an older tombolo.db, or its WAL"
                       " is lost; put it back, or restore a backup", self->head_pos, found->noted);
    return TB_OK;
}

/* false: there is none that can be read. */
static bool
find(struct journal_id *found, const char *dir)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/" FILE_NAME, dir);
    int  fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool is_found = fd >= 0 && read_line(found, fd);
    if (fd >= 0)
        close(fd);
    return is_found;
}

enum tb_code
journal_id_check_tables(const char *dir, struct db *d, struct tb_err *e)
{
    struct journal_id found;

    return find(&found, dir) && store_schema_is_none(d) ? refuse(e, "without a table") : TB_OK;
}

static enum tb_code
make(struct journal_id *id, const char *dir, struct tb_err *e)
{
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    tb_give_to_owner(id->fd, dir);
    if (!write_line(id) || fsync(id->fd) != 0 || dir_fd < 0 || fsync(dir_fd) != 0)
        fail(e, dir, "write");
    if (dir_fd >= 0)
        close(dir_fd);
    return e->code;
}

enum tb_code
journal_id_open(struct journal_id *id, const char *dir, const struct self *self, struct tb_err *e)
{
    char              path[PATH_MAX];
    struct journal_id found;

    if (find(&found, dir) && compare(&found, self, e) != TB_OK)
        return e->code;
    snprintf(path, sizeof path, "%s/" FILE_NAME, dir);
    id->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (id->fd < 0)
        return fail(e, dir, "open");
    memcpy(id->uuid, self->uuid, sizeof id->uuid);
    id->noted = self->head_pos;
    return make(id, dir, e);
}

void
journal_id_note(struct journal_id *id, int64_t head_pos)
{
    if (id->fd < 0 || id->noted == head_pos)
        return;
    id->noted = head_pos;
    (void)write_line(id);
}

void
journal_id_close(struct journal_id *id)
{
    if (id->fd >= 0)
        close(id->fd);
    id->fd = -1;
}

enum tb_code
journal_id_forget(const char *dir, struct tb_err *e)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/" FILE_NAME, dir);
    if (unlink(path) != 0 && errno != ENOENT)
        return fail(e, dir, "remove");
    return TB_OK;
}
