#pragma once
/* What names, addresses and texts may look like. Each gives TB_OK, or TB_EINPUT with a text for the person.
 * Threads: any; pure. Text is UTF-8 already: the JSON reader lets nothing else in. */
#include "tombolo/err.h"

enum { CHAT_EMAIL_MIN = 3, CHAT_EMAIL_MAX = 254 };      /* bytes; the upper one is RFC 5321's */
enum { CHAT_USERNAME_MAX = 64 };                        /* characters */
enum { CHAT_KEY_MAX = 200 };                            /* bytes of an idempotency key */
enum { CHAT_PASSWORD_MIN = 8, CHAT_PASSWORD_MAX = 1024 };   /* bytes; the default, and what bounds what a peer makes us hash */

/* Said when a field is blank, and by the doors when it is missing. */
#define CHAT_SAY_NO_NAME    "Room name is required"
#define CHAT_SAY_NO_CONTENT "Message content cannot be empty"
#define CHAT_SAY_NO_IDS     "messageIds must be a non-empty array"

/* *s is trimmed first. An e-mail has one @ with something on both sides, no blanks, no control characters: whether mail
 * arrives there nobody can see from here. Names and addresses hold only what can be seen: see base/unicode.h. */
enum tb_code chat_check_email(tb_str *s, struct tb_err *e) TB_MUST_CHECK;
enum tb_code chat_check_username(tb_str *s, struct tb_err *e) TB_MUST_CHECK;
enum tb_code chat_check_room_name(tb_str *s, size_t max_chars, struct tb_err *e) TB_MUST_CHECK;

enum tb_code chat_check_password(size_t n_bytes, unsigned min_bytes, struct tb_err *e) TB_MUST_CHECK;
enum tb_code chat_check_content(tb_str *s, size_t max_bytes, struct tb_err *e) TB_MUST_CHECK;   /* also TB_ETOOBIG */

/* An idempotency key: 1..CHAT_KEY_MAX bytes of UTF-8 without control characters. */
enum tb_code chat_check_key(tb_str key, struct tb_err *e) TB_MUST_CHECK;
