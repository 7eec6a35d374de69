/* What is the same for every call: paths, methods, bodies; and how the server says it is. */
#include "site.h"

static void
unknown_paths_and_methods_are_told_apart(void **state)
{
    static const struct refusal rows[] = {
        { "GET", "/nothing", NULL, 0, 404, "There is nothing here by that name", "not_found" },
        { "GET", "/metrics/x", NULL, 0, 404, "There is nothing here by that name", "not_found" },
        { "DELETE", "/rooms", NULL, 0, 405, "That cannot be done with this address", "method_not_allowed" },
    };
    struct site *s = *state;
    site_refuses(s, rows, sizeof rows / sizeof *rows);
    assert_non_null(strstr(s->answer.headers.p, "allow: GET, HEAD, POST\n"));
}

static void
a_body_must_be_json_and_say_so(void **state)
{
    static const struct { const char *body, *header, *message; } rows[] = {
        { "{\"name\":\"x\"}", "content-type: text/plain", "Content-Type must be application/json" },
        { "name=x", "content-type: application/x-www-form-urlencoded", "Content-Type must be application/json" },
        { "{\"name\":\"x\"}", "content-type: ", "Content-Type must be application/json" },
        { "{\"name\":", NULL, "The body is not valid JSON" },
        { "[\"name\"]", NULL, "A JSON object is required" },
        { "{\"name\":\"x\",\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", NULL,
          "The JSON is nested too deeply" },
    };
    struct site *s = *state;
    site_add_user(s, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tb_buf want = TB_BUF_INIT;
        tb_buf_printf(&want, "{\"message\":\"%s\",\"code\":\"bad_request\"}", rows[i].message);
        assert_int_equal(400, site_ask(s, 1, "POST", "/rooms", rows[i].body, rows[i].header));
        site_expect(s, want.p);
        tb_buf_fini(&want);
    }
    const char *header = "content-type: application/json; charset=UTF-8";
    assert_int_equal(201, site_ask(s, 1, "POST", "/rooms", "{\"name\":\"x\"}", header));
}

static void
the_token_is_looked_at_before_the_body(void **state)
{
    struct site *s = *state;
    site_do(s, 401, 0, "POST", "/rooms", "{");
}

static void
a_site_says_how_it_is(void **state)
{
    struct site *s = *state;
    site_do(s, 200, 0, "GET", "/", NULL);
    site_expect(s, "Chat API Running");
    site_do(s, 200, 0, "GET", "/healthz", NULL);
    site_expect(s, "{\"status\":\"ok\"}");
    site_do(s, 200, 0, "GET", "/readyz", NULL);
    site_expect(s, "{\"status\":\"ready\",\"sync\":\"off\"}");
    s->sync.state = REST_SYNC_DOWN;
    site_do(s, 200, 0, "GET", "/readyz", NULL);
    site_expect(s, "{\"status\":\"ready\",\"sync\":\"down\"}");
}

static void
sync_tells_state_and_lag_to_who_is_known(void **state)
{
    static const struct { enum rest_sync_state state; const char *text; } rows[] = {
        { REST_SYNC_OFF, "off" }, { REST_SYNC_UP, "up" }, { REST_SYNC_DOWN, "down" }, { REST_SYNC_DIVERGED,
        "diverged" },
    };
    struct site *s = *state;
    site_do(s, 401, 0, "GET", "/sync", NULL);
    site_add_user(s, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tb_buf want = TB_BUF_INIT;
        tb_buf_printf(&want, "{\"state\":\"%s\",\"lagOps\":5,\"lagSeconds\":7,\"lastSyncedAt\":null}", rows[i].text);
        s->sync = (struct rest_sync){ .state = rows[i].state, .lag_ops = 5, .lag_ms = 7999 };
        site_do(s, 200, 1, "GET", "/sync", NULL);
        site_expect(s, want.p);
        tb_buf_fini(&want);
    }
    s->sync.last_synced_at = 1700000000000;
    site_do(s, 200, 1, "GET", "/sync", NULL);
    assert_non_null(strstr(s->answer.body.p, "\"lastSyncedAt\":\"2023-11-14T22:13:20.000Z\""));
}

/* Once closing, every change is answered busy, with a hint when to come back. */
static void
a_store_that_refuses_is_told_as_busy(void **state)
{
    struct site *s = *state;
    site_add_user(s, 1);
    site_do(s, 201, 1, "POST", "/rooms", "{\"name\":\"x\"}");
    chat_stop(s->chat);
    site_do(s, 503, 0, "POST", "/auth/login", "{\"email\":\"u1@example.org\",\"password\":\"password1\"}");
    site_expect(s, "{\"message\":\"The server is busy, try again in a moment\",\"code\":\"busy\",\"retryAfter\":1}");
    assert_non_null(strstr(s->answer.headers.p, "retry-after: 1\n"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SITE(unknown_paths_and_methods_are_told_apart),
        IN_SITE(a_body_must_be_json_and_say_so),
        IN_SITE(the_token_is_looked_at_before_the_body),
        IN_SITE(a_site_says_how_it_is),
        IN_SITE(sync_tells_state_and_lag_to_who_is_known),
        IN_SITE(a_store_that_refuses_is_told_as_busy),
    };
    return tap_run(tests);
}
