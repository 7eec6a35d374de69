#pragma once
/* The journal: a change is durable here first and reaches MySQL later (DESIGN sections 1-3). Requests in domain words;
 * no SQL shows.
 *
 * Every request begins with a struct store_op. The caller fills the "in" members and op.reply_to and op.on_done, posts
 * it with its store_* function and leaves it alone until on_done runs, once, on the thread that owns reply_to: also
 * when the queue is full (TB_EBUSY), the disk is (TB_EFULL) or the store is closing (TB_EBUSY). "out" members are set when
 * op.err.code is TB_OK; their text and arrays live in op.mem, which the caller frees with store_op_fini.
 * Threads: call from any thread that has a mailbox. Changes run on the writer, in order of arrival, in a shared transaction
 * where each fails by itself, and are answered after COMMIT has synced the WAL. Queries run on one of two readers and see
 * every change that was answered before they were posted.
 * Times are milliseconds since 1970 in UTC unless they say hlc (milliseconds << 16 | logical). Ids are 1..2^53-1. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/mailbox.h"
#include "tombolo/err.h"

#include <stdatomic.h>

struct store;

enum { STORE_NODES = 4096 };        /* sites of a centre at most; node numbers are below it, and 0 is that of a journal alone */

struct store_settings {
    const char            *dir;             /* created with mode 0700 when missing; holds tombolo.db and its WAL */
    const char            *vfs;             /* SQLite VFS, NULL for the default */
    const struct tb_clock *clock;
    size_t                 queue;           /* changes that may wait; beyond: TB_EBUSY */
    size_t                 reader_queue;    /* queries that may wait for one reader */
    size_t                 batch;           /* ops in one transaction, 1..256 */
    uint64_t               reserve_bytes;   /* free space below which changes by users get TB_EFULL */
    unsigned               members_per_room, rooms_per_user;    /* joining beyond is TB_EDENIED */
    uint32_t               node;            /* of a journal that has written nothing; 0: the centre gives it one */
    unsigned               key_keep_days;   /* how long idempotency keys are known */
    int64_t                first_contact_ms;    /* see enum store_awaits; 0: changes wait for nothing */
    unsigned               journal_keep_days, history_keep_days;   /* of what is at the centre: ops, messages; 0: for ever */
};

/* Opens or creates the journal, migrates it, checks header, versions and the tail of the chain, and starts the threads.
 * TB_EIO (why says what and where): damaged, of a newer program, in use by another process, or not writable. */
enum tb_code store_open(struct store **out, const struct store_settings *settings, struct tb_err *e) TB_MUST_CHECK;

/* Refuses new requests, commits and answers what is queued, checkpoints, closes. Answers are in their mailboxes when it
 * returns. Main thread. Accepts NULL inside. */
void store_close(struct store **s);

/* In whose name a request is made, as their token says. The request fails with TB_EAUTH, and does nothing, unless the
 * account is here and its password has not been set since: an id may have been given anew after a restore. */
struct store_who {
    int64_t user_id;            /* 0: nobody's name, nothing is asked */
    int64_t generation;         /* store_user.generation when the token was made; 0: the token does not say, */
    int64_t issued_at;          /* ms: then it must not be older than the password */
};

struct store_op {
    struct tb_msg       msg;                        /* the store's */
    struct tb_mailbox  *reply_to;                   /* in: the thread that hears on_done */
    void              (*on_done)(struct store_op *);/* in: called exactly once, also at shutdown */
    struct store_who    who;                        /* in: all 0, or who asks */
    tb_str              about;                      /* in: for the log (log_about), or none; borrowed until on_done */
    const atomic_bool  *is_unwanted;                /* in: NULL, or once it is true a query that has not run ends with TB_EBUSY */
    struct tb_err       err;                        /* out */
    struct tb_arena     mem;                        /* out: what the other out members point into */
    int                 what;                       /* the store's */
    struct store       *store;                      /* the store's */
};

void store_op_fini(struct store_op *op);            /* frees mem; the op itself is the caller's */

/* ---- changes ---- */

struct store_user {
    int64_t id, created_at, last_seen;              /* last_seen: 0 when never */
    bool    is_disabled;                            /* no token is good, and a login is refused after its password was right */
    int64_t generation;                             /* ms: when the password was last set; a stronger hash of it is none */
    tb_str  email, username;
};

