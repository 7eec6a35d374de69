/* Refusing a body before it comes. h2o has one limit for all bodies, that of the route which takes most, and shows a
 * request only when its body is complete; so who claims more than his route takes, and then sends little or nothing,
 * would wait for the header timeout and hear nothing. The sweep looks at such heads itself.
 * Always: h2o is reading when we look, so nothing of an answer has left, and what we write is the only one. */
#include "net/internal.h"

#include "base/scan.h"

static tb_str
head_of(const struct net_conn *c)
{
    const h2o_buffer_t *input = c->sock->input;
    size_t              n = input->size < NET_MAX_HEAD ? input->size : NET_MAX_HEAD;
    const char         *end = n > 0 ? memmem(input->bytes, n, "\r\n\r\n", 4) : NULL;

    return end != NULL ? (tb_str){ .p = input->bytes, .n = (size_t)(end - input->bytes) } : TB_STR_NULL;
}

/* What the head says of its body's length; 0: nothing that we understand, which is then h2o's to judge. */
static uint64_t
claimed_length(struct tb_scan *head)
{
    uint64_t n = 0;

    while (!tb_scan_at_end(head)) {
        tb_str line = tb_str_trim(tb_scan_until(head, '\n'));
        struct tb_scan s = tb_scan_of(line);
        if (tb_str_eq_nocase(tb_scan_until(&s, ':'), TB_LIT("content-length")))
            return tb_str_to_uint(tb_str_trim(tb_scan_rest(&s)), UINT64_MAX, &n) ? n : 0;
    }
    return 0;
}

bool
net_early_has_no_end(const struct net_conn *c)
{
    return c->sock->input->size > NET_MAX_HEAD && head_of(c).p == NULL;
}

/* method SP target SP version CRLF headers */
bool
net_early_is_too_much(const struct net_conn *c)
{
    if (!h2o_socket_is_reading(c->sock) || h2o_socket_is_writing(c->sock))
        return false;
    struct tb_scan head = tb_scan_of(head_of(c));
    (void)tb_scan_until(&head, ' ');
    tb_str target = tb_scan_until(&head, ' ');
    (void)tb_scan_until(&head, '\n');
    return target.n > 0 && claimed_length(&head) > net_req_max_body(c->net, target);
}

static void
never(h2o_socket_t *sock, const char *err)
{
    (void)sock, (void)err;
}

void
net_early_refuse(struct net_conn *c)
{
    struct tb_buf body = TB_BUF_INIT, answer = TB_BUF_INIT;

    net_error_body(&body, TB_ETOOBIG);
    net_tally_note(NULL, tb_code_status(TB_ETOOBIG), 0);
    tb_buf_printf(&answer, "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\ncontent-type: " TB_STR_FMT
                  "\r\nContent-Length: %zu\r\n\r\n%s", TB_STR_ARG(NET_JSON), body.n, body.p);
    /* It fits into the socket's empty buffer; if not, the peer is beyond help. The socket is closed before the callback comes. */
    h2o_iovec_t slice = h2o_iovec_init(answer.p, answer.n);
    h2o_socket_write(c->sock, &slice, 1, never);
    tb_buf_fini(&body);
    tb_buf_fini(&answer);
    net_conn_linger(c);
    c->sock->_cb.read(c->sock, "refused");      /* h2o closes its connection, as for a peer that has gone */
}
