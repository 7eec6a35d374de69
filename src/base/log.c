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
static _Atomic bool            wants_requests;
static void (*_Atomic divert)(tb_str line);

static _Thread_local struct {
    char   text[LOG_ABOUT_SIZE];
    size_t n;
} about;

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

void
log_set_requests(bool is_wanted)
{
    wants_requests = is_wanted;
}

bool
log_wants_requests(void)
{
    return wants_requests;
}

void
log_about(tb_str fields)
{
    about.n = fields.n < sizeof about.text ? fields.n : 0;
    if (about.n > 0)
        memcpy(about.text, fields.p, about.n);
}

const char *
log_text(tb_str text, char *out, size_t size)
{
    size_t n = text.n < size ? text.n : size - 1;

    for (size_t i = 0; i < n; i++)
        out[i] = text.p[i] > 0x20 && text.p[i] < 0x7f && text.p[i] != '"' && text.p[i] != '\\' ? text.p[i] : '?';
    out[n] = '\0';
    return out;
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

/* The line's own fields come first; of what it is about, those that it does not have. */
static void
add_about(struct tb_buf *fields)
{
    struct tb_scan s = tb_scan_of((tb_str){ .p = about.text, .n = about.n });
    struct tb_buf  key = TB_BUF_INIT;

    while (!tb_scan_at_end(&s)) {
        tb_str pair = tb_scan_until(&s, ' ');
        const char *is = memchr(pair.p, '=', pair.n);
        tb_buf_clear(&key);
        tb_buf_printf(&key, " " TB_STR_FMT "=", (int)(is != NULL ? is - pair.p : 0), pair.p);
        if (is != NULL && (fields->n == 0 || (strstr(fields->p, key.p) == NULL && strncmp(fields->p, key.p + 1, key.n - 1) != 0)))
            tb_buf_printf(fields, "%s" TB_STR_FMT, fields->n > 0 ? " " : "", TB_STR_ARG(pair));
    }
    tb_buf_fini(&key);
}

/* What the system or a setting may have put in: no line breaks, no broken characters, and a quote that a cut has taken. */
static void
make_sound(struct tb_buf *fields, bool was_cut)
{
    size_t n_quotes = 0;
    bool   is_utf8 = tb_str_is_utf8(tb_buf_str(fields));

    for (size_t i = 0; i < fields->n; i++) {
        unsigned char c = (unsigned char)fields->p[i];
        if (c < 0x20 || c == 0x7f)
            fields->p[i] = ' ';
        else if (c >= 0x80 && !is_utf8)
            fields->p[i] = '?';
        n_quotes += c == '"';
    }
    if (was_cut && n_quotes % 2 == 1)
        tb_buf_add_char(fields, '"');
}

static void
write_fields(struct tb_buf *fields, const char *format, va_list args)
{
    char text[1024];
    int  n = vsnprintf(text, sizeof text, format, args);

    tb_buf_add(fields, tb_str_of(text));
    make_sound(fields, n >= (int)sizeof text);
    add_about(fields);
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
    struct tb_buf line = TB_BUF_INIT, fields = TB_BUF_INIT;
    char          at[TB_ISO_SIZE];
    va_list       args;

    if (!log_wants(level))
        return;
    va_start(args, format);
    write_fields(&fields, format, args);
    va_end(args);
    tb_str now = tb_time_iso(tb_wall_ms(&tb_clock_system), at);

    if (wanted_format == LOG_JSON) {
        struct tb_json j = tb_json_to(&line);
        tb_json_open_object(&j);
        tb_json_key(&j, "time"), tb_json_str(&j, now);
        tb_json_key(&j, "level"), tb_json_str(&j, tb_str_of(level_names[level]));
        tb_json_key(&j, "event"), tb_json_str(&j, tb_str_of(event));
        tb_json_key(&j, "thread"), tb_json_str(&j, tb_str_of(tb_thread_name()));
        add_fields_as_json(&j, tb_buf_str(&fields));
        tb_json_end_object(&j);
        tb_json_fini(&j);
    } else {
        tb_buf_printf(&line, TB_STR_FMT " %s %s thread=%s%s%s", TB_STR_ARG(now), level_names[level], event,
                      tb_thread_name(), fields.n > 0 ? " " : "", fields.n > 0 ? fields.p : "");
    }
    tb_buf_add_char(&line, '\n');

    void (*sink)(tb_str) = divert;
    if (sink != NULL)
        sink(tb_buf_str(&line));
    else
        write_whole(tb_buf_str(&line));
    tb_buf_fini(&line);
    tb_buf_fini(&fields);
}
