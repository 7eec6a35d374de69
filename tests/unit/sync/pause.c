/* Where it is kept that sync is paused. */
#include "sync/sync.h"
#include "tap.h"

#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/tombolo-pause-XXXXXX";

static int
make_folder(void **state)
{
    (void)state;
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int
remove_folder(void **state)
{
    (void)state;
    return rmdir(dir);
}

static void
the_wish_is_kept_until_it_is_taken_back_and_each_may_be_repeated(void **state)
{
    struct tb_err e = { 0 };
    (void)state;
    assert_false(sync_is_paused_in(dir));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(TB_OK, sync_pause_in(dir, true, &e));
        assert_true(sync_is_paused_in(dir));
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(TB_OK, sync_pause_in(dir, false, &e));
        assert_false(sync_is_paused_in(dir));
    }
}

static void
a_folder_that_is_not_there_keeps_nothing_and_is_not_made(void **state)
{
    struct tb_err e = { 0 };
    struct stat   st;
    (void)state;
    assert_int_equal(TB_EIO, sync_pause_in("/tmp/tombolo-pause-not-there", true, &e));
    assert_non_null(strstr(e.why, "tombolo-pause-not-there/sync.paused"));
    assert_false(sync_is_paused_in("/tmp/tombolo-pause-not-there"));
    assert_int_equal(-1, stat("/tmp/tombolo-pause-not-there", &st));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wish_is_kept_until_it_is_taken_back_and_each_may_be_repeated),
        cmocka_unit_test(a_folder_that_is_not_there_keeps_nothing_and_is_not_made),
    };
    return tap_run_with(tests, make_folder, remove_folder);
}
