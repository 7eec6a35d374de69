#pragma once
/* The shape of HPACK header blocks (RFC 7541): how many fields they hold and how long these are once decoded, without their
 * text. It keeps the sizes of the dynamic table's entries, so that a reference to a large one counts as what it stands for.
 * Threads: plain values; whoever holds them. */
#include "tombolo/str.h"

enum {
    NET_HPACK_TABLE = 4096,         /* bytes of the dynamic table that we allow the peer, the protocol's default */
    NET_HPACK_ENTRIES = NET_HPACK_TABLE / 32,
    NET_HPACK_CRUMBS = 512,         /* of a cookie: browsers keep 180 for a host; each is copied behind those before it */
};

enum net_hpack_at { NET_HPACK_FIELD, NET_HPACK_INTEGER, NET_HPACK_LENGTH, NET_HPACK_STRING };

struct net_hpack {
    /* of the connection */
    struct { uint16_t name, all; bool is_cookie; } entries[NET_HPACK_ENTRIES];      /* a ring; all counts the 32 of section 4.1 */
    uint16_t first, n_entries;      /* first: the newest */
    uint16_t size, capacity;
    /* of the block */
    unsigned n_fields;              /* size updates count, too; crumbs of the cookie (RFC 9113 section 8.2.3) as one */
    unsigned n_crumbs;
    size_t   n_bytes;               /* names and values, decoded */
    unsigned most_fields;
    size_t   most_bytes;
    /* of the field */
    enum net_hpack_at at;
    uint8_t  kind, n_octets;        /* of the integer being read */
    bool     is_index, is_name, is_huffman, is_cookie;
    uint32_t integer, left;         /* left: of the string, as sent */
    uint32_t name, string;          /* lengths, decoded */
    uint64_t bits;                  /* of a Huffman code under way, at the top */
    uint8_t  n_bits;
};

void net_hpack_init(struct net_hpack *, unsigned most_fields, size_t most_bytes);     /* of a block */
void net_hpack_begin(struct net_hpack *);                               /* a block */
/* false: no HPACK. It stops where the block has become too large, so that what is said of it does not depend on how it is cut. */
bool net_hpack_feed(struct net_hpack *, const char *bytes, size_t n);
bool net_hpack_is_too_large(const struct net_hpack *);
bool net_hpack_ends_well(const struct net_hpack *);                     /* the block may end here */
