/* Passwords and the threads that hash them, at the smallest cost. */
#include "chat/hasher.h"
#include "tap.h"

#include <sodium.h>

/* Published with crypt_blowfish, as its self-test. The second is of 72 bytes and "chars after 72 are ignored". */
#define U_U "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
#define LONG "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"
#define BYTES_72 "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
/* crypt(3) of its first 71 bytes, and of "correct horse". */
#define LONG_71 "$2b$04$abcdefghijklmnopqrstuuPoSfF1I5DbOoMYRG3EF1OqdMhjAyV4u"
#define HORSE_2B "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"

static void
hash_of(const char *password, enum chat_cost cost, char out[CHAT_HASH_SIZE])
{
    struct tb_err e;
    assert_int_equal(TB_OK, chat_password_hash(tb_str_of(password), cost, out, &e));
}

static void
a_hash_fits_its_password_and_no_other(void **state)
{
    char          hash[CHAT_HASH_SIZE];
    struct tb_err e;
    (void)state;
    hash_of("correct horse", CHAT_COST_MIN, hash);
    assert_true(tb_str_starts(tb_str_of(hash), TB_LIT("$argon2id$v=19$m=8,t=1,p=1$")));
    assert_int_equal(TB_OK, chat_password_verify(TB_LIT("correct horse"), tb_str_of(hash), &e));
    assert_int_equal(TB_EAUTH, chat_password_verify(TB_LIT("correct horsf"), tb_str_of(hash), &e));
    assert_int_equal(TB_EAUTH, chat_password_verify(TB_LIT("correct horse\0"), tb_str_of(hash), &e));
    assert_int_equal(TB_EAUTH, chat_password_verify(TB_STR_NULL, tb_str_of(hash), &e));
}

static void
what_is_no_hash_fits_nothing(void **state)
{
    static const char *const hashes[] = {
        "", "x", "correct horse", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA", "$2b$", "$2b$04$short",
        "$2b$99$abcdefghijklmnopqrstuu", "$6$salt$hash", "$1$abc$def", "*0", "*1",
    };
    struct tb_err e;
    (void)state;
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++)
        assert_int_equal(TB_EAUTH, chat_password_verify(TB_LIT("correct horse"), tb_str_of(hashes[i]), &e));
}

static void
bcrypt_hashes_of_the_old_backend_are_verified(void **state)
{
    static const struct { tb_str password; const char *hash; bool fits; } rows[] = {
        { TB_LIT("U*U"), U_U, true },
        { TB_LIT("U*V"), U_U, false },
        { TB_LIT(BYTES_72 "chars after 72 are ignored"), LONG, true },
        { TB_LIT(BYTES_72), LONG, true },
        { TB_LIT(BYTES_72 "another tail\0with a NUL"), LONG, true },
        { TB_LIT("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ012345678\0"), LONG, false },
        { TB_LIT("1123456789"), LONG, false },
        { TB_LIT("correct horse"), HORSE_2B, true },
        { TB_LIT("correct horsf"), HORSE_2B, false },
        { TB_LIT("correct horse\0x"), HORSE_2B, false },     /* not what crypt(3) would make of it */
        { TB_LIT(""), HORSE_2B, false },
        { { NULL, 0 }, HORSE_2B, false },
    };
    struct tb_err e;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(rows[i].fits ? TB_OK : TB_EAUTH,
                         chat_password_verify(rows[i].password, tb_str_of(rows[i].hash), &e));
}

