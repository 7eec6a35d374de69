/* The reader of sync.url: any bytes. What it takes is whole, and what it refuses it says why, without quoting a password. */
#include "sync/url.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct sync_url u;
    struct tb_err   e = { 0 };

    if (sync_url_parse((tb_str){ (const char *)data, n }, &u, &e) != TB_OK) {
        assert(e.code == TB_EINPUT && e.why[0] != '\0');
        return 0;
    }
    assert(u.user[0] != '\0' && u.host[0] != '\0' && u.database[0] != '\0' && u.password != NULL);
    assert(u.port >= 1 && u.port <= 65535 && u.ssl_mode < SYNC_SSL_MODE_COUNT);
    sync_url_fini(&u);
    return 0;
}
