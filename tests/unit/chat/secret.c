/* The key file: made once, kept, and refused when it cannot be trusted. */
#include "chat/secret.h"
#include "base/log.h"
#include "tap.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder { char dir[64], file[96]; };

static void
swallow(tb_str line)
{
    (void)line;
}

static int
make_folder(void **state)
{
    struct folder *f = TB_NEW(struct folder);
    snprintf(f->dir, sizeof f->dir, "/tmp/tombolo-secret-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    snprintf(f->file, sizeof f->file, "%s/jwt.secret", f->dir);
    *state = f;
    return 0;
}

static int
remove_folder(void **state)
{
    struct folder *f = *state;
    unlink(f->file);
    int failed = rmdir(f->dir);     /* fails when a temporary file was left behind */
    tb_free(f);
    return failed;
}

static void
put(const struct folder *f, const char *text, mode_t mode)
{
    int fd = open(f->file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(strlen(text), write(fd, text, strlen(text)));
    assert_int_equal(0, fchmod(fd, mode));
    close(fd);
}

#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeef0"

static void
the_first_start_makes_a_key_that_later_ones_read(void **state)
{
    struct folder *f = *state;
    struct tb_buf  first = TB_BUF_INIT, second = TB_BUF_INIT;
    struct tb_err  e;
    struct stat    st;

    assert_int_equal(TB_OK, chat_secret_load(f->dir, TB_STR_NULL, &first, &e));
    assert_int_equal(CHAT_SECRET_BYTES, first.n);
    assert_int_equal(0, stat(f->file, &st));
    assert_int_equal(0600, st.st_mode & 0777);
    assert_int_equal(TB_OK, chat_secret_load(f->dir, TB_STR_NULL, &second, &e));
    assert_true(tb_str_eq(tb_buf_str(&first), tb_buf_str(&second)));
    assert_false(sodium_is_zero((unsigned char *)first.p, first.n));
    tb_buf_fini(&first);
    tb_buf_fini(&second);
}

static void
a_configured_key_is_used_as_it_stands_and_nothing_is_written(void **state)
{
    struct folder *f = *state;
    struct tb_buf  key = TB_BUF_INIT;
    struct tb_err  e;

    assert_int_equal(TB_OK, chat_secret_load(f->dir, TB_LIT("short"), &key, &e));
    assert_string_equal("short", key.p);
    assert_int_not_equal(0, access(f->file, F_OK));
    tb_buf_fini(&key);
}

static void
a_file_that_others_may_open_is_refused(void **state)
{
    static const mode_t modes[] = { 0644, 0640, 0604, 0620, 0610, 0666 };
    struct folder      *f = *state;
    struct tb_buf       key = TB_BUF_INIT;
    struct tb_err       e;

    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        put(f, HEX "\n", modes[i]);
        assert_int_equal(TB_EIO, chat_secret_load(f->dir, TB_STR_NULL, &key, &e));
        assert_non_null(strstr(e.why, "chmod 600"));
        assert_int_equal(0, key.n);
    }
    put(f, HEX "\n", 0600);
    assert_int_equal(TB_OK, chat_secret_load(f->dir, TB_STR_NULL, &key, &e));
    assert_memory_equal("\x00\x11\x22", key.p, 3);
    tb_buf_fini(&key);
}

static void
a_malformed_file_is_refused_and_left_alone(void **state)
{
    static const char *const texts[] = {
        "", "\n", HEX, (HEX "x"), (HEX "\n\n"), ("x" HEX), "secret\n",
        "zz112233445566778899aabbccddeeff00112233445566778899aabbccddeef0\n",
        "00112233445566778899aabbccddeeff0011223344556677889 aabbccddeef0\n",
    };
    struct folder           *f = *state;
    struct tb_buf            key = TB_BUF_INIT;
    struct tb_err            e;
    struct stat              st;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put(f, texts[i], 0600);
        if (chat_secret_load(f->dir, TB_STR_NULL, &key, &e) != TB_EIO)
            fail_msg("taken: row %zu", i);
        assert_int_equal(0, stat(f->file, &st));
        assert_int_equal(strlen(texts[i]), st.st_size);
    }
    tb_buf_fini(&key);
}

static void
a_link_is_not_followed(void **state)
{
    struct folder *f = *state;
    struct tb_buf  key = TB_BUF_INIT;
    struct tb_err  e;
    char           good[128];

    put(f, HEX "\n", 0600);
    snprintf(good, sizeof good, "%s/elsewhere", f->dir);
    assert_int_equal(0, rename(f->file, good));
    assert_int_equal(0, symlink(good, f->file));
    assert_int_equal(TB_EIO, chat_secret_load(f->dir, TB_STR_NULL, &key, &e));
    unlink(good);
    tb_buf_fini(&key);
}

static void
a_half_written_one_of_a_crash_is_replaced(void **state)
{
    struct folder *f = *state;
    struct tb_buf  key = TB_BUF_INIT;
    struct tb_err  e;
    char           temp[128];

    snprintf(temp, sizeof temp, "%s.new", f->file);
    int fd = open(temp, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(3, write(fd, "abc", 3));
    close(fd);
    assert_int_equal(TB_OK, chat_secret_load(f->dir, TB_STR_NULL, &key, &e));
    assert_int_equal(CHAT_SECRET_BYTES, key.n);
    assert_int_not_equal(0, access(temp, F_OK));
    tb_buf_fini(&key);
}

static void
a_folder_that_is_not_there_is_named(void **state)
{
    struct tb_buf key = TB_BUF_INIT;
    struct tb_err e;
    (void)state;
    assert_int_equal(TB_EIO, chat_secret_load("/tmp/tombolo-no-such-folder", TB_STR_NULL, &key, &e));
    assert_non_null(strstr(e.why, "tombolo-no-such-folder"));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(the_first_start_makes_a_key_that_later_ones_read),
        IN_FOLDER(a_configured_key_is_used_as_it_stands_and_nothing_is_written),
        IN_FOLDER(a_file_that_others_may_open_is_refused),
        IN_FOLDER(a_malformed_file_is_refused_and_left_alone),
        IN_FOLDER(a_link_is_not_followed),
        IN_FOLDER(a_half_written_one_of_a_crash_is_replaced),
        cmocka_unit_test(a_folder_that_is_not_there_is_named),
    };
    log_divert(swallow);
    return sodium_init() < 0 || tap_run(tests);
}
