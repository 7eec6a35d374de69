/* The old backend's database: how its times are read. What MySQL itself does is in fault/import. */
#include "old.h"
#include "tap.h"

static const struct { const char *text; int64_t ms; } times[] = {
    { "1970-01-01 00:00:00.000", 0 },
    { "1970-01-01 00:00:00", 0 },
    { "2026-11-22 09:00:00.123", INT64_C(1795338000123) },
    { "2026-11-22 09:00:00.1", INT64_C(1795338000100) },
    { "2026-11-22 09:00:00.123999", INT64_C(1795338000123) },
    { "2024-02-29 23:59:59.999", INT64_C(1709251199999) },
    { "2000-03-01 00:00:00.000", INT64_C(951868800000) },
    { "9999-12-31 23:59:59.999", INT64_C(253402300799999) },
    { "0000-00-00 00:00:00.000", IMPORT_BAD_TIME },
    { "2026-00-22 09:00:00.000", IMPORT_BAD_TIME },
    { "2026-11-00 09:00:00.000", IMPORT_BAD_TIME },
    { "1969-12-31 23:59:59.999", IMPORT_BAD_TIME },
    { "2026-11-22T09:00:00.000Z", IMPORT_BAD_TIME },
    { "2026-11-22 09:00:00.000 ", IMPORT_BAD_TIME },
    { "2026-11-22 24:00:00.000", IMPORT_BAD_TIME },
    { "2026-11-22", IMPORT_BAD_TIME },
    { "1795338000123", IMPORT_BAD_TIME },
    { "", IMPORT_BAD_TIME },
};

static void
times_are_milliseconds_in_utc_or_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (sync_old_time(tb_str_of(times[i].text)) != times[i].ms)
            fail_msg("%s: %lld", times[i].text, (long long)sync_old_time(tb_str_of(times[i].text)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(times_are_milliseconds_in_utc_or_none) };
    return tap_run(tests);
}
