/* The table: method and path, what the body must hold, the call, the answer's shape. To add a route: a row here, and
 * beside it its fields, its start and its render. Rows that are asked most come first. */
#include "chat/render.h"
#include "rest/document.h"
#include "rest/exchange.h"
#include "rest/metrics.h"
#include "rest/page.h"
#include "rest/path.h"

#include <assert.h>
#include <stddef.h>

enum { HISTORY_DEFAULT = 20, MEMBERS_DEFAULT = 100 };      /* of a page when nobody says */

#define FIELDS(list) { (list), sizeof(list) / sizeof *(list) }

static struct chat *
chat_of(const struct rest_exchange *x)
{
    return x->rest->settings.chat;
}

static void
refuse(struct rest_exchange *x, const char *say)
{
    tb_fail(&x->call.any.err, TB_EINPUT, say, "refused by its route");
    rest_finish(x);
}

/* p NULL: nothing, or what JavaScript puts into a query for it. */
static tb_str
query_of(struct rest_exchange *x, tb_str name)
{
    tb_str text = rest_unescape(rest_query_find(x->http->query, name), &x->mem);

    return tb_str_eq(text, TB_LIT("null")) || tb_str_eq(text, TB_LIT("undefined")) ? TB_STR_NULL : text;
}

/* The query's limit, or `initial`. It is a number as JavaScript reads one, and is moved to where it may be, as clients of the
 * old backend are used to. */
static bool
read_limit(struct rest_exchange *x, unsigned initial, unsigned most, unsigned *out)
{
    tb_str text = query_of(x, TB_LIT("limit"));
    double v = initial;

    if (text.p != NULL && !tb_str_to_double(text, &v))
        return false;
    *out = v < 1 ? 1 : v < most ? (unsigned)v : most;
    return true;
}

/* 0: from the beginning. */
static bool
read_cursor(struct rest_exchange *x, int64_t *out)
{
    tb_str text = query_of(x, TB_LIT("cursor"));

    *out = 0;
    return text.p == NULL || tb_str_eq(text, TB_LIT("0")) || chat_id_of(text, out);
}

/* ---- accounts ---- */

static const struct chat_field register_fields[] = {
    { "email", CHAT_NAME, offsetof(struct chat_register, email), "All fields are required", "email must be text" },
    { "username", CHAT_NAME, offsetof(struct chat_register, username), "All fields are required",
      "username must be text" },
    { "password", CHAT_SECRET, offsetof(struct chat_register, password), "All fields are required",
      "password must be text" },
    { "registrationToken", CHAT_TEXT, offsetof(struct chat_register, registration_token), NULL, "registrationToken must be text" },
};

static void
start_register(struct rest_exchange *x)
{
    chat_register(chat_of(x), &x->call.reg);
}

static void
render_session(struct tb_json *j, const struct store_user *user, tb_str token)
{
    tb_json_open_object(j);
    tb_json_key(j, "user");
    chat_render_user(j, user);
    tb_json_key(j, "token");
    tb_json_str(j, token);
    tb_json_end_object(j);
}

static void
render_register(struct rest_exchange *x, struct tb_json *j)
{
    render_session(j, x->call.reg.user, x->call.reg.token);
}

static const struct chat_field login_fields[] = {
    { "email", CHAT_NAME, offsetof(struct chat_login, email), "Email and password are required", "email must be text" },
    { "password", CHAT_SECRET, offsetof(struct chat_login, password), "Email and password are required",
      "password must be text" },
};

static void
start_login(struct rest_exchange *x)
{
    chat_login(chat_of(x), &x->call.login);
}

static void
render_login(struct rest_exchange *x, struct tb_json *j)
{
    render_session(j, x->call.login.user, x->call.login.token);
}

static const struct chat_field change_fields[] = {
    { "email", CHAT_NAME, offsetof(struct chat_change_me, email), NULL, "email must be text" },
    { "username", CHAT_NAME, offsetof(struct chat_change_me, username), NULL, "username must be text" },
    { "password", CHAT_SECRET, offsetof(struct chat_change_me, password), NULL, "password must be text" },
    { "currentPassword", CHAT_SECRET, offsetof(struct chat_change_me, current), "currentPassword is required",
      "currentPassword must be text" },
};

