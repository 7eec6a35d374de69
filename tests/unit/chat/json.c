/* JSON that RFC 8259 allows and jansson does not. */
#include "chat/json.h"
#include "tap.h"

static const struct { const char *what, *text, *expected; } rows[] = {
    { "what is plain stays", "{\"a\":[1,\"x\",true,null]}", "{\"a\":[1.0,\"x\",true,null]}" },
    { "half a surrogate pair, the high one", "[\"a\\ud800b\"]", "[\"a\\uFFFDb\"]" },
    { "the low one", "[\"\\uDC00\"]", "[\"\\uFFFD\"]" },
    { "the high one, at the end", "[\"x\\uD83D\"]", "[\"x\\uFFFD\"]" },
    { "two high ones before a low one", "[\"\\uD83D\\uD83D\\uDE00\"]", "[\"\\uFFFD\\uD83D\\uDE00\"]" },
    { "the wrong way round", "[\"\\uDE00\\uD83D\"]", "[\"\\uFFFD\\uFFFD\"]" },
    { "before another escape", "[\"\\uD83D\\n\"]", "[\"\\uFFFD\\n\"]" },
    { "a whole pair stays", "[\"\\ud800\",\"\\uD83D\\uDE00\"]", "[\"\\uFFFD\",\"\\uD83D\\uDE00\"]" },
    { "an escaped backslash is none", "[\"\\ud800\",\"\\\\ud800\"]", "[\"\\uFFFD\",\"\\\\ud800\"]" },
    { "a NUL in a key", "{\"a\\u0000b\":1,\"c\":\"d\\u0000\"}", "{\"a\\uFFFDb\":1.0,\"c\":\"d\\u0000\"}" },
    { "a NUL in a key before blanks", "{\"\\u0000\" \n:1}", "{\"\\uFFFD\":1.0}" },
    { "half a pair in a key", "{\"\\uD800\":1}", "{\"\\uFFFD\":1.0}" },
    { "a number beyond a double", "[1e400,2]", "[9e307,2.0]" },
    { "one that begins with 0", "[0.1e9999]", "[9e307]" },
    { "a negative one", "[-1.5E+9999]", "[9e307]" },
    { "one without an exponent", "[1e400,99999999999999999999999]", "[9e307,1e+23]" },
    { "a large number in a text is text", "[\"1e400\",1e400]", "[\"1e400\",9e307]" },
    { "what is no JSON stays none", "[\"\\ud800\"", NULL },
    { "nor is half an escape", "[\"\\ud8\"]", NULL },
    { "nor is an escape with a sign in a key", "{\"\\u+000\":1}", NULL },
    { "nor one with a blank", "{\"\\u 000\":1}", NULL },
    { "nor is a large number behind a 0", "[01e400]", NULL },
    { "nor one whose point has no digits", "[1.e400]", NULL },
    { "nor one with a second sign", "[1e400-5]", NULL },
    { "nor a lone backslash", "[\"\\", NULL },
    { "nor nothing", "", NULL },
    { "nor a text that never ends", "{\"a\\u0000", NULL },
};

static void
it_is_read_as_javascript_reads_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_error_t why;
        json_t      *have = chat_json_load(tb_str_of(rows[i].text), &why);
        json_t      *want = rows[i].expected ? json_loads(rows[i].expected, JSON_ALLOW_NUL, NULL) : NULL;
        bool         is_right = rows[i].expected == NULL ? have == NULL : want != NULL && json_equal(have, want);
        if (!is_right)
            fail_msg("%s", rows[i].what);
        json_decref(have);
        json_decref(want);
    }
}

static void
digits_without_end_are_too_large_as_well(void **state)
{
    struct tb_buf text = TB_BUF_INIT;
    json_error_t  why;
    (void)state;
    tb_buf_add(&text, TB_LIT("[1"));
    for (int i = 0; i < 400; i++)
        tb_buf_add_char(&text, '0');
    tb_buf_add(&text, TB_LIT("]"));
    json_t *have = chat_json_load(tb_buf_str(&text), &why);
    assert_true(json_number_value(json_array_get(have, 0)) > 1e300);
    json_decref(have);
    tb_buf_fini(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_read_as_javascript_reads_it),
        cmocka_unit_test(digits_without_end_are_too_large_as_well),
    };
    return tap_run(tests);
}
