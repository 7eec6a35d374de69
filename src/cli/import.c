/* tombolo import: the old backend's database becomes a journal. First everything is read and judged, then it is written; what was
 * refused is told at the end, and kept beside the journal. stdout has the report, stderr the progress. */
#include "cli.h"

#include "base/json.h"
#include "base/log.h"
#include "old.h"
#include "store/import.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    SHOW_TTY_MS = 200,          /* how often progress is shown at most: on a terminal, in one line that changes */
    SHOW_LINE_MS = 5000,        /* and elsewhere, line by line */
};

/* ---- progress ---- */

struct progress {
    const char *doing, *of;     /* "reading", "rows" */
    bool        is_tty;
    int64_t     began_ms, shown_ms, n_all;
};

static int64_t
now_ms(void)
{
    return tb_mono_ms(&tb_clock_system);
}

static void
begin_progress(struct progress *p, const char *doing, const char *of, int64_t n_all)
{
    *p = (struct progress){ .doing = doing, .of = of, .is_tty = isatty(STDERR_FILENO) == 1, .began_ms = now_ms(),
                            .shown_ms = now_ms(), .n_all = n_all };
}

static void
show(const struct progress *p, int64_t n_done)
{
    int64_t ms = now_ms() - p->began_ms, left_s = n_done > 0 ? ms * (p->n_all - n_done) / n_done / 1000 : 0;

    fprintf(stderr, "%s%s %" PRId64 " of %" PRId64 " %s, %" PRId64 " %%, %" PRId64 " a second, %" PRId64 ":%02" PRId64 " left%s",
            p->is_tty ? "\r" : "", p->doing, n_done, p->n_all, p->of, p->n_all > 0 ? n_done * 100 / p->n_all : 100,
            ms > 0 ? n_done * 1000 / ms : n_done, left_s / 60, left_s % 60, p->is_tty ? "\033[K" : "\n");
}

static void
on_progress(void *ctx, int64_t n_done)
{
    struct progress *p = ctx;

    if (now_ms() - p->shown_ms < (p->is_tty ? SHOW_TTY_MS : SHOW_LINE_MS))
        return;
    p->shown_ms = now_ms();
    show(p, n_done);
}

static void
on_written(void *ctx, int64_t n_done, int64_t n_all)
{
    struct progress *p = ctx;
    p->n_all = n_all;
    on_progress(p, n_done);
}

static void
end_progress(const struct progress *p)
{
    int64_t ms = now_ms() - p->began_ms;

    fprintf(stderr, "%s%s %" PRId64 " %s took %" PRId64 ".%03" PRId64 " s%s\n", p->is_tty ? "\r" : "", p->doing, p->n_all, p->of,
            ms / 1000, ms % 1000, p->is_tty ? "\033[K" : "");
}

/* ---- the report ---- */

static const struct { const char *text; bool is_refusal; } findings[] = {
#define X(name, refused, says) [name] = { says, refused },
    IMPORT_FINDINGS(X)
#undef X
};

static int64_t
shown(int64_t n)
{
    return n < IMPORT_SHOWN_IDS ? n : IMPORT_SHOWN_IDS;
}

static void
put_int(struct tb_json *j, const char *key, int64_t v)
{
    tb_json_key(j, key);
    tb_json_int(j, v);
}

static void
put_str(struct tb_json *j, const char *key, const char *v)
{
    tb_json_key(j, key);
    tb_json_str(j, tb_str_of(v));
}

static void
put_tables(struct tb_json *j, const struct import_result *r, const struct sync_old_size *sizes)
{
    tb_json_key(j, "tables");
    tb_json_open_object(j);
    for (int t = 0; t < IMPORT_TABLE_COUNT; t++) {
        tb_json_key(j, import_table_name((enum import_table)t));
        tb_json_open_object(j);
        put_int(j, "rows", sizes[t].n_rows);
        put_int(j, "lastId", sizes[t].last_id);
        put_int(j, "imported", r->tables[t].n_read - r->tables[t].n_refused);
        put_int(j, "refused", r->tables[t].n_refused);
        tb_json_end_object(j);
    }
    tb_json_end_object(j);
}

