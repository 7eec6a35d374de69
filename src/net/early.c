/* What can be said of a request before it is whole. h2o has one limit for all bodies, that of the route which takes most, and shows a
 * request only when its body is complete. A client that announces more than its route takes, and then sends little or nothing,
 * would wait for the header timeout and hear nothing. So the sweep looks at such heads itself. */
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

/* The first of that name before the head ends, if it does; n == 0: there is none. */
static tb_str
find_header(struct tb_scan *lines, tb_str name)
{
    while (!tb_scan_at_end(lines)) {
        tb_str line = tb_str_trim(tb_scan_until(lines, '\n'));
        struct tb_scan s = tb_scan_of(line);
        if (line.n == 0)
            break;
        if (tb_str_eq_nocase(tb_scan_until(&s, ':'), name))
            return tb_str_trim(tb_scan_rest(&s));
    }
    return TB_STR_NULL;
}

/* What the head says of its body's length; 0: nothing that we understand, which is then h2o's to judge. */
static uint64_t
claimed_length(struct tb_scan *lines)
{
    uint64_t n = 0;

    return tb_str_to_uint(find_header(lines, TB_LIT("content-length")), UINT64_MAX, &n) ? n : 0;
}

tb_str
net_early_origin(const struct net_conn *c, size_t from)
{
    const h2o_buffer_t *input = c->sock->input;
    struct tb_scan      lines = tb_scan_of((tb_str){ .p = input->bytes + from, .n = input->size - from });

    (void)tb_scan_until(&lines, '\n');
    return find_header(&lines, TB_LIT("origin"));
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
