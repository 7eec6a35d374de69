/* The room index, alone and against a plain model of it. */
#include "rooms.h"
#include "tap.h"

#include <stdio.h>

static const uint64_t seed[2] = { 7, 8 };

static void
a_room_exists_while_someone_is_in_it(void **state)
{
    struct sio_rooms rs;
    struct sio_place a = { 0 }, b = { 0 };
    (void)state;
    sio_rooms_init(&rs, seed);
    assert_null(sio_rooms_find(&rs, TB_LIT("x")));
    sio_rooms_join(&rs, &a, TB_LIT("x"));
    sio_rooms_join(&rs, &b, TB_LIT("x"));
    assert_int_equal(2, sio_rooms_find(&rs, TB_LIT("x"))->n);
    sio_rooms_leave(&rs, &a, TB_LIT("x"));
    assert_non_null(sio_rooms_find(&rs, TB_LIT("x")));
    sio_rooms_leave(&rs, &b, TB_LIT("x"));
    assert_null(sio_rooms_find(&rs, TB_LIT("x")));
    assert_null(a.in);
    sio_rooms_fini(&rs);
}

static void
joining_twice_is_once_and_leaving_what_one_is_not_in_is_nothing(void **state)
{
    struct sio_rooms rs;
    struct sio_place a = { 0 }, b = { 0 };
    (void)state;
    sio_rooms_init(&rs, seed);
    sio_rooms_join(&rs, &a, TB_LIT("x"));
    sio_rooms_join(&rs, &a, TB_LIT("x"));
    assert_int_equal(1, a.n);
    assert_int_equal(1, sio_rooms_find(&rs, TB_LIT("x"))->n);
    sio_rooms_leave(&rs, &b, TB_LIT("x"));
    sio_rooms_leave(&rs, &a, TB_LIT("y"));
    assert_true(sio_place_is_in(&a, sio_rooms_find(&rs, TB_LIT("x"))));
    assert_false(sio_place_is_in(&b, sio_rooms_find(&rs, TB_LIT("x"))));
    assert_false(sio_place_is_in(&b, NULL));
    sio_rooms_leave_all(&rs, &a);
    sio_rooms_leave_all(&rs, &a);
    sio_rooms_fini(&rs);
}

static void
names_are_bytes(void **state)
{
    struct sio_rooms rs;
    struct sio_place a = { 0 };
    char             longest[SIO_ROOM_NAME_MAX];
    (void)state;
    memset(longest, 'x', sizeof longest);
    sio_rooms_init(&rs, seed);
    sio_rooms_join(&rs, &a, (tb_str){ .p = longest, .n = sizeof longest });
    sio_rooms_join(&rs, &a, (tb_str){ .p = "a\0b", .n = 3 });
    sio_rooms_join(&rs, &a, (tb_str){ .p = "a\0c", .n = 3 });
    assert_int_equal(3, a.n);
    assert_null(sio_rooms_find(&rs, TB_LIT("a")));
    sio_rooms_leave_all(&rs, &a);
    sio_rooms_fini(&rs);
}

/* Random joins and leaves, compared after each with a matrix of who is where. */
static void
it_agrees_with_a_plain_model(void **state)
{
    enum { PLACES = 40, ROOMS = 25, STEPS = 20000 };
    static struct sio_place places[PLACES];
    static bool             model[PLACES][ROOMS];
    struct sio_rooms        rs;
    uint64_t                random = 42;
    char                    name[16];
    (void)state;
    sio_rooms_init(&rs, seed);
    for (int step = 0; step < STEPS; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        unsigned p = (unsigned)(random >> 33) % PLACES, r = (unsigned)(random >> 45) % ROOMS;
        unsigned what = (unsigned)(random >> 58);
        tb_str   room = { .p = name, .n = (size_t)snprintf(name, sizeof name, "room %u", r) };
        if (what < 34) {
            sio_rooms_join(&rs, &places[p], room);
            model[p][r] = true;
        } else if (what < 62) {
            sio_rooms_leave(&rs, &places[p], room);
            model[p][r] = false;
        } else {
            sio_rooms_leave_all(&rs, &places[p]);
            memset(model[p], 0, sizeof model[p]);
        }
        size_t n_in = 0, n_members = 0;
        for (unsigned i = 0; i < ROOMS; i++)
            n_in += model[p][i];
        for (unsigned i = 0; i < PLACES; i++)
            n_members += model[i][r];
        const struct sio_room *found = sio_rooms_find(&rs, room);
        assert_int_equal(n_in, places[p].n);
        assert_int_equal(n_members, found != NULL ? found->n : 0);
        assert_int_equal(model[p][r], sio_place_is_in(&places[p], found));
        for (uint32_t i = 0; found != NULL && i < found->n; i++)
            assert_true(model[found->members[i].place - places][r]);
    }
    for (unsigned p = 0; p < PLACES; p++)
        sio_rooms_leave_all(&rs, &places[p]);
    sio_rooms_fini(&rs);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_room_exists_while_someone_is_in_it),
        cmocka_unit_test(joining_twice_is_once_and_leaving_what_one_is_not_in_is_nothing),
        cmocka_unit_test(names_are_bytes),
        cmocka_unit_test(it_agrees_with_a_plain_model),
    };
    return tap_run(tests);
}
