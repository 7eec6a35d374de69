/* Bodies of journal.h. A server may start or stop between two commands: each is tried at the server first, and once this
 * process has the folder no server can. */
#include "journal.h"

#include "control/client.h"
#include "serve/settings.h"
#include "serve/control.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct cli_journal {
    const struct tb_config *c;
    struct serve_control    here; /* its store: NULL until it was opened in this process */
    bool                    is_served;
};

enum tb_code
cli_journal_find(const char *dir, struct tb_err *e)
{
    struct tb_buf path = TB_BUF_INIT;

    *e = (struct tb_err){ 0 };
    tb_buf_printf(&path, "%s/tombolo.db", dir);
    if (access(path.p, F_OK) != 0 && errno == ENOENT)
        tb_fail(e, TB_ENOTFOUND, NULL, "there is no journal at %s", path.p);
    tb_buf_fini(&path);
    return e->code;
}

void
cli_journal_open(struct cli_journal **out, const struct tb_config *c)
{
    struct cli_journal *j = TB_NEW(struct cli_journal);

    j->c = c;
    *out = j;
}

void
cli_journal_close(struct cli_journal **j)
{
    if (*j == NULL)
        return;
    store_close(&(*j)->here.store);
    tb_free(*j);
    *j = NULL;
}

/* Ids of a journal that has written before it got its number are node 0's, and only one journal of a centre may keep those. The
 * server asks the centre for a number before anybody can write; nobody does so here. */
static enum tb_code
check_has_number(const struct cli_journal *j, struct tb_err *e)
{
    struct store_status now;

    store_status(j->here.store, &now);
    if (j->c->sync.url[0] != '\0' && now.centre_uuid[0] == '\0' && now.own_seq == 0 && now.node == 0)
        return tb_fail(e, TB_ECONFLICT, NULL,
                       "this journal is to be a site of a centre and has no number yet: start the server"
                       " first, or set sync.node");
    return TB_OK;
}

static enum tb_code
open_here(struct cli_journal *j, struct tb_err *e)
{
    const struct store_settings settings = serve_store_settings(j->c, &tb_clock_system, NULL);

    if (store_open(&j->here.store, &settings, e) != TB_OK)
        return e->code;
    if (check_has_number(j, e) != TB_OK)
        store_close(&j->here.store);
    return e->code;
}

static enum tb_code
run_here(struct cli_journal *j, const char *line, json_t **data, struct tb_err *e)
{
    struct tb_buf answer = TB_BUF_INIT;

    control_run(serve_commands, &j->here, tb_str_of(line), &answer);
    enum tb_code code = control_take(j->c->server.data, tb_buf_str(&answer), data, e);
    tb_buf_fini(&answer);
    return code;
}

static enum tb_code
ask(struct cli_journal *j, const char *line, json_t **data, struct tb_err *e)
{
    const char *dir = j->c->server.data;

    if (j->here.store == NULL) {
        j->is_served = control_ask(dir, line, data, e) != TB_ENOTFOUND || control_is_there(dir);
        if (j->is_served)
            return e->code;
        *e = (struct tb_err){ 0 };
        if (open_here(j, e) != TB_OK)
            return e->code;
    }
    return run_here(j, line, data, e);
}

enum tb_code
cli_journal_ask(struct cli_journal *j, const char *command, json_t *args, json_t **data, struct tb_err *e)
{
    struct tb_buf line = TB_BUF_INIT;
    json_t       *given = NULL;
    char         *text = args != NULL ? json_dumps(args, JSON_COMPACT) : NULL;

    tb_buf_printf(&line, "%s%s%s", command, text != NULL ? " " : "", text != NULL ? text : "");
    enum tb_code code = ask(j, line.p, &given, e);
    if (data != NULL && code == TB_OK)
        *data = json_incref(given);
    json_decref(given);
    json_decref(args);
    tb_free(text);
    tb_buf_fini(&line);
    return code;
}

bool
cli_journal_is_served(const struct cli_journal *j)
{
    return j->is_served;
}
