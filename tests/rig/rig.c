/* Bodies of rig.h. */
#include "rig.h"

#include "base/thread.h"
#include "config/config.h"
#include "folder.h"
#include "serve/serve.h"

#include <assert.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_BODY = 512 };

#define START_MS 1700000000000

static const char own_settings[] = "[server]\nhost = 127.0.0.1\nport = 0\n[auth]\npassword_cost = min\n"
                                   "[journal]\nreserve_mb = 0\n[sync]\nfirst_contact_ms = 0\n[log]\nlevel = error\n";

/* ---- opening and closing ---- */

static void __attribute__((noreturn))
give_up(const char *what, const char *why)
{
    fprintf(stderr, "rig: %s: %s\n", what, why);
    abort();
}

static void
open_server(struct rig *r)
{
    struct serve_parts parts = { .clock = &r->clock.clock, .vfs = rig_disk_vfs(r->disk) };
    struct tb_buf      text = TB_BUF_INIT;
    struct tb_config   config;
    struct tb_err      e = { 0 };

    tb_buf_printf(&text, "%s%s\n[server]\ndata = %s\n", own_settings, r->settings, r->dir);
    if (r->centre != NULL)
        parts.target = rig_centre_target(r->centre);
    if (tb_config_parse(&config, "rig", tb_buf_str(&text), &e) != TB_OK)
        give_up("configuration", e.why);
    if (serve_open(&r->server, &config, &parts, &e) != TB_OK)
        give_up("server", e.why);
    tb_config_fini(&config);
    tb_buf_fini(&text);
}

void
rig_close(struct rig *r)
{
    serve_close(&r->server);
}

void
rig_reopen(struct rig *r)
{
    rig_close(r);
    open_server(r);
}

void
rig_crash_and_reopen(struct rig *r)
{
    rig_disk_cut(r->disk, rig_random_next(&r->chance));
    rig_disk_resume(r->disk);
    rig_close(r);
    rig_disk_power_on(r->disk);
    open_server(r);
}

void
rig_stall_disk(struct rig *r)
{
    rig_disk_stall(r->disk);
}

void
rig_resume_disk(struct rig *r)
{
    rig_disk_resume(r->disk);
}

static void
settle(struct rig *r)
{
    r->token = rig_register(r, "anna");
    struct rig_reply room = rig_call(r, "POST", "/rooms", "{\"name\":\"bridge\"}");
    r->room_id = rig_reply_int(&room, "id");
    if (room.status != 201)
        give_up("room", room.text);
    rig_reply_fini(&room);
}

struct rig *
rig_new(uint64_t seed, const char *settings, bool has_centre)
{
    struct rig *r = TB_NEW(struct rig);

    tb_thread_become(TB_MAIN);
    r->settings = settings;
    r->chance = (struct rig_random){ seed };
    r->disk = rig_disk_new();
    r->centre = has_centre ? rig_centre_new() : NULL;
    rig_clock_init(&r->clock, START_MS);
    folder_name(r->dir, sizeof r->dir, "rig");
    if (mkdtemp(r->dir) == NULL)
        give_up("folder", r->dir);
    open_server(r);
    settle(r);
    return r;
}

static void
remove_dir(const struct rig *r)
{
    static const char *const names[] = { "tombolo.lock", "jwt.secret" };
    char                     path[sizeof r->dir + 20];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", r->dir, names[i]);
        unlink(path);
    }
    rmdir(r->dir);
}

void
rig_free(struct rig **rp)
{
    struct rig *r = *rp;

    if (r == NULL)
        return;
    rig_disk_resume(r->disk);
    rig_close(r);
    for (size_t i = 0; i < r->n_sent; i++) {
        if (r->sent[i].fd >= 0)
            close(r->sent[i].fd);
        rig_reply_fini(&r->sent[i].reply);
        tb_free(r->sent[i].content);
    }
    remove_dir(r);
    rig_disk_free(&r->disk);
    rig_centre_free(&r->centre);
    tb_free(r->sent);
    tb_free(r->token);
    tb_free(r);
    *rp = NULL;
}

