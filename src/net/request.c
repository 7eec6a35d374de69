/* Requests: from h2o to the handlers and back. A request is copied whole, text and headers, into one block of its own:
 * that costs less than a microsecond and makes it outlive whatever happens to the connection.
 * Always: a net_req is in net->unanswered exactly while its handler owes an answer that h2o still waits for. */
#include "net/internal.h"

#include "base/json.h"
#include "base/log.h"
#include "base/slow.h"
#include "base/thread.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    STATUS_GONE = 499,          /* in counts and logs only: the client went away before its answer */
    LOGGED_PATH = 200,          /* bytes of a path that a log line takes, */
    LOGGED_METHOD = 20,         /* and of a method, which may be any word */
};

enum {
    LARGE_ANSWER = 4096,        /* see is_put_off */
    MANY_UNSENT = 262144,
};

struct handler {
    h2o_handler_t super;
    struct net   *net;
};

/* ---- its end ---- */

/* Without the query, which may hold what is nobody's business. */
static void
log_request(const struct net_req *r, int status, int64_t took_us)
{
    char method[LOGGED_METHOD], path[LOGGED_PATH];

    log_info("http.request", "request=\"" TB_STR_FMT "\" method=\"%s\" path=\"%s\" route=\"%s\" status=%d us=%" PRId64
             " peer=" TB_STR_FMT " user=%" PRId64,
             TB_STR_ARG(r->pub.id), r->is_head ? "HEAD" : log_text(r->pub.method, method, sizeof method),
             log_text(r->pub.path, path, sizeof path), net_tally_route(r->pub.tally), status, took_us,
             TB_STR_ARG(r->pub.peer), r->pub.user_id);
}

static void
note_answer(const struct net_req *r, int status)
{
    int64_t took_us = tb_mono_us(r->net->clock) - r->begun_us;

    net_tally_note(r->pub.tally, status, took_us);
    if (log_wants_requests())
        log_request(r, status, took_us);
    if (slow_is(took_us) && !r->pub.may_wait)
        slow_log(SLOW_REQUEST, took_us, "request=\"" TB_STR_FMT "\" route=\"%s\" status=%d user=%" PRId64, TB_STR_ARG(r->pub.id),
                 net_tally_route(r->pub.tally), status, r->pub.user_id);
}

static void
req_free(struct net_req *r)
{
    r->net->n_owed--;
    tb_free(r);
}

/* ---- who waits for whom ---- */

static void
link_unanswered(struct net_req *r)
{
    r->next = r->net->unanswered;
    if (r->next != NULL)
        r->next->prev = r;
    r->net->unanswered = r;
}

/* Its answer is h2o's to write from now on, and the peer's to read. */
static void
begin_sending(struct net_hook *hook)
{
    struct net *net = hook->conn->net;

    hook->answered_ms = net_now_ms(net);
    hook->prev = net->last_sending;
    if (hook->prev != NULL)
        hook->prev->next = hook;
    else
        net->sending = hook;
    net->last_sending = hook;
}

static void
end_sending(struct net_hook *hook)
{
    struct net *net = hook->conn->net;

    if (hook->next != NULL)
        hook->next->prev = hook->prev;
    else
        net->last_sending = hook->prev;
    if (hook->prev != NULL)
        hook->prev->next = hook->next;
    else
        net->sending = hook->next;
    net->sending_bytes -= hook->n_bytes;
    hook->conn->unsent_bytes -= hook->n_bytes;
}

/* With too many large answers on their way already, one more is not kept for somebody who has not taken his last ones. Only what
 * changes nothing may be answered so: it can be asked again. */
static bool
is_put_off(const struct net_req *r, size_t n_bytes)
{
    const struct net *net = r->net;

    return r->h2o != NULL && n_bytes > LARGE_ANSWER && tb_str_eq(r->pub.method, TB_LIT("GET")) &&
           r->hook->conn->unsent_bytes > MANY_UNSENT && net->limits.send_bytes > 0 &&
           net->sending_bytes > net->limits.send_bytes;
}

