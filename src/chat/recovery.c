/* Bodies of recovery.h. A pid is read by making it again from its parts and comparing in constant time. */
#include "recovery.h"

#include "base/scan.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

enum { MAC_SIZE = 16, SID_RANDOM_BYTES = 15 };

static const char key_context[] = "tombolo recovery pid 1";

struct recovery_key
recovery_key_from(tb_str secret)
{
    struct recovery_key      key;
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, sizeof key.bytes);
    crypto_generichash_update(&state, (const unsigned char *)key_context, sizeof key_context);
    crypto_generichash_update(&state, (const unsigned char *)secret.p, secret.n);
    crypto_generichash_final(&state, key.bytes, sizeof key.bytes);
    return key;
}

void
recovery_sid_make(char out[RECOVERY_SID_SIZE])
{
    unsigned char random[SID_RANDOM_BYTES];

    randombytes_buf(random, sizeof random);
    sodium_bin2base64(out, RECOVERY_SID_SIZE, random, sizeof random, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

void
recovery_pid_make(const struct recovery_key *key, int64_t user_id, tb_str journal_uuid, tb_str sid, int64_t start,
                  char out[RECOVERY_PID_SIZE])
{
    char          text[160];
    unsigned char mac[MAC_SIZE];
    int           n = snprintf(text, sizeof text, "%" PRId64 "|" TB_STR_FMT "|" TB_STR_FMT "|%" PRId64, user_id,
                               TB_STR_ARG(journal_uuid), TB_STR_ARG(sid), start);

    crypto_generichash(mac, sizeof mac, (const unsigned char *)text, (size_t)n, key->bytes, sizeof key->bytes);
    n = snprintf(out, RECOVERY_PID_SIZE, "%" PRId64 "." TB_STR_FMT ".", start, TB_STR_ARG(sid));
    sodium_bin2hex(out + n, RECOVERY_PID_SIZE - (size_t)n, mac, sizeof mac);
}

bool
recovery_pid_read(const struct recovery_key *key, int64_t user_id, tb_str journal_uuid, tb_str pid,
                  char sid[RECOVERY_SID_SIZE], int64_t *start)
{
    struct tb_scan s = tb_scan_of(pid);
    char           expected[RECOVERY_PID_SIZE];

    int64_t from = (int64_t)tb_scan_uint(&s, INT64_MAX);
    tb_scan_expect(&s, '.');
    tb_str id = tb_scan_bytes(&s, RECOVERY_SID_SIZE - 1);
    tb_scan_expect(&s, '.');
    if (s.failed != NULL)
        return false;
    recovery_pid_make(key, user_id, journal_uuid, id, from, expected);
    if (pid.n != strlen(expected) || sodium_memcmp(pid.p, expected, pid.n) != 0)
        return false;
    memcpy(sid, id.p, id.n);
    sid[id.n] = '\0';
    *start = from;
    return true;
}
