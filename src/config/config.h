#pragma once
/* Every setting, filled once from defaults, file, environment and flags (the later wins), checked once, then read only.
 * The list, with units, defaults and what is allowed, is the table in config.c; conf/tombolo.conf is its commented form.
 *
 * Environment: TOMBOLO_<SECTION>_<KEY> for every key, and shorter or older names for some (PORT, JWT_SECRET, DATABASE_URL,
 * TOMBOLO_RATE_LIMIT, TOMBOLO_LOGIN_LIMIT, TOMBOLO_PASSWORD_COST), over which the long one wins. An empty variable counts as
 * not set. TOMBOLO_ with anything else behind it is refused as a slip of the pen, but for TOMBOLO_CONFIG (the file's path)
 * and TOMBOLO_TEST_..., which is left to the tests.
 * Threads: fixed before the first one starts. */
#include "tombolo/err.h"

struct tb_config {
    struct {
        char    *host;                      /* 0.0.0.0 */
        int64_t  port;                      /* 5000; PORT */
        char    *data;                      /* ./data */
        int64_t  max_body;                  /* 65536 bytes */
        int64_t  header_timeout_ms;         /* 10000 */
        int64_t  idle_timeout_ms;           /* 60000 */
        int64_t  max_connections;           /* 10000 */
        char    *cors_origins;              /* "*" */
        char    *metrics_from;              /* addresses and networks; empty: this machine only */
        bool     app;                       /* yes: the page at /app/ */
        bool     old_statuses;              /* no */
        char    *trusted_proxies;           /* empty: none */
        bool     http2;                     /* yes */
        int64_t  stall_ms;                  /* 5000 */
        int64_t  stall_abort_ms;            /* 60000; 0: never */
    } server;
    struct {
        char    *cert;                      /* empty: no TLS */
        char    *key;                       /* empty: in the same file */
        char    *host;                      /* empty: server.host */
        int64_t  port;                      /* 5443 */
        int64_t  redirect_port;             /* 0: no such listener */
        int64_t  min_version;               /* enum tb_tls_version; 1.2 */
        int64_t  handshake_timeout_ms;      /* 10000 */
        int64_t  ticket_hours;              /* 12; 0: no tickets */
    } tls;
    struct {
        bool     enabled;                   /* yes */
        int64_t  header_bytes;              /* 16384 */
        int64_t  header_fields;             /* 128, over HTTP/2 */
        int64_t  continuations;             /* 8 frames of a header block */
        int64_t  requests_ahead;            /* 400 of a connection without an answer */
        int64_t  resets_per_second;         /* 50 of a connection */
        int64_t  streams_per_second;        /* 200000 of a connection */
        int64_t  control_per_second;        /* 50 PING and SETTINGS frames of a connection */
        int64_t  small_per_second;          /* 5000 frames of a connection */
        int64_t  body_bytes;                /* 4 MiB of a connection over HTTP/2 */
        int64_t  receive_bytes;             /* 4 MiB of all connections */
        int64_t  requests_at_once;          /* 16 of one HTTP/2 connection */
        int64_t  send_bytes;                /* 8 MiB of all connections */
    } guard;
    struct {
        char    *secret;                    /* JWT_SECRET; empty: made once and kept in the data folder */
        int64_t  token_days;                /* 7 */
        bool     legacy_tokens;             /* no */
        int64_t  password_cost;             /* enum tb_password_cost; interactive */
        int64_t  hash_threads;              /* 0: max(1, cores / 2) */
        int64_t  hash_queue;                /* 256 */
        int64_t  password_min;              /* 8 bytes */
        int64_t  registration;              /* enum tb_registration; open */
        char    *registration_token;        /* empty: none */
    } auth;
    struct {
        int64_t  messages;                  /* 5 a user per window; 0: off; TOMBOLO_RATE_LIMIT */
        int64_t  messages_window_ms;        /* 10000 */
        int64_t  logins;                    /* 10 an e-mail and address per window; 0: off; TOMBOLO_LOGIN_LIMIT */
        int64_t  address_logins;            /* 300 an address per window; 0, or logins 0: off */
        int64_t  logins_window_ms;          /* 60000 */
        int64_t  connections;               /* 5000 of an address; 0: off, as in the next two */
        int64_t  handshakes;                /* 200 of an address a second */
        int64_t  requests;                  /* 5000 of an address a second */
        char    *exempt;                    /* 127.0.0.0/8 ::1 */
        int64_t  tracked;                   /* 100000 users or addresses whose rates are remembered */
        int64_t  content_bytes;             /* 16384 */
        int64_t  room_name_chars;           /* 191 */
        int64_t  members_per_room;          /* 10000 */
        int64_t  rooms_per_user;            /* 1000 */
        int64_t  read_ids;                  /* 10000 message ids in one call */
    } limit;
    struct {
        int64_t  queue;                     /* 8192 */
        int64_t  reader_queue;              /* 4096 */
        int64_t  batch;                     /* 256 */
        int64_t  reserve_mb;                /* 64 */
        int64_t  key_keep_days;             /* 7 */
        int64_t  keep_days;                 /* 30; at least recovery.window_days */
    } journal;
    struct {
        int64_t  keep_days;                 /* 0: for ever; else at least recovery.window_days and journal.key_keep_days */
        int64_t  queue;                     /* 64 */
        int64_t  timeout_ms;                /* 2000 */
    } history;
    struct {
        int64_t  ping_interval_ms;          /* 25000 */
        int64_t  ping_timeout_ms;           /* 20000 */
        int64_t  max_payload;               /* 1000000 bytes of a packet */
        int64_t  connect_bytes;             /* 8192 bytes of a packet before CONNECT was accepted */
        int64_t  max_queued;                /* 1048576 bytes that wait for one socket */
        int64_t  held_bytes;                /* 16 MiB of all sockets; 0: off */
        int64_t  turn_ms;                   /* 5 of each turn of the loop for what sockets have sent; 0: off */
        int64_t  sockets_per_user;          /* 50 */
        int64_t  events_per_second;         /* 50 of one socket; 0: off */
        int64_t  frames_per_second;         /* 500 of one connection; 0: off */
        int64_t  connects;                  /* 60000 of an address per minute; 0: off */
        int64_t  user_connects;             /* 600 of a user per minute; 0: off */
        int64_t  typing;                    /* 120 times a minute for a user; 0: off */
        int64_t  typing_ms;                 /* 6000 */
        int64_t  ring_batches;              /* 512 recent commits */
        int64_t  unproved;                  /* 100000 messages sent on one socket without proof of their arrival */
        int64_t  receipts_waiting;          /* 2000000 proofs that wait for the disk */
    } live;
    struct {
        int64_t  grace_ms;                  /* 1000 */
        int64_t  audience;                  /* enum tb_audience; everyone */
    } presence;
    struct {
        int64_t  window_days;               /* 7 */
    } recovery;
    struct {
        int64_t  node;                      /* 0; of a new journal */
        char    *url;                       /* mysql://user:password@host:port/db; DATABASE_URL; empty: no centre */
        int64_t  batch;                     /* 2000 ops */
        int64_t  connect_timeout_ms;        /* 2000 */
        int64_t  io_timeout_ms;             /* 10000 */
        int64_t  first_contact_ms;          /* 5000 */
        int64_t lease_days;         /* 90 */
    } sync;
    struct {
        int64_t  level;                     /* enum log_level; info */
        int64_t  format;                    /* enum log_format; logfmt */
        bool     requests;                  /* a line for each; no */
        int64_t  slow_ms;                   /* what takes longer has a line; 500; 0: nothing */
    } log;
    char **origins;                         /* config.c's: where each value came from, by place in the table */
};