/* Before h2o has the answer: it may be gone at once. */
static void
weigh_answer(struct net_hook *hook, size_t n_bytes)
{
    struct net *net = hook->conn->net;

    hook->n_bytes = n_bytes;
    net->sending_bytes += n_bytes;
    hook->conn->unsent_bytes += n_bytes;
    if (net_conn_holds_much(net))
        net_conn_cut_unread(net);
}

/* From here on r's handler and h2o do not know each other. */
static void
part(struct net_req *r)
{
    if (r->next != NULL)
        r->next->prev = r->prev;
    if (r->prev != NULL)
        r->prev->next = r->next;
    else
        r->net->unanswered = r->next;
    r->hook->conn->is_watched = false;
    begin_sending(r->hook);
    r->hook->req = NULL;
    r->hook = NULL;
    r->h2o = NULL;
}

/* Its handler is told, and may give it back at once. */
static void
tell_gone(struct net_req *r)
{
    bool no_handler_knows = net_window_drop(r);

    part(r);
    if (no_handler_knows) {
        note_answer(r, STATUS_GONE);
        req_free(r);
        return;
    }
    r->pub.is_gone = true;
    atomic_store(&r->pub.is_unwanted, true);
    if (r->pub.on_gone != NULL)
        r->pub.on_gone(&r->pub);
}

/* h2o's request ends: its answer has been written, or its connection is going. */
static void
on_h2o_done(void *arg)
{
    struct net_hook *hook = arg;

    bool was_answered = hook->req == NULL;

    hook->conn->n_requests--;
    net_conn_touch(hook->conn);
    if (was_answered)
        net_front_answered(hook->conn);
    else
        tell_gone(hook->req);
    end_sending(hook);
    net_window_leave(hook, was_answered);
    net_front_request_ended(hook->conn);
}

static bool
is_http2(const h2o_req_t *h2o)
{
    return h2o->version >= 0x200;
}

static struct net_hook *
hook_new(h2o_req_t *h2o)
{
    struct net_hook *hook = h2o_mem_alloc_shared(&h2o->pool, sizeof *hook, on_h2o_done);

    *hook = (struct net_hook){ .conn = net_conn_of(h2o) };
    hook->conn->is_http2 = is_http2(h2o);
    net_conn_speaks(hook->conn, is_http2(h2o) ? NET_HTTP2 : NET_HTTP1);
    hook->conn->n_requests++;
    net_conn_touch(hook->conn);
    return hook;
}

/* ---- h2o's request, copied ---- */

static tb_str
str_of(h2o_iovec_t v)
{
    return (tb_str){ .p = v.base, .n = v.len };
}

static bool
is_head(const h2o_req_t *h2o)
{
    return tb_str_eq(str_of(h2o->input.method), TB_LIT("HEAD"));
}

static tb_str
copy_to(char **at, tb_str s)
{
    tb_str copy = { .p = *at, .n = s.n };

    if (s.n > 0)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

/* RFC 9112 section 3.2: origin form, or absolute form, whose scheme and authority do not matter here. */
static tb_str
origin_form(tb_str target)
{
    const char *slash;

    if (!tb_str_starts(target, TB_LIT("http://")) && !tb_str_starts(target, TB_LIT("https://")))
        return target;
    const char *authority = (const char *)memchr(target.p, ':', target.n) + 3, *end = target.p + target.n;
    if ((slash = memchr(authority, '/', (size_t)(end - authority))) == NULL)
        return TB_LIT("/");
    return (tb_str){ .p = slash, .n = (size_t)(end - slash) };
}

static void
split_target(struct net_request *r, tb_str target)
{
    const char *mark = memchr(target.p, '?', target.n);

    r->path = target;
    r->query = TB_LIT("");
    if (mark == NULL)
        return;
    r->path.n = (size_t)(mark - target.p);
    r->query = (tb_str){ .p = mark + 1, .n = target.n - r->path.n - 1 };
}

static size_t
head_size(const h2o_req_t *h2o)
{
    size_t n = h2o->input.method.len + h2o->input.path.len + h2o->upgrade.len;

    for (size_t i = 0; i < h2o->headers.size; i++)
        n += h2o->headers.entries[i].name->len + h2o->headers.entries[i].value.len;
    return n;
}

static void
copy_text(struct net_req *r, const h2o_req_t *h2o, char *at)
{
    const h2o_header_t *from = h2o->headers.entries;

    for (size_t i = 0; i < r->n_headers; i++) {
        r->headers[i].name = copy_to(&at, str_of(*from[i].name));
        r->headers[i].value = copy_to(&at, str_of(from[i].value));
    }
    r->pub.method = r->is_head ? TB_LIT("GET") : copy_to(&at, str_of(h2o->input.method));
    split_target(&r->pub, copy_to(&at, origin_form(str_of(h2o->input.path))));
    r->pub.upgrade = copy_to(&at, str_of(h2o->upgrade));
    r->pub.body = copy_to(&at, str_of(h2o->entity));
}

/* ---- ids ---- */

static bool
is_sane_id(tb_str id)
{
    for (size_t i = 0; i < id.n; i++)
        if (!isalnum((unsigned char)id.p[i]) && id.p[i] != '-' && id.p[i] != '.' && id.p[i] != '_')
            return false;
    return id.n > 0 && id.n <= NET_ID_MAX;
}

static void
put_hex(char *out, uint32_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 4)
        out[i] = "0123456789abcdef"[v & 15];
}

