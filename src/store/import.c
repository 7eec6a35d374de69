/* Judging and gathering rows. Whatever is refused is refused here: what is gathered becomes ops without another question.
 * Rows come with users first, then rooms, members, messages, receipts, so what a row refers to is known when it comes. */
#include "import_inside.h"

#include "base/hash_cost.h"
#include "base/owner.h"
#include "folder.h"
#include "journal_id.h"
#include "op.h"
#include "queries.h"
#include "requests.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

#define MAX_ID (INT64_C(1) << 41)       /* the first that node 0 can never give: its counters have 41 bits */

enum { MAX_REPORT_BYTES = 1 << 20 };    /* of a file that we wrote; they have a few thousand */

#define NOTHING IMPORT_FINDING_COUNT    /* no finding: the row is fine */

static const bool is_refusal[] = {
#define X(name, refused, text) [name] = refused,
    IMPORT_FINDINGS(X)
#undef X
};

static const char *const gather_texts[GATHER_QUERY_COUNT] = {
#define X(name, sql) [name] = sql,
    GATHER_QUERIES(X)
#undef X
};

const char *
import_table_name(enum import_table t)
{
    static const char *const names[IMPORT_TABLE_COUNT] = {
#define X(name, text) [name] = text,
        IMPORT_TABLES(X)
#undef X
    };
    return names[t];
}

/* ---- beginning ---- */

static char *
path_in(const char *dir, const char *name)
{
    struct tb_buf path = TB_BUF_INIT;
    tb_buf_printf(&path, "%s/%s", dir, name);
    return path.p;
}

/* What an import that was ended early has left. */
static void
remove_new(const struct store_import *i)
{
    static const char *const also[] = { "-journal", "-wal", "-shm" };
    struct tb_buf            path = TB_BUF_INIT;

    unlink(i->new_path);
    for (size_t k = 0; k < sizeof also / sizeof *also; k++) {
        tb_buf_clear(&path);
        tb_buf_printf(&path, "%s%s", i->new_path, also[k]);
        unlink(path.p);
    }
    tb_buf_fini(&path);
}

static enum tb_code
take_folder(struct store_import *i, struct tb_err *e)
{
    const char *dir = i->settings.dir;

    if (store_folder_take(dir, &i->lock_fd, e) != TB_OK)
        return e->code;
    if (journal_id_check_files(dir, e) != TB_OK)
        return e->code;
    i->path = path_in(dir, "tombolo.db");
    if (access(i->path, F_OK) == 0)
        return tb_fail(e, TB_ETAKEN, NULL, "the folder %s has a journal already; an import makes a new one", dir);
    i->new_path = path_in(dir, "import.db");
    remove_new(i);
    return TB_OK;
}

