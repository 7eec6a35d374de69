#pragma once
/* What took longer than it should (setting log.slow_ms) has a line in the log that says what it was, never its content, and is
 * counted. Of each kind at most one line a second: the next one says how many it stands for, so a disk that is slow for
 * all does not fill the log as well.
 * Threads: any. */
#include "base/clock.h"
#include "base/log.h"

#include <stdatomic.h>

enum slow_what { SLOW_REQUEST, SLOW_EVENT, SLOW_COMMIT, SLOW_READ, SLOW_CHECKPOINT, SLOW_HASH, SLOW_SYNC, SLOW_ARCHIVE, SLOW_COUNT };

void slow_set(int64_t ms, const struct tb_clock *clock);        /* 0: nothing is slow. clock: borrowed until the next slow_set */
bool slow_is(int64_t took_us);

/* For what slow_is says is: further fields as of log_write. */
void slow_log(enum slow_what what, int64_t took_us, const char *format, ...) __attribute__((format(printf, 3, 4)));
