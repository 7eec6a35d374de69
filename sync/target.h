#pragma once
/* The centre as the sync engine sees it: a place that takes batches of our ops and says how far it has come. MySQL is one
 * (mysql.c), the tests have others.
 * Threads: all calls are made on the sync thread, but interrupt on any. A call may wait for the network as long as the
 * target's own time-outs allow. After any failure the engine calls drop and begins again with connect. */
#include "base/arena.h"
#include "base/clock.h"
#include "store/follow.h"
#include "sync/sync.h"
#include "sync/url.h"
#include "tombolo/err.h"

enum { SYNC_UUID_SIZE = 37 };           /* text with its NUL */

#define SYNC_NEVER_HERE INT64_MAX

struct sync_place {                     /* where the centre stands with us */
    char     centre_uuid[SYNC_UUID_SIZE];
    char     owner_uuid[SYNC_UUID_SIZE];    /* the journal that has our node number there */
    uint32_t epoch;                         /* of that journal, as it is known there */
    int64_t  last_seq;                      /* the newest op of that node there; 0: none */
    uint8_t  chain[16];                     /* of that op */
    int64_t floor;                   /* ops of that node up to there have left op_log; 0: none has */
    uint8_t floor_chain[16];         /* of that op */
    int64_t now_ms;                        /* by the centre's clock; 0: it has none */
    int64_t here_ago_ms;             /* since that journal said last that it is here; SYNC_NEVER_HERE */
};

struct sync_head {                      /* how far another site has come */
    uint32_t node;
    char     journal_uuid[SYNC_UUID_SIZE];
    int64_t  last_seq;
    uint8_t chain[16]; /* of that op */
    int64_t floor;     /* ops up to there have left op_log */
};

/* How far one has come in the centre's tables; {0}: nowhere yet. */
enum sync_rows { SYNC_ROWS_USERS, SYNC_ROWS_ROOMS, SYNC_ROWS_HISTORY, SYNC_ROWS_RECEIPTS, SYNC_ROWS_END };
struct sync_rows_at {
    enum sync_rows of;
    int64_t key[2]; /* of users, rooms, receipts: the last row that came */
    struct {
        int64_t room, at, id;
    } member, message; /* of a history: likewise */
};

/* How long what other sites may still need is kept in the centre's op_log. */
struct sync_keep {
    unsigned days;       /* ops that are younger stay, by the centre's calendar */
    unsigned lease_days; /* a site that has been silent for longer holds nothing */
};

struct sync_seen { uint32_t node; int64_t seq; };   /* what we have of it */


struct sync_target {
    const struct sync_target_ops *ops;
    size_t                        max_body_bytes;   /* set by connect: bodies that may fit into one batch together */
    unsigned                      refusal;          /* with TB_EINPUT from send or finish: the centre's error number */
};

/* Part of why a push or a look at the others has failed, whichever of them was first to notice: the centre was emptied. */
#define SYNC_NO_NUMBER "the centre does not know our number any more"

