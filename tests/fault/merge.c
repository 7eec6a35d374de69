/* The upserts themselves, against a real server: three sites' ops leave the same tables whatever the order in which the
 * batches arrive, also when a batch holds the same row many times. Stamps are few, so that they are often equal. */
#include "centre.h"

#include "store/op.h"
#include "sync/target.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

enum { NODES = 3, OPS = 120, FEW = 3 };

static struct centre centre;
static uint64_t      chance;

static uint64_t
below(uint64_t n)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return chance % n;
}

struct site {
    struct store_identity me;
    struct sync_target   *target;
    struct op             ops[OPS];
    char                  text[OPS][16];
    struct op_receipts    receipts[OPS];
    int64_t               ids[OPS][2];
    struct op_seen        seen[OPS];
    size_t                n_pushed;
};

static struct site sites[NODES];

static int64_t
few(void)
{
    return 1 + (int64_t)below(FEW);
}

/* An id that several sites speak of, but only one has made. */
static void
make_op(struct site *s, size_t i)
{
    struct op *op = &s->ops[i];
    tb_str     text = { .p = s->text[i], .n = (size_t)snprintf(s->text[i], sizeof s->text[i], "t%u.%zu", s->me.node, i % 5) };

    *op = (struct op){ .kind = (enum op_kind)(1 + below(OP_KIND_COUNT - 1)), .version = OP_VERSION, .node = s->me.node,
                       .seq = (int64_t)i + 1, .at = 100 + (int64_t)i };
    s->ids[i][0] = few(), s->ids[i][1] = few();
    s->receipts[i] = (struct op_receipts){ .room_id = 1, .user_id = few(), .message_ids = s->ids[i], .n = 2 };
    s->seen[i] = (struct op_seen){ .user_id = few(), .at = few() };
    int64_t own = ((int64_t)s->me.node << 41) + (int64_t)i, stamp = few();
    switch (op->kind) {
    case OP_USER_REGISTERED:
        if (s->me.node != 1 || i >= FEW)
            op->user_registered.id = own;
        else
            op->user_registered.id = (int64_t)i + 1;
        op->user_registered.email = op->user_registered.username = op->user_registered.hash = text;
        return;
    case OP_PASSWORD_CHANGED:
        op->password_changed.user_id = few(), op->password_changed.stamp = stamp, op->password_changed.hash = text;
        return;
    case OP_PROFILE_CHANGED:
        op->profile_changed.user_id = few(), op->profile_changed.stamp = stamp;
        op->profile_changed.email = below(2) ? text : TB_STR_NULL, op->profile_changed.username = text;
        return;
    case OP_EMAIL_PARKED:
        op->email_parked.user_id = few(), op->email_parked.stamp = stamp, op->email_parked.email = text;
        return;
    case OP_ROOM_CREATED:
        op->room_created.id = own, op->room_created.created_by = 1, op->room_created.name = text;
        return;
    case OP_MEMBER_JOINED:
        op->member_joined.id = own, op->member_joined.room_id = few(), op->member_joined.user_id = few();
        op->member_joined.by_id = 1, op->member_joined.stamp = stamp, op->member_joined.joined_at = few();
        return;
    case OP_MEMBER_LEFT:
        op->member_left.room_id = few(), op->member_left.user_id = few(), op->member_left.by_id = 1;
        op->member_left.stamp = stamp;
        return;
    case OP_MESSAGE_SENT:
        op->message_sent.id = own, op->message_sent.room_id = few(), op->message_sent.sender_id = few();
        op->message_sent.content = text;
        return;
    case OP_DELIVERED:
    case OP_READ:
        op->receipts.at = few(), op->receipts.of = &s->receipts[i], op->receipts.n = 1;
        return;
    case OP_LAST_SEEN:
        op->last_seen.users = &s->seen[i], op->last_seen.n = 1;
        return;
    case OP_PARKED:
    case OP_KIND_COUNT:
        break;
    }
    fail_msg("no such op");
}

static void
must(enum tb_code code, const struct tb_err *e)
{
    if (code != TB_OK)
        fail_msg("%s", e->why);
}

static void
open_site(struct site *s)
{
    struct sync_mysql_settings settings = { .clock = &tb_clock_system, .connect_timeout_ms = 1000, .io_timeout_ms = 5000 };
    struct sync_place          place;
    struct tb_err              e = { 0 };

    s->n_pushed = 0;
    must(sync_mysql_new(&s->target, tb_str_of(centre.url), &settings, &e), &e);
    must(s->target->ops->connect(s->target, &e), &e);
    must(s->target->ops->migrate(s->target, &e), &e);
    must(s->target->ops->enrol(s->target, &s->me, &place, &e), &e);
}

static void
gather(struct site *s, size_t n)
{
    struct tb_err e = { 0 };

    s->target->ops->begin(s->target, &s->me, (int64_t)s->n_pushed);
    for (size_t i = s->n_pushed; i < s->n_pushed + n; i++) {
        struct tb_buf      body = TB_BUF_INIT;
        const struct op   *op = &s->ops[i];
        op_write(op, &body);
        struct store_entry entry = { .seq = op->seq, .node = op->node, .at = op->at, .kind = op->kind,
                                     .version = op->version, .body = tb_buf_str(&body) };
        must(s->target->ops->add(s->target, &entry, &e), &e);
        tb_buf_fini(&body);
    }
}

