/* The guard over HTTP/2: frames in a table, what each costs, and the shape of header blocks. Every case is fed whole, in pieces of
 * 7 bytes and byte by byte, and must come out the same. */
#include "net/guard.h"
#include "net/hpack.h"

#include "tap.h"

#include <stdio.h>

static const struct net_guard_limits limits = {
    .allow_http2 = true,
    .header_fields = 128,
    .header_bytes = 16384,
    .continuations = 8,
    .requests_ahead = 400,
    .resets_per_second = 50,
    .streams_per_second = 60,
    .control_per_second = 10,
    .small_per_second = 100,
    .body_bytes = 100000,
};

#define START                                                                                                          \
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"                                                                                 \
    "\0\0\0\x04\0\0\0\0\0"

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION };
enum { END = 0x1, DONE = 0x4, PAD = 0x8, PRIO = 0x20 };

struct frame {
    unsigned type, flags, stream;
    const char *payload; /* NULL: n zeros */
    size_t n;
};

#define F(type, flags, stream, payload)                                                                                \
    {                                                                                                                  \
        type, flags, stream, payload, sizeof(payload) - 1                                                              \
    }
#define ZEROS(type, flags, stream, n)                                                                                  \
    {                                                                                                                  \
        type, flags, stream, NULL, n                                                                                   \
    }

#define GET "\x82\x86\x84\x41\x01x" /* :method GET, :scheme http, :path /, :authority x, which is remembered */
#define POST "\x83\x86\x84\x41\x01x"

static void
add_frame(struct tb_buf *out, const struct frame *f, unsigned stream)
{
    static const char zeros[20000];
    char head[9] = { (char)(f->n >> 16),   (char)(f->n >> 8),    (char)f->n,          (char)f->type, (char)f->flags,
                     (char)(stream >> 24), (char)(stream >> 16), (char)(stream >> 8), (char)stream };

    tb_buf_add(out, (tb_str){ .p = head, .n = sizeof head });
    tb_buf_add(
        out, (tb_str){ .p = f->payload != NULL ? f->payload : zeros, .n = f->n < sizeof zeros ? f->n : sizeof zeros });
}

static enum net_guard_reason
feed(tb_str bytes, size_t step)
{
    struct net_guard *g = net_guard_new(&limits, true);
    enum net_guard_reason reason = NET_GUARD_FINE;

    for (size_t at = 0; at < bytes.n && reason == NET_GUARD_FINE; at += step) {
        size_t n = bytes.n - at < step ? bytes.n - at : step, n_good = n + 1;
        reason = net_guard_feed(g, bytes.p + at, n, 1000, &n_good);
        assert_true(reason == NET_GUARD_FINE ? n_good == n : n_good <= n);
    }
    net_guard_free(&g);
    return reason;
}

static void
expect(const char *name, tb_str bytes, enum net_guard_reason expected)
{
    const size_t steps[] = { bytes.n, 7, 1 };

    for (size_t i = 0; i < 3; i++) {
        enum net_guard_reason reason = feed(bytes, steps[i]);
        if (reason != expected)
            fail_msg("%s, %zu bytes at a time: %s instead of %s", name, steps[i], net_guard_label(reason),
                     net_guard_label(expected));
    }
}

