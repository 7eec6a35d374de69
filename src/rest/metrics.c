/* What is asked of the layers as it is now; what adds up, each file counts by itself: base/metrics.h. */
#include "rest/metrics.h"

#include "base/metrics.h"
#include "rest/process.h"

#include <inttypes.h>
#include <stdio.h>

enum { HIT_FRAMES, HIT_HELD };
static const char *const limits_hit[] = { [HIT_FRAMES] = "live.frames_per_second", [HIT_HELD] = "live.held_bytes" };
TB_LIMIT_HITS(hits, limits_hit);    /* the library counts for itself */

static void
gauge(struct tb_buf *out, const char *name, int64_t n, const char *help)
{
    tb_metric_head(out, name, TB_KIND_GAUGE, help);
    tb_metric_line(out, name, NULL, TB_UNIT_ONE, n);
}

static void
counter(struct tb_buf *out, const char *name, uint64_t n, const char *help)
{
    tb_metric_head(out, name, TB_KIND_COUNTER, help);
    tb_metric_line(out, name, NULL, TB_UNIT_ONE, (int64_t)n);
}

/* ---- sockets ---- */

static void
write_live(struct tb_buf *out, const struct live *live)
{
    struct live_stats s;

    live_stats(live, &s);
    tb_metric_head(out, "tombolo_sockets", TB_KIND_GAUGE, "Sockets in the chat: at the head of the journal, or catching up.");
    tb_metric_line(out, "tombolo_sockets", "state=\"live\"", TB_UNIT_ONE, (int64_t)(s.clients - s.catching_up));
    tb_metric_line(out, "tombolo_sockets", "state=\"catching_up\"", TB_UNIT_ONE, (int64_t)s.catching_up);
    gauge(out, "tombolo_users_online", (int64_t)s.users, "Users with a socket, or within the grace time.");
    gauge(out, "tombolo_receipts_waiting", (int64_t)s.receipts_waiting, "Proved deliveries that are not stored yet.");
}

static void
write_closed(struct tb_buf *out, const struct eio_stats *s)
{
    static const char *const reasons[EIO_REASON_COUNT] = {
#define X(name, text) [name] = text,
        EIO_REASONS(X)
#undef X
    };
    char labels[80];

    tb_metric_head(out, "tombolo_sessions_closed_total", TB_KIND_COUNTER, "Engine.IO sessions that have ended, and why.");
    for (size_t i = 0; i < EIO_REASON_COUNT; i++) {
        snprintf(labels, sizeof labels, "reason=\"%s\"", reasons[i]);
        tb_metric_line(out, "tombolo_sessions_closed_total", labels, TB_UNIT_ONE, (int64_t)s->closed[i]);
    }
}

static void
write_sessions(struct tb_buf *out, const struct eio_engine *engine)
{
    struct eio_stats s;

    eio_engine_stats(engine, &s);
    tb_metric_head(out, "tombolo_sessions", TB_KIND_GAUGE, "Engine.IO sessions, by what carries them.");
    tb_metric_line(out, "tombolo_sessions", "transport=\"polling\"", TB_UNIT_ONE, (int64_t)s.polling);
    tb_metric_line(out, "tombolo_sessions", "transport=\"websocket\"", TB_UNIT_ONE, (int64_t)s.streaming);
    counter(out, "tombolo_sessions_opened_total", s.opened, "Engine.IO sessions that have begun.");
    write_closed(out, &s);
    counter(out, "tombolo_session_upgrades_total", s.upgrades, "Sessions that moved from polling to WebSocket.");
    tb_metric_head(out, "tombolo_packets_total", TB_KIND_COUNTER, "Engine.IO messages from and to clients; out: queued.");
    tb_metric_line(out, "tombolo_packets_total", "direction=\"in\"", TB_UNIT_ONE, (int64_t)s.messages_in);
    tb_metric_line(out, "tombolo_packets_total", "direction=\"out\"", TB_UNIT_ONE, (int64_t)s.messages_out);
    gauge(out, "tombolo_session_queued_bytes", (int64_t)s.bytes_queued, "What waits to be sent to clients, over all sessions.");
    gauge(out, "tombolo_session_held_bytes", (int64_t)s.bytes_held, "In memory for sockets, as live.held_bytes counts.");
    counter(out, "tombolo_session_queue_full_total", s.refused_full, "Messages that did not fit a session's live.max_queued.");
}

static void
note_refused(const struct eio_engine *engine)
{
    struct eio_stats s;

    eio_engine_stats(engine, &s);
    tb_gauge_set(&hits, HIT_FRAMES, (int64_t)s.too_fast);
    tb_gauge_set(&hits, HIT_HELD, (int64_t)s.refused_held);
}

/* ---- the journal ---- */

static void
write_store(struct tb_buf *out, const struct store *store)
{
    struct store_status s;

    store_status(store, &s);
    gauge(out, "tombolo_journal_position", s.head_pos, "Head of the journal.");
    gauge(out, "tombolo_journal_writable", s.is_writable && !s.is_full && s.awaits == STORE_AWAITS_NOTHING, "1: changes are taken.");
    gauge(out, "tombolo_journal_size_bytes", s.size_bytes, "The database file.");
    gauge(out, "tombolo_journal_wal_bytes", s.wal_bytes, "What of the WAL is in use.");
    gauge(out, "tombolo_disk_free_bytes", s.free_bytes, "Free on the disk of the data folder.");
    gauge(out, "tombolo_disk_reserve_bytes", (int64_t)s.reserve_bytes, "Below it changes are refused: journal.reserve_mb.");
    counter(out, "tombolo_journal_ops_total", s.n_ops, "Changes written.");
    counter(out, "tombolo_journal_commits_total", s.n_commits, "Commits that they shared.");
    counter(out, "tombolo_emails_parked_total", s.n_emails_parked, "Users here whose e-mail was another's.");
    counter(out, "tombolo_clock_doubts_total", s.n_clock_doubts, "Times that a clock was far from another.");
    counter(out, "tombolo_sync_refused_total", s.n_refused,
            "Changes and rows from the centre that were not sound, and have no effect.");
}

