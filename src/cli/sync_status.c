/* tombolo sync status: three witnesses, the running server, the journal and the centre, and none of them must be there. */
#include "sync.h"

#include "control/client.h"
#include "sync/sync.h"
#include "sync/url.h"

#include <inttypes.h>

struct status {
    struct store_inspector  *journal;
    struct tb_err            no_journal;    /* why there is none to read */
    json_t                  *server;        /* NULL: none runs */
    struct sync_centre_facts centre;
    struct tb_err            no_centre;     /* why it was not asked; TB_OK: it was */
    int64_t                  n_conflicts;
    bool                     is_paused;
    char                    *address;       /* of the centre, without the password; NULL: there is none */
};

static char *
address_of(const char *url)
{
    struct sync_url u;
    struct tb_err   e = { 0 };
    struct tb_buf   out = TB_BUF_INIT;
    size_t          n;

    if (url[0] == '\0')
        return NULL;
    if (sync_url_parse(tb_str_of(url), &u, &e) != TB_OK)
        return tb_str_to_c(TB_LIT("(cannot be understood)"));
    tb_buf_printf(&out, "%s@%s:%u/%s", u.user, u.host, u.port, u.database);
    sync_url_fini(&u);
    return tb_buf_take(&out, &n);
}

static void
ask_centre(struct status *s, const struct tb_config *c)
{
    struct sync_centre *centre = NULL;
    uint32_t            node = s->journal != NULL ? store_inspect_identity(s->journal)->node : 0;

    if (cli_open_usual_centre(c, &centre, &s->no_centre) == TB_OK)
        TB_TRY(sync_centre_facts(centre, node, &s->centre, &s->no_centre));
    sync_centre_close(&centre);
}

/* Whatever is there. TB_OK also without a server, a journal and a centre: status says so. */
static enum tb_code
gather(struct status *s, const struct tb_config *c, struct tb_err *e)
{
    if (control_ask(c->server.data, "sync-status", &s->server, e) != TB_OK && e->code != TB_ENOTFOUND)
        return e->code;
    *e = (struct tb_err){ 0 };
    if (store_inspect(c->server.data, &s->journal, &s->no_journal) != TB_OK &&
        s->no_journal.code != TB_ENOTFOUND)
        *e = s->no_journal;
    else if (s->journal != NULL)
        TB_TRY(store_inspect_count_conflicts(s->journal, &s->n_conflicts, e));
    s->is_paused = s->server != NULL ? json_is_true(json_object_get(s->server, "isPaused"))
                                     : sync_is_paused_in(c->server.data);
    s->address = address_of(c->sync.url);
    return e->code;
}

static int64_t
server_int(const struct status *s, const char *key)
{
    return json_integer_value(json_object_get(s->server, key));
}

static const char *
server_text(const struct status *s, const char *key)
{
    return json_string_value(json_object_get(s->server, key));
}

/* It lacks changes which the centre has only in its tables any more. */
static bool
is_taking(const struct status *s)
{
    return json_is_integer(json_object_get(s->server, "takenRows"));
}

static int64_t
lag_ops(const struct status *s)
{
    if (s->server != NULL)
        return server_int(s, "lagOps");
    const struct store_identity *me = s->journal != NULL ? store_inspect_identity(s->journal) : NULL;
    return me != NULL ? me->own_seq - me->pushed_seq : 0;
}

/* What changes wait for, in the words of the control socket; NULL: nothing. Without a server what
 * its start will wait for, as far as the journal says. */
static const char *
awaits(const struct status *s)
{
    const struct store_identity *me = s->journal != NULL ? store_inspect_identity(s->journal) : NULL;

    if (s->server != NULL)
        return server_text(s, "awaits");
    bool was_restored = me != NULL && me->restored != STORE_NOT_RESTORED;
    return s->address != NULL && was_restored && me->centre_uuid[0] != '\0' ? "centre" : NULL;
}

/* It has written before it met a centre. */
static bool
is_alone(const struct status *s)
{
    const struct store_identity *me = s->journal != NULL ? store_inspect_identity(s->journal) : NULL;

    return s->address != NULL && me != NULL && me->centre_uuid[0] == '\0' && me->node == 0 &&
           me->own_seq > 0;
}

struct origin_list {
    struct tb_json *json;       /* or NULL: as text */
    struct tb_buf  *text;
};

static void
put_origin(void *ctx, uint32_t node, int64_t seq)
{
    struct origin_list *o = ctx;

    if (o->json != NULL) {
        tb_json_open_object(o->json);
        cli_put_int(o->json, "node", node);
        cli_put_int(o->json, "seq", seq);
        tb_json_end_object(o->json);
    } else {
        tb_buf_printf(o->text, "applied        op %" PRId64 " of node %" PRIu32 "\n", seq, node);
    }
}

