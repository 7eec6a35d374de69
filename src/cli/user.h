#pragma once
/* What the commands of tombolo user share, and those that have a file of their own. Threads: main. */
#include "journal.h"
#include "out.h"

/* Why a name, an address or a hash is refused, in words for the one who gave it. */
enum tb_code cli_user_judge(tb_str *email, tb_str *username, struct tb_err *e) TB_MUST_CHECK;
const char  *cli_user_why(const struct tb_err *e);

enum exit_code cli_user_import(const struct options *o);
