/* tombolo user import: a file of accounts, line by line: each becomes an account or is refused with the reason. The file is read
 * and judged a window at a time: its passwords are hashed side by side, then its accounts are made in the file's order. */
#include "user.h"

#include "chat/check.h"
#include "chat/hasher.h"
#include "serve/settings.h"
#include "store/inspect.h"
#include "store/op.h"
#include "users_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

enum { WINDOW = 256 }; /* lines whose passwords may be under way */

struct entry { /* a line, judged */
    struct users_line    line;
    struct tb_err        err;
    struct chat_hash_job job; /* of one with a password */
    bool                 is_hashing;
};

struct import {
    const struct options   *o;
    const struct tb_config *c;
    struct cli_journal     *journal;
    struct store_inspector *known; /* of a dry run: who is there already; NULL: there is no journal yet */
    json_t                 *seen;  /* e-mails of the file so far, and where */
    struct chat_hasher     *hasher;
    struct tb_mailbox      *inbox; /* for the hasher's answers */
    struct cli_listing      refused;
    int64_t                 n_lines, n_added;
    struct entry            window[WINDOW];
};

/* ---- judging ---- */

static void
count_account(void *ctx, const struct store_account *a)
{
    (void)a;
    ++*(size_t *)ctx;
}

/* Twice in one file is a mistake of the file, whoever comes first. */
static enum tb_code
check_is_new(struct import *i, const struct users_line *l, struct tb_err *e)
{
    struct tb_arena mem = { 0 };
    char           *key = tb_str_to_c(op_email_key(l->email, &mem));
    json_t         *first = json_object_get(i->seen, key);
    size_t          n = 0;

    if (first != NULL)
        tb_fail(e, TB_EINPUT, NULL, "the e-mail is on line %" JSON_INTEGER_FORMAT " as well", json_integer_value(first));
    else
        json_object_set_new(i->seen, key, json_integer((json_int_t)l->line));
    if (e->code == TB_OK && i->known != NULL && store_inspect_email(i->known, l->email, count_account, &n, e) == TB_OK && n > 0)
        tb_fail(e, TB_ETAKEN, NULL, "the e-mail is taken");
    tb_free(key);
    tb_arena_fini(&mem);
    return e->code;
}

static enum tb_code
judge(struct import *i, struct users_line *l, struct tb_err *e)
{
    const tb_str all[] = { l->email, l->username, l->hash };

    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        if (all[k].n > 0 && !tb_str_is_utf8(all[k]))
            return tb_fail(e, TB_EINPUT, NULL, "this is not UTF-8");
    if (cli_user_judge(&l->email, &l->username, e) != TB_OK)
        return e->code;
    if ((l->password.p == NULL) == (l->hash.p == NULL))
        return tb_fail(e, TB_EINPUT, NULL, "it needs a password or a hash, and not both");
    if (l->password.p != NULL && chat_check_password(l->password.n, (unsigned)i->c->auth.password_min, e) != TB_OK)
        return e->code;
    if (l->hash.p != NULL && chat_password_check_hash(l->hash, e) != TB_OK)
        return e->code;
    return check_is_new(i, l, e);
}

/* ---- a window ---- */

static void
on_hashed(struct chat_hash_job *job)
{
    struct entry *entry = TB_CONTAINER(job, struct entry, job);

    entry->is_hashing = false;
    entry->err = job->err;
}

static void
begin_hashing(struct import *i, struct entry *entry)
{
    entry->is_hashing = true;
    entry->job.reply_to = i->inbox;
    entry->job.on_done = on_hashed;
    entry->job.password = entry->line.password;
    chat_hasher_post(i->hasher, &entry->job);
}

