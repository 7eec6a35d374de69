/* Registering, logging in, changing one's account. Each walks loop -> store and hasher -> loop, one step a function,
 * in the order of the file; every road ends in finish_*, where passwords are wiped.
 *
 * Nobody learns whether an e-mail is known: unknown ones take the same steps, against a hash that no password fits. */
#include "inside.h"

#include "base/log.h"

#include <sodium.h>

static void
wipe(struct chat_secret *s)
{
    sodium_memzero(s->p, s->n);
}

static tb_str
text_of(const struct chat_secret *s)
{
    return (tb_str){ .p = s->p, .n = s->n };
}

/* against.p NULL: makes a hash. */
static void
post_job(struct chat_call *call, struct chat_hash_job *job, const struct chat_secret *password, tb_str against,
         void (*on_done)(struct chat_hash_job *))
{
    job->reply_to = call->chat->mailbox;
    job->on_done = on_done;
    job->about = call->about;
    job->is_unwanted = call->is_unwanted;
    job->password = text_of(password);
    job->against = against;
    chat_hasher_post(call->chat->hasher, job);
}

/* Into mem, so that it goes with the call. A failure is in call->err. */
static tb_str
make_token(struct chat_call *call, const struct store_user *user, struct tb_arena *mem)
{
    char *made = chat_token_make(call->chat->tokens, user, tb_wall_ms(call->chat->clock));

    if (made == NULL)
        tb_fail(&call->err, TB_EINTERNAL, NULL, "no token for user %lld", (long long)user->id);
    tb_str token = tb_arena_str(mem, tb_str_of(made));
    tb_free(made);
    return token;
}

/* ---- register ---- */

static void
finish_register(struct chat_register *r)
{
    wipe(&r->password);
    chat_done(&r->call);
}

static void
on_user_added(struct store_op *op)
{
    struct chat_register *r = TB_CONTAINER(op, struct chat_register, add.op);

    r->user = &r->add.user;
    r->call.err = op->err;
    if (op->err.code == TB_OK)
        r->token = make_token(&r->call, r->user, &op->mem);
    finish_register(r);
}

static void
on_register_hashed(struct chat_hash_job *job)
{
    struct chat_register *r = TB_CONTAINER(job, struct chat_register, job);

    r->call.err = job->err;
    if (job->err.code != TB_OK) {
        finish_register(r);
        return;
    }
    r->add.email = r->email;
    r->add.username = r->username;
    r->add.password_hash = tb_str_of(job->hash);
    chat_ready(&r->call, &r->add.op, on_user_added);
    store_add_user(r->call.chat->store, &r->add);
}

/* Tries of the token are counted with those of passwords. */
static enum tb_code
check_may_register(const struct chat *c, tb_str token, struct tb_err *e)
{
    tb_str wanted = tb_buf_str(&c->registration_token);

    if (c->registration == CHAT_REGISTRATION_CLOSED)
        return tb_fail(e, TB_EDENIED, "Registration is closed", "auth.registration");
    if (c->registration == CHAT_REGISTRATION_TOKEN &&
        (token.n != wanted.n || sodium_memcmp(token.p, wanted.p, wanted.n) != 0))
        return tb_fail(e, TB_EDENIED, "Registration needs a registrationToken", "another registration token, or none");
    return TB_OK;
}

static enum tb_code
check_register(struct chat_register *r, struct tb_err *e)
{
    if (chat_check_email(&r->email, e) != TB_OK || chat_check_username(&r->username, e) != TB_OK ||
        chat_check_password(r->password.n, r->call.chat->limits.password_min, e) != TB_OK)
        return e->code;
    if (chat_gate_address(r->call.chat, r->call.peer, e) != TB_OK)
        return e->code;
    return check_may_register(r->call.chat, r->registration_token, e);
}

void
chat_register(struct chat *c, struct chat_register *r)
{
    chat_begin(c, &r->call);
    if (check_register(r, &r->call.err) != TB_OK)
        finish_register(r);
    else
        post_job(&r->call, &r->job, &r->password, TB_STR_NULL, on_register_hashed);
}

/* ---- login ---- */

static void
finish_login(struct chat_login *l)
{
    wipe(&l->password);
    chat_done(&l->call);
}

static void
finish_login_well(struct chat_login *l)
{
    l->user = &l->find.user;
    l->token = make_token(&l->call, l->user, &l->find.op.mem);
    finish_login(l);
}

/* The old hash still works, so a failed upgrade is no failed login. */
static void
on_upgraded(struct store_op *op)
{
    struct chat_login *l = TB_CONTAINER(op, struct chat_login, upgrade.op);

    if (op->err.code != TB_OK)
        log_warn("auth.upgrade_failed", "user=%lld why=\"%s\"", (long long)l->find.user.id, op->err.why);
    finish_login_well(l);
}

static void on_login_verified(struct chat_hash_job *job);

/* Only if the hash is still the one that was verified: a password set meanwhile must win. */
static void
upgrade(struct chat_login *l)
{
    l->upgrade.user_id = l->find.user.id;
    l->upgrade.password_hash = tb_str_of(l->job.hash);
    l->upgrade.only_if_hash = l->find.password_hash;
    l->upgrade.is_same_password = true;
    chat_ready(&l->call, &l->upgrade.op, on_upgraded);
    store_change_user(l->call.chat->store, &l->upgrade);
}

/* He is somebody else than the one who has the e-mail: an account that lost it? */
static bool
verify_next_loser(struct chat_login *l)
{
    if (l->n_losers_tried == l->find.n_parked)
        return false;
    post_job(&l->call, &l->job, &l->password, l->find.parked_hashes[l->n_losers_tried++], on_login_verified);
    return true;
}

