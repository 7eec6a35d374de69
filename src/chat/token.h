#pragma once
/* The tokens that clients bear: JWT (RFC 7519), HS256 and nothing else, claims {id,email,gen,iss,iat,exp}.
 * gen is the account's generation (struct store_who): an id alone may name somebody else after a restore.
 * Threads: the loop. */
#include "base/clock.h"
#include "store/store.h"
#include "tombolo/err.h"

enum { CHAT_TOKEN_MAX = 4096 };     /* bytes: ours have 300; what is longer is not looked at */
enum { CHAT_ISSUER_MAX = 40 };      /* a uuid and its NUL */

struct chat_token_settings {
    tb_str      secret;             /* the HMAC key */
    const char *issuer;             /* what ours carry: the uuid of this journal or of its centre */
    const char *also;               /* the other one, taken as well; NULL: there is none */
    unsigned    days;               /* until they expire */
    int64_t     after;              /* ms; those that were made up to here are of another journal; 0: any time */
    int64_t     lost_from, lost_upto;   /* ms; those that were made in between are lost with what was made then; 0: none */
    bool        legacy;             /* take those without iss: the backend's that this one replaces */
};

struct chat_claims {
    struct store_who who;           /* whether it is still theirs, the journal says */
    int64_t          expires_at;    /* ms */
};

struct chat_tokens;
void chat_tokens_open(struct chat_tokens **out, const struct chat_token_settings *settings);
void chat_tokens_close(struct chat_tokens **t);         /* wipes the key */

/* The journal's centre is known now: what is made from here on is good at all its sites, what was made before stays good here. */
void chat_tokens_set_centre(struct chat_tokens *, const char *uuid);

/* The caller frees it with tb_free. now: ms. NULL: the e-mail, which may be of an old database, is no UTF-8. */
char *chat_token_make(const struct chat_tokens *, const struct store_user *user, int64_t now);

/* What stands behind the scheme in an Authorization header's value. The scheme is Bearer (RFC 6750) or, since the old backend
 * took any word, Token or JWT, in any case (RFC 9110 section 11.1). Without such a scheme: the value itself. */
tb_str chat_token_in(tb_str value);

/* TB_EAUTH: not one of ours, changed, or expired. */
enum tb_code chat_token_read(const struct chat_tokens *, tb_str token, int64_t now, struct chat_claims *out,
                             struct tb_err *e) TB_MUST_CHECK;
