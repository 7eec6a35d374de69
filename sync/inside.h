#pragma once
/* What the files of the engine share: engine.c moves between states, enrol.c is all that comes before the first push, push.c
 * the way up, tables.c what goes up first where ops are missing, forget.c what leaves the centre; pull.h is the way down.
 * Threads: the sync thread (see engine.h). */
#include "engine.h"
#include "pull.h"

#include "base/arena.h"

struct gathered {               /* a batch that has been read and not been sent */
    struct sync_engine *s;
    size_t              n;
    int64_t             first_at, last_seq;
    bool                is_full;
    struct tb_err       err;    /* once set, what follows is left for the next batch */
};

struct parking {                /* the op whose content the centre refuses; it goes up next, alone, without its effect */
    int64_t  seq;               /* 0: none */
    unsigned refusal;
    char     why[sizeof((struct tb_err *)0)->why];
};

struct sending {                /* of the tables */
    struct store_rows_at at;    /* up to there they are at the centre, on this link */
    size_t               limit; /* ops in a batch: less while one is looked for that the centre refuses */
    size_t               n_ops, n_refused;
    unsigned             refusal;       /* the centre's, of the next op; 0: none */
    char                 why[sizeof((struct tb_err *)0)->why];
    bool                 goes_on;       /* the link was let go of only to look for that one */
};

struct forgetting { /* of ops in the centre's op_log, on this link */
    int64_t floor;  /* up to there they may go */
    bool has_more;
    int64_t say_at_ms, look_at_ms, not_before_ms; /* monotonic */
};

enum asked { ASKED_NOTHING, ASKED_UNDER_WAY, ASKED_DONE };      /* of the store, before the first push */

struct sync_engine {
    struct sync_engine_settings with;
    struct store_follower      *follower;       /* NULL until the first try */
    struct sync_pull           *pull;
    enum sync_state             state;
    bool                        is_linked;      /* connect has been called and drop has not */
    bool                        is_woken;       /* there may be ops that we have not read */
    bool                        is_closing;     /* no new request to the store */
    bool                        is_paused;      /* somebody's wish: no step but to resting */
    int64_t                     try_at_ms;      /* monotonic; in resting: when to connect */
    unsigned                    n_failures;     /* in a row */
    char                        told[sizeof((struct tb_err *)0)->why];      /* the last failure that was logged */
    bool                        is_told_up;     /* and since then nothing failed */
    uint64_t                    chance;
    struct store_identity       me;             /* as of the last enrolment */
    char                        centre_uuid[SYNC_UUID_SIZE];
    int64_t                     pushed_seq;     /* where the centre stands, by its own words */
    /* push.c */
    struct gathered          next;
    size_t                   limit;             /* ops in a batch: less than asked for after a failure */
    int64_t                  poison_upto;       /* it is one of those up to here */
    struct parking           parking;
    struct store_mark_pushed mark;              /* one at a time is under way */
    bool                     is_marking;
    struct store_set_parked  set_parked;        /* the journal's copy of what the centre has parked; one is under way */
    bool                     is_noting, is_parked_stale;
    int64_t                 *parked;            /* its seqs */
    size_t                   n_parked;
    int64_t                  marked_seq;        /* what the journal knows */
    int64_t                  marked_at_ms;      /* monotonic; when it was told last */
    int64_t                  pushed_at_ms;      /* when pushed_seq became what it is; wall clock */
    /* tables.c */
    struct sending sending;
    /* forget.c */
    struct forgetting forgetting;
    /* enrol.c */
    enum asked    asked;
    struct tb_err asked_err;                    /* once it is done */
    union {
        struct store_op          op;
        struct store_set_node    set_node;
        struct store_restore_own restore;
        struct store_set_epoch   set_epoch;
    } ask;
    int64_t            restore_upto;            /* up to here own ops are the centre's to give back; see enrol.c */
    uint32_t           epoch_there;             /* as of the last enrolment */
    bool               holds_users;             /* the store takes nothing from users until they are back */
    struct tb_arena    mem;                     /* of these */
    struct store_entry entries[STORE_REMOTE_MAX];
    size_t             n_entries;
};

/* engine.c */
void    engine_move(struct sync_engine *s, enum sync_state to);         /* the one place where the state changes */
void    engine_rest(struct sync_engine *s, const struct tb_err *e);     /* after a failure */
void    engine_begin_anew(struct sync_engine *s);                       /* drops the link and connects again at once */
void    engine_diverge(struct sync_engine *s, const struct tb_err *e);
int64_t engine_now_ms(const struct sync_engine *s);

/* enrol.c: one step in the state of that name */
void enrol_connect(struct sync_engine *s);
void enrol_migrate(struct sync_engine *s);
void enrol(struct sync_engine *s);
void enrol_number(struct sync_engine *s);
void enrol_restore(struct sync_engine *s);
void enrol_let_go(struct sync_engine *s);       /* the link goes: nobody is held up for it */

/* push.c */
void push(struct sync_engine *s);               /* a step in pushing */
void push_mark(struct sync_engine *s);          /* lets the journal know, if it does not yet */
enum tb_code push_note_parked(struct sync_engine *s, struct tb_err *e);     /* asks the centre, if that may have changed */
void push_stand_at(struct sync_engine *s, int64_t seq, int64_t wall_ms);
void push_drop(struct sync_engine *s);          /* the link goes: what was gathered is forgotten */

/* forget.c */
enum tb_code forget_begin(struct sync_engine *s, struct tb_err *e); /* on a new link: says that we are here */
enum tb_code forget_some(struct sync_engine *s, struct tb_err *e); /* if it is time for it and nothing waits to go up */

/* tables.c */
void tables_begin(struct sync_engine *s);       /* before the first step in sending on a link */
void tables_send(struct sync_engine *s);        /* a step in sending */
void tables_drop(struct sync_engine *s);        /* the link goes */
