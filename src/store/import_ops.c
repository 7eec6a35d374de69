/* From gathered rows to ops, in the order of their times. The journal is nobody's yet, so until it is whole it is written without
 * care: no WAL, no syncs; a crash leaves a file that the next import removes. */
#include "import_inside.h"

#include "hlc.h"
#include "migrate.h"
#include "op.h"
#include "queries.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    OPS_PER_COMMIT = 10000,
    OPS_PER_PROGRESS = 1000,
    RECEIPTS_PER_OP = 256,      /* as many as a client may confirm at once, about */
    SEEN_PER_OP = 1000,
};

struct step {
    int64_t          at;        /* ms: what its op's hlc is made of */
    enum import_rank rank;
    int64_t          user, id, time, room;
};

/* Receipts of one kind and time that follow each other become one op. */
struct receipts {
    struct step        first;
    size_t             n_ids, n_of;
    int64_t            ids[RECEIPTS_PER_OP];
    struct op_receipts of[RECEIPTS_PER_OP];     /* each points into ids */
};

struct writing {
    struct store_import *i;
    struct journal      *j;
    struct receipts      receipts;
    int64_t              n_uncommitted, n_done, n_all;
    void               (*on_progress)(void *ctx, int64_t n_done, int64_t n_all);
    void                *ctx;
};

/* ---- appending ---- */

static struct op
begin_op(struct writing *w, enum op_kind kind, int64_t at_ms)
{
    struct self *self = &w->j->self;

    self->hlc = hlc_next(self->hlc, at_ms < w->i->now_ms ? at_ms : w->i->now_ms);
    return (struct op){ .kind = kind, .version = OP_VERSION, .node = self->node, .at = self->hlc };
}

static enum tb_code
commit(struct writing *w, struct tb_err *e)
{
    w->n_uncommitted = 0;
    return journal_save_self(w->j, e) == TB_OK ? db_run(&w->j->db, Q_COMMIT, NO_ARGS, e) : e->code;
}

static enum tb_code
append(struct writing *w, struct op *op, struct tb_err *e)
{
    if (w->n_uncommitted == 0 && db_run(&w->j->db, Q_BEGIN, NO_ARGS, e) != TB_OK)
        return e->code;
    w->n_uncommitted++;
    if (journal_append(w->j, op, e) != TB_OK)
        return tb_wrap(e, "op %" PRId64 " (%s)", op->seq, op_kind_name(op->kind));
    return w->n_uncommitted == OPS_PER_COMMIT ? commit(w, e) : TB_OK;
}

/* ---- one step ---- */

/* The row that query finds for id, or NULL and e->code: whatever was gathered is there. */
static sqlite3_stmt *
row_of(struct writing *w, enum gather_query query, int64_t id, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(&w->i->rows, (int)query, ARGS(I(id)), e);

    if (db_next(&w->i->rows, st, e))
        return st;
    if (e->code == TB_OK)
        tb_fail(e, TB_EINTERNAL, NULL, "row %" PRId64 " was gathered and is not there", id);
    return NULL;
}

static enum tb_code
park(struct writing *w, const struct step *s, tb_str email, int64_t claim, struct tb_err *e)
{
    struct op op = begin_op(w, OP_EMAIL_PARKED, s->at);

    op.email_parked.user_id = s->id;
    op.email_parked.email = email;
    op.email_parked.stamp = claim;
    return append(w, &op, e);
}

static enum tb_code
write_user(struct writing *w, const struct step *s, struct tb_err *e)
{
    sqlite3_stmt *st = row_of(w, G_USER, s->id, e);

    if (st == NULL)
        return e->code;
    struct op op = begin_op(w, OP_USER_REGISTERED, s->at);
    op.user_registered.id = s->id;
    op.user_registered.created_at = db_col_int(st, 0);
    op.user_registered.email = db_col_text(st, 2);
    op.user_registered.username = db_col_text(st, 3);
    op.user_registered.hash = db_col_text(st, 4);
    if (append(w, &op, e) == TB_OK && db_col_int(st, 1) != 0)
        TB_TRY(park(w, s, db_col_text(st, 2), op.at, e));
    db_done(st);
    return e->code;
}

