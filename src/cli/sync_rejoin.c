/* tombolo sync enroll, rejoin: two names for one mechanism, so that whoever reads what the log tells him to do finds it. */
#include "sync.h"

#include "sync/rejoin.h"

#include <inttypes.h>
#include <stdio.h>

static void
tell(const struct sync_rejoin *r, bool as_json)
{
    if (as_json)
        printf("{\"changed\":%s,\"node\":%" PRIu32 ",\"common\":%" PRId64 ",\"ops\":%" PRId64 ",\"users\":%" PRId64
               ",\"rooms\":%" PRId64 ",\"messages\":%" PRId64 "}\n", r->was_needless ? "false" : "true", r->node, r->common,
               r->n_ops, r->n_users, r->n_rooms, r->n_messages);
    else if (r->was_needless)
        printf("There is nothing to do: start the server, and it joins the centre as it is.\n");
    else
        printf("This journal is node %" PRIu32 " now. %" PRId64 " changes after change %" PRId64 " have been issued again: %" PRId64
               " users, %" PRId64 " rooms and %" PRId64 " messages have new ids.\n"
               "Tokens from before are not taken any more: people log in again.\n", r->node, r->n_ops, r->common, r->n_users,
               r->n_rooms, r->n_messages);
}

enum exit_code
cli_sync_rejoin(const struct options *o)
{
    struct tb_config c;
    struct tb_err    e = { 0 };

    if (!cli_load(o, &c))
        return MISUSED;
    struct sync_rejoin r = { .dir = c.server.data, .url = c.sync.url, .clock = &tb_clock_system, .io_timeout_ms = CLI_PATIENT_MS,
                             .connect_timeout_ms = (int)c.sync.connect_timeout_ms, .node = (uint32_t)c.sync.node };
    if (c.sync.url[0] == '\0')
        tb_fail(&e, TB_EINPUT, NULL, "there is no centre: sync.url is not set");
    else
        TB_TRY(sync_rejoin(&r, &e));
    tb_config_fini(&c);
    if (e.code != TB_OK)
        return cli_failed(&e);
    tell(&r, o->as_json);
    return FINE;
}
