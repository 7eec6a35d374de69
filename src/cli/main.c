/* tombolo on the command line: what it was asked to do, and how it ended. Data goes to stdout, everything else to stderr.
 * Signals are heard on the main thread alone: every other one is started with all of them blocked. */
#include "cli.h"

#include "base/json.h"
#include "base/log.h"
#include "backup.h"
#include "completion.h"
#include "watch.h"
#include "serve/notify.h"
#include "serve/serve.h"
#include "store/check.h"
#include "sync/url.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { KEEP_BYTES = 8 << 20, GROW_BYTES = 256 << 10 };      /* see keep_freed_memory */
enum { OWN_FILES = 100 };       /* journal, threads, control, the centre: some forty at most, and a few to spare */

static const struct option long_options[] = {
    { "config", required_argument, NULL, 'c' }, { "data", required_argument, NULL, 'd' },
    { "host", required_argument, NULL, 'h' },   { "port", required_argument, NULL, 'p' },
    { "set", required_argument, NULL, 's' },    { "json", no_argument, NULL, 'j' },
    { "from", required_argument, NULL, 'f' },   { "dry-run", no_argument, NULL, 'n' },
    { "password-stdin", no_argument, NULL, 'w' }, { "match", required_argument, NULL, 'm' },
    { "parked", no_argument, NULL, 'k' },       { "limit", required_argument, NULL, 'l' },
    { "after", required_argument, NULL, 'a' },  { "force", no_argument, NULL, 'F' },
    { "take-over", no_argument, NULL, 'T' },
    { "url", required_argument, NULL, 'u' },    { "interval", required_argument, NULL, 'i' },
    { "once", no_argument, NULL, 'o' },
    { "self-signed", no_argument, NULL, 'S' },  { "days", required_argument, NULL, 'D' },
    { "help", no_argument, NULL, 'H' },
    { NULL, 0, NULL, 0 },
};

static const struct cli_option_help option_help[] = {
    { 'c', "  --config FILE      settings file; else the one that TOMBOLO_CONFIG names, else none\n" },
    { 'd', "  --data DIR         folder of the journal (server.data)\n" },
    { 'h', "  --host ADDRESS     address to listen on (server.host)\n" },
    { 'p', "  --port N           port to listen on (server.port)\n" },
    { 's', "  --set NAME=VALUE   any setting, as server.port=5001; see tombolo help settings\n" },
    { 'f', "  --from URL         the old database, mysql://user:password@host:port/database; else TOMBOLO_IMPORT_FROM\n" },
    { 'n', "  --dry-run          read and judge everything, write nothing\n" },
    { 'w', "  --password-stdin   take the password from the first line of standard input\n" },
    { 'm', "  --match TEXT       those whose e-mail or username holds it, whatever the case of ASCII letters\n" },
    { 'k', "  --parked           those whose e-mail the centre gave to another account\n" },
    { 'l', "  --limit N          at most so many; else 100\n" },
    { 'a', "  --after ID         those with a greater id: the next page\n" },
    { 'u', "  --url URL          ask http://host:port/readyz instead of the server of the data folder\n" },
    { 'i', "  --interval SEC     how often to look: 0.1 to 3600; else 2, with --once 1\n" },
    { 'o', "  --once             one line, of one interval\n" },
    { 'F', "  --force            set the journal that is there aside, in a folder of its own\n" },
    { 'T', "  --take-over        go on in place of the original, also if it was at the centre within the last ten minutes\n" },
    { 'S', "  --self-signed      make a key and a certificate for the names and addresses that follow\n" },
    { 'D', "  --days N           how long it is good; else 825\n" },
    { 'j', "  --json             data as JSON\n" },
    { 'H', "  --help             this text\n" },
    { '\0', NULL },
};

/* ---- settings ---- */

/* The settings' table knows of no URLs. */
static enum tb_code
check_centre(const struct tb_config *c, struct tb_err *e)
{
    struct sync_url url;

    if (c->sync.url[0] == '\0')
        return TB_OK;
    if (sync_url_parse(tb_str_of(c->sync.url), &url, e) == TB_OK)
        sync_url_fini(&url);
    return e->code;
}

