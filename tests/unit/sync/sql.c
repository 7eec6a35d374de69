/* The text of a batch: what the server is asked for, in which shape, and never with anything but integers and hex. */
#include "sync/sql.h"

#include "store/op.h"
#include "tap.h"

#include <stdio.h>

static const struct sql_fence fence = {
    .node = 7, .epoch = 3, .journal_uuid = "01234567-89ab-cdef-0123-456789abcdef", .last_seq = 40,
};

static struct store_entry
entry_of(int64_t seq, int kind, tb_str body)
{
    struct store_entry e = { .seq = seq, .node = 7, .at = 1000 + seq, .kind = kind, .version = 1, .body = body };
    memset(e.chain, (int)seq, sizeof e.chain);
    return e;
}

static void
add(struct sql_batch *b, int kind, const char *body)
{
    struct store_entry entry = entry_of(sql_batch_last_seq(b) + 1, kind, tb_str_of(body));
    struct tb_err      e = { 0 };
    if (sql_batch_add(b, &entry, &e) != TB_OK)
        fail_msg("%s: %s", body, e.why);
}

static const char *
text_of(struct sql_batch *b, size_t *n_statements)
{
    tb_str text = sql_batch_text(b, 1700000000123, n_statements);
    assert_int_equal(strlen(text.p), text.n);
    return text.p;
}

static size_t
count(const char *text, const char *what)
{
    size_t n = 0;
    for (; (text = strstr(text, what)) != NULL; text += strlen(what))
        n++;
    return n;
}

/* Each op and the row that it must make; the statement around the row is found by its table. */
static const struct { const char *name; int kind; const char *body, *into, *row; } rows[] = {
    { "a user", OP_USER_REGISTERED, "{\"id\":5,\"email\":\" A@b\",\"username\":\"u\",\"hash\":\"h\",\"createdAt\":9}",
      "INSERT INTO `user` (`id`,`hlc`,", "SELECT 5,1041,9,7,_utf8mb4 X'20414062',_utf8mb4 X'75',_utf8mb4 X'68'" },
    { "his claim, trimmed and folded", OP_USER_REGISTERED,
      "{\"id\":5,\"email\":\" A@b\",\"username\":\"u\",\"hash\":\"h\",\"createdAt\":9}", "INSERT INTO `email_claim`",
      "SELECT 5,1041,7,X'614062'" },
    { "a password", OP_PASSWORD_CHANGED, "{\"user\":5,\"hash\":\"h\",\"stamp\":\"99\"}", "(`id`,`password`,",
      "SELECT 5,99,7,_utf8mb4 X'68'" },
    { "an e-mail", OP_PROFILE_CHANGED, "{\"user\":5,\"email\":\"C@d\",\"stamp\":\"99\"}", "(`id`,`email`,",
      "SELECT 5,99,7,_utf8mb4 X'434064'" },
    { "its claim", OP_PROFILE_CHANGED, "{\"user\":5,\"email\":\"C@d\",\"stamp\":\"99\"}", "INSERT INTO `email_claim`",
      "SELECT 5,99,7,X'634064'" },
    { "a name", OP_PROFILE_CHANGED, "{\"user\":5,\"username\":\"n\",\"stamp\":\"99\"}", "(`id`,`username`,",
      "SELECT 5,99,7,_utf8mb4 X'6e'" },
    { "a parked e-mail", OP_EMAIL_PARKED, "{\"user\":5,\"email\":\"C@d\",\"stamp\":\"99\"}", "(`key`,`user_id`,`parked_stamp`)",
      "SELECT 5,99,X'634064'" },
    { "a room", OP_ROOM_CREATED, "{\"id\":3,\"name\":\"r\",\"isPrivate\":true,\"createdBy\":5,\"createdAt\":9}",
      "INSERT INTO `room`", "SELECT 3,1041,7,1,5,9,_utf8mb4 X'72'" },
    { "a joining", OP_MEMBER_JOINED, "{\"id\":4,\"room\":3,\"user\":5,\"by\":6,\"stamp\":\"99\",\"joinedAt\":9}",
      "INSERT INTO `member`", "SELECT 3,5,4,1,6,9,99,7" },
    { "a leaving", OP_MEMBER_LEFT, "{\"room\":3,\"user\":5,\"by\":6,\"stamp\":\"99\"}", "INSERT INTO `member`",
      "SELECT 3,5,0,0,6,0,99,7" },
    { "a message", OP_MESSAGE_SENT, "{\"id\":8,\"room\":3,\"sender\":5,\"content\":\"hi\",\"createdAt\":9}",
      "INSERT INTO `message`", "(8,1041,3,5," SQL_TIME("9") ",_utf8mb4 X'6869')" },
    { "a delivery of two", OP_DELIVERED, "{\"at\":9,\"of\":[{\"room\":3,\"user\":5,\"messages\":[8,11]}]}",
      "(`message_id`,`user_id`,`delivered_at`) ", "SELECT 8,5,9 UNION ALL SELECT 11,5,9" },
    { "a reading by two", OP_READ,
      "{\"at\":9,\"of\":[{\"room\":3,\"user\":5,\"messages\":[8]},{\"room\":3,\"user\":6,\"messages\":[8]}]}",
      "(`message_id`,`user_id`,`delivered_at`,`read_at`)", "SELECT 8,5,9 UNION ALL SELECT 8,6,9" },
    { "who was seen", OP_LAST_SEEN, "{\"users\":[{\"id\":5,\"at\":9}]}", "(`id`,`last_seen`)", "SELECT 5,9" },
};

