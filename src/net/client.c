/* Who a request is from. A proxy in front adds to X-Forwarded-For whom it has the request from, or to RFC 7239's Forwarded, which is
 * read where there is none of the first. Anybody may send such a header: it is believed only as far as trusted proxies have
 * written it, from its end. Always: a client who is named in words that say no address has a stranger's rights, and never those
 * of the proxy. */
#include "net/internal.h"

#include "base/scan.h"

static tb_str
value_of(const h2o_header_t *h)
{
    return (tb_str){ .p = h->value.base, .n = h->value.len };
}

/* The character at `at`, in a quoted string: behind an odd number of backslashes it is only itself [RFC 9110 5.6.4]. */
static bool
is_escaped(tb_str text, size_t at)
{
    size_t n = 0;

    while (n < at && text.p[at - n - 1] == '\\')
        n++;
    return n % 2 == 1;
}

/* The part behind the last `between` that is not in quotes, cut off *list. Quotes are paired from the end, too: a client may have
 * written anything before them. */
static tb_str
take_last(tb_str *list, char between)
{
    bool   is_quoted = false;
    size_t at = list->n;

    for (; at > 0 && (is_quoted || list->p[at - 1] != between); at--)
        if (list->p[at - 1] == '"' && !is_escaped(*list, at - 1))
            is_quoted = !is_quoted;
    tb_str last = { .p = list->p + at, .n = list->n - at };
    list->n = at > 0 ? at - 1 : 0;
    return tb_str_trim(last);
}

/* Of one element of Forwarded, "for=192.0.2.1;proto=https". n == 0: it has none. */
static tb_str
for_of(tb_str element)
{
    while (element.n > 0) {
        tb_str         pair = take_last(&element, ';');
        struct tb_scan s = tb_scan_of(pair);
        if (tb_str_eq_nocase(tb_scan_until(&s, '='), TB_LIT("for")))
            return tb_scan_rest(&s);
    }
    return TB_STR_NULL;
}

/* ---- the headers ---- */

enum form { X_FORWARDED_FOR, FORWARDED };

static const tb_str form_names[] = { [X_FORWARDED_FOR] = { "x-forwarded-for", 15 }, [FORWARDED] = { "forwarded", 9 } };

static bool
is_named(const h2o_header_t *h, tb_str name)
{
    return tb_str_eq((tb_str){ .p = h->name->base, .n = h->name->len }, name);
}

static bool
has_header(const h2o_req_t *h2o, tb_str name)
{
    for (size_t i = 0; i < h2o->headers.size; i++)
        if (is_named(&h2o->headers.entries[i], name))
            return true;
    return false;
}

static bool
has_passed_a_proxy(const h2o_req_t *h2o)
{
    static const tb_str signs[] = { { "x-forwarded-for", 15 }, { "forwarded", 9 }, { "via", 3 }, { "x-forwarded-host", 16 },
                                    { "x-forwarded-proto", 17 }, { "x-real-ip", 9 } };

    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (has_header(h2o, signs[i]))
            return true;
    return false;
}

/* false: the one who stands there is not trusted to say more. */
static bool
go_to(const struct net *net, tb_str node, struct net_client *who)
{
    who->is_unknown = !tb_address_parse_node(node, &who->address);
    return !who->is_unknown && tb_networks_has(&net->address_limits.trusted, &who->address);
}

static bool
go_back(const struct net *net, tb_str list, enum form form, struct net_client *who)
{
    while (list.n > 0) {
        tb_str one = take_last(&list, ',');
        if (one.n > 0 && !go_to(net, form == FORWARDED ? for_of(one) : one, who))
            return false;
    }
    return true;
}

static void
read_names(const struct net *net, const h2o_req_t *h2o, enum form form, struct net_client *who)
{
    bool goes_on = true;

    who->is_unknown = true;     /* the header may name nobody at all */
    for (size_t i = h2o->headers.size; goes_on && i > 0; i--)
        if (is_named(&h2o->headers.entries[i - 1], form_names[form]))
            goes_on = go_back(net, value_of(&h2o->headers.entries[i - 1]), form, who);
    if (who->is_unknown)
        who->address = (struct tb_address){ 0 };
}

struct net_client
net_client_of(const struct net_conn *c, const h2o_req_t *h2o)
{
    struct net_client who = { .address = c->address, .is_forwarded = has_passed_a_proxy(h2o) };

    if (!who.is_forwarded || !tb_networks_has(&c->net->address_limits.trusted, &c->address))
        return who;
    if (has_header(h2o, form_names[X_FORWARDED_FOR]))
        read_names(c->net, h2o, X_FORWARDED_FOR, &who);
    else if (has_header(h2o, form_names[FORWARDED]))
        read_names(c->net, h2o, FORWARDED, &who);
    return who;
}

void
net_client_text(const struct net_client *who, char out[INET6_ADDRSTRLEN])
{
    if (who->is_unknown)
        memcpy(out, "unknown", sizeof "unknown");
    else
        tb_address_text(&who->address, out);
}