static void
start_change(struct rest_exchange *x)
{
    chat_change_me(chat_of(x), &x->call.change);
}

static void
render_change(struct rest_exchange *x, struct tb_json *j)
{
    tb_json_open_object(j);
    tb_json_key(j, "user");
    chat_render_user(j, x->call.change.user);
    if (x->call.change.token.p != NULL) {
        tb_json_key(j, "token");
        tb_json_str(j, x->call.change.token);
    }
    tb_json_end_object(j);
}

/* ---- rooms ---- */

static const struct chat_field create_fields[] = {
    { "name", CHAT_NAME, offsetof(struct chat_create_room, name), CHAT_SAY_NO_NAME, "name must be text" },
    { "isPrivate", CHAT_BOOL, offsetof(struct chat_create_room, is_private), NULL, "isPrivate must be true or false" },
};

static void
start_create(struct rest_exchange *x)
{
    chat_create_room(chat_of(x), &x->call.create);
}

static void
render_create(struct rest_exchange *x, struct tb_json *j)
{
    chat_render_new_room(j, &x->call.create.add);
}

static const struct chat_field join_fields[] = {
    { "roomId", CHAT_ID, offsetof(struct chat_join, room_id), "Room ID is required", "roomId must be an id" },
};

static void
start_join(struct rest_exchange *x)
{
    chat_join(chat_of(x), &x->call.join);
}

static void
render_join(struct rest_exchange *x, struct tb_json *j)
{
    const struct chat_join *c = &x->call.join;

    tb_json_open_object(j);
    tb_json_key(j, "message");
    tb_json_str(j, TB_LIT("Joined room successfully"));
    tb_json_key(j, "member");
    chat_render_member(j, c->add.member_id, c->call.user_id, c->room_id);
    tb_json_end_object(j);
}

static const struct chat_field add_member_fields[] = {
    { "userId", CHAT_ID, offsetof(struct chat_add_member, member_user_id), "userId is required",
      "userId must be an id" },
};

static void
start_add_member(struct rest_exchange *x)
{
    if (chat_id_of(x->wild, &x->call.add_member.room_id))
        chat_add_member(chat_of(x), &x->call.add_member);
    else
        refuse(x, "Invalid roomId");
}

static void
render_add_member(struct rest_exchange *x, struct tb_json *j)
{
    const struct chat_add_member *c = &x->call.add_member;

    tb_json_open_object(j);
    tb_json_key(j, "member");
    chat_render_member(j, c->add.member_id, c->member_user_id, c->room_id);
    tb_json_end_object(j);
}

static void
start_leave(struct rest_exchange *x)
{
    if (chat_id_of(x->wild, &x->call.leave.room_id))
        chat_leave(chat_of(x), &x->call.leave);
    else
        refuse(x, "Invalid roomId");
}

static void
start_rooms(struct rest_exchange *x)
{
    chat_list_rooms(chat_of(x), &x->call.rooms);
}

static void
render_rooms(struct rest_exchange *x, struct tb_json *j)
{
    const struct store_list_rooms *l = &x->call.rooms.list;

    tb_json_open_array(j);
    for (size_t i = 0; i < l->n; i++)
        chat_render_room(j, &l->rooms[i]);
    tb_json_end_array(j);
}

static void
start_members(struct rest_exchange *x)
{
    struct chat_list_members *m = &x->call.members;

    if (!chat_id_of(x->wild, &m->room_id))
        refuse(x, "Invalid roomId");
    else if (!read_limit(x, MEMBERS_DEFAULT, CHAT_MEMBERS_MAX, &m->limit))
        refuse(x, "limit must be a number from 1 to 1000");
    else if (!read_cursor(x, &m->cursor))
        refuse(x, "Invalid cursor");
    else
        chat_list_members(chat_of(x), m);
}

static void
render_members(struct rest_exchange *x, struct tb_json *j)
{
    const struct store_list_members *l = &x->call.members.list;

    tb_json_open_object(j);
    tb_json_key(j, "items");
    tb_json_open_array(j);
    for (size_t i = 0; i < l->n; i++)
        chat_render_room_member(j, &l->items[i], x->rest->settings.live != NULL &&
                                                     live_is_online(x->rest->settings.live, l->items[i].user_id));
    tb_json_end_array(j);
    tb_json_key(j, "nextCursor");
    if (l->next_after != 0)
        tb_json_int(j, l->next_after);
    else
        tb_json_null(j);
    tb_json_end_object(j);
}

