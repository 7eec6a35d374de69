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

/* The character at *at, which moves behind it; -1: no UTF-8. */
static utf8proc_int32_t
next_character(tb_str s, size_t *at)
{
    utf8proc_int32_t c = -1;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.p + *at, (utf8proc_ssize_t)(s.n - *at), &c);

    *at += n > 0 ? (size_t)n : s.n - *at;
    return c;
}

static bool
is_within_limits(tb_str s)
{
    int n_marks = 0;

    for (size_t at = 0; at < s.n && s.n <= TB_NORMALIZE_MAX && n_marks <= TB_MARKS_MAX;) {
        utf8proc_int32_t c = next_character(s, &at);
        n_marks = c >= 0 && utf8proc_get_property(c)->combining_class != 0 ? n_marks + 1 : 0;
    }
    return s.n <= TB_NORMALIZE_MAX && n_marks <= TB_MARKS_MAX;
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
    utf8proc_int32_t *points = is_ascii(s) || !is_within_limits(s) ? NULL : decompose(s, options, &n);

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
    return c == 0x115f || c == 0x1160 || c == 0x17b4 || c == 0x17b5 || c == 0x2800 || c == 0x3164 || c == 0xffa0 || c == 0x1d159;
}

struct range { utf8proc_int32_t first, last; };

static bool
is_in(utf8proc_int32_t c, const struct range *ranges, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

#define IS_IN(c, ranges) is_in((c), (ranges), sizeof(ranges) / sizeof *(ranges))

/* Marks that are drawn as nothing by themselves: they choose between shapes of what is before them. */
static const struct range selectors[] = { { 0xfe00, 0xfe0f }, { 0xe0100, 0xe01ef } };
static const struct range invisible_marks[] = { { 0x034f, 0x034f }, { 0x180b, 0x180d }, { 0x180f, 0x180f }, { 0x16fe4, 0x16fe4 } };
static const struct range han[] = { { 0x3400, 0x4dbf }, { 0x4e00, 0x9fff }, { 0xf900, 0xfaff }, { 0x20000, 0x3fffd } };
static const struct range keys[] = { { '#', '#' }, { '*', '*' }, { '0', '9' } };

static bool
may_vary(utf8proc_int32_t base)
{
    const utf8proc_property_t *p = utf8proc_get_property(base);

    return p->boundclass == UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC || p->category == UTF8PROC_CATEGORY_SM ||
           p->category == UTF8PROC_CATEGORY_SO || IS_IN(base, han) || IS_IN(base, keys);
}

/* Arabic and Syriac with their marks; and those of their letters that never join the next one, so that a non-joiner behind them
 * does nothing (Joining_Type R in ArabicShaping.txt). */
static const struct range arabic[] = { { 0x610, 0x61a }, { 0x620, 0x65f }, { 0x66e, 0x6d3 }, { 0x6d5, 0x6d5 }, { 0x6ee, 0x6ef },
                                       { 0x6fa, 0x6ff }, { 0x710, 0x77f }, { 0x8a0, 0x8e1 }, { 0x8e3, 0x8ff } };
static const struct range unjoining[] = { { 0x622, 0x625 }, { 0x627, 0x627 }, { 0x629, 0x629 }, { 0x62f, 0x632 }, { 0x648, 0x648 },
                                          { 0x671, 0x673 }, { 0x675, 0x677 }, { 0x688, 0x699 }, { 0x6c0, 0x6c0 }, { 0x6c3, 0x6cb },
                                          { 0x6cd, 0x6cd }, { 0x6cf, 0x6cf }, { 0x6d2, 0x6d3 }, { 0x6d5, 0x6d5 }, { 0x6ee, 0x6ef } };

/* RFC 5892 appendix A, and emoji that are put together. */
static bool
may_join(utf8proc_int32_t joiner, utf8proc_int32_t before, utf8proc_int32_t after)
{
    const utf8proc_property_t *p = utf8proc_get_property(before);

    if (p->combining_class == VIRAMA)
        return true;
    if (joiner == ZERO_WIDTH_NON_JOINER)
        return IS_IN(before, arabic) && !IS_IN(before, unjoining) && IS_IN(after, arabic);
    return p->boundclass == UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC || IS_IN(before, selectors) ||
           p->category == UTF8PROC_CATEGORY_SK;         /* tone of skin */
}

static bool
is_allowed(utf8proc_int32_t c, utf8proc_int32_t before, utf8proc_int32_t after)
{
    if (c == ZERO_WIDTH_JOINER || c == ZERO_WIDTH_NON_JOINER)
        return may_join(c, before, after);
    if (IS_IN(c, selectors))
        return may_vary(before);
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return false;
    default:
        return !is_blank_letter(c) && !IS_IN(c, invisible_marks);
    }
}

static bool
shows(utf8proc_int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);

    return category != UTF8PROC_CATEGORY_ZS && category != UTF8PROC_CATEGORY_CF && category != UTF8PROC_CATEGORY_MN &&
           category != UTF8PROC_CATEGORY_ME;
}

bool
tb_is_visible(tb_str s)
{
    utf8proc_int32_t before = 0;
    bool             has_shown = false;

    for (size_t at = 0; at < s.n;) {
        utf8proc_int32_t c = next_character(s, &at);
        size_t           behind = at;
        if (c < 0 || !is_allowed(c, before, at < s.n ? next_character(s, &behind) : 0))
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
