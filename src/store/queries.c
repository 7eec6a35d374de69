/* The texts of queries.h. */
#include "queries.h"

const char *const store_query_texts[Q_COUNT] = {
#define X(name, sql) [name] = sql,
    STORE_QUERIES(X)
#undef X
};