struct queue { const char *name; size_t n, max; };      /* max 0: bounded by what was asked for */

static void
write_queues(struct tb_buf *out, const struct rest_settings *of, const struct rest_sync *sync)
{
    struct store_queues s;
    struct chat_queues  c;

    store_queues(of->store, &s);
    chat_queues(of->chat, &c);
    const struct queue queues[] = {
        { "queue=\"writer\"", s.changes, s.changes_max },      { "queue=\"reader_login\"", s.queries, s.queries_max },
        { "queue=\"reader_catch_up\"", s.catch_ups, s.queries_max }, { "queue=\"hasher\"", c.hashes, c.hashes_max },
        { "queue=\"archive\"", sync->archive_waiting, sync->archive_max }, { "queue=\"loop\"", c.loop, 0 },
    };
    tb_metric_head(out, "tombolo_queue_depth", TB_KIND_GAUGE, "What waits for a thread.");
    for (size_t i = 0; i < TB_N(queues); i++)
        tb_metric_line(out, "tombolo_queue_depth", queues[i].name, TB_UNIT_ONE, (int64_t)queues[i].n);
    tb_metric_head(out, "tombolo_queue_limit", TB_KIND_GAUGE, "What may wait for it; more is answered busy.");
    for (size_t i = 0; i < TB_N(queues); i++)
        if (queues[i].max > 0)
            tb_metric_line(out, "tombolo_queue_limit", queues[i].name, TB_UNIT_ONE, (int64_t)queues[i].max);
}

/* ---- the centre ---- */

static void
seconds(struct tb_buf *out, const char *name, int64_t ms, const char *help)
{
    tb_metric_head(out, name, TB_KIND_GAUGE, help);
    tb_metric_line(out, name, NULL, TB_UNIT_US, ms * 1000);
}

/* Without a centre there is nothing to say but that. */
static void
write_sync(struct tb_buf *out, const struct rest_sync *s)
{
    gauge(out, "tombolo_sync_configured", s->state != REST_SYNC_OFF, "1: there is a centre.");
    if (s->state == REST_SYNC_OFF)
        return;
    gauge(out, "tombolo_sync_up", s->state == REST_SYNC_UP, "1: the centre is reached.");
    gauge(out, "tombolo_sync_diverged", s->state == REST_SYNC_DIVERGED, "1: a person must act.");
    gauge(out, "tombolo_sync_paused", s->is_paused, "1: by tombolo sync pause.");
    gauge(out, "tombolo_sync_lag_ops", s->lag_ops, "Changes of this site that are not at the centre yet.");
    seconds(out, "tombolo_sync_lag_seconds", s->lag_ms, "Age of the oldest of them.");
    seconds(out, "tombolo_sync_last_timestamp_seconds", s->last_synced_at, "When a batch was taken last; 0: not since the start.");
    counter(out, "tombolo_sync_pushed_total", s->pushed, "Changes that have gone to the centre.");
    counter(out, "tombolo_sync_pulled_total", s->pulled, "Changes of other sites that have come.");
    counter(out, "tombolo_sync_failures_total", s->failures, "Times that the link was lost or not to be had.");
    counter(out, "tombolo_sync_parked_total", s->parked, "Changes whose content the centre has refused.");
    gauge(out, "tombolo_sync_refused_sites", (int64_t)s->refused_streams, "Sites whose changes do not fit what is here of them.");
    gauge(out, "tombolo_sync_taken_rows", (int64_t)s->taken, "Rows that the last taking of the centre's tables has brought.");
    counter(out, "tombolo_sync_forgotten_total", s->forgotten, "Changes of this site that have left the centre's log.");
    seconds(out, "tombolo_sync_clock_ahead_seconds", s->centre_ahead_ms, "The centre's clock less this one.");
}

void
metrics_write(struct tb_buf *out, const struct rest_settings *of)
{
    struct rest_sync sync = { .state = REST_SYNC_OFF };

    if (of->sync_of != NULL)
        of->sync_of(of->sync_ctx, &sync);
    if (of->live != NULL)
        note_refused(live_engine(of->live));
    process_write(out);
    tb_metrics_write(out);
    write_store(out, of->store);
    write_queues(out, of, &sync);
    if (of->live != NULL) {
        write_live(out, of->live);
        write_sessions(out, live_engine(of->live));
    }
    write_sync(out, &sync);
}

/* ---- who may ---- */

static bool
is_loopback(tb_str peer)
{
    return tb_str_starts(peer, TB_LIT("127.")) || tb_str_eq(peer, TB_LIT("::1"));
}

bool
metrics_may_read(tb_str peer, bool is_forwarded, const struct tb_networks *allowed)
{
    struct tb_address address;

    if (is_forwarded || !tb_address_parse(peer, &address))
        return false;
    return is_loopback(peer) || tb_networks_has(allowed, &address);
}
