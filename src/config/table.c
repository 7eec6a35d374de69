/* The table of settings, and what follows from a row alone. A new setting is a member in config.h, a row here and an entry
 * in conf/tombolo.conf; a unit test compares the two. */
#include "table.h"

#include "base/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { HOUR_MS = 3600000, DAYS_MAX = 3650 };

static const char *const costs[] = { "min", "interactive", "moderate", NULL };
static const char *const registrations[] = { "open", "token", "closed", NULL };
static const char *const levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const formats[] = { "logfmt", "json", NULL };
static const char *const tls_versions[] = { "1.2", "1.3", NULL };
static const char *const audiences[] = { "everyone", "shared-rooms", NULL };
static_assert(TB_AUDIENCE_SHARED_ROOMS == 1 && TB_COST_MODERATE == 2 &&
              TB_REGISTRATION_CLOSED == 2 && LOG_DEBUG == 3 && LOG_JSON == 1 &&
              TB_TLS_1_3 == 1,
              "choices are in the order of their enums");

#define AT(section, key) #section, #key
#define IN(section, key) .offset = offsetof(struct tb_config, section.key)

const struct config_setting config_table[] = {
    { AT(server, host), CONFIG_TEXT, IN(server, host), .initial = "::", .min = 1, .max = 255,
      .help = "address to listen on; :: takes IPv6 and IPv4" },
    { AT(server, port), CONFIG_NUMBER, IN(server, port), .initial = "5000", .max = 65535, .env = "PORT",
      .help = "port to listen on; 0: any free one" },
    { AT(server, data), CONFIG_TEXT, IN(server, data), .initial = "./data", .min = 1, .max = 1024,
      .help = "folder of the journal; made when missing" },
    { AT(server, max_body), CONFIG_NUMBER, IN(server, max_body), .initial = "65536", .min = 1024, .max = 16 << 20,
      .help = "bytes of a request body" },
    { AT(server, header_timeout_ms), CONFIG_NUMBER, IN(server, header_timeout_ms), .initial = "10000", .min = 100, .max = HOUR_MS,
      .help = "time for a request to arrive, body included" },
    { AT(server, idle_timeout_ms), CONFIG_NUMBER, IN(server, idle_timeout_ms), .initial = "75000", .min = 100, .max = HOUR_MS,
      .help = "time between requests on a connection" },
    { AT(server, max_connections), CONFIG_NUMBER, IN(server, max_connections), .initial = "10000", .min = 1, .max = 1000000,
      .help = "connections served at a time; more wait" },
    { AT(server, cors_origins), CONFIG_TEXT, IN(server, cors_origins), .initial = "*", .max = CONFIG_MAX_LINE,
      .help = "origins whose pages may read answers: *, a list separated by blanks, or empty" },
    { AT(server, metrics_from), CONFIG_TEXT, IN(server, metrics_from), .initial = "", .max = CONFIG_MAX_LINE,
      .help = "addresses and networks besides this machine that may read /metrics" },
    { AT(server, app), CONFIG_YES_NO, IN(server, app), .initial = "yes",
      .help = "serve the page at /app/, a small chat client" },
    { AT(server, old_statuses), CONFIG_YES_NO, IN(server, old_statuses), .initial = "no",
      .help = "answer 400 where the old backend did: for 401 of a login, 403, 404, 409, 413, 415 and 422 of a call" },
    { AT(server, trusted_proxies), CONFIG_TEXT, IN(server, trusted_proxies), .initial = "", .max = CONFIG_MAX_LINE,
      .help = "proxies in front, whose X-Forwarded-For is believed: addresses and networks (10.0.0.0/8), separated by blanks" },
    { AT(server, http2), CONFIG_YES_NO, IN(server, http2), .initial = "yes",
      .help = "speak HTTP/2 with those who ask for it, with TLS and without" },
    { AT(server, stall_ms), CONFIG_NUMBER, IN(server, stall_ms), .initial = "5000", .min = 100, .max = HOUR_MS,
      .help = "time after which a loop that does not turn is an error in the log" },
    { AT(server, stall_abort_ms), CONFIG_NUMBER, IN(server, stall_abort_ms), .initial = "60000", .max = HOUR_MS,
      .help = "time after which the process ends for it, to be started again; 0: never" },

    { AT(tls, cert), CONFIG_TEXT, IN(tls, cert), .initial = "", .max = 1024,
      .help = "certificate in PEM, with the chain behind it; empty: no TLS" },
    { AT(tls, key), CONFIG_TEXT, IN(tls, key), .initial = "", .max = 1024,
      .help = "its private key in PEM, without a passphrase; empty: in the same file" },
    { AT(tls, host), CONFIG_TEXT, IN(tls, host), .initial = "", .max = 255,
      .help = "address to listen on with TLS; empty: that of server.host" },
    { AT(tls, port), CONFIG_NUMBER, IN(tls, port), .initial = "5443", .max = 65535,
      .help = "port to listen on with TLS; 0: any free one" },
    { AT(tls, redirect_port), CONFIG_NUMBER, IN(tls, redirect_port), .initial = "0", .max = 65535,
      .help = "port without TLS that only sends people to the one with it; 0: none" },
    { AT(tls, min_version), CONFIG_CHOICE, IN(tls, min_version), .initial = "1.2", .choices = tls_versions,
      .help = "oldest version of TLS that is spoken" },
    { AT(tls, handshake_timeout_ms), CONFIG_NUMBER, IN(tls, handshake_timeout_ms), .initial = "10000", .min = 100,
      .max = HOUR_MS, .help = "time for a handshake" },
    { AT(tls, ticket_hours), CONFIG_NUMBER, IN(tls, ticket_hours), .initial = "12", .max = 168,
      .help = "how long a session can be resumed, and after how long the key of its ticket is replaced; 0: no tickets" },

    { AT(guard, enabled), CONFIG_YES_NO, IN(guard, enabled), .initial = "yes",
      .help = "look at what comes before the HTTP library does; no is for tests only" },
    { AT(guard, header_bytes), CONFIG_NUMBER, IN(guard, header_bytes), .initial = "16384", .min = 1024, .max = 16384,
      .help = "bytes of a request's headers, decoded" },
    { AT(guard, header_fields), CONFIG_NUMBER, IN(guard, header_fields), .initial = "128", .min = 8, .max = 10000,
      .help = "headers of a request over HTTP/2" },
    { AT(guard, continuations), CONFIG_NUMBER, IN(guard, continuations), .initial = "8", .max = 1000,
      .help = "CONTINUATION frames to a request's headers over HTTP/2" },
    { AT(guard, requests_ahead), CONFIG_NUMBER, IN(guard, requests_ahead), .initial = "400", .max = 1000000,
      .help = "requests of one connection that may wait for their answers or have been given up; 0: any number" },
    { AT(guard, resets_per_second), CONFIG_NUMBER, IN(guard, resets_per_second), .initial = "50", .max = 1000000,
      .help = "requests that one connection may give up; 0: any number" },
    { AT(guard, streams_per_second), CONFIG_NUMBER, IN(guard, streams_per_second), .initial = "200000", .max = 10000000,
      .help = "requests over HTTP/2 of one connection; 0: any number" },
    { AT(guard, control_per_second), CONFIG_NUMBER, IN(guard, control_per_second), .initial = "50", .max = 1000000,
      .help = "PING and SETTINGS frames of one connection; 0: any number" },
    { AT(guard, small_per_second), CONFIG_NUMBER, IN(guard, small_per_second), .initial = "5000", .max = 10000000,
      .help = "other small frames of one connection, as WINDOW_UPDATE or a few bytes of a body; 0: any number" },
    { AT(guard, body_bytes), CONFIG_NUMBER, IN(guard, body_bytes), .initial = "4194304", .max = 1 << 30,
      .help = "bytes of unfinished bodies of one connection over HTTP/2, one of the largest at least; 0: any number" },
    { AT(guard, receive_bytes), CONFIG_NUMBER, IN(guard, receive_bytes), .initial = "4194304", .max = (int64_t)1 << 40,
      .help = "bytes of unfinished requests over all connections; beyond it each may hold its share of them; 0: any number" },
    { AT(guard, requests_at_once), CONFIG_NUMBER, IN(guard, requests_at_once), .initial = "16", .min = 1, .max = 100,
      .help = "requests of one HTTP/2 connection that are worked on at a time; the others wait in it" },
    { AT(guard, send_bytes), CONFIG_NUMBER, IN(guard, send_bytes), .initial = "8388608", .max = (int64_t)1 << 40,
      .help = "bytes of answers that clients do not take, over all connections, beyond which the oldest are cut; 0: any number" },

    { AT(auth, secret), CONFIG_TEXT, IN(auth, secret), .initial = "", .max = 1024, .env = "JWT_SECRET", .is_secret = true,
      .help = "key of the tokens; empty: one is made and kept in the data folder" },
    { AT(auth, token_days), CONFIG_NUMBER, IN(auth, token_days), .initial = "7", .min = 1, .max = DAYS_MAX,
      .help = "how long a token is valid" },
    { AT(auth, legacy_tokens), CONFIG_YES_NO, IN(auth, legacy_tokens), .initial = "no",
      .help = "accept tokens without an issuer, as the old backend made them" },
    { AT(auth, password_cost), CONFIG_CHOICE, IN(auth, password_cost), .initial = "interactive", .choices = costs,
      .env = "TOMBOLO_PASSWORD_COST", .help = "work per password hash; min is for tests only" },
    { AT(auth, hash_threads), CONFIG_NUMBER, IN(auth, hash_threads), .initial = "0", .max = 64,
      .help = "threads that hash passwords; 0: half the cores" },
    { AT(auth, hash_queue), CONFIG_NUMBER, IN(auth, hash_queue), .initial = "256", .min = 1, .max = 65536,
      .help = "passwords that may wait for them" },
    { AT(auth, password_min), CONFIG_NUMBER, IN(auth, password_min), .initial = "8", .min = 1, .max = 64,
      .help = "bytes that a new password has at least" },
    { AT(auth, registration), CONFIG_CHOICE, IN(auth, registration), .initial = "open", .choices = registrations,
      .help = "who may register: anybody, those who have the registration token, or nobody" },
    { AT(auth, registration_token), CONFIG_TEXT, IN(auth, registration_token), .initial = "", .max = 1024, .is_secret = true,
      .help = "what they must bring as registrationToken; 16 bytes or more" },

    { AT(limit, messages), CONFIG_NUMBER, IN(limit, messages), .initial = "5", .max = 1000000, .env = "TOMBOLO_RATE_LIMIT",
      .help = "messages a user may send per window; 0: any number" },
    { AT(limit, messages_window_ms), CONFIG_NUMBER, IN(limit, messages_window_ms), .initial = "10000", .min = 100, .max = HOUR_MS,
      .help = "that window" },
    { AT(limit, logins), CONFIG_NUMBER, IN(limit, logins), .initial = "10", .max = 1000000, .env = "TOMBOLO_LOGIN_LIMIT",
      .help = "login attempts per e-mail and address per window; 0: any number" },
    { AT(limit, address_logins), CONFIG_NUMBER, IN(limit, address_logins), .initial = "300", .max = 1000000,
      .help = "login and registration attempts of an address per window; 0, or limit.logins = 0: any number" },
    { AT(limit, logins_window_ms), CONFIG_NUMBER, IN(limit, logins_window_ms), .initial = "60000", .min = 100, .max = HOUR_MS,
      .help = "that window" },
    { AT(limit, connections), CONFIG_NUMBER, IN(limit, connections), .initial = "5000", .max = 1000000,
      .help = "connections of one address at a time; 0: any number" },
    { AT(limit, handshakes), CONFIG_NUMBER, IN(limit, handshakes), .initial = "200", .max = 1000000,
      .help = "TLS handshakes of one address a second, ten seconds' worth at once; 0: any number" },
    { AT(limit, requests), CONFIG_NUMBER, IN(limit, requests), .initial = "5000", .max = 1000000,
      .help = "requests of one address a second, ten seconds' worth at once; 0: any number" },
    { AT(limit, exempt), CONFIG_TEXT, IN(limit, exempt), .initial = "127.0.0.0/8 ::1", .max = CONFIG_MAX_LINE,
      .help = "addresses and networks to which these three do not apply" },
    { AT(limit, tracked), CONFIG_NUMBER, IN(limit, tracked), .initial = "100000", .min = 100, .max = 10000000,
      .help = "users or addresses whose rates are remembered" },
    { AT(limit, content_bytes), CONFIG_NUMBER, IN(limit, content_bytes), .initial = "16384", .min = 1, .max = 1 << 20,
      .help = "bytes of a message" },
    { AT(limit, room_name_chars), CONFIG_NUMBER, IN(limit, room_name_chars), .initial = "191", .min = 1, .max = 191,
      .help = "characters of a room's name" },
    { AT(limit, members_per_room), CONFIG_NUMBER, IN(limit, members_per_room), .initial = "10000", .min = 2, .max = 1000000,
      .help = "members of a room" },
    { AT(limit, rooms_per_user), CONFIG_NUMBER, IN(limit, rooms_per_user), .initial = "1000", .min = 1, .max = 100000,
      .help = "rooms of a user" },
    { AT(limit, read_ids), CONFIG_NUMBER, IN(limit, read_ids), .initial = "10000", .min = 1, .max = 100000,
      .help = "message ids in one call that marks them read" },

    { AT(journal, queue), CONFIG_NUMBER, IN(journal, queue), .initial = "8192", .min = 1, .max = 1000000,
      .help = "changes that may wait for the disk; beyond it clients are told that we are busy" },
    { AT(journal, reader_queue), CONFIG_NUMBER, IN(journal, reader_queue), .initial = "4096", .min = 1, .max = 1000000,
      .help = "queries that may wait" },
    { AT(journal, batch), CONFIG_NUMBER, IN(journal, batch), .initial = "256", .min = 1, .max = 256,
      .help = "changes in one commit" },
    { AT(journal, reserve_mb), CONFIG_NUMBER, IN(journal, reserve_mb), .initial = "64", .max = 1000000,
      .help = "free disk space below which nothing new is taken" },
    { AT(journal, key_keep_days), CONFIG_NUMBER, IN(journal, key_keep_days), .initial = "7", .min = 1, .max = 365,
      .help = "how long idempotency keys are known" },
    { AT(journal, keep_days), CONFIG_NUMBER, IN(journal, keep_days), .initial = "30", .min = 1, .max = DAYS_MAX,
      .help = "how long changes that are at the centre are kept, to catch sockets up and to send them again" },

    { AT(history, keep_days), CONFIG_NUMBER, IN(history, keep_days), .initial = "0", .max = DAYS_MAX,
      .help = "how long messages that are at the centre are kept here as well; 0: for ever" },
    { AT(history, queue), CONFIG_NUMBER, IN(history, queue), .initial = "64", .min = 1, .max = 65536,
      .help = "older pages that may wait for the centre; beyond it they are partial" },
    { AT(history, timeout_ms), CONFIG_NUMBER, IN(history, timeout_ms), .initial = "2000", .min = 100, .max = 60000,
      .help = "time for the centre to give one, after which it is partial" },

    { AT(live, ping_interval_ms), CONFIG_NUMBER, IN(live, ping_interval_ms), .initial = "25000", .min = 100, .max = HOUR_MS,
      .help = "time between heartbeats of a socket" },
    { AT(live, ping_timeout_ms), CONFIG_NUMBER, IN(live, ping_timeout_ms), .initial = "20000", .min = 100, .max = HOUR_MS,
      .help = "time for a socket to answer one" },
    { AT(live, max_payload), CONFIG_NUMBER, IN(live, max_payload), .initial = "1000000", .min = 1024, .max = 100000000,
      .help = "bytes of one packet from a socket" },
    { AT(live, max_queued), CONFIG_NUMBER, IN(live, max_queued), .initial = "1048576", .min = 16384, .max = 1 << 30,
      .help = "bytes that may wait for one socket; beyond it the socket catches up later" },
    { AT(live, connect_bytes), CONFIG_NUMBER, IN(live, connect_bytes), .initial = "8192", .min = 1024, .max = 100000000,
      .help = "bytes of one packet from a socket that is not let in yet: its CONNECT, with the token" },
    { AT(live, held_bytes), CONFIG_NUMBER, IN(live, held_bytes), .initial = "16777216", .max = (int64_t)1 << 40,
      .help = "bytes of packets that are not whole or not sent, over all sockets; beyond it each account and address may hold "
              "its share of them; 0: any number" },
    { AT(live, turn_ms), CONFIG_NUMBER, IN(live, turn_ms), .initial = "5", .max = 1000,
      .help = "time in each turn of the loop for what sockets have sent; the rest waits in a fair line; 0: however long it takes" },
    { AT(live, sockets_per_user), CONFIG_NUMBER, IN(live, sockets_per_user), .initial = "50", .min = 1, .max = 100000,
      .help = "sockets of a user; one more is closed" },
    { AT(live, events_per_second), CONFIG_NUMBER, IN(live, events_per_second), .initial = "50", .max = 1000000,
      .help = "events one socket may send; 0: any number" },
    { AT(live, frames_per_second), CONFIG_NUMBER, IN(live, frames_per_second), .initial = "500", .max = 1000000,
      .help = "WebSocket frames, or packets by polling, that one connection may send; 0: any number" },
    { AT(live, connects), CONFIG_NUMBER, IN(live, connects), .initial = "60000", .max = 1000000,
      .help = "sockets that one address may open per minute; 0: any number" },
    { AT(live, user_connects), CONFIG_NUMBER, IN(live, user_connects), .initial = "600", .max = 1000000,
      .help = "sockets that one user may open per minute; 0: any number" },
    { AT(live, typing), CONFIG_NUMBER, IN(live, typing), .initial = "120", .max = 1000000,
      .help = "times per minute that a user's typing is told; 0: any number" },
    { AT(live, typing_ms), CONFIG_NUMBER, IN(live, typing_ms), .initial = "6000", .min = 100, .max = HOUR_MS,
      .help = "how long a typing lasts that the client does not renew" },
    { AT(live, ring_batches), CONFIG_NUMBER, IN(live, ring_batches), .initial = "512", .min = 1, .max = 65536,
      .help = "recent commits kept in memory for sockets that catch up" },
    { AT(live, unproved), CONFIG_NUMBER, IN(live, unproved), .initial = "100000", .min = 1, .max = 1000000,
      .help = "messages sent on a socket without proof of their arrival; beyond it the socket catches up as proofs come" },
    { AT(live, receipts_waiting), CONFIG_NUMBER, IN(live, receipts_waiting), .initial = "2000000", .min = 1, .max = 10000000,
      .help = "proofs of delivery that may wait for the disk; beyond it no more are asked for" },

    { AT(presence, grace_ms), CONFIG_NUMBER, IN(presence, grace_ms), .initial = "1000", .max = HOUR_MS,
      .help = "time without a socket after which a user is offline" },
    { AT(presence, audience), CONFIG_CHOICE, IN(presence, audience), .initial = "everyone", .choices = audiences,
      .help = "who is told that a user is online or offline" },

    { AT(recovery, window_days), CONFIG_NUMBER, IN(recovery, window_days), .initial = "7", .min = 1, .max = DAYS_MAX,
      .help = "how long a socket can be recovered" },

    { AT(sync, url), CONFIG_TEXT, IN(sync, url), .initial = "", .max = 1024, .env = "DATABASE_URL", .is_url = true,
      .help = "the centre, mysql://user:password@host:port/database; empty: none" },
    { AT(sync, node), CONFIG_NUMBER, IN(sync, node), .initial = "0", .max = 4095,
      .help = "this site's number at the centre, of a journal that has written nothing; 0: the centre gives one" },
    { AT(sync, batch), CONFIG_NUMBER, IN(sync, batch), .initial = "2000", .min = 1, .max = 10000,
      .help = "changes in one transaction of the centre" },
    { AT(sync, connect_timeout_ms), CONFIG_NUMBER, IN(sync, connect_timeout_ms), .initial = "2000", .min = 100, .max = 60000,
      .help = "time to reach it" },
    { AT(sync, io_timeout_ms), CONFIG_NUMBER, IN(sync, io_timeout_ms), .initial = "10000", .min = 100, .max = 600000,
      .help = "time for its answer" },
    { AT(sync, first_contact_ms), CONFIG_NUMBER, IN(sync, first_contact_ms), .initial = "5000", .max = HOUR_MS,
      .help = "time for a new site to get its number before it takes changes without; 0: changes wait for no centre" },
    { AT(sync, lease_days), CONFIG_NUMBER, IN(sync, lease_days), .initial = "90", .min = 1, .max = DAYS_MAX,
      .help = "how long the centre keeps changes for a site that is silent" },

    { AT(log, level), CONFIG_CHOICE, IN(log, level), .initial = "info", .choices = levels, .help = "what is logged" },
    { AT(log, format), CONFIG_CHOICE, IN(log, format), .initial = "logfmt", .choices = formats, .help = "how" },
    { AT(log, requests), CONFIG_YES_NO, IN(log, requests), .initial = "no", .help = "a line for each HTTP request, at level info" },
    { AT(log, slow_ms), CONFIG_NUMBER, IN(log, slow_ms), .initial = "500", .max = HOUR_MS,
      .help = "what takes longer has a line in the log; 0: nothing" },
};

