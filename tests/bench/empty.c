/* bench-empty: a handler that answers "{}" at once, on the same loop as the server's: what HTTP itself costs. */
#include "base/log.h"
#include "base/thread.h"
#include "net/net.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *
await_end(void *net)
{
    sigset_t end;
    int      got;

    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigwait(&end, &got);
    net_stop(net);
    return NULL;
}

/* SIGTERM stops the loop, from a thread of its own. */
static pthread_t
start_waiter(struct net *net)
{
    pthread_t waiter;

    if (pthread_create(&waiter, NULL, await_end, net) != 0)
        abort();
    return waiter;
}

static void
answer(void *ctx, struct net_request *r)
{
    (void)ctx;
    net_respond(r, &(struct net_response){ .status = 200, .content_type = TB_LIT("application/json"), .body = TB_LIT("{}") });
}

int
main(int argc, char **argv)
{
    struct net_settings settings = { .host = "127.0.0.1", .max_body = 65536, .header_timeout_ms = 10000,
                                     .idle_timeout_ms = 60000, .max_connections = 10000, .cors_origins = "*" };
    struct tb_err       e = { 0 };
    struct net         *net = NULL;
    sigset_t            end;
    uint64_t            port = 0;

    if (argc != 3 || strcmp(argv[1], "--port") != 0 || !tb_str_to_uint(tb_str_of(argv[2]), UINT16_MAX, &port)) {
        fprintf(stderr, "bench-empty --port N\n");
        return 2;
    }
    settings.port = (uint16_t)port;
    log_set(LOG_WARN, LOG_LOGFMT);
    tb_thread_become(TB_LOOP);
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &end, NULL);
    if (net_open(&net, &settings, &e) != TB_OK) {
        fprintf(stderr, "bench-empty: %s\n", e.why);
        return 1;
    }
    net_handle(net, "/", 0, answer, NULL);
    pthread_t waiter = start_waiter(net);
    net_run(net);
    pthread_join(waiter, NULL);
    net_close(&net);
    return 0;
}
