/* Bodies of password.h. The terminal is OpenSSL's business: it opens /dev/tty, turns the echo off, and turns it on again
 * also when a signal comes. */
#include "password.h"

#include "chat/check.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <unistd.h>

static_assert((int)CLI_PASSWORD_SIZE == (int)CHAT_PASSWORD_MAX + 2, "it takes the longest password");

static bool
has_terminal(void)
{
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static enum tb_code
ask(unsigned min_bytes, char out[CLI_PASSWORD_SIZE], tb_str *password, struct tb_err *e)
{
    if (!has_terminal())
        return tb_fail(e, TB_EINPUT, NULL,
                       "there is no terminal to ask for a password: give it on standard input, with"
                       " --password-stdin");
    if (EVP_read_pw_string_min(out, (int)min_bytes, CHAT_PASSWORD_MAX + 1, "Password: ", 1) != 0)
        return tb_fail(e, TB_EINPUT, NULL, "no password: it has %u to %d bytes, and is given twice", min_bytes, CHAT_PASSWORD_MAX);
    *password = tb_str_of(out);
    return TB_OK;
}

/* Byte by byte, for what comes after the line is not ours. */
static enum tb_code
read_line(char out[CLI_PASSWORD_SIZE], tb_str *password, struct tb_err *e)
{
    size_t  n = 0;
    ssize_t got;

    do {
        got = read(STDIN_FILENO, out + n, 1);
        if (got > 0)
            n++;
    } while (n < CLI_PASSWORD_SIZE && (got > 0 ? out[n - 1] != '\n' : got < 0 && errno == EINTR));
    if (got < 0)
        return tb_fail(e, TB_EINPUT, NULL, "standard input: %s", strerror(errno));
    if (n > 0 && out[n - 1] == '\n')
        n--;
    if (n > 0 && out[n - 1] == '\r')
        n--;
    *password = (tb_str){ .p = out, .n = n };
    return TB_OK;
}

enum tb_code
cli_password_get(bool from_stdin, unsigned min_bytes, char out[CLI_PASSWORD_SIZE], tb_str *password, struct tb_err *e)
{
    if ((from_stdin ? read_line(out, password, e) : ask(min_bytes, out, password, e)) != TB_OK)
        return e->code;
    if (chat_check_password(password->n, min_bytes, e) != TB_OK)
        return tb_fail(e, TB_EINPUT, NULL, "%s", e->say);
    return TB_OK;
}
