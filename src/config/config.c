/* Settings: filled from defaults, file, environment and flags by way of the table, and shown.
 * Always: a tb_config that was filled holds a checked value and an origin for every row. */
#include "config.h"

#include "base/address.h"
#include "base/json.h"
#include "base/log.h"
#include "table.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_FILE = 1 << 20,         /* bytes of a configuration file: a wrong path should not be read for long */
};

#define ENV_CONFIG "TOMBOLO_CONFIG"
#define ENV_TEST   "TOMBOLO_TEST_"
#define MASK       "********"

/* ---- one value ---- */

/* origin: "tombolo.conf:3", "PORT", "--port". */
static enum tb_code
set(struct tb_config *c, int which, tb_str v, const char *origin, struct tb_err *e)
{
    const struct config_setting *s = &config_table[which];
    bool                         is_hidden = s->is_secret || s->is_url;

    if (config_set_value(c, s, v)) {
        tb_free(c->origins[which]);
        c->origins[which] = tb_str_to_c(tb_str_of(origin));
        return TB_OK;
    }
    struct tb_buf allowed = TB_BUF_INIT;
    config_write_allowed(s, &allowed);
    tb_str shown = is_hidden ? TB_LIT("that") : (tb_str){ .p = v.p, .n = v.n < 40 ? v.n : 40 };
    enum tb_code code = tb_fail(e, TB_EINPUT, NULL, "%s: %s.%s cannot be '" TB_STR_FMT "', only %s", origin, s->section,
                                s->key, TB_STR_ARG(shown), allowed.p);
    tb_buf_fini(&allowed);
    return code;
}

static enum tb_code
fail_unknown_key(struct tb_err *e, const char *origin, tb_str key)
{
    char near[CONFIG_MAX_NAME];

    config_write_nearest(key, config_write_key, near);
    key.n = key.n < 40 ? key.n : 40;
    return tb_fail(e, TB_EINPUT, NULL, "%s: there is no setting " TB_STR_FMT ", nearest is %s", origin, TB_STR_ARG(key), near);
}

/* ---- the file ---- */

struct source {
    struct tb_config *c;
    const char       *name;             /* shown */
    tb_str            left;             /* of the text */
    int               line;
    int               set_in[CONFIG_SETTINGS_MOST];   /* line that set it, or 0 */
    struct tb_err    *e;
    enum tb_code      code;
};

static void
write_place(const struct source *src, char out[CONFIG_MAX_NAME + 32])
{
    /* Of a long path the end tells more than the beginning. */
    size_t n = strlen(src->name), skip = n > CONFIG_MAX_NAME ? n - CONFIG_MAX_NAME : 0;

    snprintf(out, CONFIG_MAX_NAME + 32, "%s%s:%d", skip > 0 ? "..." : "", src->name + skip, src->line);
}

static enum tb_code
set_from_file(struct source *src, tb_str key, tb_str value)
{
    char place[CONFIG_MAX_NAME + 32];
    int  which = config_find(key);

    write_place(src, place);
    if (which == CONFIG_NOT_FOUND)
        return fail_unknown_key(src->e, place, key);
    if (src->set_in[which] != 0)
        return tb_fail(src->e, TB_EINPUT, NULL, "%s: " TB_STR_FMT " is already set in line %d", place, TB_STR_ARG(key),
                       src->set_in[which]);
    src->set_in[which] = src->line;
    return set(src->c, which, value, place, src->e);
}

/* inih's callback for "key = value". */
static int
on_pair(void *ctx, const char *section, const char *name, const char *value)
{
    struct source *src = ctx;
    struct tb_buf  key = TB_BUF_INIT;

    if (src->code != TB_OK)
        return 0;
    tb_buf_printf(&key, "%s%s%s", section, section[0] != '\0' ? "." : "", name);
    src->code = set_from_file(src, tb_buf_str(&key), tb_str_of(value));
    tb_buf_fini(&key);
    return src->code == TB_OK;
}

