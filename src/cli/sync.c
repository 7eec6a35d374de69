/* tombolo sync ...: the operator's side of sync. What the journal knows is read from it, what the centre knows is asked there, and
 * what only a running server knows or may do is asked by its control socket; each command says what it could not reach. */
#include "sync.h"

#include "control/client.h"
#include "journal.h"
#include "sync/sync.h"
#include "sync/target.h"
#include "sync/verify.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- what most of them need ---- */

enum tb_code
cli_open_centre(const struct tb_config *c, int io_timeout_ms, struct sync_centre **out, struct tb_err *e)
{
    if (c->sync.url[0] == '\0')
        return tb_fail(e, TB_EINPUT, NULL, "there is no centre: sync.url is not set");
    return sync_centre_open(out, &(struct sync_centre_settings){ .url = c->sync.url, .io_timeout_ms = io_timeout_ms,
                                                                 .connect_timeout_ms = (int)c->sync.connect_timeout_ms }, e);
}

enum tb_code
cli_open_usual_centre(const struct tb_config *c, struct sync_centre **out, struct tb_err *e)
{
    return cli_open_centre(c, (int)c->sync.io_timeout_ms, out, e);
}

enum tb_code
cli_open_both(const struct tb_config *c, int io_timeout_ms, struct store_inspector **journal, struct sync_centre **centre,
              struct tb_err *e)
{
    struct sync_centre_facts facts;

    if (store_inspect(c->server.data, journal, e) != TB_OK || cli_open_centre(c, io_timeout_ms, centre, e) != TB_OK)
        return e->code;
    const struct store_identity *me = store_inspect_identity(*journal);
    if (sync_centre_facts(*centre, me->node, &facts, e) != TB_OK)
        return e->code;
    if (me->centre_uuid[0] == '\0')
        return tb_fail(e, TB_ECONFLICT, NULL, "this journal has not enrolled at a centre yet");
    if (facts.schema > 0 && facts.journal_uuid[0] != '\0' && strcmp(facts.journal_uuid, me->journal_uuid) != 0)
        return tb_fail(e, TB_ECONFLICT, NULL, "node %" PRIu32 " of that centre belongs to journal %s, this is %s", me->node,
                       facts.journal_uuid, me->journal_uuid);
    return TB_OK;
}

/* ---- tombolo sync conflicts ---- */

static void
add_conflict(void *ctx, const struct store_conflict *conflict)
{
    struct cli_listing *l = ctx;
    char                iso[TB_ISO_SIZE];

    cli_listing_flush(l);
    l->n++;
    if (l->as_json) {
        tb_json_open_object(&l->json);
        cli_put_int(&l->json, "id", conflict->id);
        cli_put_str(&l->json, "username", conflict->username);
        cli_put_str(&l->json, "email", conflict->email);
        cli_put_time(&l->json, "since", conflict->since);
        tb_json_end_object(&l->json);
        return;
    }
    tb_str since = conflict->since != 0 ? tb_time_iso(conflict->since, iso) : TB_LIT("(long ago)");
    tb_buf_printf(&l->out, "user %-12" PRId64 " since %-24.*s  ", conflict->id, TB_STR_ARG(since));
    cli_add_plain(&l->out, conflict->email);
    tb_buf_add(&l->out, TB_LIT("  "));
    cli_add_plain(&l->out, conflict->username);
    tb_buf_add_char(&l->out, '\n');
}

static enum exit_code
run_conflicts(const struct options *o)
{
    struct store_inspector *journal = NULL;
    struct tb_config        c;
    struct tb_err           e = { 0 };
    struct cli_listing      l;

    if (!cli_load(o, &c))
        return MISUSED;
    cli_listing_begin(&l, o->as_json, "conflicts");
    if (store_inspect(c.server.data, &journal, &e) == TB_OK)
        TB_TRY(store_inspect_conflicts(journal, add_conflict, &l, &e));
    if (e.code == TB_OK) {
        cli_listing_end(&l, "No e-mail of a user here belongs to another account.");
        cli_print(&l.out);
    }
    tb_buf_fini(&l.out);
    store_inspect_end(&journal);
    tb_config_fini(&c);
    return e.code == TB_OK ? FINE : cli_failed(&e);
}

/* ---- tombolo sync pause, resume ---- */

/* A server that runs keeps the wish itself. Without one it is left in the data folder for the next. */
static enum tb_code
set_paused(const struct tb_config *c, bool is_paused, bool *is_running, struct tb_err *e)
{
    json_t *data = NULL;

    if (c->sync.url[0] == '\0')
        return tb_fail(e, TB_EINPUT, NULL, "there is no centre: sync.url is not set");
    *is_running = control_ask(c->server.data, is_paused ? "sync-pause" : "sync-resume", &data, e) == TB_OK;
    if (*is_running)
        json_decref(data);
    if (*is_running || e->code != TB_ENOTFOUND)
        return e->code;
    *e = (struct tb_err){ 0 };
    return sync_pause_in(c->server.data, is_paused, e);
}

