/* A WebSocket into a live server that echoes and acks: whatever a client sends, nothing breaks, nothing is left over.
 * The input is a list of frames: first byte, length, payload; first byte 0: time passes instead, by length seconds. */
#include "../unit/eio/fake.h"
#include "tombolo/sio.h"

#include <assert.h>

static void
on_event(void *ctx, struct sio_socket *sk, const struct sio_event *ev)
{
    (void)ctx;
    sio_join(sk, TB_LIT("room"));
    if (ev->ack != SIO_NO_ACK)
        sio_ack_binary(sk, ev->ack, ev->args, ev->attachments, ev->n_attachments);
    sio_send_to_room(sio_socket_namespace(sk), TB_LIT("room"), TB_LIT("back"), ev->args);
    if (ev->args.n == 1)
        sio_disconnect(sk);
    sio_socket_ping(sk);
}

static const struct sio_handler handler = { .on_event = on_event };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fake        f;
    struct fake_stream s;
    struct eio_stats   stats;

    fake_init(&f);
    struct sio_server *srv = sio_server_new(&f.host, NULL, NULL, NULL);
    f.engine = sio_server_engine(srv);
    sio_namespace_add(srv, TB_LIT("/"), &handler, NULL);
    sio_namespace_add(srv, TB_LIT("/a"), &handler, NULL);
    fake_connect(&f, &s, "EIO=4&transport=websocket");
    for (size_t at = 0; at + 2 <= n;) {
        size_t len = data[at + 1] < n - at - 2 ? data[at + 1] : n - at - 2;
        if (data[at] == 0)
            fake_advance(&f, 1000 * (int64_t)data[at + 1]);
        else
            fake_frame(&s, data[at], (tb_str){ .p = (const char *)data + at + 2, .n = len });
        at += 2 + len;
    }
    fake_stream_fini(&s);
    eio_engine_stats(f.engine, &stats);
    assert(stats.sessions == 0 && stats.bytes_queued == 0 && stats.bytes_held == 0);
    sio_server_free(&srv);
    return 0;
}
