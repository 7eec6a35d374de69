/* A room lists its members and each place lists its rooms; every entry knows where its counterpart is, so taking one
 * out is: put the last one into the gap, and tell its counterpart. */
#include "rooms.h"

#include <assert.h>

enum { FIRST_MEMBERS = 4 };

static tb_str
key(const void *item)
{
    return sio_room_name(item);
}

void
sio_rooms_init(struct sio_rooms *rs, const uint64_t seed[2])
{
    eio_index_init(&rs->by_name, key, seed);
}

void
sio_rooms_fini(struct sio_rooms *rs)
{
    assert(rs->by_name.n == 0);
    eio_index_fini(&rs->by_name);
}

struct sio_room *
sio_rooms_find(const struct sio_rooms *rs, tb_str name)
{
    return eio_index_find(&rs->by_name, name);
}

static struct sio_room *
room_new(struct sio_rooms *rs, tb_str name)
{
    assert(name.n >= 1 && name.n <= SIO_ROOM_NAME_MAX);
    struct sio_room *room = tb_alloc_zero(sizeof(*room) + name.n);
    room->n_name = (uint8_t)name.n;
    memcpy(room->name, name.p, name.n);
    eio_index_add(&rs->by_name, room);
    return room;
}

/* Where room is in the place's list, or place->n. The shorter of the two lists is searched. */
static uint32_t
find_membership(const struct sio_place *place, const struct sio_room *room)
{
    if (place->n <= room->n) {
        uint32_t i = 0;
        while (i < place->n && place->in[i].room != room)
            i++;
        return i;
    }
    for (uint32_t i = 0; i < room->n; i++)
        if (room->members[i].place == place)
            return room->members[i].at;
    return place->n;
}

bool
sio_place_is_in(const struct sio_place *place, const struct sio_room *room)
{
    return room != NULL && find_membership(place, room) < place->n;
}

/* Room for one more of size bytes in a list of n. */
static void *
grown(void *list, uint32_t n, uint32_t *cap, uint32_t first, size_t size)
{
    if (n < *cap)
        return list;
    *cap = *cap ? 2 * *cap : first;
    return tb_realloc(list, *cap * size);
}

void
sio_rooms_join(struct sio_rooms *rs, struct sio_place *place, tb_str name)
{
    struct sio_room *room = sio_rooms_find(rs, name);

    if (room == NULL)
        room = room_new(rs, name);
    else if (sio_place_is_in(place, room))
        return;
    room->members = grown(room->members, room->n, &room->cap, FIRST_MEMBERS, sizeof(room->members[0]));
    place->in = grown(place->in, place->n, &place->cap, 1, sizeof(place->in[0]));
    room->members[room->n] = (struct sio_member){ .place = place, .at = place->n };
    place->in[place->n++] = (struct sio_membership){ .room = room, .at = room->n++ };
}

static void
take_member_out(struct sio_rooms *rs, struct sio_room *room, uint32_t at)
{
    struct sio_member last = room->members[--room->n];

    if (at < room->n) {
        room->members[at] = last;
        last.place->in[last.at].at = at;
    }
    if (room->n > 0)
        return;
    eio_index_remove(&rs->by_name, room);
    tb_free(room->members);
    tb_free(room);
}

static void
leave_at(struct sio_rooms *rs, struct sio_place *place, uint32_t i)
{
    struct sio_membership gone = place->in[i], last = place->in[--place->n];

    if (i < place->n) {
        place->in[i] = last;
        last.room->members[last.at].at = i;
    }
    take_member_out(rs, gone.room, gone.at);
}

static void
free_if_empty(struct sio_place *place)
{
    if (place->n > 0)
        return;
    tb_free(place->in);
    *place = (struct sio_place){ 0 };
}

void
sio_rooms_leave(struct sio_rooms *rs, struct sio_place *place, tb_str name)
{
    struct sio_room *room = sio_rooms_find(rs, name);
    uint32_t         i = room != NULL ? find_membership(place, room) : place->n;

    if (i < place->n)
        leave_at(rs, place, i);
    free_if_empty(place);
}

void
sio_rooms_leave_all(struct sio_rooms *rs, struct sio_place *place)
{
    while (place->n > 0)
        leave_at(rs, place, place->n - 1);
    free_if_empty(place);
}
