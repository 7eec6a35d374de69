#pragma once
/* What a follower is made of. For src/store only. */
#include "store/db.h"
#include "store/follow.h"
#include "store/journal.h"

struct store_follower {
    struct db    db;            /* the thread's that opened it */
    struct self  own;
    int64_t      floor_seq;     /* of our own ops */
    struct chain floor_chain;
    int64_t      last_seq;      /* where own op last_seq stands is last_pos: the next scan starts there */
    int64_t      last_pos;
};
