/* tombolo cert: makes a certificate for a network without any authority, or says what the one in use is. */
#include "cli.h"

#include "base/clock.h"
#include "base/json.h"
#include "net/tls.h"
#include "self_signed.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

enum { DAYS_MAX = 36500 };

struct paths {
    struct tb_buf cert, key;
};

/* Those of the settings; without them two in the data folder. */
static struct paths
paths_of(const struct tb_config *c)
{
    struct paths p = { TB_BUF_INIT, TB_BUF_INIT };
    bool         is_set = c->tls.cert[0] != '\0';

    if (is_set) {
        tb_buf_printf(&p.cert, "%s", c->tls.cert);
        tb_buf_printf(&p.key, "%s", c->tls.key[0] != '\0' ? c->tls.key : c->tls.cert);
    } else {
        tb_buf_printf(&p.cert, "%s/tls.crt", c->server.data);
        tb_buf_printf(&p.key, "%s/tls.key", c->server.data);
    }
    return p;
}

static enum exit_code
say_failed(const struct tb_err *e)
{
    fprintf(stderr, "tombolo: %s\n", e->why);
    return e->code == TB_EINPUT ? MISUSED : FAILED;
}

/* ---- showing ---- */

static void
write_json(struct tb_buf *out, const struct paths *p, const struct certificate_facts *f)
{
    struct tb_json j = tb_json_to(out);
    tb_str         left = tb_buf_str(&f->names);

    tb_json_open_object(&j);
    tb_json_key(&j, "cert"), tb_json_str(&j, tb_buf_str(&p->cert));
    tb_json_key(&j, "key"), tb_json_str(&j, tb_buf_str(&p->key));
    tb_json_key(&j, "sha256"), tb_json_str(&j, tb_str_of(f->sha256));
    tb_json_key(&j, "endsAt"), tb_json_time(&j, f->ends_ms);
    tb_json_key(&j, "names"), tb_json_open_array(&j);
    for (const char *blank; left.n > 0 && (blank = memchr(left.p, ' ', left.n)) != NULL;) {
        size_t n = (size_t)(blank - left.p);
        tb_json_str(&j, (tb_str){ left.p, n });
        left = (tb_str){ left.p + n + 1, left.n - n - 1 };
    }
    tb_json_end_array(&j);
    tb_json_end_object(&j);
    tb_json_fini(&j);
    tb_buf_add_char(out, '\n');
}

static void
write_text(struct tb_buf *out, const struct paths *p, const struct certificate_facts *f)
{
    char ends[TB_ISO_SIZE];

    tb_time_iso(f->ends_ms, ends);
    tb_buf_printf(out, "certificate  %s\nkey          %s\nnames        %s\nends         %s\nSHA-256      %s\n", p->cert.p, p->key.p,
                  f->names.n > 0 ? f->names.p : "none", ends, f->sha256);
}

static const char how_to_trust[] =
    "\n"
    "The server uses it with these settings, after a restart:\n"
    "    [tls]\n"
    "    cert = %s\n"
    "    key = %s\n"
    "\n"
    "Nobody vouches for it, so clients must be told to trust it. Give them the certificate (never the key) by a way that you\n"
    "trust, or compare the fingerprint above with what they are shown:\n"
    "    browsers   open https://NAME:PORT/, look at the certificate's SHA-256 fingerprint, and accept it if it is the same\n"
    "    Node.js    io(url, { ca: readFileSync('tls.crt') }), or NODE_EXTRA_CA_CERTS=tls.crt\n"
    "    curl       curl --cacert tls.crt https://NAME:PORT/\n"
    "    Debian     cp tls.crt /usr/local/share/ca-certificates/tombolo.crt && update-ca-certificates\n";

static enum exit_code
show(const struct options *o, const struct paths *p, bool is_new)
{
    struct certificate_facts facts;
    struct tb_buf            out = TB_BUF_INIT;
    struct tb_err            e = { 0 };

    if (certificate_read(&facts, p->cert.p, &e) != TB_OK)
        return say_failed(&e);
    if (o->as_json)
        write_json(&out, p, &facts);
    else
        write_text(&out, p, &facts);
    if (is_new && !o->as_json)
        tb_buf_printf(&out, how_to_trust, p->cert.p, p->key.p);
    tb_buf_fini(&facts.names);
    cli_print(&out);
    return FINE;
}

/* Also says whether the server could use it. */
static enum exit_code
show_used(const struct options *o, const struct tb_config *c, const struct paths *p)
{
    const struct net_certificate_files files = { .cert = p->cert.p, .key = p->key.p };
    struct net_certificate            *loaded = NULL;
    struct tb_err                      e = { 0 };

    if (o->n_operands > 0 || o->days != NULL) {
        fprintf(stderr, "tombolo: cert takes names and --days only with --self-signed\n");
        return MISUSED;
    }
    if (net_certificate_load(&loaded, &files, &e) != TB_OK) {
        fprintf(stderr, "tombolo: %s\n%s", e.why, c->tls.cert[0] == '\0' ? "tombolo cert --self-signed NAME... makes a pair\n" : "");
        return FAILED;
    }
    net_certificate_free(&loaded);
    return show(o, p, false);
}

/* ---- making ---- */

static enum exit_code
make(const struct options *o, const struct tb_config *c, const struct paths *p)
{
    struct tb_err e = { 0 };
    uint64_t      days = SELF_SIGNED_DAYS;

    if (o->days != NULL && (!tb_str_to_uint(tb_str_of(o->days), DAYS_MAX, &days) || days == 0)) {
        fprintf(stderr, "tombolo: --days takes a number from 1 to %d\n", DAYS_MAX);
        return MISUSED;
    }
    if (c->tls.cert[0] == '\0' && mkdir(c->server.data, 0700) != 0 && errno != EEXIST) {
        fprintf(stderr, "tombolo: %s: %s\n", c->server.data, strerror(errno));
        return FAILED;
    }
    if (tb_str_eq(tb_buf_str(&p->cert), tb_buf_str(&p->key))) {
        fprintf(stderr, "tombolo: tls.key must be set: the key gets a file of its own, which nobody else can read\n");
        return MISUSED;
    }
    if (self_signed_make(p->cert.p, p->key.p, o->operands, o->n_operands, (unsigned)days, &e) != TB_OK)
        return say_failed(&e);
    return show(o, p, true);
}

enum exit_code
cli_cert(const struct options *o)
{
    struct tb_config c;

    if (!cli_load(o, &c))
        return MISUSED;
    struct paths   p = paths_of(&c);
    enum exit_code code = o->is_self_signed ? make(o, &c, &p) : show_used(o, &c, &p);
    tb_buf_fini(&p.cert);
    tb_buf_fini(&p.key);
    tb_config_fini(&c);
    return code;
}