static tb_str
id_of(struct net_req *r)
{
    tb_str theirs = net_request_header(&r->pub, TB_LIT("x-request-id"));

    if (is_sane_id(theirs))
        return theirs;
    put_hex(r->made_id, r->net->id_start);
    put_hex(r->made_id + 8, r->net->n_ids++);
    return (tb_str){ .p = r->made_id, .n = sizeof r->made_id - 1 };
}

static struct net_req *
req_new(struct net *net, h2o_req_t *h2o, const struct net_client *who)
{
    size_t          n_headers = h2o->headers.size, fixed = sizeof(struct net_req) + n_headers * sizeof(struct net_header);
    struct net_req *r = tb_alloc(fixed + head_size(h2o) + h2o->entity.len);

    *r = (struct net_req){ .net = net, .h2o = h2o, .hook = hook_new(h2o), .n_headers = n_headers };
    r->begun_us = tb_mono_us(net->clock);
    r->headers = (struct net_header *)(void *)(r + 1);
    r->is_head = is_head(h2o);
    copy_text(r, h2o, (char *)r + fixed);
    net_client_text(who, r->peer);
    r->pub.peer = tb_str_of(r->peer);
    r->pub.is_forwarded = who->is_forwarded;
    r->pub.is_own_page = net_cors_is_own(r->hook->conn, h2o);
    r->pub.id = id_of(r);
    r->hook->req = r;
    link_unanswered(r);
    net->n_owed++;
    return r;
}

/* ---- answers ---- */

