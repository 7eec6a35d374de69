/* Any text is a Socket.IO packet or is refused; of an event that is taken, name and arguments make the same event. */
#include "packet.h"

#include <assert.h>

static void
check_event(const struct sio_packet *p)
{
    struct tb_buf         again = TB_BUF_INIT, scratch = TB_BUF_INIT;
    struct sio_json_array a;
    struct sio_json_check nothing = { 0 };

    if (p->name.p[0] == '"')
        assert(sio_json_unescape(p->name, &scratch).n < p->name.n);
    tb_buf_printf(&again, "[" TB_STR_FMT "%s" TB_STR_FMT "]", TB_STR_ARG(p->name), p->args.n ? "," : "",
                  TB_STR_ARG(p->args));
    if (memchr(p->data.p, '\0', p->data.n) == NULL) {
        assert(sio_json_read_array(tb_buf_str(&again), &nothing, &a) == NULL);
        assert(tb_str_eq(a.first, p->name) && tb_str_eq(a.rest, p->args));
    }
    tb_buf_fini(&again);
    tb_buf_fini(&scratch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct sio_packet p;
    struct tb_err     e = { 0 };

    if (sio_packet_parse((tb_str){ .p = (const char *)data, .n = n }, 10, &p, &e) != TB_OK)
        return 0;
    assert(p.attachments <= 10 && p.ack >= SIO_NO_ACK && p.ack <= SIO_MAX_ACK && p.nsp.n > 0 && p.nsp.p[0] == '/');
    if (p.type == SIO_EVENT || p.type == SIO_BINARY_EVENT)
        check_event(&p);
    return 0;
}
