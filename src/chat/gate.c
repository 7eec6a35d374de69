/* What stands before the hashers: tries are counted per account and address, and wider per address, so that one machine can
 * neither guess one password nor walk through all accounts, and cannot lock others out of theirs. Keys are keyed hashes: nobody
 * can choose colliding ones, and no e-mail is kept. */
#include "inside.h"

#include "base/address.h"

#include <sodium.h>

/* The bytes of peer that its owner cannot choose; what is no address stands as it is. */
static tb_str
network_of(tb_str peer, struct tb_address *room)
{
    if (!tb_address_parse(peer, room))
        return peer;
    *room = tb_address_network(*room);
    return (tb_str){ (const char *)room->bytes, sizeof room->bytes };
}

static void
feed(crypto_generichash_state *h, tb_str s)
{
    uint64_t n = s.n;       /* so that no two lists of parts are the same bytes */

    crypto_generichash_update(h, (const unsigned char *)&n, sizeof n);
    crypto_generichash_update(h, (const unsigned char *)s.p, s.n);
}

static struct chat_limit_key
key_of(const struct chat *c, tb_str kind, tb_str who, tb_str peer)
{
    crypto_generichash_state h;
    struct chat_limit_key    key;
    struct tb_address        room;

    crypto_generichash_init(&h, c->login_key, sizeof c->login_key, sizeof key);
    feed(&h, kind);
    feed(&h, who);
    feed(&h, network_of(peer, &room));
    crypto_generichash_final(&h, (unsigned char *)&key, sizeof key);
    return key;
}

static enum tb_code
refuse(struct tb_err *e, enum chat_hit hit, int64_t wait_us)
{
    chat_hit(hit);
    return chat_fail_limit(e, "Too many attempts, try again later", wait_us);
}

enum tb_code
chat_gate_address(struct chat *c, tb_str peer, struct tb_err *e)
{
    struct chat_limit_key address = key_of(c, TB_LIT("address"), TB_STR_NULL, peer);
    int64_t               wait_us;

    if (!chat_limit_admit(c->addresses, address, tb_mono_us(c->clock), &wait_us))
        return refuse(e, HIT_ADDRESS_LOGINS, wait_us);
    return TB_OK;
}

/* A try that the account refuses does not count for the address either. */
static enum tb_code
gate(struct chat *c, tb_str kind, tb_str who, tb_str peer, struct tb_err *e)
{
    struct chat_limit_key account = key_of(c, kind, who, peer);
    struct chat_limit_key address = key_of(c, TB_LIT("address"), TB_STR_NULL, peer);
    int64_t               now = tb_mono_us(c->clock), wait_us;

    if (!chat_limit_admit(c->addresses, address, now, &wait_us))
        return refuse(e, HIT_ADDRESS_LOGINS, wait_us);
    if (!chat_limit_admit(c->accounts, account, now, &wait_us)) {
        chat_limit_take_back(c->addresses, address, now);
        return refuse(e, HIT_LOGINS, wait_us);
    }
    return TB_OK;
}

/* As the store compares e-mails: trimmed, ASCII letters folded. */
enum tb_code
chat_gate_email(struct chat *c, tb_str email, tb_str peer, struct tb_err *e)
{
    struct tb_buf folded = TB_BUF_INIT;

    tb_buf_add(&folded, tb_str_trim(email));
    for (size_t i = 0; i < folded.n; i++)
        if (folded.p[i] >= 'A' && folded.p[i] <= 'Z')
            folded.p[i] = (char)(folded.p[i] - 'A' + 'a');
    enum tb_code code = gate(c, TB_LIT("email"), tb_buf_str(&folded), peer, e);
    tb_buf_fini(&folded);
    return code;
}

enum tb_code
chat_gate_user(struct chat *c, int64_t user_id, tb_str peer, struct tb_err *e)
{
    return gate(c, TB_LIT("user"), (tb_str){ (const char *)&user_id, sizeof user_id }, peer, e);
}
