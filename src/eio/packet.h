#pragma once
/* Engine.IO 4 packets in their text form, alone or several in one payload, and the frames that carry ours.
 * Spec: docs/engine.io-protocol/v4-current.md, "Packet encoding", of github.com/socketio/socket.io.
 * Threads: any for parsing; frames belong to the engine's. */
#include "tombolo/eio.h"
#include "tombolo/err.h"

enum eio_type { EIO_OPEN, EIO_CLOSE, EIO_PING, EIO_PONG, EIO_MESSAGE, EIO_UPGRADE, EIO_NOOP };
enum { EIO_TYPE_LAST = EIO_NOOP, EIO_SEPARATOR = 0x1e };

struct eio_packet {
    enum eio_type type;
    bool          is_binary;    /* only messages */
    tb_str        data;
};

/* type [data], or "b" base64, a binary message. out->data points into text, or into scratch, which is overwritten, when
 * it was base64. Whether text is UTF-8 is the caller's to check. */
enum tb_code eio_packet_parse(tb_str text, struct eio_packet *out, struct tb_buf *scratch,
                              struct tb_err *e) TB_MUST_CHECK;

/* packet *( 0x1e packet ): a polling payload, cut into its packets' text. */
struct eio_payload {
    tb_str rest;
    bool   is_over;
};
struct eio_payload eio_payload_of(tb_str text);
bool               eio_payload_next(struct eio_payload *, tb_str *packet);      /* false: that was all */

/* ---- frames: one packet as it leaves, with the WebSocket header that it would need in front ---- */

struct eio_queue;

struct eio_frame {
    const struct eio_queue *owner;      /* for whose sake it is in memory: the first one's; or NULL */
    uint32_t refs;
    uint32_t n;                 /* bytes of the packet */
    uint8_t  n_header;          /* bytes of the WebSocket header before it */
    bool     is_binary;
    char     bytes[];           /* header, packet */
};

/* A packet other than a message; type "b" does not exist here. */
struct eio_frame *eio_frame_packet(enum eio_type type, tb_str data);

/* The text packet "b" base64 for a binary frame: for clients that asked for it (query b64). */
struct eio_frame *eio_frame_as_base64(const struct eio_frame *binary);

static inline tb_str
eio_frame_for_stream(const struct eio_frame *f)
{
    return (tb_str){ .p = f->bytes, .n = (size_t)f->n_header + f->n };
}

static inline tb_str
eio_frame_for_poll(const struct eio_frame *f)
{
    return (tb_str){ .p = f->bytes + f->n_header, .n = f->n };
}
