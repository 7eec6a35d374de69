#pragma once
/* A certificate with its key, ready for handshakes: read from files on any thread, then given to the loop, which uses it for
 * all connections that come from then on. Those that are there keep what they have begun with.
 * Threads: load, free and look on any; net_use_certificate on the loop. */
#include "tombolo/err.h"

struct net;
struct net_certificate;

struct net_certificate_files {
    const char *cert;           /* PEM: the certificate, and behind it those that lead to its authority */
    const char *key;            /* PEM, without a passphrase; "": in the same file */
    bool        only_tls_13;    /* else TLS 1.2 as well */
};

/* TB_EINPUT: why says which file, and what is wrong with it. */
enum tb_code net_certificate_load(struct net_certificate **out, const struct net_certificate_files *files,
                                  struct tb_err *e) TB_MUST_CHECK;
void net_certificate_free(struct net_certificate **);       /* accepts NULL inside */

/* What is to be said of it: its SHA-256, as browsers show it, and the day (seconds since 1970) on which it ends. */
enum { NET_FINGERPRINT_SIZE = 32 * 3 };
void    net_certificate_fingerprint(const struct net_certificate *, char out[NET_FINGERPRINT_SIZE]);
int64_t net_certificate_ends_at(const struct net_certificate *);

/* Takes it: from now on it is what new connections are shown. */
void net_use_certificate(struct net *, struct net_certificate **);
