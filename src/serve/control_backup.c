/* Backups, as the command line asks for them: begun, looked at until it is there, and let go of once it was taken. */
#include "control_inside.h"

static struct store *
store_of(void *ctx)
{
    return ((struct serve_control *)ctx)->store;
}

enum tb_code
serve_backup_begin(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e)
{
    struct store_begin_backup r = { 0 };
    struct tb_mailbox        *inbox = serve_open_inbox(&r.op);

    (void)args;
    store_begin_backup(store_of(ctx), &r);
    serve_await(&inbox);
    *e = r.op.err;
    store_op_fini(&r.op);
    if (e->code != TB_OK)
        return e->code;
    tb_json_open_object(j);
    tb_json_key(j, "folder"), tb_json_str(j, TB_LIT(STORE_BACKUP_DIR));
    tb_json_end_object(j);
    return TB_OK;
}

static const char *
state_name(enum store_backup_state state)
{
    switch (state) {
    case STORE_BACKUP_NONE:    return "none";
    case STORE_BACKUP_RUNNING: return "running";
    case STORE_BACKUP_DONE:    return "done";
    case STORE_BACKUP_FAILED:  return "failed";
    }
    return "none";
}

enum tb_code
serve_backup_status(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e)
{
    struct store_backup now;

    (void)args, (void)e;
    store_backup_look(store_of(ctx), &now);
    tb_json_open_object(j);
    tb_json_key(j, "state"), tb_json_str(j, tb_str_of(state_name(now.state)));
    serve_put_int(j, "pages", now.pages);
    serve_put_int(j, "pagesDone", now.pages_done);
    serve_put_int(j, "position", now.pos);
    serve_put_int(j, "seq", now.seq);
    tb_json_key(j, "why"), tb_json_str(j, tb_str_is_utf8(tb_str_of(now.why)) ? tb_str_of(now.why) : TB_LIT("(not UTF-8)"));
    tb_json_end_object(j);
    return TB_OK;
}

enum tb_code
serve_backup_end(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e)
{
    struct store_end_backup r = { 0 };
    struct tb_mailbox      *inbox = serve_open_inbox(&r.op);

    (void)args;
    store_end_backup(store_of(ctx), &r);
    serve_await(&inbox);
    *e = r.op.err;
    store_op_fini(&r.op);
    return e->code == TB_OK ? serve_give_nothing(j) : e->code;
}
