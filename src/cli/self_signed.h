#pragma once
/* Certificates that are their own authority, for a network without any; and what a certificate says of itself.
 * Threads: main. */
#include "tombolo/err.h"

enum { SELF_SIGNED_NAMES = 64, SELF_SIGNED_DAYS = 825 };    /* the longest that every system takes for a server */

/* Makes a key (mode 0600) and a certificate with it for these names and addresses. Neither file may be there. TB_EINPUT: one of
 * the names is none; TB_EIO. */
enum tb_code self_signed_make(const char *cert, const char *key, char *const *names, size_t n, unsigned days, struct tb_err *e)
    TB_MUST_CHECK;

struct certificate_facts {
    char          sha256[32 * 3];       /* "AB:CD:..." */
    int64_t       ends_ms;
    struct tb_buf names;                /* DNS names and addresses, each followed by a blank; to be freed */
};

/* Of the first certificate in a PEM file. */
enum tb_code certificate_read(struct certificate_facts *out, const char *path, struct tb_err *e) TB_MUST_CHECK;
