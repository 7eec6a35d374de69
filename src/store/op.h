#pragma once
/* The ops: every change of durable state, one struct each, and their way to the journal's body (compact JSON) and back
 * (DESIGN section 1). Kinds and names are final: bodies are kept byte for byte, here and at the centre.
 * Threads: plain values. */
#include "base/arena.h"
#include "tombolo/err.h"

/* number (in both databases), name, members of the body */
#define OP_KINDS(X)                    \
    X(OP_PARKED,           0, "parked")           /* only in the centre's op_log: an op whose effect was refused */ \
    X(OP_USER_REGISTERED,  1, "user_registered")  \
    X(OP_PASSWORD_CHANGED, 2, "password_changed") \
    X(OP_PROFILE_CHANGED,  3, "profile_changed")  \
    X(OP_EMAIL_PARKED,     4, "email_parked")     \
    X(OP_ROOM_CREATED,     5, "room_created")     \
    X(OP_MEMBER_JOINED,    6, "member_joined")    \
    X(OP_MEMBER_LEFT,      7, "member_left")      \
    X(OP_MESSAGE_SENT,     8, "message_sent")     \
    X(OP_DELIVERED,        9, "delivered")        \
    X(OP_READ,            10, "read")             \
    X(OP_LAST_SEEN,       11, "last_seen")

enum op_kind {
#define X(name, number, text) name = number,
    OP_KINDS(X)
#undef X
    OP_KIND_COUNT
};

enum { OP_VERSION = 1 };                /* of every body so far; a higher one is refused until the program is newer */

struct op_receipts {                    /* one user's, of messages of one room */
    int64_t  room_id, user_id;
    int64_t *message_ids;
    size_t   n;
};

struct op_seen { int64_t user_id, at; };

struct op {
    enum op_kind kind;
    int          version;
    uint32_t     node;                  /* the origin; with seq the origin's order */
    int64_t      seq;
    int64_t      at;                    /* hlc; the first stamp of what the op creates */
    int64_t      pos;                   /* in this journal; 0 until appended */
    union {
        struct { int64_t id, created_at; tb_str email, username, hash; } user_registered;
        struct { int64_t user_id, stamp; tb_str hash; } password_changed;
        struct { int64_t user_id, stamp; tb_str email, username; } profile_changed;     /* p NULL: unchanged */
        struct { int64_t user_id, stamp; tb_str email; } email_parked;                  /* stamp: the claim's */
        struct { int64_t id, created_at, created_by; bool is_private; tb_str name; } room_created;
        struct { int64_t id, room_id, user_id, by_id, stamp, joined_at; } member_joined;
        struct { int64_t room_id, user_id, by_id, stamp; } member_left;
        struct { int64_t id, room_id, sender_id, created_at; tb_str content; } message_sent;
        struct { int64_t at; struct op_receipts *of; size_t n; } receipts;              /* delivered and read */
        struct { struct op_seen *users; size_t n; } last_seen;
    };
};

const char *op_kind_name(enum op_kind kind);

/* The body of op, appended to out. */
void op_write(const struct op *op, struct tb_buf *out);

/* The op of a body. Text and arrays live in mem. TB_EINPUT: not a body of that kind, or of a version that is newer than
 * this program. node, seq, at and pos are left 0. */
enum tb_code op_parse(int kind, int version, tb_str body, struct tb_arena *mem, struct op *out, struct tb_err *e)
    TB_MUST_CHECK;

/* The one room, and the one user, that the op is about; 0 where there are none or several. */
int64_t op_room(const struct op *op);
int64_t op_user(const struct op *op);

/* A copy whose content and arrays live in mem: of the kinds that sockets hear of (messages, receipts, membership). */
struct op op_copy(const struct op *op, struct tb_arena *mem);

/* E-mails are one when their keys are: trimmed, ASCII letters folded (DESIGN section 6). Lives in mem. */
tb_str op_email_key(tb_str email, struct tb_arena *mem);
