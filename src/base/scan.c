/* Bodies of scan.h. Every read checks `failed` and the end first; nothing here looks beyond text.n. */
#include "scan.h"

struct tb_scan
tb_scan_of(tb_str text)
{
    return (struct tb_scan){ .text = text };
}

void
tb_scan_fail(struct tb_scan *s, const char *why)
{
    if (s->failed == NULL)
        s->failed = why;
}

bool
tb_scan_at_end(const struct tb_scan *s)
{
    return s->failed != NULL || s->pos >= s->text.n;
}

bool
tb_scan_at(const struct tb_scan *s, char c)
{
    return !tb_scan_at_end(s) && s->text.p[s->pos] == c;
}

bool
tb_scan_at_digit(const struct tb_scan *s)
{
    return !tb_scan_at_end(s) && s->text.p[s->pos] >= '0' && s->text.p[s->pos] <= '9';
}

unsigned
tb_scan_digit(struct tb_scan *s, unsigned max)
{
    if (!tb_scan_at_digit(s)) {
        tb_scan_fail(s, "a digit is missing");
        return 0;
    }
    unsigned v = (unsigned)(s->text.p[s->pos] - '0');
    if (v > max) {
        tb_scan_fail(s, "the digit is too large");
        return 0;
    }
    s->pos++;
    return v;
}

uint64_t
tb_scan_uint(struct tb_scan *s, uint64_t max)
{
    size_t   end = s->pos;
    uint64_t v = 0;

    if (!tb_scan_at_digit(s)) {
        tb_scan_fail(s, "a number is missing");
        return 0;
    }
    while (end < s->text.n && s->text.p[end] >= '0' && s->text.p[end] <= '9')
        end++;
    if (!tb_str_to_uint((tb_str){ .p = s->text.p + s->pos, .n = end - s->pos }, max, &v)) {
        tb_scan_fail(s, "the number is too large");
        return 0;
    }
    s->pos = end;
    return v;
}

void
tb_scan_expect(struct tb_scan *s, char c)
{
    if (tb_scan_at(s, c))
        s->pos++;
    else
        tb_scan_fail(s, "another character was expected");
}

bool
tb_scan_take(struct tb_scan *s, char c)
{
    if (!tb_scan_at(s, c))
        return false;
    s->pos++;
    return true;
}

static tb_str
slice(struct tb_scan *s, size_t n)
{
    tb_str out = { .p = s->text.p + s->pos, .n = n };
    s->pos += n;
    return out;
}

tb_str
tb_scan_until(struct tb_scan *s, char stop)
{
    if (tb_scan_at_end(s))
        return TB_STR_NULL;
    const char *hit = memchr(s->text.p + s->pos, stop, s->text.n - s->pos);
    if (hit == NULL)
        return tb_scan_rest(s);
    tb_str out = slice(s, (size_t)(hit - s->text.p) - s->pos);
    s->pos++;
    return out;
}

tb_str
tb_scan_bytes(struct tb_scan *s, size_t n)
{
    if (s->failed != NULL || s->text.n - s->pos < n) {
        tb_scan_fail(s, "the text ends too soon");
        return TB_STR_NULL;
    }
    return n == 0 ? TB_STR_NULL : slice(s, n);
}

tb_str
tb_scan_rest(struct tb_scan *s)
{
    return tb_scan_at_end(s) ? TB_STR_NULL : slice(s, s->text.n - s->pos);
}
