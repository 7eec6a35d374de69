/* See fake_net.h. */
#include "fake_net.h"
#include "tap.h"

tb_str
net_request_header(const struct net_request *http, tb_str lower_name)
{
    const struct fake_request *r = (const void *)http;     /* its first member */

    for (size_t i = 0; i < r->n_headers; i++)
        if (tb_str_eq(r->headers[i].name, lower_name))
            return r->headers[i].value;
    return TB_STR_NULL;
}

void
net_respond(struct net_request *http, const struct net_response *answer)
{
    struct fake_request *r = TB_CONTAINER(http, struct fake_request, http);

    assert_false(r->is_answered);
    r->is_answered = true;
    r->answer.status = answer->status;
    tb_buf_add(&r->answer.type, answer->content_type);
    tb_buf_add(&r->answer.body, answer->body);
    for (size_t i = 0; i < answer->n_headers; i++)
        tb_buf_printf(&r->answer.headers, TB_STR_FMT ": " TB_STR_FMT "\n", TB_STR_ARG(answer->headers[i].name),
                      TB_STR_ARG(answer->headers[i].value));
}

void
fake_answer_fini(struct fake_answer *a)
{
    tb_buf_fini(&a->type);
    tb_buf_fini(&a->body);
    tb_buf_fini(&a->headers);
}