bool
cli_load(const struct options *o, struct tb_config *c)
{
    struct tb_err e = { 0 };

    if (tb_config_load(c, o->config_path, o->flags, o->n_flags, &e) == TB_OK && check_centre(c, &e) != TB_OK)
        tb_config_fini(c);
    if (e.code == TB_OK)
        return true;
    fprintf(stderr, "tombolo: %s\n", e.why);
    return false;
}

bool
cli_load_quietly(const struct options *o, struct tb_config *c)
{
    log_set(LOG_WARN, LOG_LOGFMT);
    return cli_load(o, c);
}

void
cli_print(struct tb_buf *out)
{
    fwrite(out->p, 1, out->n, stdout);
    tb_buf_fini(out);
}

/* ---- tombolo serve ---- */

/* As far as we may. A server that cannot have as many connections as it should take says so now, not on the busy day. */
static void
raise_descriptor_limit(const struct tb_config *c)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        log_warn("serve.files", "why=\"RLIMIT_NOFILE: %s\"", strerror(errno));
    if (files.rlim_max < (rlim_t)c->server.max_connections + OWN_FILES)
        log_warn("serve.files", "why=\"fewer open files are allowed than server.max_connections needs\" limit=%ju needed=%jd",
                 (uintmax_t)files.rlim_max, (intmax_t)c->server.max_connections + OWN_FILES);
}

static sigset_t
block_signals(void)
{
    sigset_t ours;

    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &ours, NULL);
    signal(SIGPIPE, SIG_IGN);
    return ours;
}

/* A second SIGTERM or SIGINT. What was acknowledged is on disk, so nothing is lost by not waiting. _Exit and not its twin
 * _exit: ThreadSanitizer makes its last report inside the latter, here in a signal handler and while the first signal has
 * ended threads that are yet to be joined, which it takes for leaked. */
static void
end_at_once(int signal_number)
{
    (void)signal_number;
    _Exit(FINE);
}

static void
let_signals_end_us(const sigset_t *ours)
{
    const struct sigaction now = { .sa_handler = end_at_once };

    sigaction(SIGTERM, &now, NULL);
    sigaction(SIGINT, &now, NULL);
    pthread_sigmask(SIG_UNBLOCK, ours, NULL);
}

static void
reload(struct server *server, const struct options *o)
{
    struct tb_config c;
    struct tb_err    e = { 0 };

    if (tb_config_load(&c, o->config_path, o->flags, o->n_flags, &e) != TB_OK) {
        log_error("serve.not_reloaded", "why=\"%s\"", e.why);
        return;
    }
    serve_reload(server, &c);
    tb_config_fini(&c);
}

static void
wait_for_the_end(struct server *server, const struct options *o, const sigset_t *ours)
{
    int heard;

    while (sigwait(ours, &heard) == 0 && heard == SIGHUP) {
        notify_manager("RELOADING=1");
        reload(server, o);
        notify_manager("READY=1");
    }
}

/* Answers are made and freed in bursts of some hundred kilobytes. By default each burst's end gives them back to the
 * kernel and the next one asks for them again, page by page: a history page cost the loop twice what it costs now. */
static void
keep_freed_memory(void)
{
    mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
    mallopt(M_TOP_PAD, GROW_BYTES);
}

static enum exit_code
run_serve(const struct options *o)
{
    sigset_t         ours = block_signals();
    struct server   *server = NULL;
    struct tb_config c;
    struct tb_err    e = { 0 };

    if (!cli_load(o, &c))
        return MISUSED;
    raise_descriptor_limit(&c);
    keep_freed_memory();
    enum tb_code code = serve_open(&server, &c, NULL, &e);
    tb_config_fini(&c);
    if (code != TB_OK) {
        fprintf(stderr, "tombolo: %s\n", e.why);
        return FAILED;
    }
    notify_manager("READY=1");
    wait_for_the_end(server, o, &ours);
    notify_manager("STOPPING=1");
    let_signals_end_us(&ours);
    serve_close(&server);
    return FINE;
}

/* ---- tombolo config, version ---- */

static enum exit_code
run_config(const struct options *o)
{
    struct tb_config c;
    struct tb_buf    out = TB_BUF_INIT;

    if (!cli_load(o, &c))
        return MISUSED;
    tb_config_print(&c, o->as_json, &out);
    cli_print(&out);
    tb_config_fini(&c);
    return FINE;
}

