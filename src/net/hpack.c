/* Header blocks are read byte by byte, whatever frames they come in; strings are passed over, but for counting what Huffman codes
 * decode to. Always: entries and size are those of the decoder that gets the same blocks. */
#include "net/hpack.h"

enum {
    STATIC_ENTRIES = 61,
    ENTRY_OVERHEAD = 32,            /* section 4.1 */
    INTEGER_OCTETS = 4,             /* behind the prefix; h2o takes no more either */
    COOKIE = 32,                    /* its index in the static table, by which every encoder names it */
};

enum kind { INDEXED, LITERAL_INDEXED, LITERAL, SIZE_UPDATE };

/* Appendix A: lengths of names and values. */
static const struct { uint8_t name, value; } static_table[STATIC_ENTRIES] = {
    { 10, 0 }, { 7, 3 },  { 7, 4 },  { 5, 1 },  { 5, 11 }, { 7, 4 },  { 7, 5 },  { 7, 3 },  { 7, 3 },  { 7, 3 },  { 7, 3 },
    { 7, 3 },  { 7, 3 },  { 7, 3 },  { 14, 0 }, { 15, 13 }, { 15, 0 }, { 13, 0 }, { 6, 0 },  { 27, 0 }, { 3, 0 },  { 5, 0 },
    { 13, 0 }, { 13, 0 }, { 19, 0 }, { 16, 0 }, { 16, 0 }, { 14, 0 }, { 16, 0 }, { 13, 0 }, { 12, 0 }, { 6, 0 },  { 4, 0 },
    { 4, 0 },  { 6, 0 },  { 7, 0 },  { 4, 0 },  { 4, 0 },  { 8, 0 },  { 17, 0 }, { 13, 0 }, { 8, 0 },  { 19, 0 }, { 13, 0 },
    { 4, 0 },  { 8, 0 },  { 12, 0 }, { 18, 0 }, { 19, 0 }, { 5, 0 },  { 7, 0 },  { 7, 0 },  { 11, 0 }, { 6, 0 },  { 10, 0 },
    { 25, 0 }, { 17, 0 }, { 10, 0 }, { 4, 0 },  { 3, 0 },  { 16, 0 },
};

/* Appendix B is a canonical code: all codes of one length follow each other, and those of the next length follow them. So how
 * many there are of each length is all it takes to find where a code ends. below: the first 32 bits that are no such code. */
static const struct { uint8_t length; uint32_t below; } codes[] = {
#define CODES(length, first, n) { length, (uint32_t)(((uint64_t)(first) + (n)) << (32 - (length))) }
    CODES(5, 0x0, 10),        CODES(6, 0x14, 26),       CODES(7, 0x5c, 32),       CODES(8, 0xf8, 6),
    CODES(10, 0x3f8, 5),      CODES(11, 0x7fa, 3),      CODES(12, 0xffa, 2),      CODES(13, 0x1ff8, 6),
    CODES(14, 0x3ffc, 2),     CODES(15, 0x7ffc, 3),     CODES(19, 0x7fff0, 3),    CODES(20, 0xfffe6, 8),
    CODES(21, 0x1fffdc, 13),  CODES(22, 0x3fffd2, 26),  CODES(23, 0x7fffd8, 29),  CODES(24, 0xffffea, 12),
    CODES(25, 0x1ffffec, 4),  CODES(26, 0x3ffffe0, 15), CODES(27, 0x7ffffde, 19), CODES(28, 0xfffffe2, 29),
    CODES(30, 0x3ffffffc, 3),       /* the fourth is the end-of-string mark, which must not be sent */
#undef CODES
};
enum { N_CODES = sizeof codes / sizeof codes[0], LONGEST_CODE = 30 };

void
net_hpack_init(struct net_hpack *h, unsigned most_fields, size_t most_bytes)
{
    *h = (struct net_hpack){ .capacity = NET_HPACK_TABLE };
    h->most_fields = most_fields;
    h->most_bytes = most_bytes;
}

void
net_hpack_begin(struct net_hpack *h)
{
    h->n_fields = 0;
    h->n_crumbs = 0;
    h->n_bytes = 0;
    h->at = NET_HPACK_FIELD;
}

bool
net_hpack_ends_well(const struct net_hpack *h)
{
    return h->at == NET_HPACK_FIELD;
}

/* ---- the dynamic table ---- */

static void
evict_down_to(struct net_hpack *h, unsigned size)
{
    while (h->size > size) {
        h->n_entries--;
        h->size = (uint16_t)(h->size - h->entries[(h->first + h->n_entries) % NET_HPACK_ENTRIES].all);
    }
}

static void
add_entry(struct net_hpack *h, uint32_t name, uint32_t value)
{
    uint64_t all = (uint64_t)name + value + ENTRY_OVERHEAD;

    if (all > h->capacity) {
        evict_down_to(h, 0);
        return;
    }
    evict_down_to(h, h->capacity - (unsigned)all);
    h->first = (uint16_t)((h->first + NET_HPACK_ENTRIES - 1) % NET_HPACK_ENTRIES);
    h->entries[h->first].name = (uint16_t)name;
    h->entries[h->first].all = (uint16_t)all;
    h->entries[h->first].is_cookie = h->is_cookie;
    h->n_entries++;
    h->size = (uint16_t)(h->size + all);
}

/* Lengths of what an index stands for, and whether its name is that of the cookie. */
static bool
look_up(struct net_hpack *h, uint32_t index, uint32_t *name, uint32_t *value)
{
    if (index == 0 || index > STATIC_ENTRIES + (uint32_t)h->n_entries)
        return false;
    if (index <= STATIC_ENTRIES) {
        *name = static_table[index - 1].name;
        *value = static_table[index - 1].value;
        h->is_cookie = index == COOKIE;
        return true;
    }
    unsigned at = (h->first + index - STATIC_ENTRIES - 1) % NET_HPACK_ENTRIES;
    *name = h->entries[at].name;
    *value = (uint32_t)(h->entries[at].all - h->entries[at].name - ENTRY_OVERHEAD);
    h->is_cookie = h->entries[at].is_cookie;
    return true;
}

