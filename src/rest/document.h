#pragma once
/* Documents that are built into the program and served as they are: what the API looks like, for programs.
 * Threads: constants, but for rest_document_is_known, which is pure. */
#include "tombolo/str.h"

struct rest_document {
    tb_str text; /* JSON */
    tb_str etag; /* with its quotes */
};

extern const struct rest_document rest_openapi;  /* docs/api/openapi.json */
extern const struct rest_document rest_asyncapi; /* docs/api/asyncapi.json */

/* Whether if_none_match, the header's value, names this very document (RFC 9110 section 13.1.2). */
bool rest_document_is_known(const struct rest_document *, tb_str if_none_match);