/* All frames again and again, on the next stream each time. */
static const struct {
    const char *name;
    struct frame frames[4];
    unsigned times;
    enum net_guard_reason reason;
} cases[] = {
    { "requests", { F(HEADERS, DONE | END, 1, GET) }, 200, NET_GUARD_FINE },
    { "requests with a body",
      { F(HEADERS, DONE, 1, POST), F(DATA, 0, 1, "0123456789"), F(DATA, END, 1, "x") },
      50,
      NET_GUARD_FINE },
    { "padding and priority",
      { F(HEADERS, DONE | END | PAD | PRIO, 1,
          "\x03"
          "\0\0\0\0\x10" GET "pad") },
      50,
      NET_GUARD_FINE },
    { "padded data",
      { F(HEADERS, DONE, 1, POST), F(DATA, END | PAD, 1,
                                     "\x03"
                                     "abc"
                                     "pad") },
      10,
      NET_GUARD_FINE },
    { "a trailer",
      { F(HEADERS, DONE, 1, POST), F(DATA, 0, 1, "x"), F(HEADERS, DONE | END, 1, "\x40\x01x\x01y") },
      10,
      NET_GUARD_FINE },
    { "a block in pieces",
      { F(HEADERS, END, 1, "\x82\x86"), F(CONTINUATION, 0, 1, "\x84\x41"), F(CONTINUATION, DONE, 1, "\x01x") },
      10,
      NET_GUARD_FINE },
    { "a few pings", { F(PING, 0, 0, "01234567") }, 10, NET_GUARD_FINE },
    { "what nobody knows", { F(0xfa, 0, 1, "hello") }, 5, NET_GUARD_FINE },
    { "priorities", { F(PRIORITY, 0, 1, "\0\0\0\0\x10") }, 10, NET_GUARD_FINE },
    { "a goodbye", { F(GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0") }, 1, NET_GUARD_FINE },
    { "windows",
      { F(HEADERS, DONE | END, 1, GET), F(WINDOW_UPDATE, 0, 1, "\0\0\0\x01"), F(WINDOW_UPDATE, 0, 0, "\0\x01\0\0") },
      100,
      NET_GUARD_FINE },
    { "streams that are given up now and then",
      { F(HEADERS, DONE | END, 1, GET), F(RST_STREAM, 0, 1, "\0\0\0\x08") },
      100,
      NET_GUARD_FINE },

    { "rapid reset", { F(HEADERS, DONE | END, 1, GET), F(RST_STREAM, 0, 1, "\0\0\0\x08") }, 201, NET_GUARD_RESETS },
    { "requests without end", { F(HEADERS, DONE | END, 1, GET) }, 241, NET_GUARD_STREAMS },
    { "a window that does not grow",
      { F(HEADERS, DONE | END, 1, GET), F(WINDOW_UPDATE, 0, 1, "\0\0\0\0") },
      1,
      NET_GUARD_FRAME },
    { "a connection's that does not", { F(WINDOW_UPDATE, 0, 0, "\x80\0\0\0") }, 1, NET_GUARD_FRAME },
    { "windows that overflow",
      { F(HEADERS, DONE | END, 1, GET), F(WINDOW_UPDATE, 0, 1, "\x7f\xff\xff\xff") },
      201,
      NET_GUARD_RESETS },
    { "data behind the end", { F(HEADERS, DONE | END, 1, GET), F(DATA, END, 1, "x") }, 201, NET_GUARD_RESETS },
    { "headers behind the end",
      { F(HEADERS, DONE | END, 1, GET), F(HEADERS, DONE | END, 1, GET) },
      1,
      NET_GUARD_FRAME },
    { "a trailer that is not the end", { F(HEADERS, DONE, 1, POST), F(HEADERS, DONE, 1, GET) }, 1, NET_GUARD_FRAME },
    { "a priority of another length",
      { F(HEADERS, DONE | END, 1, GET), F(PRIORITY, 0, 1, "\0\0\0\0") },
      1,
      NET_GUARD_FRAME },
    { "pings without end", { F(PING, 0, 0, "01234567") }, 41, NET_GUARD_CONTROL },
    { "settings without end", { F(SETTINGS, 0, 0, "\0\x01\0\0\0\0") }, 41, NET_GUARD_CONTROL },
    { "acknowledgements without end", { F(SETTINGS, END, 0, "") }, 41, NET_GUARD_CONTROL },
    { "priorities without end", { F(PRIORITY, 0, 1, "\0\0\0\0\x10") }, 401, NET_GUARD_SMALL },
    { "windows without end", { F(WINDOW_UPDATE, 0, 0, "\0\0\0\x01") }, 401, NET_GUARD_SMALL },
    { "what nobody knows, without end", { F(0xfa, 0, 0, "") }, 21, NET_GUARD_SMALL },
    { "a ping of another length", { F(PING, 0, 0, "0123456") }, 1, NET_GUARD_FRAME },
    { "a ping on a stream", { F(PING, 0, 1, "01234567") }, 1, NET_GUARD_FRAME },
    { "settings of another length", { F(SETTINGS, 0, 0, "\0\x01\0\0\0") }, 1, NET_GUARD_FRAME },
    { "a promise", { F(PUSH_PROMISE, DONE, 1, "\0\0\0\x02") }, 1, NET_GUARD_FRAME },
    { "a stream of the server's", { F(HEADERS, DONE | END, 2, GET) }, 1, NET_GUARD_FRAME },
    { "stream 0", { F(HEADERS, DONE | END, 0, GET) }, 1, NET_GUARD_FRAME },
    { "a reset of a stream that is none", { F(RST_STREAM, 0, 1, "\0\0\0\x08") }, 1, NET_GUARD_FRAME },
    { "data for a stream that is none", { F(DATA, 0, 1, "x") }, 1, NET_GUARD_FRAME },
    { "a window of a stream that is none", { F(WINDOW_UPDATE, 0, 1, "\0\0\0\x01") }, 1, NET_GUARD_FRAME },
    { "a frame over 16 KB", { ZEROS(DATA, 0, 1, 16385) }, 1, NET_GUARD_FRAME },
    { "padding over the frame", { F(HEADERS, DONE | END | PAD, 1, "\x09" GET) }, 1, NET_GUARD_FRAME },
    { "a priority over the frame", { F(HEADERS, DONE | END | PRIO, 1, "\0\0\0") }, 1, NET_GUARD_FRAME },
    { "a continuation of nothing", { F(CONTINUATION, DONE, 1, "") }, 1, NET_GUARD_FRAME },
    { "something between headers and their continuation",
      { F(HEADERS, END, 1, "\x82"), F(PING, 0, 0, "01234567") },
      1,
      NET_GUARD_FRAME },
    { "a continuation of another stream",
      { F(HEADERS, END, 1, "\x82"), F(CONTINUATION, DONE, 3, "\x86") },
      1,
      NET_GUARD_FRAME },
    { "a block that ends amid a field", { F(HEADERS, DONE | END, 1, "\x82\x41\x03xx") }, 1, NET_GUARD_HEADER_BLOCK },
    { "a field from an empty table", { F(HEADERS, DONE | END, 1, "\xbe") }, 1, NET_GUARD_HEADER_BLOCK },
    { "field 0", { F(HEADERS, DONE | END, 1, "\x80") }, 1, NET_GUARD_HEADER_BLOCK },
    { "a number without end", { F(HEADERS, DONE | END, 1, "\xff\xff\xff\xff\xff\x01") }, 1, NET_GUARD_HEADER_BLOCK },
    { "a table larger than allowed", { F(HEADERS, DONE | END, 1, "\x3f\xe2\x1f" GET) }, 1, NET_GUARD_HEADER_BLOCK },
};

static void
frames_and_what_they_cost(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tb_buf b = TB_BUF_INIT;
        tb_buf_add(&b, TB_LIT(START));
        for (unsigned k = 0; k < cases[i].times; k++)
            for (size_t f = 0; f < 4 && cases[i].frames[f].type + cases[i].frames[f].n + cases[i].frames[f].flags > 0;
                 f++)
                add_frame(&b, &cases[i].frames[f],
                          cases[i].frames[f].stream == 0 ? 0 : 2 * k + cases[i].frames[f].stream);
        expect(cases[i].name, tb_buf_str(&b), cases[i].reason);
        tb_buf_fini(&b);
    }
}

/* One block, spread over frames of at most a given size. */
static void
add_block(struct tb_buf *out, tb_str block, size_t a_frame, unsigned stream)
{
    for (size_t at = 0; at == 0 || at < block.n; at += a_frame) {
        size_t n = block.n - at < a_frame ? block.n - at : a_frame;
        struct frame f = { at == 0 ? HEADERS : CONTINUATION, (at == 0 ? END : 0) | (at + n == block.n ? DONE : 0u),
                           stream, block.p + at, n };
        add_frame(out, &f, stream);
    }
}

static void
expect_block(const char *name, const struct tb_buf *block, size_t a_frame, enum net_guard_reason expected)
{
    struct tb_buf b = TB_BUF_INIT;

    tb_buf_add(&b, TB_LIT(START));
    add_block(&b, tb_buf_str(block), a_frame, 1);
    expect(name, tb_buf_str(&b), expected);
    tb_buf_fini(&b);
}

static void
header_blocks_are_bounded_as_they_are_once_decoded(void **state)
{
    struct tb_buf block = TB_BUF_INIT;

    (void)state;
    for (int i = 0; i < 128; i++)
        tb_buf_add(&block, TB_LIT("\x82"));
    expect_block("128 fields", &block, 16384, NET_GUARD_FINE);
    tb_buf_add(&block, TB_LIT("\x82"));
    expect_block("129 fields", &block, 16384, NET_GUARD_HEADER_FIELDS);

    tb_buf_clear(&block);
    tb_buf_add(&block, TB_LIT("\x40\x01x\x7f\xd8\x1e")); /* x: 4055 bytes, which nearly fill the table */
    for (int i = 0; i < 4055; i++)
        tb_buf_add_char(&block, 'y');
    for (int i = 0; i < 3; i++)
        tb_buf_add(&block, TB_LIT("\xbe"));
    expect_block("a large field four times", &block, 16384, NET_GUARD_FINE);
    tb_buf_add(&block, TB_LIT("\xbe"));
    expect_block("and once more: the bomb", &block, 16384, NET_GUARD_HEADER_BYTES);

    tb_buf_clear(&block);
    tb_buf_add(&block, TB_LIT("\0\x01x\xff\x81\x4f")); /* 10240 bytes of Huffman codes of 5 bits: 16384 zeros */
    for (int i = 0; i < 10240; i++)
        tb_buf_add_char(&block, '\0');
    expect_block("codes that decode to more than they are", &block, 16384, NET_GUARD_HEADER_BYTES);
    tb_buf_fini(&block);
}

static void
a_block_comes_in_few_frames(void **state)
{
    struct tb_buf block = TB_BUF_INIT;

    (void)state;
    for (int i = 0; i < 9; i++)
        tb_buf_add(&block, TB_LIT("\x82"));
    expect_block("HEADERS and 8 CONTINUATION", &block, 1, NET_GUARD_FINE);
    tb_buf_add(&block, TB_LIT("\x82"));
    expect_block("one more", &block, 1, NET_GUARD_CONTINUATIONS);
    tb_buf_fini(&block);

    struct tb_buf empty = TB_BUF_INIT;
    tb_buf_add(&empty, TB_LIT(START));
    add_frame(&empty, &(struct frame)F(HEADERS, END, 1, "\x82"), 1);
    for (int i = 0; i < 9; i++)
        add_frame(&empty, &(struct frame)F(CONTINUATION, 0, 1, ""), 1);
    expect("CONTINUATION of nothing", tb_buf_str(&empty), NET_GUARD_CONTINUATIONS);
    tb_buf_fini(&empty);
}

static void
a_body_does_not_come_in_crumbs(void **state)
{
    static const struct frame crumb = F(DATA, 0, 1, "x"), slice = ZEROS(DATA, 0, 1, 64);

    (void)state;
    for (unsigned n = 400; n <= 405; n += 5) {
        struct tb_buf b = TB_BUF_INIT;
        tb_buf_add(&b, TB_LIT(START));
        add_frame(&b, &(struct frame)F(HEADERS, DONE, 1, POST), 1);
        for (unsigned i = 0; i < n; i++) {
            add_frame(&b, &crumb, 1);
            add_frame(&b, &slice, 1);
        }
        expect("crumbs", tb_buf_str(&b), n == 400 ? NET_GUARD_FINE : NET_GUARD_SMALL);
        tb_buf_fini(&b);
    }
}

static void
bodies_are_counted_until_they_end(void **state)
{
    struct net_guard *g = net_guard_new(&limits, true);
    struct tb_buf b = TB_BUF_INIT;
    size_t n_good;

    (void)state;
    tb_buf_add(&b, TB_LIT(START));
    for (unsigned i = 0; i < 5; i++) {
        add_frame(&b, &(struct frame)F(HEADERS, DONE, 1, POST), 2 * i + 1);
        add_frame(&b, &(struct frame)ZEROS(DATA, 0, 1, 16384), 2 * i + 1);
    }
    assert_int_equal(NET_GUARD_FINE, net_guard_feed(g, b.p, b.n, 0, &n_good));
    assert_int_equal(5 * 16384, net_guard_body_bytes(g));
    assert_true(net_guard_is_receiving(g));
    tb_buf_clear(&b);
    add_frame(&b, &(struct frame)F(DATA, END, 1, "x"), 1);
    add_frame(&b, &(struct frame)F(RST_STREAM, 0, 1, "\0\0\0\x08"), 3);
    assert_int_equal(NET_GUARD_FINE, net_guard_feed(g, b.p, b.n, 0, &n_good));
    assert_int_equal(3 * 16384, net_guard_body_bytes(g));
    tb_buf_clear(&b);
    for (unsigned i = 0; i < 4; i++)
        add_frame(&b, &(struct frame)ZEROS(DATA, 0, 1, 16384), 5);
    assert_int_equal(NET_GUARD_BODIES, net_guard_feed(g, b.p, b.n, 0, &n_good));
    assert_int_equal(0, n_good);
    tb_buf_fini(&b);
    net_guard_free(&g);
}

/* However the server was made to drop the requests: what is not answered is not forgotten. */
static void
requests_that_are_never_answered_use_up_the_credit(void **state)
{
    struct net_guard *g = net_guard_new(&limits, true);
    struct tb_buf b = TB_BUF_INIT;
    size_t n_good;
    unsigned n = 0;

    (void)state;
    tb_buf_add(&b, TB_LIT(START));
    assert_int_equal(NET_GUARD_FINE, net_guard_feed(g, b.p, b.n, 0, &n_good));
    enum net_guard_reason reason = NET_GUARD_FINE;
    for (; reason == NET_GUARD_FINE && n < 10000; n++) {
        tb_buf_clear(&b);
        add_frame(&b, &(struct frame)F(HEADERS, DONE | END, 1, GET), 2 * n + 1);
        reason = net_guard_feed(g, b.p, b.n, n * 17, &n_good); /* 58 a second */
    }
    assert_int_equal(NET_GUARD_AHEAD, reason);
    net_guard_free(&g);
    tb_buf_fini(&b);
}

static void
good_ends_behind_the_preface(void **state)
{
    struct net_guard *g = net_guard_new(&limits, false);
    tb_str bytes = TB_LIT("GET / HTTP/1.1\r\nHost: h\r\n\r\n" START "\0\0\0\x05\0\0\0\0\0");
    size_t n_good;

    (void)state;
    assert_false(net_guard_is_http2(g));
    assert_int_equal(NET_GUARD_FRAME, net_guard_feed(g, bytes.p, bytes.n, 0, &n_good));
    assert_int_equal(27 + 24, n_good);
    assert_true(net_guard_is_http2(g));
    net_guard_free(&g);
}

/* RFC 7541, appendix C: blocks of one connection, with the size of the dynamic table after each. */
static const struct {
    const char *section, *hex;
    unsigned fields, bytes, table;
    bool is_first;
} examples[] = {
    { "C.2.1", "400a637573746f6d2d6b65790d637573746f6d2d686561646572", 1, 23, 55, true },
    { "C.2.2", "040c2f73616d706c652f70617468", 1, 17, 0, true },
    { "C.2.3", "100870617373776f726406736563726574", 1, 14, 0, true },
    { "C.2.4", "82", 1, 10, 0, true },
    { "C.3.1", "828684410f7777772e6578616d706c652e636f6d", 4, 52, 57, true },
    { "C.3.2", "828684be58086e6f2d6361636865", 5, 73, 110, false },
    { "C.3.3", "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565", 5, 85, 164, false },
    { "C.4.1", "828684418cf1e3c2e5f23a6ba0ab90f4ff", 4, 52, 57, true },
    { "C.4.2", "828684be5886a8eb10649cbf", 5, 73, 110, false },
    { "C.4.3", "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", 5, 85, 164, false },
};

static size_t
from_hex(const char *hex, char *out)
{
    size_t n = 0;
    unsigned byte;

    for (; *hex != '\0'; hex += 2) {
        char two[3] = { hex[0], hex[1], '\0' };
        byte = (unsigned)strtoul(two, NULL, 16);
        out[n++] = (char)byte;
    }
    return n;
}

static void
header_blocks_have_the_shape_of_the_standards_examples(void **state)
{
    struct net_hpack h;

    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        char block[100];
        size_t n = from_hex(examples[i].hex, block);
        if (examples[i].is_first)
            net_hpack_init(&h, 1000, 100000);
        net_hpack_begin(&h);
        for (size_t k = 0; k < n; k++)
            assert_true(net_hpack_feed(&h, block + k, 1));
        assert_true(net_hpack_ends_well(&h));
        if (h.n_fields != examples[i].fields || h.n_bytes != examples[i].bytes || h.size != examples[i].table)
            fail_msg("%s: %u fields, %zu bytes, table %u", examples[i].section, h.n_fields, h.n_bytes, h.size);
    }
}

/* Browsers send a cookie in crumbs, one header field each (RFC 9113 section 8.2.3). */
static void
crumbs_of_a_cookie_are_one_field(void **state)
{
    static const struct { const char *name, *first, *next; unsigned n, fields; bool is_too_large; } rows[] = {
        { "by the static table", "\x10\x01x\x01y", "\x60\x01z", 100, 2, false },
        { "by the dynamic table", "\x60\x01z", "\xbe", 100, 1, false },
        { "never indexed", "\x10\x01x\x01y", "\x1f\x11\x01z", 100, 2, false },
        { "as many as are allowed", "\x10\x01x\x01y", "\x60\x01z", NET_HPACK_CRUMBS, 2, false },
        { "more than are allowed", "\x10\x01x\x01y", "\x60\x01z", NET_HPACK_CRUMBS + 1, 2, true },
        { "other fields count one by one", "\x10\x01x\x01y", "\x10\x01x\x01y", 100, 51, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct net_hpack h;
        net_hpack_init(&h, 50, 100000);
        net_hpack_begin(&h);
        assert_true(net_hpack_feed(&h, rows[i].first, strlen(rows[i].first)));
        for (unsigned k = 0; k < rows[i].n; k++)
            assert_true(net_hpack_feed(&h, rows[i].next, strlen(rows[i].next)));
        if (h.n_fields != rows[i].fields || net_hpack_is_too_large(&h) != rows[i].is_too_large)
            fail_msg("%s: %u fields, %u crumbs", rows[i].name, h.n_fields, h.n_crumbs);
    }
}

static void
the_table_forgets_as_it_should(void **state)
{
    struct net_hpack h;

    (void)state;
    net_hpack_init(&h, 1000, 100000);
    net_hpack_begin(&h);
    assert_true(net_hpack_feed(&h,
                               "\x40\x01"
                               "a\x01x\x40\x01"
                               "b\x01y",
                               10));
    assert_int_equal(2, h.n_entries);
    assert_int_equal(68, h.size);
    net_hpack_init(&h, 1000, 100000);
    assert_true(net_hpack_feed(&h, "\x3f\x09", 2)); /* 40 bytes: one small entry */
    assert_true(net_hpack_feed(&h,
                               "\x40\x01"
                               "a\x02xx\x40\x01"
                               "b\x01y",
                               11));
    assert_int_equal(1, h.n_entries);
    assert_int_equal(34, h.size);
    assert_true(net_hpack_feed(&h,
                               "\x40\x01"
                               "c\x0a"
                               "0123456789",
                               14)); /* does not fit: all go */
    assert_int_equal(0, h.n_entries);
    assert_int_equal(0, h.size);
    assert_false(net_hpack_feed(&h, "\xbe", 1));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_and_what_they_cost),
        cmocka_unit_test(header_blocks_are_bounded_as_they_are_once_decoded),
        cmocka_unit_test(a_block_comes_in_few_frames),
        cmocka_unit_test(a_body_does_not_come_in_crumbs),
        cmocka_unit_test(bodies_are_counted_until_they_end),
        cmocka_unit_test(requests_that_are_never_answered_use_up_the_credit),
        cmocka_unit_test(good_ends_behind_the_preface),
        cmocka_unit_test(header_blocks_have_the_shape_of_the_standards_examples),
        cmocka_unit_test(crumbs_of_a_cookie_are_one_field),
        cmocka_unit_test(the_table_forgets_as_it_should),
    };
    return tap_run(tests);
}
