/* tombolo user ...: accounts as the operator makes them, with the server or without it. */
#include "user.h"

#include "chat/check.h"
#include "chat/password.h"
#include "password.h"
#include "serve/settings.h"
#include "store/inspect.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

enum { LISTED = 100, LISTED_MAX = 1000000 }; /* of tombolo user list */

/* ---- what they share ---- */

enum tb_code
cli_user_judge(tb_str *email, tb_str *username, struct tb_err *e)
{
    return chat_check_email(email, e) == TB_OK ? chat_check_username(username, e) : e->code;
}

const char *
cli_user_why(const struct tb_err *e)
{
    bool is_said = e->code == TB_EINPUT && strcmp(e->say, tb_code_say(e->code)) != 0; /* by the line that failed */

    return e->code == TB_ETAKEN ? "there is a user with this e-mail already" : is_said ? e->say : e->why;
}

static enum exit_code
refuse(const struct tb_err *e)
{
    fprintf(stderr, "tombolo: %s\n", cli_user_why(e));
    return e->code == TB_EINPUT ? MISUSED : FAILED;
}

/* The password, asked for and hashed; only the hash goes on. */
static enum tb_code
get_hash(const struct options *o, const struct tb_config *c, char hash[CHAT_HASH_SIZE], struct tb_err *e)
{
    char   text[CLI_PASSWORD_SIZE];
    tb_str password;

    if (sodium_init() < 0)
        return tb_fail(e, TB_EINTERNAL, NULL, "libsodium does not start");
    if (cli_password_get(o->password_from_stdin, (unsigned)c->auth.password_min, text, &password, e) == TB_OK)
        TB_TRY(chat_password_hash(password, serve_password_cost(c), hash, e));
    sodium_memzero(text, sizeof text);
    return e->code;
}

/* ---- tombolo user add ---- */

static void
tell_added(const struct options *o, const json_t *user)
{
    struct tb_buf out = TB_BUF_INIT;

    if (o->as_json) {
        char *text = json_dumps(user, JSON_COMPACT | JSON_PRESERVE_ORDER);
        tb_buf_printf(&out, "%s\n", text);
        tb_free(text);
    } else {
        tb_buf_printf(&out, "User %" JSON_INTEGER_FORMAT " is ", json_integer_value(json_object_get(user, "id")));
        cli_add_plain(&out, tb_str_of(json_string_value(json_object_get(user, "username"))));
        tb_buf_add(&out, TB_LIT(", "));
        cli_add_plain(&out, tb_str_of(json_string_value(json_object_get(user, "email"))));
        tb_buf_add(&out, TB_LIT(".\n"));
    }
    cli_print(&out);
}

static enum tb_code
add(const struct options *o, const struct tb_config *c, json_t **user, struct tb_err *e)
{
    tb_str              email = tb_str_of(o->operands[0]), name = tb_str_of(o->operands[1]);
    char                hash[CHAT_HASH_SIZE];
    struct cli_journal *j = NULL;

    if (!tb_str_is_utf8(email) || !tb_str_is_utf8(name))
        return tb_fail(e, TB_EINPUT, NULL, "the e-mail and the username must be UTF-8");
    if (cli_user_judge(&email, &name, e) != TB_OK || get_hash(o, c, hash, e) != TB_OK)
        return e->code;
    cli_journal_open(&j, c);
    TB_TRY(cli_journal_ask(j, "user-add",
                           json_pack("{s:s%, s:s%, s:s}", "email", email.p, email.n, "username", name.p, name.n, "hash", hash),
                           user, e));
    cli_journal_close(&j);
    return e->code;
}

static enum exit_code
run_add(const struct options *o)
{
    struct tb_config c;
    struct tb_err    e = { 0 };
    json_t          *user = NULL;

    if (o->n_operands != 2) {
        fputs("tombolo: user add takes an e-mail and a username; the password is asked for\n", stderr);
        return MISUSED;
    }
    if (!cli_load_quietly(o, &c))
        return MISUSED;
    enum tb_code code = add(o, &c, &user, &e);
    if (code == TB_OK)
        tell_added(o, user);
    json_decref(user);
    tb_config_fini(&c);
    return code == TB_OK ? FINE : refuse(&e);
}

