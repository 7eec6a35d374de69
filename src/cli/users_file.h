#pragma once
/* Lists of accounts that come as a file, for tombolo user import:
 *   CSV (RFC 4180) whose first line names its columns: email, username, and password or hash, in any order; or
 *   JSON lines: an object a line with these members.
 * Which of the two it is, its first character says: { begins JSON.
 * Threads: the caller's. */
#include "base/arena.h"
#include "tombolo/err.h"

enum { USERS_FILE_MAX_BYTES = 64 << 20 };

struct users_line {
    size_t line;                            /* in the file, from 1: where it begins */
    tb_str email, username, password, hash; /* as they stand there; p NULL: it has none */
};

struct users_file { /* its members are users_file.c's */
    tb_str          text;
    size_t          pos, line;
    bool            is_json;
    int             n_columns, columns[4];
    struct tb_arena mem;
};

/* text is borrowed until users_file_end. TB_EINPUT: a CSV whose first line does not name the columns. */
enum tb_code users_file_begin(struct users_file *f, tb_str text, struct tb_err *e) TB_MUST_CHECK;
void         users_file_end(struct users_file *f);

/* The next one; false at the end. What out points to is valid until the file's end. TB_EINPUT in e->code: this line cannot be
 * understood (out->line says which), those after it may. */
bool users_file_next(struct users_file *f, struct users_line *out, struct tb_err *e);
