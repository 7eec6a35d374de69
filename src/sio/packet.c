/* Bodies of packet.h. */
#include "packet.h"

#include "json.h"
#include "scan.h"

/* Events that a client may not send: they mean something else to the other side. */
static const tb_str reserved[] = {
    { .p = "\"connect\"", .n = 9 },        { .p = "\"connect_error\"", .n = 15 },
    { .p = "\"disconnect\"", .n = 12 },    { .p = "\"disconnecting\"", .n = 15 },
    { .p = "\"newListener\"", .n = 13 },   { .p = "\"removeListener\"", .n = 16 },
};

static bool
is_binary(enum sio_type type)
{
    return type == SIO_BINARY_EVENT || type == SIO_BINARY_ACK;
}

static const char *
read_array(struct sio_packet *p, struct sio_json_array *a)
{
    const struct sio_json_check check = { .has_attachments = is_binary(p->type), .n_attachments = p->attachments };
    return sio_json_read_array(p->data, &check, a);
}

static const char *
check_event(struct sio_packet *p)
{
    struct sio_json_array a = { 0 };
    const char           *fault = read_array(p, &a);

    if (fault != NULL)
        return fault;
    if (a.first.n == 0 || (a.first.p[0] != '"' && a.first.p[0] != '-' && (a.first.p[0] < '0' || a.first.p[0] > '9')))
        return "the event has no name";
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (tb_str_eq(a.first, reserved[i]))
            return "the event's name is reserved";
    p->name = a.first;
    p->args = a.rest;
    return NULL;
}

static const char *
check_ack(struct sio_packet *p)
{
    struct sio_json_array a = { 0 };

    if (p->data.n == 0)
        p->data = TB_LIT("[]");
    const char *fault = read_array(p, &a);
    p->args = a.all;
    return fault;
}

/* What each type asks of its payload; NULL: fine. */
static const char *
check_data(struct sio_packet *p)
{
    switch (p->type) {
    case SIO_CONNECT:
        if (p->data.n == 0)
            p->data = TB_LIT("{}");
        return sio_json_check_object(p->data);
    case SIO_DISCONNECT:
        return p->data.n > 0 ? "a payload where there is none" : NULL;
    case SIO_EVENT:
    case SIO_BINARY_EVENT:
        return check_event(p);
    case SIO_ACK:
    case SIO_BINARY_ACK:
        return check_ack(p);
    case SIO_CONNECT_ERROR:
        return NULL;        /* no client sends it: whoever gets it looks at the type only */
    }
    return "unknown type";
}

enum tb_code
sio_packet_parse(tb_str text, uint32_t max_attachments, struct sio_packet *out, struct tb_err *e)
{
    struct tb_scan    s = tb_scan_of(text);
    struct sio_packet p = { .nsp = TB_LIT("/"), .ack = SIO_NO_ACK };
    const char       *fault;

    p.type = tb_scan_digit(&s, SIO_TYPE_LAST);
    if (is_binary(p.type)) {
        p.attachments = (uint32_t)tb_scan_uint(&s, max_attachments);
        tb_scan_expect(&s, '-');
    }
    if (tb_scan_at(&s, '/'))
        p.nsp = tb_scan_until(&s, ',');     /* clients may drop the comma when nothing follows */
    if (tb_scan_at_digit(&s))
        p.ack = (int64_t)tb_scan_uint(&s, SIO_MAX_ACK);
    p.data = tb_scan_rest(&s);
    if (s.failed == NULL && (fault = check_data(&p)) != NULL)
        tb_scan_fail(&s, fault);

    if (s.failed != NULL)
        return tb_fail(e, TB_EINPUT, NULL, "sio packet, byte %zu: %s", s.pos, s.failed);
    *out = p;
    return TB_OK;
}

void
sio_packet_add_head(struct tb_buf *out, enum sio_type type, size_t attachments, tb_str nsp, int64_t ack)
{
    if (attachments > 0)
        type = type == SIO_ACK ? SIO_BINARY_ACK : SIO_BINARY_EVENT;
    tb_buf_add_char(out, (char)('0' + type));
    if (attachments > 0) {
        tb_buf_add_int(out, (int64_t)attachments);
        tb_buf_add_char(out, '-');
    }
    if (!tb_str_eq(nsp, TB_LIT("/"))) {
        tb_buf_add(out, nsp);
        tb_buf_add_char(out, ',');
    }
    if (ack != SIO_NO_ACK)
        tb_buf_add_int(out, ack);
}

void
sio_packet_add_event(struct tb_buf *out, tb_str event, tb_str args)
{
    struct tb_json j = tb_json_to(out);

    tb_json_open_array(&j);
    tb_json_str(&j, event);
    if (args.n > 0)
        tb_json_raw(&j, args);
    tb_json_end_array(&j);
    tb_json_fini(&j);
}
