#pragma once
/* A bounds-checked reader over borrowed text. After its first failure it stays failed: later scans do nothing and
 * return nothing, so a parser reads as its grammar and looks at `failed` once, at the end. */
#include "tombolo/str.h"

struct tb_scan {
    tb_str      text;       /* what is read; slices handed out point into it */
    size_t      pos;        /* next byte; after a failure the culprit */
    const char *failed;     /* NULL, or static text that says what was wrong */
};

struct tb_scan tb_scan_of(tb_str text);
bool           tb_scan_at_end(const struct tb_scan *s);          /* nothing left, or failed */
bool           tb_scan_at(const struct tb_scan *s, char c);      /* the next byte is c; takes nothing */
bool           tb_scan_at_digit(const struct tb_scan *s);
unsigned       tb_scan_digit(struct tb_scan *s, unsigned max);   /* one digit in 0..max */
uint64_t       tb_scan_uint(struct tb_scan *s, uint64_t max);    /* one or more digits, at most max */
void           tb_scan_expect(struct tb_scan *s, char c);        /* takes c or fails */
bool           tb_scan_take(struct tb_scan *s, char c);          /* takes c if it is next */
tb_str         tb_scan_until(struct tb_scan *s, char stop);      /* up to stop, which is taken too; or all that is left */
tb_str         tb_scan_bytes(struct tb_scan *s, size_t n);       /* exactly n bytes */
tb_str         tb_scan_rest(struct tb_scan *s);                  /* all that is left, maybe nothing */
void           tb_scan_fail(struct tb_scan *s, const char *why); /* keeps the first failure */