/* inih's way to read, as fgets: one line, which is also how we know its number. */
static char *
next_line(char *out, int size, void *ctx)
{
    struct source *src = ctx;
    const char    *end = src->left.n > 0 ? memchr(src->left.p, '\n', src->left.n) : NULL;
    size_t         n = end != NULL ? (size_t)(end - src->left.p) : src->left.n, skip = n + (end != NULL);
    char           place[CONFIG_MAX_NAME + 32];

    if (src->left.n == 0 || src->code != TB_OK)
        return NULL;
    src->line++;
    if (n + 2 > (size_t)size || n >= CONFIG_MAX_LINE) {
        write_place(src, place);
        src->code = tb_fail(src->e, TB_EINPUT, NULL, "%s: a line has at most %d bytes", place, CONFIG_MAX_LINE - 1);
        return NULL;
    }
    memcpy(out, src->left.p, n);
    out[n] = '\0';
    src->left = (tb_str){ .p = src->left.p + skip, .n = src->left.n - skip };
    return out;
}

/* inih's own settings are global: the whole value counts, a line is a line. */
static void
set_up_inih(void)
{
    ini_use_stack = false;
    ini_max_line = CONFIG_MAX_LINE + 3;
    ini_initial_alloc = CONFIG_MAX_LINE + 3;
    ini_allow_multiline = false;
    ini_allow_inline_comments = false;
    ini_stop_on_first_error = true;
}

static enum tb_code
read_text(struct tb_config *c, const char *name, tb_str text, struct tb_err *e)
{
    struct source src = { .c = c, .name = name, .left = text, .e = e };
    char          place[CONFIG_MAX_NAME + 32];

    set_up_inih();
    if (text.n > 0 && memchr(text.p, '\0', text.n) != NULL)
        return tb_fail(e, TB_EINPUT, NULL, "%s: this is no text file", name);
    int bad_line = ini_parse_stream(next_line, &src, on_pair, &src);
    if (src.code == TB_OK && bad_line != 0) {
        write_place(&src, place);
        return tb_fail(e, TB_EINPUT, NULL, "%s: neither [section] nor key = value", place);
    }
    return src.code;
}

static enum tb_code
read_file(struct tb_config *c, const char *path, struct tb_err *e)
{
    FILE        *f = fopen(path, "re");
    char        *text = f != NULL ? tb_alloc(MAX_FILE + 1) : NULL;
    size_t       n = f != NULL ? fread(text, 1, MAX_FILE + 1, f) : 0;
    enum tb_code code;

    if (f == NULL || ferror(f))
        code = tb_fail(e, TB_EINPUT, NULL, "configuration file %s: %s", path, strerror(errno));
    else if (n > MAX_FILE)
        code = tb_fail(e, TB_EINPUT, NULL, "configuration file %s: over %d bytes", path, MAX_FILE);
    else
        code = read_text(c, path, (tb_str){ .p = text, .n = n }, e);
    if (f != NULL)
        fclose(f);
    tb_free(text);
    return code;
}

/* ---- environment and flags ---- */

/* Kubernetes gives each container variables of the services around it: of one named tombolo, TOMBOLO_SERVICE_HOST,
 * TOMBOLO_SERVICE_PORT, TOMBOLO_PORT=tcp://..., TOMBOLO_PORT_5000_TCP_ADDR. A service named tombolo-server even takes the name
 * of a setting, but no port reads like its value. */
static bool
is_service_link(tb_str name, const char *value)
{
    static const tb_str endings[] = { { .p = "_SERVICE_HOST", .n = 13 }, { .p = "_SERVICE_PORT", .n = 13 } };
    const char         *port = memmem(name.p, name.n, "_PORT_", strlen("_PORT_"));
    bool                is_numbered = port != NULL && isdigit((unsigned char)port[strlen("_PORT_")]);

    if (!tb_str_starts(name, TB_LIT(CONFIG_ENV_PREFIX)))
        return false;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (name.n > endings[i].n && memcmp(name.p + name.n - endings[i].n, endings[i].p, endings[i].n) == 0)
            return true;
    return is_numbered || memmem(name.p, name.n, "_SERVICE_PORT_", strlen("_SERVICE_PORT_")) != NULL ||
           strncmp(value, "tcp://", 6) == 0 || strncmp(value, "udp://", 6) == 0 || strncmp(value, "sctp://", 7) == 0;
}

