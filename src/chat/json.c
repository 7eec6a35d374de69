/* Bodies of json.h. What jansson refuses is mended in a copy of the same length, so places in it are places in the text. */
#include "json.h"

#include <math.h>
#include <stdlib.h>

/* JSON_ALLOW_NUL: content may hold \u0000. Numbers are doubles as in JavaScript: one that is too large for an id is
 * then a wrong field and not a text that is no JSON. */
enum { LOAD_FLAGS = JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL | JSON_DECODE_ANY };

enum { ESCAPE = 6 };                    /* characters of \uXXXX */
#define REPLACEMENT "\\uFFFD"
#define TOO_LARGE   TB_LIT("9e307")     /* no number that overflows is shorter */

struct mending {
    char *p, *end;
    bool  has_changed;
};

/* The value of \uXXXX at p, or -1. */
static int
unit_at(const char *p, const char *end)
{
    int unit = 0;

    if (end - p < ESCAPE || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int i = 2; i < ESCAPE; i++) {
        int digit = tb_hex_of(p[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

static void
replace(struct mending *m, char *escape)
{
    memcpy(escape, REPLACEMENT, ESCAPE);
    m->has_changed = true;
}

static bool
is_high(int unit)
{
    return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool
is_low(int unit)
{
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* At an escape; leads behind it. */
static char *
mend_escape(struct mending *m, char *p, bool is_key)
{
    int unit = unit_at(p, m->end);

    if (unit < 0)
        return m->end - p < 2 ? m->end : p + 2;
    if (is_high(unit) && is_low(unit_at(p + ESCAPE, m->end)))
        return p + 2 * ESCAPE;
    if (is_high(unit) || is_low(unit) || (is_key && unit == 0))
        replace(m, p);
    return p + ESCAPE;
}

static char *
end_of_string(const struct mending *m, char *p)
{
    while (p < m->end && *p != '"')
        p += *p == '\\' && p + 1 < m->end ? 2 : 1;
    return p;
}

static bool
is_followed_by_colon(const struct mending *m, const char *p)
{
    while (p < m->end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p < m->end && *p == ':';
}

/* Behind the opening quote; leads behind the closing one. */
static char *
mend_string(struct mending *m, char *p)
{
    char *end = end_of_string(m, p);
    bool  is_key = end < m->end && is_followed_by_colon(m, end + 1);

    while (p < end)
        p = *p == '\\' ? mend_escape(m, p, is_key) : p + 1;
    return end < m->end ? end + 1 : end;
}

/* What is no number of JSON stays as it is: digits behind a 0, a point without digits, a second sign. */
static char *
mend_number(struct mending *m, char *p)
{
    size_t      n = strspn(p, "0123456789+-.eE");
    const char *digits = *p == '-' ? p + 1 : p, *point = memchr(p, '.', n);
    bool        is_number = *digits != '0' || digits[1] == '.' || digits[1] == 'e' || digits[1] == 'E';
    char       *end;

    if (point != NULL && (point[1] < '0' || point[1] > '9'))
        is_number = false;
    if (is_number && isinf(strtod(p, &end)) && end == p + n) {
        memset(p, ' ', n);
        memcpy(p, TOO_LARGE.p, TOO_LARGE.n);
        m->has_changed = true;
    }
    return p + n;
}

static bool
mend(char *text, size_t n)
{
    struct mending m = { .p = text, .end = text + n };

    while (m.p < m.end) {
        if (*m.p == '"')
            m.p = mend_string(&m, m.p + 1);
        else if ((*m.p >= '0' && *m.p <= '9') || *m.p == '-')
            m.p = mend_number(&m, m.p);
        else
            m.p++;
    }
    return m.has_changed;
}

json_t *
chat_json_load(tb_str text, json_error_t *why)
{
    json_t       *root = json_loadb(text.n > 0 ? text.p : "", text.n, LOAD_FLAGS, why);
    struct tb_buf copy = TB_BUF_INIT;

    if (root != NULL || text.n == 0)
        return root;
    tb_buf_add(&copy, text);            /* ends in a NUL, where numbers stop */
    if (mend(copy.p, copy.n))
        root = json_loadb(copy.p, copy.n, LOAD_FLAGS, why);
    tb_buf_wipe(&copy);                 /* it may hold a password */
    return root;
}
