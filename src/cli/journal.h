#pragma once
/* The journal as commands of the operator change it: by the server that runs on its folder, or, when none does, in this process.
 * Either way the same commands (serve/control.h) become the same ops. Nobody else can come in between: who has the journal has
 * the folder's lock.
 * Threads: main. */
#include "config/config.h"

#include <jansson.h>

struct cli_journal;

/* TB_ENOTFOUND: there is no journal in that folder; why says so. */
enum tb_code cli_journal_find(const char *dir, struct tb_err *e) TB_MUST_CHECK;

/* Finds out what is there; opens nothing yet. c is borrowed until cli_journal_close. */
void cli_journal_open(struct cli_journal **out, const struct tb_config *c);
void cli_journal_close(struct cli_journal **j); /* accepts NULL inside */

/* Has a command done. args: NULL for none, else an object that goes with the call. data: NULL, or it becomes the caller's to
 * json_decref. Fails with the command's code, or with TB_EIO: the journal cannot be had. */
enum tb_code cli_journal_ask(struct cli_journal *j, const char *command, json_t *args, json_t **data,
                             struct tb_err *e) TB_MUST_CHECK;

bool cli_journal_is_served(const struct cli_journal *j); /* the last one was done by a server */
