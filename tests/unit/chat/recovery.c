/* The pid: what it says comes back only to the same user of the same journal with the same key. */
#include "chat/recovery.h"
#include "tap.h"

#include <stdio.h>

static const tb_str journal = TB_LIT("123e4567-e89b-42d3-a456-426614174000"), other = TB_LIT("00000000-e89b-42d3-a456-426614174000");

static void
a_pid_gives_back_its_sid_and_start(void **state)
{
    struct recovery_key key = recovery_key_from(TB_LIT("secret"));
    char                sid[RECOVERY_SID_SIZE], pid[RECOVERY_PID_SIZE], back[RECOVERY_SID_SIZE];
    int64_t             start = -1;
    (void)state;
    recovery_sid_make(sid);
    assert_int_equal(RECOVERY_SID_SIZE - 1, strlen(sid));
    recovery_pid_make(&key, 7, journal, tb_str_of(sid), INT64_MAX, pid);
    assert_true(recovery_pid_read(&key, 7, journal, tb_str_of(pid), back, &start));
    assert_string_equal(sid, back);
    assert_true(start == INT64_MAX);
}

static void
nobody_elses_pid_is_read(void **state)
{
    struct recovery_key key = recovery_key_from(TB_LIT("secret")), wrong = recovery_key_from(TB_LIT("Secret"));
    char                pid[RECOVERY_PID_SIZE], back[RECOVERY_SID_SIZE];
    int64_t             start;
    (void)state;
    recovery_pid_make(&key, 7, journal, TB_LIT("aaaaaaaaaaaaaaaaaaaa"), 12, pid);
    assert_true(recovery_pid_read(&key, 7, journal, tb_str_of(pid), back, &start));
    assert_false(recovery_pid_read(&key, 8, journal, tb_str_of(pid), back, &start));
    assert_false(recovery_pid_read(&key, 7, other, tb_str_of(pid), back, &start));
    assert_false(recovery_pid_read(&wrong, 7, journal, tb_str_of(pid), back, &start));
}

static void
a_changed_byte_or_length_is_refused(void **state)
{
    struct recovery_key key = recovery_key_from(TB_LIT("secret"));
    char                pid[RECOVERY_PID_SIZE], back[RECOVERY_SID_SIZE];
    int64_t             start;
    (void)state;
    recovery_pid_make(&key, 7, journal, TB_LIT("aaaaaaaaaaaaaaaaaaaa"), 12, pid);
    for (size_t i = 0; i < strlen(pid); i++) {
        char was = pid[i];
        pid[i] = was == '1' ? '2' : '1';
        assert_false(recovery_pid_read(&key, 7, journal, tb_str_of(pid), back, &start));
        assert_false(recovery_pid_read(&key, 7, journal, (tb_str){ .p = pid, .n = i }, back, &start));
        pid[i] = was;
    }
    static const char *const bad[] = { "", ".", "..", "12", "12.", "-1.aaaaaaaaaaaaaaaaaaaa.", "012.aaaaaaaaaaaaaaaaaaaa.00",
                                       "99999999999999999999.aaaaaaaaaaaaaaaaaaaa.00" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(recovery_pid_read(&key, 7, journal, tb_str_of(bad[i]), back, &start));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pid_gives_back_its_sid_and_start),
        cmocka_unit_test(nobody_elses_pid_is_read),
        cmocka_unit_test(a_changed_byte_or_length_is_refused),
    };
    return tap_run(tests);
}