/* ---- tombolo user passwd; whom a command is about ---- */

struct found {
    int64_t id;
    size_t  n;
};

static void
note_found(void *ctx, const struct store_account *a)
{
    struct found *f = ctx;

    if (f->n++ == 0)
        f->id = a->user.id;
}

/* By id, or by e-mail when only one account has it. */
static enum tb_code
find_user(const char *dir, tb_str who, int64_t *id, struct tb_err *e)
{
    struct store_inspector *journal = NULL;
    struct found            f = { 0 };
    uint64_t                number;

    if (cli_journal_find(dir, e) != TB_OK)
        return e->code;
    if (tb_str_to_uint(who, INT64_MAX, &number)) {
        *id = (int64_t)number;
        return TB_OK;
    }
    if (store_inspect(dir, &journal, e) == TB_OK && store_inspect_email(journal, who, note_found, &f, e) == TB_OK) {
        if (f.n == 0)
            tb_fail(e, TB_ENOTFOUND, NULL, "no user has this e-mail");
        else if (f.n > 1)
            tb_fail(e, TB_ECONFLICT, NULL,
                    "%zu users have this e-mail: name the one you mean by id (tombolo user list --match)", f.n);
    }
    store_inspect_end(&journal);
    *id = f.id;
    return e->code;
}

static enum tb_code
set_password(const struct options *o, const struct tb_config *c, json_t **user, struct tb_err *e)
{
    char                hash[CHAT_HASH_SIZE];
    struct cli_journal *j = NULL;
    int64_t             id = 0;

    if (find_user(c->server.data, tb_str_of(o->operands[0]), &id, e) != TB_OK || get_hash(o, c, hash, e) != TB_OK)
        return e->code;
    cli_journal_open(&j, c);
    TB_TRY(cli_journal_ask(j, "user-password", json_pack("{s:I, s:s}", "id", (json_int_t)id, "hash", hash), user, e));
    cli_journal_close(&j);
    return e->code;
}

static enum exit_code
run_passwd(const struct options *o)
{
    struct tb_config c;
    struct tb_err    e = { 0 };
    json_t          *user = NULL;

    if (o->n_operands != 1) {
        fputs("tombolo: user passwd takes one user, by id or e-mail; the password is asked for\n", stderr);
        return MISUSED;
    }
    if (!cli_load_quietly(o, &c))
        return MISUSED;
    enum tb_code code = set_password(o, &c, &user, &e);
    if (code == TB_OK) {
        tell_added(o, user);
        if (!o->as_json)
            puts("All tokens that were given out before have ended: the user logs in again, with the new password.");
    }
    json_decref(user);
    tb_config_fini(&c);
    return code == TB_OK ? FINE : refuse(&e);
}

/* ---- tombolo user email ---- */

static enum tb_code
set_email(const struct options *o, const struct tb_config *c, json_t **user, struct tb_err *e)
{
    tb_str              email = tb_str_of(o->operands[1]);
    struct cli_journal *j = NULL;
    int64_t             id = 0;

    if (!tb_str_is_utf8(email))
        return tb_fail(e, TB_EINPUT, NULL, "the e-mail must be UTF-8");
    if (chat_check_email(&email, e) != TB_OK || find_user(c->server.data, tb_str_of(o->operands[0]), &id, e) != TB_OK)
        return e->code;
    cli_journal_open(&j, c);
    TB_TRY(cli_journal_ask(j, "user-email",
                           json_pack("{s:I, s:s%}", "id", (json_int_t)id, "email", email.p, email.n), user, e));
    cli_journal_close(&j);
    return e->code;
}