static void
a_hash_is_weak_when_it_is_bcrypt_or_cheaper(void **state)
{
    static const struct { const char *hash; enum chat_cost cost; bool weak; } rows[] = {
        { U_U, CHAT_COST_MIN, true },
        { "$argon2id$v=19$m=8,t=1,p=1$x$y", CHAT_COST_MIN, false },
        { "$argon2id$v=19$m=8,t=1,p=1$x$y", CHAT_COST_INTERACTIVE, true },
        { "$argon2id$v=19$m=65536,t=2,p=1$x$y", CHAT_COST_INTERACTIVE, false },
        { "$argon2id$v=19$m=65536,t=1,p=1$x$y", CHAT_COST_INTERACTIVE, true },
        { "$argon2id$v=19$m=65535,t=2,p=1$x$y", CHAT_COST_INTERACTIVE, true },
        { "$argon2id$v=19$m=65536,t=2,p=1$x$y", CHAT_COST_MODERATE, true },
        { "$argon2id$v=19$m=262144,t=3,p=1$x$y", CHAT_COST_INTERACTIVE, false },
        { "$argon2i$v=19$m=262144,t=3,p=1$x$y", CHAT_COST_MIN, true },
        { "$argon2id$v=19$m=x", CHAT_COST_MIN, true },
        { "", CHAT_COST_MIN, true },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(rows[i].weak, chat_password_is_weak(tb_str_of(rows[i].hash), rows[i].cost));
}

/* libsodium's own judgement of the parameters: a malformed dummy would be refused at once, in no time. */
static void
a_dummy_is_a_whole_hash_of_its_cost(void **state)
{
    static const struct { enum chat_cost cost; unsigned long long ops; size_t mem; } rows[] = {
        { CHAT_COST_MIN, crypto_pwhash_OPSLIMIT_MIN, crypto_pwhash_MEMLIMIT_MIN },
        { CHAT_COST_INTERACTIVE, crypto_pwhash_OPSLIMIT_INTERACTIVE, crypto_pwhash_MEMLIMIT_INTERACTIVE },
        { CHAT_COST_MODERATE, crypto_pwhash_OPSLIMIT_MODERATE, crypto_pwhash_MEMLIMIT_MODERATE },
    };
    char hash[CHAT_HASH_SIZE], real[CHAT_HASH_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        chat_password_dummy(rows[i].cost, hash);
        assert_int_equal(0, crypto_pwhash_str_needs_rehash(hash, rows[i].ops, rows[i].mem));
    }
    chat_password_dummy(CHAT_COST_MIN, hash);
    hash_of("x", CHAT_COST_MIN, real);
    assert_int_equal(strlen(real), strlen(hash));
    assert_int_equal(TB_EAUTH, chat_password_verify(TB_LIT("x"), tb_str_of(hash), &(struct tb_err){ 0 }));
}

/* ---- the threads ---- */

static unsigned answered;

static void
count(struct chat_hash_job *job)
{
    (void)job;
    answered++;
}

static void
wait_for(struct tb_mailbox *mailbox, unsigned n)
{
    struct tb_msg_list taken = { 0 };
    struct tb_msg     *m;

    answered = 0;
    while (answered < n) {
        tb_mailbox_wait(mailbox, &taken, 64, -1);
        while ((m = tb_msg_list_take(&taken)) != NULL)
            m->run(m);
    }
}

static void
threads_hash_verify_and_renew_what_is_weak(void **state)
{
    struct chat_hasher *h;
    struct tb_mailbox  *loop = tb_mailbox_new(8, NULL, NULL);
    struct chat_hash_job make = { .reply_to = loop, .on_done = count, .password = TB_LIT("correct horse") };
    struct chat_hash_job old = make, good = make, bad = make;
    (void)state;
    chat_hasher_open(&h, &(struct chat_hasher_settings){ .cost = CHAT_COST_MIN, .threads = 2, .queue = 8 });
    chat_hasher_post(h, &make);
    wait_for(loop, 1);
    assert_int_equal(TB_OK, make.err.code);
    good.against = bad.against = tb_str_of(make.hash);
    bad.password = TB_LIT("wrong");
    old.against = TB_LIT(HORSE_2B);
    chat_hasher_post(h, &good);
    chat_hasher_post(h, &bad);
    chat_hasher_post(h, &old);
    wait_for(loop, 3);
    assert_int_equal(TB_OK, good.err.code);
    assert_string_equal("", good.hash);
    assert_int_equal(TB_EAUTH, bad.err.code);
    assert_string_equal("", bad.hash);
    assert_int_equal(TB_OK, old.err.code);
    assert_int_equal(TB_OK, chat_password_verify(old.password, tb_str_of(old.hash), &(struct tb_err){ 0 }));
    assert_true(tb_str_starts(tb_str_of(old.hash), TB_LIT("$argon2id$")));
    chat_hasher_close(&h);
    tb_mailbox_free(&loop);
}

/* Devanagari keyboards write U+0958, which no normal form has: what others hashed may be neither NFC nor NFD. */
static void
a_hash_from_elsewhere_is_of_what_some_keyboard_gave(void **state)
{
    static const char   bcrypt[] = "$2b$04$abcdefghijklmnopqrstuuFFMNF4Ro/vVRyhz32AN0PEoQvJaNfXW";
    static const tb_str given = TB_LIT("\u0958 caf\u00e9"), other = TB_LIT("\u0958 cafe");
    char                argon2[CHAT_HASH_SIZE], of_nfd[CHAT_HASH_SIZE];
    struct tb_err       e;
    (void)state;
    assert_int_equal(0, crypto_pwhash_str(argon2, given.p, given.n, 1, crypto_pwhash_MEMLIMIT_MIN));
    assert_int_equal(0, crypto_pwhash_str(of_nfd, "cafe\u0301", 6, 1, crypto_pwhash_MEMLIMIT_MIN));
    assert_int_equal(TB_OK, chat_password_verify(given, tb_str_of(bcrypt), &e));
    assert_int_equal(TB_OK, e.code);
    assert_int_equal(TB_EAUTH, chat_password_verify(other, tb_str_of(bcrypt), &e));
    assert_int_equal(TB_OK, chat_password_verify(given, tb_str_of(argon2), &e));
    assert_int_equal(TB_OK, e.code);
    assert_int_equal(TB_EAUTH, chat_password_verify(other, tb_str_of(argon2), &e));
    assert_int_equal(TB_OK, chat_password_verify(TB_LIT("caf\u00e9"), tb_str_of(of_nfd), &e));
    /* 70 bytes of it as given, 105 as NFD, of which bcrypt may have looked at 72 */
    tb_str grows = TB_LIT("\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9"
                          "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9");
    assert_false(chat_password_is_whole(grows, tb_str_of(LONG)));
    assert_true(chat_password_is_whole(TB_LIT("\u00e9\u00e9"), tb_str_of(LONG)));
}

/* Argon2id looks at every byte: made of a wrong tail, or of a password that was cut, it would lock out who has the right one. */
static void
a_bcrypt_hash_is_renewed_only_by_a_password_of_which_every_byte_counted(void **state)
{
    static const struct { tb_str password; const char *hash; bool renewed; } rows[] = {
        { TB_LIT("correct horse"), HORSE_2B, true },
        { TB_LIT("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ012345678"), LONG_71, true },
        { TB_LIT(BYTES_72), LONG, false },              /* perhaps there was more */
        { TB_LIT(BYTES_72 "a wrong tail"), LONG, false },
        { TB_LIT(BYTES_72 "a wrong tail\0"), LONG, false },
    };
    struct chat_hasher *h;
    struct tb_mailbox  *loop = tb_mailbox_new(8, NULL, NULL);
    (void)state;
    chat_hasher_open(&h, &(struct chat_hasher_settings){ .cost = CHAT_COST_MIN, .threads = 1, .queue = 8 });
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct chat_hash_job job = { .reply_to = loop, .on_done = count, .password = rows[i].password,
                                     .against = tb_str_of(rows[i].hash) };
        chat_hasher_post(h, &job);
        wait_for(loop, 1);
        assert_int_equal(TB_OK, job.err.code);
        assert_int_equal(rows[i].renewed, job.hash[0] != '\0');
    }
    chat_hasher_close(&h);
    tb_mailbox_free(&loop);
}

