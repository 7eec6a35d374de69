#pragma once
/* The key under which tokens are signed: configured, or made once and kept beside the journal. There is no default.
 * Threads: main, at start. */
#include "tombolo/err.h"

enum { CHAT_SECRET_BYTES = 32 };        /* of a key that we make ourselves */

/* configured, when not empty, as it stands; else the key in <dir>/jwt.secret, which is made when there is none. *out
 * gets the bytes. TB_EIO: the file cannot be read or made, is open to others, or is no key of ours. */
enum tb_code chat_secret_load(const char *dir, tb_str configured, struct tb_buf *out, struct tb_err *e) TB_MUST_CHECK;
