#pragma once
/* The whole server: builds the layers in order and ends them in reverse. The program has one; a test may have several, with
 * parts of its own in place of the real ones.
 * Threads: serve_open, serve_reload and serve_close on main; serve_stop on any. The loop has a thread of its own. */
#include "base/clock.h"
#include "config/config.h"
#include "tombolo/err.h"

struct server;
struct sync_target;

struct serve_parts {                        /* NULL members: the real thing */
    const struct tb_clock *clock;
    const char            *vfs;             /* of SQLite */
    struct sync_target    *target;          /* a centre instead of sync.url; becomes the server's */
};

/* Opens the journal, starts every thread and listens; says so in the log (serve.listening). config and parts are borrowed
 * for the call, their clock and vfs for as long as the server lives. parts may be NULL. */
enum tb_code serve_open(struct server **out, const struct tb_config *config, const struct serve_parts *parts,
                        struct tb_err *e) TB_MUST_CHECK;

uint16_t serve_port(const struct server *);

/* What may change while connections stay: log level and format, the limits of messages and logins and of sizes, and the
 * certificate, which new connections are shown; one that cannot be loaded is logged, and the old one stays. */
void serve_reload(struct server *, const struct tb_config *config);

void serve_stop(struct server *);           /* from now on nothing new is taken; returns at once */

/* serve_stop, and the orderly end: answers what is in flight, ends sync and the journal. Accepts NULL inside. Within 10 s: a
 * request that hangs for longer, in a disk that does not answer, ends the process with 1, for nothing else could be done. */
void serve_close(struct server **);
