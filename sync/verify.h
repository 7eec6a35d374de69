#pragma once
/* `tombolo sync verify`: is what should be the same here and at the centre the same? Both sides are read as they were at one
 * moment each; what ops that only one of them had by then have touched is on its way, and no difference.
 * Threads: the one that opened both. */
#include "centre.h"
#include "store/inspect.h"

/* What has left this journal or the centre's op_log because it is old is no difference either. Of an op that is on both sides all is
 * compared: when, what, and its chain; what the centre has parked keeps its place only, and may have another kind.
 *
 * On its way: rows touched by ops that one side has and the other not. More are refused: a person should wait. */
enum { SYNC_MAX_UNDERWAY = 1000000 };

enum sync_thing { SYNC_USER, SYNC_ROOM, SYNC_MEMBER, SYNC_MESSAGE, SYNC_RECEIPT, SYNC_CLAIM, SYNC_OP, SYNC_THING_COUNT };
enum sync_fault { SYNC_MISSING_THERE, SYNC_MISSING_HERE, SYNC_DIFFERS };

struct sync_difference {
    enum sync_thing what;
    enum sync_fault is;
    int64_t         id;             /* of the user, room or message; of a member the room, of a receipt the message, of a claim to an
                                     * e-mail the user, of an op its seq */
    uint32_t        node;           /* of an op; otherwise 0 */
    int64_t         user_id;        /* of a member or a receipt; otherwise 0 */
    bool            is_parked;      /* the centre has refused an op that would have written it */
};

struct sync_verified {
    struct { int64_t here, there; } rows[SYNC_THING_COUNT];
    int64_t                         n_underway, n_pruned, n_differences;
};

const char *sync_thing_name(enum sync_thing what);      /* "user" ... */
const char *sync_fault_name(enum sync_fault fault);     /* "missing there", "missing here", "differs" */

/* TB_ECONFLICT: the centre is not this journal's. TB_EBUSY: too much is on its way. */
enum tb_code sync_verify(struct store_inspector *here, struct sync_centre *there,
                         void (*report)(void *ctx, const struct sync_difference *), void *ctx, struct sync_verified *out,
                         struct tb_err *e) TB_MUST_CHECK;