static enum tb_code
set_from_env(struct tb_config *c, int which, const char *name, struct tb_err *e)
{
    const char *value = getenv(name);

    if (value != NULL && is_service_link(tb_str_of(name), value))
        return TB_OK;
    return value == NULL || value[0] == '\0' ? TB_OK : set(c, which, tb_str_of(value), name, e);
}

static bool
is_known_env(tb_str name)
{
    char known[CONFIG_MAX_NAME];

    if (tb_str_eq(name, TB_LIT(ENV_CONFIG)) || tb_str_starts(name, TB_LIT(ENV_TEST)))
        return true;
    for (int i = 0; i < config_settings; i++) {
        config_write_env(&config_table[i], known);
        if (tb_str_eq(name, tb_str_of(known)) || (config_table[i].env != NULL && tb_str_eq(name, tb_str_of(config_table[i].env))))
            return true;
    }
    return false;
}

static enum tb_code
refuse_unknown_env(struct tb_err *e)
{
    char near[CONFIG_MAX_NAME];

    for (char **v = environ; v != NULL && *v != NULL; v++) {
        tb_str name = { .p = *v, .n = strcspn(*v, "=") };
        if (!tb_str_starts(name, TB_LIT(CONFIG_ENV_PREFIX)))
            continue;
        if (is_service_link(name, *v + name.n + 1)) {
            log_warn("config.service_link", "name=" TB_STR_FMT " why=\"passed over: it tells of a service in Kubernetes\"",
                     TB_STR_ARG(name));
            continue;
        }
        if (is_known_env(name))
            continue;
        config_write_nearest(name, config_write_env, near);
        name.n = name.n < 60 ? name.n : 60;
        return tb_fail(e, TB_EINPUT, NULL, "environment: there is no " TB_STR_FMT ", nearest is %s", TB_STR_ARG(name), near);
    }
    return TB_OK;
}

static enum tb_code
read_env(struct tb_config *c, struct tb_err *e)
{
    char long_name[CONFIG_MAX_NAME];

    for (int i = 0; i < config_settings; i++) {
        config_write_env(&config_table[i], long_name);
        if (config_table[i].env != NULL && set_from_env(c, i, config_table[i].env, e) != TB_OK)
            return e->code;
        if (set_from_env(c, i, long_name, e) != TB_OK)
            return e->code;
    }
    return refuse_unknown_env(e);
}

static enum tb_code
read_flags(struct tb_config *c, const struct tb_config_flag *flags, size_t n, struct tb_err *e)
{
    for (size_t i = 0; i < n; i++) {
        int which = config_find(tb_str_of(flags[i].key));
        if (which == CONFIG_NOT_FOUND)
            return fail_unknown_key(e, flags[i].flag, tb_str_of(flags[i].key));
        if (set(c, which, tb_str_of(flags[i].value), flags[i].flag, e) != TB_OK)
            return e->code;
    }
    return TB_OK;
}

/* ---- all of it ---- */

static void
set_defaults(struct tb_config *c)
{
    struct tb_err e = { 0 };

    *c = (struct tb_config){ .origins = tb_alloc_zero((size_t)config_settings * sizeof(char *)) };
    for (int i = 0; i < config_settings; i++) {
        enum tb_code code = set(c, i, tb_str_of(config_table[i].initial), "default", &e);
        assert(code == TB_OK);
    }
}

static enum tb_code
check_networks(const char *list, const char *name, struct tb_err *e)
{
    struct tb_networks unused;

    return tb_networks_parse(&unused, tb_str_of(list), e) == TB_OK ? TB_OK : tb_wrap(e, "%s", name);
}

enum { REGISTRATION_TOKEN_MIN = 16 };

