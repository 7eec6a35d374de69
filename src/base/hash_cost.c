/* Bodies of hash_cost.h. */
#include "hash_cost.h"

#include "scan.h"

bool
tb_hash_argon2_cost(tb_str hash, uint64_t *kib, uint64_t *ops)
{
    struct tb_scan s = tb_scan_of(hash);

    if (!tb_str_starts(hash, TB_LIT("$argon2id$v=19$m=")))
        return false;
    tb_scan_bytes(&s, TB_LIT("$argon2id$v=19$m=").n);
    *kib = tb_scan_uint(&s, UINT32_MAX);
    tb_scan_expect(&s, ',');
    tb_scan_expect(&s, 't');
    tb_scan_expect(&s, '=');
    *ops = tb_scan_uint(&s, UINT32_MAX);
    return s.failed == NULL;
}

static bool
is_bearable_bcrypt(tb_str hash)
{
    struct tb_scan s = tb_scan_of(hash);

    tb_scan_bytes(&s, TB_LIT("$2b$").n);
    unsigned cost = 10 * tb_scan_digit(&s, 9);
    cost += tb_scan_digit(&s, 9);
    tb_scan_expect(&s, '$');
    return s.failed == NULL && cost <= TB_BCRYPT_MAX_COST;
}

bool
tb_hash_is_bearable(tb_str hash)
{
    uint64_t kib, ops;

    if (tb_str_starts(hash, TB_LIT("!")))
        hash = (tb_str){ .p = hash.p + 1, .n = hash.n - 1 };
    if (!tb_str_starts(hash, TB_LIT("$")))
        return true;
    if (tb_str_starts(hash, TB_LIT("$2a$")) || tb_str_starts(hash, TB_LIT("$2b$")))
        return is_bearable_bcrypt(hash);
    if (tb_str_starts(hash, TB_LIT("$argon2id$")) && !tb_str_starts(hash, TB_LIT("$argon2id$v=19$m=")))
        return true;    /* libsodium reads no other beginning, so nothing is computed */
    return tb_hash_argon2_cost(hash, &kib, &ops) && kib <= TB_ARGON2_MAX_KIB && ops <= TB_ARGON2_MAX_OPS;
}
