/* Bodies of path.h. */
#include "path.h"

#include "base/scan.h"

/* The byte of "%XX" at p, or -1: it is none, or a slash. */
static int
escaped_at(tb_str text, size_t i)
{
    if (text.p[i] != '%' || text.n - i < 3)
        return -1;
    int high = tb_hex_of(text.p[i + 1]), low = tb_hex_of(text.p[i + 2]);
    int byte = high < 0 || low < 0 ? -1 : high * 16 + low;
    return byte == '/' ? -1 : byte;
}

tb_str
rest_unescape(tb_str text, struct tb_arena *mem)
{
    if (text.n == 0 || memchr(text.p, '%', text.n) == NULL)
        return text;
    char  *out = tb_arena_alloc(mem, text.n);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        int byte = escaped_at(text, i);
        out[n++] = byte >= 0 ? (char)byte : text.p[i];
        i += byte >= 0 ? 2 : 0;
    }
    return (tb_str){ .p = out, .n = n };
}

/* tb_scan_until takes the slash after a segment too, so a last one is gone without being asked for. */
bool
rest_path_matches(tb_str path, tb_str pattern, bool any_case, tb_str *wild)
{
    struct tb_scan have = tb_scan_of(path), want = tb_scan_of(pattern);

    while (!tb_scan_at_end(&want)) {
        tb_str w = tb_scan_until(&want, '/');
        if (tb_scan_at_end(&have))
            return false;
        tb_str h = tb_scan_until(&have, '/');
        if (tb_str_eq(w, TB_LIT("*")) && h.n > 0)
            *wild = h;
        else if (any_case ? !tb_str_eq_nocase(w, h) : !tb_str_eq(w, h))
            return false;
    }
    return tb_scan_at_end(&have);
}

tb_str
rest_query_find(tb_str query, tb_str name)
{
    struct tb_scan s = tb_scan_of(query);

    while (!tb_scan_at_end(&s)) {
        struct tb_scan pair = tb_scan_of(tb_scan_until(&s, '&'));
        if (tb_str_eq(tb_scan_until(&pair, '='), name) && !tb_scan_at_end(&pair))
            return tb_scan_rest(&pair);
    }
    return TB_STR_NULL;
}

/* ";q=0", "; q=0.000" */
static bool
has_no_weight(struct tb_scan s)
{
    tb_str weight = tb_str_trim(tb_scan_rest(&s));

    if (!tb_str_starts(weight, TB_LIT("q=0")))
        return false;
    for (size_t i = 3; i < weight.n; i++)
        if (weight.p[i] != '0' && weight.p[i] != '.')
            return false;
    return true;
}

bool
rest_lists(tb_str header, tb_str wanted)
{
    struct tb_scan s = tb_scan_of(header);

    while (!tb_scan_at_end(&s)) {
        struct tb_scan one = tb_scan_of(tb_scan_until(&s, ','));
        tb_str         name = tb_str_trim(tb_scan_until(&one, ';'));
        if (tb_str_starts(name, TB_LIT("W/")))
            name = (tb_str){ name.p + 2, name.n - 2 };
        if (tb_str_eq_nocase(name, wanted) && !has_no_weight(one))
            return true;
    }
    return false;
}

bool
rest_is_json(tb_str type)
{
    struct tb_scan s = tb_scan_of(type);
    return tb_str_eq_nocase(tb_str_trim(tb_scan_until(&s, ';')), TB_LIT("application/json"));
}
