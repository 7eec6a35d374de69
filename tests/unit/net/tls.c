/* TLS on a real connection: tickets over the change of their key, certificates over their replacement, records, time-outs. */
#include "loop.h"
#include "net/tls.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TICKET_MS = 1000000, HANDSHAKE_MS = 5000 };

static char dir[] = "/tmp/tombolo-test-tls-XXXXXX";

/* ---- certificates ---- */

static void
path_of(char out[64], const char *name)
{
    snprintf(out, 64, "%s/%s", dir, name);
}

static void
write_pair(const char *name)
{
    char      path[64];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509     *x = X509_new();

    X509_set_pubkey(x, key);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    path_of(path, name);
    FILE *f = fopen(path, "we");
    assert_true(PEM_write_X509(f, x) == 1 && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(key);
}

static struct net_certificate *
load(const char *name)
{
    struct net_certificate *c = NULL;
    struct tb_err           e = { 0 };
    char                    path[64];

    path_of(path, name);
    assert_int_equal(TB_OK, net_certificate_load(&c, &(struct net_certificate_files){ .cert = path, .key = "" }, &e));
    return c;
}

static struct loop *
start(void)
{
    return loop_start((struct net_settings){ .tls = { .certificate = load("first"), .host = "127.0.0.1", .ticket_ms = TICKET_MS,
                                                      .handshake_timeout_ms = HANDSHAKE_MS } });
}

/* ---- a client ---- */

struct client {
    int          fd;
    SSL_CTX     *ctx;
    SSL         *ssl;
    SSL_SESSION *session;               /* the last ticket it was given */
};

static int
keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct client *c = SSL_get_app_data(ssl);

    SSL_SESSION_free(c->session);
    c->session = session;
    return 1;
}

static void
prepare(struct client *c, int version, SSL_SESSION *session)
{
    c->ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(c->ctx, version);
    SSL_CTX_set_max_proto_version(c->ctx, version);
    SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c->ctx, keep_session);
    c->ssl = SSL_new(c->ctx);
    SSL_set_app_data(c->ssl, c);
    SSL_set_fd(c->ssl, c->fd);
    if (session != NULL)
        SSL_set_session(c->ssl, session);
}

static void
shake_hands(struct client *c, struct loop *l, int version, SSL_SESSION *session)
{
    *c = (struct client){ .fd = client_connect(net_tls_port(loop_net(l))) };
    prepare(c, version, session);
    assert_int_equal(1, SSL_connect(c->ssl));
}

