/* scheme "mysql://" user [":" password] "@" host [":" port] "/" database ["?" name "=" value *("&" name "=" value)]
 * Parts are cut first and decoded afterwards, so an encoded delimiter never cuts. */
#include "url.h"

#include "base/scan.h"

#define MAX_PORT 65535
#define MAX_DATABASE_CHARS 64       /* of both servers; the schema lock's name is made from it */

static const char *const ssl_mode_names[SYNC_SSL_MODE_COUNT] = {
#define X(name, text) [name] = text,
    SYNC_SSL_MODES(X)
#undef X
};

struct parts {                      /* still encoded, borrowed */
    tb_str user, password, host, port, database, query;
};

static enum tb_code
refuse(struct tb_err *e, const char *part)
{
    return tb_fail(e, TB_EINPUT, NULL, "sync.url: %s; it should read mysql://user:password@host:port/database", part);
}

/* What stands before the last c; *after is the rest, or all of s when there is no c. */
static tb_str
before_last(tb_str s, char c, tb_str *after)
{
    for (size_t i = s.n; i > 0; i--) {
        if (s.p[i - 1] == c) {
            *after = (tb_str){ .p = s.p + i, .n = s.n - i };
            return (tb_str){ .p = s.p, .n = i - 1 };
        }
    }
    *after = s;
    return TB_STR_NULL;
}

/* host may be an IPv6 address in brackets, whose colons are its own */
static void
cut_host(tb_str host_port, struct parts *p)
{
    struct tb_scan s = tb_scan_of(host_port);
    tb_str         after;

    if (tb_scan_take(&s, '[')) {
        if (before_last(host_port, ']', &after).n == 0)
            tb_scan_fail(&s, "the bracket stays open");
        p->host = tb_scan_until(&s, ']');
        if (!tb_scan_at_end(&s))
            tb_scan_expect(&s, ':');
    } else {
        p->host = tb_scan_until(&s, ':');
    }
    p->port = tb_scan_rest(&s);
    if (s.failed != NULL)
        p->host = TB_STR_NULL;
}

static enum tb_code
cut(tb_str text, struct parts *p, struct tb_err *e)
{
    static const tb_str scheme = { .p = "mysql://", .n = 8 };
    tb_str              host_port;

    if (!tb_str_starts(text, scheme))
        return refuse(e, "it does not begin with mysql://");
    struct tb_scan s = tb_scan_of((tb_str){ .p = text.p + scheme.n, .n = text.n - scheme.n });
    tb_str         authority = tb_scan_until(&s, '/');
    p->database = tb_scan_until(&s, '?');
    p->query = tb_scan_rest(&s);

    struct tb_scan u = tb_scan_of(before_last(authority, '@', &host_port));
    p->user = tb_scan_until(&u, ':');
    p->password = tb_scan_rest(&u);
    cut_host(host_port, p);
    if (p->user.n == 0)
        return refuse(e, "the user is missing (write @ : / ? in user or password as %40 %3A %2F %3F)");
    if (p->host.n == 0)
        return refuse(e, "the host is missing");
    if (p->database.n == 0)
        return refuse(e, "the database is missing");
    return TB_OK;
}

/* *out: heap text. A NUL would cut it short unseen, so it is refused. */
static enum tb_code
decode(tb_str s, const char *part, char **out, struct tb_err *e)
{
    struct tb_buf b = TB_BUF_INIT;
    size_t        n;

    for (size_t i = 0; i < s.n; i++) {
        int high = s.p[i] == '%' && i + 2 < s.n ? tb_hex_of(s.p[i + 1]) : -1;
        int low = high >= 0 ? tb_hex_of(s.p[i + 2]) : -1;
        char c = low >= 0 ? (char)(high << 4 | low) : s.p[i];
        if ((s.p[i] == '%' && low < 0) || c == '\0') {
            tb_buf_fini(&b);
            return tb_fail(e, TB_EINPUT, NULL, "sync.url: %s: byte %zu: %% must be followed by two hex digits, not 00",
                           part, i);
        }
        tb_buf_add_char(&b, c);
        i += s.p[i] == '%' ? 2 : 0;
    }
    *out = tb_buf_take(&b, &n);
    return TB_OK;
}