/* ---- messages ---- */

static const struct chat_field send_fields[] = {
    { "roomId", CHAT_ID, offsetof(struct chat_send, room_id), "roomId is required", "roomId must be an id" },
    { "content", CHAT_TEXT, offsetof(struct chat_send, content), CHAT_SAY_NO_CONTENT, "content must be text" },
    { "clientId", CHAT_KEY, offsetof(struct chat_send, key), NULL, "clientId must be text" },
};

/* The header and the field say the same thing; whoever sends both must mean the same. */
static void
start_send(struct rest_exchange *x)
{
    struct chat_send *s = &x->call.send;
    tb_str            header = net_request_header(x->http, TB_LIT("idempotency-key"));

    if (header.p != NULL && s->key.p != NULL && !tb_str_eq(header, s->key)) {
        refuse(x, "Idempotency-Key and clientId must be the same");
        return;
    }
    if (header.p != NULL)
        s->key = header;
    chat_send(chat_of(x), s);
}

static void
render_send(struct rest_exchange *x, struct tb_json *j)
{
    chat_render_message(j, x->call.send.message);
}

static const char *
read_page(struct rest_exchange *x, struct chat_history *h)
{
    h->since = query_of(x, TB_LIT("since"));
    if (!chat_id_of(x->wild, &h->room_id))
        return "Invalid roomId";
    if (!read_limit(x, HISTORY_DEFAULT, CHAT_HISTORY_MAX, &h->limit))
        return "limit must be a number from 1 to 100";
    if (!read_cursor(x, &h->cursor))
        return "Invalid cursor";
    if (h->cursor != 0 && h->since.p != NULL)
        return "cursor and since exclude each other";
    return NULL;
}

static void
start_history(struct rest_exchange *x)
{
    struct chat_history *h = &x->call.history;
    const char          *wrong = read_page(x, h);

    if (wrong != NULL) {
        refuse(x, wrong);
        return;
    }
    if (h->cursor != 0 && x->rest->settings.live != NULL)
        live_page_confirmed(x->rest->settings.live, h->call.user_id, h->room_id, h->cursor);
    chat_history(chat_of(x), h);
}

static void
render_partial(struct tb_json *j, bool is_partial)
{
    if (!is_partial)
        return;
    tb_json_key(j, "partial");
    tb_json_bool(j, true);
}

static void
render_history(struct rest_exchange *x, struct tb_json *j)
{
    const struct chat_history        *h = &x->call.history;
    const struct store_list_messages *l = &h->list;

    if (x->rest->settings.live != NULL)         /* receipts of what is not here are not kept here */
        live_page_shown(x->rest->settings.live, x->call.history.call.user_id, l);
    tb_json_open_object(j);
    tb_json_key(j, "items");
    tb_json_open_array(j);
    for (size_t i = 0; i < h->n; i++)
        chat_render_item(j, &h->items[i]);
    tb_json_end_array(j);
    tb_json_key(j, "nextCursor");
    if (l->next_cursor != 0)
        tb_json_int(j, l->next_cursor);
    else
        tb_json_null(j);
    tb_json_key(j, "offset");
    tb_json_str(j, tb_str_of(l->offset));
    render_partial(j, h->is_partial);
    tb_json_end_object(j);
}

static const struct chat_field read_fields[] = {
    { "messageIds", CHAT_IDS, offsetof(struct chat_read, ids), CHAT_SAY_NO_IDS, CHAT_SAY_NO_IDS },
};

static void
start_read(struct rest_exchange *x)
{
    chat_read(chat_of(x), &x->call.read);
}

static void
render_read(struct rest_exchange *x, struct tb_json *j)
{
    tb_json_open_object(j);
    tb_json_key(j, "count");
    tb_json_int(j, (int64_t)x->call.read.count);
    tb_json_end_object(j);
}

static void
start_receipts(struct rest_exchange *x)
{
    if (chat_id_of(x->wild, &x->call.receipts.message_id))
        chat_receipts(chat_of(x), &x->call.receipts);
    else
        refuse(x, "Invalid messageId");
}

