/* Bytes of a WebSocket mean the same however they are cut: the first byte says where, the rest is fed whole and cut. */
#include "ws.h"

#include <assert.h>

enum { MAX_MESSAGE = 4096 };

static void
feed(struct eio_ws *ws, const uint8_t *data, size_t n, struct tb_buf *told)
{
    char               *copy = tb_alloc(n);
    struct eio_ws_bytes in = { .p = memcpy(copy, data, n), .n = n };
    tb_str              payload = TB_STR_NULL;
    enum eio_ws_event   event;

    while ((event = eio_ws_next(ws, &in, &payload)) != EIO_WS_MORE) {
        assert(payload.n <= MAX_MESSAGE);
        tb_buf_printf(told, "%d %d ", event, event == EIO_WS_CLOSE || event == EIO_WS_BROKEN ? ws->code : 0);
        if (event != EIO_WS_BROKEN)
            tb_buf_add(told, payload);
    }
    assert(in.n == 0);
    tb_free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct tb_buf whole = TB_BUF_INIT, cut = TB_BUF_INIT;
    struct eio_ws ws;

    if (n < 2)
        return 0;
    size_t step = 1 + data[0] % 16;
    eio_ws_init(&ws, MAX_MESSAGE);
    feed(&ws, data + 1, n - 1, &whole);
    eio_ws_fini(&ws);
    eio_ws_init(&ws, MAX_MESSAGE);
    for (size_t at = 1; at < n; at += step)
        feed(&ws, data + at, n - at < step ? n - at : step, &cut);
    eio_ws_fini(&ws);
    assert(tb_str_eq(tb_buf_str(&whole), tb_buf_str(&cut)));
    tb_buf_fini(&whole);
    tb_buf_fini(&cut);
    return 0;
}
