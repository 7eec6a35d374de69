#pragma once
/* A store on a fake disk with a fake clock, and books of what it was told and has answered: whatever it said yes to must be
 * there, once and unchanged, after anything that can happen to a disk.
 * Threads: the test's, which owns the mailbox that the store answers to. */
#include "clock.h"
#include "disk.h"
#include "seed.h"
#include "store/store.h"

struct keeper_entry {               /* message number i of the test */
    enum tb_code code;              /* the answer */
    bool         is_answered;       /* since it was last told */
    bool         must_stay;         /* said yes, or seen after a restart: others may have seen it too */
    int64_t      id;                /* once known, else 0 */
    size_t       n_letters;         /* of its content, which the number and this give */
    unsigned     n_seen;            /* scratch of keeper_look */
};

struct keeper {
    struct rig_disk   *disk;
    struct rig_clock   clock;
    struct rig_random  chance;
    struct store      *store;       /* NULL: closed */
    struct tb_mailbox *answers;
    char               dir[64];     /* a real folder: the store's lock file is in it */
    int64_t            user_id, room_id;        /* 0: not made yet */
    struct keeper_entry *entries;
    size_t             n, n_waiting;            /* told; not answered yet */
    unsigned           n_new_ids;               /* a message that was known came back under another id */
    char               offset[STORE_OFFSET_SIZE];       /* the newest given out, "" at first */
};

/* What was wrong after a restart; text for the test's output. */
struct keeper_findings {
    unsigned lost, twice, changed, other;
    char     first[200];
};

struct keeper *keeper_new(uint64_t seed);
void           keeper_free(struct keeper **k);

/* Opens the store, makes user and room when they are missing. False when something failed: the disk perhaps went off. */
bool keeper_open(struct keeper *k);
void keeper_close(struct keeper *k);        /* waits for all answers */

void keeper_post(struct keeper *k, size_t n);           /* n messages of random length, each with a key; does not wait */
void keeper_repeat(struct keeper *k);                   /* tells everything again under the same keys; waits */
void keeper_hear(struct keeper *k);                     /* takes what answers are there */
void keeper_wait(struct keeper *k, size_t n_waiting);   /* until at most so many are unanswered */
size_t keeper_count(const struct keeper *k, enum tb_code code);         /* answered so */

/* Posts and hears until n are told or the power is off. */
void keeper_run(struct keeper *k, size_t n);

/* Reads the room's whole history and compares. is_restarted: what nobody had answered may be there; from now on it must
 * stay. Otherwise exactly what was answered with yes is there. */
void keeper_look(struct keeper *k, bool is_restarted, struct keeper_findings *f);

/* `tombolo check` on what an orderly end leaves: SQLite's integrity, the chain, the tables against the ops. Closes k. */
void keeper_check(struct keeper *k, struct keeper_findings *f);

bool keeper_is_clean(const struct keeper_findings *f);  /* prints what is not, as a TAP comment */
