#pragma once
/* SHA-1 (FIPS 180-4), which the WebSocket handshake wants as a fingerprint; nothing here is kept secret by it. */
#include "tombolo/str.h"

enum { SHA1_SIZE = 20 };
void eio_sha1(tb_str text, char out[SHA1_SIZE]);
