#pragma once
/* Each op's hash is chained to the one before of the same origin, so that the last common op of two copies can be found
 * and a changed byte shows: chain = BLAKE2b-128(previous chain | node u32 | seq u64 | at i64 | kind u8 | version u8 | body),
 * numbers little-endian (DESIGN sections 1 and 6). An origin's first op follows BLAKE2b-128 of its journal's uuid text. */
#include "tombolo/str.h"

enum { CHAIN_SIZE = 16 };

struct chain {
    uint8_t bytes[CHAIN_SIZE];
};

struct chain chain_start(tb_str journal_uuid);
struct chain chain_next(const struct chain *previous, uint32_t node, int64_t seq, int64_t at, int kind, int version,
                        tb_str body);
