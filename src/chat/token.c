/* Bodies of token.h. libjwt 1.10 checks the signature only, by whatever algorithm the token names: that this is
 * HS256, the times and the issuer are checked here, and a token is looked at at all only when it has the form of one. */
#include "token.h"

#include "base/scan.h"

#include <errno.h>
#include <jwt.h>
#include <sodium.h>

#define MAX_ID INT64_C(9007199254740991)    /* 2^53-1 */
#define DAY_S  INT64_C(86400)
#define MAX_S  (INT64_MAX / 1000 - 1)       /* beyond it seconds are no milliseconds */

struct chat_tokens {                        /* all but the issuers fixed once open */
    struct tb_buf secret;
    char          issuer[CHAT_ISSUER_MAX], also[CHAT_ISSUER_MAX];
    unsigned      days;
    int64_t       after_s, lost_from_s, lost_upto_s;
    bool          legacy;
};

static void
copy_issuer(char out[CHAT_ISSUER_MAX], const char *issuer)
{
    tb_str s = tb_str_of(issuer);
    size_t n = s.n < CHAT_ISSUER_MAX ? s.n : CHAT_ISSUER_MAX - 1;
    memcpy(out, s.n ? s.p : "", n);
    out[n] = '\0';
}

void
chat_tokens_open(struct chat_tokens **out, const struct chat_token_settings *settings)
{
    struct chat_tokens *t = TB_NEW(struct chat_tokens);

    tb_buf_add(&t->secret, settings->secret);
    copy_issuer(t->issuer, settings->issuer);
    copy_issuer(t->also, settings->also);
    t->days = settings->days;
    t->after_s = settings->after / 1000;
    t->lost_from_s = settings->lost_from / 1000;
    t->lost_upto_s = settings->lost_upto / 1000;
    t->legacy = settings->legacy;
    *out = t;
}

void
chat_tokens_close(struct chat_tokens **t)
{
    if (*t == NULL)
        return;
    sodium_memzero((*t)->secret.p, (*t)->secret.n);
    tb_buf_fini(&(*t)->secret);
    tb_free(*t);
    *t = NULL;
}

void
chat_tokens_set_centre(struct chat_tokens *t, const char *uuid)
{
    if (strcmp(t->issuer, uuid) == 0)
        return;
    copy_issuer(t->also, t->issuer);
    copy_issuer(t->issuer, uuid);
}

tb_str
chat_token_in(tb_str value)
{
    static const char *const schemes[] = { "bearer ", "token ", "jwt " };

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t n = strlen(schemes[i]);
        if (value.n >= n && tb_str_eq_nocase((tb_str){ value.p, n }, tb_str_of(schemes[i])))
            return tb_str_trim((tb_str){ value.p + n, value.n - n });
    }
    return value;
}

static const unsigned char *
key_of(const struct chat_tokens *t)
{
    return (const unsigned char *)t->secret.p;
}

/* libjwt allocates with malloc, and so does tb_alloc: its text is freed as ours. */
char *
chat_token_make(const struct chat_tokens *t, const struct store_user *user, int64_t now)
{
    jwt_t  *j = NULL;
    int64_t iat = now / 1000 > t->lost_upto_s ? now / 1000 : t->lost_upto_s + 1;    /* what we make is not lost */
    char   *email_c = tb_str_to_c(user->email), *text = NULL;
    bool    ok = jwt_new(&j) == 0 && jwt_set_alg(j, JWT_ALG_HS256, key_of(t), (int)t->secret.n) == 0 &&
              jwt_add_grant_int(j, "id", user->id) == 0 && jwt_add_grant(j, "email", email_c) == 0 &&
              jwt_add_grant_int(j, "gen", user->generation) == 0 &&
              jwt_add_grant(j, "iss", t->issuer) == 0 && jwt_add_grant_int(j, "iat", iat) == 0 &&
              jwt_add_grant_int(j, "exp", now / 1000 + t->days * DAY_S) == 0;

    if (ok)
        text = jwt_encode_str(j);
    jwt_free(j);
    tb_free(email_c);
    return text;
}

/* 0: it is not there, or of another type. */
static int64_t
number_of(jwt_t *j, const char *claim)
{
    errno = 0;
    int64_t v = jwt_get_grant_int(j, claim);
    return errno == 0 ? v : 0;
}

