/* Socket.IO packets and the JSON in them, by table. */
#include "packet.h"
#include "tap.h"

#include <stdio.h>

enum { MOST = 10 };

static const struct {
    const char *says, *text;
    int         type;           /* -1: refused */
    const char *nsp;
    int64_t     ack;
    uint32_t    attachments;
    const char *data, *name, *args;
} cases[] = {
    { "connect", "0", SIO_CONNECT, "/", -1, 0, "{}", "", "" },
    { "connect with a payload", "0{\"token\":\"123\"}", SIO_CONNECT, "/", -1, 0, "{\"token\":\"123\"}", "", "" },
    { "connect to a namespace", "0/admin,", SIO_CONNECT, "/admin", -1, 0, "{}", "", "" },
    { "the comma may be missing when nothing follows", "0/admin", SIO_CONNECT, "/admin", -1, 0, "{}", "", "" },
    { "connect to a namespace with a payload", "0/admin,{\"a\":1}", SIO_CONNECT, "/admin", -1, 0, "{\"a\":1}", "", "" },
    { "a connect payload is an object", "0[]", -1, "", 0, 0, "", "", "" },
    { "and no string", "0\"a\"", -1, "", 0, 0, "", "", "" },
    { "and whole", "0{\"a\":1", -1, "", 0, 0, "", "", "" },
    { "and nothing behind it", "0{}{}", -1, "", 0, 0, "", "", "" },
    { "disconnect", "1", SIO_DISCONNECT, "/", -1, 0, "", "", "" },
    { "disconnect from a namespace", "1/admin,", SIO_DISCONNECT, "/admin", -1, 0, "", "", "" },
    { "disconnect has no payload", "1{}", -1, "", 0, 0, "", "", "" },
    { "event", "2[\"foo\"]", SIO_EVENT, "/", -1, 0, "[\"foo\"]", "\"foo\"", "" },
    { "event with arguments",
      "2[\"foo\",1,\"2\",{\"3\":[true]}]", SIO_EVENT, "/", -1, 0,
      "[\"foo\",1,\"2\",{\"3\":[true]}]", "\"foo\"", "1,\"2\",{\"3\":[true]}" },
    { "event to a namespace", "2/admin,[\"bar\"]", SIO_EVENT, "/admin", -1, 0, "[\"bar\"]", "\"bar\"", "" },
    { "digits before the payload are the ack id", "212[\"foo\"]", SIO_EVENT, "/", 12, 0, "[\"foo\"]", "\"foo\"", "" },
    { "also behind a namespace", "2/admin,456[\"a\",1]", SIO_EVENT, "/admin", 456, 0, "[\"a\",1]", "\"a\"", "1" },
    { "ack id 0 is one", "20[\"foo\"]", SIO_EVENT, "/", 0, 0, "[\"foo\"]", "\"foo\"", "" },
    { "the largest ack id", "29007199254740992[\"a\"]", SIO_EVENT, "/", SIO_MAX_ACK, 0, "[\"a\"]", "\"a\"", "" },
    { "a larger one", "29007199254740993[\"a\"]", -1, "", 0, 0, "", "", "" },
    { "a much larger one", "299999999999999999999[\"a\"]", -1, "", 0, 0, "", "", "" },
    { "the main namespace may be named", "2/,[\"a\"]", SIO_EVENT, "/", -1, 0, "[\"a\"]", "\"a\"", "" },
    { "a namespace with a query is its name", "2/a?b=c,[\"a\"]", SIO_EVENT, "/a?b=c", -1, 0, "[\"a\"]", "\"a\"", "" },
    { "blanks are passed over",
      "2 [ \"a\" , 1 , 2 ] ", SIO_EVENT, "/", -1, 0, " [ \"a\" , 1 , 2 ] ", "\"a\"", "1 , 2" },
    { "a number may be a name", "2[1,2]", SIO_EVENT, "/", -1, 0, "[1,2]", "1", "2" },
    { "also a negative one", "2[-1]", SIO_EVENT, "/", -1, 0, "[-1]", "-1", "" },
    { "an event has a payload", "2", -1, "", 0, 0, "", "", "" },
    { "which is an array", "2{}", -1, "", 0, 0, "", "", "" },
    { "that is not empty", "2[]", -1, "", 0, 0, "", "", "" },
    { "an object is no name", "2[{}]", -1, "", 0, 0, "", "", "" },
    { "nor is an array", "2[[\"a\"]]", -1, "", 0, 0, "", "", "" },
    { "nor is null", "2[null]", -1, "", 0, 0, "", "", "" },
    { "letters are no ack id", "2abc[\"a\"]", -1, "", 0, 0, "", "", "" },
    { "connect is reserved", "2[\"connect\"]", -1, "", 0, 0, "", "", "" },
    { "connect_error is reserved", "2[\"connect_error\"]", -1, "", 0, 0, "", "", "" },
    { "disconnect is reserved", "2[\"disconnect\"]", -1, "", 0, 0, "", "", "" },
    { "disconnecting is reserved", "2[\"disconnecting\"]", -1, "", 0, 0, "", "", "" },
    { "newListener is reserved", "2[\"newListener\"]", -1, "", 0, 0, "", "", "" },
    { "removeListener is reserved", "2[\"removeListener\"]", -1, "", 0, 0, "", "", "" },
    { "connected is not", "2[\"connected\"]", SIO_EVENT, "/", -1, 0, "[\"connected\"]", "\"connected\"", "" },
    { "ack", "312[]", SIO_ACK, "/", 12, 0, "[]", "", "" },
    { "ack with arguments",
      "3/admin,13[\"bar\",{\"a\":1}]", SIO_ACK, "/admin", 13, 0, "[\"bar\",{\"a\":1}]", "", "\"bar\",{\"a\":1}" },
    { "ack without a payload", "312", SIO_ACK, "/", 12, 0, "[]", "", "" },
    { "ack of nothing, which nobody waits for", "3[1]", SIO_ACK, "/", -1, 0, "[1]", "", "1" },
    { "an ack's payload is an array", "312{}", -1, "", 0, 0, "", "", "" },
    { "connect error", "4{\"message\":\"no\"}", SIO_CONNECT_ERROR, "/", -1, 0, "{\"message\":\"no\"}", "", "" },
    { "binary event", "51-[\"baz\",{\"_placeholder\":true,\"num\":0}]", SIO_BINARY_EVENT, "/", -1, 1,
      "[\"baz\",{\"_placeholder\":true,\"num\":0}]", "\"baz\"", "{\"_placeholder\":true,\"num\":0}" },
    { "two attachments, a namespace and an ack id",
      "52-/admin,15[\"a\",{\"num\":1,\"_placeholder\":true},[{\"x\":{\"_placeholder\":true,\"num\":0}}]]",
      SIO_BINARY_EVENT, "/admin", 15, 2, "[\"a\",{\"num\":1,\"_placeholder\":true},[{\"x\":{\"_placeholder\":true,\"num\":0}}]]",
      "\"a\"", "{\"num\":1,\"_placeholder\":true},[{\"x\":{\"_placeholder\":true,\"num\":0}}]" },
    { "binary ack",
      "61-15[{\"_placeholder\":true,\"num\":0}]", SIO_BINARY_ACK, "/", 15, 1,
      "[{\"_placeholder\":true,\"num\":0}]", "", "{\"_placeholder\":true,\"num\":0}" },
    { "binary without attachments", "50-[\"a\"]", SIO_BINARY_EVENT, "/", -1, 0, "[\"a\"]", "\"a\"", "" },
    { "as many attachments as are allowed", "510-[\"a\"]", SIO_BINARY_EVENT, "/", -1, 10, "[\"a\"]", "\"a\"", "" },
    { "one more", "511-[\"a\"]", -1, "", 0, 0, "", "", "" },
    { "a count is a must", "5[\"a\"]", -1, "", 0, 0, "", "", "" },
    { "and so is its dash", "51[\"a\"]", -1, "", 0, 0, "", "", "" },
    { "a negative count", "5-1-[\"a\"]", -1, "", 0, 0, "", "", "" },
    { "a broken count", "51.5-[\"a\"]", -1, "", 0, 0, "", "", "" },
    { "a placeholder for what is not there", "51-[\"a\",{\"_placeholder\":true,\"num\":1}]", -1, "", 0, 0, "", "", "" },
    { "a negative placeholder", "51-[\"a\",{\"_placeholder\":true,\"num\":-1}]", -1, "", 0, 0, "", "", "" },
    { "a placeholder that is a string",
      "51-[\"a\",{\"_placeholder\":true,\"num\":\"splice\"}]", -1, "", 0, 0, "", "", "" },
    { "a placeholder without a number", "51-[\"a\",{\"_placeholder\":true}]", -1, "", 0, 0, "", "", "" },
    { "a placeholder without attachments", "50-[\"a\",{\"_placeholder\":true,\"num\":0}]", -1, "", 0, 0, "", "", "" },
    { "what only looks like one",
      "51-[\"a\",{\"_placeholder\":false,\"num\":7}]", SIO_BINARY_EVENT, "/", -1, 1,
      "[\"a\",{\"_placeholder\":false,\"num\":7}]", "\"a\"", "{\"_placeholder\":false,\"num\":7}" },
    { "a placeholder in a text event is data",
      "2[\"a\",{\"_placeholder\":true,\"num\":7}]", SIO_EVENT, "/", -1, 0,
      "[\"a\",{\"_placeholder\":true,\"num\":7}]", "\"a\"", "{\"_placeholder\":true,\"num\":7}" },
    { "there is no type 7", "7[\"a\"]", -1, "", 0, 0, "", "", "" },
    { "letters are no type", "abc", -1, "", 0, 0, "", "", "" },
    { "nor is nothing", "", -1, "", 0, 0, "", "", "" },
};

