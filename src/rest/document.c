/* Bodies of document.h. */
#include "document.h"

#include "rest/path.h"

/* A cache between may have marked our tag as weak. None of ours holds a comma. */
bool
rest_document_is_known(const struct rest_document *d, tb_str if_none_match)
{
    return rest_lists(if_none_match, d->etag) || rest_lists(if_none_match, TB_LIT("*"));
}
