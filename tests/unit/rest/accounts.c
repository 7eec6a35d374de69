/* /auth/..., and who is let in at all. */
#include "site.h"

#include <stdio.h>

#define USER1                                                                                    \
    "{\"id\":1,\"email\":\"u1@example.org\",\"username\":\"User1\","                              \
    "\"createdAt\":\"2023-11-14T22:13:20.000Z\",\"lastSeen\":null}"

static void
registering_gives_the_user_and_a_token_and_never_the_hash(void **state)
{
    struct site *s = *state;
    site_add_user(s, 1);
    site_expect(s, "{\"user\":" USER1 ",\"token\":\"~\"}");
    assert_string_equal("cache-control: no-store\n", s->answer.headers.p);
    site_do(s, 200, 1, "GET", "/rooms", NULL);
    site_expect(s, "[]");
}

static void
a_login_gives_the_same_shape(void **state)
{
    struct site *s = *state;
    site_add_user(s, 1);
    site_do(s, 200, 0, "POST", "/auth/login", "{\"email\":\" U1@Example.ORG \",\"password\":\"password1\"}");
    site_expect(s, "{\"user\":" USER1 ",\"token\":\"~\"}");
}

static void
accounts_are_refused_in_the_words_of_the_contract(void **state)
{
    static const struct refusal rows[] = {
        { "POST", "/auth/register", NULL, 0, 400, "All fields are required", "bad_request" },
        { "POST", "/auth/register", "{}", 0, 400, "All fields are required", "bad_request" },
        { "POST", "/auth/register", "{\"username\":\"x\",\"password\":\"12345678\"}", 0, 400,
          "All fields are required", "bad_request" },
        { "POST", "/auth/register", "{\"email\":\"a@b\",\"username\":\"\",\"password\":\"12345678\"}", 0, 400,
          "All fields are required", "bad_request" },
        { "POST", "/auth/register", "{\"email\":\"a@b\",\"username\":\"x\"}", 0, 400, "All fields are required",
          "bad_request" },
        { "POST", "/auth/register", "{\"email\":7,\"username\":\"x\",\"password\":\"12345678\"}", 0, 400,
          "email must be text",
          "bad_request" },
        { "POST", "/auth/register", "{\"email\":\"a\",\"username\":\"x\",\"password\":\"12345678\"}", 0, 400,
          "email must be an e-mail address", "bad_request" },
        { "POST", "/auth/register", "{\"email\":\"a@b\",\"username\":\" \",\"password\":\"12345678\"}", 0, 400,
          "username must have 1 to 64 characters", "bad_request" },
        { "POST", "/auth/register", "{\"email\":\"a@b\",\"username\":\"x\",\"password\":\"1234567\"}", 0, 400,
          "password must have 8 to 1024 bytes", "bad_request" },
        { "POST", "/auth/register", "{\"email\":\" U1@example.org\",\"username\":\"x\",\"password\":\"12345678\"}", 0,
          409,
          "User already exists with this email", "email_taken" },
        { "POST", "/auth/login", NULL, 0, 400, "Email and password are required", "bad_request" },
        { "POST", "/auth/login", "{\"email\":\"a@b\"}", 0, 400, "Email and password are required", "bad_request" },
        { "POST", "/auth/login", "{\"email\":null,\"password\":\"x\"}", 0, 400, "Email and password are required",
          "bad_request" },
        { "POST", "/auth/login", "{\"email\":\"a@b\",\"password\":[1]}", 0, 400, "password must be text",
          "bad_request" },
        { "POST", "/auth/login", "{\"email\":\"a@b\",\"password\":\"password1\"}", 0, 401,
          "Invalid email or password", "unauthorized" },
        { "POST", "/auth/login", "{\"email\":\"u1@example.org\",\"password\":\"password2\"}", 0, 401,
          "Invalid email or password",
          "unauthorized" },
        { "PATCH", "/auth/me", "{\"username\":\"x\"}", 0, 401, "No token provided", "unauthorized" },
        { "PATCH", "/auth/me", "{\"username\":\"x\"}", 1, 400, "currentPassword is required", "bad_request" },
        { "PATCH", "/auth/me", "{\"currentPassword\":\"password1\"}", 1, 400,
          "email, username or password is required", "bad_request" },
        { "PATCH", "/auth/me", "{\"username\":\"\",\"currentPassword\":\"password1\"}", 1, 400,
          "username must have 1 to 64 characters", "bad_request" },
        { "PATCH", "/auth/me", "{\"username\":\"x\",\"currentPassword\":\"password2\"}", 1, 401,
          "currentPassword is not right",
          "unauthorized" },
        { "PATCH", "/auth/me", "{\"email\":\"u2@example.org\",\"currentPassword\":\"password1\"}", 1, 409,
          "User already exists with this email", "email_taken" },
    };
    struct site *s = *state;
    site_add_user(s, 1);
    site_add_user(s, 2);
    site_refuses(s, rows, sizeof rows / sizeof *rows);
}

