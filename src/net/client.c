/* Who a request is from. A proxy in front adds to X-Forwarded-For whom it has it from, and whoever speaks to us may send such a
 * header: it is believed only as far as those that we trust have written it, from its end. RFC 7239's Forwarded is not read. */
#include "net/internal.h"

static tb_str
value_of(const h2o_header_t *h)
{
    return (tb_str){ .p = h->value.base, .n = h->value.len };
}

/* The part behind the last comma, cut off *list. */
static tb_str
take_last(tb_str *list)
{
    const char *comma = list->n > 0 ? memrchr(list->p, ',', list->n) : NULL;
    tb_str      last = *list;

    if (comma != NULL)
        last = (tb_str){ .p = comma + 1, .n = list->n - (size_t)(comma + 1 - list->p) };
    list->n = comma != NULL ? (size_t)(comma - list->p) : 0;
    return tb_str_trim(last);
}

/* Goes back over one header; false: the one whom it names is not trusted to say more, or makes no sense. */
static bool
go_back(const struct net *net, tb_str list, struct tb_address *client)
{
    do {
        tb_str last = take_last(&list);
        if (last.n > 0 && !tb_address_parse(last, client))
            return false;
        if (last.n > 0 && !tb_networks_has(&net->address_limits.trusted, client))
            return false;
    } while (list.n > 0);
    return true;
}

static bool
has_header(const h2o_req_t *h2o, const h2o_token_t *token)
{
    return h2o_find_header(&h2o->headers, token, -1) >= 0;
}

struct net_client
net_client_of(const struct net_conn *c, const h2o_req_t *h2o)
{
    struct net_client who = { .address = c->address };
    bool              is_named = has_header(h2o, H2O_TOKEN_X_FORWARDED_FOR);

    if (!tb_networks_has(&c->net->address_limits.trusted, &c->address)) {
        who.is_forwarded = is_named || h2o_find_header_by_str(&h2o->headers, H2O_STRLIT("forwarded"), -1) >= 0;
        return who;
    }
    for (size_t i = h2o->headers.size; is_named && i > 0; i--) {
        const h2o_header_t *h = &h2o->headers.entries[i - 1];
        if (h->name == &H2O_TOKEN_X_FORWARDED_FOR->buf && !go_back(c->net, value_of(h), &who.address))
            break;
    }
    return who;
}
