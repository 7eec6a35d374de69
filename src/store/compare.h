#pragma once
/* The tables as lists to be compared with another holder of the same rows: `tombolo sync verify`. Rows are told by their key
 * and a hash of what they hold, groups of rows by their number and the XOR of those hashes.
 *
 * The hash of a row is the first 8 bytes, big-endian, of SHA-256 over its columns, joined by '|': numbers in decimal, times as ms
 * since 1970, nothing as 0, and a text as its length in bytes, '|' and itself. The columns are listed in compare.c.
 * Threads: the inspector's. */
#include "store/inspect.h"

/* list, the one it is of, its key, whether it is grouped */
enum compare_list {
    COMPARE_USERS,              /* -       id */
    COMPARE_ROOMS,              /* -       id */
    COMPARE_ROOM_MEMBERS,       /* -       room         grouped */
    COMPARE_MEMBERS,            /* room    user */
    COMPARE_ROOM_MESSAGES,      /* -       room         grouped */
    COMPARE_MESSAGES,           /* room    hlc, id */
    COMPARE_MESSAGE,            /* id      hlc, id      one row, or none */
    COMPARE_ROOM_RECEIPTS,      /* -       room         grouped; of messages that are there */
    COMPARE_MESSAGE_RECEIPTS,   /* room    hlc, id      grouped; of each message */
    COMPARE_RECEIPTS,           /* message user */
    COMPARE_LOOSE_RECEIPTS,     /* -       message, user    whose message is not there */
    COMPARE_OP_SPANS,           /* node    span         grouped; ops of COMPARE_SPAN seqs, numbered from 1 */
    COMPARE_OPS,                /* compare_span()   seq */
    COMPARE_LIST_COUNT
};

enum { COMPARE_SPAN_BITS = 12, COMPARE_SPAN = 1 << COMPARE_SPAN_BITS, COMPARE_NODE_SHIFT = 48 };

/* What COMPARE_OPS is of: a node's span, by its number. */
static inline int64_t
compare_span(int64_t node, int64_t number)
{
    return node << COMPARE_NODE_SHIFT | (number - 1);
}

struct compare_row {
    int64_t  key[2];            /* [1] is 0 where one number is enough */
    int64_t  n;                 /* rows that it stands for */
    uint64_t hash;
};

/* Begins a list, in the order of its keys, with what comes after that key; of: ignored where nothing is named above. One list
 * at a time: beginning another ends it. */
enum tb_code store_compare_begin(struct store_inspector *i, enum compare_list list, int64_t of, const int64_t after[2],
                                 struct tb_err *e) TB_MUST_CHECK;

/* The next one; false at the end, and when e->code says that it failed. */
bool store_compare_next(struct store_inspector *i, struct compare_row *out, struct tb_err *e);
