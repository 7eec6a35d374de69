/* Streams: what is left of a connection when HTTP has let go of it. h2o's socket stays, with the same net_conn.
 * With TLS h2o makes a record, and its overhead, of every slice that is written, so slices are gathered first; it has
 * encrypted, and by that copied them, when the call to write returns.
 * Always: at most one write is under way; after net_stream_close or on_gone nothing here is touched again; h2o does not read for
 * a stream exactly while something of its input is left. */
#include "net/internal.h"

#include "base/thread.h"

#include <assert.h>
#include <h2o/http1.h>

enum { KEEP_GATHERED = 65536 };     /* bytes of memory kept for the next gathering */

struct net_stream {
    struct net                  *net;
    h2o_socket_t                *sock;      /* NULL until the 101 is out */
    const struct net_stream_ops *ops;
    void                        *app;
    bool                         is_closed; /* by us, before the 101 was out */
};

/* With TLS the last record goes out first, for which the sweep gives it some time. */
static void
close_socket(h2o_socket_t *sock)
{
    struct net_conn *conn = sock->on_close.data;

    conn->is_stream = false;
    conn->is_closing = true;
    net_conn_touch(conn);
    h2o_socket_close(sock);
}

static void
stream_free(struct net_stream *s)
{
    if (s->sock != NULL)
        close_socket(s->sock);
    tb_free(s);
}

static void
end(struct net_stream *s)
{
    s->ops->on_gone(s->app);
    stream_free(s);
}

static void on_read(h2o_socket_t *sock, const char *err);

static void
hand_in(struct net_stream *s)
{
    h2o_socket_t *sock = s->sock;
    size_t        n = sock->input->size, n_left = n;

    if (n > 0 && !s->ops->on_input(s->app, sock->input->bytes, &n_left))
        return;
    h2o_buffer_consume(&sock->input, n - n_left);
    if (n_left > 0)
        h2o_socket_read_stop(sock);
    else
        h2o_socket_read_start(sock, on_read);
}

size_t
net_stream_left(const struct net_stream *s, char **bytes)
{
    *bytes = s->sock->input->bytes;
    return s->sock->input->size;
}

void
net_stream_took(struct net_stream *s, size_t n)
{
    h2o_buffer_consume(&s->sock->input, n);
    if (s->sock->input->size == 0)
        h2o_socket_read_start(s->sock, on_read);
}

static void
on_read(h2o_socket_t *sock, const char *err)
{
    struct net_stream *s = sock->data;

    if (err != NULL)
        end(s);
    else
        hand_in(s);
}

static void
on_written(h2o_socket_t *sock, const char *err)
{
    struct net_stream *s = sock->data;

    if (err != NULL)
        end(s);
    else
        s->ops->on_written(s->app);
}

/* h2o has written the 101 and let go. Early bytes of the peer lie behind the request in the socket's buffer. */
static void
on_upgraded(void *ctx, h2o_socket_t *sock, size_t request_bytes)
{
    struct net_stream *s = ctx;

    if (sock == NULL || s->is_closed) {
        if (sock != NULL)
            h2o_socket_close(sock);
        if (!s->is_closed)
            s->ops->on_gone(s->app);
        tb_free(s);
        return;
    }
    s->sock = sock;
    sock->data = s;
    struct net_conn *conn = sock->on_close.data;
    net_conn_touch(conn);
    conn->is_stream = true;
    net_conn_speaks(conn, NET_WEBSOCKET);
    net_front_end(conn);
    h2o_buffer_consume(&sock->input, request_bytes);
    s->ops->on_open(s->app);
    hand_in(s);
}

static void
add_header(h2o_req_t *h2o, tb_str name, tb_str value)
{
    h2o_iovec_t n = h2o_strdup(&h2o->pool, name.p, name.n), v = h2o_strdup(&h2o->pool, value.p, value.n);

    h2o_add_header_by_str(&h2o->pool, &h2o->res.headers, n.base, n.len, 0, NULL, v.base, v.len);
}

struct net_stream *
net_upgrade(struct net_request *pub, const struct net_header *headers, size_t n_headers,
            const struct net_stream_ops *ops, void *app)
{
    assert(tb_thread_is(TB_LOOP));
    h2o_req_t *h2o = net_req_take(pub);
    if (h2o == NULL) {
        net_req_forget(pub);
        return NULL;
    }
    struct net_stream *s = TB_NEW(struct net_stream);
    *s = (struct net_stream){ .net = net_of(h2o), .ops = ops, .app = app };
    h2o->res.status = 101;
    h2o->res.reason = "Switching Protocols";
    add_header(h2o, TB_LIT("upgrade"), pub->upgrade);
    for (size_t i = 0; i < n_headers; i++)
        add_header(h2o, headers[i].name, headers[i].value);
    net_req_forget(pub);        /* not before: headers may point into it */
    h2o_http1_upgrade(h2o, NULL, 0, on_upgraded, s);
    return s;
}

static void
write_gathered(struct net_stream *s, const tb_str *slices, size_t n)
{
    struct tb_buf *all = &s->net->gathered;

    tb_buf_clear(all);
    for (size_t i = 0; i < n; i++)
        tb_buf_add(all, slices[i]);
    h2o_iovec_t one = h2o_iovec_init(all->p, all->n);
    h2o_socket_write(s->sock, &one, 1, on_written);
    if (all->n > KEEP_GATHERED)
        tb_buf_fini(all);
}

void
net_stream_write(struct net_stream *s, const tb_str *slices, size_t n)
{
    h2o_iovec_t vec[NET_MAX_SLICES];

    assert(n >= 1 && n <= NET_MAX_SLICES && s->sock != NULL);
    if (s->sock->ssl != NULL && n > 1) {
        write_gathered(s, slices, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        vec[i] = h2o_iovec_init(slices[i].p, slices[i].n);
    h2o_socket_write(s->sock, vec, n, on_written);
}

void
net_stream_close(struct net_stream *s)
{
    if (s->sock == NULL)
        s->is_closed = true;        /* on_upgraded will end it */
    else
        stream_free(s);
}
