/* Which path is whose, and what a query says. */
#include "rest/path.h"
#include "rest/exchange.h"
#include "tap.h"

static void
a_pattern_matches_segment_by_segment(void **state)
{
    static const struct { const char *path, *pattern, *wild; bool matches; } rows[] = {
        { "/", "/", NULL, true },
        { "/rooms", "/rooms", NULL, true },
        { "/rooms/", "/rooms", NULL, true },
        { "/rooms//", "/rooms", NULL, false },
        { "//rooms", "/rooms", NULL, false },
        { "/rooms/x", "/rooms", NULL, false },
        { "/room", "/rooms", NULL, false },
        { "/roomss", "/rooms", NULL, false },
        { "/Rooms", "/rooms", NULL, true },
        { "/ROOMS/12/Members", "/rooms/*/members", "12", true },
        { "rooms", "/rooms", NULL, false },
        { "", "/", NULL, false },
        { "//", "/", NULL, false },
        { "/rooms/12/members", "/rooms/*/members", "12", true },
        { "/rooms/12/members/", "/rooms/*/members", "12", true },
        { "/rooms/%31/members", "/rooms/*/members", "%31", true },
        { "/rooms//members", "/rooms/*/members", NULL, false },
        { "/rooms/1/2/members", "/rooms/*/members", NULL, false },
        { "/rooms/1", "/rooms/*/members", NULL, false },
        { "/rooms/*/members", "/rooms/*/members", "*", true },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tb_str wild = TB_STR_NULL;
        if (rest_path_matches(tb_str_of(rows[i].path), tb_str_of(rows[i].pattern), true, &wild) != rows[i].matches)
            fail_msg("%s and %s", rows[i].path, rows[i].pattern);
        if (rows[i].matches)
            assert_true(tb_str_eq(wild, tb_str_of(rows[i].wild)));
    }
}

static void
escapes_are_decoded_once_and_slashes_never(void **state)
{
    static const struct { const char *in, *out; } rows[] = {
        { "/rooms/%31/members", "/rooms/1/members" }, { "/%72ooms", "/rooms" }, { "%32", "2" }, { "a%2Fb", "a%2Fb" },
        { "a%2fb", "a%2fb" }, { "%2531", "%31" }, { "%", "%" }, { "%3", "%3" }, { "%zz", "%zz" }, { "%c3%bc", "\u00fc" },
        { "plain", "plain" }, { "", "" },
    };
    struct tb_arena mem = { 0 };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!tb_str_eq(rest_unescape(tb_str_of(rows[i].in), &mem), tb_str_of(rows[i].out)))
            fail_msg("%s", rows[i].in);
    tb_arena_fini(&mem);
}

static void
case_matters_where_it_is_to(void **state)
{
    tb_str wild = TB_STR_NULL;
    (void)state;
    assert_true(rest_path_matches(TB_LIT("/app/"), TB_LIT("/app"), false, &wild));
    assert_false(rest_path_matches(TB_LIT("/App/"), TB_LIT("/app"), false, &wild));
}

