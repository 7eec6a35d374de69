#pragma once
/* Where the centre is: mysql://user:password@host:port/database?ssl-mode=...&ssl-ca=/path&compress=yes (DATABASE_URL, sync.url).
 * User, password, host, database and files may be percent-encoded (RFC 3986 section 2.1); "@ : / ?" in them must be.
 * Threads: plain values. */
#include "tombolo/err.h"
#include "tombolo/str.h"

/* name in the URL, as mysql's own --ssl-mode; what it asks for */
#define SYNC_SSL_MODES(X)                                                         \
    X(SYNC_SSL_DISABLED,        "DISABLED")        /* never */                    \
    X(SYNC_SSL_PREFERRED,       "PREFERRED")       /* when offered, unverified */ \
    X(SYNC_SSL_REQUIRED,        "REQUIRED")        /* or no link, unverified */   \
    X(SYNC_SSL_VERIFY_CA,       "VERIFY_CA")       /* the certificate's chain */  \
    X(SYNC_SSL_VERIFY_IDENTITY, "VERIFY_IDENTITY") /* and its host name */

enum sync_ssl_mode {
#define X(name, text) name,
    SYNC_SSL_MODES(X)
#undef X
    SYNC_SSL_MODE_COUNT
};

enum { SYNC_DEFAULT_PORT = 3306 };

struct sync_url {                   /* the texts are the struct's own */
    char              *user, *password, *host, *database;   /* password: "" when the URL has none */
    char              *ssl_ca;      /* file of certificates, or NULL */
    char              *public_key;  /* file of the RSA key under which MySQL gets the password without TLS, or NULL */
    bool               is_compressed;       /* "no" unless the URL says: it costs time and saves a thin link half its bytes */
    unsigned           port;
    enum sync_ssl_mode ssl_mode;    /* VERIFY_IDENTITY with ssl-ca, else PREFERRED, unless the URL says */
};

/* TB_EINPUT: why names the part that is wrong, and never holds the password. */
enum tb_code sync_url_parse(tb_str text, struct sync_url *out, struct tb_err *e) TB_MUST_CHECK;
void         sync_url_fini(struct sync_url *u);
