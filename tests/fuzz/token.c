/* The token reader: any bytes as a token, and the same bytes as the claims of a token that is rightly signed, which
 * is how far somebody gets who has the key. What it takes has not expired and names a user. */
#include "chat/token.h"

#include <assert.h>
#include <sodium.h>

#define KEY    "0123456789abcdef0123456789abcdef"
#define HEADER "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."      /* {"alg":"HS256","typ":"JWT"} */
#define NOW    INT64_C(1700000000000)

enum { BASE64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING };

static struct chat_tokens *tokens;

static void
read_token(tb_str token)
{
    struct chat_claims claims;
    struct tb_err      e;

    if (chat_token_read(tokens, token, NOW, &claims, &e) == TB_OK)
        assert(claims.who.user_id > 0 && claims.expires_at > NOW);
    else
        assert(e.code == TB_EAUTH);
}

static void
add_base64(struct tb_buf *b, const void *p, size_t n)
{
    char *text = tb_alloc(sodium_base64_encoded_len(n, BASE64));

    sodium_bin2base64(text, sodium_base64_encoded_len(n, BASE64), p, n, BASE64);
    tb_buf_add(b, tb_str_of(text));
    tb_free(text);
}

static void
read_signed(const uint8_t *claims, size_t n)
{
    struct tb_buf                b = TB_BUF_INIT;
    crypto_auth_hmacsha256_state h;
    unsigned char                mac[crypto_auth_hmacsha256_BYTES];

    tb_buf_add(&b, TB_LIT(HEADER));
    add_base64(&b, claims, n);
    crypto_auth_hmacsha256_init(&h, (const unsigned char *)KEY, sizeof KEY - 1);
    crypto_auth_hmacsha256_update(&h, (const unsigned char *)b.p, b.n);
    crypto_auth_hmacsha256_final(&h, mac);
    tb_buf_add_char(&b, '.');
    add_base64(&b, mac, sizeof mac);
    read_token(tb_buf_str(&b));
    tb_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (tokens == NULL)
        chat_tokens_open(&tokens, &(struct chat_token_settings){ .secret = TB_LIT(KEY), .issuer = "x",
            .legacy = true });
    read_token((tb_str){ (const char *)data, n });
    read_signed(data, n);
    return 0;
}
