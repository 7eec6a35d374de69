/* TLS: certificates, what is agreed in a handshake, and the keys of session tickets. h2o has the handshake itself.
 * Always: a ticket is opened by the key it was made with for as long as one that was made a moment before the key changed may
 * be used, and by no key that is older: what was said under it stays secret when a later key is stolen. */
#include "net/internal.h"

#include "base/metrics.h"
#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

struct net_certificate {
    SSL_CTX *ctx;
    int64_t ends_at;
    char fingerprint[NET_FINGERPRINT_SIZE];
};

/* ---- reading ---- */

/* Without it OpenSSL would ask on the terminal. */
static int
have_no_passphrase(char *out, int size, int is_writing, void *ctx)
{
    (void)out, (void)size, (void)is_writing, (void)ctx;
    return -1;
}

/* The newest error names the function, the one before it the reason, as "no start line". */
static const char *
why_openssl(void)
{
    const char *why = ERR_reason_error_string(ERR_peek_error());

    return why != NULL ? why : "unknown";
}

static enum tb_code
look_whether_readable(const char *path, const char *what, struct tb_err *e)
{
    FILE *f = fopen(path, "re");

    if (f == NULL)
        return tb_fail(e, TB_EINPUT, NULL, "%s %s: %s", what, path, strerror(errno));
    fclose(f);
    return TB_OK;
}

static enum tb_code
read_files(SSL_CTX *ctx, const char *cert, const char *key, struct tb_err *e)
{
    if (look_whether_readable(cert, "tls.cert", e) != TB_OK || look_whether_readable(key, "tls.key", e) != TB_OK)
        return e->code;
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(ctx, have_no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return tb_fail(e, TB_EINPUT, NULL, "tls.cert %s: no certificate in PEM (%s)", cert, why_openssl());
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1)
        return TB_OK;
    if (ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH)
        return tb_fail(e, TB_EINPUT, NULL, "tls.key %s: not the key of the certificate in %s", key, cert);
    return tb_fail(e, TB_EINPUT, NULL, "tls.key %s: no private key in PEM without a passphrase (%s)", key,
                   why_openssl());
}

/* ---- what is agreed ---- */

/* Ciphers of TLS 1.2 with forward secrecy and authenticated encryption; all of TLS 1.3 are. */
static enum tb_code
set_rules(SSL_CTX *ctx, bool only_tls_13, struct tb_err *e)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);         /* saves 9 KB an idle connection */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets do it, and cost us no memory */
    if (SSL_CTX_set_min_proto_version(ctx, only_tls_13 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1)
        return TB_OK;
    return tb_fail(e, TB_EINTERNAL, NULL, "TLS: %s", why_openssl());
}

/* RFC 7301. A client that knows neither is given HTTP/1.1, as one that does not ask. */
static int
select_protocol(SSL *ssl, const unsigned char **out, unsigned char *n_out, const unsigned char *theirs,
                unsigned n_theirs, void *of)
{
    static const unsigned char both[] = "\x02h2\x08http/1.1", only_1[] = "\x08http/1.1";
    const struct net *net = of;
    const unsigned char *ours = net->is_http2 ? both : only_1;
    unsigned n_ours = (net->is_http2 ? sizeof both : sizeof only_1) - 1;
    unsigned char *found;

    (void)ssl;
    if (SSL_select_next_proto(&found, n_out, ours, n_ours, theirs, n_theirs) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = found;
    return SSL_TLSEXT_ERR_OK;
}

/* ---- tickets ---- */

static void
make_ticket_key(struct net_ticket_key *k, int64_t now_ms)
{
    k->is_made = true;
    k->made_ms = now_ms;
    if (RAND_bytes(k->name, sizeof k->name) != 1 || RAND_priv_bytes(k->cipher, sizeof k->cipher) != 1 ||
        RAND_priv_bytes(k->mac, sizeof k->mac) != 1)
        abort(); /* as when memory is out: there is nothing to go on with */
}

/* tickets[0] makes tickets, [1] was there before it and opens them for as long again. */
static void
renew_ticket_keys(struct net *net)
{
    struct net_ticket_key *k = net->tickets;
    int64_t now_ms = net_now_ms(net), keep_ms = net->ticket_ms;

    if (k[0].is_made && now_ms - k[0].made_ms < keep_ms)
        return;
    if (k[0].is_made && now_ms - k[0].made_ms < 2 * keep_ms)
        k[1] = k[0];
    else
        OPENSSL_cleanse(&k[1], sizeof k[1]);
    make_ticket_key(&k[0], now_ms);
}

static bool
is_key_of(const struct net_ticket_key *k, const unsigned char name[NET_TICKET_NAME])
{
    return k->is_made && memcmp(k->name, name, NET_TICKET_NAME) == 0;
}

static int
use_ticket_key(struct net_ticket_key *k, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool makes)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->mac, sizeof k->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    if (makes && RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
        return -1;
    if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, k->cipher, iv, makes) != 1 ||
        EVP_MAC_CTX_set_params(mac, params) != 1)
        return -1;
    return 1;
}

