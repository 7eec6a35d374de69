/* Bodies of sites.h. */
#include "sites.h"

#include "store/follow.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum { SETTLE_MS = 60000, STEP_NS = 5000000, EMAILS = 5, SKEW_MS = 20 * 60 * 1000 };

uint64_t
sites_below(struct sites *s, uint64_t n)
{
    s->chance ^= s->chance << 13;
    s->chance ^= s->chance >> 7;
    s->chance ^= s->chance << 17;
    return s->chance % n;
}

/* ---- acts ---- */

static void
join_or_leave(struct sites *s, struct fixture *f)
{
    int64_t                    user = s->site[sites_below(s, SITES)].user, room = s->site[sites_below(s, SITES)].room;
    struct store_remove_member r = { .room_id = room, .user_id = user };

    if (sites_below(s, 2) == 0)
        TB_TRY(fixture_join(f, room, user, user));
    else
        TB_TRY(fixture_call(f, remove_member, &r));
    store_op_fini(&r.op);
}

static void
change_user(struct sites *s, struct fixture *f)
{
    char                     text[32];
    uint64_t                 which = 1 + sites_below(s, 7);
    struct store_change_user r = { .user_id = s->site[sites_below(s, SITES)].user };

    snprintf(text, sizeof text, "E%" PRIu64 "@x.test", sites_below(s, EMAILS));
    r.email = which & 1 ? tb_str_of(text) : TB_STR_NULL;
    r.username = which & 2 ? tb_str_of(text) : TB_STR_NULL;
    r.password_hash = which & 4 ? tb_str_of(text) : TB_STR_NULL;
    TB_TRY(fixture_call(f, change_user, &r));
    store_op_fini(&r.op);
}

/* With an e-mail that somebody else may be taking elsewhere at this moment. */
static void
come(struct sites *s, struct fixture *f)
{
    char                  text[32];
    struct store_add_user r = { .username = TB_LIT("newcomer"), .password_hash = TB_LIT("$argon2id$y") };

    snprintf(text, sizeof text, "e%" PRIu64 "@x.test", sites_below(s, EMAILS));
    r.email = tb_str_of(text);
    TB_TRY(fixture_call(f, add_user, &r));
    store_op_fini(&r.op);
}

static void
receive(struct sites *s, struct fixture *f, bool is_read)
{
    int64_t user = s->site[sites_below(s, SITES)].user, ids[4];

    for (int i = 0; i < 4; i++)
        ids[i] = s->n_messages > 0 ? s->messages[sites_below(s, s->n_messages)] : 1;
    if (is_read) {
        struct store_add_read r = { .user_id = user, .message_ids = ids, .n = 4 };
        TB_TRY(fixture_call(f, add_read, &r));
        store_op_fini(&r.op);
    } else {        /* also of messages that have not come here yet, as another site's receipts are */
        struct store_receipts_of   of = { .room_id = s->site[0].room, .user_id = user, .message_ids = ids, .n = 4 };
        struct store_add_delivered r = { .of = &of, .n = 1 };
        TB_TRY(fixture_call(f, add_delivered, &r));
        store_op_fini(&r.op);
    }
}

static void
send(struct sites *s, struct fixture *f)
{
    struct store_add_message r = { .room_id = s->site[sites_below(s, SITES)].room,
                                   .sender_id = s->site[sites_below(s, SITES)].user,
                                   .content = TB_LIT("\xF0\x9F\x8F\x9D it's \\ here") };

    if (fixture_call(f, add_message, &r) == TB_OK && s->n_messages < SITES_MESSAGES)
        s->messages[s->n_messages++] = r.message.id;
    store_op_fini(&r.op);
}

static void
see(struct sites *s, struct fixture *f)
{
    struct store_seen          seen = { .user_id = s->site[sites_below(s, SITES)].user, .at = f->wall_ms };
    struct store_set_last_seen r = { .users = &seen, .n = 1 };

    TB_TRY(fixture_call(f, set_last_seen, &r));
    store_op_fini(&r.op);
}

void
sites_act(struct sites *s, int i)
{
    struct fixture *f = &s->site[i].f;
    uint64_t        what = sites_below(s, 24);

    f->wall_ms += sites_below(s, 30) == 0 ? (int64_t)sites_below(s, 2 * SKEW_MS) - SKEW_MS : (int64_t)sites_below(s, 40) - 5;
    s->n_acts++;
    if (what < 9)
        send(s, f);
    else if (what < 12)
        receive(s, f, false);
    else if (what < 15)
        receive(s, f, true);
    else if (what < 19)
        join_or_leave(s, f);
    else if (what < 22)
        change_user(s, f);
    else if (what < 23)
        come(s, f);
    else
        see(s, f);
}

void
sites_act_anywhere(struct sites *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sites_act(s, (int)sites_below(s, SITES));
}

/* ---- sites ---- */

void
sites_start(struct sites *s, int i)
{
    s->site[i].sync = s->is_forgetful ? work_sync_forgetful(&s->site[i].f, s->site[i].proxy.url)
                                      : work_sync(&s->site[i].f, s->site[i].proxy.url);
}