static void
render_receipts(struct rest_exchange *x, struct tb_json *j)
{
    const struct chat_receipts *r = &x->call.receipts;

    tb_json_open_object(j);
    tb_json_key(j, "items");
    tb_json_open_array(j);
    for (size_t i = 0; i < r->n; i++)
        chat_render_receipt(j, &r->items[i]);
    tb_json_end_array(j);
    render_partial(j, r->is_partial);
    tb_json_end_object(j);
}

/* ---- how the server is ---- */

static void
start_root(struct rest_exchange *x)
{
    rest_answer(x, 200, TB_LIT("text/plain; charset=utf-8"), TB_LIT("Chat API Running"));
}

static struct rest_sync
sync_of(const struct rest_exchange *x)
{
    struct rest_sync s = { .state = REST_SYNC_OFF };

    if (x->rest->settings.sync_of != NULL)
        x->rest->settings.sync_of(x->rest->settings.sync_ctx, &s);
    return s;
}

static tb_str
sync_state_text(enum rest_sync_state state)
{
    switch (state) {
    case REST_SYNC_OFF:
        return TB_LIT("off");
    case REST_SYNC_UP:
        return TB_LIT("up");
    case REST_SYNC_DOWN:
        return TB_LIT("down");
    case REST_SYNC_DIVERGED:
        return TB_LIT("diverged");
    }
    return TB_STR_NULL;
}

static void
render_sync(struct rest_exchange *x, struct tb_json *j)
{
    struct rest_sync s = sync_of(x);

    tb_json_open_object(j);
    tb_json_key(j, "state");
    tb_json_str(j, sync_state_text(s.state));
    tb_json_key(j, "lagOps");
    tb_json_int(j, s.lag_ops);
    tb_json_key(j, "lagSeconds");
    tb_json_int(j, s.lag_ms / 1000);
    tb_json_key(j, "lastSyncedAt");
    if (s.last_synced_at != 0)
        tb_json_time(j, s.last_synced_at);
    else
        tb_json_null(j);
    if (s.refused > 0) {
        tb_json_key(j, "refused");
        tb_json_int(j, (int64_t)s.refused);
    }
    tb_json_end_object(j);
}

static void
render_healthz(struct rest_exchange *x, struct tb_json *j)
{
    (void)x;
    tb_json_open_object(j);
    tb_json_key(j, "status");
    tb_json_str(j, TB_LIT("ok"));
    tb_json_end_object(j);
}

/* The centre being away shows, and makes nothing unready but a journal that must meet it first. */
static void
render_readyz(struct rest_exchange *x, struct tb_json *j)
{
    tb_json_open_object(j);
    tb_json_key(j, "status");
    tb_json_str(j, TB_LIT("ready"));
    tb_json_key(j, "sync");
    tb_json_str(j, sync_state_text(sync_of(x).state));
    tb_json_end_object(j);
}

static void
start_readyz(struct rest_exchange *x)
{
    struct store_status s;

    store_status(x->rest->settings.store, &s);
    if (s.is_full)
        tb_fail(&x->call.any.err, TB_EFULL, NULL, "below the reserve");
    else if (s.awaits != STORE_AWAITS_NOTHING)
        tb_fail(&x->call.any.err, TB_EBUSY, "The journal waits for its centre before it takes changes", "see tombolo sync status");
    else if (!s.is_writable)
        tb_fail(&x->call.any.err, TB_EIO, "The journal is not writable", "the last commit failed");
    rest_finish(x);
}

/* Whoever may not read it learns that it is there, which is no secret. */
static void
start_metrics(struct rest_exchange *x)
{
    const struct rest_settings *s = &x->rest->settings;
    struct tb_buf              *out = &x->rest->out;

    if (!metrics_may_read(x->http->peer, x->http->is_forwarded, &s->metrics_from)) {
        tb_fail(&x->call.any.err, TB_EDENIED, NULL, "metrics for " TB_STR_FMT, TB_STR_ARG(x->http->peer));
        rest_finish(x);
        return;
    }
    tb_buf_clear(out);
    metrics_write(out, s);
    rest_answer(x, 200, TB_LIT(METRICS_TYPE), tb_buf_str(out));
}

static void
start_openapi(struct rest_exchange *x)
{
    rest_answer_document(x, &rest_openapi);
}

