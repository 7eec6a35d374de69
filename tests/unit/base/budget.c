/* One limit over what many hold: who may hold how much. */
#include "base/budget.h"
#include "tap.h"

#include <stdint.h>

static void
a_share_is_anything_until_too_much_is_held(void **state)
{
    static const struct { const char *says; size_t limit, held, n, share; } cases[] = {
        { "nothing is held", 1 << 20, 0, 0, SIZE_MAX },
        { "as much as may be", 1 << 20, 1 << 20, 4, SIZE_MAX },
        { "more", 1 << 20, (1 << 20) + 1, 4, 1 << 18 },
        { "by one", 1 << 20, (1 << 20) + 1, 1, 1 << 20 },
        { "by very many: what is small stays", 1 << 20, (1 << 20) + 1, 1000, TB_BUDGET_SMALL },
        { "twice as much", 1 << 20, 1 << 21, 4, 1 << 18 },
        { "more than that", 1 << 20, (1 << 21) + 1, 4, TB_BUDGET_SMALL },
        { "no limit", 0, SIZE_MAX / 2, 1000, SIZE_MAX },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tb_budget b = { .limit = cases[i].limit, .held = cases[i].held };
        if (tb_budget_share(&b, cases[i].n) != cases[i].share)
            fail_msg("%s: %zu", cases[i].says, tb_budget_share(&b, cases[i].n));
    }
}

static void
a_part_is_counted_as_it_was_weighed_last(void **state)
{
    struct tb_budget b = { .limit = 10 };
    size_t           one = 0, other = 0;

    (void)state;
    tb_budget_weigh(&b, &one, 7);
    tb_budget_weigh(&b, &other, 5);
    assert_int_equal(12, b.held);
    tb_budget_weigh(&b, &one, 2);
    assert_int_equal(7, b.held);
    assert_int_equal(2, one);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_is_anything_until_too_much_is_held),
        cmocka_unit_test(a_part_is_counted_as_it_was_weighed_last),
    };
    return tap_run(tests);
}
