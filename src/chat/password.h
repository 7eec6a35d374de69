#pragma once
/* Password hashes: Argon2id by libsodium, and bcrypt, which came from the backend that this one replaces.
 * Threads: any; slow and large on purpose (64 MiB and tens of ms at CHAT_COST_INTERACTIVE), so only on hashers. */
#include "tombolo/err.h"

enum chat_cost { CHAT_COST_MIN, CHAT_COST_INTERACTIVE, CHAT_COST_MODERATE };    /* in the order of tb_password_cost */

enum { CHAT_HASH_SIZE = 128 };                              /* crypto_pwhash_STRBYTES, with its NUL */

/* TB_EBUSY: there is no memory for it now. */
enum tb_code chat_password_hash(tb_str password, enum chat_cost cost, char out[CHAT_HASH_SIZE], struct tb_err *e)
    TB_MUST_CHECK;

/* TB_EAUTH: it is another password, or no hash that we know. TB_EBUSY as above. */
enum tb_code chat_password_verify(tb_str password, tb_str hash, struct tb_err *e) TB_MUST_CHECK;

/* All of a password that was verified counted for it. False: bcrypt looks at its first 72 bytes alone, so what follows may be
 * wrong, or may be missing: another hash must not be made of it. */
bool chat_password_is_whole(tb_str password, tb_str hash);

/* The hash is bcrypt, or cheaper than cost: worth replacing as soon as the password is known again. */
bool chat_password_is_weak(tb_str hash, enum chat_cost cost);

/* That a hash which came from elsewhere can be verified here. TB_EINPUT: it is neither bcrypt nor Argon2id, or
 * so dear that everybody would wait for it. */
enum tb_code chat_password_check_hash(tb_str hash, struct tb_err *e) TB_MUST_CHECK;

/* A hash of nothing, which no password fits and which takes as long to verify as one of this cost. */
void chat_password_dummy(enum chat_cost cost, char out[CHAT_HASH_SIZE]);
