/* Bodies of address.h. */
#include "base/address.h"

#include "base/scan.h"

#include <arpa/inet.h>

static const unsigned char v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

enum { V4_PREFIX_BITS = 96, NETWORK_BYTES = 8 };

static bool
is_v4(const struct tb_address *a)
{
    return memcmp(a->bytes, v4_prefix, sizeof v4_prefix) == 0;
}

bool
tb_address_parse(tb_str text, struct tb_address *out)
{
    char              z[INET6_ADDRSTRLEN];
    struct tb_address a;

    if (text.n == 0 || text.n >= sizeof z || memchr(text.p, '\0', text.n) != NULL)
        return false;
    memcpy(z, text.p, text.n);
    z[text.n] = '\0';
    memcpy(a.bytes, v4_prefix, sizeof v4_prefix);
    if (inet_pton(AF_INET, z, a.bytes + sizeof v4_prefix) != 1 && inet_pton(AF_INET6, z, a.bytes) != 1)
        return false;
    *out = a;
    return true;
}

/* RFC 7239 section 6: a number, or a hidden one */
static bool
is_port(tb_str port)
{
    static const char hidden[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    uint64_t          number;

    if (port.n < 2 || port.p[0] != '_')
        return port.n <= 5 && tb_str_to_uint(port, UINT16_MAX, &number);
    for (size_t i = 1; i < port.n; i++)
        if (port.p[i] == '\0' || strchr(hidden, port.p[i]) == NULL)
            return false;
    return true;
}

static tb_str
without_quotes(tb_str text)
{
    bool has_some = text.n >= 2 && text.p[0] == '"' && text.p[text.n - 1] == '"';

    return has_some ? (tb_str){ .p = text.p + 1, .n = text.n - 2 } : text;
}

static bool
parse_bracketed(struct tb_scan s, struct tb_address *out)
{
    tb_scan_expect(&s, '[');
    tb_str inside = tb_scan_until(&s, ']');
    bool   has_end = inside.n + 2 <= s.text.n && s.text.p[inside.n + 1] == ']';

    if (!has_end || memchr(inside.p, ':', inside.n) == NULL)
        return false;
    if (tb_scan_take(&s, ':') && !is_port(tb_scan_rest(&s)))
        return false;
    return tb_scan_at_end(&s) && tb_address_parse(inside, out);
}

bool
tb_address_parse_node(tb_str text, struct tb_address *out)
{
    struct tb_scan s = tb_scan_of(without_quotes(text));

    if (tb_scan_at(&s, '['))
        return parse_bracketed(s, out);
    if (tb_address_parse(s.text, out))
        return true;
    tb_str v4 = tb_scan_until(&s, ':');
    return v4.n < s.text.n && is_port(tb_scan_rest(&s)) && tb_address_parse(v4, out);
}

struct tb_address
tb_address_v4(const unsigned char bytes[4])
{
    struct tb_address a;

    memcpy(a.bytes, v4_prefix, sizeof v4_prefix);
    memcpy(a.bytes + sizeof v4_prefix, bytes, sizeof a.bytes - sizeof v4_prefix);
    return a;
}

void
tb_address_text(const struct tb_address *a, char out[INET6_ADDRSTRLEN])
{
    if (is_v4(a))
        inet_ntop(AF_INET, a->bytes + sizeof v4_prefix, out, INET6_ADDRSTRLEN);
    else
        inet_ntop(AF_INET6, a->bytes, out, INET6_ADDRSTRLEN);
}

struct tb_address
tb_address_network(struct tb_address a)
{
    if (!is_v4(&a))
        memset(a.bytes + NETWORK_BYTES, 0, sizeof a.bytes - NETWORK_BYTES);
    return a;
}

/* address ["/" bits] */
static bool
add_network(struct tb_networks *nets, tb_str text)
{
    struct tb_scan    s = tb_scan_of(text);
    struct tb_address a;
    uint64_t          bits = 128;

    if (nets->n == TB_NETWORKS_MAX || !tb_address_parse(tb_scan_until(&s, '/'), &a))
        return false;
    unsigned before = is_v4(&a) ? V4_PREFIX_BITS : 0;       /* of what is written as IPv4 */
    if (memchr(text.p, '/', text.n) != NULL) {
        if (!tb_str_to_uint(tb_scan_rest(&s), 128 - before, &bits))
            return false;
        bits += before;
    }
    nets->list[nets->n].address = a;
    nets->list[nets->n++].bits = (unsigned)bits;
    return true;
}

enum tb_code
tb_networks_parse(struct tb_networks *out, tb_str text, struct tb_err *e)
{
    struct tb_networks nets = { .n = 0 };
    struct tb_scan     s = tb_scan_of(text);

    while (!tb_scan_at_end(&s)) {
        tb_str one = tb_scan_until(&s, ' ');
        if (one.n > 0 && nets.n == TB_NETWORKS_MAX)
            return tb_fail(e, TB_EINPUT, NULL, "at most %d addresses", TB_NETWORKS_MAX);
        if (one.n > 0 && !add_network(&nets, one))
            return tb_fail(e, TB_EINPUT, NULL, "'" TB_STR_FMT "' is no address, and none with /bits", (int)(one.n < 60 ? one.n : 60),
                           one.p);
    }
    *out = nets;
    return TB_OK;
}

static bool
is_in(const struct tb_address *network, unsigned bits, const struct tb_address *a)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(network->bytes, a->bytes, whole) != 0)
        return false;
    return rest == 0 || ((network->bytes[whole] ^ a->bytes[whole]) >> (8 - rest)) == 0;
}

bool
tb_networks_has(const struct tb_networks *nets, const struct tb_address *a)
{
    for (size_t i = 0; i < nets->n; i++)
        if (is_in(&nets->list[i].address, nets->list[i].bits, a))
            return true;
    return false;
}
