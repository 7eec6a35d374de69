/* bench-sio-server --port N: what bench-sio asks of a server, on our library. sio_server.mjs is the same on npm's socket.io. */
#include "base/log.h"
#include "base/thread.h"
#include "net/eio.h"
#include "tombolo/sio.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static struct net        *net;
static struct sio_server *server;

static void *
await_end(void *end)
{
    int got;

    sigwait(end, &got);
    net_stop(net);
    return NULL;
}

static void
on_stop(void *ctx)
{
    (void)ctx;
    sio_server_close(server);
}

static void
on_event(void *ctx, struct sio_socket *sk, const struct sio_event *ev)
{
    struct sio_namespace *nsp = sio_socket_namespace(sk);

    (void)ctx;
    if (tb_str_eq(ev->name, TB_LIT("echo"))) {
        sio_ack(sk, ev->ack, ev->args);
    } else if (tb_str_eq(ev->name, TB_LIT("say"))) {
        struct sio_message *m = sio_message_new(nsp, TB_LIT("said"), ev->args);
        sio_emit_to(nsp, &(struct sio_target){ .n_rooms = 0 }, m, SIO_RELIABLE);
        sio_message_free(&m);
    }
}

static void
say_hello(void *ctx, struct net_request *rq)
{
    (void)ctx;
    net_respond(rq, &(struct net_response){ .status = 200, .body = TB_LIT("hello") });
}

static void
serve(sigset_t *end)
{
    static const struct sio_handler handler = { .on_event = on_event };
    struct net_eio                 *host = net_eio_new(net);
    pthread_t                       waiter;

    server = sio_server_new(net_eio_host(host), NULL, NULL, NULL);
    sio_namespace_add(server, TB_LIT("/"), &handler, NULL);
    net_eio_serve(host, sio_server_engine(server), "/socket.io/", sio_default_options.eio.max_payload);
    net_handle(net, "/", 0, say_hello, NULL);
    net_on_stop(net, on_stop, NULL);
    if (pthread_create(&waiter, NULL, await_end, end) != 0)
        abort();
    net_run(net);
    pthread_join(waiter, NULL);
    sio_server_free(&server);
    net_eio_free(&host);
}

int
main(int argc, char **argv)
{
    struct net_settings settings = { .host = "127.0.0.1", .max_body = 1000000, .header_timeout_ms = 10000,
                                     .idle_timeout_ms = 60000, .max_connections = 20000 };
    struct tb_err       e = { 0 };
    uint64_t            port = 0;
    sigset_t            end;

    if (argc != 3 || strcmp(argv[1], "--port") != 0 || !tb_str_to_uint(tb_str_of(argv[2]), UINT16_MAX, &port)) {
        fprintf(stderr, "usage: bench-sio-server --port N\n");
        return 2;
    }
    settings.port = (uint16_t)port;
    log_set(LOG_WARN, LOG_LOGFMT);
    tb_thread_become(TB_LOOP);
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &end, NULL);     /* for the waiter alone */
    if (net_open(&net, &settings, &e) != TB_OK) {
        fprintf(stderr, "bench-sio-server: %s\n", e.why);
        return 1;
    }
    serve(&end);
    net_close(&net);
    return 0;
}
