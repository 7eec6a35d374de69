/* The reader of JSON bodies: any bytes as a body, against a table with every kind of field. What it takes keeps its
 * word: ids in range, text in UTF-8, names in NFC. */
#include "base/unicode.h"
#include "chat/fields.h"

#include <assert.h>

struct out {
    int64_t            id;
    tb_str             text, name, key;
    struct chat_ids    ids;
    bool               flag;
    struct chat_secret secret;
};

static const struct chat_field list[] = {
    { "id", CHAT_ID, offsetof(struct out, id), "no id", "bad id" },
    { "text", CHAT_TEXT, offsetof(struct out, text), NULL, "bad text" },
    { "name", CHAT_NAME, offsetof(struct out, name), NULL, "bad name" },
    { "key", CHAT_KEY, offsetof(struct out, key), NULL, "bad key" },
    { "ids", CHAT_IDS, offsetof(struct out, ids), NULL, "bad ids" },
    { "flag", CHAT_BOOL, offsetof(struct out, flag), NULL, "bad flag" },
    { "secret", CHAT_SECRET, offsetof(struct out, secret), NULL, "bad secret" },
};

static void
check(const struct out *out, struct tb_arena *mem)
{
    assert(tb_str_is_utf8(out->name) && tb_str_is_utf8(out->key));
    assert(tb_str_eq(out->name, tb_nfc(out->name, mem)));
    assert(!tb_is_visible(out->name) || out->name.n > 0);
    assert(out->id >= 1 && out->id <= INT64_C(9007199254740991));
    assert(tb_str_is_utf8(out->text));
    for (size_t i = 0; i < out->ids.n; i++)
        assert(out->ids.p[i] >= 1 && out->ids.p[i] <= INT64_C(9007199254740991));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct chat_fields fields = { list, sizeof list / sizeof *list };
    struct tb_arena    mem = { 0 };
    struct tb_err      e = { .code = TB_OK };
    struct out         out = { 0 };

    if (chat_fields_parse((tb_str){ (const char *)data, n }, fields, &out, &mem, &e) == TB_OK)
        check(&out, &mem);
    else
        assert(e.code == TB_EINPUT && e.say != NULL);
    tb_arena_fini(&mem);
    return 0;
}
