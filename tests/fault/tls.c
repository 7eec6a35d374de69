/* What ssl-mode asks for is what happens: with a server that has TLS, and with one that has none. */
#include "work.h"

#include "base/log.h"

#include <stdio.h>
#include <unistd.h>

static struct centre  centre;
static struct fixture f;
static char           dir[] = "/tmp/tombolo-tls-XXXXXX", ca[64], key[64], other_ca[64], other_key[64];

static void
make_certificate(const char *cert, const char *private_key, const char *subject)
{
    const char *const openssl[] = { "/usr/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-batch",
                                    "-subj", subject, "-addext", "subjectAltName=DNS:localhost", "-keyout", private_key,
                                    "-out", cert, NULL };

    centre_exec(openssl);
}

static int
make_certificates(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(ca, sizeof ca, "%s/ca.pem", dir);
    snprintf(key, sizeof key, "%s/key.pem", dir);
    snprintf(other_ca, sizeof other_ca, "%s/other.pem", dir);
    snprintf(other_key, sizeof other_key, "%s/other-key.pem", dir);
    make_certificate(ca, key, "/CN=localhost");
    make_certificate(other_ca, other_key, "/CN=localhost");
    fixture_open(&f);
    fixture_user(&f, "ann");
    return 0;
}

static int
remove_certificates(void **state)
{
    (void)state;
    work_end_all();
    fixture_close(&f);
    unlink(ca), unlink(key), unlink(other_ca), unlink(other_key);
    return rmdir(dir);
}

struct row { const char *name, *host, *mode; const char *const *ca; bool is_up; const char *says; };

static const char *const my_ca = ca, *const their_ca = other_ca;

static void
try_all(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char url[256];
        snprintf(url, sizeof url, "mysql://tombolo:tide%%3Amark@%s:%u/chat?ssl-mode=%s%s%s", rows[i].host, centre.port,
                 rows[i].mode, rows[i].ca != NULL ? "&ssl-ca=" : "", rows[i].ca != NULL ? *rows[i].ca : "");
        work_listen();
        struct sync *s = work_sync(&f, url);
        work_await_line(rows[i].is_up ? "sync.up" : "sync.failed");
        if (work_heard("sync.up") != rows[i].is_up || (rows[i].says != NULL && !work_heard(rows[i].says)))
            fail_msg("%s", rows[i].name);
        work_end(&s);
        log_divert(NULL);
    }
}

static void
with_a_server_that_has_tls(void **state)
{
    char              ssl_cert[80], ssl_key[80];
    const char *const options[] = { ssl_cert, ssl_key, centre_is_mysql() ? "--tls-version=TLSv1.2,TLSv1.3" : NULL, NULL };
    static const struct row rows[] = {
        { "disabled", "127.0.0.1", "DISABLED", NULL, true, NULL },
        { "preferred", "127.0.0.1", "PREFERRED", NULL, true, NULL },
        { "required", "127.0.0.1", "REQUIRED", NULL, true, NULL },
        { "verified", "localhost", "VERIFY_IDENTITY", &my_ca, true, NULL },
        { "signed by somebody else", "localhost", "VERIFY_IDENTITY", &their_ca, false, "certificate" },
        { "another name", "127.0.0.1", "VERIFY_IDENTITY", &my_ca, false, NULL },
        { "another name where only the chain counts", "127.0.0.1", "VERIFY_CA", &my_ca, true, NULL },
        { "another chain", "localhost", "VERIFY_CA", &their_ca, false, "certificate" },
    };
    (void)state;
    snprintf(ssl_cert, sizeof ssl_cert, "--ssl-cert=%s", ca);
    snprintf(ssl_key, sizeof ssl_key, "--ssl-key=%s", key);
    centre_start(&centre, options);
    centre_sql(&centre, "ALTER USER tombolo@'127.0.0.1' REQUIRE NONE");
    try_all(rows, sizeof rows / sizeof *rows);
    centre_sql(&centre, "ALTER USER tombolo@'127.0.0.1' REQUIRE SSL");
    static const struct row encrypted[] = {
        { "plain is refused by the server", "127.0.0.1", "DISABLED", NULL, false, "mysql 1045" },
        { "preferred is TLS", "127.0.0.1", "PREFERRED", NULL, true, NULL },
        { "required is TLS", "127.0.0.1", "REQUIRED", NULL, true, NULL },
    };
    try_all(encrypted, sizeof encrypted / sizeof *encrypted);
    centre_stop(&centre);
}

static void
with_a_server_that_has_none(void **state)
{
    static const struct row rows[] = {
        { "disabled", "127.0.0.1", "DISABLED", NULL, true, NULL },
        { "preferred", "127.0.0.1", "PREFERRED", NULL, true, NULL },
        { "required", "127.0.0.1", "REQUIRED", NULL, false, "asks for TLS" },
        { "verified", "localhost", "VERIFY_IDENTITY", &my_ca, false, "asks for TLS" },
        { "verified by its chain", "localhost", "VERIFY_CA", &my_ca, false, "asks for TLS" },
    };
    (void)state;
    centre_start(&centre, NULL);
    try_all(rows, sizeof rows / sizeof *rows);
    centre_stop(&centre);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(with_a_server_that_has_none, work_teardown),
        cmocka_unit_test_teardown(with_a_server_that_has_tls, work_teardown),
    };
    return tap_run_with(tests, make_certificates, remove_certificates);
}
