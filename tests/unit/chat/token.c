/* Tokens: ours are taken, everything else is not. Foreign ones are made here by hand, with libsodium's HMAC. */
#include "chat/token.h"
#include "base/json.h"
#include "tap.h"

#include <sodium.h>

#define NOW INT64_C(1700000000000)
#define ISS "11111111-2222-3333-4444-555555555555"
#define CENTRE "99999999-2222-3333-4444-555555555555"
#define KEY "0123456789abcdef0123456789abcdef"
#define ALG_HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define GOOD "{\"id\":7,\"email\":\"a@b\",\"iss\":\"" ISS "\",\"iat\":1700000000,\"exp\":1700000100}"

static const struct chat_token_settings settings = {
    .secret = { KEY, sizeof KEY - 1 }, .issuer = ISS, .also = CENTRE, .days = 7,
};

static const struct store_user ann = { .id = INT64_C(9007199254740991), .email = TB_LIT("ann@example.org"), .generation = 5000 };
static const struct store_user seven = { .id = 7, .email = TB_LIT("a@b"), .generation = 5000 };

static void
add_base64url(struct tb_buf *b, const void *p, size_t n)
{
    size_t size = sodium_base64_encoded_len(n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char  *text = tb_alloc(size);
    sodium_bin2base64(text, size, p, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    tb_buf_add(b, tb_str_of(text));
    tb_free(text);
}

static void
sign(struct tb_buf *b, tb_str key)
{
    crypto_auth_hmacsha256_state h;
    unsigned char                mac[crypto_auth_hmacsha256_BYTES];

    crypto_auth_hmacsha256_init(&h, (const unsigned char *)key.p, key.n);
    crypto_auth_hmacsha256_update(&h, (const unsigned char *)b->p, b->n);
    crypto_auth_hmacsha256_final(&h, mac);
    tb_buf_add_char(b, '.');
    add_base64url(b, mac, sizeof mac);
}

static struct tb_buf
forge(const char *header, const char *claims, tb_str key)
{
    struct tb_buf b = TB_BUF_INIT;

    add_base64url(&b, header, strlen(header));
    tb_buf_add_char(&b, '.');
    add_base64url(&b, claims, strlen(claims));
    sign(&b, key);
    return b;
}

static enum tb_code
read_as(struct chat_token_settings with, tb_str token, int64_t now, struct chat_claims *out)
{
    struct chat_tokens *t;
    struct tb_err       e = { .code = TB_OK };

    chat_tokens_open(&t, &with);
    enum tb_code code = chat_token_read(t, token, now, out, &e);
    assert_int_equal(code, e.code);
    chat_tokens_close(&t);
    return code;
}

static bool
is_taken(tb_str token)
{
    struct chat_claims claims;
    return read_as(settings, token, NOW, &claims) == TB_OK;
}

static void
what_we_make_we_read(void **state)
{
    struct chat_tokens *t;
    struct chat_claims  claims;
    (void)state;
    chat_tokens_open(&t, &settings);
    char *token = chat_token_make(t, &ann, NOW);
    chat_tokens_close(&t);
    assert_int_equal(TB_OK, read_as(settings, tb_str_of(token), NOW, &claims));
    assert_true(claims.who.user_id == INT64_C(9007199254740991));
    assert_int_equal(5000, claims.who.generation);
    assert_true(claims.expires_at == NOW + INT64_C(7) * 86400 * 1000);
    assert_int_equal(TB_OK, read_as(settings, tb_str_of(token), claims.expires_at - 1000, &claims));
    assert_int_equal(TB_EAUTH, read_as(settings, tb_str_of(token), claims.expires_at, &claims));
    tb_free(token);
}

static void
a_token_made_elsewhere_by_the_rules_is_taken(void **state)
{
    struct tb_buf b = forge(ALG_HS256, GOOD, TB_LIT(KEY));
    (void)state;
    assert_true(is_taken(tb_buf_str(&b)));
    tb_buf_fini(&b);
}

static void
another_algorithm_is_refused_whatever_signs_it(void **state)
{
    static const char *const headers[] = {
        "{\"alg\":\"hs256\"}", "{\"alg\":\"Hs256\",\"typ\":\"JWT\"}", "{\"alg\":\"none\"}", "{\"alg\":\"None\"}",
        "{\"alg\":\"NONE\",\"typ\":\"JWT\"}",
        "{\"alg\":\"RS256\",\"typ\":\"JWT\"}",
        "{\"alg\":\"ES256\"}", "{\"alg\":\"HS384\"}", "{\"alg\":\"HS512\"}", "{\"alg\":\"\"}", "{\"alg\":null}",
        "{\"alg\":1}", "{}",
        "{\"typ\":\"JWT\"}", "[]", "\"HS256\"", "", "{\"alg\":\"HS256\"", "null",
    };
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct tb_buf b = forge(headers[i], GOOD, TB_LIT(KEY));
        if (is_taken(tb_buf_str(&b)))
            fail_msg("taken: %s", headers[i]);
        size_t unsigned_n = (size_t)(strrchr(b.p, '.') - b.p);
        if (is_taken((tb_str){ b.p, unsigned_n }) || is_taken((tb_str){ b.p, unsigned_n + 1 }))
            fail_msg("taken unsigned: %s", headers[i]);
        tb_buf_fini(&b);
    }
}

/* With HS384 and our own key the signature is right: only the pinned algorithm refuses it. */
static void
a_valid_hmac_of_another_length_is_refused(void **state)
{
    struct tb_buf                b = TB_BUF_INIT;
    crypto_auth_hmacsha512_state h;
    unsigned char                mac[crypto_auth_hmacsha512_BYTES];
    const char                  *header = "{\"alg\":\"HS512\",\"typ\":\"JWT\"}";
    (void)state;
    add_base64url(&b, header, strlen(header));
    tb_buf_add_char(&b, '.');
    add_base64url(&b, GOOD, strlen(GOOD));
    crypto_auth_hmacsha512_init(&h, (const unsigned char *)KEY, strlen(KEY));
    crypto_auth_hmacsha512_update(&h, (const unsigned char *)b.p, b.n);
    crypto_auth_hmacsha512_final(&h, mac);
    tb_buf_add_char(&b, '.');
    add_base64url(&b, mac, sizeof mac);
    assert_false(is_taken(tb_buf_str(&b)));
    tb_buf_fini(&b);
}

static void
another_key_is_refused(void **state)
{
    static const tb_str keys[] = { { "", 0 }, { "0123456789abcdef0123456789abcdeX", 32 }, { KEY, 31 }, { KEY "0",
        33 } };
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct tb_buf b = forge(ALG_HS256, GOOD, keys[i]);
        assert_false(is_taken(tb_buf_str(&b)));
        tb_buf_fini(&b);
    }
}

