#pragma once
/* An application on the engine that notes what it hears and echoes messages that begin with "echo", and a client that
 * polls. */
#include "fake.h"
#include "tap.h"

struct app {
    struct fake          fake;
    struct eio_engine   *engine;
    struct tb_buf        heard;
    struct eio_session  *last;              /* referenced */
    struct eio_refusal   refusal;           /* with a message: allow says no */
    bool                 close_in_open, close_in_message;
    enum eio_manner      manner;
};

extern const struct eio_handler app_handler;

struct eio_options test_options(void);
int app_setup(void **state);
int app_teardown(void **state);
void assert_heard(struct app *a, const char *expected);
void send_text(struct eio_session *s, const char *text);

/* A client with one GET and one POST at a time. */
struct poller {
    struct app         *app;
    char                sid[21], query[64];
    struct fake_request get, post;
};

void poller_open(struct app *a, struct poller *p);
void poll_get(struct poller *p);
int poll_post(struct poller *p, const char *body);
void poller_fini(struct poller *p);
void assert_got(struct poller *p, int status, const char *body);
bool is_gone(struct poller *p);
