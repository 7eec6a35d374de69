/* What the service manager is told arrives as it was said, and a manager that is not there is no trouble. */
#include "serve/notify.h"

#include "tap.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char dir[64];

/* A manager that listens at name, a path or @name. */
static int
manager_at(const char *name)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    size_t n = strlen(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memcpy(at.sun_path, name, n);
    if (name[0] == '@')
        at.sun_path[0] = '\0';
    assert_int_equal(0, bind(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)));
    assert_int_equal(0, setenv("NOTIFY_SOCKET", name, 1));
    return fd;
}

static void
assert_hears(int fd, const char *state)
{
    char heard[64] = "";
    ssize_t n = recv(fd, heard, sizeof heard - 1, 0);

    assert_int_equal(strlen(state), n);
    assert_string_equal(state, heard);
}

static void
a_state_arrives_at_a_path(void **state)
{
    char path[96];
    (void)state;
    snprintf(path, sizeof path, "%s/notify", dir);
    int fd = manager_at(path);

    notify_manager("READY=1");
    notify_manager("STOPPING=1");
    assert_hears(fd, "READY=1");
    assert_hears(fd, "STOPPING=1");
    close(fd);
    unlink(path);
}

static void
a_state_arrives_in_the_abstract_namespace(void **state)
{
    char name[96];
    (void)state;
    snprintf(name, sizeof name, "@tombolo-test-%d", (int)getpid());
    int fd = manager_at(name);

    notify_manager("RELOADING=1");
    assert_hears(fd, "RELOADING=1");
    close(fd);
}

static void
without_a_manager_nothing_happens(void **state)
{
    static const char *const nobody[] = { "", "relative", "/nowhere/at/all", "@tombolo-nobody" };
    char long_name[300];
    (void)state;

    for (size_t i = 0; i < sizeof nobody / sizeof nobody[0]; i++) {
        setenv("NOTIFY_SOCKET", nobody[i], 1);
        notify_manager("READY=1");
    }
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[0] = '/';
    long_name[sizeof long_name - 1] = '\0';
    setenv("NOTIFY_SOCKET", long_name, 1);
    notify_manager("READY=1");
    unsetenv("NOTIFY_SOCKET");
    notify_manager("READY=1");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_arrives_at_a_path),
        cmocka_unit_test(a_state_arrives_in_the_abstract_namespace),
        cmocka_unit_test(without_a_manager_nothing_happens),
    };

    snprintf(dir, sizeof dir, "/tmp/tombolo-notify-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return 1;
    int failed = tap_run(tests);
    rmdir(dir);
    return failed;
}
