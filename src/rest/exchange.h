#pragma once
/* One request on its way through: what rest.c and routes.c share. The loop's. */
#include "rest/rest.h"

#include "base/json.h"
#include "base/log.h"

enum { REST_ROUTES_MAX = 48 };

struct rest {
    struct rest_settings settings;
    struct net_tally    *tallies[REST_ROUTES_MAX];  /* by rest_route_number */
    struct tb_buf        out;       /* scratch: the body being written; net copies it */
};

struct rest_exchange {
    struct net_request      *http;
    struct rest             *rest;
    const struct rest_route *route;
    char                     about[LOG_ABOUT_SIZE];
    bool                     has_begun;     /* the call: what it is refused for is not about token or body */
    tb_str                   wild;  /* what stands for "*" in the path */
    struct tb_arena          mem;   /* what the fields of the body point into */
    union {                         /* the call that the route makes; zeroed */
        struct chat_call        any;
        struct chat_register    reg;
        struct chat_login       login;
        struct chat_change_me   change;
        struct chat_create_room create;
        struct chat_join        join;
        struct chat_add_member  add_member;
        struct chat_leave       leave;
        struct chat_list_rooms  rooms;
        struct chat_list_members members;
        struct chat_send        send;
        struct chat_history     history;
        struct chat_read        read;
        struct chat_receipts    receipts;
    } call;
};

struct rest_route {
    const char        *method, *path;           /* "*" in path: one segment */
    bool               is_open;                 /* needs no token */
    bool               is_private;              /* pages of other origins may not read the answer */
    struct chat_fields fields;                  /* of the body, into call; none: the body is not looked at */
    void             (*start)(struct rest_exchange *);      /* makes the call, with its err set when that cannot be */
    int                status;                  /* when all went well; 204: render is NULL */
    void             (*render)(struct rest_exchange *, struct tb_json *);
};

/* The route for method and path, as the request has it: its escapes are decoded in mem, but for private routes. NULL: TB_ENOTFOUND,
 * or TB_EMETHOD with the methods that are allowed in *methods. HEAD is served as GET. *wild as in rest_path_matches. */
const struct rest_route *rest_route_find(tb_str method, tb_str path, struct tb_arena *mem, tb_str *wild, struct tb_buf *methods,
                                         struct tb_err *e);

/* For what is kept by route. */
size_t rest_route_number(const struct rest_route *route);
void   rest_route_tallies(struct net_tally *out[REST_ROUTES_MAX]);

/* Answers and frees x: by what call.any.err says. Also call.any.on_done. */
void rest_finish(struct rest_exchange *x);

/* Answers with this body as it stands, not to be kept by caches, and frees x. */
void rest_answer(struct rest_exchange *x, int status, tb_str content_type, tb_str body);

/* Answers with exactly this, and frees x. */
void rest_respond(struct rest_exchange *x, const struct net_response *r);

/* Answers with the document, or 304 to one who has it, and frees x. */
struct rest_document;
void rest_answer_document(struct rest_exchange *x, const struct rest_document *d);
