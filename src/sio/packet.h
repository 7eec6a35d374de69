#pragma once
/* Socket.IO 5 packets in their text form.
 * Spec: docs/socket.io-protocol/v5-current.md, "Packet encoding", of github.com/socketio/socket.io.
 * Threads: any. */
#include "jsontext.h"
#include "tombolo/err.h"
#include "tombolo/sio.h"

enum sio_type { SIO_CONNECT, SIO_DISCONNECT, SIO_EVENT, SIO_ACK, SIO_CONNECT_ERROR, SIO_BINARY_EVENT, SIO_BINARY_ACK };
enum { SIO_TYPE_LAST = SIO_BINARY_ACK };

#define SIO_MAX_ACK (INT64_C(1) << 53)      /* beyond it JavaScript's numbers are not exact */

struct sio_packet {
    enum sio_type type;
    tb_str        nsp;
    int64_t       ack;              /* or SIO_NO_ACK */
    uint32_t      attachments;      /* how many binary messages follow */
    tb_str        data;             /* JSON as it came; CONNECT: an object, ACK: an array, even when there was none */
    /* EVENT and ACK */
    tb_str        name;             /* of an event: JSON, a string or a number */
    tb_str        args;             /* what follows it, or all elements of an ACK */
};

/* type [count "-"] [nsp ","] [ack] [json], json being what the type asks for. The slices in *out point into text. */
enum tb_code sio_packet_parse(tb_str text, uint32_t max_attachments, struct sio_packet *out,
                              struct tb_err *e) TB_MUST_CHECK;

/* Everything before the JSON. attachments > 0 makes an EVENT or ACK a binary one. */
void sio_packet_add_head(struct tb_buf *out, enum sio_type type, size_t attachments, tb_str nsp, int64_t ack);

/* ["event",args] */
void sio_packet_add_event(struct tb_buf *out, tb_str event, tb_str args);
