/* FIPS 180-4 section 6.1, over text that is there at once. */
#include "sha1.h"

enum { BLOCK = 64, LENGTH_AT = BLOCK - 8 };

static uint32_t
rotl(uint32_t x, unsigned bits)
{
    return x << bits | x >> (32 - bits);
}

static uint32_t
load(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t
mix(unsigned t, const uint32_t v[5])        /* f of section 4.1.1 plus K of 4.2.1 */
{
    if (t < 20)
        return ((v[1] & v[2]) ^ (~v[1] & v[3])) + 0x5a827999;
    if (t < 40)
        return (v[1] ^ v[2] ^ v[3]) + 0x6ed9eba1;
    if (t < 60)
        return ((v[1] & v[2]) ^ (v[1] & v[3]) ^ (v[2] & v[3])) + 0x8f1bbcdc;
    return (v[1] ^ v[2] ^ v[3]) + 0xca62c1d6;
}

static void
take_block(uint32_t h[5], const unsigned char block[BLOCK])
{
    uint32_t w[80], v[5];

    for (unsigned t = 0; t < 80; t++)
        w[t] = t < 16 ? load(block + 4 * t) : rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    memcpy(v, h, sizeof v);
    for (unsigned t = 0; t < 80; t++) {
        uint32_t next = rotl(v[0], 5) + mix(t, v) + v[4] + w[t];
        v[4] = v[3], v[3] = v[2], v[2] = rotl(v[1], 30), v[1] = v[0], v[0] = next;
    }
    for (unsigned i = 0; i < 5; i++)
        h[i] += v[i];
}

void
eio_sha1(tb_str text, char out[SHA1_SIZE])
{
    uint32_t             h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
    const unsigned char *p = (const unsigned char *)text.p;
    size_t               left = text.n;
    unsigned char        last[2 * BLOCK] = { 0 };

    for (; left >= BLOCK; left -= BLOCK, p += BLOCK)
        take_block(h, p);
    if (left > 0)
        memcpy(last, p, left);
    last[left] = 0x80;
    unsigned char *end = left < LENGTH_AT ? last : last + BLOCK;       /* the block that the length goes into */
    for (unsigned i = 0; i < 8; i++)
        end[LENGTH_AT + i] = (unsigned char)((uint64_t)text.n * 8 >> (56 - 8 * i));
    take_block(h, last);
    if (end != last)
        take_block(h, end);
    for (unsigned i = 0; i < SHA1_SIZE; i++)
        out[i] = (char)(h[i / 4] >> (24 - 8 * (i % 4)) & 0xff);
}
