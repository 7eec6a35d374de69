/* tombolo restore FILE: a backup becomes the journal of the data folder (store/restore.h). Then, when there is a centre, what the
 * backup lacks of what was there already is fetched at once, before any server starts: were people to write first, what they
 * write would stand where the lost changes were, and the centre would have to refuse the journal as a copy that was written to. */
#include "backup.h"
#include "sync.h"

#include "serve/settings.h"
#include "store/restore.h"
#include "sync/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum {
    LOOK_MS = 50,
    PATIENCE_MS = 15000,        /* without anything coming: the centre is away */
};

enum meeting { NO_CENTRE, PAUSED, MET, MISSED, APART };

struct restored {
    struct store_restore r;
    const struct tb_config *config;
    enum meeting         meeting;
    int64_t              n_back;                /* own changes that the centre has given back */
    char                 why[SYNC_WHY_SIZE];    /* missed, apart */
};

/* ---- the file ---- */

static void
report(void *ctx, tb_str line)
{
    (void)ctx;
    fprintf(stderr, TB_STR_FMT "\n", TB_STR_ARG(line));
}

/* What stands in a WAL is not in the file. */
static enum tb_code
check_has_no_wal(const char *file, struct tb_err *e)
{
    struct tb_buf path = TB_BUF_INIT;

    tb_buf_printf(&path, "%s-wal", file);
    int     fd = open(path.p, O_RDONLY | O_CLOEXEC);
    off_t   n = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    if (fd >= 0)
        close(fd);
    if (n > 0)
        tb_fail(e, TB_EINPUT, NULL, "%s is there, too: this is a database in use and no backup", path.p);
    tb_buf_fini(&path);
    return e->code;
}

static enum tb_code
open_backup(const char *file, int *fd, struct tb_err *e)
{
    *fd = STDIN_FILENO;
    if (strcmp(file, "-") == 0)
        return TB_OK;
    if (check_has_no_wal(file, e) != TB_OK)
        return e->code;
    *fd = open(file, O_RDONLY | O_CLOEXEC);
    return *fd >= 0 ? TB_OK : tb_fail(e, TB_EIO, NULL, "%s: %s", file, strerror(errno));
}

/* ---- the centre ---- */

/* Until the centre is reached, or nothing has come for a while. */
static void
await_centre(struct store *store, struct sync *sync, struct restored *d)
{
    int64_t            until = tb_mono_ms(&tb_clock_system) + PATIENCE_MS, at, seq = 0;
    struct sync_status link;

    for (;;) {
        struct store_status now;
        sync_status(sync, &link);
        store_status(store, &now);
        if (link.state == SYNC_UP || link.state == SYNC_APART || tb_mono_ms(&tb_clock_system) > until)
            break;
        if (now.own_seq != seq)
            until = tb_mono_ms(&tb_clock_system) + PATIENCE_MS;
        seq = now.own_seq;
        poll(NULL, 0, LOOK_MS);
    }
    d->meeting = link.state == SYNC_UP ? MET : link.state == SYNC_APART ? APART : MISSED;
    sync_last_failure(sync, d->why, &at);
}

static enum tb_code
meet_centre(const struct tb_config *c, struct restored *d, struct tb_err *e)
{
    const struct store_settings journal = serve_store_settings(c, &tb_clock_system, NULL);
    struct store               *store = NULL;
    struct sync                *sync = NULL;
    struct store_status         now;

    if (store_open(&store, &journal, e) != TB_OK)
        return e->code;
    const struct sync_settings settings = { .store = store, .clock = &tb_clock_system, .url = c->sync.url,
                                            .batch = (size_t)c->sync.batch, .io_timeout_ms = (int)c->sync.io_timeout_ms,
                                            .connect_timeout_ms = (int)c->sync.connect_timeout_ms };
    if (sync_open(&sync, &settings, e) == TB_OK)
        await_centre(store, sync, d);
    sync_close(&sync);
    store_status(store, &now);
    d->n_back = now.own_seq - d->r.identity.own_seq;
    store_close(&store);
    return e->code;
}

/* Whoever works with the original would be out as soon as the copy reaches the centre. One that
 * cannot be reached now is asked again before that (sync/enrol.c). */
static enum tb_code
check_original(void *ctx, const struct store_identity *copy, struct tb_err *e)
{
    const struct restored   *d = ctx;
    struct sync_centre      *centre = NULL;
    struct sync_centre_facts there = { 0 };
    struct tb_err            away = { 0 };

    if (d->r.takes_over || d->config->sync.url[0] == '\0' || sync_is_paused_in(d->r.dir))
        return TB_OK;
    bool is_known = cli_open_usual_centre(d->config, &centre, &away) == TB_OK &&
                    sync_centre_facts(centre, copy->node, &there, &away) == TB_OK;
    sync_centre_close(&centre);
    if (!is_known || strcmp(there.journal_uuid, copy->journal_uuid) != 0 || there.here_ago_ms >= SYNC_GONE_MS)
        return TB_OK;
    return tb_fail(e, TB_ECONFLICT, NULL,
                   "nothing has changed: the original was at the centre %" PRId64 " s ago, and would be"
                   " out; to try a backup: --set sync.url=; to go on in its place: --take-over",
                   there.here_ago_ms / 1000);
}

/* ---- telling ---- */

