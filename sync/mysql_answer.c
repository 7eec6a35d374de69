/* Bodies of mysql_answer.h. */
#include "mysql_answer.h"

enum tb_code
answer_ask(struct mysql_link *l, const char *what, tb_str sql, unsigned n_columns, size_t max_rows,
           struct mysql_answer *out, struct tb_err *e)
{
    *out = (struct mysql_answer){ 0 };
    if (link_fetch(l, what, sql, n_columns, max_rows, &out->all, e) != TB_OK)
        answer_free(out);
    return e->code;
}

bool
answer_next(struct mysql_answer *a)
{
    a->is_sound = true;
    if (a->next == a->all.n)
        return false;
    a->row = a->all.row[a->next++];
    return true;
}

tb_str
answer_text(const struct mysql_answer *a, unsigned column)
{
    return a->row[column];
}

int64_t
answer_number(struct mysql_answer *a, unsigned column, int64_t max)
{
    uint64_t v = 0;

    a->is_sound = a->is_sound && a->row[column].p != NULL && tb_str_to_uint(a->row[column], (uint64_t)max, &v);
    return (int64_t)v;
}

void
answer_free(struct mysql_answer *a)
{
    link_rows_free(&a->all);
}