#define SAME(a, b) tb_str_eq(tb_str_of(a), b)

static void
each_packet_reads_as_the_protocol_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sio_packet p = { 0 };
        struct tb_err     e = { 0 };
        tb_str            text = tb_str_of(cases[i].text);
        char             *exact = tb_alloc(text.n);       /* reading past its end is noticed */
        memcpy(exact, text.p, text.n);
        enum tb_code code = sio_packet_parse((tb_str){ .p = exact, .n = text.n }, MOST, &p, &e);
        if ((code == TB_OK) != (cases[i].type >= 0))
            fail_msg("%s: %s", cases[i].says, code == TB_OK ? "taken" : e.why);
        if (code == TB_OK && (p.type != (enum sio_type)cases[i].type || !SAME(cases[i].nsp, p.nsp) ||
                              p.ack != cases[i].ack || p.attachments != cases[i].attachments || !SAME(cases[i].data, p.data) ||
                              !SAME(cases[i].name, p.name) || !SAME(cases[i].args, p.args)))
            fail_msg("%s: nsp " TB_STR_FMT " ack %d data " TB_STR_FMT " name " TB_STR_FMT " args " TB_STR_FMT,
                     cases[i].says, TB_STR_ARG(p.nsp), (int)p.ack, TB_STR_ARG(p.data), TB_STR_ARG(p.name),
                     TB_STR_ARG(p.args));
        tb_free(exact);
    }
}

