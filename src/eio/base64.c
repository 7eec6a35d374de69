/* Bodies of base64.h. Stray bits behind the last byte are let pass, as Node.js does. */
#include "base64.h"

#include <assert.h>

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t
eio_base64_size(size_t n)
{
    return (n + 2) / 3 * 4;
}

static void
encode_three(const char alphabet[], const unsigned char in[3], char out[4])
{
    out[0] = alphabet[in[0] >> 2];
    out[1] = alphabet[(in[0] & 3) << 4 | in[1] >> 4];
    out[2] = alphabet[(in[1] & 15) << 2 | in[2] >> 6];
    out[3] = alphabet[in[2] & 63];
}

void
eio_base64_add(struct tb_buf *out, tb_str bytes)
{
    const unsigned char *in = (const unsigned char *)bytes.p;
    size_t               left = bytes.n;

    tb_buf_reserve(out, eio_base64_size(bytes.n));
    for (; left >= 3; left -= 3, in += 3, out->n += 4)
        encode_three(standard, in, out->p + out->n);
    if (left > 0) {
        unsigned char last[3] = { in[0], left == 2 ? in[1] : 0, 0 };
        encode_three(standard, last, out->p + out->n);
        out->p[out->n + 3] = '=';
        if (left == 1)
            out->p[out->n + 2] = '=';
        out->n += 4;
    }
    out->p[out->n] = '\0';
}

static int
value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

static tb_str
without_padding(tb_str text)
{
    size_t most = text.n % 4 == 0 ? 2 : 0;
    for (; most > 0 && text.n > 0 && text.p[text.n - 1] == '='; most--)
        text.n--;
    return text;
}

bool
eio_base64_decode(struct tb_buf *out, tb_str text)
{
    tb_str   digits = without_padding(text);
    size_t   before = out->n;
    uint32_t bits = 0;

    if (digits.n % 4 == 1)
        return false;
    tb_buf_reserve(out, digits.n / 4 * 3 + 2);
    for (size_t i = 0; i < digits.n; i++) {
        int v = value_of(digits.p[i]);
        if (v < 0) {
            out->n = before;
            return false;
        }
        bits = bits << 6 | (uint32_t)v;
        if (i % 4 > 0)
            out->p[out->n++] = (char)(bits >> (6 - 2 * (i % 4)) & 0xff);
    }
    out->p[out->n] = '\0';
    return true;
}

void
eio_base64_url(char *out, const void *bytes, size_t n)
{
    assert(n % 3 == 0);
    for (size_t i = 0; i < n; i += 3)
        encode_three(url_safe, (const unsigned char *)bytes + i, out + i / 3 * 4);
}
