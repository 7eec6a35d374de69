/* Bodies of mysql_auth.h. */
#include "mysql_auth.h"

#include <errmsg.h>
#include <stdarg.h>
#include <string.h>
#ifdef MARIADB_BASE_VERSION
#include <mysql/plugin_auth.h>
#endif

#define GATE "tombolo_gate"

/* They prove the password by a hash or a signature over a challenge. caching_sha2_password is one of them only with the server's
 * own public key: its full exchange sends the password, as it is or under a key that whoever answers may have made. */
#define PROVING "mysql_native_password client_ed25519 " GATE
#define BY_KEY  PROVING " caching_sha2_password"

enum { NOT_ALLOWED = 5010, PLUGIN_CANNOT_LOAD = 2059 };     /* of the connector: a plugin that restricted_auth does not name */

bool
auth_is_verified(const struct sync_url *url)
{
    return url->ssl_mode >= SYNC_SSL_VERIFY_CA;
}

bool
auth_is_here(const struct sync_url *url)
{
    tb_str host = tb_str_of(url->host);

    return tb_str_eq_nocase(host, TB_LIT("localhost")) || tb_str_starts(host, TB_LIT("127.")) || tb_str_eq(host, TB_LIT("::1"));
}

#ifdef MARIADB_BASE_VERSION

/* Sends the user's name and no answer to any challenge: the server then names the plugin that it wants. Over TLS, since the
 * connector begins TLS with the first packet that a plugin writes. */
static int
pass_gate(MYSQL_PLUGIN_VIO *vio, MYSQL *sql)
{
    if ((sql->server_capabilities & CLIENT_SSL) == 0)
        return CR_ERROR;        /* none with a text of its own: the connector would look for that text's arguments */
    return vio->write_packet(vio, (const unsigned char *)"", 0) ? CR_ERROR : CR_OK;
}

/* As mysql/client_plugin.h has it, which Debian ships without a header that it includes. */
struct st_mysql_client_plugin_AUTHENTICATION {
    MYSQL_CLIENT_PLUGIN_HEADER
    int (*authenticate_user)(MYSQL_PLUGIN_VIO *vio, MYSQL *sql);
};
enum { AUTHENTICATION_PLUGIN = 2, AUTHENTICATION_PLUGIN_VERSION = 0x0100 };

static struct st_mysql_client_plugin_AUTHENTICATION gate = {
    .type = AUTHENTICATION_PLUGIN,
    .interface_version = AUTHENTICATION_PLUGIN_VERSION,
    .name = GATE,
    .author = "tombolo",
    .desc = "ends a login without the TLS that was asked for",
    .version = { 1, 0, 0 },
    .license = "MIT",
    .authenticate_user = pass_gate,
};

/* VERIFY_CA without a file of certificates has only the name to go by. */
static void
ask_for_tls(MYSQL *sql, const struct sync_url *url)
{
    bool    has_own_ca = url->ssl_ca != NULL;
    my_bool wanted = url->ssl_mode != SYNC_SSL_DISABLED;
    my_bool verified = url->ssl_mode == SYNC_SSL_VERIFY_IDENTITY || (url->ssl_mode == SYNC_SSL_VERIFY_CA && !has_own_ca);

    mysql_options(sql, MYSQL_OPT_SSL_ENFORCE, &wanted);
    mysql_options(sql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verified);
}

void
auth_prepare(MYSQL *sql, const struct sync_url *url)
{
    if (url->ssl_ca != NULL)
        mysql_options(sql, MYSQL_OPT_SSL_CA, url->ssl_ca);
    ask_for_tls(sql, url);
    if (url->ssl_mode >= SYNC_SSL_REQUIRED) {
        (void)mysql_client_register_plugin(sql, (struct st_mysql_client_plugin *)&gate);   /* again: it stays as it is */
        mysql_options(sql, MYSQL_DEFAULT_AUTH, GATE);
    }
    if (!auth_is_verified(url))
        mysql_options(sql, MARIADB_OPT_RESTRICTED_AUTH, url->public_key != NULL ? BY_KEY : PROVING);
    if (url->public_key != NULL)
        mysql_options(sql, MYSQL_SERVER_PUBLIC_KEY, url->public_key);
}

#else       /* Oracle's library keeps what SSL_MODE_REQUIRED says, and sends no password in clear text unless told to */

void
auth_prepare(MYSQL *sql, const struct sync_url *url)
{
    static const unsigned modes[SYNC_SSL_MODE_COUNT] = {
        [SYNC_SSL_DISABLED] = SSL_MODE_DISABLED,   [SYNC_SSL_PREFERRED] = SSL_MODE_PREFERRED,
        [SYNC_SSL_REQUIRED] = SSL_MODE_REQUIRED,   [SYNC_SSL_VERIFY_CA] = SSL_MODE_VERIFY_CA,
        [SYNC_SSL_VERIFY_IDENTITY] = SSL_MODE_VERIFY_IDENTITY,
    };

    if (url->ssl_ca != NULL)
        mysql_options(sql, MYSQL_OPT_SSL_CA, url->ssl_ca);
    mysql_options(sql, MYSQL_OPT_SSL_MODE, &modes[url->ssl_mode]);
    if (url->public_key != NULL)
        mysql_options(sql, MYSQL_SERVER_PUBLIC_KEY, url->public_key);
}

#endif

const char *
auth_hint(MYSQL *sql, const struct sync_url *url)
{
    unsigned code = mysql_errno(sql);

    if (code == CR_UNKNOWN_ERROR && url->ssl_mode >= SYNC_SSL_REQUIRED)         /* the gate's */
        return "ssl-mode asks for TLS, but the server has none";
    if (!auth_is_verified(url) && (code == NOT_ALLOWED || code == PLUGIN_CANNOT_LOAD))
        return "the server wants to be sent the password, which needs a verified one: ssl-ca=FILE with"
               " ssl-mode=VERIFY_CA or VERIFY_IDENTITY, or, without TLS, its public-key=FILE";
    return NULL;
}
