/* Registering, logging in and changing one's account, with real hashes of the smallest cost. */
#include "rig.h"

#include "base/log.h"

#include <stdio.h>

#define HORSE_2B "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"     /* "correct horse" */

static void
swallow(tb_str line)
{
    (void)line;
}

/* Runs what the hashers answer until the call has ended or asks the store. */
static void
settle(struct chat_rig *r)
{
    struct tb_msg_list taken = { 0 };
    struct tb_msg     *m;

    while (r->n_done == 0 && fake_waiting() == FAKE_NOTHING) {
        tb_mailbox_wait(r->mailbox, &taken, 1, -1);
        while ((m = tb_msg_list_take(&taken)) != NULL)
            m->run(m);
    }
}

static struct chat_secret
secret(char *buffer, size_t size, const char *text)
{
    snprintf(buffer, size, "%s", text);
    return (struct chat_secret){ buffer, strlen(text) };
}

static bool
is_wiped(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != '\0')
            return false;
    return true;
}

struct try {
    struct chat_login login;
    char              password[64];
};

static void
start_login(struct chat_rig *r, struct try *t, const char *email, const char *peer, const char *password)
{
    *t = (struct try){ .login = { .email = tb_str_of(email) } };
    t->login.call.on_done = rig_count_done;
    t->login.call.peer = tb_str_of(peer);
    t->login.password = secret(t->password, sizeof t->password, password);
    r->n_done = 0;
    chat_login(r->chat, &t->login);
}

/* Fills the answer of store_find_login. */
static void
answer_known(const char *hash, bool is_parked)
{
    struct store_find_login *find = fake_request(FAKE_FIND_LOGIN);
    find->user = (struct store_user){ .id = 7, .email = TB_LIT("a@b"), .username = TB_LIT("Ann") };
    find->password_hash = tb_str_of(hash);
    find->is_parked = is_parked;
    fake_answer(FAKE_FIND_LOGIN, TB_OK);
}

static void
a_registration_ends_with_a_token_and_a_wiped_password(void **state)
{
    struct chat_rig     *r = *state;
    char                 password[32];
    struct chat_register c = { .email = TB_LIT(" a@b "), .username = TB_LIT(" Ann ") };
    struct chat_claims   claims;
    struct tb_err        e;
    c.password = secret(password, sizeof password, "correct horse");
    c.call.on_done = rig_count_done;
    chat_register(r->chat, &c);
    settle(r);
    struct store_add_user *add = fake_request(FAKE_ADD_USER);
    assert_true(tb_str_eq(TB_LIT("a@b"), add->email));
    assert_true(tb_str_eq(TB_LIT("Ann"), add->username));
    assert_int_equal(TB_OK, chat_password_verify(TB_LIT("correct horse"), add->password_hash, &e));
    add->user = (struct store_user){ .id = 7, .email = TB_LIT("a@b") };
    fake_answer(FAKE_ADD_USER, TB_OK);
    assert_int_equal(TB_OK, c.call.err.code);
    assert_int_equal(7, c.user->id);
    assert_int_equal(TB_OK, chat_authenticate(r->chat, c.token, &claims, &e));
    assert_int_equal(7, claims.who.user_id);
    assert_true(is_wiped(password, 13));
    chat_call_fini(&c.call);
}

static void
a_registration_is_checked_before_it_is_hashed(void **state)
{
    static const struct { const char *email, *username, *password; } rows[] = {
        { "nobody", "Ann", "correct horse" }, { "a@b", " ", "correct horse" }, { "a@b", "Ann", "1234567" },
    };
    struct chat_rig *r = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char                 password[32];
        struct chat_register c = { .email = tb_str_of(rows[i].email), .username = tb_str_of(rows[i].username) };
        c.password = secret(password, sizeof password, rows[i].password);
        c.call.on_done = rig_count_done;
        r->n_done = 0;
        chat_register(r->chat, &c);
        assert_int_equal(1, r->n_done);
        assert_int_equal(TB_EINPUT, c.call.err.code);
        assert_true(is_wiped(password, strlen(rows[i].password)));
    }
}

static void
a_taken_e_mail_is_told(void **state)
{
    struct chat_rig     *r = *state;
    char                 password[32];
    struct chat_register c = { .email = TB_LIT("a@b"), .username = TB_LIT("Ann") };
    c.password = secret(password, sizeof password, "correct horse");
    c.call.on_done = rig_count_done;
    chat_register(r->chat, &c);
    settle(r);
    fake_answer(FAKE_ADD_USER, TB_ETAKEN);
    assert_int_equal(TB_ETAKEN, c.call.err.code);
    assert_true(is_wiped(password, 13));
    chat_call_fini(&c.call);
}

