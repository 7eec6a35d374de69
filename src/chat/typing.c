/* Who is typing where. It is told to the room but for the socket that types, to members only, at once when it changes and
 * no more often than TYPING_EVERY_MS while it goes on, and in all no more often than live.typing allows a user; when the
 * typist is gone, the others are told that it ended. Nothing of it is stored and sockets that are behind miss it. */
#include "live_inside.h"

enum { TYPING_EVERY_MS = 1000 };

static void
tell(struct live *l, struct sio_socket *except, int64_t room_id, int64_t user_id, bool is_typing)
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
find_room(struct user *u, int64_t room_id)
{
    for (size_t i = 0; i < TYPING_ROOMS; i++)
        if (u->typing[i].room_id == room_id)
            return &u->typing[i];
    return NULL;
}

/* A free place, or the one of the room where he has typed longest ago, whose members are told. */
static struct typing *
take_place(struct live *l, struct user *u)
{
    struct typing *oldest = &u->typing[0];

    for (size_t i = 1; i < TYPING_ROOMS; i++)
        if (u->typing[i].room_id == 0 || (oldest->room_id != 0 && u->typing[i].at_ms < oldest->at_ms))
            oldest = &u->typing[i];
    if (oldest->room_id != 0)
        tell(l, NULL, oldest->room_id, u->id, false);
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

bool
typing_set(struct client *c, int64_t room_id, bool is_typing, int64_t *wait_us)
{
    struct live   *l = c->live;
    int64_t        now = tb_mono_ms(l->settings.clock);
    struct typing *place = find_room(c->user, room_id);

    if (is_typing && place != NULL && now - place->at_ms < TYPING_EVERY_MS)
        return true;
    if ((is_typing || place == NULL) && !may_tell(c, wait_us))
        return false;
    if (is_typing) {
        if (place == NULL)
            place = take_place(l, c->user);
        *place = (struct typing){ .room_id = room_id, .at_ms = now };
    } else if (place != NULL) {
        place->room_id = 0;
    }
    tell(l, c->socket, room_id, c->user->id, is_typing);
    return true;
}

void
typing_end_all(struct live *l, struct user *u)
{
    for (size_t i = 0; i < TYPING_ROOMS; i++) {
        if (u->typing[i].room_id != 0)
            tell(l, NULL, u->typing[i].room_id, u->id, false);
        u->typing[i].room_id = 0;
    }
}
