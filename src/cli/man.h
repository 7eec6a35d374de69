#pragma once
/* The manual page tombolo(1), from the same tables as the help texts. */
#include "cli.h"

struct cli_option_help {
    char letter;      /* as in struct command's takes */
    const char *help; /* "  --name VALUE   what it does\n" */
};

/* As roff(7) on stdout. options ends with a row without help. */
enum exit_code cli_man(const struct command *commands, const struct cli_option_help *options);