static enum tb_code
write_room(struct writing *w, const struct step *s, struct tb_err *e)
{
    sqlite3_stmt *st = row_of(w, G_ROOM, s->id, e);

    if (st == NULL)
        return e->code;
    struct op op = begin_op(w, OP_ROOM_CREATED, s->at);
    op.room_created.id = s->id;
    op.room_created.created_at = db_col_int(st, 0);
    op.room_created.is_private = db_col_int(st, 1) != 0;
    op.room_created.created_by = db_col_int(st, 2);
    op.room_created.name = db_col_text(st, 3);
    TB_TRY(append(w, &op, e));
    db_done(st);
    return e->code;
}

static enum tb_code
write_member(struct writing *w, const struct step *s, struct tb_err *e)
{
    struct op op = begin_op(w, OP_MEMBER_JOINED, s->at);

    op.member_joined.id = s->id;
    op.member_joined.room_id = s->room;
    op.member_joined.user_id = op.member_joined.by_id = s->user;
    op.member_joined.stamp = op.at;
    op.member_joined.joined_at = s->time;
    return append(w, &op, e);
}

static enum tb_code
write_message(struct writing *w, const struct step *s, struct tb_err *e)
{
    sqlite3_stmt *st = row_of(w, G_MESSAGE, s->id, e);

    if (st == NULL)
        return e->code;
    struct op op = begin_op(w, OP_MESSAGE_SENT, s->at);
    op.message_sent.id = s->id;
    op.message_sent.room_id = db_col_int(st, 0);
    op.message_sent.sender_id = db_col_int(st, 1);
    op.message_sent.created_at = db_col_int(st, 2);
    op.message_sent.content = db_col_text(st, 3);
    TB_TRY(append(w, &op, e));
    db_done(st);
    return e->code;
}

static enum tb_code
flush_receipts(struct writing *w, struct tb_err *e)
{
    struct receipts *r = &w->receipts;

    if (r->n_ids == 0)
        return TB_OK;
    struct op op = begin_op(w, r->first.rank == RANK_READ ? OP_READ : OP_DELIVERED, r->first.at);
    op.receipts.at = r->first.time;
    op.receipts.of = r->of;
    op.receipts.n = r->n_of;
    r->n_ids = r->n_of = 0;
    return append(w, &op, e);
}

static enum tb_code
add_receipt(struct writing *w, const struct step *s, struct tb_err *e)
{
    struct receipts *r = &w->receipts;
    bool             fits = r->n_ids > 0 && r->n_ids < RECEIPTS_PER_OP && r->first.rank == s->rank && r->first.time == s->time;

    if (!fits && flush_receipts(w, e) != TB_OK)
        return e->code;
    if (r->n_ids == 0)
        r->first = *s;
    struct op_receipts *last = r->n_of > 0 ? &r->of[r->n_of - 1] : NULL;
    if (last == NULL || last->room_id != s->room || last->user_id != s->user) {
        last = &r->of[r->n_of++];
        *last = (struct op_receipts){ .room_id = s->room, .user_id = s->user, .message_ids = &r->ids[r->n_ids] };
    }
    r->ids[r->n_ids++] = s->id;
    last->n++;
    return TB_OK;
}

static enum tb_code
write_step(struct writing *w, const struct step *s, struct tb_err *e)
{
    if (s->rank != RANK_DELIVERED && s->rank != RANK_READ && flush_receipts(w, e) != TB_OK)
        return e->code;
    switch (s->rank) {
    case RANK_USER:      return write_user(w, s, e);
    case RANK_ROOM:      return write_room(w, s, e);
    case RANK_MEMBER:    return write_member(w, s, e);
    case RANK_MESSAGE:   return write_message(w, s, e);
    case RANK_DELIVERED:
    case RANK_READ:      return add_receipt(w, s, e);
    }
    abort();    /* add_step knows no other */
}

