/* Bodies of row_ops.h. */
#include "row_ops.h"

#include <assert.h>

enum { PART_REGISTERED, PART_EMAIL, PART_USERNAME, PART_PASSWORD, PART_EMAIL_PARKED, PART_SEEN, PARTS_OF_USER };
enum { PART_DELIVERED, PART_READ };

static_assert((int)PARTS_OF_USER == (int)ROW_OPS_MAX, "no row has more");

static struct op *
add(struct row_ops *out, int part, enum op_kind kind, uint32_t node, int64_t at)
{
    out->ops[part] = (struct op){ .kind = kind, .version = OP_VERSION, .node = node, .at = at };
    return &out->ops[part];
}

static void
begin(struct row_ops *out)
{
    for (int i = 0; i < ROW_OPS_MAX; i++)
        out->ops[i].kind = OP_PARKED;
}

/* ---- users ---- */

static void
add_registered(struct row_ops *out, const struct row_user *u)
{
    struct op *op = add(out, PART_REGISTERED, OP_USER_REGISTERED, u->node, u->hlc);

    op->user_registered.id = u->id;
    op->user_registered.created_at = u->created_at;
    op->user_registered.email = u->email;
    op->user_registered.username = u->username;
    op->user_registered.hash = u->password;
}

static struct op *
add_profile(struct row_ops *out, int part, const struct row_user *u, uint32_t node, int64_t stamp)
{
    struct op *op = add(out, part, OP_PROFILE_CHANGED, node, stamp);

    op->profile_changed.user_id = u->id;
    op->profile_changed.stamp = stamp;
    return op;
}

static void
add_password(struct row_ops *out, const struct row_user *u)
{
    struct op *op = add(out, PART_PASSWORD, OP_PASSWORD_CHANGED, u->password_node, u->password_stamp);

    op->password_changed.user_id = u->id;
    op->password_changed.stamp = u->password_stamp;
    op->password_changed.hash = u->password;
}

static void
add_parked(struct row_ops *out, const struct row_user *u)
{
    struct op *op = add(out, PART_EMAIL_PARKED, OP_EMAIL_PARKED, u->email_node, u->email_stamp);

    op->email_parked.user_id = u->id;
    op->email_parked.email = u->email;
    op->email_parked.stamp = u->email_stamp;
}

static void
add_seen(struct row_ops *out, const struct row_user *u)
{
    struct op *op = add(out, PART_SEEN, OP_LAST_SEEN, u->node, u->hlc);

    out->seen = (struct op_seen){ .user_id = u->id, .at = u->last_seen };
    op->last_seen.users = &out->seen;
    op->last_seen.n = 1;
}

/* Of one who has only been heard of values may have come, and his first op has not. */
void
row_ops_user(const struct row_user *u, struct row_ops *out)
{
    begin(out);
    if (u->hlc > 0)
        add_registered(out, u);
    if (u->email_stamp > u->hlc)
        add_profile(out, PART_EMAIL, u, u->email_node, u->email_stamp)->profile_changed.email = u->email;
    if (u->username_stamp > u->hlc)
        add_profile(out, PART_USERNAME, u, u->username_node, u->username_stamp)->profile_changed.username = u->username;
    if (u->password_stamp > u->hlc)
        add_password(out, u);
    if (u->is_parked)
        add_parked(out, u);
    if (u->last_seen > 0)
        add_seen(out, u);
}

/* ---- the others ---- */

void
row_ops_room(const struct row_room *r, struct row_ops *out)
{
    begin(out);
    struct op *op = add(out, 0, OP_ROOM_CREATED, r->node, r->hlc);

    op->room_created.id = r->id;
    op->room_created.name = r->name;
    op->room_created.is_private = r->is_private;
    op->room_created.created_by = r->created_by;
    op->room_created.created_at = r->created_at;
}

void
row_ops_member(const struct row_member *m, struct row_ops *out)
{
    begin(out);
    struct op *op = add(out, 0, m->is_member ? OP_MEMBER_JOINED : OP_MEMBER_LEFT, m->node, m->stamp);

    if (m->is_member) {
        op->member_joined.room_id = m->room_id, op->member_joined.user_id = m->user_id,
        op->member_joined.by_id = m->by_id;
        op->member_joined.stamp = m->stamp;
        op->member_joined.id = m->id;
        op->member_joined.joined_at = m->joined_at;
    } else {
        op->member_left.room_id = m->room_id, op->member_left.user_id = m->user_id, op->member_left.by_id = m->by_id;
        op->member_left.stamp = m->stamp;
    }
}

void
row_ops_message(const struct row_message *m, struct row_ops *out)
{
    begin(out);
    struct op *op = add(out, 0, OP_MESSAGE_SENT, m->node, m->hlc);

    op->message_sent.id = m->id;
    op->message_sent.room_id = m->room_id, op->message_sent.sender_id = m->sender_id;
    op->message_sent.created_at = m->created_at;
    op->message_sent.content = m->content;
}

static void
add_receipt(struct row_ops *out, int part, enum op_kind kind, int64_t at)
{
    struct op *op = add(out, part, kind, 0, 0);

    op->receipts.at = at;
    op->receipts.of = &out->receipt;
    op->receipts.n = 1;
}

/* Who has read it has it: where both came at once the one op says both. */
void
row_ops_receipt(const struct row_receipt *r, struct row_ops *out)
{
    begin(out);
    out->message_id = r->message_id;
    out->receipt = (struct op_receipts){ .user_id = r->user_id, .message_ids = &out->message_id, .n = 1 };
    if (r->delivered_at != 0 && r->delivered_at != r->read_at)
        add_receipt(out, PART_DELIVERED, OP_DELIVERED, r->delivered_at);
    if (r->read_at != 0)
        add_receipt(out, PART_READ, OP_READ, r->read_at);
}
