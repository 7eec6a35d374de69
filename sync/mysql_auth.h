#pragma once
/* What leaves before the transport stands that ssl-mode promises: nothing. MariaDB's connector takes MYSQL_OPT_SSL_ENFORCE for a
 * wish and logs in without TLS at a server that offers none; and it answers whatever plugin the server asks for, also those that
 * send the password as it is. So the login begins with a plugin of ours, which ends it where TLS was asked for and is not
 * offered, and without a verified server only plugins are allowed that prove the password without sending it.
 * Threads: any, before mysql_real_connect. */
#include "url.h"

#include <mysql.h>

/* Options for a connection that was not made yet. */
void auth_prepare(MYSQL *sql, const struct sync_url *url);

/* Whether the password may be sent to whom we reach: over TLS with a verified certificate. */
bool auth_is_verified(const struct sync_url *url);

/* Whether the centre is on this machine, so that nobody on a wire can answer in its place. */
bool auth_is_here(const struct sync_url *url);

/* Text behind a failed connect that says what to set; NULL: nothing in particular. */
const char *auth_hint(MYSQL *sql, const struct sync_url *url);
