#pragma once
/* A host for the protocol library without a loop, sockets or a clock: tests move time, look at what was written, and
 * play the client. */
#include "tombolo/eio.h"

struct fake_stream;

struct fake {
    struct eio_host     host;
    struct eio_engine  *engine;         /* set by the test */
    int64_t             now_ms, wake_ms;
    uint64_t            random;
    bool                flush_is_asked;
    struct fake_stream *streams;
};

void fake_init(struct fake *f);
void fake_turn(struct fake *f);                         /* the end of the loop's turn: flush, and writes come through */
void fake_advance(struct fake *f, int64_t ms);          /* time passes, with a tick whenever one was wished for */

/* ---- requests ---- */

struct fake_request {
    struct eio_request rq;
    int                status;          /* 0: not answered yet */
    const char        *type;
    struct tb_buf      body;
    const char        *authorization;   /* what header() says, or NULL */
};

void fake_request_init(struct fake_request *r, enum eio_method method, const char *query, const char *body);
void fake_request_fini(struct fake_request *r);       /* the client goes away, if it still waits */
void fake_send(struct fake *f, struct fake_request *r, enum eio_method method, const char *query, const char *body);
void fake_sid_of(const char *open_packet, char sid[21]);        /* from 0{"sid":"..."... */

/* ---- streams ---- */

struct fake_stream {
    struct fake        *fake;
    struct eio_stream  *st;             /* NULL: refused, or gone */
    struct fake_request rq;
    bool                is_closed;      /* by the library */
    bool                is_stuck;       /* writes do not come through */
    bool                is_writing;
    struct tb_buf       in;             /* what the library left of what was sent */
    int                 n_writes;
    size_t              n_slices;       /* of the last write */
    const tb_str       *slices;
    tb_str              kept[EIO_MAX_SLICES];
    struct tb_buf       out;            /* what came through */
    size_t              read;           /* how much of it fake_next has taken */
    char                text[256];
    struct fake_stream *next;
};

/* Asks for a WebSocket and, when let in, opens it. */
void fake_connect(struct fake *f, struct fake_stream *s, const char *query);
void fake_stream_fini(struct fake_stream *s);      /* the client hangs up, if it is still there */
void fake_unstick(struct fake_stream *s);

/* Sends bytes as they are, in the turn that is under way; true while the stream is there. */
bool fake_bytes(struct fake_stream *s, tb_str bytes);

/* Sends one masked frame; true while the stream is there. */
bool fake_frame(struct fake_stream *s, unsigned first_byte, tb_str payload);
bool fake_text(struct fake_stream *s, const char *text);
bool fake_binary(struct fake_stream *s, const char *bytes);
void fake_hang_up(struct fake_stream *s);

/* The next frame that the client has received, as text: "4hello" for text, "binary:..." "ping:..." "pong:..."
 * "close:1000" or "close:" without a code; "" when there is none. */
const char *fake_next(struct fake_stream *s);
