/* Cross-origin resource sharing (https://fetch.spec.whatwg.org/#http-cors-protocol). Tokens travel in a header of their own, never
 * in cookies, so "*" gives nothing away. Listed origins may say withCredentials, which old clients do out of habit. */
#include "net/internal.h"

#include <ctype.h>


bool
net_cors_is_preflight(const struct net *net, const h2o_req_t *req)
{
    return net->cors_origins[0] != '\0' && h2o_memis(req->input.method.base, req->input.method.len, H2O_STRLIT("OPTIONS"));
}

/* tokens, commas and blanks: nothing that could mean more in our answer than it did in the request */
static bool
is_list_of_names(tb_str text)
{
    static const char others[] = "!#$%&'*+-.^_`|~, \t";

    for (size_t i = 0; i < text.n; i++)
        if (!isalnum((unsigned char)text.p[i]) && (text.p[i] == '\0' || strchr(others, text.p[i]) == NULL))
            return false;
    return text.n > 0;
}

/* A page's client may send headers of its own (extraHeaders of Socket.IO's): those it asks for are allowed. */
struct net_response
net_cors_preflight(const h2o_req_t *req, struct net_header headers[NET_PREFLIGHT_HEADERS])
{
    ssize_t at = h2o_find_header_by_str(&req->headers, H2O_STRLIT("access-control-request-headers"), -1);
    tb_str  asked = TB_STR_NULL;

    if (at >= 0)
        asked = (tb_str){ .p = req->headers.entries[at].value.base, .n = req->headers.entries[at].value.len };
    headers[0] = (struct net_header){ TB_LIT("access-control-allow-methods"),
                                      TB_LIT("GET, HEAD, POST, PUT, PATCH, DELETE") };
    headers[1] = (struct net_header){ TB_LIT("access-control-allow-headers"),
                                      is_list_of_names(asked) ? asked
                                                              : TB_LIT("authorization, content-type, idempotency-key") };
    headers[2] = (struct net_header){ TB_LIT("access-control-max-age"), TB_LIT("7200") };   /* s; the most Chromium keeps */
    return (struct net_response){ .status = 204, .headers = headers, .n_headers = NET_PREFLIGHT_HEADERS };
}

static void
add(h2o_req_t *req, tb_str static_name, tb_str value)
{
    h2o_add_header_by_str(&req->pool, &req->res.headers, static_name.p, static_name.n, 0, NULL, value.p, value.n);
}

static bool
is_listed(const char *origins, tb_str origin)
{
    tb_str rest = tb_str_of(origins);

    while (rest.n > 0) {
        const char *blank = memchr(rest.p, ' ', rest.n);
        size_t      n = blank != NULL ? (size_t)(blank - rest.p) : rest.n, skip = n + (blank != NULL);
        if (n > 0 && tb_str_eq_nocase((tb_str){ .p = rest.p, .n = n }, origin))
            return true;
        rest = (tb_str){ .p = rest.p + skip, .n = rest.n - skip };
    }
    return false;
}

bool
net_allows_origin(const struct net *net, tb_str origin)
{
    return net->cors_is_any || origin.n == 0 || is_listed(net->cors_origins, origin);
}

/* The origin to name in the answer; n == 0: none. */
static tb_str
allowed_origin(struct net *net, h2o_req_t *req)
{
    if (net->cors_is_any)
        return TB_LIT("*");
    ssize_t at = h2o_find_header_by_str(&req->headers, H2O_STRLIT("origin"), -1);
    if (at < 0)
        return TB_STR_NULL;
    h2o_iovec_t v = req->headers.entries[at].value;
    if (!is_listed(net->cors_origins, (tb_str){ .p = v.base, .n = v.len }))
        return TB_STR_NULL;
    v = h2o_strdup(&req->pool, v.base, v.len);
    return (tb_str){ .p = v.base, .n = v.len };
}

void
net_cors_add(struct net *net, h2o_req_t *req)
{
    if (net->cors_origins[0] == '\0')
        return;
    if (!net->cors_is_any)
        add(req, TB_LIT("vary"), TB_LIT("origin"));     /* a cache must not give this answer to another origin */
    tb_str origin = allowed_origin(net, req);
    if (origin.n == 0)
        return;
    add(req, TB_LIT("access-control-allow-origin"), origin);
    if (!net->cors_is_any)
        add(req, TB_LIT("access-control-allow-credentials"), TB_LIT("true"));
    add(req, TB_LIT("access-control-expose-headers"), TB_LIT("retry-after, x-request-id"));
}

/* For an answer that is written by hand, before there is a request. */
void
net_cors_write(const struct net *net, tb_str origin, struct tb_buf *out)
{
    if (net->cors_is_any)
        tb_buf_add(out, TB_LIT("access-control-allow-origin: *\r\n"));
    else if (net->cors_origins[0] != '\0')
        tb_buf_add(out, TB_LIT("vary: origin\r\n"));
    if (!net->cors_is_any && origin.n > 0 && is_listed(net->cors_origins, origin))
        tb_buf_printf(out, "access-control-allow-origin: " TB_STR_FMT "\r\naccess-control-allow-credentials: true\r\n",
                      TB_STR_ARG(origin));
}

/* ---- pages of our own ---- */

static tb_str
header_of(const h2o_req_t *req, const char *name, size_t n)
{
    ssize_t at = h2o_find_header_by_str(&req->headers, name, n, -1);

    return at < 0 ? TB_STR_NULL : (tb_str){ .p = req->headers.entries[at].value.base, .n = req->headers.entries[at].value.len };
}

/* What a scheme's own port adds. */
static tb_str
without_port(tb_str authority)
{
    static const char *const ports[] = { ":80", ":443" };

    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
        size_t n = strlen(ports[i]);
        if (authority.n > n && memcmp(authority.p + authority.n - n, ports[i], n) == 0)
            return (tb_str){ authority.p, authority.n - n };
    }
    return authority;
}

static bool
is_same_authority(tb_str a, tb_str b)
{
    return a.n > 0 && tb_str_eq_nocase(without_port(a), without_port(b));
}

/* scheme "://" authority. Behind a proxy that ends TLS the scheme here is another one, so it is not compared; and a proxy that we
 * trust may have been asked for another host. */
bool
net_cors_is_own(const struct net_conn *c, const h2o_req_t *req)
{
    tb_str      origin = header_of(req, H2O_STRLIT("origin"));
    const char *slashes = origin.n > 3 ? memmem(origin.p, origin.n, "://", 3) : NULL;

    if (slashes == NULL)
        return false;
    tb_str page = { .p = slashes + 3, .n = origin.n - (size_t)(slashes + 3 - origin.p) };
    if (is_same_authority(page, (tb_str){ .p = req->input.authority.base, .n = req->input.authority.len }))
        return true;
    return tb_networks_has(&c->net->address_limits.trusted, &c->address) &&
           is_same_authority(page, tb_str_trim(header_of(req, H2O_STRLIT("x-forwarded-host"))));
}
