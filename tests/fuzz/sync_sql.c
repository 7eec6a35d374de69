/* From a body to SQL: the first byte is the kind of the op, the rest its body, as a damaged or hostile journal may have it.
 * Whatever becomes text has no byte in it that could end a literal early: hex between quotes, and words of our own. */
#include "sync/sql.h"

#include <assert.h>

static const struct sql_fence fence = { .epoch = 1, .journal_uuid = "01234567-89ab-cdef-0123-456789abcdef" };

/* Every quoted text is hex or our own epoch, and quotes pair up. */
static void
check(tb_str text)
{
    bool is_quoted = false, is_hex = false;

    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        assert(c == '\n' || (c >= 0x20 && c < 0x7f && c != '\\' && c != '"'));
        if (c == '\'') {
            is_quoted = !is_quoted;
            is_hex = is_quoted && text.p[i - 1] == 'X';
        } else if (is_quoted && is_hex) {
            assert((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
        }
    }
    assert(!is_quoted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct sql_batch  *b = sql_batch_new();
    struct store_entry entry = { .seq = 1, .at = 1, .version = 1 };
    struct tb_err      e = { 0 };
    size_t             n_statements;

    if (n > 0) {
        entry.kind = data[0];
        entry.body = (tb_str){ .p = (const char *)data + 1, .n = n - 1 };
        sql_batch_begin(b, &fence, SIZE_MAX);
        if (sql_batch_add(b, &entry, &e) == TB_OK)
            check(sql_batch_text(b, 1, &n_statements));
        else
            assert(e.code == TB_EINPUT && sql_batch_ops(b) == 0);
    }
    sql_batch_free(&b);
    return 0;
}
