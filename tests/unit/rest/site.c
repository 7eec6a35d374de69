/* See site.h. */
#include "site.h"

#include "base/log.h"
#include "folder.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

const struct page_file *site_page;

static int64_t
wall_ms(void *ctx)
{
    return ((struct site *)ctx)->now_ms;
}

static int64_t
mono_us(void *ctx)
{
    return wall_ms(ctx) * 1000;
}

static void
sync_of(void *ctx, struct rest_sync *out)
{
    *out = ((struct site *)ctx)->sync;
}

static void
swallow(tb_str line)
{
    (void)line;
}

static const struct chat_limits site_limits = {
    .messages = 5, .messages_window_ms = 10000, .logins = 10, .address_logins = 100, .logins_window_ms = 60000, .tracked = 1000,
    .content_bytes = 200, .room_name_chars = 30, .read_ids = 10, .password_min = 8,
};

static void
open_chat(struct site *s)
{
    struct store_status  status;
    struct tb_err        e;
    struct chat_settings settings = {
        .store = s->store, .mailbox = s->mailbox, .clock = &s->clock, .limits = site_limits,
        .hasher = { .cost = CHAT_COST_MIN, .threads = 1, .queue = 16 },
        .token = { .secret = TB_LIT("0123456789abcdef0123456789abcdef"), .days = 7 },
    };

    store_status(s->store, &status);
    settings.token.issuer = status.journal_uuid;
    assert_int_equal(TB_OK, chat_open(&s->chat, &settings, &e));
}

int
site_open(void **state)
{
    struct site  *s = TB_NEW(struct site);
    struct tb_err e = { .code = TB_OK };

    log_divert(swallow);
    tb_thread_become(TB_LOOP);
    s->now_ms = 1700000000000;
    s->clock = (struct tb_clock){ wall_ms, mono_us, s };
    s->mailbox = tb_mailbox_new(1024, NULL, NULL);
    folder_name(s->dir, sizeof s->dir, "site");
    assert_non_null(mkdtemp(s->dir));
    struct store_settings settings = { .dir = s->dir, .clock = &s->clock, .queue = 64, .reader_queue = 64, .batch = 256,
                                       .members_per_room = 3, .rooms_per_user = 4, .key_keep_days = 7 };
    if (store_open(&s->store, &settings, &e) != TB_OK)
        fail_msg("%s", e.why);
    open_chat(s);
    rest_open(&s->rest, &(struct rest_settings){ .max_body = 65536, .chat = s->chat, .store = s->store, .sync_of = sync_of,
        .sync_ctx = s, .page = site_page });
    *state = s;
    return 0;
}

static void
remove_folder(const char *dir)
{
    DIR *d = opendir(dir);

    for (struct dirent *f = readdir(d); f != NULL; f = readdir(d))
        if (f->d_name[0] != '.')
            unlinkat(dirfd(d), f->d_name, 0);
    closedir(d);
    rmdir(dir);
}

int
site_close(void **state)
{
    struct site *s = *state;

    chat_stop(s->chat);
    store_close(&s->store);
    tb_mailbox_run(s->mailbox);
    chat_close(&s->chat);
    rest_close(&s->rest);
    tb_mailbox_free(&s->mailbox);
    for (size_t i = 0; i < sizeof s->tokens / sizeof *s->tokens; i++)
        tb_buf_fini(&s->tokens[i]);
    fake_answer_fini(&s->answer);
    remove_folder(s->dir);
    tb_free(s);
    return 0;
}

static void
add_header(struct fake_request *r, tb_str name, tb_str value)
{
    assert_true(r->n_headers < FAKE_HEADERS);
    r->headers[r->n_headers++] = (struct net_header){ name, value };
}

static void
wait_for_answer(struct site *s, struct fake_request *r)
{
    struct tb_msg_list taken = { 0 };
    struct tb_msg     *m;

    while (!r->is_answered) {
        tb_mailbox_wait(s->mailbox, &taken, 64, -1);
        while ((m = tb_msg_list_take(&taken)) != NULL)
            m->run(m);
    }
}

int
site_ask(struct site *s, int n, const char *method, const char *path, const char *body, const char *header)
{
    struct fake_request r = { .http = { .method = tb_str_of(method), .body = tb_str_of(body),
        .peer = TB_LIT("127.0.0.1") } };
    struct tb_buf       bearer = TB_BUF_INIT;
    const char         *query = strchr(path, '?'), *colon = header ? strchr(header, ':') : NULL;

    r.http.path = query ? (tb_str){ path, (size_t)(query - path) } : tb_str_of(path);
    r.http.query = query ? tb_str_of(query + 1) : TB_STR_NULL;
    if (n > 0) {
        tb_buf_printf(&bearer, "Bearer %s", s->tokens[n].p);
        add_header(&r, TB_LIT("authorization"), tb_buf_str(&bearer));
    }
    if (colon != NULL)
        add_header(&r, (tb_str){ header, (size_t)(colon - header) }, tb_str_of(colon + 2));
    if (body != NULL && (header == NULL || strncmp(header, "content-type", 12) != 0))
        add_header(&r, TB_LIT("content-type"), TB_LIT("application/json"));
    rest_on_request(s->rest, &r.http);
    wait_for_answer(s, &r);
    fake_answer_fini(&s->answer);
    s->answer = r.answer;
    tb_buf_fini(&bearer);
    return s->answer.status;
}

void
site_do(struct site *s, int status, int n, const char *method, const char *path, const char *body)
{
    if (site_ask(s, n, method, path, body, NULL) != status)
        fail_msg("%s %s %s: %d %s", method, path, body ? body : "", s->answer.status, s->answer.body.p);
}

void
site_add_user(struct site *s, int n)
{
    struct tb_buf body = TB_BUF_INIT;

    tb_buf_printf(&body, "{\"email\":\"u%d@example.org\",\"username\":\"User%d\",\"password\":\"password%d\"}", n, n,
                  n);
    site_do(s, 201, 0, "POST", "/auth/register", body.p);
    tb_buf_fini(&body);
    const char *token = strstr(s->answer.body.p, "\"token\":\"");
    assert_non_null(token);
    token += strlen("\"token\":\"");
    tb_buf_clear(&s->tokens[n]);
    tb_buf_add(&s->tokens[n], (tb_str){ token, strcspn(token, "\"") });
}

void
site_expect(const struct site *s, const char *want)
{
    const char *have = s->answer.body.p ? s->answer.body.p : "";

    for (const char *w = want, *h = have;; w++, h++) {
        if (*w == '~') {
            h += strcspn(h, "\"");
            w++;
        }
        if (*w != *h)
            fail_msg("\nwant %s\nhave %s\nfrom %s", want, have, h);
        if (*w == '\0')
            return;
    }
}

void
site_refuses(struct site *s, const struct refusal *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct refusal *r = &rows[i];
        char                  want[512];
        snprintf(want, sizeof want, "{\"message\":\"%s\",\"code\":\"%s\"", r->message, r->code);
        int status = site_ask(s, r->user, r->method, r->path, r->body, NULL);
        if (status != r->status || strncmp(s->answer.body.p, want, strlen(want)) != 0)
            fail_msg("%s %s %s: %d %s", r->method, r->path, r->body ? r->body : "", status, s->answer.body.p);
        assert_string_equal("application/json; charset=utf-8", s->answer.type.p);
    }
}