static enum exit_code
run_version(const struct options *o)
{
    printf(o->as_json ? "{\"version\":\"%s\"}\n" : "tombolo %s\n", TB_VERSION);
    return FINE;
}

/* ---- tombolo check ---- */

struct faults {
    struct tb_buf  text;
    struct tb_json json;        /* into text, an array of lines */
    bool           as_json;
};

static void
add_fault(void *ctx, tb_str line)
{
    struct faults *f = ctx;

    if (f->as_json) {
        tb_json_str(&f->json, tb_str_is_utf8(line) ? line : TB_LIT("(not UTF-8)"));
    } else {
        tb_buf_add(&f->text, line);
        tb_buf_add_char(&f->text, '\n');
    }
}

static enum tb_code
find_faults(const char *dir, struct faults *f, size_t *n, struct tb_err *e)
{
    f->json = tb_json_to(&f->text);
    if (f->as_json) {
        tb_json_open_object(&f->json);
        tb_json_key(&f->json, "faults");
        tb_json_open_array(&f->json);
    }
    enum tb_code code = store_check(dir, add_fault, f, n, e);
    if (f->as_json) {
        tb_json_end_array(&f->json);
        tb_json_key(&f->json, "count"), tb_json_int(&f->json, (int64_t)*n);
        tb_json_end_object(&f->json);
        tb_json_fini(&f->json);
        tb_buf_add_char(&f->text, '\n');
    } else if (code == TB_OK) {
        tb_buf_printf(&f->text, *n == 0 ? "The journal in %s is whole.\n" : "The journal in %s has %zu faults.\n", dir, *n);
    }
    return code;
}

static enum exit_code
run_check(const struct options *o)
{
    struct faults    f = { .text = TB_BUF_INIT, .as_json = o->as_json };
    struct tb_config c;
    struct tb_err    e = { 0 };
    size_t           n = 0;

    if (!cli_load(o, &c))
        return MISUSED;
    enum tb_code code = find_faults(c.server.data, &f, &n, &e);
    tb_config_fini(&c);
    if (code == TB_OK) {
        cli_print(&f.text);
        return n == 0 ? FINE : FAILED;
    }
    tb_buf_fini(&f.text);
    fprintf(stderr, "tombolo: %s\n", e.why);
    return FAILED;
}

/* ---- help, and understanding the command line ---- */

static const struct command commands[] = {
    { .name = "serve", .takes = "cdhpsH", .run = run_serve,
      .help = "run the server in the foreground, until SIGTERM or SIGINT; SIGHUP rereads log, limits and certificate" },
    { .name = "config", .takes = "cdhpsjH", .run = run_config,
      .help = "print the settings in force, and where each came from" },
    { .name = "version", .takes = "jH", .run = run_version, .help = "print the version" },
    { .name = "check", .takes = "cdsjH", .run = run_check,
      .help = "see whether the journal is whole, also beside a running server" },
    { .name = "import", .takes = "fncdsjH", .run = cli_import,
      .help = "make a journal of the old backend's database; into a data folder without one" },
    { .name = "health", .takes = "ucdsjH", .run = cli_health,
      .help = "ask a running server whether it can do its work: it ends with 0 when it can, with 1 when not" },
    { .name = "top", .takes = "iocdsjH", .run = cli_top,
      .help = "watch a running server: connections, rates, latencies, the centre; line by line where there is no terminal" },
    { .name = "backup", .takes = "cdsjH", .run = cli_backup, .operands = "FILE",
      .help = "copy the journal into a file (- is standard output), while the server works or without it, and check the copy" },
    { .name = "restore", .takes = "FTcdsjH", .run = cli_restore, .operands = "FILE",
      .help = "make a backup (- is standard input) the journal of the data folder, and fetch what it lacks from the centre" },
    { .name = "cert", .takes = "SDcdsjH", .run = cli_cert, .operands = "[NAME...]",
      .help = "say which certificate is in use, or make one for a network without any authority" },
    { .name = "user", .commands = cli_user_commands,
      .help = "make accounts, list them, set passwords; tombolo user lists its commands" },
    { .name = "sync", .commands = cli_sync_commands,
      .help = "see how far the centre has come, and act on it; tombolo sync lists its commands" },
    { .name = NULL },
};

