#pragma once
/* What verifying a password against a hash may cost, wherever the hash came from. Threads: any. */
#include "tombolo/str.h"

/* Of hashes that come from elsewhere: each login is to take a second or two at most, and a hasher's memory is counted in it. */
enum { TB_BCRYPT_MAX_COST = 14, TB_ARGON2_MAX_KIB = 256 << 10, TB_ARGON2_MAX_OPS = 16 };

/* "$argon2id$v=19$m=65536,t=2,p=1$<salt>$<sum>", m in KiB. False: it does not begin like that. */
bool tb_hash_argon2_cost(tb_str hash, uint64_t *kib, uint64_t *ops);

/* False: it is of a kind that is not ours, or so dear that everybody would wait for it. What does not begin
 * with "$" is no hash, which costs nothing; behind the "!" of a disabled account a hash is judged as without. */
bool tb_hash_is_bearable(tb_str hash);
