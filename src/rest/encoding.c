/* Bodies of encoding.h, by zlib. */
#include "encoding.h"

#include <zlib.h>

enum {
    EITHER_HEADER = 32,                 /* zlib looks for itself whether it is gzip's or its own */
    STEP_BYTES = 16 << 10,
};

static bool
is_known(tb_str name)
{
    return tb_str_eq_nocase(name, TB_LIT("gzip")) || tb_str_eq_nocase(name, TB_LIT("x-gzip")) ||
           tb_str_eq_nocase(name, TB_LIT("deflate"));
}

/* To the end of the stream, or to the first byte beyond max. */
static int
inflate_all(z_stream *z, size_t max, struct tb_buf *out)
{
    int code = Z_OK;

    while (code == Z_OK && out->n <= max) {
        tb_buf_reserve(out, STEP_BYTES);
        z->next_out = (Bytef *)out->p + out->n;
        z->avail_out = STEP_BYTES;
        code = inflate(z, Z_NO_FLUSH);
        out->n += STEP_BYTES - z->avail_out;
    }
    return code;
}

static enum tb_code
inflate_body(tb_str body, size_t max, struct tb_buf *out, struct tb_err *e)
{
    union { const char *lent; Bytef *ours; } in = { .lent = body.p };    /* zlib only reads it */
    z_stream z = { .next_in = in.ours, .avail_in = (uInt)body.n };

    if (inflateInit2(&z, MAX_WBITS + EITHER_HEADER) != Z_OK)
        return tb_fail(e, TB_EBUSY, NULL, "no memory to inflate");
    int  code = inflate_all(&z, max, out);
    bool has_more = z.avail_in > 0;
    inflateEnd(&z);
    if (out->n > max)
        return tb_fail(e, TB_ETOOBIG, NULL, "a body of %zu bytes holds more than %zu", body.n, max);
    if (code != Z_STREAM_END || has_more)
        return tb_fail(e, TB_EINPUT, "The body is not as its Content-Encoding says", "inflate: %d", code);
    return TB_OK;
}

enum tb_code
rest_decode_body(tb_str body, tb_str name, size_t max, struct tb_buf *out, struct tb_err *e)
{
    name = tb_str_trim(name);
    if (name.n == 0 || tb_str_eq_nocase(name, TB_LIT("identity"))) {
        tb_buf_add(out, body);
        return TB_OK;
    }
    if (!is_known(name))
        return tb_fail(e, TB_EMEDIA, "Content-Encoding must be gzip or deflate", "another encoding");
    return inflate_body(body, max, out, e);
}