static void
the_right_password_gives_a_token(void **state)
{
    struct chat_rig   *r = *state;
    char               hash[CHAT_HASH_SIZE];
    struct try         t;
    struct chat_claims claims;
    struct tb_err      e;
    assert_int_equal(TB_OK, chat_password_hash(TB_LIT("correct horse"), CHAT_COST_MIN, hash, &e));
    start_login(r, &t, " a@b ", "127.0.0.1", "correct horse");
    assert_true(tb_str_eq(TB_LIT("a@b"), ((struct store_find_login *)fake_request(FAKE_FIND_LOGIN))->email));
    answer_known(hash, false);
    settle(r);
    assert_int_equal(TB_OK, t.login.call.err.code);
    assert_int_equal(TB_OK, chat_authenticate(r->chat, t.login.token, &claims, &e));
    assert_int_equal(7, claims.who.user_id);
    assert_true(is_wiped(t.password, 13));
    chat_call_fini(&t.login.call);
}

static void
an_unknown_e_mail_takes_the_same_road_and_gets_the_same_answer(void **state)
{
    struct chat_rig *r = *state;
    char             hash[CHAT_HASH_SIZE];
    struct try       unknown, wrong;
    struct tb_err    e;
    assert_int_equal(TB_OK, chat_password_hash(TB_LIT("correct horse"), CHAT_COST_MIN, hash, &e));

    start_login(r, &unknown, "x@y", "127.0.0.1", "wrong horse");
    fake_answer(FAKE_FIND_LOGIN, TB_ENOTFOUND);
    assert_int_equal(0, r->n_done);             /* not before something was hashed */
    assert_true(unknown.login.job.against.n == strlen(hash));
    settle(r);

    start_login(r, &wrong, "a@b", "127.0.0.1", "wrong horse");
    answer_known(hash, false);
    assert_int_equal(0, r->n_done);
    settle(r);

    assert_int_equal(TB_EAUTH, unknown.login.call.err.code);
    assert_int_equal(TB_EAUTH, wrong.login.call.err.code);
    assert_string_equal("Invalid email or password", unknown.login.call.err.say);
    assert_string_equal(unknown.login.call.err.say, wrong.login.call.err.say);
    assert_true(is_wiped(unknown.password, 11));
    assert_true(is_wiped(wrong.password, 11));
    chat_call_fini(&unknown.login.call);
    chat_call_fini(&wrong.login.call);
}

static void
a_conflict_is_told_only_to_who_knows_the_password(void **state)
{
    static const struct { const char *password; enum tb_code code; } rows[] = {
        { "wrong horse", TB_EAUTH }, { "correct horse", TB_ECONFLICT },
    };
    struct chat_rig *r = *state;
    char             hash[CHAT_HASH_SIZE];
    struct tb_err    e;
    assert_int_equal(TB_OK, chat_password_hash(TB_LIT("correct horse"), CHAT_COST_MIN, hash, &e));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct try t;
        start_login(r, &t, "a@b", "127.0.0.1", rows[i].password);
        answer_known(hash, true);
        settle(r);
        assert_int_equal(rows[i].code, t.login.call.err.code);
        chat_call_fini(&t.login.call);
    }
}

/* The e-mail is another's by now: his password goes first, then those of accounts that lost it. */
static void
who_lost_his_e_mail_to_another_is_told_after_his_own_password_and_the_other_gets_in(void **state)
{
    static const struct { const char *password; enum tb_code code; } rows[] = {
        { "owner's horse", TB_OK }, { "first loser's", TB_ECONFLICT }, { "second loser's", TB_ECONFLICT }, { "nobody's", TB_EAUTH },
    };
    struct chat_rig *r = *state;
    char             hashes[3][CHAT_HASH_SIZE];
    struct tb_err    e;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(TB_OK, chat_password_hash(tb_str_of(rows[i].password), CHAT_COST_MIN, hashes[i], &e));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct try t;
        char       peer[] = { '1', (char)('0' + i), '\0' };
        start_login(r, &t, "a@b", peer, rows[i].password);
        struct store_find_login *find = fake_request(FAKE_FIND_LOGIN);
        find->parked_hashes[0] = tb_str_of(hashes[1]);
        find->parked_hashes[1] = tb_str_of(hashes[2]);
        find->n_parked = 2;
        answer_known(hashes[0], false);
        for (int k = 0; k < 3 && r->n_done == 0; k++)
            settle(r);
        assert_int_equal(rows[i].code, t.login.call.err.code);
        assert_true(is_wiped(t.password, strlen(rows[i].password)));
        chat_call_fini(&t.login.call);
    }
}