/* TB_ETAKEN when the e-mail is another user's here. E-mails are one when they are the same bytes after trimming and
 * folding ASCII letters. */
struct store_add_user {
    struct store_op   op;
    tb_str            email, username, password_hash;   /* in: borrowed until on_done */
    struct store_user user;                             /* out */
};
void store_add_user(struct store *, struct store_add_user *);

/* Any of the three may be left NULL (p == NULL) and stays as it was. A new password, and disabling and enabling, end the tokens
 * that were made before. TB_ENOTFOUND, TB_ETAKEN. */
struct store_change_user {
    struct store_op   op;
    int64_t           user_id;                          /* in */
    tb_str            email, username, password_hash;   /* in: borrowed until on_done */
    tb_str            only_if_hash;                     /* in: when set, nothing happens unless this is the hash now */
    bool              is_same_password;                 /* in: only hashed anew: tokens stay good, a real change wins over it */
    enum { STORE_AS_IT_WAS, STORE_DISABLE, STORE_ENABLE } lock;      /* in */
    struct store_user user;                             /* out */
};
void store_change_user(struct store *, struct store_change_user *);

/* A room and its creator's membership. TB_EDENIED: the creator is in rooms_per_user rooms. */
struct store_add_room {
    struct store_op op;
    int64_t         creator_id;                         /* in */
    tb_str          name;                               /* in: borrowed until on_done */
    bool            is_private;                         /* in */
    int64_t         room_id, member_id, created_at;     /* out */
};
void store_add_room(struct store *, struct store_add_room *);

/* by_id == user_id: they join by themselves, unless the room is private. Otherwise by_id, a member (else TB_EDENIED), adds them.
 * TB_ENOTFOUND: no such room, a private room that by_id is not in, or no such user. Idempotent. */
struct store_add_member {
    struct store_op op;
    int64_t         room_id, user_id, by_id;            /* in */
    int64_t         member_id;                          /* out */
    bool            was_member;                         /* out: nothing changed */
};
void store_add_member(struct store *, struct store_add_member *);

struct store_remove_member {                            /* TB_ENOTFOUND: he is no member */
    struct store_op op;
    int64_t         room_id, user_id;                   /* in */
};
void store_remove_member(struct store *, struct store_remove_member *);

struct store_message {
    int64_t id, created_at, room_id, sender_id;
    int64_t synced_at;                                  /* when it was at the centre; 0: not yet */
    tb_str  content, sender_username, sender_email;
};

/* TB_EDENIED: the sender is no member. With a key: the same user, key, room and content give the first message again;
 * another room or content under the key is TB_EREUSED. */
struct store_add_message {
    struct store_op      op;
    int64_t              room_id, sender_id;            /* in */
    tb_str               content, key;                  /* in: borrowed until on_done; key.p NULL for none */
    struct store_message message;                       /* out */
    bool                 was_known;                     /* out: the key had been used; nothing was written */
};
void store_add_message(struct store *, struct store_add_message *);

struct store_receipts_of {                              /* one user's news of messages of one room */
    int64_t  room_id, user_id;
    int64_t *message_ids;
    size_t   n;
};

/* Ids that are unknown here (also when the message has left: horizon.h), the user's own or not in rooms of his are passed over;
 * read ones stay as they are. Naming a room that he is not in fails: TB_EDENIED. */
struct store_add_read {
    struct store_op           op;
    int64_t                   user_id, room_id;         /* in: room_id 0 for any room */
    const int64_t            *message_ids;              /* in: borrowed until on_done */
    size_t                    n;                        /* in */
    int64_t                   read_at;                  /* out */
    size_t                    count;                    /* out: known and in rooms of his */
    struct store_receipts_of *fresh;                    /* out: what was unread until now, by room */
    size_t                    n_fresh;                  /* out */
};
void store_add_read(struct store *, struct store_add_read *);

struct store_add_delivered {      /* known pairs, and messages that have left, are passed over */
    struct store_op                 op;
    const struct store_receipts_of *of;                 /* in: borrowed until on_done */
    size_t                          n;                  /* in */
    int64_t                         delivered_at;       /* out */
};
void store_add_delivered(struct store *, struct store_add_delivered *);

struct store_seen {
    int64_t user_id, at;                                /* at 0: no time to store */
    bool    is_online;                                  /* what others take him for from now on; see list_online */
};

