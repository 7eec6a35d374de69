#pragma once
/* Requests without connections: what is asked here is handed to rest_on_request, and what it answers is kept. */
#include "net/net.h"

struct fake_answer {
    int           status;
    struct tb_buf type, body, headers;      /* headers: "name: value\n" each */
};

enum { FAKE_HEADERS = 4 };

struct fake_request {
    struct net_request http;                /* first: net gets only this */
    struct net_header  headers[FAKE_HEADERS];
    size_t             n_headers;
    bool               is_answered;
    struct fake_answer answer;
};

void fake_answer_fini(struct fake_answer *a);
