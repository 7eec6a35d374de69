/* The plain listener that sends everybody to the one with TLS. What a client claims of host and path goes into a header of ours,
 * so only what is a host and a path gets there. */
#include "net/internal.h"

#include <ctype.h>

enum { HTTPS_PORT = 443 };

/* reg-name, IPv4, or IPv6 in brackets [RFC 3986 3.2.2], as far as signs can tell. */
static bool
is_host(tb_str host)
{
    bool is_v6 = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';

    for (size_t i = is_v6; i < host.n - is_v6; i++) {
        unsigned char c = (unsigned char)host.p[i];
        if (is_v6 ? !isxdigit(c) && c != ':' && c != '.' : !isalnum(c) && c != '.' && c != '-' && c != '_')
            return false;
    }
    return host.n > 0;
}

static bool
is_path(tb_str target)
{
    for (size_t i = 0; i < target.n; i++)
        if (target.p[i] <= ' ' || target.p[i] >= 0x7f)
            return false;
    return target.n > 0 && target.p[0] == '/';
}

/* Without its port. */
static tb_str
host_of(tb_str authority)
{
    const char *end = authority.n > 0 && authority.p[0] == '[' ? memchr(authority.p, ']', authority.n) : NULL;
    size_t      n = end != NULL ? (size_t)(end - authority.p) + 1 : 0;
    const char *colon = n < authority.n ? memchr(authority.p + n, ':', authority.n - n) : NULL;

    return (tb_str){ .p = authority.p, .n = colon != NULL ? (size_t)(colon - authority.p) : authority.n };
}

bool
net_redirect_location(struct tb_buf *out, tb_str authority, tb_str target, uint16_t port)
{
    tb_str host = host_of(authority);

    if (!is_host(host) || !is_path(target))
        return false;
    tb_buf_printf(out, "https://" TB_STR_FMT, TB_STR_ARG(host));
    if (port != HTTPS_PORT)
        tb_buf_printf(out, ":%u", port);
    tb_buf_add(out, target);
    return true;
}
