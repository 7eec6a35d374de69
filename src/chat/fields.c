/* Bodies of fields.h. What is kept is copied, so the tree that jansson built, which may be a hundred times the text,
 * is gone before anything waits. */
#include "fields.h"

#include "base/unicode.h"
#include "json.h"

#include <math.h>
#include <sodium.h>
#include <stdio.h>

#define MAX_ID UINT64_C(9007199254740991)   /* 2^53-1 */
#define BYTE_ORDER_MARK TB_LIT("\xEF\xBB\xBF")       /* of editors and PowerShell; passed over, as Express does */

bool
chat_id_of(tb_str digits, int64_t *out)
{
    uint64_t v;

    if (!tb_str_to_uint(digits, MAX_ID, &v) || v == 0)
        return false;
    *out = (int64_t)v;
    return true;
}

static tb_str
text_of(const json_t *v)
{
    return (tb_str){ .p = json_string_value(v), .n = json_string_length(v) };
}

static bool
read_id(const json_t *v, int64_t *out)
{
    if (json_is_string(v))
        return chat_id_of(text_of(v), out);

    double d = json_number_value(v);
    if (!json_is_number(v) || !(d >= 1 && d <= (double)MAX_ID) || (double)(int64_t)d != d)
        return false;
    *out = (int64_t)d;
    return true;
}

static bool
read_ids(const json_t *v, struct chat_ids *out, struct tb_arena *mem)
{
    if (!json_is_array(v))
        return false;
    out->n = json_array_size(v);
    out->p = TB_ARENA_ARRAY(mem, int64_t, out->n);
    for (size_t i = 0; i < out->n; i++)
        if (!read_id(json_array_get(v, i), &out->p[i]))
            return false;
    return true;
}

static bool
read_secret(const json_t *v, struct chat_secret *out, struct tb_arena *mem)
{
    if (!json_is_string(v))
        return false;
    *out = (struct chat_secret){ .p = tb_arena_alloc(mem, json_string_length(v) + 1), .n = json_string_length(v) };
    memcpy(out->p, json_string_value(v), out->n);
    return true;
}

/* A text, or a number as the text that JSON has for it. */
static bool
read_key(const json_t *v, tb_str *out, struct tb_arena *mem)
{
    if (json_is_string(v)) {
        *out = tb_arena_str(mem, text_of(v));
        return true;
    }
    if (!json_is_number(v))
        return false;
    double d = json_number_value(v);
    char   text[32];
    int    n = snprintf(text, sizeof text, fabs(d) <= (double)MAX_ID && d == rint(d) ? "%.0f" : "%.17g", d);
    *out = tb_arena_str(mem, (tb_str){ .p = text, .n = (size_t)n });
    return true;
}

/* true and false, and what the old backend took for them: "" was false there. */
static bool
read_bool(const json_t *v, bool *out)
{
    double d = json_number_value(v);
    tb_str text = json_is_string(v) ? text_of(v) : TB_STR_NULL;

    *out = json_is_true(v) || (json_is_number(v) && d == 1) || tb_str_eq(text, TB_LIT("true"));
    return *out || json_is_false(v) || (json_is_number(v) && d == 0) || tb_str_eq(text, TB_LIT("false")) ||
           (json_is_string(v) && text.n == 0);
}

static bool
read_value(const json_t *v, enum chat_field_kind kind, void *at, struct tb_arena *mem)
{
    switch (kind) {
    case CHAT_TEXT:
        if (json_is_string(v))
            *(tb_str *)at = tb_arena_str(mem, text_of(v));
        return json_is_string(v);
    case CHAT_NAME:
        if (json_is_string(v))
            *(tb_str *)at = tb_nfc(tb_arena_str(mem, text_of(v)), mem);
        return json_is_string(v);
    case CHAT_SECRET:
        return read_secret(v, at, mem);
    case CHAT_ID:
        return read_id(v, at);
    case CHAT_IDS:
        return read_ids(v, at, mem);
    case CHAT_KEY:
        return read_key(v, at, mem);
    case CHAT_BOOL:
        return read_bool(v, at);
    }
    return false;
}

