#pragma once
/* A chat on the fake store, with a clock that the test moves. */
#include "base/thread.h"
#include "chat/chat.h"
#include "fake_store.h"
#include "tap.h"

struct chat_rig {
    struct chat       *chat;
    struct tb_mailbox *mailbox;
    struct tb_clock    clock;
    int64_t            now_us;
    unsigned           n_done;      /* calls that have ended */
};

static int64_t
rig_wall_ms(void *ctx)
{
    return 1700000000000 + ((struct chat_rig *)ctx)->now_us / 1000;
}

static int64_t
rig_mono_us(void *ctx)
{
    return ((struct chat_rig *)ctx)->now_us;
}

static const struct chat_limits rig_limits = {
    .messages = 5, .messages_window_ms = 10000, .logins = 3, .address_logins = 30, .logins_window_ms = 60000, .tracked = 100,
        .content_bytes = 100,
    .room_name_chars = 20, .read_ids = 3, .password_min = 8,
};

static struct chat_rig *the_rig;

static inline void
rig_count_done(struct chat_call *call)
{
    (void)call;
    the_rig->n_done++;
}

static int
rig_open(void **state)
{
    struct chat_rig     *r = the_rig = TB_NEW(struct chat_rig);
    struct chat_settings s = { .mailbox = NULL, .limits = rig_limits };
    struct tb_err        e;

    tb_thread_become(TB_LOOP);
    r->clock = (struct tb_clock){ rig_wall_ms, rig_mono_us, r };
    r->mailbox = tb_mailbox_new(64, NULL, NULL);
    s.mailbox = r->mailbox;
    s.clock = &r->clock;
    s.hasher = (struct chat_hasher_settings){ .cost = CHAT_COST_MIN, .threads = 1, .queue = 8 };
    s.token = (struct chat_token_settings){ .secret = TB_LIT("0123456789abcdef0123456789abcdef"), .issuer = "here",
        .days = 7 };
    *state = r;
    return chat_open(&r->chat, &s, &e) != TB_OK;
}

static int
rig_close(void **state)
{
    struct chat_rig *r = *state;
    chat_close(&r->chat);
    tb_mailbox_free(&r->mailbox);
    tb_free(r);
    return fake_waiting() != FAKE_NOTHING;
}

#define IN_RIG(test) cmocka_unit_test_setup_teardown(test, rig_open, rig_close)
