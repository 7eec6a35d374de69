/* sio-echo PORT: a small Socket.IO server. `echo` comes back, `say` reaches the others of a room, `ask` makes the server
 * ask its client, `leave` makes it say goodbye. Listens on loopback; ends on SIGTERM. */
#include "base/thread.h"
#include "net/eio.h"
#include "tombolo/sio.h"

#include <signal.h>
#include <stdio.h>

static struct net *net;

static void *
await_signal(void *which)
{
    int number;

    sigwait(which, &number);
    net_stop(net);                                      /* any thread may */
    return NULL;
}

static void
on_connect(void *ctx, struct sio_socket *sk, tb_str auth)
{
    (void)ctx, (void)auth;                              /* look at auth, and sio_refuse whom you do not know */
    sio_accept(sk, TB_STR_NULL, TB_STR_NULL);
    sio_join(sk, TB_LIT("lobby"));
}

static void
on_answer(void *ctx, struct sio_socket *sk, enum sio_outcome outcome, const struct sio_event *answer)
{
    (void)ctx;
    sio_send(sk, TB_LIT("answered"), outcome == SIO_ANSWERED ? answer->args : TB_LIT("null"));
}

static void
on_event(void *ctx, struct sio_socket *sk, const struct sio_event *ev)
{
    struct sio_namespace *ns = sio_socket_namespace(sk);
    tb_str                lobby = TB_LIT("lobby");

    (void)ctx;
    if (tb_str_eq(ev->name, TB_LIT("echo")) && ev->ack != SIO_NO_ACK) {
        sio_ack_binary(sk, ev->ack, ev->args, ev->attachments, ev->n_attachments);
    } else if (tb_str_eq(ev->name, TB_LIT("say"))) {
        struct sio_message *m = sio_message_new_binary(ns, TB_LIT("said"), ev->args, ev->attachments, ev->n_attachments);
        sio_emit_to(ns, &(struct sio_target){ .rooms = &lobby, .n_rooms = 1, .except_socket = sk }, m, SIO_RELIABLE);
        sio_message_free(&m);
    } else if (tb_str_eq(ev->name, TB_LIT("ask"))) {
        sio_ask(sk, &(struct sio_ask){ .event = TB_LIT("question"), .args = ev->args, .timeout_ms = 5000,
                                       .on_answer = on_answer });
    } else if (tb_str_eq(ev->name, TB_LIT("leave"))) {
        sio_disconnect(sk);
    }
}

static struct sio_server *server;

static void
on_stop(void *ctx)
{
    (void)ctx;
    sio_server_close(server);
}

int
main(int argc, char **argv)
{
    static const struct sio_handler handler = { .on_connect = on_connect, .on_event = on_event };
    struct net_settings settings = { .host = "127.0.0.1", .max_body = 1000000, .header_timeout_ms = 10000,
                                     .idle_timeout_ms = 60000, .max_connections = 1000, .cors_origins = "*" };
    struct tb_err       e = { 0 };
    uint64_t            port = 0;
    sigset_t            stop;
    pthread_t           waiter;

    if (argc != 2 || !tb_str_to_uint(tb_str_of(argv[1]), UINT16_MAX, &port))
        return fprintf(stderr, "usage: sio-echo PORT\n"), 2;
    settings.port = (uint16_t)port;
    tb_thread_become(TB_LOOP);
    if (net_open(&net, &settings, &e) != TB_OK)
        return fprintf(stderr, "sio-echo: %s\n", e.why), 1;

    struct net_eio *host = net_eio_new(net);
    server = sio_server_new(net_eio_host(host), NULL, NULL, NULL);
    sio_namespace_add(server, TB_LIT("/"), &handler, NULL);
    net_eio_serve(host, sio_server_engine(server), "/socket.io/", sio_default_options.eio.max_payload);
    net_on_stop(net, on_stop, NULL);
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);            /* for the waiter alone */
    pthread_create(&waiter, NULL, await_signal, &stop);
    printf("listening on %u\n", net_port(net));
    fflush(stdout);
    net_run(net);
    pthread_join(waiter, NULL);
    sio_server_free(&server);
    net_eio_free(&host);
    net_close(&net);
    return 0;
}
