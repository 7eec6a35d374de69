#pragma once
/* A client that knows just enough HTTP/1.1 for tests: one request a connection, sent at once, read when wanted. It is the
 * peer of the rig, so that what is tested is what arrives on the wire.
 * Threads: whoever holds them. Nothing is waited for longer than half a minute of real time: then the test aborts. */
#include "tombolo/str.h"

#include <jansson.h>

struct rig_reply {
    int     status;             /* 0: the connection ended without an answer */
    char   *text;               /* status line, headers and body; ends in a NUL */
    json_t *json;               /* the body, or NULL when it is none */
};

struct rig_request {
    const char *method, *path;
    const char *token;          /* NULL: none */
    const char *key;            /* Idempotency-Key, NULL: none */
    const char *body;           /* JSON, NULL: none */
};

int  rig_http_send(uint16_t port, const struct rig_request *q);     /* the connection, to be read */
bool rig_http_has_answer(int fd);                                   /* at least some of it is there now */
struct rig_reply rig_http_read(int fd);                             /* all of it; closes fd */

void    rig_reply_fini(struct rig_reply *r);
bool    rig_reply_has(const struct rig_reply *r, const char *header_line);      /* "Retry-After: 10", any case */
int64_t rig_reply_int(const struct rig_reply *r, const char *name);             /* of the JSON object; -1: not there */
const char *rig_reply_text(const struct rig_reply *r, const char *name);        /* borrowed; "" when not there */