static enum exit_code
pause_or_resume(const struct options *o, bool is_paused)
{
    struct tb_config c;
    struct tb_err    e = { 0 };
    bool             is_running = false;

    if (!cli_load(o, &c))
        return MISUSED;
    enum tb_code code = set_paused(&c, is_paused, &is_running, &e);
    tb_config_fini(&c);
    if (code != TB_OK)
        return cli_failed(&e);
    if (o->as_json)
        printf("{\"running\":%s,\"paused\":%s}\n", is_running ? "true" : "false", is_paused ? "true" : "false");
    else
        printf("Sync %s%s.\n", is_paused ? "rests until tombolo sync resume" : "goes on",
               is_running ? "" : ", from the next start of the server");
    return FINE;
}

static enum exit_code
run_pause(const struct options *o)
{
    return pause_or_resume(o, true);
}

static enum exit_code
run_resume(const struct options *o)
{
    return pause_or_resume(o, false);
}

/* ---- tombolo sync alone ---- */

static enum exit_code
run_alone(const struct options *o)
{
    struct tb_config    c;
    struct tb_err       e = { 0 };
    struct cli_journal *j = NULL;

    if (!cli_load_quietly(o, &c))
        return MISUSED;
    if (cli_journal_find(c.server.data, &e) == TB_OK) {
        cli_journal_open(&j, &c);
        TB_TRY(cli_journal_ask(j, "sync-alone", NULL, NULL, &e));
        cli_journal_close(&j);
    }
    tb_config_fini(&c);
    if (e.code != TB_OK)
        return cli_failed(&e);
    puts(o->as_json ? "{\"alone\":true}" : "Changes wait for the centre no longer.");
    return FINE;
}

/* ---- tombolo sync verify ---- */

static void
add_difference(void *ctx, const struct sync_difference *d)
{
    static const char *const whose[SYNC_THING_COUNT] = {
        [SYNC_USER] = "", [SYNC_ROOM] = "", [SYNC_MEMBER] = " of room", [SYNC_MESSAGE] = "", [SYNC_RECEIPT] = " of message",
        [SYNC_CLAIM] = " of user", [SYNC_OP] = "",
    };
    struct cli_listing *l = ctx;

    cli_listing_flush(l);
    l->n++;
    if (l->as_json) {
        tb_json_open_object(&l->json);
        cli_put_str(&l->json, "what", tb_str_of(sync_thing_name(d->what)));
        cli_put_int(&l->json, d->what == SYNC_MEMBER ? "roomId" : d->what == SYNC_RECEIPT ? "messageId" : "id", d->id);
        if (d->user_id != 0)
            cli_put_int(&l->json, "userId", d->user_id);
        if (d->what == SYNC_OP)
            cli_put_int(&l->json, "node", d->node);
        cli_put_str(&l->json, "is", tb_str_of(sync_fault_name(d->is)));
        cli_put_bool(&l->json, "parked", d->is_parked);
        tb_json_end_object(&l->json);
        return;
    }
    tb_buf_printf(&l->out, "%s%s %" PRId64, sync_thing_name(d->what),
                  whose[d->what], d->id);
    if (d->user_id != 0)
        tb_buf_printf(&l->out, ", user %" PRId64, d->user_id);
    if (d->what == SYNC_OP)
        tb_buf_printf(&l->out, " of node %" PRIu32, d->node);
    tb_buf_printf(&l->out, ": %s%s\n", sync_fault_name(d->is), d->is_parked ? " (an op about it is parked)" : "");
}

static void
end_verify(struct cli_listing *l, const struct sync_verified *v)
{
    if (!l->as_json) {
        for (int i = 0; i < SYNC_THING_COUNT; i++)
            tb_buf_printf(&l->out, "%-8s %" PRId64 " here, %" PRId64 " there\n", sync_thing_name((enum sync_thing)i),
                          v->rows[i].here, v->rows[i].there);
        tb_buf_printf(&l->out, v->n_differences == 0 ? "No difference" : "%" PRId64 " differences", v->n_differences);
        tb_buf_printf(&l->out, ", apart from %" PRId64 " changes on their way", v->n_underway);
        if (v->n_pruned > 0)
            tb_buf_printf(&l->out, " and %" PRId64 " rows of history that have left this journal", v->n_pruned);
        tb_buf_add(&l->out, TB_LIT(".\n"));
        return;
    }
    tb_json_end_array(&l->json);
    for (int i = 0; i < SYNC_THING_COUNT; i++) {
        tb_json_key(&l->json, sync_thing_name((enum sync_thing)i));
        tb_json_open_object(&l->json);
        cli_put_int(&l->json, "here", v->rows[i].here);
        cli_put_int(&l->json, "there", v->rows[i].there);
        tb_json_end_object(&l->json);
    }
    cli_put_int(&l->json, "underway", v->n_underway);
    cli_put_int(&l->json, "pruned", v->n_pruned);
    cli_put_int(&l->json, "count", v->n_differences);
    tb_json_end_object(&l->json);
    cli_end_json(&l->json);
}

