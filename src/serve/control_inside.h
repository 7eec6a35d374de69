#pragma once
/* What the commands of the control socket share, and those that have a file of their own. For src/serve/control*.c only.
 * Threads: as control.h. */
#include "control.h"
#include "store/store.h"

void serve_put_int(struct tb_json *j, const char *key, int64_t v);
void serve_put_time(struct tb_json *j, const char *key, int64_t ms);    /* null: 0 */
enum tb_code serve_give_nothing(struct tb_json *j);                     /* {} */

/* Makes a request ready to be posted; then waits until it is answered. */
struct tb_mailbox *serve_open_inbox(struct store_op *op);
void               serve_await(struct tb_mailbox **inbox);

enum tb_code serve_metrics(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e) TB_MUST_CHECK;
enum tb_code serve_health(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e) TB_MUST_CHECK;
enum tb_code serve_user_add(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e) TB_MUST_CHECK;
enum tb_code serve_user_password(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e) TB_MUST_CHECK;
enum tb_code serve_user_email(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e) TB_MUST_CHECK;
enum tb_code serve_user_lock(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e) TB_MUST_CHECK;
enum tb_code serve_backup_begin(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e) TB_MUST_CHECK;
enum tb_code serve_backup_status(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e) TB_MUST_CHECK;
enum tb_code serve_backup_end(void *ctx, tb_str args, struct tb_json *j, struct tb_err *e) TB_MUST_CHECK;
