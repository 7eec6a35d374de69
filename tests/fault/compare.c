/* Says whether a journal and the centre hold the same rows: for tests that are not written in C.
 * usage: sync-compare FOLDER PORT      (root without a password, on loopback, database chat) */
#include "work.h"

#include "base/scan.h"

#include <stdio.h>

static const char   *folder;
static struct centre centre;

static void
journal_and_centre_hold_the_same_rows(void **state)
{
    (void)state;
    work_compare_folder(folder, &centre);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(journal_and_centre_hold_the_same_rows) };
    uint64_t                port = 0;

    if (argc != 3 || !tb_str_to_uint(tb_str_of(argv[2]), 65535, &port)) {
        fprintf(stderr, "usage: sync-compare FOLDER PORT\n");
        return 2;
    }
    folder = argv[1];
    centre.port = (unsigned)port;
    return tap_run(tests);
}
