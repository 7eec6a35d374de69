/* tombolo sync parked, retry: our ops whose effect the centre has refused. The centre has the list, the journal their bodies, and
 * the running server makes the new ops. */
#include "sync.h"

#include "control/client.h"
#include "store/op.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    PARKED_PAGE = 200,          /* rows asked for at once */
    BODY_SHOWN = 160,           /* bytes of an op's body that are shown */
};

/* ---- parked ---- */

struct parked_listing {
    struct cli_listing      l;
    struct store_inspector *journal;
    uint32_t                node;
    int64_t                 last;
    size_t                  n_of_page;
    struct tb_buf           body;
    struct tb_err           err;
};

static enum tb_code
keep_body(void *ctx, const struct store_entry *entry, struct tb_err *e)
{
    struct tb_buf *body = ctx;
    size_t         n = entry->body.n;

    (void)e;
    if (n > BODY_SHOWN) {
        n = BODY_SHOWN;
        while (n > 0 && ((unsigned char)entry->body.p[n] & 0xc0) == 0x80)
            n--;                /* not in the middle of a character */
    }
    tb_buf_add(body, (tb_str){ .p = entry->body.p, .n = n });
    if (n < entry->body.n)
        tb_buf_add(body, TB_LIT("..."));
    return TB_OK;
}

static const char *
kind_name(int kind)
{
    return kind > 0 && kind < OP_KIND_COUNT ? op_kind_name((enum op_kind)kind) : "unknown";
}

/* Of users' registrations and passwords only the fact is shown: their bodies hold hashes. */
static bool
is_secret(int kind)
{
    return kind == OP_USER_REGISTERED || kind == OP_PASSWORD_CHANGED;
}

static void
write_parked(struct parked_listing *p, const struct sync_parked *row)
{
    struct cli_listing *l = &p->l;

    cli_listing_flush(l);
    if (l->as_json) {
        tb_json_open_object(&l->json);
        cli_put_int(&l->json, "seq", row->seq);
        cli_put_str(&l->json, "kind", tb_str_of(kind_name(row->kind)));
        cli_put_int(&l->json, "code", row->code);
        cli_put_str(&l->json, "reason", row->reason);
        if (p->body.n > 0)
            cli_put_str(&l->json, "body", tb_buf_str(&p->body));
        else
            tb_json_key(&l->json, "body"), tb_json_null(&l->json);
        tb_json_end_object(&l->json);
        return;
    }
    tb_buf_printf(&l->out, "op %" PRId64 " %s: %" PRId64 " ", row->seq, kind_name(row->kind), row->code);
    cli_add_plain(&l->out, row->reason);
    tb_buf_add(&l->out, TB_LIT("\n    "));
    cli_add_plain(&l->out, p->body.n > 0      ? tb_buf_str(&p->body)
                       : is_secret(row->kind) ? TB_LIT("(not shown)")
                                              : TB_LIT("(not in the journal any more)"));
    tb_buf_add_char(&l->out, '\n');
}

static void
add_parked(void *ctx, const struct sync_parked *row)
{
    struct parked_listing *p = ctx;

    p->l.n++;
    p->n_of_page++;
    p->last = row->seq;
    tb_buf_clear(&p->body);
    if (p->err.code == TB_OK && !is_secret(row->kind))
        TB_TRY(store_inspect_ops(p->journal, p->node, row->seq - 1, row->seq, keep_body, &p->body, &p->err));
    write_parked(p, row);
}

/* The rows of the centre for our node, page by page, to each. */
static enum tb_code
list_parked(struct sync_centre *centre, struct parked_listing *p, struct tb_err *e)
{
    struct sync_centre_facts facts;

    if (sync_centre_facts(centre, p->node, &facts, e) != TB_OK || facts.schema == 0)
        return e->code;
    for (p->n_of_page = PARKED_PAGE; p->n_of_page == PARKED_PAGE;) {
        p->n_of_page = 0;
        if (sync_centre_parked(centre, p->node, p->last, PARKED_PAGE, add_parked, p, e) != TB_OK)
            return e->code;
        if (p->err.code != TB_OK) {
            *e = p->err;
            return e->code;
        }
    }
    return TB_OK;
}

enum exit_code
cli_sync_parked(const struct options *o)
{
    struct parked_listing p = { .journal = NULL };
    struct sync_centre   *centre = NULL;
    struct tb_config      c;
    struct tb_err         e = { 0 };

    if (!cli_load(o, &c))
        return MISUSED;
    cli_listing_begin(&p.l, o->as_json, "parked");
    if (cli_open_both(&c, (int)c.sync.io_timeout_ms, &p.journal, &centre, &e) == TB_OK) {
        p.node = store_inspect_identity(p.journal)->node;
        TB_TRY(list_parked(centre, &p, &e));
    }
    if (e.code == TB_OK) {
        cli_listing_end(&p.l, "The centre has refused none of our ops.");
        cli_print(&p.l.out);
    }
    tb_buf_fini(&p.l.out);
    tb_buf_fini(&p.body);
    sync_centre_close(&centre);
    store_inspect_end(&p.journal);
    tb_config_fini(&c);
    return e.code == TB_OK ? FINE : cli_failed(&e);
}

/* ---- retry ---- */

