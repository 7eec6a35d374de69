#pragma once
/* Addresses of peers, of both families in one form, and lists of networks in settings.
 * Threads: any; plain values. */
#include "tombolo/err.h"

#include <netinet/in.h>

struct tb_address { unsigned char bytes[16]; };     /* an IPv4 address as ::ffff:a.b.c.d */

bool tb_address_parse(tb_str text, struct tb_address *out);                             /* no port, no zone, no brackets */

/* As proxies write whom they have a request from: 192.0.2.1, 192.0.2.1:4711, 2001:db8::1, [2001:db8::1], [2001:db8::1]:4711, and the
 * same in quotes; the port may be one of RFC 7239's hidden ones (_x). false: anything else, so also "unknown" and hidden names. */
bool tb_address_parse_node(tb_str text, struct tb_address *out);
struct tb_address tb_address_v4(const unsigned char bytes[4]);                          /* in the order of the network */
void tb_address_text(const struct tb_address *, char out[INET6_ADDRSTRLEN]);            /* IPv4 in its own form */

/* What its owner cannot choose of it: all of an IPv4 address, the first 64 bits of another. */
struct tb_address tb_address_network(struct tb_address);

enum { TB_NETWORKS_MAX = 64 };

struct tb_networks {
    struct { struct tb_address address; unsigned bits; } list[TB_NETWORKS_MAX];
    size_t n;
};

/* "127.0.0.0/8 ::1 10.0.0.7": separated by blanks. TB_EINPUT: why names the one that is none. */
enum tb_code tb_networks_parse(struct tb_networks *out, tb_str text, struct tb_err *e) TB_MUST_CHECK;
bool         tb_networks_has(const struct tb_networks *, const struct tb_address *);