static void
a_bcrypt_hash_is_replaced_at_login_and_a_failure_of_that_harms_nobody(void **state)
{
    static const enum tb_code answers[] = { TB_OK, TB_EBUSY };
    struct chat_rig          *r = *state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct try    t;
        struct tb_err e;
        start_login(r, &t, "a@b", "127.0.0.1", "correct horse");
        answer_known(HORSE_2B, false);
        settle(r);
        struct store_change_user *change = fake_request(FAKE_CHANGE_USER);
        assert_int_equal(7, change->user_id);
        assert_null(change->email.p);
        assert_null(change->username.p);
        assert_true(tb_str_eq(TB_LIT(HORSE_2B), change->only_if_hash));
        assert_true(tb_str_starts(change->password_hash, TB_LIT("$argon2id$")));
        assert_int_equal(TB_OK, chat_password_verify(TB_LIT("correct horse"), change->password_hash, &e));
        fake_answer(FAKE_CHANGE_USER, answers[i]);
        assert_int_equal(TB_OK, t.login.call.err.code);
        assert_true(t.login.token.n > 0);
        chat_call_fini(&t.login.call);
    }
}

/* The outcome of a try that never reaches the hashers, or is cut short before them. */
static enum tb_code
try_from(struct chat_rig *r, const char *email, const char *peer)
{
    struct try t;
    start_login(r, &t, email, peer, "x");
    if (fake_waiting() == FAKE_FIND_LOGIN)
        fake_answer(FAKE_FIND_LOGIN, TB_EBUSY);
    assert_int_equal(1, r->n_done);
    chat_call_fini(&t.login.call);
    return t.login.call.err.code;
}

static void
tries_are_counted_per_e_mail_and_address_before_anything_is_asked(void **state)
{
    struct chat_rig *r = *state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(TB_EBUSY, try_from(r, "a@b", "10.0.0.1"));
    assert_int_equal(TB_ELIMIT, try_from(r, "a@b", "10.0.0.1"));
    assert_int_equal(TB_ELIMIT, try_from(r, " A@B", "10.0.0.1"));       /* the same account */
    assert_int_equal(TB_EBUSY, try_from(r, "a@b", "10.0.0.2"));         /* its owner is not locked out */
    assert_int_equal(TB_EBUSY, try_from(r, "c@d", "10.0.0.1"));
    r->now_us += 60000000;
    assert_int_equal(TB_EBUSY, try_from(r, "a@b", "10.0.0.1"));
}

static void
an_address_has_ten_times_as_many_tries_over_all_accounts(void **state)
{
    static const char *const same[] = { "2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::9" };
    struct chat_rig         *r = *state;
    char                     email[32];
    for (int i = 0; i < 30; i++) {
        snprintf(email, sizeof email, "u%d@x", i);
        assert_int_equal(TB_EBUSY, try_from(r, email, same[i % 3]));
    }
    assert_int_equal(TB_ELIMIT, try_from(r, "another@x", "2001:db8::3"));
    assert_int_equal(TB_EBUSY, try_from(r, "another@x", "2001:db8:0:1::1"));
    for (int i = 0; i < 30; i++) {
        snprintf(email, sizeof email, "u%d@x", i);
        assert_int_equal(TB_EBUSY, try_from(r, email, i % 2 ? "10.0.0.1" : "::ffff:10.0.0.1"));
    }
    assert_int_equal(TB_ELIMIT, try_from(r, "another@x", "10.0.0.1"));
}

static void
tries_that_an_account_refuses_do_not_use_up_the_address(void **state)
{
    struct chat_rig *r = *state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(i < 3 ? TB_EBUSY : TB_ELIMIT, try_from(r, "a@b", "10.0.0.1"));
    assert_int_equal(TB_EBUSY, try_from(r, "c@d", "10.0.0.1"));
}

static void
with_the_limit_off_nobody_waits(void **state)
{
    struct chat_rig   *r = *state;
    struct chat_limits off = rig_limits;
    off.logins = 0;
    chat_set_limits(r->chat, &off);
    for (int i = 0; i < 100; i++)
        assert_int_equal(TB_EBUSY, try_from(r, "a@b", "10.0.0.1"));
}

struct change {
    struct chat_change_me me;
    char                  password[32], current[32];
};

