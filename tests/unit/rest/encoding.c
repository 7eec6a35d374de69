/* Bodies that came compressed. */
#include "rest/encoding.h"
#include "tap.h"

#include <zlib.h>

enum { RAW = -MAX_WBITS, ZLIB = MAX_WBITS, GZIP = MAX_WBITS + 16 };

static struct tb_buf
packed(tb_str text, int window)
{
    struct tb_buf out = TB_BUF_INIT;
    Bytef        *copy = tb_alloc(text.n + 1);
    z_stream      z = { .next_in = copy, .avail_in = (uInt)text.n };

    memcpy(copy, text.p, text.n);
    tb_buf_reserve(&out, text.n + 1000);
    z.next_out = (Bytef *)out.p;
    z.avail_out = (uInt)(text.n + 1000);
    assert_int_equal(Z_OK, deflateInit2(&z, 9, Z_DEFLATED, window, 9, Z_DEFAULT_STRATEGY));
    assert_int_equal(Z_STREAM_END, deflate(&z, Z_FINISH));
    out.n = text.n + 1000 - z.avail_out;
    deflateEnd(&z);
    tb_free(copy);
    return out;
}

static enum tb_code
decode(tb_str body, const char *name, size_t max, struct tb_buf *out)
{
    struct tb_err e = { 0 };

    return rest_decode_body(body, tb_str_of(name), max, out, &e);
}

static void
known_encodings_give_what_was_packed(void **state)
{
    static const struct { const char *name; int window; } rows[] = {
        { "gzip", GZIP }, { "GZIP", GZIP }, { "x-gzip", GZIP }, { "deflate", ZLIB }, { " deflate ", ZLIB }, { "deflate", GZIP },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tb_buf body = packed(TB_LIT("{\"a\":1}"), rows[i].window), out = TB_BUF_INIT;
        assert_int_equal(TB_OK, decode(tb_buf_str(&body), rows[i].name, 7, &out));
        assert_true(tb_str_eq(TB_LIT("{\"a\":1}"), tb_buf_str(&out)));
        tb_buf_fini(&body);
        tb_buf_fini(&out);
    }
}

static void
without_an_encoding_the_body_is_the_content(void **state)
{
    struct tb_buf out = TB_BUF_INIT;
    (void)state;
    assert_int_equal(TB_OK, decode(TB_LIT("x"), "", 100, &out));
    assert_int_equal(TB_OK, decode(TB_LIT("y"), "Identity", 100, &out));
    assert_true(tb_str_eq(TB_LIT("xy"), tb_buf_str(&out)));
    tb_buf_fini(&out);
}

static void
other_encodings_are_named_as_such(void **state)
{
    static const char *const names[] = { "br", "zstd", "compress", "gzip, gzip", "gzip;q=1", "x" };
    struct tb_buf            out = TB_BUF_INIT;
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(TB_EMEDIA, decode(TB_LIT("{}"), names[i], 100, &out));
    tb_buf_fini(&out);
}

static void
what_is_cut_broken_or_followed_by_more_is_refused(void **state)
{
    struct tb_buf body = packed(TB_LIT("{\"content\":\"the tide is out\"}"), GZIP), raw = packed(TB_LIT("{}"), RAW);
    tb_str        whole = tb_buf_str(&body);
    (void)state;
    for (size_t n = 0; n < whole.n; n++) {
        struct tb_buf out = TB_BUF_INIT;
        assert_int_equal(TB_EINPUT, decode((tb_str){ whole.p, n }, "gzip", 1000, &out));
        tb_buf_fini(&out);
    }
    struct tb_buf out = TB_BUF_INIT;
    tb_buf_add_char(&body, 'x');
    assert_int_equal(TB_EINPUT, decode(tb_buf_str(&body), "gzip", 1000, &out));
    assert_int_equal(TB_EINPUT, decode(tb_buf_str(&raw), "deflate", 1000, &out));
    assert_int_equal(TB_EINPUT, decode(TB_LIT("{\"plain\":1}"), "gzip", 1000, &out));
    tb_buf_fini(&out);
    tb_buf_fini(&body);
    tb_buf_fini(&raw);
}

/* A hundred megabytes of blanks are a hundred kilobytes. */
static void
a_bomb_ends_at_the_limit(void **state)
{
    size_t        n = 100 << 20;
    char         *blanks = tb_alloc(n);
    struct tb_buf out = TB_BUF_INIT;
    (void)state;
    memset(blanks, ' ', n);
    struct tb_buf body = packed((tb_str){ blanks, n }, GZIP);
    assert_int_equal(TB_ETOOBIG, decode(tb_buf_str(&body), "gzip", 65536, &out));
    assert_true(out.n <= 65536 + (16 << 10));
    tb_buf_fini(&out);
    tb_buf_fini(&body);
    tb_free(blanks);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_encodings_give_what_was_packed),
        cmocka_unit_test(without_an_encoding_the_body_is_the_content),
        cmocka_unit_test(other_encodings_are_named_as_such),
        cmocka_unit_test(what_is_cut_broken_or_followed_by_more_is_refused),
        cmocka_unit_test(a_bomb_ends_at_the_limit),
    };
    return tap_run(tests);
}
