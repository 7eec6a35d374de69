/* What sockets see of time: the recovery window. The client is a few polling requests by hand (Engine.IO 4, Socket.IO 5). */
#include "rig.h"

#include "base/log.h"
#include "tombolo/str.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_MS (3600 * 1000LL)

static const char settings[] = "[limit]\nmessages = 0\n[recovery]\nwindow_days = 1\n[auth]\ntoken_days = 30";

static struct rig *r;

static int
open_rig(void **state)
{
    (void)state;
    r = rig_new(1, settings, false);
    return 0;
}

static int
close_rig(void **state)
{
    (void)state;
    rig_free(&r);
    return 0;
}

/* The value of "name":"..." in text, to out; empty when it is not there. */
static void
copy_text(const char *text, const char *name, char *out, size_t size)
{
    char        key[32];
    const char *at;
    size_t      n = 0;

    snprintf(key, sizeof key, "\"%s\":\"", name);
    at = strstr(text, key);
    if (at != NULL)
        for (at += strlen(key); at[n] != '\0' && at[n] != '"' && n + 1 < size; n++)
            out[n] = at[n];
    out[n] = '\0';
}

struct line {                   /* a socket of anna's */
    char sid[64], pid[128], id[64];     /* of Engine.IO; of Socket.IO: of the recovery, and its own */
};

static struct rig_reply
poll(const char *sid, const char *body)
{
    struct tb_buf path = TB_BUF_INIT;

    tb_buf_printf(&path, "/socket.io/?EIO=4&transport=polling%s%s", sid[0] != '\0' ? "&sid=" : "", sid);
    struct rig_reply reply = rig_call(r, body != NULL ? "POST" : "GET", path.p, body);
    tb_buf_fini(&path);
    assert_int_equal(reply.status, 200);
    return reply;
}

/* auth: more members of the payload, or "". */
static struct line
connect_with(const char *auth)
{
    struct line      l = { 0 };
    struct tb_buf    packet = TB_BUF_INIT;
    struct rig_reply reply = poll("", NULL);

    copy_text(reply.text, "sid", l.sid, sizeof l.sid);
    rig_reply_fini(&reply);
    tb_buf_printf(&packet, "40{\"token\":\"%s\"%s}", r->token, auth);
    reply = poll(l.sid, packet.p);
    rig_reply_fini(&reply);
    reply = poll(l.sid, NULL);
    copy_text(reply.text, "sid", l.id, sizeof l.id);
    copy_text(reply.text, "pid", l.pid, sizeof l.pid);
    assert_true(l.pid[0] != '\0');
    rig_reply_fini(&reply);
    tb_buf_fini(&packet);
    return l;
}

static void
leave(const struct line *l)
{
    struct rig_reply reply = poll(l->sid, "1");
    rig_reply_fini(&reply);
}

/* Whether anna, away for so long, is recovered; offset: as in auth, or "". */
static bool
comes_back(const struct line *before, const char *offset)
{
    char auth[400];

    snprintf(auth, sizeof auth, ",\"pid\":\"%s\"%s%s%s", before->pid, offset[0] != '\0' ? ",\"offset\":\"" : "", offset,
             offset[0] != '\0' ? "\"" : "");
    struct line now = connect_with(auth);
    bool        is_recovered = strcmp(now.pid, before->pid) == 0;
    assert_int_equal(is_recovered, strcmp(now.id, before->id) == 0);
    leave(&now);
    return is_recovered;
}

static void
an_offset_is_good_for_the_window_and_no_longer(void **state)
{
    char path[64], offset[64];

    (void)state;
    struct line first = connect_with("");
    assert_int_equal(rig_say(r, "the last thing heard"), 201);
    snprintf(path, sizeof path, "/messages/rooms/%d/messages", (int)r->room_id);
    struct rig_reply page = rig_call(r, "GET", path, NULL);
    copy_text(page.text, "offset", offset, sizeof offset);
    rig_reply_fini(&page);
    assert_true(offset[0] != '\0');
    leave(&first);
    rig_clock_move(&r->clock, 23 * HOUR_MS);
    assert_true(comes_back(&first, offset));
    rig_clock_move(&r->clock, 2 * HOUR_MS);
    assert_false(comes_back(&first, offset));
}

static void
without_an_offset_the_window_begins_where_the_session_began(void **state)
{
    (void)state;
    assert_int_equal(rig_say(r, "before the session"), 201);
    struct line first = connect_with("");
    leave(&first);
    rig_clock_move(&r->clock, 23 * HOUR_MS);
    assert_true(comes_back(&first, ""));
    rig_clock_move(&r->clock, 2 * HOUR_MS);
    assert_false(comes_back(&first, ""));
}

static void
recovery_outlives_a_power_cut(void **state)
{
    (void)state;
    assert_int_equal(rig_say(r, "before the session"), 201);
    struct line first = connect_with("");
    rig_crash_and_reopen(r);
    assert_true(comes_back(&first, ""));
}

static void
drop_line(tb_str line)
{
    (void)line;
}

#define IN(test_) cmocka_unit_test_setup_teardown(test_, open_rig, close_rig)

int
main(void)
{
    if (getenv("TB_LOG") == NULL)
        log_divert(drop_line);
    const struct CMUnitTest tests[] = {
        IN(an_offset_is_good_for_the_window_and_no_longer),
        IN(without_an_offset_the_window_begins_where_the_session_began),
        IN(recovery_outlives_a_power_cut),
    };
    return tap_run(tests);
}
