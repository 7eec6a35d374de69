/* Bodies of process.h: getrusage, and what proc(5) tells. */
#include "process.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "base/scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { LIST_EVERY_MS = 60000, STAT_SIZE = 1024 };
enum { STAT_AFTER_NAME = 3, STAT_START_TIME = 22, STAT_RSS = 24 };      /* numbers of fields in proc(5), from 1 */

static void
one(struct tb_buf *out, const char *name, enum tb_metric_kind kind, enum tb_metric_unit unit, int64_t v, const char *help)
{
    tb_metric_head(out, name, kind, help);
    tb_metric_line(out, name, NULL, unit, v);
}

static tb_str
read_text(const char *path, char *room, size_t size)
{
    int     fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, room, size) : -1;

    if (fd >= 0)
        close(fd);
    return (tb_str){ .p = room, .n = n > 0 ? (size_t)n : 0 };
}

/* The name, in brackets, may hold anything: what follows the last bracket is counted. 0: not there. */
static int64_t
stat_field(tb_str text, int number)
{
    const char    *end = text.n > 0 ? memrchr(text.p, ')', text.n) : NULL;
    struct tb_scan s;
    uint64_t       v = 0;

    if (end == NULL || text.p + text.n - end < 2)
        return 0;
    s = tb_scan_of((tb_str){ .p = end + 2, .n = (size_t)(text.p + text.n - end) - 2 });
    for (int i = STAT_AFTER_NAME; i < number; i++)
        (void)tb_scan_until(&s, ' ');
    return tb_str_to_uint(tb_scan_until(&s, ' '), INT64_MAX, &v) ? (int64_t)v : 0;
}

/* It is told in ticks since the boot. Found out once: a wall clock that is set later must not look like a restart. */
static pthread_once_t is_start_known = PTHREAD_ONCE_INIT;
static int64_t        start_us;

static void
find_start(void)
{
    struct timespec wall, boot;
    char            room[STAT_SIZE];
    int64_t         ticks = stat_field(read_text("/proc/self/stat", room, sizeof room), STAT_START_TIME);

    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    start_us = ((int64_t)wall.tv_sec - boot.tv_sec) * 1000000 + (wall.tv_nsec - boot.tv_nsec) / 1000 +
               ticks * (1000000 / sysconf(_SC_CLK_TCK));
}

static int64_t
list_fds(void)
{
    DIR    *dir = opendir("/proc/self/fd");
    int64_t n = 0;

    if (dir == NULL)
        return 0;
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir))
        n += d->d_name[0] != '.';
    closedir(dir);
    return n - 1;               /* that of the folder itself */
}

/* Linux 6.2 and later say it as the folder's size. Listing some ten thousand takes milliseconds in which the loop does nothing
 * else, so an older one is asked once a minute. */
static int64_t
count_fds(void)
{
    static _Atomic int64_t counted, next_ms;
    struct stat            folder;
    int64_t                now = tb_mono_ms(&tb_clock_system);

    if (stat("/proc/self/fd", &folder) == 0 && folder.st_size > 0)
        return folder.st_size;
    if (now >= next_ms) {
        counted = list_fds();
        next_ms = now + LIST_EVERY_MS;
    }
    return counted;
}

static int64_t
us_of(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

void
process_write(struct tb_buf *out)
{
    char          room[STAT_SIZE];
    tb_str        text = read_text("/proc/self/stat", room, sizeof room);
    struct rusage usage = { 0 };
    struct rlimit files = { 0 };

    pthread_once(&is_start_known, find_start);
    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &files);
    one(out, "process_cpu_seconds_total", TB_KIND_COUNTER, TB_UNIT_US, us_of(usage.ru_utime) + us_of(usage.ru_stime),
        "User and system time of all threads.");
    one(out, "process_resident_memory_bytes", TB_KIND_GAUGE, TB_UNIT_ONE, stat_field(text, STAT_RSS) * sysconf(_SC_PAGESIZE),
        "Resident memory.");
    one(out, "process_open_fds", TB_KIND_GAUGE, TB_UNIT_ONE, count_fds(), "Open descriptors.");
    one(out, "process_max_fds", TB_KIND_GAUGE, TB_UNIT_ONE, (int64_t)files.rlim_cur, "Descriptors that may be open.");
    one(out, "process_start_time_seconds", TB_KIND_GAUGE, TB_UNIT_US, start_us, "When it was started, since 1970.");
    tb_metric_head(out, "tombolo_build_info", TB_KIND_GAUGE, "1, with the version as a label.");
    tb_metric_line(out, "tombolo_build_info", "version=\"" TB_VERSION "\"", TB_UNIT_ONE, 1);
}
