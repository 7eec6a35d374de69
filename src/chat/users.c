/* Whose the sockets are: a user is here while they have sockets, or while others still take them for online. */
#include "live_inside.h"

#include "store/hlc.h"

#include <assert.h>

struct user *
live_find_user(const struct live *l, int64_t id)
{
    struct user *u;

    HASH_FIND(hh, l->users, &id, sizeof id, u);
    return u;
}

static void
free_left_rooms(struct user *u)
{
    for (size_t i = 0; i < u->n_left_rooms; i++)
        tb_str_free(&u->left_rooms[i]);
    tb_free(u->left_rooms);
    u->left_rooms = NULL;
    u->n_left_rooms = 0;
}

void
live_forget_user(struct live *l, struct user *u)
{
    assert(u->n_clients == 0 && !u->is_changed);
    HASH_DEL(l->users, u);
    free_left_rooms(u);
    tb_free(u);
}

struct user *
users_take(struct live *l, int64_t id)
{
    struct user *u = live_find_user(l, id);

    if (u == NULL) {
        u = TB_NEW(struct user);
        u->id = id;
        HASH_ADD(hh, l->users, id, sizeof u->id, u);
    }
    return u;
}

void
user_add_client(struct user *u, struct client *c)
{
    c->user = u;
    c->next = u->clients;
    if (c->next != NULL)
        c->next->prev = c;
    u->clients = c;
    u->n_clients++;
    u->offline_at_ms = 0;
}

/* With their last socket: where they were, so that those who shared a room with them can be told. */
static void
keep_left_rooms(struct user *u, const struct sio_socket *socket)
{
    free_left_rooms(u);
    u->n_left_rooms = sio_room_count(socket);
    u->left_rooms = tb_alloc(u->n_left_rooms * sizeof *u->left_rooms);
    for (size_t i = 0; i < u->n_left_rooms; i++)
        u->left_rooms[i] = tb_str_dup(sio_room_at(socket, i));
}

void
user_remove_client(struct client *c)
{
    struct user *u = c->user;

    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        u->clients = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    if (--u->n_clients > 0)
        return;
    if (u->is_announced || u->is_changed) {
        if (c->is_accepted)         /* else it was in no rooms, and those of the one before it stand */
            keep_left_rooms(u, c->socket);
        presence_went(c->live, u);
    } else {
        live_forget_user(c->live, u);   /* nobody was told of them */
    }
}

/* ---- tokens that end ---- */

static bool
has_expired(const struct client *c, int64_t now)
{
    return c->claims.expires_at <= now;
}

static bool
is_of_before(const struct client *c, int64_t generation)
{
    const struct store_who *w = &c->claims.who;

    return (w->generation != 0 ? w->generation : w->issued_at) < generation;
}

/* The user may be gone afterwards. */
static void
drop_those(struct user *u, bool (*is_over)(const struct client *c, int64_t when), int64_t when)
{
    size_t         n = u->n_clients;
    struct client *next;

    for (struct client *c = u->clients; n-- > 0; c = next) {
        next = c->next;
        if (is_over(c, when))
            client_drop(c);
    }
}

void
users_end_tokens(struct live *l, const struct store_batch *b)
{
    assert(!l->is_feeding);
    for (size_t i = 0; i < b->n; i++) {
        const struct op *op = &b->events[i].op;
        struct user     *u = op->kind == OP_PASSWORD_CHANGED ? live_find_user(l, op->password_changed.user_id) : NULL;
        if (u != NULL)
            drop_those(u, is_of_before, hlc_ms(op->password_changed.stamp));
    }
}

void
users_drop_expired(struct live *l)
{
    int64_t      now = tb_wall_ms(l->settings.clock);
    struct user *next;

    for (struct user *u = l->users; u != NULL; u = next) {
        next = u->hh.next;
        drop_those(u, has_expired, now);
    }
}
