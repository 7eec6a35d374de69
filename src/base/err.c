/* Failures: the table of codes, and how `why` is put together. `why` goes into one quoted logfmt value, and into a column
 * of the centre, so what peers may have put into it is made harmless here, once: quotes, control characters, and what is no
 * UTF-8, also for having been cut in the middle of a character. */
#include "tombolo/err.h"
#include "tombolo/str.h"

#include <assert.h>
#include <stdio.h>

static const struct {
    const char *wire, *say;
    int         status;
} codes[TB_CODE_COUNT] = {
    [TB_OK] = { "ok", "", 200 },
#define X(name, wire_, status_, say_) [name] = { .wire = wire_, .say = say_, .status = status_ },
    TB_CODES(X)
#undef X
};

enum { UTF8_MAX = 4 };

static void
make_text(char *s)
{
    size_t n = strlen(s);

    for (size_t cut = 0; cut < UTF8_MAX && cut <= n; cut++)
        if (tb_str_is_utf8((tb_str){ .p = s, .n = n - cut })) {
            s[n - cut] = '\0';
            return;
        }
    for (; *s != '\0'; s++)
        if ((unsigned char)*s >= 0x80)
            *s = '?';
}

static void
make_loggable(char *s)
{
    char *all = s;

    for (; *s != '\0'; s++) {
        if (*s == '"')
            *s = '\'';
        else if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = ' ';
    }
    make_text(all);
}

enum tb_code
tb_fail(struct tb_err *e, enum tb_code code, const char *say, const char *why, ...)
{
    assert(code != TB_OK && code < TB_CODE_COUNT);
    if (e == NULL)
        return code;

    va_list args;
    va_start(args, why);
    *e = (struct tb_err){ .code = code, .say = say ? say : codes[code].say };
    vsnprintf(e->why, sizeof e->why, why, args);
    va_end(args);
    make_loggable(e->why);
    return code;
}

enum tb_code
tb_wrap(struct tb_err *e, const char *why, ...)
{
    char    inner[sizeof e->why];
    va_list args;

    assert(e->code != TB_OK);
    memcpy(inner, e->why, sizeof inner);
    va_start(args, why);
    int n = vsnprintf(e->why, sizeof e->why, why, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof e->why)
        snprintf(e->why + n, sizeof e->why - (size_t)n, ": %s", inner);
    make_loggable(e->why);
    return e->code;
}

const char *
tb_code_wire(enum tb_code code)
{
    return codes[code].wire;
}

int
tb_code_status(enum tb_code code)
{
    return codes[code].status;
}

const char *
tb_code_say(enum tb_code code)
{
    return codes[code].say;
}