static void
each_path_of_the_contract_has_its_methods(void **state)
{
    static const struct { const char *method, *path, *allow; bool found; } rows[] = {
        { "GET", "/", "", true },                        { "POST", "/auth/register", "", true },
        { "POST", "/auth/login", "", true },             { "PATCH", "/auth/me", "", true },
        { "GET", "/rooms", "", true },                   { "POST", "/rooms", "", true },
        { "POST", "/rooms/join", "", true },             { "POST", "/rooms/1/members", "", true },
        { "GET", "/rooms/1/members", "", true },
        { "DELETE", "/rooms/1/members/me", "", true },   { "POST", "/messages", "", true },
        { "POST", "/messages/read", "", true },          { "GET", "/messages/1/receipts", "", true },
        { "GET", "/messages/rooms/1/messages", "", true },
        { "GET", "/sync", "", true },                    { "GET", "/healthz", "", true },
        { "GET", "/readyz", "", true },                  { "HEAD", "/rooms", "", true },
        { "GET", "/app/", "", true },
        { "GET", "/app/0123456789ab/app.js", "", true }, { "GET", "/app/app.js", "", false },
        { "HEAD", "/", "", true },
        { "POST", "/Auth/LOGIN", "", true },             { "GET", "/Healthz", "", true },
        { "GET", "/%72ooms", "", true },                 { "GET", "/%6Detrics", "", false },
        { "GET", "/Metrics", "", false },                { "GET", "/APP/", "", false },
        { "DELETE", "/rooms", "GET, HEAD, POST", false },
        { "GET", "/rooms/join", "POST", false },
        { "HEAD", "/rooms/join", "POST", false },
        { "get", "/rooms", "GET, HEAD, POST", false },
        { "POST", "/", "GET, HEAD", false },
        { "GET", "/auth/me", "PATCH", false },
        { "GET", "/rooms/1/members/me", "DELETE", false },
        { "GET", "/nothing", "", false },
        { "POST", "/auth", "", false },
        { "GET", "/messages/rooms/1", "", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tb_buf            allow = TB_BUF_INIT;
        struct tb_err            e = { .code = TB_OK };
        tb_str                   wild, method = tb_str_of(rows[i].method);
        struct tb_arena          mem = { 0 };
        const struct rest_route *r = rest_route_find(method, tb_str_of(rows[i].path), &mem, &wild, &allow, &e);
        if ((r != NULL) != rows[i].found)
            fail_msg("%s %s", rows[i].method, rows[i].path);
        if (r == NULL) {
            assert_string_equal(rows[i].allow, allow.p ? allow.p : "");
            assert_int_equal(rows[i].allow[0] ? TB_EMETHOD : TB_ENOTFOUND, e.code);
        }
        tb_arena_fini(&mem);
        tb_buf_fini(&allow);
    }
}

static void
a_query_gives_its_first_value_that_is_not_empty(void **state)
{
    static const struct { const char *query, *value; } rows[] = {
        { "limit=5", "5" }, { "a=1&limit=5", "5" }, { "limit=5&limit=6", "5" }, { "limit=&limit=6", "6" },
          { "limit=a=b", "a=b" },
        { "", NULL }, { "limit", NULL }, { "limit=", NULL }, { "xlimit=5", NULL }, { "limitx=5", NULL }, { "&&&",
          NULL },
        { "=5", NULL }, { "&limit=5&", "5" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tb_str v = rest_query_find(tb_str_of(rows[i].query), TB_LIT("limit"));
        if (!tb_str_eq(v, tb_str_of(rows[i].value)) || (v.p == NULL) != (rows[i].value == NULL))
            fail_msg("%s: " TB_STR_FMT, rows[i].query, TB_STR_ARG(v));
    }
}

static void
json_is_known_by_its_type_whatever_its_parameters(void **state)
{
    static const struct { const char *type; bool is; } rows[] = {
        { "application/json", true }, { "Application/JSON", true }, { "application/json; charset=utf-8", true },
        { " application/json ;x", true }, { "application/jsonx", false }, { "text/plain", false }, { "", false },
          { ";", false },
        { "application/x-www-form-urlencoded", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(rows[i].is, rest_is_json(tb_str_of(rows[i].type)));
}

static void
a_header_lists_what_it_names_with_any_weight_but_none(void **state)
{
    static const struct { const char *header; bool is; } rows[] = {
        { "gzip", true }, { "deflate, GZIP", true }, { "br;q=1.0, gzip;q=0.8, *;q=0.1", true }, { "gzip;q=0.001", true },
        { "W/gzip", true }, { "gzip;q=0", false }, { "gzip; q=0.000", false }, { "gzipped", false }, { "xgzip", false },
        { "*", false }, { "", false }, { ",;,", false }, { "deflate", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rest_lists(tb_str_of(rows[i].header), TB_LIT("gzip")) != rows[i].is)
            fail_msg("%s", rows[i].header);
    assert_false(rest_lists(TB_STR_NULL, TB_LIT("gzip")));
}

/* No request is made in this program. */
void
net_respond(struct net_request *r, const struct net_response *answer)
{
    (void)r;
    (void)answer;
}

tb_str
net_request_header(const struct net_request *r, tb_str name)
{
    (void)r;
    (void)name;
    return TB_STR_NULL;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_matches_segment_by_segment),
        cmocka_unit_test(escapes_are_decoded_once_and_slashes_never),
        cmocka_unit_test(case_matters_where_it_is_to),
        cmocka_unit_test(each_path_of_the_contract_has_its_methods),
        cmocka_unit_test(a_query_gives_its_first_value_that_is_not_empty),
        cmocka_unit_test(a_header_lists_what_it_names_with_any_weight_but_none),
        cmocka_unit_test(json_is_known_by_its_type_whatever_its_parameters),
    };
    return tap_run(tests);
}
