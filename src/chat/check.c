/* Bodies of check.h: pure judgements, no memory. */
#include "check.h"

#include "base/unicode.h"

static bool
is_control(unsigned char c)
{
    return c < 0x20 || c == 0x7f;
}

/* Also U+0080..009F, and U+2028 and U+2029, which break lines where names are shown. */
static bool
has_control(tb_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (is_control(c))
            return true;
        if (c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0)
            return true;
        if (tb_str_starts((tb_str){ s.p + i, s.n - i }, TB_LIT("\u2028")) ||
            tb_str_starts((tb_str){ s.p + i, s.n - i }, TB_LIT("\u2029")))
            return true;
    }
    return false;
}

static bool
is_email(tb_str s)
{
    const char *at = s.n ? memchr(s.p, '@', s.n) : NULL;

    if (s.n < CHAT_EMAIL_MIN || s.n > CHAT_EMAIL_MAX || at == NULL || at == s.p || at == s.p + s.n - 1)
        return false;
    if (memchr(at + 1, '@', (size_t)(s.p + s.n - at) - 1) != NULL || tb_has_blank(s))
        return false;
    return tb_is_visible(s);
}

enum tb_code
chat_check_email(tb_str *s, struct tb_err *e)
{
    *s = tb_str_trim(*s);
    if (!is_email(*s))
        return tb_fail(e, TB_EINPUT, "email must be an e-mail address", "e-mail of %zu bytes", s->n);
    return TB_OK;
}

enum tb_code
chat_check_username(tb_str *s, struct tb_err *e)
{
    *s = tb_str_trim(*s);
    if (s->n == 0 || tb_str_utf8_length(*s) > CHAT_USERNAME_MAX)
        return tb_fail(e, TB_EINPUT, "username must have 1 to 64 characters", "username of %zu bytes", s->n);
    if (!tb_is_visible(*s))
        return tb_fail(e, TB_EINPUT, "username must hold characters that can be seen, and no others", "username of %zu bytes", s->n);
    return TB_OK;
}

enum tb_code
chat_check_room_name(tb_str *s, size_t max_chars, struct tb_err *e)
{
    *s = tb_str_trim(*s);
    if (s->n == 0)
        return tb_fail(e, TB_EINPUT, CHAT_SAY_NO_NAME, "blank room name");
    if (tb_str_utf8_length(*s) > max_chars)
        return tb_fail(e, TB_EINPUT, "name is too long", "room name of %zu bytes", s->n);
    if (!tb_is_visible(*s))
        return tb_fail(e, TB_EINPUT, "name must hold characters that can be seen, and no others", "room name of %zu bytes", s->n);
    return TB_OK;
}

enum tb_code
chat_check_password(size_t n_bytes, unsigned min_bytes, struct tb_err *e)
{
    if (n_bytes >= min_bytes && n_bytes <= CHAT_PASSWORD_MAX)
        return TB_OK;
    const char *say = min_bytes == CHAT_PASSWORD_MIN ? "password must have 8 to 1024 bytes"
                                                     : "password is too short, or longer than 1024 bytes";
    return tb_fail(e, TB_EINPUT, say, "password of %zu bytes, at least %u", n_bytes, min_bytes);
}

enum tb_code
chat_check_content(tb_str *s, size_t max_bytes, struct tb_err *e)
{
    *s = tb_str_trim(*s);
    if (s->n == 0)
        return tb_fail(e, TB_EINPUT, CHAT_SAY_NO_CONTENT, "blank content");
    if (s->n > max_bytes)
        return tb_fail(e, TB_ETOOBIG, "Message content is too long", "content of %zu bytes, limit %zu", s->n,
                       max_bytes);
    return TB_OK;
}

enum tb_code
chat_check_key(tb_str key, struct tb_err *e)
{
    if (key.n == 0 || key.n > CHAT_KEY_MAX || has_control(key) || !tb_str_is_utf8(key))
        return tb_fail(e, TB_EINPUT, "Idempotency-Key and clientId must have 1 to 200 bytes without control characters",
                       "key of %zu bytes", key.n);
    return TB_OK;
}
