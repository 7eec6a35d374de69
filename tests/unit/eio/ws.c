/* RFC 6455, section by section: what a peer may send and what breaks the connection. Every case is fed whole, in pieces
 * of 7 bytes and byte by byte, and must come out the same. */
#include "ws.h"
#include "tombolo/eio.h"
#include "tap.h"

#include <stdio.h>

enum form {
    NO_FRAME,
    SHORTEST,           /* masked, the shortest length: as it should be */
    NOT_MASKED,
    ZERO_MASK,          /* masked with 0: allowed */
    LENGTH_16, LENGTH_64,       /* whatever the length is */
    TOP_BIT,            /* a 64-bit length with its top bit set */
    ANNOUNCED,          /* n is announced, and nothing of it is sent */
};

struct frame {
    unsigned    first;
    const char *payload;        /* NULL: n times "x" */
    size_t      n;
    enum form   form;
};

#define MAX_MESSAGE 100000
#define ODD(first, text, form) { first, text, sizeof(text) - 1, form }
#define ODD_X(first, n, form)  { first, NULL, n, form }         /* n times "x" */
#define F(first, text)         ODD(first, text, SHORTEST)
#define X(first, n)            ODD_X(first, n, SHORTEST)
#define X_31                   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X_124                  X_31 X_31 X_31 X_31

