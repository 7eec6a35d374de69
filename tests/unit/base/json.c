/* The JSON writer: commas, escapes, nesting. */
#include "json.h"
#include "tap.h"

static void
objects_and_arrays_get_their_commas(void **state)
{
    struct tb_buf  out = TB_BUF_INIT;
    struct tb_json j = tb_json_to(&out);
    (void)state;
    tb_json_open_object(&j);
    tb_json_key(&j, "a"), tb_json_int(&j, -1);
    tb_json_key(&j, "b"), tb_json_open_array(&j);
    tb_json_bool(&j, true), tb_json_null(&j), tb_json_raw(&j, TB_LIT("{}"));
    tb_json_open_object(&j), tb_json_end_object(&j);
    tb_json_end_array(&j);
    tb_json_key(&j, "t"), tb_json_time(&j, 0);
    tb_json_end_object(&j);
    tb_json_fini(&j);
    assert_string_equal("{\"a\":-1,\"b\":[true,null,{},{}],\"t\":\"1970-01-01T00:00:00.000Z\"}", out.p);
    tb_buf_fini(&out);
}

static void
what_json_forbids_is_escaped_and_the_rest_is_left_alone(void **state)
{
    struct tb_buf  out = TB_BUF_INIT;
    struct tb_json j = tb_json_to(&out);
    (void)state;
    tb_json_str(&j, (tb_str){ .p = "\"\\\b\f\n\r\t\0\x1f/\xc3\xa4", .n = 12 });
    assert_string_equal("\"\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f/\xc3\xa4\"", out.p);
    tb_buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_and_arrays_get_their_commas),
        cmocka_unit_test(what_json_forbids_is_escaped_and_the_rest_is_left_alone),
    };
    return tap_run(tests);
}
