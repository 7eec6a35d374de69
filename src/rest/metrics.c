/* What is asked of the layers; what they count by themselves is in base/metrics.h. */
#include "rest/metrics.h"

#include "base/metrics.h"
#include "base/scan.h"

static void
one(struct tb_buf *out, const char *name, enum tb_metric_kind kind, uint64_t n, const char *help)
{
    tb_metric_head(out, name, kind, help);
    tb_metric_line(out, name, NULL, TB_UNIT_ONE, (int64_t)n);
}

/* ---- the layers ---- */

static void
write_live(struct tb_buf *out, const struct live *live)
{
    struct live_stats s;

    live_stats(live, &s);
    one(out, "tombolo_sockets", TB_KIND_GAUGE, s.clients, "Sockets in the namespace of the chat.");
    one(out, "tombolo_sockets_catching_up", TB_KIND_GAUGE, s.catching_up, "Of these, those behind the head of the journal.");
    one(out, "tombolo_users_online", TB_KIND_GAUGE, s.users, "Users with a socket, or within the grace time.");
    one(out, "tombolo_recovered_total", TB_KIND_COUNTER, s.recovered, "Sockets that came back and were recovered.");
    tb_metric_head(out, "tombolo_recovery_refused_total", TB_KIND_COUNTER, "Sockets that came back and began anew, and why.");
    tb_metric_line(out, "tombolo_recovery_refused_total", "why=\"pid\"", TB_UNIT_ONE, (int64_t)s.refused_pid);
    tb_metric_line(out, "tombolo_recovery_refused_total", "why=\"offset\"", TB_UNIT_ONE, (int64_t)s.refused_offset);
    tb_metric_line(out, "tombolo_recovery_refused_total", "why=\"old\"", TB_UNIT_ONE, (int64_t)s.refused_old);
    one(out, "tombolo_steps_back_total", TB_KIND_COUNTER, s.steps_back, "Sockets that had seen more than there is.");
    one(out, "tombolo_fell_behind_total", TB_KIND_COUNTER, s.fell_behind, "Times that a live socket's queue was full.");
    one(out, "tombolo_catch_up_pages_total", TB_KIND_COUNTER, s.pages, "Pages read for sockets that catch up.");
    one(out, "tombolo_delivered_total", TB_KIND_COUNTER, s.delivered, "Deliveries that were proved and stored.");
    tb_metric_head(out, "tombolo_connects_refused_total", TB_KIND_COUNTER, "Connections turned away, and by which limit.");
    tb_metric_line(out, "tombolo_connects_refused_total", "limit=\"live.connects\"", TB_UNIT_ONE, (int64_t)s.refused_address);
    tb_metric_line(out, "tombolo_connects_refused_total", "limit=\"live.user_connects\"", TB_UNIT_ONE, (int64_t)s.refused_user);
    tb_metric_line(out, "tombolo_connects_refused_total", "limit=\"live.sockets_per_user\"", TB_UNIT_ONE, (int64_t)s.refused_sockets);
    tb_metric_head(out, "tombolo_events_refused_total", TB_KIND_COUNTER, "Events of sockets turned away, and by which limit.");
    tb_metric_line(out, "tombolo_events_refused_total", "limit=\"live.events_per_second\"", TB_UNIT_ONE, (int64_t)s.refused_events);
    tb_metric_line(out, "tombolo_events_refused_total", "limit=\"live.typing\"", TB_UNIT_ONE, (int64_t)s.refused_typing);
}

static void
write_store(struct tb_buf *out, const struct store *store)
{
    struct store_status s;

    store_status(store, &s);
    one(out, "tombolo_journal_position", TB_KIND_GAUGE, (uint64_t)s.head_pos, "Head of the journal.");
    one(out, "tombolo_journal_ops_total", TB_KIND_COUNTER, s.n_ops, "Changes written since the start.");
    one(out, "tombolo_journal_commits_total", TB_KIND_COUNTER, s.n_commits, "Commits that they shared.");
    one(out, "tombolo_emails_parked_total", TB_KIND_COUNTER, s.n_emails_parked, "Users here whose e-mail was another's.");
    one(out, "tombolo_clock_doubts_total", TB_KIND_COUNTER, s.n_clock_doubts, "Times that a clock was far from another.");
    one(out, "tombolo_journal_writable", TB_KIND_GAUGE, s.is_writable && !s.is_full, "1: changes are taken.");
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
    one(out, "tombolo_sync_up", TB_KIND_GAUGE, s.state == REST_SYNC_UP, "1: the centre is reached.");
    one(out, "tombolo_sync_diverged", TB_KIND_GAUGE, s.state == REST_SYNC_DIVERGED, "1: a person must act.");
    one(out, "tombolo_sync_lag_ops", TB_KIND_GAUGE, (uint64_t)s.lag_ops, "Changes of this site that are not at the centre yet.");
    one(out, "tombolo_sync_lag_seconds", TB_KIND_GAUGE, (uint64_t)s.lag_seconds, "Age of the oldest of them.");
    one(out, "tombolo_sync_pushed_total", TB_KIND_COUNTER, s.pushed, "Changes that have gone to the centre.");
    one(out, "tombolo_sync_pulled_total", TB_KIND_COUNTER, s.pulled, "Changes of other sites that have come.");
    one(out, "tombolo_sync_failures_total", TB_KIND_COUNTER, s.failures, "Times that the link was lost or not to be had.");
    one(out, "tombolo_sync_parked_total", TB_KIND_COUNTER, s.parked, "Changes whose content the centre has refused.");
    one(out, "tombolo_sync_refused_sites", TB_KIND_GAUGE, s.refused_streams, "Sites whose changes do not fit what is here of them.");
    one(out, "tombolo_sync_clock_apart_ms", TB_KIND_GAUGE, (uint64_t)apart_ms, "Between this clock and the centre's.");
}

void
metrics_write(struct tb_buf *out, const struct rest_settings *of)
{
    tb_metrics_write(out);
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
