#pragma once
/* JSON of clients, as JavaScript takes it. Three things are valid by RFC 8259 and refused by jansson, and whole messages
 * would go for them: half a surrogate pair in a text (becomes U+FFFD, as in every browser that sends UTF-8), a NUL in a key
 * (likewise; no key of ours has one), and a number beyond a double (becomes a number that is too large for anything).
 * Threads: any. */
#include "tombolo/str.h"

#include <jansson.h>

/* Any value; numbers are doubles. NULL: no JSON, and *why says where. */
json_t *chat_json_load(tb_str text, json_error_t *why);