static enum tb_code
write_journal_json(const struct status *s, struct tb_json *j, struct tb_err *e)
{
    struct origin_list           to = { .json = j };
    const struct store_identity *me;

    tb_json_key(j, "journal");
    if (s->journal == NULL) {
        tb_json_null(j);
        return TB_OK;
    }
    me = store_inspect_identity(s->journal);
    tb_json_open_object(j);
    cli_put_str(j, "uuid", tb_str_of(me->journal_uuid));
    cli_put_int(j, "node", me->node);
    cli_put_int(j, "epoch", me->epoch);
    cli_put_int(j, "ownSeq", me->own_seq);
    cli_put_int(j, "pushedSeq", me->pushed_seq);
    cli_put_str_or_null(j, "centre", me->centre_uuid);
    tb_json_key(j, "applied");
    tb_json_open_array(j);
    TB_TRY(store_inspect_origins(s->journal, put_origin, &to, e));
    tb_json_end_array(j);
    cli_put_int(j, "conflicts", s->n_conflicts);
    tb_json_end_object(j);
    return e->code;
}

/* Our row at the centre: before we enrol, somebody else's may have our number. */
static bool
is_enrolled(const struct status *s)
{
    return s->no_centre.code == TB_OK && s->centre.schema > 0 && s->journal != NULL &&
           strcmp(s->centre.journal_uuid, store_inspect_identity(s->journal)->journal_uuid) == 0;
}

static void
write_centre_json(const struct status *s, struct tb_json *j)
{
    bool is_ours = is_enrolled(s);

    tb_json_key(j, "centre");
    tb_json_open_object(j);
    cli_put_str_or_null(j, "address", s->address);
    cli_put_bool(j, "reached", s->no_centre.code == TB_OK);
    cli_put_str_or_null(j, "why", s->no_centre.code != TB_OK ? s->no_centre.why : NULL);
    cli_put_str_or_null(j, "uuid", s->centre.centre_uuid);
    cli_put_int_or_null(j, "schema", s->no_centre.code == TB_OK, s->centre.schema);
    cli_put_int(j, "schemaKnown", sync_schema_known());
    cli_put_int_or_null(j, "lastSeq", is_ours, s->centre.last_seq);
    cli_put_int_or_null(j, "parked", is_ours, s->centre.n_parked);
    tb_json_end_object(j);
}

static enum tb_code
write_status_json(const struct status *s, struct tb_buf *out, struct tb_err *e)
{
    struct tb_json j = tb_json_to(out);

    tb_json_open_object(&j);
    cli_put_bool(&j, "running", s->server != NULL);
    cli_put_str_or_null(&j, "state", server_text(s, "state"));
    cli_put_bool(&j, "paused", s->is_paused);
    cli_put_str_or_null(&j, "awaits", awaits(s));
    cli_put_bool(&j, "alone", is_alone(s));
    cli_put_int(&j, "lagOps", lag_ops(s));
    cli_put_int_or_null(&j, "lagSeconds", s->server != NULL, server_int(s, "lagSeconds"));
    cli_put_int_or_null(&j, "takenRows", is_taking(s), server_int(s, "takenRows"));
    cli_put_int_or_null(&j, "refused", s->server != NULL, server_int(s, "refused"));
    cli_put_str_or_null(&j, "lastSyncedAt", server_text(s, "lastSyncedAt"));
    cli_put_str_or_null(&j, "lastErrorAt", server_text(s, "lastErrorAt"));
    cli_put_str_or_null(&j, "lastError", server_text(s, "lastError"));
    enum tb_code code = write_journal_json(s, &j, e);
    write_centre_json(s, &j);
    tb_json_end_object(&j);
    cli_end_json(&j);
    return code;
}

static void
write_server_text(const struct status *s, struct tb_buf *out)
{
    if (s->server == NULL) {
        tb_buf_add(out, TB_LIT("server         none runs; what follows is what the journal knows\n"));
        return;
    }
    tb_buf_printf(out, "state          %s\n", server_text(s, "state"));
    tb_buf_printf(out, "last synced    %s\n", server_text(s, "lastSyncedAt") ? server_text(s, "lastSyncedAt") : "not since start");
    if (is_taking(s))
        tb_buf_printf(out, "taking         the centre's tables: %" PRId64 " rows so far\n", server_int(s, "takenRows"));
    if (server_int(s, "refused") > 0)
        tb_buf_printf(out, "refused        %" PRId64 " changes and rows from the centre since the start; the log says which and why\n",
                      server_int(s, "refused"));
    if (server_text(s, "lastErrorAt") != NULL)
        tb_buf_printf(out, "last error     %s: %s\n", server_text(s, "lastErrorAt"), server_text(s, "lastError"));
}

