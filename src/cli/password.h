#pragma once
/* How a command gets a password: never from its command line, which others can see and shells keep. Threads: main. */
#include "tombolo/err.h"

enum { CLI_PASSWORD_SIZE = 1026 }; /* the longest, a line end and a NUL */

/* Asks twice on the terminal, without echo; or takes the first line of standard input. The caller wipes it afterwards.
 * TB_EINPUT: there is no terminal, nothing was given, or the two differ. */
enum tb_code cli_password_get(bool from_stdin, unsigned min_bytes, char out[CLI_PASSWORD_SIZE], tb_str *password,
                              struct tb_err *e) TB_MUST_CHECK;
