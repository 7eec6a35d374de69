/* Bodies of chain.h, on libsodium's generic hash, which is BLAKE2b. */
#include "chain.h"

#include <assert.h>
#include <sodium.h>

static_assert(CHAIN_SIZE >= crypto_generichash_BYTES_MIN, "BLAKE2b can be that short");

struct chain
chain_start(tb_str journal_uuid)
{
    struct chain c;
    crypto_generichash(c.bytes, sizeof c.bytes, (const unsigned char *)journal_uuid.p, journal_uuid.n, NULL, 0);
    return c;
}

static unsigned char *
put(unsigned char *at, uint64_t v, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++, v >>= 8)
        *at++ = (unsigned char)v;
    return at;
}

struct chain
chain_next(const struct chain *previous, uint32_t node, int64_t seq, int64_t at, int kind, int version, tb_str body)
{
    crypto_generichash_state state;
    unsigned char            head[CHAIN_SIZE + 22], *p = head;
    struct chain             c;

    memcpy(p, previous->bytes, CHAIN_SIZE);
    p = put(p + CHAIN_SIZE, node, 4);
    p = put(p, (uint64_t)seq, 8);
    p = put(p, (uint64_t)at, 8);
    p = put(p, (uint64_t)kind, 1);
    p = put(p, (uint64_t)version, 1);
    crypto_generichash_init(&state, NULL, 0, sizeof c.bytes);
    crypto_generichash_update(&state, head, (size_t)(p - head));
    crypto_generichash_update(&state, (const unsigned char *)body.p, body.n);
    crypto_generichash_final(&state, c.bytes, sizeof c.bytes);
    return c;
}
