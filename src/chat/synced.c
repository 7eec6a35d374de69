/* Who sent a message is told when it is at the centre. The journal knows it too, and history shows it (syncedAt), so this is
 * news for those who are there and not behind, and nobody catches up with it. */
#include "live_inside.h"

#include <stdlib.h>

enum { IDS_A_PACKET = 500 };    /* a month of backlog comes home in pieces that a client can swallow */

static int
by_sender(const void *a, const void *b)
{
    const struct live_synced *x = a, *y = b;

    if (x->sender_id != y->sender_id)
        return x->sender_id < y->sender_id ? -1 : 1;
    return x->message_id < y->message_id ? -1 : x->message_id > y->message_id;
}

static bool
has_live_socket(const struct user *u)
{
    for (const struct client *c = u->clients; c != NULL; c = c->next)
        if (c->state == CLIENT_LIVE)
            return true;
    return false;
}

static void
tell_sockets(const struct user *u, struct sio_message *m)
{
    struct live *l = u->clients->live;
    bool         was_feeding = l->is_feeding;

    l->is_feeding = true;       /* a full queue closes nothing */
    for (struct client *c = u->clients; c != NULL; c = c->next)
        if (c->state == CLIENT_LIVE && sio_socket_queued(c->socket) < l->feed_max_queued / 2)
            (void)sio_emit(c->socket, m, SIO_RELIABLE);
    l->is_feeding = was_feeding;
}

static void
tell_sender(struct live *l, const struct live_synced *messages, size_t n, int64_t at)
{
    struct user   *u = live_find_user(l, messages[0].sender_id);
    struct tb_buf  args = TB_BUF_INIT;
    int64_t        ids[IDS_A_PACKET];

    if (u == NULL || !has_live_socket(u))
        return;
    for (size_t i = 0; i < n; i++)
        ids[i] = messages[i].message_id;
    packet_synced(&args, ids, n, at);
    struct sio_message *m = sio_message_new(l->ns, TB_LIT("synced"), tb_buf_str(&args));
    tell_sockets(u, m);
    sio_message_free(&m);
    tb_buf_fini(&args);
}

void
live_tell_synced(struct live *l, struct live_synced *messages, size_t n, int64_t at)
{
    qsort(messages, n, sizeof *messages, by_sender);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && end - i < IDS_A_PACKET && messages[end].sender_id == messages[i].sender_id; end++)
            continue;
        tell_sender(l, messages + i, end - i, at);
    }
}
