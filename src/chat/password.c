/* Bodies of password.h. Which of the two a hash is, its prefix says. */
#include "password.h"

#include "base/hash_cost.h"
#include "base/scan.h"
#include "base/unicode.h"

#include <assert.h>
#include <crypt.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>

static_assert(CHAT_HASH_SIZE == crypto_pwhash_STRBYTES, "a hash fits exactly");

enum { SPELLINGS = 3 };         /* of one password: NFC, as it is given, NFD */
enum { BCRYPT_BYTES = 72 };     /* of a password that bcrypt looks at; crypt(3) refuses much longer ones */
enum { BCRYPT_TAIL = 53, BCRYPT_MIN_COST = 4 };         /* salt and sum; what crypt(3) takes */
enum { SALT_BYTES = crypto_pwhash_argon2id_SALTBYTES, SUM_BYTES = 32 };     /* as libsodium writes them */

static const struct cost {
    unsigned long long ops;
    size_t             mem;     /* bytes */
} costs[] = {
    [CHAT_COST_MIN] = { crypto_pwhash_argon2id_OPSLIMIT_MIN, crypto_pwhash_argon2id_MEMLIMIT_MIN },
    [CHAT_COST_INTERACTIVE] = { crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE,
                                crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE },
    [CHAT_COST_MODERATE] = { crypto_pwhash_argon2id_OPSLIMIT_MODERATE, crypto_pwhash_argon2id_MEMLIMIT_MODERATE },
};

/* Keyboards differ in how they write one character, and the password is the same (RFC 8265 section 4.2.2). To be wiped. */
static struct tb_buf
text_of(tb_str password, enum tb_form form)
{
    struct tb_buf text = TB_BUF_INIT;

    tb_normalize(password, form, &text);
    return text;
}

enum tb_code
chat_password_hash(tb_str password, enum chat_cost cost, char out[CHAT_HASH_SIZE], struct tb_err *e)
{
    struct cost   c = costs[cost];
    struct tb_buf text = text_of(password, TB_NFC);

    int failed = crypto_pwhash_str_alg(out, text.n ? text.p : "", text.n, c.ops, c.mem, crypto_pwhash_ALG_ARGON2ID13);
    tb_buf_wipe(&text);
    if (failed)
        return tb_fail(e, TB_EBUSY, NULL, "argon2id with %zu bytes of memory: %s", c.mem, strerror(errno));
    return TB_OK;
}

static bool
is_bcrypt(tb_str hash)
{
    return tb_str_starts(hash, TB_LIT("$2a$")) || tb_str_starts(hash, TB_LIT("$2b$"));
}

/* As the old backend did it, behind the bytes that bcrypt looks at anything goes. crypt(3) ends a password at its first NUL, so
 * one that has a NUL before that cannot be verified: it is hashed all the same, for equal time, and does not match. */
static enum tb_code
verify_bcrypt(tb_str password, const char *hash, struct tb_err *e)
{
    struct crypt_data *d = TB_NEW(struct crypt_data);
    char               cut[BCRYPT_BYTES + 1] = { 0 };
    size_t             n_cut = password.n < BCRYPT_BYTES ? password.n : BCRYPT_BYTES;
    bool               has_nul = n_cut > 0 && memchr(password.p, '\0', n_cut) != NULL;

    if (n_cut > 0)
        memcpy(cut, password.p, n_cut);
    const char *again = crypt_r(cut, hash, d);
    size_t      n = strlen(hash);
    bool        matches = again != NULL && strlen(again) == n && sodium_memcmp(again, hash, n) == 0 && !has_nul;
    sodium_memzero(cut, sizeof cut);
    sodium_memzero(d, sizeof *d);
    tb_free(d);
    return matches ? TB_OK : tb_fail(e, TB_EAUTH, NULL, "bcrypt does not match");
}

static enum tb_code
verify_argon2(tb_str password, const char *hash, struct tb_err *e)
{
    errno = 0;
    if (crypto_pwhash_str_verify(hash, password.n ? password.p : "", password.n) == 0)
        return TB_OK;
    if (errno == ENOMEM)
        return tb_fail(e, TB_EBUSY, NULL, "argon2id: no memory to verify");
    return tb_fail(e, TB_EAUTH, NULL, "argon2id does not match");
}

/* Hashes of ours are of the first. Those that came from elsewhere are of what some keyboard gave: this one, or another one. */
static enum tb_code
verify_spellings(const tb_str spellings[SPELLINGS], const char *hash, struct tb_err *e)
{
    enum tb_code code = TB_EAUTH;

    for (size_t i = 0; i < SPELLINGS && code == TB_EAUTH; i++) {
        bool is_new = i == 0 || (!tb_str_eq(spellings[i], spellings[0]) && !tb_str_eq(spellings[i], spellings[i - 1]));
        if (is_new)
            code = is_bcrypt(tb_str_of(hash)) ? verify_bcrypt(spellings[i], hash, e) : verify_argon2(spellings[i], hash, e);
    }
    if (code == TB_OK)
        *e = (struct tb_err){ 0 };
    return code;
}