/* Nothing of it survives, so it need not be safe. */
static enum tb_code
open_rows(struct store_import *i, struct tb_err *e)
{
    if (db_open(&i->rows, "", NULL, DB_READ_WRITE, gather_texts, GATHER_QUERY_COUNT, e) != TB_OK)
        return e->code;
    return db_exec(&i->rows, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" GATHER_SCHEMA "BEGIN", e);
}

enum tb_code
store_import_begin(struct store_import **out, const struct store_import_settings *settings, struct tb_err *e)
{
    struct store_import *i = TB_NEW(struct store_import);
    enum tb_code         code = TB_OK;

    if (sodium_init() < 0)
        abort();    /* as without memory */
    i->settings = *settings;
    i->lock_fd = -1;
    i->now_ms = tb_wall_ms(settings->clock);
    if (settings->dir != NULL)
        code = take_folder(i, e);
    if (code == TB_OK)
        code = open_rows(i, e);
    if (code != TB_OK) {
        store_import_end(&i);
        return code;
    }
    *out = i;
    return TB_OK;
}

/* ---- judging ---- */

static void
note(struct store_import *i, enum import_table t, int64_t id, enum import_finding f)
{
    struct import_findings *all = &i->result.tables[t];

    if (all->of[f].n < IMPORT_SHOWN_IDS)
        all->of[f].ids[all->of[f].n] = id;
    all->of[f].n++;
    all->n_refused += is_refusal[f];
}

/* What is true of every row: it is counted, and its id is one. */
static enum import_finding
judge_id(struct store_import *i, enum import_table t, int64_t id)
{
    i->result.tables[t].n_read++;
    if (id < 1 || id >= MAX_ID)
        return IMPORT_BAD_ID;
    if (id > i->highest[t])
        i->highest[t] = id;
    return NOTHING;
}

static enum import_finding
judge_text(tb_str text, size_t max_bytes, size_t max_chars)
{
    if (text.p == NULL)
        return IMPORT_NULL;
    if (text.n > max_bytes)
        return IMPORT_TOO_LONG;
    if (!tb_str_is_utf8(text))
        return IMPORT_NOT_TEXT;
    return tb_str_utf8_length(text) > max_chars ? IMPORT_TOO_LONG : NOTHING;
}

static enum import_finding
judge_name(tb_str text)
{
    return judge_text(text, (size_t)IMPORT_MAX_NAME_CHARS * 4, IMPORT_MAX_NAME_CHARS);
}

static enum import_finding
judge_email(tb_str email)
{
    enum import_finding f = judge_text(email, IMPORT_MAX_EMAIL_BYTES, IMPORT_MAX_EMAIL_BYTES);
    return f == NOTHING && tb_str_trim(email).n == 0 ? IMPORT_NO_EMAIL : f;
}

static enum import_finding
first_of(enum import_finding a, enum import_finding b)
{
    return a != NOTHING ? a : b;
}

/* The time of a row, or the nearest thing to it: ids count up with time, so the row before was written shortly before. */
static int64_t
judge_time(struct store_import *i, enum import_table t, int64_t id, int64_t ms)
{
    if (ms < 0)
        note(i, t, id, IMPORT_NO_TIME);
    else
        i->last_time[t] = ms;
    if (i->last_time[t] > i->now_ms)
        note(i, t, id, IMPORT_AHEAD);
    return i->last_time[t];
}

static enum tb_code
add_step(struct store_import *i, int64_t at, enum import_rank rank, int64_t user, int64_t id, int64_t time, int64_t room,
         struct tb_err *e)
{
    return db_run(&i->rows, G_ADD_STEP, ARGS(I(at), I((int64_t)rank), I(user), I(id), I(time), I(room)), e);
}

/* ---- users ---- */

static bool
is_bcrypt(tb_str hash)
{
    return hash.n == 60 && (tb_str_starts(hash, TB_LIT("$2a$")) || tb_str_starts(hash, TB_LIT("$2b$")));
}

/* Users come by ascending id, so the first who brings an e-mail has the lowest: he keeps it. */
static enum tb_code
take_email(struct store_import *i, tb_str email, bool *is_parked, struct tb_err *e)
{
    struct tb_arena mem = { 0 };
    enum tb_code    code = db_run(&i->rows, G_TAKE_EMAIL, ARGS(T(op_email_key(email, &mem))), e);

    *is_parked = sqlite3_changes(i->rows.sql) == 0;
    tb_arena_fini(&mem);
    return code;
}

static int64_t
judge_last_seen(struct store_import *i, const struct import_user *u)
{
    if (u->last_seen == IMPORT_BAD_TIME)
        note(i, IMPORT_USERS, u->id, IMPORT_BAD_SEEN);
    return u->last_seen < 0 ? 0 : seen_by(i->now_ms, u->last_seen);     /* the latest wins: one ahead would stay for good */
}

/* What no site would take from another is not imported either. */
static tb_str
judge_hash(struct store_import *i, const struct import_user *u)
{
    if (!tb_hash_is_bearable(u->hash)) {
        note(i, IMPORT_USERS, u->id, IMPORT_DEAR_HASH);
        return TB_LIT("");
    }
    if (!is_bcrypt(u->hash))
        note(i, IMPORT_USERS, u->id, IMPORT_NO_LOGIN);
    return u->hash;
}

enum tb_code
store_import_user(struct store_import *i, const struct import_user *u, struct tb_err *e)
{
    bool                is_parked = false;
    enum import_finding f = first_of(judge_id(i, IMPORT_USERS, u->id), judge_email(u->email));

    f = first_of(f, first_of(judge_name(u->username), judge_name(u->hash)));
    if (f != NOTHING) {
        note(i, IMPORT_USERS, u->id, f);
        return TB_OK;
    }
    if (take_email(i, u->email, &is_parked, e) != TB_OK)
        return e->code;
    if (is_parked)
        note(i, IMPORT_USERS, u->id, IMPORT_PARKED);
    tb_str hash = judge_hash(i, u);
    int64_t created = judge_time(i, IMPORT_USERS, u->id, u->created_at), seen = judge_last_seen(i, u);
    if (db_run(&i->rows, G_ADD_USER,
               ARGS(I(u->id), I(created), I(seen), I(is_parked), T(u->email), T(u->username), T(hash)), e) != TB_OK)
        return e->code;
    return add_step(i, created, RANK_USER, 0, u->id, 0, 0, e);
}

/* ---- rooms and members ---- */

static enum tb_code
find(struct store_import *i, enum gather_query query, int64_t id, int64_t *created, bool *found, struct tb_err *e)
{
    return db_int(&i->rows, (int)query, ARGS(I(id)), created, found, e);
}

/* Every room was made by somebody; without any user there is nobody who could have. */
enum tb_code
store_import_room(struct store_import *i, const struct import_room *r, struct tb_err *e)
{
    enum import_finding f = first_of(judge_id(i, IMPORT_ROOMS, r->id), judge_name(r->name));
    int64_t             user = 0;
    bool                has_users = false;

    if (db_int(&i->rows, G_FIRST_USER, NO_ARGS, &user, &has_users, e) != TB_OK)
        return e->code;
    f = first_of(f, has_users ? NOTHING : IMPORT_NO_USER);
    if (f != NOTHING) {
        note(i, IMPORT_ROOMS, r->id, f);
        return TB_OK;
    }
    int64_t created = judge_time(i, IMPORT_ROOMS, r->id, r->created_at);
    if (db_run(&i->rows, G_ADD_ROOM, ARGS(I(r->id), I(created), I(r->is_private), T(r->name)), e) != TB_OK)
        return e->code;
    return add_step(i, created, RANK_ROOM, 0, r->id, 0, 0, e);
}

static int64_t
later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Whose joining has no time was there from the beginning: of the room or of himself. */
enum tb_code
store_import_member(struct store_import *i, const struct import_member *m, struct tb_err *e)
{
    enum import_finding f = judge_id(i, IMPORT_MEMBERS, m->id);
    int64_t             user_created = 0, room_created = 0;
    bool                has_user = false, has_room = false;

    if (find(i, G_USER_CREATED, m->user_id, &user_created, &has_user, e) != TB_OK ||
        find(i, G_ROOM_CREATED, m->room_id, &room_created, &has_room, e) != TB_OK)
        return e->code;
    f = first_of(f, has_user ? NOTHING : m->user_id == 0 ? IMPORT_NULL : IMPORT_NO_USER);
    f = first_of(f, has_room ? NOTHING : m->room_id == 0 ? IMPORT_NULL : IMPORT_NO_ROOM);
    if (f == NOTHING) {
        if (db_run(&i->rows, G_ADD_MEMBER, ARGS(I(m->room_id), I(m->user_id), I(m->id)), e) != TB_OK)
            return e->code;
        f = sqlite3_changes(i->rows.sql) == 0 ? IMPORT_TWICE : NOTHING;
    }
    if (f != NOTHING) {
        note(i, IMPORT_MEMBERS, m->id, f);
        return TB_OK;
    }
    int64_t both = later(user_created, room_created), joined = m->joined_at < 0 ? both : m->joined_at;
    if (m->joined_at == IMPORT_BAD_TIME)
        note(i, IMPORT_MEMBERS, m->id, IMPORT_NO_TIME);
    return add_step(i, later(joined, both), RANK_MEMBER, m->user_id, m->id, joined, m->room_id, e);
}

/* ---- messages and receipts ---- */

enum tb_code
store_import_message(struct store_import *i, const struct import_message *m, struct tb_err *e)
{
    enum import_finding f = first_of(judge_id(i, IMPORT_MESSAGES, m->id),
                                     judge_text(m->content, IMPORT_MAX_CONTENT_BYTES, IMPORT_MAX_CONTENT_BYTES));
    int64_t             ignored = 0;
    bool                has_user = false, has_room = false;

    if (find(i, G_USER_CREATED, m->sender_id, &ignored, &has_user, e) != TB_OK ||
        find(i, G_ROOM_CREATED, m->room_id, &ignored, &has_room, e) != TB_OK)
        return e->code;
    f = first_of(f, has_user ? NOTHING : m->sender_id == 0 ? IMPORT_NULL : IMPORT_NO_USER);
    f = first_of(f, has_room ? NOTHING : m->room_id == 0 ? IMPORT_NULL : IMPORT_NO_ROOM);
    if (f != NOTHING) {
        note(i, IMPORT_MESSAGES, m->id, f);
        return TB_OK;
    }
    int64_t created = judge_time(i, IMPORT_MESSAGES, m->id, m->created_at);
    if (db_run(&i->rows, G_ADD_MESSAGE, ARGS(I(m->id), I(m->room_id), I(m->sender_id), I(created), T(m->content)), e) != TB_OK)
        return e->code;
    return add_step(i, created, RANK_MESSAGE, 0, m->id, 0, 0, e);
}

struct facts {                      /* of a message */
    int64_t room, sender, created;  /* room 0: there is none */
};

static enum tb_code
find_message(struct store_import *i, int64_t id, struct facts *out, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(&i->rows, G_MESSAGE_FACTS, ARGS(I(id)), e);

    *out = (struct facts){ 0 };
    if (st == NULL)
        return e->code;
    struct tb_err failed = { 0 };
    if (db_next(&i->rows, st, &failed)) {
        *out = (struct facts){ db_col_int(st, 0), db_col_int(st, 1), db_col_int(st, 2) };
        db_done(st);
    } else if (failed.code != TB_OK) {
        *e = failed;
        return e->code;
    }
    return TB_OK;
}

/* What is marked without a time has the earliest that can be: read when it was delivered, delivered when it was written. */
static void
complete_times(struct store_import *i, struct import_receipt *r, const struct facts *of)
{
    bool lacks_delivered = r->is_delivered && r->delivered_at < 0, lacks_read = r->is_read && r->read_at < 0;

    if (r->delivered_at < 0 && (lacks_read || (lacks_delivered && r->read_at < 0)))
        r->delivered_at = of->created;
    if (lacks_read)
        r->read_at = r->delivered_at;
    if (lacks_read || (lacks_delivered && r->delivered_at >= 0))
        note(i, IMPORT_RECEIPTS, r->id, IMPORT_MARKED);
}

/* Receipts come after their message in the journal whatever their times say: that is what counts unread messages. Reading
 * implies delivery, and the earlier time of the two wins, so a delivery that is not earlier needs no op of its own. */
static enum tb_code
add_receipt(struct store_import *i, const struct import_receipt *r, const struct facts *of, struct tb_err *e)
{
    bool is_delivered = r->delivered_at >= 0, is_read = r->read_at >= 0;

    if (r->read_at == IMPORT_BAD_TIME)      /* and nothing else says that it was read */
        note(i, IMPORT_RECEIPTS, r->id, IMPORT_BAD_SEEN);
    if (is_read && (!is_delivered || r->delivered_at > r->read_at))
        note(i, IMPORT_RECEIPTS, r->id, IMPORT_DELIVERED);
    if (is_delivered && (!is_read || r->delivered_at < r->read_at) &&
        add_step(i, later(r->delivered_at, of->created), RANK_DELIVERED, r->user_id, r->message_id, r->delivered_at, of->room,
                 e) != TB_OK)
        return e->code;
    return !is_read ? TB_OK
                    : add_step(i, later(r->read_at, of->created), RANK_READ, r->user_id, r->message_id, r->read_at, of->room, e);
}

enum tb_code
store_import_receipt(struct store_import *i, const struct import_receipt *given, struct tb_err *e)
{
    struct import_receipt row = *given, *r = &row;
    enum import_finding f = judge_id(i, IMPORT_RECEIPTS, r->id);
    struct facts        of;
    int64_t             ignored = 0;
    bool                has_user = false;

    if (find(i, G_USER_CREATED, r->user_id, &ignored, &has_user, e) != TB_OK || find_message(i, r->message_id, &of, e) != TB_OK)
        return e->code;
    f = first_of(f, has_user ? NOTHING : r->user_id == 0 ? IMPORT_NULL : IMPORT_NO_USER);
    f = first_of(f, of.room != 0 ? NOTHING : r->message_id == 0 ? IMPORT_NULL : IMPORT_NO_MESSAGE);
    f = first_of(f, of.sender != r->user_id ? NOTHING : IMPORT_OWN_RECEIPT);
    if (f == NOTHING)
        complete_times(i, r, &of);
    f = first_of(f, r->delivered_at >= 0 || r->read_at >= 0 ? NOTHING : IMPORT_NO_RECEIPT);
    if (f != NOTHING) {
        note(i, IMPORT_RECEIPTS, r->id, f);
        return TB_OK;
    }
    return add_receipt(i, r, &of, e);
}

/* ---- what only the whole can tell: who made a room ---- */

/* The old backend did not say. The first member was its creator; where all have left, the first who wrote there, or else
 * the first user. */
static enum tb_code
guess_creator(struct store_import *i, int64_t room, struct tb_err *e)
{
    int64_t user = 0;
    bool    found = false;

    if (db_int(&i->rows, G_FIRST_SENDER, ARGS(I(room)), &user, &found, e) != TB_OK ||
        (!found && db_int(&i->rows, G_FIRST_USER, NO_ARGS, &user, &found, e) != TB_OK))
        return e->code;
    note(i, IMPORT_ROOMS, room, IMPORT_NO_CREATOR);
    return db_run(&i->rows, G_SET_CREATOR, ARGS(I(room), I(user)), e);
}

static enum tb_code
find_creators(struct store_import *i, struct tb_err *e)
{
    int64_t room = 0;
    bool    found = true;

    if (db_run(&i->rows, G_SET_CREATORS, NO_ARGS, e) != TB_OK)
        return e->code;
    while (db_int(&i->rows, G_NEXT_WITHOUT, ARGS(I(room)), &room, &found, e) == TB_OK && found)
        if (guess_creator(i, room, e) != TB_OK)
            return e->code;
    return e->code;
}

enum tb_code
store_import_write(struct store_import *i, void (*on_progress)(void *ctx, int64_t n_done, int64_t n_all), void *ctx,
                   struct tb_err *e)
{
    *e = (struct tb_err){ 0 };
    if (find_creators(i, e) != TB_OK || i->settings.dir == NULL)
        return e->code;
    return import_write_ops(i, on_progress, ctx, e);
}

const struct import_result *
store_import_result(const struct store_import *i)
{
    return &i->result;
}

/* ---- keeping ---- */

static enum tb_code
sync_path(struct store_import *i, const char *path, int flags, struct tb_err *e)
{
    int fd = open(path, flags | O_CLOEXEC);

    if (fd >= 0)
        tb_give_to_owner(fd, i->settings.dir);
    if (fd < 0 || fsync(fd) != 0)
        tb_fail(e, TB_EIO, NULL, "cannot sync %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return e->code;
}

static enum tb_code
write_report(struct store_import *i, tb_str report, struct tb_err *e)
{
    char *path = path_in(i->settings.dir, "import.json");
    int   fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd >= 0)
        tb_give_to_owner(fd, i->settings.dir);
    if (fd < 0 || write(fd, report.p, report.n) != (ssize_t)report.n || fsync(fd) != 0)
        tb_fail(e, TB_EIO, NULL, "cannot write %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    tb_free(path);
    return e->code;
}

/* The report comes first: the other way round, a crash in between would leave a journal of which nobody knows whence it came. */
enum tb_code
store_import_keep(struct store_import *i, tb_str report, struct tb_err *e)
{
    *e = (struct tb_err){ 0 };
    if (sync_path(i, i->new_path, O_RDONLY, e) != TB_OK || write_report(i, report, e) != TB_OK)
        return e->code;
    if (rename(i->new_path, i->path) != 0)
        return tb_fail(e, TB_EIO, NULL, "cannot rename %s: %s", i->new_path, strerror(errno));
    return sync_path(i, i->settings.dir, O_RDONLY | O_DIRECTORY, e);
}

void
store_import_end(struct store_import **ip)
{
    struct store_import *i = *ip;

    if (i == NULL)
        return;
    db_close(&i->journal.db);
    tb_buf_fini(&i->journal.body);
    db_close(&i->rows);
    if (i->new_path != NULL)
        remove_new(i);
    if (i->lock_fd >= 0)
        close(i->lock_fd);
    tb_free(i->new_path);
    tb_free(i->path);
    tb_free(i);
    *ip = NULL;
}

/* ---- an import that was made before ---- */

static enum tb_code
read_report(const char *path, struct tb_buf *out, struct tb_err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return tb_fail(e, TB_ENOTFOUND, NULL, "there is no %s", path);
    tb_buf_reserve(out, MAX_REPORT_BYTES);
    ssize_t n = read(fd, out->p + out->n, MAX_REPORT_BYTES);
    close(fd);
    if (n < 0)
        return tb_fail(e, TB_EIO, NULL, "cannot read %s: %s", path, strerror(errno));
    out->n += (size_t)n;
    return TB_OK;
}

static bool
is_of_journal(tb_str report, const char *uuid)
{
    json_t *json = json_loadb(report.p, report.n, 0, NULL);
    tb_str  of = tb_str_of(json_string_value(json_object_get(json, "journal")));
    bool    is = tb_str_eq(of, tb_str_of(uuid));

    json_decref(json);
    return is;
}

enum tb_code
store_import_find_report(const char *dir, struct tb_buf *out, struct tb_err *e)
{
    char         *path = path_in(dir, "import.json"), *journal = path_in(dir, "tombolo.db");
    struct db     d = { 0 };
    struct self   self;
    struct tb_buf report = TB_BUF_INIT;

    *e = (struct tb_err){ 0 };
    if (read_report(path, &report, e) == TB_OK &&
        db_open(&d, journal, NULL, DB_READ_ONLY, store_query_texts, Q_COUNT, e) == TB_OK &&
        journal_read_self(&d, &self, e) == TB_OK) {
        if (is_of_journal(tb_buf_str(&report), self.uuid))
            tb_buf_add(out, tb_buf_str(&report));
        else
            tb_fail(e, TB_ENOTFOUND, NULL, "%s is about another journal", path);
    }
    db_close(&d);
    tb_buf_fini(&report);
    tb_free(path);
    tb_free(journal);
    return e->code;
}
