#pragma once
/* Base64 (RFC 4648 section 4) for binary in text, and its URL-safe alphabet (section 5) for ids.
 * Threads: any. */
#include "tombolo/str.h"

enum { EIO_BASE64_URL_MAX = 20 };                       /* characters of an id */

size_t eio_base64_size(size_t n);                       /* characters for n bytes, padded */
void   eio_base64_add(struct tb_buf *out, tb_str bytes);

/* The bytes of text, of either alphabet, padded or not, in lines or not, are appended to out. false: it is no base64; out
 * is as before. */
bool eio_base64_decode(struct tb_buf *out, tb_str text);

/* URL-safe and unpadded: n / 3 * 4 characters for n bytes, n being a multiple of 3; EIO_BASE64_URL_MAX at most. */
void eio_base64_url(char *out, const void *bytes, size_t n);
