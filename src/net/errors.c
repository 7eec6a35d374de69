/* What h2o answers by itself (a body over the limit, a broken chunk, an unknown Expect) is made JSON, as all our failures
 * are. Its 400 for a request line or header it cannot parse stays plain text: that goes straight to the socket.
 * h2o gives such answers on the fallback path, where nothing of ours answers, so a filter there sees only them. */
#include "net/internal.h"

#include "base/json.h"

struct body_swap {
    h2o_ostream_t super;
    h2o_iovec_t   body;
};

static enum tb_code
code_of(int status)
{
    return status == 413 ? TB_ETOOBIG : status == 404 ? TB_ENOTFOUND : status >= 500 ? TB_EINTERNAL : TB_EINPUT;
}

void
net_error_body(struct tb_buf *out, enum tb_code code, uint32_t retry_after_s)
{
    struct tb_json j = tb_json_to(out);

    tb_json_open_object(&j);
    tb_json_key(&j, "message"), tb_json_str(&j, tb_str_of(tb_code_say(code)));
    tb_json_key(&j, "code"), tb_json_str(&j, tb_str_of(tb_code_wire(code)));
    if (retry_after_s > 0)
        tb_json_key(&j, "retryAfter"), tb_json_int(&j, retry_after_s);
    tb_json_end_object(&j);
    tb_json_fini(&j);
}

static void
send_ours(h2o_ostream_t *super, h2o_req_t *req, h2o_iovec_t *theirs, size_t n, h2o_send_state_t state)
{
    (void)theirs;
    h2o_ostream_send_next(super, req, &((struct body_swap *)(void *)super)->body, n > 0, state);    /* HEAD: n is 0 */
}

static void
swap_body(h2o_filter_t *self, h2o_req_t *req, h2o_ostream_t **slot)
{
    struct body_swap *swap = (struct body_swap *)(void *)h2o_add_ostream(req, sizeof *swap, slot);
    struct tb_buf     text = TB_BUF_INIT;

    (void)self;
    if (req->res.status == 413)
        net_hit(NET_HIT_BODY);
    net_error_body(&text, code_of(req->res.status), 0);
    swap->super.do_send = send_ours;
    swap->body = h2o_strdup(&req->pool, text.p, text.n);
    tb_buf_fini(&text);
    req->res.content_length = swap->body.len;
    req->res.headers.size = 0;
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, NET_JSON.p, NET_JSON.n);
    net_cors_add(net_of(req), req);
    net_tally_note(NULL, req->res.status, 0);
    if (req->version < 0x200)
        net_conn_linger(net_conn_of(req));      /* the body is still coming, and then this connection ends */
    h2o_setup_next_ostream(req, &swap->super.next);
}

void
net_errors_register(h2o_pathconf_t *fallback)
{
    h2o_create_filter(fallback, sizeof(h2o_filter_t))->on_setup_ostream = swap_body;
}
