/* Who may read our answers from a page of another origin. */
#include "loop.h"

static const struct {
    const char *name, *origins, *request;
    const char *has[4];         /* lines the answer has */
    const char *lacks;          /* text it has not */
} cases[] = {
    { "any origin", "*", "GET /say/ HTTP/1.1\r\nHost: h\r\nOrigin: http://a\r\n",
      { "HTTP/1.1 200", "access-control-allow-origin: *\r\n", "access-control-expose-headers: retry-after, x-request-id\r\n" }, "vary" },
    { "a listed origin is named, and caches are told", "http://b https://a.example",
      "GET /say/ HTTP/1.1\r\nHost: h\r\nOrigin: https://a.example\r\n",
      { "access-control-allow-origin: https://a.example\r\n", "vary: origin\r\n", "access-control-allow-credentials: true\r\n" },
      "allow-origin: *" },
    { "credentials are for listed origins", "*", "GET /say/ HTTP/1.1\r\nHost: h\r\nOrigin: http://a\r\n", { "HTTP/1.1 200" },
      "allow-credentials" },
    { "another origin is not", "http://b https://a.example", "GET /say/ HTTP/1.1\r\nHost: h\r\nOrigin: https://evil\r\n",
      { "HTTP/1.1 200", "vary: origin\r\n" }, "access-control" },
    { "nor the beginning of a listed one", "http://b https://a.example",
      "GET /say/ HTTP/1.1\r\nHost: h\r\nOrigin: https://a\r\n", { "HTTP/1.1 200", "vary: origin\r\n" }, "access-control" },
    { "no origin asks", "http://b", "GET /say/ HTTP/1.1\r\nHost: h\r\n", { "HTTP/1.1 200", "vary: origin\r\n" },
      "access-control" },
    { "an answer without CORS", "*", "GET /say/?plain HTTP/1.1\r\nHost: h\r\nOrigin: http://a\r\n", { "HTTP/1.1 200" },
      "access-control" },
    { "CORS turned off", "", "GET /say/ HTTP/1.1\r\nHost: h\r\nOrigin: http://a\r\n", { "HTTP/1.1 200" }, "access-control" },
    { "a preflight", "*",
      "OPTIONS /rooms HTTP/1.1\r\nHost: h\r\nOrigin: http://a\r\nAccess-Control-Request-Method: PATCH\r\n",
      { "HTTP/1.1 204 No Content\r\n", "access-control-allow-methods: GET, HEAD, POST, PUT, PATCH, DELETE\r\n",
        "access-control-allow-headers: authorization, content-type, idempotency-key\r\n",
        "access-control-max-age: 7200\r\n" }, "Content-Length" },
    { "a preflight from a listed origin", "http://b",
      "OPTIONS /rooms HTTP/1.1\r\nHost: h\r\nOrigin: http://b\r\nAccess-Control-Request-Method: PATCH\r\n",
      { "HTTP/1.1 204 No Content\r\n", "access-control-allow-origin: http://b\r\n", "vary: origin\r\n" }, "origin: *" },
    { "a preflight for headers of the page's own", "*",
      "OPTIONS /rooms HTTP/1.1\r\nHost: h\r\nOrigin: http://a\r\nAccess-Control-Request-Headers: x-mine, content-type\r\n",
      { "HTTP/1.1 204 No Content\r\n", "access-control-allow-headers: x-mine, content-type\r\n" }, "authorization" },
    { "what is no list of headers is not repeated", "*",
      "OPTIONS /rooms HTTP/1.1\r\nHost: h\r\nOrigin: http://a\r\nAccess-Control-Request-Headers: x; \"mine\"\r\n",
      { "HTTP/1.1 204 No Content\r\n", "access-control-allow-headers: authorization, content-type, idempotency-key\r\n" },
      "mine" },
    { "without CORS, OPTIONS is for the handlers", "", "OPTIONS /echo/ HTTP/1.1\r\nHost: h\r\n",
      { "HTTP/1.1 200", "\"method\":\"OPTIONS\"" }, "access-control" },
    { "a page of another origin may read why it was refused", "*",
      "POST /echo/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\nOrigin: http://a\r\n",
      { "HTTP/1.1 413 ", "access-control-allow-origin: *\r\n", "too_large" }, "vary" },
};

static void
answers_say_who_may_read_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct loop  *l = loop_start((struct net_settings){ .cors_origins = cases[i].origins });
        struct tb_buf request = TB_BUF_INIT;
        tb_buf_printf(&request, "%sConnection: close\r\n\r\n", cases[i].request);
        const char *answer = client_ask(l, request.p);
        for (size_t k = 0; k < 4 && cases[i].has[k] != NULL; k++)
            if (strstr(answer, cases[i].has[k]) == NULL)
                fail_msg("%s: no %s in %s", cases[i].name, cases[i].has[k], answer);
        if (strstr(answer, cases[i].lacks) != NULL)
            fail_msg("%s: %s in %s", cases[i].name, cases[i].lacks, answer);
        tb_buf_fini(&request);
        loop_stop(&l);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(answers_say_who_may_read_them) };
    return tap_run(tests);
}