#define N_SETTINGS (sizeof config_table / sizeof config_table[0])
static_assert(N_SETTINGS <= CONFIG_SETTINGS_MOST, "the header leaves room for them");
const int config_settings = N_SETTINGS;

/* ---- names ---- */

void
config_write_key(const struct config_setting *s, char out[CONFIG_MAX_NAME])
{
    snprintf(out, CONFIG_MAX_NAME, "%s.%s", s->section, s->key);
}

void
config_write_env(const struct config_setting *s, char out[CONFIG_MAX_NAME])
{
    snprintf(out, CONFIG_MAX_NAME, CONFIG_ENV_PREFIX "%s_%s", s->section, s->key);
    for (char *c = out; *c != '\0'; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
}

int
config_find(tb_str key)
{
    char known[CONFIG_MAX_NAME];

    for (int i = 0; i < config_settings; i++) {
        config_write_key(&config_table[i], known);
        if (tb_str_eq(key, tb_str_of(known)))
            return i;
    }
    return CONFIG_NOT_FOUND;
}

static size_t
min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Levenshtein's distance: letters to change, add or take away. b is one of our names, so shorter than CONFIG_MAX_NAME. */
static size_t
distance(tb_str a, tb_str b)
{
    size_t row[CONFIG_MAX_NAME];

    for (size_t k = 0; k <= b.n; k++)
        row[k] = k;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t k = 1; k <= b.n; k++) {
            size_t above = row[k];
            row[k] = min3(above + 1, row[k - 1] + 1, diagonal + (a.p[i - 1] != b.p[k - 1]));
            diagonal = above;
        }
    }
    return row[b.n];
}