static enum exit_code
run_verify(const struct options *o)
{
    struct store_inspector *journal = NULL;
    struct sync_centre     *centre = NULL;
    struct sync_verified    v = { 0 };
    struct tb_config        c;
    struct tb_err           e = { 0 };
    struct cli_listing      l;

    if (!cli_load(o, &c))
        return MISUSED;
    cli_listing_begin(&l, o->as_json, "differences");
    if (cli_open_both(&c, CLI_PATIENT_MS, &journal, &centre, &e) == TB_OK)
        TB_TRY(sync_verify(journal, centre, add_difference, &l, &v, &e));
    if (e.code == TB_OK) {
        end_verify(&l, &v);
        cli_print(&l.out);
    }
    tb_buf_fini(&l.out);
    sync_centre_close(&centre);
    store_inspect_end(&journal);
    tb_config_fini(&c);
    if (e.code != TB_OK)
        return cli_failed(&e);
    return v.n_differences == 0 ? FINE : FAILED;
}

/* ---- tombolo sync migrate ---- */

/* As a server does it when it comes to the centre: by the same target. */
static enum tb_code
bring_up(const struct tb_config *c, struct tb_err *e)
{
    struct sync_mysql_settings settings = { .clock = &tb_clock_system, .connect_timeout_ms = (int)c->sync.connect_timeout_ms,
                                            .io_timeout_ms = CLI_PATIENT_MS };
    struct sync_target        *t = NULL;

    if (sync_mysql_new(&t, tb_str_of(c->sync.url), &settings, e) != TB_OK)
        return e->code;
    if (t->ops->connect(t, e) == TB_OK)
        TB_TRY(t->ops->migrate(t, e));
    t->ops->drop(t);
    t->ops->free(t);
    return e->code;
}

static enum tb_code
read_schema(const struct tb_config *c, int64_t *out, struct tb_err *e)
{
    struct sync_centre      *centre = NULL;
    struct sync_centre_facts facts = { 0 };

    if (cli_open_usual_centre(c, &centre, e) == TB_OK)
        TB_TRY(sync_centre_facts(centre, 0, &facts, e));
    sync_centre_close(&centre);
    *out = facts.schema;
    return e->code;
}

static enum exit_code
run_migrate(const struct options *o)
{
    struct tb_config c;
    struct tb_err    e = { 0 };
    int64_t          from = 0, to = 0;

    if (!cli_load(o, &c))
        return MISUSED;
    if (read_schema(&c, &from, &e) == TB_OK && bring_up(&c, &e) == TB_OK)
        TB_TRY(read_schema(&c, &to, &e));
    tb_config_fini(&c);
    if (e.code != TB_OK)
        return cli_failed(&e);
    if (o->as_json)
        printf("{\"from\":%" PRId64 ",\"to\":%" PRId64 ",\"known\":%" PRId64 "}\n", from, to, sync_schema_known());
    else if (from == to)
        printf("The centre has schema %" PRId64 "; there is nothing to do.\n", to);
    else
        printf("The centre had schema %" PRId64 " and has schema %" PRId64 " now.\n", from, to);
    return FINE;
}

const struct command cli_sync_commands[] = {
    { .name = "status", .takes = "cdsjH", .run = cli_sync_status,
      .help = "how the link stands, how far behind the centre is, and what needs a person" },
    { .name = "conflicts", .takes = "cdsjH", .run = run_conflicts,
      .help = "list the users whose e-mail the centre gave to another account" },
    { .name = "parked", .takes = "cdsjH", .run = cli_sync_parked,
      .help = "list our ops whose effect the centre has refused, and why" },
    { .name = "retry", .takes = "cdsjH", .run = cli_sync_retry, .operands = "[SEQ...]",
      .help = "send parked ops again, all of them or those named; needs the running server" },
    { .name = "pause", .takes = "cdsjH", .run = run_pause, .help = "let go of the centre until resume, also after a restart" },
    { .name = "resume", .takes = "cdsjH", .run = run_resume, .help = "end a pause" },
    { .name = "alone", .takes = "cdsjH", .run = run_alone,
      .help = "let people write before a restored or new journal has met its centre" },
    { .name = "verify", .takes = "cdsjH", .run = run_verify,
      .help = "compare what is here with what is at the centre, and name every difference" },
    { .name = "migrate", .takes = "cdsjH", .run = run_migrate, .help = "bring the centre's tables to this program's schema" },
    { .name = "enroll", .takes = "cdsjH", .run = cli_sync_rejoin,
      .help = "join a centre whose first number is another's: all that was written here gets new ids; with the server stopped" },
    { .name = "rejoin", .takes = "cdsjH", .run = cli_sync_rejoin,
      .help = "end \"diverged\": what the centre does not have of this journal gets new ids; with the server stopped" },
    { .name = NULL },
};