/* OpenSSL's callback. 0: no key for it, so a full handshake; 2: opened, and to be made anew. */
static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int makes)
{
    struct net *net = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct net_ticket_key *k = net->tickets;

    assert(tb_thread_is(TB_LOOP));
    renew_ticket_keys(net);
    if (makes) {
        memcpy(name, k[0].name, NET_TICKET_NAME);
        return use_ticket_key(&k[0], iv, cipher, mac, true);
    }
    if (is_key_of(&k[0], name))
        return use_ticket_key(&k[0], iv, cipher, mac, false);
    if (!is_key_of(&k[1], name))
        return 0;
    return use_ticket_key(&k[1], iv, cipher, mac, false) == 1 ? 2 : -1;
}

static void
set_tickets(struct net *net, SSL_CTX *ctx)
{
    SSL_CTX_set_app_data(ctx, net);
    if (net->ticket_ms == 0) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ctx, 0);
        return;
    }
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_timeout(ctx, (long)(net->ticket_ms / 1000));
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
}

void
net_tickets_fini(struct net *net)
{
    OPENSSL_cleanse(net->tickets, sizeof net->tickets);
}

/* ---- certificates ---- */

static void
describe(struct net_certificate *c)
{
    const X509 *x = SSL_CTX_get0_certificate(c->ctx);
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    struct tm ends = { 0 };

    if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &ends) == 1)
        c->ends_at = timegm(&ends);
    if (X509_digest(x, EVP_sha256(), sum, &n) != 1)
        n = 0;
    for (unsigned i = 0; i < n; i++)
        snprintf(c->fingerprint + 3 * i, sizeof c->fingerprint - 3 * i, "%02X%s", sum[i], i + 1 < n ? ":" : "");
}

enum tb_code
net_certificate_load(struct net_certificate **out, const struct net_certificate_files *files, struct tb_err *e)
{
    struct net_certificate *c = TB_NEW(struct net_certificate);
    const char *key = files->key[0] != '\0' ? files->key : files->cert;
    enum tb_code code;

    if ((c->ctx = SSL_CTX_new(TLS_server_method())) == NULL)
        code = tb_fail(e, TB_EINTERNAL, NULL, "TLS: %s", why_openssl());
    else if ((code = set_rules(c->ctx, files->only_tls_13, e)) == TB_OK)
        code = read_files(c->ctx, files->cert, key, e);
    if (code != TB_OK) {
        net_certificate_free(&c);
        return code;
    }
    describe(c);
    *out = c;
    return TB_OK;
}

void
net_certificate_free(struct net_certificate **c)
{
    if (*c == NULL)
        return;
    SSL_CTX_free((*c)->ctx);
    tb_free(*c);
    *c = NULL;
}

void
net_certificate_fingerprint(const struct net_certificate *c, char out[NET_FINGERPRINT_SIZE])
{
    memcpy(out, c->fingerprint, NET_FINGERPRINT_SIZE);
}

int64_t
net_certificate_ends_at(const struct net_certificate *c)
{
    return c->ends_at;
}

TB_SECONDS_GAUGE(not_after, "tombolo_certificate_not_after_timestamp_seconds",
                 "When the certificate that new connections are shown ends, since 1970; 0: there is none.");

void
net_use_certificate(struct net *net, struct net_certificate **c)
{
    assert(tb_thread_is(TB_LOOP));
    SSL_CTX_set_alpn_select_cb((*c)->ctx, select_protocol, net);
    set_tickets(net, (*c)->ctx);
    net_certificate_free(&net->certificate);
    net->certificate = *c;
    tb_gauge_set(&not_after, 0, net_certificate_ends_at(*c) * 1000000);
    *c = NULL;
}

/* h2o keeps the bare pointer until the first byte comes, so it is held for as long as the handshake lasts. */
struct ssl_ctx_st *
net_certificate_hold(const struct net *net)
{
    SSL_CTX_up_ref(net->certificate->ctx);
    return net->certificate->ctx;
}

void
net_certificate_let_go(struct ssl_ctx_st **held)
{
    SSL_CTX_free(*held);
    *held = NULL;
}