/* "port": the first setting of that name, in whatever section, is meant. */
static bool
is_end_of(tb_str name, tb_str candidate)
{
    size_t before = candidate.n - name.n;

    return name.n > 0 && name.n < candidate.n && candidate.p[before - 1] == '.' &&
           memcmp(candidate.p + before, name.p, name.n) == 0;
}

void
config_write_nearest(tb_str name, void (*write)(const struct config_setting *, char[CONFIG_MAX_NAME]),
                     char out[CONFIG_MAX_NAME])
{
    char   candidate[CONFIG_MAX_NAME];
    size_t best = SIZE_MAX;

    if (name.n >= CONFIG_MAX_NAME)
        name.n = CONFIG_MAX_NAME - 1;
    for (int i = 0; i < config_settings; i++) {
        write(&config_table[i], candidate);
        size_t d = is_end_of(name, tb_str_of(candidate)) ? 0 : distance(name, tb_str_of(candidate));
        if (d < best) {
            best = d;
            memcpy(out, candidate, CONFIG_MAX_NAME);
        }
    }
}

/* ---- values ---- */

void *
config_slot(struct tb_config *c, const struct config_setting *s)
{
    return (char *)c + s->offset;
}

const void *
config_value(const struct tb_config *c, const struct config_setting *s)
{
    return (const char *)c + s->offset;
}