/* ---- fields ---- */

static void
end_field(struct net_hpack *h, uint32_t value)
{
    h->n_crumbs += h->is_cookie;
    h->n_fields += !h->is_cookie || h->n_crumbs == 1;
    h->n_bytes += (size_t)h->name + value;
    h->at = NET_HPACK_FIELD;
}

static void
expect_string(struct net_hpack *h, bool is_name)
{
    h->is_name = is_name;
    h->at = NET_HPACK_LENGTH;
}

static void
end_string(struct net_hpack *h)
{
    if (h->is_name) {
        h->name = h->string;
        expect_string(h, false);
        return;
    }
    if (h->kind == LITERAL_INDEXED)
        add_entry(h, h->name, h->string);
    end_field(h, h->string);
}

static void
begin_string(struct net_hpack *h)
{
    h->left = h->integer;
    h->string = h->is_huffman ? 0 : h->left;
    h->bits = 0;
    h->n_bits = 0;
    h->at = NET_HPACK_STRING;
    if (h->left == 0)
        end_string(h);
}

static bool
end_index(struct net_hpack *h)
{
    uint32_t value;

    switch ((enum kind)h->kind) {
    case INDEXED:
        if (!look_up(h, h->integer, &h->name, &value))
            return false;
        end_field(h, value);
        return true;
    case SIZE_UPDATE:
        if (h->integer > NET_HPACK_TABLE)
            return false;
        h->capacity = (uint16_t)h->integer;
        evict_down_to(h, h->capacity);
        h->n_fields++;
        h->at = NET_HPACK_FIELD;
        return true;
    case LITERAL_INDEXED:
    case LITERAL:
        h->is_cookie = false;
        if (h->integer != 0 && !look_up(h, h->integer, &h->name, &value))
            return false;
        expect_string(h, h->integer == 0);
        return true;
    }
    return false;
}

static bool
end_integer(struct net_hpack *h)
{
    if (h->is_index)
        return end_index(h);
    begin_string(h);
    return true;
}

/* Section 5.1. */
static bool
begin_integer(struct net_hpack *h, uint8_t octet, unsigned prefix_bits, bool is_index)
{
    uint8_t most = (uint8_t)((1u << prefix_bits) - 1);

    h->is_index = is_index;
    h->integer = octet & most;
    h->n_octets = 0;
    h->at = NET_HPACK_INTEGER;
    return h->integer == most || end_integer(h);
}

static bool
take_integer(struct net_hpack *h, uint8_t octet)
{
    if (h->n_octets == INTEGER_OCTETS)
        return false;
    h->integer += (uint32_t)(octet & 0x7f) << (7 * h->n_octets++);
    return (octet & 0x80) != 0 || end_integer(h);
}

/* Section 6. */
static bool
begin_field(struct net_hpack *h, uint8_t octet)
{
    h->kind = octet >= 0x80 ? INDEXED : octet >= 0x40 ? LITERAL_INDEXED : octet >= 0x20 ? SIZE_UPDATE : LITERAL;
    return begin_integer(h, octet, h->kind == INDEXED ? 7 : h->kind == LITERAL_INDEXED ? 6 : h->kind == SIZE_UPDATE ? 5 : 4,
                         true);
}

/* ---- strings ---- */

static bool
take_code(struct net_hpack *h)
{
    uint32_t top = (uint32_t)(h->bits >> 32);

    for (unsigned i = 0; i < N_CODES && codes[i].length <= h->n_bits; i++)
        if (top < codes[i].below) {
            h->bits <<= codes[i].length;
            h->n_bits = (uint8_t)(h->n_bits - codes[i].length);
            h->string++;
            return true;
        }
    return false;
}

/* false: more bits than any code has, and none that fits. */
static bool
count_decoded(struct net_hpack *h, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        h->bits |= (uint64_t)(uint8_t)p[i] << (56 - h->n_bits);
        h->n_bits = (uint8_t)(h->n_bits + 8);
        while (take_code(h))
            ;
        if (h->n_bits >= LONGEST_CODE)
            return false;
    }
    return true;
}

static bool
take_string(struct net_hpack *h, const char **at, const char *end)
{
    size_t n = (size_t)(end - *at) < h->left ? (size_t)(end - *at) : h->left;

    if (h->is_huffman && !count_decoded(h, *at, n))
        return false;
    *at += n;
    h->left -= (uint32_t)n;
    if (h->left == 0)
        end_string(h);
    return true;
}

bool
net_hpack_is_too_large(const struct net_hpack *h)
{
    return h->n_fields > h->most_fields || h->n_crumbs > NET_HPACK_CRUMBS || h->n_bytes > h->most_bytes;
}

bool
net_hpack_feed(struct net_hpack *h, const char *bytes, size_t n)
{
    const char *at = bytes, *end = bytes + n;
    bool        good = true;

    while (good && at < end && !net_hpack_is_too_large(h))
        switch (h->at) {
        case NET_HPACK_FIELD:
            good = begin_field(h, (uint8_t)*at++);
            break;
        case NET_HPACK_INTEGER:
            good = take_integer(h, (uint8_t)*at++);
            break;
        case NET_HPACK_LENGTH:
            h->is_huffman = (*at & 0x80) != 0;
            good = begin_integer(h, (uint8_t)*at++, 7, false);
            break;
        case NET_HPACK_STRING:
            good = take_string(h, &at, end);
            break;
        }
    return good;
}
