/* Bodies of budget.h. */
#include "budget.h"

#include <stdint.h>

size_t
tb_budget_share(const struct tb_budget *b, size_t n)
{
    if (b->limit == 0 || b->held <= b->limit)
        return SIZE_MAX;
    size_t share = b->held <= 2 * b->limit && n > 0 ? b->limit / n : 0;
    return share > TB_BUDGET_SMALL ? share : TB_BUDGET_SMALL;
}
