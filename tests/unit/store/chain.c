/* The chain: fixed bytes for fixed input (other programs must be able to check it), and nothing that can change unseen. */
#include "store/chain.h"
#include "tap.h"

static const char *
hex(struct chain c)
{
    static struct tb_buf b = TB_BUF_INIT;
    tb_buf_clear(&b);
    tb_buf_add_hex(&b, c.bytes, sizeof c.bytes);
    return b.p;
}

/* The expected values are Python's hashlib.blake2b(..., digest_size=16) over the bytes that chain.h lays down. */
static void
it_is_blake2b_128_over_the_documented_bytes(void **state)
{
    struct chain start = chain_start(TB_LIT("123e4567-e89b-42d3-a456-426614174000"));
    struct chain next = chain_next(&start, 7, 1, 111411200000065, 8, 1, TB_LIT("{\"id\":1}"));
    (void)state;
    assert_string_equal("bf13e16122535a0308be57ef7ad5f194", hex(start));
    assert_string_equal("6712d9c72f94b8a4f32aa12d8101f3e3", hex(next));
}

static void
every_part_of_an_op_shows_in_it(void **state)
{
    struct chain zero = { { 0 } }, other = { { 1 } };
    struct chain base = chain_next(&zero, 1, 2, 3, 4, 5, TB_LIT("x"));
    const struct chain changed[] = {
        chain_next(&other, 1, 2, 3, 4, 5, TB_LIT("x")), chain_next(&zero, 2, 2, 3, 4, 5, TB_LIT("x")),
        chain_next(&zero, 1, 3, 3, 4, 5, TB_LIT("x")),  chain_next(&zero, 1, 2, 4, 4, 5, TB_LIT("x")),
        chain_next(&zero, 1, 2, 3, 5, 5, TB_LIT("x")),  chain_next(&zero, 1, 2, 3, 4, 6, TB_LIT("x")),
        chain_next(&zero, 1, 2, 3, 4, 5, TB_LIT("y")),  chain_next(&zero, 1, 2, 3, 4, 5, TB_STR_NULL),
    };
    (void)state;
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++)
        assert_memory_not_equal(base.bytes, changed[i].bytes, CHAIN_SIZE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_blake2b_128_over_the_documented_bytes),
        cmocka_unit_test(every_part_of_an_op_shows_in_it),
    };
    return tap_run(tests);
}
