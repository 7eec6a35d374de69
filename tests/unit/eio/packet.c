/* Engine.IO packets and payloads, base64, and the frames that carry ours. */
#include "packet.h"
#include "base64.h"
#include "tap.h"

static const struct {
    const char   *says;
    const char   *text;
    int           type;         /* -1: refused */
    bool          is_binary;
    const char   *data;
} cases[] = {
    { "open", "0{\"sid\":\"a\"}", EIO_OPEN, false, "{\"sid\":\"a\"}" },
    { "close", "1", EIO_CLOSE, false, "" },
    { "ping", "2", EIO_PING, false, "" },
    { "a probe is a ping with data", "2probe", EIO_PING, false, "probe" },
    { "pong", "3", EIO_PONG, false, "" },
    { "message", "4hello", EIO_MESSAGE, false, "hello" },
    { "an empty message", "4", EIO_MESSAGE, false, "" },
    { "a message may begin with any character", "4bAQ==", EIO_MESSAGE, false, "bAQ==" },
    { "UTF-8 passes as it is", "4\xe2\x82\xac", EIO_MESSAGE, false, "\xe2\x82\xac" },
    { "upgrade", "5", EIO_UPGRADE, false, "" },
    { "noop", "6", EIO_NOOP, false, "" },
    { "there is no type 7", "7", -1, false, "" },
    { "letters are no type", "abc", -1, false, "" },
    { "nor is nothing", "", -1, false, "" },
    { "binary is base64 after a b", "bAQIDBA==", EIO_MESSAGE, true, "\x01\x02\x03\x04" },
    { "padding may be missing", "bAQIDBA", EIO_MESSAGE, true, "\x01\x02\x03\x04" },
    { "the other alphabet is read too", "b-_-_", EIO_MESSAGE, true, "\xfb\xff\xbf" },
    { "empty binary", "b", EIO_MESSAGE, true, "" },
    { "a line may end behind it, as the stock Java client has it", "bAQIDBA==\n", EIO_MESSAGE, true, "\x01\x02\x03\x04" },
    { "and before its end, in any manner", "bAQ\r\nID\tB A=\r=\n\n", EIO_MESSAGE, true, "\x01\x02\x03\x04" },
    { "without padding, too", "bAQID\nBA\n", EIO_MESSAGE, true, "\x01\x02\x03\x04" },
    { "and in the other alphabet", "b-_-\n_\r\n", EIO_MESSAGE, true, "\xfb\xff\xbf" },
    { "lines of nothing are nothing", "b\r\n\r\n", EIO_MESSAGE, true, "" },
    { "in lines one character too many is still no byte", "bAQID\nB\n", -1, false, "" },
    { "both alphabets at once are neither", "b-/-_", -1, false, "" },
    { "a line break before the type is none of ours", "\nbAQIDBA==", -1, false, "" },
    { "base64 holds no other characters", "bAQ!DBA==", -1, false, "" },
    { "one character of base64 is no byte", "bAQIDB", -1, false, "" },
    { "padding comes in the right number or not at all", "bAQ=", -1, false, "" },
    { "three paddings are one too many", "bA===", -1, false, "" },
};

static void
each_packet_reads_as_the_protocol_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct eio_packet p = { 0 };
        struct tb_buf     scratch = TB_BUF_INIT;
        struct tb_err     e = { 0 };
        enum tb_code      code = eio_packet_parse(tb_str_of(cases[i].text), &p, &scratch, &e);
        if ((code == TB_OK) != (cases[i].type >= 0))
            fail_msg("%s: %s", cases[i].says, e.why);
        if (code == TB_OK && (p.type != (enum eio_type)cases[i].type || p.is_binary != cases[i].is_binary ||
                              !tb_str_eq(p.data, tb_str_of(cases[i].data))))
            fail_msg("%s: read otherwise", cases[i].says);
        tb_buf_fini(&scratch);
    }
}

