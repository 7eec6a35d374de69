/* Engine.IO on the loop. A GET or POST becomes an eio_request that knows its net_request; an upgrade becomes a stream whose two
 * sides, net's and the library's, know each other from the 101 to the end of either. */
#include "net/eio.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

static_assert(EIO_MAX_SLICES <= (int)NET_MAX_SLICES, "a write of the library's fits one of the loop's");

struct net_eio {
    struct net        *net;
    struct eio_engine *engine;          /* NULL until net_eio_serve */
    struct eio_host    host;
    struct net_timer  *timer;
    struct net_at_end *flush;
    struct net_tally  *gets, *posts, *upgrades;
};

/* One request, in the library's hands until respond. */
struct exchange {
    struct eio_request  rq;
    struct net_request *net;
};

/* One upgraded connection. */
struct road {
    struct eio_stream *eio;
    struct net_stream *net;
};

/* ---- the host's side of time ---- */

static int64_t
now_ms(void *ctx)
{
    return net_now_ms(((struct net_eio *)ctx)->net);
}

static void
wake_at(void *ctx, int64_t at_ms)
{
    struct net_eio *h = ctx;
    int64_t         now = now_ms(ctx);

    if (at_ms == INT64_MAX)
        net_timer_stop(h->timer);
    else
        net_timer_start(h->timer, at_ms > now ? (uint64_t)(at_ms - now) : 0);
}

static void
on_timer(void *ctx)
{
    eio_engine_tick(((struct net_eio *)ctx)->engine);
}

static void
flush_soon(void *ctx)
{
    net_at_end_wish(((struct net_eio *)ctx)->flush);
}

static void
on_turn_end(void *ctx)
{
    eio_engine_flush(((struct net_eio *)ctx)->engine);
}

static void
random_bytes(void *ctx, void *out, size_t n)
{
    (void)ctx;
    randombytes_buf(out, n);
}

/* ---- requests ---- */

static struct exchange *
exchange_of(struct eio_request *rq)
{
    return TB_CONTAINER(rq, struct exchange, rq);
}

static void
respond(struct eio_request *rq, int status, const char *content_type, tb_str body)
{
    struct exchange  *x = exchange_of(rq);
    char              seconds[12];
    int               n = snprintf(seconds, sizeof seconds, "%" PRIu32, rq->retry_after_s);
    struct net_header headers[] = { { TB_LIT("cache-control"), TB_LIT("no-store") },
                                    { TB_LIT("retry-after"), { .p = seconds, .n = (size_t)n } } };

    x->net->on_gone = NULL;
    net_respond(x->net, &(struct net_response){ .status = status, .content_type = tb_str_of(content_type), .body = body,
                                                .headers = headers, .n_headers = rq->retry_after_s > 0 ? 2 : 1 });
    tb_free(x);
}

static tb_str
header(const struct eio_request *rq, tb_str name)
{
    return net_request_header(((const struct exchange *)(const void *)rq)->net, name);      /* rq is its first member */
}

static const struct eio_request_ops request_ops = { .respond = respond, .header = header };

static void
on_gone(struct net_request *net)
{
    struct exchange *x = net->app;

    eio_request_gone(&x->rq);
    net_respond(net, &(struct net_response){ .status = 200 });      /* goes nowhere */
    tb_free(x);
}

static enum eio_method
method_of(tb_str method)
{
    if (tb_str_eq(method, TB_LIT("GET")))
        return EIO_GET;
    return tb_str_eq(method, TB_LIT("POST")) ? EIO_POST : EIO_OTHER_METHOD;
}

static struct exchange *
exchange_new(struct net_request *net)
{
    struct exchange *x = TB_NEW(struct exchange);

    x->net = net;
    x->rq = (struct eio_request){ .ops = &request_ops, .method = method_of(net->method), .query = net->query,
                                  .content_type = net_request_header(net, TB_LIT("content-type")), .body = net->body,
                                  .peer = net->peer };
    net->app = x;
    return x;
}

/* ---- WebSocket ---- */

static void
road_write(void *conn, const tb_str *slices, size_t n)
{
    net_stream_write(((struct road *)conn)->net, slices, n);
}

static void
road_close(void *conn)
{
    struct road *r = conn;

    if (r->net != NULL)
        net_stream_close(r->net);
    tb_free(r);
}

static size_t
road_left(void *conn, char **bytes)
{
    return net_stream_left(((struct road *)conn)->net, bytes);
}

static void
road_took(void *conn, size_t n)
{
    net_stream_took(((struct road *)conn)->net, n);
}

static const struct eio_stream_ops stream_ops = { .write = road_write, .close = road_close, .left = road_left,
                                                  .took = road_took };

static void
road_opened(void *app)
{
    eio_stream_opened(((struct road *)app)->eio);
}

static bool
road_input(void *app, char *bytes, size_t *n)
{
    return eio_stream_input(((struct road *)app)->eio, bytes, n);
}

static void
road_written(void *app)
{
    eio_stream_written(((struct road *)app)->eio);
}

