#pragma once
/* One failure, told twice: `say` to the person, `why` to the log. STYLE section 5.
 * Threads: plain values; whoever holds them. */
#include "tombolo/str.h"

#include <stdint.h>

/* enum, code on the wire, HTTP status, what a person is told unless the failing line says it better */
#define TB_CODES(X)                                                                             \
    X(TB_EINPUT,    "bad_request",        400, "That request could not be understood")          \
    X(TB_EAUTH,     "unauthorized",       401, "Invalid or expired token")                      \
    X(TB_EDENIED,   "forbidden",          403, "You may not do that here")                      \
    X(TB_ENOTFOUND, "not_found",          404, "There is nothing here by that name")            \
    X(TB_EMETHOD,   "method_not_allowed", 405, "That cannot be done with this address")         \
    X(TB_ETIMEOUT,  "timeout",            408, "That took too long to arrive, try again")       \
    X(TB_ETAKEN,    "email_taken",        409, "User already exists with this email")           \
    X(TB_ECONFLICT, "email_conflict",     409, "This email belongs to another account, choose another") \
    X(TB_ETOOBIG,   "too_large",          413, "That is too large")                             \
    X(TB_EMEDIA,    "unsupported_media_type", 415, "That encoding is not understood here")     \
    X(TB_EREUSED,   "key_reused",         422, "This idempotency key was used for another message") \
    X(TB_ELIMIT,    "rate_limited",       429, "Too fast, try again in a moment")               \
    X(TB_EINTERNAL, "internal",           500, "Something went wrong here")                     \
    X(TB_EIO,       "internal",           503, "The server could not save that")                \
    X(TB_EBUSY,     "busy",               503, "The server is busy, try again in a moment")     \
    X(TB_EFULL,     "storage_full",       507, "The server has no room left, try again later")

enum tb_code {
    TB_OK,
#define X(name, wire, status, say) name,
    TB_CODES(X)
#undef X
    TB_CODE_COUNT
};

struct tb_err {
    enum tb_code code;
    uint32_t     retry_after_s; /* where waiting helps: seconds, else 0 */
    const char  *say;           /* static text, shown to the person */
    char         why[160];      /* for the log only; holds no quotes and no control characters */
};

#define TB_MUST_CHECK __attribute__((warn_unused_result))

/* Makes a must-check call whose failure is looked at in its struct tb_err, or does not matter. */
#define TB_TRY(call)         \
    do {                     \
        if ((call) != TB_OK) \
            (void)0;         \
    } while (0)

/* Fills *e and returns code. say: static text, or NULL for the code's own. why: printf. e may be NULL. */
enum tb_code tb_fail(struct tb_err *e, enum tb_code code, const char *say, const char *why, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "<why>: " in front of what *e says for the log and returns its code. e->code must not be TB_OK. */
enum tb_code tb_wrap(struct tb_err *e, const char *why, ...) __attribute__((format(printf, 2, 3)));

const char *tb_code_wire(enum tb_code code);    /* "bad_request"; TB_OK gives "ok" */
int         tb_code_status(enum tb_code code);  /* HTTP status; TB_OK gives 200 */
const char *tb_code_say(enum tb_code code);