static const struct {
    const char  *section, *says;
    struct frame frames[6];
    const char  *events;
} cases[] = {
    { "5.2", "an unfragmented text", { F(0x81, "Hello") }, "text:Hello " },
    { "5.2", "an empty text", { F(0x81, "") }, "text: " },
    { "5.2", "an unfragmented binary", { F(0x82, "\x01\x02\xff") }, "binary:\x01\x02\xff " },
    { "5.2", "an empty binary", { F(0x82, "") }, "binary: " },
    { "5.2", "one message after the other", { F(0x81, "a"), F(0x82, "b"), F(0x81, "c") }, "text:a binary:b text:c " },
    { "5.2", "125 bytes, the most that fit into 7 bits", { X(0x82, 125) }, "binary:#125 " },
    { "5.2", "126 bytes take a 16-bit length", { X(0x82, 126) }, "binary:#126 " },
    { "5.2", "127 bytes", { X(0x82, 127) }, "binary:#127 " },
    { "5.2", "255 bytes", { X(0x82, 255) }, "binary:#255 " },
    { "5.2", "256 bytes", { X(0x82, 256) }, "binary:#256 " },
    { "5.2", "65535 bytes, the most that fit into 16 bits", { X(0x82, 65535) }, "binary:#65535 " },
    { "5.2", "65536 bytes take a 64-bit length", { X(0x81, 65536) }, "text:#65536 " },
    { "5.2", "125 in 16 bits is not the shortest form", { ODD_X(0x82, 125, LENGTH_16) }, "broken:1002 " },
    { "5.2", "0 in 16 bits is not the shortest form", { ODD(0x81, "", LENGTH_16) }, "broken:1002 " },
    { "5.2", "0 in 64 bits is not the shortest form", { ODD(0x81, "", LENGTH_64) }, "broken:1002 " },
    { "5.2", "65535 in 64 bits is not the shortest form", { ODD_X(0x82, 65535, LENGTH_64) }, "broken:1002 " },
    { "5.2", "the top bit of a 64-bit length must be 0", { ODD_X(0x82, 70000, TOP_BIT) }, "broken:1002 " },
    { "5.2", "RSV1 without an extension", { F(0xc1, "a") }, "broken:1002 " },
    { "5.2", "RSV2 without an extension", { F(0xa1, "a") }, "broken:1002 " },
    { "5.2", "RSV3 without an extension", { F(0x91, "a") }, "broken:1002 " },
    { "5.2", "RSV1 on a ping", { F(0xc9, "a") }, "broken:1002 " },
    { "5.2", "RSV1 on a continuation", { F(0x01, "a"), F(0xc0, "b") }, "broken:1002 " },
    { "5.2", "opcode 3 is reserved", { F(0x83, "a") }, "broken:1002 " },
    { "5.2", "opcode 4 is reserved", { F(0x84, "a") }, "broken:1002 " },
    { "5.2", "opcode 7 is reserved", { F(0x87, "a") }, "broken:1002 " },
    { "5.2", "opcode 11 is reserved", { F(0x8b, "a") }, "broken:1002 " },
    { "5.2", "opcode 15 is reserved", { F(0x8f, "a") }, "broken:1002 " },
    { "5.1", "a client must mask", { ODD(0x81, "a", NOT_MASKED) }, "broken:1002 " },
    { "5.1", "also its control frames", { ODD(0x89, "a", NOT_MASKED) }, "broken:1002 " },
    { "5.3", "a mask of zeroes is a mask", { ODD(0x81, "Hello", ZERO_MASK) }, "text:Hello " },
    { "5.4", "two fragments", { F(0x01, "Hel"), F(0x80, "lo") }, "text:Hello " },
    { "5.4", "many fragments", { F(0x02, "a"), F(0x00, "b"), F(0x00, "c"), F(0x00, "d"), F(0x80, "e") }, "binary:abcde " },
    { "5.4", "empty fragments", { F(0x01, ""), F(0x00, ""), F(0x00, "a"), F(0x80, "") }, "text:a " },
    { "5.4", "only empty fragments", { F(0x01, ""), F(0x80, "") }, "text: " },
    { "5.4", "a ping between fragments", { F(0x01, "Hel"), F(0x89, "p"), F(0x80, "lo") }, "ping:p text:Hello " },
    { "5.4", "a pong between fragments", { F(0x02, "a"), F(0x8a, "p"), F(0x80, "b") }, "pong:p binary:ab " },
    { "5.4", "several pings between fragments",
      { F(0x01, "a"), F(0x89, "one"), F(0x00, "b"), F(0x89, "two"), F(0x80, "c") }, "ping:one ping:two text:abc " },
    { "5.4", "a close between fragments", { F(0x01, "a"), F(0x88, "\x03\xe8"), F(0x80, "b") }, "close:1000 " },
    { "5.4", "messages after a fragmented one", { F(0x01, "a"), F(0x80, "b"), F(0x81, "c") }, "text:ab text:c " },
    { "5.4", "a continuation of nothing", { F(0x80, "a") }, "broken:1002 " },
    { "5.4", "an unfinished continuation of nothing", { F(0x00, "a") }, "broken:1002 " },
    { "5.4", "a continuation after the last fragment", { F(0x01, "a"), F(0x80, "b"), F(0x80, "c") }, "text:ab broken:1002 " },
    { "5.4", "a text amid fragments", { F(0x01, "a"), F(0x81, "b") }, "broken:1002 " },
    { "5.4", "a binary amid fragments", { F(0x01, "a"), F(0x02, "b") }, "broken:1002 " },
    { "5.4", "fragments do not change the kind", { F(0x02, "\xff"), F(0x80, "\xfe") }, "binary:\xff\xfe " },
    { "5.5", "a fragmented ping", { F(0x09, "a") }, "broken:1002 " },
    { "5.5", "a fragmented close", { F(0x08, "\x03\xe8") }, "broken:1002 " },
    { "5.5", "a control frame of 125 bytes", { X(0x89, 125) }, "ping:#125 " },
    { "5.5", "a control frame of 126 bytes", { X(0x89, 126) }, "broken:1002 " },
    { "5.5", "a close of 126 bytes", { F(0x88, "\x03\xe8" X_124) }, "broken:1002 " },
    { "5.5.1", "a close without a code", { F(0x88, "") }, "close:1005 " },
    { "5.5.1", "a close with a code", { F(0x88, "\x03\xe8") }, "close:1000 " },
    { "5.5.1", "a close with a code and a reason", { F(0x88, "\x03\xe9" "bye") }, "close:1001 bye " },
    { "5.5.1", "half a code", { F(0x88, "\x03") }, "broken:1002 " },
    { "5.5.1", "the reason must be UTF-8", { F(0x88, "\x03\xe8\xff") }, "broken:1007 " },
    { "5.5.1", "nothing counts after a close", { F(0x88, "\x03\xe8"), F(0x81, "a"), F(0x88, "") }, "close:1000 " },
    { "5.5.2", "a ping without data", { F(0x89, "") }, "ping: " },
    { "5.5.3", "an unsolicited pong", { F(0x8a, "x") }, "pong:x " },
    { "7.4.1", "999 is no code", { F(0x88, "\x03\xe7") }, "broken:1002 " },
    { "7.4.1", "0 is no code", { F(0x88, "\0\0") }, "broken:1002 " },
    { "7.4.1", "1003", { F(0x88, "\x03\xeb") }, "close:1003 " },
    { "7.4.1", "1004 is reserved", { F(0x88, "\x03\xec") }, "broken:1002 " },
    { "7.4.1", "1005 may not be sent", { F(0x88, "\x03\xed") }, "broken:1002 " },
    { "7.4.1", "1006 may not be sent", { F(0x88, "\x03\xee") }, "broken:1002 " },
    { "7.4.1", "1007", { F(0x88, "\x03\xef") }, "close:1007 " },
    { "7.4.1", "1011", { F(0x88, "\x03\xf3") }, "close:1011 " },
    { "7.4.1", "1014, registered later", { F(0x88, "\x03\xf6") }, "close:1014 " },
    { "7.4.1", "1015 may not be sent", { F(0x88, "\x03\xf7") }, "broken:1002 " },
    { "7.4.2", "2999 is reserved", { F(0x88, "\x0b\xb7") }, "broken:1002 " },
    { "7.4.2", "3000 is for libraries", { F(0x88, "\x0b\xb8") }, "close:3000 " },
    { "7.4.2", "4999 is for applications", { F(0x88, "\x13\x87") }, "close:4999 " },
    { "7.4.2", "5000 is nobody's", { F(0x88, "\x13\x88") }, "broken:1002 " },
    { "8.1", "UTF-8 of every length",
      { F(0x81, "\xc2\xa2\xe2\x82\xac\xf0\x9f\x98\x80") }, "text:\xc2\xa2\xe2\x82\xac\xf0\x9f\x98\x80 " },
    { "8.1", "a stray continuation byte", { F(0x81, "\x80") }, "broken:1007 " },
    { "8.1", "an overlong form", { F(0x81, "\xc0\xaf") }, "broken:1007 " },
    { "8.1", "a surrogate", { F(0x81, "\xed\xa0\x80") }, "broken:1007 " },
    { "8.1", "beyond U+10FFFF", { F(0x81, "\xf4\x90\x80\x80") }, "broken:1007 " },
    { "8.1", "a character cut off at the end", { F(0x81, "\xe2\x82") }, "broken:1007 " },
    { "8.1", "a character across two fragments", { F(0x01, "\xe2\x82"), F(0x80, "\xac") }, "text:\xe2\x82\xac " },
    { "8.1", "a character cut off by the last fragment", { F(0x01, "\xe2"), F(0x80, "\x82") }, "broken:1007 " },
    { "8.1", "binary need not be UTF-8", { F(0x82, "\xc0\xaf\x80") }, "binary:\xc0\xaf\x80 " },
    { "8.1", "nor need pings", { F(0x89, "\xff") }, "ping:\xff " },
    { "10.4", "a message as long as the limit", { X(0x82, MAX_MESSAGE) }, "binary:#100000 " },
    { "10.4", "one byte more", { X(0x82, MAX_MESSAGE + 1) }, "broken:1009 " },
    { "10.4", "a length that is only announced", { ODD_X(0x82, INT64_MAX, ANNOUNCED) }, "broken:1009 " },
    { "10.4", "fragments that add up to the limit", { X(0x02, MAX_MESSAGE - 1), F(0x80, "x") }, "binary:#100000 " },
    { "10.4", "fragments that add up to more", { X(0x02, MAX_MESSAGE), F(0x80, "x") }, "broken:1009 " },
    { "10.4", "the limit is for each message", { X(0x82, MAX_MESSAGE), X(0x82, MAX_MESSAGE) }, "binary:#100000 binary:#100000 " },
    { "10.7", "what is broken stays broken", { F(0x83, "a"), F(0x81, "b"), F(0x88, "") }, "broken:1002 " },
};

