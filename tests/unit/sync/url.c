/* sync.url: what is understood, and what is told of what is not. */
#include "sync/url.h"
#include "tap.h"

static const struct {
    const char *name, *text;
    const char *user, *password, *host, *database, *ssl_ca;
    unsigned    port;
    int         ssl_mode;
} good[] = {
    { "the whole of it", "mysql://ann:secret@db.example:3307/chat?ssl-mode=REQUIRED", "ann", "secret", "db.example", "chat",
      NULL, 3307, SYNC_SSL_REQUIRED },
    { "no port", "mysql://ann:secret@db/chat", "ann", "secret", "db", "chat", NULL, 3306, SYNC_SSL_PREFERRED },
    { "no password", "mysql://ann@db/chat", "ann", "", "db", "chat", NULL, 3306, SYNC_SSL_PREFERRED },
    { "an empty password", "mysql://ann:@db/chat", "ann", "", "db", "chat", NULL, 3306, SYNC_SSL_PREFERRED },
    { "delimiters, encoded", "mysql://a%40b:%3A%2f%3F%40%25@db/c%2Fd", "a@b", ":/?@%", "db", "c/d", NULL, 3306,
      SYNC_SSL_PREFERRED },
    { "a colon and an at in the password", "mysql://ann:a:b@c@db/chat", "ann", "a:b@c", "db", "chat", NULL, 3306,
      SYNC_SSL_PREFERRED },
    { "an IPv6 address", "mysql://ann@[::1]:3308/chat", "ann", "", "::1", "chat", NULL, 3308, SYNC_SSL_PREFERRED },
    { "an IPv6 address without a port", "mysql://ann@[fe80::2]/chat", "ann", "", "fe80::2", "chat", NULL, 3306,
      SYNC_SSL_PREFERRED },
    { "certificates are verified when they are named", "mysql://ann@db/chat?ssl-ca=/etc/ca%20s.pem", "ann", "", "db", "chat",
      "/etc/ca s.pem", 3306, SYNC_SSL_VERIFY_IDENTITY },
    { "unless the mode says less", "mysql://ann@db/chat?ssl-ca=/ca.pem&ssl-mode=verify_ca", "ann", "", "db", "chat",
      "/ca.pem", 3306, SYNC_SSL_VERIFY_CA },
    { "no TLS", "mysql://ann@db/chat?ssl-mode=DISABLED", "ann", "", "db", "chat", NULL, 3306, SYNC_SSL_DISABLED },
    { "an empty query", "mysql://ann@db/chat?", "ann", "", "db", "chat", NULL, 3306, SYNC_SSL_PREFERRED },
    { "UTF-8", "mysql://%C3%A4nn:p%C3%A4ss@db/ch%C3%A4t", "\xC3\xA4nn", "p\xC3\xA4ss", "db", "ch\xC3\xA4t", NULL, 3306,
      SYNC_SSL_PREFERRED },
};

static const struct { const char *name, *text, *why; } bad[] = {
    { "nothing", "", "begin with mysql://" },
    { "another scheme", "postgres://ann@db/chat", "begin with mysql://" },
    { "no user", "mysql://db/chat", "user is missing" },
    { "an empty user", "mysql://:secret@db/chat", "user is missing" },
    { "a slash in the password", "mysql://ann:se/cret@db/chat", "user is missing" },
    { "no host", "mysql://ann:secret@/chat", "host is missing" },
    { "only a port", "mysql://ann@:3306/chat", "host is missing" },
    { "an open bracket", "mysql://ann@[::1/chat", "host is missing" },
    { "text after the bracket", "mysql://ann@[::1]x/chat", "host is missing" },
    { "no database", "mysql://ann@db", "database is missing" },
    { "an empty database", "mysql://ann@db/?ssl-mode=REQUIRED", "database is missing" },
    { "port 0", "mysql://ann@db:0/chat", "port must be" },
    { "port 65536", "mysql://ann@db:65536/chat", "port must be" },
    { "a port that is no number", "mysql://ann@db:x/chat", "port must be" },
    { "a cut escape", "mysql://ann@db/chat%4", "database: byte 4" },
    { "a bad escape", "mysql://ann:a%zz@db/chat", "password: byte 1" },
    { "a NUL", "mysql://an%00n@db/chat", "user: byte 2" },
    { "a compression that is neither yes nor no", "mysql://ann@db/chat?compress=zstd", "compress must be yes or no" },
    { "compression twice", "mysql://ann@db/chat?compress=no&compress=yes", "option 'compress'" },
    { "an unknown mode", "mysql://ann@db/chat?ssl-mode=MAYBE", "ssl-mode must be" },
    { "an unknown option", "mysql://ann@db/chat?connection_limit=5", "option 'connection_limit'" },
    { "a key where there is TLS", "mysql://ann@db/chat?public-key=/k.pem", "public-key is for ssl-mode=DISABLED" },
    { "an option twice", "mysql://ann@db/chat?ssl-mode=REQUIRED&ssl-mode=DISABLED", "option 'ssl-mode'" },
    { "a name that is too long", "mysql://ann@db/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "at most 64 characters" },
    { "a name that is no UTF-8", "mysql://ann@db/%FF", "not UTF-8" },
};

static void
urls_are_cut_and_decoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct sync_url u;
        struct tb_err   e = { 0 };
        if (sync_url_parse(tb_str_of(good[i].text), &u, &e) != TB_OK)
            fail_msg("%s: %s", good[i].name, e.why);
        assert_string_equal(good[i].user, u.user);
        assert_string_equal(good[i].password, u.password);
        assert_string_equal(good[i].host, u.host);
        assert_string_equal(good[i].database, u.database);
        assert_int_equal(good[i].port, u.port);
        assert_int_equal(good[i].ssl_mode, u.ssl_mode);
        if (good[i].ssl_ca == NULL)
            assert_null(u.ssl_ca);
        else
            assert_string_equal(good[i].ssl_ca, u.ssl_ca);
        sync_url_fini(&u);
    }
}

static void
compression_is_asked_for_and_never_taken_for_granted(void **state)
{
    static const struct { const char *text; bool is_compressed; } rows[] = {
        { "mysql://ann@db/chat", false },
        { "mysql://ann@db/chat?compress=no", false },
        { "mysql://ann@db/chat?compress=yes", true },
        { "mysql://ann@db/chat?ssl-mode=REQUIRED&compress=yes", true },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sync_url u;
        struct tb_err   e = { 0 };
        assert_int_equal(TB_OK, sync_url_parse(tb_str_of(rows[i].text), &u, &e));
        assert_int_equal(rows[i].is_compressed, u.is_compressed);
        sync_url_fini(&u);
    }
}

static void
a_failure_names_the_part_and_never_the_password(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct sync_url u;
        struct tb_err   e = { 0 };
        if (sync_url_parse(tb_str_of(bad[i].text), &u, &e) != TB_EINPUT || strstr(e.why, bad[i].why) == NULL)
            fail_msg("%s: %s", bad[i].name, e.why);
        assert_null(strstr(e.why, "secret"));
        assert_null(strstr(e.why, "cret"));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_cut_and_decoded),
        cmocka_unit_test(compression_is_asked_for_and_never_taken_for_granted),
        cmocka_unit_test(a_failure_names_the_part_and_never_the_password),
    };
    return tap_run(tests);
}