static size_t
read_window(struct import *i, struct users_file *f)
{
    size_t n = 0;

    while (n < WINDOW) {
        struct entry *entry = &i->window[n];
        *entry = (struct entry){ 0 };
        if (!users_file_next(f, &entry->line, &entry->err))
            break;
        n++;
        if (entry->err.code == TB_OK && judge(i, &entry->line, &entry->err) == TB_OK && entry->line.password.p != NULL &&
            !i->o->is_dry_run)
            begin_hashing(i, entry);
    }
    return n;
}

static void
await_hash(struct import *i, const struct entry *entry)
{
    while (entry->is_hashing) {
        struct tb_msg_list answers = { 0 };
        struct tb_msg     *m;
        (void)tb_mailbox_wait(i->inbox, &answers, 1, -1);
        while ((m = tb_msg_list_take(&answers)) != NULL)
            m->run(m);
    }
}

static void
refuse(struct import *i, const struct entry *entry)
{
    struct cli_listing *l = &i->refused;
    const char         *why = cli_user_why(&entry->err);

    cli_listing_flush(l);
    l->n++;
    if (l->as_json) {
        tb_json_open_object(&l->json);
        cli_put_int(&l->json, "line", (int64_t)entry->line.line);
        cli_put_str(&l->json, "email", entry->line.email);
        cli_put_str(&l->json, "why", tb_str_of(why));
        tb_json_end_object(&l->json);
        return;
    }
    tb_buf_printf(&l->out, "line %zu: ", entry->line.line);
    cli_add_plain(&l->out, entry->line.email);
    tb_buf_printf(&l->out, "%s%s\n", entry->line.email.n > 0 ? ": " : "", why);
}

static enum tb_code
add(struct import *i, const struct entry *entry, struct tb_err *e)
{
    const struct users_line *l = &entry->line;
    tb_str                   hash = l->hash.p != NULL ? l->hash : tb_str_of(entry->job.hash);

    return cli_journal_ask(i->journal, "user-add",
                           json_pack("{s:s%, s:s%, s:s%}", "email", l->email.p, l->email.n, "username", l->username.p,
                                     l->username.n, "hash", hash.p, hash.n),
                           NULL, e);
}

/* What is wrong with a line is the line's; anything else ends the import. */
static enum tb_code
finish(struct import *i, struct entry *entry, struct tb_err *e)
{
    await_hash(i, entry);
    i->n_lines++;
    if (entry->err.code == TB_OK && !i->o->is_dry_run)
        TB_TRY(add(i, entry, &entry->err));
    if (entry->err.code == TB_OK) {
        i->n_added++;
    } else if (entry->err.code == TB_EINPUT || entry->err.code == TB_ETAKEN) {
        refuse(i, entry);
    } else {
        *e = entry->err;
        return tb_wrap(e, "stopped before line %zu, with %" PRId64 " accounts made", entry->line.line, i->n_added);
    }
    return TB_OK;
}

static void
await_all(struct import *i, size_t n)
{
    for (size_t k = 0; k < n; k++)
        await_hash(i, &i->window[k]);
}

static enum tb_code
run_windows(struct import *i, struct users_file *f, struct tb_err *e)
{
    size_t n;

    while ((n = read_window(i, f)) > 0)
        for (size_t k = 0; k < n; k++)
            if (finish(i, &i->window[k], e) != TB_OK) {
                await_all(i, n);
                return e->code;
            }
    return TB_OK;
}

/* ---- the command ---- */

