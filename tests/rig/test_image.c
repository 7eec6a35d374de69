/* One file's contents across syncs, failed syncs and power cuts; the clock that tests move. */
#include "clock.h"
#include "image.h"
#include "seed.h"
#include "tap.h"

#include <string.h>

enum { SECTOR_BYTES = 512, SECTORS = 16, WRITES = 12 };

static const struct rig_cut none = { .survival = RIG_KEEP_NONE, .sector = SECTOR_BYTES };
static const struct rig_cut all = { .survival = RIG_KEEP_ALL, .sector = SECTOR_BYTES };

static void
assert_content(const struct rig_image *m, const char *expected)
{
    char   got[64] = { 0 };
    size_t n = rig_image_read(m, 0, got, sizeof got);

    assert_int_equal(strlen(expected), n);
    assert_memory_equal(expected, got, n);
}

static void
what_was_synced_survives_and_the_rest_need_not(void **state)
{
    struct rig_image m = { 0 };
    (void)state;

    rig_image_write(&m, 0, "synced", 6);
    rig_image_sync(&m, rig_image_mark(&m));
    rig_image_write(&m, 0, "NEW", 3);
    assert_content(&m, "NEWced");
    rig_image_cut(&m, &none, 1);
    assert_content(&m, "synced");
    rig_image_write(&m, 6, "+more", 5);
    rig_image_cut(&m, &all, 1);
    assert_content(&m, "synced+more");
    rig_image_fini(&m);
}

static void
a_sync_covers_what_was_written_before_it_began(void **state)
{
    struct rig_image m = { 0 };
    (void)state;

    rig_image_write(&m, 0, "before", 6);
    uint64_t mark = rig_image_mark(&m);
    rig_image_write(&m, 6, "after", 5);
    rig_image_sync(&m, mark);
    rig_image_cut(&m, &none, 1);
    assert_content(&m, "before");
    rig_image_fini(&m);
}

static void
a_new_size_survives_or_not_and_leaves_no_old_bytes(void **state)
{
    struct rig_image m = { 0 };
    (void)state;

    rig_image_write(&m, 0, "0123456789", 10);
    rig_image_sync(&m, rig_image_mark(&m));
    rig_image_resize(&m, 4);
    assert_content(&m, "0123");
    rig_image_cut(&m, &none, 1);
    assert_content(&m, "0123456789");
    rig_image_resize(&m, 4);
    rig_image_write(&m, 6, "x", 1);
    assert_memory_equal("0123\0\0x", m.now.p, 7);
    rig_image_cut(&m, &all, 1);
    assert_int_equal(7, m.now.n);
    assert_memory_equal("0123\0\0x", m.now.p, 7);
    rig_image_fini(&m);
}

/* Linux since 4.13, after a failed fsync: the next one says yes, and the data is on no disk. */
static void
a_failed_sync_loses_its_pages_until_they_are_written_again(void **state)
{
    struct rig_image m = { 0 };
    (void)state;

    rig_image_write(&m, 0, "lost", 4);
    rig_image_forget(&m, rig_image_mark(&m));
    rig_image_sync(&m, rig_image_mark(&m));
    assert_content(&m, "lost");
    rig_image_cut(&m, &all, 1);
    assert_content(&m, "");

    rig_image_write(&m, 0, "lost", 4);
    rig_image_forget(&m, rig_image_mark(&m));
    rig_image_write(&m, 4, " and found", 10);
    rig_image_sync(&m, rig_image_mark(&m));
    rig_image_cut(&m, &none, 1);
    assert_content(&m, "lost and found");
    rig_image_fini(&m);
}

/* Byte 0 of each sector says which write it has from; 0: none. */
static void
write_sectors(struct rig_image *m, struct rig_random *r, uint8_t last[SECTORS])
{
    for (int i = 1; i <= WRITES; i++) {
        char     block[SECTORS * SECTOR_BYTES];
        unsigned first = (unsigned)rig_random_below(r, SECTORS), n = 1 + (unsigned)rig_random_below(r, SECTORS - first);
        memset(block, i, n * SECTOR_BYTES);
        memset(last + first, i, n);
        rig_image_write(m, first * SECTOR_BYTES, block, n * SECTOR_BYTES);
    }
}

