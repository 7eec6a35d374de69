/* The server and its namespaces, which live as long as it does. */
#include "server.h"

#include <assert.h>

const struct sio_options sio_default_options = {
    .eio = EIO_DEFAULTS,
    .connect_timeout_ms = 45000,
    .max_before_connect = 8192,
    .max_attachments = 10,
    .max_attachment_bytes = 10000000,
    .max_namespaces = 16,
};

static tb_str
namespace_key(const void *item)
{
    return ((const struct sio_namespace *)item)->name;
}

static tb_str
sid_key(const void *item)
{
    return sio_socket_id(item);
}

struct sio_server *
sio_server_new(const struct eio_host *host, const struct sio_options *options, const struct sio_server_handler *handler,
               void *ctx)
{
    struct sio_server *srv = TB_NEW(struct sio_server);

    srv->host = *host;
    srv->options = options != NULL ? *options : sio_default_options;
    srv->handler = handler;
    srv->ctx = ctx;
    host->random(host->ctx, srv->seed, sizeof srv->seed);
    eio_index_init(&srv->namespaces, namespace_key, srv->seed);
    srv->engine = eio_engine_new(host, &srv->options.eio, &sio_conn_handler, srv);
    return srv;
}

struct eio_engine *
sio_server_engine(struct sio_server *srv)
{
    return srv->engine;
}

void
sio_server_close(struct sio_server *srv)
{
    eio_engine_close(srv->engine);
}

static void
free_namespace(struct sio_namespace *nsp)
{
    assert(nsp->n == 0);
    eio_index_fini(&nsp->by_sid);
    sio_rooms_fini(&nsp->rooms);
    tb_free(nsp->all);
    tb_str_free(&nsp->name);
    tb_free(nsp);
}

void
sio_server_free(struct sio_server **server)
{
    struct sio_server    *srv = *server;
    struct sio_namespace *nsp;
    size_t                at = 0;

    if (srv == NULL)
        return;
    eio_engine_free(&srv->engine);
    while ((nsp = eio_index_next(&srv->namespaces, &at)) != NULL)
        free_namespace(nsp);
    eio_index_fini(&srv->namespaces);
    tb_buf_fini(&srv->out);
    tb_buf_fini(&srv->name);
    tb_free(srv);
    *server = NULL;
}

struct sio_namespace *
sio_namespace_add(struct sio_server *srv, tb_str name, const struct sio_handler *handler, void *ctx)
{
    assert(name.n > 0 && name.p[0] == '/');
    if (eio_index_find(&srv->namespaces, name) != NULL)
        return NULL;

    struct sio_namespace *nsp = TB_NEW(struct sio_namespace);
    nsp->server = srv;
    nsp->handler = handler;
    nsp->ctx = ctx;
    nsp->name = tb_str_dup(name);
    eio_index_init(&nsp->by_sid, sid_key, srv->seed);
    sio_rooms_init(&nsp->rooms, srv->seed);
    eio_index_add(&srv->namespaces, nsp);
    return nsp;
}

struct sio_namespace *
sio_namespace_find(struct sio_server *srv, tb_str name)
{
    return eio_index_find(&srv->namespaces, name);
}

void
sio_namespace_without_attachments(struct sio_namespace *nsp)
{
    nsp->drops_attachments = true;
}

tb_str
sio_namespace_name(const struct sio_namespace *nsp)
{
    return nsp->name;
}

size_t
sio_namespace_size(const struct sio_namespace *nsp)
{
    return nsp->n;
}

struct sio_socket *
sio_socket_find(struct sio_namespace *nsp, tb_str sid)
{
    return eio_index_find(&nsp->by_sid, sid);
}

size_t
sio_room_size(const struct sio_namespace *nsp, tb_str room)
{
    const struct sio_room *found = sio_rooms_find(&nsp->rooms, room);
    return found != NULL ? found->n : 0;
}
