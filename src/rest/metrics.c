/* What there is to count, in the order of the layers; see metrics.h. A new metric is a row here, or a few lines where it has
 * labels. */
#include "rest/metrics.h"

#include "base/scan.h"

#include <inttypes.h>

/* ---- text ---- */

void
metrics_head(struct tb_buf *out, const char *name, enum metrics_kind kind, const char *help)
{
    tb_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind == METRICS_COUNTER ? "counter" : "gauge");
}

void
metrics_value(struct tb_buf *out, const char *name, const char *label, const char *value, uint64_t n)
{
    if (label != NULL)
        tb_buf_printf(out, "%s{%s=\"%s\"} %" PRIu64 "\n", name, label, value, n);
    else
        tb_buf_printf(out, "%s %" PRIu64 "\n", name, n);
}

static void
one(struct tb_buf *out, const char *name, enum metrics_kind kind, uint64_t n, const char *help)
{
    metrics_head(out, name, kind, help);
    metrics_value(out, name, NULL, NULL, n);
}

/* ---- the layers ---- */

static void
write_live(struct tb_buf *out, const struct live *live)
{
    struct live_stats s;

    live_stats(live, &s);
    one(out, "tombolo_sockets", METRICS_GAUGE, s.clients, "Sockets in the namespace of the chat.");
    one(out, "tombolo_sockets_catching_up", METRICS_GAUGE, s.catching_up, "Of these, those behind the head of the journal.");
    one(out, "tombolo_users_online", METRICS_GAUGE, s.users, "Users with a socket, or within the grace time.");
    one(out, "tombolo_recovered_total", METRICS_COUNTER, s.recovered, "Sockets that came back and were recovered.");
    metrics_head(out, "tombolo_recovery_refused_total", METRICS_COUNTER, "Sockets that came back and began anew, and why.");
    metrics_value(out, "tombolo_recovery_refused_total", "why", "pid", s.refused_pid);
    metrics_value(out, "tombolo_recovery_refused_total", "why", "offset", s.refused_offset);
    metrics_value(out, "tombolo_recovery_refused_total", "why", "old", s.refused_old);
    one(out, "tombolo_steps_back_total", METRICS_COUNTER, s.steps_back, "Sockets that had seen more than there is.");
    one(out, "tombolo_fell_behind_total", METRICS_COUNTER, s.fell_behind, "Times that a live socket's queue was full.");
    one(out, "tombolo_catch_up_pages_total", METRICS_COUNTER, s.pages, "Pages read for sockets that catch up.");
    one(out, "tombolo_delivered_total", METRICS_COUNTER, s.delivered, "Deliveries that were proved and stored.");
    metrics_head(out, "tombolo_connects_refused_total", METRICS_COUNTER, "Connections turned away, and by which limit.");
    metrics_value(out, "tombolo_connects_refused_total", "limit", "live.connects", s.refused_address);
    metrics_value(out, "tombolo_connects_refused_total", "limit", "live.user_connects", s.refused_user);
    metrics_value(out, "tombolo_connects_refused_total", "limit", "live.sockets_per_user", s.refused_sockets);
    metrics_head(out, "tombolo_events_refused_total", METRICS_COUNTER, "Events of sockets turned away, and by which limit.");
    metrics_value(out, "tombolo_events_refused_total", "limit", "live.events_per_second", s.refused_events);
    metrics_value(out, "tombolo_events_refused_total", "limit", "live.typing", s.refused_typing);
}

static void
write_store(struct tb_buf *out, const struct store *store)
{
    struct store_status s;

    store_status(store, &s);
    one(out, "tombolo_journal_position", METRICS_GAUGE, (uint64_t)s.head_pos, "Head of the journal.");
    one(out, "tombolo_journal_ops_total", METRICS_COUNTER, s.n_ops, "Changes written since the start.");
    one(out, "tombolo_journal_commits_total", METRICS_COUNTER, s.n_commits, "Commits that they shared.");
    one(out, "tombolo_emails_parked_total", METRICS_COUNTER, s.n_emails_parked, "Users here whose e-mail was another's.");
    one(out, "tombolo_clock_doubts_total", METRICS_COUNTER, s.n_clock_doubts, "Times that a clock was far from another.");
    one(out, "tombolo_journal_writable", METRICS_GAUGE, s.is_writable && !s.is_full, "1: changes are taken.");
}

/* Without a centre there is nothing to say. */
static void
write_sync(struct tb_buf *out, const struct rest_settings *of)
{
    struct rest_sync s = { .state = REST_SYNC_OFF };

    if (of->sync_of != NULL)
        of->sync_of(of->sync_ctx, &s);
    if (s.state == REST_SYNC_OFF)
        return;
    int64_t apart_ms = s.centre_ahead_ms < 0 ? -s.centre_ahead_ms : s.centre_ahead_ms;
    one(out, "tombolo_sync_up", METRICS_GAUGE, s.state == REST_SYNC_UP, "1: the centre is reached.");
    one(out, "tombolo_sync_diverged", METRICS_GAUGE, s.state == REST_SYNC_DIVERGED, "1: a person must act.");
    one(out, "tombolo_sync_lag_ops", METRICS_GAUGE, (uint64_t)s.lag_ops, "Changes of this site that are not at the centre yet.");
    one(out, "tombolo_sync_lag_seconds", METRICS_GAUGE, (uint64_t)s.lag_seconds, "Age of the oldest of them.");
    one(out, "tombolo_sync_pushed_total", METRICS_COUNTER, s.pushed, "Changes that have gone to the centre.");
    one(out, "tombolo_sync_pulled_total", METRICS_COUNTER, s.pulled, "Changes of other sites that have come.");
    one(out, "tombolo_sync_failures_total", METRICS_COUNTER, s.failures, "Times that the link was lost or not to be had.");
    one(out, "tombolo_sync_parked_total", METRICS_COUNTER, s.parked, "Changes whose content the centre has refused.");
    one(out, "tombolo_sync_refused_sites", METRICS_GAUGE, s.refused_streams, "Sites whose changes do not fit what is here of them.");
    one(out, "tombolo_sync_clock_apart_ms", METRICS_GAUGE, (uint64_t)apart_ms, "Between this clock and the centre's.");
}

void
metrics_write(struct tb_buf *out, const struct rest_settings *of)
{
    write_store(out, of->store);
    if (of->live != NULL)
        write_live(out, of->live);
    write_sync(out, of);
}

/* ---- who may ---- */

static bool
is_loopback(tb_str peer)
{
    return tb_str_starts(peer, TB_LIT("127.")) || tb_str_eq(peer, TB_LIT("::1"));
}

bool
metrics_may_read(tb_str peer, bool is_forwarded, tb_str allowed)
{
    struct tb_scan s = tb_scan_of(allowed);

    if (is_forwarded || peer.n == 0)
        return false;
    while (!tb_scan_at_end(&s))
        if (tb_str_eq(tb_scan_until(&s, ' '), peer))
            return true;
    return is_loopback(peer);
}