struct retry {
    const struct tb_config *config;
    struct sync_centre     *centre;
    uint32_t                node;
    int64_t                 seqs[PARKED_PAGE];
    size_t                  n_seqs;
    struct cli_listing      l;
};

static void
keep_seq(void *ctx, const struct sync_parked *row)
{
    struct retry *r = ctx;
    r->seqs[r->n_seqs++] = row->seq;
}

static enum tb_code
repeat(struct retry *r, int64_t seq, int64_t *new_seq, struct tb_err *e)
{
    char    line[64];
    json_t *data = NULL;

    snprintf(line, sizeof line, "sync-repeat %" PRId64, seq);
    if (control_ask(r->config->server.data, line, &data, e) != TB_OK)
        return e->code;
    *new_seq = json_integer_value(json_object_get(data, "seq"));
    json_decref(data);
    return TB_OK;
}

/* The new op first: should the row of the old one stay, retrying it again makes one op more, which changes nothing. */
static enum tb_code
retry_one(struct retry *r, int64_t seq, struct tb_err *e)
{
    int64_t new_seq = 0;
    bool    was_parked = false;

    if (repeat(r, seq, &new_seq, e) != TB_OK || sync_centre_unpark(r->centre, r->node, seq, &was_parked, e) != TB_OK)
        return tb_wrap(e, "op %" PRId64, seq);
    r->l.n++;
    if (r->l.as_json) {
        tb_json_open_object(&r->l.json);
        cli_put_int(&r->l.json, "seq", seq);
        cli_put_int(&r->l.json, "newSeq", new_seq);
        tb_json_end_object(&r->l.json);
    } else {
        tb_buf_printf(&r->l.out, "op %" PRId64 " goes again as op %" PRId64 "\n", seq, new_seq);
    }
    return TB_OK;
}

static enum tb_code
retry_page(struct retry *r, int64_t after, size_t max, struct tb_err *e)
{
    r->n_seqs = 0;
    return sync_centre_parked(r->centre, r->node, after, max, keep_seq, r, e);
}

static enum tb_code
retry_all(struct retry *r, struct tb_err *e)
{
    int64_t after = 0;

    do {
        if (retry_page(r, after, PARKED_PAGE, e) != TB_OK)
            return e->code;
        for (size_t i = 0; i < r->n_seqs; i++) {
            if (retry_one(r, r->seqs[i], e) != TB_OK)
                return e->code;
            after = r->seqs[i];
        }
    } while (r->n_seqs == PARKED_PAGE);
    return TB_OK;
}

static enum tb_code
retry_named(struct retry *r, const struct options *o, struct tb_err *e)
{
    for (size_t i = 0; i < o->n_operands; i++) {
        uint64_t seq = 0;
        (void)tb_str_to_uint(tb_str_of(o->operands[i]), INT64_MAX, &seq);   /* looked at before */
        if (retry_page(r, (int64_t)seq - 1, 1, e) != TB_OK)
            return e->code;
        if (r->n_seqs == 0 || r->seqs[0] != (int64_t)seq)
            return tb_fail(e, TB_ENOTFOUND, NULL, "op %" PRIu64 " is not parked", seq);
        if (retry_one(r, (int64_t)seq, e) != TB_OK)
            return e->code;
    }
    return TB_OK;
}

static bool
are_seqs(const struct options *o)
{
    uint64_t seq;

    for (size_t i = 0; i < o->n_operands; i++)
        if (!tb_str_to_uint(tb_str_of(o->operands[i]), INT64_MAX, &seq) || seq == 0) {
            fprintf(stderr, "tombolo: sync retry %s: it takes numbers of ops, as tombolo sync parked shows them\n",
                    o->operands[i]);
            return false;
        }
    return true;
}

static enum tb_code
check_server_runs(const struct tb_config *c, struct tb_err *e)
{
    json_t *data = NULL;

    if (control_ask(c->server.data, "sync-status", &data, e) == TB_OK)
        json_decref(data);
    return e->code == TB_ENOTFOUND ? tb_fail(e, TB_ENOTFOUND, NULL, "no server runs on %s: it must, since retrying writes into the"
                                             " journal", c->server.data)
                                   : e->code;
}

enum exit_code
cli_sync_retry(const struct options *o)
{
    struct retry            r = { .node = 0 };
    struct store_inspector *journal = NULL;
    struct tb_config        c;
    struct tb_err           e = { 0 };

    if (!are_seqs(o) || !cli_load(o, &c))
        return MISUSED;
    r.config = &c;
    cli_listing_begin(&r.l, o->as_json, "retried");
    if (check_server_runs(&c, &e) == TB_OK && cli_open_both(&c, (int)c.sync.io_timeout_ms, &journal, &r.centre, &e) == TB_OK) {
        r.node = store_inspect_identity(journal)->node;
        store_inspect_end(&journal);
        TB_TRY(o->n_operands > 0 ? retry_named(&r, o, &e) : retry_all(&r, &e));
        cli_listing_end(&r.l, e.code == TB_OK ? "The centre has refused none of our ops." : "Nothing was retried.");
        cli_print(&r.l.out);
    }
    tb_buf_fini(&r.l.out);
    store_inspect_end(&journal);
    sync_centre_close(&r.centre);
    tb_config_fini(&c);
    return e.code == TB_OK ? FINE : cli_failed(&e);
}