/* ---- building ---- */

static const char some_mask[4] = { 0x37, (char)0xfa, 0x21, 0x3d };

static void
add_length(struct tb_buf *b, uint64_t n, const struct frame *f)
{
    unsigned mask_bit = f->form == NOT_MASKED ? 0 : 0x80;
    unsigned shortest = n < 126 ? 0 : n < 65536 ? 2 : 8;
    unsigned bytes = f->form == LENGTH_16 ? 2 : f->form == LENGTH_64 || f->form == TOP_BIT ? 8 : shortest;

    tb_buf_add_char(b, (char)(mask_bit | (bytes == 0 ? n : bytes == 2 ? 126 : 127)));
    for (unsigned i = bytes; i-- > 0;)
        tb_buf_add_char(b, (char)((n >> (8 * i) & 0xff) | (f->form == TOP_BIT && i == 7 ? 0x80 : 0)));
}

static void
add_frame(struct tb_buf *b, const struct frame *f)
{
    static const char zero_mask[4];
    const char       *mask = f->form == ZERO_MASK || f->form == NOT_MASKED ? zero_mask : some_mask;
    size_t            n = f->n;

    tb_buf_add_char(b, (char)f->first);
    add_length(b, n, f);
    if (f->form != NOT_MASKED)
        tb_buf_add(b, (tb_str){ .p = mask, .n = 4 });
    for (size_t i = 0; i < n && f->form != ANNOUNCED; i++)
        tb_buf_add_char(b, (char)((f->payload != NULL ? f->payload[i] : 'x') ^ mask[i % 4]));
}

