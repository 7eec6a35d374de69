#pragma once
/* The command line's end of the control socket (control.h). Threads: any; it waits for the answer. */
#include "tombolo/err.h"

#include <jansson.h>
#include <stdbool.h>

enum {
    CONTROL_MAX_ANSWER = 16 << 20,  /* bytes */
    CONTROL_ASK_MS = 30000,         /* how long an answer may take */
};

bool control_is_there(const char *dir);     /* whether a server listens in that folder */

/* What a line of answer says, as control_ask gives it. dir: for messages. */
enum tb_code control_take(const char *dir, tb_str answer, json_t **data, struct tb_err *e) TB_MUST_CHECK;

/* Asks the server of that data folder. *data is the caller's to json_decref. TB_ENOTFOUND: no server runs there. Otherwise
 * the code that the server gave (which may be that one, too: control_is_there tells them apart), or TB_EIO when it could not be
 * asked. */
enum tb_code control_ask(const char *dir, const char *line, json_t **data, struct tb_err *e) TB_MUST_CHECK;
enum tb_code control_ask_within(const char *dir, const char *line, int ms, json_t **data, struct tb_err *e) TB_MUST_CHECK;