struct store_set_last_seen {                            /* the latest time wins */
    struct store_op          op;
    const struct store_seen *users;                     /* in: borrowed until on_done */
    size_t                   n;                         /* in */
};
void store_set_last_seen(struct store *, struct store_set_last_seen *);

/* ---- a copy of the journal, beside its work: see store/backup.h ---- */

#define STORE_BACKUP_DIR "backup.new"       /* below the data folder: there it is made */

enum store_backup_state { STORE_BACKUP_NONE, STORE_BACKUP_RUNNING, STORE_BACKUP_DONE, STORE_BACKUP_FAILED };

struct store_backup {
    enum store_backup_state state;
    int64_t pages, pages_done;                          /* of 4 KB */
    int64_t pos, seq;                                   /* done: up to which op, and which of ours */
    char    why[160];                                   /* failed */
};

/* TB_EBUSY: one is under way. TB_EFULL: there is no room for it. TB_EIO. */
struct store_begin_backup { struct store_op op; };
void store_begin_backup(struct store *, struct store_begin_backup *);

/* Ends the one under way, if there is one, and removes what is there of it. */
struct store_end_backup { struct store_op op; };
void store_end_backup(struct store *, struct store_end_backup *);

/* How far it is; any thread. Nobody asking for a minute, it is ended. */
void store_backup_look(const struct store *, struct store_backup *out);

/* ---- queries: the lane of logins and history ---- */

enum { STORE_PARKED_MAX = 4 };

struct store_find_login {                               /* TB_ENOTFOUND */
    struct store_op   op;
    tb_str            email;                            /* in: borrowed until on_done */
    struct store_user user;                             /* out */
    tb_str            password_hash;                    /* out */
    bool              is_parked;                        /* out: the e-mail belongs to another account */
    tb_str            parked_hashes[STORE_PARKED_MAX];  /* out: of other accounts here that lost this e-mail */
    size_t            n_parked;                         /* out */
};
void store_find_login(struct store *, struct store_find_login *);

struct store_find_user {                                /* TB_ENOTFOUND */
    struct store_op   op;
    int64_t           user_id;                          /* in */
    struct store_user user;                             /* out */
    tb_str            password_hash;                    /* out */
};
void store_find_user(struct store *, struct store_find_user *);

/* The message that a key has given already. TB_ENOTFOUND: none; TB_EREUSED: for another room or content. */
struct store_find_sent {
    struct store_op      op;
    int64_t              sender_id, room_id;            /* in */
    tb_str               key, content;                  /* in: borrowed until on_done */
    struct store_message message;                       /* out */
};
void store_find_sent(struct store *, struct store_find_sent *);

struct store_online { int64_t user_id, room_id; };      /* a room that he is in; 0: he is in none */

struct store_list_online {                              /* whom set_last_seen last called online, on this server */
    struct store_op      op;
    int64_t              after;                         /* in: a user id, or 0 */
    unsigned             limit;                         /* in: of users */
    struct store_online *items;                         /* out: by user id, those beyond after; one for each of his rooms */
    size_t               n;                             /* out */
};
void store_list_online(struct store *, struct store_list_online *);

struct store_room {
    int64_t              id, created_at, unread;
    tb_str               name;
    bool                 is_private;
    struct store_message last;                          /* last.id 0: no message yet */
};

struct store_list_rooms {
    struct store_op    op;
    int64_t            user_id;                         /* in */
    struct store_room *rooms;                           /* out: by id */
    size_t             n;                               /* out */
};
void store_list_rooms(struct store *, struct store_list_rooms *);

struct store_room_member { int64_t user_id, last_seen; tb_str username; };      /* last_seen: 0 when never */

struct store_list_members {                             /* TB_EDENIED: who asks is no member */
    struct store_op           op;
    int64_t                   room_id, user_id;         /* in: user_id asks */
    int64_t                   after;                    /* in: a user id, or 0 */
    unsigned                  limit;                    /* in: at least 1 */
    struct store_room_member *items;                    /* out: by user id, those beyond after */
    size_t                    n;                        /* out */
    int64_t                   next_after;               /* out: 0 on the last page */
};
void store_list_members(struct store *, struct store_list_members *);

/* "<pos>-<hex of the chain's first STORE_TAG_SIZE bytes>", maybe ".<parts>" (see store_event_offset_within), NUL */
enum { STORE_OFFSET_SIZE = 40, STORE_TAG_SIZE = 4 };

