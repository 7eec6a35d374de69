#pragma once
/* A whole site but for the network: a real journal in a temporary folder, chat and REST on it, and a clock that the
 * test moves. The tests' thread is the loop. */
#include "base/thread.h"
#include "fake_net.h"
#include "rest/rest.h"
#include "tap.h"

struct site {
    char               dir[64];
    struct tb_mailbox *mailbox;
    struct tb_clock    clock;
    _Atomic int64_t    now_ms;      /* the writer asks too */
    struct store      *store;
    struct chat       *chat;
    struct rest       *rest;
    struct rest_sync   sync;        /* what GET /sync shows */
    struct tb_buf      tokens[4];   /* of the users 1.. that site_add_user made */
    struct fake_answer answer;      /* the last one */
};

/* What the next site_open serves at /app/; see rest_settings. */
extern const struct page_file *site_page;

int site_open(void **state);
int site_close(void **state);

/* Registers user n (1..3) as u<n>@example.org, name "User<n>", password "password<n>", and keeps his token. */
void site_add_user(struct site *s, int n);

/* One request as user n (0: without a token), with a JSON body or none; returns the status, the rest is in s->answer.
 * header: "name: value" in lower case, or NULL. */
int site_ask(struct site *s, int n, const char *method, const char *path, const char *body, const char *header);

/* As site_ask, and fails the test unless the status is this. */
void site_do(struct site *s, int status, int n, const char *method, const char *path, const char *body);

/* The last body must be exactly this, where "~" stands for any text without quotes (times, tokens). */
void site_expect(const struct site *s, const char *want);

struct refusal {
    const char *method, *path, *body;
    int         user, status;
    const char *message, *code;
};
void site_refuses(struct site *s, const struct refusal *rows, size_t n);

#define IN_SITE(test) cmocka_unit_test_setup_teardown(test, site_open, site_close)
