/* Dates as JavaScript's toISOString writes them. The expected texts are Node's. */
#include "clock.h"
#include "tap.h"

static void
dates_are_those_of_to_iso_string(void **state)
{
    static const struct { int64_t ms; const char *text; } rows[] = {
        { 0, "1970-01-01T00:00:00.000Z" },
        { -1, "1969-12-31T23:59:59.999Z" },
        { 951782400000, "2000-02-29T00:00:00.000Z" },
        { 1795338123456, "2026-11-22T09:02:03.456Z" },
        { 4107542399999, "2100-02-28T23:59:59.999Z" },
        { 4107542400000, "2100-03-01T00:00:00.000Z" },
        { -62135596800000, "0001-01-01T00:00:00.000Z" },
        { 253402300799999, "9999-12-31T23:59:59.999Z" },
        { INT64_MAX, "9999-12-31T23:59:59.999Z" },
    };
    char out[TB_ISO_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tb_str t = tb_time_iso(rows[i].ms, out);
        assert_int_equal(24, t.n);
        assert_string_equal(rows[i].text, t.p);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(dates_are_those_of_to_iso_string) };
    return tap_run(tests);
}
