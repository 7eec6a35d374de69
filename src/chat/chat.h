#pragma once
/* What one can do in the chat, in domain words. REST and the Socket.IO events are two doors to the same calls, so that
 * both meet the same checks, in the same order, with the same texts.
 *
 * A call is a zeroed struct on the heap that begins with a struct chat_call. The caller fills the "in" members and
 * call.on_done, hands it to its chat_* function and leaves it alone until on_done runs, once, on the loop: maybe before
 * the function returns, when a check fails. "out" members are set when call.err.code is TB_OK; their text and
 * arrays are valid until chat_call_fini, which every call must get before its memory is freed.
 * A door sees to it that what is required is there and has the right type (fields.h); what it may be is judged here.
 * Threads: all of it on the loop, but for chat_open, chat_stop and chat_close. */
#include "chat/check.h"
#include "chat/fields.h"
#include "chat/hasher.h"
#include "chat/password.h"
#include "chat/token.h"
#include "store/beyond.h"
#include "store/store.h"

struct chat;

struct chat_limits {                        /* see limit.* in conf/tombolo.conf; a rate of 0 is off */
    unsigned messages, messages_window_ms;  /* sends a user and window */
    unsigned logins, logins_window_ms;      /* tries an account, address and window; 0: no limit on those of an address either */
    unsigned address_logins;                /* tries an address and window */
    size_t   tracked;                       /* users, and addresses, whose rates are remembered */
    unsigned password_min;                  /* bytes of a new password */
    size_t   content_bytes;                 /* of a message, once trimmed */
    size_t   room_name_chars;
    size_t   read_ids;                      /* message ids in one call */
};

enum chat_registration { CHAT_REGISTRATION_OPEN, CHAT_REGISTRATION_TOKEN, CHAT_REGISTRATION_CLOSED };

struct chat_settings {
    struct store          *store;           /* outlives the chat */
    struct tb_mailbox     *mailbox;         /* the loop's; outlives the chat */
    const struct tb_clock *clock;
    struct chat_limits     limits;
    struct chat_hasher_settings hasher;
    struct chat_token_settings  token;      /* its texts are copied */
    enum chat_registration registration;
    tb_str                 registration_token;      /* copied */
    const struct store_beyond_ops *beyond;  /* how the centre is asked for what has left the journal; NULL: there is none */
    void                          *beyond_ctx;
};

enum tb_code chat_open(struct chat **out, const struct chat_settings *settings, struct tb_err *e) TB_MUST_CHECK;
void         chat_stop(struct chat *);      /* any thread: password work that has not begun is answered TB_EBUSY */
void         chat_close(struct chat **);    /* after the last on_done; joins the hashers */
void         chat_set_limits(struct chat *, const struct chat_limits *);    /* SIGHUP; what was counted stays counted */

void         chat_set_centre(struct chat *, const char *uuid);              /* the loop; see chat_tokens_set_centre */

struct chat_queues { size_t hashes, hashes_max, loop; };        /* what waits for the hashers, and for the loop */
void chat_queues(const struct chat *, struct chat_queues *out);

/* Who bears this token. TB_EAUTH: nobody whom we know, or no longer. */
enum tb_code chat_authenticate(struct chat *, tb_str token, struct chat_claims *out, struct tb_err *e) TB_MUST_CHECK;

enum { CHAT_OPS = 3 };                          /* no call needs more of the store */

struct chat_call {                              /* the first member of every call below */
    void           (*on_done)(struct chat_call *);  /* in */
    int64_t          user_id;                   /* in: who asks; 0 where nobody is known yet */
    struct store_who who;                       /* in: of the token that came with the call; all 0: it was looked at before */
    tb_str           about;                     /* in: what the log says whom it is for (log_about); borrowed until on_done */
    tb_str           peer;                      /* in: his address, where passwords are tried; borrowed until on_done */
    const atomic_bool *is_unwanted;             /* in: NULL, or once it is true the call may end early, with TB_EBUSY. Not for
                                                 * calls that change something; borrowed until on_done */
    struct tb_err    err;                       /* out */
    struct chat     *chat;                      /* the chat's, as are the next two */
    struct store_op *ops[CHAT_OPS];
    unsigned         n_ops;
};

void chat_call_fini(struct chat_call *call);    /* frees what the out members point into */

/* ---- accounts ---- */

/* Passwords are overwritten before on_done. TB_EINPUT, TB_ELIMIT, TB_ETAKEN; TB_EDENIED: chat_settings.registration. */
struct chat_register {
    struct chat_call   call;
    tb_str             email, username;         /* in: borrowed until on_done */
    struct chat_secret password;                /* in: borrowed until on_done */
    tb_str             registration_token;      /* in: p NULL for none; borrowed until on_done */
    const struct store_user *user;              /* out */
    tb_str             token;                   /* out */
    struct chat_hash_job   job;                 /* the chat's, as is the next */
    struct store_add_user  add;
};
void chat_register(struct chat *, struct chat_register *);

/* TB_EAUTH: the same text after the same time whether or not the e-mail is known. TB_ECONFLICT, after the password was
 * right: the e-mail belongs to another account; TB_EDENIED likewise: the account is disabled. TB_ELIMIT: counted
 * before the password is looked at. */
struct chat_login {
    struct chat_call   call;
    tb_str             email;                   /* in: borrowed until on_done */
    struct chat_secret password;                /* in: borrowed until on_done */
    const struct store_user *user;              /* out */
    tb_str             token;                   /* out */
    struct chat_hash_job     job;               /* the chat's, as are the next */
    struct store_find_login  find;
    size_t                   n_losers_tried;
    struct store_change_user upgrade;
};
void chat_login(struct chat *, struct chat_login *);

