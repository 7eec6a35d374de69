#pragma once
/* What the commands of tombolo sync share, and those that have a file of their own. Threads: main. */
#include "out.h"
#include "store/inspect.h"
#include "sync/centre.h"

enum { CLI_PATIENT_MS = 600000 };       /* the centre may count, or change tables, for long before it answers */

/* TB_EINPUT: there is none. Failing, nothing is open. */
enum tb_code cli_open_centre(const struct tb_config *c, int io_timeout_ms, struct sync_centre **out, struct tb_err *e)
    TB_MUST_CHECK;
enum tb_code cli_open_usual_centre(const struct tb_config *c, struct sync_centre **out, struct tb_err *e) TB_MUST_CHECK;

/* Both. TB_ECONFLICT: this journal is not enrolled there, or the centre has its node number from another one. Failing, what is
 * open is still the caller's to close. */
enum tb_code cli_open_both(const struct tb_config *c, int io_timeout_ms, struct store_inspector **journal,
                           struct sync_centre **centre, struct tb_err *e) TB_MUST_CHECK;

enum exit_code cli_sync_status(const struct options *o);
enum exit_code cli_sync_parked(const struct options *o);
enum exit_code cli_sync_retry(const struct options *o);
enum exit_code cli_sync_rejoin(const struct options *o);
