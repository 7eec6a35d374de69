/* A payload's packets and the separators between them are the payload again, byte for byte. */
#include "packet.h"

#include <assert.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tb_str             text = { .p = (const char *)data, .n = n }, packet;
    struct eio_payload it = eio_payload_of(text);
    size_t             at = 0;

    while (eio_payload_next(&it, &packet)) {
        if (at > 0)
            assert(text.p[at - 1] == EIO_SEPARATOR);
        assert(packet.n == 0 || (packet.p == text.p + at && memchr(packet.p, EIO_SEPARATOR, packet.n) == NULL));
        at += packet.n + 1;
    }
    assert(at == n + 1);
    return 0;
}
