#pragma once
/* The archive thread: reads from the centre what has left the journal (store/beyond.h), over a connection of its own that only
 * reads, so that pages wait for no batch and no batch for a page (DESIGN section 2).
 * It connects when it is asked, lets go of a link that nobody has used for a while, and after a failure refuses for a time that
 * doubles from 250 ms to 3 s, so that a link that is known to be down costs nobody a time-out.
 * Threads: open and close on main; archive_ask and archive_stop on any. */
#include "base/clock.h"
#include "store/beyond.h"
#include "tombolo/err.h"

struct archive;

struct archive_settings {
    const struct tb_clock *clock;
    const char            *url;             /* mysql://... */
    size_t                 queue;           /* that may wait; more are refused */
    int                    timeout_ms;      /* for connecting, for an answer, and for waiting in the queue */
};

/* Starts the thread; the centre need not be there. TB_EINPUT: the URL. */
enum tb_code archive_open(struct archive **out, const struct archive_settings *settings, struct tb_err *e) TB_MUST_CHECK;
void         archive_stop(struct archive *a);       /* what waits is answered TB_EBUSY, what is under way fails soon */
void         archive_close(struct archive **a);     /* after it every answer is in its mailbox; accepts NULL inside */

size_t archive_waiting(const struct archive *a);    /* how many requests wait; any thread */

/* As store_beyond_ops.ask; ctx is the archive. */
bool archive_ask(void *ctx, struct store_beyond *r);