static enum exit_code
run_email(const struct options *o)
{
    struct tb_config c;
    struct tb_err    e = { 0 };
    json_t          *user = NULL;

    if (o->n_operands != 2) {
        fputs("tombolo: user email takes a user, by id or e-mail, and the e-mail that he is to have\n", stderr);
        return MISUSED;
    }
    if (!cli_load_quietly(o, &c))
        return MISUSED;
    enum tb_code code = set_email(o, &c, &user, &e);
    if (code == TB_OK)
        tell_added(o, user);
    json_decref(user);
    tb_config_fini(&c);
    return code == TB_OK ? FINE : refuse(&e);
}

/* ---- tombolo user disable, enable ---- */

static enum tb_code
set_lock(const struct options *o, const struct tb_config *c, bool is_disabled, json_t **user, struct tb_err *e)
{
    struct cli_journal *j = NULL;
    int64_t             id = 0;

    if (find_user(c->server.data, tb_str_of(o->operands[0]), &id, e) != TB_OK)
        return e->code;
    cli_journal_open(&j, c);
    TB_TRY(cli_journal_ask(j, "user-lock", json_pack("{s:I, s:b}", "id", (json_int_t)id, "disabled", is_disabled), user, e));
    cli_journal_close(&j);
    return e->code;
}

static enum exit_code
run_lock(const struct options *o, bool is_disabled)
{
    struct tb_config c;
    struct tb_err    e = { 0 };
    json_t          *user = NULL;

    if (o->n_operands != 1) {
        fprintf(stderr, "tombolo: user %s takes one user, by id or e-mail\n", is_disabled ? "disable" : "enable");
        return MISUSED;
    }
    if (!cli_load_quietly(o, &c))
        return MISUSED;
    enum tb_code code = set_lock(o, &c, is_disabled, &user, &e);
    if (code == TB_OK) {
        tell_added(o, user);
        if (!o->as_json)
            puts(is_disabled ? "The account is disabled: its tokens have ended, its sockets are closed, and nobody can log in to it."
                             : "The account is enabled: the user can log in with the password that it has.");
    }
    json_decref(user);
    tb_config_fini(&c);
    return code == TB_OK ? FINE : refuse(&e);
}

static enum exit_code
run_disable(const struct options *o)
{
    return run_lock(o, true);
}

static enum exit_code
run_enable(const struct options *o)
{
    return run_lock(o, false);
}

/* ---- tombolo user list ---- */

struct page {
    struct cli_listing list;
    int64_t            limit, last_id;
    bool               has_more;
};

static void
add_time(struct tb_buf *out, int64_t ms, const char *otherwise)
{
    char   iso[TB_ISO_SIZE];
    tb_str text = ms != 0 ? tb_time_iso(ms, iso) : tb_str_of(otherwise);

    tb_buf_printf(out, "  %-24.*s", TB_STR_ARG(text));
}

static void
add_line(struct tb_buf *out, const struct store_account *a)
{
    tb_buf_printf(out, "%16" PRId64, a->user.id);
    add_time(out, a->user.created_at, "(unknown)");
    add_time(out, a->user.last_seen, "never");
    tb_buf_add(out, TB_LIT("  "));
    cli_add_plain(out, a->user.email);
    tb_buf_add(out, a->is_parked ? TB_LIT(" (parked)") : TB_LIT(""));
    tb_buf_add(out, a->user.is_disabled ? TB_LIT(" (disabled)  ") : TB_LIT("  "));
    cli_add_plain(out, a->user.username);
    tb_buf_add_char(out, '\n');
}

static void
add_account(void *ctx, const struct store_account *a)
{
    struct page        *p = ctx;
    struct cli_listing *l = &p->list;

    if ((int64_t)l->n == p->limit) {
        p->has_more = true;
        return;
    }
    cli_listing_flush(l);
    p->last_id = a->user.id;
    if (!l->as_json) {
        if (l->n++ == 0)
            tb_buf_printf(&l->out, "%16s  %-24s  %-24s  %s\n", "ID", "CREATED", "LAST SEEN", "E-MAIL AND USERNAME");
        add_line(&l->out, a);
        return;
    }
    l->n++;
    tb_json_open_object(&l->json);
    cli_put_int(&l->json, "id", a->user.id);
    cli_put_str(&l->json, "email", a->user.email);
    cli_put_str(&l->json, "username", a->user.username);
    cli_put_time(&l->json, "createdAt", a->user.created_at);
    cli_put_time(&l->json, "lastSeen", a->user.last_seen);
    cli_put_bool(&l->json, "parked", a->is_parked);
    cli_put_bool(&l->json, "disabled", a->user.is_disabled);
    tb_json_end_object(&l->json);
}