static void
claims_must_have_their_types_and_be_in_time(void **state)
{
    static const struct { const char *claims; bool taken; } rows[] = {
        { "{\"id\":7,\"iss\":\"" ISS "\",\"exp\":1700000001}", true },
        { "{\"id\":7,\"iss\":\"" CENTRE "\",\"exp\":1700000001}", true },
        { "{\"id\":7,\"iss\":\"" ISS "\",\"exp\":1700000001,\"nbf\":1700000000}", true },
        { "{\"id\":7,\"iss\":\"" ISS "\",\"exp\":1700000001,\"nbf\":1700000001}", false },
        { "{\"id\":7,\"iss\":\"" ISS "\",\"exp\":1700000000}", false },
        { "{\"id\":7,\"iss\":\"" ISS "\",\"exp\":1600000000}", false },
        { "{\"id\":7,\"iss\":\"" ISS "\",\"exp\":-1}", false },
        { "{\"id\":7,\"iss\":\"" ISS "\",\"exp\":9223372036854775807}", false },
        { "{\"id\":7,\"iss\":\"" ISS "\",\"exp\":\"1700000001\"}", false },
        { "{\"id\":7,\"iss\":\"" ISS "\",\"exp\":null}", false },
        { "{\"id\":7,\"iss\":\"" ISS "\"}", false },
        { "{\"id\":\"7\",\"iss\":\"" ISS "\",\"exp\":1700000001}", false },
        { "{\"id\":7.5,\"iss\":\"" ISS "\",\"exp\":1700000001}", false },
        { "{\"id\":0,\"iss\":\"" ISS "\",\"exp\":1700000001}", false },
        { "{\"id\":-7,\"iss\":\"" ISS "\",\"exp\":1700000001}", false },
        { "{\"id\":9007199254740992,\"iss\":\"" ISS "\",\"exp\":1700000001}", false },
        { "{\"id\":{\"id\":7},\"iss\":\"" ISS "\",\"exp\":1700000001}", false },
        { "{\"iss\":\"" ISS "\",\"exp\":1700000001}", false },
        { "{\"id\":7,\"iss\":\"" ISS "x\",\"exp\":1700000001}", false },
        { "{\"id\":7,\"iss\":\"\",\"exp\":1700000001}", false },
        { "{\"id\":7,\"iss\":7,\"exp\":1700000001}", false },
        { "{\"id\":7,\"iss\":[\"" ISS "\"],\"exp\":1700000001}", false },
        { "{\"id\":7,\"exp\":1700000001}", false },
        { "[7]", false }, { "", false }, { "7", false }, { "{", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tb_buf b = forge(ALG_HS256, rows[i].claims, TB_LIT(KEY));
        if (is_taken(tb_buf_str(&b)) != rows[i].taken)
            fail_msg("%s", rows[i].claims);
        tb_buf_fini(&b);
    }
}

static void
without_iss_it_counts_only_where_legacy_tokens_do(void **state)
{
    struct chat_token_settings legacy = settings;
    struct chat_claims         claims;
    struct tb_buf              without = forge(ALG_HS256, "{\"id\":7,\"exp\":1700000001}", TB_LIT(KEY));
    struct tb_buf              wrong = forge(ALG_HS256, "{\"id\":7,\"iss\":7,\"exp\":1700000001}", TB_LIT(KEY));
    struct tb_buf              other = forge(ALG_HS256, "{\"id\":7,\"iss\":\"x\",\"exp\":1700000001}", TB_LIT(KEY));
    (void)state;
    legacy.legacy = true;
    assert_int_equal(TB_EAUTH, read_as(settings, tb_buf_str(&without), NOW, &claims));
    assert_int_equal(TB_OK, read_as(legacy, tb_buf_str(&without), NOW, &claims));
    assert_int_equal(7, claims.who.user_id);
    assert_int_equal(TB_EAUTH, read_as(legacy, tb_buf_str(&wrong), NOW, &claims));
    assert_int_equal(TB_EAUTH, read_as(legacy, tb_buf_str(&other), NOW, &claims));
    tb_buf_fini(&without);
    tb_buf_fini(&wrong);
    tb_buf_fini(&other);
}

static void
a_generation_needs_our_issuer(void **state)
{
    struct chat_token_settings legacy = settings;
    struct chat_claims         claims;
    struct tb_buf              b = forge(ALG_HS256, "{\"id\":7,\"gen\":5000,\"iat\":1700000000,\"exp\":1700000001}", TB_LIT(KEY));
    (void)state;
    legacy.legacy = true;
    assert_int_equal(TB_EAUTH, read_as(legacy, tb_buf_str(&b), NOW, &claims));
    tb_buf_fini(&b);
}

/* Seconds: the claims' iat is 1700000000. */
static void
what_was_made_after_the_backup_is_refused(void **state)
{
    static const struct { int64_t from_s, upto_s; bool is_taken; } rows[] = {
        { 1700000000, 1700000100, true },       /* in the second of the backup's last change, as a registration's own token may be */
        { 1699999999, 1700000000, false }, { 1699999000, 1700000100, false },
        { 1699999000, 1699999999, true }, { 0, 0, true },
    };
    struct tb_buf b = forge(ALG_HS256, GOOD, TB_LIT(KEY));
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct chat_token_settings with = settings;
        struct chat_claims         claims;
        with.lost_from = rows[i].from_s * 1000;
        with.lost_upto = rows[i].upto_s * 1000;
        assert_int_equal(rows[i].is_taken ? TB_OK : TB_EAUTH, read_as(with, tb_buf_str(&b), NOW, &claims));
    }
    tb_buf_fini(&b);
}

