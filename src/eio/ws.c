/* RFC 6455, section numbers in brackets. A frame that lies whole in the input and is a message by itself is unmasked
 * where it lies and lent out: no copy. What comes in pieces, or in fragments, is gathered in a partial that lives only
 * as long. A control frame may come between the fragments of a message [5.4], so the two are gathered apart.
 * Memory follows what has come, never what a header announces. */
#include "ws.h"

#include "sha1.h"
#include "base64.h"
#include "tombolo/eio.h"

#include <assert.h>

struct eio_ws_partial {
    struct tb_buf message, control;
};

/* ---- out ---- */

size_t
eio_ws_header(char out[EIO_WS_HEADER_MAX], enum eio_ws_opcode opcode, size_t n)
{
    unsigned n_length = n < 126 ? 0 : n <= UINT16_MAX ? 2 : 8;

    out[0] = (char)(0x80 | opcode);
    out[1] = (char)(n_length == 0 ? n : n_length == 2 ? 126 : 127);
    for (unsigned i = 0; i < n_length; i++)
        out[2 + i] = (char)((uint64_t)n >> (8 * (n_length - 1 - i)) & 0xff);
    return 2 + n_length;
}

void
eio_ws_add_control(struct tb_buf *out, enum eio_ws_opcode opcode, tb_str payload)
{
    char header[EIO_WS_HEADER_MAX];

    assert(payload.n <= EIO_WS_CONTROL_MAX);
    tb_buf_add(out, (tb_str){ .p = header, .n = eio_ws_header(header, opcode, payload.n) });
    tb_buf_add(out, payload);
}

void
eio_ws_add_close(struct tb_buf *out, unsigned code)
{
    char bytes[2] = { (char)(code >> 8), (char)(code & 0xff) };
    eio_ws_add_control(out, EIO_WS_OP_CLOSE, (tb_str){ .p = bytes, .n = code == EIO_WS_NO_CODE ? 0 : 2 });
}

/* ---- in: what a header says ---- */

void
eio_ws_init(struct eio_ws *ws, uint32_t max_message)
{
    *ws = (struct eio_ws){ .max_message = max_message };
}

static void
drop_partial(struct eio_ws *ws)
{
    if (ws->partial != NULL) {
        tb_buf_fini(&ws->partial->message);
        tb_buf_fini(&ws->partial->control);
        tb_free(ws->partial);
    }
    ws->partial = NULL;
}

void
eio_ws_fini(struct eio_ws *ws)
{
    drop_partial(ws);
}

void
eio_ws_stop(struct eio_ws *ws)
{
    drop_partial(ws);
    ws->is_over = true;
}

void
eio_ws_discard(struct eio_ws *ws)
{
    ws->is_discarding = true;
    if (!ws->was_told)
        drop_partial(ws);
}

size_t
eio_ws_held(const struct eio_ws *ws)
{
    return ws->partial != NULL ? sizeof *ws->partial + ws->partial->message.cap + ws->partial->control.cap : 0;
}

static enum eio_ws_event
broken(struct eio_ws *ws, enum eio_ws_code code, const char *why)
{
    eio_ws_stop(ws);
    ws->code = (uint16_t)code;
    ws->why = why;
    return EIO_WS_BROKEN;
}

static unsigned
opcode_of(const struct eio_ws *ws)
{
    return ws->head[0] & 0x0f;
}

static bool
is_final(const struct eio_ws *ws)
{
    return (ws->head[0] & 0x80) != 0;
}

static bool
is_control(const struct eio_ws *ws)
{
    return opcode_of(ws) >= EIO_WS_OP_CLOSE;
}