static const struct command *
find_command(const struct command *in, const char *name)
{
    for (; in->name != NULL; in++)
        if (strcmp(name, in->name) == 0)
            return in;
    return NULL;
}

static void
print_exit_codes(FILE *to)
{
    fputs("\n" CLI_EXIT_CODES "\n", to);
}

static void
print_commands(const struct command *in, FILE *to)
{
    for (; in->name != NULL; in++)
        fprintf(to, "  %-10s%s\n", in->name, in->help);
}

static void
print_help(FILE *to)
{
    fputs("usage: tombolo COMMAND [OPTIONS]\n\n", to);
    print_commands(commands, to);
    fputs("  help      this text; tombolo help COMMAND: its options; tombolo help settings: every setting;\n"
          "            tombolo help man: the manual page; tombolo help bash: completion, source <(tombolo help bash)\n", to);
    print_exit_codes(to);
}

static void
print_group_help(const struct command *group, FILE *to)
{
    fprintf(to, "usage: tombolo %s COMMAND [OPTIONS]\n\n", group->name);
    print_commands(group->commands, to);
    fprintf(to, "\ntombolo help %s COMMAND tells what a command takes.\n", group->name);
    print_exit_codes(to);
}

/* group: NULL for the commands that are in none. */
static void
print_command_help(const struct command *group, const struct command *c, FILE *to)
{
    fprintf(to, "usage: tombolo %s%s%s [OPTIONS]%s%s\n\n%s\n\n", group != NULL ? group->name : "", group != NULL ? " " : "",
            c->name, c->operands != NULL ? " " : "", c->operands != NULL ? c->operands : "", c->help);
    for (const struct cli_option_help *o = option_help; o->help != NULL; o++)
        if (strchr(c->takes, o->letter) != NULL)
            fputs(o->help, to);
    print_exit_codes(to);
}

static enum exit_code
help_on_settings(void)
{
    struct tb_buf out = TB_BUF_INIT;

    tb_config_explain(&out);
    cli_print(&out);
    return FINE;
}

/* tombolo help [COMMAND [COMMAND]]; what is not there is NULL. */
static enum exit_code
run_help(const char *topic, const char *part)
{
    if (topic == NULL) {
        print_help(stdout);
        return FINE;
    }
    if (strcmp(topic, "settings") == 0)
        return help_on_settings();
    if (strcmp(topic, "man") == 0)
        return cli_man(commands, option_help);
    if (strcmp(topic, "bash") == 0)
        return cli_completion(commands, option_help);
    const struct command *c = find_command(commands, topic), *group = NULL;
    if (c != NULL && c->commands != NULL && part != NULL) {
        group = c;
        c = find_command(group->commands, part);
    }
    if (c == NULL) {
        fprintf(stderr, "tombolo: there is no help on %s%s%s\n", topic, group != NULL ? " " : "", group != NULL ? part : "");
        return MISUSED;
    }
    if (c->commands != NULL)
        print_group_help(c, stdout);
    else
        print_command_help(group, c, stdout);
    return FINE;
}

static bool
add_flag(struct options *o, const char *flag, const char *key, const char *value)
{
    if (o->n_flags == CLI_MAX_FLAGS) {
        fprintf(stderr, "tombolo: at most %d settings fit on a command line; use a file\n", CLI_MAX_FLAGS);
        return false;
    }
    o->flags[o->n_flags++] = (struct tb_config_flag){ .flag = flag, .key = key, .value = value };
    return true;
}

static bool
add_set(struct options *o, const char *text)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL) {
        fprintf(stderr, "tombolo: --set %s: it takes NAME=VALUE\n", text);
        return false;
    }
    char *name = tb_str_to_c((tb_str){ .p = text, .n = (size_t)(equals - text) });
    if (!add_flag(o, "--set", name, equals + 1)) {
        tb_free(name);
        return false;
    }
    o->names[o->n_flags - 1] = name;
    return true;
}

static const char *
name_of(int letter)
{
    const struct option *o = long_options;

    while (o->name != NULL && o->val != letter)
        o++;
    return o->name;
}

