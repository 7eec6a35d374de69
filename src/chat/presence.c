/* Who is online. A user is offline when his last socket has been gone for the grace time; changes are told in gatherings of
 * 200 ms, and a change that was undone meanwhile is not told at all. Status is volatile: sockets that are behind miss it.
 * The last seen of those who come, go and stay is stored in one op a gathering, so that a crash leaves everyone with a time
 * that is at most LAST_SEEN_MS old; and with it whether he is online, for returning.c. */
#include "live_inside.h"

#include "base/log.h"

enum {
    TELL_MS = 200,
    LAST_SEEN_MS = 5 * 60 * 1000,
};

/* ---- last seen ---- */

struct seeing {
    struct store_set_last_seen r;
    struct live               *live;
    struct store_seen         *users;
};

static void
on_seen(struct store_op *op)
{
    struct seeing *s = TB_CONTAINER(op, struct seeing, r.op);

    s->live->n_pending--;
    if (op->err.code != TB_OK)
        log_warn("live.last_seen_not_stored", "n=%zu why=\"%s\"", s->r.n, op->err.why);
    store_op_fini(op);
    tb_free(s->users);
    tb_free(s);
}

void
presence_store(struct live *l, struct store_seen *users, size_t n)
{
    if (n == 0) {
        tb_free(users);
        return;
    }
    struct seeing *s = TB_NEW(struct seeing);

    s->live = l;
    s->r.users = s->users = users;
    s->r.n = n;
    s->r.op.reply_to = l->settings.mailbox;
    s->r.op.on_done = on_seen;
    l->n_pending++;
    store_set_last_seen(l->settings.store, &s->r);
}

static bool
is_changed(const struct user *u)
{
    return u->is_changed;
}

static bool
is_online(const struct user *u)
{
    return u->n_clients > 0 || u->offline_at_ms != 0;
}

/* One op for all users for whom is_wanted says so. */
static void
store_last_seen(struct live *l, bool (*is_wanted)(const struct user *u))
{
    struct store_seen *seen = tb_alloc(HASH_COUNT(l->users) * sizeof *seen);
    int64_t            now = tb_wall_ms(l->settings.clock);
    size_t             n = 0;

    for (struct user *u = l->users; u != NULL; u = u->hh.next)
        if (is_wanted(u))
            seen[n++] = (struct store_seen){ .user_id = u->id, .at = u->n_clients > 0 ? now : u->left_at,
                                             .is_online = is_online(u) };
    presence_store(l, seen, n);
}

/* ---- telling ---- */

bool
live_is_online(const struct live *l, int64_t user_id)
{
    const struct user *u = live_find_user(l, user_id);
    return u != NULL && is_online(u);
}

static void
tell_later(struct live *l, struct user *u)
{
    if (!u->is_changed) {
        u->is_changed = true;
        u->next_changed = l->changed;
        l->changed = u;
    }
    if (l->tell_at_ms == 0)
        l->tell_at_ms = tb_mono_ms(l->settings.clock) + TELL_MS;
    live_wake(l, l->tell_at_ms);
}

void
presence_came(struct live *l, struct user *u)
{
    u->offline_at_ms = 0;
    tell_later(l, u);
}

void
presence_went(struct live *l, struct user *u)
{
    u->left_at = tb_wall_ms(l->settings.clock);
    u->offline_at_ms = tb_mono_ms(l->settings.clock) + l->settings.presence_grace_ms;
    if (u->offline_at_ms == 0)
        u->offline_at_ms = 1;
    live_wake(l, u->offline_at_ms);
}

/* One that has got in: the others are in no rooms yet. */
static const struct sio_socket *
socket_in_rooms(const struct user *u)
{
    for (const struct client *c = u->clients; c != NULL; c = c->next)
        if (c->is_accepted)
            return c->socket;
    return NULL;
}

/* Everyone, or those who share a room with him. */
void
presence_tell(struct live *l, int64_t user_id, bool is_online, const tb_str *rooms, size_t n_rooms)
{
    struct tb_buf     args = TB_BUF_INIT;
    struct sio_target to = { 0 };

    packet_status(&args, user_id, is_online);
    struct sio_message *m = sio_message_new(l->ns, TB_LIT("user_status"), tb_buf_str(&args));
    if (l->settings.audience == LIVE_SHARED_ROOMS)
        to = (struct sio_target){ .rooms = rooms, .n_rooms = n_rooms };
    if (l->settings.audience == LIVE_EVERYONE || n_rooms > 0)
        feed_notice(l, &to, m);
    sio_message_free(&m);
    tb_buf_fini(&args);
}

/* His sockets are in exactly his rooms while he has any. */
static void
tell_status(struct live *l, const struct user *u, bool is_online)
{
    const struct sio_socket *his = socket_in_rooms(u);

    if (his == NULL) {
        presence_tell(l, u->id, is_online, u->left_rooms, u->n_left_rooms);
        return;
    }
    size_t  n = sio_room_count(his);
    tb_str *rooms = tb_alloc(n * sizeof *rooms);
    for (size_t i = 0; i < n; i++)
        rooms[i] = sio_room_at(his, i);
    presence_tell(l, u->id, is_online, rooms, n);
    tb_free(rooms);
}

static void
tell_all(struct live *l)
{
    l->tell_at_ms = 0;
    store_last_seen(l, is_changed);
    while (l->changed != NULL) {
        struct user *u = l->changed;
        bool         online = live_is_online(l, u->id);
        l->changed = u->next_changed;
        u->is_changed = false;
        if (online != u->is_announced)
            tell_status(l, u, online);
        u->is_announced = online;
        if (!online)
            live_forget_user(l, u);
    }
}

static void
end_grace_times(struct live *l, int64_t now)
{
    struct user *next;

    for (struct user *u = l->users; u != NULL; u = next) {
        next = u->hh.next;
        if (u->n_clients > 0 || u->offline_at_ms == 0)
            continue;
        if (u->offline_at_ms > now) {
            live_wake(l, u->offline_at_ms);
            continue;
        }
        u->offline_at_ms = 0;
        tell_later(l, u);
    }
}

void
presence_tick(struct live *l, int64_t now_ms)
{
    if (l->is_stopping)
        return;         /* it is the server that goes: who comes back to it was never away */
    end_grace_times(l, now_ms);
    if (l->tell_at_ms != 0 && now_ms >= l->tell_at_ms)
        tell_all(l);
    if (now_ms >= l->seen_at_ms) {
        if (l->seen_at_ms != 0)
            store_last_seen(l, is_online);
        l->seen_at_ms = now_ms + LAST_SEEN_MS;
    }
    live_wake(l, l->seen_at_ms);
    if (l->tell_at_ms != 0)
        live_wake(l, l->tell_at_ms);
}

void
presence_stop(struct live *l)
{
    store_last_seen(l, is_online);
}