static const char *
reason_of(int status)
{
    static const struct { int status; const char *reason; } known[] = {
        { 200, "OK" }, { 201, "Created" }, { 204, "No Content" }, { 304, "Not Modified" },
        { 308, "Permanent Redirect" }, { 400, "Bad Request" },
        { 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" },
        { 409, "Conflict" }, { 413, "Content Too Large" },
        { 415, "Unsupported Media Type" }, { 422, "Unprocessable Content" }, { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" }, { 503, "Service Unavailable" }, { 507, "Insufficient Storage" },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].status == status)
            return known[i].reason;
    return "Other";
}

static void
add_header(h2o_req_t *h2o, tb_str name, tb_str value)
{
    h2o_iovec_t n = h2o_strdup(&h2o->pool, name.p, name.n), v = h2o_strdup(&h2o->pool, value.p, value.n);

    h2o_add_header_by_str(&h2o->pool, &h2o->res.headers, n.base, n.len, 0, NULL, v.base, v.len);
}

/* Behind a request that wanted another protocol there may be bytes of it already, which the guard has not judged. */
static bool
may_go_on(h2o_req_t *h2o)
{
    const struct net_conn *c = net_conn_of(h2o);

    return c->guard == NULL || !net_guard_wants_upgrade(c->guard);
}

static void
send_answer(struct net *net, h2o_req_t *h2o, const struct net_response *res, bool is_head)
{
    static h2o_generator_t whole_at_once;
    h2o_iovec_t            body = { 0 };
    bool                   has_body = res->status != 204 && res->status != 304;

    assert(has_body || res->body.n == 0);
    h2o->res.status = res->status;
    h2o->res.reason = reason_of(res->status);
    h2o->res.content_length = has_body ? res->body.n : SIZE_MAX;    /* SIZE_MAX: no such header */
    if (net->is_stopping || !may_go_on(h2o))
        h2o->http1_is_persistent = 0;
    if (res->content_type.n > 0)
        add_header(h2o, TB_LIT("content-type"), res->content_type);
    for (size_t i = 0; i < res->n_headers; i++)
        add_header(h2o, res->headers[i].name, res->headers[i].value);
    if (!res->without_cors)
        net_cors_add(net, h2o);
    if (res->body.n > 0 && !is_head)
        body = h2o_strdup(&h2o->pool, res->body.p, res->body.n);
    h2o_start_response(h2o, &whole_at_once);
    h2o_send(h2o, &body, body.len > 0, H2O_SEND_STATE_FINAL);
}

/* An answer of our own, status being the code's unless HTTP has a better one. */
static void
send_failure(struct net *net, h2o_req_t *h2o, enum tb_code code, int status)
{
    struct tb_buf body = TB_BUF_INIT;

    net_error_body(&body, code, 0);
    send_answer(net, h2o, &(struct net_response){ .status = status, .content_type = NET_JSON,
                                                  .body = tb_buf_str(&body) }, is_head(h2o));
    tb_buf_fini(&body);
}

void
net_respond(struct net_request *pub, const struct net_response *res)
{
    struct net_req *r = TB_CONTAINER(pub, struct net_req, pub);
    h2o_req_t      *h2o = r->h2o;

    assert(tb_thread_is(TB_LOOP));
    assert(res->status >= 200 && res->status <= 599);
    bool put_off = is_put_off(r, res->body.n);
    /* First: who has the answer finds it in log and metrics. */
    note_answer(r, h2o == NULL ? STATUS_GONE : put_off ? tb_code_status(TB_EBUSY) : res->status);
    if (h2o != NULL) {
        struct net_hook *hook = r->hook;
        net_conn_touch(hook->conn);
        part(r);
        add_header(h2o, TB_LIT("x-request-id"), r->pub.id);
        if (put_off) {
            send_failure(r->net, h2o, TB_EBUSY, tb_code_status(TB_EBUSY));
        } else {
            weigh_answer(hook, res->body.n);
            send_answer(r->net, h2o, res, r->is_head);
        }
    }
    req_free(r);
}

h2o_req_t *
net_req_take(struct net_request *pub)
{
    struct net_req *r = TB_CONTAINER(pub, struct net_req, pub);
    h2o_req_t      *h2o = r->h2o;

    if (h2o != NULL)
        part(r);
    note_answer(r, h2o != NULL ? 101 : STATUS_GONE);
    return h2o;
}

void
net_req_forget(struct net_request *pub)
{
    req_free(TB_CONTAINER(pub, struct net_req, pub));
}

void
net_req_refuse_unanswered(struct net *net)
{
    while (net->unanswered != NULL) {
        struct net_req *r = net->unanswered;
        h2o_req_t      *h2o = r->h2o;

        net_conn_touch(r->hook->conn);
        add_header(h2o, TB_LIT("x-request-id"), r->pub.id);
        tell_gone(r);
        send_failure(net, h2o, TB_EBUSY, tb_code_status(TB_EBUSY));
    }
}

/* ---- to the handlers ---- */

struct net *
net_of(h2o_req_t *h2o)
{
    return net_conn_of(h2o)->net;
}

static const struct net_route *
find_route(const struct net *net, tb_str path)
{
    const struct net_route *longest = NULL;

    for (size_t i = 0; i < net->n_routes; i++)
        if (tb_str_starts(path, net->routes[i].prefix) && (longest == NULL || longest->prefix.n < net->routes[i].prefix.n))
            longest = &net->routes[i];
    return longest;
}

size_t
net_req_max_body(const struct net *net, tb_str target)
{
    struct net_request      r;
    const struct net_route *route;

    split_target(&r, origin_form(target));
    route = find_route(net, r.path);
    if (route == NULL)
        return net->max_body;
    size_t by_query = route->max_body_of != NULL ? route->max_body_of(route->ctx, r.query) : SIZE_MAX;
    return by_query < route->max_body ? by_query : route->max_body;
}

/* HTTP/2 carries any bytes in a header; h2o looks at none of these. */
static bool
is_clean(tb_str target)
{
    for (size_t i = 0; i < target.n; i++)
        if ((unsigned char)target.p[i] <= 0x20 || target.p[i] == 0x7f)
            return false;
    return true;
}

static void
redirect(struct net *net, h2o_req_t *h2o)
{
    struct tb_buf location = TB_BUF_INIT;
    /* h2o's own name stands in for a Host that is not there */
    bool has_host = h2o->input.authority.base != h2o->hostconf->authority.hostport.base;

    if (has_host && net_redirect_location(&location, str_of(h2o->input.authority), origin_form(str_of(h2o->input.path)),
                                          net->ports[NET_TLS])) {
        const struct net_header header = { TB_LIT("location"), tb_buf_str(&location) };
        net_tally_note(NULL, 308, 0);
        send_answer(net, h2o, &(struct net_response){ .status = 308, .headers = &header, .n_headers = 1 }, is_head(h2o));
    } else {
        net_tally_note(NULL, 400, 0);
        send_failure(net, h2o, TB_EINPUT, 400);
    }
    tb_buf_fini(&location);
}

static void
answered_here(h2o_req_t *h2o)
{
    net_conn_touch(net_conn_of(h2o));
    net_front_answered(net_conn_of(h2o));
    net_front_request_ended(net_conn_of(h2o));
}

/* What needs no handler; false: it does. */
static bool
was_answered_here(struct net *net, h2o_req_t *h2o)
{
    if (net_conn_of(h2o)->door == NET_REDIRECT) {
        redirect(net, h2o);
    } else if (head_size(h2o) > NET_MAX_HEAD) {
        send_failure(net, h2o, TB_ETOOBIG, 431);
        net_tally_note(NULL, 431, 0);
    } else if (!is_clean(str_of(h2o->input.path))) {
        send_failure(net, h2o, TB_EINPUT, tb_code_status(TB_EINPUT));
        net_tally_note(NULL, tb_code_status(TB_EINPUT), 0);
    } else if (net_cors_is_preflight(net, h2o)) {
        struct net_header   headers[NET_PREFLIGHT_HEADERS];
        struct net_response allowed = net_cors_preflight(h2o, headers);
        send_answer(net, h2o, &allowed, false);
        net_tally_note(NULL, allowed.status, 0);
    } else {
        return false;
    }
    answered_here(h2o);
    return true;
}

/* No handler has seen it, so it costs next to nothing. */
static void
refuse_for_now(struct net *net, h2o_req_t *h2o, int64_t wait_us)
{
    uint32_t                seconds = (uint32_t)((wait_us + 999999) / 1000000);
    char                    text[12];
    int                     n = snprintf(text, sizeof text, "%" PRIu32, seconds);
    const struct net_header header = { TB_LIT("retry-after"), { text, (size_t)n } };
    struct tb_buf           body = TB_BUF_INIT;

    net_error_body(&body, TB_ELIMIT, seconds);
    send_answer(net, h2o, &(struct net_response){ .status = tb_code_status(TB_ELIMIT), .content_type = NET_JSON,
                                                  .body = tb_buf_str(&body), .headers = &header, .n_headers = 1 },
                is_head(h2o));
    net_tally_note(NULL, tb_code_status(TB_ELIMIT), 0);
    tb_buf_fini(&body);
    answered_here(h2o);
}

void
net_req_hand_over(struct net_req *r)
{
    struct net_hook *hook = r->hook;        /* r may be answered and gone, the hook stays for this turn */

    r->route->on_request(r->route->ctx, &r->pub);
    if (hook->req == NULL)
        return;
    if (hook->req->pub.may_wait)
        net_window_leave(hook, false);
    if (hook->req->pub.on_gone != NULL && !hook->conn->is_http2)    /* HTTP/2 reads on, and hears it itself */
        net_gone_watch(hook->conn);
}

/* What its route's handler is not to see. */
static void
refuse(struct net_req *r, enum tb_code code)
{
    struct net *net = r->net;
    h2o_req_t  *h2o = r->h2o;

    part(r);
    add_header(h2o, TB_LIT("x-request-id"), r->pub.id);
    note_answer(r, tb_code_status(code));
    send_failure(net, h2o, code, tb_code_status(code));
    req_free(r);
}

static int
on_request(h2o_handler_t *handler, h2o_req_t *h2o)
{
    struct net       *net = ((struct handler *)handler)->net;
    struct net_conn  *c = net_conn_of(h2o);
    struct net_client who = net_client_of(c, h2o);
    int64_t           wait_us;

    if (!net_peers_ask(c, &who, h2o->upgrade.len > 0, &wait_us)) {
        refuse_for_now(net, h2o, wait_us);
        return 0;
    }
    if (was_answered_here(net, h2o))
        return 0;
    struct net_req *r = req_new(net, h2o, &who);
    r->route = find_route(net, r->pub.path);
    if (r->route == NULL) {
        refuse(r, tb_str_starts(r->pub.path, TB_LIT("/")) ? TB_ENOTFOUND : TB_EINPUT);
    } else if (r->pub.body.n > r->route->max_body) {
        net_hit(NET_HIT_BODY);
        refuse(r, TB_ETOOBIG);
    } else if (net_window_enter(r)) {
        net_req_hand_over(r);
    }
    return 0;
}

void
net_req_register(struct net *net, h2o_pathconf_t *path)
{
    struct handler *h = (struct handler *)h2o_create_handler(path, sizeof *h);

    h->super.on_req = on_request;
    h->net = net;
}

void
net_handle(struct net *net, const char *prefix, size_t max_body, void (*on_req)(void *ctx, struct net_request *), void *ctx)
{
    assert(net->n_routes < NET_MAX_ROUTES);
    assert(tb_thread_is(TB_LOOP));
    max_body = max_body > 0 ? max_body : net->max_body;
    net->routes[net->n_routes++] = (struct net_route){ .prefix = tb_str_of(prefix), .max_body = max_body,
                                                       .on_request = on_req, .ctx = ctx };
    /* h2o gathers a body before anyone knows whom it is for: the largest that any route takes. */
    if (max_body > net->global.max_request_entity_size)
        net->global.max_request_entity_size = max_body;
}

void
net_limit_bodies(struct net *net, const char *prefix, size_t (*max_body)(void *ctx, tb_str query))
{
    for (size_t i = 0; i < net->n_routes; i++)
        if (tb_str_eq(net->routes[i].prefix, tb_str_of(prefix)))
            net->routes[i].max_body_of = max_body;
}

tb_str
net_request_header(const struct net_request *pub, tb_str lower_name)
{
    const struct net_req *r = (const struct net_req *)(const void *)pub;     /* pub is its first member */

    for (size_t i = 0; i < r->n_headers; i++)
        if (tb_str_eq(r->headers[i].name, lower_name))
            return r->headers[i].value;
    return TB_STR_NULL;
}

tb_str
net_request_list(const struct net_request *pub, tb_str lower_name, struct tb_buf *scratch)
{
    const struct net_req *r = (const struct net_req *)(const void *)pub;
    tb_str                first = net_request_header(pub, lower_name);
    size_t                n = 0;

    tb_buf_clear(scratch);
    for (size_t i = 0; i < r->n_headers; i++) {
        if (!tb_str_eq(r->headers[i].name, lower_name))
            continue;
        tb_buf_add(scratch, n++ > 0 ? TB_LIT(", ") : TB_LIT(""));
        tb_buf_add(scratch, r->headers[i].value);
    }
    return n > 1 ? tb_buf_str(scratch) : first;
}