void
config_write_allowed(const struct config_setting *s, struct tb_buf *out)
{
    switch (s->type) {
    case CONFIG_TEXT:
        tb_buf_printf(out, "a text of %s%" PRId64 " bytes", s->min > 0 ? "1 to " : "at most ", s->max);
        break;
    case CONFIG_NUMBER:
        tb_buf_printf(out, "a number from %" PRId64 " to %" PRId64, s->min, s->max);
        break;
    case CONFIG_YES_NO:
        tb_buf_add(out, TB_LIT("yes or no"));
        break;
    case CONFIG_CHOICE:
        for (size_t i = 0; s->choices[i] != NULL; i++)
            tb_buf_printf(out, "%s%s", i == 0 ? "" : s->choices[i + 1] == NULL ? " or " : ", ", s->choices[i]);
        break;
    }
}

static bool
set_text(const struct config_setting *s, char **out, tb_str v)
{
    if ((int64_t)v.n < s->min || (int64_t)v.n > s->max)
        return false;
    tb_free(*out);
    *out = tb_str_to_c(v);
    return true;
}

static bool
set_number(const struct config_setting *s, int64_t *out, tb_str v)
{
    uint64_t n;

    if (!tb_str_to_uint(v, (uint64_t)s->max, &n) || (int64_t)n < s->min)
        return false;
    *out = (int64_t)n;
    return true;
}

static bool
set_yes_no(bool *out, tb_str v)
{
    static const struct { const char *word; bool means; } words[] = {
        { "yes", true }, { "no", false }, { "true", true }, { "false", false },
        { "on", true },  { "off", false }, { "1", true },   { "0", false },
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (tb_str_eq_nocase(v, tb_str_of(words[i].word))) {
            *out = words[i].means;
            return true;
        }
    return false;
}

static bool
set_choice(const struct config_setting *s, int64_t *out, tb_str v)
{
    for (size_t i = 0; s->choices[i] != NULL; i++)
        if (tb_str_eq(v, tb_str_of(s->choices[i]))) {
            *out = (int64_t)i;
            return true;
        }
    return false;
}

bool
config_set_value(struct tb_config *c, const struct config_setting *s, tb_str v)
{
    switch (s->type) {
    case CONFIG_TEXT:
        return set_text(s, config_slot(c, s), v);
    case CONFIG_NUMBER:
        return set_number(s, config_slot(c, s), v);
    case CONFIG_YES_NO:
        return set_yes_no(config_slot(c, s), v);
    case CONFIG_CHOICE:
        return set_choice(s, config_slot(c, s), v);
    }
    return false;
}
