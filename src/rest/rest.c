/* From a request to a call and from its end to an answer. An exchange lives from rest_on_request to rest_answer,
 * which every road leads to, once. */
#include "rest.h"

#include "base/log.h"
#include "base/thread.h"
#include "chat/render.h"
#include "rest/document.h"
#include "rest/encoding.h"
#include "rest/exchange.h"
#include "rest/metrics.h"
#include "rest/path.h"

#include <assert.h>
#include <stdio.h>

#define JSON_BODY TB_LIT("application/json; charset=utf-8")

static const struct net_header no_store = { .name = { "cache-control", 13 }, .value = { "no-store", 8 } };

void
rest_open(struct rest **out, const struct rest_settings *settings)
{
    *out = TB_NEW(struct rest);
    (*out)->settings = *settings;
    rest_route_tallies((*out)->tallies);
}

void
rest_close(struct rest **r)
{
    if (*r == NULL)
        return;
    tb_buf_fini(&(*r)->out);
    tb_free(*r);
    *r = NULL;
}

void
rest_write_metrics(struct rest *r, struct tb_buf *out)
{
    metrics_write(out, &r->settings);
}

static void
free_exchange(struct rest_exchange *x)
{
    chat_call_fini(&x->call.any);
    tb_arena_fini(&x->mem);
    tb_free(x);
}

void
rest_answer(struct rest_exchange *x, int status, tb_str content_type, tb_str body)
{
    struct net_response r = { .status = status, .content_type = content_type, .body = body };

    r.headers = &no_store;
    r.n_headers = 1;
    r.without_cors = x->route->is_private;
    rest_respond(x, &r);
}

void
rest_respond(struct rest_exchange *x, const struct net_response *r)
{
    net_respond(x->http, r);
    free_exchange(x);
}

/* Minutes, not hours: after an upgrade the old description is soon gone. */
void
rest_answer_document(struct rest_exchange *x, const struct rest_document *d)
{
    const struct net_header headers[] = { { TB_LIT("cache-control"), TB_LIT("public, max-age=300") },
                                          { TB_LIT("etag"), d->etag } };
    struct net_response     r = { .status = 304, .headers = headers, .n_headers = 2 };

    if (!rest_document_is_known(d, net_request_header(x->http, TB_LIT("if-none-match")))) {
        r.status = 200;
        r.content_type = JSON_BODY;
        r.body = d->text;
    }
    rest_respond(x, &r);
}

static bool
is_our_fault(enum tb_code code)
{
    return code == TB_EINTERNAL || code == TB_EIO;
}

/* allow: the methods for a 405, else empty. */
static void
respond_failure(struct rest *rest, struct net_request *http, const struct tb_err *e, int status, tb_str allow)
{
    char                seconds[12];
    struct net_header   headers[5] = { no_store };
    struct net_response r = { .status = status, .content_type = JSON_BODY, .headers = headers };
    struct tb_json      j = tb_json_to(&rest->out);
    uint32_t            retry_after_s = chat_retry_after(e);

    r.n_headers = 1;
    if (retry_after_s > 0) {
        int n = snprintf(seconds, sizeof seconds, "%u", retry_after_s);
        headers[r.n_headers++] = (struct net_header){ TB_LIT("retry-after"), { seconds, (size_t)n } };
    }
    if (r.status == 401)                /* RFC 9110 section 11.6.1; no browser asks for a password over this scheme */
        headers[r.n_headers++] = (struct net_header){ TB_LIT("www-authenticate"), TB_LIT("Bearer") };
    if (e->code == TB_EMEDIA)           /* RFC 7694 */
        headers[r.n_headers++] = (struct net_header){ TB_LIT("accept-encoding"), TB_LIT(REST_ENCODINGS) };
    if (allow.n > 0)
        headers[r.n_headers++] = (struct net_header){ TB_LIT("allow"), allow };
    tb_buf_clear(&rest->out);
    chat_render_failure(&j, e);
    tb_json_fini(&j);
    r.body = tb_buf_str(&rest->out);
    net_respond(http, &r);
}

/* The old backend knew 400 for nearly all that a call can be refused for. What stood before its calls had statuses as here: 401
 * for a token that is not good, 413 and 415 for a body. */
static int
status_of(const struct rest_exchange *x, enum tb_code code)
{
    int  status = tb_code_status(code);
    bool is_of_call = x->has_begun && (code != TB_EAUTH || x->route->is_open);

    return x->rest->settings.old_statuses && is_of_call && status >= 400 && status < 429 ? 400 : status;
}

