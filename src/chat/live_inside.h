#pragma once
/* What the files of the live part share. Threads: the loop owns all of it. */
#include "base/log.h"
#include "chat/limit.h"
#include "chat/live.h"
#include "chat/recovery.h"
#include "store/feed.h"

#include <uthash.h>

enum client_state {
    CLIENT_CHECKING,        /* its offset is being looked up */
    CLIENT_PAGING,          /* a page has been asked for */
    CLIENT_DRAINING,        /* a page was sent; the next is asked for when its queue has drained */
    CLIENT_LIVE,            /* at the head: hears each batch as it comes */
    CLIENT_GONE,            /* its socket has ended; freed when no answer is awaited any more */
    CLIENT_STATE_COUNT
};

enum offset_mode { OFFSET_EVENT, OFFSET_ARGUMENT, OFFSET_OFF };     /* how a client learns the offset */

struct proof {                          /* a message handed to the connection as its sent-th packet */
    uint64_t sent;
    int64_t  message_id, room_id;
};

struct client {                         /* one socket of one user */
    struct live       *live;
    struct sio_socket *socket;          /* NULL once gone */
    struct user       *user;
    struct client     *next, *prev;     /* of the user's */
    enum client_state  state;
    enum offset_mode   mode;
    int64_t            seen;            /* everything up to this position was handed over */
    uint32_t           n_handed;        /* and so many packets of the op at handed_pos */
    uint32_t           n_repeated;      /* of those, how many have come by again since it fell behind in that op */
    int64_t            handed_pos;
    uint32_t           page_events;     /* of the next page: what fitted last time, and more */
    struct chat_claims claims;          /* of its token */
    bool               is_accepted, is_recovered, is_waiting;   /* is_waiting: an answer of the store is awaited */
    atomic_bool        is_unwanted;     /* gone: pages that have not been read yet need not be. Any thread */
    bool               is_in_later_rooms;   /* those at the end of a page that was not sent whole: the ring cannot go on there */
    bool               is_touched;      /* got something from the batch under way */
    char               sid[RECOVERY_SID_SIZE];
    int64_t            start;           /* of its pid */
    struct proof      *proofs;          /* handed over and not confirmed, oldest first */
    uint32_t           n_proofs, cap_proofs;
    uint64_t           proved;          /* packets up to this one have arrived; proofs of them may still wait for room */
    int64_t            pinged_ms;       /* last early ping */
    bool               is_ping_due;     /* waits in live->pings for its second to be over */
    uint32_t           events;          /* taken in the second that began at events_ms */
    int64_t            events_ms;
    struct client     *next_due;        /* in live->pings */
    struct typing     *typing;          /* typing.c; NULL: it has typed nowhere */
};

struct user {                           /* somebody who is online, or was within the grace time */
    int64_t        id;
    struct client *clients;
    unsigned       n_clients;
    bool           is_announced;        /* others know that he is online */
    bool           is_changed;          /* waits in live->changed for the next gathering */
    int64_t        offline_at_ms;       /* when the grace time ends; 0: he has a socket */
    int64_t        left_at;             /* when his last socket ended; ms, wall clock */
    tb_str        *left_rooms;          /* of his last socket, for telling that he is offline; else NULL */
    size_t         n_left_rooms;
    struct user   *next_changed;
    UT_hash_handle hh;
};

struct page_key { int64_t user_id, room_id; };

struct shown_page {                     /* a history page that nobody has confirmed yet */
    struct page_key key;
    int64_t        next_cursor;
    int64_t       *ids;
    size_t         n;
    UT_hash_handle hh;                  /* in order of age */
};

struct confirmed { int64_t room_id, user_id, message_id; };

struct live {
    struct live_settings  settings;
    struct sio_server    *server;
    struct sio_namespace *ns;
    struct chat_limit    *connects;     /* by address */
    struct chat_limit    *user_connects, *typings;      /* by user */
    struct recovery_key   key;
    char                  journal_uuid[37];
    struct user          *users;        /* by id */
    /* feed.c */
    struct store_batch  **ring;         /* the oldest at ring_first, ring_n of them */
    size_t                ring_first, ring_n, ring_bytes;
    int64_t               head;         /* of the newest batch */
    size_t                feed_max_queued;  /* bytes: the journal fills half of a socket's queue, the rest is for its acks */
    bool                  is_feeding;   /* a full queue means falling behind, not the end */
    struct client       **touched;      /* got something from the batch under way */
    size_t                n_touched, cap_touched;
    /* gather.c */
    struct confirmed *confirmed;        /* gathered for the next op */
    size_t            n_confirmed, cap_confirmed;
    int64_t           gather_until_ms;  /* 0: nothing gathered */
    struct confirmed *leaving;          /* the gathering that is being stored, by message; leaving_at: what has left */
    size_t            n_leaving, cap_leaving, leaving_at;
    size_t            n_storing;        /* ops of it under way */
    /* delivery.c */
    struct client    *pings, *last_ping;    /* whose next early ping is due, or waits for room; in order of time */
    struct proving   *proving;          /* offsets that wait for room */
    size_t            n_proving;
    struct shown_page *pages;
    /* presence.c */
    struct user *changed;               /* whose status is to be told */
    int64_t      tell_at_ms;            /* 0: nothing to tell */
    int64_t      seen_at_ms;            /* when the last seen of all who are online is stored next */
    /* typing.c */
    struct typing *typing;              /* of all sockets, the one that was heard of longest ago first */
    /* returning.c */
    int64_t      returning_until_ms;    /* 0: nobody is awaited any more */
    /* live.c */
    int64_t           wake_ms;          /* what was last wished for; INT64_MAX: nothing */
    int64_t           sweep_at_ms;
    int64_t           step_back_told_ms, unknown_told_ms;       /* 0: never */
    bool              is_stopping;
    size_t            n_pending;        /* requests of the store and calls of the chat under way */
    struct live_stats stats;
};