struct sync_target_ops {
    /* Reaches the centre and settles the session. TB_EDENIED, also of the next two: it is there and refuses us. */
    enum tb_code (*connect)(struct sync_target *, struct tb_err *e);
    /* Brings the schema up to this program's; a newer one stays as it is. */
    enum tb_code (*migrate)(struct sync_target *, struct tb_err *e);
    /* Takes our node number there if nobody has it, and says who has it. An empty centre becomes the one we knew
     * (me->centre_uuid), or a new one. */
    enum tb_code (*enrol)(struct sync_target *, const struct store_identity *me, struct sync_place *out, struct tb_err *e);
    /* A node number that nobody has, for a journal that has written nothing yet: the same one when it is asked again. */
    enum tb_code (*take_number)(struct sync_target *, const struct store_identity *me, uint32_t *node, struct tb_err *e);
    /* From now on only this epoch of ours may write there. */
    enum tb_code (*set_epoch)(struct sync_target *, const struct store_identity *me, struct tb_err *e);
    /* Where all other sites stand. TB_EIO, too, when our number is there another journal's or of another epoch: begin anew, and
     * nothing of the others may be applied. */
    enum tb_code (*heads)(struct sync_target *, const struct store_identity *me,
                          void (*each)(void *ctx, const struct sync_head *), void *ctx, struct tb_err *e);
    /* Ops of one site with after < seq <= upto, in order: at most max, fewer when their bodies exceed max_bytes, but one. */
    enum tb_code (*read_ops)(struct sync_target *, uint32_t node, int64_t after, int64_t upto, size_t max, size_t max_bytes,
                             void (*each)(void *ctx, const struct store_entry *), void *ctx, struct tb_err *e);
    /* About max rows of the tables that come after at, and moves it. All ops of a user come in one call; text and arrays live
     * in mem. */
    enum tb_code (*read_rows)(struct sync_target *, struct sync_rows_at *at, size_t max, struct tb_arena *mem,
                              void (*each)(void *ctx, const struct op *), void *ctx, struct tb_err *e);
    /* Which of our ops are parked there: at most max, the lowest first. */
    enum tb_code (*parked)(struct sync_target *, const struct store_identity *me, size_t max,
                           void (*each)(void *ctx, int64_t seq), void *ctx, struct tb_err *e);
    /* What we have applied of others, so that the centre knows what all have. n > 0. */
    enum tb_code (*tell_seen)(struct sync_target *, const struct store_identity *me, const struct sync_seen *seen, size_t n,
                              struct tb_err *e);
    /* We are here now, by the centre's clock, and today, by its calendar. */
    enum tb_code (*say_here)(struct sync_target *, const struct store_identity *me, struct tb_err *e);
    /* Ops of ours that all sites have which hold a lease, and that are older than keep->days, may leave op_log: *floor is the
     * newest of them, or of those that have left. */
    enum tb_code (*raise_floor)(struct sync_target *, const struct store_identity *me, const struct sync_keep *keep,
                                int64_t *floor, struct tb_err *e);
    /* Removes some of those, at most max; *n: how many. */
    enum tb_code (*forget_ops)(struct sync_target *, const struct store_identity *me, int64_t floor, size_t max,
                               size_t *n,
                              struct tb_err *e);
    /* An empty batch that holds only if the centre still stands at last_seq for me. One may be begun while another is on
     * its way. */
    void (*begin)(struct sync_target *, const struct store_identity *me, int64_t last_seq);
    /* Copies an entry into it; as sql_batch_add. Touches no network. */
    enum tb_code (*add)(struct sync_target *, const struct store_entry *, struct tb_err *e);
    /* As add, but the op only keeps its place there: its effect is left out, and why is written beside it. */
    enum tb_code (*park)(struct sync_target *, const struct store_entry *, unsigned refusal, const char *why, struct tb_err *e);
    /* Only the effect of an op that stands for a row of our tables (store_follow_rows): the centre stays where it is, and the
     * batch has no others. TB_ETOOBIG as add. */
    enum tb_code (*add_row)(struct sync_target *, const struct op *, struct tb_err *e);
    /* Instead of one whose content the centre has refused. */
    void (*park_row)(struct sync_target *, const struct op *, unsigned refusal, const char *why);
    /* With this batch, which may have no more than that, the centre has our tables as they were after own op seq: that is
     * where it stands then, and none up to there is in its op_log. */
    void (*skip_to)(struct sync_target *, int64_t seq, const uint8_t chain[16]);
    /* Sends the batch that was begun last. now_ms: by our clock. Between send and finish only begin and add are called. */
    enum tb_code (*send)(struct sync_target *, int64_t now_ms, struct tb_err *e);
    /* Waits for the answer. TB_OK: all of it is committed there; otherwise it may be, or not. TB_EINPUT, also of send: the
     * centre refuses the content of one of its ops, and nothing of it is there; see refusal. */
    enum tb_code (*finish)(struct sync_target *, struct tb_err *e);
    /* The messages of the batch that has been finished last; borrowed until the next send. */
    const struct sync_sent *(*sent)(struct sync_target *, size_t *n);
    /* Lets go of the link, whatever state it is in. */
    void (*drop)(struct sync_target *);
    /* Any thread: what waits for the network fails soon. */
    void (*interrupt)(struct sync_target *);
    /* After the sync thread has ended; the link has been dropped. */
    void (*free)(struct sync_target *);
};

struct sync_mysql_settings {
    const struct tb_clock *clock;
    int connect_timeout_ms;     /* rounded up to seconds, as the client library counts */
    int io_timeout_ms;          /* for one answer; likewise */
};

/* A MySQL or MariaDB database. Nothing is reached yet. Main thread, before any thread that speaks to MySQL starts.
 * TB_EINPUT: the URL, as sync_url_parse. */
enum tb_code sync_mysql_new(struct sync_target **out, tb_str url, const struct sync_mysql_settings *settings,
                            struct tb_err *e) TB_MUST_CHECK;
