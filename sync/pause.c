/* That sync is paused is kept as an empty file in the data folder: it outlives a restart, whoever looks into the folder sees
 * it, and it can be made and taken away beside a journal that nobody has open. */
#include "sync.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define FILE_NAME "sync.paused"

static int
open_dir(const char *dir)
{
    return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool
make_file(int dir_fd)
{
    int fd = openat(dir_fd, FILE_NAME, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    return fd >= 0 && close(fd) == 0;
}

static bool
remove_file(int dir_fd)
{
    return unlinkat(dir_fd, FILE_NAME, 0) == 0 || errno == ENOENT;
}

bool
sync_is_paused_in(const char *dir)
{
    int  dir_fd = open_dir(dir);
    bool is_there = dir_fd >= 0 && faccessat(dir_fd, FILE_NAME, F_OK, 0) == 0;

    if (dir_fd >= 0)
        close(dir_fd);
    return is_there;
}

enum tb_code
sync_pause_in(const char *dir, bool is_paused, struct tb_err *e)
{
    int          dir_fd = open_dir(dir);
    bool         ok = dir_fd >= 0 && (is_paused ? make_file(dir_fd) : remove_file(dir_fd)) && fsync(dir_fd) == 0;
    enum tb_code code = TB_OK;

    if (!ok)
        code = tb_fail(e, TB_EIO, NULL, "%s/" FILE_NAME ": %s", dir, strerror(errno));
    if (dir_fd >= 0)
        close(dir_fd);
    return code;
}