static void
a_payload_is_cut_at_its_separators(void **state)
{
    static const struct {
        const char *text, *packets;     /* joined by | */
    } payloads[] = {
        { "4a", "4a|" },         { "4a\x1e" "4b\x1e" "2", "4a|4b|2|" }, { "", "|" },
        { "4a\x1e", "4a||" },    { "\x1e", "||" },                      { "4a\x1e\x1e" "4b", "4a||4b|" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
        struct eio_payload it = eio_payload_of(tb_str_of(payloads[i].text));
        struct tb_buf      got = TB_BUF_INIT;
        tb_str             packet;
        while (eio_payload_next(&it, &packet)) {
            tb_buf_add(&got, packet);
            tb_buf_add_char(&got, '|');
        }
        assert_string_equal(payloads[i].packets, got.p);
        tb_buf_fini(&got);
    }
}

static void
base64_goes_both_ways_at_every_length(void **state)
{
    static const char *const pairs[][2] = {
        { "", "" },         { "f", "Zg==" },         { "fo", "Zm8=" },        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },      /* RFC 4648 section 10 */
    };
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct tb_buf text = TB_BUF_INIT, back = TB_BUF_INIT;
        eio_base64_add(&text, tb_str_of(pairs[i][0]));
        assert_string_equal(pairs[i][1], text.p);
        assert_int_equal(text.n, eio_base64_size(strlen(pairs[i][0])));
        assert_true(eio_base64_decode(&back, tb_buf_str(&text)));
        assert_true(tb_str_eq(tb_str_of(pairs[i][0]), tb_buf_str(&back)));
        tb_buf_fini(&text);
        tb_buf_fini(&back);
    }
}

static void
what_is_no_base64_leaves_the_buffer_as_it_was(void **state)
{
    struct tb_buf out = TB_BUF_INIT;
    (void)state;
    tb_buf_add(&out, TB_LIT("before"));
    assert_false(eio_base64_decode(&out, TB_LIT("Zm9v*mFy")));
    assert_true(tb_str_eq(TB_LIT("before"), tb_buf_str(&out)));
    tb_buf_fini(&out);
}

static void
a_frame_reads_as_a_packet_and_as_a_websocket_frame(void **state)
{
    struct eio_frame *text = eio_frame_text(TB_LIT("hi")), *binary = eio_frame_binary(TB_LIT("\x01\x02"));
    struct eio_frame *joined = eio_frame_join((tb_str[]){ TB_LIT("2"), TB_STR_NULL, TB_LIT("[\"x\"]") }, 3);
    struct eio_frame *as_text = eio_frame_as_base64(binary);
    (void)state;
    assert_true(tb_str_eq(TB_LIT("4hi"), eio_frame_for_poll(text)));
    assert_true(tb_str_eq(TB_LIT("\x81\x03" "4hi"), eio_frame_for_stream(text)));
    assert_true(tb_str_eq(TB_LIT("\x82\x02\x01\x02"), eio_frame_for_stream(binary)));
    assert_true(tb_str_eq(TB_LIT("42[\"x\"]"), eio_frame_for_poll(joined)));
    assert_true(tb_str_eq(TB_LIT("\x81\x05" "bAQI="), eio_frame_for_stream(as_text)));
    assert_int_equal(5, eio_frame_size(text));
    eio_frame_unref(&text);
    assert_null(text);
    eio_frame_unref(&binary);
    eio_frame_unref(&joined);
    eio_frame_unref(&as_text);
    eio_frame_unref(&as_text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_packet_reads_as_the_protocol_says),
        cmocka_unit_test(a_payload_is_cut_at_its_separators),
        cmocka_unit_test(base64_goes_both_ways_at_every_length),
        cmocka_unit_test(what_is_no_base64_leaves_the_buffer_as_it_was),
        cmocka_unit_test(a_frame_reads_as_a_packet_and_as_a_websocket_frame),
    };
    return tap_run(tests);
}