static void
road_gone(void *app)
{
    struct road *r = app;

    eio_stream_gone(r->eio);
    tb_free(r);
}

static const struct net_stream_ops net_ops = { .on_open = road_opened, .on_input = road_input, .on_written = road_written,
                                               .on_gone = road_gone };

static void
refuse(struct net_request *net, int status, tb_str message)
{
    static const struct net_header headers[] = { { TB_LIT("sec-websocket-version"), TB_LIT("13") } };   /* [RFC 6455 4.4] */

    net_respond(net, &(struct net_response){ .status = status, .content_type = TB_LIT("text/plain; charset=utf-8"),
                                             .body = message, .headers = headers, .n_headers = 1 });
}

static void
upgrade(struct net_eio *h, struct net_request *net)
{
    char          accept[EIO_WS_ACCEPT_SIZE];
    struct tb_buf lines = TB_BUF_INIT;

    bool is_good = eio_ws_accept(net->upgrade, net_request_list(net, TB_LIT("connection"), &lines),
                                 net_request_header(net, TB_LIT("sec-websocket-version")),
                                 net_request_header(net, TB_LIT("sec-websocket-key")), accept);
    tb_buf_fini(&lines);
    if (!is_good) {
        refuse(net, 400, TB_LIT("This is no WebSocket handshake that is understood here."));
        return;
    }
    if (!net->is_own_page && !net_allows_origin(h->net, net_request_header(net, TB_LIT("origin")))) {
        refuse(net, 403, TB_LIT("Pages of this origin may not connect."));
        return;
    }
    struct road     *r = TB_NEW(struct road);
    struct exchange *x = exchange_new(net);
    r->eio = eio_engine_upgrade(h->engine, &x->rq, &stream_ops, r);
    if (r->eio == NULL) {               /* it has been answered, and the exchange freed */
        tb_free(r);
        return;
    }
    tb_free(x);
    net->app = NULL;
    tb_str                  protocol = eio_ws_subprotocol(net_request_header(net, TB_LIT("sec-websocket-protocol")));
    const struct net_header headers[] = {
        { TB_LIT("sec-websocket-accept"), { .p = accept, .n = sizeof accept } },
        { TB_LIT("sec-websocket-protocol"), protocol },
    };
    r->net = net_upgrade(net, headers, protocol.n > 0 ? 2 : 1, &net_ops, r);
    if (r->net == NULL)
        road_gone(r);
}

/* ---- both ---- */

/* Whoever offers another protocol may as well be answered in this one (RFC 9110 section 7.8). */
static bool
wants_websocket(const struct net_request *net)
{
    return eio_ws_is_named(net->upgrade);
}

static struct net_tally *
tally_of(const struct net_eio *h, const struct net_request *net)
{
    if (wants_websocket(net))
        return h->upgrades;
    switch (method_of(net->method)) {
    case EIO_GET:
        return h->gets;
    case EIO_POST:
        return h->posts;
    case EIO_OTHER_METHOD:
        break;
    }
    return NULL;
}

static void
on_request(void *ctx, struct net_request *net)
{
    struct net_eio *h = ctx;

    net->tally = tally_of(h, net);
    net->may_wait = net->tally == h->gets;
    if (wants_websocket(net)) {
        upgrade(h, net);
        return;
    }
    struct exchange *x = exchange_new(net);
    net->on_gone = on_gone;
    eio_engine_request(h->engine, &x->rq);
}

static size_t
max_body(void *ctx, tb_str query)
{
    return eio_engine_max_body(((struct net_eio *)ctx)->engine, query);
}

struct net_eio *
net_eio_new(struct net *net)
{
    struct net_eio *h = TB_NEW(struct net_eio);

    h->net = net;
    h->host = (struct eio_host){ .now_ms = now_ms, .wake_at = wake_at, .flush_soon = flush_soon, .random = random_bytes,
                                 .ctx = h };
    h->timer = net_timer_new(net, on_timer, h);
    h->flush = net_at_end_new(net, on_turn_end, h);
    return h;
}

const struct eio_host *
net_eio_host(struct net_eio *h)
{
    return &h->host;
}

static struct net_tally *
tally(const char *method, const char *prefix)
{
    struct tb_buf     name = TB_BUF_INIT;
    struct net_tally *found;

    tb_buf_printf(&name, "%s %s", method, prefix);
    found = net_tally(name.p);
    tb_buf_fini(&name);
    return found;
}

void
net_eio_serve(struct net_eio *h, struct eio_engine *engine, const char *prefix, size_t max_payload)
{
    h->engine = engine;
    h->gets = tally("GET", prefix);
    h->posts = tally("POST", prefix);
    h->upgrades = tally("UPGRADE", prefix);     /* to a WebSocket */
    net_handle(h->net, prefix, max_payload, on_request, h);
    net_limit_bodies(h->net, prefix, max_body);
}

void
net_eio_free(struct net_eio **h)
{
    if (*h == NULL)
        return;
    net_timer_free(&(*h)->timer);
    net_at_end_free(&(*h)->flush);
    tb_free(*h);
    *h = NULL;
}
