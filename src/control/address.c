/* Body of address.h. */
#include "address.h"

#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

enum tb_code
control_address(const char *dir, int *dir_fd, struct sockaddr_un *out, struct tb_err *e)
{
    *dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*dir_fd < 0)
        return tb_fail(e, errno == ENOENT ? TB_ENOTFOUND : TB_EIO, NULL, "%s: %s", dir, strerror(errno));
    *out = (struct sockaddr_un){ .sun_family = AF_UNIX };
    snprintf(out->sun_path, sizeof out->sun_path, "/proc/self/fd/%d/" CONTROL_NAME, *dir_fd);
    return TB_OK;
}
