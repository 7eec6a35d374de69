#pragma once
/* The chat in real time: sockets of the namespace "/" on the journal (DESIGN section 4, events; section 1, catching up).
 * Threads: the loop, all of it. */
#include "chat/chat.h"
#include "tombolo/sio.h"

struct live;

struct live_limits {                    /* see live.* in conf/tombolo.conf */
    unsigned sockets_per_user;          /* beyond it a new connection is closed */
    unsigned events_per_second;         /* that one socket may send; beyond it: error acks; 0: any number */
    size_t   event_bytes;               /* of an event's JSON; a longer one is refused before it is read */
    unsigned connects, user_connects;   /* sockets that one address, and one user, may open per minute; 0: any number */
    unsigned typing;                    /* times a minute that one user's typing is told; 0: any number */
    unsigned typing_ms;                 /* how long a typing lasts that the client does not renew */
    size_t   tracked;                   /* addresses and users whose rates are remembered */
    size_t   ring_batches;              /* recent commits kept for those who catch up */
    unsigned unproved;                  /* messages sent on a socket whose arrival is not proved; beyond it the socket is behind */
    size_t   receipts_waiting;          /* proofs that wait for the disk, of all sockets; beyond it no more are asked for */
    unsigned recovery_days;             /* how old an offset may be */
};

enum live_audience { LIVE_EVERYONE, LIVE_SHARED_ROOMS };        /* who is told of user_status */

struct live_settings {
    struct chat           *chat;        /* these outlive the live part */
    struct store          *store;
    struct tb_mailbox     *mailbox;     /* the loop's */
    const struct tb_clock *clock;
    const struct eio_host *host;        /* of the Socket.IO server, which is the live part's own */
    const struct sio_options *options;  /* copied */
    tb_str                 secret;      /* that signs tokens; a key of its own is derived from it */
    struct live_limits     limits;
    enum live_audience     audience;
    unsigned               presence_grace_ms;
    /* Call live_tick at at_ms (tb_mono_ms) or soon after; replaces the earlier wish. */
    void (*wake_at)(void *ctx, int64_t at_ms);
    void  *wake_ctx;
};

/* Becomes the store's feed. */
struct live       *live_open(const struct live_settings *settings);
struct eio_engine *live_engine(struct live *);          /* for the host: requests and streams */

/* Before the end: whoever is online gets his last seen, in one op; receipts that were proved are stored; connections are
 * closed. The store must still run. */
void live_stop(struct live *);
bool live_is_settled(const struct live *);      /* nothing is asked of the store any more; after live_stop */
void live_close(struct live **);        /* after the last answer of the store */

void live_tick(struct live *);
void live_set_limits(struct live *, const struct live_limits *);

/* What a REST history page showed to a user; the request with its nextCursor confirms it (DESIGN, Delivered means delivered). */
void live_page_shown(struct live *, int64_t user_id, const struct store_list_messages *page);
void live_page_confirmed(struct live *, int64_t user_id, int64_t room_id, int64_t cursor);

/* What user_status last told, or would tell soon: he has a socket, or had one within the grace time. */
bool live_is_online(const struct live *, int64_t user_id);

/* The sockets of those who sent them hear that they are at the centre since `at` (ms). Sorts messages. */
struct live_synced { int64_t sender_id, message_id; };
void live_tell_synced(struct live *, struct live_synced *messages, size_t n, int64_t at);

struct live_stats {
    size_t clients, users, catching_up;
    size_t receipts_waiting;        /* deliveries that were proved and are not stored yet */
};
void live_stats(const struct live *, struct live_stats *out);      /* of now; what adds up is counted by base/metrics.h */
