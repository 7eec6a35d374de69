/* The configuration reader: any bytes as a file. What it takes it can also show. */
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct tb_config c;
    struct tb_err    e;
    struct tb_buf    out = TB_BUF_INIT;

    if (tb_config_parse(&c, "fuzz", (tb_str){ .p = (const char *)data, .n = n }, &e) != TB_OK)
        return 0;
    tb_config_print(&c, false, &out);
    tb_config_print(&c, true, &out);
    tb_buf_fini(&out);
    tb_config_fini(&c);
    return 0;
}