static void
every_op_becomes_its_rows_and_its_line_of_the_log(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sql_batch *b = sql_batch_new();
        struct tb_buf     log = TB_BUF_INIT;
        size_t            n;
        sql_batch_begin(b, &fence, 1 << 20);
        add(b, rows[i].kind, rows[i].body);
        const char *text = text_of(b, &n), *into = strstr(text, rows[i].into);
        tb_buf_printf(&log, "INSERT INTO `op_log` (`node`,`seq`,`at`,`kind`,`version`,`chain`,`body`) VALUES(7,41,1041,%d,1,"
                      "X'29292929292929292929292929292929',X'", rows[i].kind);
        tb_buf_add_hex(&log, rows[i].body, strlen(rows[i].body));
        tb_buf_add(&log, TB_LIT("');\n"));
        if (into == NULL || strstr(into, rows[i].row) == NULL || strstr(text, log.p) == NULL)
            fail_msg("%s: %s\nin %s", rows[i].name, rows[i].row, text);
        tb_buf_fini(&log);
        sql_batch_free(&b);
    }
}

static void
a_batch_is_one_transaction_behind_a_fence_that_fails_by_itself(void **state)
{
    struct sql_batch *b = sql_batch_new();
    size_t            n;
    (void)state;
    sql_batch_begin(b, &fence, 1 << 20);
    add(b, OP_MESSAGE_SENT, "{\"id\":8,\"room\":3,\"sender\":5,\"content\":\"hi\",\"createdAt\":9}");
    add(b, OP_MESSAGE_SENT, "{\"id\":9,\"room\":3,\"sender\":5,\"content\":\"ho\",\"createdAt\":9}");
    const char *text = text_of(b, &n);
    static const char begin[] =
        "START TRANSACTION READ WRITE;\n"
        "UPDATE `site` SET `last_seq`=IF(`epoch`=3 AND `last_seq`=40 AND `uuid`=_utf8mb4 X'"
        "30313233343536372d383961622d636465662d303132332d343536373839616263646566',42,NULL),"
        "`chain`=X'2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a',`seen_at`="
        "TIMESTAMPADD(MICROSECOND,1700000000123*1000,TIMESTAMP'1970-01-01 00:00:00') WHERE `id`=7;\n";
    assert_memory_equal(begin, text, sizeof begin - 1);
    assert_string_equal("COMMIT AND NO CHAIN NO RELEASE", strrchr(text, '\n') + 1);
    assert_int_equal(5, n);         /* two messages are one statement, and so are their lines of the log */
    assert_int_equal(4, count(text, ";\n"));
    assert_int_equal(2, sql_batch_ops(b));
    assert_int_equal(42, sql_batch_last_seq(b));
    sql_batch_free(&b);
}

