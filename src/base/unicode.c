/* Bodies of unicode.h. */
#include "unicode.h"

#include <string.h>
#include <utf8proc.h>

enum {
    ZERO_WIDTH_NON_JOINER = 0x200c,
    ZERO_WIDTH_JOINER = 0x200d,
    VIRAMA = 9,                         /* the combining class */
};

static bool
is_ascii(tb_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x80)
            return false;
    return true;
}

/* Room for the characters of s and, while they are encoded in place, their bytes. */
static utf8proc_int32_t *
decompose(tb_str s, utf8proc_option_t options, utf8proc_ssize_t *n)
{
    const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)s.p;

    *n = utf8proc_decompose(p, (utf8proc_ssize_t)s.n, NULL, 0, options);
    if (*n < 0)
        return NULL;
    utf8proc_int32_t *points = tb_alloc(((size_t)*n + 1) * sizeof *points);
    *n = utf8proc_decompose(p, (utf8proc_ssize_t)s.n, points, *n, options);
    return points;
}

void
tb_normalize(tb_str s, enum tb_form form, struct tb_buf *out)
{
    utf8proc_option_t options = UTF8PROC_STABLE | (form == TB_NFC ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE);
    utf8proc_ssize_t  n = -1;
    utf8proc_int32_t *points = is_ascii(s) ? NULL : decompose(s, options, &n);

    if (points == NULL) {
        tb_buf_add(out, s);
        return;
    }
    size_t room = ((size_t)n + 1) * sizeof *points;
    n = utf8proc_reencode(points, n, options);
    tb_buf_add(out, (tb_str){ .p = (const char *)points, .n = (size_t)n });
    explicit_bzero(points, room);
    tb_free(points);
}

tb_str
tb_nfc(tb_str s, struct tb_arena *mem)
{
    struct tb_buf out = TB_BUF_INIT;

    if (is_ascii(s))
        return s;
    tb_normalize(s, TB_NFC, &out);
    s = tb_arena_str(mem, tb_buf_str(&out));
    tb_buf_fini(&out);
    return s;
}

/* Letters and symbols that are drawn as nothing, though their category does not say so. */
static bool
is_blank_letter(utf8proc_int32_t c)
{
    return c == 0x115f || c == 0x1160 || c == 0x17b4 || c == 0x17b5 || c == 0x2800 || c == 0x3164 || c == 0xffa0;
}

static bool
may_join(utf8proc_int32_t joiner, utf8proc_int32_t before)
{
    const utf8proc_property_t *p = utf8proc_get_property(before);

    return p->combining_class == VIRAMA ||
           (joiner == ZERO_WIDTH_JOINER && (p->boundclass == UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC ||
                                            p->category == UTF8PROC_CATEGORY_MN ||
                                            p->category == UTF8PROC_CATEGORY_SK));    /* variation, tone of skin */
}

static bool
is_allowed(utf8proc_int32_t c, utf8proc_int32_t before)
{
    if (c == ZERO_WIDTH_JOINER || c == ZERO_WIDTH_NON_JOINER)
        return may_join(c, before);
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return false;
    default:
        return !is_blank_letter(c);
    }
}

static bool
shows(utf8proc_int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);

    return category != UTF8PROC_CATEGORY_ZS && category != UTF8PROC_CATEGORY_CF && category != UTF8PROC_CATEGORY_MN &&
           category != UTF8PROC_CATEGORY_ME;
}

/* The character at *at, which moves behind it; -1: no UTF-8. */
static utf8proc_int32_t
next_character(tb_str s, size_t *at)
{
    utf8proc_int32_t c = -1;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.p + *at, (utf8proc_ssize_t)(s.n - *at), &c);

    *at += n > 0 ? (size_t)n : s.n - *at;
    return c;
}

bool
tb_is_visible(tb_str s)
{
    utf8proc_int32_t before = 0;
    bool             has_shown = false;

    for (size_t at = 0; at < s.n;) {
        utf8proc_int32_t c = next_character(s, &at);
        if (c < 0 || !is_allowed(c, before))
            return false;
        has_shown = has_shown || shows(c);
        before = c;
    }
    return has_shown;
}

bool
tb_has_blank(tb_str s)
{
    for (size_t at = 0; at < s.n;)
        if (utf8proc_category(next_character(s, &at)) == UTF8PROC_CATEGORY_ZS)
            return true;
    return false;
}