static enum tb_code
read_ssl_mode(tb_str value, struct sync_url *u, struct tb_err *e)
{
    for (int i = 0; i < SYNC_SSL_MODE_COUNT; i++) {
        if (tb_str_eq_nocase(value, tb_str_of(ssl_mode_names[i]))) {
            u->ssl_mode = (enum sync_ssl_mode)i;
            return TB_OK;
        }
    }
    return tb_fail(e, TB_EINPUT, NULL,
                   "sync.url: ssl-mode must be DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY");
}

static enum tb_code
read_options(tb_str query, struct sync_url *u, struct tb_err *e)
{
    struct tb_scan s = tb_scan_of(query);
    bool           has_mode = false, has_compress = false;

    while (!tb_scan_at_end(&s)) {
        struct tb_scan pair = tb_scan_of(tb_scan_until(&s, '&'));
        tb_str         name = tb_scan_until(&pair, '='), value = tb_scan_rest(&pair);
        if (tb_str_eq(name, TB_LIT("ssl-mode")) && !has_mode) {
            has_mode = true;
            if (read_ssl_mode(value, u, e) != TB_OK)
                return e->code;
        } else if (tb_str_eq(name, TB_LIT("ssl-ca")) && u->ssl_ca == NULL && value.n > 0) {
            if (decode(value, "ssl-ca", &u->ssl_ca, e) != TB_OK)
                return e->code;
        } else if (tb_str_eq(name, TB_LIT("public-key")) && u->public_key == NULL && value.n > 0) {
            if (decode(value, "public-key", &u->public_key, e) != TB_OK)
                return e->code;
        } else if (tb_str_eq(name, TB_LIT("compress")) && !has_compress) {
            has_compress = true;
            u->is_compressed = tb_str_eq(value, TB_LIT("yes"));
            if (!u->is_compressed && !tb_str_eq(value, TB_LIT("no")))
                return tb_fail(e, TB_EINPUT, NULL, "sync.url: compress must be yes or no");
        } else {
            return tb_fail(e, TB_EINPUT, NULL,
                           "sync.url: option '" TB_STR_FMT "': known are ssl-mode, ssl-ca, public-key and compress, each once",
                           TB_STR_ARG(name));
        }
    }
    if (u->ssl_ca != NULL && !has_mode)
        u->ssl_mode = SYNC_SSL_VERIFY_IDENTITY;
    if (u->public_key != NULL && u->ssl_mode != SYNC_SSL_DISABLED)
        return tb_fail(e, TB_EINPUT, NULL, "sync.url: public-key is for ssl-mode=DISABLED; TLS needs none");
    return TB_OK;
}

static enum tb_code
read_port(tb_str text, unsigned *out, struct tb_err *e)
{
    uint64_t port = SYNC_DEFAULT_PORT;

    if (text.n > 0 && (!tb_str_to_uint(text, MAX_PORT, &port) || port == 0))
        return refuse(e, "the port must be a number from 1 to 65535");
    *out = (unsigned)port;
    return TB_OK;
}

enum tb_code
sync_url_parse(tb_str text, struct sync_url *out, struct tb_err *e)
{
    struct sync_url u = { .ssl_mode = SYNC_SSL_PREFERRED };
    struct parts    p = { 0 };

    if (cut(text, &p, e) != TB_OK)
        return e->code;
    if (read_port(p.port, &u.port, e) != TB_OK || decode(p.user, "user", &u.user, e) != TB_OK ||
        decode(p.password, "password", &u.password, e) != TB_OK || decode(p.host, "host", &u.host, e) != TB_OK ||
        decode(p.database, "database", &u.database, e) != TB_OK || read_options(p.query, &u, e) != TB_OK)
        goto out;
    if (!tb_str_is_utf8(tb_str_of(u.database)) || tb_str_utf8_length(tb_str_of(u.database)) > MAX_DATABASE_CHARS) {
        refuse(e, "the database's name is not UTF-8 of at most 64 characters");
        goto out;
    }
    *out = u;
    return TB_OK;
out:
    sync_url_fini(&u);
    return e->code;
}

void
sync_url_fini(struct sync_url *u)
{
    tb_free(u->user);
    tb_free(u->password);
    tb_free(u->host);
    tb_free(u->database);
    tb_free(u->ssl_ca);
    tb_free(u->public_key);
    *u = (struct sync_url){ 0 };
}