enum tb_code
chat_password_verify(tb_str password, tb_str hash, struct tb_err *e)
{
    char text[CHAT_HASH_SIZE] = { 0 };      /* both libraries want NULs at the end, libsodium up to its full size */

    if (hash.n == 0 || hash.n >= sizeof text || memchr(hash.p, '\0', hash.n) != NULL)
        return tb_fail(e, TB_EAUTH, NULL, "a hash of %zu bytes is none of ours", hash.n);
    if (!tb_hash_is_bearable(hash))     /* it came in before hashes were judged at the door */
        return tb_fail(e, TB_EAUTH, NULL, "a hash of %zu bytes costs too much", hash.n);
    memcpy(text, hash.p, hash.n);
    struct tb_buf nfc = text_of(password, TB_NFC), nfd = text_of(password, TB_NFD);
    const tb_str  spellings[] = { tb_buf_str(&nfc), password, tb_buf_str(&nfd) };
    enum tb_code  code = verify_spellings(spellings, text, e);
    tb_buf_wipe(&nfc);
    tb_buf_wipe(&nfd);
    return code;
}

bool
chat_password_is_whole(tb_str password, tb_str hash)
{
    struct tb_buf nfd = text_of(password, TB_NFD);      /* it may be longer, and be what was verified */
    size_t        longest = nfd.n > password.n ? nfd.n : password.n;

    tb_buf_wipe(&nfd);
    return !is_bcrypt(hash) || longest < BCRYPT_BYTES;
}

bool
chat_password_is_weak(tb_str hash, enum chat_cost cost)
{
    uint64_t kib, ops;

    return !tb_hash_argon2_cost(hash, &kib, &ops) || kib < costs[cost].mem / 1024 || ops < costs[cost].ops;
}

/* "$2b$", two digits, "$", 53 of bcrypt's own base64. */
static enum tb_code
check_bcrypt(tb_str hash, struct tb_err *e)
{
    static const char alphabet[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    struct tb_scan    s = tb_scan_of(hash);

    tb_scan_bytes(&s, TB_LIT("$2b$").n);
    unsigned cost = 10 * tb_scan_digit(&s, 9);
    cost += tb_scan_digit(&s, 9);
    tb_scan_expect(&s, '$');
    tb_str rest = tb_scan_rest(&s);
    for (size_t i = 0; i < rest.n; i++)
        if (rest.p[i] == '\0' || strchr(alphabet, rest.p[i]) == NULL)
            tb_scan_fail(&s, "another letter");
    if (s.failed != NULL || rest.n != BCRYPT_TAIL || cost < BCRYPT_MIN_COST)
        return tb_fail(e, TB_EINPUT, NULL, "this is no whole bcrypt hash");
    if (cost > TB_BCRYPT_MAX_COST)
        return tb_fail(e, TB_EINPUT, NULL, "bcrypt of cost %u takes too long to verify; at most %d", cost, TB_BCRYPT_MAX_COST);
    return TB_OK;
}

static enum tb_code
check_argon2(tb_str hash, struct tb_err *e)
{
    char     text[CHAT_HASH_SIZE] = { 0 };
    uint64_t kib, ops;

    if (hash.n >= sizeof text || memchr(hash.p, '\0', hash.n) != NULL || !tb_hash_argon2_cost(hash, &kib, &ops))
        return tb_fail(e, TB_EINPUT, NULL, "this is no bcrypt ($2a$, $2b$) or Argon2id ($argon2id$v=19$) hash of at most %d bytes",
                       CHAT_HASH_SIZE - 1);
    memcpy(text, hash.p, hash.n);
    if (crypto_pwhash_str_needs_rehash(text, crypto_pwhash_argon2id_OPSLIMIT_MIN, crypto_pwhash_argon2id_MEMLIMIT_MIN) < 0)
        return tb_fail(e, TB_EINPUT, NULL, "this is no whole Argon2id hash");
    if (kib > TB_ARGON2_MAX_KIB || ops > TB_ARGON2_MAX_OPS)
        return tb_fail(e, TB_EINPUT, NULL, "Argon2id with m=%llu,t=%llu costs too much to verify; at most m=%d,t=%d",
                       (unsigned long long)kib, (unsigned long long)ops, TB_ARGON2_MAX_KIB, TB_ARGON2_MAX_OPS);
    return TB_OK;
}

enum tb_code
chat_password_check_hash(tb_str hash, struct tb_err *e)
{
    return is_bcrypt(hash) ? check_bcrypt(hash, e) : check_argon2(hash, e);
}

/* Random bytes stand for the salt and the sum: verifying computes all of the real sum and then finds it different. */
void
chat_password_dummy(enum chat_cost cost, char out[CHAT_HASH_SIZE])
{
    unsigned char bytes[SUM_BYTES];
    char salt[sodium_base64_ENCODED_LEN(SALT_BYTES, sodium_base64_VARIANT_ORIGINAL_NO_PADDING)];
    char sum[sodium_base64_ENCODED_LEN(SUM_BYTES, sodium_base64_VARIANT_ORIGINAL_NO_PADDING)];

    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2base64(salt, sizeof salt, bytes, SALT_BYTES, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2base64(sum, sizeof sum, bytes, SUM_BYTES, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    snprintf(out, CHAT_HASH_SIZE, "$argon2id$v=19$m=%zu,t=%llu,p=1$%s$%s", costs[cost].mem / 1024, costs[cost].ops,
             salt, sum);
}
