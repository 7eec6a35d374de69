/* Files of accounts: what is read of them, and what a bad line costs. */
#include "cli/users_file.h"
#include "tap.h"

#include <stdio.h>

/* All of a file as one text: "line email|username|password|hash;", - for what is not there, "line!;" for a bad line. */
static char *
read_all(tb_str text)
{
    struct tb_buf out = TB_BUF_INIT;
    struct users_file f;
    struct users_line l;
    struct tb_err e;

    if (users_file_begin(&f, text, &e) != TB_OK) {
        assert_int_equal(TB_EINPUT, e.code);
        return tb_str_to_c(TB_LIT("refused"));
    }
    tb_buf_add(&out, TB_LIT(""));
    while (users_file_next(&f, &l, &e)) {
        const tb_str fields[] = { l.email, l.username, l.password, l.hash };
        tb_buf_printf(&out, "%zu", l.line);
        for (size_t i = 0; i < 4 && e.code == TB_OK; i++)
            tb_buf_printf(&out, "%s" TB_STR_FMT, i == 0 ? " " : "|",
                          TB_STR_ARG(fields[i].p != NULL ? fields[i] : TB_LIT("-")));
        tb_buf_add(&out, e.code == TB_OK ? TB_LIT(";") : TB_LIT("!;"));
    }
    users_file_end(&f);
    size_t n;
    return tb_buf_take(&out, &n);
}

#define HEAD "email,username,password\n"

static const struct {
    const char *what;
    tb_str text;
    const char *is;
} files[] = {
    { "a plain file", TB_LIT(HEAD "a@b,ann,secret\n"), "2 a@b|ann|secret|-;" },
    { "no line end at the end", TB_LIT(HEAD "a@b,ann,secret"), "2 a@b|ann|secret|-;" },
    { "line ends of other systems", TB_LIT("email,username,password\r\na@b,ann,secret\r\n"), "2 a@b|ann|secret|-;" },
    { "columns in another order and case", TB_LIT("Hash, Username ,EMAIL\n$2b$,ann,a@b\n"), "2 a@b|ann|-|$2b$;" },
    { "a byte order mark", TB_LIT("\xef\xbb\xbf" HEAD "a@b,ann,secret\n"), "2 a@b|ann|secret|-;" },
    { "both columns, one filled", TB_LIT("email,username,password,hash\na,b,c,\nd,e,,f\n"), "2 a|b|c|-;3 d|e|-|f;" },
    { "quotes", TB_LIT(HEAD "\"a,b\",\"says \"\"hi\"\"\",\"two\nlines\"\nx,y,z\n"),
      "2 a,b|says \"hi\"|two\nlines|-;4 x|y|z|-;" },
    { "blank lines", TB_LIT("\n" HEAD "\n\r\na,b,c\n\n"), "5 a|b|c|-;" },
    { "an empty file", TB_LIT(""), "refused" },
    { "a head that names nothing", TB_LIT("a@b,ann,secret\n"), "refused" },
    { "a head without an e-mail", TB_LIT("username,password\n"), "refused" },
    { "a column twice", TB_LIT("email,email,username\n"), "refused" },
    { "columns beyond those there are", TB_LIT("email,username,password,hash,hash\n"), "refused" },
    { "too few and too many fields", TB_LIT(HEAD "a,b\nc,d,e,f\ng,h,i\n"), "2!;3!;4 g|h|i|-;" },
    { "more fields than any file has", TB_LIT(HEAD "a,b,c,d,e,f\ng,h,i\n"), "2!;3 g|h|i|-;" },
    { "a quote that is not closed", TB_LIT(HEAD "a,\"b,c\nd,e,f\n"), "2!;3 d|e|f|-;" },
    { "a quote in the middle", TB_LIT(HEAD "a,b\"c,d\ne,f,g\n"), "2!;3 e|f|g|-;" },
    { "letters behind a closing quote", TB_LIT(HEAD "a,\"b\"c,d\ne,f,g\n"), "2!;3 e|f|g|-;" },
    { "a carriage return within a field", TB_LIT(HEAD "a,b\rc,d\ne,f,g\n"), "2!;3 e|f|g|-;" },
    { "JSON lines",
      TB_LIT("{\"email\":\"a\",\"username\":\"b\",\"password\":\"c\"}\n "
             "{\"hash\":\"f\",\"username\":\"e\",\"email\":\"d\"}"),
      "1 a|b|c|-;2 d|e|-|f;" },
    { "JSON that is none, or not an object", TB_LIT("{\"email\":\"a\"}\n{\"email\"\n[1]\n\n{\"email\":\"b\"}\n"),
      "1 a|-|-|-;2!;3!;5 b|-|-|-;" },
    { "members that are no text, unknown or twice",
      TB_LIT("{\"email\":1}\n{\"mail\":\"a\"}\n{\"email\":\"a\",\"email\":\"b\"}\n"), "1!;2!;3!;" },
};

static void
each_file_is_read_as_it_is_written_and_a_bad_line_costs_itself_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *is = read_all(files[i].text);
        if (strcmp(is, files[i].is) != 0)
            fail_msg("%s: %s", files[i].what, is);
        tb_free(is);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(
        each_file_is_read_as_it_is_written_and_a_bad_line_costs_itself_alone) };
    return tap_run(tests);
}
