/* From JSON to the inputs of a call. */
#include "chat/fields.h"
#include "tap.h"

#include <stdio.h>

struct out {
    int64_t            id;
    tb_str             text;
    struct chat_ids    ids;
    bool               flag;
    struct chat_secret secret;
    tb_str             key;
};

static const struct chat_field list[] = {
    { "id", CHAT_ID, offsetof(struct out, id), "no id", "bad id" },
    { "text", CHAT_TEXT, offsetof(struct out, text), NULL, "bad text" },
    { "flag", CHAT_BOOL, offsetof(struct out, flag), NULL, "bad flag" },
    { "ids", CHAT_IDS, offsetof(struct out, ids), NULL, "bad ids" },
    { "secret", CHAT_SECRET, offsetof(struct out, secret), NULL, "bad secret" },
    { "key", CHAT_KEY, offsetof(struct out, key), NULL, "bad key" },
};
static const struct chat_fields fields = { list, sizeof list / sizeof *list };

static enum tb_code
parse(const char *json, struct out *out, struct tb_arena *mem, struct tb_err *e)
{
    *out = (struct out){ 0 };
    return chat_fields_parse(tb_str_of(json), fields, out, mem, e);
}

static void
an_id_is_a_whole_number_below_2_to_the_53_or_its_digits(void **state)
{
    static const struct { const char *json; int64_t id; const char *say; } rows[] = {
        { "{\"id\":1}", 1, NULL },
        { "{\"id\":\"17\"}", 17, NULL },
        { "{\"id\":9007199254740991}", INT64_C(9007199254740991), NULL },
        { "{\"id\":\"9007199254740991\"}", INT64_C(9007199254740991), NULL },
        { "{\"id\":7.0}", 7, NULL },                /* JavaScript cannot tell it from 7 */
        { "{\"id\":1,\"id\":2}", 2, NULL },         /* the last counts */
        { "{\"unknown\":{\"a\":[1,2]},\"id\":3}", 3, NULL },
        { " \n{ \"id\" : 4 }\t", 4, NULL },
        { "{\"id\":9007199254740992}", 0, "bad id" },
        { "{\"id\":\"9007199254740992\"}", 0, "bad id" },
        { "{\"id\":99999999999999999999999999}", 0, "bad id" },
        { "{\"id\":-1}", 0, "bad id" },
        { "{\"id\":1.5}", 0, "bad id" },
        { "{\"id\":\"-1\"}", 0, "bad id" },
        { "{\"id\":\" 1\"}", 0, "bad id" },
        { "{\"id\":\"1x\"}", 0, "bad id" },
        { "{\"id\":\"0\"}", 0, "bad id" },
        { "{\"id\":true}", 0, "bad id" },
        { "{\"id\":[1]}", 0, "bad id" },
        { "{\"id\":{}}", 0, "bad id" },
        { "{\"id\":null}", 0, "no id" },
        { "{\"id\":0}", 0, "no id" },
        { "{\"id\":\"\"}", 0, "no id" },
        { "{}", 0, "no id" },
        { "", 0, "no id" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tb_arena mem = { 0 };
        struct tb_err   e = { .code = TB_OK };
        struct out      out;
        enum tb_code    code = parse(rows[i].json, &out, &mem, &e);
        if (rows[i].say == NULL && (code != TB_OK || out.id != rows[i].id))
            fail_msg("%s: %s", rows[i].json, e.why);
        if (rows[i].say != NULL && (code != TB_EINPUT || e.code != TB_EINPUT || strcmp(e.say, rows[i].say) != 0))
            fail_msg("%s: %s", rows[i].json, e.say ? e.say : "taken");
        tb_arena_fini(&mem);
    }
}

static void
what_is_no_json_object_is_refused(void **state)
{
    static const struct { const char *json, *say; } rows[] = {
        { "{", "The body is not valid JSON" },
        { "{\"id\":1", "The body is not valid JSON" },
        { "{\"id\":1}x", "The body is not valid JSON" },
        { "{id:1}", "The body is not valid JSON" },
        { "{\"id\":1,}", "The body is not valid JSON" },
        { "{\"id\":\"\xff\"}", "The body is not valid JSON" },
        { "{\"text\":\"\\ud8\"}", "The body is not valid JSON" },
        { "id=1", "The body is not valid JSON" },
        { "[]", "A JSON object is required" },
        { "\"id\"", "A JSON object is required" },
        { "null", "A JSON object is required" },
        { "7", "A JSON object is required" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tb_arena mem = { 0 };
        struct tb_err   e = { .code = TB_OK };
        struct out      out;
        if (parse(rows[i].json, &out, &mem, &e) != TB_EINPUT || strcmp(e.say, rows[i].say) != 0)
            fail_msg("%s: %s", rows[i].json, e.say ? e.say : "taken");
        tb_arena_fini(&mem);
    }
}

static void
a_flag_may_be_spelled_as_the_old_backend_took_it(void **state)
{
    static const struct { const char *json; bool flag; } rows[] = {
        { "true", true }, { "1", true }, { "1.0", true }, { "\"true\"", true },
        { "false", false }, { "0", false }, { "\"false\"", false }, { "\"\"", false }, { "null", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tb_arena mem = { 0 };
        struct tb_err   e = { .code = TB_OK };
        struct out      out;
        char            json[64];
        snprintf(json, sizeof json, "{\"id\":1,\"flag\":%s}", rows[i].json);
        assert_int_equal(TB_OK, parse(json, &out, &mem, &e));
        assert_int_equal(rows[i].flag, out.flag);
        tb_arena_fini(&mem);
    }
}

static void
a_key_may_be_a_number_and_is_its_text(void **state)
{
    static const struct { const char *json, *key; } rows[] = {
        { "\"a\"", "a" }, { "17", "17" }, { "17.0", "17" }, { "-1", "-1" }, { "0", "0" }, { "1.5", "1.5" },
        { "1796119200000", "1796119200000" }, { "9007199254740991", "9007199254740991" },
        { "true", NULL }, { "[]", NULL }, { "{}", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tb_arena mem = { 0 };
        struct tb_err   e = { .code = TB_OK };
        struct out      out;
        char            json[64];
        snprintf(json, sizeof json, "{\"id\":1,\"key\":%s}", rows[i].json);
        assert_int_equal(rows[i].key == NULL ? TB_EINPUT : TB_OK, parse(json, &out, &mem, &e));
        if (rows[i].key != NULL)
            assert_true(tb_str_eq(tb_str_of(rows[i].key), out.key));
        tb_arena_fini(&mem);
    }
}

static void
the_first_wrong_field_of_the_table_is_named(void **state)
{
    static const struct { const char *json, *say; } rows[] = {
        { "{\"secret\":1,\"ids\":1,\"flag\":1,\"text\":1}", "no id" },
        { "{\"secret\":1,\"ids\":1,\"flag\":1,\"text\":1,\"id\":1}", "bad text" },
        { "{\"secret\":1,\"ids\":1,\"flag\":2,\"id\":1}", "bad flag" },
        { "{\"flag\":\"yes\",\"id\":1}", "bad flag" },
        { "{\"flag\":[],\"id\":1}", "bad flag" },
        { "{\"secret\":1,\"ids\":1,\"id\":1}", "bad ids" },
        { "{\"ids\":[1,\"x\"],\"id\":1}", "bad ids" },
        { "{\"ids\":[1,null],\"id\":1}", "bad ids" },
        { "{\"secret\":[],\"id\":1}", "bad secret" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tb_arena mem = { 0 };
        struct tb_err   e = { .code = TB_OK };
        struct out      out;
        assert_int_equal(TB_EINPUT, parse(rows[i].json, &out, &mem, &e));
        assert_string_equal(rows[i].say, e.say);
        tb_arena_fini(&mem);
    }
}

static void
values_arrive_whole_with_their_nuls(void **state)
{
    struct tb_arena mem = { 0 };
    struct tb_err   e;
    struct out      out;
    (void)state;
    assert_int_equal(TB_OK, parse("{\"id\":1,\"text\":\"a\\u0000b\\ud83d\\ude00\",\"flag\":true,\"ids\":[3,\"4\"],"
                                  "\"secret\":\"p\\u0000w\"}", &out, &mem, &e));
    assert_true(tb_str_eq(TB_LIT("a\0b\U0001F600"), out.text));
    assert_true(out.flag);
    assert_int_equal(2, out.ids.n);
    assert_int_equal(3, out.ids.p[0]);
    assert_int_equal(4, out.ids.p[1]);
    assert_int_equal(3, out.secret.n);
    assert_memory_equal("p\0w", out.secret.p, 3);
    tb_arena_fini(&mem);
}

static void
what_is_absent_or_null_stays_as_it_was(void **state)
{
    struct tb_arena mem = { 0 };
    struct tb_err   e;
    struct out      out;
    (void)state;
    assert_int_equal(TB_OK, parse("{\"id\":1,\"text\":null}", &out, &mem, &e));
    assert_null(out.text.p);
    assert_null(out.secret.p);
    assert_int_equal(TB_OK, parse("{\"id\":1,\"text\":\"\"}", &out, &mem, &e));
    assert_non_null(out.text.p);
    assert_int_equal(0, out.text.n);
    tb_arena_fini(&mem);
}

static enum tb_code
parse_nested(size_t depth)
{
    struct tb_buf   json = TB_BUF_INIT;
    struct tb_arena mem = { 0 };
    struct tb_err   e;
    struct out      out = { 0 };

    tb_buf_add(&json, TB_LIT("{\"id\":1,\"text\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[\",\"x\":"));
    for (size_t i = 1; i < depth; i++)
        tb_buf_add_char(&json, '[');
    for (size_t i = 1; i < depth; i++)
        tb_buf_add_char(&json, ']');
    tb_buf_add_char(&json, '}');
    enum tb_code code = chat_fields_parse(tb_buf_str(&json), fields, &out, &mem, &e);
    tb_buf_fini(&json);
    tb_arena_fini(&mem);
    return code;
}

static void
nesting_is_bounded_and_brackets_in_strings_are_none(void **state)
{
    (void)state;
    assert_int_equal(TB_OK, parse_nested(CHAT_JSON_DEPTH));
    assert_int_equal(TB_EINPUT, parse_nested(CHAT_JSON_DEPTH + 1));
    assert_int_equal(TB_EINPUT, parse_nested(30000));
}

static void
a_secret_is_overwritten_in_the_tree_and_when_another_field_is_wrong(void **state)
{
    static const struct chat_field swapped[] = {
        { "secret", CHAT_SECRET, offsetof(struct out, secret), "no secret", "bad secret" },
        { "id", CHAT_ID, offsetof(struct out, id), "no id", "bad id" },
    };
    struct tb_arena mem = { 0 };
    struct tb_err   e;
    struct out      out = { 0 };
    json_t         *root = json_pack("{s:s}", "secret", "hush");
    (void)state;
    assert_int_equal(TB_EINPUT, chat_fields_read(root, (struct chat_fields){ swapped, 2 }, &out, &mem, &e));
    assert_string_equal("no id", e.say);
    assert_memory_equal("\0\0\0\0", out.secret.p, 4);
    assert_memory_equal("\0\0\0\0", json_string_value(json_object_get(root, "secret")), 4);
    json_decref(root);
    tb_arena_fini(&mem);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_a_whole_number_below_2_to_the_53_or_its_digits),
        cmocka_unit_test(what_is_no_json_object_is_refused),
        cmocka_unit_test(a_flag_may_be_spelled_as_the_old_backend_took_it),
        cmocka_unit_test(a_key_may_be_a_number_and_is_its_text),
        cmocka_unit_test(the_first_wrong_field_of_the_table_is_named),
        cmocka_unit_test(values_arrive_whole_with_their_nuls),
        cmocka_unit_test(what_is_absent_or_null_stays_as_it_was),
        cmocka_unit_test(nesting_is_bounded_and_brackets_in_strings_are_none),
        cmocka_unit_test(a_secret_is_overwritten_in_the_tree_and_when_another_field_is_wrong),
    };
    return tap_run(tests);
}
