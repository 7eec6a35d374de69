#pragma once
/* Completion of the command line in bash(1), from the same tables as the help texts. Threads: main. */
#include "man.h"

/* The script on stdout: source <(tombolo help bash). options ends with a row without help. */
enum exit_code cli_completion(const struct command *commands, const struct cli_option_help *options);
