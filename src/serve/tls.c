/* Bodies of tls.h. */
#include "tls.h"

#include "base/log.h"

enum { DAY_MS = 86400 * 1000, WARN_DAYS = 14 };

const char *
serve_tls_host(const struct tb_config *c)
{
    return c->tls.host[0] != '\0' ? c->tls.host : c->server.host;
}

/* An end that has come or is near is no reason not to serve: clients judge for themselves. */
static void
speak_of(const struct net_certificate *c, const struct tb_config *config, const struct tb_clock *clock)
{
    char sha256[NET_FINGERPRINT_SIZE], ends[TB_ISO_SIZE];
    int64_t ends_ms = net_certificate_ends_at(c) * 1000, left_ms = ends_ms - tb_wall_ms(clock);

    net_certificate_fingerprint(c, sha256);
    tb_time_iso(ends_ms, ends);
    log_info("serve.certificate", "file=\"%s\" ends=%s sha256=%s", config->tls.cert, ends, sha256);
    if (left_ms <= 0)
        log_error("serve.certificate_ended", "file=\"%s\" ends=%s", config->tls.cert, ends);
    else if (left_ms < (int64_t)WARN_DAYS * DAY_MS)
        log_warn("serve.certificate_ends_soon", "file=\"%s\" ends=%s", config->tls.cert, ends);
}

enum tb_code
serve_load_certificate(struct net_certificate **out, const struct tb_config *c, const struct tb_clock *clock,
                       struct tb_err *e)
{
    const struct net_certificate_files files = { .cert = c->tls.cert,
                                                 .key = c->tls.key,
                                                 .only_tls_13 = c->tls.min_version == TB_TLS_1_3 };

    *out = NULL;
    if (c->tls.cert[0] == '\0')
        return TB_OK;
    enum tb_code code = net_certificate_load(out, &files, e);
    if (code == TB_OK)
        speak_of(*out, c, clock);
    return code;
}
