/* Bodies of document.h. */
#include "document.h"

#include "base/scan.h"

/* A cache between may have marked our tag as weak. None of ours holds a comma. */
bool
rest_document_is_known(const struct rest_document *d, tb_str if_none_match)
{
    struct tb_scan s = tb_scan_of(if_none_match);

    while (!tb_scan_at_end(&s)) {
        tb_str tag = tb_str_trim(tb_scan_until(&s, ','));
        if (tb_str_starts(tag, TB_LIT("W/")))
            tag = (tb_str){ tag.p + 2, tag.n - 2 };
        if (tb_str_eq(tag, d->etag) || tb_str_eq(tag, TB_LIT("*")))
            return true;
    }
    return false;
}