static void
content_never_leaves_hex(void **state)
{
    static const char *const hard[] = {
        "{\"id\":8,\"room\":3,\"sender\":5,\"content\":\"it's \\\"q\\\" \\\\ \\u0000 end\",\"createdAt\":9}",
        "{\"id\":8,\"room\":3,\"sender\":5,\"content\":\"\xF0\x9F\x8F\x9D'); DROP TABLE x; --\",\"createdAt\":9}",
    };
    static const char *const hex[] = { "X'6974277320227122205c200020656e64'",
                                       "X'f09f8f9d27293b2044524f50205441424c4520783b202d2d'" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct sql_batch *b = sql_batch_new();
        size_t            n;
        sql_batch_begin(b, &fence, 1 << 20);
        add(b, OP_MESSAGE_SENT, hard[i]);
        const char *text = text_of(b, &n);
        assert_non_null(strstr(text, hex[i]));
        assert_null(strstr(text, "DROP"));
        assert_null(strchr(text, '"'));
        assert_null(strchr(text, '\\'));
        for (const char *p = text; *p != '\0'; p++)
            assert_true((unsigned char)*p < 0x80);
        sql_batch_free(&b);
    }
}

static void
many_rows_are_cut_into_statements(void **state)
{
    struct sql_batch *b = sql_batch_new();
    struct tb_buf     body = TB_BUF_INIT;
    size_t            n;
    (void)state;
    tb_buf_add(&body, TB_LIT("{\"at\":9,\"of\":[{\"room\":3,\"user\":5,\"messages\":[1"));
    for (int i = 2; i <= 513; i++)
        tb_buf_printf(&body, ",%d", i);
    tb_buf_add(&body, TB_LIT("]}]}"));
    sql_batch_begin(b, &fence, 1 << 20);
    add(b, OP_DELIVERED, body.p);
    const char *text = text_of(b, &n);
    assert_int_equal(3, count(text, "INSERT INTO `receipt`"));     /* 256, 256 and 1 */
    assert_int_equal(513, count(text, " UNION ALL SELECT "));
    assert_int_equal(3 + 3 + 1, n);
    assert_int_equal(n - 1, count(text, ";\n"));
    tb_buf_fini(&body);
    sql_batch_free(&b);
}

static void
a_full_batch_takes_nothing_more_and_stays_as_it_was(void **state)
{
    static const char body[] = "{\"id\":5,\"email\":\"a@b\",\"username\":\"u\",\"hash\":\"h\",\"createdAt\":9}";
    struct sql_batch *b = sql_batch_new();
    struct tb_err     e = { 0 };
    struct tb_buf     before = TB_BUF_INIT;
    size_t            n, n_before;
    (void)state;
    sql_batch_begin(b, &fence, 4096);
    struct store_entry entry = entry_of(41, OP_USER_REGISTERED, tb_str_of(body));
    while (sql_batch_add(b, &entry, &e) == TB_OK)
        entry = entry_of(entry.seq + 1, OP_USER_REGISTERED, tb_str_of(body));
    assert_int_equal(TB_ETOOBIG, e.code);
    assert_int_equal(entry.seq - 41, sql_batch_ops(b));
    assert_true(sql_batch_ops(b) > 1);
    tb_buf_add(&before, tb_str_of(text_of(b, &n_before)));
    assert_true(before.n <= 4096);
    assert_int_equal(TB_ETOOBIG, sql_batch_add(b, &entry, &e));
    assert_string_equal(before.p, text_of(b, &n));
    assert_int_equal(n_before, n);
    tb_buf_fini(&before);
    sql_batch_free(&b);
}

static void
a_first_op_fits_whatever_its_size(void **state)
{
    struct sql_batch *b = sql_batch_new();
    (void)state;
    sql_batch_begin(b, &fence, 10);
    add(b, OP_LAST_SEEN, "{\"users\":[{\"id\":5,\"at\":9}]}");
    assert_int_equal(1, sql_batch_ops(b));
    sql_batch_free(&b);
}

static void
a_batch_begins_anew(void **state)
{
    struct sql_batch *b = sql_batch_new();
    struct sql_fence  later = fence;
    size_t            n;
    (void)state;
    sql_batch_begin(b, &fence, 1 << 20);
    add(b, OP_LAST_SEEN, "{\"users\":[{\"id\":5,\"at\":9}]}");
    later.last_seq = 41;
    sql_batch_begin(b, &later, 1 << 20);
    add(b, OP_MEMBER_LEFT, "{\"room\":3,\"user\":5,\"by\":6,\"stamp\":\"99\"}");
    const char *text = text_of(b, &n);
    assert_null(strstr(text, "last_seen"));
    assert_non_null(strstr(text, "`last_seq`=41"));
    assert_int_equal(5, n);
    sql_batch_free(&b);
}