static void
push_some(struct site *s, size_t n)
{
    struct tb_err e = { 0 };

    if (n > OPS - s->n_pushed)
        n = OPS - s->n_pushed;
    if (n == 0)
        return;
    gather(s, n);
    must(s->target->ops->send(s->target, 1, &e), &e);
    must(s->target->ops->finish(s->target, &e), &e);
    s->n_pushed += n;
}

static char *
dump_tables(void)
{
    static const char *const tables[] = { "SELECT * FROM user ORDER BY id", "SELECT * FROM room ORDER BY id",
                                          "SELECT * FROM email_claim ORDER BY `key`, user_id",
                                          "SELECT * FROM member ORDER BY room_id, user_id",
                                          "SELECT * FROM message ORDER BY id",
                                          "SELECT * FROM receipt ORDER BY message_id, user_id",
                                          "SELECT * FROM op_log ORDER BY node, seq" };
    struct tb_buf all = TB_BUF_INIT;
    size_t        n;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        char *rows = centre_dump(&centre, tables[i]);
        tb_buf_add(&all, tb_str_of(rows));
        tb_free(rows);
    }
    return tb_buf_take(&all, &n);
}

/* In a new database; the order of sites and the size of batches are left to chance, or (max 0) each site goes alone. */
static char *
play(size_t max)
{
    centre_empty(&centre);
    for (int i = 0; i < NODES; i++)
        open_site(&sites[i]);
    for (size_t left = NODES * OPS; left > 0;) {
        struct site *s = max == 0 ? &sites[(left - 1) / OPS] : &sites[below(NODES)];
        size_t       before = s->n_pushed;
        push_some(s, max == 0 ? OPS : 1 + below(max));
        left -= s->n_pushed - before;
    }
    for (int i = 0; i < NODES; i++) {
        sites[i].target->ops->drop(sites[i].target);
        sites[i].target->ops->free(sites[i].target);
    }
    return dump_tables();
}

static void
make_sites(void)
{
    for (int i = 0; i < NODES; i++) {
        sites[i].me = (struct store_identity){ .epoch = 1, .node = (uint32_t)i + 1, .own_seq = OPS };
        snprintf(sites[i].me.journal_uuid, sizeof sites[i].me.journal_uuid, "site %d", i);
        for (size_t k = 0; k < OPS; k++)
            make_op(&sites[i], k);
    }
}

static void
batches_of_three_sites_leave_the_same_tables_in_any_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        chance = seed * 7919;
        make_sites();
        char *alone = play(0), *mixed = play(40), *one_by_one = play(3);
        assert_string_equal(alone, mixed);
        assert_string_equal(alone, one_by_one);
        tb_free(alone);
        tb_free(mixed);
        tb_free(one_by_one);
    }
}

static const struct {
    const char *name;
    int64_t     ahead;          /* ops that are at the centre and that the batch does not know of */
    uint32_t    epoch;
    const char *uuid;
} strangers[] = {
    { "a batch that is behind, as a zombie of ours or a copy would send", 5, 1, "site 0" },
    { "another epoch", 0, 2, "site 0" },
    { "another journal", 0, 1, "site 9" },
};

static void
a_batch_that_the_fence_does_not_know_leaves_nothing_behind(void **state)
{
    static struct site copy;
    (void)state;
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        struct tb_err e = { 0 };
        centre_sql(&centre, "DROP DATABASE chat");
        centre_sql(&centre, "CREATE DATABASE chat");
        chance = 5;
        make_sites();
        open_site(&sites[0]);
        copy = sites[0];
        open_site(&copy);
        if (strangers[i].ahead > 0)
            push_some(&sites[0], (size_t)strangers[i].ahead);
        char *before = dump_tables();
        copy.me.epoch = strangers[i].epoch;
        snprintf(copy.me.journal_uuid, sizeof copy.me.journal_uuid, "%s", strangers[i].uuid);
        gather(&copy, 50);
        must(copy.target->ops->send(copy.target, 1, &e), &e);
        assert_int_equal(TB_EIO, copy.target->ops->finish(copy.target, &e));
        if (strstr(e.why, "mysql 1048") == NULL)
            fail_msg("%s: %s", strangers[i].name, e.why);
        copy.target->ops->drop(copy.target);
        copy.target->ops->free(copy.target);
        char *after = dump_tables();
        assert_string_equal(before, after);
        tb_free(before);
        tb_free(after);
        push_some(&sites[0], OPS);      /* the site itself goes on */
        sites[0].target->ops->drop(sites[0].target);
        sites[0].target->ops->free(sites[0].target);
    }
}

static const char *const lax[] = { "--sql-mode=", NULL };

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_of_three_sites_leave_the_same_tables_in_any_order),
        cmocka_unit_test(a_batch_that_the_fence_does_not_know_leaves_nothing_behind),
    };
    return centre_run_tests(tests, &centre, lax);
}