enum tb_tls_version { TB_TLS_1_2, TB_TLS_1_3 };
enum tb_audience { TB_AUDIENCE_EVERYONE, TB_AUDIENCE_SHARED_ROOMS };
enum tb_password_cost { TB_COST_MIN, TB_COST_INTERACTIVE, TB_COST_MODERATE };
enum tb_registration { TB_REGISTRATION_OPEN, TB_REGISTRATION_TOKEN, TB_REGISTRATION_CLOSED };

struct tb_config_flag {
    const char *flag;                       /* as it was typed, for messages: "--port" */
    const char *key;                        /* "server.port" */
    const char *value;
};

/* *c is filled or left empty. path NULL: the file that TOMBOLO_CONFIG names, or none. TB_EINPUT: why names file:line
 * (or variable, or flag), the key and what is allowed; never a secret's value. */
enum tb_code tb_config_load(struct tb_config *c, const char *path, const struct tb_config_flag *flags, size_t n_flags,
                            struct tb_err *e) TB_MUST_CHECK;

/* As tb_config_load from defaults and this text alone, as if it were the file called name. For tests. */
enum tb_code tb_config_parse(struct tb_config *c, const char *name, tb_str text, struct tb_err *e) TB_MUST_CHECK;

void tb_config_fini(struct tb_config *c);

/* The effective values with their origin, one a line; or as one JSON object, {"server.port":{"value":5000,"origin":"default"},
 * ...}. Secrets are masked, in a URL the password. */
void tb_config_print(const struct tb_config *c, bool as_json, struct tb_buf *out);

/* The same with how to set each: key, variable, default, what is allowed, what it is for. For tombolo help. */
void tb_config_explain(struct tb_buf *out);
