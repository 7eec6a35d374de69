/* Who is typing where. A typing belongs to the socket that told of it. The room hears of it but for that socket, at once
 * when it begins and no more often than TYPING_EVERY_MS while it goes on, and in all no more often than live.typing allows a
 * user. The room is told that it ended when the client says so, when the socket ends, leaves the room or sends there, and
 * when the client has said nothing for live.typing_ms; unless another socket of the user still types there. Nothing of it is
 * stored, and sockets that are behind miss it. */
#include "live_inside.h"

#include <utlist.h>

enum {
    TYPING_EVERY_MS = 1000,
    TYPING_ROOMS = 4,                   /* of one socket at once; one that types in more ends the oldest */
};

struct typing {                         /* in the list of the live part while room_id is not 0 */
    struct client *client;
    int64_t        room_id;
    int64_t        told_ms, heard_ms;   /* when the room was told, and when the client last said so */
    struct typing *prev, *next;
};

static void
tell_room(struct live *l, struct sio_socket *except, int64_t room_id, int64_t user_id, bool is_typing)
{
    char              text[24];
    tb_str            room = live_room_name(room_id, text);
    struct sio_target to = { .rooms = &room, .n_rooms = 1, .except_socket = except };
    struct tb_buf     args = TB_BUF_INIT;

    packet_typing(&args, room_id, user_id, is_typing);
    struct sio_message *m = sio_message_new(l->ns, TB_LIT("typing"), tb_buf_str(&args));
    feed_notice(l, &to, m);
    sio_message_free(&m);
    tb_buf_fini(&args);
}

static struct typing *
find_typing(const struct client *c, int64_t room_id)
{
    for (size_t i = 0; c->typing != NULL && i < TYPING_ROOMS; i++)
        if (c->typing[i].room_id == room_id)
            return &c->typing[i];
    return NULL;
}

static void
forget_typing(struct live *l, struct typing *t)
{
    DL_DELETE(l->typing, t);
    t->room_id = 0;
}

static bool
types_elsewhere(const struct user *u, int64_t room_id)
{
    for (const struct client *c = u->clients; c != NULL; c = c->next)
        if (find_typing(c, room_id) != NULL)
            return true;
    return false;
}

/* Not by the client's own word. */
static void
end_typing(struct typing *t)
{
    struct client *c = t->client;
    int64_t        room_id = t->room_id;

    forget_typing(c->live, t);
    if (!c->live->is_stopping && !types_elsewhere(c->user, room_id))
        tell_room(c->live, c->socket, room_id, c->user->id, false);
}

/* A free place, or the one of the room in which the socket has typed longest ago. */
static struct typing *
take_place(struct client *c)
{
    struct typing *oldest = find_typing(c, 0);

    if (c->typing == NULL)
        return c->typing = tb_alloc_zero(TYPING_ROOMS * sizeof *c->typing);
    if (oldest != NULL)
        return oldest;
    oldest = &c->typing[0];
    for (size_t i = 1; i < TYPING_ROOMS; i++)
        if (c->typing[i].heard_ms < oldest->heard_ms)
            oldest = &c->typing[i];
    end_typing(oldest);
    return oldest;
}

/* The end of what was told is always told, and so no more often than beginnings are. */
static bool
may_tell(struct client *c, int64_t *wait_us)
{
    struct live *l = c->live;

    if (chat_limit_admit(l->typings, chat_limit_key_of(c->user->id), tb_mono_us(l->settings.clock), wait_us))
        return true;
    live_hit(HIT_TYPING);
    return false;
}

/* The list is in the order in which typings end by themselves. */
static void
hear_typing(struct live *l, struct typing *t, int64_t now)
{
    t->heard_ms = now;
    DL_APPEND(l->typing, t);
    live_wake(l, l->typing->heard_ms + l->settings.limits.typing_ms);
}

static bool
begin_typing(struct client *c, int64_t room_id, int64_t *wait_us)
{
    struct live   *l = c->live;
    int64_t        now = tb_mono_ms(l->settings.clock);
    struct typing *t = find_typing(c, room_id);
    bool           is_told = t != NULL && now - t->told_ms < TYPING_EVERY_MS;

    if (!is_told && !may_tell(c, wait_us))
        return false;
    if (t != NULL)
        DL_DELETE(l->typing, t);
    else
        t = take_place(c);
    *t = (struct typing){ .client = c, .room_id = room_id, .told_ms = is_told ? t->told_ms : now };
    hear_typing(l, t, now);
    if (!is_told)
        tell_room(l, c->socket, room_id, c->user->id, true);
    return true;
}

bool
typing_set(struct client *c, int64_t room_id, bool is_typing, int64_t *wait_us)
{
    struct typing *t = find_typing(c, room_id);

    if (is_typing)
        return begin_typing(c, room_id, wait_us);
    if (t == NULL && !may_tell(c, wait_us))
        return false;
    if (t != NULL)
        forget_typing(c->live, t);
    tell_room(c->live, c->socket, room_id, c->user->id, false);
    return true;
}

void
typing_end(struct client *c, int64_t room_id)
{
    struct typing *t = find_typing(c, room_id);

    if (t != NULL)
        end_typing(t);
}

void
typing_end_member(struct live *l, int64_t user_id, int64_t room_id)
{
    struct user *u = live_find_user(l, user_id);

    for (struct client *c = u != NULL ? u->clients : NULL; c != NULL; c = c->next)
        typing_end(c, room_id);
}

void
typing_end_all(struct client *c)
{
    for (size_t i = 0; c->typing != NULL && i < TYPING_ROOMS; i++)
        if (c->typing[i].room_id != 0)
            end_typing(&c->typing[i]);
    tb_free(c->typing);
    c->typing = NULL;
}

void
typing_tick(struct live *l, int64_t now_ms)
{
    int64_t lasts_ms = l->settings.limits.typing_ms;

    while (l->typing != NULL && l->typing->heard_ms + lasts_ms <= now_ms)
        end_typing(l->typing);
    if (l->typing != NULL)
        live_wake(l, l->typing->heard_ms + lasts_ms);
}
