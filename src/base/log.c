/* A line is made whole in memory and leaves in one write, so lines of several threads do not mix. JSON is made from the
 * same logfmt text: callers write one form. */
#include "log.h"

#include "clock.h"
#include "json.h"
#include "scan.h"
#include "thread.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static const char *const level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

static _Atomic enum log_level  wanted_level = LOG_INFO;
static _Atomic enum log_format wanted_format = LOG_LOGFMT;
static void (*_Atomic divert)(tb_str line);

void
log_set(enum log_level level, enum log_format format)
{
    wanted_level = level;
    wanted_format = format;
}

void
log_divert(void (*sink)(tb_str line))
{
    divert = sink;
}

bool
log_wants(enum log_level level)
{
    return level <= wanted_level;
}

static bool
is_json_number(tb_str v)
{
    uint64_t ignored;
    if (v.n > 1 && v.p[0] == '-')
        v = (tb_str){ .p = v.p + 1, .n = v.n - 1 };
    return tb_str_to_uint(v, INT64_MAX, &ignored) && (v.n == 1 || v.p[0] != '0');
}

/* logfmt: key "=" ( '"' text '"' | word ), separated by blanks */
static void
add_fields_as_json(struct tb_json *j, tb_str fields)
{
    struct tb_scan s = tb_scan_of(fields);
    struct tb_buf  key = TB_BUF_INIT;

    while (!tb_scan_at_end(&s)) {
        if (tb_scan_take(&s, ' '))
            continue;
        tb_buf_clear(&key);
        tb_buf_add(&key, tb_scan_until(&s, '='));
        tb_json_key(j, key.p);
        bool   is_quoted = tb_scan_take(&s, '"');
        tb_str value = tb_scan_until(&s, is_quoted ? '"' : ' ');
        if (!is_quoted && is_json_number(value))
            tb_json_raw(j, value);
        else
            tb_json_str(j, value);
    }
    tb_buf_fini(&key);
}

static void
write_whole(tb_str line)
{
    while (line.n > 0) {
        ssize_t n = write(STDERR_FILENO, line.p, line.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;     /* nobody reads our stderr: nothing to be done about it here */
        line = (tb_str){ .p = line.p + n, .n = line.n - (size_t)n };
    }
}

void
log_write(enum log_level level, const char *event, const char *format, ...)
{
    struct tb_buf line = TB_BUF_INIT;
    char          fields[1024], at[TB_ISO_SIZE];
    va_list       args;

    if (!log_wants(level))
        return;
    va_start(args, format);
    vsnprintf(fields, sizeof fields, format, args);
    va_end(args);
    tb_str now = tb_time_iso(tb_wall_ms(&tb_clock_system), at);

    if (wanted_format == LOG_JSON) {
        struct tb_json j = tb_json_to(&line);
        tb_json_open_object(&j);
        tb_json_key(&j, "time"), tb_json_str(&j, now);
        tb_json_key(&j, "level"), tb_json_str(&j, tb_str_of(level_names[level]));
        tb_json_key(&j, "event"), tb_json_str(&j, tb_str_of(event));
        tb_json_key(&j, "thread"), tb_json_str(&j, tb_str_of(tb_thread_name()));
        add_fields_as_json(&j, tb_str_of(fields));
        tb_json_end_object(&j);
        tb_json_fini(&j);
    } else {
        tb_buf_printf(&line, TB_STR_FMT " %s %s thread=%s%s%s", TB_STR_ARG(now), level_names[level], event,
                      tb_thread_name(), fields[0] != '\0' ? " " : "", fields);
    }
    tb_buf_add_char(&line, '\n');

    void (*sink)(tb_str) = divert;
    if (sink != NULL)
        sink(tb_buf_str(&line));
    else
        write_whole(tb_buf_str(&line));
    tb_buf_fini(&line);
}
