/* tombolo help man: what the build makes tombolo.1 of. Words about commands, options and settings are in their tables; here is
 * only how a page is laid out, man(7)'s macros. */
#include "man.h"

#include "config/table.h"

/* A text line of roff: a hyphen in an option is not one to break words at, and no line begins as a request does. */
static void
add_text(struct tb_buf *out, tb_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        bool is_line_start = out->n == 0 || out->p[out->n - 1] == '\n';
        if (is_line_start && (text.p[i] == '.' || text.p[i] == '\''))
            tb_buf_add(out, TB_LIT("\\&"));
        if (text.p[i] == '\\')
            tb_buf_add(out, TB_LIT("\\e"));
        else if (text.p[i] == '-')
            tb_buf_add(out, TB_LIT("\\-"));
        else
            tb_buf_add_char(out, text.p[i]);
    }
}

static void
add(struct tb_buf *out, const char *text)
{
    add_text(out, tb_str_of(text));
}

static void
add_heading(struct tb_buf *out, const char *title)
{
    tb_buf_printf(out, ".SH %s\n", title);
}

static void
add_term(struct tb_buf *out, const char *term)
{
    tb_buf_add(out, TB_LIT(".TP\n.B "));
    add(out, term);
    tb_buf_add_char(out, '\n');
}

/* Of "  --name VALUE   what it does\n": "--name VALUE", and what it does in *rest. */
static tb_str
option_term(const char *help, tb_str *rest)
{
    tb_str      all = tb_str_trim(tb_str_of(help));
    const char *gap = strstr(all.p, "  ");
    size_t      n = gap != NULL ? (size_t)(gap - all.p) : all.n;

    *rest = tb_str_trim((tb_str){ .p = all.p + n, .n = all.n - n });
    return (tb_str){ .p = all.p, .n = n };
}

/* group: NULL for a command that is in none. */
static void
add_command(struct tb_buf *out, const struct command *c, const char *group, const struct cli_option_help *options)
{
    tb_str rest;

    tb_buf_printf(out, ".TP\n.BR \"tombolo %s%s%s\" \"", group != NULL ? group : "", group != NULL ? " " : "", c->name);
    for (; options->help != NULL; options++) {
        if (strchr(c->takes, options->letter) == NULL)
            continue;
        tb_buf_add(out, TB_LIT(" ["));
        add_text(out, option_term(options->help, &rest));
        tb_buf_add_char(out, ']');
    }
    tb_buf_printf(out, "%s%s\"\n", c->operands != NULL ? " " : "", c->operands != NULL ? c->operands : "");
    add(out, c->help);
    tb_buf_add_char(out, '\n');
}

static void
add_commands(struct tb_buf *out, const struct command *in, const char *group, const struct cli_option_help *options)
{
    for (; in->name != NULL; in++) {
        if (in->commands != NULL)
            add_commands(out, in->commands, in->name, options);
        else
            add_command(out, in, group, options);
    }
}

static void
add_option(struct tb_buf *out, const char *help)
{
    tb_str rest;
    tb_str term = option_term(help, &rest);

    tb_buf_add(out, TB_LIT(".TP\n.B "));
    add_text(out, term);
    tb_buf_add_char(out, '\n');
    add_text(out, rest);
    tb_buf_add_char(out, '\n');
}

static void
add_setting(struct tb_buf *out, const struct config_setting *s)
{
    char key[CONFIG_MAX_NAME], env[CONFIG_MAX_NAME];
    struct tb_buf allowed = TB_BUF_INIT;

    config_write_key(s, key);
    config_write_env(s, env);
    config_write_allowed(s, &allowed);
    add_term(out, key);
    add(out, s->help);
    tb_buf_add(out, TB_LIT(".\n.br\n"));
    add(out, env);
    tb_buf_printf(out, "%s%s; ", s->env != NULL ? ", " : "", s->env != NULL ? s->env : "");
    add_text(out, tb_buf_str(&allowed));
    tb_buf_add(out, TB_LIT("; default: "));
    add(out, s->initial[0] != '\0' ? s->initial : "empty");
    tb_buf_add_char(out, '\n');
    tb_buf_fini(&allowed);
}

static void
add_settings(struct tb_buf *out)
{
    add_heading(out, "SETTINGS");
    add(out, "A file, variables, flags; the later wins. Each is given as its key in a section of the file, as the "
             "variable named, "
             "or as --set NAME=VALUE.\n");
    for (int i = 0; i < config_settings; i++)
        add_setting(out, &config_table[i]);
}

static void
add_signals(struct tb_buf *out)
{
    add_heading(out, "SIGNALS");
    add_term(out, "SIGTERM, SIGINT");
    add(out, "The server takes nothing new, answers what is in flight, commits and ends with 0, within ten seconds. A "
             "second one "
             "ends it at once; what was acknowledged is on disk.\n");
    add_term(out, "SIGHUP");
    add(out, "It reads its settings again and takes over those that may change while connections stay: the log level, "
             "limits and the TLS certificate.\n");
}

static void
add_files(struct tb_buf *out)
{
    add_heading(out, "FILES");
    add_term(out, "/etc/tombolo/tombolo.conf");
    add(out,
        "The settings of the service, as the Debian package installs it. Every setting is in it, with its default.\n");
    add_term(out, "/var/lib/tombolo");
    add(out, "The service's data folder. It is for the user tombolo alone: runuser -u tombolo -- tombolo sync status "
             "--config /etc/tombolo/tombolo.conf\n");
    add_term(out, "DIR/tombolo.db, DIR/jwt.secret, DIR/control");
    add(out, "In a data folder: the journal (with tombolo.db-wal and tombolo.db-shm beside it), the key of the tokens "
             "where none was "
             "given, and the socket through which commands ask the running server.\n");
}

enum exit_code
cli_man(const struct command *commands, const struct cli_option_help *options)
{
    struct tb_buf out = TB_BUF_INIT;

    tb_buf_printf(&out, ".TH TOMBOLO 1 \"\" \"tombolo %s\" \"User Commands\"\n.nh\n.ad l\n", TB_VERSION);
    add_heading(&out, "NAME");
    tb_buf_printf(&out, "tombolo \\- %s\n", TB_DESCRIPTION);
    add_heading(&out, "SYNOPSIS");
    tb_buf_add(&out, TB_LIT(".B tombolo\nCOMMAND [OPTIONS]\n"));
    add_heading(&out, "DESCRIPTION");
    add(&out, "A complete realtime chat backend in one program: accounts, rooms, messages, history, receipts, "
              "presence, over REST and "
              "Socket.IO. Everything is kept in a local journal first, and reaches a MySQL or MariaDB database, if "
              "there is one, as "
              "soon as it can be reached. It needs no configuration, no database server and no network to start.\n");
    add_heading(&out, "COMMANDS");
    add_commands(&out, commands, NULL, options);
    add_term(&out, "tombolo help [COMMAND | settings | man | bash]");
    add(&out, "the commands; what a command takes; every setting; this page; completion for bash(1)\n");
    add_heading(&out, "OPTIONS");
    for (; options->help != NULL; options++)
        add_option(&out, options->help);
    add_settings(&out);
    add_signals(&out);
    add_heading(&out, "EXIT STATUS");
    add(&out, CLI_EXIT_CODES "\n");
    add_files(&out);
    cli_print(&out);
    return FINE;
}
