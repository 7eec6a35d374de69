/* Bodies of sender.h. A send that is answered is posted again at once with the next user and room. */
#include "sender.h"

#include <stdio.h>

enum { RESERVE_BYTES = 64 << 20 };      /* as the server's default: the look at the free space belongs to the writer's work */

struct send {
    struct store_add_message r;
    int64_t                  posted_us;
    struct bench_sender     *sender;
};

void
bench_sender_open(struct bench_sender *s, const char *dir, tb_str content)
{
    struct store_settings settings = { .dir = dir, .clock = &tb_clock_system, .queue = BENCH_MAX_DEPTH, .reader_queue = 64,
                                       .batch = 256, .reserve_bytes = RESERVE_BYTES, .members_per_room = BENCH_USERS,
                                       .rooms_per_user = BENCH_ROOMS, .key_keep_days = 7 };
    struct tb_err         e = { 0 };

    *s = (struct bench_sender){ .content = content, .inbox = tb_mailbox_new(1, NULL, NULL) };
    if (store_open(&s->store, &settings, &e) != TB_OK)
        bench_die("%s", e.why);
}

void
bench_sender_close(struct bench_sender *s)
{
    store_close(&s->store);
    tb_mailbox_free(&s->inbox);
}

/* ---- people ---- */

static void
heard(struct store_op *op)
{
    if (op->err.code != TB_OK)
        bench_die("preparing: %s", op->err.why);
}

static void
await(struct bench_sender *s)
{
    struct tb_msg_list l = { 0 };
    tb_mailbox_wait(s->inbox, &l, 1, -1);
    struct tb_msg *m = tb_msg_list_take(&l);
    m->run(m);
}

static int64_t
add_user(struct bench_sender *s, size_t i)
{
    char                  email[32];
    struct store_add_user r = { .op = { .reply_to = s->inbox, .on_done = heard }, .username = TB_LIT("bench"),
                                .password_hash = TB_LIT("none") };

    snprintf(email, sizeof email, "u%zu@bench.test", i);
    r.email = tb_str_of(email);
    store_add_user(s->store, &r);
    await(s);
    store_op_fini(&r.op);
    return r.user.id;
}

static int64_t
add_room(struct bench_sender *s, int64_t creator)
{
    struct store_add_room r = { .op = { .reply_to = s->inbox, .on_done = heard }, .creator_id = creator,
                                .name = TB_LIT("bench") };
    store_add_room(s->store, &r);
    await(s);
    store_op_fini(&r.op);
    return r.room_id;
}

static void
join(struct bench_sender *s, int64_t room, int64_t user)
{
    struct store_add_member r = { .op = { .reply_to = s->inbox, .on_done = heard }, .room_id = room, .user_id = user,
                                  .by_id = user };
    store_add_member(s->store, &r);
    await(s);
    store_op_fini(&r.op);
}

void
bench_sender_add_people(struct bench_sender *s)
{
    s->n_users = BENCH_USERS;
    s->n_rooms = BENCH_ROOMS;
    for (size_t i = 0; i < BENCH_USERS; i++)
        s->users[i] = add_user(s, i);
    for (size_t i = 0; i < BENCH_ROOMS; i++)
        s->rooms[i] = add_room(s, s->users[i]);
    for (size_t i = BENCH_ROOMS; i < BENCH_USERS; i++)
        join(s, s->rooms[i % BENCH_ROOMS], s->users[i]);
}

/* ---- sends ---- */

static void on_sent(struct store_op *op);

static void
post(struct bench_sender *s, struct send *one)
{
    size_t i = s->next_user++ % s->n_users;

    one->r = (struct store_add_message){ .op = { .reply_to = s->inbox, .on_done = on_sent }, .sender_id = s->users[i],
                                         .room_id = s->rooms[i % s->n_rooms], .content = s->content };
    one->sender = s;
    one->posted_us = bench_now_us();
    s->n_posted++;
    store_add_message(s->store, &one->r);
}

static void
on_sent(struct store_op *op)
{
    struct send         *one = TB_CONTAINER(op, struct send, r.op);
    struct bench_sender *s = one->sender;
    int64_t              now = bench_now_us();

    if (op->err.code != TB_OK)
        bench_die("send: %s", op->err.why);
    store_op_fini(op);
    bench_latency_add(&s->latency, now - one->posted_us);
    s->n_done++;
    if (now < s->until_us && s->n_posted < s->n_wanted)
        post(s, one);
    else
        s->n_outstanding--;
}

void
bench_sender_run(struct bench_sender *s, size_t depth, uint64_t n_wanted, double seconds)
{
    struct send *sends = tb_alloc_zero(depth * sizeof *sends);

    s->latency = (struct bench_latency){ .n = 0 };
    s->n_done = s->n_posted = 0;
    s->n_wanted = n_wanted;
    s->until_us = bench_now_us() + (int64_t)(seconds * 1e6);
    for (s->n_outstanding = 0; s->n_outstanding < depth && s->n_posted < n_wanted; s->n_outstanding++)
        post(s, &sends[s->n_outstanding]);
    while (s->n_outstanding > 0) {
        struct tb_msg_list l = { 0 };
        struct tb_msg     *m;
        tb_mailbox_wait(s->inbox, &l, SIZE_MAX, -1);
        while ((m = tb_msg_list_take(&l)) != NULL)
            m->run(m);
    }
    tb_free(sends);
}
