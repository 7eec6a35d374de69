/* A follower is a read-only connection and a position. It remembers where it stopped, so that the next batch starts there
 * and not with a search. */
#include "follow.h"

#include "follower.h"
#include "queries.h"
#include "requests.h"

#include <inttypes.h>

enum tb_code
store_follow(struct store *s, struct store_follower **out, struct tb_err *e)
{
    struct store_follower *f = TB_NEW(struct store_follower);

    if (store_open_read_only(s, &f->db, e) != TB_OK) {
        tb_free(f);
        return tb_wrap(e, "follower");
    }
    *out = f;
    return TB_OK;
}

void
store_unfollow(struct store_follower **f)
{
    if (*f == NULL)
        return;
    db_close(&(*f)->db);
    tb_free(*f);
    *f = NULL;
}

static enum tb_code
read_own(struct store_follower *f, struct tb_err *e)
{
    f->floor_seq = 0;
    f->floor_chain = (struct chain){ 0 };
    if (journal_read_self(&f->db, &f->own, e) != TB_OK)
        return e->code;
    sqlite3_stmt *st = db_query(&f->db, Q_FLOOR, ARGS(I(f->own.node)), e);
    if (db_next(&f->db, st, e)) {
        tb_str chain = db_col_text(st, 1);
        f->floor_seq = db_col_int(st, 0);
        if (chain.n == CHAIN_SIZE)
            memcpy(f->floor_chain.bytes, chain.p, CHAIN_SIZE);
        db_done(st);
    }
    return e->code;
}

void
identity_of(const struct self *own, struct store_identity *out)
{
    *out = (struct store_identity){ .epoch = own->epoch, .node = own->node, .own_seq = own->seq,
                                    .pushed_seq = own->pushed_seq, .restored = own->restored };
    memcpy(out->journal_uuid, own->uuid, sizeof out->journal_uuid);
    memcpy(out->centre_uuid, own->centre_uuid, sizeof out->centre_uuid);
    memcpy(out->own_chain, own->chain.bytes, sizeof out->own_chain);
}

enum tb_code
store_follow_identity(struct store_follower *f, struct store_identity *out, struct tb_err *e)
{
    if (read_own(f, e) != TB_OK)
        return e->code;
    identity_of(&f->own, out);
    out->floor_seq = f->floor_seq;
    memcpy(out->floor_chain, f->floor_chain.bytes, sizeof out->floor_chain);
    return TB_OK;
}

enum tb_code
store_follow_vector(struct store_follower *f, void (*each)(void *ctx, uint32_t node, int64_t seq), void *ctx, struct tb_err *e)
{
    if (journal_read_self(&f->db, &f->own, e) != TB_OK)
        return e->code;
    sqlite3_stmt *st = db_query(&f->db, Q_VECTOR, ARGS(I(f->own.node)), e);
    while (db_next(&f->db, st, e))
        each(ctx, (uint32_t)db_col_int(st, 0), db_col_int(st, 1));
    return e->code;
}

/* The position to scan from for own ops after seq: where the last call stopped, or the op's own place. */
static enum tb_code
find_start(struct store_follower *f, int64_t after, int64_t *pos, struct tb_err *e)
{
    bool found = false;

    *pos = 0;
    if (after < f->floor_seq)
        return tb_fail(e, TB_ENOTFOUND, NULL, "own ops up to seq %" PRId64 " have been pruned, and after %" PRId64
                       " is asked for", f->floor_seq, after);
    if (after == f->floor_seq)      /* the first one that is left, or the first of all */
        return TB_OK;
    if (after == f->last_seq) {
        *pos = f->last_pos;
        return TB_OK;
    }
    /* Every own op took a position of its own, so op seq cannot stand before position seq. */
    return db_int(&f->db, Q_POS_OF_OWN, ARGS(I(f->own.node), I(after), I(after)), pos, &found, e);
}

static enum tb_code
hand_out(struct store_follower *f, sqlite3_stmt *st, int64_t after, void (*each)(void *ctx, const struct store_entry *),
         void *ctx, size_t *bytes, struct tb_err *e)
{
    struct store_entry entry = {
        .pos = db_col_int(st, 0), .node = (uint32_t)db_col_int(st, 1), .seq = db_col_int(st, 2), .at = db_col_int(st, 3),
        .kind = (int)db_col_int(st, 4), .version = (int)db_col_int(st, 5), .body = db_col_text(st, 6),
    };
    tb_str chain = db_col_text(st, 7);

    if (entry.seq != after + 1 || chain.n != sizeof entry.chain)
        return tb_fail(e, TB_EINTERNAL, NULL, "after own seq %" PRId64 " comes %" PRId64, after, entry.seq);
    memcpy(entry.chain, chain.p, sizeof entry.chain);
    *bytes += entry.body.n;
    each(ctx, &entry);
    f->last_seq = entry.seq;
    f->last_pos = entry.pos;
    return TB_OK;
}

enum tb_code
store_follow_own(struct store_follower *f, int64_t after, size_t max, size_t max_bytes,
                 void (*each)(void *ctx, const struct store_entry *), void *ctx, size_t *n, struct tb_err *e)
{
    int64_t pos;
    size_t  bytes = 0;

    *n = 0;
    if (read_own(f, e) != TB_OK || find_start(f, after, &pos, e) != TB_OK)
        return e->code;
    sqlite3_stmt *st = db_query(&f->db, Q_OWN_AFTER, ARGS(I(pos), I(f->own.node), I((int64_t)max)), e);
    while (db_next(&f->db, st, e)) {
        if ((bytes >= max_bytes && *n > 0) || hand_out(f, st, after, each, ctx, &bytes, e) != TB_OK) {
            db_done(st);
            break;
        }
        after++;
        ++*n;
    }
    return e->code;
}
