/* Bodies of str.h. Memory that runs out aborts: see STYLE section 4. */
#include "tombolo/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SMALLEST_BUF = 64 };

static void *
or_abort(void *p)
{
    if (p == NULL) {
        fputs("tombolo: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *
tb_alloc(size_t n)
{
    return or_abort(malloc(n ? n : 1));
}

void *
tb_alloc_zero(size_t n)
{
    return or_abort(calloc(1, n ? n : 1));
}

void *
tb_realloc(void *p, size_t n)
{
    return or_abort(realloc(p, n ? n : 1));
}

void
tb_free(void *p)
{
    free(p);
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool
tb_str_eq_nocase(tb_str a, tb_str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

/* One code point at the start of s: its length in bytes, or 0 when it is not well-formed. RFC 3629 section 4. */
static size_t
utf8_next(tb_str s, uint32_t *cp)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t               len;
    uint32_t             v, least;

    if (p[0] < 0x80) {
        *cp = p[0];
        return 1;
    }
    if ((p[0] & 0xe0) == 0xc0) {
        len = 2, v = p[0] & 0x1f, least = 0x80;
    } else if ((p[0] & 0xf0) == 0xe0) {
        len = 3, v = p[0] & 0x0f, least = 0x800;
    } else if ((p[0] & 0xf8) == 0xf0) {
        len = 4, v = p[0] & 0x07, least = 0x10000;
    } else {
        return 0;
    }
    if (s.n < len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (p[i] & 0x3f);
    }
    if (v < least || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
        return 0;
    *cp = v;
    return len;
}

static tb_str
skip(tb_str s, size_t n)
{
    return (tb_str){ .p = s.p + n, .n = s.n - n };
}

bool
tb_str_is_utf8(tb_str s)
{
    while (s.n > 0) {
        uint32_t cp;
        size_t   len = utf8_next(s, &cp);
        if (len == 0)
            return false;
        s = skip(s, len);
    }
    return true;
}

size_t
tb_str_utf8_length(tb_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

/* ECMAScript's WhiteSpace and LineTerminator. */
static bool
is_blank(uint32_t cp)
{
    return (cp >= 0x09 && cp <= 0x0d) || cp == ' ' || cp == 0xa0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200a) ||
           cp == 0x2028 || cp == 0x2029 || cp == 0x202f || cp == 0x205f || cp == 0x3000 || cp == 0xfeff;
}

tb_str
tb_str_trim(tb_str s)
{
    uint32_t cp = 0;
    size_t   len;

    while (s.n > 0 && (len = utf8_next(s, &cp)) > 0 && is_blank(cp))
        s = skip(s, len);
    while (s.n > 0) {
        size_t start = s.n - 1;     /* of the last code point */
        while (start > 0 && ((unsigned char)s.p[start] & 0xc0) == 0x80)
            start--;
        if (utf8_next(skip(s, start), &cp) != s.n - start || !is_blank(cp))
            break;
        s.n = start;
    }
    return s;
}

int
tb_hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
        return (c | 0x20) - 'a' + 10;
    return -1;
}

bool
tb_str_to_double(tb_str s, double *out)
{
    char  text[64] = { 0 };
    char *end;

    if (s.n == 0 || s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    if (strspn(text, "0123456789+-.eE") != s.n)
        return false;
    double v = strtod(text, &end);
    if (end != text + s.n || !isfinite(v))
        return false;
    *out = v;
    return true;
}

bool
tb_str_to_uint(tb_str s, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        if (v > (max - digit) / 10 || digit > max)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

char *
tb_str_to_c(tb_str s)
{
    char *c = tb_alloc(s.n + 1);
    if (s.n > 0)
        memcpy(c, s.p, s.n);
    c[s.n] = '\0';
    return c;
}

tb_str
tb_str_dup(tb_str s)
{
    return (tb_str){ .p = tb_str_to_c(s), .n = s.n };
}

void
tb_str_free(tb_str *s)
{
    void *owned;

    memcpy(&owned, &s->p, sizeof owned);        /* it was ours before tb_str_dup lent it out as const */
    tb_free(owned);
    *s = TB_STR_NULL;
}

void
tb_buf_fini(struct tb_buf *b)
{
    tb_free(b->p);
    *b = (struct tb_buf)TB_BUF_INIT;
}

void
tb_buf_wipe(struct tb_buf *b)
{
    if (b->n > 0)
        explicit_bzero(b->p, b->n);
    tb_buf_fini(b);
}

void
tb_buf_reserve(struct tb_buf *b, size_t n_more)
{
    size_t need = b->n + n_more + 1;    /* + the NUL */
    if (need <= b->cap)
        return;
    size_t cap = b->cap ? b->cap : SMALLEST_BUF;
    while (cap < need)
        cap *= 2;
    b->p = tb_realloc(b->p, cap);
    b->cap = cap;
}

void
tb_buf_add(struct tb_buf *b, tb_str s)
{
    tb_buf_reserve(b, s.n);
    if (s.n > 0)
        memcpy(b->p + b->n, s.p, s.n);
    b->n += s.n;
    b->p[b->n] = '\0';
}

void
tb_buf_add_char(struct tb_buf *b, char c)
{
    tb_buf_add(b, (tb_str){ .p = &c, .n = 1 });
}

void
tb_buf_add_int(struct tb_buf *b, int64_t v)
{
    char     digits[20];
    size_t   n = 0;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    do
        digits[sizeof digits - ++n] = (char)('0' + u % 10);
    while ((u /= 10) > 0);
    if (v < 0)
        tb_buf_add_char(b, '-');
    tb_buf_add(b, (tb_str){ .p = digits + sizeof digits - n, .n = n });
}

void
tb_buf_add_hex(struct tb_buf *b, const void *bytes, size_t n)
{
    static const char    digit[] = "0123456789abcdef";
    const unsigned char *p = bytes;

    tb_buf_reserve(b, 2 * n);
    for (size_t i = 0; i < n; i++) {
        b->p[b->n++] = digit[p[i] >> 4];
        b->p[b->n++] = digit[p[i] & 15];
    }
    b->p[b->n] = '\0';
}

void
tb_buf_printf(struct tb_buf *b, const char *format, ...)
{
    va_list args, again;

    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n > 0) {
        tb_buf_reserve(b, (size_t)n);
        vsnprintf(b->p + b->n, (size_t)n + 1, format, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

char *
tb_buf_take(struct tb_buf *b, size_t *n)
{
    tb_buf_reserve(b, 0);
    b->p[b->n] = '\0';
    char *p = b->p;
    *n = b->n;
    *b = (struct tb_buf)TB_BUF_INIT;
    return p;
}
