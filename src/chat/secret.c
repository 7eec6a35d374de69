/* <dir>/jwt.secret holds 64 hex digits and a line end, mode 0600. It is written under another name, synced and linked
 * into place, so that the file is whole or not there, also after a power cut, and two who start at once share one key. */
#include "secret.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "jwt.secret"
#define TEMP_NAME "jwt.secret.new"
enum { FILE_BYTES = 2 * CHAT_SECRET_BYTES + 1 };    /* hex and '\n' */
enum { WEAK_BYTES = 32 };                           /* RFC 7518 section 3.2: a key as long as the hash, or longer */

static enum tb_code
fail(struct tb_err *e, const char *dir, const char *what)
{
    return tb_fail(e, TB_EIO, NULL, "%s/%s: %s: %s", dir, FILE_NAME, what, strerror(errno));
}

static enum tb_code
sync_folder(int dir_fd)
{
    return fsync(dir_fd) == 0 ? TB_OK : TB_EIO;
}

/* A temporary file left by a crash is replaced; a final one that somebody linked meanwhile stays and is read. */
static enum tb_code
write_new(int dir_fd)
{
    unsigned char key[CHAT_SECRET_BYTES];
    char          text[FILE_BYTES + 1];
    bool          ok = unlinkat(dir_fd, TEMP_NAME, 0) == 0 || errno == ENOENT;
    int           fd = ok ? openat(dir_fd, TEMP_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;

    if (fd < 0)
        return TB_EIO;
    randombytes_buf(key, sizeof key);
    sodium_bin2hex(text, sizeof text, key, sizeof key);
    text[FILE_BYTES - 1] = '\n';
    ok = write(fd, text, FILE_BYTES) == FILE_BYTES && fsync(fd) == 0;
    sodium_memzero(key, sizeof key);
    sodium_memzero(text, sizeof text);
    ok = close(fd) == 0 && ok;
    ok = ok && (linkat(dir_fd, TEMP_NAME, dir_fd, FILE_NAME, 0) == 0 || errno == EEXIST);
    return ok && unlinkat(dir_fd, TEMP_NAME, 0) == 0 ? sync_folder(dir_fd) : TB_EIO;
}

static bool
decode(const char text[FILE_BYTES], unsigned char key[CHAT_SECRET_BYTES])
{
    size_t      n = 0;
    const char *end = NULL;

    return text[FILE_BYTES - 1] == '\n' &&
           sodium_hex2bin(key, CHAT_SECRET_BYTES, text, FILE_BYTES - 1, NULL, &n, &end) == 0 &&
           n == CHAT_SECRET_BYTES && end == text + FILE_BYTES - 1;
}

static enum tb_code
read_key(int fd, const char *dir, struct tb_buf *out, struct tb_err *e)
{
    struct stat   st;
    char          text[FILE_BYTES];
    unsigned char key[CHAT_SECRET_BYTES];

    if (fstat(fd, &st) != 0)
        return fail(e, dir, "stat");
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
        return tb_fail(e, TB_EIO, NULL, "%s/%s: others may read or change it (mode %03o): chmod 600, and think of who has"
                       " seen it", dir, FILE_NAME, (unsigned)st.st_mode & 0777);
    if (st.st_size != FILE_BYTES || read(fd, text, sizeof text) != FILE_BYTES || !decode(text, key))
        return tb_fail(e, TB_EIO, NULL, "%s/%s: not %d hex digits and a line end: restore it, or remove it and all log in"
                       " anew", dir, FILE_NAME, 2 * CHAT_SECRET_BYTES);
    tb_buf_add(out, (tb_str){ (const char *)key, sizeof key });
    sodium_memzero(text, sizeof text);
    sodium_memzero(key, sizeof key);
    return TB_OK;
}

static enum tb_code
load_file(int dir_fd, const char *dir, struct tb_buf *out, struct tb_err *e)
{
    int fd = openat(dir_fd, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT) {
        if (write_new(dir_fd) != TB_OK)
            return fail(e, dir, "make");
        log_info("auth.secret_made", "file=%s", FILE_NAME);
        fd = openat(dir_fd, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    }
    if (fd < 0)
        return fail(e, dir, "open");
    enum tb_code code = read_key(fd, dir, out, e);
    close(fd);
    return code;
}

enum tb_code
chat_secret_load(const char *dir, tb_str configured, struct tb_buf *out, struct tb_err *e)
{
    if (configured.n > 0) {
        if (configured.n < WEAK_BYTES)
            log_warn("auth.secret_short", "bytes=%zu recommended=%d", configured.n, WEAK_BYTES);
        tb_buf_add(out, configured);
        return TB_OK;
    }
    if (sodium_init() < 0)
        return tb_fail(e, TB_EINTERNAL, NULL, "libsodium does not start");
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return tb_fail(e, TB_EIO, NULL, "%s: %s", dir, strerror(errno));
    enum tb_code code = load_file(dir_fd, dir, out, e);
    close(dir_fd);
    return code;
}