static void
each_sector_is_whole_and_from_one_of_its_writes(void **state)
{
    struct rig_random r = { *(uint64_t *)*state };
    unsigned          old = 0, new = 0, between = 0;

    for (unsigned round = 0; round < 200; round++) {
        struct rig_image m = { 0 };
        struct rig_cut   cut = { .survival = RIG_KEEP_PREFIXES, .sector = SECTOR_BYTES, .seed = rig_random_next(&r) };
        uint8_t          last[SECTORS] = { 0 };

        rig_image_resize(&m, SECTORS * SECTOR_BYTES);
        rig_image_sync(&m, rig_image_mark(&m));
        write_sectors(&m, &r, last);
        rig_image_cut(&m, &cut, round);
        assert_int_equal(SECTORS * SECTOR_BYTES, m.now.n);
        for (int s = 0; s < SECTORS; s++) {
            const uint8_t *p = m.now.p + s * SECTOR_BYTES;
            assert_memory_equal(p, p + 1, SECTOR_BYTES - 1);
            assert_true(*p <= last[s]);
            old += *p == 0;
            new += *p != 0 && *p == last[s];
            between += *p != 0 && *p < last[s];
        }
        rig_image_fini(&m);
    }
    assert_true(old > 100 && new > 100 && between > 100);
}

static void
a_file_made_shorter_is_so_as_a_whole_or_not_at_all(void **state)
{
    struct rig_random r = { *(uint64_t *)*state };
    static char       old[SECTORS * SECTOR_BYTES], new[SECTORS / 2 * SECTOR_BYTES];
    unsigned          n_old = 0, n_short = 0;

    memset(old, 'x', sizeof old);
    memset(new, 'y', sizeof new);
    for (unsigned round = 0; round < 200; round++) {
        struct rig_image m = { 0 };
        struct rig_cut   cut = rig_cut_of(rig_random_next(&r));
        rig_image_write(&m, 0, old, sizeof old);
        rig_image_sync(&m, rig_image_mark(&m));
        rig_image_resize(&m, 0);
        rig_image_write(&m, 0, new, sizeof new);
        rig_image_cut(&m, &cut, round);
        if (m.now.n == sizeof old)
            assert_memory_equal(old, m.now.p, sizeof old);
        else if (m.now.n > 0)
            assert_null(memchr(m.now.p, 'x', m.now.n));
        n_old += m.now.n == sizeof old;
        n_short += m.now.n < sizeof old;
        rig_image_fini(&m);
    }
    assert_true(n_old > 20 && n_short > 20);
}

static void
a_seed_gives_the_same_cut_again_and_seeds_differ(void **state)
{
    unsigned seen[RIG_SURVIVALS] = { 0 };
    (void)state;

    for (uint64_t seed = 0; seed < 200; seed++) {
        struct rig_cut a = rig_cut_of(seed), b = rig_cut_of(seed);
        assert_true(a.survival == b.survival && a.sector == b.sector && a.seed == b.seed);
        assert_int_equal(a.keep_percent, b.keep_percent);
        seen[a.survival]++;
    }
    for (int i = 0; i < RIG_SURVIVALS; i++)
        assert_true(seen[i] > 10);
}

static void
time_passes_only_when_a_test_says_so(void **state)
{
    struct rig_clock c;
    (void)state;

    rig_clock_init(&c, 1700000000000);
    int64_t mono = tb_mono_ms(&c.clock);
    rig_clock_move(&c, 1500);
    assert_int_equal(1700000001500, tb_wall_ms(&c.clock));
    assert_int_equal(mono + 1500, tb_mono_ms(&c.clock));
    rig_clock_jump(&c, -5000);
    assert_int_equal(1699999996500, tb_wall_ms(&c.clock));
    assert_int_equal(mono + 1500, tb_mono_ms(&c.clock));
}

int
main(void)
{
    uint64_t                seed = rig_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_synced_survives_and_the_rest_need_not),
        cmocka_unit_test(a_sync_covers_what_was_written_before_it_began),
        cmocka_unit_test(a_new_size_survives_or_not_and_leaves_no_old_bytes),
        cmocka_unit_test(a_failed_sync_loses_its_pages_until_they_are_written_again),
        cmocka_unit_test_prestate(each_sector_is_whole_and_from_one_of_its_writes, &seed),
        cmocka_unit_test_prestate(a_file_made_shorter_is_so_as_a_whole_or_not_at_all, &seed),
        cmocka_unit_test(a_seed_gives_the_same_cut_again_and_seeds_differ),
        cmocka_unit_test(time_passes_only_when_a_test_says_so),
    };
    return tap_run(tests);
}