static void
put_findings(struct tb_json *j, const struct import_result *r, bool refusals)
{
    tb_json_key(j, refusals ? "refused" : "noted");
    tb_json_open_array(j);
    for (int t = 0; t < IMPORT_TABLE_COUNT; t++) {
        for (int f = 0; f < IMPORT_FINDING_COUNT; f++) {
            int64_t n = r->tables[t].of[f].n;
            if (n == 0 || findings[f].is_refusal != refusals)
                continue;
            tb_json_open_object(j);
            put_str(j, "table", import_table_name((enum import_table)t));
            put_str(j, "why", findings[f].text);
            put_int(j, "count", n);
            tb_json_key(j, "ids");
            tb_json_open_array(j);
            for (int64_t i = 0; i < shown(n); i++)
                tb_json_int(j, r->tables[t].of[f].ids[i]);
            tb_json_end_array(j);
            tb_json_end_object(j);
        }
    }
    tb_json_end_array(j);
}

static void
write_json(const struct sync_old *old, const struct import_result *r, bool is_dry_run, struct tb_buf *out)
{
    struct tb_json j = tb_json_to(out);

    tb_json_open_object(&j);
    put_str(&j, "journal", r->journal_uuid);
    put_str(&j, "state", is_dry_run ? "judged" : "imported");
    put_str(&j, "from", sync_old_place(old));
    tb_json_key(&j, "at"), tb_json_time(&j, tb_wall_ms(&tb_clock_system));
    put_int(&j, "ops", r->n_ops);
    put_tables(&j, r, sync_old_sizes(old));
    put_findings(&j, r, true);
    put_findings(&j, r, false);
    tb_json_end_object(&j);
    tb_json_fini(&j);
    tb_buf_add_char(out, '\n');
}

static void
write_text(const struct sync_old *old, const struct import_result *r, bool is_dry_run, struct tb_buf *out)
{
    tb_buf_printf(out, is_dry_run ? "%s: judged, nothing written\n" : "%s: imported\n", sync_old_place(old));
    tb_buf_printf(out, "  %-15s %12s %12s\n", "", is_dry_run ? "acceptable" : "imported", "refused");
    for (int t = 0; t < IMPORT_TABLE_COUNT; t++)
        tb_buf_printf(out, "  %-15s %12" PRId64 " %12" PRId64 "\n", import_table_name((enum import_table)t),
                      r->tables[t].n_read - r->tables[t].n_refused, r->tables[t].n_refused);
    for (int t = 0; t < IMPORT_TABLE_COUNT; t++) {
        for (int f = 0; f < IMPORT_FINDING_COUNT; f++) {
            int64_t n = r->tables[t].of[f].n;
            if (n == 0)
                continue;
            tb_buf_printf(out, "%s %s: %" PRId64 ": %s (id", findings[f].is_refusal ? "refused" : "noted",
                          import_table_name((enum import_table)t), n, findings[f].text);
            for (int64_t i = 0; i < shown(n); i++)
                tb_buf_printf(out, " %" PRId64, r->tables[t].of[f].ids[i]);
            tb_buf_printf(out, n > IMPORT_SHOWN_IDS ? " ...)\n" : ")\n");
        }
    }
}

/* ---- an import that was made before ---- */

/* Whether the old database still has as many rows and the same last ids as then. */
static bool
is_as_it_was(const json_t *report, const struct sync_old_size *sizes)
{
    const json_t *was = json_object_get(report, "tables");

    for (int t = 0; t < IMPORT_TABLE_COUNT; t++) {
        const json_t *table = json_object_get(was, import_table_name((enum import_table)t));
        if (json_integer_value(json_object_get(table, "rows")) != sizes[t].n_rows ||
            json_integer_value(json_object_get(table, "lastId")) != sizes[t].last_id)
            return false;
    }
    return true;
}

static void
tell_known(const struct options *o, const char *dir, tb_str report, bool is_same, const char *at)
{
    struct tb_buf out = TB_BUF_INIT;

    if (o->as_json) {
        struct tb_json j = tb_json_to(&out);
        tb_json_open_object(&j);
        put_str(&j, "state", is_same ? "known" : "changed");
        tb_json_key(&j, "report"), tb_json_raw(&j, tb_str_trim(report));
        tb_json_end_object(&j);
        tb_json_fini(&j);
        tb_buf_add_char(&out, '\n');
    } else if (is_same) {
        tb_buf_printf(&out, "The journal in %s was made of this database at %s: nothing to do, nothing changed.\n", dir, at);
    } else {
        tb_buf_printf(&out, "The journal in %s was made at %s of a database that had other rows: nothing changed.\n"
                      "An import makes a new journal: give it another data folder, or move this one's tombolo.db away.\n",
                      dir, at);
    }
    cli_print(&out);
}

