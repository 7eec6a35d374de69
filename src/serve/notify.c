/* The datagrams of sd_notify(3). It is one sendto, so there is no libsystemd to depend on for it. */
#include "notify.h"

#include "base/log.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A path, or @ and a name in the abstract namespace, which begins with a NUL and has none at its end. */
static bool
write_address(const char *name, struct sockaddr_un *to, socklen_t *n)
{
    size_t length = strlen(name);
    bool is_path = name[0] == '/';

    if ((!is_path && name[0] != '@') || length >= sizeof to->sun_path)
        return false;
    *to = (struct sockaddr_un){ .sun_family = AF_UNIX };
    memcpy(to->sun_path, name, length);
    if (!is_path)
        to->sun_path[0] = '\0';
    *n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + is_path);
    return true;
}

static bool
send_to(const struct sockaddr_un *to, socklen_t n, const char *state)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_sent = fd >= 0 && sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)to, n) >= 0;
    int why = errno;

    if (fd >= 0)
        close(fd);
    errno = why;
    return is_sent;
}

void
notify_manager(const char *state)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to;
    socklen_t n;

    if (name == NULL || name[0] == '\0')
        return;
    if (!write_address(name, &to, &n))
        log_warn("serve.notify", "why=\"NOTIFY_SOCKET is neither a path nor @name, or too long\"");
    else if (!send_to(&to, n, state))
        log_warn("serve.notify", "state=%s why=\"%s\"", state, strerror(errno));
}
