/* Bodies of json.h. Characters below U+0020, the quote and the backslash are escaped, all else passes as it is. */
#include "json.h"

#include "clock.h"

#include <assert.h>

struct tb_json
tb_json_to(struct tb_buf *out)
{
    return (struct tb_json){ .out = out };
}

void
tb_json_fini(const struct tb_json *j)
{
    assert(j->depth == 0);
}

/* Room for n bytes, which are then put without asking again: pages of messages are written piece by piece, so a check and
 * a NUL for each byte is what they would cost most. Every function that puts ends with end_text. */
static void
before_value(struct tb_json *j, size_t n)
{
    tb_buf_reserve(j->out, n + 1);
    if (j->need_comma)
        j->out->p[j->out->n++] = ',';
    j->need_comma = true;
}

static void
put(struct tb_buf *out, tb_str s)
{
    if (s.n > 0)
        memcpy(out->p + out->n, s.p, s.n);
    out->n += s.n;
}

static void
put_char(struct tb_buf *out, char c)
{
    out->p[out->n++] = c;
}

static void
end_text(struct tb_buf *out)
{
    out->p[out->n] = '\0';
}

static void
open(struct tb_json *j, char c)
{
    before_value(j, 1);
    put_char(j->out, c);
    end_text(j->out);
    j->need_comma = false;
    j->depth++;
}

static void
end(struct tb_json *j, char c)
{
    assert(j->depth > 0);
    tb_buf_add_char(j->out, c);
    j->need_comma = true;
    j->depth--;
}

void
tb_json_open_object(struct tb_json *j)
{
    open(j, '{');
}

void
tb_json_open_array(struct tb_json *j)
{
    open(j, '[');
}

void
tb_json_end_object(struct tb_json *j)
{
    end(j, '}');
}

void
tb_json_end_array(struct tb_json *j)
{
    end(j, ']');
}

void
tb_json_key(struct tb_json *j, const char *key)
{
    tb_str k = tb_str_of(key);

    before_value(j, k.n + 3);
    put_char(j->out, '"');
    put(j->out, k);
    put(j->out, TB_LIT("\":"));
    end_text(j->out);
    j->need_comma = false;
}

static void
add_escaped(struct tb_buf *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";

    switch (c) {
    case '"':  tb_buf_add(out, TB_LIT("\\\"")); break;
    case '\\': tb_buf_add(out, TB_LIT("\\\\")); break;
    case '\n': tb_buf_add(out, TB_LIT("\\n")); break;
    case '\r': tb_buf_add(out, TB_LIT("\\r")); break;
    case '\t': tb_buf_add(out, TB_LIT("\\t")); break;
    case '\b': tb_buf_add(out, TB_LIT("\\b")); break;
    case '\f': tb_buf_add(out, TB_LIT("\\f")); break;
    default:
        tb_buf_add(out, TB_LIT("\\u00"));
        tb_buf_add_char(out, hex[c >> 4]);
        tb_buf_add_char(out, hex[c & 15]);
    }
}

void
tb_json_str(struct tb_json *j, tb_str v)
{
    size_t done = 0;

    before_value(j, v.n + 2);
    put_char(j->out, '"');
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        tb_buf_add(j->out, (tb_str){ .p = v.p + done, .n = i - done });
        add_escaped(j->out, c);
        done = i + 1;
    }
    if (v.n > done)
        tb_buf_add(j->out, (tb_str){ .p = v.p + done, .n = v.n - done });
    tb_buf_add_char(j->out, '"');
}

void
tb_json_int(struct tb_json *j, int64_t v)
{
    before_value(j, 0);
    tb_buf_add_int(j->out, v);
}

void
tb_json_bool(struct tb_json *j, bool v)
{
    tb_json_raw(j, v ? TB_LIT("true") : TB_LIT("false"));
}

void
tb_json_null(struct tb_json *j)
{
    tb_json_raw(j, TB_LIT("null"));
}

void
tb_json_time(struct tb_json *j, int64_t ms)
{
    char text[TB_ISO_SIZE];
    tb_json_str(j, tb_time_iso(ms, text));
}

void
tb_json_raw(struct tb_json *j, tb_str json)
{
    before_value(j, json.n);
    put(j->out, json);
    end_text(j->out);
}