/* Any of the three may be left NULL and stays as it was; one is needed. TB_EINPUT, TB_EAUTH: the current password is
 * another, TB_ELIMIT, TB_ETAKEN. */
struct chat_change_me {
    struct chat_call   call;
    tb_str             email, username;         /* in: borrowed until on_done */
    struct chat_secret password, current;       /* in: borrowed until on_done */
    const struct store_user *user;              /* out */
    tb_str                   token;             /* out: p NULL unless the password was set: those of before have ended */
    struct chat_hash_job     job;               /* the chat's, as are the next */
    struct store_find_user   find;
    struct store_change_user change;
};
void chat_change_me(struct chat *, struct chat_change_me *);

/* ---- rooms ---- */

struct chat_create_room {                       /* TB_EINPUT; TB_EDENIED: he is in too many */
    struct chat_call      call;
    tb_str                name;                 /* in: borrowed until on_done; trimmed afterwards */
    bool                  is_private;           /* in */
    struct store_add_room add;                  /* out: room_id, member_id, created_at */
};
void chat_create_room(struct chat *, struct chat_create_room *);

struct chat_join {                              /* TB_ENOTFOUND: also a private room. Idempotent */
    struct chat_call        call;
    int64_t                 room_id;            /* in */
    struct store_add_member add;                /* out: member_id, was_member */
};
void chat_join(struct chat *, struct chat_join *);

struct chat_add_member {                        /* TB_EDENIED: who asks is no member; TB_ENOTFOUND: no room or user */
    struct chat_call        call;
    int64_t                 room_id, member_user_id;    /* in */
    struct store_add_member add;                /* out: member_id, was_member */
};
void chat_add_member(struct chat *, struct chat_add_member *);

struct chat_leave {                             /* TB_ENOTFOUND: he is no member */
    struct chat_call           call;
    int64_t                    room_id;         /* in */
    struct store_remove_member remove;
};
void chat_leave(struct chat *, struct chat_leave *);

struct chat_list_rooms {
    struct chat_call        call;
    struct store_list_rooms list;               /* out: rooms, n */
};
void chat_list_rooms(struct chat *, struct chat_list_rooms *);

struct chat_list_members {                      /* TB_EDENIED: who asks is no member */
    struct chat_call          call;
    int64_t                   room_id, cursor;  /* in: cursor 0: from the lowest user id */
    unsigned                  limit;            /* in: 1..CHAT_MEMBERS_MAX */
    struct store_list_members list;             /* out: items, n, next_after */
};
enum { CHAT_MEMBERS_MAX = 1000 };
void chat_list_members(struct chat *, struct chat_list_members *);

/* ---- messages ---- */

/* In this order: TB_EINPUT or TB_ETOOBIG for the content, TB_EINPUT for the key; a key that is known gives its message
 * again, or TB_EREUSED; TB_ELIMIT; TB_EDENIED: no member. Only what was stored counts for the rate. */
struct chat_send {
    struct chat_call            call;
    int64_t                     room_id;        /* in */
    tb_str                      content;        /* in: borrowed until on_done */
    tb_str                      key;            /* in: p NULL for none; borrowed until on_done */
    const struct store_message *message;        /* out */
    int64_t                     counted_us;     /* the chat's, as are the next */
    struct store_find_sent      find;
    struct store_add_message    add;
};
void chat_send(struct chat *, struct chat_send *);

/* What has left the journal comes from the centre; when that cannot be asked, the page ends before it and is partial: its
 * next_cursor is its last item's, so that it goes on without a gap later, and 0 when there is none.
 * TB_EINPUT: cursor or since; TB_EDENIED: no member. */
struct chat_history {
    struct chat_call           call;
    int64_t                    room_id, cursor; /* in: cursor 0: from the newest */
    tb_str                     since;           /* in: p NULL for none; borrowed until on_done */
    unsigned                   limit;           /* in: 1..CHAT_HISTORY_MAX */
    const struct store_message *items;          /* out */
    size_t                      n;              /* out */
    bool                        is_partial;     /* out */
    struct store_list_messages  list;           /* out: next_cursor, offset; items and n of those that are here */
    struct store_beyond         rest;           /* the chat's */
};
enum { CHAT_HISTORY_MAX = 100 };
void chat_history(struct chat *, struct chat_history *);

/* Many are done in steps of CHAT_READ_STEP: each is a change of its own, and the others go on in between. TB_EINPUT: none, or
 * more than limit.read_ids. */
enum { CHAT_READ_STEP = 1000 };
struct chat_read {
    struct chat_call      call;
    int64_t               room_id;              /* in: 0 for any */
    struct chat_ids       ids;                  /* in: borrowed until on_done */
    size_t                count;                /* out: known and in rooms of theirs */
    size_t                n_done;               /* the chat's, as is the next */
    struct store_add_read add;
};
void chat_read(struct chat *, struct chat_read *);

/* TB_ENOTFOUND: also for no member. Of a message that has left they come from the centre; when that cannot be asked, there are
 * none, and the list is partial. */
struct chat_receipts {
    struct chat_call            call;
    int64_t                     message_id;     /* in */
    const struct store_receipt *items;          /* out */
    size_t                      n;              /* out */
    bool                        is_partial;     /* out */
    struct store_list_receipts  list, judge;    /* the chat's, as is the next */
    struct store_beyond         rest;
};
void chat_receipts(struct chat *, struct chat_receipts *);
