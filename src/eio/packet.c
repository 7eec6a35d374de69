/* Bodies of packet.h. A frame's packet never changes once it is made: it may be in many queues. */
#include "packet.h"

#include "base64.h"
#include "scan.h"
#include "ws.h"

#include <assert.h>

enum tb_code
eio_packet_parse(tb_str text, struct eio_packet *out, struct tb_buf *scratch, struct tb_err *e)
{
    struct tb_scan    s = tb_scan_of(text);
    struct eio_packet p = { .type = EIO_MESSAGE };

    if (tb_scan_take(&s, 'b')) {
        tb_buf_clear(scratch);
        p.is_binary = true;
        if (!eio_base64_decode(scratch, tb_scan_rest(&s)))
            tb_scan_fail(&s, "no base64");
        p.data = tb_buf_str(scratch);
    } else {
        p.type = tb_scan_digit(&s, EIO_TYPE_LAST);
        p.data = tb_scan_rest(&s);
    }
    if (s.failed != NULL)
        return tb_fail(e, TB_EINPUT, NULL, "eio packet, byte %zu: %s", s.pos, s.failed);
    *out = p;
    return TB_OK;
}

struct eio_payload
eio_payload_of(tb_str text)
{
    return (struct eio_payload){ .rest = text };
}

bool
eio_payload_next(struct eio_payload *it, tb_str *packet)
{
    if (it->is_over)
        return false;

    const char *stop = it->rest.n > 0 ? memchr(it->rest.p, EIO_SEPARATOR, it->rest.n) : NULL;
    *packet = it->rest;
    it->is_over = stop == NULL;
    if (stop != NULL) {
        packet->n = (size_t)(stop - it->rest.p);
        it->rest.p = stop + 1;
        it->rest.n -= packet->n + 1;
    }
    return true;
}

/* Room for n bytes of packet behind its header; the caller fills it from *at on. */
static struct eio_frame *
frame_new(enum eio_ws_opcode opcode, size_t n, char **at)
{
    char   header[EIO_WS_HEADER_MAX];
    size_t n_header = eio_ws_header(header, opcode, n);

    assert(n < UINT32_MAX);
    struct eio_frame *f = tb_alloc(sizeof(*f) + n_header + n);
    f->owner = NULL;
    f->refs = 1;
    f->n = (uint32_t)n;
    f->n_header = (uint8_t)n_header;
    f->is_binary = opcode == EIO_WS_OP_BINARY;
    memcpy(f->bytes, header, n_header);
    *at = f->bytes + n_header;
    return f;
}

static char *
add(char *at, tb_str s)
{
    if (s.n > 0)
        memcpy(at, s.p, s.n);
    return at + s.n;
}

struct eio_frame *
eio_frame_packet(enum eio_type type, tb_str data)
{
    char             *at;
    struct eio_frame *f = frame_new(EIO_WS_OP_TEXT, 1 + data.n, &at);

    *at = (char)('0' + type);
    add(at + 1, data);
    return f;
}

struct eio_frame *
eio_frame_text(tb_str text)
{
    return eio_frame_packet(EIO_MESSAGE, text);
}

struct eio_frame *
eio_frame_join(const tb_str *parts, size_t n)
{
    size_t total = 1;
    for (size_t i = 0; i < n; i++)
        total += parts[i].n;

    char             *at;
    struct eio_frame *f = frame_new(EIO_WS_OP_TEXT, total, &at);
    *at++ = '0' + EIO_MESSAGE;
    for (size_t i = 0; i < n; i++)
        at = add(at, parts[i]);
    return f;
}

struct eio_frame *
eio_frame_binary(tb_str bytes)
{
    char             *at;
    struct eio_frame *f = frame_new(EIO_WS_OP_BINARY, bytes.n, &at);

    add(at, bytes);
    return f;
}

struct eio_frame *
eio_frame_as_base64(const struct eio_frame *binary)
{
    struct tb_buf text = TB_BUF_INIT;
    char         *at;

    tb_buf_add_char(&text, 'b');
    eio_base64_add(&text, eio_frame_for_poll(binary));
    struct eio_frame *f = frame_new(EIO_WS_OP_TEXT, text.n, &at);
    add(at, tb_buf_str(&text));
    tb_buf_fini(&text);
    return f;
}

struct eio_frame *
eio_frame_ref(struct eio_frame *f)
{
    f->refs++;
    return f;
}

void
eio_frame_unref(struct eio_frame **f)
{
    if (*f != NULL && --(*f)->refs == 0)
        tb_free(*f);
    *f = NULL;
}

size_t
eio_frame_size(const struct eio_frame *f)
{
    return (size_t)f->n_header + f->n;
}