static void
no_centre_is_no_empty_issuer(void **state)
{
    struct chat_token_settings alone = settings;
    struct chat_claims         claims;
    struct tb_buf              b = forge(ALG_HS256, "{\"id\":7,\"iss\":\"\",\"exp\":1700000001}", TB_LIT(KEY));
    (void)state;
    alone.also = NULL;
    assert_int_equal(TB_EAUTH, read_as(alone, tb_buf_str(&b), NOW, &claims));
    tb_buf_fini(&b);
}

static bool
takes(const struct chat_tokens *t, const char *token)
{
    struct chat_claims claims;
    struct tb_err      e = { 0 };
    return chat_token_read(t, tb_str_of(token), NOW, &claims, &e) == TB_OK;
}

static void
a_centre_that_is_met_later_is_what_tokens_are_good_for_from_then_on(void **state)
{
    struct chat_token_settings alone = settings, elsewhere = settings;
    struct chat_tokens        *here, *there;
    (void)state;
    alone.also = NULL;
    elsewhere.issuer = CENTRE;
    elsewhere.also = NULL;
    chat_tokens_open(&here, &alone);
    chat_tokens_open(&there, &elsewhere);
    char *before = chat_token_make(here, &seven, NOW);
    chat_tokens_set_centre(here, CENTRE);
    chat_tokens_set_centre(here, CENTRE);       /* it is told at each contact */
    char *after = chat_token_make(here, &seven, NOW), *of_there = chat_token_make(there, &seven, NOW);

    assert_true(takes(here, before) && takes(here, after) && takes(here, of_there));
    assert_true(takes(there, after));
    assert_false(takes(there, before));
    tb_free(before);
    tb_free(after);
    tb_free(of_there);
    chat_tokens_close(&here);
    chat_tokens_close(&there);
}