static void
fail(struct rest_exchange *x)
{
    struct tb_err *e = &x->call.any.err;

    if (is_our_fault(e->code))
        log_error("rest.failed", "method=%s path=%s why=\"%s\"", x->route->method, x->route->path, e->why);
    else
        log_debug("rest.refused", "method=%s path=%s code=%s why=\"%s\"", x->route->method, x->route->path,
                  tb_code_wire(e->code), e->why);
    respond_failure(x->rest, x->http, e, status_of(x, e->code), TB_STR_NULL);
    free_exchange(x);
}

void
rest_finish(struct rest_exchange *x)
{
    struct tb_buf *out = &x->rest->out;
    struct tb_json j = tb_json_to(out);

    if (x->call.any.err.code != TB_OK) {
        fail(x);
        return;
    }
    tb_buf_clear(out);
    if (x->route->render != NULL && !x->http->is_gone)
        x->route->render(x, &j);
    tb_json_fini(&j);
    rest_answer(x, x->route->status, x->route->render ? JSON_BODY : TB_STR_NULL, tb_buf_str(out));
}

static void
on_done(struct chat_call *call)
{
    rest_finish(TB_CONTAINER(call, struct rest_exchange, call));
}

static enum tb_code
authenticate(struct rest_exchange *x, struct tb_err *e)
{
    tb_str             value = tb_str_trim(net_request_header(x->http, TB_LIT("authorization")));
    tb_str             token = chat_token_in(value);
    struct chat_claims claims;

    if (value.n == 0)
        return tb_fail(e, TB_EAUTH, "No token provided", "no authorization header");
    if (token.p == value.p)
        return tb_fail(e, TB_EAUTH, "Invalid token format", "no scheme, or another one");
    if (chat_authenticate(x->rest->settings.chat, token, &claims, e) != TB_OK)
        return e->code;
    x->call.any.who = claims.who;
    x->call.any.user_id = x->http->user_id = claims.who.user_id;
    return TB_OK;
}

static enum tb_code
read_body(struct rest_exchange *x, struct tb_err *e)
{
    if (x->route->fields.n == 0)
        return TB_OK;
    if (x->http->body.n > 0 && !rest_is_json(net_request_header(x->http, TB_LIT("content-type"))))
        return tb_fail(e, TB_EINPUT, "Content-Type must be application/json", "another content type");
    tb_str encoding = net_request_header(x->http, TB_LIT("content-encoding"));
    if (encoding.n == 0 || x->http->body.n == 0)
        return chat_fields_parse(x->http->body, x->route->fields, &x->call, &x->mem, e);
    struct tb_buf content = TB_BUF_INIT;
    if (rest_decode_body(x->http->body, encoding, x->rest->settings.max_body, &content, e) == TB_OK)
        TB_TRY(chat_fields_parse(tb_buf_str(&content), x->route->fields, &x->call, &x->mem, e));
    tb_buf_wipe(&content);              /* it may hold a password */
    return e->code;
}

static tb_str
about(struct rest_exchange *x)
{
    int n = snprintf(x->about, sizeof x->about, "request=\"" TB_STR_FMT "\"", TB_STR_ARG(x->http->id));
    return (tb_str){ .p = x->about, .n = (size_t)n };
}

static void
start(struct rest_exchange *x)
{
    x->has_begun = true;
    x->route->start(x);
}

static void
begin(struct rest *rest, struct net_request *http, const struct rest_route *route, tb_str wild)
{
    struct rest_exchange *x = TB_NEW(struct rest_exchange);
    struct tb_err        *e = &x->call.any.err;

    http->tally = rest->tallies[rest_route_number(route)];
    x->rest = rest;
    x->http = http;
    x->route = route;
    x->wild = tb_arena_str(&x->mem, wild);
    x->call.any.on_done = on_done;
    x->call.any.peer = http->peer;
    x->call.any.about = about(x);
    log_about(x->call.any.about);
    if (route->is_open || tb_str_eq(tb_str_of(route->method), TB_LIT("GET")))
        x->call.any.is_unwanted = &http->is_unwanted;   /* a change is made, whoever hears of it */
    if ((!route->is_open && authenticate(x, e) != TB_OK) || read_body(x, e) != TB_OK)
        rest_finish(x);
    else
        start(x);
    log_about(TB_STR_NULL);
}

void
rest_on_request(void *rest, struct net_request *http)
{
    struct tb_buf            allow = TB_BUF_INIT;
    struct tb_arena          mem = { 0 };
    struct tb_err            e = { .code = TB_OK };
    tb_str                   wild = TB_STR_NULL;
    const struct rest_route *route = rest_route_find(http->method, http->path, &mem, &wild, &allow, &e);

    assert(tb_thread_is(TB_LOOP));
    if (route != NULL)
        begin(rest, http, route, wild);
    else
        respond_failure(rest, http, &e, tb_code_status(e.code), tb_buf_str(&allow));
    tb_arena_fini(&mem);
    tb_buf_fini(&allow);
}