static void
an_op_of_a_newer_program_is_refused(void **state)
{
    struct sql_batch  *b = sql_batch_new();
    struct store_entry entry = entry_of(41, OP_LAST_SEEN, TB_LIT("{\"users\":[]}"));
    struct tb_err      e = { 0 };
    (void)state;
    entry.version = OP_VERSION + 1;
    sql_batch_begin(b, &fence, 1 << 20);
    assert_int_equal(TB_EINPUT, sql_batch_add(b, &entry, &e));
    assert_non_null(strstr(e.why, "op 41"));
    assert_int_equal(0, sql_batch_ops(b));
    sql_batch_free(&b);
}

static void
rows_leave_the_centre_where_it_is_and_the_last_batch_moves_it_on(void **state)
{
    static const uint8_t chain[16] = { 0xab };
    struct sql_batch    *b = sql_batch_new();
    struct tb_err        e = { 0 };
    struct op            op = { .kind = OP_ROOM_CREATED, .node = 9, .at = 77, .room_created = { .id = 3, .name = TB_LIT("r") } };
    size_t               n;
    (void)state;
    sql_batch_begin(b, &fence, 1 << 20);
    assert_int_equal(TB_OK, sql_batch_add_row(b, &op, &e));
    const char *text = text_of(b, &n);
    assert_non_null(strstr(text, "',40,NULL),`seen_at`="));
    assert_non_null(strstr(text, "SELECT 3,77,9,0,0,0,_utf8mb4 X'72'"));
    assert_null(strstr(text, "op_log"));
    assert_null(strstr(text, "chain"));
    assert_int_equal(4, n);
    sql_batch_skip_to(b, 50, chain);
    assert_non_null(strstr(text_of(b, &n), "',50,NULL),`chain`=X'ab000000000000000000000000000000',`floor`=50,`seen_at`="));
    sql_batch_begin(b, &fence, 1 << 20);
    sql_batch_skip_to(b, 50, chain);        /* a batch of nothing else */
    text = text_of(b, &n);
    assert_non_null(strstr(text, "INSERT INTO `op_floor` (`node`,`seq`,`chain`)"));
    assert_int_equal(4, n);
    op.seq = 12;
    sql_batch_begin(b, &fence, 1 << 20);
    sql_batch_park_row(b, &op, 1406, TB_LIT("no"));
    text = text_of(b, &n);
    assert_non_null(strstr(text, "INSERT INTO `parked` (`node`,`seq`,`kind`,`code`,`reason`) VALUES(9,12,5,1406,_utf8mb4 X'6e6f')"));
    assert_int_equal(4, n);
    op.seq = 0;
    sql_batch_begin(b, &fence, 1 << 20);
    sql_batch_park_row(b, &op, 1406, TB_LIT("no"));
    assert_null(strstr(text_of(b, &n), "parked"));
    assert_int_equal(3, n);
    sql_batch_begin(b, &fence, 4096);
    while (sql_batch_add_row(b, &op, &e) == TB_OK)
        ;
    assert_int_equal(TB_ETOOBIG, e.code);
    sql_batch_skip_to(b, 50, chain);
    text = text_of(b, &n);
    assert_true(strlen(text) <= 4096);
    sql_batch_free(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_becomes_its_rows_and_its_line_of_the_log),
        cmocka_unit_test(a_batch_is_one_transaction_behind_a_fence_that_fails_by_itself),
        cmocka_unit_test(content_never_leaves_hex),
        cmocka_unit_test(many_rows_are_cut_into_statements),
        cmocka_unit_test(a_full_batch_takes_nothing_more_and_stays_as_it_was),
        cmocka_unit_test(a_first_op_fits_whatever_its_size),
        cmocka_unit_test(a_batch_begins_anew),
        cmocka_unit_test(an_op_of_a_newer_program_is_refused),
        cmocka_unit_test(rows_leave_the_centre_where_it_is_and_the_last_batch_moves_it_on),
    };
    return tap_run(tests);
}
