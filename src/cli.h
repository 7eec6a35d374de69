#pragma once
/* What the commands of the program share. Data goes to stdout, everything else to stderr. Threads: main. */
#include "config.h"

enum exit_code { FINE = 0, FAILED = 1, MISUSED = 2 };

enum { MAX_FLAGS = 64 };        /* settings on one command line */

struct options {
    const char           *config_path;
    struct tb_config_flag flags[MAX_FLAGS];
    char                 *names[MAX_FLAGS];     /* of --set, cut out of its argument; to be freed */
    size_t                n_flags;
    bool                  as_json, wants_help;
    const char           *from;                 /* of import; NULL: not given */
    bool                  is_dry_run;
};

/* The settings in force, or false and a line on stderr. */
bool cli_load(const struct options *o, struct tb_config *c);

/* To stdout, and frees it. */
void cli_print(struct tb_buf *out);

enum exit_code cli_import(const struct options *o);