/* What the first two bytes give away [5.2, 5.4, 5.5]: NULL, or what is wrong with them. */
static const char *
fault_in_start(const struct eio_ws *ws)
{
    unsigned opcode = opcode_of(ws), length = ws->head[1] & 0x7f;

    if (ws->head[0] & 0x70)
        return "a reserved bit is set";
    if (opcode > EIO_WS_OP_PONG || (opcode > EIO_WS_OP_BINARY && opcode < EIO_WS_OP_CLOSE))
        return "unknown opcode";
    if (!(ws->head[1] & 0x80))
        return "the frame is not masked";
    if (is_control(ws))
        return !is_final(ws)                ? "a fragmented control frame"
               : length > EIO_WS_CONTROL_MAX ? "a long control frame"
                                             : NULL;
    if (opcode == EIO_WS_OP_CONTINUE && ws->message == 0)
        return "a continuation of nothing";
    return opcode != EIO_WS_OP_CONTINUE && ws->message != 0 ? "a new message amid fragments" : NULL;
}

static size_t
length_bytes(const struct eio_ws *ws)
{
    unsigned length = ws->head[1] & 0x7f;
    return length == 126 ? 2 : length == 127 ? 8 : 0;
}

static size_t
header_size(const struct eio_ws *ws)
{
    return ws->n_head < 2 ? 2 : 2 + length_bytes(ws) + 4;
}

/* The payload's length; false: it was not written in the fewest bytes, or its top bit is set [5.2]. */
static bool
read_length(const struct eio_ws *ws, uint64_t *out)
{
    size_t   n = length_bytes(ws);
    uint64_t length = 0;

    for (size_t i = 0; i < n; i++)
        length = length << 8 | (unsigned char)ws->head[2 + i];
    *out = n == 0 ? (uint64_t)(ws->head[1] & 0x7f) : length;
    return n == 0 || (n == 2 ? length >= 126 : length > UINT16_MAX && length <= INT64_MAX);
}

static size_t
gathered(const struct eio_ws *ws)
{
    return ws->partial != NULL ? ws->partial->message.n : 0;
}

/* Takes what is missing of the header. EIO_WS_MORE with is_inside: it is whole and good. */
static enum eio_ws_event
take_header(struct eio_ws *ws, struct eio_ws_bytes *in)
{
    uint64_t    length;
    const char *fault;

    while (ws->n_head < header_size(ws)) {
        if (in->n == 0)
            return EIO_WS_MORE;
        ws->head[ws->n_head++] = *in->p++;
        in->n--;
        if (ws->n_head == 2 && (fault = fault_in_start(ws)) != NULL)
            return broken(ws, EIO_WS_PROTOCOL_ERROR, fault);
    }
    if (!read_length(ws, &length))
        return broken(ws, EIO_WS_PROTOCOL_ERROR, "the length is not in its shortest form");
    if (!is_control(ws) && length + gathered(ws) > ws->max_message)
        return broken(ws, EIO_WS_TOO_BIG, "the message is too long");
    ws->left = (uint32_t)length;
    ws->is_inside = true;
    ws->n_frames++;
    return EIO_WS_MORE;
}

/* ---- in: payload ---- */

/* [5.3]. The mask in head begins with the byte for p[0]: see turn_mask. */
static void
unmask(const struct eio_ws *ws, char *p, size_t n)
{
    const char *mask = ws->head + ws->n_head - 4;
    char        turned[8];
    uint64_t    key, word;
    size_t      i = 0;

    for (size_t k = 0; k < sizeof turned; k++)
        turned[k] = mask[k % 4];
    memcpy(&key, turned, sizeof key);
    for (; i + sizeof word <= n; i += sizeof word) {
        memcpy(&word, p + i, sizeof word);
        word ^= key;
        memcpy(p + i, &word, sizeof word);
    }
    for (; i < n; i++)
        p[i] ^= turned[i % 8];
}

static struct tb_buf *
partial_of(struct eio_ws *ws)
{
    if (ws->partial == NULL)
        ws->partial = TB_NEW(struct eio_ws_partial);
    return is_control(ws) ? &ws->partial->control : &ws->partial->message;
}

