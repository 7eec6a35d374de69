/* Bodies of self_signed.h. The certificate is no authority for others (CA:FALSE), so whoever trusts it trusts this one server. */
#include "self_signed.h"

#include "base/address.h"
#include "base/owner.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    SERIAL_BYTES = 16,
    NAME_MAX_BYTES = 253,
    CN_MAX_BYTES = 64,
    LATE_S = 3600,              /* a client's clock may be that late when the certificate is new */
};

static enum tb_code
fail_openssl(struct tb_err *e, const char *what)
{
    const char *why = ERR_reason_error_string(ERR_peek_error());

    return tb_fail(e, TB_EINTERNAL, NULL, "%s: %s", what, why != NULL ? why : "OpenSSL does not say why");
}

/* ---- names ---- */

static bool
is_dns_name(tb_str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!isalnum((unsigned char)name.p[i]) && name.p[i] != '.' && name.p[i] != '-' && (name.p[i] != '*' || i > 0))
            return false;
    return name.n > 0 && name.n <= NAME_MAX_BYTES;
}

/* "DNS:chat.lan,IP:192.168.1.5", as OpenSSL reads it. */
static enum tb_code
list_names(struct tb_buf *out, char *const *names, size_t n, struct tb_err *e)
{
    struct tb_address unused;

    if (n == 0 || n > SELF_SIGNED_NAMES)
        return tb_fail(e, TB_EINPUT, NULL, "1 to %d names or addresses are needed, as people will type them", SELF_SIGNED_NAMES);
    for (size_t i = 0; i < n; i++) {
        tb_str name = tb_str_of(names[i]);
        bool   is_address = tb_address_parse(name, &unused);
        if (!is_address && !is_dns_name(name))
            return tb_fail(e, TB_EINPUT, NULL, "'%.60s' is neither a name nor an address", names[i]);
        tb_buf_printf(out, "%s%s:%s", i > 0 ? "," : "", is_address ? "IP" : "DNS", names[i]);
    }
    return TB_OK;
}

/* ---- making ---- */

static bool
add_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool            ok = ext != NULL && X509_add_ext(x, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

static bool
set_serial(X509 *x)
{
    unsigned char bytes[SERIAL_BYTES];
    BIGNUM       *n = RAND_bytes(bytes, sizeof bytes) == 1 ? BN_bin2bn(bytes, sizeof bytes, NULL) : NULL;
    bool          ok = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;

    BN_free(n);
    return ok;
}

static bool
fill(X509 *x, EVP_PKEY *key, const char *first_name, const char *names, unsigned days)
{
    X509_NAME *subject = X509_get_subject_name(x);
    size_t     n = strlen(first_name);

    return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) && X509_set_pubkey(x, key) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(x), -LATE_S) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(x), (int)days, -LATE_S, NULL) != NULL &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)first_name,
                                      (int)(n < CN_MAX_BYTES ? n : CN_MAX_BYTES), -1, 0) == 1 &&
           X509_set_issuer_name(x, subject) == 1 && add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x, NID_key_usage, "critical,digitalSignature") && add_extension(x, NID_ext_key_usage, "serverAuth") &&
           add_extension(x, NID_subject_alt_name, names) && add_extension(x, NID_subject_key_identifier, "hash") &&
           X509_sign(x, key, EVP_sha256()) > 0;
}

static FILE *
create(const char *path, mode_t mode, struct tb_err *e)
{
    int   fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (f == NULL) {
        tb_fail(e, TB_EIO, NULL, "%s: %s", path, errno == EEXIST ? "is there already; move it away first" : strerror(errno));
        return NULL;
    }
    char *folder = tb_str_to_c(tb_str_of(path));
    tb_give_to_owner(fd, dirname(folder));
    tb_free(folder);
    return f;
}

static enum tb_code
write_key(const char *path, EVP_PKEY *key, struct tb_err *e)
{
    FILE *f = create(path, 0600, e);

    if (f == NULL)
        return e->code;
    bool ok = PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1;
    return fclose(f) == 0 && ok ? TB_OK : tb_fail(e, TB_EIO, NULL, "%s: cannot be written", path);
}

static enum tb_code
write_certificate(const char *path, X509 *x, struct tb_err *e)
{
    FILE *f = create(path, 0644, e);

    if (f == NULL)
        return e->code;
    bool ok = PEM_write_X509(f, x) == 1;
    return fclose(f) == 0 && ok ? TB_OK : tb_fail(e, TB_EIO, NULL, "%s: cannot be written", path);
}

enum tb_code
self_signed_make(const char *cert, const char *key, char *const *names, size_t n, unsigned days, struct tb_err *e)
{
    struct tb_buf list = TB_BUF_INIT;
    EVP_PKEY     *pair = NULL;
    X509         *x = NULL;
    enum tb_code  code = list_names(&list, names, n, e);

    if (code != TB_OK)
        goto out;
    pair = EVP_EC_gen("P-256");
    x = X509_new();
    if (pair == NULL || x == NULL || !fill(x, pair, names[0], list.p, days)) {
        code = fail_openssl(e, "certificate");
        goto out;
    }
    if ((code = write_key(key, pair, e)) != TB_OK)
        goto out;
    if ((code = write_certificate(cert, x, e)) != TB_OK)
        unlink(key);
out:
    tb_buf_fini(&list);
    EVP_PKEY_free(pair);
    X509_free(x);
    return code;
}

/* ---- reading ---- */

static void
add_name(struct tb_buf *out, const GENERAL_NAME *name)
{
    struct tb_address a;
    char              text[INET6_ADDRSTRLEN];

    if (name->type == GEN_DNS) {
        tb_buf_printf(out, "%.*s ", name->d.dNSName->length, (const char *)name->d.dNSName->data);
    } else if (name->type == GEN_IPADD && (name->d.iPAddress->length == 4 || name->d.iPAddress->length == 16)) {
        if (name->d.iPAddress->length == 4)
            a = tb_address_v4(name->d.iPAddress->data);
        else
            memcpy(a.bytes, name->d.iPAddress->data, sizeof a.bytes);
        tb_address_text(&a, text);
        tb_buf_printf(out, "%s ", text);
    }
}

static void
read_names(struct tb_buf *out, const X509 *x)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        add_name(out, sk_GENERAL_NAME_value(names, i));
    GENERAL_NAMES_free(names);
}

static void
read_facts(struct certificate_facts *out, const X509 *x)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned      n = 0;
    struct tm     ends = { 0 };

    *out = (struct certificate_facts){ .names = TB_BUF_INIT };
    if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &ends) == 1)
        out->ends_ms = (int64_t)timegm(&ends) * 1000;
    if (X509_digest(x, EVP_sha256(), sum, &n) != 1)
        n = 0;
    for (unsigned i = 0; i < n; i++)
        snprintf(out->sha256 + 3 * i, sizeof out->sha256 - 3 * i, "%02X%s", sum[i], i + 1 < n ? ":" : "");
    read_names(&out->names, x);
}

enum tb_code
certificate_read(struct certificate_facts *out, const char *path, struct tb_err *e)
{
    FILE *f = fopen(path, "re");
    X509 *x = f != NULL ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

    if (f == NULL)
        return tb_fail(e, TB_EIO, NULL, "%s: %s", path, strerror(errno));
    fclose(f);
    if (x == NULL)
        return tb_fail(e, TB_EINPUT, NULL, "%s: no certificate in PEM", path);
    read_facts(out, x);
    X509_free(x);
    return TB_OK;
}
