/* Bodies of folder.h. */
#include "folder.h"

#include "base/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum tb_code
make_dir(const char *dir, struct tb_err *e)
{
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return tb_fail(e, TB_EIO, NULL, "cannot make the data folder %s: %s", dir, strerror(errno));
    return TB_OK;
}

void
store_folder_discard(const char *dir)
{
    static const char *const names[] = { "tombolo.db", "tombolo.db-wal", "tombolo.db-shm", "tombolo.db-journal" };
    int                      fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlinkat(fd, names[i], 0);
    close(fd);
    rmdir(dir);
}

enum tb_code
store_folder_take(const char *dir, int *lock_fd, struct tb_err *e)
{
    struct tb_buf path = TB_BUF_INIT;
    enum tb_code  code = TB_OK;

    if (make_dir(dir, e) != TB_OK)
        return e->code;
    tb_buf_printf(&path, "%s/tombolo.lock", dir);
    int fd = open(path.p, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        code = tb_fail(e, TB_EIO, NULL, "cannot open %s: %s", path.p, strerror(errno));
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        code = tb_fail(e, TB_EIO, NULL, "the data folder %s is in use by another tombolo", dir);
        close(fd);
    } else {
        tb_give_to_owner(fd, dir);
        *lock_fd = fd;
    }
    tb_buf_fini(&path);
    return code;
}