/* ---- reading ---- */

static void
add_event(struct tb_buf *out, const struct eio_ws *ws, enum eio_ws_event event, tb_str payload)
{
    static const char *const names[] = { "more", "text", "binary", "ping", "pong", "close", "broken" };
    enum { LONG = 100 };

    tb_buf_printf(out, "%s:", names[event]);
    if (event == EIO_WS_CLOSE || event == EIO_WS_BROKEN)
        tb_buf_printf(out, "%d", ws->code);
    if (event == EIO_WS_CLOSE && payload.n > 0)
        tb_buf_add_char(out, ' ');
    if (event != EIO_WS_BROKEN && payload.n > LONG)
        tb_buf_printf(out, "#%zu", payload.n);
    else if (event != EIO_WS_BROKEN)
        tb_buf_add(out, payload);
    tb_buf_add_char(out, ' ');
}

static void
feed(struct eio_ws *ws, tb_str bytes, size_t step, struct tb_buf *out)
{
    for (size_t at = 0; at < bytes.n; at += step) {
        size_t              n = bytes.n - at < step ? bytes.n - at : step;
        char               *piece = tb_alloc(n);       /* a block of its own: reading past it is noticed */
        struct eio_ws_bytes in = { .p = memcpy(piece, bytes.p + at, n), .n = n };
        tb_str              payload = TB_STR_NULL;
        enum eio_ws_event   event;
        while ((event = eio_ws_next(ws, &in, &payload)) != EIO_WS_MORE)
            add_event(out, ws, event, payload);
        assert_int_equal(0, in.n);
        tb_free(piece);
    }
}

