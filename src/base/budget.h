#pragma once
/* One limit over the memory that many hold. While all together hold no more than it, each may hold what
 * it likes. Beyond it none may grow past its share of the limit, and beyond twice the limit none past what
 * is small. So all together hold twice the limit at most, and what is small of each.
 * Threads: plain values; whoever holds them. */
#include <stdbool.h>
#include <stddef.h>

struct tb_budget {
    size_t limit;           /* bytes; 0: any number */
    size_t held;
};

enum { TB_BUDGET_SMALL = 4096 };        /* whoever holds less never suffers from what others hold */

/* Of the n who share it, what one may hold now; SIZE_MAX: anything. */
size_t tb_budget_share(const struct tb_budget *b, size_t n);

/* *part, which is one's part of it, becomes now. */
static inline void
tb_budget_weigh(struct tb_budget *b, size_t *part, size_t now)
{
    b->held = b->held - *part + now;
    *part = now;
}
