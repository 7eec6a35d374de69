#pragma once
/* Bodies that came compressed (RFC 9110 section 8.4): gzip and deflate, as the old backend took them.
 * Threads: any; nothing shared. */
#include "tombolo/err.h"

/* What of Content-Encoding we take, for the answer to another one (RFC 7694). */
#define REST_ENCODINGS "gzip, deflate"

/* Appends the content of body to out. name: Content-Encoding's value; empty and "identity": body is the content. TB_EMEDIA:
 * another one. TB_EINPUT: body is no such thing, or has more behind it. TB_ETOOBIG: the content has more than max bytes; out is
 * of no use then. */
enum tb_code rest_decode_body(tb_str body, tb_str name, size_t max, struct tb_buf *out, struct tb_err *e) TB_MUST_CHECK;
