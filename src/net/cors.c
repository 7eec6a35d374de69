/* Cross-origin resource sharing (https://fetch.spec.whatwg.org/#http-cors-protocol). Tokens travel in a header of their
 * own, never in cookies, so credentials are not allowed and "*" gives nothing away. */
#include "net/internal.h"

static const struct net_header preflight_headers[] = {
    { TB_LIT("access-control-allow-methods"), TB_LIT("GET, HEAD, POST, PUT, PATCH, DELETE") },
    { TB_LIT("access-control-allow-headers"), TB_LIT("authorization, content-type, idempotency-key") },
    { TB_LIT("access-control-max-age"), TB_LIT("7200") },       /* seconds; the most that Chromium keeps */
};

const struct net_response net_cors_preflight = {
    .status = 204,
    .headers = preflight_headers,
    .n_headers = sizeof preflight_headers / sizeof preflight_headers[0],
};

bool
net_cors_is_preflight(const struct net *net, const h2o_req_t *req)
{
    return net->cors_origins[0] != '\0' && h2o_memis(req->input.method.base, req->input.method.len, H2O_STRLIT("OPTIONS"));
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
    add(req, TB_LIT("access-control-expose-headers"), TB_LIT("retry-after"));
}