static void
every_job_is_answered_also_when_the_queue_is_full_or_closing(void **state)
{
    enum { JOBS = 64, QUEUE = 2 };
    struct chat_hasher  *h;
    struct tb_mailbox   *loop = tb_mailbox_new(8, NULL, NULL);
    struct chat_hash_job jobs[JOBS];
    unsigned             n_busy = 0;
    (void)state;
    chat_hasher_open(&h, &(struct chat_hasher_settings){ .cost = CHAT_COST_INTERACTIVE, .threads = 1, .queue = QUEUE });
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct chat_hash_job){ .reply_to = loop, .on_done = count, .password = TB_LIT("x") };
        chat_hasher_post(h, &jobs[i]);
    }
    chat_hasher_close(&h);
    assert_null(h);
    answered = 0;
    tb_mailbox_run(loop);
    assert_int_equal(JOBS, answered);
    for (int i = 0; i < JOBS; i++)
        n_busy += jobs[i].err.code == TB_EBUSY;
    assert_true(n_busy >= JOBS - QUEUE - 1);
    tb_mailbox_free(&loop);
}

static void
a_hash_from_elsewhere_is_taken_when_it_is_whole_and_not_too_dear(void **state)
{
    static const struct { const char *hash; enum tb_code code; } rows[] = {
        { U_U, TB_OK },
        { HORSE_2B, TB_OK },
        { "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6", TB_EINPUT },       /* one letter short */
        { "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e.", TB_EINPUT },
        { "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6+", TB_EINPUT },
        { "$2b$03$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e", TB_EINPUT },
        { "$2b$15$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e", TB_EINPUT },      /* seconds a login */
        { "$2b$x4$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e", TB_EINPUT },
        { "$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e", TB_EINPUT },
        { "$argon2id$v=19$m=262144,t=3,p=1$YWJjZGVmZ2hpamtsbW5vcA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", TB_OK },
        { "$argon2id$v=19$m=262145,t=3,p=1$YWJjZGVmZ2hpamtsbW5vcA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", TB_EINPUT },
        { "$argon2id$v=19$m=65536,t=17,p=1$YWJjZGVmZ2hpamtsbW5vcA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", TB_EINPUT },
        { "$argon2id$v=19$m=65536,t=2,p=1$YWJjZGVmZ2hpamtsbW5vcA$", TB_EINPUT },
        { "$argon2id$v=19$m=65536", TB_EINPUT },
        { "", TB_EINPUT },
        { "correct horse", TB_EINPUT },
    };
    struct tb_err e;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (chat_password_check_hash(tb_str_of(rows[i].hash), &e) != rows[i].code)
            fail_msg("%s", rows[i].hash);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_fits_its_password_and_no_other),
        cmocka_unit_test(what_is_no_hash_fits_nothing),
        cmocka_unit_test(bcrypt_hashes_of_the_old_backend_are_verified),
        cmocka_unit_test(a_hash_from_elsewhere_is_taken_when_it_is_whole_and_not_too_dear),
        cmocka_unit_test(a_hash_is_weak_when_it_is_bcrypt_or_cheaper),
        cmocka_unit_test(a_dummy_is_a_whole_hash_of_its_cost),
        cmocka_unit_test(threads_hash_verify_and_renew_what_is_weak),
        cmocka_unit_test(a_hash_from_elsewhere_is_of_what_some_keyboard_gave),
        cmocka_unit_test(a_bcrypt_hash_is_renewed_only_by_a_password_of_which_every_byte_counted),
        cmocka_unit_test(every_job_is_answered_also_when_the_queue_is_full_or_closing),
    };
    return sodium_init() < 0 || tap_run(tests);
}
