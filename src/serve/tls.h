#pragma once
/* The server's certificate, at start and when it is read again: loaded by what the settings say, and spoken of in the log.
 * Threads: main. */
#include "base/clock.h"
#include "config/config.h"
#include "net/tls.h"

/* TB_OK and *out NULL: the settings name none. */
enum tb_code serve_load_certificate(struct net_certificate **out, const struct tb_config *c,
                                    const struct tb_clock *clock, struct tb_err *e) TB_MUST_CHECK;

const char *serve_tls_host(const struct tb_config *c);      /* where the listener with TLS is */