static bool
is_base64url(tb_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
    }
    return s.n > 0;
}

/* header "." claims "." signature, and nothing that libjwt might read in its own way. */
static bool
has_the_form(tb_str token)
{
    struct tb_scan s = tb_scan_of(token);
    tb_str         header = tb_scan_until(&s, '.');
    tb_str         claims = tb_scan_until(&s, '.');
    tb_str         signature = tb_scan_rest(&s);

    return token.n <= CHAT_TOKEN_MAX && is_base64url(header) && is_base64url(claims) && is_base64url(signature);
}

/* By the header itself, since libjwt takes "hs256" for HS256 and RFC 7515 does not. */
static bool
is_hs256(jwt_t *j)
{
    const char *alg = jwt_get_header(j, "alg");
    return jwt_get_alg(j) == JWT_ALG_HS256 && alg != NULL && strcmp(alg, "HS256") == 0;
}

/* Claims of another type count as 0 or as no text, which nothing below accepts. */
static bool
is_from_us(const struct chat_tokens *t, jwt_t *j)
{
    errno = 0;
    const char *iss = jwt_get_grant(j, "iss");
    if (iss == NULL)
        return t->legacy && errno == ENOENT && number_of(j, "gen") == 0;
    return strcmp(iss, t->issuer) == 0 || (t->also[0] != '\0' && strcmp(iss, t->also) == 0);
}

/* Tokens of the old backend have no generation. They give whole seconds, so they may be as late as the second's end. */
static struct store_who
who_of(jwt_t *j, int64_t id)
{
    return (struct store_who){ .user_id = id, .generation = number_of(j, "gen"),
                               .issued_at = number_of(j, "iat") * 1000 + 999 };
}

static bool
is_lost(const struct chat_tokens *t, int64_t iat)
{
    return iat > t->lost_from_s && iat <= t->lost_upto_s;
}

static enum tb_code
check_claims(const struct chat_tokens *t, jwt_t *j, int64_t now, struct chat_claims *out, struct tb_err *e)
{
    int64_t id = number_of(j, "id");
    int64_t exp = number_of(j, "exp");
    int64_t nbf = number_of(j, "nbf");
    int64_t iat = number_of(j, "iat");

    if (!is_hs256(j))
        return tb_fail(e, TB_EAUTH, NULL, "token: another alg");
    if (!is_from_us(t, j))
        return tb_fail(e, TB_EAUTH, NULL, "token: another issuer");
    if (id < 1 || id > MAX_ID)
        return tb_fail(e, TB_EAUTH, NULL, "token: no id");
    if (exp <= now / 1000 || exp > MAX_S)
        return tb_fail(e, TB_EAUTH, NULL, "token: expired, or no time to expire");
    if (iat < 0 || iat > MAX_S)
        return tb_fail(e, TB_EAUTH, NULL, "token: made at no time");
    if (is_lost(t, iat))
        return tb_fail(e, TB_EAUTH, NULL, "token: made after the backup that this journal was set back to");
    if (t->after_s != 0 && iat <= t->after_s)
        return tb_fail(e, TB_EAUTH, NULL, "token: from before this journal was re-issued");
    if (nbf > now / 1000)
        return tb_fail(e, TB_EAUTH, NULL, "token: not valid yet");
    *out = (struct chat_claims){ .who = who_of(j, id), .expires_at = exp * 1000 };
    return TB_OK;
}

enum tb_code
chat_token_read(const struct chat_tokens *t, tb_str token, int64_t now, struct chat_claims *out, struct tb_err *e)
{
    char   text[CHAT_TOKEN_MAX + 1];
    jwt_t *j = NULL;

    if (!has_the_form(token))
        return tb_fail(e, TB_EAUTH, NULL, "token: %zu bytes of another form", token.n);
    memcpy(text, token.p, token.n);
    text[token.n] = '\0';
    int failed = jwt_decode(&j, text, key_of(t), (int)t->secret.n);
    if (failed)
        return tb_fail(e, TB_EAUTH, NULL, "token: %s", strerror(failed));
    enum tb_code code = check_claims(t, j, now, out, e);
    jwt_free(j);
    return code;
}
