/* Bodies of mysql_answer.h. */
#include "mysql_answer.h"

enum tb_code
answer_ask(struct mysql_link *l, const char *what, tb_str sql, unsigned n_columns, struct mysql_answer *out,
           struct tb_err *e)
{
    *out = (struct mysql_answer){ 0 };
    if (mysql_real_query(l->sql, sql.p, sql.n) != 0)
        return link_fail(l, what, e);
    out->all = mysql_store_result(l->sql);
    if (out->all == NULL)
        return link_fail(l, what, e);
    if (mysql_num_fields(out->all) == n_columns)
        return TB_OK;
    answer_free(out);
    return tb_fail(e, TB_EIO, NULL, "%s: an answer of other than %u columns came", what, n_columns);
}

bool
answer_next(struct mysql_answer *a)
{
    a->row = mysql_fetch_row(a->all);
    a->is_sound = true;
    return a->row != NULL;
}

tb_str
answer_text(const struct mysql_answer *a, unsigned column)
{
    return (tb_str){ .p = a->row[column], .n = a->row[column] != NULL ? mysql_fetch_lengths(a->all)[column] : 0 };
}

int64_t
answer_number(struct mysql_answer *a, unsigned column, int64_t max)
{
    uint64_t v = 0;

    a->is_sound = a->is_sound && a->row[column] != NULL && tb_str_to_uint(answer_text(a, column), (uint64_t)max, &v);
    return (int64_t)v;
}

void
answer_free(struct mysql_answer *a)
{
    mysql_free_result(a->all);
    a->all = NULL;
}
