#pragma once
/* The rig's MySQL: a sync_target that keeps what it is given in memory, and goes away, loses answers and comes back as a
 * test wants. It outlives the servers that push to it.
 * Threads: any; everything is under one lock. */
#include "tombolo/str.h"

struct rig_centre;
struct sync_target;

struct rig_centre *rig_centre_new(void);
void               rig_centre_free(struct rig_centre **c);      /* after the last server was closed */

/* A way to it, for one server, which frees it. */
struct sync_target *rig_centre_target(struct rig_centre *c);

void rig_centre_go(struct rig_centre *c, bool is_away);         /* away: every call fails, also those under way */
void rig_centre_lose_answers(struct rig_centre *c, unsigned n); /* the next n batches are committed, and fail all the same */

bool    rig_centre_wait(struct rig_centre *c, int64_t seq);     /* until ops up to seq are there; false after a minute */
int64_t rig_centre_last_seq(struct rig_centre *c);
size_t  rig_centre_count(struct rig_centre *c, const char *text);   /* ops whose body holds text */
size_t  rig_centre_batches(struct rig_centre *c);                   /* committed */
