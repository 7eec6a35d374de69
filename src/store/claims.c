/* Bodies of claims.h. */
#include "claims.h"

#include "base/log.h"
#include "queries.h"

#include <inttypes.h>

enum { LOSERS_MAX = 16 }; /* users of this site with one e-mail; there is seldom more than one */

struct loser {
    int64_t user_id, stamp;
    tb_str email;
};

/* It names the one claim that lost, so that whoever claims the e-mail for him elsewhere at this moment is judged anew, there,
 * and all sites see the same whatever came first. */
static enum tb_code
park(struct journal *j, const struct loser *loser, struct tb_err *e)
{
    struct op op = journal_begin(j, OP_EMAIL_PARKED);

    op.email_parked.user_id = loser->user_id;
    op.email_parked.email = loser->email;
    op.email_parked.stamp = loser->stamp;
    j->n_emails_parked++;
    log_warn("sync.email_parked", "user=%" PRId64, loser->user_id);
    return journal_append(j, &op, e);
}

/* Those of our users who claim that e-mail and are not the first to do so lose it. */
static enum tb_code
judge_email(struct journal *j, tb_str email, struct tb_err *e)
{
    struct tb_arena mem = { 0 };
    struct loser losers[LOSERS_MAX];
    size_t n = 0;
    sqlite3_stmt *st = db_query(&j->db, Q_LOST_EMAILS, ARGS(T(op_email_key(email, &mem)), I(j->self.node)), e);

    while (db_next(&j->db, st, e)) {
        losers[n++] = (struct loser){ .user_id = db_col_int(st, 0),
                                      .email = tb_arena_str(&mem, db_col_text(st, 1)),
                                      .stamp = db_col_int(st, 2) };
        if (n == LOSERS_MAX) {
            db_done(st);
            break;
        }
    }
    for (size_t i = 0; i < n && e->code == TB_OK; i++)
        TB_TRY(park(j, &losers[i], e));
    tb_arena_fini(&mem);
    return e->code;
}

enum tb_code
claims_judge(struct journal *j, const struct op *op, struct tb_err *e)
{
    struct tb_arena mem = { 0 };
    tb_str email = TB_STR_NULL;

    if (op->kind != OP_USER_REGISTERED && (op->kind != OP_PROFILE_CHANGED || op->profile_changed.email.p == NULL))
        return TB_OK;
    sqlite3_stmt *st = db_query(&j->db, Q_SENDER, ARGS(I(op_user(op))), e);
    if (db_next(&j->db, st, e)) {
        email = tb_arena_str(&mem, db_col_text(st, 1));
        db_done(st);
    }
    if (e->code == TB_OK && email.p != NULL)
        TB_TRY(judge_email(j, email, e));
    tb_arena_fini(&mem);
    return e->code;
}
