#pragma once
/* What becomes of a loop that no longer turns: an error in the log after server.stall_ms, and after server.stall_abort_ms the
 * end of the process, so that whoever looks after it starts it again. Nothing that was acknowledged is lost by that.
 * Threads: main's. */
#include "config/config.h"
#include "net/net.h"

struct serve_stall;

struct serve_stall *serve_stall_start(struct net *net, const struct tb_config *config);
void                serve_stall_stop(struct serve_stall **);
