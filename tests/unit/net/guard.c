/* The guard over HTTP/1, and over what real clients were recorded to send. Every case is fed whole, in pieces of 7 bytes and byte
 * by byte, and must come out the same. */
#include "net/guard.h"

#include "tap.h"

#include <dirent.h>
#include <stdio.h>

static const struct net_guard_limits limits = {
    .allow_http2 = true,
    .header_fields = 128,
    .header_bytes = 16384,
    .continuations = 8,
    .requests_ahead = 400,
    .resets_per_second = 50,
    .streams_per_second = 1000,
    .control_per_second = 50,
    .small_per_second = 500,
    .body_bytes = 1 << 20,
};

static enum net_guard_reason
feed(tb_str bytes, size_t step, bool *wants_upgrade)
{
    struct net_guard *g = net_guard_new(&limits, false);
    enum net_guard_reason reason = NET_GUARD_FINE;

    for (size_t at = 0; at < bytes.n && reason == NET_GUARD_FINE; at += step) {
        size_t n = bytes.n - at < step ? bytes.n - at : step, n_good = n + 1;
        char *copy = tb_alloc(n); /* so that a look beyond it is seen */
        reason = net_guard_feed(g, memcpy(copy, bytes.p + at, n), n, 1000, &n_good);
        tb_free(copy);
        assert_true(reason == NET_GUARD_FINE ? n_good == n : n_good <= n);
    }
    *wants_upgrade = net_guard_wants_upgrade(g);
    net_guard_free(&g);
    return reason;
}

static void
expect(const char *name, tb_str bytes, enum net_guard_reason expected, bool upgrade)
{
    const size_t steps[] = { bytes.n, 7, 1 };

    for (size_t i = 0; i < 3; i++) {
        bool wants_upgrade;
        enum net_guard_reason reason = feed(bytes, steps[i], &wants_upgrade);
        if (reason != expected || (upgrade && !wants_upgrade))
            fail_msg("%s, %zu bytes at a time: %s instead of %s", name, steps[i], net_guard_label(reason),
                     net_guard_label(expected));
    }
}

#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST(...) "POST / HTTP/1.1\r\nHost: h\r\n" __VA_ARGS__
#define CHUNKED POST("Transfer-Encoding: chunked\r\n\r\n")

