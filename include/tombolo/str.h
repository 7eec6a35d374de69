#pragma once
/* Text: tb_str is borrowed and never ends in a promised NUL, struct tb_buf is owned and grows.
 * Threads: plain values; whoever holds them. Memory that runs out aborts the program, so nothing here fails. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* n bytes at p, lent for the call unless the borrower's header says longer. p may be NULL when n is 0. */
typedef struct {
    const char *p;
    size_t      n;
} tb_str;

#define TB_LIT(s)     ((tb_str){ .p = "" s, .n = sizeof(s) - 1 })
#define TB_STR_NULL   ((tb_str){ .p = NULL, .n = 0 })
#define TB_STR_FMT    "%.*s"                    /* printf: TB_STR_FMT, TB_STR_ARG(s) */
#define TB_STR_ARG(s) (int)(s).n, (s).n ? (s).p : ""

static inline tb_str
tb_str_of(const char *c_string)
{
    return (tb_str){ .p = c_string, .n = c_string ? strlen(c_string) : 0 };
}

static inline bool
tb_str_eq(tb_str a, tb_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool
tb_str_starts(tb_str s, tb_str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

/* Equal but for the case of ASCII letters: header names, schemes. */
bool tb_str_eq_nocase(tb_str a, tb_str b);

/* Without the blanks at both ends that JavaScript's String.prototype.trim takes off: ASCII white space, U+00A0,
 * U+1680, U+2000..200A, U+2028, U+2029, U+202F, U+205F, U+3000 and U+FEFF. */
tb_str tb_str_trim(tb_str s);

/* Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF). */
bool tb_str_is_utf8(tb_str s);

/* Code points in s, which must be well-formed UTF-8. */
size_t tb_str_utf8_length(tb_str s);

/* All of s is a decimal number in 0..max; *out is written only then. No sign, no blanks, no empty text. */
bool tb_str_to_uint(tb_str s, uint64_t max, uint64_t *out);

/* The value of a hexadecimal digit, 0..15; -1: c is none. */
int tb_hex_of(char c);

/* A finite decimal number, all of s: digits with sign, point and exponent. false: out is as before. */
bool tb_str_to_double(tb_str s, double *out);

/* Heap copies; the caller frees them, with tb_free and tb_str_free. tb_str_dup ends its copy in a NUL that n does not
 * count. */
char  *tb_str_to_c(tb_str s);
tb_str tb_str_dup(tb_str s);
void   tb_str_free(tb_str *s);                  /* what tb_str_dup made, or empty; *s is empty afterwards */

/* ---- owned, growing text ---- */

struct tb_buf {
    char  *p;   /* NULL until something is added; ends in a NUL that n does not count */
    size_t n;
    size_t cap;
};

#define TB_BUF_INIT { .p = NULL, .n = 0, .cap = 0 }

void tb_buf_fini(struct tb_buf *b);             /* frees the bytes; b may be used again */
void tb_buf_wipe(struct tb_buf *b);             /* the same, and nothing of them stays in memory */
void tb_buf_reserve(struct tb_buf *b, size_t n_more);
void tb_buf_add(struct tb_buf *b, tb_str s);
void tb_buf_add_char(struct tb_buf *b, char c);
void tb_buf_add_int(struct tb_buf *b, int64_t v);
void tb_buf_add_hex(struct tb_buf *b, const void *bytes, size_t n);     /* lower case */
void tb_buf_printf(struct tb_buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The text as borrowed; valid until b changes. */
static inline tb_str
tb_buf_str(const struct tb_buf *b)
{
    return (tb_str){ .p = b->p, .n = b->n };
}

/* Forgets the text, keeps the memory. */
static inline void
tb_buf_clear(struct tb_buf *b)
{
    b->n = 0;
}

/* Moves the text out: the caller frees the result (which ends in a NUL) with tb_free; b is empty again. */
char *tb_buf_take(struct tb_buf *b, size_t *n);

/* ---- memory: abort when there is none (see STYLE section 4) ---- */

void *tb_alloc(size_t n) __attribute__((malloc, returns_nonnull, warn_unused_result));
void *tb_alloc_zero(size_t n) __attribute__((malloc, returns_nonnull, warn_unused_result));
void *tb_realloc(void *p, size_t n) __attribute__((returns_nonnull, warn_unused_result));
void  tb_free(void *p);                         /* accepts NULL */

#define TB_NEW(type) ((type *)tb_alloc_zero(sizeof(type)))
#define TB_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
