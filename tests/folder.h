#pragma once
/* Where tests have their journals: in memory where there is room, since no test cuts the power and a disk that others use makes
 * each commit wait. What is killed loses nothing there either. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FOLDER_ROOM_BYTES (UINT64_C(2) << 30)

static inline const char *
folder_roomy(void)
{
    struct statvfs shm;
    bool           has_room = statvfs("/dev/shm", &shm) == 0 && access("/dev/shm", W_OK) == 0 &&
                    (uint64_t)shm.f_bavail * shm.f_frsize > FOLDER_ROOM_BYTES;
    return has_room ? "/dev/shm" : "/tmp";
}

/* For mkdtemp: PATH/tombolo-NAME-XXXXXX. */
static inline void
folder_name(char *out, size_t n, const char *name)
{
    snprintf(out, n, "%s/tombolo-%s-XXXXXX", folder_roomy(), name);
}
