/* One spelling of texts that look alike, and what of a name can be seen. */
#include "base/unicode.h"
#include "tap.h"

static void
both_forms_are_what_the_standard_says(void **state)
{
    static const struct { const char *in, *nfc, *nfd; } rows[] = {
        { "", "", "" },
        { "plain", "plain", "plain" },
        { "caf\u00e9", "caf\u00e9", "cafe\u0301" },
        { "cafe\u0301", "caf\u00e9", "cafe\u0301" },
        { "\u1e9b\u0323", "\u1e9b\u0323", "\u017f\u0323\u0307" },           /* UAX 15, figure 6: the marks change places */
        { "\uac00", "\uac00", "\u1100\u1161" },                             /* Hangul */
        { "\u212b", "\u00c5", "A\u030a" },                                  /* the Angstrom sign is a letter */
        { "\u0958", "\u0915\u093c", "\u0915\u093c" },                       /* one that is never composed, and grows */
        { "\U0001F600", "\U0001F600", "\U0001F600" },
        { "\ufb01", "\ufb01", "\ufb01" },                                   /* compatibility is another matter */
        { "bad \xff", "bad \xff", "bad \xff" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tb_buf   nfc = TB_BUF_INIT, nfd = TB_BUF_INIT;
        struct tb_arena mem = { 0 };
        tb_normalize(tb_str_of(rows[i].in), TB_NFC, &nfc);
        tb_normalize(tb_str_of(rows[i].in), TB_NFD, &nfd);
        if (!tb_str_eq(tb_buf_str(&nfc), tb_str_of(rows[i].nfc)) || !tb_str_eq(tb_buf_str(&nfd), tb_str_of(rows[i].nfd)) ||
            !tb_str_eq(tb_nfc(tb_str_of(rows[i].in), &mem), tb_str_of(rows[i].nfc)))
            fail_msg("row %zu: %s", i, rows[i].in);
        tb_buf_fini(&nfc);
        tb_buf_fini(&nfd);
        tb_arena_fini(&mem);
    }
}

/* The marks of one letter are sorted: without a limit 30,000 of them would stop the loop for seconds. */
static void
what_no_keyboard_writes_stays_as_it_is(void **state)
{
    static const struct { size_t marks, letters; bool is_sorted; } rows[] = {
        { TB_MARKS_MAX - 2, 1, true }, { TB_MARKS_MAX - 1, 1, false }, { 1000, 1, false }, { 1, 500, true }, { 1, 600, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tb_buf in = TB_BUF_INIT, out = TB_BUF_INIT;
        for (size_t k = 0; k < rows[i].letters; k++) {
            tb_buf_add(&in, TB_LIT("a"));
            for (size_t m = 0; m < rows[i].marks; m++)
                tb_buf_add(&in, TB_LIT("\u0302"));
            tb_buf_add(&in, TB_LIT("\u0316\u0316"));      /* belongs before the others */
        }
        tb_normalize(tb_buf_str(&in), TB_NFC, &out);
        if (tb_str_eq(tb_buf_str(&in), tb_buf_str(&out)) == rows[i].is_sorted)
            fail_msg("%zu marks on each of %zu letters", rows[i].marks + 2, rows[i].letters);
        tb_buf_fini(&in);
        tb_buf_fini(&out);
    }
}

static void
a_name_shows_what_it_is(void **state)
{
    static const struct { const char *what; tb_str name; bool is_visible; } rows[] = {
        { "letters", TB_LIT("Ann Smith"), true },
        { "other scripts", TB_LIT("\u5b89\u5a1c \u0420\u043e\u0437\u0430 \u0639\u0644\u064a"), true },
        { "an emoji", TB_LIT("\U0001F600"), true },
        { "a family of joined emoji", TB_LIT("\U0001F468\u200d\U0001F469\u200d\U0001F467"), true },
        { "an emoji with its variation, joined", TB_LIT("\U0001F3F3\ufe0f\u200d\U0001F308"), true },
        { "a tone of skin, joined", TB_LIT("\U0001F9D1\U0001F3FD\u200d\U0001F4BB"), true },
        { "a joiner behind a virama", TB_LIT("\u0915\u094d\u200d\u0937"), true },
        { "a non-joiner in Persian", TB_LIT("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"), true },
        { "a key", TB_LIT("1\ufe0f\u20e3"), true },
        { "a heart", TB_LIT("\u2764\ufe0f"), true },
        { "a Japanese name with its variant", TB_LIT("\u845b\U000E0100\u57ce"), true },
        { "a no-break space inside", TB_LIT("a\u00a0b"), true },
        { "nothing", TB_LIT(""), false },
        { "blanks", TB_LIT(" \u00a0\u2003"), false },
        { "a mark without a letter", TB_LIT("\u0301"), false },
        { "a zero width space", TB_LIT("a\u200bb"), false },
        { "a zero width space alone", TB_LIT("\u200b"), false },
        { "a joiner between letters", TB_LIT("a\u200db"), false },
        { "a non-joiner between letters", TB_LIT("a\u200cb"), false },
        { "a non-joiner behind a letter that never joins", TB_LIT("\u062f\u200c\u0627"), false },
        { "a non-joiner at the end", TB_LIT("\u0645\u06cc\u200c"), false },
        { "two of them", TB_LIT("\u06cc\u200c\u200c\u062e"), false },
        { "a variation of a letter that has none", TB_LIT("ann\ufe0f"), false },
        { "one of the others", TB_LIT("ann\U000E0101"), false },
        { "a grapheme joiner", TB_LIT("ann\u034f"), false },
        { "a selector of Mongolian", TB_LIT("ann\u180b"), false },
        { "a note without a head", TB_LIT("\U0001D159"), false },
        { "a soft hyphen", TB_LIT("a\u00adb"), false },
        { "a word joiner", TB_LIT("\u2060"), false },
        { "a byte order mark", TB_LIT("\ufeffa"), false },
        { "a right-to-left override", TB_LIT("Mod \u202egnipyt"), false },
        { "an isolate", TB_LIT("\u2066a\u2069"), false },
        { "a left-to-right mark", TB_LIT("a\u200e"), false },
        { "a language tag", TB_LIT("a\U000E0061"), false },
        { "a braille blank", TB_LIT("\u2800"), false },
        { "a Hangul filler", TB_LIT("\u3164"), false },
        { "the halfwidth one", TB_LIT("a\uffa0"), false },
        { "a line separator", TB_LIT("a\u2028b"), false },
        { "an escape", TB_LIT("a\x1b[31m"), false },
        { "a NUL", TB_LIT("a\0b"), false },
        { "C1 controls", TB_LIT("a\xc2\x85"), false },
        { "what is not assigned", TB_LIT("a\u0378"), false },
        { "what is no UTF-8", TB_LIT("a\xff"), false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (tb_is_visible(rows[i].name) != rows[i].is_visible)
            fail_msg("%s", rows[i].what);
}

static void
a_blank_is_one_of_any_kind(void **state)
{
    (void)state;
    assert_true(tb_has_blank(TB_LIT("a b")));
    assert_true(tb_has_blank(TB_LIT("a\u00a0b")));
    assert_true(tb_has_blank(TB_LIT("a\u3000")));
    assert_false(tb_has_blank(TB_LIT("ab@\u00fc")));
    assert_false(tb_has_blank(TB_LIT("")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_are_what_the_standard_says),
        cmocka_unit_test(what_no_keyboard_writes_stays_as_it_is),
        cmocka_unit_test(a_name_shows_what_it_is),
        cmocka_unit_test(a_blank_is_one_of_any_kind),
    };
    return tap_run(tests);
}