static bool
take_option(struct options *o, const struct command *c, int letter, char **argv)
{
    if (letter == ':') {
        fprintf(stderr, "tombolo: %s needs a value\n", argv[optind - 1]);
        return false;
    }
    if (letter == '?' || strchr(c->takes, letter) == NULL) {
        fprintf(stderr, "tombolo: %s does not take %s%s; see tombolo help\n", c->name, letter == '?' ? "" : "--",
                letter == '?' ? argv[optind - 1] : name_of(letter));
        return false;
    }
    switch (letter) {
    case 'c': o->config_path = optarg; return true;
    case 'd': return add_flag(o, "--data", "server.data", optarg);
    case 'h': return add_flag(o, "--host", "server.host", optarg);
    case 'p': return add_flag(o, "--port", "server.port", optarg);
    case 's': return add_set(o, optarg);
    case 'f': o->from = optarg; return true;
    case 'n': o->is_dry_run = true; return true;
    case 'S': o->is_self_signed = true; return true;
    case 'D': o->days = optarg; return true;
    case 'w': o->password_from_stdin = true; return true;
    case 'm': o->match = optarg; return true;
    case 'k': o->only_parked = true; return true;
    case 'F': o->is_forced = true; return true;
    case 'T': o->takes_over = true; return true;
    case 'u': o->url = optarg; return true;
    case 'i': o->interval = optarg; return true;
    case 'o': o->is_once = true; return true;
    case 'l': o->limit = optarg; return true;
    case 'a': o->after = optarg; return true;
    case 'j': o->as_json = true; return true;
    case 'H': o->wants_help = true; return true;
    }
    return false;
}

/* argv[0] is the command's name. */
static bool
take_options(struct options *o, const struct command *c, int argc, char **argv)
{
    int letter;

    opterr = 0;
    while ((letter = getopt_long(argc, argv, ":", long_options, NULL)) != -1)
        if (!take_option(o, c, letter, argv))
            return false;
    if (optind < argc && c->operands == NULL) {
        fprintf(stderr, "tombolo: %s does not take %s; see tombolo help\n", c->name, argv[optind]);
        return false;
    }
    o->operands = argv + optind;
    o->n_operands = (size_t)(argc - optind);
    return true;
}

static enum exit_code
run_command(const struct command *group, const struct command *c, int argc, char **argv)
{
    struct options o = { 0 };
    enum exit_code code = MISUSED;

    if (take_options(&o, c, argc, argv)) {
        if (o.wants_help)
            code = run_help(group != NULL ? group->name : c->name, group != NULL ? c->name : NULL);
        else
            code = c->run(&o);
    }
    for (size_t i = 0; i < o.n_flags; i++)
        tb_free(o.names[i]);
    return code;
}

static bool
is_one_of(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

static bool
asks_for_help(const char *word)
{
    return is_one_of(word, "help", "--help", "-h");
}

static enum exit_code
run_in_group(const struct command *group, int argc, char **argv)
{
    if (argc < 2) {
        print_group_help(group, stderr);
        return MISUSED;
    }
    if (asks_for_help(argv[1]))
        return run_help(group->name, argv[2]);
    const struct command *c = find_command(group->commands, argv[1]);
    if (c == NULL) {
        fprintf(stderr, "tombolo: there is no command %s %s; see tombolo help %s\n", group->name, argv[1], group->name);
        return MISUSED;
    }
    return run_command(group, c, argc - 1, argv + 1);
}

static enum exit_code
run(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return MISUSED;
    }
    if (asks_for_help(argv[1]))
        return run_help(argv[2], argc > 3 ? argv[3] : NULL);
    if (is_one_of(argv[1], "--version", "-v", "-V"))
        return run_version(&(struct options){ 0 });
    const struct command *c = find_command(commands, argv[1]);
    if (c == NULL) {
        fprintf(stderr, "tombolo: there is no command %s; see tombolo help\n", argv[1]);
        return MISUSED;
    }
    return c->commands != NULL ? run_in_group(c, argc - 1, argv + 1) : run_command(NULL, c, argc - 1, argv + 1);
}

int
main(int argc, char **argv)
{
    enum exit_code code = run(argc, argv);

    if (fflush(stdout) != 0 && code == FINE) {
        fprintf(stderr, "tombolo: standard output: %s\n", strerror(errno));
        code = FAILED;
    }
    return code;
}