static void
tell(struct writing *w)
{
    if (++w->n_done % OPS_PER_PROGRESS == 0 || w->n_done == w->n_all)
        w->on_progress(w->ctx, w->n_done, w->n_all);
}

static enum tb_code
write_steps(struct writing *w, struct tb_err *e)
{
    struct db    *rows = &w->i->rows;
    bool          found = false;
    sqlite3_stmt *st;

    if (db_int(rows, G_COUNT_STEPS, NO_ARGS, &w->n_all, &found, e) != TB_OK)
        return e->code;
    st = db_query(rows, G_STEPS, NO_ARGS, e);
    while (db_next(rows, st, e)) {
        struct step s = { db_col_int(st, 0), (enum import_rank)db_col_int(st, 1), db_col_int(st, 2), db_col_int(st, 3),
                          db_col_int(st, 4), db_col_int(st, 5) };
        if (write_step(w, &s, e) != TB_OK) {
            db_done(st);
            break;
        }
        tell(w);
    }
    return e->code == TB_OK ? flush_receipts(w, e) : e->code;
}

/* ---- who was last seen when ---- */

static enum tb_code
write_seen(struct writing *w, struct op_seen *users, size_t n, struct tb_err *e)
{
    if (n == 0)
        return TB_OK;
    struct op op = begin_op(w, OP_LAST_SEEN, 0);
    op.last_seen.users = users;
    op.last_seen.n = n;
    return append(w, &op, e);
}

static enum tb_code
write_last_seen(struct writing *w, struct tb_err *e)
{
    struct op_seen users[SEEN_PER_OP];
    size_t         n = 0;
    sqlite3_stmt  *st = db_query(&w->i->rows, G_SEEN, NO_ARGS, e);

    while (db_next(&w->i->rows, st, e)) {
        users[n++] = (struct op_seen){ db_col_int(st, 0), db_col_int(st, 1) };
        if (n < SEEN_PER_OP)
            continue;
        n = 0;
        if (write_seen(w, users, SEEN_PER_OP, e) != TB_OK) {
            db_done(st);
            break;
        }
    }
    return e->code == TB_OK ? write_seen(w, users, n, e) : e->code;
}

/* ---- all of it ---- */

static enum tb_code
open_journal(struct store_import *i, struct tb_err *e)
{
    struct journal *j = &i->journal;

    j->clock = i->settings.clock;
    if (db_open(&j->db, i->new_path, NULL, DB_READ_WRITE, store_query_texts, Q_COUNT, e) != TB_OK ||
        db_exec(&j->db, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", e) != TB_OK ||
        store_migrate(&j->db, store_migrations, e) != TB_OK)
        return e->code;
    return journal_load(j, 0, e);
}

enum tb_code
import_write_ops(struct store_import *i, void (*on_progress)(void *ctx, int64_t n_done, int64_t n_all), void *ctx,
                 struct tb_err *e)
{
    struct writing *w = TB_NEW(struct writing);
    struct self    *self = &i->journal.self;

    *w = (struct writing){ .i = i, .j = &i->journal, .on_progress = on_progress, .ctx = ctx };
    if (open_journal(i, e) == TB_OK) {
        self->users = i->highest[IMPORT_USERS];
        self->rooms = i->highest[IMPORT_ROOMS];
        self->members = i->highest[IMPORT_MEMBERS];
        self->messages = i->highest[IMPORT_MESSAGES];
        if (write_steps(w, e) == TB_OK && write_last_seen(w, e) == TB_OK && w->n_uncommitted > 0)
            TB_TRY(commit(w, e));
        i->result.n_ops = self->seq;
        memcpy(i->result.journal_uuid, self->uuid, sizeof i->result.journal_uuid);
    }
    db_close(&i->journal.db);
    tb_free(w);
    return e->code;
}