/* What a JavaScript backend takes for missing (`if (!roomId)`). */
static bool
is_empty(const json_t *v)
{
    return (json_is_string(v) && json_string_length(v) == 0) || (json_is_number(v) && json_number_value(v) == 0) ||
           (json_is_array(v) && json_array_size(v) == 0);
}

static enum tb_code
read_field(const json_t *object, const struct chat_field *f, void *out, struct tb_arena *mem, struct tb_err *e)
{
    const json_t *v = json_object_get(object, f->name);
    bool          is_absent = v == NULL || json_is_null(v);

    if (f->missing != NULL && (is_absent || is_empty(v)))
        return tb_fail(e, TB_EINPUT, f->missing, "%s is missing", f->name);
    if (!is_absent && !read_value(v, f->kind, (char *)out + f->at, mem))
        return tb_fail(e, TB_EINPUT, f->wrong, "%s is of another type", f->name);
    return TB_OK;
}

/* The tree is ours alone and about to go, though jansson lends its strings as const. */
static void
wipe_text(const json_t *v)
{
    union { const char *lent; char *ours; } p = { .lent = json_string_value(v) };
    sodium_memzero(p.ours, json_string_length(v));
}

static void
wipe_values(const json_t *object, struct chat_fields fields)
{
    for (size_t i = 0; i < fields.n; i++) {
        const json_t *v = fields.list[i].kind == CHAT_SECRET ? json_object_get(object, fields.list[i].name) : NULL;
        if (json_is_string(v))
            wipe_text(v);
    }
}

static void
wipe_outputs(struct chat_fields fields, size_t n_read, void *out)
{
    for (size_t i = 0; i < n_read; i++)
        if (fields.list[i].kind == CHAT_SECRET) {
            struct chat_secret *s = (void *)((char *)out + fields.list[i].at);
            sodium_memzero(s->p, s->n);
        }
}

enum tb_code
chat_fields_read(const json_t *object, struct chat_fields fields, void *out, struct tb_arena *mem, struct tb_err *e)
{
    enum tb_code code = TB_OK;

    if (!json_is_object(object))
        return tb_fail(e, TB_EINPUT, "A JSON object is required", "JSON, but no object");
    for (size_t i = 0; i < fields.n && code == TB_OK; i++) {
        code = read_field(object, &fields.list[i], out, mem, e);
        if (code != TB_OK)
            wipe_outputs(fields, i, out);
    }
    wipe_values(object, fields);
    return code;
}

/* Before jansson reads it: jansson bounds depth by 2048, and its trees are freed by recursion. */
static bool
is_too_deep(tb_str text)
{
    bool   in_string = false;
    size_t depth = 0;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"')
            in_string = true;
        else if ((c == '{' || c == '[') && ++depth > CHAT_JSON_DEPTH)
            return true;
        else if ((c == '}' || c == ']') && depth > 0)
            depth--;
    }
    return false;
}

static json_t *
load(tb_str text, struct tb_err *e)
{
    json_error_t why = { 0 };
    json_t      *root = NULL;

    if (tb_str_starts(text, BYTE_ORDER_MARK))
        text = (tb_str){ text.p + BYTE_ORDER_MARK.n, text.n - BYTE_ORDER_MARK.n };
    if (text.n == 0)
        return json_object();
    if (is_too_deep(text))
        tb_fail(e, TB_EINPUT, "The JSON is nested too deeply", "JSON deeper than %d", CHAT_JSON_DEPTH);
    else if ((root = chat_json_load(text, &why)) == NULL)
        tb_fail(e, TB_EINPUT, "The body is not valid JSON", "JSON, byte %d of %zu", why.position, text.n);
    return root;
}

enum tb_code
chat_fields_parse(tb_str text, struct chat_fields fields, void *out, struct tb_arena *mem, struct tb_err *e)
{
    json_t *root = load(text, e);

    if (root == NULL)
        return TB_EINPUT;
    enum tb_code code = chat_fields_read(root, fields, out, mem, e);
    json_decref(root);
    return code;
}
