/* See fake_store.h. Every request begins with its store_op. */
#include "fake_store.h"
#include "tap.h"

static enum fake_what   waiting;
static struct store_op *request;

enum fake_what
fake_waiting(void)
{
    return waiting;
}

void *
fake_request(enum fake_what what)
{
    assert_int_equal(what, waiting);
    return request;
}

void
fake_answer(enum fake_what what, enum tb_code code)
{
    struct store_op *op = fake_request(what);

    waiting = FAKE_NOTHING;
    op->err = (struct tb_err){ .code = TB_OK };
    if (code != TB_OK)
        tb_fail(&op->err, code, NULL, "as the test wants");
    op->on_done(op);
}

static void
wait(enum fake_what what, struct store_op *op)
{
    assert_int_equal(FAKE_NOTHING, waiting);
    waiting = what;
    request = op;
}

void
store_op_fini(struct store_op *op)
{
    tb_arena_fini(&op->mem);
}

#define FAKE(name, what)                                \
    void store_##name(struct store *s, struct store_##name *r)  \
    {                                                   \
        (void)s;                                        \
        wait(what, &r->op);                             \
    }

FAKE(add_user, FAKE_ADD_USER)
FAKE(change_user, FAKE_CHANGE_USER)
FAKE(add_room, FAKE_ADD_ROOM)
FAKE(add_member, FAKE_ADD_MEMBER)
FAKE(remove_member, FAKE_REMOVE_MEMBER)
FAKE(add_message, FAKE_ADD_MESSAGE)
FAKE(add_read, FAKE_ADD_READ)
FAKE(find_login, FAKE_FIND_LOGIN)
FAKE(find_user, FAKE_FIND_USER)
FAKE(find_sent, FAKE_FIND_SENT)
FAKE(list_rooms, FAKE_LIST_ROOMS)
FAKE(list_members, FAKE_LIST_MEMBERS)
FAKE(list_messages, FAKE_LIST_MESSAGES)
FAKE(list_receipts, FAKE_LIST_RECEIPTS)