/* What no row can say alone. */
static enum tb_code
check_together(const struct tb_config *c, struct tb_err *e)
{
    /* JSON may write a byte as six ("\u0001"), but people send text: room for the frame around it is what must be there. */
    if (c->limit.content_bytes + 256 > c->server.max_body)
        return tb_fail(e, TB_EINPUT, NULL, "limit.content_bytes (%" PRId64 ") must be 256 or more below server.max_body (%"
                       PRId64 ")", c->limit.content_bytes, c->server.max_body);
    if (c->recovery.window_days > c->journal.keep_days)     /* sockets are caught up from the journal */
        return tb_fail(e, TB_EINPUT, NULL, "recovery.window_days (%" PRId64 ") must not be more than journal.keep_days (%"
                       PRId64 ")", c->recovery.window_days, c->journal.keep_days);
    if (check_networks(c->server.trusted_proxies, "server.trusted_proxies", e) != TB_OK ||
        check_networks(c->server.metrics_from, "server.metrics_from", e) != TB_OK ||
        check_networks(c->limit.exempt, "limit.exempt", e) != TB_OK)
        return e->code;
    if (c->auth.registration == TB_REGISTRATION_TOKEN && strlen(c->auth.registration_token) < REGISTRATION_TOKEN_MIN)
        return tb_fail(e, TB_EINPUT, NULL, "auth.registration = token needs an auth.registration_token of %d bytes or more",
                       REGISTRATION_TOKEN_MIN);
    if (c->tls.redirect_port != 0 && c->tls.cert[0] == '\0')
        return tb_fail(e, TB_EINPUT, NULL, "tls.redirect_port needs tls.cert: there is nowhere to send people to");
    int64_t days = c->history.keep_days;    /* repeated sends and sockets that come back ask for messages that recent */
    if (days != 0 && (days < c->recovery.window_days || days < c->journal.key_keep_days))
        return tb_fail(e, TB_EINPUT, NULL, "history.keep_days (%" PRId64 ") must be 0, or not less than recovery.window_days (%"
                       PRId64 ") and journal.key_keep_days (%" PRId64 ")", days, c->recovery.window_days,
                       c->journal.key_keep_days);
    return TB_OK;
}

static enum tb_code
keep_if_ok(struct tb_config *c, enum tb_code code)
{
    if (code != TB_OK)
        tb_config_fini(c);
    return code;
}

enum tb_code
tb_config_load(struct tb_config *c, const char *path, const struct tb_config_flag *flags, size_t n_flags, struct tb_err *e)
{
    const char  *named = path != NULL ? path : getenv(ENV_CONFIG);
    enum tb_code code = TB_OK;

    set_defaults(c);
    if (named != NULL && named[0] != '\0')
        code = read_file(c, named, e);
    if (code == TB_OK)
        code = read_env(c, e);
    if (code == TB_OK)
        code = read_flags(c, flags, n_flags, e);
    if (code == TB_OK)
        code = check_together(c, e);
    return keep_if_ok(c, code);
}

enum tb_code
tb_config_parse(struct tb_config *c, const char *name, tb_str text, struct tb_err *e)
{
    set_defaults(c);
    enum tb_code code = read_text(c, name, text, e);
    if (code == TB_OK)
        code = check_together(c, e);
    return keep_if_ok(c, code);
}

void
tb_config_fini(struct tb_config *c)
{
    for (int i = 0; i < config_settings && c->origins != NULL; i++) {
        if (config_table[i].type == CONFIG_TEXT)
            tb_free(*(char **)config_slot(c, &config_table[i]));
        tb_free(c->origins[i]);
    }
    tb_free(c->origins);
    *c = (struct tb_config){ 0 };
}

/* ---- shown ---- */

/* scheme://user:password@host...: the password may hold any sign, so everything from the first : to the last @ goes. */
static void
add_url_without_password(struct tb_buf *out, const char *url)
{
    const char *host = strrchr(url, '@'), *user = strstr(url, "://");
    const char *colon = user != NULL && host != NULL ? memchr(user + 3, ':', strlen(user + 3)) : NULL;

    if (user == NULL)
        tb_buf_add(out, url[0] != '\0' ? TB_LIT(MASK) : TB_LIT(""));     /* not understood: say nothing */
    else if (host == NULL || colon == NULL || colon > host)
        tb_buf_add(out, tb_str_of(url));
    else
        tb_buf_printf(out, TB_STR_FMT ":" MASK "%s", (int)(colon - url), url, host);
}

