#pragma once
/* What the commands of the command line share: how they are found, what they take and how they end. A group of commands has a
 * table of its own, which ends with a row without a name, and a row in the table above it.
 * Threads: main, before and beside any server. */
#include "config/config.h"

enum exit_code { FINE = 0, FAILED = 1, MISUSED = 2 };

#define CLI_EXIT_CODES                                                                                            \
    "It ends with 0 when all went well, 1 when it failed or check found faults, 2 when the command line or a\n" \
    "setting cannot be understood."

enum { CLI_MAX_FLAGS = 64 };            /* settings on one command line */

struct options {
    const char           *config_path;
    struct tb_config_flag flags[CLI_MAX_FLAGS];
    char                 *names[CLI_MAX_FLAGS];     /* of --set, cut out of its argument; to be freed */
    size_t                n_flags;
    bool                  as_json, wants_help;
    char                **operands;                 /* what follows the options; of commands that take any */
    size_t                n_operands;
    const char           *from;                     /* of import; NULL: not given */
    bool                  is_dry_run;
    bool                  password_from_stdin, only_parked, is_forced, is_once, takes_over;
    const char           *url, *interval;           /* NULL: not given */
    const char           *match, *limit, *after;    /* of lists; NULL: not given */
    bool                  is_self_signed;
    const char           *days;                     /* of cert; NULL: not given */
};

struct command {
    const char           *name;
    const char           *takes;        /* which options, by letter; see main.c */
    enum exit_code      (*run)(const struct options *);
    const char           *help;
    const char           *operands;     /* how help calls them; NULL: it takes none */
    const struct command *commands;     /* of a group, which has nothing else but name and help */
};

/* The settings in force; false once it has said what is wrong: MISUSED. */
bool cli_load(const struct options *o, struct tb_config *c);

/* For commands that may open the journal themselves: as cli_load, and the log says only what goes wrong. */
bool cli_load_quietly(const struct options *o, struct tb_config *c);

void cli_print(struct tb_buf *out);     /* to stdout, and frees it */

enum exit_code cli_import(const struct options *o);
enum exit_code cli_cert(const struct options *o);

extern const struct command cli_sync_commands[];    /* tombolo sync ... */
extern const struct command cli_user_commands[];    /* tombolo user ... */