/* Settings that turn something away; for /metrics. */
enum live_limit { HIT_CONNECTS, HIT_USER_CONNECTS, HIT_SOCKETS_PER_USER, HIT_EVENTS, HIT_TYPING };
void live_hit(enum live_limit);

/* live.c */
void         live_wake(struct live *l, int64_t at_ms);      /* tick then, or earlier */
struct user *live_find_user(const struct live *l, int64_t id);
void         live_forget_user(struct live *l, struct user *u);      /* he is offline, and that was told */
void         client_set_state(struct client *c, enum client_state to);
tb_str       client_about(const struct client *c, char out[LOG_ABOUT_SIZE]);    /* for the log: whose socket */
void         client_drop(struct client *c);     /* ends the connection; the client will come back */
void         client_refuse(struct client *c);   /* one that was not accepted yet: its token is not good. c is freed */

/* users.c */
struct user *users_take(struct live *l, int64_t id);    /* the user of this id, made when they are not here */
void         user_add_client(struct user *u, struct client *c);
void         user_remove_client(struct client *c);      /* the user may be gone with it */
void         users_drop_expired(struct live *l);        /* closes the sockets whose tokens have expired */

/* Closes the sockets whose tokens a batch has ended: their user has a new password (struct store_who). After it was handed out. */
void         users_end_tokens(struct live *l, const struct store_batch *b);

tb_str       live_room_name(int64_t room_id, char out[24]);

/* feed.c */
void feed_on_batch(void *ctx, struct store_batch *b);       /* takes it over */
void feed_start(struct client *c);              /* asks for the first page from c->seen; accepts the socket with it */
void feed_on_drain(struct client *c);
void feed_on_proof(struct client *c);           /* it owes fewer */
void feed_notice(struct live *l, const struct sio_target *to, struct sio_message *m);  /* sockets that are behind miss it */
void feed_close(struct live *l);

/* packets.c: arguments of events, as JSON text without the brackets */
void packet_message(struct tb_buf *out, const struct store_event *event);
void packet_joined(struct tb_buf *out, const struct store_event *event);
void packet_left(struct tb_buf *out, const struct store_event *event);
void packet_read(struct tb_buf *out, const struct op_receipts *r, int64_t at);
void packet_delivered(struct tb_buf *out, int64_t message_id, int64_t room_id, const int64_t *user_ids, size_t n, int64_t at);
void packet_typing(struct tb_buf *out, int64_t room_id, int64_t user_id, bool is_typing);
void packet_status(struct tb_buf *out, int64_t user_id, bool is_online);
void packet_synced(struct tb_buf *out, const int64_t *message_ids, size_t n, int64_t at);
void packet_offset(struct tb_buf *out, const char *offset);

/* delivery.c */
void delivery_handed(struct client *c, int64_t message_id, int64_t room_id);       /* right after it was queued */
bool delivery_is_owed(const struct client *c);      /* so many proofs that it gets no more messages ... */
bool delivery_is_awaited(const struct client *c);   /* ... before half of them have come */
void delivery_ping(struct client *c);           /* at the end of a batch or page */
void delivery_pong(struct client *c, uint64_t sent);
void delivery_confirm_upto(struct client *c, int64_t pos);
void delivery_tick(struct live *l, int64_t now_ms);
void delivery_forget(struct client *c);
void delivery_close(struct live *l);

/* gather.c */
void   gather_add(struct live *l, int64_t user_id, int64_t room_id, int64_t message_id);     /* a proof */
size_t gather_waiting(const struct live *l);    /* proofs that wait for the disk or are on their way to it */
bool   gather_has_room(const struct live *l);   /* false: no more should be asked for */
void   gather_tick(struct live *l, int64_t now_ms);
void   gather_flush(struct live *l);            /* at once; nothing may be under way (n_storing) */
void   gather_close(struct live *l);

/* presence.c */
void presence_came(struct live *l, struct user *u);         /* his first socket is in */
void presence_went(struct live *l, struct user *u);         /* his last socket has ended */
void presence_tick(struct live *l, int64_t now_ms);
void presence_stop(struct live *l);
void presence_store(struct live *l, struct store_seen *users, size_t n);    /* takes users over */
void presence_tell(struct live *l, int64_t user_id, bool is_online, const tb_str *rooms, size_t n_rooms);   /* at once */

/* returning.c */
void returning_open(struct live *l, const struct eio_options *eio);
void returning_tick(struct live *l, int64_t now_ms);

/* typing.c */
bool typing_set(struct client *c, int64_t room_id, bool is_typing, int64_t *wait_us);   /* false: too often, try after *wait_us */
void typing_end(struct client *c, int64_t room_id);     /* the socket has sent there */
void typing_end_member(struct live *l, int64_t user_id, int64_t room_id);       /* the user is about to leave the room */
void typing_end_all(struct client *c);                  /* the socket ends */
void typing_tick(struct live *l, int64_t now_ms);

/* events.c */
void events_take(struct client *c, const struct sio_event *ev);
