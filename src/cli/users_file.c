/* Bodies of users_file.h. A line that cannot be understood costs itself alone: reading goes on behind its line end, and a quote
 * that is never closed costs the line on which it was opened. */
#include "users_file.h"

#include <jansson.h>

enum { MAX_FIELDS = 4, N_COLUMNS = 4 };

static const char *const names[N_COLUMNS] = { "email", "username", "password", "hash" };

static tb_str *
member_of(struct users_line *l, int column)
{
    tb_str *const members[N_COLUMNS] = { &l->email, &l->username, &l->password, &l->hash };
    return members[column];
}

static int
find_column(tb_str name)
{
    for (int i = 0; i < N_COLUMNS; i++)
        if (tb_str_eq_nocase(name, tb_str_of(names[i])))
            return i;
    return -1;
}

/* ---- characters ---- */

static bool
is_at_end(const struct users_file *f)
{
    return f->pos == f->text.n;
}

static bool
is_at(const struct users_file *f, char c)
{
    return !is_at_end(f) && f->text.p[f->pos] == c;
}

static void
step(struct users_file *f)
{
    if (f->text.p[f->pos++] == '\n')
        f->line++;
}

static tb_str
take_line(struct users_file *f)
{
    size_t from = f->pos;

    while (!is_at_end(f) && !is_at(f, '\n'))
        step(f);
    tb_str line = { .p = f->text.p + from, .n = f->pos - from };
    if (!is_at_end(f))
        step(f);
    return line;
}

/* ---- CSV ---- */

struct place {
    size_t pos, line;
};

static struct place
here(const struct users_file *f)
{
    return (struct place){ .pos = f->pos, .line = f->line };
}

/* After a record that is none: on behind the line on which it began. */
static enum tb_code
skip_line(struct users_file *f, struct place from, struct tb_err *e, const char *why)
{
    f->pos = from.pos;
    f->line = from.line;
    (void)take_line(f);
    return tb_fail(e, TB_EINPUT, NULL, "%s", why);
}

/* Behind its first quote. NULL, or why it is none. */
static const char *
take_quoted(struct users_file *f, tb_str *out)
{
    struct tb_buf b = TB_BUF_INIT;

    for (;;) {
        if (is_at_end(f)) {
            tb_buf_fini(&b);
            return "a quote is not closed";
        }
        char c = f->text.p[f->pos];
        step(f);
        if (c == '"' && !is_at(f, '"'))
            break;
        if (c == '"')
            step(f);
        tb_buf_add_char(&b, c);
    }
    *out = tb_arena_str(&f->mem, b.n > 0 ? tb_buf_str(&b) : TB_LIT(""));
    tb_buf_fini(&b);
    return NULL;
}

static const char *
take_plain(struct users_file *f, tb_str *out)
{
    size_t from = f->pos;

    while (!is_at_end(f) && !is_at(f, ',') && !is_at(f, '\n') && !is_at(f, '\r')) {
        if (is_at(f, '"'))
            return "a quote within a field that does not begin with one";
        step(f);
    }
    *out = (tb_str){ .p = f->text.p + from, .n = f->pos - from };
    return NULL;
}

/* *is_last: the record has ended. */
static const char *
take_field(struct users_file *f, tb_str *out, bool *is_last)
{
    const char *why = NULL;

    if (is_at(f, '"')) {
        step(f);
        why = take_quoted(f, out);
    } else {
        why = take_plain(f, out);
    }
    if (why != NULL)
        return why;
    *is_last = !is_at(f, ',');
    if (is_at(f, '\r'))
        step(f);
    if (!is_at_end(f) && !is_at(f, *is_last ? '\n' : ','))
        return "something follows a closing quote or a carriage return";
    if (!is_at_end(f))
        step(f);
    return NULL;
}

static enum tb_code
take_record(struct users_file *f, tb_str fields[MAX_FIELDS], int *n, struct tb_err *e)
{
    struct place from = here(f);
    bool         is_last = false;

    for (*n = 0; !is_last; ++*n) {
        if (*n == MAX_FIELDS)
            return skip_line(f, from, e, "it has more columns than there are names for");
        const char *why = take_field(f, &fields[*n], &is_last);
        if (why != NULL)
            return skip_line(f, from, e, why);
    }
    return TB_OK;
}