static void
cut_anywhere_or_changed_anywhere_it_is_refused(void **state)
{
    struct tb_buf b = forge(ALG_HS256, GOOD, TB_LIT(KEY));
    (void)state;
    for (size_t n = 0; n < b.n; n++)
        assert_false(is_taken((tb_str){ b.p, n }));
    for (size_t i = 0; i + 1 < b.n; i++) {      /* the last character of a signature has two spare bits */
        char c = b.p[i];
        b.p[i] = c == 'A' ? 'B' : 'A';
        assert_false(is_taken(tb_buf_str(&b)));
        b.p[i] = c;
    }
    assert_true(is_taken(tb_buf_str(&b)));
    tb_buf_fini(&b);
}

static void
what_is_no_token_is_refused(void **state)
{
    static const tb_str rows[] = {
        { "", 0 },        { ".", 1 },       { "..", 2 },          { "...", 3 },          { "a.b", 3 },
          { "a.b.c", 5 },
        { "a.b.c.d", 7 }, { "\0.\0.\0", 5 }, { "?!.?!.?!", 8 },   { "e30.e30.e30", 11 }, { "null", 4 },
          { "undefined", 9 },
        { " a.b.c", 6 },  { "a=.b=.c=", 8 }, { "\xff.\xff.\xff", 5 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_false(is_taken(rows[i]));
}

static void
a_huge_token_is_not_looked_at(void **state)
{
    struct tb_buf claims = TB_BUF_INIT;
    struct tb_json j = tb_json_to(&claims);
    struct tb_buf pad = TB_BUF_INIT;
    (void)state;
    for (int i = 0; i < 4000; i++)
        tb_buf_add_char(&pad, 'x');
    tb_json_open_object(&j);
    tb_json_key(&j, "pad");
    tb_json_str(&j, tb_buf_str(&pad));
    tb_json_key(&j, "id");
    tb_json_int(&j, 7);
    tb_json_key(&j, "iss");
    tb_json_str(&j, TB_LIT(ISS));
    tb_json_key(&j, "exp");
    tb_json_int(&j, 1700000100);
    tb_json_end_object(&j);
    tb_json_fini(&j);
    struct tb_buf b = forge(ALG_HS256, claims.p, TB_LIT(KEY));
    assert_false(is_taken(tb_buf_str(&b)));
    tb_buf_fini(&b);
    tb_buf_fini(&pad);
    tb_buf_fini(&claims);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_we_make_we_read),
        cmocka_unit_test(a_token_made_elsewhere_by_the_rules_is_taken),
        cmocka_unit_test(another_algorithm_is_refused_whatever_signs_it),
        cmocka_unit_test(a_valid_hmac_of_another_length_is_refused),
        cmocka_unit_test(another_key_is_refused),
        cmocka_unit_test(claims_must_have_their_types_and_be_in_time),
        cmocka_unit_test(without_iss_it_counts_only_where_legacy_tokens_do),
        cmocka_unit_test(a_generation_needs_our_issuer),
        cmocka_unit_test(what_was_made_after_the_backup_is_refused),
        cmocka_unit_test(no_centre_is_no_empty_issuer),
        cmocka_unit_test(a_centre_that_is_met_later_is_what_tokens_are_good_for_from_then_on),
        cmocka_unit_test(cut_anywhere_or_changed_anywhere_it_is_refused),
        cmocka_unit_test(what_is_no_token_is_refused),
        cmocka_unit_test(a_huge_token_is_not_looked_at),
    };
    return tap_run(tests);
}
