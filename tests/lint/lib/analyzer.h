#pragma once
/* What the analyzer must know of functions that it does not look into: a failure is never TB_OK, so whoever returns one
 * has left no outputs to be read. Included by tests/lint/tidy.test.mjs before every file but err.c. */
#include "tombolo/err.h"

static inline enum tb_code
analyzer_failed(struct tb_err *e, enum tb_code code)
{
    if (e != NULL)
        e->code = code;
    return code;
}

#define tb_fail(e, code, say, ...) (tb_fail(e, code, say, __VA_ARGS__), analyzer_failed(e, code))
#define tb_wrap(e, ...) (tb_wrap(e, __VA_ARGS__), analyzer_failed(e, (e)->code != TB_OK ? (e)->code : TB_EINTERNAL))