static const struct {
    const char *name, *bytes;
    enum net_guard_reason reason;
} cases[] = {
    { "requests, one behind the other", GET GET GET, NET_GUARD_FINE },
    { "a request that is not whole", "GET / HTTP/1.1\r\nHost: h\r\nHos", NET_GUARD_FINE },
    { "HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", NET_GUARD_FINE },
    { "one empty line before a request", "\r\n" GET "\r\n" GET, NET_GUARD_FINE },
    { "a body by length, whatever is in it", POST("Content-Length: 9\r\n\r\n") "\nA: b\r\n\r\n" GET, NET_GUARD_FINE },
    { "a length with blanks around it", POST("Content-Length: \t 2 \r\n\r\n") "ab" GET, NET_GUARD_FINE },
    { "a length of nothing", POST("Content-Length: 0\r\n\r\n") GET, NET_GUARD_FINE },
    { "a body in chunks", CHUNKED "5\r\nhello\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n" GET, NET_GUARD_FINE },
    { "a trailer, which says nothing about the body", CHUNKED "1\r\nx\r\n0\r\nContent-Length: 7\r\nX: y\r\n\r\n" GET,
      NET_GUARD_FINE },
    { "any case",
      "post / HTTP/1.1\r\nhOST: h\r\ntRANSFER-encodinG: Chunked\r\n\r\n"
      "0\r\n\r\n" GET,
      NET_GUARD_FINE },
    { "bytes over 127 in path and value", "GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\nX: \xff\r\n\r\n", NET_GUARD_FINE },
    { "a method that only begins as HTTP/2 does",
      "PRINT / HTTP/1.1\r\nHost: h\r\n\r\n"
      "PRI / HTTP/1.1\r\nHost: h\r\n\r\n"
      "PRI * HTTP/1.1\r\nHost: h\r\n\r\n"
      "P / HTTP/1.1\r\nHost: h\r\n\r\n",
      NET_GUARD_FINE },
    { "an empty value", "GET / HTTP/1.1\r\nX:\r\nY: \r\nHost:\r\n\r\n" GET, NET_GUARD_FINE },
    { "a name and a value that are longer than any we know",
      "GET / HTTP/1.1\r\nHost: h\r\nContent-Length-Content-Length: 5\r\n"
      "X: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n\r\n" GET,
      NET_GUARD_FINE },

    { "a length and chunks", POST("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"), NET_GUARD_LENGTH },
    { "chunks and a length", POST("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"), NET_GUARD_LENGTH },
    { "two lengths, though the same", POST("Content-Length: 4\r\nContent-Length: 4\r\n\r\n"), NET_GUARD_LENGTH },
    { "two lengths in one", POST("Content-Length: 4, 4\r\n\r\n"), NET_GUARD_LENGTH },
    { "a length with a sign", POST("Content-Length: +4\r\n\r\n"), NET_GUARD_LENGTH },
    { "a length below 0", POST("Content-Length: -4\r\n\r\n"), NET_GUARD_LENGTH },
    { "a length in hexadecimal", POST("Content-Length: 0x4\r\n\r\n"), NET_GUARD_LENGTH },
    { "a length of nothing at all", POST("Content-Length:\r\n\r\n"), NET_GUARD_LENGTH },
    { "a length beyond all", POST("Content-Length: 99999999999999999999\r\n\r\n"), NET_GUARD_LENGTH },
    { "a coding that we do not know", POST("Transfer-Encoding: gzip\r\n\r\n"), NET_GUARD_CODING },
    { "two codings", POST("Transfer-Encoding: gzip, chunked\r\n\r\n"), NET_GUARD_CODING },
    { "chunked twice", POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), NET_GUARD_CODING },
    { "almost chunked", POST("Transfer-Encoding: xchunked\r\n\r\n"), NET_GUARD_CODING },
    { "chunks in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", NET_GUARD_CODING },
    { "no host", "GET / HTTP/1.1\r\nX: y\r\n\r\n", NET_GUARD_HOST },
    { "no host, behind one that has it", GET "GET / HTTP/1.1\r\n\r\n", NET_GUARD_HOST },
    { "a host in the trailer only", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: h\r\n\r\n", NET_GUARD_HOST },
    { "HTTP/1.0 needs none", "GET / HTTP/1.0\r\n\r\n", NET_GUARD_FINE },
    { "two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", NET_GUARD_HOST },
    { "two upgrades", "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n",
      NET_GUARD_HEADER },
    { "LF behind the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n", NET_GUARD_LINE_END },
    { "LF behind a header", "GET / HTTP/1.1\r\nHost: h\n\r\n", NET_GUARD_LINE_END },
    { "LF behind a name", "GET / HTTP/1.1\r\nHost\n\r\n", NET_GUARD_LINE_END },
    { "LF for the empty line", "GET / HTTP/1.1\r\nHost: h\r\n\n", NET_GUARD_LINE_END },
    { "CR without LF", "GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", NET_GUARD_LINE_END },
    { "a folded header", "GET / HTTP/1.1\r\nHost: h\r\nX: y\r\n z\r\n\r\n", NET_GUARD_FOLDED },
    { "a header folded with a tab", "GET / HTTP/1.1\r\nHost: h\r\nX: y\r\n\tz\r\n\r\n", NET_GUARD_FOLDED },
    { "a blank before the first header", "GET / HTTP/1.1\r\n X: y\r\n\r\n", NET_GUARD_FOLDED },
    { "a blank before the colon", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 4\r\n\r\n", NET_GUARD_HEADER },
    { "a header without a name", "GET / HTTP/1.1\r\nHost: h\r\n: y\r\n\r\n", NET_GUARD_HEADER },
    { "a header without a colon", "GET / HTTP/1.1\r\nHost: h\r\nnothing\r\n\r\n", NET_GUARD_HEADER },
    { "a control character in a value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\x01\r\n\r\n", NET_GUARD_HEADER },
    { "two empty lines before a request", "\r\n\r\n" GET, NET_GUARD_REQUEST_LINE },
    { "two blanks in the request line", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", NET_GUARD_REQUEST_LINE },
    { "a tab in the request line", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", NET_GUARD_REQUEST_LINE },
    { "a blank in the path", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", NET_GUARD_REQUEST_LINE },
    { "no version", "GET /\r\n\r\n", NET_GUARD_REQUEST_LINE },
    { "another version", "GET / HTTP/1.2\r\n\r\n", NET_GUARD_REQUEST_LINE },
    { "a longer version", "GET / HTTP/1.11\r\n\r\n", NET_GUARD_REQUEST_LINE },
    { "TLS", "\x16\x03\x01", NET_GUARD_REQUEST_LINE },
    { "a chunk without a size", CHUNKED "\r\n", NET_GUARD_CHUNK },
    { "a chunk size of letters", CHUNKED "zz\r\n", NET_GUARD_CHUNK },
    { "a chunk size with a prefix", CHUNKED "0x5\r\nhello\r\n", NET_GUARD_CHUNK },
    { "a chunk size with a blank", CHUNKED "5 \r\nhello\r\n", NET_GUARD_CHUNK },
    { "a chunk size beyond all", CHUNKED "fffffffffffffffff\r\n", NET_GUARD_CHUNK },
    { "LF behind a chunk size", CHUNKED "5\nhello\r\n", NET_GUARD_CHUNK },
    { "LF behind a chunk", CHUNKED "5\r\nhello\n0\r\n\r\n", NET_GUARD_CHUNK },
    { "a chunk that is longer than it says", CHUNKED "4\r\nhello\r\n", NET_GUARD_CHUNK },
    { "LF in an extension", CHUNKED "5;a\nhello\r\n", NET_GUARD_CHUNK },
    { "a folded trailer", CHUNKED "0\r\nX: y\r\n z\r\n\r\n", NET_GUARD_FOLDED },
    { "a second request that is bad",
      GET POST("Content-Length: 1\r\n\r\n") "x"
                                            "GET /\n\r\n",
      NET_GUARD_REQUEST_LINE },
    { "half a preface", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", NET_GUARD_PREFACE },
};

static void
one_reading_passes_and_two_do_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(cases[i].name, tb_str_of(cases[i].bytes), cases[i].reason, false);
}

static void
nul_is_no_text(void **state)
{
    (void)state;
    expect("in a value", TB_LIT("GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n"), NET_GUARD_HEADER, false);
    expect("in a name", TB_LIT("GET / HTTP/1.1\r\nHost: h\r\nX\0: b\r\n\r\n"), NET_GUARD_HEADER, false);
    expect("in a path", TB_LIT("GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n"), NET_GUARD_REQUEST_LINE, false);
}

static void
heads_chunk_lines_and_trailers_are_bounded(void **state)
{
    static const struct {
        const char *before, *again;
        unsigned times;
        enum net_guard_reason reason;
    } long_ones[] = {
        { "GET / HTTP/1.1\r\nHost: h\r\n", "X: y\r\n", 2700, NET_GUARD_FINE },
        { "GET / HTTP/1.1\r\nHost: h\r\n", "X: y\r\n", 2800, NET_GUARD_HEAD_SIZE },
        { "GET /", "x", 20000, NET_GUARD_HEAD_SIZE },
        { "G", "G", 20000, NET_GUARD_HEAD_SIZE },
        { CHUNKED, "1\r\nx\r\n", 20000, NET_GUARD_FINE },
        { CHUNKED "1;", "x", 300, NET_GUARD_CHUNK },
        { CHUNKED "0\r\n", "X: y\r\n", 2800, NET_GUARD_HEAD_SIZE },
        { "", GET, 400, NET_GUARD_FINE },
        { "", GET, 401, NET_GUARD_AHEAD },
    };
    (void)state;
    for (size_t i = 0; i < sizeof long_ones / sizeof long_ones[0]; i++) {
        struct tb_buf b = TB_BUF_INIT;
        tb_buf_add(&b, tb_str_of(long_ones[i].before));
        for (unsigned k = 0; k < long_ones[i].times; k++)
            tb_buf_add(&b, tb_str_of(long_ones[i].again));
        expect(long_ones[i].again, tb_buf_str(&b), long_ones[i].reason, false);
        tb_buf_fini(&b);
    }
}

static void
what_follows_an_upgrade_is_not_judged(void **state)
{
    (void)state;
#define UPGRADE(connection, to) "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: " to "\r\nConnection: " connection "\r\n\r\n"
    expect("a WebSocket", TB_LIT(UPGRADE("keep-alive, Upgrade", "websocket") "\x81\x80\0\0\0\0"), NET_GUARD_FINE, true);
    expect("h2c", TB_LIT(UPGRADE("Upgrade", "h2c") "\x81\x80"), NET_GUARD_REQUEST_LINE, false);
    expect("an old h2c", TB_LIT(UPGRADE("Upgrade", "h2c-16") "\x81\x80"), NET_GUARD_REQUEST_LINE, false);
    expect("without Connection", TB_LIT(UPGRADE("close", "websocket") "\x81\x80"), NET_GUARD_REQUEST_LINE, false);
    expect("in a list that is too long to be kept",
           TB_LIT(UPGRADE("0123456789012345678901234567890123456789012345678901234567890123"
                          "4567, upgrade",
                          "websocket") "\x81\x80"),
           NET_GUARD_FINE, true);
    expect("a body comes first",
           TB_LIT("POST / HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nab\n"),
           NET_GUARD_FINE, true);
}

static void
good_is_what_comes_before_the_bad_request(void **state)
{
    tb_str bytes = TB_LIT(GET GET "BAD\n" GET);
    struct net_guard *g = net_guard_new(&limits, false);
    size_t n_good;

    (void)state;
    assert_int_equal(NET_GUARD_REQUEST_LINE, net_guard_feed(g, bytes.p, bytes.n, 0, &n_good));
    assert_int_equal(2 * strlen(GET), n_good);
    net_guard_free(&g);
}

static void
answers_make_room_for_more_requests_and_so_does_time(void **state)
{
    struct net_guard *g = net_guard_new(&limits, false);
    tb_str get = TB_LIT(GET);
    size_t n_good;

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        assert_int_equal(NET_GUARD_FINE, net_guard_feed(g, get.p, get.n, 0, &n_good));
        net_guard_answered(g);
    }
    for (unsigned i = 0; i < limits.requests_ahead; i++)
        assert_int_equal(NET_GUARD_FINE, net_guard_feed(g, get.p, get.n, 0, &n_good));
    for (unsigned i = 0; i < limits.resets_per_second; i++)
        assert_int_equal(NET_GUARD_FINE, net_guard_feed(g, get.p, get.n, 1000, &n_good));
    assert_int_equal(NET_GUARD_AHEAD, net_guard_feed(g, get.p, get.n, 1000, &n_good));
    net_guard_free(&g);
}

/* The corpus of the fuzzer: files that are called as what the guard says to them, "--", and what they are. */
static enum net_guard_reason
reason_in(const char *name)
{
    const char *end = strstr(name, "--");

    assert_non_null(end);
    for (int r = 0; r < NET_GUARD_REASON_COUNT; r++)
        if (tb_str_eq(tb_str_of(net_guard_label(r)), (tb_str){ .p = name, .n = (size_t)(end - name) }))
            return r;
    fail_msg("%s begins with no reason", name);
    return NET_GUARD_FINE;
}

static void
recorded_connections(void **state)
{
    DIR *folder = opendir(CORPUS);
    struct dirent *entry;
    unsigned n_files = 0;

    (void)state;
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        static char bytes[1 << 20];
        char path[512];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", CORPUS, entry->d_name);
        FILE *f = fopen(path, "rb");
        assert_non_null(f);
        size_t n = fread(bytes, 1, sizeof bytes, f);
        fclose(f);
        expect(entry->d_name, (tb_str){ .p = bytes, .n = n }, reason_in(entry->d_name), false);
        n_files++;
    }
    closedir(folder);
    assert_true(n_files >= 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_reading_passes_and_two_do_not),
        cmocka_unit_test(nul_is_no_text),
        cmocka_unit_test(heads_chunk_lines_and_trailers_are_bounded),
        cmocka_unit_test(what_follows_an_upgrade_is_not_judged),
        cmocka_unit_test(good_is_what_comes_before_the_bad_request),
        cmocka_unit_test(answers_make_room_for_more_requests_and_so_does_time),
        cmocka_unit_test(recorded_connections),
    };
    return tap_run(tests);
}
