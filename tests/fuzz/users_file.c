/* Files of accounts: any bytes. It comes to an end, lines go up, and what is refused says why. */
#include "cli/users_file.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct users_file f;
    struct users_line l;
    struct tb_err e;
    size_t last = 0;

    if (users_file_begin(&f, (tb_str){ (const char *)data, n }, &e) != TB_OK) {
        assert(e.code == TB_EINPUT && e.why[0] != '\0');
        return 0;
    }
    while (users_file_next(&f, &l, &e)) {
        assert(l.line > last && (e.code == TB_OK || (e.code == TB_EINPUT && e.why[0] != '\0')));
        last = l.line;
    }
    users_file_end(&f);
    return 0;
}