static void
on_login_verified(struct chat_hash_job *job)
{
    struct chat_login *l = TB_CONTAINER(job, struct chat_login, job);
    bool               is_known = l->find.op.err.code == TB_OK;

    if (job->err.code == TB_EAUTH && verify_next_loser(l))
        return;
    l->call.err = job->err;
    if (job->err.code == TB_OK && !is_known)
        tb_fail(&l->call.err, TB_EAUTH, NULL, "the dummy hash was matched");
    if (job->err.code == TB_OK && is_known && (l->find.is_parked || l->n_losers_tried > 0))
        tb_fail(&l->call.err, TB_ECONFLICT, NULL, "e-mail of user %lld is parked", (long long)l->find.user.id);
    if (job->err.code == TB_OK && is_known && l->find.user.is_disabled)
        tb_fail(&l->call.err, TB_EDENIED, "This account is disabled", "user %lld", (long long)l->find.user.id);
    if (l->call.err.code == TB_EAUTH)
        l->call.err.say = "Invalid email or password";
    if (l->call.err.code != TB_OK)
        finish_login(l);
    else if (job->hash[0] != '\0')
        upgrade(l);
    else
        finish_login_well(l);
}

static void
on_login_found(struct store_op *op)
{
    struct chat_login *l = TB_CONTAINER(op, struct chat_login, find.op);

    if (op->err.code != TB_OK && op->err.code != TB_ENOTFOUND) {
        l->call.err = op->err;
        finish_login(l);
        return;
    }
    tb_str against = op->err.code == TB_OK ? l->find.password_hash : chat_hasher_dummy(l->call.chat->hasher);
    post_job(&l->call, &l->job, &l->password, against, on_login_verified);
}

void
chat_login(struct chat *c, struct chat_login *l)
{
    chat_begin(c, &l->call);
    l->email = tb_str_trim(l->email);
    if (chat_gate_email(c, l->email, l->call.peer, &l->call.err) != TB_OK) {
        finish_login(l);
        return;
    }
    l->find.email = l->email;
    chat_ready(&l->call, &l->find.op, on_login_found);
    store_find_login(c->store, &l->find);
}

/* ---- change ---- */

static void
finish_change(struct chat_change_me *m)
{
    wipe(&m->password);
    wipe(&m->current);
    chat_done(&m->call);
}

/* A new password ends all tokens of before, also the one that this call came with. */
static void
on_changed(struct store_op *op)
{
    struct chat_change_me *m = TB_CONTAINER(op, struct chat_change_me, change.op);

    m->user = &m->change.user;
    m->call.err = op->err;
    if (op->err.code == TB_OK && m->change.password_hash.p != NULL)
        m->token = make_token(&m->call, m->user, &op->mem);
    finish_change(m);
}

static void
change(struct chat_change_me *m, tb_str new_hash)
{
    m->change.user_id = m->call.user_id;
    m->change.email = m->email;
    m->change.username = m->username;
    m->change.password_hash = new_hash;
    chat_ready(&m->call, &m->change.op, on_changed);
    store_change_user(m->call.chat->store, &m->change);
}

static void
on_change_hashed(struct chat_hash_job *job)
{
    struct chat_change_me *m = TB_CONTAINER(job, struct chat_change_me, job);

    m->call.err = job->err;
    if (job->err.code != TB_OK)
        finish_change(m);
    else
        change(m, tb_str_of(job->hash));
}

static void
on_change_verified(struct chat_hash_job *job)
{
    struct chat_change_me *m = TB_CONTAINER(job, struct chat_change_me, job);

    m->call.err = job->err;
    if (job->err.code == TB_EAUTH)
        m->call.err.say = "currentPassword is not right";
    if (job->err.code != TB_OK)
        finish_change(m);
    else if (m->password.p != NULL)
        post_job(&m->call, job, &m->password, TB_STR_NULL, on_change_hashed);
    else
        change(m, TB_STR_NULL);
}

/* A token of ours whose user is not here: the journal was restored from before he came. */
static void
on_changer_found(struct store_op *op)
{
    struct chat_change_me *m = TB_CONTAINER(op, struct chat_change_me, find.op);

    if (op->err.code == TB_OK) {
        post_job(&m->call, &m->job, &m->current, m->find.password_hash, on_change_verified);
        return;
    }
    m->call.err = op->err;
    if (op->err.code == TB_ENOTFOUND)
        tb_fail(&m->call.err, TB_EAUTH, NULL, "no user %lld", (long long)m->call.user_id);
    finish_change(m);
}

static enum tb_code
check_change(struct chat_change_me *m, struct tb_err *e)
{
    if (m->email.p == NULL && m->username.p == NULL && m->password.p == NULL)
        return tb_fail(e, TB_EINPUT, "email, username or password is required", "nothing to change");
    if (m->email.p != NULL && chat_check_email(&m->email, e) != TB_OK)
        return e->code;
    if (m->username.p != NULL && chat_check_username(&m->username, e) != TB_OK)
        return e->code;
    if (m->password.p != NULL && chat_check_password(m->password.n, m->call.chat->limits.password_min, e) != TB_OK)
        return e->code;
    return chat_gate_user(m->call.chat, m->call.user_id, m->call.peer, e);
}

void
chat_change_me(struct chat *c, struct chat_change_me *m)
{
    chat_begin(c, &m->call);
    if (check_change(m, &m->call.err) != TB_OK) {
        finish_change(m);
        return;
    }
    m->find.user_id = m->call.user_id;
    chat_ready(&m->call, &m->find.op, on_changer_found);
    store_find_user(c->store, &m->find);
}