void
sites_stop(struct sites *s, int i)
{
    work_end(&s->site[i].sync);
}

void
sites_open(struct sites *s, struct centre *c, uint64_t seed)
{
    char name[16];

    *s = (struct sites){ .centre = c, .chance = seed * 7919 + 1, .is_forgetful = s->is_forgetful };
    centre_empty(c);
    for (int i = 0; i < SITES; i++) {
        struct site *site = &s->site[i];
        fixture_open(&site->f);
        proxy_start(&site->proxy, c);
        site->f.wall_ms += (int64_t)sites_below(s, 2 * SKEW_MS) - SKEW_MS;
        sites_start(s, i);
        work_wait(site->sync, SYNC_UP);
        snprintf(name, sizeof name, "user%d", i);
        site->user = fixture_user(&site->f, name);
        site->room = fixture_room(&site->f, site->user, false);
    }
    sites_settle(s);
}

void
sites_close(struct sites *s)
{
    for (int i = 0; i < SITES; i++)
        if (s->site[i].sync != NULL)
            sites_stop(s, i);
    work_end_all();
    for (int i = 0; i < SITES; i++) {
        proxy_stop(&s->site[i].proxy);
        fixture_close(&s->site[i].f);
    }
}

void
sites_pass_days(struct sites *s, int days)
{
    char sql[96];

    snprintf(sql, sizeof sql, "UPDATE chat.site_day SET day = day - %d ORDER BY day", days);
    centre_sql(s->centre, sql);
    snprintf(sql, sizeof sql, "UPDATE chat.site SET seen_at = seen_at - INTERVAL %d DAY", days);
    centre_sql(s->centre, sql);
    for (int i = 0; i < SITES; i++)
        if (s->site[i].sync != NULL) {
            sites_stop(s, i);
            sites_start(s, i);
        }
}

/* ---- where they stand ---- */

struct vector {             /* what a journal says */
    uint32_t node[SITES];
    int64_t  seq[SITES];    /* of each site */
    int64_t  own_seq;
};

static void
note(void *ctx, uint32_t node, int64_t seq)
{
    struct vector *v = ctx;
    for (int i = 0; i < SITES; i++)
        if (v->node[i] == node)
            v->seq[i] = seq;
}

static void
look(struct sites *s, int i, struct vector *v)
{
    struct store_follower *follower = NULL;
    struct store_identity  me;
    struct tb_err          e = { 0 };

    if (store_follow(s->site[i].f.store, &follower, &e) != TB_OK || store_follow_vector(follower, note, v, &e) != TB_OK ||
        store_follow_identity(follower, &me, &e) != TB_OK)
        fail_msg("%s", e.why);
    v->own_seq = me.own_seq;
    store_unfollow(&follower);
}

static bool
is_settled(struct sites *s)
{
    struct store_status now[SITES];
    struct sync_status  link;
    struct vector       first = { 0 };

    for (int i = 0; i < SITES; i++) {
        sync_status(s->site[i].sync, &link);
        store_status(s->site[i].f.store, &now[i]);
        first.node[i] = now[i].node;
        if (link.state != SYNC_UP || link.lag_ops > 0)
            return false;
    }
    for (int i = 0; i < SITES; i++) {
        struct vector v = first;
        look(s, i, &v);
        if (v.own_seq != now[i].own_seq)        /* what came last has made it park an e-mail; its status says so in a moment */
            return false;
        for (int k = 0; k < SITES; k++)
            if (k != i && s->site[k].user != 0 && v.seq[k] != now[k].own_seq)
                return false;
    }
    return true;
}

void
sites_settle(struct sites *s)
{
    const int64_t   until = tb_mono_ms(&tb_clock_system) + SETTLE_MS;
    struct timespec step = { .tv_nsec = STEP_NS };

    while (!is_settled(s)) {
        if (tb_mono_ms(&tb_clock_system) > until)
            fail_msg("the sites have not come together in %d ms", SETTLE_MS);
        nanosleep(&step, NULL);
    }
}

static char *
dump_pairs(struct site *site)
{
    return work_dump(site->f.dir, "SELECT u.id, o.id, u.email FROM user u JOIN user o USING (email_key)"
                     " WHERE u.id < o.id AND u.hlc > 0 AND o.hlc > 0 AND u.email_parked + o.email_parked = 0");
}

void
sites_compare(struct sites *s)
{
    for (int i = 0; i < SITES; i++) {
        struct site *site = &s->site[i];
        sites_stop(s, i);
        if (s->is_forgetful)
            work_compare_kept(&site->f, s->centre);
        else
            work_compare(&site->f, s->centre);
        char *pairs = dump_pairs(site);
        assert_string_equal("", pairs);
        tb_free(pairs);
        fixture_reopen(&site->f);
        assert_int_equal(0, fixture_faults(&site->f));
        sites_start(s, i);
    }
}
