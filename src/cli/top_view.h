#pragma once
/* What tombolo top shows, as text: of two readings. Knows no terminal; how one is led is top.c's.
 * Threads: the caller's. */
#include "top_metrics.h"

struct top_screen {
    size_t      width, height;      /* of the terminal; what does not fit is left out, the most important first */
    bool        has_colour;
    const char *title;              /* what is looked at; it is cut where there is no room */
    const char *now;                /* the time, as it is to be shown */
    const char *trouble;            /* why the readings are old; NULL: they are not */
};

/* As many lines as fit, each ended by "\r\n" but for the last, none wider than the screen; each begins by clearing its place. */
void top_view_screen(const struct top_reading *a, const struct top_reading *b, const struct top_screen *s, struct tb_buf *out);

/* The same as one line for programs and logs: key=value, or a JSON object. Ends in "\n". */
void top_view_line(const struct top_reading *a, const struct top_reading *b, const char *now, bool as_json, struct tb_buf *out);
