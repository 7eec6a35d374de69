/* Bodies of base64.h: libsodium's base64 on buffers. */
#include "base64.h"

#include <assert.h>
#include <sodium.h>

/* Encoders of mail's tradition break lines, the stock Java client's behind each packet's end, too [RFC 2045 6.8]. */
static const char passed_over[] = " \t\r\n";

size_t
eio_base64_size(size_t n)
{
    return (n + 2) / 3 * 4;
}

void
eio_base64_add(struct tb_buf *out, tb_str bytes)
{
    size_t n = eio_base64_size(bytes.n);

    tb_buf_reserve(out, n);
    sodium_bin2base64(out->p + out->n, n + 1, (const unsigned char *)bytes.p, bytes.n, sodium_base64_VARIANT_ORIGINAL);
    out->n += n;
}

static bool
has(tb_str text, char c)
{
    return text.n > 0 && memchr(text.p, c, text.n) != NULL;
}

static int
variant_of(tb_str text)
{
    bool is_padded = has(text, '=');

    if (has(text, '-') || has(text, '_'))
        return is_padded ? sodium_base64_VARIANT_URLSAFE : sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    return is_padded ? sodium_base64_VARIANT_ORIGINAL : sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
}

bool
eio_base64_decode(struct tb_buf *out, tb_str text)
{
    size_t most = text.n / 4 * 3 + 3, n;

    tb_buf_reserve(out, most);
    if (sodium_base642bin((unsigned char *)out->p + out->n, most, text.p, text.n, passed_over, &n, NULL,
                          variant_of(text)) != 0)
        return false;
    out->n += n;
    out->p[out->n] = '\0';
    return true;
}

void
eio_base64_url(char *out, const void *bytes, size_t n)
{
    char text[EIO_BASE64_URL_MAX + 1];

    assert(n % 3 == 0 && eio_base64_size(n) <= EIO_BASE64_URL_MAX);
    sodium_bin2base64(text, sizeof text, bytes, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    memcpy(out, text, eio_base64_size(n));
}
