#pragma once
/* Messages that are old and at the centre leave the tables, with their receipts (history.keep_days; DESIGN section 6).
 *
 * Of each node number they leave in the order of their ids, which is the order in which they came; history_floor keeps how far.
 * The newest message of a room stays, so that lists of rooms go on showing it. room_horizon keeps the newest that has left
 * each room, so that a page knows what it can say by itself:
 *   above the horizon of its room, everything that is known here is here;
 *   at and below it, everything that is known here is at the centre (and some of it may also be here).
 * Unread counts what is here: whoever had not read a message when it left has one less. What a site hears of its receipts
 * later is passed over: nothing is counted twice, and no row comes back.
 * Threads: the writer, in a transaction; has_left and of_room also readers; forget also `check`, on its copy. */
#include "store/journal.h"

struct horizon_walk {       /* one round over all messages that may be old; zeroed at its start */
    bool    is_past_own;    /* own messages come first: they say how far the others may go */
    bool    is_cut_short;   /* a message was too young, and with it those after it */
    int64_t at_id;          /* the next one to look at */
    int64_t held_hlc;       /* of the first own message that is old and not at the centre; 0: none is */
    int64_t kept_mark;      /* the last row of pushed that a message which stays needs */
};

struct horizon_bound {      /* what is old: known here by this position, and made before this day */
    int64_t pos, day;
};

/* A step of the round; *has_more: it has not ended. */
enum tb_code horizon_step(struct journal *j, const struct horizon_bound *bound, struct horizon_walk *w, bool *has_more,
                          struct tb_err *e) TB_MUST_CHECK;

struct horizon_message { int64_t id, room_id, sender_id, hlc, pos; };

enum tb_code horizon_forget(struct db *d, const struct horizon_message *m, struct tb_err *e) TB_MUST_CHECK;

/* Is this one of those that have left? Of ids that never were it may say so too. */
enum tb_code horizon_has_left(struct db *d, int64_t message_id, bool *out, struct tb_err *e) TB_MUST_CHECK;

struct horizon { int64_t hlc, id; };        /* 0, 0: nothing has left */

enum tb_code horizon_of_room(struct db *d, int64_t room_id, struct horizon *out, struct tb_err *e) TB_MUST_CHECK;
