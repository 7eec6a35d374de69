#pragma once
/* A journal as the commands of the operator read it, beside a running server or without one: one read transaction, from
 * store_inspect to store_inspect_end. A server cannot shorten its WAL meanwhile, so it should not last for hours.
 * Threads: an inspector belongs to the thread that opened it. */
#include "store/follow.h"

struct store_inspector;

/* TB_ENOTFOUND: there is no journal in that folder. TB_EIO: it cannot be read, or is not of this program's schema. */
enum tb_code store_inspect(const char *dir, struct store_inspector **out, struct tb_err *e) TB_MUST_CHECK;
void         store_inspect_end(struct store_inspector **i);     /* accepts NULL inside */

const struct store_identity *store_inspect_identity(const struct store_inspector *i);

/* What has been applied of each other origin, by node. */
enum tb_code store_inspect_origins(struct store_inspector *i, void (*each)(void *ctx, uint32_t node, int64_t seq), void *ctx,
                                   struct tb_err *e) TB_MUST_CHECK;

/* Up to which message of each node number (its id >> 41) history has left this journal, but for the newest of each room. */
enum tb_code store_inspect_history_floors(struct store_inspector *i, void (*each)(void *ctx, uint32_t node, int64_t message_id),
                                          void *ctx, struct tb_err *e) TB_MUST_CHECK;

/* Up to which of their ops the journal has not all: they have left, or came as rows of the centre's tables. */
enum tb_code store_inspect_log_floors(struct store_inspector *i, void (*each)(void *ctx, uint32_t node, int64_t seq), void *ctx,
                                      struct tb_err *e) TB_MUST_CHECK;

struct store_claim {            /* of a user, to his e-mail */
    int64_t user_id, stamp, node;
    bool    is_parked;
    tb_str  key;                /* op_email_key; valid for the call */
};
/* Those of users after that one, by their ids; at most max. */
enum tb_code store_inspect_claims(struct store_inspector *i, int64_t after, size_t max,
                                  void (*each)(void *ctx, const struct store_claim *), void *ctx, struct tb_err *e) TB_MUST_CHECK;

struct store_conflict {         /* a user whose e-mail the centre gave to another account */
    int64_t id, since;          /* ms; 0: the op that said so has been pruned */
    tb_str  username, email;    /* valid for the call */
};
enum tb_code store_inspect_conflicts(struct store_inspector *i, void (*each)(void *ctx, const struct store_conflict *),
                                     void *ctx, struct tb_err *e) TB_MUST_CHECK;
enum tb_code store_inspect_count_conflicts(struct store_inspector *i, int64_t *out, struct tb_err *e) TB_MUST_CHECK;

struct store_account {          /* a user as lists show him */
    struct store_user user;     /* its texts are valid for the call */
    bool              is_parked;    /* the centre gave his e-mail to another account */
};
typedef void store_account_fn(void *ctx, const struct store_account *);

struct store_accounts {         /* which of them */
    int64_t after;              /* ids beyond this one, by id */
    int64_t limit;              /* so many at most */
    tb_str  match;              /* their e-mail or username holds this, whatever the case of ASCII letters; empty: any */
    bool    only_parked;
};
enum tb_code store_inspect_accounts(struct store_inspector *i, const struct store_accounts *which, store_account_fn *each,
                                    void *ctx, struct tb_err *e) TB_MUST_CHECK;

/* Those with this e-mail, the owner first: more than one when it is parked for some. */
enum tb_code store_inspect_email(struct store_inspector *i, tb_str email, store_account_fn *each, void *ctx, struct tb_err *e)
    TB_MUST_CHECK;

/* The position of the newest op, whose ever it is. */
int64_t store_inspect_head(const struct store_inspector *i);

/* An origin's ops with after < seq <= upto, as far as the journal has them, in order. Failing, each fills *e itself. */
enum tb_code store_inspect_ops(struct store_inspector *i, uint32_t node, int64_t after, int64_t upto,
                               enum tb_code (*each)(void *ctx, const struct store_entry *, struct tb_err *e), void *ctx,
                               struct tb_err *e) TB_MUST_CHECK;