static void
start_change(struct chat_rig *r, struct change *c, const char *email, const char *password, const char *current)
{
    *c = (struct change){ .me = { .email = tb_str_of(email) } };
    if (password != NULL)
        c->me.password = secret(c->password, sizeof c->password, password);
    c->me.current = secret(c->current, sizeof c->current, current);
    c->me.call.user_id = 7;
    c->me.call.on_done = rig_count_done;
    r->n_done = 0;
    chat_change_me(r->chat, &c->me);
}

static void
a_change_needs_the_current_password_and_a_new_one_is_hashed(void **state)
{
    struct chat_rig *r = *state;
    struct change    c;
    char             hash[CHAT_HASH_SIZE];
    struct tb_err    e;
    assert_int_equal(TB_OK, chat_password_hash(TB_LIT("correct horse"), CHAT_COST_MIN, hash, &e));

    start_change(r, &c, "new@b", "battery staple", "correct horse");
    ((struct store_find_user *)fake_request(FAKE_FIND_USER))->password_hash = tb_str_of(hash);
    fake_answer(FAKE_FIND_USER, TB_OK);
    settle(r);
    struct store_change_user *change = fake_request(FAKE_CHANGE_USER);
    assert_true(tb_str_eq(TB_LIT("new@b"), change->email));
    assert_null(change->username.p);
    assert_int_equal(TB_OK, chat_password_verify(TB_LIT("battery staple"), change->password_hash, &e));
    fake_answer(FAKE_CHANGE_USER, TB_OK);
    assert_int_equal(TB_OK, c.me.call.err.code);
    assert_true(is_wiped(c.password, 14) && is_wiped(c.current, 13));
    chat_call_fini(&c.me.call);

    start_change(r, &c, "new@b", NULL, "wrong horse");
    ((struct store_find_user *)fake_request(FAKE_FIND_USER))->password_hash = tb_str_of(hash);
    fake_answer(FAKE_FIND_USER, TB_OK);
    settle(r);
    assert_int_equal(TB_EAUTH, c.me.call.err.code);
    chat_call_fini(&c.me.call);

    start_change(r, &c, NULL, NULL, "correct horse");
    assert_int_equal(TB_EINPUT, c.me.call.err.code);
    start_change(r, &c, "nobody", NULL, "correct horse");
    assert_int_equal(TB_EINPUT, c.me.call.err.code);
    start_change(r, &c, NULL, "1234567", "correct horse");
    assert_int_equal(TB_EINPUT, c.me.call.err.code);
}

static void
guessing_the_current_password_is_limited_too(void **state)
{
    struct chat_rig *r = *state;
    struct change    c;
    for (int i = 0; i < 3; i++) {
        start_change(r, &c, "new@b", NULL, "x");
        fake_answer(FAKE_FIND_USER, TB_ENOTFOUND);
        assert_int_equal(TB_EAUTH, c.me.call.err.code);     /* a token of ours, but the user is not here */
        chat_call_fini(&c.me.call);
    }
    start_change(r, &c, "new@b", NULL, "x");
    assert_int_equal(TB_ELIMIT, c.me.call.err.code);
}

static void
once_stopped_password_work_is_answered_busy(void **state)
{
    struct chat_rig *r = *state;
    struct try       t;
    chat_stop(r->chat);
    start_login(r, &t, "a@b", "127.0.0.1", "correct horse");
    answer_known(HORSE_2B, false);
    settle(r);
    assert_int_equal(TB_EBUSY, t.login.call.err.code);
    chat_call_fini(&t.login.call);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_RIG(a_registration_ends_with_a_token_and_a_wiped_password),
        IN_RIG(a_registration_is_checked_before_it_is_hashed),
        IN_RIG(a_taken_e_mail_is_told),
        IN_RIG(the_right_password_gives_a_token),
        IN_RIG(an_unknown_e_mail_takes_the_same_road_and_gets_the_same_answer),
        IN_RIG(who_lost_his_e_mail_to_another_is_told_after_his_own_password_and_the_other_gets_in),
        IN_RIG(a_conflict_is_told_only_to_who_knows_the_password),
        IN_RIG(a_bcrypt_hash_is_replaced_at_login_and_a_failure_of_that_harms_nobody),
        IN_RIG(tries_are_counted_per_e_mail_and_address_before_anything_is_asked),
        IN_RIG(an_address_has_ten_times_as_many_tries_over_all_accounts),
        IN_RIG(tries_that_an_account_refuses_do_not_use_up_the_address),
        IN_RIG(with_the_limit_off_nobody_waits),
        IN_RIG(a_change_needs_the_current_password_and_a_new_one_is_hashed),
        IN_RIG(guessing_the_current_password_is_limited_too),
        IN_RIG(once_stopped_password_work_is_answered_busy),
    };
    log_divert(swallow);
    return tap_run(tests);
}