static void
end_page(struct page *p)
{
    struct cli_listing *l = &p->list;

    if (l->as_json) {
        tb_json_end_array(&l->json);
        cli_put_int_or_null(&l->json, "next", p->has_more, p->last_id);
        tb_json_key(&l->json, "count"), tb_json_int(&l->json, (int64_t)l->n);
        tb_json_end_object(&l->json);
        cli_end_json(&l->json);
        return;
    }
    cli_listing_end(l, "No user fits.");
    if (p->has_more)
        tb_buf_printf(&l->out, "There are more: --after %" PRId64 "\n", p->last_id);
}

static enum exit_code
run_list(const struct options *o)
{
    struct page             p = { 0 };
    struct store_inspector *journal = NULL;
    struct tb_config        c;
    struct tb_err           e = { 0 };
    uint64_t                after = 0, limit = LISTED;

    if ((o->after != NULL && !tb_str_to_uint(tb_str_of(o->after), INT64_MAX, &after)) ||
        (o->limit != NULL && (!tb_str_to_uint(tb_str_of(o->limit), LISTED_MAX, &limit) || limit == 0))) {
        fprintf(stderr, "tombolo: --after takes an id, --limit a number from 1 to %d\n", LISTED_MAX);
        return MISUSED;
    }
    if (!cli_load(o, &c))
        return MISUSED;
    p.limit = (int64_t)limit;
    const struct store_accounts which = { .after = (int64_t)after,
                                          .limit = p.limit + 1,
                                          .match = o->match != NULL ? tb_str_of(o->match) : TB_LIT(""),
                                          .only_parked = o->only_parked };
    cli_listing_begin(&p.list, o->as_json, "users");
    if (store_inspect(c.server.data, &journal, &e) == TB_OK)
        TB_TRY(store_inspect_accounts(journal, &which, add_account, &p, &e));
    if (e.code == TB_OK) {
        end_page(&p);
        cli_print(&p.list.out);
    }
    tb_buf_fini(&p.list.out);
    store_inspect_end(&journal);
    tb_config_fini(&c);
    return e.code == TB_OK ? FINE : cli_failed(&e);
}

const struct command cli_user_commands[] = {
    { .name = "add",
      .takes = "wcdsjH",
      .run = run_add,
      .operands = "EMAIL USERNAME",
      .help = "make an account; its password is asked for on the terminal" },
    { .name = "list", .takes = "mklacdsjH", .run = run_list, .help = "list accounts, by id" },
    { .name = "passwd",
      .takes = "wcdsjH",
      .run = run_passwd,
      .operands = "ID|EMAIL",
      .help = "set an account's password, which is asked for on the terminal" },
    { .name = "disable",
      .takes = "cdsjH",
      .run = run_disable,
      .operands = "ID|EMAIL",
      .help = "shut an account out: its tokens end at once, its sockets close, and nobody can log in to it" },
    { .name = "enable", .takes = "cdsjH", .run = run_enable, .operands = "ID|EMAIL", .help = "let a disabled account in again" },
    { .name = "email",
      .takes = "cdsjH",
      .run = run_email,
      .operands = "ID|EMAIL NEW",
      .help = "give an account another e-mail, as one needs whose e-mail another account has got" },
    { .name = "import",
      .takes = "ncdsjH",
      .run = cli_user_import,
      .operands = "FILE",
      .help = "make accounts of a file (- is standard input): CSV or JSON lines of email, username, and password or hash" },
    { .name = NULL },
};
