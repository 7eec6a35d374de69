#pragma once
/* A Socket.IO server over a fake host, its application and clients on WebSockets. */
#include "../eio/fake.h"
#include "tap.h"
#include "tombolo/sio.h"

/* An application that notes what it hears. Its events: "echo" sends the same arguments back, "ack" acks them. */
struct app {
    struct fake           fake;
    struct sio_server    *server;
    struct sio_namespace *main, *custom;
    struct tb_buf         heard;
    struct sio_socket    *last;             /* latest that asked to come in; referenced */
    enum { ACCEPT, WAIT, REFUSE, CLOSE } policy;
    enum sio_full         when_full;
    bool                  leave_in_event;
    const char           *sid, *pid;
};

extern const struct sio_handler app_handler;

/* printf into what the application has heard, and a blank behind it. a: a struct app, or its void * */
#define note(a, ...) \
    (tb_buf_printf(&((struct app *)(a))->heard, __VA_ARGS__), tb_buf_add_char(&((struct app *)(a))->heard, ' '))

int app_setup(void **state);
int app_teardown(void **state);
void assert_heard(struct app *a, const char *expected);
void forget(struct app *a);
void client_open(struct app *a, struct fake_stream *s);
void client_join(struct app *a, struct fake_stream *s);
void emit_to(struct app *a, const struct sio_target *to, const char *event, size_t expected);