static bool
is_known_code(unsigned code)        /* that a peer may send [7.4]; 1012 to 1014 were registered later */
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static enum eio_ws_event
close_event(struct eio_ws *ws, tb_str *payload)
{
    const unsigned char *p = (const unsigned char *)payload->p;

    ws->code = EIO_WS_NO_CODE;
    if (payload->n == 1)
        return broken(ws, EIO_WS_PROTOCOL_ERROR, "half a close code");
    if (payload->n >= 2) {
        unsigned code = (unsigned)p[0] << 8 | p[1];
        *payload = (tb_str){ .p = payload->p + 2, .n = payload->n - 2 };
        if (!is_known_code(code))
            return broken(ws, EIO_WS_PROTOCOL_ERROR, "a close code that may not be sent");
        if (!tb_str_is_utf8(*payload))
            return broken(ws, EIO_WS_NOT_UTF8, "the close reason is not UTF-8");
        ws->code = (uint16_t)code;
    }
    ws->is_over = true;
    return EIO_WS_CLOSE;
}

static enum eio_ws_event
message_event(struct eio_ws *ws, unsigned opcode, tb_str payload)
{
    ws->message = 0;
    if (ws->is_discarding)
        return EIO_WS_MORE;
    if (opcode == EIO_WS_OP_BINARY)
        return EIO_WS_BINARY;
    return tb_str_is_utf8(payload) ? EIO_WS_TEXT : broken(ws, EIO_WS_NOT_UTF8, "the text is not UTF-8");
}

/* The frame is complete and payload is all of its message, or of the control frame. */
static enum eio_ws_event
whole_event(struct eio_ws *ws, tb_str *payload)
{
    switch (opcode_of(ws)) {
    case EIO_WS_OP_CLOSE:
        return close_event(ws, payload);
    case EIO_WS_OP_PING:
        return EIO_WS_PING;
    case EIO_WS_OP_PONG:
        return EIO_WS_PONG;
    case EIO_WS_OP_CONTINUE:
        return message_event(ws, ws->message, *payload);
    default:        /* text or binary: fault_in_start let nothing else in */
        return message_event(ws, opcode_of(ws), *payload);
    }
}

static bool
is_unwanted(const struct eio_ws *ws)
{
    return ws->is_discarding && !is_control(ws);
}

/* Takes payload; true: the frame ends here, and *all is what belongs together, unless more fragments are to come. */
static bool
take_payload(struct eio_ws *ws, struct eio_ws_bytes *in, tb_str *all)
{
    size_t         n = in->n < ws->left ? in->n : ws->left;
    bool           is_alone = n == ws->left && (is_control(ws) || (is_final(ws) && ws->message == 0));
    struct tb_buf *buf = ws->partial != NULL ? partial_of(ws) : NULL;

    ws->is_inside = ws->left > n;
    if (n > 0)
        unmask(ws, in->p, n);
    *all = (tb_str){ .p = in->p, .n = n };
    if (!is_unwanted(ws) && (!is_alone || (buf != NULL && buf->n > 0))) {
        buf = partial_of(ws);
        tb_buf_add(buf, *all);
        *all = tb_buf_str(buf);
    }
    in->p += n;
    in->n -= n;
    ws->left -= (uint32_t)n;
    return !ws->is_inside;
}

/* The next piece of the same frame goes on in the mask where this one stopped. */
static void
turn_mask(struct eio_ws *ws, size_t by)
{
    char *mask = ws->head + ws->n_head - 4, old[4];

    memcpy(old, mask, sizeof old);
    for (size_t k = 0; k < sizeof old; k++)
        mask[k] = old[(by + k) % 4];
}

/* Forgets what was handed out; while a message is being gathered its part stays. */
static void
tidy(struct eio_ws *ws)
{
    if (ws->was_told && ws->partial != NULL) {
        if (ws->message == 0 || ws->is_discarding)
            drop_partial(ws);
        else
            tb_buf_clear(&ws->partial->control);
    }
    ws->was_told = false;
}

