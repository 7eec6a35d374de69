#pragma once
/* The centre as the sync engine sees it: a place that takes batches of our ops and says how far it has come. MySQL is one
 * (mysql.c), the tests have others.
 * Threads: all calls are made on the sync thread, but interrupt on any. A call may wait for the network as long as the
 * target's own time-outs allow. After any failure the engine calls drop and begins again with connect. */
#include "base/clock.h"
#include "store/follow.h"
#include "sync/url.h"
#include "tombolo/err.h"

enum { SYNC_UUID_SIZE = 37 };           /* text with its NUL */

struct sync_place {                     /* where the centre stands with us */
    char     centre_uuid[SYNC_UUID_SIZE];
    char     owner_uuid[SYNC_UUID_SIZE];    /* the journal that has our node number there */
    uint32_t epoch;                         /* of that journal, as it is known there */
    int64_t  last_seq;                      /* the newest op of that node there; 0: none */
    uint8_t  chain[16];                     /* of that op */
};

struct sync_target {
    const struct sync_target_ops *ops;
    size_t                        max_body_bytes;   /* set by connect: bodies that may fit into one batch together */
};

struct sync_target_ops {
    /* Reaches the centre and settles the session. */
    enum tb_code (*connect)(struct sync_target *, struct tb_err *e);
    /* Brings the schema up to this program's; a newer one stays as it is. */
    enum tb_code (*migrate)(struct sync_target *, struct tb_err *e);
    /* Takes our node number there if nobody has it, and says who has it. An empty centre becomes the one we knew
     * (me->centre_uuid), or a new one. */
    enum tb_code (*enrol)(struct sync_target *, const struct store_identity *me, struct sync_place *out, struct tb_err *e);
    /* Is the link still there? */
    enum tb_code (*check)(struct sync_target *, struct tb_err *e);
    /* An empty batch that holds only if the centre still stands at last_seq for me. One may be begun while another is on
     * its way. */
    void (*begin)(struct sync_target *, const struct store_identity *me, int64_t last_seq);
    /* Copies an entry into it; as sql_batch_add. Touches no network. */
    enum tb_code (*add)(struct sync_target *, const struct store_entry *, struct tb_err *e);
    /* Sends the batch that was begun last. now_ms: by our clock. Between send and finish only begin and add are called. */
    enum tb_code (*send)(struct sync_target *, int64_t now_ms, struct tb_err *e);
    /* Waits for the answer. TB_OK: all of it is committed there; otherwise it may be, or not. */
    enum tb_code (*finish)(struct sync_target *, struct tb_err *e);
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
