#pragma once
/* Who is where: the rooms of one namespace. A room exists while someone is in it. Joining, leaving and leaving all take
 * time that does not depend on how many are in the room.
 * Threads: the engine's. */
#include "index.h"

enum { SIO_ROOM_NAME_MAX = 255 };   /* bytes */

struct sio_room;
struct sio_place;

struct sio_member {                 /* a room's view of one who is in it */
    struct sio_place *place;
    uint32_t          at;           /* in place->in */
};

struct sio_membership {             /* the other way round */
    struct sio_room *room;
    uint32_t         at;            /* in room->members */
};

/* Embedded in whoever can be in rooms; zeroed before its first use. */
struct sio_place {
    struct sio_membership *in;      /* n of them, in no order; NULL when in none */
    uint32_t               n, cap;
};

struct sio_room {
    struct sio_member *members;     /* n of them, in no order */
    uint32_t           n, cap;
    uint8_t            n_name;
    char               name[];
};

struct sio_rooms {
    struct eio_index by_name;
};

void             sio_rooms_init(struct sio_rooms *, const uint64_t seed[2]);
void             sio_rooms_fini(struct sio_rooms *);                        /* all must be empty; asserted */
struct sio_room *sio_rooms_find(const struct sio_rooms *, tb_str name);     /* or NULL */
void             sio_rooms_join(struct sio_rooms *, struct sio_place *, tb_str name);   /* twice is once */
void             sio_rooms_leave(struct sio_rooms *, struct sio_place *, tb_str name);  /* not in it: nothing happens */
void             sio_rooms_leave_all(struct sio_rooms *, struct sio_place *);
bool             sio_place_is_in(const struct sio_place *, const struct sio_room *);    /* room may be NULL */

static inline tb_str
sio_room_name(const struct sio_room *room)
{
    return (tb_str){ .p = room->name, .n = room->n_name };
}