static enum tb_code
write_journal_text(const struct status *s, struct tb_buf *out, struct tb_err *e)
{
    struct origin_list           to = { .text = out };
    const struct store_identity *me;

    if (s->journal == NULL) {
        tb_buf_printf(out, "journal        %s\n", s->no_journal.why);
        return TB_OK;
    }
    me = store_inspect_identity(s->journal);
    tb_buf_printf(out, "journal        %s, node %" PRIu32 ", epoch %" PRIu32 "\n", me->journal_uuid, me->node, me->epoch);
    tb_buf_printf(out, "own ops        %" PRId64 ", at the centre up to %" PRId64 "\n", me->own_seq,
                  s->server != NULL ? server_int(s, "pushedSeq") : me->pushed_seq);
    tb_buf_printf(out, "conflicts      %" PRId64 "%s\n", s->n_conflicts, s->n_conflicts > 0 ? "; see tombolo sync conflicts" : "");
    return store_inspect_origins(s->journal, put_origin, &to, e);
}

static void
write_centre_text(const struct status *s, struct tb_buf *out)
{
    int64_t known = sync_schema_known();

    tb_buf_printf(out, "centre         %s\n", s->address != NULL ? s->address : "none: sync.url is not set");
    if (s->address == NULL)
        return;
    if (s->no_centre.code != TB_OK) {
        tb_buf_printf(out, "               not reached: %s\n", s->no_centre.why);
        return;
    }
    if (s->centre.schema == 0) {
        tb_buf_add(out, TB_LIT("               empty: the first server to come makes its tables, or tombolo sync migrate\n"));
        return;
    }
    tb_buf_printf(out, "               %s, schema %" PRId64 "%s\n", s->centre.centre_uuid[0] ? s->centre.centre_uuid : "nobody's yet",
                  s->centre.schema, s->centre.schema > known ? ", newer than this program knows"
                                    : s->centre.schema < known ? "; see tombolo sync migrate" : "");
    if (!is_enrolled(s))
        tb_buf_add(out, TB_LIT("               this journal has not enrolled there\n"));
    else
        tb_buf_printf(out, "parked         %" PRId64 "%s\n", s->centre.n_parked,
                      s->centre.n_parked > 0 ? "; see tombolo sync parked" : "");
}

static void
write_contact_text(const struct status *s, struct tb_buf *out)
{
    const char *what = awaits(s);

    if (what != NULL && strcmp(what, "number") == 0)
        tb_buf_add(out, TB_LIT("waits          for its number from the centre, for sync.first_contact_ms\n"
                               "               at most; writes are answered busy until then\n"));
    else if (what != NULL)
        tb_buf_add(out, TB_LIT("waits          for its centre since it was restored; writes are answered\n"
                               "               busy (tombolo sync alone lets people write before)\n"));
    if (is_alone(s))
        tb_buf_add(out, TB_LIT("alone          it has written as number 0 before it met the centre; if\n"
                               "               that number is another's, tombolo sync enroll gives it one\n"));
}

static enum tb_code
write_status_text(const struct status *s, struct tb_buf *out, struct tb_err *e)
{
    write_server_text(s, out);
    tb_buf_printf(out, "paused         %s\n", s->is_paused ? "yes; tombolo sync resume ends it" : "no");
    write_contact_text(s, out);
    if (s->server != NULL)
        tb_buf_printf(out, "behind         %" PRId64 " ops, %" PRId64 " s\n", lag_ops(s), server_int(s, "lagSeconds"));
    else
        tb_buf_printf(out, "behind         %" PRId64 " ops\n", lag_ops(s));
    enum tb_code code = write_journal_text(s, out, e);
    write_centre_text(s, out);
    return code;
}

enum exit_code
cli_sync_status(const struct options *o)
{
    struct status    s = { 0 };
    struct tb_config c;
    struct tb_err    e = { 0 };
    struct tb_buf    out = TB_BUF_INIT;

    if (!cli_load(o, &c))
        return MISUSED;
    if (gather(&s, &c, &e) == TB_OK) {
        ask_centre(&s, &c);
        TB_TRY(o->as_json ? write_status_json(&s, &out, &e) : write_status_text(&s, &out, &e));
    }
    if (e.code == TB_OK) {
        cli_print(&out);
        e = s.no_journal;       /* what there is was told; a folder without one is not what was meant */
    }
    tb_buf_fini(&out);
    tb_free(s.address);
    json_decref(s.server);
    store_inspect_end(&s.journal);
    tb_config_fini(&c);
    return e.code == TB_OK ? FINE : cli_failed(&e);
}
