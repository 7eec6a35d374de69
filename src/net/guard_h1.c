/* HTTP/1 (RFC 9112, section numbers in brackets): only what has one reading passes. h2o takes LF for CRLF, folded lines, two
 * lengths and a length beside chunks; whoever stands between it and the client may read such a thing otherwise, and take the
 * end of one request for the beginning of the next.
 *
 *     request line, header lines, empty line, body, and again
 *
 * A line's text is looked at byte by byte and kept only where it matters: names up to the longest we know, values up to
 * NET_H1_WORD bytes. What is longer is none of those. */
#include "net/guard_inside.h"

#include <assert.h>

enum {
    MAX_CHUNK_LINE = 256,       /* size and extension of a chunk */
    MAX_LENGTH_DIGITS = 18,     /* of a Content-Length, leading zeros included; fits 64 bits */
    MAX_CHUNK_DIGITS = 15,
};

static bool
is_token(uint8_t c)             /* [5.1, RFC 9110 5.6.2] */
{
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
        return true;
    return (c >= '0' && c <= '9') || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
is_text(uint8_t c)              /* of a value, but for blanks at its ends; bytes over 127 have been sent for ever */
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

/* ---- a header line is complete ---- */

static tb_str
name_of(const struct net_h1 *h)
{
    return (tb_str){ .p = h->name, .n = h->n_name <= sizeof h->name ? h->n_name : 0 };
}

static bool
is_value_whole(const struct net_h1 *h)
{
    return h->n_value <= NET_H1_WORD;
}

static tb_str
value_of(const struct net_h1 *h)
{
    size_t n = is_value_whole(h) ? h->n_value : NET_H1_WORD;

    while (n > 0 && (h->value[n - 1] == ' ' || h->value[n - 1] == '\t'))
        n--;
    return (tb_str){ .p = h->value, .n = n };
}

static enum net_guard_reason
take_length(struct net_h1 *h)
{
    tb_str text = value_of(h);

    if (h->has_length || h->is_chunked || !is_value_whole(h) || text.n > MAX_LENGTH_DIGITS ||
        !tb_str_to_uint(text, UINT64_MAX, &h->left))
        return NET_GUARD_LENGTH;
    h->has_length = true;
    return NET_GUARD_FINE;
}

static enum net_guard_reason
take_coding(struct net_h1 *h)
{
    if (h->has_length)
        return NET_GUARD_LENGTH;
    if (h->is_chunked || h->is_10 || !is_value_whole(h) || !tb_str_eq_nocase(value_of(h), TB_LIT("chunked")))
        return NET_GUARD_CODING;
    h->is_chunked = true;
    return NET_GUARD_FINE;
}

/* In a list that was cut short there might be any. */
static bool
lists_upgrade(const struct net_h1 *h)
{
    tb_str list = value_of(h);

    for (size_t i = 0; i + 7 <= list.n; i++)
        if (tb_str_eq_nocase((tb_str){ .p = list.p + i, .n = 7 }, TB_LIT("upgrade")))
            return true;
    return !is_value_whole(h);
}

/* As h2o reads it, which goes to HTTP/2 for h2c-14 and h2c-16, too. */
static bool
names_h2c(tb_str protocol)
{
    return protocol.n >= 3 && tb_str_eq_nocase((tb_str){ .p = protocol.p, .n = 3 }, TB_LIT("h2c"));
}

/* Not in a trailer: what matters for the request has no place there, and h2o drops it. */
static enum net_guard_reason
end_header(struct net_h1 *h)
{
    tb_str name = name_of(h);

    if (h->is_trailer)
        return NET_GUARD_FINE;
    if (tb_str_eq_nocase(name, TB_LIT("content-length")))
        return take_length(h);
    if (tb_str_eq_nocase(name, TB_LIT("transfer-encoding")))
        return take_coding(h);
    if (tb_str_eq_nocase(name, TB_LIT("host"))) {
        if (h->has_host)
            return NET_GUARD_HOST;
        h->has_host = true;
    } else if (tb_str_eq_nocase(name, TB_LIT("upgrade"))) {
        if (h->has_upgrade)
            return NET_GUARD_HEADER;
        h->has_upgrade = true;
        h->has_h2c = names_h2c(value_of(h));
    } else if (tb_str_eq_nocase(name, TB_LIT("connection"))) {
        h->connection_upgrades |= lists_upgrade(h);
    }
    return NET_GUARD_FINE;
}

/* ---- a request is complete, or its head is ---- */

static void
begin_request(struct net_h1 *h)
{
    bool was_h2c = h->has_h2c;

    memset(h, 0, offsetof(struct net_h1, name));
    h->at = NET_H1_START;
    h->has_h2c = was_h2c;       /* the last one's, until the next head begins: a preface may follow */
}

static void
end_request(struct net_h1 *h)
{
    if (h->has_upgrade && h->connection_upgrades && !h->has_h2c)
        h->at = NET_H1_OVER;
    else
        begin_request(h);
}

/* RFC 9112 section 3.2: a request of HTTP/1.1 without Host is a mistake. */
static enum net_guard_reason
end_head(struct net_h1 *h)
{
    if (!h->is_trailer && !h->is_10 && !h->has_host)
        return NET_GUARD_HOST;
    h->n_head = 0;
    h->saw_head = true;
    if (h->is_trailer)
        end_request(h);
    else if (h->is_chunked)
        h->at = NET_H1_CHUNK_SIZE, h->left = 0;
    else if (h->left > 0)
        h->at = NET_H1_BODY;
    else
        end_request(h);
    return NET_GUARD_FINE;
}

/* ---- byte by byte: heads ---- */

/* [2.2] lets one empty line go before a request, and [RFC 9113 3.4] begins HTTP/2 like a request. */
static enum net_guard_reason
start(struct net_guard *g, uint8_t c, int64_t now_ms)
{
    struct net_h1 *h = &g->h1;

    if (c == '\r' && !h->saw_empty_line) {
        h->saw_empty_line = true;
        h->at = NET_H1_LF;
        return NET_GUARD_FINE;
    }
    if (!is_token(c))
        return NET_GUARD_REQUEST_LINE;
    if (!net_guard_take_ahead(g, now_ms))
        return NET_GUARD_AHEAD;
    h->has_h2c = false;
    h->at = NET_H1_METHOD;
    return NET_GUARD_FINE;
}

static enum net_guard_reason
take_method(struct net_h1 *h, uint8_t c)
{
    if (c == ' ')
        h->at = NET_H1_TARGET;
    else if (!is_token(c))
        return NET_GUARD_REQUEST_LINE;
    return NET_GUARD_FINE;
}

static enum net_guard_reason
take_target(struct net_h1 *h, uint8_t c)
{
    if (c == ' ' && h->has_space)
        h->at = NET_H1_VERSION, h->n_line = 0;
    else if (c <= 0x20 || c == 0x7f)
        return NET_GUARD_REQUEST_LINE;
    h->has_space = true;        /* here: there is at least one byte of it */
    return NET_GUARD_FINE;
}

static enum net_guard_reason
take_version(struct net_h1 *h, uint8_t c)
{
    static const char version[] = "HTTP/1.";

    if (h->n_line < sizeof version - 1) {
        if (c != (uint8_t)version[h->n_line])
            return NET_GUARD_REQUEST_LINE;
    } else if (h->n_line == sizeof version - 1) {
        if (c != '0' && c != '1')
            return NET_GUARD_REQUEST_LINE;
        h->is_10 = c == '0';
    } else if (c == '\r') {
        h->at = NET_H1_LF;
    } else {
        return c == '\n' ? NET_GUARD_LINE_END : NET_GUARD_REQUEST_LINE;
    }
    h->n_line++;
    return NET_GUARD_FINE;
}

/* n_line: 0 says that the line was the empty one. */
static enum net_guard_reason
begin_line(struct net_h1 *h, uint8_t c)
{
    h->n_line = 0;
    h->n_name = h->n_value = 0;
    if (c == '\r') {
        h->at = NET_H1_LF;
        return NET_GUARD_FINE;
    }
    if (c == ' ' || c == '\t')
        return NET_GUARD_FOLDED;
    if (!is_token(c))
        return c == '\n' ? NET_GUARD_LINE_END : NET_GUARD_HEADER;
    h->at = NET_H1_NAME;
    h->n_line = 1;
    h->name[h->n_name++] = (char)c;
    return NET_GUARD_FINE;
}

static enum net_guard_reason
take_name(struct net_h1 *h, uint8_t c)
{
    if (c == ':')
        h->at = NET_H1_VALUE;
    else if (!is_token(c))
        return c == '\n' ? NET_GUARD_LINE_END : NET_GUARD_HEADER;
    else if (h->n_name < sizeof h->name)
        h->name[h->n_name++] = (char)c;
    else
        h->n_name = sizeof h->name + 1;
    return NET_GUARD_FINE;
}

static enum net_guard_reason
take_value(struct net_h1 *h, uint8_t c)
{
    if (c == '\r') {
        h->at = NET_H1_LF;
        return end_header(h);
    }
    if (!is_text(c))
        return c == '\n' ? NET_GUARD_LINE_END : NET_GUARD_HEADER;
    if (h->n_value == 0 && (c == ' ' || c == '\t'))
        return NET_GUARD_FINE;
    if (h->n_value < NET_H1_WORD)
        h->value[h->n_value++] = (char)c;
    else if (c != ' ' && c != '\t')
        h->n_value = NET_H1_WORD + 1;
    return NET_GUARD_FINE;
}

static enum net_guard_reason
end_line(struct net_h1 *h, uint8_t c)
{
    if (c != '\n')
        return NET_GUARD_LINE_END;
    if (h->saw_empty_line && !h->has_space)         /* before a request */
        h->at = NET_H1_START;
    else if (h->n_line > 0)
        h->at = NET_H1_LINE;
    else
        return end_head(h);
    return NET_GUARD_FINE;
}

/* ---- byte by byte: chunks [7.1] ---- */

static enum net_guard_reason
take_chunk_size(struct net_h1 *h, uint8_t c)
{
    unsigned digit = c >= '0' && c <= '9' ? c - (unsigned)'0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10u : 16u;

    if (digit < 16) {
        h->left = h->left << 4 | digit;
        return h->n_head > MAX_CHUNK_DIGITS ? NET_GUARD_CHUNK : NET_GUARD_FINE;
    }
    if (h->n_head == 1 || (c != '\r' && c != ';'))
        return NET_GUARD_CHUNK;
    h->at = c == '\r' ? NET_H1_CHUNK_LF : NET_H1_CHUNK_EXTENSION;
    return NET_GUARD_FINE;
}

static enum net_guard_reason
take_chunk_extension(struct net_h1 *h, uint8_t c)
{
    if (c == '\r')
        h->at = NET_H1_CHUNK_LF;
    else if (!is_text(c) || h->n_head > MAX_CHUNK_LINE)
        return NET_GUARD_CHUNK;
    return NET_GUARD_FINE;
}

static enum net_guard_reason
end_chunk_line(struct net_h1 *h, uint8_t c)
{
    if (c != '\n')
        return NET_GUARD_CHUNK;
    h->n_head = 0;
    h->is_trailer = h->left == 0;
    h->at = h->is_trailer ? NET_H1_LINE : NET_H1_BODY;
    return NET_GUARD_FINE;
}

static enum net_guard_reason
end_chunk(struct net_h1 *h, uint8_t c)
{
    if (c != (h->at == NET_H1_CHUNK_CR ? '\r' : '\n'))
        return NET_GUARD_CHUNK;
    if (h->at == NET_H1_CHUNK_CR)
        h->at = NET_H1_CHUNK_END_LF;
    else
        h->at = NET_H1_CHUNK_SIZE, h->n_head = 0;
    return NET_GUARD_FINE;
}

/* ---- all of it ---- */

static enum net_guard_reason
take_byte(struct net_guard *g, uint8_t c, int64_t now_ms)
{
    struct net_h1 *h = &g->h1;

    if (++h->n_head > g->limits->header_bytes)
        return NET_GUARD_HEAD_SIZE;
    switch (h->at) {
    case NET_H1_START:
        return start(g, c, now_ms);
    case NET_H1_METHOD:
        return take_method(h, c);
    case NET_H1_TARGET:
        return take_target(h, c);
    case NET_H1_VERSION:
        return take_version(h, c);
    case NET_H1_LINE:
        return begin_line(h, c);
    case NET_H1_NAME:
        return take_name(h, c);
    case NET_H1_VALUE:
        return take_value(h, c);
    case NET_H1_LF:
        return end_line(h, c);
    case NET_H1_CHUNK_SIZE:
        return take_chunk_size(h, c);
    case NET_H1_CHUNK_EXTENSION:
        return take_chunk_extension(h, c);
    case NET_H1_CHUNK_LF:
        return end_chunk_line(h, c);
    case NET_H1_CHUNK_CR:
    case NET_H1_CHUNK_END_LF:
        return end_chunk(h, c);
    case NET_H1_BODY:
    case NET_H1_OVER:
        break;
    }
    return NET_GUARD_FINE;
}

static void
take_body(struct net_h1 *h, const char **at, const char *end)
{
    uint64_t n = (uint64_t)(end - *at);

    n = n < h->left ? n : h->left;
    *at += n;
    h->left -= n;
    if (h->left > 0)
        return;
    if (h->is_chunked)
        h->at = NET_H1_CHUNK_CR;
    else
        end_request(h);
}

/* Before a request: whether *at goes on as the preface does. What has matched so far is no part of a request yet. */
static bool
matches_preface(const struct net_h1 *h, char c)
{
    return h->at == NET_H1_START && !h->saw_empty_line && c == NET_H2_PREFACE[h->n_line];
}

/* It was no preface: the bytes that looked like one begin a request, and none of them is amiss. */
static enum net_guard_reason
take_as_request(struct net_guard *g, int64_t now_ms)
{
    enum net_guard_reason reason = NET_GUARD_FINE;
    unsigned              n = g->h1.n_line;

    g->h1.n_line = 0;
    for (unsigned i = 0; i < n && reason == NET_GUARD_FINE; i++)
        reason = take_byte(g, (uint8_t)NET_H2_PREFACE[i], now_ms);
    return reason;
}

enum net_guard_reason
net_h1_feed(struct net_guard *g, const char **at, const char *end, int64_t now_ms, const char **good)
{
    struct net_h1        *h = &g->h1;
    enum net_guard_reason reason = NET_GUARD_FINE;

    while (*at < end && reason == NET_GUARD_FINE && h->at != NET_H1_OVER) {
        if (h->at == NET_H1_BODY) {
            take_body(h, at, end);
        } else if (matches_preface(h, **at)) {
            ++*at;
            if (++h->n_line == sizeof "PRI * HTTP/2" - 1) {     /* by here h2o has made up its mind */
                if (!g->limits->allow_http2)
                    return NET_GUARD_PREFACE;
                net_h2_begin(g, (uint8_t)h->n_line, h->has_h2c);
                return NET_GUARD_FINE;
            }
        } else {
            if (h->at == NET_H1_START && h->n_line > 0)
                reason = take_as_request(g, now_ms);
            if (reason == NET_GUARD_FINE)
                reason = take_byte(g, (uint8_t)*(*at)++, now_ms);
        }
        if (h->at == NET_H1_START && h->n_line == 0 && reason == NET_GUARD_FINE)
            *good = *at;
    }
    if (h->at == NET_H1_OVER && reason == NET_GUARD_FINE)
        *at = end;
    return reason;
}
