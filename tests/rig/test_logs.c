/* What the log tells of a bad disk: which request waited or failed, on every thread that had it in hand, and no more lines than
 * somebody can read. */
#include "rig.h"
#include "base/log.h"
#include "tap.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define SLOW_MS 600

static uint64_t    seed;
static struct rig *r;

static const char settings[] = "[limit]\nmessages = 0\nlogins = 0\n[log]\nrequests = yes";
static const char never_slow[] = "[limit]\nmessages = 0\n[log]\nslow_ms = 0";

/* ---- the log, as a text ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tb_buf   text;

static void
keep(tb_str line)
{
    pthread_mutex_lock(&lock);
    tb_buf_add(&text, line);
    pthread_mutex_unlock(&lock);
}

static unsigned
count_lines(const char *event)
{
    unsigned n = 0;

    pthread_mutex_lock(&lock);
    for (const char *at = text.p; at != NULL && (at = strstr(at, event)) != NULL; at++)
        n++;
    pthread_mutex_unlock(&lock);
    return n;
}

/* Whether some line has all of these. */
static bool
has_line(const char *const *parts)
{
    bool found = false;

    pthread_mutex_lock(&lock);
    for (char *line = text.p, *end; !found && line != NULL && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        found = true;
        for (size_t i = 0; parts[i] != NULL; i++)
            found = found && strstr(line, parts[i]) != NULL;
        *end = '\n';
    }
    pthread_mutex_unlock(&lock);
    return found;
}

#define HAS_LINE(...) has_line((const char *const[]){ __VA_ARGS__, NULL })

static void
open_with(const char *with)
{
    r = rig_new(seed, with, false);
    log_divert(keep);
    log_set(LOG_INFO, LOG_LOGFMT);      /* the rig is quiet otherwise */
    pthread_mutex_lock(&lock);
    tb_buf_clear(&text);
    tb_buf_add(&text, TB_LIT("\n"));
    pthread_mutex_unlock(&lock);
}

static int
with_settings(void **state)
{
    (void)state;
    open_with(settings);
    return 0;
}

static int
with_nothing_slow(void **state)
{
    (void)state;
    open_with(never_slow);
    return 0;
}

static int
close_rig(void **state)
{
    (void)state;
    rig_free(&r);
    log_divert(NULL);
    tb_buf_fini(&text);
    return 0;
}

static void
read_id(const struct rig_reply *reply, char out[32])
{
    const char *at = strstr(reply->text, "x-request-id: ");

    assert_non_null(at);
    snprintf(out, 32, "request=\"%.16s\"", at + strlen("x-request-id: "));
}

/* A message whose commit takes that long. */
static struct rig_reply
say_slowly(const char *content, int64_t ms)
{
    rig_stall_disk(r);
    rig_send(r, content);
    assert_true(rig_disk_wait_stalled(r->disk));
    rig_clock_move(&r->clock, ms);
    rig_resume_disk(r);
    assert_int_equal(201, rig_answer(r, content));
    return r->sent[r->n_sent - 1].reply;
}

static void
a_slow_commit_and_its_request_are_told_on_both_threads(void **state)
{
    char id[32];

    (void)state;
    struct rig_reply reply = say_slowly("nobody else's business", SLOW_MS);
    read_id(&reply, id);
    assert_true(HAS_LINE("warn slow.commit thread=writer ms=600 unsaid=0 changes=1 commit_ms=600", id));
    assert_true(HAS_LINE("warn slow.request thread=loop ms=600 unsaid=0", id, "route=\"POST /messages\" status=201"));
    assert_true(HAS_LINE("info http.request thread=loop", id, "method=\"POST\" path=\"/messages\" route=\"POST /messages\" status=201 us=600"));
    assert_int_equal(0, count_lines("business"));
}

static void
what_is_below_the_limit_is_not_told(void **state)
{
    (void)state;
    say_slowly("quick", 499);
    assert_int_equal(0, count_lines(" slow."));
}

static void
with_the_limit_off_nothing_is_slow(void **state)
{
    (void)state;
    say_slowly("whenever", 3600 * 1000);
    assert_int_equal(0, count_lines(" slow."));
    assert_int_equal(0, count_lines(" http.request "));
}

/* Of ten in six seconds each kind has a line for those that begin a second, and these say how many they stand for. */
static void
a_slow_disk_does_not_flood_the_log(void **state)
{
    char content[16];

    (void)state;
    for (int i = 0; i < 10; i++) {
        snprintf(content, sizeof content, "message %d", i);
        say_slowly(content, SLOW_MS);
    }
    assert_int_equal(5, count_lines(" slow.commit "));
    assert_int_equal(5, count_lines(" slow.request "));
    assert_int_equal(4, count_lines("slow.commit thread=writer ms=600 unsaid=1"));
}

static void
a_failed_commit_names_the_request_on_the_writer_and_on_the_loop(void **state)
{
    char id[32];

    (void)state;
    rig_disk_fail(r->disk, RIG_FAIL_WRITE, 0, 1);
    rig_send(r, "lost");
    assert_int_equal(503, rig_answer(r, "lost"));
    read_id(&r->sent[r->n_sent - 1].reply, id);
    assert_true(HAS_LINE("error store.commit_failed thread=writer changes=1 why=", id));
    assert_true(HAS_LINE("error rest.failed thread=loop", id));
    assert_int_equal(0, count_lines("lost"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_slow_commit_and_its_request_are_told_on_both_threads, with_settings, close_rig),
        cmocka_unit_test_setup_teardown(what_is_below_the_limit_is_not_told, with_settings, close_rig),
        cmocka_unit_test_setup_teardown(with_the_limit_off_nothing_is_slow, with_nothing_slow, close_rig),
        cmocka_unit_test_setup_teardown(a_slow_disk_does_not_flood_the_log, with_settings, close_rig),
        cmocka_unit_test_setup_teardown(a_failed_commit_names_the_request_on_the_writer_and_on_the_loop, with_settings, close_rig),
    };

    seed = rig_seed();
    return tap_run(tests);
}
