/* /app/: files from a table, their headers, and what stands there when there is none. */
#include "site.h"

#include "rest/page.h"

#define VERSION "/app/0123456789ab/"

static const struct page_file two_files[] = {
    { "/app/", "text/html; charset=utf-8", "\"e1\"", TB_LIT("the index"), TB_LIT("the index, squeezed") },
    { VERSION "app.js", "text/javascript; charset=utf-8", "\"e2\"", TB_LIT("the code"), TB_LIT("the code, squeezed") },
    { .path = NULL },
};
static const struct page_file no_files[] = { { .path = NULL } };

static void
has(const struct site *s, const char *header)
{
    if (strstr(s->answer.headers.p, header) == NULL)
        fail_msg("no \"%s\" in %s", header, s->answer.headers.p);
}

static void
the_index_is_asked_for_anew_and_the_rest_is_kept(void **state)
{
    struct site *s = *state;

    site_do(s, 200, 0, "GET", "/app/", NULL);
    site_expect(s, "the index");
    assert_string_equal("text/html; charset=utf-8", s->answer.type.p);
    has(s, "cache-control: no-cache\n");
    has(s, "etag: \"e1\"\n");
    site_do(s, 200, 0, "GET", "/app", NULL);
    site_expect(s, "the index");
    site_do(s, 200, 0, "GET", VERSION "app.js", NULL);
    site_expect(s, "the code");
    has(s, "cache-control: public, max-age=31536000, immutable\n");
    site_do(s, 404, 0, "GET", "/app/000000000000/app.js", NULL);
    site_do(s, 404, 0, "GET", VERSION "other.js", NULL);
}

static void
every_file_brings_the_policy(void **state)
{
    struct site *s = *state;

    site_do(s, 200, 0, "GET", VERSION "app.js", NULL);
    has(s, "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
           "img-src 'self' data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; ");
    has(s, "x-content-type-options: nosniff\n");
    has(s, "referrer-policy: no-referrer\n");
    has(s, "vary: accept-encoding\n");
}

static void
what_is_known_is_not_sent_and_who_takes_gzip_gets_it(void **state)
{
    struct site *s = *state;

    assert_int_equal(304, site_ask(s, 0, "GET", "/app/", NULL, "if-none-match: \"x\", W/\"e1\""));
    assert_int_equal(0, s->answer.body.n);
    assert_int_equal(200, site_ask(s, 0, "GET", "/app/", NULL, "if-none-match: \"e2\""));
    assert_int_equal(200, site_ask(s, 0, "GET", "/app/", NULL, "accept-encoding: br, gzip"));
    site_expect(s, "the index, squeezed");
    has(s, "content-encoding: gzip\n");
    assert_int_equal(200, site_ask(s, 0, "GET", "/app/", NULL, "accept-encoding: gzip;q=0"));
    site_expect(s, "the index");
    assert_null(strstr(s->answer.headers.p, "content-encoding"));
}

static void
without_a_page_it_is_said_why(void **state)
{
    struct site *s = *state;

    site_do(s, 404, 0, "GET", "/app/", NULL);
    if (strstr(s->answer.body.p, site_page == NULL ? "switched off" : "npm could not be reached") == NULL)
        fail_msg("%s", s->answer.body.p);
    site_do(s, 404, 0, "GET", VERSION "app.js", NULL);
}

static int
open_with_page(void **state)
{
    site_page = two_files;
    return site_open(state);
}

static int
open_left_out(void **state)
{
    site_page = no_files;
    return site_open(state);
}

static int
open_switched_off(void **state)
{
    site_page = NULL;
    return site_open(state);
}

#define WITH(test, open) cmocka_unit_test_setup_teardown(test, open, site_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(the_index_is_asked_for_anew_and_the_rest_is_kept, open_with_page),
        WITH(every_file_brings_the_policy, open_with_page),
        WITH(what_is_known_is_not_sent_and_who_takes_gzip_gets_it, open_with_page),
        WITH(without_a_page_it_is_said_why, open_left_out),
        WITH(without_a_page_it_is_said_why, open_switched_off),
    };
    return tap_run(tests);
}
