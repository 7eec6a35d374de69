/* sio-conformance PORT [PATIENCE]: the server under test that the published protocol documents ask for, both setups in one process:
 * Engine.IO at /engine.io/ echoes; Socket.IO at /socket.io/ greets a connection to "/" and "/custom" with `auth` and its connect
 * payload, and "/" answers `message` with `message-back` and `message-with-ack` with an ack, the same arguments in both.
 * PATIENCE: how many times longer than asked for it waits for pongs and CONNECT, so that tests which are not about that pass
 * with a sanitizer on a busy machine, too; 1 when left out. Listens on loopback; ends on SIGTERM. */
#include "base/thread.h"
#include "net/eio.h"
#include "tombolo/sio.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { PING_INTERVAL_MS = 300, PING_TIMEOUT_MS = 200, MAX_PAYLOAD = 1000000, CONNECT_TIMEOUT_MS = 1000,
       MOST_PATIENCE = 100 };

static struct net *net;

static void *
await_signal(void *which)
{
    int number;

    sigwait(which, &number);
    net_stop(net);
    return NULL;
}

/* ---- Engine.IO: echo ---- */

static void
echo(void *ctx, struct eio_session *s, tb_str data, bool is_binary)
{
    struct eio_frame *f = is_binary ? eio_frame_binary(data) : eio_frame_text(data);

    (void)ctx;
    if (eio_session_send(s, &f, 1) == EIO_FULL)
        eio_session_close(s, EIO_AT_ONCE);
    eio_frame_unref(&f);
}

static const struct eio_handler echo_handler = { .on_message = echo };

/* ---- Socket.IO ---- */

static void
greet(void *ctx, struct sio_socket *sk, tb_str auth)
{
    (void)ctx;
    sio_accept(sk, TB_STR_NULL, TB_STR_NULL);
    sio_send(sk, TB_LIT("auth"), auth);
}

static void
answer(void *ctx, struct sio_socket *sk, const struct sio_event *ev)
{
    (void)ctx;
    if (tb_str_eq(ev->name, TB_LIT("message"))) {
        struct sio_message *m = sio_message_new_binary(sio_socket_namespace(sk), TB_LIT("message-back"), ev->args,
                                                       ev->attachments, ev->n_attachments);
        sio_emit(sk, m, SIO_RELIABLE);
        sio_message_free(&m);
    } else if (tb_str_eq(ev->name, TB_LIT("message-with-ack")) && ev->ack != SIO_NO_ACK) {
        sio_ack_binary(sk, ev->ack, ev->args, ev->attachments, ev->n_attachments);
    }
}

static const struct sio_handler main_handler = { .on_connect = greet, .on_event = answer };
static const struct sio_handler custom_handler = { .on_connect = greet };

struct both {
    struct eio_engine *engine;
    struct sio_server *server;
};

static void
close_both(void *ctx)
{
    struct both *b = ctx;

    eio_engine_close(b->engine);
    sio_server_close(b->server);
}

static void
serve(uint32_t patience)
{
    struct sio_options options = sio_default_options;
    struct net_eio    *host[2] = { net_eio_new(net), net_eio_new(net) };
    struct both        b;
    sigset_t           stop;
    pthread_t          waiter;

    options.eio.ping_interval_ms = PING_INTERVAL_MS * patience;
    options.eio.ping_timeout_ms = PING_TIMEOUT_MS * patience;
    options.eio.max_payload = MAX_PAYLOAD;
    options.connect_timeout_ms = CONNECT_TIMEOUT_MS * patience;
    b.engine = eio_engine_new(net_eio_host(host[0]), &options.eio, &echo_handler, NULL);
    b.server = sio_server_new(net_eio_host(host[1]), &options, NULL, NULL);
    sio_namespace_add(b.server, TB_LIT("/"), &main_handler, NULL);
    sio_namespace_add(b.server, TB_LIT("/custom"), &custom_handler, NULL);
    net_eio_serve(host[0], b.engine, "/engine.io/", MAX_PAYLOAD);
    net_eio_serve(host[1], sio_server_engine(b.server), "/socket.io/", MAX_PAYLOAD);
    net_on_stop(net, close_both, &b);
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);    /* for the waiter alone */
    pthread_create(&waiter, NULL, await_signal, &stop);
    printf("listening on %u\n", net_port(net));
    fflush(stdout);
    net_run(net);
    pthread_join(waiter, NULL);
    eio_engine_free(&b.engine);
    sio_server_free(&b.server);
    net_eio_free(&host[0]);
    net_eio_free(&host[1]);
}

int
main(int argc, char **argv)
{
    struct tb_err       e = { 0 };
    uint64_t            port = 0, patience = 1;
    struct net_settings settings = { .host = "127.0.0.1", .max_body = MAX_PAYLOAD, .header_timeout_ms = 10000,
                                     .idle_timeout_ms = 60000, .max_connections = 20000, .cors_origins = "*" };

    if (argc < 2 || argc > 3 || !tb_str_to_uint(tb_str_of(argv[1]), UINT16_MAX, &port) ||
        (argc == 3 && !tb_str_to_uint(tb_str_of(argv[2]), MOST_PATIENCE, &patience)) || patience == 0) {
        fprintf(stderr, "usage: sio-conformance PORT [PATIENCE]\n");
        return 2;
    }
    settings.port = (uint16_t)port;
    tb_thread_become(TB_LOOP);
    if (net_open(&net, &settings, &e) != TB_OK) {
        fprintf(stderr, "sio-conformance: %s\n", e.why);
        return 1;
    }
    serve((uint32_t)patience);
    net_close(&net);
    return 0;
}