static size_t
read_some(struct client *c, char *out, size_t max)
{
    int n = SSL_read(c->ssl, out, (int)max - 1);

    out[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

static void
ask(struct client *c, const char *text, char *answer, size_t max)
{
    size_t n = 0, more;

    assert_int_equal(strlen(text), SSL_write(c->ssl, text, (int)strlen(text)));
    while ((more = read_some(c, answer + n, max - n)) > 0)
        n += more;
}

static void
leave(struct client *c)
{
    SSL_set_quiet_shutdown(c->ssl, 1);
    SSL_shutdown(c->ssl);                   /* or its session would not be resumed again */
    SSL_SESSION_free(c->session);
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    close(c->fd);
}

static const char hello[] = "GET /echo/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

static SSL_SESSION *
ticket_of(struct loop *l, int version)
{
    struct client c;
    char          answer[1024];

    shake_hands(&c, l, version, NULL);
    ask(&c, hello, answer, sizeof answer);
    SSL_SESSION *ticket = c.session;
    assert_non_null(ticket);
    c.session = NULL;
    leave(&c);
    return ticket;
}

static bool
is_resumed(struct loop *l, int version, SSL_SESSION *ticket)
{
    SSL_SESSION  *once = SSL_SESSION_dup(ticket);    /* OpenSSL's client uses none twice */
    struct client c;

    shake_hands(&c, l, version, once);
    SSL_SESSION_free(once);
    bool is_reused = SSL_session_reused(c.ssl);
    leave(&c);
    return is_reused;
}

static void
name_shown(struct loop *l, char out[64])
{
    struct client c;

    shake_hands(&c, l, TLS1_3_VERSION, NULL);
    X509 *x = SSL_get1_peer_certificate(c.ssl);
    X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, out, 64);
    X509_free(x);
    leave(&c);
}

/* ---- tests ---- */

static void
a_request_is_answered_over_tls_and_over_none(void **state)
{
    struct loop  *l = start();
    struct client c;
    char          answer[1024];
    (void)state;

    shake_hands(&c, l, TLS1_3_VERSION, NULL);
    ask(&c, hello, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 200 OK"));
    assert_non_null(strstr(answer, "\"peer\":\"127.0.0.1\""));
    assert_int_equal(SSL_RECEIVED_SHUTDOWN, SSL_get_shutdown(c.ssl));
    leave(&c);
    assert_non_null(strstr(client_ask(l, hello), "HTTP/1.1 200 OK"));
    loop_stop(&l);
}

/* The loop moves its clock a second at a time, so the times are as short as a test of them allows. */
static void
a_ticket_is_good_until_its_key_has_been_replaced_twice(void **state)
{
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        struct loop *l = start();
        SSL_SESSION *ticket = ticket_of(l, versions[i]);
        assert_true(is_resumed(l, versions[i], ticket));
        loop_pass(l, TICKET_MS);                    /* the next handshake replaces the key */
        assert_true(is_resumed(l, versions[i], ticket));
        loop_pass(l, TICKET_MS);
        assert_false(is_resumed(l, versions[i], ticket));
        SSL_SESSION_free(ticket);
        loop_stop(&l);
    }
}

static void
a_key_that_was_not_replaced_in_time_opens_nothing_any_more(void **state)
{
    struct loop *l = start();
    SSL_SESSION *ticket = ticket_of(l, TLS1_3_VERSION);
    (void)state;

    loop_pass(l, 2 * TICKET_MS);                    /* nobody came meanwhile */
    assert_false(is_resumed(l, TLS1_3_VERSION, ticket));
    SSL_SESSION_free(ticket);
    loop_stop(&l);
}

static void
a_ticket_of_another_server_opens_nothing(void **state)
{
    struct loop *a = start(), *b = start();
    SSL_SESSION *ticket = ticket_of(a, TLS1_3_VERSION);
    (void)state;

    assert_false(is_resumed(b, TLS1_3_VERSION, ticket));
    SSL_SESSION_free(ticket);
    loop_stop(&a);
    loop_stop(&b);
}

struct swap {
    struct net             *net;
    struct net_certificate *next;
};

static void
swap(void *ctx)
{
    struct swap *s = ctx;
    net_use_certificate(s->net, &s->next);
}

static void
a_new_certificate_is_for_new_connections_and_those_in_a_handshake_keep_theirs(void **state)
{
    struct loop  *l = start();
    struct client waits = { .fd = client_connect(net_tls_port(loop_net(l))) }, stays;
    struct swap   s = { .net = loop_net(l), .next = load("second") };
    char          answer[1024], name[64];
    (void)state;

    shake_hands(&stays, l, TLS1_3_VERSION, NULL);   /* after waits, which has been accepted by now */
    name_shown(l, name);
    assert_string_equal("first", name);
    loop_run(l, swap, &s);
    assert_null(s.next);
    name_shown(l, name);
    assert_string_equal("second", name);
    ask(&stays, hello, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 200 OK"));
    prepare(&waits, TLS1_2_VERSION, NULL);
    assert_int_equal(1, SSL_connect(waits.ssl));    /* begun under the first, which nobody else holds */
    leave(&waits);
    leave(&stays);
    loop_stop(&l);
}

static void
a_handshake_that_takes_too_long_is_cut(void **state)
{
    struct loop *l = start();
    int          silent = client_connect(net_tls_port(loop_net(l))), slow = client_connect(net_tls_port(loop_net(l)));
    char         name[64];
    (void)state;

    client_send(slow, "\x16\x03\x01");              /* a record begins */
    name_shown(l, name);                            /* both have been accepted */
    loop_pass(l, HANDSHAKE_MS + 2000);
    assert_true(client_sees_close(silent));
    assert_true(client_sees_close(slow));
    close(silent);
    close(slow);
    loop_stop(&l);
}

/* ---- streams ---- */

enum { SLICES = 20, LONG = 8 << 20 };

struct upgraded {
    struct net        *net;
    struct net_stream *stream;
    char              *text;
    bool               is_gone;
};

static void
write_slices(void *app)
{
    struct upgraded *u = app;
    tb_str           slices[SLICES];

    for (size_t i = 0; i < SLICES; i++)
        slices[i] = (tb_str){ .p = u->text + i, .n = 1 };
    net_stream_write(u->stream, slices, SLICES);
}

static bool
ignore_input(void *app, char *bytes, size_t *n)
{
    (void)app, (void)bytes;
    *n = 0;
    return true;
}

static void
ignore(void *app)
{
    (void)app;
}

static void
on_gone(void *app)
{
    struct upgraded *u = app;
    u->is_gone = true;
}

static void
upgrade(void *ctx, struct net_request *r)
{
    static const struct net_stream_ops ops = { .on_open = ignore, .on_input = ignore_input, .on_written = ignore,
                                               .on_gone = on_gone };
    struct upgraded                   *u = ctx;

    u->stream = net_upgrade(r, NULL, 0, &ops, u);
}

static void
serve_upgrade(void *ctx)
{
    struct upgraded *u = ctx;
    net_handle(u->net, "/up/", 0, upgrade, u);
}

static void
start_stream(struct loop **l, struct upgraded *u, struct client *c)
{
    static const char request[] = "GET /up/ HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: anything\r\n\r\n";
    char              head[1024];

    *l = start();
    *u = (struct upgraded){ .net = loop_net(*l) };
    loop_run(*l, serve_upgrade, u);
    shake_hands(c, *l, TLS1_3_VERSION, NULL);
    assert_int_equal(sizeof request - 1, SSL_write(c->ssl, request, sizeof request - 1));
    assert_true(read_some(c, head, sizeof head) > 0);
    assert_non_null(strstr(head, "101 "));
}

static void
close_stream(void *ctx)
{
    struct upgraded *u = ctx;
    net_stream_close(u->stream);
}

/* SSL_read gives one record at most. */
static void
the_slices_of_a_write_are_one_record(void **state)
{
    static char     text[] = "twenty slices, twenty";
    struct loop    *l;
    struct upgraded u;
    struct client   c;
    char            got[64];
    (void)state;

    start_stream(&l, &u, &c);
    u.text = text;
    loop_run(l, write_slices, &u);
    assert_int_equal(SLICES, read_some(&c, got, sizeof got));
    assert_memory_equal(text, got, SLICES);
    loop_run(l, close_stream, &u);
    assert_int_equal(0, read_some(&c, got, sizeof got));
    assert_int_equal(SSL_RECEIVED_SHUTDOWN, SSL_get_shutdown(c.ssl));
    leave(&c);
    loop_stop(&l);
}

static void
write_much(void *ctx)
{
    struct upgraded *u = ctx;
    const tb_str     halves[] = { { u->text, LONG / 2 }, { u->text + LONG / 2, LONG / 2 } };

    net_stream_write(u->stream, halves, 2);
}

static void
a_long_write_arrives_whole_in_several_records(void **state)
{
    struct loop    *l;
    struct upgraded u;
    struct client   c;
    char            got[16385];
    (void)state;

    start_stream(&l, &u, &c);
    u.text = tb_alloc(LONG);
    for (size_t i = 0; i < LONG; i++)
        u.text[i] = (char)(i % 251);
    loop_run(l, write_much, &u);
    for (size_t n = 0, more; n < LONG; n += more) {
        assert_true((more = read_some(&c, got, sizeof got)) > 0);
        assert_memory_equal(u.text + n, got, more);
    }
    loop_run(l, close_stream, &u);
    leave(&c);
    loop_stop(&l);
    tb_free(u.text);
}

static void
a_closed_stream_whose_peer_does_not_read_goes_all_the_same(void **state)
{
    struct loop    *l;
    struct upgraded u;
    struct client   c;
    (void)state;

    start_stream(&l, &u, &c);
    u.text = tb_alloc_zero(LONG);
    loop_run(l, write_much, &u);                    /* more than the kernels take */
    loop_run(l, close_stream, &u);
    loop_pass(l, 4000);
    leave(&c);
    loop_stop(&l);                                  /* with no connection left, or it would be cut and say so */
    tb_free(u.text);
}

static int
make_files(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    write_pair("first");
    write_pair("second");
    return 0;
}

static int
remove_files(void **state)
{
    char path[64];
    (void)state;

    path_of(path, "first"), unlink(path);
    path_of(path, "second"), unlink(path);
    return rmdir(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered_over_tls_and_over_none),
        cmocka_unit_test(a_ticket_is_good_until_its_key_has_been_replaced_twice),
        cmocka_unit_test(a_key_that_was_not_replaced_in_time_opens_nothing_any_more),
        cmocka_unit_test(a_ticket_of_another_server_opens_nothing),
        cmocka_unit_test(a_new_certificate_is_for_new_connections_and_those_in_a_handshake_keep_theirs),
        cmocka_unit_test(a_handshake_that_takes_too_long_is_cut),
        cmocka_unit_test(the_slices_of_a_write_are_one_record),
        cmocka_unit_test(a_long_write_arrives_whole_in_several_records),
        cmocka_unit_test(a_closed_stream_whose_peer_does_not_read_goes_all_the_same),
    };
    return tap_run_with(tests, make_files, remove_files);
}
