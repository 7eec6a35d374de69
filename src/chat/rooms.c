/* Rooms and who is in them. */
#include "inside.h"

static void
on_created(struct store_op *op)
{
    struct chat_create_room *r = TB_CONTAINER(op, struct chat_create_room, add.op);
    chat_done_as(&r->call, op);
}

void
chat_create_room(struct chat *c, struct chat_create_room *r)
{
    chat_begin(c, &r->call);
    if (chat_check_room_name(&r->name, c->limits.room_name_chars, &r->call.err) != TB_OK) {
        chat_done(&r->call);
        return;
    }
    r->add.creator_id = r->call.user_id;
    r->add.name = r->name;
    r->add.is_private = r->is_private;
    chat_ready(&r->call, &r->add.op, on_created);
    store_add_room(c->store, &r->add);
}

static void
on_joined(struct store_op *op)
{
    struct chat_join *j = TB_CONTAINER(op, struct chat_join, add.op);
    chat_done_as(&j->call, op);
}

void
chat_join(struct chat *c, struct chat_join *j)
{
    chat_begin(c, &j->call);
    j->add.room_id = j->room_id;
    j->add.user_id = j->add.by_id = j->call.user_id;
    chat_ready(&j->call, &j->add.op, on_joined);
    store_add_member(c->store, &j->add);
}

static void
on_member_added(struct store_op *op)
{
    struct chat_add_member *m = TB_CONTAINER(op, struct chat_add_member, add.op);
    chat_done_as(&m->call, op);
}

void
chat_add_member(struct chat *c, struct chat_add_member *m)
{
    chat_begin(c, &m->call);
    m->add.room_id = m->room_id;
    m->add.user_id = m->member_user_id;
    m->add.by_id = m->call.user_id;
    chat_ready(&m->call, &m->add.op, on_member_added);
    store_add_member(c->store, &m->add);
}

static void
on_left(struct store_op *op)
{
    struct chat_leave *l = TB_CONTAINER(op, struct chat_leave, remove.op);
    chat_done_as(&l->call, op);
}

void
chat_leave(struct chat *c, struct chat_leave *l)
{
    chat_begin(c, &l->call);
    l->remove.room_id = l->room_id;
    l->remove.user_id = l->call.user_id;
    chat_ready(&l->call, &l->remove.op, on_left);
    store_remove_member(c->store, &l->remove);
}

static void
on_rooms(struct store_op *op)
{
    struct chat_list_rooms *l = TB_CONTAINER(op, struct chat_list_rooms, list.op);
    chat_done_as(&l->call, op);
}

void
chat_list_rooms(struct chat *c, struct chat_list_rooms *l)
{
    chat_begin(c, &l->call);
    l->list.user_id = l->call.user_id;
    chat_ready(&l->call, &l->list.op, on_rooms);
    store_list_rooms(c->store, &l->list);
}

static void
on_members(struct store_op *op)
{
    struct chat_list_members *l = TB_CONTAINER(op, struct chat_list_members, list.op);
    chat_done_as(&l->call, op);
}

void
chat_list_members(struct chat *c, struct chat_list_members *l)
{
    chat_begin(c, &l->call);
    l->list.room_id = l->room_id;
    l->list.user_id = l->call.user_id;
    l->list.after = l->cursor;
    l->list.limit = l->limit;
    chat_ready(&l->call, &l->list.op, on_members);
    store_list_members(c->store, &l->list);
}