/* In steps of so many bytes; true: as it should be. */
static bool
comes_out(size_t i, tb_str bytes, size_t step)
{
    struct tb_buf out = TB_BUF_INIT;
    struct eio_ws ws;

    eio_ws_init(&ws, MAX_MESSAGE);
    feed(&ws, bytes, step, &out);
    bool is_good = tb_str_eq(tb_str_of(cases[i].events), tb_buf_str(&out));
    if (!is_good)
        fprintf(stderr, "RFC 6455 section %s, %s, in steps of %zu: wanted \"%s\", got \"%s\"\n", cases[i].section,
                cases[i].says, step, cases[i].events, out.p ? out.p : "");
    eio_ws_fini(&ws);
    tb_buf_fini(&out);
    return is_good;
}

/* Goes on after a case that fails: tests/lint/mutants.test.mjs wants to know all of them. */
static void
frames_come_out_as_the_rfc_says_however_they_are_cut(void **state)
{
    size_t n_good = 0;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tb_buf bytes = TB_BUF_INIT;
        for (const struct frame *f = cases[i].frames; f->form != NO_FRAME; f++)
            add_frame(&bytes, f);
        assert_true(bytes.n > 0);
        const size_t steps[] = { bytes.n, 7, 1 };
        size_t       k = 0;
        while (k < 3 && comes_out(i, tb_buf_str(&bytes), steps[k]))
            k++;
        n_good += k == 3;
        tb_buf_fini(&bytes);
    }
    assert_int_equal(sizeof cases / sizeof *cases, n_good);
}

static void
there_are_at_least_sixty_cases(void **state)
{
    (void)state;
    assert_true(sizeof cases / sizeof *cases >= 60);
}

static void
a_frame_that_lies_whole_in_the_input_is_not_copied(void **state)
{
    const struct frame f = F(0x81, "Hello");
    struct tb_buf      bytes = TB_BUF_INIT;
    struct eio_ws      ws;
    tb_str             payload = TB_STR_NULL;
    (void)state;
    add_frame(&bytes, &f);
    struct eio_ws_bytes in = { .p = bytes.p, .n = bytes.n };
    eio_ws_init(&ws, MAX_MESSAGE);
    assert_int_equal(EIO_WS_TEXT, eio_ws_next(&ws, &in, &payload));
    assert_true(payload.p >= bytes.p && payload.p < bytes.p + bytes.n);
    assert_null(ws.partial);
    eio_ws_fini(&ws);
    tb_buf_fini(&bytes);
}

static void
a_message_that_came_in_pieces_leaves_no_memory_behind(void **state)
{
    const struct frame f = X(0x82, 5000);
    struct tb_buf      bytes = TB_BUF_INIT, out = TB_BUF_INIT;
    struct eio_ws      ws;
    (void)state;
    add_frame(&bytes, &f);
    eio_ws_init(&ws, MAX_MESSAGE);
    feed(&ws, tb_buf_str(&bytes), 1000, &out);
    assert_string_equal("binary:#5000 ", out.p);
    assert_null(ws.partial);
    eio_ws_fini(&ws);
    tb_buf_fini(&bytes);
    tb_buf_fini(&out);
}