int64_t
rig_count(struct rig *r, const char *table)
{
    sqlite3      *db = NULL;
    sqlite3_stmt *q = NULL;
    char          text[sizeof r->dir + 100];
    int64_t       n = -1;

    snprintf(text, sizeof text, "%s/tombolo.db", r->dir);
    if (sqlite3_open_v2(text, &db, SQLITE_OPEN_READONLY, rig_disk_vfs(r->disk)) != SQLITE_OK)
        give_up("count", text);
    snprintf(text, sizeof text, "SELECT count(*) FROM \"%s\"", table);
    if (sqlite3_prepare_v2(db, text, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW)
        n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return n;
}

/* ---- the client ---- */

struct rig_reply
rig_call_as(struct rig *r, const struct rig_request *q)
{
    return rig_http_read(rig_http_send(serve_port(r->server), q));
}

struct rig_reply
rig_call(struct rig *r, const char *method, const char *path, const char *body)
{
    return rig_call_as(r, &(struct rig_request){ .method = method, .path = path, .token = r->token, .body = body });
}

int
rig_status(struct rig *r, const char *method, const char *path, const char *body)
{
    struct rig_reply reply = rig_call(r, method, path, body);
    int              status = reply.status;

    rig_reply_fini(&reply);
    return status;
}

char *
rig_register(struct rig *r, const char *name)
{
    char body[MAX_BODY];

    snprintf(body, sizeof body, "{\"email\":\"%s@rig.example\",\"username\":\"%s\",\"password\":\"%s's password\"}", name,
             name, name);
    struct rig_reply reply =
        rig_call_as(r, &(struct rig_request){ .method = "POST", .path = "/auth/register", .body = body });
    if (reply.status != 201)
        give_up("register", reply.text);
    char *token = tb_str_to_c(tb_str_of(rig_reply_text(&reply, "token")));
    rig_reply_fini(&reply);
    return token;
}

static struct rig_reply
log_in(struct rig *r, const char *name, const char *password)
{
    char body[MAX_BODY];

    snprintf(body, sizeof body, "{\"email\":\"%s@rig.example\",\"password\":\"%s\"}", name, password);
    return rig_call_as(r, &(struct rig_request){ .method = "POST", .path = "/auth/login", .body = body });
}

int
rig_login(struct rig *r, const char *name, const char *password)
{
    struct rig_reply reply = log_in(r, name, password);
    int              status = reply.status;

    rig_reply_fini(&reply);
    return status;
}

void
rig_log_in_again(struct rig *r)
{
    struct rig_reply reply = log_in(r, "anna", "anna's password");

    if (reply.status != 200)
        give_up("login", reply.text);
    tb_free(r->token);
    r->token = tb_str_to_c(tb_str_of(rig_reply_text(&reply, "token")));
    rig_reply_fini(&reply);
}

/* ---- messages ---- */

void
rig_send_keyed(struct rig *r, const char *content, const char *key)
{
    char body[MAX_BODY];

    snprintf(body, sizeof body, "{\"roomId\":%" PRId64 ",\"content\":\"%s\"}", r->room_id, content);
    r->sent = tb_realloc(r->sent, (r->n_sent + 1) * sizeof *r->sent);
    r->sent[r->n_sent++] = (struct rig_sent){
        .content = tb_str_to_c(tb_str_of(content)),
        .fd = rig_http_send(serve_port(r->server), &(struct rig_request){ .method = "POST", .path = "/messages",
                                                                          .token = r->token, .key = key, .body = body }),
    };
}

void
rig_send(struct rig *r, const char *content)
{
    rig_send_keyed(r, content, NULL);
}

/* The newest of that content: a repeated message is a new one to be answered. */
static struct rig_sent *
find_sent(struct rig *r, const char *content)
{
    for (size_t i = r->n_sent; i > 0; i--) {
        if (strcmp(r->sent[i - 1].content, content) == 0)
            return &r->sent[i - 1];
    }
    give_up("never sent", content);
}

static int
read_answer(struct rig_sent *s)
{
    if (s->fd >= 0) {
        s->reply = rig_http_read(s->fd);
        s->fd = -1;
    }
    return s->reply.status;
}

int
rig_answer(struct rig *r, const char *content)
{
    return read_answer(find_sent(r, content));
}

/* While the disk stands still the answer must not come, and a test cannot wait for that for ever: once a sync waits, and
 * the loop has gone round for other requests, what is there by then is looked at. */
bool
rig_acked(struct rig *r, const char *content)
{
    struct rig_sent *s = find_sent(r, content);

    if (s->fd >= 0 && rig_disk_is_stalled(r->disk)) {
        if (!rig_disk_wait_stalled(r->disk))
            give_up("nothing is being written", content);
        for (int i = 0; i < 3; i++)
            rig_status(r, "GET", "/healthz", NULL);
        if (!rig_http_has_answer(s->fd))
            return false;
    }
    return read_answer(s) == 201;
}

int
rig_say(struct rig *r, const char *content)
{
    rig_send(r, content);
    return rig_answer(r, content);
}

bool
rig_shows(struct rig *r, const char *content)
{
    char    path[100];
    size_t  n = 0, i;
    json_t *item;

    snprintf(path, sizeof path, "/messages/rooms/%" PRId64 "/messages?limit=100", r->room_id);
    struct rig_reply page = rig_call(r, "GET", path, NULL);
    if (page.status != 200)
        give_up("history", page.text);
    json_array_foreach(json_object_get(page.json, "items"), i, item)
        n += strcmp(json_string_value(json_object_get(item, "content")), content) == 0;
    rig_reply_fini(&page);
    if (n > 1)
        give_up("shown twice", content);
    return n == 1;
}
