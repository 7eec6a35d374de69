#pragma once
/* WebSocket frames (RFC 6455), the server's side, without extensions: bytes of the peer to messages, and headers for
 * ours. The handshake's check is eio_ws_accept in eio.h.
 * Threads: plain values; whoever holds them. */
#include "tombolo/str.h"

enum eio_ws_opcode {                    /* section 11.8 */
    EIO_WS_OP_CONTINUE = 0x0, EIO_WS_OP_TEXT = 0x1, EIO_WS_OP_BINARY = 0x2,
    EIO_WS_OP_CLOSE = 0x8, EIO_WS_OP_PING = 0x9, EIO_WS_OP_PONG = 0xa,
};

enum eio_ws_code {                      /* section 7.4.1 */
    EIO_WS_NORMAL = 1000, EIO_WS_GOING_AWAY = 1001, EIO_WS_PROTOCOL_ERROR = 1002, EIO_WS_NO_CODE = 1005,
    EIO_WS_NOT_UTF8 = 1007, EIO_WS_POLICY = 1008, EIO_WS_TOO_BIG = 1009,
    EIO_WS_RESTART = 1012, EIO_WS_TRY_AGAIN = 1013,     /* registered later */
};

enum {
    EIO_WS_HEADER_MAX = 10,             /* ours: never masked */
    EIO_WS_PEER_HEADER_MAX = 14,
    EIO_WS_CONTROL_MAX = 125,           /* bytes in a control frame, section 5.5 */
};

/* ---- out ---- */

/* The header of an unmasked, final frame with n bytes behind it; returns its length, 2, 4 or 10. */
size_t eio_ws_header(char out[EIO_WS_HEADER_MAX], enum eio_ws_opcode opcode, size_t n);

/* A whole control frame, payload at most EIO_WS_CONTROL_MAX bytes. code EIO_WS_NO_CODE: an empty close frame. */
void eio_ws_add_control(struct tb_buf *out, enum eio_ws_opcode opcode, tb_str payload);
void eio_ws_add_close(struct tb_buf *out, unsigned code);

/* ---- in ---- */

enum eio_ws_event {
    EIO_WS_MORE,        /* all bytes are consumed; give more */
    EIO_WS_TEXT,        /* a whole message, UTF-8 */
    EIO_WS_BINARY,
    EIO_WS_PING,        /* answer with a pong and the same payload */
    EIO_WS_PONG,
    EIO_WS_CLOSE,       /* payload: the reason; ws->code: the peer's, or EIO_WS_NO_CODE */
    EIO_WS_BROKEN,      /* the peer broke the protocol: ws->code is what to close with, ws->why says how, for the log */
};

struct eio_ws_partial;

struct eio_ws {
    uint32_t max_message;               /* bytes; a longer one breaks with EIO_WS_TOO_BIG */
    /* the decoder's */
    uint32_t               n_frames;    /* begun, of any kind; whoever looks may set it to 0 */
    uint32_t               left;        /* payload bytes of the present frame still to come */
    char                   head[EIO_WS_PEER_HEADER_MAX];       /* of the present frame, as far as it has come */
    uint8_t                n_head;
    uint8_t                message;     /* opcode of the message whose fragments are coming; 0: none */
    uint16_t               code;        /* see CLOSE and BROKEN */
    bool                   is_inside;   /* the header is whole, payload is coming */
    bool                   is_discarding;       /* messages are not wanted any more: nothing of them is kept or told */
    bool                   is_over;     /* after CLOSE and BROKEN everything is swallowed */
    bool                   was_told;    /* what partial holds has been handed out */
    struct eio_ws_partial *partial;     /* what came in pieces; NULL most of the time */
    const char            *why;
};

void eio_ws_init(struct eio_ws *ws, uint32_t max_message);
void eio_ws_stop(struct eio_ws *ws);        /* everything more is swallowed */
void eio_ws_fini(struct eio_ws *ws);

/* From now on only control frames matter. What was told last stays valid until eio_ws_next. */
void   eio_ws_discard(struct eio_ws *ws);
size_t eio_ws_held(const struct eio_ws *ws);        /* bytes in memory of what is not whole */

/* Takes bytes from the front of *in, which is changed in place, until there is something to tell. *payload is valid
 * until the next call; it points into what was *in, or into the decoder's memory. */
struct eio_ws_bytes {
    char  *p;
    size_t n;
};
enum eio_ws_event eio_ws_next(struct eio_ws *ws, struct eio_ws_bytes *in, tb_str *payload);