static const char *
meeting_name(enum meeting m)
{
    switch (m) {
    case NO_CENTRE: return "none";
    case PAUSED:    return "paused";
    case MET:       return "met";
    case MISSED:    return "missed";
    case APART:     return "diverged";
    }
    return "none";
}

#define WRITES_WAIT                                                                              \
    "Start the server: people can read, and writes\nare answered \"busy\" until it has reached the" \
    " centre, which gives back what it has of this\njournal. To let people write before that:"      \
    " tombolo sync alone. Sync may stop as diverged then,\nand tombolo sync rejoin gives what they"  \
    " wrote new ids."

static void
tell_centre(const struct restored *d)
{
    switch (d->meeting) {
    case NO_CENTRE:
        puts("There is no centre (sync.url): what was written after that position is lost. Clients that have seen more begin anew,\n"
             "and the log tells of them (journal.step_back).");
        break;
    case PAUSED:
        puts("Sync is paused (tombolo sync resume). " WRITES_WAIT);
        break;
    case MET:
        printf("The centre was reached: %" PRId64 " changes that the backup did not have came back. Start the server; it goes on\n"
               "under the next epoch, and whoever still runs the original is refused by the centre from now on.\n", d->n_back);
        break;
    case MISSED:
        printf("The centre was not reached (%s). " WRITES_WAIT "\n", d->why[0] != '\0' ? d->why : "it did not answer");
        break;
    case APART:
        printf("The centre does not take it: %s\nService on site can begin; tombolo sync status says what to do.\n", d->why);
        break;
    }
}

static bool
has_secret(const struct tb_config *c)
{
    struct tb_buf path = TB_BUF_INIT;

    tb_buf_printf(&path, "%s/jwt.secret", c->server.data);
    bool is_there = c->auth.secret[0] != '\0' || access(path.p, F_OK) == 0;
    tb_buf_fini(&path);
    return is_there;
}

static void
tell(const struct tb_config *c, const struct restored *d)
{
    printf("%s: journal %s, node %" PRIu32 ", up to position %" PRId64 " (%" PRId64 " bytes), checked.\n", c->server.data,
           d->r.identity.journal_uuid, d->r.identity.node, d->r.head_pos, d->r.bytes);
    if (d->r.set_aside[0] != '\0')
        printf("The journal that was there is in %s/%s.\n", c->server.data, d->r.set_aside);
    tell_centre(d);
    if (!has_secret(c))
        printf("There is no %s/jwt.secret: put the old one there before the start (mode 0600), or everybody logs in again.\n",
               c->server.data);
}

static void
tell_json(const struct tb_config *c, const struct restored *d)
{
    struct tb_buf  out = TB_BUF_INIT;
    struct tb_json j = tb_json_to(&out);

    tb_json_open_object(&j);
    cli_put_str(&j, "data", tb_str_of(c->server.data));
    cli_put_str(&j, "journal", tb_str_of(d->r.identity.journal_uuid));
    cli_put_int(&j, "node", d->r.identity.node);
    cli_put_int(&j, "position", d->r.head_pos);
    cli_put_int(&j, "seq", d->r.identity.own_seq);
    cli_put_int(&j, "bytes", d->r.bytes);
    cli_put_str_or_null(&j, "setAside", d->r.set_aside);
    cli_put_str(&j, "centre", tb_str_of(meeting_name(d->meeting)));
    cli_put_int(&j, "cameBack", d->n_back);
    cli_put_str_or_null(&j, "why", d->meeting == MISSED || d->meeting == APART ? d->why : NULL);
    cli_put_bool(&j, "hasSecret", has_secret(c));
    tb_json_end_object(&j);
    cli_end_json(&j);
    cli_print(&out);
}

/* ---- the command ---- */

static enum tb_code
restore(const struct options *o, const struct tb_config *c, struct restored *d, struct tb_err *e)
{
    if (open_backup(o->operands[0], &d->r.fd, e) != TB_OK)
        return e->code;
    TB_TRY(store_restore(&d->r, e));
    if (d->r.fd != STDIN_FILENO)
        close(d->r.fd);
    if (e->code == TB_ETAKEN)
        return tb_fail(e, TB_ETAKEN, NULL, "%s has a journal; nothing has changed; --force sets it aside", c->server.data);
    if (e->code != TB_OK || c->sync.url[0] == '\0')
        return e->code;
    if (!sync_is_paused_in(c->server.data))
        return meet_centre(c, d, e);
    d->meeting = PAUSED;
    return TB_OK;
}

enum exit_code
cli_restore(const struct options *o)
{
    struct tb_config c;
    struct tb_err    e = { 0 };

    if (o->n_operands != 1) {
        fputs("tombolo: restore takes one file, which tombolo backup has made; - is standard input\n", stderr);
        return MISUSED;
    }
    if (!cli_load_quietly(o, &c))
        return MISUSED;
    struct restored d = { .r = { .dir = c.server.data, .may_replace = o->is_forced,
                                 .clock = &tb_clock_system, .report = report,
                                 .approve = check_original, .takes_over = o->takes_over },
                          .config = &c };
    d.r.ctx = &d;
    enum tb_code    code = restore(o, &c, &d, &e);
    if (code == TB_OK && o->as_json)
        tell_json(&c, &d);
    else if (code == TB_OK)
        tell(&c, &d);
    tb_config_fini(&c);
    return code == TB_OK ? FINE : cli_failed(&e);
}
