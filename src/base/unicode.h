#pragma once
/* Unicode by utf8proc: one spelling of texts that look alike (UAX 15), and what of a text can be seen.
 * Threads: any. */
#include "base/arena.h"
#include "tombolo/str.h"

enum tb_form { TB_NFC, TB_NFD };

enum {
    TB_NORMALIZE_MAX = 4096,    /* bytes; more than any name, address or password of ours, and little work */
    TB_MARKS_MAX = 30,          /* marks on one letter (UAX 15, Stream-Safe Text): they are sorted, in the square of their number */
};

/* s in that form is appended to out; what is no UTF-8, or beyond these limits, is appended as it is. Nothing of s stays in memory
 * besides. */
void tb_normalize(tb_str s, enum tb_form form, struct tb_buf *out);

/* s in NFC: s itself where it is ASCII, else a copy in mem. Not for secrets. */
tb_str tb_nfc(tb_str s, struct tb_arena *mem);

/* Whether a name of these characters shows what it is, after RFC 8264 section 9: no controls, nothing that cannot be seen or
 * that turns the direction of what follows, nothing unassigned, and at least one character that is no blank. A joiner, a
 * non-joiner and a variation selector count as visible where they shape their neighbours: in emoji, behind a virama, between
 * letters of Arabic that would join (RFC 5892 appendix A), behind Han. */
bool tb_is_visible(tb_str s);

/* Whether there is a blank of any kind in it (Zs). */
bool tb_has_blank(tb_str s);