static enum eio_ws_event
frame_ended(struct eio_ws *ws, tb_str *payload)
{
    bool is_whole = is_control(ws) || is_final(ws);

    if (!is_control(ws) && ws->message == 0)
        ws->message = (uint8_t)opcode_of(ws);
    enum eio_ws_event event = is_whole ? whole_event(ws, payload) : EIO_WS_MORE;
    ws->n_head = 0;
    ws->was_told = event != EIO_WS_MORE;
    return event;
}

enum eio_ws_event
eio_ws_next(struct eio_ws *ws, struct eio_ws_bytes *in, tb_str *payload)
{
    tidy(ws);
    while (!ws->is_over) {
        enum eio_ws_event event = ws->is_inside ? EIO_WS_MORE : take_header(ws, in);
        if (event != EIO_WS_MORE || !ws->is_inside || (in->n == 0 && ws->left > 0))
            return event;
        size_t before = in->n;
        if (!take_payload(ws, in, payload)) {
            turn_mask(ws, before - in->n);
            return EIO_WS_MORE;
        }
        event = frame_ended(ws, payload);
        if (event != EIO_WS_MORE)
            return event;
    }
    in->n = 0;
    return EIO_WS_MORE;
}

/* ---- handshake ---- */

/* Whether a list of tokens, as in the Connection header, holds this one. */
static bool
has_token(tb_str list, tb_str token)
{
    while (list.n > 0) {
        const char *comma = memchr(list.p, ',', list.n);
        size_t      n = comma != NULL ? (size_t)(comma - list.p) : list.n;
        if (tb_str_eq_nocase(tb_str_trim((tb_str){ .p = list.p, .n = n }), token))
            return true;
        list = comma != NULL ? (tb_str){ .p = comma + 1, .n = list.n - n - 1 } : TB_STR_NULL;
    }
    return false;
}

tb_str
eio_ws_subprotocol(tb_str offered)
{
    static const char separators[] = "()<>@,;:\\\"/[]?={} \t";      /* not in a token [RFC 2616 2.2] */
    const char       *comma = offered.n > 0 ? memchr(offered.p, ',', offered.n) : NULL;
    tb_str            first = tb_str_trim((tb_str){ .p = offered.p,
                                                    .n = comma != NULL ? (size_t)(comma - offered.p) : offered.n });

    for (size_t i = 0; i < first.n; i++)
        if (first.p[i] <= ' ' || first.p[i] > '~' || strchr(separators, first.p[i]) != NULL)
            return TB_STR_NULL;
    return first;
}

/* Base64 of 16 bytes [4.1], in one line. */
static bool
is_key(tb_str key)
{
    static const tb_str digits = TB_LIT("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    size_t              n = 0;

    while (n < key.n && memchr(digits.p, key.p[n], digits.n) != NULL)
        n++;
    return n == 22 && tb_str_eq((tb_str){ .p = key.p + n, .n = key.n - n }, TB_LIT("=="));
}

bool
eio_ws_is_named(tb_str upgrade)
{
    return has_token(upgrade, TB_LIT("websocket"));
}

bool
eio_ws_accept(tb_str upgrade, tb_str connection, tb_str version, tb_str key, char out[EIO_WS_ACCEPT_SIZE])
{
    struct tb_buf text = TB_BUF_INIT;
    char          digest[SHA1_SIZE];

    key = tb_str_trim(key);
    if (!has_token(upgrade, TB_LIT("websocket")) || !has_token(connection, TB_LIT("upgrade")) ||
        !tb_str_eq(tb_str_trim(version), TB_LIT("13")) || !is_key(key))
        return false;
    tb_buf_add(&text, key);
    tb_buf_add(&text, TB_LIT("258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    eio_sha1(tb_buf_str(&text), digest);
    tb_buf_clear(&text);
    eio_base64_add(&text, (tb_str){ .p = digest, .n = sizeof digest });
    assert(text.n == EIO_WS_ACCEPT_SIZE);
    memcpy(out, text.p, EIO_WS_ACCEPT_SIZE);
    tb_buf_fini(&text);
    return true;
}