static void
start_asyncapi(struct rest_exchange *x)
{
    rest_answer_document(x, &rest_asyncapi);
}

/* ---- the table ---- */

static const struct rest_route routes[] = {
    { "GET", "/messages/rooms/*/messages", false, false, { 0 }, start_history, 200, render_history },
    { "POST", "/messages", false, false, FIELDS(send_fields), start_send, 201, render_send },
    { "POST", "/messages/read", false, false, FIELDS(read_fields), start_read, 200, render_read },
    { "GET", "/messages/*/receipts", false, false, { 0 }, start_receipts, 200, render_receipts },
    { "GET", "/rooms", false, false, { 0 }, start_rooms, 200, render_rooms },
    { "POST", "/rooms", false, false, FIELDS(create_fields), start_create, 201, render_create },
    { "POST", "/rooms/join", false, false, FIELDS(join_fields), start_join, 200, render_join },
    { "GET", "/rooms/*/members", false, false, { 0 }, start_members, 200, render_members },
    { "POST", "/rooms/*/members", false, false, FIELDS(add_member_fields), start_add_member, 201, render_add_member },
    { "DELETE", "/rooms/*/members/me", false, false, { 0 }, start_leave, 204, NULL },
    { "POST", "/auth/login", true, false, FIELDS(login_fields), start_login, 200, render_login },
    { "POST", "/auth/register", true, false, FIELDS(register_fields), start_register, 201, render_register },
    { "PATCH", "/auth/me", false, false, FIELDS(change_fields), start_change, 200, render_change },
    { "GET", "/sync", false, false, { 0 }, rest_finish, 200, render_sync },
    { "GET", "/", true, false, { 0 }, start_root, 200, NULL },
    { "GET", "/app", true, true, { 0 }, page_start, 200, NULL },
    { "GET", "/app/*/*", true, true, { 0 }, page_start, 200, NULL },
    { "GET", "/healthz", true, false, { 0 }, rest_finish, 200, render_healthz },
    { "GET", "/readyz", true, false, { 0 }, start_readyz, 200, render_readyz },
    { "GET", "/metrics", true, true, { 0 }, start_metrics, 200, NULL },
    { "GET", "/openapi.json", true, false, { 0 }, start_openapi, 200, NULL },
    { "GET", "/asyncapi.json", true, false, { 0 }, start_asyncapi, 200, NULL },
};

static void
allow(struct tb_buf *methods, const char *method)
{
    if (methods->n > 0)
        tb_buf_add(methods, TB_LIT(", "));
    tb_buf_add(methods, tb_str_of(method));
    if (tb_str_eq(tb_str_of(method), TB_LIT("GET")))
        tb_buf_add(methods, TB_LIT(", HEAD"));
}

const struct rest_route *
rest_route_find(tb_str method, tb_str path, struct tb_arena *mem, tb_str *wild, struct tb_buf *methods, struct tb_err *e)
{
    tb_str plain = rest_unescape(path, mem);
    tb_str wanted = tb_str_eq(method, TB_LIT("HEAD")) ? TB_LIT("GET") : method;

    /* What is private the old backend had not, and proxies may close it by its name as it is written. */
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        bool is_private = routes[i].is_private;
        if (!rest_path_matches(is_private ? path : plain, tb_str_of(routes[i].path), !is_private, wild))
            continue;
        if (tb_str_eq(wanted, tb_str_of(routes[i].method)))
            return &routes[i];
        allow(methods, routes[i].method);
    }
    if (methods->n > 0)
        tb_fail(e, TB_EMETHOD, NULL, "another method");
    else
        tb_fail(e, TB_ENOTFOUND, NULL, "no such path");
    return NULL;
}

static_assert(sizeof routes / sizeof *routes <= REST_ROUTES_MAX, "each has its place in struct rest");

size_t
rest_route_number(const struct rest_route *route)
{
    return (size_t)(route - routes);
}

void
rest_route_tallies(struct net_tally *out[REST_ROUTES_MAX])
{
    struct tb_buf name = TB_BUF_INIT;

    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        tb_buf_clear(&name);
        tb_buf_printf(&name, "%s %s", routes[i].method, routes[i].path);
        out[i] = net_tally(name.p);
    }
    tb_buf_fini(&name);
}