static void
changing_oneself_changes_what_was_given_and_no_more(void **state)
{
    struct site *s = *state;
    site_add_user(s, 1);
    site_do(s, 200, 1, "PATCH", "/auth/me", "{\"username\":\" Ann \",\"currentPassword\":\"password1\"}");
    site_expect(s, "{\"user\":{\"id\":1,\"email\":\"u1@example.org\",\"username\":\"Ann\","
                   "\"createdAt\":\"~\",\"lastSeen\":null}}");
    site_do(s, 200, 1, "PATCH", "/auth/me",
            "{\"email\":\"ann@example.org\",\"password\":\"new password\",\"currentPassword\":\"password1\"}");
    site_expect(s, "{\"user\":{\"id\":1,\"email\":\"ann@example.org\",\"username\":\"Ann\","
                   "\"createdAt\":\"~\",\"lastSeen\":null},\"token\":\"~\"}");
    site_do(s, 401, 0, "POST", "/auth/login", "{\"email\":\"ann@example.org\",\"password\":\"password1\"}");
    site_do(s, 401, 0, "POST", "/auth/login", "{\"email\":\"u1@example.org\",\"password\":\"new password\"}");
    site_do(s, 200, 0, "POST", "/auth/login", "{\"email\":\"ann@example.org\",\"password\":\"new password\"}");
}

static void
logins_are_limited_and_told_when_to_come_back(void **state)
{
    struct site *s = *state;
    site_add_user(s, 1);
    for (int i = 0; i < 10; i++)
        site_do(s, 401, 0, "POST", "/auth/login", "{\"email\":\"u1@example.org\",\"password\":\"guess\"}");
    s->now_ms += 1500;
    site_do(s, 429, 0, "POST", "/auth/login", "{\"email\":\"u1@example.org\",\"password\":\"password1\"}");
    site_expect(s, "{\"message\":\"Too many attempts, try again later\",\"code\":\"rate_limited\",\"retryAfter\":59}");
    assert_non_null(strstr(s->answer.headers.p, "retry-after: 59\n"));
    s->now_ms += 58500;
    site_do(s, 200, 0, "POST", "/auth/login", "{\"email\":\"u1@example.org\",\"password\":\"password1\"}");
}

static void
a_token_that_is_missing_misshapen_or_over_says_which(void **state)
{
    static const struct { const char *header, *message; } rows[] = {
        { NULL, "No token provided" },
        { "authorization: ", "No token provided" },
        { "authorization: Bearer", "Invalid token format" },
        { "authorization: Bearer ", "Invalid token format" },
        { "authorization: Basic YTpi", "Invalid token format" },
        { "authorization: eyJhbGciOiJIUzI1NiJ9.e30.x", "Invalid token format" },
        { "authorization: Bearer x", "Invalid or expired token" },
        { "authorization: Bearer eyJhbGciOiJub25lIn0.eyJpZCI6MX0.", "Invalid or expired token" },
    };
    struct site *s = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char want[128];
        snprintf(want, sizeof want, "{\"message\":\"%s\",\"code\":\"unauthorized\"}", rows[i].message);
        assert_int_equal(401, site_ask(s, 0, "GET", "/rooms", NULL, rows[i].header));
        site_expect(s, want);
    }
    site_add_user(s, 1);
    s->now_ms += INT64_C(7) * 86400 * 1000 - 1000;
    site_do(s, 200, 1, "GET", "/rooms", NULL);
    s->now_ms += 1000;
    site_do(s, 401, 1, "GET", "/rooms", NULL);
    site_expect(s, "{\"message\":\"Invalid or expired token\",\"code\":\"unauthorized\"}");
}

static void
the_scheme_may_be_written_in_any_case(void **state)
{
    struct site *s = *state;
    char         header[1024];
    site_add_user(s, 1);
    snprintf(header, sizeof header, "authorization: bearer  %s ", s->tokens[1].p);
    assert_int_equal(200, site_ask(s, 0, "GET", "/rooms", NULL, header));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SITE(registering_gives_the_user_and_a_token_and_never_the_hash),
        IN_SITE(a_login_gives_the_same_shape),
        IN_SITE(accounts_are_refused_in_the_words_of_the_contract),
        IN_SITE(changing_oneself_changes_what_was_given_and_no_more),
        IN_SITE(logins_are_limited_and_told_when_to_come_back),
        IN_SITE(a_token_that_is_missing_misshapen_or_over_says_which),
        IN_SITE(the_scheme_may_be_written_in_any_case),
    };
    return tap_run(tests);
}