static bool
has_column(const struct users_file *f, int column)
{
    for (int i = 0; i < f->n_columns; i++)
        if (f->columns[i] == column)
            return true;
    return false;
}

static enum tb_code
read_columns(struct users_file *f, struct tb_err *e)
{
    tb_str fields[MAX_FIELDS];
    int    n;

    if (take_record(f, fields, &n, e) != TB_OK)
        return tb_wrap(e, "line 1");
    for (int i = 0; i < n; i++) {
        int column = find_column(tb_str_trim(fields[i]));
        if (column < 0 || has_column(f, column))
            return tb_fail(e, TB_EINPUT, NULL, "line 1: column %d is not email, username, password or hash, or comes twice",
                           i + 1);
        f->columns[f->n_columns++] = column;
    }
    return has_column(f, 0) && has_column(f, 1)
               ? TB_OK
               : tb_fail(e, TB_EINPUT, NULL, "line 1 must name the columns email and username");
}

static enum tb_code
read_csv(struct users_file *f, struct users_line *out, struct tb_err *e)
{
    tb_str fields[MAX_FIELDS];
    int    n;

    if (take_record(f, fields, &n, e) != TB_OK)
        return e->code;
    if (n != f->n_columns)
        return tb_fail(e, TB_EINPUT, NULL, "it has %d columns, the first line has %d", n, f->n_columns);
    for (int i = 0; i < n; i++)
        if (fields[i].n > 0)
            *member_of(out, f->columns[i]) = fields[i];
    return TB_OK;
}

/* ---- JSON lines ---- */

static enum tb_code
read_members(struct users_file *f, json_t *object, struct users_line *out, struct tb_err *e)
{
    const char *key;
    json_t     *value;

    json_object_foreach(object, key, value)
    {
        int column = find_column(tb_str_of(key));
        if (column < 0 || !json_is_string(value))
            return tb_fail(e, TB_EINPUT, NULL, "members are email, username, password and hash, and each is a string");
        *member_of(out, column) = tb_arena_str(&f->mem, (tb_str){ json_string_value(value), json_string_length(value) });
    }
    return TB_OK;
}

static enum tb_code
read_json(struct users_file *f, struct users_line *out, struct tb_err *e)
{
    tb_str  line = take_line(f);
    json_t *object = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(object))
        tb_fail(e, TB_EINPUT, NULL, "this is no JSON object");
    else
        TB_TRY(read_members(f, object, out, e));
    json_decref(object);
    return e->code;
}

/* ---- both ---- */

static void
skip_blank_lines(struct users_file *f)
{
    while (is_at(f, '\n') || is_at(f, '\r') || (f->is_json && (is_at(f, ' ') || is_at(f, '\t'))))
        step(f);
}

enum tb_code
users_file_begin(struct users_file *f, tb_str text, struct tb_err *e)
{
    static const tb_str mark = { .p = "\xef\xbb\xbf", .n = 3 }; /* the byte order mark of some editors */

    *f = (struct users_file){ .text = text, .line = 1 };
    *e = (struct tb_err){ 0 };
    if (tb_str_starts(text, mark))
        f->pos = mark.n;
    skip_blank_lines(f);
    f->is_json = is_at(f, '{');
    if (f->is_json)
        return TB_OK;
    if (read_columns(f, e) != TB_OK)
        users_file_end(f);
    return e->code;
}

void
users_file_end(struct users_file *f)
{
    tb_arena_fini(&f->mem);
}

bool
users_file_next(struct users_file *f, struct users_line *out, struct tb_err *e)
{
    *out = (struct users_line){ 0 };
    *e = (struct tb_err){ 0 };
    skip_blank_lines(f);
    if (is_at_end(f))
        return false;
    out->line = f->line;
    TB_TRY(f->is_json ? read_json(f, out, e) : read_csv(f, out, e));
    return true;
}
