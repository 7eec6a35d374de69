/* Opening, closing and limits: what is not about one kind of call. */
#include "chat.h"

#include "base/metrics.h"
#include "inside.h"

#include <sodium.h>

static const char *const limits_hit[] = {
    [HIT_MESSAGES] = "limit.messages",
    [HIT_LOGINS] = "limit.logins",
    [HIT_ADDRESS_LOGINS] = "limit.address_logins",
    [HIT_CONTENT] = "limit.content_bytes",
    [HIT_READ_IDS] = "limit.read_ids",
};
TB_LIMIT_HITS(hits, limits_hit);

void
chat_hit(enum chat_hit which)
{
    tb_count(&hits, which);
}

static struct chat_rate
rate_of(unsigned max, unsigned window_ms, const struct chat_limits *limits)
{
    return (struct chat_rate){ .max = max, .window_ms = window_ms, .tracked = limits->tracked };
}

static struct chat_rate
send_rate(const struct chat_limits *l)
{
    return rate_of(l->messages, l->messages_window_ms, l);
}

static struct chat_rate
account_rate(const struct chat_limits *l)
{
    return rate_of(l->logins, l->logins_window_ms, l);
}

static struct chat_rate
address_rate(const struct chat_limits *l)
{
    return rate_of(l->logins > 0 ? l->address_logins : 0, l->logins_window_ms, l);
}

enum tb_code
chat_open(struct chat **out, const struct chat_settings *settings, struct tb_err *e)
{
    if (sodium_init() < 0)
        return tb_fail(e, TB_EINTERNAL, NULL, "libsodium does not start");

    struct chat *c = TB_NEW(struct chat);
    c->store = settings->store;
    c->mailbox = settings->mailbox;
    c->clock = settings->clock;
    c->hash_queue = settings->hasher.queue;
    c->registration = settings->registration;
    tb_buf_add(&c->registration_token, settings->registration_token);
    c->beyond = settings->beyond;
    c->beyond_ctx = settings->beyond_ctx;
    c->limits = settings->limits;
    c->sends = chat_limit_new(send_rate(&c->limits));
    c->accounts = chat_limit_new(account_rate(&c->limits));
    c->addresses = chat_limit_new(address_rate(&c->limits));
    randombytes_buf(c->login_key, sizeof c->login_key);
    chat_tokens_open(&c->tokens, &settings->token);
    chat_hasher_open(&c->hasher, &settings->hasher);
    *out = c;
    return TB_OK;
}

void
chat_stop(struct chat *c)
{
    chat_hasher_stop(c->hasher);
}

void
chat_close(struct chat **c)
{
    if (*c == NULL)
        return;
    chat_hasher_close(&(*c)->hasher);
    chat_tokens_close(&(*c)->tokens);
    chat_limit_free(&(*c)->sends);
    chat_limit_free(&(*c)->accounts);
    chat_limit_free(&(*c)->addresses);
    tb_buf_wipe(&(*c)->registration_token);
    tb_free(*c);
    *c = NULL;
}

void
chat_queues(const struct chat *c, struct chat_queues *out)
{
    *out = (struct chat_queues){ .hashes = chat_hasher_waiting(c->hasher), .hashes_max = c->hash_queue,
                                 .loop = tb_mailbox_depth(c->mailbox) };
}

void
chat_set_limits(struct chat *c, const struct chat_limits *limits)
{
    assert(tb_thread_is(TB_LOOP));
    c->limits = *limits;
    chat_limit_set(c->sends, send_rate(limits));
    chat_limit_set(c->accounts, account_rate(limits));
    chat_limit_set(c->addresses, address_rate(limits));
}

void
chat_set_centre(struct chat *c, const char *uuid)
{
    assert(tb_thread_is(TB_LOOP));
    chat_tokens_set_centre(c->tokens, uuid);
}

enum tb_code
chat_authenticate(struct chat *c, tb_str token, struct chat_claims *out, struct tb_err *e)
{
    assert(tb_thread_is(TB_LOOP));
    return chat_token_read(c->tokens, token, tb_wall_ms(c->clock), out, e);
}

void
chat_call_fini(struct chat_call *call)
{
    for (unsigned i = 0; i < call->n_ops; i++)
        store_op_fini(call->ops[i]);
    call->n_ops = 0;
}

bool
chat_ask_beyond(struct chat_call *call, struct store_beyond *r, void (*on_done)(struct store_op *))
{
    struct chat *c = call->chat;

    if (c->beyond == NULL)
        return false;
    chat_ready(call, &r->op, on_done);
    return c->beyond->ask(c->beyond_ctx, r);
}

enum tb_code
chat_fail_limit(struct tb_err *e, const char *say, int64_t wait_us)
{
    tb_fail(e, TB_ELIMIT, say, "over the rate for %lld us more", (long long)wait_us);
    e->retry_after_s = (uint32_t)((wait_us + 999999) / 1000000);
    return TB_ELIMIT;
}
