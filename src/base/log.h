#pragma once
/* One event per line on stderr, as logfmt (key=value key="...") or JSON. The event's name says what happened
 * ("store.opened"); the rest is printf text of our own in logfmt, whose quoted values hold no quotes: texts of others
 * come in only through tb_err.why and log_text, which make them safe. No field is called time, level, event or thread.
 * Never content, passwords or tokens.
 * Threads: any. A line is one write. */
#include "tombolo/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };    /* someone must act; we coped; the process; a session */
enum log_format { LOG_LOGFMT, LOG_JSON };

void log_set(enum log_level level, enum log_format format);     /* any time; takes effect with the next line */
bool log_wants(enum log_level level);
void log_write(enum log_level level, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* What the calling thread's lines are about from here on, until the next call: fields of ours in logfmt,
 * copied, of at most LOG_ABOUT_SIZE - 1 bytes; empty: nothing in particular. A line that has a field of the same name keeps its own.
 * Work for somebody that changes threads takes it along: see store_op.about. */
enum { LOG_ABOUT_SIZE = 96 };
void log_about(tb_str fields);

/* Whether each request has its line (setting log.requests). */
void log_set_requests(bool is_wanted);
bool log_wants_requests(void);

/* Where lines go instead of stderr; NULL: stderr again. For tests. */
void log_divert(void (*sink)(tb_str line));

/* Text of others as a quoted value may hold it: printable ASCII, cut at size - 1. */
const char *log_text(tb_str text, char *out, size_t size);

#define log_error(event, ...) log_write(LOG_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...)  log_write(LOG_WARN, event, __VA_ARGS__)
#define log_info(event, ...)  log_write(LOG_INFO, event, __VA_ARGS__)
#define log_debug(event, ...)               \
    do {                                    \
        if (log_wants(LOG_DEBUG))           \
            log_write(LOG_DEBUG, event, __VA_ARGS__); \
    } while (0)