static enum exit_code
run_known(const struct options *o, const char *dir, const struct sync_old *old, struct tb_err *e)
{
    struct tb_buf text = TB_BUF_INIT;

    if (store_import_find_report(dir, &text, e) != TB_OK) {
        fprintf(stderr, "tombolo: the folder %s has a journal already, which no import made; an import makes a new one: give it"
                " another data folder, or, with the server stopped, move this one's tombolo.db away\n", dir);
        tb_buf_fini(&text);
        return FAILED;
    }
    json_t     *report = json_loadb(text.p, text.n, 0, NULL);
    const char *at = json_string_value(json_object_get(report, "at"));
    bool        is_same = is_as_it_was(report, sync_old_sizes(old));
    tell_known(o, dir, tb_buf_str(&text), is_same, at != NULL ? at : "?");
    json_decref(report);
    tb_buf_fini(&text);
    return is_same ? FINE : FAILED;
}

/* ---- the command ---- */

static int64_t
all_rows(const struct sync_old *old)
{
    int64_t n = 0;
    for (int t = 0; t < IMPORT_TABLE_COUNT; t++)
        n += sync_old_sizes(old)[t].n_rows;
    return n;
}

static enum tb_code
copy(const struct options *o, struct sync_old *old, struct store_import *to, struct tb_err *e)
{
    struct progress p;

    begin_progress(&p, "reading", "rows", all_rows(old));
    if (sync_old_copy(old, to, on_progress, &p, e) != TB_OK)
        return e->code;
    end_progress(&p);
    begin_progress(&p, "writing", "entries", 0);
    if (store_import_write(to, on_written, &p, e) != TB_OK)
        return e->code;
    if (!o->is_dry_run)
        end_progress(&p);
    return TB_OK;
}

static enum tb_code
import(const struct options *o, struct sync_old *old, struct store_import *to, struct tb_err *e)
{
    struct tb_buf json = TB_BUF_INIT, text = TB_BUF_INIT;
    enum tb_code  code = copy(o, old, to, e);

    if (code == TB_OK) {
        write_json(old, store_import_result(to), o->is_dry_run, &json);
        write_text(old, store_import_result(to), o->is_dry_run, &text);
        if (!o->is_dry_run)
            code = store_import_keep(to, tb_buf_str(&json), e);
    }
    if (code == TB_OK)
        cli_print(o->as_json ? &json : &text);
    tb_buf_fini(&json);
    tb_buf_fini(&text);
    return code;
}

static enum exit_code
fail(const struct tb_err *e)
{
    fprintf(stderr, "tombolo: import: %s\n", e->why);
    return e->code == TB_EINPUT ? MISUSED : FAILED;
}

static enum exit_code
run(const struct options *o, const char *dir, struct sync_old *old, struct tb_err *e)
{
    struct store_import_settings settings = { .dir = o->is_dry_run ? NULL : dir, .clock = &tb_clock_system };
    struct store_import         *to = NULL;
    enum exit_code               code = FINE;

    enum tb_code began = store_import_begin(&to, &settings, e);
    if (began == TB_ETAKEN)
        return run_known(o, dir, old, e);
    if (began != TB_OK || import(o, old, to, e) != TB_OK)
        code = fail(e);
    store_import_end(&to);
    return code;
}

enum exit_code
cli_import(const struct options *o)
{
    const char      *from = o->from != NULL ? o->from : getenv("TOMBOLO_IMPORT_FROM");
    struct sync_old *old = NULL;
    struct tb_config c;
    struct tb_err    e = { 0 };

    if (from == NULL) {
        fprintf(stderr, "tombolo: import needs --from mysql://user:password@host:port/database\n");
        return MISUSED;
    }
    if (!cli_load(o, &c))
        return MISUSED;
    log_set(LOG_WARN, LOG_LOGFMT);      /* the report tells the rest */
    if (c.sync.node != 0)
        tb_fail(&e, TB_EINPUT, NULL, "ids stay as they are, which are node 0's: but sync.node is %" PRId64, c.sync.node);
    else
        TB_TRY(sync_old_open(&old, tb_str_of(from), &e));
    enum exit_code code = e.code == TB_OK ? run(o, c.server.data, old, &e) : fail(&e);
    sync_old_close(&old);
    tb_config_fini(&c);
    return code;
}
