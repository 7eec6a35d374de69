#pragma once
/* The rows of one answer, read whole. Numbers are asked for without a sign and are never NULL: a row in which one is not is not
 * sound, and nothing of it is believed. Threads: the link's. */
#include "mysql_link.h"

struct mysql_answer {
    struct link_rows all;
    size_t next;
    tb_str *row;
    bool is_sound; /* of the row under way: every number so far was one */
};

/* TB_OK: there is an answer of so many columns and not more than max_rows, which is to be freed. */
enum tb_code answer_ask(struct mysql_link *l, const char *what, tb_str sql, unsigned n_columns, size_t max_rows,
                        struct mysql_answer *out, struct tb_err *e) TB_MUST_CHECK;
bool answer_next(struct mysql_answer *a);
tb_str answer_text(const struct mysql_answer *a, unsigned column); /* NULL is p NULL; valid until it is freed */
int64_t answer_number(struct mysql_answer *a, unsigned column, int64_t max);
void answer_free(struct mysql_answer *a);
