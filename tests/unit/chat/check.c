/* What names, addresses and texts may look like. */
#include "chat/check.h"
#include "tap.h"

#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct row {
    tb_str in, out;     /* out: as it stands afterwards; p NULL when it is refused */
};

static void
run(const struct row *rows, size_t n, enum tb_code (*check)(tb_str *, struct tb_err *))
{
    for (size_t i = 0; i < n; i++) {
        struct tb_err e = { .code = TB_OK };
        tb_str        s = rows[i].in;
        enum tb_code  code = check(&s, &e);
        if ((code == TB_OK) != (rows[i].out.p != NULL))
            fail_msg("row %zu \"" TB_STR_FMT "\": %s", i, TB_STR_ARG(rows[i].in), e.why);
        if (code == TB_OK && !tb_str_eq(s, rows[i].out))
            fail_msg("row %zu became \"" TB_STR_FMT "\"", i, TB_STR_ARG(s));
        if (code != TB_OK)
            assert_int_equal(TB_EINPUT, e.code);
    }
}

#define RUN(rows, check) run(rows, sizeof rows / sizeof *rows, check)
#define FINE(text) { TB_LIT(text), TB_LIT(text) }
#define BAD(text)  { TB_LIT(text), { NULL, 0 } }

static void
an_e_mail_has_one_at_and_something_on_both_sides(void **state)
{
    static const struct row rows[] = {
        FINE("a@b"), FINE("ann@example.org"), FINE("a+b.c@x-y.example"), FINE("\"quo\"@x"),
        FINE("j\u00f6rg@\u00fc.example"),
        { TB_LIT("  ann@example.org\r\n"), TB_LIT("ann@example.org") },
        { TB_LIT("\u00a0a@b\u2003"), TB_LIT("a@b") },
        BAD(""), BAD("   "), BAD("a"), BAD("ab"), BAD("@b"), BAD("@bc"), BAD("a@"), BAD("ab@"), BAD("@@@"),
        BAD("a@b@c"), BAD("a b@c"), BAD("a@b c"),
        BAD("a\tb@c"), BAD("a\nb@c"), BAD("a@b\x7f" "c"), BAD("a\0b@c"), BAD("a@b\xc2\x85" "c"), BAD("a@b\xff"),
        BAD("example.org"),
        FINE(A50 "@" A50 A50 A50 A50 "123"), BAD(A50 "@" A50 A50 A50 A50 "1234"),
    };
    (void)state;
    RUN(rows, chat_check_email);
}

static void
a_username_has_1_to_64_characters_of_any_script(void **state)
{
    static const struct row rows[] = {
        FINE("x"), FINE("Ann Smith"), FINE("\u5b89\u5a1c"), FINE("\U0001F600"),
        { TB_LIT(" \tann\n"), TB_LIT("ann") },
        BAD(""), BAD(" "), BAD("\u00a0"), BAD("a\nb"), BAD("a\0b"), BAD("a\x1b[31m"), BAD("a\u2028b"),
        BAD("a\xc2\x80" "b"),
        FINE("a\u00a0" "b"),
        FINE(A50 "12345678901234"), BAD(A50 "123456789012345"),
        FINE(A50 "1234567890123\U0001F600"), BAD(A50 "12345678901234\U0001F600"),
    };
    (void)state;
    RUN(rows, chat_check_username);
}

static enum tb_code
room_name_of_10(tb_str *s, struct tb_err *e)
{
    return chat_check_room_name(s, 10, e);
}

static void
a_room_name_is_counted_in_characters(void **state)
{
    static const struct row rows[] = {
        FINE("general"), { TB_LIT("  general "), TB_LIT("general") }, FINE("\u5b89\u5a1c\u5b89\u5a1c\u5b89\u5a1c"),
        FINE("1234567890"), BAD("12345678901"), BAD(""), BAD(" \t "), BAD("a\0b"), BAD("a\rb"),
    };
    (void)state;
    RUN(rows, room_name_of_10);
}

static enum tb_code
content_of_10(tb_str *s, struct tb_err *e)
{
    return chat_check_content(s, 10, e);
}

static void
content_is_trimmed_and_then_measured(void **state)
{
    static const struct row rows[] = {
        FINE("hi"), { TB_LIT("  hi \n"), TB_LIT("hi") }, FINE("a\nb"), FINE("a\0b"), FINE("1234567890"),
        { TB_LIT("   1234567890   "), TB_LIT("1234567890") },
        BAD(""), BAD("  "), BAD("\ufeff\u2003"),
    };
    struct tb_err e;
    tb_str        long_one = TB_LIT("12345678901");
    (void)state;
    RUN(rows, content_of_10);
    assert_int_equal(TB_ETOOBIG, chat_check_content(&long_one, 10, &e));
}

static void
a_password_has_8_to_1024_bytes(void **state)
{
    static const struct { size_t n; bool fine; } rows[] = { { 0, false }, { 7, false }, { 8, true }, { 1024, true },
                                                            { 1025, false } };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(rows[i].fine, chat_check_password(rows[i].n, CHAT_PASSWORD_MIN, &(struct tb_err){ 0 }) == TB_OK);
}

static enum tb_code
key(tb_str *s, struct tb_err *e)
{
    return chat_check_key(*s, e);
}

static void
a_key_has_1_to_200_bytes_without_controls(void **state)
{
    static const struct row rows[] = {
        FINE("k"), FINE("5f0c-11"), FINE("\u00fc"), FINE(" k "), FINE(A50 A50 A50 A50), BAD(A50 A50 A50 A50 "1"),
        BAD(""),
        BAD("a\nb"), BAD("a\0"), BAD("\xff"),
    };
    (void)state;
    RUN(rows, key);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_e_mail_has_one_at_and_something_on_both_sides),
        cmocka_unit_test(a_username_has_1_to_64_characters_of_any_script),
        cmocka_unit_test(a_room_name_is_counted_in_characters),
        cmocka_unit_test(content_is_trimmed_and_then_measured),
        cmocka_unit_test(a_password_has_8_to_1024_bytes),
        cmocka_unit_test(a_key_has_1_to_200_bytes_without_controls),
    };
    return tap_run(tests);
}
