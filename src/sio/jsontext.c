/* A recursive reader that stops at its first fault. Placeholders are looked for by the plain spelling of their keys, as
 * every encoder writes them. */
#include "jsontext.h"

struct reader {
    const char                  *p, *end;
    const char                  *fault;         /* the first; static text */
    const struct sio_json_check *check;
    unsigned                     depth;
};

static bool
fails(struct reader *r, const char *why)
{
    if (r->fault == NULL)
        r->fault = why;
    r->p = r->end;
    return false;
}

static void
skip_blanks(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

static bool
take(struct reader *r, char c)
{
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

static bool
is_digit(const struct reader *r)
{
    return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

static bool
is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool
read_escape(struct reader *r)
{
    static const char plain[] = "\"\\/bfnrt";

    if (r->p == r->end)
        return fails(r, "the text ends in an escape");
    char c = *r->p++;
    if (c != 'u')
        return memchr(plain, c, sizeof plain - 1) != NULL || fails(r, "an unknown escape");
    for (int i = 0; i < 4; i++)
        if (r->p == r->end || !is_hex(*r->p++))
            return fails(r, "a \\u without four digits");
    return true;
}

/* After the opening quote; *out: what is between the quotes, escapes and all. */
static bool
read_string(struct reader *r, tb_str *out)
{
    const char *start = r->p;

    while (r->p < r->end && *r->p != '"') {
        unsigned char c = (unsigned char)*r->p++;
        if (c < 0x20)
            return fails(r, "a control character in a string");
        if (c == '\\' && !read_escape(r))
            return false;
    }
    *out = (tb_str){ .p = start, .n = (size_t)(r->p - start) };
    return take(r, '"') || fails(r, "the string does not end");
}

static bool
read_digits(struct reader *r)
{
    if (!is_digit(r))
        return fails(r, "a digit is missing");
    while (is_digit(r))
        r->p++;
    return true;
}

static bool
read_number(struct reader *r)
{
    take(r, '-');
    if (!take(r, '0') && !read_digits(r))
        return false;
    if (take(r, '.') && !read_digits(r))
        return false;
    if (!take(r, 'e') && !take(r, 'E'))
        return true;
    if (!take(r, '+'))
        take(r, '-');
    return read_digits(r);
}

static bool
read_literal(struct reader *r)
{
    static const tb_str words[] = { { .p = "true", .n = 4 }, { .p = "false", .n = 5 }, { .p = "null", .n = 4 } };
    tb_str              rest = { .p = r->p, .n = (size_t)(r->end - r->p) };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (tb_str_starts(rest, words[i])) {
            r->p += words[i].n;
            return true;
        }
    return fails(r, "no value");
}

static bool read_value(struct reader *r, tb_str *out);

/* A member of an object: what it says about being a placeholder. */
struct placeholder {
    bool   is_one;
    tb_str num;
};

static bool
read_member(struct reader *r, struct placeholder *ph)
{
    tb_str key, value;

    skip_blanks(r);
    if (!take(r, '"') || !read_string(r, &key))
        return fails(r, "a key is missing");
    skip_blanks(r);
    if (!take(r, ':'))
        return fails(r, "a colon is missing");
    if (!read_value(r, &value))
        return false;
    if (tb_str_eq(key, TB_LIT("_placeholder")))
        ph->is_one = tb_str_eq(value, TB_LIT("true"));
    else if (tb_str_eq(key, TB_LIT("num")))
        ph->num = value;
    return true;
}

static bool
is_good(const struct reader *r, const struct placeholder *ph)
{
    uint64_t num;

    if (!r->check->has_attachments || !ph->is_one)
        return true;
    return r->check->n_attachments > 0 && tb_str_to_uint(ph->num, r->check->n_attachments - 1, &num);
}

static bool
read_object(struct reader *r)
{
    struct placeholder ph = { 0 };

    skip_blanks(r);
    if (take(r, '}'))
        return true;
    do {
        if (!read_member(r, &ph))
            return false;
        skip_blanks(r);
    } while (take(r, ','));
    if (!take(r, '}'))
        return fails(r, "the object does not end");
    return is_good(r, &ph) || fails(r, "a placeholder for an attachment that is not there");
}

static bool
read_array(struct reader *r)
{
    tb_str element;

    skip_blanks(r);
    if (take(r, ']'))
        return true;
    do
        if (!read_value(r, &element))
            return false;
    while (take(r, ','));
    return take(r, ']') || fails(r, "the array does not end");
}

static bool
read_nested(struct reader *r)
{
    if (++r->depth > SIO_JSON_DEPTH)
        return fails(r, "too deep");
    bool is_fine = *r->p++ == '{' ? read_object(r) : read_array(r);
    r->depth--;
    return is_fine;
}

/* With the blanks before and after; *out: without them. */
static bool
read_value(struct reader *r, tb_str *out)
{
    tb_str text;
    bool   is_fine;

    skip_blanks(r);
    const char *start = r->p;
    if (r->p < r->end && (*r->p == '{' || *r->p == '['))
        is_fine = read_nested(r);
    else if (take(r, '"'))
        is_fine = read_string(r, &text);
    else if (is_digit(r) || (r->p < r->end && *r->p == '-'))
        is_fine = read_number(r);
    else
        is_fine = read_literal(r);
    *out = (tb_str){ .p = start, .n = (size_t)(r->p - start) };
    skip_blanks(r);
    return is_fine;
}

static struct reader
reader_of(tb_str text, const struct sio_json_check *check)
{
    return (struct reader){ .p = text.p, .end = text.n > 0 ? text.p + text.n : text.p, .check = check };
}

static tb_str
between(const char *start, const char *end)
{
    return (tb_str){ .p = start, .n = (size_t)(end - start) };
}

/* Reads on to the end of the array; returns where its last element ends. */
static const char *
read_rest(struct reader *r, const char *end_of_first)
{
    const char *end = end_of_first;
    tb_str      element;

    while (take(r, ',') && read_value(r, &element))
        end = element.p + element.n;
    if (!take(r, ']'))
        fails(r, "the array does not end");
    skip_blanks(r);
    if (r->fault == NULL && r->p != r->end)
        fails(r, "something follows the array");
    return end;
}

const char *
sio_json_read_array(tb_str text, const struct sio_json_check *check, struct sio_json_array *out)
{
    struct reader         r = reader_of(text, check);
    struct sio_json_array a = { 0 };

    skip_blanks(&r);
    if (!take(&r, '['))
        fails(&r, "no array");
    r.depth = 1;
    skip_blanks(&r);
    const char *start = r.p, *end = r.p;
    if (r.p < r.end && *r.p != ']' && read_value(&r, &a.first))
        end = a.first.p + a.first.n;
    const char *after_first = r.p;
    end = read_rest(&r, end);
    if (r.fault != NULL)
        return r.fault;
    a.all = between(start, end);
    if (end > after_first) {
        a.rest = between(after_first + 1, end);
        while (a.rest.p[0] == ' ' || a.rest.p[0] == '\t' || a.rest.p[0] == '\n' || a.rest.p[0] == '\r')
            a.rest = between(a.rest.p + 1, end);
    }
    *out = a;
    return NULL;
}

const char *
sio_json_check_object(tb_str text)
{
    static const struct sio_json_check nothing = { 0 };
    struct reader                      r = reader_of(text, &nothing);
    tb_str                             value;

    skip_blanks(&r);
    if (r.p == r.end || *r.p != '{')
        return "no object";
    if (read_value(&r, &value) && r.p != r.end)
        fails(&r, "something follows the object");
    return r.fault;
}

/* ---- unescaping ---- */

static unsigned
hex4(const char *p)
{
    unsigned v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        v = v << 4 | (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return v;
}

static void
add_code_point(struct tb_buf *out, uint32_t cp)
{
    if (cp < 0x80) {
        tb_buf_add_char(out, (char)cp);
        return;
    }
    unsigned n_more = cp < 0x800 ? 1 : cp < 0x10000 ? 2 : 3;
    static const unsigned char leads[] = { 0, 0xc0, 0xe0, 0xf0 };
    tb_buf_add_char(out, (char)(leads[n_more] | cp >> (6 * n_more)));
    while (n_more-- > 0)
        tb_buf_add_char(out, (char)(0x80 | (cp >> (6 * n_more) & 0x3f)));
}

/* At "uXXXX"; returns how many bytes were taken, 11 for a surrogate pair. */
static size_t
add_unicode(struct tb_buf *out, const char *p, const char *end)
{
    unsigned high = hex4(p + 1);

    if ((high & 0xf800) != 0xd800) {
        add_code_point(out, high);
        return 5;
    }
    if ((high & 0xfc00) == 0xd800 && end - p >= 11 && p[5] == '\\' && p[6] == 'u' && (hex4(p + 7) & 0xfc00) == 0xdc00) {
        add_code_point(out, 0x10000 + ((high & 0x3ff) << 10 | (hex4(p + 7) & 0x3ff)));
        return 11;
    }
    add_code_point(out, 0xfffd);
    return 5;
}

static char
plain_escape(char c)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char       *hit = memchr(from, c, sizeof from - 1);
    return hit != NULL ? to[hit - from] : c;
}

tb_str
sio_json_unescape(tb_str json, struct tb_buf *scratch)
{
    tb_str      raw = { .p = json.p + 1, .n = json.n - 2 };
    const char *end = raw.p + raw.n;

    if (memchr(raw.p, '\\', raw.n) == NULL)
        return raw;
    tb_buf_clear(scratch);
    for (const char *p = raw.p; p < end;) {
        if (*p != '\\')
            tb_buf_add_char(scratch, *p++);
        else if (*++p == 'u')
            p += add_unicode(scratch, p, end);
        else
            tb_buf_add_char(scratch, plain_escape(*p++));
    }
    return tb_buf_str(scratch);
}