static void
add_text(struct tb_buf *out, const struct config_setting *s, const char *v)
{
    if (s->is_url)
        add_url_without_password(out, v);
    else
        tb_buf_add(out, s->is_secret && v[0] != '\0' ? TB_LIT(MASK) : tb_str_of(v));
}

static void
add_value(struct tb_buf *out, const struct tb_config *c, const struct config_setting *s)
{
    switch (s->type) {
    case CONFIG_TEXT:
        add_text(out, s, *(char *const *)config_value(c, s));
        break;
    case CONFIG_NUMBER:
        tb_buf_add_int(out, *(const int64_t *)config_value(c, s));
        break;
    case CONFIG_YES_NO:
        tb_buf_add(out, *(const bool *)config_value(c, s) ? TB_LIT("yes") : TB_LIT("no"));
        break;
    case CONFIG_CHOICE:
        tb_buf_add(out, tb_str_of(s->choices[*(const int64_t *)config_value(c, s)]));
        break;
    }
}

static void
add_json_value(struct tb_json *j, const struct config_setting *s, tb_str shown)
{
    switch (s->type) {
    case CONFIG_NUMBER:
        tb_json_raw(j, shown);
        break;
    case CONFIG_YES_NO:
        tb_json_bool(j, tb_str_eq(shown, TB_LIT("yes")));
        break;
    case CONFIG_TEXT:
    case CONFIG_CHOICE:
        tb_json_str(j, tb_str_is_utf8(shown) ? shown : TB_LIT("(not UTF-8)"));
        break;
    }
}

static void
print_json(const struct tb_config *c, struct tb_buf *out)
{
    struct tb_json j = tb_json_to(out);
    char           key[CONFIG_MAX_NAME];

    tb_json_open_object(&j);
    for (int i = 0; i < config_settings; i++) {
        struct tb_buf shown = TB_BUF_INIT;
        tb_str        origin = tb_str_of(c->origins[i]);
        add_value(&shown, c, &config_table[i]);
        config_write_key(&config_table[i], key);
        tb_json_key(&j, key), tb_json_open_object(&j);
        tb_json_key(&j, "value"), add_json_value(&j, &config_table[i], tb_buf_str(&shown));
        tb_json_key(&j, "origin"), tb_json_str(&j, tb_str_is_utf8(origin) ? origin : TB_LIT("(not UTF-8)"));
        tb_json_end_object(&j);
        tb_buf_fini(&shown);
    }
    tb_json_end_object(&j);
    tb_json_fini(&j);
    tb_buf_add_char(out, '\n');
}

static void
print_text(const struct tb_config *c, struct tb_buf *out)
{
    char key[CONFIG_MAX_NAME];

    for (int i = 0; i < config_settings; i++) {
        struct tb_buf shown = TB_BUF_INIT;
        add_value(&shown, c, &config_table[i]);
        config_write_key(&config_table[i], key);
        tb_buf_printf(out, "%-26s = %-24s  (%s)\n", key, shown.n > 0 ? shown.p : "", c->origins[i]);
        tb_buf_fini(&shown);
    }
}

void
tb_config_print(const struct tb_config *c, bool as_json, struct tb_buf *out)
{
    if (as_json)
        print_json(c, out);
    else
        print_text(c, out);
}

void
tb_config_explain(struct tb_buf *out)
{
    char key[CONFIG_MAX_NAME], env[CONFIG_MAX_NAME];

    for (int i = 0; i < config_settings; i++) {
        const struct config_setting *s = &config_table[i];
        config_write_key(s, key);
        config_write_env(s, env);
        tb_buf_printf(out, "%s (%s%s%s): %s\n    ", key, env, s->env != NULL ? ", " : "", s->env != NULL ? s->env : "", s->help);
        config_write_allowed(s, out);
        tb_buf_printf(out, "; default: %s\n", s->initial[0] != '\0' ? s->initial : "empty");
    }
}