static enum tb_code
read_all(int fd, const char *path, struct tb_buf *out, struct tb_err *e)
{
    char    bytes[65536];
    ssize_t n;

    while ((n = read(fd, bytes, sizeof bytes)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tb_fail(e, TB_EIO, NULL, "%s: %s", path, strerror(errno));
        tb_buf_add(out, (tb_str){ .p = bytes, .n = (size_t)n });
        if (out->n > USERS_FILE_MAX_BYTES)
            return tb_fail(e, TB_ETOOBIG, NULL, "%s is longer than %d bytes: cut it", path, USERS_FILE_MAX_BYTES);
    }
    return TB_OK;
}

static enum tb_code
read_file(const char *path, struct tb_buf *out, struct tb_err *e)
{
    int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return tb_fail(e, TB_EIO, NULL, "%s: %s", path, strerror(errno));
    enum tb_code code = read_all(fd, path, out, e);
    if (fd != STDIN_FILENO)
        close(fd);
    return code;
}

static void
print_report(struct import *i)
{
    struct cli_listing *l = &i->refused;

    if (l->as_json) {
        tb_json_end_array(&l->json);
        cli_put_bool(&l->json, "dryRun", i->o->is_dry_run);
        cli_put_int(&l->json, "lines", i->n_lines);
        cli_put_int(&l->json, "added", i->o->is_dry_run ? 0 : i->n_added);
        cli_put_int(&l->json, "count", (int64_t)l->n);
        tb_json_end_object(&l->json);
        cli_end_json(&l->json);
    } else {
        tb_buf_printf(&l->out, "%" PRId64 " lines: %" PRId64 " accounts %s, %zu lines refused\n", i->n_lines, i->n_added,
                      i->o->is_dry_run ? "would be made" : "made", l->n);
    }
    cli_print(&l->out);
}

/* What was refused is told even if the import ends early; as JSON only when it came to its end. */
static enum exit_code
end_import(struct import *i, const struct tb_err *e)
{
    if (e->code != TB_OK) {
        if (!i->refused.as_json)
            cli_print(&i->refused.out);
        tb_buf_fini(&i->refused.out);
        return cli_failed(e);
    }
    print_report(i);
    return i->refused.n == 0 ? FINE : FAILED;
}

static enum tb_code
open_all(struct import *i, struct tb_err *e)
{
    if (sodium_init() < 0)
        return tb_fail(e, TB_EINTERNAL, NULL, "libsodium does not start");
    i->seen = json_object();
    i->inbox = tb_mailbox_new(WINDOW, NULL, NULL);
    chat_hasher_open(&i->hasher, &(struct chat_hasher_settings){ .cost = serve_password_cost(i->c),
                                                                 .threads = (unsigned)i->c->auth.hash_threads,
                                                                 .queue = WINDOW });
    cli_journal_open(&i->journal, i->c);
    if (i->o->is_dry_run && store_inspect(i->c->server.data, &i->known, e) == TB_ENOTFOUND)
        *e = (struct tb_err){ 0 };
    return e->code;
}

static void
close_all(struct import *i)
{
    cli_journal_close(&i->journal);
    chat_hasher_close(&i->hasher);
    tb_mailbox_free(&i->inbox);
    store_inspect_end(&i->known);
    json_decref(i->seen);
}

static enum exit_code
import(struct import *i, struct tb_buf *text)
{
    struct users_file f;
    struct tb_err     e = { 0 };

    if (read_file(i->o->operands[0], text, &e) != TB_OK || users_file_begin(&f, tb_buf_str(text), &e) != TB_OK)
        return cli_failed(&e);
    cli_listing_begin(&i->refused, i->o->as_json, "refused");
    if (open_all(i, &e) == TB_OK)
        TB_TRY(run_windows(i, &f, &e));
    enum exit_code code = end_import(i, &e);
    close_all(i);
    users_file_end(&f);
    return code;
}

enum exit_code
cli_user_import(const struct options *o)
{
    struct import   *i = TB_NEW(struct import);
    struct tb_buf    text = TB_BUF_INIT;
    struct tb_config c;
    enum exit_code   code = MISUSED;

    i->o = o;
    i->c = &c;
    if (o->n_operands != 1) {
        fputs("tombolo: user import takes one file; - is standard input\n", stderr);
    } else if (cli_load_quietly(o, &c)) {
        code = import(i, &text);
        tb_config_fini(&c);
    }
    if (text.p != NULL)
        sodium_memzero(text.p, text.n);
    tb_buf_fini(&text);
    tb_free(i);
    return code;
}