/* Newest first, strictly before cursor; or, with since, what became known here after it, in the journal's order. A page that
 * reaches what has left this journal (is_beyond) holds what comes before that; the rest is at the centre: beyond.h.
 * TB_EDENIED: no member. TB_EINPUT: the cursor is a message of another room, or since is no offset of this journal. */
struct store_list_messages {
    struct store_op       op;
    int64_t               room_id, user_id;             /* in */
    int64_t               cursor;                       /* in: a message id, or 0 */
    tb_str                since;                        /* in: an offset, borrowed until on_done; p NULL for none */
    unsigned              limit;                        /* in: 1..100 */
    struct store_message *items;                        /* out */
    size_t                n;                            /* out */
    int64_t               next_cursor;                  /* out: 0 on the last page, and with since; beyond: the last item's id */
    bool                  is_beyond;                    /* out: there are fewer than limit items, and the page goes on there, */
    int64_t               before_hlc, before_id;        /* out: strictly before this; hlc 0: the cursor is known there only */
    char                  offset[STORE_OFFSET_SIZE];    /* out: where the page was read; with since, after its last item */
};
void store_list_messages(struct store *, struct store_list_messages *);

struct store_receipt { int64_t user_id, delivered_at, read_at; };   /* 0: not yet */

struct store_list_receipts {                            /* TB_ENOTFOUND: no message in a room of theirs */
    struct store_op       op;
    int64_t               message_id, user_id;          /* in: user_id asks */
    int64_t               room_id;                      /* in: 0, or of a message that has left: then only he is judged */
    bool                  is_beyond;                    /* out: the message has left this journal, if it ever was: beyond.h */
    struct store_receipt *items;                        /* out: by user id */
    size_t                n;                            /* out */
};
void store_list_receipts(struct store *, struct store_list_receipts *);

/* ---- the sync thread's side: see store/follow.h ---- */

/* ---- for /readyz, /metrics and the log: any thread, no waiting ---- */

/* What the journal remembers of tombolo restore until it has met its centre. */
enum store_restored {
    STORE_NOT_RESTORED,
    STORE_RESTORED,             /* it may be a copy of a journal that is in use somewhere */
    STORE_RESTORED_TAKES_OVER,  /* it goes on in its place, wherever that one is */
};

/* Why changes by users get TB_EBUSY until the journal has met its centre. */
enum store_awaits {
    STORE_AWAITS_NOTHING,
    STORE_AWAITS_NUMBER,        /* a new one, for first_contact_ms: what it writes before it has a number has ids of node 0's */
    STORE_AWAITS_CENTRE,        /* a restored one, however long it takes: what it writes first stands where lost ops come back */
    STORE_AWAITS_COUNT
};

struct store_status {
    enum store_awaits awaits;
    bool     is_writable;       /* the last commit went well and there is more than the reserve */
    bool     is_full;           /* below the reserve */
    bool     is_pruning;        /* what is old is on its way out (after the last change was answered) */
    int64_t  head_pos;          /* position of the newest committed op; 0: none */
    int64_t  own_seq;           /* newest own op */
    int64_t  pushed_seq;        /* newest own op known to be at the centre */
    uint64_t n_ops, n_commits;  /* since start */
    uint64_t n_emails_parked, n_clock_doubts;       /* likewise; see remote.c and hlc.h */
    uint64_t n_refused;         /* likewise: ops and rows from outside that were not sound (vet.h) */
    uint32_t node;              /* 0..STORE_NODES - 1 */
    char     journal_uuid[37];
    char     centre_uuid[37];   /* when the store was opened; empty: no centre was known */
    int64_t  reissued_at;       /* ms; see store/reissue.h; 0: never */
    int64_t  lost_from, lost_upto;      /* ms; see store/restore.h; 0: never */
    uint64_t reserve_bytes;
    int64_t  free_bytes, size_bytes, wal_bytes;     /* of the disk, of the database, used of its WAL; some seconds old */
};
void store_status(const struct store *, struct store_status *out);

struct store_queues {           /* what waits now, and how much may */
    size_t changes, queries, catch_ups;
    size_t changes_max, queries_max;        /* queries_max: of each of the two */
};
void store_queues(const struct store *, struct store_queues *out);
