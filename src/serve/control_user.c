/* Accounts, as the operator makes them. Passwords come as hashes: what the command line has asked for it has hashed itself, so
 * that no password goes through here. Names are judged as those of people who register are. */
#include "control_inside.h"

#include "chat/check.h"
#include "chat/password.h"

#include <jansson.h>

static enum tb_code
fail(struct tb_err *e)
{
    return tb_fail(e, TB_EINPUT, NULL, "the command's JSON cannot be understood");
}

static void
write_user(struct tb_json *j, const struct store_user *user)
{
    tb_json_open_object(j);
    serve_put_int(j, "id", user->id);
    tb_json_key(j, "email"), tb_json_str(j, user->email);
    tb_json_key(j, "username"), tb_json_str(j, user->username);
    serve_put_time(j, "createdAt", user->created_at);
    tb_json_key(j, "disabled"), tb_json_bool(j, user->is_disabled);
    tb_json_end_object(j);
}

/* Waits for the change and writes what it made of the user. */
static enum tb_code
answer(struct store_op *op, const struct store_user *user, struct tb_mailbox **inbox, struct tb_json *j, struct tb_err *e)
{
    serve_await(inbox);
    if (op->err.code == TB_OK)
        write_user(j, user);
    *e = op->err;
    store_op_fini(op);
    return e->code;
}

static enum tb_code
add(struct store *store, struct store_add_user *r, struct tb_json *j, struct tb_err *e)
{
    if (chat_check_email(&r->email, e) != TB_OK || chat_check_username(&r->username, e) != TB_OK ||
        chat_password_check_hash(r->password_hash, e) != TB_OK)
        return e->code;
    struct tb_mailbox *inbox = serve_open_inbox(&r->op);
    store_add_user(store, r);
    return answer(&r->op, &r->user, &inbox, j, e);
}

enum tb_code
serve_user_add(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e)
{
    json_t               *given = json_loadb(args.n > 0 ? args.p : "", args.n, 0, NULL);
    struct store_add_user r = { 0 };

    if (json_unpack(given, "{s:s%, s:s%, s:s%}", "email", &r.email.p, &r.email.n, "username", &r.username.p, &r.username.n,
                    "hash", &r.password_hash.p, &r.password_hash.n) != 0)
        fail(e);
    else
        TB_TRY(add(((struct serve_control *)ctx)->store, &r, j, e));
    json_decref(given);
    return e->code;
}

static enum tb_code
change(struct store *store, struct store_change_user *r, struct tb_json *j, struct tb_err *e)
{
    struct tb_mailbox *inbox = serve_open_inbox(&r->op);

    store_change_user(store, r);
    return answer(&r->op, &r->user, &inbox, j, e);
}

enum tb_code
serve_user_password(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e)
{
    json_t                  *given = json_loadb(args.n > 0 ? args.p : "", args.n, 0, NULL);
    struct store_change_user r = { 0 };
    json_int_t               id = 0;

    if (json_unpack(given, "{s:I, s:s%}", "id", &id, "hash", &r.password_hash.p, &r.password_hash.n) != 0)
        fail(e);
    r.user_id = id;
    if (e->code == TB_OK && chat_password_check_hash(r.password_hash, e) == TB_OK)
        TB_TRY(change(((struct serve_control *)ctx)->store, &r, j, e));
    json_decref(given);
    return e->code;
}

enum tb_code
serve_user_lock(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e)
{
    json_t                  *given = json_loadb(args.n > 0 ? args.p : "", args.n, 0, NULL);
    struct store_change_user r = { 0 };
    json_int_t               id = 0;
    int                      is_disabled = 0;

    if (json_unpack(given, "{s:I, s:b}", "id", &id, "disabled", &is_disabled) != 0)
        fail(e);
    r.user_id = id;
    r.lock = is_disabled ? STORE_DISABLE : STORE_ENABLE;
    if (e->code == TB_OK)
        TB_TRY(change(((struct serve_control *)ctx)->store, &r, j, e));
    json_decref(given);
    return e->code;
}

enum tb_code
serve_user_email(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e)
{
    json_t                  *given = json_loadb(args.n > 0 ? args.p : "", args.n, 0, NULL);
    struct store_change_user r = { 0 };
    json_int_t               id = 0;

    if (json_unpack(given, "{s:I, s:s%}", "id", &id, "email", &r.email.p, &r.email.n) != 0)
        fail(e);
    r.user_id = id;
    if (e->code == TB_OK && chat_check_email(&r.email, e) == TB_OK)
        TB_TRY(change(((struct serve_control *)ctx)->store, &r, j, e));
    json_decref(given);
    return e->code;
}
