/* Any text is an Engine.IO packet or is refused, and what is taken lies within the text or the scratch. */
#include "packet.h"

#include <assert.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    tb_str            text = { .p = (const char *)data, .n = n };
    struct tb_buf     scratch = TB_BUF_INIT;
    struct eio_packet p;
    struct tb_err     e = { 0 };

    if (eio_packet_parse(text, &p, &scratch, &e) == TB_OK) {
        assert(p.data.n < n && (!p.is_binary || p.type == EIO_MESSAGE));
        assert(p.is_binary || p.data.n == 0 || p.data.p == text.p + 1);
    }
    tb_buf_fini(&scratch);
    return 0;
}