static void
our_headers_are_unmasked_final_and_as_short_as_can_be(void **state)
{
    static const struct {
        size_t      n, size;
        const char *bytes;
    } headers[] = {
        { 0, 2, "\x82\x00" },
        { 125, 2, "\x82\x7d" },
        { 126, 4, "\x82\x7e\x00\x7e" },
        { 65535, 4, "\x82\x7e\xff\xff" },
        { 65536, 10, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        char out[EIO_WS_HEADER_MAX];
        assert_int_equal(headers[i].size, eio_ws_header(out, EIO_WS_OP_BINARY, headers[i].n));
        assert_memory_equal(headers[i].bytes, out, headers[i].size);
    }
}

static void
our_close_frames_carry_a_code_or_nothing(void **state)
{
    struct tb_buf out = TB_BUF_INIT;
    (void)state;
    eio_ws_add_close(&out, EIO_WS_GOING_AWAY);
    assert_true(tb_str_eq(TB_LIT("\x88\x02\x03\xe9"), tb_buf_str(&out)));
    tb_buf_clear(&out);
    eio_ws_add_close(&out, EIO_WS_NO_CODE);
    assert_true(tb_str_eq(TB_LIT("\x88\x00"), tb_buf_str(&out)));
    tb_buf_fini(&out);
}

static void
the_handshake_is_checked_and_answered(void **state)     /* sections 4.2.1, 4.2.2 and its example */
{
    static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
    static const struct {
        const char *says, *upgrade, *connection, *version, *key;
        bool        is_good;
    } shakes[] = {
        { "the example of the RFC", "websocket", "Upgrade", "13", key, true },
        { "case does not matter", "WebSocket", "keep-alive, UPGRADE", "13", key, true },
        { "blanks around", " websocket ", " keep-alive ,  upgrade ", " 13 ", " dGhlIHNhbXBsZSBub25jZQ== ", true },
        { "another protocol", "h2c", "Upgrade", "13", key, false },
        { "no Upgrade", "", "Upgrade", "13", key, false },
        { "Connection without upgrade", "websocket", "keep-alive", "13", key, false },
        { "upgrade only as part of a word", "websocket", "upgrades", "13", key, false },
        { "an old version", "websocket", "Upgrade", "8", key, false },
        { "no version", "websocket", "Upgrade", "", key, false },
        { "no key", "websocket", "Upgrade", "13", "", false },
        { "a key of 15 bytes", "websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25j", false },
        { "a key of 18 bytes", "websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZQQQ", false },
        { "a key that is no base64", "websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZ!==", false },
    };
    size_t n_good = 0;
    (void)state;
    for (size_t i = 0; i < sizeof shakes / sizeof *shakes; i++) {
        char out[EIO_WS_ACCEPT_SIZE] = "";
        bool is_good = eio_ws_accept(tb_str_of(shakes[i].upgrade), tb_str_of(shakes[i].connection),
                                     tb_str_of(shakes[i].version), tb_str_of(shakes[i].key), out);
        if (is_good == shakes[i].is_good && (!is_good || memcmp("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", out, sizeof out) == 0))
            n_good++;
        else
            fprintf(stderr, "RFC 6455 section 4.2, %s\n", shakes[i].says);
    }
    assert_int_equal(sizeof shakes / sizeof *shakes, n_good);
}

static void
the_first_subprotocol_is_named(void **state)            /* sections 4.1, 4.2.2 */
{
    static const struct {
        const char *offered, *named;
    } offers[] = {
        { "chat", "chat" },     { "chat, v2.superchat", "chat" }, { " a ,b", "a" }, { "", "" },
        { ",b", "" },           { "a b", "" },                    { "a\"b\"", "" }, { "caf\xc3\xa9", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
        tb_str named = eio_ws_subprotocol(tb_str_of(offers[i].offered));
        if (!tb_str_eq(tb_str_of(offers[i].named), named))
            fail_msg("\"%s\": " TB_STR_FMT, offers[i].offered, TB_STR_ARG(named));
    }
    assert_int_equal(0, eio_ws_subprotocol(TB_STR_NULL).n);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_out_as_the_rfc_says_however_they_are_cut),
        cmocka_unit_test(there_are_at_least_sixty_cases),
        cmocka_unit_test(a_frame_that_lies_whole_in_the_input_is_not_copied),
        cmocka_unit_test(a_message_that_came_in_pieces_leaves_no_memory_behind),
        cmocka_unit_test(our_headers_are_unmasked_final_and_as_short_as_can_be),
        cmocka_unit_test(our_close_frames_carry_a_code_or_nothing),
        cmocka_unit_test(the_handshake_is_checked_and_answered),
        cmocka_unit_test(the_first_subprotocol_is_named),
    };
    return tap_run(tests);
}
