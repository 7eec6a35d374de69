/* Bodies of stall.h. A process that is being traced is never ended: a debugger may well hold the loop alone. */
#include "stall.h"

#include "base/log.h"
#include "base/metrics.h"
#include "net/stall.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { TICK_MS = 1000 };

TB_COUNTER(stalls, "tombolo_loop_stalls_total", "Times that the loop did not turn for server.stall_ms.");

struct serve_stall {
    struct net_watchdog *watchdog;
    int64_t              log_ms, abort_ms;      /* abort_ms 0: never */
    int64_t              next_log_ms;           /* the watchdog's */
};

static bool
is_traced(void)
{
    char  line[128];
    int   tracer = 0;
    FILE *status = fopen("/proc/self/status", "re");

    if (status == NULL)
        return false;
    while (tracer == 0 && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "TracerPid:", 10) == 0)
            tracer = (int)strtol(line + 10, NULL, 10);
    fclose(status);
    return tracer != 0;
}

/* Again when it has lasted twice as long. */
static void
log_stall(struct serve_stall *s, const struct net_stall *stall)
{
    if (stall->for_ms < s->next_log_ms)
        return;
    if (s->next_log_ms == s->log_ms)
        tb_count(&stalls, 0);
    s->next_log_ms *= 2;
    log_error("serve.loop_stalled", "ms=%" PRId64 " cpu_ms=%" PRId64 " doing=%s last_peer=%s connections=%u", stall->for_ms,
              stall->cpu_ms, stall->doing, stall->peer, stall->connections);
}

static void
on_stall(void *ctx, const struct net_stall *stall)
{
    struct serve_stall *s = ctx;

    if (stall->for_ms < s->log_ms)
        s->next_log_ms = s->log_ms;         /* another one than the last */
    log_stall(s, stall);
    if (s->abort_ms == 0 || stall->for_ms < s->abort_ms || is_traced())
        return;
    log_error("serve.loop_given_up", "ms=%" PRId64 " why=\"server.stall_abort_ms\"", stall->for_ms);
    abort();
}

struct serve_stall *
serve_stall_start(struct net *net, const struct tb_config *config)
{
    struct serve_stall *s = TB_NEW(struct serve_stall);
    int64_t             tick_ms = config->server.stall_ms / 4;

    s->log_ms = s->next_log_ms = config->server.stall_ms;
    s->abort_ms = config->server.stall_abort_ms;
    s->watchdog = net_watchdog_start(net, (unsigned)(tick_ms < TICK_MS ? tick_ms : TICK_MS), on_stall, s);
    return s;
}

void
serve_stall_stop(struct serve_stall **sp)
{
    if (*sp == NULL)
        return;
    net_watchdog_stop(&(*sp)->watchdog);
    tb_free(*sp);
    *sp = NULL;
}