static void
json_is_read_as_strictly_as_the_rfc_has_it(void **state)
{
    static const char *const good[] = {
        "[]", "[ ]", "[0]", "[-0]", "[10]", "[1.5]", "[1e5]", "[1E+5]", "[1.25e-07]", "[true,false,null]", "[\"\"]",
        "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"]", "[{}]", "[{\"\":1,\"\":2}]", "[[[]]]", "\t[\n1\r]\n", "[\"\xe2\x82\xac\"]",
        "[\"\\ud83d\"]", "[\"\x7f\"]", "[123456789012345678901234567890]", "[1e999]",
    };
    static const char *const bad[] = {
        "", " ", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[01]", "[1.]", "[.5]", "[+1]", "[-]", "[1e]", "[1e+]",
        "[0x1]", "[NaN]", "[Infinity]", "[tru]", "[truee]", "[True]", "[\"a]", "[\"\\x\"]", "[\"\\u12\"]", "[\"\\u12g4\"]",
        "[\"\\", "[\"\\u", "[\"a\nb\"]", "[\"\x01\"]", "[{]", "[{\"a\"}]", "[{\"a\":}]", "[{\"a\":1,}]", "[{a:1}]", "[{1:1}]",
        "[{\"a\":1]", "[}", "[]]", "[] []", "[1]x", "['a']", "[/*a*/]", "{}", "\"a\"", "1", "null",
        "[\"a\" \"b\"]", "[{\"a\" 1}]",
    };
    const struct sio_json_check nothing = { 0 };
    struct sio_json_array       a;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (sio_json_read_array(tb_str_of(good[i]), &nothing, &a) != NULL)
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (sio_json_read_array(tb_str_of(bad[i]), &nothing, &a) == NULL)
            fail_msg("taken: %s", bad[i]);
}

static const char *
nested(int depth, const char *open, const char *close)
{
    static char text[20000];
    size_t      n = 0;
    for (int i = 0; i < depth; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s", open);
    for (int i = 0; i < depth; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s", close);
    return text;
}

static void
json_may_be_deep_but_not_endlessly_so(void **state)
{
    const struct sio_json_check nothing = { 0 };
    struct sio_json_array       a;
    (void)state;
    assert_null(sio_json_read_array(tb_str_of(nested(SIO_JSON_DEPTH, "[", "]")), &nothing, &a));
    assert_non_null(sio_json_read_array(tb_str_of(nested(SIO_JSON_DEPTH + 1, "[", "]")), &nothing, &a));
    assert_non_null(sio_json_read_array(tb_str_of(nested(3000, "[", "]")), &nothing, &a));
    assert_non_null(sio_json_read_array(tb_str_of(nested(1500, "[{\"a\":", "}]")), &nothing, &a));
}

static void
names_are_unescaped(void **state)
{
    static const char *const pairs[][2] = {
        { "\"plain\"", "plain" },
        { "\"\"", "" },
        { "\"a\\\"b\\\\c\\/d\"", "a\"b\\c/d" },
        { "\"\\b\\f\\n\\r\\t\"", "\b\f\n\r\t" },
        { "\"\\u0041\\u00e9\\u20ac\"", "A\xc3\xa9\xe2\x82\xac" },
        { "\"\\uD83D\\uDE00!\"", "\xf0\x9f\x98\x80!" },
        { "\"\\ud83d\"", "\xef\xbf\xbd" },
        { "\"\\ud83dx\"", "\xef\xbf\xbdx" },
        { "\"\\ude00\\ud83d\"", "\xef\xbf\xbd\xef\xbf\xbd" },
        { "\"\\ud83d\\u0041\"", "\xef\xbf\xbd" "A" },
    };
    struct tb_buf scratch = TB_BUF_INIT;
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (!tb_str_eq(tb_str_of(pairs[i][1]), sio_json_unescape(tb_str_of(pairs[i][0]), &scratch)))
            fail_msg("%s", pairs[i][0]);
    tb_buf_fini(&scratch);
}

static void
packets_are_written_as_the_protocol_says(void **state)
{
    static const struct {
        enum sio_type type;
        size_t        attachments;
        const char   *nsp;
        int64_t       ack;
        const char   *head;
    } heads[] = {
        { SIO_CONNECT, 0, "/", -1, "0" },         { SIO_CONNECT, 0, "/a", -1, "0/a," },  { SIO_DISCONNECT, 0, "/a", -1, "1/a," },
        { SIO_EVENT, 0, "/", -1, "2" },           { SIO_EVENT, 0, "/", 0, "20" },        { SIO_EVENT, 0, "/a", 12, "2/a,12" },
        { SIO_EVENT, 2, "/", -1, "52-" },         { SIO_EVENT, 1, "/a", 3, "51-/a,3" },  { SIO_ACK, 0, "/", 7, "37" },
        { SIO_ACK, 1, "/", 7, "61-7" },           { SIO_CONNECT_ERROR, 0, "/a", -1, "4/a," },
    };
    struct tb_buf out = TB_BUF_INIT;
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        tb_buf_clear(&out);
        sio_packet_add_head(&out, heads[i].type, heads[i].attachments, tb_str_of(heads[i].nsp), heads[i].ack);
        assert_string_equal(heads[i].head, out.p);
    }
    tb_buf_clear(&out);
    sio_packet_add_event(&out, TB_LIT("a\"b"), TB_LIT("1,{\"c\":2}"));
    sio_packet_add_event(&out, TB_LIT("none"), TB_STR_NULL);
    assert_string_equal("[\"a\\\"b\",1,{\"c\":2}][\"none\"]", out.p);
    tb_buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_packet_reads_as_the_protocol_says),
        cmocka_unit_test(json_is_read_as_strictly_as_the_rfc_has_it),
        cmocka_unit_test(json_may_be_deep_but_not_endlessly_so),
        cmocka_unit_test(names_are_unescaped),
        cmocka_unit_test(packets_are_written_as_the_protocol_says),
    };
    return tap_run(tests);
}
