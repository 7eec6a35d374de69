/* Bodies of journal.h. self in memory runs ahead of its row inside a transaction; whoever rolls back restores it. */
#include "journal.h"

#include "apply.h"
#include "follow.h"
#include "base/log.h"
#include "hlc.h"
#include "queries.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

enum {
    TAIL_CHECKED = 256,     /* ops whose chain is checked at every start: a batch */
    DOUBTS_A_LINE = 1000,   /* of a clock that was set back each op is one */
};

#define ID_COUNTER_MASK ((INT64_C(1) << ID_COUNTER_BITS) - 1)

void
store_make_uuid(char out[UUID_SIZE])
{
    unsigned char b[16];
    char          hex[33];

    randombytes_buf(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    sodium_bin2hex(hex, sizeof hex, b, sizeof b);
    snprintf(out, UUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

static void
copy_uuid(char out[UUID_SIZE], tb_str s)
{
    snprintf(out, UUID_SIZE, TB_STR_FMT, TB_STR_ARG(s));
}

static struct chain
to_chain(tb_str bytes)
{
    struct chain c = { 0 };
    if (bytes.n == CHAIN_SIZE)
        memcpy(c.bytes, bytes.p, CHAIN_SIZE);
    return c;
}

enum tb_code
journal_read_self(struct db *d, struct self *out, struct tb_err *e)
{
    sqlite3_stmt *st = db_query(d, Q_SELF, NO_ARGS, e);

    if (!db_next(d, st, e))
        return e->code != TB_OK ? e->code : tb_fail(e, TB_ENOTFOUND, NULL, "the journal has no identity");
    *out = (struct self){
        .epoch = (uint32_t)db_col_int(st, 1), .node = (uint32_t)db_col_int(st, 2), .seq = db_col_int(st, 3),
        .hlc = db_col_int(st, 4), .chain = to_chain(db_col_text(st, 5)), .users = db_col_int(st, 6),
        .rooms = db_col_int(st, 7), .members = db_col_int(st, 8), .messages = db_col_int(st, 9),
        .pushed_seq = db_col_int(st, 10), .head_pos = db_col_int(st, 12), .reissued_at = db_col_int(st, 13),
        .lost_from = db_col_int(st, 14), .lost_upto = db_col_int(st, 15),
        .restored = (enum store_restored)db_col_int(st, 16),
    };
    copy_uuid(out->uuid, db_col_text(st, 0));
    copy_uuid(out->centre_uuid, db_col_text(st, 11));
    db_done(st);
    return TB_OK;
}

static enum tb_code
make_identity(struct journal *j, struct tb_err *e)
{
    char uuid[UUID_SIZE];

    store_make_uuid(uuid);
    struct chain start = chain_start(tb_str_of(uuid));
    *e = (struct tb_err){ 0 };
    if (db_run(&j->db, Q_NEW_SELF, ARGS(T(tb_str_of(uuid)), B(start.bytes, CHAIN_SIZE)), e) != TB_OK)
        return e->code;
    log_info("store.created", "journal=%s", uuid);
    return journal_read_self(&j->db, &j->self, e);
}

/* The newest ops follow from each other: a torn or tampered end shows at start, the rest is for `check`. Ops of other origins
 * in between have chains of their own; each is followed from its first op in the range. (seq 0: a row of the centre's, take.c.)
 * One that came back parked, of which nobody knows any more what it was, has a chain over that. */
static enum tb_code
check_tail(struct journal *j, struct tb_err *e)
{
    struct chain  before = { 0 }, last = j->self.chain;
    bool          has_before = false;
    int64_t       from = j->self.head_pos > TAIL_CHECKED ? j->self.head_pos - TAIL_CHECKED : 0, seq = 0;
    sqlite3_stmt *st = db_query(&j->db, Q_TAIL, ARGS(I(from)), e);

    while (db_next(&j->db, st, e)) {
        if ((uint32_t)db_col_int(st, 1) != j->self.node || db_col_int(st, 2) == 0)
            continue;
        seq = db_col_int(st, 2);
        last = to_chain(db_col_text(st, 7));
        struct chain expected = chain_next(&before, j->self.node, seq, db_col_int(st, 3), (int)db_col_int(st, 4),
                                           (int)db_col_int(st, 5), db_col_text(st, 6));
        if (has_before && db_col_int(st, 4) != OP_PARKED && sodium_memcmp(&expected, &last, sizeof last) != 0) {
            tb_fail(e, TB_EIO, NULL, "the journal is damaged at position %" PRId64 " (seq %" PRId64 "): its content does"
                    " not fit its chain; restore a backup, or run check", db_col_int(st, 0), seq);
            db_done(st);
            return e->code;
        }
        before = last;
        has_before = true;
    }
    if (e->code == TB_OK && has_before &&
        (seq != j->self.seq || sodium_memcmp(&last, &j->self.chain, sizeof last) != 0))
        return tb_fail(e, TB_EIO, NULL, "the journal is damaged: it ends at seq %" PRId64 ", its head says %" PRId64
                       "; restore a backup, or run check", seq, j->self.seq);
    return e->code;
}

static enum tb_code
take_node(struct journal *j, uint32_t node, struct tb_err *e)
{
    if (node == 0 || node == j->self.node)
        return TB_OK;
    if (j->self.seq != 0)
        return tb_fail(e, TB_EIO, NULL, "the journal has written as node %" PRIu32 ", sync.node says %" PRIu32
                       "; see tombolo sync enroll", j->self.node, node);
    j->self.node = node;
    return db_run(&j->db, Q_SET_NODE, ARGS(I(node), T(tb_str_of(j->self.centre_uuid))), e);
}

enum tb_code
journal_load(struct journal *j, uint32_t node, struct tb_err *e)
{
    if (journal_read_self(&j->db, &j->self, e) == TB_ENOTFOUND)
        TB_TRY(make_identity(j, e));
    if (e->code != TB_OK)
        return e->code;
    int64_t now = tb_wall_ms(j->clock);
    if (hlc_wall_is_behind(j->self.hlc, now))
        log_warn("clock.behind", "wall_ms=%" PRId64 " last_op_ms=%" PRId64, now, hlc_ms(j->self.hlc));
    return check_tail(j, e) == TB_OK ? take_node(j, node, e) : e->code;
}

int64_t
journal_new_id(struct journal *j, int64_t *counter)
{
    assert(*counter + 1 < INT64_C(1) << ID_COUNTER_BITS);
    return (int64_t)j->self.node << ID_COUNTER_BITS | ++*counter;
}

static void
keep_counter(const struct journal *j, int64_t *counter, int64_t id)
{
    if (id >> ID_COUNTER_BITS == j->self.node && (id & ID_COUNTER_MASK) > *counter)
        *counter = id & ID_COUNTER_MASK;
}

void
journal_keep_counters(struct journal *j, const struct op *op)
{
    if (op->kind == OP_USER_REGISTERED)
        keep_counter(j, &j->self.users, op->user_registered.id);
    else if (op->kind == OP_ROOM_CREATED)
        keep_counter(j, &j->self.rooms, op->room_created.id);
    else if (op->kind == OP_MEMBER_JOINED)
        keep_counter(j, &j->self.members, op->member_joined.id);
    else if (op->kind == OP_MESSAGE_SENT)
        keep_counter(j, &j->self.messages, op->message_sent.id);
}

/* It was set back while we run. Ops go on from the last one; a person has to look at the clock. */
static void
doubt_clock(struct journal *j, int64_t now)
{
    if (hlc_wall_is_behind(j->self.hlc, now) && j->n_clock_doubts++ % DOUBTS_A_LINE == 0)
        log_warn("clock.behind", "wall_ms=%" PRId64 " last_op_ms=%" PRId64, now, hlc_ms(j->self.hlc));
}

struct op
journal_begin(struct journal *j, enum op_kind kind)
{
    int64_t now = tb_wall_ms(j->clock);

    doubt_clock(j, now);
    j->self.hlc = hlc_next(j->self.hlc, now);
    return (struct op){ .kind = kind, .version = OP_VERSION, .node = j->self.node, .at = j->self.hlc };
}

static struct db_arg
int_or_null(int64_t v)
{
    return v != 0 ? (struct db_arg)I(v) : (struct db_arg)NUL;
}

enum tb_code
journal_add_to_rooms(struct db *d, const struct op *op, struct tb_err *e)
{
    if ((op->kind != OP_DELIVERED && op->kind != OP_READ) || op->receipts.n < 2)
        return TB_OK;
    for (size_t i = 0; i < op->receipts.n; i++)
        if (db_run(d, Q_APPEND_ALSO, ARGS(I(op->receipts.of[i].room_id), I(op->pos)), e) != TB_OK)
            return e->code;
    return TB_OK;
}

/* The row, at the next position. */
static enum tb_code
add_row(struct journal *j, struct op *op, tb_str body, const struct chain *chain, bool is_silent, struct tb_err *e)
{
    int64_t room = is_silent ? 0 : op_room(op);

    if (db_run(&j->db, Q_APPEND,
               ARGS(I(op->node), I(op->seq), I(op->at), I((int64_t)op->kind), I(op->version), int_or_null(room),
                    int_or_null(op_user(op)), T(body), B(chain->bytes, CHAIN_SIZE)),
               e) != TB_OK)
        return e->code;
    op->pos = j->self.head_pos = sqlite3_last_insert_rowid(j->db.sql);
    j->self.head_chain = *chain;
    return journal_add_to_rooms(&j->db, op, e);
}

enum tb_code
journal_append(struct journal *j, struct op *op, struct tb_err *e)
{
    tb_buf_clear(&j->body);
    op_write(op, &j->body);
    op->seq = ++j->self.seq;
    j->self.chain = chain_next(&j->self.chain, op->node, op->seq, op->at, (int)op->kind, op->version,
                               tb_buf_str(&j->body));
    if (add_row(j, op, tb_buf_str(&j->body), &j->self.chain, false, e) != TB_OK)
        return e->code;
    return op_apply(&j->db, op, j->self.node, e);
}

enum tb_code
journal_take(struct journal *j, struct op *op, tb_str body, const struct chain *chain, bool is_silent, struct tb_err *e)
{
    if (add_row(j, op, body, chain, is_silent, e) != TB_OK || op->kind == OP_PARKED)
        return e->code;
    return op_apply(&j->db, op, j->self.node, e);
}

static struct store_event *
new_event(struct journal *j)
{
    struct store_batch *b = j->batch;

    b->events = tb_arena_more(&b->mem, b->events, b->n, &j->events_cap, sizeof *b->events);
    return &b->events[b->n++];
}

void
journal_announce(struct journal *j, const struct op *op, tb_str username, tb_str email)
{
    if (j->batch == NULL)
        return;
    struct store_event *event = new_event(j);
    event->op = op_copy(op, &j->batch->mem);
    memcpy(event->tag, j->self.head_chain.bytes, sizeof event->tag);
    event->username = tb_arena_str(&j->batch->mem, username);
    event->email = tb_arena_str(&j->batch->mem, email);
}

enum tb_code
journal_save_self(struct journal *j, struct tb_err *e)
{
    const struct self *s = &j->self;
    return db_run(&j->db, Q_SAVE_SELF,
                  ARGS(I(s->seq), I(s->hlc), B(s->chain.bytes, CHAIN_SIZE), I(s->users), I(s->rooms), I(s->members),
                       I(s->messages)),
                  e);
}
