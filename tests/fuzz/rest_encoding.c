/* Bodies that came compressed: any bytes as gzip or deflate. What is taken is within the limit. */
#include "rest/encoding.h"

#include <assert.h>

enum { MAX_BODY = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct tb_buf out = TB_BUF_INIT;
    struct tb_err e = { .code = TB_OK };

    if (rest_decode_body((tb_str){ (const char *)data, n }, TB_LIT("gzip"), MAX_BODY, &out, &e) == TB_OK)
        assert(out.n <= MAX_BODY);
    else
        assert((e.code == TB_EINPUT || e.code == TB_ETOOBIG) && e.say != NULL);
    tb_buf_fini(&out);
    return 0;
}
